"""Spoken digits: tones find their channel, the official split, the cache, and damaged recordings."""

import os
import wave
from pathlib import Path

import numpy as np
import pytest

from lava_nbp.data import fsdd, load_event_dataset
from lava_nbp.data.fsdd import CHANNELS, RATE, encode_sounds
from lava_nbp.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    return tmp_path / "cache" / "lava_nbp"


def tone(hz, seconds=0.2, loud=0.3):
    return (loud * 32767 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.int16)


def write(path, sound, rate=RATE, width=2, channels=1):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(sound.tobytes())


def recordings(root, names=("3_anna_5", "7_bo_49", "3_anna_0", "7_bo_4")):
    folder = root / "FSDD" / "recordings"
    folder.mkdir(parents=True)
    for k, name in enumerate(names):
        write(folder / f"{name}.wav", tone(300 + 200 * k))
    return folder


def test_a_tone_is_heard_by_its_channel_and_as_often_as_it_says():
    """By hand: channels lie evenly on 21.4 log10(1 + 0.00437 f); the envelope of a sine is 1 / pi of its height."""
    low, high = (21.4 * np.log10(1 + 0.00437 * f) for f in (80, 3600))
    for hz in (200, 700, 2500):
        events = encode_sounds([tone(hz, 1.0)])
        counts = np.bincount(events.units, minlength=CHANNELS)
        place = (21.4 * np.log10(1 + 0.00437 * hz) - low) / (high - low) * (CHANNELS - 1)
        assert abs(counts.argmax() - place) <= 1
        assert abs(counts.max() - 25 * np.log1p(0.3 / np.pi / 1e-3)) < 4
        assert events.times.max() <= 1000
    assert len(encode_sounds([np.zeros(800, np.int16)]).times) == 0


def test_louder_sounds_have_more_events_and_silence_has_none():
    n = [len(encode_sounds([tone(500, loud=loud)]).times) for loud in (0.01, 0.1, 0.5)]
    assert 0 < n[0] < n[1] < n[2]


def test_the_split_and_the_cache(tmp_path, cache, monkeypatch):
    folder = recordings(tmp_path)
    (folder / "notes.txt").write_text("no recording")
    data = load_event_dataset("fsdd", root=tmp_path)
    assert (data.train.y.tolist(), data.test.y.tolist()) == ([3, 7], [3, 7])
    assert (data.n_in, data.classes) == (CHANNELS, tuple("0123456789"))
    expected = encode_sounds([tone(700), tone(900)])
    assert np.array_equal(data.test.events.times, expected.times)
    (kept,) = cache.iterdir()

    def never(sounds):
        raise AssertionError("made again")

    monkeypatch.setattr(fsdd, "encode_sounds", never)
    again = load_event_dataset("fsdd", root=tmp_path)
    assert np.array_equal(again.train.events.times, data.train.events.times)
    kept.write_bytes(b"damaged")
    with pytest.raises(AssertionError, match="made again"):
        load_event_dataset("fsdd", root=tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert len(load_event_dataset("fsdd", root=tmp_path).train) == 2
    assert kept.read_bytes()[:2] == b"PK"
    write(folder / "7_bo_4.wav", tone(1500))  # another recording: another file
    assert not np.array_equal(load_event_dataset("fsdd", root=tmp_path).test.events.times, data.test.events.times)
    assert len(list(cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    recordings(tmp_path)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(load_event_dataset("fsdd", root=tmp_path).train) == 2
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # nobody's home
    assert len(load_event_dataset("fsdd", root=tmp_path).train) == 2
    assert not Path("~").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda path: write(path, tone(300), rate=16000),
            "has 1 channels of 16 bits at 16000 Hz, but must",
        ),
        (lambda path: write(path, tone(300), channels=2), "has 2 channels of 16 bits at 8000 Hz"),
        (lambda path: write(path, tone(300), width=1), "has 1 channels of 8 bits"),
        (lambda path: write(path, tone(300)[:0]), "is empty: it has no samples"),
        (lambda path: path.write_bytes(path.read_bytes()[:-101]), "is cut off: 1549 samples of 1600"),
        (lambda path: path.write_bytes(b""), "is no WAV file of samples, or a damaged one"),
        (lambda path: path.write_bytes(path.read_bytes()[:20]), "is no WAV file of samples, or a damaged one"),
        (
            lambda path: path.write_bytes(b"RIFF\xb4\x01\0\0WAVEfmt \x10\0\0\0\x01\0" + path.read_bytes()),
            "is no WAV file of samples, or a damaged one .RuntimeError",
        ),
        (lambda path: path.write_bytes(b"RIFX" + path.read_bytes()[4:]), "is no WAV file of samples, or a damaged one"),
    ],
)
def test_damaged_recordings(tmp_path, cache, damage, message):
    damage(recordings(tmp_path) / "7_bo_49.wav")
    with pytest.raises(DataError, match=f"7_bo_49.wav {message}"):
        load_event_dataset("fsdd", root=tmp_path)
    assert not cache.exists()


def test_no_recordings(tmp_path):
    with pytest.raises(DataError, match="no folder for fsdd: set the environment variable LAVA_NBP_DATA"):
        load_event_dataset("fsdd")
    with pytest.raises(DataError, match=r"FSDD/recordings cannot be read \(No such file or directory\); copy"):
        load_event_dataset("fsdd", root=tmp_path)
    recordings(tmp_path, ("3_anna_5",))
    with pytest.raises(DataError, match="has 1 training and 0 test recordings; copy all of FSDD"):
        load_event_dataset("fsdd", root=tmp_path)


DATA = Path(os.environ.get("LAVA_NBP_DATA", ""))


@pytest.mark.skipif(not (DATA / "FSDD").is_dir(), reason="LAVA_NBP_DATA has no FSDD")
def test_the_real_recordings():
    data = load_event_dataset("fsdd", root=DATA)
    assert (len(data.train), len(data.test)) == (2700, 300)
    assert 400 < np.diff(data.train.events.offsets).mean() < 500
