"""Checks of weight matrices, and room for spikes: the same for every engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.checks import as_array, check_kind, check_reals, shown
from lava_nbp.base.memory import check_memory
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.equations import Float64Array, NeuronParameters

#: Largest weight to start from: sums of products of it are finite.
LARGEST_WEIGHT = 1e30


def check_layers(weights: Sequence[Any]) -> list[Float64Array]:
    """Return checked float64 copies of the matrices of a feed-forward network.

    Raises
    ------
    WeightError
        For what are no matrices, do not fit together, or have entries that are not finite, or beyond 1e30.
    """
    if not isinstance(weights, (list, tuple, np.ndarray)) or getattr(weights, "ndim", 1) == 0:
        raise WeightError(f"weights are {shown(weights)}, but must be a list of matrices (pre, post), one per layer")
    if not len(weights):
        raise WeightError("no weights; give a matrix (pre, post) per layer")
    matrices = [_matrix(w, f"weights of layer {k + 1}") for k, w in enumerate(weights)]
    for k, w in enumerate(matrices):
        if w.ndim != 2 or 0 in w.shape or (k and w.shape[0] != matrices[k - 1].shape[1]):
            raise WeightError(
                f"weights have shapes {', '.join(str(m.shape) for m in matrices)}; every layer needs a matrix "
                f"(pre, post) whose pre is the layer before"
            )
        if not np.isfinite(w).all():
            raise WeightError(f"weights of layer {k + 1} hold {w[~np.isfinite(w)][0]}, but must be finite")
        if np.abs(w).max() > LARGEST_WEIGHT:
            raise WeightError(
                f"weights of layer {k + 1} reach {np.abs(w).max():g}, but {LARGEST_WEIGHT:g} is the most; rescale them"
            )
    return matrices


def check_loops(recurrent: Sequence[Any] | None, sizes: Sequence[int], spiking: bool) -> tuple[Float64Array, ...]:
    """Return checked copies of the recurrent weights of every layer; an empty matrix where there are none.

    Raises
    ------
    WeightError
        For another number or shape of matrices, entries that are not finite, or an output layer without spikes.
    """
    if recurrent is not None and not isinstance(recurrent, (list, tuple)):
        raise WeightError(f"recurrent weights are {shown(recurrent)}, but must be a list, a matrix or None per layer")
    given = [None] * len(sizes) if recurrent is None else list(recurrent)
    if len(given) != len(sizes):
        raise WeightError(f"{len(given)} recurrent matrices for {len(sizes)} layers; give one or None per layer")
    loops = []
    for k, (loop, n) in enumerate(zip(given, sizes, strict=True)):
        matrix = np.zeros((0, 0)) if loop is None else _matrix(loop, f"recurrent weights of layer {k + 1}")
        if loop is not None and (matrix.shape != (n, n) or not (np.abs(matrix) <= LARGEST_WEIGHT).all()):
            raise WeightError(
                f"recurrent weights of layer {k + 1} have shape {matrix.shape}, but must be ({n}, {n}), and finite, of "
                f"{LARGEST_WEIGHT:g} at most"
            )
        loops.append(matrix)
    if loops[-1].size and not spiking:
        raise WeightError("the output layer only integrates and has no spikes, but recurrent weights; give it None")
    return tuple(loops)


#: Of a layer: of all its neurons, or of each.
LayerNeurons = NeuronParameters | tuple[NeuronParameters, ...]


def check_neurons(p: Any, sizes: Sequence[int]) -> tuple[LayerNeurons, ...]:
    """Return the parameters of every layer's neurons: given once for all, or a layer at a time, or neuron by neuron.

    Raises
    ------
    InputError
        For what are no `NeuronParameters`, or another number of layers, or of neurons of a layer.
    """
    if isinstance(p, NeuronParameters):
        return (p,) * len(sizes)
    if not isinstance(p, (list, tuple)) or len(p) != len(sizes):
        raise InputError(
            f"neuron parameters p are {shown(p)}, but must be NeuronParameters, or a list with an entry for each of "
            f"the {len(sizes)} layers behind the input"
        )
    layers: list[LayerNeurons] = []
    for k, (layer, n) in enumerate(zip(p, sizes, strict=True), 1):
        if isinstance(layer, (list, tuple)):
            if len(layer) != n:
                raise InputError(f"neuron parameters p of layer {k} are {len(layer)}, but it has {n} neurons")
            for neuron in layer:
                check_kind(neuron, NeuronParameters, f"neuron parameters p of a neuron of layer {k}")
            layers.append(tuple(layer))
        else:
            check_kind(layer, NeuronParameters, f"neuron parameters p of layer {k}")
            layers.append(layer)
    return tuple(layers)


def one_per_layer(arrays: Any, n_layers: int, what: str) -> list[Any]:
    """Return what is given for each layer: an array, or None; None for each if nothing is.

    Raises
    ------
    InputError
        For what is no list, or has another number of entries.
    """
    if arrays is not None and not isinstance(arrays, (list, tuple)):
        raise InputError(f"{what} are {shown(arrays)}, but must be a list, an array or None per layer")
    given = [None] * n_layers if arrays is None else list(arrays)
    if len(given) != n_layers:
        raise InputError(f"{what} are {len(given)} arrays for {n_layers} layers; give one or None per layer")
    return given


def check_delays(
    delays: Sequence[Any] | None, shapes: Sequence[tuple[int, int]], longest: float, what: str
) -> tuple[Float64Array, ...]:
    """Return checked copies of delays in ms, one array per matrix of weights; empty where there are none.

    Each is (pre, post), or (pre,): the same for all synapses of a source.

    Raises
    ------
    InputError
        For another number or shape of arrays, or delays that are no numbers in 0 .. `longest`.
    """
    given = one_per_layer(delays, len(shapes), what)
    checked = []
    for k, (array, shape) in enumerate(zip(given, shapes, strict=True), 1):
        if array is None:
            checked.append(np.zeros((0, 0)))
            continue
        own = np.array(check_reals(array, f"{what} of layer {k}", "they are in ms"), order="C")
        if own.shape not in (shape, shape[:1]) or not own.size:
            reason = "the layer has no such synapses" if 0 in shape else f"must have {shape}, or {shape[:1]} per source"
            raise InputError(f"{what} of layer {k} have shape {own.shape}, but {reason}")
        bad = ~((own >= 0) & (own <= longest))
        if bad.any():
            raise InputError(
                f"{what} of layer {k} hold {own[bad][0]:g} ms, but must be 0 .. {longest:g} ms; raise longest_delay, "
                f"or shift them"
            )
        checked.append(own)
    return tuple(checked)


def spike_room(n: int) -> int:
    """Spikes of a layer of n neurons in a sample for which there is room at first: 8 per neuron and 64."""
    return 8 * n + 64


def check_spike_room(needed: float, layer: int, room: int) -> None:
    """Refuse to make more room for a layer's spikes than there may be.

    Parameters
    ----------
    needed : float
        Bytes of all buffers, if the layer (counted from 0) had room for twice as many spikes.
    room : int
        For how many it has room.

    Raises
    ------
    InputError
        Names the layer, its spikes, the limit, and what makes them fewer.
    """
    check_memory(
        needed,
        f"layer {layer + 1} spikes more than {room} times in a sample, and room for more",
        "use smaller weights, or a shorter trial",
    )


def _matrix(value: Any, what: str) -> Float64Array:
    array = as_array(value, what, error=WeightError)
    if array.dtype.kind not in "iuf":
        raise WeightError(f"{what} have dtype {array.dtype}, but must be real numbers")
    return np.array(array, dtype=np.float64, order="C")
