"""Options of the circuits that learn by other rules than the paper's, checked; see `lava_nbp.nbp.deep`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer, check_sequence, shown
from lava_nbp.base.memory import check_memory
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import CircuitError
from lava_nbp.nbp.draws import Decay
from lava_nbp.nbp.mask import Mask, patch_mask
from lava_nbp.nbp.ramp import Ramp

#: Margins are multiples of this, so that the gates that make them are weights of the chip.
MARGIN_STEP, MARGIN_MAX = 64, 7168
BOX_MAX = 7104


def layer_sizes(layers: Sequence[int], per_class: int) -> tuple[int, ...]:
    """Neurons of every layer: the last one has so many for each class."""
    sizes = tuple(check_integer(n, 1, NEURONS_PER_CHIP, "layers: size", error=CircuitError) for n in layers)
    check_integer(per_class, 1, NEURONS_PER_CHIP // max(sizes, default=1), "per_class", error=CircuitError)
    return (*sizes[:-1], *(n * per_class for n in sizes[-1:]))


def margin_option(value: Any, least: int = 0) -> int:
    """A margin, in weight units."""
    margin = check_integer(value, least, MARGIN_MAX, "margin", "it is in weight units", CircuitError)
    if margin % MARGIN_STEP:
        raise CircuitError(f"margin is {margin}, but must be a multiple of {MARGIN_STEP}; round it")
    return margin


def mask_options(patch: int, image: Sequence[int], sizes: tuple[int, ...], members: int = 1) -> tuple[Mask | None, ...]:
    """Which synapses the matrices have: W1 for patches of an image, and all others if there are several members.

    sizes are those of all members together. Members have the inputs in common, and nothing else: the units of a hidden
    layer are those of the first, then those of the second; the outputs of a class stand side by side, one of each.
    """
    first = _windows(patch, image, (sizes[0], sizes[1] // members))
    if members == 1:
        return (first, *[None] * (len(sizes) - 2))
    masks = [first if first is None else Mask.of(np.tile(first.matrix((sizes[0], sizes[1] // members)), (1, members)))]
    for k, (n_pre, n_post) in enumerate(pairwise(sizes[1:]), 2):
        check_memory(n_pre * n_post, f"a mask of {n_pre} x {n_post} synapses", "make a layer smaller")
        of_pre = np.arange(n_pre) // (n_pre // members)
        post = np.arange(n_post)
        of_post = post % members if k == len(sizes) - 1 else post // (n_post // members)
        masks.append(Mask.of(of_pre[:, None] == of_post))
    return tuple(masks)


def _windows(patch: int, image: Sequence[int], sizes: tuple[int, int]) -> Mask | None:
    """Which synapses W1 of one member has."""
    sides = check_sequence(image, "image", "give (channels, height, width)")
    if not check_integer(patch, 0, NEURONS_PER_CHIP, "patch", "it is in pixels", CircuitError):
        if sides:
            raise CircuitError(
                f"image is {shown(image)}, but means nothing without patches; give patch, or leave it out"
            )
        return None
    if not sides:
        raise CircuitError(
            f"patch is {patch}, but which inputs are neighbours is not said; give image=(channels, height, width)"
        )
    mask = patch_mask(sides, sizes[1], patch)
    if math.prod(sides) != sizes[0]:
        raise CircuitError(f"image {shown(sides)} has {math.prod(sides)} inputs, but the layers begin with {sizes[0]}")
    return mask


def decay_option(value: Any) -> Decay:
    """How the update probability falls, of three numbers."""
    if isinstance(value, Decay):
        return value
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise CircuitError(
            f"update_probability is {shown(value)}, but must be three numbers: that of the first epoch, that of the "
            f"last, and how many epochs there are"
        )
    return Decay(*value)


def box_option(value: Any) -> tuple[int, int]:
    """Edges of the derivative, in weight units."""
    edges = check_sequence(value, "box", "give two integers")
    for edge in edges:
        check_integer(edge, -BOX_MAX, MARGIN_MAX, "box", "it is in weight units", CircuitError)
    if len(edges) != 2 or edges[0] >= edges[1] or any(edge % MARGIN_STEP for edge in edges):
        raise CircuitError(f"box is {shown(value)}, but must be two multiples of {MARGIN_STEP}, the smaller one first")
    return int(edges[0]), int(edges[1])


def ramp_option(value: Any) -> Ramp | None:
    """How the output is read, of three integers, or none."""
    if isinstance(value, Ramp):
        return value
    if not isinstance(value, (list, tuple)) or len(value) not in (0, 3):
        raise CircuitError(
            f"ramp is {shown(value)}, but must be three integers: the first firing point, the last, and the step from "
            f"one to the next"
        )
    return Ramp(*value) if value else None
