"""Feeds samples of input spikes and labels to an `EventPropNetwork`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import as_array, check_integer, check_kind, check_labels, check_sequence, shown
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.on_lava.clock import Granularity, check_granularity
from lava_nbp.on_lava.eventprop_process import input_shape
from lava_nbp.on_lava.ports import OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class SpikeSource(LibraryProcess):
    """Spikes and labels of a list of samples, any number of spikes per input.

    When all samples are sent it stays silent. New ones are loaded between runs.

    Parameters
    ----------
    n_in, n_classes : int
        Sizes of the network that it feeds.
    c : FixedPoint
        Gives the steps and phases of a sample, T and 2 T + 2.
    granularity : {"step", "sample"}
        As for the `EventPropNetwork` it feeds. In "step" the first phase is Lava step 2, as with a chain that
        starts by itself.
    period : int, optional
        Lava steps of a sample in granularity "step", more than T; default 2 T + 2. On a chip it is
        `EventPropNetwork.chip_period`.
    capacity : int
        Samples that fit at once.
    room : int
        Spikes that fit at once, of all these samples together; 8 bytes each, taken when they are first needed.
    name : str, optional
        Of the Process.

    Ports
    -----
    s_out : (n_in,) or (T, n_in) int32
        How many spikes each input has: in granularity "step" those of step k in phase k, in granularity "sample" those
        of all steps.
    label_out : (n_classes,) int32 0 or 1
        The label, one-hot, in phase 0; zero for a sample without.

    Raises
    ------
    InputError
        For sizes, a capacity or a room that are no positive integers, a period that is too short, or of whole samples,
        an unknown granularity, or samples whose messages need more memory than the limit.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.sink import RingBuffer as Sink
    >>> from lava_nbp.eventprop import FixedPoint, NeuronParameters
    >>> from lava_nbp import LavaRuntime
    >>> source = SpikeSource(2, 2, FixedPoint(NeuronParameters(), dt=1, end=3), capacity=4)
    >>> sink = Sink(shape=(3, 2), buffer=2)
    >>> source.s_out.connect(sink.a_in)
    >>> source.load([([0, 2, 2], [1, 0, 0]), ([1], [1])], labels=[0, 1])  # (steps, inputs) of each sample
    >>> with LavaRuntime(source) as runtime:
    ...     runtime.run(2)
    ...     print(np.moveaxis(sink.data.get(), -1, 0).astype(int).tolist())  # of each sample a row per step
    [[[0, 1], [0, 0], [2, 0]], [[0, 0], [0, 1], [0, 0]]]
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
        period: int | None = None,
        capacity: int,
        room: int = 1 << 20,
        name: str | None = None,
    ) -> None:
        check_granularity(granularity)
        check_kind(c, FixedPoint, "c")
        for size, what in ((n_in, "n_in"), (n_classes, "n_classes")):
            check_integer(size, 1, NEURONS_PER_CHIP, what)
        for size, what in ((capacity, "capacity"), (room, "room")):
            check_integer(size, 1, None, what)
        if period is not None and granularity != "step":
            raise InputError(
                f"period is {shown(period)}, but with granularity {granularity!r} a sample takes one step; leave it "
                f"out, or use granularity 'step'"
            )
        period = c.period if period is None else check_integer(period, c.steps + 1, None, "period", "it is in steps")
        self.c, self.room, self._n_in, self._n_classes = c, room, n_in, n_classes
        # Spikes of all samples, one after the other, in the order of time within each; and where each begins.
        self._steps, self._inputs = shared_zeros(room, np.int32), shared_zeros(room, np.int32)
        self._begins = shared_zeros(capacity + 1, np.int64)
        self._labels = shared_zeros(capacity, np.int32)
        self._state = shared_zeros(3, np.int64)  # samples loaded, samples begun, Lava steps
        shape = input_shape(n_in, c, granularity)
        super().__init__(
            spikes=(self._steps, self._inputs), begins=self._begins, labels=self._labels, state=self._state,
            shape=shape, period=period, n_classes=n_classes, name=name,
        )  # fmt: skip
        self.s_out = OutPort(shape=shape)
        self.label_out = OutPort(shape=(n_classes,))

    def load(self, samples: Sequence[tuple[Any, Any]], labels: Any = None) -> None:
        """Replace the samples: (steps, inputs) of the spikes of each, and labels, or None: nothing is taught.

        Raises
        ------
        InputError
            For more samples or spikes than fit, steps outside 0 .. T - 1, inputs that there are not, or wrong labels;
            nothing is changed then.
        """
        samples = check_sequence(samples, "samples", "give (steps, inputs) of each")
        if len(samples) > len(self._labels):
            raise InputError(f"{len(samples)} samples, but the capacity is {len(self._labels)}; load them in parts")
        checked = [self._checked(sample, f"sample {row}") for row, sample in enumerate(samples)]
        begins = np.cumsum([0, *(len(k) for k, _ in checked)])
        if begins[-1] > self.room:
            raise InputError(
                f"{begins[-1]} spikes, but there is room for {self.room}; load samples in parts, or raise room"
            )
        taught = np.full(len(samples), -1) if labels is None else check_labels(labels, len(samples), self._n_classes)
        for (k, i), begin, end in zip(checked, begins[:-1], begins[1:], strict=True):
            self._steps[begin:end], self._inputs[begin:end] = k, i
        self._begins[: len(begins)], self._labels[: len(samples)] = begins, taught
        self._state[:2] = len(samples), 0

    def _checked(self, sample: Any, what: str) -> tuple[Any, Any]:
        """Steps and inputs of a sample's spikes, in the order of time."""
        pair = check_sequence(sample, what, "give (steps, inputs)")
        if len(pair) != 2:
            raise InputError(f"{what} has {len(pair)} parts; give (steps, inputs)")
        k, i = (_integers(part, f"{what}: {name}") for part, name in zip(pair, ("steps", "inputs"), strict=True))
        if len(k) != len(i):
            raise InputError(f"{what} has {len(k)} steps and {len(i)} inputs; give one each per spike")
        for given, n, name in ((k, self.c.steps, "step"), (i, self._n_in, "input")):
            bad = given[(given < 0) | (given >= n)]
            if bad.size:
                raise InputError(f"{what}: spike of {name} {bad[0]}, but the {name}s are 0 .. {n - 1}")
        order = np.argsort(k, kind="stable")
        return k[order], i[order]

    def reset(self) -> None:
        """Forget the samples, and start with phase 0 again. Call it between runs, with all parts of the network."""
        self._state[:] = 0


def _integers(values: Any, what: str) -> Any:
    array = as_array(values, what)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputError(f"{what} are {shown(values)}, but must be a list of integers")
    return array.astype(np.int64)


@implements(proc=SpikeSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "bit_accurate_loihi")
class PySpikeSource(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model; reads the parent's memory."""

    _graded = ("s_out",)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.steps, self.inputs = proc_params["spikes"]
        self.begins, self.labels, self.state = (proc_params[name] for name in ("begins", "labels", "state"))
        #: A message, (n_in,) or of a whole sample (T, n_in).
        self.spikes = np.zeros(proc_params["shape"], np.int32)
        self.period: int = proc_params["period"]
        self.n_classes: int = proc_params["n_classes"]

    def run_spk(self) -> None:
        """Send the sample, or the spikes of the phase."""
        whole = self.spikes.ndim == 2
        # In granularity "step" the first Lava step has no phase: the chain's first neuron fires in it.
        phase = 0 if whole else (int(self.state[2]) - 1) % self.period
        idle = self.state[2] == 0 and not whole
        self.state[2] += 1
        if phase == 0 and not idle:
            self.state[1] += 1
        sample = int(self.state[1]) - 1
        target = np.zeros(self.n_classes, np.int32)
        self.spikes[...] = 0
        if not idle and 0 <= sample < self.state[0]:
            mine = slice(*self.begins[sample : sample + 2])
            steps, inputs = self.steps[mine], self.inputs[mine]
            if whole:
                np.add.at(self.spikes, (steps, inputs), 1)
            else:
                np.add.at(self.spikes, inputs[slice(*np.searchsorted(steps, [phase, phase + 1]))], 1)
            if phase == 0 and self.labels[sample] >= 0:
                target[self.labels[sample]] = 1
        self.s_out.send(self.spikes)
        self.label_out.send(target)
