"""Trained policies that act on observations and sentences.

Dimension letters: B batch, D observation, A action, E goal vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from kalm_jax.evaluation import learner_policy
from kalm_jax.evaluation.gymnasium import Spaces
from kalm_jax.offline_rl import DatasetStats, Learner
from kalm_jax.offline_rl.registry import State
from kalm_jax.types import Episodes, GoalTable, Policy, Rollouts, make_goal_table


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
    """

    def __init__(
        self,
        learner: Learner,
        state: State,
        stats: DatasetStats,
        vectors_of: Callable[[list[str] | None], np.ndarray],
        to_environment: Callable[[np.ndarray], np.ndarray] | None = None,
        seed: int = 0,
    ) -> None:
        """For `LoadedRun.policy` and `train`.

        Args:
          learner: the algorithm. state: of one seed. stats: of the data that it was trained on.
          vectors_of: list of sentences or None -> (B, E) or (1, E) goal vectors.
          to_environment: actions of the learner -> actions of the environment; None changes nothing.
          seed: of sampled actions.
        """
        self.learner, self.has_memory = learner, learner.is_recurrent
        self.state, self.stats, self.seed = state, stats, seed
        self.vectors_of, self._to_environment = vectors_of, to_environment
        self.reset()

    def __repr__(self) -> str:
        kind = "discrete actions" if self.stats.discrete else "numbers per action"
        return (
            f"<ActingPolicy {self.learner.name}, seed {self.seed}: observations of "
            f"{self.stats.observation_mean.shape[-1]} numbers, {self.stats.action_dim} {kind}>"
        )

    def reset(self) -> None:
        """Begins an episode."""
        self._step, self._rewards = 0, np.zeros(0)
        self._plays: dict[bool, Policy] = {}

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
          ValueError: observations of another shape or that are not finite, or another number of sentences than
            observations.
          TypeError: a sentence that is not a string.
        """
        observations = np.asarray(observation, np.float32)
        single = observations.ndim == 1
        observations = observations[None] if single else observations
        count = len(observations)
        sentences = None if sentence is None else sentence_list(sentence)
        if observations.ndim != 2 or (sentences is not None and len(sentences) not in (1, count)):
            raise ValueError(
                f"observations have shape {np.shape(observation)} and there are "
                f"{0 if sentences is None else len(sentences)} sentences; want (D,) or (B, D), and one sentence or B"
            )
        width = self.stats.observation_mean.shape[-1]
        if observations.shape[1] != width:
            raise ValueError(f"observations have {observations.shape[1]} numbers; this policy was trained on {width}")
        if not np.isfinite(observations).all():
            raise ValueError("observations have numbers that are not finite (NaN or infinity)")
        vectors = self.vectors_of(sentences)
        goal = np.arange(count, dtype=np.int32) if len(vectors) == count else np.zeros(count, np.int32)
        goals = make_goal_table([""] * len(vectors), 0, -1, np.zeros((len(vectors), 0), np.int32), vectors)
        self._rewards = np.zeros(count) if reward is None else np.broadcast_to(reward, (count,))
        if greedy not in self._plays:
            self._plays[greedy] = learner_policy(
                self.learner, self.state, self.stats, greedy, self.seed, np.asarray, self._rewarded
            )
        episodes = Episodes(observations, goal, goals)
        actions = np.asarray(self._plays[greedy](episodes, observations, np.ones(count, bool), self._step))
        self._step += 1
        if self._to_environment is not None:
            actions = self._to_environment(actions)
        return actions[0] if single else actions

    def _rewarded(self, rollouts: Rollouts, goals: GoalTable) -> Rollouts:
        """The episodes so far with the last reward, which is all that `learner_policy` reads."""
        rollouts.rewards[:, -1] = self._rewards
        return rollouts


def sentence_list(sentences: str | Sequence[str]) -> list[str]:
    """Sentences as a list, a single one too.

    Raises:
      TypeError: one is not a string.
      ValueError: there are none.
    """
    if isinstance(sentences, str):
        return [sentences]
    if not isinstance(sentences, Sequence | np.ndarray):
        raise TypeError(f"a sentence is a string, not {sentences!r}")
    for sentence in sentences:
        if not isinstance(sentence, str):
            raise TypeError(f"a sentence is a string, not {sentence!r}")
    if not len(sentences):
        raise ValueError("the list of sentences is empty")
    return list(sentences)


def environment_actions(spaces: Spaces, actions: np.ndarray) -> np.ndarray:
    """A learner's actions in a Gymnasium environment's action space."""
    return np.asarray(actions) + spaces.start if spaces.num_actions else spaces.from_unit(actions)
