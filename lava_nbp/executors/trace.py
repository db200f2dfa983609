"""Every spike of every population, and every weight, for given samples and weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.files import AnyPath, as_path, check_output, read_npz, write_npz
from lava_nbp.base.integers import Int16Array
from lava_nbp.base.memory import check_memory
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.targets import Target, find_target, spike_by_spike
from lava_nbp.errors import CircuitError, InputError, Unreadable
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.nbp.circuit_file import SUFFIX, load_circuit
from lava_nbp.nbp.circuits import CIRCUITS, CircuitKind
from lava_nbp.nbp.executor import UInt8Array, check_samples, class_targets
from lava_nbp.nbp.projections import Projections, check_network_weights

#: Samples that a network of Lava processes runs at once.
_AT_ONCE = 20
#: Bytes of a synapse, those of its copies included.
_SYNAPSE_BYTES = 8
#: Array of a file that may stand for the spikes of the sources that bring targets, one-hot.
_LABELS = "labels"
Traced = tuple[dict[str, UInt8Array], dict[str, Int16Array]]


def trace(
    target: str, circuit: Circuit, weights: Mapping[str, Any], *spikes: Any, stage: Stage = untold
) -> dict[str, NDArray[Any]]:
    """Run a circuit from its very first step and record everything.

    Parameters
    ----------
    target : str
        One of `lava_nbp.TARGETS` that runs nBP, but no chip, which shows the output's spikes only. Those that compute
        whole samples show the spikes that the phase table assigns to what they compute.
    circuit : Circuit
        What to run; whether it learns or not.
    weights : mapping
        Matrices (pre, post), one per name in `circuit.matrices`.
    *spikes : (n, size) each
        0 or 1, an array per source, in the order of `circuit.sources`; see `one_hot` for targets.
    stage : Stage
        Is told of the samples.

    Returns
    -------
    dict
        ``spikes/<population>`` (n * period + 1, size) uint8: row 0 is the step in which the first gating neuron fires
        for the first time, the last row is phase `period` of the last sample.
        ``weights/<projection>`` for every dense projection, (pre, post) int16, after the last row.

    Raises
    ------
    InputError, WeightError
        For an unknown target, wrong shapes, types or values, or a trace that needs more memory than there may be.
    CircuitError
        For a circuit that the target cannot run: with the reason.
    """
    check_circuit(circuit)
    found = _traceable(target)
    checked = check_network_weights(circuit, weights)
    samples = check_samples(circuit, spikes)
    if len(samples[0]) == 0:
        raise InputError(f"{circuit.sources[0].name} has no rows; give at least one sample")
    rows = len(samples[0]) * circuit.period + 1
    check_memory(
        2 * rows * circuit.n_neurons + _SYNAPSE_BYTES * circuit.n_dense_synapses,
        f"a trace of {len(samples[0])} samples in {circuit.n_neurons} neurons",
        "trace fewer samples",
    )
    if found.per_sample:
        fired, held = _per_sample(target, circuit, samples, checked, stage)
    elif found.on_lava:
        fired, held = _lava(target, circuit, samples, checked, stage)
    else:
        with make_executor(target, circuit, checked) as executor:
            fired, held = executor.record(*samples)
    return {f"spikes/{k}": v for k, v in fired.items()} | {f"weights/{k}": v for k, v in held.items()}


def _traceable(name: str) -> Target:
    target = find_target(name, "nbp")
    if target.on_chip:
        raise InputError(
            f"target is {name!r}, but a chip sends the output's spikes only; trace with one of {spike_by_spike('nbp')}"
        )
    return target


def _per_sample(
    target: str, circuit: Circuit, samples: tuple[UInt8Array, ...], weights: dict[str, Int16Array], stage: Stage
) -> Traced:
    from lava_nbp.nbp.form import sample_form
    from lava_nbp.nbp.reference import SampleRun

    form, n = sample_form(circuit), len(samples[0])
    spikes = {p.name: np.zeros((n * circuit.period + 1, p.size), np.uint8) for p in circuit.populations}
    with make_executor(target, circuit, weights) as executor:
        run = executor.train if circuit.learning else executor.infer
        for i in range(n):
            stage(target, i, n)
            rows = SampleRun(form, executor.read_weights(), [array[i] for array in samples], i).raster()
            rows[circuit.answers][circuit.output_phase] = run(*(array[i : i + 1] for array in samples)).spikes[0]
            start = i * circuit.period
            for name, raster in rows.items():
                spikes[name][start : start + circuit.period + 1] |= raster
        held = Projections(circuit, executor.read_weights()).matrices()
    return spikes, held


def _lava(
    target: str, circuit: Circuit, samples: tuple[UInt8Array, ...], weights: dict[str, Int16Array], stage: Stage
) -> Traced:
    from lava_nbp.executors.lava_nbp import CircuitSession

    rows, n = [], len(samples[0])
    # One circuit step per Lava step, so that row 0 comes from Lava too.
    session = CircuitSession(circuit, weights, target, granularity="step", raster=True, capacity=_AT_ONCE)
    with session:
        for start in range(0, n, _AT_ONCE):
            stage(target, start, n)
            part = [array[start : start + _AT_ONCE] for array in samples]
            session.run(*part)
            assert session.sink.raster is not None
            rows.append(session.sink.raster[: len(part[0]) * circuit.period + (start == 0)].copy())
        return session.network.split(np.concatenate(rows)), session.network.read_projections()


# --------------------------------------------------------------------- files


def trace_file(
    inputs: AnyPath, target: str, out: AnyPath, circuit: AnyPath, stage: Stage = untold
) -> dict[str, NDArray[Any]]:
    """Trace what an .npz file holds into another .npz file.

    Parameters
    ----------
    inputs : path
        An array (n, size) per source of the circuit, and a matrix (pre, post) per matrix, by their names. Sources
        that reach the output's layer may be given as ``labels`` (n,), one-hot.
    target : str
        As for `trace`.
    out : path
        What `trace` returns.
    circuit : str or path
        One of `lava_nbp.CIRCUITS`, its layers being those of the matrices; or a .json file that `save_circuit` wrote.
    stage : Stage
        Is told of the samples.

    Raises
    ------
    InputError, WeightError, CircuitError
        For an unreadable file, missing arrays, wrong shapes, types or values; nothing is written then.
    OutputError
        If the output cannot be written.
    """
    _traceable(target)
    inputs, out = as_path(inputs, "inputs of a trace"), as_path(out, "output of a trace")
    circuit = str(as_path(circuit, "circuit"))
    try:
        arrays = read_npz(inputs)
    except Unreadable as error:
        raise InputError(f"{inputs} cannot be read as .npz: {error}; write it with numpy.savez") from error
    made = load_circuit(circuit) if circuit.endswith(SUFFIX) else _made_for(circuit, arrays, inputs)
    _check_present(made, arrays, inputs)
    spikes = [arrays[s.name] if s.name in arrays else class_targets(made, arrays[_LABELS]) for s in made.sources]
    check_output(out)
    result = trace(target, made, {name: arrays[name] for name in made.matrix_shapes}, *spikes, stage=stage)
    write_npz(out, result)
    return result


def _check_present(circuit: Circuit, arrays: Mapping[str, Any], inputs: AnyPath) -> None:
    """Raise InputError unless a file has what a circuit needs."""
    for s in circuit.sources:
        if s.name in circuit.matrix_shapes:
            raise InputError(
                f"circuit {circuit.name!r}: source and matrix {s.name!r} have one name, but a file has one array of a "
                f"name; rename one of them, or call lava_nbp.trace"
            )
    sources = [_LABELS if s.name not in arrays and circuit.brings_targets(s) else s.name for s in circuit.sources]
    needed = [*dict.fromkeys(sources), *circuit.matrix_shapes]
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise InputError(f"{inputs} lacks {', '.join(missing)}; it needs {', '.join(needed)}")


def _made_for(name: str, arrays: Mapping[str, NDArray[Any]], inputs: AnyPath) -> Circuit:
    """The circuit of a name with the layers of a file's matrices: as many as there are matrices for."""
    kind = CIRCUITS[name]
    smallest = [made for n in range(2, len(arrays) + 3) if (made := _smallest(kind, n)) is not None]
    known = [c for c in smallest if c.matrix_shapes.keys() <= arrays.keys()]
    probe = known[-1] if known else smallest[0]
    _check_present(probe, arrays, inputs)
    spare = [key for key in arrays if re.fullmatch(r"W\d+", key) and key not in probe.matrix_shapes]
    if spare:
        raise InputError(
            f"{inputs} has {', '.join(spare)}, but circuit {name!r} has {', '.join(probe.matrix_shapes)} only; leave "
            f"it out, or trace a deeper circuit"
        )
    sizes: dict[str, int] = {}
    for p in probe.projections:
        matrix = arrays[p.matrix]
        if matrix.ndim != 2:
            raise InputError(f"{p.matrix} has shape {matrix.shape}, but all weights must be matrices (pre, post)")
        for end, size in zip((p.pre, p.post), matrix.shape[::-1] if p.transposed else matrix.shape, strict=True):
            sizes.setdefault(probe.layer_of(end), size)
    return kind.make(*(sizes[layer] for layer in probe.forward))


def _smallest(kind: CircuitKind, n: int) -> Circuit | None:
    """The circuit of a kind with n layers of one neuron; None if it cannot have so many."""
    try:
        inspect.signature(kind.make).bind(*[1] * n)
        return kind.make(*[1] * n)
    except (TypeError, CircuitError):
        return None
