"""What a door is: what enters, what is done with it, and what must hold."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from lava_nbp.errors import LavaNBPError

#: A line that a user is to read is not longer.
LONGEST = 1500


@dataclass(frozen=True)
class Door:
    """What enters (a strategy, made when it is first needed), and what is done with it."""

    cases: Callable[[], st.SearchStrategy[Any]]
    enter: Callable[[Any], None]
    examples: int = 40


@contextmanager
def refused_in_a_line():
    """What the library refuses, it refuses in one line."""
    said = "fine"
    try:
        yield
    except LavaNBPError as error:
        said = str(error)
    assert said
    assert "\n" not in said, said
    assert "np." not in said, said  # NumPy 2 names the types of its numbers
    assert len(said) <= LONGEST, said


@functools.cache
def kept() -> Path:
    """A folder for the files that cases are made of; it goes with the interpreter."""
    folder = Path(tempfile.mkdtemp(prefix="lava_nbp-fuzz-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, pid: int) -> None:
    if os.getpid() == pid:  # a fork ends, too
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def scratch():
    """An empty folder for the time of one case."""
    with tempfile.TemporaryDirectory(dir=kept()) as folder:
        yield Path(folder)
