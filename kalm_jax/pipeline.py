"""The main job, stage by stage: collect -> ground -> encode -> imagine -> learn -> evaluate -> report.

Every stage is a function from files to files in the run's folder (`run_folder.py`). The order of this file is the order
of the data. CLEVR-Robot is the world; what is special to it is asked of `kalm_jax.envs`.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.data import LEVELS, GoalTable, Rollouts, concatenate_goals, make_goal_table
from kalm_jax.data.collect import collect, collection_statistics
from kalm_jax.data.formats import read_rollouts, write_rollouts
from kalm_jax.envs import clevr, clevr_goals, corpus, language
from kalm_jax.grounding import tasks
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.decode import encode_text, explain
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches, TaskShares
from kalm_jax.grounding.train import TrainConfig, fit
from kalm_jax.imagination.generate import imagine
from kalm_jax.imagination.quality import explanation_row, furthest_move, rollout_rows
from kalm_jax.llm.folder import BUILTIN, load_model
from kalm_jax.progress import Progress
from kalm_jax.run_folder import RunFolder, read_json, write_json

ENVIRONMENT = "ClevrRobot"
NOVEL_LEVELS = LEVELS[1:]


@dataclasses.dataclass(frozen=True)
class CollectConfig:
    """Real rollouts: how many, by which behaviour policy ("scripted" or "lookahead"), or from a file of the user's."""

    rollouts: int = 6400
    behaviour: str = "scripted"
    file: str = ""
    held_out: float = 0.05


@dataclasses.dataclass(frozen=True)
class GroundConfig:
    """Fine-tuning of the language model; `llm` is a Hugging Face folder, "" the built-in model."""

    llm: str = ""
    steps: int = 1500
    rows: int = 32
    row_length: int = 128
    learning_rate: float = 2e-3
    shares: TaskShares = TaskShares()


@dataclasses.dataclass(frozen=True)
class ImagineConfig:
    """Imagined rollouts per novel level, and the temperature of imagined actions."""

    rephrase: int = 5600
    unseen_easy: int = 5600
    unseen_hard: int = 1680
    temperature: float = 1.0
    explained: int = 320


@dataclasses.dataclass(frozen=True)
class LearnConfig:
    """Offline RL: learners, arms, seeds and budget; both arms get the same."""

    algorithms: tuple[str, ...] = ("td3bc",)
    arms: tuple[str, ...] = ("offline", "kalm")
    seeds: int = 3
    updates: int = 20000


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Episodes per level and seed; the ceiling simulates every action at every step and gets fewer."""

    episodes: int = 300
    ceiling_episodes: int = 100


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """Everything that a run depends on; `seed` is the root of all others."""

    seed: int = 0
    collect: CollectConfig = CollectConfig()
    ground: GroundConfig = GroundConfig()
    imagine: ImagineConfig = ImagineConfig()
    learn: LearnConfig = LearnConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    prompts: str = ""


def level_goals(level: str) -> GoalTable:
    """Every sentence of a level as a goal table, without goal vectors."""
    found = language.sentences(level)
    return make_goal_table(
        [s.text for s in found],
        LEVELS.index(level),
        [clevr_goals.FAMILIES.index(s.family) for s in found],
        np.array([s.goal for s in found], np.int32),
    )


# --- collect -------------------------------------------------------------------------------------------------------


def run_collect(run: RunFolder, config: PipelineConfig) -> None:
    """Real rollouts: `rollouts.h5` for training and `held_out.h5` for the explanation test."""

    def work(folder: pathlib.Path):
        c = config.collect
        if c.file:
            rollouts, goals = read_rollouts(c.file)
            _check_user_data(c.file, rollouts, goals)
        else:
            with Progress("collect", c.rollouts) as progress:
                rollouts, goals = collect(config.seed, c.rollouts, c.behaviour, progress=progress.update)
        order = np.random.default_rng([config.seed, 1]).permutation(len(rollouts))
        held_out = max(1, round(c.held_out * len(rollouts)))
        write_rollouts(folder / "held_out.h5", rollouts.take(order[:held_out]), goals)
        write_rollouts(folder / "rollouts.h5", rollouts.take(order[held_out:]), goals)
        write_json(folder / "statistics.json", collection_statistics(rollouts, goals))

    settings = dataclasses.asdict(config.collect) | {"seed": config.seed, "content": _file_mark(config.collect.file)}
    run.stage("collect", settings, [], work)


def _check_user_data(path: str, rollouts: Rollouts, goals: GoalTable) -> None:
    if rollouts.observations.shape[2] != clevr.OBSERVATION_DIM or rollouts.actions.ndim != 2:
        raise ValueError(
            f"{path}: observations {rollouts.observations.shape} and actions {rollouts.actions.shape} are not those of "
            f"CLEVR-Robot, which has {clevr.OBSERVATION_DIM} numbers and {clevr.NUM_ACTIONS} discrete actions"
        )
    if not all(goals.text):
        raise ValueError(f"{path} has no sentences, so no language model can be grounded on it; use the .npy data")
    novel = sorted({t for t in goals.text if language.split_of(t) in NOVEL_LEVELS})
    if novel:
        raise ValueError(f"{path} holds {len(novel)} sentences of evaluation levels, such as {novel[0]!r}; remove them")


def _file_mark(path: str) -> str:
    """What identifies a user's file: its size and time, so that an edited file redoes the stages."""
    if not path:
        return ""
    stat = pathlib.Path(path).stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


# --- ground --------------------------------------------------------------------------------------------------------


def run_ground(run: RunFolder, config: PipelineConfig) -> None:
    """The grounded language model in `model/`, its training curve in `curve.jsonl`."""

    def work(folder: pathlib.Path):
        import jax

        g = config.ground
        rollouts, goals = read_rollouts(run.path / "collect" / "rollouts.h5")
        llm_config, llm_params, tokenizer = load_model(g.llm or BUILTIN)
        spec = numeric_spec(rollouts, clevr.NUM_ACTIONS)
        model = GroundedModel(llm_config, spec)
        params = init_params(model, jax.random.key(config.seed), llm_params)
        batches = Batches(
            rollouts, goals, tokenizer, g.shares, corpus.sample_document, g.rows, g.row_length, spec.width, config.seed
        )
        train = TrainConfig(g.steps, learning_rate=g.learning_rate)
        with Progress("ground", g.steps) as progress:
            params, _ = fit(model, params, batches, train, folder, progress.update)
        save_grounded(folder / "model", model, params, tokenizer)

    settings = dataclasses.asdict(config.ground) | {"seed": config.seed, "weights": _folder_mark(config.ground.llm or BUILTIN)}
    run.stage("ground", settings, ["collect"], work)


def _folder_mark(folder) -> list[str]:
    import hashlib

    files = sorted(pathlib.Path(folder).glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no *.safetensors file; --llm wants a Hugging Face folder with weights")
    return [f"{f.name}-{f.stat().st_size}-{hashlib.sha256(f.open('rb').read(1 << 20)).hexdigest()[:12]}" for f in files]


# --- encode --------------------------------------------------------------------------------------------------------


def run_encode(run: RunFolder, config: PipelineConfig) -> None:
    """Goal vectors of every sentence that any later stage meets, in `goals.h5`-less plain form: `vectors.npz`."""

    def work(folder: pathlib.Path):
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        vectors = {"data": encode_text(model, params, tokenizer, read_rollouts(_real(run))[1].text)}
        for level in LEVELS:
            vectors[level] = encode_text(model, params, tokenizer, level_goals(level).text)
        np.savez(folder / "vectors.npz", **vectors)

    sentences = {level: len(language.sentences(level)) for level in LEVELS}
    run.stage("encode", {"sentences": sentences}, ["ground"], work)


def encoded_goals(run: RunFolder, part: str) -> GoalTable:
    """The goals of the data ("data") or of a level, with their vectors."""
    goals = read_rollouts(_real(run))[1] if part == "data" else level_goals(part)
    with np.load(run.path / "encode" / "vectors.npz") as vectors:
        return goals.with_vector(vectors[part])


def _real(run: RunFolder) -> pathlib.Path:
    return run.path / "collect" / "rollouts.h5"


# --- imagine -------------------------------------------------------------------------------------------------------


def run_imagine(run: RunFolder, config: PipelineConfig, level: str) -> None:
    """Imagined rollouts for a novel level in `rollouts.h5`, their quality in `quality.json`."""
    count = getattr(config.imagine, level)
    settings = {"count": count, "temperature": config.imagine.temperature, "seed": config.seed}

    def work(folder: pathlib.Path):
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        goals = level_goals(level)
        rng = np.random.default_rng([config.seed, 2, LEVELS.index(level)])
        goal = balanced_goals(rng, goals, count)
        with Progress(f"imagine {level}", count) as progress:
            rollouts = imagine(
                model,
                params,
                tokenizer,
                goals,
                goal,
                unsolved_states(rng, goals, goal),
                stop=clevr_goals.success,
                reward=clevr_goals.reward,
                horizon=1 if level == "unseen_easy" else clevr.HORIZON,
                temperature=config.imagine.temperature,
                seed=config.seed,
                progress=progress.update,
            )
        write_rollouts(folder / "rollouts.h5", rollouts, goals)
        limit = furthest_move(read_rollouts(_real(run))[0])
        write_json(folder / "quality.json", rollout_rows(rollouts, goals, limit))

    run.stage(f"imagine/{level}", settings, ["ground"], work)


def balanced_goals(rng: np.random.Generator, goals: GoalTable, count: int) -> np.ndarray:
    """(count,) goal indices: families equally often, then sentences equally often within each."""
    families = np.unique(goals.family)
    share = np.diff(np.round(np.linspace(0, count, len(families) + 1)).astype(int))
    chosen = []
    for family, n in zip(families, share):
        members = np.flatnonzero(goals.family == family)
        rounds = [rng.permutation(members) for _ in range(-(-n // len(members)))]
        chosen.append(np.concatenate(rounds)[:n])
    return rng.permutation(np.concatenate(chosen))


def unsolved_states(rng: np.random.Generator, goals: GoalTable, goal: np.ndarray) -> np.ndarray:
    """(N, 10) random first states in which goal n is not yet satisfied."""
    states = clevr.observation_of(clevr.sample_states(rng, len(goal)))
    while True:
        solved = np.flatnonzero(clevr_goals.satisfied(goals.family[goal], goals.array[goal], states))
        if not len(solved):
            return states
        states[solved] = clevr.observation_of(clevr.sample_states(rng, len(solved)))


def run_explain(run: RunFolder, config: PipelineConfig) -> None:
    """Explanations of held-out real rollouts, with the seen and an unseen prompt, in `explanation.json`."""

    def work(folder: pathlib.Path):
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        rollouts, goals = read_rollouts(run.path / "collect" / "held_out.h5")
        rollouts = rollouts.take(slice(0, config.imagine.explained))
        prompts = {"seen": tasks.EXPLANATION_PROMPTS[0], "unseen": tasks.UNSEEN_EXPLANATION_PROMPT}
        rows = []
        for name, prompt in prompts.items():
            texts = explain(model, params, tokenizer, rollouts, prompt, tasks.ANSWER_PROMPT)
            rows.append(explanation_row(texts, rollouts, goals, name))
        write_json(folder / "explanation.json", rows)

    run.stage("explain", {"rollouts": config.imagine.explained}, ["ground"], work)
