"""Figures, drawn to files without a display: rasters, learning curve, weight histograms, confusion matrix."""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, ScalarFormatter
from numpy.typing import NDArray

from lava_nbp.base.checks import (
    as_array,
    check_integer,
    check_kind,
    check_labels,
    check_real,
    check_sequence,
    check_text,
    shown,
)
from lava_nbp.base.files import AnyPath, as_path, check_output, write_atomically
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX
from lava_nbp.errors import InputError, OutputError
from lava_nbp.nbp.circuit import Circuit, check_circuit

#: Okabe and Ito's colours, told apart by the colour-blind.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#999999"
#: Neurons whose weights are drawn as images.
_IMAGES = 40
#: Inches of a step in a raster, and of the widest raster: of more than a hundred steps they are narrower.
_STEP, _WIDEST = 0.28, 28.0
#: Characters of a title.
_LONGEST = 500
_PHASE_SHADES = ("#FFFFFF", "#EFEFEF")
_GROW, _SHRINK = "#D5E8F5", "#FBE3CB"
#: Line and colour of a learning curve, by its split; those of the test set in turn.
_SPLIT_STYLES = {"train": (":", GREY), "validation": ("--", GREEN)}
_TEST_STYLES = (("-", BLUE), ("-", ORANGE), ("-.", PURPLE))
#: How names of pictures end: what matplotlib writes without LaTeX, and other programs show.
_PICTURES = sorted(FigureCanvasBase.filetypes.keys() - {"pgf", "raw", "rgba"})


def raster(circuit: Circuit, spikes: Mapping[str, NDArray[np.uint8]], path: AnyPath, title: str = "") -> Path:
    """Draw spikes of all populations against steps, phases shaded, populations named.

    Phases in which plastic weights may grow are shaded blue, those in which they may
    shrink orange.

    Parameters
    ----------
    circuit : Circuit
        What ran.
    spikes : mapping
        (steps, size) per population, row 0 being phase 0; as from `lava_nbp.executors.trace.trace`.
    path : path
        File to write; its suffix chooses the format.

    Raises
    ------
    InputError
        For no circuit, or spikes of other shapes.
    OutputError
        If the file cannot be written.
    """
    check_circuit(circuit)
    given = _rows(spikes)
    for p in circuit.populations:
        if p.name not in given or given[p.name].shape[1] != p.size:
            raise InputError(
                f"spikes of population {p.name!r} must have shape (steps, {p.size}); give what trace gives"
            )
    steps = len(next(iter(given.values())))
    shades = [_shade(circuit, step) for step in range(steps)]
    check_title(title)
    figure, axes = _bands({p.name: given[p.name] for p in circuit.populations}, shades)
    at = range(0, steps, math.ceil(steps * _STEP / _WIDEST))
    axes.set_xticks(at, [str(s % circuit.period) for s in at], fontsize=6)
    axes.set_xlabel("phase (blue: weights may grow, orange: may shrink)")
    axes.set_title(title or f"{circuit.name} circuit, {'-'.join(map(str, circuit.layers))}", fontsize=10)
    return save(figure, path)


def _shade(circuit: Circuit, step: int) -> str:
    """Of a step of the first sample or a later one: phase 0 of the first has nothing to learn from."""
    phase = step % circuit.period
    change = circuit.change(phase) if step and circuit.learning_pairs(phase) else 0
    return (_GROW if change > 0 else _SHRINK) if change else _PHASE_SHADES[step % 2]


def spike_raster(spikes: Mapping[str, NDArray[np.uint8]], path: AnyPath, period: int = 1, title: str = "") -> Path:
    """Draw spikes of any populations against Lava steps; as from `lava_nbp.processes.SpikeRaster`.

    Parameters
    ----------
    spikes : mapping
        (steps, *shape) per population; row 0 is Lava step 1.
    path : path
        File to write; its suffix chooses the format.
    period : int
        Steps of a cycle; every other cycle is shaded.

    Raises
    ------
    InputError
        For no populations, or rows that differ in number.
    OutputError
        If the file cannot be written.
    """
    check_integer(period, 1, None, "period")
    rows = _rows(spikes)
    n = len(next(iter(rows.values())))
    check_title(title)
    cycles = -(-n // period)
    figure, axes = _bands(rows, [_PHASE_SHADES[cycle % 2] for cycle in range(cycles)], min(period, n))
    every = max(1, n // 40)
    axes.set_xticks(range(0, n, every), [str(step + 1) for step in range(0, n, every)], fontsize=6)
    axes.set_xlabel("Lava step")
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def _rows(spikes: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Spikes by population as (steps, size), checked."""
    check_kind(spikes, Mapping, "spikes")
    found = {check_text(name, "name of a population"): as_array(s, f"spikes of {name}") for name, s in spikes.items()}
    steps = {name: len(s) if s.ndim > 1 else 0 for name, s in found.items()}
    if len(set(steps.values())) != 1:
        raise InputError(f"populations have {steps or 'no'} rows of spikes; give each as many, one per step")
    if not next(iter(steps.values())) or any(s.size == 0 for s in found.values()):
        raise InputError("spikes have no steps or no neurons; give arrays (steps, neurons)")
    return {name: s.reshape(len(s), -1) for name, s in found.items()}


def _bands(spikes: Mapping[str, NDArray[np.uint8]], shades: Sequence[str], each: int = 1) -> tuple[Figure, Axes]:
    """Spikes (steps, size), a band per population, over a background in shades of `each` so many steps."""
    # Every population gets a band; large ones two to three times that of a single neuron.
    sizes = {name: rows.shape[1] for name, rows in spikes.items()}
    heights = [1.0 + 1.6 * (1 - 1 / size) for size in sizes.values()]
    tops, steps = np.cumsum(heights), len(next(iter(spikes.values())))
    width = min(max(7.0, _STEP * steps), _WIDEST)
    figure = Figure(figsize=(width, 0.16 * float(tops[-1]) + 1.2), layout="constrained")
    axes = figure.add_subplot()
    for k, shade in enumerate(shades):
        axes.axvspan(each * k - 0.5, each * (k + 1) - 0.5, color=shade, linewidth=0)
    for (name, rows), top, height in zip(spikes.items(), tops, heights, strict=True):
        when, which = np.nonzero(rows)
        size = sizes[name]
        y = top - height + height * (0.1 + 0.8 * (which + 0.5) / size)
        axes.scatter(
            when, y, s=30.0 if size == 1 else 4.0, marker="|", color="black" if size > 1 else BLUE, linewidths=0.8
        )
        axes.axhline(top, color=GREY, linewidth=0.4)
    axes.set_yticks(tops - np.array(heights) / 2, list(sizes), fontsize=7)
    axes.set_xlim(-0.5, steps - 0.5)
    axes.set_ylim(float(tops[-1]), 0)
    return figure, axes


def learning_curve(
    history: Sequence[Mapping[str, Any]],
    curves: Mapping[str, str],
    path: AnyPath,
    title: str = "",
    chosen: int | None = None,
) -> Path:
    """Draw shares of samples against epochs, and mark the epoch that was chosen if one was.

    Parameters
    ----------
    history : sequence of mapping
        Metrics of every epoch, with `epoch`.
    curves : mapping
        Which metrics, each in 0 .. 1, and what to call them; those that were not measured are left out. The names of
        metrics begin with their split: train_, validation_ or test_.
    path : path
        File to write; its suffix chooses the format.
    chosen : int, optional
        The epoch.

    Raises
    ------
    InputError
        For no epochs, no curves, or metrics that are no numbers.
    OutputError
        If the file cannot be written.
    """
    records = check_sequence(history, "history", "give the metrics of every epoch")
    check_kind(curves, Mapping, "curves")
    if not records or not curves:
        raise InputError("a learning curve needs the metrics of an epoch or more, and what to draw of them")
    for record in records:
        check_kind(record, Mapping, "metrics of an epoch")
        for key in ("epoch", *curves):
            if record.get(key) is not None or key == "epoch":
                check_real(record.get(key), 0, math.inf, f"metrics of an epoch: {key}")
    for key in curves:
        if check_text(key, "name of a metric").split("_")[0] not in {"test", *_SPLIT_STYLES}:
            raise InputError(f"metric {shown(key)}: its name must begin with its split: train_, validation_ or test_")
    if chosen is not None:
        check_integer(chosen, 0, 10**9, "chosen")
    check_title(title)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    of_test = itertools.cycle(_TEST_STYLES)
    for key, label in curves.items():
        split = key.split("_")[0]
        style, colour = next(of_test) if split == "test" else _SPLIT_STYLES[split]
        seen = [(record["epoch"], 100 * record[key]) for record in history if record.get(key) is not None]
        if seen:
            axes.plot(*zip(*seen, strict=True), style, color=colour, label=in_legend(label), linewidth=1.4)
    if chosen is not None:
        axes.axvline(chosen, color=GREEN, linewidth=0.8)
        axes.annotate(f" chosen: {chosen}", (chosen, axes.get_ylim()[0]), fontsize=8, color=GREEN, va="bottom")
    axes.set_xlabel("epoch")
    axes.set_ylabel("right (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def weight_histograms(weights: Mapping[str, NDArray[Any]], path: AnyPath, title: str = "") -> Path:
    """Draw the distribution of each matrix: 8-bit weights over their 255 values, real ones (thresholds) over theirs.

    Raises
    ------
    InputError
        For no matrices, or others than of finite numbers.
    OutputError
        If the file cannot be written.
    """
    check_kind(weights, Mapping, "weights")
    weights = {check_text(name, "name of a matrix"): finite(matrix, name) for name, matrix in weights.items()}
    if not weights:
        raise InputError("weights hold no matrix; give one or more")
    check_title(title)
    figure = Figure(figsize=(4 * len(weights), 3.2), layout="constrained")
    for k, (name, matrix) in enumerate(weights.items()):
        axes = figure.add_subplot(1, len(weights), k + 1)
        eight_bit = matrix.dtype.kind == "i" and bool((np.abs(matrix) <= PLASTIC_WEIGHT_MAX).all())
        axes.hist(matrix.ravel(), bins=np.arange(-261, 263, 12).tolist() if eight_bit else 44, color=BLUE)
        saturated = (
            f", {100 * float((np.abs(matrix) == PLASTIC_WEIGHT_MAX).mean()):.1f} % saturated" if eight_bit else ""
        )
        axes.set_title(f"{name} {matrix.shape}{saturated}", fontsize=9)
        axes.set_xlabel("weight" if eight_bit else "weight (thresholds)")
        axes.set_ylabel("synapses")
    figure.suptitle(title, fontsize=10)
    return save(figure, path)


def weight_images(images: NDArray[Any], path: AnyPath, title: str = "") -> Path:
    """Draw what leads to neurons as images: the first of (neurons, height, width), all on one scale around 0.

    Raises
    ------
    InputError
        For another shape, no images, or numbers that are not finite.
    OutputError
        If the file cannot be written.
    """
    found = finite(images, "images")
    if found.ndim != 3:
        raise InputError(f"images have shape {found.shape}, but must be (neurons, height, width)")
    first = found[:_IMAGES]
    columns = min(8, len(first))
    rows = -(-len(first) // columns)
    check_title(title)
    figure = Figure(figsize=(1.05 * columns + 0.8, 1.05 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    top = float(np.abs(first).max()) or 1.0
    drawn = None
    for axes, image in zip(panels, first, strict=False):
        drawn = axes.imshow(image, cmap="PuOr_r", vmin=-top, vmax=top)
    for axes in panels:
        axes.set_axis_off()
    assert drawn is not None
    figure.colorbar(drawn, ax=list(panels), shrink=0.8)
    figure.suptitle(f"{title}, neurons 0 .. {len(first) - 1}", fontsize=10)
    return save(figure, path)


def confusion_matrix(
    answers: NDArray[np.integer[Any]],
    labels: NDArray[np.integer[Any]],
    classes: Sequence[str],
    path: AnyPath,
    title: str = "",
) -> Path:
    """Draw how often each class (rows) was answered as each (columns), with counts.

    Raises
    ------
    InputError
        For no classes, names that are no text, or answers and labels that are not theirs, one per sample.
    OutputError
        If the file cannot be written.
    """
    check_title(title)
    classes = [check_text(name, "name of a class") for name in check_sequence(classes, "classes")]
    n = len(classes)
    if n == 0:
        raise InputError("classes are none; name them")
    labels = check_labels(labels, None, n)
    answers = check_labels(answers, len(labels), n)
    if not len(labels):
        raise InputError("labels are none; give one or more")
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (labels, answers), 1)
    figure = Figure(figsize=(1.8 + 0.5 * n, 1.6 + 0.45 * n), layout="constrained")
    axes: Axes = figure.add_subplot()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    for i, j in np.ndindex(n, n):
        if counts[i, j]:
            colour = "black" if share[i, j] > 0.5 else "white"
            axes.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=7, color=colour)
    slant: dict[str, Any] = {"rotation": 45, "ha": "right"} if max(map(len, classes)) > 2 else {}
    axes.set_xticks(range(n), classes, fontsize=8, **slant)
    axes.set_yticks(range(n), classes, fontsize=8)
    axes.set_xlabel("answer")
    axes.set_ylabel("class")
    axes.set_title(title, fontsize=10)
    return save(figure, path)


def fault_curves(report: Mapping[str, Any], path: AnyPath) -> Path:
    """Draw accuracy against fault rate, a panel per kind of fault: as the faults come, and after learning with them.

    Parameters
    ----------
    report : mapping
        As from `lava_nbp.runs.faults.sweep_run`.
    path : path
        File to write.

    Raises
    ------
    InputError
        For a report without rows, or with other content.
    OutputError
        If the file cannot be written.
    """
    _check_report(report)
    kinds = list(dict.fromkeys(row["kind"] for row in report["rows"]))
    columns = min(4, len(kinds))
    rows = -(-len(kinds) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.8 * rows + 0.6), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, kind in zip(panels, kinds, strict=False):
        found = sorted((row for row in report["rows"] if row["kind"] == kind), key=lambda row: row["rate"])
        rates = [row["rate"] for row in found]
        axes.axhline(100 * report["without"], color=GREY, linewidth=1, label="without faults")
        for key, colour, marker, label in (
            ("before", ORANGE, "s--", "as the faults come"),
            ("after", BLUE, "o-", f"after {report['epochs']} epoch(s) of learning with them"),
        ):
            axes.plot(rates, [100 * row[key] for row in found], marker, color=colour, markersize=4, label=label)
        axes.set_xscale("log")
        axes.set_title(kind.replace("_", " "), fontsize=10)
        axes.set_ylim(0, 100)
        axes.grid(color="#DDDDDD", linewidth=0.5)
    for axes in panels[len(kinds) :]:
        axes.set_visible(False)
    figure.supxlabel("share or probability")
    figure.supylabel("test accuracy by spikes, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, fontsize=8)
    return save(figure, path)


def _check_report(report: Any) -> None:
    check_kind(report, Mapping, "report")
    rows = check_sequence(report.get("rows"), "report: rows")
    if not rows:
        raise InputError("report: rows are none; sweep a kind of fault at a rate or more")
    check_real(report.get("without"), 0, 1, "report: without")
    check_integer(report.get("epochs"), 0, None, "report: epochs")
    for k, row in enumerate(rows):
        check_kind(row, Mapping, f"report: rows[{k}]")
        check_text(row.get("kind"), f"report: kind of rows[{k}]")
        for key in ("rate", "before", "after"):
            check_real(row.get(key), 0, 1, f"report: {key} of rows[{k}]")


def in_legend(name: str) -> str:
    """A name as legends show it: Matplotlib leaves out those that begin with "_", which get a space in front."""
    return f" {name}" if name.startswith("_") else name


def check_title(title: Any) -> None:
    """Raise InputError for a title that is no text of one line and less."""
    if not check_text(title, "title").isprintable() or len(title) > _LONGEST:
        raise InputError(f"title is {shown(title)}, but must be a line of {_LONGEST} characters at most")


def finite(array: Any, what: str) -> NDArray[Any]:
    """Return an array with at least one entry, all of them finite real numbers; raise InputError for any other."""
    found = as_array(array, what)
    if found.dtype.kind == "c" or not found.size or not np.isfinite(found).all():
        raise InputError(f"{what} has shape {found.shape} and dtype {found.dtype}, but must hold finite numbers")
    return found


def save(figure: Figure, path: AnyPath) -> Path:
    """Write a figure, whole or not at all.

    Raises
    ------
    InputError, OutputError
        As `check_picture`.
    """
    check_picture(path)
    asked = Path(path)
    _take_literally(figure)
    try:
        with tempfile.TemporaryDirectory() as folder:
            drawn = Path(folder) / asked.name
            # Figure without pyplot: no display, no global state. Text stays text in SVG.
            with matplotlib.rc_context({"svg.fonttype": "none"}):
                figure.savefig(drawn, dpi=150)
            content = drawn.read_bytes()
    except OSError as error:
        raise OutputError(
            f"figure {path} cannot be drawn: {error.strerror or error}; free space for temporary files, or set TMPDIR"
        ) from error
    write_atomically(asked, content)
    return asked


def _take_literally(figure: Figure) -> None:
    """Let a "$" in a name or title be one: matplotlib would read what is between two as mathematics, or fail to.

    What it writes itself at the ticks of an axis, powers of ten, stays mathematics.
    """
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    own = [axis for axis in axes if isinstance(axis.get_major_formatter(), (LogFormatter, ScalarFormatter))]
    numbers = {text for axis in own for minor in (False, True) for text in axis.get_ticklabels(minor=minor)}
    numbers |= {axis.get_offset_text() for axis in own}
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in numbers:
            text.set_parse_math(False)


def check_picture(path: AnyPath) -> None:
    """Prove that a picture can be written, before it is drawn.

    Raises
    ------
    InputError
        For a name that does not end as pictures do.
    OutputError
        If the file cannot be written.
    """
    if _ending(path) not in _PICTURES:
        raise InputError(f"figure {path}: its name must end in one of {', '.join(f'.{name}' for name in _PICTURES)}")
    try:
        check_output(path)
    except OutputError as error:
        raise OutputError(f"figure {error}") from error


def _ending(path: AnyPath) -> str:
    return as_path(path, "file of a figure").suffix[1:].lower()
