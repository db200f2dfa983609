"""Which model runs a Process: Lava run configurations of the library's targets. Models are chosen here only."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_nbp.errors import InputError, unknown_name
from lava_nbp.target_names import LAVA_TARGETS

#: Arithmetics that CPU models are tagged with.
TAGS = ("fixed_pt", "floating_pt", "bit_accurate_loihi")


def make_run_config(target: str, tag: str = "fixed_pt") -> TargetRunConfig:
    """Make the run configuration of a target.

    Raises
    ------
    InputError
        For an unknown target or tag.
    """
    if target not in LAVA_TARGETS:
        raise InputError(unknown_name("Lava target", target, LAVA_TARGETS))
    if tag not in TAGS:
        raise InputError(unknown_name("tag of the models", tag, TAGS))
    return TargetRunConfig(target, tag)


class TargetRunConfig(Loihi2SimCfg):  # type: ignore[misc]
    """Lava's CPU simulator, with the model that a target names for every Process of this library.

    Stock Processes of Lava get the model that `Loihi2SimCfg(select_tag=...)` gives them.

    Attributes
    ----------
    target : str
        "lava": one model per Process. "lava-primitives": Processes that have a hierarchical
        model are built from their parts.
    watched : bool
        True: `Process.run` of the library's Processes uses the runtime that never hangs.
    """

    watched = True

    def __init__(self, target: str, tag: str) -> None:
        super().__init__(select_tag=tag)
        self.target = target
        self.exception_proc_model_map = _OwnModels(self)

    def select(self, process: AbstractProcess, proc_models: list[type[AbstractProcessModel]]) -> Any:
        """Choose one of the models of a Process."""
        leaves = [model for model in proc_models if not issubclass(model, AbstractSubProcessModel)]
        whole = [model for model in proc_models if issubclass(model, AbstractSubProcessModel)]
        if _own(process):
            return whole[0] if whole and self.target == "lava-primitives" else super().select(process, leaves)
        return super().select(process, proc_models)


class _OwnModels(dict):  # type: ignore[type-arg]
    """Finds the models of the library's Processes in their own module.

    Lava asks here first. Its own search executes every file of the folder once per file
    of the folder, for every Process: seconds for a network of a dozen.
    """

    def __init__(self, run_config: TargetRunConfig) -> None:
        super().__init__()
        self._run_config = run_config

    def __contains__(self, process: object) -> bool:
        return _own(process)

    def __getitem__(self, process: AbstractProcess) -> Any:
        module = sys.modules[type(process).__module__]
        classes: list[Any] = [cls for cls in vars(module).values() if inspect.isclass(cls)]
        models = [c for c in classes if issubclass(c, AbstractProcessModel) and c.implements_process is type(process)]
        return self._run_config.select(process, models)


def _own(process: object) -> bool:
    return isinstance(process, AbstractProcess) and type(process).__module__.startswith("lava_nbp.processes.")
