"""What config.json may say: settings that change the model are computed or refused by name."""

import json

import pytest

from kalm_jax.llm.hf.config import check_positions, read_config, write_config
from kalm_jax.llm.transformer import LlamaConfig
from tests.llm.small import drop, rewrite


def write_small(path):
    write_config(path, LlamaConfig(300, 16, 2, 2, 1, 8, 24, tie_embeddings=False), {"eos_token_id": 0}, "float32")


WRONG = [float("nan"), float("inf"), 0, -1, "7", True, [1], {}]
"""No number of a model is any of these."""


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_numbers_of_a_config_that_no_model_has(tmp_path, value):
    """Every number of config.json and of its rotary scaling, in whatever type JSON allows."""
    rope = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope["original_max_position_embeddings"] = 64
    write_small(tmp_path)
    plain = [k for k, v in json.loads((tmp_path / "config.json").read_text()).items() if isinstance(v, int | float)]
    plain = [k for k in plain if not k.endswith("_id") and k != "tie_word_embeddings"]
    assert {"vocab_size", "hidden_size", "rope_theta", "rms_norm_eps", "max_position_embeddings"} <= set(plain)
    changes = [(k, {k: value}) for k in plain] + [
        (k, {"rope_scaling": {**rope, k: value}}) for k in rope if k != "rope_type"
    ]
    for key, change in [*changes, ("sliding_window", {"model_type": "mistral", "sliding_window": value})]:
        write_small(tmp_path)
        rewrite(tmp_path, **change)
        with pytest.raises(ValueError, match=rf"config\.json: {key} is .*, want"):
            read_config(tmp_path)
    for change in ({"tie_word_embeddings": "no"}, {"model_type": [value]}, {"rope_scaling": [value]}):
        write_small(tmp_path)
        rewrite(tmp_path, **change)
        with pytest.raises(ValueError, match=next(iter(change))):
            read_config(tmp_path)


def test_a_rotary_scaling_says_how_far_the_model_was_trained(tmp_path):
    write_small(tmp_path)
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rewrite(tmp_path, rope_scaling=rope, max_position_embeddings=512)
    assert read_config(tmp_path).rope_scaling.original == 512
    rewrite(tmp_path, rope_scaling=rope | {"original_max_position_embeddings": 64})
    assert read_config(tmp_path).rope_scaling.original == 64
    rewrite(tmp_path, rope_scaling=rope | {"low_freq_factor": 4.0})
    with pytest.raises(ValueError, match="low_freq_factor 4 is not below high_freq_factor 4"):
        read_config(tmp_path)


ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


CHANGING = [
    ("llama", {"attn_logit_softcapping": 50.0}),
    ("llama", {"final_logit_softcapping": 30.0}),
    ("llama", {"residual_multiplier": 0.22}),
    ("llama", {"embedding_multiplier": 12}),
    ("llama", {"attention_multiplier": 0.0}),
    ("llama", {"logits_scaling": 8.0}),
    ("llama", {"logit_scale": 0.0625}),
    ("llama", {"scale_depth": 1.4}),
    ("llama", {"query_pre_attn_scalar": 256}),
    ("mistral", {"clip_qkv": 8.0}),
    ("qwen2", {"partial_rotary_factor": 0.5}),
    ("llama", {"rotary_pct": 0.25}),
    ("llama", {"sliding_window": 64}),
    ("llama", {"attention_chunk_size": 8192}),
    ("llama", {"sliding_window_pattern": 6}),
    ("qwen3", {"use_sliding_window": True}),
    ("llama", {"layer_types": ["sliding_attention", "full_attention"]}),
    ("llama", {"no_rope_layers": [1, 0]}),
    ("llama", {"no_rope_layer_interval": 4}),
    ("llama", {"use_qk_norm": True}),
    ("llama", {"qk_norm": True}),
    ("llama", {"qkv_bias": True}),
    ("qwen2", {"num_experts": 8}),
    ("llama", {"num_local_experts": 8, "num_experts_per_tok": 2}),
    ("llama", {"alibi": True}),
    ("llama", {"position_embedding_type": "alibi"}),
    ("llama", {"norm_type": "layer_norm"}),
    ("llama", {"use_parallel_residual": True}),
    ("llama", {"rope_interleaved": True}),
    ("llama", {"attn_temperature_tuning": True}),
    ("llama", {"per_layer_config": {"0": {"hidden_act": "gelu"}}}),
    ("llama", {"num_kv_shared_layers": 1}),
    ("llama", {"pruned_heads": {"0": [1]}}),
    ("qwen2", {"dual_chunk_attention_config": {"chunk_size": 8192}}),
    ("llama", {"is_causal": False}),
    ("llama", {"use_bidirectional_attention": True}),
    ("llama", {"add_cross_attention": True}),
    ("llama", {"is_encoder_decoder": True}),
    ("llama", {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}}}),
    ("llama", {"rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]}}),
    ("llama", {"rope_scaling": {"factor": 4.0}}),
    ("llama", {"rope_scaling": {"rope_type": "linear", "factor": 2.0, "attention_factor": 0.7}}),
    ("llama", {"rope_scaling": ROPE, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
    ("llama", {"rope_scaling": ROPE | {"original_max_position_embeddings": 64}, "original_max_position_embeddings": 9}),
]  # fmt: skip


@pytest.mark.parametrize("family, change", CHANGING, ids=lambda x: x if isinstance(x, str) else "-".join(x))
def test_settings_by_which_another_model_would_be_computed_are_refused_by_name(tmp_path, family, change):
    write_small(tmp_path)
    rewrite(tmp_path, model_type=family, **change)
    key = next(iter(change))
    inner = change[key] if isinstance(change[key], dict) else {}
    with pytest.raises(ValueError, match="|".join([key, *inner])) as refused:
        read_config(tmp_path)
    assert str(tmp_path / "config.json") in str(refused.value) and "\n" not in str(refused.value)


def test_settings_with_which_nothing_changes_are_taken(tmp_path):
    """As files of these models have them, and those of other families where they say that nothing is done."""
    write_small(tmp_path)
    plain = read_config(tmp_path)
    harmless = {
        "attention_dropout": 0.1,
        "initializer_range": 0.02,
        "pretraining_tp": 2,
        "use_cache": True,
        "_name_or_path": "x",
        "is_llama_config": True,
        "rope_interleaved": False,
        "transformers.js_config": {"dtype": "q4"},
        "use_mrope": False,
        "unsloth_fixed": True,
        "max_sequence_length": 2048,
        "auto_map": {"AutoModel": "x"},
        "layer_types": ["full_attention"] * 2,
        "clip_qkv": None,
        "final_logit_softcapping": 0.0,
        "residual_multiplier": 1.0,
        "logits_scaling": 1,
        "no_rope_layers": [],
        "partial_rotary_factor": 1.0,
        "qk_norm": False,
        "num_experts": 0,
        "is_causal": True,
        "per_layer_config": {},
        "sliding_window": 4096,
        "max_window_layers": 28,
        "use_sliding_window": False,
        "temperature": 0.6,
        "pad_token_id": 1,
        "rope_scaling": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": plain.rope_theta, "factor": None},
    }
    rewrite(tmp_path, **harmless)
    assert read_config(tmp_path) == plain


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_what_transformers_writes_for_a_family_is_read(tmp_path, family):
    import transformers

    shape = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 4}
    theirs = transformers.AutoConfig.for_model(family, **shape)
    theirs.save_pretrained(tmp_path)
    found = read_config(tmp_path)
    assert found.layers == 2 and found.sliding_window == (4096 if family == "mistral" else 0)
    drop(tmp_path, "sliding_window")
    assert read_config(tmp_path) == found  # as `transformers` has it where the file is silent


def test_the_original_length_of_a_rotary_scaling_may_stand_outside(tmp_path):
    write_small(tmp_path)
    rewrite(tmp_path, rope_scaling=ROPE, original_max_position_embeddings=64, max_position_embeddings=512)
    assert read_config(tmp_path).rope_scaling.original == 64


def test_a_model_for_fewer_positions_than_the_rows_is_refused(tmp_path):
    write_small(tmp_path)
    rewrite(tmp_path, max_position_embeddings=100)
    config = read_config(tmp_path)
    check_positions(tmp_path, config, 100, "--length")
    with pytest.raises(ValueError, match="max_position_embeddings is 100, fewer than the 101 positions of --length"):
        check_positions(tmp_path, config, 101, "--length")
