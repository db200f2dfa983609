"""Circuits that the library has never seen, on every target: spike for spike and weight for weight.

One is the paper's under other names, its phases shifted into another period; one is no backpropagation at all, but a
delta rule with a period and step sizes of its own. Both are written here, and checked against a simulator that shares
no code with the library.
"""

from dataclasses import replace

import numpy as np
import pytest
from circuit_simulator import simulate
from ways import in_ways

from lava_nbp import (
    TARGETS,
    Circuit,
    CircuitError,
    Connection,
    DenseProjection,
    InputError,
    Matrix,
    Population,
    Source,
    ThreeFactorRule,
    make_executor,
    run_config,
    targets_of,
    trace,
    training_circuit,
)
from lava_nbp.nbp.levels import ANTI_RELAY, GATE, LINK, RELAY
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import NBPNetwork, SampleSource

pytestmark = pytest.mark.timeout(200)

TRACEABLE = [name for name in targets_of("nbp") if not TARGETS[name].on_chip]
BY_SPIKES = [name for name in TRACEABLE if not TARGETS[name].per_sample]

#: Names that mean something to Processes, ports and models: a circuit may use them all the same.
NAMES = {
    "x": "a", "m_x": "gate", "h1": "s", "h1_lo": "third", "h1_hi": "post", "h1_T": "chain", "m_h1": "raster",
    "c_h1": "box", "o": "hi", "o_lo": "lo", "o_hi": "pos", "o_T": "s_", "t": "t", "d_pos": "neg", "d_neg": "weights_",
}  # fmt: skip
#: Sources, matrices and projections likewise; a source is called like a population that it does not lead to.
SOURCES, MATRICES = {"x": "s", "t": "data"}, {"W1": "V", "W2": "rho"}
LATER = 14


def shifted_paper(layers, *, guarded=False, chip_order=False):
    """The paper's circuit under other names, everything a phase later, in a period of fourteen."""
    paper = training_circuit(*layers, guarded=guarded, chip_order=chip_order)
    ring = [f"clock{k}" for k in range(LATER)]
    # What g00 does it does at the end of a sample, in phase 12 of the paper's, which is 13 here.
    gating = {name: ring[k + 1 if k else 13] for k, name in enumerate(paper.chain)}
    names = {**NAMES, **gating}
    return replace(
        paper,
        name="shifted",
        forward=tuple(NAMES[name] for name in paper.forward),
        period=LATER,
        populations=(
            *(Population(name, 1, (k,), bias=0, refractory=1) for k, name in enumerate(ring)),
            *(
                replace(p, name=NAMES[p.name], layer=NAMES.get(p.layer, ""), phases=tuple(k + 1 for k in p.phases))
                for p in paper.populations
                if p.name in NAMES
            ),
        ),
        connections=(
            *(Connection(name, ring[(k + 1) % LATER], "chain", LINK) for k, name in enumerate(ring)),
            *(replace(c, pre=names[c.pre], post=names[c.post]) for c in paper.connections if c.role != "chain"),
        ),
        matrices=tuple(replace(m, name=MATRICES[m.name]) for m in paper.matrices),
        projections=tuple(
            replace(p, name=f"of_{p.name}", pre=names[p.pre], post=names[p.post], matrix=MATRICES[p.matrix])
            for p in paper.projections
        ),
        sources=tuple(
            replace(s, name=SOURCES[s.name], population=NAMES[s.population], phase=s.phase + 1) for s in paper.sources
        ),
        output_phase=paper.output_phase + 1,
        reward_phases=frozenset(k + 1 for k in paper.reward_phases),
        meanings=(),
    )


def delta_rule(n_in, n_out, *, chip_order=False):
    """A delta rule: V += 4 where an output should have fired, -= 2 where it should not; nine phases, two layers.

    Phase 2: in. 3: out = V in > 512, and wanted. 4: up = wanted and not out, down = out and not wanted.
    5: in and out = up, r = 1. 7: in and out = down, r = 0.
    """
    ring = [f"k{k}" for k in range(9)]
    gates = {"in": (1, 4, 6), "out": (2, 4, 6), "wanted": (2,), "up": (3,), "down": (3,)}
    relays = [
        ("in", "in", RELAY, 2), ("in", "in", RELAY, 4),
        ("wanted", "up", RELAY, 0), ("out", "up", ANTI_RELAY, 0),
        ("out", "down", RELAY, 0), ("wanted", "down", ANTI_RELAY, 0),
        ("up", "out", RELAY, 0), ("down", "out", RELAY, 2),
    ]  # fmt: skip
    return Circuit(
        name="delta",
        forward=("in", "out"),
        period=len(ring),
        populations=(
            # Gating neurons may stand anywhere, in any order.
            *(Population(name, 1, (k,), bias=0, refractory=1) for k, name in reversed([*enumerate(ring)][4:])),
            Population("in", n_in, (2, 5, 7)),
            Population("wanted", n_out, (3,), layer="out"),
            *(Population(name, 1, (k,), bias=0, refractory=1) for k, name in [*enumerate(ring)][:4]),
            Population("up", n_out, (4,), layer="out"),
            Population("down", n_out, (4,), layer="out"),
            Population("out", n_out, (3, 5, 7)),
        ),
        connections=(
            *(Connection(name, ring[(k + 1) % len(ring)], "chain", LINK) for k, name in enumerate(ring)),
            *(Connection(ring[k], post, "gate", GATE) for post, phases in gates.items() for k in phases),
            *(Connection(pre, post, "relay", weight, delay) for pre, post, weight, delay in relays),
        ),
        matrices=(Matrix("V", (n_in, n_out)),),
        projections=(DenseProjection("V", "in", "out", "V"),),
        sources=(Source("in", "in", 2), Source("wanted", "wanted", 3)),
        output_phase=3,
        rule=ThreeFactorRule("6*r*x0*y0 - 2*x0*y0"),
        reward_phases=frozenset({5}),
        chip_order=chip_order,
    )


def paper_problem(seed=0, **options):
    """Circuit, weights and samples; every population fires and every matrix learns."""
    rng, layers = np.random.default_rng(seed), (9, 7, 4)
    circuit = shifted_paper(layers, **options)
    weights = {name: 2 * rng.integers(-50, 127, shape) for name, shape in circuit.matrix_shapes.items()}
    x = (rng.random((4, layers[0])) < 0.6).astype(np.uint8)
    return circuit, weights, (x, np.eye(layers[-1], dtype=np.uint8)[rng.integers(0, layers[-1], len(x))])


def delta_problem(seed=11, **options):
    rng, layers = np.random.default_rng(seed), (8, 5)
    circuit = delta_rule(*layers, **options)
    weights = {"V": rng.choice([-252, -254, -100, 4, 90, 180, 248, 252], layers)}
    x = (rng.random((5, layers[0])) < 0.6).astype(np.uint8)
    return circuit, weights, (x, (rng.random((len(x), layers[1])) < 0.5).astype(np.uint8))


PROBLEMS = {"paper": paper_problem, "delta": delta_problem}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("target", [name for name in TRACEABLE if TARGETS[name].chip_order])
def test_a_target_in_the_chips_order_refuses_another(problem, target):
    circuit, weights, samples = PROBLEMS[problem](chip_order=False)
    with pytest.raises(CircuitError, match="deliver first"):
        trace(target, circuit, weights, *samples)


def is_small(problem, target, *_):
    """What is run in processes of their own, too."""
    return problem == "delta" or target == "lava"


@pytest.mark.parametrize(
    ("problem", "target", "chip_order", "way"),
    [
        case
        for case in in_ways(PROBLEMS, TRACEABLE, [False, True], both=is_small)
        if case.values[2] or not TARGETS[case.values[1]].chip_order
    ],
    indirect=["way"],
)
def test_every_spike_and_every_weight_on_every_target(problem, target, chip_order, way):
    circuit, weights, samples = PROBLEMS[problem](chip_order=chip_order)
    if (problem, target) == ("delta", "sample"):
        with pytest.raises(CircuitError, match="has no hidden layer; run it spike by spike .spiking, lava"):
            trace(target, circuit, weights, *samples)
        return
    fired, held = simulate(circuit, weights, *samples)
    assert all(rows.any() for rows in fired.values()), "choose another seed"
    found = trace(target, circuit, weights, *samples)
    assert found.keys() == {f"spikes/{name}" for name in fired} | {f"weights/{name}" for name in held}
    for name, rows in fired.items():
        assert np.array_equal(found[f"spikes/{name}"], rows), name
    for p in circuit.projections:
        assert np.array_equal(found[f"weights/{p.name}"], held[p.name]), p.name
        assert (held[p.name] != simulate(circuit, weights, *(s[:0] for s in samples))[1][p.name]).any()


@pytest.mark.parametrize("guarded", [False, True])
def test_the_shifted_circuit_computes_what_the_papers_does(guarded):
    circuit, weights, samples = paper_problem(2, guarded=guarded)
    paper = training_circuit(*circuit.layers, guarded=guarded)
    own = {name: weights[MATRICES[name]] for name in paper.matrix_shapes}
    for target in ("reference", "sample", "spiking"):
        with make_executor(target, circuit, weights) as one, make_executor(target, paper, own) as other:
            assert np.array_equal(one.train(*samples).membrane, other.train(*samples).membrane)
            for name, w in other.read_weights().items():
                assert np.array_equal(one.read_weights()[MATRICES[name]], w)
            assert one.work == other.work or target == "spiking"


@pytest.mark.parametrize(("problem", "target", "way"), in_ways(PROBLEMS, TRACEABLE, both=is_small), indirect=["way"])
def test_training_and_answers(problem, target, way):
    """In several calls, with answers in between, new weights and a fresh start."""
    circuit, weights, samples = PROBLEMS[problem](chip_order=TARGETS[target].chip_order)
    if (problem, target) == ("delta", "sample"):
        with pytest.raises(CircuitError, match="no hidden layer"):
            make_executor(target, circuit, weights)
        return
    fired, held = simulate(circuit, weights, *samples)
    plain = {p.matrix: p.name for p in reversed(circuit.projections) if not p.transposed and p.sign == 1}
    trained = {name: held[p] for name, p in plain.items()}
    parts = [tuple(array[part] for array in samples) for part in (slice(0, 2), slice(2, None))]

    def answers(weights):
        alone = [
            simulate(circuit, weights, *(array[k : k + 1] for array in samples))[0] for k in range(len(samples[0]))
        ]
        return np.array([spikes[circuit.output][circuit.output_phase] for spikes in alone])

    def outcomes(executor):
        """Spikes and membranes of answers, of learning in two calls, and of answers with what was learned."""
        found = [executor.infer(samples[0]), *(executor.train(*part) for part in parts), executor.infer(samples[0])]
        return [outcome.spikes for outcome in found], [outcome.membrane for outcome in found]

    with make_executor("spiking", circuit, weights) as spiking:
        _, expected = outcomes(spiking)
    with make_executor(target, circuit, weights) as executor:
        for _ in range(2):
            (before, *said, after), found = outcomes(executor)
            assert np.array_equal(before, answers(weights))
            assert np.array_equal(np.concatenate(said), fired[circuit.output][circuit.output_phase :: circuit.period])
            assert np.array_equal(after, answers(trained))
            for one, two in zip(found, expected, strict=True):
                assert np.array_equal(one, two)
            for name, w in executor.read_weights().items():
                assert np.array_equal(w, trained[name]), name
            executor.write_weights(weights)
            executor.begin_epoch()
        assert np.array_equal(executor.infer(samples[0]).spikes, answers(weights))
        with pytest.raises(InputError, match=f"1 arrays of spikes, but circuit '{circuit.name}' has the sources"):
            executor.train(samples[0])


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_sample_per_lava_step(problem, way):
    circuit, weights, samples = PROBLEMS[problem]()
    _, held = simulate(circuit, weights, *samples)
    with make_executor("lava", circuit, weights, granularity="sample") as executor:
        executor.train(*samples)
        for name, w in executor.read_weights().items():
            assert np.array_equal(w, held[{"V": "of_W1", "rho": "of_W2"}[name] if problem == "paper" else name])


@pytest.mark.parametrize("target", [name for name in BY_SPIKES if TARGETS[name].on_lava])
def test_ports_and_vars_are_called_like_sources_and_matrices(target):
    circuit, weights, samples = paper_problem(chip_order=TARGETS[target].chip_order)
    network = NBPNetwork(circuit=circuit, weights=weights, granularity="step")
    source = SampleSource(circuit=circuit, granularity="step", capacity=len(samples[0]))
    assert {port.name for port in network.in_ports} == {"s_in", "data_in"}
    assert {port.name for port in source.out_ports} == {"s_out", "data_out"}
    assert {var.name for var in network.vars} == {"V", "rho", "gate_breaches"}
    source.s_out.connect(network.s_in)
    source.data_out.connect(network.data_in)
    source.load(*samples)
    _, held = simulate(circuit, weights, *samples)
    with LavaRuntime(network, run_config(target), timeout=100) as runtime:
        runtime.run(1 + circuit.period * len(samples[0]))
        assert np.array_equal(network.V.get(), held["of_W1"])
        assert np.array_equal(network.rho.get(), held["of_W2"])
        network.rho.set(np.asarray(weights["rho"]))
        assert np.array_equal(network.read_projections()["of_W2_T_neg"], -np.asarray(weights["rho"]).T)


TAKEN = {
    **dict.fromkeys(["circuit", "name", "procs", "run", "time_step", "run_spk"], "is taken"),
    **dict.fromkeys(["V_in", "s_out"], "end in _in or _out are ports"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_names_that_a_process_has_already(name):
    """A matrix may have any other: the network has a Var of it, and so has its model."""
    circuit, weights, _ = delta_problem()
    renamed = replace(
        circuit, matrices=(Matrix(name, (8, 5)),), projections=(replace(circuit.projections[0], matrix=name),)
    )
    with pytest.raises(InputError, match=f"matrix '{name}': NBPNetwork would have a .* '{name}', but .* {TAKEN[name]}"):
        NBPNetwork(circuit=renamed, weights={name: weights["V"]})
