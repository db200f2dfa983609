"""Initial weights, and the constants of the learning rule.

The rule of every plastic synapse (Renner et al. 2024, Methods), evaluated in
every step on the spikes of that step, with the global third factor r::

    dw = 4 * r * x0 * y0 - 2 * x0 * y0

x0 and y0 are the spikes of the pre- and the postsynaptic neuron: where both
fire in one step, w grows by 2 while r = 1 and shrinks by 2 while r = 0,
saturating at +-254. A changed weight acts on spikes that arrive from the next
step on.
"""

from __future__ import annotations

import numpy as np

from lava_nbp.base.integers import Int16Array, round_to_even_toward_zero
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import WeightError
from lava_nbp.nbp.circuit import THRESHOLD

#: Change of a weight per update.
STEP = WEIGHT_STEP
#: Largest magnitude of an initial weight, as published with the paper.
INITIAL_WEIGHT_MAX = 240


def initial_weights(
    layers: tuple[int, int, int],
    rng: np.random.Generator,
    clip: int = INITIAL_WEIGHT_MAX,
    input_scale: float = 1.0,
    output_mean: float = 0.0,
) -> dict[str, Int16Array]:
    """Draw W1 and W2: normal(0, sqrt(2 / (n_pre + n_post))) * 1024, clipped, rounded toward zero to even.

    Parameters
    ----------
    layers : (int, int, int)
        n_in, n_hidden, n_out.
    rng : numpy.random.Generator
        W1 is drawn first.
    clip : int
        Largest magnitude, an even number of at most 254.
    input_scale : float
        Factor on the standard deviation of W1; the paper's is 1. With many active inputs
        less keeps the pre-activations of the hidden layer inside the box of the surrogate.
    output_mean : float
        Mean of W2, in weight units; the paper's is 0. An output whose pre-activation
        is <= 0 for all samples of its class never learns, since its error is gated by
        o_lo; a mean of a few units keeps outputs from starting so.

    Raises
    ------
    WeightError
        If `clip` is not such a number.
    """
    if not 0 < clip <= PLASTIC_WEIGHT_MAX or clip % WEIGHT_STEP:
        raise WeightError(
            f"initial weights clipped to {clip}, but the limit is an even number in 2 .. {PLASTIC_WEIGHT_MAX}"
        )

    def draw(n_pre: int, n_post: int, scale: float, mean: float) -> Int16Array:
        real = rng.normal(0.0, np.sqrt(2.0 / (n_pre + n_post)), (n_pre, n_post)) * (THRESHOLD * scale) + mean
        return round_to_even_toward_zero(np.clip(real, -clip, clip)).astype(np.int16)

    n_in, n_hidden, n_out = layers
    return {"W1": draw(n_in, n_hidden, input_scale, 0.0), "W2": draw(n_hidden, n_out, 1.0, output_mean)}
