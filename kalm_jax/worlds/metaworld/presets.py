"""Presets of Meta-world, and what each run takes and reaches: the amounts of a custom world, by straying experts."""

from kalm_jax.worlds import default_presets

BEHAVIORS = ("straying", "scripted")
"""Policies that can collect: the experts, with and without steps in which the robot strays first."""

PRESETS = {
    name: {**preset, "collect": {**preset["collect"], "behavior": "straying"}}
    for name, preset in default_presets.PRESETS.items()
}

ABOUT = default_presets.ABOUT | {
    "default": "an hour and a half on one core, less than 1 GB on disk; its result is in the README"
}
