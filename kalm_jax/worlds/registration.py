"""The `kalm/` environments of Gymnasium, which importing `kalm_jax` registers.

`gymnasium.make("kalm_jax:kalm/ClevrRobot-v0")` needs no import of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def register_environments() -> None:
    """Makes the `kalm/` environments known to Gymnasium; calling it again changes nothing."""
    from gymnasium.envs.registration import register, registry

    if "kalm/ClevrRobot-v0" not in registry:
        register(
            id="kalm/ClevrRobot-v0",
            entry_point="kalm_jax.worlds.clevr.gym_env:ClevrRobotEnv",
            vector_entry_point="kalm_jax.worlds.clevr.gym_env:ClevrRobotVectorEnv",
            max_episode_steps=50,
        )
    if "kalm/Metaworld-v0" not in registry:
        register(
            id="kalm/Metaworld-v0",
            entry_point="kalm_jax.worlds.metaworld.gym_env:MetaworldEnv",
            max_episode_steps=100,
        )
    if "kalm/MetaworldReach-v0" not in registry:
        register(
            id="kalm/MetaworldReach-v0",
            entry_point="kalm_jax.worlds.metaworld.gym_env:MetaworldEnv",
            max_episode_steps=100,
            # Meta-world's own version of the task shows no distractor either.
            kwargs={"task": "reach", "distractor": "none"},
        )


def checked_options(options: Any, known: Sequence[str]) -> dict[str, Any]:
    """The options of an environment's reset, {} for None; ValueError where they are none or have an unknown name."""
    if not isinstance(options, Mapping | None):
        raise ValueError(f"reset options are {options!r}; want a dictionary with some of {', '.join(known)}")
    unknown = sorted(map(str, set(options or ()) - set(known)))
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; use {', '.join(known)}")
    return dict(options or {})
