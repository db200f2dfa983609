"""Gated neurons once more, one neuron and one spike at a time, in plain Python integers.

Shares nothing with lava_nbp: what its groups do is compared with this.
"""

from collections import defaultdict


def wrap24(u):
    """Two's complement of 24 bits, but with +2**23 instead of -2**23."""
    while u > 2**23:
        u -= 2**24
    while u <= -(2**23):
        u += 2**24
    return u


class OracleGroup:
    """Neurons: (name, gates [(entry, weight)], bias, vth, refractory, schedule); synapses: (pre, post, w, d, gate)."""

    def __init__(self, n, neurons, synapses):
        self.n, self.neurons, self.synapses = n, neurons, synapses
        self.now = 0
        self.inputs = defaultdict(int)  # (step, population, neuron) -> weight units
        self.opened = set()  # (step, population, neuron)
        self.entries = defaultdict(set)  # step -> gate entries that arrive in it
        self.last = {}
        self.events = self.breaches = 0

    def step(self, dense, ports, gates):
        """One step; `dense` {population: [n]}, `ports` {port: [n] counts}, `gates` [0/1]. Returns spikes, u, v."""
        t = self.now
        spikes, us, vs = {}, {}, {}
        for name, own_gates, bias, vth, refractory, schedule in self.neurons:
            gated = sum(w for entry, w in own_gates if entry in self.entries[t])
            spikes[name], us[name], vs[name] = [], [], []
            for i in range(self.n):
                total = self.inputs[t, name, i] + dense.get(name, [0] * self.n)[i] + gated
                u = wrap24(64 * total)
                self.breaches += u != 64 * total
                v = max(-(2**23) + 1, min(2**23 - 1, u + 64 * bias))
                fires = v > 64 * vth and t - self.last.get((name, i), -1000) >= refractory
                if fires:
                    self.last[name, i] = t
                    v = 0
                    if schedule is None:
                        allowed = {entry for entry, w in own_gates if w > 0}
                        legal = bool(allowed & self.entries[t]) or (t, name, i) in self.opened
                    else:
                        legal = bool(set(schedule) & self.entries[t])
                    self.breaches += not legal
                spikes[name].append(int(fires))
                us[name].append(u)
                vs[name].append(v)
        for pre, post, w, d, gate in self.synapses:
            for i, count in enumerate(spikes.get(pre) or ports.get(pre) or [0] * self.n):
                if count:
                    self.inputs[t + 1 + d, post, i] += w * count
                    self.events += 1
                    if gate:
                        self.opened.add((t + 1 + d, post, i))
        for entry, on in enumerate(gates):
            if on:
                self.entries[t + 1].add(entry)
                self.events += self.n * sum(e == entry for _, own, *_ in self.neurons for e, _ in own)
        self.now += 1
        return spikes, us, vs
