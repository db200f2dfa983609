"""One line per thing, with the cure where something is missing."""

import os
from pathlib import Path

from slurm_here import asked, needs_slurm, slurm_here

from lava_nbp import DATA_SETS, DataSet
from lava_nbp.base.lava_repair import how_to_get
from lava_nbp.cli import doctor
from lava_nbp.cli.doctor import Finding, examine
from lava_nbp.loihi.host import slurm_nodes

SLURM = Path(__file__).parents[1] / "chip" / "fake_slurm"


def found(name):
    return next(finding for finding in examine() if finding.name == name)


def test_this_machine(monkeypatch):
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    extras = ["torchvision", "nir", "tonic", "tensorboard", "submitit", "optuna", "pandas"]
    names = ["Python", "lava-nc", "lava-dl", *extras, "lava-loihi", "SLURM", "board", "microcode", "data", "/dev/shm"]
    findings = examine()
    assert [finding.name for finding in findings] == names
    assert found("Python").state == found("lava-nc").state == "ok"
    assert all(finding.cure for finding in findings if finding.state != "ok")
    assert all("\n" not in str(finding) for finding in findings)


def test_boards(monkeypatch):
    monkeypatch.setenv("PATH", f"{SLURM}:{os.environ['PATH']}")
    assert found("SLURM") == Finding("SLURM", "ok", "4 nodes")
    assert found("board").found == "partitions that are up: kp_stack, nahuku32, oheogulch_20m"


@needs_slurm
def test_a_real_slurm():
    with slurm_here("cpu", "oheogulch_20m"):
        assert found("SLURM") == Finding("SLURM", "ok", "1 node")
        assert found("board") == Finding("board", "ok", "partitions that are up: cpu, oheogulch_20m")
        assert {(node.partition, node.up) for node in slurm_nodes()} == {("cpu", True), ("oheogulch_20m", True)}
        asked("scontrol", "update", "partitionname=oheogulch_20m", "state=down")
        node = asked("sinfo", "-h", "-o", "%n").split()[0]
        asked("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        assert found("SLURM").state == "ok"
        assert found("board").found == "no partition is up"
    with slurm_here("cpu"):
        assert found("board").found == "no partition is named after a board: cpu"
        assert "set loihi.partition" in found("board").cure
    assert found("SLURM").state == found("board").state == "missing"


def test_data_and_microcode(monkeypatch, tmp_path):
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path / "no"))
    assert "no folder" in found("data").found
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))
    assert found("data").state == "wrong"
    (tmp_path / "MNIST" / "raw").mkdir(parents=True)
    assert found("data").found.endswith("has MNIST")
    (tmp_path / "Mine").mkdir()
    with DATA_SETS.registered(DataSet("mine", "nowhere:samples", folder="Mine")):
        assert found("data").found.endswith("has MNIST, Mine")
    monkeypatch.setenv("LAVA_NBP_MICROCODE", str(tmp_path / "a.dasm"))
    assert found("microcode").state == "missing"
    (tmp_path / "a.dasm").write_text(";")
    assert found("microcode").state == "ok"


def test_what_is_not_right(monkeypatch):
    def version(name):
        return None if name == "lava-dl" else "0.9.0"

    monkeypatch.setattr(doctor, "found_version", version)
    assert found("lava-nc") == Finding("lava-nc", "wrong", "0.9.0", how_to_get("lava-nc"))
    assert found("lava-dl").state == "missing"
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    assert "--shm-size=1g" in found("/dev/shm").cure
