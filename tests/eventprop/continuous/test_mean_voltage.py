"""Mean voltages: against the integral of what the voltages are, differences, and the oracle."""

import itertools
import math

import numpy as np
import pytest
from gradients import END, random_problem
from scipy.integrate import quad

from lava_nbp.eventprop import reference
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters, adjoint_of_mean
from lava_nbp.eventprop.losses import MeanVoltageLoss
from lava_nbp.eventprop.trains import spike_trains

REGIMES = [(20.0, 5.0), (10.0, 10.0), (10.0, 10.01), (10.0, 10.0 + 1e-9), (5.0, 12.0), (13.0, 6.0)]
LOSSES = [MeanVoltageLoss(gain=3.0), MeanVoltageLoss(40.0, 2.0), MeanVoltageLoss(8.0, 5.0), MeanVoltageLoss(1e6)]

#: Of a difference of two losses, over the step.
_ROUNDING = 1e-15 / 2e-6


def problem(layers, seed, recurrent, n_spikes, taus):
    """As `random_problem`, with outputs between which the softmax is undecided."""
    weights, times, sources, loops = random_problem(layers, seed, recurrent, n_spikes, 0.8 if taus[1] == 5 else 0.4)
    weights[-1] *= 0.1
    return weights, times, sources, loops


def voltage(t, w, arrivals, taus):
    """V of one neuron by its responses to spikes, as the textbook has it."""
    tau_m, tau_s = taus
    since = np.maximum(t - arrivals, 0.0)
    if tau_m == tau_s:
        return float(w @ (since / tau_m * np.exp(-since / tau_m)))
    return float(w @ (tau_s / (tau_m - tau_s) * (np.exp(-since / tau_m) - np.exp(-since / tau_s))))


def mean(w, arrivals, taus, fading, end):
    """By quadrature, between all kinks."""
    kinks = [0.0, *sorted(arrivals), end]
    options = {"epsabs": 0, "epsrel": 1e-12, "limit": 200}

    def faded(t):
        return math.exp(-fading * t) * voltage(t, w, arrivals, taus)

    parts = [quad(faded, a, b, **options)[0] for a, b in itertools.pairwise(kinks)]
    return sum(parts) / (end if fading == 0 else (1 - math.exp(-fading * end)) / fading)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("taus", [(20.0, 5.0), (10.0, 10.0), (5.0, 12.0)])
def test_it_is_the_integral_of_the_voltage(taus, loss):
    arrivals, weights = np.array([0.5, 3.0, 7.0, 7.0, 29.0]), np.random.default_rng(0).normal(0, 1, (5, 2))
    trains = spike_trains([(arrivals, np.arange(5))], 5, 30.0)
    engine = EventPropEngine([weights], NeuronParameters(*taus), loss, 30.0)
    expected = [mean(weights[:, k], arrivals, taus, loss.fading, 30.0) for k in range(2)]
    assert np.allclose(engine.infer(trains).said[0], expected, rtol=1e-9, atol=0)
    run = reference.forward([weights], arrivals, np.arange(5), NeuronParameters(*taus), 30.0, False, mean=loss)
    assert np.allclose(run.means, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("layers", [(3, 4), (3, 4, 3), (3, 4, 4, 2)])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("taus", REGIMES)
def test_engine_and_oracle_agree(taus, loss, layers, recurrent):
    """Means, gradients, and errors of input spikes: the sum over spikes, and the adjoint state between events."""
    p = NeuronParameters(*taus)
    weights, times, sources, loops = problem(layers, 3, recurrent, 12, taus)
    run = reference.forward(weights, times, sources, p, END, False, loops, loss)
    sent = []
    by_weights, by_loops, *_ = reference.gradient(weights, run, p, loss, 1, loops, sent)
    engine = EventPropEngine(weights, p, loss, END, recurrent=loops)
    trains = spike_trains([(times, sources)], layers[0], END)
    result, gradients = engine.gradient(trains, np.array([1]))
    assert np.allclose(result.said[0], run.means, rtol=1e-9, atol=1e-13)
    for found, by in zip(gradients, [*by_weights, *(g for g in by_loops if g is not None)], strict=True):
        assert np.abs(found - by).max() <= 1e-9 * np.abs(by).max()
    _, _, by_times = engine.backpropagate(trains, loss.by_means(run.means, 1)[None])
    errors = [s.error for s in reversed(sent) if s.layer < 0]
    np.testing.assert_allclose(by_times, errors, rtol=1e-8, atol=1e-11 * np.abs(errors).max())


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("taus", [(20.0, 5.0), (10.0, 10.0), (5.0, 12.0)])
def test_gradients_are_differences_of_the_loss(taus, loss, recurrent):
    """By all weights and all input times; spikes are neither lost nor won on the way."""
    p, layers = NeuronParameters(*taus), (3, 4, 4, 3)
    weights, times, sources, loops = problem(layers, 5, recurrent, 12, taus)
    engine = EventPropEngine(weights, p, loss, END, recurrent=loops)
    label = np.array([2])

    def run(times):
        result = engine.infer(spike_trains([(times, sources)], 3, END))
        return loss.value(result.said[0], 2), result.hidden_spikes

    spikes = run(times)[1]
    assert spikes > 5
    _, gradients = engine.gradient(spike_trains([(times, sources)], 3, END), label)
    for matrix, gradient in zip(engine.matrices, gradients, strict=True):
        numeric = np.zeros_like(matrix)
        for at in np.ndindex(*matrix.shape):
            kept, values = matrix[at], []
            for step in (1e-6, -1e-6):
                matrix[at] = kept + step
                value, n = run(times)
                assert n == spikes
                values.append(value)
            matrix[at] = kept
            numeric[at] = (values[0] - values[1]) / 2e-6
        assert np.abs(numeric - gradient).max() <= 1e-6 * np.abs(gradient).max() + _ROUNDING
        assert np.abs(gradient).max() > 0
    by_said = loss.by_means(engine.infer(spike_trains([(times, sources)], 3, END)).said[0], 2)
    _, _, by_times = engine.backpropagate(spike_trains([(times, sources)], 3, END), by_said[None])
    for k in range(len(times)):
        step = 1e-6 * np.eye(len(times))[k]
        numeric = (run(times + step)[0] - run(times - step)[0]) / 2e-6
        assert abs(numeric - by_times[k]) <= 1e-6 * np.abs(by_times).max() + _ROUNDING


def test_the_adjoint_of_the_mean_solves_its_equations():
    """tau_m lV' = -lV - g, tau_s lI' = -lI + lV, ' being -d/dt, by small steps."""
    p, fading, lv, li, h = NeuronParameters(20.0, 5.0), 0.03, 0.0, 0.0, 1e-4
    for k in range(100_000):
        g = math.exp(-fading * (25.0 - (k + 0.5) * h))
        lv, li = lv + h * (-lv - g) / p.tau_m, li + h * (-li + lv) / p.tau_s
    assert np.allclose((lv, li), adjoint_of_mean(25.0, 10.0, fading, p), rtol=1e-4)
    assert adjoint_of_mean(800.0, 800.0, 1e3, p)[0] == -1 / 20_001  # nothing overflows


def test_silence_and_inhibition():
    """No input spike, all means 0: silent. Inhibition alone has an answer, the least negative."""
    engine = EventPropEngine([-np.array([[1.0, 2.0]])], NeuronParameters(), MeanVoltageLoss(), 60.0)
    result = engine.infer(spike_trains([([], []), ([1.0], [0])], 1, 60.0))
    assert result.silent().tolist() == [True, False]
    assert result.right(np.array([0, 0])).tolist() == [False, True]
    assert (result.said[1] < 0).all()
    _, (gradient,) = engine.gradient(spike_trains([([], [])], 1, 60.0), np.array([0]))
    assert not gradient.any()


def test_it_learns_what_the_largest_voltage_cannot_see():
    """Two classes of the same spikes, far apart: which input comes first tells the mean that fades, and it learns."""
    samples = [([1.0, 200.0], [0, 1]), ([1.0, 200.0], [1, 0])]
    trains, labels = spike_trains(samples, 2, 400.0), np.array([0, 1])
    engine = EventPropEngine([np.full((2, 2), 0.1)], NeuronParameters(), MeanVoltageLoss(100.0, 5.0), 400.0)
    for _ in range(50):
        engine.train_batch(trains, labels, np.arange(2), 0.1)
    assert engine.infer(trains).right(labels).all()
