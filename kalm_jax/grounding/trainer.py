"""The training loop of the language model: text alone (pretraining) or the grounding tasks, one loop for both.

A batch is a pure function of (seed, step), and a checkpoint holds parameters, optimizer and step, so a killed run
continues to the same result, bit for bit on CPU.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from kalm_jax.checkpoint import Checkpoints
from kalm_jax.distributed import is_main_process
from kalm_jax.files import write_json_lines
from kalm_jax.grounding.losses import MAX_LOGITS, LossWeights, grounding_loss, term_totals
from kalm_jax.grounding.model import GroundedModel, change_llms, nested_models
from kalm_jax.grounding.optimizer import make_optimizer
from kalm_jax.grounding.sequences import Rows
from kalm_jax.llm import lora
from kalm_jax.llm.lora import LoraConfig
from kalm_jax.programs import program
from kalm_jax.sharding import (
    constrain_params,
    default_mesh,
    gather,
    pad_batch,
    padded_size,
    param_shardings,
    shard_batch,
    shard_params,
)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings of the optimization.

    Attributes:
      steps: number of updates.
      learning_rate: peak; rises linearly over `warmup` and falls as a cosine to a twentieth.
      warmup: share of the steps.
      muon: factor on the learning rate of the matrices that Muon updates; 0 updates everything by AdamW instead.
      weight_decay: of those matrices.
      clip: largest global gradient norm.
      beta2: second moment decay of Adam.
      weights: of the loss terms.
      accumulate: number of parts in which a batch passes, one after the other, to save memory; the update is the same.
      compute: type of the language model's forward and backward pass, "float32" or "bfloat16"; parameters, gradients,
        optimizer, numeric parts and loss are float32 in any case.
      max_logits: word logits that a device holds at a time; the loss is the same. See `losses.word_errors`.
      lora: `params["llm"]` holds adapters of a frozen model instead of its weights, and so do nested models.
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
    max_logits: int = MAX_LOGITS
    lora: LoraConfig | None = None
    log_every: int = 20
    checkpoint_every: int = 250
    measure_every: int = 0

    def __post_init__(self) -> None:
        if self.compute not in ("float32", "bfloat16"):
            raise ValueError(f"compute={self.compute!r} is not one of float32, bfloat16")
        if self.accumulate < 1:
            raise ValueError(f"accumulate={self.accumulate} must be at least 1")
        if self.max_logits < 1:
            raise ValueError(f"max_logits={self.max_logits} must be at least 1")

    def optimizer(self) -> optax.GradientTransformation:
        """The optimizer with these settings."""
        names = ("steps", "learning_rate", "warmup", "muon", "weight_decay", "clip", "beta2")
        return make_optimizer(**{name: getattr(self, name) for name in names})


def forward_variables(params: dict, frozen: dict, config: TrainConfig) -> dict:
    """The model's variables: its parameters, the language model's in the compute type, and LoRA's adapters."""

    def cast(llm: dict) -> dict:
        return jax.tree.map(lambda x: x.astype(config.compute), llm)

    if config.lora is None:
        return {"params": change_llms(params, cast)}
    adapters = {"llm": params["llm"], **{name: {"llm": part["llm"]} for name, part in nested_models(params).items()}}
    scale, base = functools.partial(lora.scaled, config=config.lora), cast(frozen)
    return {"params": change_llms(params, lambda _: base), "lora": change_llms(adapters, scale)}


def gradient(params: dict, frozen: dict, rows: Rows, model: GroundedModel, config: TrainConfig) -> tuple[dict, dict]:
    """Gradient of the loss by `params`, and metrics; the batch passes in `config.accumulate` parts."""

    def of(part: Rows, divisors: dict | None = None) -> tuple[dict, dict]:
        def total(p: dict) -> tuple[jax.Array, dict]:
            variables = forward_variables(p, frozen, config)
            return grounding_loss(model, variables, part, config.weights, divisors, config.max_logits)

        return jax.grad(total, has_aux=True)(params)

    if config.accumulate == 1:
        return of(rows)
    divisors = term_totals(rows)
    # Part i is rows i, i + k, ...: every device keeps the rows that it has.
    parts = jax.tree.map(lambda x: x.reshape(-1, config.accumulate, *x.shape[1:]).swapaxes(0, 1), rows)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(of, rows, divisors))
    return jax.lax.scan(lambda sums, part: (jax.tree.map(jnp.add, sums, of(part, divisors)), None), zeros, parts)[0]


@program(static_argnames=("model", "config"), donate_argnames=("params", "opt_state"))
def train_step(
    params: dict, opt_state: optax.OptState, rows: Rows, frozen: dict, *, model: GroundedModel, config: TrainConfig
) -> tuple[dict, optax.OptState, dict]:
    """One update; returns parameters, optimizer state and metrics."""
    grads, metrics = gradient(params, frozen, rows, model, config)
    grads = constrain_params(grads)
    updates, opt_state = config.optimizer().update(grads, opt_state, params)
    metrics["gradient_norm"] = optax.global_norm(grads)
    return constrain_params(optax.apply_updates(params, updates)), constrain_params(opt_state), metrics


def init_optimizer(mesh: jax.sharding.Mesh, params: dict, config: TrainConfig) -> optax.OptState:
    """The optimizer state of parameters on the mesh. It is created in shards, so no device ever holds it whole."""
    init = config.optimizer().init
    with jax.set_mesh(mesh):
        return program(init, out_shardings=param_shardings(mesh, jax.eval_shape(init, params)))(params)


def fit(
    model: GroundedModel,
    params: dict,
    batches: Callable[[int], Rows],
    config: TrainConfig,
    folder: str | pathlib.Path | None = None,
    progress: Callable[..., Any] | None = None,
    frozen: dict | None = None,
    donate: bool = False,
    measure: Callable[[int, dict], Any] | None = None,
    recall: Callable[[list], Any] | None = None,
    resume: Callable[[int], Any] | None = None,
) -> tuple[dict, list[dict]]:
    """Trains and returns (parameters on the host, curve); continues from the last checkpoint in `folder`.

    Parameters and optimizer are sharded over the default mesh (`sharding.default_mesh`), and batches are padded to it
    with empty rows, which have no weight in the loss. Several processes call this together, each computes its rows of
    every batch, and the main process writes the curve.

    Args:
      params: where to start when there is no checkpoint.
      batches: step -> Rows, a pure function, called ahead of time in a background thread.
      folder: where checkpoints and `curve.jsonl` are kept; None keeps nothing.
      progress: called as progress(number of updates done, **metrics).
      frozen: with `config.lora`, the language model's weights, of which `params["llm"]` holds adapters (`lora.init`).
      donate: `params` are consumed, where a second copy would not fit into memory.
      measure: called as measure(step, parameters on the host) every `config.measure_every` steps and after the last,
        before a checkpoint of the same step. A continued run repeats the calls of steps after its checkpoint.
      recall: called once as recall(what `measure` returned in turn before the checkpoint that training continues from).
        It must be JSON; without a checkpoint it is [].
      resume: called once as resume(number of updates done before), where training continues from a checkpoint.

    Raises:
      ValueError: a batch cannot be cut into `config.accumulate` equal parts.
      FloatingPointError: the loss is not finite; the last checkpoint is untouched.
    """
    size = batches(0).kind.shape[0]
    if size % config.accumulate:
        raise ValueError(f"{size} rows cannot be accumulated in {config.accumulate} equal parts")
    mesh = default_mesh()
    padded = padded_size(size // config.accumulate, mesh) * config.accumulate
    frozen = shard_params(mesh, frozen or {})
    params = shard_params(mesh, params if donate else gather(params))
    opt_state = init_optimizer(mesh, params, config)
    log = _Log(None if folder is None else pathlib.Path(folder))
    first, params, opt_state = log.restore(params, opt_state)
    if resume is not None and first:
        resume(first)
    if recall is not None and log.measured is not None:
        recall(list(log.measured))
    with contextlib.closing(log), concurrent.futures.ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(batches, first)
        for step in range(first + 1, config.steps + 1):
            rows = shard_batch(mesh, pad_batch(ahead.result(), padded))
            ahead = pool.submit(batches, step)
            with jax.set_mesh(mesh):
                params, opt_state, metrics = train_step(params, opt_state, rows, frozen, model=model, config=config)
            log.add(metrics)
            last = step == config.steps
            if step % config.log_every == 0 or last:
                row = log.row(step)
                if progress is not None:
                    progress(step, **{k: row[k] for k in row if k != "step"})
            if measure is not None and config.measure_every and (step % config.measure_every == 0 or last):
                log.measured = [*(log.measured or ()), measure(step, gather(params))]
            if step % config.checkpoint_every == 0 or last:
                log.save(step, params, opt_state)
    return gather(params), log.curve


class _Log:
    """The curve of a training run, and its checkpoints where there is a folder."""

    def __init__(self, folder: pathlib.Path | None) -> None:
        self.curve: list[dict] = []
        self.measured: list | None = []  # None of a checkpoint that does not say
        self._folder, self._sums, self._count = folder, dict[str, Any](), 0
        self._checkpoints = None if folder is None else Checkpoints(folder / "checkpoints")

    def close(self) -> None:
        """Waits until the last checkpoint is written."""
        if self._checkpoints is not None:
            self._checkpoints.close()

    def restore(self, params: dict, opt_state: optax.OptState) -> tuple[int, dict, optax.OptState]:
        """Step, parameters and optimizer state of the last checkpoint; without one step 0 and what is given."""
        step = None if self._checkpoints is None else self._checkpoints.latest_step()
        if self._checkpoints is None or step is None:
            return 0, params, opt_state
        about = self._checkpoints.metadata(step)
        self.curve, self._count, self.measured = about["curve"], about["count"], about.get("measured")
        self._sums = {k: np.float32(v) for k, v in about["sums"].items()}
        found = self._checkpoints.restore(step, {"params": params, "optimizer": opt_state})
        return step, found["params"], found["optimizer"]

    def add(self, metrics: dict) -> None:
        """Adds a step's metrics; they stay on the device, so that the next step need not wait for them."""
        self._sums = {k: self._sums.get(k, 0.0) + v.addressable_data(0) for k, v in metrics.items()}
        self._count += 1

    def row(self, step: int) -> dict:
        """Appends the means since the last row to the curve, and returns them."""
        row = {"step": step, **{k: float(v) / self._count for k, v in self._sums.items()}}
        if not np.isfinite(row["loss"]):
            raise FloatingPointError(f"the loss is {row['loss']} at step {step}; lower the learning rate")
        self.curve.append(row)
        self._sums, self._count = {}, 0
        return row

    def save(self, step: int, params: dict, opt_state: optax.OptState) -> None:
        """Writes curve and checkpoint, which holds all of the curve, too."""
        if self._checkpoints is None or self._folder is None:
            return
        if is_main_process():
            write_json_lines(self._folder / "curve.jsonl", self.curve)
        sums = {k: float(v) for k, v in self._sums.items()}
        about = {"curve": self.curve, "sums": sums, "count": self._count, "measured": self.measured}
        self._checkpoints.save(step, {"params": params, "optimizer": opt_state}, about)
