"""Every learner a second time, in torch, written from the papers' equations and nothing else of the library.

States and actions are concatenated and repeated in the plain way, each critic has its own optimizer, and gradients come
from torch. A learner is built from named arrays (`problems.weights`) and gives them back after its updates.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Normal
from torch.distributions.transforms import TanhTransform


class Net:
    """ReLU layers and a linear head; `x @ W + b` as the arrays lie."""

    def __init__(self, arrays: dict[str, np.ndarray], prefix: str):
        names = [k for k in arrays if k.startswith(prefix + "/")]
        # A critic of action vectors holds its first layer as "kernel" and "bias" themselves.
        first = [f"{prefix}/"] if f"{prefix}/kernel" in arrays else []
        layers = sorted({k[: -len("kernel")] for k in names if k.endswith("/kernel")} - set(first))
        self.names = [part + kind for part in (*first, *layers) for kind in ("kernel", "bias")]
        self.parameters = [torch.tensor(arrays[name], requires_grad=True) for name in self.names]

    def __call__(self, x):
        pairs = list(zip(self.parameters[::2], self.parameters[1::2]))
        for i, (w, b) in enumerate(pairs):
            x = x @ w + b
            x = torch.relu(x) if i < len(pairs) - 1 else x
        return x

    def arrays(self, replace=("", "")):
        return {n.replace(*replace, 1): p.detach().numpy() for n, p in zip(self.names, self.parameters)}


def adam(parameters, rate):
    return torch.optim.Adam(parameters, lr=rate, betas=(0.9, 0.999), eps=1e-8)


def descend(loss, *optimizers):
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()


def follow(online, target, tau):
    with torch.no_grad():
        for o, t in zip(online, target):
            t.copy_(tau * o + (1 - tau) * t)


class Learner:
    """Shared: normalized inputs, lists of critics, the weights that are handed back."""

    critic_names: tuple = ()

    def __init__(self, config, stats, arrays):
        self.config, self.discrete, self.actions = config, stats.discrete, stats.action_dim
        self.statistics = [
            torch.tensor(np.array(x))
            for x in (stats.observation_mean, stats.observation_std, stats.goal_mean, stats.goal_std)
        ]
        self.critics = [Net(arrays, f"critic{name}") for name in self.critic_names]
        self.targets = [Net(arrays, f"target_critic{name}") for name in self.critic_names]
        present = {name.split("/")[0] for name in arrays} & {"policy", "value", "target_policy"}
        self.nets = {name: Net(arrays, name) for name in sorted(present)}
        self.critic_optimizers = [adam(q.parameters, config.learning_rate) for q in self.critics]
        self.steps = 0

    def inputs(self, observation, goal):
        om, os, gm, gs = self.statistics
        return torch.cat([(observation - om) / os, (goal - gm) / gs], dim=1)

    def update(self, batch: dict, noise: dict):
        """Metrics of one update; `batch` and `noise` are dicts of NumPy arrays."""
        b = {k: torch.tensor(np.array(v)) for k, v in batch.items()}
        noise = {k: None if v is None else torch.tensor(np.array(v)) for k, v in noise.items()}
        x, x2 = self.inputs(b["observation"], b["goal"]), self.inputs(b["next_observation"], b["goal"])
        action = b["action"].long() if self.discrete else b["action"]
        self.steps += 1
        return self.learn(x, action, b.get("reward"), x2, b.get("terminal"), noise)

    def q(self, net, x, action):
        """Q(s, a), (B,)."""
        if self.discrete:
            return net(x).gather(1, action[:, None]).squeeze(1)
        return net(torch.cat([x, action], dim=1)).squeeze(1)

    def q_many(self, net, x, actions):
        """Q(s, a_n), (B, N), with the state repeated N times."""
        n = actions.shape[1]
        repeated = x[:, None].expand(-1, n, -1)
        return net(torch.cat([repeated, actions], dim=2)).squeeze(2)

    def bellman(self, reward, terminal, value):
        return self.config.reward_scale * reward + self.config.discount * (1 - terminal) * value

    def fit_critics(self, x, action, y):
        losses = []
        for net, optimizer in zip(self.critics, self.critic_optimizers):
            loss = F.mse_loss(self.q(net, x, action), y)
            descend(loss, optimizer)
            losses.append(loss.item())
        return sum(losses)

    def follow_targets(self):
        for online, target in zip(self.critics, self.targets):
            follow(online.parameters, target.parameters, self.config.tau)

    def arrays(self):
        found = {}
        for net in (*self.critics, *self.targets, *self.nets.values()):
            found |= net.arrays()
        return found


class BC(Learner):
    def __init__(self, config, stats, arrays):
        super().__init__(config, stats, arrays)
        self.optimizer = adam(self.nets["policy"].parameters, config.learning_rate)

    def learn(self, x, action, reward, x2, terminal, noise):
        out = self.nets["policy"](x)
        if self.discrete:
            loss = F.cross_entropy(out, action) + self.config.logit_penalty * (out**2).mean()
        else:
            loss = F.mse_loss(torch.tanh(out), action)
        descend(loss, self.optimizer)
        return {"policy_loss": loss.item()}


class TD3BC(Learner):
    """Fujimoto and Gu (2021), algorithm 1 with equation 3; a discrete action is a corner of the simplex."""

    critic_names = ("/q1", "/q2")

    def __init__(self, config, stats, arrays):
        super().__init__(config, stats, arrays)
        self.optimizer = adam(self.nets["policy"].parameters, config.learning_rate)

    def q(self, net, x, action):
        return net(torch.cat([x, action], dim=1)).squeeze(1)

    def act(self, net, x, noise):
        out = net(x)
        return torch.softmax(out + noise, dim=1) if self.discrete else (torch.tanh(out) + noise).clamp(-1, 1)

    def learn(self, x, action, reward, x2, terminal, noise):
        c = self.config
        action = F.one_hot(action, self.actions).to(x.dtype) if self.discrete else action
        with torch.no_grad():
            clipped = (c.policy_noise * noise["target"]).clamp(-c.noise_clip, c.noise_clip)
            next_action = self.act(self.nets["target_policy"], x2, clipped)
            value = torch.minimum(*(self.q(net, x2, next_action) for net in self.targets))
            y = self.bellman(reward, terminal, value)
        metrics = {"critic_loss": self.fit_critics(x, action, y)}
        if self.steps % c.policy_delay == 0:
            pi = self.act(self.nets["policy"], x, 0.0)
            q = self.q(self.critics[0], x, pi)
            distance = ((pi - action) ** 2).sum(1).mean() if self.discrete else F.mse_loss(pi, action)
            loss = -c.alpha * q.mean() / q.abs().mean().detach() + distance
            descend(loss, self.optimizer)
            follow(self.nets["policy"].parameters, self.nets["target_policy"].parameters, c.tau)
            self.follow_targets()
            metrics |= {"policy_loss": c.policy_delay * loss.item(), "bc_loss": c.policy_delay * distance.item()}
        return metrics


class DiscreteCQL(Learner):
    """Kumar et al. (2020), equation 4 with exact log-sum, on double DQN."""

    critic_names = ("",)

    def learn(self, x, action, reward, x2, terminal, noise):
        c, (net,), (target,) = self.config, self.critics, self.targets
        with torch.no_grad():
            best = net(x2).argmax(1)
            y = self.bellman(reward, terminal, self.q(target, x2, best))
        q = self.q(net, x, action)
        gap = (torch.logsumexp(net(x), dim=1) - q).mean()
        loss = F.smooth_l1_loss(q, y) + c.conservative_weight * gap
        metrics = {"critic_loss": loss.item(), "gap": gap.item()}
        descend(loss, *self.critic_optimizers)
        if not c.target_period:
            self.follow_targets()
        elif self.steps % c.target_period == 0:
            follow(net.parameters, target.parameters, 1.0)
        return metrics


class CQL(Learner):
    """Kumar et al. (2020), equation 4 with the importance samples of appendix F, on SAC (Haarnoja et al., 2018)."""

    critic_names = ("/critics_0", "/critics_1")

    def __init__(self, config, stats, arrays):
        super().__init__(config, stats, arrays)
        self.log_temperature = torch.tensor(arrays["log_temperature"], requires_grad=True)
        self.log_multiplier = torch.tensor(arrays["log_multiplier"], requires_grad=True)
        self.optimizer = adam(self.nets["policy"].parameters, config.policy_learning_rate)
        self.temperature_optimizer = adam([self.log_temperature], config.temperature_learning_rate)
        self.multiplier_optimizer = adam([self.log_multiplier], config.multiplier_learning_rate)

    def sample(self, x, noise):
        """Actions (B, N, A) and log-densities (B, N) for noise (B, N, A)."""
        mean, log_std = self.nets["policy"](x)[:, None].chunk(2, dim=2)
        normal = Normal(*torch.broadcast_tensors(mean, log_std.clamp(-20, 2).exp()), validate_args=False)
        u = normal.loc + normal.scale * noise
        slope = TanhTransform().log_abs_det_jacobian(u, torch.tanh(u))
        return torch.tanh(u), (normal.log_prob(u) - slope).sum(2)

    def learn(self, x, action, reward, x2, terminal, noise):
        c, temperature = self.config, self.log_temperature.exp()
        fixed = torch.ones_like(temperature)
        multiplier = fixed if c.threshold is None else self.log_multiplier.exp().clamp(0, 1e6)
        with torch.no_grad():
            next_action, next_log_prob = self.sample(x2, noise["target"][:, None])
            if not c.soft_backup:
                next_action = torch.tanh(self.nets["policy"](x2)[:, None, : self.actions])
            value = torch.minimum(*(self.q(net, x2, next_action[:, 0]) for net in self.targets))
            y = self.bellman(reward, terminal, value - (temperature * next_log_prob[:, 0] if c.soft_backup else 0.0))
            proposals = [self.sample(x, noise["now"]), self.sample(x2, noise["next"])]
            density = torch.full(noise["uniform"].shape[:2], self.actions * math.log(0.5), dtype=x.dtype)
            proposals.append((noise["uniform"], density))
        loss, gaps = 0.0, []
        for net in self.critics:
            q = self.q(net, x, action)
            rated = torch.cat([self.q_many(net, x, a) - p for a, p in proposals], dim=1)
            gaps.append((torch.logsumexp(rated, dim=1) - q).mean())
            loss = loss + F.mse_loss(q, y)
        excess = c.conservative_weight * sum(gaps) - (c.threshold or 0.0)
        loss = loss + multiplier.detach() * excess
        metrics = {"critic_loss": loss.item(), "gap": sum(gaps).item() / 2, "multiplier": multiplier.item()}
        descend(loss, *self.critic_optimizers)
        if c.threshold is not None:
            descend(-multiplier * excess.detach(), self.multiplier_optimizer)
        drawn, log_prob = self.sample(x, noise["policy"][:, None])
        q = torch.minimum(*(self.q(net, x, drawn[:, 0]) for net in self.critics))
        loss = (temperature.detach() * log_prob[:, 0] - q).mean()
        metrics["policy_loss"] = loss.item()
        descend(loss, self.optimizer)
        descend(-temperature * (log_prob.detach().mean() - self.actions), self.temperature_optimizer)
        self.follow_targets()
        return metrics

    def arrays(self):
        logs = {"log_temperature": self.log_temperature, "log_multiplier": self.log_multiplier}
        return super().arrays() | {k: v.detach().numpy() for k, v in logs.items()}


class Cloner(Learner):
    """A policy whose log-probabilities are weighted: AWAC and IQL."""

    critic_names = ("/critics_0", "/critics_1")

    def __init__(self, config, stats, arrays):
        super().__init__(config, stats, arrays)
        self.log_std = None if self.discrete else torch.tensor(arrays["policy/log_std"], requires_grad=True)
        extra = [] if self.discrete else [self.log_std]
        self.optimizer = adam([*self.nets["policy"].parameters, *extra], config.learning_rate)

    def log_prob(self, x, action):
        out = self.nets["policy"](x)
        if self.discrete:
            return -F.cross_entropy(out, action, reduction="none")
        return Normal(torch.tanh(out), self.std(), validate_args=False).log_prob(action).sum(1)

    def std(self):
        """(A,): IQL's; AWAC has its own."""
        return self.log_std.clamp(-5, 2).exp()

    def clone(self, x, action, weight):
        loss = -(weight * self.log_prob(x, action)).mean()
        descend(loss, self.optimizer)
        return loss.item()

    def arrays(self):
        return super().arrays() | ({} if self.discrete else {"policy/log_std": self.log_std.detach().numpy()})


class AWAC(Cloner):
    """Nair et al. (2020), equations 12 and 13; the log standard deviation is between -6 and 0, as in their code."""

    def std(self):
        return (-6 * torch.sigmoid(-self.log_std)).exp()

    def state_value(self, nets, x, noise):
        """E_pi min_i Q_i, (B,)."""
        out = self.nets["policy"](x)
        if self.discrete:
            return (torch.softmax(out, dim=1) * torch.minimum(*(net(x) for net in nets))).sum(1)
        actions = (torch.tanh(out)[:, None] + self.std() * noise).clamp(-1, 1)
        return torch.minimum(*(self.q_many(net, x, actions) for net in nets)).mean(1)

    def learn(self, x, action, reward, x2, terminal, noise):
        c = self.config
        with torch.no_grad():
            target_noise = None if self.discrete else noise["target"][:, None]
            y = self.bellman(reward, terminal, self.state_value(self.targets, x2, target_noise))
        metrics = {"critic_loss": self.fit_critics(x, action, y)}
        with torch.no_grad():
            q = torch.minimum(*(self.q(net, x, action) for net in self.critics))
            weight = torch.exp((q - self.state_value(self.critics, x, noise["value"])) / c.temperature)
            weight = weight / weight.mean() if c.weights == "softmax" else weight.clamp(max=c.max_weight)
        metrics["policy_loss"] = self.clone(x, action, weight)
        self.follow_targets()
        return metrics


class IQL(Cloner):
    """Kostrikov et al. (2022), equations 5, 6 and 7."""

    def __init__(self, config, stats, arrays):
        super().__init__(config, stats, arrays)
        self.value_optimizer = adam(self.nets["value"].parameters, config.learning_rate)

    def v(self, x):
        return self.nets["value"](x).squeeze(1)

    def learn(self, x, action, reward, x2, terminal, noise):
        c = self.config
        with torch.no_grad():
            q = torch.minimum(*(self.q(net, x, action) for net in self.targets))
        u = q - self.v(x)
        loss = (torch.abs(c.expectile - (u < 0).to(u.dtype)) * u**2).mean()
        descend(loss, self.value_optimizer)
        metrics = {"value_loss": loss.item()}
        with torch.no_grad():
            weight = torch.exp(c.beta * (q - self.v(x))).clamp(max=c.max_weight)
            y = self.bellman(reward, terminal, self.v(x2))
        metrics["policy_loss"] = self.clone(x, action, weight)
        metrics["critic_loss"] = self.fit_critics(x, action, y)
        self.follow_targets()
        return metrics


def make_learner(name: str, config, stats, arrays) -> Learner:
    """The torch learner that starts from `arrays`."""
    if name == "cql":
        return (DiscreteCQL if stats.discrete else CQL)(config, stats, arrays)
    return {"bc": BC, "td3bc": TD3BC, "awac": AWAC, "iql": IQL}[name](config, stats, arrays)
