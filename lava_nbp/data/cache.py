"""Arrays that take long to make, kept in the user's cache folder: $XDG_CACHE_HOME, or ~/.cache, /lava_nbp."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lava_nbp.base.files import make_folder, read_npz, write_npz
from lava_nbp.errors import OutputError, Unreadable


def kept(key: str, make: Callable[[], Mapping[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    """The arrays of a key, which names all that they depend on: out of its file, or made, and the file written.

    A file that is damaged is made anew, and one that cannot be written is not: the arrays are what matters.
    """
    file = _folder() / f"{key}.npz"
    try:
        return read_npz(file)
    except Unreadable:
        made = make()
    try:
        make_folder(file.parent)
        write_npz(file, made)
    except OutputError:
        pass
    return made


def _folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base and os.path.isabs(base) else Path("~/.cache").expanduser()) / "lava_nbp"
