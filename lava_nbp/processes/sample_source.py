"""Feeds samples to an `NBPNetwork`, every source's spikes at their phase."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_integer
from lava_nbp.errors import InputError
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.nbp.executor import check_samples
from lava_nbp.on_lava.clock import Granularity, SampleClock
from lava_nbp.on_lava.ports import OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class SampleSource(LibraryProcess):
    """Spikes of a list of samples: those of every source leave so that they arrive in its phase.

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
    <source>_out : (its size,) spikes
        One per source of the circuit; the papers' circuits have x_out (n_in,) and, if they learn, t_out (n_out,).
        Granularity "step": its spikes in the phase before the one in which its population fires, zeros in the others.
        Granularity "sample": its spikes of the sample.

    Raises
    ------
    InputError
        For a capacity that is not a positive integer, or an unknown granularity.

    Examples
    --------
    >>> from lava_nbp import inference_circuit
    >>> from lava_nbp import LavaRuntime
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
        check_circuit(circuit)
        check_integer(capacity, 1, None, "capacity", "it is a number of samples")
        self.circuit = circuit
        self.clock = SampleClock(circuit, granularity, shared_zeros)
        self.loaded = shared_zeros(1, np.int64)
        #: Spikes by source, (capacity, size) uint8 each.
        self.samples = {s.name: shared_zeros((capacity, circuit[s.population].size), np.uint8) for s in circuit.sources}
        super().__init__(
            clock=self.clock, loaded=self.loaded, samples=self.samples,
            phases={s.name: s.phase - 1 for s in circuit.sources}, name=name,
        )  # fmt: skip
        for source, held in self.samples.items():
            self.add_member(f"{source}_out", OutPort(shape=held.shape[1:]), f"source {source!r}")

    def load(self, *spikes: Any) -> None:
        """Replace the samples; the next period sends the first. Call it between runs, at the end of a sample.

        Parameters
        ----------
        *spikes : (n, size) each
            0 or 1, an array per source, in the order of `circuit.sources`.

        Raises
        ------
        InputError
            For wrong shapes or values, or more samples than fit.
        """
        checked = check_samples(self.circuit, spikes)
        n = len(checked[0])
        for held, array in zip(self.samples.values(), checked, strict=True):
            if n > len(held):
                raise InputError(f"{n} samples, but the source holds {len(held)}; raise its capacity or load parts")
            held[:n] = array
        self.loaded[0] = n
        self.clock.rewind()

    def reset(self) -> None:
        """Start with phase 0 again, as after `NBPNetwork.reset`."""
        self.clock.reset()


@implements(proc=SampleSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PySampleSource(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model; spikes are the same whatever the arithmetic."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._clock: SampleClock = proc_params["clock"]
        self._loaded, self._samples, self._phases = (proc_params[key] for key in ("loaded", "samples", "phases"))

    def start(self) -> None:
        """Know what leaves where, then serve the runtime."""
        self._outs = [
            (getattr(self, f"{source}_out"), self._phases[source], held, np.zeros(held.shape[1], np.uint8))
            for source, held in self._samples.items()
        ]
        super().start()

    def run_spk(self) -> None:
        """Send what leaves in this step."""
        sample = self._clock.sample
        pending = sample < self._loaded[0]
        for port, phase, held, nothing in self._outs:
            port.send(held[sample] if pending and self._clock.due(phase) else nothing)
        self._clock.tick()
