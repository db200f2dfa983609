"""Figures of EventProp: adjoint spikes, voltages, gradient check, what is learned, class map, error of fixed steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from lava_nbp.base.checks import (
    as_array,
    check_integer,
    check_kind,
    check_labels,
    check_positive,
    check_sequence,
    check_text,
    shown,
)
from lava_nbp.base.files import AnyPath
from lava_nbp.data.yinyang import CLASSES, yinyang_classes
from lava_nbp.errors import InputError
from lava_nbp.eventprop.result import LayerSpikes
from lava_nbp.seeing.plot import BLUE, GREEN, GREY, ORANGE, check_title, finite, in_legend, save

#: Of a legend.
_ROWS = 20
_CLASS_COLOURS = (BLUE, ORANGE, GREEN)


def adjoint_raster(
    layers: Sequence[LayerSpikes], sizes: Sequence[int], end: float, path: AnyPath, title: str = ""
) -> Path:
    """Draw a sample's spikes, and below them the adjoint spikes that answer each, in mirrored time.

    Parameters
    ----------
    layers : sequence of LayerSpikes
        Of the input and every layer behind it, with their errors, as from `EventPropEngine.watch`.
    sizes : sequence of int
        n_in, hidden layers, n_out.
    end : float
        Time in ms at which the backward pass begins; both axes are that long.
    path : path
        File to write; its suffix chooses the format.

    Raises
    ------
    InputError
        For other spikes, or sizes and times that are none.
    OutputError
        If the file cannot be written.
    """
    sizes, layers = _check_spikes(layers, sizes)
    end = check_positive(end, "end")
    for k, layer in enumerate(layers):
        if len(layer.errors) != len(layer.times):
            raise InputError(
                f"layers[{k}] has {len(layer.errors)} errors of {len(layer.times)} spikes; give as many, as from "
                f"EventPropEngine.watch with derivatives"
            )
    check_title(title)
    figure = Figure(figsize=(8, 7), layout="constrained")
    above, below = figure.subplots(2, 1)
    times, y, errors = _placed(layers, sizes)
    _bands(above, sizes)
    _scatter(above, times, y, "black", 9.0)
    above.set_xlabel("time (ms)")
    largest = float(np.abs(errors).max(initial=0.0)) or 1.0
    _bands(below, sizes)
    _scatter(below, end - times, y, np.where(errors >= 0, BLUE, ORANGE), 4 + 60 * np.sqrt(np.abs(errors) / largest))
    below.set_xlabel("time of the backward pass (ms): the adjoint spike answers the spike at the mirrored time")
    marks = [
        Line2D([], [], color=colour, marker="|", linestyle="", markersize=9, label=label)
        for colour, label in ((BLUE, "later would cost"), (ORANGE, "later would pay"))
    ]
    below.legend(
        handles=marks, fontsize=8, loc="upper right", title=f"largest |dL/dt| {largest:.3g} / ms", title_fontsize=8
    )
    for axes in (above, below):
        axes.set_xlim(0, end)
    above.set_title(title or "spikes", fontsize=10)
    below.set_title("adjoint spikes", fontsize=10)
    return save(figure, path)


def output_voltages(
    layers: Sequence[LayerSpikes],
    sizes: Sequence[int],
    times: NDArray[np.float64],
    voltages: NDArray[np.float64],
    said: NDArray[np.float64],
    label: int,
    classes: Sequence[str],
    path: AnyPath,
    title: str = "",
) -> Path:
    """Draw a sample's spikes, and below them the voltages of outputs that only integrate, the label's marked.

    Parameters
    ----------
    layers : sequence of LayerSpikes
        As of `adjoint_raster`; errors are not looked at.
    sizes : sequence of int
        n_in, hidden layers, n_out.
    times : (n,)
        When voltages are, in ms, rising; both axes end with the last.
    voltages : (n, classes)
        Of every output.
    said : (classes,)
        By which the network answers: means, or the largest voltages.
    label : int
        The sample's class.
    classes : sequence of str
        Names of the classes.
    path : path
        File to write; its suffix chooses the format.

    Raises
    ------
    InputError
        For other spikes, sizes, times, voltages, or a label that is no class.
    OutputError
        If the file cannot be written.
    """
    sizes, layers = _check_spikes(layers, sizes)
    t, v, said = finite(times, "times"), finite(voltages, "voltages"), finite(said, "what is said")
    names = [check_text(name, "name of a class") for name in check_sequence(classes, "classes")]
    if v.shape != (*t.shape, len(names)) or said.shape != (len(names),) or len(names) != sizes[-1]:
        raise InputError(
            f"times have shape {t.shape}, voltages {v.shape}, what is said {said.shape}, and there are {len(names)} "
            f"classes and {sizes[-1]} outputs; give (n,), (n, classes) and (classes,)"
        )
    if (np.diff(t) <= 0).any() or t[0] < 0 or t[-1] <= 0:
        raise InputError(f"times run from {t[0]:g} to {t[-1]:g} ms, but each must be later than the last, from 0 on")
    check_integer(label, 0, len(names) - 1, "label", f"there are {len(names)} classes")
    check_title(title)
    figure = Figure(figsize=(9.5, 7), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _bands(above, sizes)
    at, y, _ = _placed(layers, sizes)
    _scatter(above, at, y, "black", 9.0)
    above.set_ylim(len(sizes) - 1, 0)  # outputs have no spikes
    answer = int(said.argmax())
    for k, name in enumerate(names):
        colour, width, text = GREY, 0.8, name
        if k in (label, answer):
            colour, width = (BLUE if k == label else ORANGE), 2.0
            text = f"{name}, {'the label' if k == label else 'the answer'}"
        order = 1 + (k == answer) + 2 * (k == label)
        below.plot(t, v[:, k], color=colour, linewidth=width, label=in_legend(f"{text}: {said[k]:.3g}"), zorder=order)
    below.axhline(0, color=GREY, linewidth=0.5)
    below.set_ylabel("voltage of outputs")
    below.set_xlabel("time (ms)")
    columns = -(-len(names) // _ROWS)
    below.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=columns, title="says")
    below.set_xlim(0, t[-1])
    above.set_title(title, fontsize=10)
    return save(figure, path)


def _check_spikes(layers: Sequence[LayerSpikes], sizes: Sequence[int]) -> tuple[list[int], list[LayerSpikes]]:
    checked = [check_integer(n, 1, None, "size of a layer") for n in check_sequence(sizes, "sizes")]
    if len(checked) < 2:
        raise InputError(f"sizes are {checked}, but must be two or more: n_in, hidden layers, n_out")
    found = list(check_sequence(layers, "layers", "give the spikes of the input and of every layer"))
    if len(found) != len(checked):
        raise InputError(f"layers are {len(found)}, but there are {len(checked)} sizes; give the spikes of each")
    for k, (layer, n) in enumerate(zip(found, checked, strict=True)):
        check_kind(layer, LayerSpikes, f"layers[{k}]")
        check_labels(layer.neurons, len(as_array(layer.times, f"times of layers[{k}]")), n)
    return checked, found


def _placed(layers: Sequence[LayerSpikes], sizes: Sequence[int]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of all spikes: times, where they are in the bands, and errors."""
    y = [k + 0.06 + 0.88 * (layer.neurons + 0.5) / n for k, (layer, n) in enumerate(zip(layers, sizes, strict=True))]
    times, errors = (np.concatenate([layer[part] for layer in layers]) for part in (0, 2))
    return times, np.concatenate(y), errors


def _names(sizes: Sequence[int]) -> list[str]:
    hidden = [f"hidden {k + 1}" if len(sizes) > 3 else "hidden" for k in range(len(sizes) - 2)]
    return [f"{name} ({n})" for name, n in zip(["input", *hidden, "output"], sizes, strict=True)]


def _bands(axes: Axes, sizes: Sequence[int]) -> None:
    for k in range(1, len(sizes)):
        axes.axhline(k, color=GREY, linewidth=0.5)
    axes.set_yticks(np.arange(len(sizes)) + 0.5, _names(sizes), fontsize=8)
    axes.set_ylim(len(sizes), 0)


def _scatter(axes: Axes, times: NDArray[Any], y: NDArray[Any], colour: Any, size: Any) -> None:
    axes.scatter(times, y, marker="|", color=colour, s=size, linewidths=0.9)


def gradient_check(found: NDArray[Any], expected: NDArray[Any], path: AnyPath, title: str = "") -> Path:
    """Draw a gradient against central differences of the loss, entry by entry, and the relative error of each.

    Parameters
    ----------
    found, expected : (n,)
        The gradient, and the differences.

    Raises
    ------
    InputError
        For none, or others than as many finite numbers.
    OutputError
        If the file cannot be written.
    """
    found, expected = finite(found, "gradient"), finite(expected, "differences")
    if found.ndim != 1 or found.shape != expected.shape:
        raise InputError(f"gradient of shape {found.shape}, differences of {expected.shape}; give both as (n,)")
    check_title(title)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    scale = float(np.abs(expected).max()) or 1.0
    left.plot([expected.min(), expected.max()], [expected.min(), expected.max()], color=GREY, linewidth=0.8)
    left.scatter(expected, found, s=12, color=BLUE)
    left.set_xlabel("central difference of the loss")
    left.set_ylabel("EventProp")
    errors = np.abs(found - expected) / scale
    right.semilogy(np.sort(np.maximum(errors, 1e-17)), ".", color=ORANGE)
    right.set_xlabel("weight, in the order of its error")
    right.set_ylabel("|difference| / largest gradient")
    right.grid(alpha=0.3)
    left.set_title(title, fontsize=10)
    right.set_title(f"largest relative error {errors.max():.1e}", fontsize=10)
    return save(figure, path)


def before_and_after(
    before: Mapping[str, NDArray[Any]], after: Mapping[str, NDArray[Any]], path: AnyPath, title: str = ""
) -> Path:
    """Draw what was learned beside weights, delays and time constants: a histogram of each, before and after.

    Parameters
    ----------
    before, after : mapping of str to array
        In ms, by name; the same names and shapes.

    Raises
    ------
    InputError
        For none, other names or shapes, or numbers that are not finite.
    OutputError
        If the file cannot be written.
    """
    for what, arrays in (("before", before), ("after", after)):
        if not isinstance(arrays, Mapping) or not arrays:
            raise InputError(f"{what} is {shown(arrays)}, but must be a mapping of names to arrays, one at least")
    pairs = {name: (finite(before[name], name), finite(after.get(name), name)) for name in before}
    if before.keys() != after.keys() or any(a.shape != b.shape or not a.size for a, b in pairs.values()):
        raise InputError(
            f"before holds {list(before)} and after {list(after)}; give both the same names and shapes, none empty"
        )
    check_title(title)
    figure = Figure(figsize=(4 * min(len(pairs), 3), 3 * -(-len(pairs) // 3)), layout="constrained")
    axes = figure.subplots(-(-len(pairs) // 3), min(len(pairs), 3), squeeze=False).ravel()
    for ax, (name, (old, new)) in zip(axes, pairs.items(), strict=False):
        together = np.concatenate([old.ravel(), new.ravel()])
        edges = np.histogram_bin_edges(together, 30)
        for values, colour, label in ((old, GREY, "before"), (new, BLUE, "after")):
            ax.hist(values.ravel(), edges, histtype="step", color=colour, label=label)
        ax.set_xlabel(f"{name} (ms)")
        ax.set_ylabel("how many")
    for ax in axes[len(pairs) :]:
        ax.axis("off")
    axes[0].legend(fontsize=8)
    axes[0].set_title(title, fontsize=10)
    return save(figure, path)


def class_map(
    points: NDArray[np.float64],
    answers: NDArray[np.integer[Any]],
    path: AnyPath,
    wrong: NDArray[np.float64] | None = None,
    title: str = "",
) -> Path:
    """Draw the answers of a network over the Yin-Yang plane, with the true borders and the samples it got wrong.

    Parameters
    ----------
    points : (n, 2)
        Points of a regular grid, in the disc.
    answers : (n,)
        Class of each; -1: a tie.
    wrong : (m, 2), optional
        Samples that are marked.

    Raises
    ------
    InputError
        For other shapes, points outside of the plane, or answers that are none.
    OutputError
        If the file cannot be written.
    """
    points, answers = finite(points, "points"), finite(answers, "answers")
    if points.ndim != 2 or points.shape[1] != 2 or answers.shape != (len(points),) or answers.dtype.kind not in "iu":
        raise InputError(f"points of shape {points.shape} and answers of {answers.shape}; give (n, 2), and n integers")
    if answers.min() < -1 or answers.max() >= len(CLASSES):
        raise InputError(f"answers are {answers.min()} .. {answers.max()}, but must be in -1 .. {len(CLASSES) - 1}")
    if wrong is not None and as_array(wrong, "wrong").size:
        wrong = finite(wrong, "wrong")
        if wrong.ndim != 2 or wrong.shape[1] < 2:
            raise InputError(f"wrong has shape {wrong.shape}, but must be (m, 2)")
    check_title(title)
    figure = Figure(figsize=(5.4, 5), layout="constrained")
    axes = figure.add_subplot()
    colours = np.array([*(to_rgb(c) for c in _CLASS_COLOURS), to_rgb("black")])
    axes.scatter(points[:, 0], points[:, 1], c=colours[answers], s=6, marker="s", linewidths=0, alpha=0.55)
    n = 400
    grid = np.stack(np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n)), axis=-1).reshape(-1, 2)
    inside = np.hypot(*(grid - 0.5).T) <= 0.5
    truth = np.full(len(grid), -1)
    truth[inside] = yinyang_classes(grid[inside])
    axes.contour(
        grid[:, 0].reshape(n, n), grid[:, 1].reshape(n, n), truth.reshape(n, n), levels=[-0.5, 0.5, 1.5],
        colors="black", linewidths=0.7,
    )  # fmt: skip
    if wrong is not None and len(wrong):
        axes.scatter(wrong[:, 0], wrong[:, 1], s=24, marker="x", color="black", linewidths=1.0)
    marks = [
        Line2D([], [], color=c, marker="s", linestyle="", label=f"says {name}")
        for name, c in zip(CLASSES, _CLASS_COLOURS, strict=True)
    ]
    marks.append(Line2D([], [], color="black", marker="x", linestyle="", label="test sample answered wrong"))
    axes.legend(handles=marks, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.06), ncol=2)
    axes.set_aspect("equal")
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def clocked_error(errors: Mapping[str, Sequence[tuple[float, float, float]]], path: AnyPath, title: str = "") -> Path:
    """Draw the error of the clocked network against the continuous one, over the step.

    Parameters
    ----------
    errors : mapping
        By name of the arithmetic: (dt in ms, mean error of output spike times in ms, median relative
        error of a sample's gradient) per step. An error of 0, or of nothing (NaN), has no place on these axes.

    Raises
    ------
    InputError
        For no errors, or others than three numbers per step.
    OutputError
        If the file cannot be written.
    """
    check_kind(errors, Mapping, "errors")
    if not errors:
        raise InputError("errors are none; give those of an arithmetic or more")
    for name, rows in errors.items():
        found = as_array(rows, f"errors of {check_text(name, 'name of an arithmetic')}")
        if found.ndim != 2 or found.shape[1] != 3 or not len(found) or found.dtype.kind == "c":
            raise InputError(f"errors of {name} have shape {found.shape}, but must be (steps, 3)")
    check_title(title)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, rows), colour in zip(errors.items(), (BLUE, ORANGE, GREEN), strict=False):
        dt, *shown = np.array(sorted(rows)).T
        spikes, gradient = (np.where(values > 0, values, np.nan) for values in shown)
        left.loglog(dt, spikes, "o-", color=colour, label=name)
        right.loglog(dt, gradient, "o-", color=colour, label=name)
        left.loglog(dt, dt / 2, ":", color=GREY, label="dt / 2" if colour == BLUE else None)
        right.loglog(
            dt, gradient[-1] * dt / dt[-1], ":", color=GREY, label="proportional to dt" if colour == BLUE else None
        )
    left.set_ylabel("error of output spike times (ms)")
    right.set_ylabel("relative error of a sample's gradient (median)")
    for axes in (left, right):
        axes.set_xlabel("dt (ms)")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8)
    figure.suptitle(title, fontsize=10)
    return save(figure, path)
