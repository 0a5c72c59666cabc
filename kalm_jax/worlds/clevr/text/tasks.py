"""Pretraining text about whole layouts (the line, the gathering), facts about space, and the plain offline wording.

Notation as in `words.py` and `frames.py`; `[SEQ]` is the five colours in line
order, `[SEQR]` reversed, `[SEQO]` the balls other than green, `[CHAIN]` and `[ENDS]` requests that spell the line out.
"""

from __future__ import annotations

LINE_CORES = {
    "imp": """3*[align] [balls] in [adjl] [linen] | 2*[align] [balls] in [aline] | make [aline] of [balls]
        | make [adjl] [linen] out of [balls] | build me [aline] out of [balls] | build [adjl] [linen] from [balls]
        | get [balls] into [adjl] [linen] | bring [balls] into [aline] | tidy [balls] into [adjl] [linen]
        | have [balls] line up | let [balls] line up | have [balls] queue up | string [balls] out [row]
        | form [aline] | form [adjl] [linen] | [align] [balls] one after another | [align] everything [row]
        | give me [adjl] [linen] of [balls] | [align] [balls] like beads on a string
        | [align] [balls] like soldiers | [align] [balls], [SEQ], [row] | [align] [balls] as [SEQ]
        | [align] [balls]: [SEQ] | [SEQ]: [align] them [row] | [SEQ]: in that order, [align] them [row]
        | [SEQ]: in that order, [ltr], line them up
        | [align] [balls] [row] with [endl] at the left end and [endr] at the right end
        | [align] [balls] [row], starting with [endl] on the left and ending with [endr] on the right
        | [align] [balls] next to one another, [ltr], [SEQ] | [align] [balls] horizontally
        | [align] [balls] in order of color : [SEQ] | begin with [endl] on the left, then [rest]
        | [align] [endl] leftmost, then [rest] | put [endl] first, then [rest]
        | set [endl] at the left, and to its right [rest] | 6*[align] [balls] [row] [ltr] in the order [SEQ]
        | 6*[align] [balls] [ltr] : [SEQ] | 3*line [balls] up [ltr] as [SEQ] | 4*[align] [SEQ] [ltr]
        | 2*line up [SEQ] [row] | 3*[align] [balls] [row], [SEQ] [ltr] | 2*[align] [balls] [rtl] : [SEQR]
        | 2*[align] [balls] [row] so that the order is [SEQ] | 2*form [arow] with [balls] [ltr] : [SEQ]
        | make [arow] of [balls] : [SEQ] | 2*make [arow] [ltr] : [SEQ] | put [SEQ] next to each other [ltr]
        | 2*create [arow] [ltr], first [SEQ] | build [arow] of [SEQ] | [align] [balls] [row]
        | [align] [balls] [row] [ltr] | [CHAIN] | [align] [balls] so that [SEQ] follow one another [ltr]
        | sort [balls] horizontally as [SEQ] | [ltr] place [SEQ] | [ENDS] | make [balls] read [SEQ] [ltr]
        | let [balls] form [arow] in the order [SEQ] | [align] [balls] by color : [SEQ] | have [SEQ] stand [row]""",
    "inf": """2*[balls] to be in [aline] | 2*[balls] to form [adjl] [linen] | [balls] to line up
        | [balls] to stand [row] | 3*[balls] to be in [arow] [ltr] : [SEQ] | 2*[balls] to form [arow] : [SEQ]
        | [balls] to stand [row] in the order [SEQ] | [SEQ] to stand [row] | [balls] to be lined up [ltr] as [SEQ]
        | [balls] to be arranged [row] [ltr] : [SEQ]""",
    "np": """2*[balls] in [aline] | 2*[balls] [row] | [adjl] [linen] of [balls] | [balls] in [adjl] [linen]
        | [balls] strung out [row] | 3*[arow] [ltr] : [SEQ] | 2*[balls] in [arow] [ltr] : [SEQ]
        | [balls] [row] in the order [SEQ] | [SEQ] [row] | [balls] lined up [ltr] as [SEQ]
        | [balls] arranged [row] as [SEQ] | [SEQ] in order [ltr]""",
    "clause": """2*[balls] are in [aline] | 2*[balls] form [adjl] [linen] | [balls] stand [row]
        | [balls] are lined up | 3*[balls] form [arow] [ltr] : [SEQ] | 2*[balls] are lined up [ltr] as [SEQ]
        | [SEQ] stand [row] [ltr] | the order of [balls] [ltr] is [SEQ] | [balls] stand [row] in the order [SEQ]
        | [ltr] we see [SEQ] | [rtl] we see [SEQR]""",
    "subj": """2*[balls] were in [aline] | [balls] were lined up | [balls] formed [adjl] [linen]
        | 2*[balls] were lined up [ltr] as [SEQ] | [balls] formed [arow] : [SEQ] | [SEQ] stood [row] [ltr]
        | you lined up [balls] as [SEQ]""",
    "base": """2*[balls] line up | [balls] form [aline] | [balls] stand [row] | 2*[balls] form [arow] [ltr] : [SEQ]
        | [balls] be lined up [ltr] as [SEQ] | [SEQ] stand [row] [ltr] | [balls] line up in the order [SEQ]""",
    "ger": """2*lining up [balls] | putting [balls] in [aline] | making [aline] of [balls]
        | 3*lining up [balls] [ltr] as [SEQ] | arranging [balls] [row] : [SEQ]
        | putting [balls] [row] in the order [SEQ] | forming [arow] : [SEQ]""",
    "say": """3*[balls] [should] be lined up | 2*[balls] [should] be in [adjl] [linen]
        | 2*[balls] [should] be [row] | [balls] [should] stand [row] | [balls] [should] form [aline]
        | 2*can [balls] be placed in [adjl] [linen] ? | can [balls] be lined up ? | could [balls] stand [row] ?
        | would [balls] look [good] [row] ? | i want [balls] [row] | i want [balls] in [aline]
        | i'd like [balls] in [adjl] [linen] | i wish [balls] were in [aline] | i wish [balls] were lined up
        | [adjl] [linen] of [balls] would be [good] | [balls] look [wrong], line them up
        | [balls] are scattered, [align] them [row] | what a [mess], [align] [balls] in [adjl] [linen]
        | [hate] the mess, [align] [balls] [row] | [hate] how [balls] are scattered, [align] them [row]
        | [balls] are all over the place, make [aline] of them | [balls] need some order, line them up
        | [SEQ], [row] | [SEQ] - [row] please | [SEQ] [ltr] | [ltr]: [SEQ] | [ltr] i want [SEQ]
        | [ltr] i'd like to see [SEQ] | [ltr] it [should] be [SEQ] | the order of [balls] [should] be [SEQ]
        | [endl] first, then [rest] | [endl] first, then [rest], [ltr] | [endl] leftmost, then [rest]
        | leftmost [endl], then [midl], and rightmost [endr]
        | [endl] is leftmost and [endr] is rightmost, in [aline] with [midl] between
        | [endl] at the left end, [endr] at the right end, [midl] between them
        | first comes [endl], then [rest], in [aline] | [SEQ] [should] be in [aline]
        | [SEQ] [should] be lined up [ltr] | when i read [ltr], i want [SEQ]
        | 2*[balls] [should] be lined up [ltr] : [SEQ] | [balls] [should] form [arow] [ltr] : [SEQ]
        | [balls] [should] stand [row] in the order [SEQ] | are [balls] lined up [ltr] as [SEQ] ?
        | can [balls] be arranged [row] as [SEQ] ? | [balls] are a mess, line them up as [SEQ] [ltr]
        | [balls] were arranged [ltr] : [SEQ] | i hate disorder, [align] [balls] [row] : [SEQ]
        | [hate] that [balls] are not in [arow], make it [SEQ] | who can line up [balls] as [SEQ] ?
        | [balls] have been put [row] : [SEQ] | line them up: [SEQ] | [SEQ], in this order [ltr]
        | it's messy here, put [balls] [row] [ltr] : [SEQ] | the order [ltr] should be [SEQ]""",
}

GATHER_CORES = {
    "imp": """12*[gatherv] [others] [round] [G] | 3*[gatherv] everything [round] [G]
        | 3*make [others] [surround] [G] | 2*have [others] [surround] [G] | [gatherv] [others] on all sides of [G]
        | put [G] in the [mid], [others] [round] it | place [G] at the [mid] with [others] on all sides
        | like planets [round] the sun, [gatherv] [others] [round] [G]
        | like moons [round] a planet, [gatherv] [others] [round] [G] | make a [ring] [round] [G]
        | form a [ring] [round] [G] | draw a [ring] of balls [round] [G]
        | [gatherv] [others] as a [ring] [round] [G] | turn [G] into the [mid] of a [ring]
        | let [G] have company on all sides | give [G] company from [others] | bring [others] together [round] [G]
        | [gatherv] [others] in a [ring] [round] [G] | arrange a [ring] with [G] in the [mid]
        | let everybody [surround] [G] | make everyone [surround] [G] | [round] [G], [gatherv] [others]
        | use [others] to surround [G] | put one ball on each side of [G] | place a ball on every side of [G]
        | enclose [G] on all sides | hem [G] in with [others] | lock [G] in with [others] | hug [G] with [others]
        | 3*gather [others] near [G] | 3*bring [others] close to [G] | 2*surround [G] with [others]
        | 3*make [G] the [mid] of [others] | 2*form a [ring] around [G] with [others]
        | [gatherv] [others] about [G] | put [G] in the [mid] of [others] | 2*move [others] toward [G]
        | push [others] next to [G] | place [others] close around [G] | 2*let [others] [surround] [G]
        | make [others] [surround] [G] | enclose [G] with [others] | encircle [G] by [others]
        | keep [G] in the [mid] and [gatherv] [others] around it | cover [G] from all sides
        | let [G] be the [mid] of the group | 2*have [others] [surround] [G] | make a tight cluster around [G]
        | collect everything at [G] | build a [ring] of [others] around [G] | pack [others] around [G]
        | use [G] as the [mid] and gather [others] there | crowd [others] around [G]""",
    "inf": """2*[others] to [surround] [G] | [others] to be gathered around [G] | [G] to be the [mid] of [others]
        | [G] to be surrounded by [others]""",
    "np": """4*[others] [round] [G] | [others] on all sides of [G] | [G] surrounded by [others]
        | [G] with [others] [round] it | [others] gathered around [G] | [G] in the [mid] of [others]
        | a [ring] of [others] around [G] | [others] close to [G]""",
    "clause": """2*[others] are gathered around [G] | [G] is in the [mid] of [others]
        | [G] is surrounded by [others] | [others] [surround] [G] | [others] are close to [G]
        | [others] form a [ring] around [G]""",
    "subj": """[others] were gathered around [G] | [G] were surrounded by [others] | [G] were the [mid] of [others]
        | [others] came close to [G]""",
    "base": """2*[others] [surround] [G] | [G] be surrounded by [others] | [G] be the [mid] of [others]
        | [others] form a [ring] around [G]""",
    "ger": """2*gathering [others] around [G] | bringing [others] close to [G] | surrounding [G] with [others]
        | making [G] the [mid] of [others]""",
    "say": """4*[others] [should] [surround] [G] | 3*[others] [should] be [round] [G]
        | 2*[G] [should] be surrounded | 2*[G] in the [mid], [others] [round] it
        | [G] in the [mid], [others] on all sides of it | [G] is the [mid], gather [others] [round] it
        | [G] [should] have [others] [round] it | [G] [should] have [others] on all sides
        | [G] [should] be encircled by [others] | [G] [should] be enclosed by [others]
        | [G] feels lonely, let [others] come and [surround] it | [G] feels lonely, [gatherv] [others] [round] it
        | [G] looks lonely, give it company on all sides | [G] needs company, bring [others] [round] it
        | everyone [surround] [G] | everybody [surround] [G] | all of you, [surround] [G]
        | come [round] [G], all of you | [others], [surround] [G] | 2*[round] [G] [should] be [others]
        | [round] [G] i want [others] | [others] [round] [G], please | could [others] [surround] [G] ?
        | would [others] please [surround] [G] ? | why don't [others] [surround] [G] ?
        | may [others] gather [round] [G] ? | [hate] that [G] is alone, [gatherv] [others] [round] it
        | [hate] [G] being far from [others], bring them close | [hate] seeing [G] all alone
        | [G] [should] not be alone, gather [others] [round] it | [G] is the campfire, [others] sit [round] it
        | [G] is the queen and [others] [surround] it | [who] wants [others] [round] [G]
        | [others] belong [round] [G] | i'd love to see [others] huddle [round] [G]
        | 2*[others] [should] be gathered around [G] | [G] [should] be in the [mid] of [others]
        | [others] [should] [surround] [G] | [G] is lonely, bring [others] to it | can [others] come close to [G] ?
        | are [others] gathered around [G] ? | [others] were gathered around [G]
        | [others] are being brought to [G] | [G] [should] be surrounded by [others]
        | [hate] that [others] are far from [G] | [others] are too far from [G], gather them around it
        | is [G] in the [mid] of [others] ? | [G] is the sun and [others] are the planets around it
        | [G] wants company from [others] | why are [others] so far from [G] ? bring them close
        | [others] are spread out, collect them around [G]""",
}

LAYOUT_WORDS = {
    "G": "[np.green]",
    "adjl": """a straight | a neat | a nice straight | a horizontal | a single | a tidy | one | a clean | a perfect
        | a nice | one long | a proper | a regular | a [good]""",
    "aline": "3*[arow] | [adjl] [linen]",
    "linen": "4*row | 5*line | queue | string | chain | file | sequence | rank | straight line | series | lineup",
    "round": """6*around | 3*round | 2*about | all around | close around | near | close to | right around
        | closely around | tightly around""",
    "nouns": """8*balls | 4*spheres | 2*objects | 3*marbles | 2*orbs | items | pieces | beads | globes | things
        | toys | colored balls | coloured balls | round things""",
    "shade": "3*a shade of | a kind of | almost | called | close to | a tone of",
    "align": """5*line up | 5*arrange | 3*order | 3*put | 3*place | set | organize | align | sort | range | lay out
        | position | set up | rank | move | push""",
    "balls": """6*the balls | 4*all the balls | 3*the five balls | 2*all five balls | 2*all balls | 4*the [nouns]
        | 4*all the [nouns] | 2*all five [nouns] | 2*the five [nouns] | all of the [nouns] | everything | 2*them
        | 2*them all | these [nouns] | every ball | all five | five [nouns] | my [nouns] | all [nouns]
        | all of the balls | 3*the spheres | 3*the objects | the five orbs | the orbs | all the spheres
        | these balls | the colored balls | five balls | the items | all objects | the five spheres""",
    "row": """4*in a row | 4*in a line | 2*in a straight line | in one line | in a single row
        | in a horizontal line | side by side | one beside the other | along a line | in a horizontal row
        | next to each other""",
    "arow": """3*a row | 3*a line | 2*a straight line | a horizontal line | a single line | a queue
        | a horizontal row | one row | a sequence | a chain""",
    "ltr": """6*from left to right | 2*left to right | going from left to right | starting from the left
        | starting at the left | from the left to the right | from the left side to the right side
        | from west to east | with the first one leftmost | beginning on the left""",
    "rtl": """3*from right to left | right to left | starting from the right | starting at the right
        | from the right to the left | from east to west""",
    "gatherv": """6*gather | assemble | crowd | muster | rally | position | place | set | pile | draw | pack | heap
        | pull | [v] | 3*collect | cluster | huddle | assemble | group | bring | concentrate | bunch | move | push
        | arrange | put | pull together | round up""",
    "others": """6*the other balls | 4*the other [nouns] | 2*all the other [nouns] | 2*the rest of the [nouns]
        | 2*the remaining [nouns] | the other four [nouns] | 2*the other four | 2*the rest | everything else
        | all the rest | 2*everything | the remaining four | every other ball | the others | 3*all the other balls
        | 2*all other balls | 2*the rest of the balls | 2*the remaining balls | the others | all the others
        | 2*the other four balls | the other spheres | the other objects | 4*[SEQO] | the four other balls
        | all balls | all the balls""",
    "mid": "4*center | 3*middle | centre | heart | core | central point | midpoint | focus",
    "ring": "3*circle | ring | cluster | group | crowd | tight circle | huddle",
    "surround": """3*surround | 3*gather [round] | 2*cluster [round] | 2*huddle [round] | 2*crowd [round]
        | come and gather [round] | form a [ring] around | make a [ring] around | assemble [round] | keep close to
        | gather around | 2*come close to | encircle | huddle around | cluster around | crowd around | stay near
        | circle""",
}
"""Words of lines and gatherings; [G] is the green ball."""

PLAIN_REQUESTS = "3*push [pa] [to] [pb] | 3*move [pa] [to] [pb] | 2*keep [pa] [to] [pb]"

PLAIN_PATTERNS = (
    PLAIN_REQUESTS
    + """ | can you push [pa] [to] [pb] | can you move [pa] [to] [pb] | can you keep [pa] [to] [pb]
        | can you help me push [pa] [to] [pb] | can you help me move [pa] [to] [pb]
        | can you help me keep [pa] [to] [pb] | is [pa] [to] [pb] | is there any [a] ball [to] [pb]
        | [pa] moves [to] [pb] | [pa] is being pushed [to] [pb] | [pa] is pushed [to] [pb]
        | [pa] was moved [to] [pb] | [pa] was pushed [to] [pb] | [pa] is being moved [to] [pb]
        | [pa] is moved [to] [pb]"""
)
"""The 18 plain patterns of the offline data: nine requests, two questions, seven declaratives (KALM, section 5.1)."""

PLAIN_DIRECTIONS = {
    "behind": "4*behind | in behind of | to the behind of | to the hind of",
    "left": "2*to the left of | on the left of | left of | in left of",
    "front": "3*in front of | to the front of | front of | on the front of",
    "right": "2*to the right of | on the right of | right of | in right of",
}

PLAIN_MOVES = {
    "behind": "2*move [pa] backward | push [pa] backward | move [pa] back | move [pa] to the back",
    "left": "2*move [pa] to the left | push [pa] to the left | move [pa] left",
    "front": "2*move [pa] forward | push [pa] forward | move [pa] to the front",
    "right": "2*move [pa] to the right | push [pa] to the right | move [pa] right",
}

FACTS = """[AW] is [shade] [a] | the [AW] ball is the [a] ball | [AW] means [a] | a ball that is [AW] is [a]
        | [noun] is another word for ball | a [noun] is a ball | the [AW] [noun] is the [a] ball
        | the [AW] one is the [a] ball | to [v] is to move | to [v] a ball is to push it | [MV] means [d]
        | going [MV] is going [d] | [d] is the opposite of [o] | the opposite of [d] is [o]
        | not [d] but the other side is [o] | [dictd] | [dictd] | if [A] is [REL] then [B] is [INV]
        | if [A] is [REL], then [B] is [INV] | [A] is [REL] , so [B] is [INV] | [B] is [INV] when [A] is [REL]
        | is [A] [REL] ? yes if [B] is [INV] | [A] [REL] means the same place as [B] [INV]
        | when [A] is [REL], it is not [OPP] | [A] cannot be [REL] and [OPP] at once
        | if [A] is [REL] and [B] is [RELC] then [A] is [RELAC] | if i dislike [A] [OPP] i want it [REL]
        | who hates that [A] is [OPP] wants it [REL] | not liking [A] [OPP] means wanting it [REL]
        | after pushing [A] [MV] it is further [d] | pushing [A] [MV] makes it go [d]
        | a push [MV] moves a ball [d] | if [A] is [TOO], move it [MV] | to get [A] [REL], push [A], not [B]
        | in [A] [REL] the ball that moves is [a] and the reference is [b] | [a] is on the [o] if it is [OPP]
        | [A] is in the middle of a line when one ball is to its left and another to its right
        | in the line red, blue, green, purple, cyan the first is leftmost and the last is rightmost
        | in a line from left to right each ball is to the right of the one before
        | gathering balls around green means each is close to green
        | to surround a ball is to put others on its left, right, front and back
        | a circle has a center and balls all around it"""
"""Facts about words and space: `[a]` the plain colour of A, `[AW]` any word for it, `[d]` and `[o]` a direction and its
opposite, `[INV]` where B is with respect to A, `[RELC]` the same side of a third ball, `[RELAC]` likewise for A."""

DIRECTION_FACTS = {
    "left": """left is west | port is the left side | leftward means to the left
        | west of the ball is left of the ball | left of it is on its left-hand side | leftwards is toward the left
        | on the port side is on the left""",
    "right": """right is east | starboard is the right side | rightward means to the right
        | east of the ball is right of the ball | right of it is on its right-hand side
        | rightwards is toward the right | on the starboard side is on the right""",
    "behind": """behind is farther away from the viewer | behind is the far side | the rear is the back
        | rearward means backward | backward is away from you | north is behind
        | at the back of a ball is behind it | to back up is to go backward | the far ball is behind the near ball
        | aft is behind | in back of means behind | farther from me is behind | further up the table is behind
        | to retreat is to move back""",
    "front": """in front is closer to the viewer | front is the near side | forward is toward you
        | ahead means forward | south is in front | before a ball is in front of it | to advance is to go forward
        | the near ball is in front of the far ball | frontward is forward | nearer to me is in front
        | ahead of means in front of | closer to the camera is in front | to come closer is to move forward""",
}
"""Facts about the words of one direction."""
