"""The ablation of grounding tasks: one command, shared rollouts, tables, and carrying on."""

import csv
import dataclasses

import pytest

from kalm_jax.cli import ablation as command
from kalm_jax.cli.main import run as run_command
from kalm_jax.evaluation import difference_interval, wilson_interval
from kalm_jax.evaluation.llm_metrics import metric_rows
from kalm_jax.grounding.config import TASKS
from kalm_jax.pipeline import ablation, config
from kalm_jax.pipeline.artifacts import PRIVILEGED
from kalm_jax.worlds.base import get_world
from tests.pipeline.stages.test_ground import save_own

VARIANTS = ["two_models", "direct", "single_draws"]
SETS = {"all": TASKS, "all-explanation": tuple(t for t in TASKS if t != "explanation")}


@pytest.mark.slow
@pytest.mark.nightly
def test_sets_of_tasks_share_the_rollouts_and_carry_on(tmp_path, capsys):
    save_own(tmp_path / "own")
    settings = dataclasses.replace(
        config.load_presets("clevr")["smoke"],
        collect=config.CollectConfig(rollouts=24),
        ground=config.GroundConfig(llm=str(tmp_path / "own"), steps=2, rows=4, hidden=8, reading=0),
        metrics=config.MetricsConfig(every=0),
        imagine=config.ImagineConfig(unseen_easy=16, draws=2, explained=2, explanation_draws=0),
    )
    run = tmp_path / "ablation"
    rows = ablation.run(run, settings, SETS, ["unseen_easy"], "a command", VARIANTS)
    assert (run / "all-explanation" / "collect" / "rollouts.h5").samefile(run / "collect" / "rollouts.h5")
    names = [*SETS, "two_models"]
    for name in ("direct", "single_draws"):
        assert (run / name / "ground" / "done.json").samefile(run / "all" / "ground" / "done.json")
        imagined = [(run / one / PRIVILEGED / "unseen_easy" / "rollouts.h5").read_bytes() for one in ("all", name)]
        assert imagined[0] != imagined[1]
    trained = [(run / name / "ground" / "model" / "numbers.safetensors").read_bytes() for name in names]
    assert len(set(trained)) == 3
    assert (run / "two_models" / "ground" / "model" / "states").is_dir()
    text = (run / "ablation.md").read_text()
    assert "a command" in text and "| unseen easy | all-explanation |" in text and "| 39 |" in text
    assert "| unseen easy | two_models |" in text
    with (run / "ablation.csv").open(newline="") as file:
        assert [(r["tasks"], r["metric"], int(r["total"])) for r in csv.DictReader(file)] == [
            (r["tasks"], r["metric"], r["total"]) for r in rows
        ]
    assert {r["metric"] for r in rows} >= {"match_rate", "off_bench_transitions", "explanation_unseen"}
    capsys.readouterr()
    assert ablation.run(run, settings, SETS, ["unseen_easy"], variants=VARIANTS) == rows
    said = capsys.readouterr().out
    assert said.count("ground: done before") == 5 and "starts again" not in said and "continues" not in said
    # Another comparison in the same folder shares the grounding of its own first set.
    ablation.run(run, settings, {"all-explanation": SETS["all-explanation"]}, ["unseen_easy"], variants=["direct"])
    assert (run / "direct" / "ground").samefile(run / "all-explanation" / "ground")


@pytest.mark.parametrize("name, own, message", [("mlp", {}, "unknown"), ("linear", {"hidden": 0}, "'linear' is what")])
def test_a_variant_that_changes_nothing_is_refused_before_any_work(name, own, message, tmp_path):
    settings = dataclasses.replace(config.load_presets("clevr")["smoke"], ground=config.GroundConfig(**own))
    with pytest.raises(ValueError, match=message):
        ablation.run(tmp_path / "ablation", settings, SETS, variants=[name])
    assert not (tmp_path / "ablation").exists()


def test_the_table_has_differences_to_the_first_set():
    kinds = get_world("clevr").labels.unrealistic
    quality = {"rollouts": 100, "transitions": 300, "off_bench_transitions": 30, "beyond_dynamics_transitions": 0}
    rows = []
    for name, matched in (("all", 80), ("all-dynamics", 50)):
        found = metric_rows(9, [{**quality, "matched": matched}], [], kinds)
        rows += [{"tasks": name, "level": "rephrase", **row} for row in found]
        said = metric_rows(9, [], [{"prompt": "seen", "rollouts": 40, "correct": 30, "exact": 20}], kinds)
        rows += [{"tasks": name, "level": "", **row} for row in said]
    lines = ablation.table(rows, kinds, get_world("clevr").labels.paper_ablation)
    low, high = (100 * x for x in difference_interval([50], [100], [80], [100]))
    assert f"| -30.0 [{low:+.1f}, {high:+.1f}] | 10.0 [" in lines[3] and lines[3].endswith("| 83 |")
    low, high = (100 * x for x in wilson_interval(30, 40))
    assert lines[-1].startswith(f"| all-dynamics | 75.0 [{low:.1f}, {high:.1f}] | 50.0 [")


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--grounding_tasks_sets=all,all-explanations", "give different sets"),
        ("--grounding_tasks_sets=generation-plan", "give different sets"),
        ("--algo=bc", "Unknown command line flag 'algo'"),
        ("--variants=state,mlp", "want one of state"),
    ],
)
def test_wrong_flags_fail_at_once(flag, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run_command("ablation", [flag, f"--output={tmp_path / 'run'}"])
    assert message in f"{stopped.value}{capsys.readouterr().err}" and not (tmp_path / "run").exists()


def test_names_of_sets_are_read():
    assert command.tasks_of("all") == TASKS and command.tasks_of("plan+generation") == ("generation", "plan")
    assert set(TASKS) - set(command.tasks_of("all-plan-text")) == {"plan", "text"}
    for name in ("al", "", "generation+"):
        with pytest.raises(ValueError, match="such as all,all-explanation"):
            command.tasks_of(name)
