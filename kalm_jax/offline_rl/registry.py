"""A learner: three pure functions and the configuration they share. The registry of algorithms is here.

A custom learner needs no entry: `make_learner("my_package.my_module")` takes a module with `init`, `update` and `act`
as in `algorithms/bc.py`, and its configuration, a frozen dataclass with a `batch_size`, under the name `Config`. The
configuration's fields say by `kalm_jax.settings.setting` which values they may have; of others their type is checked.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from kalm_jax.arguments import checked
from kalm_jax.offline_rl import buffer
from kalm_jax.offline_rl.algorithms import awac, bc, combo, cql, decision_transformer, discrete_cql, iql, td3bc
from kalm_jax.offline_rl.arrays import Actions
from kalm_jax.offline_rl.buffer import Batch, Buffer
from kalm_jax.offline_rl.normalization import DatasetStats, policy_input
from kalm_jax.offline_rl.windows import Windows
from kalm_jax.settings import fields_of

LEARNERS: dict[str, tuple[Any, type]] = {
    "awac": (awac, awac.AWACConfig),
    "bc": (bc, bc.BCConfig),
    "combo": (combo, combo.COMBOConfig),
    "cql": (cql, cql.CQLConfig),
    "decision_transformer": (decision_transformer, decision_transformer.DecisionTransformerConfig),
    "iql": (iql, iql.IQLConfig),
    "td3bc": (td3bc, td3bc.TD3BCConfig),
}
"""Name -> (module with `init`, `update` and `act`, configuration class)."""
DISCRETE: dict[str, Any] = {"cql": discrete_cql}
"""Learners that have another module for discrete actions."""
State = Any
"""The state of a learner: a pytree with `step` and `key`, defined in the learner's module."""


@dataclasses.dataclass(frozen=True)
class Learner:
    """An algorithm with its configuration; two equal ones share their compiled functions.

    Feed-forward learners choose actions from an observation, recurrent ones from a carry (`init_carry`,
    `update_carry`). Of a feed-forward learner the carry is the observation, so one loop can run both.

    Attributes:
      name: key of `LEARNERS`, or the import path of a custom module.
      config: the algorithm's frozen configuration. Its fields are checked once here, and its method `validate`, if any,
        is called. A ValueError names the setting and says what it may be.
    """

    name: str
    config: Any

    def __post_init__(self) -> None:
        config: Any = self.config
        values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.init}
        plain = checked_settings(self.name, type(config), values)
        if any(plain[name] is not value for name, value in values.items()):
            object.__setattr__(self, "config", dataclasses.replace(config, **plain))
        if hasattr(self.config, "validate"):
            self.config.validate()

    def check(self, discrete: bool) -> None:
        """Raises a ValueError where settings are not for this kind of actions, as `init` does."""
        if isinstance(self.config, cql.CQLConfig):  # and COMBO's, which learns with it
            (discrete_cql if discrete else cql).check(self.config)

    def stats(self, data: Buffer) -> DatasetStats:
        """What the other functions must know of the data."""
        if hasattr(self._module, "dataset_stats"):
            return self._module.dataset_stats(self.config, data)
        return data.stats()

    def sample(self, data: Buffer, key: Array) -> Batch | Windows:
        """The input of one update: transitions, or windows of rollouts."""
        if hasattr(self._module, "sample"):
            return self._module.sample(self.config, data, key)
        return buffer.sample(data, key, self.config.batch_size)

    def init(self, key: Array, stats: DatasetStats) -> State:
        """The state before the first update, a flat pytree with all that a resume needs."""
        return self.algorithm(stats).init(self.config, key, stats)

    def update(
        self,
        state: State,
        stats: DatasetStats,
        batch: Batch | Windows,
        key: Array,
        swept: Mapping[str, Float[Array, ""]] | None = None,
    ) -> tuple[State, dict[str, Array]]:
        """(state, metrics) after one update; pure, all randomness comes from `key`.

        `swept` holds traced values of settings (see `sweepable`); all other settings are constants of the program.
        """
        config = dataclasses.replace(self.config, **swept) if swept else self.config
        return self.algorithm(stats).update(config, state, stats, batch, key)

    def act(self, state: State, stats: DatasetStats, carry: Any, goal: ArrayLike, key: Array, greedy: bool) -> Actions:
        """Actions for B episodes: the most probable, or sampled ones; `carry` is the observations (B, D), see above."""
        module = self.algorithm(stats)
        if self.is_recurrent:
            return module.act(self.config, state, stats, carry, jnp.asarray(goal), key, greedy)
        inputs = policy_input(stats, jnp.asarray(carry), jnp.asarray(goal))
        return module.act(self.config, state, stats, inputs, key, greedy)

    @property
    def is_recurrent(self) -> bool:
        """Whether actions depend on the past of the episode, its rewards included."""
        return hasattr(self._module, "init_carry")

    def init_carry(self, stats: DatasetStats, observation: ArrayLike) -> Any:
        """The carry of B episodes that begin with these observations."""
        return (
            self._module.init_carry(self.config, stats, jnp.asarray(observation)) if self.is_recurrent else observation
        )

    def update_carry(self, carry: Any, action: ArrayLike, reward: ArrayLike, observation: ArrayLike) -> Any:
        """The carry after actions, their rewards and the observations that follow."""
        if not self.is_recurrent:
            return observation
        return self._module.update_carry(carry, *(jnp.asarray(x) for x in (action, reward, observation)))

    def algorithm(self, stats: DatasetStats) -> ModuleType:
        """The module with the algorithm's functions for the data's kind of actions."""
        return DISCRETE.get(self.name, self._module) if stats.discrete else self._module

    @property
    def _module(self) -> ModuleType:
        return find_algorithm(self.name)[0]


@functools.cache
def find_algorithm(name: str) -> tuple[Any, Any]:
    """(module, configuration class) of a key of `LEARNERS`, or of the custom module that `name` imports.

    Raises:
      ValueError: neither, or the module is incomplete.
    """
    if name in LEARNERS:
        return LEARNERS[name]
    known = f"use one of {', '.join(sorted(LEARNERS))}, or the import path of a custom module, with a dot"
    if not isinstance(name, str) or "." not in name or not all(name.split(".")):
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


@checked()
def make_learner(name: str, **overrides: Any) -> Learner:
    """The learner called `name` with its default configuration, changed by `overrides`.

    Raises:
      ValueError: unknown name (see `find_algorithm`), unknown setting, or a value without meaning.
      TypeError: the name is no text.
    """
    config = find_algorithm(name)[1]
    known = [field.name for field in dataclasses.fields(config)]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(f"{name} has no setting {', '.join(unknown)}: it has {', '.join(known)}")
    return Learner(name, config(**checked_settings(name, config, overrides)))


def checked_settings(name: str, config: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a learner's configuration as they are kept; a ValueError names the first that is not allowed."""
    fields = fields_of(config)
    return {field: fields[field].checked(value, f"{name}.{field}") for field, value in values.items()}


def sweepable(learner: Learner) -> list[str]:
    """Names of the settings that can differ between runs trained together: real numbers that decide no size."""
    fields = dataclasses.fields(learner.config)
    return [field.name for field in fields if isinstance(field.default, float) and not field.metadata.get("static")]


def grid(**values: Iterable[float]) -> list[dict[str, float]]:
    """Every combination of the values of some settings: what `train` takes as `sweep`."""
    return [dict(zip(values, combination)) for combination in itertools.product(*values.values())]


def check_sweep(learner: Learner, sweep: Sequence[Mapping[str, float]]) -> None:
    """Raises a ValueError for settings with different names, repeated ones, and those that the learner cannot sweep."""
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
        Learner(learner.name, dataclasses.replace(learner.config, **setting))  # validates it
    if len({tuple(sorted(setting.items())) for setting in sweep}) != len(sweep):
        raise ValueError("the sweep has one setting twice: leave one out")


def plain_config(config: Any) -> dict[str, Any]:
    """A configuration as JSON values: a function, such as COMBO's `terminal`, by its name."""
    return {field.name: _plain(getattr(config, field.name)) for field in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, (tuple, list)):
        return [_plain(x) for x in value]
    return getattr(value, "__qualname__", repr(value))
