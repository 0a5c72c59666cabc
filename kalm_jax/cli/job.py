"""What the commands of the main job share: their flags, and the run."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from kalm_jax.cli.devices import WatchSettings, device_flags, start, watch
from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.cli.main import invocation
from kalm_jax.disk import check_output_folder
from kalm_jax.pipeline.config import PARTS, PRESET_NAMES, PipelineConfig, configure, load_presets, parts_of
from kalm_jax.settings import Checked, build, setting, settings_of

GROUPS = {
    "collect": "data",
    "ground": "grounding",
    "planner": "imagination",
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
    output: str = setting("", "Folder of the run. By default runs/WORLD-PRESET.", filled=True)


@functools.cache
def job_flags(world: str = "", parts: tuple[str, ...] = PARTS, without: tuple[str, ...] = ()) -> list[Flag]:
    """The flags of a command: those of `parts` of the configuration, of the run and of the devices.

    `world` is the name of a built-in world, whose presets and behavior policies the help lists.
    """
    module = importlib.import_module(f"kalm_jax.worlds.{world + '.' if world else 'default_'}presets")
    presets = {name: build(PipelineConfig, {"world": world, **values}) for name, values in module.PRESETS.items()}
    about = " ".join(f"{name}: {text}." for name, text in module.ABOUT.items())
    flags = [*flags_of(JobSettings, "output"), *device_flags()]
    flags += flags_of(WatchSettings, "output") if "learn" in parts else []
    for part in parts:
        values = {name: parts_of(preset)[part] for name, preset in presets.items()}
        for flag in flags_of(type(values["default"]), part, without, values):
            flags.append(dataclasses.replace(flag, group=GROUPS[part or flag.name]))
    for i, flag in enumerate(flags):
        if flag.name == "preset":
            field = dataclasses.replace(flag.field, doc=f"{flag.field.doc} {about}")
            flags[i] = dataclasses.replace(flag, field=field)
        elif flag.name == "behavior" and world:
            flags[i] = dataclasses.replace(flag, field=dataclasses.replace(flag.field, choices=module.BEHAVIORS))
    return sorted(flags, key=lambda flag: ORDER.index(flag.group))


def configuration(world: str, given: Mapping[str, Any]) -> PipelineConfig:
    """The preset with the given flags' settings.

    Raises:
      UsageError: a flag does not fit another one, or has no effect beside it.
    """
    from kalm_jax.pipeline.effects import check_effects

    preset = load_presets(world)[made(JobSettings, given).preset]
    names = {field.flag for part in parts_of(preset).values() for field in settings_of(type(part))} - {"world"}
    mine = {name: value for name, value in given.items() if name in names}
    try:
        config = configure(preset, mine)
        check_effects(config, mine)
    except ValueError as error:  # of flags that do not fit each other
        raise UsageError(str(error)) from error
    return config


def run(command: str, argv: Sequence[str], flags: Sequence[Flag], world: str = "") -> None:
    """Runs the pipeline; `world` is a built-in one, or the flag says which."""
    given = parse(flags, argv)
    world, job = world or given["world"], made(JobSettings, given)
    output = job.output or f"runs/{world.rpartition('.')[2]}-{job.preset}"
    watch(given, output)
    check_output_folder(output)
    start(given)  # before the world: a custom one may touch devices when it is imported
    from kalm_jax.pipeline import run as pipeline

    pipeline.run(output, configuration(world, given), command=invocation(command, argv))
