"""HDF5 files: what is asked of one before it is read, and its arrays by name. h5py comes with the extra `exchange`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import one_line
from lava_nbp.base.extras import require
from lava_nbp.base.files import AnyPath, check_file
from lava_nbp.base.memory import check_memory, memory_limit
from lava_nbp.errors import InputError, LavaNBPError, Unreadable

#: Seconds that reading a file may take, and bytes per second beyond that.
_PATIENCE, _SLOWEST = 60.0, 1e7
#: Says how many bytes the named arrays have, or all if none is named, as float64, and reads them if they are not more
#: than may be; rows of different lengths in parts. What is wrong in Python's terms is said by who reads it next.
_READ = """
import sys, h5py
path, most, *names = sys.argv[1:]
items = []
def find(_, item):
    items.append(item)
with h5py.File(path, "r") as file:
    if not names:
        file.visititems(find)
    for name in names:
        try:
            items.append(file[name])
        except Exception:
            pass
    items = [item for item in items if hasattr(item, "dtype")]
    there = sum(float(item.size or 0) * max(8, item.dtype.itemsize) for item in items)
    print(there, flush=True)
    for item in items if there <= float(most) else ():
        try:
            if item.dtype.kind == "O" and item.ndim:
                for k in range(0, len(item), 1000):
                    item[k : k + 1000]
            else:
                item[()]
        except Exception:
            pass
"""
#: Rows of different lengths that are read at once.
_ROWS = 1000


def load_h5py(what: str) -> Any:
    """The package h5py; `what` it is needed for begins the message.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    return require("h5py", "exchange", what)


@contextmanager
def open_hdf5(path: AnyPath, what: str, names: Sequence[str] = ()) -> Iterator[Any]:
    """An HDF5 file, to be read: h5py's, whose errors pass as they are.

    Parameters
    ----------
    path : path
        Which.
    what : str
        As for `load_h5py`.
    names : sequence of str
        Arrays that will be read; none: all.

    Raises
    ------
    Unreadable
        For what is no regular file, arrays that the memory does not hold (a few bytes can announce any size), or a file
        so damaged that HDF5's library crashes, or does not come to an end.
    MissingPackageError
        Without h5py.
    """
    there = check_file(path)  # h5py would wait for a FIFO
    h5py = load_h5py(what)
    _read_elsewhere(path, there, names)
    with h5py.File(path, "r") as file:
        yield file


def read_hdf5(path: AnyPath, names: Sequence[str], what: str) -> dict[str, NDArray[Any]]:
    """Arrays of an HDF5 file by their names, "group/name", as far as they are there.

    Of an array of rows of different lengths there are two: all rows, one after the other, and by its name with
    "/offsets" where each begins, and where the last ends.

    Raises
    ------
    Unreadable
        As `open_hdf5`; for anything but numbers and text, or an array that was never written; or for what else h5py has
        against the file.
    MissingPackageError
        Without h5py.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with open_hdf5(path, what, names) as file:
            for name in names:
                if name not in file:
                    continue
                item = file[name]
                if not hasattr(item, "dtype") or item.shape is None:
                    raise Unreadable(f"{name} is no array")
                if item.size and not item.is_virtual and not item.id.get_storage_size():
                    raise Unreadable(f"{name} promises shape {item.shape}, but was never written")
                arrays |= _arrays(item, name)
    except LavaNBPError:
        raise
    except Exception as error:  # h5py raises all kinds
        raise Unreadable(f"no HDF5 file, or a damaged one ({one_line(error)})") from error
    return arrays


def _arrays(item: Any, name: str) -> dict[str, NDArray[Any]]:
    """A dataset as one array, or as two if it has rows of different lengths."""
    import h5py

    if h5py.check_string_dtype(item.dtype) is not None:
        texts = np.asarray(item.asstr()[()], dtype=object)
        _check_room(4 * texts.size * max(map(len, texts.flat), default=0))  # NumPy's are all as long as the longest
        return {name: texts.astype(np.str_)}
    if item.dtype.kind in "biuf":
        return {name: np.asarray(item[()]).astype(item.dtype.newbyteorder("="), copy=False)}
    entry = h5py.check_vlen_dtype(item.dtype)
    if entry is None or entry.kind not in "iuf" or item.ndim != 1:
        raise Unreadable(f"{name} has shape {item.shape} and dtype {item.dtype}, but only numbers and text are read")
    own = entry.newbyteorder("=")
    parts, lengths = [np.zeros(0, own)], [np.zeros(1, np.int64)]
    for k in range(0, len(item), _ROWS):
        rows = item[k : k + _ROWS]
        lengths.append(np.array([len(row) for row in rows], np.int64))
        parts.append(np.concatenate(rows).astype(own, copy=False))
    return {name: np.concatenate(parts), f"{name}/offsets": np.cumsum(np.concatenate(lengths))}


def _read_elsewhere(path: AnyPath, there: int, names: Sequence[str]) -> None:
    """Read a file in an interpreter of its own first: some damage makes the C library loop for ever, or crash."""
    command: list[str] = [sys.executable, "-c", _READ, str(path), str(memory_limit() / 2), *names]
    patience = _PATIENCE + there / _SLOWEST
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
    except subprocess.TimeoutExpired:
        raise Unreadable(f"it cannot be read within {patience:.3g} s, so it is damaged") from None
    if done.returncode < 0:
        raise Unreadable("it is so damaged that the HDF5 library crashes")
    if done.stdout:
        _check_room(2 * float(done.stdout))


def _check_room(needed: float) -> None:
    try:
        check_memory(needed, "what it holds", "give a smaller file")
    except InputError as error:
        raise Unreadable(str(error)) from None
