"""Presets of Meta-world, and what each run takes and reaches: the amounts of a custom world, by straying experts."""

from kalm_jax.files import read_toml
from kalm_jax.settings import overlay
from kalm_jax.worlds import default_presets

BEHAVIORS = ("straying", "scripted")
"""Policies that can collect: the experts, with and without steps in which the robot strays first."""

_TABLES = read_toml(__package__, "presets.toml")
ABOUT = default_presets.ABOUT | _TABLES["about"]
"""What a run of each preset takes and reaches."""
COSTS = _TABLES["costs"]
"""Kind of stage -> CPU seconds of it, see `kalm_jax.pipeline.schedule`."""
PRESETS = {name: overlay(preset, _TABLES["every"]) for name, preset in default_presets.PRESETS.items()}
