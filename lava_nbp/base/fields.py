"""Values of a dataclass's fields, brought to the types that it declares.

People write ``[2, 8]`` for a tuple and give sizes as NumPy integers, rates as whole numbers. All are meant well, but a
list cannot be hashed and JSON knows no NumPy: `settle` makes the declared types of them, and refuses what cannot be
meant.
"""

from __future__ import annotations

import contextlib
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, Literal, Union

import numpy as np

from lava_nbp.base.checks import is_integer, is_real, shown
from lava_nbp.errors import LavaNBPError

#: What stands for a tuple or a frozenset.
_SEQUENCES = (list, tuple, set, frozenset, np.ndarray)


def settle(value: Any, what: str, error: type[LavaNBPError], only: tuple[str, ...] = ()) -> None:
    """Bring the fields of a frozen dataclass to their declared types, in its `__post_init__`.

    Types may be str, int, float, bool, Literal, None, other classes, functions, and unions, tuples, frozensets, lists
    and mappings of them. A float is any finite real number; whole numbers become floats, so that kernels are not
    compiled once more for them. A field of type Any is anything, and what is in an array is checked by its class.

    Parameters
    ----------
    value : dataclass
        Whose fields to settle.
    what : str
        Names it in messages.
    error : type
        Class of the error.
    only : tuple of str
        Names of the fields to settle; none: all.

    Raises
    ------
    LavaNBPError
        The given class: names the field, its value, and what it must be.
    """
    kind: Any = type(value)
    for name, wanted in _types(kind).items():
        if only and name not in only:
            continue
        found = getattr(value, name)
        try:
            object.__setattr__(value, name, _settled(found, wanted))
        except _WrongType:
            raise error(f"{what}: {name} is {shown(found)}, but must be {_said(wanted)}") from None


class _WrongType(Exception):
    pass


@lru_cache
def _types(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _settled(found: Any, wanted: Any) -> Any:
    if (type(found) is wanted and wanted is not float) or wanted is Any:
        return found  # nearly always
    origin, parts = _taken_apart(wanted)
    if origin in (Union, types.UnionType):
        return _first_of(found, parts)
    if origin in (tuple, frozenset, list) and isinstance(found, _SEQUENCES):
        return _several(found, origin, parts)
    if origin in (dict, Mapping) and isinstance(found, Mapping):
        return {_settled(key, parts[0]): _settled(value, parts[1]) for key, value in found.items()}
    if origin is np.ndarray and isinstance(found, np.ndarray):
        return found
    if origin is Callable and callable(found):
        return found
    if origin is Literal:
        plain = int(found) if is_integer(found) else found
        if any(type(plain) is type(part) and plain == part for part in parts):
            return plain
    if wanted is int and is_integer(found):
        return int(found)
    if wanted is float:
        return _finite(found)
    if wanted is bool and isinstance(found, (bool, np.bool_)):
        return bool(found)
    if origin is None and wanted is not int and isinstance(found, wanted):
        return str(found) if wanted is str else found
    raise _WrongType


def _taken_apart(wanted: Any) -> tuple[Any, tuple[Any, ...]]:
    """Origin and arguments of a type, of what it stands for if it is an alias: since NumPy 2.5 NDArray is one."""
    while hasattr(alias := typing.get_origin(wanted) or wanted, "__value__"):
        wanted = alias.__value__
    return typing.get_origin(wanted), typing.get_args(wanted)


def _finite(found: Any) -> float:
    if is_real(found):
        with contextlib.suppress(OverflowError):
            number = float(found)
            if math.isfinite(number):
                return number
    raise _WrongType


def _first_of(found: Any, alternatives: tuple[Any, ...]) -> Any:
    for wanted in alternatives:
        try:
            return _settled(found, wanted)
        except _WrongType:
            continue
    raise _WrongType


def _several(found: Any, origin: Any, parts: tuple[Any, ...]) -> Any:
    if origin is not frozenset and isinstance(found, (set, frozenset)):
        raise _WrongType  # it has no order
    if isinstance(found, np.ndarray) and found.ndim == 0:
        raise _WrongType  # it has no entries
    values = list(found)
    if origin is not tuple or parts[-1] is Ellipsis:
        parts = (parts[0],) * len(values)
    if len(parts) != len(values):
        raise _WrongType
    return origin(_settled(value, wanted) for value, wanted in zip(values, parts, strict=True))


def _said(wanted: Any) -> str:
    """A type in words."""
    origin, parts = _taken_apart(wanted)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_said, parts))
    if origin is Literal:
        return "one of " + ", ".join(map(repr, parts))
    if origin is tuple and parts[-1] is not Ellipsis:
        return f"a tuple of {len(parts)}: " + " and ".join(map(_said, parts))
    if origin in (tuple, frozenset, list):
        return f"a {origin.__name__}, each entry of it {_said(parts[0])}"
    if origin in (dict, Mapping):
        return f"a mapping of {_said(parts[0])} to {_said(parts[1])}"
    if origin is np.ndarray:
        return "an array"
    if origin is Callable:
        return "a function or class"
    plain = {int: "an integer", float: "a finite number", str: "text", bool: "True or False", type(None): "None"}
    return plain.get(wanted) or f"a {wanted.__name__}"
