"""What inference costs, as NeuroBench measures it (Yik et al., Nature Communications 16, 1545, 2025, "Metrics").

Its own definitions on the weights and the spikes of the test set, so that no framework is needed; tests compare them
with the package neurobench on a network in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, check_sequence
from lava_nbp.errors import InputError


@dataclass(frozen=True)
class CountedSynapses:
    """Synapses, and the spikes that came to them.

    Attributes
    ----------
    weights : (pre, post)
        As spikes meet them: zeros are no synapses that do anything.
    spikes : (pre,) int64
        Spikes of each presynaptic neuron over all samples.
    missing : int
        Of the zeros, those that are no synapses at all.
    """

    weights: NDArray[Any]
    spikes: NDArray[np.int64]
    missing: int = 0

    def __post_init__(self) -> None:
        weights, spikes = as_array(self.weights, "weights"), as_array(self.spikes, "spikes")
        if weights.ndim != 2 or spikes.shape != weights.shape[:1]:
            raise InputError(
                f"counted synapses: weights of shape {weights.shape} and spikes of {spikes.shape}, but must be a "
                f"matrix (pre, post), and a count per presynaptic neuron"
            )
        check_integer(self.missing, 0, int(np.count_nonzero(weights == 0)), "counted synapses: missing", "they are 0")


def complexity(
    synapses: Sequence[CountedSynapses],
    spikes: Sequence[NDArray[np.int64]],
    samples: int,
    steps: int,
    weight_bytes: int,
) -> dict[str, Any]:
    """Measures of an inference network.

    Parameters
    ----------
    synapses : sequence of CountedSynapses
        All of it.
    spikes : sequence of (neurons,) int64
        Spikes of every neuron of every layer behind the input, over all samples.
    samples, steps : int
        Samples, and time steps of one.
    weight_bytes : int
        Width of a stored weight.

    Returns
    -------
    dict
        ``parameters``: weights. ``footprint_bytes``: what they take. ``connection_sparsity``: share of weights that
        are 0. ``activation_sparsity``: share of (neuron, step) pairs behind the input without a spike. Per sample:
        ``spikes`` (behind the input), ``effective_acs`` (accumulates: spikes times their synapses that are not 0),
        ``effective_macs`` (0: a spike is 0 or 1, and needs no multiplication), ``dense_operations`` (every
        synapse in every step).

    Raises
    ------
    InputError
        For other values, or numbers that are not positive.
    """
    for k, part in enumerate(check_sequence(synapses, "synapses")):
        check_kind(part, CountedSynapses, f"synapses[{k}]")
    spikes = [as_array(counted, f"spikes[{k}]") for k, counted in enumerate(check_sequence(spikes, "spikes"))]
    if any(counted.ndim != 1 for counted in spikes):
        raise InputError("spikes must be a count per neuron, (neurons,) for each layer")
    for count, what in ((samples, "samples"), (steps, "steps"), (weight_bytes, "weight_bytes")):
        check_integer(count, 1, 2**40, what)
    weights = sum(c.weights.size - c.missing for c in synapses)
    zeros = sum(int(np.count_nonzero(c.weights == 0)) - c.missing for c in synapses)
    neurons, fired = sum(len(s) for s in spikes), sum(int(s.sum()) for s in spikes)
    accumulates = sum(int(c.spikes @ np.count_nonzero(c.weights, axis=1)) for c in synapses)
    return {
        "parameters": weights,
        "weight_bits": 8 * weight_bytes,
        "footprint_bytes": weights * weight_bytes,
        # Of nothing (no synapses, no neurons) nothing is sparse.
        "connection_sparsity": zeros / weights if weights else 0.0,
        "activation_sparsity": 1 - fired / (neurons * steps * samples) if neurons else 0.0,
        "steps": steps,
        "spikes": fired / samples,
        "effective_acs": accumulates / samples,
        "effective_macs": 0.0,
        "dense_operations": float(weights * steps),
    }
