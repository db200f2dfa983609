"""Trials in processes of this machine: as many at once as there are workers, each trial an ordinary run.

Nothing is kept here that is lost when the study or a worker is killed: what is finished, begun or failed is read from
the folder. A worker whose trial ends it (a crash, or the system's lack of memory) is started anew and goes on with the
trial at its last epoch.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lava_nbp.base.progress import StudyProgress
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.study import Trial

#: What holds libraries to so many threads.
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
#: So often a trial may end its worker.
_DEATHS = 3
#: How long workers may take to end in order, and how often they are asked whether they have, in seconds.
_GRACE, _LOOK = 10.0, 0.5
#: Bytes that a pipe holds.
_PIPE = 1 << 16


@dataclass
class _Worker:
    """A process that runs trials, and the one it is at."""

    number: int
    process: subprocess.Popen[bytes]
    hears: BinaryIO
    trial: Trial | None = None
    heard: bytes = b""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_here(folder: StudyFolder, workers: int, progress: StudyProgress) -> None:
    """Run all trials that are neither finished nor have failed, and come back when none is left.

    Parameters
    ----------
    folder : StudyFolder
        Held by this process.
    workers : int
        Processes at once.
    progress : StudyProgress
        Is told how it goes.
    """
    trials = [t for t in folder.study.trials if folder.state_of(t) in ("waiting", "begun")]
    progress.begin(len(folder.study.trials), len(folder.study.trials) - len(trials))
    if trials:
        with _Pool(folder, min(workers, len(trials)), progress).started() as pool:
            pool.run(deque(trials))


@dataclass
class _Pool:
    folder: StudyFolder
    size: int
    progress: StudyProgress
    deaths: dict[str, int] = field(default_factory=dict)
    workers: list[_Worker] = field(default_factory=list)
    selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)

    @contextlib.contextmanager
    def started(self) -> Iterator[_Pool]:
        """Processes that are ended with the block, however it ends."""
        try:
            for number in range(self.size):
                self._start(number)
            yield self
        finally:
            self._end()
            self.selector.close()

    def run(self, trials: deque[Trial]) -> None:
        """Give every worker a trial, and the next when it has done that, until all are done."""
        while trials or any(worker.trial for worker in self.workers):
            for worker in self.workers:
                if trials and worker.trial is None:
                    self._order(worker, trials.popleft())
            for key, _ in self.selector.select(_LOOK):
                self._hear(key.data, trials)
            self.progress.waiting()

    # ------------------------------------------------------------- processes

    def _start(self, number: int) -> None:
        # Modules are found where this process finds them, and not first in the folder that it happens to be in.
        code = f"import sys; sys.path[:] = {sys.path!r}; from lava_nbp.runs.studies.worker import main; main()"
        hears, says = os.pipe()
        with os.fdopen(says, "wb"), open(self._log(number), "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(says)], stdin=subprocess.PIPE, stdout=log, stderr=log,
                pass_fds=(says,), env={**os.environ, **self._threads()},
                start_new_session=True,  # Ctrl-C comes to this process alone, which ends the workers
            )  # fmt: skip
        os.set_blocking(hears, False)
        worker = _Worker(number, process, os.fdopen(hears, "rb", buffering=0))
        self.workers.insert(number, worker)
        self.selector.register(worker.hears, selectors.EVENT_READ, worker)

    def _threads(self) -> dict[str, str]:
        """Environment variables that hold libraries to a worker's share of the cores, or to less if they do already."""
        share = max(1, cores() // self.size)
        given = {name: os.environ.get(name, "") for name in _THREADS}
        return {name: str(min(share, int(n)) if n.isdecimal() and int(n) else share) for name, n in given.items()}

    def _log(self, number: int) -> Path:
        return self.folder.path / f"worker-{number}.log"

    def _order(self, worker: _Worker, trial: Trial) -> None:
        worker.trial = trial
        order = {"name": trial.name, "folder": str(self.folder.run_of(trial)), "content": trial.content}
        self.progress.trial_begins(worker.number, trial.name)
        with contextlib.suppress(BrokenPipeError):  # it has ended: that is seen when nothing more is heard of it
            stdin = _stream(worker.process.stdin)
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()

    def _hear(self, worker: _Worker, trials: deque[Trial]) -> None:
        try:
            said = os.read(worker.hears.fileno(), _PIPE)
        except BlockingIOError:  # nothing yet, after all
            return
        *lines, worker.heard = (worker.heard + said).split(b"\n")
        for line in lines:
            self._take(worker, json.loads(line))
        if not said:
            self._bury(worker, trials)

    def _take(self, worker: _Worker, said: dict[str, Any]) -> None:
        trial = worker.trial
        if trial is None:
            return
        if "failed" in said:
            self.folder.note_failure(trial, said["failed"])
            self.progress.trial_ends(worker.number, trial.name, said["failed"])
            worker.trial = None
        elif "finished" in said:
            self.progress.trial_ends(worker.number, trial.name, None)
            worker.trial = None
        else:
            self.progress.trial_goes(worker.number, said.get("done"), said.get("total"), said.get("epoch"))

    def _bury(self, worker: _Worker, trials: deque[Trial]) -> None:
        """A worker has ended: its trial is gone on with, unless it is what ends workers."""
        self._let_go(worker)
        code = worker.process.wait()
        self.workers.remove(worker)
        trial = worker.trial
        if trial is not None:
            self.deaths[trial.name] = self.deaths.get(trial.name, 0) + 1
            if self.deaths[trial.name] < _DEATHS:
                trials.appendleft(trial)
            else:
                how = f"signal {-code}" if code < 0 else f"exit code {code}"
                reason = (
                    f"its process ended {_DEATHS} times, at last with {how}; {self._log(worker.number).name} may say "
                    f"why; if the machine has run out of memory, use fewer workers"
                )
                self.folder.note_failure(trial, reason)
                self.progress.trial_ends(worker.number, trial.name, reason)
        if trials:
            self._start(worker.number)

    def _let_go(self, worker: _Worker) -> None:
        with contextlib.suppress(KeyError, ValueError):  # done already
            self.selector.unregister(worker.hears)
        for stream in (_stream(worker.process.stdin), worker.hears):
            with contextlib.suppress(OSError):
                stream.close()

    def _end(self) -> None:
        """End all workers in order: they leave their trials at the last epoch; kill those that do not."""
        for worker in self.workers:
            self._let_go(worker)
        deadline = time.monotonic() + _GRACE
        try:
            for worker in self.workers:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.process.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also if somebody does not want to wait
            for worker in self.workers:
                worker.process.kill()
                worker.process.wait()
        self.workers.clear()
        for log in self.folder.path.glob("worker-*.log"):
            if not log.stat().st_size:
                log.unlink()


def _stream(stream: Any) -> BinaryIO:
    found: BinaryIO = stream
    return found
