"""What a process does for a study, here or on a node of a cluster: one trial, which of a search it asks for itself."""

from __future__ import annotations

import secrets
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from lava_nbp.base.checks import one_line
from lava_nbp.base.locks import FolderHeldError
from lava_nbp.base.progress import Progress
from lava_nbp.errors import LavaNBPError
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.optimise import ask, judge
from lava_nbp.runs.studies.trial import Trial
from lava_nbp.runs.train import train
from lava_nbp.training.config import parse_config

#: So often a process that does a task may end.
DEATHS = 3
#: How long to wait for another process to leave a run, and how often to look, in seconds.
_HELD, _LOOK = 60.0, 0.25


@dataclass
class Task:
    """What is to be done.

    Attributes
    ----------
    trial : Trial or None
        What to run; None: what the search proposes.
    number : int or None
        With no trial: the number under which a process asked that has ended since; None: a new one.
    test : bool
        Look at the test set: of a search only the trial that was chosen does.
    key : str
        Who does it: what a process has asked for that was killed, or whose time was over, is found by this.
    deaths : int
        How often a process that did it has ended.
    """

    trial: Trial | None
    number: int | None = None
    test: bool = True
    key: str = field(default_factory=lambda: secrets.token_hex(6))
    deaths: int = 0

    @property
    def name(self) -> str:
        """For people."""
        return "a new trial" if self.trial is None else self.trial.name

    def as_order(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_order(cls, order: dict[str, Any]) -> Task:
        """From JSON."""
        return cls(**{**order, "trial": None if order["trial"] is None else Trial(**order["trial"])})


class Broken(LavaNBPError):
    """Not a trial has failed: the study cannot go on."""


def work(folder: StudyFolder, task: Task, progress: Progress, asked: Callable[[Trial], None]) -> str | None:
    """Do a task; if the trial fails, note why in the study's folder, and say it.

    Parameters
    ----------
    folder : StudyFolder
        Where the study is.
    task : Task
        What to do.
    progress : Progress
        Is told how the training goes.
    asked : callable
        Is told the trial that a search proposes.

    Raises
    ------
    Broken
        If the search cannot be asked.
    """
    trial = task.trial
    if not task.test:
        try:
            trial = ask(folder, task)
        except LavaNBPError as error:
            raise Broken(str(error)) from error
        asked(trial)
    assert trial is not None  # whoever makes a task of an ordinary study says which trial
    try:
        if task.test:
            _train(folder, trial, progress, test=True)
        else:
            judge(folder, trial, progress, lambda watched: _train(folder, trial, watched, test=False))
    except LavaNBPError as error:
        reason = str(error)
    except BrokenPipeError:  # nobody listens any more
        raise
    except Exception as error:
        traceback.print_exc()
        reason = f"{type(error).__name__}: {one_line(error)}"
    else:
        return None
    folder.note_failure(trial, reason)
    return reason


def _train(folder: StudyFolder, trial: Trial, progress: Progress, *, test: bool) -> None:
    experiment, deadline = parse_config(trial.content, trial.name), time.monotonic() + _HELD
    while True:
        try:
            train(experiment, folder.run_of(trial), resume=True, test=test, progress=progress)
            return
        except FolderHeldError:  # by a process of a study that was killed, which is about to end
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK)
