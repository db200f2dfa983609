"""Tables as notebooks show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import escape


def cell(value: Any) -> Any:
    """A value as a cell shows it: nothing for None, five digits that matter of a number that is not whole."""
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else value


def html_table(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows under headings, in HTML; what is in a cell is text."""
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell(value))}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
