"""`train` and `evaluate` of the public API: what they take, and what they refuse by name."""

import dataclasses

import gymnasium
import jax
import numpy as np
import pytest

import kalm_jax as kalm
from kalm_jax.datasets import write_rollouts
from kalm_jax.offline_rl import make_buffer, make_learner, state_of
from kalm_jax.offline_rl.trainer import init_states, update_many
from kalm_jax.pipeline.policies import ActingPolicy
from kalm_jax.types import stack_episodes, unnamed_goal, with_declared_types
from tests.fixtures import random_rollouts


def test_train_and_evaluate_a_learner(pendulum):
    results = kalm.train("td3bc", pendulum, env="Pendulum-v1", seeds=3, updates=4, episodes=2, batch_size=8)
    assert [row["seed"] for row in results.returns] == [0, 1, 2] and len(results.policies) == 3
    assert results.summary["low"] <= results.summary["return"] <= results.summary["high"]
    action = results.policies[1].act(pendulum[0].observations[0, 0])
    assert gymnasium.make("Pendulum-v1").action_space.contains(action)
    found = kalm.evaluate(results.policies[0], "Pendulum-v1", episodes=2)
    assert found["success"] is None and found["return"] < 0
    sampled = kalm.evaluate(results.policies[0], "Pendulum-v1", episodes=2, greedy=False)
    assert sampled["return"] == found["return"]  # TD3+BC's policy is deterministic
    for wrong, error, said in (
        (7, TypeError, "sentence is 7, want a text"),
        ([7], TypeError, "sentence is 7, want a text"),
        ([], ValueError, "is empty"),
    ):
        with pytest.raises(error, match=said):
            results.policies[0].act(pendulum[0].observations[0, 0], wrong)
    with pytest.raises(ValueError, match="no setting"):
        kalm.train("td3bc", pendulum, nonsense=1)
    with pytest.raises(ValueError, match="reward has numbers that are not finite"):
        results.policies[0].act(pendulum[0].observations[0, 0], reward=np.nan)
    for wrong, error, said in (
        ({"reward": np.zeros(3)}, ValueError, r"reward has shape \(3,\), want \(\) or \(1,\)"),
        ({"reward": "x"}, TypeError, "reward is 'x', want real numbers"),
        ({"greedy": "no"}, TypeError, "greedy is 'no', want True or False"),
        ({"observation": 1j * np.zeros(3)}, TypeError, "observation is an array of type complex128"),
        ({"observation": ["a", "b", "c"]}, TypeError, "observation is an array of type <U1"),
        ({"sentence": "\ud800"}, ValueError, r"sentence has '\\ud800' at place 0"),
    ):
        with pytest.raises(error, match=said):
            results.policies[0].act(**{"observation": pendulum[0].observations[0, 0]} | wrong)
    with pytest.raises(ValueError, match="leave the sentence out"):
        results.policies[0].act(pendulum[0].observations[0, 0], "swing up")
    for wrong, error in (({"updates": 2.5}, TypeError), ({"seeds": 0}, ValueError), ({"seed": -1}, ValueError)):
        with pytest.raises(error, match=next(iter(wrong))):
            kalm.train("td3bc", pendulum, **wrong)
    with pytest.raises(ValueError, match="episodes is 0"):
        kalm.evaluate(results.policies[0], "Pendulum-v1", episodes=0)


FLOATS = ("observations", "actions", "rewards")


@pytest.mark.parametrize("env", ["Pendulum-v1", None])
@pytest.mark.parametrize("kind", [np.float64, np.float16, np.longdouble, ">f4", np.int64, "mixed", list])
def test_real_numbers_of_other_types_are_rounded_to_float32_once(pendulum, env, kind):
    rollouts, goals = pendulum
    rollouts = dataclasses.replace(rollouts, actions=rollouts.actions / 2)
    kinds = dict(zip(FLOATS, ("i8", "f2", "f8"))) if kind == "mixed" else dict.fromkeys(FLOATS, kind)
    kinds = dict.fromkeys(FLOATS, "f8") if kind is list else kinds
    given = dataclasses.replace(
        rollouts,
        **{field: np.asarray(getattr(rollouts, field), np.float64).astype(kinds[field]) for field in FLOATS},
        length=np.asarray(rollouts.length, np.int64),
    )
    single = dataclasses.replace(given, **{name: np.asarray(getattr(given, name), np.float32) for name in FLOATS})
    if kind is list:
        given = dataclasses.replace(
            given, **{f.name: getattr(given, f.name).tolist() for f in dataclasses.fields(given)}
        )
    goals = dataclasses.replace(goals, vector=np.full((1, 2), 0.1))
    options = {"env": env, "seeds": 1, "updates": 2, "episodes": 1, "batch_size": 8, "hidden": (8,)}
    expected = kalm.train("bc", (single, goals.with_vector(goals.vector)), **options)
    programs = update_many._cache_size()
    found = kalm.train("bc", (given, goals), **options)
    assert update_many._cache_size() == programs  # nothing is compiled again
    assert found.curve == expected.curve and found.returns == expected.returns
    seen = np.asarray(single.observations[:, 0])
    np.testing.assert_array_equal(found.policies[0].act(seen), expected.policies[0].act(seen))
    np.testing.assert_array_equal(found.policies[0].act(seen.astype(np.float64)), expected.policies[0].act(seen))


def test_rollouts_are_kept_where_they_have_the_declared_types(pendulum):
    rollouts = with_declared_types(pendulum[0])
    again = with_declared_types(rollouts)
    assert all(getattr(again, f.name) is getattr(rollouts, f.name) for f in dataclasses.fields(rollouts))


@pytest.mark.parametrize("field", FLOATS)
@pytest.mark.parametrize(
    "change, said",
    [
        (lambda x: x.astype(complex), "is of type complex128, want real numbers"),
        (lambda x: x.astype(object), "is of type object, want real numbers"),
        (lambda x: x.astype(str), "is of type <U32, want real numbers"),
        (lambda x: x.astype(np.float64) + 1e39, r"is not finite as float32 \(1e\+39 is beyond 3.4e38\)"),
    ],
)
def test_what_float32_cannot_hold_is_refused(pendulum, field, change, said):
    rollouts = with_declared_types(pendulum[0])
    wrong = dataclasses.replace(rollouts, **{field: change(getattr(rollouts, field))})
    for env in ("Pendulum-v1", None):
        with pytest.raises(ValueError, match=f"rollouts: {field} .*{said}"):
            kalm.train("bc", (wrong, pendulum[1]), env, updates=1)


def test_data_may_be_a_path(pendulum, tmp_path):
    write_rollouts(tmp_path / "data.h5", *pendulum)
    results = kalm.train("bc", tmp_path / "data.h5", env="Pendulum-v1", seeds=1, updates=2, episodes=1, batch_size=8)
    assert len(results.policies) == 1


@pytest.mark.parametrize(
    "change, said",
    [
        ({"dataset": 3}, r"dataset is 3, want a path or \(Rollouts, GoalTable\)"),
        ({"dataset": None}, "dataset is None, want a path or"),
        (
            {"algorithm": "combo", "dynamics_updates": 5000},
            "combo trains its dynamics models in the first 5000",
        ),
        ({"seed": 2**65}, "seed is 36893488147419103232, want an integer from 0"),
        ({"seeds": 10**6}, "seeds is 1000000, want an integer from 1 to 1000"),
        ({"updates": 2**40}, "updates is 1099511627776, want"),
        ({"batch_size": 0}, r"bc\.batch_size is 0, want an integer from 1"),
        ({"algorithm": "td3bc", "discount": 2}, r"td3bc\.discount is 2, want a finite number from 0 to 1"),
        ({"algorithm": "td3bc", "tau": 7}, r"td3bc\.tau is 7, want a finite number above 0 and at most 1"),
        ({"env": "Pendulum-v2"}, r"did you mean Pendulum-v1\?"),
        ({"env": 3}, "env is 3, want a text or None, the id of a Gymnasium environment"),
        ({"draw": "x"}, "draw is 'x', want one of transitions, rollouts"),
    ],
)
def test_wrong_arguments_of_train_are_named(pendulum, change, said):
    with pytest.raises((ValueError, TypeError), match=said):
        kalm.train(**{"algorithm": "bc", "dataset": pendulum, "env": "Pendulum-v1", "updates": 2} | change)


def test_actions_behind_the_end_are_none_of_the_policys():
    rollouts = stack_episodes([(np.zeros((4, 2)), np.array([0, 99, 99]), np.array([1.0, 999, 999]), True)])
    rollouts = dataclasses.replace(rollouts, length=np.array([1], np.int32))
    results = kalm.train("bc", (rollouts, unnamed_goal()), seeds=1, updates=1, batch_size=4, hidden=(8,))
    assert results.policies[0].stats.action_dim == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"observations": np.full((2, 4, 3), 1e300)}, r"observations \[0, 0\] is not finite as float32"),
        ({"observations": np.zeros((2, 4, 0))}, r"observations have shape \(2, 4, 0\), want at least one number"),
        ({"rewards": np.full((2, 3), 1e300)}, r"rewards \[0, 0\] is not finite as float32"),
        ({"actions": np.full((2, 3), 10**9)}, r"actions \[0, 0\] is 1000000000, want 0..65535"),
        ({"actions": np.zeros((2, 3, 0))}, r"actions have shape \(2, 3, 0\), want at least one number"),
    ],
)
@pytest.mark.parametrize("algorithm", ["bc", "td3bc"])
def test_numbers_that_nothing_can_learn_from_are_named(algorithm, change, said):
    episode = np.zeros((4, 3)), np.zeros(3, int), np.zeros(3), True
    rollouts = dataclasses.replace(stack_episodes([episode] * 2), **change)
    with pytest.raises(ValueError, match=said):
        kalm.train(algorithm, (rollouts, unnamed_goal()), seeds=1, updates=1)


@pytest.mark.slow
def test_a_policy_with_a_memory_keeps_to_its_batch():
    rollouts = random_rollouts(num_goals=1, observation_dim=3)
    tiny = {"width": 8, "heads": 1, "layers": 1, "context": 2}
    learner = make_learner("decision_transformer", **tiny)
    stats = learner.stats(make_buffer([(rollouts, 1.0)], unnamed_goal()))
    state = state_of(init_states(learner, stats, [0]), 0)
    policy = ActingPolicy(learner, state, stats, lambda _: np.zeros((1, 0), np.float32))
    policy.act(np.zeros(3))
    with pytest.raises(ValueError, match=r"2 observations after 1: .*act on as many until reset\(\)"):
        policy.act(np.zeros((2, 3)))


def test_train_a_custom_learner_without_an_environment(pendulum):
    rollouts, goals = pendulum
    rollouts = jax.tree.map(np.copy, rollouts)
    rollouts.actions[:] /= 2
    results = kalm.train("examples.own_learner", (rollouts, goals), seeds=1, updates=2, batch_size=4, weight=2.0)
    assert results.returns == [] and results.policies[0].act(rollouts.observations[:4, 0]).shape == (4, 1)
    with pytest.raises(ValueError, match="trained without an environment"):
        kalm.evaluate(results.policies[0], "Pendulum-v1", episodes=2)
    assert kalm.make_learner("examples.own_learner", weight=2.0).config.weight == 2.0
