"""How good answers are: three figures that must not be mixed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_nbp.nbp.executor import Outcome, one_hot, votes


def accuracy(outcome: Outcome, labels: NDArray[np.int64], prefix: str, per_class: int = 1) -> dict[str, float | None]:
    """Fractions of samples that are right, in 0 .. 1.

    Where several outputs stand for a class, their spikes are counted and their pre-activations added up.

    Returns
    -------
    dict
        ``{prefix}_accuracy_spikes``: the argmax of the output spikes is the label;
        without any spike, or among several, the lowest class counts (the paper's readout).
        ``{prefix}_accuracy_membrane``: the argmax of the output pre-activation is the label; None
        where it cannot be seen.
        ``{prefix}_exact``: every output spikes just as the target says.
    """
    spikes = votes(outcome.spikes, per_class)
    membrane = None if outcome.membrane is None else votes(outcome.membrane, per_class)
    wanted = per_class * one_hot(labels, spikes.shape[1]).astype(np.int64)
    return {
        f"{prefix}_accuracy_spikes": float((spikes.argmax(axis=1) == labels).mean()),
        f"{prefix}_accuracy_membrane": None if membrane is None else float((membrane.argmax(axis=1) == labels).mean()),
        f"{prefix}_exact": float((spikes == wanted).all(axis=1).mean()),
    }


def total(history: Sequence[Mapping[str, Any]], key: str) -> int | None:
    """Sum of a count over all epochs; None if it was not seen in one."""
    found: list[Any] = [record.get(key) for record in history]
    return None if None in found else sum(found)


Record = TypeVar("Record", bound=Mapping[str, Any])


def best_epoch(history: Sequence[Record], key: str) -> Record | None:
    """The record with the largest value of a metric, the earliest of equals; None if none has it."""
    having = [record for record in history if record.get(key) is not None]
    return max(having, key=lambda record: (record[key], -record["epoch"])) if having else None
