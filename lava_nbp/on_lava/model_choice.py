"""Which model runs a Process: Lava run configurations of the library's targets. Models are chosen here only."""

from __future__ import annotations

import copy
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from lava_nbp.base.checks import check_flag, check_name
from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError

from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.model.model import AbstractProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

#: Arithmetics that CPU models are tagged with.
TAGS = ("fixed_pt", "floating_pt", "bit_accurate_loihi")
#: Modules with models of Lava's Processes that Lava itself has none for, with the tags of a chip.
_MODELS_BESIDE = {"lava.proc.lif.process:LIFRefractory": "lava_nbp.on_lava.stock_refractory"}
#: How the modules of this library's Processes are called.
_OWN = "lava_nbp.processes."


def make_run_config(target: str, tag: str = "fixed_pt", in_process: bool | None = None) -> TargetRunConfig:
    """Make the run configuration of a target.

    Parameters
    ----------
    target : str
        One of Lava's targets.
    tag : str
        Arithmetic of the models.
    in_process : bool, optional
        Whether all models run in one process; see `LavaRuntime`.

    Raises
    ------
    InputError
        For an unknown target or tag, or what is neither True, False nor None.
    """
    check_name(target, "Lava target", _lava_targets())
    check_name(tag, "tag of the models", TAGS)
    return TargetRunConfig(target, tag, check_in_process(in_process))


def check_in_process(in_process: object) -> bool | None:
    """Check whether a network is to run in one process; None: as it can.

    Raises
    ------
    InputError
        For anything else than True, False and None.
    """
    return None if in_process is None else check_flag(in_process, "in_process")


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
    in_process : bool or None
        Whether all models run in one process; see `LavaRuntime`.
    watched : bool
        True: `Process.run` of the library's Processes uses the runtime that never hangs.
    """

    watched = True

    def __init__(self, target: str, tag: str, in_process: bool | None = None) -> None:
        super().__init__(select_tag=tag)
        self.in_process = in_process
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
            if whole and (self._built_from or not leaves):
                forms = {*([""] if leaves else []), *(model.built_from for model in whole)}
                there = [name for name in _lava_targets() if TARGETS[name].built_from in forms]
                raise InputError(
                    f"{type(process).__name__} has no model for the target {self.target!r}; "
                    f"use one of {', '.join(there)}"
                )
            return super().select(process, leaves)
        return super().select(process, proc_models)


class OwnModels(dict):  # type: ignore[type-arg]
    """Finds the models of a Process in its own module, of Lava's stock ones beside it; else Lava searches.

    Lava asks here first. Its own search executes every file of the folder once per file
    of the folder, for every Process: seconds for a network of a dozen, and a script that starts a network starts itself
    again and again. What a configuration names for a Process itself comes before all that.
    """

    def __init__(self, run_config: Any, with_chip: bool = False, named: Mapping[Any, Any] | None = None) -> None:
        super().__init__(named or {})
        self._run_config, self._with_chip = run_config, with_chip

    def __contains__(self, process: object) -> bool:
        return isinstance(process, AbstractProcess) or super().__contains__(process)

    def __getitem__(self, process: Any) -> Any:
        if super().__contains__(process):
            return super().__getitem__(process)
        check_not_searching()
        models: Any = self._models(process) or _search(process)
        try:
            return ProcGroupDiGraphs._select_proc_models(process, models, self._run_config)
        except (AssertionError, IndexError, NotImplementedError) as error:  # what Lava says of tags that no model has
            names = ", ".join(model.__name__ for model in models)
            raise InputError(
                f"the run configuration chooses none of the models of {process.name} ({type(process).__name__}), which "
                f"are {names} ({error}); give one of them the tag, or name it: "
                f"Loihi2SimCfg(exception_proc_model_map={{process: {models[0].__name__}}})"
            ) from error

    def _models(self, process: AbstractProcess) -> list[Any]:
        known = type(process).__module__.startswith(("lava.", "lava_nbp."))  # whose modules stay as they are
        return list((_known_models if known else _models_of)(type(process), self._with_chip))


def _models_of(kind: type[AbstractProcess], with_chip: bool) -> tuple[Any, ...]:
    """Models in the module of a class of Processes, for chips beside it, too; or beside one of Lava's."""
    name = kind.__module__
    modules = [name]
    if name.startswith(_OWN) and with_chip:
        modules += [f"{name.rpartition('.')[0]}.{part}" for part in ("ncmodels", "ncprograms")]
    elif name.startswith(("lava.proc.", "lava.lib.")) and name.endswith(".process"):
        kinds = ("models", "ncmodels") if with_chip else ("models",)
        modules = [name.removesuffix("process") + part for part in kinds]
        modules += [module for process, module in _MODELS_BESIDE.items() if process == f"{name}:{kind.__name__}"]
    found: list[Any] = []
    for module in modules:
        if module in sys.modules or (module != name and find_spec(module) is not None):
            found += vars(importlib.import_module(module)).values()
    classes = [c for c in dict.fromkeys(filter(inspect.isclass, found)) if issubclass(c, AbstractProcessModel)]
    return tuple(c for c in classes if getattr(c, "implements_process", None) is kind)


_known_models: Callable[[type, bool], tuple[Any, ...]] = lru_cache(256)(_models_of)


def own_module_first(run_config: RunConfig) -> RunConfig:
    """A run configuration that looks into a Process's own module first, and is else as the one given."""
    named = getattr(run_config, "exception_proc_model_map", None)
    if isinstance(named, OwnModels):
        return run_config
    made: Any = copy.copy(run_config)
    made.exception_proc_model_map = OwnModels(made, named=named)
    return made


class _StartedAgain(BaseException):
    """Ends a file that Lava's search executes; not an Exception, for Lava would go on with the next file."""


_search_of = threading.local()


def check_not_searching() -> None:
    """End the file that does this if it is being executed by Lava's search for models."""
    if getattr(_search_of, "process", None) is not None:
        raise _StartedAgain


def _search(process: AbstractProcess) -> list[Any]:
    """Lava's own search: it executes every file in the folder of the Process."""
    kind = type(process)
    module = sys.modules.get(kind.__module__)
    where = getattr(module, "__file__", None) or kind.__module__
    _search_of.process = process
    try:
        found: list[Any] = ProcGroupDiGraphs._find_proc_models(process)
    except (_StartedAgain, SystemExit):
        raise InputError(
            f"{kind.__name__} has no model in its own module ({where}), so that Lava executes every file beside it, "
            f"and one of them starts a network or ends the interpreter; put what a script does below "
            f"if __name__ == '__main__':, or the model into the module of its Process"
        ) from None
    except Exception as error:
        raise InputError(
            f"no model was found for {kind.__name__} in its own module ({where}), nor beside it ({error}); put one, "
            f"decorated with @implements(proc={kind.__name__}), into that module"
        ) from error
    finally:
        _search_of.process = None
    return found


def is_own(process: object) -> bool:
    """Whether a Process is one of this library's."""
    return isinstance(process, AbstractProcess) and type(process).__module__.startswith(_OWN)
