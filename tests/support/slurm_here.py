"""A real SLURM of one node on loopback, where one is installed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from project_scripts import loaded

_slurm = loaded("slurm")
needs_slurm = pytest.mark.skipif(
    bool(_slurm.missing()),
    reason="no SLURM is installed: apt-get install slurmctld slurmd slurm-client munge",
)


@contextmanager
def slurm_here(*partitions):
    """SLURM with these partitions in the block, and its commands find it. The folder of its files."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as made:  # short: there are sockets in it
        folder = Path(made)
        before = os.environ.get("SLURM_CONF")
        os.environ.update(_slurm.start(folder, list(partitions)))
        try:
            yield folder
        finally:
            _slurm.stop(folder)
            os.environ.pop("SLURM_CONF")
            if before is not None:
                os.environ["SLURM_CONF"] = before


def asked(*command):
    """What a command of SLURM's prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
