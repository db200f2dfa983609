"""What holds for every test: it leaves no process and no shared memory behind. And which come first."""

import multiprocessing
import os
import sys
import time

import pytest
from segments import left_since, segments
from ways import WAYS, running

#: What compiles the kernels comes first, and beside it a room that needs none of them. Then the other rooms whose tests
#: start networks of Lava: forking a child takes as long as its parent is large, so they come before others have loaded
#: PyTorch; then what takes long, so that no worker is left alone with it. What is not named has short files at its end.
FIRST = (
    "test_kernels.py", "on_lava", "loihi", "executors", "processes", "nbp", "training", "tutorials", "test_wheel.py",
    "runs", "seeing", "eventprop", "cli", "exchange",
)  # fmt: skip

# Workers have a core each: with two threads in each of them, PyTorch takes four times as long, waiting for the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The tests start a few hundred interpreters: what one has compiled of what it imports, the next finds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_modifyitems(config, items):
    here = config.rootpath / "tests"
    rank = {room: k for k, room in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(here).parts[0], len(FIRST)))


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def in_process(request):
    """Whether all models of a network run in one process; a test that asks for it is made for both ways."""
    return request.param


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request, monkeypatch):
    """As `in_process`, but networks that are not told how to run do so in this way: nothing else has to say it."""
    with running(request.param, monkeypatch):
        yield request.param


@pytest.fixture(autouse=True)
def nothing_left_behind():
    before = segments()
    yield
    deadline = time.monotonic() + 5
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    left = left_since(before)
    children = multiprocessing.active_children()
    for child in children:  # a test that failed must not make the interpreter wait for its children
        child.kill()
    assert not children
    assert not left
