"""Faults: what each kind does, by hand, and that the executors that can have them agree."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_samples, random_weights

from lava_nbp.errors import InputError
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.faults import KINDS, Faults
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.sample_engine import SampleExecutor
from lava_nbp.nbp.spiking_engine import SpikingEngine, SpikingExecutor

LAYERS = (20, 15, 6)


def problem(seed, n=12, layers=LAYERS):
    rng = np.random.default_rng(seed)
    weights = random_weights(layers, rng)
    x, _, targets = random_samples(n, layers, rng, density=0.5)
    return weights, x, targets


def run(target, faults, seed=0, **variant):
    weights, x, targets = problem(seed)
    with make_executor(target, training_circuit(*LAYERS, **variant), weights, faults=faults) as executor:
        trained, answers = executor.train(x, targets), executor.infer(x)
        return [trained.spikes, answers.spikes, *executor.read_weights().values()]


SHARE = st.sampled_from([0.0, 0.1, 0.5])


@given(
    faults=st.builds(Faults, dead=SHARE, lost=SHARE, stuck=SHARE, seed=st.integers(0, 1000)),
    seed=st.integers(0, 1000),
    chip_order=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_sample_and_spiking_agree_where_all_copies_break_together(faults, seed, chip_order):
    variant = {"guarded": True, "chip_order": chip_order}
    for one, two in zip(run("sample", faults, seed, **variant), run("spiking", faults, seed, **variant), strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("target", ["sample", "spiking"])
def test_no_faults_change_nothing(target):
    for one, two in zip(run(target, Faults(seed=3)), run(target, None), strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("target", ["sample", "spiking"])
def test_everything_broken(target):
    """All neurons dead, all spikes lost, or no pulse: no answer. All synapses stuck: an answer, but nothing learned."""
    weights, _, _ = problem(0)
    for faults in (Faults(dead=1), Faults(dropped=1), Faults(pulse_loss=1)):
        trained, answered, W1, W2 = run(target, faults)
        assert not trained.any()
        assert not answered.any()
        assert np.array_equal(W1, weights["W1"])
        assert np.array_equal(W2, weights["W2"])
    trained, answered, W1, W2 = run(target, Faults(stuck=1))
    assert trained.any()
    assert np.array_equal(W1, weights["W1"])
    assert np.array_equal(W2, weights["W2"])
    _, _, W1, W2 = run(target, Faults(lost=1))
    assert not W1.any()
    assert not W2.any()


def test_a_dead_hidden_unit_by_hand():
    """Which one is known: with it the network answers as if its rows and columns of weights were not there."""
    faults = Faults(dead=0.3, seed=1)
    dead = faults.dead_units("h1", LAYERS[1])
    assert 0 < dead.sum() < LAYERS[1]
    weights, x, _ = problem(0)
    x = x * ~faults.dead_units("x", LAYERS[0])
    cut = {"W1": weights["W1"].copy(), "W2": np.where(dead[:, None], 0, weights["W2"])}
    with (
        SampleExecutor(training_circuit(*LAYERS), weights, faults=faults) as broken,
        SampleExecutor(training_circuit(*LAYERS), cut) as whole,
    ):
        alive = ~faults.dead_units("o", LAYERS[2])
        assert np.array_equal(broken.infer(x).spikes, whole.infer(x).spikes * alive)


def test_copies_break_one_by_one_if_apart():
    faults = Faults(dead=0.5, lost=0.2, apart=True)
    weights, _, _ = problem(0)
    engine = SpikingEngine(Projections(training_circuit(*LAYERS), weights, faults=faults), faults=faults)
    lost = [engine.projections.arrays[name] == 0 for name in ("W1", "W1_lo", "W1_hi")]
    assert not np.array_equal(lost[0], lost[1])
    assert not np.array_equal(faults.dead_units("h1", 15), faults.dead_units("h1_lo", 15))
    with pytest.raises(InputError, match="faults.apart .* use target spiking"):
        SampleExecutor(training_circuit(*LAYERS), weights, faults=faults)


def test_flipped_bits_by_hand():
    weights = np.array([[0, 2, -2, 254, -254]], np.int16)
    assert np.array_equal(Faults(flips=0).flipped("W", weights), weights)
    # All eight bits of k = w / 2: 0 -> -1, 1 -> -2, -1 -> 0, 127 -> -128 (kept off -256), -127 -> 126.
    assert Faults(flips=1).flipped("W", weights).tolist() == [[-2, -4, 0, -254, 252]]
    some = Faults(flips=0.02, seed=4).flipped("W", np.zeros((100, 100), np.int16))
    assert 0.1 < (some != 0).mean() < 0.2  # 1 - 0.98**8 = 0.149
    assert (np.abs(some) <= 254).all()
    assert (some % 2 == 0).all()


def test_rates_of_what_goes_wrong_in_passing():
    """Dropped and spurious spikes come as often as they should, and differently in every epoch."""
    circuit, n = training_circuit(200, 2, 1), 50
    weights = {"W1": np.zeros((200, 2), int), "W2": np.zeros((2, 1), int)}
    x, t = np.ones((n, 200), np.uint8), np.zeros((n, 1), np.uint8)
    rasters = {}
    for name, faults in {"dropped": Faults(dropped=0.1), "spurious": Faults(spurious=0.01)}.items():
        for epoch in (1, 2):
            engine = SpikingEngine(Projections(circuit, weights), faults=faults)
            engine.begin_epoch(epoch)
            _, raster = engine.run(x, t, record=True)
            rasters[name, epoch] = engine.split(raster)
        assert not np.array_equal(rasters[name, 1]["x"], rasters[name, 2]["x"])
    phase2 = rasters["dropped", 1]["x"][2::12]
    assert abs(phase2.mean() - 0.9) < 0.01
    silent = rasters["spurious", 1]["m_h1"]  # W1 is 0: whatever fires here does so without reason
    assert abs(silent.mean() - 0.01) < 0.006
    assert not rasters["spurious", 1]["g05"][0::12].any()  # gating neurons have faults of their own


def test_a_lost_pulse_costs_the_rest_of_a_sample():
    weights, x, targets = problem(3, n=200)
    engine = SpikingEngine(Projections(training_circuit(*LAYERS), weights), faults=Faults(pulse_loss=0.05))
    _, raster = engine.run(x, targets, record=True)
    spikes = engine.split(raster)
    gates = np.hstack([spikes[name] for name in engine.circuit.chain])[1:].reshape(200, 12, 12)
    fired = np.array([[gates[i, p, (p + 1) % 12] for p in range(12)] for i in range(200)])  # phase p + 1 of sample i
    lasts = Counter()
    for row in fired:
        last = int(row.argmin()) if not row.all() else 12
        assert not row[last:].any()  # once lost, it is gone until the next sample
        lasts[last] += 1
    assert 80 < lasts[12] < 140  # 0.95**12 = 0.54 of 200
    assert len(lasts) > 5


def test_executors_that_cannot_have_faults_say_so():
    weights, _, _ = problem(0)
    for target in ("reference", "lava"):
        with pytest.raises(InputError, match=f"executor '{target}' cannot run with faults; use target sample or spik"):
            make_executor(target, training_circuit(*LAYERS), weights, faults=Faults(dead=0.1))
    with pytest.raises(InputError, match="faults.dead is 1.5"):
        Faults(dead=1.5)
    assert {"dead", "lost", "stuck", "flips", "dropped", "spurious", "pulse_loss"} == set(KINDS)


def test_the_same_faults_after_a_restart():
    """Broken units follow from seed and names alone."""
    weights, x, targets = problem(0)
    faults = Faults(dead=0.2, dropped=0.1, spurious=0.01, seed=5)
    results = []
    for _ in range(2):
        with SpikingExecutor(training_circuit(*LAYERS), weights, faults=faults) as executor:
            executor.begin_epoch(3)
            results.append(executor.train(x, targets).spikes)
    assert np.array_equal(*results)


def test_a_spike_without_reason_is_wrong_however_low_its_input_by_hand():
    """All fire without reason. The output's input is 5 * -20, outside the box, but its spike is unlearned."""
    weights = {"W1": np.full((5, 5), 200), "W2": np.full((5, 1), -20)}
    with SampleExecutor(training_circuit(5, 5, 1), weights, faults=Faults(spurious=1)) as executor:
        outcome = executor.train(np.ones((1, 5), np.uint8), np.zeros((1, 1), np.uint8))
        assert outcome.membrane.tolist() == [[-100]]
        assert outcome.spikes.tolist() == [[1]]
        assert (executor.read_weights()["W2"] == -22).all()
