"""Runs side by side: what they reach, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lava_nbp.base.checks import check_sequence
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.training.run import accuracy_of, load_result


def compare_runs(folders: Sequence[AnyPath]) -> list[dict[str, Any]]:
    """One row per run, from its result.json.

    Returns
    -------
    list of dict
        ``run``, ``algorithm``, ``target``, ``dataset``, ``network``, ``seed``, ``epochs``; ``accuracy`` of the epoch
        chosen on validation, else of the last (``epoch`` says which; ties are wrong, but for nBP's readout, which
        takes the lowest class); ``seconds`` in all and ``microseconds_per_sample`` of training; and of the inference
        network ``parameters``, ``weight_bits``, ``spikes`` and ``effective_acs`` per sample.

    Raises
    ------
    CheckpointError
        For a folder without a finished run, or one of a version that did not measure this.
    InputError
        For a run of an algorithm that is not registered.
    """
    paths = [as_path(folder, "folder of a run") for folder in check_sequence(folders, "folders")]
    return [row_of(load_result(path), path) for path in paths]


def row_of(result: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The row of a run, of whose result.json this is the content; see `compare_runs`."""
    epoch, accuracy = accuracy_of(result, folder)
    return {
        "run": folder.name,
        **{key: result[key] for key in ("algorithm", "target", "dataset", "seed", "epochs")},
        "network": "-".join(map(str, result["layers"])),
        "accuracy": accuracy,
        "epoch": epoch,
        **{key: result[key] for key in ("seconds", "microseconds_per_sample")},
        **{key: result["inference"][key] for key in ("parameters", "weight_bits", "spikes", "effective_acs")},
    }
