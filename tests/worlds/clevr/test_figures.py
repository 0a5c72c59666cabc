"""CLEVR-Robot's pictures of rollouts against their states."""

import dataclasses
import math
import re

import numpy as np
import pytest

from kalm_jax.types import Rollouts, make_goal_table
from kalm_jax.worlds.clevr import figures
from tests.report.rows import make_example


def test_pushes_decode_to_ball_and_unit_direction():
    ball, unit = figures.push_of(8 * 3 + 1)
    assert ball == 3 and unit.tolist() == [0, 1]
    ball, unit = figures.push_of(39)
    assert ball == 4 and unit == pytest.approx([-math.sqrt(0.5)] * 2)


def test_the_player_turns_y_upside_down_and_points_the_arrow_along_the_push():
    states = np.stack([np.arange(10) / 10] * 2)
    example = figures.Example("go", False, states, np.array([8 * 1 + 1]), True)  # the blue ball, to the back
    html = figures.player_html([(example, example)])
    assert len(re.findall(r'translate\(0\.200 -0\.300\)"><circle', html)) == 2
    assert 'translate(0.200 -0.300) rotate(-90.0)"/>' in html  # SVG turns clockwise: -90 degrees points up


def test_state_between_two_pushes_is_on_the_straight_line():
    example = make_example(2, 0)
    state, action = figures.state_at(example, 1.25)
    want = 0.75 * example.observations[1] + 0.25 * example.observations[2]
    np.testing.assert_allclose(state.ravel(), want)
    assert action == example.actions[1]
    state, action = figures.state_at(example, 2.0)
    np.testing.assert_allclose(state.ravel(), example.observations[2])
    assert action is None


def test_a_film_rests_at_every_state():
    film = figures.make_film(make_example(3, 0, "red behind blue", reached=False, imagined=True), width=60)
    assert film.frames.shape == (16, 52, 60, 3) and film.steps.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3]
    assert sum(film.milliseconds[:-1]) == 3 * (420 + 4 * 70)
    assert (film.kind, film.outcome) == ("imagined", "goal not reached in 3 pushes")


def test_recorded_and_imagined_rollouts_for_the_same_goal_are_shown_in_pairs():
    goals = make_goal_table(["a", "b"], 0, 0, np.array([[0, 1, 2, -1, -1, -1], [1, 0, 2, -1, -1, -1]], np.int32))
    n, t = 3, 4
    observations = np.random.default_rng(0).uniform(-0.2, 0.2, (n, t + 1, 10)).astype(np.float32)
    empty, length = np.zeros((n, t), np.int32), np.full(n, t, np.int32)
    good, goal = np.array([True, True, False]), np.array([1, 0, 0], np.int32)
    real = Rollouts(observations, empty, empty.astype(np.float32), length, good, goal, np.zeros(n, bool))
    shown = figures.illustrate(real, goals, dataclasses.replace(real, imagined=np.ones(n, bool)), goals)
    assert [(film.kind, film.instruction) for film in shown.films] == [
        ("recorded", "b"),
        ("imagined", "b"),
        ("recorded", "a"),
        ("imagined", "a"),
    ]
    assert [named.name for named in shown.figures] == ["positions"] and shown.player.count('class="player"') == 2


def test_off_bench_is_outside_of_the_walls():
    centers = np.array([[0.0, 0.0], [0.61, 0.0], [-0.61, 0.0], [0.0, 0.71], [0.0, -0.31], [0.59, 0.69]])
    assert figures.off_bench(centers).tolist() == [False, True, True, True, True, False]


def test_position_maps_say_how_much_is_off_the_bench():
    figure = figures.position_figure({"imagined": np.array([[0.0, 0.0], [0.7, 0.0], [0.1, 0.1], [0.2, 0.2]])})
    assert "25.0% of centers off the bench" in figure.axes[0].get_title()
