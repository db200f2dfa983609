"""Accuracy of a trained network against fault rate: as the faults come, and after learning on with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.files import write_atomically
from lava_nbp.base.progress import Progress
from lava_nbp.base.targets import FAULT_TARGETS
from lava_nbp.errors import InputError, unknown_name
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.executor import Executor, one_hot
from lava_nbp.nbp.faults import KINDS, Faults
from lava_nbp.runs.train import load_run
from lava_nbp.seeing.plot import fault_curves
from lava_nbp.training.config import NBPExperiment
from lava_nbp.training.nbp.learner import load_run_data

#: Samples per call of an executor.
_CHUNK = 5000


def sweep_run(
    folder: Path, kinds: Sequence[str], rates: Sequence[float], epochs: int, target: str, progress: Progress
) -> tuple[dict[str, Any], list[Path]]:
    """Break the network of a run in every way and at every rate, one at a time; write faults.json and faults.png.

    Parameters
    ----------
    folder : path
        A run of algorithm "nbp"; the weights chosen on validation are used, else the last.
    kinds, rates
        Names of `lava_nbp.nbp.faults.Faults`, and values for them.
    epochs : int
        Epochs of on-line learning with the faults, before the second evaluation.
    target : {"sample", "spiking"}
        What runs it.
    progress : Progress
        Told of every network and sample.

    Raises
    ------
    CheckpointError, DataError
        If the run or its data cannot be used.
    InputError
        For an unknown kind or target, a rate outside 0 .. 1, or a run of another algorithm.
    """
    state, config = load_run(folder)
    if not isinstance(config, NBPExperiment):
        raise InputError(f"{folder} is a run of {config.algorithm}, but faults are those of nbp's circuit")
    if target not in FAULT_TARGETS:
        raise InputError(unknown_name("target of a sweep of faults", target, FAULT_TARGETS))
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(unknown_name("kind of fault", kind, KINDS))
    points = [(kind, rate, Faults(**{kind: rate})) for kind in kinds for rate in rates]  # type: ignore[arg-type]
    data = load_run_data(config)
    weights = state.chosen or state.weights
    n_in, n_hidden, n_out = state.layers
    variant = {"guarded": config.network.guarded, "chip_order": config.network.chip_order}

    def right(executor: Executor) -> float:
        spikes = executor.infer(data.test.x).spikes
        return float((spikes.argmax(axis=1) == data.test.y).mean())

    rows = []
    with make_executor(target, (n_in, n_hidden, n_out), weights, **variant) as whole:
        without = right(whole)
    progress.start(len(points), epochs * len(data.train), 0)
    for k, (kind, rate, faults) in enumerate(points):
        broken = {name: faults.flipped(name, w) if faults.flips else w for name, w in weights.items()}
        with make_executor(target, (n_in, n_hidden, n_out), broken, **variant, faults=faults) as executor:
            before = right(executor)
            for epoch in range(1, epochs + 1):
                executor.epoch = epoch
                executor.reset()
                order = np.random.default_rng([config.seed, epoch]).permutation(len(data.train))
                for part in np.array_split(order, -(-len(order) // _CHUNK)):
                    executor.train(data.train.x[part], one_hot(data.train.y[part], n_out))
                    progress.advance(len(part))
            after = right(executor)
        rows.append({"kind": kind, "rate": rate, "before": before, "after": after})
        progress.note(f"{k + 1} of {len(points)}: {kind} {rate:g}")
    report = {
        "run": str(folder.name), "target": target, "epochs": epochs, "without": without, "rows": rows,
        "accuracy": "test set, argmax of the output spikes",
    }  # fmt: skip
    json_path = folder / "faults.json"
    write_atomically(json_path, (json.dumps(report, indent=2) + "\n").encode())
    return report, [json_path, fault_curves(report, folder / "faults.png")]
