"""Figures of EventProp name what they show."""

import numpy as np
import pytest
from drawn import Drawn, lines
from matplotlib.colors import to_hex

from lava_nbp.data import generate_yinyang
from lava_nbp.errors import InputError, OutputError
from lava_nbp.eventprop.result import LayerSpikes
from lava_nbp.seeing import eventprop_plot
from lava_nbp.seeing.plot import BLUE, GREY, ORANGE


def spikes(times=(), neurons=(), errors=()):
    return LayerSpikes(np.array(times, float), np.array(neurons, int), np.array(errors, float))


def test_adjoint_raster(tmp_path, monkeypatch):
    """A mark per spike in the band of its layer; below them in mirrored time, by the sign and size of their errors."""
    figures = Drawn(monkeypatch)
    layers = [spikes([1.0], [0], [0.0]), spikes([3.0], [1], [-0.25]), spikes([5.0], [0], [0.5])]
    path = eventprop_plot.adjoint_raster(layers, (2, 3, 1), 6.0, tmp_path / "raster.svg", "a sample")
    text = path.read_text()
    for shown in (
        "a sample",
        "adjoint spikes",
        "input (2)",
        "hidden (3)",
        "output (1)",
        "later would cost",
        "0.5 / ms",
    ):
        assert shown in text
    above, below = (axes.collections[0] for axes in figures["raster"].axes)
    y = [0.06 + 0.88 * 0.25, 1.06 + 0.88 * 0.5, 2.06 + 0.88 * 0.5]
    np.testing.assert_allclose(above.get_offsets(), np.column_stack([[1, 3, 5], y]))
    np.testing.assert_allclose(below.get_offsets(), np.column_stack([[5, 3, 1], y]))
    np.testing.assert_allclose(below.get_sizes(), [4.0, 4 + 60 * np.sqrt(0.5), 64.0])
    assert [to_hex(colour).upper() for colour in below.get_edgecolors()] == [BLUE, ORANGE, BLUE]
    nothing = [spikes()] * 4
    deep = eventprop_plot.adjoint_raster(nothing, (2, 3, 4, 1), 6.0, tmp_path / "deep.svg").read_text()
    assert "hidden 2 (4)" in deep
    for wrong, message in (
        (layers[:2], "layers are 2, but there are 3 sizes"),
        ([*layers[:2], spikes([5.0], [1], [0.0])], r"labels\[0\] is 1, outside"),
        ([*layers[:2], spikes([5.0], [0])], r"layers\[2\] has 0 errors of 1 spikes"),
        ([*layers[:2], None], r"layers\[2\]"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            eventprop_plot.adjoint_raster(wrong, (2, 3, 1), 6.0, tmp_path / "no.svg")


def test_output_voltages(tmp_path, monkeypatch):
    """A line per output, below the spikes of the other layers; the label's and a wrong answer stand out."""
    figures = Drawn(monkeypatch)
    layers = [spikes([1.0], [0]), spikes([3.0, 4.0], [1, 0]), spikes()]
    times, voltages = np.array([2.0, 4.0, 6.0]), np.array([[0.0, 0.1, 0.2], [1.0, 0.5, -0.5], [0.5, 0.5, 0.25]])
    given = {
        "layers": layers, "sizes": (1, 2, 3), "times": times, "voltages": voltages, "said": np.array([0.6, 0.4, -0.1]),
        "label": 1, "classes": ("yes", "no", "so"), "path": tmp_path / "voltages.svg", "title": "a sample",
    }  # fmt: skip
    eventprop_plot.output_voltages(**given)
    above, below = figures["voltages"].axes
    y = [0.06 + 0.88 * 0.5, 1.06 + 0.88 * 0.75, 1.06 + 0.88 * 0.25]
    np.testing.assert_allclose(above.collections[0].get_offsets(), np.column_stack([[1, 3, 4], y]))
    assert above.get_title() == "a sample"
    assert above.get_ylim() == (2, 0)
    assert lines(below) == {
        "yes, the answer: 0.6": ([2, 4, 6], voltages[:, 0].tolist()),
        "no, the label: 0.4": ([2, 4, 6], voltages[:, 1].tolist()),
        "so: -0.1": ([2, 4, 6], voltages[:, 2].tolist()),
    }
    colours = [line.get_color() for line in below.get_lines()[:3]]
    assert colours == [ORANGE, BLUE, GREY]
    assert below.get_xlim() == (0, 6)
    eventprop_plot.output_voltages(**given | {"label": 0, "path": tmp_path / "right.svg"})
    assert list(lines(figures["right"].axes[1])) == ["yes, the label: 0.6", "no: 0.4", "so: -0.1"]
    for wrong, message in (
        ({"voltages": voltages[:, :2]}, r"voltages \(3, 2\)"), ({"said": np.zeros(2)}, r"what is said \(2,\)"),
        ({"times": times[::-1]}, "each must be later"), ({"times": times - 3}, "from 0 on"),
        ({"label": 3}, "label is 3"), ({"classes": ("a", "b")}, "2 classes and 3 outputs"),
        ({"voltages": np.full((3, 3), np.nan)}, "voltages has shape"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            eventprop_plot.output_voltages(**given | wrong)


def test_gradient_check_says_how_wrong_it_is(tmp_path):
    path = eventprop_plot.gradient_check(np.array([1.0, -2.0]), np.array([1.0, -2.002]), tmp_path / "check.svg")
    assert "largest relative error 1.0e-03" in path.read_text()


def test_class_map(tmp_path):
    samples, labels = generate_yinyang(60, np.random.default_rng(0))
    labels[0] = -1
    path = eventprop_plot.class_map(samples[:, :2], labels, tmp_path / "map.svg", samples[:3, :2], "the plane")
    for shown in ("the plane", "says yin", "says dot", "test sample answered wrong"):
        assert shown in path.read_text()


def test_clocked_error(tmp_path):
    errors = {"12-bit": [(1.0, 0.5, 0.2), (0.5, 0.25, 0.1)], "24-bit": [(1.0, 0.5, 0.2), (0.5, 0.24, 0.09)]}
    text = eventprop_plot.clocked_error(errors, tmp_path / "error.svg", "steps").read_text()
    for shown in ("12-bit", "24-bit", "dt / 2", "proportional to dt", "steps"):
        assert shown in text
    with pytest.raises(OutputError, match="cannot be written"):
        eventprop_plot.clocked_error(errors, tmp_path / "no" / "error.svg")


def test_what_was_learned_beside_weights(tmp_path, monkeypatch):
    """Bars of each histogram by hand, before and after, in the same bins; four of them take two rows."""
    figures = Drawn(monkeypatch)
    before = {"D1": np.array([[0.0, 3.0], [3.0, 30.0]]), "tau_m1": np.array([20.0]), "tau_s1": np.array([5.0, 5.0])}
    after = {"D1": np.array([[0.0, 0.0], [3.0, 30.0]]), "tau_m1": np.array([26.0]), "tau_s1": np.array([4.0, 6.0])}
    eventprop_plot.before_and_after(before, after, tmp_path / "learned.svg", "a run")
    first, second, third = figures["learned"].axes
    assert [ax.get_xlabel() for ax in (first, second, third)] == ["D1 (ms)", "tau_m1 (ms)", "tau_s1 (ms)"]
    assert first.get_title() == "a run"
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["before", "after"]
    heights = [sorted({y for _, y in patch.get_xy()}) for patch in first.patches]
    assert heights == [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]
    assert [max(y for _, y in patch.get_xy()) for patch in third.patches] == [2.0, 1.0]
    more = before | {"E1": np.zeros(3)}
    eventprop_plot.before_and_after(more, more, tmp_path / "more.svg")
    assert len(figures["more"].axes) == 6
    for wrong, message in (
        ({}, "before is {}"), ({"D1": np.zeros(2)}, "the same names and shapes"), (before | {"D2": np.zeros(1)}, "D2"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            eventprop_plot.before_and_after(wrong, after, tmp_path / "no.svg")
