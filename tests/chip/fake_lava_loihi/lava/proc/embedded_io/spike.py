"""Adapters between host and chip, which here only pass on what comes."""

import numpy as np

from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.nc.model import journal
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class PyToNxAdapter(AbstractProcess):
    def __init__(self, shape):
        super().__init__(shape=shape)
        self.inp, self.out = InPort(shape=shape), OutPort(shape=shape)


class NxToPyAdapter(AbstractProcess):
    def __init__(self, shape):
        super().__init__(shape=shape)
        self.inp, self.out = InPort(shape=shape), OutPort(shape=shape)


class _Adapter(PyLoihiProcessModel):
    inp = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    out = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def start(self):
        journal(type(self).__name__, "adapter", shape=list(self.proc_params["shape"]))
        super().start()

    def run_spk(self):
        self.out.send(self.inp.recv())


@implements(PyToNxAdapter, protocol=LoihiProtocol)
@requires(CPU)
class PyToNx(_Adapter):
    pass


@implements(NxToPyAdapter, protocol=LoihiProtocol)
@requires(CPU)
class NxToPy(_Adapter):
    pass
