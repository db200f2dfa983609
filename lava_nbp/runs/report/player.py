"""What the phase player shows: the circuit as boxes and lines, and every spike of some samples; player.js draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.nbp.circuit import CIRCUITS, Circuit, layer_of
from lava_nbp.executors.trace import trace

#: Populations beside each other: those of a layer stand in a column.
_LAYERS = ("x", "h1", "o")


@dataclass(frozen=True)
class Shown:
    """A sample to step through.

    Attributes
    ----------
    index, label, answer : int
        Place in the test set, class, and what the network says: the argmax of its output spikes.
    x : (n_in,) uint8
        Input spikes.
    right : bool
        Every output spikes as the target says.
    """

    index: int
    label: int
    answer: int
    x: NDArray[np.uint8]
    right: bool


def player_data(
    circuit_name: str, weights: Mapping[str, NDArray[Any]], samples: Sequence[Shown], classes: Sequence[str]
) -> dict[str, Any]:
    """Everything player.js needs, as plain values.

    Every sample is run by itself, from silence and the same weights, by the spiking engine.

    Returns
    -------
    dict
        ``populations`` (name, size, column), ``chain`` (names), ``fixed`` (pre, post, role, weight, delay), ``dense``
        (name, pre, post, plastic), ``phases`` (what is scheduled) and ``samples`` with, per step, the indices of the
        neurons of each population that fire.
    """
    n_in, n_hidden, n_out = weights["W1"].shape[0], weights["W1"].shape[1], weights["W2"].shape[1]
    circuit = CIRCUITS[circuit_name](n_in, n_hidden, n_out)
    return {
        "circuit": circuit.name,
        "period": circuit.period,
        "populations": [
            {"name": p.name, "size": p.size, "column": _LAYERS.index(layer_of(p.name))}
            for p in circuit.populations
            if p.name not in circuit.chain
        ],
        "chain": list(circuit.chain),
        "fixed": [
            {"pre": c.pre, "post": c.post, "role": c.role, "weight": c.weight, "delay": c.delay}
            for c in circuit.connections
            if c.role != "chain"
        ],
        "dense": [
            {"name": p.name, "pre": p.pre, "post": p.post, "plastic": circuit.learning} for p in circuit.projections
        ],
        "phases": [_phase(circuit, k) for k in range(circuit.period + 1)],
        "samples": [_sample(circuit, weights, shown, classes) for shown in samples],
    }


def _phase(circuit: Circuit, step: int) -> dict[str, Any]:
    phase = step % circuit.period
    return {
        "phase": phase,
        "learns": [p.name for p in circuit.learning_pairs(phase)] if step else [],
        "sign": "+2" if circuit.reward(phase) else "-2",
        "meaning": dict(circuit.meanings).get(phase, ""),
        "inhibited": [p.name for p in circuit.populations if phase in circuit.arrivals(p.name, "inhibit")],
    }


def _sample(
    circuit: Circuit, weights: Mapping[str, NDArray[Any]], shown: Shown, classes: Sequence[str]
) -> dict[str, Any]:
    found = trace("spiking", shown.x[None], np.array([shown.label]), weights, circuit.name)
    rows = {name.removeprefix("spikes/"): spikes for name, spikes in found.items() if name.startswith("spikes/")}
    return {
        "title": f"test sample {shown.index}: {classes[shown.label]}, answered {classes[shown.answer]}"
        + ("" if shown.right else " (not as the target says)"),
        "steps": [
            {name: np.flatnonzero(spikes[step]).tolist() for name, spikes in rows.items() if spikes[step].any()}
            for step in range(circuit.period + 1)
        ],
    }
