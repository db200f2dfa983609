"""The state of a run after an epoch: one .npz file, without pickle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import read_npz, write_npz
from lava_nbp.errors import CheckpointError, WeightError
from lava_nbp.nbp.circuit import Circuit, training_circuit
from lava_nbp.nbp.executor import check_network_weights

#: File name inside a run's folder.
CHECKPOINT = "checkpoint.npz"
_FORMAT = 2

Arrays = dict[str, NDArray[Any]]


@dataclass
class Checkpoint:
    """Everything a run needs to go on as if it had never stopped.

    The order of samples follows from seed and epoch, so no generator state is kept.

    Attributes
    ----------
    config : dict
        The experiment, as validated.
    layers : tuple of int
        n_in, hidden layers, n_out.
    weights : dict
        Matrices after the last epoch.
    chosen : dict or None
        Matrices after the epoch that was best on the validation split.
    memory : dict
        What learning has to remember beside the weights: an optimizer's moments.
    history : list of dict
        Metrics of every epoch so far.
    circuit : Circuit or None
        The circuit that is trained; None if the network is none.
    """

    config: dict[str, Any]
    layers: tuple[int, ...]
    weights: Arrays
    chosen: Arrays | None = None
    memory: Arrays = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    circuit: Circuit | None = None

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
        arrays |= {f"memory_{name}": w for name, w in self.memory.items()}
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
        layers = tuple(meta["layers"])
        parts: dict[str, Arrays] = {"": {}, "chosen": {}, "memory": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition("_") if name.startswith(("chosen_", "memory_")) else ("", "", name)
            parts[part][rest] = array
        check = _checks(meta["config"].get("algorithm", "nbp"), layers)
        return Checkpoint(
            config=meta["config"],
            layers=layers,
            weights=check(parts[""]),
            chosen=check(parts["chosen"]) if parts["chosen"] else None,
            memory=parts["memory"],
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


def _checks(algorithm: str, layers: tuple[int, ...]) -> Callable[[Arrays], Arrays]:
    """How to check the matrices of a network."""
    if algorithm == "nbp":
        n_in, n_hidden, n_out = layers
        circuit = training_circuit(n_in, n_hidden, n_out)
        return lambda weights: {**check_network_weights(circuit, weights)}
    return lambda weights: check_layered(weights, layers)


def check_layered(weights: Arrays, layers: tuple[int, ...]) -> Arrays:
    """Check the matrices of a layered network: W1 .. Wn (pre, post), and any of R1 .. Rn within layers.

    Raises
    ------
    WeightError
        For a missing or unknown matrix, a wrong shape, or entries that are not finite.
    """
    needed = {f"W{k + 1}": shape for k, shape in enumerate(pairwise(layers))}
    allowed = needed | {f"R{k + 1}": (n, n) for k, n in enumerate(layers[1:])}
    if not (needed.keys() <= weights.keys() <= allowed.keys()):
        raise WeightError(f"weights named {sorted(weights)}, but this network has {sorted(needed)}; give exactly those")
    for name, w in weights.items():
        if w.shape != allowed[name]:
            raise WeightError(f"{name} has shape {w.shape}, but this network needs {allowed[name]} (pre, post)")
        if w.dtype.kind not in "if" or not np.isfinite(w).all():
            raise WeightError(f"{name} has dtype {w.dtype}, or entries that are not finite; weights are finite numbers")
    return weights
