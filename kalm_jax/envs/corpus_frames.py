"""The sentence patterns of the pretraining text: cores that say what should hold, and frames that ask for it.

A core is written in one of several grammatical styles (imperative, infinitive, clause, ...) for each family of goals; a
frame of the same style wraps it: "could you [core]" goes with every imperative, be it about one relation, a conjunction
or a line. Notation as in `kalm_jax.envs.corpus_words`; `[core]` is the wrapped core.
"""

from __future__ import annotations

FRAMES = {
    "imp": """26*[core] | 4*please [core] | 3*can you [core] | 3*could you [core] | 2*would you [core]
        | 2*will you [core] | 2*can you please [core] | 2*could you please [core] | would you please [core]
        | could you kindly [core] | kindly [core] | 3*help me [core] | 2*help me to [core]
        | can you help me [core] | could you help me [core] | please help me [core] | help us [core]
        | would you help me [core] | 2*i want you to [core] | 2*i need you to [core]
        | 2*i would like you to [core] | i'd like you to [core] | i'd love you to [core] | we need you to [core]
        | i ask you to [core] | i order you to [core] | i am asking you to [core] | your task is to [core]
        | your job is to [core] | your goal is to [core] | the task is to [core] | the goal is to [core]
        | the mission is to [core] | 2*try to [core] | you should [core] | you must [core] | you have to [core]
        | you need to [core] | you can [core] | you may [core] | it is time to [core] | let's [core]
        | let us [core] | go and [core] | go ahead and [core] | now [core] | just [core] | i want to [core]
        | i need to [core] | i would like to [core] | i am trying to [core] | we have to [core]
        | we want to [core] | do me a favor and [core] | would it be possible to [core] | is it possible to [core]
        | are you able to [core] | be so kind as to [core] | remember to [core] | don't forget to [core]
        | make sure to [core] | be sure to [core] | it would be nice to [core] | it would be great to [core]
        | i beg you to [core] | i wish you would [core] | i hope you can [core] | i hope you will [core]
        | i wonder if you could [core] | i suggest that you [core] | i think you should [core]
        | why don't you [core] | why not [core] | shall we [core] | can we [core] | can i get you to [core]
        | use the arm to [core] | use a push to [core] | do whatever it takes to [core] | find a way to [core]
        | manage to [core] | you ought to [core] | you had better [core] | you are supposed to [core]
        | the instruction is to [core] | the plan is to [core] | attempt to [core] | see if you can [core]
        | do your best to [core] | it's necessary to [core] | i'm going to [core] | would you be able to [core]
        | do you think you could [core] | would you care to [core] | could somebody [core]
        | the next step is to [core] | i require you to [core] | i'd be glad if you could [core]
        | what if you [core] | feel free to [core] | there is a need to [core] | the robot should [core]
        | the robot must [core] | have the robot [core] | let the robot [core] | you are asked to [core]
        | my request is to [core] | it is your duty to [core] | i'd appreciate it if you could [core]
        | it would help me if you could [core] | be a dear and [core] | tell the robot to [core]
        | the best thing is to [core]""",
    "inf": """8*i want [core] | 6*i would like [core] | 4*i'd like [core] | 4*i need [core] | 3*we want [core]
        | 2*we need [core] | 2*i'd love [core] | 2*i would love [core] | 2*i would prefer [core]
        | 2*i prefer [core] | i require [core] | i expect [core] | i wish for [core] | my wish is for [core]
        | i am hoping for [core] | it is time for [core] | the plan is for [core] | i'm waiting for [core]
        | i really want [core] | i only want [core] | all i want is for [core] | i ask for [core]
        | it would be nice for [core] | it would be better for [core] | it is best for [core]
        | it is important for [core] | the goal is for [core] | i long for [core] | my boss wants [core]
        | the customer wants [core] | everyone wants [core] | the task calls for [core] | we would like [core]
        | i'd be happy for [core] | i've always wanted [core] | do you want [core] | can you get [core]
        | get [core] | cause [core] | i would be pleased for [core] | what i want is for [core]
        | what i need is for [core] | my desire is for [core] | allow [core] | the idea is for [core]
        | you should get [core] | help [core] | i badly need [core] | it is necessary for [core]""",
    "np": """5*i want to see [core] | 4*i'd like to see [core] | 3*i would like to see [core]
        | 2*i'd love to see [core] | 2*i want to have [core] | 2*i would like to have [core]
        | 2*i'd like to have [core] | 2*show me [core] | 2*let me see [core] | 2*goal: [core] | target: [core]
        | task: [core] | 2*i prefer to see [core] | i need to see [core] | 2*i imagine [core] | picture [core]
        | i'm dreaming of [core] | the goal is [core] | the target is [core] | the desired state is [core]
        | 4*[core] | wanted: [core] | it would be lovely to see [core] | it would be nice to have [core]
        | it would please me to see [core] | i enjoy seeing [core] | i like [core] | i love to see [core]
        | i can't wait to see [core] | nothing beats [core] | what i want is [core] | [core] please
        | i would be happy with [core] | i would feel better with [core] | things look best with [core]
        | we should end with [core] | i fancy [core] | try to achieve [core] | aim for [core]
        | create a scene with [core] | make a layout with [core] | give me a picture with [core]
        | the table looks nicer with [core] | i'd enjoy [core] | arrange for [core] | let's have [core]
        | let's see [core] | we want to end up with [core] | the final state should show [core]""",
    "clause": """5*make sure [core] | 5*make sure that [core] | 3*see to it that [core] | 3*ensure [core]
        | 4*ensure that [core] | 2*check that [core] | 2*i need it so that [core] | the goal is that [core]
        | 2*arrange it so that [core] | 2*arrange things so that [core] | change the scene so that [core]
        | 2*do something so that [core] | work until [core] | don't stop until [core] | keep pushing until [core]
        | i will be happy when [core] | i'm happy when [core] | i like it when [core] | i love it when [core]
        | i prefer it when [core] | it is nice when [core] | it looks best when [core]
        | the task is done when [core] | you are done when [core] | stop when [core] | i want a scene where [core]
        | i'd like a picture in which [core] | create a situation where [core] | reach a state in which [core]
        | in the end [core] | in the target layout [core] | 5*[core] | the result should be that [core]
        | act so that [core] | it's important that [core] | please make sure [core]
        | can you make sure that [core] | could you make sure [core] | can you ensure that [core]
        | i want to be sure that [core] | my hope is that [core] | i hope that [core] | i hope [core]
        | let it be true that [core] | imagine that [core] | finally [core] | organize the table such that [core]
        | fix the table so that [core] | push things around until [core] | be certain that [core]
        | things are good when [core] | the plan is that [core] | everything is fine once [core]
        | i'd be satisfied once [core] | how can we make sure [core] | confirm that [core] | guarantee that [core]
        | take care that [core] | get it to the point where [core]""",
    "subj": """6*i wish [core] | 3*i wish that [core] | 3*if only [core] | 4*it would be great if [core]
        | 4*it would be nice if [core] | 2*it would be better if [core] | 2*i would be happy if [core]
        | 2*i'd be happy if [core] | i'd be glad if [core] | 2*i would like it if [core] | 2*i'd love it if [core]
        | 2*i would prefer it if [core] | i'd prefer it if [core] | i'd rather [core]
        | it would be wonderful if [core] | it would help me if [core] | it would look nicer if [core]
        | it would be perfect if [core] | it would be good if [core] | what if [core] | i'd feel better if [core]
        | i would appreciate it if [core] | it would be more beautiful if [core]
        | everything would be fine if [core] | i would be grateful if [core] | suppose [core]
        | i'd be delighted if [core] | it would make my day if [core] | the scene would be complete if [core]
        | wouldn't it be nice if [core] | could you make it so that [core] | it would be ideal if [core]
        | i dreamed that [core] | i always wished [core] | how nice it would be if [core]
        | would you mind if [core] | i would love to see the day when [core] | it's time [core]
        | it would be awesome if [core] | life would be easier if [core] | i'd thank you if [core]
        | it would be cool if [core]""",
    "base": """8*let [core] | 3*have [core] | 6*make [core] | 2*i demand that [core] | 2*i insist that [core]
        | 2*i request that [core] | i ask that [core] | may [core] | 2*i suggest that [core]
        | i recommend that [core] | i propose that [core] | i'd rather have [core] | please let [core]
        | please make [core] | could you let [core] | could you make [core] | can you make [core]
        | can you have [core] | i would have [core] | you must make [core] | help me make [core]
        | try to make [core] | i want to make [core] | i want to let [core] | it is vital that [core]
        | it is essential that [core] | the rules demand that [core] | it is required that [core]
        | let's make [core] | help me have [core] | i'll let [core] | watch [core] | i want to see [core]
        | i order that [core] | would you let [core] | would you make [core] | it is preferred that [core]
        | do let [core]""",
    "ger": """5*how about [core] | 3*would you mind [core] | 3*what about [core] | 2*try [core] | start [core]
        | 3*your task is [core] | 2*i would appreciate you [core] | 2*consider [core] | think about [core]
        | focus on [core] | 2*i suggest [core] | your job is [core] | the goal is [core] | 2*i recommend [core]
        | do you mind [core] | i'm thinking of [core] | i feel like [core] | begin [core] | thanks for [core]
        | thank you for [core] | 2*can you help with [core] | can you help me with [core] | i need help [core]
        | help me with [core] | please assist in [core] | could you try [core] | i'm in favor of [core]
        | let's try [core] | my plan is [core] | work on [core] | what i need is [core] | the next step is [core]
        | you will be [core] | keep [core] | we are [core] | i am [core] | i propose [core]
        | would you consider [core] | i'm counting on you [core] | i imagine you [core]
        | you could be of help by [core] | make me happy by [core] | do me a favor by [core]
        | fix the table by [core] | i look forward to you [core] | it's worth [core] | there's no harm in [core]
        | i insist on [core] | everyone will be happy with you [core] | go on [core]""",
    "say": "[core]",
}
"""Ways to ask for, wish for or state a core, by the core's grammatical style. "say": the core is a sentence already."""

RELATION_CORES = {
    "imp": """40*[v] [A] [dest] | 8*[mb] [v] [A] [dest] | 6*[v] [A] [dest] [ma] | 5*[v] [A] [ma] [dest]
        | 12*[keepv] [A] [REL] | 3*get [A] to [be] [REL] | 5*make [A] [be] [REL] | 2*have [A] [be] [REL]
        | 5*let [A] [be] [REL] | 2*give [A] a [pushn] so that it [is] [REL] | 3*[v] [A] and [keepv] it [REL]
        | find a place for [A] [REL] | see that [A] [is] [REL] | use [B] as a reference and [v] [A] to its [SIDE]
        | 2*[v] [A] so that [B] [is] [OPPIT] | 3*let [B] have [A] [RELIT] | give [B] [A] as its [SIDE] neighbor
        | 2*make [A] the [SIDE] neighbor of [B] | 3*take [A] and [v] it [dest] | 2*pick [A] and [v] it [dest]
        | change the position of [A] so that it [is] [REL] | 2*make [A] go [dest] | 2*cause [A] to [be] [REL]
        | make room [REL] and [v] [A] there | go to [A] and [v] it [dest] | choose [A] and [v] it [dest]
        | arrange things so [A] [is] [REL] | 2*ensure [A] [is] [REL] | 2*look for [B] and [v] [A] [RELIT]
        | find [B], then [v] [A] to its [SIDE] | give [B] [A] on its [SIDE] | 2*approach [A] and [v] it [dest]
        | from wherever it is, [v] [A] [dest] | 2*touch [A] and [v] it [dest] | 2*allow [A] to [be] [REL]
        | take hold of [A] and [v] it [dest] | 2*help [A] to [be] [REL] | have [B] get [A] [RELIT]
        | send [A] on its way [dest] | [v] [A] near [B], on the [SIDE] | swap things around so [A] [is] [REL]
        | 2*let [A] move [dest] | put [A] [REL] | [v] [A], not [B], so that it [is] [REL]
        | leave [B] where it is and [v] [A] [dest] | 2*[v] [A] [dest] instead of [OPPIT]
        | change where [A] is, it belongs [REL] | [v] [A] [dest], not [OPPIT] | 2*set [A] [REL]
        | bring [A] over [dest] | lead [A] [dest] | make [B] have [A] [RELIT] | get [A] [REL]
        | make it so that [A] [is] [REL] | [v] [A] [REL] and nowhere else | 2*make [A] [relv] | let [A] [relv]
        | have [A] [relv] | arrange [A] and [B] so that [A] is [PSIDE] | [v] [A] [PSIDE] and [B] [POSIDE]
        | place [A] [PSIDE] and [B] [POSIDE] | arrange [A] and [B] with [A] [PSIDE]
        | make [A] the one [PSIDE] and [B] the one [POSIDE]""",
    "inf": """8*[A] to [be] [REL] | 3*[A] to be [vd] [dest] | 2*[A] to [go] [dest] | 2*[A] to move [dest]
        | 2*[B] to have [A] [RELIT] | [A] to stay [REL] | [B] to get [A] [RELIT]
        | [A] to become the [SIDE] neighbor of [B] | [A] to take its place [REL]""",
    "np": """8*[A] [REL] | 3*[A] [being] [REL] | 2*[B] with [A] [RELIT] | 2*[A] placed [REL]
        | [A] positioned [REL] | [A] located [REL] | [A] [vd] [dest] | [A] sitting [REL] | [A] moving [dest]
        | [B] having [A] [RELIT] | [A] in a place [REL] | [A] as the [SIDE] neighbor of [B]""",
    "clause": """10*[A] [is] [REL] | 2*[B] has [A] [RELIT] | 2*[A] [goes] [dest] | 2*[A] gets [vd] [dest]
        | 2*[A] is [vd] [dest] | [A] can be found [REL] | [REL] is [A] | the place [REL] is taken by [A]
        | [A] has [B] [OPPIT] | 2*it is [A] that [is] [REL] | the ball [REL] is [A] | what sits [REL] is [A]""",
    "subj": """8*[A] [were] [REL] | 2*[B] had [A] [RELIT] | 2*[A] [went] [dest] | [A] got [vd] [dest]
        | you [vp] [A] [dest] | someone [vp] [A] [dest]""",
    "base": """8*[A] [be] [REL] | 2*[A] [go] [dest] | 2*[B] have [A] [RELIT] | [A] get [vd] [dest]
        | [A] be [vd] [dest] | 2*[A] [relv]""",
    "ger": """8*[vg] [A] [dest] | 2*[keepger] [A] [REL] | 2*[mb] [vg] [A] [dest] | [vg] [A] [dest] [ma]
        | making [A] [be] [REL] | letting [A] [be] [REL] | getting [A] to [be] [REL]
        | giving [A] a [pushn] so that it [is] [REL] | taking [A] and [vg] it [dest]""",
    "say": """6*[A] [should] [be] [REL] | 7*[REL], [v] [A] | 3*[REL] [v] [A] | 2*[REL] please [v] [A]
        | 3*[A] [should] be [vd] [dest] | 2*[A] [should] [go] [dest] | 2*[A] belongs [REL]
        | [B] [should] have [A] [RELIT] | 2*the right place for [A] is [REL] | 2*the best spot for [A] is [REL]
        | 2*[A] has been [vd] [dest] | 3*[A] was [vd] [dest] | 3*[A] is being [vd] [dest]
        | 2*[A] was being [vd] [dest] | 2*someone [vp] [A] [dest] | someone is [vg] [A] [dest]
        | 3*you [vp] [A] [dest] | you have [vd] [A] [dest] | the robot is [vg] [A] [dest]
        | the robot has [vd] [A] [dest] | 2*[A] [goes] [dest] | 3*[A] [is] now [REL] | i see [A] [REL]
        | there is [A] [REL] | 4*is [A] [REL] ? | 2*does [A] [lie] [REL] ? | 2*can [A] be [vd] [dest] ?
        | could [A] [go] [dest] ? | 2*can [A] [be] [REL] ? | could [A] [be] [REL] ? | can you see [A] [REL] ?
        | do you see [A] [REL] ? | is there any [bare] [REL] ? | is it possible for [A] to [be] [REL] ?
        | does [B] have [A] [RELIT] ? | has [A] been [vd] [dest] ? | was [A] [vd] [dest] ? | will [A] [be] [REL] ?
        | should [A] [be] [REL] ? | why isn't [A] [REL] yet ? | 2*[B] needs [A] [RELIT] | [B] wants [A] [RELIT]
        | [B] would like [A] [RELIT] | [A] misses its place [REL] | i miss [A] [REL] | [REL] is where [A] belongs
        | 2*[REL] is where i want [A] | the spot [REL] is reserved for [A] | the place [REL] is for [A]
        | [A] feels at home [REL] | [A] looks better [REL] | i prefer [A] [REL]
        | [REL] is the perfect place for [A] | where should [A] go ? [REL]
        | i left [A] in the wrong place, it should be [REL] | [A] is lost, its place is [REL]
        | [A] is not where it should be: it goes [REL] | i don't like the place of [A], [v] it [dest]
        | [A] is not [REL] yet, please [v] it there | [A] is not [REL] and it should be | too bad [A] isn't [REL]
        | [A]: [REL] | [A], go [dest] | i'm unhappy that [A] is not [REL] | i hate that [A] isn't [REL]
        | it's sad that [A] is not [REL] | why is [A] not [REL] ? [v] it there
        | i don't see [A] [REL], please fix that | i dislike where [A] is, [REL] would be better
        | i am tired of where [A] is, [v] it [dest] | the position of [A] is wrong, it must be [REL]
        | nobody put [A] [REL], can you do it ? | [REL] there should be [A]
        | it doesn't look right to me, [v] [A] [dest] | the spot [REL] is empty, [v] [A] there
        | [REL] there is room for [A], [v] it there | there's a free space [REL], let [A] take it
        | if [A] is not [REL], [v] it there | [A] is too far from [B], [v] it [dest]
        | the only place i want [A] is [REL] | anything but [A] [REL] is wrong
        | once you have found [A], [v] it [dest] | 2*[A] [should] [relv] | can [A] [relv] ?
        | of [A] and [B], [A] [should] be the one [PSIDE] | [A] [should] be [PSIDE] and [B] [POSIDE]
        | between [A] and [B], [A] goes [PSIDE] | [A] [PSIDE], [B] [POSIDE]
        | looking at [B], [A] [should] be [RELIT] | seen from [B], [A] [should] be [PSIDE]
        | with respect to [B], [A] [should] be [PSIDE] | relative to [B], [A] goes [PSIDE]
        | look at [B]. now [v] [A] [RELIT] | do you see [A] ? [v] it [dest] | see [A] ? it [should] [be] [REL]
        | [A] is misplaced, [v] it [dest] | there is a spot [REL] and [A] [should] take it
        | if [A] is [OPP], [v] it [dest] | even if it is hard, [v] [A] [dest] | 2*[A] wants to [be] [REL]
        | [A] would be happier [REL] | [A] dreams of [being] [REL] | [A] longs for a place [REL]
        | [B] is waiting for [A] to [be] [REL] | [B] feels better with [A] [RELIT] | [B] misses [A] [RELIT]
        | my favorite place for [A] is [REL] | the best home for [A] is [REL]
        | the position i'd choose for [A] is [REL] | the target of [A] is [REL] | [A] has a new place: [REL]
        | where is [A] ? it [should] [be] [REL] | how do i get [A] [REL] ? | how can [A] [be] [REL] ?
        | who can [v] [A] [dest] ? | i'm not satisfied until [A] [is] [REL]
        | nothing is right until [A] [is] [REL] | [A] can't stay there, [v] it [dest]
        | [A] isn't in its place, which is [REL] | i don't like [A] there, [v] it [dest]
        | i'm bored of the place of [A], let it [be] [REL] | [v] [A]. it [should] [be] [REL]
        | [A] must leave its place and [be] [REL]
        | [A] and [B] are not in the right order, [A] [should] [be] [REL] | [A] is needed [REL]
        | where [A] is now is no good, [v] it [dest] | i can't stand where [A] is, it [should] [be] [REL]
        | your move: [A], [REL] | my heart wants [A] [REL] | in my view [A] [should] [be] [REL]
        | i believe [A] belongs [REL]""",
}
"""Cores of a relation: ball A gets to a side of ball B."""

DISLIKES = """6*[hate] that [A] [is] [OPP] | 4*[hate] [A] [being] [OPP] | 3*[A] should not [be] [OPP]
    | 2*[A] shouldn't [be] [OPP] | 2*[A] must not [be] [OPP] | 3*[A] doesn't belong [OPP]
    | 2*stop [A] from [being] [OPP] | 3*[hate] that [A] [is] [OPP], [fix] | 2*[hate] it when [A] [is] [OPP]
    | 2*[hate] to see [A] [OPP] | 2*[hate] seeing [A] [OPP] | 3*[bad] that [A] [is] [OPP]
    | 2*[bad] that [A] [is] [OPP], [fix] | 2*[A] [is] [OPP], [fix] | 2*[A] [is] [OPP] but [fix]
    | 2*[A] [is] [OPP], which [badly] | 2*why does [A] [lie] [OPP] ? [fix]
    | get [A] away from the [OSIDE] of [B] to [other] | 2*move [A] away from the [OSIDE] of [B] to [other]
    | don't [keepv] [A] [OPP], [fix] | do not let [A] [be] [OPP], it should be on [other]
    | 2*i don't want [A] [OPP] | 2*i don't want [A] to [be] [OPP] | no more [A] [OPP]
    | i'd rather not have [A] [OPP] | i would prefer [A] not to be [OPP] | 2*i don't like [A] [OPP]
    | i do not like that [A] [is] [OPP] | [A] looks [wrong] [OPP] | [A] looks [wrong] [OPP], [fix]
    | [OPP] is the wrong place for [A] | [OPP] is not where [A] belongs | i wish [A] were not [OPP]
    | 2*i wish [A] wasn't [OPP] | it would be better if [A] were not [OPP] | if only [A] weren't [OPP]
    | [B] [hates] having [A] [OPPIT] | [B] [hates] that [A] is [OPPIT] | 2*i can't stand [A] [being] [OPP]
    | 2*who put [A] [OPP] ? [fix] | [A] [OPP] ? no, [fix] | it makes me [mad] that [A] [is] [OPP]
    | it makes me [mad] to see [A] [OPP] | i'm [mad] about [A] [being] [OPP] | i am [mad] that [A] [is] [OPP]
    | i'm [mad] because [A] [is] [OPP] | having [A] [OPP] [badly] | [A] [being] [OPP] [badly]
    | the fact that [A] [is] [OPP] [badly] | swap the side of [A]: it [is] [OPP]
    | [A] has been [OPP] for too long, [fix] | [A] [is] [OPP] instead of [RELIT]
    | [A] is [OPP] when it should be [RELIT] | i don't want [A] [OPP], i want it [RELIT]
    | not [OPP] but [RELIT], that's where [A] should be | [v] [A] from the [OSIDE] to the [SIDE] of [B]
    | please stop keeping [A] [OPP] | take [A] from the [OSIDE] side of [B] to the [SIDE] side
    | i'm tired of [A] [being] [OPP] | i am not happy with [A] [OPP] | i am not a fan of [A] [OPP]
    | it was a mistake to put [A] [OPP], [fix] | my eyes hurt when [A] [is] [OPP] | avoid [A] [being] [OPP]
    | let [A] leave the [OSIDE] of [B] and go to [other] | the opposite of [A] [OPP] is what i want
    | not with [A] [OPP], the reverse please | can you make [A] not [be] [OPP] ?
    | could you keep [A] from [being] [OPP] ? | make sure [A] is not [OPP] | i never asked for [A] [OPP]
    | how terrible that [A] [is] [OPP] | what a pity that [A] [is] [OPP] | it's [wrong] to have [A] [OPP]
    | nobody likes [A] [being] [OPP] | i refuse to see [A] [OPP] | we can't have [A] [OPP]
    | having [A] [OPP] is not an option | please, not [A] [OPP], [fix] | 2*i don't want to see [A] [OPP]
    | [A] is not supposed to be [OPP] | [A] shouldn't stay [OPP] anymore | the table looks nicer without [A] [OPP]
    | [A], leave the [OSIDE] of [B] | the current place of [A], [OPP], is unacceptable
    | [A] is [OPP] and i [nolike] it | [A] is [OPP] and i [nolike] it, [fix]
    | i [nolike] where [A] is, [OPP], [fix] | i [nolike] the place of [A] because it is [OPP]
    | i'd like [A] anywhere but [OPP], say [RELIT] | i [nolike] the way [A] [is] [OPP]
    | [A] needs to leave its place [OPP], [fix] | let [A] not [be] [OPP] but [RELIT]
    | remove [A] from the [OSIDE] of [B], [fix] | undo the placing of [A] [OPP]
    | [A] has nothing to do [OPP], [fix] | rather than [OPP], [A] should be [RELIT]
    | instead of [OPP], [A] should be [RELIT]"""
"""Complaints about where the ball is: it has to get to the opposite side. Inside, `[OPP]` is the unwanted side."""

DISLIKE_WORDS = {
    "hate": """6*i dislike | 5*i hate | 3*i don't like | 2*i detest | 2*i can't stand | i loathe | i resent
        | i do not like | i really dislike | i despise | we dislike | we hate | i object to | everyone hates
        | my boss dislikes | i strongly dislike | i regret | i abhor""",
    "bad": """3*it bothers me | 2*it annoys me | it's annoying | it's bad | it is wrong | i'm unhappy
        | i'm not happy | it upsets me | i'm sad | it irritates me | it's a shame | it disturbs me | i'm annoyed
        | i am displeased | it makes me unhappy | i am fed up | it's a problem | it bugs me | it frustrates me
        | it's unpleasant | i complain | it is not ok | i'm not satisfied | it's not good | i am disappointed""",
    "badly": """bothers me | annoys me | i dislike | i hate | is wrong | looks bad | is not what i want
        | upsets me | makes me unhappy | drives me crazy""",
    "nolike": """3*don't like | 2*dislike | hate | can't stand | do not like | don't enjoy | disapprove of
        | am sick of | am not fond of""",
    "hates": "hates | dislikes | can't stand | doesn't like | complains about",
    "wrong": "wrong | bad | ugly | odd | out of place | terrible | strange | awful | misplaced",
    "mad": "mad | sad | unhappy | angry | upset | annoyed | worried | nervous | furious",
    "other": """4*the other side | 3*the opposite side | the reverse side | the opposite spot | the other end
        | the contrary side | the [SIDE]""",
    "fix": """3*move it to [other] | 2*push it to [other] | please move it to [other] | [v] it to [other]
        | please [v] it to [other] | fix it by moving it to [other] | put it on [other]
        | can you move it to [other] | could you [v] it to [other] | fix that | please change that | reverse it
        | it should be on [other] | i want it on [other] | i want the opposite | make it the opposite
        | change it to the opposite | it belongs on [other] | it needs to go to [other] | swap its side
        | do the opposite | bring it to [other] | let it go to [other] | send it to [other]
        | please put it on [other] | i'd prefer it on [other] | take it to [other] | [v] it [RELIT]
        | it should be [RELIT] | please put it [RELIT] | i'd prefer it [RELIT] | move it [RELIT] instead
        | let it be [RELIT]""",
    "lie": "4*sit | 3*lie | 3*rest | 3*stand | 3*stay | 2*remain | end up | land | settle | hang around",
}
"""Words of complaint; `fix` sends the ball to the other side."""

MOVE_CORES = {
    "imp": """30*[v] [A] [MV] | 6*[mb] [v] [A] [MV] | 4*[v] [A] [ma] [MV] | 4*[v] [A] [MV] [ma]
        | 4*get [A] to [go] [MV] | 4*make [A] [go] [MV] | 3*have [A] [go] [MV] | 4*let [A] [go] [MV]
        | 4*give [A] a [pushn] [MV] | 2*take [A] and [v] it [MV] | [MV], [v] [A] | cause [A] to [go] [MV]
        | 2*bring [A] [MV] | find [A] and [v] it [MV] | 2*change the position of [A] by moving it [MV]
        | choose [A] and [v] it [MV] | help [A] [go] [MV] | touch [A] so that it [goes] [MV]
        | apply a [pushn] to [A] so it [goes] [MV] | [v] [A] so that it [goes] [MV] | start [A] rolling [MV]
        | set [A] in motion [MV] | hit [A] so that it [goes] [MV] | make sure [A] [goes] [MV] | 8*[special]
        | pick [A] and [v] it [MV]""",
    "inf": """6*[A] to [go] [MV] | 2*[A] to be [vd] [MV] | [A] to get a [pushn] [MV] | [A] to end up [more]
        | [A] to come [MV]""",
    "np": """4*[A] [going] [MV] | 2*[A] [go] [MV] | [A] [vd] [MV] | a [pushn] of [A] [MV] | [A] being [vd] [MV]
        | [A] [more]""",
    "clause": """6*[A] [goes] [MV] | 2*[A] gets [vd] [MV] | [A] is [vd] [MV] | [A] ends up [more]
        | [A] gets a [pushn] [MV] | it is [A] that [goes] [MV]""",
    "subj": "5*[A] [went] [MV] | [A] were [more] | [A] got [vd] [MV] | you [vp] [A] [MV] | [A] was [vd] [MV]",
    "base": "6*[A] [go] [MV] | 2*[A] be [vd] [MV] | [A] get [vd] [MV] | [A] be [more]",
    "ger": """6*[vg] [A] [MV] | [mb] [vg] [A] [MV] | [vg] [A] [MV] [ma] | making [A] [go] [MV]
        | giving [A] a [pushn] [MV] | letting [A] [go] [MV]""",
    "say": """5*[A] [should] [go] [MV] | 3*[A] [should] be [vd] [MV] | 2*[A] [should] be [more] | [A] [goes] [MV]
        | [A] was [vd] [MV] | [A] is being [vd] [MV] | someone [vp] [A] [MV] | you [vp] [A] [MV]
        | the robot is [vg] [A] [MV] | can [A] [go] [MV] ? | could [A] [go] [MV] ? | can [A] be [vd] [MV] ?
        | is [A] [going] [MV] ? | [A] is [going] [MV] | watch [A] [go] [MV] | [A] has to be [more] | [A], go [MV]
        | why doesn't [A] [go] [MV] ? | there is more room for [A] when it [goes] [MV]
        | [A] stays too still, [v] it [MV] | [MV] with [A] | [A] is not far enough, [v] it [MV] | 4*[A] is [TOO]
        | 3*[A] is [TOO], [movefix] | 2*[hate] that [A] is [TOO] | [A] sits [TOO], [movefix]
        | 2*[bad] that [A] is [TOO] | i think [A] is [TOO] | [A] looks [TOO], [movefix]
        | don't push [A] [OMV], [v] it the opposite way | i don't want [A] to go [OMV] but the opposite way
        | [A] must not [go] [OMV], it should [go] the other way | not [OMV], [v] [A] [MV]
        | [v] [A] [MV], not [OMV] | instead of [OMV], [A] should [go] [MV] | i dislike where [A] is, [v] it [MV]
        | [A] blocks me, [v] it [MV] | i don't like the place of [A], please [v] it [MV]
        | [A] is in the way, [v] it [MV] | where should [A] go ? [MV]""",
}
"""Cores of a single move: ball A goes in a direction, no reference ball."""

MOVE_WORDS = {
    "movefix": """fix that | [v] it [MV] | please [v] it [MV] | can you [v] it [MV] | move it the other way
        | bring it [MV] | move it a bit [MV]""",
    "special.left": """left-shift [A] | give [A] some leftward motion | let [A] have a position more to the left
        | [v] [A] and keep going left""",
    "special.right": """right-shift [A] | give [A] some rightward motion
        | let [A] have a position more to the right | [v] [A] and keep going right""",
    "special.behind": """3*back [A] up | 2*reverse [A] | 2*send [A] back | 2*push [A] away | retreat [A]
        | withdraw [A] | make [A] retreat | make [A] back off | increase the distance between you and [A]
        | let [A] step back | make room in front by moving [A] back | distance [A] from me""",
    "special.front": """3*advance [A] | 3*bring [A] forward | 2*bring [A] closer | 2*pull [A] toward you
        | pull [A] closer | make [A] advance | draw [A] nearer | let [A] approach you | let [A] come to me
        | bring [A] to me | make [A] come closer | reduce the distance between you and [A] | let [A] step forward""",
    "more.left": """further left | more to the left | a bit more to the left | further to the left | farther left
        | closer to the left edge""",
    "more.right": """further right | more to the right | a bit more to the right | further to the right
        | farther right | closer to the right edge""",
    "more.behind": """further back | farther back | further away | farther from you | more to the back
        | farther from me | closer to the back wall""",
    "more.front": """further forward | closer to you | closer to me | nearer | further ahead | more to the front
        | nearer to the viewer""",
}
"""Phrases of a single move that depend on its direction."""

OPENERS = """to make me happy, | to win the game, | in order to finish, | i hate to bother you, but
    | sorry to ask, but | if it is not too much trouble, | as the next step, | for a better view,
    | one more thing: | without further ado, | for the sake of order, | as you wish, | by the way,
    | from my point of view, | if you have a second, | whenever you can, | hey, | hello, | hi, | hey robot,
    | robot, | dear robot, | ok, | okay, | alright, | well, | so, | listen, | now, | excuse me, | sorry, | please,
    | next, | first of all, | hmm, | look, | my friend, | assistant, | if you don't mind, | if possible,
    | if you can, | to tidy up, | for my game, | honestly, | actually, | for the demo, | for the experiment,
    | attention: | instruction: | command: | request: | quick task: | as a favor, | when you are ready,
    | before we leave, | just for fun, | at this moment, | in this scene, | on this table, | to be honest,
    | you know what ?"""
TAILS = """5*please | 3*, please | 2*for me | now | right now | 2*, thanks | 2*, thank you | if you can
    | if possible | , would you | , ok | as soon as possible | when you have time | at your convenience
    | on the table | at once | , i beg you | immediately | today | for a moment | , my friend | , robot
    | because i need some space | because it looks better | so the table looks tidy
    | since i like it better that way | for the photo | to make the scene neat | to help me
    | , that would be great | , it would help me a lot | as quickly as you can | , carefully | before i leave
    | without touching the others | , leave the rest alone | , i would appreciate it | if you don't mind
    | for my experiment | if it isn't there yet | because i said so | , tell me when it is done | , nothing else
    | , that's all i ask | in this scene | so that i'm happy | as a first step"""
"""Words around a finished sentence that do not change its goal."""
