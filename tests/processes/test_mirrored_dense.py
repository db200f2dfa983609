"""Synapses with delays that are learned, by hand, and what they refuse; networks of them: test_eventprop_network.py."""

import numpy as np
import pytest
from feeding import feed

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint
from lava_nbp.eventprop.clocked.delays import LearnedDelays
from lava_nbp.eventprop.clocked.setup import Control
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.processes import MirroredDense

#: Two steps; phases 0 .. 2 are forward, 4 and 5 the steps 1 and 0 backward.
C = FixedPoint(NeuronParameters(), dt=1, end=2)
UNIT = 1 << 20


def run(dense, spikes, adjoint, lI=None, samples=1):
    """Feed what arrives in phases, {phase: entries}, of every sample; `a_out` and `adjoint_back_out` by phase."""
    n_pre, n_post = dense.masters.shape
    inputs = {}
    for port, n, given in (("s_in", n_pre, spikes), ("adjoint_in", n_post, adjoint), ("lI_in", n_post, lI or {})):
        rows = np.zeros((C.period, n), int)
        for phase, entries in given.items():
            rows[phase] = entries
        inputs[port] = np.concatenate([rows[:1] * 0, *[rows] * samples])
    gates = np.eye(C.period, dtype=int)
    inputs["gate_in"] = np.concatenate([*[gates] * samples, gates[:1] * 0])
    found = feed(dense, inputs, ["a_out", "adjoint_back_out"], steps=2 + samples * C.period)
    return [found[port][1:] for port in ("a_out", "adjoint_back_out")]


def learning(delays, batch=0, **options):
    """Weights 1 and -0.5 of one source; 0.005 * 2000 ms times the gradient in 1/ms are 10 steps per 2**14."""
    control = Control(batch, 0.005, shared_zeros)
    return MirroredDense(
        [[1.0, -0.5]], C, optimizer="sgd", control=control, delays=delays, **{"delay_rate": 2000.0, **options}
    )


def test_the_gradient_of_delays_by_hand(way):
    """A spike that acts in step 0, and a step later on the first neuron: w d of step 1 there, of step 0 on the second.

    -0.5 * 3001 is rounded up, in each synapse as in the error of both.
    """
    dense = learning([[1, 0]])
    sent, back = run(dense, {0: 1, 5: 1}, {4: [7000, 100], 5: [50, 3001]}, {4: [7, 0], 5: [0, -3]})
    assert sent[1].tolist() == [0, -8192]
    assert sent[2].tolist() == [16384, 0]
    assert np.count_nonzero(sent) == 2
    assert back[6].tolist() == [5500]
    assert dense.part.learned_delays.gradient.tolist() == [[7000, -1500]]
    assert dense.gradient.get().tolist() == [[-7, 3]]
    assert dense.delays.tolist() == [[1, 0]]


def test_all_synapses_of_a_source_have_one_gradient(way):
    """Both of step 1; two spikes at once count twice."""
    dense = learning([1])
    _, back = run(dense, {0: 2, 5: 2}, {4: [7000, 3001], 5: [50, 9]})
    assert dense.part.learned_delays.gradient.tolist() == [2 * (7000 - 1500)]
    assert back[6].tolist() == [5500]  # of each
    assert dense.delays.tolist() == [[1, 1]]


def test_shares_that_do_not_fit_are_saturated_and_counted(way):
    """2 d and -2 d of two spikes at once: four products, and no error, as they cancel."""
    dense = MirroredDense([[2.0, -2.0]], C, control=Control(0, allocate=shared_zeros), delays=[[0, 0]], delay_rate=1.0)
    run(dense, {0: 2, 5: 2}, {5: [REGISTER_MAX, REGISTER_MAX]})
    assert dense.part.learned_delays.gradient.tolist() == [[2 * REGISTER_MAX, -2 * REGISTER_MAX]]
    assert dense.tally.saturated == 4


def test_delays_learn_and_meet_their_limits(way):
    """The gradient 7000 asks for 4.27 steps less than 1, and -1500 for 0.916 more than 0: in the next sample they act.

    There, with delays of 0 and 1, the first meets step 0, and the second step 1: 50, and -0.5 * 100.
    """
    arrivals = {0: 1, 5: 1}, {4: [7000, 100], 5: [50, 3001]}
    once = learning([[1, 0]], batch=1)
    run(once, *arrivals)
    own = once.part.learned_delays
    assert own.masters.tolist() == [[0, 640 * 1500]]
    assert once.delays.tolist() == [[0, 1]]
    assert once.tally.bounded == 1
    twice = learning([[1, 0]], batch=1)
    sent, _ = run(twice, *arrivals, samples=2)
    assert sent[C.period + 1].tolist() == [16384, 0]
    assert sent[C.period + 2].tolist() == [0, -8192]
    assert twice.part.learned_delays.gradient.tolist() == [[50, -50]]
    assert twice.part.learned_delays.masters.tolist() == [[0, 640 * 1550]]
    assert twice.tally.bounded == 2


def test_delays_of_ones_own(way):
    """Their rate and limit are their own; whoever made them in shared memory sees them change, and may set them."""
    own = LearnedDelays([[1, 0]], "sgd", C, 4000.0, longest=1, allocate=shared_zeros)
    dense = learning(own, batch=1, delay_rate=0.0)
    run(dense, {0: 1, 5: 1}, {4: [7000, 100], 5: [50, 3001]})
    assert own.masters.tolist() == [[0, UNIT]]
    assert dense.tally.bounded == 2
    own.masters[...] = [[UNIT // 2, UNIT // 2 - 1]]
    assert dense.delays.tolist() == [[1, 0]]


def test_delays_that_two_learn(way):
    """Both would add to one gradient, and step: the run ends. Where nothing is learned it does not."""
    for batch in (0, 1):
        shared = LearnedDelays([[1, 0]], "sgd", C, 4000.0, allocate=shared_zeros)
        one, other = (learning(shared, batch, delay_rate=0.0) for _ in range(2))
        one.a_out.connect(other.adjoint_in)
        gates = np.concatenate([np.eye(C.period, dtype=int), np.zeros((1, C.period), int)])
        arguments = one, {"gate_in": gates}, ["adjoint_back_out"], 2 + C.period
        if not batch:
            feed(*arguments, extra=[(other, "gate_in", gates)])
            continue
        with pytest.raises(
            RuntimeFailure, match="weights of layer 1: their LearnedDelays are learned by other weights"
        ):
            feed(*arguments, extra=[(other, "gate_in", gates)])
        assert shared.masters.tolist() == [[UNIT, 0]]


def test_delays_that_stay_and_none():
    assert MirroredDense([[1.0, -0.5]], C).delays is None
    kept = MirroredDense([[1.0, -0.5]], C, delays=[3])
    assert kept.delays.tolist() == [[3, 3]]
    with pytest.raises(ValueError, match="read-only"):
        kept.delays[0, 0] = 1


def test_a_reset_forgets_the_gradient_of_delays():
    dense = learning([[1, 0]], batch=2)
    run(dense, {0: 1, 5: 1}, {4: [7000, 100], 5: [50, 3001]})
    own, masters = dense.part.learned_delays, dense.part.learned_delays.masters.copy()
    assert own.gradient.any()
    dense.reset()
    assert not own.gradient.any()
    assert not dense.gradient.get().any()
    assert np.array_equal(own.masters, masters)


def test_what_is_refused():
    def of(steps):
        return LearnedDelays(steps, "adam", C, 1.0)

    for delays, rate, message in (
        (None, 1.0, "delay_rate is 1.0, but there are no delays of a MirroredDense to learn; give some, as integers"),
        (
            of([1]),
            1.0,
            "delay_rate is 1.0, but delays of a MirroredDense that are LearnedDelays have a rate of the",
        ),
        (of([1, 2]), 0.0, r"delays of a MirroredDense have shape \(2,\), but must have \(1, 2\), or \(1,\)"),
        (of([[1]]), 0.0, r"delays of a MirroredDense have shape \(1, 1\), but must have \(1, 2\), or \(1,\)"),
        ([[1, 63]], 1.0, "delays of a MirroredDense hold 63, but must be 0 .. 62 steps; use a larger dt"),
        ([[1.0, 2.0]], 1.0, "delays of a MirroredDense have shape .* and dtype float64, but must be integers"),
        ([1], np.nan, "delay_rate is nan, but must be in 0 .. 1e.09"),
        ([1], -1.0, "delay_rate is -1.0, but must be in 0 .. 1e.09"),
        ([1], 2e9, "delay_rate is 2000000000.0, but must be in 0 .. 1e.09"),
        ([1], "1", "delay_rate is '1', but must be in 0 .. 1e.09"),
        # 0.005 thresholds, by default, times 1e5 ms are 500 steps.
        ([1], 1e5, "delays: rate is 500.0, but must be in 0 .. 256; .*; use a smaller delay_rate"),
    ):
        with pytest.raises(InputError, match=message):
            MirroredDense([[1.0, 2.0]], C, delays=delays, delay_rate=rate)
    assert MirroredDense([[1.0, 2.0]], C, delays=[1], delay_rate=1e5, control=Control(0, 0.005)).delays.any()
