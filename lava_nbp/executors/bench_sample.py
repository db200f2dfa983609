"""How fast the per-sample engine is for what it has to read: beside plain sums of weight rows, and in other shapes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lava_nbp.base.compiled import kernel
from lava_nbp.errors import CircuitError
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.executor import UInt8Array
from lava_nbp.nbp.form import sample_form
from lava_nbp.nbp.paper import training_circuit

#: Samples that are timed at once, and how often; the least of several times is what the machine can do.
_SAMPLES, _TURNS = 10_000, 5
#: The shapes that are compared: what they are, layers, options. All learn by the same rules.
_RULES: dict[str, Any] = {"margin": 2048, "box": (-1024, 2048)}
SHAPES: tuple[tuple[str, tuple[int, ...], dict[str, Any]], ...] = (
    ("three layers", (400, 400, 10), {}),
    ("deep", (400, 400, 400, 400, 10), {}),
    ("sparse", (800, 3000, 1000, 10), {"patch": 9, "image": (2, 20, 20)}),
)


@kernel
def _add_rows(weights, first, rows, totals):  # type: ignore[no-untyped-def]
    """totals[i] = sum of the rows first[i] .. first[i + 1] - 1 of `rows`, modulo 2**16: as plain as a sum can be."""
    for i in range(totals.shape[0]):
        total = totals[i]
        for k in range(first[i], first[i + 1]):
            row = weights[rows[k]]
            for j in range(total.shape[0]):
                total[j] = np.int16(total[j] + row[j])


@kernel
def _add_masked(weights, masks, totals):  # type: ignore[no-untyped-def]
    """totals[i, k] = sum of row k of the weights, where the mask of 0 and -1 is -1."""
    for i in range(totals.shape[0]):
        for k in range(weights.shape[0]):
            total = np.int32(0)
            for j in range(weights.shape[1]):
                total += np.int32(weights[k, j] & masks[i, j])
            totals[i, k] = total


def beside_rows(circuit: Circuit, weights: dict[str, Any], spikes: tuple[UInt8Array, ...]) -> dict[str, float] | None:
    """How many times longer executor "sample" takes than plain sums of the weight rows that a forward pass reads.

    Both take turns on the same samples.

    Returns
    -------
    dict or None
        ``rows_microseconds``, ``sample_microseconds``, ``times``; None for a circuit that the executor does not run, or
        that is not layer after layer with all synapses.
    """
    parts = tuple(array[:_SAMPLES] for array in spikes)
    try:
        executor = make_executor("sample", circuit, weights)
    except CircuitError:
        return None
    with executor:
        rows = _rows_alone(circuit, weights, parts[0])
        if rows is None:
            return None
        run = executor.train if circuit.learning else executor.infer
        run(*parts)
        turns = [(_seconds(rows), _seconds(lambda: run(*parts))) for _ in range(_TURNS)]
    alone, whole = (min(each) / len(parts[0]) * 1e6 for each in zip(*turns, strict=True))
    return {"rows_microseconds": alone, "sample_microseconds": whole, "times": whole / alone}


def _rows_alone(circuit: Circuit, weights: dict[str, Any], spikes: UInt8Array) -> Callable[[], None] | None:
    """What adds up the weight rows of what fires in samples, and does nothing else.

    The sums of a forward pass: in every matrix but the last the rows of who fires, in 16 bits, so that as many are
    added at once as the machine can; in the last, which has few outputs, one row per output, masked. Who fires is found
    here, before time is taken.
    """
    form = sample_form(circuit)
    matrices, fires = [], []
    for layer, before in zip(form.layers[1:], form.layers, strict=False):
        above = form.above(layer)
        if above is None or not above.plain or len(above.terms) != 1 or above.terms[0].signal != before:
            return None
        if above.terms[0].transposed or above.terms[0].sign < 0:
            return None
        matrices.append(above.terms[0].matrix)
        fires.append(above.above)
    if form.masks:
        return None
    pieces: list[Callable[[], None]] = []
    for name, fire in zip(matrices[:-1], fires, strict=False):
        held = np.ascontiguousarray(weights[name], dtype=np.int16)
        rows = np.nonzero(spikes)[1]
        first = np.concatenate([[0], np.cumsum(spikes.sum(axis=1, dtype=np.int64))])
        totals = np.zeros((len(spikes), held.shape[1]), np.int16)

        def add(held: Any = held, first: Any = first, rows: Any = rows, totals: Any = totals) -> None:
            _add_rows(held, first, rows, totals)

        pieces.append(add)
        add()
        spikes = (spikes.astype(np.float32) @ held.astype(np.float32) > fire).astype(np.uint8)
    last = np.ascontiguousarray(weights[matrices[-1]].T, dtype=np.int16)
    masks = -spikes.astype(np.int16)
    answers = np.zeros((len(spikes), len(last)), np.int32)
    pieces.append(lambda: _add_masked(last, masks, answers))

    def run() -> None:
        for piece in pieces:
            piece()

    return run


def shapes(draw: Callable[[Circuit], tuple[dict[str, Any], tuple[UInt8Array, ...]]]) -> list[dict[str, Any]]:
    """What a synaptic operation costs the executor "sample" in circuits of several shapes.

    Parameters
    ----------
    draw : callable
        Gives weights and spikes of a circuit.

    Returns
    -------
    list of dict
        ``shape``, ``layers``, ``microseconds_per_sample``, ``synaptic_events_per_sample``, of the forward pass and of
        the errors that come back, ``microseconds_per_thousand``, and ``times_three_layers``.
    """
    rows: list[dict[str, Any]] = []
    for shape, layers, options in SHAPES:
        circuit = training_circuit(layers=layers, **_RULES, **options)
        weights, spikes = draw(circuit)
        with make_executor("sample", circuit, weights) as executor:
            executor.train(*(array[:_SAMPLES] for array in spikes))
            before, samples = executor.work.synaptic_events, tuple(array[-_SAMPLES:] for array in spikes)
            seconds = min(_seconds(partial(executor.train, *samples)) for _ in range(_TURNS))
            events = (executor.work.synaptic_events - before) / _TURNS
        row = {
            "shape": shape, "layers": list(layers), "microseconds_per_sample": seconds / _SAMPLES * 1e6,
            "synaptic_events_per_sample": events / _SAMPLES,
            "microseconds_per_thousand": seconds * 1e9 / events,
        }  # fmt: skip
        rows.append(row)
        row["times_three_layers"] = row["microseconds_per_thousand"] / rows[0]["microseconds_per_thousand"]
    return rows


def _seconds(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin
