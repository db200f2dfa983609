"""Lava's stock Processes for a lowered EventProp network: LIF, Dense and DelayDense, on the simulator and on a chip.

Neurons with a refractory period are Lava's LIFRefractory; its model in integers is `lava_nbp.on_lava.stock_refractory`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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
    def input(self) -> Any:
        """The synapses that spikes from outside come to."""
        return self.matrices[self.lowered.matrices[0].name]

    @property
    def processes(self) -> dict[str, AbstractProcess]:
        """All Processes by name."""
        return {**self.groups, **self.matrices}

    @property
    def running(self) -> bool:
        """Whether the models run, so that they hold weights and state."""
        return self.input.runtime is not None

    def reset(self) -> None:
        """Forget the sample: currents, voltages, and every spike on its way. Nothing if they do not run."""
        if not self.running:
            return
        for process in self.groups.values():
            for var in (process.u, process.v, *([process.refractory_period_end] if _rests(process) else [])):
                var.set(np.zeros(var.shape, dtype=np.int32))
        for process in self.matrices.values():
            process.a_buff.set(np.zeros(process.a_buff.shape, dtype=np.int32))

    def write(self, lowered: LoweredEventProp) -> None:
        """Take over the matrices of a network that has this one's form. Between runs."""
        for new in lowered.matrices if self.running else ():
            self.matrices[new.name].weights.set(np.ascontiguousarray(new.mantissas.T))
        self.lowered = lowered


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
