"""What a run of `kalm offline` depends on; free of JAX, as `config`."""

from __future__ import annotations

import dataclasses

from kalm_jax.pipeline.config import DRAWS, LEARNERS
from kalm_jax.settings import (
    MANY,
    MAX_SEED,
    MAX_SEEDS,
    MOST_STEPS,
    REQUIRED,
    Checked,
    is_learner_setting,
    read_setting,
    setting,
)


@dataclasses.dataclass(frozen=True)
class OfflineConfig(Checked):
    """What a run of offline RL on a Gymnasium environment depends on."""

    environment: str = setting(
        REQUIRED, "Gymnasium id, such as Pendulum-v1; module:Id-v0 imports the module first.", flag="env", filled=True
    )
    data: str = setting(
        REQUIRED,
        "Rollouts: a file of this library, D4RL's flat arrays or ImagineBench's layout (.h5, .hdf5, .npz), minari:ID, "
        "or a folder of Minari's.",
        filled=True,
    )
    algorithms: tuple[str, ...] = setting(
        ("td3bc",), "Offline RL learners.", flag="algo", choices=LEARNERS, importable=True
    )
    seeds: int = setting(3, "Training runs of each learner.", low=1, high=MAX_SEEDS)
    seed: int = setting(0, "Seed of the first training run, and root of the evaluation episodes.", low=0, high=MAX_SEED)
    updates: int = setting(20_000, "Updates of each training run.", low=1, high=MOST_STEPS)
    evaluations: int = setting(
        0,
        "Evaluations on the way, evenly spaced; the last is at the end. 0 is 20, or one after each update where there "
        "are fewer than 20.",
        low=0,
        high=100_000,
    )
    episodes: int = setting(
        10, "Episodes per evaluation and seed, the same for every learner and update.", low=1, high=100_000
    )
    draw: str = setting("transitions", "What batches draw with equal chance: see kalm clevr.", choices=DRAWS)
    max_steps: int = setting(0, "Steps of an evaluation episode; 0 takes the environment's limit.", low=0, high=MANY)
    stream: bool = setting(False, "Keep the transitions in files, for data larger than the device's memory.")
    settings: tuple[tuple[str, str, object], ...] = setting(
        (),
        "A learner's setting, [LEARNER.]FIELD=VALUE, such as td3bc.alpha=1; may be repeated.",
        flag="set",
        read=read_setting,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        wrong = [entry for entry in self.settings if not is_learner_setting(entry)]
        if wrong:
            raise ValueError(
                f'OfflineConfig.settings has {wrong[0]!r}, want (learner or "", field, value), such as ("td3bc", '
                '"alpha", 1.0)'
            )
        if self.evaluations > self.updates:
            raise ValueError(
                f"--evaluations={self.evaluations} on the way of --updates={self.updates}: give at most as many "
                "evaluations as updates"
            )

    @property
    def evaluation_count(self) -> int:
        """`evaluations`, or as many as that leaves to the number of updates."""
        return self.evaluations or min(20, self.updates)
