"""Parts of a report's page, as values: what an algorithm has to show beside what every run has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Table:
    """Rows, and their headings."""

    rows: list[tuple[Any, ...]]
    head: tuple[str, ...] = ()


@dataclass
class Section:
    """A part of the page.

    Attributes
    ----------
    id, title : str
        Anchor, and heading.
    texts : list of str
        Paragraphs.
    tables : list of Table
    figures : list of dict
        ``source`` (a data URI) and ``caption``.
    code : str
        Shown as it is.
    player : dict or None
        Data of a phase player.
    """

    id: str
    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[dict[str, str]] = field(default_factory=list)
    code: str = ""
    player: dict[str, Any] | None = None
