"""A folder that one process at a time may write: a lock of the kernel's, which ends with the process in any case."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from lava_nbp.errors import OutputError


class FolderHeldError(OutputError):
    """Another process, or another thread of this one, holds the folder."""


#: Descriptors of the folders that this process holds.
_held: set[int] = set()


@contextlib.contextmanager
def locked(folder: Path, what: str = "training run") -> Iterator[None]:
    """Hold a folder in the block. Nothing is written into it for that, so nothing is left that could be stale.

    `what` says in messages who writes such a folder.

    On a file system without locks (some network file systems have none) the block runs all the same.

    Raises
    ------
    FolderHeldError
        If another process, or another thread of this one, holds the folder; says which, if that can be known.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # who may not read it finds out by writing whether it can be used
        yield
        return
    _held.add(descriptor)
    try:
        _lock(descriptor, folder, what)
        yield
    finally:
        if descriptor in _held:  # a forked child has closed it
            _held.remove(descriptor)
            with contextlib.suppress(OSError):  # for a child, too, that is being forked just now
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _lock(descriptor: int, folder: Path, what: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderHeldError(
            f"{folder} is being written by another {what}{_owner(descriptor)}; wait until that has ended, or "
            f"choose another --out"
        ) from None
    except OSError:  # the file system has no locks
        pass


def _owner(descriptor: int) -> str:
    """Who holds the folder, for a message."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and place in words:
                return f" (process {words[words.index(place) - 1]})"
    return ""


def _let_go() -> None:
    """In a forked child: the lock shall end with the process that took it, not with the last of its children."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
