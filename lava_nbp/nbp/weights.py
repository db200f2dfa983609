"""Initial weights."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from lava_nbp.base.checks import check_integer, check_kind, check_real, check_sequence, is_integer, shown
from lava_nbp.base.integers import Int16Array, round_to_even_toward_zero
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import NEURONS_PER_CHIP, PLASTIC_WEIGHT_MAX, WEIGHT_STEP
from lava_nbp.errors import WeightError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.levels import THRESHOLD

#: Largest magnitude of an initial weight, as published with the paper.
INITIAL_WEIGHT_MAX = 240
#: Bytes per weight while it is drawn: several float64.
_DRAWN = 40


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
        If `clip` is not such a number, the factor is not in 0 .. 100, the mean not in -254 .. 254, or a layer has no
        size.
    InputError
        If the matrices need more memory than there may be, or for an `rng` that is none.
    """
    check_kind(rng, np.random.Generator, "rng")
    if not (is_integer(clip) and 0 < clip <= PLASTIC_WEIGHT_MAX) or clip % WEIGHT_STEP:
        raise WeightError(
            f"initial weights clipped to {shown(clip)}, but the limit is an even number in 2 .. {PLASTIC_WEIGHT_MAX}"
        )
    input_scale = check_real(input_scale, 0, 100, "initial weights: input_scale", error=WeightError)
    most = PLASTIC_WEIGHT_MAX
    output_mean = check_real(output_mean, -most, most, "initial weights: output_mean", error=WeightError)
    shapes = network.matrix_shapes if isinstance(network, Circuit) else _shapes(network)
    masks = {m.name: m.mask for m in network.matrices} if isinstance(network, Circuit) else {}
    largest = max(math.prod(shape) for shape in shapes.values())
    check_memory(largest * _DRAWN, f"a matrix of {largest} initial weights", "make a layer smaller")
    first, last = next(iter(shapes)), next(reversed(shapes))
    weights = {}
    for name, shape in shapes.items():
        mask = masks.get(name)
        # What a neuron hears and whom it reaches, in the mean over those of the other side.
        n_pre, n_post = shape if mask is None else (mask.n_synapses / shape[1], mask.n_synapses / shape[0])
        scale, mean = (input_scale if name == first else 1.0), (output_mean if name == last else 0.0)
        real = rng.normal(0.0, np.sqrt(2.0 / (n_pre + n_post)), shape) * (THRESHOLD * scale) + mean
        weights[name] = round_to_even_toward_zero(np.clip(real, -clip, clip)).astype(np.int16)
        if mask is not None:
            weights[name][~mask.matrix(shape)] = 0
    return weights


def _shapes(layers: tuple[int, ...]) -> dict[str, tuple[int, int]]:
    sizes = check_sequence(layers, "network", "give a Circuit, or a size per layer")
    if len(sizes) < 2:
        raise WeightError(f"initial weights of layers {shown(layers)}; give two sizes or more")
    whole = [check_integer(n, 1, NEURONS_PER_CHIP, "size of a layer", error=WeightError) for n in sizes]
    return {f"W{k}": shape for k, shape in enumerate(pairwise(whole), 1)}
