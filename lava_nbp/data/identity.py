"""Which samples were loaded: so that a run goes on with those that it was begun with."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from lava_nbp.base.fields import settle
from lava_nbp.data.dataset import Dataset
from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.data.events import Events
from lava_nbp.data.latency_dataset import LatencyDataset
from lava_nbp.errors import InputError

_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class DataIdentity:
    """What tells samples from others of the same name.

    Attributes
    ----------
    name : str
        Of the data set.
    source : str
        "published", "generated" or "file"; see `Dataset`.
    sha256 : str
        Over the arrays of all splits, as they were loaded.

    Raises
    ------
    InputError
        For a value that is no text.
    """

    name: str
    source: str
    sha256: str

    def __post_init__(self) -> None:
        settle(self, "identity of the data", InputError)

    def __str__(self) -> str:
        return f"{self.source} samples of {self.name}, SHA-256 {self.sha256[:12]}..."

    def to_dict(self) -> dict[str, str]:
        """As JSON has it."""
        return asdict(self)


def identity_of(dataset: Dataset | LatencyDataset | EventDataset) -> DataIdentity:
    """The identity of a data set: arrays of other values, shapes or types have another one. MNIST takes 50 ms."""
    digest = hashlib.sha256()
    for name in _SPLITS:
        for array in _arrays(getattr(dataset, name)):
            digest.update(f"{array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data if array.size else b"")
    return DataIdentity(dataset.name, dataset.source, digest.hexdigest())


def _arrays(split: Any) -> list[np.ndarray[Any, Any]]:
    found = []
    for f in fields(split):
        value = getattr(split, f.name)
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, Events):
            found += _arrays(value)
    return found
