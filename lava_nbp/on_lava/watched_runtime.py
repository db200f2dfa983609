"""What both ways to run a network have in common: Lava's Runtime, but checked, and never left in mid-step.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import contextlib
import logging
import os
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer, is_real, shown
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.on_lava.ports import check_value, refuse_text, replace_part, select_part

from lava.magma.compiler.executable import Executable
from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps
from lava.magma.runtime.runtime import Runtime

#: Longest time-out, in seconds: a year.
_LONGEST = 366 * 86400.0
#: Most steps of one run: Lava sends the number as a float64.
MOST_STEPS = 2**53


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


class WatchedRuntime(Runtime):  # type: ignore[misc]
    """Lava's Runtime, whose every wait ends.

    Attributes
    ----------
    timeout : float or None
        Longest time in seconds of the start, one run, or the use of a Var.
    stopped : bool
        It has ended, and cannot be used any more.
    """

    stopped = False
    timeout: float | None = None
    _is_running: bool
    _is_started = False  # what Lava's destructor reads, even if the constructor was interrupted

    def __init__(
        self,
        exe: Executable,
        message_infrastructure_type: ActorType = ActorType.MultiProcessing,
        loglevel: int = logging.WARNING,
    ) -> None:
        super().__init__(exe, message_infrastructure_type, loglevel)
        self._pid = os.getpid()

    # -------------------------------------------------------------- running

    def run_steps(self, steps: int) -> None:
        """Run a number of steps and wait until all models have done them."""
        self.start(RunSteps(check_steps(steps)))

    def start(self, run_condition: AbstractRunCondition) -> None:
        """As Lava's: the way `Process.run` comes."""
        self.check_usable()
        if isinstance(run_condition, RunContinuous):
            steps, blocking = MOST_STEPS, False
        elif isinstance(run_condition, RunSteps):
            steps, blocking = check_steps(run_condition.num_steps), bool(run_condition.blocking)
        else:
            raise InputError(f"run condition is {shown(run_condition)}, but must be RunSteps or RunContinuous")
        with self._in_use():
            self._is_started = self._is_running = True
            self.num_steps = steps
            (self._run_through if blocking else self._begin)(steps)

    def wait(self) -> None:
        """Wait for a run that was started without blocking."""
        if self._is_running:
            with self._in_use():
                self._finish()

    def pause(self) -> None:
        """Interrupt a run after the step under way; the next run goes on from there."""
        if self._is_running:
            with self._in_use():
                self._pause()
                self._is_running = False

    def _run_through(self, steps: int) -> None:
        """Run, and wait for the end of it."""
        self._begin(steps)
        self._finish()

    @abstractmethod
    def _begin(self, steps: int) -> None:
        """Begin to run."""

    @abstractmethod
    def _finish(self) -> None:
        """Wait for the end of the run."""

    @abstractmethod
    def _pause(self) -> None:
        """End the run after the step under way."""

    def kill(self) -> None:
        """End at once, and let go of everything; in a fork of the process that started it, do nothing."""
        if os.getpid() != self._pid:
            return
        self.stopped = True
        self._is_initialized = self._is_running = self._is_started = False
        self._end()
        self._forget_network()

    @abstractmethod
    def _end(self) -> None:
        """End whatever runs the models, at once."""

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        """What interrupts the use (Ctrl-C too) finds models in mid-step: end them."""
        try:
            yield
        except InputError:  # raised before anything was done
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

    def _refuse_text(self) -> None:
        for var, _ in self._vars.values():
            refuse_text(var)

    def get_var(self, var_id: int, idx: Any = None) -> Any:
        """Value of a Var, in the type that its model declares; `idx` selects a part."""
        self.check_usable()
        with self._in_use():
            value = self._read(var_id)
        declared = self._vars[var_id][1] if var_id in self._vars else None
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
            self._write(var_id, checked)

    def _read(self, var_id: int) -> Any:
        return super().get_var(var_id)

    def _write(self, var_id: int, value: Any) -> None:
        super().set_var(var_id, value)

    # ------------------------------------------------------------ its state

    def _forget_network(self) -> None:
        """Let go of builders and channels: a Process that is kept has its runtime, and with it all of them.

        Semaphores are mapped as long as somebody has them, and thousands of mappings make each later fork slower.
        """
        executable: Any = self._executable
        executable.proc_builders, executable.runtime_service_builders = {}, {}
        executable.channel_builders, executable.sync_channel_builders = [], []
        self.runtime_to_service = self.service_to_runtime = list[Any]()

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


def check_steps(steps: object) -> int:
    """Check a number of steps.

    Raises
    ------
    InputError
        For anything else than an integer of 1 .. 2^53.
    """
    number = check_integer(steps, 1, None, "number of steps")
    if number > MOST_STEPS:
        raise InputError(f"number of steps is {shown(steps)}, but Lava counts {MOST_STEPS} at most")
    return number


def labels_of(executable: Executable) -> dict[Any, str]:
    """What messages call the Process of each builder."""
    builders = executable.proc_builders.items()
    return {b: f"{p.name} ({type(p).__name__}, model {b.proc_model.__name__})" for p, b in builders}
