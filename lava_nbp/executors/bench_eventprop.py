"""Seconds of EventProp's training, measured in one run after checking gradients and weights."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from lava_nbp.base.targets import TARGETS, targets_of
from lava_nbp.data import DATA_SETS, DataOptions, generate_yinyang, load_yinyang, pixel_latency, value_latency
from lava_nbp.errors import DataError, LavaNBPError, MissingPackageError
from lava_nbp.eventprop import reference as oracle
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import SpikeTrains, latency_trains
from lava_nbp.executors.bench_flow import beside_flow
from lava_nbp.executors.bench_threads import two_threads
from lava_nbp.nbp.executor import UInt8Array

#: Samples that the oracle runs, epochs of Yin-Yang, samples of MNIST, and bright pixels of what stands for them.
_ORACLE, _EPOCHS, _MNIST_SAMPLES, _BRIGHT = 3, 6, 2000, 150
#: Samples per batch with which two threads are timed.
_BATCHES = (16, 64, 128)
#: Samples of the clocked network, and of the one that exchanges every message.
_FUSED, _MESSAGES = 500, 10
#: Layers of the network whose gradient is compared with differences, a weight at a time.
_DIFFERENCES = (5, 8, 3)


def bench_eventprop(seed: int) -> dict[str, Any]:
    """One thread of the EventProp engine on the paper's two networks, and its distance from the oracle.

    Of either network ``beside_flow`` has what `beside_flow` says, and ``two_threads`` what `two_threads` does.
    """
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
    report["clocked"] = list(_clocked(samples, labels, rng))
    # The first epochs have more spikes: the last is timed.
    report["yinyang_seconds_per_epoch"] = [_epoch(engine, trains, labels, 32, rng) for _ in range(_EPOCHS)][-1]
    report["times_faster_than_oracle"] = per_sample * len(trains) / report["yinyang_seconds_per_epoch"]
    yinyang = beside_flow(engine, trains, lambda: _epoch(engine, trains, labels, 32, rng))
    n = _MNIST_SAMPLES
    try:
        images = DATA_SETS["mnist"].read(DataOptions(verify=False)).train
        pixels, digits = images.x[:n], images.y[:n]
        report["mnist_data"] = "MNIST"
    except (DataError, MissingPackageError):
        pixels, digits = _random_pixels(n, rng), rng.integers(0, 10, n)
        report["mnist_data"] = "random pixels"
    images_trains = latency_trains(pixel_latency(pixels, 0, 20), 40.0).without_some(0.2, rng)
    weights = [rng.normal(0.078, 0.045, (784, 350)), rng.normal(0.2, 0.37, (350, 10))]
    wide = EventPropEngine(weights, p, MaxVoltageLoss(), 40.0)
    mnist = beside_flow(wide, images_trains, lambda: _epoch(wide, images_trains, digits, 5, rng))

    def make(network: EventPropEngine, threads: int) -> EventPropEngine:
        return EventPropEngine(network.weights, p, network.loss, network.end, threads=threads)

    return report | {
        "mnist_ms_per_sample": mnist["microseconds_per_sample"] / 1000,
        "beside_flow": {"Yin-Yang": yinyang, report["mnist_data"]: mnist},
        "two_threads": {
            "Yin-Yang": two_threads(lambda threads: make(engine, threads), trains, labels, _BATCHES),
            report["mnist_data"]: two_threads(lambda threads: make(wide, threads), images_trains, digits, _BATCHES),
        },
    }


def _random_pixels(n: int, rng: np.random.Generator) -> UInt8Array:
    """Images of 784 pixels, of which as many are bright as of MNIST's."""
    return (rng.integers(2, 256, (n, 784)) * (rng.random((n, 784)) < _BRIGHT / 784)).astype(np.uint8)


def _oracle_error(p: NeuronParameters, rng: np.random.Generator) -> float:
    """Largest relative error of the oracle's gradient against central differences of the loss, over all weights.

    Neurons spike several times; a sample is drawn anew if a difference changes the number of spikes.
    """
    loss, end, step = TTFSLoss(alpha=0.01), 60.0, 1e-6
    while True:
        n_in, n_hidden, n_out = _DIFFERENCES
        weights = [rng.normal(2.2, 0.8, (n_in, n_hidden)), rng.normal(1.4, 0.8, (n_hidden, n_out))]
        times = np.sort(rng.uniform(0, 30, 12))
        sources, label = rng.integers(0, n_in, 12), int(rng.integers(n_out))
        run = oracle.forward(weights, times, sources, p, end)
        spikes = [(s.layer, s.neuron) for s in run.spikes]
        found, *_ = oracle.gradient(weights, run, p, loss, label)
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


def _clocked(samples: Any, labels: Any, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Milliseconds per training sample of the clocked network, by everything that runs it."""
    times = np.hstack([value_latency(samples[:_FUSED], 0, 30), np.zeros((_FUSED, 1))])
    trains, labels = latency_trains(times, 60.0), labels[:_FUSED]
    setup = Setup(FixedPoint(NeuronParameters(), 0.5, 60.0), TTFSLoss())
    for name in targets_of("eventprop"):
        target = TARGETS[name]
        if not target.clocked or "eventprop" in target.answers_only or target.lacks():
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
            ms = 1000 * (time.perf_counter() - begin) / n
            yield {"target": name, "layers": [5, hidden, 3], "ms_per_sample": ms}
        finally:
            if target.on_lava:
                engine.close()


def _epoch(engine: EventPropEngine, trains: SpikeTrains, labels: Any, size: int, rng: np.random.Generator) -> float:
    """CPU seconds of an epoch."""
    order = rng.permutation(len(trains))
    begin = time.process_time()
    for k in range(0, len(order), size):
        engine.train_batch(trains, labels, order[k : k + size], 5e-3)
    return time.process_time() - begin
