"""Small problems on which a learner and an independent implementation get the same weights, batches and noise.

Everything is drawn from `numpy.random.RandomState`, whose streams never change, so that files made today still agree.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.offline_rl import Batch, DatasetStats, Learner, make_learner

BATCH, OBSERVATION, GOAL, ACTION = 8, 3, 2, 3
SHARED = {"hidden": (6, 5), "reward_scale": 0.5, "discount": 0.9, "tau": 0.05, "learning_rate": 1e-3}
CQL = SHARED | {"action_samples": 2}

PROBLEMS = {
    "bc-discrete": ("bc", True, {"hidden": (6, 5), "logit_penalty": 0.5}),
    "bc-continuous": ("bc", False, {"hidden": (6, 5)}),
    "td3bc-discrete": ("td3bc", True, SHARED | {"critic_norm": False}),
    "td3bc-continuous": ("td3bc", False, SHARED | {"critic_norm": False}),
    "cql-discrete": ("cql", True, SHARED | {"conservative_weight": 2.0}),
    "cql-discrete-period": ("cql", True, SHARED | {"target_period": 7}),
    "cql-continuous": ("cql", False, CQL),
    "cql-continuous-lagrange": ("cql", False, CQL | {"threshold": 10.0, "soft_backup": True}),
    "awac-discrete": ("awac", True, SHARED),
    "awac-continuous": ("awac", False, SHARED | {"action_samples": 2}),
    "awac-continuous-exp": ("awac", False, SHARED | {"weights": "exp", "max_weight": 1.2}),
    "iql-discrete": ("iql", True, SHARED),
    "iql-continuous": ("iql", False, SHARED | {"expectile": 0.8}),
}
"""Name -> (learner, whether actions are discrete, settings)."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """A learner before its first update, and what its updates get: batches, keys and noise, one per update.

    `noise[t]` is the dict that the learner's `draw` would give, empty for a learner that draws none; `keys[t]` is for
    TD3+BC, which draws its noise itself.
    """

    learner: Learner
    state: object
    stats: DatasetStats
    batches: list[Batch]
    keys: list
    noise: list[dict]


def make_problem(name: str, updates: int, dtype) -> Problem:
    """The problem called `name` in float32 or float64 (which needs `jax_enable_x64`)."""
    algorithm, discrete, settings = PROBLEMS[name]
    rng = np.random.RandomState(sorted(PROBLEMS).index(name))
    learner = make_learner(algorithm, **settings)
    statistics = (rng.randn(OBSERVATION), rng.rand(OBSERVATION) + 0.5, rng.randn(GOAL), rng.rand(GOAL) + 0.5)
    stats = DatasetStats(*(jnp.asarray(x, dtype) for x in statistics), ACTION, discrete)
    # The structure alone is asked for, which compiles nothing; Adam begins with zeros.
    state = jax.eval_shape(learner.init, jax.random.key(0), stats)
    numbers = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), dataclasses.replace(state, key=None))
    state = dataclasses.replace(numbers, key=jax.random.key(0))
    state = dataclasses.replace(
        state, **{field: _random(rng, getattr(state, field), dtype) for field in _fields(state, "weights")}
    )
    changed = {f.replace("target_", ""): getattr(state, f.replace("target_", "")) for f in _fields(state, "targets")}
    state = dataclasses.replace(state, **{f"target_{k}": jax.tree.map(jnp.copy, v) for k, v in changed.items()})
    optimizers = {f: _cast(getattr(state, f), dtype) for f in _fields(state, "optimizers")}
    state = dataclasses.replace(state, **optimizers)
    batches = [_batch(rng, discrete, dtype) for _ in range(updates)]
    module, noise = learner.algorithm(stats), [{} for _ in range(updates)]
    if hasattr(module, "draw"):
        shapes = jax.eval_shape(functools.partial(module.draw, learner.config, stats, size=BATCH), jax.random.key(0))
        noise = [{k: _noise(rng, k, v, dtype) for k, v in shapes.items()} for _ in range(updates)]
    return Problem(learner, state, stats, batches, list(jax.random.split(jax.random.key(1), updates)), noise)


def td3bc_noise(problem: Problem, update: int) -> np.ndarray:
    """The standard normal numbers that TD3+BC draws at an update, (B, A)."""
    dtype = problem.batches[0].reward.dtype
    return np.asarray(jax.random.normal(problem.keys[update], (BATCH, ACTION), dtype))


def run(problem: Problem):
    """(final state, metrics of every update as {name: (T,)}) of the library's learner."""
    state, rows = problem.state, []
    for batch, key, noise in zip(problem.batches, problem.keys, problem.noise, strict=True):
        state, metrics = _step(problem.learner, state, problem.stats, batch, key, noise)
        rows.append(metrics)
    return state, {k: np.array([float(row[k]) for row in rows]) for k in rows[0]}


@functools.partial(jax.jit, static_argnames="learner")
def _step(learner, state, stats, batch, key, noise):
    if not noise:
        return learner.update(state, stats, batch, key)
    return learner.algorithm(stats).learn(learner.config, state, stats, batch, noise)


def weights(state) -> dict[str, np.ndarray]:
    """Every learned number of a state, "network/layer/kernel" -> array; targets included, optimizers not."""
    found = {}
    for field in (*_fields(state, "weights"), *_fields(state, "targets")):
        for path, leaf in jax.tree_util.tree_flatten_with_path(getattr(state, field))[0]:
            parts = [str(p.key) for p in path if str(p.key) != "params"]
            found["/".join([field, *parts])] = np.asarray(leaf)
    return found


def _fields(state, kind: str) -> list[str]:
    """Names of a state's fields that are "weights", "targets" or "optimizers"."""
    names = [f.name for f in dataclasses.fields(state) if f.name not in ("step", "key")]

    def kind_of(name):
        return "optimizers" if "optimizer" in name else "targets" if name.startswith("target_") else "weights"

    return [name for name in names if kind_of(name) == kind]


def _random(rng, tree, dtype):
    return jax.tree.map(lambda x: jnp.asarray(0.5 * rng.randn(*x.shape), dtype), tree)


def _cast(tree, dtype):
    return jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def _batch(rng, discrete, dtype) -> Batch:
    action = rng.randint(0, ACTION, BATCH) if discrete else 0.95 * (2 * rng.rand(BATCH, ACTION) - 1)
    floats = (rng.randn(BATCH, OBSERVATION), rng.randn(BATCH, GOAL), rng.randn(BATCH), rng.randn(BATCH, OBSERVATION))
    observation, goal, reward, after = (jnp.asarray(x, dtype) for x in floats)
    terminal = jnp.asarray(rng.rand(BATCH) < 0.3, dtype)
    action = jnp.asarray(action, jnp.int32 if discrete else dtype)
    return Batch(observation, goal, action, reward, after, terminal)


def _noise(rng, name, shape, dtype):
    if shape is None:
        return None
    drawn = 2 * rng.rand(*shape.shape) - 1 if name == "uniform" else rng.randn(*shape.shape)
    return jnp.asarray(drawn, dtype)
