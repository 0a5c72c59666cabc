"""Models as Hugging Face folders: `config.json`, `*.safetensors` and the tokenizer, read and written.

The built-in model is such a folder too, so that a checkpoint of the user's own takes its place without another path
through the code.
"""

from __future__ import annotations

import json
import pathlib
import re

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from kalm_jax.llm.tokenizer import Tokenizer, load_tokenizer
from kalm_jax.llm.transformer import LlamaConfig

BUILTIN = pathlib.Path(__file__).parent / "builtin"
"""Folder of the text-pretrained model that ships with the library; `experiments.pretrain` makes it."""

# Hugging Face name -> (our path, how its array becomes ours). Linear weights are (out, in) there and (in, out) here.
_LAYER = {
    "self_attn.q_proj.weight": ("attention/q/kernel", "heads_out"),
    "self_attn.k_proj.weight": ("attention/k/kernel", "heads_out"),
    "self_attn.v_proj.weight": ("attention/v/kernel", "heads_out"),
    "self_attn.q_proj.bias": ("attention/q/bias", "heads_bias"),
    "self_attn.k_proj.bias": ("attention/k/bias", "heads_bias"),
    "self_attn.v_proj.bias": ("attention/v/bias", "heads_bias"),
    "self_attn.q_norm.weight": ("attention/q_norm/scale", "same"),
    "self_attn.k_norm.weight": ("attention/k_norm/scale", "same"),
    "self_attn.o_proj.weight": ("attention/o/kernel", "heads_in"),
    "mlp.gate_proj.weight": ("ffn/gate/kernel", "transpose"),
    "mlp.up_proj.weight": ("ffn/up/kernel", "transpose"),
    "mlp.down_proj.weight": ("ffn/down/kernel", "transpose"),
    "input_layernorm.weight": ("attention_norm/scale", "same"),
    "post_attention_layernorm.weight": ("ffn_norm/scale", "same"),
}
_TOP = {
    "model.embed_tokens.weight": ("embedding/embedding", "same"),
    "model.norm.weight": ("norm/scale", "same"),
    "lm_head.weight": ("head/kernel", "transpose"),
}
_FAMILIES = {"llama": {}, "mistral": {}, "qwen2": {"qkv_bias": True}, "qwen3": {"qk_norm": True}}


def names(config: LlamaConfig) -> dict[str, tuple[str, str]]:
    """Every Hugging Face tensor name of a model of this shape -> (our parameter path, transformation)."""
    table = {k: v for k, v in _TOP.items() if k != "lm_head.weight" or not config.tie_embeddings}
    for i in range(config.layers):
        for name, (path, how) in _LAYER.items():
            is_norm = name.startswith(("self_attn.q_norm", "self_attn.k_norm"))
            if (name.endswith("bias") and not config.qkv_bias) or (is_norm and not config.qk_norm):
                continue
            table[f"model.layers.{i}.{name}"] = (f"layer_{i}/{path}", how)
    return table


def _to_ours(x: np.ndarray, how: str, config: LlamaConfig) -> np.ndarray:
    if how == "same":
        return x
    if how == "transpose":
        return x.T
    if how == "heads_out":
        return x.T.reshape(x.shape[1], -1, config.head_dim)
    if how == "heads_in":
        return x.T.reshape(-1, config.head_dim, x.shape[0])
    return x.reshape(-1, config.head_dim)  # heads_bias


def _to_theirs(x: np.ndarray, how: str) -> np.ndarray:
    if how == "same":
        return x
    if how == "transpose":
        return x.T
    if how == "heads_out":
        return x.reshape(x.shape[0], -1).T
    if how == "heads_in":
        return x.reshape(-1, x.shape[-1]).T
    return x.reshape(-1)  # heads_bias


def read_config(folder: str | pathlib.Path) -> LlamaConfig:
    """The shape of the model in `folder/config.json`; refuses what this transformer does not compute, by name."""
    path = pathlib.Path(folder) / "config.json"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is missing; --llm wants a Hugging Face folder (config.json, *.safetensors, tokenizer.json)"
        )
    try:
        raw = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON ({error}); download it again") from error
    family = raw.get("model_type")
    if family not in _FAMILIES:
        raise ValueError(f"{path}: model_type {family!r} is not one of {sorted(_FAMILIES)}")
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise ValueError(f"{path}: rotary type {kind!r} is not supported, only 'default'")
    for key in ("attention_bias", "mlp_bias"):
        if raw.get(key):
            raise ValueError(f"{path}: {key}=true is not supported")
    try:
        heads = raw["num_attention_heads"]
        return LlamaConfig(
            vocab_size=raw["vocab_size"],
            width=raw["hidden_size"],
            layers=raw["num_hidden_layers"],
            heads=heads,
            kv_heads=raw.get("num_key_value_heads") or heads,
            head_dim=raw.get("head_dim") or raw["hidden_size"] // heads,
            ffn_dim=raw["intermediate_size"],
            rope_theta=float(rope.get("rope_theta", raw.get("rope_theta", 10000.0))),
            norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
            tie_embeddings=bool(raw.get("tie_word_embeddings", False)),
            **_FAMILIES[family],
        )
    except KeyError as error:
        raise ValueError(f"{path} lacks {error}") from error


def load_model(folder: str | pathlib.Path, dtype=jnp.float32) -> tuple[LlamaConfig, dict, Tokenizer]:
    """Configuration, parameters and tokenizer of a Hugging Face folder.

    Every tensor of the file must be used and every parameter filled, or the error names which is not.
    """
    from safetensors import SafetensorError, safe_open

    folder = pathlib.Path(folder)
    config = read_config(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no *.safetensors file; download the weights or point --llm elsewhere")
    table, flat, unused = names(config), {}, []
    for file in files:
        try:
            with safe_open(file, framework="np") as tensors:
                for name in tensors.keys():
                    if name in table:
                        path, how = table[name]
                        flat[path] = jnp.asarray(_to_ours(tensors.get_tensor(name), how, config), dtype)
                    elif not re.search(r"rotary_emb\.inv_freq$", name) and not (
                        name == "lm_head.weight" and config.tie_embeddings
                    ):
                        unused.append(name)
        except SafetensorError as error:
            raise ValueError(f"{file} cannot be read ({error}); a half download? fetch it again") from error
    missing = [name for name, (path, _) in table.items() if path not in flat]
    if missing or unused:
        raise ValueError(
            f"{folder}: tensors missing {missing[:5]}, tensors that the model has no place for {unused[:5]}"
        )
    tokenizer = load_tokenizer(folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"{folder}: its tokenizer has {tokenizer.vocab_size} entries, but the model only {config.vocab_size}"
        )
    bad = [path for path, x in flat.items() if not bool(jnp.isfinite(x).all())]
    if bad:
        raise ValueError(f"{folder}: weights that are not finite: {bad[:5]}; the file is damaged")
    return config, traverse_util.unflatten_dict(flat, sep="/"), tokenizer


def save_model(
    folder: str | pathlib.Path, config: LlamaConfig, params: dict, tokenizer: Tokenizer, dtype=np.float32
) -> None:
    """Writes a folder that `load_model` and `transformers` both open (text part only)."""
    from safetensors.numpy import save_file

    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    flat = traverse_util.flatten_dict(params, sep="/")
    tensors = {
        name: np.ascontiguousarray(_to_theirs(np.asarray(flat[path], dtype), how))
        for name, (path, how) in names(config).items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    family = "qwen3" if config.qk_norm else "qwen2" if config.qkv_bias else "llama"
    raw = {
        "architectures": [
            {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[family]
        ],
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
        "max_position_embeddings": 4096,
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": tokenizer.eos_id,
        "pad_token_id": tokenizer.pad_id,
        "torch_dtype": np.dtype(dtype).name,
    }
    (folder / "config.json").write_text(json.dumps(raw, indent=2) + "\n")
    tokenizer.save(folder)
