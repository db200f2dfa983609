"""N-MNIST: events by hand, both layouts of folders, and damaged files."""

import os
from pathlib import Path

import numpy as np
import pytest

from lava_nbp.data import load_event_dataset
from lava_nbp.data.nmnist import read_atis
from lava_nbp.errors import DataError, InputError


def packed(*events):
    """(x, y, polarity, microseconds) in five bytes each."""
    return b"".join(bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for x, y, p, t in events)


def test_events_by_hand():
    times, units = read_atis(packed((3, 0, 0, 17), (0, 2, 1, 70_000), (33, 33, 1, 300_001)), "file")
    assert times.tolist() == [0.017, 70.0, 300.001]
    assert units.tolist() == [3, 34 * 34 + 2 * 34, 2 * 34 * 34 - 1]
    assert read_atis(b"", "file")[0].size == 0


def test_a_clock_that_turns_over():
    """A row of 240 adds 2**13 us to all that follow."""
    times, units = read_atis(
        packed((1, 0, 0, 8000), (0, 240, 0, 0), (2, 0, 0, 10), (0, 240, 0, 0), (2, 0, 0, 5)), "file"
    )
    assert times.tolist() == [8.0, 8.202, 16.389]
    assert units.tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed((1, 1, 0, 5))[:-1], "file is cut off: 4 bytes, but an event has 5"),
        (packed((1, 1, 0, 5), (34, 0, 0, 6)), r"file: event 1 is at pixel \(34, 0\), but the camera has 34 x 34"),
        (packed((1, 99, 0, 5)), r"event 0 is at pixel \(1, 99\)"),
        (packed((1, 1, 0, 5), (1, 1, 0, 4)), "file: event 1 is at 4 us, after one at 5 us"),
    ],
)
def test_damaged_files(content, message):
    with pytest.raises(DataError, match=message):
        read_atis(content, "file")


def small(root, lists=(("train1K.txt", "#sample #class\n1\t7\n2\t0\n"), ("test100.txt", "3 9\n"))):
    folder = root / "NMNIST-small"
    (folder / "events").mkdir(parents=True)
    for name, content in lists:
        (folder / name).write_text(content)
    for k in (1, 2, 3):
        (folder / "events" / f"{k}.bs2").write_bytes(packed(*[(k, 0, 0, 1000 * j) for j in range(k)]))
    return folder


def test_the_small_set(tmp_path, monkeypatch):
    folder = small(tmp_path)
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))
    data = load_event_dataset("nmnist")
    assert (data.train.y.tolist(), data.test.y.tolist(), data.n_in) == ([7, 0], [9], 2312)
    assert data.train.events.offsets.tolist() == [0, 1, 3]
    assert data.test.events.times.tolist() == [0.0, 1.0, 2.0]
    (folder / "events" / "3.bs2").unlink()
    with pytest.raises(DataError, match="3.bs2 is missing; restore N-MNIST"):
        load_event_dataset("nmnist")
    for line in ("3", "3 x", "3 10", "../3 1", "3 1 1"):
        (folder / "test100.txt").write_text(f"# first\n{line}\n")
        with pytest.raises(DataError, match="test100.txt, line 2: .* is no number and class 0 .. 9"):
            load_event_dataset("nmnist")
    (folder / "test100.txt").write_text("# none\n")
    with pytest.raises(DataError, match="test100.txt names no recordings"):
        load_event_dataset("nmnist")


def test_the_published_layout(tmp_path):
    """It comes first where both are there."""
    small(tmp_path)
    for part in ("Train", "Test"):
        for label in range(10):
            folder = tmp_path / "NMNIST" / part / str(label)
            folder.mkdir(parents=True)
            (folder / "note.txt").write_text("no events")
            if part == "Train" or label == 4:
                (folder / f"0000{label}.bin").write_bytes(packed((label, 0, 1, 9)))
    data = load_event_dataset("nmnist", root=tmp_path)
    assert data.train.y.tolist() == list(range(10))
    assert data.train.events.units.tolist() == [34 * 34 + k for k in range(10)]
    assert data.test.y.tolist() == [4]
    (tmp_path / "NMNIST" / "Test" / "4" / "00004.bin").unlink()
    with pytest.raises(DataError, match=r"Test has no recordings \(.bin\)"):
        load_event_dataset("nmnist", root=tmp_path)


def test_no_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    with pytest.raises(DataError, match="no folder for nmnist: set the environment variable LAVA_NBP_DATA"):
        load_event_dataset("nmnist")
    with pytest.raises(DataError, match=r"NMNIST/Train/0 cannot be read \(No such file or directory\); unpack N-MNIST"):
        load_event_dataset("nmnist", root=tmp_path)


def test_more_events_than_memory(tmp_path, monkeypatch):
    small(tmp_path)
    monkeypatch.setenv("LAVA_NBP_MEMORY", "5e-8")  # 50 bytes: enough for every file
    with pytest.raises(InputError, match="events of 2 recordings needs some 120 bytes of memory.*; use the small set"):
        load_event_dataset("nmnist", root=tmp_path)


DATA = Path(os.environ.get("LAVA_NBP_DATA", "")) / "NMNIST-small"


@pytest.mark.skipif(not DATA.is_dir(), reason="LAVA_NBP_DATA has no NMNIST-small")
def test_the_real_small_set():
    data = load_event_dataset("nmnist")
    assert (len(data.train), len(data.test)) == (1000, 100)
    per_sample = np.diff(data.train.events.offsets)
    assert 3500 < per_sample.mean() < 4700
    assert data.train.events.times.max() < 330
