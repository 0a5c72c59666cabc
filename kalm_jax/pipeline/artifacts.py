"""What stages of a run have written, for the stages after them: rollouts, goals and goal vectors."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Sequence

import numpy as np

from kalm_jax.datasets import read_rollouts
from kalm_jax.offline_rl.normalization import Whitening
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.types import LEVELS, GoalTable
from kalm_jax.worlds.base import get_world

NOVEL_LEVELS = LEVELS[1:]
"""Levels of goals that the data do not have."""


def file_mark(path: str) -> str:
    """Identifies a user's file by size and time, so that an edited file redoes the stages; "" for none."""
    if not path:
        return ""
    stat = pathlib.Path(path).stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def text_mark(goals: GoalTable) -> str:
    """Identifies the sentences of a table."""
    return hashlib.sha256("\n".join(goals.text).encode()).hexdigest()[:16]


def real_rollouts(run: RunFolder) -> pathlib.Path:
    """The file of the real rollouts that models and policies train on."""
    return run.path / "collect" / "rollouts.h5"


def goals_of(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part: the collected data ("data"), a level, or the user's prompts ("prompts"); no vectors."""
    if part == "data":
        return read_rollouts(real_rollouts(run))[1]
    world = get_world(config.world)
    if part != "prompts":
        return world.goals(part)
    if world.read_prompts is None:
        raise ValueError(f"the world {config.world} reads no prompt files; leave {config.prompts} out")
    return world.read_prompts(config.prompts)[0]


def encoded_goals(run: RunFolder, config: PipelineConfig, part: str) -> GoalTable:
    """The goals of a part with their vectors as policies see them."""
    vectors = np.load(run.path / "encode" / part / "vectors.npy")
    if config.learn.whitening:
        with np.load(run.path / "encode" / "whitening" / "whitening.npz") as file:
            vectors = Whitening(**file)(vectors)
    return goals_of(run, config, part).with_vector(vectors)


def encoding(config: PipelineConfig, parts: Sequence[str]) -> list[str]:
    """The stages that `encoded_goals` of `parts` needs."""
    return [f"encode/{part}" for part in parts] + (["encode/whitening"] if config.learn.whitening else [])


def imagined_parts(config: PipelineConfig) -> tuple[str, ...]:
    """What the condition "kalm" has imagined rollouts of: the novel levels and the user's prompts."""
    return NOVEL_LEVELS + (("prompts",) if config.prompts else ())


def novel_rollouts(config: PipelineConfig, condition: str) -> dict[str, str]:
    """Part -> the stage with its rollouts, of what a condition learns from beside the real data."""
    if condition == "oracle":
        return {part: f"oracle/{part}" for part in NOVEL_LEVELS}
    return {part: f"imagine/{part}" for part in imagined_parts(config)} if condition == "kalm" else {}
