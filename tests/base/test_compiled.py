"""Kernels follow their sources: what is kept on disk is that of all files beside them."""

import os
import subprocess
import sys

import pytest

CALLER = """
from called import value
from lava_nbp.base.compiled import {how}

@{how}
def answer(x):
    return value(x) + 1

@kernel
def run(x):
    return answer(x)
"""
CALLED = """
from lava_nbp.base.compiled import inner

@inner
def value(x):
    return {number} * x
"""
SHOW = """
import caller
print(caller.run(1), sum(caller.run.stats.cache_hits.values()))
"""


@pytest.mark.parametrize("how", ["kernel", "inner"])
def test_what_a_kernel_calls_may_change(tmp_path, how):
    """It is compiled once, kept, and compiled anew when another file has changed; numba would keep it."""
    text = CALLER.format(how=how)
    (tmp_path / "caller.py").write_text(text.replace("import inner", "import inner, kernel"))
    environment = {**os.environ, "NUMBA_CACHE_DIR": ""}
    environment.pop("NUMBA_DISABLE_JIT", None)

    def run():
        shown = subprocess.run(
            [sys.executable, "-c", SHOW], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
        )
        assert shown.returncode == 0, shown.stderr
        return shown.stdout.split()

    (tmp_path / "called.py").write_text(CALLED.format(number=10))
    assert run() == ["11", "0"]
    assert run() == ["11", "1"]
    (tmp_path / "called.py").write_text(CALLED.format(number=20))
    assert run() == ["21", "0"]
    assert run() == ["21", "1"]
