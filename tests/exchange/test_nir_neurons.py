"""Neurons of NIR graphs that are not all alike: time constants of layers and neurons, thresholds of layers."""

from dataclasses import replace

import nir
import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.nir_graph import read_nir, to_nir, write_nir

RNG = np.random.default_rng(13)
DT = 0.25
W = tuple(RNG.normal(1, 1, shape).astype(np.float32).astype(float) for shape in ((4, 3), (3, 2)))
#: Of every neuron of the first layer, of all of the second.
TAU_M, TAU_S = (np.array([20.0, 7.5, 31.0]), 12.0), (np.array([5.0, 7.5, 2.0]), 4.0)


def decays(tau):
    return tuple(np.exp(-DT / t) for t in tau)


GAMMA = (
    np.array([response(DT, NeuronParameters(m, s)) for m, s in zip(TAU_M[0], TAU_S[0], strict=True)]),
    response(DT, NeuronParameters(12.0, 4.0)),
)
OWN = DenseNetwork(W, (1.0, 0.5), decays(TAU_M), decays(TAU_S), GAMMA, DT)
EITHER = [None, NeuronParameters(12.0, 4.0)]


def test_constants_are_arrays_of_the_nodes():
    """Euler's step with them is I <- beta I + S, V <- alpha V + gamma I, neuron by neuron."""
    graph = to_nir(OWN)
    first, second = graph.nodes["n1"], graph.nodes["n2"]
    dt = graph.metadata["dt"]
    np.testing.assert_allclose(1 - dt / first.tau_mem, np.exp(-DT / TAU_M[0]), rtol=1e-6)
    np.testing.assert_allclose(1 - dt / first.tau_syn, np.exp(-DT / TAU_S[0]), rtol=1e-6)
    np.testing.assert_allclose(dt / first.tau_mem * first.r, GAMMA[0], rtol=1e-6)
    np.testing.assert_allclose(dt / first.tau_syn * first.w_in, 1.0, rtol=1e-6)
    np.testing.assert_array_equal(first.v_threshold, np.ones(3))
    np.testing.assert_array_equal(second.v_threshold, [0.5, 0.5])
    np.testing.assert_allclose(1 - dt / second.tau_mem, np.full(2, np.exp(-DT / 12)), rtol=1e-6)


@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("late", [(), (np.array([1.0, 2, 3, 4]), None)])
def test_constants_come_back(spiking, late, tmp_path):
    """To what float32 holds; weights, in thresholds, in all bits."""
    write_nir(replace(OWN, spiking_output=spiking, delays=late), tmp_path / "a.nir")
    found = read_nir(tmp_path / "a.nir", [None, None], spiking_output=spiking)
    assert list(found) == ["W1", "W2", *(["D1"] if late else []), "tau_m1", "tau_m2", "tau_s1", "tau_s2"]
    np.testing.assert_array_equal(found["W1"], W[0])
    np.testing.assert_array_equal(found["W2"], W[1] / 0.5)
    for k in (1, 2):
        for name, tau in (("tau_m", TAU_M), ("tau_s", TAU_S)):
            np.testing.assert_allclose(found[f"{name}{k}"], np.broadcast_to(tau[k - 1], W[k - 1].shape[1]), rtol=1e-6)


def test_layers_for_which_constants_are_known(tmp_path):
    write_nir(OWN, tmp_path / "a.nir")
    assert list(read_nir(tmp_path / "a.nir", EITHER)) == ["W1", "W2", "tau_m1", "tau_s1"]
    for p, message in (
        (
            [NeuronParameters(20.0, 5.0), EITHER[1]],
            r"n1: tau_mem is 7.5 ms \(neuron 1\), .* or else neuron.spread",
        ),
        ([None, NeuronParameters(20.0, 4.0)], "n2: tau_mem is 12 ms"),
        ([None, NeuronParameters(12.0, 5.0)], "n2: tau_syn is 4 ms"),
        ([None], r"node n2 is layer 2, but this experiment has 1; set network.hidden to the file's"),
    ):
        with pytest.raises(InputError, match=message):
            read_nir(tmp_path / "a.nir", p)


def test_physical_constants_that_others_wrote(tmp_path):
    """Without Euler's gain they are what they say, and weights are w w_in dt / tau_syn r / threshold."""
    node = nir.CubaLIF(
        tau_syn=np.array([0.005, 0.002]), tau_mem=np.array([0.02, 0.01]), r=np.array([1.0, 3]), v_leak=np.zeros(2),
        v_threshold=np.array([1.0, 2]), w_in=np.array([5.0, 4]),
    )  # fmt: skip
    nodes = {"input": nir.Input(np.array([1])), "w": nir.Linear(np.array([[2.0], [3]])), "n": node, "output": None}
    nodes["output"] = nir.Output(np.array([2]))
    edges = [("input", "w"), ("w", "n"), ("n", "output")]
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes, edges, metadata={"dt": 0.001}))
    found = read_nir(tmp_path / "a.nir", [None])
    np.testing.assert_allclose(found["W1"], [[2 * 5 / 5, 3 * 4 / 2 * 3 / 2]])
    np.testing.assert_allclose(found["tau_m1"], [20, 10])
    np.testing.assert_allclose(found["tau_s1"], [5, 2])


def test_an_older_file_has_one_gain_for_all(tmp_path):
    alike = DenseNetwork(W, 1.0, np.exp(-DT / 20), np.exp(-DT / 5), 0.012, DT)
    graph = to_nir(alike)
    for name in ("n1", "n2"):
        graph.nodes[name].metadata = {}
    graph.metadata["gain"] = 0.012 / (1 - np.exp(-DT / 20))
    nir.write(tmp_path / "a.nir", graph)
    found = read_nir(tmp_path / "a.nir", NeuronParameters(20.0, 5.0))
    for name, w in zip(("W1", "W2"), W, strict=True):
        np.testing.assert_array_equal(found[name], w)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gain": -1.0}, "n1: gain in its metadata is -1, but must be more than 0; leave it out"),
        ({"gain": np.array([1.0, np.nan, 1])}, "n1: gain in its metadata holds nan"),
        ({"gain": np.ones(2)}, "n1: gain in its metadata has 2 entries for 3 neurons"),
        ({"gain": "much"}, "n1: gain in its metadata has dtype"),
        ({"tau_mem": np.array([0.02, np.nan, 1])}, "n1: tau_mem holds nan"),
        ({"tau_mem": np.array([0.02, 0.02, DT / 1000])}, "n1: tau_mem is 0.00025 s, but must be more than dt"),
        ({"tau_syn": np.array([0.02, -0.02, 0.02])}, "n1: tau_syn is -0.02 s, but must be more than dt"),
        ({"tau_mem": np.array([0.02, 2e6, 0.02])}, r"n1: tau_mem is 2e\+06 s \(neuron 1\), but must be in 1e-12 .. 1e"),
        ({"tau_syn": np.ones(4)}, "type mismatch|same shape|n1: tau_syn has 4 entries for 3 neurons"),
    ],
)
def test_constants_that_are_refused(change, message, tmp_path):
    graph = to_nir(OWN)
    for key, value in change.items():
        if key == "gain":
            graph.nodes["n1"].metadata = {key: value}
        else:
            setattr(graph.nodes["n1"], key, value)
    nir.write(tmp_path / "bad.nir", graph)
    with pytest.raises(InputError, match=message) as caught:
        read_nir(tmp_path / "bad.nir", [None, None])
    assert "\n" not in str(caught.value)
