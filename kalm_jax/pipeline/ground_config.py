"""Settings of grounding, and of what is measured while it goes on. Free of JAX; `config.PipelineConfig` holds them."""

from __future__ import annotations

import dataclasses

from kalm_jax.grounding.config import TASKS, TaskShares
from kalm_jax.llm.named import NAMED
from kalm_jax.settings import MANY, MOST_STEPS, MOST_WIDE, Checked, setting


def learning_rate_of_llm(lora_rank: int) -> float:
    """The learning rate of a language model given by the user, where none is given: 5e-5, or with LoRA 2e-4."""
    return 2e-4 if lora_rank else 5e-5


@dataclasses.dataclass(frozen=True)
class GroundConfig(Checked):
    """Fine-tuning of the language model on the real rollouts (KALM, section 4.1).

    An instance has the numbers that it is given, and those below for the others. That a model given by `llm` learns at
    a rate of its own is the work of `config.configure` and of `kalm_jax.ground`, which know what was given.
    """

    llm: str = setting(
        "",
        "Language model to ground: a Hugging Face folder (config.json, *.safetensors, tokenizer.json), or a name: "
        f"{', '.join(NAMED)}, which is fetched if it is not there (kalm get-llm). Empty is the small built-in model.",
        exists="config.json",
        names=tuple(NAMED),
    )
    steps: int = setting(5000, "Updates of the language model.", flag="grounding_steps", low=1, high=MOST_STEPS)
    rows: int = setting(12, "Rows of a grounding batch.", flag="grounding_rows", low=1, high=MOST_WIDE)
    row_length: int = setting(128, "Positions of a row.", flag="grounding_row_length", low=16, high=MOST_WIDE)
    learning_rate: float = setting(
        3e-3,
        "Peak learning rate of the language model; with --llm by default 5e-5, as the authors have it, or with "
        "--lora_rank 2e-4.",
        flag="grounding_learning_rate",
        above=0,
        high=1,
    )
    # In single tries with 0.05 the model had not always learned to read states when the other tasks came in.
    warmup: float = setting(
        0.02, "Share of steps in which the learning rate rises.", flag="grounding_warmup", low=0, high=1
    )
    shares: TaskShares = setting(
        TaskShares(),
        "Tasks that the language model is trained on; the shares of those left out go to the others. By default all.",
        flag="grounding_tasks",
        choices=TASKS,
    )
    accumulate: int = setting(
        1,
        "Parts of a batch, computed one after the other to save memory; the number of rows must be a multiple.",
        flag="grounding_accumulation",
        low=1,
        high=MOST_WIDE,
    )
    compute: str = setting(
        "float32",
        "Type that the language model computes in; its weights stay in float32, unless --lora_rank freezes them.",
        flag="grounding_precision",
        choices=("float32", "bfloat16"),
    )
    attention: str = setting(
        "plain",
        "Attention in grounding: plain, or a kernel: cuDNN's on a GPU, splash (Pallas) on a TPU. The kernels need "
        "bfloat16 and have not been tried on hardware. Changing it redoes nothing.",
        flag="grounding_attention",
        choices=("plain", "cudnn", "splash"),
    )
    recompute: str = setting(
        "all",
        "What the backward pass through a model given by --llm computes again: all of a layer, or (cheap) all but its "
        "products with weights, a quarter of a step's work for more memory. Changing it redoes nothing.",
        flag="grounding_recompute",
        choices=("all", "cheap"),
    )
    lora_rank: int = setting(0, "Rank of LoRA adapters; 0 trains all weights.", low=0, high=MOST_WIDE)
    llm_layers: int = setting(
        0,
        "The first layers of --llm that are kept, with the heads on top of them; 0 keeps all. A third of the layers "
        "takes a third of the time.",
        low=0,
        high=1000,
    )
    predict_change: bool = setting(
        True,
        "What the state head predicts: the change of the state, or the next state (paper).",
        flag="state_target",
        words={"change": True, "state": False},
    )
    gaussian_states: bool = setting(
        False,
        "What the state head says: the next state, or a distribution that imagination draws from.",
        flag="state_head",
        words={"point": False, "gaussian": True},
    )
    gaussian_actions: bool = setting(
        False,
        "What the head of continuous actions says: the action, or a distribution. Discrete actions do not read it.",
        flag="action_head",
        words={"point": False, "gaussian": True},
    )
    hidden: int = setting(
        512,
        "How states enter and leave the model: through MLPs, or linearly (authors' code).",
        flag="state_maps",
        words={"mlp": 512, "linear": 0},
        low=0,
        high=MOST_WIDE,
    )
    window: int = setting(
        16, "Most steps of a rollout in a training sequence; 0 is all.", flag="grounding_window", low=0, high=MOST_WIDE
    )
    reading: int = setting(
        500,
        "First steps, in which the model learns only what states show; a tenth of the steps, where there are no more.",
        flag="grounding_reading_steps",
        low=0,
        high=MOST_STEPS,
    )
    augmentations: tuple[str, ...] = setting(
        ("all",),
        "Which of the world's augmentations change the rollouts that the language model is shown: all, none, or some, "
        "comma-separated. Meta-world has mirror (scenes and actions), exchange (a ball in a puck's place, a nail in a "
        "button's), shift (scenes elsewhere) and extra (one more thing). CLEVR-Robot has none.",
        flag="augment",
    )
    two_models: bool = setting(
        False,
        "Ground two copies of the language model, one for words and actions and one for states (the paper's outlook). "
        "It takes twice the time and memory.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rows % self.accumulate:
            raise ValueError(
                f"--grounding_rows={self.rows} cannot be computed in --grounding_accumulation={self.accumulate} equal "
                "parts: give a number of rows (--grounding_rows) that is a multiple of the parts"
            )

    @property
    def reading_steps(self) -> int:
        """`reading`; of fewer steps than that a tenth, so that some are left for the other tasks."""
        return self.reading if self.reading < self.steps else self.steps // 10


@dataclasses.dataclass(frozen=True)
class MetricsConfig(Checked):
    """What is measured while the language model is grounded; nothing is chosen by it, and training is the same."""

    every: int = setting(
        500,
        "Grounding steps between measurements of match rate and explanation accuracy on validation sentences and "
        "held-out rollouts (ground/metrics.csv). 0 measures nothing: the default with --llm, as a second copy of the "
        "model must fit on the devices.",
        flag="evaluate_every",
        low=0,
        high=MOST_STEPS,
    )
    rollouts: int = setting(200, "Rollouts imagined for each measurement.", flag="metric_rollouts", low=1, high=MANY)
    explained: int = setting(
        160, "Held-out rollouts explained with each prompt, at most.", flag="metric_explanations", low=1, high=MANY
    )
