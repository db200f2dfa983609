"""Coefficients, widths and step functions by hand, and what is refused."""

import math

import numpy as np
import pytest

from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import (
    REGISTER_MAX,
    FixedPoint,
    adjoint,
    backward_step,
    clip_to_register,
    forward_step,
    jump,
    rise,
    shift,
)
from lava_nbp.eventprop.equations import NeuronParameters

P = NeuronParameters(20.0, 5.0)
C = FixedPoint(P, 0.5, 60.0)


def integers(*values):
    return np.array(values, dtype=np.int64)


def test_coefficients_by_hand():
    assert (C.steps, C.period, C.theta) == (120, 242, 16384)
    assert round(4096 * math.exp(-0.025)) == C.alpha == 3995
    assert round(4096 * math.exp(-0.1)) == C.beta == 3706
    assert round(4096 / 3 * (math.exp(-0.025) - math.exp(-0.1))) == C.gamma == 96
    assert round(4096 * 4 / 3 * (math.exp(-0.025) - math.exp(-0.1))) == C.gamma_back == 385


def test_equal_time_constants_by_hand():
    """The limit: dt / tau exp(-dt / tau)."""
    c = FixedPoint(NeuronParameters(10.0, 10.0), 0.5, 60.0)
    assert c.alpha == c.beta == round(4096 * math.exp(-0.05))
    assert c.gamma == c.gamma_back == round(4096 * 0.05 * math.exp(-0.05))


def test_shift_rounds_to_the_nearest():
    assert [shift(x, 2) for x in (-7, -6, -5, -3, -2, -1, 1, 2, 3, 5, 6, 7)] == [-2, -1, -1, -1, 0, 0, 0, 1, 1, 1, 2, 2]
    assert shift(3, 0) == 3
    assert shift(3, -2) == 12


def test_a_forward_step_by_hand():
    V, I = integers(1000, 0), integers(5000, -5000)  # noqa: E741
    forward_step(V, I, integers(100, 0), C)
    # (3995 * 1000 + 96 * 5100) / 4096 = 1094.9, 3706 * 5100 / 4096 = 4614.4; 96 * -5000 / 4096 = -117.2
    assert V.tolist() == [1095, -117]
    assert I.tolist() == [4614, -4524]


def test_a_backward_step_by_hand():
    lV, lI = integers(1000), integers(500)
    assert backward_step(lV, lI, C) == 0
    # (3706 * 500 + 385 * 1000) / 4096 = 546.4, 3995 * 1000 / 4096 = 975.3
    assert (lV[0], lI[0]) == (975, 546)
    lV, lI = integers(0, 0), integers(2 * REGISTER_MAX, -2 * REGISTER_MAX)
    assert backward_step(lV, lI, C) == 2
    assert lI.tolist() == [REGISTER_MAX, -REGISTER_MAX]


def test_a_jump_by_hand():
    """A rise of theta / 2: lV + 2 (lV + e); below the floor of theta / 10, which is counted, 10 times; saturated."""
    before, clipped, saturated = jump(integers(10, 10), integers(5, 5), integers(8192, 0), C)
    assert before.tolist() == [40, 10 + (15 << 14) // 1638]
    assert (clipped, saturated) == (1, 0)
    before, clipped, saturated = jump(integers(0), integers(REGISTER_MAX), integers(0), C)
    assert (before[0], clipped, saturated) == (REGISTER_MAX, 1, 1)


def test_a_rise_by_hand():
    """From 16000 to 16500 in a step: 500 tau_m / dt = 500 * 40."""
    assert rise(integers(16500, 5_000_000), integers(16000, 0), C).tolist() == [20_000, REGISTER_MAX]


def test_an_adjoint_spike_by_hand():
    """What lI gets in a step of half a ms, times tau_s / dt = 10: the mean of 1000 - 500 and, a step on, 975 - 546."""
    assert (C.sent_V, C.sent_I) == (3850, 3900)
    lV, lI = integers(1000), integers(500)
    assert adjoint(lV, lI, C).tolist() == [464]  # (3850 * 1000 - 3900 * 500) / 4096 = 463.9
    backward_step(lV, lI, C)
    assert 10 * (lI[0] - 500) == 460  # but for what lI is rounded by


def test_adjoint_spikes_fit_24_bits():
    assert adjoint(integers(REGISTER_MAX), integers(-REGISTER_MAX), C).tolist() == [REGISTER_MAX]
    x = integers(REGISTER_MAX + 1, -REGISTER_MAX - 5, 3)
    assert clip_to_register(x) == 2
    assert x.tolist() == [REGISTER_MAX, -REGISTER_MAX, 3]


def test_spikes_act_at_the_nearest_step():
    assert C.steps_of([0.0, 0.24, 0.26, 0.75, 59.7]).tolist() == [0, 0, 1, 2, 119]
    for bad in (-0.1, math.nan, 59.75, 60.0, math.inf):
        with pytest.raises(
            InputError, match=f"input spike at {bad} ms, but the window is 0 .. 60.0 ms, and the last step"
        ):
            C.steps_of([1.0, bad])


def test_weights_by_hand():
    """254 * 2**7 units are 1.98 thresholds of 2**14, 254 * 2**8 are 3.97."""
    assert C.weight_exponent(1.9) == 7
    assert C.weight_exponent(2.0) == 8
    assert C.weight_exponent(1e-9) == 0
    masters = C.masters([[1.0, -3.0, 9.0, 0.0155]], 8)
    assert masters.tolist() == [[1 << 20, -3 << 20, 254 << 14, round(0.0155 * 2**20)]]
    # A mantissa is an even multiple of 2**8 units: 1 / 32 threshold. 0.0155 is less than half of that, 0.0157 more.
    assert C.forward_weights(masters, 8).tolist() == [[16384, -49152, 254 << 8, 0]]
    assert C.forward_weights(C.masters([[0.0157]], 8), 8).tolist() == [[512]]


def test_what_is_refused():
    for options, message in (
        ({"dt": 0.7}, r"dt is 0.7 ms, which does not divide the window of 60.0 ms; use 0.697674 ms"),
        ({"dt": 0.0}, "dt is 0.0, but must be 1e-06 or more, and finite; it is in ms"),
        ({"dt": math.nan}, "dt is nan, but must be a finite number"),
        ({"dt": 70.0}, "does not divide the window"),
        ({"end": -1.0}, r"end of the trial is -1.0, but must be more than 0, and 1e\+09 at most; it is in ms"),
        ({"dt": 0.05}, "of 12 bits is only 10.2 of 4096; the smallest usable dt is 0.0789474 ms, or raise"),
        ({"dt": 0.05, "end": 1000.0}, "only 10.2 of 4096; the smallest usable dt is 0.0789017 ms, or raise"),
        ({"dt": 500.0, "end": 1000.0}, "only 0.0 of 4096; the smallest usable dt is 0.0789017 ms, or raise"),
        (
            {"p": NeuronParameters(20.0, 0.01)},
            "only 2.0 of 4096; no dt is usable with tau_m 20 and tau_s 0.01 ms; bring them nearer, or raise coeff",
        ),
        ({"theta_bits": 0}, r"theta_bits is 0, but must be an integer in 1 .. 20"),
        ({"coefficient_bits": 25}, "coefficient_bits is 25"),
        ({"adjoint_bits": 21}, "adjoint_bits is 21"),
        ({"floor": 0.0}, r"floor is 0.0, but must be more than 0, and 1e\+06 at most; a rise may be 0"),
        ({"floor": math.inf}, "floor is inf, but must be a finite number"),
        ({"theta_bits": 14.0}, "theta_bits is 14.0, but must be an integer in 1 .. 20"),
        ({"p": None}, "p is None, but must be a NeuronParameters"),
        ({"dt": "0.5"}, "dt is '0.5', but must be a finite"),
        ({"end": 1e308}, r"end of the trial is 1e\+308"),
        ({"end": math.inf}, "end is inf, but must be a finite number"),
        ({"end": 1e9}, "a window of 1e[+]09 ms has 2000000000 steps of dt = 0.5 ms, but may have 1000000: a sample"),
        ({"dt": 1e-300}, "dt is 1e-300"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            FixedPoint(**{"p": P, "dt": 0.5, "end": 60.0, **options})
    for largest in (0.0, -1.0, math.inf, math.nan, "2", 512.0):
        with pytest.raises(
            WeightError, match=f"largest weight is {largest!r}, but must be more than 0, and 512 at most"
        ):
            C.weight_exponent(largest)


@pytest.mark.parametrize("taus", [(20.0, 5.0), (5.0, 20.0), (5.0, 5.0), (5.0, 5.0 + 1e-12), (200.0, 5.0)])
@pytest.mark.parametrize("end", [60.0, 1000.0, 5000.0])
def test_the_smallest_usable_dt_is_usable(taus, end):
    """Also in trials so long that in a step of a trial nothing of I would be left."""
    p = NeuronParameters(*taus)
    with pytest.raises(InputError) as error:
        FixedPoint(p, 0.01, end)
    dt = float(str(error.value).split("smallest usable dt is ")[1].split(" ms")[0])
    steps = round(end / dt)
    FixedPoint(p, end / steps, end)
    with pytest.raises(InputError, match="smallest usable dt"):
        FixedPoint(p, end / (steps + 1), end)


def test_a_volley_that_overflows_names_matrix_and_scale():
    C.check_volley(np.full((4, 2), 2_000_000), "weights of layer 1")
    with pytest.raises(
        WeightError,
        match=r"weights of layer 3, neuron 1, one spike of every input: the current reaches 610.4 thresholds, but a "
        r"24-bit register holds 512.0 at 14 theta_bits; scale the weights by 0.84 or less, or lower theta_bits",
    ):
        C.check_volley(np.array([[1, -2_500_000]] * 4), "weights of layer 3")
