"""What circuits compute per sample: the paper's by hand, circuits of one's own, and those that have no such form."""

import contextlib
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from networks import random_weights
from own_circuits import delta_circuit, later, renamed

from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Connection, DenseProjection, Population
from lava_nbp.nbp.form import Above, Given, Logic, Term, sample_form
from lava_nbp.nbp.levels import GATE, GATE_LOW, RELAY
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.reference import ReferenceExecutor, SampleRun
from lava_nbp.nbp.rule import ThreeFactorRule
from lava_nbp.nbp.sample_engine import SampleExecutor
from lava_nbp.nbp.sample_shape import sample_shape
from lava_nbp.nbp.spiking_engine import SpikingEngine, SpikingExecutor


def test_the_papers_form_by_hand():
    form = sample_form(training_circuit(5, 4, 3))
    named = {form.fires[event]: event for event in reversed(form.fires)}
    x, h, o, t = (form.fires[event] for event in (("x", 2), ("h1", 3), ("o", 4), ("t", 4)))
    assert form.layers == (x, h, o)
    assert (form.signals[x], form.signals[t]) == (Given("x"), Given("t"))
    assert form.signals[h] == Above((Term("W1", False, 1, x),), 512)
    assert [form.signals[form.fires[name, 4]].above for name in ("o", "o_lo", "o_hi")] == [512, 0, 1024]
    d_pos, d_neg = form.fires["d_pos", 5], form.fires["d_neg", 5]
    for entry in range(16):  # t & !o & o_lo, and o & !t & o_lo & !o_hi
        lo, hi = form.fires["o_lo", 4], form.fires["o_hi", 4]
        known = {t: bool(entry & 1), o: bool(entry & 2), lo: bool(entry & 4), hi: bool(entry & 8)}
        assert form.value(d_pos, known) == (known[t] and not known[o] and known[lo])
        assert form.value(d_neg, known) == (known[o] and not known[t] and known[lo] and not known[hi])
    assert form.disjoint(d_pos, d_neg)
    assert not form.disjoint(d_pos, t)
    e_pos, e_neg = form.fires["h1", 8], form.fires["h1", 12]
    assert [(u.matrix, u.pre, u.post, u.change) for u in form.updates] == [
        ("W2", h, d_pos, 2), ("W2", h, d_neg, -2), ("W1", x, e_pos, 2), ("W1", x, e_neg, -2)
    ]  # fmt: skip
    back = form.signals[form.fires["h1_T", 7]]
    assert back == Above((Term("W2", True, 1, d_pos, (0,)), Term("W2", True, -1, d_neg, (1,))), 0)
    assert isinstance(form.signals[form.fires["c_h1", 7]], Logic)
    assert named[e_pos] == ("h1", 8)
    closed = {(c.population, c.phase): c.limit for c in form.closed}
    assert closed["h1", 9] == closed["o", 7] == closed["o_hi", 11] == closed["h1_T", 5] == 17_344
    assert closed["h1_lo", 13] == closed["o", 9] == 9216
    assert len(closed) == 1 + 3 * 2 + 3 * 4


def test_the_chips_order_sends_back_through_the_weights_before_their_update():
    form = sample_form(training_circuit(5, 4, 3, chip_order=True))
    assert all(term.updates == () for term in form.signals[form.fires["h1_T", 7]].terms)
    assert not sample_shape(training_circuit(5, 4, 3, chip_order=True)).numbers.updated
    assert sample_shape(training_circuit(5, 4, 3)).numbers.updated


def answers(executor, x, t):
    trained, inferred = executor.train(x, t), executor.infer(x)
    return [trained.spikes, trained.membrane, inferred.spikes, inferred.membrane, *executor.read_weights().values()]


@given(
    layers=st.tuples(st.integers(1, 36), st.integers(1, 20), st.integers(1, 6)),
    seed=st.integers(0, 2**32),
    chip_order=st.booleans(),
    steps=st.integers(0, 4),
)
@settings(max_examples=25, deadline=None)
def test_other_names_and_phases_compute_the_same(layers, seed, chip_order, steps):
    """The paper's circuit, renamed and moved, in all engines: the same answers and weights as under its own names."""
    rng = np.random.default_rng(seed)
    own = training_circuit(*layers, guarded=True, chip_order=chip_order)
    circuit = renamed(later(own, steps), lambda name: f"M{name}")
    weights = random_weights(layers, rng)
    other = {f"M{name}": w for name, w in weights.items()}
    x, t = ((rng.random((15, n)) < 0.5).astype(np.uint8) for n in (layers[0], layers[2]))
    expected = answers(ReferenceExecutor(own, weights), x, t)
    for kind in (ReferenceExecutor, SampleExecutor, SpikingExecutor):
        for one, two in zip(answers(kind(circuit, other), x, t), expected, strict=True):
            assert np.array_equal(one, two), kind.__name__


@given(
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 8)),
    seed=st.integers(0, 2**32),
    chip_order=st.booleans(),
    rule=st.sampled_from(["6*r*x0*y0 - 2*x0*y0", "30*r*x0*y0 - 20*x0*y0", "4*r*x0*y0 - 2*x0*y0"]),
)
@settings(max_examples=25, deadline=None)
def test_a_circuit_that_is_no_backpropagation(sizes, seed, chip_order, rule):
    circuit = delta_circuit(*sizes, rule, chip_order)
    rng = np.random.default_rng(seed)
    V = 2 * rng.integers(-127, 128, sizes)
    x, t = ((rng.random((15, n)) < 0.5).astype(np.uint8) for n in sizes)
    found = answers(ReferenceExecutor(circuit, {"V": V}), x, t)
    for one, two in zip(answers(SpikingExecutor(circuit, {"V": V}), x, t), found, strict=True):
        assert np.array_equal(one, two)
    # The delta rule itself, in three lines.
    up, down = circuit.change(5), circuit.change(8)
    for i in range(len(x)):
        z = x[i] @ V > 512
        V = np.clip(V + up * np.outer(x[i], t[i] & ~z).astype(int), -254, 254)
        V = np.clip(V + down * np.outer(x[i], z & (t[i] == 0)).astype(int), -254, 254)
    assert np.array_equal(found[-1], V)


def test_every_spike_of_a_sample():
    """The raster of the per-sample form is that of the spiking engine, population by population."""
    circuit = delta_circuit(20, 5)
    rng = np.random.default_rng(3)
    V = 2 * rng.integers(-127, 128, (20, 5))
    x, t = (rng.random((1, 20)) < 0.5).astype(np.uint8), np.eye(5, dtype=np.uint8)[:1]
    engine = SpikingEngine(Projections(circuit, {"V": V}))
    _, raster = engine.run(x, t, record=True)
    rows = SampleRun(sample_form(circuit), {"V": V.astype(np.int16)}, (x[0], t[0])).raster()
    for name, spikes in engine.split(raster).items():
        assert np.array_equal(rows[name], spikes), name


def test_sample_says_why_it_does_not_compile_a_circuit():
    with pytest.raises(
        CircuitError, match="compiles backpropagation from layer to layer, but this circuit has no hidden layer"
    ):
        SampleExecutor(delta_circuit(4, 2), {"V": np.zeros((4, 2), int)})
    own = training_circuit(4, 3, 2)
    # Without the lower gate the output error does not come in a box: still what the engine compiles.
    wide = replace(own, connections=tuple(c for c in own.connections if c.weight != GATE_LOW or c.post != "o_lo"))
    assert sample_shape(wide).numbers.low_o == 1024
    layer = {"h1": "h1_lo", **dict.fromkeys(("h1_hi", "h1_T", "m_h1", "c_h1"), "h1_lo"), "h1_lo": ""}
    through = tuple(replace(p, layer=layer.get(p.name, p.layer)) for p in own.populations)
    with pytest.raises(CircuitError, match="a layer is not the layer before it times one matrix"):
        sample_shape(replace(own, populations=through, forward=("x", "h1_lo", "o")))


SMALL = training_circuit(4, 3, 2)


@pytest.mark.parametrize(
    ("circuit", "reason"),
    [
        (replace(SMALL, rule=ThreeFactorRule("4*r*x0*y0 - 2*x0")), "changes weights where only one end fires"),
        (
            replace(SMALL, connections=(*SMALL.connections, Connection("t", "o", "relay", RELAY, 11))),
            "spikes of 't' in phase 4 reach 'o' in phase 4 of another sample",
        ),
        (  # o fires in phase 6, too: without the anti-relay of its upper copy nothing holds d_neg then
            replace(
                SMALL,
                connections=tuple(c for c in SMALL.connections if (c.pre, c.post) != ("o_hi", "d_neg")),
            ),
            "'d_neg' can fire in phase 7, which is not in its schedule",
        ),
        (
            replace(
                SMALL,
                populations=tuple(replace(p, refractory=3) if p.name == "o" else p for p in SMALL.populations),
            ),
            "'o' may fire in phases 4 and 6, nearer than its refractory period of 3",
        ),
    ],
)  # fmt: skip
def test_circuits_without_a_per_sample_form(circuit, reason):
    weights = {"W1": np.zeros((4, 3), int), "W2": np.zeros((3, 2), int)}
    for kind in (ReferenceExecutor, SampleExecutor):
        with pytest.raises(CircuitError, match=f"has no per-sample form: .*{re.escape(reason)}.*spike by spike"):
            kind(circuit, weights)
    SpikingExecutor(circuit, weights) if "another sample" not in reason else SpikingEngine(
        Projections(circuit, weights)
    )


def test_dense_and_relayed_input_in_one_phase():
    """What m_h1 remembers reaches h1_T in phase 7, too, in which the error comes back: both count."""
    circuit = replace(SMALL, connections=(*SMALL.connections, Connection("m_h1", "h1_T", "relay", RELAY, 2)))
    form = sample_form(circuit)
    back = form.signals[form.fires["h1_T", 7]]
    assert (back.above, back.spikes, back.plain) == (0, ((form.fires["h1", 3], RELAY),), False)
    rng = np.random.default_rng(0)
    weights = random_weights((4, 3, 2), rng)
    x, t = (rng.random((40, 4)) < 0.6).astype(np.uint8), (rng.random((40, 2)) < 0.5).astype(np.uint8)
    one, other = ReferenceExecutor(circuit, weights), SpikingExecutor(circuit, weights)
    assert np.array_equal(one.train(x, t).membrane, other.train(x, t).membrane)
    for name, w in one.read_weights().items():
        assert np.array_equal(other.read_weights()[name], w)
    with pytest.raises(CircuitError, match="its hidden error is more than an error that comes back"):
        sample_shape(circuit)


def test_copies_that_learn_differently_are_refused():
    """A further copy of W2 onto a population that fires the positive error twice, in the phases of both signs."""
    more = replace(
        SMALL,
        populations=(*SMALL.populations, Population("spy", 2, (6, 10), layer="o")),
        connections=(
            *SMALL.connections,
            *(Connection(gate, "spy", "gate", GATE) for gate in ("g05", "g09")),
            *(Connection("d_pos", "spy", "relay", RELAY, delay) for delay in (0, 4)),
        ),
        projections=(*SMALL.projections, DenseProjection("W2_spy", "h1", "spy", "W2")),
    )
    with pytest.raises(CircuitError, match="projections 'W2' and 'W2_spy' of 'W2' learn differently"):
        sample_form(more)


def test_inference_circuits_have_a_form():
    form = sample_form(inference_circuit(5, 4, 3))
    assert form.updates == ()
    assert form.closed == ()
    assert [type(s) for s in form.signals] == [Given, Above, Above]


# ----------------------------------------------------------------- closed gates


def test_input_of_two_samples_that_meets_in_a_closed_phase():
    """x reaches m_x, closed then, in phase 5, and by its spikes of phase 12 in 17, which is 5 of the next sample."""
    circuit = training_circuit(5, 4, 3)
    with pytest.raises(CircuitError, match="'m_x' can fire in phase 17, which is not in its schedule"):
        sample_form(replace(circuit, connections=(*circuit.connections, Connection("x", "m_x", "gate", GATE, 2))))
    weaker = replace(circuit, connections=(*circuit.connections, Connection("x", "m_x", "gate", 8576, 2)))
    assert sample_form(weaker).closed == sample_form(circuit).closed  # 8576 + 520 <= 9216


def test_a_gating_neuron_brings_a_closed_population_nearer_to_its_firing_point():
    """Every connection of the chain counts, whatever its role: h1 is closed in phase 9, inhibited, and pushed."""
    circuit = training_circuit(68, 4, 3, guarded=True)
    pushed = replace(circuit, connections=(*circuit.connections, Connection("g08", "h1", "relay", 32640)))
    assert pushed.firing_point("h1", 9) == 9216 + 32512 - 32640
    assert [(b.population, b.phase, b.needed) for b in pushed.breach_bounds()] == [("h1", 9, 9088)]
    weights = {"W1": np.full((68, 4), 254), "W2": np.full((4, 3), 254)}
    x, t = np.ones((1, 68), np.uint8), np.eye(3, dtype=np.uint8)[:1]
    breaches = []
    for executor in (SpikingExecutor, ReferenceExecutor, SampleExecutor):
        with executor(pushed, weights) as run:
            run.train(x, t)
            breaches.append(run.work.gate_breaches)
    assert breaches == [4, 4, 4]


def test_the_membrane_leaves_out_what_gating_neurons_add_whatever_their_role():
    circuit = training_circuit(6, 5, 3)
    rng = np.random.default_rng(3)
    weights = {name: 2 * rng.integers(-20, 120, shape) for name, shape in circuit.matrix_shapes.items()}
    x, t = np.ones((4, 6), np.uint8), np.eye(3, dtype=np.uint8)[[0, 1, 2, 0]]
    nudged = replace(circuit, connections=(*circuit.connections, Connection("g03", "o", "relay", 256)))
    found = []
    for executor in (SpikingExecutor, ReferenceExecutor, SampleExecutor):
        with executor(nudged, weights) as run:
            found.append(run.train(x, t))
    for other in found[1:]:
        np.testing.assert_array_equal(other.membrane, found[0].membrane)
        np.testing.assert_array_equal(other.spikes, found[0].spikes)
    hidden = x[:1].astype(int) @ weights["W1"] > 512
    np.testing.assert_array_equal(found[0].membrane[:1], hidden @ weights["W2"])
    assert found[0].membrane[0].any()


# ------------------------------------------------------ circuits changed at random


@st.composite
def changed_circuits(draw):
    """The paper's circuit or the delta rule, with connections, phases, delays and weights that nobody meant."""
    sizes = draw(st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 3)))
    chip_order = draw(st.booleans())
    if draw(st.booleans()):
        circuit = training_circuit(*sizes, guarded=draw(st.booleans()), chip_order=chip_order)
    else:
        circuit = delta_circuit(sizes[0], sizes[2], chip_order=chip_order)
    for _ in range(draw(st.integers(1, 3))):
        with contextlib.suppress(CircuitError):
            circuit = draw(changes(circuit))
    return circuit


@st.composite
def changes(draw, circuit):
    kind, connections = draw(st.sampled_from(["connect", "move", "schedule", "project"])), list(circuit.connections)
    others = [p for p in circuit.populations if p.name not in circuit.chain]
    post = draw(st.sampled_from(others))
    if kind == "connect":
        pre = draw(st.sampled_from([p for p in circuit.populations if p.size in (1, post.size)]))
        weight = draw(st.sampled_from([RELAY, -RELAY, 2 * RELAY, GATE, GATE_LOW, 8192, -8128]))
        role = "relay" if draw(st.booleans()) else "gate" if weight > 0 else "inhibit"
        added = Connection(pre.name, post.name, role, weight, draw(st.sampled_from([0, 0, 1, 2, 4, 8])))
        return replace(circuit, connections=(*connections, added))
    if kind == "move":
        k = draw(st.sampled_from([k for k, c in enumerate(connections) if c.role != "chain"]))
        connections[k] = replace(connections[k], delay=draw(st.integers(0, 5)))
        return replace(circuit, connections=tuple(connections))
    if kind == "schedule":
        phases = {*post.phases} ^ {draw(st.integers(1, circuit.period))}
        moved = replace(post, phases=tuple(sorted(phases)), refractory=draw(st.integers(1, 2)))
        return replace(circuit, populations=tuple(moved if p is post else p for p in circuit.populations))
    matrix, transposed = draw(st.sampled_from(circuit.matrices)), draw(st.booleans())
    n_pre, n_post = matrix.shape[::-1] if transposed else matrix.shape
    ends = [draw(st.sampled_from([p.name for p in others if p.size == n])) for n in (n_pre, n_post)]
    added = DenseProjection("added", *ends, matrix.name, transposed, draw(st.sampled_from([1, -1])))
    return replace(circuit, projections=(*circuit.projections, added))


@given(circuit=changed_circuits(), seed=st.integers(0, 2**32), large=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_what_has_a_form_computes_it(circuit, seed, large):
    """Whatever is changed: there is no per-sample form, or spike by spike the same comes out, breaches included."""
    try:
        sample_form(circuit)
    except CircuitError:
        assume(False)
    rng = np.random.default_rng(seed)
    weights = {
        name: 254 - 508 * rng.integers(0, 2, shape) if large else 2 * rng.integers(-127, 128, shape)
        for name, shape in circuit.matrix_shapes.items()
    }
    samples = [(rng.random((4, circuit[s.population].size)) < 0.7).astype(np.uint8) for s in circuit.sources]
    outcomes, after, breaches = [], [], []
    for kind in (SpikingExecutor, ReferenceExecutor):
        with kind(circuit, weights) as executor:
            outcomes.append(executor.train(*samples))
            after.append(executor.read_weights())
            breaches.append(executor.work.gate_breaches)
    assert (breaches[0] == 0) == (breaches[1] == 0)
    if breaches[0] == 0:
        assert np.array_equal(outcomes[0].spikes, outcomes[1].spikes)
        assert np.array_equal(outcomes[0].membrane, outcomes[1].membrane)
        for name in after[0]:
            assert np.array_equal(after[0][name], after[1][name]), name
