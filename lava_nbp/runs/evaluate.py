"""A run's weights on the test set, by any target that runs its networks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.targets import find_target
from lava_nbp.training.run import fitting_learner, load_run


def evaluate_run(folder: AnyPath, target: str | None = None, stage: Stage = untold) -> dict[str, Any]:
    """Evaluate a run's weights on the test set: after the last epoch, and after the chosen one.

    Parameters
    ----------
    folder : path
        The run.
    target : str, optional
        What runs it; default: what did in training.
    stage : Stage
        Is told of the samples.

    Returns
    -------
    dict
        ``target``, ``layers``, ``epochs``, and the figures of the test set as ``last`` and ``chosen``.

    Raises
    ------
    InputError
        For a target that does not run networks of this algorithm.
    LavaNBPError
        If the run's checkpoint or data cannot be used.
    """
    folder = as_path(folder, "folder of a run")
    run = load_run(folder)
    config, state = run.config, run.state
    if target is not None:
        find_target(target, config.algorithm, f"target of {config.algorithm}")
        config = config.model_copy(update={"target": target})
    learner = fitting_learner(config, state, folder)
    report: dict[str, Any] = {"target": config.target, "layers": list(state.layers), "epochs": state.epoch}
    with learner.open(state.weights, {}) as session:
        for name, weights in (("last", state.weights), ("chosen", state.chosen)):
            if weights is None:
                continue
            if "last" in report and _alike(weights, state.weights):  # on Lava, a test set may take an hour
                report[name] = report["last"]
                continue
            session.write_weights(weights)
            report[name] = session.evaluate("test", partial(stage, f"test set, {name} epoch"))
    return report


def _alike(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(w, two[name]) for name, w in one.items())
