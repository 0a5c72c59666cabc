"""Updates per second of every registered learner at KALM's shapes, beside d3rlpy and the usual loop of JAX libraries.

An update is one step of the critics; the policy is updated as often as the learner does it. Baselines get the goal
vector as part of every observation, as their users must store it; kalm_jax gathers it by index. All sample from the
same 20,000 transitions with networks of two layers of 256.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from benchmarks.throughput.baselines import d3rlpy as d3rlpy_baseline
from benchmarks.throughput.baselines import jax_unrolled
from benchmarks.throughput.measure import OURS, Benchmark, MissingError, Program
from benchmarks.throughput.problems import SHAPES, Shape, problem
from benchmarks.throughput.roofline import cost_of
from kalm_jax.offline_rl import LEARNERS, make_buffer, make_learner

UPDATES_PER_CALL = 500
SEEDS = {"cpu": (1,), "gpu": (1, 8, 64), "tpu": (1, 8, 64)}


SETTINGS = {
    "bc": {"batch_size": 100},
    "td3bc": {"batch_size": 256},
    "awac": {"batch_size": 1024},
    "iql": {"batch_size": 256},
    "combo": {"batch_size": 256, "dynamics_updates": 0},
}
"""The batch sizes of the algorithms' authors."""
CQL = {True: {"batch_size": 32, "target_period": 8000}, False: {"batch_size": 256}}
"""The same for CQL with discrete actions, whose target is copied as in d3rlpy and KALM, and with continuous ones."""


def settings_of(name: str, discrete: bool) -> dict:
    """Changes of the configuration with which the learner called `name` is measured."""
    wanted = CQL[discrete] if name == "cql" else SETTINGS.get(name, {})
    known = {field.name for field in dataclasses.fields(LEARNERS[name][1])}
    return {k: v for k, v in wanted.items() if k in known}


def groups() -> Iterator[list[Benchmark]]:
    """For every shape and learner: kalm_jax, on an accelerator with several seeds, then the baselines."""
    import jax

    for shape in SHAPES:
        for name in sorted(LEARNERS):
            settings = settings_of(name, shape.discrete)
            batch = make_learner(name, **settings).config.batch_size
            for seeds in SEEDS.get(jax.default_backend(), (1,)):
                group = f"{name}, {shape}, batch {batch}" + (f", {seeds} seeds" if seeds > 1 else "")
                mine = [Benchmark(group, OURS, ours(name, shape, settings, seeds), step=seeds)]
                if seeds == 1:
                    mine.append(Benchmark(group, "d3rlpy", d3rlpy_baseline.prepare(name, shape, batch)))
                    unrolled = jax_unrolled.prepare(name, shape, batch)
                    mine.append(Benchmark(group, "JAX, unrolled", unrolled, step=jax_unrolled.UNROLLED))
                yield mine


def ours(name: str, shape: Shape, settings: dict, seeds: int):
    """Training of `seeds` seeds of a learner, as `Benchmark.prepare`; an update of one seed is one unit."""

    def prepare():
        import jax

        from kalm_jax.offline_rl.trainer import init_states, update_many

        learner = make_learner(name, **settings)
        rollouts, goals = problem(shape)
        buffer = make_buffer([(rollouts, 1.0)], goals, shape.actions if shape.discrete else None)
        try:
            stats = learner.stats(buffer)
            state = init_states(learner, stats, list(range(seeds)))
        except ValueError as error:
            raise MissingError(str(error)) from error
        kept = [state]

        def run(n):
            left = n // seeds
            while left:
                count = min(left, UPDATES_PER_CALL)
                kept[0], _ = update_many(kept[0], stats, buffer, np.int32(count), learner=learner, batched=seeds > 1)
                left -= count
            jax.block_until_ready(kept[0])

        def cost():
            program = update_many.lower(
                kept[0], stats, buffer, np.int32(1), learner=learner, batched=seeds > 1
            ).compile()
            # The loop over updates counts once, and so does that over seeds where they are not advanced together.
            return cost_of(program) * (1 / seeds if seeds > 1 else 1)

        return Program(run, cost)

    return prepare
