"""What a finished run's policies reach on validation sentences: `python -m benchmarks.validation --run=FOLDER`.

Validation sentences are rephrased goals of the data that belong to no level; settings may be chosen by them. Every
learner and condition is played with both ways to choose actions, from the same first states with the same sentences,
and the table has success in % with 95% intervals over the policy seeds. `LearnerDefaults.actions` of a world is what
this table says.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

import kalm_jax as kalm
from kalm_jax.evaluation import evaluate, learner_policy, pooled_interval
from kalm_jax.pipeline.config import ACTIONS, TRANSLATED, policies_of
from kalm_jax.pipeline.learners import configured_learner, load_policies
from kalm_jax.pipeline.loaded_run import LoadedRun
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.translation import Translator
from kalm_jax.types import Episodes

FIRST_SEED = 7_000_000
"""Of the episodes, far from those of tests."""


def validation_episodes(run: LoadedRun, count: int) -> Episodes:
    """`count` episodes with different validation sentences, with the run's goal vectors."""
    goals, rng = run.world.validation_goals(), np.random.default_rng(FIRST_SEED)
    goal = np.resize(rng.permutation(len(goals)), count).astype(np.int32)
    _, states = run.world.first_states(rng, goals, goal)
    asked = np.unique(goal)
    known = run.encode([goals.text[g] for g in asked])
    vectors = np.zeros((len(goals), known.shape[1]), np.float32)
    vectors[asked] = known
    return Episodes(states, goal, goals.with_vector(vectors))


def rates(run: LoadedRun, episodes: Episodes) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """(learner, condition, way to choose actions, (seeds, 3) episodes, successes early and within the horizon)."""
    config, world, folder = run.config, run.world, PipelineRun(run.path, run.config, command=None)
    translate = Translator(folder, episodes.goals, np.unique(episodes.goal)) if _translated(run) else None
    with world.simulator() as simulator:
        for algorithm in config.learn.learners:
            learner = configured_learner(config, algorithm)
            choices = ACTIONS if algorithm in world.learning.stochastic else ACTIONS[:1]
            for condition in config.learn.conditions:
                states, stats = load_policies(folder, algorithm, policies_of(condition))
                for choice in choices:
                    counts = []
                    for i, state in enumerate(states):
                        seed, greedy = config.seed + i, choice == "greedy"
                        act = learner_policy(learner, state, stats, greedy, seed, world.observe, world.label_rewards)
                        if translate is not None and condition in TRANSLATED:
                            act = translate(act)
                        found = evaluate(act, episodes, simulator)
                        early = found.success & (found.steps <= world.spaces.early_steps)
                        counts.append((len(episodes), early.sum(), found.success.sum()))
                    yield algorithm, condition, choice, np.array(counts)


def _translated(run: LoadedRun) -> bool:
    return any(condition in TRANSLATED for condition in run.config.learn.conditions)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="folder of a finished run of kalm clevr, metaworld or world")
    parser.add_argument("--episodes", type=int, default=200, help="of each policy seed")
    args = parser.parse_args()
    if args.episodes < 1:
        parser.error(f"--episodes={args.episodes}: want at least 1")
    try:
        run = kalm.load_run(args.run)
    except (OSError, ValueError) as error:
        parser.error(f"--run: {error}")
    if not isinstance(run, LoadedRun):
        parser.error(f"--run={args.run} is a run of kalm offline, which has no validation sentences")
    spaces = run.world.spaces
    print(f"success on {args.episodes} validation episodes of each policy, in %, with 95% intervals over policy seeds")
    print(f"{'learner':20s} {'condition':16s} {'actions':8s} {'within ' + str(spaces.early_steps):>20s}", end="")
    print(f" {'within ' + str(spaces.horizon):>20s}")
    for algorithm, condition, choice, counts in rates(run, validation_episodes(run, args.episodes)):
        cells = []
        for good in counts.T[1:]:
            low, high = pooled_interval(good, counts[:, 0])
            cells.append(f"{100 * good.sum() / counts[:, 0].sum():.1f} [{100 * low:.1f}, {100 * high:.1f}]")
        print(f"{algorithm:20s} {condition:16s} {choice:8s} {cells[0]:>20s} {cells[1]:>20s}", flush=True)


if __name__ == "__main__":
    main()
