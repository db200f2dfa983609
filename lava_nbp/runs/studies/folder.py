"""A study's folder: its trials, each an ordinary run, and what became of them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lava_nbp.base.checks import check_name, one_line
from lava_nbp.base.content import problem, read_json
from lava_nbp.base.files import AnyPath, as_path, make_folder, remove_leftovers, write_atomically
from lava_nbp.base.frames import frame_of
from lava_nbp.base.html import html_table
from lava_nbp.base.locks import locked
from lava_nbp.errors import CheckpointError, ConfigError, InputError, OutputError, Unreadable
from lava_nbp.runs.studies.measures import MEASURES, best_validated, measured, validated
from lava_nbp.runs.studies.search import Search, SearchSection, make_search
from lava_nbp.runs.studies.study import Study
from lava_nbp.runs.studies.trial import Trial
from lava_nbp.training.checkpoint import CHECKPOINT
from lava_nbp.training.config import flatten
from lava_nbp.training.run import METRICS, RESULT, load_result

#: Files and folders inside a study's folder.
STUDY, TRIALS, FAILED = "study.json", "trials", "failed"
#: Of a search: what its trials are, and what came of them.
ASKED, SEEN = "asked", "seen"
_VERSION = 1
State = Literal["finished", "pruned", "failed", "begun", "waiting"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _StoredTrial(_Strict):
    name: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9_.-]{0,79}$")]
    settings: dict[str, Any]
    content: dict[str, Any]


class _StoredSearch(SearchSection):
    space: dict[str, Any]
    content: dict[str, Any]


class _Stored(_Strict):
    version: Literal[1]
    name: str
    objective: str
    trials: list[_StoredTrial]
    search: _StoredSearch | None = None

    @model_validator(mode="after")
    def _consistent(self) -> _Stored:
        check_name(self.objective, "objective", MEASURES)
        if bool(self.trials) is (self.search is not None):
            raise ValueError("it must have trials, or be a search")
        if any(trial.settings.keys() != self.trials[0].settings.keys() for trial in self.trials):
            raise ValueError("its trials have different keys that vary")
        return self


class _Failure(_Strict):
    reason: str


class _Asked(_StoredTrial):
    number: Annotated[int, Field(ge=0)]
    key: str


class _Seen(_Strict):
    pruned: bool


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
        self._asked: dict[str, _Asked] = {}

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What is to be run; of a search those that it has asked for so far.

        Raises
        ------
        CheckpointError
            For what a search has asked for, and cannot be read.
        """
        if self.study.search is None:
            return self.study.trials
        found = [Trial(a.number, a.name, a.settings, a.content) for a in self._read_asked()]
        return tuple(sorted(found, key=lambda trial: trial.number))

    def _read_asked(self) -> list[_Asked]:
        folder = self.path / ASKED
        for path in folder.glob("[0-9]*.json") if folder.is_dir() else ():
            if path.name in self._asked:
                continue
            try:
                self._asked[path.name] = _Asked.model_validate(read_json(path))
            except (Unreadable, ValidationError) as error:
                raise CheckpointError(
                    f"{path} cannot be read ({one_line(error)}); remove it, and --resume asks for the trial again"
                ) from None
        return list(self._asked.values())

    def note_asked(self, trial: Trial, key: str) -> None:
        """Keep what a search has asked for, and whose task it is."""
        stored = {**_stored_trial(trial), "number": trial.number, "key": key}
        make_folder(self.path / ASKED)
        write_atomically(self.path / ASKED / f"{trial.name}.json", (json.dumps(stored) + "\n").encode())

    def asked_by(self, key: str) -> Trial | None:
        """The trial of a search that somebody has asked for."""
        found = {a.name for a in self._read_asked() if a.key == key}
        return next((trial for trial in self.trials if trial.name in found), None)

    def note_seen(self, trial: Trial, *, pruned: bool) -> None:
        """Keep that a trial of a search has come to its end, or was given up."""
        make_folder(self.path / SEEN)
        write_atomically(self._seen_of(trial), (json.dumps({"pruned": pruned}) + "\n").encode())

    def _pruned(self, trial: Trial) -> bool | None:
        """Whether a trial of a search was given up; None: it has not come to its end, or what was noted is damaged."""
        if not (self.run_of(trial) / METRICS).exists():
            return None
        try:
            return _Seen.model_validate(read_json(self._seen_of(trial))).pruned
        except (Unreadable, ValidationError):
            return None

    def _seen_of(self, trial: Trial) -> Path:
        return self.path / SEEN / f"{trial.name}.json"

    @property
    def chosen(self) -> Trial | None:
        """Of a search the trial with the largest validation accuracy, the first of equals; None while there is none."""
        if self.study.search is None:
            return None
        through = [t for t in self.trials if self._pruned(t) is False or (self.run_of(t) / RESULT).exists()]
        found = [(trial, self._reached(trial)) for trial in through]
        return max(found, key=lambda pair: (pair[1], -pair[0].number))[0] if found else None

    def _validated(self, trial: Trial) -> dict[str, Any]:
        return validated(self.run_of(trial), trial.experiment)

    def _reached(self, trial: Trial) -> float:
        """What the search looks for the largest of."""
        experiment = trial.experiment
        return float(best_validated(self.run_of(trial), experiment)[f"validation_{experiment.compared_by}"])

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
        pruned = self._pruned(trial)
        if pruned is not None:
            return "pruned" if pruned else "finished"
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
        for trial in self.trials:
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
        for trial in self.trials:
            state = self.state_of(trial)
            row: dict[str, Any] = {"trial": trial.name, "state": state, **trial.settings}
            row.setdefault("seed", trial.content.get("seed", 0))  # one that has failed may be no experiment
            if state in ("finished", "pruned"):
                run = self.run_of(trial)
                row |= measured(run) if (run / RESULT).exists() else self._validated(trial)
            row["reason"] = self.reason_of(trial) if state == "failed" else None
            rows.append(row)
        return rows

    def frame(self) -> Any:
        """The rows as a pandas.DataFrame.

        Raises
        ------
        MissingPackageError
            Without pandas (the extra frames).
        """
        return frame_of(self.rows)

    def _repr_html_(self) -> str:
        """The trials, in notebooks."""
        keys = ["trial", "state", *self.study.keys, self.study.objective]
        keys += [] if self.study.search is None else ["accuracy"]
        rows = [[row.get(key) for key in keys] for row in self.rows]
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
    there = path.is_dir()
    if not there:
        make_folder(path)
    with locked(path, "study"):
        new = not (path / STUDY).exists()
        if not new:
            if not resume:
                raise CheckpointError(
                    f"{path} holds a study already; go on with it (--resume), or choose another --out"
                )
            before = load_study(path).study
            _check_same(before, study, path)
            if before != study:  # a search that is given more trials
                _write(path, study)
        elif any(not entry.name.startswith(f".{STUDY}.") for entry in path.iterdir()):
            raise OutputError(f"{path} is not empty, and holds no study; choose another --out")
        else:
            _write(path, study)
        remove_leftovers(path, (STUDY,))
        try:
            yield StudyFolder(path, study)
        except InputError:
            if new and not (path / TRIALS).exists():  # nothing was begun, so nothing stays
                _remove(path, whole=not there)
            raise


def _remove(path: Path, *, whole: bool) -> None:
    for entry in path.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    if whole:
        path.rmdir()


def _stored_trial(trial: Trial) -> dict[str, Any]:
    return {"name": trial.name, "settings": trial.settings, "content": trial.content}


def _write(path: Path, study: Study) -> None:
    stored = {
        "version": _VERSION,
        "name": study.name,
        "objective": study.objective,
        "trials": [_stored_trial(trial) for trial in study.trials],
        "search": None if study.search is None else study.search.as_dict(),
    }
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
    return StudyFolder(path, Study(stored.name, stored.objective, trials, _search(stored.search, path)))


def _search(stored: _StoredSearch | None, path: Path) -> Search | None:
    if stored is None:
        return None
    try:
        return make_search(stored.model_dump(exclude={"space", "content"}), stored.content, stored.space)
    except ConfigError as error:
        raise CheckpointError(f"{path / STUDY} holds a search that is none: {error}") from None


def _check_same(there: Study, here: Study, path: Path) -> None:
    """Raise CheckpointError, with what differs, unless both are the same study."""
    what = f"{path / STUDY} is of another study"
    cure = "resume with the same file, or choose another --out"
    if there.search is not None or here.search is not None:
        _check_same_search(there.search, here.search, what, cure)
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


def _check_same_search(there: Search | None, here: Search | None, what: str, cure: str) -> None:
    if there is None or here is None:
        kinds = ["no search" if search is None else "a search" for search in (there, here)]
        raise CheckpointError(f"{what}: it is {kinds[0]}, this one {kinds[1]}; {cure}")
    before, now = ({k: v for k, v in flatten(s.as_dict()).items() if k != "trials"} for s in (there, here))
    for key in {**before, **now}:
        if before.get(key) != now.get(key):
            raise CheckpointError(f"{what}: in it {key} = {before.get(key)!r}, here {now.get(key)!r}; {cure}")
