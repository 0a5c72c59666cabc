"""Minari's data sets, by name as `minari:ID` or by their folder. Needs the extra `minari`.

Episodes become rollouts. Composed observations, such as those of goal environments, become one vector in the order of
`gymnasium.spaces.flatten`. What Minari has no place for is stored beside its data, so that data sets written here come
back whole: the goals in a file of their own, a rollout's goal and whether it is imagined in its infos.

Dimension letters: N rollouts, T time steps (padded), D observation.
"""

from __future__ import annotations

import dataclasses
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.types import Episode, GoalTable, Rollouts, stack_episodes, unnamed_goal, validate
from kalm_jax.types.goals import GOAL_ARRAYS

PREFIX = "minari:"
_GOALS = "kalm_jax_goals.npz"


def is_dataset(path: str) -> bool:
    """Whether `path` is a Minari name, or a folder that holds a Minari data set."""
    return path.startswith(PREFIX) or _data_folder(path) is not None


def read_dataset(path: str) -> tuple[Rollouts, GoalTable]:
    """Rollouts and goals of a data set on this machine (`minari download ID` gets one).

    Discrete actions count from 0, whatever the `start` of their space. Errors: as of `read_rollouts`.
    """
    minari = _minari()
    from gymnasium import spaces

    try:
        name = path.removeprefix(PREFIX)
        data = minari.load_dataset(name) if path.startswith(PREFIX) else minari.MinariDataset(_data_folder(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: {error} (in the shell: minari download {name})") from None
    action_space, observation_space = data.action_space, data.observation_space
    discrete = isinstance(action_space, spaces.Discrete)
    if not discrete and not (isinstance(action_space, spaces.Box) and len(action_space.shape) == 1):
        raise ValueError(f"{path}: action space {action_space}; want Discrete, or a Box of one axis")
    if not observation_space.is_np_flattenable:
        raise ValueError(f"{path}: observation space {observation_space} cannot be made one vector of numbers")
    episodes: list[Episode] = []
    notes: list[tuple[int, bool]] = []
    for i, episode in enumerate(data.iterate_episodes()):
        n = len(episode.rewards)
        flat = _flatten(observation_space, episode.observations, n + 1)
        if n < 1 or len(flat) != n + 1 or len(episode.actions) != n:
            raise ValueError(
                f"{path}: episode {i} has {len(flat)} observations, {len(episode.actions)} actions and {n} rewards; "
                "want one observation more than actions, as many rewards, and at least one step"
            )
        actions = np.asarray(episode.actions)
        actions = actions.reshape(n) - int(action_space.start) if discrete else actions
        episodes.append((flat, actions, np.asarray(episode.rewards), bool(episode.terminations[-1])))
        infos = episode.infos or {}
        ours = "goal" in infos and "imagined" in infos
        notes.append(
            (int(np.asarray(infos["goal"])[0]), bool(np.asarray(infos["imagined"])[0])) if ours else (0, False)
        )
    if not episodes:
        raise ValueError(f"{path}: holds no episodes")
    goal, imagined = zip(*notes)
    rollouts = dataclasses.replace(
        stack_episodes(episodes), goal=np.array(goal, np.int32), imagined=np.array(imagined, bool)
    )
    goals = _read_goals(pathlib.Path(data.spec.data_path) / _GOALS)
    bounds = None if discrete else (action_space.low, action_space.high)
    return validate(rollouts, len(goals), int(action_space.n) if discrete else None, path, bounds), goals


def write_dataset(path: str, rollouts: Rollouts, goals: GoalTable, attributes: Mapping | None = None) -> None:
    """Makes the Minari data set `path` (`minari:ID`) with a Box of observations and the actions' space.

    It stands under `$MINARI_DATASETS_PATH` or `~/.minari/datasets`; a ValueError says that the name is taken or none.
    The space of discrete actions has as many as the attribute `num_actions` says, or the largest action + 1; continuous
    actions have the bounds of the attribute `action_bounds`, or of the data. The attribute `environment` is the
    environment's id.
    """
    minari = _minari()
    from gymnasium import spaces
    from minari.data_collector import EpisodeBuffer

    if not path.startswith(PREFIX):
        raise ValueError(f"{path}: Minari data sets are written by name, {PREFIX}ID; read back, a folder does as well")
    attributes = attributes or {}
    actions, observations = np.asarray(rollouts.actions), np.asarray(rollouts.observations)
    action_space: Any
    if actions.ndim == 2:
        action_space = spaces.Discrete(int(attributes.get("num_actions") or actions[rollouts.valid()].max() + 1))
    else:
        taken = actions[rollouts.valid()]
        low, high = attributes.get("action_bounds") or (taken.min(0), taken.max(0))
        action_space = spaces.Box(np.asarray(low, np.float32), np.asarray(high, np.float32), dtype=np.float32)
    buffers = []
    for i, n in enumerate(np.asarray(rollouts.length).tolist()):
        end = np.arange(n) == n - 1
        terminated = end & bool(rollouts.terminated[i])
        note = {"goal": np.full(n + 1, rollouts.goal[i]), "imagined": np.full(n + 1, rollouts.imagined[i])}
        buffers.append(
            EpisodeBuffer(
                id=i,
                observations=observations[i, : n + 1],
                actions=actions[i, :n].astype(np.int64 if actions.ndim == 2 else np.float32),
                rewards=rollouts.rewards[i, :n],
                terminations=terminated,
                truncations=end & ~terminated,
                infos=note,
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Minari wants an author, a link and an e-mail address
        data = minari.create_dataset_from_buffers(
            path.removeprefix(PREFIX),
            buffers,
            env=attributes.get("environment"),
            observation_space=spaces.Box(-np.inf, np.inf, observations.shape[2:], np.float32),
            action_space=action_space,
        )
    arrays = {field: getattr(goals, field) for field in GOAL_ARRAYS}
    np.savez_compressed(pathlib.Path(data.spec.data_path) / _GOALS, text=np.array(goals.text, np.str_), **arrays)


def _minari() -> Any:
    try:
        import minari
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'Minari data sets need the package minari ({error}): pip install "kalm_jax[minari]"'
        ) from None
    return minari


def _data_folder(path: str) -> pathlib.Path | None:
    """The folder with Minari's metadata: `path` itself, or `path`/data; None where neither has it."""
    folders = (pathlib.Path(path), pathlib.Path(path) / "data")
    return next((f for f in folders if (f / "metadata.json").is_file()), None)


def _flatten(space: Any, value: Any, n: int) -> np.ndarray:
    """(n, D) float32 of n values of a space, stacked as Minari stacks them, in the order of `spaces.flatten`."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return np.concatenate([_flatten(part, value[key], n) for key, part in space.spaces.items()], 1)
    if isinstance(space, spaces.Tuple):
        return np.concatenate([_flatten(part, v, n) for part, v in zip(space.spaces, value, strict=True)], 1)
    value = np.asarray(value)
    if isinstance(space, spaces.Discrete):
        return np.eye(int(space.n), dtype=np.float32)[value.reshape(-1) - int(space.start)]
    if isinstance(space, spaces.Box):
        return value.reshape(len(value), -1).astype(np.float32)
    return np.stack([np.asarray(spaces.flatten(space, v)) for v in value]).astype(np.float32)


def _read_goals(path: pathlib.Path) -> GoalTable:
    if not path.exists():
        return unnamed_goal()
    with np.load(path, allow_pickle=False) as file:
        return GoalTable(**{field: file[field] for field in GOAL_ARRAYS}, text=tuple(str(t) for t in file["text"]))
