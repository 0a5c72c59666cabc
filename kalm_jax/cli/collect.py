"""Rollouts of a scripted or random policy in a Gymnasium environment, as a file for `kalm offline`.

    kalm collect --env=Pendulum-v1 --policy=random --episodes=100 --output=pendulum.h5
    kalm collect --env=Pendulum-v1 --policy=mixed --controller=my_package.my_module:act --output=pendulum.h5

Policies: random (needs no controller); expert, the controller's actions; noisy, which acts at random half of the time;
mixed, a third of the episodes of each; replay, from random to middling, as the replay buffer of a learner. A controller
is a function from observations (B, D) to actions (B, A), or to indices (B,) where actions are discrete. In a checkout
of the repository Pendulum-v1, Reacher-v5 and CartPole-v1 have one already.
"""

import dataclasses
import importlib
from typing import TYPE_CHECKING, Any

from kalm_jax.cli.flags import Flag, flags_of, made, parse
from kalm_jax.disk import check_room
from kalm_jax.settings import MANY, MAX_SEED, REQUIRED, Checked, described, setting

if TYPE_CHECKING:
    from kalm_jax.evaluation.gymnasium_behaviors import Controller

LEAST_ROOM = 500_000
"""Bytes that must be free before anything is played."""
POLICIES = ("random", "expert", "noisy", "mixed", "replay")


@dataclasses.dataclass(frozen=True)
class CollectSettings(Checked):
    """What is played, and where it is written."""

    env: str = setting(
        REQUIRED, "Gymnasium id, such as Pendulum-v1; module:Id-v0 imports the module first.", filled=True
    )
    output: str = setting(REQUIRED, "File to write: .h5, .hdf5, .npz, or minari:ID.", filled=True)
    policy: str = setting("mixed", "Behavior policy.", choices=POLICIES)
    controller: str = setting("", "The expert, as package.module:function; not needed with --policy=random.")
    episodes: int = setting(100, "Episodes.", low=1, high=MANY)
    layout: str = setting(
        "kalm_jax", "Layout of the file; d4rl has flat arrays over transitions.", choices=("kalm_jax", "d4rl")
    )
    seed: int = setting(0, "Seed of the resets and of the random actions.", low=0, high=MAX_SEED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.controller and self.policy == "random":
            raise ValueError(
                f"--controller={self.controller} has no effect with --policy=random: leave one of them out"
            )


def flags() -> list[Flag]:
    """The flags of the command."""
    return flags_of(CollectSettings, "collection")


def find_controller(environment: str, path: str) -> "Controller | None":
    """The controller at `path`, otherwise that of `benchmarks.controllers` in a checkout, otherwise None.

    Raises:
      ValueError: there is no such function.
    """
    if not path:
        try:
            module = importlib.import_module("benchmarks.controllers")
        except ModuleNotFoundError:
            return None
        known: dict[str, Any] = getattr(module, "CONTROLLERS", {})  # a user's folder may have such a module too
        return known.get(environment)
    place, _, name = path.partition(":")
    try:
        controller = getattr(importlib.import_module(place), name)
    except Exception as error:  # whatever a module raises as it is imported
        said = f"{error}" if isinstance(error, ImportError | AttributeError | ValueError) else described(error)
        raise ValueError(f"--controller={path}: {said}; want package.module:function") from error
    if not callable(controller):
        raise ValueError(f"--controller={path} is no function; want package.module:function")
    return controller


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    settings = made(CollectSettings, parse(flags(), argv))
    from kalm_jax.datasets import check_writable, minari, write_rollouts
    from kalm_jax.evaluation.gymnasium_behaviors import collect_episodes

    check_writable(settings.output, settings.layout)
    if not settings.output.startswith(minari.PREFIX):
        check_room(settings.output, LEAST_ROOM, "a file of rollouts")
    expert = None if settings.policy == "random" else find_controller(settings.env, settings.controller)
    rollouts, goals, notes = collect_episodes(settings.env, settings.policy, settings.episodes, settings.seed, expert)
    write_rollouts(settings.output, rollouts, goals, notes, settings.layout)
    returns = rollouts.rewards.sum(1)
    print(
        f"{settings.output}: {len(rollouts)} episodes, {rollouts.num_transitions()} transitions, return "
        f"{returns.mean():.4g} (standard deviation {returns.std():.3g}, best {returns.max():.4g})"
    )
