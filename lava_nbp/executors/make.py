"""How to make the executor of a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lava_nbp.base.checks import check_kind, check_options
from lava_nbp.base.targets import TARGETS, Target, find_target, targets_of
from lava_nbp.errors import InputError
from lava_nbp.loihi.lowering import lower
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.nbp.executor import Executor
from lava_nbp.nbp.faults import Faults
from lava_nbp.nbp.partition import check_parts


def make_executor(
    target: str, circuit: Circuit, weights: Mapping[str, Any], *, faults: Faults | None = None, **options: Any
) -> Executor:
    """Make the executor of a target.

    Parameters
    ----------
    target : str
        One of `lava_nbp.TARGETS` that runs nBP.
    circuit : Circuit
        What to run: `training_circuit`, `inference_circuit`, or one of your own.
    weights : mapping
        Initial matrices (pre, post) by name, see `lava_nbp.initial_weights`.
    faults : Faults, optional
        What is broken; for targets that can run broken networks.
    **options
        For Lava's targets `timeout`, `granularity` and `in_process`, for chips `address` and `chunk`; see
        `lava_nbp.executors.lava_nbp.LavaExecutor`.

    Raises
    ------
    InputError
        For an unknown target, faults that it cannot have, or something else than a circuit.
    CircuitError
        For a circuit that the target cannot run: with the reason.
    WeightError
        For weights that do not belong to the circuit or that synapses cannot hold.
    MissingLoihiError
        For a chip without lava-loihi, or without a board.

    Examples
    --------
    >>> import numpy as np
    >>> from lava_nbp import initial_weights, make_executor, training_circuit
    >>> circuit = training_circuit(4, 3, 2)
    >>> executor = make_executor("spiking", circuit, initial_weights(circuit, np.random.default_rng(0)))
    >>> executor.train([[1, 0, 1, 1]], [[0, 1]]).spikes.shape
    (1, 2)
    """
    check_circuit(circuit)
    check_kind(weights, Mapping, "weights")
    if faults is not None:
        check_kind(faults, Faults, "faults")
    found = find_target(target, "nbp")
    if faults is not None and faults.any:
        if not found.faults:
            those = " or ".join(name for name in targets_of("nbp") if TARGETS[name].faults)
            raise InputError(f"executor {target!r} cannot run with faults; use target {those}, or set them to 0")
        if faults.apart and not found.faults_apart:
            those = " or ".join(name for name in targets_of("nbp") if TARGETS[name].faults_apart)
            raise InputError(
                f"faults.apart breaks copies of a unit one by one, but executor {target!r} has none; use target {those}"
            )
        options["faults"] = faults
    make = found.maker("nbp")
    check_options(make, 2, options, f"executor {found.name!r}")
    executor: Executor = make(circuit, weights, **options)
    return executor


def check_buildable(target: Target, circuit: Circuit) -> None:
    """Check that a target has all that a circuit needs, without starting anything.

    Raises
    ------
    CircuitError, RuleError, WeightError, InputError
        See `lava_nbp.nbp.partition.check_parts` and `lava_nbp.loihi.lowering.lower`.
    """
    if target.built_from == "parts":
        check_parts(circuit)
    elif target.built_from:
        lower(circuit)
