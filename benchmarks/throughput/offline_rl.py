"""Updates per second of every registered learner at KALM's shapes, beside d3rlpy and the usual loop of JAX libraries.

An update is one step of the critics; the policy moves at the learner's own pace. Peers get the goal vector as part of
every observation, as their users must store it; ours gathers it by index. Everybody samples from the same 20,000
transitions with networks of two layers of 256.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from benchmarks.throughput.measure import OURS, Contestant, MissingError, Program
from benchmarks.throughput.roofline import cost_of
from kalm_jax.offline_rl import LEARNERS, make_buffer, make_learner
from kalm_jax.types import GoalTable, Rollouts, make_goal_table

EPISODES, STEPS, GOALS = 400, 50, 200
UPDATES_PER_CALL = 500
SEEDS = {"cpu": (1,), "gpu": (1, 8, 64), "tpu": (1, 8, 64)}


@dataclasses.dataclass(frozen=True)
class Shape:
    """Sizes of a problem: observation D, goal vector E, actions A (discrete or not)."""

    name: str
    observation: int
    goal: int
    actions: int
    discrete: bool

    def __str__(self) -> str:
        kind = "discrete actions" if self.discrete else "continuous"
        return f"{self.name}: {self.observation}+{self.goal}, {self.actions} {kind}"


SHAPES = (
    Shape("CLEVR-Robot", 10, 768, 40, True),
    Shape("Meta-World", 91, 768, 4, False),
    Shape("HalfCheetah", 17, 0, 6, False),
)
SETTINGS = {
    "bc": {"batch_size": 100},
    "td3bc": {"batch_size": 256},
    "awac": {"batch_size": 1024},
    "iql": {"batch_size": 256},
    "combo": {"batch_size": 256, "dynamics_updates": 0},
}
"""The authors' batch sizes (offline_rl.md, section 0)."""
CQL = {True: {"batch_size": 32, "target_period": 8000}, False: {"batch_size": 256}}
"""The same for CQL with discrete actions, whose target is copied as d3rlpy and KALM copy it, and continuous ones."""


def settings_of(name: str, discrete: bool) -> dict:
    """What the learner called `name` is measured with: changes of its own configuration."""
    wanted = CQL[discrete] if name == "cql" else SETTINGS.get(name, {})
    known = {field.name for field in dataclasses.fields(LEARNERS[name][1])}
    return {k: v for k, v in wanted.items() if k in known}


def problem(shape: Shape, seed: int = 0) -> tuple[Rollouts, GoalTable]:
    """Random rollouts of a shape; speed does not depend on what they show."""
    rng = np.random.default_rng(seed)
    k = GOALS if shape.goal else 1
    actions = rng.integers(0, shape.actions, (EPISODES, STEPS)).astype(np.int32)
    if not shape.discrete:
        actions = rng.uniform(-1, 1, (EPISODES, STEPS, shape.actions)).astype(np.float32)
    rollouts = Rollouts(
        observations=rng.normal(size=(EPISODES, STEPS + 1, shape.observation)).astype(np.float32),
        actions=actions,
        rewards=rng.normal(size=(EPISODES, STEPS)).astype(np.float32),
        length=np.full(EPISODES, STEPS, np.int32),
        terminated=rng.random(EPISODES) < 0.5,
        goal=rng.integers(0, k, EPISODES).astype(np.int32),
        imagined=np.zeros(EPISODES, bool),
    )
    vector = np.tanh(rng.normal(size=(k, shape.goal))).astype(np.float32)
    return rollouts, make_goal_table([f"goal {i}" for i in range(k)], 0, 0, np.arange(k)[:, None], vector)


def groups() -> Iterator[list[Contestant]]:
    """For every shape and learner: ours, for several seeds on an accelerator, then the peers."""
    import jax

    from benchmarks.throughput import peer_d3rlpy, peer_unrolled

    for shape in SHAPES:
        for name in sorted(LEARNERS):
            settings = settings_of(name, shape.discrete)
            batch = make_learner(name, **settings).config.batch_size
            for seeds in SEEDS.get(jax.default_backend(), (1,)):
                group = f"{name}, {shape}, batch {batch}" + (f", {seeds} seeds" if seeds > 1 else "")
                mine = [Contestant(group, OURS, ours(name, shape, settings, seeds), step=seeds)]
                if seeds == 1:
                    mine.append(Contestant(group, "d3rlpy", peer_d3rlpy.prepare(name, shape, batch)))
                    unrolled = peer_unrolled.prepare(name, shape, batch)
                    mine.append(Contestant(group, "JAX, unrolled", unrolled, step=peer_unrolled.UNROLLED))
                yield mine


def ours(name: str, shape: Shape, settings: dict, seeds: int):
    """How we train `seeds` seeds of a learner: what `Contestant.prepare` wants; an update of one seed is one unit."""

    def prepare():
        import jax

        from kalm_jax.offline_rl.trainer import init_states, update_many

        learner = make_learner(name, **settings)
        rollouts, goals = problem(shape)
        buffer = make_buffer([(rollouts, 1.0)], goals, shape.actions if shape.discrete else None)
        try:
            state = init_states(learner, buffer, list(range(seeds)))
        except ValueError as error:
            raise MissingError(str(error)) from error
        kept = [state]

        def run(n):
            left = n // seeds
            while left:
                count = min(left, UPDATES_PER_CALL)
                kept[0], _ = update_many(kept[0], buffer, np.int32(count), learner=learner, batched=seeds > 1)
                left -= count
            jax.block_until_ready(kept[0])

        def cost():
            program = update_many.lower(kept[0], buffer, np.int32(1), learner=learner, batched=seeds > 1).compile()
            # The loop over updates counts once, and so does that over seeds where they are not advanced together.
            return cost_of(program) * (1 / seeds if seeds > 1 else 1)

        return Program(run, cost)

    return prepare


def flat_transitions(shape: Shape) -> dict[str, np.ndarray]:
    """The same problem as peers store it: observations (M, D + E), next_observations, actions, rewards, terminals, and
    `timeouts`."""
    rollouts, goals = problem(shape)
    step = rollouts.valid()
    vectors = np.repeat(goals.vector[rollouts.goal][:, None], STEPS + 1, 1)
    observations = np.concatenate([rollouts.observations, vectors], -1)
    last = np.arange(STEPS) == STEPS - 1
    terminals = last & rollouts.terminated[:, None]
    return {
        "observations": observations[:, :-1][step],
        "next_observations": observations[:, 1:][step],
        "actions": rollouts.actions[step],
        "rewards": rollouts.rewards[step],
        "terminals": terminals[step].astype(np.float32),
        "timeouts": (last & ~terminals)[step].astype(np.float32),
    }
