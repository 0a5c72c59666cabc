"""Trained policies that act on observations and sentences.

Dimension letters: B batch, D observation, A action, E goal vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np

from kalm_jax.arguments import checked, real_numbers, text_list
from kalm_jax.evaluation.gymnasium import Spaces
from kalm_jax.evaluation.policies import LearnerPlayer
from kalm_jax.offline_rl import DatasetStats, Learner
from kalm_jax.offline_rl.registry import State


class ActingPolicy:
    """A trained policy that acts on observations and sentences.

    A policy with a memory (`has_memory`: a Decision Transformer) acts on all since the last `reset`: each episode must
    begin with a `reset`, its batch must not change within an episode, and `act` takes the reward of the previous
    action. Other policies need no `reset`.

    Attributes:
      learner: the algorithm with its configuration.
      has_memory: whether actions depend on the episode so far.
      state: of the learner. stats: of its data. seed: of sampled actions.
      vectors_of: list of sentences or None -> (B, E) or (1, E) goal vectors.
      knows_subgoals: whether its sentences are those of `LoadedRun.translate`, in place of a goal's own.
    """

    knows_subgoals = False

    def __init__(
        self,
        learner: Learner,
        state: State,
        stats: DatasetStats,
        vectors_of: Callable[[list[str] | None], np.ndarray],
        spaces: Spaces | None = None,
        seed: int = 0,
    ) -> None:
        """For `LoadedRun.policy` and `train`; `spaces` are those of the environment where its actions are scaled."""
        self.learner, self.has_memory = learner, learner.is_recurrent
        self.state, self.stats, self.seed = state, stats, seed
        self.vectors_of, self._spaces = vectors_of, spaces
        self.reset()

    def __repr__(self) -> str:
        kind = "discrete actions" if self.stats.discrete else "numbers per action"
        return (
            f"<ActingPolicy {self.learner.name}, seed {self.seed}: observations of "
            f"{self.stats.observation_mean.shape[-1]} numbers, {self.stats.action_dim} {kind}>"
        )

    def reset(self) -> None:
        """Begins an episode."""
        self._step, self._count, self._player = 0, 0, LearnerPlayer(self.learner, self.state, self.stats)

    @checked()
    def fits(self, spaces: Spaces) -> bool:
        """Whether the actions are those of an environment: scaled to its bounds, numbered from its first action."""
        if self._spaces is not None:
            return True
        return spaces.start == 0 if self.stats.discrete else bool((spaces.low == -1).all() and (spaces.high == 1).all())

    @checked()
    def act(
        self,
        observation: np.ndarray,
        sentence: str | Sequence[str] | None = None,
        *,
        reward: float | np.ndarray | None = None,
        greedy: bool = True,
    ) -> np.ndarray:
        """An action of the environment's action space.

        Args:
          observation: (D,), or (B, D) for a batch.
          sentence: the goal in words, one for all or B of them; None for an environment with a single goal.
          reward: of the previous action, () or (B,), for a policy with a memory; None counts as 0.
          greedy: take the policy's best action; otherwise sample where the policy is a distribution.

        Returns:
          An integer or (A,) for one observation, (B,) or (B, A) for a batch.

        Raises:
          ValueError: observations or rewards of another shape or that are not finite, another number of sentences
            than observations, or another batch than before without a `reset` of a policy with a memory.
          TypeError: a sentence that is not a string, or what are no real numbers.
        """
        observations = real_numbers("observation", observation)
        single = observations.ndim == 1
        observations = observations[None] if single else observations
        count = len(observations) if observations.ndim else 0
        sentences = None if sentence is None else text_list("sentence", sentence)
        if observations.ndim != 2 or (sentences is not None and len(sentences) not in (1, count)):
            raise ValueError(
                f"observations have shape {np.shape(observation)} and there are "
                f"{0 if sentences is None else len(sentences)} sentences; want (D,) or (B, D), and one sentence or B"
            )
        width = self.stats.observation_mean.shape[-1]
        if observations.shape[1] != width:
            raise ValueError(f"observations have {observations.shape[1]} numbers; this policy was trained on {width}")
        rewards = real_numbers("reward", 0.0 if reward is None else reward)
        if rewards.shape not in ((), (count,)):
            raise ValueError(f"reward has shape {rewards.shape}, want () or ({count},): one for each observation")
        if self.has_memory and self._step and count != self._count:
            raise ValueError(
                f"{count} observations after {self._count}: this policy remembers the episodes that it began, so act "
                "on as many until reset()"
            )
        self._count, vectors = count, self.vectors_of(sentences)
        goal = np.broadcast_to(vectors, (count, vectors.shape[1]))
        rewards = np.broadcast_to(rewards, (count,))
        key = jax.random.fold_in(jax.random.key(self.seed), self._step)
        actions = self._player(self._step, observations, goal, key, rewards, greedy)
        self._step += 1
        if self._spaces is not None:
            actions = actions + self._spaces.start if self._spaces.num_actions else self._spaces.from_unit(actions)
        return actions[0] if single else actions


def only_vector(vector: np.ndarray, sentences: list[str] | None) -> np.ndarray:
    """The vector (1, E) of data with a single goal that has no name; ValueError where a sentence is given."""
    if sentences is not None:
        raise ValueError("the policy has learned a single goal without a name: leave the sentence out")
    return np.asarray(vector)
