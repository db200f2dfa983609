"""Feeds samples of input spikes and labels to an `EventPropNetwork`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import as_array, check_integer, check_kind, check_labels, check_sequence, shown
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.on_lava.clock import Granularity, check_granularity
from lava_nbp.on_lava.ports import OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class LatencySource(LibraryProcess):
    """Spikes and labels of a list of samples, one spike per input at most.

    When all samples are sent it stays silent. New ones are loaded between runs.

    Parameters
    ----------
    n_in, n_classes : int
        Sizes of the network that it feeds.
    c : FixedPoint
        Gives the steps and phases of a sample.
    granularity : {"step", "sample"}
        As for the `EventPropNetwork` it feeds. In "step" the first phase is Lava step 2, as with a chain that
        starts by itself.
    capacity : int
        Samples that fit at once.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_out : (n_in,) int32
        Granularity "step": spikes of step k in phase k. Granularity "sample": the step of each input's spike,
        counted from 1; 0: none.
    label_out : (n_classes,) int32 0 or 1
        The label, one-hot, in phase 0; zero for a sample without.

    Raises
    ------
    InputError
        For sizes or a capacity that are no positive integers, or an unknown granularity.

    Examples
    --------
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava_nbp.eventprop import FixedPoint, NeuronParameters
    >>> from lava_nbp import LavaRuntime
    >>> source = LatencySource(2, 2, FixedPoint(NeuronParameters(), dt=1, end=3), capacity=4)
    >>> sink = Sink(shape=(2,), buffer=2)
    >>> source.s_out.connect(sink.a_in)
    >>> source.load([([0, 2], [1, 0]), ([1], [1])], labels=[0, 1])  # (steps, inputs) of each sample
    >>> with LavaRuntime(source) as runtime:
    ...     runtime.run(2)
    ...     print(sink.data.get().T.astype(int).tolist())
    [[3, 1], [0, 2]]
    """

    #: Feeds or reads a chip from its host.
    on_host = True

    def __init__(
        self,
        n_in: int,
        n_classes: int,
        c: FixedPoint,
        *,
        granularity: Granularity = "sample",
        capacity: int,
        name: str | None = None,
    ) -> None:
        check_granularity(granularity)
        check_kind(c, FixedPoint, "c")
        for size, what in ((n_in, "n_in"), (n_classes, "n_classes"), (capacity, "capacity")):
            check_integer(size, 1, None, what)
        self.c, self._n_classes = c, n_classes
        self._steps = shared_zeros((capacity, n_in), np.int32)
        self._labels = shared_zeros(capacity, np.int32)
        self._state = shared_zeros(3, np.int64)  # samples loaded, samples begun, Lava steps
        super().__init__(
            steps=self._steps, labels=self._labels, state=self._state, granularity=granularity, c=c,
            n_classes=n_classes, name=name,
        )  # fmt: skip
        self.s_out = OutPort(shape=(n_in,))
        self.label_out = OutPort(shape=(n_classes,))

    def load(self, samples: Sequence[tuple[Any, Any]], labels: Any = None) -> None:
        """Replace the samples: (steps, inputs) of the spikes of each, and labels, or None: nothing is taught.

        Raises
        ------
        InputError
            For more samples than fit, steps outside 0 .. T - 1, an input with two spikes or that there is not, or wrong
            labels; nothing is changed then.
        """
        samples = check_sequence(samples, "samples", "give (steps, inputs) of each")
        if len(samples) > len(self._steps):
            raise InputError(f"{len(samples)} samples, but the capacity is {len(self._steps)}; load them in parts")
        new = np.zeros((len(samples), self._steps.shape[1]), dtype=np.int32)
        for row, sample in enumerate(samples):
            pair = check_sequence(sample, f"sample {row}", "give (steps, inputs)")
            if len(pair) != 2:
                raise InputError(f"sample {row} has {len(pair)} parts; give (steps, inputs)")
            k, i = (
                _integers(part, f"sample {row}: {what}") for part, what in zip(pair, ("steps", "inputs"), strict=True)
            )
            if len(k) != len(i):
                raise InputError(f"sample {row} has {len(k)} steps and {len(i)} inputs; give one each per spike")
            if k.size and (k.min() < 0 or k.max() >= self.c.steps):
                bad = k[(k < 0) | (k >= self.c.steps)][0]
                raise InputError(f"sample {row}: spike in step {bad}, but the steps are 0 .. {self.c.steps - 1}")
            if i.size and (i.min() < 0 or i.max() >= new.shape[1] or len(np.unique(i)) < len(i)):
                raise InputError(f"sample {row}: inputs must be different integers in 0 .. {new.shape[1] - 1}")
            new[row, i] = k + 1
        taught = np.full(len(samples), -1) if labels is None else check_labels(labels, len(samples), self._n_classes)
        self._steps[: len(new)], self._labels[: len(new)] = new, taught
        self._state[:2] = len(new), 0

    def reset(self) -> None:
        """Forget the samples, and start with phase 0 again. Call it between runs, with all parts of the network."""
        self._state[:] = 0


def _integers(values: Any, what: str) -> Any:
    array = as_array(values, what)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputError(f"{what} are {shown(values)}, but must be a list of integers")
    return array.astype(np.int64)


@implements(proc=LatencySource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PyLatencySource(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model; reads the parent's memory."""

    _graded = ("s_out",)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.steps, self.labels, self.state = (proc_params[name] for name in ("steps", "labels", "state"))
        self.whole_samples = proc_params["granularity"] == "sample"
        self.c: FixedPoint = proc_params["c"]
        self.n_classes: int = proc_params["n_classes"]

    def run_spk(self) -> None:
        """Send the sample, or the spikes of the phase."""
        # In granularity "step" the first Lava step has no phase: the chain's first neuron fires in it.
        phase = 0 if self.whole_samples else (int(self.state[2]) - 1) % self.c.period
        idle = self.state[2] == 0 and not self.whole_samples
        self.state[2] += 1
        if phase == 0 and not idle:
            self.state[1] += 1
        sample = int(self.state[1]) - 1
        spikes, target = np.zeros(self.steps.shape[1], np.int32), np.zeros(self.n_classes, np.int32)
        if not idle and 0 <= sample < self.state[0]:
            row = self.steps[sample]
            spikes = row.copy() if self.whole_samples else (row == phase + 1).astype(np.int32)
            if phase == 0 and self.labels[sample] >= 0:
                target[self.labels[sample]] = 1
        self.s_out.send(spikes)
        self.label_out.send(target)
