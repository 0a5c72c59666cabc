"""Which grounding tasks matter, and what else: the paper's ablation (KALM, tables 1 and 5) and ours.

    kalm ablation --preset=smoke --grounding_tasks_sets=all,all-explanation,all-dynamics

collects rollouts once and, for every set of tasks, grounds the language model with the same seeds and steps, imagines
rollouts of the novel levels and explains held-out ones. ablation.md and ablation.csv in --output have match rate,
unrealistic transitions and explanation accuracy with intervals. No policy is trained. If it is killed, the same command
continues it. A set takes about as long as grounding does: with the preset "full" a quarter of an hour on two cores.

    kalm ablation --grounding_tasks_sets=all --variants=direct,single_draws

compares ways to imagine instead, which share a grounded model. The variants state, gaussian, linear and two_models are
other ways in which numbers enter and leave the model, and unaugmented, no_mirrors and no_exchanges show it less of
Meta-world's symmetry. Each of these is grounded again with the first set of tasks (two models take twice as long).
"""

import dataclasses

from kalm_jax.cli import job
from kalm_jax.cli.devices import start
from kalm_jax.cli.flags import Flag, flags_of, made, parse
from kalm_jax.cli.main import invocation
from kalm_jax.disk import check_output_folder
from kalm_jax.grounding.config import TASKS
from kalm_jax.pipeline.config import VARIANTS
from kalm_jax.settings import Checked, setting


@dataclasses.dataclass(frozen=True)
class AblationSettings(Checked):
    """What is compared."""

    world: str = setting(
        "clevr",
        "CLEVR-Robot, or Meta-world's Sawyer arm. The flags' defaults are CLEVR-Robot's.",
        choices=("clevr", "metaworld"),
    )
    grounding_tasks_sets: tuple[str, ...] = setting(
        ("all", "all-explanation", "all-dynamics"),
        "Sets of grounding tasks: all, all but some (all-explanation-plan), or some (generation+plan), of the tasks "
        f"{', '.join(TASKS)}. The others are compared with the first.",
    )
    variants: tuple[str, ...] = setting(
        (),
        "Variants to compare with the first set: state (instead of the change of state), gaussian (a distribution over "
        "next states instead of a point), linear (maps instead of MLPs), two_models; in Meta-world unaugmented "
        "(rollouts are shown as they are), no_mirrors, no_exchanges (of things that move alike); direct (goals are "
        "imagined in their own words), single_draws (no choice among draws), search (a choice among all actions "
        "of each step).",
        choices=tuple(VARIANTS),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.grounding_tasks_sets:
            tasks_of(name)


def tasks_of(name: str) -> tuple[str, ...]:
    """The tasks of a set by its name, in the order of `TASKS`. ValueError where the name cannot be read."""
    first, *left_out = name.split("-")
    some = TASKS if first == "all" else first.split("+")
    tasks = tuple(task for task in TASKS if task in some and task not in left_out)
    if (first != "all" and left_out) or not {*some, *left_out} <= set(TASKS) or not tasks:
        raise ValueError(
            f"--grounding_tasks_sets={name}: give different sets such as all,all-explanation,generation+plan, of the "
            f"tasks {', '.join(TASKS)}"
        )
    return tasks


def flags() -> list[Flag]:
    """The flags of the command."""
    parts = ("", "collect", "ground", "metrics", "imagine")
    return flags_of(AblationSettings, "comparison") + job.job_flags(
        "clevr", parts, ("world", "grounding_tasks", "eval_prompts", "keep_all", "behavior", "replays")
    )


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    given = parse(flags(), argv)
    settings, chosen = made(AblationSettings, given), made(job.JobSettings, given)
    output = chosen.output or f"runs/ablation-{settings.world}-{chosen.preset}"
    check_output_folder(output)
    start(given)
    from kalm_jax.pipeline import ablation

    sets = {name: tasks_of(name) for name in settings.grounding_tasks_sets}
    config, command = job.configuration(settings.world, given), invocation("ablation", argv)
    ablation.run(output, config, sets, command=command, variants=settings.variants)
    print(f"tables: {output}/ablation.md")
