"""A network whose models run in operating-system processes of their own, as Lava starts them, but watched.

Lava's own runtime waits for ever when a model dies, and leaves children and shared memory when it is not stopped in
order. This one starts the same children, but looks at them in every wait, tells what a model raised, and ends them on
every way out.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lava_nbp.errors import LavaNBPError, RuntimeFailure
from lava_nbp.on_lava.channels import wait_for_message, wait_for_space
from lava_nbp.on_lava.children import (
    GuardedMultiProcessing,
    check_children,
    collection_deferred,
    interrupts_deferred,
)
from lava_nbp.on_lava.notes import Notes
from lava_nbp.on_lava.service import ResumableService, SparingService
from lava_nbp.on_lava.start_method import check_can_start
from lava_nbp.on_lava.watched_runtime import WatchedRuntime, labels_of

from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.core.process.process import AbstractProcess
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal, enum_to_np
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

#: How often a wait looks at the children, in seconds.
_POLL = 0.05
#: How long children may take to stop in order before they are killed, in seconds.
_GRACE = 3.0


class SeparateProcesses(WatchedRuntime):
    """Lava's Runtime, with every wait watching the children."""

    _deadline: float | None = None
    _notes: Notes | None = None

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
        labels = {id(builder): label for builder, label in labels_of(self._executable).items()}
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
        infrastructure: Any = self._messaging_infrastructure
        builders = self._executable.proc_builders.items()
        in_python = [(process, builder) for process, builder in builders if isinstance(builder, PyProcessBuilder)]
        for process, builder in in_python:
            process.runtime = self
            self._create_external_channels(process, builder)
        labels = labels_of(self._executable)
        infrastructure.notes = self._notes = Notes({builder: labels[builder] for _, builder in in_python})
        for _, builder in in_python:
            infrastructure.start_child(builder)

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
        """As Lava's, but a child that dies or hangs while it is built ends the wait.

        Raises
        ------
        RuntimeFailure
            A model cannot be built, or its process cannot be started.
        """
        check_can_start()
        models = len(self._executable.proc_builders)
        try:
            self._initialize()
        except LavaNBPError:
            self.kill()
            raise
        except (OSError, MemoryError, RuntimeError) as error:
            self.kill()
            raise RuntimeFailure(
                f"a network of {models} models cannot be started: {error or type(error).__name__}; "
                f"it needs a process per model, and files and memory for each: raise the limits (ulimit -n, ulimit -u, "
                f"/dev/shm), or run a smaller one"
            ) from error
        except BaseException:
            self.kill()
            raise

    def _initialize(self) -> None:
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
        self._refuse_text()
        # "Started" lets Vars be read and set; the services serve them before the first run, too.
        self._is_initialized = self._is_started = True

    # -------------------------------------------------------------- running

    def _begin(self, steps: int) -> None:
        for port in self.runtime_to_service:
            port.send(enum_to_np(steps))

    def _finish(self) -> None:
        for port in self.service_to_runtime:
            answer = port.recv()
            if enum_equal(answer, MGMT_RESPONSE.REQ_PAUSE):  # a model has asked for it
                self._pause()
                break
            if enum_equal(answer, MGMT_RESPONSE.REQ_STOP):
                self._is_running = False
                self.stop()
                return
            self._expect(answer, MGMT_RESPONSE.DONE)
        self._is_running = False

    def _pause(self) -> None:
        for port in self.runtime_to_service:
            port.send(MGMT_COMMAND.PAUSE)
        for port in self.service_to_runtime:
            answer = port.recv()
            # All steps were done, or a model has asked for a pause, before this one came.
            if enum_equal(answer, MGMT_RESPONSE.DONE) or enum_equal(answer, MGMT_RESPONSE.REQ_PAUSE):
                answer = port.recv()
            self._expect(answer, MGMT_RESPONSE.PAUSED)

    def _expect(self, answer: Any, wanted: Any) -> None:
        if not enum_equal(answer, wanted):
            self._wait_for_children(time.monotonic() + _GRACE)
            self._check_children()
            raise RuntimeFailure(f"Lava's runtime service answered {answer} instead of {wanted}")

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        self._set_deadline()
        with super()._in_use():
            yield

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

    def _end(self) -> None:
        infrastructure: Any = self._messaging_infrastructure
        if infrastructure is None:
            return
        infrastructure.end()
        for port in self._open_ports:
            with contextlib.suppress(Exception):
                port.join()
        self._open_ports.clear()
        infrastructure.notes = self._notes = None

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
                self._check_time("Lava had done its work", self._notes)

    def _set_deadline(self) -> None:
        self._deadline = None if self.timeout is None else time.monotonic() + self.timeout

    def _check_time(self, what: str, notes: Notes | None = None) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            told = notes.told() if notes else ""
            why = (
                f": {told}"
                if told
                else (
                    "; raise `timeout` or run fewer steps (if nothing moves at all: Processes connected in a ring that "
                    "receive before they send wait for each other)"
                )
            )
            raise RuntimeFailure(f"the time-out passed before {what}{why}")

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
