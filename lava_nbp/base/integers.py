"""The integer rules of the chip: shift, round, saturate, wrap.

Every function takes and returns integers (scalars or NumPy arrays) and says
which register it models. Executors that need the same rule in a compiled
kernel are proved equal to these by the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_nbp.base.checks import as_array, shown
from lava_nbp.base.widths import (
    ALIGNMENT_BITS,
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_BITS,
    PLASTIC_WEIGHT_MAX,
    STATE_BITS,
    WEIGHT_BITS,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_STEP,
)
from lava_nbp.errors import InputError, WeightError

#: Half the range of a summed synaptic input in weight units: sums outside
#: (-2**17, 2**17] leave the 24-bit register, since u = 64 * sum.
INPUT_HALF_RANGE = 1 << (STATE_BITS - 1 - ALIGNMENT_BITS)

Int64Array = NDArray[np.int64]
Int16Array = NDArray[np.int16]


def wrap_state(u: ArrayLike) -> Int64Array:
    """Wrap a synaptic current, in register units, modulo 2**24 into (-2**23, 2**23]."""
    half = 1 << (STATE_BITS - 1)
    wrapped: Int64Array = half - (half - np.asarray(u, dtype=np.int64)) % (2 * half)
    return wrapped


def saturate_state(v: ArrayLike) -> Int64Array:
    """Saturate a membrane voltage, in register units, at -(2**23 - 1) and 2**23 - 1, as Lava's bit-accurate LIF."""
    return saturate(v, (1 << (STATE_BITS - 1)) - 1)


def saturate(value: ArrayLike, magnitude: int) -> Int64Array:
    """Clip to -magnitude .. magnitude."""
    clipped: Int64Array = np.minimum(np.maximum(np.asarray(value, dtype=np.int64), -magnitude), magnitude)
    return clipped


def round_to_even_toward_zero(value: ArrayLike) -> Int64Array:
    """Round real numbers toward zero to even integers, as the chip drops the lowest bit of mixed-sign weights."""
    rounded: Int64Array = (WEIGHT_STEP * np.trunc(np.asarray(value, dtype=np.float64) / WEIGHT_STEP)).astype(np.int64)
    return rounded


def mantissa_exponent(weight: int, what: str = "weight") -> tuple[int, int]:
    """Split a fixed weight into the chip's mantissa and exponent: weight = mantissa * 2**exponent.

    A connection of fixed weights has one sign (the chip's excitatory and
    inhibitory sign modes), so its mantissas use all 8 bits, 0 .. 255; the
    smallest exponent that fits is returned.

    Raises
    ------
    WeightError
        If no mantissa of 8 bits with an exponent of 0 .. 7 gives the weight.
    """
    for exponent in range(WEIGHT_EXPONENT_MAX + 1):
        mantissa, rest = divmod(abs(weight), 1 << exponent)
        if rest == 0 and mantissa < 1 << WEIGHT_BITS:
            return (mantissa if weight >= 0 else -mantissa), exponent
    raise WeightError(
        f"{what} {shown(weight)} does not fit a synapse: it is no integer of {WEIGHT_BITS} bits times "
        f"2^0 .. 2^{WEIGHT_EXPONENT_MAX}; choose one, of magnitude {255 << WEIGHT_EXPONENT_MAX} at most"
    )


def bias_mantissa_exponent(bias: int, what: str) -> tuple[int, int]:
    """Split a bias, in weight units, into the chip's mantissa and exponent: 64 * bias = mantissa * 2**exponent.

    The mantissa has 13 bits with its sign, the exponent is 0 .. 7; the smallest exponent
    that fits is returned. -8192 is the most negative bias there is.

    Raises
    ------
    InputError
        If no mantissa and exponent give the bias.
    """
    register, half = bias << ALIGNMENT_BITS, 1 << (BIAS_MANTISSA_BITS - 1)
    for exponent in range(BIAS_EXPONENT_MAX + 1):
        mantissa, rest = divmod(register, 1 << exponent)
        if rest == 0 and -half <= mantissa < half:
            return mantissa, exponent
    raise InputError(
        f"population {what!r}: bias {shown(bias)} does not fit the chip: 64 * {shown(bias)} is no integer of "
        f"{BIAS_MANTISSA_BITS} bits times 2^0 .. 2^{BIAS_EXPONENT_MAX}; the range is "
        f"{-half << BIAS_EXPONENT_MAX >> ALIGNMENT_BITS} .. {(half - 1) << BIAS_EXPONENT_MAX >> ALIGNMENT_BITS}, "
        f"inhibit with a negative gate for more"
    )


def check_plastic_weights(weights: Any, shape: tuple[int, int], what: str) -> Int16Array:
    """Check that a matrix can be held by plastic synapses, and return it as a new int16 array.

    Plastic synapses are 8-bit mixed-sign: even integers in -254 .. 254.

    Raises
    ------
    WeightError
        Names the matrix, the first offending entry, and what is allowed.
    """
    array = as_array(weights, what, error=WeightError)
    if array.shape != shape:
        raise WeightError(f"{what} has shape {array.shape}, but this network needs {shape} (pre, post)")
    if not np.issubdtype(array.dtype, np.integer):
        raise WeightError(
            f"{what} has dtype {array.dtype}, but weights are integers; "
            f"round them first, for instance with lava_nbp.base.integers.round_to_even_toward_zero"
        )
    low, high = array.min(initial=0), array.max(initial=0)
    if low < -PLASTIC_WEIGHT_MAX or high > PLASTIC_WEIGHT_MAX or np.count_nonzero(array & (WEIGHT_STEP - 1)):
        bad = (array % WEIGHT_STEP != 0) | (array > PLASTIC_WEIGHT_MAX) | (array < -PLASTIC_WEIGHT_MAX)
        pre, post = (int(i) for i in np.argwhere(bad)[0])
        raise WeightError(
            f"{what}[{pre}, {post}] is {array[pre, post]}, but a plastic weight is an even integer in "
            f"-{PLASTIC_WEIGHT_MAX} .. {PLASTIC_WEIGHT_MAX} ({int(bad.sum())} of {array.size} entries are not); "
            f"clip and round toward zero to even"
        )
    return array.astype(np.int16)
