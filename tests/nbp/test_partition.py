"""Circuits cut into parts."""

from dataclasses import replace

import pytest

from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import (
    Circuit,
    Connection,
    DenseProjection,
    Population,
    Source,
)
from lava_nbp.nbp.gated_group import Gate, Synapses
from lava_nbp.nbp.hebbian import Mirror
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.partition import (
    check_parts,
    inputs_of,
    neurons_of,
    partition,
    plastic_parts,
    synapses_of,
)


def named(circuit: Circuit):
    return {tuple(part.members.values()): part for part in partition(circuit)}


@pytest.mark.parametrize("guarded", [False, True])
def test_parts_of_the_training_circuit(guarded):
    circuit = training_circuit(6, 5, 4, guarded=guarded)
    parts = named(circuit)
    assert {members: part.kind for members, part in parts.items()} == {
        ("x",): "lif",
        ("m_x",): "memory",
        ("h1", "h1_lo", "h1_hi", "c_h1"): "surrogate",
        ("m_h1",): "memory",
        ("h1_T",): "lif",
        ("o", "o_lo", "o_hi"): "surrogate",
        ("o_T",): "lif",
        ("t",): "lif",
        ("d_pos", "d_neg"): "error",
    }
    error = parts["d_pos", "d_neg"]
    assert inputs_of(circuit, error) == {"lo_in": "o_lo", "t_in": "t", "s_in": "o", "hi_in": "o_hi"}
    memory = parts[("m_x",)]
    assert synapses_of(circuit, memory) == (Synapses("x_in", "s", 520, 4),)
    assert neurons_of(circuit, memory)["s"].gates == (Gate(6, 8704),)
    assert neurons_of(circuit, memory)["s"].schedule == (6,)
    x = parts[("x",)]
    assert set(synapses_of(circuit, x)) == {
        Synapses("m_x_in", "s", 520), Synapses("m_x_in", "s", 520, 4), Synapses("source-x_in", "s", 520)
    }  # fmt: skip
    assert neurons_of(circuit, x)["s"].schedule == (1, 7, 11)


def test_parts_of_the_inference_circuit():
    circuit = inference_circuit(6, 5, 4)
    assert {members: part.kind for members, part in named(circuit).items()} == {
        ("x",): "lif", ("h1",): "lif", ("o",): "lif"
    }  # fmt: skip
    assert [(p.matrix.name, p.mirrors) for p in plastic_parts(circuit)] == [("W1", ()), ("W2", ())]


def test_matrices_and_mirrors():
    first, second = plastic_parts(training_circuit(6, 5, 4))
    assert first.mirrors == (Mirror("W1_lo", "s", "h1_lo"), Mirror("W1_hi", "s", "h1_hi"))
    assert second.mirrors == (
        Mirror("W2_lo", "s", "o_lo"),
        Mirror("W2_hi", "s", "o_hi"),
        Mirror("W2_T", "post", "h1_T", transposed=True),
        Mirror("W2_T_neg", "o_T", "h1_T", transposed=True, sign=-1),
    )
    assert second.members == {"s": "h1", "post": "o", "o_lo": "o_lo", "o_hi": "o_hi", "h1_T": "h1_T", "o_T": "o_T"}


@pytest.mark.parametrize(
    ("pre", "post", "weight"), [("o_hi", "d_neg", -516), ("t", "d_pos", 516), ("o", "d_pos", -516), ("o", "d_neg", 516)]
)
def test_neurons_with_other_synapses_are_no_error_neurons(pre, post, weight):
    circuit = training_circuit(6, 5, 4)
    changed = tuple(replace(c, weight=weight) if (c.pre, c.post) == (pre, post) else c for c in circuit.connections)
    parts = named(replace(circuit, connections=changed))
    assert parts[("d_pos",)].kind == parts[("d_neg",)].kind == "lif"


def test_error_neurons_that_get_more_are_none():
    circuit = training_circuit(6, 5, 4)
    more = replace(circuit, connections=(*circuit.connections, Connection("o_T", "d_pos", "relay", 520, 1)))
    assert named(more)[("d_pos",)].kind == "lif"


def test_a_surrogate_without_a_box_and_a_box_of_its_own():
    circuit = training_circuit(6, 5, 4)
    changed = tuple(replace(c, delay=2) if (c.pre, c.post) == ("h1_hi", "c_h1") else c for c in circuit.connections)
    parts = named(replace(circuit, connections=changed))
    assert parts["h1", "h1_lo", "h1_hi"].kind == "surrogate"
    assert parts[("c_h1",)].kind == "lif"


def test_a_box_that_a_source_reaches_is_none():
    """The Process would have no port for it."""
    circuit = training_circuit(6, 5, 4)
    more = replace(circuit, sources=(*circuit.sources, Source("mask", "c_h1", 7)))
    parts = named(more)
    assert parts["h1", "h1_lo", "h1_hi"].kind == "surrogate"
    assert parts[("c_h1",)].kind == "lif"


def test_gates_with_a_delay_are_refused():
    circuit = inference_circuit(3, 3, 2)
    delayed = tuple(
        replace(c, pre="g00", delay=1) if (c.pre, c.post) == ("g01", "x") else c for c in circuit.connections
    )
    with pytest.raises(
        CircuitError, match="connection g00 -> x: gates of the parts have no delay.*gate from 'g01' instead"
    ):
        check_parts(replace(circuit, connections=delayed))


def test_populations_called_like_the_ends_of_a_process():
    circuit = inference_circuit(4, 3, 2)
    more = replace(
        circuit,
        populations=(*circuit.populations, Population("s", 2, (4,), layer="o")),
        connections=(*circuit.connections, Connection("g03", "s", "gate", 8704)),
        projections=(*circuit.projections, DenseProjection("W2_b", "h1", "s", "W2")),
    )
    second = plastic_parts(more)[1]
    assert second.mirrors == (Mirror("W2_b", "s", "s_"),)
    assert second.members == {"s": "h1", "post": "o", "s_": "s"}
