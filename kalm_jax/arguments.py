"""Arguments of public functions, checked by their annotations and refused by name before anything is computed.

@checked(count=COUNT, seed=SEED)
def imagine(grounded: Grounded, goals: GoalTable, *, count: int = 64, seed: int = 0) -> Rollouts: ...

imagine(grounded, goals, count="8")  # TypeError: count is '8', want an integer from 1 to 10000000
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import numbers
import os
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from kalm_jax.settings import MANY, MAX_SEED, MAX_SEEDS, Setting, shown

SEED = Setting("", low=0, high=MAX_SEED)
EPISODE_SEED = Setting("", low=0, high=MAX_SEED + MAX_SEEDS)
"""Of one of several policies or evaluations, the first of which has a `SEED`."""
COUNT = Setting("", low=1, high=MANY)
"""Of rollouts or episodes."""

_Function = TypeVar("_Function", bound=Callable[..., Any])
_NAMES = {
    int: "an integer",
    float: "a number",
    bool: "True or False",
    str: "a text",
    os.PathLike: "a path",
    Callable: "a function",
    Mapping: "a dictionary",
    tuple: "a tuple",
}


def checked(**about: Setting) -> Callable[[_Function], _Function]:
    """Makes a function check its arguments when it is called; `self` and what its `**` takes are left out.

    An argument must be of the kind that its annotation says: NumPy's and JAX's scalars become Python's, and texts must
    be Unicode. Arrays, sequences and `Any` are left to the function, see `real_numbers` and `text_list`.

    Args:
      **about: parameter -> the range or choices of a value that is not None; its `doc` follows what an error wants.

    Raises (the function, when it is called):
      TypeError: an argument is missing, unknown, or of another kind; the message names it and says what came.
      ValueError: it is out of its range, none of its choices, or no text or path that there can be.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.cache
        def kinds() -> dict[str, tuple[Any, ...]]:
            hints = typing.get_type_hints(function)
            named = (p for p in signature.parameters.values() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
            return {p.name: _alternatives(hints[p.name]) for p in named if p.name in hints}

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                given = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}(): {error}") from None
            for name, value in given.arguments.items():
                if name in kinds():
                    given.arguments[name] = _checked(name, value, kinds()[name], about.get(name, Setting("")))
            return function(*given.args, **given.kwargs)

        return typing.cast("_Function", call)

    return decorate


def check_text(name: str, text: Any) -> str:
    """A text that can be written as UTF-8; TypeError or ValueError otherwise."""
    if not isinstance(text, str):
        raise TypeError(f"{name} is {shown(text)}, want a text")
    if "\0" in text:
        raise ValueError(
            f"{name} has a null character at place {text.index(chr(0))}, which no file holds: leave it out"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} has {text[error.start]!a} at place {error.start}, which is no character: read the text as "
            "UTF-8, or leave it out"
        ) from None
    return text


def text_list(name: str, texts: Any) -> list[str]:
    """Texts as a list, a single one too; TypeError or ValueError where there are none, or one is no text."""
    if isinstance(texts, np.ndarray) and not texts.ndim:
        texts = texts.item()
    if isinstance(texts, str) or not isinstance(texts, Sequence | np.ndarray):
        texts = [texts]
    if not len(texts):
        raise ValueError(f"{name} is empty, want at least one text")
    return [str(check_text(name, text)) for text in texts]


def refuse_masked(name: str, value: Any) -> None:
    """ValueError for a masked array, whose masked numbers NumPy takes for numbers like the others."""
    parts = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        raise ValueError(
            f"{name} is a masked array (numpy.ma), want a plain one: leave what is masked out, or fill it (x.filled())"
        )


def plain_array(name: str, value: Any) -> np.ndarray:
    """An array of what is none of `refuse_masked`."""
    refuse_masked(name, value)
    return np.asarray(value)


def real_numbers(name: str, value: Any) -> np.ndarray:
    """An array of real, finite float32 numbers, of any shape; TypeError or ValueError otherwise."""
    refuse_masked(name, value)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array ({error}), want rows of equal length") from error
    if array.dtype.kind not in "biuf":
        kind = f"an array of type {array.dtype}" if array.ndim else shown(value)
        raise TypeError(f"{name} is {kind}, want real numbers")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has numbers that are not finite (NaN or infinity)")
    return array


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """What a type hint allows, each as a class, or as a tuple's hint; () for anything."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        several = [_alternatives(kind) for kind in typing.get_args(hint)]
        return tuple(kind for part in several for kind in part) if all(several) else ()
    kind = typing.get_origin(hint) or hint
    if kind is tuple:
        return (hint,)
    if not isinstance(kind, type) or kind in (object, np.ndarray, Sequence):
        return ()
    return (os.PathLike if issubclass(kind, os.PathLike) else kind,)


def _is(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is tuple:
        parts = typing.get_args(kind)
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_is, value, parts))
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    return isinstance(value, kind)


def _checked(name: str, value: Any, kinds: tuple[Any, ...], about: Setting) -> Any:
    if not kinds:
        return value
    plain = {int, float, bool, str} & {*kinds}
    if plain and getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # of NumPy or JAX
    if not any(_is(value, kind) for kind in kinds):
        came = repr(value) if isinstance(value, float) else shown(value)
        raise TypeError(f"{name} is {came}, want {_wanted(kinds, about)}")
    if os.PathLike in kinds and isinstance(value, str | os.PathLike):
        if "\0" in str(value):
            raise ValueError(f"{name} is {str(value)!r}: a path has no null character")
    elif isinstance(value, str):
        check_text(name, value)
    if value is None or not plain:
        return value
    return dataclasses.replace(about, kind=type(value)).checked(value, name)


def _wanted(kinds: tuple[Any, ...], about: Setting) -> str:
    """What an argument may be, in words."""
    if os.PathLike in kinds:
        kinds = tuple(kind for kind in kinds if kind is not str)
    said = [_named(kind, about) for kind in kinds if kind is not types.NoneType]
    return " or ".join(said + ["None"] * (types.NoneType in kinds)) + f", {about.doc}" * bool(about.doc)


def _named(kind: Any, about: Setting) -> str:
    if typing.get_origin(kind) is tuple:
        return f"({', '.join(part.__name__ for part in typing.get_args(kind))})"
    if kind in (int, float, str) and (said := dataclasses.replace(about, kind=kind).wanted()):
        return said
    return _NAMES.get(kind) or f"{kind.__module__.partition('.')[0]}'s {kind.__name__}"
