"""The terminal's table and the page's tables against the rows they are made from."""

import pytest

from kalm_jax.report import summary, tables, terminal_table
from tests.report.rows import LABELS, make_results, result


def test_rows_read_from_a_csv_file_as_text_give_the_same_table():
    rows = make_results()
    texts = [{key: str(value) for key, value in row.items()} for row in rows]
    assert terminal_table(texts, LABELS) == terminal_table(rows, LABELS)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.01, 0.2, "kalm is ahead"), (-0.2, -0.01, "kalm is behind"), (-0.01, 0.2, "no clear difference")],
)
def test_verdict_follows_the_interval(low, high, words):
    new, base = summary.successes([result("bc", name, "rephrase", 5, 5) for name in ("kalm", "offline")])[::-1]
    early, within = summary.Share((low + high) / 2, low, high), summary.Share(0.0, -1.0, 1.0)
    assert (new.condition, base.condition) == ("kalm", "offline")
    assert tables.verdict(summary.Difference(new, base, within, early)) == words


def test_terminal_table_shows_random_baseline_first_expert_last_and_differences():
    text = terminal_table(make_results(oracle=True), LABELS)
    assert max(map(len, text.splitlines())) <= 100
    blocks = text.split("\n\n")[1:]
    assert [block.split("  ")[0] for block in blocks] == ["goals of the data", "rephrase", "unseen hard"]
    rephrase = blocks[1].splitlines()
    assert rephrase[2].startswith("random baseline") and "30.0 [" in rephrase[2] and "10.0 [" in rephrase[2]
    assert rephrase[-1].startswith("lookahead (expert)") and "100.0 [" in rephrase[-1]
    td3bc = rephrase[[line.startswith("TD3+BC greedy") for line in rephrase].index(True) :]
    assert "41.0 [" in td3bc[0] and "71.0 [" in td3bc[1] and "81.0 [" in td3bc[2]
    assert "kalm - offline" in td3bc[3] and "+30.0 [" in td3bc[3] and "+15.0 [" in td3bc[3]
    assert "75% of it" in td3bc[4]
    assert "3 x 200" in blocks[2]


def test_novel_goals_are_shown_for_new_sentences_and_both_stand_side_by_side():
    rows = [
        result("bc", condition, level, good, good // 2, sentences=sentences)
        for condition, more in (("offline", 0), ("kalm", 20))
        for level, sentences, good in (("offline", "met", 60), ("rephrase", "met", 50), ("rephrase", "new", 30))
        for good in [good + more]
    ] + [result("random", "random", "rephrase", 7, 3)]
    every = summary.successes(rows)
    shown = {(s.level, s.condition): s.within.value for s in summary.headline(every)}
    assert shown == {
        ("offline", "offline"): 0.6,
        ("offline", "kalm"): 0.8,
        ("rephrase", "random"): 0.07,
        ("rephrase", "offline"): 0.3,
        ("rephrase", "kalm"): 0.5,
    }
    (offline, kalm) = tables.sentences_table(every, LABELS).rows
    assert offline[:3] == ("rephrase", "BC greedy", "offline") and kalm[2] == "kalm"
    assert [cell.split(" ")[0] for cell in kalm[3:]] == ["25.0", "35.0", "50.0", "70.0"]
    text = terminal_table(rows, LABELS)
    assert "70.0 [" not in text and "50.0 [" in text and "new sentences" in text
    assert tables.sentences_table(summary.successes(make_results()), LABELS) is None


def test_what_conditions_are_told_is_said_for_those_of_the_run():
    table = tables.told_table({"kalm", "oracle"}, "what it reads")
    assert [row[0] for row in table.rows] == ["kalm", "oracle"] and "what it reads" in table.rows[0][2]


def test_without_kalm_the_privileged_condition_shows_what_imagination_brings():
    rows = [result("bc", name, "rephrase", good, good) for name, good in (("offline", 30), ("kalm-privileged", 80))]
    (change,) = summary.differences(summary.successes(rows))
    assert change.new.condition == "kalm-privileged" and change.early.value == 0.5
    assert "kalm-privileged" in terminal_table(rows, LABELS) and "k-p - offline" in terminal_table(rows, LABELS)


def test_terminal_table_keeps_its_width_with_long_names():
    rows = [result("an_algorithm_with_a_long_name", "a_condition_with_a_long_name", "rephrase", 1, 1, episodes=10000)]
    assert max(map(len, terminal_table(rows, LABELS).splitlines())) <= 100


def test_terminal_table_without_rows_says_so():
    assert "no success table" in terminal_table([], LABELS)


def test_the_terminal_says_when_numbers_are_noise():
    few = [result("bc", condition, "rephrase", 1, 1, episodes=4) for condition in ("offline", "kalm")]
    assert "numbers are noise: this run has 4 episodes" in " ".join(terminal_table(few, LABELS).split())
    assert "noise" not in terminal_table(make_results(), LABELS)
    assert terminal_table(make_results(), LABELS, "a line of the run").endswith("\n\na line of the run")


def test_stages_are_added_up_by_kind_with_shares():
    seconds = {"collect": 30.0, "learn/a": 60.0, "learn/b": 60.0, "evaluate/a-x": 4800.0, "other": 50.0}
    rows = tables.stage_table(seconds).rows
    assert rows[0] == ("collecting rollouts", 1, "30 s", "1%") and rows[1] == (
        "learning policies",
        2,
        "2 min 0 s",
        "2%",
    )
    assert rows[3][0] == "other" and rows[-1] == ("together", 5, "1 h 23 min", "100%")
    assert [row[0] for row in tables.stage_parts_table(seconds).rows] == list(seconds)
    assert tables.stage_table({"collect": 0.0}).rows[-1] == ("together", 1, "0.0 s", "100%")


def test_statistics_have_names_units_and_few_digits():
    names = {"rollouts": "rollouts", "near": "near pushes, %", "steps_of": "steps of {}"}
    found = {"steps_of": {"door_open": 12.3456}, "near": 0.123456, "rollouts": 6400.0, "new_one": float("nan")}
    rows = tables.statistics_table(found, names).rows
    assert rows == [
        ("rollouts", "6,400"),
        ("near pushes, %", "12.3"),
        ("steps of door open", "12.3"),
        ("new one", tables.MISSING),
    ]


def test_rates_of_prompts_are_in_percent():
    rows = [{"family": "all", "prompts": "80", "match_rate": "0.19", "success_bc_kalm_greedy": "0.5"}, {"family": "x"}]
    table = tables.prompt_table(rows)
    assert table.header == ["family", "prompts", "match rate, %", "success bc kalm greedy, %"]
    assert table.rows == [["all", "80", "19.0", "50.0"], ["x", "", "", ""]]
