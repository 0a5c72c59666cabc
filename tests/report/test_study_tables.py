"""The Markdown of a study has the rows' numbers."""

import pytest

from kalm_jax.report.study import imagined_rows, success_rows, tally_episodes
from kalm_jax.report.study_tables import markdown, overview
from tests.report.rows import LABELS, episodes, make_imagination

CONDITIONS = ("offline", "translate", "kalm")


@pytest.fixture(scope="module")
def rows():
    found = success_rows({grounding: tally_episodes(episodes(grounding), 10) for grounding in range(4)}, CONDITIONS)
    return found + imagined_rows([{"imagine": make_imagination()}] * 4)


def value(rows, **wanted):
    (row,) = (row for row in rows if all(row[name] == of for name, of in wanted.items()))
    ends = "" if row["low"] == "" else f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return f"{100 * row['value']:.1f}{ends}"


def cells(text, *begin):
    (line,) = (line for line in text.splitlines() if line.startswith("| " + " | ".join(begin) + " |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def part(text, title):
    return text.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_the_overview_shows_new_sentences_where_there_are_any(rows):
    text = overview(rows, LABELS)
    assert "| goals of the data (met) | unseen hard (new) |" in text
    about = {"table": "success", "measure": "iqm", "family": "", "condition": "kalm", "level": "unseen_hard"}
    both = [value(rows, **about, sentences="new", limit=limit) for limit in ("early", "horizon")]
    assert cells(text, "TD3+BC greedy", "kalm")[-1] == " / ".join(both)
    assert cells(text, "random baseline", "")[-1].count("[") == 2


def test_every_level_and_set_of_sentences_has_its_tables(rows):
    text = markdown(rows, LABELS)
    about = {"family": "", "condition": "kalm", "level": "unseen_hard", "sentences": "met"}
    met = part(text, "Unseen hard, sentences that were met")
    assert cells(met, "TD3+BC greedy", "kalm")[2:4] == [
        value(rows, **about, table="success", measure=name, limit="early") for name in ("iqm", "mean")
    ]
    gap = cells(met, "TD3+BC greedy", "kalm - translate")
    pair = about | {"table": "difference", "base": "translate", "limit": "horizon"}
    assert gap[5].replace("+", "") == value(rows, **pair, measure="mean")
    assert gap[7] == value(rows, **pair, measure="probability_of_improvement")
    line = about | {"family": "line", "table": "success", "measure": "iqm"}
    assert cells(met, "line", "TD3+BC greedy", "kalm")[3:] == [
        value(rows, **line, limit=limit) for limit in ("early", "horizon")
    ]
    assert "random baseline" in met and "Unseen hard, new sentences" in text and "Goals of the data, new" not in text


def test_conditions_are_said_to_be_told_what_they_are_told(rows):
    told = part(markdown(rows, LABELS), "Conditions")
    assert cells(told, "kalm")[1] == "real and imagined rollouts" and "| oracle |" not in told


def test_imagined_rollouts_have_their_mean_and_range(rows):
    imagined = part(markdown(rows, LABELS), "Imagined rollouts")
    assert "| goals of the data | rephrase | unseen hard |" in imagined and "gather" not in imagined
    assert cells(imagined, "reach their goal, as imagined")[1:] == ["60.0 (60.0 to 60.0)"] * 3
    assert cells(imagined, "transitions off the bench")[3] == "3.0 (3.0 to 3.0)"


def test_explanations_have_a_line_for_each_prompt():
    runs = [
        {
            "explain": [
                {"prompt": prompt, "rollouts": 4, "correct": right, "exact": 0} for prompt in ("seen", "seen, again")
            ]
        }
        for right in (1, 3)
    ]
    said = part(markdown(imagined_rows(runs), LABELS), "Explanations")
    assert cells(said, "seen")[1:] == cells(said, "seen, again")[1:] == ["50.0 (25.0 to 75.0)", "0.0 (0.0 to 0.0)"]


def test_without_imagined_rollouts_there_is_no_such_table(rows):
    text = markdown([row for row in rows if row["table"] != "imagined"], LABELS)
    assert "Imagined rollouts" not in text
