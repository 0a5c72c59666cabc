"""Offline RL on any Gymnasium environment from a file of rollouts; no goals, no language model.

    kalm offline --env=Pendulum-v1 --data=pendulum.h5 --algo=td3bc,bc

trains every learner with several seeds, evaluates in the simulator on the way, and writes results.csv, table.md and
figures/returns.png into --output. How long it takes depends on --updates and --seeds. If it is killed, the same command
continues it. `kalm collect` makes files of rollouts.
"""

import dataclasses

from kalm_jax.cli.devices import WatchSettings, device_flags, start, watch
from kalm_jax.cli.flags import Flag, flags_of, made, parse
from kalm_jax.cli.main import invocation
from kalm_jax.disk import check_output_folder
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.settings import Checked, check_repeated, setting


@dataclasses.dataclass(frozen=True)
class OutputSettings(Checked):
    """Where results go."""

    output: str = setting("", "Folder of the run. By default runs/offline-ENV.", filled=True)


def flags() -> list[Flag]:
    """The flags of the command."""
    output = [*flags_of(OutputSettings, "output"), *flags_of(WatchSettings, "output")]
    return [*flags_of(OfflineConfig, "run"), *output, *device_flags()]


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    given = parse(flags(), argv)
    check_repeated(given.get("set", ()))
    config = made(OfflineConfig, given)
    output = made(OutputSettings, given).output
    output = output or f"runs/offline-{config.environment.rpartition(':')[2].replace('/', '-')}"
    watch(given, output)
    check_output_folder(output)
    start(given)
    from kalm_jax.pipeline import offline

    offline.run(output, config, command=invocation("offline", argv))
    print(f"results: {output}")
