"""What is drawn over training, with units and explanations, and which amounts are too small to say anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kalm_jax.report.summary import number

FEWEST: Mapping[str, tuple[int, str]] = {
    "episodes": (100, "episodes behind a success rate"),
    "returns": (10, "episodes behind a return"),
    "updates": (500, "updates of a policy"),
    "steps": (200, "steps of grounding"),
}
"""Kind of amount -> how much of it a number needs that says anything, and what it is called.

With 100 episodes the interval of a rate still spans 20 points. Policies of fewer than 500 updates and language
models of fewer than 200 steps are hardly different from untrained ones."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """A number that is drawn over training: its title with the unit, and what it is, as the end of a sentence."""

    title: str
    about: str


LEARNING = {
    "critic_loss": Measure(
        "critic loss (reward²)", "squared error of the critics against their targets, in CQL and COMBO with the penalty"
    ),
    "q": Measure("value of the data's actions (reward)", "what the critic expects of them, as discounted rewards"),
    "v": Measure("value of the data's states (reward)", "what the value function expects, as discounted rewards"),
    "value_loss": Measure("value loss (reward²)", "weighted squared error of the value function"),
    "gap": Measure("gap (reward)", "how much higher the critic values other actions than those of the data"),
    "bc_loss": Measure("distance to the data's actions", "squared distance of the policy's actions to the data's"),
    "policy_loss": Measure("policy loss (no unit)", "what the policy minimizes; its level says nothing by itself"),
    "model_loss": Measure("dynamics loss (nats per number)", "how badly the dynamics model predicts the next step"),
    "temperature": Measure("temperature (no unit)", "weight of the policy's entropy"),
    "multiplier": Measure("multiplier (no unit)", "weight of the penalty on other actions than the data's"),
}
"""Metrics of the learners. Rewards are those that a learner sees, scaled by its `reward_scale`."""
CLONING = Measure("policy loss", "how badly the policy predicts the data's actions: nats, or a squared error")
"""What `policy_loss` is of a learner that has no other metric."""


def grounding_measures(
    discrete_actions: bool = True, gaussian_states: bool = False, gaussian_actions: bool = False, change: bool = True
) -> dict[str, Measure]:
    """Losses of grounding that are drawn; their weighted sum and the norm of its gradient have no unit and are not.

    The arguments say what the heads predict, as the fields of `GroundConfig` do.
    """

    def of_numbers(name: str, what: str, gaussian: bool) -> Measure:
        if gaussian:
            return Measure(f"{name} (nats per number)", f"negative log likelihood of {what}, over its deviation")
        return Measure(f"{name} (mean squared error)", f"squared error of {what}, in units of its variance in the data")

    actions = Measure("actions (nats per action)", "cross-entropy of the next action")
    return {
        "text_loss": Measure("words (nats per word)", "cross-entropy of the next word"),
        "action_loss": actions if discrete_actions else of_numbers("actions", "the next action", gaussian_actions),
        "state_loss": of_numbers("states", f"the {'change to the ' * change}next state", gaussian_states),
    }


def learning_measures(names: Sequence[str]) -> dict[str, Measure]:
    """Metric -> what it is, for the metrics of one learner; one that nobody knows keeps its name."""
    if list(names) == ["policy_loss"]:
        return {"policy_loss": CLONING}
    unknown = "a metric of the learner's own"
    return {name: LEARNING.get(name) or Measure(name.replace("_", " "), unknown) for name in names}


def explain(measures: Iterable[Measure]) -> str:
    """The measures in a sentence each: "Words (nats per word): cross-entropy of the next word." """
    return " ".join(f"{m.title[:1].upper()}{m.title[1:]}: {m.about}." for m in measures)


def noise(**amounts: float) -> str:
    """A line that says that a run's numbers are noise, with the amounts that are too small; "" where none is.

    `amounts` are the smallest ones of the run, of the kinds in `FEWEST`.
    """
    small = {kind: amount for kind, amount in amounts.items() if amount < FEWEST[kind][0]}
    if not small:
        return ""
    have = listed([f"{amount:,.0f} {FEWEST[kind][1]}" for kind, amount in small.items()])
    enough = listed([f"{FEWEST[kind][0]:,}" for kind in small])
    return (
        f"These numbers are noise: this run has {have}, and numbers say something from {enough} on. It shows that "
        "everything runs, and not how well."
    )


def listed(texts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def amounts_of(
    results: Iterable[Mapping[str, Any]],
    learning_curves: Iterable[Mapping] = (),
    grounding_curve: Iterable[Mapping] = (),
) -> dict[str, float]:
    """The smallest amounts of a run, for `noise`: of the parts that it has.

    Episodes are those of a learned policy at a level with one set of sentences, all seeds together; updates and steps
    are the last ones.
    """
    episodes: dict[tuple, float] = {}
    for row in results:
        if row["algorithm"] != row["condition"]:
            names = ("algorithm", "condition", "level", "sentences", "action_choice")
            key = tuple(str(row.get(name, "")) for name in names)
            episodes[key] = episodes.get(key, 0) + number(row["episodes"])
    updates: dict[tuple, float] = {}
    for row in learning_curves:
        key = (row["algorithm"], row["condition"])
        updates[key] = max(updates.get(key, 0), number(row["update"]))
    steps = [number(row["step"]) for row in grounding_curve]
    found = {"episodes": min(episodes.values(), default=None), "updates": min(updates.values(), default=None)}
    found["steps"] = max(steps, default=None)
    return {kind: amount for kind, amount in found.items() if amount is not None}
