"""Files of events: a user's own in both formats, and those that are published."""

from __future__ import annotations

import functools
import os
import shutil
import wave
from pathlib import Path
from unittest.mock import patch

import h5py
import heidelberg_files
import numpy as np
from hypothesis import strategies as st

from fuzz.cases import damaged
from fuzz.door import kept, refused_in_a_line, scratch
from lava_nbp.base import hdf5
from lava_nbp.data import EventAugmentation, load_event_dataset

#: Seconds after which HDF5's library is said not to end, on a small file.
_PATIENCE = 5


@functools.cache
def root() -> Path:
    """Small data sets, each below the folder where it is looked for, and a user's own."""
    there = kept() / "events"
    there.mkdir()
    arrays = {"n_units": np.array(4), "classes": np.array([b"a", b"b"])}
    for part in ("train", "test"):
        arrays[f"{part}_times"], arrays[f"{part}_units"] = np.arange(6.0), np.arange(6) % 4
        arrays[f"{part}_offsets"], arrays[f"{part}_labels"] = np.array([0, 2, 6]), np.array([0, 1])
    np.savez(there / "own.npz", **arrays)
    with h5py.File(there / "own.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    heidelberg_files.published(there, sizes=(("train", 2), ("test", 2)))
    small = there / "NMNIST-small"
    (small / "events").mkdir(parents=True)
    (small / "train1K.txt").write_text("#sample #class\n1 0\n")
    (small / "test100.txt").write_text("2 1\n")
    for k in (1, 2):
        (small / "events" / f"{k}.bs2").write_bytes(bytes([k, 3, 128, 0, 9, 0, 240, 0, 0, 0, 2, k, 0, 1, 0]))
    (there / "FSDD" / "recordings").mkdir(parents=True)
    for name in ("0_anna_0", "1_anna_7"):
        with wave.open(str(there / "FSDD" / "recordings" / f"{name}.wav"), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes((3000 * np.sin(np.arange(200) / 2)).astype("<i2").tobytes())
    return there


def event_files():
    """A data set, one of its files, and other bytes for it."""
    files = {
        "events": ("own.npz", "own.h5"),
        "shd": ("SHD/shd_train.h5",),
        "nmnist": ("NMNIST-small/events/1.bs2", "NMNIST-small/test100.txt"),
        "fsdd": ("FSDD/recordings/0_anna_0.wav",),
    }
    pairs = [(name, file) for name, these in files.items() for file in these]
    return st.sampled_from(pairs).flatmap(
        lambda pair: st.tuples(*map(st.just, pair), damaged((root() / pair[1]).read_bytes()))
    )


def enter_event_files(case):
    """What is read holds what `Events` checks, in every epoch."""
    name, file, content = case
    with scratch() as folder:
        shutil.copytree(root(), folder / "root")
        (folder / "root" / file).write_bytes(content)
        options = {"path": folder / "root" / file} if name == "events" else {"root": folder / "root"}
        changes = EventAugmentation(stretch=(0.5, 2.0), time_shift=1.0, jitter=1.0)
        with (
            patch.dict(os.environ, XDG_CACHE_HOME=str(folder / "cache")),
            patch.object(hdf5, "_PATIENCE", _PATIENCE),
            refused_in_a_line(),
        ):
            data = load_event_dataset(name, None, changes, bin=0.5, **options)
            assert len(data.train_of_epoch(0, 1)) == len(data.train) > 0
