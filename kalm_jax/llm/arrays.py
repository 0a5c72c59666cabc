"""Names for the arrays that many functions of the language model take, with their shapes, which the tests check.

Dimension letters: B rows, T positions, E width of the model, H_kv key/value heads; "slots" are the keys that can be
attended to, "half" is half of a head's width, and "*batch" is any number of leading axes.
"""

from __future__ import annotations

from jaxtyping import Array, Bool, Float, Int

PerToken = Int[Array, "B T"]
"""Token ids, positions or segments."""
Vectors = Float[Array, "B T E"]
Hidden = Float[Array, "*batch E"]
Angles = Float[Array, "B T half"]
Mask = Bool[Array, "B T slots"]
MaskOrSegments = Mask | PerToken
LayerCache = dict[str, Float[Array, "B H_kv slots head_dim"]]
"""Keys "k" and values "v" of one layer: heads first, which decodes several times faster than slots first."""
