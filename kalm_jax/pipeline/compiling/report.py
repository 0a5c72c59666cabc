"""Tables of compiled programs: for a terminal, as CSV and as Markdown; and whether all of them compile and fit."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from kalm_jax.disk import size_text
from kalm_jax.files import write_csv, write_text
from kalm_jax.pipeline.compiling.targets import GB, PROMISES, TARGETS, Target

Row = dict[str, Any]
COLUMNS = (
    *("target", "job", "program", "per", "function", "devices", "compiles", "reason", "state", "temporary", "memory"),
    *("fits", "flops", "bytes", "collective", "kernels", "least_s", "bound", "compiler_s", "compiler_flops"),
    *("compiler_bytes", "compile_s", "jax", "fingerprint"),
)
"""Columns of the CSV file. Bytes and FLOPs are of one device in one call; `least_s` is the roofline's."""
HEADINGS = ("program", "a call is", "state", "temporary", "of the device", "FLOP", "moved", "between", "at least", "by")


def finished(row: Row, target: Target, job: str) -> Row:
    """The row with what follows from the target: whether it fits, and the time that a call takes at least."""
    row = {**row, "job": job, "memory": target.chip.memory}
    if not row["compiles"]:
        return {**row, "fits": False, "least_s": None, "bound": ""}
    seconds, bound = roofline(row, target)
    return {**row, "fits": row["state"] + row["temporary"] <= target.chip.memory, "least_s": seconds, "bound": bound}


def roofline(row: Row, target: Target) -> tuple[float, str]:
    """(seconds that a call takes at least, what bounds it): "products", "memory" or "links"."""
    chip = target.chip
    bounds = {
        "products": sum(n / chip.flops.get(kind, chip.flops["float32"]) for kind, n in row["flops"].items()),
        "memory": row["bytes"] / chip.bandwidth,
        "links": sum(row["collective"].values()) / chip.link if chip.link else 0.0,
    }
    slowest = max(bounds, key=lambda name: bounds[name])
    return bounds[slowest], slowest


def broken(row: Row) -> str:
    """What is wrong with a finished row, in one line; "" for nothing."""
    name = f"{row['program']} on {row['target']}"
    if not row["compiles"]:
        return f"{name} does not compile: {row['reason']}"
    if not row["fits"]:
        needed, memory = size_text(row["state"] + row["temporary"]), size_text(row["memory"])
        return f"{name} needs {needed} of each device, and there are {memory}"
    return ""


def cells(row: Row) -> list[str]:
    """The row as texts under `HEADINGS`."""
    if not row["compiles"]:
        return [row["program"], row["per"], f"does not compile: {row['reason']}", *[""] * 7]
    share = (row["state"] + row["temporary"]) / row["memory"]
    return [
        row["program"],
        row["per"],
        size_text(row["state"]),
        size_text(row["temporary"]),
        f"{share:.1%}" + ("" if row["fits"] else ", DOES NOT FIT"),
        f"{sum(row['flops'].values()) / GB:,.2f} G",
        size_text(row["bytes"]),
        size_text(sum(row["collective"].values())) if row["collective"] else "-",
        time_text(row["least_s"]),
        row["bound"],
    ]


def time_text(seconds: float) -> str:
    """A duration for a reader: "1.2 ms"."""
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e6:.3g} us"


def line(row: Row) -> str:
    """The row as one line for a terminal."""
    found = cells(row)
    if not row["compiles"]:
        return f"  {found[0]}: {found[2]}"
    kernels = ", ".join(f"{n} {name}" for name, n in row["kernels"].items()) or "no kernels"
    moved = f"{found[5]}FLOP, {found[6]} moved, {found[7]} between devices"
    return (
        f"  {found[0]} ({found[1]}): {found[2]} + {found[3]}, {found[4]}; {moved}; {found[8]} by {found[9]}; {kernels}"
    )


def markdown(rows: Sequence[Row], target: Target) -> str:
    """A table for documents."""
    lines = [f"**{target.name}** ({target.about}: {target.devices} x {target.chip.name})", ""]
    lines += ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def write_report(folder: pathlib.Path, rows: Sequence[Row], target: Target) -> None:
    """Writes `TARGET.csv` and `TARGET.md`."""
    kept = [{c: json.dumps(v) if isinstance(v := row.get(c), dict) else v for c in COLUMNS} for row in rows]
    write_csv(folder / f"{target.name}.csv", COLUMNS, kept)
    write_text(folder / f"{target.name}.md", markdown(rows, target))


def targets_table() -> str:
    """The targets with the peaks that rooflines are made of, for documents; their sources are in `targets`."""
    lines = ["| target | what it is | memory of each | bfloat16 | float32 | memory moves | links |", "|" + "---|" * 7]
    for target in TARGETS.values():
        chip = target.chip
        flops = (f"{chip.flops[kind] / 1e12:g} TFLOP/s" for kind in ("bfloat16", "float32"))
        link = f"{chip.link / GB:g} GB/s" if target.devices > 1 else "-"
        what = f"{target.devices} x {chip.name}, {target.about}"
        cells = (f"`{target.name}`", what, size_text(chip.memory), *flops, f"{chip.bandwidth / GB:g} GB/s", link)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def promises_table(rows: Sequence[Row]) -> str:
    """What is promised and what the compilers said, for documents: of each promise the program that needs most."""
    lines = ["| job | target, `--mesh` | state | a call adds | of the device |", "|" + "---|" * 5]
    for promise in PROMISES:
        for target, mesh in promise.targets.items():
            mine = [row for row in rows if row["job"] == promise.name and row["target"] == target and row["compiles"]]
            if mine:
                most = max(mine, key=lambda row: row["state"] + row["temporary"])
                found = cells(most)[2:5]
                where = f"`{target}`" + (f", `{mesh}`" if mesh else "")
                lines.append("| " + " | ".join((promise.name, where, *found)) + " |")
    return "\n".join(lines) + "\n"
