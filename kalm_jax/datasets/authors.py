"""Reads the files of KALM's authors: pickled rollouts and prompts (their offline RL layout: `imaginebench.py`).

What each field holds was measured on their published samples (kalm.md, section 3). Only CLEVR-Robot's goals are
understood. Letters: N rollouts, T padded steps, M sentences of a rollout.
"""

from __future__ import annotations

import numpy as np

from kalm_jax.datasets import safe_pickle
from kalm_jax.datasets.imaginebench import lengths_of_masks, whole_numbers
from kalm_jax.types import LEVELS, GoalTable, Rollouts, make_goal_table, validate
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.clevr import goals as clevr_goals
from kalm_jax.worlds.clevr.instructions import split_of
from kalm_jax.worlds.clevr.simulator import NUM_ACTIONS, OBSERVATION_DIM

_NPY_FIELDS = (
    "observations",
    "next_observations",
    "actions",
    "rewards",
    "terminals",
    "masks",
    "instructions",
    "goals",
)


def read_npy(path, seed: int = 0) -> tuple[Rollouts, GoalTable]:
    """The rollouts of a pickled dictionary (see `read_dictionary`) in an `.npy`, which is not executed."""
    return read_dictionary(path, safe_pickle.load(path), seed)


def read_dictionary(path, data, seed: int = 0) -> tuple[Rollouts, GoalTable]:
    """The authors' fine-tuning data of CLEVR-Robot, from the file `path`.

    Every rollout carries M = 54 sentences for one target configuration. A goal is one sentence, so a configuration is
    M goals with equal `array`, and the table holds each once, in lower case, at level "offline". A rollout's `goal` is
    one of its sentences, drawn with `seed`; any other goal with an equal array would describe it as well.

    Raises:
      ValueError: a field is missing, has a wrong shape, or holds something impossible; the message names it.
    """
    if not isinstance(data, dict):
        raise ValueError(f"{path}: holds a {type(data).__name__}, want a dictionary with {', '.join(_NPY_FIELDS)}")
    missing = [field for field in _NPY_FIELDS if field not in data]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}; want rollouts in the authors' format")
    action_type = data.get("action_type", "discrete")
    if action_type != "discrete":
        raise ValueError(f"{path}: action_type is {action_type!r}; only CLEVR-Robot's discrete rollouts are read here")
    arrays = {field: np.asarray(data[field]) for field in _NPY_FIELDS}
    n, t = _shape(path, arrays, OBSERVATION_DIM)
    length = lengths_of_masks(path, arrays["masks"], n, t)
    before, after = (arrays[field].astype(np.float32) for field in ("observations", "next_observations"))
    step = np.arange(t) < length[:, None]
    jump = (np.abs(after[:, :-1] - before[:, 1:]) > 1e-4).any(-1) & step[:, 1:]
    if jump.any():
        i, j = np.argwhere(jump)[0]
        raise ValueError(
            f"{path}: next_observations[{i}, {j}] is not observations[{i}, {j + 1}]; rollouts must be unbroken"
        )
    observations = np.concatenate([before[:, :1], np.where(step[..., None], after, 0)], axis=1)
    sentences, table = _sentences(path, arrays["instructions"], arrays["goals"], n)
    chosen = np.random.default_rng(seed).integers(sentences.shape[1], size=n)
    rollouts = Rollouts(
        observations=observations,
        actions=np.where(step, whole_numbers(path, arrays["actions"].reshape(n, t), step), 0).astype(np.int32),
        rewards=np.where(step, arrays["rewards"].reshape(n, t), 0).astype(np.float32),
        length=length,
        terminated=arrays["terminals"].reshape(n, t)[np.arange(n), length - 1].astype(bool),
        goal=sentences[np.arange(n), chosen].astype(np.int32),
        imagined=np.zeros(n, bool),
    )
    return validate(rollouts, len(table), NUM_ACTIONS, name=str(path)), table


def require_instructions(goals: GoalTable, purpose: str) -> None:
    """Raises a ValueError when goals lack the text or the goal array that `purpose` (such as "grounding") needs."""
    blank = [i for i, text in enumerate(goals.text) if not text]
    unknown = np.flatnonzero(np.asarray(goals.family) < 0)
    if blank or len(unknown):
        first = blank[0] if blank else int(unknown[0])
        raise ValueError(
            f"{purpose} needs instructions and goal arrays, but {max(len(blank), len(unknown))} of {len(goals)} goals "
            f"lack them (the first is {first}): the authors' .hdf5 files hold encodings only, and serve offline RL "
            "alone. Read rollouts with sentences, such as their .npy files, or collect some"
        )


def read_prompts(path) -> tuple[GoalTable, np.ndarray]:
    """Goals to imagine rollouts for and where to start: the authors' prompt files and test files of CLEVR-Robot.

    Both are pickled dictionaries of n entries each; `instructions`, `goals` and the first frame of `observations` are
    used (in test files its first 10 numbers: an encoding follows). Goal i of the table belongs to row i; a sentence
    that is there twice is two goals. Of several sentences of an entry the first counts. The level is the one that
    knows the sentence, otherwise the one its kind of goal belongs to (relations: "rephrase").

    Returns:
      The goals (K = n) and initial observations (n, 10) float32.

    Raises:
      FileNotFoundError: no such file.
      ValueError: a field is missing, of another length, or holds something impossible; the message names it.
    """
    data = safe_pickle.load(path)
    fields = ("instructions", "goals", "observations")
    if not isinstance(data, dict) or any(field not in data for field in fields):
        found = ", ".join(map(str, data)) if isinstance(data, dict) else f"a {type(data).__name__}"
        raise ValueError(f"{path}: holds {found}; want a dictionary with {', '.join(fields)}")
    sizes = [len(data[field]) if isinstance(data[field], list | tuple | np.ndarray) else 0 for field in fields]
    if sizes[0] == 0 or len(set(sizes)) > 1:
        raise ValueError(f"{path}: {', '.join(fields)} have {sizes} entries; want the same number, at least one")
    text, families, arrays, starts, levels = [], [], [], [], []
    for i in range(sizes[0]):
        sentence = np.asarray(data["instructions"][i]).reshape(-1)
        if not len(sentence) or not isinstance(sentence[0], str) or not normalize_sentence(sentence[0]):
            raise ValueError(f"{path}: instructions[{i}] is {data['instructions'][i]!r}, want a sentence")
        family, array = _goal(f"{path}: goals[{i}]", data["goals"][i])
        frame = np.asarray(data["observations"][i])
        frame = frame[0] if frame.ndim > 1 and len(frame) else frame
        if frame.ndim != 1 or frame.size < OBSERVATION_DIM or frame.dtype.kind not in "iuf":
            raise ValueError(
                f"{path}: observations[{i}] has shape {np.shape(data['observations'][i])}, want (T, at least "
                f"{OBSERVATION_DIM}) numbers with T at least 1"
            )
        if not np.isfinite(frame[:OBSERVATION_DIM]).all():
            raise ValueError(f"{path}: observations[{i}][0] is not finite; repair or drop prompt {i}")
        text.append(normalize_sentence(sentence[0]))
        known = split_of(text[-1])
        levels.append(LEVELS.index(known if known in LEVELS else _level_of_family(family)))
        families.append(family)
        arrays.append(array)
        starts.append(frame[:OBSERVATION_DIM].astype(np.float32))
    return make_goal_table(text, levels, families, arrays), np.stack(starts)


def _level_of_family(family: int) -> str:
    return {clevr_goals.RELATION: "rephrase", clevr_goals.MOVE: "unseen_easy"}.get(family, "unseen_hard")


def _goal(name, vector):
    """Family and goal array of one of the authors' goals, which may be repeated over time."""
    vector = np.asarray(vector)
    try:
        return clevr_goals.from_authors(vector[0] if vector.ndim > 1 and len(vector) else vector)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _shape(path, arrays, dim):
    """(N, T) of the fine-tuning file, once every field fits it."""
    shape = arrays["observations"].shape
    if len(shape) != 3 or shape[2] != dim or 0 in shape:
        raise ValueError(f"{path}: observations has shape {shape}, want (N, T, {dim}) with N and T at least 1")
    n, t = shape[:2]
    if arrays["next_observations"].shape != shape:
        raise ValueError(f"{path}: next_observations has shape {arrays['next_observations'].shape}, want {shape}")
    for field in ("actions", "rewards", "terminals"):
        if arrays[field].shape not in ((n, t), (n, t, 1)):
            raise ValueError(f"{path}: {field} has shape {arrays[field].shape}, want ({n}, {t}) or ({n}, {t}, 1)")
    numbers = [field for field in _NPY_FIELDS if field != "instructions"]
    for field in numbers:
        if arrays[field].dtype.kind not in "iufb":
            raise ValueError(f"{path}: {field} has type {arrays[field].dtype}, want numbers")
    return n, t


def _sentences(path, instructions, goals, n):
    """Goal indices (N, M) of every rollout's sentences, and the table of distinct (sentence, goal array)."""
    if (
        instructions.ndim != 2
        or len(instructions) != n
        or not instructions.shape[1]
        or instructions.dtype.kind not in "UO"
    ):
        raise ValueError(
            f"{path}: instructions has shape {instructions.shape} and type {instructions.dtype}, want ({n}, M) strings"
        )
    if goals.ndim not in (2, 3) or len(goals) != n or goals.shape[-1] != 6 or 0 in goals.shape:
        raise ValueError(f"{path}: goals has shape {goals.shape}, want ({n}, T, 6) or ({n}, 6)")
    first = goals[:, 0] if goals.ndim == 3 else goals
    if goals.ndim == 3 and (goals[:, 0:1] != goals).any():
        first = _constant_goals(path, goals)
    index, seen, rows = np.zeros(instructions.shape, np.int32), {}, {}
    for i in range(n):
        # The 54 sentences of a configuration come back in every one of its rollouts: look at each set of them once.
        row = (tuple(instructions[i]), first[i].tobytes())
        if row not in rows:
            if any(not isinstance(text, str) or not normalize_sentence(text) for text in row[0]):
                raise ValueError(f"{path}: instructions[{i}] has an entry that is no sentence")
            family, array = _goal(f"{path}: goals[{i}]", first[i])
            keys = [(normalize_sentence(text), family, tuple(array.tolist())) for text in row[0]]
            rows[row] = [seen.setdefault(key, len(seen)) for key in keys]
        index[i] = rows[row]
    text, family, array = zip(*seen)
    return index, make_goal_table(text, LEVELS.index("offline"), family, np.asarray(array, np.int32))


def _constant_goals(path, goals):
    """Goals (N, 6) of goals (N, T, 6) that are constant over time or padded with zeros."""
    wrong = (goals != goals[:, :1]).any(-1) & (goals != 0).any(-1)
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise ValueError(f"{path}: goals[{i}, {j}] differs from goals[{i}, 0]; a rollout has one goal")
    return goals[:, 0]
