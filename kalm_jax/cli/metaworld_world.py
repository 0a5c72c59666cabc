r"""What Meta-world allows: the experts' ceilings, the labels' agreement with the simulator, the limits of realism.

    python -m experiments.metaworld_world --show=ceilings --episodes=100
    python -m experiments.metaworld_world --show=agreement --episodes=50
    python -m experiments.metaworld_world --show=realism --episodes=100

ceilings: success of the scripted experts within 100 steps, without noise, with 95% intervals: what nobody can be asked
to exceed by imitation. agreement: share of real transitions whose success label is the simulator's, and how far the
dense reward computed from states is from the package's (noise up to 0.3). realism: the extremes of real rollouts (noise
up to 0.5) that `imagination.quality_metaworld.LIMITS` holds.
"""

from __future__ import annotations

import numpy as np
from absl import app, flags

from kalm_jax.evaluation import wilson_interval
from kalm_jax.progress import Progress
from kalm_jax.worlds.metaworld import goals as metaworld_goals
from kalm_jax.worlds.metaworld.collect import attempts
from kalm_jax.worlds.metaworld.recording import Recorded
from kalm_jax.worlds.metaworld.rewards import dense_rewards
from kalm_jax.worlds.metaworld.tasks import NAMES, TASKS

FLAGS = flags.FLAGS
flags.DEFINE_enum("show", "ceilings", ["ceilings", "agreement", "realism"], "Which table.")
flags.DEFINE_integer("episodes", 100, "Attempts of each task's expert.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Root of all random numbers.", lower_bound=0)
flags.DEFINE_integer("processes", None, "Worker processes. Default: one for each core.", lower_bound=1)
flags.DEFINE_list("tasks", [], "Tasks to look at. Default: all 22.")
flags.register_validator("tasks", lambda v: set(v) <= set(NAMES), message=f"choose from {', '.join(NAMES)}")

NOISE = {"ceilings": 0.0, "agreement": 0.3, "realism": 0.5}


def ceiling_row(task: str, episodes: list[Recorded]) -> dict:
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
    same, dense, native = [], [], []
    for e in episodes:
        truth = np.zeros(len(e.actions), bool)
        truth[-1] = e.success  # an episode ends at its first success
        same.append(metaworld_goals.satisfied(family, goal, e.observations[1:]) == truth)
        dense.append(dense_rewards(family, e.observations[None], e.actions[None])[0])
        native.append(e.native)
    same, dense, native = (np.concatenate(x) for x in (same, dense, native))
    error = np.abs(dense - native)
    return {
        "task": task,
        "transitions": str(len(same)),
        "success agrees": f"{same.mean():.2%}",
        "reward: mean error": f"{error.mean():.3f}",
        "95%": f"{np.quantile(error, 0.95):.3f}",
        "correlation": f"{np.corrcoef(native, dense)[0, 1]:.4f}",
    }


def realism_lines(found: dict[str, list[Recorded]]) -> list[str]:
    """The limits measured on all tasks' attempts, as the source text of `LIMITS`."""
    from kalm_jax.worlds.metaworld.realism import measure_limits

    measured: dict = {}
    for task, episodes in found.items():
        length = np.array([len(e.actions) for e in episodes])
        seen = np.zeros((len(episodes), length.max() + 1, episodes[0].observations.shape[1]), np.float32)
        for i, e in enumerate(episodes):
            seen[i, : length[i] + 1] = e.observations
        for thing, limit in measure_limits(seen, length, np.full(len(length), NAMES.index(task))).items():
            measured.setdefault(thing, []).append(limit)
    lines = []
    for thing, parts in measured.items():
        low, high = np.min([x.low for x in parts], 0), np.max([x.high for x in parts], 0)
        numbers = [max(getattr(x, field) for x in parts) for field in ("move", "turn", "held")]
        boxes = ", ".join(f"({', '.join(f'{v:.3f}' for v in box)})" for box in (low, high))
        lines.append(f'    "{thing}": Limit({boxes}, {", ".join(f"{v:.4f}" for v in numbers)}),')
    return lines


def print_table(rows: list[dict]) -> None:
    """Prints rows of text in aligned columns."""
    widths = {k: max(len(k), *(len(row[k]) for row in rows)) for k in rows[0]}
    for row in ({k: k for k in widths}, *rows):
        print("  ".join(row[k].ljust(widths[k]) for k in widths).rstrip())


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    tasks = FLAGS.tasks or [task.name for task in TASKS]
    found = {}
    with Progress(FLAGS.show, len(tasks)) as progress:
        for i, task in enumerate(tasks):
            found[task] = attempts(task, FLAGS.episodes, FLAGS.seed, NOISE[FLAGS.show], FLAGS.processes)
            progress.update(i + 1)
    if FLAGS.show == "realism":
        print("\n".join(realism_lines(found)))
        return
    row = ceiling_row if FLAGS.show == "ceilings" else agreement_row
    print_table([row(task, episodes) for task, episodes in found.items()])


if __name__ == "__main__":
    app.run(main)
