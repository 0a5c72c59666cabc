"""Which sentences are encoded, and that policies learn from these alone."""

import dataclasses
import shutil

import numpy as np
import pytest

from kalm_jax import load_run
from kalm_jax.grounding.decoding import encode_goals
from kalm_jax.llm.hf.folder import BUILTIN, load_model, save_model
from kalm_jax.llm.transformer import first_layers
from kalm_jax.pipeline import config as configs
from kalm_jax.pipeline.artifacts import (
    encoded_goals,
    evaluation_sets,
    goal_vectors,
    goals_of,
    learned_goals,
    met_sentences,
    met_vectors,
    sentences_to_encode,
    true_meanings,
)
from kalm_jax.pipeline.grounding import check_encoder
from kalm_jax.pipeline.planner import text_model
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.stages.collect import run_collect
from kalm_jax.pipeline.stages.encode import WHITENED, run_encode, run_encoder, run_whiten
from kalm_jax.pipeline.stages.learn import learning_data
from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import get_world

CONFIG = dataclasses.replace(
    configs.load_presets("clevr")["smoke"],
    collect=configs.CollectConfig(rollouts=60, behavior="scripted"),
    learn=configs.LearnConfig(seeds=2, wordings=3, whitening=0.0),
    evaluate=configs.EvaluateConfig(episodes=5),
)
PARTS = ("data", *LEVELS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with its real rollouts; the vector of a sentence has its number in the world, and its length."""
    run = PipelineRun(tmp_path_factory.mktemp("run"), CONFIG, say=lambda text: None)
    run_collect(run)
    for part in PARTS:
        goals = goals_of(run, part)
        index = sentences_to_encode(run, goals, part)
        vectors = np.zeros((len(goals), 2), np.float32)
        vectors[index] = [(i + 1, len(goals.text[i])) for i in index]

        def work(folder, vectors=vectors, index=index):
            np.save(folder / "vectors.npy", vectors)
            np.save(folder / "encoded.npy", index)

        run.stage(f"encode/{part}", {}, [], work)
    return run


def keys(goals):
    return [(int(f), *map(float, a)) for f, a in zip(goals.family, goals.array, strict=True)]


@pytest.mark.parametrize("part", PARTS)
def test_some_sentences_of_every_goal_and_all_of_the_tests(run, part):
    goals = goals_of(run, part)
    index = sentences_to_encode(run, goals, part)
    every, chosen = keys(goals), [keys(goals)[i] for i in index]
    level = "offline" if part == "data" else part
    played = evaluation_sets(run, level)
    tested = {episodes.goals.text[g] for *_, episodes in played for g in episodes.goal}
    met = met_sentences(run.world, goals, part)
    texts = {goals.text[i] for i in index}
    assert tested & set(goals.text) <= texts
    for key in set(every):
        known = sum(met[i] for i in range(len(goals)) if every[i] == key)
        extra = sum(goals.text[i] in tested for i in range(len(goals)) if every[i] == key)
        assert min(3, known) <= chosen.count(key) <= max(3, extra) + sum(not m for m in met[index])
    everything = dataclasses.replace(CONFIG, learn=dataclasses.replace(CONFIG.learn, wordings=0))
    whole = PipelineRun(run.path, everything, command=None)
    np.testing.assert_array_equal(sentences_to_encode(whole, goals, part), np.arange(len(goals)))


def test_goals_without_rollouts_need_no_sentences(run):
    goals = goals_of(run, "unseen_hard")
    tested = sentences_to_encode(run, goals, "unseen_hard", [])
    met = np.flatnonzero(met_sentences(run.world, goals, "unseen_hard"))
    plans = np.full(len(goals), -1)
    plans[met[:8]], plans[met[8:10]] = 0, 1  # eight sentences with one plan, two with another
    index = sentences_to_encode(run, goals, "unseen_hard", [plans])
    chosen = np.setdiff1d(index, tested)
    assert set(tested) <= set(index) and set(chosen) <= set(met[:10]) and len(tested) <= 10
    assert sum(plans[index] == 0) >= CONFIG.learn.wordings and set(met[8:10]) <= set(index)
    both = sentences_to_encode(run, goals, "unseen_hard", [plans, true_meanings(run, goals, "unseen_hard")])
    assert set(index) <= set(both) and {keys(goals)[i] for i in met} <= {keys(goals)[i] for i in both}


def test_goals_keep_what_they_ask_for(run):
    for part in PARTS:
        goals, kept, (learned, numbers) = goals_of(run, part), encoded_goals(run, part), learned_goals(run, part)
        assert len(kept) < len(goals) and (kept.vector[:, 0] > 0).all()
        index, met = sentences_to_encode(run, goals, part), met_sentences(run.world, goals, part)
        known = [(k, key) for k, key in zip(numbers, keys(goals), strict=True) if k >= 0]
        assert [keys(learned)[k] for k, _ in known] == [key for _, key in known]
        assert {key for _, key in known} == {key for key, m in zip(keys(goals), met, strict=True) if m}
        assert [learned.text[numbers[i]] for i in index if met[i]] == [goals.text[i] for i in index if met[i]]
        assert set(learned.text) == {goals.text[i] for i in index if met[i]}
        np.testing.assert_array_equal(goal_vectors(run, part)[index], kept.vector)
        np.testing.assert_array_equal(met_vectors(run, part), learned.vector)
        assert not goal_vectors(run, part)[np.setdiff1d(np.arange(len(goals)), index)].any()


def test_policies_learn_from_encoded_sentences_alone(run):
    real = goals_of(run, "data")
    buffer = learning_data(run, "offline", 0.0)
    vectors = np.asarray(buffer.goal_vectors)
    assert (vectors[:, 0] > 0).all() and len(vectors) == len(encoded_goals(run, "data"))
    asked = np.asarray(buffer.goal)
    for k in np.unique(asked):
        sentence = real.text[int(vectors[k, 0]) - 1]
        assert len(sentence) == vectors[k, 1]
    everything = dataclasses.replace(CONFIG, learn=dataclasses.replace(CONFIG.learn, wordings=0))
    assert configs.configure(everything, {"wordings": 3}) == CONFIG


@pytest.mark.slow
def test_another_language_model_tells_policies_of_goals(tmp_path):
    config, params, words = load_model(BUILTIN, "float32")
    config, params = first_layers(config, params, 1)
    save_model(tmp_path / "other", config, params, words)
    learn = dataclasses.replace(CONFIG.learn, encoder=str(tmp_path / "other"), whitening=0.1, wordings=1)
    with pytest.raises(FileNotFoundError, match="--encoder"):
        check_encoder(str(tmp_path / "none"), get_world("clevr"))
    folder = tmp_path / "run"
    direct = dataclasses.replace(CONFIG.imagine, plan=False)  # so that no plan says which sentences are learned
    run = PipelineRun(folder, dataclasses.replace(CONFIG, learn=learn, imagine=direct), say=lambda text: None)
    run_collect(run)
    run_encoder(run)
    shutil.move(tmp_path / "other", tmp_path / "moved")
    for part in WHITENED:
        run_encode(run, part)  # without a grounded model
    run_whiten(run)
    index = np.load(folder / "encode/rephrase/encoded.npy")[:3]
    texts = [goals_of(run, "rephrase").text[i] for i in index]
    expected = encode_goals(text_model(str(tmp_path / "moved")), texts)
    found = np.load(folder / "encode/rephrase/vectors.npy")[index]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    whitened = goal_vectors(run, "rephrase")[index]
    np.testing.assert_allclose(load_run(folder).encode(texts), whitened, atol=2e-3)
