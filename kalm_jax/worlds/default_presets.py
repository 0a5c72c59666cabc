"""Presets of a custom world, which `default_presets.toml` holds: nested mappings of fields of `PipelineConfig`."""

from typing import Any

from kalm_jax.files import read_toml
from kalm_jax.settings import overlay

_TABLES: dict[str, dict[str, Any]] = read_toml(__package__, "default_presets.toml")
ABOUT: dict[str, Any] = _TABLES.pop("about")
"""What a run of each preset takes and reaches."""
_EVERY = _TABLES.pop("every")
PRESETS: dict[str, dict[str, dict[str, Any]]] = {name: overlay(_EVERY, preset) for name, preset in _TABLES.items()}
