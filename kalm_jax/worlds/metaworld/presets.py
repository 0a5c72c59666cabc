"""Presets of Meta-world, and what each run takes and reaches: the amounts of a custom world, by straying experts."""

from kalm_jax.worlds import default_presets

BEHAVIORS = ("straying", "scripted")
"""Policies that can collect: the experts, with and without steps in which the robot strays first."""

PRESETS = {
    name: {**preset, "collect": {**preset["collect"], "behavior": "straying"}}
    for name, preset in default_presets.PRESETS.items()
}

ABOUT = {
    "smoke": "one to five minutes on one core, less than 0.3 GB on disk; shows that everything runs, not how well",
    "default": "an hour and a half on one core, less than 1 GB on disk; its result is in the README",
    "paper": "the authors' amounts of data, grounding and updates, for an accelerator; it has not been run",
}
