"""EventProp on Lava's CPU simulator, with the interface of the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_labels
from lava_nbp.base.targets import find_target
from lava_nbp.eventprop.clocked.arithmetic import Int64Array
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import SpikeTrains
from lava_nbp.executors.lava_session import CAPACITY, LavaSession, granularity_of
from lava_nbp.on_lava.clock import Granularity
from lava_nbp.processes import EventPropNetwork, LatencySource


class LavaEventProp(LavaSession):
    """`LatencySource` -> `EventPropNetwork` on Lava's CPU simulator; a context manager.

    Parameters
    ----------
    weights, setup, largest
        As for `EventPropNetwork`.
    target : str
        One of Lava's targets: one Lava process for the network and a sample per Lava step, or a network of parts that
        exchange every message.
    granularity : {"sample", "step"}, optional
        What one Lava step is: that of the target, which has no other.
    timeout : float, optional
        Longest time in seconds for one run of up to 500 samples.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        setup: Setup,
        *,
        largest: Sequence[float] | None = None,
        target: str = "lava",
        granularity: Granularity | None = None,
        timeout: float | None = None,
    ) -> None:
        entry = find_target(target, "eventprop")
        chosen = granularity_of(entry, granularity)
        self.setup = setup
        self.network = EventPropNetwork(weights, setup, largest=largest, granularity=chosen, capacity=CAPACITY)
        self._n_classes = self.network.engine.sizes[-1]
        self._source = LatencySource(
            self.network.engine.sizes[0], self._n_classes, setup.c, granularity=chosen, capacity=CAPACITY
        )
        self._source.s_out.connect(self.network.s_in)
        self._source.label_out.connect(self.network.label_in)
        super().__init__(entry, self.network, setup.c.period, chosen, CAPACITY, timeout, self._compile_kernels)

    def _compile_kernels(self) -> None:
        self.network.engine.run_sample(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
        self.network.engine.forget()

    # ---------------------------------------------------------------- weights

    @property
    def masters(self) -> list[Int64Array]:
        """Full-precision weights by layer, 20 fractional bits."""
        return self.network.engine.masters

    @property
    def exponents(self) -> list[int]:
        """Of the 8-bit weights."""
        return self.network.engine.exponents

    def write_masters(self, masters: Sequence[Int64Array]) -> None:
        """Replace the full-precision weights."""
        self.check_open()
        self.network.write_masters(masters)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of what training has to remember beside the weights; as `ClockedEngine.state`."""
        return self.network.engine.state()

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state; as `ClockedEngine.load_state`."""
        self.check_open()
        self.network.engine.load_state(state)

    # ---------------------------------------------------------------- running

    def infer(self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None) -> Result:
        """Run samples without learning; by default all."""
        self.check_open()
        self.network.control.batch[0] = 0
        chosen = np.arange(len(trains)) if samples is None else np.asarray(samples)
        return self._run(trains, None, chosen)

    def train_batch(self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64], rate: float) -> Result:
        """One step of the optimizer along the summed gradient of a batch.

        Raises
        ------
        InputError
            For labels outside the classes, or spikes that are outside the window, or two of one input.
        RuntimeFailure
            If a Process failed: a current or a buffer has overflowed.
        """
        self.check_open()
        checked = check_labels(labels, len(trains), self._n_classes)
        self.network.control.set(len(samples), rate)
        return self._run(trains, checked, np.asarray(samples))

    def _run(self, trains: SpikeTrains, labels: NDArray[np.int64] | None, samples: NDArray[np.int64]) -> Result:
        def load(part: slice) -> None:
            chosen = samples[part]
            spans = [slice(trains.offsets[s], trains.offsets[s + 1]) for s in chosen]
            self._source.load(
                [(self.setup.c.steps_of(trains.times[span]), trains.sources[span]) for span in spans],
                None if labels is None else labels[chosen],
            )
            self.network.rewind()

        def read(_: int) -> tuple[Any, int]:
            return self.network.answers, self.network.tally["most_spikes"]

        before, found = self.network.tally, self.run_parts(len(samples), load, read)
        done = self.network.tally
        answers = np.concatenate([np.zeros((0, self._n_classes), np.int64), *(answer for answer, _ in found)])
        return Result(
            self.network.engine.said(answers),
            voltages=not isinstance(self.setup.loss, TTFSLoss),
            most_spikes=max((most for _, most in found), default=0),
            **{name: number - before[name] for name, number in done.items() if name != "most_spikes"},
        )
