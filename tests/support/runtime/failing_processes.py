"""Lava Processes whose models fail in the ways that make plain Lava hang."""

import faulthandler
import gc
import os
import signal
import sys
import threading
import time

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


class Unpicklable(Exception):
    """An exception that cannot be sent through a pipe as it is."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Unshowable(Exception):
    """An exception that says nothing when it is asked, but raises."""

    def __repr__(self):
        raise SystemExit("not today")

    __str__ = __repr__


class Sticky(Exception):
    """An exception that keeps whoever unpickles it."""

    def __reduce__(self):
        return time.sleep, (3600,)


def do_harm(how):
    """What a model may do while it is built, or in a step."""
    if how == "huge":
        raise ValueError("x" * 5_000_000 + "!")
    if how == "huge and not ASCII":
        raise ValueError("\U0001f40d\ud800\0" * 1_000_000)
    if how == "unshowable":
        raise Unshowable
    if how == "sticky":
        raise Sticky("glue")
    if how == "several values":
        b"\xff".decode()
    if how == "end":
        sys.exit("enough")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "out of memory":
        raise MemoryError
    if how == "segmentation fault":
        faulthandler.disable()  # pytest would print a page
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "leave a child":  # which keeps every file open that a parent might wait for
        if os.fork() == 0:
            time.sleep(2)
        os._exit(5)
    if how == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "start a thread and fail":
        threading.Thread(target=time.sleep, args=(3600,)).start()
        raise ValueError("a thread is left")


class Failing(AbstractProcess):
    """Counts its steps, and in step `at` does what `how` says; in step 0: while its model is built."""

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
        if self.at == 0:
            do_harm(self.how)
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
        do_harm(self.how)
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


def network(how, at=3, name=None):
    """A Process that fails, connected to one that listens."""
    failing, listening = Failing(how, at, name), Listening()
    failing.s_out.connect(listening.s_in)
    return failing
