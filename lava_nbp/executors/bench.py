"""Microseconds per training sample of every executor, measured in one run on the same samples and weights."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from dataclasses import astuple
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.targets import TARGETS, targets_of
from lava_nbp.data import (
    DATA_SETS,
    DataOptions,
    generate_yinyang,
    load_dataset,
    load_yinyang,
    pixel_latency,
    value_latency,
)
from lava_nbp.errors import DataError, LavaNBPError, MissingPackageError
from lava_nbp.eventprop import reference as oracle
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import SpikeTrains, latency_trains
from lava_nbp.executors.lava_nbp import LavaExecutor
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuits import make_circuit
from lava_nbp.nbp.executor import Executor, UInt8Array, one_hot
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.nbp.weights import initial_weights

#: Calls of a target's usual size that are timed; samples where a Lava step is a circuit step, though it could be more.
_CALLS, _BY_STEP = 4, 100
#: Layers of the network of primitives that is timed by itself, and samples.
_PRIMITIVES: tuple[tuple[int, int, int], int] = ((100, 100, 10), 50)
#: The network of stock processes is slower: samples that are timed there.
_STOCK_SAMPLES = 5
#: EventProp: samples that the oracle runs, epochs of Yin-Yang, and samples of MNIST.
_ORACLE, _EPOCHS, _MNIST_SAMPLES = 3, 6, 2000
#: Samples of the clocked network, and of the one that exchanges every message.
_FUSED, _MESSAGES = 500, 10
#: Samples that every executor is run on to compare weights and answers.
_CHECKED = 100


class _Case(NamedTuple):
    """What is measured: an executor of a target."""

    label: str
    target: str
    options: dict[str, Any]
    samples: int


def _cases() -> Iterator[_Case]:
    """The targets that are here and run the circuit in the usual order; Lava's in both granularities."""
    for name in targets_of("nbp"):
        target = TARGETS[name]
        if target.on_chip or target.chip_order:
            continue
        n = _CALLS * target.chunk
        if target.on_lava and not target.step_only:
            yield _Case(f"{name}, a sample per step", name, {"granularity": "sample"}, n)
            yield _Case(f"{name}, a step per step", name, {"granularity": "step"}, _BY_STEP)
        else:
            yield _Case(name, name, {}, n)


def bench(
    layers: tuple[int, ...],
    *,
    seed: int = 0,
    pre_train: int = 20_000,
    samples: int | None = None,
    stage: Stage = untold,
) -> dict[str, Any]:
    """Time the executors, after checking that they agree.

    The samples are MNIST's where its files are found and n_in is 400 (a crop of 4
    pixels) or 784, else random ones of which a quarter of the inputs is active. The
    weights are those after `pre_train` samples, so that about as many updates are
    made as in a training run, and every executor starts from the same.

    Parameters
    ----------
    layers : tuple of int
        Of the paper's training circuit.
    seed : int
        Of weights and random samples.
    pre_train : int
        Samples that the weights have learned from.
    samples : int, optional
        How many each executor is timed on; default: as many as take it some seconds.
    stage : Stage
        Is told of the executors.

    Raises
    ------
    LavaNBPError
        If two executors disagree.
    CircuitError
        For layers that the circuit cannot have.
    """
    circuit, cases = make_circuit("nbp", layers), list(_cases())
    x, t, data = _samples(layers, seed)
    start = initial_weights(circuit, np.random.default_rng([seed, 0]), output_mean=10.0)
    with make_executor("sample", circuit, start) as executor:
        executor.train(x[:pre_train], t[:pre_train])
        weights = executor.read_weights()
    rows: list[dict[str, Any]] = []
    agreed: dict[str, NDArray[Any]] = {}
    stages = len(cases) + 2
    for k, case in enumerate(cases):
        stage(case.label, k, stages)
        with make_executor(case.target, circuit, weights, **case.options) as executor:
            outcome = executor.train(x[:_CHECKED], t[:_CHECKED])  # compiles, and warms up
            found: dict[str, NDArray[Any]] = {"spikes": outcome.spikes, **executor.read_weights()}
            agreed = agreed or found
            _check_same(case.label, found, agreed, executor.work.gate_breaches)
            begin = time.perf_counter()
            executor.write_weights(weights)
            executor.read_weights()
            transfer = {"weights_in_and_out_ms": 1000 * (time.perf_counter() - begin)}
            n = samples or case.samples
            timed = _time(executor, x[:n], t[:n])
            rows.append({"executor": case.label, "target": case.target, **case.options, **timed, **transfer})
    loop = rows[0]["microseconds_per_sample"]
    for row in rows:
        row["times_faster_than_numpy_loop"] = loop / row["microseconds_per_sample"]
    stage("networks of Lava processes", stages - 2, stages)
    primitives = _primitives(seed)
    stage("EventProp", stages - 1, stages)
    return {
        "layers": list(layers),
        "data": data,
        "agree": True,
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "executors": rows,
        "primitives": primitives,
        "eventprop": _eventprop(seed),
    }


def _check_same(label: str, found: dict[str, Any], agreed: dict[str, Any], breaches: int) -> None:
    differing = [key for key in found if not np.array_equal(found[key], agreed[key])]
    if differing:
        raise LavaNBPError(
            f"{label} disagrees with the reference in {', '.join(differing)} after {_CHECKED} samples, "
            f"with {breaches} gate breaches; do not trust either"
        )


def _eventprop(seed: int) -> dict[str, Any]:
    """One thread of the EventProp engine on the paper's two networks, and its distance from the oracle."""
    report: dict[str, Any] = {}
    p, rng = NeuronParameters(), np.random.default_rng([seed, 2])
    try:
        samples, labels = load_yinyang()["train"]
        report["yinyang_data"] = "published samples"
    except (DataError, MissingPackageError):
        samples, labels = generate_yinyang(5000, rng)
        report["yinyang_data"] = "generated samples"
    times = np.hstack([value_latency(samples, 0, 30), np.zeros((len(samples), 1))])
    trains = latency_trains(times, 60.0)
    weights = [rng.normal(1.5, 0.78, (5, 200)), rng.normal(0.93, 0.1, (200, 3))]
    engine = EventPropEngine(weights, p, TTFSLoss(), 60.0)
    few = np.arange(_ORACLE)
    _, found = engine.gradient(trains, labels, few)
    begin, exact = time.process_time(), [np.zeros_like(w) for w in weights]
    for k in few:
        order = np.argsort(times[k], kind="stable")
        run = oracle.forward(weights, times[k][order], order, p, 60.0)
        for total, g in zip(exact, oracle.gradient(weights, run, p, engine.loss, labels[k])[0], strict=True):
            total += g
    per_sample = (time.process_time() - begin) / len(few)
    report["gradient_error"] = max(
        float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(found, exact, strict=True)
    )
    report["oracle_error"] = _oracle_error(p, rng)
    report |= _eventprop_on_lava(samples, labels, rng)
    # The first epochs have more spikes: the last is timed.
    report["yinyang_seconds_per_epoch"] = [_epoch(engine, trains, labels, 32, rng) for _ in range(_EPOCHS)][-1]
    report["times_faster_than_oracle"] = per_sample * len(trains) / report["yinyang_seconds_per_epoch"]
    try:
        images = DATA_SETS["mnist"].read(DataOptions(verify=False)).train
    except (DataError, MissingPackageError):
        return report
    n = _MNIST_SAMPLES
    trains = latency_trains(pixel_latency(images.x[:n], 0, 20), 40.0).without_some(0.2, rng)
    weights = [rng.normal(0.078, 0.045, (784, 350)), rng.normal(0.2, 0.37, (350, 10))]
    engine = EventPropEngine(weights, p, MaxVoltageLoss(), 40.0)
    seconds = [_epoch(engine, trains, images.y[:n], 5, rng) for _ in range(2)][-1]
    return report | {"mnist_ms_per_sample": 1000 * seconds / n}


def _oracle_error(p: NeuronParameters, rng: np.random.Generator) -> float:
    """Largest relative error of the oracle's gradient against central differences of the loss, over all weights.

    Neurons spike several times; a sample is drawn anew if a difference changes the number of spikes.
    """
    loss, end, step = TTFSLoss(alpha=0.01), 60.0, 1e-6
    while True:
        weights = [rng.normal(2.2, 0.8, (5, 8)), rng.normal(1.4, 0.8, (8, 3))]
        times = np.sort(rng.uniform(0, 30, 12))
        sources, label = rng.integers(0, 5, 12), int(rng.integers(3))
        run = oracle.forward(weights, times, sources, p, end)
        spikes = [(s.layer, s.neuron) for s in run.spikes]
        found, _ = oracle.gradient(weights, run, p, loss, label)
        errors, same = [], bool(np.isfinite(run.first[label]))
        for matrix, g in zip(weights, found, strict=True):
            for at in np.ndindex(*matrix.shape):
                kept, values = matrix[at], []
                for sign in (1, -1):
                    matrix[at] = kept + sign * step
                    moved = oracle.forward(weights, times, sources, p, end)
                    same &= [(s.layer, s.neuron) for s in moved.spikes] == spikes
                    values.append(loss.value(moved.first, label, end))
                matrix[at] = kept
                errors.append(abs(g[at] - (values[0] - values[1]) / (2 * step)) / float(np.abs(g).max()))
        if same:
            return float(max(errors))


def _eventprop_on_lava(samples: Any, labels: Any, rng: np.random.Generator) -> dict[str, float]:
    """Milliseconds per training sample of the clocked network: compiled, as one Lava process, message by message."""
    report: dict[str, float] = {}
    times = np.hstack([value_latency(samples[:_FUSED], 0, 30), np.zeros((_FUSED, 1))])
    trains, labels = latency_trains(times, 60.0), labels[:_FUSED]
    setup = Setup(FixedPoint(NeuronParameters(), 0.5, 60.0), TTFSLoss())
    for name in targets_of("eventprop"):
        target = TARGETS[name]
        if not target.clocked:
            continue
        hidden, n = (30, _MESSAGES) if target.step_only else (200, _FUSED)
        weights = [rng.normal(1.5, 0.78, (5, hidden)), rng.normal(0.93, 0.1, (hidden, 3))]
        options: dict[str, Any] = {"weights": weights, "setup": setup, "largest": [3.9, 3.9]}
        engine = target.maker("eventprop")(**options)
        try:
            few = np.arange(2)
            said = engine.train_batch(trains, labels, few, 5e-3).said
            reference = ClockedEngine(**options)
            same = np.array_equal(said, reference.train_batch(trains, labels, few, 5e-3).said)
            if not same or not all(map(np.array_equal, reference.masters, engine.masters)):
                raise LavaNBPError(f"EventProp: {name} disagrees with the clocked engine; do not trust either")
            begin = time.perf_counter()
            for start in range(0, n, 32):
                engine.train_batch(trains, labels, np.arange(start, min(n, start + 32)), 5e-3)
            report[f"{name.replace('-', '_')}_ms_per_sample"] = 1000 * (time.perf_counter() - begin) / n
        finally:
            if target.on_lava:
                engine.close()
    return report


def _epoch(engine: EventPropEngine, trains: SpikeTrains, labels: Any, size: int, rng: np.random.Generator) -> float:
    """CPU seconds of an epoch."""
    order = rng.permutation(len(trains))
    begin = time.process_time()
    for k in range(0, len(order), size):
        engine.train_batch(trains, labels, order[k : k + size], 5e-3)
    return time.process_time() - begin


def _primitives(seed: int) -> dict[str, Any]:
    """What networks of primitives and of stock processes cost, beside the same network as one Lava process."""
    layers, n = _PRIMITIVES
    x, t, _ = _samples(layers, seed)
    circuit = training_circuit(*layers)
    weights = initial_weights(circuit, np.random.default_rng([seed, 0]), output_mean=10.0)
    report: dict[str, Any] = {"layers": list(layers)}
    for name in targets_of("nbp"):
        target = TARGETS[name]
        if not target.on_lava:
            continue
        key = name.removeprefix("lava-") if target.step_only or "one_process" in report else "one_process"
        samples = _STOCK_SAMPLES if target.chip_order else n
        begin = time.perf_counter()
        ordered = circuit.in_chip_order() if target.chip_order else circuit
        executor = LavaExecutor(ordered, weights, target=name, granularity="step")
        with executor:
            processes = executor.processes  # starts them
            start = time.perf_counter() - begin
            executor.train(x[:1], t[:1])
            begin = time.perf_counter()
            executor.train(x[1 : 1 + samples], t[1 : 1 + samples])
            ms = 1000 * (time.perf_counter() - begin) / (samples * circuit.period)
            begin = time.perf_counter()
        report[key] = {
            "processes": processes,
            "ms_per_step": ms,
            "start_seconds": start,
            "stop_seconds": time.perf_counter() - begin,
            "times_one_process": ms / report["one_process"]["ms_per_step"] if "one_process" in report else 1.0,
        }
    return report


def _samples(layers: tuple[int, ...], seed: int) -> tuple[UInt8Array, UInt8Array, str]:
    n_in, n_out = layers[0], layers[-1]
    crop = {400: 4, 784: 0}.get(n_in)
    if crop is not None and n_out == 10:
        try:
            dataset = load_dataset("mnist", crop=crop)
        except (DataError, MissingPackageError):
            pass
        else:
            return dataset.train.x, one_hot(dataset.train.y, n_out), f"MNIST, {n_in} inputs"
    rng = np.random.default_rng([seed, 1])
    x = (rng.random((20_000, n_in)) < 0.25).astype(np.uint8)
    return x, one_hot(rng.integers(0, n_out, len(x)), n_out), "random, a quarter of the inputs active"


def _time(executor: Executor, x: UInt8Array, t: UInt8Array) -> dict[str, Any]:
    before = astuple(executor.work)
    start = time.perf_counter()
    executor.train(x, t)
    seconds = time.perf_counter() - start
    n, *done = (b - a for a, b in zip(before, astuple(executor.work), strict=True))
    spikes, events, updates, breaches = (count / n for count in done)
    return {
        "samples": n,
        "microseconds_per_sample": seconds / n * 1e6,
        "spikes_per_sample": spikes,
        "synaptic_events_per_sample": events,
        "updates_per_sample": updates,
        "gate_breaches_per_sample": breaches,
    }
