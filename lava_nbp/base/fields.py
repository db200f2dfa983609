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
from functools import lru_cache, partial
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
    for name, (wanted, settled) in _types(kind).items():
        if only and name not in only:
            continue
        found = getattr(value, name)
        if type(found) is wanted and wanted is not float:  # nearly always
            continue
        try:
            object.__setattr__(value, name, settled(found))
        except _WrongType:
            raise error(f"{what}: {name} is {shown(found)}, but must be {_said(wanted)}") from None


class _WrongType(Exception):
    pass


#: Brings a value to a type; raises _WrongType.
_Settler = Callable[[Any], Any]


@lru_cache
def _types(kind: Any) -> dict[str, tuple[Any, _Settler]]:
    hints = typing.get_type_hints(kind)
    return {field.name: (hints[field.name], _settler(hints[field.name])) for field in fields(kind)}


def _settler(wanted: Any) -> _Settler:
    """What brings a value to a type: types are taken apart once, and not for every value."""
    origin, parts = _taken_apart(wanted)
    if wanted is Any:
        return _anything
    if origin in (Union, types.UnionType):
        return partial(_first_of, [_settler(part) for part in parts])
    if origin in (tuple, frozenset, list) and parts:
        many = origin is not tuple or parts[-1] is Ellipsis
        return partial(_several, origin, [_settler(part) for part in parts if part is not Ellipsis], many)
    if origin in (dict, Mapping):
        return partial(_mapping, *map(_settler, parts))
    if origin is np.ndarray:
        return _array
    if origin is Callable:
        return _callable
    if origin is Literal:
        return partial(_one_of, parts)
    return partial(_plain, wanted) if origin is None else _nothing


def _anything(found: Any) -> Any:
    return found


def _nothing(found: Any) -> Any:
    """Of a type that is none of those that a field may have."""
    raise _WrongType


def _plain(wanted: Any, found: Any) -> Any:
    if type(found) is wanted and wanted is not float:
        return found
    if wanted is int and is_integer(found):
        return int(found)
    if wanted is float:
        return _finite(found)
    if wanted is bool and isinstance(found, (bool, np.bool_)):
        return bool(found)
    if wanted is not int and isinstance(found, wanted):
        return str(found) if wanted is str else found
    raise _WrongType


def _array(found: Any) -> Any:
    if not isinstance(found, np.ndarray):
        raise _WrongType
    return found


def _callable(found: Any) -> Any:
    if not callable(found):
        raise _WrongType
    return found


def _one_of(parts: tuple[Any, ...], found: Any) -> Any:
    plain = int(found) if is_integer(found) else found
    if not any(type(plain) is type(part) and plain == part for part in parts):
        raise _WrongType
    return plain


def _mapping(key: _Settler, entry: _Settler, found: Any) -> Any:
    if not isinstance(found, Mapping):
        raise _WrongType
    return {key(name): entry(value) for name, value in found.items()}


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


def _first_of(alternatives: list[_Settler], found: Any) -> Any:
    for settled in alternatives:
        try:
            return settled(found)
        except _WrongType:
            continue
    raise _WrongType


def _several(origin: Any, entries: list[_Settler], many: bool, found: Any) -> Any:
    if not isinstance(found, _SEQUENCES) or (origin is not frozenset and isinstance(found, (set, frozenset))):
        raise _WrongType  # a set has no order
    if isinstance(found, np.ndarray) and found.ndim == 0:
        raise _WrongType  # it has no entries
    values = list(found)
    if many:
        entries = entries * len(values)
    if len(entries) != len(values):
        raise _WrongType
    return origin([settled(value) for settled, value in zip(entries, values, strict=True)])


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
