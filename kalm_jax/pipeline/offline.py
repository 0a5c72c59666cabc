"""Offline RL on any Gymnasium environment from a file of rollouts: `kalm offline`.

Stages as in the main job (`run_folder.py`): `random`, the random baseline, and `learn/ALGO`, training with an
evaluation in the simulator after each `updates / evaluation_count` updates. The same command continues a killed run.

Dimension letters: S training seeds, B copies of the environment for each, E goal vector.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import io
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import jax
import numpy as np

from kalm_jax import dashboard
from kalm_jax.datasets import read_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation.gymnasium import Spaces, spaces_of, step_limit
from kalm_jax.evaluation.gymnasium_behaviors import random_actions
from kalm_jax.evaluation.returns import Evaluator, greedy_policy
from kalm_jax.evaluation.statistics import FEWEST_VALUES, mean_interval
from kalm_jax.files import naming_damage, read_json, read_npy, write_bytes, write_csv, write_json, write_npy, write_text
from kalm_jax.offline_rl import (
    Buffer,
    DatasetStats,
    Learner,
    StreamBuffer,
    drop_checkpoints,
    load_policies,
    make_buffer,
    make_learner,
    save_policies,
    saved_policies,
    state_of,
    write_stream,
)
from kalm_jax.offline_rl.registry import State, plain_config
from kalm_jax.offline_rl.trainer import learner_for, train
from kalm_jax.pipeline.artifacts import file_mark
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.pipeline.run_folder import RunFolder, make_manifest, write_manifest
from kalm_jax.pipeline.run_records import RESULTS
from kalm_jax.progress import Progress
from kalm_jax.report.figures import return_figure
from kalm_jax.report.measures import noise
from kalm_jax.types import GoalTable, Rollouts, validate

POLICIES, GOAL = "policies", "goal.npy"
"""Files of an algorithm's trained policies, and of the goal vector that they were trained on."""
PLAYED = ("environment", "seeds", "seed", "episodes", "max_steps")
"""Settings that all evaluations depend on."""
FEWEST_WHOLE = 0.95
"""Share of the data's episodes that must not have been cut off early, so that returns can be compared with theirs."""
LAST = 5
"""Evaluations whose mean is an algorithm's result, as in KALM's paper: the last alone varies much."""


def run(folder: str | os.PathLike[str], config: OfflineConfig, command: str = "") -> list[dict[str, Any]]:
    """Trains and evaluates what is not done yet; writes `results.csv`, `table.md`, `figures/`; returns the table.

    Raises:
      ValueError: unknown learner or setting, data that do not fit the environment, a file that cannot be read.
      FloatingPointError: a loss is not finite.
    """
    learners = [configured_learner(config, name) for name in config.algorithms]
    recurrent = [learner.name for learner in learners if learner.is_recurrent]
    if config.stream and recurrent:
        raise ValueError(f"{', '.join(recurrent)} reads windows of rollouts, which no stream holds: leave --stream out")
    if config.stream and jax.process_count() > 1:
        raise ValueError("transitions in files are for one process; leave --stream or the other processes out")
    rollouts, goals, spaces = load_data(config)
    for learner in learners:
        learner.check(bool(spaces.num_actions))
    run = RunFolder(pathlib.Path(folder), config, command)
    seeds = range(config.seed, config.seed + config.seeds)
    with Evaluator(config.environment, spaces, seeds, config.episodes, config.max_steps) as evaluator:
        rows = _random_baseline(run, config, evaluator)
        for learner in learners:
            rows += _learn(run, config, learner, evaluator, rollouts, goals)
    return _report(run, config, command, rows, rollouts) if is_main_process() else []


def configured_learner(config: OfflineConfig, name: str) -> Learner:
    """The learner called `name` with the run's settings.

    Raises:
      ValueError: unknown name, or a setting that no learner of the run has.
    """
    known = {a: [field.name for field in dataclasses.fields(make_learner(a).config)] for a in config.algorithms}
    for algorithm, field, value in config.settings:
        if algorithm and algorithm not in known:
            raise ValueError(f"--set={algorithm}.{field}={value}: this run trains {', '.join(known)}")
        if not any(field in fields for a, fields in known.items() if algorithm in ("", a)):
            fields = known[algorithm] if algorithm else sorted({f for fields in known.values() for f in fields})
            raise ValueError(f"--set={field}={value}: no learner has this setting; there are {', '.join(fields)}")
    try:
        return learner_for(name, config.updates, **chosen_settings(config, name))
    except ValueError as error:
        raise ValueError(f"--set: {error}") from error


def chosen_settings(config: OfflineConfig, name: str) -> dict[str, object]:
    """Which of the run's settings are of the learner called `name`."""
    known = [field.name for field in dataclasses.fields(make_learner(name).config)]
    return {f: v for a, f, v in config.settings if a == name or (not a and f in known)}


def load_data(config: OfflineConfig) -> tuple[Rollouts, GoalTable, Spaces]:
    """The rollouts as `fit_to_environment` returns them, their goal, and the environment's spaces."""
    spaces = spaces_of(config.environment)
    rollouts, goals = read_rollouts(config.data)
    return fit_to_environment(rollouts, goals, spaces, config.environment, config.data), goals, spaces


def fit_to_environment(
    rollouts: Rollouts, goals: GoalTable, spaces: Spaces, environment: str, name: object
) -> Rollouts:
    """The rollouts with continuous actions scaled to [-1, 1]; errors call the data `name`.

    Raises:
      ValueError: sizes, kinds or ranges of observations or actions are not the environment's, or several goals.
    """
    dim, discrete = rollouts.observations.shape[2], rollouts.actions.ndim == 2
    if dim != spaces.observation_dim:
        raise ValueError(
            f"{name}: observations have {dim} numbers, those of {environment} have {spaces.observation_dim}"
        )
    if discrete != bool(spaces.num_actions) or (not discrete and rollouts.actions.shape[2:] != spaces.low.shape):
        kinds = {True: "discrete actions", False: f"continuous actions {rollouts.actions.shape[2:]}"}
        wanted = f"{spaces.num_actions} discrete ones" if spaces.num_actions else f"continuous ones {spaces.low.shape}"
        raise ValueError(f"{name}: has {kinds[discrete]}, {environment} takes {wanted}")
    if len(goals) > 1:
        raise ValueError(
            f"{name}: its rollouts are for {len(goals)} goals, and a Gymnasium environment does not say which goal it "
            "wants; put goals into the observations, or train on CLEVR-Robot with kalm clevr --offline_data"
        )
    bounds = None if spaces.num_actions else (spaces.low, spaces.high)
    rollouts = validate(rollouts, len(goals), spaces.num_actions or None, name, bounds)
    if discrete:
        return rollouts
    actions = spaces.to_unit(rollouts.actions) * rollouts.valid()[..., None]
    return dataclasses.replace(rollouts, actions=actions.astype(np.float32))


def _random_baseline(run: RunFolder, config: OfflineConfig, evaluator: Evaluator) -> list[dict[str, Any]]:
    """The random policy's rows."""
    spaces, episodes = evaluator.spaces, config.episodes * config.seeds

    def act(observations: np.ndarray, step: int, _: np.ndarray | None) -> np.ndarray:
        actions = random_actions(np.random.default_rng([config.seed, step]), spaces, observations[..., 0].size)
        actions = actions if spaces.num_actions else spaces.to_unit(actions)
        return actions.reshape(config.seeds, -1, *actions.shape[1:])

    def work(folder: pathlib.Path) -> None:
        with Progress("random", episodes, unit="episode") as progress:
            rows = evaluator.play(act, lambda done: progress.update(min(done, episodes)))
        write_json(folder / "rows.json", [{"algorithm": "random", "update": 0, **row} for row in rows])

    settings = {name: getattr(config, name) for name in PLAYED}
    stage = run.stage("random", settings, [], work, modules=environment_modules(config.environment))
    return read_json(stage / "rows.json", list)


def environment_modules(environment: str) -> list[str]:
    """Import paths of the code of an environment that is not Gymnasium's own."""
    module, _, name = environment.rpartition(":")
    entry = gymnasium.spec(name).entry_point
    place = entry.partition(":")[0] if isinstance(entry, str) else getattr(entry, "__module__", "")
    return [path for path in (module, place) if path and path.partition(".")[0] != "gymnasium"]


def _learn(
    run: RunFolder,
    config: OfflineConfig,
    learner: Learner,
    evaluator: Evaluator,
    rollouts: Rollouts,
    goals: GoalTable,
) -> list[dict[str, Any]]:
    """Trains one learner with evaluations on the way, keeps its policies, and returns its rows."""
    points, seeds = evaluation_points(config, learner), evaluator.seeds

    def work(folder: pathlib.Path) -> None:
        rows = read_json(folder / "rows.json", list) or []
        with naming_damage(folder / "rows.json"):
            evaluated = {row["update"] for row in rows}
        num_actions = evaluator.spaces.num_actions or None
        buffer: Buffer | StreamBuffer
        if config.stream:
            buffer = write_stream(folder / "stream", [([rollouts], 1.0)], goals, num_actions, config.draw)
        else:
            buffer = make_buffer([(rollouts, 1.0)], goals, num_actions, config.draw)
        stats, first = learner.stats(buffer), max(evaluated, default=0) * len(seeds)
        with Progress(f"learn {learner.name}", config.updates * len(seeds), unit="update", initial=first) as progress:
            for point in points:
                if point in evaluated:
                    continue
                drop_checkpoints(folder / "checkpoints", point)
                states, curve = train(
                    learner,
                    buffer,
                    seeds,
                    point,
                    stats=stats,
                    updates_per_call=min(500, max(1, config.updates // config.evaluation_count)),
                    checkpoint_dir=folder / "checkpoints",
                    checkpoint_every=config.updates,
                    progress=progress.update,
                    watch=functools.partial(dashboard.add_curve, f"learn/{learner.name}"),
                )
                if is_main_process():
                    save_policies(folder / POLICIES, point, states, stats, keep=1)
                    write_npy(folder / GOAL, goals.vector)
                found = evaluator.play(greedy_policy(learner, states, stats, goals))
                rows += [{"algorithm": learner.name, "update": point, **row} for row in found]
                returns = {f"return/seed_{row['seed']}": row["return_mean"] for row in found}
                dashboard.add(f"returns/{learner.name}", point, returns)
                # The rows come last: a run killed before them only repeats the evaluation.
                if is_main_process():
                    write_json(folder / "curve.json", curve)
                    write_json(folder / "rows.json", rows)

    settings = {name: getattr(config, name) for name in (*PLAYED, "draw", "stream")} | {
        "learner": plain_config(learner.config),
        "points": points,
        "data": file_mark(config.data),
    }
    modules = [learner.name, *environment_modules(config.environment)]
    folder = run.stage(f"learn/{learner.name}", settings, [], work, together=True, modules=modules)
    return read_json(folder / "rows.json", list)


def load_policy(
    folder: str | os.PathLike[str], config: OfflineConfig, algorithm: str, index: int
) -> tuple[Learner, State, DatasetStats, np.ndarray]:
    """A learner, its state of training seed number `index`, its data's statistics, and the goal's vector (1, E)."""
    place = pathlib.Path(folder) / "learn" / algorithm
    learner, vector = configured_learner(config, algorithm), read_npy(place / GOAL)
    states, stats = load_policies(place / POLICIES, learner, saved_policies(place / POLICIES)[-1])
    return learner, state_of(states, index), stats, vector


def evaluation_points(config: OfflineConfig, learner: Learner) -> list[int]:
    """Updates after which policies are evaluated: evenly spaced, the last at the end.

    A learner that trains something else first (`dynamics_updates` of a model-based one) has its points after that.
    """
    first = min(getattr(learner.config, "dynamics_updates", 0), config.updates - 1)
    count = min(config.evaluation_count, config.updates - first)
    return [first + round((config.updates - first) * (i + 1) / count) for i in range(count)]


def mean_of_last(rows: Sequence[Mapping[str, Any]], column: str = "return_mean") -> list[float]:
    """The mean of a column over each seed's last `LAST` evaluations; seeds without a value are left out."""
    points = sorted({row["update"] for row in rows})[-LAST:]
    by_seed = collections.defaultdict(list)
    for row in rows:
        if row["update"] in points and row[column] != "":
            by_seed[row["seed"]].append(row[column])
    return [float(np.mean(by_seed[seed])) for seed in sorted(by_seed)]


def return_bounds(rows: Sequence[Mapping[str, Any]], data_returns: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest return of any episode that was played or is in the data."""
    known = [row[name] for row in rows for name in ("return_min", "return_max")] + data_returns.tolist()
    return float(min(known)), float(max(known))


def data_returns(rollouts: Rollouts, limit: int) -> tuple[np.ndarray, str]:
    """Returns of the data's episodes as evaluations of `limit` steps count them, and why not to compare with them.

    Longer episodes count up to the limit. Those that were cut off before it, and did not end, are left out where they
    are few; where they are many the returns are of the data as they are, and a text says so, which is "" otherwise.
    """
    length, ended = np.asarray(rollouts.length), np.asarray(rollouts.terminated)
    whole = ended | (length >= limit)
    returns = rollouts.returns(limit)
    if np.mean(whole) >= FEWEST_WHOLE:
        return returns[whole], ""
    cut = length[~whole]
    return returns, (
        f"{len(cut)} of the data's {len(whole)} episodes were cut off after {cut.min()} to {cut.max()} steps, and "
        f"evaluation episodes last up to {limit}. Their returns cannot be compared, so nothing is normalized by them"
        f"{f'; --max_steps={cut.max()} plays as many steps' if cut.min() == cut.max() else ''}."
    )


def summarize(rows: list[dict[str, Any]], data_returns: np.ndarray, comparable: bool = True) -> list[dict[str, Any]]:
    """The table: a row for the random policy, one for the data, one per algorithm.

    `return` is the mean over seeds of `mean_of_last` with its 95% interval over seeds, `return_low` to `return_high`
    (of the data: over its episodes), within the returns of single episodes; see `evaluation.mean_interval`.
    `normalized` is 0 for the random policy and 100 for the data's mean, "" where the two are not `comparable` or equal.
    """
    bounds = return_bounds(rows, data_returns)

    def interval(values: Any) -> dict[str, float]:
        return dict(zip(("return", "return_low", "return_high"), mean_interval(values, *bounds), strict=True))

    table: list[dict[str, Any]] = []
    for name in dict.fromkeys(row["algorithm"] for row in rows):
        mine = [row for row in rows if row["algorithm"] == name]
        success = mean_of_last(mine, "success")
        table.append(
            {
                "policy": name,
                "seeds": len({row["seed"] for row in mine}),
                "evaluations": min(LAST, len({row["update"] for row in mine})),
                **interval(mean_of_last(mine)),
                "length": float(np.mean(mean_of_last(mine, "length_mean"))),
                "success": float(np.mean(success)) if success else "",
            }
        )
    data = {"policy": "data", "seeds": "", "evaluations": "", **interval(data_returns), "length": "", "success": ""}
    table.insert(1, data)
    random, mean = (row["return"] for row in table[:2])
    known = comparable and abs(mean - random) > 1e-6 * max(1, abs(mean))
    for row in table:
        row["normalized"] = 100 * (row["return"] - random) / (mean - random) if known else ""
    return table


def remarks(config: OfflineConfig) -> str:
    """What to know about the table's numbers where a run is small: paragraphs, "" where it is not."""
    evaluations = min(LAST, config.evaluation_count)
    lines = [noise(returns=config.seeds * config.episodes * evaluations, updates=config.updates)]
    if config.seeds < FEWEST_VALUES:
        lines.append(f"An interval over training seeds needs {FEWEST_VALUES} of them: --seeds={FEWEST_VALUES}.")
    return "\n\n".join(filter(None, lines))


def table_text(table: list[dict[str, Any]]) -> str:
    """The table in Markdown."""
    lines = ["| policy | return | 95% interval over seeds | random 0, data 100 | success |", "|---|---|---|---|---|"]
    for row in table:
        interval = f"{row['return_low']:.4g} to {row['return_high']:.4g}" if np.isfinite(row["return_low"]) else "-"
        normalized = f"{row['normalized']:.0f}" if row["normalized"] != "" else "-"
        success = f"{100 * row['success']:.0f}%" if row["success"] != "" else "-"
        lines.append(f"| {row['policy']} | {row['return']:.4g} | {interval} | {normalized} | {success} |")
    return "\n".join(lines)


def _report(
    run: RunFolder, config: OfflineConfig, command: str, rows: list[dict[str, Any]], rollouts: Rollouts
) -> list[dict[str, Any]]:
    """Writes `results.csv`, `table.md`, the figure and `manifest.json`; prints and returns the table."""
    returns, why_not = data_returns(rollouts, step_limit(config.environment, config.max_steps))
    table = summarize(rows, returns, comparable=not why_not)
    columns = ["environment", *rows[0]]
    write_csv(run.path / RESULTS, columns, ({"environment": config.environment, **row} for row in rows))
    (run.path / "figures").mkdir(exist_ok=True)
    figure = return_figure(rows, table[0]["return"], None if why_not else table[1]["return"], config.environment)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150)
    write_bytes(run.path / "figures" / "returns.png", buffer.getvalue())
    text = "\n\n".join(filter(None, [table_text(table), why_not, remarks(config)]))
    write_text(run.path / "table.md", text + "\n")
    write_manifest(run.path, make_manifest(config, command) | {"table": table})
    print(text)
    return table
