"""Configurations: settings that do not fit each other, the model or the world, and what Python's callers may give."""

import dataclasses

import numpy as np
import pytest

from kalm_jax.cli.main import run as command
from kalm_jax.grounding.config import TaskShares
from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.pipeline import config
from kalm_jax.pipeline.grounding import check_language_model
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.pipeline.run_records import read_run
from kalm_jax.worlds.base import get_world

SMOKE = config.load_presets("clevr")["smoke"]


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--grounding_accumulation=7"], "--grounding_rows=8 cannot be computed in --grounding_accumulation=7 equal"),
        (["--grounding_reading_steps=20"], "--grounding_reading_steps=20 leaves no step of --grounding_steps=20"),
        (["--lora_rank=129"], "--lora_rank=129 is larger than the smallest matrix of the language model: give at most"),
        (["--grounding_row_length=20"], "--grounding_row_length=20 is too short: '"),
        (
            ["--grounding_row_length=4097"],
            "is 4096, fewer than the 4097 positions of --grounding_row_length",
        ),
        (["--mesh=data:1000"], "--mesh=data:1000: a mesh of data:1000,fsdp:1,tensor:1 has 1000 devices, but"),
        (["--mesh=data:99999999999999999999"], "is not one of data, fsdp, tensor with a size"),
        (["--hosts=here,2,0"], "--hosts=here,2,0: want auto or ADDRESS:PORT,COUNT,INDEX"),
        (["--hosts=here:99999,2,0"], "want auto or ADDRESS:PORT,COUNT,INDEX"),
        (["--grounding_tasks=,"], "--grounding_tasks=,: want one of generation"),
    ],
)
def test_flags_that_do_not_fit_are_refused_before_any_work(flags, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        command("clevr", ["--preset=smoke", f"--output={tmp_path / 'run'}", *flags])
    assert said in f"{stopped.value}{capsys.readouterr().err}" and not (tmp_path / "run").exists()


def test_tasks_that_a_world_has_no_data_for_are_refused():
    only = dataclasses.replace(SMOKE.ground, shares=TaskShares().only(["description"]))
    check_language_model(only, get_world("clevr"))
    with pytest.raises(ValueError, match="no data for the grounding tasks description here"):
        check_language_model(only, get_world("metaworld"))


def test_few_steps_leave_some_for_the_other_tasks():
    made = config.GroundConfig()
    assert made.reading_steps == made.reading
    for steps in (4, made.reading):
        assert 0 <= config.GroundConfig(steps=steps).reading_steps < steps
    assert config.configure(SMOKE, {"grounding_steps": 4}).ground.reading_steps == 0


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: config.PipelineConfig(world=3), "PipelineConfig.world is 3, want a text"),
        (lambda: config.PipelineConfig(world="clevr", learn=None), "PipelineConfig.learn is None, want LearnConfig("),
        (lambda: config.PipelineConfig(world="clevr", ground={}), "PipelineConfig.ground is {}, want GroundConfig("),
        (lambda: config.PipelineConfig(world="clevr", seed=2**65), "PipelineConfig.seed is 36893488147419103232, want"),
        (lambda: config.GroundConfig(shares=None), "GroundConfig.shares is None, want TaskShares("),
        (lambda: config.GroundConfig(rows=8, accumulate=3), "--grounding_rows=8 cannot be computed"),
        (lambda: config.build(config.PipelineConfig, {"seed": 1}), "PipelineConfig lacks world"),
        (lambda: config.load_presets("base"), "unknown world 'base'"),
        (lambda: config.load_presets("text"), "unknown world 'text'"),
        (lambda: config.load_presets(3), "world is 3, want a text"),
        (lambda: config.load_presets(""), "unknown world ''"),
        (lambda: config.configure(SMOKE, {"grounding_tasks": "text"}), "--grounding_tasks is 'text', want a tuple"),
        (lambda: config.configure(SMOKE, {"grounding_tasks": 3}), "--grounding_tasks is 3, want one of generation"),
        (lambda: config.configure(SMOKE, {"relabel": np.nan}), "--relabel is nan, want a finite number from 0"),
        (lambda: config.configure(SMOKE, {"grounding_stepps": 3}), "unknown settings grounding_stepps (grounding_st"),
        (lambda: OfflineConfig("E", "d", updates=5, evaluations=6), "--evaluations=6 on the way of --updates=5: give"),
        (lambda: OfflineConfig("E", "d", settings=(("bc",),)), "OfflineConfig.settings has ('bc',), want (lea"),
        (lambda: OfflineConfig("E", "d", settings=(("", "a", {}),)), "OfflineConfig.settings has ('', 'a', {}"),
    ],
)  # fmt: skip
def test_wrong_arguments_of_configurations_are_named(make, said):
    with pytest.raises((TypeError, ValueError)) as refused:
        make()
    assert str(refused.value).startswith(said), refused.value


def test_numbers_of_numpy_and_paths_are_written_and_read_again(tmp_path):
    learn = config.LearnConfig(algorithms=["bc"], updates=np.int64(7), relabel=np.float32(0.25), checkpoints=1)
    made = config.PipelineConfig("clevr", np.uint32(3), learn=learn, ground=config.GroundConfig(llm=BUILTIN))
    RunFolder(tmp_path, made, "kalm")
    assert read_run(tmp_path) == made and made.ground.llm == str(BUILTIN) and made.seed == 3
    assert config.configure(SMOKE, {"grounding_tasks": ["text"]}) == config.configure(
        SMOKE, {"grounding_tasks": ("text",)}
    )


@pytest.mark.parametrize(
    "flag, said",
    [
        ("bc.batch_size=1.5", "--set: bc.batch_size is 1.5, want an integer from 1"),
        ("bc.hidden=256", "--set: bc.hidden is 256, want integers from 1 to 65536 in a tuple, such as (256, 256)"),
        ("bc.learning_rate=nan", "--set: bc.learning_rate is nan, want a finite number above 0"),
        ("learning_rate=-1", "--set: bc.learning_rate is -1, want a finite number above 0"),
        ("bc.alpha=1", "--set=alpha=1: no learner has this setting; there are learning_rate"),
        ("td3bc.alpha=1", "--set=td3bc.alpha=1: this run trains bc"),
    ],
)
def test_a_learners_wrong_setting_is_refused_before_the_data_are_read(flag, said, tmp_path, capsys):
    argv = ["--env=Pendulum-v1", "--data=nowhere.h5", "--algo=bc", f"--set={flag}", f"--output={tmp_path / 'run'}"]
    with pytest.raises(SystemExit) as stopped:
        command("offline", argv)
    assert said in f"{stopped.value}{capsys.readouterr().err}" and not (tmp_path / "run").exists()


def test_checkpoints_share_the_episodes():
    with pytest.raises(ValueError, match=r"--episodes=2, .* cannot be shared by --checkpoints=5"):
        config.configure(SMOKE, {"checkpoints": 5, "episodes": 2})
    assert config.configure(SMOKE, {"checkpoints": 5, "episodes": 10}).evaluate.episodes == 10


@pytest.mark.parametrize("world", ["clevr", "metaworld"])
@pytest.mark.parametrize("preset", config.PRESET_NAMES)
def test_what_a_preset_says_gives_way_to_what_is_given(world, preset):
    preset = config.load_presets(world)[preset]
    for episodes in (1, 2, 3, 9, 11):
        made = config.configure(preset, {"episodes": episodes})
        most = min(preset.learn.checkpoints, max(1, episodes // 2))
        assert (made.evaluate.episodes, made.learn.checkpoints) == (episodes, most)
    made = config.configure(preset, {"checkpoints": np.int64(20)})
    assert (made.learn.checkpoints, made.evaluate.episodes) == (20, max(40, preset.evaluate.episodes))
    assert config.configure(preset, {}) == preset


def test_evaluations_that_nobody_gave_are_no_more_than_the_updates():
    counts = {5: 5, 20: 20, 21: 20, 20_000: 20}
    assert {updates: OfflineConfig("E", "d", updates=updates).evaluation_count for updates in counts} == counts
    assert OfflineConfig("E", "d", updates=5, evaluations=3).evaluation_count == 3
    for given in (6, 20):  # also the number that holds where none is given
        with pytest.raises(ValueError, match=f"--evaluations={given} on the way of --updates=5: give at most"):
            OfflineConfig("E", "d", updates=5, evaluations=given)
    fewer = dataclasses.replace(OfflineConfig("E", "d"), updates=5)
    assert fewer.evaluation_count == 5
