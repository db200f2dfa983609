"""Files that are whole or not there: written beside, synced, then renamed into place; .npz without pickle."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import shown
from lava_nbp.errors import InputError, OutputError

#: What names a file or a folder: text, or a `pathlib.Path`.
AnyPath = str | os.PathLike[str]
#: Characters that Linux allows in a path.
_LONGEST = 4095


def as_path(value: AnyPath, what: str) -> Path:
    """The path that is meant by text or a path; `what` names it in messages.

    Raises
    ------
    InputError
        For anything else, for nothing, or for text with a NUL, which no file system has.
    """
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise InputError(f"{what} is {shown(value)}, but must be a path, or text that names one")
    if not os.fspath(value) or "\0" in os.fspath(value):
        raise InputError(f"{what} is {shown(value)}, which names no file or folder; give a path")
    if len(os.fspath(value)) > _LONGEST:
        raise InputError(f"{what} is {shown(value)}, of more than {_LONGEST} characters; give a shorter path")
    return Path(value)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a new file that then replaces `path`; on any failure the old file stays.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full.
    """
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BaseException as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            kept = f"; the {path.name} from before is kept" if path.exists() else ""
            raise OutputError(
                f"{path} cannot be written: {error.strerror or error}{kept}; free space or write elsewhere"
            ) from error
        raise


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays to an .npz file, compressed, whole or not at all.

    Raises
    ------
    OutputError
        As for `write_atomically`.
    """
    # Made in memory: a ZipFile on a full disk cannot be closed in order.
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Read every array of an .npz file that holds no pickled objects.

    Raises
    ------
    ValueError
        Says what is wrong with the file: missing, truncated, corrupt, or not an .npz file.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    except (AttributeError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"no .npz file, or a damaged one ({error})") from error


def make_folder(path: Path) -> None:
    """Make an output folder and prove that it can be written.

    Raises
    ------
    OutputError
        If it cannot.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(f"output folder {path} cannot be written: {error.strerror}; choose another --out") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
