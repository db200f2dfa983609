"""The training loop: epochs, evaluation, checkpoints; resumable bit for bit, the same for every algorithm."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_flag, check_kind
from lava_nbp.base.files import AnyPath, as_path, make_folder, remove_leftovers, write_atomically
from lava_nbp.base.locks import locked
from lava_nbp.base.progress import Progress
from lava_nbp.errors import CheckpointError, ConfigError, OutputError
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.training.algorithms import make_learner
from lava_nbp.training.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from lava_nbp.training.config import Experiment, flatten, parse_config
from lava_nbp.training.learner import Learner, Session
from lava_nbp.training.metrics import best_epoch
from lava_nbp.training.run import METRICS, RESULT, check_fit, check_history, check_learned


def train(
    config: Experiment,
    folder: AnyPath,
    circuit: Circuit | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    test: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run an experiment; write checkpoint.npz and metrics.jsonl after every epoch, and result.json at the end.

    Parameters
    ----------
    config : Experiment
        What to do.
    folder : path
        Where the run's files go.
    circuit : Circuit, optional
        What to train, instead of the circuit that the configuration means; the checkpoint holds it, so that to resume
        or to evaluate it is not needed again. What is random in it follows from its own seed (`Circuit.with_seed`).
    resume : bool
        Go on from the folder's checkpoint; start if there is none.
    overwrite : bool
        Start anew even if the folder holds a run.
    test : bool
        Answer the test set after every epoch, and sum the run up in result.json. False: never look at the test set, as
        a search for settings must not; such a run is judged by its validation samples, and has no result.json. To
        resume it with True sums it up: the test set is answered with the last weights, and with the chosen ones.
    progress : Progress, optional
        Is told how it goes.

    Returns
    -------
    dict
        The content of result.json; without the test set, the metrics of the epoch chosen on validation.

    Raises
    ------
    CheckpointError
        For a checkpoint that is damaged, incomplete, or that of another experiment or of other samples.
    OutputError
        If the folder cannot be written, or another training run is writing it.
    LavaNBPError
        For anything wrong with the configuration or the data. Nothing is written then.
    """
    check_kind(config, Experiment, "configuration")
    folder = as_path(folder, "folder of a run")
    if circuit is not None:
        check_circuit(circuit)
    resume, overwrite = check_flag(resume, "resume"), check_flag(overwrite, "overwrite")
    test = check_flag(test, "test")
    progress = Progress() if progress is None else progress
    check_kind(progress, Progress, "progress")
    with ExitStack() as held:
        there = folder.is_dir()
        if there:
            held.enter_context(locked(folder))
        stored = _stored(folder, resume=resume, overwrite=overwrite)
        config, circuit = _meant(config, circuit, stored, folder)
        learner = make_learner(config, circuit)
        splits = _splits(learner, test)
        notes = [*learner.notes(), *_unknown_data(stored)]
        state = _starting_state(config, learner, stored, folder)
        with learner.open(state.weights, state.memory) as session:
            _check_memory(session, state, folder)
            session.prepare()
            make_folder(folder)
            if not there:
                held.enter_context(locked(folder))
                _check_still_empty(folder)
            remove_leftovers(folder, (CHECKPOINT, METRICS, RESULT))
            _save(folder, state)
            if state.epoch == 0:
                _remove_result(folder)
            for text in notes:
                progress.note(text)
            _learn(config, learner, session, state, splits, folder, progress)
            chosen = best_epoch(state.history, f"validation_{config.compared_by}")
            if not test and chosen is not None:
                return chosen
            _test(config, session, state, folder, progress)
        told = partial(progress.evaluating, state.epoch, "cost of inference")
        result = summarise(config, learner, state, learner.infer(state.chosen or state.weights, told).cost)
        write_atomically(folder / RESULT, (json.dumps(result, indent=2) + "\n").encode())
    return result


def _splits(learner: Learner, test: bool) -> tuple[str, ...]:
    """What is answered after every epoch."""
    if not test and not learner.n_validation:
        raise ConfigError(
            "without the test set a run is judged by validation samples, but data.validation is 0; hold some back"
        )
    return (*(["validation"] if learner.n_validation else []), *(["test"] if test else []))


def _learn(
    config: Experiment,
    learner: Learner,
    session: Session,
    state: Checkpoint,
    splits: Sequence[str],
    folder: Path,
    progress: Progress,
) -> None:
    """The epochs that are not done yet, each of which is saved."""
    progress.start(config.epochs, learner.n_train, state.epoch)
    while state.epoch < config.epochs:
        record = _epoch(learner, session, state.epoch + 1, splits, progress)
        for text in session.notes():
            progress.note(text)
        state.weights, state.memory = session.read_weights(), session.read_memory()
        state.history.append(record)
        if best_epoch(state.history, f"validation_{config.compared_by}") is record:
            state.chosen = state.weights
        _remove_result(folder)  # of fewer epochs
        _save(folder, state)
        progress.epoch(record)


def _test(config: Experiment, session: Session, state: Checkpoint, folder: Path, progress: Progress) -> None:
    """Answer the test set with the last and the chosen weights, where the training did not look at it."""
    chosen = best_epoch(state.history, f"validation_{config.compared_by}")
    for record, weights in ((chosen, state.chosen), (state.history[-1], state.weights)):
        if record is not None and weights is not None and f"test_{config.compared_by}" not in record:
            session.write_weights(weights)
            record |= session.evaluate("test", partial(progress.evaluating, record["epoch"], "test"))
            _save(folder, state)


def _stored(folder: Path, *, resume: bool, overwrite: bool) -> Checkpoint | None:
    """What to go on with."""
    if not (folder / CHECKPOINT).exists():
        return None
    if resume:
        return load_checkpoint(folder)
    if not overwrite:
        raise CheckpointError(
            f"{folder} holds a run already; go on with it (--resume), replace it (--overwrite), or choose another --out"
        )
    return None


def _meant(
    config: Experiment, circuit: Circuit | None, state: Checkpoint | None, folder: Path
) -> tuple[Experiment, Circuit | None]:
    """The experiment, which does not name a circuit from Python, and the circuit that it does not say."""
    given = circuit is not None
    if state is not None and not given:
        stored = parse_config(state.config, str(folder / CHECKPOINT))
        given = stored == stored.with_given_circuit()
    if given:
        config = config.with_given_circuit()
    if state is not None and circuit is None and not config.names_circuit:
        circuit = state.circuit
    return config, circuit


def _starting_state(config: Experiment, learner: Learner, state: Checkpoint | None, folder: Path) -> Checkpoint:
    said = config.model_dump(mode="json", exclude_none=True)
    if state is not None:
        _check_same(config, state, folder)
        check_learned(config, state, folder)
        check_fit(state, learner, folder)
        check_history(state, learner.figures, folder)
        if state.circuit != learner.circuit:
            raise CheckpointError(
                f"{folder / CHECKPOINT} holds another circuit than this configuration, or its file, gives; resume with "
                f"the circuit that it was begun with, or choose another --out"
            )
        state.config, state.data = said, learner.identity
        return state
    return Checkpoint(said, learner.layers, learner.initial_weights(), circuit=learner.circuit, data=learner.identity)


def _unknown_data(state: Checkpoint | None) -> list[str]:
    """What is said of a checkpoint that does not know its samples."""
    if state is None or state.data is not None:
        return []
    return [
        "the checkpoint does not know the samples that it learned from, which older versions did not keep; these are"
        " taken to be the same"
    ]


def _check_memory(session: Session, state: Checkpoint, folder: Path) -> None:
    """Check that a network that goes on remembers what the checkpoint does: neither more nor less."""
    if state.epoch == 0:
        return
    own = session.read_memory()
    if sorted(own) != sorted(state.memory):
        raise CheckpointError(
            f"{folder / CHECKPOINT} remembers of learning {sorted(state.memory)}, but after {state.epoch} epochs its "
            f"network has {sorted(own)}; it was changed by hand or is corrupt: restore it from a backup, or train anew"
        )


def _check_still_empty(folder: Path) -> None:
    """Check that nobody has begun a run in a folder that was not there a moment ago."""
    if (folder / CHECKPOINT).exists():
        raise CheckpointError(f"{folder} has got a run of another process in the meantime; choose another --out")


def _remove_result(folder: Path) -> None:
    try:
        (folder / RESULT).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder / RESULT} cannot be removed: {error.strerror}; remove it by hand") from error


def _check_same(config: Experiment, state: Checkpoint, folder: Path) -> None:
    new, old = (
        flatten(config.model_dump(mode="json")),
        flatten(parse_config(state.config, str(folder)).model_dump(mode="json")),
    )
    for key in {**old, **new}:
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


def _epoch(learner: Learner, session: Session, epoch: int, splits: Sequence[str], progress: Progress) -> dict[str, Any]:
    start = time.perf_counter()
    learned = session.train_epoch(epoch, progress.advance)
    seconds = learned.pop("seconds_learning")
    record: dict[str, Any] = {"epoch": epoch, **learned}
    for split in splits:
        record |= session.evaluate(split, partial(progress.evaluating, epoch, split))
    return record | {
        "microseconds_per_sample": seconds / learner.n_train * 1e6,
        "seconds": time.perf_counter() - start,
    }


def _save(folder: Path, state: Checkpoint) -> None:
    state.save(folder)
    write_atomically(folder / METRICS, "".join(json.dumps(record) + "\n" for record in state.history).encode())


def summarise(config: Experiment, learner: Learner, state: Checkpoint, inference: dict[str, Any]) -> dict[str, Any]:
    """What result.json holds; docs/seeing.md says what the keys of `inference` are."""
    figures = [f"test_{name}" for name in learner.figures]

    def test_figures(record: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if record is None else {key: record[key] for key in ("epoch", *figures)}

    last, key = state.history[-1], f"test_{config.compared_by}"
    # Of the epochs of a search only two know the test set: none of them is the best.
    seen = state.history if all(key in record for record in state.history) else []
    return {
        "algorithm": config.algorithm,
        "target": config.target,
        "dataset": learner.dataset.name,
        "layers": list(learner.layers),
        "seed": config.seed,
        "epochs": state.epoch,
        "training_samples": learner.n_train,
        **{key: last[key] for key in figures},
        "last": test_figures(last),
        "chosen": test_figures(best_epoch(state.history, f"validation_{config.compared_by}")),
        "best_on_test": test_figures(best_epoch(seen, key)),
        **learner.sums(state.history),
        "inference": inference,
        "microseconds_per_sample": float(np.mean([record["microseconds_per_sample"] for record in state.history])),
        "seconds": sum(record["seconds"] for record in state.history),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
