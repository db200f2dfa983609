"""Run Lava Processes without hanging: start, run, watch, stop, and leave nothing behind.

All models of a network run in one process, this one, or each in an operating-system process of its own, as Lava starts
them. Both are the same to the bit. `LavaRuntime` runs any Process; `watch` gives the same to `Process.run`, for run
configurations that ask for it.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import gc
import logging
import weakref

from lava_nbp.base.checks import shown
from lava_nbp.errors import InputError
from lava_nbp.on_lava.children import living_networks
from lava_nbp.on_lava.forgetting import forget
from lava_nbp.on_lava.model_choice import check_in_process, check_not_searching, make_run_config, own_module_first
from lava_nbp.on_lava.one_process import OneProcessRuntime, why_not
from lava_nbp.on_lava.separate_processes import SeparateProcesses
from lava_nbp.on_lava.watched_runtime import WatchedRuntime, check_timeout

from lava.magma.compiler.compiler import Compiler
from lava.magma.compiler.exceptions import ProcessAlreadyCompiled
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig

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
    in_process : bool, optional
        True: all models run in this process. False: each in an operating-system process of its own. Default: what the
        run configuration says, else in this process if the network can.

    Attributes
    ----------
    processes : int
        Processes of Lava with a model.
    in_process : bool
        Whether they run in this process; else each has an operating-system process, and one more synchronises them.

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
        self,
        process: AbstractProcess,
        run_config: RunConfig | None = None,
        timeout: float | None = None,
        in_process: bool | None = None,
    ) -> None:
        if not isinstance(process, AbstractProcess):
            raise InputError(f"process is {shown(process)}, but must be a Process of Lava; give one of the network")
        if not (run_config is None or isinstance(run_config, RunConfig)):
            raise InputError(
                f"run_config is {shown(run_config)}, but must be a RunConfig of Lava; leave it out, or make one with "
                f"lava_nbp.run_config"
            )
        timeout = check_timeout(timeout)
        in_process = check_in_process(in_process)
        check_not_searching()
        config = own_module_first(make_run_config("lava") if run_config is None else run_config)
        try:
            executable = Compiler(None, logging.WARNING).compile(process, config)
        except ProcessAlreadyCompiled as error:
            raise InputError(f"{error}; make the network anew") from None
        if in_process is None:
            in_process = getattr(config, "in_process", None)
        self.processes = len(executable.proc_builders)
        self._runtime = _start(executable, in_process, timeout)
        self.in_process = isinstance(self._runtime, OneProcessRuntime)
        # Whoever made it holds the network by this object: when it is gone, nobody will stop it.
        weakref.finalize(self, self._runtime.kill).atexit = False

    def check_usable(self) -> None:
        """Raise RuntimeFailure if the network is stopped, is running, or belongs to the parent of this process."""
        self._runtime.check_usable()

    def run(self, steps: int) -> None:
        """Run a number of Lava steps and wait for them."""
        self._runtime.run_steps(steps)

    def stop(self) -> None:
        """End the network, and with it all processes and memory that it has; doing it twice is harmless."""
        self._runtime.stop()

    def __enter__(self) -> LavaRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def watch(process: AbstractProcess, executable: Executable, in_process: bool | None = None) -> None:
    """Start a compiled network under the same watch, for `Process.run`, `pause`, `wait` and `stop`.

    The Processes of this library call it when the run configuration is one of
    `lava_nbp.run_config`; with any other, Lava's own runtime is used.
    """
    process.runtime = _start(executable, in_process)


def _start(executable: Executable, in_process: bool | None, timeout: float | None = None) -> WatchedRuntime:
    check_not_searching()
    forget(executable.process_list)
    reason = why_not(executable)
    if in_process and reason:
        raise InputError(f"{reason}; leave in_process out, or set it to False, to run it in processes of its own")
    if living_networks() >= _MANY:
        gc.collect()  # a network and its Processes refer to each other: only the collector finds those to be ended
    kind = SeparateProcesses if reason or in_process is False else OneProcessRuntime
    runtime = kind(executable)
    runtime.timeout = timeout
    executable.assign_runtime_to_all_processes(runtime)
    runtime.initialize()
    return runtime
