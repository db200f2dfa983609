"""The signed output error of the paper's rule, as two populations of spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lava_nbp.base.checks import check_sequence
from lava_nbp.nbp.gated_group import Gate, Neurons, Synapses
from lava_nbp.nbp.levels import ANTI_RELAY, GATE, GATED_BIAS, RELAY
from lava_nbp.on_lava.gated_process import GatedModel, GatedProcess

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

#: How the copies of an output layer (s, lo, hi) and its target t make the error.
ERROR_SYNAPSES = (
    Synapses("lo_in", "pos", GATE, role="gate"),
    Synapses("lo_in", "neg", GATE, role="gate"),
    Synapses("t_in", "pos", RELAY),
    Synapses("s_in", "pos", ANTI_RELAY),
    Synapses("s_in", "neg", RELAY),
    Synapses("t_in", "neg", ANTI_RELAY),
    Synapses("hi_in", "neg", ANTI_RELAY),
)


class ErrorNeurons(GatedProcess):
    """d_pos and d_neg: where an output should have fired and did not, and the reverse.

    One step after the copies of the output layer and the target have fired::

        pos = t and not s and lo               (s: o > 512, lo: o > 0, hi: o > 1024)
        neg = s and not t and lo and not hi

    The error is zero where the surrogate's derivative is: pos needs lo, neg needs not hi.
    lo is the gate (8704), t and s are relays (+-520), hi cancels one; neurons as in
    `GatedLIF`. Source: Renner et al. 2024, Methods.

    Parameters
    ----------
    shape : tuple of int
        Shape of the output layer.
    bias, refractory
        Of both populations, see `Neurons`.
    gates, n_gates : sequence of Gate, int
        Further gates of both populations, from a gate vector of that length. Default: none,
        lo is the only gate.
    schedule : tuple of int, optional
        With `n_gates`: the entries after which an error may fire, see `Neurons`.

    Ports
    -----
    s_in, lo_in, hi_in : shape, spikes
        Copies of the output layer: connect a `SurrogateReLU`'s s_out, lo_out and hi_out.
    t_in : shape, spikes
        Target, in the same step as the copies.
    pos_out, neg_out : shape, int32 0 or 1
        Spikes of this step.
    gate_in : (n_gates,) spikes
        With `n_gates`.

    Vars
    ----
    u, v : (2, *shape), 24 bits, register units
        Synaptic current and membrane voltage of pos and neg; read-only.
    breaches : (1,) int64
        Spikes outside the schedule so far; read-only.

    Raises
    ------
    InputError, WeightError
        As for `GatedLIF`.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp import LavaRuntime
    >>> error, sinks = ErrorNeurons((4,)), [Sink(shape=(4,), buffer=2) for _ in range(2)]
    >>> fires = {"s": [0, 1, 1, 0], "lo": [1, 1, 1, 0], "hi": [0, 0, 1, 0], "t": [1, 0, 0, 1]}
    >>> for copy, spikes in fires.items():
    ...     source = Source(data=np.array([spikes, [0] * 4]).T)
    ...     source.s_out.connect(getattr(error, f"{copy}_in"))
    >>> error.pos_out.connect(sinks[0].a_in)
    >>> error.neg_out.connect(sinks[1].a_in)
    >>> with LavaRuntime(error) as runtime:
    ...     runtime.run(2)
    ...     print(*(sink.data.get()[:, 1].astype(int) for sink in sinks))
    [1 0 0 0] [0 1 0 0]
    """

    def __init__(
        self,
        shape: Any,
        *,
        bias: int = GATED_BIAS,
        refractory: int = 1,
        n_gates: int = 0,
        schedule: tuple[int, ...] | None = None,
        gates: Sequence[Gate] = (),
        name: str | None = None,
    ) -> None:
        neurons = [
            Neurons(p, check_sequence(gates, "gates"), bias=bias, refractory=refractory, schedule=schedule)
            for p in ("pos", "neg")
        ]
        super().__init__(shape, neurons, ERROR_SYNAPSES, n_gates, name=name)


@implements(proc=ErrorNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt", "bit_accurate_loihi")
class PyErrorNeurons(GatedModel):
    """CPU model; spikes and weights are integers, so that it is the same in every arithmetic."""
