"""How good answers are: three figures that must not be mixed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_nbp.nbp.executor import Outcome, one_hot


def accuracy(outcome: Outcome, labels: NDArray[np.int64], prefix: str) -> dict[str, float | None]:
    """Fractions of samples that are right, in 0 .. 1.

    Returns
    -------
    dict
        ``{prefix}_accuracy_spikes``: the argmax of the output spikes is the label;
        without any spike, or among several, the lowest class counts (the paper's readout).
        ``{prefix}_accuracy_membrane``: the argmax of the output pre-activation is the label; None
        where it cannot be seen.
        ``{prefix}_exact``: every output spikes just as the target says.
    """
    n_out = outcome.spikes.shape[1]
    membrane = outcome.membrane
    return {
        f"{prefix}_accuracy_spikes": float((outcome.spikes.argmax(axis=1) == labels).mean()),
        f"{prefix}_accuracy_membrane": None if membrane is None else float((membrane.argmax(axis=1) == labels).mean()),
        f"{prefix}_exact": float((outcome.spikes == one_hot(labels, n_out)).all(axis=1).mean()),
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
