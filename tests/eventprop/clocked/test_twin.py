"""Gradients against finite differences of the integer system's real-valued twin, whose spikes keep their steps."""

from itertools import pairwise

import numpy as np
import pytest
from clocked_twin import Neurons, Twin, by_first_spikes, by_voltages, first_spikes, slopes

from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import spike_trains

P, END, LAYERS = NeuronParameters(20.0, 5.0), 60.0, (4, 6, 5, 3)
TTFS, MEAN = (3.0, 6.4, 0.02), (15.0, 9.0)
#: Of the policy for a silent label.
STRENGTH = 0.7
LOSSES = [TTFSLoss(*TTFS), MaxVoltageLoss(), MeanVoltageLoss(*MEAN)]
#: Of V and I. A chip's v of one threshold has some five bits more, and an output that only integrates has several.
BITS = {"exact": (17, 17), "loihi": (16, 14)}


def made(loss, neuron, seed=0, dt=1.0, adjoint_bits=20, delays=True, silent="none", floor=0.1, refractory=0):
    """A network with recurrent layers, and delays that are learned: of synapses in front, of sources behind."""
    rng = np.random.default_rng(seed)
    pairs = zip((3.5, 1.4, 1.4), pairwise(LAYERS), strict=True)
    weights = [rng.normal(m, 0.7, s) for m, s in pairs]
    spiking = isinstance(loss, TTFSLoss)
    loops = (True, False, spiking and silent == "none")
    recurrent = [rng.normal(0, 0.5, (n, n)) if loop else None for n, loop in zip(LAYERS[1:], loops, strict=True)]
    late = [rng.integers(0, 5, (4, 6)), rng.integers(0, 5, (6, 5)), rng.integers(0, 5, 5)]
    options = {"delays": late, "recurrent_delays": [rng.integers(0, 4, 6), None, None], "delay_rate": 1.0}
    c, readout = (FixedPoint(P, dt, END, bits, 24, adjoint_bits, floor, neuron, refractory) for bits in BITS[neuron])
    policy = SilentPolicy(silent, STRENGTH if silent == "phantom" else 1.0)
    setup = Setup(c, loss, policy, layers=(c, c, c if spiking else readout))
    return ClockedEngine(weights, setup, recurrent=recurrent, **options if delays else {})


def neurons_of(c):
    """The twin's: of a chip what its registers say, 4096ths and 64ths."""
    tau_m, tau_s, dt = c.p.tau_m, c.p.tau_s, c.dt
    if c.neuron == "loihi":
        return Neurons(
            (4096 - c.dv) / 4096, (4095 - c.du) / 4096, 2**c.theta_bits / (64 * c.vth), tau_m, c.floor, c.refractory
        )
    a, b = np.exp(-dt / tau_m), np.exp(-dt / tau_s)
    return Neurons(a, b, tau_s / (tau_m - tau_s) * (a - b), tau_m, c.floor, c.refractory)


def loss_of(loss, engine, label):
    """As a function of what the twin finds; of a silent label its largest voltage, as the policy phantom has it."""
    (*_, spikes), dt = spikes_of(engine), engine.c.dt

    def value(found):
        V, times = found[-1]
        if isinstance(loss, TTFSLoss):
            first = first_spikes(times, spikes, V.shape[2], dt)
            if np.isfinite(first[0, label]):
                return by_first_spikes(first, label, *TTFS)
            return -STRENGTH * V[:, V[0, :, label].argmax(), label]
        if isinstance(loss, MaxVoltageLoss):
            return by_voltages(V[:, V[0].argmax(axis=0), np.arange(V.shape[2])], label)
        g = np.exp(-np.arange(V.shape[1]) * dt / MEAN[0])
        return by_voltages(np.einsum("k,bkn->bn", g / g.sum(), V), label, MEAN[1])

    return value


def spikes_of(engine):
    return [
        list(zip(t.step[:n].tolist(), t.neuron[:n].tolist(), strict=True))
        for t, n in zip(engine._tapes, engine._spikes, strict=True)
    ]


def compared(loss, engine, seed):
    """Gradients of the engine and slopes of the twin by weights and by learned delays, and what the engine counted."""
    dt, rng = engine.c.dt, np.random.default_rng([seed, 1])
    steps, sources = np.sort(rng.integers(0, engine.c.steps // 2, 12)), rng.integers(0, 4, 12)
    result, found = engine.gradient(spike_trains([(steps * dt, sources)], 4, END), np.array([seed % 3]))
    assert result.overflowed == result.saturated == 0
    weights = [*engine.weights, *(loop for loop in engine.loops if loop is not None)]
    delays = [np.zeros(w.shape, int) if d is None else d for w, d in zip(weights, engine.delays, strict=True)]
    ways = [*((k, k + 1) for k in range(len(LAYERS) - 1)), *((k + 1, k + 1) for k in engine.looped)]
    twin = Twin(LAYERS, [neurons_of(c) for c in engine.arithmetic], ways, dt, engine.c.steps)
    inputs = list(zip(steps.tolist(), sources.tolist(), strict=True))
    by_weights, by_delays = slopes(twin, loss_of(loss, engine, seed % 3), weights, delays, inputs, spikes_of(engine))
    learned = [
        g if own.masters.ndim == 2 else g.sum(axis=1)
        for g, own in zip(by_delays, engine.learned_delays, strict=True)
        if own is not None
    ]
    return found, [*by_weights, *learned], result


def units(found, expected, bits=20):
    """The largest difference, in units of adjoint variables, half of one being rounded in every step and spike."""
    off = max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True))
    return off / (P.tau_s / 2**bits)


def close(found, expected):
    """But for rounding, of adjoint variables (150 units are 7e-4) and of voltages, where a rise is small."""
    return units(found, expected) < 150 + 1e-3 * max(np.abs(b).max() for b in expected) / (P.tau_s / 2**20)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("neuron", list(BITS))
def test_gradients_are_slopes_of_the_twin(neuron, loss):
    """By weights and delays, in all matrices, recurrent ones, too; in steps of 1 ms and of half of it."""
    for dt, seeds in ((1.0, range(4)), (0.5, range(4, 6))):
        for seed in seeds:
            engine = made(loss, neuron, seed, dt)
            found, expected, _ = compared(loss, engine, seed)
            assert sum(map(len, spikes_of(engine))) > 60
            assert len(expected) == (9 if isinstance(loss, TTFSLoss) else 8)
            assert all(g.any() for g in expected[:4])
            assert close(found, expected)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("neuron", list(BITS))
def test_what_is_left_is_rounding(neuron, loss):
    """With three bits more of adjoint variables an eighth of it: medians of eight samples, which are much more."""
    left, largest = [], []
    for bits in (14, 17, 20):
        engines = (made(loss, neuron, seed, adjoint_bits=bits, delays=seed % 2 == 0) for seed in range(8))
        both = [compared(loss, e, seed)[:2] for seed, e in enumerate(engines)]
        left.append(np.median([units(*pair, 20) for pair in both]))
        largest.append(np.median([np.abs(np.concatenate([g.ravel() for g in pair[1]])).max() for pair in both]))
    assert left[0] > 5 * left[1] > 25 * left[2]
    assert left[2] * P.tau_s / 2**20 < 5e-4 * largest[2]


@pytest.mark.parametrize("neuron", list(BITS))
def test_rises_at_the_floor(neuron):
    """The floor stands for the rise in the twin, too."""
    clipped = 0
    for seed in range(3):
        engine = made(LOSSES[0], neuron, seed, floor=2.0)
        found, expected, result = compared(LOSSES[0], engine, seed)
        clipped += result.clipped
        assert close(found, expected)
    assert clipped > 10


@pytest.mark.parametrize("neuron", list(BITS))
def test_a_silent_label(neuron):
    """The policy phantom: what raises its largest voltage. The label's weights are 1 / 64."""
    for seed in range(4):
        engine = made(LOSSES[0], neuron, seed, silent="phantom")
        masters = [m.copy() for m in engine.masters]
        masters[2][:, seed % 3] = 1 << 14
        engine.write_masters(masters)
        found, expected, result = compared(LOSSES[0], engine, seed)
        assert result.silent_labels == 1
        assert close(found, expected)


@pytest.mark.parametrize("refractory", [1, 3, 6])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("neuron", list(BITS))
def test_refractory_periods(neuron, loss, refractory):
    """They begin and end with the spike: what their end is worth to the loss is part of its error."""
    for seed in range(3):
        engine = made(loss, neuron, seed, refractory=refractory)
        found, expected, _ = compared(loss, engine, seed)
        for spikes in spikes_of(engine):
            steps = {}
            for k, j in spikes:
                assert k - steps.get(j, -99) > refractory
                steps[j] = k
        assert sum(map(len, spikes_of(engine))) > 20
        assert all(g.any() for g in expected[:3])
        assert close(found, expected)
