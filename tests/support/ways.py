"""The two ways in which Lava runs a network here, for tests that are made for both."""

import contextlib
import itertools

import pytest

from lava_nbp.base.targets import TARGETS

#: What `in_process` says of them.
WAYS = {"one process": True, "own processes": False}


def in_ways(*lists, both=lambda *values: True):
    """Parameters: values of every list with every other, and then one for the fixture `way`.

    Where one of the values is the name of a target that is not Lava's, that is None, which leaves everything alone.
    Otherwise it is one process, and where `both` says so, operating-system processes, too: these are slow to start.
    """
    found = []
    for values in itertools.product(*lists):
        ways = WAYS if both(*values) else {"one process": True}
        if any(isinstance(v, str) and v in TARGETS and not TARGETS[v].on_lava for v in values):
            ways = {"": None}
        found += [pytest.param(*values, ways[way], id="-".join([*map(str, values), way])) for way in ways]
    return found


@contextlib.contextmanager
def running(in_process, monkeypatch):
    """Networks that are not told how to run do so in one of the two ways; all of them did when the block ends."""
    from lava_nbp.on_lava import runtime

    kinds, start = [], runtime._start

    def watched(executable, asked, *args):
        kinds.append(in_process)  # also if it fails to start
        made = start(executable, in_process if asked is None else asked, *args)
        kinds[-1] = isinstance(made, runtime.OneProcessRuntime)
        return made

    if in_process is not None:
        monkeypatch.setattr(runtime, "_start", watched)
    yield
    assert all(kind == in_process for kind in kinds)
    assert kinds or in_process is None
