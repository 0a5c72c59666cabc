"""The process that compiles: `python -m kalm_jax.pipeline.compiling.worker` with a request as JSON in its input.

It runs with the compilers on its path and computes on a CPU. Rows are appended to a file as they are done. Before a
program is compiled, what is known of it is written to a second file: if the compiler takes the process down, the other
process knows where.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import tempfile
from typing import Any


@dataclasses.dataclass(frozen=True)
class Request:
    """What is compiled.

    Attributes:
      target: its name in `TARGETS`; "cpu" are simulated devices. config: a `PipelineConfig` as nested mappings.
      mesh: its shape as text.
      only: kinds of programs; none are all. skipped: fingerprints of programs to leave out.
      rows: file of the rows; those that are there with the same fingerprint and versions are not made again.
      begun: file of the program that is being compiled.
    """

    target: str
    config: dict[str, Any]
    mesh: str
    only: tuple[str, ...]
    skipped: tuple[str, ...]
    rows: str
    begun: str


def main() -> None:
    """Compiles what the request in the input asks for."""
    from kalm_jax import progress

    progress.silence()  # the stages that are described have lines of their own
    compile_all(Request(**json.load(sys.stdin)))


def compile_all(request: Request) -> None:
    """Appends a row for each program that has none yet, and prints the row's number in the job and its name."""
    import jax

    from kalm_jax.files import read_json_lines, remove, write_json, write_json_lines
    from kalm_jax.pipeline.compiling.catalog import Job, architecture_folder
    from kalm_jax.pipeline.compiling.counts import COUNTING
    from kalm_jax.pipeline.compiling.measure import compiled_row, described_row, devices_of
    from kalm_jax.pipeline.compiling.targets import SIMULATED, TARGETS
    from kalm_jax.pipeline.config import PipelineConfig
    from kalm_jax.settings import build
    from kalm_jax.sharding import parse_mesh_shape

    target, rows = TARGETS.get(request.target, SIMULATED), pathlib.Path(request.rows)
    config = build(PipelineConfig, request.config)
    with tempfile.TemporaryDirectory() as folder:
        llm = architecture_folder(config.ground.llm, pathlib.Path(folder) / "model")
        config = dataclasses.replace(config, ground=dataclasses.replace(config.ground, llm=llm))
        job = Job(config, parse_mesh_shape(request.mesh), devices_of(target), target.chip.kind)
        versions = {"jax": jax.__version__, "target": request.target, "counting": COUNTING}
        for entry in job.entries():
            if request.only and entry.kind not in request.only:
                continue
            row, lowered = described_row(entry, job)
            row |= versions
            known = read_json_lines(rows) if rows.exists() else []
            same = [k for k in known if all(k.get(n) == row[n] for n in (*versions, "program", "fingerprint"))]
            if not same and row["fingerprint"] not in request.skipped:
                write_json(pathlib.Path(request.begun), row)
                print(json.dumps({"begins": entry.name}), flush=True)
                row = compiled_row(row, lowered, target)
                write_json_lines(rows, [*known, row])
                remove(request.begun)
            elif same:
                row = same[-1]
            else:
                continue
            print(json.dumps({"done": row}), flush=True)


if __name__ == "__main__":
    main()
