"""Trials in workers: each an ordinary run; whatever is killed, nothing is lost, and the same comes of it."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from experiments import DIGITS

from lava_nbp import load_run, train
from lava_nbp.base.progress import StudyProgress
from lava_nbp.errors import CheckpointError, InputError, OutputError
from lava_nbp.runs.studies.folder import StudyFolder, load_study, opened
from lava_nbp.runs.studies.run import run_study
from lava_nbp.runs.studies.workers import _Pool
from studies import digits_study, figures

pytestmark = pytest.mark.timeout(120)

STUDY = """
name = "long"
base = "base.toml"
[fixed]
epochs = 30
[vary]
seed = { from = 1, to = 4 }
"""


class Heard(StudyProgress):
    """Remembers what it was told."""

    def __init__(self):
        self.begun, self.ended, self.epochs, self.trials = [], [], [], None

    def begin(self, trials, done, unit):
        self.trials = trials, done

    def trial_begins(self, worker, name):
        self.begun.append(name)

    def trial_ends(self, worker, name, reason):
        self.ended.append((name, reason))

    def trial_goes(self, worker, done, total, epoch):
        if epoch is not None:
            self.epochs.append((worker, epoch))


def workers_of(pid):
    """Processes of workers that a process has started."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                continue
            if any(b"lava_nbp.runs.studies.worker" in word for word in words) and (pid is None or parent == pid):
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    heard = Heard()
    return run_study(digits_study(), tmp_path_factory.mktemp("study") / "there", workers=2, progress=heard), heard


def test_every_trial_is_an_ordinary_run(finished, tmp_path):
    folder, _ = finished
    for trial in folder.study.trials[:2]:
        alone = train(trial.experiment, tmp_path / trial.name)
        mine = json.loads((folder.run_of(trial) / "result.json").read_text())
        assert mine["chosen"] == alone["chosen"]
        run, other = load_run(folder.run_of(trial)), load_run(tmp_path / trial.name)
        assert all(np.array_equal(run.weights[name], other.weights[name]) for name in other.weights)


def test_rows_have_what_varies_and_what_was_measured(finished):
    folder, _ = finished
    rows = load_study(folder.path).rows
    assert [row["state"] for row in rows] == ["finished"] * 6
    assert [(row["data.threshold"], row["seed"]) for row in rows] == [(t, s) for t in (0.3, 0.5) for s in (1, 2, 3)]
    for row, trial in zip(rows, folder.study.trials, strict=True):
        result = json.loads((folder.run_of(trial) / "result.json").read_text())
        assert row["accuracy"] == result["chosen"]["test_accuracy_spikes"]
        history = load_run(folder.run_of(trial)).state.history
        assert row["validation"] == max(record["validation_accuracy_spikes"] for record in history)
        assert row["epoch"] == result["chosen"]["epoch"]
        assert row["reason"] is None


def test_it_tells_how_it_goes(finished):
    folder, heard = finished
    names = [trial.name for trial in folder.study.trials]
    assert heard.trials == (6, 0)
    assert heard.begun == names
    assert sorted(heard.ended) == [(name, None) for name in names]
    assert sorted(epoch for _, epoch in heard.epochs) == sorted([1, 2, 3] * 6)
    assert {worker for worker, _ in heard.epochs} == {0, 1}


def test_nothing_is_left_running_or_lying_about(finished):
    folder, _ = finished
    assert not workers_of(os.getpid())
    assert sorted(entry.name for entry in folder.path.iterdir()) == ["study.json", "trials"]


def test_to_go_on_with_what_is_finished_does_nothing(finished):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    heard = Heard()
    run_study(folder.study, folder.path, progress=heard, resume=True)
    assert (heard.trials, heard.begun) == ((6, 6), [])
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before


def test_a_trial_that_fails_does_not_stop_the_rest(tmp_path):
    """The reason is kept, and it is run again when that is asked for."""
    study = digits_study({"seed": [1, 2]})
    folder = tmp_path / "study"
    with opened(folder, study, resume=False) as there:
        there.run_of(study.trials[0]).parent.mkdir(parents=True)
        there.run_of(study.trials[0]).write_text("in the way of the run's folder")
    heard = Heard()
    there = run_study(study, folder, workers=1, progress=heard, resume=True)
    assert [row["state"] for row in there.rows] == ["failed", "finished"]
    reason = there.rows[0]["reason"]
    assert "\n" not in reason
    assert "cannot be written" in reason
    assert dict(heard.ended) == {study.trials[0].name: reason, study.trials[1].name: None}
    there.run_of(study.trials[0]).unlink()
    assert load_study(folder).rows[0]["state"] == "failed"
    again = run_study(study, folder, resume=True)
    assert [row["state"] for row in again.rows] == ["finished"] * 2
    assert [row["reason"] for row in again.rows] == [None] * 2


class Killer(Heard):
    """Kills two workers in the midst of their trials, or every one."""

    def __init__(self, always=False):
        super().__init__()
        self.killed, self.always = set(), always

    def trial_goes(self, worker, done, total, epoch):
        if epoch == 1 or self.always:
            for pid in workers_of(os.getpid()):
                if pid not in self.killed and (self.always or len(self.killed) < 2):
                    self.killed.add(pid)
                    os.kill(pid, signal.SIGKILL)


def test_a_worker_that_is_killed_goes_on_with_its_trial(finished, tmp_path):
    folder, _ = finished
    killer = Killer()
    there = run_study(digits_study(), tmp_path / "study", workers=2, progress=killer)
    assert killer.killed
    assert figures(there.rows) == figures(folder.rows)


def test_a_trial_that_kills_every_worker_is_given_up(tmp_path):
    study = digits_study({"seed": [1, 2]})
    there = run_study(study, tmp_path / "study", workers=1, progress=Killer(always=True))
    assert {row["state"] for row in there.rows} == {"failed"}
    assert all("its process ended 3 times, at last with signal 9" in row["reason"] for row in there.rows)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"study": "digits"}, "study is 'digits', but must be a Study"),
    ({"folder": 3}, "folder of a study is 3, but must be a path"),
    ({"workers": 0}, "workers is 0, but must be an integer in 1 .. 1024"),
    ({"workers": 2.5}, "workers is 2.5"),
    ({"resume": "yes"}, "resume is 'yes', but must be True or False"),
    ({"progress": print}, "progress is .*, but must be a StudyProgress"),
])  # fmt: skip
def test_arguments_that_cannot_be(tmp_path, arguments, message):
    given = {"study": digits_study({"seed": [1]}), "folder": tmp_path / "x", **arguments}
    with pytest.raises(InputError, match=message):
        run_study(given.pop("study"), given.pop("folder"), **given)
    assert not [*tmp_path.iterdir()]


# ------------------------------------------------------- the study itself is killed


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    (folder / "base.toml").write_text(DIGITS)
    (folder / "study.toml").write_text(STUDY)
    assert start(folder, "whole").wait(100) == 0
    return folder, figures(load_study(folder / "whole").rows)


def start(folder, out, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "lava_nbp", "study", "study.toml", "--out", out, "--workers", "2", *options],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_random_times_and_resumed(uninterrupted, number):
    """Workers end with it, finished trials stay, and the table is the same in the end."""
    folder, rows = uninterrupted
    rng, out = random.Random(int(number)), f"stopped-{int(number)}"
    for k in range(4):
        process = start(folder, out, "--resume")
        time.sleep(rng.uniform(0.8, 2.2))
        process.send_signal(number)
        code = process.wait(30)
        assert code in (-number, 128 + number, 0), k
        deadline = time.monotonic() + 15
        while any(str(folder) in os.readlink(f"/proc/{pid}/cwd") for pid in alive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not [pid for pid in alive() if str(folder) in os.readlink(f"/proc/{pid}/cwd")]
        if code == 0:
            break
    assert start(folder, out, "--resume").wait(100) == 0
    assert figures(load_study(folder / out).rows) == rows


def alive():
    found = []
    for pid in workers_of(None):
        try:
            os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            continue
        found.append(pid)
    return found


def test_a_worker_that_has_not_ended_yet_is_waited_for(tmp_path):
    """Of a study that was killed: it holds its trial for a moment."""
    study = digits_study({"seed": [1]})
    with opened(tmp_path / "x", study, resume=False) as there:
        run = there.run_of(study.trials[0])
    run.mkdir(parents=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path; from lava_nbp.base.locks import locked\n"
         "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(3)", str(run)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout.readline() == b"held\n"
    there = run_study(study, tmp_path / "x", resume=True)
    assert [row["state"] for row in there.rows] == ["finished"]
    assert holder.wait(10) == 0
    holder.stdout.close()


def test_modules_of_the_folder_and_what_is_printed_do_not_reach_workers(tmp_path):
    """The current folder has modules of the names of others', and the interpreter prints when it begins."""
    (tmp_path / "queue.py").write_text("raise SystemExit('not mine')\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("print('3')\n")
    (tmp_path / "base.toml").write_text(DIGITS)
    (tmp_path / "study.toml").write_text(STUDY.replace("epochs = 30", "epochs = 1"))
    program = str(Path(sys.executable).parent / "lava-nbp")
    done = subprocess.run(
        [program, "study", "study.toml", "--out", "out"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in load_study(tmp_path / "out").rows] == ["finished"] * 4


def test_threads_are_no_more_than_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("lava_nbp.runs.studies.workers.cores", lambda: 8)
    pool = _Pool(StudyFolder(tmp_path, digits_study()), 2, StudyProgress())
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MKL_NUM_THREADS", "many")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "64")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    found = pool._threads()
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    assert [found[name] for name in names] == ["1", "4", "4", "4"]


def test_a_damaged_result_is_made_again(tmp_path):
    study = digits_study({"seed": [1]})
    there = run_study(study, tmp_path / "x")
    result = there.run_of(study.trials[0]) / "result.json"
    good = json.loads(result.read_text())
    result.write_text("{")
    assert load_study(tmp_path / "x").rows[0]["state"] == "begun"
    run_study(study, tmp_path / "x", resume=True)
    assert json.loads(result.read_text())["chosen"] == good["chosen"]


def test_a_reason_is_one_line_that_can_be_read_again(tmp_path):
    with opened(tmp_path / "x", digits_study({"seed": [1]}), resume=False) as there:
        there.note_failure(there.study.trials[0], "half \ud800 a\ncharacter")
        assert there.reason_of(there.study.trials[0]) == "half \\ud800 a character"


# ---------------------------------------------------------------------- folders


def refused(error, message, folder, study, resume):
    with pytest.raises(error, match=message), opened(folder, study, resume=resume):
        pass


def test_two_studies_in_one_folder(tmp_path):
    folder, study = tmp_path / "x", digits_study({"seed": [1]})
    with opened(folder, study, resume=False):
        refused(OutputError, "is being written by another study", folder, study, resume=True)
    refused(CheckpointError, "holds a study already; go on with it", folder, study, resume=False)


@pytest.mark.parametrize(("other", "message"), [
    ({"seed": [1, 2, 3]}, "it has 2 trials, this one 3; resume with the same file"),
    ({"seed": [1, 5]}, "in its trial 1_seed-2 seed = 2, here 5; resume with the same file, or choose another --out"),
])  # fmt: skip
def test_another_study_is_not_gone_on_with(tmp_path, other, message):
    with opened(tmp_path / "x", digits_study({"seed": [1, 2]}), resume=False):
        pass
    refused(CheckpointError, message, tmp_path / "x", digits_study(other), resume=True)


def test_folders_that_hold_no_study(tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(
        OutputError, "is not empty, and holds no study; choose another --out", tmp_path, digits_study(), resume=True
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    with pytest.raises(CheckpointError, match="is no study; give the folder that lava-nbp study wrote"):
        load_study(tmp_path)
    (tmp_path / "study.json").write_text('{"version": 1}')
    with pytest.raises(CheckpointError, match="holds what no study writes: name is missing"):
        load_study(tmp_path)
