"""Networks of programs, run instruction by instruction, against the engine: spikes, all state, every gradient."""

import itertools

import numpy as np
import pytest
from program_machine import LOW, Network

from lava_nbp.errors import InputError
from lava_nbp.eventprop import (
    ClockedEngine,
    FixedPoint,
    MaxVoltageLoss,
    NeuronParameters,
    Setup,
    SilentPolicy,
    TTFSLoss,
)
from lava_nbp.loihi.programs.learning import MOST_ROOM, ReplayLearner, lower_learning


def engine_of(layers=(4, 6, 3), seed=0, scale=1.0, loss=None, setup=(), **c):
    rng = np.random.default_rng(seed)
    first, last = 14.0 / layers[0], 8.4 / max(layers[1:-1], default=layers[0])
    middles = [first, *[last] * (len(layers) - 2)]
    shapes = itertools.pairwise(layers)
    weights = [scale * rng.normal(m, m / 3, shape) for m, shape in zip(middles, shapes, strict=True)]
    fixed = {"dt": 1.0, "end": 30.0, "neuron": "loihi", "coefficient_bits": 16, "adjoint_bits": 16} | c
    return ClockedEngine(weights, Setup(FixedPoint(NeuronParameters(), **fixed), loss or TTFSLoss(1.0), *setup))


class Compared:
    """Runs samples in both, and compares."""

    def __init__(self, engine, **room):
        self.engine, self.lowered = engine, lower_learning(engine, **room)
        self.learners = [ReplayLearner(w.shape) for w in engine.forward_weights]
        self.network = Network(self.lowered, self.learners)
        self.layers = [p.name for p in self.lowered.populations[1 : len(engine.sizes)]]
        self.counts = dict.fromkeys(("overflowed", "saturated", "clipped", "lost"), 0)

    def sample(self, steps, inputs, label):
        order = np.lexsort((inputs, steps))
        steps, inputs = steps[order], inputs[order]
        seen, gradients = self.engine.watch(steps, inputs, label)
        answer, counts = self.engine.run_sample(steps, inputs, None)
        for learner in self.learners:
            learner.gradient[...] = 0
        clock, states = self.lowered.clock, {}

        def watch(network, t):
            for name in self.layers:
                words = network.neurons[name].words
                if 1 <= t <= clock.steps:
                    states[name, "V", t - 1], states[name, "I", t - 1] = words["V"].copy(), words["I"].copy()
                elif t >= clock.backward and (t - clock.backward) % clock.pieces == 0:
                    k = clock.steps - 1 - (t - clock.backward) // clock.pieces
                    states[name, "lV", k], states[name, "lI", k] = words["lV"].copy(), words["lI"].copy()

        spikes = self.network.sample(steps, inputs, label, watch)
        for name, own in zip(self.layers, seen, strict=True):
            for what in ("V", "I", "lV", "lI"):
                rows = np.array([states[name, what, k] for k in range(clock.steps)])
                assert np.array_equal(rows, getattr(own, what)), (name, what)
            words = self.network.neurons[name].words
            for count in self.counts:
                self.counts[count] += int(words[count].sum())
        for learner, gradient in zip(self.learners, gradients, strict=True):
            assert np.array_equal(learner.gradient, gradient)
        first = [min((k for k, j in spikes["output"] if j == n), default=clock.steps) for n in range(len(answer))]
        assert first == answer.tolist()
        return counts, any(g.any() for g in gradients)


def samples(engine, n, seed=1, per_input=1):
    rng, n_in = np.random.default_rng(seed), engine.sizes[0]
    for _ in range(n):
        inputs = np.repeat(np.arange(n_in), rng.integers(0, per_input + 1, n_in))
        yield rng.integers(0, engine.c.steps, len(inputs)), inputs, int(rng.integers(engine.sizes[-1]))


@pytest.mark.parametrize(
    ("layers", "options"),
    [
        ((4, 6, 3), {}),
        ((3, 4), {}),
        ((4, 5, 4, 2), {"end": 24.0}),
        ((4, 6, 3), {"theta_bits": 10, "coefficient_bits": 12, "adjoint_bits": 20}),
        ((4, 6, 3), {"theta_bits": 17, "adjoint_bits": 12, "end": 20.0}),
        ((4, 30, 12), {"dt": 0.5, "end": 15.0}),
    ],
)
def test_all_state_and_gradients_are_the_engines(layers, options):
    both = Compared(engine_of(layers, **options), room=8, input_room=2)
    taught = [both.sample(*sample)[1] for sample in samples(both.engine, 3, per_input=2)]
    assert any(taught)
    assert both.counts["lost"] == 0
    clock = both.lowered.clock
    assert clock.period == clock.steps + 4 + clock.pieces * clock.steps
    assert all(neurons.longest > 0 for neurons in both.network.neurons.values())


def test_where_adjoint_variables_saturate():
    engine = engine_of((4, 3, 3), 1, 1.2, TTFSLoss(0.13, alpha=0.0), adjoint_bits=20, floor=1e-6, end=20.0)
    both = Compared(engine, room=8)
    for sample in samples(engine, 8):
        both.sample(*sample)
    assert both.counts["saturated"] > 0
    assert both.counts["lost"] == 0


def test_denominators_at_the_floor_are_counted():
    engine = engine_of(floor=0.5)
    both = Compared(engine, room=8)
    trains = list(samples(engine, 4))
    for sample in trains:
        both.sample(*sample)
    assert both.counts["clipped"] > 0


def test_voltages_that_saturate_and_currents_that_wrap():
    engine = engine_of((4, 6, 3), theta_bits=17, end=16.0, scale=-2.0, dt=2.0)
    both, overflowed = Compared(engine, room=8, input_room=3), 0
    for sample in samples(engine, 4, per_input=3):
        overflowed += both.sample(*sample)[0].overflowed
    assert both.counts["overflowed"] == overflowed > 0


def test_a_silent_label_teaches_nothing():
    engine = engine_of(scale=0.1)
    both = Compared(engine)
    for sample in samples(engine, 2):
        assert not both.sample(*sample)[1]


def test_learning_batch_by_batch():
    """Gradients of a batch, the engine's step, and new weights in both synaptic memories."""
    engine = engine_of()
    for _ in range(2):
        both, total = Compared(engine, room=8), [np.zeros(w.shape, np.int64) for w in engine.forward_weights]
        for sample in samples(engine, 2, seed=5):
            both.sample(*sample)
            for own, learner in zip(total, both.learners, strict=True):
                own += learner.gradient
        before = [w.copy() for w in engine.forward_weights]
        for own, g in zip(engine.gradients, total, strict=True):
            own[...] = g
        engine.learn(2, 0.05)
        assert all((w != old).any() for w, old in zip(engine.forward_weights, before, strict=True))


def test_both_directions_have_the_same_weights():
    engine = engine_of()
    lowered = lower_learning(engine)
    memory = {s.name: s for s in lowered.synapses}
    assert np.array_equal(memory["W2"].mantissas.T, memory["W2 mirrored"].mantissas)
    assert memory["W2"].mantissas.max() <= 254
    for k, name in enumerate(("W1", "W2")):
        s = memory[name]
        assert np.array_equal(s.mantissas.astype(np.int64) << (s.exponent + 6), engine.forward_weights[k])
    assert "W1 mirrored" not in memory, "nobody asks for errors of inputs"


def test_more_spikes_than_room_are_counted():
    engine = engine_of(scale=2.0)
    network = Network(lower_learning(engine, room=1), [ReplayLearner(w.shape) for w in engine.forward_weights])
    steps = np.array([0, 1, 2, 3])
    network.sample(steps, np.arange(4), 0)
    assert sum(network.neurons[name].words["lost"].sum() for name in ("hidden1", "output")) > 0


def test_messages_by_hand():
    """One input, one output, that spikes once: one spike there, and on the way back as many of each as are not 0."""
    engine = engine_of((1, 1), scale=0.7, end=20.0)
    network = Network(lower_learning(engine), [ReplayLearner((1, 1))])
    spikes = network.sample(np.array([2]), np.array([0]), 0)
    n = len(spikes["output"])
    assert n > 0
    assert network.messages["input", "s_out"] == 2  # there, and replayed
    assert network.messages["output", "s_out"] == 2 * n
    assert network.messages["loss", "share_out"] == network.messages["loss", "heard_out"] == 1
    assert 0 < network.messages["output", "lI_out"] <= spikes["output"][-1][0] + 1
    assert network.messages["late", "s_out"] == engine.c.steps


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda: engine_of(neuron="exact"), "neurons of layer 1 are 'exact', which no program is"),
        (lambda: engine_of(loss=MaxVoltageLoss()), "loss is MaxVoltageLoss, but programs are there for TTFSLoss only"),
        (lambda: engine_of(setup=(SilentPolicy("phantom"),)), "silent policy is 'phantom', but programs have none"),
        (lambda: engine_of(refractory=2), "layer 1 has a refractory period of 2 steps, .* make clocked.refractory 0"),
        (lambda: engine_of(coefficient_bits=20), "layer 1: coefficient_bits is 20, .* hold 16; lower"),
        (
            lambda: engine_of(loss=TTFSLoss(1.0, tau1=0.5)),
            "error of a label that spikes last is .* a smaller alpha",
        ),
        (lambda: engine_of((2, 90)), "90 classes, but a word sums the shares of 85"),
        (lambda: engine_of((2, 3, 16600), adjoint_bits=8), "weighted errors no word of 24 bits sums"),
    ],
)
def test_what_no_program_computes(made, what):
    with pytest.raises(InputError, match=what):
        lower_learning(made())


def test_recurrence_and_delays_are_refused():
    setup = engine_of().setup
    weights, loop = [np.ones((2, 3)), np.ones((3, 2))], [np.ones((3, 3)), None]
    with pytest.raises(InputError, match="layer 1 has recurrent weights"):
        lower_learning(ClockedEngine(weights, setup, recurrent=loop))
    with pytest.raises(InputError, match="has delays"):
        lower_learning(ClockedEngine(weights, setup, delays=[np.ones(2, int), None]))


@pytest.mark.parametrize("room", [0, MOST_ROOM + 1, 2.5, None])
def test_a_room_that_is_none(room):
    with pytest.raises(InputError, match="room for spikes"):
        lower_learning(engine_of(), room=room)


def test_states_never_hold_the_one_number_without_its_negative():
    """-2**23 is no state of the engine; only what passes by may be."""
    both = Compared(engine_of(theta_bits=18, end=16.0, dt=2.0), room=8)
    for sample in samples(both.engine, 2):
        both.sample(*sample)
    for neurons in both.network.neurons.values():
        assert all((word > LOW).all() for word in neurons.words.values())
