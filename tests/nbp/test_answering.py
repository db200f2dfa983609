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


def test_what_only_answers_has_no_noise_and_answers_alike_everywhere():
    """A circuit without a rule, too: else every executor would draw for samples and epochs of its own."""
    fixed = replace(inference_circuit(8, 6, 3), seed=5)
    noisy = replace(fixed, populations=tuple(replace(p, noise=900) if p.name == "h1" else p for p in fixed.populations))
    assert noisy.random
    assert not noisy.answering.random
    assert noisy.answering.answering is noisy.answering
    rng = np.random.default_rng(1)
    weights = {m.name: 2 * rng.integers(-100, 127, m.shape) for m in noisy.matrices}
    x = (rng.random((40, 8)) < 0.5).astype(np.uint8)
    with make_executor("reference", fixed, weights) as quiet:
        expected = quiet.infer(x)
    for target in ("reference", "spiking", "lava"):
        with make_executor(target, noisy, weights) as executor:
            for epoch in (0, 3):
                executor.begin_epoch(epoch)
                for _ in range(2):
                    answer = executor.infer(x)
                    assert np.array_equal(answer.spikes, expected.spikes), target
                    assert np.array_equal(answer.membrane, expected.membrane), target


@pytest.mark.parametrize("does", ["opens", "reaches another", "is dense"])
def test_the_chain_stands_in_for_neurons_that_a_random_gate_opens_and_only_for_what_it_can_do(does):
    gates, links = ring(6)
    d, e = (Population(name, 3, (k,), refractory=1, layer="x", noise=4096) for k, name in enumerate("de", 1))
    e = replace(e, noise=4096 if does == "reaches another" else 0)
    circuit = Circuit(
        name="random gates",
        forward=("x", "o"),
        period=6,
        populations=(Population("x", 3, (3,), refractory=1), Population("o", 2, (4,)), d, e, *gates),
        connections=(
            *links,
            Connection("g0", "d", "gate", GATE + 2048),
            Connection("d", "e", "gate", GATE + 2048 * (e.noise > 0)),
            Connection("d", "x", "gate", GATE, 1),
            Connection("g3", "o", "gate", GATE),
        ),
        matrices=(Matrix("V", (3, 2)), *([Matrix("U", (3, 2))] if does == "is dense" else [])),
        projections=(
            DenseProjection("V", "x", "o", "V"), *([DenseProjection("U", "d", "o", "U")] if does == "is dense" else [])
        ),
        sources=(Source("x", "x", 3), Source("e", "e", 2)),
        output_phase=4,
    )  # fmt: skip
    if does != "opens":
        with pytest.raises(CircuitError, match="'d' fires whenever its noise lets it, and does more than open others"):
            _ = circuit.answering
        return
    answering = circuit.answering
    assert not answering.random
    assert "d" not in {p.name for p in answering.populations}
    with make_executor("spiking", answering, {"V": np.full((3, 2), 254)}) as executor:
        assert executor.infer(np.ones((2, 3), np.uint8), np.ones((2, 3), np.uint8)).spikes.all()
