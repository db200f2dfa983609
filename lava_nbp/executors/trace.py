"""Every spike of every population, and every weight, for given samples and weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import read_npz, write_npz
from lava_nbp.base.integers import Int16Array
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.targets import LAVA_TARGETS
from lava_nbp.base.targets import TARGETS_HERE as TARGETS
from lava_nbp.errors import InputError, unknown_name
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuit import CIRCUITS, Circuit
from lava_nbp.nbp.executor import ClosedLimits, UInt8Array, check_network_weights, check_spikes, one_hot

#: Samples that a network of Lava processes runs at once.
_AT_ONCE = 20
_ARRAYS = ("x", "labels", "W1", "W2")


def trace(
    target: str,
    inputs: Any,
    labels: Any,
    weights: Mapping[str, Any],
    circuit_name: str = "nbp",
    stage: Stage = untold,
) -> dict[str, NDArray[Any]]:
    """Run a circuit from its very first step and record everything.

    Parameters
    ----------
    target : {"reference", "sample", "spiking", "lava", "lava-primitives", "lava-stock"}
        Executor. The first two compute whole samples; their spikes are those that the
        phase table assigns to what they compute.
    inputs : (n, n_in)
        0 or 1.
    labels : (n,)
        Integers in 0 .. n_out - 1.
    weights : mapping
        W1 (n_in, n_hidden), W2 (n_hidden, n_out).
    circuit_name : {"nbp", "nbp-guarded", "nbp-chip", "nbp-chip-guarded", "inference"}
        Training (12 phases), or inference alone (4 phases; labels are not used); see
        `lava_nbp.nbp.circuit.CIRCUITS`.
    stage : Stage
        Is told of the samples.

    Returns
    -------
    dict
        ``spikes/<population>`` (n * period + 1, size) uint8: row 0 is the step in which
        g00 first fires, the last row is phase `period` of the last sample.
        ``weights/<name>`` for every dense projection, (pre, post) int16, after the last row.

    Raises
    ------
    InputError, WeightError
        For wrong shapes, types or values.
    """
    W1, W2 = (np.asarray(weights[name]) for name in ("W1", "W2"))
    if W1.ndim != 2 or W2.ndim != 2:
        raise InputError(f"W1 and W2 have shapes {W1.shape} and {W2.shape}, but must be matrices (pre, post)")
    if circuit_name not in CIRCUITS:
        raise InputError(unknown_name("circuit", circuit_name, CIRCUITS))
    circuit = CIRCUITS[circuit_name](W1.shape[0], W1.shape[1], W2.shape[1])
    checked = check_network_weights(circuit, {"W1": W1, "W2": W2})
    x = check_spikes(inputs, circuit.layers[0], "x")
    t = one_hot(labels, circuit.layers[-1])
    if len(t) != len(x):
        raise InputError(f"{len(x)} rows in x but {len(t)} labels; give one label per row")
    if len(x) == 0:
        raise InputError("x has no rows; give at least one sample")
    if target in ("reference", "sample"):
        spikes, projections = _per_sample(target, circuit, x, t, checked, stage)
    elif target == "spiking":
        spikes, projections = _spiking(circuit, x, t, checked)
    elif target in LAVA_TARGETS:
        spikes, projections = _lava(target, circuit, x, t, checked, stage)
    else:
        raise InputError(unknown_name("target", target, TARGETS))
    return {f"spikes/{k}": v for k, v in spikes.items()} | {f"weights/{k}": v for k, v in projections.items()}


def trace_file(
    inputs: Path, target: str, out: Path, circuit_name: str, stage: Stage = untold
) -> dict[str, NDArray[Any]]:
    """Trace what an .npz file holds (x, labels, W1, W2) into another .npz file; `stage` is told of the samples.

    Raises
    ------
    InputError, WeightError
        For an unreadable file, missing arrays, wrong shapes, types or values; nothing is written then.
    OutputError
        If the output cannot be written.
    """
    try:
        arrays = read_npz(inputs)
    except ValueError as error:
        raise InputError(f"{inputs} cannot be read as .npz: {error}; write it with numpy.savez") from error
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise InputError(f"{inputs} lacks {', '.join(missing)}; it needs {', '.join(_ARRAYS)}")
    weights = {k: arrays[k] for k in ("W1", "W2")}
    result = trace(target, arrays["x"], arrays["labels"], weights, circuit_name, stage)
    write_npz(out, result)
    return result


Traced = tuple[dict[str, UInt8Array], dict[str, Int16Array]]


def _per_sample(
    target: str, circuit: Circuit, x: UInt8Array, t: UInt8Array, weights: dict[str, Int16Array], stage: Stage
) -> Traced:
    from lava_nbp.nbp import reference

    n_in, n_hidden, n_out = circuit.layers
    executor = make_executor(target, (n_in, n_hidden, n_out), weights, chip_order=circuit.chip_order)
    closed = ClosedLimits.of(executor.circuit)
    spikes = {p.name: np.zeros((len(x) * circuit.period + 1, p.size), np.uint8) for p in circuit.populations}
    for i in range(len(x)):
        stage(target, i, len(x))
        w = executor.read_weights()
        if circuit.learning:
            values = reference.train_sample(w["W1"], w["W2"], x[i], t[i], closed, circuit.chip_order)
            rows = reference.training_raster(circuit, values)
            executor.train(x[i : i + 1], t[i : i + 1])
        else:
            hidden, _ = reference.infer_sample(w["W1"], w["W2"], x[i])
            output = executor.infer(x[i : i + 1]).spikes[0].astype(bool)
            rows = reference.inference_raster(circuit, x[i], hidden, output)
        for name, raster in rows.items():
            start = i * circuit.period
            spikes[name][start : start + circuit.period + 1] |= raster
    w = executor.read_weights()
    projections = {p.name: p.copy_of(w[p.matrix]) for p in circuit.projections}
    return spikes, projections


def _spiking(circuit: Circuit, x: UInt8Array, t: UInt8Array, weights: dict[str, Int16Array]) -> Traced:
    from lava_nbp.nbp.spiking_engine import SpikingEngine

    engine = SpikingEngine(circuit, weights)
    _, raster = engine.run(*(x, t)[: len(circuit.sources)], record=True)
    assert raster is not None
    return engine.split(raster), engine.projections


def _lava(
    target: str, circuit: Circuit, x: UInt8Array, t: UInt8Array, weights: dict[str, Int16Array], stage: Stage
) -> Traced:
    from lava_nbp.executors.lava_nbp import LavaSession

    # One circuit step per Lava step, so that row 0 comes from Lava too.
    session = LavaSession(circuit, weights, granularity="step", raster=True, capacity=_AT_ONCE, target=target)
    rows = []
    try:
        for start in range(0, len(x), _AT_ONCE):
            stage(target, start, len(x))
            part = slice(start, start + _AT_ONCE)
            session.run(x[part], t[part])
            assert session.sink.raster is not None
            rows.append(session.sink.raster[: len(x[part]) * circuit.period + (start == 0)].copy())
        return session.network.split(np.concatenate(rows)), session.network.read_projections()
    finally:
        session.close()
