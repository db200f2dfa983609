"""Channels between a network in one process and the program around it, as Lava's Injector and Extractor have them.

The program may send and receive from another thread than the one in which the network runs. Its own waits end when the
network does, and where nobody is left who could end them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from numpy.typing import NDArray

from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava.queues import Link, QueueRecvPort, QueueSendPort, copy_for
from lava_nbp.on_lava.scheduler import Scheduler, others

from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort

#: How often a wait of the program looks at the network, in seconds.
_POLL = 0.05
#: How long a message of one of Lava's channels may take to its other end, and how long what is done there, in seconds.
_HANDED_OVER, _TAKEN = 0.05, 0.0002


class PipeSendPort(QueueSendPort):
    """A model sends to the program outside."""

    def probe(self) -> bool:
        """Whether `send` would not wait."""
        return len(self.link.messages) < self.link.size

    def send(self, data: Any) -> None:
        """Copy an array of the channel's shape into the queue."""
        link = self.link
        message = copy_for(link, data, self._name)
        link.scheduler.wait_outside(self.probe, link.about_sending)
        with link.scheduler.outside:
            link.messages.append(message)
            link.scheduler.outside.notify_all()


class PipeRecvPort(QueueRecvPort):
    """A model receives from the program outside."""

    def probe(self) -> bool:
        """Whether `recv` would not wait."""
        return bool(self._queue)

    def recv(self) -> NDArray[Any]:
        """The next message."""
        self._wait()
        with self.link.scheduler.outside:
            message: NDArray[Any] = self.link.messages.popleft()
            self.link.scheduler.outside.notify_all()
        return message

    def _wait(self) -> None:
        self.link.scheduler.wait_outside(self.probe, self.link.about_receiving)


def _wait_outside(link: Link, happened: Callable[[], bool], what: str) -> None:
    """Let the program wait, holding the lock, until something has happened.

    Raises
    ------
    RuntimeFailure
        If the network has ended before, even if there is a message or room for one; or if it does not run, and there
        is no other thread that could run it.
    """
    scheduler, waited = link.scheduler, False
    while True:
        if happened() and (waited or not scheduler.closed):
            return
        if scheduler.closed:
            raise RuntimeFailure("the network is stopped: there is nobody to wait for")
        waited = True
        if not scheduler.running and not others():
            raise RuntimeFailure(
                f"{what}, and the network does not run, nor is there another thread that could run it: run it "
                f"first, with blocking=False if this is to happen meanwhile"
            )
        scheduler.outside.wait(_POLL)


class OutsideSendPort(QueueSendPort):
    """The program sends to a model."""

    def probe(self) -> bool:
        """Whether `send` would not wait."""
        return len(self.link.messages) < self.link.size

    def send(self, data: Any) -> None:
        """Copy an array of the channel's shape into the queue."""
        link = self.link
        message = copy_for(link, data, self._name)
        with link.scheduler.outside:
            _wait_outside(
                link, self.probe, f"the program sends to port {link.target_port}, whose buffer of {link.size} is full"
            )
            link.messages.append(message)
            link.scheduler.outside.notify_all()


class OutsideRecvPort(QueueRecvPort):
    """The program receives from a model."""

    def probe(self) -> bool:
        """Whether `recv` would not wait."""
        return bool(self._queue)

    def peek(self) -> NDArray[Any]:
        """A copy of the next message, which stays in the queue."""
        with self.link.scheduler.outside:
            self._wait_for_message()
            message: NDArray[Any] = self._queue[0]
        return message.copy()

    def recv(self) -> NDArray[Any]:
        """The next message."""
        with self.link.scheduler.outside:
            self.link.scheduler.readers[self.link] = threading.current_thread()
            self._wait_for_message()
            message: NDArray[Any] = self._queue.popleft()
            self.link.scheduler.outside.notify_all()
        return message

    def _wait_for_message(self) -> None:
        _wait_outside(self.link, self.probe, f"the program waits for a message from port {self.link.source_port}")


def pipe_into(scheduler: Scheduler, name: str, shape: Any, dtype: Any, size: int) -> tuple[Any, Any]:
    """The ends of a pipe into the network: the program's, the model's."""
    link = Link(scheduler, shape, dtype, size)
    return OutsideSendPort("src", link), PipeRecvPort(name, link)


def pipe_out(scheduler: Scheduler, name: str, shape: Any, dtype: Any, size: int) -> tuple[Any, Any]:
    """The ends of a pipe out of the network: the program's, the model's."""
    link = Link(scheduler, shape, dtype, size)
    return OutsideRecvPort("dst", link), PipeSendPort(name, link)


def share_ports(model: Any, scheduler: Scheduler) -> None:
    """Let ports of Lava's own channels that a model was given wait without holding up the other models.

    Lava's VarWire makes such a channel: its end outside may be in use before the network is there.
    """
    for port in vars(model).values():
        if type(port) is CspSendPort:
            port.send = partial(_send, scheduler, port, port.send)
        elif type(port) is CspRecvPort:
            port.recv = partial(_receive, scheduler, port, port.recv)


def _send(scheduler: Scheduler, port: Any, send: Callable[[Any], None], message: Any) -> None:
    scheduler.wait_outside(port.probe, _about(port, scheduler).about_sending)
    send(message)
    # A thread of the channel's takes the message to its receiver. It comes to that while this one waits.
    deadline = time.monotonic() + _HANDED_OVER
    while port._req.get_value() and time.monotonic() < deadline:
        time.sleep(0)
    time.sleep(_TAKEN)


def _receive(scheduler: Scheduler, port: Any, receive: Callable[[], Any]) -> Any:
    scheduler.wait_outside(port.probe, _about(port, scheduler).about_receiving)
    return receive()


def _about(port: Any, scheduler: Scheduler) -> Link:
    link = Link(scheduler, port.shape, port.d_type, port.size)
    link.source_port = link.target_port = port.name
    return link
