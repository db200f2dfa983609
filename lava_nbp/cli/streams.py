"""What is printed, and what if it cannot be: nobody reads on, or the disk behind it is full."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from typing import TextIO

from rich.markup import escape

from lava_nbp.cli.console import ERR

#: What the system has against writing.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def take_any_name() -> None:
    """From now on print what the terminal has no letters for, too: names of files and data need not be text."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say_error(text: str) -> None:
    """One line on what is wrong."""
    with contextlib.suppress(OSError):
        ERR.print(f"error: {escape(text)}", highlight=False)


def of_the_system(error: OSError) -> str:
    """In words what the system has against something: files are named; what has none is what is printed."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    if error.errno in _OF_WRITING:
        return f"standard output cannot be written: {reason}; free space, or write elsewhere"
    return f"the system refuses: {reason}"


def finished(code: int) -> int:
    """The exit code after everything is printed: another one if it could not be."""
    failed = _unwritten(sys.stdout)
    if failed is not None and code == 0:
        code = 1  # `| head` has seen enough
        if not isinstance(failed, BrokenPipeError):
            say_error(of_the_system(failed))
            code = 2
    _unwritten(sys.stderr)  # the code says it, too
    return code


def _unwritten(stream: TextIO | None) -> OSError | None:
    """Why what was printed does not arrive; None if it does."""
    if stream is None:
        return None
    try:
        stream.flush()
    except OSError as error:
        # What is left would be tried again, and fail again, when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None
