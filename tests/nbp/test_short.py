"""The circuit of nine phases: by hand, by formula, and against the deep circuit, spike by spike on every target."""

import numpy as np
import pytest
from circuit_simulator import simulate
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp import TARGETS, make_circuit, make_executor, make_plan, targets_of, trace, training_circuit
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.nbp.circuit_file import circuit_from_dict, circuit_to_dict
from lava_nbp.nbp.form import sample_form
from lava_nbp.nbp.short import OUTPUTS_MAX

RULES = [{}, {"margin": 512, "box": (-1024, 2048)}, {"update_probability": (0.5, 0.2, 3)}]


def short(*layers, **rules):
    return make_circuit("nbp-short", layers, **rules)


def drawn(circuit, rng, n, density=0.5):
    weights = {m.name: 2 * rng.integers(-127, 128, m.shape) for m in circuit.matrices}
    for m in circuit.matrices:
        weights[m.name] *= 1 if m.mask is None else m.mask.matrix(m.shape)
    x = (rng.random((n, circuit.layers[0])) < density).astype(np.uint8)
    return weights, x, np.eye(circuit.n_classes, dtype=np.uint8)[rng.integers(0, circuit.n_classes, n)]


def test_phases_by_hand():
    circuit = short(4, 3, 2)
    assert (circuit.period, circuit.output_phase, circuit.reward_phases) == (9, 4, {5, 6})
    assert {p.name: p.phases for p in circuit.populations if p.name not in circuit.chain} == {
        "x": (2, 6, 9), "m_x": (3,), "h1": (3, 5, 6, 8, 9), "h1_lo": (3, 5, 6, 8, 9), "h1_hi": (3, 5, 6, 8, 9),
        "m_h1": (4,), "c_h1": (4,), "o": (4, 5, 8), "o_lo": (4, 5, 8), "o_hi": (4, 5, 8), "t": (4,), "o_T": (5, 8),
        "o_T_neg": (5, 8),
    }  # fmt: skip
    learns = {k: {p.matrix for p in circuit.learning_pairs(k)} for k in range(9) if circuit.learning_pairs(k)}
    assert learns == {5: {"W2"}, 6: {"W1"}, 8: {"W2"}, 0: {"W1"}}


def test_one_sample_by_hand():
    """Units 1 and 2 of three fire, all are in the box; outputs learn up to 640, and down to 1024 - 640 = 384."""
    circuit = short(4, 3, 3, box=(0, 1024), margin=640)
    weights = {
        "W1": np.array([[200, 254, 254], [200, 254, 254], [0, 92, 254], [0, 0, 254]]),
        "W2": np.array([[100, 20, 50], [-100, 100, 2], [254, 240, 254]]),
    }
    rows = trace("spiking", circuit, weights, [[1, 1, 1, 1]], [[1, 0, 0]])
    fired = {name.removeprefix("spikes/"): rows[name] for name in rows if name.startswith("spikes/")}
    assert fired["h1"][3].tolist() == [0, 1, 1]  # 400, 600, 1016
    assert fired["h1_hi"][3].tolist() == [0, 0, 0]
    assert fired["c_h1"][4].tolist() == [1, 1, 1]
    # a2 = (-100 + 254, 100 + 240, 2 + 254) = (154, 340, 256): none above 384 or 640, so that only output 0 errs
    assert fired["o"][5].tolist() == [1, 0, 0]
    assert fired["o"][8].tolist() == [0, 0, 0]
    assert fired["h1"][6].tolist() == [1, 0, 1]  # W2^T e = (100, -100, 254)
    assert fired["h1"][9].tolist() == [0, 1, 0]
    assert rows["weights/W2"].tolist() == [[100, 20, 50], [-98, 100, 2], [254, 240, 254]]
    assert rows["weights/W1"].tolist() == [[202, 252, 254], [202, 252, 254], [2, 90, 254], [2, -2, 254]]
    # The same network with output 2 as the target, and output 0 far above its margin.
    weights["W2"] = np.array([[100, 20, 50], [254, 100, 2], [254, 240, 254]])
    rows = trace("spiking", circuit, weights, [[1, 1, 1, 1]], [[0, 0, 1]])
    fired = {name.removeprefix("spikes/"): rows[name] for name in rows if name.startswith("spikes/")}
    # a2 = (508, 340, 256): output 0 is above 384 and to fall, output 2 below 640 and to rise
    assert fired["o"][5].tolist() == fired["o_T"][5].tolist() == fired["o_T_neg"][8].tolist() == [0, 0, 1]
    assert fired["o"][8].tolist() == fired["o_T"][8].tolist() == fired["o_T_neg"][5].tolist() == [1, 0, 0]
    # W2^T e = (50 - 100, 2 - 254, 254 - 254)
    assert fired["h1"][6].tolist() == [0, 0, 0]
    assert fired["h1"][9].tolist() == [1, 1, 0]
    assert rows["weights/W2"].tolist() == [[100, 20, 50], [252, 100, 4], [252, 240, 254]]
    assert rows["weights/W1"].tolist() == [[198, 252, 254], [198, 252, 254], [-2, 90, 254], [-2, -2, 254]]


@pytest.mark.parametrize("sizes", [(4, 3, 2), (30, 20, 10), (5, 1, 1)])
def test_sizes_by_formula(sizes):
    n_in, n_hidden, n_out = sizes
    circuit = short(*sizes)
    assert circuit.n_neurons == 2 * n_in + 5 * n_hidden + 6 * n_out + 9
    assert circuit.n_dense_synapses == 3 * n_in * n_hidden + 9 * n_hidden * n_out
    assert circuit.answering.period == 4
    assert circuit.breach_bounds() == ()


@pytest.mark.parametrize("rules", RULES)
def test_it_learns_what_the_deep_circuit_learns(rules):
    """The same options and the same seed: the same answers and weights, of all that compute samples or spikes."""
    rng = np.random.default_rng(0)
    circuit = short(14, 12, 4, **rules).with_seed(3)
    deep = training_circuit(layers=(14, 12, 4), **{"margin": 2048, **rules}).with_seed(3)
    weights, x, t = drawn(circuit, rng, 150)
    found = {}
    for name, made in (("short", circuit), ("deep", deep)):
        for target in ("reference", "sample", "spiking"):
            with make_executor(target, made, weights) as executor:
                executor.begin_epoch(2)
                outcome = executor.train(x, t)
                found[name, target] = (outcome.spikes, outcome.membrane, *executor.read_weights().values())
                assert executor.work.gate_breaches == 0
                assert executor.read_copies() == {}
    for key, rows in found.items():
        for one, other in zip(rows, found["deep", "reference"], strict=True):
            assert np.array_equal(one, other), key
    assert not np.array_equal(found["short", "sample"][2], weights["W1"])


@pytest.mark.parametrize("rules", [*RULES, {"patch": 2, "image": (1, 2, 4)}])
def test_every_spike_and_every_copy_on_every_target(rules):
    rng = np.random.default_rng(1)
    circuit = short(8, 6, 3, **rules).with_seed(1)
    weights, x, t = drawn(circuit, rng, 5)
    targets = [name for name in targets_of("nbp") if not (TARGETS[name].per_sample or TARGETS[name].on_chip)]
    if "patch" not in rules:
        spikes, held = simulate(circuit, weights, x, t)
        expected = {f"spikes/{name}": rows for name, rows in spikes.items()}
        expected |= {f"weights/{name}": rows for name, rows in held.items()}
    else:
        expected = trace("spiking", circuit, weights, x, t)
    for target in targets:
        found = trace(target, circuit, weights, x, t)
        assert found.keys() >= expected.keys()
        for name, rows in expected.items():
            assert np.array_equal(found[name], rows), (target, name)


@given(seed=st.integers(0, 2**32), wide=st.booleans(), saturated=st.booleans())
@settings(max_examples=40, deadline=None)
def test_reference_sample_and_spiking_agree(seed, wide, saturated):
    rng = np.random.default_rng(seed)
    sizes = (int(rng.integers(1, 300 if wide else 20)), int(rng.integers(1, 20)), int(rng.integers(1, 8)))
    box = tuple(sorted(64 * rng.choice(np.arange(-60, 100), 2, replace=False)))
    rules = {"margin": int(64 * rng.integers(1, 112)), "box": tuple(map(int, box))}
    circuit = short(*sizes, **rules)
    weights, x, t = drawn(circuit, rng, 25, rng.random())
    if saturated:
        weights = {name: 254 * np.sign(w) for name, w in weights.items()}
    found = {}
    for target in ("reference", "sample", "spiking"):
        with make_executor(target, circuit, weights) as executor:
            outcome = executor.train(x, t)
            found[target] = (executor.work.gate_breaches, outcome.spikes, *executor.read_weights().values())
    assert found["sample"][0] == found["reference"][0]
    assert (found["spiking"][0] > 0) <= (found["reference"][0] > 0)
    if not found["reference"][0]:
        for rows in found.values():
            for one, other in zip(rows, found["reference"], strict=True):
                assert np.array_equal(one, other)


@pytest.mark.parametrize("sign", [1, -1])
def test_breaches_are_counted_where_they_are_possible(sign):
    """292 inputs at 254 are 74 168, under the limit; what could be relayed to a closed output makes 520 less of it."""
    for n, possible in ((256, False), (292, True), (300, True)):
        circuit = short(n, n, 2)
        assert bool(circuit.breach_bounds()) is possible
        weights = {"W1": np.full((n, n), 254), "W2": np.full((n, 2), sign * 254)}
        x, t = np.ones((2, n), np.uint8), np.array([[1, 0], [0, 1]], np.uint8)
        found = {}
        for target in ("reference", "sample", "spiking"):
            with make_executor(target, circuit, weights) as executor:
                executor.train(x, t)
                found[target] = executor.work.gate_breaches, executor.read_weights()
        assert found["reference"][0] == found["sample"][0]
        assert (found["reference"][0] > 0) is possible, (n, found["reference"][0])
        assert found["spiking"][0] == 0 or found["reference"][0] > 0
        if n == 300:
            assert found["spiking"][0] > 0
        if not found["reference"][0]:
            for name, w in found["spiking"][1].items():
                assert np.array_equal(w, found["reference"][1][name])


def test_a_closed_gate_leaves_room_for_what_is_relayed_to_it():
    """In phase 6 o_hi, which has just fired, takes 520 away: what is relayed never adds up to a breach unseen."""
    form = sample_form(short(300, 200, 3))
    closed = {(c.population, c.phase): (c.limit, c.low) for c in form.closed}
    assert closed["h1", 7] == (74240, -66048)
    assert closed["o", 6] == (74240, -66048 + 520)
    assert closed["o", 9] == (74240 - 520, -66048 + 520)


def test_outputs_that_could_open_units_are_refused():
    assert OUTPUTS_MAX == 36
    short(4, 3, 36)
    with pytest.raises(CircuitError, match=r"layers 4-3-40 have 40 outputs, but the limit is 36"):
        short(4, 3, 10, per_class=4)
    with pytest.raises(CircuitError, match="margin is 0"):
        short(4, 3, 2, margin=0)
    with pytest.raises(InputError, match="circuit 'nbp-short' has no option graded"):
        short(4, 3, 2, graded=100)
    with pytest.raises(CircuitError, match="'nbp-short' has 3 layers"):
        short(4, 3, 2, 2)


def test_it_travels_answers_by_a_ramp_and_costs_less_than_the_papers():
    circuit = short(400, 400, 10, ramp=(3072, -1024, 128))
    assert circuit_from_dict(circuit_to_dict(circuit)) == circuit
    assert circuit.answering.answers == "o_won"
    mine, papers = (make_plan(c, "nahuku32").estimate for c in (circuit, training_circuit(400, 400, 10)))
    assert abs(papers.milliseconds - 1.48) < 0.01
    assert mine.milliseconds < 0.8 * papers.milliseconds
    assert mine.millijoules < 0.8 * papers.millijoules
