"""nBP for the training loop: the executors of the paper's circuit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.progress import Count, uncounted
from lava_nbp.base.targets import CHIP_TARGETS, LAVA_TARGETS, STEP_TARGETS
from lava_nbp.data import DataOptions, Dataset, input_and_classes, load_dataset
from lava_nbp.executors.make import make_executor
from lava_nbp.loihi.host import default_connection, require_lava_loihi
from lava_nbp.nbp.circuit import FIRE, training_circuit
from lava_nbp.nbp.executor import Executor, Outcome, one_hot
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.rule import initial_weights
from lava_nbp.training.complexity import CountedSynapses
from lava_nbp.training.config import NBPExperiment
from lava_nbp.training.learner import Arrays, Inference, Learner, Session, parts
from lava_nbp.training.metrics import accuracy
from lava_nbp.training.start import nbp_start

#: Samples per call of an executor: a call cannot be interrupted, and progress is shown between calls.
_CHUNK = {"reference": 100, "sample": 5000, "lava-primitives": 20, "lava-stock": 10}
_USUAL_CHUNK = 500


class NBPLearner(Learner):
    """An experiment with algorithm = "nbp".

    Raises
    ------
    DataError, InputError
        See `load_dataset`.
    CircuitError
        For impossible layer sizes.
    """

    compared_by = "accuracy_spikes"
    figures = ("accuracy_spikes", "accuracy_membrane", "exact")

    def __init__(self, config: NBPExperiment) -> None:
        self.config = config
        if config.target in CHIP_TARGETS:
            require_lava_loihi(config.target)
        self.dataset = load_run_data(config)
        self._sizes = (self.dataset.n_in, config.network.n_hidden, len(self.dataset.classes))
        self.layers = self._sizes
        self._variant = {"guarded": config.network.guarded, "chip_order": config.network.chip_order}
        self.circuit = training_circuit(*self._sizes, **self._variant)
        self._faults = Faults(**config.faults.model_dump())

    def notes(self) -> list[str]:
        """Gate breaches that are possible."""
        bounds = self.circuit.breach_bounds()
        if not bounds:
            return []
        cure = "" if self.config.network.guarded else "; network.guarded = true makes them much rarer"
        return [f"large weights could breach gates here (first of {len(bounds)}: {bounds[0]}); they are counted{cure}"]

    def initial_weights(self) -> Arrays:
        """Drawn from the seed, or read from network.weights."""
        n = self.config.network
        if n.weights is not None:
            weights = nbp_start(Path(n.weights), self._sizes)
        else:
            rng = np.random.default_rng([self.config.seed, 0])
            drawn = initial_weights(self._sizes, rng, n.initial_clip, n.initial_input_scale, n.initial_output_mean)
            weights = {**drawn}
        return {name: self._faults.flipped(name, w) if self._faults.flips else w for name, w in weights.items()}

    def open(self, weights: Arrays, memory: Arrays) -> Session:
        """Make the executor of the target; nBP remembers nothing beside the weights."""
        options: dict[str, Any] = self.config.lava.model_dump() if self.config.target in LAVA_TARGETS else {}
        if self.config.target in STEP_TARGETS:
            options.pop("granularity", None)
        if self.config.target in CHIP_TARGETS:
            options |= self._board()
        if self._faults.any:
            options["faults"] = self._faults
        return _NBPSession(self, make_executor(self.config.target, self._sizes, weights, **self._variant, **options))

    def _board(self) -> dict[str, Any]:
        said = {key: value for key, value in self.config.loihi.model_dump().items() if value is not None}
        chunk = said.pop("chunk")
        return {"connection": replace(default_connection(self.config.target), **said), "chunk": chunk}

    def infer(self, weights: Arrays, told: Count = uncounted) -> Inference:
        """One step per sample: the spikes of x, h and o; in a fraction of a second."""
        x, y = self.dataset.test.x, self.dataset.test.y
        # float32 holds these sums exactly: 8-bit weights, and far fewer than 2^16 inputs.
        hidden = x.astype(np.float32) @ weights["W1"].astype(np.float32) > FIRE
        output = hidden.astype(np.float32) @ weights["W2"].astype(np.float32) > FIRE
        seen, fired, said = (np.count_nonzero(spikes, axis=0) for spikes in (x, hidden, output))
        synapses = [CountedSynapses(weights["W1"], seen), CountedSynapses(weights["W2"], fired)]
        right = (output == one_hot(y, output.shape[1])).all(axis=1)
        return Inference(output.argmax(axis=1), right, synapses, [fired, said])

    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """Gate breaches of all epochs; None if an executor did not see them."""
        found = [record["gate_breaches"] for record in history]
        return {"gate_breaches": None if None in found else sum(found)}


class _NBPSession(Session):
    def __init__(self, learner: NBPLearner, executor: Executor) -> None:
        self._config, self._dataset, self._executor = learner.config, learner.dataset, executor

    def train_epoch(self, epoch: int, advance: Callable[[int], None]) -> dict[str, Any]:
        split, executor = self._dataset.train, self._executor
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(split))
        before = (executor.work.updates, executor.work.gate_breaches)
        # Every epoch starts from a silent network, so that a resumed run finds the same.
        executor.epoch = epoch
        executor.reset()
        executor.train(split.x[:0], one_hot(split.y[:0], executor.n_out))  # compiles, before time is taken
        right, seconds = 0, 0.0
        for part in np.array_split(order, -(-len(order) // _CHUNK.get(self._config.target, _USUAL_CHUNK))):
            begin = time.perf_counter()
            outcome = executor.train(split.x[part], one_hot(split.y[part], executor.n_out))
            seconds += time.perf_counter() - begin
            right += int((outcome.spikes.argmax(axis=1) == split.y[part]).sum())
            advance(len(part))
        return {
            "train_accuracy_spikes": right / len(split),
            "updates": executor.work.updates - before[0] if executor.counts_updates else None,
            "gate_breaches": executor.work.gate_breaches - before[1] if executor.counts_breaches else None,
            "seconds_learning": seconds,
        }

    def evaluate(self, split: str, told: Count = uncounted) -> dict[str, Any]:
        samples = self._dataset.test if split == "test" else self._dataset.validation
        size = _CHUNK.get(self._config.target, _USUAL_CHUNK)
        found = [self._executor.infer(samples.x[part]) for part in parts(len(samples), size, told)]
        seen = [outcome.membrane for outcome in found if outcome.membrane is not None]
        membrane = np.concatenate(seen) if len(seen) == len(found) else None
        return {**accuracy(Outcome(np.concatenate([o.spikes for o in found]), membrane), samples.y, split)}

    def read_weights(self) -> Arrays:
        return {**self._executor.read_weights()}

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        self._executor.write_weights(weights)

    def close(self) -> None:
        self._executor.close()


def layers_of(config: NBPExperiment) -> tuple[int, int, int]:
    """Layer sizes of an experiment's network, without its data where that can be known.

    Raises
    ------
    DataError, InputError
        See `load_dataset`.
    """
    options = DataOptions(**config.data.model_dump(exclude={"name", "threshold"}))
    n_in, n_out = input_and_classes(config.data.name, options)
    return n_in, config.network.n_hidden, n_out


def load_run_data(config: NBPExperiment) -> Dataset:
    """The data set of an experiment.

    Raises
    ------
    DataError, InputError
        See `load_dataset`.
    """
    return load_dataset(**config.data.model_dump())
