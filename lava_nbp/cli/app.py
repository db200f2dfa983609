"""The command line: its commands, and how it ends."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

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
for _command in (train, evaluate, compare, export, report, trace, bench, circuit, plan, faults, doctor, plot):
    app.command()(_command)


def main() -> None:
    """Entry point: one line for every expected error, exit code 2; 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminate)
    command: Callable[..., Any] = typer.main.get_command(app)
    try:
        code = command(standalone_mode=False)
    except LavaNBPError as error:
        ERR.print(f"error: {escape(str(error))}", highlight=False)
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
    sys.exit(code if isinstance(code, int) else 0)


def _terminate(number: int, frame: object) -> None:
    # As an exception, so that checkpoints and children are left in order.
    raise SystemExit(128 + number)
