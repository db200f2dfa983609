"""What both readers of HDF5 files ask of a file before they read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lava_nbp.base.extras import require
from lava_nbp.base.memory import check_memory


def load_h5py() -> Any:
    """The package h5py.

    Raises
    ------
    InputError
        If it is not installed.
    """
    return require("h5py", "exchange", "a network as an HDF5 file")


def check_content(file: Any, path: Path) -> None:
    """Check that the arrays that an open file announces fit the memory: a few bytes can announce any size.

    Raises
    ------
    InputError
        Says how much they would take, and the limit.
    """
    sizes = []

    def ask(_: str, item: Any) -> None:
        if hasattr(item, "dtype"):
            sizes.append(float(item.size or 0) * max(8, item.dtype.itemsize))  # read as float64

    file.visititems(ask)
    check_memory(2 * sum(sizes), f"{path}", "its arrays are too large for a network to start from: give a smaller one")
