"""The training loop: epochs, evaluation, checkpoints; resumable bit for bit."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.data import Dataset, load_dataset
from lava_nbp.errors import CheckpointError, InputError, WeightError
from lava_nbp.files import make_folder, read_npz, write_atomically
from lava_nbp.fixed_point import Int16Array
from lava_nbp.nbp.circuit import training_circuit
from lava_nbp.nbp.executor import Executor, check_network_weights, one_hot
from lava_nbp.nbp.rule import initial_weights
from lava_nbp.target_names import LAVA_TARGETS
from lava_nbp.targets import make_executor
from lava_nbp.training.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from lava_nbp.training.config import RESUMABLE, Experiment, flatten, parse_config
from lava_nbp.training.metrics import accuracy, best_epoch

METRICS, RESULT = "metrics.jsonl", "result.json"
#: Samples per call of an executor: a call cannot be interrupted, and progress is shown between calls.
_CHUNK = {"reference": 100, "sample": 5000, "spiking": 500, "lava": 500, "lava-primitives": 20}

Layers = tuple[int, int, int]


class Progress:
    """What a training run tells while it goes; override to show it."""

    def start(self, epochs: int, samples: int, done: int) -> None:
        """Training begins: epochs in all, samples per epoch, epochs already done."""

    def note(self, text: str) -> None:
        """Something the user should know before training begins."""

    def advance(self, samples: int) -> None:
        """So many more training samples are done."""

    def epoch(self, record: dict[str, Any]) -> None:
        """An epoch is done and saved."""


def train(
    config: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run an experiment; write checkpoint.npz and metrics.jsonl after every epoch, and result.json at the end.

    Parameters
    ----------
    config : Experiment
        What to do.
    folder : path
        Where the run's files go.
    resume : bool
        Go on from the folder's checkpoint; start if there is none.
    overwrite : bool
        Start anew even if the folder holds a run.
    progress : Progress, optional
        Is told how it goes.

    Returns
    -------
    dict
        The content of result.json.

    Raises
    ------
    LavaNBPError
        For anything wrong with the configuration, the data, the folder or its checkpoint.
    """
    progress = progress or Progress()
    dataset = load_run_data(config)
    layers = (dataset.n_in, config.network.n_hidden, len(dataset.classes))
    circuit = training_circuit(*layers, guarded=config.network.guarded)  # refuses impossible sizes
    state = _starting_state(config, layers, folder, resume=resume, overwrite=overwrite)
    make_folder(folder)
    if state.epoch == 0:
        (folder / RESULT).unlink(missing_ok=True)
    state.save(folder)
    _write_history(folder, state)
    n = len(dataset.train)
    bounds = circuit.breach_bounds()
    if bounds:
        cure = "" if config.network.guarded else "; network.guarded = true makes them much rarer"
        progress.note(
            f"large weights could breach gates here (first of {len(bounds)}: {bounds[0]}); they are counted{cure}"
        )
    progress.start(config.epochs, n, state.epoch)
    with _executor(config, layers, state.weights) as executor:
        while state.epoch < config.epochs:
            record = _train_epoch(config, executor, dataset, state.epoch + 1, progress)
            state.weights = executor.read_weights()
            state.history.append(record)
            if best_epoch(state.history, "validation_accuracy_spikes") is record:
                state.chosen = state.weights
            state.save(folder)
            _write_history(folder, state)
            progress.epoch(record)
    result = summarise(config, layers, state, n)
    write_atomically(folder / RESULT, (json.dumps(result, indent=2) + "\n").encode())
    return result


def evaluate_run(folder: Path, target: str | None = None) -> dict[str, Any]:
    """Evaluate a run's weights on the test set: after the last epoch, and after the chosen one.

    Parameters
    ----------
    folder : path
        The run.
    target : str, optional
        Executor to use; default: the run's.

    Raises
    ------
    LavaNBPError
        If the run's checkpoint or data cannot be used.
    """
    state = load_checkpoint(folder)
    config = checkpoint_config(state, folder)
    if target is not None:
        config = config.model_copy(update={"target": target})
    dataset = load_run_data(config)
    _check_layers(state, (dataset.n_in, config.network.n_hidden, len(dataset.classes)), folder)
    report: dict[str, Any] = {"target": config.target, "layers": list(state.layers), "epochs": state.epoch}
    with _executor(config, state.layers, state.weights) as executor:
        for name, weights in (("last", state.weights), ("chosen", state.chosen)):
            if weights is not None:
                executor.write_weights(weights)
                report[name] = accuracy(executor.infer(dataset.test.x), dataset.test.y, "test")
    return report


def checkpoint_config(state: Checkpoint, folder: Path) -> Experiment:
    """The experiment a checkpoint belongs to.

    Raises
    ------
    ConfigError
        If this version does not accept it any more.
    """
    return parse_config(state.config, str(folder / CHECKPOINT))


def load_run_data(config: Experiment) -> Dataset:
    """The data set of an experiment.

    Raises
    ------
    DataError, InputError
        See `load_dataset`.
    """
    options = config.data.model_dump()
    options["margin"] = options.pop("crop")
    return load_dataset(**options)


def _executor(config: Experiment, layers: Layers, weights: dict[str, Int16Array]) -> Executor:
    options: dict[str, Any] = config.lava.model_dump() if config.target in LAVA_TARGETS else {}
    if config.target == "lava-primitives":
        del options["granularity"]
    return make_executor(config.target, layers, weights, guarded=config.network.guarded, **options)


def _starting_state(config: Experiment, layers: Layers, folder: Path, *, resume: bool, overwrite: bool) -> Checkpoint:
    there = (folder / CHECKPOINT).exists()
    if there and not resume and not overwrite:
        raise CheckpointError(
            f"{folder} holds a run already; go on with it (--resume), replace it (--overwrite), or choose another --out"
        )
    if there and resume:
        state = load_checkpoint(folder)
        _check_same(config, state, folder)
        _check_layers(state, layers, folder)
        state.config = config.model_dump(mode="json")
        return state
    if config.network.weights is not None:
        weights = _read_weights(Path(config.network.weights), layers)
    else:
        rng = np.random.default_rng([config.seed, 0])
        n = config.network
        weights = initial_weights(layers, rng, n.initial_clip, n.initial_input_scale, n.initial_output_mean)
    return Checkpoint(config.model_dump(mode="json"), layers, weights)


def _check_same(config: Experiment, state: Checkpoint, folder: Path) -> None:
    new, old = flatten(config.model_dump(mode="json")), flatten(state.config)
    for key in new.keys() | old.keys():
        if key in RESUMABLE or key.split(".")[0] in RESUMABLE:
            continue
        if new.get(key) != old.get(key):
            raise CheckpointError(
                f"{folder / CHECKPOINT} belongs to another experiment: there {key} = {old.get(key)!r}, here "
                f"{new.get(key)!r}; resume with the same configuration, or choose another --out"
            )
    if config.epochs < state.epoch:
        raise CheckpointError(
            f"{folder / CHECKPOINT} has {state.epoch} epochs already, but epochs = {config.epochs}; ask for more"
        )


def _check_layers(state: Checkpoint, layers: Layers, folder: Path) -> None:
    if state.layers != layers:
        raise CheckpointError(
            f"{folder / CHECKPOINT} holds a network of {state.layers}, but this data and configuration give {layers}; "
            f"it is the checkpoint of another network"
        )


def _read_weights(path: Path, layers: Layers) -> dict[str, Int16Array]:
    try:
        arrays = read_npz(path)
    except ValueError as error:
        raise InputError(f"initial weights {path} cannot be read: {error}; give an .npz file with W1 and W2") from error
    try:
        return check_network_weights(training_circuit(*layers), arrays)
    except WeightError as error:
        raise WeightError(f"initial weights {path}: {error}") from None


def _train_epoch(
    config: Experiment, executor: Executor, dataset: Dataset, epoch: int, progress: Progress
) -> dict[str, Any]:
    split = dataset.train
    order = np.random.default_rng([config.seed, epoch]).permutation(len(split))
    before = (executor.work.updates, executor.work.gate_breaches)
    # Every epoch starts from a silent network, so that a resumed run finds the same.
    executor.reset()
    executor.train(split.x[:0], one_hot(split.y[:0], executor.n_out))  # compiles, before time is taken
    start = time.perf_counter()
    right, seconds = 0, 0.0
    for part in np.array_split(order, -(-len(order) // _CHUNK[config.target])):
        begin = time.perf_counter()
        outcome = executor.train(split.x[part], one_hot(split.y[part], executor.n_out))
        seconds += time.perf_counter() - begin
        right += int((outcome.spikes.argmax(axis=1) == split.y[part]).sum())
        progress.advance(len(part))
    record: dict[str, Any] = {"epoch": epoch, "train_accuracy_spikes": right / len(split)}
    if len(dataset.validation):
        record |= accuracy(executor.infer(dataset.validation.x), dataset.validation.y, "validation")
    record |= accuracy(executor.infer(dataset.test.x), dataset.test.y, "test")
    record |= {
        "updates": executor.work.updates - before[0],
        "gate_breaches": executor.work.gate_breaches - before[1],
        "microseconds_per_sample": seconds / len(split) * 1e6,
        "seconds": time.perf_counter() - start,
    }
    return record


def _write_history(folder: Path, state: Checkpoint) -> None:
    write_atomically(folder / METRICS, "".join(json.dumps(record) + "\n" for record in state.history).encode())


def summarise(config: Experiment, layers: Layers, state: Checkpoint, n_train: int) -> dict[str, Any]:
    """What result.json holds; see the README for the keys."""
    last = state.history[-1]
    chosen = best_epoch(state.history, "validation_accuracy_spikes")

    def test_figures(record: dict[str, Any] | None) -> dict[str, Any] | None:
        keys = ("epoch", "test_accuracy_spikes", "test_accuracy_membrane", "test_exact")
        return None if record is None else {key: record[key] for key in keys}

    return {
        "algorithm": config.algorithm,
        "target": config.target,
        "dataset": config.data.name,
        "layers": list(layers),
        "seed": config.seed,
        "epochs": state.epoch,
        "training_samples": n_train,
        **{key: last[key] for key in ("test_accuracy_spikes", "test_accuracy_membrane", "test_exact")},
        "last": test_figures(last),
        "chosen": test_figures(chosen),
        "best_on_test": test_figures(best_epoch(state.history, "test_accuracy_spikes")),
        "gate_breaches": sum(record["gate_breaches"] for record in state.history),
        "microseconds_per_sample": float(np.mean([record["microseconds_per_sample"] for record in state.history])),
        "seconds": sum(record["seconds"] for record in state.history),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
