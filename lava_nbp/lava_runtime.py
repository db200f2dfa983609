"""Run Lava Processes without hanging: start, run, watch, stop, and leave nothing behind.

Lava's own runtime waits for ever when a model dies, and leaves children and
shared memory when it is not stopped in order. `LavaRuntime` starts the same
children, but watches them while it waits, hands a model's exception to the
caller, and on every way out ends the children and frees their shared memory.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import logging
import os
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lava.magma.compiler.compiler import Compiler
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.message_infrastructure.shared_memory_manager import SharedMemoryManager
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal, enum_to_np
from lava.magma.runtime.runtime import Runtime

from lava_nbp.errors import RuntimeFailure

#: How often a wait looks at the children, in seconds.
_POLL = 0.05
#: How long children may take to stop in order before they are killed, in seconds.
_GRACE = 3.0
_PR_SET_PDEATHSIG = 1


def cpu_run_config() -> RunConfig:
    """Run configuration of the library's CPU target: Lava's simulator with fixed-point models."""
    return Loihi2SimCfg(select_tag="fixed_pt")


class LavaRuntime:
    """Context manager that compiles and runs a Process and all Processes connected to it.

    Parameters
    ----------
    process : AbstractProcess
        Any Process of the network.
    run_config : RunConfig, optional
        Chooses the models; default: `cpu_run_config`.
    timeout : float, optional
        Longest time in seconds that one `run` may take; default: no limit.

    Raises
    ------
    RuntimeFailure
        From the constructor or `run`: a model raised (its traceback is in the
        message), a child died, or the time is over. Everything is stopped then.

    Examples
    --------
    >>> with LavaRuntime(network) as runtime:  # doctest: +SKIP
    ...     runtime.run(100)
    """

    def __init__(
        self, process: AbstractProcess, run_config: RunConfig | None = None, timeout: float | None = None
    ) -> None:
        self._timeout = timeout
        executable = Compiler(None, logging.WARNING).compile(process, run_config or cpu_run_config())
        self._runtime = _WatchedRuntime(executable, ActorType.MultiProcessing, loglevel=logging.WARNING)
        executable.assign_runtime_to_all_processes(self._runtime)
        _running.add(self._runtime)
        try:
            with _children_ignore_interrupts():
                self._runtime.initialize()
        except BaseException:
            self._runtime.stop()
            raise

    def run(self, steps: int) -> None:
        """Run a number of Lava steps and wait for them."""
        if self._runtime.stopped:
            raise RuntimeFailure("this Lava runtime is stopped; start a new one")
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        try:
            self._runtime.run_steps(steps, deadline)
        except BaseException:
            # Whatever interrupted the wait (Ctrl-C too), the children are in mid-step.
            self._runtime.kill()
            raise

    def stop(self) -> None:
        """End the children and free their shared memory; doing it twice is harmless."""
        self._runtime.stop()

    def __enter__(self) -> LavaRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _GuardedMultiProcessing(MultiProcessing):  # type: ignore[misc]
    """Children that end with their parent."""

    def start(self) -> None:
        self._smm = SharedMemoryManager()
        self._smm._manager.start(initializer=_die_with_parent(os.getpid()))

    def build_actor(self, target_fn: Callable[..., Any], builder: Any, exception_q: Any = None) -> Any:
        prepare = _die_with_parent(os.getpid())

        def guarded(*args: Any, **kwargs: Any) -> None:
            prepare()
            target_fn(*args, **kwargs)

        actor = super().build_actor(guarded, builder, exception_q)
        actor.name = str(getattr(getattr(builder, "proc_model", builder), "__name__", type(builder).__name__))
        return actor


class _WatchedRuntime(Runtime):  # type: ignore[misc]
    """Lava's Runtime, with every wait watching the children."""

    stopped = False
    _deadline: float | None = None

    def _start_ports(self) -> None:
        super()._start_ports()
        # Everything that waits for the children does so in `recv`: reading and setting Vars too.
        for port in self.service_to_runtime:
            port.recv = partial(self._receive, port, port.recv)

    def _build_message_infrastructure(self) -> None:
        self._messaging_infrastructure = _GuardedMultiProcessing()
        self._messaging_infrastructure.start()

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """As Lava's, but a child that dies while it is built ends the wait."""
        self._build_watchdog_manager()
        self._build_message_infrastructure()
        self._build_channels()
        self._build_sync_channels()
        self._build_processes()
        self._build_runtime_services()
        self._start_ports()
        for queue in self.exception_q:
            while queue.empty():
                self._check_children()
                time.sleep(0.002)
            error = queue.get()
            if error is not None:
                raise RuntimeFailure(f"a Lava model failed while it was built: {_trace(error)}") from error
        self.exception_q: list[Any] = []
        self._is_initialized = True

    def run_steps(self, steps: int, deadline: float | None) -> None:
        """Send the number of steps to the services and wait until all have done them."""
        self._is_started = self._is_running = True
        self.num_steps = steps
        for port in self.runtime_to_service:
            port.send(enum_to_np(steps))
        self._deadline = deadline
        for port in self.service_to_runtime:
            answer = port.recv()
            if not enum_equal(answer, MGMT_RESPONSE.DONE):
                self._wait_for_children(time.monotonic() + _GRACE)
                self._check_children()
                raise RuntimeFailure(f"Lava's runtime service answered {answer} instead of DONE")
        self._deadline = None
        self._is_running = False

    def get_var(self, var_id: int, idx: Any = None) -> Any:
        """As Lava's; if the model fails meanwhile, everything is stopped."""
        with self._killed_on_failure():
            return super().get_var(var_id, idx)

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """As Lava's; if the model fails meanwhile, everything is stopped."""
        with self._killed_on_failure():
            super().set_var(var_id, value, idx)

    @contextlib.contextmanager
    def _killed_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.kill()
            raise

    def _get_resp_for_run(self) -> None:
        # Reached by Process.wait(); runs started here are already over.
        return

    def stop(self) -> None:
        """Stop in order if the children can, else kill them; idempotent, also from __del__ and atexit."""
        if self.stopped:
            return
        if self._is_started and not self._is_running and self._children_alive():
            with contextlib.suppress(Exception):
                self._deadline = deadline = time.monotonic() + _GRACE
                for port in self.runtime_to_service:
                    port.send(MGMT_COMMAND.STOP)
                for port in self.service_to_runtime:
                    port.recv()
                for port in self._open_ports:
                    port.join()
                self._wait_for_children(deadline)
        self.kill()

    def kill(self) -> None:
        """End every child at once and free the shared memory."""
        if self.stopped:
            return
        self.stopped = True
        _running.discard(self)
        self._is_initialized = self._is_running = self._is_started = False
        infrastructure: Any = self._messaging_infrastructure
        if infrastructure is None:
            return
        for actor in infrastructure.actors:
            if not actor._is_done and actor.is_alive():
                actor.kill()
        for actor in infrastructure.actors:
            actor.join()
        for port in self._open_ports:
            with contextlib.suppress(Exception):
                port.join()
        self._open_ports.clear()
        if infrastructure.smm is not None:
            infrastructure.smm.shutdown()
        if self._watchdog_manager is not None:
            self._watchdog_manager.stop()

    def _receive(self, port: Any, receive: Callable[[], Any]) -> Any:
        """Receive from a service, looking at the children while there is nothing."""
        deadline = self._deadline
        ready = threading.Event()
        port.observer = ready.set
        try:
            while not port.probe():
                left = _POLL if deadline is None else max(0.0, min(_POLL, deadline - time.monotonic()))
                if not ready.wait(left):
                    self._check_children()
                    if deadline is not None and time.monotonic() > deadline:
                        raise RuntimeFailure(
                            "the time-out passed before Lava had done its steps; raise `timeout` or run fewer"
                        )
                ready.clear()
            return receive()
        finally:
            port.observer = None

    def _children_alive(self) -> bool:
        return all(not a._is_done and a.is_alive() for a in self._messaging_infrastructure.actors)

    def _wait_for_children(self, deadline: float) -> None:
        while time.monotonic() < deadline and any(
            not a._is_done and a.is_alive() and a.exception is None for a in self._messaging_infrastructure.actors
        ):
            time.sleep(0.005)

    def _check_children(self) -> None:
        """Raise if a child has failed: a model's own exception first, then a death."""
        actors = self._messaging_infrastructure.actors
        for actor in actors:
            if actor.exception:
                error, trace = actor.exception
                raise RuntimeFailure(f"Lava model {actor.name} failed: {error!r}\n{trace}") from error
        for actor in actors:
            if not actor._is_done and not actor.is_alive():
                raise RuntimeFailure(f"the process of Lava model {actor.name} ended with exit code {actor.exitcode}")


def _trace(error: BaseException) -> str:
    return str(getattr(error, "trace", repr(error)))


def _die_with_parent(parent: int) -> Callable[[], None]:
    """Make the function a child calls first: if the parent ends, however it ends, so does the child.

    The kernel ties this to the thread that forked, so it is left out in other
    threads than the main one, which may end before the work is done.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()

    def prepare() -> None:
        if in_main_thread:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


@contextlib.contextmanager
def _children_ignore_interrupts() -> Iterator[None]:
    """Ctrl-C goes to the whole process group; only the parent shall react to it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


_running: weakref.WeakSet[_WatchedRuntime] = weakref.WeakSet()


def _stop_all() -> None:
    for runtime in list(_running):
        runtime.kill()


# After multiprocessing has registered its own exit handler (which waits for children), so before it at exit.
atexit.register(_stop_all)
