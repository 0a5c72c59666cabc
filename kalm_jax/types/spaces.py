"""Which Gymnasium observation spaces become vectors of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

NOT_READ = "images, text and spaces of changing size are not read; put the numbers that a policy needs into vectors"


def is_vector(space: Any) -> bool:
    """Whether observations of a space become one vector that learners of vectors can read.

    Images (uint8 of two axes or more) and text could be flattened too, but such learners do not read them.
    """
    from gymnasium import spaces

    if isinstance(space, spaces.Dict | spaces.Tuple):
        return all(map(is_vector, space.spaces.values() if isinstance(space, spaces.Dict) else space.spaces))
    image = isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) >= 2
    return bool(space.is_np_flattenable) and not image and not isinstance(space, spaces.Text)
