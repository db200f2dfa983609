"""A network whose models all run in this process: no fork, no shared memory, nothing to be left behind.

The models, ports and Vars are Lava's and the user's, as they are; channels are queues, and the phases of a step are
called one after the other, see `lava_nbp.on_lava.phases`.

Uses internals of lava-nc 0.10.0, which is archived and pinned.
"""

from __future__ import annotations

import copy
import math
import os
import weakref
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lava_nbp.errors import InputError
from lava_nbp.on_lava.ends import hasten_ports
from lava_nbp.on_lava.limits import TimeIsUp
from lava_nbp.on_lava.one_network import Network
from lava_nbp.on_lava.phases import Domain, Member, failed, where
from lava_nbp.on_lava.pipes import pipe_into, pipe_out, share_ports
from lava_nbp.on_lava.queues import QueueChannel, QueueSendPort
from lava_nbp.on_lava.scheduler import Scheduler
from lava_nbp.on_lava.stock_arithmetic import hasten_arithmetic, set_plainly
from lava_nbp.on_lava.watched_runtime import WatchedRuntime, labels_of

from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.compiler.executable import Executable
from lava.magma.compiler.var_model import LoihiSynapseVarModel
from lava.magma.core.learning.learning_rule import LoihiLearningRule
from lava.magma.core.model.py.model import AbstractPyProcessModel, PyLoihiProcessModel
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess, ProcessParameters
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService
from lava.utils.sparse import find


def why_not(executable: Executable) -> str:
    """Why a network cannot run in one process; "" if it can."""
    for service in (executable.runtime_service_builders or {}).values():
        if not issubclass(service.rs_class, LoihiPyRuntimeService):
            return (
                f"{service.rs_class.__name__} leads models that run each at its own pace (the protocol of their "
                f"synchronisation domain is {type(service.sync_protocol).__name__}), which one process cannot"
            )
    for builder, label in labels_of(executable).items():
        model = builder.proc_model
        if not (isinstance(builder, PyProcessBuilder) and issubclass(model, PyLoihiProcessModel)):
            return f"Process {label} has a model that is no PyLoihiProcessModel, which one process cannot lead"
        if model.run is not AbstractPyProcessModel.run:
            return f"Process {label} has a model with a method `run` of its own, which one process cannot lead"
    if getattr(executable.watchdog_manager_builder, "_debug", False):
        return "Lava's watchdogs watch operating-system processes, which a network in one process does not have"
    return ""


class OneProcessRuntime(WatchedRuntime):
    """Lava's Runtime in one process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._network = Network()
        self._models: dict[int, tuple[Member, str]] = {}
        weakref.finalize(self, self._network.close).atexit = False

    # ------------------------------------------------------------- starting

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Make channels and models.

        Raises
        ------
        RuntimeFailure
            A model cannot be built.
        """
        network = self._network
        self._messaging_infrastructure = SimpleNamespace(channel_class=self._channel_class, actors=[])
        self._watchdog_manager = NoOPWatchdogManager()
        self._build_channels()
        self._open_ports.clear()
        try:
            network.call(self._build_models, self.timeout)
        except BaseException:
            self.kill()
            raise
        self._refuse_text()
        self._is_initialized = True

    def _channel_class(self, channel_type: Any) -> Any:
        if channel_type is not ChannelType.PyPy:
            raise InputError(f"a channel of type {channel_type} is none between models in Python")
        return partial(_channel, self._network.scheduler)

    def _build_models(self) -> None:
        executable, labels = self._executable, labels_of(self._executable)
        members: dict[int, Member] = {}
        served = any(b.ref_ports or b.var_ports for b in executable.proc_builders.values())
        for process, builder in executable.proc_builders.items():
            process.runtime = self
            self._create_external_channels(process, builder)
        for builder, label in labels.items():
            try:
                model = _build(builder)
                share_ports(model, self._network.scheduler)
                hasten_ports(model)
                hasten_arithmetic(model)
                set_plainly(model)
                member = Member(model, label)
                vars(model)["run"] = _nothing  # `start` would go on to serve Lava's service
                model.start()
            except TimeIsUp as late:
                late.place = f"before {label} was built{where(late)}"
                raise
            except (Exception, SystemExit) as error:
                raise failed(label, "while its model was built", error) from error
            _name_ends(builder, member)
            members[model.model_id] = member
            self._models.update({var_id: (member, name) for var_id, name in model.var_id_to_var_map.items()})
        services = (executable.runtime_service_builders or {}).values()
        self._network.add(
            Domain([members[model_id] for model_id in service._model_ids], sparing=not served) for service in services
        )

    def _create_external_channels(self, proc: AbstractProcess, proc_builder: PyProcessBuilder) -> None:
        for name, py_port in proc_builder.py_ports.items():
            port = getattr(proc, name)
            if not port.external_pipe_flag:
                continue
            make = pipe_into if isinstance(port, InPort) else pipe_out
            ours, theirs = make(
                self._network.scheduler, name, py_port.shape, py_port.d_type, port.external_pipe_buffer_size
            )
            proc_builder.set_csp_ports([theirs])
            if isinstance(port, InPort):
                port.external_pipe_csp_send_port = ours
            else:
                port.external_pipe_csp_recv_port = ours

    # -------------------------------------------------------------- running

    def _run_through(self, steps: int) -> None:
        self._network.run(steps, self.timeout)
        self._after_run()

    def _begin(self, steps: int) -> None:
        self._network.launch(steps)

    def _finish(self) -> None:
        self._network.wait(self.timeout)
        self._after_run()

    def _pause(self) -> None:
        self._network.pause(self.timeout)

    def _after_run(self) -> None:
        self._is_running = False
        if self._network.asked == "stop":
            self.stop()

    # ----------------------------------------------------------------- Vars

    def _read(self, var_id: int) -> Any:
        if var_id not in self._models:
            return super()._read(var_id)  # Lava says why
        member, name = self._models[var_id]
        return values_of(getattr(member.model, name), self._executable.node_configs[0].var_models[var_id])

    def _write(self, var_id: int, value: Any) -> None:
        if var_id not in self._models:
            super()._write(var_id, value)
            return
        member, name = self._models[var_id]
        order = _order(self._executable.node_configs[0].var_models[var_id])

        def write() -> None:
            try:
                set_values(member.model, name, np.ravel(value, order))
                member.model.on_var_update()
            except Exception as error:
                raise failed(member.label, f"when its Var {name} was set", error) from error

        self._network.call(write, self.timeout)

    # ------------------------------------------------------------- stopping

    def stop(self) -> None:
        """Tell the models, and end; idempotent, also from __del__ and atexit."""
        if os.getpid() != self._pid or self.stopped:
            return
        try:
            self._network.stop()
        finally:
            self.kill()

    def _end(self) -> None:
        self._network.close()
        self._models.clear()


def _channel(scheduler: Scheduler, _: Any, *args: Any) -> QueueChannel:
    """Called as Lava calls the class of a channel: with its messaging infrastructure first."""
    return QueueChannel(scheduler, *args)


def _build(builder: PyProcessBuilder) -> Any:
    """A model with learning rules and sparse Vars of its own, as a fork would have them: Lava changes them in place."""
    for var in builder.vars.values():
        if isinstance(var.value, csr_matrix):
            var.value = var.value.copy()
    parameters = builder.proc_params
    given = getattr(parameters, "_parameters", {})
    rules = {name: copy.deepcopy(rule) for name, rule in given.items() if isinstance(rule, LoihiLearningRule)}
    if rules:
        builder.proc_params = ProcessParameters({**given, **rules})
    try:
        return builder.build()
    finally:
        builder.proc_params = parameters


def _name_ends(builder: PyProcessBuilder, member: Member) -> None:
    """Let the channels of a model know whose they are, for messages."""
    for name, ports in builder.csp_ports.items():
        for port in ports:
            if name in builder.ref_ports:
                port.link.refers = name
            if isinstance(port, QueueSendPort):
                port.link.source, port.link.source_port = member, name
            else:
                port.link.target, port.link.target_port = member, name


def _nothing() -> None:
    pass


def _order(var_model: Any) -> Literal["C", "F"]:
    return "F" if isinstance(var_model, LoihiSynapseVarModel) else "C"


def values_of(value: Any, var_model: Any) -> NDArray[Any]:
    """What Lava's `get_var` returns for the value of a Var: float64, of its shape; of a sparse matrix, its values."""
    if isinstance(value, csr_matrix):
        found: NDArray[Any] = find(value, explicit_zeros=True)[2].astype(np.float64)
        return found
    if isinstance(value, str):  # which may be shorter than the Var was made for
        codes = list(value.encode("ascii"))
        text = np.zeros(max(len(codes), math.prod(var_model.shape)))
        text[: len(codes)] = codes
        return text
    return np.array(value, np.float64).reshape(-1).reshape(var_model.shape, order=_order(var_model))


def set_values(model: Any, name: str, values: NDArray[Any]) -> None:
    """Set a Var of a model as Lava does: an array in its own memory, anything else anew."""
    old = getattr(model, name)
    if isinstance(old, np.ndarray):
        old[...] = values.astype(np.float64).reshape(old.shape)
    elif isinstance(old, csr_matrix):
        rows, columns, _ = find(old)
        setattr(model, name, csr_matrix((values.astype(np.float64), (rows, columns)), old.shape))
    elif isinstance(old, str):
        setattr(model, name, bytes(values.astype(int).tolist()).decode("ascii"))
    elif isinstance(old, np.generic):
        setattr(model, name, old.dtype.type(values[0]))
    else:
        setattr(model, name, float(values[0]))
