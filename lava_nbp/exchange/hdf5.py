"""HDF5 files that hold networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lava_nbp.base import hdf5
from lava_nbp.errors import InputError, Unreadable

_WHAT = "a network as an HDF5 file"


def load_h5py() -> Any:
    """The package h5py.

    Raises
    ------
    InputError
        If it is not installed.
    """
    return hdf5.load_h5py(_WHAT)


@contextmanager
def open_network(path: Path) -> Iterator[Any]:
    """An HDF5 file that holds a network, to be read.

    Raises
    ------
    InputError
        As `lava_nbp.base.hdf5.open_hdf5`.
    """
    try:
        with hdf5.open_hdf5(path, _WHAT) as file:
            yield file
    except Unreadable as error:
        raise InputError(f"{path} cannot be read: {error}; give an HDF5 file of a network") from None
