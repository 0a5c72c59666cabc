"""The first stages of the main job: collect, ground, encode, imagine, explain, in the order of the data.

Every stage is a function from files to files in the run's folder (`run_folder.py`). What is special to a world is asked
of its record (`worlds/world.py`). `policy_stages.py` has the rest: learn, evaluate.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from kalm_jax import sharding as parallel
from kalm_jax.datasets.formats import read_rollouts, write_rollouts
from kalm_jax.evaluation.metrics import metric_rows, write_metrics
from kalm_jax.files import read_json, write_json
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.decoding import encode_goals
from kalm_jax.grounding.explanation import ACTING_WEIGHT, READING_WEIGHT, SAYINGS, VIEWS, explain, likeliest_gists, tell
from kalm_jax.grounding.model import GroundedModel, change_llms, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches, augmented
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.imagination.rollouts import Step, direct, imagine, reader, write_plans
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from kalm_jax.llm.hf.weights import weight_files
from kalm_jax.llm.lora import LoraConfig, merge
from kalm_jax.llm.lora import init as init_lora
from kalm_jax.llm.transformer import unstack_layers
from kalm_jax.offline_rl.normalization import Whitening, whitening
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.types import LEVELS, GoalTable, Rollouts, concatenate, last_steps
from kalm_jax.worlds.base import get_world

NOVEL_LEVELS = LEVELS[1:]
WHITENED = ("data", *NOVEL_LEVELS)
"""Parts whose sentences say how goal vectors are whitened."""


# --- collect -------------------------------------------------------------------------------------------------------


def run_collect(run: RunFolder, config: PipelineConfig) -> None:
    """Real rollouts: `rollouts.h5` for training and `held_out.h5` for the explanation test."""

    def work(folder: pathlib.Path):
        c, world = config.collect, get_world(config.world)
        if c.file:
            rollouts, goals = world.read_data(c.file)
        else:
            with Progress("collect", c.rollouts) as progress:
                rollouts, goals = world.collect(
                    config.seed, c.rollouts, c.behaviour, lambda done, total: progress.update(done)
                )
        order = np.random.default_rng([config.seed, 1]).permutation(len(rollouts))
        held_out = max(1, round(c.held_out * len(rollouts)))
        write_rollouts(folder / "held_out.h5", rollouts.take(order[:held_out]), goals)
        write_rollouts(folder / "rollouts.h5", rollouts.take(order[held_out:]), goals)
        write_json(folder / "statistics.json", world.statistics(rollouts, goals))

    settings = dataclasses.asdict(config.collect) | {"seed": config.seed, "content": file_mark(config.collect.file)}
    settings["world"] = config.world
    run.stage("collect", settings, [], work)


def file_mark(path: str) -> str:
    """What identifies a user's file: its size and time, so that an edited file redoes the stages."""
    if not path:
        return ""
    stat = pathlib.Path(path).stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


# --- ground --------------------------------------------------------------------------------------------------------


def run_ground(run: RunFolder, config: PipelineConfig) -> None:
    """The grounded language model in `model/`, its training curve in `curve.jsonl`."""
    world = get_world(config.world)

    def work(folder: pathlib.Path):
        import jax

        g = config.ground
        rollouts, goals = read_rollouts(run.path / "collect" / "rollouts.h5")
        lora = LoraConfig(g.lora_rank) if g.lora_rank else None
        # Frozen weights stay in the type of their file, half the size of float32; a large model wants stacked layers.
        dtype = None if lora else "float32"
        mesh = parallel.make_mesh(g.rows // g.accumulate)
        sharding = parallel.weight_sharding(mesh)
        llm_config, llm_params, tokenizer = load_model(g.llm or BUILTIN, dtype, sharding, scan_layers=bool(g.llm))
        options = {n: getattr(g, n) for n in ("predict_change", "gaussian_states", "hidden", "two_models")}
        options |= {} if world.num_actions else {"gaussian_actions": g.gaussian_actions}
        shown = augmented(rollouts, goals, world.augment, config.seed) if world.augment else rollouts
        spec = numeric_spec(shown, world.num_actions, **world.numbers, **options)
        llm_config = dataclasses.replace(llm_config, attention=g.attention, recompute=g.recompute)
        model = GroundedModel(llm_config, spec)
        params = init_params(model, jax.random.key(config.seed), llm_params)
        size = (g.rows, g.row_length, config.seed, g.window, g.reading)
        batches = Batches(rollouts, goals, tokenizer, g.shares, world.words, spec, *size, world.augment)
        # A user's own by AdamW, as the authors do; Muon, which works on copies of all matrices, is untried there.
        options = {"muon": 0.0 if g.llm else TrainConfig.muon, "accumulate": g.accumulate, "compute": g.compute}
        options |= {"measure_every": config.metrics.every}
        train = TrainConfig(g.steps, g.learning_rate, g.warmup, lora=lora, **options)
        if lora:
            params = change_llms(params, lambda llm: init_lora(jax.random.key(config.seed), llm, lora))
        elif g.two_models:  # what is used up once (`donate`) cannot be both
            params["states"] = jax.tree.map(jax.numpy.copy, params["states"])
        frozen = llm_params if lora else None

        def whole(params):
            if not lora:
                return params
            base = parallel.gather(frozen)
            return change_llms(params, lambda adapters: merge(base, adapters, lora, "float32"))

        metrics = training_metrics(run, config, model, tokenizer, rollouts) if config.metrics.every else None

        def measure(step, params):
            rows = metrics(step, whole(params))
            if parallel.is_writer():
                write_metrics(folder / "metrics.csv", rows)

        with Progress("ground", g.steps) as progress:
            params, _ = fit(
                model, params, batches, train, folder, progress.update, frozen, donate=True, measure=measure
            )
        params = whole(params)
        if parallel.is_writer():
            save_grounded(folder / "model", model, params, tokenizer)

    settings = dataclasses.asdict(config.ground) | {
        "seed": config.seed,
        "weights": _folder_mark(config.ground.llm or BUILTIN),
    }
    for name in ("attention", "recompute"):  # as with another mesh: other orders of the same sums
        del settings[name]
    if not config.ground.two_models:
        del settings["two_models"]  # runs from before there was a choice stay done
    settings |= world.numbers
    if world.augment is not None:
        settings["augment"] = world.augment.__name__
        settings["short_goals"] = sorted(filter(None, map(world.words.plan, range(len(world.families)))))
    run.stage("ground", settings, ["collect"], work, together=True)


def training_metrics(
    run: RunFolder, config: PipelineConfig, model: GroundedModel, tokenizer, real: Rollouts
) -> Callable[[int, dict], list[dict]]:
    """(step, parameters on the host) -> rows of `evaluation.metrics` for a model that is being grounded.

    Rollouts are imagined for validation sentences as `run_imagine` does for a level, and the last held-out rollouts are
    explained, at the first answer. `real` are the rollouts of training, for what is realistic.
    """
    m, world = config.metrics, get_world(config.world)
    rng = np.random.default_rng([config.seed, 4])
    every = world.validation_goals()
    used, goal = np.unique(balanced_goals(rng, every, m.rollouts), return_inverse=True)
    goals = every.take(used)
    states, _ = world.first_states(rng, goals, goal)
    shown, shown_goals = read_rollouts(run.path / "collect" / "held_out.h5")
    shown = last_steps(shown.take(slice(-m.explained, None)), config.ground.window)
    prompts = {"seen": world.words.explanation_prompts[0], "unseen": world.words.unseen_prompt}
    stacked = model.config.scan_layers
    model = GroundedModel(dataclasses.replace(model.config, scan_layers=False, attention="plain"), model.spec)

    def measure(step: int, params: dict) -> list[dict]:
        grounded = (model, change_llms(params, unstack_layers) if stacked else params, tokenizer)
        plans = plans_of(run, config, goals, grounded=grounded)
        rollouts = imagine_from(run, config, goals, goal, states, plans, f"metrics at {step}", grounded)
        said = [
            world.explanation(explain(*grounded, shown, prompt), shown, shown_goals, name)
            for name, prompt in prompts.items()
        ]
        return metric_rows(step, world.quality(rollouts, goals, real), said, world.terms.unrealistic)

    return measure


def _folder_mark(folder) -> list[str]:
    files = weight_files(folder)
    return [f"{f.name}-{f.stat().st_size}-{hashlib.sha256(f.open('rb').read(1 << 20)).hexdigest()[:12]}" for f in files]


# --- encode --------------------------------------------------------------------------------------------------------


def goals_of(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part: the collected data ("data"), a level, or the user's prompts ("prompts"); no vectors."""
    if part == "data":
        return read_rollouts(real_rollouts(run))[1]
    world = get_world(config.world)
    return world.read_prompts(config.prompts)[0] if part == "prompts" else world.goals_of_level(part)


def run_encode(run: RunFolder, config: PipelineConfig, part: str) -> None:
    """Goal vectors of a part's sentences in `vectors.npy`; those of the data, encoded before, serve its level too."""
    goals = goals_of(run, config, part)
    settings = {"sentences": _text_mark(goals)}
    known = part != "data" and read_json(run.path / "encode" / "data" / "done.json")["settings"] == settings

    def work(folder: pathlib.Path):
        if known:
            vectors = np.load(run.path / "encode" / "data" / "vectors.npy")
        else:
            model, params, tokenizer = load_grounded(run.path / "ground" / "model")
            vectors = encode_goals(model, params, tokenizer, goals.text)
        if parallel.is_writer():
            np.save(folder / "vectors.npy", vectors)

    needs = ["ground", "encode/data"] if known else ["ground"]
    run.stage(f"encode/{part}", settings, needs, work, together=True)


def run_whiten(run: RunFolder, config: PipelineConfig) -> None:
    """How the vectors of all goals are whitened for policies, in `whitening.npz`; the same for every arm."""

    def work(folder: pathlib.Path):
        if parallel.is_writer():
            vectors = np.concatenate([np.load(run.path / "encode" / part / "vectors.npy") for part in WHITENED])
            np.savez(folder / "whitening.npz", **dataclasses.asdict(whitening(vectors, config.learn.whitening)))

    needs = [f"encode/{part}" for part in WHITENED]
    run.stage("encode/whitening", {"ridge": config.learn.whitening}, needs, work, together=True)


def encoded_goals(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part with their vectors as policies see them."""
    vectors = np.load(run.path / "encode" / part / "vectors.npy")
    if config.learn.whitening:
        with np.load(run.path / "encode" / "whitening" / "whitening.npz") as file:
            vectors = Whitening(**file)(vectors)
    return goals_of(run, config, part).with_vector(vectors)


def encoding(config: PipelineConfig, parts: Sequence[str]) -> list[str]:
    """The stages that `encoded_goals` of `parts` needs."""
    return [f"encode/{part}" for part in parts] + (["encode/whitening"] if config.learn.whitening else [])


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
    draws = 1 if part == "rephrase" else draws_of(config)

    def work(folder: pathlib.Path):
        world = get_world(config.world)
        rng = np.random.default_rng([config.seed, 2, (*LEVELS, "prompts").index(part)])
        goal = balanced_goals(rng, goals, count)
        plans = plans_of(run, config, goals, goal)
        states, starts = world.first_states(rng, goals, goal)
        rollouts = imagine_from(run, config, goals, goal, states, plans, f"imagine {part}", draws=draws)
        if not parallel.is_writer():
            return
        np.save(folder / "starts.npy", starts)
        write_json(folder / "plans.json", {goals.text[g]: [s.text for s in plans[g]] for g in np.unique(goal).tolist()})
        write_rollouts(folder / "rollouts.h5", rollouts, goals)
        write_json(folder / "quality.json", world.quality(rollouts, goals, read_rollouts(real_rollouts(run))[0]))

    settings = {"count": count, "seed": config.seed}
    settings |= {name: getattr(config.imagine, name) for name in ("temperature", "plan", "patience")}
    if draws > 1:
        settings["draws"] = draws
    if get_world(config.world).project is not None:
        settings["project"] = get_world(config.world).project.__name__
    run.stage(f"imagine/{part}", settings | {"sentences": _text_mark(goals)}, ["ground"], work, together=True)


def plans_of(
    run: RunFolder,
    config: PipelineConfig,
    goals: GoalTable,
    asked: Sequence[int] | np.ndarray | None = None,
    grounded: tuple | None = None,
) -> list[list[Step]]:
    """How each goal is to be imagined: by the language model's own plan, or in the goal's own words.

    Args:
      run, config: of the run.
      goals: all goals.
      asked: indices of goals, repeated or not, that a plan is written for, the others keep their own words; None: all.
      grounded: (model, parameters, tokenizer) in the place of the run's grounded model.

    The built-in model plans as it was before grounding, which costs it some of the words that its text taught it. A
    user's own model plans after grounding, which alone taught it what a plan is.
    """
    world, plans = get_world(config.world), direct(goals)
    if not config.imagine.plan:
        return plans
    model, params, tokenizer = grounded or load_grounded(run.path / "ground" / "model")
    if world.builtin_plans and not config.ground.llm:
        params = {**params, "llm": load_model(BUILTIN)[1]}
    asked = np.arange(len(goals)) if asked is None else np.unique(asked)
    written = write_plans(model, params, tokenizer, goals.take(asked), world.read_plan)
    for goal, plan in zip(asked, written, strict=True):
        plans[goal] = plan
    return plans


def draws_of(config: PipelineConfig) -> int:
    """Continuations that are drawn for goals beyond those of the data; one where a world's states cannot be read."""
    return config.imagine.draws if config.imagine.plan and get_world(config.world).readings else 1


def imagine_from(
    run: RunFolder,
    config: PipelineConfig,
    goals,
    goal,
    states,
    plans,
    label: str,
    grounded: tuple | None = None,
    draws: int = 1,
) -> Rollouts:
    """Imagined rollouts for goals `goal` (N,) from first states (N, D), in that order; `grounded` as in `plans_of`."""
    world = get_world(config.world)
    model, params, tokenizer = grounded or load_grounded(run.path / "ground" / "model")
    judge = reader(model, params, tokenizer, world.readings) if draws > 1 else None
    steps = world.imagined_steps(np.asarray(goals.family)[goal])
    parts, places = [], []
    with Progress(label, len(goal)) as progress:
        for horizon in sorted(set(steps.tolist()), reverse=True):
            place = np.flatnonzero(steps == horizon)
            rollouts = imagine(
                *(model, params, tokenizer, goals, goal[place], states[place], plans),
                stop=world.stop,
                satisfied=world.satisfied,
                label=world.label,
                project=world.project,
                show=world.show_stage,
                judge=judge,
                draws=draws,
                horizon=horizon,
                patience=config.imagine.patience if config.imagine.plan else config.ground.window or horizon,
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


def run_explain(run: RunFolder, config: PipelineConfig) -> None:
    """Explanations of held-out real rollouts, with the seen and an unseen prompt, in `explanation.json`."""
    draws = config.imagine.explanation_draws

    def work(folder: pathlib.Path):
        world = get_world(config.world)
        model, params, tokenizer = load_grounded(run.path / "ground" / "model")
        rollouts, goals = read_rollouts(run.path / "collect" / "held_out.h5")
        rollouts = last_steps(rollouts.take(slice(0, config.imagine.explained)), config.ground.window)
        prompts = {"seen": world.words.explanation_prompts[0], "unseen": world.words.unseen_prompt}
        rows = []
        with Progress("explain", len(prompts) * (1 + draws)) as progress:
            for i, (name, prompt) in enumerate(prompts.items()):
                done = i * (1 + draws)
                asked = (model, params, tokenizer, rollouts, prompt)
                rows.append(world.explanation(explain(*asked), rollouts, goals, name))
                if draws:
                    gists = likeliest_gists(
                        *(*asked, world.words, draws, config.seed),
                        progress=lambda k, done=done: progress.update(done + k),
                    )
                    texts = tell(*asked, gists, world.words, config.seed)
                    rows.append(world.explanation(texts, rollouts, goals, f"{name}, likeliest of {draws}"))
                progress.update(done + 1 + draws)
        if parallel.is_writer():
            write_json(folder / "explanation.json", rows)

    settings = {"rollouts": config.imagine.explained, "draws": draws}
    settings["weighing"] = [ACTING_WEIGHT, READING_WEIGHT, VIEWS, SAYINGS]
    run.stage("explain", settings, ["ground"], work, together=True)
