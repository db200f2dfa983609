"""Data sets of tonic: a made-up tonic with sets of every shape, and the real one on files made here, if it is there."""

import importlib
import sys
import types

import heidelberg_files
import numpy as np
import pytest
from event_samples import same_events

from lava_nbp.base import extras
from lava_nbp.data import load_event_dataset
from lava_nbp.data.tonic_sets import from_tonic
from lava_nbp.errors import DataError, InputError, MissingPackageError


def events(*rows, fields=("t", "x", "y", "p")):
    return np.array(list(rows), dtype=[(name, bool if name == "p" else np.int32) for name in fields])


class Camera:
    """As tonic's classes are: files are there, or fetched."""

    sensor_size = (4, 3, 2)
    classes = ("left", "right")
    fetched = False

    def __init__(self, save_to, train=True):
        self.save_to, self.train = save_to, train
        if not self.fetched:
            self.download()

    def download(self):
        type(self).fetched = True

    def __len__(self):
        return 3 if self.train else 2

    def __getitem__(self, k):
        if not 0 <= k < len(self):
            raise IndexError(k)
        return events((1500, 0, 0, 0), (2500 + k, 3, 2, 1), (2000, 1, 2, 0)), np.int64(k % 2)


class Sound(Camera):
    """Without y, with a polarity that says nothing, and with parts by name."""

    sensor_size = (5, 1, 1)
    classes = np.array([b"null", b"eins"])

    def __init__(self, save_to, split="train"):
        super().__init__(save_to, split == "train")
        self.split = split

    def __getitem__(self, k):
        return events(
            (10, 4, 1), (20, {"train": 0, "valid": 1, "test": 2}[self.split], 1), fields=("t", "x", "p")
        ), k % 2


class Unsplit(Camera):
    def __init__(self, save_to):
        super().__init__(save_to)


class Broken(Camera):
    def __init__(self, save_to, train=True):
        raise KeyError("spikes\nand more")


@pytest.fixture
def tonic(monkeypatch, tmp_path):
    module = types.ModuleType("tonic.datasets")
    module.__all__ = []
    for kind in (Camera, Sound, Unsplit, Broken):
        kind = type(kind.__name__, (kind,), {"__module__": "tonic.datasets"})
        setattr(module, kind.__name__, kind)
        module.__all__.append(kind.__name__)
    monkeypatch.setitem(sys.modules, "tonic.datasets", module)
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))
    return module


def test_a_camera_by_hand(tonic, tmp_path):
    """Units are (p 3 + y) 4 + x, and events sorted by time."""
    tonic.Camera.fetched = True
    data = load_event_dataset("tonic", tonic="Camera")
    assert (data.name, data.source, data.classes, data.n_in) == ("tonic", "published", ("left", "right"), 24)
    assert (data.train.y.tolist(), data.test.y.tolist()) == ([0, 1, 0], [0, 1])
    one = data.train.events.take([2])
    assert one.times.tolist() == [1.5, 2.0, 2.502]
    assert one.units.tolist() == [0, 2 * 4 + 1, (3 + 2) * 4 + 3]
    grouped = load_event_dataset("tonic", tonic="Camera", group=2, validation=1)
    assert (grouped.n_in, len(grouped.train)) == (8, 2)
    assert grouped.test.events.take([0]).units.tolist() == [0, 2, 4 + 3]


def test_sounds_by_hand(tonic):
    """There is no y, the only polarity is called 1, classes are bytes, and there are validation samples."""
    tonic.Sound.fetched = True
    data = load_event_dataset("tonic", tonic="Sound", validation=2)
    assert (data.n_in, data.classes) == (5, ("null", "eins"))
    assert [split.events.take([0]).units.tolist() for split in (data.train, data.validation, data.test)] == [
        [4, 0], [4, 1], [4, 2],
    ]  # fmt: skip
    assert data.train.events.times[:2].tolist() == [0.01, 0.02]


def test_nothing_is_fetched_unasked(tonic, tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path} has no Camera of tonic's, or not all of it; set data.download"):
        load_event_dataset("tonic", tonic="Camera")
    assert not tonic.Camera.fetched
    assert len(load_event_dataset("tonic", tonic="Camera", download=True).train) == 3
    assert tonic.Camera.fetched


def test_data_sets_that_are_refused(tonic, monkeypatch):
    for asked, kind, message in (
        ({}, DataError, "data.tonic does not say which of its data sets: Camera, Sound, Unsplit, Broken"),
        ({"tonic": "Camara"}, InputError, "data.tonic is 'Camara', but must be one of Camera.*did you mean 'Camera'"),
        ({"tonic": "Unsplit"}, DataError, "data.tonic is 'Unsplit', which has no test samples of its own"),
        ({"tonic": "Broken"}, DataError, r"tonic cannot read its Broken in .*: KeyError: 'spikes\\nand more'; restore"),
    ):
        with pytest.raises(kind, match=message):
            load_event_dataset("tonic", **asked)
    monkeypatch.delenv("LAVA_NBP_DATA")
    with pytest.raises(DataError, match="no folder for tonic's Camera: set the environment variable LAVA_NBP_DATA"):
        load_event_dataset("tonic", tonic="Camera")


def test_without_tonic(monkeypatch):
    imported = importlib.import_module

    def missing(name):
        if name.startswith("tonic"):
            raise ImportError(f"no {name}")
        return imported(name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(MissingPackageError, match=r"the data set tonic needs the package tonic.*'lava-nbp\[tonic\]'"):
        load_event_dataset("tonic", tonic="NMNIST", root=".")


class Given(Camera):
    """One sample, or what is given of one."""

    fetched = True

    def __init__(self, found=None, label=0, **changes):
        super().__init__("")
        self.found, self.label = events((5, 1, 1, 1)) if found is None else found, label
        vars(self).update(changes)

    def __len__(self):
        return 1

    def __getitem__(self, k):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found, self.label


def test_data_sets_that_are_given():
    made = from_tonic(Given(), Given(label=np.array(1)), source="file")
    assert (made.source, made.sensor, made.test.y.tolist()) == ("file", (2, 3, 4), [1])
    made = from_tonic(Given(classes=None), Given(label=2))
    assert made.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (Given(events((5, 4, 1, 1))), "train sample 0: event 0 is at x = 4, but the sensor has 0 .. 3"),
        (Given(events((5, 1, 1, 1), (6, 1, -1, 1))), "event 1 is at y = -1, but the sensor has 0 .. 2"),
        (
            Given(np.array([(5, 1, 1, 2)], [(name, np.int64) for name in "txyp"])),
            "event 0 is at p = 2, but the sensor has 0 .. 1",
        ),
        (Given(events((-5, 1, 1, 1))), "train event 0 of sample 0 is at -0.005 ms"),
        (Given(np.array([(5.0, 1.5)], [("t", "f8"), ("x", "f8")])), "x has dtype float64, but must hold integers"),
        (Given(np.array([("5", 1)], [("t", "U1"), ("x", "i8")])), "t has dtype <U1, but must hold microseconds"),
        (Given(np.zeros((2, 4))), "sample 0 is .*, but must be an array of events with the fields t and x"),
        (Given(events((5, 1, 1), fields=("t", "y", "p"))), "must be an array of events with the fields t and x"),
        (Given([1, 2]), "must be an array of events"),
        (Given(label="one"), "has the label 'one', but must have the number of its class"),
        (Given(label=-1), "has the label -1"),
        (Given(label=2**40), "has the label 1099511627776"),
        (Given(label=np.array([1, 2])), "has the label"),
        (Given(label=2), "has labels up to 2, but 2 classes"),
        (Given(OSError("cut\noff")), "train sample 0 cannot be read: OSError: cut off; restore the data set"),
        (Given(sensor_size=None), "has sensor_size None, but must have one sensor for all samples"),
        (Given(sensor_size=(4, 3)), "has sensor_size"),
        (Given(sensor_size=(4, 0, 2)), "has sensor_size"),
        (Given(sensor_size=(4, 3, 2000000)), ": train events: n_units is 24000000"),
    ],
)
def test_samples_that_are_refused(train, message):
    with pytest.raises(DataError, match=f"tonic's Given.*{message}") as refused:
        from_tonic(train, Given())
    assert len(str(refused.value).splitlines()) == 1


def test_other_things_that_are_refused(monkeypatch):
    class Empty(Given):
        def __len__(self):
            return 0

    with pytest.raises(DataError, match="tonic's Empty has no test samples"):
        from_tonic(Given(), Empty())

    class Endless(Given):
        def __len__(self):
            raise TypeError("nobody knows")

    with pytest.raises(DataError, match="tonic's Endless does not say how many samples it has: TypeError: nobody"):
        from_tonic(Given(), Endless())
    with pytest.raises(DataError, match="splits have .* units; give each as many"):
        from_tonic(Given(), Given(sensor_size=(4, 3, 3)))
    monkeypatch.setenv("LAVA_NBP_MEMORY", "5e-8")
    with pytest.raises(InputError, match="1 events of Given needs some 80 bytes"):
        from_tonic(Given(), Given())


@pytest.mark.parametrize(("ours", "name"), [("shd", "SHD"), ("ssc", "SSC")])
def test_the_real_tonic_reads_the_same_recordings(tmp_path, ours, name):
    """It keeps them where we look for them; to whole microseconds."""
    pytest.importorskip("tonic")
    parts = ("train", "test") if ours == "shd" else ("train", "valid", "test")
    heidelberg_files.published(tmp_path, ours, [(part, 5) for part in parts])
    with pytest.raises(DataError, match=f"has no {name} of tonic's, or not all of it; set data.download = true"):
        load_event_dataset("tonic", tonic=name, root=tmp_path)
    for part in parts:  # it asks for the packed files, too
        (tmp_path / name / f"{ours}_{part}.h5.zip").write_bytes(b"")
    theirs, own = (
        load_event_dataset(s, root=tmp_path, **asked) for s, asked in (("tonic", {"tonic": name}), (ours, {}))
    )
    for split in ("train", "test"):
        a, b = getattr(theirs, split), getattr(own, split)
        assert np.abs(a.events.times - b.events.times).max() <= 1e-3
        assert np.array_equal(a.events.units, b.events.units)
        assert np.array_equal(a.events.offsets, b.events.offsets)
        assert np.array_equal(a.y, b.y)
    assert theirs.classes == own.classes
    assert not same_events(own.train.events, own.test.events)
