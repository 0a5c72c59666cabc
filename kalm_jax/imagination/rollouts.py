"""Imagining rollouts for novel goals and labeling them with rewards (KALM, section 4.2 and algorithm 2).

Dimension letters: N rollouts or transitions, T time steps, D observation, A action, G goal array.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.decoding import ShardedBatchRunner, Stop, generate_rollouts, round_up
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.sequences import RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.imagination.subgoals import Satisfied, Subgoal, next_subgoals
from kalm_jax.imagination.verification import ScoreFn
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.sharding import padded_size
from kalm_jax.types import GoalTable, Rollouts

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(family, goal, state, action, next state), each with leading axis N -> (N,) float32 reward."""


def imagine(
    model: GroundedModel,
    params: dict,
    tokenizer: Tokenizer,
    goals: GoalTable,
    goal_index: np.ndarray,
    first_states: np.ndarray,
    plans: list[list[Subgoal]],
    *,
    stop: Stop,
    satisfied: Satisfied,
    label: Callable[[Rollouts, GoalTable], Rollouts],
    project: Callable[[np.ndarray], np.ndarray] | None = None,
    show: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    score_fn: ScoreFn | None = None,
    draws: int = 1,
    horizon: int,
    max_steps_per_subgoal: int,
    temperature: float = 1.0,
    state_temperature: float | None = None,
    seed: int = 0,
    batch: int = 512,
    progress: Callable | None = None,
) -> Rollouts:
    """One imagined rollout per entry of `goal_index` (N,), from `first_states` (N, D).

    In each round every rollout is continued towards the first subgoal of its plan that its state does not satisfy,
    until that subgoal or the goal is reached or `max_steps_per_subgoal` actions are taken. A rollout depends on its
    plan, its first state, `seed` and its place in the list, not on the batch that it is in.

    With `draws` above 1 each round samples so many continuations and keeps the one with the highest score. Of rollouts
    of a single discrete action it tries every action instead.

    Args:
      model, params, tokenizer: the grounded model.
      goals: all goals.
      goal_index: the goal of each rollout.
      first_states: the first state of each rollout, in raw units.
      plans: of every goal in `goals`; see `direct_plans` and `write_plans`.
      stop: (family, goal, state, action, next state) -> reached, jax arrays; see `generate_rollouts`.
      satisfied: whether nothing more has to be done for a subgoal.
      label: gives rollouts their rewards, by the environment's own function; see `label_rewards`.
      project: (..., D) imagined states -> the nearest possible states, applied after each round; None changes nothing.
      show: (family (N,), states (N, D)) -> the states after a round as the environment would show them, where it shows
        what no model of the data can know, such as the target of a task's next stage; None changes nothing.
      score_fn: scores continuations; used only where `draws` is above 1. See `make_verifier`.
      draws: number of continuations per round.
      horizon: maximum number of actions of a rollout.
      max_steps_per_subgoal: maximum number of actions of a round.
      temperature, state_temperature: of actions and of states, see `generate_rollouts`.
      seed: of sampling.
      batch: rollouts per call of the model.
      progress: called as progress(finished rollouts, matched=share of these that reach their goal).

    Raises:
      ValueError: the numbers of goals, states and plans do not match, or there is no score function for several draws.
    """
    count = len(goal_index)
    if count != len(first_states):
        raise ValueError(f"{count} goals but {len(first_states)} first states; give one state per goal")
    if len(plans) != len(goals):
        raise ValueError(f"{len(goals)} goals but {len(plans)} plans; give one plan per goal")
    if draws < 1 or (draws > 1 and score_fn is None):
        raise ValueError(f"draws is {draws}: want at least 1, and a score_fn to choose where there are more")
    goal_index = np.asarray(goal_index, np.int32)
    every_action = draws > 1 and horizon == 1 and bool(model.spec.num_actions)
    draws = model.spec.num_actions if every_action else draws
    generator = _RoundGenerator(
        model=model,
        params=params,
        tokenizer=tokenizer,
        plans=[plans[g] for g in goal_index],
        stop=_either(stop),
        steps=min(max_steps_per_subgoal, horizon),
        temperature=temperature,
        state_temperature=state_temperature,
        batch=batch,
        draws=draws,
        every_action=every_action,
    )
    rollouts = _empty_rollouts(model.spec, goal_index, np.asarray(first_states), horizon)
    keys, rounds = jax.random.split(jax.random.key(seed), count), 0
    tests = np.asarray(goals.family)[goal_index], np.asarray(goals.array)[goal_index]
    while len(going := np.flatnonzero(~rollouts.terminated & (rollouts.length < horizon))):
        state = rollouts.observations[going, rollouts.length[going]]
        subgoals = next_subgoals([generator.plans[i] for i in going], state, satisfied, rounds)
        for part, (imagined, actions, lengths) in generator.run(going, subgoals, state, tests, keys, rounds):
            imagined = imagined if project is None else project(imagined)
            lengths = np.minimum(lengths, horizon - rollouts.length[part])
            if draws > 1 and score_fn is not None:
                ends = imagined[np.arange(len(part)), lengths]
                scores = score_fn([generator.plans[i] for i in part], imagined[:, 0], ends)
                best = np.arange(0, len(part), draws) + scores.reshape(-1, draws).argmax(1)
                imagined, actions, lengths, part = imagined[best], actions[best], lengths[best], part[best]
            _append(rollouts, part, imagined, actions, lengths)
            last = rollouts.length[part] - 1
            rollouts.terminated[part] = stop(
                tests[0][part],
                tests[1][part],
                rollouts.observations[part, last],
                rollouts.actions[part, last],
                rollouts.observations[part, last + 1],
            )
            if show is not None:
                ends = rollouts.length[part]
                rollouts.observations[part, ends] = show(tests[0][part], rollouts.observations[part, ends])
            if progress is not None:
                over = rollouts.terminated | (rollouts.length >= horizon)
                progress(int(over.sum()), matched=float(rollouts.terminated.sum() / max(1, over.sum())))
        rounds += 1
    return label(rollouts, goals)


def _empty_rollouts(spec: NumericSpec, goal: np.ndarray, first_states: np.ndarray, horizon: int) -> Rollouts:
    """Imagined rollouts without a step."""
    count = len(goal)
    shape = (count, horizon) if spec.num_actions else (count, horizon, spec.action_dim)
    rollouts = Rollouts(
        observations=np.zeros((count, horizon + 1, spec.state_dim), np.float32),
        actions=np.zeros(shape, np.int32 if spec.num_actions else np.float32),
        rewards=np.zeros((count, horizon), np.float32),
        length=np.zeros(count, np.int32),
        terminated=np.zeros(count, bool),
        goal=goal,
        imagined=np.ones(count, bool),
    )
    rollouts.observations[:, 0] = first_states
    return rollouts


def _append(rollouts: Rollouts, part: np.ndarray, states: np.ndarray, actions: np.ndarray, lengths: np.ndarray) -> None:
    """Appends continuations, states (N, T+1, D) and actions (N, T) or (N, T, A), to the rollouts `part` in place."""
    for i, reached, taken, length in zip(part, states, actions, lengths, strict=True):
        at = int(rollouts.length[i])
        rollouts.observations[i, at + 1 : at + 1 + length] = reached[1 : 1 + length]
        rollouts.actions[i, at : at + length] = taken[:length]
        rollouts.length[i] = at + length


@dataclasses.dataclass
class _RoundGenerator:
    """The model's part of `imagine`: the prompts of all subgoals, and one round of generation.

    Attributes:
      plans: of every rollout.
      steps: maximum number of actions of a round.
      draws: continuations of every rollout; with `every_action` continuation k begins with action k.
    """

    model: GroundedModel
    params: dict
    tokenizer: Tokenizer
    plans: list[list[Subgoal]]
    stop: Stop
    steps: int
    temperature: float
    state_temperature: float | None
    batch: int
    draws: int
    every_action: bool

    def __post_init__(self) -> None:
        texts = sorted({subgoal.text for plan in self.plans for subgoal in plan})
        self.prompts = {text: goal_prompt(self.tokenizer, text) for text in texts}
        # A multiple of 8 keeps the number of compiled shapes small, and so do two sizes of batches.
        self.length = round_up(max(map(len, self.prompts.values()), default=0) + 1, 8)
        full = max(self.draws, min(self.batch, round_up(len(self.plans) * self.draws, 64)))
        self.sizes = sorted({padded_size(min(128, full)), padded_size(full)})
        self.generate = ShardedBatchRunner(generate_rollouts, self.params, self.sizes[0])

    def run(
        self,
        going: np.ndarray,
        subgoals: Sequence[Any],
        state: np.ndarray,
        goal: tuple[np.ndarray, np.ndarray],
        keys: jax.Array,
        rounds: int,
    ) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]]:
        """Yields (rollouts of the batch, each `draws` times; (states, actions, lengths)) batch by batch.

        Args:
          going: indices of the rollouts that are continued.
          subgoals, state: of each of these.
          goal: families (N,) and arrays (N, G) of all rollouts' goals.
          keys: of all rollouts.
          rounds: number of the round.
        """
        folded = jax.vmap(lambda key: jax.random.fold_in(key, rounds))(keys[going])
        whole = self.sizes[-1] // self.draws * self.draws
        place = np.repeat(np.arange(len(going)), self.draws)
        width = self.model.spec.width
        for start in range(0, len(place), whole):
            left = len(place) - start
            size = next(s for s in self.sizes if s >= min(left, whole))
            rows = np.minimum(np.arange(start, start + size), len(place) - 1)
            draw, index = rows % self.draws, place[rows]
            mine, chosen = going[index], [subgoals[i] for i in index]
            prompts = [
                RowSequence(width).text(self.prompts[s.text]).state(state[i])
                for i, s in zip(index, chosen, strict=True)
            ]
            inputs = {
                "prompts": align_right(prompts, self.length, width),
                "state": state[index],
                "family": np.stack([[s.family for s in chosen], goal[0][mine]], 1).astype(np.int32),
                "goal": np.stack([np.array([s.array for s in chosen]), goal[1][mine]], 1),
                "keys": folded[index] if self.draws == 1 else jax.vmap(jax.random.fold_in)(folded[index], draw),
            }
            states, actions, lengths, _ = self.generate(
                inputs,
                temperature=self.temperature,
                state_temperature=self.state_temperature,
                first_action=draw if self.every_action else None,
                model=self.model,
                stop=self.stop,
                horizon=self.steps,
            )
            keep = min(left, whole)
            yield mine[:keep], (states[:keep], actions[:keep], lengths[:keep])


@functools.cache
def _either(stop: Stop) -> Stop:
    """`stop` for two goals at once, families (N, 2) and arrays (N, 2, G): a rollout ends at the first one reached."""

    def either(family: Any, goal: Any, state: Any, action: Any, next_state: Any) -> jax.Array:
        return jnp.any(jnp.stack([stop(family[:, k], goal[:, k], state, action, next_state) for k in (0, 1)]), 0)

    return either


def label_rewards(rollouts: Rollouts, goals: GoalTable, reward: Reward) -> Rollouts:
    """The same rollouts with rewards by the environment's own reward function on the recorded states."""
    i, t = np.nonzero(rollouts.valid())
    goal = np.asarray(rollouts.goal)[i]
    rewards = np.zeros((len(rollouts), rollouts.horizon), np.float32)
    rewards[i, t] = reward(
        np.asarray(goals.family)[goal],
        np.asarray(goals.array)[goal],
        rollouts.observations[i, t],
        rollouts.actions[i, t],
        rollouts.observations[i, t + 1],
    )
    return dataclasses.replace(rollouts, rewards=rewards)
