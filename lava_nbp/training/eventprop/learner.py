"""EventProp for the training loop: data, initial weights, and what an inference answers and costs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.progress import Count, uncounted
from lava_nbp.base.targets import TARGETS, Target, find_target, targets_of
from lava_nbp.data import load_latency_dataset
from lava_nbp.data.latency_dataset import LatencyDataset
from lava_nbp.errors import ConfigError
from lava_nbp.training.complexity import CountedSynapses
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.network import forward_names, in_thresholds
from lava_nbp.training.eventprop.session import COUNTED, EventPropSession
from lava_nbp.training.eventprop.start import check_range, eventprop_start
from lava_nbp.training.learner import Arrays, Inference, Learner, take_memory


class EventPropLearner(Learner):
    """An experiment with algorithm = "eventprop".

    Raises
    ------
    DataError, InputError
        See `load_latency_dataset`.
    ConfigError
        For settings that the target does not have.
    """

    figures: Mapping[str, str] = {"accuracy": "ties wrong", "accuracy_ties_right": "ties right"}

    def __init__(self, config: EventPropExperiment) -> None:
        self.config = config
        self.target: Target = find_target(config.target, "eventprop")
        self.compared_by = "accuracy" if config.learning.ties == "wrong" else "accuracy_ties_right"
        if self.target.clocked and any(config.network.recurrent_deviation or ()):
            raise ConfigError(
                f"network.recurrent_deviation is {config.network.recurrent_deviation}, but target {config.target} has "
                f"no recurrent layers; use target continuous, or leave it out"
            )
        self.dataset: LatencyDataset = load_latency_dataset(encoding=config.encoding, **asdict(config.data))
        self.layers = (self.dataset.n_in, *config.network.hidden, len(self.dataset.classes))

    def initial_weights(self) -> Arrays:
        """Normal distributions, or what network.weights names, in thresholds."""
        rng = np.random.default_rng([self.config.seed, 0])
        n, names = self.config.network, forward_names(len(self.layers) - 1)
        weights: Arrays = {
            name: rng.normal(mean, deviation, shape)
            for name, mean, deviation, shape in zip(
                names, n.initial_mean, n.initial_deviation, pairwise(self.layers), strict=True
            )
        }
        if n.weights is not None:
            weights = eventprop_start(Path(n.weights), self.layers, self.config.neuron)
            if self.target.clocked:
                check_range(weights, self.config)
        for k, (size, deviation) in enumerate(zip(self.layers[1:], n.recurrent_deviation or (), strict=False), 1):
            if deviation > 0:
                weights[f"R{k}"] = rng.normal(0.0, deviation, (size, size))
        return weights

    def open(self, weights: Arrays, memory: Arrays) -> EventPropSession:
        """Make the engine of the target."""
        session = EventPropSession(self, weights)
        try:
            if memory:
                take_memory(session.engine.load_state, memory)
        except BaseException:
            session.close()
            raise
        return session

    def on(self, target: str) -> EventPropLearner:
        """The same learner, data and all, for another target."""
        other = copy.copy(self)
        other.config = self.config.model_copy(update={"target": target})
        other.target = find_target(target, "eventprop")
        return other

    @property
    def compiled(self) -> str:
        """The target that computes as this one does, compiled: Lava's spikes are those of "clocked"."""
        same = (name for name in targets_of("eventprop") if TARGETS[name].clocked == self.target.clocked)
        return self.target.name if not self.target.on_lava else next(n for n in same if not TARGETS[n].on_lava)

    def infer(self, weights: Arrays, told: Count = uncounted) -> Inference:
        """Steps are those of [clocked] dt, in continuous time too, where no step is ever computed."""
        with EventPropSession(self.on(self.compiled), weights) as session:
            trains = session.trains("test")
            said, spikes = session.counted_answers("test", told)
            matrices, loops = session.read_synapses()
        before = [np.bincount(trains.sources, minlength=self.layers[0]), *spikes[:-1]]
        synapses = [CountedSynapses(w, s) for w, s in zip(matrices, before, strict=True)]
        synapses += [CountedSynapses(loop, s) for loop, s in zip(loops, spikes, strict=False) if loop.size]
        steps = round(self.config.encoding.end / self.config.clocked.dt)
        right = said.right(self.dataset.test.y)
        return Inference(said.answers(), right, synapses, spikes, steps, 1 if self.target.clocked else 8, said)

    def shown(self, weights: Arrays) -> Arrays:
        """In thresholds."""
        return in_thresholds(weights)

    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """Where the samples come from, and counters of all epochs."""
        return {
            "samples": self.dataset.source,
            **{name: sum(record[name] for record in history) for name in COUNTED.values()},
        }
