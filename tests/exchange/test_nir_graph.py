import sys
from dataclasses import replace
from itertools import pairwise

import nir
import numpy as np
import pytest
from exported import run_norse

from lava_nbp.errors import InputError, OutputError
from lava_nbp.eventprop.equations import NeuronParameters
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
P = NeuronParameters(20.0, 5.0)
LOOPED = replace(LEAKY, recurrent=(RNG.normal(0, 0.5, (6, 6)), None))
BOTH = replace(LEAKY, recurrent=(RNG.normal(0, 0.5, (6, 6)), RNG.normal(0, 0.5, (4, 4))))


@pytest.mark.parametrize("network", [BINARY, LEAKY, replace(LEAKY, theta=0.7), LOOPED, BOTH])
def test_norse_gives_the_same_spikes(network, tmp_path):
    write_nir(network, tmp_path / "network.nir")
    x = RNG.random((200, 5, 7)) < 0.2
    hidden, expected = network.run(x)
    found = run_norse(tmp_path / "network.nir", x, network.dt)
    np.testing.assert_array_equal(found, expected)
    assert 0 < expected.sum() < expected.size
    assert hidden.any()


@pytest.mark.parametrize(
    ("network", "p"),
    [
        (BINARY, None),
        (LEAKY, P),
        (replace(LEAKY, spiking_output=False, theta=0.8), P),
        (replace(LOOPED, spiking_output=False, theta=0.8), P),
        (BOTH, P),
    ],
)
def test_round_trip(network, p, tmp_path):
    """What is read are the weights in thresholds, also those of an output that only integrates."""
    write_nir(network, tmp_path / "network.nir")
    found = read_nir(tmp_path / "network.nir", p, spiking_output=network.spiking_output)
    loops = {f"R{k}": w for k, w in enumerate(network.recurrent, 1) if w is not None}
    assert list(found) == ["W1", "W2", *loops]
    for w, own in zip(found.values(), [*network.weights, *loops.values()], strict=True):
        np.testing.assert_allclose(w, own / network.theta, rtol=1e-6)


def test_recurrent_weights_matter_in_norse(tmp_path):
    """What its cycles do is seen from outside: without the loops there are other spikes."""
    x = RNG.random((200, 5, 7)) < 0.2
    found = []
    for k, network in enumerate((LOOPED, LEAKY)):
        write_nir(network, tmp_path / f"{k}.nir")
        found.append(run_norse(tmp_path / f"{k}.nir", x, network.dt))
    assert not np.array_equal(*found)


def test_recurrence_as_snntorch_writes_it(tmp_path):
    """Its recurrent layers are graphs in the graph: a node of neurons, one of synapses, an input and an output."""
    snntorch = pytest.importorskip("snntorch")  # no extra of ours brings it
    import torch
    from snntorch.export_nir import _extract_snntorch_module

    dt, (alpha, beta) = 1e-4, np.exp([-0.1 / 5, -0.1 / 20])
    layer = snntorch.RSynaptic(alpha=alpha, beta=beta, linear_features=4, threshold=2.0, reset_mechanism="zero")
    forward = RNG.normal(0, 1, (4, 3)).astype(np.float32)
    nodes = {
        "input": nir.Input(np.array([3])), "fc": nir.Linear(forward), "lif": _extract_snntorch_module(layer),
        "output": nir.Output(np.array([4])),
    }  # fmt: skip
    graph = nir.NIRGraph(nodes, list(pairwise(nodes)), metadata={"dt": dt})
    if np.any(layer.recurrent.bias.detach().numpy()):
        nir.write(tmp_path / "biased.nir", graph)
        with pytest.raises(InputError, match="node lif.w_rec has a bias"):
            read_nir(tmp_path / "biased.nir", P)
    torch.nn.init.zeros_(layer.recurrent.bias)
    nodes["lif"] = _extract_snntorch_module(layer)
    nir.write(tmp_path / "a.nir", nir.NIRGraph(nodes, list(pairwise(nodes)), metadata={"dt": dt}))
    found = read_nir(tmp_path / "a.nir", P)
    factor = 1 / (1 - beta) / 2.0  # its r, and its threshold
    np.testing.assert_allclose(found["W1"], forward.T * factor, rtol=1e-4)
    np.testing.assert_allclose(found["R1"], layer.recurrent.weight.detach().numpy().T * factor, rtol=1e-4)


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


def chain(*nodes, edges=None, **metadata):
    names = {"input": nir.Input(np.array([3])), **{f"n{k}": node for k, node in enumerate(nodes)}}
    names["output"] = nir.Output(np.array([2]))
    order = list(names)
    return nir.NIRGraph(names, edges or list(pairwise(order)), type_check=False, metadata={"dt": 1.0} | metadata)


def lif(n=2, **values):
    parts = {"tau": np.ones(n), "r": np.ones(n), "v_leak": np.zeros(n), "v_threshold": np.full(n, 2.0)}
    return nir.LIF(**{key: np.asarray(values.get(key, parts.get(key))) for key in parts | values})


def cuba(kind=nir.CubaLIF, n=2, **values):
    """Of EventProp's constants in s, which a graph with the steps of 1 ms has."""
    parts = {"tau_mem": 0.02, "tau_syn": 0.005, "r": 1.0, "v_leak": 0.0, "w_in": 5.0}
    parts |= {"v_threshold": 2.0} if kind is nir.CubaLIF else {}
    return kind(**{key: np.broadcast_to(np.asarray(values.get(key, parts.get(key))), (n,)) for key in parts | values})


WEIGHT = np.array([[1.0, 2, 3], [4, 5, 6]])


def test_read_what_others_wrote(tmp_path):
    """r and the rest count: w r / (threshold - rest), neuron by neuron."""
    node = lif(r=np.array([1.0, 2]), v_leak=np.array([0.0, 1]), v_reset=np.array([0.0, 1]))
    nir.write(tmp_path / "a.nir", chain(nir.Affine(WEIGHT, np.zeros(2)), node))
    np.testing.assert_allclose(read_nir(tmp_path / "a.nir")["W1"], (WEIGHT * [[0.5], [2.0]]).T)
    nir.write(tmp_path / "b.nir", chain(nir.Linear(WEIGHT), nir.Threshold(np.array([4.0, 8]))))
    np.testing.assert_allclose(read_nir(tmp_path / "b.nir")["W1"], (WEIGHT / [[4.0], [8]]).T)
    steps = {"tau_mem": 1.0, "tau_syn": 1.0, "w_in": 3.0}
    nir.write(tmp_path / "c.nir", chain(nir.Linear(WEIGHT), cuba(**steps)))
    np.testing.assert_allclose(read_nir(tmp_path / "c.nir")["W1"], WEIGHT.T * 1.5)


def test_read_what_others_wrote_for_eventprop(tmp_path):
    """w w_in dt / tau_syn r / (threshold - rest): the rise of the current per spike, neuron by neuron."""
    node = cuba(r=np.array([1.0, 2]), v_leak=np.array([0.0, 1]), v_reset=np.array([0.0, 1]), w_in=np.array([5.0, 10]))
    nir.write(tmp_path / "a.nir", chain(nir.Linear(WEIGHT), node, dt=0.001))
    np.testing.assert_allclose(read_nir(tmp_path / "a.nir", P)["W1"], (WEIGHT * [[0.5], [4.0]]).T)
    nir.write(tmp_path / "b.nir", chain(nir.Linear(WEIGHT), cuba(nir.CubaLI), dt=0.001))
    np.testing.assert_allclose(read_nir(tmp_path / "b.nir", P, spiking_output=False)["W1"], WEIGHT.T)


def recurrent(**changes):
    """A recurrent layer of two neurons, of EventProp's constants, and what is changed of it."""
    nodes = {"w": nir.Linear(WEIGHT), "n": cuba(), "r": nir.Linear(np.eye(2)), **changes.get("nodes", {})}
    nodes |= {"input": nir.Input(np.array([3])), "output": nir.Output(np.array([2]))}
    edges = [("input", "w"), ("w", "n"), ("n", "r"), ("r", "n"), ("n", "output"), *changes.get("edges", [])]
    return nir.NIRGraph(nodes, edges, type_check=False, metadata={"dt": 0.001})


@pytest.mark.parametrize(
    ("graph", "options", "message"),
    [
        (recurrent(), {}, "node r leads from node n back to it, but nBP has no recurrent layers"),
        (
            recurrent(nodes={"n": cuba(nir.CubaLI)}),
            {"p": P, "spiking_output": False},
            "node r leads from node n back to it, but what only integrates has no spikes; give a network without",
        ),
        (recurrent(nodes={"r": nir.Affine(np.eye(2), np.ones(2))}), {"p": P}, "node r has a bias"),
        (
            recurrent(nodes={"r": nir.Linear(np.ones((3, 2)))}),
            {"p": P},
            r"type mismatch|r: its weight has shape \(2, 3\)",
        ),
        (recurrent(nodes={"r": nir.Linear(np.full((2, 2), np.inf))}), {"p": P}, "node r: weight holds inf"),
        (
            recurrent(nodes={"q": nir.Linear(np.eye(2))}, edges=[("n", "q"), ("q", "n")]),
            {"p": P},
            "nodes q and r both lead from node n back to it; give one matrix, their sum",
        ),
        (
            recurrent(nodes={"q": nir.Delay(np.ones(2))}, edges=[("n", "q"), ("q", "n")]),
            {"p": P},
            "nodes q and r both lead from node n back to it; give one matrix, their sum",
        ),
        (
            recurrent(nodes={"q": nir.Scale(np.ones(2))}, edges=[("n", "q"), ("q", "n")]),
            {"p": P},
            "node n leads to output, q: a branch or a loop, or nowhere; only chains can be read, and neurons with one",
        ),
        (
            recurrent(nodes={"n": nir.NIRGraph({"one": cuba(), "other": cuba()}, [], type_check=False)}),
            {"p": P},
            "Type inference error: type mismatch|node n is a graph with 2 inputs and 2 outputs; only graphs with one",
        ),
    ],
)
def test_recurrence_that_is_refused(graph, options, message, tmp_path):
    nir.write(tmp_path / "bad.nir", graph)
    with pytest.raises(InputError, match=message) as caught:
        read_nir(tmp_path / "bad.nir", **options)
    assert "\n" not in str(caught.value)


def looping(edges, *further):
    return chain(nir.Linear(WEIGHT), lif(), *further, edges=[("input", "n0"), ("n0", "n1"), *edges])


def behind(node, **metadata):
    return chain(nir.Linear(WEIGHT), node, **metadata)


ALL_BUT = np.array([1.0, np.nan])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (lambda: chain(nir.Affine(WEIGHT, np.ones(2)), lif()), "node n0 has a bias"),
        (lambda: chain(nir.Affine(WEIGHT, np.full(2, np.nan)), lif()), "node n0 has a bias"),
        (lambda: chain(lif(3), nir.Linear(WEIGHT)), "node n0 is a LIF, where a dense chain has Linear or Affine"),
        (lambda: chain(nir.Linear(WEIGHT), nir.Linear(np.eye(2))), "node n1 is a Linear"),
        (lambda: chain(nir.Scale(np.ones(3)), nir.Linear(WEIGHT), lif()), "node n0 is a Scale"),
        (lambda: chain(nir.Delay(np.ones(3)), nir.Linear(WEIGHT), lif()), "node n0 is a Delay"),
        (lambda: chain(nir.Linear(WEIGHT), nir.Flatten(np.array([2]), 0), lif()), "node n1 is a Flatten"),
        (lambda: chain(nir.Linear(WEIGHT)), "ends without neurons"),
        (lambda: behind(lif(v_threshold=np.array([1.0, 0]))), "not above its rest"),
        (lambda: looping([("n1", "n1"), ("n1", "output")]), "node n1 leads to n1, output: a branch or a loop"),
        (lambda: looping([("n1", "output"), ("n2", "n2")], lif()), "nodes n2 are not in the chain"),
        # ------------------------------------------------- dynamics that are not those of nBP
        (lambda: behind(lif(tau=np.array([0.05, 0.05])), dt=0.001), r"n1: tau is 0.05 s \(neuron 0\), but nothing may"),
        (lambda: behind(lif(tau=np.array([1, 1.01]))), r"n1: tau is 1.01 s \(neuron 1\)"),
        (lambda: behind(lif(tau=np.zeros(2))), "n1: tau is 0 s"),
        (lambda: behind(cuba(), dt=0.001), "n1: tau_mem is 0.02 s"),
        (lambda: behind(cuba(tau_mem=0.001), dt=0.001), "n1: tau_syn is 0.005 s"),
        (lambda: behind(lif(v_reset=np.array([0, 0.5]))), r"n1: v_reset is 0.5 and v_leak 0 \(neuron 1\)"),
        (lambda: behind(lif(v_leak=np.array([0, 0.5]))), r"n1: v_reset is 0 and v_leak 0.5 \(neuron 1\)"),
        (lambda: behind(nir.IF(np.ones(2), np.ones(2))), "n1 is a IF, but nBP's neurons fire and forget"),
        (lambda: behind(nir.LI(np.ones(2), np.ones(2), np.zeros(2))), "n1 is a LI, but nBP's"),
        (lambda: behind(nir.I(np.ones(2))), "n1 is a I, but nBP's"),
        (lambda: behind(cuba(nir.CubaLI)), "n1 is a CubaLI, but nBP's"),
        # -------------------------------------------------------------- numbers that are none
        (lambda: chain(nir.Linear(WEIGHT * np.nan), lif()), "n0: weight holds nan, but must hold finite numbers"),
        (lambda: chain(nir.Linear(np.where(WEIGHT > 5, -np.inf, 1)), lif()), "n0: weight holds -inf"),
        (lambda: chain(nir.Linear(WEIGHT + 1j), lif()), "n0: weight has dtype complex128"),
        (lambda: chain(nir.Linear(WEIGHT[None]), lif()), r"type mismatch|n0: its weight has shape"),
        (lambda: chain(nir.Linear(WEIGHT * 1e200), lif(r=np.full(2, 1e200))), "n0, in thresholds, holds inf"),
        (lambda: behind(lif(r=ALL_BUT)), "n1: r holds nan"),
        (lambda: behind(lif(v_threshold=ALL_BUT)), "n1: v_threshold holds nan"),
        (lambda: behind(lif(v_threshold=np.full(2, np.inf))), "n1: v_threshold holds inf"),
        (lambda: behind(nir.Threshold(ALL_BUT)), "n1: threshold holds nan"),
        (lambda: behind(nir.Threshold(np.array([1.0, -1]))), "not above its rest"),
        (lambda: behind(lif(tau=ALL_BUT)), "n1: tau holds nan"),
        (lambda: behind(lif(3)), "n1: tau has 3 entries for 2 neurons|type mismatch"),
        (lambda: behind(lif(), dt=np.nan), "dt in the graph's metadata is nan"),
        (lambda: behind(lif(), dt=0.0), "dt in the graph's metadata is 0"),
        (
            lambda: behind(lif(), dt="1 ms"),
            "dt in the graph's metadata is b?'1 ms'",
        ),
        (lambda: behind(lif(), gain=-1.0), "gain in the graph's metadata is -1"),
    ],
)
def test_refused(graph, message, tmp_path):
    nir.write(tmp_path / "bad.nir", graph())
    with pytest.raises(InputError, match=message):
        read_nir(tmp_path / "bad.nir")


@pytest.mark.parametrize(
    ("node", "metadata", "message"),
    [
        (cuba(tau_mem=0.05, tau_syn=0.001), {}, r"n1: tau_mem is 50 ms \(neuron 0\), but neuron.tau_m .* is 20 ms"),
        (cuba(tau_syn=np.array([0.005, 0.006])), {}, r"n1: tau_syn is 6 ms \(neuron 1\), but neuron.tau_s .* is 5 ms"),
        (cuba(tau_mem=-0.02), {}, "n1: tau_mem is -0.02 s, but must be more than 0"),
        (cuba(tau_syn=0.0), {}, "n1: tau_syn is 0 s, but must be more than 0"),
        (cuba(tau_syn=0.001), {"gain": 1.0}, "n1: tau_syn is 0.001 s, but must be more than dt = 0.001 s"),
        (cuba(v_reset=0.5), {}, "n1: v_reset is 0.5 and v_leak 0"),
        (cuba(w_in=np.inf), {}, "n1: w_in holds inf"),
        (cuba(v_threshold=-1.0), {}, "not above its rest"),
        (
            lif(),
            {},
            "n1 is a LIF, but this layer .* has neurons with a current that spike; give CubaLIF",
        ),
        (nir.Threshold(np.ones(2)), {}, "n1 is a Threshold, .* give CubaLIF"),
        (cuba(nir.CubaLI), {}, "n1 is a CubaLI, .* that spike; give CubaLIF"),
    ],
)
def test_refused_for_eventprop(node, metadata, message, tmp_path):
    nir.write(tmp_path / "bad.nir", behind(node, **{"dt": 0.001} | metadata))
    with pytest.raises(InputError, match=message):
        read_nir(tmp_path / "bad.nir", P)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (cuba(), "n1 is a CubaLIF, .* only integrate, for its loss of voltages; give CubaLI"),
        (nir.LI(np.ones(2), np.ones(2), np.zeros(2)), "n1 is a LI, .* give CubaLI"),
        (cuba(nir.CubaLI, v_leak=0.1), "n1: v_leak is 0.1, but our outputs rest at 0"),
    ],
)
def test_refused_as_an_output_that_only_integrates(node, message, tmp_path):
    nir.write(tmp_path / "bad.nir", behind(node, dt=0.001))
    with pytest.raises(InputError, match=message):
        read_nir(tmp_path / "bad.nir", P, spiking_output=False)


def test_time_constants_without_a_step(tmp_path):
    graph = behind(lif())
    del graph.metadata["dt"]
    nir.write(tmp_path / "bad.nir", graph)
    with pytest.raises(InputError, match=r"n1 has time constants, but the graph's metadata do not say dt"):
        read_nir(tmp_path / "bad.nir")


def test_a_file_that_announces_more_than_fits(tmp_path, monkeypatch):
    write_nir(BINARY, tmp_path / "network.nir")
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-7")
    with pytest.raises(InputError, match=r"network.nir cannot be read: .* needs some .*, but the limit is 100 bytes"):
        read_nir(tmp_path / "network.nir")


def test_a_node_is_no_graph(tmp_path):
    nir.write(tmp_path / "node.nir", nir.Linear(WEIGHT))
    with pytest.raises(InputError, match=r"holds a Linear, which is no network|cannot be read as"):
        read_nir(tmp_path / "node.nir")


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
