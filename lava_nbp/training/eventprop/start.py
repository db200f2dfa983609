"""Weights of an EventProp network to start from, out of a file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_reals
from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS
from lava_nbp.eventprop.equations import LARGEST_CONSTANT, SMALLEST_CONSTANT
from lava_nbp.exchange.dense import Expected, check_delays, check_sizes
from lava_nbp.training.config import WEIGHTS
from lava_nbp.training.eventprop.config import EventPropExperiment
from lava_nbp.training.eventprop.names import forward_names, late_names, loop_names
from lava_nbp.training.eventprop.network import full_precision
from lava_nbp.training.learner import Arrays
from lava_nbp.training.start import is_npz, read_arrays, read_layers

#: What constants in a file of float32 lose.
_ROUNDING = 1e-6
_CURE = "weights are matrices (pre, post) of finite numbers, in thresholds"


def eventprop_start(
    path: Path,
    layers: tuple[int, ...],
    p: Expected,
    beside: Collection[str] = (),
    *,
    spiking_output: bool = True,
) -> dict[str, NDArray[Any]]:
    """W1 .. Wn in thresholds for an EventProp network, and what the file holds of the arrays that it has `beside` them.

    These are recurrent weights R1 .., delays D1 .. and E1 .., and time constants tau_m1 .. and tau_s1 .., in ms.

    Raises
    ------
    InputError
        For a file that cannot be read, another network, other neurons, or numbers that no weights are.
    """
    names = forward_names(len(layers) - 1)
    if is_npz(path):
        arrays = read_arrays(path, f"{names[0]} .. {names[-1]}")
        if arrays.keys() - set(beside) != set(names):
            has = [*names, *beside]
            raise InputError(f"{path} holds {', '.join(sorted(arrays))}, but this network has {', '.join(has)}")
        found = {name: check_reals(w, f"{path}: {name}", _cure(name)) for name, w in arrays.items()}
        if any(found[name].ndim != 2 for name in names):
            raise InputError(f"{path}: weights must be matrices (pre, post) of finite numbers, in thresholds")
    else:
        found = read_layers(path, p, spiking_output=spiking_output)
    check_sizes([found[name] for name in forward_names(len(found)) if name in found], layers, str(path))
    for name in [*loop_names(found), *late_names(found)]:
        if name in beside:
            continue
        if name[0] != "R" and not found[name].any():
            del found[name]  # no delay is none
            continue
        kind, key = _KINDS[name[0]]
        raise InputError(
            f"{path} holds {kind} {name}, but that layer of this experiment has none; give it a number in network.{key}"
        )
    for name in loop_names(found):
        n = layers[int(name[1:])]
        if found[name].shape != (n, n):
            raise InputError(
                f"{path}: {name} has shape {found[name].shape}, but the layer has {n} neurons; give ({n}, {n})"
            )
    for name in [*names, *loop_names(found)]:
        check_reals(found[name], f"{path}: {name}", _CURE, most=WEIGHTS)
    return found


#: What arrays beside W1 .. Wn are by the first letter of their names, and which key of [network] gives a layer some.
_KINDS = {
    "R": ("recurrent weights", "recurrent_deviation"),
    "D": ("delays", "initial_delay"),
    "E": ("delays of recurrent weights", "recurrent_delay"),
}


def _cure(name: str) -> str:
    return _CURE if name[0] in "WR" else "delays and time constants are in ms"


def fitted(weights: Arrays, layers: tuple[int, ...], config: EventPropExperiment) -> Arrays:
    """Arrays of a file with delays and time constants in the form that the experiment has them.

    Delays are of every source or of every synapse (network.delays_per), time constants of every neuron (neuron.spread)
    or one of a layer. What is beyond a limit by rounding is put there.

    Raises
    ------
    InputError
        For other shapes, delays or time constants beyond the experiment's limits, or differences that it does not have:
        names the file, the array, the value, and the key that makes room for it.
    """
    found = dict(weights)
    for name in late_names(weights):
        found[name] = _fitted_delays(name, weights[name], layers, config)
    for name in weights:
        if name.startswith("tau"):
            found[name] = _fitted_constants(name, weights[name], layers, config)
    return found


def _fitted_delays(name: str, given: Any, layers: tuple[int, ...], config: EventPropExperiment) -> NDArray[np.float64]:
    what, k, n = f"{config.network.weights}: {name}", int(name[1:]), config.network
    shape = (layers[k - 1] if name[0] == "D" else layers[k], layers[k])
    if given.shape not in (shape, shape[:1]):
        raise InputError(f"{what} has shape {given.shape}, but must be {shape} of synapses, or {shape[:1]} of sources")
    late: NDArray[np.float64] = given
    if n.delays_per == "synapse" and late.ndim == 1:
        late = np.repeat(late[:, None], shape[1], axis=1)
    if n.delays_per == "source" and late.ndim == 2:
        if (late != late[:, :1]).any():
            raise InputError(
                f"{what} holds delays that differ from synapse to synapse of a source, but network.delays_per is "
                f"'source'; make it 'synapse'"
            )
        late = late[:, 0]
    check_delays(late, what, "delays are in ms")
    if TARGETS[config.target].clocked:
        full_precision(what, late, config)
        return late
    if late.max() > n.longest_delay * (1 + _ROUNDING):
        raise InputError(
            f"{what} reaches {late.max():g} ms, but network.longest_delay is {n.longest_delay:g} ms; raise that"
        )
    return np.minimum(late, n.longest_delay)


def _fitted_constants(
    name: str, given: Any, layers: tuple[int, ...], config: EventPropExperiment
) -> NDArray[np.float64]:
    what, k = f"{config.network.weights}: {name}", int(name.removeprefix("tau_m").removeprefix("tau_s"))
    n, learned = layers[k], bool(config.learning.constant_rate)
    if given.shape not in ((n,), (1,)):
        raise InputError(f"{what} has shape {given.shape}, but must have ({n},), one per neuron, or (1,) for all")
    own = bool(config.neuron.spreads(len(layers) - 1)[k - 1])
    if not own and (given != given[0]).any():
        raise InputError(
            f"{what} differs from neuron to neuron, but neuron.spread of layer {k} is 0; give it a number above"
        )
    low, high = config.learning.constants_range if learned else (SMALLEST_CONSTANT, LARGEST_CONSTANT)
    bad = ~((given >= low * (1 - _ROUNDING)) & (given <= high * (1 + _ROUNDING)))
    if bad.any():
        key = " (learning.constants_range); change that, or the file" if learned else ""
        raise InputError(f"{what} holds {given[bad][0]:g} ms, but must be in {low:g} .. {high:g} ms{key}")
    constants: NDArray[np.float64] = np.clip(np.broadcast_to(given, (n,)) if own else given[:1], low, high)
    return constants


def check_range(weights: Arrays, config: EventPropExperiment) -> None:
    """Check that 8 bits hold weights (thresholds) from a file: they would be cut off.

    Raises
    ------
    WeightError
        Names the file, the matrix, the limit and the key that raises it.
    """
    for name, top in config.largest_weights.items():
        if name not in weights:
            continue
        w, c = weights[name], config.arithmetic_of(name)
        limit = c.master_limit(c.weight_exponent(top)) / (1 << MASTER_BITS)
        if np.abs(w).max() > limit:
            key = "largest_weight" if name[0] == "W" else "largest_recurrent"
            raise WeightError(
                f"{config.network.weights}: {name} reaches {np.abs(w).max():.3g} thresholds, but the 8-bit weights of "
                f"target {config.target} reach {limit:.3g} here; raise its entry in clocked.{key}"
            )
