"""The figures of a training run, drawn into its folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.seeing import eventprop_plot, plot
from lava_nbp.data import LatencySplit
from lava_nbp.errors import CheckpointError, InputError
from lava_nbp.eventprop import reference
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.trains import SpikeTrains, latency_trains
from lava_nbp.nbp.circuit import training_circuit
from lava_nbp.nbp.executor import one_hot
from lava_nbp.base.progress import Stage, untold
from lava_nbp.executors.trace import trace
from lava_nbp.training.checkpoint import Checkpoint
from lava_nbp.training.config import EventPropExperiment, Experiment, NBPExperiment, SLAYERExperiment, flatten
from lava_nbp.training.metrics import best_epoch
from lava_nbp.runs.train import load_run

#: What draws each figure, by the name of its file.
Figures = dict[str, Callable[[Path], Path]]
#: Weights per layer whose gradient is checked, and the step of the differences.
_CHECKED, _STEP = 40, 1e-6
#: Points per side of the class map's grid.
_GRID = 81
#: Arithmetic of the figure of fixed steps: name, theta_bits, coefficient_bits, adjoint_bits; and how many samples.
_ARITHMETIC = (("12-bit coefficients", 14, 12, 14), ("24-bit coefficients", 14, 24, 14))
_COMPARED = 20
#: Inputs of at least so many pixels a side are shown as images.
_SMALLEST_IMAGE = 4


def plot_run(folder: Path, out: Path | None = None, stage: Stage = untold) -> list[Path]:
    """Draw all figures of a training run; return their paths.

    Parameters
    ----------
    folder : path
        The run.
    out : path, optional
        Folder to draw into; default: the run's.
    stage : Stage
        Is told of figures.

    Raises
    ------
    LavaNBPError
        If the run's checkpoint or data cannot be used.
    """
    state, config = load_run(folder)
    if not state.history:
        raise CheckpointError(f"{folder} holds no finished epoch yet; nothing to draw")
    if isinstance(config, EventPropExperiment):
        figures = _eventprop(state, config)
    elif isinstance(config, SLAYERExperiment):
        figures = _slayer(state, config)
    else:
        assert isinstance(config, NBPExperiment)
        figures = _nbp(state, config)
    paths = []
    for k, (name, draw) in enumerate(figures.items()):
        stage(f"figure: {name.replace('_', ' ')}", k, len(figures))
        paths.append(draw((out or folder) / f"{name}.png"))
    return paths


def _name(state: Checkpoint, config: Experiment) -> str:
    network = "-".join(map(str, state.layers))
    return f"{flatten(config.model_dump())['data.name']} {network}, {config.target}, seed {config.seed}"


def _common(
    state: Checkpoint, config: Experiment, answers: NDArray[Any], labels: NDArray[Any], classes: Sequence[str],
    compared_by: str, weights: Mapping[str, NDArray[Any]],
) -> Figures:  # fmt: skip
    """Those that every algorithm has."""
    name = _name(state, config)
    best = best_epoch(state.history, f"validation_{compared_by}")
    chosen = None if best is None else int(best["epoch"])
    figures: Figures = {
        "learning_curve": lambda path: plot.learning_curve(state.history, path, name, chosen),
        "weights": lambda path: plot.weight_histograms(weights, path, name),
        "confusion_matrix": lambda path: plot.confusion_matrix(answers, labels, classes, path, f"{name}: test set"),
    }
    # Inputs that are pixels come first; a bias spike stands behind them.
    side = math.isqrt(state.layers[0])
    if side >= _SMALLEST_IMAGE and state.layers[0] - side**2 <= 1:
        images = weights["W1"][: side**2].T.reshape(-1, side, side)
        figures["weight_images"] = lambda path: plot.weight_images(images, path, f"{name}: W1")
    return figures


def _slayer(state: Checkpoint, config: SLAYERExperiment) -> Figures:
    from lava_nbp.training.slayer.learner import SLAYERLearner

    learner = SLAYERLearner(config)
    weights, data = state.chosen or state.weights, learner.dataset
    answers = learner.infer(weights).classes
    right = answers == data.test.y

    def raster(path: Path, shown: int, title: str) -> Path:
        names = ["input", *(f"hidden {k}" for k in range(1, len(state.layers) - 1)), "output"]
        return plot.spike_raster(dict(zip(names, learner.spikes(weights, shown), strict=True)), path, title=title)

    shown = {name: w / config.neuron.threshold for name, w in weights.items()}
    figures = _common(state, config, answers, data.test.y, data.classes, learner.compared_by, shown)
    return figures | _rasters(raster, right, _name(state, config))


def _rasters(draw: Callable[[Path, int, str], Path], right: NDArray[np.bool_], name: str) -> Figures:
    """Of a test sample that is answered right, and of one that is not if there is one."""

    def one(path: Path, shown: int) -> Path:
        return draw(path, shown, f"{name}: test sample {shown} ({'right' if right[shown] else 'wrong'})")

    figures: Figures = {"raster": partial(one, shown=int(np.argmax(right)))}
    if not right.all():
        figures["raster_wrong"] = partial(one, shown=int(np.argmin(right)))
    return figures


def _nbp(state: Checkpoint, config: NBPExperiment) -> Figures:
    from lava_nbp.executors.make import make_executor
    from lava_nbp.training.nbp.learner import load_run_data

    dataset = load_run_data(config)
    weights = state.chosen or state.weights
    n_in, n_hidden, n_out = state.layers
    with make_executor("sample", (n_in, n_hidden, n_out), weights) as executor:
        spikes = executor.infer(dataset.test.x).spikes
    # One sample without an error and one with: there the error phases have something to show.
    right = (spikes == one_hot(dataset.test.y, len(dataset.classes))).all(axis=1)
    shown = [int(np.argmax(right)), int(np.argmin(right))]
    variant = {"guarded": config.network.guarded, "chip_order": config.network.chip_order}
    circuit = training_circuit(n_in, n_hidden, n_out, **variant)

    def raster(path: Path) -> Path:
        found = trace("spiking", dataset.test.x[shown], dataset.test.y[shown], weights, circuit.name)
        rows = {key.removeprefix("spikes/"): rows for key, rows in found.items() if key.startswith("spikes/")}
        verdict = "right" if right.all() else "wrong"
        title = f"{_name(state, config)}: test samples {shown[0]} (right) and {shown[1]} ({verdict})"
        return plot.raster(circuit, rows, path, title)

    answers = spikes.argmax(axis=1)
    return {
        "raster": raster,
        **_common(state, config, answers, dataset.test.y, dataset.classes, "accuracy_spikes", weights),
    }


def _eventprop(state: Checkpoint, config: EventPropExperiment) -> Figures:
    """Answers by the run's own engine, all else by the continuous one, which takes 8-bit weights, too."""
    from lava_nbp.training.eventprop.learner import EventPropLearner, EventPropSession

    name = _name(state, config)
    continuous = EventPropLearner(config.model_copy(update={"target": "continuous"}))
    with EventPropSession(continuous, state.chosen or state.weights) as session:
        engine, trains = session.engine, session.trains("test")
        weights, result = session.read_weights(), session.answers("test")
    if config.target != "continuous":
        with EventPropSession(EventPropLearner(config), state.chosen or state.weights) as session:
            result = session.answers("test")
    data = continuous.dataset
    labels, right = data.test.y, result.right(data.test.y)
    sample = int(np.argmax(right))
    figures = _common(state, config, result.answers(), labels, data.classes, continuous.compared_by, weights)
    figures["gradient_check"] = lambda path: eventprop_plot.gradient_check(
        *_differences(engine, trains, labels, sample), path, f"{name}: sample {sample}"
    )
    if not any(loop.size for loop in engine.loops):

        def raster(path: Path, shown: int, title: str) -> Path:
            return _adjoint_raster(engine, trains, labels, shown, path, title)

        figures |= _rasters(raster, right, name)
    if data.plane:
        figures["class_map"] = lambda path: _class_map(engine, config, data.test, right, path, name)
        if isinstance(engine.loss, TTFSLoss):
            figures["clocked_error"] = lambda path: eventprop_plot.clocked_error(
                clocked_errors(engine, trains, labels), path, f"{name}: {_COMPARED} test samples"
            )
    return figures


def _class_map(
    engine: EventPropEngine, config: EventPropExperiment, test: LatencySplit, right: NDArray[np.bool_], path: Path,
    title: str,
) -> Path:  # fmt: skip
    side = np.linspace(0, 1, _GRID)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    points = points[np.hypot(*(points - 0.5).T) <= 0.5]
    grid = LatencySplit(np.hstack([points, 1 - points]), np.zeros(len(points), np.int64), test.encoding)
    mapped = engine.infer(latency_trains(grid.times(), config.encoding.end))
    said = np.where(mapped.ties(), -1, mapped.answers())
    return eventprop_plot.class_map(points, said, path, test.values[~right][:, :2], title)


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
