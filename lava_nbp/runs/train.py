"""The training loop: epochs, evaluation, checkpoints; resumable bit for bit, the same for every algorithm."""

from __future__ import annotations

import json
import resource
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.files import make_folder, write_atomically
from lava_nbp.base.progress import Progress, Stage, untold
from lava_nbp.base.targets import EVENTPROP_TARGETS, NBP_TARGETS
from lava_nbp.errors import CheckpointError, InputError, unknown_name
from lava_nbp.training.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from lava_nbp.training.config import (
    EventPropExperiment,
    Experiment,
    NBPExperiment,
    SLAYERExperiment,
    flatten,
    parse_config,
)
from lava_nbp.training.learner import Learner, Session
from lava_nbp.training.metrics import best_epoch

#: What can run the networks of an algorithm.
_TARGETS = {"nbp": NBP_TARGETS, "eventprop": EVENTPROP_TARGETS, "slayer": ("slayer",)}

METRICS, RESULT = "metrics.jsonl", "result.json"


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
    learner = make_learner(config)
    state = _starting_state(config, learner, folder, resume=resume, overwrite=overwrite)
    with learner.open(state.weights, state.memory) as session:
        make_folder(folder)
        if state.epoch == 0:
            (folder / RESULT).unlink(missing_ok=True)
        state.save(folder)
        _write_history(folder, state)
        for text in learner.notes():
            progress.note(text)
        progress.start(config.epochs, learner.n_train, state.epoch)
        while state.epoch < config.epochs:
            record = _epoch(learner, session, state.epoch + 1, progress)
            state.weights, state.memory = session.read_weights(), session.read_memory()
            state.history.append(record)
            if best_epoch(state.history, f"validation_{learner.compared_by}") is record:
                state.chosen = state.weights
            state.save(folder)
            _write_history(folder, state)
            progress.epoch(record)
    told = partial(progress.evaluating, state.epoch, "cost of inference")
    result = summarise(config, learner, state, learner.infer(state.chosen or state.weights, told).cost)
    write_atomically(folder / RESULT, (json.dumps(result, indent=2) + "\n").encode())
    return result


def evaluate_run(folder: Path, target: str | None = None, stage: Stage = untold) -> dict[str, Any]:
    """Evaluate a run's weights on the test set: after the last epoch, and after the chosen one.

    Parameters
    ----------
    folder : path
        The run.
    target : str, optional
        What runs it; default: what did in training.
    stage : Stage
        Is told of the samples.

    Raises
    ------
    LavaNBPError
        If the run's checkpoint or data cannot be used.
    """
    state, config = load_run(folder)
    if target is not None:
        known = _TARGETS[config.algorithm]
        if target not in known:
            raise InputError(unknown_name(f"target of {config.algorithm}", target, known))
        config = config.model_copy(update={"target": target})
    learner = make_learner(config)
    _check_layers(state, learner.layers, folder)
    report: dict[str, Any] = {"target": config.target, "layers": list(state.layers), "epochs": state.epoch}
    with learner.open(state.weights, {}) as session:
        for name, weights in (("last", state.weights), ("chosen", state.chosen)):
            if weights is not None:
                session.write_weights(weights)
                report[name] = session.evaluate("test", partial(stage, f"test set, {name} epoch"))
    return report


def load_run(folder: Path) -> tuple[Checkpoint, Experiment]:
    """The state of a run, and the experiment it belongs to.

    Raises
    ------
    CheckpointError
        If the checkpoint cannot be used.
    ConfigError
        If this version does not accept its configuration any more.
    """
    state = load_checkpoint(folder)
    return state, parse_config(state.config, str(folder / CHECKPOINT))


def load_result(folder: Path) -> dict[str, Any]:
    """The result.json of a finished run.

    Raises
    ------
    CheckpointError
        If it cannot be read.
    """
    path = folder / RESULT
    try:
        result: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}), so the run is not finished; go on with lava-nbp train --resume"
        ) from error
    return result


def make_learner(config: Experiment) -> Learner:
    """Load the data of an experiment, and set up its algorithm.

    Raises
    ------
    LavaNBPError
        For data or a network that cannot be.
    """
    # Imported one by one: each brings engines that the other does not need.
    if isinstance(config, EventPropExperiment):
        from lava_nbp.training.eventprop.learner import EventPropLearner

        return EventPropLearner(config)
    if isinstance(config, SLAYERExperiment):
        from lava_nbp.training.slayer.learner import SLAYERLearner

        return SLAYERLearner(config)
    from lava_nbp.training.nbp.learner import NBPLearner

    assert isinstance(config, NBPExperiment)
    return NBPLearner(config)


def _starting_state(config: Experiment, learner: Learner, folder: Path, *, resume: bool, overwrite: bool) -> Checkpoint:
    there = (folder / CHECKPOINT).exists()
    if there and not resume and not overwrite:
        raise CheckpointError(
            f"{folder} holds a run already; go on with it (--resume), replace it (--overwrite), or choose another --out"
        )
    if there and resume:
        state = load_checkpoint(folder)
        _check_same(config, state, folder)
        _check_layers(state, learner.layers, folder)
        state.config = config.model_dump(mode="json", exclude_none=True)
        return state
    return Checkpoint(config.model_dump(mode="json", exclude_none=True), learner.layers, learner.initial_weights())


def _check_same(config: Experiment, state: Checkpoint, folder: Path) -> None:
    new, old = (
        flatten(config.model_dump(mode="json")),
        flatten(parse_config(state.config, str(folder)).model_dump(mode="json")),
    )
    for key in new.keys() | old.keys():
        if key in config.resumable or key.split(".")[0] in config.resumable:
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


def _check_layers(state: Checkpoint, layers: tuple[int, ...], folder: Path) -> None:
    if state.layers != layers:
        raise CheckpointError(
            f"{folder / CHECKPOINT} holds a network of {state.layers}, but this data and configuration give {layers}; "
            f"it is the checkpoint of another network"
        )


def _epoch(learner: Learner, session: Session, epoch: int, progress: Progress) -> dict[str, Any]:
    start = time.perf_counter()
    learned = session.train_epoch(epoch, progress.advance)
    seconds = learned.pop("seconds_learning")
    record: dict[str, Any] = {"epoch": epoch, **learned}
    for split in ("validation", "test") if learner.n_validation else ("test",):
        record |= session.evaluate(split, partial(progress.evaluating, epoch, split))
    return record | {
        "microseconds_per_sample": seconds / learner.n_train * 1e6,
        "seconds": time.perf_counter() - start,
    }


def _write_history(folder: Path, state: Checkpoint) -> None:
    write_atomically(folder / METRICS, "".join(json.dumps(record) + "\n" for record in state.history).encode())


def summarise(config: Experiment, learner: Learner, state: Checkpoint, inference: dict[str, Any]) -> dict[str, Any]:
    """What result.json holds; docs/seeing.md says what the keys of `inference` are."""
    figures = [f"test_{name}" for name in learner.figures]

    def test_figures(record: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if record is None else {key: record[key] for key in ("epoch", *figures)}

    last = state.history[-1]
    return {
        "algorithm": config.algorithm,
        "target": config.target,
        "dataset": flatten(config.model_dump())["data.name"],
        "layers": list(learner.layers),
        "seed": config.seed,
        "epochs": state.epoch,
        "training_samples": learner.n_train,
        **{key: last[key] for key in figures},
        "last": test_figures(last),
        "chosen": test_figures(best_epoch(state.history, f"validation_{learner.compared_by}")),
        "best_on_test": test_figures(best_epoch(state.history, f"test_{learner.compared_by}")),
        **learner.sums(state.history),
        "inference": inference,
        "microseconds_per_sample": float(np.mean([record["microseconds_per_sample"] for record in state.history])),
        "seconds": sum(record["seconds"] for record in state.history),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
