"""Do programs compute on a CPU what they say? `python -m benchmarks.miscompilation --output=FILE`.

XLA's default on the CPU, its safe flag (`kalm_jax.xla_flags`) and one operation at a time are compared on the programs
of the main job. The commands below run, short but with the shapes of the preset `default`. Whenever they call a
program that is compiled, the same inputs are given to it compiled by default, compiled with the safe flag, and
interpreted, each operation a program of its own. Of every result there are then two distances from the interpreted
one, each as the norm of the difference over the norm. Rounding makes both small and alike. A miscompilation makes the
default's large.

A row is a program with the shapes of its inputs: how many pieces XLA hands to the library YNNPACK, in how many of them
a product is followed by a sum (the pattern of jax issue 39103), both distances, and the CPU time of a call both ways,
by turns. Exits with 1 where a default program differs by more than rounding. Takes two hours on one slow core;
`--only=clevr` is one of the commands.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import importlib
import inspect
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from kalm_jax.xla_flags import FLAG

SAFE = {FLAG: "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
"""The safe flag, as an option of one program."""
SMALL = (
    "--grounding_steps=3 --grounding_reading_steps=1 --updates=4 --episodes=8 --expert_episodes=1 --explanations=8 "
    "--evaluate_every=3 --metric_rollouts=8 --metric_explanations=8 --replays=2 --imagined_rephrase=32 "
    "--imagined_unseen_easy=16 --conditions=kalm --keep_all"
)
JOBS = {
    "clevr": "clevr --rollouts=200 --imagined_unseen_hard=16 --explanation_draws=2 --actions=greedy,sampled "
    f"--algo=td3bc,bc,cql,iql,awac,combo,decision_transformer,llm_policy {SMALL}",
    "metaworld": f"metaworld --rollouts=110 --algo=td3bc,bc,cql,iql,awac,combo,decision_transformer {SMALL}",
    "pretrain": "pretrain --steps=3",
}
"""Name -> a command that is run, short, with real shapes."""
CALLS = 2
"""How often a program is compared for each of its shapes: the first update of a model is often special."""
ROUNDING, SPREAD = 1e-3, 20.0
"""A distance up to the first is rounding, and so is one that is no more than so many times the safe one's."""

TURNS, MAX_SECONDS = 15, 20.0
"""A call is timed so many times each way, or until that time has passed."""

_real_jit = jax.jit


def evaluate(jaxpr: Any, consts: Sequence[Any], inputs: Sequence[Any]) -> list[Any]:
    """The results of a program, each of its operations computed alone."""
    values: dict[Any, Any] = {}

    def read(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else values[atom]

    values.update(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, inputs, strict=True))
    for equation in jaxpr.eqns:
        found = _operation(equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _closed(program: Any, inputs: Sequence[Any]) -> list[Any]:
    """`evaluate` of a program that may bring its constants."""
    inner = getattr(program, "jaxpr", program)
    return evaluate(inner, getattr(program, "consts", ()), inputs)


def _operation(equation: Any, inputs: list[Any]) -> list[Any]:
    """One operation; loops, branches and calls are taken apart."""
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return _scan(params, inputs)
    if name == "while":
        cut, end = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        carry = inputs[end:]
        while bool(_closed(params["cond_jaxpr"], [*inputs[:cut], *carry])[0]):
            carry = _closed(params["body_jaxpr"], [*inputs[cut:end], *carry])
        return carry
    if name == "cond":
        index = min(max(int(inputs[0]), 0), len(params["branches"]) - 1)
        return _closed(params["branches"][index], inputs[1:])
    if name in ("sharding_constraint", "mesh_cast", "reshard"):
        return inputs
    for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"):
        if key in params:
            return _closed(params[key], inputs)
    results = equation.primitive.bind(*inputs, **params)
    return list(results) if equation.primitive.multiple_results else [results]


def _scan(params: dict[str, Any], inputs: list[Any]) -> list[Any]:
    if "ft_in" in params:  # from jax 0.12 on: constants, what is carried, and what is looped over
        fixed, carried = (len(part) for part in params["ft_in"].unpack()[:2])
    else:
        fixed, carried = params["num_consts"], params["num_carry"]
    consts, carry, slices = inputs[:fixed], inputs[fixed : fixed + carried], inputs[fixed + carried :]
    places = range(params["length"])
    results = []
    for place in reversed(places) if params["reverse"] else places:
        found = _closed(params["jaxpr"], [*consts, *carry, *(x[place] for x in slices)])
        carry, result = found[:carried], found[carried:]
        results.append(result)
    if params["reverse"]:
        results.reverse()
    return [*carry, *(jnp.stack(column) for column in zip(*results, strict=True))]


def distance(found: Sequence[Any], wanted: Sequence[Any]) -> tuple[float, float]:
    """How far results are from others: (of numbers, the largest relative norm of a difference; share of different
    integers)."""
    numbers, different, count = 0.0, 0, 0
    for x, y in zip(found, wanted, strict=True):
        if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        a, b = np.asarray(x), np.asarray(y)
        if not jnp.issubdtype(a.dtype, jnp.floating):
            different, count = different + int((a != b).sum()), count + a.size
            continue
        a, b = a.astype(np.float64), b.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        a, b = np.where(same, 0.0, a), np.where(np.isfinite(b), b, 0.0)
        if not np.isfinite(a).all():
            return np.inf, different / max(count, 1)
        size = np.linalg.norm(b) or 1.0
        numbers = max(numbers, float(np.linalg.norm(np.where(same, 0.0, a - b)) / size))
    return numbers, different / max(count, 1)


def library_pieces(text: str) -> tuple[int, int]:
    """(pieces of a compiled program that YNNPACK computes, those in which a product is followed by a sum)."""
    bodies = {name: body for name, body in re.findall(r"^%?([\w.-]+) \(.*?\{\n(.*?)^\}", text, re.M | re.S)}
    called = re.findall(r"calls=%?([\w.-]+)[^\n]*__ynn_fusion", text)
    pattern = 0
    for name in called:
        steps = re.findall(r" = \S+ ([\w-]+)\(", bodies.get(name, ""))
        places = [steps.index(step) for step in ("dot", "reduce", "reduce-window") if step in steps]
        pattern += "dot" in steps and len(places) > 1
    return len(called), pattern


@dataclasses.dataclass
class Row:
    """What was found of a program with one set of shapes.

    Attributes:
      pieces: that the library computes by default. pattern: those of them with a product and a sum.
      default, safe: distances of numbers from those of single operations; the larger of the calls.
      between: distance between default and safe.
      integers: largest share of different integers of the default from single operations.
      default_ms, safe_ms: CPU time of a call, the median of `TURNS`.
      note: why there are no single operations.
    """

    job: str
    program: str
    shapes: str
    calls: int = 0
    pieces: int = 0
    pattern: int = 0
    default: float = 0.0
    safe: float = 0.0
    between: float = 0.0
    integers: float = 0.0
    default_ms: float = 0.0
    safe_ms: float = 0.0
    seconds: float = 0.0
    note: str = ""

    def wrong(self) -> bool:
        """Whether the default is farther away than rounding."""
        worst = max(self.default, self.between) if not self.note else self.between
        return worst > max(ROUNDING, SPREAD * self.safe)


ROWS: dict[tuple[str, str, str], Row] = {}
_lock, _inside = threading.RLock(), threading.local()
_job = ""


class Watched:
    """A compiled function of the library that compares itself when it is called, `CALLS` times for each shape."""

    def __init__(self, fun: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, fun)
        self._default, self._safe = _real_jit(fun, **options), _real_jit(fun, compiler_options=SAFE, **options)
        statics = options.get("static_argnames", ())
        self._statics = {statics} if isinstance(statics, str) else set(statics)
        self._name = f"{fun.__module__.removeprefix('kalm_jax.')}.{getattr(fun, '__name__', '?')}"
        self._parameters = list(inspect.signature(fun).parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_default"], name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        free = {name: value for name, value in kwargs.items() if name not in self._statics}
        positional = [x for name, x in zip(self._parameters, args) if name not in self._statics]
        leaves = jax.tree.leaves((positional, free))
        if getattr(_inside, "busy", False) or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return self._default(*args, **kwargs)
        shapes = ", ".join(str(jax.typeof(leaf)).replace("float32", "f32") for leaf in leaves)
        statics = repr([kwargs.get(name) for name in sorted(self._statics)])
        learner = getattr(kwargs.get("learner"), "name", "")
        name = f"{self._name} {learner}".strip()
        with _lock:
            row = ROWS.setdefault((_job, name, f"{shapes} {statics}"), Row(_job, name, shapes))
            if row.calls >= CALLS:
                return self._default(*args, **kwargs)
            row.calls += 1
            _inside.busy = True
            try:
                self._compare(row, args, kwargs, leaves)
            finally:
                _inside.busy = False
        return self._default(*args, **kwargs)

    def _compare(self, row: Row, args: Any, kwargs: Any, leaves: list[Any]) -> None:
        begin = time.monotonic()

        def copy(x: Any) -> Any:  # what is donated is gone after a call
            return jnp.copy(x) if isinstance(x, jax.Array) else x

        def copies() -> tuple[Any, Any]:
            return jax.tree.map(copy, args), jax.tree.map(copy, kwargs)

        inputs = [copy(leaf) for leaf in leaves]
        more_args, more_kwargs = copies()
        default = jax.tree.leaves(self._default(*more_args, **more_kwargs))
        more_args, more_kwargs = copies()
        safe = jax.tree.leaves(self._safe(*more_args, **more_kwargs))
        row.between = max(row.between, distance(default, safe)[0])
        if row.calls == 1:
            row.pieces, row.pattern = library_pieces(self._default.lower(*args, **kwargs).compile().as_text())
            row.default_ms, row.safe_ms = _turns((self._default, self._safe), copies)
        if len({device for leaf in inputs if isinstance(leaf, jax.Array) for device in leaf.devices()}) > 1:
            row.note = "on several devices"
        else:
            program = self._default.trace(*args, **kwargs).jaxpr
            single = evaluate(program.jaxpr, program.consts, inputs)
            far, integers = distance(default, single)
            row.default, row.integers = max(row.default, far), max(row.integers, integers)
            row.safe = max(row.safe, distance(safe, single)[0])
        row.seconds += time.monotonic() - begin
        print(f"{line(row)}", file=sys.stderr, flush=True)


def _turns(programs: Sequence[Callable[..., Any]], copies: Callable[[], tuple[Any, Any]]) -> list[float]:
    """Milliseconds of CPU time of a call of each of the programs, which take turns."""
    spent: list[list[float]] = [[] for _ in programs]
    end = time.monotonic() + MAX_SECONDS
    while len(spent[0]) < TURNS and (time.monotonic() < end or not spent[0]):
        for program, times in zip(programs, spent, strict=True):
            args, kwargs = jax.block_until_ready(copies())
            begin = time.process_time()
            jax.block_until_ready(program(*args, **kwargs))
            times.append(1e3 * (time.process_time() - begin))
    return [float(np.median(times)) for times in spent]


def watched_jit(fun: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`jax.jit` that watches the library's functions."""
    if fun is None:
        return functools.partial(watched_jit, **options)
    if not str(getattr(fun, "__module__", "")).startswith("kalm_jax"):
        return _real_jit(fun, **options)
    return Watched(fun, options)


def line(row: Row) -> str:
    """A row as text."""
    about = row.note or f"default {row.default:.1e}, safe {row.safe:.1e}, integers {row.integers:.1e}"
    verdict = "  DIFFERS" if row.wrong() else ""
    return (
        f"{row.job:10s} {row.program:45s} {row.pieces:4d} pieces, {row.pattern:3d} with product and sum; "
        f"between {row.between:.1e}, {about}; {row.default_ms:.1f} and {row.safe_ms:.1f} ms{verdict}"
    )


def run_job(name: str, folder: Path) -> list[dict[str, Any]]:
    """Runs a command in this process, watched."""
    global _job
    _job = name
    command, *argv = JOBS[name].split()
    jax.jit = watched_jit
    try:
        module = f"benchmarks.{command}" if command == "pretrain" else f"kalm_jax.cli.{command}"
        importlib.import_module(module).main([*argv, f"--output={folder / name}"])
    finally:
        jax.jit = _real_jit
    return [dataclasses.asdict(row) | {"wrong": row.wrong()} for row in ROWS.values()]


def summary(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each job and program: the largest of its shapes."""
    groups = collections.defaultdict(list)
    for row in rows:
        groups[row["job"], row["program"]].append(row)
    yield f"{'program':58s} shapes pieces pattern  between  default     safe integers  ms default, safe"
    for (job, program), some in sorted(groups.items()):
        top = [max(row[key] for row in some) for key in ("between", "default", "safe", "integers")]
        counts = f"{len(some):6d} {sum(r['pieces'] for r in some):6d} {sum(r['pattern'] for r in some):7d}"
        wrong = "  DIFFERS" if any(row["wrong"] for row in some) else ""
        longest = max(some, key=lambda row: row["default_ms"])
        spent = f"{longest['default_ms']:9.1f} {longest['safe_ms']:9.1f}"
        yield f"{job + ' ' + program:58s} {counts} " + " ".join(f"{x:8.1e}" for x in top) + spent + wrong


def main() -> None:
    """Compares the programs of all jobs, each job in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=JOBS, action="append", help="one of the commands; may be given several times")
    parser.add_argument("--output", help="JSON file for the rows")
    parser.add_argument("--rows", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.rows:  # in the process of one job
        with tempfile.TemporaryDirectory() as folder:
            Path(args.rows).write_text(json.dumps(run_job(args.only[0], Path(folder))))
        return
    rows = []
    for name in args.only or JOBS:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = [sys.executable, "-m", "benchmarks.miscompilation", f"--only={name}", f"--rows={file.name}"]
            flags = f"{os.environ.get('XLA_FLAGS', '')} --{FLAG}=+individual_dot"  # jaxlib's own default
            subprocess.run(command, check=True, env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"})
            rows += json.loads(Path(file.name).read_text())
        if args.output:
            about = {"jax": jax.__version__, "machine": platform.processor(), "jobs": JOBS}
            Path(args.output).write_text(json.dumps({"about": about, "rows": rows}, indent=1))
    print("\n".join(summary(rows)))
    if any(row["wrong"] for row in rows):
        sys.exit("error: programs compute by default something else than rounding explains")


if __name__ == "__main__":
    main()
