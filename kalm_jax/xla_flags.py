"""The flag with which XLA compiles right on a CPU. This module imports neither JAX nor NumPy.

From jaxlib 0.10.2 on (0.12.0.1 is the newest tried) XLA hands products followed by sums to a library, YNNPACK, as one
piece, and the sum can come out wrong with no error (jax issue 39103 and its kin). With the flag, YNNPACK computes
single products only. `python -m benchmarks.miscompilation` compares all programs of the main job with it and without.
"""

from __future__ import annotations

import mmap
import os
import pathlib
import re
import sys

FLAG = "xla_cpu_experimental_ynn_fusion_type"
SAFE_FLAG = f"--{FLAG}=individual_dot"
FIRST_AFFECTED = (0, 10, 2)
"""The first version of jaxlib that miscompiles; 0.8.1 to 0.10.1 know the flag and need none, 0.8.0 does not know it."""


def avoid_miscompilation() -> str:
    """Adds the safe flag to `$XLA_FLAGS`, where this jaxlib needs it; called before JAX looks for devices.

    Nothing changes where `$XLA_FLAGS` has this flag already, with whatever value, or where JAX has its devices: it
    reads its flags then.

    Returns:
      A line about what was done, or "" where nothing was.
    """
    given = os.environ.get("XLA_FLAGS", "")
    if FLAG in given or not _affected() or _has_devices():
        return ""
    os.environ["XLA_FLAGS"] = f"{given} {SAFE_FLAG}".lstrip()
    from jaxlib.version import __version__

    return (
        f"XLA_FLAGS has {SAFE_FLAG} from now on: jaxlib {__version__} computes some sums wrong on CPUs without it "
        "(jax issue 39103). To choose yourself, set it in XLA_FLAGS."
    )


def _affected() -> bool:
    """Whether this jaxlib is of a version that miscompiles, and knows the flag: it ends the process otherwise."""
    import jaxlib
    from jaxlib.version import __version__

    if tuple(map(int, re.findall(r"\d+", __version__)[:3])) < FIRST_AFFECTED:
        return False
    libraries = [path for folder in jaxlib.__path__ for path in pathlib.Path(folder).glob("*jax_common.*")]
    return any(_holds(path, FLAG.encode()) for path in libraries)


def _holds(path: pathlib.Path, text: bytes) -> bool:
    """Whether a file has a text. One that has it takes milliseconds, another of 350 MB a fifth of a second."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(text) >= 0


def _has_devices() -> bool:
    """Whether JAX has begun to use devices. JAX has no public name for this."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bridge.backends_are_initialized()
