"""A learner: three pure functions and the configuration they share. The registry of algorithms is here."""

from __future__ import annotations

import dataclasses
from typing import Any

from kalm_jax.offline_rl import awac, bc, combo, cql, discrete_cql, iql, td3bc
from kalm_jax.offline_rl.networks import Batch, Spec

LEARNERS = {
    "awac": (awac, awac.AWACConfig),
    "bc": (bc, bc.BCConfig),
    "combo": (combo, combo.COMBOConfig),
    "cql": (cql, cql.CQLConfig),
    "iql": (iql, iql.IQLConfig),
    "td3bc": (td3bc, td3bc.TD3BCConfig),
}
"""Name -> (module with `init`, `update` and `act`, configuration class)."""
DISCRETE = {"cql": discrete_cql}
"""Learners that have another module for discrete actions."""


@dataclasses.dataclass(frozen=True)
class Learner:
    """An algorithm with its configuration; two equal ones share their compiled functions.

    Attributes:
      name: key of `LEARNERS`.
      config: the algorithm's frozen configuration.
    """

    name: str
    config: Any

    def init(self, key, spec: Spec):
        """The state before the first update, a flat pytree with all that a resume needs."""
        return self._module(spec).init(self.config, key, spec)

    def update(self, state, batch: Batch, key):
        """(state, metrics) after one update; pure, all randomness comes from `key`."""
        return self._module(state.spec).update(self.config, state, batch, key)

    def act(self, state, observation, goal_vector, key, greedy: bool):
        """Actions for observations (B, D) and goal vectors (B, E); `greedy` is a Python bool."""
        return self._module(state.spec).act(self.config, state, observation, goal_vector, key, greedy)

    def _module(self, spec: Spec):
        module = LEARNERS[self.name][0]
        return DISCRETE.get(self.name, module) if spec.discrete else module


def make_learner(name: str, **overrides) -> Learner:
    """The learner called `name` with its default configuration, changed by `overrides`.

    Raises:
      ValueError: unknown name or unknown setting; the message lists the known ones.
    """
    if name not in LEARNERS:
        raise ValueError(f"unknown offline-RL algorithm {name!r}: use one of {', '.join(sorted(LEARNERS))}")
    config = LEARNERS[name][1]
    known = [field.name for field in dataclasses.fields(config)]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(f"{name} has no setting {', '.join(unknown)}: it has {', '.join(known)}")
    return Learner(name, config(**overrides))
