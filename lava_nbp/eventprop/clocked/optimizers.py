"""Learning with integers: full-precision weights, integer gradients, integer moments.

Only two numbers per update come from outside: the rate, and the correction of Adam's start.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import (
    check_arrays,
    check_integer,
    check_name,
    check_positive,
    check_real,
    check_within,
    shown,
)
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS, Int64Array, shift
from lava_nbp.eventprop.policies import MOST_STEPS, OPTIMIZERS

#: Adam's means forget 1 / 2**_FIRST and 1 / 2**_SECOND of themselves per update: beta 0.875 and 0.99902.
_FIRST, _SECOND = 3, 10
#: Fractional bits of the means, beyond those of the gradient, even; magnitude to which gradients are clipped.
_EXTRA, _LARGEST = 8, 1 << 26
#: Fractional bits of SGD's factor.
_FACTOR = 24
#: 1 of SGD's factor, for numbers with 20 fractional bits.
_ONE = 2.0 ** (MASTER_BITS + _FACTOR)
#: No limit is farther from 0.
_FARTHEST = 1 << 60
#: Largest factors on a gradient of 2**26, and on a mean of 2**34: their products fit 63 bits.
_LARGEST_FACTOR, _LARGEST_SIZE = 1 << 36, 1 << 28


class IntegerOptimizer:
    """Changes one array of full-precision numbers, weights or delays, by summed integer gradients.

    "adam", with g the gradient summed over the batch (Kingma & Ba 2015, in integers)::

        m = m + ((g << 8) - m) >> 3;   v = v + ((g * g << 8) - v) >> 10
        w = w - rate * m / (16 (sqrt(v) + 1))

    "sgd": w = w - (factor * g) >> 24, whose factor is rate * unit / batch in units of w.

    Parameters
    ----------
    name : {"adam", "sgd"}
    masters : int64 array
        Numbers with 20 fractional bits; changed in place.
    limits : (int, int)
        The least and the largest that they may be.
    unit : float
        The gradient that is 1 in integers: tau_s / 2**adjoint_bits of weights, see `FixedPoint.weight_gradient`.
    allocate : callable
        Makes arrays of zeros.

    Raises
    ------
    InputError
        For an unknown name, limits that hold nothing, a unit that is not positive, or what is trained of another type.
    """

    def __init__(
        self, name: str, masters: Int64Array, limits: tuple[int, int], unit: float, allocate: Allocate = np.zeros
    ) -> None:
        check_name(name, "optimizer", OPTIMIZERS)
        if not isinstance(limits, (tuple, list)) or len(limits) != 2:
            raise InputError(f"limits are {shown(limits)}, but must be two integers, the least and the largest number")
        low = check_integer(limits[0], -_FARTHEST, _FARTHEST, "lower limit")
        high = check_integer(limits[1], low, _FARTHEST, "upper limit")
        unit = check_positive(unit, "unit of gradients")
        if not isinstance(masters, np.ndarray) or masters.dtype != np.int64 or not masters.flags.writeable:
            raise InputError(
                f"masters are {shown(masters)}, but must be an int64 array that can be written, as it is trained in "
                f"place; give a copy"
            )
        self.name, self.masters, self.limits, self._unit = name, masters, (low, high), unit
        self._steps = allocate(1, np.int64)
        shape = masters.shape if name == "adam" else (0,)
        self._m, self._v = allocate(shape, np.int64), allocate(shape, np.int64)

    def step(self, g: Int64Array, batch: int, rate: float) -> int:
        """Change the numbers by the gradient of a batch; how many would have left their limits.

        `rate` is in their unit: thresholds of weights, steps of delays.

        Raises
        ------
        InputError
            As `check`, or for a gradient that is no int64 array of the numbers' shape; nothing has changed then.
        """
        self.check(batch, rate)
        if not isinstance(g, np.ndarray) or g.dtype != np.int64 or g.shape != self.masters.shape:
            raise InputError(f"gradient is {shown(g)}, but must be an int64 array of shape {self.masters.shape}")
        self._steps[0] += 1
        if self.name == "adam":
            return self._adam(g, rate)
        change = shift(self._factor(rate, batch) * np.clip(g, -_LARGEST, _LARGEST), _FACTOR)
        moved, (low, high) = self.masters - change, self.limits
        self.masters[...] = np.clip(moved, low, high)
        return int(np.count_nonzero((moved < low) | (moved > high)))

    def _adam(self, g: Int64Array, rate: float) -> int:
        # Imported here because Lava executes Processes, and what they import, at every compilation.
        from lava_nbp.eventprop.clocked.matrix_kernels import adam

        t = int(self._steps[0])
        # Adam's correction of its start, with the betas as they are here.
        start = math.sqrt(1 - (1 - 2.0**-_SECOND) ** t) / (1 - (1 - 2.0**-_FIRST) ** t)
        size = round(rate * start * (1 << MASTER_BITS))
        arrays = [np.ravel(a) for a in (self.masters, self._m, self._v, g)]
        left: int = adam(*arrays, _LARGEST, _EXTRA, _FIRST, _SECOND, size, *self.limits)
        for own, flat in zip((self.masters, self._m, self._v), arrays, strict=False):
            if not own.flags.c_contiguous:  # then the flat one is a copy
                own[...] = flat.reshape(own.shape)
        return left

    def check(self, batch: int, rate: float) -> None:
        """Check that integers hold a step.

        Raises
        ------
        InputError
            For a batch without samples, or a rate that is negative, or so large that products overflow.
        """
        check_integer(batch, 1, None, "samples of a batch")
        largest = _LARGEST_SIZE / (1 << MASTER_BITS)
        if self.name == "sgd":
            largest = _LARGEST_FACTOR * batch / (self._unit * _ONE)
        check_real(rate, 0.0, largest, "rate", "its products with integer gradients have 63 bits")

    def _factor(self, rate: float, batch: int) -> int:
        """By which SGD multiplies a gradient."""
        return round(rate * self._unit / batch * _ONE)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all it remembers, by name."""
        if self.name == "sgd":
            return {}
        return {"steps": self._steps.copy(), "m": self._m.copy(), "v": self._v.copy()}

    def check_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Check what `load` takes.

        Raises
        ------
        InputError
            If it is that of another optimizer, or of another matrix, or what no updates lead to.
        """
        check_arrays(state, self.state(), "optimizer state", "this matrix needs")
        if state:
            first, second = _LARGEST << _EXTRA, _LARGEST**2 << _EXTRA
            for name, low, high in (("steps", 0, MOST_STEPS), ("m", -first, first), ("v", 0, second)):
                check_within(state[name], low, high, f"optimizer state: {name}")

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state.

        Raises
        ------
        InputError
            As `check_state`; nothing is changed then.
        """
        self.check_state(state)
        if state:
            self._steps[...], self._m[...], self._v[...] = state["steps"], state["m"], state["v"]
