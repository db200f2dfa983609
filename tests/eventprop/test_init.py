"""The public face of the room: every name is there, and importing it costs nothing."""

import subprocess
import sys

import pytest

from lava_nbp import eventprop


@pytest.mark.parametrize("name", eventprop.__all__)
def test_every_public_name_is_there(name):
    assert getattr(eventprop, name) is not None
    assert name in dir(eventprop)


def test_a_name_that_there_is_not():
    with pytest.raises(AttributeError, match="has no attribute 'EventProp'"):
        eventprop.EventProp  # noqa: B018


def test_importing_it_brings_nothing_slow():
    slow = {"numba", "numpy", "torch", "scipy", "lava"}
    code = f"import sys, lava_nbp.eventprop; sys.exit(bool({slow} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
