"""A frozen dataclass that JAX treats as a pytree."""

from __future__ import annotations

import dataclasses
from typing import TypeVar, dataclass_transform

import jax

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def pytree_dataclass(cls: type[T]) -> type[T]:
    """Makes `cls` a frozen dataclass and registers it; fields with `metadata={"static": True}` are not leaves.

    jaxtyping does not check its fields: JAX also builds such objects of axes, shapes and placeholders.
    """
    cls = jax.tree_util.register_dataclass(dataclasses.dataclass(frozen=True)(cls))
    cls.__no_type_check__ = True  # type: ignore[attr-defined]
    return cls
