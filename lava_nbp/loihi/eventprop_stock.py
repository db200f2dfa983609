"""Lava's stock Processes for a lowered EventProp network: LIF, Dense and DelayDense, on the simulator and on a chip.

Neurons with a refractory period are Lava's LIFRefractory; its model in integers is `lava_nbp.on_lava.stock_refractory`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.widths import ALIGNMENT_BITS
from lava_nbp.loihi.eventprop_lowering import INPUT, LoweredEventProp, MatrixRegisters
from lava_nbp.loihi.registers import NeuronRegisters
from lava_nbp.loihi.stock import make_lif

from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.lif.process import LIF, LIFRefractory
from lava.utils.weightutils import SignMode

#: Of messages with the number of an input's spikes, where several may come in a step.
_COUNT_BITS = 8


class StockEventProp:
    """The Processes of a lowered network, connected: input -> Dense -> LIF -> .. -> LIF.

    Parameters
    ----------
    lowered : LoweredEventProp
    graded : bool
        Whether an input may have several spikes in a step, which comes as a graded spike.

    Attributes
    ----------
    groups, matrices : dict
        Processes by the names of the lowered network.
    """

    def __init__(self, lowered: LoweredEventProp, graded: bool = False) -> None:
        self.lowered = lowered
        self.groups: dict[str, Any] = {g.name: _neurons(g) for g in lowered.groups}
        self.matrices: dict[str, Any] = {m.name: _make(m, graded and m.pre == INPUT) for m in lowered.matrices}
        for m in lowered.matrices:
            if m.pre != INPUT:
                self.groups[m.pre].s_out.connect(self.matrices[m.name].s_in)
            self.matrices[m.name].a_out.connect(self.groups[m.post].a_in)

    @property
    def inputs(self) -> list[Any]:
        """The synapses that spikes from outside come to: of the first layer, or of every rung of a ladder."""
        return [self.matrices[m.name] for m in self.lowered.matrices if m.pre == INPUT]

    @property
    def answering(self) -> dict[str, Any]:
        """The groups that answer, by the names of their ports outside: s_out, or <rung>_out of a ladder."""
        lowered = self.lowered
        return {port_of(lowered, g): self.groups[g.name] for g in lowered.answering}

    @property
    def processes(self) -> dict[str, AbstractProcess]:
        """All Processes by name."""
        return {**self.groups, **self.matrices}

    @property
    def running(self) -> bool:
        """Whether the models run, so that they hold weights and state."""
        return self.inputs[0].runtime is not None

    def reset(self) -> None:
        """Forget the sample: currents, voltages, and every spike on its way. Nothing if they do not run."""
        if not self.running:
            return
        for process in self.groups.values():
            for var in (process.u, process.v, *([process.refractory_period_end] if _rests(process) else [])):
                var.set(np.zeros(var.shape, dtype=np.int32))
        for process in self.matrices.values():
            process.a_buff.set(np.zeros(process.a_buff.shape, dtype=np.int32))

    def read(self) -> dict[str, NDArray[np.int64]]:
        """Weights (pre, post) by the names of matrices, in units of u, as the models hold them. Between runs."""
        return {
            m.name: np.asarray(self.matrices[m.name].weights.get(), dtype=np.int64).T << m.exponent + ALIGNMENT_BITS
            for m in self.lowered.matrices
        }

    def write(self, lowered: LoweredEventProp) -> None:
        """Take over the matrices of a network that has this one's form. Between runs."""
        for new in lowered.matrices if self.running else ():
            self.matrices[new.name].weights.set(np.ascontiguousarray(new.mantissas.T))
        self.lowered = lowered


def port_of(lowered: LoweredEventProp, group: NeuronRegisters) -> str:
    """Name of the port at which a network sends the spikes of a group."""
    return "s_out" if not lowered.rungs and group is lowered.groups[-1] else f"{group.name}_out"


def _neurons(group: NeuronRegisters) -> LIF:
    if group.refractory == 1:  # from spike to spike: none is missed
        return make_lif(group)
    return LIFRefractory(
        shape=(group.size,), vth=group.vth, du=group.du, dv=group.dv, refractory_period=group.refractory - 1,
        name=group.name,
    )  # fmt: skip


def _rests(process: Any) -> bool:
    return isinstance(process, LIFRefractory)


def _make(matrix: MatrixRegisters, graded: bool) -> Any:
    options: dict[str, Any] = {
        "weights": np.ascontiguousarray(matrix.mantissas.T),
        "weight_exp": matrix.exponent,
        "sign_mode": SignMode.MIXED,
        "num_message_bits": _COUNT_BITS if graded else 0,
        "name": matrix.name,
    }
    if matrix.delays is None or not matrix.delays.any():
        return Dense(**options)
    return DelayDense(**options, delays=matrix.delays.T.astype(int))
