"""What holds for the tests that start, interrupt and end networks."""

import gc

import pytest


@pytest.fixture(autouse=True)
def no_garbage_collection():
    """Hypothesis counts collections in a callback of the collector; an interrupt that comes just then is swallowed."""
    gc.disable()
    yield
    gc.enable()
