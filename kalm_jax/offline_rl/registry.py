"""A learner: three pure functions and the configuration they share. The registry of algorithms is here.

One of the user's own needs no entry: `make_learner("my_package.my_module")` takes a module with `init`, `update` and
`act` as in `bc.py`, and its configuration, a frozen dataclass with a `batch_size`, under the name `Config`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from kalm_jax.offline_rl import buffer
from kalm_jax.offline_rl.algorithms import awac, bc, combo, cql, decision_transformer, discrete_cql, iql, td3bc
from kalm_jax.offline_rl.buffer import Buffer
from kalm_jax.offline_rl.networks import Batch, Spec
from kalm_jax.offline_rl.windows import Windows

LEARNERS = {
    "awac": (awac, awac.AWACConfig),
    "bc": (bc, bc.BCConfig),
    "combo": (combo, combo.COMBOConfig),
    "cql": (cql, cql.CQLConfig),
    "decision_transformer": (decision_transformer, decision_transformer.DecisionTransformerConfig),
    "iql": (iql, iql.IQLConfig),
    "td3bc": (td3bc, td3bc.TD3BCConfig),
}
"""Name -> (module with `init`, `update` and `act`, configuration class)."""
DISCRETE = {"cql": discrete_cql}
"""Learners that have another module for discrete actions."""
SIZES = {"combo": ("imagined_share",), "decision_transformer": ("dropout",)}
"""Settings that are real numbers but decide the shape of something, or whether it happens, so that no sweep can batch
them."""


@dataclasses.dataclass(frozen=True)
class Learner:
    """An algorithm with its configuration; two equal ones share their compiled functions.

    Attributes:
      name: key of `LEARNERS`, or the import path of a module of the user's own.
      config: the algorithm's frozen configuration.
    """

    name: str
    config: Any

    def spec(self, data: Buffer) -> Spec:
        """What `init` must know of the data."""
        return self._own("spec_of", lambda config, data: data.spec())(self.config, data)

    def sample(self, data: Buffer, key):
        """What one update learns from: a `Batch` of transitions, or the windows of a learner that reads rollouts."""
        return self._own("sample", lambda config, *of: buffer.sample(*of, config.batch_size))(self.config, data, key)

    def init(self, key, spec: Spec):
        """The state before the first update, a flat pytree with all that a resume needs."""
        return self._module(spec).init(self.config, key, spec)

    def update(self, state, batch: Batch | Windows, key, settings: Mapping[str, Any] | None = None):
        """(state, metrics) after one update; pure, all randomness comes from `key`.

        `settings` are numbers of the configuration that may be traced, see `sweepable`; all else of the configuration
        is a constant of the compiled program.
        """
        config = _traced(self.config, settings) if settings else self.config
        return self._module(state.spec).update(config, state, batch, key)

    def act(self, state, observation, goal_vector, key, greedy: bool):
        """Actions for observations (B, D) and goal vectors (B, E); `greedy` is a Python bool."""
        return self._module(state.spec).act(self.config, state, observation, goal_vector, key, greedy)

    @property
    def remembers(self) -> bool:
        """Whether actions hang on the episode so far: then play with `begin`, `choose` and `extend`, not with `act`."""
        return hasattr(find_algorithm(self.name)[0], "begin")

    def begin(self, state, observation):
        """The memory of episodes that begin with observations (B, D)."""
        return find_algorithm(self.name)[0].begin(self.config, state.spec, observation)

    def choose(self, state, memory, goal_vector, key, greedy: bool):
        """Actions for the newest step of B episodes under goal vectors (B, E)."""
        return find_algorithm(self.name)[0].choose(self.config, state, memory, goal_vector, key, greedy)

    def extend(self, memory, action, reward, observation):
        """The memory after actions, the rewards (B,) they gave and the observations (B, D) they led to."""
        return find_algorithm(self.name)[0].extend(memory, action, reward, observation)

    def _own(self, function: str, default):
        """The learner's own function of that name, or the one that the others share."""
        return getattr(find_algorithm(self.name)[0], function, default)

    def _module(self, spec: Spec):
        module = find_algorithm(self.name)[0]
        return DISCRETE.get(self.name, module) if spec.discrete else module


@functools.cache
def find_algorithm(name: str) -> tuple[Any, type]:
    """(module, configuration class) of a key of `LEARNERS`, or of the module of the user's own that `name` imports.

    Raises:
      ValueError: neither, or the module lacks something.
    """
    if name in LEARNERS:
        return LEARNERS[name]
    known = f"use one of {', '.join(sorted(LEARNERS))}, or the import path of a module of your own, with a dot"
    if "." not in name:
        raise ValueError(f"unknown offline-RL algorithm {name!r}: {known}")
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"offline-RL algorithm {name!r} cannot be imported ({error}): {known}") from error
    missing = [part for part in ("Config", "init", "update", "act") if not hasattr(module, part)]
    if missing:
        raise ValueError(f"offline-RL algorithm {name!r}: its module has no {', '.join(missing)}")
    if not dataclasses.is_dataclass(module.Config):
        raise ValueError(f"offline-RL algorithm {name!r}: its Config is no dataclass")
    return module, module.Config


def make_learner(name: str, **overrides) -> Learner:
    """The learner called `name` with its default configuration, changed by `overrides`.

    Raises:
      ValueError: unknown name (see `find_algorithm`) or unknown setting; the message lists the known ones.
    """
    config = find_algorithm(name)[1]
    known = [field.name for field in dataclasses.fields(config)]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(f"{name} has no setting {', '.join(unknown)}: it has {', '.join(known)}")
    return Learner(name, config(**overrides))


def sweepable(learner: Learner) -> list[str]:
    """Names of the settings that can differ between runs which are trained together: real numbers, no sizes."""
    fixed = SIZES.get(learner.name, ())
    return [name for name in real_settings(learner) if name not in fixed]


def real_settings(learner: Learner) -> list[str]:
    """Names of the settings that are real numbers."""
    return [f.name for f in dataclasses.fields(learner.config) if f.type in ("float", float)]


def grid(**values: Iterable[float]) -> list[dict[str, float]]:
    """Every combination of the values of some settings: what `train` takes as `sweep`."""
    return [dict(zip(values, combination)) for combination in itertools.product(*values.values())]


def check_sweep(learner: Learner, sweep: list[dict[str, float]]) -> None:
    """Raises a ValueError for settings that differ in name, that repeat, or that this learner cannot sweep."""
    names = sorted(sweep[0]) if sweep else []
    if not names:
        raise ValueError("the sweep is empty: give at least one setting, or leave it out")
    fixed = sorted(set(names) - set(sweepable(learner)))
    if fixed:
        known = ", ".join(sweepable(learner))
        raise ValueError(f"{learner.name} cannot sweep {', '.join(fixed)}, only {known}: train a run for each value")
    for setting in sweep:
        if sorted(setting) != names:
            raise ValueError(
                f"the sweep sets {', '.join(sorted(setting))} after {', '.join(names)}: name the same ones"
            )
        dataclasses.replace(learner.config, **setting)  # with the learner's own checks
    if len({tuple(sorted(setting.items())) for setting in sweep}) != len(sweep):
        raise ValueError("the sweep has one setting twice: leave one out")


def plain_config(config) -> dict[str, Any]:
    """A configuration as JSON values: a function, such as COMBO's `terminal`, by its name."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def _plain(value):
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(x) for x in value]
    return getattr(value, "__qualname__", repr(value))


def _traced(config, settings: Mapping[str, Any]):
    """The configuration with some numbers replaced, unchecked: a traced one cannot be compared."""
    config = copy.copy(config)
    for name, value in settings.items():
        object.__setattr__(config, name, value)
    return config
