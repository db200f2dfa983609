"""All-to-all synapses that carry spikes one way and adjoint spikes the other, and learn from both."""

from __future__ import annotations

from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import as_array, check_flag, check_integer, check_kind, check_real, check_text
from lava_nbp.base.widths import STATE_BITS
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.delays import LARGEST_DELAY_RATE, LearnedDelays, check_delays, of_synapses
from lava_nbp.eventprop.clocked.mirrored_part import MirroredPart
from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer
from lava_nbp.eventprop.clocked.setup import Control
from lava_nbp.eventprop.policies import OptimizerName
from lava_nbp.eventprop.tally import Counts
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar, integers_into
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

#: Numbers of layers that messages may have.
_MOST_LAYERS = 1 << 16


class MirroredDense(LibraryProcess):
    """One weight matrix with a forward and a mirrored connection, and the gradient between them.

    Forward, w being 8-bit mantissas times 2**exponent::

        a_out[t + 1] = sum over spikes i of w_i                              as often as i spikes

    Backward, for every replayed spike i, with what the layer behind sends in the same step::

        gradient_ij = gradient_ij - lI_j                                     replayed spike times graded lI
        adjoint_back_out_i[t + 1] = (sum over j of w_ij adjoint_in_j) >> theta_bits      the adjoint spike of i
        delay_gradient_ij = delay_gradient_ij + (w_ij adjoint_in_j) >> theta_bits        if delays are learned

    With delays lI_j and adjoint_in_j are those of the step in which the spike acted on j.

    In the last phase of every `batch`-th sample the full-precision weights follow the gradient
    (`lava_nbp.eventprop.clocked.optimizers`), and are rounded to 8 bits anew; so do delays that are learned, rounded to
    whole steps. Both act from the next sample on. It sends
    before it receives, so that layers may form rings: one from a layer to itself is its recurrent
    weights. Source: Wunderlich & Pehle 2021, Table 1.

    Parameters
    ----------
    weights : (pre, post) float or IntegerOptimizer
        Initial weights in thresholds, or what holds them already (memory that several Processes share).
    c : FixedPoint
        Arithmetic.
    exponent : int, optional
        Of the 8-bit weights; by default the smallest that holds the largest initial weight.
    optimizer : {"adam", "sgd"}
        What is done with a gradient.
    control : Control, optional
        Samples per update and rate, which several Processes may share; by default one of its own:
        one sample, a rate of 5e-3 thresholds.
    layer : int
        Number of the layer behind in messages, from 0.
    backward : bool
        Whether the layer in front gets errors. False for a network's first matrix, unless its inputs are to be
        explained: none are computed, counted or sent, and there is no `adjoint_back_out`.
    delays : (pre, post) or (pre,) int, or LearnedDelays, optional
        Steps that spikes take to each neuron, or from each source to all, 0 .. 62, beyond the one above; replayed they
        meet what came back so many steps before. `LearnedDelays` hold delays that are learned, their rate and their
        limits, in memory that others may see.
    delay_rate : float
        The rate, in thresholds, times this is that of delays, in ms; 0: they stay, or `LearnedDelays` know theirs.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_in : (pre,) int32
        Spikes or replay of `EventPropInput.s_out` or `EventPropLIF.s_out`: how many each neuron has. What is below 0
        is none.
    adjoint_in, lI_in : (post,) int32
        `adjoint_out` and `lI_out` of the layer behind.
    gate_in : (2 T + 2,) spikes
        `s_out` of a `SynfireChain` of ``c.period`` neurons.
    a_out : (post,) int32, units of V
        Weighted input for the layer behind. Beyond 2**26, of which a current holds an eighth, it is cut off.
    adjoint_back_out : (pre,) int32, if `backward`
        Errors of the spikes replayed in the step before, for the layer in front (`adjoint_in`): 1/ms with
        ``c.adjoint_bits`` fractional bits, saturated to 24 bits.

    Vars
    ----
    weights : (pre, post) int64
        Weights that spikes meet, in units of V; read-only.
    masters : (pre, post) int64
        Full-precision weights, 20 fractional bits; can be set, and act from the next sample on.
    gradient : (pre, post) int64
        Of the batch at hand, until the next begins.

    Raises
    ------
    WeightError
        For weights that are no finite matrix, or that would overflow the current.
    InputError
        For an unknown optimizer, delays that there cannot be, a rate of delays without any or beside the one that
        `LearnedDelays` have, or rates with which no step can be made.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp.eventprop import Control, FixedPoint, NeuronParameters
    >>> from lava_nbp import LavaRuntime
    >>> c = FixedPoint(NeuronParameters(), dt=1, end=2)
    >>> synapses = MirroredDense([[1.0, -0.5]], c, control=Control(batch=0))
    >>> chain, pre = SynfireChain(c.period, autostart=True), Source(data=np.array([[0, 0, 0, 0, 0, 1]]))
    >>> lI = Source(data=np.array([[0, 0, 0, 0, 0, 7], [0, 0, 0, 0, 0, -3]]))
    >>> for out, into in [(chain.s_out, synapses.gate_in), (pre.s_out, synapses.s_in), (lI.s_out, synapses.lI_in)]:
    ...     out.connect(into)
    >>> with LavaRuntime(synapses) as runtime:
    ...     runtime.run(1 + c.period)
    ...     print(synapses.gradient.get(), synapses.weights.get())  # of 2**14, the threshold
    [[-7  3]] [[16384 -8192]]
    """

    def __init__(
        self,
        weights: Any,
        c: FixedPoint,
        *,
        exponent: int | None = None,
        optimizer: OptimizerName = "adam",
        control: Control | None = None,
        layer: int = 0,
        backward: bool = True,
        delays: Any = None,
        delay_rate: float = 0.0,
        name: str | None = None,
    ) -> None:
        check_kind(c, FixedPoint, "c")
        check_text(optimizer, "optimizer")
        layer, backward = check_integer(layer, 0, _MOST_LAYERS, "layer"), check_flag(backward, "backward")
        if exponent is not None:
            exponent = check_integer(exponent, 0, c.theta_bits + STATE_BITS, "exponent")
        if control is not None:
            check_kind(control, Control, "control")
        if not isinstance(weights, IntegerOptimizer):
            weights, exponent = _own_weights(weights, c, exponent, optimizer)
        elif exponent is None:
            raise WeightError("weights in memory of their own need an exponent; give that of their 8-bit form")
        self.control = Control(allocate=shared_zeros) if control is None else control
        delays = _own_delays(delays, c, weights.masters.shape, optimizer, delay_rate)
        self.part = part = MirroredPart(weights, exponent, c, self.control, layer, backward, shared_zeros, delays)
        if batch := int(self.control.batch[0]):
            part.check_rate(batch, float(self.control.rate[0]))
        super().__init__(part=part, name=name)
        n_pre, n_post = part.masters.shape
        self.s_in = InPort(shape=(n_pre,))
        self.adjoint_in = InPort(shape=(n_post,))
        self.lI_in = InPort(shape=(n_post,))
        self.gate_in = InPort(shape=(c.period,))
        self.a_out = OutPort(shape=(n_post,))
        if backward:
            self.adjoint_back_out = OutPort(shape=(n_pre,))
        limit = c.master_limit(exponent)
        self.weights = SharedVar(lambda: c.forward_weights(part.masters, part.exponent))
        self.masters = SharedVar(
            lambda: part.masters, integers_into(part.masters, -limit, limit, "MirroredDense.masters")
        )
        self.gradient = SharedVar(lambda: part.gradient)

    @property
    def delays(self) -> Any:
        """Steps (pre, post) int64 that spikes take beyond their own, as they are now; None: the synapses have none."""
        return self.part.read_delays()

    @property
    def tally(self) -> Counts:
        """So far: errors, or their shares by learned delays, that did not fit 24 bits; delays that met their limits."""
        return self.part.tally.read()

    def reset(self) -> None:
        """Forget the sample at hand and an unfinished batch; weights stay. Call it between runs."""
        self.part.reset()


def _own_delays(delays: Any, c: FixedPoint, shape: tuple[int, ...], optimizer: OptimizerName, rate: Any) -> Any:
    what = "delays of a MirroredDense"
    learns = check_real(rate, 0.0, LARGEST_DELAY_RATE, "delay_rate") > 0
    if learns and delays is None:
        raise InputError(f"delay_rate is {rate}, but there are no {what} to learn; give some, as integers")
    if learns and isinstance(delays, LearnedDelays):
        raise InputError(f"delay_rate is {rate}, but {what} that are LearnedDelays have a rate of their own; give 0")
    if delays is None:
        return None
    if isinstance(delays, LearnedDelays):
        if delays.masters.shape not in (shape, shape[:1]):
            raise InputError(f"{what} have shape {delays.masters.shape}, but must have {shape}, or {shape[:1]}")
        return delays
    checked = check_delays(delays, shape, what)
    if learns:
        return LearnedDelays(checked, optimizer, c, rate, allocate=shared_zeros)
    return of_synapses(checked, shape[1])


def _own_weights(weights: Any, c: FixedPoint, exponent: int | None, optimizer: OptimizerName) -> tuple[Any, int]:
    given = as_array(weights, "weights", error=WeightError)
    if given.dtype.kind == "c" or given.ndim != 2 or 0 in given.shape or not np.isfinite(given).all():
        raise WeightError(f"weights have shape {given.shape}, but must be a matrix (pre, post) of finite numbers")
    real = given.astype(np.float64)
    chosen = c.weight_exponent(float(np.abs(real).max()) or 1.0) if exponent is None else exponent
    masters = shared_zeros(real.shape, np.int64)
    masters[...] = c.masters(real, chosen)
    return IntegerOptimizer(optimizer, masters, c.weight_limits(chosen), c.weight_gradient, shared_zeros), chosen


@implements(proc=MirroredDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyMirroredDense(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model: a shell around `MirroredPart`."""

    _weighted: Any = np.int32
    _graded = ("adjoint_back_out",)
    weights: Any = LavaPyType(np.ndarray, np.int64)
    masters: Any = LavaPyType(np.ndarray, np.int64)
    gradient: Any = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.part: MirroredPart = proc_params["part"]

    def start(self) -> None:
        """Let the Vars be the part's own memory, then serve the runtime."""
        self.weights, self.masters, self.gradient = self.part.weights, self.part.masters, self.part.gradient
        super().start()

    def run_spk(self) -> None:
        """Send what the phase before asked for, then receive."""
        weighted, errors = self.part.send()
        self.a_out.send(weighted.astype(np.int32))
        if self.part.backward:
            self.adjoint_back_out.send(errors.astype(np.int32))
        self.part.receive(self.s_in.recv(), self.adjoint_in.recv(), self.lI_in.recv())
        self.part.phases.receive(self.gate_in.recv())
