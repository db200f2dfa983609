"""Microseconds per training sample of every executor, measured in one run on the same samples and weights."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import astuple
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer
from lava_nbp.base.memory import check_memory
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.targets import TARGETS, targets_of
from lava_nbp.data import load_dataset
from lava_nbp.errors import CircuitError, DataError, InputError, LavaNBPError, MissingPackageError
from lava_nbp.executors.bench_eventprop import bench_eventprop
from lava_nbp.executors.bench_sample import beside_rows, shapes
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.nbp.executor import Executor, Outcome, UInt8Array, one_hot
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.weights import initial_weights

#: Calls of a target's usual size that are timed; samples where a Lava step is a circuit step, though it could be more.
_CALLS, _BY_STEP = 4, 100
#: Layers of the networks of Lava's Processes that are timed by themselves; samples, and those of stock Processes.
_NETWORKS: tuple[tuple[tuple[int, int, int], int, int], ...] = (((100, 100, 10), 50, 5), ((400, 400, 10), 10, 1))
#: Both ways to run a network, what is measured of each, and how often; once more before, to warm up.
_WAYS = {"one_process": True, "own_processes": False}
_TIMES = ("ms_per_step", "start_seconds", "stop_seconds")
_TURNS = 3
#: Samples that are drawn, bytes of one's input while it is, bytes of a synapse; seconds of one per sample, roughly, and
#: of a whole bench at most.
_DRAWN, _INPUT_BYTES, _SYNAPSE_BYTES, _SYNAPSE_SECONDS, _MOST_SECONDS = 20_000, 10, 20, 1e-9, 1800.0
_MOST_SAMPLES = 1_000_000
#: Samples that every executor is run on to compare weights and answers.
_CHECKED = 100
#: What is counted of the work, beside the samples.
_WORK = ("spikes", "synaptic_events", "updates", "gate_breaches")


class _Case(NamedTuple):
    """What is measured: an executor of a target."""

    label: str
    target: str
    options: dict[str, Any]
    samples: int


def _cases() -> Iterator[_Case]:
    """The targets that are here and run circuits in any order; Lava's in both granularities."""
    for name in targets_of("nbp"):
        target = TARGETS[name]
        if target.on_chip or target.chip_order or target.lacks():
            continue
        n = _CALLS * target.chunk
        if target.on_lava and not target.step_only:
            yield _Case(f"{name}, a sample per step", name, {"granularity": "sample"}, n)
            yield _Case(f"{name}, a step per step", name, {"granularity": "step"}, _BY_STEP)
        else:
            yield _Case(name, name, {}, n)


def bench(
    circuit: Circuit,
    *,
    seed: int = 0,
    pre_train: int = 20_000,
    samples: int | None = None,
    stage: Stage = untold,
) -> dict[str, Any]:
    """Time the executors of a circuit, after checking that they agree; and the networks of EventProp.

    The inputs are MNIST's where its files are found and there are 400 of them (a crop of 4
    pixels) or 784, and 10 classes; else random ones, of which a quarter is active. The
    weights are those after `pre_train` samples, so that about as many updates are
    made as in a training run, and every executor starts from the same. A circuit without
    a rule is timed while it infers.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    seed : int
        Of weights and random samples.
    pre_train : int
        Samples that the weights have learned from.
    samples : int, optional
        How many each executor is timed on; default: as many as take it some seconds.
    stage : Stage
        Is told of the executors.

    Returns
    -------
    dict
        ``executors`` (a row each, the first is the one that the others are compared with), ``beside_weight_rows``
        (how many times longer executor "sample" takes than plain sums of the rows that a forward pass reads; None
        where it is not layer after layer), ``shapes`` (of deep and sparse circuits), ``left_out`` (targets that
        refuse the circuit, or need Lava where there is none, with the reason), ``networks`` (of Lava processes),
        ``eventprop``; and what was run.

    Raises
    ------
    LavaNBPError
        If two executors disagree; for something else than a circuit, or one that is too large.
    """
    check_circuit(circuit)
    _check_size(circuit, check_integer(pre_train, 0, _MOST_SAMPLES, "pre_train"))
    if samples is not None:
        check_integer(samples, 1, _MOST_SAMPLES, "samples")
    check_integer(seed, 0, 2**63 - 1, "seed")
    spikes, data = _samples(circuit, seed)
    weights = _weights(circuit, spikes, seed, pre_train)
    rows: list[dict[str, Any]] = []
    left_out = {
        name: lacks for name in targets_of("nbp") if not TARGETS[name].on_chip and (lacks := TARGETS[name].lacks())
    }
    agreed: dict[str, NDArray[Any]] = {}
    cases = list(_cases())
    stages = len(cases) + 3
    for k, case in enumerate(cases):
        stage(case.label, k, stages)
        try:
            row, found, breaches = _measured(case, circuit, weights, spikes, samples or case.samples)
        except CircuitError as error:
            left_out[case.target] = str(error)
            continue
        agreed = agreed or found
        _check_same((case.label, rows[0]["executor"] if rows else ""), found, agreed, breaches)
        rows.append(row)
    for row in rows:
        row["times_the_first"] = rows[0]["microseconds_per_sample"] / row["microseconds_per_sample"]
    stage("weight rows alone, and other shapes", stages - 3, stages)
    beside = beside_rows(circuit, weights, spikes)
    found_shapes = shapes(lambda made: _drawn(made, seed))
    stage("networks of Lava processes", stages - 2, stages)
    networks = _networks(seed)
    stage("EventProp", stages - 1, stages)
    return {
        "circuit": circuit.name,
        "layers": list(circuit.layers),
        "learning": circuit.learning,
        "data": data,
        "agree": True,
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "executors": rows,
        "beside_weight_rows": beside,
        "shapes": found_shapes,
        "left_out": [{"target": target, "reason": reason} for target, reason in left_out.items()],
        "networks": networks,
        "eventprop": bench_eventprop(seed),
    }


def _initial(circuit: Circuit, seed: int) -> dict[str, Any]:
    return {**initial_weights(circuit, np.random.default_rng([seed, 0]), output_mean=10.0)}


def _drawn(circuit: Circuit, seed: int) -> tuple[dict[str, Any], tuple[UInt8Array, ...]]:
    """Initial weights and samples of a circuit."""
    spikes, _ = _samples(circuit, seed)
    return _initial(circuit, seed), spikes


def _check_size(circuit: Circuit, pre_train: int) -> None:
    """Refuse what does not fit, or takes hours."""
    shown = "-".join(map(str, circuit.layers))
    widest = sum(circuit[s.population].size for s in circuit.sources)
    check_memory(
        _DRAWN * widest * _INPUT_BYTES + circuit.n_dense_synapses * _SYNAPSE_BYTES,
        f"bench of a network of {shown}",
        "choose smaller layers (--network)",
    )
    seconds = (pre_train + _DRAWN) * circuit.n_dense_synapses * _SYNAPSE_SECONDS
    if seconds > _MOST_SECONDS:
        raise InputError(
            f"bench of a network of {shown} takes some {seconds / 3600:.1f} h or more, but the limit is "
            f"{_MOST_SECONDS / 3600:g} h; choose smaller layers (--network)"
        )


def _measured(
    case: _Case, circuit: Circuit, weights: dict[str, Any], spikes: tuple[UInt8Array, ...], samples: int
) -> tuple[dict[str, Any], dict[str, NDArray[Any]], int]:
    """A row of the table; and answers, weights and gate breaches of some samples before it, to compare."""
    with make_executor(case.target, circuit, weights, **case.options) as executor:
        outcome = _run(executor, spikes, _CHECKED)  # compiles, and warms up
        found: dict[str, NDArray[Any]] = {"spikes": outcome.spikes, **executor.read_weights()}
        breaches = executor.work.gate_breaches
        begin = time.perf_counter()
        executor.write_weights(weights)
        executor.read_weights()
        transfer = {"weights_in_and_out_ms": 1000 * (time.perf_counter() - begin)}
        timed = _time(executor, spikes, samples)
        return {"executor": case.label, "target": case.target, **case.options, **timed, **transfer}, found, breaches


def _weights(circuit: Circuit, spikes: tuple[UInt8Array, ...], seed: int, n: int) -> dict[str, Any]:
    """Initial weights that have learned from some samples, by the fastest executor that runs the circuit."""
    weights = _initial(circuit, seed)
    if not circuit.learning:
        return weights
    found = [TARGETS[name] for name in targets_of("nbp")]
    here = [target for target in found if not (target.on_lava or target.on_chip)]
    for target in sorted(here, key=lambda target: target.chunk, reverse=True):
        try:
            with make_executor(target.name, circuit, weights) as executor:
                _run(executor, spikes, n)
                return {**executor.read_weights()}
        except CircuitError:
            continue
    return weights


def _run(executor: Executor, spikes: tuple[UInt8Array, ...], n: int) -> Outcome:
    """Learn from some samples, or answer them if the circuit does not learn."""
    run = executor.train if executor.circuit.learning else executor.infer
    return run(*(array[:n] for array in spikes))


def _check_same(labels: tuple[str, str], found: dict[str, Any], agreed: dict[str, Any], breaches: int) -> None:
    differing = [key for key in agreed if not np.array_equal(found[key], agreed[key])]
    if differing:
        raise LavaNBPError(
            f"{labels[0]} disagrees with {labels[1]} in {', '.join(differing)} after {_CHECKED} samples, with "
            f"{breaches} gate breaches; do not trust either"
        )


def _networks(seed: int) -> list[dict[str, Any]]:
    """What Lava's networks cost that run the paper's circuit: in one process, and in processes of their own.

    Both ways take turns, so that what else the machine does meets both; a figure is the median of several turns.
    After a fork, whoever writes to memory waits once for every page of it (copy on write): a network that nobody
    measures comes in between, so that the start in one process does not pay for what processes of their own have left.
    """
    rows: list[dict[str, Any]] = []
    names = [name for name in targets_of("nbp") if TARGETS[name].on_lava and not TARGETS[name].lacks()]
    for (layers, n, n_stock), name in product(_NETWORKS, names):
        target = TARGETS[name]
        circuit = training_circuit(*layers, chip_order=target.chip_order)
        weights = _initial(circuit, seed)
        spikes, _ = _samples(circuit, seed)
        samples = n_stock if target.chip_order else n
        turns = [
            _network(name, circuit, weights, spikes, samples, way) for _ in range(1 + _TURNS) for way in _WAYS.values()
        ]
        processes, _ = turns[0]
        row: dict[str, Any] = {"target": name, "layers": list(layers), "processes": processes}
        measured = np.array([times for _, times in turns[len(_WAYS) :]]).reshape(_TURNS, len(_WAYS), len(_TIMES))
        for k, way in enumerate(_WAYS):
            row[way] = dict(zip(_TIMES, np.median(measured[:, k], axis=0).tolist(), strict=True))
        one, own = measured[:, 0], measured[:, 1]
        row["times_faster"] = dict(zip(_TIMES, np.median(own / one, axis=0).tolist(), strict=True))
        rows.append(row)
    return rows


def _network(
    name: str, circuit: Circuit, weights: dict[str, Any], spikes: tuple[UInt8Array, ...], samples: int, in_process: bool
) -> tuple[int, tuple[float, float, float]]:
    """Processes of a network; milliseconds per step, seconds until it has started, and until it has stopped."""
    if in_process:
        make_executor(name, circuit, weights, granularity="step", in_process=True).close()
    begin = time.perf_counter()
    with make_executor(name, circuit, weights, granularity="step", in_process=in_process) as executor:
        processes: int = executor.processes  # type: ignore[attr-defined] # starts them
        start = time.perf_counter() - begin
        _run(executor, spikes, 1)
        begin = time.perf_counter()
        _run(executor, tuple(array[1:] for array in spikes), samples)
        ms = 1000 * (time.perf_counter() - begin) / (samples * circuit.period)
        begin = time.perf_counter()
    return processes, (ms, start, time.perf_counter() - begin)


def _samples(circuit: Circuit, seed: int) -> tuple[tuple[UInt8Array, ...], str]:
    """Spikes for every source, and where they are from."""
    n_in, n_out = circuit.layers[0], circuit.layers[-1]
    crop = {400: 4, 784: 0}.get(n_in)
    rng = np.random.default_rng([seed, 1])
    x = (rng.random((_DRAWN, n_in)) < 0.25).astype(np.uint8)
    labels, data = rng.integers(0, n_out, len(x)), "random, a quarter of the inputs active"
    if crop is not None and n_out == 10:
        try:
            dataset = load_dataset("mnist", crop=crop)
            x, labels, data = dataset.train.x, dataset.train.y, f"MNIST, {n_in} inputs"
        except (DataError, MissingPackageError):
            pass
    return tuple(
        one_hot(labels, n_out)
        if circuit.brings_targets(s)
        else x
        if circuit[s.population].size == n_in
        else (rng.random((len(x), circuit[s.population].size)) < 0.25).astype(np.uint8)
        for s in circuit.sources
    ), data


def _time(executor: Executor, spikes: tuple[UInt8Array, ...], samples: int) -> dict[str, Any]:
    before = astuple(executor.work)
    start = time.perf_counter()
    _run(executor, spikes, samples)
    seconds = time.perf_counter() - start
    n = min(samples, len(spikes[0]))
    _, *done = (b - a for a, b in zip(before, astuple(executor.work), strict=True))
    return {
        "samples": n,
        "microseconds_per_sample": seconds / n * 1e6,
        **{f"{what}_per_sample": count / n for what, count in zip(_WORK, done, strict=True)},
    }
