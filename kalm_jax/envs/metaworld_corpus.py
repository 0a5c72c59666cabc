"""Plain text about Meta-world's tasks: what walls, lids, locks and coffee machines are, and what a wish comes to.

It is what the small language model is taught by text alone, besides rollouts, and plays the part of a large model's
knowledge of words. No state or action is in it, and no sentence of an evaluation level or of validation: a wording that
`metaworld_language.split_of` assigns to one is drawn anew. A document is a line in one of these shapes:

    {wording} means {plain offline wording} .          {wording} same as {another wording} .
    {wording} => {short goals}                         {fact} .

A short goal says in two or three words what is to be done ("open faucet"). Those of the data's tasks have rollouts; the
unseen tasks come to them where they can ("push the puck past the wall" -> "push puck"), else to one of their own.
"""

from __future__ import annotations

import functools

import numpy as np

from kalm_jax.envs import metaworld_language as language
from kalm_jax.envs.metaworld_goals import FAMILIES, make_goal
from kalm_jax.envs.metaworld_tasks import LEVEL_TASKS

ALLOWED_SPLITS = (None, "offline")
"""What `metaworld_language.split_of` may say of a written sentence."""
MAX_TRIES = 200

PLANS: dict[str, tuple[str, ...]] = {
    "reach": ("reach target",),
    "push": ("push puck",),
    "pick-place": ("lift puck",),
    "button-press": ("press button",),
    "door-unlock": ("unlock door",),
    "door-open": ("open door",),
    "window-open": ("open window",),
    "faucet-open": ("open faucet",),
    "coffee-push": ("push mug",),
    "coffee-button": ("start machine",),
    "reach-wall": ("reach target",),
    "push-wall": ("push puck",),
    "pick-place-wall": ("lift puck",),
    "button-press-wall": ("press button",),
    "door-lock": ("lock door",),
    "door-close": ("close door",),
    "window-close": ("close window",),
    "faucet-close": ("close faucet",),
    "make-coffee": ("push mug", "start machine"),
    "locked-door-open": ("unlock door", "open door"),
    "hammer": ("hammer nail",),
    "soccer": ("push ball",),
}
"""Task -> the short goals that it comes to, one after the other."""
_STEPS = {steps[0]: task for task, steps in PLANS.items() if len(steps) == 1 and not task.endswith("-wall")}

_PLACE = ("target", "goal", "marked place", "mark", "goal position", "target point", "place i chose", "chosen place")
_PUCK = ("puck", "disk", "round piece", "block", "flat cylinder", "item on the table", "piece", "token")
_HAND = ("hand", "gripper", "robot's hand", "tool", "end effector", "fingers", "grasper")
_DOOR = ("door", "safe", "safe's door", "vault", "cabinet", "strongbox", "cupboard door", "lid of the safe")
_LOCK = ("lock", "latch", "bolt", "catch", "door lock", "fastening")
_WINDOW = ("window", "pane", "glass", "sash", "window pane", "sliding window")
_FAUCET = ("faucet", "tap", "water tap", "spigot", "valve", "spout")
_MUG = ("mug", "cup", "coffee cup", "coffee mug", "beaker", "tumbler")
_MACHINE = ("coffee machine", "coffee maker", "brewer", "espresso machine", "coffee robot")
_BUTTON = ("button", "knob", "switch", "push button", "key", "buzzer")
_BALL = ("ball", "soccer ball", "football", "round ball")
_NAIL = ("nail", "pin", "spike", "peg")

_ACTS: dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]] = {
    "reach": (
        (
            *("move the {0} to the {1}", "bring the {0} to the {1}", "go to the {1}", "reach the {1}"),
            *("put the {0} at the {1}", "touch the {1} with the {0}", "take the {0} over to the {1}", "get to the {1}"),
            *("send the {0} to the {1}", "place the {0} at the {1} without any object", "approach the {1}"),
            *("hover at the {1}", "stretch out the {0} to the {1}", "let the {0} arrive at the {1}"),
        ),
        (_HAND, _PLACE),
    ),
    "push": (
        (
            *("push the {0} to the {1}", "slide the {0} to the {1}", "shove the {0} over to the {1}"),
            *("nudge the {0} along the table to the {1}", "move the {0} on the table to the {1}"),
            *("get the {0} to the {1} without lifting it", "guide the {0} over the table to the {1}"),
            *("make the {0} slide to the {1}", "sweep the {0} to the {1}", "drag the {0} along the table to the {1}"),
        ),
        (_PUCK, _PLACE),
    ),
    "pick-place": (
        (
            *("pick up the {0} and put it at the {1}", "grasp the {0} and bring it up to the {1}"),
            *("lift the {0} to the {1}", "take the {0} and carry it to the {1}", "raise the {0} up to the {1}"),
            *("grab the {0} and hold it at the {1}", "carry the {0} through the air to the {1}"),
            *("seize the {0} and lift it", "fetch the {0} up from the table", "hold the {0} up in the air at the {1}"),
        ),
        (_PUCK, _PLACE),
    ),
    "button-press": (
        (
            *(
                "press the {0}",
                "push the {0} in",
                "push down on the {0}",
                "hit the {0}",
                "poke the {0}",
                "click the {0}",
            ),
            *(
                "use the {0}",
                "press the {0} on the box",
                "make the {0} go in",
                "give the {0} a push",
                "trigger the {0}",
            ),
        ),
        (_BUTTON,),
    ),
    "door-unlock": (
        (
            *("unlock the {0}", "undo the {1} of the {0}", "turn the {1} so that the {0} is free", "open the {1}"),
            *("release the {1}", "unbolt the {0}", "unlatch the {0}", "make the {0} no longer locked"),
            *("unfasten the {1}", "turn the {1} to unlock the {0}", "let the {1} go free"),
        ),
        (_DOOR, _LOCK),
    ),
    "door-open": (
        (
            *("open the {0}", "pull the {0} open", "swing the {0} open", "pull the handle of the {0}"),
            *("make the {0} open", "draw the {0} open", "get the {0} open", "pull on the {0} until it is wide open"),
            *("let me look into the {0}", "give access to the {0}"),
        ),
        (_DOOR,),
    ),
    "window-open": (
        (
            *("open the {0}", "slide the {0} open", "push the {0} to the side", "let air in by the {0}"),
            *("move the {0} aside", "get the {0} open", "make the {0} open", "let fresh air in through the {0}"),
            *("air the room by opening the {0}",),
        ),
        (_WINDOW,),
    ),
    "faucet-open": (
        (
            *("open the {0}", "turn on the {0}", "turn the {0} on", "let water come from the {0}", "start the {0}"),
            *("make water flow from the {0}", "get the {0} to run", "twist the {0} open", "turn the lever of the {0}"),
            *("give me water from the {0}", "switch the {0} on"),
        ),
        (_FAUCET,),
    ),
    "coffee-push": (
        (
            *("push the {0} to the {1}", "shove the {0} under the {1}", "slide the {0} to the {1}"),
            *("put the {0} below the {1} by pushing it", "move the {0} over to the {1}", "bring the {0} to the {1}"),
            *("get the {0} ready at the {1}", "nudge the {0} up to the {1}", "stand the {0} under the {1}"),
        ),
        (_MUG, _MACHINE),
    ),
    "coffee-button": (
        (
            *("press the {1} of the {0}", "start the {0}", "turn on the {0}", "switch the {0} on", "make the {0} run"),
            *("push the {1} on the {0}", "set the {0} going", "hit the {1} of the {0}", "let the {0} brew"),
            *("activate the {0} by its {1}",),
        ),
        (_MACHINE, _BUTTON),
    ),
    "door-lock": (
        (
            *("lock the {0}", "turn the {1} so that the {0} is locked", "close the {1} of the {0}", "bolt the {0}"),
            *("latch the {0}", "fasten the {1}", "secure the {0} by its {1}"),
        ),
        (_DOOR, _LOCK),
    ),
    "door-close": (
        (
            *("close the {0}", "push the {0} shut", "shut the {0}", "swing the {0} to", "make the {0} closed"),
            *("push the {0} back into its frame",),
        ),
        (_DOOR,),
    ),
    "window-close": (
        (
            *(
                "close the {0}",
                "slide the {0} shut",
                "shut the {0}",
                "push the {0} back",
                "keep the air out by the {0}",
            ),
            *("make the {0} closed",),
        ),
        (_WINDOW,),
    ),
    "faucet-close": (
        (
            *("close the {0}", "turn off the {0}", "stop the water of the {0}", "shut the {0}", "turn the {0} back"),
            *("let the {0} no longer run", "switch the {0} off"),
        ),
        (_FAUCET,),
    ),
    "hammer": (
        (
            *("hammer the {0} in", "drive the {0} into the wood", "hit the {0} with the hammer"),
            *("take the hammer and beat the {0} in", "knock the {0} in with the hammer"),
        ),
        (_NAIL,),
    ),
    "soccer": (
        (
            *("kick the {0} into the goal", "push the {0} into the net", "score with the {0}", "shoot the {0} in"),
            *("roll the {0} into the goal", "bring the {0} into the net"),
        ),
        (_BALL,),
    ),
    "make-coffee": (
        (
            *("make coffee", "brew a coffee", "push the {0} to the {1} and then start it", "get me a coffee"),
            *("fill the {0} with coffee", "put the {0} under the {1} and then press its button"),
        ),
        (_MUG, _MACHINE),
    ),
    "locked-door-open": (
        (
            *("open the {0} that is locked", "unlock the {0} , then open it", "turn the {1} and pull the {0} open"),
            *("open the {1} first and then the {0}", "get the locked {0} open"),
        ),
        (_DOOR, _LOCK),
    ),
}
"""Task -> ways to say what is to be done, and the words that fill them."""
_BEHIND = ("{} behind the wall", "{} past the wall", "reach over the wall and {}", "{} , a wall is in the way")
"""What makes a task with a wall of the same task without one."""
_WALL = {
    "reach-wall": "reach",
    "push-wall": "push",
    "pick-place-wall": "pick-place",
    "button-press-wall": "button-press",
}

_FRAMES = (
    *("{}",) * 4,
    *("please {}", "could you {}", "would you {}", "i want you to {}", "you should {}", "try to {}", "now {}"),
    *("i need you to {}", "the robot has to {}", "it is time to {}", "{} , please", "i would like you to {}"),
    *("go and {}", "help me to {}", "i ask you to {}", "can you {} for me", "your job is to {}"),
)

_FACTS = (
    *("a faucet is a tap , water comes out of it when it is open", "a tap that is closed gives no water"),
    *("a lock holds a door shut , so unlock it before you open it", "a bolt is a lock", "a latch is a lock"),
    *("close is the opposite of open", "lock is the opposite of unlock", "off is the opposite of on"),
    *("a window slides to the side", "fresh air comes in through an open window", "a pane is the glass of a window"),
    *("a coffee machine fills a mug that stands below it", "press the button of a coffee machine and it makes coffee"),
    *("coffee needs a mug under the machine and then its button", "a mug is a cup", "a brewer is a coffee machine"),
    *("behind a wall there is the same thing as without a wall", "go over the wall , then do the same"),
    *("a wall stands in the way , go round it or over it", "a safe has a door with a handle"),
    *("to push is to move along the table", "to lift is to take up from the table", "a puck is a small disk"),
    *("a hammer drives a nail in", "a soccer ball goes into the goal", "a knob is a button", "a switch is a button"),
    *("to reach is to move the hand and nothing else", "the hand of the robot is its gripper"),
)


def plan(family: int, goal: np.ndarray | None = None) -> str:
    """The short goals of a task (by its index), joined by " and "; `goal` is not read."""
    del goal
    return " and ".join(PLANS[FAMILIES[family]])


def read_plan(text: str) -> list[tuple[str, int, tuple[float, ...]]]:
    """The short goals of a plan: (words, task's index, goal's 12 numbers) each; [] where the text is no plan."""
    steps = []
    for words in (part.strip() for part in text.split(" and ")):
        if words not in _STEPS:
            return []
        task = _STEPS[words]
        steps.append((words, FAMILIES.index(task), tuple(make_goal(task).tolist())))
    return steps


def task_of_words(text: str) -> str | None:
    """The one task of the data whose short goal's words all stand in a text, whichever words fill it; None if several.

    "please shut the tap" has none, "open the faucet please" is "faucet-open".
    """
    said = set(text.lower().split())
    found = [task for task in LEVEL_TASKS["offline"] if set(" ".join(PLANS[task]).split()) <= said]
    return found[0] if len(found) == 1 else None


def wording(rng: np.random.Generator, task: str) -> str:
    """A random sentence that asks for a task, none of an evaluation level or of validation."""
    for _ in range(MAX_TRIES):
        acts, slots = _ACTS[_WALL.get(task, task)]
        act = acts[rng.integers(len(acts))].format(*(words[rng.integers(len(words))] for words in slots))
        if task in _WALL:
            act = _BEHIND[rng.integers(len(_BEHIND))].format(act)
        text = _FRAMES[rng.integers(len(_FRAMES))].format(act)
        if language.split_of(text) in ALLOWED_SPLITS:
            return text
    raise RuntimeError(f"{MAX_TRIES} wordings of {task} were all evaluation sentences; widen `_ACTS`")


def sample_plan(rng: np.random.Generator) -> tuple[str, str]:
    """A random wording of a random task, and its short goals."""
    task = FAMILIES[rng.integers(len(FAMILIES))]
    return wording(rng, task), " and ".join(PLANS[task])


@functools.cache
def _plain(task: str) -> tuple[str, ...]:
    return tuple(s.text for s in language.sentences("offline") if s.family == task)


def sample_document(rng: np.random.Generator) -> str:
    """One line of text; see the module's first lines."""
    if rng.random() < 0.15:
        return f"{_FACTS[rng.integers(len(_FACTS))]} ."
    task = FAMILIES[rng.integers(len(FAMILIES))]
    said, plain = wording(rng, task), _plain(task)
    draw = rng.random()
    if plain and draw < 0.5:
        return f"{said} means {plain[rng.integers(len(plain))]} ."
    if draw < 0.75:
        return f"{said} same as {wording(rng, task)} ."
    return f"{said} => {' and '.join(PLANS[task])}"
