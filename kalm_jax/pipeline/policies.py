"""Trained policies that act on observations and sentences.

Dimension letters: B batch, D observation, A action, E goal vector.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from kalm_jax.arguments import checked, real_numbers, text_list
from kalm_jax.evaluation.gymnasium import Spaces
from kalm_jax.evaluation.policies import LearnerPlayer, open_places
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.imagination.verification import ScoreFn
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
    """

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
            f"<{type(self).__name__} {self.learner.name}, seed {self.seed}: observations of "
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
        observations, sentences, single = self._checked(observation, sentence)
        count = len(observations)
        rewards = real_numbers("reward", 0.0 if reward is None else reward)
        if rewards.shape not in ((), (count,)):
            raise ValueError(f"reward has shape {rewards.shape}, want () or ({count},): one for each observation")
        if self.has_memory and self._step and count != self._count:
            raise ValueError(
                f"{count} observations after {self._count}: this policy remembers the episodes that it began, so act "
                "on as many until reset()"
            )
        vectors = self.vectors_of(self._told(sentences, observations))
        self._count = count
        goal = np.broadcast_to(vectors, (count, vectors.shape[1]))
        rewards = np.broadcast_to(rewards, (count,))
        key = jax.random.fold_in(jax.random.key(self.seed), self._step)
        actions = self._player(self._step, observations, goal, key, rewards, greedy)
        self._step += 1
        if self._spaces is not None:
            actions = actions + self._spaces.start if self._spaces.num_actions else self._spaces.from_unit(actions)
        return actions[0] if single else actions

    def _checked(
        self, observation: np.ndarray, sentence: str | Sequence[str] | None
    ) -> tuple[np.ndarray, list[str] | None, bool]:
        """Observations (B, D), the sentences, and whether there was one observation without a batch."""
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
        return observations, sentences, single

    def _told(self, sentences: list[str] | None, observations: np.ndarray) -> list[str] | None:
        """The sentences that the learner is given, for those of `act` and observations (B, D)."""
        return sentences


class TranslatedGoal(NamedTuple):
    """A sentence's subgoals, and the sentences (as many) that a policy is given for them."""

    subgoals: list[Subgoal]
    told: tuple[str, ...]


class TranslatingPolicy(ActingPolicy):
    """A policy of a condition that tells subgoals, such as "translate", which acts on any sentence.

    The language model writes the sentence's subgoals. At each step the learner is given the first subgoal that the
    language model does not read off the observation as reached. Subgoals that compare with an episode's beginning are
    read beside the first observation since `reset`, or since the size of the batch or the row's sentence changed: begin
    episodes with a `reset`.

    Attributes:
      translate: sentence -> its subgoals and what the learner is given for them.
      read: log-probability that subgoals are reached by what is read, see `make_verifier`.
    """

    def __init__(self, translate: Callable[[str], TranslatedGoal], read: ScoreFn, *of_learner: Any) -> None:
        """`translate` and `read` are the attributes, the rest is as of `ActingPolicy`."""
        self.translate, self.read = translate, read
        super().__init__(*of_learner)

    def reset(self) -> None:
        """Begins an episode."""
        super().reset()
        self._began: tuple[list[str], np.ndarray] | None = None

    def telling(self, observation: np.ndarray, sentence: str | Sequence[str]) -> list[str]:
        """The sentences that the learner would be given by `act`, which takes the same; nothing is remembered of it."""
        observations, sentences, _ = self._checked(observation, sentence)
        return [] if sentences is None else self._given(sentences, observations)[0]

    def _told(self, sentences: list[str] | None, observations: np.ndarray) -> list[str] | None:
        if sentences is None or not len(observations):
            return sentences  # of None `vectors_of` complains
        told, self._began = self._given(sentences, observations)
        return told

    def _given(self, sentences: list[str], observations: np.ndarray) -> tuple[list[str], tuple[list[str], np.ndarray]]:
        """What the learner is given, and what is to be remembered: each row's sentence and first observation."""
        sentences = sentences * (len(observations) if len(sentences) == 1 else 1)
        goals, now = [self.translate(sentence) for sentence in sentences], observations.astype(np.float32)
        first = now.copy()
        if self._began is not None and self._began[1].shape == now.shape:
            same = np.array([a == b for a, b in zip(self._began[0], sentences, strict=True)])
            first[same] = self._began[1][same]

        def read(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
            asked = [[goals[i].subgoals[k]] for i, k in zip(rows, places, strict=True)]
            return self.read(asked, first[rows], now[rows])

        places = open_places(np.array([len(goal.told) for goal in goals], int), read)
        return [goal.told[k] for goal, k in zip(goals, places, strict=True)], (sentences, first)


def only_vector(vector: np.ndarray, sentences: list[str] | None) -> np.ndarray:
    """The vector (1, E) of data with a single goal that has no name; ValueError where a sentence is given."""
    if sentences is not None:
        raise ValueError("the policy has learned a single goal without a name: leave the sentence out")
    return np.asarray(vector)
