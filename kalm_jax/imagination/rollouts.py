"""Imagining rollouts for novel goals and labeling them with rewards (KALM, section 4.2 and algorithm 2).

Dimension letters: N rollouts or transitions, T time steps, D observation, A action, G goal array.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from kalm_jax.grounding.config import NumericSpec
from kalm_jax.grounding.decoding import ShardedBatchRunner, Stop, generate_rollouts, round_up
from kalm_jax.grounding.model import Grounded
from kalm_jax.grounding.sequences import RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.imagination.judges import ByTest, Continuations, Judge
from kalm_jax.imagination.subgoals import Subgoal
from kalm_jax.imagination.verification import ScoreFn
from kalm_jax.programs import backend
from kalm_jax.sharding import padded_size
from kalm_jax.types import GoalTable, Rollouts, check_goal_numbers
from kalm_jax.worlds.base import World

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(family, goal, state, action, next state), each with leading axis N -> (N,) float32 reward."""


def imagine(
    grounded: Grounded,
    goals: GoalTable,
    goal_index: np.ndarray,
    first_states: np.ndarray,
    plans: list[list[Subgoal]],
    world: World,
    *,
    horizon: int,
    max_steps_per_subgoal: int,
    judge: Judge | None = None,
    score_fn: ScoreFn | None = None,
    draws: int = 1,
    temperature: float = 1.0,
    seed: int = 0,
    batch: int | None = None,
    progress: Callable | None = None,
) -> Rollouts:
    """One imagined rollout for each goal of `goal_index` (N,), from raw states `first_states` (N, D).

    In each round every rollout is continued toward the first subgoal of its plan that is still open, until that
    subgoal is reached, or the goal where the judge tests it, or `max_steps_per_subgoal` actions are taken. A rollout
    depends on its plan, its first state, `seed` and its place in the list, not on the batch that it is in.

    With `draws` above 1 each round samples so many continuations and keeps the one with the highest score. In
    rounds of a single discrete action it tries every action instead.

    Args:
      plans: of every goal in `goals`; see `direct_plans` and `write_plans`.
      world: after each round its `project` and `show_stage` change the states that were reached; what is shown depends
        on the families in `goals`.
      horizon: maximum number of actions of a rollout. max_steps_per_subgoal: of a round.
      judge: says which subgoals and goals are reached, and gives rewards; it is made of the plans of the N rollouts.
        None: `ByTest` by the goals of `goals`. A rollout for which nothing is to be done has length 0.
      score_fn: scores continuations where `draws` is above 1. See `make_verifier`.
      batch: rollouts per call of the model; None is 128 on a CPU, where more are not faster, and 512 elsewhere.
      progress: called as progress(finished rollouts, matched=share of these that reach their goal).

    Raises:
      ValueError: the numbers of goals, states and plans do not match, or there is no score function for several draws.
    """
    _check_counts(goals, goal_index, first_states, plans, draws, score_fn)
    goal_index, spec = np.asarray(goal_index, np.int32), grounded.model.spec
    mine = [plans[g] for g in goal_index]
    judge = ByTest(world, goals, mine) if judge is None else judge
    family, array = (np.asarray(x)[goal_index] for x in (goals.family, goals.array))
    steps = min(max_steps_per_subgoal, horizon)
    every_action = draws > 1 and steps == 1 and bool(spec.num_actions)
    generator = _Generator(
        grounded,
        plans=mine,
        family=family,
        array=array,
        keys=jax.random.split(jax.random.key(seed), len(goal_index)),
        stop=judge.stop,
        steps=steps,
        temperature=temperature,
        draws=spec.num_actions if every_action else draws,
        every_action=every_action,
        batch=batch or (128 if backend() == "cpu" else 512),
    )
    rollouts, rounds = _empty_rollouts(spec, goal_index, first_states, horizon), 0
    rollouts.terminated[:] = judge.begin(rollouts.observations[:, 0])
    while len(going := np.flatnonzero(~rollouts.terminated & (rollouts.length < horizon))):
        states = rollouts.observations[going, rollouts.length[going]]
        subgoals = judge.next_subgoals(going, states, rounds)
        chosen = dict(zip(going.tolist(), subgoals, strict=True))
        for found in generator.run(going, subgoals, states, rounds):
            reached = found.states if world.project is None else world.project(found.states)
            lengths = np.minimum(found.lengths, horizon - rollouts.length[found.rows])
            found = found._replace(states=reached, lengths=lengths)
            found = judge.cut(found, [chosen[i] for i in found.rows.tolist()])
            if generator.draws > 1 and score_fn is not None:
                found = _best(found, generator.draws, score_fn, generator.plans)
            _append(rollouts, found)
            rollouts.terminated[found.rows] = judge.reached(rollouts, found)
            _show_stage(rollouts, found.rows, world, family)
            if progress is not None:
                _show_progress(progress, rollouts)
        rounds += 1
    return judge.label(rollouts)


def _check_counts(
    goals: GoalTable,
    goal_index: np.ndarray,
    first_states: np.ndarray,
    plans: list[list[Subgoal]],
    draws: int,
    score_fn: ScoreFn | None,
) -> None:
    if len(goal_index) != len(first_states):
        raise ValueError(f"{len(goal_index)} goals but {len(first_states)} first states; give one state per goal")
    if len(plans) != len(goals):
        raise ValueError(f"{len(goals)} goals but {len(plans)} plans; give one plan per goal")
    if draws < 1 or (draws > 1 and score_fn is None):
        raise ValueError(f"draws is {draws}: want at least 1, and a score_fn to choose where there are more")


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


def _best(found: Continuations, draws: int, score_fn: ScoreFn, plans: list[list[Subgoal]]) -> Continuations:
    """Of each rollout's `draws` continuations the one with the highest score.

    For a plan of one subgoal that is what was read of it already.
    """
    scores, mine = found.read.copy(), [plans[i] for i in found.rows]
    open_ = [n for n, plan in enumerate(mine) if len(plan) > 1 or np.isnan(scores[n])]
    if open_:
        scores[open_] = score_fn([mine[n] for n in open_], found.states[open_, 0], found.ends[open_])
    best = np.arange(0, len(found.rows), draws) + scores.reshape(-1, draws).argmax(1)
    return Continuations(*(x[best] for x in found))


def _append(rollouts: Rollouts, found: Continuations) -> None:
    """Appends continuations to their rollouts in place."""
    for i, states, actions, length in zip(*found[:4], strict=True):
        at = int(rollouts.length[i])
        rollouts.observations[i, at + 1 : at + 1 + length] = states[1 : 1 + length]
        rollouts.actions[i, at : at + length] = actions[:length]
        rollouts.length[i] = at + length


def _show_stage(rollouts: Rollouts, rows: np.ndarray, world: World, family: np.ndarray) -> None:
    """Shows the stage that some rollouts are in, in the state that they end in, in place."""
    if world.show_stage is not None:
        end = rollouts.length[rows]
        rollouts.observations[rows, end] = world.show_stage(family[rows], rollouts.observations[rows, end])


def _show_progress(progress: Callable, rollouts: Rollouts) -> None:
    over = rollouts.terminated | (rollouts.length >= rollouts.horizon)
    progress(int(over.sum()), matched=float(rollouts.terminated.sum() / max(1, over.sum())))


@dataclasses.dataclass
class _Generator:
    """The model's part of `imagine`: the prompts of all subgoals, and the rounds of generation.

    Attributes:
      plans, family, array, keys: of every rollout.
      steps: maximum number of actions of a round.
      draws: continuations of every rollout; with `every_action` continuation k begins with action k.
    """

    grounded: Grounded
    plans: list[list[Subgoal]]
    family: np.ndarray
    array: np.ndarray
    keys: jax.Array
    stop: Stop
    steps: int
    temperature: float
    draws: int
    every_action: bool
    batch: int

    def __post_init__(self) -> None:
        self.model, params, tokenizer = self.grounded
        texts = sorted({subgoal.text for plan in self.plans for subgoal in plan})
        self.prompts = {text: goal_prompt(tokenizer, text) for text in texts}
        # A multiple of 8 keeps the number of compiled shapes small, and so do two sizes of batches.
        self.length = round_up(max(map(len, self.prompts.values()), default=0) + 1, 8)
        full = max(self.draws, min(self.batch, round_up(len(self.plans) * self.draws, 64)))
        sizes = {max(1, rows // self.draws) for rows in (min(128, full), full)}
        self.sizes = sorted(map(padded_size, sizes))  # rollouts that a call continues, each `draws` times
        self.generate = ShardedBatchRunner(generate_rollouts, params, self.sizes[0])

    def run(
        self, going: np.ndarray, subgoals: Sequence[Subgoal], states: np.ndarray, rounds: int
    ) -> Iterator[Continuations]:
        """Yields batch by batch how the rollouts number `going` continue, each `draws` times.

        `subgoals` and `states` (N, D) are of each of these, `rounds` is the number of the round.
        """
        width = self.model.spec.width
        for start in range(0, len(going), self.sizes[-1]):
            keep = min(len(going) - start, self.sizes[-1])
            size = next(s for s in self.sizes if s >= keep)
            read = np.minimum(np.arange(start, start + size), len(going) - 1)
            prompts = [
                RowSequence(width).text(self.prompts[subgoals[i].text]).state(state)
                for i, state in zip(read, states[read], strict=True)
            ]
            index, draw = np.repeat(read, self.draws), np.tile(np.arange(self.draws), size)
            mine, chosen = going[index], [subgoals[i] for i in index]
            inputs = {
                "prompts": align_right(prompts, self.length, width),
                "state": states[index],
                "family": np.stack([[s.family for s in chosen], self.family[mine]], 1).astype(np.int32),
                "goal": np.stack([np.array([s.array for s in chosen]), self.array[mine]], 1),
                "keys": _keys_of(self.keys, mine, rounds, None if self.draws == 1 else draw),
            }
            found = self.generate(
                inputs,
                temperature=self.temperature,
                first_action=draw if self.every_action else None,
                model=self.model,
                stop=self.stop,
                horizon=self.steps,
            )
            unread = np.zeros(len(mine), bool), np.full(len(mine), np.nan)
            yield Continuations(*(x[: keep * self.draws] for x in (mine, *found[:3], *unread)))


@jax.jit
def _keys_of(keys: jax.Array, rollouts: jax.Array, rounds: int, draws: jax.Array | None) -> jax.Array:
    """The keys of these rollouts (B,) in this round, for each of its draws another."""
    folded = jax.vmap(jax.random.fold_in, (0, None))(keys[rollouts], rounds)
    return folded if draws is None else jax.vmap(jax.random.fold_in)(folded, draws)


def label_rewards(rollouts: Rollouts, goals: GoalTable, reward: Reward) -> Rollouts:
    """The same rollouts with rewards by the environment's own reward function on the recorded states."""
    i, t = np.nonzero(rollouts.valid())
    goal = check_goal_numbers(rollouts.goal, goals)[i]
    rewards = np.zeros((len(rollouts), rollouts.horizon), np.float32)
    rewards[i, t] = reward(
        np.asarray(goals.family)[goal],
        np.asarray(goals.array)[goal],
        rollouts.observations[i, t],
        rollouts.actions[i, t],
        rollouts.observations[i, t + 1],
    )
    return dataclasses.replace(rollouts, rewards=rewards)
