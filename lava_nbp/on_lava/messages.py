"""How a child tells its parent that its model is built, or what went wrong: short messages that nobody waits for.

A message arrives whole or not at all, however its sender ends, and is text: nothing of somebody else's runs when it is
read, as it would when an exception is unpickled. It is so short that sending it never blocks.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from lava_nbp import errors

#: Longest text of an exception and of its traceback, in characters.
_TEXT, _TRACEBACK = 2_000, 8_000
#: No message is longer, in bytes: a character takes 6 at most.
_LONGEST = 1 << 17
_BUILT = b"built"


@dataclass(frozen=True)
class Failure:
    """What a child says of the exception that ended it."""

    kind: str
    text: str
    story: str

    def exception(self) -> Exception:
        """The exception, if its class is Python's or this library's; else a RuntimeError that names it."""
        found = getattr(builtins, self.kind, None) or getattr(errors, self.kind, None)
        if isinstance(found, type) and issubclass(found, Exception):
            try:
                return found(self.text)
            except TypeError:  # made from several values, as UnicodeDecodeError
                pass
        return RuntimeError(f"{self.kind}: {self.text}")


class Mailbox:
    """Messages from one child; made before the fork."""

    def __init__(self) -> None:
        self.built = False
        self.failure: Failure | None = None
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)

    # ------------------------------------------------------------- the child

    def say_built(self) -> None:
        """The model is there."""
        self._send(_BUILT)

    def say_failed(self, error: BaseException, when: str) -> None:
        """An exception has ended the child."""
        kind = type(error)
        known = kind.__module__ in ("builtins", errors.__name__)
        name = kind.__name__ if known else f"{kind.__module__}.{kind.__name__}"
        try:
            told = cut(traceback.format_exc(), _TRACEBACK)
        except BaseException:  # out of memory
            told = ""
        story = f"{when}: {text_of(error, repr)}\n{told}"
        message = {"kind": cut(name, _TEXT), "text": text_of(error, str), "story": story}
        self._send(json.dumps(message, ensure_ascii=False).encode("utf-8", "replace"))

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(OSError):  # the parent has gone, or listens no more
            self._theirs.send(message, socket.MSG_DONTWAIT)

    # ------------------------------------------------------------ the parent

    def forked(self) -> None:
        """The child is there, and has its end."""
        self._theirs.close()

    def look(self) -> None:
        """Take what has come."""
        while True:
            try:
                message = self._ours.recv(_LONGEST)
            except OSError:  # nothing there, or closed
                return
            if not message:
                return
            if message == _BUILT:
                self.built = True
            else:
                self.failure = Failure(**json.loads(message))

    def close(self) -> None:
        """Nobody listens any more."""
        self._ours.close()
        self._theirs.close()


def cut(text: str, most: int) -> str:
    """A text, or its beginning and end."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} ... ({len(text) - 2 * half} characters left out) ... {text[-half:]}"


def text_of(error: BaseException, say: Callable[[BaseException], str]) -> str:
    """What an exception says, whatever it does when asked."""
    try:
        return cut(say(error), _TEXT)
    except BaseException:
        return f"{type(error).__name__}, which cannot be shown"
