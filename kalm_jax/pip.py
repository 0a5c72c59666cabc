"""Packages of the package index, brought by pip as it is configured here (indexes, mirrors, certificates, cache)."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

from kalm_jax.disk import naming_full_disk


def run_pip(verb: str, requirements: Sequence[str], options: Sequence[str], folder: pathlib.Path) -> None:
    """`pip VERB` of requirements without what they depend on, wheels only.

    Args:
      verb: "download" or "install".
      options: besides, such as --dest.
      folder: where pip's temporary files go, so that they are deleted with it, however this process ends.

    Raises:
      OSError: pip cannot bring them; the reason is pip's own, in one line. ValueError: this Python has no pip.
    """
    wanted = ", ".join(requirements)
    check_pip(wanted)
    common = ("--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input")
    command = [sys.executable, "-m", "pip", verb, *common, *options, *requirements]
    seen = None if sys.stdout is not None and sys.stdout.isatty() else subprocess.DEVNULL  # pip's progress
    environment = {**os.environ, "TMPDIR": str(folder.absolute())}
    with naming_full_disk(folder.parent.parent):
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=seen, stderr=subprocess.PIPE, env=environment)
        try:
            said = pip.communicate()[1].decode(errors="replace")
        finally:  # it writes nothing more when the folder is deleted
            pip.kill()
            pip.wait()
        if pip.returncode:
            raise OSError(
                f"pip could not bring {wanted} ({_reason(said)}): look at the network and at pip's index "
                "(pip config list), and run the same command again"
            )


def check_pip(wanted: str) -> None:
    """Raises a ValueError where this Python has no pip, which is to bring `wanted`."""
    if importlib.util.find_spec("pip") is None:
        raise ValueError(
            f"this Python has no pip, which brings {wanted}: install it (python -m ensurepip, or uv pip "
            "install pip) and run the same command again"
        )


def _reason(said: str) -> str:
    """What pip complained about, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    broken = [line for line in lines if "connection broken by" in line]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ") and "Exception" not in line]
    if broken:
        return broken[-1].partition("connection broken by ")[2][:200]
    return (errors or lines or ["it gave no reason"])[-1][:300]
