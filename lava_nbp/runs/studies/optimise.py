"""The search for settings: Optuna proposes, its journal file remembers, and whoever runs a trial tells it every epoch.

Nothing is kept in a process: as many as there are, on as many nodes, ask the same journal, and one that is killed is
missed by nobody. A trial's proposal depends on the search's seed, the trial's number and what was known when it was
asked for; so with one worker a search that was interrupted proposes what it would have proposed.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_nbp.base.checks import check_kind, one_line
from lava_nbp.base.extras import require
from lava_nbp.base.progress import PassedOn, Progress
from lava_nbp.errors import CheckpointError, InputError, LavaNBPError
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.measures import history_of
from lava_nbp.runs.studies.search import Between, Choice, Search
from lava_nbp.runs.studies.trial import Trial
from lava_nbp.training.run import METRICS

if TYPE_CHECKING:
    from lava_nbp.runs.studies.tasks import Task

#: File of Optuna's in a study's folder.
JOURNAL = "search.journal"
#: Attribute of Optuna's trials that says whose task they are.
_KEY = "key"
#: Seconds for which no process of this machine holds the journal's lock.
_HOLD = 1.0


class _Pruned(Exception):
    """A trial is given up."""


def require_optuna() -> Any:
    """Import Optuna; raise MissingPackageError, with the command that helps, if it is not there."""
    optuna = require("optuna", "search", "a search")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def begin(folder: StudyFolder, *, alone: bool) -> None:
    """Begin the journal, or, if nobody else is at it, put one in order that processes which were killed have left."""
    there = (folder.path / JOURNAL).exists()
    if alone and there:
        _mend(folder)
    optuna, known = require_optuna(), [trial.number for trial in folder.trials]
    with _told(folder):
        study = optuna.create_study(
            storage=_storage(folder), study_name=folder.study.name, direction="maximize", load_if_exists=True
        )
        told = len(study.get_trials(deepcopy=False))
    if known and max(known) >= told:
        if not there:
            (folder.path / JOURNAL).unlink()
        raise CheckpointError(
            f"{folder.path / JOURNAL} has {told} trials, but {folder.path} has number {max(known)}: it is not this "
            f"search's, or was lost; restore it from a backup, or choose another --out"
        )


def free_lock(folder: StudyFolder) -> None:
    """A process here has been killed: if it held the journal's lock, nobody should wait for it. Takes a second then.

    Optuna's own lock is let go after half a minute, for want of a way to know; a living process of this machine holds
    it for milliseconds.
    """
    lock = folder.path / f"{JOURNAL}.lock"
    with contextlib.suppress(FileNotFoundError):
        before = lock.lstat()
        time.sleep(_HOLD)
        now = lock.lstat()
        if (before.st_ino, before.st_mtime_ns) == (now.st_ino, now.st_mtime_ns):
            lock.unlink()


def lost(folder: StudyFolder) -> list[int]:
    """Numbers under which was asked, but nobody knows for what: their processes were killed just then."""
    known = {trial.number for trial in folder.trials}
    with _told(folder):
        return [trial.number for trial in _load(folder).get_trials(deepcopy=False) if trial.number not in known]


def ask(folder: StudyFolder, task: Task) -> Trial:
    """The trial of a task: its own, or what the search proposes now, noted in the study's folder.

    A task that was begun before, by a process that was killed or a job whose time was over, gets the trial of then.

    Raises
    ------
    CheckpointError
        If the journal cannot be used.
    """
    trial = task.trial or folder.asked_by(task.key)
    if trial is not None:
        return trial
    search = _search(folder)
    with _told(folder):
        study = _load(folder)
        number = task.number if task.number is not None else _number(study, task.key)
        if number is None:
            asked = study.ask()
            asked.set_user_attr(_KEY, task.key)
        else:
            asked = _trial(study, number)
        settings = {key: _suggested(asked, key, choice) for key, choice in search.choices.items()}
    trial = search.trial(asked.number, settings)
    folder.note_asked(trial, task.key)
    return trial


def number_of(folder: StudyFolder, key: str) -> int | None:
    """The number under which somebody has asked; None: nobody of that key has."""
    with _told(folder):
        return _number(_load(folder), key)


def _number(study: Any, key: str) -> int | None:
    return next((t.number for t in study.get_trials(deepcopy=False) if t.user_attrs.get(_KEY) == key), None)


def judge(folder: StudyFolder, trial: Trial, progress: Progress, run: Callable[[Progress], None]) -> None:
    """Run a trial and tell the search every epoch's validation accuracy, and how it ends; give it up if it says so.

    Raises
    ------
    CheckpointError
        If the journal cannot be used.
    """
    optuna, watched, pruned = require_optuna(), _Judge(folder, trial, progress), False
    if watched.is_told:  # how it has ended is in the journal already, but it was not noted, or its run was lost
        pruned = watched.was_pruned and watched.catch_up()
        if not pruned:
            run(progress)
    else:
        try:
            run(watched)
        except _Pruned:
            pruned = True
        with _told(folder):
            state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
            # A trial that is given up is worth what its last epoch was, which Optuna takes from what it was told.
            watched.study.tell(trial.number, None if pruned else watched.best, state=state)
    folder.note_seen(trial, pruned=pruned)


class _Judge(PassedOn):
    """Tells the search, and somebody else, how a trial goes."""

    def __init__(self, folder: StudyFolder, trial: Trial, shown: Progress) -> None:
        super().__init__(shown)
        self._folder = folder
        self._key = f"validation_{trial.experiment.compared_by}"
        self._epochs, self._run = trial.experiment.epochs, folder.run_of(trial)
        self._last = 0  # epoch that the run itself has finished
        with _told(folder):
            self.study = _load(folder)
            frozen = next(t for t in self.study.get_trials(deepcopy=False) if t.number == trial.number)
            self.is_told, self.was_pruned = frozen.state.is_finished(), frozen.state.name == "PRUNED"
            self._trial = None if self.is_told else _trial(self.study, trial.number)
            self._known: dict[int, float] = dict(frozen.intermediate_values)

    @property
    def best(self) -> float:
        """The largest validation accuracy so far."""
        return max(self._known.values())

    def catch_up(self) -> bool:
        """Tell what a process that was killed has not told; whether the run has all that the search knows of it."""
        if (self._run / METRICS).exists():
            for record in history_of(self._run):
                self._report(record)
        return self._last >= max(self._known, default=0)

    def check(self) -> None:
        """Raise if the trial is to be given up. One that is through is not, nor one whose run has been lost in part."""
        if not max(self._known, default=0) <= self._last < self._epochs or self._trial is None or not self._last:
            return
        with _told(self._folder):
            given_up = self._trial.should_prune()
        if given_up:
            raise _Pruned

    def _report(self, record: Mapping[str, Any]) -> None:
        self._last = epoch = record["epoch"]
        if epoch not in self._known and self._trial is not None:
            value = float(record[self._key])
            with _told(self._folder):
                self._trial.report(value, epoch)
            self._known[epoch] = value

    def start(self, epochs: int, samples: int, done: int) -> None:
        """See `Progress`."""
        super().start(epochs, samples, done)
        self.catch_up()  # now the metrics have every epoch of the checkpoint
        self.check()

    def epoch(self, record: dict[str, Any]) -> None:
        """See `Progress`."""
        super().epoch(record)
        self._report(record)
        self.check()


def importances(folder: StudyFolder) -> dict[str, float]:
    """How much of what validation accuracies differ by is due to each key, as Optuna estimates it; the largest first.

    Shares of 1, of its default evaluator (PED-ANOVA). Empty while there are too few finished trials to say.

    Raises
    ------
    InputError
        For a study that is no search.
    MissingPackageError
        Without Optuna.
    CheckpointError
        If the journal cannot be used.
    """
    check_kind(folder, StudyFolder, "study")
    if folder.study.search is None:
        raise InputError(f"study {folder.study.name} is no search, so nothing is known of its keys; give a search")
    optuna = require_optuna()
    with _told(folder):
        study = _load(folder)
        finished = [t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE]
        if len(finished) < 2 or len({trial.value for trial in finished}) < 2:
            return {}
        found = optuna.importance.get_param_importances(study)
    return {key: float(value) for key, value in found.items() if np.isfinite(value)}


# -------------------------------------------------------------------- Optuna


def _search(folder: StudyFolder) -> Search:
    assert folder.study.search is not None
    return folder.study.search


def _path(folder: StudyFolder) -> str:
    """Of the journal, from the root on: Optuna's lock is a link to it, from another folder than a process may be in."""
    return str(folder.path.resolve() / JOURNAL)


def _storage(folder: StudyFolder) -> Any:
    journal = require_optuna().storages.journal
    return require_optuna().storages.JournalStorage(journal.JournalFileBackend(_path(folder)))


def _load(folder: StudyFolder) -> Any:
    optuna, search = require_optuna(), _search(folder)
    pruner = (
        optuna.pruners.MedianPruner(n_startup_trials=search.startup, n_warmup_steps=search.warmup)
        if search.prune
        else optuna.pruners.NopPruner()
    )
    return optuna.load_study(
        storage=_storage(folder), study_name=folder.study.name, sampler=_sampler(search), pruner=pruner
    )


def _trial(study: Any, number: int) -> Any:
    """The trial of a number, to go on with."""
    (found,) = (trial for trial in study.get_trials(deepcopy=False) if trial.number == number)
    return require_optuna().trial.Trial(study, found._trial_id)


def _sampler(search: Search) -> Any:
    """Optuna's TPE, which for every trial draws from numbers of its own."""
    optuna = require_optuna()

    class Numbered(optuna.samplers.BaseSampler):  # type: ignore[name-defined, misc]
        def before_trial(self, study: Any, trial: Any) -> None:
            seed = int(np.random.SeedSequence([search.seed, trial.number]).generate_state(1)[0])
            with warnings.catch_warnings():  # of what Optuna may change one day
                warnings.simplefilter("ignore")
                self.tpe = optuna.samplers.TPESampler(n_startup_trials=search.startup, seed=seed)
            self.tpe.before_trial(study, trial)

        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
            return dict(self.tpe.infer_relative_search_space(study, trial))

        def sample_relative(self, study: Any, trial: Any, search_space: dict[str, Any]) -> dict[str, Any]:
            return dict(self.tpe.sample_relative(study, trial, search_space))

        def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
            return self.tpe.sample_independent(study, trial, param_name, param_distribution)

    return Numbered()


def _suggested(asked: Any, key: str, choice: Choice | Between) -> Any:
    if isinstance(choice, Choice):
        names = choice.names
        return choice.values[names.index(asked.suggest_categorical(key, names))]
    if choice.whole:
        step = 1 if choice.step is None else choice.step
        return int(asked.suggest_int(key, choice.low, choice.high, step=step, log=choice.log))
    return float(asked.suggest_float(key, choice.low, choice.high, step=choice.step, log=choice.log))


def _mend(folder: StudyFolder) -> None:
    """A process that was killed may have left a lock, or half a line."""
    path = folder.path / JOURNAL
    for left in folder.path.glob(f"{JOURNAL}.lock*"):
        with contextlib.suppress(FileNotFoundError):
            left.unlink()
    with _told(folder), open(path, "r+b") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            file.flush()
            os.fsync(file.fileno())


@contextlib.contextmanager
def _told(folder: StudyFolder) -> Iterator[None]:
    """What Optuna has against the journal, as one line."""
    try:
        yield
    except LavaNBPError:
        raise
    except Exception as error:  # Optuna trusts its journal: whatever is wrong there shows in some way
        raise CheckpointError(
            f"{folder.path / JOURNAL} cannot be used: {one_line(error)}; restore it from a backup, or choose another "
            f"--out"
        ) from error
