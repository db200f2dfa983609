"""The program `lava-nbp`: how it begins, and how it ends."""

from __future__ import annotations

import atexit
import sys
from typing import TYPE_CHECKING, Any

from lava_nbp.cli import stopping

if TYPE_CHECKING:
    from lava_nbp.cli.commands import app as app


def main() -> None:
    """Entry point: one line and exit code 2 for every expected error; 1 if nobody reads on.

    130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """
    stopping.end_at_once()
    # Half a second of imports, in which Ctrl-C shall be as quiet as at any other time.
    from lava_nbp.cli.commands import run

    code = run()
    stopping.keep_exit_code()
    atexit.register(stopping.end_quietly)
    sys.exit(code)


def __getattr__(name: str) -> Any:
    """`app`, the commands, for other programs."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lava_nbp.cli.commands import app

    return app
