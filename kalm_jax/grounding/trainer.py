"""The training loop of the language model: text alone (pretraining) or the grounding tasks, one loop for both.

A batch is a pure function of (seed, step), a checkpoint holds parameters, optimiser and step, so a killed run continues
to the same result, bit for bit on CPU.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from kalm_jax.distributed import is_main_process
from kalm_jax.files import read_json_lines, write_json_lines
from kalm_jax.grounding.losses import LOGITS, LossWeights, loss, totals
from kalm_jax.grounding.model import GroundedModel, change_llms
from kalm_jax.grounding.sequences import Rows
from kalm_jax.llm import lora
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.sharding import (
    constrain_params,
    default_mesh,
    gather,
    pad_batch,
    padded_size,
    param_shardings,
    partition_spec,
    shard_batch,
    shard_params,
)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of the optimisation.

    Attributes:
      steps: number of updates.
      learning_rate: peak; rises linearly over `warmup` (a share of the steps), falls as a cosine to a twentieth.
      warmup: share of the steps.
      muon: factor on the learning rate of the matrices that Muon updates; 0 updates everything by AdamW instead.
      weight_decay: of those matrices.
      clip: largest global gradient norm; of two models each by itself.
      beta2: second moment decay of Adam.
      weights: of the loss terms.
      accumulate: parts in which a batch passes, one after the other, for less memory; the update is the same.
      compute: type of the language model's forward and backward pass, "float32" or "bfloat16"; parameters, gradients,
        optimiser, number parts and loss are float32 in any case.
      logits: word logits that a device holds at a time; the loss is the same. See `loss.word_errors`.
      lora: `params["llm"]` holds adapters of a frozen model instead of its weights; with two models both do, of one.
      log_every, checkpoint_every, measure_every: in steps; 0 measures nothing.
    """

    steps: int
    learning_rate: float = 2e-3
    warmup: float = 0.05
    muon: float = 2.0
    weight_decay: float = 0.01
    clip: float = 1.0
    beta2: float = 0.98
    weights: LossWeights = LossWeights()
    accumulate: int = 1
    compute: str = "float32"
    logits: int = LOGITS
    lora: LoraConfig | None = None
    log_every: int = 20
    checkpoint_every: int = 250
    measure_every: int = 0

    def __post_init__(self):
        if self.compute not in ("float32", "bfloat16"):
            raise ValueError(f"compute={self.compute!r} is not one of float32, bfloat16")
        if self.accumulate < 1:
            raise ValueError(f"accumulate={self.accumulate} must be at least 1")
        if self.logits < 1:
            raise ValueError(f"logits={self.logits} must be at least 1")


def optimiser(config: TrainConfig) -> optax.GradientTransformation:
    """Muon (Jordan et al. 2024) for matrices between layers, Adam for the rest, under a warm-up and cosine schedule.

    With `config.muon` 0 it is AdamW for all.

    Muon's steps are scaled to the size of Adam's (Liu et al. 2025), so that one learning rate serves both.
    """
    schedule = optax.warmup_cosine_decay_schedule(
        0.0,
        config.learning_rate,
        max(1, round(config.warmup * config.steps)),
        max(2, config.steps),
        config.learning_rate / 20,
    )
    if config.muon == 0:
        decayed = functools.partial(jax.tree_util.tree_map_with_path, lambda path, x: x.ndim - _stacked(path) > 1)
        adam = optax.adamw(schedule, b2=config.beta2, weight_decay=config.weight_decay, mask=decayed)
        return optax.chain(_clip(config.clip), adam)
    muon = optax.contrib.muon(
        lambda step: config.muon * schedule(step),
        weight_decay=config.weight_decay,
        consistent_rms=0.2,
        adam_b2=config.beta2,
        adam_learning_rate=schedule,
        muon_weight_dimension_numbers=_stack_dimensions,
    )
    return optax.chain(_clip(config.clip), _on_stacks(muon))


def _clip(norm: float) -> optax.GradientTransformation:
    """`optax.clip_by_global_norm`; two models' gradients each by themselves, so that each learns as it would alone."""
    one = optax.clip_by_global_norm(norm)

    def update(grads, state, params=None):
        if "states" not in grads:
            return one.update(grads, state)
        first, _ = one.update({name: x for name, x in grads.items() if name != "states"}, state)
        return {**first, "states": one.update(grads["states"], state)[0]}, state

    return optax.GradientTransformation(one.init, update)


def _on_stacks(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """`inner`, which sees all matrices of one shape as one stack, split over the devices of the mesh in use.

    Muon's iteration is the same for every matrix: in batches it is half the work on a CPU, and no device repeats
    another's.
    """

    def init(params):
        return inner.init(_stack(params))

    def update(grads, state, params):
        updates, state = inner.update(_stack(grads), state, _stack(params))
        return _unstack(updates, params), state

    return optax.GradientTransformation(init, update)


def _stack(tree: dict) -> dict:
    """{"matrices": {"rows x columns": (count, rows, columns)}, "rest": {path: another parameter}}."""
    groups, rest = {}, {}
    for path, x in jax.tree_util.tree_leaves_with_path(tree):
        shape = _matrices(path, x)
        if shape is None:
            rest[jax.tree_util.keystr(path, simple=True, separator="/")] = x
        else:
            groups.setdefault(f"{shape[1]}x{shape[2]}", []).append(x.reshape(shape))
    return {"matrices": {name: _split(name, jnp.concatenate(xs)) for name, xs in groups.items()}, "rest": rest}


def _unstack(stacks: dict, like: dict) -> dict:
    """The inverse of `_stack`, in the structure of `like`."""
    used, leaves = {}, []
    for path, x in jax.tree_util.tree_leaves_with_path(like):
        shape = _matrices(path, x)
        if shape is None:
            leaves.append(stacks["rest"][jax.tree_util.keystr(path, simple=True, separator="/")])
        else:
            name = f"{shape[1]}x{shape[2]}"
            first = used.get(name, 0)
            used[name] = first + shape[0]
            leaves.append(stacks["matrices"][name][first : used[name]].reshape(x.shape))
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _split(name: str, stack: jax.Array) -> jax.Array:
    """`stack` split by the rules of the mesh in use."""
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.size == 1:
        return stack
    return jax.lax.with_sharding_constraint(stack, partition_spec(f"matrices/{name}", stack.shape, mesh))


def _stack_dimensions(stacks: dict) -> dict:
    """For Muon: which axes of a stack are its matrices' rows and columns; None for what is no matrix."""
    matrix = optax.contrib.MuonDimensionNumbers((1,), (2,))
    return {"matrices": dict.fromkeys(stacks["matrices"], matrix), "rest": dict.fromkeys(stacks["rest"])}


def _matrices(path, x) -> tuple[int, int, int] | None:
    """(count, rows, columns) of a parameter that is a matrix between layers, or one of each of several layers.

    None for vectors, embeddings, heads of words and of actions, and LoRA's factors.
    """
    first = _stacked(path)
    names, shape = [key.key for key in path], x.shape[first:]
    if len(shape) < 2 or {"embedding", "head", "action_out"} & set(names) or names[-1] in ("a", "b"):
        return None
    # Attention: q, k, v are (width, heads, head width), o is (heads, head width, width).
    count, rows = math.prod(x.shape[:first]), math.prod(shape[: 2 if len(shape) == 3 and "o" in names else 1])
    return count, rows, x.size // count // rows


def _stacked(path) -> int:
    """Leading layer axes of a parameter: 1 where layers are stacked (`LlamaConfig.scan_layers`)."""
    return int("layers" in [key.key for key in path])


def forward_variables(params: dict, frozen: dict, config: TrainConfig) -> dict:
    """What the model computes with: its parameters, the language model's in the compute type, and LoRA's adapters."""

    def computed(llm):
        return jax.tree.map(lambda x: x.astype(config.compute), llm)

    if config.lora is None:
        return {"params": change_llms(params, computed)}
    base, adapters = computed(frozen), {"llm": lora.scaled(params["llm"], config.lora)}
    if "states" in params:
        adapters["states"] = {"llm": lora.scaled(params["states"]["llm"], config.lora)}
    return {"params": change_llms(params, lambda llm: base), "lora": adapters}


def gradient(params: dict, frozen: dict, rows: Rows, model: GroundedModel, config: TrainConfig) -> tuple[dict, dict]:
    """Gradient of the loss by `params`, and metrics; the batch passes in `config.accumulate` parts."""

    def of(part, divisors=None):
        def total(p):
            return loss(model, forward_variables(p, frozen, config), part, config.weights, divisors, config.logits)

        return jax.grad(total, has_aux=True)(params)

    if config.accumulate == 1:
        return of(rows)
    divisors = totals(rows)
    # Part i is rows i, i + k, ...: every device keeps the rows that it has.
    parts = jax.tree.map(lambda x: x.reshape(-1, config.accumulate, *x.shape[1:]).swapaxes(0, 1), rows)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(of, rows, divisors))
    return jax.lax.scan(lambda sums, part: (jax.tree.map(jnp.add, sums, of(part, divisors)), None), zeros, parts)[0]


@functools.partial(jax.jit, static_argnames=("model", "config"), donate_argnames=("params", "opt_state"))
def train_step(params, opt_state, rows: Rows, frozen: dict, *, model: GroundedModel, config: TrainConfig):
    """One update; returns (params, opt_state, metrics)."""
    grads, metrics = gradient(params, frozen, rows, model, config)
    grads = constrain_params(grads)
    updates, opt_state = optimiser(config).update(grads, opt_state, params)
    metrics["gradient_norm"] = optax.global_norm(grads)
    return constrain_params(optax.apply_updates(params, updates)), constrain_params(opt_state), metrics


def init_optimiser(mesh: jax.sharding.Mesh, params: dict, config: TrainConfig):
    """The optimiser's state of parameters on the mesh; it comes to lie by the mesh's rules and is nowhere whole."""
    init = optimiser(config).init
    with jax.set_mesh(mesh):
        return jax.jit(init, out_shardings=param_shardings(mesh, jax.eval_shape(init, params)))(params)


def fit(
    model: GroundedModel,
    params: dict,
    batches: Callable[[int], Rows],
    config: TrainConfig,
    folder: str | pathlib.Path | None = None,
    progress: Callable | None = None,
    frozen: dict | None = None,
    donate: bool = False,
    measure: Callable[[int, dict], None] | None = None,
) -> tuple[dict, list[dict]]:
    """Trains and returns (parameters on the host, curve); continues from the last checkpoint in `folder`.

    On the program's mesh (`default_mesh`) parameters and optimiser lie by its rules, each device's part alone. Several
    processes call this together, each computes its rows of every batch, and the first writes the curve.

    Args:
      model: what to train.
      params: where to start when there is no checkpoint.
      batches: step -> Rows, a pure function, called ahead in a background thread.
      config: see `TrainConfig`.
      folder: where checkpoints and `curve.jsonl` are kept; None keeps nothing.
      progress: called as progress(done, **metrics).
      frozen: with `config.lora`, the language model's weights, of which `params["llm"]` holds adapters (`lora.init`).
      donate: `params` are used up, where a second copy would not fit beside them.
      measure: called as measure(step, parameters on the host) every `config.measure_every` steps and after the last,
        before a checkpoint of the same step; of steps after the checkpoint that a run goes on from, again.

    Raises:
      ValueError: a batch cannot be cut into `config.accumulate` equal parts.
      FloatingPointError: the loss is not finite; the last checkpoint is untouched.
    """
    manager = _manager(folder) if folder is not None else None
    size = batches(0).kind.shape[0]
    if size % config.accumulate:
        raise ValueError(f"{size} rows cannot be accumulated in {config.accumulate} equal parts")
    mesh = default_mesh()
    padded = padded_size(size // config.accumulate, mesh) * config.accumulate
    frozen = shard_params(mesh, frozen or {})
    params = shard_params(mesh, params if donate else gather(params))
    state = {"params": params, "opt": init_optimiser(mesh, params, config)}
    first, curve = 0, []
    if manager is not None and manager.latest_step() is not None:
        first = manager.latest_step()
        state = _restore(manager, first, state)
        curve = [row for row in read_json_lines(pathlib.Path(folder) / "curve.jsonl") if row["step"] <= first]
    params, opt_state, sums, count = state["params"], state["opt"], {}, 0
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(batches, first)
        for step in range(first + 1, config.steps + 1):
            rows = shard_batch(mesh, pad_batch(ahead.result(), padded))
            ahead = pool.submit(batches, step)
            with jax.set_mesh(mesh):
                params, opt_state, metrics = train_step(params, opt_state, rows, frozen, model=model, config=config)
            sums = {k: sums.get(k, 0.0) + v.addressable_data(0) for k, v in metrics.items()}
            count += 1
            last = step == config.steps
            if step % config.log_every == 0 or last:
                row = {"step": step, **{k: float(v) / count for k, v in sums.items()}}
                if not np.isfinite(row["loss"]):
                    raise FloatingPointError(f"the loss is {row['loss']} at step {step}; lower the learning rate")
                curve.append(row)
                sums, count = {}, 0
                if progress is not None:
                    progress(step, **{k: row[k] for k in row if k != "step"})
            if measure is not None and config.measure_every and (step % config.measure_every == 0 or last):
                measure(step, gather(params))
            if manager is not None and (step % config.checkpoint_every == 0 or last):
                if is_main_process():
                    write_json_lines(pathlib.Path(folder) / "curve.jsonl", curve)
                _save(manager, step, {"params": params, "opt": opt_state})
    if manager is not None:
        manager.wait_until_finished()
        manager.close()
    return gather(params), curve


def _manager(folder):
    import orbax.checkpoint as ocp

    path = pathlib.Path(folder).absolute() / "checkpoints"
    return ocp.CheckpointManager(
        path, options=ocp.CheckpointManagerOptions(max_to_keep=2, enable_async_checkpointing=False)
    )


def _save(manager, step, state):
    import orbax.checkpoint as ocp

    manager.save(step, args=ocp.args.StandardSave(state), force=True)


def _restore(manager, step, like):
    import orbax.checkpoint as ocp

    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), like)
    return manager.restore(step, args=ocp.args.StandardRestore(abstract))
