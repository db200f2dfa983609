"""Random EventProp networks, and derivatives by central differences."""

from itertools import pairwise

import numpy as np

from lava_nbp.eventprop import reference
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import spike_trains

END = 60.0


def random_problem(layers, seed, recurrent=False, n_spikes=12, scale=1.0):
    """Weights, input spikes, and recurrent weights of the spiking layers, for neurons that spike several times."""
    rng = np.random.default_rng(seed)
    means = [2.2, *[1.4] * (len(layers) - 2)]
    weights = [scale * rng.normal(m, 0.8, shape) for m, shape in zip(means, pairwise(layers), strict=True)]
    loops = [scale * rng.normal(0, 0.4, (n, n)) if recurrent else None for n in layers[1:-1]] + [None]
    order = np.sort(rng.uniform(0, 30, n_spikes))
    return weights, order, rng.integers(0, layers[0], n_spikes), loops


def loss_of(run, loss, label, spiking):
    return loss.value(run.first, label, END) if spiking else loss.value(run.peaks, label)


def central_differences(weights, times, sources, p, loss, label, spiking, loops, of, step=1e-6):
    """dL/dw of every entry of the matrices `of` (the very arrays in weights or loops), or None if the spikes change."""

    def run():
        return reference.forward(weights, times, sources, p, END, spiking, loops)

    spikes = [(s.layer, s.neuron) for s in run().spikes]
    found = []
    for matrix in of:
        by = np.zeros_like(matrix)
        for at in np.ndindex(*matrix.shape):
            kept = matrix[at]
            values = []
            for sign in (1, -1):
                matrix[at] = kept + sign * step
                result = run()
                if [(s.layer, s.neuron) for s in result.spikes] != spikes:
                    matrix[at] = kept
                    return None
                values.append(loss_of(result, loss, label, spiking))
            matrix[at] = kept
            by[at] = (values[0] - values[1]) / (2 * step)
        found.append(by)
    return found


def problem_for(p, layers, spiking, recurrent=False, all_spike=True):
    """As `random_problem`, and the end of a trial, for any time constants: in their scale, and with few spikes.

    Weights are in units of those for which a spike just makes a neuron spike; the second input inhibits, so that slow
    currents end. `all_spike`: every output spikes, or rises.
    """
    nearly = abs(p.tau_m / p.tau_s - 1) < 1e-3
    rise = p.tau_m if nearly else np.log(p.tau_m / p.tau_s) / (1 / p.tau_s - 1 / p.tau_m)
    just_enough = np.exp(rise / p.tau_s)
    rise = min(rise, 2 * p.tau_m)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        weights = [just_enough * rng.uniform(1.2, 1.8, shape) for shape in pairwise(layers)]
        weights[0][1] *= -0.9
        for w in weights[1:]:
            w *= rng.uniform(0.2, 0.8)
        loops = [just_enough * rng.normal(0, 0.05, (n, n)) if recurrent else None for n in layers[1:-1]] + [None]
        times, sources = np.sort(rng.uniform(0, 2 * rise, 4)), np.array([0, 0, 1, 0])
        loss = TTFSLoss(rise / 4, rise, 0.01) if spiking else MaxVoltageLoss()
        engine = EventPropEngine(weights, p, loss, 3 * rise, recurrent=loops)
        result = engine.infer(spike_trains([(times, sources)], layers[0], 3 * rise))
        if (2 < result.hidden_spikes < 20 or len(layers) == 2) and (
            not all_spike
            or (np.isfinite(result.said).all() and 0 < result.said.min() <= result.said.max() < 3 * rise + 8)
        ):
            return weights, times, sources, loops, 3 * rise, loss
    raise AssertionError(f"no problem for {p}")


def compare_with_the_oracle(weights, times, sources, loops, p, loss, end, label=0):
    """Engine and oracle say the same, and have the same gradient and errors by input times; what they say."""
    spiking = isinstance(loss, TTFSLoss)
    order = np.argsort(times, kind="stable")
    times, sources = np.asarray(times)[order], np.asarray(sources)[order]
    run = reference.forward(weights, times, sources, p, end, spiking, loops)
    sent = []
    by_weights, by_loops, *_ = reference.gradient(weights, run, p, loss, label, loops, sent)
    engine = EventPropEngine(weights, p, loss, end, recurrent=loops)
    trains = spike_trains([(times, sources)], weights[0].shape[0], end)
    by_said = loss.by_times(run.first, label) if spiking else loss.by_peaks(run.peaks, label)
    result, gradients, by_times = engine.backpropagate(trains, by_said[None])
    said = run.first if spiking else run.peaks
    np.testing.assert_allclose(result.said[0], said, rtol=1e-12, atol=0)
    assert result.hidden_spikes == sum(0 <= s.layer < len(weights) - 1 for s in run.spikes)
    errors = [s.error for s in reversed(sent) if s.layer < 0]
    expected = [*by_weights, *(g for g in by_loops if g is not None)]
    # Derivatives that cancel are as exact as their parts.
    scale = max(
        np.abs(g * w).max() for g, w in zip(expected, [*weights, *(w for w in loops if w is not None)], strict=True)
    )
    for found, by in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(found, by, rtol=1e-9, atol=1e-12 * scale)
    np.testing.assert_allclose(by_times, errors, rtol=1e-9, atol=1e-12 * scale)
    return said
