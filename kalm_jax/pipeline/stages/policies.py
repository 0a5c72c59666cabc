"""The last stages of the main job: learn and evaluate; `stages.py` has those before."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from kalm_jax import sharding as parallel
from kalm_jax.datasets.formats import read_rollouts
from kalm_jax.evaluation import evaluate, learner_policy, rows, write_results_csv
from kalm_jax.files import write_bytes, write_json
from kalm_jax.llm.hf.config import read_config
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.transformer import Llama
from kalm_jax.offline_rl import (
    Buffer,
    Learner,
    every_end_terminal,
    kalm_learner,
    make_buffer,
    make_learner,
    one_to_one,
    state_of,
)
from kalm_jax.offline_rl.algorithms.decision_transformer import with_backbone
from kalm_jax.offline_rl.buffer import Relabel
from kalm_jax.offline_rl.networks import View
from kalm_jax.offline_rl.registry import find_algorithm, plain_config
from kalm_jax.offline_rl.trainer import train
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.pipeline.stages.first import NOVEL_LEVELS, encoded_goals, encoding, real_rollouts
from kalm_jax.progress import Progress
from kalm_jax.types import GoalTable, Rollouts, concatenate_goals, unnamed_goal
from kalm_jax.worlds.base import World, get_world

RELABELLED = {"td3bc": {"alpha": 10.0, "batch_size": 256}}
"""Learners whose critic learns from relabelled goals while their policy keeps to the pushes made for its goal, and what
then suits them: the critic may weigh four times as much as in the paper, and there must be enough pushes of the goal's
own in a batch."""
CHECKPOINTS = 20
"""Parts of a training run, at whose ends policies may be kept."""
DT_CONTEXT = 10
"""Steps that a Decision Transformer looks back: as many as most rollouts here are long, half of its authors' 20."""
DYNAMICS_SHARE = 5
"""COMBO learns its model of the world in one of this many updates, before its policy."""


# --- learn ---------------------------------------------------------------------------------------------------------


def imagined_parts(config: PipelineConfig) -> tuple[str, ...]:
    """What the arm "kalm" has imagined rollouts of: the novel levels and the user's prompts."""
    return NOVEL_LEVELS + (("prompts",) if config.prompts else ())


def novel_rollouts(config: PipelineConfig, arm: str) -> dict[str, str]:
    """Part -> the stage with its rollouts, of what an arm learns from beside the real data."""
    if arm == "oracle":
        return {part: f"oracle/{part}" for part in NOVEL_LEVELS}
    return {part: f"imagine/{part}" for part in imagined_parts(config)} if arm == "kalm" else {}


def run_learn(run: RunFolder, config: PipelineConfig, algorithm: str, arm: str) -> None:
    """All seeds of one learner on one arm: `curve.json`, and `policies.msgpack` of the end and of `checkpoints`."""
    from flax import serialization

    learner = configured_learner(config, algorithm)
    updates = config.learn.updates_of(algorithm)
    parts = novel_rollouts(config, arm)
    relabel, world = relabel_share(config, algorithm), get_world(config.world)
    seeds = [config.seed + i for i in range(config.learn.seeds)]

    def work(folder: pathlib.Path):
        buffer = learning_data(run, config, parts, relabel)
        start = _language_backbone(run) if learner.name == "decision_transformer" and learner.config.backbone else None
        with Progress(f"learn {algorithm} {arm}", updates * len(seeds)) as progress:
            for name, point in checkpoints(config, algorithm).items():
                if parallel.agree((folder / name).exists()):
                    continue
                state, curve = train(
                    learner,
                    buffer,
                    seeds,
                    point,
                    start=start,
                    checkpoint_dir=folder / "checkpoints",
                    progress=lambda done, total, **metrics: progress.update(done, **metrics),
                )
                if parallel.is_writer():
                    write_json(folder / "curve.json", [{"algorithm": algorithm, "arm": arm, **row} for row in curve])
                    write_bytes(folder / name, serialization.to_bytes(policy_leaves(state)))

    settings = {
        "learner": plain_config(learner.config),
        "seed": config.seed,
        "seeds": config.learn.seeds,
        "updates": updates,
        "draw": config.learn.draw,
        "relabel": relabel,
        "compat": config.learn.compat,
        "keep_all": config.imagine.keep_all,
        "shares": [world.shares[part] for part in parts],
    }
    if config.learn.checkpoints > 1:
        settings["checkpoints"] = config.learn.checkpoints
    if (view := view_of(config)) != View():
        settings["view"] = dataclasses.asdict(view)
    needs = ["collect", *encoding(config, ["data", *parts]), *parts.values()]
    run.stage(f"learn/{algorithm}-{arm}", settings, needs, work, together=True)


def learning_data(run: RunFolder, config: PipelineConfig, parts: dict[str, str], relabel: float) -> Buffer:
    """The real rollouts, and those of `parts` (see `novel_rollouts`), half of each batch from either."""
    world = get_world(config.world)
    real, _ = read_rollouts(real_rollouts(run))
    tables = [encoded_goals(run, config, part) for part in ("data", *parts)]
    goals, offsets = concatenate_goals(tables)
    novel = [read_rollouts(run.path / stage / "rollouts.h5")[0] for stage in parts.values()]
    if not config.imagine.keep_all:
        judged = zip(parts, novel, tables[1:], strict=True)
        novel = [_believed(world, part, r, table, real) if r.imagined.any() else r for part, r, table in judged]
    novel = [dataclasses.replace(r, goal=r.goal + first) for r, first in zip(novel, offsets[1:], strict=True)]
    shares = [world.shares[part] for part, rollouts in zip(parts, novel) if len(rollouts)]
    novel = [rollouts for rollouts in novel if len(rollouts)]
    if config.learn.compat == "kalm":
        real, novel = every_end_terminal(real), [every_end_terminal(r) for r in novel]
    sources = one_to_one(real, novel, shares)
    other_goals = Relabel(relabel, world.judge) if relabel else None
    return make_buffer(sources, goals, world.num_actions or None, config.learn.draw, other_goals, view_of(config))


def checkpoints(config: PipelineConfig, algorithm: str) -> dict[str, int]:
    """Files of the policies that are evaluated, and after how many updates each is kept; the end is the last."""
    updates, count = config.learn.updates_of(algorithm), config.learn.checkpoints
    points = {max(1, round(updates * (CHECKPOINTS - i) / CHECKPOINTS)) for i in range(1, count)} - {updates}
    return {f"policies-{point}.msgpack": point for point in sorted(points)} | {"policies.msgpack": updates}


def _language_backbone(run: RunFolder):
    """What puts the grounded language model's weights into a Decision Transformer, see `train`."""
    from kalm_jax.grounding.checkpoint import load_grounded

    _, params, _ = load_grounded(run.path / "ground" / "model")
    backbone = parallel.gather(params["llm"])
    return lambda states: with_backbone(states, backbone)


def configured_learner(config: PipelineConfig, algorithm: str) -> Learner:
    """The learner with the run's settings."""
    compat = config.learn.compat == "kalm"
    if config.learn.settings == "kalm":
        return kalm_learner(algorithm, discrete=bool(get_world(config.world).num_actions), compat=compat)
    settings = dict(get_world(config.world).settings.get(algorithm, {})) | {
        "discount": 1.0 if compat else config.learn.discount,
        "dynamics_updates": config.learn.updates_of(algorithm) // DYNAMICS_SHARE,
    }
    known = {field.name for field in dataclasses.fields(find_algorithm(algorithm)[1])}
    special = RELABELLED[algorithm] if relabel_share(config, algorithm) else {}
    if algorithm == "decision_transformer":
        special = {"context": DT_CONTEXT}
        if config.learn.dt_backbone == "llm":
            llm = read_config(config.ground.llm or BUILTIN)
            special |= {"backbone": Llama(llm), "width": llm.width}
    return make_learner(algorithm, **{k: v for k, v in settings.items() if k in known} | special)


def view_of(config: PipelineConfig) -> View:
    """How policies see observations: as suits the world, or with the authors' settings plainly."""
    return get_world(config.world).view if config.learn.settings == "ours" else View()


def relabel_share(config: PipelineConfig, algorithm: str) -> float:
    """Share of relabelled goals; none with the settings or the semantics of the authors, or where no step is judged."""
    ours = config.learn.settings == "ours" and config.learn.compat == "none" and get_world(config.world).judge
    return config.learn.relabel if ours and algorithm in RELABELLED else 0.0


def _believed(world: World, part: str, rollouts: Rollouts, goals: GoalTable, real: Rollouts) -> Rollouts:
    """The believable rollouts; that there is none, so that policies learn from none of the part, is said aloud."""
    good = world.believable(rollouts, goals, real)
    if not good.any() and parallel.is_writer():
        print(f"imagine/{part}: no rollout reaches its goal realistically, so the policies learn from none of them")
    return rollouts.take(good)


def policy_leaves(state) -> list[np.ndarray]:
    """The numbers of a learner's state (all seeds), in the tree's order; random keys as their bits."""
    import jax

    leaves = jax.tree.leaves(state)
    return [
        np.asarray(jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x) for x in leaves
    ]


# --- evaluate ------------------------------------------------------------------------------------------------------


def run_baselines(run: RunFolder, config: PipelineConfig, level: str) -> None:
    """The random floor and the ceiling of a level in `results.csv`."""
    e, world = config.evaluate, get_world(config.world)

    def work(folder: pathlib.Path):
        with world.simulator() as simulator, Progress(f"floor and ceiling {level}", 2) as progress:
            found = []
            for i in range(config.learn.seeds):
                seed = config.seed + i
                episodes = world.make_episodes(level, e.episodes, seed)
                (result,) = evaluate([world.random_policy(seed)], [episodes], simulator)
                found += result_rows(world, result, episodes, "random", "random", seed, "sampled")
            progress.update(1)
            episodes = world.make_episodes(level, e.ceiling_episodes, config.seed)
            (result,) = evaluate([world.ceiling_policy(simulator, config.seed)], [episodes], simulator)
            found += result_rows(world, result, episodes, world.ceiling, world.ceiling, config.seed, "greedy")
            progress.update(2)
        write_results_csv(folder / "results.csv", found)

    settings = dataclasses.asdict(e) | {"seed": config.seed, "seeds": config.learn.seeds, "world": config.world}
    run.stage(f"evaluate/baselines-{level}", settings, [], work)


def result_rows(world: World, result, episodes, algorithm: str, arm: str, seed: int, action_choice: str) -> list[dict]:
    """`evaluation.rows` in a world's words."""
    labels = {"algorithm": algorithm, "arm": arm, "seed": seed, "action_choice": action_choice}
    return rows(result, episodes, environment=world.name, families=world.families, early=world.early, **labels)


def action_choices(world: World, algorithm: str) -> tuple[str, ...]:
    """How a learner's policy is played: greedily, and sampled where it is a distribution."""
    return ("greedy", "sampled") if algorithm in world.samples else ("greedy",)


def run_evaluate(run: RunFolder, config: PipelineConfig, algorithm: str, arm: str, level: str) -> None:
    """Success of every seed of one learner and arm at a level in `results.csv`.

    Where several checkpoints are kept each plays an even share of the episodes: the rate is the mean over them.
    """
    world = get_world(config.world)
    choices, learner = action_choices(world, algorithm), configured_learner(config, algorithm)

    def work(folder: pathlib.Path):
        vectors = encoded_goals(run, config, level).vector
        kept = [load_policies(run, config, algorithm, arm, name) for name in checkpoints(config, algorithm)]
        played, policies, keys = [], [], []
        for i in range(config.learn.seeds):
            seed = config.seed + i
            episodes = world.make_episodes(level, config.evaluate.episodes, seed).with_vectors(vectors)
            for choice in choices:
                for k, states in enumerate(kept):
                    act = learner_policy(learner, states[i], choice == "greedy", seed, world.observe, world.label)
                    policies.append(act)
                    played.append(episodes.take(slice(k, None, len(kept))))
                    keys.append((seed, choice))
        with world.simulator() as simulator:
            results = evaluate(policies, played, simulator)
        found = []
        for i in range(0, len(keys), len(kept)):
            result, episodes = joined(results[i : i + len(kept)]), joined(played[i : i + len(kept)])
            found += result_rows(world, result, episodes, algorithm, arm, *keys[i])
        write_results_csv(folder / "results.csv", found)

    settings = {"episodes": config.evaluate.episodes, "seed": config.seed}
    needs = [f"learn/{algorithm}-{arm}", *encoding(config, [level])]
    run.stage(f"evaluate/{algorithm}-{arm}-{level}", settings, needs, work)


def joined(parts: list):
    """Results, or episodes of one level, one after the other."""
    names = [field.name for field in dataclasses.fields(parts[0])]
    arrays = [name for name in names if isinstance(getattr(parts[0], name), np.ndarray)]
    return dataclasses.replace(parts[0], **{k: np.concatenate([getattr(part, k) for part in parts]) for k in arrays})


def load_policies(
    run: RunFolder, config: PipelineConfig, algorithm: str, arm: str, name: str = "policies.msgpack"
) -> list:
    """The trained states of one learner and arm, one per seed; `name` is one of `checkpoints`."""
    import jax
    from flax import serialization

    leaves = serialization.msgpack_restore((run.path / "learn" / f"{algorithm}-{arm}" / name).read_bytes())
    width = np.load(run.path / "encode" / "data" / "vectors.npy").shape[1]
    world = get_world(config.world)
    learner = configured_learner(config, algorithm)
    # States are of the same shape whatever the data hold: here a single step of nothing.
    seen = np.zeros((1, 2, world.observation_dim), np.float32)
    action = np.zeros((1, 1), np.int32) if world.num_actions else np.zeros((1, 1, world.action_dim), np.float32)
    length, goal, no = np.ones(1, np.int32), np.zeros(1, np.int32), np.zeros(1, bool)
    step = Rollouts(seen, action, np.zeros((1, 1), np.float32), length, no, goal, no)
    data = make_buffer([(step, 1.0)], unnamed_goal(np.zeros(width)), world.num_actions or None, view=view_of(config))
    like = jax.eval_shape(learner.init, jax.random.key(0), learner.spec(data))
    tree = jax.tree.structure(like)
    values = [leaves[str(i)] for i in range(len(leaves))]
    restored = [
        jax.random.wrap_key_data(v) if jax.dtypes.issubdtype(want.dtype, jax.dtypes.prng_key) else jax.numpy.asarray(v)
        for v, want in zip(values, jax.tree.leaves(like), strict=True)
    ]
    state = jax.tree.unflatten(tree, restored)
    return [state_of(state, i) for i in range(config.learn.seeds)]
