"""Configuration of planners, and of what `kalm knowledge` compares; free of JAX."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from kalm_jax.llm.named import NAMED
from kalm_jax.settings import MOST_STEPS, MOST_WIDE, Checked, setting

TRAINED: Mapping[str, tuple[str, bool]] = {
    "pretrained": ("data", False),
    "pretrained-moves": ("moves", False),
    "pretrained-grammar": ("grammar", False),
    "random": ("data", True),
    "random-moves": ("moves", True),
}
"""Conditions of `kalm knowledge` with training -> their text, and whether they begin from random weights."""
FROZEN = ("grammar", "prompt", "nearest", "nearest-builtin", "probe", "probe-builtin")
"""Conditions without training of the language model."""


@dataclasses.dataclass(frozen=True)
class TextTraining(Checked):
    """How a language model is trained to write the subgoals of sentences, from text alone."""

    steps: int = setting(60, "Updates of the planner.", flag="planner_steps", low=1, high=MOST_STEPS)
    rows: int = setting(4, "Rows of a planner's batch.", flag="planner_rows", low=1, high=MOST_WIDE)
    row_length: int = setting(
        128, "Positions of a planner's row, of some four sentences.", flag="planner_row_length", low=32, high=MOST_WIDE
    )
    learning_rate: float = setting(
        5e-4, "Peak learning rate of the planner.", flag="planner_learning_rate", above=0, high=1
    )
    lora_rank: int = setting(
        8, "Rank of the planner's LoRA adapters; 0 trains all weights.", flag="planner_lora_rank", low=0, high=MOST_WIDE
    )
    layers: int = setting(
        0,
        "The planner has only so many of its model's first layers; 0 has all.",
        flag="planner_layers",
        low=0,
        high=1000,
    )


@dataclasses.dataclass(frozen=True)
class PlannerConfig(TextTraining):
    """The language model that writes subgoals (`--plan`), where another one than the built-in one is to do it."""

    llm: str = setting(
        "",
        "Language model that writes subgoals for whichever model imagines: a Hugging Face folder, or a name: "
        f"{', '.join(NAMED)}. It is trained to on sentences and subgoals first (--planner_text). Empty: the built-in "
        "model as it was before grounding, which knows them from its pretraining; with --llm, the grounded model.",
        flag="planner",
        exists="config.json",
        names=tuple(NAMED),
    )
    steps: int = setting(400, "Updates of the planner.", flag="planner_steps", low=1, high=MOST_STEPS)
    text: str = setting(
        "grammar",
        "What a --planner learns from: the wordings of the world's grammar and their subgoals, which the built-in "
        "model was pretrained on; or the data's own sentences and theirs.",
        flag="planner_text",
        choices=("grammar", "data"),
    )


@dataclasses.dataclass(frozen=True)
class KnowledgeConfig(Checked):
    """What `kalm knowledge` compares."""

    conditions: tuple[str, ...] = setting(
        (*TRAINED, *FROZEN), "Conditions that are compared.", choices=(*TRAINED, *FROZEN), filled=True
    )
    sentences: tuple[str, ...] = setting(
        ("all", "640", "80"),
        "Numbers of the data's sentences to train on, each for every condition that has any.",
        filled=True,
    )
    seeds: int = setting(3, "Trainings of every condition, each with sentences of its own.", low=1, high=1000)
    tested: int = setting(
        240, "Sentences of each level that are asked about, evenly from its templates.", low=1, high=1_000_000
    )
    moves: int = setting(10, "Single-move sentences in the conditions with moves.", low=1, high=10_000)
    examples: int = setting(8, "Examples in a prompt.", low=1, high=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        for text in self.sentences:
            if text != "all" and not (text.isascii() and text.isdecimal() and text == str(int(text)) and int(text)):
                raise ValueError(f"--sentences={text}: give numbers of sentences from 1, or all")
