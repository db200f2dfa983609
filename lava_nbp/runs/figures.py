"""The figures of a training run, drawn into its folder: what every run has, and what its algorithm adds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from lava_nbp.base.checks import check_kind, shown
from lava_nbp.base.files import AnyPath, as_path, check_output
from lava_nbp.base.progress import Stage, untold
from lava_nbp.base.registry import resolve
from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.errors import CheckpointError
from lava_nbp.runs.recordings import event_drawings
from lava_nbp.seeing import plot
from lava_nbp.training.learner import Arrays
from lava_nbp.training.metrics import best_epoch
from lava_nbp.training.run import Run, load_run
from lava_nbp.training.sections import Drawing

#: Inputs of at least so many pixels a side are shown as images.
_SMALLEST_IMAGE = 4
_PLAIN = "accuracy"


def plot_run(folder: AnyPath, out: AnyPath | None = None, stage: Stage = untold) -> list[Path]:
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
        If the run's checkpoint or data cannot be used, or a figure cannot be written.
    """
    folder = as_path(folder, "folder of a run")
    into = folder if out is None else as_path(out, "folder of figures")
    run = load_run(folder)
    drawings = drawings_of(run)
    for name in drawings:
        check_output(_file(into, name))
    run.infer(partial(stage, "test set"))
    return draw_all(drawings, into, stage)


def draw_all(drawings: Mapping[str, Drawing], folder: AnyPath, stage: Stage = untold) -> list[Path]:
    """Draw figures into a folder, each into the file of its name; return their paths."""
    check_kind(drawings, Mapping, "drawings")
    for name, drawing in drawings.items():
        check_kind(drawing, Drawing, f"drawing {shown(name)}")
    folder, paths = as_path(folder, "folder of figures"), []
    for k, (name, drawing) in enumerate(drawings.items()):
        stage(f"figure: {name.replace('_', ' ')}", k, len(drawings))
        paths.append(drawing.draw(_file(folder, name)))
    return paths


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.png"


def drawings_of(run: Run) -> dict[str, Drawing]:
    """Everything that can be drawn of a run, by the name of its file without the suffix.

    Raises
    ------
    CheckpointError
        If the run has no finished epoch.
    LavaNBPError
        If its data cannot be used.
    """
    check_kind(run, Run, "run")
    if not run.state.history:
        raise CheckpointError(f"{run.folder} holds no finished epoch yet; nothing to draw")
    beside = run.learner.names_beside
    weights = {name: w for name, w in run.learner.shown(run.weights).items() if name not in beside}
    drawings = {
        "learning_curve": Drawing(lambda path: _learning_curve(run, path), "Accuracy against epochs."),
        "weights": Drawing(
            lambda path: plot.weight_histograms(weights, path, run.name), "Distribution of the weights."
        ),
        "confusion_matrix": Drawing(
            lambda path: _confusion_matrix(run, path), "How often each class (rows) was answered as each (columns)."
        ),
        **event_drawings(run),
        **_weight_images(run, weights),
    }
    added = run.algorithm.figures
    return drawings | (resolve(added)(run) if added is not None else {})


def _learning_curve(run: Run, path: Path) -> Path:
    history, learner, accuracy = run.state.history, run.learner, run.algorithm.accuracy
    of_what = accuracy.removeprefix(_PLAIN).strip("_").replace("_", " ")
    suffix = f" ({of_what})" if of_what else ""
    curves = {
        f"train_{accuracy}": f"training, while learning{suffix}",
        f"validation_{accuracy}": f"validation{suffix}",
        **{f"test_{name}": f"test, {meaning}" for name, meaning in learner.figures.items()},
    }
    best = best_epoch(history, f"validation_{run.config.compared_by}")
    return plot.learning_curve(history, curves, path, run.name, None if best is None else int(best["epoch"]))


def _confusion_matrix(run: Run, path: Path) -> Path:
    data = run.learner.dataset
    return plot.confusion_matrix(run.inference.classes, data.test.y, data.classes, path, f"{run.name}: test set")


def _weight_images(run: Run, weights: Arrays) -> dict[str, Drawing]:
    """What leads to the first hidden neurons, if the inputs are pixels of a square; a bias spike stands behind them."""
    inputs = run.state.layers[0]
    side = math.isqrt(inputs)
    name = _first_matrix(run, weights)
    is_events = isinstance(run.learner.dataset, EventDataset)  # whose inputs are channels, however many
    if is_events or name is None or side < _SMALLEST_IMAGE or inputs - side**2 > 1:
        return {}
    images = weights[name][: side**2].T.reshape(-1, side, side)
    return {
        "weight_images": Drawing(
            lambda path: plot.weight_images(images, path, f"{run.name}: {name}"),
            "First-layer weights of some neurons, as images: purple is negative, orange positive.",
        )
    }


def _first_matrix(run: Run, weights: Arrays) -> str | None:
    """The matrix between input and first layer behind it; None if there is none."""
    if run.circuit is None:
        return next((name for name, w in weights.items() if w.shape == run.state.layers[:2]), None)
    first, second = run.circuit.forward[:2]
    return next((p.matrix for p in run.circuit.projections if (p.pre, p.post) == (first, second)), None)
