"""Synthetic rows and rollouts for the tests of the report."""

import itertools

import numpy as np

from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr.figures import Example

LABELS = get_world("clevr").labels

LEVELS = {"offline": ["relation"], "rephrase": ["relation"], "unseen_hard": ["line", "gather"]}


def result(
    algorithm,
    condition,
    level,
    good,
    early,
    seed=0,
    family="relation",
    choice="greedy",
    episodes=100,
    median=5.0,
    sentences="any",
):
    return {
        "environment": "clevr",
        "algorithm": algorithm,
        "condition": condition,
        "level": level,
        "sentences": sentences,
        "family": family,
        "seed": seed,
        "action_choice": choice,
        "episodes": episodes,
        "successes": good,
        "successes_early": early,
        "median_steps": median,
    }


def make_results(oracle=False):
    rows = []
    for level, families in LEVELS.items():
        for family in families:
            rows.append(result("random", "random", level, 30, 10, family=family, choice="sampled"))
            rows.append(result("lookahead", "lookahead", level, 100, 97, family=family))
            for seed in range(3):
                conditions = [("offline", 40 + seed), ("kalm", 70 + seed)] + ([("oracle", 80 + seed)] if oracle else [])
                for condition, good in conditions:
                    rows.append(result("td3bc", condition, level, good, good // 2, seed, family))
                    for choice in ("greedy", "sampled"):
                        rows.append(result("bc", condition, level, good - 5, good // 3, seed, family, choice))
    return rows


def make_example(steps, seed, instruction="x", reached=True, imagined=False):
    rng = np.random.default_rng(seed)
    start = np.array([-0.4, 0.0, 0.0, 0.0, 0.4, 0.0, -0.2, 0.4, 0.2, 0.4])
    walk = np.cumsum(np.concatenate([start[None], rng.normal(0, 0.05, (steps, 10))]), 0)
    return Example(instruction, imagined, walk, rng.integers(0, 40, steps), reached)


def make_imagination():
    return [
        {
            "level": level,
            "family": family,
            "rollouts": 200,
            "matched": 120,
            "transitions": 1000,
            "off_bench_transitions": 30,
            "beyond_dynamics_transitions": 2,
        }
        for level, families in LEVELS.items()
        for family in families
    ]


def episodes(grounding):
    """Rows of the `episodes.csv` of a grounding, for which no two of them are alike."""
    rng = np.random.default_rng(grounding)
    skill = {"offline": 0.3, "translate": 0.5, "kalm": 0.6, "random": 0.2}
    families = {"offline": ("relation",), "unseen_hard": ("line", "gather")}
    found = []
    for level, names in families.items():
        tests = [("td3bc", c, s) for c in ("offline", "translate", "kalm") for s in ("met", "new")]
        tests = [test for test in tests if level != "offline" or test[2] == "met"] + [("random", "random", "any")]
        for algorithm, condition, sentences in tests:
            chance = skill[condition] + 0.1 * rng.normal()
            for family, template, seed, _ in itertools.product(names, range(4), range(2), range(3)):
                row = {"environment": "clevr", "algorithm": algorithm, "condition": condition, "level": level}
                row |= {"sentences": sentences, "family": family, "seed": 1000 * grounding + seed}
                row |= {"action_choice": "greedy", "template": f"left/{template}"}
                found.append(row | {"success": int(rng.random() < chance), "steps": int(rng.integers(1, 51))})
    return found
