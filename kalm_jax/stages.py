"""The stages of the main job: collect, ground, encode, imagine, explain, learn, evaluate, in the order of the data.

Every stage is a function from files to files in the run's folder (`run_folder.py`). CLEVR-Robot is the world; what is
special to it is asked of `kalm_jax.envs`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

import numpy as np

from kalm_jax.config import PipelineConfig
from kalm_jax.data import LEVELS, GoalTable, Rollouts, concatenate, concatenate_goals
from kalm_jax.data.authors import read_prompts, require_instructions
from kalm_jax.data.collect import collect, collection_statistics, goals_of_level
from kalm_jax.data.formats import read_rollouts, write_rollouts
from kalm_jax.data.recover import recover_goals
from kalm_jax.envs import clevr, clevr_goals, corpus, language
from kalm_jax.evaluation import (
    evaluate,
    learner_policy,
    lookahead_policy,
    make_episodes,
    random_policy,
    rows,
    write_results_csv,
)
from kalm_jax.grounding import tasks
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.decode import encode_goals, explain, rollout_likelihood
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches, Words
from kalm_jax.grounding.train import TrainConfig, fit
from kalm_jax.imagination.generate import Step, direct, imagine, write_plans
from kalm_jax.imagination.quality import believable, explanation_row, furthest_move, rollout_rows
from kalm_jax.llm.folder import BUILTIN, load_model
from kalm_jax.llm.lora import LoraConfig, merge
from kalm_jax.llm.lora import init as init_lora
from kalm_jax.llm.weights import weight_files
from kalm_jax.offline_rl import (
    LEARNERS,
    Learner,
    Spec,
    every_end_terminal,
    kalm_learner,
    make_buffer,
    make_learner,
    one_to_one,
    state_of,
    train,
)
from kalm_jax.offline_rl.buffer import Relabel
from kalm_jax.progress import Progress
from kalm_jax.run_folder import RunFolder, write_json

NOVEL_LEVELS = LEVELS[1:]
IMAGINED_SHARES = {"rephrase": 0.6, "unseen_easy": 0.2, "unseen_hard": 0.2, "prompts": 0.6}
"""Relative shares of the imagined half of a batch: rephrased goals are the most, and take many pushes each."""
WORDS = Words(
    document=corpus.sample_document,
    describe=language.describe,
    gist=language.gist,
    plan=lambda family, goal: corpus.plan(clevr_goals.FAMILIES[family], goal),
    sample_plan=corpus.sample_plan,
)
RELABELLED = {"td3bc": {"alpha": 10.0, "batch_size": 256}}
"""Learners whose critic learns from relabelled goals while their policy keeps to the pushes made for its goal, and what
then suits them: the critic may weigh four times as much as in the paper, and there must be enough pushes of the goal's
own in a batch."""
SAMPLES = ("bc", "td3bc", "cql", "awac", "iql", "combo")
"""Learners whose policy can be read as a distribution: TD3+BC answers with a point of the simplex, CQL and COMBO with
softmax Q."""
WORLD_SHARE = 5
"""COMBO learns its world in one of this many updates, before its policy."""


# --- collect -------------------------------------------------------------------------------------------------------


def run_collect(run: RunFolder, config: PipelineConfig) -> None:
    """Real rollouts: `rollouts.h5` for training and `held_out.h5` for the explanation test."""

    def work(folder: pathlib.Path):
        c = config.collect
        if c.file:
            rollouts, goals = read_user_data(c.file)
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

    settings = dataclasses.asdict(config.collect) | {"seed": config.seed, "content": file_mark(config.collect.file)}
    run.stage("collect", settings, [], work)


def read_user_data(path: str) -> tuple[Rollouts, GoalTable]:
    """Rollouts of CLEVR-Robot from a user's file, described by sentences; refuses those of evaluation levels."""
    rollouts, goals = read_rollouts(path)
    if rollouts.observations.shape[2] != clevr.OBSERVATION_DIM or rollouts.actions.ndim != 2:
        raise ValueError(
            f"{path}: observations {rollouts.observations.shape} and actions {rollouts.actions.shape} are not those of "
            f"CLEVR-Robot, which has {clevr.OBSERVATION_DIM} numbers and {clevr.NUM_ACTIONS} discrete actions"
        )
    if not any(goals.text) and (np.asarray(goals.family) < 0).all():
        return recover_goals(rollouts, path)
    require_instructions(goals, f"{path}: grounding")
    novel = sorted({t for t in goals.text if language.split_of(t) in NOVEL_LEVELS})
    if novel:
        raise ValueError(f"{path} holds {len(novel)} sentences of evaluation levels, such as {novel[0]!r}; remove them")
    return rollouts, goals


def file_mark(path: str) -> str:
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
        lora = LoraConfig(g.lora_rank) if g.lora_rank else None
        # Frozen weights stay in the type of their file, half the size of float32; a large model wants stacked layers.
        dtype = None if lora else "float32"
        llm_config, llm_params, tokenizer = load_model(g.llm or BUILTIN, dtype, scan_layers=bool(g.llm))
        options = {"predict_change": g.predict_change, "gaussian_states": g.gaussian_states, "hidden": g.hidden}
        spec = numeric_spec(rollouts, clevr.NUM_ACTIONS, **options)
        model = GroundedModel(llm_config, spec)
        if not lora:
            llm_params = jax.tree.map(np.asarray, llm_params)  # `fit` puts them on the devices, where two may not fit
        params = init_params(model, jax.random.key(config.seed), llm_params)
        batches = Batches(rollouts, goals, tokenizer, g.shares, WORDS, spec, g.rows, g.row_length, config.seed)
        train = TrainConfig(*(g.steps, g.learning_rate), accumulate=g.accumulate, compute=g.compute, lora=lora)
        if lora:
            params["llm"] = init_lora(jax.random.key(config.seed), llm_params, lora)
        with Progress("ground", g.steps) as progress:
            params, _ = fit(model, params, batches, train, folder, progress.update, llm_params if lora else None)
        if lora:
            params["llm"] = merge(llm_params, params["llm"], lora, "float32")
        save_grounded(folder / "model", model, params, tokenizer)

    settings = dataclasses.asdict(config.ground) | {
        "seed": config.seed,
        "weights": _folder_mark(config.ground.llm or BUILTIN),
    }
    run.stage("ground", settings, ["collect"], work)


def _folder_mark(folder) -> list[str]:
    files = weight_files(folder)
    return [f"{f.name}-{f.stat().st_size}-{hashlib.sha256(f.open('rb').read(1 << 20)).hexdigest()[:12]}" for f in files]


# --- encode --------------------------------------------------------------------------------------------------------


def goals_of(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part: the collected data ("data"), a level, or the user's prompts ("prompts"); no vectors."""
    if part == "data":
        return read_rollouts(real_rollouts(run))[1]
    return read_prompts(config.prompts)[0] if part == "prompts" else goals_of_level(part)


def run_encode(run: RunFolder, config: PipelineConfig, part: str) -> None:
    """Goal vectors of a part's sentences in `vectors.npy`."""
    goals = goals_of(run, config, part)

    def work(folder: pathlib.Path):
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        np.save(folder / "vectors.npy", encode_goals(model, params, tokenizer, goals.text))

    run.stage(f"encode/{part}", {"sentences": _text_mark(goals)}, ["ground"], work)


def encoded_goals(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part with their vectors."""
    return goals_of(run, config, part).with_vector(np.load(run.path / "encode" / part / "vectors.npy"))


def _text_mark(goals: GoalTable) -> str:
    return hashlib.sha256("\n".join(goals.text).encode()).hexdigest()[:16]


def real_rollouts(run: RunFolder) -> pathlib.Path:
    """The file of the real rollouts that models and policies train on."""
    return run.path / "collect" / "rollouts.h5"


# --- imagine -------------------------------------------------------------------------------------------------------


def run_imagine(run: RunFolder, config: PipelineConfig, part: str) -> None:
    """Imagined rollouts for a novel level or the user's prompts in `rollouts.h5`, their quality in `quality.json`."""
    count = config.imagine.rephrase if part == "prompts" else getattr(config.imagine, part)
    goals = goals_of(run, config, part)

    def work(folder: pathlib.Path):
        rng = np.random.default_rng([config.seed, 2, (*LEVELS, "prompts").index(part)])
        goal = balanced_goals(rng, goals, count)
        plans = plans_of(run, config, goals)
        write_json(folder / "plans.json", {t: [s.text for s in plan] for t, plan in zip(goals.text, plans)})
        rollouts = imagine_from(run, config, goals, goal, unsolved_states(rng, goals, goal), plans, f"imagine {part}")
        write_rollouts(folder / "rollouts.h5", rollouts, goals)
        limit = furthest_move(read_rollouts(real_rollouts(run))[0])
        write_json(folder / "quality.json", rollout_rows(rollouts, goals, limit))

    settings = {"count": count, "seed": config.seed}
    settings |= {name: getattr(config.imagine, name) for name in ("temperature", "plan", "patience")}
    run.stage(f"imagine/{part}", settings | {"sentences": _text_mark(goals)}, ["ground"], work)


def plans_of(run: RunFolder, config: PipelineConfig, goals: GoalTable) -> list[list[Step]]:
    """How each goal is to be imagined: by the model's own plan, or in the goal's own words."""
    if not config.imagine.plan:
        return direct(goals)
    return write_plans(*load_grounded(run.path / "ground" / "model"), goals, corpus.read_plan)


def imagine_from(run: RunFolder, config: PipelineConfig, goals, goal, states, plans, label: str) -> Rollouts:
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
                *(model, params, tokenizer, goals, goal[place], states[place], plans),
                stop=clevr_goals.success,
                satisfied=clevr_goals.satisfied,
                reward=clevr_goals.reward,
                horizon=horizon,
                patience=config.imagine.patience if config.imagine.plan else horizon,
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
    candidates = config.imagine.candidates

    def work(folder: pathlib.Path):
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        rollouts, goals = read_rollouts(run.path / "collect" / "held_out.h5")
        rollouts = rollouts.take(slice(0, config.imagine.explained))
        prompts = {"seen": tasks.EXPLANATION_PROMPTS[0], "unseen": tasks.UNSEEN_EXPLANATION_PROMPT}
        rows = []
        with Progress("explain", len(prompts) * candidates) as progress:
            for i, (name, prompt) in enumerate(prompts.items()):
                said = [
                    explain(
                        *(model, params, tokenizer, rollouts, prompt, tasks.ANSWER_PROMPT, tasks.GIST_END),
                        temperature=float(k > 0),
                        seed=k,
                    )
                    for k in range(candidates)
                ]
                rows.append(explanation_row(said[0], rollouts, goals, name))
                if candidates > 1:
                    texts = likeliest(model, params, tokenizer, rollouts, said)
                    rows.append(explanation_row(texts, rollouts, goals, f"{name}, likeliest of {candidates}"))
                progress.update((i + 1) * candidates)
        write_json(folder / "explanation.json", rows)

    settings = {"rollouts": config.imagine.explained, "candidates": candidates}
    run.stage("explain", settings, ["ground"], work)


def likeliest(model, params, tokenizer, rollouts: Rollouts, said: list[list[str]]) -> list[str]:
    """Of several explanations of each rollout, the one for which the model itself would most likely have acted so.

    `said[k][i]` is the k-th explanation of rollout i.
    """
    scores = []
    for texts in said:
        prompts = [tasks.goal_prompt(tokenizer, text) for text in texts]
        scores.append(rollout_likelihood(model, params, prompts, rollouts))
    return [said[k][i] for i, k in enumerate(np.argmax(scores, axis=0))]


# --- learn ---------------------------------------------------------------------------------------------------------


def imagined_parts(config: PipelineConfig) -> tuple[str, ...]:
    """What the arm "kalm" has imagined rollouts of: the novel levels and the user's prompts."""
    return NOVEL_LEVELS + (("prompts",) if config.prompts else ())


def run_learn(run: RunFolder, config: PipelineConfig, algorithm: str, arm: str) -> None:
    """All seeds of one learner on one arm: `policies.msgpack` and `curve.json`."""
    from flax import serialization

    learner = configured_learner(config, algorithm)
    updates = config.learn.updates_of(algorithm)
    parts = imagined_parts(config) if arm == "kalm" else ()
    relabel = relabel_share(config, algorithm)

    def work(folder: pathlib.Path):
        real, _ = read_rollouts(real_rollouts(run))
        tables = [encoded_goals(run, config, part) for part in ("data", *parts)]
        goals, offsets = concatenate_goals(tables)
        imagined = [read_rollouts(run.path / "imagine" / part / "rollouts.h5")[0] for part in parts]
        if not config.imagine.keep_all:
            limit = furthest_move(real)
            imagined = [_believed(part, r, limit) for part, r in zip(parts, imagined, strict=True)]
        imagined = [dataclasses.replace(r, goal=r.goal + first) for r, first in zip(imagined, offsets[1:], strict=True)]
        if config.learn.compat == "kalm":
            real, imagined = every_end_terminal(real), [every_end_terminal(r) for r in imagined]
        shares = [IMAGINED_SHARES[part] for part in parts]
        other_goals = Relabel(relabel, clevr_goals.judge) if relabel else None
        buffer = make_buffer(
            one_to_one(real, imagined, shares), goals, clevr.NUM_ACTIONS, config.learn.draw, other_goals
        )
        seeds = [config.seed + i for i in range(config.learn.seeds)]
        with Progress(f"learn {algorithm} {arm}", updates * len(seeds)) as progress:
            state, curve = train(
                learner,
                buffer,
                seeds,
                updates,
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
        "updates": updates,
        "draw": config.learn.draw,
        "relabel": relabel,
        "compat": config.learn.compat,
        "keep_all": config.imagine.keep_all,
        "shares": [IMAGINED_SHARES[part] for part in parts],
    }
    needs = ["collect", "encode/data", *(f"{stage}/{part}" for part in parts for stage in ("encode", "imagine"))]
    run.stage(f"learn/{algorithm}-{arm}", settings, needs, work)


def configured_learner(config: PipelineConfig, algorithm: str) -> Learner:
    """The learner with the run's settings."""
    compat = config.learn.compat == "kalm"
    if config.learn.settings == "kalm":
        return kalm_learner(algorithm, discrete=True, compat=compat)
    settings = {
        "discount": 1.0 if compat else config.learn.discount,
        "dynamics_updates": config.learn.updates_of(algorithm) // WORLD_SHARE,
    }
    known = {field.name for field in dataclasses.fields(LEARNERS[algorithm][1])}
    special = RELABELLED[algorithm] if relabel_share(config, algorithm) else {}
    return make_learner(algorithm, **{k: v for k, v in settings.items() if k in known}, **special)


def relabel_share(config: PipelineConfig, algorithm: str) -> float:
    """Share of relabelled goals; none with the settings or the semantics of the authors."""
    ours = config.learn.settings == "ours" and config.learn.compat == "none"
    return config.learn.relabel if ours and algorithm in RELABELLED else 0.0


def _believed(part: str, rollouts: Rollouts, limit: float) -> Rollouts:
    """The believable rollouts; where there is none, all of them, said aloud."""
    good = believable(rollouts, limit)
    if not good.any():
        print(f"imagine/{part}: no rollout reaches its goal realistically, so the policies learn from all of them")
        return rollouts
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
                policies.append(learner_policy(configured_learner(config, algorithm), policy, choice == "greedy", seed))
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
    like = jax.eval_shape(configured_learner(config, algorithm).init, jax.random.key(0), spec)
    tree = jax.tree.structure(like)
    values = [leaves[str(i)] for i in range(len(leaves))]
    restored = [
        jax.random.wrap_key_data(v) if jax.dtypes.issubdtype(want.dtype, jax.dtypes.prng_key) else jax.numpy.asarray(v)
        for v, want in zip(values, jax.tree.leaves(like), strict=True)
    ]
    state = jax.tree.unflatten(tree, restored)
    return [state_of(state, i) for i in range(config.learn.seeds)]
