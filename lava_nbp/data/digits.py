"""The digits that ship with scikit-learn."""

from __future__ import annotations

import numpy as np

from lava_nbp.data.options import DataOptions
from lava_nbp.data.samples import Labelled, Samples

#: Held out for testing; the order is shuffled once, the same for everyone.
_TEST, _SHUFFLE = 360, 0


def digits_samples(options: DataOptions) -> Samples:
    """8 x 8 handwritten digits that ship with scikit-learn: 1437 to train with, 360 to test; no option changes them."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(_SHUFFLE).permutation(len(bunch.images))
    digits = Labelled(bunch.images[order], bunch.target[order].astype(np.int64))
    return Samples(digits[:-_TEST], digits[-_TEST:], tuple(str(k) for k in range(10)), full_scale=16.0)
