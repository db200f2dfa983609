"""What all Processes of the library have in common, and how their models get the ports they have."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np

from lava_nbp.base.checks import check_text
from lava_nbp.base.widths import STATE_BITS, WEIGHT_BITS
from lava_nbp.errors import InputError
from lava_nbp.nbp.work import Counters
from lava_nbp.on_lava.model_choice import own_module_first
from lava_nbp.on_lava.runtime import watch

from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.interfaces import AbstractProcessMember
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

#: How the names of ports end.
_PORTS = ("_in", "_out")


class LibraryProcess(AbstractProcess):  # type: ignore[misc]
    """A Lava Process that never hangs in `run` if the run configuration is one of `lava_nbp.run_config`.

    What it was made with cannot be set afterwards: its models have been told by then. Vars are set with their `set`.
    """

    _runtime = None  # Lava's destructor reads it, even if a constructor refuses its arguments
    _made = False
    _members: list[tuple[str, Any]] | None = None

    def __init__(self, **parameters: Any) -> None:
        if parameters.get("name") is not None:
            check_text(parameters["name"], f"name of a {type(self).__name__}")
        super().__init__(**parameters)

    def _find_attr_by_type(self, cls: type) -> dict[str, Any]:
        """As Lava's, which asks for every attribute there is: ports, Vars and Processes are the instance's own."""
        members = sorted(vars(self).items()) if self._members is None else self._members
        return {name: value for name, value in members if _is_kind(type(value), cls)}

    def _post_init(self) -> None:
        # Lava asks six times, and nothing changes meanwhile.
        kinds = (AbstractProcessMember, AbstractProcess)
        self._members = [(name, value) for name, value in sorted(vars(self).items()) if _is_kind(type(value), kinds)]
        super()._post_init()
        self._made, self._members = True, None

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to rebind what a Process was made with: its models have been told, and would not see it."""
        if self._made and (name in self.__dict__ or name in _parameters(cast(Any, type(self)))) and not _of_lava(name):
            way = (
                f"use {name}.set(value)"
                if isinstance(self.__dict__.get(name), Var)
                else f"make a new {type(self).__name__}, and connect that"
            )
            raise InputError(f"{type(self).__name__}.{name} cannot be set once the Process is made; {way}")
        super().__setattr__(name, value)

    @property
    def counters(self) -> Counters:
        """Work done so far: views that stay current, of a Process that counts."""
        return Counters.make()

    def add_member(self, name: str, member: Any, what: str) -> None:
        """Give the Process a port or Var whose name its parameters decide.

        Raises
        ------
        InputError
            If the Process, or the models that Lava runs, have something else of that name, or a Var is called like a
            port; `what` says whose it is.
        """
        if isinstance(member, Var) and name.endswith(_PORTS):
            raise InputError(
                f"{what}: {type(self).__name__} would have a Var {name!r}, but names that end in _in or _out are "
                f"ports'; choose another"
            )
        if hasattr(self, name) or name in _names_of_models():
            raise InputError(
                f"{what}: {type(self).__name__} would have a port or Var {name!r}, but that name is taken; choose "
                f"another"
            )
        setattr(self, name, member)

    def compile(self, run_cfg: Any, compile_config: Any = None) -> Any:
        """As Lava's, but models are looked for in a Process's own module first, whatever the run configuration."""
        return super().compile(own_module_first(run_cfg), compile_config)

    def create_runtime(self, run_cfg: Any = None, executable: Any = None, compile_config: Any = None) -> None:
        """As Lava's, under watch if the run configuration asks for it."""
        if getattr(run_cfg, "watched", False):
            watch(self, executable or self.compile(run_cfg, compile_config), getattr(run_cfg, "in_process", None))
        else:
            super().create_runtime(run_cfg, executable, compile_config)


#: Asked of every attribute; the classes of Lava are abstract, and slow to answer.
_is_kind: Callable[[type, Any], bool] = lru_cache(1024)(issubclass)


@cache
def _parameters(kind: Any) -> frozenset[str]:
    """Names of the parameters that the constructors of a class and of those above it have."""
    makers = [vars(c)["__init__"] for c in kind.__mro__ if issubclass(c, LibraryProcess) and "__init__" in vars(c)]
    return frozenset(name for make in makers for name in inspect.signature(make).parameters)


def _of_lava(name: str) -> bool:
    """Whether Lava, or the Process itself, sets an attribute while a network is compiled and run."""
    return name.startswith("_") or name == "parent_proc" or isinstance(getattr(AbstractProcess, name, None), property)


@cache
def _names_of_models() -> frozenset[str]:
    """What Lava's models have already: a model gets every port and Var as an attribute of the same name."""
    model = PyLoihiProcessModel({})
    return frozenset({*dir(model), *vars(model)})


class NamedPorts(ABCMeta):
    """Lets a model have the ports that its Process has: a name that ends in _in or _out is a port.

    Lava takes the type of every port from an attribute of the model's class; here the
    parameters of a Process decide which ports there are. Outputs in `_graded` send more than 0 and 1; a model that
    says `_weighted`, a type, sends weighted sums of it by those that end in a_out.
    """

    def __getattr__(cls, name: str) -> LavaPyType:
        if name.endswith("_in"):
            return _type_of(PyInPort.VEC_DENSE, np.int32, STATE_BITS)
        if name.endswith("a_out") and hasattr(cls, "_weighted"):
            return _type_of(PyOutPort.VEC_DENSE, cls._weighted, STATE_BITS)
        if name.endswith("_out"):
            graded = name in getattr(cls, "_graded", ())
            return _type_of(PyOutPort.VEC_DENSE, np.int32, STATE_BITS if graded else 1)
        raise AttributeError(f"{cls.__name__} has no attribute {name!r}")


class NamedMatrices(NamedPorts):
    """Lets a model have a Var for every matrix of weights, too: any name that is no port's."""

    def __getattr__(cls, name: str) -> LavaPyType:
        if name.startswith("_") or name.endswith(_PORTS):
            return super().__getattr__(name)
        return _type_of(np.ndarray, np.int16, WEIGHT_BITS)


@lru_cache(64)
def _type_of(kind: Any, numbers: Any, bits: int) -> LavaPyType:
    """Made once: Lava asks for the type of every port and Var a dozen times."""
    return LavaPyType(kind, numbers, precision=bits)
