"""The pictures of the report: figures against the numbers they show, rollouts in motion against their states."""

import io
import math

import numpy as np
import pytest

from kalm_jax.report import figures, summary
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import animation
from kalm_jax.worlds.clevr import figures as bench
from tests.report.rows import make_imagination, make_results, make_rollout

LABELS = get_world("clevr").labels


@pytest.fixture
def examples():
    return [
        make_rollout("real", 3, 0, instruction="push the red ball behind the blue ball", reached=True),
        make_rollout("imagined", 2, 1, instruction="i want red behind blue", reached=False),
    ]


# Figures ------------------------------------------------------------------------------------------------------------


def test_success_figure_draws_the_rates_floor_and_ceiling():
    pooled = summary.successes(make_results())
    figure = figures.success_figure(pooled, "td3bc", LABELS)
    above, below = figure.axes
    bars = sorted(above.patches, key=lambda bar: bar.get_x())
    assert [round(bar.get_height(), 6) for bar in bars] == [41, 71] * 3
    lines = np.array([lines.get_segments()[0] for lines in above.collections])  # (lines, 2 ends, xy)
    levels = lines[np.ptp(lines[:, :, 0], axis=1) > 0.5][:, 0, 1]
    assert sorted(levels) == pytest.approx([30] * 3 + [100] * 3, abs=1e-6)
    assert [round(b.get_height(), 4) for b in sorted(below.patches, key=lambda b: b.get_x())] == pytest.approx(
        [61 / 3, 106 / 3] * 3, abs=1e-3
    )
    spans = lines[np.ptp(lines[:, :, 0], axis=1) == 0][:, :, 1]  # the vertical lines are the error bars
    shares = [s.within for s in pooled if s.algorithm == "td3bc"]
    np.testing.assert_allclose(sorted(spans.tolist()), sorted([100 * s.low, 100 * s.high] for s in shares))


def test_figures_of_unknown_algorithms_name_the_known_ones():
    pooled = summary.successes(make_results())
    with pytest.raises(ValueError, match=r"'iql'.*'bc'.*'td3bc'"):
        figures.success_figure(pooled, "iql", LABELS)
    with pytest.raises(ValueError, match=r"'iql'.*'bc'"):
        figures.learning_figure([{"algorithm": "bc", "metric": "loss"}], "iql")


def test_match_figure_opens_levels_with_several_families():
    axes = figures.match_figure(make_imagination(), LABELS).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "goals of the data",
        "rephrase",
        "unseen hard",
        "gather",
        "line",
    ]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([60] * 5)


def test_length_histogram_is_in_percent_of_each_set():
    figure = figures.length_figure({"recorded": [1, 2, 2, 50], "imagined": [3, 3]}, LABELS)
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights[0][0] == 25 and heights[0][1] == 50 and heights[0][49] == 25 and heights[1][2] == 100
    assert [sum(h) for h in heights] == pytest.approx([100, 100])


def test_grounding_figure_pairs_training_and_held_out_curves():
    rows = [{"step": i, "state_loss": 1.0 + i, "val_state_loss": 2.0 + i if i % 2 else ""} for i in range(4)]
    (axes,) = figures.grounding_figure(rows).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1, 2, 3, 4], [3, 5]]
    with pytest.raises(ValueError, match="loss"):
        figures.grounding_figure([{"step": 1}])


def test_metrics_figure_draws_rates_and_their_intervals():
    names = ("match_rate", "explanation_seen", "explanation_unseen_exact", "off_bench_transitions")
    rows = [{"step": s, "metric": m, "rate": s / 100, "low": s / 200, "high": s / 50} for s in (20, 10) for m in names]
    figure = figures.metrics_figure(rows, LABELS)
    assert [[line.get_ydata().tolist() for line in axes.lines] for axes in figure.axes] == [
        [[10, 20]],
        [[10, 20], [10, 20]],
        [[10, 20]],
    ]
    assert [line.get_label() for line in figure.axes[1].lines] == [
        "seen prompt, right relation",
        "unseen prompt, and right roles",
    ]
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert {(10, 5), (10, 20), (20, 10), (20, 40)} <= {tuple(v) for v in band}


def test_learning_figure_draws_seeds_and_their_mean():
    rows = [
        {"algorithm": "bc", "condition": "kalm", "seed": s, "update": u, "metric": "loss", "value": s + u}
        for s in (0, 2)
        for u in (0, 10)
    ]
    (axes,) = figures.learning_figure(rows, "bc").axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0, 10], [2, 12], [1, 11]]


# Rollouts in pictures -----------------------------------------------------------------------------------------------


def test_pushes_decode_to_ball_and_unit_direction():
    ball, unit = bench.push_of(8 * 3 + 1)
    assert ball == 3 and unit.tolist() == [0, 1]
    ball, unit = bench.push_of(39)
    assert ball == 4 and unit == pytest.approx([-math.sqrt(0.5)] * 2)


def test_svg_turns_y_upside_down_and_points_the_arrow_along_the_push():
    svg = animation.state_svg(np.arange(10) / 10, action=8 * 1 + 1)  # the blue ball, to the back
    assert 'translate(0.200 -0.300)"><circle' in svg
    assert 'translate(0.200 -0.300) rotate(-90.0)"/>' in svg  # SVG turns clockwise: -90 degrees points up
    assert 'visibility="hidden"' in animation.state_svg(np.zeros(10))


def test_state_between_two_pushes_lies_on_the_straight_line():
    example = bench.read_example(make_rollout("real", 2, 0, instruction="x"))
    state, action = animation.state_at(example, 1.25)
    want = 0.75 * example.observations[1] + 0.25 * example.observations[2]
    np.testing.assert_allclose(state.ravel(), want)
    assert action == example.actions[1]
    state, action = animation.state_at(example, 2.0)
    np.testing.assert_allclose(state.ravel(), example.observations[2])
    assert action is None


def test_gif_plays_all_pushes_once_over_and_ends_with_a_rest(examples):
    from PIL import Image

    image = Image.open(io.BytesIO(animation.gif_bytes(examples, panel_width=60)))
    durations = []
    for i in range(image.n_frames):
        image.seek(i)
        durations.append(image.info["duration"])
    # Equal pictures in a row may be merged, their time may not be lost: three pushes, then the rest.
    assert sum(durations) == 3 * (420 + 4 * 70) + 2000
    assert image.info["loop"] == 0 and image.size[0] == 120


def test_gif_cuts_long_rollouts():
    from PIL import Image

    long = [make_rollout("real", 30, 0, instruction="x")]
    image = Image.open(io.BytesIO(animation.gif_bytes(long, panel_width=30, max_pushes=2)))
    assert image.n_frames <= 2 * animation.MOVING_FRAMES + 1


def test_recorded_and_imagined_rollouts_are_paired_in_order():
    kinds = ("imagined", "real", "imagined")
    rows = [make_rollout(kind, 1, i, instruction=str(i)) for i, kind in enumerate(kinds)]
    pairs = [[e and e.instruction for e in pair] for pair in bench.pair_examples(rows)]
    assert pairs == [["1", "0"], [None, "2"]]


@pytest.mark.parametrize("steps", [1, 3, 5, 17, 50])
def test_film_strip_shows_first_and_last_state(steps):
    shown = bench.key_frames(steps, 6)
    assert shown[0] == 0 and shown[-1] == steps and len(shown) == min(6, steps + 1)


def test_film_strip_has_a_picture_for_every_shown_state(examples):
    assert len(bench.filmstrip_figure(examples).axes) == 4 + 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "dreamt"}, r"'x'.*'dreamt'.*'real' or 'imagined'"),
        ({"actions": np.array([0, 40])}, r"'x'.*\[0, 40\].*0\.\.39"),
        ({"actions": np.array([0, 1, 2])}, r"'x'.*\(3, 10\).*\(4, 10\)"),
    ],
)
def test_examples_that_do_not_fit_are_refused_by_name(change, problem):
    row = make_rollout("real", 2, 0, instruction="x") | change
    with pytest.raises(ValueError, match=problem):
        bench.read_example(row)


def test_off_bench_is_outside_of_the_walls():
    centres = np.array([[0.0, 0.0], [0.61, 0.0], [-0.61, 0.0], [0.0, 0.71], [0.0, -0.31], [0.59, 0.69]])
    assert bench.off_bench(centres).tolist() == [False, True, True, True, True, False]


def test_position_maps_say_how_much_lies_off_the_bench():
    figure = bench.position_figure({"imagined": np.array([[0.0, 0.0], [0.7, 0.0], [0.1, 0.1], [0.2, 0.2]])})
    assert "25.0% of centres off the bench" in figure.axes[0].get_title()
