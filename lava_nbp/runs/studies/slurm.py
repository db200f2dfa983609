"""How trials are jobs of a SLURM cluster, as data."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator

from lava_nbp.training.config import ConfigSection, Real

#: Names of partitions, features, accounts; what is not among these would be something else to a shell, or to SLURM.
_WORD = r"^[A-Za-z0-9_.,:&|*@+\[\]()-]{1,200}$"
#: Options of sbatch that a study says itself.
_OWN = (
    "account", "array", "chdir", "cluster-constraint", "clusters", "constraint", "cpus-per-task", "dependency", "error",
    "export", "help", "hold", "input", "job-name", "mem", "mem-per-cpu", "no-requeue", "nodes", "ntasks",
    "ntasks-per-node", "open-mode", "output", "parsable", "partition", "qos", "quiet", "requeue", "signal", "test-only",
    "time", "usage", "version", "wait", "wrap",
)  # fmt: skip

Word = Annotated[str, Field(pattern=_WORD)]


class SlurmOptions(ConfigSection):
    """The section [slurm] of a study's file.

    Attributes
    ----------
    at_once : int
        Jobs that may run at the same time (``sbatch --array=...%at_once``): of boards there are few.
    time : int
        Minutes that a job may take. Up to a minute and a half before, one that is not ready is put back into the queue,
        and goes on at its last epoch.
    memory : float
        GB of a job; None: what the cluster gives.
    cpus : int
        Cores of a job.
    partition, constraint, account, qos : str
        As sbatch has them; None: the cluster's default.
    options : dict of str
        Other options of sbatch, without the dashes in front: {"gres": "gpu:1"}.
    """

    at_once: Annotated[int, Field(ge=1, le=100_000)] = 4
    time: Annotated[int, Field(ge=3, le=527_040)] = 60
    memory: Annotated[Real, Field(gt=0, le=100_000)] | None = None
    cpus: Annotated[int, Field(ge=1, le=10_000)] = 1
    partition: Word | None = None
    constraint: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    options: dict[str, str] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _allowed(cls, options: dict[str, str]) -> dict[str, str]:
        for name, value in options.items():
            if not re.fullmatch("[a-z][a-z0-9-]{0,60}", name) or name in _OWN:
                raise ValueError(
                    f"options has {name!r}, but must have options of sbatch that the section has no key for"
                )
            if not value.isprintable() or len(value) > 200:
                raise ValueError(f"option {name} must be one line of 200 letters at most")
        return options
