"""kalm_jax: a language model imagines rollouts for goals without data, and offline RL learns from them.

    import kalm_jax as kalm

    run = kalm.load_run("runs/clevr")
    policy = run.policy("td3bc", condition="kalm")
    action = policy.act(observation, "put the red ball left of the blue one")
    rollouts = run.imagine("line the balls up", count=8)

Importing this package takes some milliseconds: names are imported when they are used. JAX, NumPy and Gymnasium are not
imported, and no simulator, no display, no flags and no logger start. With the first use of a name, JAX's CPU compiler
gets the flag that it needs to compile right, where JAX has no devices yet (`kalm_jax.xla_flags`).
"""

# Gymnasium 1.x loads no plugins: `gymnasium.make("kalm_jax:kalm/ClevrRobot-v0")` imports this package, and so finds the
# environments, as every program that has imported it does. No simulator is imported before an environment is made.
from kalm_jax.worlds.registration import register_with_gymnasium

TYPE_CHECKING = False  # for type checkers it is True; to import typing takes longer than all of this package
if TYPE_CHECKING:
    from kalm_jax.offline_rl.registry import make_learner
    from kalm_jax.pipeline.config import PipelineConfig
    from kalm_jax.pipeline.grounding import ground, imagine, load_language_model
    from kalm_jax.pipeline.loaded_run import load_run
    from kalm_jax.pipeline.run import run
    from kalm_jax.pipeline.training import evaluate, train
    from kalm_jax.types import GoalTable, Rollouts
    from kalm_jax.worlds.base import World, get_world

__version__ = "0.2.0"

__all__ = [
    "GoalTable",
    "PipelineConfig",
    "Rollouts",
    "World",
    "evaluate",
    "get_world",
    "ground",
    "imagine",
    "load_language_model",
    "load_run",
    "make_learner",
    "run",
    "train",
]

_HOMES = {
    "GoalTable": "types",
    "PipelineConfig": "pipeline.config",
    "Rollouts": "types",
    "World": "worlds.base",
    "evaluate": "pipeline.training",
    "get_world": "worlds.base",
    "ground": "pipeline.grounding",
    "imagine": "pipeline.grounding",
    "load_language_model": "pipeline.grounding",
    "load_run": "pipeline.loaded_run",
    "make_learner": "offline_rl.registry",
    "run": "pipeline.run",
    "train": "pipeline.training",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    from kalm_jax.xla_flags import avoid_miscompilation

    avoid_miscompilation()
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


register_with_gymnasium()
