"""Two CPU devices, so that every test also runs with its batches split, and the fixtures that several files share."""

import gc
import os
import pathlib

# Small programs are kept on disk, too: a test's are mostly those of another file, of the other worker or of a process
# that a test starts. To be set before JAX is imported.
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import jax
import pytest
from filelock import FileLock
from jaxtyping import install_import_hook

# The functions of these packages check the types and shapes of their arguments and results in all tests. As for mypy,
# an int is a float.
install_import_hook(
    ["kalm_jax.llm", "kalm_jax.grounding", "kalm_jax.offline_rl"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

from kalm_jax import progress  # noqa: E402
from kalm_jax.distributed import setup_jax  # noqa: E402
from tests.fixtures import SMALL_RUN  # noqa: E402
from tests.paths import ROOT  # noqa: E402

setup_jax(cpu_devices=2)
jax.devices()  # two from now on; a command that a test runs first would choose again, one for each core of the machine
progress.say_notes()  # no test shall find them in what it reads


LONG_FILES = (
    "pipeline/test_loaded_run.py",  # makes `small_run`, beside the next one, which does not wait for it
    "test_distributed.py",
    "test_notebooks.py",
    "pipeline/test_run.py",
    "test_docs.py",
    "test_api.py",
    "pipeline/test_run_folder.py",
    "grounding/test_trainer.py",
    "offline_rl/algorithms/test_decision_transformer.py",
    "grounding/test_explanation.py",
    "pipeline/test_planner.py",
    "pipeline/test_conditions.py",
    "pipeline/test_plans.py",
    "worlds/test_gymnasium.py",
)
"""Files of half a minute or more in the order in which CI's workers take them: what comes last is short."""


def pytest_collection_modifyitems(items):
    """The long files first, all others in the order of their names."""
    places = {ROOT / "tests" / file: place for place, file in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


# Tracing makes many small objects: to look for garbage as often as Python does takes an eighth of the tests' time.
gc.set_threshold(100_000, 50, 1000)

MAPPINGS = 3000
"""So many pieces of memory has a process with a thousand compiled programs, which take more than a gigabyte."""


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Compiled programs go where there are many: a process that keeps thousands of them can crash in XLA."""
    yield
    mappings = pathlib.Path("/proc/self/maps")
    if not mappings.exists() or mappings.read_bytes().count(b"\n") > MAPPINGS:
        jax.clear_caches()


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """Folder of a finished run on CLEVR-Robot, too short to learn anything; made once for all workers."""
    from kalm_jax.cli import main

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "small-run"
    with FileLock(f"{folder}.lock"):
        if not (folder / "report.html").exists():
            main.run("clevr", ["--preset=smoke", *SMALL_RUN, f"--output={folder}"])
    return folder


@pytest.fixture(scope="session")
def pendulum():
    """Random rollouts of Pendulum-v1, and their unnamed goal."""
    import gymnasium
    import numpy as np

    from kalm_jax.types import Rollouts, unnamed_goal

    env, rng = gymnasium.make("Pendulum-v1", max_episode_steps=20), np.random.default_rng(0)
    observations, actions, rewards = (
        np.zeros((8, 21, 3), np.float32),
        np.zeros((8, 20, 1), np.float32),
        np.zeros((8, 20)),
    )
    for i in range(8):
        observations[i, 0], _ = env.reset(seed=i)
        for t in range(20):
            actions[i, t] = rng.uniform(-2, 2, 1)
            observations[i, t + 1], rewards[i, t], *_ = env.step(actions[i, t])
    no, length = np.zeros(8, bool), np.full(8, 20, np.int32)
    rollouts = Rollouts(observations, actions, rewards.astype(np.float32), length, no, np.zeros(8, np.int32), no)
    return rollouts, unnamed_goal()
