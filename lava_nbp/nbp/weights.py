"""Initial weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lava_nbp.base.checks import check_integer, check_kind, check_real, check_sequence, is_integer, shown
from lava_nbp.base.integers import Int16Array, round_to_even_toward_zero
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import InputError, WeightError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.levels import THRESHOLD

#: Largest magnitude of an initial weight, as published with the paper.
INITIAL_WEIGHT_MAX = 240
#: Scales and means beyond this clip every weight.
_LARGEST = 1e6


def initial_weights(
    network: Circuit | tuple[int, ...],
    rng: np.random.Generator,
    clip: int = INITIAL_WEIGHT_MAX,
    input_scale: float = 1.0,
    output_mean: float = 0.0,
) -> dict[str, Int16Array]:
    """Draw every matrix: normal(0, sqrt(2 / (n_pre + n_post))) * 1024, clipped, rounded toward zero to even.

    Parameters
    ----------
    network : Circuit or tuple of int
        What needs weights: the matrices of a circuit, or W1, W2, ... of layers of these sizes.
    rng : numpy.random.Generator
        The matrices are drawn in their order.
    clip : int
        Largest magnitude, an even number of at most 254.
    input_scale : float
        Factor on the standard deviation of the first matrix; the paper's is 1. With many active inputs
        less keeps the pre-activations of the hidden layer inside the box of the surrogate.
    output_mean : float
        Mean of the last matrix, in weight units; the paper's is 0. An output whose pre-activation
        is <= 0 for all samples of its class never learns, since its error is gated by
        o_lo; a mean of a few units keeps outputs from starting so.

    Raises
    ------
    WeightError
        If `clip` is not such a number.
    InputError
        For a network without weights, sizes that are no positive integers, or a scale or mean that is not finite.
    """
    if not is_integer(clip) or not 0 < clip <= PLASTIC_WEIGHT_MAX or clip % WEIGHT_STEP:
        raise WeightError(
            f"initial weights clipped to {shown(clip)}, but the limit is an even number in 2 .. {PLASTIC_WEIGHT_MAX}"
        )
    check_kind(rng, np.random.Generator, "rng")
    input_scale = check_real(input_scale, 0.0, _LARGEST, "input_scale")
    output_mean = check_real(output_mean, -_LARGEST, _LARGEST, "output_mean", "it is given in weight units")
    shapes = network.matrix_shapes if isinstance(network, Circuit) else _shapes(network)
    first, last = next(iter(shapes)), next(reversed(shapes))
    weights = {}
    for name, (n_pre, n_post) in shapes.items():
        scale, mean = (input_scale if name == first else 1.0), (output_mean if name == last else 0.0)
        real = rng.normal(0.0, np.sqrt(2.0 / (n_pre + n_post)), (n_pre, n_post)) * (THRESHOLD * scale) + mean
        weights[name] = round_to_even_toward_zero(np.clip(real, -clip, clip)).astype(np.int16)
    return weights


def _shapes(layers: tuple[int, ...]) -> dict[str, tuple[int, int]]:
    cure = "give a Circuit, or a size per layer"
    sizes = [check_integer(n, 1, None, "size of a layer") for n in check_sequence(layers, "network", cure)]
    if len(sizes) < 2:
        raise InputError(f"network is {shown(layers)}, which has no weights; {cure}, of two layers or more")
    check_memory(8 * sum(pre * post for pre, post in pairwise(sizes)), "initial weights", "make a layer smaller")
    return {f"W{k}": shape for k, shape in enumerate(pairwise(sizes), 1)}
