"""Settings of offline reinforcement learning that suit a world better than the papers'."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from kalm_jax.types import LEVELS
from kalm_jax.types.transforms import ObservationTransform

LARGE_REWARD_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    # The same time buys twice the updates with half the paper's batch, and there is time for few.
    "td3bc": {"learning_rate": 1e-3, "batch_size": 128, "critic_norm": True, "reward_scale": 0.1},
    **{name: {"reward_scale": 0.1} for name in ("awac", "combo", "cql", "iql")},
}
"""Settings of learners, other than the papers', for rewards of 10 to 100 for success and goal vectors of hundreds of
numbers. A critic that starts at 0 learns values near 10 sooner than values near 100."""


@dataclasses.dataclass(frozen=True)
class LearnerDefaults:
    """Settings of offline reinforcement learning that suit a world better than the papers'.

    Attributes:
      settings: name of a learner -> fields of its configuration.
      imagined_shares: part of the imagined data -> its relative share of the imagined half of a batch.
      stochastic: learners whose policy here is a distribution, so that it can be evaluated by sampling.
      actions: of these, name of a learner -> "greedy" or "sampled", whichever was better on validation sentences
        (`python -m benchmarks.validation`); "greedy" where it is not named.
      observation_transform: how policies see observations.
      relabel: (family, array, observation, action, next observation) -> (reward, reached, possible), used to exchange
        goals in a batch (`offline_rl.buffer.Relabel`); None where a single step does not determine them.
    """

    settings: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    imagined_shares: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict.fromkeys(LEVELS[1:], 1.0))
    stochastic: tuple[str, ...] = ()
    actions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    observation_transform: ObservationTransform = ObservationTransform()
    relabel: Callable | None = None
