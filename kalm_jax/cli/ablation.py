r"""Which grounding tasks matter, and what else: the paper's ablation (KALM, tables 1 and 5) and ours.

    python -m experiments.ablation --preset=smoke --grounding_tasks_sets=all,all-explanation,all-dynamics

collects rollouts once and, for every set of tasks, grounds the language model with the same seeds and steps, imagines
rollouts of the novel levels and explains held-out ones. ablation.md and ablation.csv in --output have match rate,
unrealistic transitions and explanation accuracy with intervals. No policy is trained. Killed, the same command carries
on. With the default preset a set takes about as long as grounding does, ten minutes on two cores.

    python -m experiments.ablation --grounding_tasks_sets=all --variants=direct,single_draws

compares ways to imagine instead, which share a grounded model: goals in their own words, as in the paper, and by plans
without a choice among draws. --variants=state,gaussian,linear,two_models are other ways in which numbers enter and
leave the model, each grounded anew by the first set of tasks (two models take twice as long).
"""

import sys

from absl import app, flags, logging

from kalm_jax.cli import device_flags
from kalm_jax.cli import pipeline_flags as shared

FLAGS = flags.FLAGS
flags.DEFINE_enum("world", "clevr", ["clevr", "metaworld"], "CLEVR-Robot, or Meta-world's Sawyer arm.")
flags.DEFINE_list(
    "grounding_tasks_sets",
    ["all", "all-explanation", "all-dynamics"],
    "Sets of grounding tasks, comma-separated: all, all but some (all-explanation-plan), or some (generation+plan). "
    "The others are compared with the first.",
)
VARIANTS = ("state", "gaussian", "linear", "two_models", "direct", "single_draws")
flags.DEFINE_list(
    "variants",
    [],
    "Variants to compare with the first set, comma-separated: state (instead of the change of state), gaussian (a "
    "distribution over next states instead of a point), linear (maps instead of MLPs), two_models; direct (goals are "
    "imagined in their own words), single_draws (no choice among draws).",
)
UNUSED = (
    *(
        "algo",
        "conditions",
        "checkpoints",
        "dt_backbone",
        "seeds",
        "episodes",
        "updates",
        "draw",
        "relabel",
        "whitening",
    ),
    *("settings", "compat", "grounding_tasks"),
)


def tasks_of(name):
    """The tasks of a set by its name, in the order of `flags.TASKS`; () where the name cannot be read."""
    first, *left_out = name.split("-")
    some = shared.TASKS if first == "all" else first.split("+")
    if (first != "all" and left_out) or not {*some, *left_out} <= set(shared.TASKS):
        return ()
    return tuple(task for task in shared.TASKS if task in some and task not in left_out)


shared.check(
    "grounding_tasks_sets",
    lambda v: v and len(set(v)) == len(v) and all(map(tasks_of, v)),
    "give different sets such as all,all-explanation,generation+plan, of the tasks " + ", ".join(shared.TASKS),
)
shared.check(
    "variants",
    lambda v: len(set(v)) == len(v) and set(v) <= set(VARIANTS),
    f"choose different ones from {', '.join(VARIANTS)}, comma-separated",
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    given = [name for name in UNUSED if FLAGS[name].present]
    if given:
        raise app.UsageError(
            f"--{given[0]} has no use here: no policy is trained, and --grounding_tasks_sets has tasks"
        )
    logging.set_verbosity(logging.WARNING)
    device_flags.start()
    from kalm_jax.pipeline import ablation
    from kalm_jax.pipeline.config import METAWORLD_PRESETS, PRESETS

    config = shared.read_flags(PRESETS if FLAGS.world == "clevr" else METAWORLD_PRESETS)
    output = FLAGS.output or f"runs/ablation-{FLAGS.world}-{FLAGS.preset}"
    sets = {name: tasks_of(name) for name in FLAGS.grounding_tasks_sets}
    command = " ".join(["python -m experiments.ablation", *sys.argv[1:]])
    try:
        ablation.run(output, config, sets, command=command, variants=FLAGS.variants)
    except (ValueError, FileNotFoundError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    print(f"tables: {output}/ablation.md")


if __name__ == "__main__":
    app.run(main)
