"""Tables of what can be chosen by name: targets, algorithms, data sets, circuits, boards."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from lava_nbp.base.checks import shown
from lava_nbp.errors import InputError, unknown_name


class Named(Protocol):
    """What a table can hold: it says by which name."""

    @property
    def name(self) -> str:
        """Lower-case letters, digits, hyphens and underscores."""
        ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T], Generic[T]):
    """A table of entries by name, in the order in which they were registered.

    Parameters
    ----------
    what : str
        What an entry is, for messages: "target", "data set".
    of : type
        Class of the entries.

    Raises
    ------
    InputError
        From look-ups: for an unknown name, with the names there are.

    Examples
    --------
    >>> from lava_nbp import BOARDS, Board
    >>> with BOARDS.registered(Board("two-chips", BOARDS["loihi1"].chip, 2, "mine")):
    ...     BOARDS["two-chips"].cores
    256
    """

    def __init__(self, what: str, of: type[T]) -> None:
        if not isinstance(what, str) or not isinstance(of, type):
            raise InputError(f"a table of {shown(what)} with entries of {shown(of)}: give text and a class")
        self._what, self._of = what, of
        self._entries: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise InputError(unknown_name(self._what, name, self._entries)) from None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._entries

    def get(self, name: str, default: Any = None) -> Any:
        """The entry of a name, or the default."""
        return self._entries[name] if name in self else default

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def register(self, entry: T) -> T:
        """Add an entry; return it.

        Raises
        ------
        InputError
            For a name that is taken, or that is no name, or for something else than an entry.
        """
        if not isinstance(entry, self._of):
            raise InputError(f"{self._what} is {shown(entry)}, but must be a {self._of.__name__}")
        name = entry.name
        if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
            raise InputError(
                f"{self._what} name {name!r}: use a lower-case letter, then letters, digits, hyphens or underscores"
            )
        if name in self._entries:
            raise InputError(
                f"{self._what} {name!r} is registered already; choose another name, or unregister it first"
            )
        self._entries[name] = entry
        return entry

    def unregister(self, name: str) -> T:
        """Take an entry out of the table; return it.

        Raises
        ------
        InputError
            For an unknown name.
        """
        entry = self[name]
        del self._entries[name]
        return entry

    @contextmanager
    def registered(self, entry: T) -> Iterator[T]:
        """An entry that is there inside of a `with` block only."""
        self.register(entry)
        try:
            yield entry
        finally:
            self.unregister(entry.name)


#: A function or class, or where to find it when it is first needed: "package.module:name".
Reference = Callable[..., Any] | str


def check_reference(reference: Any, what: str) -> None:
    """Raise InputError unless something is a `Reference`; what it names is imported later."""
    written = isinstance(reference, str) and re.fullmatch(r"\w+(\.\w+)*:\w+", reference)
    if not written and not (callable(reference) and not isinstance(reference, str)):
        raise InputError(f"{what} is {shown(reference)}, but must be a function or class, or 'package.module:name'")


def resolve(reference: Reference) -> Callable[..., Any]:
    """The function or class that a reference means; its module is imported here, not before.

    Raises
    ------
    InputError
        If there is no such module, or nothing of this name in it.
    """
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # what the module itself needs
        raise InputError(f"{reference!r} cannot be found: there is no module {error.name!r}") from error
    except AttributeError as error:
        raise InputError(f"{reference!r} cannot be found: module {module!r} has no {name!r}") from error
    return found
