"""A chip: which model runs a Process there, and Lava's own runtime, watched, so that nobody waits for the dead.

A Process gets a model for neurocores, or an error; never one of the CPU, unasked. Lava's runtime is extended by
lava-loihi.
"""

from __future__ import annotations

import os
import time
import weakref
from typing import Any

from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError, MissingLoihiError, RuntimeFailure
from lava_nbp.loihi.boards import board_of
from lava_nbp.loihi.host import default_address, require_lava_loihi
from lava_nbp.on_lava.children import ended, kill_children
from lava_nbp.on_lava.model_choice import OwnModels, is_own

from lava.magma.core import run_configs
from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi1HwCfg, Loihi2HwCfg
from lava.magma.runtime.mgmt_token_enums import MGMT_RESPONSE, enum_equal

#: Stock Processes that belong on the host: sources, sinks, monitors, and the adapters to the chip.
_HOST_MODULES = ("lava.proc.io.", "lava.proc.monitor.", "lava.proc.embedded_io.")
#: How Lava's names of generations begin for Loihi 1.
_LOIHI_1 = "N2"
#: How often a wait looks at the children, in seconds.
_POLL = 0.002
#: How long a process that has failed takes at most to say why, in seconds.
_GRACE = 5.0


def make_chip_run_config(target: str, tag: str = "fixed_pt") -> Any:
    """Make the run configuration of a chip.

    Raises
    ------
    MissingLoihiError
        Without lava-loihi.
    """
    require_lava_loihi(target)
    first = default_address(target).generation.startswith(_LOIHI_1)
    return (_Loihi1RunConfig if first else _Loihi2RunConfig)(target, tag)


class _ChipSelection:
    """Selection of models that the configurations of both chips share."""

    #: `Process.run` uses Lava's own runtime: the watched one knows CPU models only.
    watched = False

    def __init__(self, target: str, tag: str) -> None:
        super().__init__(select_tag=tag)  # type: ignore[call-arg]
        self.target, self._built_from = target, TARGETS[target].built_from
        self.exception_proc_model_map = OwnModels(self, with_chip=True)

    def select(self, process: AbstractProcess, proc_models: list[type[AbstractProcessModel]]) -> Any:
        """Choose a model for neurocores; Processes that belong on the host get their CPU model."""
        whole = [m for m in proc_models if issubclass(m, AbstractSubProcessModel)]
        leaves = [m for m in proc_models if m not in whole]
        if is_own(process):
            built = [m for m in whole if m.built_from == self._built_from]
            if built:
                self._check_payloads(process, built[0])
                return built[0]
        kinds = (run_configs.AbstractNcProcessModel, run_configs.CLoihiProcessModel)
        on_chip = [m for m in leaves if issubclass(m, kinds)]
        if on_chip:
            return on_chip[0]
        if getattr(process, "on_host", False) or type(process).__module__.startswith(_HOST_MODULES):
            return super().select(process, leaves)  # type: ignore[misc]
        what = type(process).__name__
        cure = "use NBPNetwork, EventPropInference or EventPropNetwork, which are lowered to what the chip has"
        if not is_own(process):
            cure = "give it one, or, if it belongs on the host, set the attribute on_host = True of its class"
        raise MissingLoihiError(
            f"{what} has no model for target {self.target!r}, and would run on the CPU instead; {cure}"
        )

    def _check_payloads(self, process: AbstractProcess, model: Any) -> None:
        """Raise InputError if a model sends graded spikes, which come with neuron programs, and the chip has none."""
        board = board_of(self.target)
        if getattr(model, "graded", False) and board is not None and not board.chip.spike_payload_bits.value:
            raise InputError(
                f"{type(process).__name__} learns by neuron programs and graded spikes, which {board.chip.name} does "
                f"not have; use the target 'loihi2', or answer with EventPropInference"
            )


class _Loihi1RunConfig(_ChipSelection, Loihi1HwCfg):  # type: ignore[misc]
    """Loihi 1."""


class _Loihi2RunConfig(_ChipSelection, Loihi2HwCfg):  # type: ignore[misc]
    """Loihi 2."""


class ChipRuntime:
    """Runs a Process on the board that was chosen; see `lava_nbp.loihi.host.connect`.

    `LavaRuntime` replaces how Lava exchanges messages and cannot run what lava-loihi adds; this one only watches
    Lava's own: processes on the host that fail end the run with their message, and nothing is left there.

    Parameters
    ----------
    process : AbstractProcess
        Any Process of the network.
    target : str
        The chip: a target that is `on_chip`.

    Raises
    ------
    MissingLoihiError
        Without lava-loihi.
    RuntimeFailure
        From `run`: a process on the host failed.
    """

    def __init__(self, process: AbstractProcess, target: str) -> None:
        self._process, self._run_config = process, make_chip_run_config(target)
        #: Called by hand, or when nobody refers to this any more.
        self._abandon = weakref.finalize(self, _end_on_host, process, os.getpid())

    def run(self, steps: int) -> None:
        """Run a number of steps; the first call compiles and loads the network."""
        try:
            self._process.run(RunSteps(steps, blocking=False), self._run_config)
            runtime: Any = self._process.runtime
            while not all(port.probe() for port in runtime.service_to_runtime):
                _check_host(runtime._messaging_infrastructure)
                time.sleep(_POLL)
            _check_host(runtime._messaging_infrastructure)
            if any(enum_equal(port.peek(), MGMT_RESPONSE.ERROR) for port in runtime.service_to_runtime):
                _check_host(runtime._messaging_infrastructure, failed=True)
            self._process.wait()
        except BaseException:
            self._abandon()
            raise

    def stop(self) -> None:
        """Stop the network, if it was started."""
        if self._process.runtime is not None and self._abandon.alive:
            self._process.stop()
            self._abandon.detach()


def _end_on_host(process: AbstractProcess, pid: int) -> None:
    """End what runs on the host at once: after a failure Lava's own stop waits for ever."""
    runtime = process.runtime
    infrastructure = None if runtime is None else runtime._messaging_infrastructure
    if infrastructure is None or pid != os.getpid():
        return
    kill_children(infrastructure)
    infrastructure._smm.shutdown()
    runtime._is_initialized = runtime._is_running = runtime._is_started = False


def _check_host(infrastructure: Any, failed: bool = False) -> None:
    """Raise RuntimeFailure if one of Lava's processes on the host has failed; `failed`: one has said that it did.

    Who has failed says so first, then why; meanwhile the others may have ended in good order.
    """
    actors = infrastructure.actors
    _raise_reason(actors)
    dead = [actor for actor in actors if not actor._is_done and not actor.is_alive()]
    if dead or failed:
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and not any(actor.exitcode for actor in dead):
            _raise_reason(actors)
            time.sleep(_POLL)
    if dead:
        raise ended(dead[0])


def _raise_reason(actors: Any) -> None:
    for actor in actors:
        if actor.exception:
            error, _ = actor.exception
            raise RuntimeFailure(f"Process {actor.name} failed {error!r}") from error
