"""What is measured of a run, for a study's tables: by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lava_nbp.base.files import AnyPath, as_path, read_file
from lava_nbp.errors import CheckpointError, InputError, Unreadable, unknown_name
from lava_nbp.runs.compare import compare_runs
from lava_nbp.training.algorithms import ALGORITHMS
from lava_nbp.training.run import METRICS


@dataclass(frozen=True)
class Measure:
    """Something that is measured of a finished run.

    Attributes
    ----------
    name : str
        In studies, and in rows.
    what : str
        For people.
    share : bool
        It is a share, and shown in percent.
    """

    name: str
    what: str
    share: bool = False


#: All of them, by name.
MEASURES = {
    measure.name: measure
    for measure in (
        Measure("accuracy", "test accuracy of the epoch chosen on validation, else of the last", share=True),
        Measure("validation", "validation accuracy of the epoch chosen by it", share=True),
        Measure("seconds", "seconds of training and evaluation"),
        Measure("microseconds_per_sample", "microseconds per training sample"),
        Measure("parameters", "weights of the network for inference"),
        Measure("weight_bits", "bits of a weight"),
        Measure("spikes", "spikes per test sample"),
        Measure("effective_acs", "synaptic additions per test sample"),
    )
}


def check_measure(name: Any, what: str) -> str:
    """Return the name of a measure.

    Raises
    ------
    InputError
        For any other, with those there are.
    """
    if isinstance(name, str) and name in MEASURES:
        return name
    raise InputError(unknown_name(what, name, MEASURES))


def measured(folder: AnyPath) -> dict[str, Any]:
    """All measures of a finished run, and the epoch that its accuracy is of; None where one was not measured.

    Raises
    ------
    CheckpointError
        For a folder without a finished run.
    """
    folder = as_path(folder, "folder of a run")
    (row,) = compare_runs([folder])
    return {"epoch": row["epoch"], **{name: row.get(name) for name in MEASURES}, "validation": _validation(folder, row)}


def _validation(folder: Path, row: dict[str, Any]) -> float | None:
    """The validation accuracy of the epoch that the row is of; None without validation samples."""
    key = f"validation_{ALGORITHMS[row['algorithm']].accuracy}"
    try:
        lines = read_file(folder / METRICS).decode().splitlines()
        records = [json.loads(line) for line in lines]
        found = next((record.get(key) for record in records if record["epoch"] == row["epoch"]), None)
    except (Unreadable, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder / METRICS} cannot be read ({error}); go on with lava-nbp train --resume, which writes it anew"
        ) from None
    return None if found is None else float(found)
