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
from lava_nbp.base.checks import check_arrays, check_integer, check_kind, check_name, check_real, check_within, shown
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS, FixedPoint, Int64Array, shift
from lava_nbp.eventprop.policies import MOST_STEPS, OPTIMIZERS

#: Adam's means forget 1 / 2**_FIRST and 1 / 2**_SECOND of themselves per update: beta 0.875 and 0.99902.
_FIRST, _SECOND = 3, 10
#: Fractional bits of the means, beyond those of the gradient, even; magnitude to which gradients are clipped.
_EXTRA, _LARGEST = 8, 1 << 26
#: Fractional bits of SGD's factor.
_FACTOR = 24
#: Largest factors on a gradient of 2**26, and on a mean of 2**34: their products fit 63 bits.
_LARGEST_FACTOR, _LARGEST_SIZE = 1 << 36, 1 << 28


class IntegerOptimizer:
    """Changes one matrix of full-precision weights by summed integer gradients.

    "adam", with g the gradient summed over the batch (Kingma & Ba 2015, in integers)::

        m = m + ((g << 8) - m) >> 3;   v = v + ((g * g << 8) - v) >> 10
        w = w - rate * m / (16 (sqrt(v) + 1))

    "sgd": w = w - (factor * g) >> 24, whose factor is rate * tau_s / batch in units of w and g.

    Parameters
    ----------
    name : {"adam", "sgd"}
    masters : int64 array
        Weights with 20 fractional bits; changed in place.
    limit : int
        Largest magnitude of a weight.
    c : FixedPoint
        For the units of gradients.
    allocate : callable
        Makes arrays of zeros.

    Raises
    ------
    InputError
        For an unknown name.
    """

    def __init__(
        self, name: str, masters: Int64Array, limit: int, c: FixedPoint, allocate: Allocate = np.zeros
    ) -> None:
        check_name(name, "optimizer", OPTIMIZERS)
        check_kind(c, FixedPoint, "c")
        check_integer(limit, 1, None, "limit of the weights")
        if not isinstance(masters, np.ndarray) or masters.dtype != np.int64:
            raise InputError(f"masters are {shown(masters)}, but must be an int64 array, which is trained in place")
        self.name, self.masters, self._limit, self._c = name, masters, limit, c
        self._steps = allocate(1, np.int64)
        shape = masters.shape if name == "adam" else (0,)
        self._m, self._v = allocate(shape, np.int64), allocate(shape, np.int64)

    def step(self, g: Int64Array, batch: int, rate: float) -> None:
        """Change the weights by the gradient of a batch; `rate` in thresholds.

        Raises
        ------
        InputError
            As `check`; nothing has changed then.
        """
        self.check(batch, rate)
        self._steps[0] += 1
        if self.name == "sgd":
            factor = self._factor(rate, batch)
            change = shift(factor * np.clip(g, -_LARGEST, _LARGEST), _FACTOR)
        else:
            t = int(self._steps[0])
            # Adam's correction of its start, with the betas as they are here.
            start = math.sqrt(1 - (1 - 2.0**-_SECOND) ** t) / (1 - (1 - 2.0**-_FIRST) ** t)
            clipped = np.clip(g, -_LARGEST, _LARGEST)
            self._m += shift((clipped << _EXTRA) - self._m, _FIRST)
            self._v += shift((clipped * clipped << _EXTRA) - self._v, _SECOND)
            size = round(rate * start * (1 << MASTER_BITS))
            magnitude = (size * np.abs(self._m)) // ((_root(self._v) + 1) << (_EXTRA // 2))
            change = np.sign(self._m) * magnitude
        self.masters[...] = np.clip(self.masters - change, -self._limit, self._limit)

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
            largest = _LARGEST_FACTOR * batch / (self._c.p.tau_s * self._units)
        check_real(rate, 0.0, largest, "rate", "its products with integer gradients have 63 bits")

    def _factor(self, rate: float, batch: int) -> int:
        """By which SGD multiplies a gradient."""
        return round(rate * self._c.p.tau_s / batch * self._units)

    @property
    def _units(self) -> float:
        """Of SGD's factor: those of weights, over those of gradients."""
        return 2.0 ** (MASTER_BITS + _FACTOR - self._c.adjoint_bits)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all it remembers, by name."""
        if self.name == "sgd":
            return {}
        return {"steps": self._steps.copy(), "m": self._m.copy(), "v": self._v.copy()}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state.

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
            self._steps[...], self._m[...], self._v[...] = state["steps"], state["m"], state["v"]


def _root(x: Int64Array) -> Int64Array:
    """Integer square root, rounded down."""
    root = np.sqrt(x.astype(np.float64)).astype(np.int64)
    root -= root * root > x
    root += (root + 1) * (root + 1) <= x
    return root
