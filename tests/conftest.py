"""What holds for every test: it leaves no process and no shared memory behind."""

import multiprocessing
import os
import time

import pytest


def _shared_memory() -> set[str]:
    return set(os.listdir("/dev/shm"))


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = _shared_memory()
    yield
    # Freed by helper processes that may need a moment.
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and (multiprocessing.active_children() or _shared_memory() - before):
        time.sleep(0.01)
    left = multiprocessing.active_children()
    for child in left:  # a test that failed must not make the interpreter wait for its children
        child.kill()
    assert not left
    assert not _shared_memory() - before
