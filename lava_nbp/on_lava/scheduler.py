"""Takes turns: what runs in one thread, and goes on with something else where it would have to wait.

Whatever may have to wait runs in a greenlet: a function that keeps its place while another one goes on. There are no
more of them than models that wait: whoever has nothing to wait for does one thing after the other.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from greenlet import GreenletExit, getcurrent, greenlet

from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava.waiting import Waiting, tell

#: How often a wait for the program outside looks whether anything else has happened, in seconds.
_POLL = 0.02
#: The same while the network is held: who lets it go says so.
_HELD = 1.0
#: So often a greenlet is told to end; one that goes on all the same is left alone.
_TELLINGS = 3


class Ended(BaseException):
    """Unwinds what is under way when the network ends; no model can take it for an exception of its own."""


class Work(Protocol):
    """Things to be done one after the other, by whoever has time."""

    @property
    def pending(self) -> tuple[deque[Any], ...]:
        """The very deques of things that nobody has begun with."""

    def go_on(self) -> None:
        """Do those that nobody has begun with."""


class Scheduler:
    """Lets the greenlets of one thread wait for each other.

    Parameters
    ----------
    Attributes
    ----------
    ready : deque of greenlet
        Those that can go on: who makes that possible puts them here.
    outside : Condition
        Held while messages pass between the network and the program around it, which may be in another thread.
    readers : dict
        Threads of the program that read from channels out of the network.
    interrupt : callable or None
        To be called between two models: it raises, or not.
    hold, held : bool, Event
        Whether to stay where somebody waits for the program and nobody else can go on; whether that is so.
    fruitless : int
        How often it was looked for what the program has done since there last was something.
    waits : int
        How often somebody had to wait.
    waiting : callable or None
        Is called when somebody has to wait, before anybody else goes on.
    closed : bool
        The network has ended: whoever waits is unwound.
    """

    def __init__(self) -> None:
        self.ready: deque[Any] = deque()
        self.outside = threading.Condition()
        self.readers: dict[Any, threading.Thread] = {}
        self.interrupt: Callable[[], None] | None = None
        self.hold, self.held = False, threading.Event()
        self.fruitless = 0
        self.closed = False
        self.waits = 0
        self.waiting: Callable[[], None] | None = None
        self._works: list[Work] = []
        self._pending: list[deque[Any]] = []
        self._main: Any = None
        self._waiting: dict[Any, Callable[[], Waiting] | None] = {}
        self._outside: dict[Any, Callable[[], bool]] = {}
        self._workers: set[Any] = set()
        self._idle: list[Any] = []
        self._failure: BaseException | None = None

    def add(self, work: Work) -> None:
        """There may be something to begin with, too."""
        self._works.append(work)
        self._pending.extend(work.pending)

    def forget(self) -> None:
        """Nothing is to be begun with any more."""
        self._works.clear()
        self._pending.clear()

    @property
    def running(self) -> bool:
        """Whether a function is being run."""
        return self._main is not None

    def run(self, function: Callable[[], object]) -> None:
        """Call a function that may wait, in this thread; what ends the run in any greenlet is raised here.

        Raises
        ------
        RuntimeFailure
            If nobody can go on.
        """
        self._main = getcurrent()
        try:
            function()
        except BaseException as error:
            self.closed = True
            failure = self._failure if isinstance(error, Ended) else None
            if failure is None:
                raise
        else:
            return
        finally:
            self._end_workers()
            self._main = None
        raise failure

    def wait(self, about: Callable[[], Waiting] | None) -> None:
        """Let others go on until somebody puts this greenlet among the ready ones.

        `about` says what it waits for; None: for others to do their work, or only to let them.
        """
        if self.closed or self._main is None:
            raise Ended
        me = getcurrent()
        self.waits += 1
        if self.waiting is not None:
            self.waiting()
        self._waiting[me] = about
        try:
            self._give_turn(me)
        finally:
            del self._waiting[me]

    def wait_outside(self, happened: Callable[[], bool], about: Callable[[], Waiting]) -> None:
        """Let others go on until something has happened at the border between the network and the program."""
        me = getcurrent()
        while not happened():
            self._outside[me] = happened
            try:
                self.wait(about)
            finally:
                self._outside.pop(me, None)

    def give_way(self) -> None:
        """Let those go on that can, and then this greenlet again."""
        if self._main is not None and (self.ready or any(self._pending)):
            self.ready.append(getcurrent())
            if any(self._pending):
                self.ready.appendleft(self._worker())
            self.wait(None)

    def fail(self, error: BaseException) -> None:
        """End the run with an error, from whatever greenlet."""
        self._failure, self.closed = error, True
        if getcurrent() is not self._main:
            self._main.throw(Ended)
        raise Ended

    # ----------------------------------------------------------------------

    def _give_turn(self, me: Any) -> None:
        """Switch to who can go on; return when it is this greenlet's turn."""
        while not self.ready and not any(self._pending):
            self._look_outside()
        following = self.ready.popleft() if self.ready else self._worker()
        if following is not me:
            following.switch()
        if self.closed:
            raise Ended

    def _worker(self) -> Any:
        """A greenlet that has nothing to do yet."""
        if self._idle:
            return self._idle.pop()
        made = greenlet(self._work, self._main)
        # What the program has set for itself, as NumPy's errstate, holds for models wherever they run.
        made.gr_context = contextvars.copy_context()
        self._workers.add(made)
        return made

    def _work(self) -> None:
        me = getcurrent()
        try:
            while True:
                for work in self._works:
                    if any(work.pending):
                        work.go_on()
                self._idle.append(me)
                while not self.ready and not any(self._pending):
                    self._look_outside()
                if self.ready:
                    self.ready.popleft().switch()
                else:
                    self._idle.remove(me)
        except (Ended, GreenletExit):
            return
        except BaseException as error:  # what interrupts the run came here
            self.fail(error)

    def _look_outside(self) -> None:
        """Nobody can go on: wait for the program, if somebody waits for that; else it is the end."""
        try:
            with self.outside:
                if self.hold and self._outside:
                    if not self.held.is_set():  # what has come before the network is held, it still takes
                        self._find_happened()
                    if not self.ready:
                        self.held.set()
                        self.outside.wait(_HELD)
                else:
                    self._find_happened()
                    if not self.ready:
                        if not self._outside or not others():
                            raise RuntimeFailure(self.told())
                        self.fruitless += 1
                        self.outside.wait(_POLL)
            if self.interrupt is not None:
                self.interrupt()
        except BaseException as error:
            self.fail(error)

    def told(self) -> str:
        """Who waits for whom, in words."""
        return tell([about() for about in list(self._waiting.values()) if about is not None])

    def _find_happened(self) -> None:
        for waiting, happened in list(self._outside.items()):
            if happened():
                del self._outside[waiting]
                self.ready.append(waiting)
                self.fruitless = 0

    def _end_workers(self) -> None:
        for worker in self._workers:
            for _ in range(_TELLINGS):
                if not worker.dead:
                    worker.throw(GreenletExit)
        self._workers.clear()
        self._idle.clear()
        self.ready.clear()
        self._outside.clear()


def others(but: threading.Thread | None = None) -> bool:
    """Whether there is another thread of the program, but for one."""
    known = (threading.current_thread(), but)
    return any(thread not in known for thread in threading.enumerate())
