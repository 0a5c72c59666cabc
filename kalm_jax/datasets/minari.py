"""Minari's data sets, by name as `minari:ID` or by their folder. Needs the extra `minari`.

Episodes become rollouts. Composed observations, such as those of goal environments, become one vector in the order of
`gymnasium.spaces.flatten`. What Minari has no place for is stored beside its data, so that data sets written here come
back whole: the goals in a file of their own, a rollout's goal and whether it is imagined in its infos.

Dimension letters: N rollouts, T time steps (padded), D observation.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from kalm_jax.datasets.arrays import check_links, open_arrays, say_rounding, sentences
from kalm_jax.files import read_foreign_json
from kalm_jax.types import Episode, GoalTable, Rollouts, make_goal_table, stack_episodes, unnamed_goal, validate
from kalm_jax.types.goals import GOAL_ARRAYS
from kalm_jax.types.spaces import NOT_READ, is_vector

PREFIX = "minari:"
_GOALS, _METADATA, _EPISODES = "kalm_jax_goals.npz", "metadata.json", "main_data.hdf5"

_WANTED = {
    "total_episodes": (int, "a number"),
    "total_steps": (int, "a number"),
    "data_format": (str, "hdf5, arrow or parquet"),
    "observation_space": (str, "a space"),
    "action_space": (str, "a space"),
    "dataset_id": (str, "a name"),
    "minari_version": (str, "a version"),
}
"""Entries of metadata.json -> their type, and what they should be."""


def is_dataset(path: str) -> bool:
    """Whether `path` is a Minari name, or a folder that holds a Minari data set."""
    return path.startswith(PREFIX) or _data_folder(path) is not None


def read_dataset(path: str) -> tuple[Rollouts, GoalTable]:
    """Rollouts and goals of a data set on this machine (`minari download ID` gets one).

    Discrete actions count from 0, whatever the `start` of their space. Observations that are images or text are
    refused. Errors: as of `read_rollouts`.
    """
    minari = _minari()
    folder = _data_folder(path)
    if folder is None:
        name = path.removeprefix(PREFIX)
        raise FileNotFoundError(f"{path}: no such data set on this machine (in the shell: minari download {name})")
    _check_metadata(folder)
    try:
        data = minari.MinariDataset(folder)
        return _read_episodes(path, data, folder)
    except _UnfitError:
        raise
    except Exception as error:  # Minari passes on whatever its libraries raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise ValueError(
            f'{path}: Minari cannot read it ({reason}); download it again, or write it again with data_format="hdf5"'
        ) from error


class _UnfitError(ValueError):
    """Minari reads the data set, but it is not what is wanted; the message says why."""


def _read_episodes(path: str, data: Any, folder: pathlib.Path) -> tuple[Rollouts, GoalTable]:
    from gymnasium import spaces

    action_space, observation_space = data.action_space, data.observation_space
    discrete = isinstance(action_space, spaces.Discrete)
    if not discrete and not (isinstance(action_space, spaces.Box) and len(action_space.shape) == 1):
        raise _UnfitError(f"{path}: action space {action_space}; want Discrete, or a Box of one axis")
    if not is_vector(observation_space):
        raise _UnfitError(f"{path}: observation space {observation_space}: {NOT_READ}")
    goals = _read_goals(folder / _GOALS)
    episodes: list[Episode] = []
    notes: list[tuple[int, bool]] = []
    for i, episode in enumerate(data.iterate_episodes()):
        n = len(episode.rewards)
        flat = _flatten(observation_space, episode.observations, n + 1)
        if n < 1 or len(flat) != n + 1 or len(episode.actions) != n:
            raise _UnfitError(
                f"{path}: episode {i} has {len(flat)} observations, {len(episode.actions)} actions and {n} rewards; "
                "want one observation more than actions, as many rewards, and at least one step"
            )
        for field in ("terminations", "truncations"):
            ended = np.asarray(getattr(episode, field))
            if ended.shape != (n,):
                raise _UnfitError(f"{path}: episode {i} has {field} of shape {ended.shape}, want ({n},)")
            if ended[:-1].any():
                step = int(np.argmax(ended))
                raise _UnfitError(f"{path}: episode {i} has {field}[{step}] True, but {n} steps; end it there")
        if not i and isinstance(observation_space, spaces.Box):
            say_rounding(path, "observations", episode.observations)
        actions = np.asarray(episode.actions)
        actions = actions.reshape(n) - int(action_space.start) if discrete else actions
        episodes.append((flat, actions, np.asarray(episode.rewards), bool(episode.terminations[-1])))
        infos = (episode.infos or {}) if goals is not None else {"goal": [0], "imagined": [False]}
        notes.append((int(np.asarray(infos["goal"])[0]), bool(np.asarray(infos["imagined"])[0])))
    if not episodes:
        raise _UnfitError(f"{path}: holds no episodes")
    steps = sum(len(rewards) for _, _, rewards, _ in episodes)
    if steps != data.total_steps:
        raise _UnfitError(
            f"{path}: its metadata.json says {data.total_steps} steps, but its episodes have {steps}; download it again"
        )
    goal, imagined = zip(*notes)
    rollouts = dataclasses.replace(
        stack_episodes(episodes), goal=np.array(goal, np.int32), imagined=np.array(imagined, bool)
    )
    goals = unnamed_goal() if goals is None else goals
    bounds = None if discrete else (action_space.low, action_space.high)
    try:
        return validate(rollouts, len(goals), int(action_space.n) if discrete else None, path, bounds), goals
    except ValueError as error:
        raise _UnfitError(*error.args) from error


def _check_metadata(folder: pathlib.Path) -> None:
    """Refuses a damaged metadata.json, or links out of the data set, before Minari follows them."""
    from gymnasium.envs.registration import EnvSpec

    file = folder / _METADATA
    metadata = read_foreign_json(file, "download the data set again")
    for key, (kind, words) in _WANTED.items():
        by_environment = key.endswith("_space") and key not in metadata and "env_spec" in metadata
        if not by_environment and type(metadata.get(key)) is not kind:
            raise ValueError(f"{file}: {key} is {metadata.get(key)!r}, want {words}; download the data set again")
    for key in ("env_spec", "eval_env_spec"):
        if metadata.get(key) is not None:
            try:
                EnvSpec.from_json(metadata[key])
            except Exception as error:  # whatever is missing in it
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                raise ValueError(
                    f"{file}: {key} is no environment's specification ({reason}); download the data set again, or "
                    f"remove {key}, which the episodes do not need"
                ) from error
    if (folder / _EPISODES).exists():
        check_links(str(folder / _EPISODES))
        with open_arrays(str(folder / _EPISODES)) as data:
            episodes = len(data)
    else:
        episodes = sum(part.is_dir() for part in folder.iterdir())
    if episodes != metadata["total_episodes"]:
        raise ValueError(
            f"{file}: total_episodes is {metadata['total_episodes']}, but there are {episodes}; download the data set "
            "again"
        )


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


def root() -> pathlib.Path:
    """The folder under which Minari keeps its data sets, whether it is there or not."""
    return pathlib.Path(os.environ.get("MINARI_DATASETS_PATH") or os.path.expanduser("~/.minari/datasets"))


def check_writable(path: str) -> None:
    """Raises a ValueError where `write_dataset` could not make the data set `path`: no name, or one that is taken.

    A ModuleNotFoundError says that Minari is not installed.
    """
    _minari()
    from minari.dataset.minari_dataset import parse_dataset_id

    name = path.removeprefix(PREFIX)
    try:
        parse_dataset_id(name)
    except (ValueError, TypeError):  # TypeError: no version
        raise ValueError(
            f"{path}: no name of a Minari data set, want {PREFIX}NAME-vNUMBER, such as {PREFIX}mine-v0, or "
            f"{PREFIX}NAMESPACE/NAME-vNUMBER with a namespace of two letters or more"
        ) from None
    place = root()
    for part in name.split("/"):
        if place.exists() and not place.is_dir():
            raise ValueError(f"{path}: {place} is a file, where data sets belong: set MINARI_DATASETS_PATH to a folder")
        if (place / "data" / _METADATA).exists():
            raise ValueError(f"{path}: {place} is a data set, and none can be inside it: give another name")
        place = place / part
    if os.path.lexists(place):
        raise ValueError(f"{path}: {place} is there already: give another name, or delete it")


def _minari() -> Any:
    try:
        import minari
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'Minari data sets need the package minari ({error}): pip install "kalm_jax[minari]"'
        ) from None
    return minari


def _data_folder(path: str) -> pathlib.Path | None:
    """The folder with Minari's metadata: of a name, `path` itself, or `path`/data; None where none has it."""
    if path.startswith(PREFIX):
        from minari.storage.datasets_root_dir import get_dataset_path

        path = str(get_dataset_path(path.removeprefix(PREFIX)))
    folders = (pathlib.Path(path), pathlib.Path(path) / "data")
    return next((f for f in folders if (f / _METADATA).exists()), None)


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


def _read_goals(path: pathlib.Path) -> GoalTable | None:
    """The goals that `write_dataset` wrote, or None."""
    if not path.exists():
        return None
    with open_arrays(str(path)) as data:
        text = sentences(str(path), "text", data["text"]).tolist()
        arrays = {field: data[field] for field in GOAL_ARRAYS}
    return make_goal_table(text, arrays["level"], arrays["family"], arrays["array"], arrays["vector"])
