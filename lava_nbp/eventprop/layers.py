"""Checks of weight matrices, and room for spikes: the same for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.checks import as_array, shown
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import WeightError
from lava_nbp.eventprop.equations import Float64Array

#: Largest weight to start from: sums of products of it are finite.
LARGEST_WEIGHT = 1e30


def check_layers(weights: Sequence[Any]) -> list[Float64Array]:
    """Return checked float64 copies of the matrices of a feed-forward network.

    Raises
    ------
    WeightError
        For what are no matrices, do not fit together, or have entries that are not finite, or beyond 1e30.
    """
    if not isinstance(weights, (list, tuple, np.ndarray)) or getattr(weights, "ndim", 1) == 0:
        raise WeightError(f"weights are {shown(weights)}, but must be a list of matrices (pre, post), one per layer")
    if not len(weights):
        raise WeightError("no weights; give a matrix (pre, post) per layer")
    matrices = [_matrix(w, f"weights of layer {k + 1}") for k, w in enumerate(weights)]
    for k, w in enumerate(matrices):
        if w.ndim != 2 or 0 in w.shape or (k and w.shape[0] != matrices[k - 1].shape[1]):
            raise WeightError(
                f"weights have shapes {', '.join(str(m.shape) for m in matrices)}; every layer needs a matrix "
                f"(pre, post) whose pre is the layer before"
            )
        if not np.isfinite(w).all():
            raise WeightError(f"weights of layer {k + 1} hold {w[~np.isfinite(w)][0]}, but must be finite")
        if np.abs(w).max() > LARGEST_WEIGHT:
            raise WeightError(
                f"weights of layer {k + 1} reach {np.abs(w).max():g}, but {LARGEST_WEIGHT:g} is the most; rescale them"
            )
    return matrices


def check_loops(recurrent: Sequence[Any] | None, sizes: Sequence[int], spiking: bool) -> tuple[Float64Array, ...]:
    """Return checked copies of the recurrent weights of every layer; an empty matrix where there are none.

    Raises
    ------
    WeightError
        For another number or shape of matrices, entries that are not finite, or an output layer without spikes.
    """
    if recurrent is not None and not isinstance(recurrent, (list, tuple)):
        raise WeightError(f"recurrent weights are {shown(recurrent)}, but must be a list, a matrix or None per layer")
    given = [None] * len(sizes) if recurrent is None else list(recurrent)
    if len(given) != len(sizes):
        raise WeightError(f"{len(given)} recurrent matrices for {len(sizes)} layers; give one or None per layer")
    loops = []
    for k, (loop, n) in enumerate(zip(given, sizes, strict=True)):
        matrix = np.zeros((0, 0)) if loop is None else _matrix(loop, f"recurrent weights of layer {k + 1}")
        if loop is not None and (matrix.shape != (n, n) or not (np.abs(matrix) <= LARGEST_WEIGHT).all()):
            raise WeightError(
                f"recurrent weights of layer {k + 1} have shape {matrix.shape}, but must be ({n}, {n}), and finite, of "
                f"{LARGEST_WEIGHT:g} at most"
            )
        loops.append(matrix)
    if loops[-1].size and not spiking:
        raise WeightError("the output layer only integrates and has no spikes, but recurrent weights; give it None")
    return tuple(loops)


def spike_room(n: int) -> int:
    """Spikes of a layer of n neurons in a sample for which there is room at first: 8 per neuron and 64."""
    return 8 * n + 64


def check_spike_room(needed: float, layer: int, room: int) -> None:
    """Refuse to make more room for a layer's spikes than there may be.

    Parameters
    ----------
    needed : float
        Bytes of all buffers, if the layer (counted from 0) had room for twice as many spikes.
    room : int
        For how many it has room.

    Raises
    ------
    InputError
        Names the layer, its spikes, the limit, and what makes them fewer.
    """
    check_memory(
        needed,
        f"layer {layer + 1} spikes more than {room} times in a sample, and room for more",
        "use smaller weights, or a shorter trial",
    )


def _matrix(value: Any, what: str) -> Float64Array:
    array = as_array(value, what, error=WeightError)
    if array.dtype.kind not in "iuf":
        raise WeightError(f"{what} have dtype {array.dtype}, but must be real numbers")
    return np.array(array, dtype=np.float64, order="C")
