"""The parts of a clocked network wired by hand in a loop, as Lava wires the Processes."""

import numpy as np

from lava_nbp.eventprop.clocked.mirrored_part import MirroredPart
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.eventprop.clocked.parts import InputPart, LIFPart, ReadoutPart
from lava_nbp.eventprop.clocked.setup import Control
from lava_nbp.eventprop.clocked.ttfs_part import TTFSPart
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.nbp.pulse_chain import PulseChain


class PartsLoop:
    """Layers of parts; weights are full-precision integers, by layer, then recurrent ones of the layers `looped`.

    Delays are whole steps, or `LearnedDelays`, or None, of every matrix.
    """

    def __init__(self, masters, exponents, setup, looped=(), delays=None):
        c, n_layers = setup.c, len(masters) - len(looped)
        every = setup.arithmetic(n_layers)
        sizes = [masters[0].shape[0], *(m.shape[1] for m in masters[:n_layers])]
        #: From which layer (0: the input) to which each matrix leads.
        self.ways = [*((k, k + 1) for k in range(n_layers)), *((k + 1, k + 1) for k in looped)]
        self.c, self.sizes = c, sizes
        self.chain = PulseChain(c.period, started=True)
        self.input = InputPart(sizes[0], c)
        self.control = Control(0)
        self.dense = [
            MirroredPart(
                IntegerOptimizer(setup.optimizer, m, every[post - 1].weight_limits(x), every[post - 1].weight_gradient),
                x,
                every[post - 1],
                self.control,
                post - 1,
                backward=pre > 0,
                delays=d,
            )
            for m, x, (pre, post), d in zip(masters, exponents, self.ways, delays or [None] * len(masters), strict=True)
        ]
        self.spiking = isinstance(setup.loss, TTFSLoss)
        self.layers = [LIFPart(n, every[k], layer=k) for k, n in enumerate(sizes[1:-1])]
        if self.spiking:
            self.layers.append(LIFPart(sizes[-1], every[-1], phantom=True, layer=n_layers - 1))
            self.loss = TTFSPart(sizes[-1], setup.loss, every[-1], setup.silent)
        else:
            self.layers.append(ReadoutPart(sizes[-1], every[-1], setup.loss, layer=n_layers - 1))
            self.loss = None
        self.said = []

    def set_learning(self, batch, rate):
        self.control.set(batch, rate)

    def phase(self, spikes, target):
        """One Lava step: who sends first sends first."""
        sent = [dense.send() for dense in self.dense]
        errors = self.loss.answer() if self.loss else np.zeros(self.sizes[-1], int)
        inputs = self.input.run(spikes)
        out = []
        for k, layer in enumerate(self.layers, 1):
            weighted = sum(s[0] for s, (_, post) in zip(sent, self.ways, strict=True) if post == k)
            back = sum(s[1] for s, (pre, _) in zip(sent, self.ways, strict=True) if pre == k)
            out.append(layer.run(weighted, back + errors if k == len(self.layers) else back))
        judge = self.loss.receive(out[-1][0], target) if self.loss else self.layers[-1].judge(target)
        if judge is not None:
            self.said.append(judge)
        before = [inputs, *(o[0] for o in out)]
        for dense, (pre, post) in zip(self.dense, self.ways, strict=True):
            dense.receive(before[pre], out[post - 1][1], out[post - 1][2])
        gates = self.chain.fire()
        for part in (self.input, *self.dense, *self.layers, *([self.loss] if self.loss else [])):
            part.phases.receive(gates)

    def sample(self, steps, sources, label=None, watch=None):
        """One sample; `watch(phase)` is called after every phase."""
        for p in range(self.c.period):
            spikes, target = np.zeros(self.sizes[0], int), np.zeros(self.sizes[-1], int)
            if p == 0 and self.input.phases.phase < 0:
                self.phase(spikes, target)  # the chain's first spike
            np.add.at(spikes, np.asarray(sources)[np.asarray(steps) == p], 1)
            if label is not None and p == 0:
                target[label] = 1
            self.phase(spikes, target)
            if watch:
                watch(p)


def same_states(loop, seen):
    """A `watch` for a sample: every layer's state in every phase is what the engine has seen in the step."""
    T = loop.c.steps

    def compare(p):
        for layer, states in zip(loop.layers, seen, strict=True):
            if 1 <= p <= T:
                assert np.array_equal(layer.V, states.V[p - 1])
                assert np.array_equal(layer.I, states.I[p - 1])
            elif p >= T + 2:
                assert np.array_equal(layer.lV, states.lV[2 * T + 1 - p])
                assert np.array_equal(layer.lI, states.lI[2 * T + 1 - p])

    return compare


def saturating():
    """A 4-3-2 network, the (steps, sources) of a sample, and its label: a huge error of late spikes fills registers.

    In steps of 1 ms for 40 ms, time to first spike with alpha 1e4: one error that the second matrix sends back, and
    one that the first would send to the input.
    """
    first = [[3.4, 5.5, 4.3], [10.1, 4.6, 2.2], [0.7, 2.4, -3.0], [-2.6, 5.9, -1.5]]
    second = [[6.0, 5.2], [2.1, -1.1], [-2.1, 8.6]]
    return [np.array(first), np.array(second)], (np.array([0, 2, 4, 6]), np.array([1, 2, 0, 3])), 1
