"""Steps per second of the worlds, beside the bare simulator, which is the limit.

The bare simulator is MuJoCo's batch stepper on the same states for CLEVR-Robot. For Meta-world it is the package's
environments, one after the other in one process, as kalm_jax steps them in each of its worker processes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.throughput.measure import OURS, Benchmark
from kalm_jax.worlds.clevr import simulator as clevr

BATCHES = (1, 64, 512)
METAWORLD_TASK, EPISODES = "push", 16


def groups() -> Iterator[list[Benchmark]]:
    """For every size of batch of CLEVR-Robot: the simulator, MuJoCo alone, and the Gymnasium vector environment.

    For Meta-world: evaluation's steps of random actions, and collection's rollouts of the scripted expert.
    """
    for n in BATCHES:
        group = f"CLEVR-Robot, {n} tables"
        yield [
            Benchmark(group, OURS, _simulator(n), "pushes", n),
            Benchmark(group, "mujoco.rollout", _mujoco(n), "pushes", n),
            Benchmark(group, "kalm_jax vector env", _environment(n), "pushes", n),
        ]
    group = f"Meta-world, {METAWORLD_TASK}: {EPISODES} episodes"
    yield [
        Benchmark(group, OURS, _episodes, "steps", EPISODES),
        Benchmark(group, "metaworld alone", _package_steps, "steps", EPISODES),
    ]
    group = f"Meta-world, {METAWORLD_TASK}: the expert's rollouts"
    yield [
        Benchmark(group, OURS, _recording, "rollouts"),
        Benchmark(group, "metaworld alone", _package_rollouts, "rollouts"),
    ]


def _problem(n: int):
    """States (n, 69) and actions (n,), the same for all benchmarks."""
    rng = np.random.default_rng(0)
    return clevr.sample_states(rng, n), rng.integers(0, clevr.NUM_ACTIONS, n)


def _simulator(n: int):
    def prepare():
        simulator = clevr.ClevrSimulator()
        states, actions = _problem(n)

        def run(pushes):
            for _ in range(pushes // n):
                simulator.push(states, actions)

        return run

    return prepare


def _mujoco(n: int):
    """MuJoCo's C loop alone: start states and controls are made beforehand, and the results are not used."""

    def prepare():
        import mujoco
        from mujoco.rollout import Rollout

        with clevr.ClevrSimulator() as simulator:
            threads, model = simulator.threads, simulator.model
        states, actions = _problem(n)
        ball, direction = clevr.push_direction(actions)
        start = np.zeros((n, 1 + clevr.STATE_DIM))
        start[:, 1:] = states
        at = states[np.arange(n)[:, None], 7 * ball[:, None] + np.arange(2)]
        start[:, clevr.NUM_QPOS - 1 : clevr.NUM_QPOS + 1] = at - clevr.PUSH_START * direction
        start[:, -2:] = 0.0
        control = np.repeat(direction[:, None], clevr.SUBSTEPS, 1)
        out = np.empty((n, clevr.SUBSTEPS, start.shape[1]))
        data, pool = [mujoco.MjData(model) for _ in range(threads)], Rollout(nthread=threads if threads > 1 else 0)

        def run(pushes):
            for _ in range(pushes // n):
                pool.rollout(model, data, start, control, state=out)

        return run

    return prepare


def _environment(n: int):
    def prepare():
        from kalm_jax.worlds.clevr.gym_env import ClevrRobotVectorEnv

        envs = ClevrRobotVectorEnv(n)
        envs.reset(seed=0)
        _, actions = _problem(n)

        def run(pushes):
            for _ in range(pushes // n):
                envs.step(actions)

        return run

    return prepare


def _episodes():
    """The work of evaluation in one process, with episodes of one task that take turns in one scene."""
    from kalm_jax.worlds.metaworld.tasks import NAMES
    from kalm_jax.worlds.metaworld.vector_simulator import MetaworldSimulator

    simulator = MetaworldSimulator(processes=1)
    play = simulator.begin(np.full(EPISODES, NAMES.index(METAWORLD_TASK)), np.arange(EPISODES))
    actions, active = np.random.default_rng(0).uniform(-1, 1, (100, EPISODES, 4)), np.ones(EPISODES, bool)

    def run(steps):
        for t in range(steps // EPISODES):
            play.step(active, actions[t % 100])

    return run


def _package():
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS

    env = ALL_V3_ENVIRONMENTS[f"{METAWORLD_TASK}-v3"]()
    env._set_task_called, env._freeze_rand_vec, env.seeded_rand_vec = True, False, True
    env.max_path_length = np.iinfo(np.int64).max
    env.reset(seed=0)
    return env


def _package_steps():
    """One environment of the package and the same actions; nothing is done with what comes out."""
    env, actions = _package(), np.random.default_rng(0).uniform(-1, 1, (100, EPISODES, 4))

    def run(steps):
        for t in range(steps):
            env.step(actions[t // EPISODES % 100, t % EPISODES])

    return run


def _recording():
    from kalm_jax.worlds.metaworld.recording import record
    from kalm_jax.worlds.metaworld.simulator import TaskSimulator

    simulator, rng = TaskSimulator(METAWORLD_TASK), np.random.default_rng(0)

    def run(rollouts):
        for _ in range(rollouts):
            record(simulator, rng, 0.0, "episode")

    return run


def _package_rollouts():
    """The package's environment and its scripted policy, until success or for 100 steps."""
    from metaworld.policies import ENV_POLICY_MAP

    env, policy = _package(), ENV_POLICY_MAP[f"{METAWORLD_TASK}-v3"]()

    def run(rollouts):
        for _ in range(rollouts):
            seen, _ = env.reset()
            for _ in range(100):
                seen, _, _, _, info = env.step(np.clip(policy.get_action(seen), -1.0, 1.0))
                if info["success"]:
                    break

    return run
