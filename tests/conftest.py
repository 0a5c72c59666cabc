"""Two CPU devices, so that every test also runs the split over devices."""

import jax
import pytest

from kalm_jax.distributed import setup_jax

setup_jax(cpu_devices=2)


@pytest.fixture(autouse=True, scope="module")
def forget_programs():
    """Compiled programs of a file's tests go with it: a process that keeps thousands of them can crash in XLA."""
    yield
    jax.clear_caches()


@pytest.fixture(scope="session")
def small_run(tmp_path_factory):
    """The folder of a small finished run of CLEVR-Robot: behavior cloning and a Decision Transformer, one seed."""
    import dataclasses

    from kalm_jax.pipeline import config, run

    smoke = config.load_presets("clevr")["smoke"]
    small = dataclasses.replace(
        smoke,
        collect=config.CollectConfig(rollouts=40),
        ground=dataclasses.replace(smoke.ground, steps=4),
        metrics=config.MetricsConfig(every=0),
        imagine=dataclasses.replace(
            smoke.imagine, rephrase=8, unseen_easy=8, unseen_hard=8, explained=2, explanation_draws=0, replayed=4
        ),
        learn=dataclasses.replace(smoke.learn, algorithms=("bc", "decision_transformer"), seeds=1, updates=8),
        evaluate=config.EvaluateConfig(episodes=2, expert_episodes=1),
    )
    folder = tmp_path_factory.mktemp("small") / "run"
    run.run(folder, small, "a test")
    return folder
