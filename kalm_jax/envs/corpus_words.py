"""The words of the pretraining text: colours, ball names, verbs, manners, directions, as alternatives of a grammar.

Written for language-model pretraining only, and independently of the evaluation sentences. Notation, read by
`kalm_jax.envs.corpus_grammar.compile_rules`: a rule's alternatives are separated by `|`; `3*foo` weighs one 3;
`[name]` expands another rule; `~` is empty. Slots depend on the goal at hand: `[A]` the ball that moves, `[B]` the
reference, `[Bs]` its possessive, `[REL]` the wanted side of `[B]`, `[OPP]` the opposite one, `[RELIT]` and `[OPPIT]`
the same of a ball just named, `[MV]` the direction of a single move.
"""

from __future__ import annotations

COLOURS = {
    "red": """18*red | 3*crimson | 3*scarlet | 2*ruby | cherry | vermilion | carmine | reddish | cherry-red
        | blood-red | ruby-red | bright red | brick-red | tomato-red | maroon | burgundy | deep red | wine-red
        | fire-red""",
    "blue": """18*blue | 3*azure | 3*navy | 2*cobalt | 2*sapphire | cerulean | ultramarine | royal blue | bluish
        | navy-blue | deep blue | dark blue | cobalt-blue | ocean-blue | indigo | sapphire-blue""",
    "green": """18*green | 4*emerald | 2*jade | lime | lime-green | olive | verdant | greenish | grass-green
        | forest-green | leaf-green | emerald-green | bright green | mint | moss-green | grassy""",
    "purple": """18*purple | 4*violet | 2*lavender | 2*plum | lilac | amethyst | mauve | purplish | magenta
        | grape | deep purple | eggplant | orchid | royal purple | violet-ish""",
    "cyan": """18*cyan | 3*turquoise | 3*teal | 3*aqua | aquamarine | light cyan | bright cyan | light-blue
        | aqua-blue | tealish""",
}
"""Colour words of each ball; the plain name carries about half of the weight."""

BALL_WORDS = {
    "noun": """30*ball | 9*sphere | 7*orb | 5*object | 3*item | 2*thing | 2*marble | 2*globe | 2*piece | bead
        | bauble | round object | spherical object | round thing | toy | rubber ball | toy ball | round item
        | pellet | pearl | rounded object | body | round one | billiard ball | small ball | circular object
        | token | bubble | round piece | spherical thing | round body""",
    "adj": """little | small | round | big | shiny | bright | rubber | large | lonely | pretty | smooth | heavy
        | lovely | tiny | poor""",
    "det": "20*the | 2*that | this | my | our | your | said",
    "np": """30*the {c} [noun] | 10*the {c} ball | 4*the {c} one | 5*{c} | 2*the {c} | 2*[det] {c} [noun]
        | 2*the [noun] that is {c} | the [noun] which is {c} | the [noun] that's {c} | 2*the [noun] in {c}
        | the [noun] of {c} color | the [noun] with {c} color | the {c}-colored [noun] | 2*the {c} colored [noun]
        | the {c}-coloured [noun] | the {c}-hued [noun] | the [noun] colored {c} | the [noun] painted {c}
        | the [noun] that looks {c} | the [noun] whose color is {c} | the [adj] {c} [noun] | {c} ball | {c} [noun]
        | the [noun] with the {c} color | the [noun] marked {c} | the {c} fellow | the {c} buddy
        | the [noun] dyed {c} | the [noun] of {c} colour | the [noun] that has a {c} color | the [noun] called {c}
        | the [noun] wearing {c}""",
    "poss": """8*the {c} [noun]'s | 5*{c}'s | 3*the {c} one's | 5*the {c} ball's | that {c} [noun]'s
        | the [adj] {c} [noun]'s""",
}
"""How a ball of colour {c} is called, and its possessive."""

VERBS = """6*push pushed pushing | 5*move moved moving | 3*shove shoved shoving | 3*nudge nudged nudging
    | 3*slide slid sliding | 3*roll rolled rolling | 3*shift shifted shifting | 2*relocate relocated relocating
    | 2*transfer transferred transferring | 3*position positioned positioning | 2*drive drove,driven driving
    | 4*place placed placing | 4*put put putting | 2*set set setting | 2*bring brought bringing
    | 2*send sent sending | 2*guide guided guiding | steer steered steering | direct directed directing
    | drag dragged dragging | pull pulled pulling | propel propelled propelling | scoot scooted scooting
    | 2*get got getting | take took,taken taking | ease eased easing | usher ushered ushering
    | herd herded herding | transport transported transporting | deliver delivered delivering
    | convey conveyed conveying | carry carried carrying | deposit deposited depositing | park parked parking
    | station stationed stationing | situate situated situating | lay laid laying | arrange arranged arranging
    | reposition repositioned repositioning | thrust thrust thrusting | press pressed pressing
    | prod prodded prodding | poke poked poking | sweep swept sweeping | whisk whisked whisking | tow towed towing
    | maneuver maneuvered maneuvering | stick stuck sticking | tuck tucked tucking | march marched marching
    | coax coaxed coaxing | urge urged urging | force forced forcing | navigate navigated navigating
    | escort escorted escorting | trundle trundled trundling | jostle jostled jostling | bump bumped bumping
    | tap tapped tapping | kick kicked kicking | knock knocked knocking | haul hauled hauling
    | channel channeled channeling | conduct conducted conducting | rearrange rearranged rearranging
    | adjust adjusted adjusting | locate located locating | install installed installing
    | launch launched launching | wheel wheeled wheeling | lead led leading | pilot piloted piloting
    | settle settled settling | plant planted planting | swing swung swinging | toss tossed tossing
    | throw threw,thrown throwing | 2*displace displaced displacing | budge budged budging | spin spun spinning
    | flick flicked flicking | boost boosted boosting | work worked working"""
"""Base, past (and participle, where it differs) and -ing form of verbs that move a ball somewhere."""

VERB_WORDS = {
    "keepv": "6*keep | 2*hold | 2*leave | maintain | have | retain | get | preserve",
    "keepger": "4*keeping | holding | leaving | having | maintaining",
    "is": """10*is | 3*sits | 3*rests | 3*lies | 2*stands | 2*stays | 2*remains | 3*ends up | winds up | lands
        | 3*is located | 2*is placed | 2*is positioned | 2*is situated | is found | is sitting | is resting
        | settles | comes to rest | gets placed | is kept | takes its place | finishes | is set | is parked
        | stops | is lying | is standing | is staying | appears | stands still""",
    "be": """10*be | 3*sit | 3*rest | 2*lie | 2*stand | 3*stay | 2*remain | 3*end up | wind up | land
        | 2*be located | 2*be placed | be positioned | be situated | be found | settle | come to rest | finish
        | be moved | be set | be put | go | stop | appear""",
    "were": """5*were | 4*was | sat | stood | lay | ended up | rested | could be | could sit | would be
        | was placed | was located | would stay""",
    "being": """5*being | sitting | resting | lying | standing | staying | being located | being placed
        | remaining | hanging out""",
    "go": """5*go | 5*move | 2*roll | travel | slide | shift | head | drift | run | be moved | be pushed | glide
        | be shifted | proceed""",
    "goes": """5*goes | 5*moves | 2*rolls | travels | slides | shifts | heads | drifts | runs | glides
        | gets pushed | is moved | proceeds""",
    "went": """3*went | 3*moved | rolled | traveled | slid | shifted | would go | would move | could go
        | could move | headed""",
    "going": "3*going | 4*moving | 2*rolling | traveling | sliding | shifting | heading | drifting | gliding",
    "pushn": """4*push | 3*nudge | shove | tap | kick | poke | little push | gentle push | quick shove
        | small nudge | bump""",
    "should": """5*should | 2*must | 2*needs to | 2*has to | ought to | is supposed to | had better | would better
        | is meant to | is to | shall | might as well | is expected to | is required to | deserves to | wants to
        | would like to""",
}
"""Verb phrases without an object, by form."""

MANNER_WORDS = {
    "mb": """3*gently | 2*slowly | 2*carefully | softly | quickly | swiftly | smoothly | steadily | lightly
        | firmly | kindly | simply | just | now | gradually | directly | cautiously | delicately | promptly
        | precisely | quietly | neatly | immediately | deliberately | rapidly | patiently | properly | calmly
        | briskly | tenderly | hastily | casually | accurately | safely""",
    "ma": """3*gently | 2*slowly | 2*carefully | softly | quickly | smoothly | lightly | a bit | a little
        | with care | bit by bit | in one go | with a gentle nudge | with a soft push | with some force
        | as fast as possible | at a slow pace | without rushing | with great caution | in a smooth motion
        | with precision | little by little | with ease | without delay | in a hurry | step by step | right away
        | at once | somehow | with a firm push | in a controlled way | with your arm | along the table""",
}
"""Manners before the verb and after the object."""

_SIDEWAYS = """12*to the {s} of [B] | 6*on the {s} of [B] | 8*{s} of [B] | 5*on the {s} side of [B]
    | 4*to the {s} side of [B] | 2*at the {s} of [B] | 2*at the {s} side of [B] | 3*on the {s}-hand side of [B]
    | 2*to the {s}-hand side of [B] | 2*on the {s} hand side of [B] | on the {s} flank of [B]
    | at the {s} flank of [B] | 4*on [Bs] {s} | 4*on [Bs] {s} side | 3*to [Bs] {s} | 2*to [Bs] {s} side
    | 2*at [Bs] {s} | by [Bs] {s} side | 2*on [Bs] {s}-hand side | on [Bs] {s} flank | 2*at [Bs] {s} side
    | beside [B] on the {s} | next to [B] on the {s} | next to [B], on its {s} side
    | adjacent to [B] on the {s} side | just {s} of [B] | immediately {s} of [B] | 2*directly to the {s} of [B]
    | slightly to the {s} of [B] | somewhere {s} of [B] | a bit to the {s} of [B] | close to [B] on its {s}
    | near [Bs] {s} side | 2*{w} of [B] | to the {w} of [B] | on the {w} side of [B] | {w}ward of [B]
    | on the {w}ern side of [B] | 3*on the {p} side of [B] | to {p} of [B] | to [Bs] {p} side | {s}ward of [B]
    | {s}wards of [B] | on the {s} edge of [B] | at the {s} hand of [B] | along the {s} side of [B]
    | by the {s} side of [B] | in the space {s} of [B] | in the spot {s} of [B] | in the area to the {s} of [B]
    | in the region {s} of [B] | {n} from [B] | farther {s} than [B] | more to the {s} than [B]
    | further to the {s} than [B] | on the {s} part of [B] | 2*with [B] on its {o} | with [B] to its {o}
    | with [B] at its {o} side | in a position {s} of [B] | in a place {s} of [B] | at a point {s} of [B]
    | in the {s} direction of [B] | alongside [B] on the {s}-hand side | precisely at the {s} of [B]
    | on the side {s} of [B] | at the spot to the {s} of [B] | neighboring [B] on the {s} | exactly {s} of [B]
    | on {s} of [B]"""

RELATIONS = {
    "left": _SIDEWAYS.format(s="left", o="right", w="west", p="port", n="at nine o'clock"),
    "right": _SIDEWAYS.format(s="right", o="left", w="east", p="starboard", n="at three o'clock"),
    "behind": """22*behind [B] | 4*at the back of [B] | 4*in back of [B] | 4*to the rear of [B]
        | 3*at the rear of [B] | 3*to the back of [B] | 2*on the back side of [B] | 2*on the far side of [B]
        | at the backside of [B] | on the rear side of [B] | in the rear of [B] | 2*beyond [B]
        | past [B] on the far side | further back than [B] | farther away than [B]
        | farther from the viewer than [B] | farther from me than [B] | deeper in the scene than [B]
        | 3*at [Bs] back | 3*at [Bs] rear | 2*behind [Bs] back | to [Bs] rear | on [Bs] back side
        | on [Bs] far side | at [Bs] back side | on [Bs] rear side | to [Bs] back | in [Bs] rear | 2*north of [B]
        | to the north of [B] | on the north side of [B] | 2*after [B] | following [B] | trailing [B] | aft of [B]
        | astern of [B] | at the tail of [B] | in the shadow of [B] | just behind [B] | right behind [B]
        | directly behind [B] | somewhere behind [B] | a bit behind [B] | immediately behind [B]
        | close behind [B] | in the space behind [B] | in the area behind [B] | in the spot behind [B]
        | at the position behind [B] | at the far end of [B] | with [B] in front of it | with [B] in front
        | hidden behind [B] | in behind [B] | rearward of [B] | posterior to [B] | backward of [B]
        | on the other side of [B], at its back | next to [B] on the back side
        | on the opposite side of [B] from the viewer | up from [B], away from the viewer
        | in a position behind [B] | in the wake of [B] | at the hind side of [B] | to the hind of [B]
        | in the back of [B] | in the background of [B] | exactly behind [B] | on the rear of [B]
        | at twelve o'clock from [B] | with [B] before it""",
    "front": """22*in front of [B] | 4*at the front of [B] | 4*to the front of [B] | 3*before [B] | 3*ahead of [B]
        | 2*on the front side of [B] | 2*on the near side of [B] | at the front side of [B]
        | to the front side of [B] | closer to the viewer than [B] | nearer to the viewer than [B]
        | closer to me than [B] | nearer than [B] | closer than [B] to the camera | 3*at [Bs] front
        | 2*on [Bs] front side | to [Bs] front | on [Bs] near side | at [Bs] front side | before [Bs] face
        | in [Bs] front | 2*south of [B] | to the south of [B] | on the south side of [B] | leading [B]
        | facing the front of [B] | just in front of [B] | right in front of [B] | directly in front of [B]
        | somewhere in front of [B] | a bit in front of [B] | immediately in front of [B] | close in front of [B]
        | just ahead of [B] | in the space in front of [B] | in the area in front of [B] | in the spot before [B]
        | at the position in front of [B] | with [B] behind it | with [B] at its back | forward of [B]
        | up front of [B] | further forward than [B] | further to the front than [B] | on the forward side of [B]
        | anterior to [B] | next to [B] on the front side | between [B] and the viewer
        | in a position ahead of [B] | in a place in front of [B] | in the foreground of [B] | fore of [B]
        | on the front of [B] | at the head of [B] | exactly in front of [B] | front of [B]
        | down from [B], toward the viewer | in the front of [B] | with [B] to its rear | frontward of [B]
        | at six o'clock from [B] | at the near end of [B] | on the frontal side of [B]""",
}
"""Where a ball is with respect to [B]: fits "is ..." and "push it ...". Behind is +y, away from the viewer."""

DESTINATIONS = """3*over to the [SIDE] of [B] | 2*towards the [SIDE] of [B] | toward the [SIDE] of [B]
    | to a spot [REL] | to a place [REL] | to the position [REL] | round to the [SIDE] of [B]
    | into the space [REL] | over to [Bs] [SIDE] | to [Bs] [SIDE] | so that it is [REL] | so it ends up [REL]
    | until it is [REL] | such that it sits [REL] | and leave it [REL] | to where it is [REL] | to the area [REL]
    | onto the [SIDE] of [B] | so that [B] is [OPPIT] | to a location [REL] | until it lies [REL]
    | so it comes to rest [REL] | so that it stays [REL] | next to [B], [RELIT] | near [B], [RELIT]
    | up to the [SIDE] of [B]"""
"""Where a ball is moved to, beyond `RELATIONS`."""

PRONOUN_RELATIONS = {
    "left": """3*to its left | 4*on its left | 2*on its left side | at its left | left of it | to the left of it
        | on its left-hand side""",
    "right": """3*to its right | 4*on its right | 2*on its right side | at its right | right of it
        | to the right of it | on its right-hand side""",
    "behind": """5*behind it | 2*at its back | at its rear | to its rear | on its back side | in back of it
        | to the back of it""",
    "front": """5*in front of it | before it | at its front | to its front | on its front side | 2*ahead of it
        | at the front of it""",
}
"""Where something is with respect to the ball just named."""

SIDES = {
    "left": "5*left | 3*left side | 2*left-hand side | left flank | left hand side",
    "right": "5*right | 3*right side | 2*right-hand side | right flank | right hand side",
    "behind": "4*back | 4*rear | 3*back side | rear side | far side",
    "front": "5*front | 3*front side | near side",
}
"""The side of a ball as a noun."""

_MOVE_SIDEWAYS = """6*{s} | 8*to the {s} | 4*{s}ward | 5*{s}wards | 3*towards the {s} | 2*toward the {s}
    | 3*to the {s} side | 2*over to the {s} | 2*to the {s}-hand side | in the {s} direction
    | in the {s}ward direction | in a {s}ward direction | to {p} | 2*to the {p} side | {w} | 2*{w}ward | {w}wards
    | to the {w} | toward the {w} | toward the {s} edge | toward the {s} wall | 2*to its {s} | 2*further {s}
    | more to the {s} | a bit {s} | a bit to the {s} | a step {s} | one step to the {s} | 2*slightly to the {s}
    | off to the {s} | to your {s} | to my {s} | towards the {s}-hand side | to the {s} hand side
    | along the {s} direction | some distance to the {s} | straight {s} | a little {s}wards | sideways to the {s}
    | a small step to the {s} | to the {s} a little | {s}wards a bit | toward the {s} end of the table
    | in direction {s} | to the {w}ern side | towards {p} | out to the {s} | further to the {s} side"""

MOVES = {
    "left": _MOVE_SIDEWAYS.format(s="left", w="west", p="port"),
    "right": _MOVE_SIDEWAYS.format(s="right", w="east", p="starboard"),
    "behind": """5*backward | 6*backwards | 4*back | 3*rearward | 3*rearwards | 4*to the rear | 5*to the back
        | 3*toward the back | 2*towards the rear | 4*away from you | 3*away from me | 2*away from the viewer
        | away from the camera | farther away | further away | 3*further back | 2*north | northward | northwards
        | deeper into the scene | into the background | astern | aft | in reverse | 2*behind
        | in the backward direction | in the rear direction | toward the far side | to the far end
        | toward the back wall | a step back | one step backward | a step backwards | slightly back
        | a bit to the rear | to the back side | to the rear side | to behind | off to the back
        | toward the far edge | to the far side of the table | towards the background | straight back
        | more to the back | away from where you stand | a little backwards | away from us | out to the back
        | away from the front | to the hind side | in direction back | farther from me | further from you
        | farther off | to the north""",
    "front": """6*forward | 5*forwards | 4*ahead | 5*to the front | 3*toward the front | 2*towards the front
        | 3*toward you | 3*towards you | 3*toward me | 2*towards the viewer | toward the camera | 2*closer
        | nearer | 3*closer to you | 3*closer to me | closer to the viewer | nearer to me | 2*south | southward
        | southwards | 2*frontward | 2*frontwards | in the forward direction | to the near side
        | toward the near edge | into the foreground | onward | onwards | to the fore | one step ahead
        | a step forward | straight ahead | up front | in the front direction | a bit forward | slightly ahead
        | further forward | further ahead | to the front side | out to the front | toward the front wall
        | more to the front | to the near end of the table | a small step forward | towards the foreground
        | towards us | away from the back | a little forwards | in direction front | to my side of the table
        | up to the front | straight forward | some distance ahead | to the south | in front""",
}
"""The direction of a single move. Behind is away from the viewer, front (forward, ahead) is toward the viewer."""

TOO_FAR = {
    "left": """3*too far to the left | 2*too far left | too much to the left | way too far left | too far west
        | too close to the left edge""",
    "right": """3*too far to the right | 2*too far right | too much to the right | way too far right
        | too far east | too close to the right edge""",
    "behind": """3*too far back | too far away | too far from me | too far to the rear | too far from the viewer
        | too close to the back wall""",
    "front": """3*too far forward | 2*too close to me | too near the viewer | too close to the front edge
        | too far to the front | too close to you""",
}
"""Complaints that a ball is too far in a direction."""

PAIR_SIDES = {
    "left": "4*on the left | on the left side | at the left | on the left-hand side | leftmost",
    "right": "4*on the right | on the right side | at the right | on the right-hand side | rightmost",
    "behind": "3*at the back | 2*in the back | 2*behind | in the rear | at the rear | farther away | further back",
    "front": """3*in front | 2*at the front | in the front | closer to me | nearer to the viewer | ahead
        | further forward""",
}
"""The place of one of two balls."""

RELATION_VERBS = {
    "left": """flank [B] on the left | guard the left side of [B] | be [Bs] left neighbor
        | take the left side of [B] | join [B] on the left""",
    "right": """flank [B] on the right | guard the right side of [B] | be [Bs] right neighbor
        | take the right side of [B] | join [B] on the right""",
    "behind": """follow [B] | hide behind [B] | trail [B] | back up behind [B] | be shielded from me by [B]
        | retreat behind [B] | stay back of [B]""",
    "front": """precede [B] | lead [B] | block my view of [B] | be nearer to me than [B] | shield [B] from me
        | advance in front of [B] | head [B]""",
}
"""Verbs that put their subject to a side of [B]."""
