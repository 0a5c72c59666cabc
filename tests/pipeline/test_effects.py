"""Flags that would change nothing are refused, each by its own name and with the reason."""

import pytest

from kalm_jax.cli import job
from kalm_jax.cli.flags import UsageError, parse
from kalm_jax.cli.main import run as command
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.pipeline.effects import check_knowledge_effects

NO_DRAWS = "--imagined_unseen_easy=0 --imagined_unseen_hard=0"


def configured(world, flags):
    known = job.job_flags(world if world in ("clevr", "metaworld") else "", without=("world",))
    return job.configuration(world, parse(known, ["--preset=smoke", *flags.split()]))


@pytest.mark.parametrize(
    "world, flags, said",
    [
        ("clevr", f"--offline_data={BUILTIN}/config.json --rollouts=9", "--rollouts=9 has no effect with --offline_da"),
        ("clevr", f"--offline_data={BUILTIN}/config.json --behavior=lookahead", "--behavior=lookahead has no effect"),
        ("clevr", "--grounding_recompute=cheap", "--grounding_recompute=cheap has no effect without --llm"),
        ("clevr", f"--llm={BUILTIN} --metric_rollouts=9", "--metric_rollouts=9 has no effect where nothing is measure"),
        ("clevr", "--evaluate_every=0 --metric_explanations=9", "--metric_explanations=9 has no effect where nothing"),
        ("clevr", "--grounding_tasks=generation --grounding_reading_steps=3", "--grounding_reading_steps=3 has no eff"),
        ("clevr", "--action_head=gaussian", "--action_head=gaussian has no effect in the world clevr, whose actions a"),
        ("clevr", "--noplan --draws=4", "--draws=4 has no effect without subgoals (--noplan)"),
        ("clevr", "--noplan --max_steps_per_subgoal=4", "--max_steps_per_subgoal=4 has no effect without subgoals"),
        ("clevr", f"--draws=4 {NO_DRAWS}", "--draws=4 has no effect where nothing is imagined for unseen goals"),
        ("clevr", "--algo=llm_policy --updates=9", "--updates=9 has no effect with --algo=llm_policy alone"),
        ("clevr", "--algo=llm_policy --conditions=offline", "--conditions=offline has no effect with --algo=llm_polic"),
        ("clevr", "--algo=llm_policy --keep_all", "--keep_all has no effect with --algo=llm_policy alone"),
        ("clevr", "--settings=kalm --discount=0.5", "--discount=0.5 has no effect with --settings=kalm, which has its"),
        ("clevr", "--compat=kalm --discount=0.5", "--discount=0.5 has no effect with --compat=kalm"),
        ("clevr", "--algo=bc --discount=0.5", "--discount=0.5 has no effect here, as no learner of --algo has one"),
        ("clevr", "--settings=kalm --relabel=0.5", "--relabel=0.5 has no effect with --settings=kalm"),
        ("clevr", "--compat=kalm --relabel=0.5", "--relabel=0.5 has no effect with --compat=kalm"),
        ("clevr", "--algo=bc,cql --relabel=0.5", "--relabel=0.5 has no effect here: of the learners only td3bc"),
        ("clevr", "--algo=bc --settings=quick", "--settings=quick has no effect here: it is settings of td3bc"),
        ("clevr", "--algo=bc --compat=kalm", "--compat=kalm has no effect here: bc sees neither"),
        ("clevr", "--algo=td3bc --dt_backbone=llm", "--dt_backbone=llm has no effect without decision_transformer"),
        ("clevr", "--conditions=offline --keep_all", "--keep_all has no effect without a condition that learns"),
        ("clevr", "--augment=mirror", "--augment=mirror has no effect in the world clevr, which shows rollouts as the"),
        ("metaworld", "--search", "--search has no effect in the world metaworld, as it needs discrete actions"),
        ("clevr", "--search --draws=4", "--draws=4 has no effect with --search, which imagines every action of one"),
        ("clevr", "--search --noplan", "--search has no effect without subgoals (--noplan)"),
        ("metaworld", "--draws=4", "--draws=4 has no effect in the world metaworld, whose states cannot be asked abou"),
        ("metaworld", "--explanation_draws=4", "--explanation_draws=4 has no effect in the world metaworld, which has"),
        ("metaworld", "--relabel=0.5", "--relabel=0.5 has no effect in the world metaworld, whose rewards"),
        ("metaworld", "--actions=sampled", "--actions=sampled has no effect here: no policy of the run is played by"),
        ("metaworld", "--temperature=0.5", "--temperature=0.5 has no effect in the world metaworld, whose actions ar"),
        ("metaworld", "--grounding_tasks=generation,description", "--grounding_tasks has description, for which the w"),
        ("metaworld", "--grounding_reading_steps=3", "--grounding_reading_steps=3 has no effect without the grounding"),
        ("examples.own_world", "--plan", "--plan has no effect in the world field, which has no subgoals"),
        ("examples.own_world", "--max_steps_per_subgoal=4", "--max_steps_per_subgoal=4 has no effect without subgoals"),
    ],
)  # fmt: skip
def test_a_flag_that_changes_nothing_is_refused(world, flags, said):
    with pytest.raises(UsageError) as refused:
        configured(world, flags)
    assert str(refused.value).startswith(said) and "leave" in str(refused.value)


@pytest.mark.parametrize(
    "world, flags",
    [
        ("clevr", "--algo=td3bc,bc --settings=kalm --seeds=2"),
        ("clevr", "--algo=bc"),  # the preset's relabel is nothing that the user gave
        ("clevr", "--noplan --draws=1"),  # says what happens
        ("clevr", "--algo=td3bc,bc --relabel=0.5 --discount=0.95 --actions=sampled --draws=4 --temperature=0.5"),
        ("clevr", "--algo=llm_policy --seeds=2 --actions=sampled --max_steps_per_subgoal=4"),
        ("clevr", f"--llm={BUILTIN} --grounding_recompute=cheap --evaluate_every=5 --metric_rollouts=9"),
        ("metaworld", "--augment=mirror,shift"),
        ("metaworld", "--action_head=gaussian --temperature=0.5 --grounding_tasks=generation,plan,text"),
    ],
)
def test_flags_that_change_something_are_taken(world, flags):
    assert configured(world, flags) != configured(world, "")


@pytest.mark.parametrize(
    "program, argv, said",
    [
        ("ablation", f"--variants=single_draws {NO_DRAWS}", "the variant 'single_draws' changes nothing here"),
        ("ablation", "--variants=search --noplan", "the variant 'search' needs subgoals"),
        ("ablation", "--world=metaworld --variants=search", "the variant 'search' needs subgoals"),
        ("ablation", "--variants=single_draws --noplan", "the variant 'single_draws' changes nothing here"),
        ("ablation", "--variants=direct --noplan", "the variant 'direct' is what all runs here are"),
        ("ablation", "--world=metaworld --variants=single_draws", "the variant 'single_draws' is what all runs here a"),
        ("ablation", "--world=metaworld --grounding_tasks_sets=all,all-description", "is the same as 'all' in the wor"),
        ("ablation", "--variants=no_mirrors --grounding_tasks_sets=all", "'no_mirrors' is the same as 'all' in the wo"),
        ("ablation", "--world=metaworld --augment=none --variants=unaugmented", "the variant 'unaugmented' is what al"),
        ("ablation", "--noplan --draws=3", "--draws=3 has no effect without subgoals"),
        ("collect", "--env=Pendulum-v1 --policy=random --controller=a.b:c", "--controller=a.b:c has no effect with --"),
        ("offline", "--env=Pendulum-v1 --data=x.h5 --set=td3bc.alpha=1 --set=alpha=2", "--set=alpha replaces --set=t"),
    ],
)  # fmt: skip
def test_other_programs_refuse_them_too(program, argv, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        command(program, [*argv.split(), f"--output={tmp_path / 'run.h5'}"])
    assert said in f"{stopped.value}{capsys.readouterr().err}" and not (tmp_path / "run.h5").exists()


@pytest.mark.parametrize(
    "conditions, flag",
    [
        ("random,random-moves", "planner_lora_rank=4"),
        ("random,grammar", "planner_learning_rate=0.001"),
        ("random", "planner_layers=2"),
        ("grammar,prompt", "planner_steps=9"),
        ("nearest,probe", "planner_rows=2"),
        ("probe-builtin", "planner_row_length=64"),
        ("pretrained,prompt", "moves=4"),
        ("pretrained-grammar,random", "moves=10"),
        ("pretrained,random", "examples=4"),
        ("pretrained-moves,grammar,prompt", "sentences=80"),
        ("grammar,prompt,probe", "seeds=2"),
        ("grammar,nearest", "seed=3"),
    ],
)
def test_flags_without_effect_for_the_conditions_of_knowledge_are_refused(conditions, flag, tmp_path, capsys):
    arguments = [f"--llm={BUILTIN}", f"--conditions={conditions}", f"--output={tmp_path / 'out'}"]
    with pytest.raises(SystemExit) as stopped:
        command("knowledge", [*arguments, f"--{flag}"])
    first = capsys.readouterr().err.splitlines()[0]
    assert stopped.value.code == 2 and first.startswith(f"error: --{flag} has no effect w")
    assert "leave it out" in first and conditions in first and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "conditions, flags",
    [
        (("pretrained",), {"planner_lora_rank": 4, "sentences": ("80",), "seeds": 3, "seed": 1}),
        (("random",), {"planner_steps": 9, "planner_rows": 2, "sentences": ("80",)}),
        (("random-moves",), {"moves": 4, "planner_row_length": 64}),
        (("prompt",), {"examples": 4, "seed": 1, "seeds": 1, "tested": 10}),
        (("grammar",), {"tested": 10, "seeds": 1, "llm": str(BUILTIN)}),
    ],
)
def test_flags_with_an_effect_for_the_conditions_of_knowledge_are_taken(conditions, flags):
    check_knowledge_effects(flags, conditions)
