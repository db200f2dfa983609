import numpy as np
import pytest

from lava_nbp.errors import InputError, OutputError
from lava_nbp.executors.trace import trace
from lava_nbp.nbp.circuit import inference_circuit, training_circuit
from lava_nbp.seeing import plot


def traced(circuit_name):
    rng = np.random.default_rng(0)
    weights = {"W1": 2 * rng.integers(-60, 128, (9, 7)), "W2": 2 * rng.integers(-60, 128, (7, 4))}
    found = trace("spiking", rng.random((2, 9)) < 0.6, [0, 1], weights, circuit_name)
    return {k.removeprefix("spikes/"): v for k, v in found.items() if k.startswith("spikes/")}


@pytest.mark.parametrize(("circuit_name", "make"), [("nbp", training_circuit), ("inference", inference_circuit)])
def test_raster_names_every_population_and_phase(tmp_path, circuit_name, make):
    path = plot.raster(make(9, 7, 4), traced(circuit_name), tmp_path / "raster.svg", "a title")
    text = path.read_text()
    for population in make(9, 7, 4).populations:
        assert f">{population.name}<" in text
    assert ">a title<" in text
    assert f">{make(9, 7, 4).period - 1}<" in text


def test_spike_raster_of_any_populations(tmp_path):
    spikes = {"clock": np.eye(4, dtype=np.uint8), "grid": np.ones((4, 2, 3), np.uint8)}
    text = plot.spike_raster(spikes, tmp_path / "raster.svg", period=2, title="any").read_text()
    for shown in (">clock<", ">grid<", ">any<", ">Lava step<", ">4<"):
        assert shown in text
    assert ">5<" not in text


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
    assert "chosen: 2<" in plot.learning_curve(history, tmp_path / "curve.svg", chosen=2).read_text()
    for record in history:
        del record["validation_accuracy_spikes"]
    assert "chosen" not in plot.learning_curve(history, tmp_path / "curve.svg").read_text()


def test_weight_histograms_count_saturation(tmp_path):
    W1 = np.array([[254, -254], [0, 2]], np.int16)
    text = plot.weight_histograms({"W1": W1}, tmp_path / "w.svg").read_text()
    assert "W1 (2, 2), 50.0 % saturated" in text


def test_confusion_matrix_counts(tmp_path):
    answers, labels = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 1])
    text = plot.confusion_matrix(answers, labels, ["cat", "dog"], tmp_path / "c.svg").read_text()
    for word in (">cat<", ">dog<", ">3<"):
        assert word in text


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"figure .* cannot be written"):
        plot.weight_histograms({"W1": np.zeros((2, 2), np.int16)}, tmp_path / "no" / "w.png")
