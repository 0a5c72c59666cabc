"""Builds the report of a run: `report.html`, one file that needs no other, and the figures it holds as PNG files."""

from __future__ import annotations

import base64
import io
import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jinja2

from kalm_jax.files import write_bytes, write_text
from kalm_jax.report import figures, films, measures, sentences, summary, tables
from kalm_jax.report.contents import ReportData
from kalm_jax.report.summary import Success
from kalm_jax.types.pictures import NamedFigure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 144
SECTIONS = {
    "answer": "The answer",
    "words": "How to read this page",
    "success": "Success in the simulator",
    "imagination": "What the language model imagines",
    "explanation": "Does the model understand rollouts?",
    "training": "Training",
    "data": "The recorded data",
    "prompts": "Your own prompts",
    "caveats": "What to keep in mind",
    "making": "How this run was made",
}


def build_report(folder: pathlib.Path | str, data: ReportData) -> pathlib.Path:
    """Writes `report.html`, `figures/*.png` and, with films, `figures/rollouts.gif`; returns the path of the page."""
    folder = pathlib.Path(folder)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    embedded = {}
    for named in make_figures(data):
        buffer = io.BytesIO()
        named.figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
        write_bytes(folder / "figures" / f"{named.name}.png", buffer.getvalue())
        embedded[named.name] = {
            "source": f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}",
            "alternative": named.alternative,
            # At its size in CSS pixels, 96 an inch, all figures have letters of one size.
            "width": round(96 * named.figure.get_figwidth()),
        }
    if data.illustrations.films:
        write_bytes(folder / "figures" / "rollouts.gif", films.gif_bytes(data.illustrations.films))
    path = folder / "report.html"
    write_text(path, page_html(data, embedded))
    return path


def make_figures(data: ReportData) -> list[NamedFigure]:
    """The figures that the data allow, in the order of the page."""
    pooled, labels = summary.headline(summary.successes(data.results)), data.labels
    made: list[NamedFigure] = []

    def add(name: str, figure: Figure, alternative: str) -> None:
        made.append(NamedFigure(_file_name(name), figure, alternative))

    for algorithm in sorted({s.algorithm for s in pooled if not s.is_baseline}):
        figure = figures.success_figure(pooled, algorithm, labels)
        add(f"success_{algorithm}", figure, f"success of {algorithm} by level and condition")
    if data.imagination:
        add("match", figures.match_figure(data.imagination, labels), "match rate of imagined rollouts")
        add("realism", figures.realism_figure(data.imagination, labels), "unrealistic imagined transitions")
    if data.illustrations.films:
        add("filmstrip", films.filmstrip_figure(data.illustrations.films), "rollouts as film strips")
    if data.lengths:
        add("lengths", figures.length_figure(data.lengths, labels), "lengths of rollouts")
    made += data.illustrations.figures
    if _drawn_losses(data):
        add("grounding", figures.grounding_figure(data.grounding_curve, data.losses), "losses of grounding")
    if data.grounding_metrics:
        add("metrics", figures.metrics_figure(data.grounding_metrics, labels), "metrics over grounding")
    for algorithm in sorted({str(row["algorithm"]) for row in data.learning_curves}):
        add(
            f"learning_{algorithm}",
            figures.learning_figure(data.learning_curves, algorithm),
            f"training of {algorithm}",
        )
    return made


def _file_name(name: str) -> str:
    """The name of a figure's file, without its ending."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def load_template(path: pathlib.Path | None = None) -> jinja2.Template:
    """The template of the page: a world's own one, which extends `report.html`, or `report.html` itself."""
    loader = jinja2.PackageLoader("kalm_jax.report")
    strict = jinja2.StrictUndefined
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=strict, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html") if path is None else environment.from_string(path.read_text("utf-8"))


def page_html(data: ReportData, embedded: dict[str, dict[str, Any]]) -> str:
    """The whole page as text; `embedded` maps figure names to `source`, `alternative` and `width`."""
    every, labels = summary.successes(data.results), data.labels
    pooled = summary.headline(every)
    learned = [s for s in pooled if not s.is_baseline]
    present = {
        "success": pooled,
        "imagination": data.imagination or data.replayed or data.lengths or data.illustrations.films,
        "explanation": data.explanation,
        "training": data.grounding_curve or data.grounding_metrics or data.learning_curves,
        "data": data.collection,
        "prompts": data.prompts,
        "making": data.manifest or data.stage_seconds,
    }
    return load_template(labels.template).render(
        data=data,
        labels=labels,
        tables=tables,
        level_name=summary.level_name,
        figures=embedded,
        sections={name: title for name, title in SECTIONS.items() if present.get(name, True)},
        cards=_cards(pooled),
        pooled=pooled,
        sentences_table=tables.sentences_table(every, labels),
        main=summary.imagined_condition(pooled),
        levels=summary.in_order(s.level for s in pooled),
        success_figures=_by_learner(embedded, "success_"),
        match_has_actions=any("actions_matched" in row for row in data.imagination),
        has_likeliest=any("likeliest" in str(row["prompt"]) for row in data.explanation),
        learning_figures=_by_learner(embedded, "learning_"),
        sentences=sentences,
        noise=data.noise(),
        conditions={s.condition for s in learned},
        amounts=data.manifest.get("configuration", {}).get("imagine", {}),
        keep_all=data.manifest.get("configuration", {}).get("imagine", {}).get("keep_all", False),
        has_held_out=any(name.startswith("val_") for row in data.grounding_curve for name in row),
        grounding_text=_grounding_text(data),
        metrics_text=sentences.points((summary.number(row["step"]) for row in data.grounding_metrics), "step"),
        learning_texts={_file_name(f"learning_{name}"): text for name, text in _learning_texts(data).items()},
        seeds=sorted({s.seeds for s in learned}),
        fewest_episodes=min((s.episodes for s in learned), default=0),
        settings={key: value for key, value in data.manifest.items() if key != "command"},
    )


def _drawn_losses(data: ReportData) -> list[measures.Measure]:
    """Those losses of grounding that the run has and the report draws."""
    there = {name.removeprefix("val_") for row in data.grounding_curve for name in row}
    known = measures.grounding_measures() if data.losses is None else data.losses
    return [measure for name, measure in known.items() if name in there]


def _grounding_text(data: ReportData) -> str:
    """What the drawn losses of grounding are."""
    text = measures.explain(_drawn_losses(data))
    return f"{text} {sentences.points((summary.number(row['step']) for row in data.grounding_curve), 'step')}".strip()


def _learning_texts(data: ReportData) -> dict[str, str]:
    """Learner -> what its metrics are."""
    texts = {}
    for algorithm in {str(row["algorithm"]) for row in data.learning_curves}:
        mine = [row for row in data.learning_curves if str(row["algorithm"]) == algorithm]
        known = measures.learning_measures(list(dict.fromkeys(str(row["metric"]) for row in mine)))
        places = sentences.points((summary.number(row["update"]) for row in mine), "update")
        texts[algorithm] = f"{measures.explain(known.values())} {places}".strip()
    return texts


def _cards(pooled: Sequence[Success]) -> list[dict[str, Any]]:
    """The answer in short: kalm - offline of every learner, at the level "rephrase" or else at the last one."""
    changes = summary.differences(pooled)
    levels = summary.in_order(d.new.level for d in changes)
    return [
        {
            "name": d.new.name,
            "level": d.new.level,
            "share": d.early,
            "verdict": tables.verdict(d),
            "offline": d.base.early.value,
            "kalm": d.new.early.value,
        }
        for d in changes
        if d.new.level == ("rephrase" if "rephrase" in levels else levels[-1])
    ]


def _by_learner(embedded: dict[str, dict[str, Any]], prefix: str) -> list[tuple[str, str]]:
    """(learner, figure's name) of the figures that exist once for every learner."""
    names = [name for name in embedded if name.startswith(prefix)]
    return [(summary.learner_name(name.removeprefix(prefix)), name) for name in names]
