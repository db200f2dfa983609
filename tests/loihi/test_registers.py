"""The library's own neurons as registers; that they are complete is shown by running them (test_chip_targets)."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.loihi.registers import NeuronRegisters, SynapseRegisters, chain_registers, group_registers
from lava_nbp.nbp.gated_group import Gate, GatedGroup, Neurons, Synapses
from lava_nbp.nbp.pulse_chain import PulseChain


def test_a_gated_population_by_hand():
    neurons = Neurons("s", (Gate(0), Gate(2), Gate(2, 512), Gate(1, -8128)), refractory=2)
    (p,), synapses = group_registers(GatedGroup((2,), [neurons], [Synapses("s_in", "s", 520, 3)], n_gates=3))
    assert (p.size, p.threshold, p.bias, p.refractory) == (2, 1024 * 64, -8192 * 64, 2)
    assert (p.keep_u, p.keep_v, p.v_first) == (0, 0, 0)
    found = {(s.pre, s.exponent): s for s in synapses}
    relay, gates = found["s_in", 2], found["gate_in", 6]
    assert (relay.src, relay.dst, relay.mantissa, relay.delay) == ((0, 1), (0, 1), (130, 130), 3)
    assert (gates.src, gates.dst, gates.mantissa) == ((0, 0, 2, 2), (0, 1, 0, 1), (136,) * 4)
    assert (found["gate_in", 5].src, found["gate_in", 5].mantissa) == ((1, 1), (-254, -254))


@pytest.mark.parametrize(("ring", "started"), [(True, True), (False, False)])
def test_a_chain_by_hand(ring, started):
    (p,), (start, links) = chain_registers(PulseChain(3, ring=ring, started=started))
    assert (p.keep_v, p.v_first, p.bias) == (4096, 1025 * 64 if started else 0, 0)
    assert (start.pre, start.src, start.dst, start.mantissa[0] << start.exponent) == ("start_in", (0,), (0,), 9280)
    assert list(zip(links.src, links.dst, strict=True)) == [(0, 1), (1, 2), (2, 0)][: 3 if ring else 2]


@pytest.mark.parametrize(
    ("pattern", "sizes", "mantissas", "matrix"),
    [
        ("one-to-one", (3, 3), (7,), [[7, 0, 0], [0, 7, 0], [0, 0, 7]]),
        ("one-to-one", (1, 3), (7,), [[7], [0], [0]]),
        ("from-each", (3, 2), (7, 0, 5), [[7, 0, 5], [7, 0, 5]]),
        ("from-each", (1, 2), (-7,), [[-7], [-7]]),
        ("ring", (3, 3), (7,), [[0, 0, 7], [7, 0, 0], [0, 7, 0]]),
        ("ring", (3, 3), (7, 7, 0), [[0, 0, 0], [7, 0, 0], [0, 7, 0]]),
    ],
)
def test_the_same_synapses_as_a_list_and_as_a_matrix(pattern, sizes, mantissas, matrix):
    synapses = SynapseRegisters("s", "a", "b", *sizes, pattern, mantissas, exponent=2)
    assert synapses.matrix().tolist() == matrix
    found = np.zeros_like(synapses.matrix())
    found[synapses.dst, synapses.src] = synapses.mantissa
    assert found.tolist() == matrix
    assert synapses.n_synapses == len(synapses.src) == np.count_nonzero(matrix)
    assert synapses.inhibitory == (np.min(matrix) < 0)


def test_neurons_in_register_units():
    neurons = NeuronRegisters("n", 3, vth=1024, bias_mant=-5, bias_exp=3, v_first=9)
    assert (neurons.threshold, neurons.bias, neurons.v) == (1024 * 64, -40, (9, 0, 0))
    assert (neurons.keep_u, neurons.keep_v) == (0, 0)
    with pytest.raises(InputError, match="neurons 'n': bias_exp is 8"):
        NeuronRegisters("n", 3, vth=1024, bias_exp=8)


def test_laps_cannot_be_counted():
    with pytest.raises(InputError, match="a synfire chain that ends after 2 laps"):
        chain_registers(PulseChain(3, repeats=2))
