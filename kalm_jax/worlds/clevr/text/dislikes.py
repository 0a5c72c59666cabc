"""Complaints: what is disliked, forbidden or denied is one side, what is wanted is the opposite one.

Notation as in `words.py`. As with wishes, a core says what is unwanted in one of several grammatical
styles, and a frame of the same style complains about it; `[OPP]` is the unwanted side, `[REL]` the wanted one. A
remedy (`[fix]`) may follow.
"""

from __future__ import annotations

UNWANTED_RELATIONS = {
    "clause": """9*[A] [is] [OPP] | 2*[A] is [OPP] | [B] has [A] [OPPIT] | 2*[A] is [vd] [OPP] | [A] [goes] [OPP]
        | [A] was [vd] [OPP] | [A] has been [vd] [OPP] | [A] is now [OPP] | [A] is still [OPP] | [A] is stuck [OPP]
        | someone [vp] [A] [OPP] | you [vp] [A] [OPP] | they [vp] [A] [OPP] | [A] got [vd] [OPP]
        | [A] has to [be] [OPP] | [A] should [be] [OPP] | [A] is [hang] [OPP] | 2*[B] has [A] [OPPIT]
        | [A] ended up [OPP] | [A] keeps [hang] [OPP] | there is [A] [OPP]""",
    "ger": """8*[A] [being] [OPP] | 5*[A] [OPP] | 4*[A] [hang] [OPP] | 2*having [A] [OPP] | 2*seeing [A] [OPP]
        | [B] having [A] [OPPIT] | the sight of [A] [OPP] | [vg] [A] [OPP] | [A] being [vd] [OPP] | [A] [vd] [OPP]
        | [B] with [A] [OPPIT] | [A] placed [OPP] | [A] going [OPP] | the place of [A] [OPP] | keeping [A] [OPP]
        | finding [A] [OPP] | looking at [A] [OPP] | the way [A] [is] [OPP] | the idea of [A] [OPP]
        | letting [A] [be] [OPP] | [As] place [OPP] | [As] position [OPP] | [As] spot [OPP]
        | the position of [A] [OPP]""",
    "inf": """8*[A] to [be] [OPP] | 2*[A] to be [vd] [OPP] | [A] to [go] [OPP] | [B] to have [A] [OPPIT]
        | [A] to stay [OPP] | [A] to be seen [OPP] | [A] to be [hang] [OPP]""",
    "base": "8*[A] [be] [OPP] | 2*[A] [go] [OPP] | [B] have [A] [OPPIT] | [A] get [vd] [OPP] | [A] stay [OPP]",
    "imp": """8*[v] [A] [OPP] | 4*[keepv] [A] [OPP] | 2*let [A] [be] [OPP] | [mb] [v] [A] [OPP] | have [A] [OPP]
        | get [A] [OPP] | make [A] [be] [OPP] | allow [A] to [be] [OPP] | give [B] [A] [OPPIT]""",
    "subj": "8*[A] [were] [OPP] | 2*[A] [went] [OPP] | [B] had [A] [OPPIT] | you [vp] [A] [OPP] | [A] stayed [OPP]",
}
"""What is not wanted of a relation."""

UNWANTED_MOVES = {
    "clause": """4*[A] [goes] [OMV] | 2*[A] is [going] [OMV] | [A] is [vd] [OMV] | 5*[A] is [TOO]
        | 2*[A] sits [TOO] | you [vp] [A] [OMV] | [A] was [vd] [OMV] | [A] stands [TOO] | [A] is so far [POSIDE]""",
    "ger": """4*[A] [going] [OMV] | [A] being [vd] [OMV] | [vg] [A] [OMV] | 3*[A] being [TOO] | [A] [TOO]
        | seeing [A] [go] [OMV] | [A] being so far [POSIDE] | seeing [A] [TOO]""",
    "inf": "4*[A] to [go] [OMV] | [A] to be [vd] [OMV] | [A] to be [TOO]",
    "base": "4*[A] [go] [OMV] | [A] be [vd] [OMV] | [A] get [TOO]",
    "imp": "5*[v] [A] [OMV] | let [A] [go] [OMV] | make [A] [go] [OMV] | have [A] [go] [OMV]",
    "subj": "4*[A] [went] [OMV] | you [vp] [A] [OMV] | [A] were [TOO]",
}
"""What is not wanted of a single move."""

COMPLAINTS = {
    "clause": """10*[hate] that [core] | 4*[hate] it when [core] | [hate] the fact that [core]
        | 4*[bad] that [core] | 4*it's [wrong] that [core] | 2*it is [wrong] that [core]
        | 2*how [wrong] that [core] | 2*i find it [wrong] that [core] | we find it [wrong] that [core]
        | it seems [wrong] that [core] | 2*[who] [hates] that [core] | 2*[who] [hates] it when [core]
        | 2*[core], which [badly] | 2*[core] and [itbadly] | 2*[core], [itbadly] | [core]. [itbadly]
        | [core]; [itbadly] | it can't be that [core] | the problem is that [core] | the trouble is that [core]
        | what [annoys] me is that [core] | what i [nolike] is that [core] | my complaint is that [core]
        | i complain that [core] | it [annoys] me that [core] | it [annoys] me when [core]
        | it [annoys] [who] that [core] | i'm [mad] that [core] | 2*i am [mad] that [core]
        | i'm [mad] because [core] | i get [mad] when [core] | [who] is [mad] that [core]
        | it makes me [mad] that [core] | it makes me [mad] when [core] | unfortunately [core] | sadly, [core]
        | too bad [core] | too bad that [core] | i can't accept that [core] | i won't accept that [core]
        | i will not tolerate that [core] | it's not acceptable that [core] | it is unacceptable that [core]
        | i refuse to accept that [core] | it must not be that [core] | it's a pity that [core]
        | it's a shame that [core] | what a shame that [core] | what a pity that [core] | such a pity [core]
        | by mistake [core] | it's a mistake that [core] | it is not right that [core] | it's not ok that [core]
        | nobody wants that [core] | i hope it is not true that [core] | it's about time to change that [core]
        | why is it that [core] ? | who decided that [core] ? | who said that [core] ?
        | it should not be the case that [core] | it's no good that [core] | it's no good when [core]
        | i don't like that [core] | i do not like it when [core] | i can't believe that [core]
        | i am not ok with how [core] | make sure it's not the case that [core]
        | i don't think it's good that [core] | i don't think it's right that [core]
        | it doesn't please me that [core] | it isn't nice that [core] | i never asked that [core]
        | i never said that [core] | it hurts that [core] | it hurts my eyes that [core]
        | it ruins the picture that [core] | it spoils the view that [core] | things are bad as long as [core]
        | i won't be happy while [core] | i can't rest while [core] | don't leave it so that [core]
        | i am bothered that [core] | [core]? [ugh] | [core]! [ugh] | [core], [ugh]""",
    "ger": """10*[hate] [core] | 4*i [nolike] [core] | 4*i'm [tired] of [core] | 2*i am [tired] of [core]
        | we're [tired] of [core] | [who] is [tired] of [core] | 4*[who] [hates] [core] | 5*[core] [badly]
        | 2*[core] really [badly] | 3*[core] [annoys] me | [core] [annoys] [who] | 3*[core] is [wrong]
        | 2*[core] looks [wrong] | [core] seems [wrong] | [core] feels [wrong] | 2*no more [core]
        | put an end to [core] | i'm against [core] | i am against [core] | i object to [core] | avoid [core]
        | please avoid [core] | prevent [core] | i can't bear [core] | 2*i have a problem with [core]
        | get rid of [core] | 3*i've had enough of [core] | i have had enough of [core] | enough of [core]
        | enough with [core] | anything but [core] | say no to [core] | [core] is not okay | [core] is not ok
        | [core] won't do | [core] will not do | [core] is out of the question | [core] is a no go
        | [core] is a mistake | [core] is a problem | [core] has to end | [core] must end | [core] must stop
        | [core] is over | [core] is not allowed | [core] is forbidden | [core] is unacceptable
        | i'm not a fan of [core] | i am no fan of [core] | i'm not fond of [core] | i'm not happy with [core]
        | i am not pleased with [core] | i'm not satisfied with [core] | i disapprove of [core]
        | i complain about [core] | i'm [mad] about [core] | i am [mad] about [core] | i get [mad] from [core]
        | [core] makes me [mad] | [core] makes [who] [mad] | i'm bored of [core] | [core] bores me
        | [core] hurts my eyes | [core] gives me a headache | [core] drives me crazy
        | [core] drives [who] up the wall | [core] ruins the picture | [core] spoils the view | [core] offends me
        | [core] offends my taste | [core] gets on my nerves | [core] makes no sense | i see no reason for [core]
        | there is no need for [core] | there's something wrong with [core] | i'd rather do without [core]
        | i could do without [core] | we can do without [core] | i don't want [core] | i don't need [core]
        | i don't like [core] | i do not want [core] | i dislike [core] | i can't live with [core]
        | i won't have [core] | we can't have [core] | not [core] | nothing is worse than [core]
        | what's worse than [core] ? | stop [core] | please stop [core] | can we stop [core] ? | why [core] ? [fix]
        | [core] ? [ugh] | [core]? [ugh] | [core]! [ugh] | i regret [core] | i resent [core] | i detest [core]
        | i'm sick of [core] | spare me [core] | save me from [core] | i protest against [core]
        | i vote against [core] | down with [core] | i don't care for [core] | i don't enjoy [core]
        | i take no pleasure in [core] | what about [core]? [ugh] | i'm afraid of [core] | i'm allergic to [core]""",
    "inf": """6*i don't want [core] | 3*i do not want [core] | 2*i'd hate [core] | 2*i would hate [core]
        | i wouldn't like [core] | i wouldn't want [core] | i would not like [core] | i don't need [core]
        | do not allow [core] | don't allow [core] | never allow [core] | i can't allow [core]
        | it's not right for [core] | 2*it's [wrong] for [core] | 2*it is [wrong] for [core]
        | i find it [wrong] for [core] | we don't want [core] | nobody wants [core] | no one wants [core]
        | [who] doesn't want [core] | the last thing i want is for [core] | i never wanted [core]
        | i never asked for [core] | i don't expect [core] | i won't permit [core] | i forbid [core]
        | there's no reason for [core] | there is no need for [core] | i'd rather not have [core]
        | who wants [core] ? not me | who wants [core]? not i | who would want [core] ? | why would i want [core] ?
        | i did not ask for [core] | i don't wish for [core] | it's not good for [core]
        | it makes no sense for [core] | it's a mistake for [core] | it is a shame for [core]""",
    "base": """6*don't let [core] | 4*do not let [core] | 2*never let [core] | i won't let [core]
        | you shouldn't let [core] | don't make [core] | do not make [core] | i'd hate to see [core]
        | i don't want to see [core] | we can't let [core] | please don't let [core] | you can't let [core]
        | i refuse to let [core] | i wouldn't let [core] | i'd rather not see [core] | i can't watch [core]
        | why let [core] ? | it's wrong to let [core] | i'd never let [core]""",
    "imp": """6*don't [core] | 4*do not [core] | 2*please don't [core] | 2*never [core] | never ever [core]
        | you shouldn't [core] | you should not [core] | you must not [core] | 2*i don't want you to [core]
        | i'd rather you didn't [core] | i would prefer that you not [core] | try not to [core]
        | be careful not to [core] | make sure not to [core] | it's [wrong] to [core] | it is [wrong] to [core]
        | it was [wrong] to [core] | it's a mistake to [core] | it was a mistake to [core]
        | i never asked you to [core] | i didn't tell you to [core] | who told you to [core] ?
        | why did you [core] ? [fix] | why did they [core] ? | refuse to [core] | it makes no sense to [core]
        | there's no need to [core] | i beg you not to [core] | i asked you not to [core]
        | you had better not [core] | it is forbidden to [core] | it's not allowed to [core] | you can't [core]
        | nobody should [core] | no one should [core] | i would never [core] | whatever you do, don't [core]
        | i'd hate to [core] | i'd rather not [core] | please refuse to [core]""",
    "subj": """2*i wouldn't like it if [core] | 2*i would hate it if [core] | 2*i'd hate it if [core]
        | it would be [wrong] if [core] | it would be [wrong] if [core] | i'd be [mad] if [core]
        | i would be [mad] if [core] | it'd be a shame if [core] | it would be a pity if [core]
        | it would bother me if [core] | it wouldn't be good if [core] | i'd dislike it if [core]
        | it would be a mistake if [core] | i would not be happy if [core] | i wouldn't be happy if [core]
        | it would [annoy] me if [core]""",
}
"""Ways to complain about a core, to forbid or to deny it."""

MISSING = """10*[A] is not [REL] | 5*[A] isn't [REL] | 2*[A] is still not [REL] | 2*[A] is not yet [REL]
        | [A] was not [vd] [REL] | [A] hasn't been [vd] [REL] | [A] doesn't [lie] [REL] | [A] does not [lie] [REL]
        | [B] does not have [A] [RELIT] | nobody [vp] [A] [REL] | you haven't [vd] [A] [REL]
        | [A] is anywhere but [REL] | [A] is everywhere except [REL] | [A] refuses to [be] [REL]"""
"""Clauses that deny the wanted side: to complain about one is to want it."""

DISLIKES = """3*[A] should not [be] [OPP] | 3*[A] shouldn't [be] [OPP] | 2*[A] must not [be] [OPP]
        | 2*[A] mustn't [be] [OPP] | [A] can't [be] [OPP] | [A] cannot stay [OPP] | [A] can't stay [OPP]
        | [A] may not [be] [OPP] | [A] ought not to [be] [OPP] | 3*[A] doesn't belong [OPP]
        | 2*[A] does not belong [OPP] | 2*stop [A] from [being] [OPP] | keep [A] from [being] [OPP]
        | prevent [A] from [being] [OPP] | why does [A] [lie] [OPP] ? | 2*why does [A] [lie] [OPP] ? [fix]
        | why is [A] [OPP] ? | 2*why is [A] [OPP] ? [fix] | what is [A] doing [OPP] ?
        | 2*what is [A] doing [OPP] ? [fix] | what's [A] doing [OPP] ? | must [A] [be] [OPP] ?
        | does [A] have to [be] [OPP] ? | do we need [A] [OPP] ? | who wants [A] [OPP] ? | who [vp] [A] [OPP] ?
        | 2*who [vp] [A] [OPP] ? [fix] | how did [A] get [OPP] ? [fix] | since when is [A] [OPP] ? [fix]
        | [A] is wrongly [OPP] | [A] is wrongly [vd] [OPP] | [A] is mistakenly [OPP] | [A] is [OPP] by mistake
        | [A] has no business [being] [OPP] | [A] has nothing to do [OPP] | [A] has been [OPP] for too long
        | [A] is [OPP] for no reason | [A] has been [OPP] long enough | [A] was never meant to [be] [OPP]
        | [A] was not supposed to [be] [OPP] | [A] is not supposed to be [OPP] | [A] is not allowed [OPP]
        | [A] isn't welcome [OPP] | [A] is unwelcome [OPP] | [A] is misplaced [OPP] | [A] is out of place [OPP]
        | [A] looks [wrong] [OPP] | [A] seems [wrong] [OPP] | 2*[A] is [wrong] [OPP] | [A] [OPP] looks [wrong]
        | [A] feels [wrong] [OPP] | [A] feels [mad] [OPP] | [A] is [mad] [OPP] | [A] looks [mad] [OPP]
        | [A] [hates] [being] [OPP] | [A] [hates] its place [OPP] | [A] [hates] it [OPP]
        | [A] would rather not [be] [OPP] | [A] doesn't want to [be] [OPP] | [A] does not like it [OPP]
        | [A] is unhappy [OPP] | [B] [hates] having [A] [OPPIT] | [B] [hates] that [A] is [OPPIT]
        | [B] doesn't want [A] [OPPIT] | [B] is [tired] of [A] [OPPIT] | [B] complains that [A] is [OPPIT]
        | [B] doesn't like [A] [OPPIT] | [B] should not have [A] [OPPIT] | 2*get [A] away from [Bs] [OSIDE]
        | 2*get [A] away from the [OSIDE] of [B] | move [A] away from the [OSIDE] of [B] to [other]
        | get [A] away from the [OSIDE] of [B] to [other] | get [A] off [Bs] [OSIDE]
        | get [A] out from the [OSIDE] of [B] | take [A] away from the [OSIDE] of [B]
        | remove [A] from the [OSIDE] of [B] | remove [A] from [Bs] [OSIDE] | clear [A] from the [OSIDE] of [B]
        | free the [OSIDE] of [B] from [A] | [A], leave the [OSIDE] of [B]
        | let [A] leave the [OSIDE] of [B] and go to [other] | [A] must leave [Bs] [OSIDE]
        | [A] has to leave the [OSIDE] of [B] | [A] needs to leave its place [OPP]
        | [Bs] [OSIDE] is no place for [A] | [Bs] [OSIDE] is not the place for [A]
        | the [OSIDE] of [B] is the wrong place for [A] | the [OSIDE] of [B] is no place for [A]
        | [OPP] is no place for [A] | [OPP] is the wrong place for [A] | [OPP] is not where [A] belongs
        | [OPP] is not where i want [A] | not [OPP], [A] | [A] is on the wrong side of [B]: it is [OPP]
        | [A] is on the wrong side of [B], it should not be [OPP]
        | [A] is on the wrong side of [B], i don't want it [OPPIT] | [A] is on the wrong side of [B], it is [OPPIT]
        | swap the side of [A]: it [is] [OPP] | undo the placing of [A] [OPP]
        | the opposite of [A] [OPP] is what i want | i want the opposite of [A] [OPP]
        | i'd like the reverse of [A] [OPP] | give me the contrary of [A] [OPP] | i wish [A] were not [OPP]
        | 2*i wish [A] wasn't [OPP] | i wish [A] weren't [OPP] | it would be better if [A] were not [OPP]
        | if only [A] weren't [OPP] | i'd be happier if [A] were not [OPP] | it would be nice if [A] wasn't [OPP]
        | can you make [A] not [be] [OPP] ? | could you make sure [A] isn't [OPP] | make sure [A] is not [OPP]
        | ensure [A] isn't [OPP] | see to it that [A] is no longer [OPP] | i want [A] no longer [OPP]
        | [A] [should] no longer [be] [OPP] | i would prefer [A] not to be [OPP] | i'd like [A] not to be [OPP]
        | i want [A] not to be [OPP] | the table looks nicer without [A] [OPP]
        | the current place of [A], [OPP], is [wrong] | where [A] is, [OPP], is [wrong]
        | i [nolike] where [A] is, [OPP] | i [nolike] the place of [A] because it is [OPP]
        | i [nolike] [A] because it [is] [OPP] | i [nolike] it: [A] [OPP] | [A] [is] [OPP]. [itbadly]
        | [A] [is] [OPP] and i [nolike] it | [A] [OPP] ? [ugh] | [A] [OPP]: [ugh] | i left [A] [OPP] by mistake
        | someone carelessly [vp] [A] [OPP] | [A] was [vd] [OPP] by mistake | please, not [A] [OPP]
        | rid me of [A] [OPP] | [A] [OPP] is the last thing i want | [A] [OPP] is the worst"""
"""Complaints that are whole sentences."""

CONTRASTS = """3*[A] [is] [OPP] instead of [RELIT] | 2*[A] is [OPP] when it should be [RELIT]
        | 3*i don't want [A] [OPP], i want it [RELIT] | i don't want [A] [OPP] but [RELIT]
        | 2*[A] [should] not be [OPP] but [RELIT] | 2*[A] should not [be] [OPP], but [RELIT]
        | 2*not [OPP] but [RELIT], that's where [A] should be | 2*not [OPP] but [RELIT], that's where i want [A]
        | not [OPP], no, [RELIT] is where [A] belongs | 2*[v] [A] from the [OSIDE] to the [SIDE] of [B]
        | take [A] from the [OSIDE] side of [B] to the [SIDE] side | [v] [A] from [Bs] [OSIDE] to [Bs] [SIDE]
        | let [A] not [be] [OPP] but [RELIT] | 2*rather than [OPP], [A] should be [RELIT]
        | 2*instead of [OPP], [A] should be [RELIT] | 2*instead of [OPP], [v] [A] [RELIT]
        | rather than [OPP], [v] [A] [RELIT] | i'd like [A] anywhere but [OPP], say [RELIT]
        | i said [REL], not [OPPIT], for [A] | i meant [A] [REL], not [OPPIT] | 2*[A] belongs [REL], not [OPPIT]
        | 2*i want [A] [REL], not [OPPIT] | i'd like [A] [REL], not [OPPIT] | [A] goes [REL], not [OPPIT]
        | 2*[v] [A] [REL], not [OPPIT] | [v] [A] [REL], never [OPPIT] | [v] [A] [REL] and not [OPPIT]
        | 2*[v] [A] [REL] instead of [OPPIT] | 2*[v] [A] [REL] rather than [OPPIT]
        | 2*[A] [should] [be] [REL] rather than [OPPIT] | [A] [should] [be] [REL], not [OPPIT]
        | [A] [should] [be] [REL] instead of [OPPIT] | i prefer [A] [REL] to [A] [OPPIT]
        | i prefer [A] [REL] over [OPPIT] | i like [A] better [REL] than [OPPIT]
        | [A] looks better [REL] than [OPPIT] | [A] is better off [REL] than [OPPIT]
        | i'd rather have [A] [REL] than [OPPIT] | i would rather see [A] [REL] than [OPPIT]
        | [A] was [OPP], now it should be [RELIT] | [A] [is] [OPP] but it should be [RELIT]
        | [A] [is] [OPP] but i want it [RELIT] | [A] [is] [OPP] but it belongs [RELIT] | [A] [OPP] ? no, [RELIT]
        | [A], [OPP] ? no, no, [RELIT] | is [A] [OPP] ? it should be [RELIT] | [A] [OPP] ? i'd prefer it [RELIT]
        | who wants [A] [OPP] ? not me, [RELIT] is the place for it | why is [A] [OPP] and not [RELIT] ?
        | why is [A] not [REL] but [OPPIT] ? | [hate] [A] [OPP] and [love] it [RELIT]
        | [hate] that [A] is [OPP], i want it [RELIT] | i [nolike] [A] [OPP] but [love] it [RELIT]
        | [A] used to be [OPP], now i want it [RELIT] | change [A] from being [OPP] to being [RELIT]
        | switch [A] from [OPP] to [RELIT] | [A] can leave the [OSIDE] of [B] and move to its [SIDE]
        | not [OPPIT] but [REL], please [v] [A] | [A] [OPP] is wrong, [RELIT] is right
        | wrong: [A] [OPP]. right: [A] [RELIT] | [v] [A] [REL]. i don't want it [OPPIT]
        | [v] [A] [REL]. it shouldn't be [OPPIT] | i want [A] [REL]. not [OPPIT] | [A] [is] [OPP]. [v] it [RELIT]
        | [A] is [OPP], [v] it [RELIT] | [A] is [OPP] now, i'd like it [RELIT]"""
"""Sentences that name both sides, the unwanted one and the wanted one."""

DISLIKE_WORDS = {
    "hate": """6*i dislike | 6*i hate | 4*i don't like | 2*i detest | 3*i can't stand | i loathe | i resent
        | 2*i do not like | i really dislike | i despise | we dislike | we hate | everyone hates
        | i strongly dislike | i regret | i abhor | i truly hate | i really hate | i can't bear | i cannot stand
        | i cannot bear | i hate it, really hate | 2*[who] [hates] | i never liked | i never like | i didn't like
        | we don't like | i don't enjoy | i can't tolerate | i won't tolerate | i can't abide | i don't fancy
        | i absolutely hate | i'm done with seeing | we can't stand""",
    "bad": """3*it bothers me | 2*it annoys me | 2*it's annoying | it's bad | it is wrong | i'm unhappy
        | i'm not happy | it upsets me | i'm sad | it irritates me | it disturbs me | i'm annoyed | i am displeased
        | it makes me unhappy | i am fed up | it's a problem | it bugs me | it frustrates me | it's unpleasant
        | it is not ok | i'm not satisfied | it's not good | i am disappointed | it troubles me | i'm not pleased
        | it pains me | it saddens me | it's not fine | it displeases me | i'm upset | i'm angry | i'm not glad
        | i'm sorry | it worries me | it's sad | it stinks | it sucks | i feel bad | it is a nuisance
        | it's not to my liking | it's a disaster""",
    "badly": """bothers me | annoys me | is wrong | looks bad | is not what i want | upsets me | makes me unhappy
        | drives me crazy | is bad | doesn't look right | does not feel right | isn't what i want | is not right
        | isn't right | isn't nice | displeases me | is no good | looks off | doesn't work for me
        | is not to my taste | isn't good | irritates me | bugs me | disturbs me | isn't what i asked for
        | is a disaster | is a disgrace | makes me cringe | is unpleasant | troubles me | hurts | needs to change
        | has to change | must change | does not please me | is not how i like it | is annoying | frustrates me""",
    "itbadly": """i [nolike] it | i [nolike] that | i [nolike] this | that [badly] | it [badly] | this [badly]
        | that's [wrong] | it's [wrong] | how [wrong] | what a [mess] | that can't be right | that can't stay
        | i don't want that | i don't want it | [ugh]""",
    "ugh": """no way | no, thanks | no thank you | [wrong] | how [wrong] | that's [wrong] | that is [wrong] | yuck
        | no, no, no | never | absolutely not | not on my watch | i [nolike] it | i [nolike] that | what a [mess]
        | that's a [mess] | no good | not good | please change that | please fix that | [wrong], please fix that
        | not for me | i object | please no | that won't do | who does that | not like that | that has to change
        | i disagree | it's [wrong], [fix] | no, [fix] | [wrong], [fix] | not at all""",
    "mess": """mess | disgrace | shame | mistake | disaster | pity | scandal | horror | nuisance | blunder
        | nightmare | bad idea""",
    "nolike": """3*don't like | 2*dislike | hate | can't stand | do not like | don't enjoy | disapprove of
        | am sick of | am not fond of | can't bear | detest | loathe | don't approve of | don't want
        | am not a fan of | am unhappy about | have enough of | am against""",
    "hates": """4*hates | 4*dislikes | 2*can't stand | 3*doesn't like | complains about | detests | loathes
        | can't bear | does not like | despises | is against | disapproves of | resents | doesn't want""",
    "love": "like | love | want | would like | prefer | adore",
    "wrong": """4*wrong | 2*bad | 2*ugly | odd | out of place | 2*terrible | strange | 2*awful | misplaced | silly
        | stupid | horrible | hideous | ridiculous | annoying | weird | unpleasant | tasteless | unfair | not right
        | unbearable | dreadful | sad | absurd | unacceptable | dumb | nasty | bothersome | improper | incorrect
        | unfortunate | disgusting | disturbing | gross | confusing | shameful | foolish | crooked | clumsy
        | irritating | appalling | regrettable | unlucky | upsetting | lame | lousy | inelegant | mistaken""",
    "mad": """3*mad | 3*sad | 2*unhappy | 2*angry | upset | annoyed | worried | nervous | furious | cross | grumpy
        | uneasy | dizzy | sick | gloomy | depressed""",
    "tired": "4*tired | 2*sick | sick and tired | fed up with the sight | weary | bored | so tired | really tired",
    "annoys": """3*annoys | 3*bothers | 2*upsets | irritates | bugs | disturbs | displeases | frustrates | saddens
        | troubles | worries | disgusts | offends | pains | angers | vexes""",
    "annoy": "annoy | bother | upset | irritate | bug | disturb | sadden",
    "hang": """2*standing | 3*sitting | 2*lying | resting | 2*hiding | lurking | hanging | placed | parked | stuck
        | staying | waiting | located | sleeping | positioned | left | loitering | posing | squatting | camping
        | hanging around | hovering | perched""",
    "who": "[person] | my [person] | [person2] | the [person] | everyone | everybody | she | he",
    "person": """boss | mother | mom | father | dad | sister | brother | wife | husband | son | daughter | cat
        | dog | teacher | friend | aunt | uncle | neighbor | professor | grandma | grandpa | colleague | customer
        | client | boy | girl | judge | king | queen | doctor | child | manager | team | robot | user | coach
        | guest | host | baby""",
    "person2": """anna | tom | john | mary | peter | lisa | bob | alice | max | emma | my mother | my boss
        | my friend | the client""",
    "other": """4*the other side | 4*the opposite side | the reverse side | the opposite spot | the other end
        | the contrary side | the [SIDE] | the [SIDE] instead | the opposite place | the opposite direction
        | the correct side | the right place""",
    "fix": """3*move it to [other] | 2*push it to [other] | please move it to [other] | [v] it to [other]
        | please [v] it to [other] | fix it by moving it to [other] | put it on [other]
        | can you move it to [other] | could you [v] it to [other] | 2*fix that | 2*please change that | reverse it
        | it should be on [other] | i want it on [other] | i want the opposite | make it the opposite
        | change it to the opposite | it belongs on [other] | it needs to go to [other] | swap its side
        | do the opposite | bring it to [other] | let it go to [other] | send it to [other]
        | please put it on [other] | i'd prefer it on [other] | take it to [other] | 2*[v] it [RELIT]
        | 2*it should be [RELIT] | please put it [RELIT] | i'd prefer it [RELIT] | move it [RELIT] instead
        | let it be [RELIT] | i want it [RELIT] | it belongs [RELIT] | please fix it | fix this | please fix that
        | change it | correct that | the other way around please | make it the other way around
        | do something about it | switch it | flip it to [other] | get it to [other] | it should be the other way
        | do it the other way round | please correct it | put it somewhere better | get it away from there
        | move it away from there | move it elsewhere | undo that | let's change that""",
    "fixlink": "6*, | 3*. | 2*; | - | and | so | , so | , please | , now | , and now | , but",
    "link": """8*. | 3*. also, | 2*. then | . after that, | 3*; | , and also: | . in addition, | . second,
        | . besides, | , next, | . and | . furthermore, | 2*, and then | , then | . next, | . once done,
        | . moreover, | . at the same time, | , also | . and please | 3* and | 2*, and | , but also | . plus,""",
    "lie": "4*sit | 3*lie | 3*rest | 3*stand | 3*stay | 2*remain | end up | land | settle | hang around | hide",
}
"""Words of complaint; `fix` sends the ball to the other side."""
