"""The sections of the report page: what is shown, and in plain words how to read it. Each returns HTML or "".

`pictures` maps the name of a figure to its `<img>` element; a section shows those that exist.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from kalm_jax.report import summary, tables
from kalm_jax.report.contents import ReportData
from kalm_jax.report.summary import Success
from kalm_jax.worlds.base import ReportLabels
from kalm_jax.worlds.clevr import animation


def words(name: str, terms: ReportLabels) -> str:
    """A block of the page's own text, by its name in `assets/words.html` or in the world's file (`labels.words`)."""
    return {**blocks("words.html"), **(blocks(terms.words) if terms.words else {})}[name]


def blocks(file: str) -> dict[str, str]:
    """The blocks of text in a file of `assets/`, by name."""
    parts = re.split(r"<!-- block: ([\w-]+) -->\n", animation.asset(file))
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def section(anchor: str, title: str, *parts: str) -> str:
    """One section of the page; empty text when none of its parts has content."""
    body = "\n".join(part for part in parts if part)
    return f'<section id="{anchor}"><h2>{html.escape(title)}</h2>\n{body}\n</section>' if body else ""


def picture(pictures: Mapping[str, str], name: str, terms: ReportLabels, caption: str = "") -> str:
    """A figure with its caption (the words `caption-<name>` unless given), or "" where the run has no such picture."""
    if name not in pictures:
        return ""
    caption = caption or words(f"caption-{name}", terms)
    return f"<figure>{pictures[name]}<figcaption>{caption}</figcaption></figure>"


def main_result(pooled: Sequence[Success], terms: ReportLabels) -> str:
    """The answer first: what imagined rollouts changed on the novel goals."""
    changes = summary.differences(pooled)
    if not changes:
        return section("answer", "The answer", words("lead", terms), words("no-comparison", terms))
    levels = summary.levels_of(vars(d) for d in changes)
    novel = "rephrase" if "rephrase" in levels else levels[-1]
    cards = "".join(_card(d, pooled) for d in changes if d.level == novel)
    meaning = {
        "rephrase": "Goals worded in ways that the recorded data never used (level <b>rephrase</b>)",
        "offline": "Goals of the recorded data",
    }.get(novel, f"Level <b>{html.escape(summary.LEVEL_NAMES.get(novel, novel))}</b>")
    environments = sorted({s.environment for s in pooled})
    return section(
        "answer",
        "The answer",
        words("lead", terms),
        f"<p>{meaning}, success within {terms.horizon} {terms.steps}, kalm minus offline:</p>",
        f'<div class="cards">{cards}</div>',
        "<h3>The difference at every level</h3>",
        *(tables.difference_html(pooled, environment, terms) for environment in environments),
        words("points", terms),
    )


def _card(d: summary.Difference, pooled: Sequence[Success]) -> str:
    pair = {s.condition: s.within.value for s in pooled if summary.same_learner(s, d)}
    return f"""<div class="card"><p>{html.escape(summary.learner_name(d.algorithm, d.action_choice))}</p>
<p class="big">{100 * d.within.value:+.0f} points</p>
<p>{d.base} {100 * pair[d.base]:.0f}%, {d.condition} {100 * pair[d.condition]:.0f}%<br>
95% interval {100 * d.within.low:+.0f} to {100 * d.within.high:+.0f}: {tables.verdict(d.within)}</p></div>"""


def how_to_read(terms: ReportLabels) -> str:
    """The terms of the page, for a newcomer."""
    return section("words", "How to read this page", words("terms", terms))


def success(pooled: Sequence[Success], data: ReportData, pictures: Mapping[str, str]) -> str:
    """Success tables by level, charts by algorithm, families folded away."""
    if not pooled:
        return ""
    parts, terms = [], data.terms
    environments = sorted({s.environment for s in pooled})
    for environment in environments:
        if len(environments) > 1:
            parts.append(f"<h3>{html.escape(environment)}</h3>")
        for level in summary.levels_of(vars(s) for s in pooled if s.environment == environment):
            parts.append(tables.success_html(pooled, environment, level, terms))
        families = tables.family_html(data.results, environment, terms)
        if families:
            parts.append(f"<details><summary>The same by family of goals</summary>{families}</details>")
    charts = _by_algorithm(pictures, "success", terms)
    return section(
        "success", "Success in the simulator", words("success", terms), *parts, *charts, words("paper-success", terms)
    )


def _by_algorithm(pictures: Mapping[str, str], kind: str, terms: ReportLabels) -> list[str]:
    """The figures that exist once for every algorithm, the algorithm's name put into their common caption."""
    names = [name for name in pictures if name.startswith(f"{kind}_")]
    learners = [html.escape(summary.learner_name(name.removeprefix(f"{kind}_"))) for name in names]
    caption = words(f"caption-{kind}", terms)
    return [
        picture(pictures, name, terms, caption.replace("{learner}", who))
        for name, who in zip(names, learners, strict=True)
    ]


def imagination(data: ReportData, pictures: Mapping[str, str]) -> str:
    """Match rate, realism, examples in pictures, lengths and positions of imagined rollouts."""
    parts, terms = [], data.terms
    if data.imagination:
        parts += [
            words("match", terms),
            words("match-steps", terms) if any("actions_matched" in row for row in data.imagination) else "",
            tables.imagination_html(data.imagination, terms),
            picture(pictures, "match", terms),
            words("realism", terms),
            tables.realism_html(data.imagination, terms),
            picture(pictures, "realism", terms),
        ]
    if data.replayed:
        replayed = words("replayed", terms).replace("{horizon}", f"{terms.horizon} {terms.steps}")
        parts += [replayed, tables.replayed_html(data.replayed, terms)]
    if data.examples:
        parts += [
            "<h3>Recorded and imagined rollouts</h3>",
            words("examples", terms),
            animation.players_html(data.examples),
            picture(pictures, "filmstrip", terms),
        ]
    elif data.films:
        parts += [
            "<h3>Recorded and imagined rollouts</h3>",
            words("examples", terms),
            picture(pictures, "filmstrip", terms),
        ]
    parts += [picture(pictures, "lengths", terms), picture(pictures, "positions", terms)]
    return section("imagination", "What the language model imagines", *parts)


def explanation(data: ReportData) -> str:
    """Explanation accuracy."""
    if not data.explanation:
        return ""
    table = tables.explanation_html(data.explanation, data.terms)
    return section("explanation", "Does the model understand rollouts?", words("explanation", data.terms), table)


def training(pictures: Mapping[str, str], terms: ReportLabels) -> str:
    """Loss and learning curves."""
    curves = _by_algorithm(pictures, "learning", terms)
    grounding = [picture(pictures, "grounding", terms), picture(pictures, "metrics", terms)]
    return section("training", "Training", *grounding, *curves)


def recorded(data: ReportData) -> str:
    """Statistics of the collected data."""
    if not data.collection:
        return ""
    readable = {name.replace("_", " "): value for name, value in data.collection.items()}
    return section("data", "The recorded data", tables.mapping_html(readable, ("statistic", "value")))


def prompts(data: ReportData) -> str:
    """The user's own prompt file, as in prompts.csv."""
    if not data.prompts:
        return ""
    header = list(dict.fromkeys(key for row in data.prompts for key in row))
    rows = [["" if row.get(key) is None else row.get(key) for key in header] for row in data.prompts]
    table = tables.html_table([name.replace("_", " ") for name in header], rows)
    return section("prompts", "Your own prompts", words("prompts", data.terms), table)


def caveats(pooled: Sequence[Success], data: ReportData) -> str:
    """What a careful reader should keep in mind about the numbers of this very run."""
    terms = data.terms
    model = f"The language model of this run: {html.escape(data.model)}. " if data.model else ""
    items = [model + words("caveat-model", terms)]
    learned = [s for s in pooled if s.algorithm not in summary.REFERENCES]
    if learned:
        seeds = sorted({s.seeds for s in learned})
        count = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        few = " Few seeds tell little about how training varies." if seeds[0] < 5 else ""
        episodes = f"at least {min(s.episodes for s in learned)} episodes behind every rate of a learned policy"
        items.append(f"Training seeds per policy: {count}; {episodes}.{few} {words('caveat-seeds', terms)}")
    items += [words("caveat-instant", terms), words("caveat-sentences", terms)]
    return section("caveats", "What to keep in mind", "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>")


def making(data: ReportData) -> str:
    """How the run was made: command, time of the stages, configuration, versions, hardware."""
    parts = []
    rest = {key: value for key, value in data.manifest.items() if key != "command"}
    if data.manifest.get("command"):
        parts.append(f"<pre>{html.escape(str(data.manifest['command']))}</pre>")
    if data.stage_seconds:
        rows = [(stage, tqdm.format_interval(seconds)) for stage, seconds in data.stage_seconds.items()]
        rows.append(("together", tqdm.format_interval(sum(data.stage_seconds.values()))))
        parts.append(tables.html_table(("stage", "time"), rows, "", [""] * (len(rows) - 1) + ["first"]))
    if rest:
        settings = tables.mapping_html(rest, ("setting", "value"))
        parts.append(f"<details><summary>Configuration, versions, hardware, seeds</summary>{settings}</details>")
    return section("making", "How this run was made", *parts)
