import sys
from dataclasses import replace
from itertools import pairwise

import nir
import numpy as np
import pytest
from exported import run_norse

from lava_nbp.errors import InputError, OutputError
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.nir_graph import read_nir, to_nir, write_nir

RNG = np.random.default_rng(5)
EVEN = (2.0 * RNG.integers(-127, 128, (7, 6)), 2.0 * RNG.integers(-127, 128, (6, 4)))
BINARY = DenseNetwork(EVEN, 129.0, 0.0, 0.0, 1.0, 1.0, about={"algorithm": "nbp"})
LEAKY = DenseNetwork(
    (RNG.normal(0.5, 0.6, (7, 6)), RNG.normal(0.6, 0.6, (6, 4))),
    1.0,
    np.exp(-0.25 / 20),
    np.exp(-0.25 / 5),
    0.012,
    0.25,
)


@pytest.mark.parametrize("network", [BINARY, LEAKY, replace(LEAKY, theta=0.7)])
def test_norse_gives_the_same_spikes(network, tmp_path):
    write_nir(network, tmp_path / "network.nir")
    x = RNG.random((200, 5, 7)) < 0.2
    hidden, expected = network.run(x)
    found = run_norse(tmp_path / "network.nir", x, network.dt)
    np.testing.assert_array_equal(found, expected)
    assert 0 < expected.sum() < expected.size
    assert hidden.any()


@pytest.mark.parametrize("network", [BINARY, LEAKY, replace(LEAKY, spiking_output=False, theta=0.8)])
def test_round_trip(network, tmp_path):
    """What is read are the weights in thresholds; an output that only integrates has none of its own."""
    write_nir(network, tmp_path / "network.nir")
    found = read_nir(tmp_path / "network.nir")
    for k, (w, own) in enumerate(zip(found, network.weights, strict=True)):
        theta = network.theta if network.spiking_output or k == 0 else 1.0
        np.testing.assert_allclose(w, own / theta, rtol=1e-6)


def test_nodes_and_constants():
    """dV/dt and dI/dt by forward Euler with the constants of the graph are the network's own recurrence."""
    graph = to_nir(LEAKY)
    assert list(graph.nodes) == ["input", "w1", "n1", "w2", "n2", "output"]
    node, dt = graph.nodes["n1"], graph.metadata["dt"]
    assert dt == 0.25e-3
    current, voltage = 1.0, 0.5
    stepped = current + dt / node.tau_syn[0] * (-current + node.w_in[0] * 3.0)
    assert stepped == pytest.approx(LEAKY.beta * current + 3.0, rel=1e-6)
    risen = voltage + dt / node.tau_mem[0] * (node.v_leak[0] - voltage + node.r[0] * stepped)
    assert risen == pytest.approx(LEAKY.alpha * voltage + LEAKY.gamma * stepped, rel=1e-6)
    assert node.v_threshold[0] == LEAKY.theta
    assert isinstance(to_nir(BINARY).nodes["n2"], nir.LIF)
    assert isinstance(to_nir(replace(LEAKY, spiking_output=False)).nodes["n2"], nir.CubaLI)


def chain(*nodes, edges=None):
    names = {"input": nir.Input(np.array([3])), **{f"n{k}": node for k, node in enumerate(nodes)}}
    names["output"] = nir.Output(np.array([2]))
    order = list(names)
    return nir.NIRGraph(names, edges or list(pairwise(order)), type_check=False)


def lif(n=2, **values):
    parts = {"tau": np.ones(n), "r": np.ones(n), "v_leak": np.zeros(n), "v_threshold": np.full(n, 2.0)}
    return nir.LIF(**{key: np.asarray(values.get(key, part)) for key, part in parts.items()})


WEIGHT = np.array([[1.0, 2, 3], [4, 5, 6]])


def test_read_what_others_wrote(tmp_path):
    """r and the rest count: w r / (threshold - rest), neuron by neuron."""
    node = lif(r=np.array([1.0, 2]), v_leak=np.array([0.0, 1]))
    nir.write(tmp_path / "a.nir", chain(nir.Affine(WEIGHT, np.zeros(2)), node))
    np.testing.assert_allclose(read_nir(tmp_path / "a.nir")[0], (WEIGHT * [[0.5], [2.0]]).T)
    nir.write(tmp_path / "b.nir", chain(nir.Linear(WEIGHT), nir.Threshold(np.array([4.0, 8]))))
    np.testing.assert_allclose(read_nir(tmp_path / "b.nir")[0], (WEIGHT / [[4.0], [8]]).T)
    nir.write(tmp_path / "c.nir", chain(nir.Linear(WEIGHT), nir.IF(np.ones(2), np.array([5.0, 1]))))
    np.testing.assert_allclose(read_nir(tmp_path / "c.nir")[0], (WEIGHT / [[5.0], [1]]).T)


def looping(edges, *further):
    return chain(nir.Linear(WEIGHT), lif(), *further, edges=[("input", "n0"), ("n0", "n1"), *edges])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (lambda: chain(nir.Affine(WEIGHT, np.ones(2)), lif()), "node n0 has a bias"),
        (lambda: chain(lif(3), nir.Linear(WEIGHT)), "node n0 is a LIF, where a dense chain has Linear or Affine"),
        (lambda: chain(nir.Linear(WEIGHT), nir.Linear(np.eye(2))), "node n1 is a Linear"),
        (lambda: chain(nir.Linear(WEIGHT)), "ends without neurons"),
        (lambda: chain(nir.Linear(WEIGHT), lif(v_threshold=np.array([1.0, 0]))), "not above its rest"),
        (lambda: looping([("n1", "n1"), ("n1", "output")]), "node n1 leads to n1, output: a branch or a loop"),
        (lambda: looping([("n1", "output"), ("n2", "n2")], lif()), "nodes n2 are not in the chain"),
    ],
)
def test_refused(graph, message, tmp_path):
    nir.write(tmp_path / "bad.nir", graph())
    with pytest.raises(InputError, match=message):
        read_nir(tmp_path / "bad.nir")


def test_no_graph(tmp_path):
    (tmp_path / "text.nir").write_text("not HDF5")
    with pytest.raises(InputError, match="text.nir cannot be read as a NIR graph"):
        read_nir(tmp_path / "text.nir")


def test_nothing_half_written(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_nir(BINARY, tmp_path / "no such folder" / "network.nir")
    assert not list(tmp_path.iterdir())


def test_without_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(InputError, match=r"a NIR graph needs the package nir, .* pip install 'lava-nbp\[exchange\]'"):
        to_nir(BINARY)
