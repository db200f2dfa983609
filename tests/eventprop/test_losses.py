"""Losses: values by hand, derivatives by central differences."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss


def test_ttfs_by_hand():
    """Two outputs tau0 * ln 3 apart: softmax 3/4 and 1/4."""
    loss = TTFSLoss(tau0=0.5, tau1=10.0, alpha=0.1)
    times = np.array([5.0, 5.0 + 0.5 * np.log(3)])
    assert np.isclose(loss.value(times, 0, 60.0), -np.log(0.75) + 0.1 * (np.exp(0.5) - 1))
    assert np.allclose(loss.by_times(times, 0), [(1 - 0.75) / 0.5 + 0.01 * np.exp(0.5), -0.25 / 0.5])


def test_ttfs_derivative_by_central_differences():
    loss = TTFSLoss(tau0=0.7, tau1=5.0, alpha=0.05)
    times, d = np.array([4.0, 4.5, 3.9, np.inf]), 1e-6
    found = loss.by_times(times, 1)
    for k in range(3):
        shift = np.eye(4)[k] * d
        shift[3] = 0
        numeric = (loss.value(times + shift, 1, 60.0) - loss.value(times - shift, 1, 60.0)) / (2 * d)
        assert np.isclose(found[k], numeric, rtol=1e-8)
    assert found[3] == 0


def test_ttfs_of_distant_and_silent_outputs():
    loss = TTFSLoss()
    far = np.array([1.0, 59.0, np.inf])
    assert np.isclose(loss.value(far, 1, 60.0), 58 / 0.5 + 0.003 * np.expm1(59 / 6.4))  # nothing overflows
    assert loss.value(far, 2, 60.0) == pytest.approx(59 / 0.5 + 0.003 * np.expm1(60 / 6.4))
    assert loss.by_times(far, 2).tolist() == [0, 0, 0]
    assert np.isfinite(loss.by_times(far, 0)).all()


def test_max_voltage_by_hand():
    peaks = np.log(np.array([1.0, 2.0, 5.0]))
    assert np.isclose(MaxVoltageLoss().value(peaks, 1), -np.log(0.25))
    assert np.allclose(MaxVoltageLoss().by_peaks(peaks, 1), [0.125, -0.75, 0.625])


def test_mean_voltage_by_hand():
    """The gain is that of the numbers whose softmax it is, and so of the derivative."""
    means = np.log(np.array([1.0, 2.0, 5.0])) / 4
    loss = MeanVoltageLoss(gain=4.0)
    assert np.isclose(loss.value(means, 1), -np.log(0.25))
    assert np.allclose(loss.by_means(means, 1), [0.5, -3.0, 2.5])
    assert (MeanVoltageLoss().fading, MeanVoltageLoss(tau=20).fading) == (0.0, 0.05)
    assert loss.warnings(1e9) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau": 0}, r"tau is 0, but must be in 1e-06 .. 1e\+09; it is in ms; or inf"),
        ({"tau": float("nan")}, r"tau is nan, but must be in 1e-06 .. 1e\+09; it is in ms; or inf"),
        ({"tau": "inf"}, r"tau is 'inf', but must be in 1e-06"),
        ({"gain": 0}, "gain is 0.0, but must be more than 0"),
        ({"gain": float("inf")}, "gain is inf, but must be a finite number"),
    ],
)
def test_means_that_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        MeanVoltageLoss(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tau0": 0}, r"tau0 is 0.0, but must be in 1e-06 .. 1e\+09; it is in ms"),
        ({"tau1": -1}, "tau1 is -1.0, but must be in"),
        ({"alpha": -0.1}, r"alpha is -0.1, but must be in 0 .. 1e\+09"),
        ({"tau1": float("inf")}, "tau1 is inf, but must be a finite number"),
        ({"alpha": float("nan")}, "alpha is nan, but must be a finite number"),
        ({"alpha": "0.003"}, "alpha is '0.003', but must be a finite number"),
        ({"tau0": True}, "tau0 is True, but must be a finite number"),
        ({"tau0": 1e-300}, "tau0 is 1e-300, but must be in"),
        ({"tau0": 1e300}, r"tau0 is 1e\+300, but must be in"),
    ],
)
def test_parameters_that_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TTFSLoss(**options)


def test_numbers_of_numpy_and_whole_ones_will_do():
    loss = TTFSLoss(np.float32(0.5), np.int64(6), 0)
    assert (loss.tau0, loss.tau1, loss.alpha) == (0.5, 6.0, 0.0)
    assert {type(x) for x in (loss.tau0, loss.tau1, loss.alpha)} == {float}


def test_exponentials_that_no_number_holds_say_nothing():
    """A late spike of a trial of 1e6 ms: infinite without a warning of NumPy's, and nothing where alpha is 0."""
    late = np.array([1e6, np.inf])
    assert TTFSLoss().value(late, 1, 1e6) == np.inf
    assert TTFSLoss().by_times(late, 0)[0] == np.inf
    assert np.isfinite(TTFSLoss(alpha=0).value(late, 1, 1e6))
    assert np.isfinite(TTFSLoss(alpha=0).by_times(late, 0)).all()


def test_a_trial_whose_late_spikes_have_endless_gradients_is_warned_of():
    (said,) = TTFSLoss().warnings(2500.0)
    assert "a trial of 2500 ms" in said
    assert "with loss.tau1 = 6.4" in said
    assert "raise loss.tau1, or lower the trial's end or loss.alpha" in said
    for loss, end in ((TTFSLoss(), 500.0), (TTFSLoss(alpha=0), 1e9), (MaxVoltageLoss(), 1e9)):
        assert loss.warnings(end) == []
