"""Tiny models of seven families as `transformers` writes them, and the left-padded batch that they are compared on.

    python tests/llm/families.py

makes tests/golden/ again (it needs torch: pip install ".[parity]"): per family config.json and weights in float16, so
that few bytes hold them exactly, and the logits of transformers' torch model in float32.
"""

import pathlib
import shutil

import numpy as np

from tests.paths import GOLDEN

WORDS = 24
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    # Short, so that 14 positions reach all three branches of the scaling.
    "original_max_position_embeddings": 64,
}
# family -> (configuration class, what differs from COMMON)
COMMON = {
    "vocab_size": WORDS,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "rms_norm_eps": 1e-5,
}
FAMILIES = {
    "llama2": ("LlamaConfig", {"num_key_value_heads": 4}),
    "llama_grouped": ("LlamaConfig", {"num_hidden_layers": 3}),
    "llama3_scaled": (
        "LlamaConfig",
        {"head_dim": 16, "num_attention_heads": 2, "num_key_value_heads": 1, "rope_parameters": LLAMA3},
    ),
    "tied_head_dim": ("LlamaConfig", {"num_key_value_heads": 1, "head_dim": 10, "tied": True}),
    "qwen2": ("Qwen2Config", {"rms_norm_eps": 1e-6}),
    "qwen3": ("Qwen3Config", {"head_dim": 8, "tied": True}),
    "mistral_window": ("MistralConfig", {"sliding_window": 5}),
}


def batch(rows: int = 3, length: int = 14, words: int = WORDS) -> tuple[np.ndarray, np.ndarray]:
    """Left-padded ids (rows, length) and validity, rows of different lengths."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, words, (rows, length))
    valid = np.arange(length)[None] >= np.array([0, 3, 8])[:rows, None]
    return np.where(valid, ids, 0), valid


def write_family(name: str, folder: pathlib.Path, seed: int = 0, **changes) -> None:
    """A torch model of the family, all its weights, norms and biases drawn with standard deviation 0.2."""
    import torch
    import transformers

    kind, different = FAMILIES[name]
    settings = {**COMMON, **different, **changes}
    settings["tie_word_embeddings"] = settings.pop("tied", False)
    model = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**settings))
    rng = np.random.default_rng(seed)
    for parameter_name, x in model.named_parameters():
        drawn = rng.normal(float("norm" in parameter_name), 0.2, tuple(x.shape)).astype(np.float16)
        x.data = torch.from_numpy(drawn)
    # llama_grouped is written in shards.
    size = "8KB" if name == "llama_grouped" else "50GB"
    model.half().save_pretrained(str(folder), max_shard_size=size)
    (folder / "generation_config.json").unlink(missing_ok=True)


def main():
    """Writes tests/golden/."""
    from kalm_jax.llm.hf.parity import torch_logits

    shutil.rmtree(GOLDEN, ignore_errors=True)
    ids, valid = batch()
    for name in FAMILIES:
        write_family(name, GOLDEN / name)
        np.save(GOLDEN / name / "logits.npy", torch_logits(GOLDEN / name, ids, valid))


if __name__ == "__main__":
    main()
