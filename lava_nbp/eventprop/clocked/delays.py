"""Delays in whole steps: how long a spike takes to each neuron, beyond the step that every spike of a layer takes.

A spike that would act in step k acts in step k + d, with 0 <= d <= 62, as on the chips; what would act behind the last
step does not act. Backward it meets lI and d of that later step.

Delays that are learned have 20 fractional bits in full precision, as weights do, and act rounded to whole steps. Their
gradient is what they do to the error of every spike, w d; `lava_nbp.eventprop.clocked.arithmetic` has the equations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lava_nbp.base.arrays import Allocate
from lava_nbp.base.checks import as_array, check_integer, check_kind, check_real
from lava_nbp.base.widths import DELAY_MAX
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS, FixedPoint, Int64Array, shift
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.eventprop.layers import one_per_layer
from lava_nbp.eventprop.policies import OptimizerName

#: Largest rate of delays.
LARGEST_DELAY_RATE = 1e9


class Delays(NamedTuple):
    """What the kernels need of a layer with delays; without any they get None, and are compiled without."""

    forward: Int64Array  #: (pre, post) steps
    loop: Int64Array  #: (n, n), or (0, 0)
    ring: Int64Array  #: (3, longest + 1, n) of the steps at hand: weighted input that is to come, lI, what was sent
    by_forward: Int64Array  #: (pre, post), or (pre, 1) of sources: gets the gradient by delays; (0, 0): not learned
    by_loop: Int64Array  #: (n, n), (n, 1) or (0, 0)

    @classmethod
    def make(cls, forward: Int64Array, loop: Int64Array, by_forward: Int64Array, by_loop: Int64Array) -> Delays:
        """Those of a layer; gradients of (pre,) are of sources."""
        longest = int(max(forward.max(initial=0), loop.max(initial=0)))
        ring = np.zeros((3, longest + 1, forward.shape[1]), dtype=np.int64)
        by = (g if g.ndim == 2 else g.reshape(-1, 1) for g in (by_forward, by_loop))
        # Copies: to numba, arrays that cannot be written are of another type.
        return cls(forward.copy(), loop.copy(), ring, *by)


class LearnedDelays:
    """Delays of one matrix that are learned: in full precision, as whole steps, and what changes them.

    No other matrix can learn them in the same network.

    Parameters
    ----------
    steps : (pre, post) or (pre,) int
        Delays of synapses, or of sources, to start from.
    optimizer : {"adam", "sgd"}
        What is done with a gradient.
    c : FixedPoint
        Arithmetic.
    rate : float
        The rate of weights, in thresholds, times this is that of delays, in ms.
    longest : int
        In steps, beyond which no delay is given or learned; 62 at most.
    allocate : callable
        Makes arrays of zeros; with shared memory, parent and child see the same delays.

    Attributes
    ----------
    masters : (pre, post) or (pre,) int64
        In steps, with 20 fractional bits; changed in place.
    gradient : int64 array
        Of the same shape, see `FixedPoint.delay_gradient`.
    optimizer : IntegerOptimizer

    Raises
    ------
    InputError
        For delays that there cannot be or that are longer than `longest`, an unknown optimizer, or a rate that is not
        positive.
    """

    def __init__(
        self,
        steps: Any,
        optimizer: OptimizerName,
        c: FixedPoint,
        rate: float,
        longest: int = DELAY_MAX,
        allocate: Allocate = np.zeros,
    ) -> None:
        check_kind(c, FixedPoint, "c")
        self.longest = check_integer(longest, 0, DELAY_MAX, "longest delay", "it is in steps")
        #: Of a rate of weights, in steps.
        self._rate = check_real(rate, 0.0, LARGEST_DELAY_RATE, "delay_rate", above=True) / c.dt
        given = as_array(steps, "learned delays")
        if given.ndim not in (1, 2) or not given.size:
            raise InputError(f"learned delays have shape {given.shape}, but must be (pre, post), or (pre,) of sources")
        own = check_delays(given, given.shape, "learned delays", self.longest)
        self.masters = allocate(own.shape, np.int64)
        self.masters[...] = own << MASTER_BITS
        self.gradient = allocate(own.shape, np.int64)
        #: Which `MirroredPart` learns them in the sample at hand, by its number.
        self.learner = allocate(1, np.int64)
        limits = (0, self.longest << MASTER_BITS)
        self.optimizer = IntegerOptimizer(optimizer, self.masters, limits, c.delay_gradient, allocate)

    def steps(self, n_post: int) -> Int64Array:
        """Whole steps (pre, post) as they are now; within the limits, whatever somebody has written."""
        return of_synapses(np.clip(steps_of(self.masters), 0, self.longest), n_post)

    def learn(self, batch: int, rate: float) -> int:
        """Change the delays by the gradient of a batch; how many would have left their limits.

        `rate` is that of weights.

        Raises
        ------
        InputError
            As `check`.
        """
        self.check(batch, rate)
        return self.optimizer.step(self.gradient, batch, rate * self._rate)

    def check(self, batch: int, rate: float) -> None:
        """Raise InputError for a batch or a rate of weights with which integers do not hold a step of delays."""
        rate = check_real(rate, 0.0, math.inf, "rate", "it is that of weights")
        self.optimizer.check(batch, 0.0)
        try:
            self.optimizer.check(batch, rate * self._rate)
        except InputError as error:
            raise InputError(f"delays: {error}; use a smaller delay_rate") from None


def steps_of(masters: Int64Array) -> Int64Array:
    """Whole steps of delays in full precision: the nearest."""
    steps: Int64Array = shift(masters, MASTER_BITS)
    return steps


def of_synapses(delays: Int64Array, n_post: int) -> Int64Array:
    """Delays of every synapse (pre, post), to be read only, from those of synapses or of sources (pre,)."""
    every = delays if delays.ndim == 2 else delays[:, None]
    own = np.array(np.broadcast_to(every, (len(every), n_post)), dtype=np.int64, order="C")
    own.flags.writeable = False  # they say where kernels read and write: nobody changes them after the check
    return own


def check_delays(delays: Any, shape: tuple[int, ...], what: str, longest: int = DELAY_MAX) -> Int64Array:
    """Return a copy of delays of synapses (pre, post), or of sources (pre,).

    Raises
    ------
    InputError
        For another shape, what are no integers, or delays outside 0 .. `longest`.
    """
    given = as_array(delays, what)
    if given.dtype.kind not in "iu" or given.shape not in (shape, shape[:1]):
        raise InputError(
            f"{what} have shape {given.shape} and dtype {given.dtype}, but must be integers, {shape} of synapses or "
            f"{shape[:1]} of sources"
        )
    bad = (given < 0) | (given > longest)
    if bad.any():
        cure = "use a larger dt, or delay the input itself" if longest == DELAY_MAX else "raise the longest delay"
        raise InputError(f"{what} hold {given[bad].flat[0]}, but must be 0 .. {longest} steps; {cure}")
    return np.array(given, dtype=np.int64, order="C")


def check_every_delay(
    delays: Any, shapes: Sequence[tuple[int, ...]], what: str, longest: int = DELAY_MAX
) -> list[Int64Array | None]:
    """Return copies of the delays of a matrix of every layer; None where there are none.

    Raises
    ------
    InputError
        For another number of them, those of a layer without such synapses (shape (0, 0)), and as `check_delays`.
    """
    checked: list[Int64Array | None] = []
    for k, (given, shape) in enumerate(zip(one_per_layer(delays, len(shapes), what), shapes, strict=True), 1):
        if given is not None and 0 in shape:
            raise InputError(f"{what} of layer {k} are given, but the layer has no such synapses; give None")
        checked.append(None if given is None else check_delays(given, shape, f"{what} of layer {k}", longest))
    return checked
