"""The charts of the report against the numbers they show."""

import numpy as np
import pytest

from kalm_jax.report import figures, study, summary
from tests.report.rows import LABELS, episodes, make_imagination, make_results


def test_success_figure_draws_rates_and_baselines():
    pooled = summary.successes(make_results())
    figure = figures.success_figure(pooled, "td3bc", LABELS)
    below, above = figure.axes  # within ten pushes stands above
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
    rows = [
        {"step": i, "loss": 5.0, "state_loss": 1.0 + i, "val_state_loss": 2.0 + i if i % 2 else ""} for i in range(4)
    ]
    (axes,) = figures.grounding_figure(rows).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1, 2, 3, 4], [3, 5]]
    for dropped in ({}, {"loss": 1.0, "gradient_norm": 2.0}):
        with pytest.raises(ValueError, match="text_loss"):
            figures.grounding_figure([{"step": 1, **dropped}])


def marked(axes):
    """Labels of the lines that show a marker."""
    return [line.get_label() for line in axes.lines if line.get_marker() not in ("None", "")]


@pytest.mark.parametrize("count", [1, 3])
def test_a_curve_of_one_point_has_a_marker(count):
    steps = [20 * (i + 1) for i in range(count)]
    (grounding,) = figures.grounding_figure([{"step": s, "text_loss": 1.0 / s} for s in steps]).axes
    learned = [{"algorithm": "bc", "condition": "kalm", "seed": 0, "metric": "policy_loss"} for _ in steps]
    (learning,) = figures.learning_figure(
        [{**row, "update": s, "value": 1.0} for row, s in zip(learned, steps, strict=True)], "bc"
    ).axes
    returns = [{"algorithm": "bc", "seed": 0, "update": s, "return_mean": 1.0} for s in steps]
    (played,) = figures.return_figure(returns, 0.0, 1.0, "title").axes
    for axes, label in ((grounding, "training"), (learning, "kalm"), (played, "bc")):
        assert (label in marked(axes)) == (count == 1), label
        assert axes.get_xlim()[0] == 0


@pytest.mark.parametrize(
    "values",
    [(3.2228,), (0.93, 1.07), (-8.95, -8.73), (1e-3, 40.0), (2.0, 2e6), (1e-7, 1e-7), (0.0, 0.0), (39_999, 40_001)],
)
def test_ticks_are_round_and_plain_numbers(values):
    figure = figures.grounding_figure([{"step": 7 * (i + 1), "state_loss": v} for i, v in enumerate(values)])
    figure.canvas.draw()
    (axes,) = figure.axes
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_majorticklocs() if low <= tick <= high]
        assert len(ticks) >= 1
        for text in (label.get_text().replace(",", "") for label in axis.get_ticklabels()):
            float(text.replace("\N{MINUS SIGN}", "-"))  # no power of ten, no offset
        steps = np.diff(ticks) if axis.get_scale() == "linear" else np.array(ticks)
        for step in steps:
            assert f"{step:.0e}"[0] in "125" and step == pytest.approx(float(f"{step:.0e}"), rel=1e-4)
    assert not axes.yaxis.get_offset_text().get_text()


def test_a_figure_has_legends_for_what_it_shows_alone():
    rows = [row for row in make_results() if row["algorithm"] == "td3bc"]
    figure = figures.success_figure(summary.successes(rows), "td3bc", LABELS)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["offline", "kalm"]
    unknown = [{**row, "level": "prompts"} for row in make_imagination()]  # the paper has no numbers for these
    assert not figures.realism_figure(unknown, LABELS).legends


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


def test_study_figure_has_a_bar_for_each_number_and_a_dot_for_each_grounding():
    tallies = {g: study.tally_episodes(episodes(g), 10) for g in range(4)}
    rows = study.success_rows(tallies, ("offline", "translate", "kalm"))
    drawn = figures.study_figure(rows, LABELS).axes
    assert len(drawn) == 2
    for axes, limit in zip(drawn, ("early", "horizon"), strict=True):
        mine = [r for r in rows if r["limit"] == limit and not r["family"] and r["algorithm"] == "td3bc"]
        bars = [100 * r["value"] for r in mine if (r["table"], r["measure"]) == ("success", "iqm")]
        assert sorted(bar.get_height() for bar in axes.patches) == pytest.approx(sorted(bars))
        dots = [float(line.get_ydata()[0]) for line in axes.lines if line.get_marker() == "o"]
        assert sorted(dots) == pytest.approx(sorted(100 * r["value"] for r in mine if r["table"] == "grounding"))
    with pytest.raises(ValueError, match="no success of a learner"):
        figures.study_figure([row for row in rows if row["condition"] == "random"], LABELS)
