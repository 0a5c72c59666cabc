"""Names of Meta-world's things in plain text, and what people say of hands, places, walls and manners.

Notation as in `kalm_jax.worlds.clevr.text.words`. Written from imagination, by an author who had read no sentence of an
evaluation level or of validation. Verbs that change their form with the sentence around them are marked: `^open` (see
`kalm_jax.worlds.metaworld.text.corpus.conjugate`).
"""

from __future__ import annotations

PLACE_WORDS = {
    "tgtn": """14*target | 10*goal | 4*mark | 3*marker | 4*spot | 3*destination | 3*position | 3*place | 3*location
        | 3*point | 2*goal position | 2*target position | marked spot | marked place | 2*marked point | marked location
        | target point | target spot | target place | target location | target area | target zone | goal point
        | goal spot | goal place | goal location | goal area | end point | end position | endpoint | final position
        | final place | final spot | finish | finish line | dot | little dot | cross | x mark | bullseye | waypoint
        | set point | chosen spot | chosen place | chosen point | given point | given position | given place
        | desired position | desired place | desired spot | desired location | required position | required spot
        | wanted place | wanted position | indicated point | indicated place | indicated spot | specified position
        | specified location | intended position | intended place | right place | right spot | correct position
        | correct place | proper place | proper spot | designated area | designated spot | designated place
        | highlighted point | highlighted spot | coordinates | given coordinates | landing spot | drop point
        | meeting point | station | drop zone | site | area | zone | red dot | red point | green dot | glowing point
        | shown position | coloured mark | colored spot | reference point | place over there | spot over there
        | place i picked | spot i chose | place i marked | point i showed you | place that is marked | bull's eye
        | spot that is marked | place shown to you | tag | sign | pin on the map | flag | place of destination
        | objective | aim | aimed position | agreed spot | assigned place | assigned position | ordered position""",
    "tgt": "12*the [tgtn] | that [tgtn] | your [tgtn] | our [tgtn] | where the [tgtn] is | this [tgtn] | my [tgtn]",
    "itstgt": "6*[tgt] | its [tgtn] | where it belongs | where it should be | where i want it | its home | its slot",
    "away": "12*~ | quickly | slowly | gently | with care | straight | directly | smoothly | right away | now | safely",
    "totgt": """12*to [itstgt] | 2*onto [tgt] | 2*towards [tgt] | all the way to [tgt] | as far as [tgt]
        | over to [itstgt] | until it is at [tgt] | up to [tgt] | into the [tgtn] | until it reaches [tgt] | to [tgt]
        | right to [tgt] | so that it ends at [tgt] | until it lies on [tgt] | in the direction of [tgt]
        | till it stops at [tgt] | from here to [tgt] | from where it is to [tgt]""",
    "attgt": "8*at [itstgt] | 3*on [tgt] | 2*in [itstgt] | right at [tgt] | exactly on [tgt] | over [tgt] | near [tgt]",
}
"""The place that something is to be brought to."""

HAND_WORDS = {
    "handn": """10*gripper | 8*hand | 4*arm | 3*robot arm | 2*robotic arm | 2*end effector | end-effector | 2*claw
        | 2*tool | 2*fingers | fingertips | finger tips | pincers | pincer | tongs | grabber | grasper | clamp | jaws
        | manipulator | effector | wrist | robot hand | robotic hand | robotic gripper | robot's hand | robot's arm
        | robot's gripper | sawyer | sawyer arm | arm's tip | tip of the arm | end of the arm | tool tip | limb
        | mechanical hand | mechanical arm | metal hand | steel hand | fist | palm | paw | tip of the gripper
        | head of the arm | empty hand | free hand | empty gripper | bare hand | robot's fingers | hook""",
    "hand": "9*the [handn] | 4*your [handn] | its [handn] | that [handn] | the robot's [handn] | yourself",
    "with": "with the [handn] | with your [handn] | by hand | with one finger | using the [handn] | by the [handn]",
}

PUCK_WORDS = {
    "puckn": """16*puck | 4*disk | 4*disc | 3*object | 3*item | 2*thing | 3*block | 2*piece | 2*cylinder | hockey puck
        | ice hockey puck | flat cylinder | little cylinder | small cylinder | short cylinder | round block
        | small block | little block | round piece | round disk | round disc | flat disc | small disc | small disk
        | flat disk | coin | chip | token | counter | checker | game piece | playing piece | cube | brick | tablet
        | stone | pebble | workpiece | part | component | lump | toy | round toy | small object | little thing
        | small item | round thing | round object | flat thing | flat round thing | flat object | cookie | pellet | plug
        | bun | can | tin | lid | knob of wood | wooden piece | plastic piece | rubber disc | black disc | red puck
        | red disc | black puck | wooden disc | wooden block | pill | weight | cargo | load | parcel | package | slug
        | hockey disc | round slab | hub | thing on the table | object on the table | body | roundel | item on the table
        | thing lying there | object in front of you | thing before you | piece on the table | object on the desk
        | only object here | object on the bench | loose piece | loose object | button-like disc""",
    "puck": "14*the [puckn] | 2*that [puckn] | this [puckn] | our [puckn] | my [puckn] | the [adj] [puckn]",
    "adj": """little | small | big | old | new | heavy | light | pretty | ugly | lonely | nice | shiny | dusty | clean
        | dark | bright | round | cold | white | black | grey | red | blue | green | yellow | brown | silver | plain
        | poor | good old | stubborn | lovely | strange | famous | damn | blasted | silly | same | only | tiny | wooden
        | metal | plastic | dear | fancy | cheap | broken-looking | simple | beautiful | precious | forgotten""",
    "table": """6*table | 2*desk | 2*bench | workbench | tabletop | table top | surface | counter | board | worktop
        | floor""",
    "onward": """8*~ | 3*along the [table] | 3*over the [table] | 3*across the [table] | 2*on the [table]
        | without lifting it | without picking it up | without grasping it | flat on the [table] | forward | ahead
        | from the side | from behind | with a shove | with a push | with the side of the [handn] | by pushing it
        | keeping it on the [table] | while it stays on the [table] | away | down on the [table]""",
}

BUTTON_WORDS = {
    "btnn": """20*button | 3*push button | push-button | 4*switch | 2*key | 2*knob | buzzer | doorbell | bell | stud
        | red button | big button | big red button | little button | round button | control button | plunger | trigger
        | press button | control | pushbutton | on-off button | bell push | emergency button | alarm button | red knob
        | call button | signal button | reset button | launch button | toggle | round switch | actuator | clicker
        | button in front of you | button over there | nub | button that sticks out | contact | touch key""",
    "boxn": """8*box | case | console | panel | control panel | stand | switch box | control box | housing | block
        | device | casing | cube | pedestal | yellow box | little box | crate | unit | gadget | body | chassis
        | board""",
    "btn": """14*the [btnn] | 3*the [btnn] of the [boxn] | 3*the [btnn] on the [boxn] | that [btnn] | this [btnn]
        | the [boxn]'s [btnn] | the [adj] [btnn] | the [btnn] at the [boxn] | the [btnn] in the [boxn]
        | the [btnn] on the front of the [boxn] | the [btnn] on the side of the [boxn] | our [btnn]""",
}

DOOR_WORDS = {
    "doorn": """18*door | 6*safe | 2*vault | 2*cabinet | 2*cupboard | locker | strongbox | safe's door | safe door
        | door of the safe | vault door | door of the vault | cabinet door | cupboard door | locker door | hatch | gate
        | entrance | box with the door | strong box | steel door | metal door | closet | closet door | wardrobe | fridge
        | fridge door | chest | treasure chest | money box | bank vault | bank safe | deposit box | front door
        | small door | little door | door in front of you | door over there | entry | doorway | access | portal
        | compartment | metal box | iron door | room door | storage box | armoured door | coffer | cell door
        | door panel | door wing | leaf of the door | pantry | larder | safe in front of you | exit | way in""",
    "door": "14*the [doorn] | 2*that [doorn] | this [doorn] | our [doorn] | my [doorn] | the [adj] [doorn]",
    "lockn": """10*lock | 4*latch | 4*bolt | 2*catch | deadbolt | dead bolt | clasp | fastener | fastening | padlock
        | door lock | door bolt | door latch | locking knob | lock knob | locking bar | locking lever | bar
        | rotary lock | lock mechanism | locking mechanism | turn lock | turning lock | lock's knob | lock handle
        | security lock | safety lock | safety catch | hasp | thumb turn | tumbler lock | snib | dial of the lock
        | lock wheel""",
    "lock": """8*the [lockn] | 3*the [lockn] of the [doorn] | 3*the [lockn] on the [doorn] | the [doorn]'s [lockn]
        | that [lockn] | its [lockn] | this [lockn] | the [lockn] at the [doorn]""",
    "gripn": "8*handle | 2*grip | pull | door handle | 2*knob | door knob | lever | grab bar | handhold | pull bar",
}

WINDOW_WORDS = {
    "winn": """20*window | 3*pane | 2*sash | 3*glass | window pane | windowpane | pane of glass | sheet of glass
        | sliding window | slide window | casement | window sash | shutter | skylight | glass panel | glass pane
        | glass window | window panel | glazing | sliding glass | sliding pane | glass screen | porthole
        | window shutter | room's window | kitchen window | window of the room | window over there
        | window in front of you | glass slider | ventilation window | bedroom window | office window | hinged glass
        | window wing | serving hatch of glass""",
    "win": "14*the [winn] | 2*that [winn] | this [winn] | our [winn] | my [winn] | the [adj] [winn]",
    "wgrip": "6*handle | 2*grip | 2*knob | window handle | lever | bar | edge | frame | catch | window knob",
    "air": """6*fresh air | 3*air | 2*a breeze | some air | the breeze | a fresh breeze | oxygen | the wind | some wind
        | a draft | a draught | cool air | clean air | spring air | a bit of air | birdsong | the scent of flowers
        | the outside air | some fresh air | the summer breeze | mountain air | a light wind""",
    "inn": """into the room | in | inside | into the house | in here | into this place | into the office
        | into the kitchen""",
}

FAUCET_WORDS = {
    "fauxn": """16*faucet | 7*tap | 2*spigot | 2*water tap | 2*spout | 2*valve | water valve | kitchen tap | sink
        | kitchen faucet | sink tap | sink faucet | bathroom tap | bathroom faucet | water faucet | stopcock | hydrant
        | mixer tap | mixer | water pipe | pipe | cock | water cock | nozzle | water outlet | plumbing | wash basin
        | basin | fountain | shower | garden tap | hose | water line | bib | spring of water | washer tap | bath tap""",
    "faux": "14*the [fauxn] | 2*that [fauxn] | this [fauxn] | our [fauxn] | my [fauxn] | the [adj] [fauxn]",
    "flever": "8*handle | 4*lever | 3*knob | wheel | grip | arm | bar | handwheel | valve | crank | switch",
    "water": """14*water | the water | some water | cold water | fresh water | warm water | a stream of water
        | clean water | hot water | running water | a little water | tap water | a jet of water | drinking water""",
    "flow": """6*flow | 6*run | 3*come out | 2*pour | 2*stream | gush | spout | start | splash | spill out | trickle
        | rush""",
    "flows": "5*flows | 5*runs | 3*comes | comes out | pours | streams | gushes | splashes | trickles | keeps running",
}

COFFEE_WORDS = {
    "mugn": """14*mug | 8*cup | 3*coffee cup | 5*coffee mug | 2*beaker | tumbler | teacup | tea cup | goblet | vessel
        | drinking vessel | espresso cup | travel mug | jug | drinking cup | empty cup | empty mug | container | bowl
        | chalice | crockery | porcelain cup | porcelain mug | ceramic mug | china cup | paper cup | demitasse | tankard
        | white mug | white cup | mug on the table | cup on the table | cup with the handle | stein | drinking glass
        | cup for the coffee | receptacle | latte glass | pot | thermos | big cup | little cup""",
    "mug": "14*the [mugn] | 2*that [mugn] | this [mugn] | our [mugn] | 2*my [mugn] | the [adj] [mugn]",
    "machn": """14*coffee machine | 5*coffee maker | coffeemaker | 2*brewer | 2*espresso machine | espresso maker
        | coffee brewer | cappuccino machine | percolator | coffee dispenser | coffee automaton | coffee automat
        | drinks machine | drink dispenser | barista machine | filter machine | coffee appliance | coffee robot
        | coffee apparatus | latte machine | coffee station | coffee unit | coffee pot machine | mocha machine""",
    "mach": "14*the [machn] | 2*that [machn] | this [machn] | our [machn] | my [machn] | the [adj] [machn]",
    "brew": """10*coffee | 3*espresso | 2*a coffee | 2*some coffee | a latte | a cappuccino | java | an espresso
        | a hot drink | caffeine | an americano | a mocha | a flat white | fresh coffee | hot coffee | black coffee
        | a cup of coffee | a cup of joe | a fresh brew | a mug of coffee | a macchiato | my morning coffee | a brew
        | a pot of coffee | the good brew | something hot to drink | my daily espresso""",
    "under": """6*under [mach] | 4*to [mach] | 2*below [mach] | 2*beneath [mach] | underneath [mach] | at [mach]
        | in front of [mach] | towards [mach] | into [mach] | up to [mach] | next to [mach] | close to [mach]
        | 2*under the [mnoz] | below the [mnoz] of [mach] | under the [mnoz] of [mach] | against [mach]
        | beneath the [mnoz] | over to [mach] | right under [mach] | where [mach] can fill it""",
    "mnoz": "3*spout | 2*nozzle | outlet | coffee outlet | drip | coffee spout | tap | filter | coffee jet | dispenser",
    "mbtnn": """8*button | 3*switch | start button | 2*power button | on button | brew button | key | power switch
        | start switch | on switch | brewing button | push button | start key | on/off button | knob | on-switch""",
    "mbtn": """5*the [mbtnn] of [mach] | 5*the [mbtnn] on [mach] | 2*[mach]'s [mbtnn] | 2*the coffee [mbtnn]
        | the coffee-making [mbtnn] | the [mbtnn] for coffee | the espresso [mbtnn] | the [mbtnn] at [mach]
        | the [mbtnn] that makes coffee | the brew button | the [mbtnn] on the front of [mach]""",
}

SPORT_WORDS = {
    "balln": """12*ball | 6*soccer ball | 4*football | leather ball | round ball | soccerball | toy ball | play ball
        | white ball | black and white ball | sphere | round leather | game ball | small ball | match ball
        | foot ball""",
    "ball": "12*the [balln] | that [balln] | this [balln] | our [balln] | the [adj] [balln]",
    "netn": """10*goal | 6*net | soccer goal | football goal | goal net | goal mouth | back of the net | soccer net
        | box of the goal | cage | gate | posts | football net | goal posts | little goal""",
    "nailn": """12*nail | 2*spike | 2*pin | peg | tack | stake | iron nail | steel nail | long nail | bolt of iron
        | stud""",
    "nail": "12*the [nailn] | that [nailn] | this [nailn] | the [adj] [nailn] | the [nailn] that sticks out",
    "hamn": "10*hammer | 2*mallet | sledgehammer | little hammer | claw hammer | carpenter's hammer | gavel | sledge",
    "wood": """5*the wood | 2*the board | 2*the plank | the block | the box | the beam | the timber | its hole | place
        | the wooden box | the wooden block | the panel | the log | the post""",
}

WALL_WORDS = {
    "walln": """14*wall | 4*barrier | 4*obstacle | 2*fence | 2*partition | divider | screen | brick wall | hurdle
        | barricade | obstruction | blockade | stone wall | little wall | low wall | bricks | hedge | rampart
        | dividing wall | row of bricks | shield | railing | parapet | bulwark | dam | thing in the way | blocking wall
        | block in the way | wall of bricks | red wall | separating wall""",
    "wtail": """5*behind the [walln] | 3*past the [walln] | 3*over the [walln] | 3*around the [walln]
        | 3*beyond the [walln] | 2*on the other side of the [walln] | on the far side of the [walln]
        | across the [walln] | by going over the [walln] | by going around the [walln] | going round the [walln]
        | round the [walln] | without touching the [walln] | without hitting the [walln]
        | without bumping into the [walln] | avoiding the [walln] | while avoiding the [walln] | despite the [walln]
        | in spite of the [walln] | with a [walln] in the way | with a [walln] in between
        | even though a [walln] is in the way | from above the [walln] | although there is a [walln]
        | and mind the [walln] | but don't hit the [walln] | by passing the [walln] | , watch out for the [walln]
        | , a [walln] stands in the way | , but there's a [walln] in between | , careful with the [walln]
        | , steer clear of the [walln] | , the [walln] is no excuse | bypassing the [walln]
        | while staying clear of the [walln] | that is hidden by the [walln] | without knocking over the [walln]
        | without collision with the [walln] | where the [walln] blocks the way | clearing the [walln]""",
    "wlead": """3*^reach over the [walln] | 2*^go around the [walln] | 2*^go over the [walln] | 2*^avoid the [walln]
        | ^get past the [walln] | ^pass the [walln] | ^cross the [walln] | ^bypass the [walln] | ^move over the [walln]
        | ^climb over the [walln] | ^steer around the [walln] | ^rise above the [walln] | ^clear the [walln]
        | ^dodge the [walln] | ^circumvent the [walln] | ^lean over the [walln] | ^move past the [walln]
        | ^overcome the [walln] | ^ignore the [walln] | ^stay clear of the [walln]""",
    "wsay": """a [walln] is in the way, | there is a [walln], still | a [walln] blocks the way, | mind the [walln]:
        | the [walln] should not stop you: | behind the [walln], | beyond the [walln], | past the [walln],
        | with a [walln] in between, | despite the [walln], | on the other side of the [walln],
        | without touching the [walln], | even with the [walln] there, | somebody built a [walln], but
        | watch the [walln]: | careful, a [walln]:""",
}
"""What makes a task with a wall of the same task without one."""

WORDS = {
    **{**PLACE_WORDS, **HAND_WORDS, **PUCK_WORDS, **BUTTON_WORDS, **DOOR_WORDS, **WINDOW_WORDS, **FAUCET_WORDS},
    **{**COFFEE_WORDS, **SPORT_WORDS, **WALL_WORDS},
}
"""Every rule of this file by name."""
