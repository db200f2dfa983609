"""What both readers of HDF5 files ask of a file before they read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lava_nbp.base.extras import require
from lava_nbp.base.files import check_file
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import InputError, Unreadable


def load_h5py() -> Any:
    """The package h5py.

    Raises
    ------
    InputError
        If it is not installed.
    """
    return require("h5py", "exchange", "a network as an HDF5 file")


@contextmanager
def open_network(path: Path) -> Iterator[Any]:
    """An HDF5 file that holds a network, to be read.

    Raises
    ------
    InputError
        For what is no regular file, or arrays that the memory does not hold: a few bytes can announce any size.
    """
    try:
        check_file(path)  # h5py would wait for a FIFO
    except Unreadable as error:
        raise InputError(f"{path} cannot be read: {error}; give an HDF5 file") from None
    with load_h5py().File(path, "r") as file:
        sizes = []

        def ask(_: str, item: Any) -> None:
            if hasattr(item, "dtype"):
                sizes.append(float(item.size or 0) * max(8, item.dtype.itemsize))  # read as float64

        file.visititems(ask)
        cure = "its arrays are too large for a network to start from: give a smaller one"
        check_memory(2 * sum(sizes), f"{path}", cure)
        yield file
