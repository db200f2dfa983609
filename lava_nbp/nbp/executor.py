"""What every executor of the nBP circuit offers: train, infer, weights in and out, and the work it did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_labels
from lava_nbp.base.integers import Int16Array, check_plastic_weights
from lava_nbp.errors import InputError, WeightError
from lava_nbp.nbp.circuit import Circuit, training_circuit
from lava_nbp.nbp.faults import Faults

UInt8Array = NDArray[np.uint8]
Int32Array = NDArray[np.int32]

#: Makes an array of zeros: numpy.zeros, or one in memory shared with child processes.
Allocate = Callable[[Any, Any], NDArray[Any]]


#: Indices into the work counters of an engine, in the order of `Work.take`.
SPIKES, EVENTS, UPDATES, BREACHES = range(4)


@dataclass(frozen=True)
class Outcome:
    """The network's answers, one row per sample.

    Attributes
    ----------
    spikes : (n, n_out) uint8
        Output spikes: W2 h > 512, in phase 4.
    membrane : (n, n_out) int32, or None
        Output pre-activation W2 h in weight units, before bias and gate; None where only spikes can be seen: on a chip.
    """

    spikes: UInt8Array
    membrane: Int32Array | None


@dataclass
class Work:
    """What an executor has done since it was made.

    Attributes
    ----------
    samples : int
        Training samples.
    spikes, synaptic_events : int
        Spikes fired, and (spike, synapse) pairs delivered, in training.
    updates : int
        Weight changes asked for (saturated ones included).
    gate_breaches : int
        Spikes outside the schedule, and sums that left the 24-bit register, each
        of which makes the circuit differ from the per-sample form.
    """

    samples: int = 0
    spikes: int = 0
    synaptic_events: int = 0
    updates: int = 0
    gate_breaches: int = 0

    def take(self, counters: Iterable[int]) -> None:
        """Set what an engine counts: spikes, synaptic events, updates, gate breaches, since it was made."""
        self.spikes, self.synaptic_events, self.updates, self.gate_breaches = (int(v) for v in counters)


class ClosedLimits(NamedTuple):
    """Input above which closed populations fire, by the phase in which dense input reaches them.

    h1 and o stand for their `_lo` and `_hi` copies too, which get the same input.
    Phase 13 is phase 1 of the next sample.
    """

    h1_T_phase5: int
    h1_phase9: int
    h1_phase13: int
    o_phase7: int
    o_phase9: int
    o_phase11: int
    o_phase13: int

    @classmethod
    def of(cls, circuit: Circuit) -> ClosedLimits:
        """The limits of a training circuit."""
        return cls(*(circuit.closed_limit(*_population_and_phase(name)) for name in cls._fields))


def _population_and_phase(name: str) -> tuple[str, int]:
    population, phase = name.split("_phase")
    return population, int(phase)


class Executor(ABC):
    """Runs the nBP network x - h1 - o of the given layer sizes.

    All executors compute the same: output spikes and weights agree bit for bit as
    long as `work.gate_breaches` is zero.

    Parameters
    ----------
    layers : (int, int, int)
        n_in, n_hidden, n_out.
    weights : mapping
        Initial "W1" (n_in, n_hidden) and "W2" (n_hidden, n_out): even integers in -254 .. 254.
    guarded, chip_order : bool
        Which training circuit, see `training_circuit`; both False is the paper's as published.

    faults : Faults, optional
        What is broken; executors "sample" and "spiking" only.

    Raises
    ------
    CircuitError
        For impossible layer sizes.
    WeightError
        For weights of another shape, or that the chip's synapses cannot hold.
    InputError
        For faults that the executor cannot have.
    """

    #: Name of the executor in configurations and on the command line.
    target: str
    #: Whether it sees weight updates and gate breaches; where it does not, `work` says 0 of them.
    counts_updates = counts_breaches = True
    #: Whether it can run with faults.
    can_fault = False
    #: What faults in passing are drawn for, beside their seed; 0 outside of epochs.
    epoch = 0

    def __init__(
        self,
        layers: tuple[int, int, int],
        weights: Mapping[str, Any],
        *,
        guarded: bool = False,
        chip_order: bool = False,
        faults: Faults | None = None,
    ) -> None:
        #: None if nothing goes wrong while it runs.
        self.faults = faults if faults is not None and faults.any else None
        if self.faults is not None and not self.can_fault:
            raise InputError(
                f"executor {self.target!r} cannot run with faults; use target sample or spiking, or set them to 0"
            )
        self.circuit: Circuit = training_circuit(*layers, guarded=guarded, chip_order=chip_order)
        self.layers = layers
        self.work = Work()
        self._set_up(self.check_weights(weights))

    @property
    def n_in(self) -> int:
        """Neurons of the input layer."""
        return self.layers[0]

    @property
    def n_out(self) -> int:
        """Neurons of the output layer."""
        return self.layers[-1]

    def check_weights(self, weights: Mapping[str, Any]) -> dict[str, Int16Array]:
        """Return checked int16 copies of W1 and W2; raise WeightError for any other content."""
        return check_network_weights(self.circuit, weights)

    def train(self, inputs: Any, targets: Any) -> Outcome:
        """Learn from samples in the given order, one after the other.

        Parameters
        ----------
        inputs : (n, n_in)
            0 or 1.
        targets : (n, n_out)
            0 or 1, see `one_hot`.

        Returns
        -------
        Outcome
            The answers before each sample's update.

        Raises
        ------
        InputError
            For another shape or other values.
        """
        x, t = check_samples(inputs, targets, self.circuit)
        self.work.samples += len(x)
        return self._train(x, t)

    def infer(self, inputs: Any) -> Outcome:
        """Answer without learning; inputs as for `train`."""
        return self._infer(check_spikes(inputs, self.n_in, "inputs"))

    @abstractmethod
    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of W1 (n_in, n_hidden) and W2 (n_hidden, n_out), int16."""

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Replace W1 and W2, and every copy of them, by checked values."""
        self._write_weights(self.check_weights(weights))

    def reset(self) -> None:  # noqa: B027 - executors without state between samples have nothing to reset
        """Forget spikes under way and start the chain anew; the weights stay."""

    def close(self) -> None:  # noqa: B027 - most executors hold nothing to release
        """Release what the executor holds; it cannot be used afterwards."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _set_up(self, weights: dict[str, Int16Array]) -> None: ...

    @abstractmethod
    def _train(self, x: UInt8Array, t: UInt8Array) -> Outcome: ...

    @abstractmethod
    def _infer(self, x: UInt8Array) -> Outcome: ...

    @abstractmethod
    def _write_weights(self, weights: dict[str, Int16Array]) -> None: ...


def check_network_weights(circuit: Circuit, weights: Mapping[str, Any]) -> dict[str, Int16Array]:
    """Return checked int16 copies of every matrix of a circuit.

    Raises
    ------
    WeightError
        For a missing or unknown matrix, a wrong shape, or values a synapse cannot hold.
    """
    shapes = circuit.matrix_shapes
    if set(weights) != set(shapes):
        raise WeightError(f"weights named {sorted(weights)}, but this network has {sorted(shapes)}; give exactly those")
    return {name: check_plastic_weights(weights[name], shape, name) for name, shape in shapes.items()}


def check_spikes(array: Any, size: int, what: str) -> UInt8Array:
    """Check an (n, size) array of zeros and ones, and return it as contiguous uint8.

    Raises
    ------
    InputError
        Names the array, the first offending entry, and what is allowed.
    """
    spikes = np.asarray(array)
    if spikes.ndim != 2 or spikes.shape[1] != size:
        raise InputError(f"{what} have shape {spikes.shape}, but this network needs (samples, {size})")
    if not (np.issubdtype(spikes.dtype, np.number) or spikes.dtype == np.bool_):
        raise InputError(f"{what} have dtype {spikes.dtype}, but spikes are numbers, 0 or 1")
    bad = (spikes != 0) & (spikes != 1)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"{what}[{row}, {column}] is {spikes[row, column]}, but spikes are 0 or 1; binarise first")
    return np.ascontiguousarray(spikes, dtype=np.uint8)


def check_samples(inputs: Any, targets: Any, circuit: Circuit) -> tuple[UInt8Array, UInt8Array]:
    """Check inputs (n, n_in) and targets (n, n_out) of a circuit, and return them as contiguous uint8.

    Raises
    ------
    InputError
        As `check_spikes`, or if their numbers differ.
    """
    x = check_spikes(inputs, circuit.layers[0], "inputs")
    t = check_spikes(targets, circuit.layers[-1], "targets")
    if len(x) != len(t):
        raise InputError(f"{len(x)} inputs but {len(t)} targets; give one target per input")
    return x, t


def one_hot(labels: Any, n_classes: int) -> UInt8Array:
    """Targets of the output layer: row i is 1 at labels[i].

    Raises
    ------
    InputError
        If a label is not an integer in 0 .. n_classes - 1.
    """
    array = check_labels(labels, None, n_classes)
    targets = np.zeros((len(array), n_classes), dtype=np.uint8)
    targets[np.arange(len(array)), array] = 1
    return targets
