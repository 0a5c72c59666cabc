"""Curves for TensorBoard while a run works (`--tensorboard`); without `start` nothing is written.

Each stage writes into a folder of its own. A stage that continues after a kill begins at its last checkpoint, and the
points that the killed process wrote from there on are marked as purged: TensorBoard shows every step once.
"""

from __future__ import annotations

import atexit
import pathlib
import time
from collections.abc import Iterable, Mapping
from typing import Any

from kalm_jax.distributed import is_main_process

FLUSH_SECONDS = 10
"""Points are on disk after so many seconds."""
_folder: pathlib.Path | None = None
_writers: dict[str, Any] = {}


def start(folder: pathlib.Path | str) -> None:
    """From now on scalars are written below a folder, which is made with the first of them.

    Raises:
      ImportError: tensorboardX is not installed.
    """
    global _folder
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise ImportError(f"--tensorboard: {error}; install it by pip install 'kalm_jax[tensorboard]'") from error
    stop()
    _folder = pathlib.Path(folder)
    atexit.register(stop)


def stop() -> None:
    """Writes what is waiting, and writes no more."""
    global _folder
    for writer in _writers.values():
        writer.close()
    _writers.clear()
    _folder = None


def add(stage: str, step: int, scalars: Mapping[str, float]) -> None:
    """Writes numbers of a stage at a step; the first call for a stage in this process has its smallest step."""
    if _folder is None or not scalars or not is_main_process():
        return
    if stage not in _writers:
        from tensorboardX import SummaryWriter

        # Files are read in the order of their names, which have whole seconds only.
        suffix = f".{time.time_ns()}"
        _writers[stage] = SummaryWriter(
            str(_folder / stage), purge_step=step, flush_secs=FLUSH_SECONDS, filename_suffix=suffix
        )
    for name, value in scalars.items():
        _writers[stage].add_scalar(name, float(value), step)


def add_curve(stage: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes rows of a learner's curve, with seed, update, metric and value: a curve for each metric and seed."""
    for row in rows:
        add(stage, row["update"], {f"{row['metric']}/seed_{row['seed']}": row["value"]})
