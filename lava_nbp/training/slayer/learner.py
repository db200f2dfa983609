"""SLAYER of lava-dl, surrogate gradients (Shrestha & Orchard, NeurIPS 2018), as a baseline for the training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_arrays, check_within
from lava_nbp.base.memory import check_memory
from lava_nbp.base.progress import Count, uncounted
from lava_nbp.base.targets import Target, find_target
from lava_nbp.data.encodings import step_spikes
from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.data.events import EventSplit
from lava_nbp.data.latency_dataset import LatencyDataset, LatencySplit
from lava_nbp.errors import ConfigError, InputError
from lava_nbp.training.complexity import CountedSynapses
from lava_nbp.training.learner import Arrays, Inference, Learner, Session, parts, take_memory
from lava_nbp.training.slayer.config import SLAYERExperiment
from lava_nbp.training.slayer.network import blocks, device_layers, load_slayer, load_torch, set_weights
from lava_nbp.training.timed import load_timed_dataset

_MOST_STEPS = 10_000
#: Bytes of a neuron's state in a step of a sample: what PyTorch keeps for the way back, in float32; and of a weight.
_STATE_BYTES, _WEIGHT_BYTES = 10 * 4, 6 * 4
#: States of the samples that are answered at once, 0.8 GB.
_MOST_STATES = 20_000_000


class SLAYERLearner(Learner):
    """An experiment with algorithm = "slayer": layers of lava-dl's CUBA neurons, 8-bit weights, classes by spike rate.

    Raises
    ------
    InputError
        If lava-dl is not installed.
    DataError, InputError
        See `load_timed_dataset`.
    ConfigError
        If the trial is no whole number of steps, or of too many, or ends before the last input spike.
    """

    figures: Mapping[str, str] = {"accuracy": "ties wrong", "accuracy_ties_right": "ties right"}

    def __init__(self, config: SLAYERExperiment) -> None:
        self.config = config
        e, dt = config.encoding, config.network.dt
        self.steps = round(e.end / dt)
        for name, ms in (("late", e.late), ("bias", e.bias or 0.0)):
            if ms > e.end:
                raise ConfigError(f"encoding.{name} is {ms:g} ms, but the trial ends at encoding.end = {e.end:g} ms")
        if self.steps > _MOST_STEPS:
            raise ConfigError(
                f"encoding.end is {e.end:g} ms and network.dt {dt:g} ms: {self.steps} steps, each of which takes its "
                f"time, but the limit is {_MOST_STEPS}; use a shorter trial or a larger dt"
            )
        if not np.isclose(self.steps * dt, e.end) or self.steps < 1:
            raise ConfigError(
                f"network.dt is {dt} ms, which does not divide encoding.end = {e.end} ms; change one of them"
            )
        self.target: Target = find_target(config.target, "slayer")
        self.slayer, self.torch = load_slayer(), load_torch()
        self.dataset: LatencyDataset | EventDataset = load_timed_dataset(config.data, e)
        self.layers = (self.dataset.n_in, *config.network.hidden, len(self.dataset.classes))
        self._check_memory()

    def _check_memory(self) -> None:
        """Refuse a network whose weights, or the states of a batch in all steps, do not fit, before any is made."""
        at_once = max(self.config.learning.batch, self.answered_at_once)
        states = min(at_once, self.n_train + len(self.dataset.test)) * self._states
        weights = sum(a * b for a, b in pairwise(self.layers))
        check_memory(
            states * _STATE_BYTES + weights * _WEIGHT_BYTES,
            f"a network of {'-'.join(map(str, self.layers))} in {self.steps} steps",
            "use fewer neurons (network.hidden), steps (encoding.end, network.dt) or samples at once (learning.batch)",
        )

    @property
    def _states(self) -> int:
        """Of all neurons in all steps of a sample."""
        return self.steps * sum(self.layers)

    @property
    def answered_at_once(self) -> int:
        """Samples: fewer of long trials, whose states would not fit."""
        return min(self.target.chunk, max(1, _MOST_STATES // self._states))

    def initial_weights(self) -> Arrays:
        """Uniform in +- initial_scale / sqrt(pre), as PyTorch's layers begin."""
        rng = np.random.default_rng([self.config.seed, 0])
        weights = {}
        for k, (pre, post) in enumerate(zip(self.layers[:-1], self.layers[1:], strict=True), 1):
            bound = self.config.network.initial_scale / np.sqrt(pre)
            weights[f"W{k}"] = rng.uniform(-bound, bound, (pre, post)).astype(np.float32)
        return weights

    def open(self, weights: Arrays, memory: Arrays) -> Session:
        """Blocks of lava-dl."""
        return _SLAYERSession(self, weights, memory)

    def infer(self, weights: Arrays, told: Count = uncounted) -> Inference:
        """Of the quantised weights; classes by the number of output spikes, of a tie the lowest."""
        with _SLAYERSession(self, weights, {}) as session:
            said, spikes = session.answers(self.dataset.test, told)
        synapses = [
            CountedSynapses(w, s) for (w, _), s in zip(device_layers(self.config, weights), spikes[:-1], strict=True)
        ]
        classes = said.argmax(axis=1)
        right = (classes == self.dataset.test.y) & (said.max(axis=1) > 0)
        return Inference(classes, right, synapses, spikes[1:], self.steps, said=said)

    def shown(self, weights: Arrays) -> Arrays:
        """In thresholds."""
        return {name: w / self.config.neuron.threshold for name, w in weights.items()}

    def spikes(self, weights: Arrays, sample: int) -> list[NDArray[np.uint8]]:
        """Spikes (steps, n) of every layer in a test sample, the input's first."""
        with _SLAYERSession(self, weights, {}) as session, self.torch.no_grad():
            layers = session.forward(self.inputs(self.dataset.test, np.array([sample])))
        return [layer[0].numpy().T.astype(np.uint8) for layer in layers]

    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """Where the samples come from."""
        return {"samples": self.dataset.source}

    def inputs(self, split: LatencySplit | EventSplit, chosen: Any) -> Any:
        """Spikes (samples, n_in, steps) of some samples, each in the step nearest to its time, once for an input."""
        dt, steps = self.config.network.dt, self.steps
        if isinstance(split, EventSplit):
            spikes = split.events.take(chosen).in_steps(dt, steps)
        else:
            spikes = step_spikes(split.times(chosen), dt, steps)
        return self.torch.from_numpy(np.ascontiguousarray(spikes.transpose(1, 2, 0)))


class _SLAYERSession(Session):
    def __init__(self, learner: SLAYERLearner, weights: Arrays, memory: Arrays) -> None:
        self._learner, self._config = learner, learner.config
        torch, slayer = learner.torch, learner.slayer
        self._threads = torch.get_num_threads()
        self._notes: list[str] = []
        torch.set_num_threads(self._config.learning.threads)
        self.blocks = blocks(self._config, weights)
        learning = self._config.learning
        self._optimizer = torch.optim.Adam(self._parameters(), lr=learning.rate)
        self._loss = slayer.loss.SpikeRate(learning.true_rate, learning.false_rate, reduction="sum")
        # PyTorch would begin Adam's moments at the first step; so, a session has all its memory from the beginning.
        self._write_memory(self._fresh_memory())
        if memory:
            take_memory(self._take_memory, memory)

    def _parameters(self) -> list[Any]:
        return [block.synapse.weight for block in self.blocks]

    def forward(self, x: Any) -> list[Any]:
        """Spikes of every layer, the input's first."""
        found = [x]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def train_epoch(self, epoch: int, advance: Callable[[int], None]) -> dict[str, Any]:
        """See `Session`."""
        torch, learner = self._learner.torch, self._learner
        split, batch = learner.dataset.train_of_epoch(self._config.seed, epoch), self._config.learning.batch
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(split))
        right, seconds, spiked = 0, 0.0, np.zeros(len(self.blocks), dtype=bool)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            begin = time.perf_counter()
            x, y = learner.inputs(split, chosen), torch.from_numpy(split.y[chosen])
            layers = self.forward(x)[1:]
            spikes = layers[-1]
            loss = self._loss(spikes, y)
            self._optimizer.zero_grad()
            loss.backward()
            self._check_gradient(epoch, float(loss.detach()))
            self._optimizer.step()
            seconds += time.perf_counter() - begin
            counts = spikes.detach().sum(dim=-1)
            right += int(((counts.argmax(dim=1) == y) & (counts.amax(dim=1) > 0)).sum())  # silence is never right
            spiked |= [bool(layer.detach().any()) for layer in layers]
            advance(len(chosen))
        self._notes = [
            f"layer {k} of {len(self.blocks)} did not spike once in epoch {epoch}: start from larger weights "
            f"(network.initial_scale), or lower neuron.threshold"
            for k in np.flatnonzero(~spiked)[:1] + 1
        ]
        return {"train_accuracy": right / len(order), "seconds_learning": seconds}

    def _check_gradient(self, epoch: int, loss: float) -> None:
        """Refuse a step that would leave weights without numbers; it is not made."""
        total = sum(float(w.grad.abs().sum()) for w in self._parameters())
        if not np.isfinite(total) or not np.isfinite(loss):
            raise InputError(
                f"in epoch {epoch} the loss is {loss:g}, and the sum of all gradients {total:g}: there is no step to "
                f"make; lower neuron.scale_grad, learning.rate or network.initial_scale, or raise neuron.tau_grad"
            )

    def notes(self) -> list[str]:
        """See `Session`."""
        return self._notes

    def evaluate(self, split: str, told: Count = uncounted) -> dict[str, Any]:
        """See `Session`."""
        samples: LatencySplit | EventSplit = getattr(self._learner.dataset, split)
        counts, _ = self.answers(samples, told)
        best = counts.max(axis=1)
        label_best = (counts[np.arange(len(samples)), samples.y] == best) & (best > 0)  # silence is never right
        ties = (counts == best[:, None]).sum(axis=1) > 1
        return {
            f"{split}_accuracy": float((label_best & ~ties).mean()),
            f"{split}_accuracy_ties_right": float(label_best.mean()),
            f"{split}_ties": int(ties.sum()),
        }

    def answers(
        self, samples: LatencySplit | EventSplit, told: Count = uncounted
    ) -> tuple[NDArray[Any], list[NDArray[np.int64]]]:
        """Output spikes (samples, classes), and spikes of every neuron of every layer, the input's first."""
        said, totals = [], [np.zeros(n, dtype=np.int64) for n in self._learner.layers]
        with self._learner.torch.no_grad():
            for part in parts(len(samples), self._learner.answered_at_once, told):
                chosen = np.arange(part.start, part.stop)
                layers = [layer.numpy() for layer in self.forward(self._learner.inputs(samples, chosen))]
                said.append(layers[-1].sum(axis=-1))
                for total, spikes in zip(totals, layers, strict=True):
                    total += spikes.sum(axis=(0, 2)).astype(np.int64)
        return np.concatenate(said), totals

    def read_weights(self) -> Arrays:
        """See `Session`; in full precision."""
        return {f"W{k}": w.detach().numpy().reshape(w.shape[:2]).T.copy() for k, w in enumerate(self._parameters(), 1)}

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """See `Session`."""
        for k, own in enumerate(self._parameters(), 1):
            set_weights(own, weights[f"W{k}"])

    def read_memory(self) -> Arrays:
        """See `Session`: Adam's moments and steps."""
        state = self._optimizer.state_dict()["state"]
        return {f"{key}{k}": np.array(value) for k, entry in state.items() for key, value in entry.items()}

    def _fresh_memory(self) -> Arrays:
        memory: Arrays = {}
        for k, w in enumerate(self._parameters()):
            zeros = np.zeros(tuple(w.shape), np.float32)
            memory |= {f"step{k}": np.zeros((), np.float32), f"exp_avg{k}": zeros, f"exp_avg_sq{k}": zeros}
        return memory

    def _take_memory(self, memory: Arrays) -> None:
        """Memory of another session, if there is nothing wrong with it."""
        check_arrays(memory, self._fresh_memory(), "Adam's memory", "this network needs")
        for k in range(len(self.blocks)):
            for name in (f"step{k}", f"exp_avg_sq{k}"):
                check_within(memory[name], 0, np.inf, f"Adam's memory: {name}")
        self._write_memory(memory)

    def _write_memory(self, memory: Arrays) -> None:
        torch, content = self._learner.torch, self._optimizer.state_dict()
        keys = ("step", "exp_avg", "exp_avg_sq")
        content["state"] = {
            k: {key: torch.from_numpy(np.array(memory[f"{key}{k}"])) for key in keys} for k in range(len(self.blocks))
        }
        self._optimizer.load_state_dict(content)

    def close(self) -> None:
        """See `Session`."""
        self._learner.torch.set_num_threads(self._threads)
