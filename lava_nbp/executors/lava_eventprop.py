"""EventProp on Lava's CPU simulator, with the interface of the engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_labels
from lava_nbp.base.targets import find_target
from lava_nbp.base.widths import DELAY_MAX
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import Int64Array
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.tally import Counts, since, total
from lava_nbp.eventprop.trains import SpikeTrains
from lava_nbp.eventprop.trains_check import check_batch, check_samples
from lava_nbp.executors.lava_session import CAPACITY, LavaSession, granularity_of
from lava_nbp.on_lava.clock import Granularity
from lava_nbp.processes import EventPropNetwork, SpikeSource

#: Spikes per run of the Lava runtime.
ROOM = 1 << 22


class LavaEventProp(LavaSession):
    """`SpikeSource` -> `EventPropNetwork` on Lava's CPU simulator; a context manager.

    Parameters
    ----------
    weights, setup, recurrent, largest, delays, recurrent_delays, delay_rate, longest_delay
        As for `EventPropNetwork`.
    target : str
        One of Lava's targets: one Lava process for the network and a sample per Lava step, or a network of parts that
        exchange every message.
    granularity : {"sample", "step"}, optional
        What one Lava step is: that of the target, which has no other.
    timeout : float, optional
        Longest time in seconds for one run of up to 500 samples.
    in_process : bool, optional
        Whether all models run in one process, see `LavaRuntime`.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        setup: Setup,
        *,
        recurrent: Sequence[Any] | None = None,
        largest: Sequence[float] | None = None,
        delays: Sequence[Any] | None = None,
        recurrent_delays: Sequence[Any] | None = None,
        delay_rate: float = 0.0,
        longest_delay: int = DELAY_MAX,
        target: str = "lava",
        granularity: Granularity | None = None,
        timeout: float | None = None,
        in_process: bool | None = None,
    ) -> None:
        entry = find_target(target, "eventprop")
        chosen = granularity_of(entry, granularity)
        self.setup = setup
        self.network = EventPropNetwork(
            weights, setup, recurrent=recurrent, largest=largest, delays=delays, recurrent_delays=recurrent_delays,
            delay_rate=delay_rate, longest_delay=longest_delay, granularity=chosen, batch=0, capacity=CAPACITY,
        )  # fmt: skip
        self._n_classes = self.network.engine.sizes[-1]
        self._source = SpikeSource(
            self.network.engine.sizes[0], self._n_classes, setup.c, granularity=chosen, capacity=CAPACITY, room=ROOM
        )
        self._source.s_out.connect(self.network.s_in)
        self._source.label_out.connect(self.network.label_in)
        super().__init__(
            entry, self.network, setup.c.period, chosen, CAPACITY, timeout, in_process, self._compile_kernels
        )

    def _compile_kernels(self) -> None:
        self.network.engine.run_sample(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
        self.network.engine.forget()

    # ---------------------------------------------------------------- weights

    @property
    def masters(self) -> list[Int64Array]:
        """What is learned, in full precision; as of `ClockedEngine`."""
        return self.network.engine.masters

    @property
    def exponents(self) -> list[int]:
        """Of the 8-bit weights."""
        return self.network.engine.exponents

    def write_masters(self, masters: Sequence[Int64Array]) -> None:
        """Replace what is learned, in full precision."""
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
        """Run samples without learning; by default all.

        Raises
        ------
        InputError
            For trains or samples that there cannot be, see `trains_check.check_samples`, spikes that are outside the
            window, or a sample of more than `ROOM`.
        RuntimeFailure
            If a Process failed: a current has overflowed, or spikes need more memory than the limit.
        """
        self.check_open()
        trains, chosen = check_samples(trains, samples, self.network.engine.sizes[0], self.setup.c.end)
        self.network.control.batch[0] = 0
        return self._run(trains, None, chosen)

    def train_batch(self, trains: SpikeTrains, labels: Any, samples: NDArray[np.int64], rate: float) -> Result:
        """One step of the optimizer along the summed gradient of a batch.

        Raises
        ------
        InputError
            As `infer`, and for labels outside the classes, a batch without samples, or a rate that is not positive or
            beyond what integers hold.
        RuntimeFailure
            As `infer`.
        """
        self.check_open()
        trains, chosen = check_batch(trains, samples, self.network.engine.sizes[0], self.setup.c.end)
        self.network.engine.check_rate(len(chosen), rate)
        checked = check_labels(labels, len(trains), self._n_classes)
        self.network.control.set(len(chosen), rate)
        return self._run(trains, checked, chosen)

    def _run(self, trains: SpikeTrains, labels: NDArray[np.int64] | None, samples: NDArray[np.int64]) -> Result:
        chosen = trains.take(samples)
        steps, begins = self.setup.c.steps_of(chosen.times), chosen.offsets
        groups = _groups(begins, samples)

        def load(first: int, part: slice) -> None:
            rows = range(first + part.start, first + part.stop)
            spans = [slice(begins[row], begins[row + 1]) for row in rows]
            self._source.load(
                [(steps[span], chosen.sources[span]) for span in spans],
                None if labels is None else labels[samples[rows.start : rows.stop]],
            )
            self.network.rewind()

        def read(_: int) -> tuple[Any, Counts]:
            return self.network.answers, Counts(**self.network.tally)

        before, found = Counts(**self.network.tally), []
        for first, end in groups:
            found += self.run_parts(end - first, partial(load, first), read)
        tallies = [before, *(tally for _, tally in found)]
        counted = total([Counts(), *(since(a, b) for a, b in pairwise(tallies))])
        if labels is None:  # parts go back through every sample, with errors of 0 here; engines do not
            counted = counted._replace(clipped=0)
        answers = np.concatenate([np.zeros((0, self._n_classes), np.int64), *(answer for answer, _ in found)])
        return Result(
            self.network.engine.said(answers),
            voltages=not isinstance(self.setup.loss, TTFSLoss),
            **counted._asdict(),
        )


def _groups(begins: NDArray[np.int64], samples: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Rows of samples, first and behind the last, whose spikes fit at once.

    Raises
    ------
    InputError
        For a sample that does not fit alone.
    """
    most = int(np.diff(begins).max(initial=0))
    if most > ROOM:
        sample = samples[int(np.diff(begins).argmax())]
        raise InputError(f"sample {sample} has {most} spikes, but Lava's targets take {ROOM}; use target clocked")
    groups, first = [], 0
    while first < len(samples):
        end = int(np.searchsorted(begins, begins[first] + ROOM, side="right")) - 1
        groups.append((first, end))
        first = end
    return groups
