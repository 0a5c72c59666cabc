"""Presets of CLEVR-Robot: fields of `PipelineConfig` other than their defaults, and what a run takes."""

from kalm_jax.worlds import default_presets

BEHAVIORS = ("scripted", "lookahead")
"""Policies that can collect: "scripted" resembles the authors' data, "lookahead" is competent."""

PRESETS = {
    "smoke": {
        "collect": {"behavior": "scripted", "rollouts": 160},
        "ground": {"steps": 20, "rows": 8, "reading": 5},
        "metrics": {"every": 20, "rollouts": 16, "explained": 8},
        "imagine": {
            **{"rephrase": 32, "unseen_easy": 32, "unseen_hard": 32, "draws": 2},
            **{"explained": 4, "explanation_draws": 2, "replayed": 4},
        },
        "learn": {"seeds": 2, "updates": 40},
        "evaluate": {"episodes": 2, "expert_episodes": 2},
    },
    "default": {"collect": {"behavior": "scripted"}},
    "paper": {
        "collect": {"behavior": "scripted", "rollouts": 100_000},
        "ground": {"steps": 150_000, "window": 0},
        "metrics": {"every": 15_000},
        "imagine": {"unseen_easy": 72_400, "plan": False},
        "learn": {
            **{"updates": 500_000, "draw": "transitions", "discount": 0.99},
            **{"relabel": 0.0, "whitening": 0.0, "checkpoints": 5},
        },
        "evaluate": {"episodes": 1000, "expert_episodes": 300},
    },
}

ABOUT = default_presets.ABOUT | {
    "smoke": "4 minutes on two idle cores, less than 0.3 GB on disk; shows that everything runs, not how well",
    "default": "80 minutes on one core with td3bc and bc, less than 1 GB on disk; its result is in the README",
}
"""What a run of each preset takes and reaches."""
