"""A Lava Process whose model asks for the phases behind that of the spikes, each in steps of its own."""

import numpy as np

import lava_nbp  # noqa: F401 - repairs Lava

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Phased(AbstractProcess):
    """Notes in which phases it runs: `ran` (steps, 4) of spikes, before learning, learning and after it.

    Its guards say yes in steps that `every` divides: three numbers, 0 for never.
    """

    def __init__(self, every, steps):
        super().__init__(every=every)
        self.s_in, self.s_out = InPort(shape=(1,)), OutPort(shape=(1,))
        self.ran = Var(shape=(steps, 4), init=0)


@implements(proc=Phased, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPhased(PyLoihiProcessModel):
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    ran: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=24)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.every = proc_params["every"]

    def _is_time(self, k):
        return self.every[k] and self.time_step % self.every[k] == 0

    def _note(self, k):
        self.ran[self.time_step - 1, k] += 1

    def run_spk(self):
        self._note(0)
        self.s_out.send(np.array([self.time_step], np.int32))
        self.s_in.recv()

    def pre_guard(self):
        return self._is_time(0)

    def lrn_guard(self):
        return self._is_time(1)

    def post_guard(self):
        return self._is_time(2)

    def run_pre_mgmt(self):
        self._note(1)

    def run_lrn(self):
        self._note(2)

    def run_post_mgmt(self):
        self._note(3)
