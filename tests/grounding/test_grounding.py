"""Rows, tasks, loss, training and decoding of the grounded language model."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from kalm_jax.grounding import decoding as decode
from kalm_jax.grounding import explanation as explanations
from kalm_jax.grounding import sequences as rows
from kalm_jax.grounding.checkpoint import load_grounded, save_grounded
from kalm_jax.grounding.config import TaskShares
from kalm_jax.grounding.explanation import explain, generate_explanations, likeliest_goal_summaries, rollout_log_probs
from kalm_jax.grounding.losses import LossWeights, grounding_loss
from kalm_jax.grounding.model import GroundedModel, init_params, numeric_spec
from kalm_jax.grounding.sequences import ACTION, STATE, TEXT, RowSequence, pack
from kalm_jax.grounding.tasks import FACT_WEIGHT, Batches, goal_prompt
from kalm_jax.grounding.trainer import TrainConfig, fit
from kalm_jax.llm.tokenizer import train_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.types import Rollouts, make_goal_table
from kalm_jax.worlds.base import GoalLanguage

TEXTS = ["push the red ball left", "push the blue ball right", "keep the red ball left", "keep the blue ball right"]
GOALS = make_goal_table(TEXTS, 0, 0, np.array([[0, 1], [1, 0], [0, 1], [1, 0]]))


def toy_rollouts(n=48, seed=0, continuous=False):
    """A world whose rule is known: action a adds 0.1 * (a - 1) to each number; goal 0 pushes up, goal 1 down."""
    rng = np.random.default_rng(seed)
    horizon = 6
    length = rng.integers(2, horizon + 1, n)
    goal = rng.integers(0, 2, n)
    obs, actions = np.zeros((n, horizon + 1, 3), np.float32), np.zeros((n, horizon), np.int32)
    for i in range(n):
        obs[i, 0] = rng.normal(size=3)
        for t in range(length[i]):
            actions[i, t] = 2 - 2 * goal[i] if rng.random() < 0.9 else 1
            obs[i, t + 1] = obs[i, t] + 0.1 * (actions[i, t] - 1)
    if continuous:
        actions = np.where(np.arange(horizon) < length[:, None], actions - 1.0, 0.0).astype(np.float32)[..., None]
    ones = np.ones(n, bool)
    rewards = np.zeros((n, horizon), np.float32)
    return Rollouts(obs, actions, rewards, length.astype(np.int32), ones, goal.astype(np.int32), ~ones)


@pytest.fixture(scope="module")
def words():
    return train_tokenizer([f"{t} rollout : goal ." for t in TEXTS] * 3, 330)


def make(words, rollouts, width=32):
    spec = numeric_spec(rollouts, 0 if rollouts.actions.ndim == 3 else 3, hidden=32)
    model = GroundedModel(LlamaConfig(words.vocab_size, width, 2, 2, 2, 16, 64), spec)
    return model, init_params(model, jax.random.key(0))


def batches(words, rollouts, shares=TaskShares(), seed=0):
    text = lambda rng: TEXTS[int(rng.integers(4))]  # noqa: E731
    wording = lambda rng: (t := text(rng), t[9:12])  # noqa: E731
    spec = numeric_spec(rollouts, 3, hidden=32)
    said = GoalLanguage(text, describe, short, short, wording)
    return Batches(rollouts, GOALS, words, shares, said, spec, rows=8, length=64, seed=seed)


def short(family, array):
    return TEXTS[array[0]][9:12]


def describe(rng, state, before=None):
    """One question, answered by the sign of the state's first number."""
    return [("goal", "go" if state[0] > 0 else "stay")]


def test_rows_hold_what_was_put_in():
    states, actions = np.arange(9.0).reshape(3, 3), np.array([2, 0])
    sequence = RowSequence(3).text([7, 8]).rollout(states, actions, 1.0, 0.5).text([9], 2.0)
    out = pack([sequence], 1, 10, 3)
    assert out.kind[0].tolist() == [TEXT, TEXT, STATE, ACTION, STATE, ACTION, STATE, TEXT, 0, 0]
    assert out.token[0].tolist() == [7, 8, 0, 2, 0, 0, 0, 9, 0, 0]
    # weight[t] is the weight of predicting t + 1; the first state is given, not predicted
    assert out.weight[0].tolist() == [0, 0, 0.5, 1, 0.5, 1, 2, 0, 0, 0]
    np.testing.assert_array_equal(out.value[0, [2, 4, 6]], states)
    np.testing.assert_array_equal(out.base[0, 2:8], states[[0, 0, 1, 1, 2, 2]])
    assert out.base[0, :2].max() == 0
    assert out.position[0, :8].tolist() == list(range(8))


def test_packing_loses_nothing_and_refuses_what_does_not_fit():
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 20, 200)
    sequences = [RowSequence(1).text(rng.integers(1, 99, n), 1.0) for n in lengths]
    out = pack(sequences, 6, 64, 1)
    assert (out.kind > 0).mean() > 0.9
    tokens = {tuple(np.concatenate(s.token).tolist()) for s in sequences}
    for row in range(6):
        for segment in range(1, out.segment[row].max() + 1):
            assert tuple(out.token[row][out.segment[row] == segment].tolist()) in tokens
    with pytest.raises(ValueError, match="row_length"):
        pack([RowSequence(1).text(range(65))], 6, 64, 1)


def test_every_task_predicts_what_it_should(words):
    rollouts = toy_rollouts()
    spec = numeric_spec(rollouts, 3)
    shares = {f.name: 0.0 for f in dataclasses.fields(TaskShares)}
    for task, kinds in {
        "generation": {STATE, ACTION},
        "explanation": {STATE, TEXT},
        "dynamics": {STATE},
        "consequence": {STATE},
        "description": {TEXT},
        "text": {TEXT},
        "plan": {TEXT},
    }.items():
        out = batches(words, rollouts, TaskShares(**{**shares, task: 1.0}))(0)
        asked = out.kind[:, 1:][out.weight[:, :-1] > 0]
        assert set(asked.tolist()) == kinds, task
    with pytest.raises(ValueError, match="nothing to train on"):
        Batches(None, None, words, TaskShares(text=0.0), GoalLanguage(), spec, rows=8, length=64, seed=0)


def test_only_rollouts_that_reached_their_goal_say_so(words):
    rollouts = toy_rollouts()
    only = TaskShares(**{f.name: float(f.name == "generation") for f in dataclasses.fields(TaskShares)})
    for reached in (True, False):
        data = dataclasses.replace(rollouts, terminated=np.full(len(rollouts), reached))
        out = batches(words, data, only)(0)
        end = (out.kind == ACTION) & (out.token == 3)
        assert end.sum() == (out.segment.max(axis=1).sum() if reached else 0)
        assert (out.weight[:, :-1][end[:, 1:]] == 1).all()


def test_batches_are_a_function_of_seed_and_step(words):
    make_batches = batches(words, toy_rollouts())
    a, b, c = make_batches(3), batches(words, toy_rollouts())(3), make_batches(4)
    jax.tree.map(np.testing.assert_array_equal, a, b)
    assert not np.array_equal(a.token, c.token)


def test_half_of_the_explained_rollouts_follow_any_text(words):
    rollouts, document = toy_rollouts(20), " ".join(TEXTS)
    only = TaskShares(**{f.name: float(f.name == "explanation") for f in dataclasses.fields(TaskShares)})

    def explained(said):
        make_batches = Batches(rollouts, GOALS, words, only, said, numeric_spec(rollouts, 3), rows=8, length=64, seed=0)
        sequences = [s for _, s in zip(range(1000), make_batches.sequences(0))]
        assert max(s.length for s in sequences) <= make_batches.length
        return make_batches, [s for s in sequences if STATE in np.concatenate(s.kind)]

    ids = words.encode(document)
    pieces = {tuple(ids[i : i + n]) for n in range(len(ids) + 1) for i in range(len(ids))}
    for said, share in ((GoalLanguage(), 0), (GoalLanguage(document=lambda rng: document), 0.5)):
        make_batches, sequences = explained(said)
        known = {tuple(prompt[1:]) for prompt in make_batches.explanation_prompts}
        other, answers = [], set()
        for s in sequences:
            kind, token = np.concatenate(s.kind), np.concatenate(s.token)
            first, last = np.flatnonzero(kind != TEXT)[[0, -1]]
            assert token[0] == words.bos_id and not np.concatenate(s.weight)[: first - 1].any()
            prompt = tuple(token[1:first].tolist())
            other += [prompt] if prompt not in known else []
            answers.add(words.decode(token[last + 1 :].tolist()))
        assert set(other) <= pieces and abs(len(other) / len(sequences) - share) < 0.05
        assert len(set(other)) > 50 or not share
        assert answers == {f"goal : {text}" for text in TEXTS}


def test_reading_comes_first(words):
    rollouts = toy_rollouts(20)
    spec = numeric_spec(rollouts, 3, hidden=32)
    said = GoalLanguage(document=lambda rng: TEXTS[0], describe=describe)

    def build(shares, reading):
        return Batches(rollouts, GOALS, words, shares, said, spec, rows=8, length=64, seed=0, description_steps=reading)

    plain, first = build(TaskShares(), 0), build(TaskShares(), 2)
    asked = first(1)
    # Descriptions ask for facts alone, and for no state or action.
    assert set(np.unique(asked.kind[:, 1:][asked.weight[:, :-1] > 0])) == {TEXT}
    assert set(np.unique(asked.weight)) == {0.0, FACT_WEIGHT} != set(np.unique(first(2).weight))
    jax.tree.map(np.testing.assert_array_equal, first(2), plain(2))
    # Where descriptions are left out, nothing is read first.
    without = TaskShares(description=0.0)
    jax.tree.map(np.testing.assert_array_equal, build(without, 2)(0), build(without, 0)(0))


def test_loss_of_known_predictions(words):
    """With all heads at zero the loss is log V, log 4 (three actions and the end), the targets' mean square."""
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    params = jax.tree.map(jnp.zeros_like, params)
    out = batches(words, rollouts)(0)
    total, terms = grounding_loss(model, {"params": params}, out, LossWeights(text=1.0, action=0.25, state=4.0))
    asked = (out.weight[:, :-1] > 0) & (out.kind[:, 1:] == STATE)
    change = (out.value[:, 1:] - out.base[:, :-1])[asked] / np.asarray(model.spec.change_std)
    weight = out.weight[:, :-1][asked]
    state = np.sum((change**2).mean(-1) * weight) / weight.sum()
    assert np.isclose(terms["text_loss"], np.log(words.vocab_size), rtol=1e-5)
    assert np.isclose(terms["action_loss"], np.log(4), rtol=1e-5)
    assert np.isclose(terms["state_loss"], state, rtol=1e-4)
    assert np.isclose(total, np.log(words.vocab_size) + 0.25 * np.log(4) + 4 * state, rtol=1e-4)


def test_order_of_the_rows_does_not_matter(words):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    out = batches(words, rollouts)(0)
    turned = jax.tree.map(lambda x: x[::-1], out)
    np.testing.assert_allclose(
        *(grounding_loss(model, {"params": params}, r, LossWeights())[0] for r in (out, turned)), rtol=1e-5
    )


@pytest.mark.parametrize("continuous", [False, True])
def test_training_learns_the_toy_world_and_imagines_it(words, continuous, tmp_path):
    rollouts = toy_rollouts(256, continuous=continuous)
    model, params = make(words, rollouts)
    config = TrainConfig(240, learning_rate=5e-3, log_every=20)
    params, curve = fit(model, params, batches(words, rollouts), config)
    assert curve[-1]["state_loss"] < 0.1 * curve[0]["state_loss"]
    save_grounded(tmp_path, model, params, words)
    model_again, params, _ = load_grounded(tmp_path)
    assert model_again == model
    sequences = [RowSequence(3).text(goal_prompt(words, TEXTS[i % 4])).state(np.zeros(3)) for i in range(8)]
    prompts = rows.align_right(sequences, 24, 3)
    family, goal, keys = np.zeros(8, np.int32), GOALS.array[np.arange(8) % 4], jax.random.split(jax.random.key(0), 8)

    def stop(family, goal, state, action, following):
        return jnp.abs(following[:, 0]) > 0.25

    states, _, length, success = decode.generate_rollouts(
        params, prompts, np.zeros((8, 3), np.float32), family, goal, keys, 0.0, model=model, stop=stop, horizon=6
    )
    assert np.asarray(success).all() and (np.asarray(length) <= 4).all()
    final = np.asarray(states)[np.arange(8), np.asarray(length)]
    assert (np.sign(final[:, 0]) == np.where(np.arange(8) % 2, -1, 1)).all()  # words decide the direction
    assert (np.asarray(states)[0, int(length[0]) + 1 :] == 0).all()
    if continuous:
        with pytest.raises(ValueError, match="discrete actions"):
            rollout_log_probs(model, params, [], rollouts.take(slice(0, 0)))
        return
    # The words that a rollout was made for explain it better than the opposite ones.
    right, wrong = (
        rollout_log_probs(model, params, [goal_prompt(words, TEXTS[(g + off) % 2]) for g in rollouts.goal], rollouts)
        for off in (0, 1)
    )
    assert (right > wrong).mean() > 0.9
    _check_likeliest_gists(model, params, words, toy_rollouts(64, seed=1))
    _check_what_is_told(model, params, words, toy_rollouts(64, seed=2))


def _check_what_is_told(model, params, words, rollouts):
    """Sentences tell their gists, whatever the rollout shows; where none is understood the first ones stay."""
    asked = (model, params, words, rollouts, "start :")
    gists = np.array(["red", "blu"])[rollouts.goal]

    def told(gists, **known):
        return np.array([text[9:12] for text in generate_explanations(*asked, gists, GoalLanguage(**known))])

    heard = {"summary_of_plan": lambda plan: plan}
    assert (told(gists, **heard) == gists).all()
    assert (told(gists, renamings=lambda count: [UpsideDown()], **heard) == gists).all()
    assert (told([""] * 64) == gists).mean() > 0.9  # the model's own
    # Never understood: the first sentences stay.
    assert (told(gists, summary_of_plan=lambda plan: "") == told(gists)).all()


@dataclasses.dataclass(frozen=True)
class UpsideDown:
    """A renaming (`GoalLanguage.renamings`) of the toy world: up is down; gists are exchanged, or left as they are."""

    exchange: bool = True

    @property
    def inverse(self):
        return self

    def observations(self, observations):
        return -observations

    def actions(self, actions):
        return 2 - actions

    def goal_summary(self, text):
        return {"red": "blu", "blu": "red"}.get(text, text) if self.exchange else text

    def text(self, text):
        return " ".join({"red": "blue", "blue": "red"}.get(word, word) for word in text.split(" "))


def _check_likeliest_gists(model, params, words, rollouts):
    """They name the goal; of gists drawn blindly, what the model would itself do for them alone decides."""
    asked = (model, params, words, rollouts, "start :")
    meaning = {short(0, GOALS.array[g]): TEXTS[g] for g in (0, 1)}
    turned = dict(zip(meaning, reversed(meaning.values())))
    right = np.array([short(0, GOALS.array[g]) for g in rollouts.goal])

    def share(goals, draws=16, **known):
        said = likeliest_goal_summaries(*asked, GoalLanguage(subgoal_of_summary=goals.get, **known), draws)
        return np.mean(np.array(said) == right)

    assert share(meaning, 8) > 0.95
    # The world turned upside down is the same world with the goals' names exchanged; other names would be wrong.
    assert share(meaning, 8, renamings=lambda count: [UpsideDown(), UpsideDown()]) > 0.95
    assert share(meaning, 8, renamings=lambda count: [UpsideDown(exchange=False)]) < 0.2
    assert likeliest_goal_summaries(*asked, GoalLanguage(subgoal_of_summary={}.get, summary_question={}.get), 1) == [
        ""
    ] * len(rollouts)
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            explanations, "generate_answers", lambda *args, **options: rng.choice(list(meaning), len(rollouts))
        )
        assert share(meaning) > 0.9
        assert share(turned) < 0.1
        # Where actions say nothing, that a goal is reached at the end, and not before.
        patch.setattr(
            explanations, "rollout_log_probs", lambda model, params, prompts, rollouts: np.zeros(len(prompts))
        )
        up = dataclasses.replace(rollouts, length=np.ones_like(rollouts.length), observations=np.zeros((64, 2, 3)))
        up.observations[:, :, 0] = np.where(np.arange(64) % 2, -1.0, 1.0)[:, None] * [-1.0, 1.0]
        question = {"red": ("goal", "go"), "blu": ("goal", "stay")}.get
        said = likeliest_goal_summaries(
            *(*asked[:3], up, "start :"), GoalLanguage(subgoal_of_summary=meaning.get, summary_question=question), 16
        )
        assert np.mean(np.array(said) == np.where(np.arange(64) % 2, "blu", "red")) > 0.9


def test_imagined_rollouts_equal_an_uncached_pass_and_do_not_depend_on_the_batch(words):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    first = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    sequences = [RowSequence(3).text(goal_prompt(words, TEXTS[i % 4])).state(first[i]) for i in range(6)]
    keys = jax.random.split(jax.random.key(5), 6)

    def never(family, goal, state, action, following):
        return jnp.zeros(following.shape[0], bool)

    def run(index, length):
        index = np.asarray(index)
        return decode.generate_rollouts(
            params,
            rows.align_right([sequences[i] for i in index], length, 3),
            first[index],
            np.zeros(len(index), np.int32),
            np.zeros((len(index), 2), np.int32),
            keys[index],
            1.0,
            model=model,
            stop=never,
            horizon=10,
        )

    states, actions, length, _ = (np.asarray(x) for x in run(range(6), 20))
    assert (length == 10).all()
    alone = run([4, 2], 28)  # other neighbours, more padding
    np.testing.assert_allclose(alone[0], states[[4, 2]], atol=1e-4)
    np.testing.assert_array_equal(alone[1], actions[[4, 2]])
    whole = rows.pack(
        [
            RowSequence(3).text(goal_prompt(words, TEXTS[i % 4])).rollout(states[i], actions[i], 1.0, 1.0)
            for i in range(6)
        ],
        6,
        40,
        3,
    )
    bound = model.bind({"params": params})
    predicted = np.asarray(bound.next_state(bound.hidden(whole), jnp.asarray(whole.base)))
    asked = (whole.weight[:, :-1] > 0) & (whole.kind[:, 1:] == STATE)
    np.testing.assert_allclose(predicted[:, :-1][asked], whole.value[:, 1:][asked], atol=1e-4)


def test_a_killed_training_ends_the_same_measured_or_not(words, tmp_path):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    config, seen = TrainConfig(12, log_every=3, checkpoint_every=4), []
    straight, curve = fit(model, params, batches(words, rollouts), config, tmp_path / "straight")

    class KilledError(Exception):
        pass

    def die(step, **_):
        if step >= 9:
            raise KilledError

    def measure(step, now):
        seen.append((step, np.array(now["llm"]["embedding"]["embedding"])))

    config = dataclasses.replace(config, measure_every=5)
    again = (model, params, batches(words, rollouts), config, tmp_path / "killed")
    with pytest.raises(KilledError):
        fit(*again, progress=die, measure=measure)
    resumed, curve_again = fit(*again, measure=measure)
    assert [step for step, _ in seen] == [5, 10, 12]
    assert not np.array_equal(seen[0][1], seen[1][1])
    np.testing.assert_array_equal(seen[-1][1], straight["llm"]["embedding"]["embedding"])
    jax.tree.map(np.testing.assert_array_equal, resumed, straight)
    assert [row["step"] for row in curve_again] == [row["step"] for row in curve]
    assert curve_again[-1] == curve[-1]


def test_goal_vectors_and_explanations(words):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    vectors = decode.encode_goals(model, params, words, TEXTS, batch=3)
    assert vectors.shape == (4, 32) and not np.allclose(vectors[0], vectors[1])
    np.testing.assert_allclose(decode.encode_goals(model, params, words, TEXTS[:1]), vectors[:1], atol=1e-5)
    said = explain(model, params, words, rollouts.take(slice(0, 3)), "rollout :")
    assert len(said) == 3 and all(isinstance(s, str) for s in said)


def test_few_rows_take_a_smaller_batch_and_say_the_same(words):
    rollouts = toy_rollouts()
    model, params = make(words, rollouts)
    assert [decode.smaller_batch(128, n) for n in (0, 16, 17, 500)] == [16, 16, 128, 128]
    assert decode.smaller_batch(4, 1) == 4
    prompts = [decode.goal_prompt(words, text) for text in TEXTS]
    several = decode.generate_answers(model, params, words, prompts * 5, temperature=1.0, seed=3, batch=40)
    assert several[:4] == decode.generate_answers(model, params, words, prompts, temperature=1.0, seed=3, batch=40)
    few = rollout_log_probs(model, params, prompts, rollouts.take(slice(0, 4)), batch=32)
    many = rollout_log_probs(model, params, prompts, rollouts.take(slice(0, 4)), batch=31)
    np.testing.assert_allclose(few, many, rtol=1e-5)
