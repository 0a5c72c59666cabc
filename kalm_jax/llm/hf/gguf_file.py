"""A GGUF file, the format of llama.cpp: its metadata and the places of its tensors, checked before any of them is read.

The package `gguf` knows the types of tensors and turns quantized ones into numbers. The head of the file is read here,
because that package takes seconds for the words of a large vocabulary and cannot say what is wrong with a damaged file.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import mmap
import os
import pathlib
import struct
from collections.abc import Mapping
from typing import Any, NoReturn

import gguf
import numpy as np

from kalm_jax.files import require_file

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""Those that are computed here; Mistral's models are "llama" too."""
_VERSIONS = (2, 3)
_SCALARS = "BbHhIif?  Qqd"
"""Types of single values, as `struct` calls them; 8 is a text and 9 is an array."""
_TEXT, _ARRAY = 8, 9
_MOST_DIMENSIONS = 4


@dataclasses.dataclass(frozen=True)
class GgufTensor:
    """Where a tensor lies.

    Attributes:
      shape: as NumPy has it; GGUF lists it backwards.
      kind: a `gguf.GGMLQuantizationType`.
      start, stop: its bytes in the file.
    """

    shape: tuple[int, ...]
    kind: Any
    start: int
    stop: int


class GgufFile:
    """A GGUF file whose head could be read whole, and that is as long as its head says.

    Attributes:
      path: of the file. metadata: key -> number, truth value, text, or list of them. tensors: name -> its place.
    """

    path: pathlib.Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, GgufTensor]

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Reads the head.

        Raises:
          OSError: there is no such file, or it cannot be opened.
          ValueError: it is no GGUF file of little-endian numbers, or is damaged or cut off; the message names it.
        """
        self.path = require_file(path)
        with self.path.open("rb") as file:
            first = file.read(24)
            self._check_beginning(first)
            try:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise ValueError(f"{self.path} cannot be read ({error})") from error
        try:
            self.metadata, self.tensors = _Head(self._bytes).read()
        except (struct.error, IndexError, KeyError, OverflowError, ValueError) as error:
            why = str(error) if isinstance(error, _DamagedError) else "its head is damaged or cut off"
            self._refuse(f"{why}; fetch it again")
        end = max((tensor.stop for tensor in self.tensors.values()), default=0)
        if end > len(self._bytes):
            self._refuse(f"it is cut off: it has {len(self._bytes)} bytes of {end}; fetch it again")

    def _check_beginning(self, first: bytes) -> None:
        if first[:4] != b"GGUF":
            if first.startswith(b"version https://git-lfs"):
                self._refuse("it is only a pointer of git-lfs; fetch the file itself")
            self._refuse(f"it is no GGUF file, as it begins with {first[:8]!r} instead of b'GGUF'")
        if len(first) < 24:
            self._refuse("it is cut off in its head; fetch it again")
        version = struct.unpack_from("<I", first, 4)[0]
        if version and not version & 0xFFFF:
            self._refuse("its numbers are big-endian, want a little-endian file")
        if version not in _VERSIONS:
            self._refuse(f"it is GGUF version {version}, want {' or '.join(map(str, _VERSIONS))}: convert it again")

    def _refuse(self, why: str) -> NoReturn:
        raise ValueError(f"{self.path}: {why}")

    def check_architecture(self) -> str:
        """Returns which of `ARCHITECTURES` it is; ValueError where it is no whole model of one of them."""
        if (parts := self.metadata.get("split.count", 1)) not in (0, 1):
            self._refuse(f"it is one of {parts} parts of a model: join them first (llama-gguf-split --merge)")
        if (kind := self.metadata.get("general.type", "model")) != "model":
            self._refuse(f"general.type is {kind!r}, want a whole model")
        if (name := self.metadata.get("general.architecture")) not in ARCHITECTURES:
            self._refuse(f"general.architecture is {name!r}, want one of {', '.join(ARCHITECTURES)}")
        return str(name)

    def check_type(self, name: str) -> None:
        """ValueError where `gguf` cannot make numbers of this tensor."""
        kind = self.tensors[name].kind
        size = gguf.GGML_QUANT_SIZES[kind][1]
        if kind in _plain_types():
            return
        try:
            gguf.quants.dequantize(np.zeros((1, size), np.uint8), kind)
        except NotImplementedError:
            self._refuse(f"{name} is stored as {kind.name}, which the package gguf {gguf_version()} does not read")

    def read(self, name: str) -> np.ndarray:
        """A tensor in float32, of `tensors[name].shape`; ValueError where numbers in it are not finite."""
        tensor = self.tensors[name]
        raw: np.ndarray = np.frombuffer(self._bytes, np.uint8, tensor.stop - tensor.start, tensor.start)
        if (plain := _plain_types().get(tensor.kind)) is not None:
            x = raw.view(plain).astype(np.float32)
        else:
            width = gguf.quants.quant_shape_to_byte_shape(tensor.shape, tensor.kind)[-1]
            x = gguf.quants.dequantize(raw.reshape(-1, width), tensor.kind)
        if not np.isfinite(x).all():
            self._refuse(f"{name} has numbers that are not finite; the file is damaged, fetch it again")
        return x.reshape(tensor.shape)


def gguf_version() -> str:
    """The version of the package `gguf`."""
    return importlib.metadata.version("gguf")


def _plain_types() -> Mapping[Any, Any]:
    """Types that are NumPy's own."""
    kinds = gguf.GGMLQuantizationType
    return {kinds.F64: np.float64, kinds.F32: np.float32, kinds.F16: np.float16}


class _DamagedError(ValueError):
    """What is wrong with the head."""


class _Head:
    """Reads the head from its beginning to its end; errors of any kind where it is damaged."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content, self._at = content, 8

    def read(self) -> tuple[dict[str, Any], dict[str, GgufTensor]]:
        """The metadata and the tensors."""
        num_tensors, num_keys = self._unpack("Q"), self._unpack("Q")
        metadata = {}
        for _ in range(num_keys):
            key = self._text()
            if key in metadata:
                raise _DamagedError(f"it has two values of {key}")
            metadata[key] = self._value(self._unpack("I"))
        found: dict[str, tuple[tuple[int, ...], Any, int]] = {}
        for _ in range(num_tensors):
            name, dimensions = self._text(), self._unpack("I")
            if name in found:
                raise _DamagedError(f"it has two tensors {name}")
            if dimensions > _MOST_DIMENSIONS:
                raise _DamagedError(f"{name} has {dimensions} dimensions")
            shape = tuple(self._unpack("Q") for _ in range(dimensions))[::-1]
            number = self._unpack("I")
            try:
                kind = gguf.GGMLQuantizationType(number)
            except ValueError:
                raise _DamagedError(
                    f"{name} is stored in type number {number}, which the package gguf {gguf_version()} does not know"
                ) from None
            found[name] = shape, kind, self._unpack("Q")
        alignment = metadata.get("general.alignment", gguf.GGUF_DEFAULT_ALIGNMENT)
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            raise _DamagedError(f"general.alignment is {alignment!r}, want a power of 2")
        data, tensors = -(-self._at // alignment) * alignment, {}
        for name, (shape, kind, offset) in found.items():
            block, size = gguf.GGML_QUANT_SIZES[kind]
            count = 1
            for length in shape:
                count *= length
            if count < 1 or not shape or shape[-1] % block:
                raise _DamagedError(f"{name} has shape {shape}, which type {kind.name} cannot have")
            start = data + offset
            tensors[name] = GgufTensor(shape, kind, start, start + count // block * size)
        return metadata, tensors

    def _unpack(self, kind: str) -> Any:
        value = struct.unpack_from(f"<{kind}", self._content, self._at)[0]
        self._at += struct.calcsize(f"<{kind}")
        return value

    def _text(self) -> str:
        size = self._unpack("Q")
        end = self._at + size
        if end > len(self._content):
            raise IndexError
        text = self._content[self._at : end].decode("utf-8", "replace")
        self._at = end
        return text

    def _value(self, kind: int) -> Any:
        if kind == _TEXT:
            return self._text()
        if kind == _ARRAY:
            entry, count = self._unpack("I"), self._unpack("Q")
            if entry == _TEXT:
                return self._texts(count)
            if entry == _ARRAY:
                raise _DamagedError("it has an array of arrays")
            if count > len(self._content):
                raise IndexError
            values = struct.unpack_from(f"<{count}{_scalar(entry)}", self._content, self._at)
            self._at += struct.calcsize(f"<{count}{_scalar(entry)}")
            return list(values)
        return self._unpack(_scalar(kind))

    def _texts(self, count: int) -> list[str]:
        """Many texts; a large vocabulary has half a million with its merges."""
        content, at, total, texts = self._content, self._at, len(self._content), []
        if count > total:
            raise IndexError
        size_of = struct.Struct("<Q").unpack_from
        for _ in range(count):
            end = at + 8 + size_of(content, at)[0]
            if end > total:
                raise IndexError
            texts.append(content[at + 8 : end].decode("utf-8", "replace"))
            at = end
        self._at = at
        return texts


def _scalar(kind: int) -> str:
    name = _SCALARS[kind]
    if name == " ":
        raise KeyError(kind)
    return name
