"""Film strips and GIFs of films."""

import io

import numpy as np
import pytest
from PIL import Image

from kalm_jax.report.films import filmstrip_figure, gif_bytes, key_frames
from kalm_jax.types.pictures import Film


def make_film(count, seed=0, repeat=1, milliseconds=80):
    frames = np.random.default_rng(seed).integers(0, 255, (count * repeat, 20, 20, 3)).astype(np.uint8)
    steps = np.repeat(np.arange(0, 3 * count, 3), repeat)
    return Film("open it", "expert", "goal reached", frames, steps, milliseconds)


def durations_of(gif):
    image, durations = Image.open(io.BytesIO(gif)), []
    for i in range(image.n_frames):
        image.seek(i)
        durations.append(image.info["duration"])
    return image, durations


@pytest.mark.parametrize("count", [1, 3, 5, 17, 50])
def test_key_frames_are_stills_with_the_first_and_the_last(count):
    film = make_film(count, repeat=4)
    shown = key_frames(film, 6)
    assert shown[0] == 0 and shown[-1] == 4 * (count - 1) and len(shown) == min(6, count)
    assert (shown % 4 == 0).all()


def test_films_become_strips_and_a_gif():
    films = [make_film(9), make_film(2, 1)]
    figure = filmstrip_figure(films)
    assert len(figure.axes) == 6 + 2
    np.testing.assert_array_equal(figure.axes[5].images[0].get_array(), films[0].frames[8])
    image, durations = durations_of(gif_bytes(films, panel_width=40))
    assert sum(durations) == 8 * 80 + 2000 and image.size[0] == 80 and image.info["loop"] == 0
    for make in (filmstrip_figure, gif_bytes):
        with pytest.raises(ValueError, match="at least one film"):
            make([])


def test_a_gif_shows_each_frame_as_long_as_its_film_says():
    _, durations = durations_of(gif_bytes([make_film(2, repeat=2, milliseconds=[420, 70, 420, 70])], panel_width=40))
    assert durations == [420, 70, 420, 2000]
