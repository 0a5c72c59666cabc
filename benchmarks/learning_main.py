r"""Do the learners learn? Every one on the same scripted data, beside BC and, where it is installed, d3rlpy.

    python -m experiments.learning --output=runs/learning

collects rollouts of all skills in Pendulum, Reacher and Meta-world's reach task, trains every learner with five seeds
and small networks, evaluates in the simulator on the way, and writes learning.md: returns with intervals over seeds,
the difference to BC, and d3rlpy's. Some hours on two cores; if it is killed, the same command continues it. `pip
install --no-deps d3rlpy==2.8.1`, then what it asks for when imported, and torch, give its rows.
"""

import dataclasses
from typing import Any

from kalm_jax.cli.devices import device_flags, start
from kalm_jax.cli.flags import Flag, flags_of, made, parse
from kalm_jax.cli.main import invocation
from kalm_jax.disk import check_output_folder
from kalm_jax.pipeline.config import LEARNERS
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.settings import MANY, Checked, check_repeated, setting, settings_of


@dataclasses.dataclass(frozen=True)
class LearningSettings(Checked):
    """What is compared on which data."""

    envs: tuple[str, ...] = setting((), "Environments; none are Pendulum, Reacher and Meta-world's reach.")
    output: str = setting("runs/learning", "Folder of the comparison.", filled=True)
    policy: str = setting(
        "mixed", "Behavior policy of the data.", choices=("random", "expert", "noisy", "mixed", "replay")
    )
    data_episodes: int = setting(150, "Episodes of data.", low=1, high=MANY)
    small: bool = setting(True, "Small networks and batches, large rates; --nosmall takes the learners' own settings.")


SHORT: dict[str, Any] = {
    "algorithms": ("bc", *(name for name in LEARNERS if name != "bc")),
    "seeds": 5,
    "updates": 12_000,
}
"""Defaults other than `OfflineConfig`'s."""


def flags() -> list[Flag]:
    training = flags_of(OfflineConfig, "training", ("env", "data", "draw", "max_steps", "stream"))
    training = [
        dataclasses.replace(f, field=dataclasses.replace(f.field, default=SHORT.get(f.field.name, f.field.default)))
        for f in training
    ]
    return [*flags_of(LearningSettings, "comparison"), *training, *device_flags()]


def main(argv: list[str]) -> None:
    given = parse(flags(), argv)
    chosen = made(LearningSettings, given)
    check_repeated(given.get("set", ()))
    check_output_folder(chosen.output)
    start(given)
    from benchmarks import learning

    values = SHORT | {f.name: given[f.flag] for f in settings_of(OfflineConfig) if f.flag in given}
    small = learning.small_settings(values["algorithms"], values["updates"]) if chosen.small else ()
    trained = OfflineConfig("each", "each", **values | {"settings": small + values.get("settings", ())})
    environments = chosen.envs or tuple(learning.ENVIRONMENTS)
    config = learning.LearningConfig(environments, chosen.policy, chosen.data_episodes, trained)
    learning.run(chosen.output, config, command=invocation("learning", argv))
    print(f"results: {chosen.output}/learning.md")
