"""How a process has its memory from the system; imports neither JAX nor NumPy."""

import ctypes
import os
import platform


def keep_memory() -> None:
    """Lets freed memory stay with this process, up to blocks of 1 GiB.

    XLA takes the memory of a program's intermediate results anew for every call. glibc hands such large blocks back to
    the system each time, and much of the CPU time of small models goes into getting their pages again. One
    arena is shared by all threads, since those of the others cannot hold such blocks; arenas from before (of a
    notebook's threads) stay, and blocks that fall to them come anew as ever. Without glibc, and where
    `$MALLOC_ARENA_MAX` or `$GLIBC_TUNABLES` say how memory is to be had, nothing is changed.
    """
    if not _glibc() or {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"} & os.environ.keys():
        return
    arena_max, mmap_threshold, trim_threshold, top_pad = -8, -3, -1, -2  # malloc.h
    options = {arena_max: 1, mmap_threshold: 2**30, trim_threshold: 2**31 - 1, top_pad: 2**28}
    libc = ctypes.CDLL(None)
    for option, value in options.items():
        libc.mallopt(option, value)


def give_back() -> None:
    """Freed memory goes back to the system, where glibc is asked for memory; what `keep_memory` set stays."""
    if _glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
