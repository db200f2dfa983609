"""A search: it sees validation figures only, loses nothing, and proposes the same whatever interrupts it."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import optuna
import pytest
from experiments import DIGITS

from lava_nbp import importances, load_study, make_study, run_study
from lava_nbp.base.content import parse_toml
from lava_nbp.base.progress import Progress, StudyProgress
from lava_nbp.errors import CheckpointError, ConfigError, InputError, MissingPackageError
from lava_nbp.runs.studies.folder import StudyFolder, opened
from lava_nbp.runs.studies.optimise import JOURNAL, begin, lost
from lava_nbp.runs.studies.search import Between, Choice
from lava_nbp.runs.studies.study import load_study_file
from lava_nbp.runs.studies.tables import search_line
from lava_nbp.runs.studies.tasks import Task, work
from studies import digits_study, figures

pytestmark = pytest.mark.timeout(120)

VARY = {
    "data.threshold": {"from": 0.1, "to": 0.9},
    "network.n_hidden": {"from": 10, "to": 40, "step": 10},
    "network.initial_input_scale": [0.5, 1.0],
}
SEARCH = {"trials": 8, "startup": 4, "seed": 3}


def searched(vary=VARY, base=DIGITS, **search):
    return make_study("found", parse_toml(base), vary=vary, search={**SEARCH, **search})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return run_study(searched(), tmp_path_factory.mktemp("search") / "there", workers=1)


def history(folder, trial):
    return [json.loads(line) for line in (folder.run_of(trial) / "metrics.jsonl").read_text().splitlines()]


def journal(folder):
    backend = optuna.storages.journal.JournalFileBackend(str(folder.path / JOURNAL))
    return optuna.load_study(study_name="found", storage=optuna.storages.JournalStorage(backend)).trials


# ---------------------------------------------------------------------- as data


def test_what_keys_may_be():
    choices = searched().search.choices
    assert choices["data.threshold"] == Between(0.1, 0.9, None, False, False)
    assert choices["network.n_hidden"] == Between(10, 40, 10, False, True)
    assert choices["network.initial_input_scale"] == Choice((0.5, 1.0))
    by_ratio = searched({"network.initial_input_scale": {"from": 0.01, "to": 1, "log": True}}).search.choices
    assert by_ratio["network.initial_input_scale"] == Between(0.01, 1, None, True, False)
    some = searched({"data.threshold": {"from": 0.1, "to": 0.5, "values": 3}}).search.choices
    assert some["data.threshold"] == Choice((0.1, 0.3, 0.5))


def test_the_last_value_of_a_step():
    for low, high, step, last in ((0.1, 0.45, 0.1, 0.4), (0.1, 0.3, 0.2, 0.3), (0.8, 0.9, 0.1, 0.9)):
        choices = searched({"data.threshold": {"from": low, "to": high, "step": step}}).search.choices
        assert choices["data.threshold"] == Between(low, last, step, False, False)


@pytest.mark.parametrize(("vary", "search", "message"), [
    ({}, {}, r"a search looks for values of the keys in \[vary\], but there are none"),
    ({"seed": [1, 2]}, {}, "a search over seeds finds the luckiest one"),
    ({"data.treshold": [0.1]}, {}, "unknown key data.treshold = 0.1; did you mean threshold"),
    ({"data.threshold": {"from": 0.1, "to": 7}}, {}, "data.threshold is 7"),
    ({"data.threshold": {"from": 0.5, "to": 0.5}}, {}, "from less than to"),
    ({"data.threshold": {"from": 0.5, "to": float("nan")}}, {}, "must be finite numbers"),
    ({"data.threshold": {"from": 0, "to": 0.5, "log": True}}, {}, "from positive"),
    ({"data.threshold": {"from": 0.1, "to": 0.5, "step": 0}}, {}, "step must be a positive number"),
    ({"data.threshold": {"from": 0.1, "to": 0.5, "step": 0.5}}, {}, "step must be a positive number"),
    ({"data.threshold": {"from": 0.1, "to": 0.5, "step": 1e-300}}, {}, "steps from one end to the other"),
    ({"faults.dropped": {"from": 0.0, "to": 0.1}, "target": ["sample", "reference"]}, {}, "configuration of trial"),
    ({"": [1]}, {}, "unknown key '' = 1"),
    (VARY, {"trials": 3000}, "3000 trials, but the limit is 1000; ask for fewer, or say at_most = 3000"),
    ({"data.threshold": {"from": 0.1, "to": 0.5, "step": 0.1, "log": True}}, {}, "a step or log, not both"),
    ({"data.threshold": []}, {}, "is an empty list"),
    ({"data.threshold": [0.1, 0.1]}, {}, "has a value twice"),
    ({"data.threshold": 0.3}, {}, "must be a list of values, or a range"),
    ({"network.n_hidden": {"from": 1, "to": 2.5}}, {}, "n_hidden"),
    (VARY, {"trials": 0}, "trials"),
    (VARY, {"trails": 3}, "search: unknown key trails = 3; did you mean trials"),
    (VARY, {"startup": 2.5}, "startup"),
])  # fmt: skip
def test_searches_that_cannot_be(vary, search, message):
    with pytest.raises(ConfigError, match=message):
        searched(vary, **search)


def test_what_a_search_has_not():
    base = parse_toml(DIGITS)
    with pytest.raises(ConfigError, match="a search sees validation figures only; leave objective out"):
        make_study("x", base, vary=VARY, search=SEARCH, objective="accuracy")
    with pytest.raises(ConfigError, match="a search has no cases"):
        make_study("x", base, vary=VARY, search=SEARCH, cases=[{"name": "a"}])
    base["data"]["validation"] = 0
    with pytest.raises(ConfigError, match="data.validation is 0; hold some back"):
        make_study("x", base, vary=VARY, search=SEARCH)
    with pytest.raises(ConfigError, match="search is 7, but must be a section"):
        make_study("x", parse_toml(DIGITS), vary=VARY, search=7)


def test_without_optuna(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingPackageError, match=r"a search needs the package optuna.*lava-nbp\[search\]"):
        run_study(searched(), tmp_path / "x")
    assert not [*tmp_path.iterdir()]


# -------------------------------------------------------------------- what it does


def test_only_the_chosen_trial_has_seen_the_test_set(finished):
    chosen = finished.chosen
    best = max(finished.trials, key=lambda t: (finished.rows[t.number]["validation"], -t.number))
    assert [row["state"] for row in finished.rows].count("finished") > 2
    assert chosen == best or finished.rows[best.number]["state"] == "pruned"
    for trial, row in zip(finished.trials, finished.rows, strict=True):
        seen = {r["epoch"] for r in history(finished, trial) if any(key.startswith("test_") for key in r)}
        result = finished.run_of(trial) / "result.json"
        if trial == chosen:
            said = json.loads(result.read_text())
            assert seen == {said["chosen"]["epoch"], said["last"]["epoch"]}
            assert row["accuracy"] == said["chosen"]["test_accuracy_spikes"]
            assert row["best_on_test"] is None
        else:
            assert (seen, result.exists(), row["accuracy"]) == (set(), False, None)
        assert row["validation"] == max(r["validation_accuracy_spikes"] for r in history(finished, trial))


def test_the_search_was_told_every_epoch(finished):
    told = journal(finished)
    assert [t.number for t in told] == [trial.number for trial in finished.trials] == list(range(8))
    for trial, its, row in zip(finished.trials, told, finished.rows, strict=True):
        values = {r["epoch"]: r["validation_accuracy_spikes"] for r in history(finished, trial)}
        assert its.intermediate_values == values
        if row["state"] == "finished":
            assert (its.state.name, its.value) == ("COMPLETE", max(values.values()))
        else:
            assert (row["state"], its.state.name) == ("pruned", "PRUNED")
            assert len(values) < trial.experiment.epochs
        assert its.params["data.threshold"] == trial.settings["data.threshold"]
        assert its.params["network.n_hidden"] == trial.content["network"]["n_hidden"]
        assert json.loads(its.params["network.initial_input_scale"]) == row["network.initial_input_scale"]


def test_settings_are_within_what_was_said(finished):
    for row in finished.rows:
        assert 0.1 <= row["data.threshold"] <= 0.9
        assert row["network.n_hidden"] in (10, 20, 30, 40)
        assert row["network.initial_input_scale"] in (0.5, 1.0)
    assert len({row["data.threshold"] for row in finished.rows}) == 8


def test_trials_that_are_given_up(tmp_path):
    """By the median rule, as the test reckons it: of the epochs of those that were finished before."""
    vary = {"data.threshold": {"from": 0.1, "to": 0.999}}
    there = run_study(searched(vary, trials=16, startup=3, warmup=1), tmp_path / "x", workers=1)
    told, given_up = journal(there), 0
    for its in told:
        values = its.intermediate_values
        before = [t.intermediate_values for t in told[: its.number] if t.state.name == "COMPLETE"]
        below = [
            epoch
            for epoch in values
            if epoch < 3 and len(before) >= 3
            and max(values[e] for e in values if e <= epoch) < np.median([b[epoch] for b in before])
        ]  # fmt: skip
        assert (its.state.name == "PRUNED") == bool(below), its.number
        if below:
            assert max(values) == below[0]
            given_up += 1
    assert given_up
    assert [row["state"] for row in there.rows].count("pruned") == given_up
    never = run_study(searched(vary, trials=6, startup=3, prune=False), tmp_path / "y", workers=2)
    assert {row["state"] for row in never.rows} == {"finished"}


def test_what_matters(tmp_path):
    """The threshold decides whether there are spikes; how the simulator would be watched does not matter here."""
    study = searched(
        {"data.threshold": {"from": 0.2, "to": 0.999}, "lava.timeout": {"from": 10.0, "to": 20.0}},
        trials=30, prune=False,
    )  # fmt: skip
    there = run_study(study, tmp_path / "x", workers=2)
    shares = importances(there)
    assert list(shares) == ["data.threshold", "lava.timeout"]
    assert shares["data.threshold"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)
    with pytest.raises(InputError, match="study digits is no search"):
        importances(StudyFolder(tmp_path, digits_study()))


def test_a_search_finds_more_than_chance(tmp_path):
    """Proposals get better than the ones drawn at random."""
    vary = {"data.threshold": {"from": 0.05, "to": 0.999}, "network.n_hidden": {"from": 2, "to": 60}}
    there = run_study(searched(vary, trials=40, startup=10, prune=False), tmp_path / "x", workers=2)
    values = [row["validation"] for row in there.rows]
    assert np.mean(values[20:]) > np.mean(values[:10])


# -------------------------------------------------------------- nothing gets lost


def test_the_same_search_proposes_the_same(finished, tmp_path):
    assert figures(run_study(searched(), tmp_path / "x", workers=1).rows) == figures(finished.rows)
    other = run_study(searched(seed=4), tmp_path / "y", workers=1)
    assert [row["data.threshold"] for row in other.rows] != [row["data.threshold"] for row in finished.rows]


def test_a_search_that_is_done_is_not_begun_again(finished):
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*") if path.is_file()}
    run_study(searched(), finished.path, resume=True)
    after = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before if path.name != JOURNAL} == {
        path: time for path, time in before.items() if path.name != JOURNAL
    }


def test_more_trials_later(finished, tmp_path):
    run_study(searched(trials=5), tmp_path / "x", workers=1)
    there = run_study(searched(trials=8), tmp_path / "x", workers=1, resume=True)
    assert len(there.rows) == 8
    left_out = ("accuracy", "last", "membrane", "parameters", "weight_bits", "spikes", "effective_acs")
    # What was chosen of the first five has seen the test set, too.
    assert [{k: v for k, v in row.items() if k not in left_out} for row in figures(there.rows)] == [
        {k: v for k, v in row.items() if k not in left_out} for row in figures(finished.rows)
    ]
    assert load_study(tmp_path / "x").study.search.trials == 8


FILE = """
name = "found"
base = "base.toml"
[fixed]
epochs = 40
[search]
trials = 10
startup = 3
seed = 1
[vary]
data.threshold = { from = 0.1, to = 0.9 }
network.n_hidden = { from = 10, to = 40 }
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    (folder / "base.toml").write_text(DIGITS)
    (folder / "study.toml").write_text(FILE)
    assert start(folder, "whole").wait(100) == 0
    return folder, figures(load_study(folder / "whole").rows)


def start(folder, out, *options, workers=1):
    return subprocess.Popen(
        [sys.executable, "-m", "lava_nbp", "study", "study.toml", "--out", out, "--workers", str(workers), *options],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_at_random_times_and_resumed(uninterrupted, number):
    folder, rows = uninterrupted
    rng, out = random.Random(int(number)), f"stopped-{int(number)}"
    for _ in range(5):
        process = start(folder, out, "--resume")
        time.sleep(rng.uniform(0.8, 2.0))
        process.send_signal(number)
        if process.wait(30) == 0:
            break
    assert start(folder, out, "--resume").wait(100) == 0
    assert figures(load_study(folder / out).rows) == rows


class Killer(StudyProgress):
    """Kills a worker in the midst of a trial, three times."""

    def __init__(self):
        self.killed = []

    def trial_goes(self, worker, done, total, epoch):
        from test_workers import workers_of

        if epoch == 2 and len(self.killed) < 3:
            for pid in workers_of(os.getpid())[:1]:
                if pid not in self.killed:
                    self.killed.append(pid)
                    os.kill(pid, signal.SIGKILL)


def test_workers_that_are_killed(finished, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(os.path.dirname(__file__))
    killer = Killer()
    there = run_study(searched(), tmp_path / "x", workers=1, progress=killer)
    assert len(killer.killed) == 3
    assert figures(there.rows) == figures(finished.rows)


class Stop(Progress):
    """Ends a trial when an epoch has been saved, and before the search is told of it."""

    def epoch(self, record):
        if record["epoch"] == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("lines", [1, 2])
def test_killed_between_checkpoint_metrics_and_journal(finished, tmp_path, lines):
    """The search is told of every epoch all the same."""
    folder = tmp_path / "x"
    with opened(folder, searched(), resume=False) as there:
        begin(there, alone=True)
        with pytest.raises(KeyboardInterrupt):
            work(there, Task(None, test=False), Stop(), lambda trial: None)
        metrics = there.run_of(there.trials[0]) / "metrics.jsonl"
        metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:lines]))
    there = run_study(searched(), folder, workers=1, resume=True)
    assert set(journal(there)[0].intermediate_values) == {1, 2, 3}
    assert figures(there.rows) == figures(finished.rows)


def test_a_trial_that_was_asked_for_and_never_begun(finished, tmp_path):
    """Its process was killed before it could say for what it had asked: it is asked for again, under its number."""
    folder = tmp_path / "x"
    with opened(folder, searched(), resume=False) as there:
        begin(there, alone=True)
        backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
        optuna.load_study(study_name="found", storage=optuna.storages.JournalStorage(backend)).ask()
        assert lost(there) == [0]
    there = run_study(searched(), folder, workers=1, resume=True)
    assert figures(there.rows) == figures(finished.rows)


def test_what_killed_processes_leave_of_the_journal(finished, tmp_path):
    folder = tmp_path / "x"
    run_study(searched(trials=3), folder, workers=1)
    with open(folder / JOURNAL, "ab") as file:
        file.write(b'{"op_code": 4, "worker_id": "half a li')
    os.symlink(folder / JOURNAL, folder / f"{JOURNAL}.lock")
    begun = time.monotonic()
    there = run_study(searched(), folder, workers=1, resume=True)
    assert time.monotonic() - begun < 25, "it has waited for the lock of a dead process"
    assert [row["data.threshold"] for row in there.rows] == [row["data.threshold"] for row in finished.rows]


@pytest.mark.parametrize("content", [b"nonsense\n", b'{"op_code": 99}\n', b"\0" * 100 + b"\n"])
def test_a_journal_that_is_damaged(tmp_path, content):
    folder = tmp_path / "x"
    run_study(searched(trials=2), folder, workers=1)
    (folder / JOURNAL).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"search.journal cannot be used: .*; restore it from a backup") as error:
        run_study(searched(), folder, resume=True)
    assert "\n" not in str(error.value)


def test_what_was_asked_for_and_is_damaged(tmp_path):
    folder = tmp_path / "x"
    there = run_study(searched(trials=2), folder, workers=1)
    (folder / "asked" / f"{there.trials[0].name}.json").write_text("{")
    with pytest.raises(
        CheckpointError, match="asked/.* cannot be read .*; remove it, and --resume asks for the trial again"
    ):
        load_study(folder).rows  # noqa: B018


def test_another_search_is_not_gone_on_with(tmp_path):
    folder = tmp_path / "x"
    with opened(folder, searched(), resume=False):
        pass
    for other, message in (
        (searched(seed=9), "in it seed = 3, here 9; resume with the same file"),
        (searched({**VARY, "data.threshold": [0.2]}), "in it space.data.threshold"),
        (make_study("found", parse_toml(DIGITS), vary={"seed": [1]}), "it is a search, this one no search"),
    ):
        with pytest.raises(CheckpointError, match=message), opened(folder, other, resume=True):
            pass


def test_a_trial_that_fails_is_left_out(tmp_path):
    """A layer that takes more memory than there is: the reason is kept, the rest goes on."""
    study = searched({"data.train": [100, 100_000]}, trials=6, startup=6)
    there = run_study(study, tmp_path / "x", workers=2)
    states = {(row["data.train"], row["state"]) for row in there.rows}
    assert states == {(100, "finished"), (100_000, "failed")}
    assert there.chosen.settings == {"data.train": 100}
    assert len(there.rows) == 6


def test_a_file_of_a_search(tmp_path):
    (tmp_path / "base.toml").write_text(DIGITS)
    (tmp_path / "study.toml").write_text(FILE)
    study = load_study_file(tmp_path / "study.toml")
    assert (study.search.trials, study.objective, study.keys) == (
        10,
        "validation",
        ("data.threshold", "network.n_hidden"),
    )
    assert study.search.content["epochs"] == 40


def test_the_chosen_trial_stays_chosen_if_its_test_fails(tmp_path):
    """Nobody else sees the test set instead."""
    folder = tmp_path / "x"
    there = run_study(searched(trials=4), folder, workers=1)
    chosen = there.chosen
    (there.run_of(chosen) / "result.json").unlink()
    there.note_failure(chosen, "the disk was full")
    again = load_study(folder)
    assert again.chosen == chosen
    assert search_line(again) == f"chosen on validation: {chosen.name}; its test accuracy is not known yet"
    there = run_study(searched(trials=4), folder, workers=1, resume=True)
    seen = [trial for trial in there.trials if "test_" in (there.run_of(trial) / "metrics.jsonl").read_text()]
    assert seen == [there.chosen] == [chosen]


# ------------------------------------------------------ what may be lost of a folder


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished.path, tmp_path / "copy")


def test_a_worker_killed_while_it_asks(finished, tmp_path, monkeypatch):
    """Between the question and the note of it: the same trials come of it, and no more of them."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\n"
        "import lava_nbp.runs.studies.folder as f\n"
        "before = f.StudyFolder.note_asked\n"
        "def note_asked(self, trial, key):\n"
        "    mark = os.environ['KILLED']\n"
        "    if trial.number == 2 and not os.path.exists(mark):\n"
        "        open(mark, 'w').close()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    before(self, trial, key)\n"
        "f.StudyFolder.note_asked = note_asked\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("KILLED", str(tmp_path / "killed"))
    there = run_study(searched(), tmp_path / "x", workers=1)
    assert (tmp_path / "killed").exists()
    assert figures(there.rows) == figures(finished.rows)
    assert [t.number for t in journal(there)] == list(range(8))


def test_a_journal_that_is_gone_is_not_begun_anew(copy):
    (copy / JOURNAL).unlink()
    for _ in range(2):
        with pytest.raises(CheckpointError, match="has 0 trials, but .* has number 7: .* or was lost; restore it"):
            run_study(searched(), copy, resume=True)
    assert not (copy / JOURNAL).exists()


def test_notes_that_are_gone_are_made_again(finished, copy):
    """Of how trials have ended: the journal knows."""
    shutil.rmtree(copy / "seen")
    there = run_study(searched(startup=4), copy, workers=1, resume=True)
    assert figures(there.rows) == figures(finished.rows)


def test_runs_that_are_gone_are_made_again(finished, copy):
    """What the journal says of them stays; pruned ones are run to their end, as nobody asks any more."""
    shutil.rmtree(copy / "trials")
    assert {load_study(copy).state_of(trial) for trial in finished.trials} == {"waiting"}
    there = run_study(searched(), copy, workers=1, resume=True)
    assert {row["state"] for row in there.rows} == {"finished"}
    assert there.chosen is not None
    assert [t.state for t in journal(there)] == [t.state for t in journal(finished)]


def test_what_was_asked_for_is_asked_again_under_its_number(finished, copy):
    name = finished.trials[3].name
    (copy / "asked" / f"{name}.json").unlink()
    there = run_study(searched(), copy, workers=1, resume=True)
    assert figures(there.rows) == figures(finished.rows)


def test_a_study_file_that_is_damaged(copy):
    path = copy / "study.json"
    stored = json.loads(path.read_text())
    for key, value in (("content", "abc"), ("space", [1]), ("trials", "many"), ("space", {})):
        path.write_text(json.dumps({**stored, "search": {**stored["search"], key: value}}))
        with pytest.raises(CheckpointError, match=r"study.json holds (what no study writes|a search that is none)"):
            load_study(copy)


def test_a_setting_that_no_experiment_allows_is_a_failed_trial(tmp_path):
    """Too many keys to try all ends beforehand: the others go on, and the table shows it."""
    ends = {"from": 0.0, "to": 0.1}
    vary = {f"faults.{name}": ends for name in ("dropped", "dead", "lost", "stuck", "flips", "spurious", "pulse_loss")}
    study = searched({**vary, "network.n_hidden": [10, 20], "target": ["sample", "reference"]}, trials=8, startup=8)
    there = run_study(study, tmp_path / "x", workers=2)
    states = [row["state"] for row in there.rows]
    assert len(states) == 8
    assert "failed" in states
    assert all("\n" not in row["reason"] for row in there.rows if row["state"] == "failed")
    assert all(row["seed"] == 2 for row in there.rows)


def test_a_lock_in_a_relative_folder_is_let_go(tmp_path):
    """Optuna looks at what the lock points to, from wherever the process is."""
    code = (
        "import sys, os; from pathlib import Path\n"
        "from lava_nbp.runs.studies import optimise\n"
        "from lava_nbp.runs.studies.folder import StudyFolder\n"
        "print(optimise._path(StudyFolder(Path('x'), None)))\n"
    )
    (tmp_path / "x").mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(tmp_path.resolve() / "x" / JOURNAL)
