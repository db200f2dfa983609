"""JSON and TOML as the library reads them: plain values of sane depth and size; and what a model says of wrong ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NoReturn

import tomli
from pydantic import ValidationError

from lava_nbp.base.checks import one_line, shown
from lava_nbp.base.files import AnyPath, read_file
from lava_nbp.errors import Unreadable

#: Bytes that a file may have: circuits and results take some kilobytes, hardly ever a megabyte; configurations, which
#: are slow to read, take one.
_MOST, _MOST_TOML = 16_000_000, 1_000_000
#: Lists and objects within each other; the library's own have six.
_DEPTH = 64
#: Digits of an integer: those of 64 bits have 19, with a sign 20.
_DIGITS = 20


def read_json(path: AnyPath) -> Any:
    """The content of a JSON file; see `parse_json`.

    Raises
    ------
    Unreadable
        If it cannot be read, or is no JSON.
    """
    return parse_json(_text(read_file(path, _MOST), "JSON"))


def parse_json(text: str) -> Any:
    """The content of JSON, without names that are there twice, endless depth, or integers of more than 64 bits.

    NaN and infinities are read, as Python writes them: models refuse them where a number has to be finite.

    Raises
    ------
    Unreadable
        Says where it is wrong.
    """
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_int=_integer)
    except RecursionError:
        _too_deep("JSON")
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not valid JSON: {error}") from None
    return check_plain(content, "JSON")


def read_toml(path: AnyPath) -> dict[str, Any]:
    """The content of a TOML file; see `parse_toml`.

    Raises
    ------
    Unreadable
        If it cannot be read, or is no TOML.
    """
    return parse_toml(_text(read_file(path, _MOST_TOML), "TOML"))


def parse_toml(text: str) -> dict[str, Any]:
    """The content of TOML, without endless depth.

    Raises
    ------
    Unreadable
        Says where it is wrong.
    """
    try:
        content: dict[str, Any] = check_plain(tomli.loads(text), "TOML")
    except RecursionError:
        _too_deep("TOML")
    except Unreadable:
        raise
    except ValueError as error:  # integers of thousands of digits, too
        raise Unreadable(f"it is not valid TOML: {one_line(error)}") from None
    return content


def check_plain(content: Any, what: str) -> Any:
    """Return values within values if they can be walked through, and written as text again.

    Raises
    ------
    Unreadable
        If they are nested too deeply, or text is half a character.
    """
    level = [content]
    for _ in range(_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, Mapping):
                inner += [*value.keys(), *value.values()]
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, str) and not value.isascii():
                _check_text(value)
        if not inner:
            return content
        level = inner
    _too_deep(what)


def problem(error: ValidationError) -> str:
    """What a model has against values, in words: the first problem, where it is, and the value."""
    first = error.errors()[0]
    reason = first.get("ctx", {}).get("error")
    if reason is not None:  # what a value's own constructor says
        return str(reason)
    at = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{at} is missing; add it"
    return f"{at} = {shown(first['input'])}: {first['msg']}"


def _text(content: bytes, what: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not valid {what}: no text in UTF-8 ({error.reason} at byte {error.start})") from None


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unreadable(f"{shown(value)} has half a character, which no text in UTF-8 holds") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Unreadable(f"it has {shown(twice)} twice in one object")
    return made


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise Unreadable(f"it has an integer of {len(text)} digits; they have {_DIGITS} at most")
    return int(text)


def _too_deep(what: str) -> NoReturn:
    raise Unreadable(f"it is not valid {what} for this library: nested more than {_DEPTH} deep")
