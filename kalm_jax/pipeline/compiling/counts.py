"""What a program computes and moves: counted from its jaxpr, and from the text of the compiled program.

Loops count as often as they run where that is known, otherwise once: decoding's loops end when every row has ended, so
that what is counted is a step.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

COLLECTIVES = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute", "ragged-all-to-all")
"""Operations that move bytes between devices."""
_BITS = {
    **{"pred": 8, "s4": 4, "u4": 4, "s8": 8, "u8": 8, "s16": 16, "u16": 16, "bf16": 16, "f16": 16},
    **{"s32": 32, "u32": 32, "f32": 32, "s64": 64, "u64": 64, "f64": 64, "c64": 64, "c128": 128},
}
_FREE = (
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "after-all"),
    *("partition-id", "replica-id", "opt-barrier", "iota"),
)
"""Operations that move nothing themselves."""
_ARRAY = re.compile(r"\b([a-z]+\d*(?:e\d+m\d+\w*)?)\[([\d,]*)\](\{[^}]*\})?")
_CLOSE = re.compile(r"T\(.*S\([1-9]\d*\)")
"""The layout of an array that a TPU keeps beside its units (VMEM and the like), not in the device's memory."""
_BOOKKEEPING = ("AllocateBuffer", "ConcatBitcast", "Sharding")
"""Calls that compute nothing."""
_CHANNEL = re.compile(r"channel_id=(\d+)")
COUNTING = 2
"""Version of what is counted here: rows of another one are made again."""
_INSTRUCTION = re.compile(r"^\s*(ROOT )?%?([\w.\-]+) = (.*)$")
_CALLED = re.compile(r"(?:calls|to_apply|body|condition)=%?([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"?(\d+)"?\}')
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")


# --- From the jaxpr --------------------------------------------------------------------------------------------------


def product_flops(jaxpr: Any) -> Counter:
    """FLOPs of all products of a closed jaxpr, of all devices together, by the type of their arguments."""
    total: Counter = Counter()
    for equation, times in _equations(jaxpr.jaxpr if hasattr(jaxpr, "jaxpr") else jaxpr, 1):
        name = equation.primitive.name
        if name == "dot_general":
            left, right = (x.aval for x in equation.invars)
            (contract, _), (batch, _) = equation.params["dimension_numbers"]
            out = math.prod(equation.outvars[0].aval.shape)
            total[_kind(left.dtype, right.dtype)] += times * 2 * out * math.prod(left.shape[i] for i in contract)
            del batch
        elif name == "conv_general_dilated":
            left, right = (x.aval for x in equation.invars)
            out = math.prod(equation.outvars[0].aval.shape)
            features = equation.params["dimension_numbers"].rhs_spec[0]
            total[_kind(left.dtype, right.dtype)] += times * 2 * out * math.prod(right.shape) // right.shape[features]
    return total


def _kind(left: Any, right: Any) -> str:
    """The type that a product is computed in: the wider one of its arguments."""
    return str(max((left, right), key=lambda dtype: dtype.itemsize))


def _equations(jaxpr: Any, times: int) -> Iterator[tuple[Any, int]]:
    """Every equation, and how often it runs."""
    for equation in jaxpr.eqns:
        yield equation, times
        name, params = equation.primitive.name, equation.params
        if name == "scan":
            times_inside = times * params["length"]
        elif name == "shard_map":
            times_inside = times * params["mesh"].size
        elif name == "pallas_call":
            times_inside = times * math.prod(n for n in params["grid_mapping"].grid if isinstance(n, int))
        else:
            times_inside = times
        if name == "cond":  # the branch with most work
            branches = [list(_equations(b.jaxpr, times)) for b in params["branches"]]
            yield from max(branches, key=len)
            continue
        for value in params.values():
            for part in value if isinstance(value, (tuple, list)) else (value,):
                inner = getattr(part, "jaxpr", part)
                if hasattr(inner, "eqns"):
                    yield from _equations(inner, times_inside)


# --- From the compiled program ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Instruction:
    """One line of a compiled program: its name, operation, result's arrays, operands' names and the whole line."""

    name: str
    operation: str
    result: str
    operands: tuple[str, ...]
    line: str
    is_root: bool


@dataclasses.dataclass
class ProgramCounts:
    """What a device does in one call.

    Attributes:
      bytes: read and written in the device's memory by all instructions.
      collective: name of an operation between devices -> bytes that it moves for a device.
      kernels: name of a kernel, or of a way of making one -> how many instructions are it.
    """

    bytes: int
    collective: Mapping[str, int]
    kernels: Mapping[str, int]


def count_program(text: str) -> ProgramCounts:
    """Counts the text of a compiled program (`Compiled.as_text`)."""
    computations, entry = parse_program(text)
    moved, collective, kernels = Counter[str](), Counter[str](), Counter[str]()

    def visit(name: str, times: int) -> None:
        table = {i.name: i for i in computations[name]}
        for operation, size in _collectives(computations[name], computations):
            collective[operation] += times * size
        for instruction in computations[name]:
            operation = instruction.operation.removesuffix("-start")
            if operation.endswith("-done"):
                continue
            if operation == "while":
                for called in _CALLED.findall(instruction.line):
                    visit(called, times * _trips(instruction, computations))
            elif operation == "conditional":
                found = _BRANCHES.search(instruction.line)
                for called in re.findall(r"[\w.\-]+", found[1]) if found else ():
                    visit(called, times)
            elif operation == "call" or operation == "async":
                for called in _CALLED.findall(instruction.line):
                    visit(called, times)
            if operation in _FREE or operation in COLLECTIVES or operation == "async":
                continue
            kernel = kernel_of(instruction)
            kernels[kernel] += bool(kernel)
            moved[""] += times * _traffic(instruction, table, computations)

    visit(entry, 1)
    return ProgramCounts(moved[""], dict(collective), {k: n for k, n in sorted(kernels.items()) if k})


def _trips(loop: Instruction, computations: Mapping[str, list[Instruction]]) -> int:
    """How often a loop runs: as the compiler says, or up to the constant that its counter is compared with; else 1."""
    if known := _TRIPS.search(loop.line):
        return int(known[1])
    found = re.search(r"condition=%?([\w.\-]+)", loop.line)
    inside = {i.name: i for i in computations.get(found[1], ())} if found else {}
    root = next((i for i in inside.values() if i.is_root), None)
    if root is None or root.operation != "compare" or "direction=LT" not in root.line:
        return 1
    limits = [re.search(r"constant\((\d+)\)", inside[o].line) for o in root.operands if o in inside]
    return next((int(limit[1]) for limit in limits if limit), 1)


def _collectives(
    instructions: Sequence[Instruction], computations: Mapping[str, list[Instruction]]
) -> Iterator[tuple[str, int]]:
    """(operation, bytes that it moves for a device) of each operation between devices, also of those in fusions.

    A TPU's compiler takes one apart into pieces, of which each is the whole operation's text: a channel counts once.
    """
    seen: set[str] = set()

    def find(part: Sequence[Instruction], name: str) -> Iterator[tuple[str, int]]:
        table = {i.name: i for i in part}
        for instruction in part:
            operation = instruction.operation.removesuffix("-start")
            if operation in COLLECTIVES:
                channel = _CHANNEL.search(instruction.line)
                if channel and channel[1] in seen:
                    continue
                if channel:
                    seen.add(channel[1])
                sizes = [size_of(table[o].result) for o in instruction.operands if o in table]
                whole = size_of(instruction.result) // (2 if instruction.operation.endswith("-start") else 1)
                yield "reduce-scatter" if "all-reduce-scatter" in name else operation, max(whole, sum(sizes))
            elif operation in ("fusion", "async"):
                for called in re.findall(r"calls=%?([\w.\-]+)", instruction.line):
                    yield from find(computations.get(called, ()), called)

    return find(instructions, "")


def parse_program(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """(name of a computation -> its instructions, name of the entry)."""
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        if line.endswith("{") and "->" in line and not line.startswith(" "):
            words = line.split()
            name = (words[1] if words[0] == "ENTRY" else words[0]).lstrip("%").split("(")[0]
            current = computations.setdefault(name, [])
            entry = name if words[0] == "ENTRY" else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (found := _INSTRUCTION.match(line)):
            if (instruction := _instruction(*found.groups())) is not None:
                current.append(instruction)
    if not entry:
        raise ValueError("this is not the text of a compiled program")
    return computations, entry


def _instruction(root: str | None, name: str, rest: str) -> Instruction | None:
    """An instruction from what stands behind its name."""
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.find(" ")
    result, after = rest[:end], rest[end:].lstrip()
    operation, opened, _ = after.partition("(")
    if not opened:
        return None
    inside = after[len(operation) + 1 : _closing(after, len(operation))]
    operands = tuple(re.findall(r"%([\w.\-]+)", inside)) or tuple(
        word.split()[-1] for word in inside.split(",") if word.strip() and not word.strip()[0].isdigit()
    )
    return Instruction(name, operation.strip(), result, operands, rest, root is not None)


def _closing(text: str, start: int) -> int:
    """Place of the parenthesis that closes the one at `start`."""
    depth = 0
    for i in range(start, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if not depth:
            return i
    return len(text) - 1


def size_of(result: str, far: bool = False) -> int:
    """Bytes of the arrays in a type such as "(f32[8,128]{1,0}, s32[])"; with `far` of those in the device's memory."""
    bits = 0
    for kind, sizes, layout in _ARRAY.findall(result):
        if far and _CLOSE.search(layout):
            continue
        width = _BITS.get(kind, 8 if kind.startswith("f8") else 0)
        bits += width * math.prod(int(n) for n in sizes.split(",") if n)
    return bits // 8


def kernel_of(instruction: Instruction) -> str:
    """The kernel that an instruction is, "" for what the compiler makes by itself from loops."""
    if instruction.operation == "custom-call":
        found = re.search(r'custom_call_target="([^"]+)"', instruction.line)
        name = found[1] if found else "custom-call"
        return "" if name in _BOOKKEEPING or name.startswith("AsyncCollective") else name
    found = re.search(r'"kind":"(__[\w$]+)"', instruction.line)
    return found[1] if found and instruction.operation == "fusion" else ""


def _traffic(
    instruction: Instruction, table: Mapping[str, Instruction], computations: Mapping[str, list[Instruction]]
) -> int:
    """Bytes that an instruction reads and writes; of a slice of an array the slice only."""
    sizes = [size_of(table[o].result, far=True) if o in table else 0 for o in instruction.operands]
    written = size_of(instruction.result, far=True)
    if instruction.operation in ("dynamic-slice", "slice", "gather"):
        return 2 * written
    if instruction.operation in ("dynamic-update-slice", "scatter"):
        return 2 * sum(sizes[1:])
    found = re.search(r"calls=%?([\w.\-]+)", instruction.line)
    inside = computations.get(found[1]) if found and instruction.operation == "fusion" else None
    if not inside:
        return written + sum(sizes)
    used: dict[str, list[Instruction]] = {}
    for part in inside:
        for operand in part.operands:
            used.setdefault(operand, []).append(part)
    for part in inside:
        if part.operation != "parameter":
            continue
        number = re.search(r"parameter\((\d+)\)", part.line)
        users = _users(part.name, used)
        if number is None or int(number[1]) >= len(sizes) or not users:
            continue
        if all(u.operation in ("dynamic-slice", "slice", "gather") and u.operands[0] in by for u, by in users):
            sizes[int(number[1])] = sum(size_of(u.result, far=True) for u, _ in users)
        elif all(u.operation == "dynamic-update-slice" and u.operands[0] in by for u, by in users):
            sizes[int(number[1])] = 0
    inner = {part.name: part for part in inside}
    root = next((part for part in inside if part.is_root), None)
    while root is not None and root.operation in ("bitcast", "copy", "convert") and root.operands:
        root = inner.get(root.operands[0])
    if root is not None and root.operation == "dynamic-update-slice" and len(root.operands) > 1:
        written = size_of(inner[root.operands[1]].result, far=True) if root.operands[1] in inner else written
    return written + sum(sizes)


def _users(name: str, used: Mapping[str, list[Instruction]]) -> list[tuple[Instruction, set[str]]]:
    """What reads a value, also through what only renames it; with the names that it then has."""
    out, names = [], [name]
    for by in names:
        for user in used.get(by, ()):
            if user.operation in ("bitcast",):
                names.append(user.name)
            else:
                out.append((user, set(names)))
    return out
