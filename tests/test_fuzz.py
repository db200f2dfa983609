"""Hostile cases at every door of the library: an answer that holds, or one line that refuses it.

The same cases every time; `python -m fuzz` tries others for as long as one likes, see CONTRIBUTING.
"""

import pytest
from fuzz.attempts import attempt
from fuzz.doors import DOORS


@pytest.mark.parametrize("door", DOORS)
def test_nothing_gives_way(door):
    attempt(door)
