"""Lava Processes whose models wait for each other, or keep the others waiting."""

import time

import numpy as np

import lava_nbp  # noqa: F401 - repairs Lava

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Passing(AbstractProcess):
    """Sends on what it receives; from step `at` on it receives before it sends, until then it sends first."""

    def __init__(self, at=1, name=None):
        super().__init__(at=at, name=name)
        self.s_in, self.s_out = InPort(shape=(2,)), OutPort(shape=(2,))


@implements(proc=Passing, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyPassing(PyLoihiProcessModel):
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        if self.time_step < self.proc_params["at"]:
            self.s_out.send(np.zeros(2, np.int32))
            self.s_in.recv()
        else:
            self.s_out.send(self.s_in.recv())


class Sending(AbstractProcess):
    """Sends `messages` in every step; in step `at` it then computes for so many seconds."""

    def __init__(self, messages=1, at=0, seconds=3600.0, name=None):
        super().__init__(messages=messages, at=at, seconds=seconds, name=name)
        self.s_out = OutPort(shape=(2,))


@implements(proc=Sending, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySending(PyLoihiProcessModel):
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self):
        for _ in range(self.proc_params["messages"]):
            self.s_out.send(np.zeros(2, np.int32))
        end = time.monotonic() + self.proc_params["seconds"]
        while self.time_step == self.proc_params["at"] and time.monotonic() < end:
            pass


class Taking(AbstractProcess):
    """Receives `messages` in every step."""

    def __init__(self, messages=1, name=None):
        super().__init__(messages=messages, name=name)
        self.s_in = InPort(shape=(2,))


@implements(proc=Taking, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyTaking(PyLoihiProcessModel):
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def run_spk(self):
        for _ in range(self.proc_params["messages"]):
            self.s_in.recv()


class AtItsOwnPace(AbstractProcess):
    """Sends on what it receives, in no steps."""

    def __init__(self, name=None):
        super().__init__(name=name)
        self.s_in, self.s_out = InPort(shape=(2,)), OutPort(shape=(2,))


@implements(proc=AtItsOwnPace, protocol=AsyncProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyAtItsOwnPace(PyAsyncProcessModel):
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_async(self):
        self.s_out.send(self.s_in.recv())
