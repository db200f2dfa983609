"""Accuracy of a trained network against fault rate: as the faults come, and after learning on with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer, check_kind, check_name, check_sequence, check_text
from lava_nbp.base.files import AnyPath, as_path, check_output, write_atomically
from lava_nbp.base.progress import Progress
from lava_nbp.base.targets import TARGETS, targets_of
from lava_nbp.data import Dataset
from lava_nbp.errors import InputError
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.executor import Executor, answered
from lava_nbp.nbp.faults import KINDS, Faults
from lava_nbp.nbp.projections import flipped_weights
from lava_nbp.seeing.plot import fault_curves
from lava_nbp.training.nbp.spikes import sample_spikes
from lava_nbp.training.run import Run, load_run

#: As a configuration allows.
_MOST_EPOCHS = 1_000_000


def sweep_run(
    folder: AnyPath, kinds: Sequence[str], rates: Sequence[float], epochs: int, target: str | None, progress: Progress
) -> tuple[dict[str, Any], list[Path]]:
    """Break the network of a run in every way and at every rate, one at a time; write faults.json and faults.png.

    Parameters
    ----------
    folder : path
        A run of algorithm "nbp", with any circuit; the weights chosen on validation are used, else the last.
    kinds, rates
        Names of `lava_nbp.nbp.faults.Faults`, and values for them.
    epochs : int
        Epochs of on-line learning with the faults, before the second evaluation.
    target : str, optional
        What runs it: one of `lava_nbp.TARGETS` that runs broken networks. Default: the run's if it does, else the first
        that does.
    progress : Progress
        Told of every network and sample.

    Raises
    ------
    CheckpointError, DataError
        If the run or its data cannot be used.
    InputError
        For an unknown kind or target, a rate outside 0 .. 1, or a run of another algorithm.
    CircuitError
        For a circuit that the target cannot run.
    OutputError
        If the files cannot be written.
    """
    folder = as_path(folder, "folder of a run")
    kinds = [check_text(kind, "kind of fault") for kind in check_sequence(kinds, "kinds")]
    rates = check_sequence(rates, "rates")
    check_integer(epochs, 0, _MOST_EPOCHS, "epochs of a sweep of faults")
    check_kind(progress, Progress, "progress")
    if not kinds or not rates:
        raise InputError("a sweep needs a kind of fault and a rate, or more of them")
    run = load_run(folder)
    if run.circuit is None:
        raise InputError(f"{folder} is a run of {run.algorithm.name}, but faults are those of circuits")
    breakable = [name for name in targets_of(run.algorithm.name) if TARGETS[name].faults]
    if target is None:
        target = run.config.target if run.config.target in breakable else breakable[0]
    check_name(target, "target of a sweep of faults", breakable)
    for kind in kinds:
        check_name(kind, "kind of fault", KINDS)
    files = folder / "faults.json", folder / "faults.png"
    for file in files:
        check_output(file)
    points = [(kind, rate, Faults(**{kind: rate})) for kind in kinds for rate in rates]
    network = _Network(run, run.circuit, target)
    without = network.without()
    progress.start(len(points), epochs * run.learner.n_train, 0)
    rows = []
    for k, (kind, rate, faults) in enumerate(points):
        before, after = network.broken(faults, epochs, progress)
        rows.append({"kind": kind, "rate": rate, "before": before, "after": after})
        progress.note(f"{k + 1} of {len(points)}: {kind} {rate:g}")
    report = {
        "run": str(folder.name), "target": target, "epochs": epochs, "without": without, "rows": rows,
        "accuracy": "test set, argmax of the output spikes",
    }  # fmt: skip
    write_atomically(files[0], (json.dumps(report, indent=2) + "\n").encode())
    return report, [files[0], fault_curves(report, files[1])]


class _Network:
    """The network of a run, broken anew for every point of a sweep."""

    def __init__(self, run: Run, circuit: Circuit, target: str) -> None:
        self.run, self.circuit, self.target = run, circuit, target

    def without(self) -> float:
        """Accuracy without faults."""
        with make_executor(self.target, self.circuit, self.run.weights) as executor:
            return self._accuracy(executor)

    def broken(self, faults: Faults, epochs: int, progress: Progress) -> tuple[float, float]:
        """Accuracy with faults, and after some epochs of learning with them."""
        weights = flipped_weights(self.circuit, self.run.weights, faults)
        with make_executor(self.target, self.circuit, weights, faults=faults) as executor:
            before = self._accuracy(executor)
            for epoch in range(1, epochs + 1):
                self._learn(executor, epoch, progress)
            return before, self._accuracy(executor)

    def _learn(self, executor: Executor, epoch: int, progress: Progress) -> None:
        dataset = self.run.learner.dataset
        assert isinstance(dataset, Dataset)
        split = dataset.train_of_epoch(self.run.config.seed, epoch)
        executor.begin_epoch(epoch)
        order = np.random.default_rng([self.run.config.seed, epoch]).permutation(len(split))
        for part in np.array_split(order, -(-len(order) // TARGETS[self.target].chunk)):
            executor.train(*sample_spikes(self.circuit, split, part))
            progress.advance(len(part))

    def _accuracy(self, executor: Executor) -> float:
        test = self.run.learner.dataset.test
        said = executor.infer(*sample_spikes(self.circuit.answering, test))
        return float((answered(said.spikes, self.circuit.per_class) == test.y).mean())
