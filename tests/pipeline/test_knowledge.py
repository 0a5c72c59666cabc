"""What a language model knows of words: templates that are held out, intervals, and the table."""

import numpy as np
import pytest

from kalm_jax.files import read_csv
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.pipeline import knowledge
from kalm_jax.pipeline.planner_config import KnowledgeConfig, TextTraining
from kalm_jax.worlds.base import get_world


def row(condition="a", template="t", seed=0, allowed=1, free=0, level="rephrase", sentences="all"):
    return {
        **{"condition": condition, "template": template, "seed": seed, "allowed": allowed, "free": free},
        **{"level": level, "sentences": sentences, "sentence": "s", "subgoals": "p", "answer": "q"},
    }


def test_templates_are_sentences_without_the_words_of_subgoals():
    world = get_world("clevr")
    sentences = [goal for goal in world.goals("rephrase").text if goal.startswith("park the")]
    assert len(sentences) == 20 and len({knowledge.template_of(world, text) for text in sentences}) == 1
    assert (
        knowledge.template_of(world, "park the red ball on the blue ball's left")
        == "park the _ ball on the _ ball 's _"
    )
    levels = {
        level: {knowledge.template_of(world, t) for t in world.goals(level).text} for level in ("offline", "rephrase")
    }
    assert not levels["offline"] & levels["rephrase"]


def test_intervals_draw_templates_and_seeds_again():
    # Every template has a rate of its own: the interval is that of a mean of ten numbers, however many sentences.
    rates = np.arange(10) / 9
    rows = [row(template=str(k), allowed=int(i < 9 * rate)) for k, rate in enumerate(rates) for i in range(9)]
    mean, low, high = knowledge.bootstrap(rows, "allowed")
    spread = rates.std() / np.sqrt(10)
    assert mean == pytest.approx(0.5) and (high - low) / 2 == pytest.approx(1.96 * spread, rel=0.1)
    assert knowledge.bootstrap(rows * 7, "allowed") == (mean, low, high)
    seeds = [row(template=str(k), seed=s, allowed=s % 2) for k in range(5) for s in range(4)]
    mean, low, high = knowledge.bootstrap(seeds, "allowed")
    assert mean == 0.5 and low <= 0.05 and high >= 0.95  # seeds differ, templates do not
    assert knowledge.bootstrap([row()] * 3, "free") == (0.0, 0.0, 0.0)


def test_the_table_and_where_each_fails():
    rows = [row(), row(allowed=0, template="u"), row("b", sentences=""), row("b", sentences="", level="unseen_easy")]
    found = knowledge.summarize(rows)
    lines = knowledge.table(found).splitlines()
    assert lines[2].startswith("| a | all | 1 | 50 [0, 100] | - |") and lines[3].startswith(
        "| b | - | 1 | 100 [100, 100]"
    )
    assert "0% right, rephrase: 's' is 'p', and the answer was 'q'" in knowledge.hardest(rows)


@pytest.mark.slow
def test_conditions_are_measured_on_other_templates_and_kept(tmp_path, capsys):
    config = KnowledgeConfig(("random-moves", "probe-builtin"), sentences=("all", "40"), tested=20, moves=4, seeds=1)
    training = TextTraining(steps=2, rows=2)
    asked = (tmp_path, "clevr", str(BUILTIN), config, training)
    found = knowledge.run(*asked, command="x")
    assert {(r["condition"], r["sentences"], r["seeds"]) for r in found} == {
        ("random-moves", "", 1),
        ("probe-builtin", "", 1),
    }
    assert max(r["allowed"] for r in found) < 0.6
    world = get_world("clevr")
    taught = {knowledge.template_of(world, text) for text, _ in knowledge.few_moves(world, 4, 0)}
    tested = read_csv(tmp_path / "random-moves-0" / "answers.csv")
    assert len(taught) == 4 and not taught & {r["template"] for r in tested}
    assert (tmp_path / "knowledge.png").stat().st_size > 10_000
    before = (tmp_path / "knowledge.csv").read_bytes()
    capsys.readouterr()
    knowledge.run(*asked, command="x")
    assert (tmp_path / "knowledge.csv").read_bytes() == before
    assert capsys.readouterr().out.count("done before") == 3  # the vectors, too


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"conditions": ("prompt",)}, "no chat template"),
        ({"conditions": ("random-moves",), "moves": 400}, "--moves=400 leaves none of the 400"),
        ({"conditions": ("random",), "sentences": ("all", "5000")}, "--sentences=5000"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is_written(tmp_path, changed, said):
    with pytest.raises(ValueError, match=said):
        knowledge.run(tmp_path / "new", "clevr", str(BUILTIN), KnowledgeConfig(**changed), TextTraining())
    with pytest.raises(ValueError, match="planner_lora_rank"):
        knowledge.run(tmp_path / "new", "clevr", str(BUILTIN), KnowledgeConfig(), TextTraining(lora_rank=4000))
    assert not (tmp_path / "new").exists()
