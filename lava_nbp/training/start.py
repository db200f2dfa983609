"""Weights to start from, out of a file: .npz, a NIR graph, or a netx file. What the algorithms share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lava_nbp.base.files import AnyPath, as_path, read_npz
from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.exchange.dense import Float64Array

_NIR, _NETX = (".nir",), (".net", ".h5", ".hdf5")
_KINDS = f".npz (numpy.savez), {', '.join(_NIR)} (NIR) or {', '.join(_NETX)} (netx of lava-dl)"


def is_npz(path: Path) -> bool:
    """Whether a file holds matrices by name, in the algorithm's own unit."""
    return path.suffix == ".npz"


def read_arrays(path: Path, what: str) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file; `what` says what it should hold.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return read_npz(path)
    except ValueError as error:
        raise InputError(f"initial weights {path} cannot be read: {error}; give an .npz file with {what}") from error


def read_layers(path: AnyPath, p: NeuronParameters | None = None) -> list[Float64Array]:
    """The matrices (pre, post) of a NIR graph or a netx file, from the input to the output, in thresholds.

    Parameters
    ----------
    path : path
        The file.
    p : NeuronParameters, optional
        Neurons that they are for, where the unit of a file depends on these; see `lava_nbp.exchange.netx_file`.

    Raises
    ------
    InputError
        For a file that is not there, of an unknown kind, or that cannot be read.
    """
    path = as_path(path, "initial weights")
    if not path.is_file():
        raise InputError(f"initial weights {path} cannot be read: there is no such file; give one of {_KINDS}")
    if path.suffix in _NIR:
        from lava_nbp.exchange.nir_graph import read_nir

        return read_nir(path)
    if path.suffix in _NETX:
        from lava_nbp.exchange.netx_file import read_netx

        return read_netx(path, p)
    raise InputError(f"initial weights {path} are of an unknown kind; give one of {_KINDS}")
