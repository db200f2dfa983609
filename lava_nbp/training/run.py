"""A run as its folder holds it: what figures, reports, exports and comparisons are made of."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.progress import Count, uncounted
from lava_nbp.errors import CheckpointError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.training.algorithms import ALGORITHMS, Algorithm, make_learner
from lava_nbp.training.checkpoint import CHECKPOINT, Arrays, Checkpoint, load_checkpoint
from lava_nbp.training.config import Experiment, parse_config
from lava_nbp.training.learner import Inference, Learner

#: File names inside a run's folder.
METRICS, RESULT = "metrics.jsonl", "result.json"


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
    return Run(folder, state, parse_config(state.config, str(folder / CHECKPOINT)))


def load_result(folder: Path) -> dict[str, Any]:
    """The result.json of a finished run.

    Raises
    ------
    CheckpointError
        If it cannot be read.
    """
    path = as_path(folder, "folder of a run") / RESULT
    try:
        result: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}), so the run is not finished; go on with lava-nbp train --resume"
        ) from error
    return result


def fitting_learner(config: Experiment, state: Checkpoint, folder: Path) -> Learner:
    """The learner of an experiment, with the network of a checkpoint.

    Raises
    ------
    CheckpointError
        If the data and the configuration give a network of other sizes.
    LavaNBPError
        For data that cannot be.
    """
    learner = make_learner(config, state.circuit)
    check_layers(state, learner.layers, folder)
    return learner


def check_layers(state: Checkpoint, layers: tuple[int, ...], folder: Path) -> None:
    """Check that a checkpoint holds a network of these sizes.

    Raises
    ------
    CheckpointError
        Says both.
    """
    if state.layers != layers:
        raise CheckpointError(
            f"{folder / CHECKPOINT} holds a network of {state.layers}, but this data and configuration give {layers}; "
            f"it is the checkpoint of another network"
        )
