"""A clocked EventProp network, for inference, as what the chip has: CUBA-LIF neurons, mantissas, exponents and delays.

Neurons are those of `FixedPoint` with neuron = "loihi", whose forward arithmetic is the chip's; what is left to do here
is to name registers. All layers share a step: a spike at the end of step k acts in step k + 1, as it does through
Lava's Dense, and with a delay of d in step k + 1 + d, as through its DelayDense.

Outputs answer by their first spikes. Voltages cannot be read from spikes: a network whose loss is one of voltages is
refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.widths import ALIGNMENT_BITS, DELAY_MAX, PLASTIC_WEIGHT_MAX, WEIGHT_EXPONENT_MAX
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint, Int64Array
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.loihi.registers import NeuronRegisters

if TYPE_CHECKING:
    from lava_nbp.eventprop.clocked.engine import ClockedEngine

#: Name of what spikes come from outside.
INPUT = "input"


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
class LoweredEventProp:
    """The inference network of a clocked EventProp network, as the chip holds it.

    Attributes
    ----------
    n_in : int
        Inputs.
    groups : tuple of NeuronRegisters
        Layer by layer; the last one answers.
    matrices : tuple of MatrixRegisters
        A matrix per layer, then recurrent ones.
    steps : int
        Of a trial, T.
    """

    n_in: int
    groups: tuple[NeuronRegisters, ...]
    matrices: tuple[MatrixRegisters, ...]
    steps: int

    def __post_init__(self) -> None:
        settle(self, "lowered EventProp network", InputError)

    @property
    def n_synapses(self) -> int:
        """All synapses."""
        return sum(m.mantissas.size for m in self.matrices)

    def has_form_of(self, other: LoweredEventProp) -> bool:
        """Whether only mantissas differ: neurons, exponents and delays are as the network was compiled."""
        ends = [[(m.name, m.pre, m.post, m.mantissas.shape, m.exponent) for m in x.matrices] for x in (self, other)]
        if (self.n_in, self.groups, self.steps, ends[0]) != (other.n_in, other.groups, other.steps, ends[1]):
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
    if not isinstance(engine.setup.loss, TTFSLoss):
        raise InputError(
            f"the outputs answer by voltages ({type(engine.setup.loss).__name__}), which no spikes tell; train with "
            f"the loss ttfs, whose answer is the first spike"
        )
    n_layers = len(engine.sizes) - 1
    names = [*(f"hidden{k}" for k in range(1, n_layers)), "output"]
    layers = zip(names, engine.sizes[1:], engine.arithmetic, strict=True)
    return LoweredEventProp(
        n_in=engine.sizes[0],
        groups=tuple(_neurons(name, n, c) for name, n, c in layers),
        matrices=tuple(_matrices(engine, [INPUT, *names])),
        steps=engine.c.steps,
    )


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
