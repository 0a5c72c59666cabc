"""Decision Transformer (Chen et al., NeurIPS 2021): imitation by a causal transformer conditioned on the return.

A rollout is the sequence goal, R_0, s_0, a_0, R_1, s_1, a_1, ..., where R_t is the return-to-go. The action a_t is
predicted at the position of s_t, which attends to everything before it. At test time R_0 is the target return, and
every reward received is subtracted from it. The goal vector at the front is ours (the paper has one task per data set).

The transformer is any Flax module with `backbone(x (B, T, width), positions (B, T), mask (B, T, T)) -> (hidden, _)`:
the `Blocks` of this file, or one with pretrained weights (`with_backbone`).
Dimension letters: B batch, W window steps, T = 3 W positions, D observation, E goal vector, A action.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from kalm_jax.offline_rl.arrays import Actions, Goals, Loss, Metrics, Observations, Params, PerRow, Scalar
from kalm_jax.offline_rl.buffer import Buffer
from kalm_jax.offline_rl.distributions import select_index
from kalm_jax.offline_rl.networks import apply, batch_setting, rate_setting
from kalm_jax.offline_rl.normalization import DatasetStats, normalize_goal, normalize_observation
from kalm_jax.offline_rl.updates import PolicyState
from kalm_jax.offline_rl.windows import Windows, sample_windows, windows_stats
from kalm_jax.settings import MOST_STEPS, MOST_WIDE, setting
from kalm_jax.types.pytree import pytree_dataclass

WindowActions = Int[Array, "B W"] | Float[Array, "B W A"]


@dataclasses.dataclass(frozen=True)
class DecisionTransformerConfig:
    """Settings of the Decision Transformer; the defaults are the authors' for continuous control.

    Attributes:
      learning_rate: of AdamW (authors: 1e-4, with 100,000 updates).
      batch_size: windows per update.
      context: W, steps of a window, and of the past that an action depends on.
      warmup: updates over which the learning rate rises from 0 (authors: 10,000).
      weight_decay: of AdamW. max_norm: to which gradients are clipped.
      dropout: of the embedded sequence, and in `Blocks`.
      width, layers, heads: of the transformer; the width must be that of `backbone`.
      max_time: steps that have a separate embedding; later ones share the last.
      target_return: the return to condition on; None takes the best of the data.
      backbone: the transformer in place of `Blocks`.
    """

    learning_rate: Scalar = rate_setting(3e-4)
    batch_size: int = batch_setting(64)
    context: int = setting(20, low=1, high=10_000)
    warmup: int = setting(500, low=0, high=MOST_STEPS)
    weight_decay: Scalar = setting(1e-4, low=0, high=100)
    max_norm: Scalar = setting(0.25, above=0, high=1e9)
    dropout: float = setting(0.1, static=True, low=0, below=1)  # decides whether it is computed
    width: int = setting(128, low=1, high=MOST_WIDE)
    layers: int = setting(3, low=1, high=1000)
    heads: int = setting(1, low=1, high=1000)
    max_time: int = setting(1000, low=1, high=10_000_000)
    target_return: float | None = setting(None, low=-1e12, high=1e12)
    backbone: nn.Module | None = None

    def validate(self) -> None:
        """Raises a ValueError for a width that the heads do not divide."""
        if self.backbone is None and self.width % self.heads:
            raise ValueError(
                f"decision_transformer.width is {self.width}, want a multiple of heads, of which there are {self.heads}"
            )


class Blocks(nn.Module):
    """Pre-norm transformer blocks, as GPT-2's; positions are not used, because embedded times identify the steps."""

    width: int
    layers: int
    heads: int
    dropout: float

    @nn.compact
    def backbone(
        self, x: Float[Array, "B T width"], positions: Int[Array, "B T"], mask: Bool[Array, "B T T"]
    ) -> tuple[Float[Array, "B T width"], None]:
        """(hidden states, None); dropout where the call provides random numbers for it."""

        def drop(y: Array) -> Array:
            return nn.Dropout(self.dropout, deterministic=not self.has_rng("dropout"))(y)

        for _ in range(self.layers):
            attention = nn.MultiHeadDotProductAttention(self.heads)
            x = x + drop(attention(nn.LayerNorm()(x), mask=mask[:, None]))
            h = nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x)))
            x = x + drop(nn.Dense(self.width)(h))
        return nn.LayerNorm()(x), None


class Network(nn.Module):
    """Windows -> for each step the policy's output for its action: logits, or a continuous action before tanh."""

    config: DecisionTransformerConfig
    action_dim: int
    discrete: bool

    @nn.compact
    def __call__(self, windows: Windows) -> Float[Array, "B W out"]:
        """Observations, goals and returns are normalized, actions are not."""
        observation, action, time = windows.observation, windows.action, windows.time
        c = self.config
        chex.assert_equal_shape_prefix([observation, action, windows.returns_to_go, time], 2)
        b, w = time.shape
        when = nn.Embed(c.max_time, c.width, name="time")(jnp.minimum(time, c.max_time - 1))
        parts = [
            nn.Dense(c.width, name="to_go")(windows.returns_to_go[..., None]),  # the name decides its initial weights
            nn.Dense(c.width, name="observation")(observation),
        ]
        embed = nn.Embed(self.action_dim, c.width, name="action") if self.discrete else nn.Dense(c.width, name="action")
        steps = jnp.stack([*parts, embed(action)], axis=2) + when[:, :, None]  # [B, W, 3, width]
        goal = windows.goal if windows.goal.shape[1] else jnp.ones((b, 1))  # a single goal may have no vector
        # The last action is left out, because nothing follows it: T = 1 + 3 W - 1.
        x = jnp.concatenate([nn.Dense(c.width, name="goal")(goal)[:, None], steps.reshape(b, 3 * w, -1)[:, :-1]], 1)
        x = nn.LayerNorm(name="norm")(x)
        x = nn.Dropout(c.dropout, deterministic=not self.has_rng("dropout"))(x)
        positions = jnp.broadcast_to(jnp.arange(3 * w), (b, 3 * w))
        mask = jnp.broadcast_to(jnp.tril(jnp.ones((3 * w, 3 * w), bool)), (b, 3 * w, 3 * w))
        blocks = c.backbone or Blocks(c.width, c.layers, c.heads, c.dropout)
        hidden, _ = blocks.copy(name="backbone").backbone(x, positions, mask)
        return nn.Dense(self.action_dim, name="head")(hidden[:, 2::3].astype(jnp.float32))  # at s_0, s_1, ...


@pytree_dataclass
class History:
    """The carry of B running episodes: their last W steps; slots after the newest step are empty.

    Attributes:
      observation: (B, W, D). action: (B, W) int32 or (B, W, A), that of the newest step still missing.
      returns_to_go: (B, W), the target return minus the rewards before each step.
      count: () int32, steps taken so far: the time of the newest step.
    """

    observation: Float[Array, "B W D"]
    action: WindowActions
    returns_to_go: Float[Array, "B W"]
    count: Int[Array, ""]

    def windows(self, goal: Goals) -> Windows:
        """The steps as windows under goals (B, E)."""
        shape = self.returns_to_go.shape
        time = jnp.maximum(self.count - (shape[1] - 1), 0) + jnp.broadcast_to(jnp.arange(shape[1]), shape)
        return Windows(self.observation, goal, self.action, self.returns_to_go, time, jnp.ones(shape, bool))


def dataset_stats(config: DecisionTransformerConfig, buffer: Buffer) -> DatasetStats:
    """What `init` must know of the data; ValueError for a stream."""
    return windows_stats(buffer)


def sample(config: DecisionTransformerConfig, buffer: Buffer, key: Array) -> Windows:
    """The windows of one update."""
    return sample_windows(buffer, key, config.batch_size, config.context)


def init(config: DecisionTransformerConfig, key: Array, stats: DatasetStats) -> PolicyState:
    """The state before the first update."""
    own, network = jax.random.split(key)
    history = init_carry(config, stats, jnp.zeros((1, stats.observation_mean.shape[0])))
    windows = history.windows(jnp.zeros((1, stats.goal_mean.shape[0])))
    windows = dataclasses.replace(windows, observation=normalize_observation(stats, windows.observation))
    policy = Network(config, stats.action_dim, stats.discrete).init(network, windows)
    return PolicyState(policy, adamw(config, 0).init(policy), jnp.zeros((), jnp.int32), own)


def with_backbone(state: PolicyState, params: Params) -> PolicyState:
    """Initial states (of one seed, or stacked) whose transformer has the weights `params`.

    Parts of `params` that the transformer does not use, such as a language-model head, are ignored.

    Raises:
      ValueError: a part is missing, or of another shape.
    """
    old = state.policy["params"]["backbone"]
    seeds = state.step.shape

    def replaced(path: tuple, x: Array) -> Array:
        value: Any = params
        for entry in path:
            value = value.get(entry.key) if isinstance(value, dict) else None
        if value is None or seeds + value.shape != x.shape:
            found = "is missing" if value is None else f"has shape {value.shape}"
            raise ValueError(f"backbone weights {jax.tree_util.keystr(path)}: {found}, want {x.shape[len(seeds) :]}")
        return jnp.array(jnp.broadcast_to(value, x.shape), x.dtype)

    backbone = jax.tree_util.tree_map_with_path(replaced, old)
    return dataclasses.replace(state, policy={"params": {**state.policy["params"], "backbone": backbone}})


def update(
    config: DecisionTransformerConfig,
    state: PolicyState,
    stats: DatasetStats,
    windows: Windows,
    key: Array,
) -> tuple[PolicyState, Metrics]:
    """(state, metrics) after one step of AdamW; `key` is that of the dropout. Metrics: policy_loss."""
    loss, grads = jax.value_and_grad(policy_loss, argnums=1)(config, state.policy, stats, windows, key)
    updates, optimizer = adamw(config, state.step).update(grads, state.optimizer, state.policy)
    policy = optax.apply_updates(state.policy, updates)
    return dataclasses.replace(state, policy=policy, optimizer=optimizer, step=state.step + 1), {"policy_loss": loss}


def policy_loss(
    config: DecisionTransformerConfig, policy: Params, stats: DatasetStats, windows: Windows, key: Array | None = None
) -> Loss:
    """Mean over the valid steps of -log pi(a_t | ...), or of mean_A (tanh f_t - a_t)^2 for continuous actions."""
    outputs = policy_outputs(config, policy, stats, windows, key)
    if stats.discrete:
        error = optax.softmax_cross_entropy_with_integer_labels(outputs, windows.action)
    else:
        error = jnp.mean((jnp.tanh(outputs) - windows.action) ** 2, axis=-1)
    chex.assert_equal_shape([error, windows.valid])
    return jnp.sum(error * windows.valid) / jnp.maximum(windows.valid.sum(), 1)


def policy_outputs(
    config: DecisionTransformerConfig, policy: Params, stats: DatasetStats, windows: Windows, key: Array | None = None
) -> Float[Array, "B W out"]:
    """The network's output for each step; with a `key` there is dropout."""
    windows = dataclasses.replace(
        windows,
        observation=normalize_observation(stats, windows.observation),
        goal=normalize_goal(stats, windows.goal),
        returns_to_go=(windows.returns_to_go - stats.returns[0]) / stats.returns[1],
    )
    network, rngs = Network(config, stats.action_dim, stats.discrete), None if key is None else {"dropout": key}
    return apply(network, policy, windows, rngs=rngs)


def init_carry(config: DecisionTransformerConfig, stats: DatasetStats, observation: Observations) -> History:
    """The history of episodes that begin with these observations."""
    b, w = observation.shape[0], config.context
    action = jnp.zeros((b, w), jnp.int32) if stats.discrete else jnp.zeros((b, w, stats.action_dim))
    target = stats.returns[2] if config.target_return is None else config.target_return
    return History(
        observation=jnp.zeros((b, w, observation.shape[1])).at[:, 0].set(observation),
        action=action,
        returns_to_go=jnp.zeros((b, w)).at[:, 0].set(target),
        count=jnp.zeros((), jnp.int32),
    )


def update_carry(history: History, action: Actions, reward: PerRow, observation: Observations) -> History:
    """The history after actions, their rewards and the observations that follow."""
    last = history.returns_to_go.shape[1] - 1
    now, full = jnp.minimum(history.count, last), history.count >= last
    following = jnp.minimum(now + 1, last)

    def append(x: Array, value: Array) -> Array:
        return jnp.where(full, jnp.roll(x, -1, axis=1), x).at[:, following].set(value)  # the oldest step leaves

    return History(
        observation=append(history.observation, observation),
        action=append(history.action.at[:, now].set(action), jnp.zeros_like(action)),
        returns_to_go=append(history.returns_to_go, history.returns_to_go[:, now] - reward),
        count=history.count + 1,
    )


def act(
    config: DecisionTransformerConfig,
    state: PolicyState,
    stats: DatasetStats,
    history: History,
    goal: Goals,
    key: Array,
    greedy: bool,
) -> Actions:
    """The most probable or sampled actions for the newest step; continuous ones are deterministic."""
    outputs = policy_outputs(config, state.policy, stats, history.windows(goal))
    outputs = outputs[:, jnp.minimum(history.count, config.context - 1)]
    return select_index(outputs, key, greedy) if stats.discrete else jnp.tanh(outputs)


def adamw(config: DecisionTransformerConfig, step: Int[Array, ""] | int) -> optax.GradientTransformation:
    """AdamW with clipped gradients, its learning rate as at update number `step`."""
    rate = config.learning_rate * jnp.minimum(1.0, (step + 1) / max(config.warmup, 1))
    return optax.chain(optax.clip_by_global_norm(config.max_norm), optax.adamw(rate, weight_decay=config.weight_decay))
