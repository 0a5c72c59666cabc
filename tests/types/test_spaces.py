"""Which observation spaces become vectors."""

import numpy as np
import pytest
from gymnasium import spaces

from kalm_jax.types.spaces import is_vector

NUMBERS = spaces.Box(-1, 1, (3,))


@pytest.mark.parametrize(
    ("space", "wanted"),
    [
        (NUMBERS, True),
        (spaces.Box(-1, 1, (2, 3)), True),
        (spaces.Box(0, 255, (128,), np.uint8), True),  # Atari's memory
        (spaces.Dict({"a": spaces.Discrete(3), "b": spaces.Tuple([NUMBERS])}), True),
        (spaces.Box(0, 255, (4, 4, 3), np.uint8), False),
        (spaces.Box(0, 255, (84, 84), np.uint8), False),
        (spaces.Text(5), False),
        (spaces.Dict({"a": NUMBERS, "mission": spaces.Text(5)}), False),
        (spaces.Tuple([NUMBERS, spaces.Box(0, 255, (4, 4), np.uint8)]), False),
        (spaces.Sequence(NUMBERS), False),
    ],
)
def test_images_text_and_spaces_of_changing_size_are_no_vectors(space, wanted):
    assert is_vector(space) is wanted
