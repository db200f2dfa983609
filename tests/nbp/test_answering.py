"""What is cut out of a circuit to answer alone."""

from dataclasses import replace

import numpy as np
import pytest
from own_circuits import delta_circuit

from lava_nbp import make_executor
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Circuit, Connection, DenseProjection, Matrix, Population, Source
from lava_nbp.nbp.levels import GATE, LINK, RELAY
from lava_nbp.nbp.paper import inference_circuit, training_circuit


def ring(n):
    gates = [Population(f"g{k}", 1, (k,), bias=0, refractory=1) for k in range(n)]
    return gates, [Connection(f"g{k}", f"g{(k + 1) % n}", "chain", LINK) for k in range(n)]


@pytest.mark.parametrize("variant", [{}, {"guarded": True}, {"chip_order": True}])
def test_of_the_papers_circuit_four_phases_are_left(variant):
    whole = training_circuit(5, 4, 3, **variant)
    cut = whole.answering
    assert (cut.period, cut.output_phase, cut.layers) == (4, 4, (5, 4, 3))
    assert [(p.name, p.phases) for p in cut.populations] == [
        ("x", (2,)), ("h1", (3,)), ("o", (4,)), ("g00", (0,)), ("g01", (1,)), ("g02", (2,)), ("g03", (3,))
    ]  # fmt: skip
    assert {(c.pre, c.post, c.role, c.weight) for c in cut.connections} == {
        ("g00", "g01", "chain", 9280), ("g01", "g02", "chain", 9280), ("g02", "g03", "chain", 9280),
        ("g03", "g00", "chain", 9280), ("g01", "x", "gate", 8704), ("g02", "h1", "gate", 8704),
        ("g03", "o", "gate", 8704),
    }  # fmt: skip
    assert [p.name for p in cut.projections] == ["W1", "W2"]
    assert not cut.learning
    assert cut.answering is cut
    assert replace(inference_circuit(5, 4, 3), name=cut.name, meanings=cut.meanings) == cut


def test_a_fixed_circuit_is_its_own_answer():
    gates, links = ring(4)
    circuit = Circuit(
        name="two layers",
        forward=("x", "o"),
        period=4,
        populations=(Population("x", 3, (2,)), Population("o", 2, (3,)), *gates),
        connections=(*links, Connection("g1", "x", "gate", GATE), Connection("g2", "o", "gate", GATE)),
        matrices=(Matrix("V", (3, 2)),),
        projections=(DenseProjection("V", "x", "o", "V"),),
        sources=(Source("x", "x", 2),),
        output_phase=3,
    )
    assert circuit.answering is circuit


def test_an_answer_that_needs_the_sample_before_cannot_be_cut_out():
    """o hears a copy of x that arrives a period later: the answer is that of the sample before."""
    whole = training_circuit(5, 4, 3)
    late = Connection("t", "o", "relay", RELAY, 11)  # t fires in phase 4, so this arrives in phase 16 = 4
    with pytest.raises(CircuitError, match="depends on the spikes of 't' in phase 4 of the sample before"):
        _ = replace(whole, connections=(*whole.connections, late)).answering


def test_an_answer_that_no_source_reaches_cannot_be_cut_out():
    """The target alone comes from outside: what o fires by, x and h1, stays silent."""
    whole = training_circuit(5, 4, 3)
    deaf = replace(whole, sources=whole.sources[1:])
    with pytest.raises(CircuitError, match="its answer, 'o' in phase 4, depends on no source"):
        _ = deaf.answering
    weights = {name: np.zeros(shape, int) for name, shape in deaf.matrix_shapes.items()}
    for target in ("reference", "spiking"):  # it learns all the same
        with make_executor(target, deaf, weights) as executor:
            assert not executor.train(np.eye(3, dtype=int)).spikes.any()
            with pytest.raises(CircuitError, match="depends on no source; train with it, but it cannot infer alone"):
                executor.infer(np.eye(3, dtype=int))


def test_an_answer_without_a_layer_cannot_be_cut_out():
    """The targets as a layer of their own: what see alone makes say answer does not depend on it."""
    whole = delta_circuit(5, 4)
    populations = tuple(replace(p, layer="") if p.name == "want" else p for p in whole.populations)
    with pytest.raises(CircuitError, match="its answer, 'say' in phase 3, does not depend on its layer 'want'"):
        _ = replace(whole, forward=("see", "want", "say"), populations=populations).answering
