"""Goals: the table of the distinct instructions that rollouts pursue.

Dimension letters: K goals, G goal array (the numbers that a success test reads), E goal vector (the encoded sentence).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import jax
import numpy as np

from kalm_jax.arguments import check_text, plain_array, refuse_masked

LEVELS = ("offline", "rephrase", "unseen_easy", "unseen_hard")
"""The four levels of goals (KALM, section 5.1); a level's code is its index here."""
GOAL_ARRAYS = ("level", "family", "array", "vector")
"""Fields of `GoalTable` that are arrays; the other one is `text`."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GoalTable:
    """The distinct goals. A goal is one sentence: two sentences that ask for the same thing are two goals.

    Attributes:
      text: K instructions, a tuple of strings (static: it never enters a jitted function).
      level: (K,) int32 index into `LEVELS`.
      family: (K,) int32, the environment's code of the success test; -1 where no test is known.
      array: (K, G) int32 or float32, what the success test reads.
      vector: (K, E) float32, the encoding of the text; E is 0 until a language model has encoded it.
    """

    level: np.ndarray
    family: np.ndarray
    array: np.ndarray
    vector: np.ndarray
    text: tuple[str, ...] = dataclasses.field(default=(), metadata={"static": True})

    def __len__(self) -> int:
        return int(self.level.shape[0])

    def take(self, index: np.ndarray | Sequence[int]) -> GoalTable:
        """The goals at `index` (integers, negative ones from the end, or a boolean mask of K).

        Raises:
          ValueError, TypeError: there is no such goal, or the index is none.
        """
        index = plain_array("index", index) if len(index) else np.zeros(0, int)
        if index.dtype == bool and len(index) == len(self):
            index = np.flatnonzero(index)
        index = check_goal_numbers(index, self, "index", from_end=True)
        arrays = {name: np.asarray(getattr(self, name))[index] for name in GOAL_ARRAYS}
        return GoalTable(**arrays, text=tuple(self.text[i] for i in index))

    def with_vector(self, vector: np.ndarray) -> GoalTable:
        """The same goals with goal vectors (K, E)."""
        if np.ndim(vector) != 2 or len(vector) != len(self):
            raise ValueError(f"goal vectors have shape {np.shape(vector)}, want ({len(self)}, E): one for each goal")
        return dataclasses.replace(self, vector=np.asarray(plain_array("vector", vector), np.float32))


def make_goal_table(
    text: Sequence[str],
    level: int | Sequence[int] | np.ndarray,
    family: int | Sequence[int] | np.ndarray,
    array: np.ndarray | Sequence[np.ndarray],
    vector: np.ndarray | None = None,
) -> GoalTable:
    """A `GoalTable` from sequences of K entries; `level` and `family` may be one value for all goals.

    Raises:
      TypeError: a sentence is no text, or `text` is a single one.
      ValueError: goal arrays are not (K, G), vectors not (K, E), or a level is no index into `LEVELS`.
    """
    if isinstance(text, str):
        raise TypeError(f"text is {text[:60]!r}, want a sequence of sentences, such as [{text[:60]!r}]")
    k = len(text)
    for i, sentence in enumerate(text):
        if not isinstance(sentence, str):
            raise TypeError(f"text [{i}] is {sentence!r}, want a text")
    array = plain_array("array", array)
    for name, x in (("level", level), ("family", family), ("vector", vector)):
        refuse_masked(name, x)
    if array.ndim != 2 or len(array) != k:
        raise ValueError(f"goal arrays have shape {array.shape}, want ({k}, G): one row for each of the {k} sentences")
    level, family = (np.broadcast_to(np.asarray(x, np.int32), (k,)).copy() for x in (level, family))
    if k and (level.min() < 0 or level.max() >= len(LEVELS)):
        raise ValueError(f"level codes {np.unique(level)} outside 0..{len(LEVELS) - 1}, the indices of {LEVELS}")
    vector = np.zeros((k, 0), np.float32) if vector is None else np.asarray(vector, np.float32)
    if vector.ndim != 2 or len(vector) != k:
        raise ValueError(f"goal vectors have shape {vector.shape}, want ({k}, E): one for each of the {k} sentences")
    return GoalTable(level, family, array, vector, text=tuple(map(str, text)))


def check_goal_numbers(number: Any, goals: GoalTable, name: str = "goal", from_end: bool = False) -> np.ndarray:
    """Numbers of goals (N,) as an array of integers; `from_end` allows negative ones, as NumPy's indices have them.

    Raises:
      TypeError: they are no whole numbers.
      ValueError: they are no row of numbers, or the table has no such goal. The message begins with `name`.
    """
    array = plain_array(name, number)
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}, want (N,): numbers of goals")
    if array.dtype.kind not in "iu" and len(array):
        raise TypeError(f"{name} is of type {array.dtype}, want integers: numbers of goals")
    array = array.astype(np.int64) if array.dtype.kind not in "iu" else array
    wrong = np.flatnonzero((array < (-len(goals) if from_end else 0)) | (array >= len(goals)))
    if len(wrong):
        count = f"goals 0 to {len(goals) - 1}" if len(goals) else "no goals"
        raise ValueError(f"{name}[{wrong[0]}] is {array[wrong[0]]}, and the table has {count}")
    return array


def validate_goals(goals: GoalTable, name: object = "goals") -> GoalTable:
    """Returns `goals` unchanged, or raises a ValueError or TypeError that names the field and says what it may be.

    Shapes, finite real numbers, whole levels and families, and the texts' kind are checked. `name` is what the error
    calls the table, such as the path of its file.
    """

    def fail(field: str, problem: str) -> NoReturn:
        raise ValueError(f"{name}: {field} {problem}")

    arrays = {field: plain_array(f"{name}: {field}", getattr(goals, field)) for field in GOAL_ARRAYS}
    k = len(goals.text)
    for field, x in arrays.items():
        ndim = 1 if field in ("level", "family") else 2
        if x.ndim != ndim or len(x) != k:
            fail(field, f"has shape {x.shape}, want {f'({k},)' if ndim == 1 else f'({k}, any)'} for {k} sentences")
        with np.errstate(over="ignore"):
            if x.dtype.kind not in "biuf" or not np.isfinite(x.astype(np.float32, copy=False)).all():
                fail(field, f"is of type {x.dtype} or has numbers that float32 cannot hold, want finite real numbers")
    for field, low, high in (("level", 0, len(LEVELS) - 1), ("family", -1, 2**31 - 1)):
        x = arrays[field]
        if ((x != np.rint(x)) | (x < low) | (x > high)).any():
            fail(field, f"has {np.unique(x).tolist()[:9]}, want whole numbers from {low} to {high}")
    for i, text in enumerate(goals.text):
        check_text(f"{name}: text [{i}]", text)
    return goals


def unnamed_goal(vector: np.ndarray | Sequence[float] = ()) -> GoalTable:
    """One goal without text, for rollouts recorded without instructions; policies see its `vector` (E,), or nothing.

    Its family is -1: no success test is known.
    """
    return make_goal_table([""], 0, -1, np.zeros((1, 0), np.int32), np.asarray(vector, np.float32).reshape(1, -1))


def concatenate_goals(tables: Iterable[GoalTable]) -> tuple[GoalTable, list[int]]:
    """One table from several, and the offset to add to each part's goal indices."""
    tables = list(tables)
    offsets = np.cumsum([0] + [len(t) for t in tables])[:-1].tolist()
    arrays = {name: np.concatenate([getattr(t, name) for t in tables]) for name in GOAL_ARRAYS}
    return GoalTable(**arrays, text=tuple(s for t in tables for s in t.text)), offsets


def rows_by_family(
    goals: GoalTable, goal: np.ndarray, families: Sequence[str], counts: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    """A row for every level and family of rollouts with goals number `goal` (N,): how many, and the sums of `counts`.

    `families` are the world's names; `counts` maps the name of a column to numbers (N, ...), which are added up.
    """
    goal = check_goal_numbers(goal, goals)
    level, family = (np.asarray(x)[goal] for x in (goals.level, goals.family))
    rows = []
    for lv, f in sorted({*zip(level.tolist(), family.tolist(), strict=True)}):
        mine = (level == lv) & (family == f)
        sums = {name: int(np.asarray(x)[mine].sum()) for name, x in counts.items()}
        rows.append({"level": LEVELS[lv], "family": families[f], "rollouts": int(mine.sum()), **sums})
    return rows
