"""Interpreters of their own, what they leave behind, and when everything has to be over."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

#: Everything has to be over by then, in seconds.
LIMIT = 10


@contextlib.contextmanager
def in_time():
    """What is done in this block must be over in time."""
    start = time.monotonic()
    yield
    assert time.monotonic() - start < LIMIT


def members(group):
    """Living processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[2]) == group and fields[0] not in "ZX":
                    found.append(int(entry.name))
    return found


def run_script(*arguments, seconds=30, folder=None):
    """Run Python with these arguments, in a process group of its own; (exit code, what it wrote).

    It fails if the interpreter, or anything that it started, is there after the time.
    """
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    try:
        written, _ = process.communicate(timeout=seconds)
        end = time.monotonic() + 5
        while members(process.pid) and time.monotonic() < end:  # who looks for its parent does so once a second
            time.sleep(0.05)
        left = members(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not left, written
    return process.returncode, written
