"""What a run of the pipeline depends on, and the presets. Every field has a flag or a preset that sets it."""

from __future__ import annotations

import dataclasses

from kalm_jax.grounding.shares import TaskShares

CONDITIONS = ("offline", "kalm", "oracle")
"""What learners can learn from, see `LearnConfig`."""
LLM_POLICY = "llm_policy"
"""Stands among the algorithms for the grounded language model that acts itself, and learns nothing from rollouts."""


@dataclasses.dataclass(frozen=True)
class CollectConfig:
    """Real rollouts: how many, by which behaviour policy (`World.behaviors`), or from a file of the user's."""

    rollouts: int = 6400
    behaviour: str = "scripted"
    file: str = ""
    held_out: float = 0.05


@dataclasses.dataclass(frozen=True)
class GroundConfig:
    """Fine-tuning of the language model; `llm` is a Hugging Face folder, "" the built-in model.

    `warmup` is a share of the steps; in single tries with 0.05 the model had not always learned to read states when the
    other tasks came in.

    `accumulate` parts of a batch pass one after the other, `compute` is the type of the language model's passes,
    `lora_rank` 0 trains all of its weights; see `TrainConfig`. `attention` and `recompute` are `LlamaConfig`'s, and
    no part of a run's fingerprint. `predict_change`, `gaussian_states`, `gaussian_actions` (not read where actions are
    discrete), `hidden` and `two_models` say how numbers enter and leave, and whether states have a language model of
    their own, which takes twice the time and memory; see `NumericSpec`. `window` is the most steps of a rollout that a
    sequence shows, 0 for all, and in the first `reading` steps the model learns only what states show; see `Batches`.
    """

    llm: str = ""
    steps: int = 5000
    rows: int = 12
    row_length: int = 128
    learning_rate: float = 3e-3
    warmup: float = 0.02
    shares: TaskShares = TaskShares()
    accumulate: int = 1
    compute: str = "float32"
    attention: str = "plain"
    recompute: str = "all"
    lora_rank: int = 0
    predict_change: bool = True
    gaussian_states: bool = False
    gaussian_actions: bool = False
    hidden: int = 512
    window: int = 16
    reading: int = 500
    two_models: bool = False


@dataclasses.dataclass(frozen=True)
class MetricsConfig:
    """What is measured while the language model is grounded, every `every` steps and at the end; 0 measures nothing.

    `rollouts` are imagined for validation sentences, and `explained` held-out rollouts are explained with each prompt.
    Nothing is chosen by these numbers, and training is the same with and without them.
    """

    every: int = 500
    rollouts: int = 200
    explained: int = 160


@dataclasses.dataclass(frozen=True)
class ImagineConfig:
    """Imagined rollouts per novel level, and the temperature of imagined actions.

    With `plan` the language model first writes what a goal's words come to, short goals that are imagined one after
    the other, each for at most `patience` actions at a time; without, a goal is imagined in its own words (paper).

    For goals beyond single relations, each of those times, the model draws `draws` continuations and keeps the one
    after which it reads most of the plan off the imagined state; single pushes are all tried (`generate.reader`).

    Policies learn from the rollouts that reach their goal realistically (`quality.believable`), or with `keep_all` from
    every one, as in the paper. `explained` held-out rollouts are explained, and where `explanation_draws` is not
    0 also by the likeliest of so many gists (`grounding.explain.likeliest_gists`). `replayed` imagined
    rollouts of each level are played in the simulator.
    """

    rephrase: int = 5600
    unseen_easy: int = 2800
    unseen_hard: int = 1680
    temperature: float = 1.0
    plan: bool = True
    patience: int = 10
    draws: int = 8
    keep_all: bool = False
    explained: int = 320
    explanation_draws: int = 32
    replayed: int = 300


@dataclasses.dataclass(frozen=True)
class LearnConfig:
    """Offline RL: learners, conditions, seeds and budget, the same for all. `draw`: see `offline_rl.make_buffer`.

    `algorithms` are learners, and "llm_policy": the grounded language model acts itself. `conditions` are "offline":
    real rollouts; "kalm": real and imagined ones; "oracle": real ones of the data's goals and of the novel goals.

    `checkpoints` is how many of the last checkpoints share the test episodes evenly: their mean success is measured at
    the cost of one. They lie a twentieth of the training apart. The paper reports the mean of the last five.

    `dt_backbone` "llm" starts the Decision Transformer from the grounded language model's weights.

    `settings` "kalm" takes those of KALM's authors (`offline_rl.KALM_SETTINGS`), whose discount is 0.99; `compat`
    "kalm" has what their code has in effect: discount 1, every rollout's end terminal.

    `discount` is that of learners that have one. The paper's 0.99 hardly tells three pushes from ten, and
    episodes are that short; that 0.9 is better has not been measured with everything else equal.

    `relabel` is the share of goals that are put in the place of recorded ones, see `offline_rl.buffer.Relabel`, for
    the learners of `policy_stages.RELABELLED`; 0 is the paper.

    `whitening` is the ridge of goal vectors' whitening, see `offline_rl.whitening`; 0 leaves them as they are, as in
    the paper.
    """

    algorithms: tuple[str, ...] = ("td3bc",)
    conditions: tuple[str, ...] = ("offline", "kalm")
    seeds: int = 3
    updates: int = 40000
    draw: str = "rollouts"
    discount: float = 0.9
    relabel: float = 0.5
    whitening: float = 1e-3
    settings: str = "ours"
    compat: str = "none"
    checkpoints: int = 1
    dt_backbone: str = "own"

    @property
    def learners(self) -> tuple[str, ...]:
        """The algorithms that learn from rollouts."""
        return tuple(name for name in self.algorithms if name != LLM_POLICY)

    def updates_of(self, algorithm: str) -> int:
        """`updates`; fewer for those that clone: half for BC, as fewer did better on validation sentences (measured
        on an earlier version), and a quarter for the Decision Transformer, as each of its updates reads some hundreds
        of steps; how much that costs has not been measured.
        """
        return -(-self.updates // {"bc": 2, "decision_transformer": 4}.get(algorithm, 1))


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    """Episodes per level and seed; the ceiling simulates every action at every step and gets fewer."""

    episodes: int = 300
    ceiling_episodes: int = 100


@dataclasses.dataclass(frozen=True)
class PipelineConfig:
    """Everything that a run depends on; `seed` is the root of all others, `world` a name for `worlds.get_world`."""

    seed: int = 0
    world: str = "clevr"
    collect: CollectConfig = CollectConfig()
    ground: GroundConfig = GroundConfig()
    metrics: MetricsConfig = MetricsConfig()
    imagine: ImagineConfig = ImagineConfig()
    learn: LearnConfig = LearnConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    prompts: str = ""


PRESETS = {
    # One to four minutes on two cores: shows that everything runs, not how well.
    "smoke": PipelineConfig(
        collect=CollectConfig(rollouts=160),
        ground=GroundConfig(steps=20, rows=8, reading=5),
        metrics=MetricsConfig(every=20, rollouts=16, explained=8),
        imagine=ImagineConfig(
            rephrase=32, unseen_easy=32, unseen_hard=32, draws=2, explained=4, explanation_draws=2, replayed=4
        ),
        learn=LearnConfig(seeds=2, updates=40),
        evaluate=EvaluateConfig(episodes=2, ceiling_episodes=2),
    ),
    # 80 minutes on one core; the table in the README is its result (with bc beside td3bc).
    "default": PipelineConfig(),
    # The authors' amounts of data, grounding and updates: for an accelerator.
    "paper": PipelineConfig(
        collect=CollectConfig(rollouts=100_000),
        ground=GroundConfig(steps=150_000, window=0),
        metrics=MetricsConfig(every=15_000),
        imagine=ImagineConfig(rephrase=5600, unseen_easy=72_400, unseen_hard=1680, plan=False),
        learn=LearnConfig(
            seeds=3, updates=500_000, draw="transitions", discount=0.99, relabel=0.0, whitening=0.0, checkpoints=5
        ),
        evaluate=EvaluateConfig(episodes=1000, ceiling_episodes=300),
    ),
}

_METAWORLD = PipelineConfig(
    world="metaworld",
    collect=CollectConfig(rollouts=4000, behaviour="straying"),
    # Experts have no memory, so a window of their steps says as much as the whole.
    ground=GroundConfig(
        steps=5000, rows=24, row_length=96, learning_rate=2e-3, window=20, shares=TaskShares(text=0.04, plan=0.12)
    ),
    metrics=MetricsConfig(every=1000, rollouts=120),
    imagine=ImagineConfig(
        rephrase=3000,
        unseen_easy=2400,
        unseen_hard=1600,
        patience=20,
        draws=1,  # its states are not read
        explained=200,
        explanation_draws=0,
        replayed=120,
    ),
    # Whitening costs "offline" much of what it reaches on rephrased goals here, and "kalm" gains nothing. What
    # policies do in tasks that they learned nothing of differs from one checkpoint to the next: five, as in the paper.
    learn=LearnConfig(updates=40000, discount=0.99, relabel=0.0, whitening=0.0, checkpoints=5),
    evaluate=EvaluateConfig(episodes=100, ceiling_episodes=100),
)
METAWORLD_PRESETS = {
    # One to four minutes on two cores: shows that everything runs, not how well.
    "smoke": dataclasses.replace(
        _METAWORLD,
        collect=CollectConfig(rollouts=80, behaviour="straying"),
        ground=dataclasses.replace(_METAWORLD.ground, steps=20, rows=16),
        metrics=MetricsConfig(every=20, rollouts=16, explained=8),
        imagine=dataclasses.replace(
            _METAWORLD.imagine, rephrase=32, unseen_easy=32, unseen_hard=32, explained=16, replayed=8
        ),
        learn=dataclasses.replace(_METAWORLD.learn, seeds=2, updates=40),
        evaluate=EvaluateConfig(episodes=8, ceiling_episodes=8),
    ),
    # An hour and a half on one core; the table in the README is its result.
    "default": _METAWORLD,
    # The authors' amounts of data, grounding and updates: for an accelerator.
    "paper": dataclasses.replace(
        _METAWORLD,
        collect=CollectConfig(rollouts=100_000, behaviour="straying"),
        ground=dataclasses.replace(_METAWORLD.ground, steps=150_000, window=0),
        metrics=MetricsConfig(every=15_000),
        imagine=ImagineConfig(rephrase=10_000, unseen_easy=8000, unseen_hard=4000, plan=False, explanation_draws=0),
        learn=LearnConfig(
            updates=500_000, draw="transitions", discount=0.99, relabel=0.0, whitening=0.0, checkpoints=5
        ),
        evaluate=EvaluateConfig(episodes=1000, ceiling_episodes=300),
    ),
}


def own_presets(world: str, plan: bool) -> dict[str, PipelineConfig]:
    """The presets for a world of the user's own, a module's import path: Meta-world's amounts of everything.

    `plan` says whether its goals can be said as short goals; otherwise they are imagined in their own words.
    """
    return {
        name: dataclasses.replace(
            config,
            world=world,
            collect=dataclasses.replace(config.collect, behaviour="expert"),
            imagine=dataclasses.replace(config.imagine, plan=plan),
        )
        for name, config in METAWORLD_PRESETS.items()
    }
