"""Circuits of any depth: phases and sizes by hand and by formula, and what they learn against oracles of their own."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from circuit_simulator import simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp import TARGETS, targets_of, trace
from lava_nbp.errors import CircuitError, InputError, RuleError
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuit_file import circuit_from_dict, circuit_to_dict
from lava_nbp.nbp.circuits import make_circuit
from lava_nbp.nbp.draws import Decay
from lava_nbp.nbp.executor import Outcome, class_targets, votes
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.form import sample_form
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import NBPNetwork, SampleSink, SampleSource
from lava_nbp.training.metrics import accuracy

RULES = [
    {},
    {"margin": 2048},
    {"lower_gate": False},
    {"graded": 300},
    {"dropout": 0.3},
    {"update_probability": (0.4, 0.1, 3)},
    {"box": (-1024, 2048)},
    {"margin": 1024, "box": (-512, 2048), "graded": 500, "dropout": 0.2, "update_probability": (0.9, 0.2, 2)},
]


def drawn_weights(circuit, rng, saturating=False, positive=False):
    """Even integers for every matrix."""
    found = {}
    for m in circuit.matrices:
        w = rng.choice([-254, -252, 252, 254], m.shape) if saturating else 2 * rng.integers(-127, 128, m.shape)
        found[m.name] = abs(w) if positive else w
    return found


def drawn_samples(circuit, n, rng, density=0.5):
    x = (rng.random((n, circuit.layers[0])) < density).astype(np.uint8)
    return x, np.eye(circuit.layers[-1], dtype=np.uint8)[rng.integers(0, circuit.layers[-1], n)]


def schedule(circuit):
    return {p.name: p.phases for p in circuit.populations if p.name not in circuit.chain}


# ---------------------------------------------------------------- phases and sizes


def test_phases_of_one_hidden_layer_by_hand():
    circuit = training_circuit(layers=(5, 4, 3))
    assert circuit.period == 11
    assert schedule(circuit) == {
        "x": (2, 9, 11), "m_x": (3,),
        "h1": (3, 6, 8, 9, 11), "h1_lo": (3, 9, 11), "h1_hi": (3, 9, 11), "m_h1": (4,), "h1_T": (6, 7, 8, 9),
        "c_h1": (4,), "e_h1": (8, 10),
        "o": (4, 6, 8), "o_lo": (4, 6, 8), "o_hi": (4, 6, 8), "o_T": (6, 8), "t": (4,), "d_pos": (5,), "d_neg": (5,),
    }  # fmt: skip
    assert circuit.reward_phases == {6, 9}
    learns = {k: {p.matrix for p in circuit.learning_pairs(k)} for k in range(11) if circuit.learning_pairs(k)}
    assert learns == {6: {"W2"}, 8: {"W2"}, 9: {"W1"}, 0: {"W1"}}


def test_phases_of_three_hidden_layers_by_hand():
    circuit = training_circuit(layers=(6, 5, 4, 3, 2))
    assert circuit.period == 21
    of = schedule(circuit)
    assert [of[name] for name in ("x", "h1", "h2", "h3", "o")] == [
        (2, 19, 21), (3, 16, 18, 19, 21), (4, 12, 14, 16, 18), (5, 8, 10, 12, 14), (6, 8, 10)
    ]  # fmt: skip
    assert [of[f"h{k}_T"] for k in (1, 2, 3)] == [(16, 17, 18, 19), (12, 13, 14, 15), (8, 9, 10, 11)]
    assert of["h3_pos"] == of["h3_neg"] == (12, 14)
    assert of["h2_pos"] == of["h2_neg"] == (16, 18)
    assert "h1_pos" not in of  # nobody needs the first layer's error
    assert of["d_pos"] == of["d_neg"] == (7,)
    assert circuit.reward_phases == {8, 12, 16, 19}
    learns = {k: {p.matrix for p in circuit.learning_pairs(k)} for k in range(21) if circuit.learning_pairs(k)}
    assert learns == {8: {"W4"}, 10: {"W4"}, 12: {"W3"}, 14: {"W3"}, 16: {"W2"}, 18: {"W2"}, 19: {"W1"}, 0: {"W1"}}


@pytest.mark.parametrize("hidden", [1, 2, 3, 4, 11, 12, 13, 24])
def test_sizes_by_formula(hidden):
    sizes = tuple(range(hidden + 4, 2, -1))
    assert len(sizes) == hidden + 2
    circuit = training_circuit(layers=sizes, margin=2048)
    assert circuit.layers == sizes
    assert circuit.period == 5 * hidden + 6
    neurons = 2 * sizes[0] + 7 * sizes[1] + 9 * sum(sizes[2:-1]) + 7 * sizes[-1] + circuit.period
    assert circuit.n_neurons == neurons
    dense = [a * b for a, b in pairwise(sizes)]
    assert circuit.n_dense_synapses == 3 * dense[0] + 5 * sum(dense[1:])
    assert circuit.answering.period == hidden + 3
    assert circuit.breach_bounds() == ()
    form = sample_form(circuit)
    assert len(form.updates) == 2 * (hidden + 1)


def test_what_only_answers_is_the_papers():
    """x, h1, o in four phases; whatever the rule, and without what is drawn."""
    expected = training_circuit(5, 4, 3).answering
    for rules in RULES:
        found = training_circuit(layers=(5, 4, 3), **rules).answering
        assert found.period == expected.period == 4
        assert not found.random
        assert {(c.pre, c.post, c.weight, c.delay) for c in found.connections} == {
            (c.pre, c.post, c.weight, c.delay) for c in expected.connections
        }
        assert schedule(found) == schedule(expected)


# ---------------------------------------------------------------- what it learns


def backpropagation(weights, x, t, updated, margin=0, lower_gate=True, box=(0, 1024)):
    """Backpropagation of errors of -1, 0 and 1 through any number of layers, written down; changes the weights."""
    names = sorted(weights)
    h, sums = [x.astype(int)], []
    for name in names:
        sums.append(h[-1] @ weights[name])
        h.append((sums[-1] > 512).astype(int))
    a, o = sums[-1], h[-1]
    if margin:
        d = (t & (a <= margin)).astype(int) - ((1 - t) & (a > 1024 - margin))
    else:
        d = t * (1 - o) * ((a > 0) if lower_gate else 1) - o * (1 - t) * (a <= 1024)
    e = d
    for k in reversed(range(len(names))):
        W = weights[names[k]]
        new = np.clip(W + 2 * np.outer(h[k], e), -254, 254)
        back = (new if updated else W) @ e
        weights[names[k]] = new
        e = np.sign(back) * ((sums[k - 1] > box[0]) & (sums[k - 1] <= box[1])) if k else None
    return o, a


@st.composite
def problems(draw, random=True):
    layers = tuple(draw(st.lists(st.integers(1, 24), min_size=3, max_size=6)))
    rules = dict(draw(st.sampled_from(RULES if random else [*RULES[:3], RULES[6]])))
    return (
        layers, rules, draw(st.booleans()), np.random.default_rng(draw(st.integers(0, 2**32))),
        draw(st.booleans()), draw(st.booleans()), draw(st.sampled_from([0.1, 0.5, 0.9])),
    )  # fmt: skip


@given(problems(random=False))
@settings(max_examples=60, deadline=None)
def test_it_is_backpropagation(problem):
    layers, rules, chip_order, rng, saturating, positive, density = problem
    circuit = training_circuit(layers=layers, chip_order=chip_order, **rules)
    weights = drawn_weights(circuit, rng, saturating, positive)
    x, t = drawn_samples(circuit, 12, rng, density)
    with make_executor("sample", circuit, weights) as executor:
        outcome, learned = executor.train(x, t), executor.read_weights()
    mine = {name: w.astype(int) for name, w in weights.items()}
    for i in range(len(x)):
        o, a = backpropagation(mine, x[i], t[i].astype(int), not chip_order, **rules)
        assert np.array_equal(outcome.spikes[i], o)
        assert np.array_equal(outcome.membrane[i], a)
    for name, w in mine.items():
        assert np.array_equal(learned[name], w), name


@given(problems())
@settings(max_examples=80, deadline=None)
def test_reference_sample_and_spiking_agree(problem):
    layers, rules, chip_order, rng, saturating, positive, density = problem
    circuit = training_circuit(layers=layers, chip_order=chip_order, **rules).with_seed(5)
    weights = drawn_weights(circuit, rng, saturating, positive)
    x, t = drawn_samples(circuit, 15, rng, density)
    found = {}
    for target in ("reference", "sample", "spiking"):
        with make_executor(target, circuit, weights) as executor:
            rows = []
            for epoch in (1, 2):
                executor.begin_epoch(epoch)
                parts = [executor.train(x[:7], t[:7]), executor.train(x[7:], t[7:])]
                rows += [array for part in parts for array in (part.spikes, part.membrane)]
                answers = executor.infer(x)
                rows += [answers.spikes, answers.membrane, *executor.read_weights().values()]
            assert executor.read_copies() == {}
            found[target] = rows, executor.work
    assert found["reference"][1] == found["sample"][1]
    assert found["spiking"][1].gate_breaches == 0
    for target in ("sample", "spiking"):
        for one, other in zip(found["reference"][0], found[target][0], strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("chip_order", [False, True])
@pytest.mark.parametrize("rules", RULES)
def test_every_spike_and_every_copy_agree_with_the_independent_simulator(rules, chip_order):
    circuit = training_circuit(layers=(9, 8, 7, 3), chip_order=chip_order, **rules).with_seed(11)
    rng = np.random.default_rng(3)
    weights = drawn_weights(circuit, rng)
    x, t = drawn_samples(circuit, 8, rng)
    spikes, held = simulate(circuit, weights, x, t)
    for target in targets_of("nbp"):
        if TARGETS[target].on_chip or (TARGETS[target].chip_order and not chip_order):
            continue
        found = trace(target, circuit, weights, x, t)
        for name, rows in spikes.items():
            assert np.array_equal(found[f"spikes/{name}"], rows), (target, name)
        for name, w in held.items():
            assert np.array_equal(found[f"weights/{name}"], w), (target, name)


LAVA = [
    ("lava", {"granularity": "sample"}), ("lava", {"granularity": "step"}), ("lava-primitives", {}), ("lava-stock", {}),
    ("lava", {"in_process": False}), ("lava-primitives", {"in_process": False}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "options"), LAVA)
def test_epochs_on_lava_draw_what_others_draw(target, options):
    """A second epoch, and more than one run within each: the steps are counted from the epoch's beginning."""
    circuit = training_circuit(layers=(7, 6, 5, 3), chip_order=True, **RULES[-1]).with_seed(2)
    rng = np.random.default_rng(6)
    weights = drawn_weights(circuit, rng)
    x, t = drawn_samples(circuit, 6, rng)
    with (
        make_executor(target, circuit, weights, timeout=100, **options) as lava,
        make_executor("reference", circuit, weights) as oracle,
    ):
        for epoch in (1, 2):
            for executor in (lava, oracle):
                executor.begin_epoch(epoch)
            for part in (slice(0, 4), slice(4, 6)):
                assert np.array_equal(lava.train(x[part], t[part]).membrane, oracle.train(x[part], t[part]).membrane)
            for name, w in oracle.read_weights().items():
                assert np.array_equal(lava.read_weights()[name], w)
            assert np.array_equal(lava.infer(x).membrane, oracle.infer(x).membrane)


# ---------------------------------------------------------------- the rules, one by one


def trained_on_nothing(circuit, weights, x, t, epochs=1):
    with make_executor("sample", circuit, weights) as executor:
        found = []
        for epoch in range(1, epochs + 1):
            executor.write_weights(weights)
            executor.begin_epoch(epoch)
            executor.train(x, t)
            found.append(executor.read_weights())
    return found


@pytest.mark.parametrize(
    ("membrane", "target", "rules", "change"),
    [
        (510, 1, {}, 2), (514, 1, {}, 0), (-2, 1, {}, 0), (-2, 1, {"lower_gate": False}, 2),
        (514, 0, {}, -2), (1026, 0, {}, 0), (510, 0, {}, 0),
        (2048, 1, {"margin": 2048}, 2), (2050, 1, {"margin": 2048}, 0), (-1022, 0, {"margin": 2048}, -2),
        (-1024, 0, {"margin": 2048}, 0), (-1500, 1, {"margin": 2048}, 2), (5000, 0, {"margin": 2048}, -2),
    ],
)  # fmt: skip
def test_the_output_error_by_hand(membrane, target, rules, change):
    """One output whose input is what is said: 30 hidden units that fire share it."""
    circuit = training_circuit(layers=(3, 30, 1), **rules)
    share, rest = divmod(abs(membrane) // 2, 30)
    W2 = np.sign(membrane) * 2 * np.array([[share + (k < rest)] for k in range(30)])
    weights = {"W1": np.full((3, 30), 254), "W2": W2}
    with make_executor("sample", circuit, weights) as executor:
        outcome = executor.train([[1, 1, 1]], [[target]])
        learned = executor.read_weights()["W2"]
    assert outcome.membrane[0, 0] == membrane
    assert np.array_equal(learned - W2, np.full((30, 1), change))


def test_a_graded_error_takes_part_in_proportion():
    """An error of e makes its unit learn, by its sign, with probability abs(e) / 100."""
    n, runs = 41, 400
    circuit = training_circuit(layers=(4, n, 1), graded=100, margin=2048, chip_order=True)
    W2 = (2 * np.arange(n) - 40)[:, None] * 2
    W1 = np.full((4, n), 150)  # 600: inside the box, fires
    [learned] = trained_on_nothing(circuit, {"W1": W1, "W2": W2}, np.ones((1, 4), int), [[1]])
    assert set(np.unique(learned["W1"] - W1)) <= {-2, 0, 2}
    share = np.zeros(n)
    for seed in range(runs):
        changed = trained_on_nothing(
            circuit.with_seed(seed), {"W1": W1, "W2": W2}, np.ones((1, 4), int), [[1]]
        )[0]["W1"] - W1  # fmt: skip
        assert (changed == changed[0]).all()  # the whole unit takes part, or does not
        share += changed[0] / 2
    expected = np.clip(W2[:, 0] / 100, -1, 1)
    assert abs(share / runs - expected).max() < 4.5 * 0.5 / np.sqrt(runs)


def test_dropped_units_neither_fire_nor_learn():
    """All 200 units would fire and learn; with dropout 0.3 the output hears of 70 % of them, others every time."""
    circuit = training_circuit(layers=(4, 200, 1), dropout=0.3, margin=7168, chip_order=True)
    weights = {"W1": np.full((4, 200), 150), "W2": np.full((200, 1), 2)}
    with make_executor("sample", circuit, weights) as executor:
        heard = executor.train(np.ones((40, 4), int), np.zeros((40, 1), int)).membrane[:, 0]
        fired = executor.infer(np.ones((1, 4), int)).membrane
    assert heard[0] // 2 in range(115, 165)
    found = trained_on_nothing(circuit, weights, np.ones((1, 4), int), [[0]], epochs=20)
    kept = np.array([w["W2"][:, 0] < 2 for w in found])  # those that fired were depressed
    assert abs(kept.mean() - 0.7) < 0.03
    assert (kept.any(axis=0) & ~kept.all(axis=0)).all()
    learned = np.array([w["W1"] != 150 for w in found])
    assert (learned == kept[:, None, :]).all()
    assert fired.shape == (1, 1)  # and who answers uses all of them
    with make_executor("sample", circuit, weights) as executor:
        assert executor.infer(np.ones((1, 4), int)).membrane[0, 0] == 400


def test_a_synapse_changes_with_the_probability_of_the_epoch():
    circuit = training_circuit(layers=(50, 40, 1), update_probability=(0.5, 0.02, 3), margin=2048)
    weights = {"W1": np.full((50, 40), 12), "W2": np.full((40, 1), 20)}
    found = trained_on_nothing(circuit, weights, np.ones((1, 50), int), [[1]], epochs=4)
    shares = [(w["W1"] != 12).mean() for w in found]
    for share, probability in zip(shares, (0.5, 0.1, 0.02, 0.02), strict=True):
        assert abs(share - probability) < 5 * np.sqrt(probability * (1 - probability) / 2000)
    assert all(set(np.unique(w["W1"])) <= {12, 14} for w in found)


def test_a_dropout_that_is_next_to_nothing_is_none():
    assert training_circuit(layers=(4, 3, 2), dropout=1e-6) == training_circuit(layers=(4, 3, 2))
    assert training_circuit(layers=(4, 3, 2), dropout=1e-3).random


@pytest.mark.parametrize("rules", [{}, {"margin": 2048, "box": (-1024, 2048)}, {"ramp": (1024, -1024, 128)}, RULES[-1]])
def test_broken_units_and_synapses_break_alike_in_all_depths(rules):
    """Sample and spiking, all copies of a unit and a synapse broken together, but sums of dead outputs."""
    for seed in range(6):
        circuit = training_circuit(layers=(12, 9, 8, 5), **rules).with_seed(seed)
        rng = np.random.default_rng(seed)
        weights = {m.name: 2 * rng.integers(-60, 127, m.shape) for m in circuit.matrices}
        x, t = drawn_samples(circuit, 25, rng)
        found = []
        for target in ("sample", "spiking"):
            with make_executor(
                target, circuit, weights, faults=Faults(dead=0.2, lost=0.05, stuck=0.1, seed=seed)
            ) as made:
                found.append((made.train(x, t).spikes, made.infer(x).spikes, *made.read_weights().values()))
        for one, other in zip(*found, strict=True):
            assert np.array_equal(one, other)


def test_the_same_seed_draws_the_same_and_another_does_not():
    circuit = training_circuit(layers=(20, 15, 3), **RULES[-1])
    rng = np.random.default_rng(0)
    weights = drawn_weights(circuit, rng)
    x, t = drawn_samples(circuit, 10, rng)

    def learned(seed):
        return trained_on_nothing(circuit.with_seed(seed), weights, x, t)[0]["W1"]

    assert np.array_equal(learned(1), learned(1))
    assert not np.array_equal(learned(1), learned(2))


# ---------------------------------------------------------------- as values, and what is refused


def test_it_travels_as_a_file():
    circuit = training_circuit(layers=(5, 4, 3, 2), ramp=(1024, 0, 256), **RULES[-1]).with_seed(9)
    assert circuit_from_dict(circuit_to_dict(circuit)) == circuit
    assert circuit.update_probability == Decay(0.9, 0.2, 2)
    assert make_circuit("nbp-deep", (5, 4, 3, 2), ramp=(1024, 0, 256), **RULES[-1]).with_seed(9) == circuit
    assert make_circuit("nbp-deep", (5, 4, 3)) == training_circuit(layers=(5, 4, 3), chip_order=True)
    assert not make_circuit("nbp-deep", (5, 4, 3), chip_order=False).chip_order


@pytest.mark.parametrize(
    ("layers", "rules", "error", "words"),
    [
        ((4, 3), {}, CircuitError, "have 0 hidden ones"),
        ((3,) * 30, {}, CircuitError, "have 28 hidden ones, but the limits are 1 and 24"),
        ((4, 0, 3), {}, CircuitError, "size is 0"),
        ((4, 2.5, 3), {}, CircuitError, "size is 2.5"),
        ((4, 3, 2), {"margin": 100}, CircuitError, "margin is 100, but must be a multiple of 64"),
        ((4, 3, 2), {"margin": 7232}, CircuitError, "margin is 7232"),
        ((4, 3, 2), {"margin": float("nan")}, CircuitError, "margin is nan"),
        ((4, 3, 2), {"box": (0, 100)}, CircuitError, "box is .* must be two multiples of 64"),
        ((4, 3, 2), {"box": (1024, 0)}, CircuitError, "box is .* the smaller one first"),
        ((4, 3, 2), {"box": 5}, InputError, "box is 5"),
        ((4, 3, 2), {"box": (0, float("nan"))}, CircuitError, "box is nan"),
        ((16, 3, 2), {"patch": 2}, CircuitError, "patch is 2, but which inputs are neighbours is not said"),
        ((16, 3, 2), {"patch": 5, "image": (1, 4, 4)}, CircuitError, "patch is 5, but must be an integer in 1 .. 4"),
        ((16, 3, 2), {"patch": 2, "image": (2, 4, 4)}, CircuitError, "has 32 inputs, but the layers begin with 16"),
        ((16, 3, 2), {"patch": 2, "image": (4, 4)}, CircuitError, "must be .channels, height, width."),
        ((16, 3, 2), {"image": (1, 4, 4)}, CircuitError, "image is .* means nothing without patches"),
        ((16, 3, 2), {"patch": -1}, CircuitError, "patch is -1"),
        ((4, 3, 2), {"graded": -1}, CircuitError, "graded is -1"),
        ((4, 3, 2), {"graded": [1, 2]}, CircuitError, "graded is .* but there are 1 hidden layers"),
        ((4, 3, 2), {"graded": 1e300}, CircuitError, "graded is 1e"),
        ((4, 3, 2), {"dropout": 1.0}, CircuitError, "dropout is 1"),
        ((4, 3, 2), {"dropout": float("nan")}, CircuitError, "dropout is nan"),
        ((4, 3, 2), {"lower_gate": 1}, InputError, "lower_gate is 1, but must be True or False"),
        ((4, 3, 2), {"update_probability": 0.5}, CircuitError, "update_probability is 0.5, but must be three numbers"),
        ((4, 3, 2), {"update_probability": (1, 0, 3)}, CircuitError, "update probability: last is 0"),
        ((4, 3, 2), {"ramp": (1, 2)}, CircuitError, "ramp is .* but must be three integers"),
        ((4, 3, 2), {"ramp": (1024, 100, 128)}, CircuitError, "ramp from 1024 to 100"),
        ((4, 3, 2), {"deep": True}, InputError, "has no option .*deep"),
    ],
)
def test_impossible_circuits(layers, rules, error, words):
    with pytest.raises(error, match=words):
        training_circuit(layers=layers, **rules)


def test_sizes_are_given_in_one_way():
    with pytest.raises(InputError, match="give one of them"):
        training_circuit(4, 3, 2, layers=(4, 3, 2))
    with pytest.raises(InputError, match="give n_in, n_hidden and n_out, or layers="):
        training_circuit(4, 3)
    with pytest.raises(InputError, match="has no option 'margin'"):
        training_circuit(4, 3, 2, margin=2048)


@pytest.mark.parametrize(
    ("rules", "words"), [(RULES[3], "population 'h1_T' has noise"), (RULES[5], "rounded at random")]
)
def test_chips_refuse_what_was_never_tried_there(rules, words):
    circuit = training_circuit(layers=(4, 3, 2), chip_order=True, **rules)
    weights = {m.name: np.zeros(m.shape, int) for m in circuit.matrices}
    with pytest.raises(CircuitError, match=words):
        make_executor("loihi2", circuit, weights)


def test_rules_of_single_spikes_are_not_rounded():
    from dataclasses import replace

    from lava_nbp.nbp.rule import ThreeFactorRule

    circuit = training_circuit(4, 3, 2)
    with pytest.raises(CircuitError, match="changes weights where only one end fires, but changes are made with a"):
        replace(circuit, rule=ThreeFactorRule("4*r*x0*y0 - 2*x0"), update_probability=Decay(0.5, 0.5))
    with pytest.raises(RuleError):
        ThreeFactorRule("x0*y0")


def test_an_epoch_that_is_begun_before_the_network_starts():
    circuit = training_circuit(layers=(7, 6, 3), graded=300).with_seed(4)
    rng = np.random.default_rng(1)
    weights = drawn_weights(circuit, rng)
    x, t = drawn_samples(circuit, 5, rng)
    network = NBPNetwork(circuit=circuit, weights=weights)
    network.begin_epoch(3)
    source, sink = SampleSource(circuit=circuit, capacity=5), SampleSink(circuit=circuit, capacity=5)
    for name in ("x", "t"):
        getattr(source, f"{name}_out").connect(network.source_in(name))
    network.s_out.connect(sink.s_in)
    network.a_out.connect(sink.a_in)
    source.load(x, t)
    with LavaRuntime(network, timeout=60) as runtime, make_executor("reference", circuit, weights) as oracle:
        runtime.run(5)
        oracle.begin_epoch(3)
        assert np.array_equal(sink.membrane, oracle.train(x, t).membrane)
        for name, w in oracle.read_weights().items():
            assert np.array_equal(network.read_weights()[name], w)


@pytest.mark.parametrize("target", ["lava-primitives", "lava-stock"])
def test_wide_layers_are_kept_silent_by_two_synapses(target):
    """300 inputs at 254 are 76 200 in weight units: one synapse of -32 512 holds up to 41 728, two to 74 240."""
    circuit = training_circuit(layers=(300, 4, 2), margin=2048)
    assert {c.limit for c in sample_form(circuit).closed if c.population in ("h1", "h1_lo", "h1_hi")} == {74240}
    assert {c.limit for c in sample_form(training_circuit(layers=(164, 4, 2))).closed} == {41728}
    rng = np.random.default_rng(0)
    weights = {"W1": 2 * rng.integers(60, 128, (300, 4)), "W2": 2 * rng.integers(-60, 61, (4, 2))}
    x, t = np.ones((3, 300), np.uint8), np.eye(2, dtype=np.uint8)[[0, 1, 1]]
    x[:, :60] = rng.random((3, 60)) < 0.5
    sums = x.astype(int) @ weights["W1"]
    assert (sums > 41728).all()
    expected = trace("spiking", circuit, weights, x, t)
    with make_executor("reference", circuit, weights) as oracle:
        oracle.train(x, t)
        assert oracle.work.gate_breaches == 0
        for name, w in oracle.read_weights().items():
            assert np.array_equal(expected[f"weights/{name}"], w)
    found = trace(target, circuit, weights, x, t)
    for name, rows in expected.items():
        assert np.array_equal(found[name], rows), name


def test_several_outputs_learn_a_class_by_hand():
    circuit = training_circuit(layers=(6, 5, 3), per_class=2)
    assert circuit.layers == (6, 5, 6)
    assert (circuit.per_class, circuit.n_classes) == (2, 3)
    assert class_targets(circuit, [2, 0]).tolist() == [[0, 0, 0, 0, 1, 1], [1, 1, 0, 0, 0, 0]]
    spikes = np.array([[1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1]], np.uint8)
    assert votes(spikes, 2).tolist() == [[1, 2, 0], [0, 0, 1]]
    found = accuracy(Outcome(spikes, spikes * np.int32(600)), np.array([1, 2]), "test", 2)
    assert found == {"test_accuracy_spikes": 1.0, "test_accuracy_membrane": 1.0, "test_exact": 0.0}
    assert circuit_from_dict(circuit_to_dict(circuit)) == circuit
    assert circuit.answering.per_class == 2
    for bad in (0, 1.5, 2**40, None):
        with pytest.raises(CircuitError, match="per_class"):
            training_circuit(layers=(6, 5, 3), per_class=bad)
    with pytest.raises(CircuitError, match="do not come out even"):
        replace(circuit, per_class=4)


@pytest.mark.parametrize("patch", [{}, {"patch": 2, "image": (1, 2, 4)}])
@pytest.mark.parametrize("hidden", [(5,), (5, 4)])
def test_members_are_networks_side_by_side(hidden, patch):
    """Each learns and answers as it does alone, on all that run it; they have nothing in common but the inputs."""
    members, layers = 3, (8, *hidden, 3)
    together = training_circuit(layers=layers, members=members, margin=1024, **patch)
    alone = training_circuit(layers=layers, margin=1024, **patch)
    assert together.layers == (8, *(n * members for n in hidden), 9)
    assert (together.per_class, together.n_classes) == (members, 3)
    rng = np.random.default_rng(0)
    parts = []
    for _ in range(members):
        weights = drawn_weights(alone, rng)
        parts.append({m.name: weights[m.name] * (m.mask is None or m.mask.matrix(m.shape)) for m in alone.matrices})

    def joined(parts):
        found = {"W1": np.hstack([w["W1"] for w in parts])}
        for m in together.matrices[1:]:
            found[m.name] = np.zeros(m.shape, int)
            for k, w in enumerate(parts):
                n_pre, n_post = w[m.name].shape
                columns = slice(k, None, members) if m == together.matrices[-1] else slice(k * n_post, (k + 1) * n_post)
                found[m.name][k * n_pre : (k + 1) * n_pre, columns] = w[m.name]
        return found

    x = (rng.random((60, 8)) < 0.5).astype(np.uint8)
    labels = rng.integers(0, 3, 60)
    one_by_one = []
    for weights in parts:
        with make_executor("reference", alone, weights) as executor:
            one_by_one.append((executor.train(x, class_targets(alone, labels)), executor.read_weights()))
    learned = joined([weights for _, weights in one_by_one])
    for target in ("reference", "sample", "spiking", "lava"):
        with make_executor(target, together, joined(parts)) as executor:
            outcome = executor.train(x, class_targets(together, labels))
            for name, w in executor.read_weights().items():
                assert np.array_equal(w, learned[name]), (target, name)
        for k, (answer, _) in enumerate(one_by_one):
            assert np.array_equal(outcome.spikes[:, k::members], answer.spikes), target
            assert np.array_equal(outcome.membrane[:, k::members], answer.membrane), target


def test_members_on_all_targets_and_impossible_ones():
    circuit = training_circuit(layers=(6, 4, 2), members=2, margin=1024, update_probability=(0.5, 0.5, 1))
    rng = np.random.default_rng(1)
    weights = {m.name: 2 * rng.integers(-60, 127, m.shape) for m in circuit.matrices}
    weights["W2"] *= circuit.matrices[1].mask.matrix((8, 4))
    x, t = (rng.random((4, 6)) < 0.5).astype(np.uint8), class_targets(circuit, [0, 1, 1, 0])
    expected = trace("spiking", circuit, weights, x, t)
    for target in ("lava", "lava-primitives", "lava-stock"):
        found = trace(target, circuit, weights, x, t)
        for name, rows in expected.items():
            assert np.array_equal(found[name], rows), (target, name)
    for bad in (0, 1.5, None, 2**60):
        with pytest.raises(CircuitError, match="members"):
            training_circuit(layers=(6, 4, 2), members=bad)
    with pytest.raises(CircuitError, match="members is 2 and per_class 3"):
        training_circuit(layers=(6, 4, 2), members=2, per_class=3)
