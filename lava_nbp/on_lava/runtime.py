"""Run Lava Processes without hanging: start, run, watch, stop, and leave nothing behind.

Lava's own runtime waits for ever when a model dies, and leaves children and
shared memory when it is not stopped in order. `LavaRuntime` starts the same
children, but watches them in every wait, tells the caller what a model raised,
and on every way out ends the children: also if nobody stops it, when nobody can
reach it any more. `watch` gives the same to `Process.run`, for run configurations
that ask for it.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import time
import weakref
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer, is_real, shown
from lava_nbp.errors import InputError, LavaNBPError, RuntimeFailure
from lava_nbp.on_lava.channels import wait_for_message, wait_for_space
from lava_nbp.on_lava.children import (
    GuardedMultiProcessing,
    check_children,
    collection_deferred,
    interrupts_deferred,
    living_networks,
)
from lava_nbp.on_lava.forgetting import forget
from lava_nbp.on_lava.model_choice import check_not_searching, make_run_config, own_module_first
from lava_nbp.on_lava.ports import check_value, refuse_text, replace_part, select_part
from lava_nbp.on_lava.service import ResumableService, SparingService
from lava_nbp.on_lava.start_method import check_can_start

from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.exceptions import ProcessAlreadyCompiled
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal, enum_to_np
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

#: How often a wait looks at the children, in seconds.
_POLL = 0.05
#: How long children may take to stop in order before they are killed, in seconds.
_GRACE = 3.0
#: Longest time-out, in seconds: a year.
_LONGEST = 366 * 86400.0
#: Most steps of one run: Lava sends the number as a float64.
_MOST_STEPS = 2**53
#: So many networks may run before one more looks for those that nobody can reach any more.
_MANY = 4


class LavaRuntime:
    """Context manager that compiles and runs a Process and all Processes connected to it.

    Between runs, Vars of any Process of the network can be read and set; values are
    checked for shape, type and range first. The network ends with this object: at the end of the
    block, by `stop`, or when nobody refers to it any more.

    Parameters
    ----------
    process : AbstractProcess
        Any Process of the network.
    run_config : RunConfig, optional
        Chooses the models; default: that of the target "lava", see `lava_nbp.run_config`. Models in the module of
        their Process are looked at first, whatever the configuration.
    timeout : float, optional
        Longest time in seconds, a year at most, that the start, one `run`, or the use of a Var may take;
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
        is stopped then. Also where processes cannot be forked, if there are not enough of them, of files or of
        memory, and in a fork of the process that started the network.
    InputError
        For what is no Process, run configuration, positive time-out or number of steps; for a Process without a
        model; when setting a Var, for a value it cannot hold. Nothing is changed or stopped then.

    Examples
    --------
    >>> with LavaRuntime(network) as runtime:  # doctest: +SKIP
    ...     runtime.run(100)
    """

    def __init__(
        self, process: AbstractProcess, run_config: RunConfig | None = None, timeout: float | None = None
    ) -> None:
        if not isinstance(process, AbstractProcess):
            raise InputError(f"process is {shown(process)}, but must be a Process of Lava; give one of the network")
        if not (run_config is None or isinstance(run_config, RunConfig)):
            raise InputError(
                f"run_config is {shown(run_config)}, but must be a RunConfig of Lava; leave it out, or make one with "
                f"lava_nbp.run_config"
            )
        timeout = check_timeout(timeout)
        check_can_start()
        check_not_searching()
        config = own_module_first(make_run_config("lava") if run_config is None else run_config)
        try:
            executable = Compiler(None, logging.WARNING).compile(process, config)
        except ProcessAlreadyCompiled as error:
            raise InputError(f"{error}; make the network anew") from None
        self.processes = len(executable.proc_builders)
        self._runtime = _start(executable, timeout)
        # Whoever made it holds the network by this object: when it is gone, nobody will stop it.
        weakref.finalize(self, self._runtime.kill).atexit = False

    def check_usable(self) -> None:
        """Raise RuntimeFailure if the network is stopped, is running, or belongs to the parent of this process."""
        self._runtime.check_usable()

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


def check_timeout(timeout: object) -> float | None:
    """Return a time-out in seconds, or None for no limit.

    Raises
    ------
    InputError
        For anything else than None or a positive number of at most a year.
    """
    if timeout is None:
        return None
    if not is_real(timeout) or not 0 < timeout <= _LONGEST:  # type: ignore[operator]
        raise InputError(
            f"timeout is {shown(timeout)}, but must be a positive number of seconds, of at most a year, or None for no "
            f"limit"
        )
    return float(timeout)  # type: ignore[arg-type]


def watch(process: AbstractProcess, executable: Executable) -> None:
    """Start a compiled network under the same watch, for `Process.run`, `pause`, `wait` and `stop`.

    The Processes of this library call it when the run configuration is one of
    `lava_nbp.run_config`; with any other, Lava's own runtime is used.
    """
    process.runtime = _start(executable)


def _start(executable: Executable, timeout: float | None = None) -> _WatchedRuntime:
    check_can_start()
    check_not_searching()
    forget(executable.process_list)
    if living_networks() >= _MANY:
        gc.collect()  # a network and its Processes refer to each other: only the collector finds those to be ended
    runtime = _WatchedRuntime(executable, ActorType.MultiProcessing, loglevel=logging.WARNING)
    runtime.timeout, models = timeout, len(executable.proc_builders)
    executable.assign_runtime_to_all_processes(runtime)
    try:
        runtime.initialize()
    except LavaNBPError:
        runtime.kill()
        raise
    except (OSError, MemoryError, RuntimeError) as error:
        runtime.kill()
        raise RuntimeFailure(
            f"a network of {models} models cannot be started: {error or type(error).__name__}; "
            f"it needs a process per model, and files and memory for each: raise the limits (ulimit -n, ulimit -u, "
            f"/dev/shm), or run a smaller one"
        ) from error
    except BaseException:
        runtime.kill()
        raise
    return runtime


class _WatchedRuntime(Runtime):  # type: ignore[misc]
    """Lava's Runtime, with every wait watching the children."""

    stopped = False
    timeout: float | None = None
    _is_running: bool
    _deadline: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pid = os.getpid()

    # ------------------------------------------------------------- starting

    def _start_ports(self) -> None:
        super()._start_ports()
        # Everything that waits for the children does so here: reading and setting Vars too.
        for port in self.service_to_runtime:
            port.recv = partial(self._receive, port, port.recv)
        for port in self.runtime_to_service:
            port.send = partial(self._send, port, port.send)

    def _build_message_infrastructure(self) -> None:
        builders = self._executable.proc_builders.items()
        services = self._executable.runtime_service_builders.values()
        labels = {id(b): f"{p.name} ({type(p).__name__}, model {b.proc_model.__name__})" for p, b in builders}
        loihi = all(service.rs_class is LoihiPyRuntimeService for service in services)
        # Who waits for several channels at once needs Lava's own: RefPorts and asynchronous models; and its watchdogs.
        watchdogs = not isinstance(self._watchdog_manager, NoOPWatchdogManager)
        direct = loihi and not watchdogs and not any(b.ref_ports or b.var_ports for _, b in builders)
        if loihi:
            for service in services:
                service.rs_class = SparingService if direct else ResumableService
        self._messaging_infrastructure = infrastructure = GuardedMultiProcessing(labels, direct)
        infrastructure.watchdogs = self._watchdog_manager
        infrastructure.start()
        weakref.finalize(self, infrastructure.end).atexit = False

    def _build_processes(self) -> None:
        for process, builder in self._executable.proc_builders.items():
            if isinstance(builder, PyProcessBuilder):
                process.runtime = self
                self._create_external_channels(process, builder)
                self._messaging_infrastructure.start_child(builder)

    def _build_runtime_services(self) -> None:
        for builder in self._executable.runtime_service_builders.values():
            self._messaging_infrastructure.start_child(builder)

    def _create_external_channels(self, proc: AbstractProcess, proc_builder: PyProcessBuilder) -> None:
        super()._create_external_channels(proc, proc_builder)
        # Ends of channels that the program itself sends to or receives from, in its own time, as with Lava's Injector.
        for name in proc_builder.py_ports:
            into = getattr(getattr(proc, name), "external_pipe_csp_send_port", None)
            out = getattr(getattr(proc, name), "external_pipe_csp_recv_port", None)
            if into is not None:
                into.send = partial(self._send, into, into.send, timed=False)
            if out is not None:
                out.recv = partial(self._receive, out, out.recv, timed=False)
            self._open_ports += [port for port in (into, out) if port is not None]

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
        for child in self._messaging_infrastructure.actors:
            while not child.mailbox.built:
                self._check_children()
                self._check_time(f"{child.name} was built")
                time.sleep(0.002)
        for var, _ in self._vars.values():
            refuse_text(var)
        # "Started" lets Vars be read and set; the services serve them before the first run, too.
        self._is_initialized = self._is_started = True

    # -------------------------------------------------------------- running

    def run_steps(self, steps: int) -> None:
        """Run a number of steps and wait until all services have done them."""
        self.check_usable()
        with self._in_use():
            self._begin(steps)
            self._finish()

    def start(self, run_condition: AbstractRunCondition) -> None:
        """As Lava's: the way `Process.run` comes."""
        self.check_usable()
        with self._in_use():
            if isinstance(run_condition, RunContinuous):
                self._begin(_MOST_STEPS)
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
        steps = check_integer(steps, 1, None, "number of steps")
        if steps > _MOST_STEPS:
            raise InputError(f"number of steps is {shown(steps)}, but Lava counts {_MOST_STEPS} at most")
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
        self.check_usable()
        with self._in_use():
            value = super().get_var(var_id)
        declared = self._vars[var_id][1]
        if isinstance(value, np.ndarray) and declared is not None and np.issubdtype(declared.d_type, np.integer):
            value = value.astype(declared.d_type)
        return value if idx is None else select_part(value, idx, self._vars[var_id][0].name)

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set a Var, or the part that `idx` selects, after checking shape, type and range."""
        self.check_usable()
        if idx is not None:
            value = replace_part(np.asarray(self.get_var(var_id)), idx, value, self._vars[var_id][0].name)
        checked = check_value(*self._vars[var_id], value)
        with self._in_use():
            super().set_var(var_id, checked)

    def check_usable(self) -> None:
        """Raise RuntimeFailure if the network is stopped, is running, or belongs to the parent of this process."""
        self.check_owner()
        if self.stopped:
            raise RuntimeFailure(
                "this Lava runtime is stopped, and Lava compiles a Process only once; make the network anew"
            )
        if self._is_running:
            raise RuntimeFailure("the network is running; call wait() or pause() before you run it or use its Vars")

    def check_owner(self) -> None:
        """Raise RuntimeFailure in a fork of the process that started the network."""
        if os.getpid() != self._pid:
            raise RuntimeFailure(
                f"this Lava network belongs to process {self._pid}, which started it, and process {os.getpid()} is a "
                f"fork of that one; make the network anew here, or use it there"
            )

    # ------------------------------------------------------------- stopping

    def stop(self) -> None:
        """Stop in order if the children can, else kill them; idempotent, also from __del__ and atexit."""
        if os.getpid() != self._pid or self.stopped:
            return
        try:
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
        finally:
            self.kill()

    def kill(self) -> None:
        """End every child at once, and let go of everything; in a fork of the process that started them, do nothing."""
        if os.getpid() != self._pid:
            return
        self.stopped = True
        self._is_initialized = self._is_running = self._is_started = False
        infrastructure: Any = self._messaging_infrastructure
        if infrastructure is None:
            return
        infrastructure.end()
        for port in self._open_ports:
            with contextlib.suppress(Exception):
                port.join()
        self._open_ports.clear()
        self._forget_channels()

    def _forget_channels(self) -> None:
        """Let go of every channel: its semaphores are mapped as long as somebody has them.

        A Process that is kept has its runtime; thousands of mappings would make each later fork slower.
        """
        executable: Any = self._executable
        executable.proc_builders, executable.runtime_service_builders = {}, {}
        executable.channel_builders, executable.sync_channel_builders = [], []
        self.runtime_to_service = self.service_to_runtime = list[Any]()

    # ------------------------------------------------------------- watching

    def _receive(self, port: Any, receive: Callable[[], Any], timed: bool = True) -> Any:
        """Receive a message, looking at the children while there is none."""
        self._check_not_stopped(timed)
        self._wait(partial(wait_for_message, port), timed)
        return receive()

    def _send(self, port: Any, send: Callable[[Any], None], message: Any, timed: bool = True) -> None:
        """Send a message, looking at the children while the channel is full."""
        self._check_not_stopped(timed)
        if not port.probe():
            self._wait(partial(wait_for_space, port), timed)
        send(message)

    def _check_not_stopped(self, timed: bool = True) -> None:
        if not timed:  # by the program itself
            self.check_owner()
        if self.stopped:
            raise RuntimeFailure("the network is stopped: there is nobody to wait for")

    def _wait(self, happens: Callable[[float], bool], timed: bool) -> None:
        while True:
            deadline = self._deadline if timed else None
            left = _POLL if deadline is None else max(0.0, min(_POLL, deadline - time.monotonic()))
            if happens(left):
                return
            self._check_not_stopped()
            self._check_children()
            if timed:
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
            not a._is_done and a.is_alive() and a.failure is None for a in self._messaging_infrastructure.actors
        ):
            time.sleep(0.005)

    def _check_children(self) -> None:
        """Raise if a child has failed."""
        check_children(self._messaging_infrastructure)
