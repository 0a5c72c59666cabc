"""The records in a run's folder, as readers see them: what it is of, which stages are whole, and what made them.

`run_folder` says what the records hold, and writes them.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from kalm_jax.files import CONTENT, find_damage, read_json
from kalm_jax.pipeline.config import PipelineConfig
from kalm_jax.pipeline.offline_config import OfflineConfig
from kalm_jax.pipeline.source import code_version, source_hashes, version_text
from kalm_jax.settings import build

SCHEMA = 1
"""Version of the folder's layout; it rises when a reader of the old layout cannot read the new one."""
RESULTS, EPISODES = "results.csv", "episodes.csv"
"""What a finished run has in its folder; `results_file` checks it. Runs without goals have no episodes."""
CONFIGS = {"pipeline": PipelineConfig, "offline": OfflineConfig}
"""Kind of run, as run.json says it -> its configuration."""
OTHER_KINDS = ("ablation", "knowledge", "study")
"""Kinds of folders that have stages and are no runs of the main job."""


def read_run(folder: str | pathlib.Path) -> PipelineConfig | OfflineConfig:
    """The configuration of the run in a folder.

    Raises:
      FileNotFoundError: no run has begun there.
      ValueError: its schema is another one, or the configuration is damaged.
    """
    path = pathlib.Path(folder) / "run.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not the folder of a run: it has no run.json")
    content = read_run_record(path)
    if content is None:
        raise ValueError(f"{path} is damaged: run the command that made the run again")
    if content["kind"] in OTHER_KINDS:
        raise ValueError(f"{folder} is the folder of kalm {content['kind']}, and no run that can be loaded")
    try:
        return build(CONFIGS[content["kind"]], content["configuration"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}): run the command that made the run again") from error


def read_run_record(path: pathlib.Path) -> dict[str, Any] | None:
    """What a run.json says, None where it is damaged; ValueError where it is of another schema."""
    content = read_record(path, kind=str, configuration=object)
    if content is not None and content.get("schema") != SCHEMA:
        raise ValueError(
            f"{path} has schema {content.get('schema')!r} and this version of kalm_jax reads {SCHEMA}: use the version "
            f"that made it ({content.get('kalm_jax')}), or another folder"
        )
    return content if content is not None and isinstance(content["configuration"], dict) else None


def read_record(path: pathlib.Path, **kinds: Any) -> dict[str, Any] | None:
    """A JSON file with these entries, of these types; None where it is missing or damaged."""
    try:
        content = read_json(path, dict)
    except ValueError:
        return None
    good = content is not None and all(isinstance(content.get(name), kind) for name, kind in kinds.items())
    return content if good else None


def read_done(stage: pathlib.Path) -> dict[str, Any] | None:
    """The done.json of a stage's folder; None where the stage is not complete or its record is damaged."""
    done = read_record(stage / "done.json", fingerprint=str, settings=dict, seconds=int | float, files=dict)
    return done if done is not None and 0 <= done["seconds"] < math.inf else None


def check_stage(run: pathlib.Path, name: str) -> dict[str, Any]:
    """The done.json of a stage of the run in a folder, for those who read its files outside of the run.

    Raises:
      FileNotFoundError: the stage is not complete, or what it was made from was made again since.
      ValueError: one of its files, or its record, is damaged; the message says how to mend it.
    """
    folder, about = run / name, read_record(run / "run.json") or {}
    if not os.path.lexists(folder / "done.json"):
        raise _not_finished(run, name)
    if name in (about.get("old_stages") or ()):
        raise FileNotFoundError(
            f"{run}: the run is not finished (stage {name} is of another configuration than run.json's); run the same "
            "command again"
        )
    done = read_done(folder)
    damage = "done.json is damaged" if done is None else find_damage(folder, done["files"])
    if done is None or damage:
        raise ValueError(
            f"{folder}: {damage}; run the command that made the run again, which makes the stage {name} again"
        )
    if changed := _changed_since(run, name):
        raise FileNotFoundError(
            f"{folder} was made from another {changed} than there is now: the run is not finished; run the same "
            "command again"
        )
    return done


def _changed_since(run: pathlib.Path, name: str) -> str:
    """A stage that this one needs, or that one of those needs, and that was begun again since; "" if there is none."""
    begun = read_record(run / name / "begun.json", needs=dict) or {"needs": {}}
    for need, fingerprint in begun["needs"].items():
        done = read_done(run / need)
        if done is None or done["fingerprint"] != fingerprint or changed_needs(begun, {need: outputs_mark(done)}):
            return need
        if deeper := _changed_since(run, need):
            return deeper
    return ""


def outputs_mark(done: Mapping[str, Any]) -> str:
    """Identifies what the files of a complete stage hold, by the checksums in its done.json."""
    files = done.get("files")
    if isinstance(files, dict):
        marked = [name.removesuffix(CONTENT) for name in files if name.endswith(CONTENT)]
        storage = tuple(start for name in marked for start in (f"{name}/", f"{name}.files.json"))
        files = {name: about for name, about in files.items() if not name.startswith(storage)}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def changed_needs(record: Mapping[str, Any], made: Mapping[str, str]) -> list[str]:
    """Needed stages whose files are others than when the stage of this record was made; older records do not say."""
    before = record.get("made")
    before = before if isinstance(before, dict) else {}
    return [need for need, content in made.items() if before.get(need, content) != content]


def other_code(run: pathlib.Path) -> str:
    """What code made the complete stages of the run in a folder, and which of them; "" where it is the present code.

    A stage's own code counts, as for `RunFolder.stage`, whatever else has changed in the library.
    """
    record = read_record(run / "run.json") or {}
    now, before = code_version(), {name: record.get(name) for name in ("kalm_jax", "commit")}
    commit = now.get("commit", "")
    if commit and not commit.endswith("-dirty") and before == dict(now):
        return ""
    codes = {}
    for done in sorted([*run.glob("*/done.json"), *run.glob("*/*/done.json")]):
        begun = read_record(done.with_name("begun.json"), code=dict)
        if begun is not None:
            codes[done.parent.relative_to(run).as_posix()] = begun["code"]
    present = source_hashes({module for code in codes.values() for module in code if "/" not in module})
    changed = [name for name, code in codes.items() if any(present.get(m) != mark for m, mark in code.items())]
    if not changed:
        return ""
    some = ", ".join(changed[:3]) + f" and {len(changed) - 3} more" * (len(changed) > 3)
    return f"{version_text(before)}, and the code of these stages has changed since: {some}"


def results_file(run: pathlib.Path) -> pathlib.Path:
    """The results of the finished run in a folder.

    Raises:
      FileNotFoundError: there are none yet; the message has the stage that the run was in.
      ValueError: they, or a record, are damaged.
    """
    if not (run / RESULTS).exists():
        begun = (file.parent for file in run.rglob("begun.json"))
        missing = sorted(str(stage.relative_to(run)) for stage in begun if not (stage / "done.json").exists())
        raise _not_finished(run, *missing[:1] or ["report"])
    manifest, of = read_json(run / "manifest.json", dict), read_json(run / "run.json", dict)
    if manifest is None or of is None or manifest.get("configuration") != of.get("configuration"):
        raise _not_finished(run, "report")  # what is there is of another configuration
    if damage := find_damage(run, manifest.get("files")):
        raise ValueError(f"{run}: {damage}; run the command that made the run again, which writes the results again")
    return run / RESULTS


def _not_finished(run: pathlib.Path, stage: str) -> FileNotFoundError:
    return FileNotFoundError(f"{run}: the run is not finished (stage {stage} is missing); run the same command again")
