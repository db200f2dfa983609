"""A study from beginning to end."""

from __future__ import annotations

from lava_nbp.base.checks import check_flag, check_integer, check_kind, check_name, shown
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.progress import StudyProgress
from lava_nbp.base.threads import cores
from lava_nbp.errors import OutputError
from lava_nbp.runs.studies.cluster import live_jobs, require_slurm, run_on_slurm
from lava_nbp.runs.studies.folder import StudyFolder, opened
from lava_nbp.runs.studies.optimise import begin, lost, require_optuna
from lava_nbp.runs.studies.study import Study
from lava_nbp.runs.studies.tasks import Task
from lava_nbp.runs.studies.workers import run_here
from lava_nbp.training.run import RESULT

#: Where trials run.
PLACES = ("here", "slurm")
#: Processes at once, at most.
_MOST_WORKERS = 1024


def run_study(
    study: Study,
    folder: AnyPath,
    *,
    on: str = "here",
    workers: int | None = None,
    resume: bool = False,
    progress: StudyProgress | None = None,
) -> StudyFolder:
    """Run the trials of a study, in processes of this machine or as jobs of a cluster; each is an ordinary run.

    A trial that fails is noted with its reason, and does not stop the others. Whatever is killed, nothing is lost:
    finished trials stay, and those under way go on bit for bit from their last epoch. A search looks at validation
    samples only; at its end the test set is answered once, by the trial with the largest validation accuracy.

    Parameters
    ----------
    study : Study
        From `make_study` or `load_study_file`.
    folder : path
        Where it goes.
    on : str
        "here", or "slurm": as the study's `SlurmOptions` say.
    workers : int, optional
        Processes at once; default: one per core. Each holds its libraries to its share of the cores. Of a cluster: jobs
        at once, instead of the study's `at_once`.
    resume : bool
        Go on with the study of the folder; trials that have failed are run again.
    progress : StudyProgress, optional
        Is told how it goes.

    Returns
    -------
    StudyFolder
        What `load_study` gives.

    Raises
    ------
    CheckpointError
        If the folder holds a study already and `resume` is not asked for, or another one.
    OutputError
        If the folder cannot be written, holds something else, or another process runs a study there.
    InputError
        For arguments of another type, or SLURM that is not there.
    MissingPackageError
        Without Optuna for a search, or submitit for SLURM.
    """
    check_kind(study, Study, "study")
    progress = StudyProgress() if progress is None else progress
    check_kind(progress, StudyProgress, "progress")
    check_name(on, "on", PLACES)
    if workers is not None:
        workers = check_integer(workers, 1, _MOST_WORKERS, "workers")
    resume = check_flag(resume, "resume")
    if study.search is not None:
        require_optuna()
    if on == "slurm":
        require_slurm(as_path(folder, "folder of a study"))
    try:
        with opened(folder, study, resume=resume) as there:
            alone = not live_jobs(there)
            if on == "here" and not alone:
                raise OutputError(
                    f"jobs of the study in {there.path} are still in SLURM's queue; go on with --on slurm, or cancel "
                    f"them first (scancel)"
                )
            there.forget_failures()
            tasks = _tasks(there, alone=alone)
            rest = len(tasks) if study.search is None else len(tasks) + 1  # that of the trial that it chooses
            total = len(study.trials) if study.search is None else study.search.trials + 1
            progress.begin(total, max(0, total - rest), "epochs" if on == "slurm" else "samples")
            _do(there, tasks, on, workers, progress)
            chosen = there.chosen
            if chosen is not None and not (there.run_of(chosen) / RESULT).exists():
                _do(there, [Task(chosen)], on, workers, progress)
    except OSError as error:
        raise OutputError(
            f"study in {shown(folder)}: {error.strerror or error}; use fewer workers, or choose another --out"
        ) from error
    return there


def _tasks(folder: StudyFolder, *, alone: bool) -> list[Task]:
    """What is left to be done: what was begun, what is waiting, and what a search has not asked for yet."""
    search = folder.study.search
    left = [trial for trial in folder.trials if folder.state_of(trial) in ("waiting", "begun")]
    tasks = [Task(trial, test=search is None) for trial in left]
    if search is None:
        return tasks
    begin(folder, alone=alone)
    room = max(0, search.trials - len(folder.trials))
    again = [Task(None, number, test=False) for number in (lost(folder)[:room] if alone else [])]
    return [*tasks, *again, *(Task(None, test=False) for _ in range(room - len(again)))]


def _do(folder: StudyFolder, tasks: list[Task], on: str, workers: int | None, progress: StudyProgress) -> None:
    if on == "slurm":
        run_on_slurm(folder, tasks, workers, progress)
    else:
        run_here(folder, tasks, cores() if workers is None else workers, progress)
