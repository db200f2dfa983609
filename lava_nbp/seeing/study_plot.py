"""Figures of many runs: never one line for several seeds without each of them beside it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lava_nbp.base.checks import check_integer, check_kind, check_real, check_text, is_real
from lava_nbp.base.files import AnyPath
from lava_nbp.errors import InputError
from lava_nbp.seeing.plot import BLUE, GREEN, GREY, ORANGE, PURPLE, check_title, finite, in_legend, save

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


def against_keys(
    panels: Mapping[str, Sequence[tuple[Any, float]]],
    path: AnyPath,
    ylabel: str,
    log: Collection[str] = (),
    title: str = "",
) -> Path:
    """Draw a measure against the values of keys, a panel per key: a dot per run, and a line through the means of runs
    with equal values where there are such.

    Parameters
    ----------
    panels : mapping
        Per key: of each run its value of the key, and the measure in the unit that `ylabel` names. Values that are not
        all numbers are told apart as text.
    path : path
        File to write; its suffix chooses the format.
    ylabel : str
        What is drawn.
    log : collection of str
        Keys whose values are positive, and drawn by ratio.

    Raises
    ------
    InputError
        For no panels, too many, one without runs, measures that are not finite, or a key drawn by ratio whose values
        are not positive.
    OutputError
        If the file cannot be written.
    """
    _check_conditions(panels)
    check_title(title)
    check_text(ylabel, "ylabel")
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1 + 3 * columns, 0.4 + 2.8 * rows), layout="constrained")
    every = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for axes, (key, runs) in zip(every, panels.items(), strict=False):
        values = finite([y for _, y in runs], f"measures of {key}")
        given = [x for x, _ in runs]
        if all(map(is_real, given)):
            places = finite(given, f"values of {key}")
            if key in log:
                if places.min() <= 0:
                    raise InputError(f"values of {key} go down to {places.min():g}, but must be positive by ratio")
                axes.set_xscale("log")
        else:
            names = list(dict.fromkeys(map(str, given)))
            places = np.array([names.index(str(x)) for x in given], dtype=np.float64)
            axes.set_xticks(range(len(names)), list(map(_label, names)), rotation=30, ha="right", fontsize=7)
        axes.plot(places, values, "o", color=BLUE, markersize=3.5, alpha=0.7)
        single = np.unique(places)
        if len(single) < len(places):
            axes.plot(single, [values[places == x].mean() for x in single], "-", color=ORANGE, linewidth=1.6)
        axes.set_xlabel(_label(key), fontsize=8)
        axes.grid(alpha=0.3)
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    figure.supylabel(ylabel, fontsize=9)
    figure.suptitle(title, fontsize=10)
    return save(figure, path)


def importance_bars(shares: Mapping[str, float], path: AnyPath, title: str = "") -> Path:
    """Draw how much each key matters, as shares of 1.

    Raises
    ------
    InputError
        For no keys, too many, or shares outside 0 .. 1.
    OutputError
        If the file cannot be written.
    """
    _check_conditions(shares)
    check_title(title)
    for key, share in shares.items():
        check_real(share, 0, 1, f"share of {key}")
    figure = Figure(figsize=(7, 0.8 + 0.35 * len(shares)), layout="constrained")
    axes = figure.add_subplot()
    names = list(shares)[::-1]
    axes.barh(range(len(names)), [shares[name] for name in names], color=BLUE)
    axes.set_yticks(range(len(names)), list(map(_label, names)), fontsize=8)
    for k, name in enumerate(names):
        axes.annotate(f" {shares[name]:.2f}", (shares[name], k), va="center", fontsize=8)
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("importance (share of 1)")
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def search_history(trials: Mapping[int, float], path: AnyPath, ylabel: str, title: str = "") -> Path:
    """Draw what each trial of a search has reached, by its number, and the best so far as a line.

    Raises
    ------
    InputError
        For no trials, or values that are not finite.
    OutputError
        If the file cannot be written.
    """
    check_kind(trials, Mapping, "trials")
    if not trials:
        raise InputError("trials hold none; give one or more")
    check_title(title)
    numbers = np.array([check_integer(n, 0, None, "number of a trial") for n in trials])
    values, order = finite(list(trials.values()), "values of the trials"), np.argsort(numbers)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(numbers, values, "o", color=BLUE, markersize=3.5, alpha=0.7, label="a trial")
    axes.step(
        numbers[order], np.maximum.accumulate(values[order]), "-", where="post", color=ORANGE, linewidth=1.6,
        label="best so far",
    )  # fmt: skip
    axes.set_xlabel("trial")
    axes.set_ylabel(check_text(ylabel, "ylabel"))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def _label(name: str) -> str:
    """A condition's name, not longer than there is room for."""
    return in_legend(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}...")


def _check_conditions(given: Any) -> None:
    check_kind(given, Mapping, "conditions")
    if not 1 <= len(given) <= MOST:
        raise InputError(f"a figure has {len(given)} conditions, but must have 1 .. {MOST}; draw some of them")
    for name in given:
        check_text(name, "name of a condition")
