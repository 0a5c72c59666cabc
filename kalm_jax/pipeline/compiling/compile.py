"""Compiling a job for a target in another process, which has the target's compilers."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

from kalm_jax.files import read_json, remove
from kalm_jax.llm.named import find_model
from kalm_jax.pipeline.compiling.environment import compiling_environment, fetch_compilers
from kalm_jax.pipeline.compiling.report import finished
from kalm_jax.pipeline.compiling.targets import ARCHITECTURES, SIMULATED, Target
from kalm_jax.pipeline.config import PipelineConfig

Row = dict[str, Any]


def compile_job(
    config: PipelineConfig,
    target: Target,
    folder: pathlib.Path,
    *,
    mesh: str = "",
    only: Sequence[str] = (),
    job: str = "",
    say: Callable[[Row], None] = lambda row: None,
    begin: Callable[[str], None] = lambda name: None,
) -> list[Row]:
    """Compiles the programs of a job for a target, and returns their finished rows.

    Args:
      config: of the job; its language model may be a name in `ARCHITECTURES`.
      folder: where rows are kept as they are done; those that are there are not made again.
      mesh: its shape, as `--mesh` has it.
      only: kinds of programs (`targets.KINDS`); none are all.
      job: what it is called in the rows.
      say: called with each row, `begin` with the name of each program before it is compiled.

    Raises:
      OSError, ValueError: the compilers cannot be fetched, or the job cannot be described; one line.
    """
    if config.ground.llm and config.ground.llm not in ARCHITECTURES:
        find_model(config.ground.llm)  # here, where a download is seen
    compilers = None if target is SIMULATED else fetch_compilers(target.chip.kind)
    folder.mkdir(parents=True, exist_ok=True)
    begun, rows, skipped = folder / f".{target.name}.begun", list[Row](), list[str]()
    request = {
        **{"target": target.name, "config": dataclasses.asdict(config), "mesh": mesh, "only": list(only)},
        **{"rows": str(folder / f"{target.name}.jsonl"), "begun": str(begun)},
    }

    def take(row: Row) -> None:
        if row["program"] not in {known["program"] for known in rows}:  # of a process before one that was taken down
            rows.append(finished(row, target, job))
            say(rows[-1])

    while True:
        remove(begun)
        code, error = _run(request | {"skipped": skipped}, target, compilers, take, begin)
        crashed = read_json(begun, dict) if code < 0 else None
        remove(begun)
        if not code:
            return rows
        if crashed is None or crashed["fingerprint"] in skipped:
            raise ValueError(error or f"the process that compiles ended with {code}")
        name = signal.Signals(-code).name
        why = "the machine's memory may be too small" if name == "SIGKILL" else "the compiler crashed"
        skipped.append(crashed["fingerprint"])
        take({**crashed, "compiles": False, "reason": f"{why} ({name})"})


def _run(
    request: dict[str, Any],
    target: Target,
    compilers: pathlib.Path | None,
    take: Callable[[Row], None],
    begin: Callable[[str], None],
) -> tuple[int, str]:
    """(exit status, last line of the errors) of the process that compiles."""
    command = [sys.executable, "-m", "kalm_jax.pipeline.compiling.worker"]
    environment = dict(compiling_environment(target, compilers))
    with tempfile.TemporaryFile("w+") as errors:  # compilers write much there
        worker = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True
        )
        try:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.write(json.dumps(request))
            worker.stdin.close()
            for text in worker.stdout:
                if text.startswith('{"begins"'):
                    begin(json.loads(text)["begins"])
                elif text.startswith('{"done"'):
                    take(json.loads(text)["done"])
            code = worker.wait()
        finally:
            worker.kill()
            worker.wait()
        errors.seek(0)
        said = [line.strip() for line in errors if line.strip()]
        return code, re.sub(r"^[\w.]*(Error|Exception): ", "", said[-1]) if said else ""
