"""How rows are printed: as a table on a terminal, or in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from rich.markup import escape
from rich.table import Table

_TEST = "test_"


class TableStyle(str, Enum):
    """Ways to print a table."""

    text = "text"
    markdown = "markdown"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int = 1,
    title: str | None = None,
    texts_wrap: bool = False,
) -> Table:
    """Rows under headings: the first `left` columns are texts, the others numbers.

    Where the terminal is too narrow the texts wrap if `texts_wrap`, else the headings of the numbers do.
    """
    made = Table(title=title)
    for k, heading in enumerate(head):
        text = k < left
        made.add_column(heading, overflow="fold", justify="left" if text else "right", no_wrap=text is not texts_wrap)
    for row in rows:
        made.add_row(*map(escape, row))
    return made


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> str:
    """The same in Markdown."""
    rule = ("---",) * left + ("--:",) * (len(head) - left)
    lines = [[cell.replace("|", "\\|") for cell in line] for line in (head, rule, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figures_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Headings of the test figures of an epoch: they are shown as they are called."""
    # Counts, of ties or silent neurons, are no shares; None is a share that could not be seen.
    shares = [key for key, value in record.items() if key.startswith(_TEST) and isinstance(value, (float, type(None)))]
    return {key: key.removeprefix(_TEST).replace("_", " ") for key in shares}


def percent(share: float | None) -> str:
    """A share in percent; None is one that cannot be seen."""
    return "not seen" if share is None else f"{100 * share:.2f} %"


def accuracies(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """Test figures in percent, a row per epoch."""
    headings = figures_of(next(iter(rows.values())))
    cells = [
        (f"{name} ({row['epoch']})" if "epoch" in row else name, *(percent(row[key]) for key in headings))
        for name, row in rows.items()
    ]
    return table(("test set", *headings.values()), cells)
