"""A plan of what is in a file or folder: an experiment, a run, or a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lava_nbp.base.checks import check_flag, check_sequence
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.registry import resolve
from lava_nbp.errors import InputError
from lava_nbp.loihi.plan import Plan, make_plan
from lava_nbp.nbp.circuit_file import SUFFIX, load_circuit
from lava_nbp.training.algorithms import ALGORITHMS
from lava_nbp.training.config import load_config
from lava_nbp.training.planned import Planned, planned_circuit
from lava_nbp.training.run import load_run


def plan_of(
    source: AnyPath,
    board: str,
    placement: str = "auto",
    *,
    inference: bool | None = None,
    settings: Sequence[str] = (),
    stage: Stage = untold,
) -> tuple[Plan, tuple[str, ...]]:
    """The plan of a file or folder, and what its reader should know, in lines.

    Parameters
    ----------
    source : path
        An experiment (.toml), the folder of a run, or a circuit (.json).
    board, placement : str
        As for `make_plan`.
    inference : bool, optional
        Plan what only answers, or what learns; by default of nBP what learns, of EventProp what answers.
    settings : sequence of str
        Keys of an experiment to change, "key=value".
    stage : Stage
        Is told of the samples whose spikes are counted.

    Raises
    ------
    InputError
        For settings of something else than an experiment, networks that have no plan, or that chips do not have.
    LavaNBPError
        For a file or run that cannot be used.
    """
    if inference is not None:
        check_flag(inference, "inference")
    settings = check_sequence(settings, "settings", "they are texts, key=value")
    found = _found(source, settings, inference, stage)
    return make_plan(found.network, board, placement, found.activity), found.notes


def _found(source: AnyPath, settings: Sequence[str], inference: bool | None, stage: Stage) -> Planned:
    path = as_path(source, "what to plan")
    circuit, folder = path.name.endswith(SUFFIX), path.is_dir()
    if settings and (circuit or folder):
        kind = "run" if folder else "circuit"
        raise InputError(f"--set {settings[0]} changes an experiment, but {path} is a {kind}; leave it out")
    if circuit and not folder:
        return planned_circuit(load_circuit(path), bool(inference))
    run = load_run(path) if folder else None
    config = load_config(path, settings) if run is None else run.config
    algorithm = ALGORITHMS[config.algorithm]
    if algorithm.plan is None:
        raise InputError(
            f"{path} is an experiment of {algorithm.name}, whose networks are no circuits and have no plan; plan one "
            f"of nbp or eventprop, like run_configs/mnist.toml or run_configs/mnist_eventprop_loihi.toml"
        )
    made: Planned = resolve(algorithm.plan)(config, run, inference, partial(stage, "spikes of the test set"))
    return made
