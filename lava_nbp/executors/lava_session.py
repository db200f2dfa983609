"""What the executors on Lava share: a network started for a target, fed in parts that fit, and closed."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lava_nbp.base.checks import check_integer
from lava_nbp.base.targets import Target
from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.on_lava.clock import Granularity, check_granularity

if TYPE_CHECKING:
    from lava.magma.core.process.process import AbstractProcess

#: Samples per run of the Lava runtime; between runs new ones are loaded.
CAPACITY = 500

Found = TypeVar("Found")
Self = TypeVar("Self", bound="LavaSession")


def granularity_of(target: Target, asked: Granularity | None) -> Granularity:
    """What a Lava step is: as asked, or by default a sample where the target can.

    Raises
    ------
    InputError
        For an unknown one, or samples where the target has circuit steps only.
    """
    if asked is None:
        return "step" if target.step_only else "sample"
    check_granularity(asked)
    if target.step_only and asked == "sample":
        raise InputError(
            f"target {target.name} runs one circuit step per Lava step, but granularity is 'sample'; leave it out, or "
            f"set granularity='step'"
        )
    return asked


def check_open(closed: bool, pid: int) -> None:
    """Raise RuntimeFailure for what is closed, or was made by process `pid` and is used in a fork of it."""
    if closed:
        raise RuntimeFailure("this network is closed; make it anew to go on")
    if pid != os.getpid():
        raise RuntimeFailure(
            f"this network belongs to process {pid}, which started it, and process {os.getpid()} is a fork of that "
            f"one; make it anew here, or use it there"
        )


class LavaSession:
    """A network of Processes that Lava runs, between a source and what keeps its answers; a context manager.

    Parameters
    ----------
    target : Target
        Which models run, and whether on a chip.
    network : AbstractProcess
        Connected to its source and sink.
    period : int
        Circuit steps per sample.
    granularity : {"step", "sample"}
        What one Lava step is, of all its Processes.
    capacity : int
        Samples per run of the runtime: as many as the source holds.
    timeout : float, optional
        Longest time in seconds for one run; not on a chip.
    in_process : bool, optional
        Whether all models run in one process, see `LavaRuntime`; not on a chip.
    compile_kernels : callable, optional
        Compiles, in this process, what the models will call: children inherit by forking what is compiled before.
    """

    def __init__(
        self,
        target: Target,
        network: AbstractProcess,
        period: int,
        granularity: Granularity,
        capacity: int = CAPACITY,
        timeout: float | None = None,
        in_process: bool | None = None,
        compile_kernels: Callable[[], Any] | None = None,
    ) -> None:
        self.capacity = check_integer(capacity, 1, None, "capacity", "it is a number of samples")
        self._by_step = granularity == "step"
        self._steps_per_sample = period if self._by_step else 1
        self._fresh, self._closed, self._pid = True, False, os.getpid()
        if compile_kernels is not None:
            compile_kernels()
        self.runtime = self._start(target, network, timeout, in_process)

    def _start(self, target: Target, network: AbstractProcess, timeout: float | None, in_process: bool | None) -> Any:
        # Imported one by one: what a chip needs, and what the simulator does.
        if target.on_chip:
            from lava_nbp.executors.chip import ChipRuntime

            return ChipRuntime(network, target.name)
        from lava_nbp.on_lava.model_choice import make_run_config
        from lava_nbp.on_lava.runtime import LavaRuntime

        return LavaRuntime(network, make_run_config(target.name), timeout, in_process)

    def check_open(self) -> None:
        """Raise RuntimeFailure if it is closed, or a fork of the process that started it asks.

        What is loaded or set reaches the network at once: this comes before.
        """
        check_open(self._closed, self._pid)

    def begin(self) -> None:
        """The next sample starts from phase 0, as after the network's `reset`."""
        self.check_open()
        self._fresh = True

    def run_parts(self, n: int, load: Callable[[slice], None], read: Callable[[int], Found]) -> list[Found]:
        """Run n samples in parts that fit: load each part, run it, and read the answers of so many samples."""
        self.check_open()
        found = []
        for start in range(0, n, self.capacity):
            part = slice(start, min(n, start + self.capacity))
            load(part)
            # Phase 0, before the first sample, has a Lava step of its own if every circuit step has.
            samples = part.stop - part.start
            self.runtime.run(samples * self._steps_per_sample + (self._fresh and self._by_step))
            self._fresh = False
            found.append(read(samples))
        return found

    def close(self) -> None:
        """Stop the Lava runtime; doing it twice is harmless."""
        self._closed = True
        self.runtime.stop()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
