"""Scalars for TensorBoard, read back by TensorBoard's own reader."""

import subprocess
import sys

import pytest

from kalm_jax import dashboard
from tests.paths import ROOT


def points(folder):
    """Tag -> (step, value) of each point that TensorBoard shows of a folder."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, round(e.value, 4)) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.fixture(autouse=True)
def stopped():
    yield
    dashboard.stop()


def test_nothing_is_written_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dashboard.add("ground", 1, {"loss": 2.0})
    assert not list(tmp_path.iterdir())


def test_points_have_steps_and_values_by_stage_and_seed(tmp_path):
    pytest.importorskip("tensorboardX")
    dashboard.start(tmp_path / "tensorboard")
    assert not list(tmp_path.iterdir())  # a run's folder must be empty before it begins
    for step in (20, 40):
        dashboard.add("ground", step, {"loss": 1 / step})
        rows = [{"seed": s, "update": step, "metric": "q", "value": s + step} for s in (0, 1)]
        dashboard.add_curve("learn/td3bc-kalm", rows)
    dashboard.stop()
    assert points(tmp_path / "tensorboard" / "ground") == {"loss": [(20, 0.05), (40, 0.025)]}
    learned = points(tmp_path / "tensorboard" / "learn" / "td3bc-kalm")
    assert learned == {"q/seed_0": [(20, 20), (40, 40)], "q/seed_1": [(20, 21), (40, 41)]}


def test_a_continued_run_shows_each_step_once(tmp_path):
    pytest.importorskip("tensorboardX")
    for number, steps in enumerate(((10, 20, 30, 40), (30, 40, 50), (20, 30))):
        dashboard.start(tmp_path)
        for step in steps:
            dashboard.add("ground", step, {"loss": number})
        dashboard.stop()
        shown = points(tmp_path / "ground")["loss"]
        assert [step for step, _ in shown] == sorted({step for step, _ in shown})
        assert shown[-1] == (steps[-1], number)
    assert shown == [(10, 0), (20, 2), (30, 2)]


@pytest.mark.parametrize("command", [["clevr", "--preset=smoke"], ["offline", "--env=CartPole-v1", "--data=x.h5"]])
def test_a_missing_library_is_one_line_before_anything_begins(command, tmp_path):
    code = f"import sys; sys.modules['tensorboardX'] = None; from kalm_jax.cli.main import run; run({command[0]!r})"
    flags = [*command[1:], "--tensorboard", f"--output={tmp_path / 'run'}"]
    done = subprocess.run([sys.executable, "-c", code, *flags], capture_output=True, text=True, cwd=ROOT)
    first, *rest = done.stderr.strip().splitlines()
    assert done.returncode == 2 and len(rest) == 1 and "--help" in rest[0]
    assert first.startswith("error: --tensorboard: ") and "pip install 'kalm_jax[tensorboard]'" in first
    assert not (tmp_path / "run").exists()
