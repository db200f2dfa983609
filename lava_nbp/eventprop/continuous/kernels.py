"""The compiled run of a batch, sample by sample: all layers forward, the loss, all layers backward. Times in ms.

`run_samples` is all that is called from Python. numba keeps every kernel on disk, beside its own file, and does not see
changes in a file that it imports: after a change in this folder, delete `__pycache__/*.nb*`. It compiles `run_samples`
anew for every number of layers, which is why the loops over layers stand there, and all else in kernels of one layer:
handed all tapes, a function takes twice as long to compile, and small layers longer to run.
"""

from __future__ import annotations

import numpy as np

from lava_nbp.base.compiled import inner, kernel
from lava_nbp.eventprop.continuous.backward import (
    backward_leaky,
    backward_recurrent,
    backward_spiking,
)
from lava_nbp.eventprop.continuous.forward import (
    OVERFLOW,
    forward_leaky,
    forward_recurrent,
    forward_spiking,
)
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


@kernel
def run_samples(criterion, network, room, batch, answers):  # type: ignore[no-untyped-def]
    """Run samples forward, and backward if they teach; how it ended (DONE, or the layer whose spikes do
    not fit its room), and the numbers of `Counts`.

    Not as `Counts`: to make one, numba would call Python, and a signal that came meanwhile would be handled there.
    numba does not expect what its handler raises, and crashes.

    `answers` gets what the network says, a row per sample, and, where derivatives by that are given, the derivatives
    by the times of input spikes; `room` gets gradients and spike counts.
    """
    weights, loops, tapes, owns = network.weights, network.loops, room.tapes, network.own
    top, only_first = len(weights) - 1, criterion.kept == 1
    n_events = np.zeros(top + 1, dtype=np.int64)
    n_spikes = np.zeros(top + 1, dtype=np.int64)
    n_merged = np.zeros(top + 1, dtype=np.int64)
    by_said = np.zeros(answers.said.shape[1])
    hidden, silent, silent_labels, clipped, most, deepest = 0, 0, 0, 0, 0, 0
    for q in range(batch.samples.shape[0]):
        sample = batch.samples[q]
        begin, end = batch.offsets[sample], batch.offsets[sample + 1]
        times, sources = batch.times[begin:end], batch.sources[begin:end]
        _take(times, sources, tapes[0].in_time, tapes[0].in_neuron)
        said, count = answers.said[q], end - begin
        for k in range(top + 1):
            tape, c = tapes[k], network.constants[k]
            alone = owns[k].tau_m.shape[0] > 0
            n_events[k] = count
            if k == top and not criterion.spiking:
                if criterion.read and alone:
                    forward_single_read(c, criterion, owns[k], tape, weights[k], count, said)
                elif criterion.read:
                    forward_read(c, criterion, tape, weights[k], count, said)
                else:
                    _forward_leaky(c, owns[k], tape, weights[k], count, said)
                continue
            if loops[k].shape[0] > 0 and alone:
                count, n_merged[k] = forward_tangled(c, owns[k], tape, weights[k], loops[k], count)
            elif loops[k].shape[0] > 0:
                count, n_merged[k] = forward_recurrent(c, tape, weights[k], loops[k], count)
            elif alone:
                count = forward_single(c, owns[k], tape, weights[k], count, only_first and k == top)
            else:
                count = forward_spiking(c, tape, weights[k], count, only_first and k == top)
            if count == OVERFLOW:
                return k, hidden, silent, silent_labels, clipped, 0, most, deepest
            n_spikes[k] = count
            most = max(most, count)
            if count > 0:
                deepest = max(deepest, k + 1)
            without = _count(tape.neuron, tape.previous, count, room.counts[k])
            if k < top:
                hidden += count
                silent += without
            else:
                _spikes_said(tape.sorted_time, tape.sorted_neuron, count, criterion.kept, tape.last, said)
        if not batch.learn:
            continue
        leaky = not criterion.spiking
        if batch.given.shape[0] > 0:
            _copy(batch.given[q], by_said)
        elif not criterion.labelled:
            for k in range(by_said.shape[0]):
                by_said[k] = 2.0 * (said[k] - batch.targets[sample, k]) / by_said.shape[0]
        elif differentiate(criterion, said, batch.labels[sample], by_said):
            silent_labels += 1
            if criterion.phantom > 0.0:
                # All else is zero: teach the label's output, which never reset, by its largest voltage.
                _forward_leaky(
                    network.constants[top], owns[top], tapes[top], weights[top], n_events[top], by_said
                )  # fmt: skip
                by_said[:] = 0.0
                by_said[batch.labels[sample]] = -criterion.phantom
                leaky = True
        for k in range(top, -1, -1):
            tape, count, c, by = tapes[k], n_spikes[k], network.constants[k], room.by[k]
            alone = owns[k].tau_m.shape[0] > 0
            if k < top:
                _add_pulls(tape.sorted_neuron, network.pulls[k], count, tape.error)
            elif not leaky:
                _errors_of_said(tape.sorted_neuron, by_said, count, criterion.kept, tape.last, tape.error)
            if k == top and criterion.read and alone:
                backward_single_read(c, criterion, owns[k], tape, weights[k], by, n_events[k], by_said)
            elif k == top and criterion.read:
                backward_read(c, criterion, tape, weights[k], by.weights, n_events[k], by_said)
            elif k == top and leaky and alone:
                backward_single_leaky(c, owns[k], tape, weights[k], by, n_events[k], by_said)
            elif k == top and leaky:
                backward_leaky(c, tape, weights[k], by.weights, n_events[k], by_said)
            elif loops[k].shape[0] > 0 and alone:
                clipped += backward_tangled(
                    c, owns[k], tape, weights[k], loops[k], by, n_events[k], n_merged[k]
                )  # fmt: skip
            elif loops[k].shape[0] > 0:
                clipped += backward_recurrent(c, tape, weights[k], by.weights, loops[k], by.loops, n_merged[k])
            elif alone:
                clipped += backward_single(c, owns[k], tape, weights[k], by, n_events[k], count)
            else:
                clipped += backward_spiking(c, tape, weights[k], by.weights, n_events[k], count)
        if batch.given.shape[0] > 0:
            _copy(tapes[0].in_error, answers.by_input[begin:end])
    return DONE, hidden, silent, silent_labels, clipped, 0, most, deepest


@inner
def _forward_leaky(c, own, tape, W, n_events, peaks):  # type: ignore[no-untyped-def]
    """A layer that only integrates, and its largest voltages."""
    if own.tau_m.shape[0] > 0:
        forward_single_leaky(c, own, tape, W, n_events, peaks)
    else:
        forward_leaky(c, tape, W, n_events, peaks)


@inner
def _copy(source, target):  # type: ignore[no-untyped-def]
    """Fill the target. Assigning to a slice can fail: to compile what it would say takes seconds."""
    for k in range(target.shape[0]):
        target[k] = source[k]


@inner
def _take(times, sources, in_time, in_neuron):  # type: ignore[no-untyped-def]
    """Copy a sample's spikes to the first layer's tape."""
    for e in range(times.shape[0]):
        in_time[e] = times[e]
        in_neuron[e] = sources[e]


@inner
def _count(neuron, previous, n_spikes, counts):  # type: ignore[no-untyped-def]
    """Count the spikes of every neuron; how many neurons have none."""
    silent = counts.shape[0]
    for s in range(n_spikes):
        counts[neuron[s]] += 1
        silent -= previous[s] < 0
    return silent


@inner
def _spikes_said(sorted_time, sorted_neuron, n_spikes, kept, ranks, said):  # type: ignore[no-untyped-def]
    """The first spikes of every output, one neuron after the other, inf where there is none."""
    said[:] = np.inf
    ranks[:] = 0
    for s in range(n_spikes):
        j = sorted_neuron[s]
        if ranks[j] < kept:
            said[j * kept + ranks[j]] = sorted_time[s]
            ranks[j] += 1


@inner
def _errors_of_said(sorted_neuron, by_said, n_spikes, kept, ranks, error):  # type: ignore[no-untyped-def]
    """Give every spike that is said its derivative, and all others none."""
    ranks[:] = 0
    for s in range(n_spikes):
        j = sorted_neuron[s]
        error[s] = by_said[j * kept + ranks[j]] if ranks[j] < kept else 0.0
        ranks[j] += 1


@inner
def _add_pulls(sorted_neuron, pulls, n_spikes, error):  # type: ignore[no-untyped-def]
    """Add the policy's derivative to every spike's error."""
    for s in range(n_spikes):
        error[s] += pulls[sorted_neuron[s]]
