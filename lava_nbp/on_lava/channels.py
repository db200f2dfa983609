"""Channels between Lava's processes that wait on their semaphores themselves, without a thread per port.

A channel of Lava 0.10.0 has a thread at each end that turns semaphores into a
queue, so that one process can wait for several channels at once. Most never do:
a model receives from one port after the other. Waiting directly makes a Lava
step faster (CONTRIBUTING has figures). Only networks with RefPorts, or with
asynchronous models, wait for several channels; they keep Lava's channels (see
`lava_nbp.on_lava.runtime`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSelector, CspSendPort, PyPyChannel


class DirectSendPort(CspSendPort):  # type: ignore[misc]
    """Sends into a ring of `size` messages; blocks while all of them are unread."""

    _idx: int

    def start(self) -> None:
        """Map the ring."""
        self._array = _ring(self)
        self._free = self._size

    def probe(self) -> bool:
        """Whether `send` would not block."""
        if not self._free and self._ack.acquire(False):
            self._free = 1
        return bool(self._free)

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for room for a message; whether there is some."""
        if not self._free and self._ack.acquire(True, seconds):
            self._free = 1
        return bool(self._free)

    def send(self, data: Any) -> None:
        """Copy an array of the channel's shape into the ring."""
        if data.shape != self._shape:
            raise AssertionError(
                f"port {self._name!r} sends an array of shape {data.shape}, but its channel has shape {self._shape}"
            )
        if self._free:
            self._free -= 1
        elif not self._ack.acquire(False):
            self._block()
        self._array[self._idx][:] = data
        self._idx = (self._idx + 1) % self._size
        self._req.release()

    def _block(self) -> None:
        """Wait for room."""
        self._ack.acquire()

    def join(self) -> None:
        """Nothing runs that would have to end."""
        self._done = True


class DirectRecvPort(CspRecvPort):  # type: ignore[misc]
    """Receives from a ring of `size` messages."""

    _idx: int
    _ready = False

    def start(self) -> None:
        """Map the ring."""
        self._array = _ring(self)

    def probe(self) -> bool:
        """Whether `recv` would not block.

        Under Lava's `CspSelector`, which waits for this one channel and has set an observer
        to be woken by, it blocks until it can say yes.
        """
        if not self._ready:
            self._ready = self._req.acquire(False)
            if not self._ready and self.observer is not None:
                self._block()
                self._ready = True
        return self._ready

    def wait(self, seconds: float | None) -> bool:
        """Wait at most so long for a message, or without a limit; whether there is one."""
        if not self._ready:
            self._ready = self._req.acquire(True, seconds)
        return bool(self._ready)

    def peek(self) -> Any:
        """The next message, which stays in the ring."""
        if not self._ready:
            if not self._req.acquire(False):
                self._block()
            self._ready = True
        return self._array[self._idx].copy()

    def recv(self) -> Any:
        """The next message; blocks until there is one."""
        message = self.peek()
        self._ready = False
        self._idx = (self._idx + 1) % self._size
        self._ack.release()
        return message

    def _block(self) -> None:
        """Wait for a message."""
        self._req.acquire()

    def join(self) -> None:
        """Nothing runs that would have to end."""
        self._done = True


class DirectSelector(CspSelector):  # type: ignore[misc]
    """Waits for the one channel there is."""

    def select(self, *channel_actions: tuple[Any, Callable[[], Any]]) -> Any:
        """Wait for a message, and return what the action says."""
        ((channel, action),) = channel_actions
        channel.wait(None)
        return action()


class DirectChannel(PyPyChannel):  # type: ignore[misc]
    """A channel of Lava with direct ports at both ends."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._src_port.__class__ = DirectSendPort
        self._dst_port.__class__ = DirectRecvPort


def wait_for_message(port: Any, seconds: float) -> bool:
    """Wait at most so long for a message on a receiving port of either kind; whether there is one."""
    return port.wait(seconds) if isinstance(port, DirectRecvPort) else _wait_until_ready(port, seconds)


def wait_for_space(port: Any, seconds: float) -> bool:
    """Wait at most so long for room in a sending port of either kind; whether there is some."""
    return port.wait(seconds) if isinstance(port, DirectSendPort) else _wait_until_ready(port, seconds)


def _wait_until_ready(port: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not port.probe():
        if time.monotonic() >= end:
            return False
        time.sleep(0.0002)
    return True


def _ring(port: Any) -> list[np.ndarray[Any, Any]]:
    # LavaCDataType.INT32 equals 4.
    dtype = np.dtype(np.int32 if port._dtype == 4 else port._dtype)
    return [
        np.ndarray(shape=port._shape, dtype=dtype, buffer=port._shm.buf[port._nbytes * i : port._nbytes * (i + 1)])
        for i in range(port._size)
    ]
