"""The Lava executor: source, network and sink as Processes on Lava's CPU simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lava_nbp.base.integers import Int16Array
from lava_nbp.base.targets import CHIP_ORDER_TARGETS, CHIP_TARGETS, STEP_TARGETS
from lava_nbp.errors import InputError
from lava_nbp.executors.chip import ChipRuntime
from lava_nbp.loihi.host import BoardAddress, connect, default_address, microcode, require_lava_loihi
from lava_nbp.nbp.circuit import Circuit, inference_circuit
from lava_nbp.nbp.executor import Executor, Outcome, UInt8Array
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.spiking_engine import SpikingEngine
from lava_nbp.on_lava.clock import Granularity
from lava_nbp.on_lava.model_choice import make_run_config
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import NBPNetwork, SampleSink, SampleSource

#: Samples per run of the Lava runtime; between runs new ones are loaded.
_CAPACITY = 500


class LavaSession:
    """One circuit on Lava's CPU simulator: `SampleSource` -> `NBPNetwork` -> `SampleSink`, started.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    weights : mapping
        Initial W1 and W2.
    granularity : {"step", "sample"}
        What one Lava step is; the results are the same.
    timeout : float, optional
        Longest time in seconds for one run of up to `capacity` samples.
    raster : bool
        Also keep every spike of the last `capacity` samples, see `SampleSink.raster`.
    capacity : int
        Samples per run of the runtime.
    target : {"lava", "lava-primitives", "lava-stock", "loihi1", "loihi2"}
        Which models run; all but "lava" need granularity "step". A chip shows no membrane and no raster.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Mapping[str, Any],
        granularity: Granularity = "sample",
        timeout: float | None = None,
        raster: bool = False,
        capacity: int = _CAPACITY,
        target: str = "lava",
    ) -> None:
        self._compile_kernels()
        on_chip = target in CHIP_TARGETS
        self.network = NBPNetwork(circuit=circuit, weights=weights, granularity=granularity)
        self._source = SampleSource(circuit=circuit, granularity=granularity, capacity=capacity)
        self.sink = SampleSink(circuit=circuit, granularity=granularity, capacity=capacity, raster=raster)
        self._source.x_out.connect(self.network.x_in)
        if len(circuit.sources) > 1:
            self._source.t_out.connect(self.network.t_in)
        self.network.s_out.connect(self.sink.s_in)
        if not on_chip:  # a chip sends spikes only
            self.network.a_out.connect(self.sink.a_in)
        if raster:
            self.network.raster_out.connect(self.sink.raster_in)
        self._steps_per_sample = 1 if granularity == "sample" else circuit.period
        self._capacity = capacity
        self._shows_membrane = not on_chip
        self.runtime: Any = (
            ChipRuntime(self.network, target)
            if on_chip
            else LavaRuntime(self.network, make_run_config(target), timeout)
        )
        self.reset()

    @staticmethod
    def _compile_kernels() -> None:
        """Compile here, once: children inherit by forking what the parent has compiled."""
        one = {"W1": np.zeros((1, 1), np.int16), "W2": np.zeros((1, 1), np.int16)}
        engine = SpikingEngine(inference_circuit(1, 1, 1), one)
        engine.run(np.zeros((0, 1), np.uint8))
        engine.step(np.zeros(1, np.uint8))

    def reset(self) -> None:
        """Forget spikes under way: the next sample starts from phase 0."""
        for process in (self.network, self._source, self.sink):
            process.reset()
        self._fresh = True

    def run(self, x: UInt8Array, t: UInt8Array | None = None) -> Outcome:
        """Run samples and return their answers."""
        spikes, membrane = [], []
        for start in range(0, len(x), self._capacity):
            part = slice(start, start + self._capacity)
            n = len(x[part])
            self._source.load(x[part], None if t is None else t[part])
            self.sink.rewind()
            first = self._fresh and self._steps_per_sample > 1  # phase 0, a Lava step of its own
            self.runtime.run(n * self._steps_per_sample + first)
            self._fresh = False
            spikes.append(self.sink.spikes[:n].copy())
            membrane.append(self.sink.membrane[:n].copy())
        n_out = self.network.circuit.layers[-1]
        return Outcome(
            np.concatenate([np.zeros((0, n_out), np.uint8), *spikes]),
            np.concatenate([np.zeros((0, n_out), np.int32), *membrane]) if self._shows_membrane else None,
        )

    def close(self) -> None:
        """Stop the Lava runtime."""
        self.runtime.stop()


class LavaExecutor(Executor):
    """Runs the training circuit, and for answers the inference circuit, on Lava's CPU simulator or on a chip.

    On the simulator both networks run side by side, each in its own Lava runtime; the weights go
    from one to the other in bulk. On a chip they take turns: whichever is needed is loaded,
    with the weights that were read back from the other. No chip has run this yet.

    Parameters
    ----------
    layers, weights, guarded, chip_order, faults
        As for every `Executor`; faults are refused.
    target : {"lava", "lava-primitives", "lava-stock", "loihi1", "loihi2"}
        One Lava process for the network, a network of the library's parts, or of Lava's stock processes; a
        chip has the latter.
    granularity : {"step", "sample"}, optional
        What one Lava step is. Default: "sample", and "step" for the targets that have no other.
    timeout : float, optional
        Longest time in seconds for one run of up to 500 samples; not on a chip.
    address : BoardAddress, optional
        For chips: which board; see `lava_nbp.loihi.host`.
    chunk : int
        For chips: samples that are loaded and run at once.

    Raises
    ------
    MissingLoihiError
        For a chip without lava-loihi, or without a board.
    """

    def __init__(
        self,
        layers: tuple[int, int, int],
        weights: Mapping[str, Any],
        *,
        guarded: bool = False,
        chip_order: bool = False,
        faults: Faults | None = None,
        target: str = "lava",
        granularity: Granularity | None = None,
        timeout: float | None = None,
        address: BoardAddress | None = None,
        chunk: int = _CAPACITY,
    ) -> None:
        self.target = target
        if target in STEP_TARGETS and granularity == "sample":
            raise InputError(
                f"target {target} runs one circuit step per Lava step, but granularity is 'sample'; leave it out, or "
                f"set granularity='step'"
            )
        self._one_at_a_time = target in CHIP_TARGETS
        self.counts_updates = self.counts_breaches = target not in CHIP_ORDER_TARGETS  # stock processes count nothing
        if self._one_at_a_time:
            require_lava_loihi(target)
            connect(address or default_address(target))
        default: Granularity = "step" if target in STEP_TARGETS else "sample"
        self._options: dict[str, Any] = {
            "granularity": granularity or default,
            "timeout": timeout,
            "target": target,
            "capacity": chunk,
        }
        self._training: LavaSession | None = None
        self._inference: LavaSession | None = None
        super().__init__(layers, weights, guarded=guarded, chip_order=chip_order, faults=faults)

    def _set_up(self, weights: dict[str, Int16Array]) -> None:
        self._weights = weights
        if self.target not in CHIP_ORDER_TARGETS:
            self._start_training()

    def _write_weights(self, weights: dict[str, Int16Array]) -> None:
        self._weights = weights
        if self._training is not None:
            self._training.network.write_weights(weights)

    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of W1 and W2."""
        if self._training is not None:
            self._weights = self._training.network.read_weights()
        return {name: w.copy() for name, w in self._weights.items()}

    def reset(self) -> None:
        """Forget spikes under way and start the chain anew."""
        if self._one_at_a_time:
            self._stop_training()  # a network that is loaded anew starts from phase 0
        elif self._training is not None:
            self._training.reset()

    def _train(self, x: UInt8Array, t: UInt8Array) -> Outcome:
        session = self._start_training()
        outcome = session.run(x, t)
        self.work.take(session.network.counters)
        return outcome

    def _infer(self, x: UInt8Array) -> Outcome:
        weights = self.read_weights()
        if self._one_at_a_time:
            self._stop_training()
        if self._inference is None:
            self._inference = LavaSession(inference_circuit(*self.layers), weights, **self._options)
        self._inference.network.write_weights(weights)
        self._inference.reset()
        return self._inference.run(x)

    def _start_training(self) -> LavaSession:
        """The training network; targets in the chip's order make it when it is needed, for weights that only infer."""
        if self._training is None:
            if self._one_at_a_time:
                microcode()  # known to be missing before anything is loaded
            if self._one_at_a_time and self._inference is not None:
                self._inference.close()
                self._inference = None
            self._training = LavaSession(self.circuit, self._weights, **self._options)
        return self._training

    def _stop_training(self) -> None:
        if self._training is not None:
            self._weights = self.read_weights()
            self._training.close()
            self._training = None

    @property
    def processes(self) -> int:
        """Operating-system processes that run the models of the training network, source and sink included."""
        processes: int = self._start_training().runtime.processes
        return processes

    def close(self) -> None:
        """Stop both Lava runtimes."""
        for session in (self._training, self._inference):
            if session is not None:
                session.close()
