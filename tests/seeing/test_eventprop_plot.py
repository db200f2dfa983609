"""Figures of EventProp name what they show."""

import numpy as np
import pytest
from drawn import Drawn

from lava_nbp.data import generate_yinyang
from lava_nbp.errors import InputError, OutputError
from lava_nbp.eventprop.reference import AdjointSpike, Spike
from lava_nbp.seeing import eventprop_plot


def test_adjoint_raster(tmp_path):
    spikes = [Spike(1.0, -1, 0), Spike(3.0, 0, 1), Spike(5.0, 1, 0)]
    sent = [AdjointSpike(5.0, 1, 0, 0.5), AdjointSpike(3.0, 0, 1, -0.25), AdjointSpike(1.0, -1, 0, 0.0)]
    path = eventprop_plot.adjoint_raster(spikes, sent, (2, 3, 1), 6.0, tmp_path / "raster.svg", "a sample")
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
    deep = eventprop_plot.adjoint_raster([], [], (2, 3, 4, 1), 6.0, tmp_path / "deep.svg").read_text()
    assert "hidden 2 (4)" in deep


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
