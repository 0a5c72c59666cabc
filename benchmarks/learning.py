"""The job of experiments.learning: every learner on the same scripted data, beside BC and, where installed, d3rlpy.

For each environment a behavior policy records rollouts, on which `offline.run` trains the learners. The algorithms of
the same names in d3rlpy make the same number of updates, with the same batch size, discount, and scale of inputs and
rewards, and with the run's `settings` where they have them. They are evaluated after the same updates in the same
episodes. A killed run resumes; an algorithm of d3rlpy starts from the beginning.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from typing import Any

import numpy as np

from benchmarks.controllers import CONTROLLERS
from benchmarks.throughput.baselines.d3rlpy import CONFIGS
from kalm_jax.datasets import write_rollouts
from kalm_jax.distributed import is_main_process
from kalm_jax.evaluation.gymnasium_behaviors import collect_episodes
from kalm_jax.evaluation.returns import Act, Evaluator
from kalm_jax.evaluation.statistics import mean_interval
from kalm_jax.files import read_json, write_json, write_text
from kalm_jax.offline_rl import Learner, make_learner
from kalm_jax.pipeline.offline import (
    OfflineConfig,
    chosen_settings,
    configured_learner,
    evaluation_points,
    load_data,
    mean_of_last,
    return_bounds,
)
from kalm_jax.pipeline.offline import run as run_offline
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.progress import Progress
from kalm_jax.types import Rollouts

ENVIRONMENTS = ("Pendulum-v1", "Reacher-v5", "kalm/MetaworldReach-v0")
SMALL = (
    *(("", "hidden", (64, 64)), ("", "batch_size", 64)),
    *(("", name, 1e-3) for name in ("learning_rate", "policy_learning_rate", "temperature_learning_rate")),
    *(("", "conservative_weight", 1.0), ("combo", "dynamics_updates", 2000)),
    *(("decision_transformer", name, value) for name, value in (("width", 64), ("batch_size", 16), ("context", 10))),
    ("decision_transformer", "learning_rate", 3e-4),
)
"""Settings (as in `OfflineConfig`) with which every learner, d3rlpy's too, takes minutes on one core. With the rates of
its paper CQL is no better than random in Meta-world's reach after 5,000 updates."""
BASELINE = "d3rlpy"
BASELINE_NAMES = {
    "batch_size": ("batch_size",),
    "reward_scale": ("reward_scaler",),
    "hidden": ("encoder_factory", "actor_encoder_factory", "critic_encoder_factory", "value_encoder_factory"),
    "learning_rate": ("learning_rate", "critic_learning_rate", "actor_learning_rate"),
    "discount": ("gamma",),
    "tau": ("tau",),
    "policy_learning_rate": ("actor_learning_rate",),
    "temperature_learning_rate": ("temp_learning_rate",),
    "multiplier_learning_rate": ("alpha_learning_rate",),
    "conservative_weight": ("conservative_weight", "alpha"),  # the second of discrete CQL
    "action_samples": ("n_action_samples",),
    "soft_backup": ("soft_q_backup",),
    "target_period": ("target_update_interval",),
    "alpha": ("alpha",),
    "policy_noise": ("target_smoothing_sigma",),
    "noise_clip": ("target_smoothing_clip",),
    "policy_delay": ("update_actor_interval",),
    "expectile": ("expectile",),
    "beta": ("weight_temp",),
    "temperature": ("lam",),
    "max_weight": ("max_weight",),
    "logit_penalty": ("beta",),
}
"""Settings of kalm_jax, and what d3rlpy calls each where the algorithm has it."""


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """What a comparison depends on.

    Attributes:
      environments: Gymnasium ids with a controller, see `benchmarks.controllers`.
      behavior, data_episodes: the behavior policy and the number of rollouts that it records.
      offline: configuration of the training; its `environment` and `data` are not read.
    """

    environments: tuple[str, ...] = ENVIRONMENTS
    behavior: str = "mixed"
    data_episodes: int = 150
    offline: OfflineConfig = OfflineConfig("each", "each", algorithms=("bc",), seeds=5)


def small_settings(algorithms: tuple[str, ...], updates: int) -> tuple[tuple[str, str, object], ...]:
    """Those of `SMALL` that one of these learners has, and that so many updates have room for."""
    fields = {name: {field.name for field in dataclasses.fields(make_learner(name).config)} for name in algorithms}
    fitting = [s for s in SMALL if s[1] != "dynamics_updates" or s[2] < updates]
    return tuple(s for s in fitting if any(s[0] in ("", name) and s[1] in known for name, known in fields.items()))


def run(folder: str | os.PathLike, config: LearningConfig, command: str = "") -> str:
    """Trains and evaluates what is not done yet; writes `learning.md` and returns it.

    Raises:
      ValueError: an environment without a controller, or what `offline.run` raises.
    """
    unknown = sorted(set(config.environments) - set(CONTROLLERS))
    if unknown:
        raise ValueError(f"no controller collects in {', '.join(unknown)}: choose from {', '.join(CONTROLLERS)}")
    for name in config.offline.algorithms:  # wrong settings fail now, not after collecting
        configured_learner(config.offline, name)
    folder, lines = pathlib.Path(folder), []
    for environment in config.environments:
        name = environment.replace("/", "-")
        place = folder / name
        settings = {"behavior": config.behavior, "episodes": config.data_episodes, "seed": config.offline.seed}

        def collect(into: pathlib.Path, environment=environment):
            collected = collect_episodes(
                environment, config.behavior, config.data_episodes, config.offline.seed, CONTROLLERS[environment]
            )
            write_rollouts(into / "rollouts.h5", *collected)

        data = RunFolder(folder / "data").stage(name, settings, [], collect) / "rollouts.h5"
        mine = dataclasses.replace(config.offline, environment=environment, data=str(data))
        results = run_offline(place, mine, command)
        for row in results:
            row["values"] = last_returns(place, row["policy"])
        others = baselines(place, mine)
        lines += ["", f"## {environment}", "", *table_lines(results, others, played_bounds(place))]
    text = "\n".join([f"`{command}`", *lines]) + "\n"
    if is_main_process():
        write_text(folder / "learning.md", text)
        print(text)
    return text


def last_returns(place: pathlib.Path, policy: str) -> list[float]:
    """The mean return of each seed's last `LAST` evaluations; [] where `policy` is not a learner."""
    return mean_of_last(read_json(place / "learn" / policy / "rows.json") or [])


def played_bounds(place: pathlib.Path) -> tuple[float, float]:
    """The lowest and the highest return of any episode of a comparison, which no interval exceeds."""
    rows = [row for path in sorted(place.rglob("rows.json")) for row in read_json(path)]
    return return_bounds(rows, np.zeros(0))


def table_lines(
    results: list[dict], others: dict[str, list[float]], bounds: tuple[float, float] = (-np.inf, np.inf)
) -> list[str]:
    """The table of an environment in Markdown.

    Args:
      results: rows of `offline.summarize` with `values`, a return for each seed.
      others: returns of d3rlpy's algorithms, a return for each seed, by the learner's name.
      bounds: what a return can be.
    """
    widest = bounds[1] - bounds[0]
    clone = next((row["values"] for row in results if row["policy"] == "bc"), [])
    lines = [
        f"| policy | return | 95% over seeds | minus BC | {BASELINE} | 95% over seeds | within {BASELINE}'s |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results:
        name, values = row["policy"], row["values"]
        beside, baseline, inside = "", ("", ""), ""
        if values and clone and name != "bc":
            less = np.array(values) - np.array(clone)  # the same episodes for each seed
            mean, low, high = mean_interval(less, -widest, widest)
            beside = f"{mean:+.4g} [{low:.4g}, {high:.4g}]" if np.isfinite(low) else f"{mean:+.4g}"
        if name in others:
            mean, low, high = mean_interval(others[name], *bounds)
            baseline = (f"{mean:.4g}", _interval(low, high))
            inside = "yes" if low <= row["return"] <= high else ("above" if row["return"] > high else "no")
            inside = inside if np.isfinite(low) else ""
        interval = _interval(row["return_low"], row["return_high"])
        lines.append(
            f"| {name} | {row['return']:.4g} | {interval} | {beside} | {baseline[0]} | {baseline[1]} | {inside} |"
        )
    return lines


def _interval(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}" if np.isfinite(low) else "-"


def baselines(place: pathlib.Path, config: OfflineConfig) -> dict[str, list[float]]:
    """Returns of d3rlpy's algorithms of the same names, one for each seed; {} where d3rlpy is not installed."""
    try:
        import d3rlpy
    except ImportError as error:
        print(f"no rows of {BASELINE}: not installed ({error})")
        return {}
    rollouts, _, spaces = load_data(config)
    seeds, run = list(range(config.seed, config.seed + config.seeds)), RunFolder(place)
    found = {}
    with Evaluator(config.environment, spaces, seeds, config.episodes, config.max_steps) as evaluator:
        for name in config.algorithms:
            if (name, bool(spaces.num_actions)) not in CONFIGS:
                continue
            learner = configured_learner(config, name)
            points, changed = evaluation_points(config, learner), set(chosen_settings(config, name))
            make = getattr(d3rlpy.algos, CONFIGS[name, bool(spaces.num_actions)])
            settings, missing = baseline_settings(learner, changed, {field.name for field in dataclasses.fields(make)})
            if missing:
                print(f"{BASELINE} {name}: has no {', '.join(missing)} and keeps its own")

            def work(into: pathlib.Path, name=name, make=make, points=points, settings=settings):
                algorithms = [_baseline(make, rollouts, bool(spaces.num_actions), settings, seed) for seed in seeds]
                rows, before = [], 0
                with Progress(f"{BASELINE} {name}", points[-1] * len(seeds)) as progress:
                    for point in points:
                        for i, (algorithm, data) in enumerate(algorithms):
                            for _ in range(point - before):
                                algorithm.update(data.sample_transition_batch(algorithm.batch_size))
                            progress.update(before * len(seeds) + (i + 1) * (point - before))
                        before = point
                        rows += [{"update": point, **row} for row in evaluator.play(_baseline_policy(algorithms))]
                write_json(into / "rows.json", rows)

            about = {"settings": settings, "points": points, "seeds": seeds, "episodes": config.episodes}
            found[name] = mean_of_last(read_json(run.stage(f"{BASELINE}/{name}", about, [], work) / "rows.json"))
    return found


def baseline_settings(learner: Learner, changed: set[str], known: set[str]) -> tuple[dict, list[str]]:
    """Settings of d3rlpy's algorithm that follow a learner's configuration, and those that it has no name for.

    The other settings are d3rlpy's defaults, which are the papers'.

    Args:
      learner: the learner of kalm_jax.
      changed: fields of its configuration that the run sets.
      known: fields of the configuration of d3rlpy's algorithm.
    """
    fields = {field.name for field in dataclasses.fields(learner.config)}
    settings, missing = {}, []
    for field in sorted({"batch_size", "discount", "reward_scale"} & fields | changed):
        value = getattr(learner.config, field)
        names = [name for name in BASELINE_NAMES.get(field, ()) if name in known]
        if field == "learning_rate" and "policy_learning_rate" in fields:  # then it is the critics' alone
            names = [name for name in names if name != "actor_learning_rate"]
        settings |= dict.fromkeys(names, list(value) if isinstance(value, tuple) else value)
        missing += [] if names else [field]
    return settings, missing


def _baseline(make: Any, rollouts: Rollouts, discrete: bool, settings: dict, seed: int) -> tuple[Any, Any]:
    """(algorithm, data) of d3rlpy before its first update; `make` is the class of its configuration."""
    import d3rlpy
    import torch

    torch.set_num_threads(1)
    d3rlpy.seed(seed)
    wrapped = dict.fromkeys(BASELINE_NAMES["reward_scale"], d3rlpy.preprocessing.MultiplyRewardScaler)
    wrapped |= dict.fromkeys(BASELINE_NAMES["hidden"], d3rlpy.models.VectorEncoderFactory)
    settings = {key: wrapped[key](value) if key in wrapped else value for key, value in settings.items()}
    standard = d3rlpy.preprocessing.StandardObservationScaler()
    valid, time = rollouts.valid(), np.arange(rollouts.horizon)
    last = time == np.asarray(rollouts.length)[:, None] - 1
    ends = last & np.asarray(rollouts.terminated)[:, None]
    actions = rollouts.actions[valid]
    data = d3rlpy.dataset.MDPDataset(
        rollouts.observations[:, :-1][valid],
        actions[:, None] if discrete else actions,
        rollouts.rewards[valid],
        ends[valid].astype(np.float32),
        (last & ~ends)[valid].astype(np.float32),
    )
    algorithm = make(observation_scaler=standard, **settings).create(device="cpu:0")
    algorithm.build_with_dataset(data)
    standard.fit_with_transition_picker(data.episodes, data.transition_picker)
    return algorithm, data


def _baseline_policy(algorithms: list) -> Act:
    """The policy that `Evaluator.play` takes, of an algorithm for each seed."""

    def act(observations: np.ndarray, step: int, _: np.ndarray | None) -> np.ndarray:
        return np.stack([a.predict(x.astype(np.float32)) for (a, _), x in zip(algorithms, observations, strict=True)])

    return act
