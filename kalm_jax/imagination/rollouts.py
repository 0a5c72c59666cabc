"""Imagining rollouts for novel goals and labelling them with rewards (KALM, section 4.2 and algorithm 2).

A goal is imagined in its own words, as in the paper, or by a plan that the language model writes first: the short goals
that the words come to ("line the balls up" -> "blue right red and green right blue and ..."), imagined one after the
other. The paper names such hierarchies as an outlook (its section 6).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.grounding.decoding import Spread, Stop, answer, generate_rollouts
from kalm_jax.grounding.explanation import state_answers
from kalm_jax.grounding.model import GroundedModel, NumericSpec
from kalm_jax.grounding.sequences import RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt, plan_prompt
from kalm_jax.llm.tokenizer import Tokenizer
from kalm_jax.sharding import padded_size
from kalm_jax.types import GoalTable, Rollouts

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(family, goal, state, action, next state), each with leading axis M -> (M,) float32 reward."""

Judge = Callable[[Sequence[list["Step"]], np.ndarray, np.ndarray], np.ndarray]
"""(plans of M continuations, states (M, D) before and after) -> (M,) how much of its plan each has reached."""

UNREAD = -20.0
"""Log-probability of what no state can show."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A goal on the way to a goal.

    Attributes:
      text: what the language model is asked for.
      family, array: what tells that it is reached, as in a `GoalTable`; array holds G numbers.
    """

    text: str
    family: int
    array: tuple[float, ...]


def direct(goals: GoalTable) -> list[list[Step]]:
    """The plans of no plan: every goal in its own words."""
    rows = zip(goals.text, goals.family, goals.array, strict=True)
    return [[Step(text, int(family), tuple(array.tolist()))] for text, family, array in rows]


def write_plans(
    model: GroundedModel, params: dict, tokenizer: Tokenizer, goals: GoalTable, read: Callable
) -> list[list[Step]]:
    """What the language model itself takes each goal's words to come to: short goals, one after the other.

    Args:
      goals: K goals; their success tests are not looked at.
      read: text -> [(text, family, array), ...], [] where the text is no plan; the goal's own words then stand.
    """
    prompts = [plan_prompt(tokenizer, text) for text in goals.text]
    said = answer(model, params, tokenizer, prompts)
    return [[Step(*s) for s in read(text)] or own for text, own in zip(said, direct(goals), strict=True)]


def reader(model: GroundedModel, params: dict, tokenizer: Tokenizer, readings: Callable) -> Judge:
    """A judge that believes what the model itself reads off imagined states, and knows no success test.

    Args:
      readings: (a step's text, state before, state after) -> [(state, question, answer), ...], None where nothing can
        be read; see `GoalLanguage.state_queries`.

    Returns:
      The judge: sums over a plan's steps log p(their answers | states), `UNREAD` for what cannot be read.
    """

    def judge(plans, before, after):
        scores, place, asked = np.zeros(len(plans)), [], []
        for i, plan in enumerate(plans):
            for step in plan:
                found = readings(step.text, before[i], after[i])
                scores[i] += UNREAD if found is None else 0.0
                asked += found or []
                place += [i] * len(found or [])
        states = np.array([state for state, _, _ in asked], np.float32)
        said = state_answers(model, params, tokenizer, states, [(question, answer) for _, question, answer in asked])
        np.add.at(scores, np.array(place, int), np.maximum(said, UNREAD))
        return scores

    return judge


def imagine(
    model: GroundedModel,
    params: dict,
    tokenizer: Tokenizer,
    goals: GoalTable,
    goal_index: np.ndarray,
    first_states: np.ndarray,
    plans: list[list[Step]],
    *,
    stop: Stop,
    satisfied: Callable,
    label: Callable[[Rollouts, GoalTable], Rollouts],
    project: Callable[[np.ndarray], np.ndarray] | None = None,
    show: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    judge: Judge | None = None,
    draws: int = 1,
    horizon: int,
    patience: int,
    temperature: float = 1.0,
    state_temperature: float | None = None,
    seed: int = 0,
    batch: int = 512,
    progress: Callable | None = None,
) -> Rollouts:
    """One imagined rollout per entry of `goal_index` (N,), from `first_states` (N, D).

    In each round every rollout is continued towards the first step of its plan that its state does not satisfy, until
    that step or the goal is reached or `patience` actions are taken. A rollout depends on its plan, its first state,
    `seed` and its place in the list, not on the batch it is in.

    With `draws` above 1 each round draws so many continuations and keeps the one that `judge` likes best; of rollouts
    of a single discrete action it tries every action instead.

    Args:
      plans: of every goal in `goals`; see `direct` and `write_plans`.
      stop: (family, goal, state, action, next state) -> reached, jax arrays; see `generate_rollouts`.
      satisfied: (family, goal, state) -> bool, whether a step needs nothing more to be done.
      label: gives rollouts their rewards, by the environment's own function; see `label_rewards`.
      project: (..., D) imagined states -> the nearest ones that can be, applied after each round; None leaves them.
      show: (family (M,), states (M, D)) -> the states after a round as the environment would show them, where it shows
        what no model of the data can know, such as the target of a task's next stage; None leaves them.
      judge: what weighs continuations; asked only where `draws` is above 1.
      horizon: most actions of a rollout. patience: most actions of a round.
      temperature, state_temperature: of actions and of states, see `generate_rollouts`.
    """
    count = len(goal_index)
    if count != len(first_states):
        raise ValueError(f"{count} goals but {len(first_states)} first states; give one state per goal")
    if len(plans) != len(goals):
        raise ValueError(f"{len(goals)} goals but {len(plans)} plans; give one plan per goal")
    if draws < 1 or (draws > 1 and judge is None):
        raise ValueError(f"draws is {draws}: want at least 1, and a judge to choose where there are more")
    patience, goal_index = min(patience, horizon), np.asarray(goal_index, np.int32)
    every = draws > 1 and horizon == 1 and bool(model.spec.num_actions)
    draws = model.spec.num_actions if every else draws
    temperatures = temperature, state_temperature
    writer = _Rounds(model, params, tokenizer, plans, goal_index, stop, patience, temperatures, batch, draws)
    rollouts = _begun(model.spec, goal_index, np.asarray(first_states), horizon)
    keys, rounds = jax.random.split(jax.random.key(seed), count), 0
    tests = np.asarray(goals.family)[goal_index], np.asarray(goals.array)[goal_index]
    while len(going := np.flatnonzero(~rollouts.terminated & (rollouts.length < horizon))):
        state = rollouts.observations[going, rollouts.length[going]]
        step = next_steps([writer.plans[i] for i in going], state, satisfied, rounds)
        for part, out in writer.run(going, step, state, tests, keys, rounds, every):
            imagined = out[0] if project is None else project(out[0])
            actions, lengths = out[1], np.minimum(out[2], horizon - rollouts.length[part])
            if draws > 1:
                liked = judge([writer.plans[i] for i in part], imagined[:, 0], imagined[np.arange(len(part)), lengths])
                best = np.arange(0, len(part), draws) + liked.reshape(-1, draws).argmax(1)
                imagined, actions, lengths, part = imagined[best], actions[best], lengths[best], part[best]
            _go_on(rollouts, part, imagined, actions, lengths)
            last = rollouts.length[part] - 1
            rollouts.terminated[part] = stop(
                *(x[part] for x in tests),
                *(
                    rollouts.observations[part, last],
                    rollouts.actions[part, last],
                    rollouts.observations[part, last + 1],
                ),
            )
            if show is not None:
                ends = rollouts.length[part]
                rollouts.observations[part, ends] = show(tests[0][part], rollouts.observations[part, ends])
            if progress is not None:
                over = rollouts.terminated | (rollouts.length >= horizon)
                progress(int(over.sum()), matched=float(rollouts.terminated.sum() / max(1, over.sum())))
        rounds += 1
    return label(rollouts, goals)


def _begun(spec: NumericSpec, goal: np.ndarray, first_states: np.ndarray, horizon: int) -> Rollouts:
    """Imagined rollouts of no step yet."""
    count, action = len(goal), ((), np.int32) if spec.num_actions else ((spec.action_dim,), np.float32)
    rollouts = Rollouts(
        observations=np.zeros((count, horizon + 1, spec.state_dim), np.float32),
        actions=np.zeros((count, horizon, *action[0]), action[1]),
        rewards=np.zeros((count, horizon), np.float32),
        length=np.zeros(count, np.int32),
        terminated=np.zeros(count, bool),
        goal=goal,
        imagined=np.ones(count, bool),
    )
    rollouts.observations[:, 0] = first_states
    return rollouts


def _go_on(rollouts: Rollouts, part: np.ndarray, states: np.ndarray, actions: np.ndarray, lengths: np.ndarray) -> None:
    """Appends continuations (M, T+1, D), (M, T[, A]) of `lengths` (M,) to rollouts `part` (M,), in place."""
    for i, seen, taken, length in zip(part, states, actions, lengths, strict=True):
        at = int(rollouts.length[i])
        rollouts.observations[i, at + 1 : at + 1 + length] = seen[1 : 1 + length]
        rollouts.actions[i, at : at + length] = taken[:length]
        rollouts.length[i] = at + length


def next_steps(plans: Sequence[list[Step]], state: np.ndarray, satisfied: Callable, rounds: int) -> list[Step]:
    """The first step of each plan that its state (N, D) does not satisfy; where all are satisfied, number `rounds`,
    counted on from the start again.
    """
    out = [plan[rounds % len(plan)] for plan in plans]
    for k in reversed(range(max(map(len, plans)))):
        has = np.array([i for i, plan in enumerate(plans) if len(plan) > k])
        family = np.array([plans[i][k].family for i in has], np.int32)
        open_ = ~np.asarray(satisfied(family, np.array([plans[i][k].array for i in has]), state[has]))
        for i in has[open_]:
            out[i] = plans[i][k]
    return out


class _Rounds:
    """The model's part of `imagine`: prompts of all steps, and one round of generation."""

    def __init__(self, model, params, tokenizer, plans, goal_index, stop, patience, temperatures, batch, draws):
        self.model, self.stop, self.patience, self.temperatures = model, _either(stop), patience, temperatures
        self.plans, self.draws = [plans[g] for g in goal_index], draws
        texts = sorted({step.text for plan in self.plans for step in plan})
        self.prompts = {text: goal_prompt(tokenizer, text) for text in texts}
        # A multiple of 8 keeps the number of compiled shapes small, and so do two sizes of batches.
        self.length = -(-(max(map(len, self.prompts.values()), default=0) + 1) // 8) * 8
        full = max(draws, min(batch, -(-len(goal_index) * draws // 64) * 64))
        self.sizes = sorted({padded_size(min(128, full)), padded_size(full)})
        self.generate = Spread(generate_rollouts, params, self.sizes[0])

    def run(self, going, step, state, goal, keys, rounds, every_action):
        """Yields (rollouts of the batch, each `draws` times; what `generate_rollouts` gives) batch by batch."""
        folded = jax.vmap(lambda key: jax.random.fold_in(key, rounds))(keys[going])
        whole = self.sizes[-1] // self.draws * self.draws
        place = np.repeat(np.arange(len(going)), self.draws)
        for start in range(0, len(place), whole):
            left = len(place) - start
            size = next(s for s in self.sizes if s >= min(left, whole))
            chosen = np.minimum(np.arange(start, start + size), len(place) - 1)
            draw, index = chosen % self.draws, place[chosen]
            steps = [step[i] for i in index]
            rows = [
                RowSequence(self.model.spec.width).text(self.prompts[s.text]).state(state[i])
                for i, s in zip(index, steps)
            ]
            mine = going[index]
            family = np.stack([[s.family for s in steps], goal[0][mine]], 1).astype(np.int32)
            array = np.stack([np.array([s.array for s in steps]), goal[1][mine]], 1)
            drawn = folded[index] if self.draws == 1 else jax.vmap(jax.random.fold_in)(folded[index], draw)
            inputs = (align_right(rows, self.length, self.model.spec.width), state[index], family, array, drawn)
            first = (draw,) if every_action else ()
            fixed = {"model": self.model, "stop": self.stop, "horizon": self.patience}
            out = self.generate(inputs, *self.temperatures, *first, **fixed)
            keep = min(left, whole)
            yield mine[:keep], [x[:keep] for x in out]


@functools.cache
def _either(stop: Stop) -> Stop:
    """`stop` for two goals at once, (B, 2) families and (B, 2, G) arrays: a rollout ends at the first of them."""

    def either(family, goal, state, action, next_state):
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
