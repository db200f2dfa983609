"""What is drawn of an EventProp run beside what every run has: rasters both ways, voltages, gradients, classes, steps.

All of it by the continuous engine, which takes the weights of a clocked network, too.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lava_nbp.data.latency_dataset import LatencyDataset, LatencySplit
from lava_nbp.errors import InputError, LavaNBPError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import Loss, MeanVoltageLoss, TTFSLoss, VoltageErrorLoss
from lava_nbp.eventprop.trains import SpikeTrains, latency_trains
from lava_nbp.seeing import eventprop_plot
from lava_nbp.training.eventprop.learner import EventPropLearner
from lava_nbp.training.eventprop.session import EventPropSession
from lava_nbp.training.learner import Arrays
from lava_nbp.training.sections import Drawing, rasters

if TYPE_CHECKING:
    from lava_nbp.training.run import Run

Float64Array = NDArray[np.float64]
#: By name of an arithmetic: (dt in ms, mean error of output spike times in ms, median relative error of a gradient).
ClockedErrors = dict[str, list[tuple[float, float, float]]]

#: Entries of every matrix whose gradient is checked, and the step of the differences.
_CHECKED, _STEP = 40, 1e-6
#: Where neurons run one by one, for delays or constants of their own, each difference takes its time: fewer entries
#: then, so that a matrix takes so many arrivals at hidden neurons, a second's worth or two, and so many entries anyhow.
_ARRIVALS, _FEWEST = 5_000_000, 5
#: Spikes of an output that are shown, and how often voltages are read over a trial.
_SAID, _READ = 1 << 10, 500
#: Points per side of the class map's grid.
_GRID = 81
#: Arithmetic of the figure of fixed steps: name, theta_bits, coefficient_bits, adjoint_bits; and how many samples.
_ARITHMETIC = (("12-bit coefficients", 14, 12, 14), ("24-bit coefficients", 14, 24, 14))
_COMPARED = 20
#: Steps of that figure, in ms.
_STEPS = (2.0, 1.0, 0.5, 0.25, 0.1)


def figures(run: Run) -> dict[str, Drawing]:
    """Rasters, voltages that answer, a check of its gradient; on Yin-Yang also its classes, and fixed steps."""
    learner = run.learner
    assert isinstance(learner, EventPropLearner)
    session = EventPropSession(learner.on("continuous"), run.weights)
    engine, trains, labels = session.engine, session.trains("test"), learner.dataset.test.y
    right = run.inference.right
    found = rasters(right, run.name, partial(_adjoint_raster, engine, trains, labels))
    if not isinstance(engine.loss, TTFSLoss):
        draw = partial(_voltages, engine, trains, labels, learner.dataset.classes)
        found |= rasters(right, run.name, draw, "voltages", "Voltages of the outputs over time, below the spikes")
    beside = [name for name in engine.names if name[0] not in "WR"]  # what is learned beside weights
    if beside:
        (start, doubt), now = _begun(learner), learner.shown(run.weights)
        found["delays_and_constants"] = Drawing(
            lambda path: eventprop_plot.before_and_after(
                {name: start[name] for name in beside}, {name: now[name] for name in beside}, path, run.name
            ),
            f"Delays (D, of recurrent weights E) and time constants before and after learning.{doubt}",
        )
    sample = int(np.argmax(right))
    found["gradient_check"] = Drawing(
        lambda path: eventprop_plot.gradient_check(
            *differences(engine, trains, labels, sample), path, f"{run.name}: sample {sample}"
        ),
        "Gradient against differences of the loss.",
    )
    if isinstance(learner.dataset, LatencyDataset) and learner.dataset.plane:
        test = learner.dataset.test
        wrong = test.values[~right][:, :2]
        found["class_map"] = Drawing(
            lambda path: eventprop_plot.class_map(*_answers_on_the_plane(engine, test), path, wrong, run.name),
            "What the network says over the plane.",
        )
        if isinstance(engine.loss, TTFSLoss) and engine.is_uniform:
            found["clocked_error"] = Drawing(
                lambda path: eventprop_plot.clocked_error(
                    clocked_errors(engine, trains, labels), path, f"{run.name}: {_COMPARED} test samples"
                ),
                "Error of fixed steps.",
            )
    return found


def _begun(learner: EventPropLearner) -> tuple[Arrays, str]:
    """What a run began with, in ms, and what to say if that is not known: the file that it began from may be gone."""
    try:
        return learner.initial_weights(), ""
    except LavaNBPError:
        name = Path(str(learner.config.network.weights)).name
        return learner.drawn_weights(), f" {name} (network.weights) cannot be read: before is what is drawn without it."


def _answers_on_the_plane(engine: EventPropEngine, test: LatencySplit) -> tuple[Float64Array, NDArray[np.int64]]:
    """Points of a grid in the disc, and the class of each; -1: a tie."""
    side = np.linspace(0, 1, _GRID)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    points = points[np.hypot(*(points - 0.5).T) <= 0.5]
    grid = LatencySplit(np.hstack([points, 1 - points]), np.zeros(len(points), np.int64), test.encoding)
    mapped = engine.infer(latency_trains(grid.times(), engine.end))
    return points, np.where(mapped.ties(), -1, mapped.answers())


def differences(
    engine: EventPropEngine, trains: SpikeTrains, labels: NDArray[np.int64], sample: int
) -> tuple[Float64Array, Float64Array]:
    """Some of a sample's gradient, and differences of its loss: central ones, at an end of its limits one-sided ones.

    Both have errors of the order of the step squared.
    """
    one = np.array([sample])
    _, gradients = engine.gradient(trains, labels, one)

    def loss() -> float:
        said, label = engine.infer(trains, one).said[0], int(labels[sample])
        if isinstance(engine.loss, TTFSLoss):
            return engine.loss.value(said, label, engine.end)
        assert not isinstance(engine.loss, VoltageErrorLoss)
        return engine.loss.value(said, label)

    checked = _CHECKED
    if not engine.is_uniform:
        arrivals = int(np.diff(trains.offsets)[sample]) * max(sum(engine.sizes[1:-1]), 1)
        checked = max(_FEWEST, min(checked, _ARRIVALS // max(arrivals, 1)))
    found, expected = [], []
    for matrix, g, limits in zip(engine.matrices, gradients, engine.limits, strict=True):
        # Those with the largest gradients: most others are zero, and prove nothing.
        for at in np.argsort(-np.abs(g.ravel()), kind="stable")[:checked]:
            index = np.unravel_index(int(at), g.shape)
            kept, total = matrix[index], 0.0
            weights = _difference(kept, *limits)
            for step, weight in weights.items():
                matrix[index] = kept + step
                total += weight * loss()
            matrix[index] = kept
            if weights:
                found.append(g[index])
                expected.append(total)
    return np.array(found), np.array(expected)


def _difference(at: float, low: float, high: float) -> dict[float, float]:
    """Weights of the values at `at` + each of some steps in a derivative there: f(x) is cut where x leaves its limits.

    None where there is no room.
    """
    if low <= at - _STEP and at + _STEP <= high:
        return {_STEP: 0.5 / _STEP, -_STEP: -0.5 / _STEP}
    for step in (_STEP, -_STEP):
        if low <= at + 2 * step <= high:
            return {0.0: -1.5 / step, step: 2.0 / step, 2 * step: -0.5 / step}
    return {}


def _adjoint_raster(
    engine: EventPropEngine, trains: SpikeTrains, labels: NDArray[np.int64], sample: int, path: Path, title: str
) -> Path:
    asked = engine
    if isinstance(engine.loss, TTFSLoss):  # of outputs every spike, not only the first
        asked = _asked(engine, engine.loss, said_spikes=_SAID)
    said = engine.infer(trains, np.array([sample])).said[0]
    by_said = np.zeros((len(said), asked.said // len(said)))
    by_said[:, 0] = _by_said(engine, said, int(labels[sample]))
    layers = asked.watch(trains, sample, by_said.ravel())
    end = max(float(layer.times.max(initial=0.0)) for layer in layers) + 1.0
    return eventprop_plot.adjoint_raster(layers, engine.sizes, end, path, title)


def _by_said(engine: EventPropEngine, said: Float64Array, label: int) -> Float64Array:
    """Derivative of the loss by what the network says to a sample."""
    loss = engine.loss
    assert not isinstance(loss, VoltageErrorLoss)
    if isinstance(loss, TTFSLoss):
        return loss.by_times(said, label)
    return loss.by_means(said, label) if isinstance(loss, MeanVoltageLoss) else loss.by_peaks(said, label)


def _voltages(
    engine: EventPropEngine,
    trains: SpikeTrains,
    labels: NDArray[np.int64],
    classes: tuple[str, ...],
    sample: int,
    path: Path,
    title: str,
) -> Path:
    one, times = np.array([sample]), np.linspace(0.0, engine.end, _READ + 1)[1:]
    read = _asked(engine, VoltageErrorLoss(tuple(times.tolist())))
    voltages = read.infer(trains, one).said.reshape(_READ, -1)
    said = engine.infer(trains, one).said[0]
    return eventprop_plot.output_voltages(
        engine.watch(trains, sample), engine.sizes, times, voltages, said, int(labels[sample]), classes, path, title
    )


def _asked(engine: EventPropEngine, loss: Loss, said_spikes: int = 1) -> EventPropEngine:
    """The same network, which says something else."""
    longest = max(float(d.max(initial=0.0)) for d in (*engine.delays, *engine.loop_delays))
    return EventPropEngine(
        engine.weights,
        engine.p,
        loss,
        engine.end,
        recurrent=_given(engine.loops),
        delays=_given(engine.delays),
        recurrent_delays=_given(engine.loop_delays),
        longest_delay=longest,
        said_spikes=said_spikes,
    )


def _given(arrays: tuple[Float64Array, ...]) -> list[Float64Array | None]:
    return [array if array.size else None for array in arrays]


def clocked_errors(
    engine: EventPropEngine, trains: SpikeTrains, labels: NDArray[np.int64], steps: tuple[float, ...] = _STEPS
) -> ClockedErrors:
    """Error of the clocked network, by arithmetic: rows as for `eventprop_plot.clocked_error`.

    Steps that an arithmetic does not allow are left out.
    """
    errors: ClockedErrors = {}
    assert isinstance(engine.p, NeuronParameters)
    for name, theta_bits, coefficient_bits, adjoint_bits in _ARITHMETIC:
        errors[name] = []
        for dt in steps:
            try:
                c = FixedPoint(engine.p, dt, engine.end, theta_bits, coefficient_bits, adjoint_bits)
            except InputError:
                continue
            errors[name].append((dt, *_error(engine, c, trains, labels)))
    return errors


def _error(
    engine: EventPropEngine, c: FixedPoint, trains: SpikeTrains, labels: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean error of output spike times in ms, NaN without any, and median relative error of a sample's gradient."""
    assert isinstance(engine.loss, TTFSLoss)
    theta = c.p.theta
    clocked = ClockedEngine(
        [w / theta for w in engine.weights],
        Setup(c, engine.loss),
        recurrent=[None if loop is None else loop / theta for loop in _given(engine.loops)],
    )
    # Both with the same 8-bit weights: what is left is the error of the steps and of the integers.
    rounded = EventPropEngine(
        [w * theta for w in clocked.weights],
        c.p,
        engine.loss,
        engine.end,
        recurrent=[None if loop is None else loop * theta for loop in clocked.loops],
    )
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
    return float(np.mean(late)) if late else np.nan, float(np.median(wrong))
