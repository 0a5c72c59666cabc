"""The progress line of a long stage, drawn by tqdm: how far it is, how fast, and how much longer it takes.

On a terminal one line is redrawn. Elsewhere (a file, a CI log) a plain line is printed every so often.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from tqdm import tqdm

REDRAW_SECONDS, LINE_SECONDS = 0.25, 10.0
"""Least seconds between two drawings of the line on a terminal, and between two plain lines elsewhere."""
LINE_FORMAT = "{desc}: {percentage:3.0f}%  {n_fmt}/{total_fmt}  [{elapsed}<{remaining}, {speed}{postfix}]"
BAR_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {speed}{postfix}]"

_silent = False
_notes: list[str] = []


def silence() -> None:
    """Shows no progress from now on in this process; called in all processes of a job but the main one."""
    global _silent
    _silent = True


def note(line: str) -> None:
    """Keeps a line that is said before the first progress line: a command that is refused before has its error alone.

    An empty one is none.
    """
    if line:
        _notes.append(line)


def say_notes() -> None:
    """Says the kept lines, each once."""
    while _notes:
        line = _notes.pop(0)
        if not _silent:
            print(line, file=sys.stderr, flush=True)


def format_value(value: Any) -> str:
    """Returns a number (also a 0-d array) with at most four significant digits, anything else as its text."""
    try:
        return f"{float(value):.4g}"
    except (TypeError, ValueError):
        return str(value)


class Progress:
    """Shows the progress of one stage; a context manager whose `update` may be called as often as one likes.

        with Progress("ground", total=2500) as progress:
            for step in range(2500):
                ...
                progress.update(step + 1, loss=loss)

    The rate and the time left follow the last updates, because the first steps of a stage compile. Metrics are turned
    into text only when a line is drawn, so a device array given to `update` is rarely waited for. The last state is
    always drawn, also when the stage ends in an error.

    Args:
      label: name of the stage. total: its number of steps. initial: those that an earlier run has done.
      stream: where to write; `sys.stderr` when None.
      unit: what one of the total is called, such as "rollout".
      seconds: least time between two drawings; by default 0.25 on a terminal and 10 elsewhere.

    Raises:
      ValueError: `initial` is not in 0..total.
    """

    def __init__(
        self,
        label: str,
        total: int,
        stream: TextIO | None = None,
        *,
        unit: str = "step",
        initial: int = 0,
        seconds: float | None = None,
    ) -> None:
        if not 0 <= initial <= total:
            raise ValueError(f"progress of {label!r}: want 0 <= initial <= total, got initial={initial}, total={total}")
        say_notes()
        stream = sys.stderr if stream is None else stream
        terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._bar = _Bar(
            desc=label,
            total=total,
            initial=initial,
            file=stream if terminal else _Lines(stream),
            disable=_silent,
            dynamic_ncols=terminal,
            bar_format=BAR_FORMAT if terminal else LINE_FORMAT,
            mininterval=(REDRAW_SECONDS if terminal else LINE_SECONDS) if seconds is None else seconds,
            miniters=1,
            smoothing=0.05 if terminal else 0.5,
            unit=unit,
        )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, done: int, _total: int = 0, /, **metrics: Any) -> None:
        """Notes that `done` of the total steps are finished; `metrics` (such as a loss) are shown behind them.

        Those who call back with the total as well may be given this method itself.
        """
        if metrics:
            self._bar.metrics = metrics
        self._bar.update(done - self._bar.n)

    def resume(self, done: int) -> None:
        """Notes that an earlier run has done so many of the total, as `initial` does."""
        self._bar.initial = self._bar.n = self._bar.last_print_n = done
        self._bar.start_t = self._bar.last_print_t = self._bar._time()


class _Bar(tqdm):
    """A bar that turns its metrics into text only when it is drawn."""

    monitor_interval = 0  # tqdm's thread would only be needed where `miniters` is guessed.
    metrics: Mapping[str, Any] = {}

    @property
    def format_dict(self) -> dict[str, Any]:
        shown = ", ".join(f"{name} {format_value(value)}" for name, value in self.metrics.items())
        about = super().format_dict
        passed, done = about["elapsed"], about["n"] - about["initial"]
        rate = about["rate"] or (done / passed if passed else 0.0)
        speed = f"{rate:.3g} {about['unit']}s/s" if rate >= 1 else f"{1 / rate:.3g} s/{about['unit']}" if rate else "-"
        return {**about, "postfix": shown or None, "speed": speed}


class _Lines:
    """A stream that gets what tqdm draws over one line as lines below each other."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if text := text.strip():
            self._stream.write(text + "\n")

    def flush(self) -> None:
        self._stream.flush()
