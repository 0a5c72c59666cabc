"""What is kept of a training run: checkpoints to continue from, and the trained policies.

Policies are one checkpoint per number of updates, with the states of all seeds ("state") and the statistics of their
data ("stats"). Nothing else is needed to act with them but the learner.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import jax
import jax.numpy as jnp

from kalm_jax.checkpoint import Checkpoints
from kalm_jax.offline_rl.normalization import DatasetStats
from kalm_jax.offline_rl.registry import Learner, State
from kalm_jax.types.transforms import ObservationTransform


def restore_training(checkpoints: Checkpoints, fingerprint: dict[str, Any], state: State) -> tuple[int, State, list]:
    """(updates done, state, curve) of the last checkpoint, or (0, `state`, []) where there is none.

    Raises:
      ValueError: it was made with other settings, seeds or data.
    """
    step = checkpoints.latest_step()
    if step is None:
        return 0, state, []
    metadata = checkpoints.metadata(step)
    different = [k for k, v in fingerprint.items() if metadata["fingerprint"].get(k) != v]
    if different:
        k = different[0]
        raise ValueError(
            f"the checkpoint in {checkpoints.folder} was made with {k} {metadata['fingerprint'].get(k)}, "
            f"not {fingerprint[k]}: use another folder, or remove this one to start again"
        )
    return step, checkpoints.restore(step, {"state": state})["state"], metadata["curve"]


def drop_checkpoints(folder: str | os.PathLike[str], after: int) -> None:
    """Deletes a training run's checkpoints after so many updates, where its files are no longer as far as those."""
    with Checkpoints(folder) as checkpoints:
        checkpoints.keep_until(after)


def save_policies(
    folder: str | os.PathLike[str], step: int, state: State, stats: DatasetStats, keep: int | None = None
) -> None:
    """Writes the states (seeds, ...) after `step` updates; of several processes one calls this.

    `keep` newest ones stay in the folder; None keeps all.
    """
    fields = {field.name: getattr(stats, field.name) for field in dataclasses.fields(stats)}
    metadata = {
        "seeds": len(state.step),
        "shapes": {name: x.shape for name, x in fields.items() if isinstance(x, jax.Array)},
        "action_dim": stats.action_dim,
        "discrete": stats.discrete,
        "transform": dataclasses.asdict(stats.transform),
    }
    with Checkpoints(folder, keep=keep, on_host=True) as checkpoints:
        checkpoints.save(step, {"state": state, "stats": stats}, metadata)


def saved_policies(folder: str | os.PathLike[str]) -> list[int]:
    """Numbers of updates after which policies are kept in `folder`; damaged ones are left out."""
    if not os.path.isdir(folder):
        return []
    with Checkpoints(folder, keep=None, on_host=True, reading=True) as checkpoints:
        return checkpoints.steps()


def load_policies(folder: str | os.PathLike[str], learner: Learner, step: int) -> tuple[State, DatasetStats]:
    """The states (seeds, ...) and statistics that `save_policies` kept.

    Raises:
      FileNotFoundError: there are no policies after so many updates.
      ValueError: they are damaged, or of another learner.
    """
    with Checkpoints(folder, keep=None, on_host=True, reading=True) as checkpoints:
        if not (checkpoints.folder / str(step)).is_dir():
            raise FileNotFoundError(f"{folder}: there are no policies after {step} updates; run the same command again")
        metadata = checkpoints.metadata(step)
        transform = metadata["transform"]
        differences = tuple((i, j) for i, j in transform.pop("differences"))
        shapes: dict[str, Any] = {
            name: jax.ShapeDtypeStruct(tuple(s), jnp.float32) for name, s in metadata["shapes"].items()
        }
        like = DatasetStats(
            **shapes,
            action_dim=metadata["action_dim"],
            discrete=metadata["discrete"],
            transform=ObservationTransform(differences, **transform),
        )
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), metadata["seeds"]))
        state = jax.eval_shape(jax.vmap(learner.init, in_axes=(0, None)), keys, like)
        found = checkpoints.restore(step, {"state": state, "stats": like})
    return jax.tree.map(jnp.asarray, found["state"]), jax.tree.map(jnp.asarray, found["stats"])
