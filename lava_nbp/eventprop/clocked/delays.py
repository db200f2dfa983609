"""Delays in whole steps: how long a spike takes to each neuron, beyond the step that every spike of a layer takes.

A spike that would act in step k acts in step k + d, with 0 <= d <= 62, as on the chips; what would act behind the last
step does not act. Backward it meets lI and d of that later step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from lava_nbp.base.checks import as_array
from lava_nbp.base.widths import DELAY_MAX
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import Int64Array
from lava_nbp.eventprop.layers import one_per_layer


class Delays(NamedTuple):
    """What the kernels need of a layer with delays; without any they get None, and are compiled without."""

    forward: Int64Array  #: (pre, post) steps
    loop: Int64Array  #: (n, n), or (0, 0)
    ring: Int64Array  #: (3, longest + 1, n) of the steps at hand: weighted input that is to come, lI, what was sent

    @classmethod
    def make(cls, forward: Int64Array, loop: Int64Array) -> Delays:
        """Those of a layer."""
        longest = int(max(forward.max(initial=0), loop.max(initial=0)))
        # Copies: to numba, arrays that cannot be written are of another type.
        return cls(forward.copy(), loop.copy(), np.zeros((3, longest + 1, forward.shape[1]), dtype=np.int64))


def check_delays(delays: Any, shape: tuple[int, ...], what: str) -> Int64Array:
    """Return delays of every synapse (pre, post), to be read only, from those of synapses or of sources (pre,).

    Raises
    ------
    InputError
        For another shape, what are no integers, or delays outside 0 .. 62.
    """
    given = as_array(delays, what)
    if given.dtype.kind not in "iu" or given.shape not in (shape, shape[:1]):
        raise InputError(
            f"{what} have shape {given.shape} and dtype {given.dtype}, but must be integers, {shape} of synapses or "
            f"{shape[:1]} of sources"
        )
    bad = (given < 0) | (given > DELAY_MAX)
    if bad.any():
        raise InputError(
            f"{what} hold {given[bad].flat[0]}, but must be 0 .. {DELAY_MAX} steps; use a larger dt, or delay "
            f"the input itself"
        )
    every = given if given.ndim == 2 else given[:, None]
    own = np.array(np.broadcast_to(every, shape), dtype=np.int64, order="C")
    own.flags.writeable = False  # they say where kernels read and write: nobody changes them after the check
    return own


def check_every_delay(delays: Any, shapes: Sequence[tuple[int, ...]], what: str) -> list[Int64Array | None]:
    """Return the delays of a matrix of every layer; None where there are none.

    Raises
    ------
    InputError
        For another number of them, those of a layer without such synapses (shape (0, 0)), and as `check_delays`.
    """
    checked: list[Int64Array | None] = []
    for k, (given, shape) in enumerate(zip(one_per_layer(delays, len(shapes), what), shapes, strict=True), 1):
        if given is not None and 0 in shape:
            raise InputError(f"{what} of layer {k} are given, but the layer has no such synapses; give None")
        checked.append(None if given is None else check_delays(given, shape, f"{what} of layer {k}"))
    return checked
