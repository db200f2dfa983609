"""Cases at a door, one after the other, none of them for ever."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzz.doors import DOORS

#: Seconds that a case may take.
PATIENCE = 20


@dataclass(frozen=True)
class Case:
    """What enters, shown as far as it can be."""

    value: object

    def __repr__(self) -> str:
        try:
            return repr(self.value)[:3000]
        except (RecursionError, ValueError) as error:  # nested too deep, an integer too long
            return f"a case that cannot be shown ({error})"


def attempt(name: str, examples: int | None = None, first: int | None = None, journal: Path | None = None) -> None:
    """Try cases at a door; the same ones every time, or those that follow from a seed.

    `journal` gets every case before it is tried: a crash leaves no other trace.
    """
    door = DOORS[name]
    chosen = settings(
        max_examples=examples or door.examples, derandomize=first is None, database=None, deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False,
    )  # fmt: skip

    @chosen
    @given(door.cases().map(Case))
    def one(case):
        if journal is not None:
            journal.write_text(repr(case), errors="backslashreplace")
        with in_time():
            door.enter(case.value)

    (one if first is None else seed(first)(one))()


@contextmanager
def in_time():
    """Ends a case that does not."""

    def end(number, frame):
        raise TimeoutError(f"no answer within {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, end)
    left = signal.alarm(PATIENCE)  # pytest's own limit for the test
    try:
        yield
    finally:
        signal.alarm(left)
        signal.signal(signal.SIGALRM, before)
