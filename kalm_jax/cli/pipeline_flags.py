"""The flags and the body that the programs of the main job share. Imported by these programs only."""

import dataclasses
import pathlib
import sys

from absl import app, flags, logging

from kalm_jax.cli import device_flags

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(device_flags)
flags.DEFINE_list(
    "algo",
    ["td3bc"],
    "Offline RL learners, comma-separated: td3bc, bc, cql, awac, iql, combo, decision_transformer, or one of your own "
    "as my_package.my_module (BUILD.md); llm_policy is the grounded language model acting itself.",
)
flags.DEFINE_list(
    "conditions",
    None,
    "What learners learn from, comma-separated: offline (real rollouts), kalm (and imagined ones), oracle (and real "
    "ones of the novel goals: the upper bound). Default: offline,kalm.",
)
flags.DEFINE_integer(
    "checkpoints",
    None,
    "The success rate is the mean of this many of the last checkpoints, which share the test episodes (the paper: 5). "
    "Default: the preset's.",
    lower_bound=1,
    upper_bound=20,
)
flags.DEFINE_enum(
    "dt_backbone",
    "own",
    ["own", "llm"],
    "The Decision Transformer's transformer: one of its own, or the grounded language model with its weights.",
)
flags.DEFINE_enum(
    "preset",
    "default",
    ["smoke", "default", "paper"],
    "smoke: minutes on two cores, shows that everything runs; default: the program's full run on two cores; paper: "
    "the authors' amounts of data and updates, for a GPU.",
)
flags.DEFINE_string("output", None, "Folder of the run. Default: runs/WORLD-PRESET.")
flags.DEFINE_integer("seed", 0, "Root of all random numbers.", lower_bound=0)
flags.DEFINE_integer("seeds", None, "Policies trained per learner and condition. Default: the preset's.", lower_bound=1)
flags.DEFINE_integer("episodes", None, "Test episodes per level and seed. Default: the preset's.", lower_bound=1)
flags.DEFINE_integer(
    "updates",
    None,
    "Updates of each policy (bc: half, decision_transformer: a quarter). Default: the preset's.",
    lower_bound=1,
)
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
flags.DEFINE_float(
    "whitening",
    None,
    "Ridge of the whitening of goal vectors, as a share of their largest variance; 0 leaves them as the language model "
    "has them (the paper). Default: the preset's.",
    lower_bound=0.0,
)
flags.DEFINE_bool(
    "plan",
    None,
    "Whether the language model writes what a goal's words come to, short goals, and imagines those one after the "
    "other; --noplan imagines for the words as they are (the paper). Default: the preset's.",
)
flags.DEFINE_integer(
    "draws",
    None,
    "Continuations of imagined rollouts of the unseen levels among which the language model chooses by what it reads "
    "off them; 1 takes what comes (the paper). Not with --noplan, nor in Meta-world, whose states are not read. "
    "Default: the preset's.",
    lower_bound=1,
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
flags.DEFINE_string("llm", "", "Language model to ground: a Hugging Face folder. Default: the small built-in model.")
flags.DEFINE_float(
    "grounding_learning_rate",
    None,
    "Peak learning rate of the language model. Default: the preset's; 5e-5 (the authors') with --llm, 2e-4 with --llm "
    "and --lora_rank.",
    lower_bound=0.0,
)
flags.DEFINE_list(
    "grounding_tasks", None, "Tasks that the language model is trained on, comma-separated. Default: all of them."
)
flags.DEFINE_integer(
    "evaluate_every",
    None,
    "Grounding steps from one measurement to the next of match rate and explanation accuracy, on validation sentences "
    "and held-out rollouts: ground/metrics.csv. 0 measures nothing. Default: the preset's; 0 with --llm, as a second "
    "copy of the model must fit on the devices.",
    lower_bound=0,
)
flags.DEFINE_integer("grounding_rows", None, "Rows of a grounding batch. Default: the preset's.", lower_bound=1)
flags.DEFINE_integer(
    "grounding_accumulation", 1, "Parts of such a batch, one after the other, to save memory.", lower_bound=1
)
flags.DEFINE_enum(
    "grounding_precision",
    "float32",
    ["float32", "bfloat16"],
    "Type that the language model computes in; its weights stay in float32, unless --lora_rank freezes them.",
)
flags.DEFINE_enum(
    "grounding_attention",
    "plain",
    ["plain", "cudnn", "splash"],
    "Attention while the language model is grounded: plain, or by cuDNN's kernel on a GPU or splash (Pallas) on a TPU, "
    "both in bfloat16 only and not yet tried on hardware (BUILD.md).",
)
flags.DEFINE_enum(
    "grounding_recompute",
    "all",
    ["all", "cheap"],
    "What the backward pass through a model of your own (--llm) computes again: all of a layer, or (cheap) all but its "
    "products with weights, a quarter of a step's work for more memory (BUILD.md).",
)
flags.DEFINE_integer("lora_rank", 0, "Rank of LoRA adapters; 0 trains all weights.", lower_bound=0)
flags.DEFINE_enum("state_target", "change", ["change", "state"], "What the state head predicts (paper: state).")
flags.DEFINE_enum(
    "state_head", "point", ["point", "gaussian"], "A next state, or a distribution that imagination draws from."
)
flags.DEFINE_enum("state_maps", "mlp", ["mlp", "linear"], "How states enter and leave (authors' code: linear).")
flags.DEFINE_bool(
    "two_models",
    False,
    "Two language models that both begin as --llm: one for words and actions, one for states (the paper's outlook).",
)


flags.DEFINE_string(
    "offline_data", "", "Real rollouts of your own instead of collected ones; see BUILD.md for formats."
)


ALGORITHMS = ("td3bc", "bc", "cql", "awac", "iql", "combo", "decision_transformer", "llm_policy")
CONDITIONS = ("offline", "kalm", "oracle")
TASKS = ("generation", "explanation", "dynamics", "consequence", "description", "text", "plan")
"""Named here so that a wrong name fails at once, before anything heavy is imported."""


def check(name, good, mend):
    """Has a flag refused at the start, with the mend, where `good` says no of its value."""
    flags.register_validator(name, good, message=mend)


check(
    "algo",
    lambda v: v and all(name in ALGORITHMS or "." in name for name in v),
    f"choose from {', '.join(ALGORITHMS)}, comma-separated, or import paths of your own",
)
check(
    "conditions",
    lambda v: v is None or (v and set(v) <= set(CONDITIONS)),
    f"choose from {', '.join(CONDITIONS)}, comma-separated",
)
check("grounding_tasks", lambda v: not v or set(v) <= set(TASKS), f"choose from {', '.join(TASKS)}, comma-separated")
check("offline_data", lambda v: not v or pathlib.Path(v).is_file(), "no such file")
check(
    "llm",
    lambda v: not v or (pathlib.Path(v) / "config.json").is_file(),
    "no config.json there; it wants a Hugging Face folder (config.json, *.safetensors, tokenizer.json)",
)


def learning_rate():
    """That of the flag; a model of the user's own has more to lose than the built-in one."""
    if FLAGS.grounding_learning_rate is not None or not FLAGS.llm:
        return FLAGS.grounding_learning_rate
    return 2e-4 if FLAGS.lora_rank else 5e-5


def evaluate_every():
    """That of the flag; by itself nothing is measured of a model of the user's own, which may fill its devices."""
    return 0 if FLAGS.evaluate_every is None and FLAGS.llm else FLAGS.evaluate_every


def read_flags(presets, **fields):
    """The configuration that the flags describe.

    Args:
      presets: of the world, by name.
      **fields: of `PipelineConfig` that only one program has flags for; those of `collect` as a dictionary.
    """
    config = presets[FLAGS.preset]

    def change(part, **values):
        return dataclasses.replace(part, **{k: v for k, v in values.items() if v is not None})

    return change(
        config,
        seed=FLAGS.seed,
        **{k: v for k, v in fields.items() if k != "collect"},
        collect=change(config.collect, file=FLAGS.offline_data, **fields.get("collect", {})),
        ground=change(
            config.ground,
            llm=FLAGS.llm,
            steps=FLAGS.grounding_steps,
            rows=FLAGS.grounding_rows,
            learning_rate=learning_rate(),
            shares=config.ground.shares.only(FLAGS.grounding_tasks) if FLAGS.grounding_tasks else None,
            accumulate=FLAGS.grounding_accumulation,
            compute=FLAGS.grounding_precision,
            attention=FLAGS.grounding_attention,
            recompute=FLAGS.grounding_recompute,
            lora_rank=FLAGS.lora_rank,
            predict_change=FLAGS.state_target == "change",
            gaussian_states=FLAGS.state_head == "gaussian",
            hidden=0 if FLAGS.state_maps == "linear" else None,
            two_models=FLAGS.two_models,
        ),
        metrics=change(config.metrics, every=evaluate_every()),
        learn=change(
            config.learn,
            algorithms=tuple(dict.fromkeys(FLAGS.algo)),
            conditions=tuple(dict.fromkeys(FLAGS.conditions)) if FLAGS.conditions else None,
            checkpoints=FLAGS.checkpoints,
            dt_backbone=FLAGS.dt_backbone,
            seeds=FLAGS.seeds,
            updates=FLAGS.updates,
            draw=FLAGS.draw,
            relabel=FLAGS.relabel,
            whitening=FLAGS.whitening,
            settings=FLAGS.settings,
            compat=FLAGS.compat,
        ),
        imagine=change(config.imagine, plan=FLAGS.plan, draws=FLAGS.draws),
        evaluate=change(config.evaluate, episodes=FLAGS.episodes),
    )


def run(argv, world, config, program=None):
    """The program's body: the pipeline into --output, errors that a user can mend in one line.

    `config` is called after JAX is prepared: a world of the user's own may touch devices when it is imported. `world`
    names the default output, `program` the program, which is called like its world if nothing is said.
    """
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    device_flags.start()
    from kalm_jax.pipeline import run as pipeline

    output = FLAGS.output or f"runs/{world}-{FLAGS.preset}"
    command = " ".join([f"python -m experiments.{program or world}", *sys.argv[1:]])
    try:
        pipeline.run(output, config(), command=command)
    except (ValueError, FileNotFoundError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
