"""Runs neuron programs instruction by instruction, and networks of them step by step.

Shares nothing with the library but the data: a program, and a lowered network. Neurons of a population run side by
side: always those that are farthest behind in the program.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

LOW, HIGH = -(2**23), 2**23 - 1
#: No program takes so many instructions in a step.
_MOST = 20_000


class Neurons:
    """Neurons of one program."""

    def __init__(self, program, n, initial=()):
        self.program, self.n = program, n
        self.words = {word.name: np.full(n, word.initial, np.int64) for word in program.state}
        for name, values in dict(initial).items():
            self.words[name][:] = values
        #: Instructions of the neuron that took the most, ever.
        self.longest = 0

    def step(self, arriving):
        """One step with what arrived by port; payloads (n,) by axon, 0 being no spike."""
        code, words = self.program.code, dict(self.words)
        for port in self.program.ports:
            words[port] = np.broadcast_to(np.asarray(arriving.get(port, 0), np.int64), self.n).copy()
            assert (np.abs(words[port]) <= HIGH).all(), (self.program.name, port, words[port])
        at, flag = np.zeros(self.n, np.int64), np.zeros(self.n, bool)
        sent = {axon: np.zeros(self.n, np.int64) for axon in self.program.axons}
        taken = np.zeros(self.n, np.int64)
        while (now := int(at.min())) < len(code):
            one, here = code[now], at == now
            taken[here] += 1
            assert taken.max() < _MOST, f"{self.program.name} does not end"
            at[here] = now + 1
            values = [words[o] if isinstance(o, str) else np.full(self.n, o, np.int64) for o in one.operands]
            self._run(one, here, values, words, sent, flag, at)
        for name in self.words:
            self.words[name] = words[name]
        self.longest = max(self.longest, int(taken.max()))
        return sent

    def _run(self, one, here, values, words, sent, flag, at):
        name = one.operation
        if name in ("JMP", "JMP_C"):
            at[here & (flag if name == "JMP_C" else True)] = self.program.labels[one.to]
        elif name in ("LT", "GE", "EQ"):
            a, b = values
            flag[here] = {"LT": a < b, "GE": a >= b, "EQ": a == b}[name][here]
        elif name == "SPIKE":
            assert not sent[one.to][here].any(), "two spikes in a step by one axon"
            sent[one.to][here] = values[0][here]
        else:
            a, *more = (v[here] for v in values)
            result = {
                "MOV": lambda: a,
                "ADD": lambda: a + more[0],
                "NEG": lambda: -a,
                "MIN": lambda: np.minimum(a, more[0]),
                "AND": lambda: a & more[0],
                "SHL": lambda: a << more[0],
                "MUL_SHR": lambda: (a * more[0]) >> more[1],
            }[name]()
            assert ((result >= LOW) & (result <= HIGH)).all(), f"{self.program.name}: {one} gives {result}"
            words.setdefault(one.out, np.zeros(self.n, np.int64))[here] = result


class Network:
    """A lowered learning network: populations, synapses with their delays, and what embedded processors hear."""

    def __init__(self, lowered, learners):
        self.lowered, self.learners = lowered, learners
        self.neurons = {p.name: Neurons(p.program, p.size, p.initial) for p in lowered.populations}
        self.messages = defaultdict(int)
        self._coming = defaultdict(lambda: defaultdict(lambda: 0))
        self._now = 0

    def _weights(self, synapses, n_pre):
        n_post = self.neurons[synapses.post].n
        if synapses.pattern == "matrix":
            return synapses.mantissas.astype(np.int64) << synapses.exponent
        w = np.zeros((n_pre, n_post), np.int64)
        if synapses.pattern == "all":
            w[:] = 1
        elif synapses.pattern == "to-first":
            w[:, 0] = 1
        else:
            k = np.arange(n_pre - (synapses.pattern == "to-next"))
            w[k, k + (synapses.pattern == "to-next")] = 1
        return w

    def _send(self, synapses, payloads, arrival):
        if np.any(payloads):
            key = synapses.post, synapses.port
            reached = np.atleast_1d(payloads) @ self._weights(synapses, np.size(payloads))
            self._coming[arrival + synapses.delay][key] = self._coming[arrival + synapses.delay][key] + reached

    def step(self, outside):
        """One step; `outside` by name: what the host sends, which arrives in this very step."""
        for synapses in self.lowered.synapses:
            if not synapses.pre and synapses.axon in outside:
                self._send(synapses, outside[synapses.axon], self._now)
        arriving = self._coming.pop(self._now, {})
        sent = {}
        for name, neurons in self.neurons.items():
            mine = {port: value for (post, port), value in arriving.items() if post == name}
            sent[name] = neurons.step(mine)
            for axon, payloads in sent[name].items():
                self.messages[name, axon] += int(np.count_nonzero(payloads))
        for synapses in self.lowered.synapses:
            if synapses.pre:
                self._send(synapses, sent[synapses.pre][synapses.axon], self._now + 1)
        self._now += 1
        return sent

    def sample(self, steps, inputs, label, watch=None):
        """One sample: spikes (k, neuron) of every layer, and what `watch(network, clock)` sees after every step."""
        clock, spikes = self.lowered.clock, defaultdict(list)
        n_in = self.neurons["input"].n
        for t in range(clock.period):
            outside = {"spikes": np.bincount(inputs[steps == t], minlength=n_in)}
            if t == 0:
                outside["start"] = np.ones(1, np.int64)
                if label is not None:
                    outside["label"] = np.eye(self.neurons["loss"].n, dtype=np.int64)[label]
            sent = self.step(outside)
            for name in self.neurons:
                if 1 <= t <= clock.steps and "lI_out" in sent[name]:
                    spikes[name] += [(t - 1, int(j)) for j in np.flatnonzero(sent[name]["s_out"])]
            if t >= clock.backward and (t - clock.backward) % clock.pieces == 0:
                for learned, learner in zip(self.lowered.learned, self.learners, strict=True):
                    learner.receive(sent[learned.pre]["s_out"], sent[learned.post]["lI_out"])
            if watch is not None:
                watch(self, t)
        return spikes
