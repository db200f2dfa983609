"""Which synapses of a matrix there are: what is missing takes no memory, no time, and no place on a chip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_sequence, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import CircuitError, WeightError


@dataclass(frozen=True)
class Mask:
    """The synapses of a matrix (pre, post), as runs of neighbouring columns.

    Parameters
    ----------
    runs : tuple of (int, int, int)
        Row, first column, and number of columns, in order; runs of a row do not touch.

    Raises
    ------
    CircuitError
        For runs that are not in order, overlap, or have no columns, or if there are none.

    Examples
    --------
    >>> Mask.of([[1, 1, 0], [0, 0, 1]]).runs
    ((0, 0, 2), (1, 2, 1))
    """

    runs: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        settle(self, "mask", CircuitError)
        if not self.runs:
            raise CircuitError("mask has no runs, so that a matrix would have no synapse; give it one, or no mask")
        for run in self.runs:
            if min(run) < 0 or run[2] < 1 or max(run) > NEURONS_PER_CHIP:
                raise CircuitError(
                    f"mask has the run {shown(run)}, but a run is a row and a first column of 0 or more, and one "
                    f"column or more, of {NEURONS_PER_CHIP} at most"
                )
        rows = self.table
        later = rows[1:, 0] > rows[:-1, 0]
        apart = (rows[1:, 0] == rows[:-1, 0]) & (rows[1:, 1] > rows[:-1, 1] + rows[:-1, 2])
        if not (later | apart).all():
            k = int(np.argmin(later | apart))
            raise CircuitError(
                f"mask: run {self.runs[k + 1]} follows {self.runs[k]}; give them in order, and one run for columns "
                f"that are next to each other"
            )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.runs)

    @cached_property
    def table(self) -> NDArray[np.int64]:
        """The runs, (runs, 3)."""
        return np.array(self.runs, dtype=np.int64)

    @classmethod
    def of(cls, matrix: Any) -> Mask:
        """The mask of a matrix (pre, post): its entries that are not 0."""
        there = as_array(matrix, "mask", error=CircuitError)
        if there.ndim != 2 or 0 in there.shape:
            raise CircuitError(f"mask has shape {there.shape}, but must be a matrix (pre, post)")
        if not np.isfinite(there).all():
            raise CircuitError("mask has an entry that is no finite number; set it to 0 or 1")
        framed = np.zeros((there.shape[0], there.shape[1] + 2), dtype=np.int8)
        framed[:, 1:-1] = there != 0
        steps = np.diff(framed, axis=1)
        rows, first = np.nonzero(steps == 1)
        _, behind = np.nonzero(steps == -1)
        table = np.column_stack([rows, first, behind - first])
        return cls(tuple(map(tuple, table.tolist())))

    @property
    def n_synapses(self) -> int:
        """How many there are."""
        return int(self.table[:, 2].sum())

    @property
    def extent(self) -> tuple[int, int]:
        """Rows and columns up to the last synapse."""
        return int(self.table[:, 0].max()) + 1, int((self.table[:, 1] + self.table[:, 2]).max())

    def matrix(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Where there is a synapse, (pre, post)."""
        check_memory(math.prod(shape), f"a mask of {shape[0]} x {shape[1]} synapses", "make a layer smaller")
        return self.spread(np.ones(self.n_synapses, dtype=bool), shape)

    def places(self, n_post: int) -> NDArray[np.int64]:
        """Places of the synapses in a matrix of so many columns, row after row, as if it were one row."""
        table = self.table
        first = np.repeat(table[:, 0] * n_post + table[:, 1], table[:, 2])
        begins = np.cumsum(table[:, 2]) - table[:, 2]
        places: NDArray[np.int64] = first + np.arange(self.n_synapses) - np.repeat(begins, table[:, 2])
        return places

    def ends(self, n_post: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of every synapse, row after row, of a matrix of so many columns."""
        rows, columns = np.divmod(self.places(n_post), n_post)
        return rows, columns

    def taken(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """What the synapses hold of a matrix (pre, post): (synapses,), row after row."""
        return matrix.ravel()[self.places(matrix.shape[1])]

    def spread(self, held: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
        """The matrix (pre, post) of what the synapses hold, 0 where there is none."""
        whole = np.zeros(shape[0] * shape[1], held.dtype)
        whole[self.places(shape[1])] = held
        return whole.reshape(shape)

    def transposed(self, shape: tuple[int, int]) -> Mask:
        """The mask of the transpose of a matrix of this shape."""
        return Mask.of(self.matrix(shape).T)

    def row_first(self, n_pre: int) -> NDArray[np.int64]:
        """(n_pre + 1,) where the runs of each row begin."""
        return np.searchsorted(self.table[:, 0], np.arange(n_pre + 1)).astype(np.int64)


def check_where_synapses_are(weights: NDArray[Any], mask: Mask, name: str) -> None:
    """Raise WeightError for a matrix (pre, post) that is not 0 where there is no synapse, or has no place for all."""
    if any(end > size for end, size in zip(mask.extent, weights.shape, strict=True)):
        raise WeightError(
            f"{name} of shape {weights.shape}: its mask has synapses up to {mask.extent}; give a mask of that shape"
        )
    stray = (weights != 0) & ~mask.matrix((weights.shape[0], weights.shape[1]))
    if stray.any():
        i, j = (int(k) for k in np.argwhere(stray)[0])
        raise WeightError(
            f"{name}[{i}, {j}] is {weights[i, j]}, but there is no synapse there; set what the mask leaves out to 0 "
            f"({int(stray.sum())} weights)"
        )


class Runs(NamedTuple):
    """The runs of several matrices one after the other, as kernels read them."""

    begins: NDArray[np.int64]  #: (matrices,) where a matrix's rows begin in `row_first`; -1: it has all synapses
    row_first: NDArray[np.int64]  #: first run of each row, and behind the last row of a matrix the run behind its last
    runs: NDArray[np.int64]  #: (runs, 3) first column, number of columns, place of the first weight in the matrix

    @classmethod
    def of(cls, masks: Sequence[tuple[Mask | None, int]]) -> Runs:
        """Those of masks, each with the number of its rows."""
        begins, first, runs = [], [np.zeros(0, np.int64)], [np.zeros((0, 3), np.int64)]
        for mask, n_pre in masks:
            begins.append(-1 if mask is None else sum(map(len, first)))
            if mask is not None:
                first.append(mask.row_first(n_pre) + sum(map(len, runs)))
                columns = mask.table[:, 1:]
                runs.append(np.column_stack([columns, np.cumsum(columns[:, 1]) - columns[:, 1]]))
        return cls(np.array(begins, np.int64), np.concatenate(first), np.ascontiguousarray(np.concatenate(runs)))


def patch_mask(image: Sequence[int], units: int, size: int) -> Mask:
    """Units that each see one square window of an image, in all of its channels: locally connected, without sharing.

    The windows are all that fit into the image, row by row; units are spread evenly over them, in order, so that those
    of one window are neighbours.

    Parameters
    ----------
    image : (channels, height, width)
        Inputs are channel after channel, in each row after row.
    units : int
        How many.
    size : int
        Pixels of a window's side.

    Raises
    ------
    CircuitError
        For a window that does not fit, or an image that is none.
    """
    sides = check_sequence(image, "image", "give (channels, height, width)")
    if len(sides) != 3:
        raise CircuitError(f"image is {shown(image)}, but must be (channels, height, width)")
    channels, height, width = (
        check_integer(side, 1, NEURONS_PER_CHIP, f"image {shown(image)}: side", error=CircuitError) for side in sides
    )
    most = min(height, width)
    check_integer(size, 1, most, "patch", f"the image has {height} x {width} pixels", CircuitError)
    check_integer(units, 1, NEURONS_PER_CHIP, "units of patches", error=CircuitError)
    down, right = height - size + 1, width - size + 1
    window = np.arange(units) * (down * right) // units
    top, left = window // right, window % right
    rows = np.arange(height)
    columns = np.arange(width)
    in_rows = (rows[:, None] >= top) & (rows[:, None] < top + size)  # (height, units)
    in_columns = (columns[:, None] >= left) & (columns[:, None] < left + size)
    seen = (in_rows[:, None, :] & in_columns[None, :, :]).reshape(height * width, units)
    return Mask.of(np.tile(seen, (channels, 1)))
