"""What a part of a program costs besides its time: seconds of compiling, bytes of memory.

Compiling is what JAX itself reports: tracing, lowering, and compiling or reading the compiled program from the cache.
Memory is that of the first device where it counts it (accelerators), else that of the process (peak resident set).
"""

from __future__ import annotations

import bisect
import contextlib
import pathlib
import sys
import time
from collections.abc import Iterable

from kalm_jax.malloc import trim_malloc

_COMPILING = "/jax/core/compile/"
_SELF = pathlib.Path("/proc/self")
_spans: list[tuple[float, float]] = []
_listening = False


def listen() -> None:
    """Starts recording when JAX compiles in this process; another call does nothing."""
    global _listening
    import jax

    if not _listening:
        jax.monitoring.register_event_duration_secs_listener(_note)
        _listening = True


def _note(event: str, seconds: float, **_) -> None:
    if event.startswith(_COMPILING):
        now = time.perf_counter()  # JAX says so at its end
        _spans.append((now - seconds, now))


def compile_spans() -> list[tuple[float, float]]:
    """When JAX compiled since `listen`, in seconds of `time.perf_counter`: disjoint spans, in order.

    Events overlap (tracing a function traces those it calls, threads compile at once); a second counts once.
    """
    return union(_spans)


def union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Disjoint spans (begin, end) in order that cover what `spans` cover."""
    out: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return out


def covered(spans: list[tuple[float, float]], begin: float, end: float) -> float:
    """Seconds between `begin` and `end` that lie in `spans`, which are disjoint and in order."""
    first = max(0, bisect.bisect(spans, (begin,)) - 1)
    total = 0.0
    for i in range(first, len(spans)):
        if spans[i][0] >= end:
            break
        total += max(0.0, min(end, spans[i][1]) - max(begin, spans[i][0]))
    return total


class Watch:
    """Compiling and memory since its creation."""

    def __init__(self):
        listen()
        self._begun = time.perf_counter()
        trim_malloc()  # what `configure_malloc` keeps is not in use, and would hide what is new
        self._fresh = forget_peak()
        self._before, self._peak = memory_now(), memory_peak()

    def compiling(self) -> float:
        """Seconds (of wall time) in which JAX compiled."""
        return covered(compile_spans(), self._begun, time.perf_counter())

    def memory(self) -> int | None:
        """Bytes at the peak beyond those in use before; None where an earlier peak hides it."""
        peak = memory_peak()
        if peak is None or self._peak is None or not (self._fresh or peak > self._peak):
            return None
        return max(0, peak - (self._peak if self._before is None else self._before))


def memory_now() -> int | None:
    """Bytes in use now; None where that is unknown."""
    stats = _device()
    return stats["bytes_in_use"] if stats else _status("VmRSS")


def memory_peak() -> int | None:
    """Most bytes that were in use at once: since `forget_peak` where that works, else since the start."""
    stats = _device()
    if stats:
        return stats.get("peak_bytes_in_use")
    return _status("VmHWM") or _most_resident()


def forget_peak() -> bool:
    """Resets the peak of this process; returns whether that is possible (on Linux, not for a device's memory)."""
    if _device() or not (_SELF / "clear_refs").exists():
        return False
    with contextlib.suppress(PermissionError):  # some containers forbid it: the peak is then that since the start
        (_SELF / "clear_refs").write_text("5")
        return True
    return False


def _device() -> dict:
    """The memory statistics of the first device; nothing where JAX runs on the CPU or has not started."""
    if "jax" not in sys.modules:
        return {}
    import jax

    return jax.devices()[0].memory_stats() or {}


def _status(name: str) -> int | None:
    """Bytes of a line of /proc/self/status, where there is such a file."""
    if not (_SELF / "status").exists():
        return None
    for line in (_SELF / "status").read_text().splitlines():
        if line.startswith(name + ":"):
            return 1024 * int(line.split()[1])
    return None


def _most_resident() -> int:
    """The peak resident set since the start, in bytes."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
