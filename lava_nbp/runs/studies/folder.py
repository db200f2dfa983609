"""A study's folder: its trials, each an ordinary run, and what became of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lava_nbp.base.checks import check_name
from lava_nbp.base.content import problem, read_json
from lava_nbp.base.files import AnyPath, as_path, make_folder, remove_leftovers, write_atomically
from lava_nbp.base.html import html_table
from lava_nbp.base.locks import locked
from lava_nbp.errors import CheckpointError, OutputError, Unreadable
from lava_nbp.runs.studies.measures import MEASURES, measured
from lava_nbp.runs.studies.study import Study, Trial
from lava_nbp.training.checkpoint import CHECKPOINT
from lava_nbp.training.config import flatten
from lava_nbp.training.run import load_result

#: Files and folders inside a study's folder.
STUDY, TRIALS, FAILED = "study.json", "trials", "failed"
_VERSION = 1
State = Literal["finished", "failed", "begun", "waiting"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _StoredTrial(_Strict):
    name: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9_.-]{0,79}$")]
    settings: dict[str, Any]
    content: dict[str, Any]


class _Stored(_Strict):
    version: Literal[1]
    name: str
    objective: str
    trials: Annotated[list[_StoredTrial], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> _Stored:
        check_name(self.objective, "objective", MEASURES)
        if any(trial.settings.keys() != self.trials[0].settings.keys() for trial in self.trials):
            raise ValueError("its trials have different keys that vary")
        return self


class _Failure(_Strict):
    reason: str


class StudyFolder:
    """A study and its folder.

    Attributes
    ----------
    path : path
        Where it is.
    study : Study
        What it is of.
    """

    def __init__(self, path: Path, study: Study) -> None:
        self.path, self.study = path, study

    def run_of(self, trial: Trial) -> Path:
        """The folder of a trial's run."""
        return self.path / TRIALS / trial.name

    def state_of(self, trial: Trial) -> State:
        """What became of a trial so far."""
        run = self.run_of(trial)
        with contextlib.suppress(CheckpointError):  # of a damaged one: made again
            load_result(run)
            return "finished"
        if self._failure_of(trial).exists():
            return "failed"
        return "begun" if (run / CHECKPOINT).exists() else "waiting"

    def reason_of(self, trial: Trial) -> str:
        """Why a trial has failed, in a line.

        Raises
        ------
        CheckpointError
            If what was noted cannot be read.
        """
        path = self._failure_of(trial)
        try:
            return _Failure.model_validate(read_json(path)).reason
        except (Unreadable, ValidationError) as error:
            raise CheckpointError(f"{path} cannot be read ({error}); remove it, and --resume runs the trial") from None

    def note_failure(self, trial: Trial, reason: str) -> None:
        """Keep why a trial has failed."""
        make_folder(self.path / FAILED)
        plain = " ".join(reason.encode("utf-8", "backslashreplace").decode().split())
        write_atomically(self._failure_of(trial), (json.dumps({"reason": plain}) + "\n").encode())

    def forget_failures(self) -> None:
        """All trials that have failed are to be run again."""
        for trial in self.study.trials:
            with contextlib.suppress(FileNotFoundError):
                self._failure_of(trial).unlink()

    def _failure_of(self, trial: Trial) -> Path:
        return self.path / FAILED / f"{trial.name}.json"

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """A row per trial: `trial`, `state`, the keys that vary, `seed`, and what was measured; None where it was not.

        Raises
        ------
        CheckpointError
            For a finished run that cannot be read.
        """
        rows = []
        for trial in self.study.trials:
            state = self.state_of(trial)
            row: dict[str, Any] = {"trial": trial.name, "state": state, **trial.settings}
            row.setdefault("seed", trial.experiment.seed)
            if state == "finished":
                row |= measured(self.run_of(trial))
            row["reason"] = self.reason_of(trial) if state == "failed" else None
            rows.append(row)
        return rows

    def _repr_html_(self) -> str:
        """The trials, in notebooks."""
        keys = ["trial", "state", *self.study.keys, self.study.objective]
        rows = [["" if row.get(key) is None else row[key] for key in keys] for row in self.rows]
        return html_table(f"study {self.study.name}", keys, rows)


@contextlib.contextmanager
def opened(path: AnyPath, study: Study, *, resume: bool) -> Iterator[StudyFolder]:
    """Hold a folder, in which a study is begun, or gone on with: one process at a time runs a study.

    Raises
    ------
    CheckpointError
        If there is a study already, and it is not to be gone on with, or is another one.
    OutputError
        If the folder cannot be written, holds something else, or another process runs a study there.
    """
    path = as_path(path, "folder of a study")
    if not path.is_dir():
        make_folder(path)
    with locked(path, "study"):
        if (path / STUDY).exists():
            if not resume:
                raise CheckpointError(
                    f"{path} holds a study already; go on with it (--resume), or choose another --out"
                )
            _check_same(load_study(path).study, study, path)
        elif any(not entry.name.startswith(f".{STUDY}.") for entry in path.iterdir()):
            raise OutputError(f"{path} is not empty, and holds no study; choose another --out")
        else:
            _begin(path, study)
        remove_leftovers(path, (STUDY,))
        yield StudyFolder(path, study)


def _begin(path: Path, study: Study) -> None:
    stored = {
        "version": _VERSION,
        "name": study.name,
        "objective": study.objective,
        "trials": [{"name": t.name, "settings": t.settings, "content": t.content} for t in study.trials],
    }
    make_folder(path)
    write_atomically(path / STUDY, (json.dumps(stored, indent=1) + "\n").encode())


def load_study(path: AnyPath) -> StudyFolder:
    """The study of a folder, finished or not.

    Raises
    ------
    CheckpointError
        If there is none, or it cannot be read.
    """
    path = as_path(path, "folder of a study")
    try:
        stored = _Stored.model_validate(read_json(path / STUDY))
    except Unreadable as error:
        raise CheckpointError(
            f"{path / STUDY} cannot be read ({error}), so {path} is no study; give the folder that lava-nbp study wrote"
        ) from None
    except ValidationError as error:
        raise CheckpointError(f"{path / STUDY} holds what no study writes: {problem(error)}") from None
    trials = tuple(Trial(k, t.name, t.settings, t.content) for k, t in enumerate(stored.trials))
    return StudyFolder(path, Study(stored.name, stored.objective, trials))


def _check_same(there: Study, here: Study, path: Path) -> None:
    """Raise CheckpointError, with what differs, unless both are the same study."""
    if there == here:
        return
    what = f"{path / STUDY} is of another study"
    cure = "resume with the same file, or choose another --out"
    if len(there.trials) != len(here.trials):
        raise CheckpointError(f"{what}: it has {len(there.trials)} trials, this one {len(here.trials)}; {cure}")
    for old, new in zip(there.trials, here.trials, strict=True):
        before, now = flatten(old.content), flatten(new.content)
        for key in {**before, **now}:
            if before.get(key) != now.get(key):
                raise CheckpointError(
                    f"{what}: in its trial {old.name} {key} = {before.get(key)!r}, here {now.get(key)!r}; {cure}"
                )
        if old != new:
            raise CheckpointError(f"{what}: its trial {old.name} has {old.settings}, here {new.settings}; {cure}")
    for said, its, this in (("name", there.name, here.name), ("objective", there.objective, here.objective)):
        if its != this:
            raise CheckpointError(f"{what}: its {said} is {its!r}, here {this!r}; {cure}")
