"""Events that are drawn, and whether two are the same."""

import numpy as np

from lava_nbp.data import Events


def same_events(a, b):
    return a.n_units == b.n_units and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("times", "units", "offsets")
    )


def drawn_events(seed, sensor=(1, 1, 5), samples=4, most=12, end=20.0):
    """Events of a few samples, with times that come again and samples without any."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, most, samples)
    times = [np.sort(np.round(rng.uniform(0, end, n), rng.integers(0, 3))) for n in sizes]
    n_units = int(np.prod(sensor))
    return Events(
        np.concatenate(times), rng.integers(0, n_units, sizes.sum()), np.concatenate([[0], np.cumsum(sizes)]), n_units
    )
