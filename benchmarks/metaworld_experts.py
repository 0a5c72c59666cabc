"""What Meta-world's experts reach, and what its rewards and limits are measured by.

    python -m experiments.metaworld_experts --show=success --episodes=100
    python -m experiments.metaworld_experts --show=agreement --episodes=50
    python -m experiments.metaworld_experts --show=realism --episodes=100
    python -m experiments.metaworld_experts --show=hammer --episodes=50

success: of the scripted experts within 100 steps, without noise, with 95% intervals: nobody can be asked to exceed it
by imitation. agreement: share of real transitions whose success label is the simulator's, and how far the dense reward
computed from states is from the package's (noise up to 0.3). realism: the extremes of the data's ten tasks (noise up to
0.5) that `kalm_jax/worlds/metaworld/realism.py` holds, and how often other successful attempts of all 22 tasks exceed
them (noise up to 0.3). hammer: in how many episodes of that task the nail is driven in, and in how many of those the
hammer touched it, by the expert, by random actions, and by a hand that pushes the nail and leaves the hammer alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.evaluation import evaluate, wilson_interval
from kalm_jax.progress import Progress
from kalm_jax.settings import MANY, MAX_SEED, Checked, setting
from kalm_jax.types import Episodes, stack_episodes
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.metaworld import goals as metaworld_goals
from kalm_jax.worlds.metaworld import realism
from kalm_jax.worlds.metaworld.behaviors import expert_policy
from kalm_jax.worlds.metaworld.collect import attempts
from kalm_jax.worlds.metaworld.instructions import goals_of_level
from kalm_jax.worlds.metaworld.recording import Recorded
from kalm_jax.worlds.metaworld.rewards import dense_rewards
from kalm_jax.worlds.metaworld.tasks import HAND, HORIZON, LEVEL_TASKS, NAMES, entity_slot
from kalm_jax.worlds.metaworld.vector_simulator import MetaworldSimulator
from kalm_jax.worlds.metaworld.world import BEHAVIORS

NOISE = {"success": 0.0, "agreement": 0.3, "realism": 0.5}
STRAY = {"realism": BEHAVIORS["straying"]}
"""Steps that the arm may stray first, as it does in the data."""
HELD_QUANTILE = 0.99
"""Quantile over a task's real states with a loose object in the air; the rest are throws and falls."""


@dataclasses.dataclass(frozen=True)
class ExpertSettings(Checked):
    """What is shown of how many attempts."""

    show: str = setting("success", "Which table.", choices=(*NOISE, "hammer"))
    episodes: int = setting(100, "Attempts of each task's expert.", low=1, high=MANY)
    seed: int = setting(0, "Root of all random numbers.", low=0, high=MAX_SEED)
    processes: int = setting(0, "Worker processes; 0 is one for each core.", low=0, high=1000)
    tasks: tuple[str, ...] = setting(
        (), "Tasks to look at; by default all 22, and for the limits of realism the ten of the data.", choices=NAMES
    )


def flags() -> list[Flag]:
    """The flags of the command."""
    return flags_of(ExpertSettings, "experts")


def success_row(task: str, episodes: list[Recorded]) -> dict:
    """Success of one task's expert."""
    good = sum(bool(e.success) for e in episodes)
    low, high = wilson_interval(good, len(episodes))
    steps = [len(e.actions) for e in episodes if e.success]
    return {
        "task": task,
        "success": f"{good / len(episodes):.2f}",
        "95% interval": f"[{low:.2f}, {high:.2f}]",
        "median steps": f"{np.median(steps):.0f}" if steps else "-",
    }


def agreement_row(task: str, episodes: list[Recorded]) -> dict:
    """Agreement of labels with the simulator on the transitions of one task."""
    family, goal = np.array([NAMES.index(task)]), metaworld_goals.make_goal(task)
    parts = []
    for e in episodes:
        truth = np.zeros(len(e.actions), bool)
        truth[-1] = e.success  # an episode ends at its first success
        agrees = metaworld_goals.satisfied(family, goal, e.observations[1:]) == truth
        parts.append((agrees, dense_rewards(family, e.observations[None], e.actions[None])[0], e.native))
    same, dense, native = (np.concatenate(part) for part in zip(*parts, strict=True))
    error = np.abs(dense - native)
    return {
        "task": task,
        "transitions": str(len(same)),
        "success agrees": f"{same.mean():.2%}",
        "reward: mean error": f"{error.mean():.3f}",
        "95%": f"{np.quantile(error, 0.95):.3f}",
        "correlation": f"{np.corrcoef(native, dense)[0, 1]:.4f}",
    }


def measure_limits(found: dict[str, list[Recorded]]) -> realism.Limits:
    """The extremes over these attempts by task, not widened."""
    places, hands, moves, turns, helds = [], [], [], [0.0], [0.0]
    for task, episodes in found.items():
        paths = [e.observations.astype(np.float64) for e in episodes]
        for thing in realism.objects_of(NAMES.index(task)):
            states = np.concatenate(paths)
            (hands if thing == "hand" else places).append(realism.position(states, thing))
            moves += [np.linalg.norm(np.diff(realism.position(p, thing), axis=0), axis=-1).max() for p in paths]
            if thing != "hand":
                turned = [realism.rotation(p, thing) for p in paths]
                turns += [realism.turn_between(x[:-1], x[1:]).max() for x in turned]
            if thing in realism.LOOSE:
                away = np.linalg.norm(states[:, HAND] + metaworld_goals.FINGERTIPS - places[-1], axis=-1)
                lifted = places[-1][:, 2] > realism.LOOSE[thing] + realism.LIFTED
                helds += [np.quantile(away[lifted], HELD_QUANTILE)] if lifted.any() else []
    hand, every = np.concatenate(hands), np.concatenate(hands + places)
    ends = hand.min(0), hand.max(0), every.min(0), every.max(0)
    return realism.Limits(*(end.round(3).tolist() for end in ends), *(float(max(x)) for x in (moves, turns, helds)))


def realism_lines(found: dict[str, list[Recorded]]) -> list[str]:
    """The limits measured on these attempts, as lines of `realism.LIMITS`."""
    limits = measure_limits(found)._asdict()
    return [f"{name}={tuple(x) if isinstance(x, list) else round(x, 4)}," for name, x in limits.items()]


def exceeded_row(task: str, episodes: list[Recorded]) -> dict:
    """How many of one task's attempts, and of their transitions, exceed the limits of realism."""
    episodes = [e for e in episodes if e.success]
    parts = [(e.observations, e.actions, np.zeros(len(e.actions), np.float32), True) for e in episodes]
    rollouts = stack_episodes(parts, HORIZON)
    marks = realism.unrealistic(rollouts, np.full(len(rollouts), NAMES.index(task)))
    either = np.logical_or.reduce(list(marks.values()))
    kinds = ", ".join(f"{kind} {mark.any(1).mean():.0%}" for kind, mark in marks.items() if mark.any())
    return {
        "task": task,
        "successes": str(len(episodes)),
        "unrealistic rollouts": f"{either.any(1).mean():.0%}",
        "transitions": f"{either.sum() / rollouts.length.sum():.2%}",
        "rollouts by kind": kinds or "-",
    }


def push_nail(episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
    """A policy whose closed fingers push the nail in; the hammer stays where it is."""
    tips = states[:, HAND] + metaworld_goals.FINGERTIPS
    before = states[:, entity_slot("nail")][:, :3] - (0.0, 0.08, 0.0)
    beside = np.linalg.norm((tips - before)[:, [0, 2]], axis=-1) > 0.015
    to = before + np.where(beside, 0.0, 0.2)[:, None] * (0.0, 1.0, 0.0)
    return np.append(np.clip(25.0 * (to - tips), -1.0, 1.0), np.ones((len(states), 1)), axis=1)


def hammer_rows(count: int, seed: int, processes: int | None) -> list[dict]:
    """Successes in hammer, and how many of them after the hammer touched the nail, for each of three policies."""
    goals = goals_of_level("unseen_hard")
    mine = np.flatnonzero(goals.family == NAMES.index("hammer"))
    rng = np.random.default_rng(seed)
    episodes = Episodes(rng.integers(2**62, size=count), rng.choice(mine, count).astype(np.int32), goals)
    players = {"expert": expert_policy(), "random actions": get_world("metaworld").random_policy(seed)}
    rows = []
    with MetaworldSimulator(processes) as simulator:
        for name, policy in {**players, "a hand that pushes the nail": push_nail}.items():
            played = evaluate(policy, episodes, simulator)
            touched = np.asarray(played.by_tool) == 1
            rows.append(
                {
                    "policy": name,
                    "episodes": str(count),
                    "successes": str(played.success.sum()),
                    "where the hammer touched the nail": str((played.success & touched).sum()),
                    "touched without success": str((touched & ~played.success).sum()),
                }
            )
    return rows


def print_table(rows: list[dict]) -> None:
    """Prints rows of text in aligned columns."""
    widths = {k: max(len(k), *(len(row[k]) for row in rows)) for k in rows[0]}
    for row in ({k: k for k in widths}, *rows):
        print("  ".join(row[k].ljust(widths[k]) for k in widths).rstrip())


def recorded(settings: ExpertSettings, tasks: Sequence[str], seed: int, noise: float) -> dict[str, list[Recorded]]:
    """Task -> attempts of its expert."""
    found = {}
    with Progress(settings.show, len(tasks)) as progress:
        for i, task in enumerate(tasks):
            stray, processes = STRAY.get(settings.show, 0), settings.processes or None
            found[task] = attempts(task, settings.episodes, seed, noise, processes, stray)
            progress.update(i + 1)
    return found


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    settings = made(ExpertSettings, parse(flags(), argv))
    if settings.show == "hammer":
        if settings.tasks:
            raise UsageError("--tasks is of the other tables: --show=hammer is about that task alone")
        print_table(hammer_rows(settings.episodes, settings.seed, settings.processes or None))
        return
    noise = NOISE[settings.show]
    if settings.show == "realism":
        tasks = settings.tasks or LEVEL_TASKS["offline"]
        print("\n".join(realism_lines(recorded(settings, tasks, settings.seed, noise))), "\n")
        others = recorded(settings, settings.tasks or NAMES, settings.seed + 1, NOISE["agreement"])
        print_table([exceeded_row(task, episodes) for task, episodes in others.items()])
        return
    row = success_row if settings.show == "success" else agreement_row
    found = recorded(settings, settings.tasks or NAMES, settings.seed, noise)
    print_table([row(task, episodes) for task, episodes in found.items()])
