"""What is drawn of a SLAYER run beside what every run has: rasters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lava_nbp.seeing import plot
from lava_nbp.training.sections import Drawing, rasters
from lava_nbp.training.slayer.learner import SLAYERLearner

if TYPE_CHECKING:
    from lava_nbp.training.run import Run

#: Shades of a raster, at most: every step has its own in a trial of so many.
_SHADES = 40


def figures(run: Run) -> dict[str, Drawing]:
    """Rasters of a test sample that is answered right, and of one that is not."""
    learner = run.learner
    assert isinstance(learner, SLAYERLearner)
    names = ["input", *(f"hidden {k}" for k in range(1, len(learner.layers) - 1)), "output"]

    def raster(sample: int, path: Path, title: str) -> Path:
        spikes = dict(zip(names, learner.spikes(run.weights, sample), strict=True))
        return plot.spike_raster(spikes, path, -(-learner.steps // _SHADES), title)

    return rasters(run.inference.right, run.name, raster)
