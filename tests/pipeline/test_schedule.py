"""What a run says before it begins, and how much time is left on the way."""

import dataclasses
import json
import math
import shutil

import pytest

from kalm_jax.llm.hf.folder import BUILTIN
from kalm_jax.pipeline.config import PRESET_NAMES, configure, load_presets
from kalm_jax.pipeline.run import stages_of
from kalm_jax.pipeline.run_folder import PipelineRun
from kalm_jax.pipeline.schedule import Planned, Schedule, core_speed, duration, load_costs, plan_stages

NAMES = [
    "collect",
    "ground",
    "encode/data",
    "imagine/rephrase",
    "imagine/unseen_hard",
    "replayed/rephrase",
    "explain",
    "evaluate/baselines-rephrase",
    "learn/td3bc-kalm",
    "evaluate/td3bc-kalm-rephrase",
    "evaluate/llm_policy-rephrase",
    "oracle/unseen_hard",
    "learn/my_package.my_learner-offline",
    "prompts",
]


def seconds(config, names=NAMES):
    return {stage.name: stage.seconds for stage in plan_stages(config, names)}


@pytest.mark.parametrize("world", ["clevr", "metaworld"])
@pytest.mark.parametrize("preset", [name for name in PRESET_NAMES if name != "pretrained"])  # would fetch its model
def test_every_stage_of_every_preset_has_a_time(world, preset):
    """The names are those of stages that a run has; none is left without a cost."""
    assert all(s > 0 for s in seconds(load_presets(world)[preset]).values())


@pytest.mark.parametrize(
    "flag, stage",
    [
        ("rollouts", "collect"),
        ("grounding_steps", "ground"),
        ("grounding_rows", "ground"),
        ("imagined_rephrase", "imagine/rephrase"),
        ("draws", "imagine/unseen_hard"),
        ("replays", "replayed/rephrase"),
        ("explanations", "explain"),
        ("updates", "learn/td3bc-kalm"),
        ("seeds", "learn/td3bc-kalm"),
        ("episodes", "evaluate/td3bc-kalm-rephrase"),
        ("expert_episodes", "evaluate/baselines-rephrase"),
    ],
)
def test_more_work_takes_longer(flag, stage):
    """Twice an amount takes longer in its own stage; the first stage is not changed by what comes after it."""
    config = load_presets("clevr")["full"]
    flags = {f.flag: getattr(part, f.name) for part, f in every_setting(config)}
    more = configure(config, {flag: 2 * flags[flag]})
    assert seconds(more)[stage] > seconds(config)[stage]
    assert flag == "rollouts" or seconds(more)["collect"] == seconds(config)["collect"]


def test_a_level_without_imagined_rollouts_is_still_evaluated(tmp_path):
    """Stages of imagining, of replaying and of the oracle are those of the levels whose number is not 0."""
    changes = {"imagined_unseen_hard": 0, "conditions": ("offline", "kalm", "oracle")}
    names = set(stages_of(PipelineRun(tmp_path, configure(load_presets("clevr")["smoke"], changes))))
    assert {"imagine/unseen_easy", "replayed/unseen_easy", "oracle/unseen_easy"} <= names
    assert {"encode/unseen_hard", "evaluate/td3bc-kalm-unseen_hard", "evaluate/baselines-unseen_hard"} <= names
    assert not {"imagine/unseen_hard", "replayed/unseen_hard", "oracle/unseen_hard"} & names


def every_setting(config):
    from kalm_jax.pipeline.config import parts_of
    from kalm_jax.settings import settings_of

    return [(part, field) for part in parts_of(config).values() for field in settings_of(type(part))]


def test_a_larger_language_model_takes_longer(tmp_path):
    """Grounding grows with the weights of the language model, and learning does not."""
    shutil.copytree(BUILTIN, tmp_path / "llm")
    raw = json.loads((tmp_path / "llm" / "config.json").read_text())
    (tmp_path / "llm" / "config.json").write_text(json.dumps({**raw, "num_hidden_layers": 40}))
    config = load_presets("clevr")["default"]
    larger = dataclasses.replace(config, ground=dataclasses.replace(config.ground, llm=str(tmp_path / "llm")))
    assert seconds(larger)["ground"] > 5 * seconds(config)["ground"]
    assert seconds(larger)["learn/td3bc-kalm"] == seconds(config)["learn/td3bc-kalm"]


def test_a_wide_language_model_takes_less_time_per_weight(tmp_path):
    """SmolLM2's first 12 layers with LoRA took 16 minutes of a core of 105 Gflop/s for 440 updates of 512 positions."""
    shutil.copytree(BUILTIN, tmp_path / "llm")
    raw = json.loads((tmp_path / "llm" / "config.json").read_text())
    smollm2 = {"vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}
    heads = {"num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64}
    (tmp_path / "llm" / "config.json").write_text(json.dumps(raw | smollm2 | heads))
    given = {"llm": str(tmp_path / "llm"), "llm_layers": 12, "lora_rank": 8, "grounding_rows": 4}
    config = configure(load_presets("clevr")["default"], given | {"grounding_steps": 440})
    assert seconds(config)["ground"] * 80 / 105 == pytest.approx(16 * 60, rel=0.15)


def test_custom_worlds_have_no_times():
    """Nothing is said about the time of a stage whose cost nobody has measured; what it does is said."""
    assert load_costs("examples.navigation") == {}
    (stage,) = plan_stages(dataclasses.replace(load_presets("clevr")["smoke"], world="my.world"), ["collect"])
    assert stage.amount == "160 rollouts" and math.isnan(stage.seconds)
    schedule = Schedule([stage], [], 1.0)
    assert schedule.total() == "" and schedule.position("collect") == "[1/1]"


def test_time_left():
    """It falls as stages are finished, follows the speed that they show, and leaves out what was done before."""
    planned = [Planned("collect", "", 100.0), Planned("ground", "", 400.0), Planned("explain", "", 200.0)]
    schedule = Schedule(planned, {"collect"}, speed=2.0)
    assert schedule.total() == "about 5 min"  # 600 reference seconds on two cores
    assert schedule.position("collect") == "[1/3, about 5 min left]"
    schedule.finish("collect", 0.0)
    schedule.finish("ground", 600.0)  # three times as long as expected
    assert schedule.position("explain") == "[3/3, about 5 min left]"
    schedule.finish("explain", 300.0)
    assert schedule.total() == "about 5 s"


def test_table():
    """A line for each kind of stage with its sum, and what an earlier call finished."""
    planned = [Planned("collect", "9 rollouts", 10.0), Planned("imagine/a", "", 60.0), Planned("imagine/b", "", 60.0)]
    collect, imagine = Schedule(planned, {"collect"}, 1.0).table().splitlines()
    assert collect.split() == ["collect", "9", "rollouts", "done", "before"]
    assert imagine.split() == ["imagine", "2", "stages", "about", "2", "min"]


@pytest.mark.parametrize(
    "value, text",
    [(3, "about 5 s"), (62, "about 60 s"), (130, "about 2 min"), (8000, "about 2.2 h"), (math.nan, "")],
)
def test_durations(value, text):
    assert duration(value) == text


def test_core_speed():
    """A core of any machine in use multiplies at more than a half and less than a thousand Gflop/s."""
    assert 0.5 < core_speed(200, 0.05) < 1000
