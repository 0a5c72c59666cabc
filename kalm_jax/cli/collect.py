r"""Rollouts of a scripted or random policy in a Gymnasium environment, as a file for `experiments.offline`.

    python -m experiments.collect --env=Pendulum-v1 --policy=mixed --episodes=100 --output=pendulum.h5

Policies: random (any environment); expert, a scripted controller (Pendulum-v1, Reacher-v5, CartPole-v1); noisy, which
acts at random half of the time; mixed, a third of the episodes of each; replay, from random to middling, as the replay
buffer of a learner.
"""

import sys

import numpy as np
from absl import app, flags, logging

FLAGS = flags.FLAGS
flags.DEFINE_string("env", None, "Gymnasium id, such as Pendulum-v1; module:Id-v0 imports the module.", required=True)
flags.DEFINE_enum("policy", "mixed", ["random", "expert", "noisy", "mixed", "replay"], "Behaviour policy.")
flags.DEFINE_integer("episodes", 100, "Episodes.", lower_bound=1)
flags.DEFINE_string("output", None, "File to write: .h5, .hdf5, .npz, or minari:ID.", required=True)
flags.DEFINE_enum("layout", "kalm_jax", ["kalm_jax", "d4rl"], "Layout of the file; d4rl: flat arrays over transitions.")
flags.DEFINE_integer("seed", 0, "Seed of the resets and of the random actions.", lower_bound=0)


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments {argv[1:]}; settings are given as --name=value")
    logging.set_verbosity(logging.WARNING)
    from benchmarks.controllers import collect_episodes
    from kalm_jax.datasets.formats import check_writable, write_rollouts

    try:
        check_writable(FLAGS.output)
        rollouts, goals, notes = collect_episodes(FLAGS.env, FLAGS.policy, FLAGS.episodes, FLAGS.seed)
        write_rollouts(FLAGS.output, rollouts, goals, notes, FLAGS.layout)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        sys.exit(f"error: {error}")
    returns = rollouts.rewards.sum(1)
    print(
        f"{FLAGS.output}: {len(rollouts)} episodes, {rollouts.num_transitions()} transitions, return "
        f"{returns.mean():.4g} (standard deviation {np.std(returns):.3g}, best {returns.max():.4g})"
    )


if __name__ == "__main__":
    app.run(main)
