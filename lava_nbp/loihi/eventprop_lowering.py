"""A clocked EventProp network, for inference, as what the chip has: CUBA-LIF neurons, mantissas, exponents and delays.

Neurons are those of `FixedPoint` with neuron = "loihi", whose forward arithmetic is the chip's; what is left to do here
is to name registers. All layers share a step: a spike at the end of step k acts in step k + 1, as it does through
Lava's Dense, and with a delay of d in step k + 1 + d, as through its DelayDense.

Outputs answer by their first spikes, or, with the loss of largest voltages, by a ladder: copies of the output layer
with rising thresholds, of which those spike whose threshold the largest voltage exceeds. Other voltages cannot be read
from spikes, and their networks are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import (
    ALIGNMENT_BITS,
    DELAY_MAX,
    NEURONS_PER_CHIP,
    PLASTIC_WEIGHT_MAX,
    WEIGHT_EXPONENT_MAX,
)
from lava_nbp.errors import CircuitError, InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint, Int64Array
from lava_nbp.eventprop.losses import LabelLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.loihi.demand import ASSUMED, ASSUMED_SPIKES, Activity, Bundle, Demand, Plannable, spikes_of_layers
from lava_nbp.loihi.registers import NeuronRegisters
from lava_nbp.nbp.resized import evenly

if TYPE_CHECKING:
    from lava_nbp.eventprop.clocked.engine import ClockedEngine

#: Name of what spikes come from outside.
INPUT = "input"
#: Steps of a sample beside its trial: one in which the host's spikes come in, one in which the answer goes out.
TRANSPORT_STEPS = 2


@dataclass(frozen=True)
class MatrixRegisters:
    """Synapses that hold a matrix: weight = mantissa * 2**exponent, 8-bit mixed-sign mantissas.

    Attributes
    ----------
    name, pre, post : str
        Of the synapses, and of the groups that they connect; `pre` may be the input.
    mantissas : (pre, post) int
        Even, -254 .. 254.
    exponent : int
        0 .. 7.
    delays : (pre, post) int or None
        Steps that spikes take beyond the one of transport, 0 .. 62; None: no synapse has any.

    Raises
    ------
    InputError
        For a value that the chip's synapses do not hold.
    """

    name: str
    pre: str
    post: str
    mantissas: NDArray[np.integer[Any]]
    exponent: int
    delays: NDArray[np.integer[Any]] | None = None

    def __post_init__(self) -> None:
        what = f"synapses {shown(self.name)}"
        settle(self, what, InputError, ("name", "pre", "post"))
        check_integer(self.exponent, 0, WEIGHT_EXPONENT_MAX, f"{what}: exponent")
        m = self._whole(self.mantissas, f"{what}: mantissas", -PLASTIC_WEIGHT_MAX, PLASTIC_WEIGHT_MAX)
        if (m % 2).any():
            raise InputError(f"{what}: mantissas hold {m[m % 2 != 0][0]}, but must be even, as mixed signs need it")
        object.__setattr__(self, "mantissas", m)
        if self.delays is not None:
            delays = self._whole(self.delays, f"{what}: delays", 0, DELAY_MAX)
            if delays.shape != m.shape:
                raise InputError(f"{what}: delays have shape {delays.shape}, but mantissas {m.shape}")
            object.__setattr__(self, "delays", delays)

    @property
    def late(self) -> NDArray[np.integer[Any]]:
        """Delays of every synapse, in steps: 0 where there are none."""
        return np.zeros_like(self.mantissas) if self.delays is None else self.delays

    @staticmethod
    def _whole(given: object, what: str, low: int, high: int) -> NDArray[np.int32]:
        array = as_array(given, what)
        if array.dtype.kind not in "iu" or array.ndim != 2 or not array.size:
            raise InputError(
                f"{what} have shape {array.shape} and dtype {array.dtype}, but must be integers (pre, post)"
            )
        if array.min() < low or array.max() > high:
            raise InputError(f"{what} are {array.min()} .. {array.max()}, but must be in {low} .. {high}")
        return array.astype(np.int32)


@dataclass(frozen=True)
class LoweredEventProp(Plannable):
    """The inference network of a clocked EventProp network, as the chip holds it.

    Attributes
    ----------
    n_in : int
        Inputs.
    groups : tuple of NeuronRegisters
        Layer by layer; the last one answers, or of a ladder the last `rungs`, from the lowest to the highest.
    matrices : tuple of MatrixRegisters
        A matrix per layer, of a ladder one per rung, then recurrent ones.
    steps : int
        Of a trial, T.
    rungs : int
        Of a ladder; 0: there is none.

    Raises
    ------
    InputError
        For values of other types, no inputs, steps or groups, or a ladder of more groups than there are.
    """

    n_in: int
    groups: tuple[NeuronRegisters, ...]
    matrices: tuple[MatrixRegisters, ...]
    steps: int
    rungs: int = 0

    def __post_init__(self) -> None:
        what = "lowered EventProp network"
        settle(self, what, InputError)
        for name in ("n_in", "steps"):
            check_integer(getattr(self, name), 1, None, f"{what}: {name}")
        if not self.groups:
            raise InputError(f"{what}: groups is empty, so that nothing answers; give one per layer")
        check_integer(self.rungs, 0, len(self.groups), f"{what}: rungs")

    @property
    def hidden(self) -> tuple[NeuronRegisters, ...]:
        """Groups that do not answer."""
        return self.groups[: len(self.groups) - len(self.answering)]

    @property
    def answering(self) -> tuple[NeuronRegisters, ...]:
        """Groups that do: the output layer, or the rungs of its ladder."""
        return self.groups[-max(self.rungs, 1) :]

    @property
    def n_synapses(self) -> int:
        """All synapses."""
        return sum(m.mantissas.size for m in self.matrices)

    @property
    def layers(self) -> tuple[int, ...]:
        """Sizes, from the input to the output."""
        return (self.n_in, *(g.size for g in self.hidden), self.answering[0].size)

    @cached_property
    def demand(self) -> Demand:
        """See `Plannable`. A matrix with any delay has bits for one in every synapse, and weights of 0 are synapses."""
        return Demand(
            "eventprop",
            self.layers,
            self.groups,
            tuple(_bundle(m) for m in self.matrices),
            self.activity([ASSUMED_SPIKES] * len(self.layers), ASSUMED),
            self.n_synapses,
            longest_delay=self.longest_delay,
            hidden_key="network.hidden = [{}]",
        )

    def activity(self, spikes: Sequence[float], source: str) -> Activity:
        """What it does with a sample, given the spikes of an input, and of a neuron of every layer, per sample.

        Of a ladder, the last ones are those of a neuron of a rung.

        A sample takes the steps of its trial, and `TRANSPORT_STEPS`. What is still on its way then is not waited for:
        it is late for an answer, and the host takes it away.

        Raises
        ------
        InputError
            For other numbers than one per layer, or such as there cannot be.
        """
        of_input, *of_layers = spikes_of_layers(spikes, len(self.layers))
        each = [*of_layers[:-1], *of_layers[-1:] * len(self.answering)]
        names = (g.name for g in self.groups)
        return Activity(self.steps + TRANSPORT_STEPS, of_input, dict(zip(names, each, strict=True)), source)

    def with_hidden(self, n: int) -> LoweredEventProp:
        """See `Plannable`: rows and columns that are spread evenly over a matrix are left, the longest delay in all."""
        check_integer(n, 1, NEURONS_PER_CHIP, "hidden neurons", error=CircuitError)
        hidden = [g.size for g in self.hidden]
        if not hidden:
            raise CircuitError("the EventProp network has no hidden layer, so that none can have another size")
        groups = [replace(g, size=max(1, round(g.size * n / max(hidden)))) for g in self.hidden]
        groups += self.answering
        sizes = {INPUT: self.n_in, **{g.name: g.size for g in groups}}
        return replace(self, groups=tuple(groups), matrices=tuple(_resized(m, sizes) for m in self.matrices))

    def has_form_of(self, other: LoweredEventProp) -> bool:
        """Whether only mantissas differ: neurons, exponents and delays are as the network was compiled."""
        ends = [[(m.name, m.pre, m.post, m.mantissas.shape, m.exponent) for m in x.matrices] for x in (self, other)]
        own, its = ((x.n_in, x.groups, x.steps, x.rungs) for x in (self, other))
        if (own, ends[0]) != (its, ends[1]):
            return False
        both = zip(self.matrices, other.matrices, strict=True)
        return all(np.array_equal(one.late, two.late) for one, two in both)

    def check_chip(self) -> None:
        """Refuse what runs on Lava's simulator only: nobody has seen what lava-loihi has for LIFRefractory.

        Raises
        ------
        InputError
            For neurons with a refractory period.
        """
        for group in self.groups:
            if group.refractory > 1:
                raise InputError(
                    f"neurons {group.name!r} have a refractory period of {group.refractory - 1} steps, for which "
                    f"lava-loihi is not known to have a model; answer with target lava-stock, or train with "
                    f"clocked.refractory = 0"
                )

    @property
    def longest_delay(self) -> int:
        """In steps."""
        return max((int(m.delays.max()) for m in self.matrices if m.delays is not None), default=0)


def _bundle(m: MatrixRegisters) -> Bundle:
    n_pre, n_post = m.mantissas.shape
    pre, delayed = "" if m.pre == INPUT else m.pre, bool(m.late.any())
    return Bundle(m.name, pre, m.post, range(n_pre), True, False, delayed, (n_pre, n_post))


def _resized(m: MatrixRegisters, sizes: Mapping[str, int]) -> MatrixRegisters:
    shape = sizes[m.pre], sizes[m.post]
    delays = None if m.delays is None else np.full(shape, m.delays.max())
    return replace(m, mantissas=evenly(m.mantissas, shape), delays=delays)


def lower_eventprop(engine: ClockedEngine) -> LoweredEventProp:
    """Express the forward pass of a clocked network, with the weights and delays of the moment, in what the chip has.

    Raises
    ------
    InputError
        For neurons whose arithmetic is not the chip's, or outputs that answer by voltages.
    """
    # Imported here because Lava executes the Process of such networks, and what that imports, at every compilation.
    from lava_nbp.eventprop.clocked.engine import ClockedEngine

    check_kind(engine, ClockedEngine, "engine")
    for k, c in enumerate(engine.arithmetic, 1):
        if not c.on_chip:
            raise InputError(
                f"neurons of layer {k} are {c.neuron!r}, whose arithmetic no chip has; train with clocked.neuron = "
                f"'loihi'"
            )
    rungs = engine.setup.rungs
    if rungs is None:
        _check_spiking(engine.setup.loss)
    names = [*(f"hidden{k}" for k in range(1, len(engine.sizes) - 1)), "output"]
    layers = zip(names, engine.sizes[1:], engine.arithmetic, strict=True)
    *hidden, output = (_neurons(name, n, c) for name, n, c in layers)
    matrices, answering = _matrices(engine, [INPUT, *names]), [output]
    if rungs is not None:
        # An output that only integrates has no refractory period, and so have its copies.
        answering = [replace(output, name=f"rung{k}", vth=int(vth), refractory=1) for k, vth in enumerate(rungs.vth, 1)]
        last = len(names) - 1
        one = matrices[last]
        matrices[last : last + 1] = [replace(one, name=f"{one.name}_{g.name}", post=g.name) for g in answering]
    return LoweredEventProp(
        n_in=engine.sizes[0],
        groups=(*hidden, *answering),
        matrices=tuple(matrices),
        steps=engine.c.steps,
        rungs=0 if rungs is None else len(answering),
    )


def _check_spiking(loss: LabelLoss) -> None:
    """Raise InputError for outputs that answer by voltages which no spikes tell."""
    if isinstance(loss, TTFSLoss):
        return
    cure = "give outputs rungs, whose spikes tell the largest (clocked.rungs)"
    if isinstance(loss, MeanVoltageLoss):
        cure = (
            "train with the loss ttfs, or max_voltage and clocked.rungs: a mean over the trial is one more filter "
            "behind the voltage, and the chip's neurons have two"
        )
    raise InputError(f"the outputs answer by voltages ({type(loss).__name__}), which no spikes tell; {cure}")


def _neurons(name: str, n: int, c: FixedPoint) -> NeuronRegisters:
    return NeuronRegisters(name, n, c.vth, refractory=c.refractory + 1, du=c.du, dv=c.dv)


def _matrices(engine: ClockedEngine, names: Sequence[str]) -> list[MatrixRegisters]:
    ways = [(k, k + 1, f"W{k + 1}") for k in range(len(names) - 1)]
    ways += [(k + 1, k + 1, f"R{k + 1}") for k in engine.looped]
    found = []
    for at, (pre, post, name) in enumerate(ways):
        exponent = engine.exponents[at]
        mantissas: Int64Array = engine.forward_weights[at] >> exponent
        found.append(
            MatrixRegisters(name, names[pre], names[post], mantissas, exponent - ALIGNMENT_BITS, engine.delays[at])
        )
    return found
