"""The report's page against the rules of a browser, and against the data that it shows."""

import base64
import html.parser
import json
import re
import subprocess
import sys

import jinja2
import numpy as np
import pytest

from kalm_jax.report import ReportData, build_report, tables
from kalm_jax.report.page import load_template, page_html
from kalm_jax.types.pictures import Illustrations, NamedFigure
from kalm_jax.worlds.base import BUILTIN_WORLDS, get_world
from kalm_jax.worlds.clevr import figures as clevr_figures
from tests.report.rows import LABELS, make_example, make_imagination, make_results

REPLAYED = {"closed": 150, "closed_in_time": 100, "random": 30, "random_in_time": 10}
NASTY = "push </script><img src=x onerror=alert(1)> & \"the\" 'blue' one"


@pytest.fixture(scope="module")
def examples():
    recorded = make_example(3, 0, "push the red ball behind the blue ball", reached=True)
    return recorded, make_example(2, 1, NASTY, reached=False, imagined=True)


@pytest.fixture(scope="module")
def illustrations(examples):
    positions = clevr_figures.position_figure({"recorded": np.zeros((5, 2))})
    return Illustrations(
        films=[clevr_figures.make_film(example, width=60) for example in examples],
        figures=[NamedFigure("positions", positions, "maps", "Where balls are.")],
        player=clevr_figures.player_html([examples]),
    )


@pytest.fixture(scope="module")
def data(illustrations):
    return ReportData(
        results=make_results(),
        imagination=make_imagination(),
        explanation=[{"prompt": p, "rollouts": 50, "correct": 45, "exact": 20} for p in ("seen", "unseen")],
        replayed=[{**row, "open": 90, "open_matched": 80, **REPLAYED} for row in make_imagination()],
        grounding_metrics=[{"step": i, "metric": "match_rate", "rate": 0.5, "low": 0.4, "high": 0.6} for i in (10, 20)],
        grounding_curve=[{"step": i, "text_loss": 2.0 / (i + 1), "val_text_loss": 2.1 / (i + 1)} for i in range(5)],
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
        illustrations=illustrations,
        lengths={"recorded": [1, 2, 2, 50], "imagined": [3, 3]},
        prompts=[{"family": "relation", "prompts": 80, "match_rate": 0.5}],
        model="a model for a test",
        labels=LABELS,
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
    assert len(page.scripts) == 3  # one pair of rollouts, the player's script, and the page's


def test_player_carries_the_rollouts_it_plays(page, examples):
    attributes, text = page.scripts[0]
    assert attributes == {"type": "application/json"}
    played = json.loads(text)
    for shown, given in zip(played["rollouts"], examples, strict=True):
        np.testing.assert_allclose(shown["states"], given.observations, atol=5e-4)
        assert shown["actions"] == given.actions.tolist()
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
        "+15 points",
        "a model for a test",
        "11 min 1 s",
    ):
        assert wanted in text, wanted


def test_page_without_any_data_leaves_sections_out_and_says_what_is_missing(tmp_path):
    text = build_report(tmp_path, ReportData(labels=LABELS)).read_text("utf-8")
    page = Page(text)
    anchors = [value for tag, name, value in page.attributes if (tag, name) == ("section", "id")]
    assert anchors == ["answer", "words", "caveats"]
    assert "did not compare" in text and "<img" not in text


def test_a_small_run_has_a_banner_and_no_sentence_about_what_it_lacks():
    rows = [{**row, "episodes": 2, "successes": 1, "successes_early": 1} for row in make_results()]
    curve = [{"step": 20, "text_loss": 3.0}]
    small = ReportData(labels=LABELS, results=rows, grounding_curve=curve, collection={"my_number": 0.5, "rollouts": 7})
    text = page_html(small, {"grounding": {"source": "", "alternative": "", "width": 1}})
    assert 'class="banner"' in text and "These numbers are noise: this run has 6 episodes" in text
    assert "one point of each curve, at step 20" in text
    for missing in ("<b>oracle</b>", "<b>language model</b>", "held-out line", "many goals by luck", "3 x 300"):
        assert missing not in text, missing
    assert "my number</th>" in text and ">rollouts</th>" in text


def test_a_run_of_enough_has_no_banner_and_names_its_oracle():
    enough = ReportData(labels=LABELS, results=make_results(oracle=True))
    text = page_html(enough, {})
    assert 'class="banner"' not in text and "It is a reference and no bound" in text


@pytest.mark.parametrize("world", BUILTIN_WORLDS)
def test_every_statistic_of_a_built_in_world_has_a_name(world):
    made = get_world(world)
    rollouts, goals = made.collect(0, 2, made.behaviors[0], lambda done, total: None)
    statistics = made.statistics(rollouts, goals)
    assert statistics.keys() == made.labels.statistics.keys()
    table = tables.statistics_table(statistics, made.labels.statistics)
    assert not any("_" in str(cell) or "{}" in str(cell) for row in table.rows for cell in row)


def test_same_data_gives_the_same_bytes(run, data, tmp_path):
    small = ReportData(results=data.results[:6], illustrations=data.illustrations, labels=LABELS)
    first = build_report(tmp_path / "a", small).read_bytes()
    assert build_report(tmp_path / "b", small).read_bytes() == first
    gifs = [(tmp_path / name / "figures" / "rollouts.gif").read_bytes() for name in "ab"]
    assert gifs[0] == gifs[1]


def blocks_of(path):
    return set(re.findall(r"{% block (\w+)", path.read_text("utf-8")))


@pytest.mark.parametrize("world", BUILTIN_WORLDS)
def test_a_worlds_own_text_stands_in_for_that_of_the_page(world, tmp_path):
    labels, base = get_world(world).labels, load_template()
    own = blocks_of(labels.template)
    assert own <= base.blocks.keys()
    text = build_report(tmp_path, ReportData(labels=labels, results=make_results())).read_text("utf-8")
    assert "The paper shows success as bars" in text and "The paper has no results in this world" not in text
    assert "condition <b>offline</b>" in text


def test_a_template_that_names_unknown_data_is_an_error(tmp_path):
    (tmp_path / "own.html").write_text('{% extends "report.html" %}{% block terms_goal %}{{ nothing }}{% endblock %}')
    with pytest.raises(jinja2.UndefinedError, match="nothing"):
        load_template(tmp_path / "own.html").render(
            data=ReportData(labels=LABELS), sections={"words": ""}, labels=LABELS, noise=""
        )


def test_importing_the_report_starts_no_plotting():
    code = "import sys, kalm_jax.report; assert not {'matplotlib', 'PIL', 'mujoco'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
