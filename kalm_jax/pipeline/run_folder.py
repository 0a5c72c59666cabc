"""A run's folder: its configuration, and stages with their files, what they depend on, and how a killed run continues.

`run.json` holds the whole configuration (`read_run`). Each stage has a folder of its own. `begun.json` holds its
fingerprint from its first moment, `done.json` once it is complete: a hash of its settings, of its source code
(`pipeline.source`) and of the stages it needs. A stage with the same fingerprint is continued or skipped; another one
starts again, with a line that says why, and with it every stage that needs it.

Of several processes (`setup_jax`) the first writes files; the folder is one that all of them see.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import kalm_jax
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.files import Path, read_json, write_json
from kalm_jax.pipeline.config import OfflineConfig, PipelineConfig
from kalm_jax.pipeline.source import source_hashes
from kalm_jax.settings import build
from kalm_jax.worlds.base import get_world

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "transformers", "gymnasium", "mujoco", "numpy")
"""Packages whose versions a manifest lists."""
SCHEMA = 1
"""Version of the folder's layout; it rises when a reader of the old layout cannot read the new one."""
Say = Callable[[str], None]
CONFIGS = {"pipeline": PipelineConfig, "offline": OfflineConfig}
"""Kind of run, as run.json says it -> its configuration."""


def read_run(folder: str | pathlib.Path) -> PipelineConfig | OfflineConfig:
    """The configuration of the run in a folder.

    Raises:
      FileNotFoundError: no run has begun there.
      ValueError: its schema is another one, or the configuration is damaged.
    """
    path = pathlib.Path(folder) / "run.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not the folder of a run: it has no run.json")
    content = _checked(path, read_json(path))
    try:
        return build(CONFIGS[content["kind"]], content["configuration"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): run the command that made the run again") from error


def _checked(path: pathlib.Path, content: Any) -> dict[str, Any]:
    """What a run.json says, of this schema; ValueError otherwise."""
    if not isinstance(content, dict) or not {"schema", "kind", "configuration"} <= content.keys():
        raise ValueError(f"{path} is damaged: run the command that made the run again")
    if content["schema"] != SCHEMA:
        raise ValueError(
            f"{path} has schema {content.get('schema')!r} and this version of kalm_jax reads {SCHEMA}: use the version "
            f"that made it ({content.get('kalm_jax')}), or another folder"
        )
    return content


def make_manifest(config: PipelineConfig | OfflineConfig, command: str) -> dict[str, Any]:
    """What a reader needs to repeat a run: command, configuration, versions, hardware."""
    import jax

    versions = {"kalm_jax": kalm_jax.__version__, "python": platform.python_version()}
    hardware = {"platform": platform.platform(), "cores": os.cpu_count(), "devices": [str(d) for d in jax.devices()]}
    return {
        "command": command,
        "configuration": dataclasses.asdict(config),
        "versions": versions | {name: importlib.metadata.version(name) for name in PACKAGES},
        "hardware": hardware,
    }


class RunFolder:
    """Stages of one run; see the module's first lines.

    Attributes:
      path: the folder.
      seconds: stage -> seconds it took, for the stages asked for so far (also of earlier runs of the same command).
    """

    def __init__(
        self,
        path: Path,
        config: PipelineConfig | OfflineConfig | None = None,
        command: str | None = "",
        say: Say = print,
    ) -> None:
        """Opens or makes the folder, and writes `config` and `command` (what the user called) to run.json.

        Where one of the two is None, run.json stays as it is. `say` takes a line about each stage.

        Raises:
          ValueError: the folder was made with another schema, is another kind of run or of another world, or has files
            that are no run's: a stage that starts again would delete them.
        """
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)  # of several processes whichever is first
        self.seconds: dict[str, float] = {}
        self._prints: dict[str, str] = {}
        self._say = say  # called in the main process only; asking JAX here would start its devices
        world = getattr(config, "world", "")
        self._modules = () if not world else (world,) if "." in world else (f"kalm_jax.worlds.{world}.world",)
        if config is not None and command is not None and is_main_process():
            path = self.path / "run.json"
            kind = next(kind for kind, cls in CONFIGS.items() if isinstance(config, cls))
            if path.exists():
                before = _checked(path, read_json(path))
                of = [before["kind"], before["configuration"].get("world"), kind, getattr(config, "world", None)]
                if of[:2] != of[2:]:
                    raise ValueError(
                        f"{self.path} has a run of kind {of[0]!r} and world {of[1]!r}, not of {of[2]!r} and {of[3]!r}: "
                        "choose another folder"
                    )
            elif others := [p.name for p in self.path.iterdir() if not _ours(p)]:
                raise ValueError(
                    f"{self.path} is no run's folder and not empty (it has {others[0]}): choose another folder"
                )
            content = {"schema": SCHEMA, "kalm_jax": kalm_jax.__version__, "kind": kind, "command": command}
            write_json(path, content | {"configuration": dataclasses.asdict(config)})

    def stage(
        self,
        name: str,
        settings: Mapping[str, Any],
        needs: Sequence[str],
        work: Callable[[pathlib.Path], None],
        together: bool = False,
        modules: Sequence[str] = (),
    ) -> pathlib.Path:
        """Makes sure that a stage is complete and returns its folder.

        Args:
          name: of the stage and of its folder, such as "ground" or "learn/td3bc-kalm".
          settings: everything that its result depends on besides code and the stages it needs; must be JSON.
          needs: names of stages asked for before.
          work: writes the stage's files into the folder it is given; called again there after a kill.
          together: every process calls `work`, which computes on all devices and writes where `is_main_process`;
            otherwise only the first does, and the others wait.
          modules: import paths of code that the stage uses besides that of `work` and of the run's world.
        """
        about = {
            "settings": json.loads(json.dumps(settings)),
            "code": source_hashes((work.__module__, *self._modules, *modules)),
            "needs": {need: self._prints[need] for need in needs},
            "schema": SCHEMA,
        }
        mark = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        self._prints[name] = mark
        folder = self.path / name
        begun = self._begin(name, folder, {"fingerprint": mark, **about}) if is_main_process() else None
        if broadcast_from_main(begun is not None):
            if begun is not None:
                self._work(folder, begun, work)
            elif together:
                work(folder)
        while (done := read_json(folder / "done.json")) is None or done["fingerprint"] != mark:
            time.sleep(0.2)  # until the first process has written it
        self.seconds[name] = done["seconds"]
        return folder

    def _begin(self, name: str, folder: pathlib.Path, about: dict[str, Any]) -> dict[str, Any] | None:
        """What begun.json says now; None where the stage is done."""
        done, begun = read_json(folder / "done.json"), read_json(folder / "begun.json")
        if done is not None and done["fingerprint"] == about["fingerprint"]:
            self._say(f"{name}: done before ({done['seconds']:.0f} s), kept")
            return None
        if begun is not None and begun["fingerprint"] == about["fingerprint"]:
            self._say(f"{name}: continues")
            return begun
        if folder.exists():
            if begun is None and any(path.name[0] != "." for path in folder.iterdir()):
                raise ValueError(f"{folder} is no stage's folder (it has no begun.json): move it or delete it")
            self._say(f"{name}: starts again, because {_reason(begun or {}, about)}")
            _delete(folder)
        folder.mkdir(parents=True)
        begun = {**about, "seconds": 0.0}
        write_json(folder / "begun.json", begun)
        return begun

    def _work(self, folder: pathlib.Path, begun: dict[str, Any], work: Callable[[pathlib.Path], None]) -> None:
        start, before = time.monotonic(), begun["seconds"]
        try:
            work(folder)
        except BaseException:
            write_json(folder / "begun.json", {**begun, "seconds": before + time.monotonic() - start})
            raise
        about = {key: begun[key] for key in ("fingerprint", "settings")}
        write_json(folder / "done.json", {**about, "seconds": before + time.monotonic() - start})


class PipelineRun(RunFolder):
    """A run of the main job, which knows its configuration `config` and its `world`; arguments as of `RunFolder`."""

    def __init__(self, path: Path, config: PipelineConfig, command: str | None = "", say: Say = print) -> None:
        super().__init__(path, config, command, say)
        self.config, self.world = config, get_world(config.world)


def _ours(path: pathlib.Path) -> bool:
    """Whether something in a folder without run.json is a stage, a link to one, or a file that was being written."""
    return path.name[0] == "." or path.is_symlink() or (path / "begun.json").exists()


def _delete(folder: pathlib.Path) -> None:
    """Deletes a stage's folder; a run killed on the way finds a stage that nobody wants to continue."""
    if folder.is_symlink():
        return folder.unlink()
    write_json(folder / "begun.json", {"fingerprint": ""})
    (folder / "done.json").unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "begun.json":
            path.unlink()
    shutil.rmtree(folder)


def _reason(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why a stage starts again: the first difference between what two of its begun.json say."""
    if before.get("schema") != now["schema"]:
        return "another version of kalm_jax made it"
    for part, why in {"settings": "settings changed", "needs": "these stages did", "code": "code changed"}.items():
        old, new = before[part], now[part]
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        if changed:
            values = [f"{key} {old.get(key)} -> {new.get(key)}" for key in changed] if part == "settings" else changed
            return f"{why}: {', '.join(values[:3])}" + " and more" * (len(values) > 3)
    return "its record is damaged"
