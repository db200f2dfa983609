"""Figures of many runs: never one line for several seeds without each of them beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lava_nbp.base.checks import check_kind, check_text
from lava_nbp.base.files import AnyPath
from lava_nbp.errors import InputError
from lava_nbp.seeing.plot import BLUE, GREEN, GREY, ORANGE, PURPLE, check_title, finite, save

#: Conditions that are told apart by their colour, in turn.
_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY)
_LINES = ("-", "--", ":", "-.")
#: Letters of a condition's name that a figure has room for.
_LONGEST = 60
#: Conditions that a figure has room for.
MOST = 40


def spread_curves(curves: Mapping[str, Sequence[Any]], path: AnyPath, ylabel: str, title: str = "") -> Path:
    """Draw a metric against epochs: the mean of each condition's seeds, a band from least to greatest, and every seed.

    Parameters
    ----------
    curves : mapping
        Per condition: of each seed a value per epoch, in the unit that `ylabel` names. Seeds may have different numbers
        of epochs; mean and band end with the shortest.
    path : path
        File to write; its suffix chooses the format.
    ylabel : str
        What is drawn.

    Raises
    ------
    InputError
        For no conditions, too many, or values that are not finite.
    OutputError
        If the file cannot be written.
    """
    _check_conditions(curves)
    check_title(title)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for k, (name, seeds) in enumerate(curves.items()):
        colour, line = _COLOURS[k % len(_COLOURS)], _LINES[k // len(_COLOURS) % len(_LINES)]
        each = [finite(values, f"curve of {name}") for values in seeds]
        for values in each:
            axes.plot(1 + np.arange(len(values)), values, line, color=colour, linewidth=0.5, alpha=0.35)
        common = np.array([values[: min(map(len, each))] for values in each])
        epochs = 1 + np.arange(common.shape[1])
        axes.fill_between(epochs, common.min(axis=0), common.max(axis=0), color=colour, alpha=0.12, linewidth=0)
        axes.plot(
            epochs, common.mean(axis=0), line, color=colour, linewidth=1.6, label=f"{_label(name)}, mean of {len(each)}"
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(check_text(ylabel, "ylabel"))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="lower right")
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def seeds_by_condition(values: Mapping[str, Sequence[float]], path: AnyPath, ylabel: str, title: str = "") -> Path:
    """Draw a measure of every seed as a dot, condition beside condition, with their mean as a line.

    Parameters
    ----------
    values : mapping
        Per condition: a value per seed, in the unit that `ylabel` names.
    path : path
        File to write; its suffix chooses the format.
    ylabel : str
        What is drawn.

    Raises
    ------
    InputError
        For no conditions, too many, or values that are not finite.
    OutputError
        If the file cannot be written.
    """
    _check_conditions(values)
    check_title(title)
    figure = Figure(figsize=(max(4.0, 1.2 + 0.7 * len(values)), 4), layout="constrained")
    axes = figure.add_subplot()
    for k, (name, seeds) in enumerate(values.items()):
        found = finite(seeds, f"values of {name}")
        # Side by side where they would hide each other, the same way every time.
        offsets = np.linspace(-0.18, 0.18, len(found)) if len(found) > 1 else np.zeros(1)
        axes.plot(k + offsets, found, "o", color=BLUE, markersize=3.5, alpha=0.7)
        axes.plot([k - 0.28, k + 0.28], [found.mean()] * 2, "-", color=ORANGE, linewidth=2)
    axes.set_xticks(range(len(values)), list(map(_label, values)), rotation=30, ha="right", fontsize=8)
    axes.set_ylabel(check_text(ylabel, "ylabel"))
    axes.grid(axis="y", alpha=0.3)
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def _label(name: str) -> str:
    """A condition's name as it is: not as a formula, and not longer than there is room for."""
    cut = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
    return cut.replace("$", r"\$")


def _check_conditions(given: Any) -> None:
    check_kind(given, Mapping, "conditions")
    if not 1 <= len(given) <= MOST:
        raise InputError(f"a figure has {len(given)} conditions, but must have 1 .. {MOST}; draw some of them")
    for name in given:
        check_text(name, "name of a condition")
