"""Lava's synapses on the "chip"."""

from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.nc.model import AbstractNcProcessModel, journal
from lava.magma.core.resources import Loihi2NeuroCore
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import (
    PyDelayDenseModelBitAcc,
    PyDenseModelBitAcc,
    PyLearningDenseModelBitApproximate,
)
from lava.proc.dense.process import DelayDense, Dense, LearningDense


class _Noted(AbstractNcProcessModel):
    def allocate(self, net):
        p = self.proc_params
        rule = p.get("learning_rule")
        journal(
            type(self).__name__, "synapses", name=p["name"], shape=list(self.weights.shape),
            weight_exp=p.get("weight_exp", 0), sign_mode=p["sign_mode"].name,
            delay=int(getattr(self, "delays", self.weights * 0).max()), dw=None if rule is None else rule.dw_str,
        )  # fmt: skip


@implements(Dense, protocol=LoihiProtocol)
@requires(Loihi2NeuroCore)
class NcModelDense(PyDenseModelBitAcc, _Noted):
    def run_spk(self):
        PyDenseModelBitAcc.run_spk(self)


@implements(DelayDense, protocol=LoihiProtocol)
@requires(Loihi2NeuroCore)
class NcModelDelayDense(PyDelayDenseModelBitAcc, _Noted):
    def run_spk(self):
        PyDelayDenseModelBitAcc.run_spk(self)


@implements(LearningDense, protocol=LoihiProtocol)
@requires(Loihi2NeuroCore)
class NcModelLearningDense(PyLearningDenseModelBitApproximate, _Noted):
    def run_spk(self):
        PyLearningDenseModelBitApproximate.run_spk(self)
