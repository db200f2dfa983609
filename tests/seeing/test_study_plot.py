"""Figures of many runs: what is drawn of which numbers."""

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from lava_nbp.errors import InputError
from lava_nbp.seeing.study_plot import seeds_by_condition, spread_curves

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
