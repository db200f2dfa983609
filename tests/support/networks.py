"""Random networks and samples for the tests."""

import numpy as np


def random_weights(layers, rng, saturating=False):
    """Even integers; `saturating`: most of them at or next to +-254."""
    n_in, n_hidden, n_out = layers

    def draw(shape):
        if saturating:
            return rng.choice([-254, -252, 252, 254], size=shape)
        return 2 * rng.integers(-127, 128, size=shape)

    return {"W1": draw((n_in, n_hidden)), "W2": draw((n_hidden, n_out))}


def random_samples(n, layers, rng, density=0.4):
    """Inputs (n, n_in) and one-hot targets (n, n_out)."""
    x = (rng.random((n, layers[0])) < density).astype(np.uint8)
    labels = rng.integers(0, layers[2], n)
    return x, labels, np.eye(layers[2], dtype=np.uint8)[labels]
