"""How much memory a network may take: asked before it is taken, so that a size that is out of reach is one line.

The limit is a setting of the environment, ``LAVA_NBP_MEMORY`` in GB, which the command line, notebooks, and the
children that Lava starts have alike; without it, it is three quarters of what this machine has.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from lava_nbp.base.checks import shown
from lava_nbp.errors import InputError

#: Name of the environment's setting.
VARIABLE = "LAVA_NBP_MEMORY"
_SHARE = 0.75
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
#: Where Linux says how much a container may use; the older place second.
_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit() -> int:
    """Bytes that a network and its buffers may take.

    Raises
    ------
    InputError
        If ``LAVA_NBP_MEMORY`` is no positive, finite number of GB.
    """
    given = os.environ.get(VARIABLE)
    if given is None:
        return int(_SHARE * _machine())
    try:
        gigabytes = float(given)
    except ValueError:
        gigabytes = 0.0
    if not 0 < gigabytes < 1e9:
        raise InputError(f"the environment's {VARIABLE} is {shown(given)}, but must be a positive number of GB, like 4")
    return int(gigabytes * 1e9)


def check_memory(needed: float, what: str, cure: str) -> None:
    """Refuse what would take more memory than there may be; call it before the memory is taken.

    Parameters
    ----------
    needed : float
        Bytes.
    what : str
        What takes them, the beginning of the message.
    cure : str
        What makes them fewer.

    Raises
    ------
    InputError
        Says how much is needed, the limit, and how either can be changed.
    """
    limit = memory_limit()
    if not needed <= limit:
        raise InputError(
            f"{what} needs some {size(needed)} of memory, but the limit is {size(limit)}; {cure}, or set {VARIABLE} "
            f"(GB) if this machine has more"
        )


def size(count: float) -> str:
    """Bytes in words: 12.3 MB."""
    count = float(min(count, 1e300))  # an int may be larger than every float
    power = min(5, int(math.log10(count) // 3)) if 1000 <= count < math.inf else 0
    return f"{count / 1000**power:.3g} {_UNITS[power]}"


def _machine() -> int:
    """Bytes that this machine has, or this container may use."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _CONTAINER:
        try:
            there = min(there, int(Path(name).read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return there
