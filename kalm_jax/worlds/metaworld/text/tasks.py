"""How the tasks of Meta-world's data are asked for in plain text: as acts, results, complaints and hints.

Notation as in `kalm_jax.worlds.metaworld.text.words`, and as blind to the evaluation sentences. Of each task there are

    do     what is to be done, as a command ("^open [win]"); its marked verbs change their form with the frame around it
    state  what holds afterwards, "{thing} @ {how it is}": "[win] @ open"
    bad    what holds before, in the same form: "[win] @ shut"
    hint   whole sentences that ask without saying it: wishes, reasons, remarks
"""

from __future__ import annotations

REACH = {
    "do": """5*^move [hand] [totgt] | 2*^bring [hand] [totgt] | ^put [hand] [attgt] | ^place [hand] [attgt]
        | ^take [hand] [totgt] | ^send [hand] [totgt] | ^steer [hand] [totgt] | ^guide [hand] [totgt]
        | ^drive [hand] [totgt] | ^shift [hand] [totgt] | ^lead [hand] [totgt] | ^position [hand] [attgt]
        | ^stretch [hand] out to [tgt] | ^stretch out [hand] to [tgt] | ^extend [hand] to [tgt] | ^hold [hand] [attgt]
        | ^direct [hand] [totgt] | ^navigate [hand] [totgt] | ^swing [hand] over to [tgt] | ^set [hand] down [attgt]
        | 4*^reach [tgt] [away] | 2*^reach [tgt] with [hand] | ^reach for [tgt] | ^reach out to [tgt] | ^touch [tgt]
        | ^touch [tgt] with [hand] | 2*^go to [tgt] | 2*^go to [tgt] with [hand] | ^get to [tgt] | ^approach [tgt]
        | ^move to [tgt] [away] | ^travel to [tgt] | ^arrive at [tgt] | ^come to [tgt] | ^hover at [tgt] | ^visit [tgt]
        | ^head for [tgt] | ^fly to [tgt] | ^point at [tgt] with [hand] | ^float over to [tgt] | ^find [tgt] with [hand]
        | ^get [hand] [totgt] | ^let [hand] go to [tgt] | ^let [hand] arrive at [tgt] | ^tap [tgt] with [hand]
        | ^make [hand] touch [tgt] | ^align [hand] with [tgt] | ^meet [tgt] with [hand] | ^transfer [hand] [totgt]
        | ^proceed to [tgt] | ^go [attgt] | ^be [attgt] | ^wave [hand] [attgt] | ^park [hand] [attgt]
        | ^make contact with [tgt] | ^close the gap between [hand] and [tgt] | ^relocate [hand] [totgt]
        | ^move nothing but [hand], and that to [tgt] | ^aim [hand] at [tgt] and ^go there | ^move closer to [tgt]""",
    "state": """6*[hand] @ [attgt] | [hand] @ where [tgt] is | [hand] @ as close to [tgt] as can be
        | [hand] @ moved [totgt] | [hand] @ placed [attgt] | [tgt] @ reached | 2*[tgt] @ reached by [hand]
        | [tgt] @ touched by [hand] | [hand] @ in contact with [tgt] | [hand] @ stretched out to [tgt]
        | [hand] @ brought [totgt]""",
    "bad": """4*[hand] @ too far from [tgt] | [hand] @ away from [tgt] | [hand] @ not [attgt]
        | [hand] @ in the wrong place | [hand] @ far away from [tgt] | [hand] @ nowhere near [tgt]
        | [tgt] @ out of reach of [hand] | [tgt] @ still untouched | [hand] @ not yet [attgt]
        | [hand] @ idle so far from [tgt]""",
    "hint": """how far is it from [hand] to [tgt] ? go there | let me see [hand] at [tgt] | do you see [tgt] ? go there
        | nothing needs to be moved but [hand], and that to [tgt] | [tgt] waits for [hand] | show me where [tgt] is
        | i am curious whether [hand] gets to [tgt] | where is [tgt] ? point at it | hands on [tgt]
        | the distance between [hand] and [tgt] should be zero | no need to hold anything, just get to [tgt]
        | leave everything as it is and only go to [tgt] | can you touch this point with [hand] ? | here is [tgt], come
        | your [handn] belongs at [tgt] | i put [tgt] there for [hand] | come over here with [hand] to [tgt]
        | stay where you are ? no, go to [tgt] | [hand], to [tgt] | next stop of [hand]: [tgt]
        | off to [tgt] with [hand]""",
}

PUSH = {
    "pushv": """10*^push | 4*^slide | 3*^shove | 2*^nudge | ^move | ^sweep | ^drag | ^glide | ^propel | ^skid | ^scoot
        | ^guide | ^bump | ^tap | ^poke | ^drive | ^herd | ^shuffle | ^swipe | ^thrust | ^knock | ^brush | ^press
        | ^steer | ^pull | ^shift | ^budge | ^edge | ^flick | ^prod | ^ease | ^hustle | ^transport | ^displace
        | ^wipe""",
    "do": """24*[pushv] [puck] [onward] [totgt] | 4*[pushv] [puck] [totgt] [away] | ^move [puck] [totgt]
        | ^bring [puck] [totgt] without lifting it | ^make [puck] slide [totgt] | ^let [puck] slide [totgt]
        | ^give [puck] a push [totgt] | ^give [puck] a shove towards [tgt] | ^get [puck] [totgt] by pushing
        | ^use [hand] to push [puck] [totgt] | ^get [puck] to slide [totgt] | ^send [puck] sliding [totgt]
        | ^change where [puck] lies on the [table] | ^move [puck] a bit on the [table] [totgt]
        | ^go behind [puck] and ^push it [totgt] | ^put [hand] on [puck] and ^slide it [totgt] | 3*[pushv] [puck]
        | ^lean on [puck] and ^shove it [totgt] | ^make [puck] travel over the [table] [totgt]
        | [pushv] [puck] with [hand] | ^move [puck] sideways on the [table] until it is [attgt]
        | ^play [puck] [totgt] like a hockey player""",
    "state": """[puck] @ pushed [totgt] | [puck] @ slid [totgt] | [puck] @ shoved over to [tgt] | [puck] @ moved [totgt]
        | [puck] @ nudged [totgt] | [puck] @ elsewhere on the [table] | [puck] @ somewhere else on the [table]
        | [puck] @ on the [table] [attgt] | [puck] @ moved along the [table] to [tgt] | [puck] @ lying [attgt]
        | [puck] @ dragged [totgt] | [puck] @ at another place on the [table]""",
    "bad": """3*[puck] @ in the wrong place | [puck] @ at the wrong spot on the [table] | [puck] @ in the wrong position
        | [puck] @ not where it belongs | [puck] @ too far from [tgt] | [puck] @ away from [tgt] | [puck] @ misplaced
        | [puck] @ where it is now | [puck] @ badly placed on the [table] | [puck] @ still at its old place
        | [puck] @ not on [tgt] | [puck] @ off [tgt] | [puck] @ at this place | [puck] @ in a bad spot""",
    "hint": """[puck] belongs on [tgt], slide it | [puck] doesn't lie well there, [pushv] it | a little push for [puck]
        | where [puck] is now i don't like it, [pushv] it | [puck] needs a push | [puck] could do with a shove
        | one shove and [puck] is at [tgt] | let's play shuffleboard: [puck] to [tgt]
        | [puck] must stay on the [table] but go to [tgt] | imagine air hockey and send [puck] to [tgt]
        | don't pick [puck] up, just slide it to [tgt] | who moves [puck] over the [table] to [tgt] ?
        | i'd prefer another place for [puck] on the [table] | keep [puck] on the [table] and get it to [tgt]
        | no lifting: [puck] to [tgt] | let [puck] glide to [tgt]""",
}

PICK_PLACE = {
    "grab": """6*^pick up [puck] | 3*^grasp [puck] | 3*^grab [puck] | 2*^take [puck] | 2*^lift [puck] | ^seize [puck]
        | ^grip [puck] | ^pick [puck] up | ^lift up [puck] | ^clutch [puck] | ^catch [puck] | ^hold [puck]
        | ^raise [puck] | ^take hold of [puck] | ^get hold of [puck] | ^close [hand] around [puck] | ^collect [puck]
        | ^fetch [puck] | ^clasp [puck] | ^pinch [puck] | ^snatch [puck] | ^squeeze [puck] | ^take [puck] into [hand]
        | ^hoist [puck]""",
    "drop": """4*^place it [attgt] | 4*^put it [attgt] | 2*^bring it [totgt] | 2*^carry it [totgt] | 2*^hold it [attgt]
        | ^move it [totgt] | ^take it [totgt] | ^set it down [attgt] | ^lay it [attgt] | ^keep it [attgt]
        | ^deliver it [totgt] | ^lift it up to [tgt] | ^raise it to [tgt] | ^drop it [attgt] | ^transport it [totgt]
        | ^hang it [attgt] | ^deposit it [attgt] | ^leave it [attgt] | ^let it hover [attgt] | ^transfer it [totgt]
        | ^release it [attgt]""",
    "do": """16*[grab] and [drop] | 3*[grab] and then [drop] | 2*[grab], then [drop] | 4*[grab] [totgt]
        | 2*^lift [puck] [totgt] | ^lift [puck] off the [table] | ^raise [puck] [totgt] | ^carry [puck] [totgt]
        | 2*^put [puck] [attgt] | 2*^place [puck] [attgt] | ^pick and place [puck] | ^hold [puck] up [attgt]
        | ^carry [puck] through the air [totgt] | ^hold [puck] in the air | ^take [puck] from the [table] to [tgt]
        | ^elevate [puck] [totgt] | ^hoist [puck] [totgt] | ^set [puck] down [attgt] | ^lay [puck] [attgt]
        | ^pick [puck] up from the [table] | ^deliver [puck] [totgt] through the air | ^fly [puck] [totgt] | [grab]
        | ^bring [puck] up into the air to [tgt] | ^hang [puck] up [attgt] | ^keep [puck] [attgt] in [hand]
        | ^pluck [puck] from the [table] | ^use [hand] to lift [puck] [totgt] | ^get [puck] up from the [table]
        | ^raise [puck] above the [table] | ^let [puck] float [attgt] | ^ferry [puck] [totgt] through the air""",
    "state": """[puck] @ in the air [attgt] | [puck] @ lifted [totgt] | [puck] @ picked up and put [attgt]
        | [puck] @ up in the air | [puck] @ held [attgt] | [puck] @ raised [totgt] | [puck] @ in [hand] and [attgt]
        | [puck] @ off the [table] | [puck] @ carried [totgt] | [puck] @ high above the [table]
        | [puck] @ grasped and brought to [tgt] | [puck] @ placed [attgt] | [puck] @ taken to [tgt] through the air
        | [puck] @ higher up""",
    "bad": """[puck] @ too low | [puck] @ down on the [table] | [puck] @ lying around on the [table]
        | [puck] @ still on the [table] | [puck] @ not in the air | [puck] @ too close to the [table]
        | [puck] @ on the ground | [puck] @ not high enough | [puck] @ just lying there instead of being in [hand]
        | [puck] @ out of [hand] | [puck] @ not in [hand] | [puck] @ not lifted yet""",
    "hint": """[puck] should leave the [table] | show me how strong you are and lift [puck]
        | i want to see [puck] fly to [tgt] | [puck] wants to be held | pretend to be a crane and lift [puck]
        | [puck] belongs up there at [tgt] | up with [puck] | clear the [table] of [puck], take it up to [tgt]
        | sliding is not enough, lift [puck] to [tgt] | don't push [puck], carry it to [tgt]
        | i can't bend down, lift [puck] for me | hand me [puck] at [tgt] | there is something below [puck], so lift it
        | a crane would take [puck] up to [tgt] | [puck] goes up to [tgt]
        | take that [puckn] in [hand], i need it up at [tgt] | nothing should be on the [table], pick up [puck]""",
}

BUTTON_PRESS = {
    "pressv": """10*^press | 4*^push | 2*^hit | ^poke | ^tap | ^click | ^depress | ^punch | ^prod | ^jab | ^smack
        | ^strike | ^squeeze | ^operate | ^use | ^activate | ^trigger | ^actuate | ^touch | ^bump | ^nudge | ^engage
        | ^work | ^thump | ^hammer on | ^bang on | ^press down | ^press on | ^push down on | ^push on | ^press against
        | ^push in | ^press in | ^slam | ^knock on | ^lean on | ^dab""",
    "do": """22*[pressv] [btn] [away] | 3*^push [btn] in | 2*^press [btn] down | ^press [btn] in | ^drive [btn] in
        | ^push [btn] [with] | 2*^press [btn] [with] | ^give [btn] a push | ^give [btn] a press | ^give [btn] a poke
        | ^push [btn] all the way in | ^press [btn] until it clicks | ^make [btn] go in | ^push [btn] into the [boxn]
        | ^put [hand] on [btn] and ^press it | ^apply pressure to [btn] | ^press [btn] firmly | ^hold [btn] down
        | ^move [hand] against [btn] | ^push [hand] against [btn] | ^ring the [btnbell] | ^let [hand] press [btn]
        | ^send a signal with [btn] | ^sink [btn] into the [boxn] | ^set off the alarm with [btn]
        | ^press the thing on the [boxn] | ^push whatever sticks out of the [boxn] | ^turn on the [boxn] by its [btnn]
        | ^finger [btn] | ^push [btn] once""",
    "btnbell": "bell | doorbell | buzzer | alarm",
    "state": """6*[btn] @ pressed | 3*[btn] @ pushed in | [btn] @ in | [btn] @ down | [btn] @ pushed
        | [btn] @ pushed down | [btn] @ pressed down | [btn] @ depressed | [btn] @ flush with the [boxn]
        | [btn] @ triggered | [btn] @ activated | [btn] @ hit | [btn] @ all the way in | [btn] @ deep inside the [boxn]
        | [btn] @ engaged | [btn] @ used""",
    "bad": """3*[btn] @ not pressed | [btn] @ not pushed in | [btn] @ out | [btn] @ sticking out | [btn] @ unpressed
        | [btn] @ up | [btn] @ untouched | [btn] @ waiting to be pressed | [btn] @ not in yet
        | [btn] @ poking out of the [boxn] | [btn] @ idle | [btn] @ unused""",
    "hint": """nobody has pressed [btn] yet | [btn] wants to be pressed | [btn] sticks out, push it in
        | one press of [btn] is enough | the [boxn] does nothing until [btn] goes in | ring for the butler with [btn]
        | a push on [btn] would do it | i can't reach [btn], do it for me | put some pressure on [btn]
        | i want to hear [btn] click | go on, [btn] | sound the alarm with [btn] | let the [boxn] know by its [btnn]
        | what happens if [btn] goes in ? try it | the contact behind [btn] must close | fingers on [btn]
        | a finger on [btn], and push | [btn] ! now ! | the quiz begins, hit [btn] | the lift comes when you press [btn]
        | don't be shy, [pressv] [btn]""",
}

DOOR_UNLOCK = {
    "unlockv": """10*^unlock | 2*^unbolt | 2*^unlatch | ^unfasten | ^unbar | ^unbar | ^release | ^disengage | ^unblock
        | ^free | ^unsecure | ^unseal""",
    "lockoff": """4*^open [lock] | 2*^undo [lock] | 2*^release [lock] | ^turn [lock] | 2*^turn [lock] open
        | ^unlock [lock] | ^disengage [lock] | ^loosen [lock] | ^slide back [lock] | ^draw back [lock] | ^rotate [lock]
        | ^twist [lock] | ^unfasten [lock] | ^take off [lock] | ^free [lock] | ^pull back [lock] | ^slip [lock]
        | ^retract [lock] | ^turn [lock] to unlock | ^move [lock] to the open position | ^crack [lock] | ^pick [lock]
        | ^deactivate [lock] | ^turn [lock] to the side | ^push [lock] aside | ^push [lock] open | ^spin [lock]
        | ^remove [lock] | ^flip [lock] | ^swing [lock] aside | ^clear [lock]""",
    "do": """14*[unlockv] [door] [away] | 14*[lockoff] | 3*[lockoff] so that [door] is unlocked
        | 2*[lockoff] to unlock [door] | 2*[lockoff] to free [door] | 2*^unlock [door] by turning [lock]
        | ^unlock [door] with [hand] | [lockoff] [with] | ^make [door] unlocked | ^make [door] no longer locked
        | ^get [door] unlocked | ^take [door] off the latch | ^set [door] free from its [lockn]
        | ^prepare [door] for opening by turning [lock] | ^let [lock] go | [lockoff], but don't pull [door]
        | ^do away with the locking of [door] | ^make sure that [lock] no longer holds [door]""",
    "state": """8*[door] @ unlocked | 2*[lock] @ undone | 2*[lock] @ open | [door] @ no longer locked
        | [lock] @ released | [door] @ unbolted | [door] @ unlatched | [lock] @ turned | [lock] @ turned open
        | [lock] @ unlocked | [door] @ not locked any more | [door] @ free of its [lockn] | [lock] @ off
        | [lock] @ drawn back | [lock] @ no longer in the way of [door] | [lock] @ loose | [door] @ not bolted
        | [lock] @ disengaged""",
    "bad": """8*[door] @ locked | [door] @ bolted | [door] @ latched | [lock] @ locked | [lock] @ closed | [lock] @ shut
        | [lock] @ on | [door] @ under lock | [door] @ barred | [lock] @ in the way | [lock] @ fastened
        | [door] @ locked up | [lock] @ engaged | [door] @ secured | [door] @ sealed by its [lockn]
        | [door] @ held by [lock] | [lock] @ blocking [door] | [door] @ still under lock | [lock] @ keeping [door] shut
        | [lock] @ keeping us out | [lock] @ stopping us from opening [door] | [door] @ closed by [lock]
        | [lock] @ still turned | [door] @ inaccessible because of [lock]""",
    "hint": """who locked [door] ? | we are locked out by [lock] | someone locked [door] and i need it free
        | no more lock on [door] | [lock] keeps me out | i hate that [lockn] on [door] | i forgot the key of [door]
        | get rid of the lock on [door] | i don't want [door] to be locked any more
        | the key of [door] is lost, turn [lock] yourself | what use is a locked [doorn]
        | there is no reason to keep [door] locked | i'd like to be able to open [door] later, so undo its [lockn]
        | [door] can't be opened until you turn [lock] | just the lock of [door], don't pull it open
        | play the locksmith at [door] | [lock] holds [door], change that | a burglar would begin with [lock]
        | locked doors make me nervous, turn [lock] | whoever turned the key of [door], turn it back
        | be my key to [door] | no need for [lock] | the lock isn't needed | [lock] is not needed now
        | it is safe here, no need to lock [door] | i don't like locked doors | a locked [doorn] is not welcome
        | there are no thieves here, so free [door] from [lock] | [lock] has done its duty
        | [door] has been locked by mistake | the owner allows it, undo [lock] | we trust everyone here, no locks please
        | [lock] must give way | i have no key for [lock], can you turn it ? | my keys are gone and [door] is locked
        | first of all [lock] has to go""",
}

DOOR_OPEN = {
    "do": """14*^open [door] [away] | 3*^open up [door] | 3*^pull [door] open | 2*^pull open [door]
        | 2*^swing [door] open | ^draw [door] open | ^get [door] open | ^open [door] wide | ^pull the [gripn] of [door]
        | ^pull [door] by its [gripn] | 3*^open [door] by its [gripn] | 2*^pull the [doorn] [gripn]
        | ^pull on the [gripn] | ^pull at [door] | ^yank [door] open | ^tug at the [gripn] of [door]
        | ^grab the [gripn] and ^pull [door] open | ^hook the [gripn] and ^pull | ^drag [door] open
        | ^use the [gripn] to open [door] | ^make [door] open | ^swing open [door] | ^fling [door] open
        | ^throw [door] open | ^take the [gripn] of [door] and ^pull it | ^move [door] to its open position
        | ^pull [door] towards you | ^rotate [door] on its hinges | ^let me look into [door] | ^give me access to [door]
        | ^show me what is in [door] | ^open [door] [with] | ^crack [door] open | ^set [door] ajar | ^tear [door] open
        | ^reveal what is behind [door] | ^expose the inside of [door] | ^pull the [gripn] until [door] is open
        | ^let [door] swing open | ^leave [door] open | ^keep [door] open | ^open [door] for me | ^open [door] a bit
        | ^open [door] a crack | ^let me in through [door] | ^let us in | ^let me out through [door]
        | ^give me entrance to [door] | ^pull [door] away from its frame | ^work the [gripn] of [door]
        | ^make the inside of [door] visible | ^get [door] to swing | ^turn [door] around its hinges | ^pull [door] out
        | ^get into [door] | ^grip the [gripn] and ^swing [door] open | ^bring [door] from closed to open
        | ^clear the way through [door] | ^tug [door] open | ^let me get at what is in [door] | ^pull back [door]
        | ^part [door] from its frame | ^unveil the content of [door] | ^enter [door]""",
    "state": """10*[door] @ open | 2*[door] @ wide open | 2*[door] @ opened | [door] @ ajar | [door] @ pulled open
        | [door] @ not closed any more | [door] @ no longer shut | the inside of [door] @ visible | [door] @ swung open
        | [door] @ open for me | what is in [door] @ accessible | the content of [door] @ in view | [door] @ agape""",
    "bad": """6*[door] @ closed | 5*[door] @ shut | [door] @ not open | [door] @ in its frame | [door] @ still not open
        | the inside of [door] @ hidden | [door] @ pulled to | what is in [door] @ out of sight
        | [door] @ blocking my view | [door] @ closed but unlocked | [door] @ hiding what i need
        | [door] @ between me and my things | [door] @ keeping me from my things | the way through [door] @ closed
        | [door] @ keeping its content from me | [door] @ tightly shut | [door] @ not yet pulled open""",
    "hint": """i would love to see what is inside [door] | what's in [door] ? let me see | i need something from [door]
        | my papers are in [door], let me get them | i want to put the jewels into [door]
        | the money is in [door], get at it | i want to look into [door] | i want to come in through [door]
        | somebody is knocking at [door] | let the guests in through [door] | let the cat out of [door]
        | we need the things behind [door] | what hides behind [door] ? | where is the treasure ? behind [door]
        | access to [door] please | i must get at the gold in [door] | sesame: [door]
        | a pull at the [gripn] of [door] would help | [door] needs a pull at its [gripn] | my hands are full, [door] !
        | i can't get anything out of [door] like this | why keep [door] closed ? | i want to walk through [door]
        | i'd rather not have [door] closed | the [gripn] of [door] is there to be pulled | i left my watch in [door]
        | i need to get something out of [door] | i want to get my documents from [door] | my lunch is in [door]
        | the keys lie in [door] | i have to put something in [door] | can i have a look into [door] ?
        | i'm curious what's in [door] | let's see what's inside [door] | the delivery is at [door]
        | i want to take the money out of [door] | [door] is unlocked already, so pull
        | [door] is no longer locked, pull | i want to store this in [door] | the content of [door] interests me
        | i hear something inside [door] | grandma's ring is in [door] | we want to go in through [door]
        | i'm standing before a closed [doorn] | a closed [doorn] is of no use to me | pull that [gripn]
        | the [gripn] is waiting for a hand | what is stored in [door] should come out | let the light into [door]
        | show us the inside of [door] | i need to reach inside [door] | my hat is in there, behind [door]""",
}

WINDOW_OPEN = {
    "do": """14*^open [win] [away] | 3*^open up [win] | 5*^slide [win] open | 3*^push [win] open | ^slide open [win]
        | ^push [win] to the side | ^push [win] aside | ^move [win] aside | ^shove [win] open | ^pull [win] open
        | ^move [win] to the open side | ^get [win] open | ^open [win] wide | 3*^open [win] by its [wgrip]
        | ^push the [wgrip] of [win] | ^slide the [wgrip] of [win] | ^let [air] in through [win] | ^let [air] come [inn]
        | 2*^let [air] [inn] | ^air the room | ^ventilate the room | ^air out the room | ^make [win] open
        | ^draw [win] open | ^get some air in by opening [win] | ^bring [air] [inn] | ^use the [wgrip] to open [win]
        | ^throw [win] open | ^slide [win] along its rail | ^open [win] [with] | ^give us [air] | ^unclose [win]
        | ^crack [win] open | ^slide [win] out of the way | ^make an opening in [win] | ^let the smoke out through [win]
        | ^let the smell out of the room | ^let the bad air out | ^leave [win] open | ^keep [win] open
        | ^pull [win] to the side | ^shift [win] sideways | ^slide [win] over | ^move [win] along | ^open [win] a bit
        | ^open [win] a little | ^open [win] a crack | ^get rid of the smell in here | ^cool the room
        | ^cool the room down with [air] | ^let the heat out of the room | ^let the steam out | ^welcome [air] [inn]
        | ^invite [air] [inn] | ^help [air] [inn] | ^freshen the room | ^freshen up the air
        | ^refresh the air in the room | ^get [air] circulating | ^slide [win] away from the opening | ^undo [win]
        | ^make way for [air] | ^fill the room with [air] | ^push the glass to the side""",
    "state": """10*[win] @ open | 2*[win] @ wide open | 2*[win] @ opened | [win] @ slid open | [win] @ pushed aside
        | [win] @ slid to the side | [win] @ not closed any more | [win] @ no longer shut | [win] @ ajar
        | [win] @ out of the way | the room @ aired | the room @ ventilated | [air] @ in the room | the room @ fresh
        | the air in here @ fresh""",
    "bad": """6*[win] @ closed | 5*[win] @ shut | [win] @ not open | the air in here @ stale | the room @ stuffy
        | the air @ thick | [win] @ keeping the air out | the room @ full of smoke | the room @ too hot
        | it @ stuffy in here | it @ too hot in here | it @ too warm in here | the air in here @ bad
        | it @ hard to breathe in here | [win] @ blocking [air] | [win] @ keeping [air] from us | the room @ airless
        | the room @ smelly | this place @ a sauna | the room @ like an oven | the air @ dusty | the air in here @ heavy
        | the kitchen @ full of steam | [win] @ between me and [air] | [win] @ still at the closed end
        | it @ boiling in here | it @ hot | the office @ unbearably warm""",
    "hint": """it smells in here | what a smell in this room | i can hardly breathe in here | the air in here is used up
        | i need [air] | we need [air] in here | how i long for [air] | i am sweating in this room
        | the toast burned, air the room | a bit of ventilation would help | i want to hear the birds outside
        | is it only me or is it hot in here ? | i want to feel the wind | some ventilation please
        | there is no air in here | the room needs airing | everybody yawns, we need oxygen
        | the paint smells awful in here | i'd like to lean out and wave | the glass keeps the breeze out, move it aside
        | the fly wants to get out through [win] | why is [win] closed in this heat ?
        | it's so warm, do something about [win] | [air] would do us good | it's a mild day, let it in through [win]
        | i am suffocating | my head aches from this stale air | the smoke has to get out | what a sauna | i am boiling
        | this room is like an oven | a closed [winn] in this heat is torture | [win] lets nothing in | let's have [air]
        | who wants [air] ? i do | i could use [air] | [air] would be nice | [air] is what this room lacks
        | i miss [air] | the weather is lovely, let it in | the sun shines and [win] is closed
        | it's summer, let [air] in | fresh oxygen for the tired | i smell gas, let it out
        | dinner burned and the smoke stays in here | the smell of fish must leave the room | the lungs need [air]
        | open air is healthier | nobody gets any air in here | let the room breathe | let me breathe
        | a closed [winn] makes me sleepy | no air gets past [win], slide it | we should let some outside in
        | the cooking smells should go outside""",
}

FAUCET_OPEN = {
    "do": """10*^open [faux] [away] | 8*^turn on [faux] | 5*^turn [faux] on | 3*^turn [faux] open | ^switch on [faux]
        | ^start [faux] | ^twist [faux] open | ^open up [faux] | ^rotate [faux] open | ^activate [faux]
        | ^get [faux] running | 2*^turn the [flever] of [faux] to open it | ^turn the [flever] of [faux]
        | ^open [faux] by its [flever] | ^rotate the [flever] of [faux] | ^push the [flever] of [faux]
        | ^make [faux] [flow] | ^let [faux] [flow] | 2*^let [water] [flow] | 2*^make [water] [flow]
        | ^let [water] [flow] from [faux] | ^get [water] from [faux] | ^run [faux] | ^run [water] | ^start [water]
        | ^turn on [water] | ^release [water] | ^open the water | ^draw [water] | ^give me [water]
        | ^give me [water] from [faux] | ^get me [water] | ^pour me [water] from [faux] | ^unscrew [faux]
        | ^turn [faux] until [water] [flows] | ^fill the sink with [water] | ^fill the bucket from [faux]
        | ^bring [faux] to life | ^open [faux] [with] | ^swing the [flever] of [faux] around
        | ^put [water] into the bath from [faux] | ^spin [faux] open | ^crank [faux] open | ^swivel [faux] open
        | ^turn the [flever] so that [water] [flows] | ^leave [faux] open | ^leave [faux] running | ^keep [faux] running
        | ^turn [faux] to get [water] | ^let it run at [faux] | ^provide [water] | ^supply [water]
        | ^fetch [water] from [faux] | ^fill my glass from [faux] | ^fill the kettle with [water]
        | ^fill a pot with [water] | ^start the flow of [water] | ^start the flow | ^allow [water] to [flow]
        | ^get the water going | ^bring [water] | ^rinse the dishes with [faux] | ^wet the sponge under [faux]
        | ^water the plants from [faux] | ^turn [faux] around so that it [flows]""",
    "state": """6*[faux] @ open | 4*[faux] @ on | 2*[faux] @ running | [faux] @ turned on | [faux] @ opened
        | [water] @ running | [water] @ flowing from [faux] | [water] @ coming out of [faux] | [faux] @ flowing
        | [faux] @ turned open | [water] @ on | the flow of [water] @ on | the [flever] of [faux] @ turned
        | [faux] @ no longer off | the sink @ full | [faux] @ switched on""",
    "bad": """4*[faux] @ closed | 3*[faux] @ off | 2*[faux] @ shut | [faux] @ not running | [faux] @ not on
        | [faux] @ turned off | [water] @ off | [faux] @ without water | the sink @ empty | [faux] @ not giving water
        | the water @ not running | [faux] @ without a drop""",
    "hint": """i am thirsty | i am so thirsty, get [water] | my hands are dirty and need [water]
        | i want to wash my hands | i want to wash the dishes | the flowers need [water] | i need [water] for the soup
        | i'd like to drink [water] | no water comes from [faux] | why does no water come out of [faux] ?
        | there is no water in the sink | how about [water] ? | i'd like a bath | the kettle needs filling from [faux]
        | i want to rinse my cup under [faux] | where does the water come from ? from [faux], so turn it
        | i want to hear [water] splash | the dog wants to drink | fill my bottle at [faux] | the plants are thirsty
        | water please | [water] please | we need [water] | i need [water] | soap is on my hands, now i need [water]
        | not a single drop comes from [faux] | let there be water | i must brush my teeth, [water] please
        | the bucket is empty, use [faux] | have [faux] deliver [water] | i want [water] from [faux] | i'd like [water]
        | i could do with [water] | can i get [water] ? | may i have [water] ? | my throat is dry
        | my mouth is dry, [water] | a drink of water would be nice | my plants are dying without [water]
        | my hands are sticky | let me wash up | it's time to do the dishes | the vegetables need washing
        | i want to take a shower | the fish need fresh water | the horses are thirsty | i need to fill this bottle
        | water the garden | the pot is empty and i cook noodles | the basin should fill up | i want to see [water]
        | [water] should [flow] | where is the water ? | the pipe has water, let it out | the glass is empty, fill it
        | [faux] gives nothing""",
}

COFFEE_PUSH = {
    "do": """24*[pushv] [mug] [under] | 2*[pushv] [mug] [totgt] | 4*[pushv] [mug] [onward] [under]
        | 3*^put [mug] [under] | 2*^place [mug] [under] | ^bring [mug] [under] | ^set [mug] [under]
        | ^stand [mug] [under] | ^get [mug] [under] | ^position [mug] [under] | ^move [mug] so that [mach] can fill it
        | ^make [mug] slide [under] | 2*[pushv] [mug] | ^get [mug] ready for [brew] | ^put [mug] where [brew] comes out
        | ^move [mug] to where the coffee comes out | ^bring [mug] to its place at [mach] | ^give [mug] a push [under]
        | [pushv] [mug] with [hand] | ^take [mug] [under] | ^let [mug] stand [under] | ^prepare [mug] for [mach]
        | ^serve [mug] to [mach] | ^line [mug] up with [mach] | ^centre [mug] under the [mnoz]
        | [pushv] [mug] until it is [under]""",
    "state": """5*[mug] @ [under] | [mug] @ pushed [under] | [mug] @ in its place at [mach] | [mug] @ moved [under]
        | [mug] @ slid [under] | [mug] @ ready at [mach] | [mug] @ where the coffee comes out | [mug] @ at [mach]
        | [mug] @ in position for [brew] | [mug] @ pushed [totgt] | [mug] @ ready to be filled by [mach]""",
    "bad": """[mug] @ not under [mach] | [mug] @ too far from [mach] | [mug] @ away from [mach]
        | [mug] @ in the wrong place | [mug] @ not below the [mnoz] | [mug] @ in front of me instead of at [mach]
        | [mug] @ not at [mach] yet | [mug] @ out of place | the place under [mach] @ empty
        | [mug] @ not where the coffee comes out""",
    "hint": """[mach] has nothing to pour into, bring [mug] | the coffee would go on the [table], move [mug] under it
        | the coffee would miss [mug] | where should the coffee go without [mug] ? | [mach] wants [mug] below it
        | [mug] goes [under] | there is no [mugn] under [mach] | [mach] cannot fill [mug] from so far
        | [mug] belongs [under] | the [mnoz] would drip beside [mug]
        | i set [mug] in the wrong place, it must be [under] | bring [mug] and [mach] together
        | [mug] can't be filled where it is | just [mug] [under], don't start it | [mach] and [mug] are too far apart
        | catch the coffee with [mug], it must be [under] | [mug] has to wait [under]""",
}

COFFEE_BUTTON = {
    "do": """18*[pressv] [mbtn] [away] | 3*^push [mbtn] in | ^press [mbtn] down | 2*^start [mach] | 3*^turn on [mach]
        | 2*^turn [mach] on | 2*^switch on [mach] | ^switch [mach] on | ^activate [mach] | ^power up [mach]
        | ^power on [mach] | ^run [mach] | ^set [mach] going | ^make [mach] run | ^make [mach] work | ^let [mach] brew
        | ^boot [mach] | ^launch [mach] | ^get [mach] going | ^start [mach] with its [mbtnn] | ^use [mbtn]
        | ^begin brewing with [mach] | ^operate [mach] | ^fire up [mach] | ^put [mach] to work
        | ^tell [mach] to begin by its [mbtnn] | ^start the brewing | ^turn on the brewing
        | ^press the thing that starts [mach] | ^wake [mach] up | ^give [mbtn] a push | ^put [mach] into operation
        | ^let [mach] do its work | ^press [mbtn] [with] | ^push [hand] against [mbtn] | ^get [mach] started""",
    "state": """5*[mach] @ on | 3*[mach] @ running | 2*[mach] @ started | [mach] @ switched on | [mach] @ turned on
        | 4*[mbtn] @ pressed | [mbtn] @ pushed in | [mach] @ at work | [mach] @ brewing | [mach] @ activated
        | [mbtn] @ in | [mach] @ powered up | [mach] @ busy | [mach] @ humming | [mbtn] @ pushed""",
    "bad": """3*[mach] @ off | 2*[mach] @ not running | [mach] @ not on | [mach] @ idle | [mach] @ switched off
        | [mach] @ asleep | [mbtn] @ not pressed | [mbtn] @ out | [mach] @ silent | [mach] @ not started yet
        | [mach] @ turned off | [mach] @ doing nothing | [mbtn] @ untouched""",
    "hint": """[mug] is already under [mach], press the [mbtnn] | [mug] is in its place, now start [mach]
        | i want to hear [mach] hum | why doesn't [mach] run ? | [mach] is silent, wake it | nobody has started [mach]
        | everything is ready, only [mach] is off | [mug] stands ready, so [mbtn] | [mach] needs to be told to begin
        | one press and [mach] runs | [mach] should get going | the beans are in, [mach] may begin | let [mach] heat up
        | it's time for [mach] to work | the water is filled in, start [mach] | [mach] sleeps, wake it by its [mbtnn]
        | who turns on [mach] ? | [mach] only begins when its [mbtnn] goes in | [mach] has power but does not run
        | begin the brewing | the cup is in its place, start [mach] | get [mach] to pour | [mach] won't start by itself
        | let [mach] heat the water | a push on [mbtn] will do | there's a [mbtnn] on [mach], use it
        | i want [mach] to begin | i'd like [mach] to work | i want to see [mach] running | let [mach] grind the beans
        | only the [mbtnn] of [mach] is missing | [mach], go | turn that [machn] on
        | without its [mbtnn] pressed, [mach] stays cold | don't touch the cup, only [mbtn]""",
}

DATA_TASKS: dict[str, dict[str, str]] = {
    **{
        "reach": REACH,
        "push": PUSH,
        "pick-place": PICK_PLACE,
        "button-press": BUTTON_PRESS,
        "door-unlock": DOOR_UNLOCK,
    },
    **{"door-open": DOOR_OPEN, "window-open": WINDOW_OPEN, "faucet-open": FAUCET_OPEN, "coffee-push": COFFEE_PUSH},
    "coffee-button": COFFEE_BUTTON,
}
"""Task -> its rules; those of a name other than do, state, bad and hint are for all of them."""
