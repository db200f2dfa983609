"""EventProp's inference network as registers."""

from dataclasses import replace

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss
from lava_nbp.loihi.eventprop_lowering import MatrixRegisters, lower_eventprop

P, SLOW = NeuronParameters(20.0, 5.0), NeuronParameters(30.0, 8.0)
C = FixedPoint(P, 1.0, 40.0, neuron="loihi")


def test_what_is_lowered_by_hand():
    """A weight of 2 thresholds is 2**15 in units of u, 512 in those of weights: 128 times 2**2, if 3.9 are held."""
    late = np.array([[0, 3], [62, 1]])
    engine = ClockedEngine(
        [[[2.0, -1.0]], [[0.5], [0.25]]], Setup(C, TTFSLoss(), layers=(C, replace(C, p=SLOW))), largest=[3.9, 0.9, 1.0],
        recurrent=[[[0.0, 1.0], [-1.0, 0.0]], None], recurrent_delays=[late, None],
    )  # fmt: skip
    lowered = lower_eventprop(engine)
    assert (lowered.n_in, lowered.steps, lowered.n_synapses, lowered.longest_delay) == (1, 40, 2 + 2 + 4, 62)
    hidden, output = lowered.groups
    assert (hidden.name, hidden.size, hidden.du, hidden.dv, hidden.vth) == ("hidden1", 2, 741, 200, C.vth)
    assert (output.name, output.size, output.du, output.dv) == (
        "output", 1, round(4096 * (1 - np.exp(-1 / 8))) - 1, round(4096 * (1 - np.exp(-1 / 30)))
    )  # fmt: skip
    first, second, loop = lowered.matrices
    assert (first.name, first.pre, first.post, first.exponent, first.delays) == ("W1", "input", "hidden1", 2, None)
    assert first.mantissas.tolist() == [[128, -64]]
    assert (second.name, second.pre, second.post, second.exponent) == ("W2", "hidden1", "output", 0)
    assert second.mantissas.tolist() == [[128], [64]]
    assert (loop.name, loop.pre, loop.post) == ("R1", "hidden1", "hidden1")
    assert np.array_equal(loop.delays, late)
    for matrix, w in zip(lowered.matrices, engine.forward_weights, strict=True):
        assert np.array_equal(matrix.mantissas << matrix.exponent + 6, w)


def test_refractory_periods_by_hand():
    """Registers count from spike to spike: 1 misses none."""
    layers = (replace(C, refractory=3), C, replace(C, refractory=62))
    lowered = lower_eventprop(ClockedEngine([[[1.0]]] * 3, Setup(C, TTFSLoss(), layers=layers)))
    assert [g.refractory for g in lowered.groups] == [4, 1, 63]
    assert not lowered.has_form_of(lower_eventprop(ClockedEngine([[[1.0]]] * 3, Setup(C, TTFSLoss()))))


def test_what_is_refused():
    for setup, message in (
        (Setup(FixedPoint(P, 1.0, 40.0), TTFSLoss()), "neurons of layer 1 are 'exact', whose arithmetic no chip"),
        (
            Setup(C, TTFSLoss(), layers=(FixedPoint(P, 1.0, 40.0),)),
            "neurons of layer 1 are 'exact', whose arithmetic no chip",
        ),
        (Setup(C, MaxVoltageLoss()), r"the outputs answer by voltages \(MaxVoltageLoss\), which no spikes tell; train"),
    ):
        with pytest.raises(InputError, match=message):
            lower_eventprop(ClockedEngine([[[1.0]]], setup))
    with pytest.raises(InputError, match="engine is 3, but must be a ClockedEngine"):
        lower_eventprop(3)
    good = {"name": "W1", "pre": "input", "post": "output", "mantissas": np.array([[2, -254]]), "exponent": 7}
    for changed, message in (
        ({"mantissas": np.array([[3, 2]])}, "synapses 'W1': mantissas hold 3, but must be even"),
        ({"mantissas": np.array([[256, 2]])}, "mantissas are 2 .. 256, but must be in -254 .. 254"),
        ({"mantissas": np.array([2, 2])}, r"mantissas have shape \(2,\) and dtype int64, but must be integers"),
        ({"mantissas": np.array([[2.0]])}, r"mantissas have shape \(1, 1\) and dtype float64, but must be integers"),
        ({"exponent": 8}, "synapses 'W1': exponent is 8, but must be an integer in 0 .. 7"),
        ({"delays": np.array([[63, 0]])}, "synapses 'W1': delays are 0 .. 63, but must be in 0 .. 62"),
        ({"delays": np.array([[1]])}, r"delays have shape \(1, 1\), but mantissas \(1, 2\)"),
    ):
        with pytest.raises(InputError, match=message):
            MatrixRegisters(**{**good, **changed})
    assert MatrixRegisters(**good).mantissas.dtype == np.int32
