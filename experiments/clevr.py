r"""KALM on CLEVR-Robot, from nothing to a report, in one command.

    python -m experiments.clevr --algo=td3bc

collects rollouts in the simulator, grounds the language model on them, imagines rollouts for goals worded or composed
in ways that the data never used, trains policies with and without the imagined rollouts, tests them in the simulator
at all four levels, and writes tables, figures and report.html into --output. Killed, the same command carries on; a
changed setting redoes the stages that depend on it.
"""

import dataclasses
import pathlib
import sys

from absl import app, flags, logging

FLAGS = flags.FLAGS
flags.DEFINE_list("algo", ["td3bc"], "Offline RL learners, comma-separated: td3bc, bc, cql, awac, iql, combo.")
flags.DEFINE_enum(
    "preset",
    "default",
    ["smoke", "default", "paper"],
    "smoke: 3 minutes on two cores, shows that everything runs; default: half an hour; paper: the authors' amounts of "
    "data and updates, for a GPU.",
)
flags.DEFINE_string("output", None, "Folder of the run. Default: runs/clevr-PRESET.")
flags.DEFINE_integer("seed", 0, "Root of all random numbers.", lower_bound=0)
flags.DEFINE_integer("seeds", None, "Policies trained per learner and arm. Default: the preset's.", lower_bound=1)
flags.DEFINE_integer("episodes", None, "Test episodes per level and seed. Default: the preset's.", lower_bound=1)
flags.DEFINE_integer("updates", None, "Updates of each policy (bc: half). Default: the preset's.", lower_bound=1)
flags.DEFINE_enum(
    "draw",
    None,
    ["transitions", "rollouts"],
    "What policies draw with equal chance: transitions (the paper), or rollouts and then a step of each, so that long, "
    "stuck ones do not rule the data. Default: the preset's.",
)
flags.DEFINE_float(
    "relabel",
    None,
    "Share of goals that are put in the place of recorded ones when td3bc's critic learns (hindsight relabelling; the "
    "paper: 0). Default: the preset's.",
    lower_bound=0.0,
    upper_bound=0.95,
)
flags.DEFINE_bool(
    "plan",
    None,
    "Whether the language model writes what a goal's words come to, short goals, and imagines those one after the "
    "other; --noplan imagines for the words as they are (the paper). Default: the preset's.",
)
flags.DEFINE_enum(
    "settings",
    "ours",
    ["ours", "kalm"],
    "Learners' settings: ours, or those that KALM's authors published (td3bc, bc, cql, awac).",
)
flags.DEFINE_enum(
    "compat",
    "none",
    ["none", "kalm"],
    "kalm: discount 1 and every rollout's end terminal, as in the authors' code; none: time-outs bootstrap.",
)
flags.DEFINE_integer("grounding_steps", None, "Updates of the language model. Default: the preset's.", lower_bound=1)
flags.DEFINE_enum(
    "behaviour",
    "scripted",
    ["scripted", "lookahead"],
    "Policy that collects the real rollouts: scripted resembles the authors' data, lookahead is competent.",
)
flags.DEFINE_string("llm", "", "Language model to ground: a Hugging Face folder. Default: the small built-in model.")
flags.DEFINE_string(
    "offline_data",
    "",
    "Real rollouts of your own instead of collected ones: the authors' .npy or .hdf5 layout, or ours.",
)
flags.DEFINE_string(
    "eval_prompts",
    "",
    "Prompt file in the authors' format (.npy): match rate and success on its goals go to prompts.csv.",
)


ALGORITHMS = ("td3bc", "bc", "cql", "awac", "iql", "combo")
"""Named here so that a wrong name fails at once, before anything heavy is imported."""


def _check(name, good, mend):
    flags.register_validator(name, good, message=mend)


_check("algo", lambda v: v and set(v) <= set(ALGORITHMS), f"choose from {', '.join(ALGORITHMS)}, comma-separated")
_check("offline_data", lambda v: not v or pathlib.Path(v).is_file(), "no such file")
_check("eval_prompts", lambda v: not v or pathlib.Path(v).is_file(), "no such file")
_check(
    "llm",
    lambda v: not v or (pathlib.Path(v) / "config.json").is_file(),
    "no config.json there; it wants a Hugging Face folder (config.json, *.safetensors, tokenizer.json)",
)


def read_flags():
    """The configuration that the flags describe."""
    from kalm_jax.config import PRESETS

    config = PRESETS[FLAGS.preset]

    def change(part, **values):
        return dataclasses.replace(part, **{k: v for k, v in values.items() if v is not None})

    return change(
        config,
        seed=FLAGS.seed,
        prompts=FLAGS.eval_prompts,
        collect=change(config.collect, behaviour=FLAGS.behaviour, file=FLAGS.offline_data),
        ground=change(config.ground, steps=FLAGS.grounding_steps, llm=FLAGS.llm),
        learn=change(
            config.learn,
            algorithms=tuple(FLAGS.algo),
            seeds=FLAGS.seeds,
            updates=FLAGS.updates,
            draw=FLAGS.draw,
            relabel=FLAGS.relabel,
            settings=FLAGS.settings,
            compat=FLAGS.compat,
        ),
        imagine=change(config.imagine, plan=FLAGS.plan),
        evaluate=change(config.evaluate, episodes=FLAGS.episodes),
    )


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    config = read_flags()
    from kalm_jax import parallel, pipeline

    parallel.start()
    output = FLAGS.output or f"runs/clevr-{FLAGS.preset}"
    try:
        pipeline.run(output, config, command=" ".join(["python -m experiments.clevr", *sys.argv[1:]]))
    except (ValueError, FileNotFoundError, FloatingPointError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    app.run(main)
