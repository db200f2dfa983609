from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from networks import random_samples, random_weights
from own_circuits import delta_circuit, feedforward_circuit
from ways import in_ways

from lava_nbp import CIRCUITS, TARGETS, CircuitKind, save_circuit, targets_of
from lava_nbp.errors import CircuitError, InputError, LavaNBPError, OutputError, WeightError
from lava_nbp.executors.trace import trace, trace_file
from lava_nbp.nbp.circuits import make_circuit
from lava_nbp.nbp.executor import one_hot
from lava_nbp.nbp.paper import inference_circuit, training_circuit

LAYERS = (9, 7, 4)


TRACEABLE = [name for name in targets_of("nbp") if not TARGETS[name].on_chip]


def problem(n=6, seed=0):
    rng = np.random.default_rng(seed)
    weights = random_weights(LAYERS, rng)
    x, labels, _ = random_samples(n, LAYERS, rng, density=0.6)
    return x, labels, weights


def traced(target, circuit_name="nbp", n=6, **options):
    """The trace of a circuit of the table."""
    x, labels, weights = problem(n)
    circuit = make_circuit(circuit_name, LAYERS)
    samples = (x, one_hot(labels, LAYERS[-1]))[: len(circuit.sources)]
    return trace(target, circuit, weights, *samples, **options)


def test_samples_in_several_runs_of_lava(monkeypatch, way):
    monkeypatch.setattr("lava_nbp.executors.trace._AT_ONCE", 2)
    told = []
    found = traced("lava", n=5, stage=lambda *what: told.append(what))
    assert told == [("lava", 0, 5), ("lava", 2, 5), ("lava", 4, 5)]
    for key, expected in traced("spiking", n=5).items():
        assert np.array_equal(found[key], expected), key


IN_CHIP_ORDER = [name for name in TRACEABLE if TARGETS[name].chip_order]


@pytest.mark.parametrize("circuit_name", ["nbp", "nbp-guarded"])
@pytest.mark.parametrize("target", IN_CHIP_ORDER)
def test_a_target_in_the_chips_order_refuses_another(target, circuit_name):
    with pytest.raises(CircuitError, match="deliver first: use circuit.in_chip_order"):
        traced(target, circuit_name)


@pytest.mark.parametrize(
    ("target", "circuit_name", "way"),
    [
        case
        for case in in_ways(
            TRACEABLE, ["nbp", "nbp-guarded", "nbp-chip", "inference"], both=lambda _, name: name == "inference"
        )
        if case.values[0] not in IN_CHIP_ORDER or case.values[1] in ("nbp-chip", "inference")
    ],
    indirect=["way"],
)
def test_every_target_gives_the_same_trace(target, circuit_name, way):
    expected = traced("spiking", circuit_name, n=4)
    found = traced(target, circuit_name, n=4)
    assert found.keys() == expected.keys()
    for key in expected:
        assert found[key].dtype == expected[key].dtype, key
        assert np.array_equal(found[key], expected[key]), key


@pytest.mark.parametrize(("circuit_name", "make"), [("nbp", training_circuit), ("inference", inference_circuit)])
def test_names_shapes_and_the_first_row(circuit_name, make):
    x, _, _ = problem(n=3)
    circuit = make(*LAYERS)
    found = traced("spiking", circuit_name, n=3)
    assert {k.removeprefix("spikes/") for k in found if k.startswith("spikes/")} == {
        p.name for p in circuit.populations
    }
    for p in circuit.populations:
        rows = found[f"spikes/{p.name}"]
        assert rows.shape == (3 * circuit.period + 1, p.size)
        assert rows.dtype == np.uint8
        assert set(np.unique(rows)) <= {0, 1}
    assert found["spikes/g00"].ravel().nonzero()[0].tolist() == [k * circuit.period for k in range(4)]
    shapes = {"W1": (9, 7), "W1_lo": (9, 7), "W1_hi": (9, 7), "W2": (7, 4), "W2_lo": (7, 4), "W2_hi": (7, 4)}
    shapes |= {"W2_T": (4, 7), "W2_T_neg": (4, 7)}
    names = shapes if circuit_name == "nbp" else ("W1", "W2")
    assert {k: v.shape for k, v in found.items() if k.startswith("weights/")} == {
        f"weights/{n}": shapes[n] for n in names
    }
    assert np.array_equal(found["spikes/x"][2], x[0])


def saved(path, circuit_name, target="spiking", **arrays):
    """What a file with these arrays is traced to, read back."""
    np.savez(path / "in.npz", **arrays)
    trace_file(path / "in.npz", target, path / "out.npz", circuit_name)
    with np.load(path / "out.npz") as archive:
        return dict(archive)


def test_targets_by_the_name_of_their_source(tmp_path):
    """Instead of labels, so that they need not be one-hot."""
    x, _, weights = problem()
    targets = (np.random.default_rng(4).random((6, 4)) < 0.5).astype(int)
    found = saved(tmp_path, "nbp-guarded", x=x, t=targets, labels=np.zeros(6, int), **weights)
    expected = trace("sample", training_circuit(*LAYERS, guarded=True), weights, x, targets)
    assert all(np.array_equal(found[key], rows) for key, rows in expected.items())


def test_a_circuit_of_any_depth_has_the_layers_of_the_files_matrices(tmp_path):
    rng, sizes = np.random.default_rng(5), (6, 5, 4, 3)
    circuit = feedforward_circuit(*sizes)
    weights = {name: 2 * rng.integers(0, 127, shape) for name, shape in circuit.matrix_shapes.items()}
    pixels = rng.integers(0, 2, (4, 6))
    with CIRCUITS.registered(CircuitKind("mine", feedforward_circuit)):
        found = saved(tmp_path, "mine", pixels=pixels, **weights)
        assert len(found["spikes/layer3"]) == 4 * circuit.period + 1
        with pytest.raises(InputError, match="lacks M0; it needs pixels, M0"):
            saved(tmp_path, "mine", pixels=pixels)
    assert all(np.array_equal(found[key], rows) for key, rows in trace("lava", circuit, weights, pixels).items())


def test_a_circuit_in_a_file(tmp_path):
    rng, circuit = np.random.default_rng(6), delta_circuit(5, 3)
    save_circuit(circuit, tmp_path / "mine.json")
    arrays = {"see": rng.integers(0, 2, (4, 5)), "V": 2 * rng.integers(-100, 127, (5, 3))}
    labels = rng.integers(0, 3, 4)
    found = saved(tmp_path, str(tmp_path / "mine.json"), "reference", **arrays, labels=labels)
    expected = trace("spiking", circuit, {"V": arrays["V"]}, arrays["see"], one_hot(labels, 3))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[key], rows) for key, rows in expected.items())


def test_labels_stand_for_the_sources_that_bring_targets_wherever_they_are(tmp_path):
    """Not for the last source, whatever it brings."""
    rng, circuit = np.random.default_rng(6), delta_circuit(3, 3)
    turned = replace(circuit, sources=circuit.sources[::-1])
    save_circuit(turned, tmp_path / "mine.json")
    arrays = {"see": rng.integers(0, 2, (4, 3)), "V": 2 * rng.integers(-100, 127, (3, 3))}
    labels = rng.integers(0, 3, 4)
    found = saved(tmp_path, str(tmp_path / "mine.json"), **arrays, labels=labels)
    expected = trace("spiking", circuit, {"V": arrays["V"]}, arrays["see"], one_hot(labels, 3))
    for key, rows in expected.items():
        np.testing.assert_array_equal(found[key], rows)
    with pytest.raises(InputError, match="lacks see; it needs labels, see, V"):
        saved(tmp_path, str(tmp_path / "mine.json"), V=arrays["V"], labels=labels)


def test_a_source_and_a_matrix_of_one_name(tmp_path):
    circuit = delta_circuit(3, 3)
    twice = replace(circuit, sources=(replace(circuit.sources[0], name="V"), circuit.sources[1]))
    save_circuit(twice, tmp_path / "mine.json")
    with pytest.raises(InputError, match="source and matrix 'V' have one name, but a file has one array of a name"):
        saved(tmp_path, str(tmp_path / "mine.json"), V=np.zeros((3, 3), int), want=np.zeros((3, 3), int))


def write(path, **changes):
    x, labels, weights = problem()
    arrays = {"x": x, "labels": labels, **weights} | changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})
    return path


def test_from_file_to_file(tmp_path):
    trace_file(write(tmp_path / "in.npz"), "sample", tmp_path / "out.npz", "nbp")
    with np.load(tmp_path / "out.npz", allow_pickle=False) as archive:
        for key, rows in traced("spiking").items():
            assert np.array_equal(archive[key], rows)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": None}, InputError, "lacks x; it needs x, labels, W1, W2"),
        ({"x": np.zeros((6, 8))}, InputError, r"x have shape \(6, 8\), but this network needs \(samples, 9\)"),
        ({"x": np.zeros((0, 9)), "labels": np.zeros(0, int)}, InputError, "x has no rows"),
        ({"x": np.full((6, 9), 0.5)}, InputError, r"x\[0, 0\] is 0.5, but spikes are 0 or 1"),
        ({"x": np.full((6, 9), np.nan)}, InputError, r"x\[0, 0\] is nan"),
        ({"x": np.full((6, 9), "1")}, InputError, "dtype <U1"),
        ({"labels": np.arange(6)}, InputError, r"labels\[4\] is 4, outside the classes 0 .. 3"),
        ({"labels": np.zeros(6)}, InputError, "labels have shape .* dtype float64"),
        ({"labels": np.zeros(5, int)}, InputError, "6 samples of x, but 5 of t; give as many"),
        ({"W1": np.zeros((9, 7))}, WeightError, "W1 has dtype float64"),
        ({"W1": np.full((9, 7), 3)}, WeightError, r"W1\[0, 0\] is 3"),
        ({"W2": np.full((7, 4), 256)}, WeightError, r"W2\[0, 0\] is 256"),
        ({"W2": np.zeros((6, 4), int)}, WeightError, r"W2 has shape \(6, 4\), but this network needs \(7, 4\)"),
        ({"W1": np.zeros(9, int)}, InputError, "must be matrices"),
        ({"W1": np.zeros((9, 0), int), "W2": np.zeros((0, 4), int)}, CircuitError, "n_hidden is 0"),
    ],
)
def test_wrong_inputs_write_nothing(tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        trace_file(write(tmp_path / "in.npz", **changes), "spiking", tmp_path / "out.npz", "nbp")
    assert not (tmp_path / "out.npz").exists()


def test_unreadable_and_unwritable_files(tmp_path):
    with pytest.raises(InputError, match="in.npz cannot be read as .npz: No such file"):
        trace_file(tmp_path / "in.npz", "spiking", tmp_path / "out.npz", "nbp")
    (tmp_path / "in.npz").write_bytes(b"text")
    with pytest.raises(InputError, match="in.npz cannot be read as .npz"):
        trace_file(tmp_path / "in.npz", "spiking", tmp_path / "out.npz", "nbp")
    with pytest.raises(OutputError, match="out.npz cannot be written"):
        trace_file(write(tmp_path / "in.npz"), "spiking", tmp_path / "no" / "out.npz", "nbp")


def test_unknown_names(tmp_path):
    with pytest.raises(InputError, match="target is 'gpu'"):
        traced("gpu")
    with pytest.raises(InputError, match="circuit is 'big'"):
        trace_file(write(tmp_path / "in.npz"), "spiking", tmp_path / "out.npz", "big")


def test_a_chip_shows_too_little():
    with pytest.raises(InputError, match="a chip sends the output's spikes only; trace with one of spiking, lava"):
        traced("loihi2", "nbp-chip")


def test_a_trace_that_does_not_fit(monkeypatch):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-6")
    with pytest.raises(InputError, match=r"a trace of 6 samples in \d+ neurons needs some .*; trace fewer samples"):
        traced("spiking")


ODD = (
    np.array(3), np.array("x"), np.full((2, 9), "x"), np.zeros((0, 0)), np.full((2, 9), np.nan), np.full(2, 2**62),
    np.full(2, -1), np.full(2, 2**63, np.uint64), np.zeros((2, 9, 1), int), np.zeros((2, 9), complex),
    np.full((9, 7), 10**30, float), np.float16([[1, 2]]), np.array([True, False]), np.array([b"x"]),
)  # fmt: skip


@pytest.mark.parametrize("name", ["x", "labels", "W1", "W2"])
@pytest.mark.parametrize("array", ODD, ids=[f"{a.dtype}{a.shape}" for a in ODD])
def test_arrays_that_lie(tmp_path, name, array):
    with pytest.raises(LavaNBPError) as caught:
        trace_file(write(tmp_path / "in.npz", **{name: array}), "reference", str(tmp_path / "out.npz"), "nbp")
    assert len(str(caught.value)) < 400
    assert not (tmp_path / "out.npz").exists()


def test_the_depth_of_a_file_is_that_of_its_matrices(tmp_path):
    """A circuit of any depth has as many layers as there are matrices; one of three layers refuses to leave one out."""
    layers = (6, 5, 4, 3)
    rng = np.random.default_rng(0)
    weights = {f"W{k}": 2 * rng.integers(-127, 128, shape) for k, shape in enumerate(pairwise(layers), 1)}
    x, labels = (rng.random((4, 6)) < 0.5).astype(np.uint8), rng.integers(0, 3, 4)
    np.savez(tmp_path / "in.npz", x=x, labels=labels, **weights)
    found = trace_file(tmp_path / "in.npz", "spiking", tmp_path / "out.npz", "nbp-deep")
    expected = trace("spiking", training_circuit(layers=layers), weights, x, one_hot(labels, 3))
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        np.testing.assert_array_equal(found[name], rows)
    for name in ("nbp", "nbp-short"):
        with pytest.raises(InputError, match=rf"in.npz has W3, but circuit '{name}' has W1, W2 only"):
            trace_file(tmp_path / "in.npz", "spiking", tmp_path / "out2.npz", name)
