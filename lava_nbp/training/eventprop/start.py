"""Weights of an EventProp network to start from, out of a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_reals
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.exchange.dense import check_sizes
from lava_nbp.training.config import WEIGHTS
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.network import forward_names, loop_names
from lava_nbp.training.learner import Arrays
from lava_nbp.training.start import is_npz, read_arrays, read_layers

_CURE = "weights are matrices (pre, post) of finite numbers, in thresholds"


def eventprop_start(
    path: Path,
    layers: tuple[int, ...],
    p: NeuronParameters,
    loops: Collection[str] = (),
    *,
    spiking_output: bool = True,
) -> dict[str, NDArray[Any]]:
    """W1 .. Wn in thresholds for an EventProp network, and those of its recurrent matrices `loops` that the file holds.

    Raises
    ------
    InputError
        For a file that cannot be read, another network, other neurons, or numbers that no weights are.
    """
    names = forward_names(len(layers) - 1)
    if is_npz(path):
        arrays = read_arrays(path, f"{names[0]} .. {names[-1]}")
        if arrays.keys() - set(loops) != set(names):
            has = [*names, *loops]
            raise InputError(f"{path} holds {', '.join(sorted(arrays))}, but this network has {', '.join(has)}")
        found = {name: check_reals(w, f"{path}: {name}", _CURE) for name, w in arrays.items()}
        if any(w.ndim != 2 for w in found.values()):
            raise InputError(f"{path}: weights must be matrices (pre, post) of finite numbers, in thresholds")
    else:
        found = read_layers(path, p, spiking_output=spiking_output)
    recurrent = loop_names(found)
    check_sizes([w for name, w in found.items() if name not in recurrent], layers, str(path))
    for name in recurrent:
        n = layers[int(name[1:])]
        if name not in loops:
            raise InputError(
                f"{path} holds recurrent weights {name}, but that layer of this experiment has none; give it a number "
                f"in network.recurrent_deviation"
            )
        if found[name].shape != (n, n):
            raise InputError(
                f"{path}: {name} has shape {found[name].shape}, but the layer has {n} neurons; give ({n}, {n})"
            )
    for name, w in found.items():
        check_reals(w, f"{path}: {name}", _CURE, most=WEIGHTS)
    return found


def check_range(weights: Arrays, config: EventPropExperiment) -> None:
    """Check that 8 bits hold weights (thresholds) from a file: they would be cut off.

    Raises
    ------
    WeightError
        Names the file, the matrix, the limit and the key that raises it.
    """
    c = config.setup.c
    for name, w in weights.items():
        top = config.largest_weights[name]
        limit = c.master_limit(c.weight_exponent(top)) / (1 << MASTER_BITS)
        if np.abs(w).max() > limit:
            key = "largest_weight" if name[0] == "W" else "largest_recurrent"
            raise WeightError(
                f"{config.network.weights}: {name} reaches {np.abs(w).max():.3g} thresholds, but the 8-bit weights of "
                f"target {config.target} reach {limit:.3g} here; raise its entry in clocked.{key}"
            )
