"""Trials as jobs of a SLURM cluster: arrays of which so many run at once, submitted by submitit.

The jobs do not need this process: it submits them, watches, and submits again what has ended without a word (a node
that failed, a job that was cancelled). If it is killed the jobs go on, and whoever resumes the study finds them by
their names. What has come of a trial is read from its folder, which the cluster's nodes must see.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from lava_nbp.base.checks import one_line
from lava_nbp.base.content import read_json
from lava_nbp.base.extras import require
from lava_nbp.base.files import make_folder, write_atomically
from lava_nbp.base.progress import StudyProgress
from lava_nbp.base.threads import THREADS
from lava_nbp.errors import CheckpointError, InputError, OutputError, Unreadable
from lava_nbp.loihi.host import slurm_available
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.jobs import TaskJob
from lava_nbp.runs.studies.optimise import number_of
from lava_nbp.runs.studies.slurm import SlurmOptions
from lava_nbp.runs.studies.tasks import DEATHS, Task
from lava_nbp.runs.studies.trial import Trial
from lava_nbp.training.run import METRICS, RESULT

#: Folder of the jobs' files in the study's, and file that says which were submitted.
JOBS, SUBMITTED = "slurm", "submitted.json"
#: What is noted of jobs, by key: trial, or None, and whether the test set is looked at.
_Submitted = TypeAdapter(dict[Annotated[str, Field(pattern="^[0-9a-f]+-[0-9]+$")], tuple[str | None, bool]])
#: Tasks of an array, unless the cluster allows fewer; and so often a job's time may be over.
_ARRAY, _TIMES_OVER = 1000, 1000
#: Seconds: between two questions to SLURM (at first, and at most), that an answer may take, after which no answer at
#: all ends the study, until a job that has vanished is believed to have ended, and that one which is cancelled or done
#: may take to leave.
_ASK, _ASK_MOST, _ANSWER, _SILENT, _SETTLE, _LEAVING = 1.0, 15.0, 30.0, 600.0, 5.0, 20.0
#: Seconds in which what sbatch was just submitting when it was interrupted must be seen in the queue.
_COMING = 6.0
#: What a controller says that may have taken the jobs all the same, or will later.
_BUSY = "timed out|unable to contact|connection|temporarily|try again|zero bytes|slurm_receive_msg"
#: Seconds before a job's time is over at which it is told so; SLURM may be up to a minute early.
_WARNED = 30
_LOOK = 0.25
#: Why jobs wait as they should: because they have just come, or so many of the study's run already.
_ORDINARY = {"None", "JobArrayTaskLimit", "BeginTime"}


def require_slurm(folder: Path) -> None:
    """Raise unless trials of a study in this folder can be jobs here.

    Raises
    ------
    MissingPackageError
        Without submitit.
    InputError
        If SLURM does not answer, or the folder's path means something else to it.
    """
    require("submitit", "slurm", "--on slurm")
    if any(shutil.which(command) is None for command in ("sbatch", "squeue", "scancel")) or not slurm_available():
        raise InputError(
            "--on slurm needs a SLURM controller, but none answers here (sbatch, sinfo); log in to the cluster, or "
            "leave out --on slurm to run the study on this machine"
        )
    if "%" in str(folder.resolve()):
        raise InputError(
            f"folder of the study is {folder.resolve()}, but SLURM puts numbers of jobs in the place of %; choose "
            f"another --out"
        )


def run_on_slurm(folder: StudyFolder, tasks: Sequence[Task], at_once: int | None, progress: StudyProgress) -> None:
    """Do tasks as jobs, and come back when none is left.

    KeyboardInterrupt cancels the jobs; whatever else ends this process leaves them at work.

    Parameters
    ----------
    folder : StudyFolder
        Held by this process.
    tasks : sequence of Task
        What is to be done.
    at_once : int, optional
        Jobs at the same time; default: the study's.
    progress : StudyProgress
        Is told how it goes.

    Raises
    ------
    InputError
        If SLURM refuses the jobs.
    OutputError
        If SLURM does not answer any more.
    """
    options = folder.study.slurm
    cluster = _Cluster(folder, options, options.at_once if at_once is None else at_once, progress)
    try:
        cluster.run(deque(tasks))
    except KeyboardInterrupt:
        cluster.cancel()
        raise


@dataclass(frozen=True)
class _State:
    """What SLURM says of a job: its number there, its state, and why it waits."""

    id: str
    state: str
    reason: str


@dataclass
class _Job:
    """A job that was submitted, for a task."""

    number: int
    task: Task
    epochs: int
    gone: float | None = None
    begun: bool = False
    done: float | None = None

    @property
    def key(self) -> str:
        """Which job it is; no other of any study has the same."""
        return self.task.key

    @property
    def name(self) -> str:
        """Of the array that it belongs to."""
        return self.key.partition("-")[0]


@dataclass
class _Cluster:
    folder: StudyFolder
    options: SlurmOptions
    at_once: int
    progress: StudyProgress
    jobs: dict[str, _Job] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)
    answered: float = field(default_factory=time.monotonic)
    submitted: bool = True

    @property
    def place(self) -> Path:
        """Where the jobs' files are."""
        return self.folder.path.resolve() / JOBS

    def run(self, tasks: deque[Task]) -> None:
        """Submit, watch, and submit again, until all is done."""
        self._find(tasks)
        pause = _ASK
        while tasks or self.jobs:
            if not self.jobs:
                self._submit([tasks.popleft() for _ in range(min(len(tasks), self._most()))])
                pause = _ASK
            live = self._live()
            before = len(self.jobs)
            if live is not None:
                for job in list(self.jobs.values()):
                    self._watch(job, live, tasks)
            # Ask less often while nothing happens: a controller has others to answer.
            pause = _ASK if len(self.jobs) < before else min(_ASK_MOST, 1.2 * pause)
            self._wait(pause)
        self._leave()

    def cancel(self) -> None:
        """Cancel all jobs, and wait until they have left. What was just being submitted may come a moment later."""
        names = {key.partition("-")[0] for key in _submitted(self.folder)}
        begun = time.monotonic()
        quiet = _ASK if self.submitted else _COMING
        while names and time.monotonic() - begun < _LEAVING + quiet:
            for name in names:
                _ask("scancel", "--name", _named(name))
            live = _queue(names)
            if live == {} and time.monotonic() - begun > quiet:
                break
            time.sleep(_ASK)
        else:
            if names:
                self.progress.note(
                    f"SLURM has not said that the jobs have left; --resume finds them, and "
                    f"{' '.join(f'scancel --name {_named(name)}' for name in sorted(names))} cancels them"
                )
                return
        self._leave()

    def _leave(self) -> None:
        """No job is left."""
        with contextlib.suppress(OSError):  # of failed ones there are files that may say why
            (self.place / SUBMITTED).unlink(missing_ok=True)
            self.place.rmdir()

    # ------------------------------------------------------------ submitting

    def _submit(self, tasks: list[Task]) -> None:
        import submitit

        name = secrets.token_hex(6)
        for k, task in enumerate(tasks):
            task.key = f"{name}-{k}"
        self.jobs = {task.key: _Job(k, task, self._epochs(task.trial)) for k, task in enumerate(tasks)}
        make_folder(self.place / name)
        self._note()  # first: if this process is killed, who resumes the study finds them
        self.submitted = False
        try:
            executor = submitit.SlurmExecutor(folder=self.place / name, max_num_timeout=_TIMES_OVER)
            executor.update_parameters(**self._parameters(name))
            with contextlib.redirect_stderr(io.StringIO()), executor.batch():  # what sbatch says is said below
                for task in tasks:
                    executor.submit(TaskJob(self.folder.path, task))
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            self._refused(name, _reason(error))
        self.submitted = True

    def _refused(self, name: str, reason: str) -> None:
        """SLURM has not taken the jobs; or it has, and could not say so."""
        _ask("scancel", "--name", _named(name))
        if _queue({name}) == {} and not re.search(_BUSY, reason, re.IGNORECASE):
            shutil.rmtree(self.place / name, ignore_errors=True)
            self._leave()
            raise InputError(
                f"SLURM does not take the study's jobs: {reason}; change the section [slurm] of its file, or wait if "
                f"it is the cluster's state"
            )
        raise OutputError(f"SLURM's controller has not taken the study's jobs: {reason}; go on with --resume later")

    def _parameters(self, name: str) -> dict[str, Any]:
        o = self.options
        given = {"partition": o.partition, "constraint": o.constraint, "account": o.account, "qos": o.qos}
        more = dict(o.options)
        if o.memory is not None:
            more["mem"] = f"{max(1, round(1024 * o.memory))}M"
        return {
            **{key: value for key, value in given.items() if value is not None},
            "job_name": _named(name),
            "time": o.time,
            "cpus_per_task": o.cpus,
            "array_parallelism": self.at_once,
            "signal_delay_s": _WARNED,
            "srun_args": [f"--cpus-per-task={o.cpus}"],
            "setup": self._setup(name),
            **({"additional_parameters": more} if more else {}),
        }

    def _setup(self, name: str) -> list[str]:
        """Lines of the job's script: modules are found where this process finds them, and not in some folder of data;
        libraries keep to the job's cores."""
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        return [
            f"cd {shlex.quote(str(self.place / name))}",
            f"export PYTHONPATH={shlex.quote(paths)}",
            *(f"export {variable}={self.options.cpus}" for variable in THREADS),
        ]

    def _most(self) -> int:
        """Tasks that an array may have."""
        said = _ask("scontrol", "show", "config") or ""
        found = re.search(r"MaxArraySize\s*=\s*(\d+)", said)
        return max(1, min(_ARRAY, int(found[1]) - 1)) if found else _ARRAY

    # -------------------------------------------------------------- watching

    def _watch(self, job: _Job, live: dict[str, _State], tasks: deque[Task]) -> None:
        """See what has become of a job."""
        task, seen = job.task, live.get(job.key)
        state = seen.state if seen else ""
        if seen and state == "PENDING":
            self._tell_why(seen.reason)
            job.gone = None
            return
        trial = task.trial = task.trial or self.folder.asked_by(job.key)
        if trial is not None and self._is_done(task, trial):
            if job.done is None:
                job.done = time.monotonic()
                self._begin(job)
                self.progress.trial_ends(job.number, trial.name, self._reason(trial))
            if not seen or state == "COMPLETING":
                self._forget(job, keep=self._reason(trial) is not None)
            elif time.monotonic() - job.done > _LEAVING:  # its process does not come to its end
                _ask("scancel", seen.id)
                job.done = time.monotonic()
        elif state:
            job.gone = None
            if state == "RUNNING" and trial is not None:
                self._begin(job)
                done = self._epochs(trial)
                self.progress.trial_goes(job.number, done, trial.experiment.epochs, done or None)
        elif job.gone is None:
            job.gone = time.monotonic()
        elif time.monotonic() - job.gone > _SETTLE:  # what its node has written is seen by now
            self._bury(job, tasks)

    def _tell_why(self, reason: str) -> None:
        if reason not in self.reasons | _ORDINARY:
            self.reasons.add(reason)
            self.progress.note(f"jobs wait in SLURM's queue: {reason}")

    def _bury(self, job: _Job, tasks: deque[Task]) -> None:
        """A job has ended without a word: its task is done again, unless it is what ends jobs."""
        task = job.task
        task.deaths = 1 if self._epochs(task.trial) > job.epochs else task.deaths + 1
        if task.trial is None and not task.test:
            task.number = number_of(self.folder, task.key)  # it will get another key
        if task.deaths < DEATHS:
            self._forget(job, keep=True)
            tasks.append(task)
            return
        folder = self.place / job.name
        logs = [*folder.glob(f"*_{job.number}_0_log.err"), *folder.glob("*_0_log.err")]
        where = (
            f"{logs[0].relative_to(self.folder.path.resolve())} may say why"
            if logs
            else f"none of them could write to {self.place}: put --out on a file system that the nodes share"
        )
        reason = f"its job ended {DEATHS} times without a result; {where}"
        self._forget(job, keep=True)
        if task.trial is None:
            raise OutputError(f"{self.folder.path}: {task.name} cannot be begun: {reason}")
        self.folder.note_failure(task.trial, reason)
        self._begin(job)
        self.progress.trial_ends(job.number, task.trial.name, reason)

    def _begin(self, job: _Job) -> None:
        if not job.begun and job.task.trial is not None:
            job.begun = True
            self.progress.trial_begins(job.number, job.task.trial.name)

    def _is_done(self, task: Task, trial: Trial) -> bool:
        state = self.folder.state_of(trial)
        if task.test:
            return state == "failed" or (self.folder.run_of(trial) / RESULT).exists()
        return state in ("finished", "pruned", "failed")

    def _reason(self, trial: Trial) -> str | None:
        """Why a trial has failed, if it has."""
        return self.folder.reason_of(trial) if self.folder.state_of(trial) == "failed" else None

    def _epochs(self, trial: Trial | None) -> int:
        """Epochs that a trial has finished."""
        if trial is None:
            return 0
        try:
            return (self.folder.run_of(trial) / METRICS).read_bytes().count(b"\n")
        except OSError:
            return 0

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.progress.waiting()
            time.sleep(min(_LOOK, left))

    def _live(self) -> dict[str, _State] | None:
        """What SLURM says of the jobs, as `_queue` does; None if it does not answer just now."""
        found = _queue({job.name for job in self.jobs.values()})
        now = time.monotonic()
        if found is not None:
            self.answered = now
        elif now - self.answered > _SILENT:
            raise OutputError(
                f"SLURM's controller has not answered for {_SILENT / 60:.0f} minutes (squeue); jobs that run go on, "
                f"and --resume finds them"
            )
        return found

    # --------------------------------------------------------------- records

    def _note(self) -> None:
        tasks = [job.task for job in self.jobs.values()]
        content = {task.key: [task.trial.name if task.trial else None, task.test] for task in tasks}
        write_atomically(self.place / SUBMITTED, (json.dumps(content) + "\n").encode())

    def _find(self, tasks: deque[Task]) -> None:
        """Watch jobs that a former process has submitted, instead of submitting their tasks again; cancel those of a
        search that has become smaller."""
        submitted = _submitted(self.folder)
        for key, seen in live_jobs(self.folder).items():
            name, test = submitted[key]
            if name is None and (asked := self.folder.asked_by(key)) is not None:
                name = asked.name
            fitting = (t for t in tasks if (t.trial.name if t.trial else None) == name)
            task = next((t for t in fitting if t.test == test and t.number is None), None)
            if task is None:
                self._end(key, seen)
            else:
                tasks.remove(task)
                task.key = key
                self.jobs[key] = _Job(int(key.partition("-")[2]), task, self._epochs(task.trial))

    def _end(self, key: str, seen: _State) -> None:
        """Cancel a job that nobody needs, and wait until it has left."""
        deadline = time.monotonic() + _LEAVING
        while True:
            _ask("scancel", seen.id)
            found = _queue({key.partition("-")[0]})
            if found is not None and key not in found:
                return
            if time.monotonic() > deadline:
                raise OutputError(
                    f"job {seen.id} of {self.folder.path} does not leave SLURM's queue; cancel it (scancel)"
                )
            self._wait(_ASK)

    def _forget(self, job: _Job, *, keep: bool) -> None:
        """A job is over. When all of its array are, their files are removed, unless they may say why one has failed."""
        del self.jobs[job.key]
        if keep:
            self.kept.add(job.name)
        if job.name not in self.kept and all(other.name != job.name for other in self.jobs.values()):
            shutil.rmtree(self.place / job.name, ignore_errors=True)


def live_jobs(folder: StudyFolder) -> dict[str, _State]:
    """Jobs of the study, by key, that are in SLURM's queue, or run: those that a process has left which was killed.

    Raises
    ------
    CheckpointError
        If what was submitted cannot be read.
    OutputError
        If SLURM does not answer, so that nobody can know.
    """
    submitted = _submitted(folder)
    if not submitted:
        return {}
    found = _queue({key.partition("-")[0] for key in submitted})
    if found is None:
        raise OutputError(
            f"{folder.path} has jobs in SLURM's queue, or had, but no controller answers here (squeue); go on where "
            f"one does, or, if none of them can run any more, remove {folder.path / JOBS}"
        )
    return {key: state for key, state in found.items() if key in submitted}


def _submitted(folder: StudyFolder) -> dict[str, tuple[str | None, bool]]:
    """Of each job that was submitted last: its trial, if that was known, and whether it looks at the test set."""
    path = folder.path / JOBS / SUBMITTED
    if not path.exists():
        return {}
    try:
        found = _Submitted.validate_python(read_json(path))
    except (Unreadable, ValidationError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({one_line(error)}); cancel the study's jobs (scancel), and remove it"
        ) from None
    return found


def _queue(names: set[str]) -> dict[str, _State] | None:
    """Every job of these names that SLURM knows, by key; None if it does not answer."""
    listed = ",".join(map(_named, sorted(names)))
    said = _ask("squeue", "--noheader", "--array", "--format=%j|%K|%i|%T|%r", "--name", listed)
    if said is None:
        return None
    found = {}
    for line in said.splitlines():
        name, index, number, state, reason = (part.strip() for part in line.split("|", 4))
        key = f"{name.rpartition('-')[2]}-{index if index.isdecimal() else 0}"
        found[key] = _State(number, state, reason)
    return found


def _named(name: str) -> str:
    """Name of a job in SLURM's queue."""
    return f"lava-nbp-{name}"


def _ask(*command: str) -> str | None:
    """What a command of SLURM prints; None if it fails, or takes too long."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_ANSWER).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _reason(error: BaseException) -> str:
    """The line of sbatch that says what it does not like."""
    text = str(getattr(error, "stderr", None) or error)
    lines = [line.partition("error: ")[2] for line in text.splitlines() if "error: " in line]
    return one_line(RuntimeError("; ".join(lines))) if lines else one_line(error)
