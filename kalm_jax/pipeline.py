"""The main job, stage by stage: collect -> ground -> encode -> imagine -> learn -> evaluate -> report.

Every stage is a function from files to files in the run's folder (`run_folder.py`). The order of this file is the order
of the data. CLEVR-Robot is the world; what is special to it is asked of `kalm_jax.envs`.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import numpy as np

import kalm_jax
from kalm_jax.data import LEVELS, GoalTable, Rollouts, concatenate, concatenate_goals
from kalm_jax.data.authors import read_prompts, require_instructions
from kalm_jax.data.collect import collect, collection_statistics, goals_of_level
from kalm_jax.data.formats import read_rollouts, write_rollouts
from kalm_jax.envs import clevr, clevr_goals, corpus, language
from kalm_jax.evaluation import (
    Episodes,
    evaluate,
    learner_policy,
    lookahead_policy,
    make_episodes,
    random_policy,
    read_results_csv,
    rows,
    write_results_csv,
)
from kalm_jax.grounding import tasks
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.decode import encode_text, explain
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches, TaskShares
from kalm_jax.grounding.train import TrainConfig, fit
from kalm_jax.imagination.generate import imagine
from kalm_jax.imagination.quality import explanation_row, furthest_move, rollout_rows
from kalm_jax.llm.folder import BUILTIN, load_model
from kalm_jax.offline_rl import Spec, make_buffer, make_learner, one_to_one, state_of, train
from kalm_jax.progress import Progress
from kalm_jax.report import ReportData, build_report, terminal_table
from kalm_jax.run_folder import RunFolder, read_json, write_json

NOVEL_LEVELS = LEVELS[1:]
SAMPLES = ("bc",)
"""Learners whose policy is a distribution, so that sampled actions mean something beside greedy ones."""
PROMPT_SAMPLES = 8
"""Imagined rollouts per user's prompt from its own first state, for the match rate."""


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
                rollouts, goals = collect(
                    config.seed, c.rollouts, c.behaviour, progress=lambda done, total: progress.update(done)
                )
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
    require_instructions(goals, f"{path}: grounding")
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

    settings = dataclasses.asdict(config.ground) | {
        "seed": config.seed,
        "weights": _folder_mark(config.ground.llm or BUILTIN),
    }
    run.stage("ground", settings, ["collect"], work)


def _folder_mark(folder) -> list[str]:
    files = sorted(pathlib.Path(folder).glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no *.safetensors file; --llm wants a Hugging Face folder with weights")
    return [f"{f.name}-{f.stat().st_size}-{hashlib.sha256(f.open('rb').read(1 << 20)).hexdigest()[:12]}" for f in files]


# --- encode --------------------------------------------------------------------------------------------------------


def goals_of(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part: the collected data ("data"), a level, or the user's prompts ("prompts"); no vectors."""
    if part == "data":
        return read_rollouts(_real(run))[1]
    return read_prompts(config.prompts)[0] if part == "prompts" else goals_of_level(part)


def run_encode(run: RunFolder, config: PipelineConfig, part: str) -> None:
    """Goal vectors of a part's sentences in `vectors.npy`."""
    goals = goals_of(run, config, part)

    def work(folder: pathlib.Path):
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        np.save(folder / "vectors.npy", encode_text(model, params, tokenizer, goals.text))

    run.stage(f"encode/{part}", {"sentences": _text_mark(goals)}, ["ground"], work)


def encoded_goals(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part with their vectors."""
    return goals_of(run, config, part).with_vector(np.load(run.path / "encode" / part / "vectors.npy"))


def _text_mark(goals: GoalTable) -> str:
    return hashlib.sha256("\n".join(goals.text).encode()).hexdigest()[:16]


def _real(run: RunFolder) -> pathlib.Path:
    return run.path / "collect" / "rollouts.h5"


# --- imagine -------------------------------------------------------------------------------------------------------


def run_imagine(run: RunFolder, config: PipelineConfig, part: str) -> None:
    """Imagined rollouts for a novel level or the user's prompts in `rollouts.h5`, their quality in `quality.json`."""
    count = config.imagine.rephrase if part == "prompts" else getattr(config.imagine, part)
    goals = goals_of(run, config, part)

    def work(folder: pathlib.Path):
        rng = np.random.default_rng([config.seed, 2, (*LEVELS, "prompts").index(part)])
        goal = balanced_goals(rng, goals, count)
        rollouts = imagine_from(run, config, goals, goal, unsolved_states(rng, goals, goal), f"imagine {part}")
        write_rollouts(folder / "rollouts.h5", rollouts, goals)
        limit = furthest_move(read_rollouts(_real(run))[0])
        write_json(folder / "quality.json", rollout_rows(rollouts, goals, limit))

    settings = {"count": count, "temperature": config.imagine.temperature, "seed": config.seed}
    run.stage(f"imagine/{part}", settings | {"sentences": _text_mark(goals)}, ["ground"], work)


def imagine_from(run: RunFolder, config: PipelineConfig, goals, goal, states, label: str) -> Rollouts:
    """Imagined rollouts for goals `goal` (N,) from first states (N, 10), in that order; single moves get one step."""
    model, params, tokenizer = load_grounded(run.path / "ground" / "model")
    is_move = np.asarray(goals.family)[goal] == clevr_goals.MOVE
    parts, places = [], []
    with Progress(label, len(goal)) as progress:
        for chosen, horizon in ((~is_move, clevr.HORIZON), (is_move, 1)):
            place = np.flatnonzero(chosen)
            if not len(place):
                continue
            rollouts = imagine(
                *(model, params, tokenizer, goals, goal[place], states[place]),
                stop=clevr_goals.success,
                reward=clevr_goals.reward,
                horizon=horizon,
                temperature=config.imagine.temperature,
                seed=config.seed,
                progress=progress.update,
            )
            parts.append(rollouts)
            places.append(place)
    return concatenate(parts).take(np.argsort(np.concatenate(places)))


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


# --- learn ---------------------------------------------------------------------------------------------------------


def imagined_parts(config: PipelineConfig) -> tuple[str, ...]:
    """What the arm "kalm" has imagined rollouts of: the novel levels and the user's prompts."""
    return NOVEL_LEVELS + (("prompts",) if config.prompts else ())


def run_learn(run: RunFolder, config: PipelineConfig, algorithm: str, arm: str) -> None:
    """All seeds of one learner on one arm: `policies.msgpack` and `curve.json`."""
    from flax import serialization

    learner = make_learner(algorithm)
    parts = imagined_parts(config) if arm == "kalm" else ()

    def work(folder: pathlib.Path):
        real, _ = read_rollouts(_real(run))
        tables = [encoded_goals(run, config, part) for part in ("data", *parts)]
        goals, offsets = concatenate_goals(tables)
        imagined = [read_rollouts(run.path / "imagine" / part / "rollouts.h5")[0] for part in parts]
        imagined = [dataclasses.replace(r, goal=r.goal + first) for r, first in zip(imagined, offsets[1:], strict=True)]
        buffer = make_buffer(one_to_one(real, imagined), goals, clevr.NUM_ACTIONS)
        seeds = [config.seed + i for i in range(config.learn.seeds)]
        with Progress(f"learn {algorithm} {arm}", config.learn.updates * len(seeds)) as progress:
            state, curve = train(
                learner,
                buffer,
                seeds,
                config.learn.updates,
                checkpoint_dir=folder / "checkpoints",
                progress=lambda done, total, **metrics: progress.update(done, **metrics),
            )
        write_json(folder / "curve.json", [{"algorithm": algorithm, "arm": arm, **row} for row in curve])
        template = serialization.to_bytes(policy_leaves(state))
        (folder / "policies.msgpack").write_bytes(template)

    settings = {
        "learner": dataclasses.asdict(learner.config),
        "seed": config.seed,
        "seeds": config.learn.seeds,
        "updates": config.learn.updates,
    }
    needs = ["collect", "encode/data", *(f"{stage}/{part}" for part in parts for stage in ("encode", "imagine"))]
    run.stage(f"learn/{algorithm}-{arm}", settings, needs, work)


def policy_leaves(state) -> list[np.ndarray]:
    """The numbers of a learner's state (all seeds), in the tree's order; random keys as their bits."""
    import jax

    leaves = jax.tree.leaves(state)
    return [
        np.asarray(jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in leaves
    ]


# --- evaluate ------------------------------------------------------------------------------------------------------


def run_baselines(run: RunFolder, config: PipelineConfig, level: str) -> None:
    """The random floor and the lookahead ceiling of a level in `results.csv`."""
    e = config.evaluate

    def work(folder: pathlib.Path):
        with clevr.ClevrSimulator() as simulator, Progress(f"floor and ceiling {level}", 2) as progress:
            found = []
            for i in range(config.learn.seeds):
                seed = config.seed + i
                episodes = make_episodes(level, e.episodes, seed)
                (result,) = evaluate([random_policy(seed)], [episodes], simulator)
                found += rows(result, episodes, algorithm="random", arm="random", seed=seed, action_choice="sampled")
            progress.update(1)
            episodes = make_episodes(level, e.ceiling_episodes, config.seed)
            (result,) = evaluate([lookahead_policy(simulator, config.seed)], [episodes], simulator)
            found += rows(
                result, episodes, algorithm="lookahead", arm="lookahead", seed=config.seed, action_choice="greedy"
            )
            progress.update(2)
        write_results_csv(folder / "results.csv", found)

    settings = dataclasses.asdict(e) | {"seed": config.seed, "seeds": config.learn.seeds}
    run.stage(f"evaluate/baselines-{level}", settings, [], work)


def run_evaluate(run: RunFolder, config: PipelineConfig, algorithm: str, arm: str, level: str) -> None:
    """Success of every seed of one learner and arm at a level in `results.csv`."""
    choices = ("greedy", "sampled") if algorithm in SAMPLES else ("greedy",)

    def work(folder: pathlib.Path):
        vectors = encoded_goals(run, config, level).vector
        played, policies, keys = [], [], []
        for i, policy in enumerate(load_policies(run, config, algorithm, arm)):
            seed = config.seed + i
            episodes = make_episodes(level, config.evaluate.episodes, seed).with_vectors(vectors)
            for choice in choices:
                policies.append(learner_policy(make_learner(algorithm), policy, choice == "greedy", seed))
                played.append(episodes)
                keys.append((seed, choice))
        with clevr.ClevrSimulator() as simulator:
            results = evaluate(policies, played, simulator)
        found = []
        for (seed, choice), episodes, result in zip(keys, played, results, strict=True):
            found += rows(result, episodes, algorithm=algorithm, arm=arm, seed=seed, action_choice=choice)
        write_results_csv(folder / "results.csv", found)

    settings = {"episodes": config.evaluate.episodes, "seed": config.seed}
    run.stage(f"evaluate/{algorithm}-{arm}-{level}", settings, [f"learn/{algorithm}-{arm}", f"encode/{level}"], work)


def load_policies(run: RunFolder, config: PipelineConfig, algorithm: str, arm: str) -> list:
    """The trained states of one learner and arm, one per seed."""
    import jax
    from flax import serialization

    leaves = serialization.msgpack_restore(
        (run.path / "learn" / f"{algorithm}-{arm}" / "policies.msgpack").read_bytes()
    )
    width = np.load(run.path / "encode" / "data" / "vectors.npy").shape[1]
    sizes = (np.zeros(clevr.OBSERVATION_DIM), np.ones(clevr.OBSERVATION_DIM), np.zeros(width), np.ones(width))
    spec = Spec(*(jax.numpy.asarray(x, jax.numpy.float32) for x in sizes), clevr.NUM_ACTIONS, True)
    like = jax.eval_shape(make_learner(algorithm).init, jax.random.key(0), spec)
    tree = jax.tree.structure(like)
    values = [leaves[str(i)] for i in range(len(leaves))]
    restored = [
        jax.random.wrap_key_data(v) if jax.dtypes.issubdtype(want.dtype, jax.dtypes.prng_key) else jax.numpy.asarray(v)
        for v, want in zip(values, jax.tree.leaves(like), strict=True)
    ]
    state = jax.tree.unflatten(tree, restored)
    return [state_of(state, i) for i in range(config.learn.seeds)]


def run_prompts(run: RunFolder, config: PipelineConfig) -> None:
    """The user's prompts: match rate per family, and success of every learner and arm from the given first states."""
    pairs = [(algorithm, arm) for algorithm in config.learn.algorithms for arm in config.learn.arms]

    def work(folder: pathlib.Path):
        goals, first = read_prompts(config.prompts)
        goals = goals.with_vector(np.load(run.path / "encode" / "prompts" / "vectors.npy"))
        goal = np.tile(np.arange(len(goals), dtype=np.int32), PROMPT_SAMPLES)
        rollouts = imagine_from(run, config, goals, goal, np.tile(first, (PROMPT_SAMPLES, 1)), "imagine from prompts")
        solved = clevr_goals.satisfied(goals.family, goals.array, first)
        table = {}
        for f in [None, *np.unique(goals.family)]:
            mine = np.ones(len(goals), bool) if f is None else goals.family == f
            table[f] = {
                "family": "all" if f is None else clevr_goals.FAMILIES[f],
                "prompts": int(mine.sum()),
                "solved_at_start": int(solved[mine].sum()),
                "imagined": int(mine[goal].sum()),
                "match_rate": round(float(rollouts.terminated[mine[goal]].mean()), 4),
            }
        episodes = Episodes(clevr.states_of(first), np.arange(len(goals), dtype=np.int32), goals)
        with clevr.ClevrSimulator() as simulator:
            for algorithm, arm in pairs:
                policies = load_policies(run, config, algorithm, arm)
                for choice in ("greedy", "sampled") if algorithm in SAMPLES else ("greedy",):
                    players = [
                        learner_policy(make_learner(algorithm), policy, choice == "greedy", config.seed + i)
                        for i, policy in enumerate(policies)
                    ]
                    results = evaluate(players, [episodes] * len(players), simulator)
                    success = np.mean([r.success for r in results], axis=0)
                    for f, row in table.items():
                        mine = np.ones(len(goals), bool) if f is None else goals.family == f
                        row[f"success_{algorithm}_{arm}_{choice}"] = round(float(success[mine].mean()), 4)
        with (folder / "prompts.csv.tmp").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(table[None]))
            writer.writeheader()
            writer.writerows(table.values())
        os.replace(folder / "prompts.csv.tmp", folder / "prompts.csv")
        shutil.copyfile(folder / "prompts.csv", run.path / "prompts.csv")

    settings = {"prompts": _file_mark(config.prompts), "seed": config.seed, "samples": PROMPT_SAMPLES}
    needs = ["encode/prompts", "ground", *(f"learn/{algorithm}-{arm}" for algorithm, arm in pairs)]
    run.stage("prompts", settings, needs, work)


# --- report --------------------------------------------------------------------------------------------------------


def write_report(run: RunFolder, config: PipelineConfig, command: str) -> list[dict]:
    """`results.csv`, `figures/` and `report.html` in the run's folder; returns the rows of results."""
    learners = [(algorithm, arm) for algorithm in config.learn.algorithms for arm in config.learn.arms]
    names = [f"{a}-{arm}-{level}" for a, arm in learners for level in LEVELS]
    results = []
    for name in [f"baselines-{level}" for level in LEVELS] + names:
        results += read_results_csv(run.path / "evaluate" / name / "results.csv")
    write_results_csv(run.path / "results.csv", results)
    parts = imagined_parts(config)
    real, goals = read_rollouts(_real(run))
    imagined = {part: read_rollouts(run.path / "imagine" / part / "rollouts.h5") for part in parts}
    curve = (run.path / "ground" / "curve.jsonl").read_text().splitlines()
    manifest = make_manifest(config, command)
    write_json(run.path / "manifest.json", manifest)
    data = ReportData(
        results=results,
        imagination=[row for part in parts for row in read_json(run.path / "imagine" / part / "quality.json")],
        explanation=read_json(run.path / "explain" / "explanation.json"),
        grounding_curve=[json.loads(line) for line in curve],
        learning_curves=[
            row for a, arm in learners for row in read_json(run.path / "learn" / f"{a}-{arm}" / "curve.json")
        ],
        collection=read_json(run.path / "collect" / "statistics.json"),
        stage_seconds=run.seconds,
        manifest=manifest,
        examples=_examples(real, goals, *imagined["rephrase"]),
        lengths={"recorded": real.length, "imagined (rephrase)": imagined["rephrase"][0].length},
        positions={"recorded": _centres(real), "imagined (rephrase)": _centres(imagined["rephrase"][0])},
        prompts=read_results_csv(run.path / "prompts.csv") if config.prompts else (),
        model=config.ground.llm or "the built-in model",
    )
    build_report(run.path, data)
    return results


def _centres(rollouts: Rollouts) -> np.ndarray:
    """(M, 2) ball centres after each step."""
    return rollouts.observations[:, 1:][rollouts.valid()].reshape(-1, 2)


def _examples(
    real: Rollouts, real_goals: GoalTable, imagined: Rollouts, imagined_goals: GoalTable, count=3
) -> list[dict]:
    """Real rollouts beside imagined ones for the same arrangement, three to twelve pushes long."""
    found = []
    fits = [np.flatnonzero((r.length >= 3) & (r.length <= 12) & r.terminated) for r in (real, imagined)]
    arrays = [np.asarray(g.array)[r.goal] for r, g in ((real, real_goals), (imagined, imagined_goals))]
    taken = set()
    for i in fits[1]:
        key = tuple(arrays[1][i][:3])
        same = fits[0][(arrays[0][fits[0]] == arrays[1][i]).all(1)]
        if key in taken or not len(same):
            continue
        taken.add(key)
        pairs = (("real", real, real_goals, same[0]), ("imagined", imagined, imagined_goals, i))
        for kind, rollouts, goals, j in pairs:
            n = int(rollouts.length[j])
            found.append(
                {
                    "instruction": goals.text[rollouts.goal[j]],
                    "kind": kind,
                    "observations": rollouts.observations[j, : n + 1],
                    "actions": rollouts.actions[j, :n],
                    "reached": bool(rollouts.terminated[j]),
                }
            )
        if len(taken) == count:
            break
    return found


def make_manifest(config: PipelineConfig, command: str) -> dict:
    """What somebody needs to make the run again: command, configuration, versions, hardware."""
    import importlib.metadata
    import platform

    import jax

    packages = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "transformers", "gymnasium", "mujoco", "numpy")
    return {
        "command": command,
        "configuration": dataclasses.asdict(config),
        "versions": {"kalm_jax": kalm_jax.__version__, "python": platform.python_version()}
        | {p: importlib.metadata.version(p) for p in packages},
        "hardware": {
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "devices": [str(d) for d in jax.devices()],
        },
    }


# --- the whole job -------------------------------------------------------------------------------------------------


def run(folder: str | pathlib.Path, config: PipelineConfig, command: str = "") -> list[dict]:
    """Runs every stage that is not done yet and prints the table of results; returns its rows."""
    unknown = set(config.learn.arms) - {"offline", "kalm"}
    if unknown:
        raise ValueError(f"unknown arms {sorted(unknown)}; there are offline and kalm")
    if config.prompts:
        read_prompts(config.prompts)  # A file that cannot be read fails now, not after an hour.
    run = RunFolder(folder)
    run_collect(run, config)
    run_ground(run, config)
    for part in ("data", "offline", *imagined_parts(config)):
        run_encode(run, config, part)
    for part in imagined_parts(config):
        run_imagine(run, config, part)
    run_explain(run, config)
    for level in LEVELS:
        run_baselines(run, config, level)
    for algorithm in config.learn.algorithms:
        for arm in config.learn.arms:
            run_learn(run, config, algorithm, arm)
            for level in LEVELS:
                run_evaluate(run, config, algorithm, arm, level)
    if config.prompts:
        run_prompts(run, config)
    results = write_report(run, config, command)
    print(terminal_table(results))
    print(f"report: {run.path / 'report.html'}")
    return results
