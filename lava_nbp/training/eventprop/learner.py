"""EventProp for the training loop: the continuous engine, the clocked one, and Lava."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.progress import Count, uncounted
from lava_nbp.base.targets import CLOCKED_TARGETS
from lava_nbp.data import Encoding, LatencyDataset, LatencySplit, load_latency_dataset
from lava_nbp.errors import ConfigError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS, FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import SpikeTrains, join_trains, latency_trains
from lava_nbp.training.complexity import CountedSynapses
from lava_nbp.training.config import EventPropExperiment
from lava_nbp.training.learner import Arrays, Inference, Learner, Session, parts
from lava_nbp.training.start import eventprop_start

#: Samples that are encoded at once, and that are run between two reports of progress.
_ENCODED, _REPORTED = 5000, 500
#: Counters of a `Result` that are summed over an epoch, and what metrics call them.
_COUNTED = {
    "hidden_spikes": "hidden_spikes",
    "silent_neurons": "silent_neurons",
    "silent_labels": "silent_labels",
    "clipped": "clipped_denominators",
    "saturated": "saturated_adjoints",
}


class EventPropLearner(Learner):
    """An experiment with algorithm = "eventprop".

    Raises
    ------
    DataError, InputError
        See `load_latency_dataset`.
    ConfigError
        For settings that the target does not have.
    """

    figures = ("accuracy", "accuracy_ties_right")

    def __init__(self, config: EventPropExperiment) -> None:
        self.config = config
        self.compared_by = "accuracy" if config.learning.ties == "wrong" else "accuracy_ties_right"
        if config.target in CLOCKED_TARGETS and any(config.network.recurrent_deviation or ()):
            raise ConfigError(
                f"network.recurrent_deviation is {config.network.recurrent_deviation}, but target {config.target} has "
                f"no recurrent layers; use target continuous, or leave it out"
            )
        self.dataset = load_run_latencies(config)
        self.layers = (self.dataset.n_in, *config.network.hidden, len(self.dataset.classes))

    def initial_weights(self) -> Arrays:
        """Normal distributions, or what network.weights names, in thresholds."""
        rng = np.random.default_rng([self.config.seed, 0])
        n = self.config.network
        weights: Arrays = {
            f"W{k + 1}": rng.normal(n.initial_mean[k], n.initial_deviation[k], shape)
            for k, shape in enumerate(pairwise(self.layers))
        }
        if n.weights is not None:
            weights = eventprop_start(Path(n.weights), self.layers, parameters(self.config))
            if self.config.target in CLOCKED_TARGETS:
                _check_range(weights, self.config)
        for k, (size, deviation) in enumerate(zip(self.layers[1:], n.recurrent_deviation or (), strict=False)):
            if deviation > 0:
                weights[f"R{k + 1}"] = rng.normal(0.0, deviation, (size, size))
        return weights

    def open(self, weights: Arrays, memory: Arrays) -> EventPropSession:
        """Make the engine of the target."""
        session = EventPropSession(self, weights)
        try:
            if memory:
                session.engine.load_state(memory)
        except BaseException:
            session.close()
            raise
        return session

    def infer(self, weights: Arrays, told: Count = uncounted) -> Inference:
        """Steps are those of [clocked] dt, in continuous time too, where no step is ever computed."""
        # One engine per arithmetic: the Lava targets' spikes are those of "clocked".
        clocked = self.config.target in CLOCKED_TARGETS
        learner = copy.copy(self)
        if clocked:
            learner.config = self.config.model_copy(update={"target": "clocked"})
        with EventPropSession(learner, weights) as session:
            trains = session.trains("test")
            said = session.answers("test")
            counted = [
                session.engine.spike_counts(trains, np.arange(part.start, part.stop))
                for part in parts(len(trains), _REPORTED, told)
            ]
            matrices = [w.copy() for w in (session.engine.forward_weights if clocked else session.engine.weights)]
            loops = () if clocked else session.engine.loops
        spikes = [np.sum(layer, axis=0) for layer in zip(*counted, strict=True)]
        before = [np.bincount(trains.sources, minlength=self.layers[0]), *spikes[:-1]]
        synapses = [CountedSynapses(w, s) for w, s in zip(matrices, before, strict=True)]
        synapses += [CountedSynapses(loop, s) for loop, s in zip(loops, spikes, strict=False) if loop.size]
        steps = round(self.config.encoding.end / self.config.clocked.dt)
        right = said.right(self.dataset.test.y)
        return Inference(said.answers(), right, synapses, spikes, steps, 1 if clocked else 8, said)

    def shown(self, weights: Arrays) -> Arrays:
        """In thresholds."""
        unit = 1 / (1 << MASTER_BITS) if _are_integers(weights) else 1.0
        return {name: w * unit for name, w in weights.items()}

    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """Where the samples come from, and counters of all epochs."""
        return {
            "samples": self.dataset.source,
            **{name: sum(record[name] for record in history) for name in _COUNTED.values()},
        }


class EventPropSession(Session):
    """A network of the target's engine (`EventPropEngine`, `ClockedEngine` or `LavaEventProp`), with its data encoded.

    Weights are real numbers in thresholds, or the integers (20 fractional bits) of a clocked network; either
    engine takes both.
    """

    def __init__(self, learner: EventPropLearner, weights: Arrays) -> None:
        self._learner, self._config = learner, learner.config
        self._clocked = self._config.target in CLOCKED_TARGETS
        self._trains: dict[str, SpikeTrains] = {}
        self.engine: Any = self._make(weights)

    def _make(self, weights: Arrays) -> Any:
        config, learning = self._config, self._config.learning
        matrices = self._real(weights)
        if not self._clocked:
            layers = len(self._learner.layers) - 1
            loops = [matrices.get(f"R{k + 1}") for k in range(layers)]
            return EventPropEngine(
                [matrices[f"W{k + 1}"] for k in range(layers)],
                parameters(config),
                loss_of(config),
                config.encoding.end,
                floor=learning.floor * config.neuron.theta,
                threads=learning.threads,
                recurrent=loops,
                silent=silent_policy(config),
                optimizer=learning.optimizer,
            )
        arguments: dict[str, Any] = {
            "weights": [matrices[f"W{k + 1}"] for k in range(len(self._learner.layers) - 1)],
            "setup": clocked_setup(config),
            "largest": largest_weights(config),
        }
        if config.target == "clocked":
            engine: Any = ClockedEngine(**arguments)
        else:
            from lava_nbp.executors.lava_eventprop import LavaEventProp

            engine = LavaEventProp(**arguments, target=config.target, **config.lava.model_dump(exclude_unset=True))
        self.engine = engine
        self.write_weights(weights)
        return engine

    def _real(self, weights: Mapping[str, Any]) -> Arrays:
        """Weights in units of the potential, as the continuous engine has them, or in thresholds for a clocked one."""
        unit = 1.0 if self._clocked else self._config.neuron.theta
        scale = 1 / (1 << MASTER_BITS) if _are_integers(weights) else 1.0
        return {name: np.asarray(w) * (scale * unit) for name, w in weights.items()}

    def trains(self, split: str) -> SpikeTrains:
        """The encoded samples of a split."""
        if split not in self._trains:
            samples: LatencySplit = getattr(self._learner.dataset, split)
            starts = range(0, len(samples), _ENCODED)
            end = self._config.encoding.end
            self._trains[split] = join_trains(
                [latency_trains(samples.times(slice(k, k + _ENCODED)), end) for k in starts]
            )
        return self._trains[split]

    def train_epoch(self, epoch: int, advance: Callable[[int], None]) -> dict[str, Any]:
        """See `Session`."""
        seed, learning = self._config.seed, self._config.learning
        labels, trains = self._learner.dataset.train.y, self.trains("train")
        order = np.random.default_rng([seed, epoch]).permutation(len(labels))
        if learning.dropout > 0:
            trains = trains.without_some(learning.dropout, np.random.default_rng([seed, epoch, 1]))
        rate = learning.rate * learning.decay ** max(epoch - 2, 0)
        # The rate is in thresholds, as weights are; a plain gradient has the unit of 1 / weight beside.
        theta = 1.0 if self._clocked else self._config.neuron.theta
        step = rate * (theta if learning.optimizer == "adam" else theta**2)
        if self._config.target in ("continuous", "clocked"):
            self.engine.gradient(trains, labels, order[:1])  # compiles, before time is taken
        counted, right, ties, most, unreported, seconds = dict.fromkeys(_COUNTED, 0), 0, 0, 0, 0, 0.0
        for start in range(0, len(order), learning.batch):
            chosen = order[start : start + learning.batch]
            begin = time.perf_counter()
            result = self.engine.train_batch(trains, labels, chosen, step)
            seconds += time.perf_counter() - begin
            right += int(result.right(labels[chosen]).sum())
            ties += int(result.ties().sum())
            most = max(most, result.most_spikes)
            for name in counted:
                counted[name] += getattr(result, name)
            unreported += len(chosen)
            if unreported >= _REPORTED or start + learning.batch >= len(order):
                advance(unreported)
                unreported = 0
        return {
            "train_accuracy": right / len(order),
            "train_ties": ties,
            **{_COUNTED[name]: number for name, number in counted.items()},
            "most_spikes_of_a_layer": most,
            "rate": rate,
            "seconds_learning": seconds,
        }

    def answers(self, split: str, told: Count = uncounted) -> Result:
        """What the network says to the samples of a split; nothing is counted."""
        trains = self.trains(split)
        found = [
            self.engine.infer(trains, np.arange(part.start, part.stop)) for part in parts(len(trains), _REPORTED, told)
        ]
        return Result(np.concatenate([result.said for result in found]), voltages=found[0].voltages)

    def evaluate(self, split: str, told: Count = uncounted) -> dict[str, Any]:
        """See `Session`."""
        result, labels = self.answers(split, told), getattr(self._learner.dataset, split).y
        return {
            f"{split}_accuracy": float(result.right(labels).mean()),
            f"{split}_accuracy_ties_right": float(result.right(labels, ties_right=True).mean()),
            f"{split}_ties": int(result.ties().sum()),
            f"{split}_silent_labels": int(np.isinf(result.said[np.arange(len(labels)), labels]).sum()),
        }

    def read_weights(self) -> Arrays:
        """See `Session`; integers of a clocked network."""
        theta = self._config.neuron.theta
        if self._clocked:
            return {f"W{k + 1}": masters.copy() for k, masters in enumerate(self.engine.masters)}
        loops = [f"R{k + 1}" for k, loop in enumerate(self.engine.loops) if loop.size]
        names = [*(f"W{k + 1}" for k in range(len(self.engine.weights))), *loops]
        return {name: w / theta for name, w in zip(names, self.engine.matrices, strict=True)}

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """See `Session`; either kind."""
        names = [f"W{k + 1}" for k in range(len(self._learner.layers) - 1)]
        if not self._clocked:
            real = self._real(weights)
            names += sorted(name for name in weights if name.startswith("R"))
            for own, name in zip(self.engine.matrices, names, strict=True):
                own[...] = real[name]
            return
        if _are_integers(weights):
            masters = [weights[name] for name in names]
        else:
            c = clocked_setup(self._config).c
            masters = [c.masters(weights[n], x) for n, x in zip(names, self.engine.exponents, strict=True)]
        self.engine.write_masters(masters)

    def read_memory(self) -> Arrays:
        """See `Session`."""
        memory: Arrays = self.engine.state()
        return memory

    def close(self) -> None:
        """See `Session`."""
        if hasattr(self.engine, "close"):
            self.engine.close()


def _are_integers(weights: Mapping[str, Any]) -> bool:
    return np.asarray(weights["W1"]).dtype.kind == "i"


def load_run_latencies(config: EventPropExperiment) -> LatencyDataset:
    """The data set of an experiment.

    Raises
    ------
    DataError, InputError
        See `load_latency_dataset`.
    """
    e = config.encoding
    return load_latency_dataset(encoding=Encoding(e.early, e.late, e.bias, e.darkest), **config.data.model_dump())


def parameters(config: EventPropExperiment) -> NeuronParameters:
    """The neurons of an experiment."""
    return NeuronParameters(**config.neuron.model_dump())


def loss_of(config: EventPropExperiment) -> Loss:
    """The loss of an experiment."""
    loss = config.loss
    return TTFSLoss(loss.tau0, loss.tau1, loss.alpha) if loss.name == "ttfs" else MaxVoltageLoss()


def silent_policy(config: EventPropExperiment) -> SilentPolicy:
    """The policy of an experiment."""
    learning = config.learning
    return SilentPolicy(learning.silent, learning.silent_strength, learning.silent_target)


def largest_weights(config: EventPropExperiment) -> list[float]:
    """What the 8-bit weights of each layer shall hold at most, in thresholds.

    Where the configuration does not say: four deviations from the mean of the initial weights, the same at every
    resumption.
    """
    n = config.network
    pairs = zip(n.initial_mean, n.initial_deviation, strict=True)
    return config.clocked.largest_weight or [abs(mean) + 4 * deviation or 1.0 for mean, deviation in pairs]


def _check_range(weights: Arrays, config: EventPropExperiment) -> None:
    """Check that 8 bits hold weights (thresholds) from a file: they would be cut off.

    Raises
    ------
    WeightError
        Names the file, the matrix, the limit and the key that raises it.
    """
    c = clocked_setup(config).c
    for (name, w), top in zip(weights.items(), largest_weights(config), strict=True):
        limit = c.master_limit(c.weight_exponent(top)) / (1 << MASTER_BITS)
        if np.abs(w).max() > limit:
            raise WeightError(
                f"{config.network.weights}: {name} reaches {np.abs(w).max():.3g} thresholds, but the 8-bit weights of "
                f"target {config.target} reach {limit:.3g} here; raise its entry in clocked.largest_weight"
            )


def clocked_setup(config: EventPropExperiment) -> Setup:
    """Arithmetic, loss and learning of an experiment's clocked targets."""
    clocked = config.clocked
    arithmetic = FixedPoint(
        parameters(config), clocked.dt, config.encoding.end, clocked.theta_bits, clocked.coefficient_bits,
        clocked.adjoint_bits, clocked.floor,
    )  # fmt: skip
    return Setup(arithmetic, loss_of(config), silent_policy(config), config.learning.optimizer)
