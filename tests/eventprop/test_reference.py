"""The oracle: closed-form cases, and gradients by central differences for every weight."""

import numpy as np
import pytest
from gradients import END, central_differences, random_problem

from lava_nbp.eventprop import reference
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss

LAYERS = [(3, 4), (3, 4, 3), (3, 4, 4, 2)]


def test_one_neuron_one_spike_in_closed_form():
    """tau_m = 2 tau_s: with x = exp(-t / tau_m), V = w (x - x**2) = theta is a quadratic.

    The smaller time is x = (1 + sqrt(1 - 4 theta / w)) / 2, t = -tau_m ln x, and
    dt/dw = -tau_m / x dx/dw with dx/dw = theta / (w**2 sqrt(1 - 4 theta / w)).
    """
    p, w, t0 = NeuronParameters(20.0, 10.0, 1.0), 6.0, 2.5
    root = np.sqrt(1 - 4 / w)
    x = (1 + root) / 2
    run = reference.forward([np.array([[w]])], np.array([t0]), np.array([0]), p, END)
    assert np.isclose(run.spikes[1].time, t0 - 20 * np.log(x), rtol=1e-13)
    assert np.isclose(run.spikes[1].current, w * x**2, rtol=1e-13)
    loss = TTFSLoss(tau1=6.4, alpha=1.0)  # one output: only alpha (exp(t / tau1) - 1) is left
    (by_w,), *_ = reference.gradient([np.array([[w]])], run, p, loss, 0)
    dt_dw = -20 / x / (w**2 * root)
    assert np.isclose(by_w.item(), np.exp(run.first[0] / 6.4) / 6.4 * dt_dw, rtol=1e-12)


def test_below_threshold_nothing_spikes():
    """max of w (x - x**2) is w / 4."""
    p = NeuronParameters(20.0, 10.0, 1.0)
    for w, spikes in ((3.999, 0), (4.001, 1), (-9.0, 0)):
        run = reference.forward([np.array([[w]])], np.array([0.0]), np.array([0]), p, END)
        assert len(run.spikes) - 1 == spikes


def test_largest_voltage_in_closed_form():
    """w / 4 at x = 1/2, t = 20 ln 2; its derivative by w is 1/4, and the loss's that of a softmax."""
    p, W = NeuronParameters(20.0, 10.0, 1.0), np.array([[2.0, 1.0]])
    run = reference.forward([W], np.array([1.0]), np.array([0]), p, END, spiking_output=False)
    assert np.allclose(run.peaks, [0.5, 0.25], rtol=1e-13)
    assert np.allclose(run.peak_times, 1 + 20 * np.log(2), rtol=1e-12)
    (by_w,), *_ = reference.gradient([W], run, p, MaxVoltageLoss(), 1)
    error = np.exp(run.peaks) / np.exp(run.peaks).sum() - [0, 1]
    assert np.allclose(by_w, error / 4, rtol=1e-12)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("parameters", [(20.0, 5.0, 1.0), (10.0, 10.0, 1.0)])
def test_gradient_by_central_differences(layers, spiking, recurrent, parameters):
    """Relative error of 1e-5 or less for every weight; several spikes per neuron; the spikes' order unchanged."""
    p = NeuronParameters(*parameters)
    loss = TTFSLoss(alpha=0.01) if spiking else MaxVoltageLoss()
    checked = 0
    for seed in range(20):
        # The longer synaptic time constant would make many more spikes of the same weights.
        weights, times, sources, loops = random_problem(layers, seed, recurrent, 6, 1.0 if parameters[1] == 5 else 0.4)
        run = reference.forward(weights, times, sources, p, END, spiking, loops)
        if spiking and not np.isfinite(run.first).all():
            continue
        label = seed % layers[-1]
        held = [*weights, *(loop for loop in loops if loop is not None)]
        numeric = central_differences(weights, times, sources, p, loss, label, spiking, loops, held)
        if numeric is None:
            continue
        by_weights, by_loops, *_ = reference.gradient(weights, run, p, loss, label, loops)
        exact = [*by_weights, *(g for g in by_loops if g is not None)]
        for a, b in zip(exact, numeric, strict=True):
            assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()
            assert np.abs(b).max() > 0
        per_neuron = len([s for s in run.spikes if s.layer == 0]) / layers[1]
        assert per_neuron > 1 or not (spiking or len(layers) > 2)
        checked += 1
        if checked == (2 if len(layers) < 4 else 1):
            return
    assert checked, "no problem with unchanged spikes was found"


def test_a_maximum_that_a_spike_cuts_off_moves_with_it():
    """An inhibitory hidden spike ends the rise of the output: dL/dw of the hidden weight is not zero."""
    p, W = NeuronParameters(20.0, 5.0, 1.0), [np.array([[8.0]]), np.array([[-3.0, 1.0]])]
    run = reference.forward(W, np.array([0.0]), np.array([0]), p, END, spiking_output=False)
    assert run.peaks[0] == 0  # nothing but inhibition
    W = [np.array([[8.0, 0.0], [0.0, 30.0]]), np.array([[-9.0], [2.0]])]
    times, sources = np.array([0.0, 0.0]), np.array([0, 1])
    run = reference.forward(W, times, sources, p, END, spiking_output=False)
    assert run.peak_spikes[0] >= 0
    weights = [W[0], np.hstack([W[1], np.ones((2, 1))])]  # a second class, so that the loss depends on the first
    run = reference.forward(weights, times, sources, p, END, spiking_output=False)
    numeric = central_differences(weights, times, sources, p, MaxVoltageLoss(), 0, False, [None, None], weights)
    exact, *_ = reference.gradient(weights, run, p, MaxVoltageLoss(), 0)
    assert abs(numeric[0][0, 0]) > 1e-4
    for a, b in zip(exact, numeric, strict=True):
        assert np.abs(a - b).max() <= 1e-5 * np.abs(b).max()


def test_an_input_that_cuts_off_the_rise_of_a_single_layer():
    """The maximum is at the input's arrival and moves with it: dL/dt of the input, by differences."""
    p, W, loss = NeuronParameters(20.0, 5.0, 1.0), np.array([[2.0, 1.0], [-3.0, 0.2]]), MaxVoltageLoss()

    def run(time):
        return reference.forward([W], np.array([0.0, time]), np.array([0, 1]), p, END, spiking_output=False)

    done, sent = run(4.0), []
    assert done.peak_times[0] == 4.0
    assert done.peak_spikes[0] == 1
    reference.gradient([W], done, p, loss, 0, sent=sent)
    numeric = (loss.value(run(4.0 + 1e-6).peaks, 0) - loss.value(run(4.0 - 1e-6).peaks, 0)) / 2e-6
    assert abs(numeric) > 1e-3
    assert np.isclose(sent[0].error, numeric, rtol=1e-6)
