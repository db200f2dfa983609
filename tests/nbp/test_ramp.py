"""The ramp: who fires first, by hand, by a formula, by the independent simulator, and on every target that answers."""

import numpy as np
import pytest
from circuit_simulator import simulate
from own_circuits import feedforward_circuit

from lava_nbp import trace
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.paper import inference_circuit, training_circuit
from lava_nbp.nbp.ramp import Ramp, with_ramp


def expected_answers(membrane, ramp):
    """Spikes of the outputs that exceed a firing point of the ramp before any other does."""
    first = np.full(membrane.shape, len(ramp.points))
    for k in reversed(range(len(ramp.points))):
        first[membrane > ramp.points[k]] = k
    fired = first < len(ramp.points)
    return (fired & (first == first.min(axis=1, keepdims=True))).astype(np.uint8)


def test_a_ramp_by_hand():
    """Sums of 40 * 30 = 1200 and of 1240: above 1216, the second point, is the second output only."""
    circuit = training_circuit(layers=(3, 40, 3), ramp=(1280, 1088, 64))
    weights = {"W1": np.full((3, 40), 254), "W2": np.column_stack([np.full(40, 30)] * 3)}
    weights["W2"][:20, 1] = 32  # 1240
    for target in ("reference", "sample", "spiking", "lava"):
        with make_executor(target, circuit, weights) as executor:
            answer = executor.infer([[1, 1, 1], [0, 0, 0], [1, 1, 1]])
            trained = executor.train([[1, 1, 1]], [[0, 1, 0]])
        assert answer.membrane.tolist() == [[1200, 1240, 1200], [0, 0, 0], [1200, 1240, 1200]], target
        assert answer.spikes.tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]], target  # sums of 0 are below the ramp
        assert trained.spikes.tolist() == [[1, 1, 1]], target  # while it learns, all above 512 fire


def test_phases_and_neurons_by_formula():
    for hidden, ramp in ((1, Ramp(1024, 0, 256)), (2, Ramp(3072, -1024, 128)), (1, Ramp(512, 512, 64))):
        circuit = training_circuit(layers=(5, *(4,) * hidden, 3), ramp=ramp)
        steps = (ramp.top - ramp.bottom) // ramp.step + 1
        found = circuit.answering
        assert found.period == hidden + 3 + steps + 1
        assert found.n_neurons == 5 + 4 * hidden + 3 * 3 + 1 + found.period
        assert found.layers == circuit.layers
        assert found.output_phase == found.period
        assert found.answers == "o_won"
        assert len(ramp.points) == steps


@pytest.mark.parametrize("layers", [(12, 9, 4), (12, 9, 7, 4), (6, 5, 1)])
@pytest.mark.parametrize("ramp", [(2048, -1024, 256), (512, 512, 64), (7104, -7104, 64)])
def test_all_that_answer_agree_with_the_formula(layers, ramp):
    circuit = training_circuit(layers=layers, ramp=ramp)
    rng = np.random.default_rng(1)
    weights = {m.name: 2 * rng.integers(-127, 128, m.shape) for m in circuit.matrices}
    x = (rng.random((200, layers[0])) < 0.5).astype(np.uint8)
    answers = {}
    for target in ("reference", "sample", "spiking"):
        with make_executor(target, circuit, weights) as executor:
            executor.begin_epoch(1)
            answers[target] = executor.infer(x)
    for answer in answers.values():
        assert np.array_equal(answer.membrane, answers["reference"].membrane)
        assert np.array_equal(answer.spikes, expected_answers(answer.membrane, Ramp(*ramp)))


def test_it_says_what_the_largest_sum_says_up_to_a_step():
    rng = np.random.default_rng(2)
    circuit = training_circuit(layers=(30, 40, 10), ramp=(4096, -2048, 64))
    weights = {"W1": 2 * rng.integers(-60, 121, (30, 40)), "W2": 2 * rng.integers(-60, 61, (40, 10))}
    x = (rng.random((2000, 30)) < 0.5).astype(np.uint8)
    with make_executor("sample", circuit, weights) as executor:
        answer = executor.infer(x)
    ordered = np.sort(answer.membrane, axis=1)
    inside = (ordered[:, -1] <= 4096) & (ordered[:, -1] > -2048)
    clear = inside & (ordered[:, -1] - ordered[:, -2] >= 64)
    assert clear.mean() > 0.5
    assert (answer.spikes.sum(axis=1)[clear] == 1).all()
    assert np.array_equal(answer.spikes.argmax(axis=1)[clear], answer.membrane.argmax(axis=1)[clear])
    assert (answer.spikes.argmax(axis=1)[inside] == answer.membrane.argmax(axis=1)[inside]).mean() > 0.95


@pytest.mark.parametrize("target", ["spiking", "lava", "lava-primitives", "lava-stock"])
def test_every_spike_agrees_with_the_independent_simulator(target):
    circuit = with_ramp(inference_circuit(6, 5, 3), Ramp(1024, -256, 256))
    rng = np.random.default_rng(3)
    weights = {m.name: 2 * rng.integers(-127, 128, m.shape) for m in circuit.matrices}
    x = (rng.random((6, 6)) < 0.6).astype(np.uint8)
    spikes, _ = simulate(circuit, weights, x)
    found = trace(target, circuit, weights, x)
    for name, rows in spikes.items():
        assert np.array_equal(found[f"spikes/{name}"], rows), name


@pytest.mark.parametrize("granularity", ["step", "sample"])
def test_on_lava_sums_and_spikes_come_in_their_own_phases(granularity):
    circuit = training_circuit(layers=(6, 5, 3), ramp=(1024, -1024, 256))
    rng = np.random.default_rng(4)
    weights = {m.name: 2 * rng.integers(-127, 128, m.shape) for m in circuit.matrices}
    x = (rng.random((9, 6)) < 0.6).astype(np.uint8)
    with (
        make_executor("lava", circuit, weights, granularity=granularity, timeout=60) as lava,
        make_executor("reference", circuit, weights) as oracle,
    ):
        one, other = lava.infer(x), oracle.infer(x)
    assert np.array_equal(one.spikes, other.spikes)
    assert np.array_equal(one.membrane, other.membrane)


@pytest.mark.parametrize(
    "bad", [(0, 64, 64), (100, 0, 64), (128, 0, 96), (128, 0, 0), (8192, 0, 64), (0, -8192, 64), (64, 0, float("nan"))]
)
def test_impossible_ramps(bad):
    with pytest.raises(CircuitError, match="ramp"):
        Ramp(*bad)


def test_an_output_that_hears_more_than_its_layer_has_no_ramp():
    circuit = feedforward_circuit(4, 3, 2)
    assert with_ramp(circuit, Ramp()).answers == "layer2_won"
    with pytest.raises(CircuitError, match="has the readout 'layer2_won' already"):
        with_ramp(with_ramp(circuit, Ramp()), Ramp())
    with pytest.raises(CircuitError, match="a ramp needs an output that fires once"):
        with_ramp(training_circuit(4, 3, 2), Ramp())


def test_without_a_pulse_nobody_wins_and_what_goes_wrong_on_the_way_needs_spikes():
    circuit = training_circuit(layers=(3, 40, 3), ramp=(1280, -1024, 64))
    weights = {m.name: np.full(m.shape, 2) for m in circuit.matrices}
    x = np.ones((400, 3), np.uint8)
    lost = {}
    for target in ("sample", "spiking"):
        with make_executor(target, circuit, weights, faults=Faults(pulse_loss=0.02)) as executor:
            lost[target] = (executor.infer(x).spikes.sum(axis=1) == 0).mean()
    # A pulse of 41 phases is lost with 1 - 0.98**41.
    assert abs(lost["sample"] - 0.563) < 0.08
    assert abs(lost["spiking"] - lost["sample"]) < 0.1
    for faults in (Faults(dropped=0.1), Faults(spurious=0.1)):
        with pytest.raises(InputError, match="meets every spike of a readout's phases"):
            make_executor("sample", circuit, weights, faults=faults)
        with make_executor("spiking", circuit, weights, faults=faults) as executor:
            executor.infer(x[:2])
