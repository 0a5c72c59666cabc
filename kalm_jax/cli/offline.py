r"""Offline RL on any Gymnasium environment from a file of rollouts; no goals, no language model.

    python -m experiments.offline --env=Pendulum-v1 --data=pendulum.h5 --algo=td3bc,bc

trains every learner with several seeds, evaluates in the simulator on the way, and writes results.csv, table.md and
figures/returns.png into --output. Killed, the same command carries on. Files: ours, D4RL's flat arrays, ImagineBench's
layout (.h5, .hdf5, .npz), Minari (minari:ID or its folder); `experiments.collect` makes some.
"""

import sys

from absl import app, flags, logging

from kalm_jax.cli import device_flags

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(device_flags)
flags.DEFINE_string("env", None, "Gymnasium id, such as Pendulum-v1; module:Id-v0 imports the module.", required=True)
flags.DEFINE_string("data", None, "Rollouts: a file, minari:ID or a folder of Minari's.", required=True)
flags.DEFINE_list("algo", ["td3bc"], "Offline RL learners, comma-separated.")
flags.DEFINE_string("output", None, "Folder of the run. Default: runs/offline-ENV.")
flags.DEFINE_integer("seeds", 3, "Training runs of each learner.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of the first training run, and root of the evaluation episodes.", lower_bound=0)
flags.DEFINE_integer("updates", 20_000, "Updates of each training run.", lower_bound=1)
flags.DEFINE_integer("evaluations", 20, "Evaluations on the way, evenly spaced; the last is at the end.", lower_bound=1)
flags.DEFINE_integer("episodes", 10, "Episodes per evaluation and seed.", lower_bound=1)
flags.DEFINE_enum("draw", "transitions", ["transitions", "rollouts"], "What is drawn with equal chance.")
flags.DEFINE_integer("max_steps", 0, "Steps of an evaluation episode; 0 takes the environment's limit.", lower_bound=0)
flags.DEFINE_bool("stream", False, "Keep the transitions in files, for data larger than the device's memory.")
flags.DEFINE_multi_string(
    "set", [], "A learner's setting, [LEARNER.]FIELD=VALUE, such as td3bc.alpha=1; may be repeated."
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)

    device_flags.start()
    from kalm_jax.pipeline import offline

    try:
        config = offline.OfflineConfig(
            environment=FLAGS.env,
            data=FLAGS.data,
            algorithms=tuple(dict.fromkeys(FLAGS.algo)),
            settings=tuple(offline.read_setting(text) for text in FLAGS.set),
            **{
                name: FLAGS[name].value
                for name in ("seeds", "seed", "updates", "evaluations", "episodes", "draw", "max_steps", "stream")
            },
        )
        output = FLAGS.output or f"runs/offline-{FLAGS.env.rpartition(':')[2].replace('/', '-')}"
        offline.run(output, config, command=" ".join(["python -m experiments.offline", *sys.argv[1:]]))
    except (ValueError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    print(f"results: {output}")


if __name__ == "__main__":
    app.run(main)
