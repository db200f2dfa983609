"""What children note of themselves in memory that their parent reads: the step they are in, and where they wait.

A model notes the step when it begins with a phase, and before it blocks in a channel at which end that is. It costs a
number in shared memory, and nothing where a message is there already. When the time-out passes, the parent reads who
waits for whom, as the scheduler of a network in one process knows it, or who is still at work.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.on_lava.channels import DirectRecvPort, DirectSendPort
from lava_nbp.on_lava.waiting import Waiting, find_ring, tell, tell_at_work

from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND

_Phase = PyLoihiProcessModel.Phase
#: What a model is led through; other commands are the service's talk with it.
_PHASES = (_Phase.PRE_MGMT, _Phase.LRN, _Phase.POST_MGMT, _Phase.HOST)
#: So often the parent looks whether a step goes on, and so long it waits in between, in seconds. What waits, and is the
#: same in two looks, will be so for ever, but only if nobody is at work.
_LOOKS, _BETWEEN = 6, 0.05


class _End(NamedTuple):
    """An end of a channel: whose it is, and what it waits for when it does."""

    who: str
    port: str
    sends: bool
    refers: bool
    channel: int
    semaphore: Any

    @property
    def is_held_up(self) -> bool:
        """Whether there is no message, or no room for one."""
        return not self.semaphore.get_value()


class _Look(NamedTuple):
    """What all models do at one moment: those that wait, those at work with their steps, and the last step of all."""

    waits: tuple[Waiting, ...]
    at_work: tuple[tuple[str, int], ...]
    step: int


class Notes:
    """One array for a network: a number per model, and one per end of a channel of theirs.

    Of a model: 1 + the step that it is in while it is at work on a phase; negative once it has done that; 0 before the
    first. Of an end: 0 while nobody waits there, else 1 + the step of the model that does.

    Parameters
    ----------
    labels : dict
        What messages call the Process of each builder. The builders have the ends of all channels; nothing is forked
        yet.
    """

    def __init__(self, labels: dict[Any, str]) -> None:
        self._labels, builders = list(labels.values()), list(labels)
        self._places = {id(builder): place for place, builder in enumerate(labels)}
        found = [(k, name, port) for k, builder in enumerate(labels) for name, port in _ports_of(builder)]
        self._cells = shared_zeros(len(labels) + len(found), np.int64).data
        self._ends: dict[int, _End] = {}
        for place, (model, name, port) in enumerate(found, len(labels)):
            sends = isinstance(port, CspSendPort)
            semaphore = port._ack if sends else port._req
            self._ends[place] = _End(
                self._labels[model], name, sends, name in builders[model].ref_ports, id(port._req), semaphore
            )
            port.__class__ = _NOTING[type(port)]
            port.cells, port.model, port.place = self._cells, model, place
        self._by_channel: dict[tuple[int, bool], _End] = {(end.channel, end.sends): end for end in self._ends.values()}

    # ------------------------------------------------------------- the child

    def follower(self, builder: Any) -> Callable[[Any], None] | None:
        """What a child calls with the model that it has built, before it starts it; None if it serves no model."""
        place = self._places.get(id(builder))
        return None if place is None else partial(self._follow, place)

    def _follow(self, place: int, model: Any) -> None:
        """Note from now on in which step a model is, and whether it is at work."""
        cells, handlers = self._cells, model._cmd_handlers

        def noting(handler: Callable[[], None], step: Callable[[], int]) -> Callable[[], None]:
            def handle() -> None:
                now = cells[place] = 1 + step()
                handler()
                cells[place] = -now

            return handle

        if isinstance(model, PyLoihiProcessModel):
            spike = _Phase.SPK[0]
            handlers[spike] = noting(handlers[spike], lambda: model.time_step + 1)
            for phase in _PHASES:
                handlers[phase[0]] = noting(handlers[phase[0]], lambda: model.time_step)
        elif MGMT_COMMAND.RUN[0] in handlers:  # it counts its steps itself, or not
            handlers[MGMT_COMMAND.RUN[0]] = noting(handlers[MGMT_COMMAND.RUN[0]], lambda: 0)

    # ------------------------------------------------------------ the parent

    def told(self) -> str:
        """Who waits for whom, or who is at work, in words, with the cure; "" if nobody is known to do either."""
        before = now = self._look()
        agree = False
        for _ in range(_LOOKS):
            time.sleep(_BETWEEN)
            before, now = now, self._look()
            agree = now == before
            if now.step > before.step or (agree and now.waits and not now.at_work):
                break
        if now.step == before.step and (agree or now.at_work):
            return _tell(now if agree else now._replace(waits=()))
        return f"the network goes on, in step {now.step}; raise `timeout` or run fewer steps"

    def _look(self) -> _Look:
        """What is noted; of who was at it when it was read, that may be a little old."""
        cells = self._cells.tolist()
        waits: list[Waiting] = []
        waiting = set()
        for place, end in self._ends.items():
            if cells[place] and end.is_held_up:
                other = self._by_channel.get((end.channel, not end.sends))
                whom, their_port = (other.who, other.port) if other else ("", "")
                waits.append(Waiting(end.who, end.port, end.sends, whom, their_port, cells[place] - 1, end.refers))
                waiting.add(end.who)
        steps = cells[: len(self._labels)]
        labelled = zip(self._labels, steps, strict=True)
        at_work = ((label, step - 1) for label, step in labelled if step > 0 and label not in waiting)
        return _Look(tuple(waits), tuple(at_work), max(abs(step) for step in steps) - 1)


def _tell(look: _Look) -> str:
    ring = find_ring(look.waits)
    work = tell_at_work(look.at_work) if look.at_work else ""
    if ring:
        return tell(ring) + (f"; meanwhile {work}" if work else "")
    if work:
        return f"{work}; raise `timeout` or run fewer steps"
    return tell(look.waits) if look.waits else ""


def _ports_of(builder: Any) -> Iterator[tuple[str, Any]]:
    """The ends of channels that a model has, by port, and of those that it was given as Lava's VarWire is."""
    for name, ports in builder.csp_ports.items():
        yield from ((name, port) for port in ports if type(port) in _NOTING)
    given: Iterable[Any] = getattr(builder.proc_params, "_parameters", {}).values()
    yield from ((port.name, port) for port in given if type(port) in (CspSendPort, CspRecvPort))


class _Noting:
    """An end of a channel that notes where and when somebody waits."""

    __slots__ = ()  # and it comes second: so an end can become one that notes

    cells: memoryview
    model: int
    place: int

    def _noted(self, act: Callable[..., Any], *args: Any) -> Any:
        """Do what may have to wait."""
        self.cells[self.place] = abs(self.cells[self.model]) or 1
        try:
            return act(*args)
        finally:
            self.cells[self.place] = 0


class _NotingDirectSendPort(DirectSendPort, _Noting):
    def _block(self) -> None:
        # As `_noted`, but in a third of the time.
        cells, place = self.cells, self.place
        cells[place] = abs(cells[self.model]) or 1
        self._ack.acquire()
        cells[place] = 0


class _NotingDirectRecvPort(DirectRecvPort, _Noting):
    def _block(self) -> None:
        cells, place = self.cells, self.place
        cells[place] = abs(cells[self.model]) or 1
        self._req.acquire()
        cells[place] = 0


class _NotingSendPort(CspSendPort, _Noting):  # type: ignore[misc]
    def send(self, data: Any) -> None:
        send = super().send
        if self.probe():
            send(data)
        else:
            self._noted(send, data)


class _NotingRecvPort(CspRecvPort, _Noting):  # type: ignore[misc]
    def peek(self) -> Any:
        return super().peek() if self.probe() else self._noted(super().peek)

    def recv(self) -> Any:
        return super().recv() if self.probe() else self._noted(super().recv)


#: The class of an end that notes, by that of one that does not.
_NOTING: dict[type, type] = {
    DirectSendPort: _NotingDirectSendPort,
    DirectRecvPort: _NotingDirectRecvPort,
    CspSendPort: _NotingSendPort,
    CspRecvPort: _NotingRecvPort,
}
