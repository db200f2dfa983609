"""From values to spike times: the larger the later, or the brighter the earlier."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.errors import InputError

Times = NDArray[np.float64]


def value_latency(values: Any, early: float, late: float) -> Times:
    """Times in ms of one spike per value in 0 .. 1: early + value (late - early).

    Raises
    ------
    InputError
        For a value outside 0 .. 1, or times that are not 0 <= early < late.
    """
    v = np.asarray(values, dtype=np.float64)
    _check_window(early, late)
    bad = ~((v >= 0) & (v <= 1))
    if bad.any():
        raise InputError(f"value {v[bad].flat[0]} is outside 0 .. 1; rescale the values first")
    return early + v * (late - early)


def pixel_latency(images: NDArray[np.uint8], early: float, late: float, darkest: int = 1) -> Times:
    """Times in ms (n, pixels) of a spike per pixel brighter than `darkest`, brighter ones earlier; inf for the others.

    A pixel of 255 spikes at `early`, one of `darkest` would at `late`.

    Raises
    ------
    InputError
        For images that are not uint8, or times that are not 0 <= early < late.
    """
    _check_window(early, late)
    if images.dtype != np.uint8:
        raise InputError(f"images have dtype {images.dtype}, but must be uint8, 0 .. 255")
    if not 0 <= darkest < 255:
        raise InputError(f"darkest is {darkest}, but must be a grey level in 0 .. 254")
    pixels = images.reshape(len(images), int(np.prod(images.shape[1:])))
    times = early + (255.0 - pixels) * ((late - early) / (255 - darkest))
    return np.where(pixels > darkest, times, np.inf)


def step_spikes(times: Any, dt: float, steps: int) -> NDArray[np.float32]:
    """Spike times (samples, n_in) in ms (inf: none) as spikes (steps, samples, n_in) of 0 and 1.

    Each is in the step nearest to it, the first being step 0; those whose step lies beyond the last are left out.
    """
    t = np.asarray(times, dtype=np.float64)
    spikes = np.zeros((steps, *t.shape), dtype=np.float32)
    rows, inputs = np.nonzero(np.isfinite(t))
    at = np.floor(t[rows, inputs] / dt + 0.5).astype(np.int64)
    inside = at < steps
    spikes[at[inside], rows[inside], inputs[inside]] = 1
    return spikes


def _check_window(early: float, late: float) -> None:
    if not (0 <= early < late < np.inf):
        raise InputError(f"spikes from {early} to {late} ms: the first must be 0 or more and before the last")
