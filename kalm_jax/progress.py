"""One progress line for long stages: how far, how fast, how much longer; plain lines where there is no terminal."""

from __future__ import annotations

import collections
import math
import os
import shutil
import sys
import time

BAR_WIDTH = 20
RATE_WINDOW_SECONDS = 30.0
"""Rate and time left follow the last seconds only: the first steps of a stage compile and would spoil an average."""


def format_seconds(seconds: float) -> str:
    """Seconds as `m:ss`, or `h:mm:ss` from an hour on; `?` where the number is not finite."""
    if not math.isfinite(seconds):
        return "?"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"


def format_value(value) -> str:
    """A number with four significant digits at most, whole numbers as they are, anything else as its text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    if math.isfinite(number) and number == int(number) and abs(number) < 1e6:
        return str(int(number))
    return f"{number:.4g}"


def is_terminal(stream) -> bool:
    """True where a line can be drawn over: an interactive stream that is not a `TERM=dumb` one."""
    return bool(getattr(stream, "isatty", lambda: False)()) and os.environ.get("TERM") != "dumb"


_shown = True


def silence() -> None:
    """From now on nothing is shown, unless a stream is given: of several processes the first speaks for all."""
    global _shown
    _shown = False


class _Nowhere:
    """A stream that keeps nothing."""

    def write(self, text: str) -> None:
        pass

    def flush(self) -> None:
        pass


class Progress:
    """Shows the progress of one stage; use as a context manager and call `update` as often as you like.

        with Progress("ground", total=2500) as progress:
            for step in range(2500):
                ...
                progress.update(step + 1, loss=loss)

    On a terminal one line is redrawn every `redraw_seconds` at most. Elsewhere (a file, a CI log) a plain line is
    printed every `line_seconds` at most. The last state is always printed, also when the stage ends in an error.

    Values are turned into text only when a line is drawn, so a device array given to `update` is rarely waited for.

    Args:
      label: name of the stage.
      total: number of steps of the whole stage, at least 0.
      stream: where to write; the standard error stream of the moment when None.
      initial: steps that an earlier run has done already: shown as done, left out of the rate.
      clock: a function that returns seconds, for tests.
    """

    def __init__(
        self,
        label: str,
        total: int,
        stream=None,
        *,
        initial: int = 0,
        redraw_seconds: float = 0.25,
        line_seconds: float = 10.0,
        clock=time.monotonic,
    ):
        if total < 0 or not 0 <= initial <= total:
            raise ValueError(f"progress of {label!r}: want 0 <= initial <= total, got initial={initial}, total={total}")
        self.label, self.total = label, total
        self.done, self.values = initial, {}
        self._stream = (sys.stderr if _shown else _Nowhere()) if stream is None else stream
        self._redraws = is_terminal(self._stream)
        self._pause = redraw_seconds if self._redraws else line_seconds
        self._clock = clock
        self._began = clock()
        self._initial = initial
        self._history = collections.deque([(self._began, initial)])
        self._drawn_at = -math.inf if self._redraws else self._began
        self._shown = None

    def __enter__(self) -> Progress:
        if self._redraws:
            self._draw(self._clock())
        return self

    def __exit__(self, kind, error, trace) -> None:
        self.close()

    def update(self, done: int, **values) -> None:
        """Notes that `done` of the total steps are finished; `values` (such as a loss) are shown behind."""
        self.done = done
        if values:
            self.values = values
        now = self._clock()
        if now - self._drawn_at >= self._pause:
            self._draw(now)

    def close(self) -> None:
        """Prints the last state and ends the line; called by `with`."""
        self._draw(self._clock(), last=True)
        if self._redraws:
            self._stream.write("\n")
        self._stream.flush()

    def rate(self, now: float) -> float:
        """Steps per second over the last `RATE_WINDOW_SECONDS`, NaN before any time has passed."""
        began, done = self._history[0]
        return (self.done - done) / (now - began) if now > began else math.nan

    def line(self, now: float, last: bool = False) -> str:
        """The text of the progress line at the time `now`; the last line tells the whole time, not the time left."""
        share = self.done / self.total if self.total else 1.0
        filled = int(BAR_WIDTH * min(1.0, max(0.0, share)))
        elapsed = now - self._began
        rate = self.rate(now)
        if last:
            rate = (self.done - self._initial) / elapsed if elapsed > 0 else math.nan
        remaining = (self.total - self.done) / rate if rate > 0 else math.inf
        parts = [
            f"{self.label:<10}",
            f"{int(100 * share):3d}%",
            f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}]",
            f"{self.done}/{self.total}",
            f"{rate:.3g}/s" if math.isfinite(rate) else "",
            f"took {format_seconds(elapsed)}" if last else f"left {format_seconds(remaining)}",
            *(f"{name} {format_value(value)}" for name, value in self.values.items()),
        ]
        return "  ".join(part for part in parts if part)

    def _draw(self, now: float, last: bool = False) -> None:
        text = self.line(now, last)
        if self._redraws:
            width = shutil.get_terminal_size().columns - 1
            # Trailing blanks wipe what a longer line before left behind.
            self._stream.write("\r" + text[:width].ljust(min(width, len(self._shown or ""))))
            self._shown = text[:width]
        else:
            self._stream.write(text + "\n")
        self._stream.flush()
        self._drawn_at = now
        self._history.append((now, self.done))
        while len(self._history) > 2 and now - self._history[1][0] >= RATE_WINDOW_SECONDS:
            self._history.popleft()
