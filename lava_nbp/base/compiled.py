"""How kernels are compiled: kept on disk, run without the interpreter's lock, and with no way in that nobody takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

#: All kernels' options. Nobody calls one from C.
_ALL = {"cache": True, "nogil": True, "no_cfunc_wrapper": True}


def kernel(function: Callable[..., Any]) -> Any:
    """A kernel that Python calls; other kernels may, too."""
    return njit(**_ALL)(function)


def inner(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """A kernel that only kernels call, with numba's further options.

    It gets no code that takes Python's objects apart: for tuples of many arrays, that takes longer to compile than what
    the kernel does.
    """
    compiled = njit(**_ALL, no_cpython_wrapper=True, **options)
    return compiled if function is None else compiled(function)
