"""Integer losses against those with real numbers, and by hand."""

import numpy as np
import pytest

from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.losses import TTFSTables, VoltageTables, first_ms, phantom_impulse
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss

C = FixedPoint(NeuronParameters(), 0.5, 60.0)
ONE = 1 << C.adjoint_bits


def test_errors_of_first_spikes():
    """As TTFSLoss.by_times at (k + 1) dt, to the last few units; silent outputs take no part."""
    loss, rng = TTFSLoss(), np.random.default_rng(0)
    tables = TTFSTables.of(loss, C)
    for _ in range(50):
        first = rng.integers(20, 26, 3)
        first[rng.random(3) < 0.2] = C.steps
        label = int(rng.integers(3))
        exact = loss.by_times(first_ms(first, C), label)
        assert np.abs(tables.errors(first, label) / ONE - exact).max() < 3e-4


def test_a_silent_label_has_no_error():
    assert not TTFSTables.of(TTFSLoss(), C).errors(np.array([3, C.steps]), 1).any()


def test_two_first_spikes_by_hand():
    """The same step: half of 1 / tau0 each; the label's is 1 / tau0 more."""
    tables = TTFSTables.of(TTFSLoss(alpha=0.0), C)
    assert tables.errors(np.array([7, 7, C.steps]), 0).tolist() == [ONE, -ONE, 0]


def test_late_spikes_do_not_leave_the_register():
    assert TTFSTables.of(TTFSLoss(tau1=1.0), C).late.max() < 2**23


@pytest.mark.parametrize("theta", [1.0, 0.5])
def test_impulses_of_largest_voltages(theta):
    """-dL/dV / tau_m, V in thresholds."""
    c = FixedPoint(NeuronParameters(theta=theta), 0.5, 60.0)
    rng, tables = np.random.default_rng(0), VoltageTables.of(c)
    for _ in range(50):
        peaks = rng.integers(0, 3 * c.theta, 4)
        label = int(rng.integers(4))
        exact = -MaxVoltageLoss().by_peaks(peaks * theta / c.theta, label) * theta / 20.0
        assert np.abs(tables.impulses(peaks, label, c) / ONE - exact).max() < 1e-3 * theta


def test_a_phantom_by_hand():
    assert phantom_impulse(2.0, C) == round(2.0 / 20.0 * ONE)
    assert phantom_impulse(0.0, C) == 0
