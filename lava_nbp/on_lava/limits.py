"""What ends a run from outside while models run in this thread: signals, such as Ctrl-C, and the time-out.

Both take effect between two models, so that none is left in the midst of its work. A model that goes on for longer is
interrupted where it is. In the main thread that is done by a signal, which ends waits such as `time.sleep`, too; in
another thread it takes effect where Python runs bytecode, so after such a call.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from lava_nbp.on_lava.scheduler import HelperThread, Scheduler

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: The one that interrupts a model that goes on.
_INSISTS = signal.SIGINT
#: How long a model may go on after a signal, and after the time-out, before it is interrupted, in seconds.
_GRACE_SIGNAL, _GRACE_TIME = 1.0, 0.1
#: How long until it is interrupted again, should it have gone on.
_AGAIN = 0.5


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
        self._lock, self._over = threading.RLock(), threading.Event()
        self._helpers: list[HelperThread] = []
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
            self._help(self._seconds, self._late)

    def end(self) -> None:
        """No longer; a signal that has come too late for the run acts now. Doing it twice is harmless."""
        with self._lock:
            self._over.set()
            self._forced = None
            if _INSISTS not in self._handlers:
                raise_in(self._thread, None)
        for helper in self._helpers:
            helper.cancel()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._scheduler.interrupt = None
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
                    self._forced = kind
                    signal.pthread_kill(self._thread, _INSISTS)
                else:
                    raise_in(self._thread, kind)

    def _help(self, seconds: float, function: Callable[[], None]) -> None:
        helper = HelperThread(seconds, function)
        self._helpers.append(helper)
        helper.start()

    # ------------------------------------------------------------- signals

    def _told(self, number: int, frame: Any) -> None:
        """Let the program's own handler act when the model is done; at once if it was told twice."""
        forced, self._forced = self._forced, None
        if forced is not None:
            raise forced
        if not callable(self._handlers.get(number)):
            return
        if self._pending is not None:
            self._act()
        else:
            self._pending, self._scheduler.interrupt = number, self._act
            self._help(_GRACE_SIGNAL, self._insist)

    def _act(self) -> None:
        number, self._pending = self._pending, None
        if number is not None:
            self._handlers[number](number, sys._getframe(1))
        self._scheduler.interrupt = None

    def _insist(self) -> None:
        number = self._pending
        if number is not None and not self._over.is_set():
            signal.pthread_kill(self._thread, number)

    # ------------------------------------------------------------- time-out

    def _late(self) -> None:
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
