"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

#: Called with what is going on, how much of it is done, and how much there is.
Stage = Callable[[str, int, int], None]
#: The same without a name for it: a `Stage` whose name is known.
Count = Callable[[int, int], None]


def untold(what: str, done: int, total: int) -> None:
    """A `Stage` that nobody listens to."""


def uncounted(done: int, total: int) -> None:
    """A `Count` that nobody listens to."""
