"""The `kalm/` environments of Gymnasium, which importing `kalm_jax` registers.

`gymnasium.make("kalm_jax:kalm/ClevrRobot-v0")` needs no import of ours. As the first module that `kalm_jax` imports,
this one imports nothing that takes time.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # for type checkers it is True
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


def register_with_gymnasium() -> None:
    """Registers the environments now, where Gymnasium is imported already, and otherwise as soon as it is."""
    if "gymnasium" in sys.modules:
        register_environments()
    elif not any(isinstance(finder, _RegisterOnImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _RegisterOnImport())


class _RegisterOnImport:
    """A finder of modules that finds none itself: Gymnasium is loaded as ever, and then our environments are there."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What the other finders find, for Gymnasium alone."""
        if name != "gymnasium":
            return None
        others = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_register(module: ModuleType) -> None:
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                load(module)
                register_environments()

            spec.loader.exec_module = load_and_register  # type: ignore[method-assign]
        return spec


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
    from collections.abc import Mapping

    if not isinstance(options, Mapping | None):
        raise ValueError(f"reset options are {options!r}; want a dictionary with some of {', '.join(known)}")
    unknown = sorted(map(str, set(options or ()) - set(known)))
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; use {', '.join(known)}")
    return dict(options or {})
