"""Small random rollouts and goal tables, and how files of them are compared and damaged."""

import dataclasses

import h5py
import jax
import numpy as np

from kalm_jax.types import Rollouts, make_goal_table

SMALL_RUN = (
    "--algo=bc,td3bc --seeds=1 --updates=8 --rollouts=40 --grounding_steps=4 "
    "--evaluate_every=2 --metric_rollouts=8 --metric_explanations=2 "
    "--imagined_rephrase=8 --imagined_unseen_easy=8 --imagined_unseen_hard=8 --explanations=2 --explanation_draws=0 "
    "--replays=4 --episodes=2 --expert_episodes=1"
).split()
"""Flags that, with the preset smoke, make the run of the fixture `small_run`."""


def random_rollouts(
    seed=0, n=9, horizon=6, observation_dim=5, action_dim=None, num_actions=4, num_goals=3, length=None
):
    """(n) rollouts, the first of full length, or those of the lengths given; `action_dim` None means discrete."""
    rng = np.random.default_rng(seed)
    if length is None:
        length = rng.integers(1, horizon + 1, n)
        length[0] = horizon
    length = np.asarray(length, np.int32)
    n = len(length)
    step, seen = (np.arange(size) < (length + size - horizon)[:, None] for size in (horizon, horizon + 1))
    if action_dim is None:
        actions = (rng.integers(0, num_actions, (n, horizon)) * step).astype(np.int32)
    else:
        actions = (rng.uniform(-1, 1, (n, horizon, action_dim)) * step[..., None]).astype(np.float32)
    return Rollouts(
        observations=(rng.normal(size=(n, horizon + 1, observation_dim)) * seen[..., None]).astype(np.float32),
        actions=actions,
        rewards=(rng.normal(size=(n, horizon)) * step).astype(np.float32),
        length=length,
        terminated=rng.random(n) < 0.5,
        goal=rng.permutation(np.arange(n) % num_goals).astype(np.int32),
        imagined=rng.random(n) < 0.5,
    )


def authors_goal(source, reference, direction):
    """A relation in KALM's files (6,): 1 at the source ball, 2 at the reference, and the direction."""
    vector = np.zeros(6, np.float32)
    vector[source], vector[reference], vector[5] = 1, 2, direction
    return vector


def encoded_goals(num_goals=3, size=4):
    """Goals without text, as files have them that hold encodings only."""
    vector = np.random.default_rng(1).normal(size=(num_goals, size)).astype(np.float32)
    return make_goal_table([""] * num_goals, 0, -1, np.full((num_goals, 9), -1, np.int32), vector)


def assert_tree_equal(a, b):
    """Equal arrays, leaf by leaf."""
    jax.tree.map(np.testing.assert_array_equal, a, b)


def assert_equal(a, b, fields=None):
    """Equal values and types, in all fields of rollouts or goal tables or in those given."""
    for name in fields or [field.name for field in dataclasses.fields(a)]:
        x, y = getattr(a, name), getattr(b, name)
        if name == "text":
            assert x == y
        else:
            assert x.dtype == y.dtype, name
            np.testing.assert_array_equal(x, y, name)


def rewrite(path, field, change):
    """Changes one field of an HDF5 file, or removes it."""
    with h5py.File(path, "a") as file:
        value = file[field][()]
        del file[field]
        if change is not None:
            file[field] = change(value)


def put(index, value):
    """A change for `rewrite` that sets some entries."""

    def change(x):
        x = x.astype(float)
        x[index] = value
        return x

    return change


def numbered_rollouts(count, steps, goal=None, width=3):
    """Rollouts of distinct states: number i of rollout n is 100 n + step."""
    states = (100.0 * np.arange(count)[:, None] + np.arange(steps + 1)).astype(np.float32)
    return Rollouts(
        observations=np.repeat(states[..., None], width, -1),
        actions=np.random.default_rng(0).uniform(-1, 1, (count, steps, 2)).astype(np.float32),
        rewards=np.tile(np.arange(steps, dtype=np.float32), (count, 1)),
        length=np.full(count, steps, np.int32),
        terminated=np.ones(count, bool),
        goal=np.zeros(count, np.int32) if goal is None else np.array(goal, np.int32),
        imagined=np.zeros(count, bool),
    )
