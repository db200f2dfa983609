"""The operating-system processes that Lava starts: guarded, so that they end with their parent and say what ended them.

They are forked, and share the parent's memory until somebody writes to it. Python's garbage collector does: a full
collection marks every object there is, so that each child copies all of the parent's. A hundred children of a notebook
that has loaded PyTorch are then 20 GB and more. So nothing is collected while children are forked, and a child
collects only what it makes itself.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import resource_tracker
from typing import Any

from lava.magma.compiler.channels.pypychannel import PyPyChannel
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.message_infrastructure.shared_memory_manager import SharedMemoryManager

from lava_nbp.errors import RuntimeFailure
from lava_nbp.on_lava.channels import DirectChannel, DirectSelector

_PR_SET_PDEATHSIG = 1


class GuardedMultiProcessing(MultiProcessing):  # type: ignore[misc]
    """Children that end with their parent, and tell what ended them.

    Parameters
    ----------
    labels : dict
        What to call a child, by the id of the builder of its model.
    direct : bool
        Whether channels have no threads; see `lava_nbp.on_lava.channels`.
    """

    def __init__(self, labels: dict[int, str], direct: bool) -> None:
        super().__init__()
        self._labels, self._direct = labels, direct

    def start(self) -> None:
        """As Lava's; the process that holds the shared memory ends with its parent, too."""
        # Who frees segments at the end, a process of Python's, shall outlive a terminal that closes.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            resource_tracker.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._smm = SharedMemoryManager()
        self._smm._manager.start(initializer=_first_in_manager, initargs=(_first_in_child(os.getpid()),))

    def build_actor(self, target_fn: Callable[..., Any], builder: Any, exception_q: Any = None) -> Any:
        """As Lava's; a child has the name of its Process."""
        run = partial(_run_child, _first_in_child(os.getpid()), self._direct)
        actor = super().build_actor(run, builder, exception_q)
        actor.name = self._labels.get(id(builder), "Lava's runtime service")
        return actor

    def channel_class(self, channel_type: Any) -> Any:
        """As Lava's, or the one without threads."""
        found = super().channel_class(channel_type)
        return DirectChannel if self._direct and found is PyPyChannel else found


def _run_child(prepare: Callable[[], None], direct: bool, builder: Any, exception_q: Any) -> None:
    """What a child does instead of Lava's own: build the model and serve it; on failure, say in which step."""
    prepare()
    actor = None
    try:
        actor = builder.build()
        if isinstance(actor, AbstractPyProcessModel):
            _hasten(actor, direct)
        exception_q.put(None)
        actor.start()
    except Exception as error:
        when = "while its model was built" if actor is None else f"in step {getattr(actor, 'time_step', 'unknown')}"
        failure = _sendable(error, f"{when}: {error!r}\n{traceback.format_exc()}")
        if actor is None:
            exception_q.put(failure)
        raise failure from None


def _hasten(model: AbstractPyProcessModel, direct: bool) -> None:
    """Leave out what Lava does in every step although nothing can come of it.

    A model looks at every attribute that is set, whether it is a port: when it is built it has them all. And it can
    wait for several channels, where there is one.
    """
    kind = type(model)
    if kind.__setattr__ is AbstractPyProcessModel.__setattr__:
        # In this process only, and no other model is in it.
        kind.__setattr__ = object.__setattr__  # type: ignore[assignment]
    if direct:
        model._selector = DirectSelector()


def _sendable(error: Exception, story: str) -> Exception:
    """The exception with what the parent wants to know, in a form that survives the way through a pipe."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(repr(error))
    error.lava_nbp_story = story  # type: ignore[attr-defined]
    return error


def check_children(infrastructure: Any) -> None:
    """Raise RuntimeFailure if a child that Lava started has failed: a model's own exception first, then a death."""
    for actor in infrastructure.actors:
        if actor.exception:
            error, _ = actor.exception
            raise failure_of(actor, error) from error
    for actor in infrastructure.actors:
        if not actor._is_done and not actor.is_alive():
            raise RuntimeFailure(f"the operating-system process of {actor.name} ended with exit code {actor.exitcode}")


def kill_children(infrastructure: Any) -> None:
    """End the children that Lava's messaging infrastructure has started, at once."""
    for actor in infrastructure.actors:
        if not actor._is_done and actor.is_alive():
            actor.kill()
    for actor in infrastructure.actors:
        actor.join()


def failure_of(actor: Any, error: BaseException) -> RuntimeFailure:
    """What the parent raises for an exception of a child."""
    return RuntimeFailure(f"Process {actor.name} failed {getattr(error, 'lava_nbp_story', repr(error))}")


def _first_in_manager(prepare: Callable[[], None]) -> None:
    """What the process that holds the shared memory calls first: the parent needs it to put things in order."""
    prepare()
    # A SIGTERM may come to the whole process group, as from timeout or a batch system.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _first_in_child(parent: int) -> Callable[[], None]:
    """Make the function a child calls first.

    It sets the parent's objects aside from the collector, leaves Ctrl-C and SIGHUP to the parent, and sees to it that
    if the parent ends, however it ends, so does the child. The kernel ties this last to the thread that forked, so it
    is left out in other threads than the main one, which may end before the work is done.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()

    def prepare() -> None:
        gc.freeze()
        gc.enable()
        # Ctrl-C and a closing terminal go to the whole process group; only the parent shall react to them.
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if in_main_thread:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


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
