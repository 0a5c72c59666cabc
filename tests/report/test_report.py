"""The report: its numbers against arithmetic, its page against the rules of a browser."""

import base64
import dataclasses
import html.parser
import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest

from kalm_jax.evaluation import difference_interval, pooled_interval, wilson_interval
from kalm_jax.report import ReportData, build_report, sections, summary, tables, terminal_table
from kalm_jax.worlds.base import get_world
from kalm_jax.worlds.clevr import animation
from tests.report.rows import make_imagination, make_results, make_rollout, result

LABELS = get_world("clevr").labels
REPLAYED = {"closed": 150, "closed_in_time": 100, "random": 30, "random_in_time": 10}
NASTY = "push </script><img src=x onerror=alert(1)> & \"the\" 'blue' one"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return ReportData(
        results=make_results(),
        imagination=make_imagination(),
        explanation=[{"prompt": p, "rollouts": 50, "correct": 45, "exact": 20} for p in ("seen", "unseen")],
        replayed=[{**row, "open": 90, "open_matched": 80, **REPLAYED} for row in make_imagination()],
        grounding_metrics=[{"step": i, "metric": "match_rate", "rate": 0.5, "low": 0.4, "high": 0.6} for i in (10, 20)],
        grounding_curve=[{"step": i, "loss": 2.0 / (i + 1), "val_loss": 2.1 / (i + 1)} for i in range(5)],
        learning_curves=[
            {
                "algorithm": "bc",
                "condition": condition,
                "seed": s,
                "update": u,
                "metric": "loss",
                "value": 1.0 / (u + 1),
            }
            for condition in ("offline", "kalm")
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
        terms=LABELS,
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
    assert pooled.median_steps == 9.0  # 10 successes at 4, 20 at 5, 40 at 9: the middle of the 70 is a 9
    by_family = {s.family: s.episodes for s in summary.successes(rows, by_family=True)}
    assert by_family == {"gather": 200, "line": 200}


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
    rows = [
        result("bc", condition, "rephrase", good, 5)
        for condition, good in (("offline", 40), ("kalm", 45), ("oracle", 41))
    ]
    pooled = summary.successes(rows)
    assert math.isnan(summary.share_of_the_way(pooled, summary.differences(pooled)[0]))


def test_rows_read_from_a_csv_file_as_text_give_the_same_table():
    rows = make_results()
    texts = [{key: str(value) for key, value in row.items()} for row in rows]
    assert terminal_table(texts, LABELS) == terminal_table(rows, LABELS)


def test_a_seed_without_episodes_is_an_error_that_names_the_policy():
    with pytest.raises(ValueError, match=r"bc, condition kalm, level rephrase.*no episode"):
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
    text = terminal_table(make_results(oracle=True), LABELS)
    assert max(map(len, text.splitlines())) <= 100
    blocks = text.split("\n\n")[1:]
    assert [block.split("  ")[0] for block in blocks] == ["goals of the data", "rephrase", "unseen hard"]
    rephrase = blocks[1].splitlines()
    assert rephrase[2].startswith("random (floor)") and "30.0 [" in rephrase[2] and "10.0 [" in rephrase[2]
    assert rephrase[-1].startswith("lookahead (ceiling)") and "100.0 [" in rephrase[-1]
    td3bc = rephrase[[line.startswith("TD3+BC greedy") for line in rephrase].index(True) :]
    assert "41.0 [" in td3bc[0] and "71.0 [" in td3bc[1] and "81.0 [" in td3bc[2]
    assert "kalm-offline" in td3bc[3] and "+30.0 [" in td3bc[3]
    assert "75% to oracle" in td3bc[4]
    assert "3 x 200" in blocks[2]


def test_terminal_table_keeps_its_width_with_long_names():
    rows = [result("an_algorithm_with_a_long_name", "a_condition_with_a_long_name", "rephrase", 1, 1, episodes=10000)]
    assert max(map(len, terminal_table(rows, LABELS).splitlines())) <= 100


def test_terminal_table_without_rows_says_so():
    assert "no success table" in terminal_table([], LABELS)


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
    assert inside == files and len(files) == 10
    assert all(content.startswith(b"\x89PNG") for content in inside)
    assert not list(run.rglob(".writing-*"))


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
    text = build_report(tmp_path, ReportData(terms=LABELS)).read_text("utf-8")
    page = Page(text)
    anchors = [value for tag, name, value in page.attributes if (tag, name) == ("section", "id")]
    assert anchors == ["answer", "words", "caveats"]
    assert "did not compare" in text and "<img" not in text


def test_same_data_gives_the_same_bytes(run, data, tmp_path):
    small = ReportData(results=data.results[:6], examples=data.examples, terms=LABELS)
    first = build_report(tmp_path / "a", small).read_bytes()
    assert build_report(tmp_path / "b", small).read_bytes() == first
    gifs = [(tmp_path / name / "figures" / "rollouts.gif").read_bytes() for name in "ab"]
    assert gifs[0] == gifs[1]


def test_words_of_the_page_are_all_used_and_all_there():
    source = sections.__file__
    with open(source, encoding="utf-8") as file:
        code = file.read()
    named = set(re.findall(r'words\(["\']([\w-]+)["\'], ', code))
    pictures = set(re.findall(r'picture\(pictures, "(\w+)", terms\)', code)) | set(
        re.findall(r'_by_algorithm\(pictures, "(\w+)"', code)
    )
    named |= {f"caption-{name}" for name in pictures}
    there = set(re.findall(r"<!-- block: ([\w-]+) -->", animation.asset("words.html")))
    assert named == there
    assert all(sections.words(name, LABELS) for name in there)


def test_a_worlds_own_words_stand_in_for_those_of_the_page():
    own = sections.blocks("words_metaworld.html")
    assert own.keys() <= sections.blocks("words.html").keys()
    terms = dataclasses.replace(LABELS, words="words_metaworld.html")
    assert sections.words("terms", terms) == own["terms"] != sections.words("terms", LABELS)
    assert sections.words("lead", terms) == sections.words("lead", LABELS)


def test_importing_the_report_starts_no_plotting():
    code = "import sys, kalm_jax.report; assert not {'matplotlib', 'PIL', 'mujoco'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
