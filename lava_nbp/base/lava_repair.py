"""Repair Lava where it does not run as it is, and say how to get it.

Lava (lava-nc 0.10.0) is archived. It is made for Python 3.10 and NumPy 1, and two things in it fail elsewhere, a third
everywhere:

- `lava.magma.compiler.var_model` gives dataclasses as defaults of dataclasses. Since Python 3.11 a default must be
  hashable, and these are not: the module, and with it 77 of Lava's 139, cannot be imported. They get a hash.
- `ReshapePort` calls ``np.reshape(newshape=...)``, a name that NumPy 2.4 has dropped: ``reshape`` of a port fails. Its
  two methods are replaced.
- Lava sets multiprocessing's start method when it is imported, and raises if that is fixed already, even to the same
  method; PyTorch's DataLoader fixes it, like whoever makes a queue. It is set aside meanwhile, and stays as it was.

Nothing of Lava's files is changed, and Lava is not imported here: `install`, which `lava_nbp` calls when it is
imported, repairs a module when somebody imports it, or at once if that has been done and can still be mended. The first
and the third have to be known before they are executed: import `lava_nbp` before Lava. What a Python or NumPy does not
need is not done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import ModuleType
from typing import Any

#: The versions that are repaired: no other was looked at.
LAVA_NC, LAVA_DL = "0.10.0", "0.6.0"
#: The last Python that lava-nc allows pip to install it on; later ones need the repair.
_PLAIN = (3, 10)


def how_to_get(package: str) -> str:
    """The command that brings a package of Lava, lava-nc or lava-dl, on this Python.

    From Python 3.11 on pip refuses both unless it is forced; `lava-nbp` and its extra dl bring what they need.
    """
    plain = sys.version_info[:2] <= _PLAIN
    lava = f"pip install {'' if plain else '--no-deps --ignore-requires-python '}lava-nc=={LAVA_NC}"
    if package == "lava-nc":
        return lava
    extra = "pip install 'lava-nbp[dl]'"
    return extra if plain else f"{extra} && {lava} lava-dl=={LAVA_DL}"


def found_version(package: str = "lava-nc") -> str | None:
    """Version of a package that is installed; None if there is none, or a folder of files without one."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def require_lava(what: str) -> None:
    """Raise MissingPackageError, with the command that helps, unless Lava is here and can be imported.

    Parameters
    ----------
    what : str
        What needs it: the beginning of the message.
    """
    from importlib.util import find_spec

    from lava_nbp.errors import MissingPackageError

    if "lava.magma" in sys.modules:
        return
    try:
        there = find_spec("lava.magma") is not None
    except ImportError:
        there = False
    if not there:
        raise MissingPackageError(f"{what} needs Lava, which is not installed; run: {how_to_get('lava-nc')}")


def install() -> None:
    """Repair Lava's modules as they are imported, where this Python or NumPy needs it; doing it twice is harmless."""
    if any(map(_is_ours, sys.meta_path)):
        return
    sys.meta_path.insert(0, _Finder())
    if _PORTS in sys.modules and _PORTS in _REPAIRS and found_version() == LAVA_NC:
        with _reshape_by_position(sys.modules[_PORTS]):
            pass


# ----------------------------------------------------------------- the repairs


@contextmanager
def _hashable_defaults(module: ModuleType) -> Iterator[None]:
    """While the module is executed, its dataclasses get a hash; those of others, in other threads, do not."""
    import dataclasses

    _check_version(module.__name__)
    original: Callable[..., Any] = dataclasses.dataclass

    def dataclass(cls: Any = None, /, **options: Any) -> Any:
        if cls is None:
            return partial(dataclass, **options)
        if cls.__module__ == module.__name__:
            options.setdefault("unsafe_hash", True)
        return original(cls, **options)

    dataclasses.dataclass = dataclass
    try:
        yield
    finally:
        dataclasses.dataclass = original


@contextmanager
def _reshape_by_position(module: ModuleType) -> Iterator[None]:
    """After the module was executed, its ReshapePort hands out functions that every NumPy can call."""
    import inspect

    import numpy as np

    needed = "newshape" not in inspect.signature(np.reshape).parameters
    if needed:
        _check_version(module.__name__)
    yield
    if not needed:
        return

    def get_transform_func_fwd(self: Any) -> Any:
        """What reshapes data to the shape of the destination."""
        return partial(_reshaped, self.shape)

    def get_transform_func_bwd(self: Any) -> Any:
        """What reshapes data to the shape of the source."""
        return partial(_reshaped, self.old_shape)

    module.ReshapePort.get_transform_func_fwd = get_transform_func_fwd
    module.ReshapePort.get_transform_func_bwd = get_transform_func_bwd


def _reshaped(shape: tuple[int, ...], data: Any) -> Any:
    import numpy as np

    return np.reshape(data, shape)


@contextmanager
def _start_method_set_aside(_: ModuleType) -> Iterator[None]:
    """While the module is executed, no start method is fixed; one that was chosen before stays."""
    import multiprocessing

    chosen: str | None = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(None, force=True)
    try:
        yield
    finally:
        if chosen is not None:
            multiprocessing.set_start_method(chosen, force=True)


_PORTS = "lava.magma.core.process.ports.ports"
#: What is around the execution of a module of Lava.
_REPAIRS: dict[str, Callable[[ModuleType], AbstractContextManager[None]]] = {
    "lava.magma.runtime.message_infrastructure.multiprocessing": _start_method_set_aside
}
if sys.version_info[:2] > _PLAIN:
    _REPAIRS |= {"lava.magma.compiler.var_model": _hashable_defaults, _PORTS: _reshape_by_position}


class _Finder:
    """Finds the modules that need a repair, as whoever else finds them, and repairs them when they are executed."""

    repairs_lava = True

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> Any:
        """As `importlib.abc.MetaPathFinder.find_spec`."""
        if name not in _REPAIRS:
            return None
        others = (finder for finder in sys.meta_path if not _is_ours(finder))
        spec = next((spec for other in others if (spec := other.find_spec(name, path, target)) is not None), None)
        if spec is not None and spec.loader is not None:
            _repair_when_executed(name, spec.loader)
        return spec


def _is_ours(finder: Any) -> bool:
    """Whether it is a finder of this module, or of one that was imported before under the same name."""
    return getattr(finder, "repairs_lava", False)


def _repair_when_executed(name: str, loader: Any) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        if module.__name__ != name:  # a loader may serve many modules, as that of a zip file does
            execute(module)
            return
        with _REPAIRS[name](module):
            execute(module)

    loader.exec_module = exec_module


def _check_version(name: str) -> None:
    found = found_version()
    if found == LAVA_NC:
        return
    from lava_nbp.errors import MissingPackageError

    shown = "of a version that nothing tells (no package lava-nc is installed)" if found is None else found
    raise MissingPackageError(
        f"{name} does not run on Python {sys.version_info[0]}.{sys.version_info[1]} as it is, and lava_nbp repairs "
        f"lava-nc {LAVA_NC} only, but this one is {shown}; run: {how_to_get('lava-nc')}"
    )
