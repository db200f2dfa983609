"""nBP on Lava: source, network and sink as Processes, with the interface of every executor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer
from lava_nbp.base.integers import Int16Array
from lava_nbp.base.targets import find_target
from lava_nbp.executors.lava_session import CAPACITY, LavaSession, check_open, granularity_of
from lava_nbp.loihi.host import BoardAddress, connect, default_address, microcode, require_lava_loihi
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.draws import check_epoch
from lava_nbp.nbp.executor import Executor, Outcome, UInt8Array, empty_answers
from lava_nbp.nbp.paper import inference_circuit
from lava_nbp.nbp.partition import check_for_chip
from lava_nbp.nbp.projections import Projections
from lava_nbp.nbp.spiking_engine import SpikingEngine
from lava_nbp.on_lava.clock import Granularity
from lava_nbp.on_lava.model_choice import check_in_process
from lava_nbp.on_lava.watched_runtime import check_timeout
from lava_nbp.processes import NBPNetwork, SampleSink, SampleSource


class CircuitSession(LavaSession):
    """One circuit on Lava: `SampleSource` -> `NBPNetwork` -> `SampleSink`, started.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    weights : mapping
        Initial matrices.
    target : str
        Which models run: one of Lava's targets, or a chip, which shows no membrane and no raster.
    granularity : {"step", "sample"}, optional
        What one Lava step is; the results are the same. Default: "sample" where the target can.
    timeout : float, optional
        Longest time in seconds for one run of up to `capacity` samples.
    in_process : bool, optional
        Whether all models run in one process, see `LavaRuntime`; not on a chip.
    raster : bool
        Also keep every spike of the last `capacity` samples, see `SampleSink.raster`.
    capacity : int
        Samples per run of the runtime.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Mapping[str, Any],
        target: str = "lava",
        *,
        granularity: Granularity | None = None,
        timeout: float | None = None,
        in_process: bool | None = None,
        raster: bool = False,
        capacity: int = CAPACITY,
    ) -> None:
        entry = find_target(target, "nbp")
        chosen = granularity_of(entry, granularity)
        self.network = NBPNetwork(circuit=circuit, weights=weights, granularity=chosen)
        self._source = SampleSource(circuit=circuit, granularity=chosen, capacity=capacity)
        self.sink = SampleSink(circuit=circuit, granularity=chosen, capacity=capacity, raster=raster)
        for source in circuit.sources:
            getattr(self._source, f"{source.name}_out").connect(self.network.source_in(source.name))
        self.network.s_out.connect(self.sink.s_in)
        self._shows_membrane = not entry.on_chip  # a chip sends spikes only
        if self._shows_membrane:
            self.network.a_out.connect(self.sink.a_in)
        if raster:
            self.network.raster_out.connect(self.sink.raster_in)
        super().__init__(entry, self.network, circuit.period, chosen, capacity, timeout, in_process, compile_kernels)

    def reset(self, epoch: int = 0) -> None:
        """Forget spikes under way: the next sample starts from phase 0, and is the first of an epoch."""
        self.begin()
        self.network.begin_epoch(epoch)
        for process in (self._source, self.sink):
            process.reset()

    def run(self, *spikes: UInt8Array) -> Outcome:
        """Run samples, an array per source, and return their answers."""

        def load(part: slice) -> None:
            self._source.load(*(array[part] for array in spikes))
            self.sink.rewind()

        def read(n: int) -> tuple[UInt8Array, Any]:
            return self.sink.spikes[:n].copy(), self.sink.membrane[:n].copy()

        none = empty_answers(0, self.network.circuit.layers[-1])
        fired, membrane = zip(none, *self.run_parts(len(spikes[0]), load, read), strict=True)
        return Outcome(np.concatenate(fired), np.concatenate(membrane) if self._shows_membrane else None)


@cache
def compile_kernels() -> None:
    """Compile here, once, what the engine in a child needs: it inherits by forking what its parent has compiled."""
    circuit = inference_circuit(1, 1, 1)
    engine = SpikingEngine(Projections(circuit, {name: np.zeros((1, 1), np.int16) for name in circuit.matrix_shapes}))
    engine.run(np.ones((1, 1), np.uint8), record=True)
    engine.step(np.ones(1, np.uint8))


class LavaExecutor(Executor):
    """Runs a circuit, and for answers what is cut out of it, on Lava's CPU simulator or on a chip.

    On the simulator both networks run side by side, each in its own Lava runtime; the weights go
    from one to the other in bulk. On a chip they take turns: whichever is needed is loaded,
    with the weights that were read back from the other. No chip has run this yet.

    Parameters
    ----------
    circuit, weights
        As for every `Executor`.
    target : str
        One of Lava's targets: one Lava process for the network, a network of the library's parts, or of Lava's stock
        processes; or a chip, which has the latter.
    granularity : {"step", "sample"}, optional
        What one Lava step is. Default: "sample", and "step" for the targets that have no other.
    timeout : float, optional
        Longest time in seconds for one run of up to 500 samples; not on a chip.
    in_process : bool, optional
        Whether all models run in one process, see `LavaRuntime`; not on a chip.
    address : BoardAddress, optional
        For chips: which board; see `lava_nbp.loihi.host`.
    chunk : int
        Samples that are loaded and run at once.

    Raises
    ------
    InputError
        For a granularity that the target does not have, or a timeout or chunk that is not positive.
    RuntimeFailure
        When it is used: a Process failed, or it is closed, or used in a fork of the process that made it.
    MissingLoihiError
        For a chip without lava-loihi, or without a board.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Mapping[str, Any],
        *,
        target: str = "lava",
        granularity: Granularity | None = None,
        timeout: float | None = None,
        in_process: bool | None = None,
        address: BoardAddress | None = None,
        chunk: int = CAPACITY,
    ) -> None:
        self._target = entry = find_target(target, "nbp")
        granularity_of(entry, granularity)  # refused before anything is started
        check_timeout(timeout)
        check_in_process(in_process)
        check_integer(chunk, 1, None, "chunk", "it is a number of samples")
        self.counts_updates = self.counts_breaches = entry.counts_work
        if entry.on_chip:
            check_for_chip(circuit, f"the processes of target {target!r}")
            require_lava_loihi(target)
            connect(address or default_address(target))
        self._closed, self._pid, self._epoch = False, os.getpid(), 0
        self._options: dict[str, Any] = {
            "target": target, "granularity": granularity, "timeout": timeout, "in_process": in_process,
            "capacity": chunk,
        }  # fmt: skip
        self._training: CircuitSession | None = None
        self._inference: CircuitSession | None = None
        super().__init__(circuit, weights)

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        self._weights = weights
        self._copies: dict[str, Int16Array] = {}
        if self.circuit.learning and not self._target.chip_order:
            self._start_training()

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        check_open(self._closed, self._pid)
        self._weights, self._copies = weights, {}
        if self._training is not None:
            self._training.network.write_weights(weights)

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of the matrices."""
        if self._training is not None:
            self._weights = self._training.network.read_weights()
        return {name: w.copy() for name, w in self._weights.items()}

    def read_copies(self) -> dict[str, Int16Array]:
        """See `Executor`."""
        if self._training is not None:
            self._copies = self._training.network.read_copies()
        return self._copies

    def write_copies(self, copies: Mapping[str, Any]) -> None:
        """See `Executor`."""
        self._start_training().network.write_copies(copies)
        self._copies = dict(copies)

    def begin_epoch(self, epoch: int = 0) -> None:
        """Forget spikes under way and start the chain anew."""
        check_open(self._closed, self._pid)
        self._epoch = epoch = check_epoch(epoch)
        if self._target.on_chip:
            self._stop_training()  # a network that is loaded anew starts from phase 0
        elif self._training is not None:
            self._training.reset(epoch)

    def _train(self, *spikes: UInt8Array) -> Outcome:
        session = self._start_training()
        outcome = session.run(*spikes)
        self.work.take(session.network.counters)
        return outcome

    def _infer(self, *spikes: UInt8Array) -> Outcome:
        check_open(self._closed, self._pid)
        answering, held = self.circuit.answering, self.read_weights()
        weights = {name: held[name] for name in answering.matrix_shapes}
        if self._target.on_chip:
            self._stop_training()
        if self._inference is None:
            self._inference = CircuitSession(answering, weights, **self._options)
        self._inference.network.write_weights(weights)
        self._inference.reset()
        return self._inference.run(*spikes)

    def _start_training(self) -> CircuitSession:
        """The training network; targets in the chip's order make it when it is needed, for weights that only infer."""
        check_open(self._closed, self._pid)
        if self._training is None:
            if self._target.on_chip:
                microcode()  # known to be missing before anything is loaded
                if self._inference is not None:
                    self._inference.close()
                    self._inference = None
            self._training = CircuitSession(self.circuit, self._weights, **self._options)
            self._training.network.write_copies(self._copies)
            self._training.network.begin_epoch(self._epoch)
        return self._training

    def _stop_training(self) -> None:
        if self._training is not None:
            self._weights, self._copies = self.read_weights(), self.read_copies()
            self._training.close()
            self._training = None

    @property
    def processes(self) -> int:
        """Operating-system processes that run the models of the training network, source and sink included."""
        processes: int = self._start_training().runtime.processes
        return processes

    def close(self) -> None:
        """Stop both Lava runtimes; doing it twice is harmless."""
        self._closed = True
        with contextlib.ExitStack() as both:
            for session in (self._training, self._inference):
                if session is not None:
                    both.callback(session.close)
