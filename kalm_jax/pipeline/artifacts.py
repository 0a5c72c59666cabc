"""What stages of a run have written, for the stages after them: rollouts, goals and goal vectors."""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.datasets import read_pieces, read_rollouts
from kalm_jax.files import describe_file, naming_damage, read_npy, read_npz
from kalm_jax.llm.hf.weights import weight_files
from kalm_jax.offline_rl.normalization import Whitening
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import LEVELS, GoalTable, Rollouts
from kalm_jax.worlds.base import get_world

NOVEL_LEVELS = LEVELS[1:]
"""Levels of goals that the data do not have."""


def file_mark(path: str) -> str:
    """Identifies a file or folder by sizes and times, so that a changed one redoes the stages; other names are kept."""
    file = pathlib.Path(path)
    if not path or not file.exists():
        return path
    files = sorted(file.rglob("*")) if file.is_dir() else [file]
    return "-".join(f"{f.stat().st_size}-{f.stat().st_mtime_ns}" for f in files if f.is_file())


READ_WHOLE = 1 << 29
"""Bytes of a file up to which `content_mark` reads all of it."""


def content_mark(file: pathlib.Path) -> str:
    """Identifies a file by name, size and content; a large one by `file_mark`, to read less."""
    about = file.stat()
    if about.st_size > READ_WHOLE:
        return f"{file.name}-{file_mark(str(file))}"
    return f"{file.name}-{about.st_size}-{_digest(file, about.st_size, about.st_mtime_ns)}"


@functools.lru_cache
def _digest(file: pathlib.Path, size: int, time: int) -> str:
    """The beginning of its SHA-256; a run asks twice, before its plan and in its turn."""
    return describe_file(file)[1][:16]


def model_files(folder: str | pathlib.Path) -> list[pathlib.Path]:
    """The files of a language model: its weights, its configuration and its tokenizer."""
    return [*weight_files(folder), *(pathlib.Path(folder) / name for name in ("config.json", "tokenizer.json"))]


def text_mark(goals: GoalTable) -> str:
    """Identifies the sentences of a table."""
    return hashlib.sha256("\n".join(goals.text).encode()).hexdigest()[:16]


def goals_mark(goals: GoalTable) -> str:
    """Identifies the sentences of a table and what they ask for."""
    meant = (np.ascontiguousarray(getattr(goals, name)).tobytes() for name in ("level", "family", "array"))
    return hashlib.sha256(b"\n".join((text_mark(goals).encode(), *meant))).hexdigest()[:16]


def real_rollouts(run: PipelineRun) -> tuple[Rollouts, GoalTable]:
    """The real rollouts that models and policies train on, and their goals."""
    return read_rollouts(run.path / "collect" / "rollouts.h5")


def goals_of(run: PipelineRun, part: str) -> GoalTable:
    """The goals of a part: the collected data ("data"), a level, or the user's prompts ("prompts"); no vectors."""
    if part == "data":  # of the rollouts no more than needed is read: a run asks this before it begins
        return read_pieces(run.path / "collect" / "rollouts.h5", 1)[0]
    return read_prompts(run.config)[0] if part == "prompts" else run.world.goals(part)


def read_prompts(config: PipelineConfig) -> tuple[GoalTable, np.ndarray, np.ndarray]:
    """The goals of the user's prompts, their observations, and the states in which the simulator starts.

    Raises:
      ValueError: the world reads no prompt files, or not this one.
    """
    read = get_world(config.world).read_prompts
    if read is None:
        raise ValueError(f"the world {config.world} reads no prompt files; leave {config.prompts} out")
    return read(config.prompts)


def sentences_to_encode(run: PipelineRun, goals: GoalTable, part: str, learned: np.ndarray | None = None) -> np.ndarray:
    """Indices of the sentences of a part's goals that get a vector, sorted.

    With `learn.wordings` these are so many of each goal that policies learn from, and those of the test episodes, the
    data's and the data's level alike; otherwise, and of the user's prompts, all. `learned` are indices of sentences
    with rollouts; None are all.
    """
    config, count = run.config, run.config.learn.wordings
    if not count or part == "prompts":
        return np.arange(len(goals))
    level = LEVELS[0] if part == "data" else part
    seeds = range(config.seed, config.seed + config.learn.seeds)
    played = [run.world.make_episodes(level, config.evaluate.episodes, seed) for seed in seeds]
    tested = {episodes.goals.text[goal] for episodes in played for goal in np.unique(episodes.goal)}
    numbers = _same_goals(goals)
    needed = np.unique(numbers if learned is None else numbers[learned])
    order = np.random.default_rng([config.seed, 5]).permutation(len(goals))
    order = order[np.argsort([goals.text[i] not in tested for i in order], kind="stable")]
    seen, chosen = np.zeros(numbers.max(initial=-1) + 1, int), []
    for i in order:
        seen[numbers[i]] += 1
        if goals.text[i] in tested or (numbers[i] in needed and seen[numbers[i]] <= count):
            chosen.append(int(i))
    return np.sort(np.array(chosen, int))


def _same_goals(goals: GoalTable) -> np.ndarray:
    """(K,) numbers that are equal where sentences ask for the same."""
    key = np.column_stack([goals.level, goals.family, np.asarray(goals.array)])
    return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1)


def encoded_goals(run: PipelineRun, part: str) -> GoalTable:
    """The goals of a part that have a vector, with their vectors as policies see them."""
    goals, vectors = goals_of(run, part), goal_vectors(run, part)
    index = _encoded(run, part)
    return goals.with_vector(vectors) if index is None else goals.take(index).with_vector(vectors[index])


def goal_vectors(run: PipelineRun, part: str) -> np.ndarray:
    """(K, E) vectors of all goals of a part as policies see them, 0 for sentences that are not encoded."""
    vectors = whitened(run, read_npy(run.path / "encode" / part / "vectors.npy"))
    index = _encoded(run, part)
    if index is not None:
        vectors[np.setdiff1d(np.arange(len(vectors)), index)] = 0.0
    return vectors


def encoded_vectors(run: PipelineRun, part: str) -> np.ndarray:
    """The vectors of a part's goals that are encoded, as the language model gives them."""
    vectors, index = read_npy(run.path / "encode" / part / "vectors.npy"), _encoded(run, part)
    return vectors if index is None else vectors[index]


def encoded_numbers(run: PipelineRun, part: str) -> np.ndarray:
    """(K,) for every goal of a part its number in `encoded_goals`, or that of a sentence that asks for the same.

    -1 where no sentence that asks for it has a vector.
    """
    goals, index = goals_of(run, part), _encoded(run, part)
    if index is None:
        return np.arange(len(goals), dtype=np.int32)
    same = _same_goals(goals)
    first = np.full(same.max(initial=-1) + 1, -1, np.int32)
    first[same[index][::-1]] = np.arange(len(index), dtype=np.int32)[::-1]
    numbers = first[same]
    numbers[index] = np.arange(len(index))
    return numbers


def _encoded(run: PipelineRun, part: str) -> np.ndarray | None:
    """Indices of the goals that have a vector; None where all do."""
    path = run.path / "encode" / part / "encoded.npy"
    return read_npy(path) if path.exists() else None


def whitened(run: PipelineRun, vectors: np.ndarray) -> np.ndarray:
    """Goal vectors (K, E) as policies see them."""
    if not run.config.learn.whitening:
        return vectors
    path = run.path / "encode" / "whitening" / "whitening.npz"
    with naming_damage(path):
        return Whitening(**read_npz(path))(vectors)


def encoding(config: PipelineConfig, parts: Sequence[str]) -> list[str]:
    """The stages that `encoded_goals` of `parts` needs."""
    return [f"encode/{part}" for part in parts] + (["encode/whitening"] if config.learn.whitening else [])


def imagined_levels(config: PipelineConfig) -> tuple[str, ...]:
    """The novel levels for which rollouts are imagined: those whose number is not 0."""
    return tuple(level for level in NOVEL_LEVELS if getattr(config.imagine, level))


def imagined_parts(config: PipelineConfig) -> tuple[str, ...]:
    """What the condition "kalm" has imagined rollouts of: levels and the user's prompts."""
    return imagined_levels(config) + prompt_parts(config)


def prompt_parts(config: PipelineConfig) -> tuple[str, ...]:
    """("prompts",) where the user gives prompts."""
    return ("prompts",) if config.prompts else ()


def encoder_stage(config: PipelineConfig) -> str:
    """The stage with the language model whose sentence vectors tell policies of goals."""
    return "encoder" if config.learn.encoder else "ground"


def planner_stage(config: PipelineConfig) -> list[str]:
    """The stage "planner", where a language model other than the grounded one writes subgoals; otherwise none."""
    built_in = get_world(config.world).language.builtin_plans and not config.ground.llm
    return ["planner"] if config.imagine.plan and (config.planner.llm or built_in) else []
