"""What is drawn of an nBP run beside what every run has: every spike of two samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lava_nbp.executors.trace import trace
from lava_nbp.seeing import plot
from lava_nbp.training.nbp.learner import NBPLearner
from lava_nbp.training.nbp.spikes import sample_spikes
from lava_nbp.training.sections import Drawing, one_of_each

if TYPE_CHECKING:
    from lava_nbp.training.run import Run


def figures(run: Run) -> dict[str, Drawing]:
    """The raster of a sample without an error and of one with: there the error phases have something to show."""
    return {"raster": Drawing(lambda path: _raster(run, path), "Spikes; the title names the samples.")}


def _raster(run: Run, path: Path) -> Path:
    learner = run.learner
    assert isinstance(learner, NBPLearner)
    circuit, shown = learner.circuit, one_of_each(run.inference.right)
    spikes = sample_spikes(circuit, learner.dataset.test, list(shown.values()))
    found = trace("spiking", circuit, run.weights, *spikes)
    rows = {key.removeprefix("spikes/"): rows for key, rows in found.items() if key.startswith("spikes/")}
    named = [f"{sample} ({'right' if right else 'wrong'})" for right, sample in shown.items()]
    title = f"{run.name}: test sample{'s' if len(named) > 1 else ''} {' and '.join(named)}"
    return plot.raster(circuit, rows, path, title)
