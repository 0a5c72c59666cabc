"""The worlds, their goals and their words. Importing this package registers the environments with Gymnasium.

  >>> import gymnasium, kalm_jax.envs
  >>> env = gymnasium.make("kalm/ClevrRobot-v0", level="offline")
  >>> arm = gymnasium.make("kalm/Metaworld-v0", task="push", level="offline")

No simulator is imported before an environment is made.
"""

from __future__ import annotations


def register_environments() -> None:
    """Makes the `kalm/` environments known to Gymnasium; calling it again changes nothing."""
    from gymnasium.envs.registration import register, registry

    if "kalm/ClevrRobot-v0" not in registry:
        register(
            id="kalm/ClevrRobot-v0",
            entry_point="kalm_jax.envs.clevr_env:ClevrRobotEnv",
            vector_entry_point="kalm_jax.envs.clevr_env:ClevrRobotVectorEnv",
            max_episode_steps=50,
        )
    if "kalm/Metaworld-v0" not in registry:
        register(
            id="kalm/Metaworld-v0",
            entry_point="kalm_jax.envs.metaworld_env:MetaworldEnv",
            max_episode_steps=100,
        )
    if "kalm/MetaworldReach-v0" not in registry:
        register(
            id="kalm/MetaworldReach-v0",
            entry_point="kalm_jax.envs.metaworld_env:MetaworldEnv",
            max_episode_steps=100,
            # By itself the task has nothing to do with things that are not there, as Meta-world's own has not.
            kwargs={"task": "reach", "distractor": "none"},
        )


register_environments()
