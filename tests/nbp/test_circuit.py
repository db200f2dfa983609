import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Connection, DenseProjection, Matrix, Population, Source
from lava_nbp.nbp.circuit_file import circuit_to_dict
from lava_nbp.nbp.levels import GATE, INHIBIT, RELAY
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.rule import ThreeFactorRule

SMALL = training_circuit(4, 3, 2)


def changed(circuit=SMALL, **changes):
    return dataclasses.replace(circuit, **changes)


def with_population(circuit, name, **changes):
    populations = tuple(dataclasses.replace(p, **changes) if p.name == name else p for p in circuit.populations)
    return changed(circuit, populations=populations)


@pytest.mark.parametrize(
    ("make", "layers", "neurons", "synapses", "dense"),
    [
        # Renner et al. 2024: MNIST and Fashion-MNIST training, MNIST inference.
        (training_circuit, (400, 400, 10), 3282, 517_203, 500_000),
        (training_circuit, (784, 400, 10), 4050, 981_075, 960_800),
        (inference_circuit, (400, 400, 10), 814, 165_215, 164_000),
    ],
)
def test_size_is_the_papers(make, layers, neurons, synapses, dense):
    circuit = make(*layers)
    assert (circuit.n_neurons, circuit.n_synapses, circuit.n_dense_synapses) == (neurons, synapses, dense)


def test_what_fires_when():
    fires = {phase: set(SMALL.fires(phase)) - {f"g{phase:02d}"} for phase in range(12)}
    o_all, h_all = {"o", "o_lo", "o_hi"}, {"h1", "h1_lo", "h1_hi"}
    assert fires == {
        0: {"x"} | h_all,
        1: set(),
        2: {"x"},
        3: h_all,
        4: o_all | {"t", "m_h1"},
        5: {"d_pos", "d_neg"},
        6: o_all | {"o_T", "h1", "h1_T"},
        7: {"h1_T", "c_h1", "m_x"},
        8: {"x"} | h_all,
        9: set(),
        10: o_all | {"o_T", "h1", "h1_T"},
        11: {"h1_T"},
    }


def test_what_learns_when():
    learned = {phase: ([p.name for p in SMALL.learning_pairs(phase)], SMALL.reward(phase)) for phase in range(12)}
    W1, W2 = ["W1", "W1_lo", "W1_hi"], ["W2", "W2_lo", "W2_hi", "W2_T", "W2_T_neg"]
    expected = {0: (W1, 0), 6: (W2, 1), 8: (W1, 1), 10: (W2, 0)}
    assert learned == {phase: expected.get(phase, ([], 0)) for phase in range(12)}


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 50))
@settings(deadline=None)
def test_any_size_is_a_valid_circuit(n_in, n_hidden, n_out):
    circuit = training_circuit(n_in, n_hidden, n_out)
    assert circuit.n_dense_synapses == 3 * n_in * n_hidden + 5 * n_hidden * n_out
    assert circuit.n_neurons == 2 * n_in + 6 * n_hidden + 7 * n_out + 12
    assert training_circuit(n_in, n_hidden, n_out, guarded=True).n_neurons == circuit.n_neurons
    assert inference_circuit(n_in, n_hidden, n_out).n_neurons == n_in + n_hidden + n_out + 4


@pytest.mark.parametrize("bad", [0, -3, 10**9, 2.0, True, "7"])
@pytest.mark.parametrize("make", [training_circuit, inference_circuit])
def test_impossible_sizes(make, bad):
    with pytest.raises(CircuitError, match="n_hidden is .*, but must be an integer in 1 .. 1048576"):
        make(4, bad, 2)


def test_too_many_synapses_for_a_chip():
    with pytest.raises(CircuitError, match=r"matrix 'W1' .* more than the 120000000 synapses"):
        training_circuit(100_000, 100_000, 2)


def test_phase_table_as_text_and_markdown():
    text = SMALL.table().splitlines()
    assert text[0].split() == ["phase", "chain", "fires", "inhibited", "learns", "meaning"]
    assert len(text) == 2 + 12
    assert "d_pos, d_neg" in text[2 + 5]
    assert "W2, W2_lo, W2_hi, W2_T, W2_T_neg (+2)" in text[2 + 6]
    assert "W1, W1_lo, W1_hi (-2)" in text[2 + 0]
    markdown = SMALL.table("markdown").splitlines()
    assert len(markdown) == 2 + 12
    assert markdown[2 + 9].startswith("| 9 | g09 |  | h1, h1_lo, h1_hi |")
    assert {line.count("|") for line in markdown} == {7}


def test_breach_bounds_follow_from_the_sizes():
    assert training_circuit(36, 36, 2).breach_bounds() == ()  # 36 * 254 = 9144 <= 9216
    bounds = {(b.population, b.phase): (b.needed, b.worst) for b in training_circuit(37, 36, 2).breach_bounds()}
    assert bounds == {(p, 1): (9216, 37 * 254) for p in ("h1", "h1_lo", "h1_hi")}
    large = {(b.population, b.phase): b.needed for b in training_circuit(100, 100, 2).breach_bounds()}
    assert large[("h1", 9)] == 17_344
    assert large[("o", 9)] == 9216
    assert large[("o", 7)] == 17_344
    guarded = training_circuit(164, 164, 2, guarded=True)
    assert guarded.breach_bounds() == ()  # 164 * 254 = 41656 <= 41728
    assert {b.needed for b in training_circuit(165, 165, 2, guarded=True).breach_bounds()} == {41_728}


# --------------------------------------------------------------- wrong circuits


def test_population_without_its_gate():
    broken = tuple(c for c in SMALL.connections if not (c.pre == "g06" and c.post == "m_x"))
    with pytest.raises(
        CircuitError, match="'m_x' is scheduled in phase 7 but no gate reaches it then; gate it from 'g06'"
    ):
        changed(connections=broken)


def test_gated_and_inhibited_at_once():
    extra = Connection("g02", "h1", "inhibit", INHIBIT)
    with pytest.raises(CircuitError, match="'h1' is gated by 'g02' and inhibited by 'g02' in phase 3; remove one"):
        changed(connections=(*SMALL.connections, extra))


def test_gate_outside_the_schedule():
    extra = Connection("g08", "t", "gate", GATE)
    with pytest.raises(CircuitError, match="'g08' opens population 't' in phase 9, which is not in its schedule"):
        changed(connections=(*SMALL.connections, extra))


def test_projection_that_is_never_potentiated():
    with pytest.raises(CircuitError, match=r"'W1' \(x -> h1\) learns, but no phase potentiates it"):
        changed(reward_phases=frozenset({6}))


def test_gates_that_fire_their_target_alone():
    extra = tuple(Connection("g01", "x", "gate", GATE) for _ in range(1))
    with pytest.raises(CircuitError, match="'x' fires in phase 2 without input: its gates add up to 17408"):
        changed(connections=(*SMALL.connections, *extra))


def test_relays_that_fire_a_closed_population():
    extra = Connection("g03", "d_pos", "relay", 9280)
    with pytest.raises(
        CircuitError, match="'d_pos' can fire in phase 4 without a gate: its fixed input adds up to 9280"
    ):
        changed(connections=(*SMALL.connections, extra))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"period": 0}, "period is 0"),
        ({"period": 11}, "phase is 12, but must be an integer in 0 .. 11"),
        ({"forward": ("x", "h1", "nobody")}, "no population 'nobody'"),
        ({"output_phase": 5}, "'o' is not scheduled in phase 5"),
        ({"sources": (Source("input", "x", 3),)}, "source 'input' reaches population 'x' in phase 3"),
        ({"matrices": (Matrix("W1", (4, 3)),)}, "no matrix 'W2'"),
        ({"matrices": (Matrix("W1", (4, 3)), Matrix("W2", (2, 3)))}, r"sizes \(3, 2\) do not fit 'W2'"),
        ({"projections": (*SMALL.projections, DenseProjection("W1", "x", "h1", "W1"))}, "'W1' .* defined twice"),
        ({"populations": (*SMALL.populations, Population("x", 4, (2,), layer="x"))}, "population 'x' is defined twice"),
        ({"populations": (*SMALL.populations, Population("no name", 4, (2,), layer="x"))}, "population name 'no name'"),
        ({"populations": (*SMALL.populations, Population("idle", 4, (), layer="x"))}, "'idle' never fires"),
        ({"connections": (*SMALL.connections, Connection("x", "h1", "relay", RELAY))}, "sizes 4 and 3"),
        ({"connections": (*SMALL.connections, Connection("x", "m_x", "relay", RELAY, 63))}, "delay is 63"),
        ({"connections": (*SMALL.connections, Connection("x", "m_x", "relay", 521))}, "weight 521 does not fit"),
        ({"connections": (*SMALL.connections, Connection("g01", "x", "gate", -64))}, "cannot have weight -64"),
        ({"connections": SMALL.connections[1:]}, "11 gating neurons for a period of 12"),
    ],
)  # fmt: skip
def test_wrong_circuits_are_refused_by_name(change, message):
    with pytest.raises(CircuitError, match=message):
        changed(**change)


@pytest.mark.parametrize(
    ("population", "change", "message"),
    [
        ("h1", {"size": 0}, "'h1': size is 0"),
        ("h1", {"phases": (0, 3, 6, 8, 10)}, "'h1': phase 0 is the end of the sample before; write 12"),
        ("h1", {"refractory": 0}, "'h1': refractory is 0"),
        ("h1", {"bias": 2000}, "bias 2000 is over the threshold"),
        ("h1", {"bias": 0}, "'h1' is neither gated nor a gating neuron"),
        ("h1", {"phases": (3, 3, 6, 8, 10, 12)}, "name one phase twice"),
        ("h1", {"phases": (3, 6, 8, 9, 10, 12)}, "'h1' is scheduled in phase 9 but no gate"),
        ("g03", {"phases": (4,)}, "gating neuron 'g0"),
        ("g03", {"bias": -64}, "gating neuron 'g03'"),
    ],
)
def test_wrong_populations_are_refused_by_name(population, change, message):
    with pytest.raises(CircuitError, match=message):
        with_population(SMALL, population, **change)


def test_source_before_the_sample_begins():
    connections = (*SMALL.connections, Connection("g00", "x", "gate", GATE))
    populations = tuple(dataclasses.replace(p, phases=(1, 2, 8, 12)) if p.name == "x" else p for p in SMALL.populations)
    with pytest.raises(CircuitError, match="source 'input': spikes for phase 1 would leave before the sample begins"):
        changed(connections=connections, populations=populations, sources=(Source("input", "x", 1),))


def test_unknown_population():
    with pytest.raises(CircuitError, match="no population 'h2'; it has x, m_x, h1"):
        SMALL["h2"]


def test_inhibition_can_keep_a_driven_population_closed():
    drive, hold = Connection("g03", "d_pos", "relay", 9280), Connection("g03", "d_pos", "inhibit", INHIBIT)
    circuit = changed(connections=(*SMALL.connections, drive, hold))
    assert circuit.firing_point("d_pos", 4) == 9216 - 9280 - INHIBIT
    assert circuit.firing_point("d_pos", 5) == 9216


# ------------------------------------------------------------- layers and rule


def test_populations_know_their_layer():
    layers = {p.name: SMALL.layer_of(p.name) for p in SMALL.populations}
    assert SMALL.layers == (4, 3, 2)
    assert {name for name, layer in layers.items() if layer == "x"} == {"x", "m_x"}
    assert {name for name, layer in layers.items() if layer == "h1"} == {
        "h1", "h1_lo", "h1_hi", "h1_T", "m_h1", "c_h1"
    }  # fmt: skip
    assert {name for name, layer in layers.items() if not layer} == set(SMALL.chain)


def test_the_rule_says_what_learns_and_by_how_much():
    assert [SMALL.change(phase) for phase in (6, 8, 10, 12)] == [2, 2, -2, -2]
    stronger = changed(rule=ThreeFactorRule("10*r*x0*y0 - 4*x0*y0"))
    assert "W2_T_neg (+6)" in stronger.table().splitlines()[2 + 6]
    assert "(-4)" in stronger.table().splitlines()[2 + 10]
    single = changed(rule=ThreeFactorRule("4*r*x0*y0 - 2*x0"))
    assert "W1, W1_lo, W1_hi (-2 x0)" in single.table().splitlines()[2 + 2]
    fixed = changed(rule=None, reward_phases=frozenset())
    assert not fixed.learning
    assert not any(fixed.learning_pairs(phase) for phase in range(12))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forward": ("x",)}, "its layers are .* name two or more"),
        ({"forward": ("x", "x", "o")}, "its layers are .* each once"),
        ({"forward": ("x", "o")}, "population 'h1' has layer='', but the layers are x, o"),
        ({"rule": ThreeFactorRule("2*x0*y0")}, "no phase depresses it"),
        ({"rule": ThreeFactorRule("600*r*x0*y0 - 2*x0*y0")}, "changes weights by 598, .* at most 508"),
        ({"sources": (Source("x", "x", 2), Source("x", "t", 4))}, "source name 'x'"),
        (
            {"projections": tuple(dataclasses.replace(p, sign=-1) for p in SMALL.projections)},
            "matrix 'W1': no projection holds it as it is",
        ),
        ({"sources": (Source("no name", "x", 2),)}, "source name 'no name'"),
        ({"matrices": (Matrix("W 1", (4, 3)), Matrix("W2", (3, 2)))}, "matrix name 'W 1'"),
    ],
)
def test_wrong_layers_rules_and_names(change, message):
    with pytest.raises(CircuitError, match=message):
        changed(**change)


def test_gating_neurons_belong_to_no_layer():
    with pytest.raises(CircuitError, match="gating neuron 'g03' belongs to no layer, but says 'x'"):
        with_population(SMALL, "g03", layer="x")
    with pytest.raises(CircuitError, match="population 'h1' is a layer itself, but says 'o'"):
        with_population(SMALL, "h1", layer="o")


# ------------------------------------------------------------- values by hand


def test_lists_and_numpy_numbers_make_the_same_circuit():
    loose = changed(
        forward=list(SMALL.forward),
        period=np.int64(12),
        populations=[
            dataclasses.replace(p, phases=np.array(p.phases), size=np.int32(p.size)) for p in SMALL.populations
        ],
        connections=list(SMALL.connections),
        reward_phases=[6, 8],
        matrices=[Matrix(m.name, list(m.shape)) for m in SMALL.matrices],
    )
    assert loose == SMALL
    assert hash(loose) == hash(SMALL)
    assert circuit_to_dict(loose) == circuit_to_dict(SMALL)
    assert json.loads(json.dumps(circuit_to_dict(loose))) == json.loads(json.dumps(circuit_to_dict(SMALL)))
    assert training_circuit(np.int64(4), np.int16(3), np.uint8(2)) == SMALL


PROJECTION, SOURCE = SMALL.projections[-1], SMALL.sources[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population("x", 4.0, (2,)), "population 'x': size is 4.0, but must be an integer"),
        (lambda: Population("x", 4, 2), "population 'x': phases is 2, but must be a tuple"),
        (lambda: Population("x", 4, (2,), bias=None), "population 'x': bias is None, but must be an integer"),
        (lambda: Connection("x", "h1", "weird", 520), "connection x -> h1: role is 'weird', but must be one of 'gate'"),
        (lambda: Connection("x", "h1", "relay", 520.0), "connection x -> h1: weight is 520.0, but must be an integer"),
        (lambda: dataclasses.replace(PROJECTION, sign=2), "projection 'W2_T_neg': sign is 2, but must be one of 1, -1"),
        (lambda: dataclasses.replace(PROJECTION, sign=0), "projection 'W2_T_neg': sign is 0, but must be one of 1, -1"),
        (lambda: Source("x", "x", "2"), "source 'x': phase is '2', but must be an integer"),
        (lambda: Matrix("W1", (4, 3, 1)), r"matrix 'W1': shape is \(4, 3, 1\), but must be a tuple of 2"),
        (lambda: changed(rule="2*x0*y0"), "circuit 'nbp': rule is '2.x0.y0', but must be a ThreeFactorRule or None"),
        (lambda: changed(meanings={2: "input"}), "circuit 'nbp': meanings is {2: 'input'}, but must be a tuple"),
        (lambda: changed(forward="xo"), "circuit 'nbp': forward is 'xo', but must be a tuple"),
        (lambda: changed(chip_order="no"), "circuit 'nbp': chip_order is 'no', but must be True or False"),
        (lambda: changed(reward_phases={6, 100}), "'nbp': reward phase is 100, but must be an integer in 0 .. 12"),
        (lambda: changed(reward_phases={-3, 6}), "'nbp': reward phase is -3, but must be an integer in 0 .. 12"),
        (lambda: changed(sources=()), "circuit 'nbp' has no source, so that nothing can reach it; give it one"),
        (lambda: changed(projections=(), matrices=()), "circuit 'nbp' has no projections, so that no weights lead"),
        (lambda: changed(matrices=(*SMALL.matrices, Matrix("W1", (4, 3)))), "matrix 'W1' is defined twice; rename one"),
        (
            lambda: changed(projections=(dataclasses.replace(SMALL.projections[0], name=""), *SMALL.projections[1:])),
            r"projection '' \(x -> h1\) has no name; give it one",
        ),
        (lambda: with_population(SMALL, "x", bias=-8193), "population 'x': bias -8193 does not fit the chip"),
    ],
)
def test_values_of_another_kind(make, message):
    with pytest.raises(CircuitError, match=message):
        make()


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (0, "source 'x' has weight 0, so that its spikes make nothing fire; use 520"),
        (-520, "source 'x' has weight -520, so that"),
        (521, "source 'x': weight 521 does not fit a synapse"),
        (10**9, "source 'x': weight 1000000000 does not fit a synapse"),
    ],
)
def test_weights_that_a_source_cannot_have(weight, message):
    with pytest.raises(CircuitError, match=message):
        changed(sources=(dataclasses.replace(SOURCE, weight=weight), *SMALL.sources[1:]))


@pytest.mark.parametrize(("role", "weight"), [("gate", GATE), ("inhibit", INHIBIT), ("relay", RELAY)])
def test_a_gating_neuron_does_not_reach_the_next_sample(role, weight):
    """The first sample would go without what later ones get."""
    with pytest.raises(CircuitError, match="g10 -> d_pos: with a delay of 3 it reaches the next sample.* from 'g01'"):
        changed(connections=(*SMALL.connections, Connection("g10", "d_pos", role, weight, 3)))
    if role == "inhibit":  # as late as can be: phase 12 is the end of the sample
        changed(connections=(*SMALL.connections, Connection("g10", "d_pos", role, weight, 1)))
