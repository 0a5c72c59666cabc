"""The `kalm/` environments of Gymnasium.

Installed, the package registers them with Gymnasium by an entry point, so that `gymnasium.make("kalm/ClevrRobot-v0")`
works without an import of ours; a plain checkout calls `register_environments`. No simulator is imported before an
environment is made.
"""

from __future__ import annotations


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
            # By itself the task has nothing to do with things that are not there, as Meta-world's own has not.
            kwargs={"task": "reach", "distractor": "none"},
        )
