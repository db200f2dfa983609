"""The phases of Lava's steps, led by calling the models: what Lava's runtime service does by messages.

A step is the spiking phase of all models of a synchronisation domain; then, of those that asked for it, management
before learning, learning, and management after it. The models, their ports and their handlers of phases are Lava's.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import inspect
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import methodcaller
from pathlib import Path
from typing import Any, Protocol

from greenlet import getcurrent

from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava.limits import TimeIsUp
from lava_nbp.on_lava.messages import text_of
from lava_nbp.on_lava.order import find_order
from lava_nbp.on_lava.queues import Link, QueueRecvPort, QueueSendPort
from lava_nbp.on_lava.scheduler import Scheduler
from lava_nbp.on_lava.stock_arithmetic import leave_arithmetic

from lava.magma.core.model.py.model import AbstractPyProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND
from lava.proc.io.injector import PyLoihiInjectorModel

_Phase, _Answer = PyLoihiProcessModel.Phase, PyLoihiProcessModel.Response
SPIKING, BEFORE_LEARNING, LEARNING, AFTER_LEARNING, HOST = (
    phase[0] for phase in (_Phase.SPK, _Phase.PRE_MGMT, _Phase.LRN, _Phase.POST_MGMT, _Phase.HOST)
)
STOP, PAUSE = MGMT_COMMAND.STOP[0], MGMT_COMMAND.PAUSE[0]
_DONE, _ASKS_PAUSE, _ASKS_STOP = _Answer.STATUS_DONE[0], _Answer.REQ_PAUSE[0], _Answer.REQ_STOP[0]
_ASKS_BEFORE, _ASKS_LEARNING, _ASKS_AFTER = (
    answer[0] for answer in (_Answer.REQ_PRE_LRN_MGMT, _Answer.REQ_LEARNING, _Answer.REQ_POST_LRN_MGMT)
)
#: Where frames of Lava and of this package are, which are not where a model went wrong.
_AROUND = (Path(__file__).parent, Path(inspect.getfile(AbstractPyProcessModel)).parents[3])
#: In these a model serves its Vars to others' RefPorts.
_SERVING = (BEFORE_LEARNING, AFTER_LEARNING, HOST)
#: Steps in which another order of the models is tried, at most, after some had to wait for others.
_TRIALS = 8


class Member:
    """A model, as its domain calls it.

    Attributes
    ----------
    label : str
        Its Process, as messages call it.
    """

    def __init__(self, model: PyLoihiProcessModel, label: str) -> None:
        self.model, self.label = model, label
        self._state = vars(model)
        self._answer: Any = None
        self._busy = False
        model.service_to_process, model.process_to_service = _Silent(), self
        if isinstance(model, PyLoihiInjectorModel):  # when it is collected, it joins a port that it does not have
            self._state["_p_to_pm_dst_port"] = _Silent()
        self._handlers: dict[Any, Callable[[], None]] = model._cmd_handlers
        self._requests = [port._csp_recv_port.link for port in model.var_ports if port.csp_ports]
        self.spike: Callable[[], Any] = self._spike if _is_plain(model) else self._spike_as_told
        # Models of others may get guards at any time.
        known = type(model).__module__.startswith(("lava.", "lava_nbp."))
        self._asks = not known or any(_is_own(model, guard) for guard in ("lrn_guard", "pre_guard", "post_guard"))

    @property
    def step(self) -> int:
        """The step that it is in."""
        return int(self.model.time_step)

    # What the model takes for its port to Lava's service.

    def start(self) -> None:
        """There is nothing to be started."""

    def send(self, message: Any) -> None:
        """Take an answer of a handler."""
        self._answer = message[0]

    def join(self) -> None:
        """There is nothing that would have to end."""

    # What its domain calls.

    def call(self, command: Any) -> Any:
        """Run the handler of a phase or command; what the model asks for then."""
        self._answer, self._busy = _DONE, True
        self._handlers[command]()
        self._busy = False
        answer = self._answer
        if self._requests and command in _SERVING:
            self.serve()
        return answer

    def _spike_as_told(self) -> Any:
        return self.call(SPIKING)

    def _spike(self) -> Any:
        """What Lava's own handler does, but attributes are set without a look at whether they are ports."""
        model, state = self.model, self._state
        self._busy = True
        state["time_step"] += 1
        state["phase"] = _Phase.SPK
        model.run_spk()
        self._busy = False
        if model._req_pause or model._req_stop:
            model._handle_pause_or_stop_req()
            return self._answer
        if not self._asks:
            return _DONE
        if model.lrn_guard():
            return _ASKS_BEFORE if model.pre_guard() else _ASKS_LEARNING
        return _ASKS_AFTER if model.post_guard() else _DONE

    def serve(self) -> None:
        """Answer what RefPorts have asked, in the phases in which Lava does."""
        if self._busy or self.model.phase[0] not in _SERVING:
            return
        self._busy = True
        for port in self.model.var_ports:
            while port.csp_ports and port._csp_recv_port.link.messages:
                self.model._handle_var_port(port)
        self._busy = False

    def let_go(self) -> None:
        """It is over: break the circles of references, so that the model's memory is free at once."""
        for port in self.model.py_ports:
            port._process_model = None
            for csp_port in port.csp_ports:
                if isinstance(csp_port, (QueueSendPort, QueueRecvPort)):
                    csp_port.link.source = csp_port.link.target = csp_port.link.asked = None
        self._state.pop("run", None)
        leave_arithmetic(self.model)
        vars(self).pop("spike", None)
        self._handlers.clear()
        self.model.process_to_service = None


class _Silent:
    """In the place of the port at which Lava's service tells a model what to do: here it is called."""

    def start(self) -> None:
        pass

    def join(self) -> None:
        pass

    def probe(self) -> bool:
        return False


def _is_plain(model: Any) -> bool:
    """Whether a model spikes as Lava's base class says, and nothing happens when its ports are told of time."""
    kind = type(model)
    return (
        kind.__setattr__ in (AbstractPyProcessModel.__setattr__, object.__setattr__)
        and kind._spike is PyLoihiProcessModel._spike
        and model._cmd_handlers.get(SPIKING) == model._spike
        and kind.advance_to_time_step is PyLoihiProcessModel.advance_to_time_step
        and all(
            type(port).advance_to_time_step is PyOutPort.advance_to_time_step
            and not any(hasattr(csp_port, "advance_to_time_step") for csp_port in port.csp_ports)
            for port in model.py_ports
            if isinstance(port, PyOutPort)
        )
    )


def _is_own(model: Any, method: str) -> bool:
    """Whether a model has another method than Lava's base class, whose guards ask for no phase."""
    return method in vars(model) or getattr(type(model), method) is not getattr(PyLoihiProcessModel, method)


class Goal(Protocol):
    """How far to run."""

    @property
    def target(self) -> int:
        """The last step."""

    def asked_to_end(self, stop: bool) -> None:
        """A model wants the run to pause, or the network to stop, after this step."""


class Domain:
    """Models that go through the phases of every step together.

    One model runs after the other; while one waits for a message, those behind it do. In the first steps it is learned
    who sends before it waits, and the models take the order in which the fewest have to wait.

    Parameters
    ----------
    members : sequence of Member
        Its models.
    sparing : bool
        In learning and after it, call only the models that asked for it. Else all, as Lava does: where models serve
        their Vars.

    Attributes
    ----------
    begun, done : int
        Steps since the start of the network.
    """

    def __init__(self, members: Sequence[Member], sparing: bool) -> None:
        self.members, self._sparing = tuple(members), sparing
        self.begun = self.done = 0
        self._scheduler: Any = None
        self._todo: deque[Member] = deque()
        self._to_serve: deque[Member] = deque()
        self.pending = (self._todo, self._to_serve)
        self._action: Callable[[Member], Any] = _spike
        self._undone = 0
        self._leader: Any = None
        self._asked: dict[Any, list[Member]] = {}
        self._order = self.members
        self._trials: _Trials | None = None

    def join(self, scheduler: Scheduler) -> None:
        """From now on take turns there, and be woken when somebody asks for a Var."""
        self._scheduler = scheduler
        self._trials = _Trials(self.members, scheduler)
        for member in self.members:
            for link in member._requests:
                link.asked = _Call(self, member)

    def run(self, goal: Goal, between: Callable[[], None] | None = None) -> None:
        """Lead the models through steps until the goal is reached, which may change; `between` is called in between."""
        while self.begun < goal.target:
            self.begun += 1
            self._step(goal)
            self.done += 1
            if between is not None:
                between()
        self._phase(_caller(HOST), self.members)

    def tell(self, command: Any) -> None:
        """Let every model run a handler that is no phase."""
        self._phase(_caller(command), self.members)
        self._asked.clear()  # what they answer is no request

    # ------------------------------------------------------------- as Work

    def go_on(self) -> None:
        """Run models that nobody has begun with."""
        scheduler, todo, action, asked, trials = self._scheduler, self._todo, self._action, self._asked, self._trials
        while todo:
            member = todo.popleft()
            if trials is not None:
                trials.begin(member)
            if scheduler.interrupt is not None:
                scheduler.interrupt()
            try:
                answer = action(member)
            except TimeIsUp as late:
                late.place = f"in Process {member.label}, step {member.step}{where(late)}"
                raise
            except (Exception, SystemExit) as error:
                if isinstance(error, SystemExit) and scheduler.interrupt is not None:  # a signal's, that could not wait
                    raise
                raise failed(member.label, f"in step {member.step}", error) from error
            if answer is not _DONE and answer != _DONE:
                asked.setdefault(answer, []).append(member)
            self._undone -= 1
            if trials is not None:
                trials.begun = None
        while self._to_serve:
            member = self._to_serve.popleft()
            try:
                member.serve()
            except Exception as error:
                raise failed(member.label, f"in step {member.step}", error) from error
            self._undone -= 1
        if not self._undone and self._leader is not None:
            scheduler.ready.append(self._leader)
            self._leader = None

    # ----------------------------------------------------------------------

    def serve(self, member: Member) -> None:
        """Somebody has asked for a Var of a member that waits for the next phase, or will soon."""
        if not member._busy and member.model.phase[0] in _SERVING and member not in self._to_serve:
            self._to_serve.append(member)
            self._undone += 1

    def _phase(self, action: Callable[[Member], Any], members: Iterable[Member]) -> None:
        self._todo.extend(members)
        self._action, self._undone = action, self._undone + len(self._todo)
        self.go_on()
        while self._undone:
            self._leader = getcurrent()
            self._scheduler.wait(None)

    def _step(self, goal: Goal) -> None:
        asked = self._asked
        if self._trials is None:
            self._phase(_spike, self._order)
        else:
            self._try_order(self._trials)
        if not asked:
            return
        if _ASKS_BEFORE in asked:
            self._later(BEFORE_LEARNING, None)
        if _ASKS_LEARNING in asked:
            self._later(LEARNING, None if _ASKS_BEFORE in asked else _ASKS_LEARNING)
        if _ASKS_AFTER in asked:
            self._later(AFTER_LEARNING, _ASKS_AFTER)
        if _ASKS_PAUSE in asked or _ASKS_STOP in asked:
            goal.asked_to_end(stop=_ASKS_PAUSE not in asked)
        asked.clear()

    def _later(self, phase: Any, only: Any) -> None:
        """A phase after the first, for all or those that have asked for it."""
        members: Iterable[Member] = self.members
        if only is not None and self._sparing:
            # Who wants to pause or stop has not said which phases it needs.
            found = (member for answer in (only, _ASKS_PAUSE, _ASKS_STOP) for member in self._asked.get(answer, ()))
            members = dict.fromkeys(found)
        self._phase(_caller(phase), list(members))

    def _try_order(self, trials: _Trials) -> None:
        """A spiking phase from which is learned in which order to go on."""
        with trials:
            self._phase(_spike, self._order)
        self._order, over = trials.learn(self._order)
        if over:
            self._trials = None


class _Trials:
    """Steps in different orders of the models; a context manager around each.

    What is learned is who has sent all its messages when it first has to wait, and what it had received by then.
    """

    def __init__(self, members: Sequence[Member], scheduler: Scheduler) -> None:
        self._members, self._scheduler = members, scheduler
        index = {member: k for k, member in enumerate(members)}
        self._received = {member: _links(member, PyInPort, QueueRecvPort) for member in members}
        self._sent = {member: _links(member, PyOutPort, QueueSendPort) for member in members}
        self._index = index
        self._needs = [
            {index[link.source] for link in self._received[m] if link.source in index and link.source is not m}
            for m in members
        ]
        self._early: dict[Member, set[int]] = {}
        #: Who was begun with and has not waited yet, and which of its messages were there.
        self.begun: tuple[Member, list[Link]] | None = None
        self._waits, self._known = 0, -1
        self._tried: list[tuple[int, tuple[Member, ...]]] = []

    def __enter__(self) -> None:
        self._waits = self._scheduler.waits
        self._scheduler.waiting = self._look

    def __exit__(self, *_: object) -> None:
        self._scheduler.waiting, self.begun = None, None

    def begin(self, member: Member) -> None:
        """A member is begun with."""
        self.begun = (member, [link for link in self._received[member] if link.messages])

    def _look(self) -> None:
        """Somebody has to wait."""
        if self.begun is None:
            return
        (member, there), self.begun = self.begun, None
        sent = self._sent[member]
        if sent and all(link.messages for link in sent):
            taken = (link.source for link in there if not link.messages)
            self._early[member] = {self._index[source] for source in taken if source in self._index}

    def learn(self, order: tuple[Member, ...]) -> tuple[tuple[Member, ...], bool]:
        """The order to go on in after a step in another one, and whether that is for good."""
        waits = self._scheduler.waits - self._waits
        self._tried.append((waits, order))
        if not waits or len(self._tried) == _TRIALS or len(self._early) == self._known:
            return min(self._tried, key=lambda tried: tried[0])[1], True
        self._known = len(self._early)
        found = find_order(self._needs, [self._early.get(member) for member in self._members])
        return tuple(self._members[k] for k in found), False


def _links(member: Member, kind: Any, end: Any) -> list[Link]:
    """The channels at a model's ports of a kind."""
    ports = (port for port in member.model.py_ports if isinstance(port, kind))
    return [csp_port.link for port in ports for csp_port in port.csp_ports if isinstance(csp_port, end)]


class _Call:
    """Tells a domain that a member's Var is asked for."""

    def __init__(self, domain: Domain, member: Member) -> None:
        self._domain, self._member = domain, member

    def __call__(self) -> None:
        self._domain.serve(self._member)


#: Called for every model in every step: as a function of Python's own it costs half.
_spike = methodcaller("spike")


def _caller(command: Any) -> Callable[[Member], Any]:
    def call(member: Member) -> Any:
        return member.call(command)

    return call


def failed(label: str, when: str, error: BaseException) -> RuntimeFailure:
    """What is raised for an exception of a model: its Process, the step, the exception and where it was raised."""
    return RuntimeFailure(f"Process {label} failed {when}: {text_of(error, repr)}{where(error)}")


def where(error: BaseException) -> str:
    """Where an exception was raised, in words."""
    found = place_in(traceback.extract_tb(error.__traceback__))
    return f", {found}" if found else ""


def place_in(frames: Sequence[traceback.FrameSummary]) -> str:
    """The innermost of some frames that is neither Lava's nor this package's, in words."""
    own = [frame for frame in frames if not any(folder in Path(frame.filename).parents for folder in _AROUND)]
    return next((f"at {f.filename}:{f.lineno} in {f.name}" for f in reversed(own or frames)), "")
