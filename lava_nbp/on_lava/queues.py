"""Channels between the models of one process: queues.

They take the place of Lava's shared memory, semaphores and threads. A message is copied once, when it is sent, into an
array of the channel's shape and type, as Lava's are; a channel holds so many messages as Lava's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from greenlet import getcurrent
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lava_nbp.on_lava.scheduler import Scheduler
from lava_nbp.on_lava.waiting import Waiting

from lava.magma.compiler.channels.interfaces import Channel
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.utils.sparse import find


class _Messages(deque):  # type: ignore[type-arg]
    """What Lava's Injector and Extractor ask of a receiving port's queue."""

    qsize = deque.__len__


class Link:
    """What both ends of a channel share.

    Attributes
    ----------
    messages : deque
        Sent and not received.
    source, target : Model or None, str
        Whose ports are at the ends, and their names; None: the program outside the network.
    refers : str
        Which of these ports is a RefPort; the other is a VarPort.
    asked : callable or None
        Called when a message has come to somebody who does not wait for it: a model that serves its Vars.
    """

    __slots__ = (
        "asked", "dtype", "messages", "reader", "refers", "scheduler", "shape", "size", "source", "source_port",
        "target", "target_port", "writer",
    )  # fmt: skip

    def __init__(self, scheduler: Scheduler, shape: tuple[int, ...], dtype: Any, size: int) -> None:
        self.scheduler, self.shape, self.size = scheduler, shape, size
        self.dtype = np.dtype(np.int32 if dtype == 4 else dtype)  # LavaCDataType.INT32 equals 4
        self.messages = _Messages()
        self.reader: Any = None
        self.writer: Any = None
        self.asked: Callable[[], None] | None = None
        self.source: Any = None
        self.target: Any = None
        self.source_port = self.target_port = self.refers = ""

    def about_sending(self) -> Waiting:
        """What a model waits for that cannot send here."""
        return self._about(True)

    def about_receiving(self) -> Waiting:
        """What a model waits for that waits for a message here."""
        return self._about(False)

    def _about(self, sends: bool) -> Waiting:
        who, port, whom, their = self.source, self.source_port, self.target, self.target_port
        if not sends:
            who, port, whom, their = whom, their, who, port
        label = "" if whom is None else whom.label
        step = who.step if who else 0
        return Waiting(
            who.label if who else "a model", port, sends, label, their, step, bool(port) and port == self.refers
        )


def copy_for(link: Link, data: Any, port: str) -> NDArray[Any]:
    """A message as its receiver gets it.

    Raises
    ------
    AssertionError
        For an array of another shape than the channel's.
    """
    if data.shape != link.shape:
        raise AssertionError(
            f"port {port!r} sends an array of shape {data.shape}, but its channel has shape {link.shape}"
        )
    if type(data) is np.ndarray:
        return data.astype(link.dtype, "C")
    if isinstance(data, csr_matrix):
        data = find(data, explicit_zeros=True)[2]
    message: NDArray[Any] = np.empty(link.shape, link.dtype)
    message[...] = data
    return message


class QueueSendPort(CspSendPort):  # type: ignore[misc]
    """Sends into a queue; lets others go on while it is full."""

    def __init__(self, name: str, link: Link) -> None:
        self._name, self.link = name, link
        self._shape, self._dtype, self._size = link.shape, link.dtype, link.size

    observer = None

    def start(self) -> None:
        """There is nothing to be started."""

    def join(self) -> None:
        """There is nothing that would have to end."""

    def probe(self) -> bool:
        """Whether `send` would not wait."""
        link = self.link
        if len(link.messages) >= link.size:
            link.scheduler.give_way()
        return len(link.messages) < link.size

    def send(self, data: Any) -> None:
        """Copy an array of the channel's shape into the queue."""
        link = self.link
        messages = link.messages
        if type(data) is np.ndarray and data.shape == link.shape:  # of nearly all: a call costs as much as the copy
            message: NDArray[Any] = data.copy() if data.dtype is link.dtype else data.astype(link.dtype, "C")
        else:
            message = copy_for(link, data, self._name)
        while len(messages) >= link.size:
            link.writer = getcurrent()
            link.scheduler.wait(link.about_sending)
        messages.append(message)
        if link.reader is not None:
            link.scheduler.ready.append(link.reader)
            link.reader = None
        elif link.asked is not None:
            link.asked()


class QueueRecvPort(CspRecvPort):  # type: ignore[misc]
    """Receives from a queue; lets others go on while there is nothing."""

    def __init__(self, name: str, link: Link) -> None:
        self._name, self.link, self._queue = name, link, link.messages
        self._shape, self._dtype, self._size = link.shape, link.dtype, link.size

    observer = None

    def start(self) -> None:
        """There is nothing to be started."""

    def join(self) -> None:
        """There is nothing that would have to end."""

    def probe(self) -> bool:
        """Whether `recv` would not wait; others go on before the answer is no."""
        if not self._queue:
            self.link.scheduler.give_way()
        return bool(self._queue)

    def peek(self) -> NDArray[Any]:
        """A copy of the next message, which stays in the queue."""
        self._wait()
        message: NDArray[Any] = self._queue[0]
        return message.copy()

    def recv(self) -> NDArray[Any]:
        """The next message."""
        link = self.link
        if not link.messages:
            self._wait()
        message: NDArray[Any] = link.messages.popleft()
        if link.writer is not None:
            link.scheduler.ready.append(link.writer)
            link.writer = None
        return message

    def _wait(self) -> None:
        link = self.link
        while not link.messages:
            link.reader = getcurrent()
            link.scheduler.wait(link.about_receiving)


class QueueChannel(Channel):  # type: ignore[misc]
    """A channel between two models; made with the arguments of Lava's."""

    def __init__(
        self, scheduler: Scheduler, src_name: str, dst_name: str, shape: Any, dtype: Any, size: int, *_: Any
    ) -> None:
        link = Link(scheduler, shape, dtype, size)
        self._src_port, self._dst_port = QueueSendPort(src_name, link), QueueRecvPort(dst_name, link)

    @property
    def src_port(self) -> QueueSendPort:
        """Where it begins."""
        return self._src_port

    @property
    def dst_port(self) -> QueueRecvPort:
        """Where it ends."""
        return self._dst_port
