"""Checks of weight matrices, and room for spikes: the same for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer
from lava_nbp.errors import WeightError
from lava_nbp.eventprop.equations import Float64Array


def check_layers(weights: Sequence[Any]) -> list[Float64Array]:
    """Return checked float64 copies of the matrices of a feed-forward network.

    Raises
    ------
    WeightError
        For matrices that do not fit together, or entries that are not finite.
    """
    if not len(weights):
        raise WeightError("no weights; give a matrix (pre, post) per layer")
    matrices = [np.array(w, dtype=np.float64, order="C") for w in weights]
    for k, w in enumerate(matrices):
        if w.ndim != 2 or 0 in w.shape or (k and w.shape[0] != matrices[k - 1].shape[1]):
            raise WeightError(
                f"weights have shapes {', '.join(str(m.shape) for m in matrices)}; every layer needs a matrix "
                f"(pre, post) whose pre is the layer before"
            )
        if not np.isfinite(w).all():
            raise WeightError(f"weights of layer {k + 1} hold {w[~np.isfinite(w)][0]}, but must be finite")
    return matrices


def check_loops(recurrent: Sequence[Any] | None, sizes: Sequence[int], spiking: bool) -> tuple[Float64Array, ...]:
    """Return checked copies of the recurrent weights of every layer; an empty matrix where there are none.

    Raises
    ------
    WeightError
        For another number or shape of matrices, entries that are not finite, or an output layer without spikes.
    """
    given = [None] * len(sizes) if recurrent is None else list(recurrent)
    if len(given) != len(sizes):
        raise WeightError(f"{len(given)} recurrent matrices for {len(sizes)} layers; give one or None per layer")
    loops = []
    for k, (loop, n) in enumerate(zip(given, sizes, strict=True)):
        matrix = np.zeros((0, 0)) if loop is None else np.array(loop, dtype=np.float64, order="C")
        if loop is not None and (matrix.shape != (n, n) or not np.isfinite(matrix).all()):
            raise WeightError(
                f"recurrent weights of layer {k + 1} have shape {matrix.shape}, but must be ({n}, {n}), and finite"
            )
        loops.append(matrix)
    if loops[-1].size and not spiking:
        raise WeightError("the output layer only integrates and has no spikes, but recurrent weights; give it None")
    return tuple(loops)


def spike_room(n: int, max_spikes: int | None) -> int:
    """Spikes of a layer of n neurons in a sample for which there is room: 8 per neuron and 64, unless it is given.

    Raises
    ------
    InputError
        For a number that is no positive integer.
    """
    return 8 * n + 64 if max_spikes is None else check_integer(max_spikes, 1, None, "max_spikes")
