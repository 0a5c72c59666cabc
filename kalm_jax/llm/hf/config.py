"""`config.json` of a Hugging Face folder, read into a `LlamaConfig` and written back."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

from kalm_jax.files import read_foreign_json, write_json
from kalm_jax.llm.transformer import LlamaConfig, RopeScaling

_FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": True},
}
_REFUSED = {
    "attention_bias": (bool, "biases on all attention projections"),
    "mlp_bias": (bool, "biases in the feed-forward layers"),
    "use_sliding_window": (bool, "a sliding window in some layers only"),
    "quantization_config": (bool, "quantized weights; use the checkpoint from which they were made"),
    "hidden_act": (lambda name: name != "silu", "a feed-forward layer without SwiGLU"),
    "layer_types": (
        lambda kinds: bool(kinds) and (not isinstance(kinds, list) or any(k != "full_attention" for k in kinds)),
        "other attention in some layers",
    ),
}
"""Settings that would change the result and are not supported: key -> (test of its value, description)."""
_READ = frozenset(
    "model_type hidden_size num_attention_heads num_key_value_heads head_dim vocab_size num_hidden_layers "
    "intermediate_size rms_norm_eps tie_word_embeddings sliding_window max_position_embeddings rope_theta rope_scaling "
    "rope_parameters partial_rotary_factor original_max_position_embeddings".split()
)
"""Settings that are read below."""
_NEUTRAL = frozenset(
    # Of all configurations of `transformers`, and what tools add: files, types, training, generation, labels.
    "architectures auto_map transformers_version name_or_path torch_dtype dtype torchscript use_bfloat16 use_cache "
    "tokenizer_class prefix return_dict output_hidden_states output_attentions output_router_logits problem_type "
    "finetuning_task id2label label2id num_labels task_specific_params pretraining_tp initializer_range "
    "initializer_factor chunk_size_feed_forward tie_last_hidden_states is_decoder max_window_layers is_llama_config "
    "transformers.js_config gradient_checkpointing max_length min_length max_new_tokens do_sample early_stopping "
    "num_beams num_beam_groups diversity_penalty temperature top_k top_p typical_p epsilon_cutoff eta_cutoff "
    "repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids "
    "num_return_sequences output_scores return_dict_in_generate remove_invalid_values suppress_tokens "
    "begin_suppress_tokens exponential_decay_length_penalty max_sequence_length max_seq_len max_seq_length "
    "model_max_length seq_length original_vocab_size pad_vocab_size_multiple use_flash_attention use_flash_attn "
    "use_flash_attention_2 flash_attention attn_implementation".split()
)
"""Settings that change nothing of what is computed, whatever their value."""
_NEUTRAL_NAMES = re.compile(r"_.*|unsloth_.*|.*_token_ids?|.*(?:dropout|_pdrop|_dropout_prob)")
_FACTORS = re.compile(r".*(?:multiplier|scale|scaling|factor|_pct)")
"""Names of settings that change nothing where they are 1, and something where they are 0."""
_NAMING = frozenset(
    "position_embedding_type hidden_activation activation_function norm_type normalization_type mlp_type ffn_type "
    "attention_type attention_class layer_norm_type".split()
)
"""Settings of other families whose value is a name."""
_ROTARY: dict[str, frozenset[str]] = {
    "default": frozenset(),
    "linear": frozenset({"factor"}),
    "llama3": frozenset({"factor", "low_freq_factor", "high_freq_factor"}),
}
"""Kind of rotary embedding -> the settings that it has of its own."""


def read_raw(folder: str | pathlib.Path) -> dict[str, Any]:
    """The contents of `folder/config.json`.

    Raises:
      OSError, ValueError: there is none, it cannot be opened, or it is not JSON of settings.
    """
    path = pathlib.Path(folder) / "config.json"
    if not os.path.lexists(path):
        raise FileNotFoundError(
            f"{path} is missing; --llm needs a Hugging Face folder (config.json, *.safetensors, tokenizer.json)"
        )
    return read_foreign_json(path, "download it again")


class Settings:
    """The settings of an object in a file, each checked when it is read; a ValueError names the file and the setting.

    Attributes:
      path: of the file. raw: key -> value. prefix: what the file has before each key.
    """

    def __init__(self, path: pathlib.Path, raw: Mapping[str, Any], prefix: str = "") -> None:
        self.path, self.raw, self.prefix = path, raw, prefix

    def integer(self, key: str, default: int | None = None, null: bool = False) -> int:
        """A count of at least 1. Without `default` it must be there; with `null`, null is the default too."""
        value = self._given(key, default, null)
        if type(value) is not int or not 1 <= value < 2**31:
            raise self._wrong(key, value, "an integer of at least 1")
        return value

    def real(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A number from `low` to `high`."""
        value = self._given(key, default)
        if type(value) not in (int, float) or not low <= value <= high:
            raise self._wrong(key, value, f"a number from {low:g} to {high:g}")
        return float(value)

    def switch(self, key: str) -> bool:
        """True or false; false where it is left out."""
        value = self._given(key, False)
        if type(value) is not bool:
            raise self._wrong(key, value, "true or false")
        return value

    def _given(self, key: str, default: Any, null: bool = False) -> Any:
        if key not in self.raw and default is None:
            raise ValueError(f"{self.path} lacks {self.prefix + key!r}; download it again")
        value = self.raw.get(key, default)
        return default if value is None and null else value

    def _wrong(self, key: str, value: Any, wanted: str) -> ValueError:
        shown = repr(value) if len(repr(value)) < 60 else repr(value)[:60] + "..."
        return ValueError(f"{self.path}: {self.prefix}{key} is {shown}, want {wanted}; download it again")


def read_config(folder: str | pathlib.Path) -> LlamaConfig:
    """The shape of the model in `folder/config.json`.

    Raises:
      OSError, ValueError: the file is missing, holds what no model has, or asks for what this transformer does not
        support, by name.
    """
    raw, path = read_raw(folder), pathlib.Path(folder) / "config.json"
    family, settings = raw.get("model_type"), Settings(path, raw)
    if not isinstance(family, str) or family not in _FAMILIES:
        raise ValueError(f"{path}: model_type {family!r} is not one of {sorted(_FAMILIES)}")
    for key, (refused, words) in _REFUSED.items():
        if key in raw and refused(raw[key]):
            raise ValueError(f"{path}: {key}={raw[key]!r} is not supported ({words})")
    _check_unknown(path, raw, family)
    width, heads = settings.integer("hidden_size"), settings.integer("num_attention_heads")
    kv_heads = settings.integer("num_key_value_heads", heads, null=True)
    head_dim = settings.integer("head_dim", 128 if family == "qwen3" else max(1, width // heads), null=True)
    if raw.get("head_dim") is None and family != "qwen3" and width % heads:
        raise ValueError(f"{path}: hidden_size {width} is not a multiple of num_attention_heads {heads}")
    if heads % kv_heads:
        raise ValueError(f"{path}: num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}")
    if head_dim % 2:
        raise ValueError(f"{path}: head_dim {head_dim} is odd, and the rotary embedding turns pairs of numbers")
    # What a family does where the file is silent is as in `transformers`.
    window = raw.get("sliding_window", 4096) if family == "mistral" else None
    return LlamaConfig(
        vocab_size=settings.integer("vocab_size"),
        width=width,
        layers=settings.integer("num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn_dim=settings.integer("intermediate_size"),
        norm_eps=settings.real("rms_norm_eps", 1e-12, 1, 1e-6),
        tie_embeddings=settings.switch("tie_word_embeddings"),
        sliding_window=0 if window is None else settings.integer("sliding_window", 4096),
        max_positions=settings.integer("max_position_embeddings", 4096),
        **_rotary(settings),
        **_FAMILIES[family],
    )


def _check_unknown(path: pathlib.Path, raw: Mapping[str, Any], family: str) -> None:
    """Refuses settings by which other models compute something else: all that is unknown, with a value that says so."""
    for key, value in raw.items():
        if key in _READ or key in _REFUSED or key in _NEUTRAL or _NEUTRAL_NAMES.fullmatch(key):
            continue
        if _changes_nothing(key, value):
            continue
        shown = repr(value) if len(repr(value)) < 60 else repr(value)[:60] + "..."
        raise ValueError(
            f"{path}: {key}={shown} is not supported: models of the type {family} have no such setting, and it may "
            "change what they compute. If it does not, remove it from the file"
        )
    if raw.get("is_causal") is False:
        raise ValueError(f"{path}: is_causal=False is not supported (attention to later words)")
    window, positions = raw.get("sliding_window"), raw.get("max_position_embeddings", 4096)
    if family == "llama" and type(window) is int and type(positions) is int and window < positions:
        raise ValueError(f"{path}: sliding_window={window} is not supported: models of the type llama have no window")


def _changes_nothing(key: str, value: Any) -> bool:
    """Whether an unknown setting has a value with which it changes nothing."""
    if value is None or value == "" or value is False or value in ([], {}):
        return True
    if isinstance(value, str):
        return key not in _NAMING
    if isinstance(value, bool):
        return key in ("is_causal",)
    if isinstance(value, int | float):
        return value == (1 if _FACTORS.fullmatch(key) else 0)
    return False


def check_positions(folder: str | pathlib.Path, config: LlamaConfig, positions: int, what: str) -> None:
    """ValueError where the model was made for fewer positions than `what` (such as "--length") asks for."""
    if positions > config.max_positions:
        raise ValueError(
            f"{pathlib.Path(folder) / 'config.json'}: max_position_embeddings is {config.max_positions}, fewer than "
            f"the {positions} positions of {what}; give a smaller {what}, or a model for longer texts"
        )


def _rotary(settings: Settings) -> dict[str, Any]:
    """`rope_theta` and `rope_scaling`: in "rope_parameters" since transformers 5, in two keys before."""
    path, raw = settings.path, settings.raw
    for key in ("rope_parameters", "rope_scaling"):
        if not isinstance(raw.get(key) or {}, dict):
            raise ValueError(f"{path}: {key} is {raw[key]!r}, want an object or null; download it again")
    rope, other = raw.get("rope_parameters") or {}, raw.get("rope_scaling") or {}
    if rope and other and rope != other:
        raise ValueError(f"{path}: rope_parameters and rope_scaling differ; remove the one that does not hold")
    rope = rope or other
    kind = rope.get("rope_type", rope.get("type", "default"))
    share = rope.get("partial_rotary_factor", raw.get("partial_rotary_factor", 1.0))
    if share is not None and (share != 1.0 or isinstance(share, bool)):
        raise ValueError(f"{path}: partial_rotary_factor={share!r} is not supported, only 1")
    inner = Settings(path, {"rope_theta": raw.get("rope_theta", 10000.0), **rope})
    theta = inner.real("rope_theta", 1, 1e12)
    if not isinstance(kind, str) or kind not in _ROTARY:
        raise ValueError(f"{path}: rotary type {kind!r} is not supported, only {', '.join(_ROTARY)}")
    common = {"rope_type", "type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"}
    for key, value in rope.items():
        if key not in common | _ROTARY[kind] and value is not None:
            shown = "{...}" if isinstance(value, dict) else repr(value)
            raise ValueError(
                f"{path}: {key}={shown} in the rotary embedding's settings is not supported, as the type {kind} has no "
                "such setting"
            )
    if kind == "default":
        return {"rope_theta": theta}
    factor = inner.real("factor", 1, 1e6)
    if kind == "linear":
        return {"rope_theta": theta, "rope_scaling": RopeScaling(kind, factor)}
    low, high = (inner.real(key, 1e-6, 1e6) for key in ("low_freq_factor", "high_freq_factor"))
    if low >= high:
        raise ValueError(f"{path}: low_freq_factor {low:g} is not below high_freq_factor {high:g}; download it again")
    name = "original_max_position_embeddings"
    outer = raw.get(name)
    if outer is not None and rope.get(name) not in (None, outer):
        raise ValueError(f"{path}: {name} is {rope[name]!r} and {outer!r}; remove the one that does not hold")
    if outer is not None:
        return {"rope_theta": theta, "rope_scaling": RopeScaling(kind, factor, low, high, settings.integer(name))}
    known = rope.get(name) is not None
    original = (inner if known else settings).integer(f"{'original_' * known}max_position_embeddings")
    return {"rope_theta": theta, "rope_scaling": RopeScaling(kind, factor, low, high, original)}


def family_of(config: LlamaConfig) -> str:
    """The Hugging Face `model_type` of `config`; ValueError where no family computes it."""
    if config.qkv_bias and config.qk_norm:
        raise ValueError("no Hugging Face family has both qkv_bias and qk_norm; the model cannot be exported")
    family = "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "llama"
    if config.sliding_window and family != "llama":
        raise ValueError(f"{family} with a sliding window of {config.sliding_window} cannot be exported")
    return "mistral" if config.sliding_window else family


def write_config(folder: str | pathlib.Path, config: LlamaConfig, special: dict[str, int], dtype: str) -> None:
    """Writes config.json; `special` are the ids of special tokens, such as {"bos_token_id": 1}."""
    family, scaling = family_of(config), config.rope_scaling
    raw: dict[str, Any] = {
        "architectures": [f"{family.capitalize()}ForCausalLM"],
        "model_type": family,
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.ffn_dim,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_positions,
        **special,
        "torch_dtype": dtype,
    }
    if family == "mistral":
        raw["sliding_window"] = config.sliding_window
    if scaling is not None:
        rope: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
        if scaling.kind == "llama3":
            rope |= {
                "low_freq_factor": scaling.low,
                "high_freq_factor": scaling.high,
                "original_max_position_embeddings": scaling.original,
            }
        raw["rope_scaling"] = rope
    write_json(pathlib.Path(folder) / "config.json", raw, sort_keys=False)
