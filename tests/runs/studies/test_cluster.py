"""Trials as jobs of a real SLURM: each an ordinary run; whatever is killed, the same comes of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from experiments import DIGITS
from slurm_here import asked, needs_slurm, slurm_here

from lava_nbp import load_study, run_study
from lava_nbp.base.progress import StudyProgress
from lava_nbp.errors import CheckpointError, ConfigError, InputError, MissingPackageError, OutputError
from lava_nbp.runs.studies import cluster as module
from lava_nbp.runs.studies.folder import opened
from lava_nbp.runs.studies.slurm import SlurmOptions
from studies import digits_study, figures

pytestmark = pytest.mark.timeout(200)

SLURM = {"at_once": 2, "time": 5}
LONG = DIGITS.replace("epochs = 3", "epochs = 300")
SEARCH = {"trials": 6, "startup": 3, "seed": 3}
VARY = {"data.threshold": {"from": 0.1, "to": 0.9}, "network.n_hidden": {"from": 10, "to": 40}}


class Heard(StudyProgress):
    """Remembers what it was told, and how many jobs ran at once."""

    def __init__(self, act=None):
        self.begun, self.ended, self.notes, self.most, self.goes = [], [], [], 0, []
        self.act, self.total = act, None

    def begin(self, trials, done, unit):
        self.total = trials, done, unit

    def note(self, text):
        self.notes.append(text)

    def trial_begins(self, worker, name):
        self.begun.append(name)

    def trial_goes(self, worker, done, total, epoch):
        self.goes.append((done, total))
        if self.act is not None and epoch:
            self.act()

    def trial_ends(self, worker, name, reason):
        self.ended.append((name, reason))

    def waiting(self):
        self.most = max(self.most, len(asked("squeue", "-h", "-t", "R").split("\n")) - 1)


@pytest.fixture(scope="module")
def slurm():
    with slurm_here("cpu", "loihi") as folder:
        yield folder


@pytest.fixture
def quick(slurm, monkeypatch):
    """SLURM, which is asked more often than a controller with other users should be."""
    for name, value in (("_ASK", 0.2), ("_ASK_MOST", 0.5), ("_SETTLE", 1.0)):
        monkeypatch.setattr(module, name, value)
    yield slurm
    assert asked("squeue", "-h") == "", "jobs are left"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same studies on this machine."""
    place = tmp_path_factory.mktemp("alone")
    return {
        "short": figures(run_study(digits_study(), place / "short").rows),
        "long": figures(run_study(long_study(), place / "long").rows),
    }


def long_study(seeds=2, name="digits", **options):
    """Of trials that take a moment."""
    return digits_study({"seed": {"from": 1, "to": seeds}}, base=LONG, name=name, slurm={**SLURM, **options})


def processes_of(folder):
    """Of jobs of the study in a folder: what runs its trials."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"submitit.core._submit" in words and b"srun" not in words[0] and str(folder).encode() in words[-2]:
                found.append(int(entry.name))
    return found


# ---------------------------------------------------------------------- as data


def test_what_a_study_says_of_slurm():
    assert digits_study(slurm={}).slurm == SlurmOptions()
    study = digits_study(slurm={"partition": "loihi", "time": 30, "memory": 2, "constraint": "a&b", "at_once": 3})
    assert (study.slurm.partition, study.slurm.time, study.slurm.memory) == ("loihi", 30, 2.0)
    assert study == digits_study(), "where it runs makes it no other study"


@pytest.mark.parametrize(("given", "message"), [
    ({"partion": "x"}, "slurm: unknown key partion = 'x'; did you mean partition"),
    ({"partition": "a b"}, "slurm: .*partition"),
    ({"partition": "x\n#SBATCH --wrap=true"}, "slurm: .*partition"),
    ({"time": 0}, "slurm: .*time"),
    ({"time": "10:00"}, "slurm: .*time"),
    ({"memory": float("nan")}, "slurm: .*memory"),
    ({"memory": -1}, "slurm: .*memory"),
    ({"at_once": 0}, "slurm: .*at_once"),
    ({"cpus": 1.5}, "slurm: .*cpus"),
    ({"options": {"hold": ""}}, "options has 'hold'"),
    ({"options": {"array": "0-9"}}, "options has 'array', but must have options of sbatch that"),
    ({"options": {"--gres": "gpu"}}, "options has '--gres'"),
    ({"options": {"gres": "gpu\nrm"}}, "option gres must be one line"),
    ({"options": {"gres": 1}}, "slurm: .*options"),
    (7, "slurm is 7, but must be a section"),
])  # fmt: skip
def test_options_that_cannot_be(given, message):
    with pytest.raises(ConfigError, match=message):
        digits_study(slurm=given)


def test_without_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="--on slurm needs a SLURM controller, but none answers here"):
        run_study(digits_study(), tmp_path / "x", on="slurm")
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingPackageError, match=r"--on slurm needs the package submitit.*lava-nbp\[slurm\]"):
        run_study(digits_study(), tmp_path / "x", on="slurm")
    with pytest.raises(InputError, match="did you mean 'slurm'"):
        run_study(digits_study(), tmp_path / "x", on="slurn")
    assert not [*tmp_path.iterdir()]


# ------------------------------------------------------------------------- runs


@needs_slurm
def test_the_same_as_on_this_machine(quick, alone, tmp_path):
    """And never more at once than was allowed, though the node has two cores."""
    heard = Heard()
    study = digits_study(slurm={**SLURM, "partition": "loihi", "memory": 1, "options": {"comment": "it's; a test"}})
    there = run_study(study, tmp_path / "x", on="slurm", workers=1, progress=heard)
    assert figures(there.rows) == alone["short"]
    assert heard.most == 1
    assert heard.total == (6, 0, "epochs")
    assert sorted(heard.ended) == [(trial.name, None) for trial in study.trials]
    assert heard.begun == [trial.name for trial in study.trials]
    assert sorted(entry.name for entry in there.path.iterdir()) == ["study.json", "trials"]
    assert figures(run_study(study, tmp_path / "x", on="slurm", resume=True).rows) == alone["short"]


@needs_slurm
def test_two_at_once_and_how_far_they_are(quick, alone, tmp_path):
    heard = Heard()
    there = run_study(long_study(), tmp_path / "x", on="slurm", progress=heard)
    assert figures(there.rows) == alone["long"]
    assert heard.most == min(2, os.cpu_count())
    assert {total for _, total in heard.goes} == {300}
    assert any(0 < done < 300 for done, _ in heard.goes)


@needs_slurm
def test_a_search(quick, tmp_path):
    study = digits_study(VARY, search=SEARCH, slurm=SLURM)
    there = run_study(study, tmp_path / "x", on="slurm")
    assert len(there.rows) == 6
    with_test = [t.name for t in there.trials if (there.run_of(t) / "result.json").exists()]
    assert with_test == [there.chosen.name]
    # With one job at a time it is the search that one worker makes.
    first = digits_study(VARY, search=SEARCH, slurm={**SLURM, "at_once": 1})
    ours = run_study(first, tmp_path / "y", on="slurm")
    assert figures(ours.rows) == figures(run_study(first, tmp_path / "z", workers=1).rows)


@needs_slurm
def test_a_job_that_is_killed_is_submitted_again(quick, alone, tmp_path):
    killed = []

    def kill():
        if not killed:
            killed.extend(processes_of(tmp_path)[:1])
            os.kill(killed[0], signal.SIGKILL)

    there = run_study(long_study(), tmp_path / "x", on="slurm", progress=Heard(kill))
    assert killed
    assert figures(there.rows) == alone["long"]


@needs_slurm
def test_a_job_whose_time_is_over_goes_on(quick, alone, tmp_path):
    """SLURM says so by a signal; submitit puts the job back into the queue."""
    signalled = []

    def time_is_over():
        if not signalled:
            signalled.append(asked("squeue", "-h", "-t", "R", "-o", "%A").split()[0])
            asked("scancel", "--signal=USR2", signalled[0])

    there = run_study(long_study(), tmp_path / "x", on="slurm", progress=Heard(time_is_over))
    assert signalled
    assert figures(there.rows) == alone["long"]
    log = (quick / "slurmctld.log").read_text()
    assert "Requeuing JobId=" in log


@needs_slurm
def test_a_job_that_always_ends_is_given_up(quick, tmp_path):
    def kill():
        for pid in processes_of(tmp_path):
            os.kill(pid, signal.SIGKILL)

    class Always(Heard):
        def waiting(self):
            kill()

    there = run_study(long_study(1), tmp_path / "x", on="slurm", progress=Always())
    (row,) = there.rows
    assert row["state"] == "failed"
    assert "its job ended 3 times without a result; slurm/" in row["reason"]
    assert (there.path / row["reason"].partition("result; ")[2].partition(" may")[0]).exists()


@needs_slurm
def test_a_trial_that_fails_does_not_stop_the_rest(quick, tmp_path):
    study = digits_study({"data.train": [100, 100_000]}, slurm=SLURM)
    there = run_study(study, tmp_path / "x", on="slurm")
    assert [row["state"] for row in there.rows] == ["finished", "failed"]
    assert "\n" not in there.rows[1]["reason"]


@needs_slurm
@pytest.mark.parametrize(("options", "message"), [
    ({"partition": "nowhere"}, "invalid partition specified: nowhere"),
    ({"memory": 90_000}, "Memory specification can not be satisfied"),
    ({"constraint": "board"}, "Invalid feature specification"),
    ({"options": {"no-such-option": "1"}}, "unrecognized option"),
])  # fmt: skip
def test_what_slurm_refuses(quick, tmp_path, capfd, options, message):
    folder = tmp_path / "x"
    with pytest.raises(InputError, match=r"SLURM does not take the study's jobs: .*change the section") as error:
        run_study(long_study(**options), folder, on="slurm")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not folder.exists()
    assert capfd.readouterr().err == ""
    folder.mkdir()
    with pytest.raises(InputError):
        run_study(long_study(**options), folder, on="slurm")
    assert not [*folder.iterdir()]


# --------------------------------------------------- the study itself is killed

FILE = """
name = "long"
base = "base.toml"
[slurm]
at_once = 2
time = 5
[vary]
seed = [1, 2]
"""


def start(folder, *options, text=FILE):
    (folder / "base.toml").write_text(LONG)
    (folder / "study.toml").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "lava_nbp", "study", "study.toml", "--out", "x", "--on", "slurm", *options],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def until_begun(folder):
    """Until both trials have finished an epoch."""
    deadline = time.monotonic() + 60
    while len([*(folder / "x").glob("trials/*/metrics.jsonl")]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@needs_slurm
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_jobs_go_on_without_it_and_are_found_again(quick, alone, tmp_path, number):
    before = submissions(quick)
    process = start(tmp_path)
    until_begun(tmp_path)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert number == signal.SIGKILL or "terminated; its jobs go on; --resume goes on with x" in said
    submitted = json.loads((tmp_path / "x" / "slurm" / "submitted.json").read_text())
    running = asked("squeue", "-h", "-o", "%A")
    assert len(submitted) == len(running.split()) == 2
    with pytest.raises(OutputError, match="are still in SLURM's queue; go on with --on slurm, or cancel them first"):
        run_study(long_study(name="long"), tmp_path / "x", resume=True)
    again = start(tmp_path, "--resume")
    _, said = again.communicate(timeout=100)
    assert again.returncode == 0, said
    assert asked("squeue", "-h") == ""
    assert figures(load_study(tmp_path / "x").rows) == alone["long"]
    assert submissions(quick) == before + 1, "it was submitted again"


def submissions(slurm):
    return (slurm / "slurmctld.log").read_text().count("_slurm_rpc_submit_batch_job")


@needs_slurm
def test_ctrl_c_cancels_the_jobs(quick, alone, tmp_path):
    process = start(tmp_path)
    until_begun(tmp_path)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=40)
    assert process.returncode == 130
    assert "interrupted; --resume goes on with x" in said
    assert asked("squeue", "-h") == ""
    assert {row["state"] for row in load_study(tmp_path / "x").rows} == {"begun"}
    # On this machine, too: what the jobs have left is an ordinary study.
    there = run_study(long_study(name="long"), tmp_path / "x", resume=True)
    assert figures(there.rows) == alone["long"]


@needs_slurm
def test_slurm_that_does_not_answer_any_more(quick, tmp_path, monkeypatch):
    study = long_study(1)
    with opened(tmp_path / "x", study, resume=False) as there:
        (there.path / "slurm").mkdir()
        submitted = there.path / "slurm" / "submitted.json"
        submitted.write_text(json.dumps({"00ff-0": [study.trials[0].name, True]}))
        monkeypatch.setattr(module, "_queue", lambda names: None)
        with pytest.raises(OutputError, match="has jobs in SLURM's queue, or had, but no controller answers here"):
            module.live_jobs(there)
        submitted.write_text("[]")
        with pytest.raises(CheckpointError, match=r"submitted.json cannot be read .*cancel the study's jobs"):
            module.live_jobs(there)
        monkeypatch.setattr(module, "_SILENT", -1.0)
        jobs = module._Cluster(there, study.slurm, 1, StudyProgress())
        monkeypatch.setattr(module, "_LEAVING", 0.5)
        monkeypatch.setattr(module, "_ASK", 0.1)
        submitted.write_text(json.dumps({"00ff-0": [study.trials[0].name, True]}))
        heard = Heard()
        module._Cluster(there, study.slurm, 1, heard).cancel()
        assert heard.notes == [
            "SLURM has not said that the jobs have left; --resume finds them, and scancel --name lava-nbp-00ff "
            "cancels them"
        ]
        assert submitted.exists(), "nobody would find them"
        with pytest.raises(OutputError, match=r"SLURM's controller has not answered for .* minutes"):
            jobs._live()


@needs_slurm
def test_modules_of_the_current_folder_do_not_reach_jobs(quick, tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('not mine')\n")
    monkeypatch.chdir(tmp_path)
    there = run_study(digits_study({"seed": [1]}, slurm=SLURM), "x", on="slurm")
    assert [row["state"] for row in there.rows] == ["finished"]


@needs_slurm
def test_a_search_whose_job_goes_back_into_the_queue(quick, tmp_path):
    """It goes on with what it has asked for, and asks for nothing more."""
    study = digits_study({"data.threshold": {"from": 0.2, "to": 0.6}}, base=LONG, search={"trials": 1}, slurm=SLURM)
    requeued = []

    def requeue():
        if not requeued:
            requeued.append(asked("squeue", "-h", "-t", "R", "-o", "%A").split()[0])
            asked("scontrol", "requeue", requeued[0])

    there = run_study(study, tmp_path / "x", on="slurm", progress=Heard(requeue))
    assert requeued
    assert figures(there.rows) == figures(run_study(study, tmp_path / "y", workers=1).rows)


@needs_slurm
def test_a_search_that_becomes_smaller(quick, tmp_path):
    """Jobs that nobody needs any more are cancelled, so that no others run beside them."""
    text = FILE.replace("seed = [1, 2]", "data.threshold = { from = 0.2, to = 0.6 }").replace(
        "at_once = 2", "at_once = 1"
    )
    process = start(tmp_path, text=text + "[search]\ntrials = 4\n")
    deadline = time.monotonic() + 60
    while not [*(tmp_path / "x").glob("trials/*/metrics.jsonl")]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.communicate()
    study = digits_study(
        {"data.threshold": {"from": 0.2, "to": 0.6}},
        base=LONG,
        name="long",
        search={"trials": 1},
        slurm={**SLURM, "at_once": 1},
    )
    heard = Heard()
    there = run_study(study, tmp_path / "x", on="slurm", resume=True, progress=heard)
    assert heard.most == 1
    assert [row["state"] for row in there.rows] == ["finished"]
    assert there.rows[0]["accuracy"] is not None


@needs_slurm
@pytest.mark.parametrize("taken", [True, False])
def test_a_controller_that_is_busy_when_jobs_are_submitted(quick, tmp_path, monkeypatch, taken):
    """sbatch fails, whether or not the jobs were taken: none is left, and the study can be gone on with."""
    real, fake = shutil.which("sbatch"), tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    words = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    fake.write_text(f"#!/bin/sh\n{f'{real} $@' if taken else ':'} >/dev/null\necho '{words}' >&2\nexit 1\n")
    fake.chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", f"{fake.parent}:{path}")
    with pytest.raises(OutputError, match=r"has not taken the study's jobs: .*Socket timed out.*; go on with --resume"):
        run_study(long_study(1), tmp_path / "x", on="slurm")
    monkeypatch.setenv("PATH", path)
    deadline = time.monotonic() + 20
    while asked("squeue", "-h") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert asked("squeue", "-h") == ""
    there = run_study(long_study(1), tmp_path / "x", on="slurm", resume=True)
    assert [row["state"] for row in there.rows] == ["finished"]


@needs_slurm
def test_ctrl_c_while_sbatch_is_at_work(quick, tmp_path, monkeypatch):
    """What it submits a moment later is cancelled, too."""
    real, fake = shutil.which("sbatch"), tmp_path / "bin" / "sbatch"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/begun\nsleep 1.5\nexec {real} $@\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    process = start(tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    time.sleep(1)
    assert asked("squeue", "-h") == ""


@needs_slurm
def test_a_folder_that_slurm_would_read_otherwise(quick, tmp_path):
    with pytest.raises(InputError, match="but SLURM puts numbers of jobs in the place of %; choose another --out"):
        run_study(long_study(1), tmp_path / "a%jb", on="slurm")
    there = run_study(long_study(1), tmp_path / 'it\'s a "folder" ü', on="slurm")
    assert [row["state"] for row in there.rows] == ["finished"]
