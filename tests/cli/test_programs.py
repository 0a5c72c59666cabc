"""The programs: wrong flags fail at once with the mend, and importing the library stays light."""

import subprocess
import sys

import pytest

from tests.paths import ROOT


def run(*args):
    return subprocess.run([sys.executable, *args], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "flag, mend",
    [
        ("--algo=td3bcc", "choose from td3bc, bc"),
        ("--algo=tests.no_learner", "error: offline-RL algorithm 'tests.no_learner' cannot be imported"),
        ("--offline_data=missing.npy", "no such file"),
        ("--eval_prompts=missing.npy", "no such file"),
        ("--grounding_tasks=generation,guessing", "choose from generation, explanation"),
        ("--llm=nowhere", "Hugging Face folder"),
        ("--preset=huge", "smoke"),
        ("--seeds=0", "seeds"),
        ("--alog=bc", "alog"),
        ("--compat=yes", "kalm"),
        ("--draws=0", "draws"),
    ],
)
def test_a_wrong_flag_names_itself_and_the_mend(flag, mend, tmp_path):
    done = run("-m", "experiments.clevr", flag, f"--output={tmp_path / 'run'}")
    assert done.returncode != 0 and mend in done.stderr + done.stdout
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "flag, mend", [("--algo=td3bcc", "choose from td3bc, bc"), ("--eval_prompts=x", "eval_prompts")]
)
def test_the_arm_has_the_shared_flags_and_no_others(flag, mend, tmp_path):
    done = run("-m", "experiments.metaworld", flag, f"--output={tmp_path / 'run'}")
    assert done.returncode != 0 and mend in done.stderr + done.stdout
    assert not (tmp_path / "run").exists()


def test_a_world_that_is_not_there_is_named(tmp_path):
    done = run("-m", "experiments.world", "--world=tests.no_world", f"--output={tmp_path / 'run'}")
    assert done.returncode == 1 and "error: unknown world 'tests.no_world'" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


def test_a_damaged_file_fails_before_any_work(tmp_path):
    (tmp_path / "prompts.npy").write_bytes(b"not an array")
    done = run("-m", "experiments.clevr", f"--eval_prompts={tmp_path / 'prompts.npy'}", f"--output={tmp_path / 'run'}")
    assert done.returncode == 1 and "prompts.npy" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "collect").exists()


def test_flag_names_agree_with_learners_and_tasks():
    """In a process of its own, like every program: two of them may have a flag of the same name."""
    code = (
        "from kalm_jax.cli import pipeline_flags as flags; from kalm_jax.grounding.tasks import TASKS;"
        "from kalm_jax.offline_rl import LEARNERS; from kalm_jax.pipeline.config import CONDITIONS, LLM_POLICY;"
        "assert set(flags.ALGORITHMS) == {*LEARNERS, LLM_POLICY} and flags.TASKS == TASKS;"
        "assert flags.CONDITIONS == CONDITIONS"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr


def test_importing_the_library_is_light():
    heavy = ("jax", "mujoco", "absl", "OpenGL", "h5py", "matplotlib")
    done = run("-c", f"import sys, kalm_jax, kalm_jax.worlds; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


CHECK = """
from absl import app
from kalm_jax.llm.hf import parity
parity.torch_logits = lambda folder, ids, valid: parity.full_logits(*MODEL[:2], ids, valid) + 0.01
from kalm_jax.llm.folder import BUILTIN, load_model
MODEL = load_model(BUILTIN)
from kalm_jax.cli import check_llm
from tests.paths import ROOT
app.run(check_llm.main)
"""


@pytest.mark.parametrize("tolerance, code", [("0.02", 0), ("0.005", 1)])
def test_a_difference_beyond_the_tolerance_fails(tolerance, code):
    done = run("-c", CHECK, "--length=8", f"--tolerance={tolerance}")
    assert done.returncode == code and "1.00e-02" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def test_without_torch_the_check_says_what_to_install(monkeypatch):
    from kalm_jax.llm.hf import parity

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'kalm_jax\[parity\]'"):
        parity.torch_logits("folder", None, None)
