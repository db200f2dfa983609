"""The state of a run after an epoch: one .npz file, without pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from lava_nbp.base.checks import is_integer, shown
from lava_nbp.base.content import parse_json, problem
from lava_nbp.base.files import AnyPath, as_path, read_npz, write_npz
from lava_nbp.base.registry import resolve
from lava_nbp.data.identity import DataIdentity
from lava_nbp.data.options import DataOptions
from lava_nbp.data.sets import DATA_SETS
from lava_nbp.errors import CheckpointError, CircuitError, ConfigError, Unreadable, WeightError, unknown_name
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.circuit_file import circuit_from_dict, circuit_to_dict
from lava_nbp.training.algorithms import ALGORITHMS, Algorithm
from lava_nbp.training.config import parse_config
from lava_nbp.training.eventprop.names import late_names

#: File name inside a run's folder.
CHECKPOINT = "checkpoint.npz"
_FORMAT = 6

Arrays = dict[str, NDArray[Any]]

#: Metrics of an epoch: numbers, or None where they could not be seen.
_Record = dict[str, float | None]


class _Data(BaseModel):
    """Which samples it was trained on."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    source: str
    sha256: str


class _Meta(BaseModel):
    """What a checkpoint holds beside its arrays."""

    model_config = ConfigDict(extra="allow", strict=True)

    format: int
    config: dict[str, Any]
    circuit: dict[str, Any] | None = None
    layers: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2)]
    history: list[_Record]
    data: _Data | None = None
    arrays: list[str] = []

    @field_validator("history")
    @classmethod
    def _epochs_count_from_1(cls, history: list[_Record]) -> list[_Record]:
        for k, record in enumerate(history, 1):
            if record.get("epoch") != k:
                raise ValueError(f"history has epoch {shown(record.get('epoch'))} where epoch {k} should be")
        return history


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
    data : DataIdentity or None
        The samples that it was trained on; None: the version that began it did not say.
    """

    config: dict[str, Any]
    layers: tuple[int, ...]
    weights: Arrays
    chosen: Arrays | None = None
    memory: Arrays = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    circuit: Circuit | None = None
    data: DataIdentity | None = None

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
        CheckpointError
            For metrics that are no numbers, which could not be read again.
        """
        parts = {"weights": self.weights, "chosen": self.chosen or {}, "memory": self.memory}
        arrays = {f"{part}/{name}": array for part, named in parts.items() for name, array in named.items()}
        meta = {
            "format": _FORMAT,
            "config": self.config,
            "circuit": None if self.circuit is None else circuit_to_dict(self.circuit),
            "layers": list(self.layers),
            "history": self.history,
            "data": None if self.data is None else self.data.to_dict(),
            "arrays": list(arrays),
        }
        try:
            _checked(meta)
        except Unreadable as error:
            raise CheckpointError(f"the run of {folder} has what no checkpoint holds: {error}") from None
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
    try:
        arrays = read_npz(path)
        meta = _meta(arrays, path)
        state = _READERS[meta["format"]](meta, arrays, path)
        _check_arrays(state, path)
        return state
    except (CircuitError, WeightError) as error:
        raise CheckpointError(
            f"{path} does not fit its network: {error}; it was changed by hand or is corrupt"
        ) from error
    except ConfigError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, Unreadable) and error.missing:
            raise CheckpointError(
                f"{path} is missing; {folder} is not the folder of a run, or the run never started"
            ) from None
        raise CheckpointError(
            f"{path} is truncated or corrupt ({error}); delete it to train anew, or restore it from a backup"
        ) from error


def _meta(arrays: Arrays, path: Path) -> dict[str, Any]:
    """What is beside the arrays, taken from among them."""
    if "meta" not in arrays:
        raise Unreadable("it has no array meta")
    text = arrays.pop("meta")
    if text.shape != () or text.dtype.kind != "U":
        raise Unreadable(f"meta has shape {text.shape} and dtype {text.dtype}, but must be text")
    meta = parse_json(str(text))
    form = meta.get("format") if isinstance(meta, dict) else None
    if is_integer(form) and form not in _READERS:
        raise CheckpointError(
            f"{path} has format {form}, but this version reads {', '.join(map(str, _READERS))}; train anew"
        )
    return _checked(meta)


def _checked(meta: Any) -> dict[str, Any]:
    """Raise Unreadable unless everything has the type that it should have."""
    try:
        _Meta.model_validate(meta)
    except ValidationError as error:
        raise Unreadable(problem(error)) from None
    return dict(meta)


def _read_4(meta: dict[str, Any], arrays: Arrays, path: Path) -> Checkpoint:
    written = sorted(meta.get("arrays", []))
    if written != sorted(arrays):
        raise Unreadable(f"it holds the arrays {sorted(arrays)}, but was written with {written}")
    state = _read_3(meta, arrays, path)
    state.data = None if meta.get("data") is None else DataIdentity(**meta["data"])
    return state


def _read_5(meta: dict[str, Any], arrays: Arrays, path: Path) -> Checkpoint:
    """Until format 6 delays in steps were whole numbers; since then they have fractional bits, as weights do."""
    state = _read_4(meta, arrays, path)
    if state.config.get("algorithm") == "eventprop":
        for weights in (state.weights, state.chosen or {}):
            for name in late_names(weights):
                if weights[name].dtype.kind == "i":
                    weights[name] = weights[name].astype(np.int64) << MASTER_BITS
    return state


def _read_3(meta: dict[str, Any], arrays: Arrays, path: Path) -> Checkpoint:
    parts: dict[str, Arrays] = {"weights": {}, "chosen": {}, "memory": {}}
    for key, array in arrays.items():
        part, _, name = key.partition("/")
        parts[part][name] = array
    circuit = None if meta.get("circuit") is None else circuit_from_dict(meta["circuit"])
    return _checkpoint(meta, parts, circuit)


def _read_2(meta: dict[str, Any], arrays: Arrays, path: Path) -> Checkpoint:
    """Of the format before: the circuit is that of the configuration."""
    parts: dict[str, Arrays] = {"weights": {}, "chosen": {}, "memory": {}}
    for key, array in arrays.items():
        part, _, name = key.partition("_") if key.startswith(("chosen_", "memory_")) else ("weights", "", key)
        parts[part][name] = array
    meta = {**meta, "config": _renamed(_meaningful(meta["config"]))}
    algorithm = _algorithm(meta["config"], path)
    circuit = None
    if algorithm.circuit is not None:
        sizes = meta["layers"][0], meta["layers"][-1]
        circuit = resolve(algorithm.circuit)(parse_config(meta["config"], str(path)), sizes)
    return _checkpoint(meta, parts, circuit)


def _meaningful(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the keys of [data] that mean nothing for its data set, which format 2 put up with."""
    data = config.get("data")
    if not isinstance(data, dict) or data.get("name") not in DATA_SETS:
        return config
    refused = {f.name for f in fields(DataOptions)} - {*DATA_SETS[data["name"]].keys}
    return {**config, "data": {key: value for key, value in data.items() if key not in refused}}


def _renamed(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration by the names of today: until format 5, spike counts had a target, which is both bounds."""
    learning = config.get("learning")
    if not isinstance(learning, dict) or "silent_target" not in learning:
        return config
    others = {key: value for key, value in learning.items() if key != "silent_target"}
    target = learning["silent_target"]
    return {**config, "learning": {**others, "silent_lower": target, "silent_upper": target}}


_READERS = {2: _read_2, 3: _read_3, 4: _read_5, 5: _read_5, _FORMAT: _read_4}


def _checkpoint(meta: dict[str, Any], parts: dict[str, Arrays], circuit: Circuit | None) -> Checkpoint:
    return Checkpoint(
        config=_renamed(meta["config"]),
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


def _check_arrays(state: Checkpoint, path: Path) -> None:
    checks = _algorithm(state.config, path).checks
    for weights in (state.weights, state.chosen):
        if weights is not None:
            _check_finite(weights, "if")
            _check_kinds(weights)
            if checks is not None:
                resolve(checks)(weights, state.layers, state.circuit)
    _check_finite(state.memory, "iufb")


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


def _check_kinds(weights: Arrays) -> None:
    if len({w.dtype.kind for w in weights.values()}) > 1:
        raise WeightError("some matrices are integers and some are not; they are all of one kind")


def _check_finite(arrays: Arrays, kinds: str) -> None:
    for name, array in arrays.items():
        if array.dtype.kind not in kinds or not np.isfinite(array).all():
            raise WeightError(
                f"{name} has dtype {array.dtype}, or entries that are not finite; a run's state is finite numbers"
            )
