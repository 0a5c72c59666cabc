"""Ctrl-C and SIGTERM: one line, the exit code of the signal, and no traceback, whatever the program is doing.

A thread learns of the signal at once, also while the main thread compiles or computes, says the line, and silences what
other threads and libraries would print. The main thread gets a `KeyboardInterrupt`, so that temporary files, locks and
child processes go in order; if that takes longer than `GRACE` seconds, the process ends all the same. While a module is
imported it ends at once. Nothing is lost by that: files are written whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time

TYPE_CHECKING = False  # for type checkers it is True; see `kalm_jax.cli.main` for why little is imported here
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import NoReturn

GRACE = 3.0
"""Seconds in which a stopped program may end in order."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stopping_with(line: str) -> Iterator[None]:
    """Ends this process with `line` on stderr when Ctrl-C or SIGTERM comes in the block, with 130 or 143.

    In other threads than the main one, where Python knows no signals, the block is as it is without.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopped = threading.Event()
    code = [0]

    def watch() -> None:
        while number := os.read(reader, 1):
            if number[0] in _SIGNALS:
                code[0] = 128 + number[0]
                _say_last(line)
                stopped.set()
                time.sleep(GRACE)
                _end(code[0])

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in _SIGNALS:  # once is enough
            signal.signal(each, signal.SIG_IGN)
        # Only then is stderr silent: where Python ignores an exception (in callbacks of its garbage collection, in
        # `__del__`) it prints it. An event's own `wait` may be what was interrupted.
        end = time.monotonic() + GRACE
        while watcher.is_alive() and not stopped.is_set() and time.monotonic() < end:
            time.sleep(0.002)
        if _imports(frame):
            _end(128 + number)
        raise KeyboardInterrupt

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    handlers = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        os.close(writer)
        while watcher.is_alive():  # until the end of its pipe, unless a signal came
            if stopped.wait(0.005):
                _end(code[0])
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        os.close(reader)


def _imports(frame: FrameType | None) -> bool:
    """Whether a module is being imported there. NumPy and JAX crash where their C code meets an exception then."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _say_last(line: str) -> None:
    """Writes a line to stderr, after which nothing more is seen there."""
    begin = "\n" if sys.stderr is not None and sys.stderr.isatty() else ""  # below a progress line
    with contextlib.suppress(OSError):
        os.write(2, f"{begin}{line}\n".encode())
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _end(code: int) -> NoReturn:
    try:
        if "multiprocessing.process" in sys.modules:
            for child in sys.modules["multiprocessing.process"].active_children():
                child.kill()
        if "kalm_jax.locks" in sys.modules:
            sys.modules["kalm_jax.locks"].release_all()
        sys.stdout.flush()
    finally:  # also where one of these is only half imported
        os._exit(code)
