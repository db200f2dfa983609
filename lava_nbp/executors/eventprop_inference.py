"""EventProp, trained elsewhere, answered by Lava's stock Processes, on the CPU simulator or on a chip."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.targets import TARGETS, find_target
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import Int64Array
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.trains import SpikeTrains
from lava_nbp.eventprop.trains_check import check_samples
from lava_nbp.executors.lava_session import LavaSession, check_open, granularity_of
from lava_nbp.loihi.eventprop_lowering import LoweredEventProp, lower_eventprop
from lava_nbp.loihi.eventprop_stock import port_of
from lava_nbp.loihi.host import BoardAddress, connect, default_address, require_lava_loihi
from lava_nbp.on_lava.clock import Granularity
from lava_nbp.on_lava.model_choice import check_in_process
from lava_nbp.on_lava.watched_runtime import check_timeout
from lava_nbp.processes import SpikeRaster, SpikeSource
from lava_nbp.processes.eventprop_inference import EventPropInference

#: Lava steps from the first of a sample to that of step 0: the source waits for one, and its spikes travel for one.
_BEFORE = 2
#: Most spikes of an input in a step, as a graded spike.
_MOST_AT_ONCE = 255


class _Session(LavaSession):
    """`SpikeSource` -> `EventPropInference` -> `SpikeRaster`, started; a sample at a time."""

    def __init__(
        self, lowered: LoweredEventProp, setup: Setup, graded: bool, target: Any, options: Mapping[str, Any]
    ) -> None:
        c, n_out = setup.c, lowered.answering[-1].size
        self.graded = graded
        self.network = EventPropInference(lowered, graded=graded)
        self._source = SpikeSource(lowered.n_in, n_out, c, granularity="step", capacity=1)
        shown = lowered.answering if target.on_chip else lowered.groups
        self._raster = SpikeRaster({g.name: (g.size,) for g in shown}, steps=_BEFORE + c.steps)
        self._source.s_out.connect(self.network.s_in)
        for g in shown:
            getattr(self.network, port_of(lowered, g)).connect(getattr(self._raster, f"{g.name}_in"))
        super().__init__(target, self.network, _BEFORE + c.steps - 1, "step", 1, **options)

    def sample(self, steps: Int64Array, inputs: Int64Array) -> dict[str, NDArray[np.uint8]]:
        """Spikes (T, n) of every layer that is seen; one sample after the other is forgotten.

        Those of a ladder are (T, n, rungs).
        """
        self.begin()
        for process in (self.network, self._source, self._raster):
            process.reset()

        def load(_: slice) -> None:
            self._source.load([(steps, inputs)])

        (found,) = self.run_parts(1, load, lambda _: self._raster.spikes)
        seen = {name: rows[_BEFORE:] for name, rows in found.items()}
        if not self.network.lowered.rungs:
            return seen
        ladder = np.stack([seen.pop(g.name) for g in self.network.lowered.answering], axis=-1)
        return {**seen, "output": ladder}


class EventPropInferenceExecutor:
    """A trained clocked network of the chip's neurons, answered spike for spike as `ClockedEngine` does.

    Parameters
    ----------
    weights, setup
        As for `ClockedEngine`; neurons must be the chip's (`FixedPoint` with neuron = "loihi"), and answer by spikes.
    target : str
        "lava-stock", or a chip.
    granularity : {"step"}, optional
        What one Lava step is; there is no other.
    timeout : float, optional
        Longest time in seconds for a sample; not on a chip.
    in_process : bool, optional
        Whether all models run in one process, see `LavaRuntime`; not on a chip.
    address : BoardAddress, optional
        For chips: which board.
    **network
        Recurrent weights, delays and what else `ClockedEngine` takes.

    Raises
    ------
    InputError
        For a network that the chip does not have.
    MissingLoihiError
        For a chip without lava-loihi, or without a board.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        setup: Setup,
        *,
        target: str = "lava-stock",
        granularity: Granularity | None = None,
        timeout: float | None = None,
        in_process: bool | None = None,
        address: BoardAddress | None = None,
        **network: Any,
    ) -> None:
        self._target = find_target(target, "eventprop")
        if "eventprop" not in self._target.answers_only:
            those = ", ".join(name for name, entry in TARGETS.items() if "eventprop" in entry.answers_only)
            raise InputError(f"target {target} is not made of Lava's stock Processes; use one of {those}")
        granularity_of(self._target, granularity)
        self._options = {"timeout": check_timeout(timeout), "in_process": check_in_process(in_process)}
        self.setup = setup
        self._engine = ClockedEngine(weights, setup, **network)
        lowered = lower_eventprop(self._engine)  # refused here, if it is
        if self._target.on_chip:
            lowered.check_chip()
            require_lava_loihi(target)
            connect(address or default_address(target))
        self._session: _Session | None = None
        self._closed, self._pid = False, os.getpid()

    @property
    def masters(self) -> list[Int64Array]:
        """As of `ClockedEngine`."""
        return self._engine.masters

    @property
    def exponents(self) -> list[int]:
        """Of the 8-bit weights."""
        return self._engine.exponents

    @property
    def forward_weights(self) -> list[Int64Array]:
        """As of `ClockedEngine`; on the simulator what Lava's models hold, once they run."""
        stock = None if self._session is None else self._session.network.stock
        if stock is None or self._target.on_chip:
            return self._engine.forward_weights
        # Of rungs, which have the same, those of the last.
        held = {name.partition("_")[0]: w for name, w in stock.read().items()}
        return list(held.values())

    @property
    def delays(self) -> list[Int64Array | None]:
        """As of `ClockedEngine`."""
        return self._engine.delays

    def write_masters(self, masters: Sequence[Int64Array]) -> None:
        """Replace weights and learned delays; the network is loaded anew if delays have changed."""
        self._engine.write_masters(masters)
        if self._session is not None:
            lowered = lower_eventprop(self._engine)
            if lowered.has_form_of(self._session.network.lowered):
                self._session.network.write(lowered)
            else:
                self._end()

    def infer(self, trains: SpikeTrains, samples: NDArray[np.int64] | None = None) -> Result:
        """Run samples; by default all.

        Raises
        ------
        InputError
            As `ClockedEngine.infer`, and for more spikes of an input in a step than the target has messages for.
        RuntimeFailure
            If a Process failed, or it is closed.
        """
        check_open(self._closed, self._pid)
        trains, chosen = check_samples(trains, samples, self._engine.sizes[0], self.setup.c.end)
        every = [self._spikes_of(trains, int(k)) for k in chosen]  # all are looked at before the first is run
        said = [self._answer(self._run(*one)["output"]) for one in every]
        empty = np.zeros((0, self._engine.sizes[-1]), dtype=np.int64)
        answers = np.concatenate([empty, *(row[None] for row in said)])
        return Result(self._engine.said(answers), voltages=self.setup.ladder is not None)

    def _answer(self, spikes: NDArray[np.uint8]) -> Int64Array:
        """What the output's spikes say: of a ladder how many rungs spiked at all, else steps of first spikes."""
        spiked = spikes.any(axis=0)
        if self.setup.ladder is not None:
            return np.asarray(spiked.sum(axis=-1), dtype=np.int64)
        return np.where(spiked, spikes.argmax(axis=0), self.setup.c.steps)

    def spikes(self, trains: SpikeTrains, sample: int) -> dict[str, NDArray[np.uint8]]:
        """Spikes (T, n) of one sample: of the output, and on the simulator of every hidden layer.

        Those of an output with a ladder are (T, n, rungs).

        Raises
        ------
        InputError, RuntimeFailure
            As `infer`.
        """
        check_open(self._closed, self._pid)
        trains, chosen = check_samples(trains, np.array([sample]), self._engine.sizes[0], self.setup.c.end)
        return self._run(*self._spikes_of(trains, int(chosen[0])))

    def _run(self, steps: Int64Array, inputs: Int64Array, often: int) -> dict[str, NDArray[np.uint8]]:
        """Run a sample; the network is made anew if so many spikes of an input in a step need other messages."""
        if self._session is not None and often > 1 and not self._session.graded:
            self._end()
        if self._session is None:
            lowered = lower_eventprop(self._engine)
            self._session = _Session(lowered, self.setup, often > 1, self._target, self._options)
        return self._session.sample(steps, inputs)

    def _spikes_of(self, trains: SpikeTrains, sample: int) -> tuple[Int64Array, Int64Array, int]:
        """Steps and inputs of a sample's spikes, and how many an input has in a step at most."""
        one = trains.take(np.array([sample]))
        steps, inputs = self.setup.c.steps_of(one.times), one.sources
        keys, counts = np.unique(steps * self._engine.sizes[0] + inputs, return_counts=True)
        most = int(counts.max(initial=0))
        limit = 1 if self._target.name == "loihi1" else _MOST_AT_ONCE
        if most > limit:
            step, unit = divmod(int(keys[counts.argmax()]), self._engine.sizes[0])
            raise InputError(
                f"sample {sample}: input {unit} has {most} spikes in step {step}, but target {self._target.name} has "
                f"messages for {limit}; answer with target clocked{' or loihi2' if limit == 1 else ''}, or train with "
                f"shorter steps (clocked.dt)"
            )
        return steps, inputs, most

    def train_batch(self, trains: SpikeTrains, labels: Any, samples: Any, rate: float) -> Result:
        """Raise InputError: this target does not learn."""
        raise InputError(
            f"target {self._target.name} answers, but does not learn, EventProp networks; train with target clocked"
            f"{f' ({instead})' if (instead := self._target.instead) else ''}"
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """As `ClockedEngine.state`."""
        return self._engine.state()

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """As `ClockedEngine.load_state`."""
        self._engine.load_state(state)

    def _end(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def close(self) -> None:
        """Stop the Lava runtime; doing it twice is harmless."""
        self._closed = True
        self._end()

    def __enter__(self) -> EventPropInferenceExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
