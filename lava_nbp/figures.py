"""The figures of a training run, drawn into its folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_nbp import eventprop_plot, plot
from lava_nbp.errors import CheckpointError, InputError
from lava_nbp.eventprop import reference
from lava_nbp.eventprop.clocked import ClockedEngine
from lava_nbp.eventprop.engine import EventPropEngine
from lava_nbp.eventprop.fixed_point import FixedPoint
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.setup import Setup
from lava_nbp.eventprop.trains import SpikeTrains, latency_trains
from lava_nbp.nbp.circuit import CIRCUITS, training_circuit
from lava_nbp.nbp.executor import one_hot
from lava_nbp.training.checkpoint import Checkpoint
from lava_nbp.training.config import EventPropExperiment, NBPExperiment
from lava_nbp.training.loop import load_run

#: Weights per layer whose gradient is checked, and the step of the differences.
_CHECKED, _STEP = 40, 1e-6
#: Points per side of the class map's grid.
_GRID = 81
#: Arithmetic of the figure of fixed steps: name, theta_bits, coefficient_bits, adjoint_bits; and how many samples.
_ARITHMETIC = (("12-bit coefficients", 14, 12, 14), ("24-bit coefficients", 14, 24, 14))
_COMPARED = 20


def plot_run(folder: Path) -> list[Path]:
    """Draw all figures of a training run into its folder; return their paths.

    Raises
    ------
    LavaNBPError
        If the run's checkpoint or data cannot be used.
    """
    state, config = load_run(folder)
    if not state.history:
        raise CheckpointError(f"{folder} holds no finished epoch yet; nothing to draw")
    if isinstance(config, EventPropExperiment):
        return _eventprop(state, config, folder)
    assert isinstance(config, NBPExperiment)
    return _nbp(state, config, folder)


def _nbp(state: Checkpoint, config: NBPExperiment, folder: Path) -> list[Path]:
    from lava_nbp.targets import make_executor
    from lava_nbp.trace import trace
    from lava_nbp.training.nbp_learner import load_run_data

    dataset = load_run_data(config)
    weights = state.chosen or state.weights
    n_in, n_hidden, n_out = state.layers
    name = f"{config.data.name} {'-'.join(map(str, state.layers))}, seed {config.seed}"
    with make_executor("sample", (n_in, n_hidden, n_out), weights) as executor:
        outcome = executor.infer(dataset.test.x)
    # One sample without an error and one with: there the error phases have something to show.
    right = (outcome.spikes == one_hot(dataset.test.y, len(dataset.classes))).all(axis=1)
    shown = [int(np.argmax(right)), int(np.argmin(right))]
    variant = {"guarded": config.network.guarded, "chip_order": config.network.chip_order}
    circuit_name = training_circuit(n_in, n_hidden, n_out, **variant).name
    spikes = trace("spiking", dataset.test.x[shown], dataset.test.y[shown], weights, circuit_name)
    return [
        plot.raster(
            CIRCUITS[circuit_name](n_in, n_hidden, n_out),
            {key.removeprefix("spikes/"): rows for key, rows in spikes.items() if key.startswith("spikes/")},
            folder / "raster.png",
            f"{name}: test samples {shown[0]} (right) and {shown[1]} ({'right' if right.all() else 'wrong'})",
        ),
        plot.learning_curve(state.history, folder / "learning_curve.png", name),
        plot.weight_histograms(weights, folder / "weights.png", name),
        plot.confusion_matrix(
            outcome.spikes.argmax(axis=1),
            dataset.test.y,
            dataset.classes,
            folder / "confusion_matrix.png",
            f"{name}: test set, by output spikes",
        ),
    ]


def _eventprop(state: Checkpoint, config: EventPropExperiment, folder: Path) -> list[Path]:
    """Answers by the run's own engine, all else by the continuous one, which takes 8-bit weights, too."""
    from lava_nbp.training.eventprop_learner import EventPropLearner, EventPropSession

    name = f"{config.data.name} {'-'.join(map(str, state.layers))}, {config.target}, seed {config.seed}"
    continuous = EventPropLearner(config.model_copy(update={"target": "continuous"}))
    with EventPropSession(continuous, state.chosen or state.weights) as session:
        engine, trains = session.engine, session.trains("test")
        weights, result = session.read_weights(), session.answers("test")
    if config.target != "continuous":
        with EventPropSession(EventPropLearner(config), state.chosen or state.weights) as session:
            result = session.answers("test")
    split = continuous.dataset.test
    labels = split.y
    sample = int(np.argmax(result.right(labels)))
    paths = [
        plot.learning_curve(state.history, folder / "learning_curve.png", name, continuous.compared_by),
        plot.weight_histograms(weights, folder / "weights.png", name),
        plot.confusion_matrix(
            result.answers(), labels, continuous.dataset.classes, folder / "confusion_matrix.png", f"{name}: test set"
        ),
    ]
    found, expected = _differences(engine, trains, labels, sample)
    paths.append(
        eventprop_plot.gradient_check(found, expected, folder / "gradient_check.png", f"{name}: sample {sample}")
    )
    if not any(loop.size for loop in engine.loops):
        paths.append(
            _adjoint_raster(engine, trains, labels, sample, folder / "raster.png", f"{name}: test sample {sample}")
        )
    if continuous.dataset.plane:
        side = np.linspace(0, 1, _GRID)
        points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        points = points[np.hypot(*(points - 0.5).T) <= 0.5]
        grid = type(split)(np.hstack([points, 1 - points]), np.zeros(len(points), np.int64), split.encoding)
        mapped = engine.infer(latency_trains(grid.times(), config.encoding.end))
        said = np.where(mapped.ties(), -1, mapped.answers())
        wrong = split.values[~result.right(labels)][:, :2]
        paths.append(eventprop_plot.class_map(points, said, folder / "class_map.png", wrong, name))
        if isinstance(engine.loss, TTFSLoss):
            errors = clocked_errors(engine, trains, labels)
            paths.append(
                eventprop_plot.clocked_error(errors, folder / "clocked_error.png", f"{name}: {_COMPARED} test samples")
            )
    return paths


def _differences(
    engine: EventPropEngine, trains: SpikeTrains, labels: NDArray[np.int64], sample: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Some of a sample's gradient, and central differences of its loss."""
    one = np.array([sample])
    _, gradients = engine.gradient(trains, labels, one)

    def loss() -> float:
        said, label = engine.infer(trains, one).said[0], int(labels[sample])
        if isinstance(engine.loss, TTFSLoss):
            return engine.loss.value(said, label, engine.end)
        return engine.loss.value(said, label)

    found, expected = [], []
    for matrix, g in zip(engine.matrices, gradients, strict=True):
        # Those with the largest gradients: most others are zero, and prove nothing.
        for at in np.argsort(-np.abs(g.ravel()), kind="stable")[:_CHECKED]:
            index = np.unravel_index(int(at), g.shape)
            kept = matrix[index]
            values = []
            for step in (_STEP, -_STEP):
                matrix[index] = kept + step
                values.append(loss())
            matrix[index] = kept
            found.append(g[index])
            expected.append((values[0] - values[1]) / (2 * _STEP))
    return np.array(found), np.array(expected)


def _adjoint_raster(
    engine: EventPropEngine, trains: SpikeTrains, labels: NDArray[np.int64], sample: int, path: Path, title: str
) -> Path:
    mine = slice(trains.offsets[sample], trains.offsets[sample + 1])
    spiking = isinstance(engine.loss, TTFSLoss)
    run = reference.forward(engine.weights, trains.times[mine], trains.sources[mine], engine.p, engine.end, spiking)
    sent: list[reference.AdjointSpike] = []
    reference.gradient(engine.weights, run, engine.p, engine.loss, int(labels[sample]), sent=sent)
    end = max(spike.time for spike in run.spikes) + 1.0
    return eventprop_plot.adjoint_raster(run.spikes, sent, engine.sizes, end, path, title)


def clocked_errors(
    engine: EventPropEngine,
    trains: SpikeTrains,
    labels: NDArray[np.int64],
    steps: tuple[float, ...] = (2.0, 1.0, 0.5, 0.25, 0.1),
) -> dict[str, list[tuple[float, float, float]]]:
    """Error of the clocked network, by arithmetic: rows as for `eventprop_plot.clocked_error`.

    Steps that an arithmetic does not allow are left out.
    """
    errors: dict[str, list[tuple[float, float, float]]] = {}
    for name, theta_bits, coefficient_bits, adjoint_bits in _ARITHMETIC:
        errors[name] = []
        for dt in steps:
            try:
                c = FixedPoint(engine.p, dt, engine.end, theta_bits, coefficient_bits, adjoint_bits)
            except InputError:
                continue
            clocked = ClockedEngine([w / engine.p.theta for w in engine.weights], Setup(c, engine.loss))
            # Both with the same 8-bit weights: what is left is the error of the steps and of the integers.
            rounded = EventPropEngine([w * engine.p.theta for w in clocked.weights], engine.p, engine.loss, engine.end)
            late, wrong = [], []
            for sample in np.arange(min(_COMPARED, len(trains)))[:, None]:
                exact, gradients = rounded.gradient(trains, labels, sample)
                result, approximate = clocked.gradient(trains, labels, sample)
                both = np.isfinite(result.said) & np.isfinite(exact.said)
                late.extend(np.abs(result.said[both] - exact.said[both]))
                distance, norm = (
                    np.sqrt(sum(float((d**2).sum()) for d in of))
                    for of in ([a - b for a, b in zip(approximate, gradients, strict=True)], gradients)
                )
                wrong.append(distance / norm if norm > 0 else 0.0)
            errors[name].append((dt, float(np.mean(late)), float(np.median(wrong))))
    return errors
