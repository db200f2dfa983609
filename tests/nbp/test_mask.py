"""Matrices with a mask: by hand, against the same circuit with all synapses, and on all targets that have them."""

from dataclasses import replace

import numpy as np
import pytest
from circuit_simulator import simulate

from lava_nbp import trace
from lava_nbp.errors import CircuitError, WeightError
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuit_file import circuit_from_dict, circuit_to_dict
from lava_nbp.nbp.mask import Mask, patch_mask
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.weights import initial_weights

RULES = [{"margin": 2048}, {"margin": 2048, "graded": 300, "dropout": 0.2, "update_probability": (0.4, 0.2, 2)}]


def masked(circuit, rng, share=0.4, names=None):
    """The same circuit with some of the synapses of every matrix."""
    masks = {}
    for m in circuit.matrices:
        there = rng.random(m.shape) < share
        there[0, 0] = True
        masks[m.name] = Mask.of(there)
    return replace(circuit, matrices=tuple(replace(m, mask=masks.get(m.name)) for m in circuit.matrices))


def drawn(circuit, rng, n=20):
    weights = {}
    for m in circuit.matrices:
        weights[m.name] = 2 * rng.integers(-60, 127, m.shape) * (1 if m.mask is None else m.mask.matrix(m.shape))
    x = (rng.random((n, circuit.layers[0])) < 0.5).astype(np.uint8)
    return weights, x, np.eye(circuit.layers[-1], dtype=np.uint8)[rng.integers(0, circuit.layers[-1], n)]


# ------------------------------------------------------------------ the value


def test_runs_by_hand():
    there = np.array([[1, 1, 0, 1], [0, 0, 0, 0], [0, 1, 1, 1]])
    mask = Mask.of(there)
    assert mask.runs == ((0, 0, 2), (0, 3, 1), (2, 1, 3))
    assert mask.n_synapses == 6
    assert mask.extent == (3, 4)
    assert mask.row_first(4).tolist() == [0, 2, 2, 3, 3]
    assert mask.places(4).tolist() == np.flatnonzero(there).tolist()
    assert np.array_equal(mask.matrix((3, 4)), there == 1)
    assert mask.transposed((3, 4)) == Mask.of(there.T)
    assert hash(mask) == hash(Mask(mask.runs))


def test_what_is_no_matrix_of_numbers_is_no_mask():
    for bad in ([[np.nan, 1]], [[None]], 5, [[]], [["a"]], [[0, 0]]):
        with pytest.raises(CircuitError, match="mask"):
            Mask.of(bad)


@pytest.mark.parametrize("seed", range(20))
def test_a_mask_is_its_matrix(seed):
    rng = np.random.default_rng(seed)
    there = rng.random(rng.integers(1, 12, 2)) < rng.random()
    there[-1, -1] = True
    mask = Mask.of(there)
    assert np.array_equal(mask.matrix(there.shape), there)
    assert np.array_equal(mask.transposed(there.shape).matrix(there.shape[::-1]), there.T)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ((), "mask has no runs"),
        (((0, 0, 0),), "one column or more"),
        (((0, 2**70, 1),), "of 1048576 at most"),
        (((-1, 0, 2),), "0 or more"),
        (((1, 0, 2), (0, 0, 2)), "give them in order"),
        (((0, 0, 2), (0, 2, 2)), "next to each other"),
        (((0, 0, 3), (0, 2, 2)), "follows"),
        (((0, 0),), "runs is"),
        ("abc", "runs is"),
        (((0, 0, float("nan")),), "runs is"),
    ],
)
def test_impossible_masks(runs, words):
    with pytest.raises(CircuitError, match=words):
        Mask(runs)


def test_windows_by_hand():
    """Nine units on a 3 x 4 image with windows of 2: six places, in order; units 0 and 1 share the first."""
    mask = patch_mask((2, 3, 4), 9, 2).matrix((24, 9))
    assert (mask.sum(axis=0) == 8).all()
    assert np.array_equal(mask[:12], mask[12:])
    first = mask[:12, 0].reshape(3, 4)
    assert first.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    assert np.array_equal(mask[:, 0], mask[:, 1])
    assert mask[:12, 8].reshape(3, 4).tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    tops = [np.argmax(mask[:12, k].reshape(3, 4).any(axis=1)) for k in range(9)]
    assert tops == sorted(tops)


# ------------------------------------------------------------------ circuits


@pytest.mark.parametrize("chip_order", [False, True])
@pytest.mark.parametrize("rules", RULES)
def test_all_executors_agree(rules, chip_order):
    rng = np.random.default_rng(7)
    circuit = masked(training_circuit(layers=(14, 12, 9, 3), chip_order=chip_order, **rules), rng).with_seed(3)
    weights, x, t = drawn(circuit, rng, n=20)
    found = {}
    targets = ["reference", "sample", "spiking", "lava", "lava-primitives"] + ["lava-stock"] * chip_order
    for target in targets:
        with make_executor(target, circuit, weights) as executor:
            executor.begin_epoch(1)
            outcome, answers = executor.train(x, t), executor.infer(x)
            found[target] = (outcome.spikes, outcome.membrane, answers.membrane, *executor.read_weights().values())
            assert executor.read_copies() == {}
            if target == "reference":
                work = executor.work
            elif target == "sample":
                assert executor.work == work
    for rows in found.values():
        for one, other in zip(rows, found["reference"], strict=True):
            assert np.array_equal(one, other)
    for m, w in zip(circuit.matrices, found["sample"][3:], strict=True):
        assert not w[~m.mask.matrix(m.shape)].any()  # what is not there has not learned
    for m, w in zip(circuit.matrices[:-1], found["sample"][3:], strict=False):
        assert not np.array_equal(w, weights[m.name])


def test_without_draws_it_is_the_independent_simulator_of_all_synapses_with_the_missing_ones_held_at_zero():
    """One sample: what the simulator makes of missing synapses, which are 0 before it, does not matter within it."""
    rng = np.random.default_rng(2)
    full = training_circuit(layers=(10, 9, 8, 3), margin=2048)
    circuit = masked(full, rng)
    weights, x, t = drawn(circuit, rng, n=1)
    spikes, held = simulate(full, weights, x, t)
    found = trace("spiking", circuit, weights, x, t)
    for name, rows in spikes.items():
        assert np.array_equal(found[f"spikes/{name}"], rows), name
    for p in circuit.projections:
        mask = circuit.mask_of(p)
        expected = held[p.name] if mask is None else held[p.name] * mask.matrix(circuit.shape_of(p))
        assert np.array_equal(found[f"weights/{p.name}"], expected), p.name


def test_missing_synapses_take_no_memory():
    circuit = training_circuit(layers=(2 * 8 * 8, 1000, 10), patch=5, image=(2, 8, 8))
    full = training_circuit(layers=(128, 1000, 10))
    assert circuit.matrices[0].n_synapses == 50 * 1000
    assert full.n_dense_synapses - circuit.n_dense_synapses == 3 * (128_000 - 50_000)
    assert circuit.n_synapses - circuit.n_dense_synapses == full.n_synapses - full.n_dense_synapses
    weights = initial_weights(circuit, np.random.default_rng(0))
    held = Projections(circuit, weights)
    assert held.flat.size == circuit.n_dense_synapses
    assert np.array_equal(held.read_weights()["W1"], weights["W1"])
    spread = weights["W1"][weights["W1"] != 0].std()  # clipped, and rounded toward zero
    assert abs(spread - 1024 * np.sqrt(2 / (50 + 390.6))) < 3


def test_weights_where_there_is_no_synapse_are_refused():
    circuit = masked(training_circuit(layers=(5, 4, 3)), np.random.default_rng(0))
    weights = {m.name: np.full(m.shape, 2) for m in circuit.matrices}
    for target in ("reference", "sample", "spiking"):
        with pytest.raises(WeightError, match=r"W1\[\d, \d\] is 2, but there is no synapse there"):
            make_executor(target, circuit, weights)


def test_a_mask_travels_and_must_fit():
    circuit = masked(training_circuit(layers=(5, 4, 3)), np.random.default_rng(0))
    assert circuit_from_dict(circuit_to_dict(circuit)) == circuit
    with pytest.raises(CircuitError, match="its mask has synapses up to"):
        replace(circuit, matrices=(replace(circuit.matrices[0], mask=Mask(((9, 0, 1),))), circuit.matrices[1]))


@pytest.mark.parametrize("rules", RULES)
def test_every_spike_and_every_copy_is_the_same_on_all_targets(rules):
    rng = np.random.default_rng(5)
    circuit = masked(training_circuit(layers=(9, 8, 7, 3), **rules), rng).with_seed(2)
    weights, x, t = drawn(circuit, rng, n=4)
    expected = trace("spiking", circuit, weights, x, t)
    for target in ("lava", "lava-primitives", "lava-stock"):
        found = trace(target, circuit, weights, x, t)
        assert found.keys() == expected.keys()
        for name, rows in expected.items():
            assert np.array_equal(found[name], rows), (target, name)


def test_chips_have_no_masks():
    rng = np.random.default_rng(1)
    circuit = masked(training_circuit(layers=(5, 4, 3)), rng)
    weights, _, _ = drawn(circuit, rng, 2)
    with pytest.raises(CircuitError, match="matrix 'W1' has a mask"):
        make_executor("loihi2", circuit, weights)


@pytest.mark.parametrize("seed", range(30))
def test_any_mask_on_any_matrix_and_any_rule(seed):
    """Sample, spiking and the oracle: few synapses or nearly all, whole matrices among them, and gates that breach."""
    rng = np.random.default_rng(seed)
    layers = (int(rng.integers(2, 30)), *map(int, rng.integers(1, 25, rng.integers(1, 4))), int(rng.integers(1, 6)))
    rules = {
        "margin": int(64 * rng.integers(0, 40)), "chip_order": bool(rng.random() < 0.5),
        "graded": int(rng.choice([0, 200])), "dropout": float(rng.choice([0, 0.3])),
        "update_probability": (1.0, 0.2, 3) if rng.random() < 0.5 else (1.0, 1.0, 1),
    }  # fmt: skip
    circuit = masked(training_circuit(layers=layers, **rules), rng, rng.choice([0.1, 0.5, 0.95])).with_seed(seed)
    whole = rng.random(len(circuit.matrices)) < 0.3
    circuit = replace(
        circuit, matrices=tuple(replace(m, mask=None) if w else m for m, w in zip(circuit.matrices, whole, strict=True))
    )
    if rng.random() < 0.3:  # inhibition that is overcome
        weaker = tuple(replace(c, weight=-8128) if c.role == "inhibit" else c for c in circuit.connections)
        circuit = replace(circuit, connections=weaker)
    weights, x, t = drawn(circuit, rng, n=40)
    found = {}
    for target in ("reference", "sample", "spiking"):
        with make_executor(target, circuit, weights) as executor:
            executor.begin_epoch(2)
            outcome, answers = executor.train(x, t), executor.infer(x)
            arrays = (outcome.spikes, outcome.membrane, answers.membrane, *executor.read_weights().values())
            found[target] = executor.work, arrays
    assert found["sample"][0] == found["reference"][0]
    for one, other in zip(found["sample"][1], found["reference"][1], strict=True):
        assert np.array_equal(one, other)
    if not found["reference"][0].gate_breaches:
        for one, other in zip(found["spiking"][1], found["reference"][1], strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize("n", [292, 293])
@pytest.mark.parametrize("erring", [0, 1, 2, 3])
def test_errors_of_wide_members_breach_one_by_one(n, erring):
    """By hand: no hidden unit fires, all of h1 errs in a member whose outputs are to fire, and so drives closed h2."""
    members, layers = 3, (4, n, 20, 2)
    circuit = training_circuit(layers=layers, members=members, margin=1024, box=(-1024, 2048))
    weights = {"W1": 100, "W2": 254, "W3": 2}
    weights = {m.name: np.full(m.shape, weights[m.name]) for m in circuit.matrices}
    for m in circuit.matrices:
        weights[m.name] *= 1 if m.mask is None else m.mask.matrix(m.shape)
    x = np.array([[1, 1, 0, 0]])
    t = np.tile(np.arange(members) < erring, 2)[None]
    for target in ("reference", "sample", "spiking"):
        with make_executor(target, circuit, weights) as executor:
            executor.train(x, t)
            after, breaches = executor.read_weights(), executor.work.gate_breaches
        assert np.count_nonzero(after["W1"] != weights["W1"]) == 2 * n * erring
        # Two inhibitory synapses hold h2, h2_lo and h2_hi up to 74 240: not 293 * 254 = 74 422, but 292 * 254 = 74 168.
        assert breaches == 3 * 20 * erring * (n == 293), target
