"""train with data of events that are damaged: one line, and nothing is written, neither a run nor a cache."""

import wave

import h5py
import heidelberg_files
import numpy as np
import pytest

CONFIG = """
algorithm = "eventprop"
epochs = 1
[data]
name = "events"
path = "own.npz"
[encoding]
late = 60
end = 80
[network]
hidden = [4]
initial_mean = [1.0, 0.3]
initial_deviation = [0.3, 0.3]
[loss]
name = "max_voltage"
"""


def arrays(**changes):
    found = {}
    for part in ("train", "test"):
        found[f"{part}_times"] = np.tile([1.0, 2.5, 2.5], 4)
        found[f"{part}_units"] = np.tile([0, 3, 1], 4)
        found[f"{part}_offsets"] = np.arange(5) * 3
        found[f"{part}_labels"] = np.arange(4) % 2
    return found | changes


def npz(folder, **changes):
    np.savez(folder / "own.npz", **arrays(**changes))


def hdf5(folder, **changes):
    with h5py.File(folder / "own.npz", "w") as file:  # by its content
        for name, array in arrays(**changes).items():
            file[name] = array


def cut(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-7])


def atis(folder, *events):
    """N-MNIST of three recordings, the last of events (x, y, us)."""
    small = folder / "NMNIST-small"
    (small / "events").mkdir(parents=True)
    (small / "train1K.txt").write_text("1 0\n2 1\n")
    (small / "test100.txt").write_text("3 1\n")
    for k, chosen in ((1, [(1, 1, 5)]), (2, [(2, 2, 5)]), (3, events)):
        content = b"".join(bytes([x, y, t >> 16, t >> 8 & 255, t & 255]) for x, y, t in chosen)
        (small / "events" / f"{k}.bs2").write_bytes(content)


def sounds(folder, rate=8000, samples=800):
    """Two spoken digits, the second of another rate or length."""
    there = folder / "FSDD" / "recordings"
    there.mkdir(parents=True)
    for name, one_rate, n in (("0_anna_7", 8000, 800), ("1_anna_0", rate, samples)):
        with wave.open(str(there / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(one_rate)
            file.writeframes(np.arange(n, dtype=np.int16).tobytes())


def cut_npz(folder):
    npz(folder)
    cut(folder, "own.npz")


def cut_hdf5(folder):
    hdf5(folder)
    cut(folder, "own.npz")


def cut_shd(folder):
    heidelberg_files.published(folder)
    cut(folder, "SHD/shd_test.h5")


def cut_atis(folder):
    atis(folder, (3, 3, 5), (3, 3, 9))
    cut(folder, "NMNIST-small/events/3.bs2")


def cut_sounds(folder):
    sounds(folder)
    cut(folder, "FSDD/recordings/1_anna_0.wav")


def deaf_shd(folder):
    """A unit that the ear has not."""
    heidelberg_files.published(folder)
    with h5py.File(folder / "SHD" / "shd_test.h5", "r+") as file:
        file["spikes/units"][2] = np.full(len(file["spikes/units"][2]), 700, np.uint16)


BACKWARD = np.tile([1.0, 0.5, 2.5], 4)
OUTSIDE = np.tile([0, 3, 10], 4)


@pytest.mark.parametrize(
    ("damage", "settings", "message"),
    [
        (cut_npz, (), "own.npz cannot be read as .npz: no .npz file, or a damaged one"),
        (cut_hdf5, (), "own.npz cannot be read as HDF5: no HDF5 file, or a damaged one"),
        (lambda folder: npz(folder, test_times=BACKWARD), (), "event 1 of sample 0 is at 0.5 ms, after one at 1.0 ms"),
        (lambda folder: hdf5(folder, test_times=BACKWARD), (), "event 1 of sample 0 is at 0.5 ms, after one at 1.0 ms"),
        (
            lambda folder: npz(folder, test_units=OUTSIDE, n_units=np.array(5)),
            (),
            "event 2 of sample 0 is of unit 10, but units are 0 .. 4",
        ),
        (
            lambda folder: hdf5(folder, test_units=OUTSIDE, sensor=np.array([1, 2, 3])),
            (),
            "event 2 of sample 0 is of unit 10, but units are 0 .. 5",
        ),
        (npz, ("data.group=5",), "data.group is 5, but must be an integer in 1 .. 4"),
        (npz, ("data.shift=4",), "shift is 4, but must be an integer in 0 .. 3"),
        (npz, ("data.stretch=[2, 1]",), "data.stretch = [2, 1]: must be the smallest and the largest factor"),
        (npz, ("encoding.end=50",), "encoding.late is 60 ms, but a trial ends after 50 ms (encoding.end)"),
        (npz, ("data.tonic=NMNIST",), "data.tonic is 'NMNIST', but means nothing for the data set events"),
        (cut_shd, ("data.name=shd",), "shd_test.h5 cannot be read: no HDF5 file, or a damaged one"),
        (deaf_shd, ("data.name=shd",), "event 0 of sample 2 is of unit 700, but units are 0 .. 699"),
        (cut_atis, ("data.name=nmnist",), "3.bs2 is cut off: 3 bytes, but an event has 5"),
        (
            lambda folder: atis(folder, (3, 3, 9), (3, 3, 5)),
            ("data.name=nmnist",),
            "3.bs2: event 1 is at 5 us, after one at 9 us",
        ),
        (
            lambda folder: atis(folder, (34, 3, 9)),
            ("data.name=nmnist",),
            "3.bs2: event 0 is at pixel (34, 3), but the camera has 34 x 34",
        ),
        (cut_sounds, ("data.name=fsdd",), "1_anna_0.wav is cut off"),
        (lambda folder: sounds(folder, rate=16000), ("data.name=fsdd",), "of 16 bits at 16000 Hz, but must have one"),
        (lambda folder: sounds(folder, samples=0), ("data.name=fsdd",), "1_anna_0.wav is empty: it has no samples"),
        (lambda folder: None, ("data.name=tonic", "data.tonic=NMNIST"), "tonic"),
    ],
)
def test_one_line_and_nothing_written(run, tmp_path, monkeypatch, damage, settings, message):
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    damage(tmp_path)
    content = CONFIG if not any(s.startswith("data.name") for s in settings) else CONFIG.replace('path = "own.npz"', "")
    (tmp_path / "events.toml").write_text(content)
    before = sorted(tmp_path.rglob("*"))
    asked = [word for setting in settings for word in ("--set", setting)]
    code, out, err = run("train", "events.toml", "--out", "run", *asked)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
