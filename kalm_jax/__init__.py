"""kalm_jax: a language model imagines rollouts for goals without data, and offline RL learns from them.

Importing this package is light: no simulator, no display, no flags and no logger start at import.
"""

__version__ = "0.1.0"

# Gymnasium 1.x loads no plugins: `gymnasium.make("kalm_jax:kalm/ClevrRobot-v0")` imports this package, and so finds the
# environments, as every program that has imported it does. No simulator is imported before an environment is made.
from kalm_jax.worlds.registration import register_environments

register_environments()
