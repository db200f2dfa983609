"""Three Processes in a row, each with a model of its own whose `run_spk` can be told from the others' in a profile."""

import numpy as np

import lava_nbp  # noqa: F401 - repairs Lava

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Row(AbstractProcess):
    """A number in, and a number out."""

    def __init__(self):
        super().__init__()
        self.into, self.out = InPort(shape=(1,)), OutPort(shape=(1,))


class First(Row):
    """Sends, without waiting."""


class Second(Row):
    """Waits before it sends."""


class Third(Row):
    """Waits, and sends nothing."""


class Model(PyLoihiProcessModel):
    """What the models have in common."""

    into: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)


@implements(proc=First, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyFirst(Model):
    def run_spk(self):
        self.out.send(np.array([1]))


@implements(proc=Second, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySecond(Model):
    def run_spk(self):
        self.out.send(self.into.recv())


@implements(proc=Third, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyThird(Model):
    def run_spk(self):
        self.into.recv()


#: Where each of them begins.
LINES = {kind.__name__: kind.run_spk.__code__.co_firstlineno for kind in (PyFirst, PySecond, PyThird)}
