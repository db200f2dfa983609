"""Lava Processes whose models do what a test says, in every phase, and Processes of every kind that Lava has."""

import numpy as np
from scipy.sparse import csr_matrix

import lava_nbp  # noqa: F401 - repairs Lava

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort, PyVarPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort, VarPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


def nothing(model):
    """What a model does by default."""


class Doing(AbstractProcess):
    """Calls functions, which get its model: `spike` in every step, the others in theirs if they are given.

    Two ports each way, of one number; a port that is not connected brings 0. `count` is there to be changed.
    """

    def __init__(self, spike=nothing, name=None, build=nothing, before=None, learn=None, after=None):
        super().__init__(spike=spike, build=build, before=before, learn=learn, after=after, name=name)
        self.a_in, self.b_in = InPort(shape=(1,)), InPort(shape=(1,))
        self.a_out, self.b_out = OutPort(shape=(1,)), OutPort(shape=(1,))
        self.count = Var(shape=(1,), init=0)


@implements(proc=Doing, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDoing(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    b_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    b_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    count: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        for phase in ("spike", "before", "learn", "after"):
            setattr(self, f"do_{phase}", proc_params[phase])
        proc_params["build"](self)

    def send(self, number, port="a"):
        """Send a number by a port."""
        getattr(self, f"{port}_out").send(np.array([number]))

    def receive(self, port="a"):
        """The number that a port brings."""
        return int(getattr(self, f"{port}_in").recv()[0])

    def run_spk(self):
        self.do_spike(self)

    def pre_guard(self):
        return self.do_before is not None

    def lrn_guard(self):
        return self.do_before is not None or self.do_learn is not None

    def post_guard(self):
        return self.do_after is not None

    def run_pre_mgmt(self):
        self.do_before(self)

    def run_lrn(self):
        if self.do_learn is not None:
            self.do_learn(self)

    def run_post_mgmt(self):
        self.do_after(self)


class Starting(AbstractProcess):
    """Its model overrides `start`, as Lava lets it."""

    def __init__(self):
        super().__init__()
        self.starts = Var(shape=(1,), init=0)


@implements(proc=Starting, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyStarting(PyLoihiProcessModel):
    starts: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def start(self):
        self.starts[0] += 1
        super().start()

    def run_spk(self):
        self.starts[0] += 10


class Asynchronous(AbstractProcess):
    """Has no model but an asynchronous one."""

    def __init__(self):
        super().__init__()
        self.runs = Var(shape=(1,), init=0)


@implements(proc=Asynchronous, protocol=AsyncProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyAsynchronous(PyAsyncProcessModel):
    runs: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def run_async(self):
        self.runs[0] += self.num_steps


class Held(AbstractProcess):
    """A vector that others may read and write; its own model adds 1 in every step."""

    def __init__(self):
        super().__init__()
        self.held = Var(shape=(3,), init=np.array([10, 20, 30]))


@implements(proc=Held, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyHeld(PyLoihiProcessModel):
    held: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def run_spk(self):
        self.held[...] += 1


class Offered(AbstractProcess):
    """As Held, but with a VarPort of its own."""

    def __init__(self):
        super().__init__()
        self.held = Var(shape=(3,), init=np.array([10, 20, 30]))
        self.held_port = VarPort(self.held)


@implements(proc=Offered, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyOffered(PyLoihiProcessModel):
    held: np.ndarray = LavaPyType(np.ndarray, np.int32)
    held_port: PyVarPort = LavaPyType(PyVarPort.VEC_DENSE, np.int32)

    def run_spk(self):
        self.held[...] += 1


class Reaching(AbstractProcess):
    """Reads a vector of another Process after every step, doubles it, and writes it back; `seen` is what it read.

    With `confirm` it waits until that is done, and looks again: `after` is what is there then.
    """

    def __init__(self, confirm=False):
        super().__init__(confirm=confirm)
        self.reach = RefPort(shape=(3,))
        self.seen = Var(shape=(3,), init=0)
        self.after = Var(shape=(3,), init=0)


@implements(proc=Reaching, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyReaching(PyLoihiProcessModel):
    reach: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    seen: np.ndarray = LavaPyType(np.ndarray, np.int32)
    after: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def post_guard(self):
        return True

    def run_post_mgmt(self):
        self.seen[...] = self.reach.read()
        self.reach.write(2 * self.seen)
        if self.proc_params["confirm"]:
            self.reach.wait()
            self.after[...] = self.reach.read()


class Kinds(AbstractProcess):
    """Vars of every type that Lava moves; its model changes none."""

    def __init__(self):
        super().__init__()
        self.whole = Var(shape=(2, 3), init=np.arange(6).reshape(2, 3))
        self.short = Var(shape=(2,), init=np.array([-7, 7]))
        self.real = Var(shape=(3,), init=np.array([0.1, -2.5, 1e300]))
        self.single = Var(shape=(2,), init=np.array([0.1, 0.2]))
        self.flags = Var(shape=(3,), init=np.array([True, False, True]))
        self.number = Var(shape=(1,), init=5)
        self.sparse = Var(shape=(2, 3), init=csr_matrix([[0, 2, 0], [3, 0, 4]]))
        self.text = Var(shape=(5,), init="hello")


@implements(proc=Kinds, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyKinds(PyLoihiProcessModel):
    whole: np.ndarray = LavaPyType(np.ndarray, np.int64)
    short: np.ndarray = LavaPyType(np.ndarray, np.int16, precision=16)
    real: np.ndarray = LavaPyType(np.ndarray, float)
    single: np.ndarray = LavaPyType(np.ndarray, np.float32)
    flags: np.ndarray = LavaPyType(np.ndarray, bool)
    number: int = LavaPyType(int, int)
    sparse: csr_matrix = LavaPyType(csr_matrix, np.int32)
    text: str = LavaPyType(str, str)


class Doubling(AbstractProcess):
    """A matrix in, twice the matrix out, a step later; made of two halves that add the same."""

    def __init__(self, shape):
        super().__init__(shape=shape)
        self.x_in, self.y_out = InPort(shape=shape), OutPort(shape=shape)


@implements(proc=Doubling, protocol=LoihiProtocol)
@tag("fixed_pt")
class PyDoubling(AbstractSubProcessModel):
    def __init__(self, process):
        shape = process.proc_params["shape"]
        self.one, self.two = Late(shape), Late(shape)
        for half in (self.one, self.two):
            process.x_in.connect(half.x_in)
            half.y_out.connect(process.y_out)


class Late(AbstractProcess):
    """What came in comes out a step later: it sends before it receives."""

    def __init__(self, shape):
        super().__init__(shape=shape)
        self.x_in, self.y_out = InPort(shape=shape), OutPort(shape=shape)
        self.kept = Var(shape=shape, init=0)


@implements(proc=Late, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyLate(PyLoihiProcessModel):
    x_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    y_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)
    kept: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def run_spk(self):
        self.y_out.send(self.kept)
        self.kept[...] = self.x_in.recv()
