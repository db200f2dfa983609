"""Which model runs a Process: Lava run configurations of the library's targets. Models are chosen here only."""

from __future__ import annotations

import importlib
import inspect
from importlib.util import find_spec
from typing import Any

from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError, unknown_name

#: Arithmetics that CPU models are tagged with.
TAGS = ("fixed_pt", "floating_pt", "bit_accurate_loihi")


def make_run_config(target: str, tag: str = "fixed_pt") -> TargetRunConfig:
    """Make the run configuration of a target.

    Raises
    ------
    InputError
        For an unknown target or tag.
    """
    if target not in _lava_targets():
        raise InputError(unknown_name("Lava target", target, _lava_targets()))
    if tag not in TAGS:
        raise InputError(unknown_name("tag of the models", tag, TAGS))
    return TargetRunConfig(target, tag)


def _lava_targets() -> list[str]:
    return [name for name, target in TARGETS.items() if target.on_lava]


class TargetRunConfig(Loihi2SimCfg):  # type: ignore[misc]
    """Lava's CPU simulator, with the model that a target names for every Process of this library.

    Stock Processes of Lava get the model that `Loihi2SimCfg(select_tag=...)` gives them.

    Attributes
    ----------
    target : str
        "lava": one model per Process. "lava-primitives": Processes that have a hierarchical
        model are built from their parts. "lava-stock": from Lava's stock Processes.
    watched : bool
        True: `Process.run` of the library's Processes uses the runtime that never hangs.
    """

    watched = True

    def __init__(self, target: str, tag: str) -> None:
        super().__init__(select_tag=tag)
        self.target, self._built_from = target, TARGETS[target].built_from
        self.exception_proc_model_map = OwnModels(self)

    def select(self, process: AbstractProcess, proc_models: list[type[AbstractProcessModel]]) -> Any:
        """Choose one of the models of a Process."""
        leaves = [model for model in proc_models if not issubclass(model, AbstractSubProcessModel)]
        whole = [model for model in proc_models if issubclass(model, AbstractSubProcessModel)]
        if is_own(process):
            built = [model for model in whole if model.built_from == self._built_from]
            if built:
                return built[0]
            if whole and self._built_from:
                forms = {"", *(model.built_from for model in whole)}
                there = [name for name in _lava_targets() if TARGETS[name].built_from in forms]
                raise InputError(
                    f"{type(process).__name__} has no model for the target {self.target!r}; "
                    f"use one of {', '.join(there)}"
                )
            return super().select(process, leaves)
        return super().select(process, proc_models)


class OwnModels(dict):  # type: ignore[type-arg]
    """Finds the models of the library's Processes in their own module, and of stock ones beside it.

    Lava asks here first. Its own search executes every file of the folder once per file
    of the folder, for every Process: seconds for a network of a dozen.
    """

    def __init__(self, run_config: Any, with_chip: bool = False) -> None:
        super().__init__()
        self._run_config, self._with_chip = run_config, with_chip

    def __contains__(self, process: object) -> bool:
        return isinstance(process, AbstractProcess) and bool(self._models(process))

    def __getitem__(self, process: AbstractProcess) -> Any:
        return self._run_config.select(process, self._models(process))

    def _models(self, process: AbstractProcess) -> list[Any]:
        """Models in the module of one of the library's Processes, for chips beside it; or beside one of Lava's."""
        name = type(process).__module__
        if is_own(process):
            modules = [name, f"{name.rpartition('.')[0]}.ncmodels"]
        elif name.startswith("lava.proc.") and name.endswith(".process"):
            modules = [name.removesuffix("process") + kind for kind in ("models", "ncmodels")]
        else:
            return []
        found: list[Any] = []
        for module in modules if self._with_chip else modules[:1]:
            if find_spec(module) is not None:
                found += vars(importlib.import_module(module)).values()
        classes = [c for c in dict.fromkeys(filter(inspect.isclass, found)) if issubclass(c, AbstractProcessModel)]
        return [c for c in classes if getattr(c, "implements_process", None) is type(process)]


def is_own(process: object) -> bool:
    """Whether a Process is one of this library's."""
    return isinstance(process, AbstractProcess) and type(process).__module__.startswith("lava_nbp.processes.")
