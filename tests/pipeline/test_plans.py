"""Sentences that ask for a goal are understood, others are not: the built-in model in CLEVR-Robot, and the limits."""

import functools
import json

import jax
import numpy as np
import pytest

from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from kalm_jax.pipeline.plans import Planner
from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import get_world
from tests.paths import DATA

NON_GOALS = json.loads((DATA / "non_goals.json").read_text())
"""Sentences in English and in other languages that ask for nothing with the balls, random letters, and nothing. The
limit was set when those that were "looked_at" were known; the "held_out" ones were written and tried afterwards."""

NEAR_GOALS = json.loads((DATA / "near_goals.json").read_text())
"""Sentences in the words of the world that ask for none of its goals: prohibitions, questions, other colors, amounts,
what cannot be. The "looked_at" were known when `GoalLanguage.objection` was written; of the "held_out" 10 of 60 were
taken for goals when first tried, and the checks were extended; the "fresh" ones were tried after that."""


@functools.cache
def planner(own_words=False, objects=True):
    """The built-in model as a planner of CLEVR-Robot, with or without its objections."""
    config, llm, tokenizer = load_model(BUILTIN)
    spec = NumericSpec(1, num_actions=1, mean=(0.0,), std=(1.0,), change_std=(1.0,), hidden=4)
    model, world = GroundedModel(config, spec), get_world("clevr")
    params = {**init_params(model, jax.random.key(0)), "llm": llm}
    read_plan = None if own_words else world.language.read_plan
    objection = world.language.objection if objects else None
    return Planner(Grounded(model, params, tokenizer), read_plan, world.validation_goals().text, 128, objection)


@pytest.mark.slow
def test_goals_are_understood_and_other_sentences_are_not():
    """Measured: 98 to 100% of each level, 97% of the wordings; none of 60 and 40 others."""
    understand, world = planner(), get_world("clevr")
    every = {LEVELS[0]: 32}  # where as many as 810 were understood, all of them
    groups = {level: world.goals(level).text[:: every.get(level, 8)] for level in LEVELS}
    groups["wordings"] = [wording["text"] for wording in json.loads((DATA / "wordings.json").read_text())]
    shares = {name: np.mean([p.understood for p in understand.plans(texts)]) for name, texts in groups.items()}
    assert min(shares.values()) >= 0.97, shares
    for name, texts in NON_GOALS.items():
        wrong = [plan.sentence for plan in understand.plans(texts) if plan.understood]
        assert len(texts) >= 40 and len(wrong) <= 0.1 * len(texts), (name, wrong)


@pytest.mark.slow
def test_sentences_near_a_goal_are_refused_with_a_reason():
    plans = {name: planner().plans(texts[::3]) for name, texts in NEAR_GOALS.items()}
    for name, found in plans.items():
        wrong = [plan.sentence for plan in found if plan.understood]
        assert len(wrong) <= 0.2 * len(found), (name, wrong)
        assert all(bool(plan.reason) != plan.understood for plan in found)


@pytest.mark.slow
def test_a_plan_has_subgoals_confidence_and_steps():
    clear, other, empty = planner().plans(["put the red ball left of the blue one", "make me a sandwich", " "])
    assert clear.understood and clear.confidence > 0.9 and clear.subgoals == ("red left blue",)
    world = get_world("clevr")
    family, array = world.goal_of_subgoals([(s.text, s.family, s.array) for s in clear.steps])
    assert world.families[family] == "relation" and array[:3] == (0, 1, 1)
    for plan in (other, empty):
        assert not plan.understood and plan.subgoals == () and plan.confidence < 0.1 and plan.reason
    assert empty.confidence == 0 and empty.reason == "is empty" and clear.reason == ""


@pytest.mark.parametrize("objects", [True, False])
def test_without_subgoals_the_sentence_alone_is_weighed(objects):
    sentences = ["push the red ball behind the blue ball", "who wrote Hamlet"]
    clear, other = planner(own_words=True, objects=objects).plans(sentences)
    assert clear.understood and clear.subgoals == (clear.sentence,) and clear.steps == ()
    assert not other.understood


@pytest.mark.slow
def test_sentences_in_peoples_words_by_kind():
    """Measured: 9% of 296 that ask for no goal are taken for one, 4% of 207 that do are refused."""
    requests = json.loads((DATA / "requests.json").read_text())
    for name, asks, most in (("goals", True, 0.08), ("no goals", False, 0.15)):
        texts = [text for kind in requests[name].values() for text in kind][::2]
        wrong = [plan.sentence for plan in planner().plans(texts) if plan.understood != asks]
        assert len(wrong) <= most * len(texts), (name, wrong)


def test_a_sentence_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match=r"'push the red ball.*' has 1000017 characters.*the limit is 128 tokens"):
        planner().plans(["push the red ball" + " ball" * 200_000])
