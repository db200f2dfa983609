"""The step-by-step engine, phase by phase against a case done by hand."""

import numpy as np
import pytest

from lava_nbp import make_executor
from lava_nbp.errors import InputError, WeightError
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.spiking_engine import SpikingEngine, SpikingExecutor

LAYERS = (5, 4, 2)
# a1 = 1000 everywhere: h1 fires inside the box. a2 = (292, 762): output 0 must rise, output 1 must fall.
W1 = np.full((5, 4), 200)
W2 = np.array([[252, 0], [0, 254], [0, 254], [40, 254]])
X, T = np.ones((1, 5), np.uint8), np.array([[1, 0]], np.uint8)

#: What fires in each phase; populations that are not named are silent.
BY_HAND = {
    0: {"g00": [1]},
    1: {"g01": [1]},
    2: {"g02": [1], "x": [1] * 5},
    3: {"g03": [1], "h1": [1] * 4, "h1_lo": [1] * 4},
    4: {"g04": [1], "m_h1": [1] * 4, "o": [0, 1], "o_lo": [1, 1], "t": [1, 0]},
    5: {"g05": [1], "d_pos": [1, 0], "d_neg": [0, 1]},
    6: {"g06": [1], "h1": [1] * 4, "h1_T": [1] * 4, "o": [1, 0], "o_lo": [1, 0], "o_hi": [1, 0], "o_T": [0, 1]},
    7: {"g07": [1], "m_x": [1] * 5, "c_h1": [1] * 4, "h1_T": [1, 0, 0, 0]},
    8: {"g08": [1], "x": [1] * 5, "h1": [1, 0, 0, 0], "h1_lo": [1, 0, 0, 0], "h1_hi": [1, 0, 0, 0]},
    9: {"g09": [1]},
    10: {"g10": [1], "h1": [1] * 4, "h1_T": [1] * 4, "o": [0, 1], "o_lo": [0, 1], "o_hi": [0, 1], "o_T": [1, 0]},
    11: {"g11": [1], "h1_T": [0, 1, 1, 1]},
    12: {"g00": [1], "x": [1] * 5, "h1": [0, 1, 1, 1], "h1_lo": [0, 1, 1, 1], "h1_hi": [0, 1, 1, 1]},
}


def engine():
    return SpikingEngine(Projections(training_circuit(*LAYERS), {"W1": W1, "W2": W2}))


def test_one_sample_phase_by_phase():
    e = engine()
    for phase in range(13):
        x = X[0] if phase == 1 else np.zeros(5, np.uint8)
        t = T[0] if phase == 3 else np.zeros(2, np.uint8)
        if phase == 4:
            assert (e.input_of("o") - 8704).tolist() == [292, 762]
        e.step(x, t)
        for p in e.circuit.populations:
            expected = BY_HAND[phase].get(p.name, [0] * p.size)
            assert e.spikes_of(p.name).tolist() == expected, (phase, p.name)
    assert e.counters.gate_breaches == 0


def test_weights_phase_by_phase():
    e = engine()
    before = {name: w.copy() for name, w in e.projections.arrays.items()}
    changes = {}
    for phase in range(13):
        e.step(X[0] if phase == 1 else 0 * X[0], T[0] if phase == 3 else 0 * T[0])
        for name, w in e.projections.arrays.items():
            if not np.array_equal(w, before[name]):
                changes[phase, name] = (w - before[name]).tolist()
                before[name] = w.copy()
    up, down = [[2, 0]] * 4, [[0, -2]] * 4
    assert changes == {
        **{(6, name): up for name in ("W2", "W2_lo", "W2_hi")},
        (6, "W2_T"): [[2] * 4, [0] * 4],
        (6, "W2_T_neg"): [[0] * 4, [2] * 4],  # W2[:, 1] is about to fall: -W2.T rises first
        **{(8, name): [[2, 0, 0, 0]] * 5 for name in ("W1", "W1_lo", "W1_hi")},
        **{(10, name): down for name in ("W2", "W2_lo", "W2_hi")},
        (10, "W2_T"): [[0] * 4, [-2] * 4],
        (10, "W2_T_neg"): [[-2] * 4, [0] * 4],
        **{(12, name): [[0, -2, -2, -2]] * 5 for name in ("W1", "W1_lo", "W1_hi")},
    }


def test_run_is_the_same_as_steps():
    stepped, ran = engine(), engine()
    outcome, raster = ran.run(X, T, record=True)
    rows = []
    for phase in range(13):
        stepped.step(X[0] if phase == 1 else 0 * X[0], T[0] if phase == 3 else 0 * T[0])
        rows.append(stepped.all_spikes())
    assert np.array_equal(raster, rows)
    assert stepped.counters == ran.counters
    assert outcome.spikes.tolist() == [[0, 1]]
    assert outcome.membrane.tolist() == [[292, 762]]


def test_copies_stay_exact_over_many_samples():
    rng = np.random.default_rng(0)
    weights = {"W1": 2 * rng.integers(-60, 128, (30, 20)), "W2": 2 * rng.integers(-127, 128, (20, 6))}
    e = SpikingEngine(Projections(training_circuit(30, 20, 6), weights))
    start = e.projections.read_weights()
    e.run((rng.random((300, 30)) < 0.5).astype(np.uint8), (rng.random((300, 6)) < 0.3).astype(np.uint8))
    w, p = e.projections.read_weights(), e.projections.arrays
    assert not np.array_equal(w["W1"], start["W1"])
    assert not np.array_equal(w["W2"], start["W2"])
    for name, copy in p.items():
        matrix = w[name[:2]]
        expected = -matrix.T if name == "W2_T_neg" else matrix.T if name == "W2_T" else matrix
        assert np.array_equal(copy, expected), name


def test_reset_forgets_spikes_but_not_weights():
    e = engine()
    _, first = e.run(X, T, record=True)
    w = e.projections.read_weights()
    e.reset()
    assert e.steps == 0
    assert {k: v.tolist() for k, v in e.projections.read_weights().items()} == {k: v.tolist() for k, v in w.items()}
    e.projections.write_weights({"W1": W1, "W2": W2})
    _, second = e.run(X, T, record=True)
    assert np.array_equal(first, second)


def test_inference_circuit_by_hand():
    e = SpikingEngine(Projections(inference_circuit(*LAYERS), {"W1": W1, "W2": W2}))
    outcome, raster = e.run(np.vstack([X, 0 * X, X]), record=True)
    spikes = e.split(raster)
    assert raster.shape == (13, 15)
    assert np.flatnonzero(spikes["x"].all(axis=1)).tolist() == [2, 10]
    assert np.flatnonzero(spikes["h1"].all(axis=1)).tolist() == [3, 11]
    assert {row: spikes["o"][row].tolist() for row in np.flatnonzero(spikes["o"].any(axis=1))} == {
        4: [0, 1],
        12: [0, 1],
    }
    assert outcome.spikes.tolist() == [[0, 1], [0, 0], [0, 1]]
    assert outcome.membrane.tolist() == [[292, 762], [0, 0], [292, 762]]
    assert (e.projections.arrays["W1"] == 200).all()


@pytest.mark.parametrize(
    ("x", "t", "message"),
    [
        (np.zeros((3, 4)), np.zeros((3, 2)), r"x have shape \(3, 4\)"),
        (np.zeros((3, 5)), np.zeros((2, 2)), "3 samples of x, but 2 of t; give as many"),
        (np.full((3, 5), 2), np.zeros((3, 2)), r"x\[0, 0\] is 2"),
        (np.full((3, 5), np.nan), np.zeros((3, 2)), r"x\[0, 0\] is nan"),
        (np.full((3, 5), "a"), np.zeros((3, 2)), "dtype <U1"),
        (np.zeros((3, 5)), np.full((3, 2), -1), r"t\[0, 0\] is -1"),
    ],
)
def test_wrong_samples(x, t, message):
    with pytest.raises(InputError, match=message):
        SpikingExecutor(training_circuit(*LAYERS), {"W1": W1, "W2": W2}).train(x, t)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"W1": W1}, "this network has"),
        ({"W1": W1, "W2": W2, "W3": W2}, "this network has"),
        ({"W1": W1 + 1, "W2": W2}, r"W1\[0, 0\] is 201"),
        ({"W1": W1, "W2": 2 * W2}, r"W2\[0, 0\] is 504"),
    ],
)
def test_wrong_weights_change_nothing(weights, message):
    executor = SpikingExecutor(training_circuit(*LAYERS), {"W1": W1, "W2": W2})
    with pytest.raises(WeightError, match=message):
        executor.write_weights(weights)
    assert np.array_equal(executor.read_weights()["W1"], W1)


def test_the_chips_order_takes_the_hidden_error_from_the_weights_before_their_update():
    """W2 d is (-2, 254) before the update and (0, 254) after it: only with the first does unit 0 lose weight."""
    weights = {"W1": np.full((5, 2), 200), "W2": np.array([[-2], [254]])}
    x, t = np.ones((1, 5), np.uint8), np.ones((1, 1), np.uint8)
    changes = {}
    for chip_order in (False, True):
        e = SpikingEngine(Projections(training_circuit(5, 2, 1, chip_order=chip_order), weights))
        e.run(x, t)
        changes[chip_order] = (e.projections.read_weights()["W1"] - 200)[0].tolist()
        assert e.projections.read_weights()["W2"].tolist() == [[0], [254]]
    assert changes == {False: [0, 2], True: [-2, 2]}


def test_spikes_by_which_kernels_would_index_wrongly_are_refused():
    engine = SpikingEngine(Projections(training_circuit(*LAYERS), {"W1": W1, "W2": W2}))
    x, t = np.zeros((7, 5), np.uint8), np.zeros((7, 2), np.uint8)
    for external in (
        (),
        (x,),
        (x, t, t),
        (t, x),
        (x, t[:4]),
        (x[:, :3], t),
        (x[0], t[0]),
        (x.tolist(), t),
        (x * 1.0, t),
    ):
        with pytest.raises(InputError, match=r"but circuit 'nbp' needs uint8 arrays of \('n', 5\), \('n', 2\)"):
            engine.run(*external)
    for external in ((x[0],), (x[0], t[0], t[0]), (x, t), (t[0], x[0]), (x[0] > 0, t[0])):
        with pytest.raises(InputError, match=r"needs uint8 arrays of \(5,\), \(2,\)"):
            engine.step(*external)
    engine.step()  # no spikes


@pytest.mark.parametrize("target", ["reference", "sample", "spiking"])
@pytest.mark.parametrize("epoch", [-1, 0.5, True, np.nan, "1", None, 2**63])
def test_epochs_that_there_are_not_are_refused(target, epoch):
    executor = make_executor(target, training_circuit(*LAYERS), {"W1": W1, "W2": W2})
    with pytest.raises(InputError, match=f"epoch is {epoch!r}, but must be an integer in 0 .. 9223372036854775807"):
        executor.begin_epoch(epoch)
