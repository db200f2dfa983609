"""Lava's LIF on the "chip"."""

from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.nc.model import AbstractNcProcessModel, journal
from lava.magma.core.resources import Loihi2NeuroCore
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifModelBitAcc
from lava.proc.lif.process import LIF


@implements(LIF, protocol=LoihiProtocol)
@requires(Loihi2NeuroCore)
class NcModelLif(PyLifModelBitAcc, AbstractNcProcessModel):
    def allocate(self, net):
        registers = {k: getattr(self, k) for k in ("vth", "du", "dv", "bias_mant", "bias_exp")}
        journal(type(self).__name__, "lif", name=self.proc_params["name"], n=self.v.size, **registers)

    def run_spk(self):
        PyLifModelBitAcc.run_spk(self)
