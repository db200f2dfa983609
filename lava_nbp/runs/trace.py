"""The spikes of a trained EventProp network, step by step, on any target that shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import is_integer, shown
from lava_nbp.base.files import AnyPath, as_path, check_output, write_npz
from lava_nbp.base.memory import check_memory
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.targets import TARGETS, Target, find_target, targets_of
from lava_nbp.errors import InputError
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.session import EventPropSession
from lava_nbp.training.run import fitting_learner, load_run

_EVENTPROP = "eventprop"
#: Samples where none are asked for, or as many as there are.
_FIRST = 10
#: A number or two, short enough for Python to read.
_RANGE = r"(\d{1,9})(?:-(\d{1,9}))?"


def trace_run(
    folder: AnyPath,
    target: str,
    out: AnyPath,
    samples: str | Sequence[int] | None = None,
    stage: Stage = untold,
) -> dict[str, NDArray[Any]]:
    """Trace samples of a run's test set into an .npz file: every spike, and the integers that spikes meet.

    The weights are those of the epoch chosen on validation, else the last. Arrays of two targets are equal.

    Parameters
    ----------
    folder : path
        A run with algorithm = "eventprop".
    target : str
        What runs it: one in steps that shows its spikes, "clocked" or "lava-stock".
    out : path
        What is returned, as .npz.
    samples : str or sequence of int, optional
        Numbers of samples, like "0-9" or "3,7,20-29"; default the first ten.
    stage : Stage
        Is told of the samples.

    Returns
    -------
    dict
        ``samples`` (n,) int64; ``spikes/input`` (n, T, n_in) uint8, how many spikes each input has in each step;
        ``spikes/hidden1``, .., ``spikes/output`` (n, T, neurons) uint8, 0 or 1, in the step at whose end a neuron
        spikes. Of an output with rungs (n, T, classes, rungs), from the lowest to the highest; of one that only
        integrates there are no spikes, and no such array. ``weights/W1``, .., ``weights/R1``, .. (pre, post) int32, in
        units of the current; ``delays/D1``, .. and ``delays/E1``, .. in steps, where there are some.

    Raises
    ------
    InputError
        For a run of another algorithm, a target that does not show spikes, samples that there are not, or a trace that
        needs more memory than there may be; nothing is written then.
    LavaNBPError
        If the run's checkpoint or data cannot be used.
    OutputError
        If the output cannot be written.
    """
    folder, out = as_path(folder, "folder of a run"), as_path(out, "output of a trace")
    run = load_run(folder)
    if not isinstance(run.config, EventPropExperiment):
        raise InputError(
            f"{folder} is a run of {run.config.algorithm}, but those of eventprop can be traced; of nbp trace the "
            f"circuit, with its inputs and weights (--inputs)"
        )
    _check_target(find_target(target, _EVENTPROP, f"target of {_EVENTPROP}"))
    config = run.config.model_copy(update={"target": target})
    learner = fitting_learner(config, run.state, folder)
    test: Any = learner.dataset.test
    chosen = _chosen(samples, len(test))
    steps = config.setup.c.steps
    neurons = sum(run.state.layers) + run.state.layers[-1] * (config.clocked.rungs or 0)
    check_memory(2 * len(chosen) * steps * neurons, f"a trace of {len(chosen)} samples", "trace fewer samples")
    check_output(out)
    with learner.open(run.weights, {}) as session:
        assert isinstance(session, EventPropSession)
        result = {"samples": np.array(chosen, dtype=np.int64), **session.traced(chosen, partial(stage, target))}
    write_npz(out, result)
    return result


def _check_target(target: Target) -> None:
    if _EVENTPROP in target.shows_spikes:
        return
    why = "shows no spikes of its layers in steps"
    if target.on_chip:
        why = "is a chip, which sends the output's spikes only"
    those = ", ".join(name for name in targets_of(_EVENTPROP) if _EVENTPROP in TARGETS[name].shows_spikes)
    raise InputError(f"target {target.name!r} {why}; trace with one of {those}")


def _chosen(samples: str | Sequence[int] | None, n: int) -> list[int]:
    """Numbers of samples, of which there are n.

    Raises
    ------
    InputError
        For what is none.
    """
    if samples is None:
        return list(range(min(_FIRST, n)))
    wrong = InputError(f"samples are {shown(samples)}, but must be numbers and ranges like 0-9 or 3,7,20-29")
    if isinstance(samples, str):
        pairs = []
        for part in samples.split(","):
            found = re.fullmatch(_RANGE, part.strip(), re.ASCII)
            if found is None:
                raise wrong
            pairs.append((int(found[1]), int(found[2] or found[1])))
    else:
        if not isinstance(samples, (list, tuple, range, np.ndarray)) or not all(is_integer(k) for k in samples):
            raise wrong
        pairs = [(int(k), int(k)) for k in samples]
    if not pairs:
        raise wrong
    for first, last in pairs:
        if first > last:
            raise InputError(f"samples {first}-{last} go down; write {last}-{first}")
        if first < 0 or last >= n:
            raise InputError(f"samples reach {first if first < 0 else last}, but the test set has 0 .. {n - 1}")
    return [k for first, last in pairs for k in range(first, last + 1)]
