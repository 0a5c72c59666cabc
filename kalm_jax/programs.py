"""Jitted functions that can also be described, for devices that are not there.

`program` is `jax.jit`. Within `described_for` the devices of this process are those that are given, such as a TPU's
that only a compiler knows. Nothing is placed on them: an array that would be is its shape, type and sharding instead.
`describe` then calls what a job calls, up to a program, and returns that program with the shapes that it was called
with, which can be lowered and compiled for these devices. So what is compiled is what the job runs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import jax
from jax.sharding import SingleDeviceSharding

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclasses.dataclass(frozen=True)
class _Described:
    """The devices that programs are described for, and what they are in JAX's words ("tpu", "gpu" or "cpu")."""

    devices: tuple[jax.Device, ...]
    backend: str


_described: _Described | None = None
_wanted: str = ""


@dataclasses.dataclass(frozen=True)
class Described:
    """A program as a job calls it.

    Attributes:
      name: of the function.
      traced: the function traced for the shapes, `jax.stages.Traced`.
      args, kwargs: of the call; arrays are `jax.ShapeDtypeStruct`s.
    """

    name: str
    traced: Any
    args: tuple
    kwargs: dict[str, Any]


class _Found(BaseException):
    """Ends a call that `describe` makes at the wanted program; no handler of errors must catch it."""

    def __init__(self, program: Described) -> None:
        super().__init__(program.name)
        self.program = program


def devices() -> list[jax.Device]:
    """The devices of programs: all of this process, or those that programs are described for."""
    return jax.devices() if _described is None else list(_described.devices)


def backend() -> str:
    """What `devices()` are in JAX's words: "cpu", "gpu" or "tpu"."""
    return jax.default_backend() if _described is None else _described.backend


def is_described() -> bool:
    """Whether programs are described, not run."""
    return _described is not None


@contextlib.contextmanager
def described_for(devices: Sequence[jax.Device], backend: str) -> Iterator[None]:
    """Within this context programs are described for these devices, which may be those of a topology."""
    global _described
    before, _described = _described, _Described(tuple(devices), backend)
    try:
        yield
    finally:
        _described = before


def describe(call: Callable[[], Any], wanted: str) -> Described:
    """The first program named `wanted` that `call` comes to, within `described_for`.

    Programs before it are computed on this process's devices if all of their arguments are there, and otherwise
    return the shapes of their results.

    Raises:
      LookupError: `call` returned before.
    """
    global _wanted
    before, _wanted = _wanted, wanted
    try:
        call()
    except _Found as found:
        return found.program
    finally:
        _wanted = before
    raise LookupError(f"no program {wanted} was called")


def shape_of(x: Any, sharding: Any = None) -> jax.ShapeDtypeStruct:
    """Shape and type of an array as a program sees it, with a sharding."""
    known = x if isinstance(x, jax.ShapeDtypeStruct) else jax.typeof(x)
    return jax.ShapeDtypeStruct(known.shape, known.dtype, sharding=sharding)


def compute(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`; of arguments that are shapes, the shapes of its result."""
    return jax.eval_shape(function, *args) if _has(args, jax.ShapeDtypeStruct) else function(*args)


def program(function: Function | None = None, **options: Any) -> Any:
    """`jax.jit(function, **options)`, which `describe` can describe; also as a decorator, with options or without."""
    return functools.partial(program, **options) if function is None else _Program(function, options)


class _Program:
    """See `program`."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self._jitted, self._options = jax.jit(function, **options), options
        self._name = getattr(function, "__name__", "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _described is None or _has((args, kwargs), jax.core.Tracer):
            return self._jitted(*args, **kwargs)
        if self._name != _wanted and not _has((args, kwargs), jax.ShapeDtypeStruct):
            return self._jitted(*args, **kwargs)
        # Where nothing is placed, the program is one of a single device.
        placed = any(getattr(x, "sharding", None) is not None for x in _leaves((args, kwargs), jax.ShapeDtypeStruct))
        single = None if placed else SingleDeviceSharding(_described.devices[0])

        def shape(x: Any) -> Any:
            if isinstance(x, jax.ShapeDtypeStruct) and placed:
                return x
            return shape_of(x, single) if _is_array(x) else x

        args, kwargs = jax.tree.map(shape, (args, kwargs))
        if self._name == _wanted:
            raise _Found(Described(self._name, self._jitted.trace(*args, **kwargs), args, kwargs))
        out = self._jitted.eval_shape(*args, **kwargs)
        shardings = self._options.get("out_shardings")
        if shardings is None:
            return out
        return jax.tree.map(lambda s, part: jax.tree.map(lambda x: shape_of(x, s), part), shardings, out)

    def __getattr__(self, name: str) -> Any:  # lower, trace, clear_cache, ...
        if name in ("_jitted", "__setstate__"):
            raise AttributeError(name)
        return getattr(self._jitted, name)


def _is_array(x: Any) -> bool:
    return isinstance(x, jax.ShapeDtypeStruct) or (hasattr(x, "shape") and hasattr(x, "dtype"))


def _leaves(tree: Any, kind: type) -> list[Any]:
    return [x for x in jax.tree.leaves(tree) if isinstance(x, kind)]


def _has(tree: Any, kind: type) -> bool:
    return bool(_leaves(tree, kind))
