"""The learners of KALM's authors: their settings, with standard semantics or with those of their code in effect.

The authors' library raises the discount to the power of the terminal flag, so that it is 1 at every step but the last,
and their data mark the end of every rollout as terminal, success or not. By default neither is done here: the discount
is the 0.99 that they intended, and a rollout that ran out of time bootstraps. `compat=True` and `every_end_terminal`
give the effective semantics, so that either can be reproduced.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from kalm_jax.offline_rl.registry import LEARNERS, Learner, make_learner
from kalm_jax.types import Rollouts

KALM_SETTINGS: dict[tuple[str, bool], dict[str, Any]] = {
    ("bc", True): {"learning_rate": 1e-3, "batch_size": 100, "logit_penalty": 0.5},
    ("bc", False): {"learning_rate": 1e-3, "batch_size": 100},
    ("td3bc", True): {"learning_rate": 3e-4, "batch_size": 256, "alpha": 2.5},
    ("td3bc", False): {"learning_rate": 3e-4, "batch_size": 256, "alpha": 2.5},
    ("cql", True): {"learning_rate": 6.25e-5, "batch_size": 32, "conservative_weight": 10.0, "target_period": 8000},
    ("cql", False): {
        **{"learning_rate": 3e-4, "policy_learning_rate": 1e-4, "temperature_learning_rate": 1e-4, "batch_size": 256},
        **{"conservative_weight": 5.0, "threshold": 10.0, "multiplier_learning_rate": 1e-4, "action_samples": 10},
    },
    ("awac", True): {"learning_rate": 3e-4, "batch_size": 1024, "temperature": 1.0, "action_samples": 1},
    ("awac", False): {"learning_rate": 3e-4, "batch_size": 1024, "temperature": 1.0, "action_samples": 1},
}
"""(learner, whether actions are discrete) -> settings of KALM's code, all for 500,000 updates and layers of 256.

TD3+BC's alpha is 0.5 in the paper. TD3+BC and AWAC were run on Meta-world only; the discrete forms take the same
numbers. CQL's weight 10 on the mean over two critics is 5 on their sum. IQL is not in the paper; COMBO is, but neither
its code nor its settings were published.
"""


def kalm_learner(name: str, discrete: bool, compat: bool = False, **overrides: Any) -> Learner:
    """The learner called `name` as KALM's authors set it, changed by `overrides`.

    Args:
      compat: discount 1, which their code has in effect; train it on rollouts from `every_end_terminal`.

    Raises:
      ValueError: an unknown learner, or one for which they published no settings.
    """
    if name in LEARNERS and (name, discrete) not in KALM_SETTINGS:
        known = sorted({n for n, _ in KALM_SETTINGS})
        raise ValueError(f"KALM's authors published no settings of {name}: use one of {', '.join(known)}")
    settings = dict(KALM_SETTINGS.get((name, discrete), {}))
    if name != "bc":
        settings["discount"] = 1.0 if compat else 0.99
    return make_learner(name, **settings | overrides)


def every_end_terminal(rollouts: Rollouts) -> Rollouts:
    """The rollouts with their last step terminal even where time ran out, as in the authors' data."""
    return dataclasses.replace(rollouts, terminated=np.ones(len(rollouts), bool))
