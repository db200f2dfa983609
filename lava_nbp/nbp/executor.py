"""What every executor of a circuit offers: train, infer, weights in and out, and the work it did."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_labels
from lava_nbp.base.fields import settle
from lava_nbp.base.integers import Int16Array
from lava_nbp.base.memory import check_memory
from lava_nbp.base.targets import spike_by_spike
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.errors import InputError, WeightError
from lava_nbp.nbp.circuit import Circuit, Source, check_circuit
from lava_nbp.nbp.projections import check_network_weights
from lava_nbp.nbp.work import Work

UInt8Array = NDArray[np.uint8]
Int32Array = NDArray[np.int32]


@dataclass(frozen=True)
class Outcome:
    """The network's answers, one row per sample.

    Attributes
    ----------
    spikes : (n, n_out) uint8
        Spikes of the output in `Circuit.output_phase`; in the papers' circuits: W2 h > 512.
    membrane : (n, n_out) int32, or None
        Pre-activation of the output in weight units, before bias and gate; None where only spikes can be seen: on a
        chip.
    """

    spikes: UInt8Array
    membrane: Int32Array | None

    def __post_init__(self) -> None:
        settle(self, "outcome", InputError)
        if self.spikes.ndim != 2 or (self.membrane is not None and self.membrane.shape != self.spikes.shape):
            raise InputError("outcome: spikes and membrane must have the same shape, (samples, n_out)")


def empty_answers(n: int, n_out: int) -> tuple[UInt8Array, Int32Array]:
    """Spikes and membrane of n samples, (n, n_out) each, to be filled in."""
    return np.zeros((n, n_out), np.uint8), np.zeros((n, n_out), np.int32)


class Executor(ABC):
    """Runs a circuit.

    All executors compute the same: output spikes and weights agree bit for bit as
    long as `work.gate_breaches` is zero.

    Parameters
    ----------
    circuit : Circuit
        What to run.
    weights : mapping
        Initial matrices (pre, post), one per name in `circuit.matrices`: even integers in -254 .. 254.

    Raises
    ------
    WeightError
        For weights of another shape, or that the chip's synapses cannot hold.
    CircuitError
        If this executor cannot run the circuit: with the reason.
    """

    #: Whether it sees weight updates and gate breaches; where it does not, `work` says 0 of them.
    counts_updates = counts_breaches = True

    def __init__(self, circuit: Circuit, weights: Mapping[str, Any]) -> None:
        check_circuit(circuit)
        self.circuit = circuit
        self.work = Work()
        self._set_up(self.check_weights(weights))

    @property
    def layers(self) -> tuple[int, ...]:
        """Neurons per layer, from the input to the output."""
        return self.circuit.layers

    def check_weights(self, weights: Mapping[str, Any]) -> dict[str, Int16Array]:
        """Return checked int16 copies of the matrices; raise WeightError for any other content."""
        return check_network_weights(self.circuit, weights)

    def train(self, *spikes: Any) -> Outcome:
        """Learn from samples in the given order, one after the other.

        Parameters
        ----------
        *spikes : (n, size) each
            0 or 1, an array per source, in the order of `circuit.sources`: the papers' circuits take inputs
            (n, n_in) and targets (n, n_out), see `one_hot`.

        Returns
        -------
        Outcome
            The answers before each sample's update.

        Raises
        ------
        InputError
            For another number of arrays, another shape or other values, or a circuit that does not learn.
        """
        if not self.circuit.learning:
            raise InputError(f"circuit {self.circuit.name!r} does not learn; use infer, or make a circuit with a rule")
        checked = check_samples(self.circuit, spikes)
        self.work.samples += len(checked[0])
        return self._train(*checked)

    def infer(self, *spikes: Any) -> Outcome:
        """Answer without learning; an array per source of `circuit.answering`: the papers' circuits take inputs."""
        return self._infer(*check_samples(self.circuit.answering, spikes))

    def record(self, *spikes: Any) -> tuple[dict[str, UInt8Array], dict[str, Int16Array]]:
        """Run samples from the very first step, and record everything; for executors that run spike by spike.

        Parameters
        ----------
        *spikes : (n, size) each
            As for `train`.

        Returns
        -------
        tuple of dict
            Spikes (n * period + 1, size) by population, and weights (pre, post) by projection, after the last step.

        Raises
        ------
        InputError
            As `train`, or if this executor cannot see every spike.
        """
        return self._record(*check_samples(self.circuit, spikes))

    @abstractmethod
    def read_weights(self) -> dict[str, Int16Array]:
        """Copies of the matrices (pre, post), int16, by name."""

    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Replace the matrices, and every copy of them, by checked values."""
        self._write_weights(self.check_weights(weights))

    def read_copies(self) -> dict[str, Int16Array]:
        """What every projection holds, (pre, post), by name, where that does not follow from the matrices; else {}."""
        return {}

    def write_copies(self, copies: Mapping[str, Any]) -> None:
        """Go on with what `read_copies` gave, after `write_weights` of the same network.

        Raises
        ------
        WeightError
            For names, shapes or values that the circuit's projections do not have.
        """
        if copies:
            raise WeightError(f"projections {', '.join(copies)} are given, but this executor keeps matrices only")

    def begin_epoch(self, epoch: int = 0) -> None:  # noqa: B027 - executors without state have nothing to forget
        """Forget spikes under way and start the chain anew; the weights stay.

        Parameters
        ----------
        epoch : int
            What noise, rounding and faults in passing are drawn for, beside their seeds: 0 outside of epochs, 2**63 - 1
            at most.

        Raises
        ------
        InputError
            For another number.
        """

    def close(self) -> None:  # noqa: B027 - most executors hold nothing to release
        """Release what the executor holds; it cannot be used afterwards."""

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _set_up(self, weights: dict[str, Int16Array]) -> None: ...

    @abstractmethod
    def _train(self, *spikes: UInt8Array) -> Outcome: ...

    @abstractmethod
    def _infer(self, *spikes: UInt8Array) -> Outcome: ...

    @abstractmethod
    def _write_weights(self, weights: dict[str, Int16Array]) -> None: ...

    def _record(self, *_: UInt8Array) -> tuple[dict[str, UInt8Array], dict[str, Int16Array]]:
        raise InputError(
            f"{type(self).__name__} does not show every spike; trace with one of {spike_by_spike('nbp')}, or give it a "
            f"method _record"
        )


def check_spikes(array: Any, size: int, what: str) -> UInt8Array:
    """Check an (n, size) array of zeros and ones, and return it as contiguous uint8.

    Raises
    ------
    InputError
        Names the array, the first offending entry, and what is allowed.
    """
    spikes = as_array(array, what)
    if spikes.ndim != 2 or spikes.shape[1] != size:
        raise InputError(f"{what} have shape {spikes.shape}, but this network needs (samples, {size})")
    if not (np.issubdtype(spikes.dtype, np.number) or spikes.dtype == np.bool_):
        raise InputError(f"{what} have dtype {spikes.dtype}, but spikes are numbers, 0 or 1")
    bad = (spikes != 0) & (spikes != 1)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"{what}[{row}, {column}] is {spikes[row, column]}, but spikes are 0 or 1; binarise first")
    return np.ascontiguousarray(spikes, dtype=np.uint8)


def check_samples(circuit: Circuit, spikes: Sequence[Any]) -> tuple[UInt8Array, ...]:
    """Check an array (n, size) per source of a circuit, and return them as contiguous uint8.

    Raises
    ------
    InputError
        As `check_spikes`, or if there are more or fewer arrays than sources, or their lengths differ.
    """
    names = [s.name for s in circuit.sources]
    if len(spikes) != len(names):
        raise InputError(
            f"{len(spikes)} arrays of spikes, but circuit {circuit.name!r} has the sources {', '.join(names)}; give "
            f"one for each"
        )
    checked = tuple(check_spikes(a, _size(circuit, s), s.name) for a, s in zip(spikes, circuit.sources, strict=True))
    for name, array in zip(names[1:], checked[1:], strict=True):
        if len(array) != len(checked[0]):
            raise InputError(f"{len(checked[0])} samples of {names[0]}, but {len(array)} of {name}; give as many")
    return checked


def _size(circuit: Circuit, source: Source) -> int:
    return circuit[source.population].size


def class_targets(circuit: Circuit, labels: Any) -> UInt8Array:
    """Targets (n, n_out) of a circuit's output for labels: 1 for all neurons of the class; see `one_hot`."""
    return np.repeat(one_hot(labels, circuit.n_classes), circuit.per_class, axis=1)


def votes(values: NDArray[Any], per_class: int) -> NDArray[Any]:
    """Spikes or pre-activations (n, n_out) of the output, added up for each class: (n, classes)."""
    n, n_out = values.shape
    found: NDArray[Any] = values.reshape(n, n_out // per_class, per_class).sum(axis=2, dtype=np.int64)
    return found


def answered(spikes: UInt8Array, per_class: int) -> NDArray[np.int64]:
    """The class (n,) with the most spikes, of spikes (n, n_out); without any, or among equals, the lowest."""
    found: NDArray[np.int64] = votes(spikes, per_class).argmax(axis=1)
    return found


def one_hot(labels: Any, n_classes: int) -> UInt8Array:
    """Targets of the output layer: row i is 1 at labels[i].

    Raises
    ------
    InputError
        If a label is not an integer in 0 .. n_classes - 1.
    """
    array = check_labels(labels, None, check_integer(n_classes, 1, NEURONS_PER_CHIP, "n_classes"))
    check_memory(len(array) * n_classes, f"targets of {len(array)} samples and {n_classes} classes", "give fewer")
    targets = np.zeros((len(array), n_classes), dtype=np.uint8)
    targets[np.arange(len(array)), array] = 1
    return targets
