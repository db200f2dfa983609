"""Files that are whole or not there: written beside, synced, then renamed into place. Read only if they are files.

Nothing but a regular file is read or replaced: a FIFO would be waited for, a device would be lost. What is read raises
`Unreadable`, with the reason alone: whoever asks for a file says which one it is, and the cure.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import io
import os
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import one_line, shown
from lava_nbp.base.memory import check_memory, size
from lava_nbp.base.npy import read_array
from lava_nbp.errors import InputError, OutputError, Unreadable

#: What names a file or a folder: text, or a `pathlib.Path`.
AnyPath = str | os.PathLike[str]
#: Characters that Linux allows in a path.
_LONGEST = 4095

#: What else than a file may stand in a folder.
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO (pipe)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
#: What helps where a file cannot be written; elsewhere: another place.
_CURES = {
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "remove the link that leads to itself, or write elsewhere",
    errno.ENOENT: "make its folder first, or write elsewhere",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free space or write elsewhere"),
}
#: Letters of a name that its temporary file bears: a name may have 255 bytes, and this one is longer.
_BORNE = 200
#: Deflate makes at most so many bytes of one; whatever promises more, lies.
_INFLATES = 1032
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def as_path(value: AnyPath, what: str) -> Path:
    """The path that is meant by text or a path; `what` names it in messages.

    Raises
    ------
    InputError
        For anything else, for nothing, or for text with a NUL or half a character, which no file system has.
    """
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise InputError(f"{what} is {shown(value)}, but must be a path, or text that names one")
    if not os.fspath(value) or "\0" in os.fspath(value):
        raise InputError(f"{what} is {shown(value)}, which names no file or folder; give a path")
    try:
        os.fsencode(value)
    except UnicodeError:
        raise InputError(f"{what} is {shown(value)}, which is no text that a file system holds; give a path") from None
    if len(os.fspath(value)) > _LONGEST:
        raise InputError(f"{what} is {shown(value)}, of more than {_LONGEST} characters; give a shorter path")
    return Path(value)


# --------------------------------------------------------------------- writing


def check_output(path: AnyPath) -> None:
    """Prove that a file can be written, before the work is done that it is for; nothing is left.

    Raises
    ------
    OutputError
        As `write_atomically`.
    """
    asked = _named(path)
    with _said(asked):
        target, _ = _target(asked)
        with tempfile.TemporaryFile(dir=target.parent):
            pass


def write_atomically(path: AnyPath, content: bytes) -> None:
    """Write a new file that then replaces `path`; on any failure the old file stays.

    A link stays, and what it leads to is replaced. Permissions stay, too.

    Raises
    ------
    OutputError
        If the folder cannot be written, the disk is full, or what is there is no file: nothing is replaced then.
    """
    asked = _named(path)
    with _said(asked):
        target, mode = _target(asked)
        kept = "" if mode is None else f"; the {asked.name} from before is kept"
        with _said(asked, kept):
            _replace(target, content, 0o666 & ~_umask() if mode is None else mode)


def _named(path: AnyPath) -> Path:
    try:
        return as_path(path, "file to write")
    except InputError as error:
        raise OutputError(str(error)) from None


def _target(path: Path) -> tuple[Path, int | None]:
    """The file that a path leads to, and its permissions; None if there is none yet."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        found = None
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise OutputError(
            f"{path} cannot be written: it is {_kind(found)}, which is never replaced; give the name of a file"
        )
    return Path(os.path.realpath(path)), None if found is None else stat.S_IMODE(found.st_mode)


def _replace(path: Path, content: bytes, mode: int) -> None:
    temporary = ""
    try:
        borne = os.fsdecode(os.fsencode(path.name)[:_BORNE])
        descriptor, temporary = tempfile.mkstemp(prefix=f".{borne}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def _said(path: Path, kept: str = "") -> Iterator[None]:
    """Whatever the system has against a file to write, as one line."""
    try:
        yield
    except OSError as error:
        cure = _CURES.get(error.errno or 0, "write elsewhere")
        raise OutputError(f"{path} cannot be written: {error.strerror or error}{kept}; {cure}") from error


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what `write_atomically` has left of files of these names where a process was killed in the midst of it.

    Only for whoever holds the folder, see `lava_nbp.base.locks`: what others are writing looks the same.
    """
    for name in names:
        for leftover in folder.glob(f".{glob.escape(name)}.????????"):
            with contextlib.suppress(OSError):
                leftover.unlink()


def write_npz(path: AnyPath, arrays: Mapping[str, Any]) -> None:
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


def make_folder(path: AnyPath) -> None:
    """Make an output folder and prove that it can be written.

    Raises
    ------
    OutputError
        If it cannot.
    """
    try:
        folder = as_path(path, "output folder")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except InputError as error:
        raise OutputError(str(error)) from None
    except OSError as error:
        raise OutputError(
            f"output folder {path} cannot be written: {error.strerror or error}; choose another --out"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --------------------------------------------------------------------- reading


def check_file(path: AnyPath) -> int:
    """The bytes of a regular file that can be opened; for readers of other libraries, which would wait for a FIFO.

    Raises
    ------
    Unreadable
        If it is missing, no regular file, or may not be read.
    """
    with open_file(path) as file:
        return os.fstat(file.fileno()).st_size


@contextlib.contextmanager
def open_file(path: AnyPath) -> Iterator[BinaryIO]:
    """A regular file, to be read; whatever the system has against it, until it is closed, is `Unreadable`.

    Raises
    ------
    Unreadable
        If it is missing, no regular file, or cannot be read.
    """
    try:
        named = as_path(path, "file to read")
    except InputError as error:
        raise Unreadable(str(error)) from None
    try:
        found = os.stat(named)
        if not stat.S_ISREG(found.st_mode):
            raise Unreadable("Is a directory" if stat.S_ISDIR(found.st_mode) else f"it is {_kind(found)}, no file")
        with open(named, "rb", opener=_without_waiting) as file:
            yield file
    except OSError as error:
        raise Unreadable(error.strerror or str(error), missing=isinstance(error, FileNotFoundError)) from error


def read_file(path: AnyPath, most: int | None = None) -> bytes:
    """The content of a regular file.

    Parameters
    ----------
    path : path
        Which.
    most : int, optional
        Refuse more bytes than these; default: more than there may be in memory.

    Raises
    ------
    Unreadable
        As `open_file`, or for a file that is larger.
    """
    with open_file(path) as file:
        there = os.fstat(file.fileno()).st_size
        if most is None:
            _check_room(there)
        elif there > most:
            raise Unreadable(f"it has {size(there)}, more than the {size(most)} that such a file may have")
        # Files of the kernel's say that they are empty, and may not end.
        content = file.read(most + 1 if most is not None else there) or b""
        if most is not None and len(content) > most:
            raise Unreadable(f"it has more than the {size(most)} that such a file may have")
        return content


def read_npy(path: AnyPath) -> NDArray[Any]:
    """Read the array of an .npy file, of numbers or text.

    Raises
    ------
    Unreadable
        Says what is wrong with the file: missing, truncated, or not an .npy file.
    """
    with open_file(path) as file:
        there = os.fstat(file.fileno()).st_size
        _check_room(there)
        return read_array(file, there, "it")


def read_npz(path: AnyPath) -> dict[str, NDArray[Any]]:
    """Read every array of an .npz file, of numbers or text; sizes are checked before any memory is taken.

    Raises
    ------
    Unreadable
        Says what is wrong with the file: missing, truncated, corrupt, or not an .npz file; a ValueError, too.
    """
    with open_file(path) as file:
        there = os.fstat(file.fileno()).st_size
        try:
            with zipfile.ZipFile(file) as archive:
                members = _members(archive, there)
                return {name: _read_member(archive, info, name) for name, info in members.items()}
        except (OSError, Unreadable):
            raise
        except Exception as error:  # a damaged zip file makes zipfile and zlib raise all kinds
            raise Unreadable(f"no .npz file, or a damaged one ({one_line(error)})") from error


def _members(archive: zipfile.ZipFile, there: int) -> dict[str, zipfile.ZipInfo]:
    """The arrays of an .npz file by name, if they can be what the file says of them."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or name in members:
            raise Unreadable(f"no .npz file, or a damaged one ({shown(info.filename)} is no array, or there twice)")
        if info.compress_type not in _COMPRESSIONS or info.flag_bits & 1:
            raise Unreadable(f"array {shown(name)} is compressed or encrypted in a way that NumPy does not write")
        if info.compress_size > there or info.file_size > _INFLATES * (info.compress_size + 1):
            raise Unreadable(f"array {shown(name)} promises {size(info.file_size)}, more than the file can hold")
        members[name] = info
    _check_room(sum(info.file_size for info in members.values()))
    return members


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    with archive.open(info) as stream:
        return read_array(stream, info.file_size, f"array {shown(name)}")


def _check_room(needed: int) -> None:
    try:
        check_memory(needed, "what it holds", "give a smaller file")
    except InputError as error:
        raise Unreadable(str(error)) from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _kind(found: os.stat_result) -> str:
    return next((kind for is_one, kind in _KINDS if is_one(found.st_mode)), "no regular file")
