"""What the sources of a circuit bring of labelled samples."""

from __future__ import annotations

from typing import Any

from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.executor import UInt8Array, class_targets


def sample_spikes(circuit: Circuit, samples: Any, chosen: Any = slice(None)) -> list[UInt8Array]:
    """Spikes of some samples, (n, size) for each source of a circuit: their inputs, or their targets.

    Parameters
    ----------
    circuit : Circuit
        Whose sources.
    samples : Split
        Inputs x (n, n_in) of 0 or 1, and labels y (n,): a part of a `lava_nbp.data.Dataset`.
    chosen
        Which of them, as NumPy takes it.
    """
    return [
        class_targets(circuit, samples.y[chosen]) if circuit.brings_targets(source) else samples.x[chosen]
        for source in circuit.sources
    ]
