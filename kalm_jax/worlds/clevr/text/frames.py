"""The sentence patterns of the pretraining text: cores that say what should hold, and frames that ask for it.

A core is written in one of several grammatical styles (imperative, infinitive, clause, ...) for each family of goals; a
frame of the same style wraps it: "could you [core]" goes with every imperative, be it about one relation, a conjunction
or a line. Notation as in `kalm_jax.worlds.clevr.text.words`; `[core]` is the wrapped core.
"""

from __future__ import annotations

FRAMES = {
    "imp": """60*[core] | 10*[would] you [mod] [core] | 8*please [core] | 5*i [want] you to [core]
        | 3*[itbe] [good] to [core] | 2*[your] [job] is to [core] | 2*[wonder] if you could [core]
        | 2*[wonder] if you'd [core] | 2*[who] wants you to [core] | [who] told me to [core]
        | [who] asked me to [core] | [who] says you should [core] | 2*[dutiful] to [core]
        | don't hesitate to [core] | it wouldn't hurt to [core] | can't you [core] | couldn't you [core]
        | won't you [core] | won't you please [core] | why wouldn't you [core] | all you have to do is [core]
        | all i ask is that you [core] | you'd make me happy if you would [core] | you would help me if you [core]
        | nothing fancy, simply [core] | the trick is to [core] | there is nothing left but to [core]
        | i can't wait for you to [core] | i need somebody to [core] | we might as well [core]
        | i trust you to [core] | i'm asking you to [core] | it can't be hard to [core] | no rush, but [core]
        | i don't care how, just [core] | i don't mind how you do it, [core] | [reason], so [core]
        | 2*since [fact], [core] | as [fact], [core] | because [fact], [core] | if [fact], [core]
        | before [event], [core] | after [event], [core] | when [event] starts, [core] | for [event], [core]
        | [fact]. [core] | [fact], so please [core] | [fact], [core] | only after you [core] will i be happy
        | do [core] | first, [core] | step one: [core] | 1. [core] | order: [core] | say, could you [core]
        | any chance you could [core] | any chance you'd [core] | is there a way to [core]
        | i'd be [happy] if you would [core] | it would be kind of you to [core] | what would it take to [core]
        | have someone [core] | i dare you to [core] | you are hereby asked to [core] | your turn: [core]
        | the assignment: [core] | mind that you [core] | it'd be [good] to [core] | my wish: [core]
        | my order: [core] | 4*please [core] | 3*can you [core] | 3*could you [core] | 2*would you [core]
        | 2*will you [core] | 2*can you please [core] | 2*could you please [core] | would you please [core]
        | could you kindly [core] | kindly [core] | 3*help me [core] | 2*help me to [core] | can you help me [core]
        | could you help me [core] | please help me [core] | help us [core] | would you help me [core]
        | 2*i want you to [core] | 2*i need you to [core] | 2*i would like you to [core] | i'd like you to [core]
        | i'd love you to [core] | we need you to [core] | i ask you to [core] | i order you to [core]
        | i am asking you to [core] | your task is to [core] | your job is to [core] | your goal is to [core]
        | the task is to [core] | the goal is to [core] | the mission is to [core] | 2*try to [core]
        | you should [core] | you must [core] | you have to [core] | you need to [core] | you can [core]
        | you may [core] | it is time to [core] | let's [core] | let us [core] | go and [core]
        | go ahead and [core] | now [core] | just [core] | i want to [core] | i need to [core]
        | i would like to [core] | i am trying to [core] | we have to [core] | we want to [core]
        | do me a favor and [core] | would it be possible to [core] | is it possible to [core]
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
    "inf": """10*i [want] [core] | 3*[itbe] [good] for [core] | 2*[who] wants [core] | [who] would like [core]
        | 8*i want [core] | 6*i would like [core] | 4*i'd like [core] | 4*i need [core] | 3*we want [core]
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
    "np": """6*[core], please | 4*i [want] [core] | 4*i [want] to see [core] | 2*[core], that's my wish
        | [core], that is what i want | 2*[core] would be [good] | 2*[core] is what i want | [core] is the goal
        | [core], thanks | [core] makes me [happy] | [who] wants to see [core] | [who] loves [core]
        | how [good] [core] would be | how nice it would be with [core] | [itbe] [good] to see [core]
        | [itbe] [good] to have [core] | may i see [core] | could i see [core] | can i have [core]
        | could we have [core] | i'd be [happy] with [core] | i'd be [happy] to see [core] | my dream: [core]
        | my wish is [core] | next: [core] | the order of the day is [core]
        | nothing would please me more than [core] | nothing is better than [core] | there's nothing like [core]
        | i can't live without [core] | i can't be happy without [core] | what about [core] | how about [core]
        | we need [core] | i vote for [core] | please give me [core] | i'd pay to see [core]
        | 5*i want to see [core] | 4*i'd like to see [core] | 3*i would like to see [core]
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
    "clause": """3*please see to it that [core] | 2*i'd be [happy] when [core] | i'm [happy] when [core]
        | [who] is [happy] when [core] | [itbe] [good] that [core] | 2*[who] likes it when [core]
        | [who] says that [core] | [who] wants to be sure that [core] | the picture is nice when [core]
        | i need to know that [core] | it's not finished until [core] | it is not over until [core]
        | i won't be happy until [core] | i can't sleep until [core] | don't rest until [core]
        | nothing is right unless [core] | i want nothing more than that [core]
        | it doesn't matter how, as long as [core] | [core], that's how i want it | [core], that's what i want
        | [core], please see to it | [core] in my plan | my horoscope says [core] | rule one: [core]
        | i decided that [core] | it has been decided that [core] | from now on [core] | 5*make sure [core]
        | 5*make sure that [core] | 3*see to it that [core] | 3*ensure [core] | 4*ensure that [core]
        | 2*check that [core] | 2*i need it so that [core] | the goal is that [core] | 2*arrange it so that [core]
        | 2*arrange things so that [core] | change the scene so that [core] | 2*do something so that [core]
        | work until [core] | don't stop until [core] | keep pushing until [core] | i will be happy when [core]
        | i'm happy when [core] | i like it when [core] | i love it when [core] | i prefer it when [core]
        | it is nice when [core] | it looks best when [core] | the task is done when [core]
        | you are done when [core] | stop when [core] | i want a scene where [core]
        | i'd like a picture in which [core] | create a situation where [core] | reach a state in which [core]
        | in the end [core] | in the target layout [core] | 5*[core] | the result should be that [core]
        | act so that [core] | it's important that [core] | please make sure [core] | can you make sure that [core]
        | could you make sure [core] | can you ensure that [core] | i want to be sure that [core]
        | my hope is that [core] | i hope that [core] | i hope [core] | let it be true that [core]
        | imagine that [core] | finally [core] | organize the table such that [core] | fix the table so that [core]
        | push things around until [core] | be certain that [core] | things are good when [core]
        | the plan is that [core] | everything is fine once [core] | i'd be satisfied once [core]
        | how can we make sure [core] | confirm that [core] | guarantee that [core] | take care that [core]
        | get it to the point where [core]""",
    "subj": """4*[itbe2] [good] if [core] | 2*i'd be [happy] if [core] | 2*i would be [happy] if [core]
        | 2*[who] would be [happy] if [core] | [who] wishes [core] | i wouldn't mind if [core]
        | i would not mind if [core] | it wouldn't hurt if [core] | if [core], that would be [good]
        | if [core], i'd be [happy] | what if [core]? make it so | [wonder] if it could be that [core]
        | wouldn't it be [good] if [core] | it'd be [good] if [core] | 6*i wish [core] | 3*i wish that [core]
        | 3*if only [core] | 4*it would be great if [core] | 4*it would be nice if [core]
        | 2*it would be better if [core] | 2*i would be happy if [core] | 2*i'd be happy if [core]
        | i'd be glad if [core] | 2*i would like it if [core] | 2*i'd love it if [core]
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
    "base": """2*[who] insists that [core] | [who] demands that [core] | it's important that [core]
        | it is only right that [core] | [itbe] [good] that [core] | 8*let [core] | 3*have [core] | 6*make [core]
        | 2*i demand that [core] | 2*i insist that [core] | 2*i request that [core] | i ask that [core]
        | may [core] | 2*i suggest that [core] | i recommend that [core] | i propose that [core]
        | i'd rather have [core] | please let [core] | please make [core] | could you let [core]
        | could you make [core] | can you make [core] | can you have [core] | i would have [core]
        | you must make [core] | help me make [core] | try to make [core] | i want to make [core]
        | i want to let [core] | it is vital that [core] | it is essential that [core]
        | the rules demand that [core] | it is required that [core] | let's make [core] | help me have [core]
        | i'll let [core] | watch [core] | i want to see [core] | i order that [core] | would you let [core]
        | would you make [core] | it is preferred that [core] | do let [core]""",
    "ger": """3*how would you feel about [core] | i'd be [happy] with you [core]
        | 2*[itbe2] [good] to see you [core] | [who] suggests [core] | there's no way around [core]
        | i can't wait to see you [core] | i don't mind you [core] | you can't go wrong with [core]
        | nothing beats [core] | 5*how about [core] | 3*would you mind [core] | 3*what about [core] | 2*try [core]
        | start [core] | 3*your task is [core] | 2*i would appreciate you [core] | 2*consider [core]
        | think about [core] | focus on [core] | 2*i suggest [core] | your job is [core] | the goal is [core]
        | 2*i recommend [core] | do you mind [core] | i'm thinking of [core] | i feel like [core] | begin [core]
        | thanks for [core] | thank you for [core] | 2*can you help with [core] | can you help me with [core]
        | i need help [core] | help me with [core] | please assist in [core] | could you try [core]
        | i'm in favor of [core] | let's try [core] | my plan is [core] | work on [core] | what i need is [core]
        | the next step is [core] | you will be [core] | keep [core] | we are [core] | i am [core]
        | i propose [core] | would you consider [core] | i'm counting on you [core] | i imagine you [core]
        | you could be of help by [core] | make me happy by [core] | do me a favor by [core]
        | fix the table by [core] | i look forward to you [core] | it's worth [core] | there's no harm in [core]
        | i insist on [core] | everyone will be happy with you [core] | go on [core]""",
    "say": "[core]",
}
"""Ways to ask for, wish for or state a core, by the core's grammatical style. "say": the core is a sentence already."""

RELATION_CORES = {
    "imp": """60*[v] [A] [dest] | 3*have [A] [vd] [dest] | 3*get [A] [vd] [dest] | 2*let [A] be [vd] [dest]
        | 2*reserve the place [REL] for [A] | give [A] the spot [REL] | find [A] a place [REL]
        | offer [A] a place [REL] | offer [B] [A] as a [SIDE] neighbor | [v] [A] over, [REL]
        | [v] [A]: its place is [REL] | fill the gap [REL] with [A] | fill the spot [REL] with [A]
        | [v] [A] straight [dest] | let [A] come to rest [REL] | have [A] come to rest [REL]
        | have [A] nearer, [REL] | see [A] [vd] [dest] | give [Bs] [SIDE] to [A] | put [A] at home [REL]
        | hand [Bs] [SIDE] over to [A] | make [Bs] [SIDE] the home of [A] | make [Bs] [SIDE] neighbor [A]
        | complete [Bs] [SIDE] with [A] | [v] [A] and make sure it [is] [REL] | [v] [A]. it belongs [REL]
        | 8*[mb] [v] [A] [dest] | 6*[v] [A] [dest] [ma] | 5*[v] [A] [ma] [dest] | 12*[keepv] [A] [REL]
        | 3*get [A] to [be] [REL] | 5*make [A] [be] [REL] | 2*have [A] [be] [REL] | 5*let [A] [be] [REL]
        | 2*give [A] a [pushn] so that it [is] [REL] | 3*[v] [A] and [keepv] it [REL] | find a place for [A] [REL]
        | see that [A] [is] [REL] | use [B] as a reference and [v] [A] to its [SIDE]
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
    "inf": """10*[A] to [be] [REL] | 2*[A] [vd] [dest] | [A] to find its place [REL] | [A] to come to rest [REL]
        | [A] to live [REL] | 3*[A] to be [vd] [dest] | 2*[A] to [go] [dest] | 2*[A] to move [dest]
        | 2*[B] to have [A] [RELIT] | [A] to stay [REL] | [B] to get [A] [RELIT]
        | [A] to become the [SIDE] neighbor of [B] | [A] to take its place [REL]""",
    "np": """12*[A] [REL] | [A] safely [REL] | [A] sat [REL] | [A] just [REL] | [Bs] [SIDE] taken by [A]
        | [A] on duty [REL] | 3*[A] [being] [REL] | 2*[B] with [A] [RELIT] | 2*[A] placed [REL]
        | [A] positioned [REL] | [A] located [REL] | [A] [vd] [dest] | [A] sitting [REL] | [A] moving [dest]
        | [B] having [A] [RELIT] | [A] in a place [REL] | [A] as the [SIDE] neighbor of [B]""",
    "clause": """10*[A] [is] [REL] | 2*[A] is [REL] | [Bs] [SIDE] is occupied by [A]
        | [Bs] [SIDE] is where [A] [is] | [A] makes its way [dest] | [A] comes [dest] | 2*[B] has [A] [RELIT]
        | 2*[A] [goes] [dest] | 2*[A] gets [vd] [dest] | 2*[A] is [vd] [dest] | [A] can be found [REL]
        | [REL] is [A] | the place [REL] is taken by [A] | [A] has [B] [OPPIT] | 2*it is [A] that [is] [REL]
        | the ball [REL] is [A] | what sits [REL] is [A]""",
    "subj": """8*[A] [were] [REL] | [A] made its way [dest] | [A] could make its way [dest] | [A] came [dest]
        | [A] could be [REL] | [A] could [go] [dest] | [A] lived [REL] | 2*[B] had [A] [RELIT]
        | 2*[A] [went] [dest] | [A] got [vd] [dest] | you [vp] [A] [dest] | someone [vp] [A] [dest]""",
    "base": """8*[A] [be] [REL] | 2*[A] [go] [dest] | 2*[B] have [A] [RELIT] | [A] get [vd] [dest]
        | [A] be [vd] [dest] | 2*[A] [relv]""",
    "ger": """8*[vg] [A] [dest] | 2*[keepger] [A] [REL] | 2*[mb] [vg] [A] [dest] | [vg] [A] [dest] [ma]
        | making [A] [be] [REL] | letting [A] [be] [REL] | getting [A] to [be] [REL]
        | giving [A] a [pushn] so that it [is] [REL] | taking [A] and [vg] it [dest]""",
    "say": """4*[order] | i [want] this order: [order]
        | there are [A] and [B]: the former [should] [be] [to] the latter
        | [A] and [B]: the first [should] [be] [to] the second | take [A] and [B]: put the first [to] the second
        | [A] and [B] - [v] the former [to] the latter | [B] and [A]: the second goes [to] the first
        | [B] and [A]: [v] the latter [to] the former | make [A] and [B] neighbors, [A] [PSIDE]
        | [A] and [B] [should] be neighbors with [A] [PSIDE] | swap [A] and [B] so that [A] [is] [PSIDE]
        | of the two, [A] and [B], the former [should] [be] [PSIDE] | the ball that [should] [be] [REL] is [A]
        | the one that belongs [REL] is [A] | what [should] [be] [REL] is [A]
        | [B] is fine where it is, but [A] [should] [be] [REL]
        | [A] and [B] are side by side in my mind, [A] [PSIDE] | [B] is there, [A] [should] [be] [RELIT]
        | you see [B] ? [RELIT], that's where [A] goes | find [B]. [RELIT], [v] [A] | [B] is here. [v] [A] [RELIT]
        | where is [B] ? [v] [A] [RELIT] | 14*[A] [should] [be] [REL] | 8*[A] [goes] [REL] | 3*[A] goes [REL]
        | 8*[REL], [v] [A] | 4*[REL] [v] [A] | 3*[REL] goes [A] | [REL], please, goes [A] | 3*[REL], [A]
        | 2*[REL]: [A] | 3*[REL], [A] [should] [be] | 2*[REL] [A] [should] [be] [vd] | 2*[REL] you should [v] [A]
        | [REL] you shall [v] [A] | 2*[REL], [mb], [v] [A] | [REL], [mb] [v] [A] | [REL], if you please, [v] [A]
        | 3*[REL] i want [A] | 2*[REL], i want [A] | [REL] i'd like [A] | 2*[REL] is where [A] [should] [be]
        | 2*[REL], that is where [A] belongs | [REL], that's where i want [A] | [REL], that's the place for [A]
        | [REL] is exactly where [A] [should] [be] | [REL] is precisely where [A] should end up
        | [REL] is the new home of [A] | [REL] lies the future of [A] | [REL] is a gap, put [A] there
        | [REL] there is a gap waiting for [A] | [REL] there's a nice empty place, [v] [A] there
        | [REL] is a free spot for [A] | [REL] nobody will notice [A], so put it there | [REL] [A] will look [good]
        | [A] will look [good] [REL] | [A] would look [good] [REL] | [A] looks [good] [REL]
        | [A] feels [happy] [REL] | [A] would be [happy] [REL] | [A] is [happy] only [REL]
        | 2*[A] [should] be [vd] [dest] [by] | [A] is to be [vd] [dest] [by] | 2*[A] is to [be] [REL]
        | [A] is to be found [REL] | [A] was [vd] [dest] [by] | [A] gets [vd] [dest] [by]
        | [A] is being [vd] [dest] [by] | [A] has been [vd] [REL] [by] | [A] has come to rest [REL]
        | [A] now [lie]s [REL] | [REL] is where [A] has come to rest | [REL] is where [A] is now
        | 3*[Bs] [SIDE] is where [A] belongs | 2*[Bs] [SIDE] is the place for [A] | [Bs] [SIDE] needs [A]
        | [Bs] [SIDE] is reserved for [A] | [Bs] [SIDE] is missing [A] | [Bs] [SIDE] misses [A]
        | [Bs] [SIDE] looks empty, give it [A] | [Bs] [SIDE] feels lonely, give it [A] for company
        | [Bs] [SIDE] is empty without [A] | [Bs] [SIDE] is waiting for [A] | [Bs] [SIDE] calls for [A]
        | [Bs] [SIDE] : put [A] there | [Bs] [SIDE]: that's for [A] | [Bs] [SIDE] is free, so [v] [A] there
        | [Bs] [SIDE] [should] be taken by [A] | [Bs] [SIDE] [should] be occupied by [A]
        | the [SIDE] of [B] is where [A] belongs | the [SIDE] of [B] is where i want [A]
        | the [SIDE] of [B] is the right place for [A] | the [SIDE] of [B] needs [A] | the [SIDE] of [B] is for [A]
        | the [SIDE] of [B] is free, [v] [A] there | for [A], the [SIDE] of [B] is best | 2*[A], please, [REL]
        | 2*[A] [REL] please | 2*[A] [REL], and quickly | [A]... [REL] | [A] - [REL] | [A] -> [REL]
        | 2*for [A]: [REL] | as for [A], it [should] [be] [REL] | it's [A] i care about, [v] it [dest]
        | it's [A] that [should] [be] [REL] | it is [A] i want [REL] | the ball i want [REL] is [A]
        | what i want [REL] is [A] | the one [REL] [should] be [A] | the thing [REL] must be [A]
        | you'd find [A] [REL] if things were right | look at [A]: it [should] [be] [REL]
        | speaking of [A], [v] it [dest] | about [A]: [v] it [dest] | [A] first: [v] it [dest]
        | dear [A], [go] [dest] | next to [B], [RELIT], i want [A] | next to [B], [RELIT], [v] [A]
        | near [B], [RELIT], [A] [should] [be] | beside [B], [RELIT], is where [A] belongs
        | [B] first, then [A] [RELIT] | take [B]: [RELIT] [should] be [A] | [B] stays, [A] goes [RELIT]
        | [B] stays put and [A] [should] [be] [RELIT] | [B] is the reference: [v] [A] [RELIT]
        | [B] [should] have [A] [RELIT] | [B] would look [good] with [A] [RELIT] | [B] is lonely, [v] [A] [RELIT]
        | [B] is incomplete without [A] [RELIT] | [B] asks for [A] [RELIT] | [B] deserves [A] [RELIT]
        | i picture [B] with [A] [RELIT] | give [B] a neighbor [RELIT]: [A]
        | who is [RELIT] of [B] ? it [should] be [A] | [B] - [RELIT] - [A] | from [B], [A] should be seen [RELIT]
        | if you stand at [B], [A] [should] be [RELIT] | shouldn't [A] [be] [REL] ?
        | isn't [A] supposed to [be] [REL] ? | couldn't [A] [be] [REL] ? | can't [A] [be] [REL] ?
        | won't [A] [be] [REL] ? | 2*may [A] [be] [REL] ? | isn't it better to have [A] [REL] ?
        | how about [A] [REL] ? | what about [A] [REL] ? | would [A] look [good] [REL] ?
        | wouldn't [A] look [good] [REL] ? | would it be better to have [A] [REL] ? | who could [v] [A] [dest] ?
        | when will [A] [be] [REL] ? | what keeps you from [vg] [A] [dest] ? | why not have [A] [REL] ?
        | why don't we have [A] [REL] ? | what stops [A] from [being] [REL] ?
        | what prevents you from [vg] [A] [dest] ? | has [A] already been [vd] [dest] ? | did you [v] [A] [dest] ?
        | have you [vd] [A] [dest] ? | are you going to [v] [A] [dest] ? | is [A] going to [be] [REL] ?
        | are we sure that [A] [is] [REL] ? | tell me how to [v] [A] [dest] | show me how to [v] [A] [dest]
        | i forgot to [v] [A] [dest] | i failed to [v] [A] [dest], can you ? | i can't [v] [A] [dest], please help
        | i'm unable to [v] [A] [dest], could you ? | i was told that [A] belongs [REL] | [who] [vp] [A] [dest]
        | [who] is [vg] [A] [dest] | [who] has [vd] [A] [dest] | [who] thinks [A] belongs [REL]
        | [who] thinks [A] [should] [be] [REL] | [who] would like to see [A] [REL] | [who] prefers [A] [REL]
        | [who] loves to see [A] [REL] | [who] expects [A] to [be] [REL] | my rule: [A] [REL]
        | [A] was never [REL], [v] it there | i have never seen [A] [REL], show me
        | there's no [A] [REL], [v] it there | no one has [vd] [A] [REL] yet | [A] not [REL] ? [v] it there
        | [A] hasn't been [vd] [dest] yet, do it now
        | 2*[A] [should] [be] [REL], it [should] not [be] anywhere else | [A] [should] [be] nowhere but [REL]
        | let nothing stop [A] from [being] [REL] | no place is better for [A] than [REL]
        | nowhere but [REL] [should] [A] [be] | don't stop until [A] [is] [REL]
        | 2*if [A] were [REL], i'd be [happy] | [A] [REL] or nothing | i won't rest until [A] [is] [REL]
        | never mind the others, [v] [A] [dest] | don't touch [B], just [v] [A] [dest]
        | don't move [B], [v] [A] [dest] | [B] must not move, [A] goes [REL] | use [A], not [B], and [v] it [dest]
        | 2*[REL] please [v] [A] | 3*[A] [should] be [vd] [dest] | 2*[A] [should] [go] [dest] | 2*[A] belongs [REL]
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
        | who can [v] [A] [dest] ? | i'm not satisfied until [A] [is] [REL] | nothing is right until [A] [is] [REL]
        | [A] can't stay there, [v] it [dest] | [A] isn't in its place, which is [REL]
        | i don't like [A] there, [v] it [dest] | i'm bored of the place of [A], let it [be] [REL]
        | [v] [A]. it [should] [be] [REL] | [A] must leave its place and [be] [REL]
        | [A] and [B] are not in the right order, [A] [should] [be] [REL] | [A] is needed [REL]
        | where [A] is now is no good, [v] it [dest] | i can't stand where [A] is, it [should] [be] [REL]
        | your move: [A], [REL] | my heart wants [A] [REL] | in my view [A] [should] [be] [REL]
        | i believe [A] belongs [REL] | in no case forget to [v] [A] [dest]""",
}
"""Cores of a relation: ball A gets to a side of ball B."""

MOVE_CORES = {
    "imp": """50*[v] [A] [MV] | 3*have [A] [vd] [MV] | 3*get [A] [vd] [MV] | 3*[v] [A] over [MV] | 2*[v] [A], [MV]
        | [v] [A] some distance [MV] | [v] [A] a step [MV] | [v] [A] on [MV] | make [A] [more] | get [A] [more]
        | let [A] be [more] | place [A] [more] | put [A] [more] | have [A] [more] | bring [A] [more]
        | let [A] come [MV] | see [A] [go] [MV] | move [A] so it is [more] | [v] [A] until it is [more]
        | [v] [A] so that it's [more] | get [A] [going] [MV] | [v] [A] from its place [MV] | send [A] off [MV]
        | give [A] a [adjm] [pushn] [MV] | nudge [A] one step [MV] | let [A] make a move [MV] | 6*[mb] [v] [A] [MV]
        | 4*[v] [A] [ma] [MV] | 4*[v] [A] [MV] [ma] | 4*get [A] to [go] [MV] | 4*make [A] [go] [MV]
        | 3*have [A] [go] [MV] | 4*let [A] [go] [MV] | 4*give [A] a [pushn] [MV] | 2*take [A] and [v] it [MV]
        | [MV], [v] [A] | cause [A] to [go] [MV] | 2*bring [A] [MV] | find [A] and [v] it [MV]
        | 2*change the position of [A] by moving it [MV] | choose [A] and [v] it [MV] | help [A] [go] [MV]
        | touch [A] so that it [goes] [MV] | apply a [pushn] to [A] so it [goes] [MV]
        | [v] [A] so that it [goes] [MV] | start [A] rolling [MV] | set [A] in motion [MV]
        | hit [A] so that it [goes] [MV] | make sure [A] [goes] [MV] | 8*[special] | pick [A] and [v] it [MV]""",
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
    "say": """3*[v] [A] [amount] [MV] | 2*[v] [A] [MV] by [amount] | 2*[v] [A] [MV] [amount]
        | 2*[A] [should] [go] [amount] [MV] | [A] [should] be [vd] [MV] by [amount] | 10*[A] [should] [go] [MV]
        | 6*[A] [goes] [MV] | 3*[MV], [v] [A] | 2*[MV] [A] [should] [go] | 2*[MV] goes [A] | 2*[MV], [A]
        | 2*[A], [MV] | 2*[A]: [MV] | 2*[A] [MV] please | 2*[A] [MV], please | 2*[A] [should] be [vd] [MV] [by]
        | [A] is to be [vd] [MV] [by] | [A] gets [vd] [MV] [by] | [A] wants to [go] [MV] | [A] longs to [go] [MV]
        | come [MV], [A] | [go] [MV], [A] | [MV] with you, [A] | [MV] ho with [A] | off [MV] with [A]
        | [A] belongs [more] | [A] would look [good] [more] | [A] has to come [MV] | the way for [A] is [MV]
        | [MV] is where [A] [should] [go] | [MV] is the way to go for [A] | the direction for [A] is [MV]
        | [A] -> [MV] | may [A] [go] [MV] ? | shouldn't [A] [go] [MV] ? | won't [A] [go] [MV] ?
        | couldn't [A] [go] [MV] ? | why not [v] [A] [MV] ? | [who] wants [A] [more] | [who] wants [A] to [go] [MV]
        | [who] [vp] [A] [MV] | has [A] been [vd] [MV] ? | should [A] be [vd] [MV] ? | will [A] [go] [MV] ?
        | how far [MV] can [A] [go] ? | as for [A], [v] it [MV] | i want [A] [more] | i'd like [A] [more]
        | i need [A] [more] | i can hardly see [A], [v] it [MV] | there is a free space [MV] of [A], move it there
        | 2*[A] is [TOO], send it [MV] | [A] is [TOO], so [v] it [MV] | why is [A] [TOO] ?
        | [A] is [POSIDE] but i want it [MV] | [A] is [POSIDE], [v] it [MV]
        | i don't like [A] [POSIDE], [v] it [MV] | [A] stands so far [POSIDE], [v] it [MV]
        | 3*[A] [should] be [vd] [MV] | 2*[A] [should] be [more] | [A] [goes] [MV] | [A] was [vd] [MV]
        | [A] is being [vd] [MV] | someone [vp] [A] [MV] | you [vp] [A] [MV] | the robot is [vg] [A] [MV]
        | can [A] [go] [MV] ? | could [A] [go] [MV] ? | can [A] be [vd] [MV] ? | is [A] [going] [MV] ?
        | [A] is [going] [MV] | watch [A] [go] [MV] | [A] has to be [more] | [A], go [MV]
        | why doesn't [A] [go] [MV] ? | there is more room for [A] when it [goes] [MV]
        | [A] stays too still, [v] it [MV] | [MV] with [A] | [A] is not far enough, [v] it [MV] | 4*[A] is [TOO]
        | 3*[A] is [TOO], [movefix] | 2*[hate] that [A] is [TOO] | [A] sits [TOO], [movefix]
        | 2*[bad] that [A] is [TOO] | i think [A] is [TOO] | [A] looks [TOO], [movefix]
        | don't push [A] [OMV], [v] it the opposite way | i don't want [A] to go [OMV] but the opposite way
        | [A] must not [go] [OMV], it should [go] the other way | not [OMV], [v] [A] [MV] | [v] [A] [MV], not [OMV]
        | instead of [OMV], [A] should [go] [MV] | i dislike where [A] is, [v] it [MV] | [A] blocks me, [v] it [MV]
        | i don't like the place of [A], please [v] it [MV] | [A] is in the way, [v] it [MV]
        | where should [A] go ? [MV]""",
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
