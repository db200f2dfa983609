"""Weights to start from, out of a file of another tool: .npz, a NIR graph, or a netx file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import read_npz
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.exchange.dense import Float64Array, check_sizes
from lava_nbp.nbp.circuit import FIRE, training_circuit
from lava_nbp.nbp.executor import check_network_weights

_NIR, _NETX = (".nir",), (".net", ".h5", ".hdf5")
_KINDS = f".npz (numpy.savez), {', '.join(_NIR)} (NIR) or {', '.join(_NETX)} (netx of lava-dl)"


def nbp_start(path: Path, layers: tuple[int, int, int]) -> dict[str, NDArray[Any]]:
    """W1 and W2 for an nBP network.

    Those of an .npz file must be what 8-bit synapses hold. Those of a NIR graph or netx file are taken in thresholds,
    of which one is 512 here, and rounded to even numbers.

    Raises
    ------
    InputError
        For a file that cannot be read, or another network.
    WeightError
        For weights that 8-bit synapses do not hold: names the file, the matrix and the limit.
    """
    if path.suffix == ".npz":
        arrays = _npz(path, "W1 and W2")
        try:
            return {**check_network_weights(training_circuit(*layers), arrays)}
        except WeightError as error:
            raise WeightError(f"initial weights {path}: {error}") from None
    matrices = _matrices(path, None)
    check_sizes(matrices, layers, str(path))
    weights = {}
    for name, w in zip(("W1", "W2"), matrices, strict=True):
        rounded = WEIGHT_STEP * np.rint(w * FIRE / WEIGHT_STEP)
        largest = float(np.abs(rounded).max())
        if largest > PLASTIC_WEIGHT_MAX:
            raise WeightError(
                f"{path}: {name} reaches {np.abs(w).max():.3g} thresholds, but nBP's 8-bit weights reach "
                f"{PLASTIC_WEIGHT_MAX / FIRE:.3g} ({PLASTIC_WEIGHT_MAX} of {FIRE}); scale its weights by "
                f"{PLASTIC_WEIGHT_MAX / largest:.2g} or less, or raise its thresholds"
            )
        weights[name] = rounded.astype(np.int16)
    return weights


def eventprop_start(path: Path, layers: tuple[int, ...], p: NeuronParameters) -> dict[str, NDArray[Any]]:
    """W1 .. Wn in thresholds for an EventProp network.

    Raises
    ------
    InputError
        For a file that cannot be read, or another network.
    """
    names = [f"W{k + 1}" for k in range(len(layers) - 1)]
    if path.suffix == ".npz":
        arrays = _npz(path, f"{names[0]} .. {names[-1]}")
        if arrays.keys() != set(names):
            raise InputError(f"{path} holds {', '.join(sorted(arrays))}, but this network has {', '.join(names)}")
        matrices = [np.asarray(arrays[name], dtype=np.float64) for name in names]
        if any(w.ndim != 2 or not np.isfinite(w).all() for w in matrices):
            raise InputError(f"{path}: weights must be matrices (pre, post) of finite numbers, in thresholds")
    else:
        matrices = _matrices(path, p)
    check_sizes(matrices, layers, str(path))
    return dict(zip(names, matrices, strict=True))


def _npz(path: Path, what: str) -> dict[str, NDArray[Any]]:
    try:
        return read_npz(path)
    except ValueError as error:
        raise InputError(f"initial weights {path} cannot be read: {error}; give an .npz file with {what}") from error


def _matrices(path: Path, p: NeuronParameters | None) -> list[Float64Array]:
    if not path.is_file():
        raise InputError(f"initial weights {path} cannot be read: there is no such file; give one of {_KINDS}")
    if path.suffix in _NIR:
        from lava_nbp.exchange.nir_graph import read_nir

        return read_nir(path)
    if path.suffix in _NETX:
        from lava_nbp.exchange.netx_file import read_netx

        return read_netx(path, p)
    raise InputError(f"initial weights {path} are of an unknown kind; give one of {_KINDS}")
