"""Pretraining text about Meta-world's tasks: what walls, lids, locks and coffee machines are, and what a wish asks for.

It stands in for a large model's knowledge of words. Its author had not read the evaluation sentences nor those of
validation; a drawn sentence that is one of them is drawn again. No state or action is in it. A document is a line:
"{wording} means {plain offline wording} .", "{wording} same as {another wording} .", "{wording} => {subgoals}" or
"{fact} .". A subgoal says which object is to be at the target position, whichever way that is: "open the tap" and "shut
the tap" are both "faucet to target". The grammar is in the files in `data/`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import numpy as np

from kalm_jax.worlds.metaworld import instructions
from kalm_jax.worlds.metaworld.goals import FAMILIES, make_goal
from kalm_jax.worlds.metaworld.tasks import ENTITY_TABLE, TASKS, task_of
from kalm_jax.worlds.text.grammar import Numbers, Rule, compile_rules, read_blocks, say
from kalm_jax.worlds.text.surface import adorned, tidy, worn


def subgoal(task: str, entity: str | None = None) -> str:
    """The subgoal of a task, of the last stage where it has two: "faucet to target" for opening as for closing it.

    `entity` takes the place of the task's object.
    """
    entity = entity or task_of(task).tested
    return f"{'lift ' if task.startswith('pick') else ''}{ENTITY_TABLE[entity]['name'] if entity else 'hand'} to target"


PLANS = {task.name: tuple(subgoal(stage) for stage in (task.first_stage, task.name) if stage) for task in TASKS}
"""Task -> its subgoals, one after the other."""
_STEPS = {steps[0]: task for task, steps in reversed(PLANS.items()) if len(steps) == 1}  # the data's tasks win

_KINDS = ("act",) * 55 + ("state",) * 13 + ("bad",) * 12 + ("hint",) * 13 + ("mixed",) * 7
"""Kinds of frames, each as often as it occurs in a hundred wordings."""
WORN_SHARE = 0.3
"""Share of wordings with openers, end marks, missing articles or mistyped words (`worlds.text.surface`)."""
_DOUBLED = frozenset(
    "put get let shut hit set run stop grip slip tap jab grab drag prod ram dab net flip spin propel".split()
)
"""Verbs whose last letter is doubled before -ing."""
_MARKED, _HOLE = re.compile(r"\^(\w+)"), re.compile(r"\{(\w+)\}")


def plan(family: int, goal: np.ndarray | None = None) -> str:
    """The subgoals of a task (by its index), joined by " and "; `goal` is not read."""
    del goal
    return " and ".join(PLANS[FAMILIES[family]])


def read_plan(text: str) -> list[tuple[str, int, tuple[float, ...]]]:
    """The subgoals of a plan: (words, task's index, goal's 12 numbers) each; [] where the text is no plan."""
    steps = []
    for words in (part.strip() for part in text.split(" and ")):
        if words not in _STEPS:
            return []
        task = _STEPS[words]
        steps.append((words, FAMILIES.index(task), tuple(make_goal(task).tolist())))
    return steps


def subgoals() -> tuple[str, ...]:
    """The texts of all subgoals: the tasks' short forms."""
    return tuple(_STEPS)


def task_of_words(text: str) -> str | None:
    """The one task of the data whose `Task.words` are all in a text; None for none or several.

    "please shut the tap" has none, "open the faucet please" is "faucet-open".
    """
    said = set(text.lower().split())
    found = [task.name for task in TASKS if task.words and set(task.words.split()) <= said]
    return found[0] if len(found) == 1 else None


def conjugate(text: str, form: str) -> str:
    """`text` with its marked verbs ("^open the door and ^go") in a form: "do", "doing" or "does"."""
    forms: dict[str, Callable[[str], str]] = {"do": str, "doing": _gerund, "does": _third_person}
    inflect = forms[form]
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
def _rules() -> dict[str, Rule]:
    """The grammar, compiled at its first use; the rules of a task's forms are named "reach.do"."""
    return compile_rules(read_blocks(__package__, "words.txt", "frames.txt", "tasks.txt", "unseen_tasks.txt"))


def texts_of(*rules: str) -> set[str]:
    """All pieces of text in rules of the grammar, such as "reach.do", and what they refer to; of all without rules."""
    found: set[str] = set()
    open_ = [_rules()[rule] for rule in rules or _rules()]
    seen = set(map(id, open_))
    while open_:
        for part in (part for production in open_.pop() for part in production):
            if isinstance(part, str):
                found.add(part)
            elif isinstance(part, list) and id(part) not in seen:
                seen.add(id(part))
                open_.append(part)
    return found


def _sentence(task: str, numbers: Numbers) -> str:
    """A random sentence that asks for a task, whichever level it may belong to."""
    rules = _rules()
    kind = numbers.choose(_KINDS)
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
    return instructions.SENTENCES.draw_allowed(lambda: _sentence(task, numbers), task)


def sample_plan(rng: np.random.Generator) -> tuple[str, str]:
    """A random wording of a random task, and its subgoals."""
    task = FAMILIES[rng.integers(len(FAMILIES))]
    return wording(rng, task), " and ".join(PLANS[task])


@functools.cache
def _plain(task: str) -> tuple[str, ...]:
    return tuple(s.text for s in instructions.sentences("offline") if s.family == task)


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
