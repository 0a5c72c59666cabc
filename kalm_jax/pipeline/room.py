"""How much a run writes, about, so that one without room for it is refused before it begins."""

from __future__ import annotations

from kalm_jax.files import read_json
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.llm.hf.weights import weight_files
from kalm_jax.llm.named import place_of
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.offline_config import OfflineConfig

TRAINED_BYTES = 40
"""Per trained parameter of the language model: three checkpoints of it and its optimizer, and the model itself."""
LEARNER_BYTES = 6_000_000
"""Per training seed of a learner: policies and checkpoints of networks as wide as the presets'."""
OTHER_BYTES = 12_000_000
"""Rollouts, goal vectors, tables, figures and the report."""


def run_bytes(config: PipelineConfig | OfflineConfig) -> int:
    """Bytes that a whole run of this configuration writes, roughly and rather too many.

    A language model that is not there, which `check_language_model` refuses, counts as nothing.
    """
    if isinstance(config, OfflineConfig):
        return OTHER_BYTES // 2 + LEARNER_BYTES * config.seeds * len(config.algorithms)
    ground, learn = config.ground, config.learn
    parameters = _parameters(ground.llm) * (2 if ground.two_models else 1)
    model = parameters * (4 if ground.lora_rank else TRAINED_BYTES)
    if config.planner.llm:
        model += _parameters(config.planner.llm) * (4 if config.planner.lora_rank else TRAINED_BYTES)
    if learn.encoder:
        model += _parameters(learn.encoder) * 4
    return OTHER_BYTES + model + LEARNER_BYTES * learn.seeds * len(learn.learners) * len(learn.learned)


def _parameters(llm: str) -> int:
    """Parameters of a language model by the size of its files."""
    folder = place_of(llm) if llm else BUILTIN
    about = read_json(folder / "config.json", dict) or {}
    wide = 4 if "float32" in (about.get("dtype"), about.get("torch_dtype")) else 2
    return sum(file.stat().st_size for file in (weight_files(folder) if folder.is_dir() else [])) // wide
