"""kalm_jax: a language model imagines rollouts for goals without data, and offline RL learns from them.

Importing this package is light: no simulator, no display, no flags and no logger start at import.
"""

__version__ = "0.1.0"
