"""A layer with a surrogate ReLU: its spikes, and where its derivative is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lava_nbp.base.checks import check_flag, check_integer, check_kind, check_name, check_sequence
from lava_nbp.errors import InputError
from lava_nbp.nbp.gated_group import Gate, Neurons, Readout, Synapses
from lava_nbp.nbp.levels import ANTI_RELAY, GATE, GATE_HIGH, GATE_LOW, RELAY
from lava_nbp.on_lava.gated_process import GatedFloatModel, GatedModel, GatedProcess

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

#: Gates by default: entry 0 evaluates the pre-activation, entry 1 (if there is one) reads the box.
_EVALUATE: dict[str, tuple[Gate, ...]] = {
    "s": (Gate(0, GATE),),
    "lo": (Gate(0, GATE + GATE_LOW),),
    "hi": (Gate(0, GATE_HIGH),),
    "box": (Gate(1, GATE),),
}

#: Parameters of `Neurons` that can be chosen for each.
_PARAMETERS = ("bias", "vth", "refractory", "schedule")


class SurrogateReLU(GatedProcess):
    """Three copies of one pre-activation a, and the box derivative of the surrogate ReLU.

    With its gate open, in weight units (vth = 1024)::

        s  = a > vth / 2        the layer's spikes
        lo = a > 0
        hi = a > vth
        box = lo and not hi,  delayed by box_delay: where the surrogate's derivative is one

    Every copy is a population of neurons as in `GatedLIF`; the thresholds come from the
    weights of their gates (8704, 9216, 8192). Source: Renner et al. 2024, Methods.

    Parameters
    ----------
    shape : tuple of int
        Shape of the layer.
    gates : mapping, optional
        Gates of "s", "lo", "hi" and "box". Default: entry 0 evaluates the three copies, entry
        1 reads the box; a box without gates of its own is left out.
    n_gates : int
        Length of the gate vector.
    box_delay : int
        Steps, 0 .. 62 beyond the one of transport, that the copies wait until the box reads
        them: its gate must arrive in step t + box_delay if they fired in step t.
    separate : bool
        Every copy gets weighted input of its own (`a_in`, `lo_a_in`, `hi_a_in`), as when
        each is reached by plastic weights of its own; False: all three get `a_in`.
    synapses : sequence of Synapses
        Further one-to-one inputs, from spike ports or from the layer's own populations.
    neurons : mapping, optional
        Keyword arguments of `Neurons` by population: bias, vth, refractory, schedule.
    readout : int, optional
        Entry of the gate vector in whose steps `a_out` shows a.

    Ports
    -----
    a_in (and `lo_a_in`, `hi_a_in`) : shape, int32 (floating-point model: real), weight units
        Pre-activation; it acts in the step it arrives in.
    gate_in : (n_gates,) spikes
        Act in the next step.
    s_out, lo_out, hi_out, box_out : shape, int32 0 or 1
        Spikes of this step.
    a_out : shape, int32 (floating-point model: float64), weight units
        With `readout`: a, in the step in which that gate is open, else 0.

    Vars
    ----
    u, v : (3 or 4, *shape), 24 bits, register units
        Synaptic current and membrane voltage of s, lo, hi and box; read-only.
    breaches : (1,) int64
        Spikes without an open gate, and sums that wrapped, so far; read-only.

    Raises
    ------
    InputError, WeightError
        As for `GatedLIF`.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.dense.process import Dense
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp import LavaRuntime
    >>> from lava_nbp.processes import SpikeRaster
    >>> chain, spike = Source(data=np.array([[1, 0, 0], [0, 1, 0]])), Source(data=np.array([[1, 0, 0]]))
    >>> a, layer = Dense(weights=np.array([[200], [-200]])), SurrogateReLU((2,), n_gates=2, box_delay=0)
    >>> raster = SpikeRaster({"s": (2,), "lo": (2,), "hi": (2,), "box": (2,)}, steps=3)
    >>> spike.s_out.connect(a.s_in)
    >>> a.a_out.connect(layer.a_in)
    >>> chain.s_out.connect(layer.gate_in)
    >>> for copy in ("s", "lo", "hi", "box"):
    ...     getattr(layer, f"{copy}_out").connect(getattr(raster, f"{copy}_in"))
    >>> with LavaRuntime(layer) as runtime:
    ...     runtime.run(3)
    ...     print({copy: rows.nonzero()[0].tolist() for copy, rows in raster.spikes.items()})  # 0 < 200 <= 512
    {'s': [], 'lo': [1], 'hi': [], 'box': [2]}
    """

    def __init__(
        self,
        shape: Any,
        *,
        gates: Mapping[str, Sequence[Gate]] | None = None,
        n_gates: int = 1,
        box_delay: int = 0,
        separate: bool = False,
        synapses: Sequence[Synapses] = (),
        neurons: Mapping[str, Mapping[str, Any]] | None = None,
        readout: int | None = None,
        name: str | None = None,
    ) -> None:
        for given, what in ((gates, "gates"), (neurons, "neurons")):
            if given is not None:
                check_kind(given, Mapping, what)
        n_gates, box_delay = check_integer(n_gates, 0, None, "n_gates"), check_integer(box_delay, 0, None, "box_delay")
        separate = check_flag(separate, "separate")
        opened = dict(_EVALUATE if gates is None else gates)
        if gates is None and n_gates < 2:
            del opened["box"]
        for population in (*opened, *(neurons or {})):
            check_name(population, "population of a SurrogateReLU", _EVALUATE)
        for population in ("s", "lo", "hi"):
            if population not in opened:
                raise InputError(f"SurrogateReLU without gates for {population!r}: it would never fire; give it one")
        for population, parameters in (neurons or {}).items():
            check_kind(parameters, Mapping, f"neurons[{population!r}]")
            for key in parameters:
                check_name(key, f"neurons[{population!r}]: parameter", _PARAMETERS)
        populations = [
            Neurons(population, check_sequence(opened[population], "gates"), **(neurons or {}).get(population, {}))
            for population in _EVALUATE
            if population in opened
        ]
        box = [Synapses("lo", "box", RELAY, box_delay), Synapses("hi", "box", ANTI_RELAY, box_delay)]
        super().__init__(
            shape,
            populations,
            [*(box if "box" in opened else []), *check_sequence(synapses, "synapses")],
            n_gates,
            None if readout is None else Readout("s", readout),
            dense=["s", "lo", "hi"] if separate else ["s+lo+hi"],
            name=name,
        )


@implements(proc=SurrogateReLU, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PySurrogateReLUFixed(GatedModel):
    """Fixed-point CPU model, with the chip's wrap and saturation."""


@implements(proc=SurrogateReLU, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PySurrogateReLUFloat(GatedFloatModel):
    """Floating-point CPU model: real pre-activation, no wrap, no saturation."""
