"""Figures of recordings that are events: what a network gets of them, how many there are, and what training changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, check_labels, check_sequence, check_text
from lava_nbp.base.files import AnyPath
from lava_nbp.data.events import Events, EventSplit
from lava_nbp.errors import InputError
from lava_nbp.seeing.plot import BLUE, GREEN, ORANGE, check_title, finite, in_legend, save

#: Recordings in a figure, and columns of it.
_RECORDINGS, _COLUMNS = 20, 5
#: Recordings before and after a change.
_CHANGED = 3
#: Colours of splits, in turn.
_COLOURS = (BLUE, ORANGE, GREEN)
#: Layers in a row.
_LAYERS = 4
#: Bars of a histogram.
_BARS = 40


def recordings(split: EventSplit, classes: Sequence[str], path: AnyPath, title: str = "") -> Path:
    """Draw the first recording of every class, of twenty at most: a mark for every event, inputs against time.

    Parameters
    ----------
    split : EventSplit
        Recordings, and their labels.
    classes : sequence of str
        Names of the classes.
    path : path
        File to write; its suffix chooses the format.

    Raises
    ------
    InputError
        For no recordings, or labels that have no name.
    OutputError
        If the file cannot be written.
    """
    names = _check_split(split, classes, "split")
    there, first = np.unique(split.y, return_index=True)
    panels, figure = _panels(min(len(there), _RECORDINGS))
    end = _end(split.events.take(first[:_RECORDINGS]))
    for axes, label, sample in zip(panels, there, first, strict=False):
        events = split.events.take([sample])
        _marks(axes, events, "black")
        axes.set_title(f"{names[label]}: sample {sample}, {len(events.times)} events", fontsize=8)
    check_title(title)
    return _finish(figure, panels, end, split.events.n_units, path, title)


def changed_events(
    before: Events, after: Events, samples: Sequence[int], path: AnyPath, title: str = "", called: str = "changed"
) -> Path:
    """Draw what was made of recordings, of three at most: their events as they were, and on top of them as they are.

    Parameters
    ----------
    before, after : Events
        Of the same recordings.
    samples : sequence of int
        Their numbers, for titles.
    path : path
        File to write; its suffix chooses the format.
    called : str
        What to call the events after.

    Raises
    ------
    InputError
        For no recordings, or another number of them or of units.
    OutputError
        If the file cannot be written.
    """
    for what, events in (("before", before), ("after", after)):
        check_kind(events, Events, what)
    numbers = [check_integer(k, 0, None, "sample") for k in check_sequence(samples, "samples")]
    if not numbers or {len(before), len(after)} != {len(numbers)} or before.n_units != after.n_units:
        raise InputError(
            f"before has {len(before)} recordings of {before.n_units} units, after {len(after)} of {after.n_units}, "
            f"and samples are {len(numbers)}; give as many of all, one or more"
        )
    check_text(called, "name of the events after")
    check_title(title)
    panels, figure = _panels(min(len(numbers), _CHANGED), 4.2, 3.2)
    for k, axes in enumerate(panels):
        old, new = before.take([k]), after.take([k])
        _marks(axes, old, ORANGE, "as recorded")
        _marks(axes, new, BLUE, called)
        axes.set_title(f"sample {numbers[k]}: {len(old.times)} events, then {len(new.times)}", fontsize=8)
    panels[0].legend(fontsize=7, loc="upper right", markerscale=4)
    drawn = np.arange(len(panels))
    end = max(_end(events.take(drawn)) for events in (before, after))
    return _finish(figure, panels, end, before.n_units, path, title)


def event_counts(splits: Mapping[str, EventSplit], classes: Sequence[str], path: AnyPath, title: str = "") -> Path:
    """Draw how many events recordings and inputs have.

    Left: recordings by their number of events, split by split. Middle: events of every input per recording. Right:
    the same for every class, of the last split.

    Parameters
    ----------
    splits : mapping of str to EventSplit
        By name; of the same inputs. Splits without recordings are left out.
    classes : sequence of str
        Names of the classes.
    path : path
        File to write; its suffix chooses the format.

    Raises
    ------
    InputError
        For no recordings, other inputs, or labels that have no name.
    OutputError
        If the file cannot be written.
    """
    check_kind(splits, Mapping, "splits")
    given = {check_text(name, "name of a split"): split for name, split in splits.items()}
    for name, split in given.items():
        check_kind(split, EventSplit, f"split {name}")
    there = {name: split for name, split in given.items() if len(split)}
    if not there:
        raise InputError("splits have no recordings; give one or more")
    names = [_check_split(split, classes, f"split {name}") for name, split in there.items()][-1]
    units = {split.events.n_units for split in there.values()}
    if len(units) > 1:
        raise InputError(f"splits have {sorted(units)} units; give each as many")
    check_title(title)
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    sizes = {name: np.diff(split.events.offsets) for name, split in there.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(sizes.values())), _BARS)
    for (name, split), colour in zip(there.items(), _COLOURS, strict=False):
        mean = in_legend(f"{name}: {sizes[name].mean():.1f}")
        left.hist(sizes[name], edges, histtype="step", color=colour, label=mean)
        each = np.bincount(split.events.units, minlength=split.events.n_units) / len(split)
        middle.plot(each, color=colour, linewidth=1, label=in_legend(name))
    left.set_xlabel("events of a recording")
    left.set_ylabel("recordings")
    left.legend(fontsize=8, title="mean", title_fontsize=8)
    middle.set_xlabel("input")
    middle.set_ylabel("events per recording")
    middle.legend(fontsize=8)
    last, split = list(there.items())[-1]
    drawn = right.imshow(_by_class(split, len(names)), aspect="auto", cmap="cividis", interpolation="nearest")
    right.set_yticks(range(len(names)), names, fontsize=8 if len(names) < 24 else 5)
    right.set_xlabel("input")
    right.set_title(f"{last}: events per recording of a class", fontsize=9)
    figure.colorbar(drawn, ax=right)
    figure.suptitle(title, fontsize=10)
    return save(figure, path)


def neuron_rates(layers: Mapping[str, NDArray[Any]], samples: int, path: AnyPath, title: str = "") -> Path:
    """Draw the neurons of every layer by their spikes per recording.

    Parameters
    ----------
    layers : mapping of str to (neurons,)
        Spikes of every neuron over all recordings, by the name of the layer.
    samples : int
        How many recordings.
    path : path
        File to write; its suffix chooses the format.

    Raises
    ------
    InputError
        For no layers, or spikes that are no numbers of 0 or more, one per neuron.
    OutputError
        If the file cannot be written.
    """
    check_kind(layers, Mapping, "layers")
    if not layers:
        raise InputError("layers are none; give the spikes of one or more")
    check_integer(samples, 1, 1 << 53, "samples")
    check_title(title)
    columns = min(len(layers), _LAYERS)
    rows = -(-len(layers) // columns)
    figure = Figure(figsize=(4.4 * columns, 3.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(layers) :]:
        axes.axis("off")
    for axes, (name, spikes) in zip(panels, layers.items(), strict=False):
        counts = finite(spikes, f"spikes of {check_text(name, 'name of a layer')}")
        if counts.ndim != 1 or counts.min() < 0:
            raise InputError(f"spikes of {name} have shape {counts.shape}, but must be 0 or more, one per neuron")
        axes.hist(counts / samples, _BARS, color=BLUE, log=True)  # a few neurons may do all the work
        axes.set_xlabel("spikes per recording")
        axes.set_ylabel("neurons")
        axes.set_title(
            f"{name}: {counts.sum() / samples:.1f} spikes per recording, {int((counts == 0).sum())} of "
            f"{len(counts)} neurons silent",
            fontsize=8,
        )
    figure.suptitle(title, fontsize=10)
    return save(figure, path)


def _check_split(split: EventSplit, classes: Sequence[str], what: str) -> list[str]:
    """Names of the classes of a split that has recordings."""
    check_kind(split, EventSplit, what)
    names = [check_text(name, "name of a class") for name in check_sequence(classes, "classes")]
    if not len(split):
        raise InputError(f"{what} has no recordings; give one or more")
    check_labels(as_array(split.y, "labels"), len(split), len(names))
    return names


def _by_class(split: EventSplit, n: int) -> NDArray[np.float64]:
    """Events of every unit per recording of a class, (classes, units)."""
    events = split.events
    label = np.repeat(split.y, np.diff(events.offsets))
    flat = np.bincount(label * events.n_units + events.units, minlength=n * events.n_units)
    found: NDArray[np.float64] = flat.reshape(n, -1) / np.maximum(np.bincount(split.y, minlength=n), 1)[:, None]
    return found


def _end(events: Events) -> float:
    """A little after the last event, in ms."""
    return 1.02 * float(events.times.max(initial=0.0)) or 1.0


def _panels(n: int, width: float = 2.6, height: float = 2.2) -> tuple[list[Axes], Figure]:
    """So many panels of a size in inches, with the same axes."""
    columns = min(n, _COLUMNS)
    rows = -(-n // columns)
    figure = Figure(figsize=(width * columns + 0.6, height * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel().tolist()
    for axes in panels[n:]:
        axes.axis("off")
    return panels[:n], figure


def _marks(axes: Axes, events: Events, colour: str, name: str | None = None) -> None:
    label = None if name is None else in_legend(name)
    axes.scatter(events.times, events.units, s=2, color=colour, linewidths=0, label=label)


def _finish(figure: Figure, panels: Sequence[Axes], end: float, n_units: int, path: AnyPath, title: str) -> Path:
    for axes in panels:
        axes.set_xlim(0, end)
        axes.set_ylim(-0.5, n_units - 0.5)
    figure.supxlabel("time (ms)", fontsize=9)
    figure.supylabel("input", fontsize=9)
    figure.suptitle(title, fontsize=10)
    return save(figure, path)
