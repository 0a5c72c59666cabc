"""Builds the report of a run: `report.html`, one file that needs no other, and the figures it holds as PNG files."""

from __future__ import annotations

import base64
import html
import io
import pathlib
import re

from kalm_jax.files import write_bytes, write_text
from kalm_jax.report import figures, films, sections, summary
from kalm_jax.report.contents import ReportData
from kalm_jax.worlds.clevr import animation
from kalm_jax.worlds.clevr import figures as bench

DPI = 144


def build_report(folder: pathlib.Path | str, data: ReportData) -> pathlib.Path:
    """Writes `report.html`, `figures/*.png` and, with examples, `figures/rollouts.gif` into a run's folder.

    Each file is written under a temporary name and renamed, so that a reader never meets half a file. Returns the path
    of the page.
    """
    folder = pathlib.Path(folder)
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    pictures = {}
    for name, (alternative, figure) in make_figures(data).items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, facecolor="white")
        write_bytes(folder / "figures" / f"{name}.png", buffer.getvalue())
        code = base64.b64encode(buffer.getvalue()).decode("ascii")
        # At its size in CSS pixels, 96 an inch, all figures have letters of one size.
        width = round(96 * figure.get_figwidth())
        image = f'<img alt="{html.escape(alternative)}" width="{width}" src="data:image/png;base64,{code}">'
        pictures[name] = image
    if data.examples:
        write_bytes(folder / "figures" / "rollouts.gif", animation.gif_bytes(data.examples))
    elif data.films:
        write_bytes(folder / "figures" / "rollouts.gif", films.gif_bytes(data.films))
    path = folder / "report.html"
    write_text(path, page_html(data, pictures))
    return path


def make_figures(data: ReportData) -> dict[str, tuple[str, object]]:
    """The figures that the data allow: file name to (what it shows, matplotlib Figure), in the order of the page."""
    pooled = summary.successes(data.results)
    made = {}
    for algorithm in sorted({s.algorithm for s in pooled} - set(summary.REFERENCES)):
        name = f"success_{file_name(algorithm)}"
        made[name] = (
            f"success of {algorithm} by level and condition",
            figures.success_figure(pooled, algorithm, data.terms),
        )
    if data.imagination:
        made["match"] = ("match rate of imagined rollouts", figures.match_figure(data.imagination, data.terms))
        made["realism"] = ("unrealistic imagined transitions", figures.realism_figure(data.imagination, data.terms))
    if data.examples:
        made["filmstrip"] = ("rollouts as film strips", bench.filmstrip_figure(data.examples))
    elif data.films:
        made["filmstrip"] = ("rollouts as film strips", films.filmstrip_figure(data.films))
    if data.lengths:
        made["lengths"] = ("lengths of rollouts", figures.length_figure(data.lengths, data.terms))
    if data.positions:
        made["positions"] = ("maps of where balls lie", bench.position_figure(data.positions))
    if data.grounding_curve:
        made["grounding"] = ("losses of grounding", figures.grounding_figure(data.grounding_curve))
    if data.grounding_metrics:
        made["metrics"] = ("metrics over grounding", figures.metrics_figure(data.grounding_metrics, data.terms))
    for algorithm in sorted({str(row["algorithm"]) for row in data.learning_curves}):
        name = f"learning_{file_name(algorithm)}"
        made[name] = (f"training of {algorithm}", figures.learning_figure(data.learning_curves, algorithm))
    return made


def file_name(text: str) -> str:
    """The text with everything but letters, digits, dot, dash and underscore replaced, fit for a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)


def page_html(data: ReportData, pictures: dict[str, str]) -> str:
    """The whole page as text; `pictures` maps figure names to `<img>` elements."""
    pooled = summary.successes(data.results)
    parts = [
        sections.main_result(pooled, data.terms),
        sections.how_to_read(data.terms),
        sections.success(pooled, data, pictures),
        sections.imagination(data, pictures),
        sections.explanation(data),
        sections.training(pictures, data.terms),
        sections.recorded(data),
        sections.prompts(data),
        sections.caveats(pooled, data),
        sections.making(data),
    ]
    parts = [part for part in parts if part]
    found = [re.match(r'<section id="(\w+)"><h2>(.*?)</h2>', part).groups() for part in parts]
    links = " ".join(f'<a href="#{anchor}">{title}</a>' for anchor, title in found)
    title = html.escape(data.title)
    body = "\n".join(parts)
    # The policy has the browser refuse anything from outside, so that the page stays one file by construction.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{animation.asset("page.css")}</style>
</head>
<body>
<main>
<header><h1>{title}</h1><nav>{links}</nav></header>
{body}
</main>
<script>
{animation.page_script()}</script>
</body>
</html>
"""
