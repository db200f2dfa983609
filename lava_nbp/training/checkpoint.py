"""The state of a run after an epoch: one .npz file, without pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.errors import CheckpointError, WeightError
from lava_nbp.files import read_npz, write_npz
from lava_nbp.fixed_point import Int16Array
from lava_nbp.nbp.circuit import training_circuit
from lava_nbp.nbp.executor import check_network_weights

#: File name inside a run's folder.
CHECKPOINT = "checkpoint.npz"
_FORMAT = 1


@dataclass
class Checkpoint:
    """Everything a run needs to go on as if it had never stopped.

    The order of samples follows from seed and epoch, so no generator state is kept.

    Attributes
    ----------
    config : dict
        The experiment, as validated.
    layers : (int, int, int)
        n_in, n_hidden, n_out.
    weights : dict
        W1, W2 after the last epoch.
    chosen : dict or None
        W1, W2 after the epoch that was best on the validation split.
    history : list of dict
        Metrics of every epoch so far.
    """

    config: dict[str, Any]
    layers: tuple[int, int, int]
    weights: dict[str, Int16Array]
    chosen: dict[str, Int16Array] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    def save(self, folder: Path) -> None:
        """Write the checkpoint of a run, atomically.

        Raises
        ------
        OutputError
            If it cannot be written; the one before stays.
        """
        meta = {"format": _FORMAT, "config": self.config, "layers": self.layers, "history": self.history}
        arrays: dict[str, Any] = {"meta": np.array(json.dumps(meta)), **self.weights}
        if self.chosen is not None:
            arrays |= {f"chosen_{name}": w for name, w in self.chosen.items()}
        write_npz(folder / CHECKPOINT, arrays)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read and check the checkpoint of a run.

    Raises
    ------
    CheckpointError
        If it is missing, truncated, or holds anything else than a run's state.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; {folder} is not the folder of a run, or the run never started")
    try:
        arrays = read_npz(path)
        meta = json.loads(str(arrays.pop("meta")))
        if meta["format"] != _FORMAT:
            raise CheckpointError(f"{path} has format {meta['format']}, but this version reads {_FORMAT}; train anew")
        n_in, n_hidden, n_out = meta["layers"]
        layers = (n_in, n_hidden, n_out)
        circuit = training_circuit(*layers)
        chosen = {name.removeprefix("chosen_"): w for name, w in arrays.items() if name.startswith("chosen_")}
        weights = {name: w for name, w in arrays.items() if not name.startswith("chosen_")}
        return Checkpoint(
            config=meta["config"],
            layers=layers,
            weights=check_network_weights(circuit, weights),
            chosen=check_network_weights(circuit, chosen) if chosen else None,
            history=meta["history"],
        )
    except WeightError as error:
        raise CheckpointError(
            f"{path} does not fit its network: {error}; it was changed by hand or is corrupt"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is truncated or corrupt ({error}); delete it to train anew, or restore it from a backup"
        ) from error
