"""Reads pickled `.npy` files and bare pickles without running anything that they name.

KALM's authors publish rollouts as a dictionary pickled into an `.npy` file, and `numpy.load(allow_pickle=True)` calls
whatever function such a file asks for. Here a pickle never receives a function of Python or NumPy. The few names that
NumPy's pickles use stand for inert records of this module. Every record is checked (types, shapes against the number of
bytes present), and only then is an array made from the bytes. Everything else is refused by name.
"""

from __future__ import annotations

import io
import math
import mmap
import os
import pickle
import pickletools
import re
import tokenize
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.lib import format as npy

_File: TypeAlias = io.BytesIO | mmap.mmap

_MAX_DEPTH = 64
_MAX_DIMENSIONS = 32
_DTYPE_CODE = re.compile(r"b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[US]\d{1,9}|O[48]?")
_READ_ONLY_THESE = "only arrays, strings, numbers and containers of them are read"


class _RefusedError(ValueError):
    """Something in the file that is not read; the message says what."""


def _is_shape(shape: object) -> bool:
    return isinstance(shape, tuple) and len(shape) <= _MAX_DIMENSIONS and all(type(n) is int and n >= 0 for n in shape)


class _PendingDtype:
    """A `numpy.dtype` as the pickle describes it, not yet checked."""

    state: object

    def __init__(self, code: object, *flags: object) -> None:
        self.code, self.state = code, None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def resolve(self) -> np.dtype:
        code = self.code.decode("latin1") if isinstance(self.code, bytes) else self.code
        if not isinstance(code, str) or not _DTYPE_CODE.fullmatch(code):
            raise _RefusedError(f"an array type {str(code)[:60]!r}: {_READ_ONLY_THESE}")
        dtype = np.dtype("O" if code[0] == "O" else code)
        if self.state is None:
            return dtype
        # (version, byte order, subdtype, names, fields, item size, alignment, flags[, metadata])
        if (
            not isinstance(self.state, tuple)
            or len(self.state) not in (8, 9)
            or self.state[1] not in ("<", ">", "|", "=")
        ):
            raise _RefusedError(f"an array type {code!r} with a state that NumPy does not write")
        if any(part is not None for part in self.state[2:5]):
            raise _RefusedError(f"a structured array type; {_READ_ONLY_THESE}")
        if self.state[5] not in (-1, dtype.itemsize):
            raise _RefusedError(f"an array type {code!r} of item size {self.state[5]}, want {dtype.itemsize}")
        return dtype.newbyteorder(self.state[1]) if self.state[1] in "<>" else dtype


class _PendingArray:
    """A `numpy.ndarray` as the pickle describes it, not yet checked."""

    def __init__(self, shape: Any = None, dtype: Any = None, fortran: object = False, data: Any = None) -> None:
        self.shape, self.dtype, self.fortran, self.data = shape, dtype, fortran, data

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise _RefusedError("an array with a state that NumPy does not write")
        self.shape, self.dtype, self.fortran, self.data = state[-4:]

    def resolve(self, convert: Callable[[object], object]) -> np.ndarray:
        """The array; `convert(element)` makes the elements of an object array. Views of the file's bytes, read-only."""
        shape = self.shape
        if not _is_shape(shape):
            raise _RefusedError(f"an array of shape {str(shape)[:80]}")
        if not isinstance(self.dtype, _PendingDtype):
            raise _RefusedError("an array whose type is not a NumPy type")
        dtype, count = self.dtype.resolve(), math.prod(shape)
        order: Any = "F" if self.fortran else "C"
        if dtype.hasobject:
            if not isinstance(self.data, list) or len(self.data) != count:
                raise _RefusedError(f"an object array of shape {shape} that does not hold its {count} elements")
            flat = np.empty(count, object)
            for i, element in enumerate(self.data):
                flat[i] = convert(element)
            return flat.reshape(shape, order=order)
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data  # as Python 2 wrote bytes
        if not isinstance(data, bytes | bytearray) or dtype.itemsize == 0 or len(data) != count * dtype.itemsize:
            size = len(data) if isinstance(data, bytes | bytearray) else "no"
            raise _RefusedError(f"an array of shape {shape} and type {dtype} that holds {size} bytes")
        return np.frombuffer(data, dtype).reshape(shape, order=order)


class _PendingScalar:
    """A NumPy scalar: an array of shape () that is unpacked."""

    def __init__(self, dtype: object, data: object) -> None:
        self.array = _PendingArray((), dtype, False, data)

    def resolve(self, convert: Callable[[object], object]) -> object:
        return self.array.resolve(convert)[()]


def _reconstruct(subtype: object, shape: object, typecode: object) -> _PendingArray:
    if subtype is not _GLOBALS["numpy", "ndarray"]:
        raise _RefusedError("a subclass of numpy.ndarray; save plain arrays instead")
    return _PendingArray()


def _frombuffer(data: object, dtype: object, shape: object, order: object, *axis_order: object) -> _PendingArray:
    if order not in ("C", "F") or axis_order not in ((), (None,)):
        raise _RefusedError(f"an array in memory order {str(order)[:20]!r}; save a contiguous copy instead")
    return _PendingArray(shape, dtype, order == "F", data)


def _encode(text: object, codec: object) -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise _RefusedError(f"a call of codecs.encode with codec {str(codec)[:40]!r}; only latin1 is read")
    return text.encode("latin1")


def _ordered_dict(items: Any = ()) -> dict:
    if not isinstance(items, list | tuple) or any(not isinstance(i, list | tuple) or len(i) != 2 for i in items):
        raise _RefusedError("an OrderedDict that is not made of pairs")
    return {key: value for key, value in items}


def _empty_bytes(*args: object) -> bytes:
    if args:
        raise _RefusedError("a call of bytes with arguments")
    return b""


def _no_call(*_: object) -> NoReturn:
    raise _RefusedError("a call of numpy.ndarray; save plain arrays instead")


class _Global:
    """What a pickle gets for a permitted name: callable, and nothing in it can be changed by the pickle."""

    __slots__ = ("_make", "name")

    def __init__(self, name: str, make: Callable) -> None:
        self.name, self._make = name, make

    def __call__(self, *args: object) -> object:
        return self._make(*args)

    def __setstate__(self, state: object) -> NoReturn:
        raise _RefusedError(f"a change of {self.name}")


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # NumPy 1 and 2
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_MAKERS: dict[tuple[str, str], Callable] = {
    **{(module, "_reconstruct"): _reconstruct for module in _MULTIARRAY},
    **{(module, "scalar"): _PendingScalar for module in _MULTIARRAY},
    **{(module, "_frombuffer"): _frombuffer for module in _NUMERIC},
    ("numpy", "ndarray"): _no_call,
    ("numpy", "dtype"): _PendingDtype,
    ("collections", "OrderedDict"): _ordered_dict,
    ("__builtin__", "bytes"): _empty_bytes,  # how protocols 0 to 2 write b""
    ("_codecs", "encode"): _encode,
    ("codecs", "encode"): _encode,
}
_GLOBALS = {names: _Global(".".join(names), make) for names, make in _MAKERS.items()}


class _Unpickler(pickle.Unpickler):
    """Resolves the names in `_GLOBALS` to stand-ins and refuses every other name."""

    def find_class(self, module: str, name: str) -> _Global:
        stand_in = _GLOBALS.get((module, name))
        if stand_in is None:
            raise _RefusedError(f"the name {module}.{name}, which is not run; {_READ_ONLY_THESE}")
        return stand_in


def _check_sizes(file: _File) -> None:
    """Walks the opcodes without running them: sizes and memo positions that the file cannot back are refused."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
        if "PUT" in opcode.name and argument is not None and int(argument) > count:
            raise _RefusedError(f"a memo position {argument} after {count} instructions")


def _convert(thing: Any, memo: dict[int, Any], depth: int = 0) -> Any:
    """The plain value of what the unpickler built: records become arrays and scalars, containers are copied."""
    if thing is None or type(thing) in (bool, int, float, complex, str, bytes, bytearray):
        return thing
    if id(thing) in memo:
        return memo[id(thing)]
    if depth > _MAX_DEPTH:
        raise _RefusedError(f"containers nested more than {_MAX_DEPTH} deep, or inside themselves")

    def inner(part: object) -> Any:
        return _convert(part, memo, depth + 1)

    if isinstance(thing, _PendingArray | _PendingScalar):
        value = thing.resolve(inner)
    elif isinstance(thing, _PendingDtype):
        value = thing.resolve()
    elif type(thing) is dict:
        value = {inner(k): inner(v) for k, v in thing.items()}
    elif type(thing) in (list, tuple, set, frozenset):
        value = type(thing)(inner(part) for part in thing)
    else:
        what = thing.name if isinstance(thing, _Global) else type(thing).__name__
        raise _RefusedError(f"the name {what} as a value; {_READ_ONLY_THESE}")
    memo[id(thing)] = value
    return value


def _load_pickle(file: _File) -> Any:
    start = file.tell()
    _check_sizes(file)
    file.seek(start)
    return _convert(_Unpickler(file, encoding="latin1").load(), {})


def _load_npy(file: _File) -> Any:
    """The array of an `.npy` file, or the object itself when the file holds one object (shape ())."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise _RefusedError(f"an .npy version {version}, want 1.0, 2.0 or 3.0")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.kind == "O":
        array = _load_pickle(file)
        if not isinstance(array, np.ndarray) or array.dtype.kind != "O" or array.shape != shape:
            raise _RefusedError(f"a pickle that is not the object array of shape {shape} which its header announces")
        return array.item() if shape == () else array
    if dtype.kind not in "biufcSU" or dtype.itemsize == 0 or not _is_shape(shape):
        raise _RefusedError(f"an array of type {str(dtype)[:60]} and shape {str(shape)[:80]}: {_READ_ONLY_THESE}")
    data = file.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


_UNREADABLE = (
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    SyntaxError,
    tokenize.TokenError,
    pickle.PickleError,
)  # what the standard library raises on bytes that are cut short or not what they claim to be


def _opened(path_or_bytes: Any) -> _File:
    """The bytes as a file that has no more of them than it says, so that a false size cannot ask for memory."""
    if isinstance(path_or_bytes, bytes | bytearray | memoryview):
        return io.BytesIO(path_or_bytes)
    with open(path_or_bytes, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def load(path_or_bytes: str | os.PathLike | bytes | bytearray | memoryview) -> Any:
    """The object in an `.npy` file (pickled or plain) or in a bare pickle, or in its bytes; runs nothing that it names.

    For an `.npy` file of one pickled object (the format of KALM's authors) that is the object, usually a dictionary of
    arrays. Arrays may be read-only. An OrderedDict becomes a dict.

    Raises:
      FileNotFoundError: no such file.
      ValueError: the file is truncated, is neither `.npy` nor pickle, or names something that is not read. The
        message names the file and the thing.
    """
    if isinstance(path_or_bytes, bytes | bytearray | memoryview):
        name, size = "the bytes given", len(path_or_bytes)
    else:
        name = os.fspath(path_or_bytes)
        if not os.path.isfile(name):
            raise FileNotFoundError(f"{name}: no such file")
        size = os.path.getsize(name)
    if not size:
        raise ValueError(f"{name}: the file is empty")
    with _opened(path_or_bytes) as file:
        magic = file.read(6)
        file.seek(0)
        try:
            return _load_npy(file) if magic == b"\x93NUMPY" else _load_pickle(file)
        except _RefusedError as refused:
            raise ValueError(f"{name}: contains {refused}") from None
        except _UNREADABLE as error:
            problem = f"{type(error).__name__}: {error}".rstrip(": ")
            raise ValueError(f"{name}: truncated, or neither an .npy file nor a pickle ({problem})") from error
