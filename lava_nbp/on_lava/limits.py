"""What ends a run from outside while models run in this thread: signals, such as Ctrl-C, and the time-out.

Both take effect between two models, so that none is left in the midst of its work. A model that goes on for longer is
interrupted where it is. In the main thread that is done by a signal, which ends waits such as `time.sleep`, too; in
another thread it takes effect where Python runs bytecode, so after such a call.

Threads that wait for the time are started without the book-keeping of `threading`, whose locks may be held where a
signal arrives.
"""

from __future__ import annotations

import _thread
import ctypes
import signal
import sys
import threading
import time
from typing import Any

from lava_nbp.on_lava.scheduler import Scheduler

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: The one that interrupts a model that goes on.
_INSISTS = signal.SIGINT
#: How long a model may go on after a signal, and after the time-out, before it is interrupted, in seconds.
_GRACE_SIGNAL, _GRACE_TIME = 1.0, 0.1
#: How long until it is interrupted again, should it have gone on.
_AGAIN = 0.5
#: How long a signal may be on its way, in milliseconds.
_ON_ITS_WAY = 50


class TimeIsUp(BaseException):
    """Raised where a network is when the time-out passes; `place` says where, if that was in a model."""

    place = ""


class Limits:
    """Signals and the time-out, from `begin` to `end`, of what runs in this thread.

    Parameters
    ----------
    scheduler : Scheduler
        Calls what interrupts between two models.
    seconds : float, optional
        When the time is up.
    """

    def __init__(self, scheduler: Scheduler, seconds: float | None) -> None:
        self._scheduler, self._seconds = scheduler, seconds
        self._handlers: dict[int, Any] = {}
        self._pending: int | None = None
        self._forced: type[BaseException] | None = None
        self._insisted, self._raised = 0, False
        self._lock, self._over = threading.RLock(), threading.Event()
        self._thread = threading.get_ident()

    def begin(self) -> None:
        """From now on."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler) or (number is _INSISTS and handler is signal.SIG_IGN):
                    self._handlers[number] = handler
                    signal.signal(number, self._told)
        if self._seconds is not None:
            _thread.start_new_thread(self._late, (self._seconds,))

    def end(self) -> None:
        """No longer; a signal that has come too late for the run acts now. Doing it twice is harmless."""
        with self._lock:
            self._over.set()
            self._forced = self._scheduler.interrupt = None
            if self._raised:  # only then: with nothing to take back, Python 3.11 loops for ever under a profiler
                self._raised = False
                raise_in(self._thread, None)
        for _ in range(_ON_ITS_WAY):  # a signal of our own shall not reach the program's handler
            if not self._insisted:
                break
            time.sleep(0.001)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        pending, self._pending, self._handlers = self._pending, None, {}
        if pending is not None:
            signal.raise_signal(pending)

    @property
    def here(self) -> bool:
        """Whether it is this thread's."""
        return self._thread == threading.get_ident()

    def over(self, seconds: float) -> bool:
        """Wait at most so long for its end; whether it has come."""
        return self._over.wait(seconds)

    def force(self, kind: type[BaseException]) -> None:
        """Raise an exception where the run is, from another thread."""
        with self._lock:
            if not self._over.is_set():
                if _INSISTS in self._handlers:
                    self._forced, self._insisted = kind, 1
                    signal.pthread_kill(self._thread, _INSISTS)
                else:
                    self._raised = True
                    raise_in(self._thread, kind)

    # ------------------------------------------------------------- signals

    def _told(self, number: int, frame: Any) -> None:
        """Let the program's own handler act when the model is done; at once if it was told twice."""
        if number == _INSISTS and self._insisted:
            forced, self._forced, self._insisted = self._forced, None, 0
            if forced is not None:
                raise forced
            return
        if not callable(self._handlers.get(number)):
            return
        if self._pending is not None:
            self._act()
        else:
            self._pending, self._scheduler.interrupt = number, self._act
            _thread.start_new_thread(self._insist, ())

    def _act(self) -> None:
        number, self._pending = self._pending, None
        if number is not None:
            self._handlers[number](number, sys._getframe(1))
        self._scheduler.interrupt = None

    def _insist(self) -> None:
        if not self._over.wait(_GRACE_SIGNAL):
            with self._lock:
                if not self._over.is_set() and self._pending is not None:
                    signal.pthread_kill(self._thread, self._pending)

    # ------------------------------------------------------------- time-out

    def _late(self, seconds: float) -> None:
        if self._over.wait(seconds):
            return
        with self._lock:
            if not self._over.is_set():
                self._scheduler.interrupt = _raise_late
        wait = _GRACE_TIME
        while not self._over.wait(wait):
            self.force(TimeIsUp)
            wait = _AGAIN


def _raise_late() -> None:
    raise TimeIsUp


def raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Raise an exception in a thread where it next runs bytecode; None: take back one that has not been raised."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), kind and ctypes.py_object(kind))
