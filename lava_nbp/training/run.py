"""A run as its folder holds it: what figures, reports, exports and comparisons are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lava_nbp.base.checks import is_real
from lava_nbp.base.content import problem, read_json
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.frames import frame_of
from lava_nbp.base.html import html_table
from lava_nbp.base.progress import Count, uncounted
from lava_nbp.errors import CheckpointError, Unreadable, WeightError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.training.algorithms import ALGORITHMS, Algorithm, make_learner
from lava_nbp.training.checkpoint import CHECKPOINT, Arrays, Checkpoint, load_checkpoint
from lava_nbp.training.config import Experiment, parse_config
from lava_nbp.training.learner import Inference, Learner

#: Metrics of every epoch: how long it took.
_TIMES = ("microseconds_per_sample", "seconds")
#: File names inside a run's folder.
METRICS, RESULT = "metrics.jsonl", "result.json"
#: Epochs that a notebook shows.
_SHOWN = 10


_Count = Annotated[int, Field(ge=0)]
_Size = Annotated[int, Field(ge=1)]
_Measure = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Figures(_Checked):
    """Of an epoch: shares of the test set, or None where they could not be seen."""

    __pydantic_extra__: dict[str, _Share | None]

    epoch: _Size


class _Inference(_Checked):
    """What every result says of the inference network; see `lava_nbp.training.complexity`."""

    __pydantic_extra__: dict[str, _Measure]

    parameters: _Count
    weight_bits: _Count
    spikes: _Measure
    effective_acs: _Measure


class _Result(_Checked):
    """What every result.json has; an algorithm adds its sums."""

    algorithm: str
    target: str
    dataset: str
    layers: Annotated[list[_Size], Field(min_length=2)]
    seed: _Count
    epochs: _Size
    last: _Figures
    chosen: _Figures | None
    inference: _Inference
    microseconds_per_sample: _Measure
    seconds: _Measure
    # Not of every version.
    best_on_test: _Figures | None = None
    training_samples: _Count = 0
    peak_memory_mb: _Measure = 0.0

    @model_validator(mode="after")
    def _the_same_figures(self) -> _Result:
        for name, figures in (("last", self.last), ("chosen", self.chosen), ("best_on_test", self.best_on_test)):
            if figures is None:
                continue
            if figures.epoch > self.epochs:
                raise ValueError(f"{name} is of epoch {figures.epoch}, but there are {self.epochs}")
            if (figures.model_extra or {}).keys() != (self.last.model_extra or {}).keys():
                raise ValueError(f"{name} and last have different figures")
        return self


class Run:
    """A run: its state, its experiment, and what follows from them when it is first asked for.

    Attributes
    ----------
    folder : path
        Where its files are.
    state : Checkpoint
        Weights, history, and the circuit if its network is one.
    config : Experiment
        What was asked for.
    algorithm : Algorithm
        Its entry in the table.
    """

    def __init__(self, folder: Path, state: Checkpoint, config: Experiment) -> None:
        self.folder, self.state, self.config = folder, state, config
        self.algorithm: Algorithm = ALGORITHMS[config.algorithm]
        self._inference: Inference | None = None

    @property
    def weights(self) -> Arrays:
        """Of the epoch chosen on validation, else the last."""
        return self.state.chosen or self.state.weights

    @property
    def circuit(self) -> Circuit | None:
        """The circuit it trains; None if its network is none."""
        return self.state.circuit

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Metrics of every epoch, as metrics.jsonl has them: a row per epoch."""
        return [dict(record) for record in self.state.history]

    def frame(self) -> Any:
        """The rows as a pandas.DataFrame.

        Raises
        ------
        MissingPackageError
            Without pandas (the extra frames).
        """
        return frame_of(self.rows)

    def _repr_html_(self) -> str:
        """What it is, and its last epochs, in notebooks."""
        network, config = "-".join(map(str, self.state.layers)), self.config
        caption = f"{config.algorithm} {network}, target {config.target}, seed {config.seed}, epoch {self.state.epoch}"
        shown = self.rows[-_SHOWN:]
        head = list(dict.fromkeys(key for row in shown for key in row))
        return html_table(caption, head, [[row.get(key) for key in head] for row in shown])

    @property
    def name(self) -> str:
        """For titles: data set, layers, target and seed."""
        network = "-".join(map(str, self.state.layers))
        return f"{self.learner.dataset.name} {network}, {self.config.target}, seed {self.config.seed}"

    @property
    def about(self) -> dict[str, str]:
        """What an exported network says of where it comes from."""
        return {
            "algorithm": self.config.algorithm,
            "target": self.config.target,
            "seed": str(self.config.seed),
            "epochs": str(self.state.epoch),
            "layers": "-".join(map(str, self.state.layers)),
        }

    @cached_property
    def learner(self) -> Learner:
        """Its data and its network.

        Raises
        ------
        LavaNBPError
            For data that are missing, or a checkpoint that does not fit them.
        """
        return fitting_learner(self.config, self.state, self.folder)

    @property
    def inference(self) -> Inference:
        """What the network of `weights` says to the test set: inferred once, by whoever asks first."""
        return self.infer()

    def infer(self, told: Count = uncounted) -> Inference:
        """As `inference`, telling how far it is if it was not asked for before."""
        if self._inference is None:
            self._inference = self.learner.infer(self.weights, told)
        return self._inference


def load_run(folder: AnyPath) -> Run:
    """The run of a folder.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be used.
    ConfigError
        If this version does not accept its configuration any more.
    """
    folder = as_path(folder, "folder of a run")
    state = load_checkpoint(folder)
    config = parse_config(state.config, str(folder / CHECKPOINT))
    check_learned(config, state, folder)
    return Run(folder, state, config)


def load_result(folder: Path, *keys: str) -> dict[str, Any]:
    """The result.json of a finished run.

    Parameters
    ----------
    folder : path
        The run.
    *keys : str
        What it has to have beside what those of every version have.

    Raises
    ------
    CheckpointError
        If it cannot be read, or does not hold what a run writes.
    """
    path = as_path(folder, "folder of a run") / RESULT
    try:
        result = read_json(path)
    except Unreadable as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}), so the run is not finished; go on with lava-nbp train --resume"
        ) from error
    try:
        _Result.model_validate(result)
        missing = next((key for key in keys if key not in result), None)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] != "missing":
            raise CheckpointError(
                f"{path} holds what no run writes: {problem(error)}; train anew, or --resume with more epochs"
            ) from None
        missing = ".".join(map(str, first["loc"]))
    if missing is not None:
        raise CheckpointError(_older(path, missing))
    return dict(result)


def _older(path: Path, missing: str) -> str:
    return f"{path} has no {missing!r}: it is of an older version; train anew, or --resume with more epochs"


def accuracy_of(result: Mapping[str, Any], folder: Path) -> tuple[int, float | None]:
    """Epoch and accuracy by which a result is compared: of the epoch chosen on validation, else of the last.

    Raises
    ------
    CheckpointError
        If it has no such figure.
    InputError
        For an algorithm that is not registered.
    """
    figures, key = result["chosen"] or result["last"], f"test_{ALGORITHMS[result['algorithm']].accuracy}"
    if key not in figures:
        raise CheckpointError(_older(folder / RESULT, key))
    return figures["epoch"], figures[key]


def fitting_learner(config: Experiment, state: Checkpoint, folder: Path) -> Learner:
    """The learner of an experiment, with the network of a checkpoint.

    Raises
    ------
    CheckpointError
        If the data and the configuration give a network of other sizes, the data are not those it was trained on, or
        metrics are missing.
    LavaNBPError
        For data that cannot be.
    """
    learner = make_learner(config, state.circuit)
    check_fit(state, learner, folder)
    check_history(state, learner.figures, folder)
    return learner


def check_history(state: Checkpoint, figures: Iterable[str], folder: Path) -> None:
    """Check that the metrics of a checkpoint have what a run is summed up and drawn from: figures of the test set, or,
    where training did not look at it, of the validation samples.

    Raises
    ------
    CheckpointError
        Names the epoch and the metric that is missing.
    """
    names = list(figures)
    for record in state.history:
        of_test, of_validation = (
            any(f"{split}_{name}" in record for name in names) for split in ("test", "validation")
        )
        split = "validation" if of_validation and not of_test else "test"
        missing = next((key for key in (*(f"{split}_{name}" for name in names), *_TIMES) if key not in record), None)
        untimed = next((key for key in _TIMES if not is_real(record.get(key))), None)
        if missing or untimed:
            raise CheckpointError(
                f"{folder / CHECKPOINT} does not have {missing or untimed} of epoch {record['epoch']}; it was changed "
                f"by hand, or is of another version: train anew"
            )


def check_learned(config: Experiment, state: Checkpoint, folder: Path) -> None:
    """Check that the matrices of a checkpoint are such as this experiment learns.

    Raises
    ------
    CheckpointError
        Names the matrix.
    """
    for weights in (state.weights, state.chosen):
        if state.history and weights is not None:
            try:
                config.check_learned(weights)
            except WeightError as error:
                raise CheckpointError(
                    f"{folder / CHECKPOINT} does not fit its network: {error}; it was changed by hand or is corrupt"
                ) from error


def check_fit(state: Checkpoint, learner: Learner, folder: Path) -> None:
    """Check that a checkpoint holds a network of a learner's sizes, trained on its samples, if it says on which.

    Raises
    ------
    CheckpointError
        Says both.
    """
    path = folder / CHECKPOINT
    if state.layers != learner.layers:
        raise CheckpointError(
            f"{path} holds a network of {state.layers}, but this data and configuration give {learner.layers}; "
            f"it is the checkpoint of another network"
        )
    if state.data is not None and state.data.sha256 != learner.identity.sha256:
        raise CheckpointError(
            f"{path} belongs to a run on {state.data}, but what is loaded now are {learner.identity}; bring back the "
            f"former (LAVA_NBP_DATA, data.root or data.path says where they are), or train anew"
        )
