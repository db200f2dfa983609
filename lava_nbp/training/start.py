"""Weights to start from, out of a file: .npz, a NIR graph, or a netx file. What the algorithms share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lava_nbp.base.files import AnyPath, as_path, check_file, read_npz
from lava_nbp.errors import InputError, Unreadable
from lava_nbp.exchange.dense import Expected, Float64Array

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
    except Unreadable as error:
        raise InputError(f"initial weights {path} cannot be read: {error}; give an .npz file with {what}") from error


def read_layers(path: AnyPath, p: Expected = None, *, spiking_output: bool = True) -> dict[str, Float64Array]:
    """The matrices (pre, post) of a NIR graph or a netx file, W1 .. Wn and recurrent ones R1 .., in thresholds.

    With delays D1 .. and E1 .., and time constants tau_m1 .. and tau_s1 .., in ms; see `read_nir` and `read_netx`.

    Parameters
    ----------
    path : path
        The file.
    p : NeuronParameters, optional
        Neurons that they are for, of all layers or of each; None: those of nBP, which forget everything in a step.
    spiking_output : bool
        Whether the last layer spikes.

    Raises
    ------
    InputError
        For a file that is not there, of an unknown kind, that cannot be read, or whose neurons do something else.
    """
    path = as_path(path, "initial weights")
    try:
        check_file(path)
    except Unreadable as error:
        reason = "there is no such file" if error.missing else error
        raise InputError(f"initial weights {path} cannot be read: {reason}; give one of {_KINDS}") from None
    if path.suffix in _NIR:
        from lava_nbp.exchange.nir_graph import read_nir

        return read_nir(path, p, spiking_output=spiking_output)
    if path.suffix in _NETX:
        from lava_nbp.exchange.netx_file import read_netx

        if not spiking_output:
            raise InputError(
                f"initial weights {path}: netx networks answer by spikes, but the output of this experiment only "
                f"integrates (a loss of voltages); give a NIR graph, or use loss ttfs"
            )
        return read_netx(path, p)
    raise InputError(f"initial weights {path} are of an unknown kind; give one of {_KINDS}")
