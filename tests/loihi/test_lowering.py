"""A circuit as mantissas, exponents and registers: nothing of it is lost."""

from dataclasses import replace

import numpy as np
import pytest
from own_circuits import delta_circuit, feedforward_circuit, renamed

from lava_nbp.errors import CircuitError, RuleError
from lava_nbp.loihi.lowering import lower
from lava_nbp.nbp.circuit import Connection
from lava_nbp.nbp.paper import inference_circuit, training_circuit

LAYERS = (5, 4, 3)


def circuits():
    return [
        training_circuit(*LAYERS, chip_order=True),
        training_circuit(*LAYERS, chip_order=True, guarded=True),
        training_circuit(1, 1, 1, chip_order=True),
        training_circuit(1, 6, 1, chip_order=True),
        inference_circuit(*LAYERS),
        delta_circuit(5, 3),
        feedforward_circuit(5, 1, 7, 4, 3),
        renamed(training_circuit(*LAYERS, chip_order=True), lambda name: f"my_{name}"),
    ]


def total(circuit, lowered):
    """Fixed synapses as {(pre, post, neuron of pre, neuron of post, delay): weight}, twice: circuit, lowered."""
    wanted, found = {}, {}

    def add(to, pre, post, i, j, delay, weight):
        to[pre, post, i, j, delay] = to.get((pre, post, i, j, delay), 0) + weight

    for c in circuit.connections:
        for j in range(circuit[c.post].size):
            i = j if circuit[c.pre].size == circuit[c.post].size else 0
            add(wanted, c.pre, c.post, i, j, c.delay, c.weight)
    for f in lowered.fixed:
        if f.third_factor:
            continue
        for j, i in np.argwhere(f.matrix()):
            weight = int(f.matrix()[j, i]) << f.exponent
            pre, i = (circuit.chain[i], 0) if f.pre == lowered.chain else (f.pre, int(i))
            add(found, pre, f.post, i, int(j), f.delay, weight)
    for j, i in np.argwhere(lowered.ring.matrix()):
        add(found, circuit.chain[i], circuit.chain[j], 0, 0, 0, lowered.ring.mantissas[0] << lowered.ring.exponent)
    return wanted, found


@pytest.mark.parametrize("circuit", circuits(), ids=lambda c: f"{c.name}-{c.layers}")
def test_every_synapse_is_there_once(circuit):
    lowered = lower(circuit)
    wanted, found = total(circuit, lowered)
    assert found == wanted
    assert lowered.n_neurons == circuit.n_neurons
    # The synapse that starts the chain is an initial voltage.
    assert lowered.n_synapses == circuit.n_synapses - 1
    assert lowered.n_plastic == (circuit.n_dense_synapses if circuit.learning else 0)


def test_the_papers_network_in_numbers():
    lowered = lower(training_circuit(400, 400, 10, chip_order=True))
    assert (lowered.n_neurons, lowered.n_synapses, lowered.n_plastic) == (3282, 517_202, 500_000)
    assert lower(inference_circuit(400, 400, 10)).n_synapses == 165_214


def test_registers():
    lowered = lower(training_circuit(*LAYERS, chip_order=True))
    h, chain = lowered.by_name["h1"], lowered.by_name["chain"]
    assert (h.vth, h.bias_mant * 2**h.bias_exp, h.du, h.dv) == (1024, -8192 * 64, 4095, 4096)
    assert -4096 <= h.bias_mant < 4096
    assert h.feeds_learning
    assert not lowered.by_name["m_h1"].feeds_learning
    assert (chain.dv, chain.v) == (0, (1025 * 64, *[0] * 11))


def test_the_third_factor_comes_a_step_before_its_phase():
    lowered = lower(training_circuit(*LAYERS, chip_order=True))
    rows = {f.post: f.mantissas for f in lowered.fixed if f.third_factor}
    assert set(rows) == {"h1", "h1_lo", "h1_hi", "h1_T", "o", "o_lo", "o_hi"}
    assert all(row == (0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0) for row in rows.values())  # g05 and g07, for 6 and 8
    assert not any(f.third_factor for f in lower(inference_circuit(*LAYERS)).fixed)


def test_inputs_are_the_circuits_sources():
    lowered = lower(delta_circuit(5, 3))
    assert [(i.pre, i.post, i.n_synapses) for i in lowered.inputs] == [("see", "see", 5), ("want", "want", 3)]
    assert [i.mantissas[0] << i.exponent for i in lowered.inputs] == [520, 520]
    assert [f.mantissas for f in lowered.fixed if f.third_factor] == [(0, 0, 0, 0, 1, 0, 0, 0, 0, 0)]
    # No phase with r = 1, no synapses for it.
    never = replace(delta_circuit(5, 3, "2*x0*y0 - 4*x0"), reward_phases=frozenset())
    assert not any(f.third_factor for f in lower(never).fixed)


def test_the_group_of_gating_neurons_has_a_name_of_its_own():
    assert lower(delta_circuit(5, 3)).chain == "chain"
    lowered = lower(renamed(delta_circuit(5, 3), lambda name: {"see": "chain", "say": "chain_"}.get(name, name)))
    assert lowered.chain == "chain__"
    assert (lowered.by_name["chain"].size, lowered.by_name["chain__"].size) == (5, 10)


def test_what_the_chip_cannot_do_is_refused():
    with pytest.raises(RuleError, match="changes a weight by 598"):
        lower(delta_circuit(5, 3, "300*x0*y0 + 300*r*x0 - 2*y0"))
    with pytest.raises(CircuitError, match="use circuit.in_chip_order"):
        lower(training_circuit(*LAYERS))
    circuit = training_circuit(*LAYERS, chip_order=True)
    slow = tuple(replace(p, refractory=5) if p.name == "x" else p for p in circuit.populations)
    with pytest.raises(
        CircuitError, match="'x' is scheduled in phases 0 and 2, nearer than its refractory period of 5"
    ):
        lower(replace(circuit, populations=slow))
    reached = (*circuit.connections, Connection("x", "g03", "inhibit", -254))
    with pytest.raises(CircuitError, match="x -> g03: gating neurons keep their voltage"):
        lower(replace(training_circuit(1, 1, 1, chip_order=True), connections=reached))


def test_what_one_synapse_does_not_hold_several_do():
    circuit = training_circuit(*LAYERS, chip_order=True)
    again = Connection("g04", "h1_T", "inhibit", -8128)
    for n in (1, 2, 3):
        lowered = lower(replace(circuit, connections=(*circuit.connections, *[again] * n)))
        reached = [s for s in lowered.fixed if s.post == "h1_T" and s.inhibitory and s.pre == "chain"]
        weights = sum(int(s.matrix()[0, 4]) << s.exponent for s in reached)
        there = sum(c.weight for c in circuit.connections if (c.pre, c.post, c.role) == ("g04", "h1_T", "inhibit"))
        assert weights == there - 8128 * n
        assert len({s.name for s in lowered.fixed}) == len(lowered.fixed)
