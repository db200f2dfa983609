"""What the phase player shows: a circuit as boxes and lines, and every spike of some samples; player.js draws it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_integer, check_kind, check_sequence
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError
from lava_nbp.executors.trace import trace
from lava_nbp.nbp.circuit import Circuit, check_circuit
from lava_nbp.nbp.executor import UInt8Array


@dataclass(frozen=True)
class Shown:
    """A sample to step through.

    Attributes
    ----------
    index, label, answer : int
        Place in the test set, class, and what the network says.
    spikes : tuple of (size,) uint8
        What each source of the circuit brings, in their order.
    right : bool
        Whether the network answers as the target says.
    """

    index: int
    label: int
    answer: int
    spikes: tuple[UInt8Array, ...]
    right: bool

    def __post_init__(self) -> None:
        settle(self, "sample to show", InputError)


def player_data(
    circuit: Circuit, weights: Mapping[str, Any], samples: Sequence[Shown], classes: Sequence[str]
) -> dict[str, Any]:
    """Everything player.js needs, as plain values.

    Every sample is run by itself, from silence and the same weights, spike by spike.

    Parameters
    ----------
    circuit : Circuit
        Of any number of layers, with any names and any rule.
    weights : mapping
        Its matrices (pre, post).
    samples : sequence of Shown
        What can be chosen.
    classes : sequence of str
        Names of the labels.

    Returns
    -------
    dict
        ``circuit`` (its name) and ``period``; ``layers``, a column each; ``populations`` (name, size, column);
        ``chain`` (names); ``fixed`` (pre, post, role, weight, delay); ``dense`` (name, pre, post, plastic);
        ``phases`` (what is scheduled, and what weights change by); and ``samples`` with, per step, the indices of
        the neurons of each population that fire.

    Raises
    ------
    LavaNBPError
        For other values, or weights and spikes that do not belong to the circuit.
    """
    check_circuit(circuit)
    names = check_sequence(classes, "classes")
    for k, shown in enumerate(check_sequence(samples, "samples")):
        check_kind(shown, Shown, f"samples[{k}]")
        for what, value in (("label", shown.label), ("answer", shown.answer)):
            check_integer(value, 0, len(names) - 1, f"samples[{k}]: {what}", f"there are {len(names)} classes")
    return {
        "circuit": circuit.name,
        "period": circuit.period,
        "layers": list(circuit.forward),
        "populations": [
            {"name": p.name, "size": p.size, "column": circuit.forward.index(circuit.layer_of(p.name))}
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
        "change": circuit.change_text(phase),
        "meaning": dict(circuit.meanings).get(phase, ""),
        "inhibited": [p.name for p in circuit.populations if phase in circuit.arrivals(p.name, "inhibit")],
    }


def _sample(circuit: Circuit, weights: Mapping[str, Any], shown: Shown, classes: Sequence[str]) -> dict[str, Any]:
    found = trace("spiking", circuit, weights, *(spikes[None] for spikes in shown.spikes))
    rows = {name.removeprefix("spikes/"): spikes for name, spikes in found.items() if name.startswith("spikes/")}
    return {
        "title": f"test sample {shown.index}: {classes[shown.label]}, answered {classes[shown.answer]}"
        + ("" if shown.right else " (not as the target says)"),
        "steps": [
            {name: np.flatnonzero(spikes[step]).tolist() for name, spikes in rows.items() if spikes[step].any()}
            for step in range(circuit.period + 1)
        ],
    }
