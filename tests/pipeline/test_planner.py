"""Planners: what they may answer, what they learn from, and that they learn it."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from kalm_jax.grounding.automaton import one_or_several
from kalm_jax.grounding.config import NO_NUMBERS
from kalm_jax.grounding.decoding import generate_answers
from kalm_jax.grounding.model import Grounded, GroundedModel, init_params
from kalm_jax.grounding.tasks import plan_prompt
from kalm_jax.llm.hf.folder import BUILTIN, save_model
from kalm_jax.llm.tokenizer import load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig
from kalm_jax.pipeline.planner import (
    answer,
    answer_chat,
    fit_planner,
    pairs_of,
    subgoal_automaton,
    text_model,
    training_pairs,
)
from kalm_jax.pipeline.planner_config import TextTraining
from kalm_jax.worlds.base import get_world
from tests.llm.tokenizers import KINDS

SUBGOALS = ("red left blue", "red left blue ball", "move red left", "move")
SENTENCES = ["put the red one left of blue", "shift red", "line them up", "anything at all"]


def untrained(words, seed=0):
    """A small model with random weights, which writes nonsense."""
    model = GroundedModel(LlamaConfig(words.vocab_size, 32, 2, 2, 2, 16, 64), NO_NUMBERS)
    return Grounded(model, init_params(model, jax.random.key(seed)), words)


def all_paths(automaton, end, longest):
    """Every token sequence of at most so many tokens that an automaton allows, without its end."""
    found, open_ = set(), [((), 0)]
    while open_:
        ids, state = open_.pop()
        for token, after in zip(automaton.token[state], automaton.next[state], strict=True):
            if token == end:
                found.add(ids)
            elif token >= 0 and len(ids) < longest:
                open_.append(((*ids, int(token)), int(after)))
    return found


def test_an_automaton_allows_one_piece_or_several():
    pieces, between, end = [[5, 6], [5, 7, 8], [5, 6, 9]], [3, 4], 1
    found = all_paths(one_or_several(pieces, between, end), end, 7)
    single = {tuple(p) for p in pieces}
    joined = {(*a, *between, *b) for a in single for b in single}
    assert found == single | {ids for ids in joined if len(ids) <= 7}
    first = [[20 + i for i in ids] for ids in pieces]  # as a text begins with them
    found = all_paths(one_or_several(pieces, between, end, first), end, 7)
    begin = {tuple(p) for p in first}
    assert found == begin | {(*a, *between, *b) for a in begin for b in single if len(a) + len(b) <= 5}


@pytest.mark.parametrize("kind", ["GPT-2", "Llama 2"])
def test_a_model_answers_with_subgoals_and_nothing_else(kind):
    words = KINDS[kind]([*SUBGOALS, *SENTENCES, "=> and"] * 3)
    grounded = untrained(words)
    assert not set(answer(grounded, SENTENCES)) & set(SUBGOALS)
    for text in answer(grounded, SENTENCES, SUBGOALS):
        whole = text.split(" and ")
        assert set(whole[:-1]) <= set(SUBGOALS)  # a text that is cut at its longest may end anywhere
        assert len(whole) > 3 or whole[0] in SUBGOALS


def test_what_is_allowed_does_not_change_what_the_model_would_say_anyway():
    grounded, language = text_model(""), get_world("clevr").language
    sentences = [goal for level in ("rephrase", "unseen_hard") for goal in get_world("clevr").goals(level).text[::90]]
    free = answer(grounded, sentences)
    known = [i for i, text in enumerate(free) if language.read_plan(text)]
    assert len(known) > len(sentences) / 2
    allowed = answer(grounded, sentences, language.subgoals())
    assert all(language.read_plan(text) for text in allowed)
    assert [allowed[i] for i in known] == [free[i] for i in known]
    prompts = [plan_prompt(grounded.tokenizer, text) for text in sentences[:3]]
    automaton = subgoal_automaton(grounded.tokenizer, language.subgoals())
    assert generate_answers(grounded, prompts, automaton=automaton) == allowed[:3]


def test_training_pairs():
    world = get_world("clevr")
    known, rng = dict(pairs_of(world, world.goals("offline"))), np.random.default_rng(0)
    sample = training_pairs(world, "data")
    assert all(known[sentence] == plan for sentence, plan in (sample(rng) for _ in range(50)))
    few = training_pairs(world, "data", 5, seed=1)
    assert len({few(rng) for _ in range(200)}) == 5 and few(np.random.default_rng(2)) == few(np.random.default_rng(2))
    more = [("shove red", "move red left")]
    mixed = training_pairs(world, "data", 5, 1, more, 0.25)
    share = np.mean([mixed(rng) in more for _ in range(400)])
    assert 0.15 < share < 0.35
    wording, plan = training_pairs(world, "grammar")(rng)
    assert world.language.read_plan(plan) and wording not in known
    bare = dataclasses.replace(world.language, sample_plan=None, plan=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(world), "language", bare)
        for text in ("grammar", "data"):
            with pytest.raises(ValueError, match="planner"):
                training_pairs(world, text)


@pytest.mark.parametrize(("rank", "layers", "random"), [(8, 2, False), (0, 1, True)])
def test_a_planner_learns_what_it_is_taught_and_continues_when_killed(tmp_path, rank, layers, random):
    pairs = [("apples please", "red left blue"), ("pears please", "blue front green"), ("plums", "move red left")]
    sample = lambda rng: pairs[int(rng.integers(3))]  # noqa: E731
    training = TextTraining(steps=40, rows=2, row_length=64, learning_rate=1e-2, lora_rank=rank, layers=layers)
    options = {"seed": 1, "random": random}
    whole = fit_planner("", sample, training, folder=tmp_path / "whole", **options)
    assert whole.model.config.layers == layers

    drawn = itertools.count()

    def killed(rng):
        if next(drawn) > 250:
            raise InterruptedError
        return sample(rng)

    with pytest.raises(InterruptedError):
        fit_planner("", killed, training, folder=tmp_path / "again", **options)
    again = fit_planner("", sample, training, folder=tmp_path / "again", **options)
    jax.tree.map(np.testing.assert_array_equal, whole.params, again.params)
    subgoals = get_world("clevr").language.subgoals()
    assert answer(whole, [text for text, _ in pairs], subgoals) == [plan for _, plan in pairs]


def test_prompts_in_a_chat(tmp_path):
    words = KINDS["GPT-2"]([*SUBGOALS, *SENTENCES] * 3)
    with pytest.raises(ValueError, match="no chat template"):
        answer_chat(untrained(words), SENTENCES, [(SENTENCES[0], SUBGOALS[0])])
    words._tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }} {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant "
        "{% endif %}"
    )
    template = words._tokenizer.chat_template
    for broken in ("{{ 1 / 0 }}", "{% for %}", "{{ raise_exception('no') }}"):
        words._tokenizer.chat_template = broken
        with pytest.raises(ValueError, match="its chat template fails"):
            words.chat([{"role": "user", "content": "x"}])
    words._tokenizer.chat_template = template
    config = LlamaConfig(words.vocab_size, 32, 2, 2, 2, 16, 64)
    model = GroundedModel(config, NO_NUMBERS)
    save_model(tmp_path, config, init_params(model, jax.random.key(0))["llm"], words)
    grounded = text_model(str(tmp_path))
    shown = grounded.tokenizer.decode(
        grounded.tokenizer.chat([{"role": "user", "content": "shift red"}, {"role": "assistant", "content": "move"}])
    )
    assert shown == "user shift red\nassistant move\nassistant"
    said = answer_chat(grounded, SENTENCES, [(SENTENCES[0], SUBGOALS[0])], SUBGOALS)
    assert all(any(subgoal.startswith(text.split(" and ")[-1]) for subgoal in SUBGOALS) for text in said)


def test_the_built_in_model_has_a_tokenizer_of_its_own():
    assert text_model("").tokenizer.encode("red") == load_tokenizer(BUILTIN).encode("red")
