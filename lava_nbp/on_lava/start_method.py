"""Whether this process may start networks: their children are forked, and take them from their parent's memory."""

from __future__ import annotations

import multiprocessing

from lava_nbp.errors import RuntimeFailure


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
