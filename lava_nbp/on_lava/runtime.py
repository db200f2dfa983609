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
import logging
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal, enum_to_np
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

from lava_nbp.base.checks import check_integer
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.on_lava.channels import wait_for_message
from lava_nbp.on_lava.children import (
    GuardedMultiProcessing,
    check_children,
    collection_deferred,
    failure_of,
    interrupts_deferred,
    kill_children,
)
from lava_nbp.on_lava.model_choice import make_run_config
from lava_nbp.on_lava.ports import check_value
from lava_nbp.on_lava.service import ResumableService, SparingService

#: How often a wait looks at the children, in seconds.
_POLL = 0.05
#: How long children may take to stop in order before they are killed, in seconds.
_GRACE = 3.0


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

    Attributes
    ----------
    processes : int
        Operating-system processes that run models; Lava adds one that synchronises them.

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
        self.processes = len(executable.proc_builders)
        self._runtime = _start(executable, timeout)

    def run(self, steps: int) -> None:
        """Run a number of Lava steps and wait for them."""
        self._runtime.run_steps(steps)

    def stop(self) -> None:
        """End the children and free their shared memory; doing it twice is harmless."""
        self._runtime.stop()

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
    except BaseException as error:
        runtime.kill()
        if isinstance(error, OSError):
            raise RuntimeFailure(
                f"Lava cannot start the network: {error.strerror or error}; free memory in /dev/shm, or raise this "
                f"process's limits (ulimit -a) on file sizes, open files and processes"
            ) from error
        raise
    return runtime


class _WatchedRuntime(Runtime):  # type: ignore[misc]
    """Lava's Runtime, with every wait watching the children."""

    stopped = False
    timeout: float | None = None
    _is_running: bool
    _deadline: float | None = None

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
                service.rs_class = SparingService if direct else ResumableService
        self._messaging_infrastructure = GuardedMultiProcessing(labels, direct)
        self._messaging_infrastructure.start()

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """As Lava's, but a child that dies or hangs while it is built ends the wait."""
        with interrupts_deferred(), collection_deferred():  # no child shall be started without being known
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
                raise failure_of(actor, error) from error
        self.exception_q: list[Any] = []
        # "Started" lets Vars be read and set; the services serve them before the first run, too.
        self._is_initialized = self._is_started = True

    # -------------------------------------------------------------- running

    def run_steps(self, steps: int) -> None:
        """Run a number of steps and wait until all services have done them."""
        self._check_ready()
        with self._in_use():
            self._begin(steps)
            self._finish()

    def start(self, run_condition: AbstractRunCondition) -> None:
        """As Lava's: the way `Process.run` comes."""
        self._check_ready()
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
        """What interrupts the use (Ctrl-C too) finds the children in mid-step: end them."""
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
        self._check_ready()
        with self._in_use():
            value = super().get_var(var_id)
        declared = self._vars[var_id][1]
        if isinstance(value, np.ndarray) and declared is not None and np.issubdtype(declared.d_type, np.integer):
            value = value.astype(declared.d_type)
        return value if idx is None else value[idx]

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set a Var, or the part that `idx` selects, after checking shape, type and range."""
        self._check_ready()
        if idx is not None:
            whole = np.asarray(self.get_var(var_id)).astype(np.result_type(np.int64, np.asarray(value)))
            whole[idx] = value
            value = whole
        checked = check_value(*self._vars[var_id], value)
        with self._in_use():
            super().set_var(var_id, checked)

    def _check_ready(self) -> None:
        if self.stopped:
            raise RuntimeFailure(
                "this Lava runtime is stopped, and Lava compiles a Process only once; make the network anew"
            )
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
        self._forget_channels()

    def _forget_channels(self) -> None:
        """Let go of every channel: its semaphores are mapped as long as somebody has them.

        Lava remembers every Process for ever, and with it its runtime; thousands of mappings would make each later
        fork slower.
        """
        executable: Any = self._executable
        executable.proc_builders, executable.runtime_service_builders = {}, {}
        executable.channel_builders, executable.sync_channel_builders = [], []
        self.runtime_to_service = self.service_to_runtime = list[Any]()

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


_running: weakref.WeakSet[_WatchedRuntime] = weakref.WeakSet()


@cache
def _stop_at_exit() -> None:
    """Once: after multiprocessing has registered its own exit handler (which waits for children), so before it."""
    atexit.register(_stop_all)


def _stop_all() -> None:
    for runtime in list(_running):
        runtime.kill()
