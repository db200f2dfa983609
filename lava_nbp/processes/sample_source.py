"""Feeds images and targets to an `NBPNetwork`, each at its phase."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_integer
from lava_nbp.errors import InputError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.executor import check_samples
from lava_nbp.on_lava.clock import Granularity, SampleClock
from lava_nbp.on_lava.ports import OutPort
from lava_nbp.on_lava.process import LibraryProcess


class SampleSource(LibraryProcess):
    """Spikes of a list of samples: input and target leave so that they arrive in the circuit's phases.

    When all samples are sent it stays silent. New ones are loaded between runs.

    Parameters
    ----------
    circuit : Circuit
        Gives sizes and phases.
    granularity : {"step", "sample"}
        As for the `NBPNetwork` it feeds.
    capacity : int
        Samples that fit at once.

    Ports
    -----
    x_out : (n_in,) spikes
        Granularity "step": the input in phase 1, zeros in the other phases.
        Granularity "sample": the input of the sample.
    t_out : (n_out,) spikes
        The target, likewise, in phase 3.

    Raises
    ------
    InputError
        For a capacity that is not a positive integer, or an unknown granularity.

    Examples
    --------
    >>> from lava_nbp import inference_circuit
    >>> from lava_nbp.on_lava.runtime import LavaRuntime
    >>> from lava_nbp.processes import SpikeRaster
    >>> source = SampleSource(circuit=inference_circuit(3, 2, 2), granularity="step", capacity=4)
    >>> raster = SpikeRaster({"x": (3,)}, steps=9)
    >>> source.x_out.connect(raster.x_in)
    >>> source.load([[1, 0, 1], [0, 1, 1]])
    >>> with LavaRuntime(source) as runtime:
    ...     runtime.run(9)
    ...     print(raster.spikes["x"].nonzero())  # phase 1 of both samples: steps 2 and 6, rows from 0
    (array([1, 1, 5, 5]), array([0, 2, 1, 2]))
    """

    #: Feeds or reads a chip from its host.
    on_host = True

    def __init__(
        self, *, circuit: Circuit, granularity: Granularity = "sample", capacity: int, name: str | None = None
    ) -> None:
        check_integer(capacity, 1, None, "capacity", "it is a number of samples")
        n_in, n_out = circuit.layers[0], circuit.layers[-1]
        self.circuit = circuit
        self.clock = SampleClock(circuit, granularity, shared_zeros)
        self.loaded = shared_zeros(1, np.int64)
        self.inputs = shared_zeros((capacity, n_in), np.uint8)
        self.targets = shared_zeros((capacity, n_out), np.uint8)
        super().__init__(
            clock=self.clock, loaded=self.loaded, inputs=self.inputs, targets=self.targets,
            phases=tuple(s.phase - 1 for s in circuit.sources), name=name,
        )  # fmt: skip
        self.x_out = OutPort(shape=(n_in,))
        self.t_out = OutPort(shape=(n_out,))

    def load(self, inputs: Any, targets: Any = None) -> None:
        """Replace the samples; the next period sends the first. Call it between runs, at the end of a sample.

        Raises
        ------
        InputError
            For wrong shapes or values, or more samples than fit.
        """
        if targets is None:
            targets = np.zeros((*np.shape(inputs)[:1], self.targets.shape[1]), np.uint8)
        x, t = check_samples(inputs, targets, self.circuit)
        if len(x) > len(self.inputs):
            raise InputError(
                f"{len(x)} samples, but the source holds {len(self.inputs)}; raise its capacity or load parts"
            )
        self.inputs[: len(x)], self.targets[: len(x)] = x, t
        self.loaded[0] = len(x)
        self.clock.rewind()

    def reset(self) -> None:
        """Start with phase 0 again, as after `NBPNetwork.reset`."""
        self.clock.reset()


@implements(proc=SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PySampleSource(PyLoihiProcessModel):  # type: ignore[misc]
    """CPU model; spikes are the same whatever the arithmetic."""

    x_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)
    t_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.clock = proc_params["clock"]
        self.loaded = proc_params["loaded"]
        self.samples = (proc_params["inputs"], proc_params["targets"])
        self.phases = proc_params["phases"]

    def run_spk(self) -> None:
        """Send what leaves in this step."""
        sample = self.clock.sample
        pending = sample < self.loaded[0]
        for k, (port, held) in enumerate(zip((self.x_out, self.t_out), self.samples, strict=True)):
            due = pending and k < len(self.phases) and self.clock.due(self.phases[k])
            port.send(held[sample] if due else np.zeros(held.shape[1], np.uint8))
        self.clock.tick()
