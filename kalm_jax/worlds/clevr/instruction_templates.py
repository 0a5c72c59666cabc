"""The wording of the CLEVR-Robot instructions, as data: phrases and templates by level and by direction of the goal.

`{a}` is the colour of the ball to move, `{b}` that of the reference ball. Directions are those of someone who stands
before the table (camera at -y): front is nearer to the viewer, behind is farther away, left and right are as seen.
Templates under `*_DISLIKE` complain about where a ball IS and are filed under that direction: `language` gives them
the opposite goal. The offline level has the wording of the released KALM data, all others are our own.
"""

OFFLINE_PHRASES = {
    "behind": ("behind", "to the behind of", "in behind of"),
    "left": ("to the left of", "left of", "on the left of"),
    "front": ("in front of", "front", "to the front of"),
    "right": ("to the right of", "right of", "on the right of"),
}
"""Three phrasings of every direction, `{d}` in the patterns below. Behind and front are those of the released data, its
English included; the sample that we have shows no left or right, so these are formed likewise."""

OFFLINE_PATTERNS = (
    "push the {a} ball {d} the {b} ball",
    "move the {a} ball {d} the {b} ball",
    "keep the {a} ball {d} the {b} ball",
    "can you push the {a} ball {d} the {b} ball",
    "can you move the {a} ball {d} the {b} ball",
    "can you keep the {a} ball {d} the {b} ball",
    "can you help me push the {a} ball {d} the {b} ball",
    "can you help me move the {a} ball {d} the {b} ball",
    "can you help me keep the {a} ball {d} the {b} ball",
    "is the {a} ball {d} the {b} ball",
    "is there any {a} ball {d} the {b} ball",
    "the {a} ball moves {d} the {b} ball",
    "the {a} ball is being pushed {d} the {b} ball",
    "the {a} ball is pushed {d} the {b} ball",
    "the {a} ball was moved {d} the {b} ball",
    "the {a} ball was pushed {d} the {b} ball",
    "the {a} ball is being moved {d} the {b} ball",
    "the {a} ball is moved {d} the {b} ball",
)

REPHRASE = {
    "behind": (
        "could you please send the {a} sphere round to the back of the {b} one",
        "i would love to see the {a} ball hiding behind the {b} ball",
        "gently nudge the {a} orb until it rests at the rear of the {b} orb",
        "the {b} ball ought to have the {a} ball at its back",
        "quickly shove the {a} marble over to the far side of the {b} marble",
        "make sure the {a} one ends up farther back than the {b} one",
        "tuck the {a} ball away in back of the {b} ball",
        "would you mind sliding the {a} globe rearward past the {b} globe",
        "put the {a} ball where the {b} ball hides it from our view",
        "my wish is for the ball that is {a} to stand to the rear of the ball that is {b}",
    ),
    "left": (
        "would you kindly bring the {a} sphere over to the left-hand side of the {b} one",
        "i wish the {a} ball sat on the left flank of the {b} ball",
        "carefully roll the {a} orb until it comes to a stop at the left side of the {b} orb",
        "the {b} ball should find the {a} ball at its left",
        "hurry up and scoot the {a} marble across to the left edge of the {b} marble",
        "see to it that the {a} one finishes further left than the {b} one",
        "park the {a} ball on the {b} ball's left",
        "be so kind as to ease the {a} globe leftward beyond the {b} globe",
        "scanning from left to right we should come across the {a} ball just before the {b} ball",
        "what i want is the ball that is {a} standing at the left hand of the ball that is {b}",
    ),
    "front": (
        "could you get the {a} sphere round to the front side of the {b} one for me",
        "it would make me happy if the {a} ball stood before the {b} ball",
        "slowly steer the {a} orb until it lies ahead of the {b} orb",
        "the {b} ball needs the {a} ball directly before its face",
        "whisk the {a} marble over to the near side of the {b} marble, as fast as you can",
        "make certain the {a} one comes closer to us than the {b} one",
        "give the {a} ball the spot at the {b} ball's front",
        "would it be possible to bring the {a} globe forward past the {b} globe",
        "let the {a} ball block our view of the {b} ball",
        "i'd rather have the ball that is {a} in the foreground and the ball that is {b} in the background",
    ),
    "right": (
        "do me a favour and take the {a} sphere to the right-hand side of the {b} one",
        "how nice it would be to have the {a} ball resting on the right flank of the {b} ball",
        "softly tap the {a} orb until it settles at the right side of the {b} orb",
        "let the {b} ball have the {a} ball as its neighbour on the right",
        "zip the {a} marble over to the right edge of the {b} marble in no time",
        "i need the {a} one to finish further right than the {b} one",
        "plant the {a} ball at the {b} ball's right",
        "kindly drive the {a} globe rightward beyond the {b} globe",
        "looking from left to right, we should meet the {a} ball straight after the {b} ball",
        "i'm hoping to find the ball that is {a} at the right hand of the ball that is {b}",
    ),
}

REPHRASE_DISLIKE = {
    "behind": (
        "i dislike that the {a} ball sits behind the {b} one",
        "i am fed up with the {a} sphere lurking at the back of the {b} sphere",
    ),
    "left": (
        "i don't like the {a} ball being on the left of the {b} one",
        "the {a} sphere has no business on the left side of the {b} sphere, get it across to the other side",
    ),
    "front": (
        "it annoys me that the {a} ball is in front of the {b} one",
        "i can't stand the {a} sphere being ahead of the {b} sphere, so please swap that around",
    ),
    "right": (
        "it bothers me that the {a} ball is on the right of the {b} one",
        "i hate seeing the {a} sphere to the right of the {b} sphere, it belongs opposite",
    ),
}

UNSEEN_EASY = {
    "behind": (
        "shift the {a} ball rearwards",
        "push the {a} ball backwards",
        "move the {a} ball to the back",
        "send the {a} ball toward the rear",
        "give the {a} ball a nudge to the rear",
        "slide the {a} sphere back a little",
        "roll the {a} ball further away from us",
        "please take the {a} ball one step back",
        "can you knock the {a} ball backward",
        "drive the {a} orb to the far end",
        "let the {a} ball retreat",
        "the {a} ball should go into the background",
        "tap the {a} one so that it rolls back",
        "make the {a} ball travel in the rear direction",
        "i want the {a} ball deeper in the scene",
        "shove the {a} ball off to the far side",
        "could you help me get the {a} sphere farther from the viewer",
        "back the {a} ball up",
        "put some more distance between us and the {a} ball",
    ),
    "left": (
        "shift the {a} ball leftwards",
        "push the {a} ball to the port side",
        "move the {a} ball over to the left",
        "send the {a} ball westward, to the left",
        "give the {a} ball a poke so it goes left",
        "slide the {a} sphere left a little",
        "roll the {a} ball toward the left-hand side",
        "please take the {a} ball one step to the left",
        "can you knock the {a} ball leftward",
        "drive the {a} orb to the left end",
        "let the {a} ball drift to the left",
        "the {a} ball should go near the left edge",
        "tap the {a} one so that it rolls left",
        "make the {a} ball travel in the left direction",
        "i want the {a} ball further left",
        "shove the {a} ball off to your left",
        "could you help me get the {a} sphere closer to the left border",
        "wheel the {a} ball out to the left",
        "leftward is where the {a} ball must head",
    ),
    "front": (
        "shift the {a} ball ahead",
        "push the {a} ball frontwards",
        "move the {a} ball to the front",
        "send the {a} ball toward the viewer",
        "give the {a} ball a kick to the front",
        "slide the {a} sphere forward a little",
        "roll the {a} ball closer to us",
        "please take the {a} ball one step forward",
        "can you knock the {a} ball forwards",
        "drive the {a} orb to the near end",
        "let the {a} ball advance",
        "the {a} ball should come into the foreground",
        "tap the {a} one so that it rolls to the front",
        "make the {a} ball travel in the forward direction",
        "i want the {a} ball nearer to me",
        "shove the {a} ball up to the near side",
        "could you help me get the {a} sphere closer to the camera",
        "bring the {a} ball forth",
        "lessen the distance between us and the {a} ball",
    ),
    "right": (
        "shift the {a} ball rightwards",
        "push the {a} ball to the starboard side",
        "move the {a} ball over to the right",
        "send the {a} ball eastward, to the right",
        "give the {a} ball a flick so it goes right",
        "slide the {a} sphere right a little",
        "roll the {a} ball toward the right-hand side",
        "please take the {a} ball one step to the right",
        "can you knock the {a} ball rightward",
        "drive the {a} orb to the right end",
        "let the {a} ball wander to the right",
        "the {a} ball should go near the right edge",
        "tap the {a} one so that it rolls right",
        "make the {a} ball travel in the right-hand direction",
        "i want the {a} ball further right",
        "shove the {a} ball off to your right",
        "could you help me get the {a} sphere closer to the right border",
        "carry the {a} ball out to the right",
        "rightward is where the {a} ball must head",
    ),
}

UNSEEN_EASY_DISLIKE = {
    "behind": ("the {a} ball is too far back for my taste",),
    "left": ("the {a} ball is too far left for my taste",),
    "front": ("the {a} ball is too far forward for my taste",),
    "right": ("the {a} ball is too far right for my taste",),
}

COMBINATION_PREFIXES = {
    "push": ("push", "push"),
    "move": ("move", "move"),
    "keep": ("keep", "keep"),
    "help_push": ("help me push", "push"),
    "help_move": ("help me move", "move"),
    "help_keep": ("help me keep", "keep"),
}
"""The six patterns of combined sub-goals: words before the first part, words before every later one."""

LINE = (
    "arrange the balls in a line from left to right: red, blue, green, purple, cyan",
    "line up the balls so that from left to right they are red, blue, green, purple and cyan",
    "make a row of red, blue, green, purple and cyan balls, starting on the left",
    "put the five balls in a row in the order red, blue, green, purple, cyan from the left",
    "form a straight line with the red ball leftmost, then blue, green and purple, and the cyan ball rightmost",
    "sort the balls from left to right as red, blue, green, purple and cyan",
    "i would like the balls lined up red, blue, green, purple, cyan, going from left to right",
    "could you set the spheres side by side, red first on the left, then blue, green, purple and last cyan",
    "build a horizontal line: red at the left end, next blue, next green, next purple, cyan at the right end",
    "order the balls along a line, left to right, as follows: red, blue, green, purple, cyan",
    "let the balls stand in a line that reads red, blue, green, purple, cyan from left to right",
    "can you help me make a left-to-right line of the red, blue, green, purple and cyan balls",
    "the balls should form a row: red, then blue, then green, then purple, then cyan, counted from the left",
    "please queue the balls up horizontally with red on the far left, blue, green, purple, and cyan on the far right",
    "place the orbs next to each other from left to right in this order: red, blue, green, purple, cyan",
    "lay the balls out in one row, beginning with red on the left and ending with cyan on the right, "
    "with blue, green and purple between them in that order",
    "organise the spheres into a left-to-right sequence of red, blue, green, purple, cyan",
    "i want a line of balls whose colours from the left are red, blue, green, purple and cyan",
    "align all balls horizontally in the sequence red, blue, green, purple, cyan, leftmost first",
    "position the balls so that red is left of blue, blue left of green, green left of purple and purple left of cyan, "
    "all in a line",
    "would you range the five balls in a single file from left to right, red, blue, green, purple, cyan",
    "set up a row where the cyan ball is on the right end, preceded by purple, green, blue and red",
    "string the balls out from the left in the colours red, blue, green, purple, cyan",
    "give me one straight row, from the left: red ball, blue ball, green ball, purple ball, cyan ball",
)

GATHER = (
    "make the green ball the centre of a circle of the other balls",
    "gather all balls around the green ball",
    "collect the other balls round the green one",
    "bring every ball close to the green ball",
    "put the green ball in the middle and the rest around it",
    "form a circle of balls with the green ball at its centre",
    "let the red, blue, purple and cyan balls surround the green ball",
    "arrange the balls in a circle, green in the centre",
    "could you cluster the balls about the green ball",
    "push all the other balls together around the green ball",
    "i would like the green sphere encircled by the other four spheres",
    "have the four other balls crowd round the green one",
    "assemble the balls in a ring whose midpoint is the green ball",
    "the green ball should be surrounded by all the others",
    "can you help me collect the balls near the green ball",
    "please bunch everything up around the green orb",
    "draw the red, blue, purple and cyan balls in toward the green ball",
    "pack the remaining balls tightly about the green one",
    "make the other balls huddle around green",
    "i want the green ball to be the heart of a small circle of balls",
    "keep all the balls within a short distance of the green ball",
    "take the balls that are not green and set them round the green ball",
    "with green as the hub, place the rest of the balls around it",
    "pull the scattered balls together so that green is in their midst",
)

VALIDATION = {
    "behind": (
        "kindly get the {a} sphere to the back side of the {b} sphere",
        "i'd be glad if the {a} ball could wait behind the {b} ball",
        "steadily herd the {a} ball rearwards until it is past the {b} one",
    ),
    "left": (
        "please carry the {a} sphere to the left hand side of the {b} sphere",
        "i'd be pleased if the {a} ball could rest left of the {b} ball",
        "briskly bump the {a} ball leftwards until it is past the {b} one",
    ),
    "front": (
        "do bring the {a} sphere to the front face of the {b} sphere",
        "i'd be delighted if the {a} ball could stay before the {b} ball",
        "patiently coax the {a} ball forwards until it is past the {b} one",
    ),
    "right": (
        "may i ask you to place the {a} sphere on the right hand side of the {b} sphere",
        "i'd be thankful if the {a} ball could settle right of the {b} ball",
        "lightly flick the {a} ball rightwards until it is past the {b} one",
    ),
}

VALIDATION_DISLIKE = {
    "behind": ("i am not happy with the {a} ball being behind the {b} ball",),
    "left": ("it is a pity that the {a} ball is left of the {b} ball",),
    "front": ("it displeases me to find the {a} ball in front of the {b} ball",),
    "right": ("i object to the {a} ball being right of the {b} ball",),
}
