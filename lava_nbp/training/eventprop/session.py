"""A network of EventProp that is set up: the engine of its target, its samples encoded, its weights in and out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.progress import Count, uncounted
from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.data.events import EventSplit
from lava_nbp.data.latency_dataset import LatencySplit
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.delays import steps_of
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import SpikeTrains, join_trains, latency_trains
from lava_nbp.loihi.host import default_address
from lava_nbp.training.eventprop.names import forward_names, late_names, loop_names
from lava_nbp.training.eventprop.network import (
    are_masters,
    check_no_constants,
    full_precision,
    in_thresholds,
    neurons_of,
)
from lava_nbp.training.learner import Arrays, Session, parts

if TYPE_CHECKING:
    from lava_nbp.training.eventprop.learner import EventPropLearner

#: What weights of 20 fractional bits and float64 do not notice, and squares of it are not 0.
_SMALLEST_RATE = 1e-100
#: Of the samples, that tie for want of a higher rung: then it is said.
_MANY = 0.02
#: Spikes of an input in a step that a trace holds.
_MOST_COUNTED = 255
#: Samples that are encoded at once.
_ENCODED = 5000
#: Counters of a `Result` that are summed over an epoch, and what metrics call them.
COUNTED = {
    "hidden_spikes": "hidden_spikes",
    "silent_neurons": "silent_neurons",
    "silent_labels": "silent_labels",
    "clipped": "clipped_denominators",
    "saturated": "saturated_adjoints",
    "bounded": "bounded_parameters",
    "overflowed": "overflowed_states",
}


class EventPropSession(Session):
    """A network of the target's engine (`EventPropEngine`, `ClockedEngine` or `LavaEventProp`), with its data encoded.

    Weights are real numbers in thresholds, or the integers (20 fractional bits) of a clocked network; either
    engine takes both.
    """

    def __init__(self, learner: EventPropLearner, weights: Arrays) -> None:
        self._learner, self._config, self._target = learner, learner.config, learner.target
        #: Of a clocked network, in full precision.
        self._delays = self._late(weights) if self._target.clocked else {}
        #: Of what the engine learns, in its order; the continuous engine's go on.
        self._names = [*forward_names(self._layers), *loop_names(weights)]
        if self._config.learning.delay_rate > 0:
            self._names += self._delays
        self._trains: dict[str, SpikeTrains] = {}
        self._notes: list[str] = []
        self.engine: Any = self._clocked_engine(weights) if self._target.clocked else self._continuous_engine(weights)

    @property
    def _layers(self) -> int:
        """Layers behind the input."""
        return len(self._learner.layers) - 1

    def _continuous_engine(self, weights: Arrays) -> Any:
        config, learning, real = self._config, self._config.learning, self._real(weights)
        least = min(p.theta for p in config.neurons)
        return self._target.maker("eventprop")(
            self._forward(real),
            neurons_of(config, weights),
            config.loss.loss,
            config.encoding.end,
            floor=learning.floor * least,
            threads=learning.threads,
            recurrent=self._of("R", real),
            delays=self._of("D", real),
            recurrent_delays=self._of("E", real),
            # Delays in whole steps may be a little longer.
            longest_delay=max([config.network.longest_delay, *(real[name].max() for name in late_names(real))]),
            constants_range=tuple(learning.constants_range),
            delay_rate=learning.delay_rate / self._unit,
            constant_rate=learning.constant_rate / self._unit,
            silent=learning.policy,
            optimizer=learning.optimizer,
        )

    def _clocked_engine(self, weights: Arrays) -> Any:
        config, setup, matrices = self._config, self._config.setup, self._real(weights)
        late = {name: steps_of(masters) for name, masters in self._delays.items()}
        check_no_constants(weights, f"target {self._target.name}")
        # A run that was trained elsewhere may keep a key that asks for samples.
        left_out = {"granularity"} if self._target.step_only else None
        options = config.lava.model_dump(exclude_unset=True, exclude=left_out) if self._target.on_lava else {}
        if self._target.on_chip:
            config.loihi.check_target(self._target.name)
            options["address"] = config.loihi.address(default_address(self._target.name))
        engine = self._target.maker("eventprop")(
            self._forward(matrices),
            setup,
            recurrent=self._of("R", matrices),
            largest=list(config.largest_weights.values()),
            delays=self._of("D", late),
            recurrent_delays=self._of("E", late),
            delay_rate=config.learning.delay_rate,
            longest_delay=config.longest_steps,
            **options,
        )
        self._write_masters(engine, weights)
        return engine

    def _late(self, weights: Mapping[str, Any]) -> Arrays:
        """Delays of a clocked network, in full precision, D1 .. before E1 .."""
        late = {name: weights[name] for name in sorted(late_names(weights), key=lambda name: (name[0], int(name[1:])))}
        if are_masters(weights):
            return late
        return {name: full_precision(name, delays, self._config) for name, delays in late.items()}

    def _forward(self, matrices: Mapping[str, Any]) -> list[Any]:
        """Those of every layer."""
        return [matrices[name] for name in forward_names(self._layers)]

    def _of(self, letter: str, arrays: Mapping[str, Any]) -> list[Any]:
        """Those of every layer, by the first letter of their names; None where there are none."""
        return [arrays.get(f"{letter}{k}") for k in range(1, self._layers + 1)]

    def _real(self, weights: Mapping[str, Any]) -> Arrays:
        """Weights in units of the potential, as the continuous engine has them, or in thresholds for a clocked one."""
        real = in_thresholds(weights, self._config.clocked.dt)
        return {name: w * self._threshold(name) for name, w in real.items()}

    def _threshold(self, name: str) -> float:
        """Unit of the weights of a name, of the layer that they lead to; 1 of what is no weight."""
        if self._target.clocked or name[0] not in "WR":
            return 1.0
        return self._config.neurons[int(name[1:]) - 1].theta

    def trains(self, split: str) -> SpikeTrains:
        """The encoded samples of a split."""
        if split not in self._trains:
            self._trains[split] = self._encoded(getattr(self._learner.dataset, split))
        return self._trains[split]

    def _encoded(self, samples: LatencySplit | EventSplit) -> SpikeTrains:
        if isinstance(samples, EventSplit):
            return SpikeTrains(samples.events.times, samples.events.units, samples.events.offsets)
        starts, end = range(0, len(samples), _ENCODED), self._config.encoding.end
        return join_trains([latency_trains(samples.times(slice(k, k + _ENCODED)), end) for k in starts])

    def prepare(self) -> None:
        """See `Session`."""
        for split in ("train", "validation", "test"):
            self.trains(split)

    # --------------------------------------------------------------- learning

    def train_epoch(self, epoch: int, advance: Callable[[int], None]) -> dict[str, Any]:
        """See `Session`."""
        learning, labels = self._config.learning, self._learner.dataset.train.y
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(labels))
        trains, rate = self._trains_of(epoch), self._rate(epoch)
        if not self._target.on_lava:
            self.engine.gradient(trains, labels, order[:1])  # compiles, before time is taken
        done, unreported = _Epoch(), 0
        for start in range(0, len(order), learning.batch):
            chosen = order[start : start + learning.batch]
            begin = time.perf_counter()
            result = self.engine.train_batch(trains, labels, chosen, rate * self._unit)
            done.add(result, time.perf_counter() - begin)
            unreported += len(chosen)
            if unreported >= self._target.chunk or start + learning.batch >= len(order):
                advance(unreported)
                unreported = 0
        self._notes = [*self._silence(done.deepest, epoch), *self._beyond(np.concatenate(done.said), epoch)]
        # Where theta is not 1, weights in thresholds are not quite those of the engine: a run that is resumed from them
        # must not differ from one that goes on.
        if not self._target.clocked:
            self.write_weights(self.read_weights())
        return {**done.metrics(labels[order]), "rate": rate, "seconds_learning": done.seconds}

    def _silence(self, deepest: int, epoch: int) -> list[str]:
        """What to say if the layer behind the deepest that spiked should have: all behind it is silent, too."""
        spiking = self._layers if isinstance(self._config.loss.loss, TTFSLoss) else self._layers - 1
        if deepest >= spiking:
            return []
        output = deepest == self._layers - 1
        return [
            f"layer {deepest + 1} of {self._layers} ({'output' if output else 'hidden'}) did not spike once in epoch "
            f"{epoch}, so it teaches nothing: {self._config.learning.policy.waking(output)}"
        ]

    def _beyond(self, said: NDArray[np.float64], epoch: int) -> list[str]:
        """What to say if ladders are too low: outputs that all reach their highest rungs cannot be told apart."""
        rungs = self._config.setup.rungs if self._target.clocked else None
        if rungs is None:
            return []
        share = float(((said == rungs.heights[-1]).sum(axis=1) > 1).mean())
        if share < _MANY:
            return []
        return [
            f"in epoch {epoch} several outputs reached their highest rungs in {share:.0%} of the samples, which ties: "
            f"raise clocked.highest_rung, which is {self._config.clocked.highest_rung:g} thresholds"
        ]

    def notes(self) -> list[str]:
        """See `Session`."""
        return self._notes

    def _trains_of(self, epoch: int) -> SpikeTrains:
        """The training samples as they are changed for an epoch, without the spikes that are left out in it."""
        dataset, share = self._learner.dataset, self._config.learning.dropout
        changing = dataset.augmented if isinstance(dataset, EventDataset) else dataset.shifted
        if changing is not None:
            trains = self._encoded(dataset.train_of_epoch(self._config.seed, epoch))
        else:
            trains = self.trains("train")
        if share == 0:
            return trains
        return trains.without_some(share, np.random.default_rng([self._config.seed, epoch, 1]))

    def _rate(self, epoch: int) -> float:
        """In thresholds, as weights are; never 0, which no rate is, however often it has decayed."""
        learning = self._config.learning
        factor = learning.decay ** max(epoch - 2, 0)
        if learning.schedule == "cosine":
            factor = (1 + math.cos(math.pi * min((epoch - 1) / self._config.epochs, 1.0))) / 2
        return max(learning.rate * factor, _SMALLEST_RATE)

    @property
    def _unit(self) -> float:
        """What a rate in thresholds is for the engine: a plain gradient has the unit of 1 / weight beside."""
        theta = 1.0 if self._target.clocked else self._config.neurons[0].theta
        return theta if self._config.learning.optimizer == "adam" else theta**2

    # -------------------------------------------------------------- answering

    def answers(self, split: str, told: Count = uncounted) -> Result:
        """What the network says to the samples of a split; nothing is counted."""
        trains = self.trains(split)
        found = [self.engine.infer(trains, chosen) for chosen in self._chunks(len(trains), told)]
        return Result(np.concatenate([result.said for result in found]), voltages=found[0].voltages)

    def counted_answers(self, split: str, told: Count = uncounted) -> tuple[Result, list[NDArray[np.int64]]]:
        """As `answers`, with the spikes of every neuron of every layer behind the input; not on Lava."""
        trains = self.trains(split)
        found = [self.engine.infer_counted(trains, chosen) for chosen in self._chunks(len(trains), told)]
        said = Result(np.concatenate([result.said for result, _ in found]), voltages=found[0][0].voltages)
        return said, [np.sum(layer, axis=0) for layer in zip(*(counts for _, counts in found), strict=True)]

    def _chunks(self, samples: int, told: Count) -> list[NDArray[np.int64]]:
        return [np.arange(part.start, part.stop) for part in parts(samples, self._target.chunk, told)]

    def evaluate(self, split: str, told: Count = uncounted) -> dict[str, Any]:
        """See `Session`."""
        result, labels = self.answers(split, told), getattr(self._learner.dataset, split).y
        return {
            f"{split}_accuracy": float(result.right(labels).mean()),
            f"{split}_accuracy_ties_right": float(result.right(labels, ties_right=True).mean()),
            f"{split}_ties": int(result.ties().sum()),
            f"{split}_silent_labels": int(np.isinf(result.said[np.arange(len(labels)), labels]).sum()),
        }

    # ---------------------------------------------------------------- weights

    def read_weights(self) -> Arrays:
        """See `Session`; integers of a clocked network."""
        if self._target.clocked:
            masters = {name: w.copy() for name, w in zip(self._names, self.engine.masters, strict=True)}
            # Of delays that are learned the engine has the newest.
            return masters | {name: late.copy() for name, late in self._delays.items() if name not in masters}
        return {name: w / self._threshold(name) for name, w in self.engine.parameters().items()}

    def read_synapses(self) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Weights as spikes meet them, forward and recurrent ones (empty where a layer has none)."""
        met = self.engine.forward_weights if self._target.clocked else self.engine.matrices
        # The continuous engine's go on with what else it learns.
        matrices = {name: w.copy() for name, w in zip(self._names, met, strict=False)}
        none = np.zeros((0, 0))
        return self._forward(matrices), [none if loop is None else loop for loop in self._of("R", matrices)]

    def traced(self, samples: Sequence[int], told: Count = uncounted) -> Arrays:
        """Every spike of samples of the test set, and the integers that spikes meet; see `lava_nbp.runs.trace`.

        The target's executor has to show spikes.
        """
        trains, c, n_in = self.trains("test"), self._config.setup.c, self._learner.layers[0]
        rasters: dict[str, list[NDArray[np.uint8]]] = {}
        for at, sample in enumerate(samples):
            told(at, len(samples))
            mine = slice(*trains.offsets[sample : sample + 2])
            found = {"input": _counted(c.steps_of(trains.times[mine]), trains.sources[mine], (c.steps, n_in), sample)}
            for name, raster in (found | self.engine.spikes(trains, int(sample))).items():
                rasters.setdefault(name, []).append(raster)
        matrices, loops = self.read_synapses()
        pairs = [*zip(forward_names(self._layers), matrices, strict=True)]
        pairs += [(f"R{k}", loop) for k, loop in enumerate(loops, 1) if loop.size]
        letters = {"W": "D", "R": "E"}
        late = {f"{letters[name[0]]}{name[1:]}": d for (name, _), d in zip(pairs, self.engine.delays, strict=True)}
        return {
            **{f"spikes/{name}": np.stack(rows) for name, rows in rasters.items()},
            **{f"weights/{name}": np.asarray(w, dtype=np.int32) for name, w in pairs},
            **{f"delays/{name}": np.asarray(d, dtype=np.int32) for name, d in late.items() if d is not None},
        }

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """See `Session`; either kind. The delays of a clocked network stay if they are not learned."""
        if self._target.clocked:
            self._write_masters(self.engine, weights)
            return
        self.engine.load_parameters(self._real(weights))

    def _write_masters(self, engine: Any, weights: Mapping[str, Any]) -> None:
        if are_masters(weights):
            masters = [weights[name] for name in self._names]
        else:
            config, late = self._config, self._late(weights)
            pairs = zip(self._names, engine.exponents, strict=False)
            masters = [config.arithmetic_of(name).masters(weights[name], exponent) for name, exponent in pairs]
            masters += [late[name] for name in self._names if name in late]
        engine.write_masters(masters)

    def read_memory(self) -> Arrays:
        """See `Session`."""
        memory: Arrays = self.engine.state()
        return memory

    def close(self) -> None:
        """See `Session`."""
        if hasattr(self.engine, "close"):
            self.engine.close()


def _counted(
    steps: NDArray[np.int64], inputs: NDArray[np.int64], shape: tuple[int, int], sample: int
) -> NDArray[np.uint8]:
    """How many spikes each input has in each step.

    Raises
    ------
    InputError
        For more than 8 bits hold.
    """
    counts = np.bincount(steps * shape[1] + inputs, minlength=shape[0] * shape[1])
    if counts.max() > _MOST_COUNTED:
        step, unit = divmod(int(counts.argmax()), shape[1])
        raise InputError(
            f"sample {sample}: input {unit} has {counts.max()} spikes in step {step}, but a trace holds "
            f"{_MOST_COUNTED}; trace another, or train with shorter steps (clocked.dt)"
        )
    return counts.reshape(shape).astype(np.uint8)


class _Epoch:
    """What is summed over the batches of an epoch; answers are looked at in its end, all at once."""

    def __init__(self) -> None:
        self.counted = dict.fromkeys(COUNTED, 0)
        self.said: list[NDArray[np.float64]] = []
        self.voltages = False
        self.most = self.deepest = 0
        self.seconds = 0.0

    def add(self, result: Result, seconds: float) -> None:
        self.said.append(result.said)
        self.voltages = result.voltages
        self.most = max(self.most, result.most_spikes)
        self.deepest = max(self.deepest, result.deepest_layer)
        self.seconds += seconds
        for name in self.counted:
            self.counted[name] += getattr(result, name)

    def metrics(self, labels: NDArray[np.int64]) -> dict[str, Any]:
        """Of samples with these labels, in the order in which they came."""
        all_said = Result(np.concatenate(self.said), voltages=self.voltages)
        return {
            "train_accuracy": int(all_said.right(labels).sum()) / len(labels),
            "train_ties": int(all_said.ties().sum()),
            **{COUNTED[name]: number for name, number in self.counted.items()},
            "most_spikes_of_a_layer": self.most,
        }
