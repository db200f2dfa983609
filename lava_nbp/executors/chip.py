"""Running a network on a chip with Lava's own runtime, which lava-loihi extends, without waiting for the dead."""

from __future__ import annotations

import time
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps

from lava_nbp.executors.chip_models import make_chip_run_config
from lava_nbp.on_lava.runtime import check_children, kill_children

#: How often a wait looks at the children, in seconds.
_POLL = 0.002


class ChipRuntime:
    """Runs a Process on the board that was chosen; see `lava_nbp.loihi.host.connect`.

    `LavaRuntime` replaces how Lava exchanges messages and cannot run what lava-loihi adds; this one only watches
    Lava's own: processes on the host that fail end the run with their message, and nothing is left there.

    Parameters
    ----------
    process : AbstractProcess
        Any Process of the network.
    target : {"loihi1", "loihi2"}
        The chip.

    Raises
    ------
    MissingLoihiError
        Without lava-loihi.
    RuntimeFailure
        From `run`: a process on the host failed.
    """

    def __init__(self, process: AbstractProcess, target: str) -> None:
        self._process, self._run_config = process, make_chip_run_config(target)
        self._abandoned = False

    def run(self, steps: int) -> None:
        """Run a number of steps; the first call compiles and loads the network."""
        try:
            self._process.run(RunSteps(steps, blocking=False), self._run_config)
            runtime: Any = self._process.runtime
            while not all(port.probe() for port in runtime.service_to_runtime):
                check_children(runtime._messaging_infrastructure)
                time.sleep(_POLL)
            check_children(runtime._messaging_infrastructure)
            self._process.wait()
        except BaseException:
            self._abandon()
            raise

    def stop(self) -> None:
        """Stop the network, if it was started."""
        if self._process.runtime is not None and not self._abandoned:
            self._process.stop()

    def _abandon(self) -> None:
        """End what runs on the host at once: after a failure Lava's own stop waits for ever."""
        self._abandoned, runtime = True, self._process.runtime
        infrastructure = None if runtime is None else runtime._messaging_infrastructure
        if infrastructure is None:
            return
        kill_children(infrastructure)
        infrastructure._smm.shutdown()
        runtime._is_initialized = runtime._is_running = runtime._is_started = False
