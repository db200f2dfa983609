"""The compiled run of a batch, sample by sample: all layers forward, the loss, all layers backward. Times in ms.

`run_samples` is all that is called from Python. numba keeps every kernel on disk, beside its own file, and does not see
changes in a file that it imports: after a change in this folder, touch all files of it. It compiles `run_samples` anew
for every number of layers, which is why the loops over layers stand there, and all else in kernels of one layer: handed
all tapes, a function takes twice as long to compile, and small layers longer to run. The output layer stands behind the
loops: with one hidden layer there is no loop then, and no tape is copied to find out which it is.
"""

from __future__ import annotations

import numpy as np

from lava_nbp.base.compiled import BARE, inner, kernel
from lava_nbp.eventprop.continuous.backward import (
    backward_averaged,
    backward_leaky,
    backward_recurrent,
    backward_spiking,
)
from lava_nbp.eventprop.continuous.forward import (
    OVERFLOW,
    forward_averaged,
    forward_leaky,
    forward_recurrent,
    forward_spiking,
)
from lava_nbp.eventprop.continuous.losses import differentiate
from lava_nbp.eventprop.continuous.state import DONE


@kernel(**BARE)
def run_samples(c, criterion, network, room, batch, answers):  # type: ignore[no-untyped-def]
    """Run samples forward, and backward if they teach; how it ended (DONE, or the layer whose spikes do
    not fit its room), and the numbers of `Counts`.

    Not as `Counts`: to make one, numba would call Python, and a signal that came meanwhile would be handled there.
    numba does not expect what its handler raises, and crashes.

    `answers` gets what the network says, a row per sample, and, where derivatives by that are given, the derivatives
    by the times of input spikes; `room` gets gradients and spike counts.
    """
    weights, loops, tapes = network.weights, network.loops, room.tapes
    top = len(weights) - 1
    n_events, n_spikes, n_merged, by_said = room.numbers[0], room.numbers[1], room.numbers[2], room.by_said
    hidden, silent, silent_labels, clipped, most, deepest = 0, 0, 0, 0, 0, 0
    for q in range(batch.samples.shape[0]):
        sample = batch.samples[q]
        begin, end = batch.offsets[sample], batch.offsets[sample + 1]
        times, sources = batch.times[begin:end], batch.sources[begin:end]
        _take(times, sources, tapes[0].in_time, tapes[0].in_neuron)
        said, count = answers.said[q], end - begin
        for k in range(top):
            tape = tapes[k]
            n_events[k] = count
            if loops[k].shape[0] > 0:
                count, n_merged[k] = forward_recurrent(c, tape, weights[k], loops[k], count)
            else:
                count = forward_spiking(c, tape, weights[k], count, k == top)
            if count == OVERFLOW:
                return k, hidden, silent, silent_labels, clipped, 0, most, deepest
            n_spikes[k] = count
            most = max(most, count)
            if count > 0:
                deepest = max(deepest, k + 1)
            hidden += count
            silent += _count(tape.neuron, tape.previous, count, room.counts[k])
        output, n_events[top] = tapes[top], count
        if criterion.averaged:
            forward_averaged(c, criterion.fading, output, weights[top], count, said)
        elif not criterion.spiking:
            forward_leaky(c, output, weights[top], count, said)
        else:
            if loops[top].shape[0] > 0:
                count, n_merged[top] = forward_recurrent(c, output, weights[top], loops[top], count)
            else:
                count = forward_spiking(c, output, weights[top], count, criterion.spiking)
            if count == OVERFLOW:
                return top, hidden, silent, silent_labels, clipped, 0, most, deepest
            n_spikes[top] = count
            most = max(most, count)
            if count > 0:
                deepest = top + 1
            _count(output.neuron, output.previous, count, room.counts[top])
            _first_spikes(output.sorted_time, output.sorted_neuron, count, said)
        if not batch.learn:
            continue
        leaky = not criterion.spiking
        if batch.given.shape[0] > 0:
            _copy(batch.given[q], by_said)
        elif differentiate(criterion, said, batch.labels[sample], by_said):
            silent_labels += 1
            if criterion.phantom > 0.0:
                # All else is zero: teach the label's output, which never reset, by its largest voltage.
                forward_leaky(c, output, weights[top], n_events[top], by_said)
                by_said[:] = 0.0
                by_said[batch.labels[sample]] = -criterion.phantom
                leaky = True
        asked = batch.given.shape[0] > 0
        if criterion.averaged:
            backward_averaged(output, weights[top], room.by_weights[top], n_events[top], by_said)
        elif leaky:
            backward_leaky(c, output, weights[top], room.by_weights[top], n_events[top], by_said)
        else:
            count = n_spikes[top]
            _errors_of_first(output.sorted_neuron, output.previous, output.order, by_said, count, output.error)
            if loops[top].shape[0] > 0:
                clipped += backward_recurrent(
                    c, output, weights[top], room.by_weights[top], loops[top], room.by_loops[top], n_merged[top]
                )
            else:
                clipped += backward_spiking(
                    c, output, weights[top], room.by_weights[top], n_events[top], count, top > 0 or asked
                )
        for k in range(top - 1, -1, -1):
            tape, count = tapes[k], n_spikes[k]
            _add_pulls(tape.sorted_neuron, network.pulls[k], count, tape.error)
            if loops[k].shape[0] > 0:
                clipped += backward_recurrent(
                    c, tape, weights[k], room.by_weights[k], loops[k], room.by_loops[k], n_merged[k]
                )
            else:
                clipped += backward_spiking(c, tape, weights[k], room.by_weights[k], n_events[k], count, k > 0 or asked)
        if batch.given.shape[0] > 0:
            _copy(tapes[0].in_error, answers.by_input[begin:end])
    return DONE, hidden, silent, silent_labels, clipped, 0, most, deepest


@inner(**BARE)
def _copy(source, target):  # type: ignore[no-untyped-def]
    """Fill the target. Assigning to a slice can fail: to compile what it would say takes seconds."""
    for k in range(target.shape[0]):
        target[k] = source[k]


@inner(**BARE)
def _take(times, sources, in_time, in_neuron):  # type: ignore[no-untyped-def]
    """Copy a sample's spikes to the first layer's tape."""
    for e in range(times.shape[0]):
        in_time[e] = times[e]
        in_neuron[e] = sources[e]


@inner(**BARE)
def _count(neuron, previous, n_spikes, counts):  # type: ignore[no-untyped-def]
    """Count the spikes of every neuron; how many neurons have none."""
    silent = counts.shape[0]
    for s in range(n_spikes):
        counts[neuron[s]] += 1
        silent -= previous[s] < 0
    return silent


@inner(**BARE)
def _first_spikes(sorted_time, sorted_neuron, n_spikes, said):  # type: ignore[no-untyped-def]
    """First spike of every output, inf where it is silent."""
    said[:] = np.inf
    for s in range(n_spikes - 1, -1, -1):  # the first of a neuron comes last
        said[sorted_neuron[s]] = sorted_time[s]


@inner(**BARE)
def _errors_of_first(sorted_neuron, previous, order, by_said, n_spikes, error):  # type: ignore[no-untyped-def]
    """Give every output's first spike its derivative, and all others none."""
    for s in range(n_spikes):
        error[s] = by_said[sorted_neuron[s]] if previous[order[s]] < 0 else 0.0


@inner(**BARE)
def _add_pulls(sorted_neuron, pulls, n_spikes, error):  # type: ignore[no-untyped-def]
    """Add the policy's derivative to every spike's error."""
    for s in range(n_spikes):
        error[s] += pulls[sorted_neuron[s]]
