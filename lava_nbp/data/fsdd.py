"""Spoken digits: the Free Spoken Digit Dataset, through a filter bank, as events.

Source of the recordings: Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0): 3 000 recordings of six speakers,
8 kHz. Index 0 .. 4 of every speaker and digit is the test set (300 recordings), the others are for training.

How a recording becomes events, channel by channel::

    y = gammatone filter of 4th order (scipy.signal.gammatone, "iir") of the samples, full scale being 1
    r = low-pass of max(y, 0), Butterworth of 2nd order, 60 Hz
    s = integral of 25 log(1 + max(r, 0) / 0.001) dt, t in s

and there is an event whenever s has grown by 1: at the end of the sample of the recording in which it does. The 64
centre frequencies lie evenly on the ERB scale from 80 to 3600 Hz. A recording has some 450 events in 0.43 s.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import one_line
from lava_nbp.base.files import read_file
from lava_nbp.data.cache import kept
from lava_nbp.data.events import Events, EventSamples, EventSplit, join_events
from lava_nbp.data.options import DataOptions, root_of
from lava_nbp.errors import DataError, Unreadable

#: Channels of the filter bank; samples per second.
CHANNELS, RATE = 64, 8000
_LOWEST, _HIGHEST = 80.0, 3600.0
_ENVELOPE_HZ, _QUIET, _EVENTS_PER_SECOND = 60.0, 1e-3, 25.0
#: Recordings of every speaker and digit with a smaller index are test samples.
_TESTED = 5
_NAME = re.compile(r"(\d)_(\w+?)_(\d+)\.wav")
#: Changes with what becomes of a recording.
_VERSION = b"fsdd events 1"


def fsdd_samples(options: DataOptions) -> EventSamples:
    """The recordings of FSDD/recordings in the folder of the data sets, as events of 64 channels.

    What the filter bank makes of them is kept in the user's cache folder, see `lava_nbp.data.cache`: it takes a minute.

    Raises
    ------
    DataError
        For a folder without recordings, or one that is empty, cut off, or of another rate or kind.
    """
    folder = root_of(options, "fsdd", "FSDD/recordings") / "FSDD" / "recordings"
    found = sorted((int(m[1]), m[2], int(m[3]), m[0]) for m in map(_NAME.fullmatch, _names(folder)) if m)
    recordings = [_read(folder / name) for *_, name in found]
    digest = hashlib.sha256(_VERSION)
    for (*_, name), sound in zip(found, recordings, strict=True):
        digest.update(name.encode() + sound.tobytes())
    made = kept(f"fsdd-{digest.hexdigest()[:24]}", lambda: _arrays(encode_sounds(recordings)))
    events = Events(made["times"], made["units"], made["offsets"], CHANNELS)
    index, y = np.array([i for *_, i, _ in found]), np.array([digit for digit, *_ in found])
    every = EventSplit(events, y)
    train, test = np.flatnonzero(index >= _TESTED), np.flatnonzero(index < _TESTED)
    if not len(train) or not len(test):
        raise DataError(
            f"{folder} has {len(train)} training and {len(test)} test recordings; copy all of FSDD there, whose "
            f"indices 0 .. {_TESTED - 1} are test recordings"
        )
    return EventSamples(every.take(train), every.take(test), tuple(map(str, range(10))))


def encode_sounds(recordings: list[NDArray[np.int16]]) -> Events:
    """Events of recordings of 8 kHz, 16 bits; see the module for how."""
    from scipy import signal

    erb = np.linspace(_erb(_LOWEST), _erb(_HIGHEST), CHANNELS)
    filters = [signal.gammatone(f, "iir", fs=RATE) for f in (10 ** (erb / 21.4) - 1) / 0.00437]
    low_pass = signal.butter(2, _ENVELOPE_HZ, fs=RATE)
    samples = []
    for sound in recordings:
        x = sound / 32768.0
        times, units = [], []
        for channel, (b, a) in enumerate(filters):
            envelope = signal.lfilter(*low_pass, np.maximum(signal.lfilter(b, a, x), 0))
            grown = np.cumsum(np.log1p(np.maximum(envelope, 0) / _QUIET)) * (_EVENTS_PER_SECOND / RATE)
            at = np.searchsorted(grown, np.arange(1, int(grown[-1]) + 1)) + 1
            times.append(at * (1e3 / RATE))
            units.append(np.full(len(at), channel))
        together = np.concatenate(times)
        order = np.argsort(together, kind="stable")
        samples.append((together[order], np.concatenate(units)[order]))
    return join_events(samples, CHANNELS)


def _erb(f: float) -> float:
    """Number of equivalent rectangular bandwidths below a frequency (Glasberg and Moore 1990)."""
    return float(21.4 * np.log10(1 + 0.00437 * f))


def _arrays(events: Events) -> dict[str, NDArray[np.generic]]:
    return {"times": events.times, "units": events.units, "offsets": events.offsets}


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be read ({error.strerror}); copy the recordings of the Free Spoken Digit Dataset there"
        ) from None


def _read(path: Path) -> NDArray[np.int16]:
    """Samples of a recording."""
    cure = "restore it from the Free Spoken Digit Dataset"
    try:
        with wave.open(io.BytesIO(read_file(path))) as sound:
            kind = sound.getnchannels(), sound.getsampwidth(), sound.getframerate()
            promised = sound.getnframes()
            content = sound.readframes(promised)
    except Unreadable as error:
        raise DataError(f"{path} cannot be read: {error}; {cure}") from None
    except Exception as error:  # a damaged file makes wave raise all kinds
        raise DataError(f"{path} is no WAV file of samples, or a damaged one ({one_line(error)}); {cure}") from None
    if kind != (1, 2, RATE):
        raise DataError(
            f"{path} has {kind[0]} channels of {8 * kind[1]} bits at {kind[2]} Hz, but must have one of 16 bits at "
            f"{RATE} Hz; {cure}"
        )
    if not promised:
        raise DataError(f"{path} is empty: it has no samples; {cure}")
    if len(content) != 2 * promised:
        raise DataError(f"{path} is cut off: {len(content) // 2} samples of {promised}; {cure}")
    return np.frombuffer(content, "<i2").astype(np.int16)
