"""A model in integers of Lava's LIFRefractory, which has one of floats only: `PyLifModelBitAcc`, and what rests.

As in Lava's own model u goes on while v is 0, in so many steps behind that of a spike. `model_choice` finds it beside
Lava's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import AbstractPyLifModelFixed
from lava.proc.lif.process import LIFRefractory


@implements(proc=LIFRefractory, protocol=LoihiProtocol)
@requires(CPU)
@tag("bit_accurate_loihi", "fixed_pt")
class PyLifRefractoryModelBitAcc(AbstractPyLifModelFixed):  # type: ignore[misc]
    """A chip's neurons with a refractory period, bit for bit Lava's fixed-point LIF in all other steps."""

    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    vth: int = LavaPyType(int, np.int32, precision=17)
    #: The last Lava step of each neuron's period, as in Lava's model.
    refractory_period_end: np.ndarray[Any, Any] = LavaPyType(np.ndarray, int)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.refractory_period = proc_params["refractory_period"]
        self.effective_vth = 0

    def scale_threshold(self) -> None:
        """As of `PyLifModelBitAcc`, which Lava lets nobody derive a model of another Process from."""
        self.effective_vth = np.left_shift(self.vth, self.vth_shift)
        self.isthrscaled = True

    def spiking_activation(self) -> Any:
        """As of `PyLifModelBitAcc`."""
        return self.v > self.effective_vth

    def subthr_dynamics(self, activation_in: Any) -> None:
        """As of LIF; v of who rests stays 0."""
        super().subthr_dynamics(activation_in)
        self.v[self.refractory_period_end >= self.time_step] = 0

    def reset_voltage(self, spike_vector: Any) -> None:
        """As of LIF; a spike begins a period."""
        super().reset_voltage(spike_vector)
        self.refractory_period_end[spike_vector] = self.time_step + self.refractory_period
