"""The compilers of accelerators: a folder of packages beside this environment, which stays as it is.

Only the packages with a compiler are in the folder: libtpu, or JAX's CUDA plugin and NVIDIA's assembler. JAX itself and
everything else is this environment's, so that the versions cannot differ. The process that compiles finds the folder on
its path (`PYTHONPATH`); no other process does. Importing this module imports neither JAX nor NumPy.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Mapping

from kalm_jax.disk import check_room, size_text
from kalm_jax.files import read_json, replacing_folder, write_json
from kalm_jax.llm.named import cache_folder
from kalm_jax.pip import check_pip, run_pip
from kalm_jax.pipeline.compiling.targets import Target

RECORD = "compilers.json"
"""What a folder was made from."""


@dataclasses.dataclass(frozen=True)
class Compilers:
    """Packages with a compiler.

    Attributes:
      requirements: what pip is asked for. download, unpacked: their bytes, measured with jax 0.10.2.
    """

    kind: str
    requirements: tuple[str, ...]
    download: int
    unpacked: int


def compilers_for(kind: str) -> Compilers:
    """The packages for "tpu" or "gpu" that belong to the installed JAX.

    Raises:
      ValueError: the installed JAX does not say which libtpu it needs.
    """
    version = importlib.metadata.version("jaxlib")
    if kind == "gpu":
        plugin = (f"jax-cuda12-plugin=={version}", f"jax-cuda12-pjrt=={version}", "nvidia-cuda-nvcc-cu12>=12.6.85,<13")
        return Compilers(kind, plugin, 223_000_000, 600_000_000)
    for line in importlib.metadata.requires("jax") or ():
        if found := re.match(r"(libtpu\S*==[\d.*]+)\s*;.*extra == [\"']tpu[\"']", line):
            return Compilers(kind, (found[1],), 213_000_000, 720_000_000)
    raise ValueError(f"jax {importlib.metadata.version('jax')} does not say which libtpu it needs: install another one")


def compilers_folder(kind: str) -> pathlib.Path:
    """Where the packages are kept, a folder for each version of JAX and of Python."""
    python = f"py{sys.version_info.major}.{sys.version_info.minor}"
    return cache_folder(f"compilers/{kind}-jax{importlib.metadata.version('jaxlib')}-{python}")


def find_compilers(kind: str) -> pathlib.Path | None:
    """The folder, if it is there and whole."""
    folder = compilers_folder(kind)
    record = read_json(folder / RECORD, dict)
    wanted = list(compilers_for(kind).requirements)
    return folder if record is not None and record.get("requirements") == wanted else None


def fetch_compilers(kind: str) -> pathlib.Path:
    """The folder with the packages; pip brings them if they are not there.

    Raises:
      OSError, ValueError: pip is missing or cannot bring them, or the folder cannot be written.
    """
    if (found := find_compilers(kind)) is not None:
        return found
    wanted, folder = compilers_for(kind), compilers_folder(kind)
    if sys.platform != "linux":
        raise ValueError("the compilers of TPUs and GPUs come for Linux only; run this command there")
    check_pip("the compilers")
    print(
        f"the compilers for a {kind.upper()} are not there yet: brings {', '.join(wanted.requirements)} into {folder} "
        f"(a download of {size_text(wanted.download)}, {size_text(wanted.unpacked)} on disk; once)",
        flush=True,
    )
    check_room(folder, wanted.unpacked + wanted.download, "the compilers", "XDG_CACHE_HOME")
    if folder.exists():  # of another requirement, or damaged
        shutil.rmtree(folder)
    try:
        with replacing_folder(folder) as new:
            temporary = new / ".download"
            temporary.mkdir()
            run_pip("install", wanted.requirements, ("--no-compile", f"--target={new}"), temporary)
            shutil.rmtree(temporary, ignore_errors=True)
            write_json(new / RECORD, {"requirements": list(wanted.requirements)})
    except FileExistsError:  # another process was faster
        if find_compilers(kind) is None:
            raise
    return folder


def compiling_environment(target: Target, compilers: pathlib.Path | None) -> Mapping[str, str]:
    """The environment variables of a process that compiles for a target."""
    inherited = {name: value for name, value in os.environ.items() if name != "JAX_NUM_CPU_DEVICES"}
    path = [str(compilers)] * (compilers is not None) + [entry or os.getcwd() for entry in sys.path]
    variables = {
        **inherited,
        "PYTHONPATH": os.pathsep.join(path),
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONUNBUFFERED": "1",
    }
    if target.chip.kind == "tpu":
        variables |= {
            "TPU_SKIP_MDS_QUERY": "1",
            "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # two processes may compile at a time
            "TPU_ACCELERATOR_TYPE": target.accelerator,
            "TPU_WORKER_HOSTNAMES": "localhost",
        }
    return variables
