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
    assert tables.verdict(summary.Share((low + high) / 2, low, high)) == words


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
    assert "kalm-offline" in td3bc[3] and "+30.0 [" in td3bc[3]
    assert "75% of it" in td3bc[4]
    assert "3 x 200" in blocks[2]


def test_terminal_table_keeps_its_width_with_long_names():
    rows = [result("an_algorithm_with_a_long_name", "a_condition_with_a_long_name", "rephrase", 1, 1, episodes=10000)]
    assert max(map(len, terminal_table(rows, LABELS).splitlines())) <= 100


def test_terminal_table_without_rows_says_so():
    assert "no success table" in terminal_table([], LABELS)
