"""Kernels are compiled once on a machine, and not anew for every way to write a number.

The first of all tests: it compiles for those that come after it, in an interpreter that ends with it. What compiling
leaves in memory, hundreds of megabytes, would make each of the many children slow to start.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "support" / "use_kernels.py"


def used():
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=450, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(600)
def test_kernels_are_compiled_once():
    first = used()
    again = used() if first["compiled"] else first
    assert again["compiled"] == []
    # To make other objects, numba calls Python, where a signal's exception would crash it.
    number = r"(int64|Literal\[int\]\(\d+\))"
    plain = rf"none|bool|{number}|Tuple\({number}(, {number})*\)|UniTuple\(int64 x \d+\)"
    assert not [name for name, kinds in again["returned"].items() if not all(re.fullmatch(plain, k) for k in kinds)]
    assert again["kinds"] == {
        # Whole, and with faults.
        "sample train": 2, "sample infer": 2, "spiking step": 2, "spiking run": 2,
        "spiking inject": 1, "spiking record": 1,
        # For each number of layers.
        "continuous run_samples": 3,
        "adam adam": 1, "adam average": 1, "trains first_fault": 1, "clocked forward": 1, "clocked backward": 1,
    }  # fmt: skip
