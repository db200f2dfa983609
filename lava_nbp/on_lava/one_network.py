"""A network whose models run in this process: in the thread that asks for steps, or meanwhile in one of its own."""

from __future__ import annotations

import atexit
import contextlib
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

from greenlet import getcurrent

from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava.limits import Limits, TimeIsUp, raise_in
from lava_nbp.on_lava.phases import PAUSE, STOP, Domain, Member, place_in
from lava_nbp.on_lava.scheduler import Ended, Scheduler, others

#: How long a thread that runs a network may take to end, and how often it is told to, in seconds.
_GRACE, _TELL = 3.0, 0.2
#: How long a thread that reads from the network may take for its next message when it is stopped, in seconds.
_READING = 0.1
#: How often a wait for a thread looks at the time, in seconds.
_POLL = 0.02
#: So often a network has looked for what the program has done when nobody is left who could do something.
_FRUITLESS = 10

#: Those that run in threads of their own.
_in_threads: weakref.WeakSet[Network] = weakref.WeakSet()


class Network:
    """Models in synchronisation domains, and what leads them through steps.

    Attributes
    ----------
    scheduler : Scheduler
        That of its channels.
    asked : str
        What a model has asked for in this run: "pause", "stop", or "".
    """

    def __init__(self) -> None:
        self._leads = _Leads(self)
        self.scheduler = Scheduler()
        self.scheduler.add(self._leads)
        self.domains: tuple[Domain, ...] = ()
        self.asked = ""
        self._target, self._ending = 0, False
        self._thread: threading.Thread | None = None
        self._limits: Limits | None = None
        self._failure: BaseException | None = None

    def add(self, domains: Iterable[Domain]) -> None:
        """Give it its models."""
        self.domains = tuple(domains)
        for domain in self.domains:
            domain.join(self.scheduler)
            self.scheduler.add(domain)

    @property
    def target(self) -> int:
        """Step, counted from the start of the network, after which the run is over; asked by who leads a domain."""
        if self._ending:
            # With the last step that any has begun: none waits then for one that has ended.
            self._ending, self._target = False, self._begun()
        return self._target

    @property
    def members(self) -> list[Member]:
        """Its models."""
        return [member for domain in self.domains for member in domain.members]

    @property
    def in_background(self) -> bool:
        """Whether a thread of its own runs it, or has been told to pause while a model waits for the program."""
        return self._thread is not None

    def asked_to_end(self, stop: bool) -> None:
        """A model wants the run to pause, or the network to stop, after this step."""
        self.asked = "stop" if stop else "pause"
        self._ending = True

    # -------------------------------------------------------------- running

    def run(self, steps: int, seconds: float | None) -> None:
        """Run steps, and wait for them.

        Raises
        ------
        RuntimeFailure
            A model has failed, nobody can go on, or the time is up.
        """
        if self._thread is not None:
            self._resume(steps)
            self.wait(seconds)
        else:
            self._set_out(steps)
            self._run_here(self._lead, seconds)

    def launch(self, steps: int) -> None:
        """Run steps in a thread of its own."""
        if self._thread is not None:
            self._resume(steps)
            return
        self._set_out(steps)
        self._thread = threading.Thread(target=self._run_there, name="network of Lava", daemon=True)
        _end_threads_at_exit()
        _in_threads.add(self)
        self._thread.start()

    def wait(self, seconds: float | None) -> None:
        """Wait for a run in a thread of its own; raises as `run`."""
        self._wait_until(lambda: False, seconds)

    def pause(self, seconds: float | None) -> None:
        """End a run in a thread of its own after the step under way; raises as `run`.

        A step in which a model waits for the program is left there, and gone on with in the next run.
        """
        self._ending = True
        if self._thread is None:  # another thread of the program runs it, and goes on when that is over
            deadline = None if seconds is None else time.monotonic() + seconds
            while self.scheduler.running:
                time.sleep(_POLL)
                if deadline is not None and time.monotonic() > deadline:
                    raise self._too_late(seconds, "")
            return
        self.scheduler.hold = True
        self._wait_until(self.scheduler.held.is_set, seconds)
        if not self.in_background:
            self.scheduler.hold = False
            self._run_here(partial(self._tell, PAUSE), seconds)

    def call(self, function: Callable[[], None], seconds: float | None) -> None:
        """Call what works on the models between runs, under the same limits; raises as `run`.

        A network that has paused in the midst of a step keeps its thread: what is called waits for nobody then.
        """
        if self.in_background:
            function()
        else:
            self._run_here(function, seconds)

    def _set_out(self, steps: int) -> None:
        self.asked = ""
        self._target, self._ending = max((domain.done for domain in self.domains), default=0) + steps, False

    def _begun(self) -> int:
        return max((domain.begun for domain in self.domains), default=0)

    def _resume(self, steps: int) -> None:
        with self.scheduler.outside:
            self._set_out(steps)
            self._leads.put(domain for domain in self.domains if domain not in self._leads.led)
            self.scheduler.hold = False
            self.scheduler.held.clear()
            self.scheduler.outside.notify_all()

    def _lead(self) -> None:
        self._leads.put(self.domains)
        self._leads.go_on()
        while self._leads.led:
            self._leads.leader = getcurrent()
            self.scheduler.wait(None)

    def _run_here(self, function: Callable[[], object], seconds: float | None) -> None:
        self._limits = limits = Limits(self.scheduler, seconds)
        try:
            try:
                limits.begin()
                self.scheduler.run(function)
            finally:
                limits.end()
        except TimeIsUp as late:
            raise self._too_late(seconds, late.place) from None
        except Ended:
            raise RuntimeFailure("the network is stopped: that was done while it ran") from None
        finally:
            limits.end()
            self._limits = None

    def _run_there(self) -> None:
        try:
            self.scheduler.run(self._lead)
        except Ended:
            pass
        except BaseException as error:
            self._failure = error

    def _wait_until(self, happened: Callable[[], bool], seconds: float | None) -> None:
        thread, deadline = self._thread, None if seconds is None else time.monotonic() + seconds
        if thread is None:
            return
        while thread.is_alive() and not happened():
            if self.scheduler.fruitless > _FRUITLESS and not self.scheduler.hold and not others(but=thread):
                raise RuntimeFailure(self.scheduler.told())
            if deadline is not None and time.monotonic() > deadline:
                frame = sys._current_frames().get(thread.ident or 0)
                raise self._too_late(seconds, place_in(traceback.extract_stack(frame)) if frame else "")
            thread.join(_POLL)
        if not thread.is_alive():
            self._thread = None
            _in_threads.discard(self)
            self.scheduler.held.clear()
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure

    def _too_late(self, seconds: float | None, place: str) -> RuntimeFailure:
        return RuntimeFailure(
            f"the time-out passed {place or f'in step {self._begun()} of the network'}: it is {seconds:g} s; raise "
            f"`timeout` or run fewer steps"
        )

    # ------------------------------------------------------------- stopping

    def stop(self) -> None:
        """Tell the models that it is over, if nothing is under way, and end.

        What has been sent to another thread of the program may still be read by it.
        """
        if not self.scheduler.closed and not self.scheduler.running and self._thread is None:
            with contextlib.suppress(Exception, Ended):
                self._tell(STOP)
            self._let_read()
        self.close()

    def _let_read(self) -> None:
        here, deadline = threading.current_thread(), time.monotonic() + _READING
        left = -1
        while time.monotonic() < deadline:
            threads = list(self.scheduler.readers.items())
            waiting = sum(len(link.messages) for link, thread in threads if thread is not here and thread.is_alive())
            if not waiting:
                return
            if waiting != left:
                left, deadline = waiting, time.monotonic() + _READING
            time.sleep(0.001)

    def _tell(self, command: Any) -> None:
        for domain in self.domains:
            domain.tell(command)

    def close(self) -> None:
        """End at once; a model that is at work in another thread is interrupted. Doing it twice is harmless."""
        scheduler, thread = self.scheduler, self._thread
        scheduler.closed = True
        scheduler.interrupt = _raise_ended
        with scheduler.outside:
            scheduler.outside.notify_all()
        if thread is not threading.current_thread():
            self._interrupt(thread)
        self._thread = None
        _in_threads.discard(self)
        if not scheduler.running:  # else it is this very thread that runs it
            for member in self.members:
                member.let_go()
            self.domains = ()
            scheduler.forget()

    def _interrupt(self, thread: threading.Thread | None) -> None:
        """Have whoever is at work on it, in a thread of its own or in another of the program's, end that."""
        limits, deadline = self._limits, time.monotonic() + _GRACE
        if thread is None and (limits is None or limits.here):
            return
        while time.monotonic() < deadline:
            if thread is not None:
                thread.join(_TELL)
                if not thread.is_alive():
                    return
                raise_in(thread.ident or 0, Ended)
            elif limits is not None:
                if limits.over(_TELL):
                    return
                limits.force(Ended)


class _Leads:
    """Domains to be led, as work for whoever has time; a domain that is led takes turns with the others."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._waiting: deque[Domain] = deque()
        self.pending = (self._waiting,)
        #: Those that have not come to the end of the run.
        self.led: set[Domain] = set()
        #: Who waits for the end of all.
        self.leader: object = None

    def put(self, domains: Iterable[Domain]) -> None:
        """More to be led."""
        found = list(domains)
        self.led.update(found)
        self._waiting.extend(found)

    def go_on(self) -> None:
        """Lead those that nobody leads."""
        network = self._network
        while self._waiting:
            domain = self._waiting.popleft()
            domain.run(network, network.scheduler.give_way if len(network.domains) > 1 else None)
            self.led.discard(domain)
        if not self.led and self.leader is not None:
            network.scheduler.ready.append(self.leader)
            self.leader = None


def _raise_ended() -> None:
    raise Ended


@cache
def _end_threads_at_exit() -> None:
    """Once: threads that run networks end before the interpreter does."""
    atexit.register(_end_threads)


def _end_threads() -> None:
    for network in list(_in_threads):
        network.close()
