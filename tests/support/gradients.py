"""Random EventProp networks, and derivatives by central differences."""

from itertools import pairwise

import numpy as np

from lava_nbp.eventprop import reference

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
