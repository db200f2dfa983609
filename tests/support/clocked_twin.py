"""What the gradients of a clocked network are the derivatives of: the network in real numbers, its spikes held.

It shares no code with the library. Spikes keep the steps that they are given; within its step each has a time that
moves, at first by 0. All else are numbers without rounding, cuts or limits::

    J = b J + what arrives,   V = a V + g J
    a spike, where V is V0 at first:   t = -tau_m (V - V0) / rise,   V = V - V0 - t / tau_m

V0 and rise are those of the network as it is: t is when a straight line of that slope crosses what was crossed. The
reset takes away what was there, and as much more as one threshold decays in t. What comes t later, or through a delay
that is so much longer, comes in two steps, by t / dt of its weight in the later one.

A neuron with a refractory period has V = 0 for so many steps. It goes on a time t later, too: of the step in which V
goes on, so much is left.

The networks of a batch differ in weights and delays, and are run at once; the first one says what is held.
"""

from typing import NamedTuple

import numpy as np


class Neurons(NamedTuple):
    """A layer: decays of V and I per step, what of I reaches V, ms, thresholds, steps."""

    a: float
    b: float
    g: float
    tau_m: float
    floor: float
    refractory: int = 0


class Twin:
    """Matrices lead between layers, from which (0: the input) to which; delays (pre, post) are in steps."""

    def __init__(self, sizes, layers, ways, dt, steps):
        self.sizes, self.layers, self.ways, self.dt, self.steps = sizes, layers, ways, dt, steps

    def run(self, weights, delays, moved, inputs, spikes):
        """Voltages (batch, steps, n) and times (batch, spikes) by which spikes move, of every layer.

        Weights, and by how many steps delays are longer, are (batch, pre, post); spikes are (step, neuron) in the order
        of time, of every layer.
        """
        found, times = [], [(k, i, 0.0) for k, i in inputs]
        for at, mine in enumerate(spikes, 1):
            here = [
                (pre == at, w, d, m)
                for w, d, m, (pre, post) in zip(weights, delays, moved, self.ways, strict=True)
                if post == at
            ]
            V, t = self._layer(self.layers[at - 1], self.sizes[at], here, times, mine)
            found.append((V, np.stack(t, axis=1) if t else np.zeros((len(V), 0))))
            times = [(k + 1, j, x / self.dt) for (k, j), x in zip(mine, t, strict=True)]
        return found

    def _layer(self, c, n, matrices, before, spikes):
        batch = len(matrices[0][1])
        arriving = np.zeros((batch, self.steps + max(int(d.max()) for _, _, d, _ in matrices) + 3, n))

        def arrive(step, source, x, own):
            for loop, w, late, moved in matrices:
                if loop == own:
                    rows, share = step + late[source], np.reshape(x, (-1, 1)) + moved[:, source]
                    arriving[:, rows, np.arange(n)] += w[:, source] * (1 - share)
                    arriving[:, rows + 1, np.arange(n)] += w[:, source] * share

        for spike in before:
            arrive(*spike, False)
        J, V, seen, times = np.zeros((batch, n)), np.zeros((batch, n)), np.zeros((batch, self.steps, n)), []
        until, last = np.full(n, -1), np.zeros((batch, n))  # the last step at rest, and by what the last spike moves
        for k in range(self.steps):
            J = c.b * J + arriving[:, k]
            earlier, V = V, c.a * V + c.g * J
            if c.refractory:
                V = np.where(until == k - 1, (1 - last / self.dt) * V, V)
                V = np.where(until >= k, 0, V)
            for j in (j for step, j in spikes if step == k):
                v = V[:, j]
                rise = max((v[0] - earlier[0, j]) * c.tau_m / self.dt, c.floor)
                t = -c.tau_m * (v - v[0]) / rise
                V[:, j] = 0 if c.refractory else v - v[0] - t / c.tau_m
                until[j], last[:, j] = k + c.refractory if c.refractory else -1, t
                times.append(t)
                arrive(k + 1, j, t / self.dt, True)
            seen[:, k] = V
        return seen, times


def first_spikes(times, spikes, n, dt):
    """Of each neuron, in ms, (batch, n): inf where it is silent."""
    first = np.full((len(times), n), np.inf)
    for at, (k, j) in reversed(list(enumerate(spikes))):
        first[:, j] = (k + 1) * dt + times[:, at]
    return first


def by_first_spikes(first, label, tau0, tau1, alpha):
    """The loss of time to first spike (batch,)."""
    return first[:, label] / tau0 + np.log(np.exp(-first / tau0).sum(axis=1)) + alpha * np.exp(first[:, label] / tau1)


def by_voltages(said, label, gain=1.0):
    """The loss of voltages (batch, n), along its tangent, whose exponentials go by 64ths."""
    below = np.floor(64 * gain * (said[0].max() - said[0])) / 64
    share = np.exp(-below) / np.exp(-below).sum()
    return gain * said @ (share - np.eye(said.shape[1])[label])


def slopes(twin, loss, weights, delays, inputs, spikes, eps=1e-5):
    """Central differences of a loss: by every weight, and by every delay in ms; `loss` of what `Twin.run` finds."""
    sizes = [w.size for w in weights] * 2
    entries = sum(sizes)
    steps = np.vstack([np.zeros((1, entries)), eps * np.eye(entries), -eps * np.eye(entries)])
    parts = np.split(steps, np.cumsum(sizes)[:-1], axis=1)
    parts = [p.reshape(-1, *w.shape) for p, w in zip(parts, [*weights, *weights], strict=True)]
    changed = [w + p for w, p in zip(weights, parts, strict=False)]
    values = loss(twin.run(changed, delays, [p / twin.dt for p in parts[len(weights) :]], inputs, spikes))
    by = (values[1 : entries + 1] - values[entries + 1 :]) / (2 * eps)
    found = [g.reshape(w.shape) for g, w in zip(np.split(by, np.cumsum(sizes)[:-1]), [*weights, *weights], strict=True)]
    return found[: len(weights)], found[len(weights) :]
