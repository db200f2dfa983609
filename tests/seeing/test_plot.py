import numpy as np
import pytest
from drawn import Drawn
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from own_circuits import delta_circuit, feedforward_circuit, paper_under_other_names

from lava_nbp import inference_circuit, one_hot, trace, training_circuit
from lava_nbp.errors import InputError, OutputError
from lava_nbp.seeing import plot

CIRCUITS = {
    "nbp": training_circuit(9, 7, 4),
    "inference": inference_circuit(9, 7, 4),
    "other names and phases": paper_under_other_names(9, 7, 4),
    "delta rule": delta_circuit(9, 4),
    "delta rule of single spikes": delta_circuit(9, 4, "4*x0*y0*r - 2*x0"),
    "four layers": feedforward_circuit(9, 8, 7, 4),
}
NAMES = list(CIRCUITS)
#: Phases in which weights may grow, and may shrink: by hand.
GROW = {"nbp": {6, 8}, "other names and phases": {8, 10}, "delta rule": {5}, "delta rule of single spikes": {5}}
SHRINK = {
    "nbp": {0, 10},
    "other names and phases": {0, 12},
    "delta rule": {8},
    "delta rule of single spikes": {2, 8},
}


def traced(circuit):
    rng = np.random.default_rng(0)
    weights = {name: 2 * rng.integers(0, 128, shape) for name, shape in circuit.matrix_shapes.items()}
    samples = (rng.random((2, 9)) < 0.6, one_hot([0, 1], 4))[: len(circuit.sources)]
    found = trace("spiking", circuit, weights, *samples)
    return {k.removeprefix("spikes/"): v for k, v in found.items() if k.startswith("spikes/")}


@pytest.mark.parametrize("name", NAMES)
def test_raster_names_every_population_and_phase(tmp_path, name):
    circuit = CIRCUITS[name]
    path = plot.raster(circuit, traced(circuit), tmp_path / "raster.svg", "a title")
    text = path.read_text()
    for population in circuit.populations:
        assert f">{population.name}<" in text
    assert ">a title<" in text
    assert f">{circuit.period - 1}<" in text


@pytest.mark.parametrize("name", NAMES)
def test_raster_shows_every_spike_in_its_step_and_band(tmp_path, monkeypatch, name):
    circuit = CIRCUITS[name]
    drawn, spikes = Drawn(monkeypatch), traced(circuit)
    plot.raster(circuit, spikes, tmp_path / "raster.png")
    (axes,) = drawn["raster"].axes
    bands = [line.get_ydata()[0] for line in axes.get_lines()]  # one below each population
    for k, (population, marks) in enumerate(zip(circuit.populations, axes.collections, strict=True)):
        when, _ = np.nonzero(spikes[population.name])
        at = np.asarray(marks.get_offsets())
        np.testing.assert_array_equal(at[:, 0], when)
        assert (at[:, 1] > (bands[k - 1] if k else 0)).all()
        assert (at[:, 1] < bands[k]).all()
        for step in np.unique(when):  # neurons of a population are in their order
            assert (np.diff(at[when == step, 1]) > 0).all()
    assert spikes[circuit.output].any()


@pytest.mark.parametrize("name", NAMES)
def test_raster_shades_phases_by_what_the_rule_does_there(tmp_path, monkeypatch, name):
    circuit = CIRCUITS[name]
    drawn = Drawn(monkeypatch)
    plot.raster(circuit, traced(circuit), tmp_path / "raster.png")
    (axes,) = drawn["raster"].axes
    shades = [to_hex(patch.get_facecolor()).upper() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(shades) == 2 * circuit.period + 1
    for step, shade in enumerate(shades):
        phase = step % circuit.period
        grows, shrinks = (step and phase in phases.get(name, ()) for phases in (GROW, SHRINK))
        assert (shade == "#D5E8F5", shade == "#FBE3CB") == (bool(grows), bool(shrinks)), step


def test_spike_raster_of_any_populations(tmp_path):
    spikes = {"clock": np.eye(4, dtype=np.uint8), "grid": np.ones((4, 2, 3), np.uint8)}
    text = plot.spike_raster(spikes, tmp_path / "raster.svg", period=2, title="any").read_text()
    for shown in (">clock<", ">grid<", ">any<", ">Lava step<", ">4<"):
        assert shown in text
    assert ">5<" not in text


@pytest.mark.parametrize(("steps", "width"), [(10, 7.0), (50, 14.0), (100, 28.0), (10_000, 28.0)])
def test_rasters_of_long_trials_are_no_wider(tmp_path, monkeypatch, steps, width):
    """0.28 inches per step up to a hundred; every cycle is shaded once, the last as far as it goes."""
    drawn = Drawn(monkeypatch)
    plot.spike_raster({"a": np.ones((steps, 2), np.uint8)}, tmp_path / "raster.png", period=steps // 4 + 1)
    figure = drawn["raster"]
    assert figure.get_size_inches()[0] == pytest.approx(width)
    (axes,) = figure.axes
    left = [patch.get_x() for patch in axes.patches if isinstance(patch, Rectangle)]
    assert left == [k * (steps // 4 + 1) - 0.5 for k in range(4)]
    assert axes.get_xlim() == (-0.5, steps - 0.5)


def test_raster_of_many_samples(tmp_path, monkeypatch):
    """As many phases are named as there is room for."""
    circuit = CIRCUITS[NAMES[0]]
    spikes = {p.name: np.zeros((1000, p.size), np.uint8) for p in circuit.populations}
    drawn = Drawn(monkeypatch)
    plot.raster(circuit, spikes, tmp_path / "raster.png")
    (axes,) = drawn["raster"].axes
    assert drawn["raster"].get_size_inches()[0] == pytest.approx(28.0)
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        str(step % circuit.period) for step in range(0, 1000, 10)
    ]


def test_spike_raster_of_nothing_or_of_unequal_rows(tmp_path):
    with pytest.raises(InputError, match="populations have no rows of spikes"):
        plot.spike_raster({}, tmp_path / "raster.svg")
    with pytest.raises(InputError, match="{'a': 2, 'b': 3} rows of spikes; give each as many"):
        plot.spike_raster({"a": np.zeros((2, 1)), "b": np.zeros((3, 1))}, tmp_path / "raster.svg")
    with pytest.raises(OutputError, match="cannot be written"):
        plot.spike_raster({"a": np.zeros((2, 1))}, tmp_path / "no" / "raster.svg")


def test_learning_curve_marks_the_chosen_epoch(tmp_path):
    history = [
        {"epoch": e, "train_accuracy_spikes": 0.5, "validation_accuracy_spikes": v, "test_accuracy_spikes": v,
         "test_accuracy_membrane": v, "test_exact": v}
        for e, v in ((1, 0.5), (2, 0.8), (3, 0.8))
    ]  # fmt: skip
    curves = {"validation_accuracy_spikes": "validation", "test_accuracy_spikes": "test", "test_seen": "never"}
    text = plot.learning_curve(history, curves, tmp_path / "curve.svg", chosen=2).read_text()
    assert "chosen: 2<" in text
    assert ">validation<" in text
    assert "never" not in text  # it was not measured
    for record in history:
        del record["validation_accuracy_spikes"]
    text = plot.learning_curve(history, curves, tmp_path / "curve.svg").read_text()
    assert "chosen" not in text
    assert ">validation<" not in text


def test_weight_histograms_count_saturation(tmp_path):
    W1 = np.array([[254, -254], [0, 2]], np.int16)
    text = plot.weight_histograms({"W1": W1}, tmp_path / "w.svg").read_text()
    assert "W1 (2, 2), 50.0 % saturated" in text
    wide = plot.weight_histograms({"counts": np.array([3, 1000])}, tmp_path / "w.svg").read_text()
    assert "saturated" not in wide  # no weights of 8 bits


def test_confusion_matrix_counts(tmp_path):
    answers, labels = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 1])
    text = plot.confusion_matrix(answers, labels, ["cat", "dog"], tmp_path / "c.svg").read_text()
    for word in (">cat<", ">dog<", ">3<"):
        assert word in text


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"figure .* cannot be written"):
        plot.weight_histograms({"W1": np.zeros((2, 2), np.int16)}, tmp_path / "no" / "w.png")
