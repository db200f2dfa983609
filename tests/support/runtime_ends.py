"""Scenarios of `runtime_scenarios.py` in interpreters of their own, and how they end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from interpreters import members
from segments import abandoned

FOLDER = Path(__file__).parent / "runtime"


def start(scenarios, runtime):
    """Start scenarios, with commas between their names; `runtime` is "one", "own" or "plain"."""
    segments = abandoned() if runtime == "plain" else "psm_"
    return subprocess.Popen(
        [sys.executable, str(FOLDER / "runtime_scenarios.py"), scenarios, runtime, segments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def outcome(process, seconds):
    """How a scenario ended: "well", or what was wrong. Whatever is left of it is killed."""
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return "hangs"
    finally:
        time.sleep(0.2)  # helper processes end a moment later
        left = members(process.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    if left:
        return f"leaves {len(left)} processes"
    return "well" if "went well" in printed else printed
