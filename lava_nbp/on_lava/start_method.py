"""Import Lava whatever has been done with multiprocessing before.

Lava sets multiprocessing's start method when it is imported, and raises if that is fixed already, even to the same
method; PyTorch's DataLoader fixes it, like whoever makes a queue. Its children have to be forked: they take the
network from their parent's memory.
"""

from __future__ import annotations

import multiprocessing
import sys

from lava_nbp.errors import RuntimeFailure

#: The module of Lava that sets the method.
_LAVA = "lava.magma.runtime.message_infrastructure.multiprocessing"


def import_lava() -> None:
    """Import that module of Lava; a start method that was chosen before stays."""
    if _LAVA in sys.modules:
        return
    chosen: str | None = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method(None, force=True)
    try:
        import lava.magma.runtime.message_infrastructure.multiprocessing  # noqa: F401
    finally:
        if chosen is not None:
            multiprocessing.set_start_method(chosen, force=True)


def check_can_start() -> None:
    """Raise RuntimeFailure unless this process may fork the children of a network."""
    method = multiprocessing.get_start_method()
    if method != "fork":
        raise RuntimeFailure(
            f"multiprocessing's start method is {method!r}, but Lava's processes have to be forked; "
            f"call multiprocessing.set_start_method('fork', force=True) before, or use a target that needs no Lava"
        )
    if multiprocessing.current_process().daemon:
        raise RuntimeFailure(
            "this is a daemonic process of multiprocessing (a worker of a Pool or DataLoader), which must not have "
            "children, but Lava starts a process per model; run the network in the main process, or in a "
            "multiprocessing.Process with daemon=False"
        )
