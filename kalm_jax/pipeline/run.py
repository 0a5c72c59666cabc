"""The main job: every stage in order. Each stage reads files of the run's folder and writes its own (`stages/`)."""

from __future__ import annotations

import pathlib
from typing import Any

from kalm_jax.distributed import is_main_process
from kalm_jax.llm import attention
from kalm_jax.llm.hf.folder import BUILTIN, check_folder
from kalm_jax.pipeline.artifacts import NOVEL_LEVELS, imagined_parts
from kalm_jax.pipeline.config import LLM_POLICY, PipelineConfig
from kalm_jax.pipeline.learners import configured_learner
from kalm_jax.pipeline.run_folder import RunFolder
from kalm_jax.pipeline.stages.baselines import run_baselines
from kalm_jax.pipeline.stages.collect import run_collect
from kalm_jax.pipeline.stages.encode import run_encode, run_whiten
from kalm_jax.pipeline.stages.evaluate import run_evaluate
from kalm_jax.pipeline.stages.explain import run_explain
from kalm_jax.pipeline.stages.ground import run_ground
from kalm_jax.pipeline.stages.imagine import run_imagine
from kalm_jax.pipeline.stages.learn import run_learn
from kalm_jax.pipeline.stages.llm_policy import run_llm_policy
from kalm_jax.pipeline.stages.oracle import run_oracle
from kalm_jax.pipeline.stages.prompts import run_prompts
from kalm_jax.pipeline.stages.replay import run_replay
from kalm_jax.pipeline.stages.report import write_report
from kalm_jax.report import terminal_table
from kalm_jax.types import LEVELS
from kalm_jax.worlds.base import get_world


def run(folder: str | pathlib.Path, config: PipelineConfig, command: str = "") -> list[dict[str, Any]]:
    """Runs every stage that is not done yet and prints the table of results.

        kalm_jax.run("runs/clevr", kalm_jax.PipelineConfig(world="clevr"))

    Several processes (`setup_jax`) call this together, with a folder that all of them see; the first prints.

    Args:
      folder: of the run; the same call continues a killed run.
      config: of the run; `pipeline.config.load_presets(world)` has tested ones.
      command: what the user called, for the record.

    Returns:
      The rows of `results.csv`; none in other processes than the first.

    Raises:
      ValueError: an unknown behavior policy, learner or world, or files that cannot be read.
    """
    # What cannot be read should fail now, not after an hour.
    world = get_world(config.world)
    if config.collect.behavior not in ("", *world.behaviors):
        raise ValueError(f"behavior {config.collect.behavior!r}: this world has {', '.join(world.behaviors)}")
    check_folder(config.ground.llm or BUILTIN)
    attention.check(config.ground.attention, config.ground.compute)
    if config.prompts:
        if world.read_prompts is None:
            raise ValueError(f"the world {config.world} reads no prompt files; leave {config.prompts} out")
        world.read_prompts(config.prompts)
    for algorithm in config.learn.learners:
        configured_learner(config, algorithm)
    run = RunFolder(folder, config, command)
    run_collect(run, config)
    run_ground(run, config)
    for part in ("data", "offline", *imagined_parts(config)):
        run_encode(run, config, part)
    if config.learn.whitening:
        run_whiten(run, config)
    for part in imagined_parts(config):
        run_imagine(run, config, part)
    for level in NOVEL_LEVELS:
        run_replay(run, config, level)
    run_explain(run, config)
    for level in LEVELS:
        run_baselines(run, config, level)
    if LLM_POLICY in config.learn.algorithms:
        for level in LEVELS:
            run_llm_policy(run, config, level)
    if "oracle" in config.learn.conditions and config.learn.learners:
        for level in NOVEL_LEVELS:
            run_oracle(run, config, level)
    for algorithm in config.learn.learners:
        for condition in config.learn.conditions:
            run_learn(run, config, algorithm, condition)
            for level in LEVELS:
                run_evaluate(run, config, algorithm, condition, level)
    if config.prompts:
        run_prompts(run, config)
    if not is_main_process():
        return []
    results = write_report(run, config, command)
    print(terminal_table(results, get_world(config.world).labels))
    print(f"report: {run.path / 'report.html'}")
    return results
