r"""Do the learners learn? Every one on the same scripted data, beside BC and, where it is installed, d3rlpy.

    python -m experiments.learning --output=runs/learning

collects rollouts of all skills in Pendulum, Reacher and Meta-world's reach task, trains every learner with five seeds
and small networks, evaluates in the simulator on the way, and writes learning.md: returns with intervals over seeds,
the difference to BC, and d3rlpy's. Some hours on two cores; killed, the same command carries on. `pip install --no-deps
d3rlpy==2.8.1`, then what it asks for when imported, and torch, give its rows.
"""

import sys

from absl import app, flags, logging

from kalm_jax.cli import device_flags

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(device_flags)
flags.DEFINE_list("envs", None, "Environments, comma-separated. Default: Pendulum, Reacher, Meta-world's reach.")
flags.DEFINE_list(
    "algo", ["bc", "td3bc", "cql", "awac", "iql", "combo", "decision_transformer"], "Learners, comma-separated."
)
flags.DEFINE_string("output", "runs/learning", "Folder of the comparison.")
flags.DEFINE_enum("policy", "mixed", ["random", "expert", "noisy", "mixed", "replay"], "Behaviour policy of the data.")
flags.DEFINE_integer("data_episodes", 150, "Episodes of data.", lower_bound=1)
flags.DEFINE_integer("seeds", 5, "Training runs of each learner.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of the data and of the first training run.", lower_bound=0)
flags.DEFINE_integer("updates", 12_000, "Updates of each training run.", lower_bound=1)
flags.DEFINE_integer("evaluations", 20, "Evaluations on the way; the last five count.", lower_bound=1)
flags.DEFINE_integer("episodes", 10, "Episodes per evaluation and seed.", lower_bound=1)
flags.DEFINE_bool("small", True, "Small networks and batches, large rates; --nosmall takes the learners' own settings.")
flags.DEFINE_multi_string(
    "set", [], "A learner's setting, [LEARNER.]FIELD=VALUE; may be repeated; goes before --small."
)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    device_flags.start()
    from benchmarks import learning
    from kalm_jax.pipeline import offline

    numbers = {name: FLAGS[name].value for name in ("seeds", "seed", "updates", "evaluations", "episodes")}
    try:
        algorithms = tuple(dict.fromkeys(FLAGS.algo))
        settings = learning.small_settings(algorithms) if FLAGS.small else ()
        settings += tuple(offline.read_setting(text) for text in FLAGS.set)
        trained = offline.OfflineConfig("", "", algorithms, settings=settings, **numbers)
        environments = tuple(FLAGS.envs or learning.ENVIRONMENTS)
        config = learning.LearningConfig(environments, FLAGS.policy, FLAGS.data_episodes, trained)
        learning.run(FLAGS.output, config, command=" ".join(["python -m experiments.learning", *sys.argv[1:]]))
    except (ValueError, OSError, ModuleNotFoundError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    print(f"results: {FLAGS.output}/learning.md")


if __name__ == "__main__":
    app.run(main)
