"""Imagining rollouts for novel goals and labelling them with rewards (KALM, section 4.2 and algorithm 2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import numpy as np

from kalm_jax import parallel
from kalm_jax.data import GoalTable, Rollouts
from kalm_jax.grounding.decode import Stop, generate_rollouts
from kalm_jax.grounding.model import GroundedModel
from kalm_jax.grounding.rows import RowSequence, align_right
from kalm_jax.grounding.tasks import goal_prompt
from kalm_jax.llm.tokenizer import Tokenizer

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(family, goal, state, action, next state), each with leading axis M -> (M,) float32 reward."""


def imagine(
    model: GroundedModel,
    params: dict,
    tokenizer: Tokenizer,
    goals: GoalTable,
    goal_index: np.ndarray,
    first_states: np.ndarray,
    *,
    stop: Stop,
    reward: Reward,
    horizon: int,
    temperature: float = 1.0,
    state_temperature: float | None = None,
    seed: int = 0,
    batch: int = 512,
    progress: Callable | None = None,
) -> Rollouts:
    """One imagined rollout per entry of `goal_index` (N,), from `first_states` (N, D); see `generate_rollouts`.

    A rollout depends on its prompt, its first state, `seed` and its place in the list, not on the batch it is in.
    """
    count = len(goal_index)
    if count != len(first_states):
        raise ValueError(f"{count} goals but {len(first_states)} first states; give one state per goal")
    first_states = np.asarray(first_states, np.float32)
    prompts = [goal_prompt(tokenizer, text) for text in goals.text]
    # A multiple of 8 keeps the number of compiled shapes small.
    length = -(-(max(len(prompts[g]) for g in goal_index) + 1) // 8) * 8
    keys = jax.random.split(jax.random.key(seed), count)
    batch = min(batch, -(-count // 64) * 64)
    mesh = parallel.data_mesh(batch)
    params = parallel.replicate(mesh, params)
    parts = []
    for start in range(0, count, batch):
        index = np.minimum(np.arange(start, start + batch), count - 1)
        goal = np.asarray(goal_index)[index]
        rows = [
            RowSequence(model.spec.width).text(prompts[g]).state(s)
            for g, s in zip(goal, first_states[index], strict=True)
        ]
        inputs = parallel.split_batch(
            mesh,
            (
                align_right(rows, length, model.spec.width),
                first_states[index],
                np.asarray(goals.family)[goal],
                np.asarray(goals.array)[goal],
                keys[index],
            ),
        )
        out = generate_rollouts(
            params, *inputs, temperature, state_temperature, model=model, stop=stop, horizon=horizon
        )
        keep = min(batch, count - start)
        parts.append([np.asarray(x)[:keep] for x in out])
        if progress is not None:
            progress(start + keep, matched=float(np.mean(np.concatenate([p[3] for p in parts]))))
    states, actions, length, success = (np.concatenate(x) for x in zip(*parts, strict=True))
    rollouts = Rollouts(
        observations=states.astype(np.float32),
        actions=actions,
        rewards=np.zeros(actions.shape[:2], np.float32),
        length=length.astype(np.int32),
        terminated=success,
        goal=np.asarray(goal_index, np.int32),
        imagined=np.ones(count, bool),
    )
    return label_rewards(rollouts, goals, reward)


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
