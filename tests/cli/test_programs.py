"""The commands: help, wrong flags that fail at once and say how to fix it, and imports that stay light."""

import importlib
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from kalm_jax.cli import check_llm
from kalm_jax.cli.flags import Flag, parse
from kalm_jax.cli.main import COMMANDS, load, run
from kalm_jax.cli.reference import markdown
from kalm_jax.llm.hf import parity
from kalm_jax.llm.hf.folder import BUILTIN, load_model
from kalm_jax.offline_rl import registry
from kalm_jax.pipeline import config
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.settings import REQUIRED, settings_of
from kalm_jax.worlds.base import get_world
from tests.paths import ROOT

JOBS = ("clevr", "metaworld", "world", "ablation")
PROGRAMS = dict.fromkeys(COMMANDS, "") | {
    "learning": "benchmarks.learning_main",
    "metaworld-experts": "benchmarks.metaworld_experts",
    "pretrain": "benchmarks.pretrain",
    "throughput": "benchmarks.throughput.main",
}
"""Command, or program of a checkout -> its module, if not of `kalm_jax.cli`."""
FLAGS = [
    (name, flag)
    for name, module in PROGRAMS.items()
    for flag in (importlib.import_module(module) if module else load(name)).flags()
]
NUMBERS = [(name, flag) for name, flag in FLAGS if flag.field.kind in (int, float) and not flag.field.words]


def fails(capsys, name, *argv) -> tuple[int, str]:
    """Exit status and error of a command that must fail."""
    with pytest.raises(SystemExit) as stopped:
        run(name, list(argv), module=PROGRAMS[name])
    said = capsys.readouterr().err
    code = stopped.value.code
    return (1, said + code) if isinstance(code, str) else (code, said)


def python(*argv):
    return subprocess.run([sys.executable, *argv], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "flag, fix",
    [
        ("--algo=td3bcc", "want one of td3bc, bc"),
        ("--algo=my_learner", "an import path, which contains a dot"),
        ("--mesh=foo", "'foo' is not one of data, fsdp, tensor"),
        ("--hosts=foo", "want auto or ADDRESS:PORT,COUNT,INDEX"),
        ("--offline_data=missing.npy", "no such file"),
        ("--eval_prompts=missing.npy", "no such file"),
        ("--grounding_tasks=generation,guessing", "want one of generation, explanation"),
        ("--llm=nowhere", "Hugging Face folder"),
        ("--preset=huge", "smoke"),
        ("--alog=bc", "alog"),
        ("--compat=yes", "kalm"),
        ("--behavior=lazy", "want one of scripted, lookahead"),
        ("--noplan=3", "noplan"),
        ("runs/here", "--name=value"),
    ],
)
def test_a_wrong_flag_names_itself_and_the_fix(flag, fix, tmp_path, capsys):
    code, said = fails(capsys, "clevr", flag, f"--output={tmp_path / 'run'}")
    assert code == 2 and said.startswith("error: ") and fix in said and flag.partition("=")[0].strip("-") in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name, flag", NUMBERS, ids=[f"{name}-{flag.name}" for name, flag in NUMBERS])
def test_wrong_numbers_are_refused_by_name(name, flag: Flag, capsys):
    about = flag.field
    least, most = max(about.low, about.above), min(about.high, about.below)
    assert -math.inf < least < most < math.inf, f"--{flag.name} has no bounds"
    beyond = [least - 1, most + 1, least if about.above == least else -1180591620717411303424]
    for value in ("nan", "inf", "-inf", "", "many", "1e400", "9" * 5000, 2**70, *beyond):
        code, said = fails(capsys, name, f"--{flag.name}={value}")
        assert code == 2 and f"--{flag.name}={value}: want {about.wanted()}" in said, said
    for value in ("1.5", "1e3") if about.kind is int else ():
        assert f"want {about.wanted()}" in fails(capsys, name, f"--{flag.name}={value}")[1]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_folder_or_file_to_write_is_named(name, capsys):
    if "output" in [flag.name for of, flag in FLAGS if of == name]:
        for empty in ("", " "):
            code, said = fails(capsys, name, f"--output={empty}")
            assert code == 2 and f"--output={empty}: want a text that is not empty" in said


def test_every_setting_of_the_main_job_has_a_flag():
    flags = {flag.name: flag for flag in load("world").flags()}
    for part in config.parts_of(config.PipelineConfig(world="")).values():
        for field in settings_of(type(part)):
            assert flags[field.flag].field == field and field.doc.endswith(".")
    assert {flag.name for flag in load("offline").flags()} > {f.flag for f in settings_of(OfflineConfig)}


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_told_apart_and_documented(name, capsys):
    flags = load(name).flags()
    assert len({flag.name for flag in flags}) == len(flags)
    run(name, ["--help"])
    said = capsys.readouterr().out
    assert load(name).__doc__.splitlines()[0] in said and f"kalm {name} " in load(name).__doc__
    for flag in flags:
        assert flag.name in said and flag.field.doc.rstrip().endswith(".")
    if name in JOBS:
        places = [said.index(f"\n{group}:") for group in ("data", "grounding", "imagination", "output", "devices")]
        assert (places == sorted(places) and "default: a first result" in " ".join(said.split())) or name != "clevr"


@pytest.mark.parametrize("name", ["learning_main", "metaworld_experts", "pretrain", "throughput.main"])
def test_programs_of_a_checkout_have_help(name, capsys):
    run(name, ["--help"], module=f"benchmarks.{name}")
    assert "python -m experiments." in capsys.readouterr().out


def test_the_reference_has_every_flag():
    text = markdown()
    for name in COMMANDS:
        part = text.partition(f"## kalm {name}\n")[2].partition("\n## ")[0]
        assert all(f"{flag.name}`" in part for flag in load(name).flags())


def test_given_flags_are_read_and_others_left_to_the_preset():
    flags = load("clevr").flags()
    argv = ["--noplan", "--algo=bc,td3bc,bc", "--state_maps", "linear", "--grounding_tasks=text", "--relabel=0"]
    given = parse(flags, argv)
    expected = {"algo": ("bc", "td3bc"), "state_maps": 0, "plan": False, "grounding_tasks": ("text",), "relabel": 0.0}
    assert given == expected
    made = config.configure(config.load_presets("clevr")["smoke"], given)
    assert made.ground.hidden == 0 and not made.imagine.plan and made.learn.algorithms == ("bc", "td3bc")
    assert made.ground.shares.probabilities().tolist() == [0, 0, 0, 0, 0, 1, 0] and made.ground.steps == 20
    assert [made.learn.relabel, made.collect.behavior] == [0, "scripted"]
    assert all(flag.field.default is not REQUIRED for flag in flags)
    given = parse(load("offline").flags(), ["--env=E", "--data=d", "--set=a=1", "--set=bc.b=x"])
    assert given["set"] == (("", "a", 1), ("bc", "b", "x"))


def test_a_language_model_from_a_folder_is_trained_gently():
    smoke = config.load_presets("clevr")["smoke"]
    made = config.configure(smoke, {"llm": str(BUILTIN)})
    assert (made.ground.learning_rate, made.metrics.every) == (5e-5, 0)
    assert config.configure(smoke, {"llm": "x", "lora_rank": 4}).ground.learning_rate == 2e-4
    given = {"llm": "x", "lora_rank": 4, "grounding_learning_rate": 1.0, "evaluate_every": 7}
    made = config.configure(smoke, given)
    assert (made.ground.learning_rate, made.metrics.every) == (1.0, 7)
    with pytest.raises(ValueError, match="unknown settings stepps"):
        config.configure(smoke, {"stepps": 1})


def test_metaworld_has_the_shared_flags_and_no_others(capsys):
    assert "want one of td3bc, bc" in fails(capsys, "metaworld", "--algo=td3bcc")[1]
    assert "eval_prompts" in fails(capsys, "metaworld", "--eval_prompts=x")[1]


def test_a_module_that_is_missing_is_named(tmp_path, capsys):
    output = f"--output={tmp_path / 'run'}"
    code, said = fails(capsys, "world", "--world=tests.no_world", output)
    assert code == 1 and "error: unknown world 'tests.no_world'" in said
    assert "--world is required" in fails(capsys, "world")[1]
    code, said = fails(capsys, "clevr", "--algo=tests.no_learner", output)
    assert code == 1 and "error: offline-RL algorithm 'tests.no_learner' cannot be imported" in said
    code, said = fails(capsys, "collect", "--env=CartPole-v1", "--output=x.h5", "--controller=tests:none")
    assert code == 1 and "want package.module:function" in said
    assert "no controller for Acrobot-v1" in fails(capsys, "collect", "--env=Acrobot-v1", "--output=x.h5")[1]
    assert not (tmp_path / "run").exists()


def test_a_damaged_file_fails_before_any_work(tmp_path, capsys):
    (tmp_path / "prompts.npy").write_bytes(b"not an array")
    argv = [f"--eval_prompts={tmp_path / 'prompts.npy'}", f"--output={tmp_path / 'run'}"]
    code, said = fails(capsys, "clevr", *argv)
    assert code == 1 and "prompts.npy" in said and not (tmp_path / "run" / "collect").exists()


@pytest.mark.parametrize(
    "argv", [["clevr", "--algo=."], ["world", "--world=."], ["collect", "--env=Pendulum-v1", "--controller=os:sep"]]
)
def test_import_paths_of_nothing_are_named(argv, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run(argv[0], [*argv[1:], f"--output={tmp_path / 'made.h5'}"])
    said = f"{ended.value}{capsys.readouterr().err}"
    assert "Traceback" not in said and ("unknown" in said or "is no function" in said or "want one" in said), said


@pytest.mark.parametrize(
    ("controller", "words"),
    [
        ("os:getcwd", "the controller getcwd fails on observations of shape .1, 4. .TypeError: .*no arguments"),
        ("json:loads", r"the controller loads fails on .*TypeError: .*line \d+"),
        ("builtins:list", r"the controller answers \(1, 4\) observations with .*want \(1,\) indices from 0 to 1"),
        ("builtins:print", "the controller answers .* with array.None"),
    ],
)
def test_functions_that_are_no_controllers_are_named(controller, words, tmp_path, capsys):
    argv = ["--policy=expert", "--episodes=1", f"--output={tmp_path / 'x.h5'}", f"--controller={controller}"]
    code, said = fails(capsys, "collect", "--env=CartPole-v1", *argv)
    assert code == 1 and re.search(words, said) and "Traceback" not in said and not list(tmp_path.iterdir())


def test_a_controller_whose_module_fails_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / "my_failing_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    argv = ["--env=CartPole-v1", f"--output={tmp_path / 'x.h5'}", "--controller=my_failing_module:act"]
    code, said = fails(capsys, "collect", *argv)
    assert code == 1 and "--controller=my_failing_module:act: ZeroDivisionError: division by zero, in " in said


def test_names_agree_with_what_they_name():
    assert set(config.LEARNERS) == set(registry.LEARNERS)
    for world in ("clevr", "metaworld"):
        module = __import__(f"kalm_jax.worlds.{world}.presets", fromlist=["BEHAVIORS"])
        assert module.BEHAVIORS == get_world(world).behaviors
        assert set(module.PRESETS) == set(module.ABOUT) == set(config.PRESET_NAMES)


def test_the_console_script_lists_its_commands():
    script = ["-c", "from kalm_jax.cli.main import main; main()"]
    done = python(*script, "--help")
    assert done.returncode == 0 and all(name in done.stdout for name in COMMANDS)
    done = python(*script, "clevrr")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "unknown command 'clevrr'" in done.stderr
    done = python(*script)
    assert done.returncode == 2 and all(name in done.stderr for name in COMMANDS)
    done = python("-m", "experiments.clevr", "--help")
    assert done.returncode == 0 and done.stdout.startswith("python -m experiments.clevr: KALM on CLEVR-Robot")


def test_the_console_script_imports_modules_of_the_current_folder(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "world.py").write_text("raise ValueError('this is the module of the current folder')")
    begin = f"import sys; sys.path[:] = [p for p in sys.path if p] + [{str(ROOT)!r}]; "
    code = begin + "sys.argv = ['kalm', 'world', '--world=mine.world']; from kalm_jax.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == "error: this is the module of the current folder\n"


def test_importing_the_library_and_its_configuration_is_light():
    heavy = ("jax", "flax", "mujoco", "absl", "OpenGL", "h5py", "matplotlib")
    code = (
        "import sys, kalm_jax.worlds; from kalm_jax.pipeline import config; config.load_presets('clevr'); "
        f"config.load_presets('metaworld'); print([m for m in {heavy} if m in sys.modules])"
    )
    done = python("-c", code)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("tolerance, good", [("0.02", True), ("0.005", False)])
def test_a_difference_beyond_the_tolerance_fails(tolerance, good, monkeypatch, capsys):
    model = load_model(BUILTIN)
    shifted = lambda folder, ids, valid: parity.full_logits(*model[:2], ids, valid) + 0.01  # noqa: E731
    monkeypatch.setattr(parity, "torch_logits", shifted)
    argv = ["--length=8", f"--tolerance={tolerance}"]
    if good:
        check_llm.main(argv)
    else:
        assert fails(capsys, "check-llm", *argv)[0] == 1
    assert good is False or "1.00e-02" in capsys.readouterr().out


def test_without_torch_the_check_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[parity\]'"):
        parity.torch_logits("folder", np.zeros((1, 2), np.int32), np.ones((1, 2), bool))


@pytest.mark.parametrize(
    "argv, said",
    [
        (["check_llm", "--tokens=3"], "--tokens has no effect without --prompt"),
        (["check_llm", "--prompt=hi", "--seed=3"], "--seed has no effect with --prompt"),
        (["check_llm", "--prompt=\udcff"], "no text in UTF-8"),
        (["clevr", "--whitening=1e-300"], "--whitening=1e-300: give 0, which turns it off, or at least 1e-12"),
    ],
)
def test_more_that_is_refused_before_anything_is_done(argv, said, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        run(argv[0], [*argv[1:], *([f"--output={tmp_path}"] if argv[0] == "clevr" else [])])
    assert said in f"{ended.value}{capsys.readouterr().err}"


def test_a_platform_that_is_not_there_is_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.clevr", "--preset=smoke", f"--output={tmp_path / 'run'}"],
        env=os.environ | {"JAX_PLATFORMS": "cuda"},
        capture_output=True,
        text=True,
    )
    assert done.returncode and done.stderr.count("\n") == 1 and "$JAX_PLATFORMS is cuda" in done.stderr
