"""Files that are whole or not there: written beside, synced, then renamed into place."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from lava_nbp.errors import OutputError


def write_atomically(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let `write` fill a new file that then replaces `path`; on any failure the old file stays.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disk is full.
    """
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            write(file)
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
                f"{path} cannot be written: {error.strerror or error}{kept}; free space or choose another --out"
            ) from error
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises
    ------
    OutputError
        As for `write_atomically`.
    """

    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    write_atomically(path, write)


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
