"""What a job of a cluster does: a task of a study, on a node that sees the study's folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from lava_nbp.base.progress import Progress
from lava_nbp.runs.studies.folder import load_study
from lava_nbp.runs.studies.tasks import Task, work
from lava_nbp.runs.studies.trial import Trial


class TaskJob:
    """A task as submitit carries it to a node.

    When the job's time is over, submitit asks for `checkpoint` and puts the job back into the queue: what was begun is
    gone on with there, at its last epoch.

    Parameters
    ----------
    folder : path
        The study.
    task : Task
        What to do.
    """

    def __init__(self, folder: Path, task: Task) -> None:
        self.folder, self.order = str(folder.resolve()), task.as_order()
        # Paths of data, in configurations and in variables, may be relative to where the study was begun.
        self.place = os.getcwd()

    def __call__(self) -> None:
        """Do it. What comes of it is in the study's folder."""
        # submitit ignores it: the job would be in a run's way until the cluster kills it.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(self.place)
        work(load_study(self.folder), Task.from_order(self.order), Progress(), _unheard)

    def checkpoint(self) -> Any:
        """The same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def _unheard(trial: Trial) -> None:
    """Whoever waits for the job finds the trial in the study's folder."""
