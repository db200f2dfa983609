"""Arrays that take long to make, kept in the user's cache folder: $XDG_CACHE_HOME, or ~/.cache, /lava_nbp."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lava_nbp.base.files import make_folder, read_npz, write_npz
from lava_nbp.errors import OutputError, Unreadable


def kept(key: str, make: Callable[[], Mapping[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    """The arrays of a key, which names all that they depend on: out of its file, or made, and the file written.

    A file that is damaged is made anew, and one that cannot be written, or has no home, is not: the arrays are what
    matters.
    """
    folder = _folder()
    if folder is None:
        return make()
    file = folder / f"{key}.npz"
    try:
        return read_npz(file)
    except Unreadable:
        made = make()
    with contextlib.suppress(OutputError):
        make_folder(folder)
        write_npz(file, made)
    return made


def _folder() -> Path | None:
    base = os.environ.get("XDG_CACHE_HOME")
    if not base or not os.path.isabs(base):
        base = os.path.expanduser("~/.cache")
    return Path(base) / "lava_nbp" if os.path.isabs(base) else None
