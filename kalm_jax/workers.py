"""Worker processes that end with this one and leave Ctrl-C to it, whatever it is that ends it."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.resource_tracker
import os
import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing.connection import wait

_QUIET = "ignore:resource_tracker:UserWarning"


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes that are started in the block never see the Ctrl-C of their terminal, not even while they import."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # Its start would let the signal through again. It says nothing about semaphores of a process that is stopped.
    sys.warnoptions.append(_QUIET)
    try:
        multiprocessing.resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(_QUIET)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Ends this worker process as soon as the process that started it is dead; called in the worker."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
