"""Decision Transformer (Chen et al., NeurIPS 2021): a causal transformer is told which return to reach, and clones.

A rollout is the sequence goal, R_0, s_0, a_0, R_1, s_1, a_1, ..., where R_t is the return still to come. The action a_t
is read from the position of s_t, which sees everything up to there. At test time R_0 is the return one asks for, and
every reward received is taken off it. The goal vector at the front is ours (the paper has one task per data set).

The transformer is any Flax module with `backbone(x (B, T, W), positions (B, T), mask (B, T, T)) -> (hidden, _)`: the
`Blocks` of this file, or one that comes with weights (`with_backbone`).
Letters: B batch, K steps of context, T = 3K positions, D observation, E goal vector, A action, W width.
"""

from __future__ import annotations

import dataclasses

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from kalm_jax.offline_rl.networks import Spec, seen
from kalm_jax.offline_rl.windows import Windows, sample_windows, windows_spec


@dataclasses.dataclass(frozen=True)
class DecisionTransformerConfig:
    """Settings of the Decision Transformer; those without a remark are the authors' for continuous control.

    Attributes:
      learning_rate: of AdamW (authors: 1e-4, with 100,000 updates).
      batch_size: windows per update.
      context: K, steps of a window, and of the past that an action is chosen by.
      warmup: updates over which the learning rate rises from 0 (authors: 10,000).
      weight_decay: of AdamW. max_norm: to which gradients are cut.
      dropout: of the embedded sequence, and in `Blocks`.
      width, layers, heads: of the transformer; the width must be that of `backbone`.
      max_time: steps that have an embedding of their own; later ones share the last.
      target_return: the return to ask for; None asks for the best of the data.
      backbone: the transformer in the place of `Blocks`.
    """

    learning_rate: float = 3e-4
    batch_size: int = 64
    context: int = 20
    warmup: int = 500
    weight_decay: float = 1e-4
    max_norm: float = 0.25
    dropout: float = 0.1
    width: int = 128
    layers: int = 3
    heads: int = 1
    max_time: int = 1000
    target_return: float | None = None
    backbone: nn.Module | None = None


class Blocks(nn.Module):
    """Pre-norm transformer blocks, as GPT-2's; positions are not read, as embedded times tell steps apart."""

    width: int
    layers: int
    heads: int
    dropout: float

    @nn.compact
    def backbone(self, x, positions, mask):
        """(hidden states (B, T, W), None); dropout where the call gives random numbers for it."""

        def drop(y):
            return nn.Dropout(self.dropout, deterministic=not self.has_rng("dropout"))(y)

        for _ in range(self.layers):
            attention = nn.MultiHeadDotProductAttention(self.heads)
            x = x + drop(attention(nn.LayerNorm()(x), mask=mask[:, None]))
            h = nn.gelu(nn.Dense(4 * self.width)(nn.LayerNorm()(x)))
            x = x + drop(nn.Dense(self.width)(h))
        return nn.LayerNorm()(x), None


class Network(nn.Module):
    """Windows in, and for each step what the policy says of its action: logits, or a continuous action before tanh."""

    config: DecisionTransformerConfig
    action_dim: int
    discrete: bool

    @nn.compact
    def __call__(self, observation, goal, action, to_go, time):
        """(B, K, A) from normalised observations, goals and returns, and raw actions; see `Windows`."""
        c = self.config
        chex.assert_equal_shape_prefix([observation, action, to_go, time], 2)
        b, k = time.shape
        when = nn.Embed(c.max_time, c.width, name="time")(jnp.minimum(time, c.max_time - 1))
        parts = [nn.Dense(c.width, name="to_go")(to_go[..., None]), nn.Dense(c.width, name="observation")(observation)]
        if self.discrete:
            parts.append(nn.Embed(self.action_dim, c.width, name="action")(action))
        else:
            parts.append(nn.Dense(c.width, name="action")(action))
        steps = jnp.stack(parts, axis=2) + when[:, :, None]  # [B, K, 3, W]
        goal = goal if goal.shape[1] else jnp.ones((b, 1))  # where there is one goal, it may have no vector
        # The last action is what nothing comes after: T = 1 + 3K - 1.
        x = jnp.concatenate([nn.Dense(c.width, name="goal")(goal)[:, None], steps.reshape(b, 3 * k, -1)[:, :-1]], 1)
        x = nn.LayerNorm(name="norm")(x)
        x = nn.Dropout(c.dropout, deterministic=not self.has_rng("dropout"))(x)
        positions = jnp.broadcast_to(jnp.arange(3 * k), (b, 3 * k))
        mask = jnp.broadcast_to(jnp.tril(jnp.ones((3 * k, 3 * k), bool)), (b, 3 * k, 3 * k))
        blocks = c.backbone or Blocks(c.width, c.layers, c.heads, c.dropout)
        hidden, _ = blocks.copy(name="backbone").backbone(x, positions, mask)
        return nn.Dense(self.action_dim, name="head")(hidden[:, 2::3].astype(jnp.float32))  # at s_0, s_1, ...


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DecisionTransformerState:
    """Everything that a resume needs.

    Attributes:
      policy: parameters. optimiser: AdamW's state.
      spec: sizes and statistics of the data set, those of its returns included.
      step: () int32, updates done. key: the seed's key, from which each update's key is derived.
    """

    policy: dict
    optimiser: optax.OptState
    spec: Spec
    step: jax.Array
    key: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class History:
    """The last K steps of B episodes that are being played; slots behind the newest step are empty.

    Attributes:
      observation: (B, K, D). action: (B, K) int32 or (B, K, A), that of the newest step still missing.
      to_go: (B, K), the return asked for minus the rewards before each step.
      count: () int32, steps taken so far: the time of the newest step.
    """

    observation: jax.Array
    action: jax.Array
    to_go: jax.Array
    count: jax.Array


def spec_of(config: DecisionTransformerConfig, buffer) -> Spec:
    """The sizes and statistics that `init` needs; ValueError for a stream."""
    return windows_spec(buffer)


def sample(config: DecisionTransformerConfig, buffer, key) -> Windows:
    """The windows of one update."""
    return sample_windows(buffer, key, config.batch_size, config.context)


def init(config: DecisionTransformerConfig, key, spec: Spec) -> DecisionTransformerState:
    """The state before the first update."""
    own, network = jax.random.split(key)
    history = begin(config, spec, jnp.zeros((1, spec.observation_mean.shape[0])))
    goal, time = jnp.zeros((1, spec.goal_mean.shape[0])), jnp.zeros((1, config.context), jnp.int32)
    observation = seen(spec, history.observation)
    policy = _network(config, spec).init(network, observation, goal, history.action, history.to_go, time)
    return DecisionTransformerState(policy, _adamw(config, 0).init(policy), spec, jnp.zeros((), jnp.int32), own)


def with_backbone(state: DecisionTransformerState, params: dict) -> DecisionTransformerState:
    """States before the first update (of one seed, or stacked) whose transformer has the weights `params`.

    Parts of `params` that the transformer does not use, such as a head of words, are left out.

    Raises:
      ValueError: a part is missing, or of another shape.
    """
    old = state.policy["params"]["backbone"]
    seeds = state.step.shape

    def put(path, x):
        value = params
        for entry in path:
            value = value.get(entry.key) if isinstance(value, dict) else None
        if value is None or seeds + value.shape != x.shape:
            found = "is missing" if value is None else f"has shape {value.shape}"
            raise ValueError(f"backbone weights {jax.tree_util.keystr(path)}: {found}, want {x.shape[len(seeds) :]}")
        return jnp.array(jnp.broadcast_to(value, x.shape), x.dtype)

    backbone = jax.tree_util.tree_map_with_path(put, old)
    return dataclasses.replace(state, policy={"params": {**state.policy["params"], "backbone": backbone}})


def update(config: DecisionTransformerConfig, state: DecisionTransformerState, windows: Windows, key):
    """(state, metrics) after one step of AdamW; `key` draws the dropout. Metrics: policy_loss."""
    loss, grads = jax.value_and_grad(policy_loss, argnums=1)(config, state.policy, state.spec, windows, key)
    updates, optimiser = _adamw(config, state.step).update(grads, state.optimiser, state.policy)
    policy = optax.apply_updates(state.policy, updates)
    return dataclasses.replace(state, policy=policy, optimiser=optimiser, step=state.step + 1), {"policy_loss": loss}


def policy_loss(config: DecisionTransformerConfig, policy, spec: Spec, windows: Windows, key=None):
    """Mean over the valid steps of -log pi(a_t | ...), or of mean_A (tanh f_t - a_t)^2 for continuous actions."""
    w = windows
    outputs = outputs_of(config, policy, spec, w.observation, w.goal, w.action, w.to_go, w.time, key)
    if spec.discrete:
        error = optax.softmax_cross_entropy_with_integer_labels(outputs, w.action)
    else:
        error = jnp.mean((jnp.tanh(outputs) - w.action) ** 2, axis=-1)
    chex.assert_equal_shape([error, w.valid])
    return jnp.sum(error * w.valid) / jnp.maximum(w.valid.sum(), 1)


def outputs_of(config, policy, spec: Spec, observation, goal, action, to_go, time, key=None):
    """What the network says of each step (B, K, A); arguments as in `Windows`; with a `key` some units drop out."""
    observation = seen(spec, observation)
    goal = (goal - spec.goal_mean) / spec.goal_std
    to_go = (to_go - spec.returns[0]) / spec.returns[1]
    rngs = None if key is None else {"dropout": key}
    return _network(config, spec).apply(policy, observation, goal, action, to_go, time, rngs=rngs)


def begin(config: DecisionTransformerConfig, spec: Spec, observation) -> History:
    """The history of episodes that begin with observations (B, D)."""
    b, k = observation.shape[0], config.context
    action = jnp.zeros((b, k), jnp.int32) if spec.discrete else jnp.zeros((b, k, spec.action_dim))
    target = spec.returns[2] if config.target_return is None else config.target_return
    return History(
        observation=jnp.zeros((b, k, observation.shape[1])).at[:, 0].set(observation),
        action=action,
        to_go=jnp.zeros((b, k)).at[:, 0].set(target),
        count=jnp.zeros((), jnp.int32),
    )


def extend(history: History, action, reward, observation) -> History:
    """The history after actions (B,) or (B, A), the rewards (B,) they gave and the observations (B, D) they led to."""
    last = history.to_go.shape[1] - 1
    now, full = jnp.minimum(history.count, last), history.count >= last
    following = jnp.minimum(now + 1, last)

    def put(x, value):
        return jnp.where(full, jnp.roll(x, -1, axis=1), x).at[:, following].set(value)  # the oldest step leaves

    return History(
        observation=put(history.observation, observation),
        action=put(history.action.at[:, now].set(action), jnp.zeros_like(action)),
        to_go=put(history.to_go, history.to_go[:, now] - reward),
        count=history.count + 1,
    )


def choose(config: DecisionTransformerConfig, state: DecisionTransformerState, history: History, goal, key, greedy):
    """Actions (B,) int32, the likeliest or drawn, for the newest step; continuous ones (B, A) are deterministic."""
    h, k = history, config.context
    time = jnp.maximum(h.count - k + 1, 0) + jnp.broadcast_to(jnp.arange(k), h.to_go.shape)
    outputs = outputs_of(config, state.policy, state.spec, h.observation, goal, h.action, h.to_go, time)
    outputs = outputs[:, jnp.minimum(h.count, k - 1)]
    if not state.spec.discrete:
        return jnp.tanh(outputs)
    return (jnp.argmax(outputs, -1) if greedy else jax.random.categorical(key, outputs)).astype(jnp.int32)


def act(config: DecisionTransformerConfig, state: DecisionTransformerState, observation, goal_vector, key, greedy):
    """The first actions of episodes; for those that follow keep a `History`."""
    return choose(config, state, begin(config, state.spec, observation), goal_vector, key, greedy)


def _network(config: DecisionTransformerConfig, spec: Spec) -> Network:
    return Network(config, spec.action_dim, spec.discrete)


def _adamw(config: DecisionTransformerConfig, step):
    rate = config.learning_rate * jnp.minimum(1.0, (step + 1) / max(config.warmup, 1))
    return optax.chain(optax.clip_by_global_norm(config.max_norm), optax.adamw(rate, weight_decay=config.weight_decay))
