"""scripts/slurm: a SLURM of one node, started and ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from project_scripts import SCRIPTS, loaded
from slurm_here import asked, needs_slurm, slurm_here

slurm = loaded("slurm")


def daemons(folder):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in words:
                found.append(words)
    return found


@needs_slurm
def test_started_and_ended(tmp_path):
    with slurm_here("cpu", "board") as folder:
        assert asked("srun", "-p", "board", "echo", "here").strip() == "here"
        assert sorted(asked("sinfo", "-h", "-o", "%R").split()) == ["board", "cpu"]
        with pytest.raises(SystemExit, match="runs already; scripts/slurm stop"):
            slurm.start(folder, ["cpu"])
        asked("sbatch", "--wrap", "sleep 100", "--output", str(tmp_path / "out"))
        assert len(daemons(folder)) >= 3
    assert not daemons(folder)
    assert "SLURM_CONF" not in os.environ


@needs_slurm
def test_as_a_command(tmp_path):
    folder = Path("/tmp") / f"slurm-{os.getpid()}"
    try:
        done = subprocess.run([sys.executable, SCRIPTS / "slurm", "start", folder], capture_output=True, text=True)
        assert done.stdout == f"export SLURM_CONF={folder}/slurm.conf\n", done.stderr
    finally:
        subprocess.run([sys.executable, SCRIPTS / "slurm", "stop", folder], check=True)
        subprocess.run(["rm", "-r", folder], check=True)
    assert not daemons(folder)


def test_what_cannot_be(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    if not slurm.missing():
        with pytest.raises(SystemExit, match="too long for the path of a socket"):
            slurm.start(long, ["cpu"])
    monkeypatch.setattr(slurm, "PLACES", str(tmp_path))
    with pytest.raises(SystemExit, match="no munged, slurmctld, slurmd, sbatch, squeue, sinfo here; apt-get install"):
        slurm.start(tmp_path / "x", ["cpu"])
    assert not [*tmp_path.iterdir()]
