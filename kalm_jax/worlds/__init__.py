"""Worlds: all that the main job asks of an environment, in one record each. The pipeline knows nothing else of any."""

from kalm_jax.worlds.own import gymnasium_world
from kalm_jax.worlds.world import WORLDS, World, get_world

__all__ = ["WORLDS", "World", "get_world", "gymnasium_world"]
