"""What is measured of a run, for a study's tables: by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lava_nbp.base.files import AnyPath, as_path, read_file
from lava_nbp.errors import CheckpointError, Unreadable
from lava_nbp.runs.compare import row_of
from lava_nbp.training.algorithms import ALGORITHMS
from lava_nbp.training.config import Experiment
from lava_nbp.training.metrics import best_epoch
from lava_nbp.training.run import METRICS, load_result


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
        Measure("last", "test accuracy of the last epoch", share=True),
        Measure("best_on_test", "test accuracy of the epoch best on the test set: as some papers report", share=True),
        Measure("membrane", "as accuracy, of the outputs' membranes; where an algorithm has it", share=True),
        Measure("seconds", "seconds of training and evaluation"),
        Measure("microseconds_per_sample", "microseconds per training sample"),
        Measure("parameters", "weights of the network for inference"),
        Measure("weight_bits", "bits of a weight"),
        Measure("spikes", "spikes per test sample"),
        Measure("effective_acs", "synaptic additions per test sample"),
    )
}


def measured(folder: AnyPath) -> dict[str, Any]:
    """All measures of a finished run, and the epoch that its accuracy is of; None where one was not measured.

    Raises
    ------
    CheckpointError
        For a folder without a finished run.
    """
    folder = as_path(folder, "folder of a run")
    result = load_result(folder)
    row = row_of(result, folder)
    key = f"test_{ALGORITHMS[row['algorithm']].accuracy}"
    figures = result["chosen"] or result["last"]
    return {
        "epoch": row["epoch"],
        **{name: row.get(name) for name in MEASURES},
        "validation": _validation(folder, row),
        "last": result["last"].get(key),
        "best_on_test": (result["best_on_test"] or {}).get(key),
        "membrane": figures.get("test_accuracy_membrane"),
    }


def validated(folder: AnyPath, experiment: Experiment) -> dict[str, Any]:
    """The measures of a run that has not looked at the test set: its validation accuracy, of the epoch chosen by it.

    Raises
    ------
    CheckpointError
        For a folder without metrics, or without validation samples.
    """
    folder = as_path(folder, "folder of a run")
    history = history_of(folder)
    best = _best(history, folder, experiment)
    return {
        "epoch": best["epoch"],
        **dict.fromkeys(MEASURES),
        "validation": best[f"validation_{ALGORITHMS[experiment.algorithm].accuracy}"],
        "seconds": sum(record["seconds"] for record in history),
    }


def best_validated(folder: Path, experiment: Experiment) -> dict[str, Any]:
    """The metrics of a run's epoch that is best on the validation samples.

    Raises
    ------
    CheckpointError
        For a folder without metrics, or without validation samples.
    """
    return _best(history_of(folder), folder, experiment)


def _best(history: list[dict[str, Any]], folder: Path, experiment: Experiment) -> dict[str, Any]:
    key = f"validation_{experiment.compared_by}"
    best = best_epoch(history, key)
    if best is None:
        raise CheckpointError(f"{folder / METRICS} has no {key}; train anew, with data.validation")
    return best


def _validation(folder: Path, row: dict[str, Any]) -> float | None:
    """The validation accuracy of the epoch that the row is of; None without validation samples."""
    key = f"validation_{ALGORITHMS[row['algorithm']].accuracy}"
    found = next((record.get(key) for record in history_of(folder) if record["epoch"] == row["epoch"]), None)
    return None if found is None else float(found)


def curve(folder: AnyPath) -> list[float]:
    """A finished run's validation accuracy of every epoch, or that of the test set without validation samples.

    Raises
    ------
    CheckpointError
        For a folder without a finished run, or one whose accuracy was not seen in every epoch.
    """
    folder = as_path(folder, "folder of a run")
    name, history = ALGORITHMS[load_result(folder)["algorithm"]].accuracy, history_of(folder)
    for key in (f"validation_{name}", f"test_{name}"):
        values = [float(record[key]) for record in history if record.get(key) is not None]
        if values and len(values) == len(history):
            return values
    raise CheckpointError(f"{folder / METRICS} has no {name} of every epoch; train anew")


def history_of(folder: Path) -> list[dict[str, Any]]:
    """Metrics of every epoch of a run.

    Raises
    ------
    CheckpointError
        If they cannot be read.
    """
    path = folder / METRICS
    try:
        records = [json.loads(line) for line in read_file(path).decode().splitlines()]
    except (Unreadable, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); train --resume with more epochs writes it anew"
        ) from None
    if not all(isinstance(record, dict) and isinstance(record.get("epoch"), int) for record in records):
        raise CheckpointError(f"{path} holds what no run writes; train --resume with more epochs writes it anew")
    return records
