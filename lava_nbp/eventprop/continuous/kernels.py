"""The compiled run of a batch, sample by sample: all layers forward, the loss, all layers backward. Times in ms.

`run_samples` is all that is called from Python, and the only kernel that numba keeps on disk, with all that it calls
from `crossing`, `forward`, `backward` and `losses`. numba looks at the time of this file alone: after a change in one
of those, or in `state`, touch this one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lava_nbp.eventprop.continuous.backward import backward_leaky, backward_recurrent, backward_spiking
from lava_nbp.eventprop.continuous.forward import OVERFLOW, forward_leaky, forward_recurrent, forward_spiking
from lava_nbp.eventprop.continuous.losses import differentiate
from lava_nbp.eventprop.continuous.state import BAD_SOURCE, DONE
from lava_nbp.eventprop.tally import Counts


class Used(NamedTuple):
    """How much of every layer's tape a sample has used, each (layers,)."""

    events: NDArray[np.int64]  #: input spikes
    spikes: NDArray[np.int64]
    merged: NDArray[np.int64]  #: of a recurrent layer: input spikes and its own


@njit(cache=True, nogil=True)
def run_samples(c, criterion, network, room, batch, answers):  # type: ignore[no-untyped-def]
    """Run samples forward, and backward if they teach; how it ended (DONE, BAD_SOURCE or a layer), and `Counts`.

    `answers` gets what the network says, a row per sample, and, where derivatives by that are given, the derivatives
    by the times of input spikes; `room` gets gradients and spike counts.
    """
    n = len(network.weights)
    used = Used(np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64))
    by_said = np.zeros(answers.said.shape[1])
    ended, silent, silent_labels, clipped, hidden, most = DONE, 0, 0, 0, 0, 0
    for q in range(batch.samples.shape[0]):
        sample = batch.samples[q]
        begin, end = batch.offsets[sample], batch.offsets[sample + 1]
        times, sources, first = batch.times[begin:end], batch.sources[begin:end], room.tapes[0]
        if not _take(times, sources, first.in_time, first.in_neuron, network.n_in):
            ended = BAD_SOURCE
            break
        used.events[0] = end - begin
        ended, without = _forward(c, criterion.spiking, network, room, used, answers.said[q])
        if ended != DONE:
            break
        hidden += used.spikes[:-1].sum()
        silent += without
        most = max(most, used.spikes.max())
        if batch.learn:
            leaky = not criterion.spiking
            if batch.given.shape[0] > 0:
                by_said[:] = batch.given[q]
            elif differentiate(criterion, answers.said[q], batch.labels[sample], by_said):
                silent_labels += 1
                if criterion.phantom > 0.0:
                    # All else is zero: teach the label's output, which never reset, by its largest voltage.
                    forward_leaky(c, room.tapes[n - 1], network.weights[n - 1], used.events[n - 1], by_said)
                    by_said[:] = 0.0
                    by_said[batch.labels[sample]] = -criterion.phantom
                    leaky = True
            clipped += _backward(c, network, room, used, by_said, leaky)
        if batch.given.shape[0] > 0:
            answers.by_input[begin:end] = first.in_error[: end - begin]
    return ended, Counts(hidden, silent, silent_labels, clipped, 0, most)


@njit(nogil=True, forceinline=True)
def _forward(c, spiking, network, room, used, said):  # type: ignore[no-untyped-def]
    """Run a sample through all layers; DONE or the layer whose spikes did not fit, and silent hidden neurons."""
    weights, loops, tapes = network.weights, network.loops, room.tapes
    top = len(weights) - 1
    silent, count = 0, used.events[0]
    for k in range(top + 1):
        tape = tapes[k]
        used.events[k] = count
        if k == top and not spiking:
            forward_leaky(c, tape, weights[k], count, said)
            continue
        if loops[k].shape[0] > 0:
            count, used.merged[k] = forward_recurrent(c, tape, weights[k], loops[k], count)
        else:
            count = forward_spiking(c, tape, weights[k], count, k == top)
        if count == OVERFLOW:
            return k, silent
        used.spikes[k] = count
        without = _count(tape.neuron, tape.previous, count, room.counts[k])
        if k < top:
            silent += without
        else:
            _first_spikes(tape.sorted_time, tape.sorted_neuron, count, said)
    return DONE, silent


@njit(nogil=True, forceinline=True)
def _backward(c, network, room, used, by_said, leaky):  # type: ignore[no-untyped-def]
    """Carry derivatives by what was said back through all layers; how often I - theta was below the floor."""
    weights, loops, tapes = network.weights, network.loops, room.tapes
    top = len(weights) - 1
    clipped = 0
    for k in range(top, -1, -1):
        tape, count = tapes[k], used.spikes[k]
        if k < top:
            _add_pulls(tape.sorted_neuron, network.pulls[k], count, tape.error)
        elif not leaky:
            _errors_of_first(tape.sorted_neuron, tape.previous, tape.order, by_said, count, tape.error)
        if k == top and leaky:
            backward_leaky(c, tape, weights[k], room.by_weights[k], used.events[k], by_said)
        elif loops[k].shape[0] > 0:
            clipped += backward_recurrent(
                c, tape, weights[k], room.by_weights[k], loops[k], room.by_loops[k], used.merged[k]
            )
        else:
            clipped += backward_spiking(c, tape, weights[k], room.by_weights[k], used.events[k], count)
    return clipped


@njit(nogil=True)
def _take(times, sources, in_time, in_neuron, n_in):  # type: ignore[no-untyped-def]
    """Copy a sample's spikes to the first layer's tape; whether all are of inputs that there are."""
    fits = True
    for e in range(times.shape[0]):
        in_time[e] = times[e]
        in_neuron[e] = sources[e]
        fits &= 0 <= sources[e] < n_in
    return fits


@njit(nogil=True)
def _count(neuron, previous, n_spikes, counts):  # type: ignore[no-untyped-def]
    """Count the spikes of every neuron; how many neurons have none."""
    silent = counts.shape[0]
    for s in range(n_spikes):
        counts[neuron[s]] += 1
        silent -= previous[s] < 0
    return silent


@njit(nogil=True)
def _first_spikes(sorted_time, sorted_neuron, n_spikes, said):  # type: ignore[no-untyped-def]
    """First spike of every output, inf where it is silent."""
    said[:] = np.inf
    for s in range(n_spikes - 1, -1, -1):  # the first of a neuron comes last
        said[sorted_neuron[s]] = sorted_time[s]


@njit(nogil=True)
def _errors_of_first(sorted_neuron, previous, order, by_said, n_spikes, error):  # type: ignore[no-untyped-def]
    """Give every output's first spike its derivative, and all others none."""
    for s in range(n_spikes):
        error[s] = by_said[sorted_neuron[s]] if previous[order[s]] < 0 else 0.0


@njit(nogil=True)
def _add_pulls(sorted_neuron, pulls, n_spikes, error):  # type: ignore[no-untyped-def]
    """Add the policy's derivative to every spike's error."""
    for s in range(n_spikes):
        error[s] += pulls[sorted_neuron[s]]
