"""A run's folder: its configuration, and stages with their files, what they depend on, and how a killed run continues.

`run.json` holds the whole configuration (`read_run`), and which stages were made for another one before. Each stage has
a folder of its own. `begun.json` holds its fingerprint from its first moment, `done.json` once it is complete: a hash
of its settings, of its source code (`pipeline.source`) and of the stages it needs. A stage with the same fingerprint is
continued or skipped; another one starts again, with a line that says why, and with it every stage that needs it.

`done.json` also lists the size and the checksum of every file that the stage wrote. They are compared whenever the
stage is kept or read (`check_stage`): a stage with a damaged file starts again, and a reader names the file. Both
records also say what the stages that it needs had written then (`made`): where one of those was made again and came out
differently, the stage starts again too.

Of several processes (`setup_jax`) the first writes files; the folder is one that all of them see. Two jobs cannot work
in one folder (`locks`); readers always can.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kalm_jax.disk import check_output_folder, check_room, folder_bytes, naming_full_disk
from kalm_jax.distributed import broadcast_from_main, is_main_process
from kalm_jax.files import (
    Path,
    describe_file,
    describe_files,
    find_damage,
    folder_for_a_file,
    remove,
    remove_unfinished,
    write_json,
)
from kalm_jax.locks import FolderLock
from kalm_jax.pipeline.config import PipelineConfig, parts_of
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.pipeline.room import run_bytes
from kalm_jax.pipeline.run_records import (
    CONFIGS,
    EPISODES,
    RESULTS,
    SCHEMA,
    changed_needs,
    outputs_mark,
    read_done,
    read_record,
    read_run_record,
)
from kalm_jax.pipeline.source import code_version, source_hashes
from kalm_jax.settings import settings_of
from kalm_jax.worlds.base import get_world

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "transformers", "gymnasium", "mujoco", "numpy")
"""Packages whose versions a manifest lists."""
UNLISTED = ("begun.json", "done.json", "checkpoints", "stream")
"""What a stage's list of files leaves out: its records, and what only an unfinished stage reads."""
WRITTEN = (".csv", ".html", ".json", ".jsonl", ".md", ".npy", ".npz", ".h5", ".png")
"""Extensions of files that a run writes: no folder may have such a name. Names without extension are of folders."""
STAGE_FOLDERS = ("checkpoints", "model", "policies", "stream")
"""Folders that stages write."""
STAGE_ROOM = 5_000_000
"""Bytes that must be free before a stage begins."""
Say = Callable[[str], None]


def check_inputs(folder: pathlib.Path, config: PipelineConfig | OfflineConfig) -> None:
    """Refuses files and folders that a configuration names in the run's own folder, where stages delete their files."""
    parts = parts_of(config).values() if isinstance(config, PipelineConfig) else (config,)
    for part in parts:
        for field in settings_of(type(part)):
            value = getattr(part, field.name)
            named = bool(field.exists) or field.name == "data"
            if not named or not isinstance(value, str) or not value or not os.path.exists(value):
                continue
            if pathlib.Path(value).resolve().is_relative_to(folder.resolve()):
                raise ValueError(
                    f"--{field.flag}={value} is in the run's own folder {folder}, where a stage that starts again "
                    "deletes its files: move it, or choose another folder (--output)"
                )


def make_manifest(config: PipelineConfig | OfflineConfig, command: str) -> dict[str, Any]:
    """What a reader needs to repeat a run: command, configuration, versions, hardware."""
    import jax

    versions = {**code_version(), "python": platform.python_version()}
    hardware = {"platform": platform.platform(), "cores": os.cpu_count(), "devices": [str(d) for d in jax.devices()]}
    return {
        "command": command,
        "configuration": dataclasses.asdict(config),
        "versions": versions | {name: importlib.metadata.version(name) for name in PACKAGES},
        "hardware": hardware,
    }


def write_manifest(run: pathlib.Path, manifest: Mapping[str, Any]) -> None:
    """Writes manifest.json of a run whose `results.csv` is written, with the checksum of that and of its episodes."""
    files = [name for name in (RESULTS, EPISODES) if (run / name).exists()]
    write_json(run / "manifest.json", {**manifest, "files": {name: describe_file(run / name) for name in files}})


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
        kind: str = "",
    ) -> None:
        """Opens or makes the folder, locks it, and writes `config` and `command` (what the user called) to run.json.

        Without `config` run.json stays as it is. `command` None opens a run for reading: nothing is made, written or
        locked. The lock is released with the object. `say` takes a line about each stage. `kind` is one of
        `OTHER_KINDS`.

        Raises:
          ValueError: the folder cannot be written, another process works in it, it was made with another schema, is
            another kind of run or of another world, or has files that are no run's, or that `config` names: a stage
            that starts again would delete them.
        """
        self.path, self._kind = pathlib.Path(path), kind
        self.seconds: dict[str, float] = {}
        self._prints: dict[str, str] = {}
        self._made: dict[str, str] = {}  # stage -> what its files hold
        self._planned: set[str] | None = None  # while `finished` asks: stages that are up to date
        self._say = say  # called in the main process only; asking JAX here would start its devices
        world = getattr(config, "world", "")
        self._modules = () if not world else (world,) if "." in world else (f"kalm_jax.worlds.{world}.world",)
        if command is None:
            return
        check_output_folder(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)  # of several processes whichever is first
        except OSError as error:
            raise ValueError(
                f"{self.path} cannot be made ({error.strerror}): choose another folder (--output)"
            ) from error
        if is_main_process():
            self._check_contents(config)
            if config is not None:
                check_inputs(self.path, config)
                check_room(self.path, run_bytes(config) - folder_bytes(self.path), "this run")
            weakref.finalize(self, FolderLock(self.path).release)
            remove_unfinished(self.path, "all")
            if config is not None:
                self._write_run(config, command)

    def _check_contents(self, config: PipelineConfig | OfflineConfig | None) -> None:
        """Refuses a folder of something else."""
        for place in _places(self.path):  # what has another's place is found now, not after hours
            of_stage = os.path.lexists(place.parent / "begun.json")
            folder = place.name in STAGE_FOLDERS if of_stage else not place.suffix and place.name[0] != "."
            if folder and not place.is_dir():
                raise _no_folder(place)
            if place.suffix in WRITTEN and place.is_dir() and place.name != "begun.json":
                raise ValueError(folder_for_a_file(place))
            if place.is_dir() and not os.access(place, os.W_OK | os.X_OK) and not (place / "done.json").exists():
                raise ValueError(f"nothing can be written in {place}: make it writable for this user")
        path = self.path / "run.json"
        before = read_run_record(path) if path.is_file() else None
        if config is None:
            return
        if before is not None:
            of = [before["kind"], before["configuration"].get("world"), *self._kind_and_world(config)]
            if of[:2] != of[2:]:
                raise ValueError(
                    f"{self.path} has a run of kind {of[0]!r} and world {of[1]!r}, not of {of[2]!r} and {of[3]!r}: "
                    "choose another folder"
                )
            return
        known = ("*/begun.json", "*/*/begun.json", "results/*/grounding.json")
        stages = [file for pattern in known for file in self.path.glob(pattern)]
        others = sorted(p.name for p in self.path.iterdir() if p.name[0] != "." and not p.is_symlink())
        # With stages it is a run whose run.json is lost, and each stage or result knows what it is of.
        if others and not stages:
            raise ValueError(
                f"{self.path} is no run's folder and not empty (it has {others[0]}): choose another folder"
            )

    def _write_run(self, config: PipelineConfig | OfflineConfig, command: str) -> None:
        path = self.path / "run.json"
        if os.path.lexists(path) and read_run_record(path) is None:
            self._say(f"{path} is damaged, written again")
            remove(path)
        before, configuration = read_run_record(path) or {}, json.loads(json.dumps(dataclasses.asdict(config)))
        old = before.get("old_stages")
        if before.get("configuration") != configuration or not isinstance(old, list):
            records = [*self.path.glob("*/done.json"), *self.path.glob("*/*/done.json")]
            old = sorted(record.parent.relative_to(self.path).as_posix() for record in records)
        kind = self._kind_and_world(config)[0]
        content = {"schema": SCHEMA, **code_version(), "kind": kind, "command": command}
        write_json(path, content | {"configuration": configuration, "old_stages": old})

    def _confirm(self, name: str) -> None:
        """Notes in run.json that a stage is of the run's configuration."""
        path = self.path / "run.json"
        content = read_run_record(path) if path.is_file() else None
        if content is not None and name in (content.get("old_stages") or ()):
            old = [other for other in content["old_stages"] if other != name]
            write_json(path, content | {"old_stages": old})

    def _kind_and_world(self, config: PipelineConfig | OfflineConfig) -> tuple[str, str | None]:
        """What run.json calls the kind of run, and its world."""
        kind = self._kind or next(kind for kind, cls in CONFIGS.items() if isinstance(config, cls))
        return kind, getattr(config, "world", None)

    def finished(self, stages: Mapping[str, Callable[[], None]]) -> set[str]:
        """Names of the stages that will be kept when each is called in turn, as far as that can be seen quickly.

        Of their files the sizes are compared, not the contents. Nothing is made.
        """
        self._planned = set()
        try:
            with contextlib.suppress(OSError, ValueError, KeyError):  # what a stage reads or needs is not there yet
                for work in stages.values():
                    work()
            return self._planned
        finally:
            self._planned = None

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
        if self._planned is not None:
            done, made = read_done(folder), {need: self._made[need] for need in needs if need in self._made}
            whole = done is not None and not find_damage(folder, done["files"], sizes_only=True)
            if done is not None and whole and done["fingerprint"] == mark and not changed_needs(done, made):
                self._planned.add(name)
                self._made[name] = outputs_mark(done)
            return folder
        about["made"] = {need: self._made[need] for need in needs}  # no part of the fingerprint
        begun = self._begin(name, folder, {"fingerprint": mark, **about}) if is_main_process() else None
        if broadcast_from_main(begun is not None):
            if begun is not None:
                self._work(folder, begun, work)
            elif together:
                work(folder)
        while (done := read_done(folder)) is None or done["fingerprint"] != mark:
            time.sleep(0.2)  # until the first process has written it
        self.seconds[name], self._made[name] = done["seconds"], outputs_mark(done)
        if is_main_process():
            self._confirm(name)
        return folder

    def _begin(self, name: str, folder: pathlib.Path, about: dict[str, Any]) -> dict[str, Any] | None:
        """What begun.json says now; None where the stage is done."""
        self._check_place(folder)
        done, begun = read_done(folder), read_record(folder / "begun.json", fingerprint=str, seconds=int | float)
        finished, reason = os.path.lexists(folder / "done.json"), ""
        known = done if finished else begun
        if finished and done is None:
            reason = "done.json is damaged"
        elif known is not None and known["fingerprint"] == about["fingerprint"]:
            others = changed_needs(known, about["made"])
            if others:
                reason = f"these stages were made again and came out differently: {', '.join(others)}"
            elif done is None:
                self._say(f"{name}: continues")
                return {**about, "seconds": known["seconds"]}
            else:
                reason = find_damage(folder, done["files"])
            if not reason:
                self._say(f"{name}: done before ({known['seconds']:.0f} s), kept")
                return None
        if folder.exists():
            stage = finished or os.path.lexists(folder / "begun.json")
            if not stage and any(path.name[0] != "." for path in folder.iterdir()):
                raise ValueError(f"{folder} is no stage's folder (it has no begun.json): move it or delete it")
            why = reason or _reason(begun or {}, about)
            self._say(f"{name}: starts again, because {why} (its files are deleted)")
            delete_stage(folder)
        check_room(folder, STAGE_ROOM, f"the stage {name}")
        folder.mkdir(parents=True)
        begun = {**about, "seconds": 0.0}
        write_json(folder / "begun.json", begun)
        return begun

    def _check_place(self, folder: pathlib.Path) -> None:
        """Refuses something else where a stage's folder belongs."""
        for place in (*reversed(folder.parents), folder):
            if place.is_relative_to(self.path) and os.path.lexists(place) and not place.is_dir():
                raise _no_folder(place)

    def _work(self, folder: pathlib.Path, begun: dict[str, Any], work: Callable[[pathlib.Path], None]) -> None:
        start, before = time.monotonic(), begun["seconds"]
        try:
            with naming_full_disk(folder):
                work(folder)
        except BaseException:
            with contextlib.suppress(OSError):
                write_json(folder / "begun.json", {**begun, "seconds": before + time.monotonic() - start})
            raise
        about = {key: begun[key] for key in ("fingerprint", "settings", "made")}
        files = describe_files(folder, UNLISTED)
        write_json(folder / "done.json", {**about, "seconds": before + time.monotonic() - start, "files": files})


class PipelineRun(RunFolder):
    """A run of the main job, which knows its configuration `config` and its `world`; arguments as of `RunFolder`."""

    def __init__(
        self, path: Path, config: PipelineConfig, command: str | None = "", say: Say = print, kind: str = ""
    ) -> None:
        super().__init__(path, config, command, say, kind)
        self.config, self.world = config, get_world(config.world)


def _places(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """What is in a folder and in those below, but not in complete stages, and of others only what is directly there."""
    for place in folder.iterdir():
        yield place
        if not place.is_dir() or place.is_symlink() or place.name[0] == "." or os.path.lexists(place / "done.json"):
            continue
        yield from place.iterdir() if os.path.lexists(place / "begun.json") else _places(place)


def _no_folder(place: pathlib.Path) -> ValueError:
    return ValueError(
        f"{place} is no folder, and parts of the run are written there: delete it and run the same command again"
    )


def delete_stage(folder: pathlib.Path) -> None:
    """Deletes a stage's folder; a run killed on the way finds a stage that nobody wants to continue."""
    if folder.is_symlink():
        return folder.unlink()
    begun = folder / "begun.json"
    if begun.is_dir():
        remove(begun)
    write_json(begun, {"fingerprint": "", "seconds": 0.0})
    remove(folder / "done.json")
    for path in folder.iterdir():
        if path != begun:
            remove(path)
    shutil.rmtree(folder)


def _reason(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Why a stage starts again: the first difference between what two of its begun.json say."""
    if not before:
        return "its record is damaged"
    if not before["fingerprint"]:
        return "it was being deleted"
    if before.get("schema") != now["schema"]:
        return "another version of kalm_jax made it"
    for part, why in {"settings": "settings changed", "needs": "these stages did", "code": "code changed"}.items():
        old, new = before.get(part), now[part]
        if not isinstance(old, Mapping):
            break
        changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
        if changed:
            values = [f"{key} {old.get(key)} -> {new.get(key)}" for key in changed] if part == "settings" else changed
            return f"{why}: {', '.join(values[:3])}" + " and more" * (len(values) > 3)
    return "its record is damaged"
