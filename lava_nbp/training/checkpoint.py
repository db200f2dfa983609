"""The state of a run after an epoch: one .npz file, without pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import AnyPath, as_path, read_npz, write_npz
from lava_nbp.base.registry import resolve
from lava_nbp.data.options import DataOptions
from lava_nbp.data.sets import DATA_SETS
from lava_nbp.errors import CheckpointError, CircuitError, ConfigError, WeightError, unknown_name
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.circuit_file import circuit_from_dict, circuit_to_dict
from lava_nbp.training.algorithms import ALGORITHMS, Algorithm
from lava_nbp.training.config import parse_config

#: File name inside a run's folder.
CHECKPOINT = "checkpoint.npz"
_FORMAT = 3

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
        meta = {
            "format": _FORMAT,
            "config": self.config,
            "circuit": None if self.circuit is None else circuit_to_dict(self.circuit),
            "layers": self.layers,
            "history": self.history,
        }
        parts = {"weights": self.weights, "chosen": self.chosen or {}, "memory": self.memory}
        arrays = {f"{part}/{name}": array for part, named in parts.items() for name, array in named.items()}
        write_npz(folder / CHECKPOINT, {"meta": np.array(json.dumps(meta)), **arrays})


def load_checkpoint(folder: AnyPath) -> Checkpoint:
    """Read and check the checkpoint of a run.

    Raises
    ------
    CheckpointError
        If it is missing, truncated, or holds anything else than a run's state.
    ConfigError
        If this version does not accept the configuration of a run of format 2 any more.
    """
    path = as_path(folder, "folder of a run") / CHECKPOINT
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; {folder} is not the folder of a run, or the run never started")
    try:
        arrays = read_npz(path)
        meta = json.loads(str(arrays.pop("meta")))
        if meta["format"] not in _READERS:
            raise CheckpointError(
                f"{path} has format {meta['format']}, but this version reads {' and '.join(map(str, _READERS))}; "
                f"train anew"
            )
        state = _READERS[meta["format"]](meta, arrays, path)
        _check_matrices(state, path)
        return state
    except (CircuitError, WeightError) as error:
        raise CheckpointError(
            f"{path} does not fit its network: {error}; it was changed by hand or is corrupt"
        ) from error
    except ConfigError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is truncated or corrupt ({error}); delete it to train anew, or restore it from a backup"
        ) from error


def _read_3(meta: dict[str, Any], arrays: Arrays, path: Path) -> Checkpoint:
    parts: dict[str, Arrays] = {"weights": {}, "chosen": {}, "memory": {}}
    for key, array in arrays.items():
        part, _, name = key.partition("/")
        parts[part][name] = array
    circuit = None if meta["circuit"] is None else circuit_from_dict(meta["circuit"])
    return _checkpoint(meta, parts, circuit)


def _read_2(meta: dict[str, Any], arrays: Arrays, path: Path) -> Checkpoint:
    """Of the format before: the circuit is that of the configuration."""
    parts: dict[str, Arrays] = {"weights": {}, "chosen": {}, "memory": {}}
    for key, array in arrays.items():
        part, _, name = key.partition("_") if key.startswith(("chosen_", "memory_")) else ("weights", "", key)
        parts[part][name] = array
    meta = {**meta, "config": _meaningful(meta["config"])}
    algorithm = _algorithm(meta["config"], path)
    circuit = None
    if algorithm.circuit is not None:
        sizes = meta["layers"][0], meta["layers"][-1]
        circuit = resolve(algorithm.circuit)(parse_config(meta["config"], str(path)), sizes)
    return _checkpoint(meta, parts, circuit)


def _meaningful(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the keys of [data] that mean nothing for its data set, which format 2 put up with."""
    data = config.get("data", {})
    if data.get("name") not in DATA_SETS:
        return config
    refused = {f.name for f in fields(DataOptions)} - {*DATA_SETS[data["name"]].keys}
    return {**config, "data": {key: value for key, value in data.items() if key not in refused}}


_READERS = {2: _read_2, _FORMAT: _read_3}


def _checkpoint(meta: dict[str, Any], parts: dict[str, Arrays], circuit: Circuit | None) -> Checkpoint:
    return Checkpoint(
        config=meta["config"],
        layers=tuple(meta["layers"]),
        weights=parts["weights"],
        chosen=parts["chosen"] or None,
        memory=parts["memory"],
        history=meta["history"],
        circuit=circuit,
    )


def _algorithm(config: dict[str, Any], path: Path) -> Algorithm:
    name = config.get("algorithm", "nbp")
    if name not in ALGORITHMS:
        raise CheckpointError(
            f"{path}: {unknown_name('algorithm', name, ALGORITHMS)}; register it before its runs are read"
        )
    return ALGORITHMS[name]


def _check_matrices(state: Checkpoint, path: Path) -> None:
    checks = _algorithm(state.config, path).checks
    for weights in (state.weights, state.chosen):
        if weights is not None:
            _check_finite(weights)
            if checks is not None:
                resolve(checks)(weights, state.layers, state.circuit)


def check_layered(weights: Arrays, layers: tuple[int, ...], circuit: Circuit | None = None) -> None:
    """Check the matrices of a layered network: W1 .. Wn (pre, post), and any of R1 .. Rn within layers.

    Raises
    ------
    WeightError
        For a missing or unknown matrix, or a wrong shape.
    """
    needed = {f"W{k + 1}": shape for k, shape in enumerate(pairwise(layers))}
    allowed = needed | {f"R{k + 1}": (n, n) for k, n in enumerate(layers[1:])}
    if not (needed.keys() <= weights.keys() <= allowed.keys()):
        raise WeightError(f"weights named {list(weights)}, but this network has {list(needed)}; give exactly those")
    for name, w in weights.items():
        if w.shape != allowed[name]:
            raise WeightError(f"{name} has shape {w.shape}, but this network needs {allowed[name]} (pre, post)")


def _check_finite(weights: Arrays) -> None:
    for name, w in weights.items():
        if w.dtype.kind not in "if" or not np.isfinite(w).all():
            raise WeightError(f"{name} has dtype {w.dtype}, or entries that are not finite; weights are finite numbers")
