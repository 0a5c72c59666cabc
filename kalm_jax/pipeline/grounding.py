"""`kalm_jax.load_language_model`, `ground` and `imagine`: a language model from its folder to imagined rollouts."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from kalm_jax import dashboard
from kalm_jax.arguments import COUNT, SEED, checked
from kalm_jax.disk import check_output_folder
from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation.llm_metrics import restore_metrics
from kalm_jax.grounding.checkpoint import save_grounded
from kalm_jax.grounding.model import Grounded, GroundedModel, change_llms, init_params, numeric_spec
from kalm_jax.grounding.tasks import Batches, augmented, plan_answer, plan_prompt, possible_tasks
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.grounding.two_models import TwoModels
from kalm_jax.llm import attention
from kalm_jax.llm.hf.config import check_positions
from kalm_jax.llm.hf.folder import check_folder, find_folder, load_model
from kalm_jax.llm.hf.weights import Sharding
from kalm_jax.llm.lora import LoraConfig, merge
from kalm_jax.llm.lora import init as init_lora
from kalm_jax.llm.tokenizer import Tokenizer, load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig, first_layers, unstack_layers
from kalm_jax.pipeline.config import ImagineConfig, PipelineConfig
from kalm_jax.pipeline.ground_config import GroundConfig, MetricsConfig, learning_rate_of_llm
from kalm_jax.pipeline.imagining import Request, draws_of, goals_to_imagine, imagine_rollouts, plans_of
from kalm_jax.pipeline.planner import CHECKPOINT_STEPS, training_pairs
from kalm_jax.pipeline.planner_config import PlannerConfig
from kalm_jax.programs import compute
from kalm_jax.progress import Progress
from kalm_jax.settings import Setting, build
from kalm_jax.sharding import default_mesh, gather, weight_sharding
from kalm_jax.types import LEVELS, GoalTable, Rollouts
from kalm_jax.worlds.base import World, get_world
from kalm_jax.worlds.data import check_goals, check_rollouts

SLOW_LOG = 5
"""Updates of a model given by `--llm` between two lines of progress."""
LONGEST = 16
"""Sentences of a level that are looked at for the longest."""
_GOALS = Setting("such as get_world('clevr').goals(level)")
Measure = Callable[[int, dict], list[dict]]
"""(step, parameters on the host) -> rows of `evaluation.llm_metrics`, called while a model is grounded."""
LoadedModel = tuple[LlamaConfig, dict, Tokenizer]
"""What `load_model` returns."""
Load = Callable[[str, Any, Sharding | None, bool], LoadedModel]
"""(language model as users give it, type and sharding of its weights, stacked layers) -> the model; see `load_llm`."""
METRICS = "metrics.csv"
"""File with the rows of all measurements."""


@checked()
def load_language_model(folder: str | pathlib.Path = "") -> tuple[LlamaConfig, dict[str, Any], Tokenizer]:
    """A causal language model of the Llama, Mistral or Qwen family: its architecture, parameters and tokenizer.

        config, params, tokenizer = kalm_jax.load_language_model("smollm2")

    Args:
      folder: a Hugging Face folder with config.json, *.safetensors and tokenizer.json, or a name such as "smollm2",
        which is fetched if it is not there; "" is the built-in model.

    Raises:
      FileNotFoundError, ValueError: what is missing or does not fit, with the file.
    """
    return load_model(find_folder(folder), "float32")


def check_language_model(ground: GroundConfig, world: World) -> None:
    """Checks what grounding needs of the language model and of the world, before anything is computed.

    Raises:
      OSError, ValueError: the language model cannot be read, its attention cannot be computed here, LoRA's rank is
        larger than its matrices, rows are longer than it can read or too short for the world's sentences, or the world
        has nothing for the tasks or no such augmentations.
    """
    world.augmenting(ground.augmentations)
    folder = find_folder(ground.llm)
    llm = check_folder(folder)
    check_positions(folder, llm, ground.row_length, "--grounding_row_length")
    attention.check(ground.attention, ground.compute)
    _check_size(llm, "--lora_rank", ground.lora_rank, "--llm_layers", ground.llm_layers)
    possible_tasks(ground.shares, world.language, has_rollouts=True)
    _check_row_length(folder, world, "--grounding_row_length", ground.row_length)


def check_planner(planner: PlannerConfig, world: World) -> None:
    """Checks what a planner needs of its language model and of the world, before anything is computed.

    Raises:
      OSError, ValueError: as `check_language_model`, or the world has nothing that a planner could learn from.
    """
    if planner.llm:
        folder = _find_folder("--planner", planner.llm)
        llm = check_folder(folder)
        check_positions(folder, llm, planner.row_length, "--planner_row_length")
        _check_size(llm, "--planner_lora_rank", planner.lora_rank, "--planner_layers", planner.layers)
        training_pairs(world, planner.text)
        _check_row_length(folder, world, "--planner_row_length", planner.row_length)


def check_encoder(encoder: str, world: World) -> None:
    """Checks what goal vectors need of their language model, before anything is computed.

    Raises:
      OSError, ValueError: it cannot be read, or the world's sentences are longer than it can read.
    """
    if encoder:
        folder = _find_folder("--encoder", encoder)
        llm, (sentence, positions) = check_folder(folder), longest_sentence(load_tokenizer(folder), world)
        if positions > llm.max_positions:
            raise ValueError(
                f"--encoder={encoder} reads {llm.max_positions} positions, and {sentence!r}, a sentence of the world "
                f"{world.name}, takes {positions}: give another model"
            )


def _find_folder(flag: str, llm: str) -> pathlib.Path:
    """As `find_folder`; an error names the flag."""
    try:
        return find_folder(llm)
    except FileNotFoundError as error:
        raise FileNotFoundError(str(error).replace("--llm", flag, 1)) from error


def _check_size(llm: LlamaConfig, rank_flag: str, rank: int, layers_flag: str, layers: int) -> None:
    """Refuses adapters or numbers of layers that the language model has no room for."""
    smallest = min(llm.width, llm.kv_heads * llm.head_dim, llm.ffn_dim)
    if rank > smallest:
        raise ValueError(
            f"{rank_flag}={rank} is larger than the smallest matrix of the language model: give at most {smallest}"
        )
    if layers > llm.layers:
        raise ValueError(
            f"{layers_flag}={layers}: the language model has {llm.layers} layers; give at most as many, or 0"
        )


def _check_row_length(folder: pathlib.Path, world: World, flag: str, length: int) -> None:
    """Refuses rows that are too short for a sentence of the world."""
    sentence, positions = longest_sentence(load_tokenizer(folder), world)
    if positions > length:
        raise ValueError(
            f"{flag}={length} is too short: {sentence!r}, a sentence of the world {world.name}, takes {positions} "
            "positions with its prompt and answer; give at least as many"
        )


def longest_sentence(tokenizer: Tokenizer, world: World) -> tuple[str, int]:
    """The world's sentence that needs the longest row, and the positions that it takes with its prompt and subgoals."""
    tables = (*map(world.goals, LEVELS), world.validation_goals())
    positions, sentence, _ = max(longest_of(tokenizer, world, goals) for goals in tables)
    return sentence, positions


def check_sentences(config: PipelineConfig, goals: GoalTable, where: str) -> None:
    """Refuses goals whose sentences, with prompt and answer, are longer than rows, before anything is computed.

    Args:
      where: they are from, such as the path of a file; the ValueError begins with it.
    """
    world, planner = get_world(config.world), config.planner
    rows = [("--grounding_row_length", config.ground.llm, config.ground.row_length)]
    rows += [("--planner_row_length", planner.llm, planner.row_length)] if planner.llm else []
    for flag, llm, length in rows if len(goals) else []:
        positions, sentence, i = longest_of(load_tokenizer(find_folder(llm)), world, goals)
        if positions > length:
            begin = sentence if len(sentence) < 60 else sentence[:60] + "..."
            raise ValueError(
                f"{where}: goal {i} has the sentence {begin!r}, which takes {positions} positions with its prompt and "
                f"answer, and rows have {flag}={length}; shorten it, or give longer rows"
            )


def longest_of(tokenizer: Tokenizer, world: World, goals: GoalTable) -> tuple[int, str, int]:
    """(positions, sentence, its number) of the goal that needs the longest row, of those of the most characters."""
    found, plan_of = [], world.language.plan
    for i in sorted(range(len(goals)), key=lambda i: -len(goals.text[i]))[:LONGEST]:
        plan = plan_of(int(goals.family[i]), goals.array[i]) if plan_of else ""
        ids = plan_prompt(tokenizer, goals.text[i]), plan_answer(tokenizer, plan)
        found.append((sum(map(len, ids)), goals.text[i], i))
    return max(found)


@checked(rollouts=Setting("such as read_rollouts(file)[0]"), goals=_GOALS, seed=SEED)
def ground(
    rollouts: Rollouts,
    goals: GoalTable,
    world: str,
    *,
    seed: int = 0,
    folder: str | pathlib.Path | None = None,
    **settings: Any,
) -> Grounded:
    """Grounds a language model in real rollouts (KALM, section 4.1).

        grounded = kalm_jax.ground(rollouts, goals, "clevr", steps=5000)

    Args:
      rollouts, goals: real rollouts, and the sentences that they reach.
      world: name of the world, or the import path of a module with a WORLD.
      folder: where checkpoints, the training curve and `model/` are written; None writes nothing.
      **settings: fields of `GroundConfig`: `llm` (a Hugging Face folder or a name), `steps`, `learning_rate`, ...
        With `llm` the learning rate is 5e-5 unless it is given, and with `lora_rank` 2e-4.

    Raises:
      OSError, TypeError, ValueError: as `check_language_model`, or a wrong argument, rollouts or goals that are none of
        the world's, or a folder that cannot be made.

    Returns:
      (model, parameters, tokenizer), which `imagine` and `grounding.checkpoint.save_grounded` take.
    """
    ground = build(GroundConfig, settings)
    if ground.llm and "learning_rate" not in settings:
        ground = dataclasses.replace(ground, learning_rate=learning_rate_of_llm(ground.lora_rank))
    config = PipelineConfig(world=world, seed=seed, ground=ground, metrics=MetricsConfig(every=0))
    rollouts = check_rollouts(rollouts, get_world(world), len(goals))
    check_goals(goals, get_world(world), "grounding")
    if folder is not None:
        check_output_folder(folder, "folder")
    check_language_model(ground, get_world(world))
    check_sentences(config, goals, "goals")
    grounded = fit_language_model(config, rollouts, goals, folder)
    if folder is not None:
        save_grounded(pathlib.Path(folder) / "model", grounded)
    return for_decoding(grounded)


def _check_grounded(grounded: Grounded, world: World, llm: str) -> None:
    """Refuses a model that reads another world's numbers, or that is none of the language model `llm`."""
    spec = grounded.model.spec
    world.check_sizes("the grounded model", spec.state_dim, bool(spec.num_actions), spec.num_actions or spec.action_dim)
    if llm or world.language.builtin_plans:  # which the planner reads again, see `planning_model`
        named, found = check_folder(find_folder(llm)), grounded.model.config
        if (named.width, named.vocab_size) != (found.width, found.vocab_size):
            raise ValueError(
                f"llm is {llm!r}{' (the built-in model)' * (not llm)}, and another language model was grounded: give "
                "the folder that `ground` was given"
            )


def for_decoding(grounded: Grounded) -> Grounded:
    """A model as it decodes: layers one by one and plain attention, however it was trained."""
    model, params, tokenizer = grounded
    if model.config.scan_layers:
        params = change_llms(params, lambda llm: compute(unstack_layers, llm))
    config = dataclasses.replace(model.config, scan_layers=False, attention="plain")
    return Grounded(type(model)(config, model.spec), params, tokenizer)


def load_llm(llm: str, dtype: Any, sharding: Sharding | None, scan_layers: bool) -> LoadedModel:
    """`load_model` of a language model as users give it: a folder, a name, or "", the built-in one."""
    return load_model(find_folder(llm), dtype, sharding, scan_layers)


def fit_language_model(
    config: PipelineConfig,
    rollouts: Rollouts,
    goals: GoalTable,
    folder: str | pathlib.Path | None,
    make_measure: Callable[[GroundedModel, Tokenizer], Measure] | None = None,
    load: Load = load_llm,
) -> Grounded:
    """Grounds the language model as `config` says; continues from the last checkpoint in `folder`.

    `make_measure` makes what is called every `config.metrics.every` steps, with LoRA's adapters merged. `load` reads
    the language model.
    """
    world, g = get_world(config.world), config.ground
    lora = _lora(g)
    # Frozen weights stay in the type of their file, half the size of float32; a large model wants stacked layers.
    dtype = None if lora else "float32"
    sharding = weight_sharding(default_mesh())
    llm_config, llm_params, tokenizer = load(g.llm, dtype, sharding, bool(g.llm))
    if g.llm_layers:
        llm_config, llm_params = first_layers(llm_config, llm_params, g.llm_layers)
    options: dict[str, Any] = {n: getattr(g, n) for n in ("predict_change", "gaussian_states", "hidden")}
    options |= {} if world.spaces.num_actions else {"gaussian_actions": g.gaussian_actions}
    augment = world.augmenting(g.augmentations)
    shown = augmented(rollouts, goals, augment, config.seed) if augment else rollouts
    spec = numeric_spec(shown, world.spaces.num_actions, **world.numeric_options, **options)
    llm_config = dataclasses.replace(llm_config, attention=g.attention, recompute=g.recompute)
    model = (TwoModels if g.two_models else GroundedModel)(llm_config, spec)
    params = init_params(model, jax.random.key(config.seed), llm_params)
    batches = Batches(
        rollouts,
        goals,
        tokenizer,
        g.shares,
        world.language,
        spec,
        rows=g.rows,
        length=g.row_length,
        seed=config.seed,
        window=g.window,
        description_steps=g.reading_steps,
        augment=augment,
    )
    _check_positions(batches.length, llm_config.max_positions)
    train = _train_config(config)
    if lora:
        params = change_llms(
            params, lambda llm: compute(lambda x: init_lora(jax.random.key(config.seed), x, lora), llm)
        )
    elif g.two_models:  # donated buffers must not be shared
        params["states"] = compute(lambda x: jax.tree.map(jax.numpy.copy, x), params["states"])
    frozen = llm_params if lora else None

    def whole(params: dict) -> dict:
        if lora is None:
            return params
        base: dict = gather(llm_params)
        return change_llms(params, lambda adapters: merge(base, adapters, lora, "float32"))

    measured = make_measure(model, tokenizer) if make_measure is not None and config.metrics.every else None
    measure = None if measured is None else lambda step, params: measured(step, whole(params))

    def recall(rows: list[list[dict]]) -> None:
        if folder is None or measured is None or not is_main_process():
            return
        path = pathlib.Path(folder) / METRICS
        if wrong := restore_metrics(path, [row for at_step in rows for row in at_step]):
            print(f"{path} {wrong}; it is written again from the checkpoint, and nothing is lost", flush=True)

    with Progress("ground", g.steps) as progress:

        def show(step: int, **losses: float) -> None:
            progress.update(step, **losses)
            dashboard.add("ground", step, losses)

        where = (model, params, batches, train, folder)
        params, _ = fit(*where, show, frozen, donate=True, measure=measure, recall=recall, resume=progress.resume)
    return Grounded(model, whole(params), tokenizer)


def _check_positions(length: int, positions: int) -> None:
    """Refuses rows of training that are longer than what the language model reads."""
    if length > positions:
        raise ValueError(
            f"the longest rollout with its sentence takes rows of {length} positions, and the language model "
            f"reads max_position_embeddings={positions} (config.json); show shorter parts of rollouts "
            "(--grounding_window)"
        )


def _lora(g: GroundConfig) -> LoraConfig | None:
    return LoraConfig(g.lora_rank) if g.lora_rank else None


def _train_config(config: PipelineConfig) -> TrainConfig:
    """How the language model is trained, as `config` says."""
    g = config.ground
    return TrainConfig(
        g.steps,
        g.learning_rate,
        g.warmup,
        # Other models than the built-in one by AdamW, as the authors do; Muon works on copies of all matrices.
        muon=0.0 if g.llm else TrainConfig.muon,
        accumulate=g.accumulate,
        compute=g.compute,
        lora=_lora(g),
        log_every=SLOW_LOG if g.llm else TrainConfig.log_every,
        # Adapters are small: many checkpoints cost little, and an update of a large model on a CPU takes seconds.
        checkpoint_every=CHECKPOINT_STEPS if g.lora_rank else TrainConfig.checkpoint_every,
        measure_every=config.metrics.every,
    )


_OF_RUNS = tuple("rephrase unseen_easy unseen_hard keep_all explained explanation_draws replayed".split())
"""Fields of `ImagineConfig` that say how much a run imagines, and what it does with it."""


@checked(grounded=Setting("as `ground` and `load_grounded` return it"), goals=_GOALS, count=COUNT, seed=SEED)
def imagine(
    grounded: Grounded,
    goals: GoalTable,
    world: str,
    *,
    count: int = 64,
    seed: int = 0,
    llm: str | pathlib.Path = "",
    **settings: Any,
) -> Rollouts:
    """Imagines rollouts for goals, families and sentences equally often (KALM, section 4.2).

        novel = kalm_jax.get_world("clevr").goals("unseen_hard")
        rollouts = kalm_jax.imagine(grounded, novel, "clevr", count=256)

    Args:
      grounded: as `ground` or `grounding.checkpoint.load_grounded` returns it.
      goals: sentences with the success tests of the world, such as `world.goals("rephrase")`.
      world: name of the world, or the import path of a module with a WORLD.
      count: number of rollouts N. seed: of goals, first states and everything imagined.
      llm: the folder that was grounded, as `ground` was given it; "" is the built-in model, which writes subgoals as
        it was before grounding.
      **settings: of `ImagineConfig` those that say how a rollout is imagined: `temperature`, `plan`,
        `max_steps_per_subgoal`, `draws` and `search`.

    Raises:
      OSError, TypeError, ValueError: wrong arguments, by name; goals or a model that are none of the world's; another
        folder than that of the model.

    Returns:
      N imagined rollouts with rewards; their `goal` indexes `goals`.
    """
    idle = [name for name in settings if name in _OF_RUNS]
    if idle:
        raise ValueError(f"{idle[0]} has no effect in imagine(): it is a setting of runs, leave it out")
    ground, asked = GroundConfig(llm=str(llm)), build(ImagineConfig, settings)
    config = PipelineConfig(world=world, seed=seed, ground=ground, imagine=asked)
    check_goals(goals, get_world(world), "imagination")
    _check_grounded(grounded, get_world(world), ground.llm)
    rng = np.random.default_rng(seed)
    goal = goals_to_imagine(rng, goals, count)
    plans = plans_of(config, grounded, goals, goal)
    states, _ = get_world(world).first_states(rng, goals, goal)
    request = Request(goals, goal, states, plans, draws=draws_of(config))
    return imagine_rollouts(config, grounded, request)[0]
