"""GGUF files of small models, written with `gguf.GGUFWriter` as llama.cpp's converter does."""

import json
import math

import gguf
import numpy as np
from tokenizers import pre_tokenizers

WORDS = ["<unk>", "<s>", "</s>", *"abcdefghilmnoprst", "Ġ", "re", "red", "ĠĠ"]
"""24 tokens of byte pairs, as many as the golden models have words."""
MERGES = ["r e", "re d", "Ġ Ġ"]
ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
Kind = gguf.GGMLQuantizationType


def gguf_name(name):
    stem, _, end = name.rpartition(".")
    if stem.startswith("model.layers."):
        _, _, layer, rest = stem.split(".", 3)
        return f"blk.{layer}.{NAMES[rest]}.{end}"
    return f"{NAMES[stem]}.{end}"


def turned(weights, heads):
    """Rows of queries or keys as llama.cpp has them: number i of a head's first half beside number i of the second."""
    return (
        weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:])
        .swapaxes(1, 2)
        .reshape(weights.shape)
    )


def divisors(rope, head_dim):
    """`rope_freqs.weight` of Llama 3, written out one frequency at a time."""
    out = []
    for i in range(0, head_dim, 2):
        length = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
        longest = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
        shortest = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
        if length < shortest:
            out.append(1.0)
        elif length > longest:
            out.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / length - rope["low_freq_factor"]) / (
                rope["high_freq_factor"] - rope["low_freq_factor"]
            )
            out.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(out, np.float32)


def stored(x, kind):
    """(what is written, what can be read of it again), for weights of a type; vectors are float32."""
    if x.ndim == 1 or kind == Kind.F32:
        return x.astype(np.float32), x.astype(np.float32)
    raw = gguf.quants.quantize(x.astype(np.float32), kind)
    return raw, gguf.quants.dequantize(raw, kind)


def byte_pairs(writer, tokens=WORDS, merges=MERGES, pre="gpt-2", special=(0, 1, 2), **ids):
    """A byte-level tokenizer; `special` are control tokens."""
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if i in special else 1 for i in range(len(tokens))])
    writer.add_token_merges(merges)
    for name, i in {"bos": 1, "eos": 2, "pad": 2, **ids}.items():
        getattr(writer, f"add_{name}_token_id")(i)


def write_gguf(path, config, tensors, kind=Kind.F32, tokenizer=byte_pairs, arch=None, change=None, endianess=None):
    """Writes a model; returns Hugging Face's tensors as they can be read again.

    Args:
      path: of the file. config: contents of a config.json. tensors: Hugging Face's names -> arrays.
      kind: how matrices are stored. tokenizer: adds one to the writer.
      arch: the architecture that the file names. change: is called with the writer and the table of tensors (GGUF's
        names) before they are written.
    """
    family = "llama" if config["model_type"] == "mistral" else config["model_type"]
    writer = gguf.GGUFWriter(path, arch or family, **({} if endianess is None else {"endianess": endianess}))
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 1e4), "rope_type": "default"}
    writer.add_name("a small model")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(head_dim)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    tokenizer(writer)
    table, read = {}, {}
    for name, x in tensors.items():
        raw, read[name] = stored(x, kind)
        which = name.rpartition("self_attn.")[2]
        if family == "llama" and which in ("q_proj.weight", "k_proj.weight"):
            raw = turned(raw, heads if which[0] == "q" else kv_heads)
        table[gguf_name(name)] = raw, None if raw.dtype in (np.float32, np.float16) else kind
    if rope["rope_type"] == "llama3":
        table["rope_freqs.weight"] = divisors(rope, head_dim), None
    if change is not None:
        change(writer, table)
    for name, (raw, dtype) in table.items():
        writer.add_tensor(name, raw, raw_dtype=dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read


def read_folder(folder):
    """(config.json, tensors in float32) of a Hugging Face folder."""
    from safetensors.numpy import load_file

    tensors = {}
    for file in folder.glob("*.safetensors"):
        tensors |= {name: x.astype(np.float32) for name, x in load_file(file).items()}
    return json.loads((folder / "config.json").read_text()), tensors


FAMILIES = {
    "llama": {},
    "mistral": {"num_key_value_heads": 1, "head_dim": 32},
    "llama3": {
        "rope_parameters": {
            **{"rope_type": "llama3", "rope_theta": 5e5, "factor": 32.0, "low_freq_factor": 1.0},
            **{"high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
        },
        "max_position_embeddings": 131072,
    },
    "linear": {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}},
    "qwen2": {},
    "qwen3": {"head_dim": 32, "tie_word_embeddings": True},
}


def random_model(family, words, seed=0):
    """(contents of config.json, tensors) of a model with blocks of 32 numbers in every row, all weights drawn."""
    config = {
        **{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4},
        **{"num_key_value_heads": 2, "vocab_size": words, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096},
        **{"tie_word_embeddings": False, "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2},
        **{"model_type": family if family in ("mistral", "qwen2", "qwen3") else "llama", **FAMILIES[family]},
    }
    config["head_dim"] = d = config.get("head_dim", 16)
    config.setdefault("sliding_window", None)
    e, f, v = config["hidden_size"], config["intermediate_size"], words
    q, k = config["num_attention_heads"] * d, config["num_key_value_heads"] * d
    shapes = {"model.embed_tokens.weight": (v, e), "model.norm.weight": (e,)}
    shapes |= {} if config["tie_word_embeddings"] else {"lm_head.weight": (v, e)}
    for i in range(config["num_hidden_layers"]):
        layer = {
            **{"self_attn.q_proj.weight": (q, e), "self_attn.k_proj.weight": (k, e)},
            **{"self_attn.v_proj.weight": (k, e), "self_attn.o_proj.weight": (e, q)},
            **{"mlp.gate_proj.weight": (f, e), "mlp.up_proj.weight": (f, e), "mlp.down_proj.weight": (e, f)},
            **{"input_layernorm.weight": (e,), "post_attention_layernorm.weight": (e,)},
        }
        if family == "qwen2":
            layer |= {f"self_attn.{p}_proj.bias": (n,) for p, n in (("q", q), ("k", k), ("v", k))}
        if family == "qwen3":
            layer |= {"self_attn.q_norm.weight": (d,), "self_attn.k_norm.weight": (d,)}
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    rng = np.random.default_rng(seed)
    return config, {name: rng.normal("norm" in name, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
