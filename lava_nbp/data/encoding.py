"""From images to input spikes: crop, down-sample, binarise (Renner et al. 2024, Methods)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.errors import InputError


def crop(images: NDArray[Any], margin: int) -> NDArray[Any]:
    """Cut `margin` pixels from each side of (n, height, width) images.

    Raises
    ------
    InputError
        If nothing would be left.
    """
    smallest = min(images.shape[1:])
    if margin < 0 or 2 * margin >= smallest:
        raise InputError(
            f"crop is {margin}, but images of {images.shape[1]} x {images.shape[2]} pixels "
            f"allow 0 .. {(smallest - 1) // 2}"
        )
    return images[:, margin : images.shape[1] - margin, margin : images.shape[2] - margin]


def down_sample(images: NDArray[Any], side: int) -> NDArray[np.float64]:
    """Shrink (n, height, width) images to (n, side, side), each new pixel the mean of the area it covers.

    Raises
    ------
    InputError
        If `side` is not in 1 .. the smaller side of the images.
    """
    smallest = min(images.shape[1:])
    if not 1 <= side <= smallest:
        raise InputError(
            f"side is {side}, but images of {images.shape[1]} x {images.shape[2]} pixels allow 1 .. {smallest}"
        )
    rows, columns = (_area_means(n, side) for n in images.shape[1:])
    # In parts, so that the float copy of a large data set never exists as a whole.
    parts: list[NDArray[np.float64]] = [
        rows @ part.astype(np.float64) @ columns.T for part in np.array_split(images, len(images) // 2000 + 1)
    ]
    return np.concatenate(parts)


def _area_means(n: int, side: int) -> NDArray[np.float64]:
    """(side, n) weights: how much of each old pixel lies in each new one, normalised."""
    edges = np.linspace(0, n, side + 1)
    pixels = np.arange(n)
    covered = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    shares: NDArray[np.float64] = np.clip(covered, 0, None) * side / n
    return shares


def binarise(images: NDArray[Any], threshold: float, full_scale: float) -> NDArray[np.uint8]:
    """One spike per pixel brighter than `threshold` (of `full_scale`); (n, ...) becomes (n, pixels) uint8."""
    flat = images.reshape(len(images), int(np.prod(images.shape[1:])))
    return (flat > threshold * full_scale).astype(np.uint8)
