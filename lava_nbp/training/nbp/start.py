"""Weights of a circuit to start from, out of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import InputError, WeightError
from lava_nbp.exchange.dense import check_sizes
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.projections import check_network_weights
from lava_nbp.training.nbp.network import feed_forward
from lava_nbp.training.start import is_npz, read_arrays, read_layers


def nbp_start(path: Path, circuit: Circuit) -> dict[str, NDArray[Any]]:
    """The matrices of a circuit, by name.

    Those of an .npz file must be what 8-bit synapses hold. Those of a NIR graph or netx file are the ones between the
    layers, in thresholds, of which one is what the circuit's neurons fire above (512 in the paper's); they are rounded
    to even numbers.

    Raises
    ------
    InputError
        For a file that cannot be read, another network, or a NIR graph or netx file for a circuit that is not layer
        after layer.
    WeightError
        For weights that 8-bit synapses do not hold: names the file, the matrix and the limit.
    """
    if is_npz(path):
        arrays = read_arrays(path, " and ".join(circuit.matrix_shapes))
        try:
            return {**check_network_weights(circuit, arrays)}
        except WeightError as error:
            raise WeightError(f"initial weights {path}: {error}") from None
    matrices = list(read_layers(path).values())
    check_sizes(matrices, circuit.layers, str(path))
    network = feed_forward(circuit)
    weights: dict[str, NDArray[Any]] = {}
    for term, w in zip(network.terms, matrices, strict=True):
        held = _rounded(w, network.fires_above, f"{path}: {term.matrix}")
        matrix = term.sign * (held.T if term.transposed else held)
        if not np.array_equal(weights.setdefault(term.matrix, matrix), matrix):
            raise InputError(
                f"initial weights {path}: circuit {circuit.name!r} has the matrix {term.matrix!r} in two layers, but "
                f"theirs differ; give the same twice, or another circuit"
            )
    return {**check_network_weights(circuit, weights)}


def _rounded(w: NDArray[np.float64], threshold: int, what: str) -> NDArray[np.int16]:
    """Thresholds as even numbers."""
    rounded = WEIGHT_STEP * np.rint(w * threshold / WEIGHT_STEP)
    largest = float(np.abs(rounded).max())
    if largest > PLASTIC_WEIGHT_MAX:
        raise WeightError(
            f"{what} reaches {np.abs(w).max():.3g} thresholds, but nBP's 8-bit weights reach "
            f"{PLASTIC_WEIGHT_MAX / threshold:.3g} ({PLASTIC_WEIGHT_MAX} of {threshold}); scale its weights by "
            f"{PLASTIC_WEIGHT_MAX / largest:.2g} or less, or raise its thresholds"
        )
    held: NDArray[np.int16] = rounded.astype(np.int16)
    return held
