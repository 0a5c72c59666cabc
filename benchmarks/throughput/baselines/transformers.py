"""`transformers` on torch as a baseline: a training step and generation of the same architecture, words alone.

The model is the class of Hugging Face that computes the same, with random weights: speed does not depend on them. On
the CPU torch has one thread. Where JAX computes on a GPU, torch must as well, or it has no row.
"""

from __future__ import annotations

import tempfile

import numpy as np

from benchmarks.throughput.measure import MissingError
from kalm_jax.llm.hf.config import write_config
from kalm_jax.llm.transformer import LlamaConfig

NAME = "transformers"
LEARNING_RATE, CLIP, BETAS, WEIGHT_DECAY = 1e-4, 1.0, (0.9, 0.98), 0.01


def load(config: LlamaConfig):
    """torch, and the model (float32, on the device to be measured).

    Raises:
      MissingError: torch is missing, or does not see the device that JAX computes on.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingError(f"not installed ({error}); pip install '.[parity]' in a clone") from error
    import jax
    from transformers import AutoConfig, AutoModelForCausalLM

    if jax.default_backend() != "cpu" and not torch.cuda.is_available():
        raise MissingError(f"torch does not see the {jax.default_backend()} that JAX computes on")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        write_config(folder, config, {}, "float32")
        described = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(described, dtype=torch.float32)
    return torch, model.to("cpu" if jax.default_backend() == "cpu" else "cuda")


def wait(torch, model) -> None:
    """Returns when the model's device has finished its work."""
    if model.device.type == "cuda":
        torch.cuda.synchronize()


def training(config: LlamaConfig, rows: int, length: int):
    """Updates by AdamW with clipped gradients on rows of words, as `Benchmark.prepare`; the unit is positions."""

    def ready():
        torch, model = load(config)
        words = np.random.default_rng(0).integers(0, config.vocab_size, (rows, length))
        words = torch.from_numpy(words).to(model.device)
        adam = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=BETAS, weight_decay=WEIGHT_DECAY)
        model.train()

        def run(n):
            for _ in range(n // (rows * length)):
                adam.zero_grad(set_to_none=True)
                model(input_ids=words, labels=words, use_cache=False).loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                adam.step()
            wait(torch, model)

        return run

    return ready


def generation(config: LlamaConfig, batch: int, prompt: int, limit: int):
    """`limit` words after each of `batch` prompts, greedily, as `Benchmark.prepare`; the unit is positions."""

    def ready():
        torch, model = load(config)
        words = np.random.default_rng(0).integers(0, config.vocab_size, (batch, prompt))
        words = torch.from_numpy(words).to(model.device)
        model.eval()
        model.generation_config.eos_token_id = None  # every row is continued to its limit
        options = {"max_new_tokens": limit, "do_sample": False, "use_cache": True, "pad_token_id": 0}

        def run(n):
            for _ in range(n // (batch * limit)):
                with torch.inference_mode():
                    out = model.generate(words, attention_mask=torch.ones_like(words), **options)
                assert out.shape == (batch, prompt + limit), out.shape
            wait(torch, model)

        return run

    return ready
