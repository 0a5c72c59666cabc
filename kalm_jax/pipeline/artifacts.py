"""What stages of a run have written, for the stages after them: rollouts, goals and goal vectors."""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.datasets import read_pieces, read_rollouts
from kalm_jax.files import describe_file, naming_damage, read_json, read_npy, read_npz, require_file
from kalm_jax.llm.hf.weights import weight_files
from kalm_jax.offline_rl.normalization import Whitening
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.types import LEVELS, Episodes, GoalTable, Rollouts, make_goal_table
from kalm_jax.types.text import normalize_sentence
from kalm_jax.worlds.base import World, get_world

IMAGINED, PRIVILEGED = "imagine", "imagine-privileged"
"""Stages of imagined rollouts: by plans and readings, and by the true goals."""
SUBGOALS = "subgoals"
"""The part of a run that holds the world's subgoals as sentences."""
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
    """The goals of a part: the collected data ("data"), a level, `SUBGOALS`, or the user's prompts ("prompts").

    They have no vectors.
    """
    if part == "data":  # of the rollouts no more than needed is read: a run asks this before it begins
        return read_pieces(run.path / "collect" / "rollouts.h5", 1)[0]
    if part == SUBGOALS:
        return subgoal_goals(run.world)
    return read_prompts(run.config)[0] if part == "prompts" else run.world.goals(part)


def subgoal_goals(world: World) -> GoalTable:
    """The world's subgoals as goals, each in the words of plans; their level is that of novel goals of single steps."""
    found = [world.language.read_plan(text)[0] for text in world.language.subgoals()]
    arrays = np.array([array for *_, array in found], np.asarray(world.goals(LEVELS[0]).array).dtype)
    return make_goal_table([text for text, *_ in found], LEVELS.index("unseen_easy"), [f for _, f, _ in found], arrays)


def read_prompts(config: PipelineConfig) -> tuple[GoalTable, np.ndarray, np.ndarray]:
    """The goals of the user's prompts, their observations, and the states in which the simulator starts.

    Raises:
      ValueError: the world reads no prompt files, or not this one.
    """
    read = get_world(config.world).read_prompts
    if read is None:
        raise ValueError(f"the world {config.world} reads no prompt files; leave {config.prompts} out")
    return read(config.prompts)


def met_sentences(world: World, goals: GoalTable, part: str) -> np.ndarray:
    """(K,) bool, the sentences of a part that imagination and policies may use: all but the new ones of novel levels.

    A user's prompt that is a new sentence of a level is new, too.
    """
    if part in NOVEL_LEVELS:
        return ~world.new_sentences(part)
    if part != "prompts":
        return np.ones(len(goals), bool)
    new = {
        normalize_sentence(text)
        for level in NOVEL_LEVELS
        for text, held in zip(world.goals(level).text, world.new_sentences(level), strict=True)
        if held
    }
    return np.array([normalize_sentence(text) not in new for text in goals.text])


def evaluation_sets(run: PipelineRun, level: str) -> list[tuple[str, int, Episodes]]:
    """(set of sentences, seed, episodes) of every test at a level.

    Half of the episodes of each seed have sentences that policies were trained with, the others new ones. Of the data's
    level, and where a level has no new ones, all are of the first kind.
    """
    world, config = run.world, run.config
    count = config.evaluate.episodes
    new = (count + 1) // 2 if world.new_sentences(level).any() else 0
    seeds = range(config.seed, config.seed + config.learn.seeds)
    return [
        (name, seed, world.test_episodes(level, share, seed, name == "new"))
        for name, share in (("met", count - new), ("new", new))
        if share
        for seed in seeds
    ]


def sentences_to_encode(
    run: PipelineRun, goals: GoalTable, part: str, meanings: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Indices of the sentences of a part's goals that get a vector, sorted.

    With `learn.wordings` these are so many of each goal that policies learn from, and those of the test episodes, the
    data's and the data's level alike; otherwise, and of the user's prompts, all.

    Args:
      meanings: arrays (K,) of numbers that are equal where sentences ask for the same, -1 where nothing is learned of a
        sentence: for each of them so many sentences are chosen. None: by what the met ones truly ask for.
    """
    config, count = run.config, run.config.learn.wordings
    if not count or part in ("prompts", SUBGOALS):
        return np.arange(len(goals))
    level = LEVELS[0] if part == "data" else part
    played = [episodes for _, _, episodes in evaluation_sets(run, level)]
    tested = {episodes.goals.text[goal] for episodes in played for goal in np.unique(episodes.goal)}
    order = np.random.default_rng([config.seed, 5]).permutation(len(goals))
    order = order[np.argsort([goals.text[i] not in tested for i in order], kind="stable")]
    chosen = {int(i) for i in order if goals.text[i] in tested}
    for numbers in [true_meanings(run, goals, part)] if meanings is None else meanings:
        seen = np.zeros(numbers.max(initial=-1) + 1, int)
        for i in order[numbers[order] >= 0]:
            seen[numbers[i]] += 1
            if seen[numbers[i]] <= count:
                chosen.add(int(i))
    return np.array(sorted(chosen), int)


def true_meanings(run: PipelineRun, goals: GoalTable, part: str) -> np.ndarray:
    """(K,) numbers that are equal where met sentences of a part truly ask for the same, -1 for new ones."""
    return np.where(met_sentences(run.world, goals, part), same_goals(goals), -1)


def plan_meanings(folder: pathlib.Path, goals: GoalTable) -> np.ndarray:
    """(K,) numbers that are equal where sentences were imagined by the same plan, -1 for those that were not imagined.

    `folder` has their `plans.json`.
    """
    plans = read_json(require_file(folder / "plans.json"), dict)
    number = {tuple(plan): i for i, plan in enumerate(dict.fromkeys(map(tuple, plans.values())))}
    return np.array([number[tuple(plans[text])] if text in plans else -1 for text in goals.text])


def same_goals(goals: GoalTable) -> np.ndarray:
    """(K,) numbers that are equal where sentences ask for the same."""
    key = np.column_stack([goals.level, goals.family, np.asarray(goals.array)])
    return np.unique(key, axis=0, return_inverse=True)[1].reshape(-1)


def encoded_goals(run: PipelineRun, part: str) -> GoalTable:
    """The goals of a part that have a vector, with their vectors as policies see them."""
    goals, vectors = goals_of(run, part), goal_vectors(run, part)
    index = _encoded(run, part)
    return goals.with_vector(vectors) if index is None else goals.take(index).with_vector(vectors[index])


def told_sentences(run: PipelineRun) -> GoalTable:
    """The data's goals whose sentences policies are told in place of a subgoal: those that have a vector."""
    goals, index = goals_of(run, "data"), _encoded(run, "data")
    return goals if index is None else goals.take(index)


def goal_vectors(run: PipelineRun, part: str) -> np.ndarray:
    """(K, E) vectors of all goals of a part as policies see them, 0 for sentences that are not encoded."""
    vectors = whitened(run, read_npy(run.path / "encode" / part / "vectors.npy"))
    index = _encoded(run, part)
    if index is not None:
        vectors[np.setdiff1d(np.arange(len(vectors)), index)] = 0.0
    return vectors


def met_vectors(run: PipelineRun, part: str) -> np.ndarray:
    """The vectors of a part's sentences that are encoded and met, as the language model gives them."""
    vectors, index = read_npy(run.path / "encode" / part / "vectors.npy"), _encoded(run, part)
    met = met_sentences(run.world, goals_of(run, part), part)
    return vectors[met] if index is None else vectors[index[met[index]]]


def learned_goals(
    run: PipelineRun, part: str, meanings: np.ndarray | None = None, meant: GoalTable | None = None
) -> tuple[GoalTable, np.ndarray]:
    """The sentences of a part that policies learn, with vectors, and the number among them of every goal of the part.

    A sentence that is not learned has the number of one that asks for the same, -1 where there is none.

    Args:
      meanings: (K,) numbers that are equal where sentences ask for the same, -1 for a sentence that is left out. None:
        by what the sentences truly ask for.
      meant: the part's table with other families and arrays; None is as it is.
    """
    goals, index = goals_of(run, part) if meant is None else meant, _encoded(run, part)
    known = met_sentences(run.world, goals, part)
    if index is not None:
        known &= np.isin(np.arange(len(goals)), index)
    same = same_goals(goals) if meanings is None else meanings
    learned = np.flatnonzero(known & (same >= 0))
    first = np.full(same.max(initial=-1) + 2, -1, np.int32)  # the last one is that of -1
    first[same[learned][::-1]] = np.arange(len(learned), dtype=np.int32)[::-1]
    numbers = first[same]
    numbers[learned] = np.arange(len(learned))
    return goals.take(learned).with_vector(goal_vectors(run, part)[learned]), numbers


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
    """What rollouts are imagined of: levels and the user's prompts."""
    return imagined_levels(config) + prompt_parts(config)


def has_plans(config: PipelineConfig) -> bool:
    """Whether a sentence's plan, and readings of its subgoals, can say what is imagined for it."""
    return config.imagine.plan and bool(get_world(config.world).language.subgoals())


def imagining_stages(config: PipelineConfig) -> tuple[str, ...]:
    """Of `IMAGINED` and `PRIVILEGED` those that a run has; a report shows the first."""
    learned = config.learn.learned if config.learn.learners else ()
    told = "kalm-privileged" in learned
    plain = has_plans(config) and (not told or bool({"kalm", "kalm+translate"} & set(learned)))
    return (IMAGINED,) * plain + (PRIVILEGED,) * (told or not plain)


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
