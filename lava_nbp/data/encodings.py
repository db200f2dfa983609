"""From samples to spikes: crop, down-sample, binarise (Renner et al. 2024, Methods), or a time per value or pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_positive, check_real, is_integer, is_real, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.memory import check_memory
from lava_nbp.base.steps import nearest_steps
from lava_nbp.errors import InputError

Times = NDArray[np.float64]
#: Spikes are no later, in ms: a quarter of an hour.
LATEST = 1e6
#: Of a trial in fixed steps.
_MOST_STEPS = 1_000_000


@dataclass(frozen=True)
class Encoding:
    """How values become times: window in ms, time of a bias spike (None: there is none), darkest pixel that spikes.

    Values in 0 .. 1 spike at early + value (late - early); pixels, of 0 .. 255, the earlier the
    brighter, and not at all up to `darkest`.

    Raises
    ------
    InputError
        For times that are not finite and 0 <= early < late, a bias before 0, or a darkest pixel outside 0 .. 254.
    """

    early: float
    late: float
    bias: float | None = None
    darkest: int = 1

    def __post_init__(self) -> None:
        settle(self, "encoding", InputError)
        check_window(self.early, self.late)
        _check_darkest(self.darkest)
        if self.bias is not None and not 0 <= self.bias <= LATEST:
            raise InputError(f"bias is {self.bias} ms, but must be 0 or more, and {LATEST:g} at most")


def crop(images: NDArray[Any], pixels: int) -> NDArray[Any]:
    """Cut so many pixels from each side of (n, height, width) images.

    Raises
    ------
    InputError
        If nothing would be left.
    """
    images = _images(images, "crop or down-sample")
    smallest = min(images.shape[1:])
    if not (is_integer(pixels) and 0 <= 2 * pixels < smallest):
        raise InputError(
            f"crop is {shown(pixels)}, but images of {images.shape[1]} x {images.shape[2]} pixels "
            f"allow 0 .. {(smallest - 1) // 2}"
        )
    return images[:, pixels : images.shape[1] - pixels, pixels : images.shape[2] - pixels]


def down_sample(images: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Shrink (n, height, width) images to (n, side, side), each new pixel the mean of the area it covers.

    Raises
    ------
    InputError
        If `side` is not in 1 .. the smaller side of the images.
    """
    images = _images(images, "crop or down-sample")
    smallest = min(images.shape[1:])
    if not (is_integer(side) and 1 <= side <= smallest):
        raise InputError(
            f"side is {shown(side)}, but images of {images.shape[1]} x {images.shape[2]} pixels allow 1 .. {smallest}"
        )
    rows, columns = (_area_means(n, side) for n in images.shape[1:])
    # In parts, so that the float copy of a large data set never exists as a whole.
    parts: list[NDArray[np.float64]] = [
        rows @ part.astype(np.float64) @ columns.T for part in np.array_split(images, len(images) // 2000 + 1)
    ]
    return np.concatenate(parts)


def _images(images: Any, use: str) -> NDArray[Any]:
    array = as_array(images, f"images to {use}")
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise InputError(f"images to {use} have shape {array.shape}, but must be (n, height, width)")
    return array


def _area_means(n: int, side: int) -> NDArray[np.float64]:
    """(side, n) weights: how much of each old pixel lies in each new one, normalised."""
    edges = np.linspace(0, n, side + 1)
    pixels = np.arange(n)
    covered = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    shares: NDArray[np.float64] = np.clip(covered, 0, None) * side / n
    return shares


def shift_images(images: NDArray[Any], offsets: Any) -> NDArray[Any]:
    """Move each of (n, height, width) images by whole pixels; what moves in is 0.

    Parameters
    ----------
    images : (n, height, width)
        Of any type.
    offsets : (n, 2) integers
        By how many pixels each moves, down and to the right.

    Raises
    ------
    InputError
        For offsets that are no such integers, or that leave nothing of an image.
    """
    images, by = _images(images, "shift"), as_array(offsets, "offsets")
    if by.shape != (len(images), 2) or by.dtype.kind not in "iu":
        raise InputError(f"offsets have shape {by.shape} and dtype {by.dtype}, but must be (n, 2) integers")
    most = int(np.abs(by).max(initial=0))
    check_shift(most, images.shape[1:])
    height, width = images.shape[1:]
    framed = np.pad(images, ((0, 0), (most, most), (most, most)))
    moved = np.empty_like(images)
    for down, right in np.unique(by, axis=0):
        chosen = (by[:, 0] == down) & (by[:, 1] == right)
        top, left = most - down, most - right
        moved[chosen] = framed[chosen, top : top + height, left : left + width]
    return moved


def check_shift(pixels: int, shape: tuple[int, ...]) -> int:
    """Return by how many pixels images (height, width) are shifted; raise InputError for what leaves nothing."""
    height, width = shape
    return check_integer(pixels, 0, min(height, width) - 1, "shift", f"images have {height} x {width} pixels")


def binarise(images: NDArray[Any], threshold: float | Sequence[float], full_scale: float) -> NDArray[np.uint8]:
    """One spike per pixel brighter than `threshold` (of `full_scale`); (n, ...) becomes (n, pixels) uint8.

    With several thresholds every pixel has an input for each, (n, thresholds * pixels): all pixels by the first, then
    all by the second. The brighter a pixel, the more of its inputs spike (a thermometer code).

    Raises
    ------
    InputError
        For thresholds that are not in 0 .. 1, or are 1, which no pixel exceeds, or that do not rise; or if the inputs
        need more memory than there may be.
    """
    several = check_thresholds(threshold, "threshold")
    check_real(full_scale, -math.inf, math.inf, "full scale")
    pixels = flat_pixels(as_array(images, "images"))
    check_memory(
        2 * len(several) * pixels.size,
        f"{len(several)} inputs for each of {pixels.size} pixels",
        "give fewer thresholds, or fewer images",
    )
    return np.hstack([(pixels > one * full_scale).astype(np.uint8) for one in several])


def check_thresholds(value: Any, what: str) -> tuple[float, ...]:
    """Return one threshold or several as a tuple; raise InputError for what `binarise` does not allow."""
    array = isinstance(value, np.ndarray) and value.ndim
    several = tuple(value) if array or isinstance(value, (list, tuple)) else (value,)
    if not several:
        raise InputError(f"{what} is empty; give a part of full scale, or several that rise")
    for one in several:
        if not (is_real(one) and 0 <= one < 1):
            raise InputError(f"{what} is {shown(one)}, but must be a part of full scale, 0 or more and below 1")
    if any(one >= following for one, following in pairwise(several)):
        raise InputError(f"{what} is {shown(value)}, but several must rise; sort them, each once")
    return tuple(float(one) for one in several)


def flat_pixels(images: NDArray[Any]) -> NDArray[Any]:
    """(n, ...) as (n, pixels), empty ones too."""
    if not images.ndim:
        raise InputError("images are one number, but must be an array (n, ...)")
    return images.reshape(len(images), int(np.prod(images.shape[1:])))


def value_latency(values: Any, early: float, late: float) -> Times:
    """Times in ms of one spike per value in 0 .. 1: early + value (late - early).

    Raises
    ------
    InputError
        For a value outside 0 .. 1, or times that are not 0 <= early < late.
    """
    v = _reals(values, "values")
    check_window(early, late)
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
        For images that are not uint8, times that are not 0 <= early < late, or a darkest pixel outside 0 .. 254.
    """
    check_window(early, late)
    images = as_array(images, "images")
    if images.dtype != np.uint8:
        raise InputError(f"images have dtype {images.dtype}, but must be uint8, 0 .. 255")
    _check_darkest(darkest)
    pixels = flat_pixels(images)
    times = early + (255.0 - pixels) * ((late - early) / (255 - darkest))
    return np.where(pixels > darkest, times, np.inf)


def step_spikes(times: Any, dt: float, steps: int) -> NDArray[np.float32]:
    """Spike times (samples, n_in) in ms (inf: none) as spikes (steps, samples, n_in) of 0 and 1.

    Each is in the step nearest to it, the first being step 0; those whose step lies beyond the last are left out.

    Raises
    ------
    InputError
        For times that are no numbers (samples, n_in), or a step or number of steps that is not positive.
    """
    t = _reals(times, "times")
    if t.ndim != 2 or (t < 0).any():
        raise InputError(f"times have shape {t.shape}, but must be (samples, n_in), of 0 or more ms")
    rows, inputs = np.nonzero(np.isfinite(t))
    return spikes_in_steps(t[rows, inputs], rows, inputs, (len(t), t.shape[1]), dt, steps)


def spikes_in_steps(
    times: Times, rows: NDArray[np.int64], inputs: NDArray[np.int64], shape: tuple[int, int], dt: float, steps: int
) -> NDArray[np.float32]:
    """As `step_spikes`, of the time (spikes,), the sample and the input of each spike; `shape`: (samples, n_in)."""
    dt = check_positive(dt, "step (ms)")
    check_integer(steps, 1, _MOST_STEPS, "number of steps")
    check_memory(4 * steps * math.prod(shape), f"{shape[0]} samples in {steps} steps", "take fewer, or larger steps")
    spikes = np.zeros((steps, *shape), dtype=np.float32)
    at = nearest_steps(times, dt)
    inside = at < steps
    spikes[at[inside], rows[inside], inputs[inside]] = 1
    return spikes


def _reals(values: Any, what: str) -> NDArray[np.float64]:
    """As float64, infinity and NaN included."""
    array = as_array(values, what)
    if array.dtype.kind == "c":
        raise InputError(f"{what} have dtype {array.dtype}, but must be real numbers")
    return array.astype(np.float64, copy=False)


def check_window(early: float, late: float) -> None:
    """Raise InputError unless 0 <= early < late <= 1e6, in ms."""
    if not (is_real(early) and is_real(late) and 0 <= early < late <= LATEST):
        raise InputError(
            f"spikes from {shown(early)} to {shown(late)} ms: the first must be 0 or more and before the last, "
            f"which is {LATEST:g} at most"
        )


def _check_darkest(darkest: int) -> None:
    check_integer(darkest, 0, 254, "darkest", "it is a grey level")
