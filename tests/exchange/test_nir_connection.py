"""Delays in NIR graphs: what is written, what comes back, and what the graph then does."""

from dataclasses import replace
from itertools import pairwise

import nir
import numpy as np
import pytest
from exported import run_norse
from hypothesis import given, settings
from hypothesis import strategies as st
from nir_euler import run_euler

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange import nir_connection
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.nir_graph import read_nir, to_nir, write_nir

P = NeuronParameters(20.0, 5.0)
DT = 0.5
RNG = np.random.default_rng(11)


def single(array):
    """Numbers that float32 holds."""
    return np.asarray(array).astype(np.float32).astype(float)


def network(weights, dt=DT, p=P, **values):
    constants = np.exp(-dt / p.tau_m), np.exp(-dt / p.tau_s), response(dt, p)
    return DenseNetwork(tuple(np.asarray(w, dtype=float) for w in weights), 1.0, *constants, dt, **values)


PLAIN = network((single(RNG.normal(1.0, 0.8, (6, 5))), single(RNG.normal(1.5, 0.8, (5, 4)))))
LOOP = single(RNG.normal(0.2, 0.6, (5, 5)))
LATE = {
    "sources": {"delays": (RNG.uniform(0, 9, 6), RNG.uniform(0, 9, 5))},
    "one layer": {"delays": (None, np.array([0.0, 2.5, 30.0, 1.0, 0.2]))},
    "synapses": {"delays": (RNG.uniform(0, 9, (6, 5)), RNG.uniform(0, 9, (5, 4)))},
    "loop of sources": {"recurrent": (LOOP, None), "recurrent_delays": (RNG.uniform(0, 9, 5), None)},
    "loop of synapses": {"recurrent": (LOOP, None), "recurrent_delays": (RNG.integers(0, 4, (5, 5)) * DT, None)},
    "everything": {
        "delays": (RNG.uniform(0, 9, 6), RNG.integers(0, 9, (5, 4)) * DT), "recurrent": (LOOP, np.eye(4) * 0.5),
        "recurrent_delays": (RNG.uniform(0, 9, (5, 5)), RNG.uniform(0, 5, 4)),
    },
}  # fmt: skip


def arrays(net):
    """What of a network is read back, by name."""
    found = zip("WRDE", (net.weights, net.recurrent, net.delays, net.recurrent_delays), strict=True)
    return {f"{name}{k}": array for name, of in found for k, array in enumerate(of, 1) if array is not None}


def test_sources_by_hand():
    """A Delay in s in front of the matrix, and one in the loop."""
    late = network(
        (np.ones((2, 3)), np.ones((3, 1))), delays=(np.array([1.5, 0.0]), None), recurrent=(np.eye(3), None),
        recurrent_delays=(np.array([4.0, 5.0, 6.0]), None),
    )  # fmt: skip
    graph = to_nir(late)
    assert set(graph.nodes) == {"input", "d1", "w1", "n1", "e1", "r1", "w2", "n2", "output"}
    np.testing.assert_array_equal(graph.nodes["d1"].delay, [0.0015, 0])
    np.testing.assert_array_equal(graph.nodes["e1"].delay, [0.004, 0.005, 0.006])
    chain = [("input", "d1"), ("d1", "w1"), ("w1", "n1")], [("n1", "w2"), ("w2", "n2"), ("n2", "output")]
    assert graph.edges == [*chain[0], ("n1", "e1"), ("e1", "r1"), ("r1", "n1"), *chain[1]]


def test_synapses_by_hand():
    """Input 0 has two delays and two lines, input 1 one; the synapse of weight 0 keeps its line by the sign of 0."""
    late = network((np.array([[3.0, 0.0], [5.0, 7.0]]),), delays=(np.array([[2.0, 1.0], [4.0, 4.0]]),))
    graph = to_nir(late)
    assert list(pairwise(["input", "c1", "d1", "w1", "n1", "output"])) == graph.edges
    np.testing.assert_array_equal(graph.nodes["c1"].weight, [[1, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(graph.nodes["d1"].delay, [0.001, 0.002, 0.004])
    np.testing.assert_array_equal(graph.nodes["w1"].weight, [[0, 3, 5], [0, 0, 7]])
    np.testing.assert_array_equal(np.signbit(graph.nodes["w1"].weight), [[0, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("late", LATE)
def test_what_is_written_comes_back_in_all_bits(late, tmp_path):
    late = replace(PLAIN, **LATE[late])
    write_nir(late, tmp_path / "a.nir")
    found = read_nir(tmp_path / "a.nir", P)
    assert found.keys() == arrays(late).keys()
    for name, own in arrays(late).items():
        np.testing.assert_array_equal(found[name], own, err_msg=name)


MS = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1e9))
WEIGHTS = st.one_of(st.just(0.0), st.floats(-1e4, 1e4, width=32))


@st.composite
def networks(draw):
    """Any layers, with weights that float32 holds, zeros among them, and any delays, few or many of them different."""

    def drawn(shape, of):
        n = int(np.prod(shape))
        return np.array(draw(st.lists(of, min_size=n, max_size=n))).reshape(shape)

    def late(shape):
        chosen = draw(st.sampled_from([None, shape, shape[:1]]))
        return None if chosen is None else drawn(chosen, MS)

    weights, every = [], []
    for pre, post in pairwise(draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))):
        weights.append(drawn((pre, post), WEIGHTS))
        loop = drawn((post, post), WEIGHTS) if draw(st.booleans()) else None
        every.append((loop, late((pre, post)), None if loop is None else late((post, post))))
    recurrent, delays, recurrent_delays = zip(*every, strict=True)
    return network(weights, recurrent=recurrent, delays=delays, recurrent_delays=recurrent_delays)


@settings(max_examples=12, deadline=None)
@given(networks())
def test_any_network_comes_back_in_all_bits(tmp_path_factory, late):
    path = tmp_path_factory.mktemp("any") / "a.nir"
    write_nir(late, path)
    found = read_nir(path, P)
    assert found.keys() == arrays(late).keys()
    for name, own in arrays(late).items():
        np.testing.assert_array_equal(found[name], own)


#: Of every neuron, of a layer, and thresholds of layers.
OWN = {
    "theta": (1.0, 1.5),
    "alpha": (np.exp(-DT / np.array([20.0, 10, 30, 15, 8])), np.exp(-DT / 12.0)),
    "beta": (np.exp(-DT / np.array([5.0, 5, 3, 7, 8])), np.exp(-DT / 4.0)),
    "gamma": (0.02, np.array([0.02, 0.03, 0.02, 0.025])),
}


@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("own", [{}, OWN, {**OWN, "spiking_output": False}], ids=["alike", "own", "voltages"])
def test_the_graph_does_what_the_network_does(late, own, tmp_path):
    """By NIR's equations and forward Euler, spike for spike."""
    if not own.get("spiking_output", True) and late == "everything":
        return  # its output layer is recurrent
    late = replace(PLAIN, **LATE[late], **own)
    write_nir(late, tmp_path / "a.nir")
    x = RNG.random((150, 4, 6)) < 0.15
    found, expected = run_euler(tmp_path / "a.nir", x, DT), late.run(x)
    np.testing.assert_array_equal(found["n1"], expected[0])
    if late.spiking_output:
        np.testing.assert_array_equal(found["n2"], expected[1])
    else:
        np.testing.assert_allclose(found["n2"], expected[1], atol=1e-4)
    without = replace(late, delays=(), recurrent_delays=()).run(x)
    assert not np.array_equal(expected[1], without[1])
    assert 0 < expected[0].mean() < 0.5


def test_norse_passes_over_delays(tmp_path):
    """As the page on exchange formats says; a Norse that does not should change that page."""
    late = replace(PLAIN, delays=(np.arange(6.0), None))
    write_nir(late, tmp_path / "a.nir")
    x = RNG.random((100, 3, 6)) < 0.2
    found = run_norse(tmp_path / "a.nir", x, DT)
    np.testing.assert_array_equal(found, PLAIN.run(x)[-1])
    assert not np.array_equal(found, late.run(x)[-1])


def test_delays_by_hand(tmp_path):
    """A spike at 0 through a delay of 2 steps and one of none: I rises in steps 2 and 0; its own comes 3 later."""
    late = DenseNetwork(
        (np.array([[1.0], [3.0]]),), 5.0, 0.5, 0.5, 1.0, 1.0, delays=(np.array([2.0, 0.0]),),
        recurrent=(np.array([[8.0]]),), recurrent_delays=(np.array([2.0]),),
    )  # fmt: skip
    x = np.zeros((8, 1, 2))
    x[0] = 1
    # I 3, 1.5, 0.75 + 1: V 3, 3, 1.5 + 1.75; then I falls, V too: 2.5, ..; with a third spike at step 3: I 0.875 + 3
    x[3, 0, 1] = 1
    # V 1.625 + 3.875 = 5.5: a spike in step 3, V = 0; its own acts in 3 + 1 + 2 = 6: I 0.484375 + 8
    assert late.run(x)[0].ravel().tolist() == [0, 0, 0, 1, 0, 0, 1, 0]
    write_nir(late, tmp_path / "a.nir")
    assert run_euler(tmp_path / "a.nir", x, 1.0)["n1"].ravel().tolist() == [0, 0, 0, 1, 0, 0, 1, 0]


# ------------------------------------------------------------------ what others write


WEIGHT = np.array([[1.0, 2, 3], [4, 5, 6]])


def cuba(n=2, **values):
    parts = {"tau_mem": 0.02, "tau_syn": 0.005, "r": 1.0, "v_leak": 0.0, "w_in": 5.0, "v_threshold": 2.0}
    return nir.CubaLIF(**{key: np.full(n, values.get(key, value)) for key, value in parts.items()})


def foreign(*nodes, loop=(), n_in=3):
    names = {"input": nir.Input(np.array([n_in])), **{f"a{k}": node for k, node in enumerate(nodes)}}
    names |= {"n": cuba(), "output": nir.Output(np.array([2]))}
    back = {f"b{k}": node for k, node in enumerate(loop)}
    edges = [*pairwise(names), *(pairwise(["n", *back, "n"]) if back else ())]
    return nir.NIRGraph(names | back, edges, type_check=False, metadata={"dt": 0.001})


COPIES = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
LINES = np.array([[2.0, 4, 0, 6], [0, 0, 8, 0]])
SECONDS = np.array([0.001, 0.002, 0.003])


@pytest.mark.parametrize(
    ("nodes", "weights", "delays"),
    [
        ([nir.Delay(SECONDS), nir.Affine(WEIGHT, np.zeros(2))], WEIGHT.T / 2, [1.0, 2, 3]),
        ([nir.Linear(WEIGHT), nir.Delay(SECONDS[:2])], WEIGHT.T / 2, np.tile([1.0, 2], (3, 1))),
        (
            [nir.Delay(SECONDS), nir.Linear(WEIGHT), nir.Delay(SECONDS[:2])],
            WEIGHT.T / 2,
            [[2.0, 3], [3, 4], [4, 5]],
        ),
        (
            [nir.Linear(COPIES), nir.Delay(np.array([0.001, 0, 0.004, 0.002])), nir.Linear(LINES)],
            [[1.0, 4], [2, 0], [3, 0]],
            [[1.0, 4], [0, 0], [2, 0]],
        ),
        (
            [nir.Delay(SECONDS), nir.Linear(COPIES), nir.Delay(np.array([0.001, 0, 0.004, 0.002])), nir.Linear(LINES)],
            [[1.0, 4], [2, 0], [3, 0]],
            [[2.0, 5], [2, 0], [5, 0]],
        ),
    ],
    ids=["in front", "behind", "both", "copies", "delayed copies"],
)
def test_delays_that_others_wrote(nodes, weights, delays, tmp_path):
    nir.write(tmp_path / "a.nir", foreign(*nodes))
    found = read_nir(tmp_path / "a.nir", P)
    np.testing.assert_allclose(found["W1"], weights)
    np.testing.assert_allclose(found["D1"], delays)


def test_recurrent_delays_that_others_wrote(tmp_path):
    """In a graph in the graph, as snnTorch writes recurrent layers."""
    nodes = {"input": nir.Input(np.array([2])), "lif": cuba(), "w": nir.Linear(2 * np.eye(2)), "late": None}
    nodes["late"], nodes["output"] = nir.Delay(np.array([0.002, 0.004])), nir.Output(np.array([2]))
    edges = [("input", "lif"), ("lif", "late"), ("late", "w"), ("w", "lif"), ("lif", "output")]
    outer = {"input": nir.Input(np.array([3])), "fc": nir.Linear(WEIGHT), "rec": None, "output": None}
    outer["rec"], outer["output"] = nir.NIRGraph(nodes, edges), nir.Output(np.array([2]))
    nir.write(tmp_path / "a.nir", nir.NIRGraph(outer, list(pairwise(outer)), metadata={"dt": 0.001}))
    found = read_nir(tmp_path / "a.nir", P)
    np.testing.assert_allclose(found["R1"], np.eye(2))
    np.testing.assert_allclose(found["E1"], [2.0, 4.0])


def test_a_delay_that_was_changed_is_what_it_is(tmp_path):
    """The metadata's ms are for the last bit only."""
    late = replace(PLAIN, **LATE["sources"])
    graph = to_nir(late)
    graph.nodes["d1"].delay[2] = 0.0125
    nir.write(tmp_path / "a.nir", graph)
    found = read_nir(tmp_path / "a.nir", P)
    np.testing.assert_allclose(found["D1"], [*late.delays[0][:2], 12.5, *late.delays[0][3:]], rtol=1e-15)


# ------------------------------------------------------------------ what is refused


def test_the_most_lines(tmp_path, monkeypatch):
    """A hundred sources with as many delays each are 10000 lines, and fit; one more does not."""
    delays = np.arange(100 * 100, dtype=float).reshape(100, 100)
    write_nir(network((np.ones((100, 100)),), delays=(delays,)), tmp_path / "a.nir")
    np.testing.assert_array_equal(read_nir(tmp_path / "a.nir", P)["D1"], delays)
    wide = network((np.ones((101, 100)),), delays=(np.arange(101 * 100.0).reshape(101, 100),))
    message = (
        r"^delays of the weights of layer 1 have 10100 pairs of a source and a delay, for each of which a NIR graph "
        r"needs a line, but 10000 are the most; train with network.delays_per = 'source', or with delays in whole steps"
    )
    with pytest.raises(InputError, match=message):
        write_nir(wide, tmp_path / "b.nir")
    assert not (tmp_path / "b.nir").exists()
    write_nir(replace(wide, delays=(wide.delays[0] // 100,)), tmp_path / "b.nir")  # of which many are the same
    monkeypatch.setattr(nir_connection, "MOST_LINES", 24)
    loop = replace(PLAIN, recurrent=(LOOP, None), recurrent_delays=(np.arange(25.0).reshape(5, 5), None))
    with pytest.raises(InputError, match="delays of the recurrent weights of layer 1 have 25 pairs"):
        to_nir(loop)


TWO = np.array([0.001, 0.002])


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (
            lambda: foreign(nir.Delay(-SECONDS), nir.Linear(WEIGHT)),
            r"a0: delay, in ms, holds -1, but must be 0 .. 1e\+09",
        ),
        (lambda: foreign(nir.Delay(SECONDS * np.nan), nir.Linear(WEIGHT)), "a0: delay holds nan, but must .* in s"),
        (lambda: foreign(nir.Delay(SECONDS * np.inf), nir.Linear(WEIGHT)), "a0: delay holds inf"),
        (lambda: foreign(nir.Delay(SECONDS + 1e7), nir.Linear(WEIGHT)), "a0: delay, in ms, holds 1e.10, but must be"),
        (
            lambda: foreign(nir.Delay(SECONDS + 9e5), nir.Linear(WEIGHT), nir.Delay(TWO + 9e5)),
            r"a1: the sum of delays, in ms, holds 1.8e\+09, but must be",
        ),
        (lambda: foreign(nir.Delay(SECONDS * 1j), nir.Linear(WEIGHT)), "a0: delay has dtype complex128"),
        (lambda: foreign(nir.Delay(TWO), nir.Linear(WEIGHT)), "type mismatch|a1: 2 delays for 3 lines; give one each"),
        (lambda: foreign(nir.Linear(WEIGHT), nir.Delay(SECONDS)), "type mismatch|a1: 3 delays for 2 lines"),
        (lambda: foreign(nir.Delay(SECONDS)), "type mismatch|node n is a CubaLIF, .* and Delay in front of a matrix"),
        (lambda: foreign(nir.Delay(SECONDS), nir.Delay(SECONDS), nir.Linear(WEIGHT)), "node a1 is a Delay"),
        (
            lambda: foreign(nir.Linear(np.eye(3) * 2), nir.Delay(SECONDS), nir.Linear(WEIGHT)),
            "node a0 mixes its inputs in front of a Delay and another matrix, but may only copy them there",
        ),
        (
            lambda: foreign(nir.Linear(np.ones((3, 3))), nir.Delay(SECONDS), nir.Linear(WEIGHT)),
            "node a0 mixes its inputs",
        ),
        (lambda: foreign(nir.Affine(np.eye(3), np.ones(3)), nir.Delay(SECONDS), nir.Linear(WEIGHT)), "a0 has a bias"),
        (
            lambda: foreign(nir.Linear(COPIES), nir.Delay(np.ones(4)), nir.Linear(LINES + 1)),
            "node a2: input 0 has more than one line to neuron 0, but these networks have one synapse",
        ),
        (
            lambda: foreign(nir.Linear(WEIGHT), loop=[nir.Delay(TWO)]),
            "node b0 leads back to the neurons that it comes from, but a recurrent layer has one matrix there, with a",
        ),
        (
            lambda: foreign(nir.Linear(WEIGHT), loop=[nir.Linear(np.eye(2)), nir.Linear(np.eye(2))]),
            "node b1 leads back to the neurons that it comes from, but a recurrent layer has one matrix",
        ),
        (
            lambda: foreign(nir.Linear(WEIGHT), loop=[nir.Delay(-TWO), nir.Linear(np.eye(2))]),
            "node b0: delay, in ms, holds -1",
        ),
    ],
)
def test_delays_that_are_refused(graph, message, tmp_path):
    nir.write(tmp_path / "bad.nir", graph())
    with pytest.raises(InputError, match=message) as caught:
        read_nir(tmp_path / "bad.nir", P)
    assert "\n" not in str(caught.value)


def test_nbp_has_no_delays(tmp_path):
    nir.write(tmp_path / "bad.nir", foreign(nir.Delay(SECONDS), nir.Linear(WEIGHT)))
    with pytest.raises(InputError, match="node a0 is a Delay, where a dense chain has Linear or Affine and neurons"):
        read_nir(tmp_path / "bad.nir")


def test_copies_that_announce_more_than_fits(tmp_path, monkeypatch):
    """One line from one of 3000 inputs is a small file, but a matrix of 3000 rows."""
    nodes = nir.Linear(np.eye(1, 3000)), nir.Delay(TWO[:1]), nir.Linear(np.ones((2, 1)))
    nir.write(tmp_path / "a.nir", foreign(*nodes, n_in=3000))
    monkeypatch.setenv("LAVA_NBP_MEMORY", "1e-4")
    with pytest.raises(InputError, match=r"needs some .*, but the limit is 100 kB"):
        read_nir(tmp_path / "a.nir", P)
