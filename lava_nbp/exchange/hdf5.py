"""What both readers of HDF5 files ask of a file before they read it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lava_nbp.base.extras import require
from lava_nbp.base.files import check_file
from lava_nbp.base.memory import check_memory, memory_limit
from lava_nbp.errors import InputError, Unreadable

#: Seconds that reading a file may take: weights are some megabytes.
_PATIENCE = 60.0
#: Says how many bytes there are, as float64, and reads them if they are not more than may be. What is wrong in Python's
#: terms is said by who reads it next.
_READ = """
import sys, h5py
sizes = []
def ask(_, item):
    if hasattr(item, "dtype"):
        sizes.append(float(item.size or 0) * max(8, item.dtype.itemsize))
def read(_, item):
    try:
        item[()] if hasattr(item, "dtype") else None
    except Exception:
        pass
with h5py.File(sys.argv[1], "r") as file:
    file.visititems(ask)
    print(sum(sizes), flush=True)
    if sum(sizes) <= float(sys.argv[2]):
        file.visititems(read)
"""


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
        For what is no regular file, arrays that the memory does not hold (a few bytes can announce any size), or a file
        so damaged that HDF5's library crashes, or does not come to an end.
    """
    try:
        check_file(path)  # h5py would wait for a FIFO
    except Unreadable as error:
        raise InputError(f"{path} cannot be read: {error}; give an HDF5 file") from None
    load_h5py()
    _read_elsewhere(path)
    with load_h5py().File(path, "r") as file:
        yield file


def _read_elsewhere(path: Path) -> None:
    """Read a file in an interpreter of its own first: some damage makes the C library loop for ever, or crash."""
    command: list[str] = [sys.executable, "-c", _READ, str(path), str(memory_limit() / 2)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"{path} cannot be read within {_PATIENCE:g} s, so it is damaged; write it anew") from None
    if done.returncode < 0:
        raise InputError(f"{path} is so damaged that the HDF5 library crashes; write it anew")
    if done.stdout:
        cure = "its arrays are too large for a network to start from: give a smaller one"
        check_memory(2 * float(done.stdout), f"{path}", cure)
