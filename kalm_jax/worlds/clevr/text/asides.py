"""Words around a sentence that do not change its goal: politeness, moods, reasons, occasions, calls.

Notation as in `kalm_jax.worlds.clevr.text.words`.
"""

from __future__ import annotations

MODAL_WORDS = {
    "would": "3*can | 3*could | 2*would | 2*will",
    "mod": """8*~ | 3*please | 2*kindly | possibly | just | maybe | perhaps | try to | quickly | at least | somehow
        | help me | now | be so kind as to | go and | manage to""",
    "want": """4*want | 3*would like | 3*'d like | 2*need | 'd love | would love | prefer | would prefer
        | 'd prefer | wish for | expect | really want | only want | hope for""",
    "itbe": "3*it would be | 2*it'd be | it is | it might be | that would be | it would really be | it's | it will be",
    "itbe2": "4*it would be | 2*it'd be | it might be | it would really be | it would also be",
    "good": """3*nice | 3*great | 2*lovely | wonderful | fantastic | awesome | perfect | ideal | better | best
        | helpful | wise | cool | useful | handy | splendid | superb | terrific | marvelous | amazing | sweet
        | neat | good | excellent | fine | grand | brilliant | fabulous | smashing | pretty | delightful
        | beautiful | gorgeous | stunning | elegant | charming | very nice | so good | much better | fun | tidy
        | clever""",
    "happy": """4*happy | 2*glad | pleased | grateful | delighted | thankful | content | satisfied | so happy
        | very happy | overjoyed | thrilled | cheerful | much happier | relieved | obliged | fond of you | proud
        | calm""",
    "mod2": """if possible | if you can | for me | right away | this minute | straight away | quickly | carefully
        | gently | slowly | nicely | now please | please, thank you | [nonce]ly""",
    "your": "your | 2*the | my | our | this",
    "job": """job | task | goal | mission | aim | duty | plan | instruction | idea | objective | request
        | assignment | next step | order | intention | wish | challenge | purpose""",
    "wonder": """i wonder | i was wondering | i'm wondering | we wonder | let me know | i'd like to know | tell me
        | may i ask""",
    "dutiful": """you are asked | you're supposed | you are to try | you're welcome | you are invited
        | it's your turn | it's your job | you're free | it is time | i beg you | kindly agree | be sure""",
    "reason": """[who] is watching | [who] likes it that way | [who] asked for it | i lost a bet
        | i need some space | i can't reach it | my arm hurts | we are short of time | the photo is today
        | it looks better | it's my birthday | the game is on | i promised it | that's the rule""",
    "fact": """[who] is coming | the light is good | the table is messy | we have guests | it is late | i'm busy
        | the floor is clean | the [nounm] is gone | i like order | it is monday | there's enough room
        | the show begins soon | the camera is on | you are so strong | you're a robot | i lost my glasses
        | [who] is away | [who] is here | it rains outside | there are five balls here | the game goes on
        | you have time | you are near | the scene is set | i trust you | the rules say so | we are ready
        | nobody is looking | the day is young | i have a plan""",
    "event": "[event2] | the [event2] | our [event2] | the next [event2] | [whos] [event2]",
    "event2": """photo | game | show | meeting | lesson | party | dinner | lunch | test | demo | break | concert
        | contest | exam | trip | visit | movie | weekend | speech | match""",
    "whos": "my [person]'s | the [person]'s | [person2]'s | everyone's",
}
"""Words of polite requests and of reasons."""

OPENERS = """to make me happy, | 2*[reason], so | 2*since [fact], | as [fact], | because [fact], | if [fact],
        | before [event], | after [event], | for [event], | during [event], | [fact]. | [fact], so | [fact] and
        | what a mess, | pay attention: | mate, | pal, | buddy, | sir, | dear, | darling, | my dear, | listen up:
        | good morning, | good evening, | oh, | ah, | oh well, | oh no, | wait, | quick, | hurry, | ok then,
        | right, so | yes, | hm, | um, | well then, | let me think, | here is my wish: | my wish: | what i want:
        | my plan: | here's the plan: | here we go: | one request: | a small request: | a favor: | a question:
        | the task: | your job: | note: | reminder: | update: | todo: | task 1: | step 1: | goal: | new order:
        | for today: | for once, | this time, | today, | tonight, | later, | if it pleases you,
        | with your permission, | with all due respect, | may i suggest: | if i may, | i say, | i repeat:
        | once again, | again: | like i said, | as i said, | as agreed, | as promised, | as always, | as usual,
        | by all means, | in the name of [nounm], | for the love of [nounm], | thanks to [who],
        | on behalf of [who], | for [who], | says [who]: | [who] says: | message from [who]: | with some [nounm],
        | without [nounm], | with [adjm] [nounm], | in a [adjm] way, | [mb], | [mb] now, | to cheer up [who],
        | to please [who], | to help [who], | to impress [who], | to surprise [who], | hey [nonce], | [nonce],
        | dear [nonce], | of all five balls, | among the balls, | in the picture, | on the table before you,
        | in the middle of the game, | last but not least, | without touching the rest,
        | leaving all else as it is, | the others may stay, but to win the game, | in order to finish,
        | i hate to bother you, but | sorry to ask, but | if it is not too much trouble, | as the next step,
        | for a better view, | one more thing: | without further ado, | for the sake of order, | as you wish,
        | by the way, | from my point of view, | if you have a second, | whenever you can, | hey, | hello, | hi,
        | hey robot, | robot, | dear robot, | ok, | okay, | alright, | well, | so, | listen, | now, | excuse me,
        | sorry, | please, | next, | first of all, | hmm, | look, | my friend, | assistant, | if you don't mind,
        | if possible, | if you can, | to tidy up, | for my game, | honestly, | actually, | for the demo,
        | for the experiment, | attention: | instruction: | command: | request: | quick task: | as a favor,
        | when you are ready, | before we leave, | just for fun, | at this moment, | in this scene,
        | on this table, | to be honest, | you know what ?"""
TAILS = """9*please | 3*[mod2] | 2*because [fact] | since [fact] | 2*before [event] | after [event]
        | during [event] | for [event] | in time for [event] | while [fact] | when [fact] | as [fact] | , [fact]
        | because [reason] | , [reason] | so that [who] can see it | so [who] is happy | , [who] wants it so
        | , as [who] says | , [who] insists | to please [who] | to help [who] | for [who] | for the sake of [who]
        | , mate | , pal | , buddy | , dear | , sir | , darling | , would you kindly | , if you'd be so kind
        | , will you | , if you please | , if it isn't too much trouble | if it's not too much trouble
        | , if you would | , if you could | , if you can manage | , if that's ok | , if that is possible
        | , alright | , won't you | , can you | , could you | , right | , good robot | , it's prettier
        | , it looks [good] | , that looks [good] | , that would be [good] | , i'd be [happy]
        | , it is [good] that way | , it's easy | , nothing more | , no more no less | , that's all
        | , end of story | , you know why | , you'll see why | , cheers | , many thanks | , much appreciated
        | , thanks a lot | , thank you so much | , thank you very much | , thanks in advance | , pretty please
        | with [nounm] | with [adjm] [nounm] | in a [adjm] way | , [mb] | , but [mb] | [mb] | and then rest
        | and then stop | and nothing else | , then we are done | and we're done | and you are done
        | , then take a break | and leave it there | and let it stay there | from now on | for now | for good
        | once and for all | tonight | this time | for once | again | , as before | , as agreed | , as i said
        | , and don't ask why | , no questions asked | , whatever it takes | , however long it takes
        | , take your time | , no hurry | , there's no rush | , make it snappy | , chop chop | , quick
        | , make it so | , do it | , do it now | , got it | , ok robot | , and mind the others
        | without bumping into anything | without moving the others | , the others don't matter
        | , never mind the rest | , not the others | , let the others be | , ignore the rest
        | while the others stay | and keep the others still | using the arm | with the gripper | with your arm
        | on this table | in the picture | 3*, please | 2*for me | now | right now | 2*, thanks | 2*, thank you
        | if you can | if possible | , would you | , ok | as soon as possible | when you have time
        | at your convenience | on the table | at once | , i beg you | immediately | today | for a moment
        | , my friend | , robot | because i need some space | because it looks better | so the table looks tidy
        | since i like it better that way | for the photo | to make the scene neat | to help me
        | , that would be great | , it would help me a lot | as quickly as you can | , carefully | before i leave
        | without touching the others | , leave the rest alone | , i would appreciate it | if you don't mind
        | for my experiment | if it isn't there yet | because i said so | , tell me when it is done
        | , nothing else | , that's all i ask | in this scene | so that i'm happy | as a first step"""
"""Words around a finished sentence that do not change its goal."""
