"""Run Lava Processes without hanging: start, run, watch, stop, and leave nothing behind.

Lava's own runtime waits for ever when a model dies, and leaves children and
shared memory when it is not stopped in order. `LavaRuntime` starts the same
children, but watches them while it waits, hands a model's exception to the
caller, and on every way out ends the children and frees their shared memory.
`watch` gives the same to `Process.run`, for run configurations that ask for it.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import logging
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from lava.magma.compiler.channels.pypychannel import PyPyChannel
from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.message_infrastructure.multiprocessing import MultiProcessing
from lava.magma.runtime.message_infrastructure.shared_memory_manager import SharedMemoryManager
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal, enum_to_np
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

from lava_nbp.base.checks import check_integer
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.on_lava.channels import DirectChannel, wait_for_message
from lava_nbp.on_lava.model_choice import make_run_config

#: How often a wait looks at the children, in seconds.
_POLL = 0.05
#: How long children may take to stop in order before they are killed, in seconds.
_GRACE = 3.0
_PR_SET_PDEATHSIG = 1


class LavaRuntime:
    """Context manager that compiles and runs a Process and all Processes connected to it.

    Between runs, Vars of any Process of the network can be read and set; values are
    checked for shape, type and range first.

    Parameters
    ----------
    process : AbstractProcess
        Any Process of the network.
    run_config : RunConfig, optional
        Chooses the models; default: that of the target "lava", see `lava_nbp.run_config`.
    timeout : float, optional
        Longest time in seconds that the start, one `run`, or the use of a Var may take;
        default: no limit.

    Raises
    ------
    RuntimeFailure
        From the constructor, `run`, or the use of a Var: a model raised (its name, step
        and traceback are in the message), a child died, or the time is over. Everything
        is stopped then.
    InputError
        For a number of steps or a time-out that is not positive; when setting a Var, for a
        value it cannot hold. Nothing is changed or stopped then.

    Examples
    --------
    >>> with LavaRuntime(network) as runtime:  # doctest: +SKIP
    ...     runtime.run(100)
    """

    def __init__(
        self, process: AbstractProcess, run_config: RunConfig | None = None, timeout: float | None = None
    ) -> None:
        if timeout is not None and not timeout > 0:
            raise InputError(f"timeout is {timeout!r}, but must be a positive number of seconds, or None for no limit")
        executable = Compiler(None, logging.WARNING).compile(process, run_config or make_run_config("lava"))
        self._runtime = _start(executable, timeout)

    def run(self, steps: int) -> None:
        """Run a number of Lava steps and wait for them."""
        self._runtime.run_steps(steps)

    def stop(self) -> None:
        """End the children and free their shared memory; doing it twice is harmless."""
        self._runtime.stop()

    @property
    def processes(self) -> int:
        """Operating-system processes that run models; Lava adds one that synchronises them."""
        return len(self._runtime.executable.proc_builders)

    def __enter__(self) -> LavaRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def watch(process: AbstractProcess, executable: Executable) -> None:
    """Start a compiled network under the same watch, for `Process.run`, `pause`, `wait` and `stop`.

    The Processes of this library call it when the run configuration is one of
    `lava_nbp.run_config`; with any other, Lava's own runtime is used.
    """
    process.runtime = _start(executable)


def _start(executable: Executable, timeout: float | None = None) -> _WatchedRuntime:
    runtime = _WatchedRuntime(executable, ActorType.MultiProcessing, loglevel=logging.WARNING)
    runtime.timeout = timeout
    executable.assign_runtime_to_all_processes(runtime)
    _stop_at_exit()
    _running.add(runtime)
    try:
        runtime.initialize()
    except BaseException:
        runtime.kill()
        raise
    return runtime


class _GuardedMultiProcessing(MultiProcessing):  # type: ignore[misc]
    """Children that end with their parent, and tell what ended them."""

    def __init__(self, labels: dict[int, str], direct: bool) -> None:
        super().__init__()
        self._labels, self._direct = labels, direct

    def start(self) -> None:
        self._smm = SharedMemoryManager()
        self._smm._manager.start(initializer=_die_with_parent(os.getpid()))

    def build_actor(self, target_fn: Callable[..., Any], builder: Any, exception_q: Any = None) -> Any:
        actor = super().build_actor(partial(_run_child, _die_with_parent(os.getpid())), builder, exception_q)
        actor.name = self._labels.get(id(builder), "Lava's runtime service")
        return actor

    def channel_class(self, channel_type: Any) -> Any:
        found = super().channel_class(channel_type)
        return DirectChannel if self._direct and found is PyPyChannel else found


def _run_child(prepare: Callable[[], None], builder: Any, exception_q: Any) -> None:
    """What a child does instead of Lava's own: build the model and serve it; on failure, say in which step."""
    prepare()
    actor = None
    try:
        actor = builder.build()
        exception_q.put(None)
        actor.start()
    except Exception as error:
        when = "while its model was built" if actor is None else f"in step {getattr(actor, 'time_step', 'unknown')}"
        failure = _sendable(error, f"{when}: {error!r}\n{traceback.format_exc()}")
        if actor is None:
            exception_q.put(failure)
        raise failure from None


def _sendable(error: Exception, story: str) -> Exception:
    """The exception with what the parent wants to know, in a form that survives the way through a pipe."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(repr(error))
    error.lava_nbp_story = story  # type: ignore[attr-defined]
    return error


class _ResumableService(LoihiPyRuntimeService):  # type: ignore[misc]
    """Lava's service forgets that a pause is over, and then never says that a run is done."""

    def _handle_pause(self) -> None:
        super()._handle_pause()
        self.pausing = False


class _WatchedRuntime(Runtime):  # type: ignore[misc]
    """Lava's Runtime, with every wait watching the children."""

    stopped = False
    timeout: float | None = None
    _is_running: bool
    _deadline: float | None = None

    @property
    def executable(self) -> Executable:
        """The compiled network."""
        return self._executable

    # ------------------------------------------------------------- starting

    def _start_ports(self) -> None:
        super()._start_ports()
        # Everything that waits for the children does so in `recv`: reading and setting Vars too.
        for port in self.service_to_runtime:
            port.recv = partial(self._receive, port, port.recv)

    def _build_message_infrastructure(self) -> None:
        builders = self._executable.proc_builders.items()
        services = self._executable.runtime_service_builders.values()
        labels = {id(b): f"{p.name} ({type(p).__name__}, model {b.proc_model.__name__})" for p, b in builders}
        loihi = all(service.rs_class is LoihiPyRuntimeService for service in services)
        # Who waits for several channels at once needs Lava's own: RefPorts and asynchronous models.
        direct = loihi and not any(b.ref_ports or b.var_ports for _, b in builders)
        if loihi:
            for service in services:
                service.rs_class = _ResumableService
        self._messaging_infrastructure = _GuardedMultiProcessing(labels, direct)
        self._messaging_infrastructure.start()

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """As Lava's, but a child that dies or hangs while it is built ends the wait."""
        with _interrupts_deferred():  # no child shall be started without being known
            self._build_watchdog_manager()
            self._build_message_infrastructure()
            self._build_channels()
            self._build_sync_channels()
            self._build_processes()
            self._build_runtime_services()
            self._start_ports()
        self._set_deadline()
        for actor, queue in zip(self._messaging_infrastructure.actors, self.exception_q, strict=True):
            while queue.empty():
                self._check_children()
                self._check_time(f"{actor.name} was built")
                time.sleep(0.002)
            error = queue.get()
            if error is not None:
                raise _failure(actor, error) from error
        self.exception_q: list[Any] = []
        # "Started" lets Vars be read and set; the services serve them before the first run, too.
        self._is_initialized = self._is_started = True

    # -------------------------------------------------------------- running

    def run_steps(self, steps: int) -> None:
        """Run a number of steps and wait until all services have done them."""
        self._check_idle()
        with self._in_use():
            self._begin(steps)
            self._finish()

    def start(self, run_condition: AbstractRunCondition) -> None:
        """As Lava's: the way `Process.run` comes."""
        self._check_idle()
        with self._in_use():
            if isinstance(run_condition, RunContinuous):
                self._begin(sys.maxsize)
            elif isinstance(run_condition, RunSteps):
                self._begin(run_condition.num_steps)
                if run_condition.blocking:
                    self._finish()
            else:
                raise InputError(f"run condition is {run_condition!r}, but must be RunSteps or RunContinuous")

    def wait(self) -> None:
        """Wait for a run that was started without blocking."""
        if self._is_running:
            with self._in_use():
                self._finish()

    def pause(self) -> None:
        """Interrupt a run after the step under way; the next run goes on from there."""
        if self._is_running:
            with self._in_use():
                for port in self.runtime_to_service:
                    port.send(MGMT_COMMAND.PAUSE)
                for port in self.service_to_runtime:
                    answer = port.recv()
                    if enum_equal(answer, MGMT_RESPONSE.DONE):  # all steps were done before the pause came
                        answer = port.recv()
                    self._expect(answer, MGMT_RESPONSE.PAUSED)
                self._is_running = False

    def _begin(self, steps: int) -> None:
        check_integer(steps, 1, None, "number of steps")
        self._is_running = True
        self.num_steps = steps
        for port in self.runtime_to_service:
            port.send(enum_to_np(steps))

    def _finish(self) -> None:
        for port in self.service_to_runtime:
            self._expect(port.recv(), MGMT_RESPONSE.DONE)
        self._is_running = False

    def _expect(self, answer: Any, wanted: Any) -> None:
        if not enum_equal(answer, wanted):
            self._wait_for_children(time.monotonic() + _GRACE)
            self._check_children()
            raise RuntimeFailure(f"Lava's runtime service answered {answer} instead of {wanted}")

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        """Refuse a stopped runtime; what interrupts the use (Ctrl-C too) finds the children in mid-step: end them."""
        if self.stopped:
            raise RuntimeFailure(
                "this Lava runtime is stopped, and Lava compiles a Process only once; make the network anew"
            )
        self._set_deadline()
        try:
            yield
        except InputError:  # raised before anything was sent
            raise
        except BaseException:
            self.kill()
            raise

    # ----------------------------------------------------------------- Vars

    @cached_property
    def _vars(self) -> dict[int, tuple[Any, Any]]:
        """Var and declared type by the Var's number."""
        return {
            var.id: (var, getattr(builder.proc_model, var.name, None))
            for process, builder in self._executable.proc_builders.items()
            for var in process.vars
        }

    def get_var(self, var_id: int, idx: Any = None) -> Any:
        """Value of a Var, in the type that its model declares; `idx` selects a part."""
        self._check_idle()
        with self._in_use():
            value = super().get_var(var_id)
        declared = self._vars[var_id][1]
        if isinstance(value, np.ndarray) and declared is not None and np.issubdtype(declared.d_type, np.integer):
            value = value.astype(declared.d_type)
        return value if idx is None else value[idx]

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set a Var, or the part that `idx` selects, after checking shape, type and range."""
        self._check_idle()
        if idx is not None:
            whole = np.asarray(self.get_var(var_id)).astype(np.result_type(np.int64, np.asarray(value)))
            whole[idx] = value
            value = whole
        checked = _check_value(*self._vars[var_id], value)
        with self._in_use():
            super().set_var(var_id, checked)

    def _check_idle(self) -> None:
        if self._is_running:
            raise RuntimeFailure("the network is running; call wait() or pause() before you run it or use its Vars")

    # ------------------------------------------------------------- stopping

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
        kill_children(infrastructure)
        for port in self._open_ports:
            with contextlib.suppress(Exception):
                port.join()
        self._open_ports.clear()
        if infrastructure.smm is not None:
            infrastructure.smm.shutdown()
        if self._watchdog_manager is not None:
            self._watchdog_manager.stop()

    # ------------------------------------------------------------- watching

    def _receive(self, port: Any, receive: Callable[[], Any]) -> Any:
        """Receive from a service, looking at the children while there is nothing."""
        while True:
            deadline = self._deadline
            left = _POLL if deadline is None else max(0.0, min(_POLL, deadline - time.monotonic()))
            if wait_for_message(port, left):
                return receive()
            self._check_children()
            self._check_time("Lava had done its work")

    def _set_deadline(self) -> None:
        self._deadline = None if self.timeout is None else time.monotonic() + self.timeout

    def _check_time(self, what: str) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise RuntimeFailure(
                f"the time-out passed before {what}; raise `timeout` or run fewer steps (if nothing moves at all: "
                f"Processes connected in a ring that receive before they send wait for each other)"
            )

    def _children_alive(self) -> bool:
        return all(not a._is_done and a.is_alive() for a in self._messaging_infrastructure.actors)

    def _wait_for_children(self, deadline: float) -> None:
        while time.monotonic() < deadline and any(
            not a._is_done and a.is_alive() and a.exception is None for a in self._messaging_infrastructure.actors
        ):
            time.sleep(0.005)

    def _check_children(self) -> None:
        """Raise if a child has failed."""
        check_children(self._messaging_infrastructure)


def check_children(infrastructure: Any) -> None:
    """Raise RuntimeFailure if a child that Lava started has failed: a model's own exception first, then a death."""
    for actor in infrastructure.actors:
        if actor.exception:
            error, _ = actor.exception
            raise _failure(actor, error) from error
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


def _failure(actor: Any, error: BaseException) -> RuntimeFailure:
    return RuntimeFailure(f"Process {actor.name} failed {getattr(error, 'lava_nbp_story', repr(error))}")


def _check_value(var: Any, declared: Any, value: Any) -> Any:
    """A value for a Var, checked against its shape and the type and bits that its model declares.

    Raises
    ------
    InputError
        Names the Var, the value, and what it can hold.
    """
    if declared is None or not isinstance(value, (int, float, list, tuple, np.ndarray, np.generic)):
        return value  # text and sparse matrices: Lava has checks of its own
    what = f"{type(var.process).__name__}.{var.name}"
    array = np.asarray(value)
    if array.shape not in ((), var.shape):
        raise InputError(f"{what} has shape {var.shape}, but the value has {array.shape}; give one of the Var's shape")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
        raise InputError(f"{what} holds numbers, but the value has dtype {array.dtype}")
    dtype = np.dtype(declared.d_type)
    if np.issubdtype(dtype, np.integer):
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        if declared.precision:
            bits = int(declared.precision)
            low, high = max(low, -(1 << bits)), min(high, (1 << bits) - 1)
        bad = ~((array >= low) & (array <= high) & (np.floor(array) == array))
        if bad.any():
            raise InputError(
                f"{what} cannot hold {array[bad].flat[0]}: its model keeps integers in {low} .. {high} "
                f"({int(bad.sum())} of {array.size} values do not fit)"
            )
    return np.broadcast_to(array, var.shape)


def _die_with_parent(parent: int) -> Callable[[], None]:
    """Make the function a child calls first: if the parent ends, however it ends, so does the child.

    The kernel ties this to the thread that forked, so it is left out in other
    threads than the main one, which may end before the work is done.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()

    def prepare() -> None:
        # Ctrl-C goes to the whole process group; only the parent shall react to it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if in_main_thread:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


@contextlib.contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Ctrl-C takes effect at the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
    if pending:
        raise KeyboardInterrupt


_running: weakref.WeakSet[_WatchedRuntime] = weakref.WeakSet()


@cache
def _stop_at_exit() -> None:
    """Once: after multiprocessing has registered its own exit handler (which waits for children), so before it."""
    atexit.register(_stop_all)


def _stop_all() -> None:
    for runtime in list(_running):
        runtime.kill()
