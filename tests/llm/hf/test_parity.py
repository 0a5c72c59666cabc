"""Logits of seven families against `transformers`' torch model: golden files everywhere, torch itself where it is."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from benchmarks.pretrain import train_tokenizer
from kalm_jax.llm.hf import parity
from kalm_jax.llm.hf.config import read_config
from kalm_jax.llm.hf.folder import load_model, save_model
from kalm_jax.llm.hf.weights import load_weights, weight_files
from kalm_jax.llm.transformer import stack_layers, unstack_layers
from tests.llm.families import FAMILIES, GOLDEN, batch, write_family

TOLERANCE = 1e-4


def load(folder, scan_layers=False):
    config = dataclasses.replace(read_config(folder), scan_layers=scan_layers)
    return config, load_weights(folder, weight_files(folder), config)


def differences(folder, want, ids, valid):
    """Of the full and the cached pass, unrolled and scanned."""
    for scan in (False, True):
        config, params = load(folder, scan)
        for logits in (parity.full_logits, parity.cached_logits):
            yield parity.largest_difference(logits(config, params, ids, valid), want, valid)


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_equal_those_that_transformers_gave(family):
    ids, valid = batch()
    want = np.load(GOLDEN / family / "logits.npy")
    assert np.abs(want[valid]).max() > 2.0  # else a small difference would say little
    assert max(differences(GOLDEN / family, want, ids, valid)) < TOLERANCE


@pytest.mark.parametrize(
    "family, change",
    [
        ("llama3_scaled", {"rope_scaling": None}),
        ("mistral_window", {"sliding_window": 0}),
        ("mistral_window", {"sliding_window": 6}),
        ("llama2", {"norm_eps": 1e-2}),
        ("llama2", {"rope_theta": 20000.0}),
    ],
)
def test_the_golden_logits_notice_a_wrong_setting(family, change):
    config, params = load(GOLDEN / family)
    ids, valid = batch()
    logits = parity.full_logits(dataclasses.replace(config, **change), params, ids, valid)
    assert parity.largest_difference(logits, np.load(GOLDEN / family / "logits.npy"), valid) > 10 * TOLERANCE


def test_stacked_layers_are_the_same_parameters():
    params, stacked = load(GOLDEN / "qwen3")[1], load(GOLDEN / "qwen3", scan_layers=True)[1]
    jax.tree.map(np.testing.assert_array_equal, stack_layers(params), stacked)
    jax.tree.map(np.testing.assert_array_equal, unstack_layers(stacked), params)


def test_settings_are_read_as_transformers_4_and_5_write_them(tmp_path):
    raw = json.loads((GOLDEN / "llama3_scaled" / "config.json").read_text())
    rope = raw.pop("rope_parameters")
    before = {**raw, "rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
    (tmp_path / "config.json").write_text(json.dumps(before))
    assert read_config(tmp_path) == read_config(GOLDEN / "llama3_scaled")


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_and_we_open_each_others_folders(family, tmp_path):
    """Larger models and longer prompts than the golden ones; then our export of each."""
    pytest.importorskip("torch")
    words = train_tokenizer(["push the red ball to the left"], 300)
    changes = {"hidden_size": 64, "num_hidden_layers": 3, "vocab_size": words.vocab_size + 7}
    ids, valid = batch(length=50, words=words.vocab_size)
    write_family(family, tmp_path / "theirs", **changes)
    words.save(tmp_path / "theirs")
    want = parity.torch_logits(tmp_path / "theirs", ids, valid)
    assert max(differences(tmp_path / "theirs", want, ids, valid)) < TOLERANCE
    config, params, _ = load_model(tmp_path / "theirs", scan_layers=True)
    save_model(tmp_path / "ours", config, params, words, shard_bytes=100_000)
    assert len(list((tmp_path / "ours").glob("*.safetensors"))) > 1
    assert parity.largest_difference(parity.torch_logits(tmp_path / "ours", ids, valid), want, valid) == 0
    again = load_model(tmp_path / "ours", scan_layers=True)
    assert again[0] == config
    jax.tree.map(np.testing.assert_array_equal, again[1], params)
