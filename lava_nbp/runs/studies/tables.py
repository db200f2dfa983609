"""A study's conditions as rows of text: for terminals, Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.measures import MEASURES
from lava_nbp.runs.studies.statistics import Comparison, Condition

#: What few pairs cannot reach is said if it is more than this.
_SMALL = 0.05
#: Columns of a condition behind its settings.
_HEAD = ("seeds", "mean", "sd", "95 % interval", "median", "each seed")


def condition_table(conditions: Sequence[Condition]) -> tuple[tuple[str, ...], list[tuple[str, ...]], int]:
    """Headings and rows of conditions, and how many columns are settings."""
    keys = tuple(conditions[0].settings) if conditions else ()
    measure = MEASURES[conditions[0].measure] if conditions else None
    rows = [(*(_said(c.settings[key]) for key in keys), *_cells(c)) for c in conditions]
    head = (*keys, *_HEAD)
    if measure is not None:
        unit = " (%)" if measure.share else ""
        head = tuple(f"{measure.name} mean{unit}" if name == "mean" else name for name in head)
    return head, rows, len(keys)


def _cells(c: Condition) -> tuple[str, ...]:
    share = MEASURES[c.measure].share
    seeds = f"{len(c.values)}" if not c.missing else f"{len(c.values)} of {len(c.values) + c.missing}"
    interval = "" if c.low is None else f"{number(c.low, share)} .. {number(c.high, share)}"
    each = ", ".join(f"{seed}: {number(value, share)}" for seed, value in zip(c.seeds, c.values, strict=True))
    return (seeds, number(c.mean, share), number(c.sd, share), interval, number(c.median, share), each)


def number(value: float | None, share: bool) -> str:
    """A measured value: a share in percent with two digits behind the point, anything else with four that matter."""
    if value is None:
        return ""
    return f"{100 * value:.2f}" if share else f"{value:.4g}"


def comparison_line(comparison: Comparison | None, measure: str) -> str:
    """A comparison in a sentence."""
    if comparison is None:
        return "too few seeds to compare"
    share = MEASURES[measure].share
    by = f", {comparison.pairs} seeds that both have" if comparison.pairs else ""
    least = 2.0 ** (1 - comparison.pairs)  # all differences have one sign
    few = (
        f"; with {comparison.pairs} pairs p cannot be below {least:.2g}" if comparison.pairs and least > _SMALL else ""
    )
    unit = " points" if share else ""
    return (
        f"second less first: {number(comparison.difference, share)}{unit}, p = {comparison.p:.3g} "
        f"({comparison.test}{by}){few}"
    )


def search_table(folder: StudyFolder) -> tuple[tuple[str, ...], list[tuple[str, ...]], int]:
    """Headings and rows of a search's trials, and how many columns are texts: the largest validation accuracy first."""
    keys = folder.study.keys
    head = ("trial", "state", *keys, "epoch", "validation (%)", "test (%)")
    rows = [
        (
            row["trial"].partition("_")[0],
            row["state"],
            *(_said(row[key]) for key in keys),
            str(row.get("epoch") or ""),
            number(row.get("validation"), True),
            number(row.get("accuracy"), True),
        )
        for row in sorted(folder.rows, key=_by_validation)
    ]
    return head, rows, 2 + len(keys)


def _by_validation(row: dict[str, Any]) -> tuple[bool, float, str]:
    """Finished ones first, of these the best, and the first of equals."""
    return row["state"] != "finished", -(row.get("validation") or 0.0), row["trial"]


def search_line(folder: StudyFolder) -> str:
    """What a search has found, in a sentence."""
    chosen = folder.chosen
    if chosen is None:
        return "no trial is finished yet"
    row = next(row for row in folder.rows if row["trial"] == chosen.name)
    states = [row["state"] for row in folder.rows]
    said = f"chosen on validation: {chosen.name}"
    if row.get("accuracy") is None:
        return f"{said}; its test accuracy is not known yet"
    return (
        f"{said}, test accuracy {number(row['accuracy'], True)} % (its validation accuracy is the best of "
        f"{states.count('finished')} finished trials, and so says too much)"
    )


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of a study as CSV, with a line of headings; what was not measured is empty."""
    out = io.StringIO()
    names = dict.fromkeys(key for row in rows for key in row)
    writer = csv.DictWriter(out, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
