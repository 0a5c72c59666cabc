"""Will a job compile and fit on a TPU or a GPU? Answered by the accelerator's own compiler, which needs no such device.

    kalm compile --target=gpu-t4
    kalm compile --target=gpu-l4 --llm=llama-2-7b --lora_rank=16 --grounding_precision=bfloat16 --only=ground
    kalm compile --target=tpu-v5e-1,gpu-h200 --promises --output=FOLDER

Every jitted program of the job (see --only) is described as the job calls it and compiled ahead of time, with shapes
instead of weights. A line each says whether it compiles, the bytes of arguments and results and of temporaries on each
device and their share of its memory, the work of products, the bytes that move in a device's memory and between
devices, the time that a call takes at least by the device's peaks, and the kernels that the compiler chose. No time is
measured. The other flags are those of the job (`kalm clevr`). The exit status is 1 where a program does not compile or
fit.

The compilers (libtpu, 213 MB; JAX's CUDA plugin with NVIDIA's assembler, 223 MB) are brought by pip once and kept in
kalm_jax/compilers in $XDG_CACHE_HOME, by default ~/.cache. Nothing is installed into this environment.
"""

import dataclasses
import functools
import pathlib
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from kalm_jax.cli.flags import Flag, UsageError, flags_of, made, parse
from kalm_jax.cli.job import configuration, job_flags
from kalm_jax.disk import check_output_folder
from kalm_jax.pipeline.compiling.report import broken, line, write_report
from kalm_jax.pipeline.compiling.targets import ARCHITECTURES, KINDS, PROMISES, TARGETS, promised_config
from kalm_jax.pipeline.config import LEARNERS, PipelineConfig
from kalm_jax.settings import REQUIRED, Checked, setting


@dataclasses.dataclass(frozen=True)
class CompileSettings(Checked):
    """What is compiled for what."""

    target: tuple[str, ...] = setting(
        REQUIRED,
        "Accelerators. The last number of a TPU's is its chips; v5p-8 has eight in two hosts, which Google calls "
        "v5p-16. gpu-a100 has 40 GB.",
        choices=tuple(TARGETS),
    )
    only: tuple[str, ...] = setting(
        (),
        "Programs by what they do, a learner's by its name; empty is all. score: likelihoods of rollouts and answers.",
        choices=KINDS,
    )
    promises: bool = setting(
        False, "Compile what the documentation says that fits on the targets, in place of a job of your own."
    )
    world: str = setting("clevr", "World of the job: clevr, metaworld, or the import path of a module with a WORLD.")
    output: str = setting(
        "",
        "Folder for TARGET.csv and TARGET.md. Programs that are done are kept there and not compiled again.",
        filled=True,
    )


@functools.cache
def flags() -> list[Flag]:
    """The flags of the command."""
    mine = flags_of(CompileSettings, "compiling")
    taken = {*(flag.name for flag in mine), "hosts", "tensorboard", "eval_prompts"}
    others = [flag for flag in job_flags() if flag.name not in taken]
    for i, flag in enumerate(others):
        if flag.name == "llm":
            named = (*flag.field.names, *ARCHITECTURES)
            doc = f"{flag.field.doc} Of {', '.join(ARCHITECTURES)} the shapes are known, and no weights are needed."
            others[i] = dataclasses.replace(flag, field=dataclasses.replace(flag.field, names=named, doc=doc))
    return [*mine, *others]


@dataclasses.dataclass(frozen=True)
class _Compiled:
    """A job to compile: what it is called, its configuration, its mesh, and the kinds of programs, all if none."""

    name: str
    config: PipelineConfig
    mesh: str
    only: tuple[str, ...]


def main(argv: list[str]) -> None:
    """Runs the command with the given arguments."""
    given = parse(flags(), argv)
    settings = made(CompileSettings, given)
    if settings.output:
        check_output_folder(settings.output)
    jobs = {name: _jobs(settings, given, name) for name in settings.target}
    _check_meshes(jobs)
    from kalm_jax.pipeline.compiling.compile import compile_job

    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(settings.output or temporary)
        for name, wanted in jobs.items():
            target, rows = TARGETS[name], []
            for job in wanted:
                about = f"{target.devices} x {target.chip.name}, {target.chip.memory / 1e9:.1f} GB each"
                print(f"{name} ({about}): {job.name}", flush=True)
                rows += compile_job(
                    job.config,
                    target,
                    folder,
                    mesh=job.mesh,
                    only=job.only,
                    job=job.name,
                    say=lambda row: print(line(row), flush=True),
                )
            if not rows:
                raise UsageError(f"--only={','.join(settings.only)}: the job has no such program")
            if settings.output:
                write_report(folder, rows, target)
                print(f"{folder / name}.md, {name}.csv")
            wrong += [found for row in rows if (found := broken(row))]
    if wrong:
        sys.exit("error: " + "; ".join(wrong))
    print("all programs compile and fit")


def _jobs(settings: CompileSettings, given: dict[str, Any], target: str) -> list[_Compiled]:
    """The jobs that are compiled for a target: the user's, or those of the promises."""
    own = {name: value for name, value in given.items() if name not in {f.name for f in _own()}}
    if not settings.promises:
        mesh = own.pop("mesh", "")
        config = configuration(settings.world, own)
        _check_kinds(settings.only, config)
        return [_Compiled(f"{settings.world}, {given.get('preset', 'default')}", config, mesh, settings.only)]
    if own or "world" in given:
        wrong = next(iter(own), "world")
        raise UsageError(f"--{wrong} is of a job of your own, and --promises compiles others: leave one of them out")
    jobs = []
    for promise in PROMISES:
        if target in promise.targets:
            kinds = settings.only or promise.kinds
            config = promised_config(promise)
            jobs.append(_Compiled(promise.name, config, promise.targets[target], kinds))
    return jobs


def _check_kinds(only: Sequence[str], config: PipelineConfig) -> None:
    """Refuses kinds of programs that a job lacks by its flags, before a compiler or a model is fetched."""
    lacking = dict.fromkeys(("pretrain", *LEARNERS), "with --llm") if config.ground.llm else {}
    if not config.imagine.plan:
        lacking["plan"] = "without subgoals (--noplan)"
    for kind in only:
        if kind in lacking:
            others = [other for other in KINDS if other not in lacking]
            raise UsageError(f"--only={kind}: a job {lacking[kind]} has no such program; it has {', '.join(others)}")


def _own() -> list[Flag]:
    return flags_of(CompileSettings, "compiling")


def _check_meshes(jobs: dict[str, list[_Compiled]]) -> None:
    """Refuses a mesh that cannot be read or has more devices than a target."""
    from kalm_jax.sharding import parse_mesh_shape

    for name, wanted in jobs.items():
        for job in wanted:
            try:
                shape = parse_mesh_shape(job.mesh)
            except ValueError as error:
                raise UsageError(f"--{error}") from error
            count = max(1, shape.data) * shape.fsdp * shape.tensor
            if count > TARGETS[name].devices:
                raise UsageError(f"--mesh={job.mesh} has {count} devices, and {name} has {TARGETS[name].devices}")
