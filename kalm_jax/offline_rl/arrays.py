"""Names for the arrays that most functions here take, with their shapes, which the tests check.

Dimension letters: B batch, N rows of one kind, D observation, E goal vector, I input of a network, A action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxtyping import Array, Float, Int

Params = Mapping[str, Any]
"""Parameters of a Flax module."""
Inputs = Float[Array, "B I"]
Observations = Float[Array, "B D"]
Goals = Float[Array, "B E"]
PerRow = Float[Array, " B"]
Loss = Float[Array, ""]
Actions = Int[Array, " B"] | Float[Array, "B A"]
"""Indices of discrete actions, int32, or action vectors in [-1, 1]."""
ActionVectors = Float[Array, "B A"]
Metrics = dict[str, Array]
Scalar = float | int | Float[Array, ""]
"""A real setting: a constant of the compiled program, or a traced array where it is swept."""
