"""EventProp for the training loop: data, initial weights, and what an inference answers and costs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.memory import check_memory
from lava_nbp.base.progress import Count, uncounted
from lava_nbp.base.targets import TARGETS, Target, find_target, targets_of
from lava_nbp.base.widths import DELAY_MAX
from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.data.latency_dataset import LatencyDataset
from lava_nbp.errors import ConfigError
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.training.complexity import CountedSynapses
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.names import forward_names
from lava_nbp.training.eventprop.network import in_thresholds
from lava_nbp.training.eventprop.session import COUNTED, EventPropSession
from lava_nbp.training.eventprop.start import check_range, eventprop_start, fitted
from lava_nbp.training.learner import Arrays, Inference, Learner, take_memory
from lava_nbp.training.metrics import total
from lava_nbp.training.timed import load_timed_dataset

#: Bytes of a weight: the weight twice, the optimizer's two means, a gradient for each of eight parts of a batch.
_WEIGHT_BYTES = 12 * 8
#: Steps of a trial, and what a neuron takes for one, forward and backward, roughly.
_MOST_STEPS, _STEP_SECONDS = 100_000, 4e-9


class EventPropLearner(Learner):
    """An experiment with algorithm = "eventprop".

    Parameters
    ----------
    config : EventPropExperiment
        What to do.
    layers : tuple of int, optional
        Sizes of its network, to set that up without data, which are not loaded then.

    Raises
    ------
    DataError, InputError
        See `load_timed_dataset`.
        Also for a network that needs more memory than there may be.
    ConfigError
        For settings or data that the target does not have, or a trial of too many steps.
    """

    figures: Mapping[str, str] = {"accuracy": "ties wrong", "accuracy_ties_right": "ties right"}

    def __init__(self, config: EventPropExperiment, layers: tuple[int, ...] | None = None) -> None:
        self.config = config
        self.target: Target = find_target(config.target, "eventprop")
        if self.target.clocked:
            self._check_clocked()
            self._check_steps()
        if layers is None:
            self.dataset: LatencyDataset | EventDataset = load_timed_dataset(config.data, config.encoding)
            layers = (self.dataset.n_in, *config.network.hidden, len(self.dataset.classes))
        self.layers = layers
        self._check_memory()

    def _check_clocked(self) -> None:
        """Refuse what fixed steps and integers do not have."""
        n, learning, target = self.config.network, self.config.learning, self.config.target
        if learning.constant_rate:
            raise ConfigError(
                f"learning.constant_rate is {learning.constant_rate}, but target {target} has no time constants that "
                f"are learned; use target continuous, or leave it out"
            )
        for key, delays in (("initial", n.initial_delay), ("recurrent", n.recurrent_delay)):
            longest, dt = max(delays or [0.0]), self.config.clocked.dt
            if longest / dt >= DELAY_MAX + 0.5:  # the nearest step would be one more
                raise ConfigError(
                    f"network.{key}_delay reaches {longest:g} ms, but target {target} holds {DELAY_MAX} steps of "
                    f"{dt:g} ms (clocked.dt); make it smaller, or use a larger dt, or target continuous"
                )

    def _check_steps(self) -> None:
        """Refuse trials whose steps take for ever."""
        end, dt = self.config.encoding.end, self.config.clocked.dt
        if (steps := end / dt) > _MOST_STEPS:
            seconds = steps * sum(self.config.network.hidden) * _STEP_SECONDS
            raise ConfigError(
                f"encoding.end is {end:g} ms and clocked.dt {dt:g} ms: {steps:.3g} steps, some {seconds:.2g} s per "
                f"sample, but the limit is {_MOST_STEPS} steps; use a shorter trial or a larger dt"
            )

    def _check_memory(self) -> None:
        """Refuse a network that does not fit, before any of it is made."""
        loops = self.config.network.recurrent_deviation or ()
        weights = sum(a * b for a, b in pairwise(self.layers))
        weights += sum(n * n for n, deviation in zip(self.layers[1:], loops, strict=False) if deviation > 0)
        check_memory(
            weights * _WEIGHT_BYTES,
            f"a network of {'-'.join(map(str, self.layers))} with its gradients and optimizer",
            "make network.hidden smaller, or images (data.crop, data.side)",
        )

    def notes(self) -> list[str]:
        """Whether a late spike may teach more than numbers hold; the integers of a clocked network saturate."""
        return [] if self.target.clocked else self.config.loss.loss.warnings(self.config.encoding.end)

    def initial_weights(self) -> Arrays:
        """Normal distributions, or what network.weights names, in thresholds."""
        n, weights = self.config.network, self.drawn_weights()
        if n.weights is not None:
            spiking = isinstance(self.config.loss.loss, TTFSLoss)
            beside, path = self.config.names_beside, Path(n.weights)
            # A network's neurons must be those of this experiment, but for constants that each has of its own here.
            p = [None if f"tau_m{k}" in beside else of for k, of in enumerate(self.config.neurons, 1)]
            given = eventprop_start(path, self.layers, p, [*n.loops, *beside], spiking_output=spiking)
            given = fitted(given, self.layers, self.config)
            if self.target.clocked:
                check_range(given, self.config)
            weights |= given
        return weights

    def drawn_weights(self) -> Arrays:
        """As `initial_weights`, without those of a file: what is drawn beside them is the same."""
        rng = np.random.default_rng([self.config.seed, 0])
        n, names = self.config.network, forward_names(len(self.layers) - 1)
        weights: Arrays = {
            name: rng.normal(mean, deviation, shape)
            for name, mean, deviation, shape in zip(
                names, n.initial_mean, n.initial_deviation, pairwise(self.layers), strict=True
            )
        }
        for k, (size, deviation) in enumerate(zip(self.layers[1:], n.recurrent_deviation or (), strict=False), 1):
            if deviation > 0:
                weights[f"R{k}"] = rng.normal(0.0, deviation, (size, size))
        return weights | self._initial_delays(rng) | self._initial_constants(rng)

    def _initial_delays(self, rng: np.random.Generator) -> Arrays:
        """Of layers that have some, in ms: evenly from 0 to the longest."""
        n, found = self.config.network, {}
        sources = ("D", n.initial_delay, self.layers[:-1]), ("E", n.recurrent_delay, self.layers[1:])
        for letter, longest, before in sources:
            for k, ms in enumerate(longest or (), 1):
                shape = (before[k - 1], self.layers[k]) if n.delays_per == "synapse" else (before[k - 1],)
                if ms > 0:
                    found[f"{letter}{k}"] = rng.uniform(0.0, ms, shape)
        return found

    def _initial_constants(self, rng: np.random.Generator) -> Arrays:
        """Those that are learned, or each neuron's own, in ms: one per layer, or normal in their logarithms."""
        config, found = self.config, {}
        layers = len(self.layers) - 1
        low, high = config.learning.constants_range
        for k, (p, spread) in enumerate(zip(config.neurons, config.neuron.spreads(layers), strict=True), 1):
            for name in ("tau_m", "tau_s") if spread or config.learning.constant_rate else ():
                drawn = getattr(p, name) * np.exp(spread * rng.normal(0.0, 1.0, self.layers[k] if spread else 1))
                found[f"{name}{k}"] = np.clip(drawn, low, high) if config.learning.constant_rate else drawn
        return found

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
        if not (self.target.on_lava or self.target.on_chip):
            return self.target.name
        return compiled_clocked()

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
        """In thresholds, and ms."""
        return in_thresholds(weights, self.config.clocked.dt)

    @property
    def names_beside(self) -> list[str]:
        """See `Learner`."""
        return self.config.names_beside

    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """Where the samples come from, and counters of all epochs."""
        return {
            "samples": self.dataset.source,
            **{name: total(history, name) for name in COUNTED.values()},
        }


def compiled_clocked() -> str:
    """The target that computes in steps and integers, compiled."""
    here = (TARGETS[name] for name in targets_of("eventprop"))
    return next(t.name for t in here if t.clocked and not (t.on_lava or t.on_chip))
