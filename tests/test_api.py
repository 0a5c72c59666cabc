"""The public API: each name works as its documentation says; a loaded run acts, imagines, explains."""

import dataclasses
import json
import shutil
import subprocess
import sys

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import kalm_jax as kalm
from examples import load_run as load_run_example
from examples import own_language_model
from kalm_jax.datasets import read_rollouts, write_rollouts
from kalm_jax.grounding.model import Grounded, GroundedModel, numeric_spec
from kalm_jax.llm.hf.folder import BUILTIN, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import Llama, LlamaConfig
from kalm_jax.pipeline import grounding, offline
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.pipeline.run import stages_of
from kalm_jax.pipeline.run_folder import PipelineRun


def test_import_is_light_and_names_are_listed():
    code = (
        "import sys; before = set(sys.modules); import kalm_jax; new = set(sys.modules) - before - {'__future__'};"
        "assert all(name.startswith('kalm_jax') for name in new), new;"
        "assert set(kalm_jax.__all__) <= set(dir(kalm_jax));"
        "assert all(getattr(kalm_jax, name) for name in kalm_jax.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = kalm.nope


def test_every_public_name_is_documented():
    for name in kalm.__all__:
        assert len(getattr(kalm, name).__doc__.split()) > 5, name


@pytest.mark.slow
def test_a_loaded_policy_acts_on_observations_and_sentences(small_run):
    run = kalm.load_run(small_run)
    policy = run.policy("bc", condition="kalm", seed=0)
    env = gymnasium.make("kalm/ClevrRobot-v0")
    observation, info = env.reset(seed=0)
    action = policy.act(observation, info["instruction"])
    assert env.action_space.contains(action) and not policy.has_memory
    batch = np.stack([observation, observation])
    one = policy.act(batch, info["instruction"])
    two = policy.act(batch, [info["instruction"], "put the red ball left of the blue one"])
    assert one.shape == two.shape == (2,) and one[0] == one[1] == two[0] == action
    with pytest.raises(ValueError, match="3 sentences"):
        policy.act(batch, ["a", "b", "c"])
    with pytest.raises(ValueError, match="need a sentence"):
        policy.act(observation)
    with pytest.raises(ValueError, match="observations have 5 numbers; this policy was trained on 10"):
        policy.act(np.zeros(5), info["instruction"])
    with pytest.raises(ValueError, match="not finite"):
        policy.act(np.full(10, np.nan), info["instruction"])
    assert "bc" in repr(policy) and "world clevr" in repr(run)
    with pytest.raises(ValueError, match=r"no policy 'cql'.*bc-kalm"):
        run.policy("cql")
    with pytest.raises(ValueError, match="seeds 0 to 0"):
        run.policy("bc", seed=1)
    vectors = np.load(small_run / "encode" / "rephrase" / "vectors.npy")
    text = run.world.goals("rephrase").text
    assert run.config.learn.whitening
    whitened = run.encode(text[:2])
    assert whitened.shape == vectors[:2].shape and not np.allclose(whitened, vectors[:2])


@pytest.mark.slow
def test_loaded_policies_evaluate_as_the_run_did(small_run):
    run = kalm.load_run(small_run)
    rows = [
        row
        for row in run.results
        if (row["algorithm"], row["condition"], row["level"], row["action_choice"])
        == ("bc", "kalm", "unseen_easy", "greedy")
    ]
    found = kalm.evaluate(run.policy("bc"), run.world, episodes=2, level="unseen_easy")
    assert found["success"] * found["episodes"] == sum(row["successes"] for row in rows)
    assert found["low"] <= found["success"] <= found["high"]


@pytest.mark.slow
def test_a_run_that_another_configuration_began_again_is_not_finished(small_run, tmp_path):
    shutil.copytree(small_run, tmp_path / "run")
    content = json.loads((small_run / "run.json").read_text())
    learn = content["configuration"]["learn"]
    for change in ({"seed": 5}, {"learn": {**learn, "seeds": 3}}):
        changed = {**content, "configuration": {**content["configuration"], **change}}
        (tmp_path / "run" / "run.json").write_text(json.dumps(changed))
        run = kalm.load_run(tmp_path / "run")
        with pytest.raises(FileNotFoundError, match="not finished"):
            run.policy("bc")
        with pytest.raises(FileNotFoundError, match="not finished"):
            _ = run.results


@pytest.mark.slow
def test_a_policy_with_a_memory_acts_by_episodes(small_run, tmp_path):
    shutil.copytree(small_run, tmp_path / "run")
    config = kalm.load_run(small_run).config
    learn = dataclasses.replace(config.learn, algorithms=("decision_transformer",), conditions=("offline",))
    stages = stages_of(PipelineRun(tmp_path / "run", dataclasses.replace(config, learn=learn)))
    for name, work in stages.items():
        if name.partition("/")[0] in ("collect", "planner", "ground", "imagine", "encode", "learn"):
            work()  # all but the last are done before
    policy = kalm.load_run(tmp_path / "run").policy("decision_transformer", condition="offline")
    assert policy.has_memory
    observations = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 10)).astype(np.float32)
    sentence = "push the red ball behind the blue ball"
    first = [int(policy.act(x, sentence, reward=r)) for x, r in zip(observations, (None, 1.0, -1.0))]
    policy.reset()
    assert first == [int(policy.act(x, sentence, reward=r)) for x, r in zip(observations, (None, 1.0, -1.0))]


@pytest.mark.slow
def test_a_loaded_run_imagines_and_explains(small_run):
    run = kalm.load_run(small_run)
    rollouts = run.imagine("line the balls up", count=3)
    assert isinstance(rollouts, kalm.Rollouts) and len(rollouts) == 3 and rollouts.imagined.all()
    assert len(run.explain(rollouts)) == 3
    with pytest.raises(TypeError, match=r"rollouts is \[.*want kalm_jax's Rollouts"):
        run.explain([rollouts])
    for broken, why in (
        (
            dataclasses.replace(rollouts, observations=rollouts.observations[..., :-1]),
            "observations of 9 numbers .* world clevr has observations of 10",
        ),
        (dataclasses.replace(rollouts, observations=rollouts.observations * np.nan), "finite"),
        (dataclasses.replace(rollouts, actions=rollouts.actions + 10**6), "actions"),
        (dataclasses.replace(rollouts, length=rollouts.length + 100), "length"),
    ):
        with pytest.raises(ValueError, match=why):
            run.explain(broken)
    again = run.imagine("line the balls up", count=3)
    np.testing.assert_array_equal(rollouts.observations, again.observations)
    new = "would you kindly shove the crimson sphere so that it ends up on the left of the azure one"
    assert run.plan(new).subgoals == ("red left blue",) and len(run.imagine(new, count=2)) == 2
    data, both = run.world.goals("offline"), "put red left of blue and put the cyan ball behind the green ball"
    recorded = {tuple(a[:3]) for a in read_rollouts(small_run / "collect" / "rollouts.h5")[1].array.tolist()}
    for told, goal in zip(run.translate(both), ((0, 1, 1), (4, 2, 0)), strict=True):
        asks = {t for t, a in zip(data.text, data.array.tolist(), strict=True) if tuple(a[:3]) == goal}
        assert told in asks if goal in recorded else told == both
    plain, told = run.policy("bc", condition="offline"), run.policy("bc", condition="translate")
    states = rollouts.observations[:3, 0]
    given = told.telling(states, both)
    assert set(given) <= set(run.translate(both))
    np.testing.assert_array_equal(told.act(states, both), plain.act(states, given))
    assert told.telling(states[0], new) == list(run.translate(new))
    assert told.act(states[:0], both).shape == (0,) and told.telling(states[:0], both) == []
    with pytest.raises(ValueError, match="trained on 10"):
        told.telling(states[:, :5], both)
    seen = []
    told.read = lambda plans, before, after: seen.append(before) or np.full(len(plans), -9.0)
    told.reset()
    told.act(states, [both, both, new])
    told.telling(states[::-1], both)  # which remembers nothing
    told.act(states + 1, [both, new, both])  # the second and the third row start again
    np.testing.assert_array_equal(seen[-1], np.stack([states[0], states[0], states[2] + 1, states[2] + 1]))
    assert kalm.evaluate(told, "clevr", level="unseen_hard", episodes=4)["episodes"] == 4


@pytest.mark.slow
def test_what_is_not_understood_is_said_so(small_run):
    run = kalm.load_run(small_run)
    plan = run.plan("make me a sandwich")
    assert not plan.understood and plan.subgoals == () and plan.confidence < 0.1
    with pytest.raises(ValueError, match=r"does not understand 'make me a sandwich'.*confidence 0\.0"):
        run.imagine("make me a sandwich")
    assert len(run.imagine("make me a sandwich", count=2, force=True)) == 2
    with pytest.raises(ValueError, match="does not understand ''"):
        run.imagine("", force=True)
    for ask in (run.plan, run.imagine, lambda text: run.policy("bc").act(np.zeros(10), text)):
        with pytest.raises(ValueError, match=r"has 50000 characters.*the limit is 128 tokens"):
            ask("push the red ball" + " x" * 24_991 + "!")
    with pytest.raises(TypeError, match=r"sentence is .*want a text"):
        run.imagine(["push the red ball"])
    with pytest.raises(ValueError, match="count is 0"):
        run.imagine("push the red ball", count=0)
    with pytest.raises(FileNotFoundError, match="not the folder of a run"):
        kalm.load_run(small_run / "ground")


@pytest.mark.slow
def test_the_example_that_loads_a_run(small_run, capsys):
    assert len(load_run_example.main(small_run, "gather the balls in the middle")) == 4
    assert load_run_example.main(small_run, "make me a sandwich") is None
    said = capsys.readouterr().out
    assert "pushes" in said and "subgoals none" in said


def test_wrong_arguments_are_named_before_anything_is_computed(pendulum, tmp_path):
    rollouts, goals = jax.tree.map(lambda x: x / 2, pendulum[0].actions), pendulum[1]
    rollouts = dataclasses.replace(pendulum[0], actions=rollouts)
    policy = kalm.train("bc", (rollouts, goals), seeds=1, updates=1, batch_size=4).policies[0]
    for ask, said in (
        (lambda: kalm.evaluate(policy, "Pendulum"), r"unknown world 'Pendulum'.*such as Pendulum-v1"),
        (lambda: kalm.evaluate(policy, 3), "env is 3, want a text or kalm_jax's World"),
        (lambda: kalm.evaluate(3, "clevr"), "policy is 3, want kalm_jax's ActingPolicy, one of load_run"),
        (lambda: kalm.evaluate(policy, "clevr"), "policy has observations of 3 numbers .* world clevr has .* of 10"),
        (lambda: kalm.evaluate(policy, "clevr", level="x"), "level is 'x', want one of offline"),
        (lambda: kalm.evaluate(policy, "Pendulum-v1", episodes=2**60), "episodes is 1152921504606846976"),
        (lambda: kalm.evaluate(policy, "Pendulum-v1", seed=2**65), "seed is 36893488147419103232"),
        (lambda: kalm.ground(3, goals, "clevr"), "rollouts is 3, want kalm_jax's Rollouts"),
        (
            lambda: kalm.ground(rollouts, goals, "clevr"),
            "observations of 3 numbers .* world clevr has observations of 10 numbers",
        ),
        (lambda: kalm.ground(rollouts, 3, "clevr"), "goals is 3, want kalm_jax's GoalTable"),
        (lambda: kalm.ground(rollouts, goals, "clevr", lora_rank=2.5), r"GroundConfig\.lora_rank is 2\.5, want"),
        (lambda: kalm.ground(rollouts, goals, 3), "world is 3, want a text"),
        (lambda: kalm.run(tmp_path / "run", {}), r"config is \{\}, want kalm_jax's PipelineConfig"),
        (lambda: policy.act(None), "observation is None, want real numbers"),
    ):
        with pytest.raises((ValueError, TypeError), match=said):
            ask()
    needs = policy.vectors_of
    policy.vectors_of = lambda sentences: needs(sentences or [""])  # as of a policy that has learned several goals
    with pytest.raises(ValueError, match="evaluate it in its world, such as env='clevr'"):
        kalm.evaluate(policy, "kalm/ClevrRobot-v0", episodes=1)
    model, params, tokenizer = kalm.load_language_model()
    grounded = Grounded(model, params, tokenizer)
    table = kalm.get_world("clevr").goals("unseen_easy")
    for changed, said in (
        ({"goals": table.take([])}, "table of goals is empty"),
        ({"goals": 3}, "goals is 3, want kalm_jax's GoalTable"),
        ({"grounded": 3}, "grounded is 3, want kalm_jax's Grounded"),
        ({"count": 0}, "count is 0, want an integer from 1"),
        ({"count": 1.5}, "count is 1.5, want an integer"),
        ({"seed": 2**65}, "seed is 36893488147419103232"),
        ({"draws": 0}, r"ImagineConfig\.draws is 0"),
    ):
        with pytest.raises((ValueError, TypeError), match=said):
            kalm.imagine(**{"grounded": grounded, "goals": table, "world": "clevr"} | changed)


WRONG_ROLLOUTS = {
    "fractional actions": ("actions", lambda x: x + 0.5, r"rollouts: actions \[0, 0\] is .*discrete actions"),
    "two numbers": (
        "actions",
        lambda x: np.zeros((*x.shape, 2)),
        "rollouts has .* actions of 2 numbers, .*40 discrete",
    ),
    "an action too many": ("actions", lambda x: x + 40, r"rollouts: actions \[0, 0\] is .*want 0..39"),
    "complex": ("observations", lambda x: x + 1j, "rollouts: observations is of type complex64, want real numbers"),
    "texts": ("rewards", lambda x: x.astype(str), "rollouts: rewards is of type <U"),
    "fractional lengths": ("length", lambda x: x + 0.5, r"rollouts: length \[0\] is .*want a whole number"),
    "fractional indices": ("goal", lambda x: x + 0.5, r"rollouts: goal \[0\] is .*want a whole number"),
    "neither": ("terminated", lambda x: x + 7, r"rollouts: terminated \[0\] is neither True nor False"),
}


WRONG_GOALS = {
    "fractional": ("array", lambda x: x + 0.5, "goals have arrays .* are 9 whole numbers"),
    "narrow": ("array", lambda x: x[:, :3], "goals have arrays .* are 9 whole numbers"),
    "no such ball": (
        "array",
        lambda x: np.where(x < 0, x, x + 5),
        "goals: the array .* is none of clevr's: .*balls 0..4",
    ),
    "no test": ("family", lambda x: np.full_like(x, -1), "needs instructions and goal arrays"),
    "no such family": ("family", lambda x: x + 6, "of the families .*clevr has 6, 0 to 5"),
    "half a family": ("family", lambda x: x + 0.5, "goals: family has .*want whole numbers"),
    "no such level": ("level", lambda x: x + 4, "goals: level has .*want whole numbers from 0 to 3"),
    "few texts": ("text", lambda x: x[:3], r"goals: level has shape \(400,\), want \(3,\) for 3 sentences"),
    "numbers for texts": ("text", lambda x: tuple(range(len(x))), r"goals: text \[0\] is 0, want a text"),
    "vectors beyond float32": ("vector", lambda x: np.full((400, 2), 1e300), "goals: vector .*float32 cannot hold"),
    "null characters": ("text", lambda x: tuple(t + "\0" for t in x), r"text \[0\] has a null character"),
    "complex vectors": ("vector", lambda x: np.full((400, 2), 1j), "goals: vector is of type complex128"),
}


@pytest.fixture(scope="module")
def tiny():
    """Rollouts of CLEVR-Robot and their goals, a table of 400 goals, and an untrained model of that world."""
    rollouts, goals = kalm.get_world("clevr").collect(0, 2, "scripted", None)
    llm, params, tokenizer = kalm.load_language_model()
    model = Grounded(GroundedModel(llm, numeric_spec(rollouts, 40)), {"llm": params}, tokenizer)
    return rollouts, goals, kalm.get_world("clevr").goals("unseen_easy"), model


@pytest.mark.parametrize("what", WRONG_ROLLOUTS)
def test_impossible_rollouts_are_named(tiny, what):
    (field, change, said), (rollouts, goals, *_) = WRONG_ROLLOUTS[what], tiny
    wrong = dataclasses.replace(rollouts, **{field: change(getattr(rollouts, field))})
    with pytest.raises(ValueError, match=said):
        kalm.ground(wrong, goals, "clevr", steps=1)
    if what not in ("two numbers", "an action too many"):  # are those of another environment
        with pytest.raises(ValueError, match=said):
            kalm.train("bc", (wrong, goals.with_vector(np.zeros((len(goals), 1)))), updates=1)


@pytest.mark.parametrize("what", WRONG_GOALS)
def test_impossible_goals_are_named(tiny, what):
    (field, change, said), (rollouts, _, goals, grounded) = WRONG_GOALS[what], tiny
    wrong = dataclasses.replace(goals, **{field: change(getattr(goals, field))})
    rollouts = dataclasses.replace(rollouts, goal=np.zeros_like(rollouts.goal))
    for ask in (lambda: kalm.imagine(grounded, wrong, "clevr", count=1), lambda: kalm.ground(rollouts, wrong, "clevr")):
        with pytest.raises((ValueError, TypeError), match=said):
            ask()


def test_what_belongs_elsewhere_is_named(tiny, tmp_path):
    rollouts, goals, novel, grounded = tiny
    arm = kalm.get_world("metaworld").goals("unseen_easy")
    (tmp_path / "file").write_text("x")
    for ask, error, said in (
        (lambda: kalm.imagine(grounded, novel, "metaworld"), ValueError, "goals have arrays .*world metaworld"),
        (
            lambda: kalm.imagine(grounded, arm, "metaworld"),
            ValueError,
            "the grounded model has observations of 10 numb",
        ),
        (
            lambda: kalm.imagine(grounded, novel, "clevr", llm="/nope"),
            FileNotFoundError,
            "llm=/nope: there is no such folder",
        ),
        (
            lambda: kalm.imagine(grounded, novel, "clevr", replayed=4),
            ValueError,
            "replayed has no effect in imagine",
        ),
        (lambda: kalm.imagine(grounded, novel, "clevr", foo=0), ValueError, "no field 'foo'; it has .*draws"),
        (lambda: kalm.ground(rollouts, goals, "clevr", foo=0), ValueError, "no field 'foo'; it has .*steps"),
        (
            lambda: kalm.ground(rollouts, goals, "clevr", folder=tmp_path / "file"),
            ValueError,
            r"file is a file.*.folder",
        ),
        (lambda: kalm.ground(goals, rollouts, "clevr"), TypeError, "rollouts is GoalTable"),
        (lambda: kalm.make_learner("combo", terminal=5), ValueError, r"combo\.terminal is 5, want a function"),
        (lambda: kalm.make_learner("decision_transformer", backbone=5), ValueError, r"\.backbone is 5, want Module"),
        (lambda: goals.with_vector(np.zeros(len(goals))), ValueError, r"vectors have shape .*want \(4320, E\)"),
    ):
        with pytest.raises(error, match=said):
            ask()


def test_another_language_model_learns_at_a_rate_of_its_own(tiny, monkeypatch):
    rates = []

    def fit(config, *_):
        rates.append(config.ground.learning_rate)
        raise InterruptedError

    monkeypatch.setattr(grounding, "fit_language_model", fit)
    for settings in ({}, {"llm": str(BUILTIN)}, {"llm": str(BUILTIN), "lora_rank": 2}):
        for given in ({}, {"learning_rate": 3e-3}):
            with pytest.raises(InterruptedError):
                kalm.ground(*tiny[:2], "clevr", **settings, **given)
    assert rates == [3e-3, 3e-3, 5e-5, 3e-3, 2e-4, 3e-3]


def test_policies_of_an_offline_run_are_kept(pendulum, tmp_path):
    write_rollouts(tmp_path / "data.h5", *pendulum)
    settings = (("", "batch_size", 8),)
    config = OfflineConfig(
        "Pendulum-v1", str(tmp_path / "data.h5"), ("bc",), 2, 0, 4, 2, 2, max_steps=20, settings=settings
    )
    offline.run(tmp_path / "run", config)
    (tmp_path / "data.h5").unlink()
    run = kalm.load_run(tmp_path / "run")
    observation = pendulum[0].observations[0, 0]
    actions = [run.policy("bc", seed=seed).act(observation) for seed in (0, 1)]
    assert all(gymnasium.make("Pendulum-v1").action_space.contains(action) for action in actions)
    assert actions[0] != actions[1] and {row["algorithm"] for row in run.results} == {"random", "bc"}
    with pytest.raises(ValueError, match="no policy 'cql'"):
        run.policy("cql")
    with pytest.raises(ValueError, match="has no conditions"):
        run.policy("bc", condition="kalm")
    (tmp_path / "run" / "results.csv").unlink()
    (tmp_path / "run" / "learn" / "bc" / "done.json").unlink()
    for ask in (lambda: run.results, lambda: run.policy("bc")):
        with pytest.raises(FileNotFoundError, match=r"not finished .stage learn/bc is missing.*the same command again"):
            ask()


@pytest.mark.slow
def test_the_example_of_another_language_model(tmp_path):
    tokenizer = load_tokenizer(BUILTIN)
    llm = LlamaConfig(tokenizer.vocab_size, 16, 1, 2, 2, 8, 32)
    tokens = jnp.zeros((1, 2), jnp.int32)
    params = Llama(llm).init(jax.random.key(0), tokens, tokens, jnp.ones((1, 2, 2), bool))["params"]
    save_model(tmp_path, llm, params, tokenizer)
    imagined = own_language_model.main(str(tmp_path), rollouts=10, steps=2, count=4)
    assert len(imagined) == 4 and imagined.imagined.all()


def test_the_built_in_language_model_loads():
    config, params, tokenizer = kalm.load_language_model()
    assert sum(x.size for x in jax.tree.leaves(params)) < 1_000_000 and config.vocab_size >= tokenizer.vocab_size
    assert json.loads((BUILTIN / "config.json").read_text())["hidden_size"] == config.width
