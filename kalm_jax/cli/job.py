"""What the commands of the main job share: their flags, and the run."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from kalm_jax.cli.devices import device_flags, start
from kalm_jax.cli.flags import Flag, flags_of, made, parse
from kalm_jax.cli.main import invocation
from kalm_jax.pipeline.config import PARTS, PRESET_NAMES, PipelineConfig, configure, load_presets
from kalm_jax.pipeline.settings import Checked, build, setting, settings_of

GROUPS = {
    "collect": "data",
    "ground": "grounding",
    "metrics": "grounding",
    "imagine": "imagination",
    "learn": "learning",
    "evaluate": "evaluation",
    "world": "data",
    "eval_prompts": "evaluation",
    "seed": "output",
}
"""Part of `PipelineConfig`, or flag of its own -> heading."""
ORDER = ("data", "grounding", "imagination", "learning", "evaluation", "output", "devices")


@dataclasses.dataclass(frozen=True)
class JobSettings(Checked):
    """What a run is called and begins from."""

    preset: str = setting("default", "Amounts of everything; other flags change them.", choices=PRESET_NAMES)
    output: str = setting("", "Folder of the run. By default runs/WORLD-PRESET.")


@functools.cache
def job_flags(world: str = "", parts: tuple[str, ...] = PARTS, without: tuple[str, ...] = ()) -> list[Flag]:
    """The flags of a command: those of `parts` of the configuration, of the run and of the devices.

    `world` is the name of a built-in world, whose presets and behavior policies the help lists.
    """
    module = importlib.import_module(f"kalm_jax.worlds.{world + '.' if world else 'default_'}presets")
    presets = {name: build(PipelineConfig, {"world": world, **values}) for name, values in module.PRESETS.items()}
    about = " ".join(f"{name}: {text}." for name, text in module.ABOUT.items())
    flags = [
        _changed(flag, doc=f"{flag.field.about.doc} {about}") if flag.name == "preset" else flag
        for flag in flags_of(JobSettings, "output")
    ]
    for part in parts:
        made_of = {name: getattr(preset, part) if part else preset for name, preset in presets.items()}
        for flag in flags_of(type(next(iter(made_of.values()))), part, without, made_of):
            if flag.name == "behavior" and world:
                flag = _changed(flag, choices=module.BEHAVIORS)
            flags.append(dataclasses.replace(flag, group=GROUPS[part or flag.name]))
    return sorted([*flags, *device_flags()], key=lambda flag: ORDER.index(flag.group))


def _changed(flag: Flag, **about: Any) -> Flag:
    return dataclasses.replace(
        flag, field=dataclasses.replace(flag.field, about=dataclasses.replace(flag.field.about, **about))
    )


def configuration(world: str, given: Mapping[str, Any]) -> PipelineConfig:
    """The preset with the given flags' settings."""
    names = {f.flag for part in PARTS for f in settings_of(type(getattr(_ANY, part) if part else _ANY))} - {"world"}
    return configure(
        load_presets(world)[made(JobSettings, given).preset], {k: v for k, v in given.items() if k in names}
    )


_ANY = PipelineConfig(world="")


def run(command: str, argv: Sequence[str], flags: Sequence[Flag], world: str = "") -> None:
    """Runs the pipeline; `world` is a built-in one, or the flag says which."""
    given = parse(flags, argv)
    world, job = world or given["world"], made(JobSettings, given)
    start(given)  # before the world: a custom one may touch devices when it is imported
    from kalm_jax.pipeline import run as pipeline

    output = job.output or f"runs/{world.rpartition('.')[2]}-{job.preset}"
    pipeline.run(output, configuration(world, given), command=f"{invocation(command)} {shlex.join(argv)}".strip())
