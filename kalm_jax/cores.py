"""How many CPU cores this process may use."""

import os


def available_cores() -> int:
    """Returns the number of CPU cores that this process may run on, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
