"""Presets of CLEVR-Robot, which `presets.toml` holds, and the policies that can collect."""

from kalm_jax.files import read_toml
from kalm_jax.worlds import default_presets

BEHAVIORS = ("scripted", "lookahead")
"""Policies that can collect: "scripted" resembles the authors' data, "lookahead" is competent."""

PRESETS = read_toml(__package__, "presets.toml")
ABOUT = default_presets.ABOUT | PRESETS.pop("about")
"""What a run of each preset takes and reaches."""
COSTS = PRESETS.pop("costs")
"""Kind of stage -> CPU seconds of it, see `kalm_jax.pipeline.schedule`."""
