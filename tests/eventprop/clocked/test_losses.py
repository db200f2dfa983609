"""Integer losses against those with real numbers, and by hand."""

import numpy as np
import pytest

from lava_nbp.eventprop.clocked.arithmetic import MEAN_BITS, REGISTER_MAX, FixedPoint
from lava_nbp.eventprop.clocked.losses import (
    LARGEST_GAIN,
    MeanTables,
    TTFSTables,
    VoltageTables,
    first_ms,
    phantom_impulse,
)
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss

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


def test_means_by_hand():
    """Four steps that count alike: 16 and -8 in two of them are 6 and -3 in 128ths ... of a quarter; halves go up."""
    tables = MeanTables.of(MeanVoltageLoss(), FixedPoint(NeuronParameters(), 1.0, 4.0))
    assert (tables.counts == tables.counts[0]).all()
    assert tables.later.tolist() == [1 << 24, 3 << 22, 1 << 23, 1 << 22, 0]
    assert tables.means(tables.counts[0] * np.array([16 + 8, -3])).tolist() == [6 << MEAN_BITS, -96]
    assert tables.means(np.array([tables.total // 256, -tables.total // 256])).tolist() == [1, 0]


@pytest.mark.parametrize(
    "loss", [MeanVoltageLoss(), MeanVoltageLoss(7.0, 5.0), MeanVoltageLoss(0.01), MeanVoltageLoss(1e9)]
)
@pytest.mark.parametrize(("dt", "end"), [(0.5, 60.0), (0.1, 100_000.0)])
def test_means_of_voltages_that_fade(loss, dt, end):
    """As in floating point, and within 64 bits: with the largest voltage in every step of the longest trial, too."""
    c = FixedPoint(NeuronParameters(), dt, end, coefficient_bits=20)
    tables, rng = MeanTables.of(loss, c), np.random.default_rng(0)
    V = rng.integers(-REGISTER_MAX, REGISTER_MAX, (c.steps, 2))
    V[:, 1] = REGISTER_MAX
    sums = np.array([sum(int(a) * int(b) for a, b in zip(tables.counts, V[:, j], strict=True)) for j in range(2)])
    found = tables.means(sums)
    g = np.exp(-np.arange(c.steps) * dt / loss.tau)
    assert found[0] == pytest.approx((g / g.sum()) @ V[:, 0] * 2**MEAN_BITS, abs=2**MEAN_BITS * REGISTER_MAX * 3e-4)
    assert found[1] == REGISTER_MAX << MEAN_BITS
    assert found[1] < 2**30


@pytest.mark.parametrize("theta", [1.0, 0.5])
@pytest.mark.parametrize("gain", [1e-3, 1.0, 20.0, LARGEST_GAIN])
def test_impulses_of_means(theta, gain):
    """-dL/dm / tau_m: gain times the threshold times one-hot minus softmax of gain times means."""
    c = FixedPoint(NeuronParameters(theta=theta), 0.5, 60.0)
    loss, one = MeanVoltageLoss(gain=gain / theta), c.theta << MEAN_BITS
    rng, tables = np.random.default_rng(0), MeanTables.of(loss, c)
    for _ in range(50):
        means, label = rng.integers(-one, one, 4) // max(1, int(gain)), int(rng.integers(4))
        exact = -loss.by_means(means / one * theta, label) * theta / 20.0
        assert np.abs(tables.impulses(means, label, c) / ONE - exact).max() < 1.6e-2 * gain / 20.0 + 1 / ONE


@pytest.mark.parametrize("loss", [MeanVoltageLoss(), MeanVoltageLoss(7.0)])
def test_no_unit_of_an_impulse_is_lost(loss):
    """Steps get shares that differ from the exact ones by less than a unit, and together the whole."""
    tables = MeanTables.of(loss, C)
    g = np.exp(-np.arange(C.steps) * C.dt / loss.tau)
    for impulses in (np.array([5, -5, 0]), np.array([-12345, 12344, 1]), np.array([REGISTER_MAX, -REGISTER_MAX, 3])):
        shares = np.array([tables.injection(impulses, k) for k in range(C.steps)])
        assert np.array_equal(shares.sum(axis=0), impulses)
        assert np.abs(shares - np.outer(g / g.sum(), impulses)).max() < 1 + 1e-4 * np.abs(impulses).max()


def test_a_phantom_by_hand():
    assert phantom_impulse(2.0, C) == round(2.0 / 20.0 * ONE)
    assert phantom_impulse(0.0, C) == 0
