"""The main job several times, each with data and a language model of its own, and tables with intervals over them.

    kalm study --world=clevr --groundings=5 --output=runs/study

makes five ordinary runs, in runs/study/grounding-1 and so on, whose seeds differ, so that each has rollouts, a grounded
language model, imagined rollouts and policies of its own. Every other flag is the main job's. After each run study.md,
study.csv and study.png are written again: success of every learner and condition on sentences that were met and on new
ones, and the differences of conditions, with 95% intervals over groundings and sentence templates. It says how much
time is left over all of them. If it is killed at any moment, the same command continues it; a larger --groundings adds
runs. A run with the preset "default" takes about as long as kalm clevr says.
"""

import dataclasses

from kalm_jax.cli import job
from kalm_jax.cli.devices import start
from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.cli.main import invocation
from kalm_jax.disk import check_output_folder
from kalm_jax.pipeline.config import PARTS
from kalm_jax.settings import REQUIRED, Checked, setting

NOT_HERE = {
    "offline_data": "every grounding collects rollouts of its own",
    "eval_prompts": "a study has no table of them",
    "tensorboard": "its curves are those of a single run",
}
"""Flag of the main job that a study does not have -> why."""


@dataclasses.dataclass(frozen=True)
class StudySettings(Checked):
    """What is studied."""

    world: str = setting(
        REQUIRED,
        "The environment: clevr, metaworld, or the import path of a module with a WORLD. The flags' defaults below are "
        "clevr's; those of the others are in kalm metaworld --help and kalm world --help.",
    )
    groundings: int = setting(5, "Runs with data, a language model and policies of their own.", low=2, high=100)
    only: int = setting(
        0,
        "Number of the one grounding that is made; 0 makes all. Several machines make one each, with an --output of "
        "their own. Copied into one study, their results/grounding-* are kept, and its command makes the tables.",
        low=0,
        high=100,
    )


def flags() -> list[Flag]:
    """The flags of the command."""
    shared = job.job_flags("clevr", PARTS, ("world", *NOT_HERE))
    shared = [flag for flag in shared if flag.name not in NOT_HERE]
    for i, flag in enumerate(shared):
        if flag.name == "behavior":  # each world has its own
            shared[i] = dataclasses.replace(flag, field=dataclasses.replace(flag.field, choices=()))
    return flags_of(StudySettings, "study") + shared


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    for argument in argv:
        name = argument.lstrip("-").partition("=")[0]
        if argument.startswith("-") and name in NOT_HERE:
            raise UsageError(f"--{name}: {NOT_HERE[name]}; leave it out")
    given = parse(flags(), argv)
    settings, chosen = made(StudySettings, given), made(job.JobSettings, given)
    output = chosen.output or f"runs/study-{settings.world.rpartition('.')[2]}-{chosen.preset}"
    check_output_folder(output)
    start(given)
    from kalm_jax.pipeline import study

    config = job.configuration(settings.world, given)
    study.run(output, config, settings.groundings, invocation("study", argv), settings.only)
