"""A circuit with hidden layers of other sizes, otherwise as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.circuit import Circuit, Matrix, check_circuit
from lava_nbp.nbp.mask import Mask


def with_hidden(circuit: Circuit, n: int) -> Circuit:
    """The same circuit with n neurons in its largest hidden layer, and as many in proportion in the others.

    Populations that belong to a layer and have its size get the new one; of a mask, rows and columns that are spread
    evenly over it are left.

    Raises
    ------
    CircuitError
        For a size that the circuit cannot have.
    """
    check_circuit(circuit)
    check_integer(n, 1, NEURONS_PER_CHIP, "hidden neurons", error=CircuitError)
    if len(circuit.layers) < 3:
        raise CircuitError(f"circuit {circuit.name!r} has no hidden layer, so that none can have another size")
    largest = max(circuit.layers[1:-1])
    new = {name: max(1, round(circuit[name].size * n / largest)) for name in circuit.forward[1:-1]}

    def resized(population: str) -> int:
        layer, size = circuit.layer_of(population), circuit[population].size
        return new[layer] if layer in new and size == circuit[layer].size else size

    def shape(matrix: Matrix) -> tuple[int, int]:
        for p in circuit.projections:
            if p.matrix == matrix.name:
                pre, post = resized(p.pre), resized(p.post)
                return (post, pre) if p.transposed else (pre, post)
        return matrix.shape

    def resized_matrix(matrix: Matrix) -> Matrix:
        new_shape, mask = shape(matrix), matrix.mask
        if mask is not None and new_shape != matrix.shape:
            mask = Mask.of(evenly(mask.matrix(matrix.shape), new_shape))
        return replace(matrix, shape=new_shape, mask=mask)

    return replace(
        circuit,
        populations=tuple(replace(p, size=resized(p.name)) for p in circuit.populations),
        matrices=tuple(map(resized_matrix, circuit.matrices)),
    )


def evenly(matrix: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """A matrix of another shape, with the rows and columns of a given one that are spread evenly over it."""
    kept = (np.arange(n) * old // n for n, old in zip(shape, matrix.shape, strict=True))
    found: NDArray[Any] = np.ascontiguousarray(matrix[np.ix_(*kept)])
    return found
