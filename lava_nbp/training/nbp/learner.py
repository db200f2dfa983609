"""nBP for the training loop: a circuit, and the executors that run it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.memory import check_memory
from lava_nbp.base.progress import Count, uncounted
from lava_nbp.base.targets import Target, find_target
from lava_nbp.data import Dataset, load_dataset
from lava_nbp.data.dataset import Split
from lava_nbp.errors import InputError
from lava_nbp.executors.make import check_buildable, make_executor
from lava_nbp.loihi.host import default_address
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.executor import Executor, Outcome, answered, class_targets
from lava_nbp.nbp.projections import Projections, flipped_weights
from lava_nbp.nbp.spiking_engine import SpikingEngine
from lava_nbp.nbp.weights import initial_weights
from lava_nbp.training.complexity import CountedSynapses
from lava_nbp.training.learner import Arrays, Inference, Learner, Session, parts, take_memory
from lava_nbp.training.metrics import accuracy, total
from lava_nbp.training.nbp.config import NBPExperiment, check_order
from lava_nbp.training.nbp.network import circuit_of
from lava_nbp.training.nbp.spikes import sample_spikes
from lava_nbp.training.nbp.start import nbp_start

#: Bytes of a weight while it is drawn, as float64, and of a synapse that holds it.
_WEIGHT_BYTES, _SYNAPSE_BYTES = 40, 4
#: Samples whose spikes are kept at once while they are counted, and bytes of a neuron's in one: steps of an inference.
_COUNTED, _COUNTED_BYTES = 500, 8


class NBPLearner(Learner):
    """An experiment with algorithm = "nbp".

    Parameters
    ----------
    config : NBPExperiment
        What to do.
    circuit : Circuit, optional
        What to train, instead of the configuration's circuit.

    Raises
    ------
    DataError, InputError
        See `load_dataset`.
        Also for a circuit that needs more memory than there may be.
    CircuitError
        For impossible layer sizes.
    """

    figures: Mapping[str, str] = {
        "accuracy_spikes": "argmax of output spikes",
        "accuracy_membrane": "argmax of output pre-activation",
        "exact": "all outputs right",
    }

    def __init__(self, config: NBPExperiment, circuit: Circuit | None = None) -> None:
        self.config = config
        self.target: Target = find_target(config.target, "nbp")
        self.dataset: Dataset = load_dataset(**asdict(config.data))
        ends = self.dataset.n_in, len(self.dataset.classes)
        self._given = circuit is not None
        self.circuit: Circuit = circuit_of(config, ends) if circuit is None else circuit
        self.layers = (ends[0], *self.circuit.layers[1:-1], ends[1] * self.circuit.per_class)
        weights = sum(math.prod(shape) for shape in self.circuit.matrix_shapes.values())
        check_memory(
            weights * _WEIGHT_BYTES
            + self.circuit.n_dense_synapses * _SYNAPSE_BYTES
            + sum(self.circuit.layers) * _COUNTED * _COUNTED_BYTES,
            f"circuit {self.circuit.name!r} of {'-'.join(map(str, self.circuit.layers))} with its weights",
            "use fewer hidden neurons (network.n_hidden), or smaller images (data.crop, data.side)",
        )

    def notes(self) -> list[str]:
        """Gate breaches that are possible."""
        bounds = self.circuit.breach_bounds()
        if not bounds:
            return []
        guardable = not self._given and self.config.network.options.get("guarded") is False
        cure = "; network.guarded = true makes them much rarer" if guardable else ""
        return [f"large weights could breach gates here (first of {len(bounds)}: {bounds[0]}); they are counted{cure}"]

    def initial_weights(self) -> Arrays:
        """Drawn from the seed, or read from network.weights; bits are flipped in either."""
        n, faults = self.config.network, self.config.faults
        self._check()
        if n.weights is not None:
            weights = nbp_start(Path(n.weights), self.circuit)
        else:
            rng = np.random.default_rng([self.config.seed, 0])
            drawn = initial_weights(self.circuit, rng, n.initial_clip, n.initial_input_scale, n.initial_output_mean)
            weights = {**drawn}
        return {**flipped_weights(self.circuit, weights, faults)}

    def open(self, weights: Arrays, memory: Arrays) -> Session:
        """Make the executor of the target; memory: what projections hold that does not follow from the matrices."""
        options: dict[str, Any] = {}
        if self.target.on_lava:
            options = self.config.lava.model_dump(exclude={"granularity"} if self.target.step_only else None)
        if self.target.on_chip:
            loihi = self.config.loihi
            options |= {"address": loihi.address(default_address(self.target.name)), "chunk": loihi.chunk}
        if self.config.faults.any:
            options["faults"] = self.config.faults
        executor = make_executor(self.target.name, self.circuit, weights, **options)
        try:
            if memory:
                take_memory(executor.write_copies, memory)
        except BaseException:
            executor.close()
            raise
        return _NBPSession(self, executor)

    def _check(self) -> None:
        """Check that the circuit can be trained with these data, and on this target.

        Raises
        ------
        InputError, ConfigError, CircuitError
            Says what does not fit, or why the circuit cannot answer.
        """
        circuit = self.circuit
        if not circuit.learning:
            raise InputError(f"circuit {circuit.name!r} does not learn; train one with a rule, like nbp")
        if circuit.layers != self.layers:
            raise InputError(
                f"circuit {circuit.name!r} has the layers {'-'.join(map(str, circuit.layers))}, but data set "
                f"{self.dataset.name} gives {self.layers[0]} inputs and {len(self.dataset.classes)} classes; change "
                f"one of them"
            )
        check_order(self.target, circuit)
        for runs in (circuit, circuit.answering):  # every epoch is evaluated: said now if it cannot be
            check_buildable(self.target, runs)
        for source in circuit.sources:
            layer = circuit.layer_of(source.population)
            if layer not in (circuit.forward[0], circuit.output):
                raise InputError(
                    f"circuit {circuit.name!r}: source {source.name!r} reaches layer {layer!r}, but samples have "
                    f"inputs, for {circuit.forward[0]!r}, and targets, for {circuit.output!r}"
                )

    def infer(self, weights: Arrays, told: Count = uncounted) -> Inference:
        """By the circuit that only answers, spike by spike; all of a sample counts as one step."""
        circuit, samples = self.circuit.answering, self.dataset.test
        engine = SpikingEngine(Projections(circuit, {name: weights[name] for name in circuit.matrix_shapes}))
        fired = {p.name: np.zeros(p.size, np.int64) for p in circuit.populations}
        answers = []
        for part in parts(len(samples), _COUNTED, told):
            outcome, raster = engine.run(*sample_spikes(circuit, samples, part), record=True)
            assert raster is not None
            answers.append(outcome.spikes)
            for name, rows in engine.split(raster).items():
                fired[name] += rows.sum(axis=0, dtype=np.int64)
        spikes = np.concatenate(answers)
        said = answered(spikes, circuit.per_class)
        right = said == samples.y
        if circuit.per_class == 1:  # all outputs are; of several for a class not all need to answer
            right &= (spikes == class_targets(self.circuit, samples.y)).all(axis=1)
        synapses = [
            CountedSynapses(
                p.copy_of(weights[p.matrix]), fired[p.pre], math.prod(circuit.shape_of(p)) - circuit.size_of(p)
            )
            for p in circuit.projections
        ]
        # A ramp has layers fire again and again: as often as the one that may the most.
        steps = max(len(circuit[name].phases) for name in circuit.forward)
        return Inference(said, right, synapses, [fired[name] for name in circuit.forward[1:]], steps, said=spikes)

    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """Gate breaches of all epochs; None if an executor did not see them."""
        return {"gate_breaches": total(history, "gate_breaches")}


class _NBPSession(Session):
    def __init__(self, learner: NBPLearner, executor: Executor) -> None:
        self._learner, self._executor = learner, executor
        self._notes: list[str] = []

    def notes(self) -> list[str]:
        """See `Session`."""
        return self._notes

    def train_epoch(self, epoch: int, advance: Callable[[int], None]) -> dict[str, Any]:
        """See `Session`. Every epoch starts from a silent network, so that a resumed run finds the same."""
        learner, executor = self._learner, self._executor
        circuit, split = learner.circuit, learner.dataset.train_of_epoch(learner.config.seed, epoch)
        order = np.random.default_rng([learner.config.seed, epoch]).permutation(len(split))
        before = (executor.work.updates, executor.work.gate_breaches)
        executor.begin_epoch(epoch)
        executor.train(*sample_spikes(circuit, split, slice(0)))  # compiles, before time is taken
        right, seconds, spiked = 0, 0.0, False
        for part in np.array_split(order, -(-len(order) // learner.target.chunk)):
            begin = time.perf_counter()
            outcome = executor.train(*sample_spikes(circuit, split, part))
            seconds += time.perf_counter() - begin
            right += int((answered(outcome.spikes, circuit.per_class) == split.y[part]).sum())
            spiked |= bool(outcome.spikes.any())
            advance(len(part))
        self._notes = (
            []
            if spiked or circuit.ramp
            else [
                f"the output {circuit.output!r} did not spike once in epoch {epoch}: all its answers are the lowest "
                f"class, by the paper's readout; start from larger weights (network.initial_clip, initial_output_mean)"
            ]
        )
        return {
            "train_accuracy_spikes": right / len(split),
            "updates": executor.work.updates - before[0] if executor.counts_updates else None,
            "gate_breaches": executor.work.gate_breaches - before[1] if executor.counts_breaches else None,
            "seconds_learning": seconds,
        }

    def evaluate(self, split: str, told: Count = uncounted) -> dict[str, Any]:
        """See `Session`."""
        learner = self._learner
        samples: Split = getattr(learner.dataset, split)
        circuit = learner.circuit.answering
        found = [
            self._executor.infer(*sample_spikes(circuit, samples, part))
            for part in parts(len(samples), learner.target.chunk, told)
        ]
        return {**accuracy(_joined(found), samples.y, split, circuit.per_class)}

    def read_weights(self) -> Arrays:
        """See `Session`."""
        return {**self._executor.read_weights()}

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """See `Session`."""
        self._executor.write_weights(weights)

    def read_memory(self) -> Arrays:
        """See `Session`: projections, where copies of a matrix may differ."""
        return {**self._executor.read_copies()}

    def close(self) -> None:
        """See `Session`."""
        self._executor.close()


def _joined(found: Sequence[Outcome]) -> Outcome:
    """Answers of all samples; the membrane only if all of it was seen."""
    seen = [outcome.membrane for outcome in found if outcome.membrane is not None]
    membrane = np.concatenate(seen) if len(seen) == len(found) else None
    return Outcome(np.concatenate([outcome.spikes for outcome in found]), membrane)
