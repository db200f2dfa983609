"""The limit on memory: from the environment, or from the machine; asked before anything is taken."""

import math
import os

import pytest

from lava_nbp.base.memory import check_memory, memory_limit, size
from lava_nbp.errors import InputError


def test_the_limit_is_a_part_of_the_machine(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_MEMORY", raising=False)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < memory_limit() < there


def test_the_environment_says_another(monkeypatch):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.5")
    assert memory_limit() == 500_000_000
    check_memory(5e8, "it", "less")
    with pytest.raises(InputError, match=r"it needs some 501 MB of memory, but the limit is 500 MB; less, or set LAVA"):
        check_memory(501e6, "it", "less")
    with pytest.raises(InputError, match="nan"):
        check_memory(math.nan, "it", "less")


@pytest.mark.parametrize("given", ["", "much", "0", "-1", "nan", "inf", "1e300"])
def test_a_limit_that_is_none(monkeypatch, given):
    monkeypatch.setenv("LAVA_NBP_MEMORY", given)
    with pytest.raises(InputError, match="LAVA_NBP_MEMORY is .*positive number of GB"):
        memory_limit()


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (12.3e6, "12.3 MB"), (4e21, "4e+06 PB")]
)
def test_sizes_in_words(count, said):
    assert size(count) == said
