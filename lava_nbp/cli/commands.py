"""The commands, and what a user is told where one fails."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import Any

import typer

# Modules that are slow to import (Lava, numba, matplotlib) are imported by the commands that need them.
from lava_nbp.cli import stopping
from lava_nbp.cli.bench import bench
from lava_nbp.cli.chip import doctor, faults, plan
from lava_nbp.cli.console import ERR
from lava_nbp.cli.see import circuit, compare, export, plot, report, trace
from lava_nbp.cli.streams import finished, of_the_system, say_error, take_any_name
from lava_nbp.cli.study import study, summary
from lava_nbp.cli.train import evaluate, train
from lava_nbp.errors import LavaNBPError

app = typer.Typer(
    name="lava-nbp",
    help="On-chip learning with exact gradients (nBP, EventProp), for Lava and Loihi.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (
    train, evaluate, compare, study, summary, export, report, trace, bench, circuit, plan, faults, doctor, plot,
):  # fmt: skip
    app.command()(_command)


def run() -> int:
    """Run the command of sys.argv, and return the exit code of the program."""
    try:
        stopping.end_in_order()
        take_any_name()
        command: Callable[..., Any] = typer.main.get_command(app)
        code = command(standalone_mode=False)
        return finished(code if isinstance(code, int) else 0)
    except BaseException as error:
        return finished(_explained(error))


def _explained(error: BaseException) -> int:
    """Say in one line what has ended a command, and return the exit code. What nobody expects is raised again."""
    told = stopping.received()
    if told is not None or isinstance(error, (KeyboardInterrupt, typer.Abort)):
        # Whatever came of it: children may have got the signal, too, and a terminal may be gone.
        number = told or signal.SIGINT
        with contextlib.suppress(OSError):
            ERR.print(stopping.WORDS[number])
        return 128 + number
    if isinstance(error, LavaNBPError):
        say_error(str(error))
        return 2
    if isinstance(error, OSError):  # of standard output, or of something that nobody foresaw
        say_error(of_the_system(error))
        return 2
    show = getattr(error, "show", None)  # a usage error of the command line
    if show is None:
        raise error
    show()
    return int(getattr(error, "exit_code", 2))
