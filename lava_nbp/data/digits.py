"""The digits that ship with scikit-learn."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lava_nbp.data.options import DataOptions
from lava_nbp.data.samples import Labelled, Samples

#: Held out for testing; the order is shuffled once, the same for everyone.
_TEST, _SHUFFLE = 360, 0


def digits_samples(options: DataOptions) -> Samples:
    """8 x 8 handwritten digits that ship with scikit-learn: 1437 to train with, 360 to test; no option changes them."""
    package = find_spec("sklearn")
    assert package is not None  # it is a dependency
    assert package.origin is not None
    # Its file alone: importing scikit-learn takes longer than a small run.
    rows = np.loadtxt(Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    rows = rows[np.random.default_rng(_SHUFFLE).permutation(len(rows))]
    digits = Labelled(np.ascontiguousarray(rows[:, :-1]).reshape(-1, 8, 8), rows[:, -1].astype(np.int64))
    return Samples(digits[:-_TEST], digits[-_TEST:], tuple(str(k) for k in range(10)), full_scale=16.0)
