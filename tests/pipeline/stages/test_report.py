"""What the report's tables are made from."""

from kalm_jax.files import write_json
from kalm_jax.pipeline.config import configure, load_presets
from kalm_jax.pipeline.stages.report import imagination_rows, learned_from_real_alone
from kalm_jax.report import sentences, tables
from kalm_jax.worlds.base import get_world


def test_prompts_of_the_user_are_counted_in_rows_of_their_own(tmp_path):
    """Whatever level their sentences resemble: the level's own row has the level's rollouts only."""
    counts = {"family": "relation", "transitions": 50, "off_bench_transitions": 5, "beyond_dynamics_transitions": 0}
    for part, matched, kept in (("rephrase", 9, 8), ("prompts", 1, 0)):
        row = {"level": "rephrase", "rollouts": 10, "matched": matched, "learned": kept, **counts}
        write_json_below(tmp_path / part / "quality.json", [row])
    rows = imagination_rows(tmp_path, ("rephrase", "prompts"))
    labels = get_world("clevr").labels
    match = {row[0]: row for row in tables.match_table(rows, labels).rows}
    assert list(match) == ["rephrase", "your own prompts"]
    assert match["rephrase"][1:3] == ("10", tables.percent(tables.summary.rate(rows[0], "matched", "rollouts")))
    assert match["your own prompts"][2].startswith("10.0 [") and match["your own prompts"][-1] == tables.MISSING
    assert [row[0] for row in tables.realism_table(rows, labels).rows] == ["rephrase", "your own prompts"]
    assert "8 of 10 (rephrase) and 0 of 10 (your own prompts)" in sentences.kept(rows)


def test_conditions_of_whose_imagined_rollouts_none_was_kept_are_told(tmp_path):
    given = {"conditions": ("offline", "kalm", "kalm+translate", "kalm-privileged"), "imagined_unseen_hard": 0}
    config = configure(load_presets("clevr")["smoke"], given)
    for stage, kept in (("imagine", (0, 0)), ("imagine-privileged", (0, 3))):
        for part, learned in zip(("rephrase", "unseen_easy"), kept, strict=True):
            write_json_below(tmp_path / stage / part / "quality.json", [{"rollouts": 10, "learned": learned}])
    assert learned_from_real_alone(tmp_path, config) == ["kalm", "kalm+translate"]
    (tmp_path / "imagine" / "unseen_easy" / "subgoals.h5").touch()
    assert learned_from_real_alone(tmp_path, config) == ["kalm"]
    assert learned_from_real_alone(tmp_path, configure(config, {"conditions": ("offline", "oracle")})) == []
    rows = {row[0]: row[1] for row in tables.told_table({"kalm", "kalm-privileged"}, "tests", ["kalm"]).rows}
    assert rows["kalm"] == "real rollouts alone, as no imagined one was kept"
    assert rows["kalm-privileged"] == "real and imagined rollouts"
    assert sentences.real_alone([]) == ""
    assert sentences.real_alone(["kalm"]).startswith("Nothing that was imagined for kalm was kept, so the policies of")


def write_json_below(path, value):
    path.parent.mkdir(parents=True)
    write_json(path, value)
