"""A clocked network in floating point, all layers at once: one state vector, one matrix of who reaches whom.

It shares no code with the library. Spikes are rows of 0 and 1 per step; a spike of step k acts in step k + 1, wherever
it goes to; the input of step k acts in step k.
"""

import numpy as np


class Oracle:
    """Weights (pre, post) in thresholds by layer, recurrent ones or None, time constants and step in ms.

    Delays (pre, post) in steps are by matrix, or None. A time constant is one number, or one per layer.
    """

    def __init__(self, weights, loops, tau_m, tau_s, dt, steps, floor, delays=None):
        sizes = [w.shape[1] for w in weights]
        self.ends = np.cumsum([0, *sizes])
        n = self.ends[-1]
        tau_m, tau_s = (np.repeat(np.broadcast_to(tau, len(sizes)), sizes) for tau in (tau_m, tau_s))
        self.steps, self.tau_m, self.tau_s, self.dt, self.floor = steps, tau_m, tau_s, dt, floor
        self.a, self.b = np.exp(-dt / tau_m), np.exp(-dt / tau_s)
        self.g = tau_s / (tau_m - tau_s) * (self.a - self.b)
        self.into, self.among = np.zeros((weights[0].shape[0], n)), np.zeros((n, n))
        self.into_late, self.among_late = np.zeros(self.into.shape, int), np.zeros(self.among.shape, int)
        self.blocks = [(None, self._layer(0))]
        self.blocks += [(self._layer(k - 1), self._layer(k)) for k in range(1, len(weights))]
        self.blocks += [(self._layer(k), self._layer(k)) for k, loop in enumerate(loops) if loop is not None]
        matrices = [*weights, *(loop for loop in loops if loop is not None)]
        for (pre, post), w, d in zip(self.blocks, matrices, delays or [None] * len(matrices), strict=True):
            late = np.zeros(w.shape, int) if d is None else d
            if pre is None:
                self.into[:, post], self.into_late[:, post] = w, late
            else:
                self.among[pre, post], self.among_late[pre, post] = w, late
        self.most = max(self.into_late.max(), self.among_late.max())
        self.output = self._layer(len(weights) - 1)
        self.refractory = 0

    def _layer(self, k):
        return slice(self.ends[k], self.ends[k + 1])

    def rest(self, refractory):
        """Let V be 0 in so many steps behind each spike's; by default none."""
        self.refractory = refractory

    def use(self, a, b, g):
        """Other decays of V and I per step, and what of I reaches V, than time constants give."""
        self.a, self.b, self.g = a, b, g

    def forward(self, inputs, spiking_output=True):
        """Spikes, voltages and rises (steps, n) from numbers of input spikes (steps, n_in)."""
        n, a, b, g = len(self.among), self.a, self.b, self.g
        may = np.ones(n, bool)
        may[self.output] = spiking_output
        V, current = np.zeros(n), np.zeros(n)
        self.inputs = inputs
        self.z, self.V, self.rise = (np.zeros((self.steps, n)) for _ in range(3))
        for k in range(self.steps):
            for d in range(min(k, self.most) + 1):
                current += inputs[k - d] @ (self.into * (self.into_late == d))
                if k - d > 0:
                    current += self.z[k - d - 1] @ (self.among * (self.among_late == d))
            before, V, current = V, a * V + g * current, b * current
            V = np.where(self.z[max(0, k - self.refractory) : k].any(axis=0), 0.0, V)
            z = 1.0 * ((V >= 1) & may)
            self.rise[k] = (V - before) * self.tau_m / self.dt
            V = np.where(z > 0, 0.0, V)
            self.z[k], self.V[k] = z, V
        return self.z

    def at_first_spikes(self, loss, label):
        """Errors of the output's first spikes, (steps, n), by what the loss says of their times, in ms."""
        z, errors = self.z[:, self.output], np.zeros_like(self.z)
        there = z.any(axis=0)
        first = np.where(there, z.argmax(axis=0), self.steps)
        error = loss.by_times(np.where(there, (first + 1) * self.dt, np.inf), label)
        errors[first[there], np.arange(self.output.start, self.output.stop)[there]] = error[there]
        return errors

    def backward(self, at_spikes, impulses):
        """Gradients in the order of the matrices, and those by all delays; errors of spikes, impulses on lV (steps, n).

        A delay moves the arrivals through its synapse: each brings what an error of its own would be, w d.
        """
        n, a, b, h = len(self.among), self.a, self.b, self.g * self.tau_m / self.tau_s
        lV, lI, errors, later = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
        past, sent = np.zeros((2, self.steps + self.most + 1, n))
        by_input, by_spike = np.zeros_like(self.into), np.zeros_like(self.among)
        input_late, spike_late = np.zeros_like(self.into), np.zeros_like(self.among)
        for k in reversed(range(self.steps)):
            z = self.z[k] > 0
            error = errors + later + at_spikes[k]
            lV = np.where(z, lV + (lV + error) / np.maximum(self.rise[k], self.floor), lV) + impulses[k]
            awake = np.zeros(n, bool)  # those whose V was held until this step
            if self.refractory and k > self.refractory:
                awake = self.z[k - self.refractory - 1] > 0
            later = np.where(awake, lV * self.rise[k], later)
            before, (lI, lV) = lI, (b * lI + h * lV, np.where(awake, 0.0, a * lV))
            past[k], sent[k] = lI, (lI - before) * self.tau_s / self.dt
            errors = np.zeros(n)
            for d in range(self.most + 1):
                by_input -= np.outer(self.inputs[k], past[k + d]) * (self.into_late == d)
                input_late += np.outer(self.inputs[k], sent[k + d]) * (self.into_late == d) * self.into
                errors += (self.among * (self.among_late == d)) @ sent[k + d]
                if k:
                    by_spike -= np.outer(self.z[k - 1], past[k + d]) * (self.among_late == d)
                    spike_late += np.outer(self.z[k - 1], sent[k + d]) * (self.among_late == d) * self.among
        by_input, by_spike = by_input * self.tau_s, by_spike * self.tau_s

        def blocks(first, others):
            return [first[:, post] if pre is None else others[pre, post] for pre, post in self.blocks]

        return blocks(by_input, by_spike), blocks(input_late, spike_late)
