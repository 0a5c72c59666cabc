"""Plain text about Meta-world's tasks: what walls, lids, locks and coffee machines are, and what a wish comes to.

It is what the small language model is taught by text alone, besides rollouts, and plays the part of a large model's
knowledge of words. Its author had not read the evaluation sentences nor those of validation, and no drawn sentence is
one of them: a wording that `metaworld_language.split_of` assigns to one is drawn anew. No state or action is in it. A
document is a line in one of these shapes:

    {wording} means {plain offline wording} .          {wording} same as {another wording} .
    {wording} => {short goals}                         {fact} .

A short goal says in a few words which thing is to be at the target location, whichever way that is: "open the tap" and
"shut the tap" both come to "faucet to target". The grammar is in `metaworld_corpus_words`, `metaworld_corpus_tasks`,
`metaworld_corpus_unseen` and `metaworld_corpus_frames`.
"""

from __future__ import annotations

import functools
import re

import numpy as np

from kalm_jax.worlds.clevr.text.grammar import Numbers, compile_rules, say
from kalm_jax.worlds.clevr.text.wordings import adorned, tidy, worn
from kalm_jax.worlds.metaworld import instructions as language
from kalm_jax.worlds.metaworld.goals import FAMILIES, FIRST_STAGE, JUDGED, make_goal
from kalm_jax.worlds.metaworld.text import frames
from kalm_jax.worlds.metaworld.text import words as names
from kalm_jax.worlds.metaworld.text.tasks import DATA_TASKS
from kalm_jax.worlds.metaworld.text.unseen import UNSEEN_TASKS

ALLOWED_SPLITS = (None, "offline")
"""What `metaworld_language.split_of` may say of a written sentence."""
MAX_TRIES = 200

THINGS = {
    **{"target_object": "puck", "button": "button", "lock": "lock", "handle": "door", "window": "window"},
    **{"faucet": "faucet", "coffee": "mug", "coffee-button": "machine", "nail": "nail", "soccer": "ball"},
}
"""Entity -> what short goals call it."""


def short_goal(task: str, entity: str | None = None) -> str:
    """What is to be done in a task (in the last stage of two), in a few words: "faucet to target", open or close it.

    With `entity` it is asked of that one, whichever the task's own is.
    """
    entity = entity or JUDGED.get(task)
    return f"{'lift ' if task.startswith('pick') else ''}{THINGS[entity] if entity else 'hand'} to target"


PLANS: dict[str, tuple[str, ...]] = {
    task: tuple(short_goal(stage) for stage in (FIRST_STAGE.get(task), task) if stage) for task in FAMILIES
}
"""Task -> the short goals that it comes to, one after the other."""
_STEPS: dict[str, str] = {}
for _task, _steps in PLANS.items():
    if len(_steps) == 1:
        _STEPS.setdefault(_steps[0], _task)  # the data's come first
TASK_WORDS = {
    **{"reach": "reach target", "push": "push puck", "pick-place": "lift puck", "button-press": "press button"},
    **{"door-unlock": "unlock door", "door-open": "open door", "window-open": "open window"},
    **{"faucet-open": "open faucet", "coffee-push": "push mug", "coffee-button": "start machine"},
}
"""Task of the data -> the words that a sentence which asks for it should have."""

_WALL = {
    "reach-wall": "reach",
    "push-wall": "push",
    "pick-place-wall": "pick-place",
    "button-press-wall": "button-press",
}
"""Task with a wall -> the same task without one."""

_FORMS = ("do", "state", "bad", "hint")
_FRAMES = {
    "act": frames.ACT_FRAMES,
    "state": frames.STATE_FRAMES,
    "bad": frames.BAD_FRAMES,
    "mixed": frames.MIXED_FRAMES,
    "hint": frames.HINT_FRAMES,
}
_KINDS = ("act",) * 55 + ("state",) * 13 + ("bad",) * 12 + ("hint",) * 13 + ("mixed",) * 7
"""Kinds of frames, each as often as it is drawn in a hundred wordings."""
WORN_SHARE = 0.3
"""Share of wordings with openers, end marks, missing articles or mistyped words, as `corpus_wordings` makes them."""
_DOUBLED = frozenset(
    "put get let shut hit set run stop grip slip tap jab grab drag prod ram dab net flip spin propel".split()
)
"""Verbs whose last letter is doubled before -ing."""
_MARKED, _HOLE = re.compile(r"\^(\w+)"), re.compile(r"\{(\w+)\}")


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
    """The one task of the data whose `TASK_WORDS` all stand in a text, whichever words fill it; None if several.

    "please shut the tap" has none, "open the faucet please" is "faucet-open".
    """
    said = set(text.lower().split())
    found = [task for task, words in TASK_WORDS.items() if set(words.split()) <= said]
    return found[0] if len(found) == 1 else None


def conjugate(text: str, form: str) -> str:
    """`text` with its marked verbs ("^open the door and ^go") in a form: "do", "doing" or "does".

    Raises:
      KeyError: another form.
    """
    inflect = {"do": str, "doing": _gerund, "does": _third_person}[form]
    return _MARKED.sub(lambda match: inflect(match[1]), text)


def _gerund(verb: str) -> str:
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ing"
    return f"{verb[:-1] if verb.endswith('e') and verb != 'be' else verb}ing"


def _third_person(verb: str) -> str:
    if verb in ("be", "have"):
        return {"be": "is", "have": "has"}[verb]
    if verb.endswith("y") and verb[-2] not in "aeo":
        return f"{verb[:-1]}ies"
    return f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else f"{verb}s"


def _name(task: str) -> str:
    return task.replace("-", "")


@functools.cache
def _rules() -> dict[str, list[tuple]]:
    """The grammar, compiled at its first use; the rules of a task's forms are named "reach.do"."""
    texts = {**names.WORDS, **frames.FRAME_WORDS, "fact": frames.FACTS}
    texts |= {f"frame.{kind}": text for kind, text in _FRAMES.items()}
    for task, rules in {**DATA_TASKS, **UNSEEN_TASKS}.items():
        texts |= {f"{_name(task)}.{name}" if name in _FORMS else name: text for name, text in rules.items()}
    for task, base in _WALL.items():
        own, plain = _name(task), _name(base)
        texts[f"{own}.do"] = f"2*[{plain}.do] [wtail] | [wlead] and [{plain}.do]"
        texts[f"{own}.hint"] = f"[{plain}.hint] [wtail] | 2*[wsay] [{plain}.hint] | 3*[wsay] [{plain}.do]"
        texts |= {f"{own}.{form}": f"[{plain}.{form}] [wtail]" for form in ("state", "bad")}
    return compile_rules(texts)


def _sentence(task: str, numbers: Numbers) -> str:
    """A random sentence that asks for a task, whichever level it may belong to."""
    rules = _rules()
    kind = _KINDS[numbers.below(len(_KINDS))]
    state, bad = (
        [part.strip() for part in say(rules[f"{_name(task)}.{form}"], [], numbers).split("@")]
        for form in ("bad" if kind == "bad" else "state", "bad")
    )
    fills = {"s": state[0], "c": state[1], "bs": bad[0], "bc": bad[1]}

    def fill(hole: re.Match) -> str:
        name = hole[1]
        if name in fills:
            return fills[name]
        drawn = say(rules[f"{_name(task)}.{'hint' if name == 'hint' else 'do'}"], [], numbers)
        return conjugate(drawn, "do" if name == "hint" else name)

    text = tidy(_HOLE.sub(fill, say(rules[f"frame.{kind}"], [], numbers)))
    return worn(adorned(text, numbers), numbers) if numbers.chance(WORN_SHARE) else text


def wording(rng: np.random.Generator, task: str) -> str:
    """A random sentence that asks for a task, none of an evaluation level or of validation."""
    numbers = Numbers(rng)
    for _ in range(MAX_TRIES):
        text = _sentence(task, numbers)
        if language.split_of(text) in ALLOWED_SPLITS:
            return text
    raise RuntimeError(f"{MAX_TRIES} wordings of {task} were all evaluation sentences; widen `metaworld_corpus_tasks`")


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
        return f"{say(_rules()['fact'], [], Numbers(rng))} ."
    task = FAMILIES[rng.integers(len(FAMILIES))]
    said, plain = wording(rng, task), _plain(task)
    draw = rng.random()
    if plain and draw < 0.5:
        return f"{said} means {plain[rng.integers(len(plain))]} ."
    if draw < 0.75:
        return f"{said} same as {wording(rng, task)} ."
    return f"{said} => {' and '.join(PLANS[task])}"
