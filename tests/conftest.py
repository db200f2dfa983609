"""What holds for every test: it leaves no process and no shared memory behind."""

import multiprocessing
import time

import pytest
from segments import left_since, segments


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = segments()
    yield
    # Freed by helper processes that may need a moment; what is left all the time is left behind.
    deadline = time.monotonic() + 5
    left = left_since(before)
    while time.monotonic() < deadline and (multiprocessing.active_children() or left):
        time.sleep(0.01)
        left &= left_since(before)
    children = multiprocessing.active_children()
    for child in children:  # a test that failed must not make the interpreter wait for its children
        child.kill()
    assert not children
    assert not left
