"""The grounded language model acts in the simulator, given the instruction or its own plan of subgoals."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from kalm_jax.grounding.decoding import DecodingState, ShardedBatchRunner, act, observe, smaller_batch, start_episodes
from kalm_jax.grounding.model import Grounded
from kalm_jax.grounding.sequences import RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.imagination.subgoals import Subgoal, next_subgoals
from kalm_jax.sharding import default_mesh, shard_params
from kalm_jax.types import Episodes

BATCH = 128
"""Episodes per call of the model; an eighth of it for few episodes. The last call is padded."""


class WordsPolicy:
    """Acts on the instruction and on everything since the episode's start, with a key-value cache.

    Every `window` steps it drops the past steps and continues from the instruction and the state, as it must where the
    model was trained on windows of rollouts.
    """

    def __init__(
        self,
        grounded: Grounded,
        seed: int,
        temperature: float,
        window: int,
        observe: Callable[[np.ndarray], np.ndarray],
    ):
        """Takes what `load_grounded` returns; `temperature` 0 is greedy; `observe` as of `learner_policy`."""
        (self.model, params, self.tokenizer), self.temperature = grounded, temperature
        self._spread = _spread(params)
        self.key, self.window, self.observe = jax.random.key(seed), window, observe
        self._decodings: list[DecodingState] = []
        self._actions = np.zeros(0)

    def __call__(self, episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        """Actions of all episodes, see `kalm_jax.types.Policy`; an episode's do not depend on the other episodes."""
        observation = np.asarray(self.observe(states), np.float32)
        if step == 0:
            texts = [episodes.goals.text[g] for g in episodes.goal]
            self._prompts = [goal_prompt(self.tokenizer, text) for text in texts]
            self._length = -(-(max(map(len, self._prompts)) + 1) // 8) * 8
            self._keys = jax.random.split(self.key, len(texts))
        read_first, draw_action, read_next = self._spread(len(states))
        places = _places(len(states), read_first.batch)
        for i, place in enumerate(places):
            if step % self.window == 0:
                rows = [RowSequence(self.model.spec.width).text(self._prompts[j]).state(observation[j]) for j in place]
                aligned = align_right(rows, self._length, self.model.spec.width)
                decoding = read_first.on_devices({"rows": aligned}, model=self.model, steps=self.window - 1)
                self._decodings = [*self._decodings[:i], decoding]
            else:
                led = {"action": self._actions[place], "state": observation[place]}
                self._decodings[i] = read_next.on_devices(led, decoding=self._decodings[i], model=self.model)
        how = {"step": step, "temperature": self.temperature, "model": self.model}
        drawn = [
            draw_action({"keys": self._keys[place]}, decoding=decoding, **how)
            for decoding, place in zip(self._decodings, places, strict=True)
        ]
        self._actions = np.concatenate(drawn)[: len(states)]
        return self._actions


class PlanPolicy:
    """Acts on the model's own subgoals of the instruction, one after the other.

    At each step an episode pursues the first subgoal that its state does not satisfy. The model reads what was done for
    it, at most the last `max_steps_per_subgoal` steps. Episodes change subgoals at different times, so nothing is
    cached.
    """

    def __init__(
        self,
        grounded: Grounded,
        plans: Sequence[list[Subgoal]],
        satisfied: Callable,
        seed: int,
        temperature: float,
        max_steps_per_subgoal: int,
        observe: Callable,
    ):
        """Takes the plan of every goal of the episodes (see `write_plans`), and `satisfied` as of `imagine`."""
        (self.model, params, self.tokenizer), self.temperature = grounded, temperature
        self._spread = _spread(params)
        self.plans, self.satisfied, self.observe = plans, satisfied, observe
        self.max_steps_per_subgoal = max_steps_per_subgoal
        self.key = jax.random.key(seed)
        longest = max(len(goal_prompt(self.tokenizer, text)) for text in {s.text for plan in plans for s in plan})
        self._length = -(-(longest + 2 * max_steps_per_subgoal - 1) // 8) * 8

    def __call__(self, episodes: Episodes, states: np.ndarray, active: np.ndarray, step: int) -> np.ndarray:
        """Actions of the active episodes, 0 for the others; see `kalm_jax.types.Policy`."""
        observation = np.asarray(self.observe(states), np.float32)
        n = len(observation)
        if step == 0:
            self._keys = jax.random.split(self.key, n)
            self._going: list[Subgoal | None] = [None] * n
            self._since = np.zeros(n, np.int64)
            self._seen: list[np.ndarray] = []
            self._done: list[np.ndarray] = []
        self._seen.append(observation)
        here = np.flatnonzero(active)
        wanted = next_subgoals([self.plans[episodes.goal[i]] for i in here], observation[here], self.satisfied, 0)
        rows = []
        for i, goal in zip(here, wanted, strict=True):
            if goal != self._going[i] or step - self._since[i] >= self.max_steps_per_subgoal:
                self._going[i], self._since[i] = goal, step
            past = range(self._since[i], step)
            row = RowSequence(self.model.spec.width).text(goal_prompt(self.tokenizer, goal.text))
            states_ = np.stack([self._seen[t][i] for t in (*past, step)])
            actions = np.array([self._done[t][i] for t in past]).reshape(len(past), *self._shape)
            rows.append(row.rollout(states_, actions, 0.0, 0.0))
        out = np.zeros((n, *self._shape), np.float32 if self._shape else np.int32)
        read_first, draw_action, _ = self._spread(len(here))
        how = {"step": step, "temperature": self.temperature, "model": self.model}
        for place in _places(len(here), read_first.batch):
            aligned = align_right([rows[j] for j in place], self._length, self.model.spec.width)
            decoding = read_first.on_devices({"rows": aligned}, model=self.model, steps=0)
            out[here[place]] = draw_action({"keys": self._keys[here[place]]}, decoding=decoding, **how)
        self._done.append(out)
        return out

    @property
    def _shape(self) -> tuple[int, ...]:
        """The shape of one action."""
        return () if self.model.spec.num_actions else (self.model.spec.action_dim,)


def _spread(params: Any) -> Callable[[int], tuple[ShardedBatchRunner, ...]]:
    """Of how many rows there are: `start_episodes`, `act` and `observe` on the mesh, with the same parameters there."""

    @functools.cache
    def of_batch(batch: int) -> tuple[ShardedBatchRunner, ...]:
        placed = shard_params(default_mesh(), params)
        return tuple(ShardedBatchRunner(function, placed, batch) for function in (start_episodes, act, observe))

    return lambda rows: of_batch(smaller_batch(BATCH, rows))


def _places(count: int, size: int) -> list[np.ndarray]:
    """0 to `count` - 1 in parts of `size`; the last one is repeated, so that all parts have one compiled program."""
    return [np.minimum(np.arange(i, i + size), count - 1) for i in range(0, count, size)]
