"""How the command line ends when it is told to: Ctrl-C, SIGTERM, and SIGHUP, which is a terminal that has closed.

Imports nothing that takes time: it listens before anything else is imported.
"""

from __future__ import annotations

import os
import signal
from collections import namedtuple
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: What is said of them.
WORDS: dict[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
_received: list[int] = []


def end_at_once() -> None:
    """From now on end without a word: while modules are imported there is nothing to be put in order.

    An exception could be swallowed by whatever is being imported.
    """
    _listen(_end)


def end_in_order() -> None:
    """From now on raise KeyboardInterrupt or SystemExit, so that checkpoints and children are left in order."""
    _received.clear()
    _listen(_raise)


def end_quietly() -> None:
    """From now on nothing can be done about it any more: the interpreter is ending."""
    _listen(_ignore)


def keep_exit_code() -> None:
    """Make Python forget Ctrl-C, after which it may end itself by the signal whatever the program's exit code is.

    It does so where KeyboardInterrupt has come through text that was executed, even if it was caught. Imports are full
    of that: every dataclass is made so. The next text clears it, and a named tuple is made of one.
    """
    namedtuple("Cleared", ())


def _listen(handler: object) -> None:
    for number in _SIGNALS:
        # What was ignored when the program began stays so: nohup, and shells that start jobs in the background.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)  # type: ignore[arg-type]


def _end(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)


def received() -> int | None:
    """The signal that has told it to end, since `end_in_order`; None: none has."""
    return _received[-1] if _received else None


def go_on_unless_told() -> None:
    """Raise once more if it was told to end and goes on all the same.

    An exception of a signal handler is lost where Python can only ignore it: in a finalizer, or in a callback of
    compiled code. So those who are told how far the work is ask now and then.
    """
    if _received:
        _raise(_received[-1], None)


def _raise(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
