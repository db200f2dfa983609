"""The inference network of EventProp as one Lava Process, made of Lava's own: LIF, LIFRefractory, Dense, DelayDense."""

from __future__ import annotations

from lava_nbp.base.checks import check_flag, check_kind
from lava_nbp.errors import InputError
from lava_nbp.loihi.eventprop_lowering import LoweredEventProp
from lava_nbp.loihi.eventprop_stock import StockEventProp, port_of
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess

from lava.magma.core.decorator import implements, tag
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class EventPropInference(LibraryProcess):
    """A clocked EventProp network of the chip's own neurons, forward only: spikes in, spikes out.

    Every spike is that of `ClockedEngine`. Two models, chosen by the run configuration: Lava's stock Processes (target
    "lava-stock"), or the same with lava-loihi's adapters at their ends (targets "loihi1", "loihi2"; never yet run on a
    chip). Neither needs microcode. Between samples `reset` sets currents, voltages and what is on its way to 0.

    Parameters
    ----------
    lowered : LoweredEventProp
        What to run: `lava_nbp.loihi.eventprop_lowering.lower_eventprop(engine)`.
    graded : bool
        Whether an input may have several spikes in a step, which Loihi 1 does not have.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_in : (n_in,) int32
        Input spikes: those that arrive in Lava step t act in step t + 1.
    s_out : (n_out,) spikes
        Of the output layer; in Lava step t those of the step in which input that arrived in t - 1 acts. With a ladder
        there is rung1_out, rung2_out, .. instead: the more rungs of a class spike at all, the higher its level.
    <layer>_out : (n,) spikes
        Of every hidden layer, hidden1_out, ..; not on a chip.

    Raises
    ------
    InputError
        For what is no lowered network.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp import LavaRuntime, run_config
    >>> from lava_nbp.eventprop import ClockedEngine, FixedPoint, NeuronParameters, Setup, TTFSLoss
    >>> from lava_nbp.loihi.eventprop_lowering import lower_eventprop
    >>> c = FixedPoint(NeuronParameters(), dt=1, end=12, neuron="loihi")
    >>> engine = ClockedEngine([[[30.0, 9.0]]], Setup(c, TTFSLoss()))
    >>> network = EventPropInference(lower_eventprop(engine))
    >>> source, raster = Source(data=np.eye(1, 20, dtype=int)), SpikeRaster({"s": (2,)}, steps=14)
    >>> source.s_out.connect(network.s_in)
    >>> network.s_out.connect(raster.s_in)
    >>> with LavaRuntime(network, run_config("lava-stock")) as runtime:
    ...     runtime.run(14)
    ...     print(raster.spikes["s"].argmax(axis=0) - 1)  # steps of first spikes: Lava counts from 1, and Dense takes 1
    [0 3]
    >>> print(engine.run_sample(np.array([0]), np.array([0]), None)[0])
    [0 3]
    """

    def __init__(self, lowered: LoweredEventProp, *, graded: bool = False, name: str | None = None) -> None:
        check_kind(lowered, LoweredEventProp, "lowered")
        self._lowered, self.graded = lowered, check_flag(graded, "graded")
        self._stock: StockEventProp | None = None
        super().__init__(lowered=lowered, name=name)
        self.s_in = InPort(shape=(lowered.n_in,))
        for group in lowered.groups:
            setattr(self, port_of(lowered, group), OutPort(shape=(group.size,)))

    @property
    def lowered(self) -> LoweredEventProp:
        """What it runs."""
        return self._lowered

    @property
    def stock(self) -> StockEventProp | None:
        """The Processes it is built from, once it is built."""
        return self._stock

    def write(self, lowered: LoweredEventProp) -> None:
        """Take over the weights of another network of the same form; they act from the next sample on.

        Raises
        ------
        InputError
            For other neurons, sizes, exponents or delays; nothing is changed then.
        """
        check_kind(lowered, LoweredEventProp, "lowered")
        if not lowered.has_form_of(self._lowered):
            raise InputError("the network has other neurons, sizes, exponents or delays; make the Process anew")
        if self._stock is not None:
            self._stock.write(lowered)
        self._lowered = lowered

    def reset(self) -> None:
        """Forget the sample at hand. Call it between runs."""
        if self._stock is not None:
            self._stock.reset()


@implements(proc=EventPropInference, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubEventPropInferenceStock(AbstractSubProcessModel):  # type: ignore[misc]
    """Hierarchical model: Lava's stock Processes."""

    built_from = "stock"

    def __init__(self, proc: EventPropInference) -> None:
        proc._stock = stock = StockEventProp(proc.lowered, proc.graded)
        for name, process in stock.processes.items():
            setattr(self, f"part_{name}", process)
        self._connect(proc, stock)

    def _connect(self, proc: EventPropInference, stock: StockEventProp) -> None:
        proc.s_in.connect([synapses.s_in for synapses in stock.inputs])
        for group in proc.lowered.groups:
            stock.groups[group.name].s_out.connect(getattr(proc, port_of(proc.lowered, group)))


@implements(proc=EventPropInference, protocol=LoihiProtocol)
@tag("fixed_pt", "bit_accurate_loihi")
class SubEventPropInferenceChip(SubEventPropInferenceStock):
    """Hierarchical model for a chip: the same Processes, and lava-loihi's adapters at their ends."""

    built_from = "chip"

    def _connect(self, proc: EventPropInference, stock: StockEventProp) -> None:
        proc.lowered.check_chip()
        from lava.proc.embedded_io.spike import NxToPyAdapter, PyToNxAdapter

        self.adapter_input = PyToNxAdapter(shape=proc.s_in.shape)
        proc.s_in.connect(self.adapter_input.inp)
        self.adapter_input.out.connect([synapses.s_in for synapses in stock.inputs])
        for name, group in stock.answering.items():
            adapter = NxToPyAdapter(shape=group.s_out.shape)
            setattr(self, f"adapter_{name}", adapter)
            group.s_out.connect(adapter.inp)
            adapter.out.connect(getattr(proc, name))
