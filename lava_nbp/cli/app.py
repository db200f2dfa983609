"""The command line: its commands, and how it ends."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TextIO

import typer
from rich.markup import escape

# Modules that are slow to import (Lava, numba, matplotlib) are imported by the commands that need them.
from lava_nbp.cli.bench import bench
from lava_nbp.cli.chip import doctor, faults, plan
from lava_nbp.cli.console import ERR
from lava_nbp.cli.see import circuit, compare, export, plot, report, trace
from lava_nbp.cli.train import INTERRUPTED, evaluate, train
from lava_nbp.errors import LavaNBPError

app = typer.Typer(
    name="lava-nbp",
    help="On-chip learning with exact gradients (nBP, EventProp), for Lava and Loihi.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
#: What the system has against writing.
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

for _command in (train, evaluate, compare, export, report, trace, bench, circuit, plan, faults, doctor, plot):
    app.command()(_command)


def main() -> None:
    """Entry point: one line for every expected error, exit code 2; 130 after Ctrl-C; 1 if nobody reads on."""
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files and data need not be text that the terminal knows
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_finished(_run()))


def _run() -> int:
    """Run the command that is asked for; its exit code."""
    command: Callable[..., Any] = typer.main.get_command(app)
    try:
        code = command(standalone_mode=False)
    except LavaNBPError as error:
        _say(str(error))
        code = 2
    except OSError as error:  # of standard output, or of something that nobody foresaw
        _say(_of_the_system(error))
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        ERR.print("interrupted")
        code = INTERRUPTED
    except Exception as error:
        show = getattr(error, "show", None)  # a usage error of the command line
        if show is None:
            raise
        show()
        code = int(getattr(error, "exit_code", 2))
    return code if isinstance(code, int) else 0


def _finished(code: int) -> int:
    """The exit code after everything is printed: another one if it could not be."""
    failed = _unwritten(sys.stdout)
    if failed is not None and code == 0:
        code = 1  # `| head` has seen enough
        if not isinstance(failed, BrokenPipeError):
            _say(_of_the_system(failed))
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


def _of_the_system(error: OSError) -> str:
    """In words what the system has against something: files are named; what has none is what is printed."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    if error.errno in _OF_WRITING:
        return f"standard output cannot be written: {reason}; free space, or write elsewhere"
    return f"the system refuses: {reason}"


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        ERR.print(f"error: {escape(text)}", highlight=False)


def _terminate(number: int, frame: object) -> None:
    # As an exception, so that checkpoints and children are left in order.
    raise SystemExit(128 + number)
