"""The operating-system processes that Lava starts: guarded, so that they end with their parent and say what ended them.

They are forked, and share the parent's memory until somebody writes to it. Python's garbage collector does: a full
collection marks every object there is, so that each child copies all of the parent's. A hundred children of a notebook
that has loaded PyTorch are then 20 GB and more. So nothing is collected while children are forked, and a child
collects only what it makes itself.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import logging
import mmap
import multiprocessing.process
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava.channels import DirectChannel, DirectSelector
from lava_nbp.on_lava.messages import Failure, Mailbox
from lava_nbp.on_lava.notes import Notes
from lava_nbp.on_lava.stock_arithmetic import hasten_arithmetic

from lava.magma.compiler.channels.pypychannel import PyPyChannel
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing

_PR_SET_PDEATHSIG = 1
#: How long a killed child may take to vanish, in seconds.
_LAST_WAIT = 5.0

_living: set[GuardedMultiProcessing] = set()


def living_networks() -> int:
    """Networks of this process that have not been stopped."""
    return len(_living)


class GuardedMultiProcessing(MultiProcessing):  # type: ignore[misc]
    """Children that end with their parent, and tell what ended them.

    Parameters
    ----------
    labels : dict
        What to call a child, by the id of the builder of its model.
    direct : bool
        Whether channels have no threads; see `lava_nbp.on_lava.channels`.

    Attributes
    ----------
    pid : int
        The process whose children they are: a fork of it leaves them alone.
    notes : Notes or None
        Where models note what they do: made when all their channels are, and before the first of them is started.
    """

    def __init__(self, labels: dict[int, str], direct: bool) -> None:
        super().__init__()
        self._labels, self._direct = labels, direct
        self.pid, self._ended = os.getpid(), False
        self._ending = threading.RLock()
        self.watchdogs: Any = None
        self.notes: Notes | None = None

    def start(self) -> None:
        """As Lava's; memory has no name and no process that holds it, and vanishes with its last user."""
        self._smm = SimpleNamespace(create_shared_memory=_anonymous_memory, shutdown=lambda: None)
        _end_all_at_exit()
        _living.add(self)

    def start_child(self, builder: Any) -> None:
        """Start the child that builds and serves a model, or Lava's service."""
        follow = self.notes.follower(builder) if self.notes else None
        child = Child(self._labels.get(id(builder), "Lava's runtime service"), builder, self._direct, follow)
        self._actors.append(child)
        child.start()

    def channel_class(self, channel_type: Any) -> Any:
        """As Lava's, or the one without threads."""
        found = super().channel_class(channel_type)
        return DirectChannel if self._direct and found is PyPyChannel else found

    def end(self) -> None:
        """End every child at once; in a fork of the process that started them, do nothing.

        Two threads may come here at once: one that stops the network, and the one whose run this ends. The second
        waits until the children have ended.
        """
        if self.pid != os.getpid():
            return
        with self._ending, interrupts_deferred():
            if self._ended:
                return
            kill_children(self)
            _end_watchdogs(self.watchdogs)
            self._ended = True
            _living.discard(self)


class Child(multiprocessing.get_context("fork").Process):  # type: ignore[misc]
    """A process that builds a model and serves it, and tells what came of that."""

    _is_done = False

    def __init__(self, name: str, builder: Any, direct: bool, follow: Callable[[Any], None] | None) -> None:
        super().__init__(name=name)
        self._builder, self._direct, self._follow = builder, direct, follow
        self._prepare = _first_in_child(os.getpid())
        self.mailbox = Mailbox()

    def start(self) -> None:
        """Fork."""
        try:
            super().start()
        except OSError as error:
            _close_what_fork_left(error)
            raise
        self.mailbox.forked()
        del self._builder, self._follow  # the Processes behind it shall not live as long as this

    def run(self) -> None:
        """In the child: build the model and serve it; on failure, say in which step."""
        self._prepare()
        model = None
        try:
            model = self._builder.build()
            if isinstance(model, AbstractPyProcessModel):
                _hasten(model, self._direct)
            if self._follow is not None:
                self._follow(model)
            self.mailbox.say_built()
            model.start()
        except BaseException as error:
            when = "while its model was built" if model is None else f"in step {getattr(model, 'time_step', 'unknown')}"
            self.mailbox.say_failed(error, when)
            sys.exit(1)

    def is_alive(self) -> bool:
        """Whether it has not ended; also if nobody keeps the exit codes of children (SIGCHLD is ignored)."""
        try:
            if self._is_done or not super().is_alive():
                return False
            os.kill(self.pid, 0)
        except (ProcessLookupError, ValueError):  # or another thread has released it meanwhile
            return False
        return True

    @property
    def failure(self) -> Failure | None:
        """What it said of the exception that ended it."""
        self.mailbox.look()
        return self.mailbox.failure

    def release(self) -> None:
        """It has ended: let go of what it held here; idempotent."""
        if self._is_done:
            return
        self._is_done = True
        self.mailbox.close()
        multiprocessing.process._children.discard(self)  # type: ignore[attr-defined]
        with contextlib.suppress(ValueError):  # nobody knows that it has ended
            self.close()


def _close_what_fork_left(error: OSError) -> None:
    """Close the pipes that multiprocessing has made before it forks, and leaves open if that fails."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "_launch":
            for name in ("parent_r", "child_w", "child_r", "parent_w"):
                if name in frame.f_locals:
                    os.close(frame.f_locals[name])


def _hasten(model: AbstractPyProcessModel, direct: bool) -> None:
    """Leave out what Lava does in every step although nothing can come of it.

    A model looks at every attribute that is set, whether it is a port: when it is built it has them all. And it can
    wait for several channels, where there is one.
    """
    kind = type(model)
    if kind.__setattr__ is AbstractPyProcessModel.__setattr__:
        # In this process only, and no other model is in it.
        kind.__setattr__ = object.__setattr__  # type: ignore[assignment]
    hasten_arithmetic(model)
    if direct:
        model._selector = DirectSelector()


def check_children(infrastructure: GuardedMultiProcessing) -> None:
    """Raise RuntimeFailure if a child has failed: a model's own exception first, then a death."""
    for child in infrastructure.actors:
        failure = child.failure
        if failure is not None:
            raise RuntimeFailure(f"Process {child.name} failed {failure.story}") from failure.exception()
    for child in infrastructure.actors:
        if not child.is_alive() and not child._is_done:  # asked last: another thread may end them
            raise ended(child)


def ended(actor: Any) -> RuntimeFailure:
    """What the parent raises for a child that has ended without a word."""
    return RuntimeFailure(f"the operating-system process of {actor.name} ended with exit code {actor.exitcode}")


def kill_children(infrastructure: Any) -> None:
    """End the children that Lava's messaging infrastructure has started, at once."""
    actors = [actor for actor in infrastructure.actors if not actor._is_done and actor.pid is not None]
    for actor in actors:
        with contextlib.suppress(OSError):
            actor.kill()
    deadline, pause = time.monotonic() + _LAST_WAIT, 0.0005
    while (left := [actor for actor in actors if actor.is_alive()]) and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    for actor in left:  # the kernel is busy with it; it ends when it comes back
        logging.getLogger(__name__).warning("%s is killed, but has not ended yet", actor.name)
    for actor in infrastructure.actors:
        if isinstance(actor, Child):
            actor.release()
        actor._is_done = True


def _anonymous_memory(size: int) -> Any:
    """What Lava asks of a segment of shared memory."""
    return SimpleNamespace(buf=memoryview(mmap.mmap(-1, max(size, 1))))


def _end_watchdogs(manager: Any) -> None:
    """End the processes of Lava's watchdogs, which may wait for ever for a message that will not come."""
    held = getattr(manager, "_mp_manager", None)
    if held is None:
        return
    helpers = [helper for helper in (manager._lm, manager._sm, held._process) if helper is not None]
    for helper in helpers:
        helper.kill()
    for helper in helpers:
        helper.join(_LAST_WAIT)
    held.shutdown()
    manager._mp_manager = None
    atexit.unregister(manager.stop)


def _first_in_child(parent: int) -> Callable[[], None]:
    """Make the function a child calls first.

    It sets the parent's objects aside from the collector, leaves what a terminal sends to everybody to the parent, and
    sees to it that if the parent ends, however it ends, so does the child. The kernel ties this last to the thread that
    forked, which may end before the work is done, unless it is the main one: else the child looks itself.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()

    def prepare() -> None:
        gc.freeze()
        gc.enable()
        # Ctrl-C and the end of a terminal go to the whole process group; only the parent shall react to them.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if callable(signal.getsignal(signal.SIGTERM)):  # what the parent does then is not for the child to do
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if in_main_thread:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        else:
            threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


@cache
def _end_all_at_exit() -> None:
    """Once: after multiprocessing has registered its own exit handler (which waits for children), so before it."""
    atexit.register(_end_all)


def _end_all() -> None:
    for infrastructure in list(_living):
        infrastructure.end()


def _forget_in_fork() -> None:
    """In a fork of whoever started them they are nobody's children: multiprocessing would fail to wait for them."""
    for infrastructure in _living:
        multiprocessing.process._children.difference_update(infrastructure.actors)  # type: ignore[attr-defined]
    _living.clear()


os.register_at_fork(after_in_child=_forget_in_fork)


@contextlib.contextmanager
def collection_deferred() -> Iterator[None]:
    """No garbage is collected in the block, nor in a child forked there until it has set the parent's objects aside."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextlib.contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Ctrl-C, and SIGTERM and SIGHUP if the program handles them, take effect at the end of the block.

    Raised in the midst of a fork, their exceptions would be lost.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    handled = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handled:
        signal.signal(number, lambda number, _: pending.append(number))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if pending:
        signal.raise_signal(pending[0])
