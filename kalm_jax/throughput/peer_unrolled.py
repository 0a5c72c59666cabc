"""The usual training loop of JAX libraries for offline RL (JAX-CORL's), as a peer: TD3+BC written out plainly.

Eight updates are unrolled in one jitted call, the data lie on the device with the goal repeated in every observation
and next observation, batches are drawn inside, nothing is donated. Written for this comparison from TD3+BC's paper; it
is not JAX-CORL itself, whose critics have a LayerNorm besides.
"""

from __future__ import annotations

import functools

from kalm_jax.throughput.measure import MissingError

UNROLLED = 8
TAU, NOISE, CLIP, DISCOUNT, ALPHA, DELAY = 0.005, 0.2, 0.5, 0.99, 2.5, 2


def prepare(name: str, shape, batch: int):
    """What `Contestant.prepare` wants; `run` takes multiples of `UNROLLED`."""

    def ready():
        if name != "td3bc" or shape.discrete:
            raise MissingError("only TD3+BC with continuous actions is written out")
        import jax

        from kalm_jax.throughput.offline_rl import flat_transitions

        data = {k: jax.numpy.asarray(v) for k, v in flat_transitions(shape).items()}
        state, advance = _td3bc(data, shape.actions, batch)
        kept = [(state, jax.random.key(0))]

        def run(n):
            for _ in range(n // UNROLLED):
                kept[0] = advance(*kept[0], data)
            jax.block_until_ready(kept[0])

        return run

    return ready


def _td3bc(data, action_dim: int, batch: int):
    """The state before the first update, and the jitted function of eight updates."""
    import flax.linen as nn
    import jax
    import jax.numpy as jnp
    import optax

    class MLP(nn.Module):
        outputs: int

        @nn.compact
        def __call__(self, x):
            for _ in range(2):
                x = nn.relu(nn.Dense(256)(x))
            return nn.Dense(self.outputs)(x)

    actor, critic, adam = MLP(action_dim), MLP(1), optax.adam(3e-4)
    keys = jax.random.split(jax.random.key(0), 3)
    x, xa = jnp.zeros((1, data["observations"].shape[1])), jnp.zeros((1, data["observations"].shape[1] + action_dim))
    policy, critics = actor.init(keys[0], x), [critic.init(key, xa) for key in keys[1:]]
    state = {
        "policy": policy,
        "critics": critics,
        "target_policy": policy,
        "target_critics": critics,
        "policy_adam": adam.init(policy),
        "critic_adam": adam.init(critics),
    }

    def act(params, observation):
        return jnp.tanh(actor.apply(params, observation))

    def q(params, observation, action):
        return critic.apply(params, jnp.concatenate([observation, action], -1))[:, 0]

    def critic_loss(critics, batch, target):
        return sum(jnp.mean((q(c, batch["observations"], batch["actions"]) - target) ** 2) for c in critics)

    def policy_loss(policy, critics, batch):
        action = act(policy, batch["observations"])
        value = q(critics[0], batch["observations"], action)
        weight = ALPHA / jax.lax.stop_gradient(jnp.abs(value).mean())
        return -weight * value.mean() + jnp.mean((action - batch["actions"]) ** 2)

    def update(state, key, data, delayed: bool):
        draw, smooth = jax.random.split(key)
        index = jax.random.randint(draw, (batch,), 0, len(data["rewards"]))
        drawn = {k: v[index] for k, v in data.items()}
        noise = jnp.clip(NOISE * jax.random.normal(smooth, drawn["actions"].shape), -CLIP, CLIP)
        following = jnp.clip(act(state["target_policy"], drawn["next_observations"]) + noise, -1, 1)
        value = jnp.minimum(*(q(c, drawn["next_observations"], following) for c in state["target_critics"]))
        target = drawn["rewards"] + DISCOUNT * (1 - drawn["terminals"]) * value
        grads = jax.grad(critic_loss)(state["critics"], drawn, target)
        change, critic_adam = adam.update(grads, state["critic_adam"])
        state = {**state, "critics": optax.apply_updates(state["critics"], change), "critic_adam": critic_adam}
        if not delayed:
            return state
        grads = jax.grad(policy_loss)(state["policy"], state["critics"], drawn)
        change, policy_adam = adam.update(grads, state["policy_adam"])
        policy = optax.apply_updates(state["policy"], change)
        follow = functools.partial(jax.tree.map, lambda new, old: TAU * new + (1 - TAU) * old)
        return {
            **state,
            "policy": policy,
            "policy_adam": policy_adam,
            "target_policy": follow(policy, state["target_policy"]),
            "target_critics": follow(state["critics"], state["target_critics"]),
        }

    @jax.jit
    def advance(state, key, data):
        for i in range(UNROLLED):
            key, own = jax.random.split(key)
            state = update(state, own, data, i % DELAY == DELAY - 1)
        return state, key

    return state, advance
