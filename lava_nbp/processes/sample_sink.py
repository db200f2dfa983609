"""Collects the answers of an `NBPNetwork`, and, if wanted, its every spike."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_flag, check_integer
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.on_lava.clock import Granularity, SampleClock, check_granularity
from lava_nbp.on_lava.ports import InPort
from lava_nbp.on_lava.process import LibraryProcess

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class SampleSink(LibraryProcess):
    """Keeps the output's spikes and pre-activation of its output phase, a row per sample.

    Parameters
    ----------
    circuit : Circuit
        Gives sizes and the output's phase.
    granularity : {"step", "sample"}
        As for the `NBPNetwork` it listens to.
    capacity : int
        Samples that fit at once; later ones are not kept.
    raster : bool
        Also keep what `raster_in` brings.

    Ports
    -----
    s_in : (n_out,) spikes
        From `NBPNetwork.s_out`.
    a_in : (n_out,) int32, weight units
        From `NBPNetwork.a_out`.
    raster_in : (rows, neurons) 0 or 1
        From `NBPNetwork.raster_out`; may stay unconnected.

    Attributes
    ----------
    spikes : (capacity, n_out) uint8
        Answers since `rewind`; read them between runs.
    membrane : (capacity, n_out) int32
        Pre-activations likewise.
    raster : (steps, neurons) uint8 or None
        Row k is the k-th circuit step since `rewind`. In granularity "sample" row 0, in which only the first
        gating neuron fires, happens before the first sample and is not seen: the row is filled in as 0.

    Raises
    ------
    InputError
        For a capacity that is not a positive integer, or an unknown granularity.

    Examples
    --------
    >>> import numpy as np
    >>> from lava_nbp import inference_circuit
    >>> from lava_nbp import LavaRuntime
    >>> from lava_nbp.processes import NBPNetwork, SampleSource
    >>> circuit, weights = inference_circuit(3, 1, 2), {"W1": np.full((3, 1), 254), "W2": np.array([[254, -2]])}
    >>> source, sink = (process(circuit=circuit, capacity=2) for process in (SampleSource, SampleSink))
    >>> network = NBPNetwork(circuit=circuit, weights=weights)
    >>> source.x_out.connect(network.x_in)
    >>> network.s_out.connect(sink.s_in)
    >>> network.a_out.connect(sink.a_in)
    >>> source.load([[1, 1, 1], [1, 0, 0]])
    >>> with LavaRuntime(network) as runtime:
    ...     runtime.run(2)
    ...     print(sink.membrane.tolist())  # the hidden neuron fires for the first sample only
    [[254, -2], [0, 0]]
    """

    #: Feeds or reads a chip from its host.
    on_host = True

    def __init__(
        self,
        *,
        circuit: Circuit,
        granularity: Granularity = "sample",
        capacity: int,
        raster: bool = False,
        name: str | None = None,
    ) -> None:
        check_circuit(circuit)
        check_granularity(granularity)
        raster = check_flag(raster, "raster")
        check_integer(capacity, 1, None, "capacity", "it is a number of samples")
        n_out = circuit.layers[-1]
        rows = 1 if granularity == "step" else circuit.period
        self.clock = SampleClock(circuit, granularity, shared_zeros)
        self.spikes = shared_zeros((capacity, n_out), np.uint8)
        self.membrane = shared_zeros((capacity, n_out), np.int32)
        self.raster = shared_zeros((capacity * circuit.period + 1, circuit.n_neurons), np.uint8) if raster else None
        #: Row of the raster that the next step fills.
        self._row = shared_zeros(1, np.int64)
        self._begin_raster()
        super().__init__(
            clock=self.clock, spikes=self.spikes, membrane=self.membrane, raster=self.raster, rows=rows, row=self._row,
            output_phase=circuit.output_phase, sum_phase=circuit.sum_phase, name=name,
        )  # fmt: skip
        self.s_in = InPort(shape=(n_out,))
        self.a_in = InPort(shape=(n_out,))
        self.raster_in = InPort(shape=(rows, circuit.n_neurons))

    def rewind(self) -> None:
        """Write the next sample to row 0, of the raster, too. Call it between runs, at the end of a sample."""
        self.clock.rewind()
        self._begin_raster()

    def reset(self) -> None:
        """Start with phase 0 again, as after `NBPNetwork.reset`."""
        self.clock.reset()
        self._begin_raster()

    def _begin_raster(self) -> None:
        self._row[0] = int(self.clock.whole_samples)  # row 0 comes before the first sample


@implements(proc=SampleSink, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PySampleSink(PyLoihiProcessModel):  # type: ignore[misc]
    """CPU model; spikes are the same whatever the arithmetic."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=1)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=18)
    raster_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=1)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.clock = proc_params["clock"]
        self.spikes, self.membrane = proc_params["spikes"], proc_params["membrane"]
        self.raster = proc_params["raster"]
        self.rows = proc_params["rows"]
        self.output_phase, self.sum_phase = proc_params["output_phase"], proc_params["sum_phase"]
        self.row = proc_params["row"]

    def run_spk(self) -> None:
        """Keep what the network says in its output phase."""
        s, a = self.s_in.recv(), self.a_in.recv()
        if self.clock.sample < len(self.spikes):
            if self.clock.due(self.output_phase):
                self.spikes[self.clock.sample] = s
            if self.clock.due(self.sum_phase):
                self.membrane[self.clock.sample] = a
        self.clock.tick()
        if self.raster is not None and self.row[0] + self.rows <= len(self.raster):
            self.raster[self.row[0] : self.row[0] + self.rows] = self.raster_in.recv()
            self.row[0] += self.rows
