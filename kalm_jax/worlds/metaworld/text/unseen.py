"""How Meta-world's tasks without rollouts are asked for in plain text: the closing ones, hammer, soccer, the composed.

Forms as in `kalm_jax.worlds.metaworld.text.tasks`, and as blind to the evaluation sentences.
"""

from __future__ import annotations

DOOR_LOCK = {
    "lockon": """4*^turn [lock] so that [door] is locked | 2*^close [lock] | ^fasten [lock] | ^shut [lock]
        | ^engage [lock] | 3*^turn [lock] to lock [door] | ^turn [lock] closed | ^turn [lock] shut | ^slide [lock] in
        | ^put [lock] on | ^lock [lock] | ^slide [lock] home | ^push [lock] home | ^activate [lock]
        | ^rotate [lock] to lock it | ^twist [lock] into its locked position | ^drop [lock]
        | ^turn [lock] down to lock [door] | ^apply [lock] | ^secure [lock] | ^set [lock]""",
    "do": """16*^lock [door] [away] | 3*^lock up [door] | 2*^bolt [door] | ^latch [door] | ^secure [door] | ^bar [door]
        | 12*[lockon] | ^lock [door] with its [lockn] | 2*^lock [door] by turning [lock] | ^secure [door] by its [lockn]
        | ^fasten [door] with its [lockn] | ^lock [door] [with] | ^make [door] locked | ^get [door] locked
        | ^make [door] safe | ^put [door] under lock | ^seal [door] with its [lockn] | ^put the lock on [door]
        | ^padlock [door] | ^keep thieves out of [door] | ^make sure nobody can open [door]
        | ^protect [door] by its [lockn]""",
    "state": """10*[door] @ locked | [door] @ bolted | [door] @ latched | [lock] @ locked | 2*[lock] @ closed
        | [lock] @ fastened | [door] @ secure | [door] @ secured | [door] @ barred | [lock] @ engaged
        | [door] @ safe from thieves | [lock] @ shut | [door] @ locked up | [door] @ under lock | [lock] @ on""",
    "bad": """5*[door] @ unlocked | 2*[door] @ not locked | [lock] @ undone | [lock] @ loose | [lock] @ unlocked
        | [door] @ unbolted | [door] @ unlatched | [lock] @ off | [door] @ unsecured | [door] @ not secure
        | [door] @ easy prey for thieves | [door] @ without a closed lock | [lock] @ not engaged""",
    "hint": """who forgot to lock [door] ? | thieves are around, think of [lock] | nobody may get into [door]
        | did you lock [door] ? | somebody unlocked [door], undo that | anybody could open [door] now, stop them
        | we go on holiday, [door] needs locking | i am afraid of burglars at [door] | [door] isn't safe from thieves
        | we leave the house, [lock] please | the jewels in [door] should be protected by [lock]
        | turn the key of [door] before we go | no unlocked doors at night | keep the children from opening [door]
        | i want no one to open [door] | good night, don't forget [lock]""",
}

DOOR_CLOSE = {
    "do": """14*^close [door] [away] | 6*^shut [door] | 3*^push [door] shut | 2*^push [door] closed | ^swing [door] shut
        | ^swing [door] closed | ^slam [door] | ^slam [door] shut | ^close up [door] | ^pull [door] shut
        | ^get [door] closed | ^push the [gripn] of [door] until it is shut | 3*^close [door] by its [gripn]
        | ^make [door] closed | ^push [door] to | ^push [door] back into its frame | ^bring [door] back into its frame
        | ^put [door] to | ^let [door] fall shut | ^shut [door] by its [gripn] | ^close [door] [with]
        | ^push the [doorn] [gripn] to close it | ^return [door] to its frame | ^move [door] to its closed position
        | ^press [door] shut | ^shove [door] shut | ^hide what is in [door] | ^push against [door] until it is closed
        | ^use the [gripn] to close [door] | ^seal off [door] by closing it""",
    "state": """10*[door] @ closed | 6*[door] @ shut | [door] @ pushed shut | [door] @ no longer open
        | [door] @ in its frame | [door] @ not open any more | the inside of [door] @ hidden | [door] @ slammed shut
        | [door] @ pushed to""",
    "bad": """8*[door] @ open | 2*[door] @ wide open | [door] @ ajar | [door] @ not closed | [door] @ not shut
        | [door] @ agape | [door] @ standing open | [door] @ hanging open | [door] @ half open""",
    "hint": """who opened [door] ? | somebody forgot to shut [door] | were you born in a barn ? [door] !
        | i don't want to see into [door] | everyone can look into [door], stop that | there's a draught from [door]
        | the cold gets out of [door] | people can see what is in [door] | nothing more is needed from [door]
        | i have got my things out of [door] | we're done with [door] | the content of [door] is private
        | don't let the cat get into [door] | nobody needs [door] open | i got what i wanted from [door]
        | i bumped into [door] because it was open | an open [doorn] tempts thieves""",
}

WINDOW_CLOSE = {
    "do": """14*^close [win] [away] | 6*^shut [win] | 4*^slide [win] shut | 3*^slide [win] closed | 2*^push [win] shut
        | 2*^push [win] closed | ^slide [win] back | ^push [win] back | ^pull [win] shut | ^close up [win]
        | ^get [win] closed | 3*^close [win] by its [wgrip] | ^make [win] closed
        | ^push the [wgrip] of [win] until it is shut | ^draw [win] shut | ^keep [air] out | ^keep the cold out
        | ^keep the rain out | ^keep the noise out | ^keep the bugs out by closing [win]
        | ^move [win] back to its closed position | ^close [win] [with] | ^use the [wgrip] to close [win]
        | ^shove [win] shut | ^stop the draught from [win] | ^stop the draft | ^shut out the noise | ^shut out the cold
        | ^seal [win] | ^slide [win] back into its frame | ^lock out the wind with [win]
        | ^block the wind with [win]""",
    "state": """10*[win] @ closed | 6*[win] @ shut | [win] @ slid shut | [win] @ no longer open
        | [win] @ back in its frame | [win] @ not open any more | [win] @ pushed shut | the noise @ outside
        | the cold @ outside | [air] @ kept out""",
    "bad": """8*[win] @ open | 2*[win] @ wide open | [win] @ ajar | [win] @ not closed | [win] @ not shut
        | [win] @ standing open | it @ too cold in here | it @ drafty in here | it @ draughty | the room @ too cold
        | the street @ too loud | the noise from outside @ awful | [win] @ half open""",
    "hint": """who opened [win] ? | i am cold | i'm freezing in here | it rains in | the rain comes in through [win]
        | brr, what a draught | somebody forgot to shut [win] | there's a draft in here | the wind blows my papers about
        | flies come in through [win] | i can't sleep with the noise from the street
        | the heating is on, so no open window | my teeth are chattering from the cold
        | a storm is coming, think of [win] | mosquitoes come in through [win] | snow blows into the room
        | enough fresh air for today | the room has been aired enough | it's getting chilly in here
        | winter comes in through [win] | there's too much wind in here""",
}

FAUCET_CLOSE = {
    "do": """12*^close [faux] [away] | 8*^turn off [faux] | 5*^turn [faux] off | 3*^shut off [faux] | 2*^shut [faux]
        | 2*^turn [faux] closed | ^turn [faux] shut | ^switch off [faux] | ^stop [faux] | ^twist [faux] closed
        | ^turn [faux] back | 2*^turn the [flever] of [faux] to close it | ^turn back the [flever] of [faux]
        | ^close [faux] by its [flever] | 3*^stop the water | ^stop the water of [faux] | ^stop the flow of [faux]
        | ^turn off the water | ^shut off the water | ^cut off the water | ^make [faux] stop running
        | ^stop [faux] from dripping | ^end the flow from [faux] | ^save water | ^rotate [faux] closed
        | ^rotate the [flever] of [faux] to shut it | ^close off [faux] | ^let no more water out of [faux]
        | ^close [faux] [with] | ^screw [faux] shut | ^deactivate [faux] | ^tighten [faux] | ^keep the water in the pipe
        | ^let [faux] no longer run""",
    "state": """8*[faux] @ closed | 5*[faux] @ off | 3*[faux] @ shut | [faux] @ turned off | [faux] @ no longer running
        | the water @ off | the water @ stopped | the flow of water @ cut off | [faux] @ dry again
        | [faux] @ not dripping | [faux] @ tight | [faux] @ no longer on | [faux] @ not open any more""",
    "bad": """4*[faux] @ open | 3*[faux] @ running | 3*[faux] @ on | [faux] @ dripping | the water @ running
        | the water @ still on | [faux] @ not closed | [faux] @ not off | the sink @ overflowing | [faux] @ leaking
        | [faux] @ wasting water | water @ pouring from [faux]""",
    "hint": """who left the water running ? | we waste water | don't waste water | the sink overflows
        | water is expensive, [faux] ! | the bath is full | the dripping of [faux] drives me mad | stop wasting water
        | the bucket is full, no more water | i have enough water | my hands are clean, no more water needed
        | my glass is full | somebody forgot to turn [faux] off | no more water from [faux]
        | the kitchen is being flooded | think of the water bill, [faux] ! | [faux] keeps dripping
        | i'm done with washing up, so no more water | water is precious, don't let it run
        | the floor is getting wet from [faux]""",
}

HAMMER = {
    "hit": """6*^hammer | 2*^drive | 2*^knock | ^beat | ^pound | ^bang | ^hit | ^nail | ^strike | ^push | ^ram | ^tap
        | ^whack""",
    "do": """8*[hit] [nail] into [wood] | 4*[hit] [nail] in | 4*[hit] [nail] with the [hamn]
        | 3*[hit] [nail] in with the [hamn] | 3*[hit] [nail] into [wood] with the [hamn] | 3*^hammer [nail]
        | 2*^hammer in [nail] | ^use the [hamn] on [nail] | 3*^take the [hamn] and [hit] [nail]
        | 2*^pick up the [hamn] and [hit] [nail] into [wood] | ^grab the [hamn] and [hit] [nail] in
        | 2*^use the [hamn] to [hit0] [nail] into [wood] | ^swing the [hamn] at [nail] | ^do some carpentry on [nail]
        | ^put [nail] in with the [hamn] | ^sink [nail] into [wood] | ^fix [nail] in [wood]
        | ^lift the [hamn] and ^hit [nail] | ^bring the [hamn] down on [nail] | ^make [nail] go into [wood]
        | ^get [nail] into [wood] | ^hit [nail] on the head""",
    "hit0": "3*hammer | drive | knock | beat | pound | hit | push | strike | bang | ram",
    "state": """3*[nail] @ in [wood] | 2*[nail] @ hammered in | [nail] @ driven into [wood] | [nail] @ hit by the [hamn]
        | [nail] @ in | [nail] @ flush with [wood] | [nail] @ knocked in | [nail] @ deep in [wood]
        | the [hamn] @ used on [nail]""",
    "bad": """[nail] @ sticking out | [nail] @ not in | [nail] @ not in [wood] | [nail] @ standing out of [wood]
        | [nail] @ out | the [hamn] @ unused while [nail] sticks out | [nail] @ only halfway in""",
    "hint": """[nail] sticks out, somebody will get hurt | here is a [hamn] and there is [nail] | play the carpenter
        | i tore my shirt on [nail] | [nail] needs the [hamn] | a blow with the [hamn] for [nail]
        | i want to hang a picture on [nail] | the picture needs [nail] in [wood] | what is a [hamn] for ? [nail] !""",
}

SOCCER = {
    "kick": """6*^kick | 4*^push | 2*^shoot | 2*^roll | ^shove | ^move | ^send | ^knock | ^drive | ^get | ^put
        | ^dribble | ^slide | ^bring | ^strike | ^hit | ^tap | ^nudge | ^play | ^pass | ^place | ^steer | ^guide""",
    "do": """20*[kick] [ball] into the [netn] | 3*[kick] [ball] to the [netn] | 2*[kick] [ball] in | 3*^score a goal
        | 2*^score with [ball] | 2*^score a goal with [ball] | ^play soccer | ^play football with [ball] | [kick] [ball]
        | ^make a goal | ^shoot a goal | ^let [ball] roll into the [netn] | ^make [ball] roll into the [netn] | ^score
        | ^shoot at the [netn] with [ball] | ^give [ball] a kick into the [netn] | ^finish with [ball] in the [netn]
        | ^net [ball] | ^take the penalty with [ball] | [kick] [ball] over the line | ^beat the keeper with [ball]""",
    "state": """5*[ball] @ in the [netn] | [ball] @ kicked into the [netn] | [ball] @ over the line
        | [ball] @ inside the [netn] | [ball] @ pushed into the [netn] | [ball] @ rolled into the [netn]""",
    "bad": """2*[ball] @ not in the [netn] | [ball] @ outside the [netn] | the [netn] @ empty, without [ball]
        | [ball] @ in front of the [netn] | [ball] @ too far from the [netn]""",
    "hint": """it's still zero to zero, [ball] must go in | we need a goal to win | the keeper is asleep, shoot
        | i want to cheer for a goal | the match is on, [ball] | penalty for us, [ball] ! | the striker takes [ball]
        | the world cup depends on [ball] | show me your soccer skills | fans want a goal""",
}

MAKE_COFFEE = {
    "make": "8*^make | 4*^brew | 2*^prepare | 2*^get | ^cook | ^fix | ^produce | ^fetch | ^serve | ^pour",
    "then": "and | and then | , then | and afterwards | and after that | and finally | , and then",
    "startm": """4*^press the [mbtnn] | 3*^start [mach] | 2*^press [mbtn] | ^turn [mach] on | ^switch on [mach]
        | ^push the [mbtnn] | ^turn it on | ^press its [mbtnn] | ^start it | ^let it brew | ^hit the [mbtnn]
        | ^push [mbtn] in""",
    "do": """10*[make] [brew] | 4*[make] me [brew] | 2*[make] [brew] with [mach] | 2*[make] [brew] for me
        | 2*[make] [brew] in [mug] | 12*[pushv] [mug] [under] [then] [startm] | 3*^put [mug] [under] [then] [startm]
        | 2*^place [mug] [under] [then] [startm] | 2*^fill [mug] with [brew] | ^fill [mug] with coffee from [mach]
        | ^bring [mug] to [mach] [then] [startm] | ^use [mach] to make [brew] | first ^push [mug] [under], then [startm]
        | ^let [mach] fill [mug] | ^have [mach] fill [mug] | ^be my barista | ^treat me to [brew] | ^work as a barista
        | ^get [brew] into [mug] | ^prepare [brew] in [mug] with [mach]""",
    "state": """2*[mug] @ full of coffee | [mug] @ filled with [brew] | [brew] @ ready | [brew] @ made
        | [brew] @ in [mug] | [brew] @ served | [mug] @ filled by [mach] | [mug] @ under [mach] and [mach] on""",
    "bad": """[mug] @ without coffee | [mug] @ empty | [mug] @ still without [brew] | [brew] @ not ready
        | the coffee @ not made""",
    "hint": """i am so tired, i need [brew] | i need [brew] | i'd like [brew] | i'd love [brew] now | how about [brew] ?
        | [brew] please | without [brew] i fall asleep | nothing wakes me like [brew] | is there any coffee ?
        | i could do with [brew] | my kingdom for [brew] | a barista would bring me [brew] | the guests want [brew]
        | it's time for [brew] | i want to drink [brew] | one [mugn] of coffee please
        | breakfast without [brew] is no breakfast | i can't start the day without [brew]""",
}

LOCKED_DOOR_OPEN = {
    "openit": """4*^open it | 4*^open [door] | 2*^pull it open | 2*^pull [door] open | ^swing it open
        | ^pull the [gripn] | ^open it wide""",
    "next": "3*and | 3*and then | 2*, then | and after that | , and then | and next",
    "do": """8*[unlockv] [door] [next] [openit] | 6*[lockoff] [next] [openit] | 3*^open the locked [doorn]
        | ^get the locked [doorn] open | 2*^open [door], which is locked | ^open [door] after unlocking it
        | ^open [door] although it is locked | 2*first ^unlock [door] and then ^open it | 2*^unlock and ^open [door]
        | ^open [door] that is locked | ^pull the locked [doorn] open
        | ^break into [door] by its [lockn] and its [gripn] | ^turn [lock] and ^pull the [gripn]
        | ^open the [doorn] with the closed [lockn] | ^let me into the locked [doorn]
        | ^open [lock] first and [door] next | ^open the bolted [doorn] | ^open the latched [doorn]
        | ^undo [lock] and ^open [door] for me | ^get into the locked [doorn] | ^pull [door] open once [lock] is off""",
    "state": """2*[door] @ unlocked and open | [door] @ unlocked and then opened | the locked [doorn] @ open
        | the locked [doorn] @ opened | [lock] @ off and [door] @ open | the bolted [doorn] @ wide open
        | [door] @ first unlocked, then open""",
    "bad": """[door] @ locked and closed | [door] @ locked, not open | [door] @ locked and shut
        | [door] @ shut and bolted | [door] @ both locked and closed""",
    "hint": """[door] is locked, but i want to look inside | [door] is locked and i need what is in it
        | i can't get in, [door] is locked | the treasure is behind the locked [doorn]
        | [door] won't open because it's locked, solve that | [lock] is in the way of opening [door]
        | [door] is locked, open it nevertheless | both the lock and the door have to be opened
        | i need to get into the locked [doorn] | the key is lost, but [door] must be open
        | be a burglar and get into [door] past its [lockn] | let me see inside the locked [doorn]""",
}

UNSEEN_TASKS: dict[str, dict[str, str]] = {
    **{"door-lock": DOOR_LOCK, "door-close": DOOR_CLOSE, "window-close": WINDOW_CLOSE, "faucet-close": FAUCET_CLOSE},
    **{"hammer": HAMMER, "soccer": SOCCER, "make-coffee": MAKE_COFFEE, "locked-door-open": LOCKED_DOOR_OPEN},
}
"""Task -> its rules, as `metaworld_corpus_tasks.DATA_TASKS` has them; the tasks with a wall are made of that file's."""
