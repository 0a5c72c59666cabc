"""Presets of a custom world: the amounts of everything that suit Meta-world, which build on these.

Nested mappings of the fields of `pipeline.config.PipelineConfig` that differ from their defaults.
"""

from typing import Any

_IMAGINE = {"max_steps_per_subgoal": 20, "draws": 1, "explanation_draws": 0}
# Whitening costs the condition "offline" much of what it reaches on rephrased goals in Meta-world, and "kalm" gains
# nothing. What policies do in tasks of which they learned nothing differs from one checkpoint to the next: five are
# averaged, as in the paper.
_LEARN = {"discount": 0.99, "relabel": 0.0, "whitening": 0.0, "checkpoints": 5}
# Experts have no memory, so a window of their steps says as much as the whole.
_GROUND = {"rows": 24, "row_length": 96, "learning_rate": 2e-3, "window": 20, "shares": {"text": 0.04, "plan": 0.12}}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "smoke": {
        "collect": {"rollouts": 80},
        "ground": {**_GROUND, "steps": 20, "rows": 16},
        "metrics": {"every": 20, "rollouts": 16, "explained": 8},
        "imagine": {
            **_IMAGINE,
            **{"rephrase": 32, "unseen_easy": 32, "unseen_hard": 32, "explained": 16, "replayed": 8},
        },
        "learn": {**_LEARN, "seeds": 2, "updates": 40},
        "evaluate": {"episodes": 8, "expert_episodes": 8},
    },
    "default": {
        "collect": {"rollouts": 4000},
        "ground": _GROUND,
        "metrics": {"every": 1000, "rollouts": 120},
        "imagine": {
            **_IMAGINE,
            **{"rephrase": 3000, "unseen_easy": 2400, "unseen_hard": 1600, "explained": 200, "replayed": 120},
        },
        "learn": _LEARN,
        "evaluate": {"episodes": 100},
    },
    "paper": {
        "collect": {"rollouts": 100_000},
        "ground": {**_GROUND, "steps": 150_000, "window": 0},
        "metrics": {"every": 15_000},
        "imagine": {
            **{"rephrase": 10_000, "unseen_easy": 8000, "unseen_hard": 4000, "plan": False, "explanation_draws": 0}
        },
        "learn": {**_LEARN, "updates": 500_000, "draw": "transitions"},
        "evaluate": {"episodes": 1000, "expert_episodes": 300},
    },
}

ABOUT = {
    "smoke": "some minutes on two idle cores, less than 0.3 GB on disk; shows that everything runs, not how well",
    "default": "an hour and a half on one core in Meta-world, less than 1 GB on disk",
    "paper": "the authors' amounts of data, grounding and updates, for an accelerator; it has not been run",
}
"""What a run of each preset takes and reaches."""
