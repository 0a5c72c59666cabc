"""The report: its numbers against arithmetic, its figures against the numbers, its page against a browser's rules."""

import base64
import html.parser
import io
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest

from kalm_jax.evaluation.intervals import difference_interval, pooled_interval, wilson_interval
from kalm_jax.report import (
    ReportData,
    animation,
    bench,
    build_report,
    figures,
    sections,
    summary,
    tables,
    terminal_table,
)

LEVELS = {"offline": ["relation"], "rephrase": ["relation"], "unseen_hard": ["line", "gather"]}
NASTY = "push </script><img src=x onerror=alert(1)> & \"the\" 'blue' one"


def result(algorithm, arm, level, good, early, seed=0, family="relation", choice="greedy", episodes=100, median=5.0):
    return {
        "environment": "clevr",
        "algorithm": algorithm,
        "arm": arm,
        "level": level,
        "family": family,
        "seed": seed,
        "action_choice": choice,
        "episodes": episodes,
        "successes": good,
        "successes_10": early,
        "median_steps": median,
    }


def make_results(oracle=False):
    rows = []
    for level, families in LEVELS.items():
        for family in families:
            rows.append(result("random", "random", level, 30, 10, family=family, choice="sampled"))
            rows.append(result("lookahead", "lookahead", level, 100, 97, family=family))
            for seed in range(3):
                arms = [("offline", 40 + seed), ("kalm", 70 + seed)] + ([("oracle", 80 + seed)] if oracle else [])
                for arm, good in arms:
                    rows.append(result("td3bc", arm, level, good, good // 2, seed, family))
                    for choice in ("greedy", "sampled"):
                        rows.append(result("bc", arm, level, good - 5, good // 3, seed, family, choice))
    return rows


def make_rollout(kind, steps, seed, **extra):
    rng = np.random.default_rng(seed)
    start = np.array([-0.4, 0.0, 0.0, 0.0, 0.4, 0.0, -0.2, 0.4, 0.2, 0.4])
    walk = np.cumsum(np.concatenate([start[None], rng.normal(0, 0.05, (steps, 10))]), 0)
    return {"kind": kind, "observations": walk, "actions": rng.integers(0, 40, steps), **extra}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    imagination = [
        {
            "level": level,
            "family": family,
            "rollouts": 200,
            "matched": 120,
            "transitions": 1000,
            "off_bench_transitions": 30,
            "beyond_dynamics_transitions": 2,
        }
        for level, families in LEVELS.items()
        for family in families
    ]
    return ReportData(
        results=make_results(),
        imagination=imagination,
        explanation=[{"prompt": p, "rollouts": 50, "correct": 45, "exact": 20} for p in ("seen", "unseen")],
        grounding_curve=[{"step": i, "loss": 2.0 / (i + 1), "val_loss": 2.1 / (i + 1)} for i in range(5)],
        learning_curves=[
            {"algorithm": "bc", "arm": arm, "seed": s, "update": u, "metric": "loss", "value": 1.0 / (u + 1)}
            for arm in ("offline", "kalm")
            for s in range(2)
            for u in range(4)
        ],
        collection={"rollouts": 6400, "length": {"mean": 11.2}},
        stage_seconds={"collect": 61.0, "ground": 600.0},
        manifest={"command": "python -m experiments.clevr --algo=td3bc", "config": {"seed": 0}},
        examples=[
            make_rollout("real", 3, 0, instruction="push the red ball behind the blue ball", reached=True),
            make_rollout("imagined", 2, 1, instruction=NASTY, reached=False),
        ],
        lengths={"recorded": [1, 2, 2, 50], "imagined": [3, 3]},
        positions={"recorded": rng.uniform(-0.2, 0.4, (50, 2)), "imagined": rng.uniform(-1, 1, (50, 2))},
        prompts=[{"family": "relation", "prompts": 80, "match_rate": 0.5}],
        model="a model for a test",
    )


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    build_report(folder, data)
    return folder


class Page(html.parser.HTMLParser):
    """Checks that tags nest, and collects attributes and the texts of scripts."""

    VOID = ("meta", "img", "input", "br", "rect", "circle", "path", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.scripts, self.tags = [], [], [], []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attributes), ""))

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = (attributes, before + text)


@pytest.fixture(scope="module")
def page(run):
    return Page((run / "report.html").read_text("utf-8"))


# Numbers ------------------------------------------------------------------------------------------------------------


def test_success_is_pooled_over_seeds_and_families_with_the_intervals_of_evaluation():
    rows = [
        result("bc", "kalm", "unseen_hard", 10, 4, seed=0, family="line", median=4.0),
        result("bc", "kalm", "unseen_hard", 40, 8, seed=0, family="gather", median=9.0),
        result("bc", "kalm", "unseen_hard", 20, 6, seed=1, family="line", median=5.0),
        result("bc", "kalm", "unseen_hard", 0, 0, seed=1, family="gather", median=math.nan),
    ]
    (pooled,) = summary.successes(rows)
    assert (pooled.seeds, pooled.episodes) == (2, 400)
    assert pooled.within.value == pytest.approx(70 / 400) and pooled.early.value == pytest.approx(18 / 400)
    assert (pooled.within.low, pooled.within.high) == pytest.approx(pooled_interval([50, 20], [200, 200]))
    assert pooled.median_steps == 9.0  # 10 successes at 4, 20 at 5, 40 at 9: half of the 70 is reached among the 9s
    by_family = {s.family: s.episodes for s in summary.successes(rows, by_family=True)}
    assert by_family == {"gather": 200, "line": 200}


@pytest.mark.parametrize(
    ("values", "weights", "median"),
    [([3, 10], [1, 3], 10), ([10, 3], [1, 1], 3), ([7], [2], 7), ([5, math.nan], [1, 9], 5)],
)
def test_weighted_median(values, weights, median):
    assert summary.weighted_median(values, weights) == median


def test_weighted_median_of_nothing_is_not_a_number():
    assert math.isnan(summary.weighted_median([4.0], [0]))


def test_difference_and_share_of_the_way_are_plain_arithmetic():
    pooled = summary.successes(make_results(oracle=True))
    changes = summary.differences(pooled)
    assert len(changes) == 3 * 3  # levels x (BC greedy, BC sampled, TD3+BC greedy)
    change = next(d for d in changes if d.algorithm == "td3bc" and d.level == "rephrase")
    assert change.within.value == pytest.approx(0.30)
    want = difference_interval([70, 71, 72], [100] * 3, [40, 41, 42], [100] * 3)
    assert (change.within.low, change.within.high) == pytest.approx(want)
    assert summary.share_of_the_way(pooled, change) == pytest.approx(30 / 40)


def test_share_of_the_way_needs_an_oracle_that_is_clearly_ahead():
    without = summary.successes(make_results())
    assert math.isnan(summary.share_of_the_way(without, summary.differences(without)[0]))
    rows = [result("bc", arm, "rephrase", good, 5) for arm, good in (("offline", 40), ("kalm", 45), ("oracle", 41))]
    pooled = summary.successes(rows)
    assert math.isnan(summary.share_of_the_way(pooled, summary.differences(pooled)[0]))


def test_rows_read_from_a_csv_file_as_text_give_the_same_table():
    rows = make_results()
    texts = [{key: str(value) for key, value in row.items()} for row in rows]
    assert terminal_table(texts) == terminal_table(rows)


def test_a_seed_without_episodes_is_an_error_that_names_the_policy():
    with pytest.raises(ValueError, match=r"bc, arm kalm, level rephrase.*no episode"):
        summary.successes([result("bc", "kalm", "rephrase", 0, 0, episodes=0)])


def test_counts_of_rows_add_up_and_missing_counts_stay_missing():
    rows = [{"level": "a", "family": "x", "n": "2", "k": 1}, {"level": "a", "family": "y", "n": 3, "k": ""}]
    assert summary.sum_rows(rows, "level") == [{"level": "a", "n": 5.0, "k": 1.0}]
    assert summary.rate({"n": 5}, "k", "n") is None and summary.rate({"n": 0, "k": 0}, "k", "n") is None
    share = summary.rate({"n": 5, "k": 1}, "k", "n")
    assert (share.value, share.low, share.high) == pytest.approx((0.2, *wilson_interval(1, 5)))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.2, "kalm is ahead"), (-0.2, -0.01, "kalm is behind"), (-0.01, 0.2, "no clear difference")],
)
def test_verdict_follows_the_interval(low, high, words):
    assert tables.verdict(summary.Share((low + high) / 2, low, high)) == words


# The terminal table -------------------------------------------------------------------------------------------------


def test_terminal_table_shows_floor_first_ceiling_last_and_differences():
    text = terminal_table(make_results(oracle=True))
    assert max(map(len, text.splitlines())) <= 100
    blocks = text.split("\n\n")[1:]
    assert [block.split("  ")[0] for block in blocks] == ["goals of the data", "rephrase", "unseen hard"]
    rephrase = blocks[1].splitlines()
    assert rephrase[2].startswith("random pushes (floor)") and "30.0 [" in rephrase[2] and "10.0 [" in rephrase[2]
    assert rephrase[-1].startswith("lookahead (ceiling)") and "100.0 [" in rephrase[-1]
    td3bc = rephrase[[line.startswith("TD3+BC greedy") for line in rephrase].index(True) :]
    assert "41.0 [" in td3bc[0] and "71.0 [" in td3bc[1] and "81.0 [" in td3bc[2]
    assert "kalm-offline" in td3bc[3] and "+30.0 [" in td3bc[3]
    assert "75% to oracle" in td3bc[4]
    assert "3 x 200" in blocks[2]


def test_terminal_table_keeps_its_width_with_long_names():
    rows = [result("an_algorithm_with_a_long_name", "an_arm_with_a_long_name", "rephrase", 1, 1, episodes=10000)]
    assert max(map(len, terminal_table(rows).splitlines())) <= 100


def test_terminal_table_without_rows_says_so():
    assert "no success table" in terminal_table([])


# The page -----------------------------------------------------------------------------------------------------------


def test_page_needs_no_other_file(page):
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "action", "data"):
            assert value.startswith(("data:image/png;base64,", "#")), (tag, name, value[:60])
        assert not name.startswith("on"), (tag, name)
    assert "link" not in page.tags and "iframe" not in page.tags


def test_page_holds_the_very_pictures_of_the_figures_folder(run, page):
    inside = {base64.b64decode(v.split(",", 1)[1]) for tag, name, v in page.attributes if (tag, name) == ("img", "src")}
    files = {path.read_bytes() for path in (run / "figures").glob("*.png")}
    assert inside == files and len(files) == 9
    assert all(content.startswith(b"\x89PNG") for content in inside)
    assert not list(run.rglob("*.part"))


def test_text_of_rollouts_cannot_become_markup(run, page):
    text = (run / "report.html").read_text("utf-8")
    assert "<img src=x" not in text and "&lt;img src=x" in text
    assert len(page.scripts) == 2  # one pair of rollouts, and the page's own script


def test_player_carries_the_rollouts_it_plays(page, data):
    attributes, text = page.scripts[0]
    assert attributes == {"type": "application/json"}
    played = json.loads(text)
    for shown, given in zip(played["rollouts"], data.examples, strict=True):
        np.testing.assert_allclose(shown["states"], given["observations"], atol=5e-4)
        assert shown["actions"] == given["actions"].tolist()
    assert [shown["outcome"] for shown in played["rollouts"]] == [
        "goal reached after 3 pushes",
        "goal not reached in 2 pushes",
    ]
    np.testing.assert_allclose(np.linalg.norm(played["pushes"], axis=1), 1, atol=1e-3)


def test_page_links_lead_to_its_sections(page):
    anchors = {value for tag, name, value in page.attributes if (tag, name) == ("section", "id")}
    links = {value.removeprefix("#") for tag, name, value in page.attributes if (tag, name) == ("a", "href")}
    assert links == anchors and len(anchors) == 10


def test_page_shows_paper_numbers_command_and_difference(run):
    text = (run / "report.html").read_text("utf-8")
    for wanted in (
        "KALM paper (Llama-2-7B)",
        "18.4 / 0.1",
        "<td>85</td>",
        "python -m experiments.clevr --algo=td3bc",
        "+30 points",
        "a model for a test",
        "11:01",
    ):
        assert wanted in text, wanted


def test_page_without_any_data_leaves_sections_out_and_says_what_is_missing(tmp_path):
    text = build_report(tmp_path, ReportData()).read_text("utf-8")
    page = Page(text)
    anchors = [value for tag, name, value in page.attributes if (tag, name) == ("section", "id")]
    assert anchors == ["answer", "words", "caveats"]
    assert "did not compare" in text and "<img" not in text


def test_same_data_gives_the_same_bytes(run, data, tmp_path):
    small = ReportData(results=data.results[:6], examples=data.examples)
    first = build_report(tmp_path / "a", small).read_bytes()
    assert build_report(tmp_path / "b", small).read_bytes() == first
    gifs = [(tmp_path / name / "figures" / "rollouts.gif").read_bytes() for name in "ab"]
    assert gifs[0] == gifs[1]


def test_words_of_the_page_are_all_used_and_all_there():
    source = sections.__file__
    with open(source, encoding="utf-8") as file:
        code = file.read()
    named = set(re.findall(r'words\(["\']([\w-]+)["\']\)', code))
    pictures = set(re.findall(r'picture\(pictures, "(\w+)"\)', code)) | set(
        re.findall(r'_by_algorithm\(pictures, "(\w+)"', code)
    )
    named |= {f"caption-{name}" for name in pictures}
    there = set(re.findall(r"<!-- block: ([\w-]+) -->", animation.asset("words.html")))
    assert named == there
    assert all(sections.words(name) for name in there)


def test_importing_the_report_starts_no_plotting():
    code = "import sys, kalm_jax.report; assert not {'matplotlib', 'PIL', 'mujoco'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# Figures ------------------------------------------------------------------------------------------------------------


def test_success_figure_draws_the_rates_floor_and_ceiling():
    pooled = summary.successes(make_results())
    figure = figures.success_figure(pooled, "td3bc")
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
        figures.success_figure(pooled, "iql")
    with pytest.raises(ValueError, match=r"'iql'.*'bc'"):
        figures.learning_figure([{"algorithm": "bc", "metric": "loss"}], "iql")


def test_match_figure_opens_levels_with_several_families(data):
    axes = figures.match_figure(data.imagination).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "goals of the data",
        "rephrase",
        "unseen hard",
        "gather",
        "line",
    ]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([60] * 5)


def test_length_histogram_is_in_percent_of_each_set():
    figure = figures.length_figure({"recorded": [1, 2, 2, 50], "imagined": [3, 3]})
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    assert heights[0][0] == 25 and heights[0][1] == 50 and heights[0][49] == 25 and heights[1][2] == 100
    assert [sum(h) for h in heights] == pytest.approx([100, 100])


def test_grounding_figure_pairs_training_and_held_out_curves():
    rows = [{"step": i, "state_loss": 1.0 + i, "val_state_loss": 2.0 + i if i % 2 else ""} for i in range(4)]
    (axes,) = figures.grounding_figure(rows).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[1, 2, 3, 4], [3, 5]]
    with pytest.raises(ValueError, match="loss"):
        figures.grounding_figure([{"step": 1}])


def test_learning_figure_draws_seeds_and_their_mean():
    rows = [
        {"algorithm": "bc", "arm": "kalm", "seed": s, "update": u, "metric": "loss", "value": s + u}
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


def test_gif_plays_all_pushes_once_over_and_ends_with_a_rest(data):
    from PIL import Image

    image = Image.open(io.BytesIO(animation.gif_bytes(data.examples, panel_width=60)))
    durations = []
    for i in range(image.n_frames):
        image.seek(i)
        durations.append(image.info["duration"])
    # Equal pictures in a row may be merged, their time may not be lost: three pushes, then the rest.
    assert sum(durations) == 3 * (420 + 4 * 70) + 2000
    assert image.info["loop"] == 0 and image.size[0] == 120


def test_gif_cuts_long_rollouts(data):
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


def test_film_strip_has_a_picture_for_every_shown_state(data):
    assert len(bench.filmstrip_figure(data.examples).axes) == 4 + 3


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
