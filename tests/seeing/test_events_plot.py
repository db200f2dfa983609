"""Figures of recordings show their events, counted by hand."""

import re

import numpy as np
import pytest
from drawn import Drawn, lines

from lava_nbp.data import Events, EventSplit
from lava_nbp.errors import InputError, OutputError
from lava_nbp.seeing import events_plot

#: Four recordings of three inputs: of class 1, 0, 1 and 2, the last one silent.
EVENTS = Events([1.0, 5.0, 2.0, 2.0, 9.0, 0.5], [0, 2, 1, 1, 0, 2], [0, 2, 5, 6, 6], 3)
SPLIT = EventSplit(EVENTS, np.array([1, 0, 1, 2]))
NAMES = ("no", "yes", "so")


def marks(collection):
    return np.asarray(collection.get_offsets()).tolist()


def test_the_first_recording_of_every_class(tmp_path, monkeypatch):
    figures = Drawn(monkeypatch)
    events_plot.recordings(SPLIT, NAMES, tmp_path / "first.png", "a run")
    panels = [axes for axes in figures["first"].axes if axes.axison]
    assert [axes.get_title() for axes in panels] == [
        "no: sample 1, 3 events", "yes: sample 0, 2 events", "so: sample 3, 0 events",
    ]  # fmt: skip
    assert [marks(axes.collections[0]) for axes in panels] == [[[2, 1], [2, 1], [9, 0]], [[1, 0], [5, 2]], []]
    assert figures["first"].get_suptitle() == "a run"
    assert all(axes.get_xlim()[1] > 9 and axes.get_ylim() == (-0.5, 2.5) for axes in panels)


def test_no_more_than_twenty_recordings(tmp_path, monkeypatch):
    figures = Drawn(monkeypatch)
    many = EventSplit(Events(np.arange(30.0), np.zeros(30, int), np.arange(31), 1), np.arange(30))
    events_plot.recordings(many, tuple(map(str, range(30))), tmp_path / "many.png")
    assert [axes.get_title().split(":")[0] for axes in figures["many"].axes] == list(map(str, range(20)))
    silent = EventSplit(Events([], [], [0, 0], 2), np.zeros(1, int))
    events_plot.recordings(silent, ("only",), tmp_path / "silent.png")
    assert figures["silent"].axes[0].get_title() == "only: sample 0, 0 events"


def test_counts_by_recording_input_and_class(tmp_path, monkeypatch):
    """Four recordings with 2, 3, 1 and 0 events; inputs have 2, 2 and 2 of them."""
    figures = Drawn(monkeypatch)
    none = EventSplit(Events([], [], [0], 3), np.zeros(0, int))
    splits = {"train": SPLIT.take([0, 1]), "validation": none, "test": SPLIT}
    events_plot.event_counts(splits, NAMES, tmp_path / "counts.png", "a run")
    left, middle, right, _ = figures["counts"].axes
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["train: 2.5", "test: 1.5"]
    for patch, sizes in zip(left.patches, ([2, 3], [2, 3, 1, 0]), strict=False):
        xy = patch.get_xy()
        for size in sizes:  # the bar in which it is
            assert max(y for x, y in xy if x <= size < x + 0.1 or x == size == 3) == 1
        assert xy[:, 1].max() == 1
    assert lines(middle) == {"train": ([0, 1, 2], [1.0, 1.0, 0.5]), "test": ([0, 1, 2], [0.5, 0.5, 0.5])}
    np.testing.assert_array_equal(right.images[0].get_array(), [[1, 2, 0], [0.5, 0, 1], [0, 0, 0]])
    assert right.get_title() == "test: events per recording of a class"
    events_plot.event_counts({"_held": SPLIT}, NAMES, tmp_path / "held.png")  # such names are left out by Matplotlib
    left, middle, *_ = figures["held"].axes
    for panel, wanted in ((left, " _held: 1.5"), (middle, " _held")):
        assert [text.get_text() for text in panel.get_legend().get_texts()] == [wanted]
    assert [text.get_text() for text in right.get_yticklabels()] == list(NAMES)


def test_events_before_and_after(tmp_path, monkeypatch):
    figures = Drawn(monkeypatch)
    after = Events([3.0, 4.0, 4.0, 11.0], [0, 1, 1, 0], [0, 1, 4], 3)
    events_plot.changed_events(EVENTS.take([0, 1]), after, [7, 9], tmp_path / "changed.png", "a run", "in epoch 1")
    first, second = figures["changed"].axes
    assert [axes.get_title() for axes in (first, second)] == [
        "sample 7: 2 events, then 1",
        "sample 9: 3 events, then 3",
    ]
    assert [marks(collection) for collection in first.collections] == [[[1, 0], [5, 2]], [[3, 0]]]
    assert [marks(collection) for collection in second.collections][1] == [[4, 1], [4, 1], [11, 0]]
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["as recorded", "in epoch 1"]
    assert first.get_xlim()[1] > 11
    four = EVENTS.take([0, 1, 2, 3])
    events_plot.changed_events(four, four, [0, 1, 2, 3], tmp_path / "four.png")
    assert len(figures["four"].axes) == 3


def test_how_often_neurons_spike(tmp_path, monkeypatch):
    figures = Drawn(monkeypatch)
    layers = {"hidden 1": np.array([0, 4, 8, 0]), "hidden 2": np.array([10])}
    events_plot.neuron_rates(layers, 4, tmp_path / "rates.png", "a run")
    first, second = figures["rates"].axes
    assert first.get_title() == "hidden 1: 3.0 spikes per recording, 2 of 4 neurons silent"
    assert second.get_title() == "hidden 2: 2.5 spikes per recording, 0 of 1 neurons silent"
    heights = [bar.get_height() for bar in first.patches]
    assert (heights[0], heights[20], heights[-1], sum(heights)) == (2, 1, 1, 4)
    assert first.patches[-1].get_x() + first.patches[-1].get_width() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda path: events_plot.recordings(EVENTS, NAMES, path), "split is .*, but must be a EventSplit"),
        (lambda path: events_plot.recordings(SPLIT.take([]), NAMES, path), "split has no recordings"),
        (lambda path: events_plot.recordings(SPLIT, NAMES[:2], path), r"labels\[3\] is 2, outside the classes 0 .. 1"),
        (lambda path: events_plot.event_counts({}, NAMES, path), "splits have no recordings"),
        (lambda path: events_plot.event_counts({"a": EVENTS}, NAMES, path), "split a is"),
        (
            lambda path: events_plot.event_counts(
                {"a": SPLIT, "b": EventSplit(Events([1.0], [0], [0, 1], 2), np.zeros(1, int))}, NAMES, path
            ),
            r"splits have \[2, 3\] units",
        ),
        (lambda path: events_plot.changed_events(EVENTS, EVENTS, [], path), "and samples are 0; give as many"),
        (lambda path: events_plot.changed_events(EVENTS, EVENTS.take([0]), [0], path), "before has 4 recordings"),
        (lambda path: events_plot.changed_events(EVENTS, EVENTS, [0, 1, 2, -1], path), "sample is -1"),
        (lambda path: events_plot.neuron_rates({}, 3, path), "layers are none"),
        (lambda path: events_plot.neuron_rates({"a": np.array([-1])}, 3, path), "spikes of a have shape"),
        (lambda path: events_plot.neuron_rates({"a": np.array([1])}, 0, path), "samples is 0"),
    ],
)
def test_refused(tmp_path, draw, message):
    with pytest.raises(InputError, match=message):
        draw(tmp_path / "no.png")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        events_plot.recordings(SPLIT, NAMES, tmp_path / "none" / "a.png")


def test_many_layers_are_drawn_in_rows(tmp_path, monkeypatch):
    drawn = Drawn(monkeypatch)
    events_plot.neuron_rates({f"hidden {k}": np.array([k]) for k in range(6)}, 1, tmp_path / "rates.png")
    figure = drawn["rates"]
    assert figure.get_size_inches() == pytest.approx([17.6, 6.8])
    assert [axes.get_title().split(":")[0] for axes in figure.axes if axes.axison] == [f"hidden {k}" for k in range(6)]


def test_dollars_in_names_are_no_mathematics(tmp_path):
    """Nor fail as such; powers of ten at the ticks of an axis stay some."""
    split = EventSplit(Events([1.0, 2.0], [0, 1], [0, 1, 2], 2), np.array([0, 1]))
    names, path = ("$x_{$", "5 $ or 6 $"), tmp_path / "drawn.svg"
    drawn = (
        events_plot.recordings(split, names, path, "$ and $_").read_text(),
        events_plot.event_counts({"test": split}, names, path, "$ and $_").read_text(),
    )
    for text in drawn:
        for name in (*names, "$ and $_"):
            assert f">{name}" in text
    text = events_plot.neuron_rates({"a $b$": np.array([1, 3])}, 1, path).read_text()
    assert ">a $b$: 4.0 spikes" in text
    assert "mathdefault" in text
    assert "mathdefault" not in re.sub("<!--.*-->", "", text)
