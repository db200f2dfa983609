"""How kernels are compiled: kept on disk, run without the interpreter's lock, and with no way in that nobody takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.registry import CPUDispatcher

#: All kernels' options. Nobody calls one from C.
_ALL = {"cache": True, "nogil": True, "no_cfunc_wrapper": True}
#: Options of kernels that make no arrays. Others count who refers to an array, whenever they take one out of a tuple,
#: cut a slice, or hand one on: two atomic operations each, a third of the time of small layers.
BARE: dict[str, Any] = {"_nrt": False}
#: Options of bare kernels with loops that divide. A division that may raise an exception is a branch, and a loop with a
#: branch does not handle several numbers at a time. By NumPy's rule, which these follow, x / 0 is inf.
DIVIDING: dict[str, Any] = {**BARE, "error_model": "numpy"}


class _Inner(CPUDispatcher):  # type: ignore[misc]
    """A kernel without a way in for Python, which would crash there: what Python calls runs as Python."""

    def __call__(self, *arguments: Any) -> Any:
        return self.py_func(*arguments)


def kernel(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """A kernel that Python calls, with numba's further options; other kernels may call it, too."""

    def compiled(function: Callable[..., Any]) -> Any:
        return _fresh(njit(**_ALL, **options)(function))

    return compiled if function is None else compiled(function)


def inner(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """A kernel that only kernels call, with numba's further options.

    It gets no code that takes Python's objects apart: for tuples of many arrays, that takes longer to compile than what
    the kernel does. Where Python calls it all the same, it is not compiled.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        made = njit(**_ALL, no_cpython_wrapper=True, **options)(function)
        if isinstance(made, CPUDispatcher):  # numba may be told to compile nothing
            made.__class__ = _Inner
        return _fresh(made)

    return compiled if function is None else compiled(function)


def _fresh(made: Any) -> Any:
    """A kernel that is compiled anew when a file beside its own has changed.

    numba looks at a kernel's own file only, and by content: an update that changes what a kernel calls, and not the
    kernel's file, would go on with the old code.
    """
    if isinstance(made, CPUDispatcher):
        file = made._cache._cache_file
        file._source_stamp = (file._source_stamp, _folder_stamp(Path(made.py_func.__code__.co_filename).parent))
    return made


@lru_cache
def _folder_stamp(folder: Path) -> str:
    """Tells the source files of a folder from any others."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()
