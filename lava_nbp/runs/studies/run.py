"""A study from beginning to end."""

from __future__ import annotations

from lava_nbp.base.checks import check_flag, check_integer, check_kind, shown
from lava_nbp.base.files import AnyPath
from lava_nbp.base.progress import StudyProgress
from lava_nbp.errors import OutputError
from lava_nbp.runs.studies.folder import StudyFolder, opened
from lava_nbp.runs.studies.study import Study
from lava_nbp.runs.studies.workers import cores, run_here

#: Processes at once, at most.
_MOST_WORKERS = 1024


def run_study(
    study: Study,
    folder: AnyPath,
    *,
    workers: int | None = None,
    resume: bool = False,
    progress: StudyProgress | None = None,
) -> StudyFolder:
    """Run the trials of a study in processes of this machine; each is an ordinary run, in a folder of its own.

    A trial that fails is noted with its reason, and does not stop the others. Whatever is killed, nothing is lost:
    finished trials stay, and those under way go on bit for bit from their last epoch.

    Parameters
    ----------
    study : Study
        From `make_study` or `load_study_file`.
    folder : path
        Where it goes.
    workers : int, optional
        Processes at once; default: one per core. Each holds its libraries to its share of the cores.
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
        For arguments of another type.
    """
    check_kind(study, Study, "study")
    progress = StudyProgress() if progress is None else progress
    check_kind(progress, StudyProgress, "progress")
    n = cores() if workers is None else check_integer(workers, 1, _MOST_WORKERS, "workers")
    resume = check_flag(resume, "resume")
    try:
        with opened(folder, study, resume=resume) as there:
            there.forget_failures()
            run_here(there, n, progress)
    except OSError as error:
        raise OutputError(
            f"study in {shown(folder)}: {error.strerror or error}; use fewer workers, or choose another --out"
        ) from error
    return there
