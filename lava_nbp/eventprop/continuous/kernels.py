"""The compiled run of a batch, sample by sample: all layers forward, the loss, all layers backward. Times in ms.

`run_samples` is all that is called from Python. numba compiles it anew for every number of layers, which is why the
loops over layers stand there, and all else in kernels of one layer: handed all tapes, a function takes twice as long to
compile, and small layers longer to run. The output layer stands behind the loops: with one hidden layer there is no
loop then, and no tape is copied to find out which it is.
"""

from __future__ import annotations

import numpy as np

from lava_nbp.base.compiled import BARE, inner, kernel
from lava_nbp.eventprop.continuous.backward import backward_leaky, backward_recurrent, backward_spiking
from lava_nbp.eventprop.continuous.forward import OVERFLOW, forward_leaky, forward_recurrent, forward_spiking
from lava_nbp.eventprop.continuous.losses import differentiate
from lava_nbp.eventprop.continuous.readout import (
    backward_read,
    backward_single_read,
    forward_read,
    forward_single_read,
)
from lava_nbp.eventprop.continuous.single import (
    backward_single,
    backward_single_leaky,
    forward_single,
    forward_single_leaky,
)
from lava_nbp.eventprop.continuous.state import DONE
from lava_nbp.eventprop.continuous.tangled import backward_tangled, forward_tangled


@kernel(**BARE)
def run_samples(criterion, network, room, batch, answers):  # type: ignore[no-untyped-def]
    """Run samples forward, and backward if they teach; how it ended (DONE, or the layer whose spikes do
    not fit its room), and the numbers of `Counts`.

    Not as `Counts`: to make one, numba would call Python, and a signal that came meanwhile would be handled there.
    numba does not expect what its handler raises, and crashes.

    `answers` gets what the network says, a row per sample, and, where derivatives by that are given, the derivatives
    by the times of input spikes; `room` gets gradients and spike counts.
    """
    constants, weights, loops, owns, tapes = network.constants, network.weights, network.loops, network.own, room.tapes
    lones = room.lones
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
            count, n_merged[k] = _forward(constants[k], owns[k], tape, lones[k], weights[k], loops[k], count, False)
            if count == OVERFLOW:
                return k, hidden, silent, silent_labels, clipped, 0, most, deepest
            n_spikes[k] = count
            most = max(most, count)
            if count > 0:
                deepest = max(deepest, k + 1)
            hidden += count
            silent += _count(tape.neuron, tape.previous, count, room.counts[k])
        output, lone, c, own, n_events[top] = tapes[top], lones[top], constants[top], owns[top], count
        if criterion.read:
            _forward_read(c, criterion, own, output, weights[top], count, said)
        elif not criterion.spiking:
            _forward_leaky(c, own, output, lone, weights[top], count, said)
        else:
            first = criterion.kept == 1
            count, n_merged[top] = _forward(c, own, output, lone, weights[top], loops[top], count, first)
            if count == OVERFLOW:
                return top, hidden, silent, silent_labels, clipped, 0, most, deepest
            n_spikes[top] = count
            most = max(most, count)
            if count > 0:
                deepest = top + 1
            _count(output.neuron, output.previous, count, room.counts[top])
            _spikes_said(output.sorted_time, output.sorted_neuron, count, criterion.kept, output.last, said)
        if not batch.learn:
            continue
        leaky, asked = not criterion.spiking, batch.given.shape[0] > 0
        if asked:
            _copy(batch.given[q], by_said)
        elif not criterion.labelled:
            for k in range(by_said.shape[0]):
                by_said[k] = 2.0 * (said[k] - batch.targets[sample, k]) / by_said.shape[0]
        elif differentiate(criterion, said, batch.labels[sample], by_said):
            silent_labels += 1
            if criterion.phantom > 0.0:
                # All else is zero: teach the label's output, which never reset, by its largest voltage.
                _forward_leaky(c, own, output, lone, weights[top], n_events[top], by_said)
                by_said[:] = 0.0
                by_said[batch.labels[sample]] = -criterion.phantom
                leaky = True
        if criterion.read:
            _backward_read(c, criterion, own, output, weights[top], room.by[top], n_events[top], by_said)
        elif leaky:
            _backward_leaky(c, own, output, lone, weights[top], room.by[top], n_events[top], by_said)
        else:
            count = n_spikes[top]
            _errors_of_said(output.sorted_neuron, by_said, count, criterion.kept, output.last, output.error)
            clipped += _backward(
                c, own, output, lone, weights[top], loops[top], room.by[top], n_events[top], count, n_merged[top],
                top > 0 or asked,
            )  # fmt: skip
        for k in range(top - 1, -1, -1):
            tape, count = tapes[k], n_spikes[k]
            _add_pulls(tape.sorted_neuron, network.pulls[k], count, tape.error)
            clipped += _backward(
                constants[k], owns[k], tape, lones[k], weights[k], loops[k], room.by[k], n_events[k], count,
                n_merged[k], k > 0 or asked,
            )  # fmt: skip
        if asked:
            _copy(tapes[0].in_error, answers.by_input[begin:end])
    return DONE, hidden, silent, silent_labels, clipped, 0, most, deepest


# What a layer is decides which kernels run it: neurons that are alike, without delays, go together, others one by one.
# To hand a tape on costs a microsecond, so these are no calls.


@inner(**BARE, forceinline=True)
def _forward(c, own, tape, lone, W, R, n_events, only_first):  # type: ignore[no-untyped-def]
    """A layer of spiking neurons: the numbers of its spikes, or OVERFLOW, and of events if it is recurrent."""
    alone = own.tau_m.shape[0] > 0
    if R.shape[0] > 0:
        if alone:
            return forward_tangled(c, own, tape, lone, W, R, n_events)
        return forward_recurrent(c, tape, W, R, n_events)
    if alone:
        return forward_single(c, own, tape, lone, W, n_events, only_first), 0
    return forward_spiking(c, tape, W, n_events, only_first), 0


@inner(**BARE, forceinline=True)
def _backward(c, own, tape, lone, W, R, by, n_events, n_spikes, n_merged, asked):  # type: ignore[no-untyped-def]
    """Its adjoint pass; how often I - theta was below the floor. asked: see `backward_spiking`."""
    alone = own.tau_m.shape[0] > 0
    if R.shape[0] > 0:
        if alone:
            return backward_tangled(c, own, tape, lone, W, R, by, n_events, n_merged)
        return backward_recurrent(c, tape, W, by.weights, R, by.loops, n_merged)
    if alone:
        return backward_single(c, own, tape, lone, W, by, n_events, n_spikes)
    return backward_spiking(c, tape, W, by.weights, n_events, n_spikes, asked)


@inner(**BARE, forceinline=True)
def _forward_leaky(c, own, tape, lone, W, n_events, peaks):  # type: ignore[no-untyped-def]
    """A layer that only integrates, and its largest voltages."""
    if own.tau_m.shape[0] > 0:
        forward_single_leaky(c, own, tape, lone, W, n_events, peaks)
    else:
        forward_leaky(c, tape, W, n_events, peaks)


@inner(**BARE, forceinline=True)
def _backward_leaky(c, own, tape, lone, W, by, n_events, by_peaks):  # type: ignore[no-untyped-def]
    """Its adjoint pass."""
    if own.tau_m.shape[0] > 0:
        backward_single_leaky(c, own, tape, lone, W, by, n_events, by_peaks)
    else:
        backward_leaky(c, tape, W, by.weights, n_events, by_peaks)


@inner(**BARE, forceinline=True)
def _forward_read(c, criterion, own, tape, W, n_events, said):  # type: ignore[no-untyped-def]
    """A layer that only integrates, and means of its voltages, or voltages at single times."""
    if own.tau_m.shape[0] > 0:
        forward_single_read(c, criterion, own, tape, W, n_events, said)
    else:
        forward_read(c, criterion, tape, W, n_events, said)


@inner(**BARE, forceinline=True)
def _backward_read(c, criterion, own, tape, W, by, n_events, by_said):  # type: ignore[no-untyped-def]
    """Its adjoint pass."""
    if own.tau_m.shape[0] > 0:
        backward_single_read(c, criterion, own, tape, W, by, n_events, by_said)
    else:
        backward_read(c, criterion, tape, W, by.weights, n_events, by_said)


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
def _spikes_said(sorted_time, sorted_neuron, n_spikes, kept, ranks, said):  # type: ignore[no-untyped-def]
    """The first spikes of every output, one neuron after the other, inf where there is none."""
    said[:] = np.inf
    ranks[:] = 0
    for s in range(n_spikes):
        j = sorted_neuron[s]
        if ranks[j] < kept:
            said[j * kept + ranks[j]] = sorted_time[s]
            ranks[j] += 1


@inner(**BARE)
def _errors_of_said(sorted_neuron, by_said, n_spikes, kept, ranks, error):  # type: ignore[no-untyped-def]
    """Give every spike that is said its derivative, and all others none."""
    ranks[:] = 0
    for s in range(n_spikes):
        j = sorted_neuron[s]
        error[s] = by_said[j * kept + ranks[j]] if ranks[j] < kept else 0.0
        ranks[j] += 1


@inner(**BARE)
def _add_pulls(sorted_neuron, pulls, n_spikes, error):  # type: ignore[no-untyped-def]
    """Add the policy's derivative to every spike's error."""
    for s in range(n_spikes):
        error[s] += pulls[sorted_neuron[s]]
