"""SurrogateReLU on Lava: the three copies and the box at every threshold, by hand."""

import numpy as np
import pytest
from feeding import feed

import lava_nbp
from lava_nbp.errors import InputError, PortError
from lava_nbp.processes import Gate, HebbianDense, SurrogateReLU, Synapses, SynfireChain

#: Pre-activations on both sides of every threshold, and what fires: s > 512, lo > 0, hi > 1024, box = lo and not hi.
A = [-5, 0, 1, 512, 513, 1024, 1025, 9000]
S, LO, HI = [0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 1, 1]
BOX = [0, 0, 1, 1, 1, 1, 0, 0]
OUTS = ["s_out", "lo_out", "hi_out", "box_out"]


@pytest.mark.parametrize("tag", ["fixed_pt", "floating_pt"])
@pytest.mark.parametrize("box_delay", [0, 3])
def test_by_hand_at_every_threshold(tag, box_delay, way):
    layer = SurrogateReLU((8,), n_gates=2, box_delay=box_delay)
    steps = box_delay + 4
    gates = np.zeros((steps, 2), int)
    gates[0, 0] = gates[1 + box_delay, 1] = 1  # evaluated in step 2, the box read box_delay + 1 steps later
    dtype = float if tag == "floating_pt" else int
    a = np.array([[0] * 8, A], dtype)
    found = feed(layer, {"a_in": a, "gate_in": gates}, OUTS, steps, lava_nbp.run_config("lava", tag))
    for out, fires in zip(OUTS, (S, LO, HI, BOX), strict=True):
        expected = np.zeros((steps, 8), int)
        expected[2 + box_delay if out == "box_out" else 1] = fires
        assert np.array_equal(found[out], expected), out
    assert layer.breaches.get().item() == 0


def test_floating_point_thresholds_are_exact(way):
    a = [[0.0] * 4, [0.001, 512.001, 1024.0, 1024.001]]
    found = feed(
        SurrogateReLU((4,)),
        {"a_in": a, "gate_in": [[1], [0]]},
        OUTS[:3],
        config=lava_nbp.run_config("lava", "floating_pt"),
    )
    assert [found[out][1].tolist() for out in OUTS[:3]] == [[0, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1]]


def test_copies_with_input_of_their_own_and_a_readout(way):
    layer = SurrogateReLU((2,), separate=True, readout=0)
    a = {"a_in": [[5, 5], [600, 0]], "lo_a_in": [[0, 0], [0, 1]], "hi_a_in": [[0, 0], [1025, 0]]}
    found = feed(layer, {**a, "gate_in": [[1], [0]]}, [*OUTS[:3], "a_out"])
    assert [found[out][1].tolist() for out in OUTS[:3]] == [[1, 0], [0, 1], [1, 0]]
    assert found["a_out"].tolist() == [[0, 0], [600, 0]]


def test_the_box_lets_an_error_through(way):
    """As in the paper's phase 8: an error relays into all copies, gated by the box one to one."""
    synapses = [Synapses("e_in", p) for p in ("s", "lo", "hi")]
    synapses += [Synapses("box", p, 8704, role="gate") for p in ("s", "lo", "hi")]
    layer = SurrogateReLU((3,), n_gates=2, synapses=synapses)
    a = [[0, 0, 0], [300, 300, 2000], [0, 0, 0], [0, 0, 0]]  # inside the box, inside, outside
    gates = [[1, 0], [0, 1], [0, 0], [0, 0]]  # copies fire in step 2, box in 3, error in 4
    found = feed(layer, {"a_in": a, "gate_in": gates, "e_in": [[0] * 3, [0] * 3, [1, 0, 1], [0] * 3]}, OUTS)
    assert [found[out][3].tolist() for out in OUTS] == [[1, 0, 0]] * 3 + [[0, 0, 0]]
    assert layer.breaches.get().item() == 0


def test_after_plastic_synapses(way):
    chain, layer = SynfireChain(3, autostart=True), SurrogateReLU((2,), gates=_gates(1), n_gates=3)
    dense = HebbianDense([[200, 30], [200, 30], [200, -100]], rule=None)
    chain.s_out.connect(dense.s_in)
    chain.s_out.connect(layer.gate_in)
    dense.a_out.connect(layer.a_in)
    found = feed(layer, {}, OUTS[:3], steps=4)
    # Neuron 1 of the chain fires in step 2 and is input and gate alike: 200 and 30 in step 3.
    assert [found[out].tolist()[2] for out in OUTS[:3]] == [[0, 0], [1, 1], [0, 0]]


def _gates(entry):
    return {"s": [Gate(entry)], "lo": [Gate(entry, 9216)], "hi": [Gate(entry, 8192)]}


def test_wrong_arguments():
    with pytest.raises(InputError, match=r"population of a SurrogateReLU is 'low', .* \(did you mean 'lo'\?\)"):
        SurrogateReLU((2,), gates={"s": [], "low": [], "hi": []})
    with pytest.raises(InputError, match="without gates for 'hi'"):
        SurrogateReLU((2,), gates={"s": [Gate(0)], "lo": [Gate(0)]})
    with pytest.raises(InputError, match="delay is 63"):
        SurrogateReLU((2,), n_gates=2, box_delay=63)
    with pytest.raises(PortError, match=r"HebbianDense.a_out: \(3,\) -> SurrogateReLU.a_in: \(2,\)"):
        HebbianDense(np.zeros((2, 3), int)).a_out.connect(SurrogateReLU((2,)).a_in)
