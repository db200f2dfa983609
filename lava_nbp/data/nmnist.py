"""N-MNIST: MNIST's digits as a moving event camera sees them.

Source: Orchard, Jayawant, Cohen, Thakor, "Converting static image datasets to spiking neuromorphic datasets using
saccades", Front. Neurosci. 9 (2015). Files hold events of 40 bits: x, y, and 24 bits of which the first is the polarity
and the others the time in microseconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import read_file
from lava_nbp.base.memory import check_memory
from lava_nbp.data.events import EventSamples, EventSplit, join_events
from lava_nbp.data.options import DataOptions, root_of
from lava_nbp.errors import DataError, Unreadable

#: Pixels of the camera's side; a unit for each and both polarities: brighter ones come second.
SIDE = 34
_UNITS = 2 * SIDE * SIDE
_BYTES = 5
#: A row that no pixel has says that the clock, of 13 bits then, has turned over.
_OVERFLOW, _TURN = 240, 1 << 13
#: Bytes of an event in memory, with its copies, over those in its file.
_GROWN = 8


def nmnist_samples(options: DataOptions) -> EventSamples:
    """The published set, in NMNIST/Train and NMNIST/Test, or else the small one of NMNIST-small.

    Raises
    ------
    DataError
        For a folder without recordings, or one that is cut off, or has events outside the camera or out of order.
    """
    root = root_of(options, "nmnist", "NMNIST or NMNIST-small")
    whole, small = root / "NMNIST", root / "NMNIST-small"
    if whole.is_dir() or not small.is_dir():
        parts = [_labelled_folders(whole / part) for part in ("Train", "Test")]
    else:
        parts = [_listed(small, name) for name in ("train1K.txt", "test100.txt")]
    train, test = map(_split, parts)
    return EventSamples(train, test, tuple(map(str, range(10))), sensor=(2, SIDE, SIDE))


def read_atis(content: bytes, where: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Times in ms and units of the events of a file.

    Raises
    ------
    DataError
        For a file that is cut off in an event, events outside the camera, or times that run backward.
    """
    cure = "restore the file"
    if len(content) % _BYTES:
        raise DataError(f"{where} is cut off: {len(content)} bytes, but an event has {_BYTES}; {cure}")
    raw = np.frombuffer(content, np.uint8).reshape(-1, _BYTES).astype(np.int64)
    x, y, last = raw[:, 0], raw[:, 1], raw[:, 2]
    time = ((last & 127) << 16) | (raw[:, 3] << 8) | raw[:, 4]
    turned = y == _OVERFLOW
    time = (time + np.cumsum(turned) * _TURN)[~turned]
    x, y, polarity = x[~turned], y[~turned], last[~turned] >> 7
    outside = (x >= SIDE) | (y >= SIDE)
    if outside.any():
        k = int(np.argmax(outside))
        raise DataError(f"{where}: event {k} is at pixel ({x[k]}, {y[k]}), but the camera has {SIDE} x {SIDE}; {cure}")
    if (np.diff(time) < 0).any():
        k = int(np.argmax(np.diff(time) < 0)) + 1
        raise DataError(f"{where}: event {k} is at {time[k]} us, after one at {time[k - 1]} us; {cure}")
    return time / 1e3, (polarity * SIDE + y) * SIDE + x


def _labelled_folders(folder: Path) -> list[tuple[Path, int]]:
    """Files of Train or Test, one folder per class."""
    found = []
    for label in range(10):
        try:
            names = sorted(name for name in os.listdir(folder / str(label)) if name.endswith(".bin"))
        except OSError as error:
            raise DataError(
                f"{folder / str(label)} cannot be read ({error.strerror}); unpack N-MNIST there: Train and Test, with "
                f"a folder for every class"
            ) from None
        found += [(folder / str(label) / name, label) for name in names]
    if not found:
        raise DataError(f"{folder} has no recordings (.bin); unpack N-MNIST there")
    return found


def _listed(folder: Path, name: str) -> list[tuple[Path, int]]:
    """Files that a list of numbers and classes names."""
    found = []
    for number, line in enumerate(_content(folder / name).decode("ascii", "replace").splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words) or int(words[1]) > 9:
            raise DataError(f"{folder / name}, line {number}: {line[:80]!r} is no number and class 0 .. 9; restore it")
        found.append((folder / "events" / f"{words[0]}.bs2", int(words[1])))
    if not found:
        raise DataError(f"{folder / name} names no recordings; restore it")
    return found


def _split(files: Iterable[tuple[Path, int]]) -> EventSplit:
    files = list(files)
    contents = [_content(path) for path, _ in files]
    check_memory(_GROWN * sum(map(len, contents)), f"events of {len(files)} recordings", "use the small set")
    samples = [read_atis(content, str(path)) for content, (path, _) in zip(contents, files, strict=True)]
    return EventSplit(join_events(samples, _UNITS), np.array([label for _, label in files]))


def _content(path: Path) -> bytes:
    try:
        return read_file(path)
    except Unreadable as error:
        reason = "is missing" if error.missing else f"cannot be read: {error}"
        raise DataError(f"{path} {reason}; restore N-MNIST") from None
