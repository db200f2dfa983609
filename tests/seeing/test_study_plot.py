"""Figures of many runs: what is drawn of which numbers."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from lava_nbp.errors import InputError
from lava_nbp.seeing.study_plot import (
    against_keys,
    importance_bars,
    search_history,
    seeds_by_condition,
    spread_curves,
)

CURVES = {"a": [[10, 20, 30], [20, 40, 50, 60]], "b": [[5, 6, 7]]}


@pytest.fixture
def axes(monkeypatch, tmp_path):
    """Draws, and returns the axes; the file has to be there, too."""
    kept = []
    saved = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **b: kept.append(self) or saved(self, *a, **b))

    def drawn(draw, *arguments):
        path = draw(*arguments[:1], tmp_path / "drawn.png", *arguments[1:])
        assert path.read_bytes().startswith(b"\x89PNG")
        return kept[-1].axes[0]

    return drawn


def lines(axes, width):
    return [
        (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.lines if line.get_linewidth() == width
    ]


def test_every_seed_their_mean_and_their_spread(axes):
    found = axes(spread_curves, CURVES, "right (%)", "two conditions")
    assert lines(found, 0.5) == [
        ([1, 2, 3], [10, 20, 30]), ([1, 2, 3, 4], [20, 40, 50, 60]), ([1, 2, 3], [5, 6, 7]),
    ]  # fmt: skip
    assert lines(found, 1.6) == [([1, 2, 3], [15, 30, 40]), ([1, 2, 3], [5, 6, 7])]  # as long as the shortest
    band = found.collections[0].get_paths()[0].vertices
    assert {(x, y) for x, y in band.tolist()} >= {(1, 10), (1, 20), (2, 20), (2, 40), (3, 30), (3, 50)}
    assert [text.get_text() for text in found.get_legend().get_texts()] == ["a, mean of 2", "b, mean of 1"]
    assert (found.get_ylabel(), found.get_title()) == ("right (%)", "two conditions")


def test_a_dot_per_seed_and_a_line_at_the_mean(axes):
    found = axes(seeds_by_condition, {"a": [90, 92, 97], "b": [80]}, "accuracy (%)")
    dots = [line.get_ydata().tolist() for line in found.lines if line.get_marker() == "o"]
    means = [line.get_ydata() for line in found.lines if line.get_marker() != "o"]
    assert dots == [[90, 92, 97], [80]]
    assert [list(mean) for mean in means] == [[93, 93], [80, 80]]
    assert [label.get_text() for label in found.get_xticklabels()] == ["a", "b"]
    dots_x = [line.get_xdata().tolist() for line in found.lines if line.get_marker() == "o"]
    assert len(set(dots_x[0])) == 3  # none hides another


@pytest.mark.parametrize("draw", [spread_curves, seeds_by_condition])
@pytest.mark.parametrize(("given", "message"), [
    ({}, "a figure has 0 conditions, but must have 1 .. 40"),
    ({str(k): [1.0] for k in range(41)}, "a figure has 41 conditions"),
    ([1, 2], "conditions is"),
    ({1: [1.0]}, "name of a condition is 1, but must be text"),
])  # fmt: skip
def test_what_cannot_be_drawn(draw, given, message, tmp_path):
    with pytest.raises(InputError, match=message):
        draw(given, tmp_path / "x.png", "y")
    assert not [*tmp_path.iterdir()]


def test_values_that_are_no_numbers(tmp_path):
    with pytest.raises(InputError, match="values of a has shape"):
        seeds_by_condition({"a": [np.nan]}, tmp_path / "x.png", "y")
    with pytest.raises(InputError, match="curve of a has shape"):
        spread_curves({"a": [[]]}, tmp_path / "x.png", "y")
    assert matplotlib.rcParams["svg.fonttype"] == "path"  # nothing global is left changed


def test_a_panel_per_key(axes):
    panels = {
        "rate": [(0.01, 90), (0.1, 80), (0.1, 70)],
        "target": [("sample", 60), ("spiking", 50), ("sample", 40)],
        "flag": [(True, 1), (False, 2)],
        "size": [(10, 1), (20, 2)],
    }
    first = axes(against_keys, panels, "accuracy (%)", ["rate"], "a study")
    rate, target, flag, size, *rest = first.figure.axes
    assert first is rate
    dots = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in rate.lines]
    assert dots == [([0.01, 0.1, 0.1], [90, 80, 70]), ([0.01, 0.1], [90, 75])]
    assert (rate.get_xscale(), size.get_xscale()) == ("log", "linear")
    assert [text.get_text() for text in target.get_xticklabels()] == ["sample", "spiking"]
    assert [line.get_ydata().tolist() for line in target.lines] == [[60, 50, 40], [50, 50]]
    assert [text.get_text() for text in flag.get_xticklabels()] == ["True", "False"]
    assert len(size.lines) == 1  # no values are equal, so there are no means
    assert [panel.get_xlabel() for panel in (rate, target, flag, size)] == list(panels)
    assert not any(panel.get_visible() for panel in rest)
    assert first.figure.get_supylabel() == "accuracy (%)"


def test_what_no_panel_can_show(tmp_path):
    path = tmp_path / "x.png"
    with pytest.raises(InputError, match="values of rate go down to 0, but must be positive by ratio"):
        against_keys({"rate": [(0, 1.0), (1, 1.0)]}, path, "y", ["rate"])
    with pytest.raises(InputError, match="measures of rate has shape"):
        against_keys({"rate": [(1, np.nan)]}, path, "y")
    with pytest.raises(InputError, match="a figure has 0 conditions"):
        against_keys({}, path, "y")
    with pytest.raises(InputError, match="share of a is 1.5, but must be"):
        importance_bars({"a": 1.5}, path)
    with pytest.raises(InputError, match="share of a is nan"):
        importance_bars({"a": float("nan")}, path)
    with pytest.raises(InputError, match="trials hold none"):
        search_history({}, path, "y")
    with pytest.raises(InputError, match="number of a trial is 0.5"):
        search_history({0.5: 1.0}, path, "y")
    assert not path.exists()


def test_bars_the_first_on_top(axes):
    found = axes(importance_bars, {"rate": 0.75, "size": 0.25})
    assert [(bar.get_y() + bar.get_height() / 2, bar.get_width()) for bar in found.patches] == [(0, 0.25), (1, 0.75)]
    assert [text.get_text() for text in found.get_yticklabels()] == ["size", "rate"]
    assert [text.get_text().strip() for text in found.texts] == ["0.25", "0.75"]


def test_the_best_so_far(axes):
    found = axes(search_history, {3: 80, 0: 50, 1: 70, 2: 60}, "validation (%)")
    dots, line = found.lines
    assert dict(zip(dots.get_xdata().tolist(), dots.get_ydata().tolist(), strict=True)) == {0: 50, 1: 70, 2: 60, 3: 80}
    assert line.get_xdata().tolist() == [0, 1, 2, 3]
    assert line.get_ydata().tolist() == [50, 70, 70, 80]
