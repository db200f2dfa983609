"""One store of weights, of which everything else holds views."""

import numpy as np
import pytest

from lava_nbp.errors import InputError, WeightError
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.spiking_engine import SpikingEngine

CIRCUIT = training_circuit(5, 4, 3)
WEIGHTS = {"W1": np.arange(20).reshape(5, 4) * 2, "W2": np.arange(12).reshape(4, 3) * -2}


def test_every_projection_is_a_view_of_one_array():
    store = Projections(CIRCUIT, WEIGHTS)
    assert list(store.arrays) == [p.name for p in CIRCUIT.projections]
    assert all(np.shares_memory(array, store.flat) for array in store.arrays.values())
    assert store.flat.size == CIRCUIT.n_dense_synapses == 3 * 20 + 5 * 12
    assert sorted(store.offsets.values()) == [0, 20, 40, 60, 72, 84, 96, 108]
    assert np.array_equal(store.arrays["W1_hi"], WEIGHTS["W1"])
    assert np.array_equal(store.arrays["W2_T"], WEIGHTS["W2"].T)
    assert np.array_equal(store.arrays["W2_T_neg"], -WEIGHTS["W2"].T)


def test_an_engine_learns_in_the_store():
    store = Projections(CIRCUIT, {"W1": np.full((5, 4), 200), "W2": np.full((4, 3), 80)})
    engine = SpikingEngine(store)
    engine.run(np.ones((1, 5), np.uint8), np.ones((1, 3), np.uint8))
    assert (store.read_weights()["W2"] == 82).all()
    store.write_weights(WEIGHTS)
    assert engine.projections is store


def test_wrong_weights_change_nothing():
    store = Projections(CIRCUIT, WEIGHTS)
    with pytest.raises(WeightError, match=r"W2\[0, 0\] is 256"):
        store.write_weights({"W1": WEIGHTS["W1"] * 0, "W2": WEIGHTS["W2"] * 0 + 256})
    assert np.array_equal(store.read_weights()["W1"], WEIGHTS["W1"])
    with pytest.raises(WeightError, match="this network has"):
        Projections(CIRCUIT, {"W1": WEIGHTS["W1"]})


def test_copies_are_read_and_written_where_they_may_differ():
    store = Projections(CIRCUIT, WEIGHTS)
    assert store.read_copies() == {}
    store.arrays["W2_T"][0, 0] = 8
    copies = store.read_copies()
    store.write_weights(WEIGHTS)
    store.write_copies(copies)
    assert store.arrays["W2_T"][0, 0] == 8
    assert np.array_equal(store.read_weights()["W2"], WEIGHTS["W2"])
    store.write_copies({})
    with pytest.raises(WeightError, match="projections named"):
        store.write_copies({"W1": WEIGHTS["W1"]})
    with pytest.raises(WeightError, match=r"W2_T\[0, 0\] is 3"):
        store.write_copies({**copies, "W2_T": np.full((3, 4), 3)})
    assert store.arrays["W2_T"][0, 0] == 8


def test_more_synapses_than_fit(monkeypatch):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-7")
    with pytest.raises(InputError, match=r"circuit 'nbp' with 120 dense synapses needs some 480 bytes of memory"):
        Projections(CIRCUIT, WEIGHTS)
