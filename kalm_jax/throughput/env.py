"""Pushes per second in CLEVR-Robot: ours against the limit, which is MuJoCo's own batch stepper on the same states."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kalm_jax.envs import clevr
from kalm_jax.throughput.measure import OURS, Contestant

BATCHES = (1, 64, 512)


def groups() -> Iterator[list[Contestant]]:
    """For every size of batch: the simulator, MuJoCo alone, and the Gymnasium vector environment."""
    for n in BATCHES:
        group = f"CLEVR-Robot, {n} tables"
        yield [
            Contestant(group, OURS, _simulator(n), "pushes", n),
            Contestant(group, "mujoco.rollout", _mujoco(n), "pushes", n),
            Contestant(group, "kalm_jax vector env", _environment(n), "pushes", n),
        ]


def _problem(n: int):
    """States (n, 69) and actions (n,), the same for all contestants."""
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
    """MuJoCo's C loop alone: start states and controls are made beforehand, and nothing is done with what comes out."""

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
        from kalm_jax.envs.clevr_env import ClevrRobotVectorEnv

        envs = ClevrRobotVectorEnv(n)
        envs.reset(seed=0)
        _, actions = _problem(n)

        def run(pushes):
            for _ in range(pushes // n):
                envs.step(actions)

        return run

    return prepare
