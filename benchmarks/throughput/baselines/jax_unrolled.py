"""The training loop that JAX libraries for offline RL usually have (JAX-CORL's): TD3+BC and CQL written out plainly.

Eight updates are unrolled in one jitted call. The data are on the device, with the goal repeated in every observation
and next observation. Batches are drawn inside, and nothing is donated. CQL repeats observations for each sampled
action. It was written for this comparison from the papers; it is not JAX-CORL, whose TD3+BC also has LayerNorm critics.
"""

from __future__ import annotations

import functools

from benchmarks.throughput.measure import MissingError, Prepare
from benchmarks.throughput.problems import Shape, flat_transitions

UNROLLED = 8
TAU, DISCOUNT = 0.005, 0.99
NOISE, CLIP, ALPHA, DELAY = 0.2, 0.5, 2.5, 2
SAMPLES, CONSERVATIVE = 10, 5.0


def prepare(name: str, shape: Shape, batch: int) -> Prepare:
    """Training of the learner called `name`, as `Benchmark.prepare`; `run` takes multiples of `UNROLLED`."""

    def ready():
        if name not in ALGORITHMS or shape.discrete:
            raise MissingError(f"only {' and '.join(ALGORITHMS)} with continuous actions are written out")
        import jax

        data = {k: jax.numpy.asarray(v) for k, v in flat_transitions(shape).items()}
        state, update = ALGORITHMS[name](data["observations"].shape[1], shape.actions)
        advance = jax.jit(functools.partial(_advance, update, batch))
        kept = [(state, jax.random.key(0))]

        def run(n):
            for _ in range(n // UNROLLED):
                kept[0] = advance(*kept[0], data)
            jax.block_until_ready(kept[0])

        return run

    return ready


def _advance(update, batch, state, key, data):
    """State and key after eight updates."""
    import jax

    for i in range(UNROLLED):
        key, draw, own = jax.random.split(key, 3)
        index = jax.random.randint(draw, (batch,), 0, len(data["rewards"]))
        state = update(state, own, {k: v[index] for k, v in data.items()}, i)
    return state, key


def mlp(outputs: int):
    """Two hidden layers of 256."""
    import flax.linen as nn

    return nn.Sequential([nn.Dense(256), nn.relu, nn.Dense(256), nn.relu, nn.Dense(outputs)])


def _networks(observation_dim: int, policy_outputs: int, action_dim: int):
    """The policy and a critic as functions of parameters, and parameters of a policy and of two critics."""
    import jax
    import jax.numpy as jnp

    actor, critic = mlp(policy_outputs), mlp(1)
    keys = jax.random.split(jax.random.key(0), 3)
    policy = actor.init(keys[0], jnp.zeros((1, observation_dim)))
    critics = [critic.init(key, jnp.zeros((1, observation_dim + action_dim))) for key in keys[1:]]

    def q(params, observation, action):
        return critic.apply(params, jnp.concatenate([observation, action], -1))[..., 0]

    return actor.apply, q, policy, critics


def _follow(new, old):
    import jax

    return jax.tree.map(lambda x, y: TAU * x + (1 - TAU) * y, new, old)


def _step(adam, loss, params, adam_state, *args):
    """Parameters and Adam's state after one step on `loss(params, *args)`."""
    import jax
    import optax

    change, adam_state = adam.update(jax.grad(loss)(params, *args), adam_state)
    return optax.apply_updates(params, change), adam_state


def _td3bc(observation_dim: int, action_dim: int):
    """The state before the first update, and update(state, key, batch, number in the call)."""
    import jax
    import jax.numpy as jnp
    import optax

    actor, q, policy, critics = _networks(observation_dim, action_dim, action_dim)
    adam = optax.adam(3e-4)
    state = {"policy": policy, "critics": critics, "target_policy": policy, "target_critics": critics}
    state |= {"policy_adam": adam.init(policy), "critic_adam": adam.init(critics)}

    def act(params, observation):
        return jnp.tanh(actor(params, observation))

    def critic_loss(critics, batch, target):
        return sum(jnp.mean((q(c, batch["observations"], batch["actions"]) - target) ** 2) for c in critics)

    def policy_loss(policy, critics, batch):
        action = act(policy, batch["observations"])
        value = q(critics[0], batch["observations"], action)
        weight = ALPHA / jax.lax.stop_gradient(jnp.abs(value).mean())
        return -weight * value.mean() + jnp.mean((action - batch["actions"]) ** 2)

    def update(state, key, batch, number):
        following = batch["next_observations"]
        noise = jnp.clip(NOISE * jax.random.normal(key, batch["actions"].shape), -CLIP, CLIP)
        action = jnp.clip(act(state["target_policy"], following) + noise, -1, 1)
        value = jnp.minimum(*(q(c, following, action) for c in state["target_critics"]))
        target = batch["rewards"] + DISCOUNT * (1 - batch["terminals"]) * value
        critics, critic_adam = _step(adam, critic_loss, state["critics"], state["critic_adam"], batch, target)
        state = {**state, "critics": critics, "critic_adam": critic_adam}
        if number % DELAY != DELAY - 1:
            return state
        policy, policy_adam = _step(adam, policy_loss, state["policy"], state["policy_adam"], critics, batch)
        targets = {
            "target_policy": _follow(policy, state["target_policy"]),
            "target_critics": _follow(critics, state["target_critics"]),
        }
        return {**state, "policy": policy, "policy_adam": policy_adam, **targets}

    return state, update


def _cql(observation_dim: int, action_dim: int):
    """As `_td3bc`: CQL(H) with importance-weighted samples and a learned temperature."""
    import jax
    import jax.numpy as jnp
    import optax

    actor, q, policy, critics = _networks(observation_dim, 2 * action_dim, action_dim)
    policy_adam, critic_adam = optax.adam(1e-4), optax.adam(3e-4)
    temperature = jnp.zeros(())
    state = {"policy": policy, "critics": critics, "target_critics": critics, "temperature": temperature}
    state |= {"policy_adam": policy_adam.init(policy), "critic_adam": critic_adam.init(critics)}
    state["temperature_adam"] = policy_adam.init(temperature)

    def draw(params, key, observation):
        mean, log_std = jnp.split(actor(params, observation), 2, -1)
        log_std = jnp.clip(log_std, -20.0, 2.0)
        noise = jax.random.normal(key, mean.shape)
        before = mean + jnp.exp(log_std) * noise
        log_prob = -0.5 * noise**2 - log_std - 0.5 * jnp.log(2 * jnp.pi)
        squashing = 2 * (jnp.log(2.0) - before - jax.nn.softplus(-2 * before))
        return jnp.tanh(before), (log_prob - squashing).sum(-1)

    def critic_loss(critics, policy, batch, target, key):
        many = jnp.repeat(batch["observations"][:, None], SAMPLES, 1)
        many_next = jnp.repeat(batch["next_observations"][:, None], SAMPLES, 1)
        uniform_key, now_key, next_key = jax.random.split(key, 3)
        uniform = jax.random.uniform(uniform_key, (*many.shape[:2], action_dim), minval=-1, maxval=1)
        samples = [
            (uniform, -action_dim * jnp.log(2.0)),
            draw(policy, now_key, many),
            draw(policy, next_key, many_next),
        ]
        loss = 0.0
        for c in critics:
            data = q(c, batch["observations"], batch["actions"])
            values = [q(c, many, a) - jax.lax.stop_gradient(log_prob) for a, log_prob in samples]
            gap = jax.nn.logsumexp(jnp.concatenate(values, 1), 1) - jnp.log(3.0 * SAMPLES) - data
            loss += jnp.mean((data - target) ** 2) + CONSERVATIVE * gap.mean()
        return loss

    def policy_loss(policy, critics, temperature, observation, key):
        action, log_prob = draw(policy, key, observation)
        value = jnp.minimum(*(q(c, observation, action) for c in critics))
        return jnp.mean(jnp.exp(temperature) * log_prob - value)

    def temperature_loss(temperature, log_prob):
        return -jnp.exp(temperature) * jnp.mean(log_prob - action_dim)

    def update(state, key, batch, number):
        target_key, penalty_key, policy_key, temperature_key = jax.random.split(key, 4)
        following, policy = batch["next_observations"], state["policy"]
        action, _ = draw(policy, target_key, following)
        value = jnp.minimum(*(q(c, following, action) for c in state["target_critics"]))
        target = batch["rewards"] + DISCOUNT * (1 - batch["terminals"]) * value
        args = (policy, batch, target, penalty_key)
        critics, critic_state = _step(critic_adam, critic_loss, state["critics"], state["critic_adam"], *args)
        args = (critics, state["temperature"], batch["observations"], policy_key)
        policy, policy_state = _step(policy_adam, policy_loss, policy, state["policy_adam"], *args)
        _, log_prob = draw(policy, temperature_key, batch["observations"])
        temperature, temperature_state = _step(
            policy_adam, temperature_loss, state["temperature"], state["temperature_adam"], log_prob
        )
        return {
            "policy": policy,
            "critics": critics,
            "target_critics": _follow(critics, state["target_critics"]),
            "temperature": temperature,
            "policy_adam": policy_state,
            "critic_adam": critic_state,
            "temperature_adam": temperature_state,
        }

    return state, update


ALGORITHMS = {"td3bc": _td3bc, "cql": _cql}
