"""What stands around the wordings of Meta-world's tasks in plain text: requests, wishes, complaints, refusals; facts.

Notation as in `kalm_jax.worlds.metaworld.text.words`, and as blind to the evaluation sentences. In braces, which
`kalm_jax.worlds.metaworld.text.corpus` fills: `{do}` an act as a command ("open the window"), `{doing}` ("opening the
window"), `{does}` ("opens the window"); `{s}` a thing and `{c}` how it is.
"""

from __future__ import annotations

FRAME_WORDS = {
    "would": "4*can | 3*could | 2*would | 2*will | might",
    "polite": """10*~ | 4*please | 2*kindly | just | now | quickly | maybe | perhaps | try to | go and | help me
        | help me to | help us | be so kind and | be so good and | for once""",
    "want": """5*want | 3*would like | 2*'d like | 2*need | would love | wish | would prefer | expect | ask | beg
        | order | command | really need | urgently need | tell | instruct | request | invite""",
    "good": """4*nice | 2*great | 2*lovely | good | kind | better | wonderful | helpful | perfect | best | wise | sweet
        | fantastic | a relief | a good idea | a help | fine | cool | much better | really nice""",
    "robot": """8*the robot | 2*the arm | 2*the robot arm | the machine arm | sawyer | somebody | someone
        | the robotic arm | my helper | my robot | this robot | our robot | anyone | you there""",
    "job": """4*task | 3*job | 2*goal | mission | aim | duty | plan | order | objective | assignment | next step
        | challenge | purpose | instruction | exercise | work for today""",
    "glad": """2*glad | 2*happy | grateful | pleased | delighted | thankful | much obliged | happier | relieved
        | content""",
    "tail": """14*~ | 2*please | now | for me | thanks | thank you | if you can | right away | at once | if possible
        | will you | would you | immediately | for us | quickly | gently | carefully | my friend | robot | again | today
        | if you please | when you have a moment | as soon as you can | this time | without delay | i beg you | ok
        | all right""",
    "fix": """3*change that | 2*do something about it | fix it | fix that | help | mend that | see to it | please help
        | please change it | take care of it | put it right | act | i want it changed | can you help ? | it bothers me
        | deal with it | make it otherwise | sort it out | that's not good | that is not what i want
        | that's annoying""",
    "bother": """bothers me | annoys me | is not acceptable | makes me sad | is a problem | won't do | disturbs me
        | is bad | displeases me | is no good | makes me unhappy | is a nuisance | drives me crazy | troubles me
        | gets on my nerves""",
    "hate": """4*don't like | 3*hate | 2*dislike | can't stand | am unhappy with | am not happy with | am tired of
        | am sick of | am annoyed by | complain about | am bothered by | don't enjoy | can't bear | am displeased with
        | regret | don't accept | don't want | have had enough of | am not pleased with | am dissatisfied with
        | detest""",
}

ACT_FRAMES = """30*{do} | 12*please {do} | 5*can you {do} | 4*can you help me {do} | 5*i want you to {do}
    | 5*the robot should {do} | 5*use the gripper to {do} | 5*your task is to {do} | 8*[polite] {do} [tail]
    | 8*[would] you [polite] {do} [tail] | 5*i [want] you to {do} [tail] | 3*[robot] should {do} | 2*[robot] must {do}
    | 2*[robot] has to {do} | 3*your [job] is to {do} | the [job] is to {do} | [would] [robot] {do} | let [robot] {do}
    | you should {do} | you must {do} | you have to {do} | you ought to {do} | you need to {do} | you may {do} now
    | it is time to {do} | time to {do} | it would be [good] to {do} | it would be [good] of you to {do}
    | it would be [good] if you could {do} | i'd be [glad] if you could {do} | i would be [glad] if you {do}
    | i wonder if you could {do} | would you mind {doing} | 2*would you mind {doing} for me | how about {doing}
    | what about {doing} | 2*use the [handn] to {do} | use your [handn] to {do} | with the [handn], {do}
    | take your [handn] and {do} | i need someone to {do} | i need help to {do} | i need help with {doing}
    | help me with {doing} | assist me in {doing} | i'm asking you to {do} | may i ask you to {do}
    | i'd appreciate it if you could {do} | i would appreciate {doing} | why don't you {do} | why not {do}
    | don't forget to {do} | do not hesitate to {do} | remember to {do} | be sure to {do} | make sure to {do}
    | try to {do} | start {doing} | begin with {doing} | try {doing} | your next step is {doing} | {doing} is your [job]
    | {doing} would be [good] | {doing} is what i want | {doing}, please | what i want is {doing}
    | all i want is that [robot] {does} | i want [robot] to {do} | i hope that [robot] {does}
    | i wish that you would {do} | it's [good] when [robot] {does} | make [robot] {do} | see to it that [robot] {does}
    | i insist that you {do} | my wish is that you {do} | nobody but you can {do} | i can't {do} myself
    | i can't {do}, you do it | somebody has to {do} | are you able to {do} | show me how you {do}
    | show me that you can {do} | let me see you {do} | let us {do} | let's {do} | we have to {do} | shall we {do}
    | go ahead and {do} | you are supposed to {do} | you are asked to {do} | feel free to {do}
    | i forgot to {do}, do it for me | to make me happy, {do} | do it now: {do} | i repeat: {do} | as i said, {do}
    | all you have to do is {do} | the only thing to do is to {do} | there's nothing left to do but {do}
    | get busy {doing} | get on with {doing} | keep at it until you {do} | think about how to {do}, then do it
    | i trust you to {do}"""

STATE_FRAMES = """5*i want {s} {c} | 4*{s} should be {c} | 3*make sure that {s} is {c} | 2*{s} must be {c}
    | 2*i need {s} {c} | 3*i'd like {s} to be {c} | i would like {s} {c} | i want {s} to be {c}
    | see to it that {s} is {c} | {s} has to be {c} | {s} needs to be {c} | {s} ought to be {c} | let {s} be {c}
    | i would prefer {s} {c} | i prefer {s} {c} | have {s} {c} | i'd rather have {s} {c} | i wish {s} was {c}
    | i wish {s} were {c} | if only {s} were {c} | i hope {s} is {c} soon | it would be [good] if {s} were {c}
    | it would be [good] to have {s} {c} | i'd be [glad] to see {s} {c} | get {s} {c}
    | i would be [glad] if {s} were {c} | [would] you get {s} {c} | [would] you see that {s} is {c}
    | [would] {s} be {c} soon | when you are done, {s} should be {c} | in the end {s} should be {c}
    | at the end {s} is {c} | why is {s} not {c} yet ? | why isn't {s} {c} ? | {s} is not {c}, [fix]
    | {s} isn't {c}, [fix] | {s} is still not {c} | {s} isn't {c} yet | {s} was {c} before, i want that again
    | {s}: {c}, please | {s} {c}, please | {s} {c} ! | my wish: {s} {c} | {s} had better be {c}
    | i can't do anything until {s} is {c} | i want to see {s} {c} | i like {s} better when it is {c} | {s} is to be {c}
    | is {s} {c} ? if not, [fix] | i am waiting for {s} to be {c} | your [job] is done when {s} is {c}
    | the [job] is to have {s} {c} | the [job]: {s} {c} | leave {s} {c} | we want {s} {c} | we need {s} {c}
    | nothing but {s} being {c} will do | keep {s} {c} | i'd love {s} {c} | is it possible to have {s} {c} ?
    | can we have {s} {c} ? | could we have {s} {c} | let's have {s} {c} | i think {s} should be {c}
    | it's better with {s} {c} | i am happier with {s} {c} | from now on {s} should be {c}
    | i'm sure you can get {s} {c} | {s} ought to have been {c} | {s} deserves to be {c} | i'm hoping for {s} to be {c}
    | i long for {s} being {c} | what we need is {s} {c} | i don't see {s} {c} yet"""

BAD_FRAMES = """4*{s} is {c}, [fix] | 3*{s} is {c} | 3*{s} is still {c} | 3*don't leave {s} {c} | 2*do not leave {s} {c}
    | 2*i don't want {s} {c} | i don't want {s} to be {c} | i do not like {s} {c} | {s} shouldn't be {c}
    | {s} should not be {c} | {s} should no longer be {c} | {s} must not be {c} | {s} must not stay {c}
    | {s} can't stay {c} | why is {s} {c} ? | why is {s} still {c} ? | who left {s} {c} ? | someone left {s} {c}
    | i found {s} {c}, [fix] | 5*i [hate] {s} being {c} | i don't like that {s} is {c} | i don't like it when {s} is {c}
    | i hate it when {s} is {c} | it [bother] that {s} is {c} | {s} being {c} [bother] | that {s} is {c} [bother]
    | i see that {s} is {c}, [fix] | {s} seems to be {c}, [fix] | no more {s} {c} | {s} has been {c} for too long
    | {s} was {c} long enough | stop {s} from being {c} | i'd rather not have {s} {c} | i would rather not see {s} {c}
    | never leave {s} {c} | {s} is {c} and i don't like that | {s} is {c} and that [bother]
    | it is a pity that {s} is {c} | too bad that {s} is {c} | unfortunately {s} is {c} | {s} is {c} again, [fix]
    | oh no, {s} is {c} | i can't work while {s} is {c} | as long as {s} is {c} i can't go on
    | what if {s} weren't {c} ? | must {s} be {c} ? | does {s} have to be {c} ?
    | {s}, at the moment {c}, should not be like that | i wish {s} were not {c} | i wish {s} wasn't {c}
    | it is wrong that {s} is {c} | there is a problem: {s} is {c} | my problem is that {s} is {c}
    | {s} doesn't need to be {c} | i am not [glad] that {s} is {c} | i'm not [glad] about {s} being {c}
    | end the state of {s} being {c} | don't let {s} be {c} | don't let {s} stay {c} | i'm not a friend of {s} being {c}
    | {s} is {c}, which [bother] | {s} is {c}, could you change that ? | don't keep {s} {c} | stop keeping {s} {c}
    | i can't have {s} {c} | there's no need for {s} to be {c} | {s} needn't be {c} | let's not have {s} {c}
    | we don't need {s} {c} | why keep {s} {c} ? | {s} is {c}, but it shouldn't be | it's no good to have {s} {c}
    | having {s} {c} [bother] | with {s} {c} i am not [glad] | nobody wants {s} {c} | we can't leave {s} {c}
    | it makes no sense to leave {s} {c} | i see no reason for {s} to be {c} | {s} cannot remain {c}
    | must not remain {c}: {s} | i'd hate to find {s} {c} | as you see, {s} is {c}, [fix]
    | somebody made a mistake: {s} is {c} | is {s} {c} ? [fix]"""

MIXED_FRAMES = """{bs} is {bc}, so {do} | {bs} is {bc}, {do} | {bs} is {bc}, please {do} | since {bs} is {bc}, {do}
    | {do}, because {bs} is {bc} | {do}, {bs} is {bc} | {do} so that {s} is {c} | {do}, i want {s} {c}
    | {do} until {s} is {c} | if {bs} is {bc}, {do} | {do} and don't leave {bs} {bc} | don't leave {bs} {bc}, {do}
    | i want {s} {c}, not {bc} | instead of {bc}, {s} should be {c} | {hint}, {do} | {hint}, so {do}
    | {hint}, please {do} | {do}, {hint} | i don't like {bs} {bc}, [would] you {do} | {hint}, [would] you {do}
    | i prefer {s} {c} | while {bs} is {bc} i can't go on, so {do} | {bs} is {bc} ? then {do}
    | {bs} should be {c} instead of {bc} | nobody likes {bs} {bc}, so {do} | to get {s} {c}, {do}"""
"""`{bs}` and `{bc}` are a thing and how it is before, `{hint}` one of the task's hints."""

HINT_FRAMES = (
    "12*{hint} | {hint}, [fix] | {hint}, [would] you help ? | {hint}, do something | you know, {hint} | {hint}, please"
)

FACTS = """a faucet is a tap | a spigot is a faucet | water comes out of a faucet that is open
    | a closed tap gives no water | whoever is thirsty wants water from the faucet | to wash hands one opens the faucet
    | to save water one closes the faucet | a lever opens and closes a faucet | a dripping tap is not closed
    | a valve lets water through when it is open | a lock keeps a door shut
    | a door that is locked can't be opened before it is unlocked | a bolt is a kind of lock | a latch is a kind of lock
    | to bolt a door is to lock it | to undo a lock is to unlock it | unlocking comes before opening
    | open is the opposite of closed | to lock is the opposite of to unlock | on is the opposite of off
    | shut means closed | what should not be open is to be closed | what should not be closed is to be opened
    | what should not be on is to be off | who does not like it locked wants it unlocked
    | who does not like it open wants it closed | what sticks out can be pushed in | a safe is a strong box with a door
    | a vault is a big safe | a door has a handle to pull | to look inside one opens the door
    | a window lets fresh air in when it is open | stuffy air asks for an open window
    | a cold draught asks for a closed window | a window slides along its frame | a pane is the glass of a window
    | noise stays outside when the window is closed | a mug is a cup | coffee flows into the mug below the machine
    | a coffee machine starts when its button is pressed | a coffee maker is a coffee machine
    | a brewer is a coffee machine | espresso is coffee | to make coffee needs a mug and the machine
    | first the mug , then the button of the machine | a cup beside the machine can't be filled | a barista makes coffee
    | a knob can be pressed like a button | a switch is like a button | a bell rings when its button is pressed
    | a wall in the way changes the path , not the aim | behind a barrier the task is the same
    | an obstacle is to be passed | a fence is an obstacle | one can go over a wall or around it
    | to push keeps a thing on the table | to slide is to push | to lift takes a thing off the table
    | to carry is to lift and move | to grasp is to close the fingers | a puck is a round disc | a disc is a puck
    | shove and nudge mean push | grab and seize mean grasp | to reach is to move only the hand
    | the gripper is the robot's hand | the arm ends in a gripper | a marked spot is a target
    | a goal is where things should go | a hammer drives a nail into wood | a mallet is a hammer
    | a nail that sticks out needs a hammer | a football is a ball | a goal is scored when the ball is in the net
    | to kick a ball is to push it hard"""
