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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from lava_nbp.base.progress import StudyProgress
from lava_nbp.base.threads import THREADS, cores
from lava_nbp.errors import CheckpointError, OutputError
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.optimise import free_lock, lost
from lava_nbp.runs.studies.tasks import DEATHS, Task

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
    task: Task | None = None
    heard: bytes = b""


def run_here(folder: StudyFolder, tasks: Sequence[Task], workers: int, progress: StudyProgress) -> None:
    """Do tasks, and come back when none is left.

    Parameters
    ----------
    folder : StudyFolder
        Held by this process.
    tasks : sequence of Task
        What is to be done.
    workers : int
        Processes at once.
    progress : StudyProgress
        Is told how it goes.
    """
    if tasks:
        with _Pool(folder, min(workers, len(tasks)), progress).started() as pool:
            pool.run(deque(tasks))


@dataclass
class _Pool:
    folder: StudyFolder
    size: int
    progress: StudyProgress
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

    def run(self, tasks: deque[Task]) -> None:
        """Give every worker a task, and the next when it has done that, until all are done."""
        while tasks or any(worker.task for worker in self.workers):
            for worker in self.workers:
                if tasks and worker.task is None:
                    self._order(worker, tasks.popleft())
            for key, _ in self.selector.select(_LOOK):
                self._hear(key.data, tasks)
            self.progress.waiting()

    # ------------------------------------------------------------- processes

    def _start(self, number: int) -> None:
        # Modules are found where this process finds them, and not first in the folder that it happens to be in.
        code = f"import sys; sys.path[:] = {sys.path!r}; from lava_nbp.runs.studies.worker import main; main()"
        hears, says = os.pipe()
        with os.fdopen(says, "wb"), open(self._log(number), "ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, str(says), str(self.folder.path)],
                stdin=subprocess.PIPE, stdout=log, stderr=log,
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
        given = {name: os.environ.get(name, "") for name in THREADS}
        return {name: str(min(share, int(n)) if n.isdecimal() and int(n) else share) for name, n in given.items()}

    def _log(self, number: int) -> Path:
        return self.folder.path / f"worker-{number}.log"

    def _order(self, worker: _Worker, task: Task) -> None:
        worker.task = task
        self.progress.trial_begins(worker.number, task.name)
        with contextlib.suppress(BrokenPipeError):  # it has ended: that is seen when nothing more is heard of it
            stdin = _stream(worker.process.stdin)
            stdin.write(json.dumps(task.as_order()).encode() + b"\n")
            stdin.flush()

    def _hear(self, worker: _Worker, tasks: deque[Task]) -> None:
        try:
            said = os.read(worker.hears.fileno(), _PIPE)
        except BlockingIOError:  # nothing yet, after all
            return
        *lines, worker.heard = (worker.heard + said).split(b"\n")
        for line in lines:
            self._take(worker, json.loads(line))
        if not said:
            self._bury(worker, tasks)

    def _take(self, worker: _Worker, said: dict[str, Any]) -> None:
        task = worker.task
        if task is None:
            return
        if "broken" in said:
            raise CheckpointError(said["broken"])
        if "asked" in said:
            if task.trial is None:
                task.trial = next(trial for trial in self.folder.trials if trial.name == said["asked"])
                self.progress.trial_begins(worker.number, task.name)
        elif "failed" in said or "finished" in said:
            self.progress.trial_ends(worker.number, task.name, said.get("failed"))
            worker.task = None
        else:
            self.progress.trial_goes(worker.number, said.get("done"), said.get("total"), said.get("epoch"))

    def _bury(self, worker: _Worker, tasks: deque[Task]) -> None:
        """A worker has ended: its task is gone on with, unless it is what ends workers."""
        self._let_go(worker)
        code = worker.process.wait()
        self.workers.remove(worker)
        task = worker.task
        if task is not None:
            if not task.test:
                free_lock(self.folder)
                if task.trial is None and self.size == 1:  # nobody else has asked
                    task.number = next(iter(lost(self.folder)), None)
            task.deaths += 1
            if task.deaths < DEATHS:
                tasks.appendleft(task)
            else:
                self._give_up(worker.number, task, f"signal {-code}" if code < 0 else f"exit code {code}")
        if tasks:
            self._start(worker.number)

    def _give_up(self, worker: int, task: Task, how: str) -> None:
        reason = (
            f"its process ended {DEATHS} times, at last with {how}; {self._log(worker).name} may say why; if the "
            f"machine has run out of memory, use fewer workers"
        )
        if task.trial is None:
            raise OutputError(f"{self.folder.path}: {task.name} cannot be begun: {reason}")
        self.folder.note_failure(task.trial, reason)
        self.progress.trial_ends(worker, task.name, reason)

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
