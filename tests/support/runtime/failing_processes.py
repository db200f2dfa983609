"""Lava Processes whose models fail in the ways that make plain Lava hang."""

import gc
import os
import signal
import time

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Unpicklable(Exception):
    """An exception that cannot be sent through a pipe as it is."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Failing(AbstractProcess):
    """Counts its steps, and in step `at` does what `how` says."""

    def __init__(self, how, at=3, name=None):
        super().__init__(how=how, at=at, name=name)
        self.s_out = OutPort(shape=(2,))
        self.state = Var(shape=(3,), init=np.array([1, 2, 3]))
        self.level = Var(shape=(1,), init=0.5)


@implements(proc=Failing, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFailing(PyLoihiProcessModel):
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    state: np.ndarray = LavaPyType(np.ndarray, np.int32, precision=10)
    level: np.ndarray = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.how, self.at = proc_params["how"], proc_params["at"]
        if self.how == "init":
            raise ValueError("no such luck")
        if self.how == "die in init":
            os._exit(7)
        if self.how == "hang in init":
            time.sleep(3600)

    def run_spk(self):
        self.s_out.send(np.zeros(2, np.int32))
        if self.time_step != self.at:
            return
        if self.how == "raise":
            raise ValueError(f"step {self.time_step} is one too many")
        if self.how == "raise unpicklable":
            raise Unpicklable("fish", "chips")
        if self.how == "collect":
            gc.collect()
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            os._exit(3)
        if self.how == "hang":
            time.sleep(3600)
        if self.how == "wrong shape":
            self.s_out.csp_ports[0].send(np.zeros(5, np.int32))


class Listening(AbstractProcess):
    """Receives what `Failing` sends."""

    def __init__(self, shape=(2,)):
        super().__init__()
        self.s_in = InPort(shape=shape)


@implements(proc=Listening, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyListening(PyLoihiProcessModel):
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def run_spk(self):
        self.s_in.recv()
