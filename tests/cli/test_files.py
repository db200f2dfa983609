"""Files that commands are to write or read, and output that nobody takes: one line, before the work, nothing lost."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lava_nbp import training_circuit
from lava_nbp.nbp.circuit_file import save_circuit

RUN = Path(__file__).parents[1] / "golden" / "format2" / "nbp"


@pytest.fixture
def files(tmp_path):
    """A run, a circuit and the inputs of a trace, in the folder of `run`."""
    shutil.copytree(RUN, tmp_path / "a")
    save_circuit(training_circuit(6, 5, 2), tmp_path / "mine.json")
    zeros = {"x": np.zeros((2, 6), int), "W1": np.zeros((6, 5), int), "W2": np.zeros((5, 2), int)}
    np.savez(tmp_path / "in.npz", labels=[0, 1], **zeros)
    return tmp_path


WRITERS = {
    "export": ("export", "a", "--format", "nir", "--out"),
    "netx": ("export", "a", "--format", "netx", "--out"),
    "report": ("report", "a", "--out"),
    "trace": ("trace", "--inputs", "in.npz", "--target", "reference", "--out"),
    "bench": ("bench", "--network", "6-5-2", "--out"),
    "plan": ("plan", "mine.json", "--picture"),
}


@pytest.mark.parametrize("command", WRITERS.values(), ids=WRITERS)
def test_what_cannot_be_written_is_said_before_the_work(run, files, command):
    name = "out.png" if command[0] == "plan" else "out"
    os.mkfifo(files / name)
    (files / "loop.png").symlink_to("loop.png")
    for out, message in (
        (name, "it is a FIFO (pipe), which is never replaced"),
        (f"none/{name}", "No such file or directory"),
        (f"mine.json/{name}", "Not a directory"),
        ("n" * 300 + ".png", "File name too long"),
        ("loop.png", "Too many levels of symbolic links"),
    ):
        code, text, err = run(*command, out)
        assert (code, err.count("\n"), text) == (2, 1, ""), err
        assert message in err
    assert stat.S_ISFIFO(os.lstat(files / name).st_mode)
    assert sorted(os.listdir(files)) == sorted(["a", "config.toml", "in.npz", "loop.png", "mine.json", name])


def test_a_link_stays_one(run, files):
    (files / "far.nir").write_bytes(b"old")
    (files / "link.nir").symlink_to("far.nir")
    assert run("export", "a", "--format", "nir", "--out", "link.nir")[0] == 0
    assert os.readlink(files / "link.nir") == "far.nir"
    assert (files / "far.nir").read_bytes()[1:4] == b"HDF"


@pytest.mark.parametrize("name", ["x.zz", "x", "x.pgf", ".png"])
def test_pictures_end_as_pictures_do(run, files, name):
    code, _, err = run("plan", "mine.json", "--picture", name)
    assert (code, err.count("\n")) == (2, 1)
    assert f"figure {name}: its name must end in one of ." in err
    assert {".pdf,", ".png,", ".svg,"} <= set(err.split())
    assert run("plan", "mine.json", "--picture", "x.PDF")[0] == 0
    assert (files / "x.PDF").read_bytes()[:4] == b"%PDF"


@pytest.mark.parametrize(
    "command",
    [
        ("train", "odd"), ("plan", "odd"), ("plan", "odd.json"), ("circuit", "odd.json"), ("evaluate", "odd"),
        ("compare", "odd"), ("report", "odd"), ("plot", "odd"), ("faults", "odd"), ("export", "odd", "--format", "nir"),
        ("trace", "--inputs", "odd", "--target", "reference", "--out", "o.npz"),
        ("trace", "--run", "odd", "--target", "clocked", "--out", "o.npz"), ("bench", "--circuit", "odd.json"),
    ],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["FIFO", "folder", "nothing", "bytes", "deep"])
def test_what_is_read_need_not_be_a_file(run, tmp_path, command, kind):
    for name in ("odd", "odd.json"):
        path = tmp_path / name
        if kind == "FIFO":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind != "nothing":
            path.write_bytes(b"\xff\x00\xfe" if kind == "bytes" else b"[" * 100_000)
    code, text, err = run(*command)
    assert (code, err.count("\n"), text) == (2, 1, ""), err
    assert err.startswith("error: ")
    assert len(err) < 400


# ------------------------------------------------------------ from outside


def started(folder, command):
    """A command in a shell, whose output goes where the command says."""
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    line = command.replace("lava-nbp", f"{sys.executable} -m lava_nbp")
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("command", "code", "err"),
    [
        ("lava-nbp circuit > /dev/full", 2, "error: standard output cannot be written: No space left on device; free"),
        ("lava-nbp plan mine.json > /dev/full", 2, "error: standard output cannot be written: No space left"),
        ("lava-nbp plan none.json 2> /dev/full", 2, ""),
        ("lava-nbp circuit >&-", 0, ""),
        ("lava-nbp plan none.json >&- 2>&-", 2, ""),
        ("lava-nbp circuit | true; exit ${PIPESTATUS[0]}", 1, ""),
        ("PYTHONUNBUFFERED=1 lava-nbp plan mine.json | true; exit ${PIPESTATUS[0]}", 1, ""),
        ("PYTHONIOENCODING=ascii lava-nbp plan mine.json > out", 0, ""),
    ],
)
def test_output_that_nobody_takes(tmp_path, command, code, err):
    save_circuit(training_circuit(6, 5, 2), tmp_path / "mine.json")
    done = started(tmp_path, command)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1 if err else 0), done.stderr
    assert done.stderr.startswith(err)
