"""The words of the pretraining text: colours, ball names, verbs, manners, directions, as alternatives of a grammar.

Written for language-model pretraining only, and independently of the evaluation sentences. Notation, read by
`kalm_jax.worlds.clevr.text.grammar.compile_rules`: a rule's alternatives are separated by `|`; `3*foo` weighs one 3;
`[name]` expands another rule; `~` is empty. Slots depend on the goal at hand: `[A]` the ball that moves, `[B]` the
reference, `[Bs]` its possessive, `[REL]` the wanted side of `[B]`, `[OPP]` the opposite one, `[RELIT]` and `[OPPIT]`
the same of a ball just named, `[MV]` the direction of a single move.
"""

from __future__ import annotations

COLOURS = {
    "red": """50*red | 4*crimson | 4*scarlet | 3*ruby | 2*cherry | vermilion | vermillion | carmine | reddish
        | cherry-red | blood-red | ruby-red | bright red | brick-red | tomato-red | maroon | burgundy | deep red
        | wine-red | fire-red | dark red | rose | rose-red | rosy | cardinal | cardinal-red | brick | tomato
        | blood red | wine | rust | rusty | rust-red | garnet | strawberry | strawberry-red | apple-red | raspberry
        | lava-red | flame-red | flaming red | rouge | cerise | claret | russet | cranberry | cherry-coloured
        | coral | coral-red | lipstick-red | chili-red | fiery red | fiery | ruddy | poppy-red | candy-red
        | light red | pure red | red-ish | fire-engine red | brick red""",
    "blue": """50*blue | 4*azure | 4*navy | 3*cobalt | 3*sapphire | 2*cerulean | ultramarine | royal blue | bluish
        | navy-blue | deep blue | dark blue | cobalt-blue | ocean-blue | indigo | sapphire-blue | navy blue
        | dark-blue | midnight-blue | midnight blue | denim | denim-blue | lapis | lapis lazuli | prussian blue
        | steel-blue | royal-blue | blueberry | marine | marine-blue | ink-blue | electric blue | bright blue
        | cornflower | cornflower-blue | sea-blue | pure blue | strong blue | blue-ish | oxford blue | ocean
        | deep-blue | cobalt blue | sapphire blue | true blue""",
    "green": """50*green | 4*emerald | 3*jade | 2*lime | lime-green | 2*olive | verdant | greenish | grass-green
        | forest-green | leaf-green | emerald-green | bright green | mint | moss-green | grassy | forest green
        | leafy | moss | mossy | pine | pine-green | fern | fern-green | sage | shamrock | chartreuse | pea-green
        | avocado | malachite | apple-green | viridian | olive-green | dark green | light green | clover-green
        | mint-green | minty | hunter green | jade-green | bottle-green | spring-green | kelly green | pistachio
        | basil-green | ivy | kiwi | lawn-green | jungle-green | deep green | pale green | neon green | green-ish
        | lime green | mint green""",
    "purple": """50*purple | 5*violet | 3*lavender | 3*plum | 2*lilac | 2*amethyst | 2*mauve | purplish | magenta
        | grape | deep purple | eggplant | orchid | royal purple | violet-ish | plum-coloured | aubergine | fuchsia
        | mulberry | heather | wisteria | grape-coloured | plum-purple | dark purple | light purple | bright purple
        | heliotrope | thistle | violet-colored | byzantium | tyrian purple | imperial purple | iris | pansy
        | lavender-purple | pale purple | purply | purple-ish | fig-coloured | blackcurrant | grape-purple
        | lilac-purple | amethyst-purple""",
    "cyan": """50*cyan | 5*turquoise | 4*teal | 4*aqua | 2*aquamarine | light cyan | bright cyan | light-blue
        | light blue | aqua-blue | tealish | sky-blue | sky blue | pale blue | baby blue | baby-blue | ice-blue
        | icy blue | seafoam | blue-green | blue-greenish | greenish-blue | robin's-egg-blue | turquoise-blue
        | cyan-blue | powder blue | lagoon | glacier-blue | arctic blue | caribbean blue | pool-blue | cyan-ish
        | cyanish | aqua-coloured | teal-blue | tiffany blue | celeste | bluish-green | turquoise-coloured
        | dark cyan | deep cyan | pale cyan""",
}
"""Colour words of each ball; the plain name carries about half of the weight."""

BALL_WORDS = {
    "noun": """44*ball | 10*sphere | 7*orb | 6*object | 4*item | 3*thing | 6*marble | 3*globe | 2*piece | 3*bead
        | bauble | round object | spherical object | round thing | toy | rubber ball | toy ball | round item
        | pellet | pearl | rounded object | body | round one | billiard ball | small ball | circular object | token
        | bubble | round piece | spherical thing | round body | pool ball | bowling ball | balloon | glass ball
        | snooker ball | wooden ball | plastic ball | thingy | guy | fellow | solid | shape | element | unit
        | planet | blob | dot | puck | gem | stone | one there | little ball | little sphere | big ball
        | game piece | target | lump | spheroid | roundish thing | bearing | ping pong ball | thingummy | gizmo
        | block | entity | specimen | [nonce]""",
    "adj": """little | small | round | big | shiny | bright | rubber | large | lonely | pretty | smooth | heavy
        | lovely | tiny | poor | beautiful | lucky | glossy | dear | old | famous | nice | glowing | cute | brave
        | stubborn | fancy | lone | only | same | noble | hard | perfect | clean | lazy | restless | sweet
        | precious | silly | [nonce]y""",
    "syl": """ba | bo | cla | da | dro | fi | flo | ga | gru | ha | jo | ki | kra | la | lo | mi | mo | na | ni
        | pla | po | qua | ri | ro | sa | sko | so | sti | ta | ti | tro | va | vi | wo | ya | zo | ble | fre | spe
        | shu""",
    "coda": """b | ck | d | ff | g | l | m | mp | n | nd | nk | p | r | sh | sk | st | t | th | x | zz | nt | rt
        | ng | ss | mble | ddle | ster""",
    "nonce": "[syl][coda] | 2*[syl][syl][coda] | [syl][syl]",
    "det": "20*the | 2*that | this | my | our | your | said",
    "np": """40*the {c} [noun] | 45*the {c} ball | 14*the {c} one | 60*{c} | 3*the {c} | 2*[det] {c} [noun]
        | 2*the [noun] that is {c} | the [noun] which is {c} | the [noun] that's {c} | 2*the [noun] in {c}
        | the [noun] of {c} color | the [noun] with {c} color | the {c}-colored [noun] | 2*the {c} colored [noun]
        | the {c}-coloured [noun] | the {c}-hued [noun] | the [noun] colored {c} | the [noun] painted {c}
        | the [noun] that looks {c} | the [noun] whose color is {c} | 2*the [adj] {c} [noun] | 2*{c} ball
        | {c} [noun] | the [noun] with the {c} color | the [noun] marked {c} | the {c} fellow | the {c} buddy
        | the [noun] dyed {c} | the [noun] of {c} colour | the [noun] that has a {c} color | the [noun] called {c}
        | the [noun] wearing {c} | the one in {c} | the one that is {c} | the one that's {c} | the one colored {c}
        | the {c} guy | the [noun] with {c} paint | the [noun] with a {c} hue | the {c} coloured [noun]
        | the {c}-tinted [noun] | the {c}-toned [noun] | the {c} painted [noun] | our {c} friend
        | the ball known as {c} | the thing that is {c} | the {c}, [adj] [noun] | the [noun] we call {c}
        | the [noun], the {c} one, | the [noun] (the {c} one) | the ball of color {c} | mister {c} | lady {c}
        | the [adj] [noun] in {c} | the [adj] [noun] that is {c} | that [adj] {c} [noun] | the {c} thing
        | the {c} piece""",
    "poss": """8*the {c} [noun]'s | 9*{c}'s | 3*the {c} one's | 5*the {c} ball's | that {c} [noun]'s
        | the [adj] {c} [noun]'s | the {c} thing's | {c} ball's""",
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
        | reposition repositioned repositioning | thrust thrust thrusting | leave left leaving
        | press pressed pressing | prod prodded prodding | poke poked poking | sweep swept sweeping
        | whisk whisked whisking | tow towed towing | maneuver maneuvered maneuvering | stick stuck sticking
        | tuck tucked tucking | march marched marching | coax coaxed coaxing | urge urged urging
        | force forced forcing | navigate navigated navigating | escort escorted escorting
        | trundle trundled trundling | jostle jostled jostling | bump bumped bumping | tap tapped tapping
        | kick kicked kicking | knock knocked knocking | haul hauled hauling | channel channeled channeling
        | conduct conducted conducting | rearrange rearranged rearranging | adjust adjusted adjusting
        | locate located locating | install installed installing | launch launched launching
        | wheel wheeled wheeling | lead led leading | pilot piloted piloting | settle settled settling
        | plant planted planting | swing swung swinging | toss tossed tossing | throw threw,thrown throwing
        | 2*displace displaced displacing | budge budged budging | spin spun spinning | flick flicked flicking
        | boost boosted boosting | work worked working | pop popped popping | plonk plonked plonking
        | 2*stow stowed stowing | drop dropped dropping | edge edged edging | inch inched inching
        | shuffle shuffled shuffling | slip slipped slipping | walk walked walking | seat seated seating
        | rest rested resting | retire retired retiring | rush rushed rushing | hurry hurried hurrying
        | ferry ferried ferrying | shepherd shepherded shepherding | haste hasted hasting | fetch fetched fetching
        | pass passed passing | hand handed handing | land landed landing | dump dumped dumping
        | stash stashed stashing | hide hid,hidden hiding | perch perched perching | pitch pitched pitching
        | plop plopped plopping | point pointed pointing | wedge wedged wedging | squeeze squeezed squeezing
        | fit fitted fitting | chase chased chasing | bounce bounced bouncing | swish swished swishing
        | shunt shunted shunting | tip tipped tipping | hustle hustled hustling | trail trailed trailing
        | drift drifted drifting | float floated floating | glide glided gliding | skid skidded skidding
        | spirit spirited spiriting | heave heaved heaving | hoist hoisted hoisting | lug lugged lugging
        | nurse nursed nursing | joggle joggled joggling | bat batted batting | brush brushed brushing
        | punt punted punting | run ran,run running | strike struck striking | hit hit hitting | pat patted patting
        | draw drew,drawn drawing | lift lifted lifting | leave left leaving | switch switched switching
        | turn turned turning | zoom zoomed zooming | 2*[nonce] [nonce]ed [nonce]ing | find found finding
        | host hosted hosting | anchor anchored anchoring | mount mounted mounting | realign realigned realigning
        | sneak sneaked sneaking | teleport teleported teleporting | slot slotted slotting"""
"""Base, past (and participle, where it differs) and -ing form of verbs that move a ball somewhere."""

VERB_WORDS = {
    "by": "6*~ | by the robot | by you | by the arm | by someone | by the gripper | by a push | by me | by my friend",
    "keepv": "6*keep | 2*hold | 2*leave | maintain | have | retain | get | preserve",
    "keepger": "4*keeping | holding | leaving | having | maintaining",
    "is": """10*is | 3*sits | 3*rests | 3*lies | 2*stands | 2*stays | 2*remains | 3*ends up | winds up | lands
        | 3*is located | 2*is placed | 2*is positioned | 2*is situated | is found | is sitting | is resting
        | settles | comes to rest | gets placed | is kept | takes its place | finishes | is set | is parked | stops
        | is lying | is standing | is staying | appears | stands still""",
    "be": """10*be | 3*sit | 3*rest | 2*lie | 2*stand | 3*stay | 2*remain | 3*end up | wind up | land
        | 2*be located | 2*be placed | be positioned | be situated | be found | settle | come to rest | finish
        | be moved | be set | be put | go | stop | appear""",
    "were": """5*were | 4*was | sat | stood | lay | ended up | rested | could be | could sit | would be
        | was placed | was located | would stay""",
    "being": """5*being | sitting | resting | lying | standing | staying | being located | being placed | remaining
        | hanging out""",
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
        | firmly | kindly | simply | 2*just | now | gradually | directly | cautiously | delicately | promptly
        | precisely | quietly | neatly | immediately | deliberately | rapidly | patiently | properly | calmly
        | briskly | tenderly | hastily | casually | accurately | safely | warily | boldly | bravely | cheerfully
        | cleanly | cleverly | confidently | discreetly | easily | effortlessly | elegantly | energetically
        | exactly | fluidly | forcefully | gingerly | gracefully | happily | lazily | loosely | lovingly | merely
        | mindfully | nicely | nimbly | politely | powerfully | quick | readily | silently | skillfully
        | sluggishly | speedily | straightforwardly | stealthily | strongly | subtly | suddenly | surely
        | tactfully | thoroughly | tidily | unhurriedly | very gently | very slowly | very carefully
        | ever so gently | ever so slightly | quite slowly | as gently as possible | perhaps | only | finally
        | first | next | then | straightaway | kind of | somehow | 2*[nonce]ly | slowly but surely
        | quickly and gently | carefully and slowly | once more | again | without delay | with care""",
    "ma": """3*gently | 2*slowly | 2*carefully | softly | quickly | smoothly | lightly | a bit | a little
        | with care | bit by bit | in one go | with a gentle nudge | with a soft push | with some force
        | as fast as possible | at a slow pace | without rushing | with great caution | in a smooth motion
        | with precision | little by little | with ease | without delay | in a hurry | step by step | right away
        | at once | somehow | with a firm push | in a controlled way | with your arm | along the table | swiftly
        | steadily | firmly | promptly | calmly | neatly | nicely | 4*with [adjm] [nounm] | 2*with [nounm]
        | in a [adjm] manner | in a [adjm] way | in a [adjm] fashion | without any [nounm]
        | by means of a [adjm] push | by a [adjm] shove | [nonce]ly | at a [adjm] pace | for a while | around
        | along | across | across the table | over | over the table | inch by inch | now | again | again please
        | today | with one push | with two fingers | with your hand | using the gripper | in several pushes
        | as best you can | in no time""",
    "adjm": """great | utmost | gentle | little | some | extreme | much | enough | slow | steady | light | soft
        | firm | swift | calm | careful | smooth | single | quick | delicate | precise | cautious | relaxed
        | leisurely | brisk | controlled | deliberate | tender""",
    "nounm": """care | caution | precision | patience | force | speed | haste | ease | grace | attention | accuracy
        | pressure | effort | love | skill | joy | gentleness | energy | vigor | tenderness | confidence | dignity
        | determination | style""",
}
"""Manners before the verb and after the object."""

_SIDEWAYS = """2*right next to [B] on the {s} | right next to [B], on its {s} side | right beside [B] on the {s}
        | to the immediate {s} of [B] | on the immediate {s} of [B] | to the direct {s} of [B]
        | on the very {s} of [B] | to the exact {s} of [B] | directly {s} of [B] | back on the {s} of [B]
        | back to the {s} of [B] | 12*to the {s} of [B] | 6*on the {s} of [B] | 8*{s} of [B]
        | 5*on the {s} side of [B] | 4*to the {s} side of [B] | 2*at the {s} of [B] | 2*at the {s} side of [B]
        | 3*on the {s}-hand side of [B] | 2*to the {s}-hand side of [B] | 2*on the {s} hand side of [B]
        | on the {s} flank of [B] | at the {s} flank of [B] | 4*on [Bs] {s} | 4*on [Bs] {s} side | 3*to [Bs] {s}
        | 2*to [Bs] {s} side | 2*at [Bs] {s} | by [Bs] {s} side | 2*on [Bs] {s}-hand side | on [Bs] {s} flank
        | 2*at [Bs] {s} side | beside [B] on the {s} | next to [B] on the {s} | next to [B], on its {s} side
        | adjacent to [B] on the {s} side | just {s} of [B] | immediately {s} of [B] | 2*directly to the {s} of [B]
        | slightly to the {s} of [B] | somewhere {s} of [B] | a bit to the {s} of [B] | close to [B] on its {s}
        | near [Bs] {s} side | 2*{w} of [B] | to the {w} of [B] | on the {w} side of [B] | {w}ward of [B]
        | on the {w}ern side of [B] | 3*on the {p} side of [B] | to {p} of [B] | to [Bs] {p} side | {s}ward of [B]
        | {s}wards of [B] | on the {s} edge of [B] | at the {s} hand of [B] | along the {s} side of [B]
        | by the {s} side of [B] | in the space {s} of [B] | in the spot {s} of [B] | in the area to the {s} of [B]
        | in the region {s} of [B] | at {n} o'clock from [B] | farther {s} than [B] | more to the {s} than [B]
        | further to the {s} than [B] | on the {s} part of [B] | 2*with [B] on its {o} | with [B] to its {o}
        | with [B] at its {o} side | in a position {s} of [B] | in a place {s} of [B] | at a point {s} of [B]
        | in the {s} direction of [B] | alongside [B] on the {s}-hand side | precisely at the {s} of [B]
        | on the side {s} of [B] | at the spot to the {s} of [B] | neighboring [B] on the {s} | exactly {s} of [B]
        | on {s} of [B] | 2*at [Bs] {s} hand | on [Bs] {s} hand | at the {s} hand side of [B]
        | on [Bs] {s} hand side | to [Bs] {s}-hand side | to [Bs] {s} hand | on the {s} hand of [B]
        | to the {s} hand of [B] | 3*just to the {s} of [B] | 2*due {w} of [B] | 2*on [Bs] {w} side
        | on [Bs] {w}ern side | at the {w}ern side of [B] | to [Bs] {w} | {w}wards of [B] | {w} from [B]
        | on the {w} of [B] | at [Bs] {k} o'clock | at {n} o'clock from [B] | at {n} o'clock of [B]
        | at {k} o'clock relative to [B] | at the {k} o'clock position of [B] | in the {n} o'clock direction of [B]
        | at the {n} o'clock side of [B] | on [Bs] {p} side | to {p} of [B] | off [Bs] {p} side
        | on the {p} hand of [B] | to the {s} of [B] from [view0] point of view | to the {s} of [B] as i see it
        | {s} of [B] from where i stand | {s} of [B] as seen by [view] | on the {s} of [B] as seen from the camera
        | on [view0] {s} of [B] | on the {s} side of [B] for [view] | on the side of [B] toward my {s} hand
        | on the side of [B] near my {s} hand | closer to my {s} hand than [B] | on [view0] {s} side of [B]
        | nearer to the {s} edge than [B] | closer to the {s} wall than [B] | toward the {s} edge from [B]
        | on the side that is {s} of [B] | at the place {s} of [B] | next to [B], to the {s}
        | next to [B], on the {s} | beside [B], {s} side | beside [B] to its {s} | close by [B] on its {s} side
        | adjacent to [B], on the {s} | off to the {s} of [B] | over to the {s} of [B] | over on the {s} of [B]
        | over on [Bs] {s} | up against [Bs] {s} side | at [Bs] {s} flank | onto the {s} side of [B]
        | onto [Bs] {s} | onto [Bs] {s} side | round to the {s} of [B] | around to [Bs] {s} | up to [Bs] {s} side
        | immediately to the {s} of [B] | near [B], {s} side | in [Bs] {s} neighborhood
        | as the {s} neighbor of [B] | as [Bs] {s}-hand neighbor | until [B] is on its {o}
        | until [B] is to its {o} | so that [B] is on its {o} | so [B] is at its {o} | with [B] on the {o} of it
        | having [B] on its {o}"""

RELATIONS = {
    "left": _SIDEWAYS.format(s="left", o="right", w="west", p="port", n="nine", k="9"),
    "right": _SIDEWAYS.format(s="right", o="left", w="east", p="starboard", n="three", k="3"),
    "behind": """22*behind [B] | right at the back of [B] | right back of [B] | 4*at the back of [B]
        | 4*in back of [B] | 4*to the rear of [B] | 3*at the rear of [B] | 3*to the back of [B]
        | 2*on the back side of [B] | 2*on the far side of [B] | at the backside of [B] | on the rear side of [B]
        | in the rear of [B] | 2*beyond [B] | past [B] on the far side | further back than [B]
        | farther away than [B] | farther from the viewer than [B] | farther from me than [B]
        | deeper in the scene than [B] | 3*at [Bs] back | 3*at [Bs] rear | 2*behind [Bs] back | to [Bs] rear
        | on [Bs] back side | on [Bs] far side | at [Bs] back side | on [Bs] rear side | to [Bs] back
        | in [Bs] rear | 2*north of [B] | to the north of [B] | on the north side of [B] | 2*after [B]
        | following [B] | trailing [B] | aft of [B] | astern of [B] | at the tail of [B] | in the shadow of [B]
        | just behind [B] | right behind [B] | directly behind [B] | somewhere behind [B] | a bit behind [B]
        | immediately behind [B] | close behind [B] | in the space behind [B] | in the area behind [B]
        | in the spot behind [B] | at the position behind [B] | at the far end of [B] | with [B] in front of it
        | with [B] in front | hidden behind [B] | in behind [B] | rearward of [B] | posterior to [B]
        | backward of [B] | on the other side of [B], at its back | next to [B] on the back side
        | on the opposite side of [B] from the viewer | up from [B], away from the viewer
        | in a position behind [B] | in the wake of [B] | at the hind side of [B] | to the hind of [B]
        | in the back of [B] | in the background of [B] | exactly behind [B] | on the rear of [B]
        | at twelve o'clock from [B] | with [B] before it | at [Bs] twelve o'clock | at 12 o'clock of [B]
        | at [Bs] 12 o'clock | at the 12 o'clock position of [B] | due north of [B] | on [Bs] north side
        | at the northern side of [B] | to [Bs] north | northward of [B] | north from [B]
        | on the side of [B] away from [view] | on the side of [B] farthest from [view]
        | on the side of [B] that faces away from [view] | farther from [view] than [B]
        | 2*further from [view] than [B] | 2*further away from [view] than [B] | further away than [B]
        | farther back than [B] | 2*further back than [B] | on the far side of [B] from [view]
        | on the far side of [B] as seen by [view] | with [B] between it and [view]
        | where [B] hides it from [view] | hidden from [view] by [B] | so that [B] hides it
        | out of sight behind [B] | so [B] blocks it from [view] | on the other side of [B], away from [view]
        | on the other side of [B] from [view] | beyond [B] as seen by [view] | beyond [B], as i see it
        | past [B], away from [view] | further up the table than [B] | up the table from [B] | deeper than [B]
        | closer to the back wall than [B] | nearer to the far edge than [B]
        | closer to the far end of the table than [B] | onto the far side of [B] | onto the back of [B]
        | round to the back of [B] | around the back of [B] | round behind [B] | around behind [B]
        | over behind [B] | over to the back of [B] | back behind [B] | at [Bs] tail | on [Bs] tail
        | on the back of [B] | at the rear end of [B] | at the rear side of [B] | off behind [B]
        | in the second row, behind [B] | until it is hidden by [B] | until [B] is in front of it
        | so that [B] is in front of it | so [B] is before it | having [B] in front of it | at [Bs] backside
        | on [Bs] backside | rearwards of [B] | backwards from [B] | in line behind [B] | close to [B] at the back
        | next to [B], behind it | near [B], at its back | as the one behind [B] | at a place behind [B]""",
    "front": """22*in front of [B] | back in front of [B] | right ahead of [B] | right at the front of [B]
        | 4*at the front of [B] | 4*to the front of [B] | 3*before [B] | 3*ahead of [B]
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
        | anterior to [B] | next to [B] on the front side | between [B] and the viewer | in a position ahead of [B]
        | in a place in front of [B] | in the foreground of [B] | fore of [B] | on the front of [B]
        | at the head of [B] | exactly in front of [B] | front of [B] | down from [B], toward the viewer
        | in the front of [B] | with [B] to its rear | frontward of [B] | at six o'clock from [B]
        | at the near end of [B] | on the frontal side of [B] | at [Bs] six o'clock | at 6 o'clock of [B]
        | at [Bs] 6 o'clock | at the 6 o'clock position of [B] | due south of [B] | on [Bs] south side
        | at the southern side of [B] | to [Bs] south | southward of [B] | south from [B]
        | on the side of [B] facing [view] | on the side of [B] toward [view]
        | on the side of [B] closest to [view] | on the side of [B] nearest [view] | 2*closer to [view] than [B]
        | 2*nearer to [view] than [B] | nearer [view] than [B] | less far away than [B] | on my side of [B]
        | on our side of [B] | on the viewer's side of [B] | on the camera's side of [B] | on this side of [B]
        | between [B] and [view] | between [view] and [B] | so that it hides [B] | where it hides [B] from [view]
        | so it blocks [view0] view of [B] | with [B] farther from [view] | with [B] beyond it
        | down the table from [B] | further down the table than [B] | closer to the near edge than [B]
        | nearer to the front edge than [B] | closer to the front of the table than [B] | onto the front of [B]
        | round to the front of [B] | around to the front of [B] | over in front of [B] | over to the front of [B]
        | out in front of [B] | up in front of [B] | at the fore of [B] | onto the near side of [B]
        | on the front end of [B] | at [Bs] fore | on [Bs] front | until [B] is behind it
        | so that [B] is behind it | so [B] is at its back | having [B] behind it | forwards of [B]
        | in line ahead of [B] | close to [B] at the front | next to [B], in front of it | near [B], at its front
        | as the one in front of [B] | at a place in front of [B] | ahead of [B], closer to [view]
        | before [B], toward [view] | in the first row, in front of [B] | further forward than [B], toward [view]""",
}
"""Where a ball is with respect to [B]: fits "is ..." and "push it ...". Behind is +y, away from the viewer."""

VIEW_WORDS = {
    "view": """5*me | 4*you | us | 3*the viewer | 2*the camera | the observer | the onlooker | the spectator
        | the reader""",
    "view0": "4*my | 2*your | the viewer's | the camera's | our | the observer's",
}
"""Who looks at the table, from its front."""

DESTINATIONS = """3*over to the [SIDE] of [B] | 2*towards the [SIDE] of [B] | toward the [SIDE] of [B]
        | to a spot [REL] | to a place [REL] | to the position [REL] | round to the [SIDE] of [B]
        | into the space [REL] | over to [Bs] [SIDE] | to [Bs] [SIDE] | so that it is [REL] | so it ends up [REL]
        | until it is [REL] | such that it sits [REL] | and leave it [REL] | to where it is [REL]
        | to the area [REL] | onto the [SIDE] of [B] | so that [B] is [OPPIT] | to a location [REL]
        | until it lies [REL] | so it comes to rest [REL] | so that it stays [REL] | next to [B], [RELIT]
        | near [B], [RELIT] | up to the [SIDE] of [B] | over so that it is [REL] | over so it's [REL]
        | so it's [REL] | so that it's [REL] | until it's [REL] | across until it is [REL]
        | along until it rests [REL] | along so that it ends [REL] | to rest [REL] | into position [REL]
        | into place [REL] | round to [Bs] [SIDE] | around to [Bs] [SIDE] | across to [Bs] [SIDE]
        | until [B] is [OPPIT] | so [B] ends up [OPPIT] | so that it finishes [REL] | over so it finishes [REL]
        | to a new home [REL] | to its new place [REL] | to sit [REL] | to stand [REL] | back to its place [REL]
        | to be [REL] | and park it [REL] | and stop [REL] | to the point [REL] | down [REL] | over [REL]"""
"""Where a ball is moved to, beyond `RELATIONS`."""

PRONOUN_RELATIONS = {
    "left": """3*to its left | 4*on its left | 2*on its left side | at its left | left of it | to the left of it
        | on its left-hand side | to the left hand of it | over on its left | 2*at its left side | just to its left
        | to its left side | on the left of it | 2*left | 2*on the left | 2*to the left | on the left side
        | on the left-hand side""",
    "right": """3*to its right | 4*on its right | 2*on its right side | at its right | right of it
        | to the right of it | on its right-hand side | to the right hand of it | over on its right
        | 2*at its right side | just to its right | to its right side | on the right of it | 2*right
        | 2*on the right | 2*to the right | on the right side | on the right-hand side""",
    "behind": """5*behind it | 2*at its back | at its rear | to its rear | on its back side | in back of it
        | to the back of it | 2*behind | at the back | to the rear | on the far side | beyond it | behind its back
        | right behind it | on its far side | farther back | at the rear of it | just behind it | in the back""",
    "front": """5*in front of it | before it | at its front | to its front | on its front side | 2*ahead of it
        | at the front of it | 2*in front | at the front | to the front | on the near side | just ahead of it
        | right in front of it | on its near side | nearer to me | closer to me than it | just in front of it
        | ahead""",
}
"""Where something is with respect to the ball just named."""

SIDES = {
    "left": "6*left | 3*left side | 2*left-hand side | left flank | left hand side | left hand | left edge | west side",
    "right": """6*right | 3*right side | 2*right-hand side | right flank | right hand side | right hand
        | right edge | east side""",
    "behind": "5*back | 4*rear | 3*back side | rear side | 2*far side | backside | north side | tail end",
    "front": "6*front | 3*front side | 2*near side | front end | south side",
}
"""The side of a ball as a noun."""

_MOVE_SIDEWAYS = """6*{s} | 8*to the {s} | 4*{s}ward | 5*{s}wards | 3*towards the {s} | 2*toward the {s}
        | 3*to the {s} side | 2*over to the {s} | 2*to the {s}-hand side | in the {s} direction
        | in the {s}ward direction | in a {s}ward direction | to {p} | 2*to the {p} side | {w} | 2*{w}ward
        | {w}wards | to the {w} | toward the {w} | toward the {s} edge | toward the {s} wall | 2*to its {s}
        | 2*further {s} | more to the {s} | a bit {s} | a bit to the {s} | a step {s} | one step to the {s}
        | 2*slightly to the {s} | off to the {s} | to your {s} | to my {s} | towards the {s}-hand side
        | to the {s} hand side | along the {s} direction | some distance to the {s} | straight {s}
        | a little {s}wards | sideways to the {s} | a small step to the {s} | to the {s} a little | {s}wards a bit
        | toward the {s} end of the table | in direction {s} | to the {w}ern side | towards {p} | out to the {s}
        | further to the {s} side | a tad {s} | a tad to the {s} | {s} a tad | {s} a bit | {s} please | {w} a bit
        | due {w} | in the {w} direction | toward my {s} hand | to my {s}-hand side | to my {s} hand
        | toward your {s} hand | to the {s}-hand edge | over to the {s} a bit | over to the {s} side | more {s}
        | to {s} | on the {s} | on to the {s} | away to the {s} | far to the {s} | all the way {s}
        | an inch to the {s} | by one step to the {s} | in a {s}ward motion | toward {n} o'clock | to {n} o'clock
        | in the {n} o'clock direction | toward the {w} | {s} along the table | {s} across the table | somewhat {s}
        | somewhat to the {s} | slightly {s} | a smidge {s} | a touch to the {s} | a few inches {s}
        | a hair to the {s} | toward the {s} side | over {s} | along to the {s} | toward the {s}most end | {s}hand
        | {s} so that there is space | as far {s} as you like"""

MOVES = {
    "left": _MOVE_SIDEWAYS.format(s="left", w="west", p="port", n="nine"),
    "right": _MOVE_SIDEWAYS.format(s="right", w="east", p="starboard", n="three"),
    "behind": """upward | upwards | 2*to the top of the picture | up | 5*backward | 6*backwards | 4*back
        | 3*rearward | 3*rearwards | 4*to the rear | 5*to the back | 3*toward the back | 2*towards the rear
        | 4*away from you | 3*away from me | 2*away from the viewer | away from the camera | farther away
        | further away | 3*further back | 2*north | northward | northwards | deeper into the scene
        | into the background | astern | aft | in reverse | 2*behind | in the backward direction
        | in the rear direction | toward the far side | to the far end | toward the back wall | a step back
        | one step backward | a step backwards | slightly back | a bit to the rear | to the back side
        | to the rear side | to behind | off to the back | toward the far edge | to the far side of the table
        | towards the background | straight back | more to the back | away from where you stand
        | a little backwards | away from us | out to the back | away from the front | to the hind side
        | in direction back | farther from me | further from you | farther off | to the north
        | 2*further from [view] | 2*away from [view] | farther from [view] | back a bit | back a tad | a bit back
        | back, away from [view] | back to the wall | to the back of the table | to the far edge
        | toward the far edge of the table | toward the far end | to the distance | into the distance
        | up the table | off into the distance | a tad backwards | all the way back | due north
        | toward twelve o'clock | to the twelve o'clock side | more backward | farther back | a little further off
        | further off | in the direction away from [view] | backwards along the table | toward the horizon
        | an inch back | out of the way, to the back | to where it is farther from [view] | toward the rear wall
        | deeper into the table | rearward a bit | towards the back | over to the back""",
    "front": """downward | downwards | 2*to the bottom of the picture | down | 6*forward | 5*forwards | 4*ahead
        | 5*to the front | 3*toward the front | 2*towards the front | 3*toward you | 3*towards you | 3*toward me
        | 2*towards the viewer | toward the camera | 2*closer | nearer | 3*closer to you | 3*closer to me
        | closer to the viewer | nearer to me | 2*south | southward | southwards | 2*frontward | 2*frontwards
        | in the forward direction | to the near side | toward the near edge | into the foreground | onward
        | onwards | to the fore | one step ahead | a step forward | straight ahead | up front
        | in the front direction | a bit forward | slightly ahead | further forward | further ahead
        | to the front side | out to the front | toward the front wall | more to the front
        | to the near end of the table | a small step forward | towards the foreground | towards us
        | away from the back | a little forwards | in direction front | to my side of the table | up to the front
        | straight forward | some distance ahead | to the south | in front | 2*closer to [view] | nearer to [view]
        | 2*toward [view] | 2*towards [view] | nearer [view] | forward a bit | forward a tad | a bit closer
        | a little nearer | this way | this way, closer to me | over here, to the front | over here, toward me
        | to [view0] side of the table | down the table | due south | toward six o'clock | to the six o'clock side
        | to the front edge | toward the front edge of the table | toward the near end | forward, toward [view]
        | to where it is nearer to [view] | in the direction of [view] | an inch forward | all the way forward
        | to the front of the table | closer, toward me | near to me | to me | out front | more forward
        | over to the front | toward the front side | a tad forwards""",
}
"""The direction of a single move. Behind is away from the viewer, front (forward, ahead) is toward the viewer."""

TOO_FAR = {
    "left": """3*too far to the left | 2*too far left | too much to the left | way too far left | too far west
        | too close to the left edge | much too far left | too far over to the left | a bit too far left | too left
        | too close to the left wall | too near the left side | too far off to the left | so far left
        | too much on the left side""",
    "right": """3*too far to the right | 2*too far right | too much to the right | way too far right | too far east
        | too close to the right edge | much too far right | too far over to the right | a bit too far right
        | too right | too close to the right wall | too near the right side | too far off to the right
        | so far right | too much on the right side""",
    "behind": """3*too far back | too far away | too far from me | too far to the rear | too far from the viewer
        | too close to the back wall | too far from you | too far from [view] | too distant | too far off
        | way too far back | too deep in the scene | much too far away | too close to the far edge | too far behind
        | so far away from me | too remote | hard to reach | too far from us""",
    "front": """3*too far forward | 2*too close to me | too near the viewer | too close to the front edge
        | too far to the front | too close to you | too near to me | too close to [view] | too near [view]
        | way too close | too close for comfort | too close | much too near | too far ahead
        | too close to the near edge | too far in front | right under my nose | in my face""",
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
    "left": """be the left-hand companion of [B] | keep [B] company on the left | sit at the left hand of [B]
        | flank [B] on the left | guard the left side of [B] | be [Bs] left neighbor | take the left side of [B]
        | join [B] on the left""",
    "right": """be the right-hand companion of [B] | keep [B] company on the right | sit at the right hand of [B]
        | flank [B] on the right | guard the right side of [B] | be [Bs] right neighbor
        | take the right side of [B] | join [B] on the right""",
    "behind": """take cover behind [B] | shelter behind [B] | chase [B] | tail [B] | be hidden by [B]
        | be blocked from view by [B] | line up behind [B] | queue behind [B] | sneak behind [B]
        | be covered by [B] | stand in the shade of [B] | stay beyond [B] | be out of sight behind [B] | follow [B]
        | hide behind [B] | trail [B] | back up behind [B] | be shielded from me by [B] | retreat behind [B]
        | stay back of [B]""",
    "front": """hide [B] from [view] | cover [B] from [view] | conceal [B] from [view] | block the view of [B]
        | obscure [B] | stand before [B] | guard the front of [B] | be the first one [view] sees, before [B]
        | go ahead of [B] | stay between [B] and [view] | precede [B] | lead [B] | block my view of [B]
        | be nearer to me than [B] | shield [B] from me | advance in front of [B] | head [B]""",
}
"""Verbs that put their subject to a side of [B]."""

ORDERS = {
    "left": """from left to right: [A], [B] | from left to right, first [A] and then [B]
        | left to right: [A] then [B] | [A] then [B], from left to right
        | [A] comes first and [B] second, going from left to right | reading from the left, [A] and next [B]
        | [A], and to the right of it [B] | [A] left, [B] right""",
    "right": """from right to left: [A], [B] | from right to left, first [A] and then [B]
        | right to left: [A] then [B] | [A] then [B], from right to left
        | [A] comes first and [B] second, going from right to left | reading from the right, [A] and next [B]
        | [A], and to the left of it [B] | [A] right, [B] left""",
    "behind": """from back to front: [A], [B] | from back to front, first [A] and then [B]
        | [A] then [B], from back to front | [B] nearer to [view], [A] farther | [A], and in front of it [B]
        | [A] at the back, [B] at the front | [A] is far, [B] is near | [B] hides [A] from [view]
        | [B] is closer to [view] than [A]""",
    "front": """from front to back: [A], [B] | from front to back, first [A] and then [B]
        | [A] then [B], from front to back | [A] nearer to [view], [B] farther | [A], and behind it [B]
        | [A] at the front, [B] at the back | [A] is near, [B] is far | [A] hides [B] from [view]
        | [B] is farther from [view] than [A]""",
}
"""Orders of two balls in a direction."""

AMOUNTS = """a bit | a little | an inch | two inches | a foot | one step | two steps | a few centimeters | 10 cm
        | a meter | one unit | half a step | a hand's width | a finger's width | some distance | one ball width
        | a small amount | a tiny bit | a notch | a couple of inches | twenty centimeters | a short way
        | a long way | one push | a ball's width"""
"""How far a ball goes, which no goal depends on."""
