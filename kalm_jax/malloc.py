"""Settings of glibc's memory allocator. This module imports neither JAX nor NumPy."""

import ctypes
import os
import platform


def configure_malloc() -> None:
    """Keeps freed memory in the process, in blocks of up to 1 GiB.

    XLA allocates the intermediate results of a program at every call. By default glibc returns such large blocks to the
    system each time, and a small model then spends much of its CPU time on page faults. All threads share one arena,
    because only the main arena can hold such blocks. Arenas that exist already (of a notebook's threads) stay, so call
    this before NumPy and JAX are imported. Nothing is changed without glibc, or where `$MALLOC_ARENA_MAX` or
    `$GLIBC_TUNABLES` configure the allocator.
    """
    if not _is_glibc() or {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"} & os.environ.keys():
        return
    arena_max, mmap_threshold, trim_threshold, top_pad = -8, -3, -1, -2  # malloc.h
    options = {arena_max: 1, mmap_threshold: 2**30, trim_threshold: 2**31 - 1, top_pad: 2**28}
    libc = ctypes.CDLL(None)
    for option, value in options.items():
        libc.mallopt(option, value)


def trim_malloc() -> None:
    """Returns freed memory to the system once. What `configure_malloc` has set stays in force."""
    if _is_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _is_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
