"""What the training loop needs of an algorithm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import as_array, check_integer, check_kind, check_labels, check_sequence
from lava_nbp.base.progress import Count, uncounted
from lava_nbp.data import Dataset
from lava_nbp.data.event_dataset import EventDataset
from lava_nbp.data.identity import DataIdentity, identity_of
from lava_nbp.data.latency_dataset import LatencyDataset
from lava_nbp.errors import CheckpointError, InputError, WeightError
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.training.complexity import CountedSynapses, complexity

Arrays = dict[str, NDArray[Any]]
S = TypeVar("S", bound="Session")


def parts(samples: int, size: int, told: Count) -> Iterator[slice]:
    """Samples in parts of a size; `told` is called before each, and at the end."""
    for start in range(0, samples, size):
        told(start, samples)
        yield slice(start, min(start + size, samples))
    told(samples, samples)


def take_memory(take: Callable[[Arrays], None], memory: Arrays) -> None:
    """Let a network take what learning has to remember, which a checkpoint held.

    Raises
    ------
    CheckpointError
        If it does not fit the network.
    """
    try:
        take(memory)
    except (InputError, WeightError) as error:
        raise CheckpointError(
            f"what the checkpoint remembers of learning does not fit its network: {error}; restore it from a backup, "
            f"or train anew"
        ) from error


@dataclass(frozen=True)
class Inference:
    """One forward pass of the test set: what the network answered, and what that took.

    Attributes
    ----------
    classes : (n,) int64
        Class that each sample is answered with.
    right : (n,) bool
        Which samples figures and reports call right.
    synapses : sequence of CountedSynapses
        All of the inference network, with the spikes that came to them.
    spikes : sequence of (neurons,) int64
        Spikes of every neuron of every layer behind the input, over all samples.
    steps, weight_bytes : int
        Time steps of a sample, and width of a stored weight.
    said
        The algorithm's own answers, from which the classes follow.
    """

    classes: NDArray[np.int64]
    right: NDArray[np.bool_]
    synapses: Sequence[CountedSynapses] = ()
    spikes: Sequence[NDArray[np.int64]] = ()
    steps: int = 1
    weight_bytes: int = 1
    said: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_labels(self.classes, None, 2**63 - 1)
        right = as_array(self.right, "right")
        if right.shape != np.shape(self.classes) or right.dtype != np.bool_:
            raise InputError(f"right has shape {right.shape} and dtype {right.dtype}, not a bool per class")
        for name in ("steps", "weight_bytes"):
            check_integer(getattr(self, name), 1, None, f"inference: {name}")
        for part in check_sequence(self.synapses, "synapses"):
            check_kind(part, CountedSynapses, "synapses")
        for counted in check_sequence(self.spikes, "spikes"):
            as_array(counted, "spikes")

    @property
    def cost(self) -> dict[str, Any]:
        """What the inference network costs, see `lava_nbp.training.complexity`."""
        return complexity(self.synapses, self.spikes, len(self.classes), self.steps, self.weight_bytes)


class Session(ABC):
    """A network that is set up, between `Learner.open` and `close`; a context manager."""

    def prepare(self) -> None:  # noqa: B027 - most have nothing to encode
        """Encode what training and its evaluations need: what cannot be is said before anything is written."""

    @abstractmethod
    def train_epoch(self, epoch: int, advance: Callable[[int], None]) -> dict[str, Any]:
        """Learn from every training sample once; epochs count from 1. `advance` is told of samples done.

        Returns the epoch's metrics, numbers or None where they were not seen; `seconds_learning` among them.
        """

    @abstractmethod
    def evaluate(self, split: str, told: Count = uncounted) -> dict[str, Any]:
        """Figures of the split "validation" or "test", every key beginning with its name.

        `told` is called with the number of samples done, and of all.
        """

    @abstractmethod
    def read_weights(self) -> Arrays:
        """Copies of the weights."""

    @abstractmethod
    def write_weights(self, weights: Mapping[str, Any]) -> None:
        """Replace the weights."""

    def notes(self) -> list[str]:
        """What a user should know of the last epoch: a layer that did not spike at all, for one."""
        return []

    def read_memory(self) -> Arrays:
        """Copies of what learning has to remember beside the weights: as soon as it is set up, all there will be."""
        return {}

    def close(self) -> None:  # noqa: B027 - most hold nothing to release
        """Release what the session holds."""

    def __enter__(self: S) -> S:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Learner(ABC):
    """Data, network and figures of an experiment.

    Attributes
    ----------
    dataset : Dataset, LatencyDataset or EventDataset
        Samples, in splits with labels `y`, and the names of the classes.
    layers : tuple of int
        Sizes, from the input to the output.
    figures : mapping
        Figures of the test set that a result has, and what each counts as right.
    circuit : Circuit or None
        The circuit that its network is; None if it is none.
    """

    dataset: Dataset | LatencyDataset | EventDataset
    layers: tuple[int, ...]
    figures: Mapping[str, str] = {"accuracy": "answered right"}
    circuit: Circuit | None = None

    @property
    def n_train(self) -> int:
        """Training samples."""
        return len(self.dataset.train.y)

    @property
    def n_validation(self) -> int:
        """Samples of the validation split."""
        return len(self.dataset.validation.y)

    @cached_property
    def identity(self) -> DataIdentity:
        """Which samples it has."""
        return identity_of(self.dataset)

    def notes(self) -> list[str]:
        """What a user should know before training begins."""
        return []

    @abstractmethod
    def initial_weights(self) -> Arrays:
        """Weights to start from."""

    @abstractmethod
    def open(self, weights: Arrays, memory: Arrays) -> Session:
        """Set up the network, with what `Session.read_memory` gave of another; {}: nothing was learned yet.

        Raises
        ------
        CheckpointError
            For a memory that does not fit the network.
        LavaNBPError
            For a network that cannot be.
        """

    @abstractmethod
    def infer(self, weights: Arrays, told: Count = uncounted) -> Inference:
        """Answer the test set with these weights: without faults, and on this machine whatever the target.

        `told` as in `Session.evaluate`.
        """

    def shown(self, weights: Arrays) -> Arrays:
        """Weights in the unit in which figures show them."""
        return weights

    @property
    def names_beside(self) -> list[str]:
        """Of what a run keeps that is no weight: delays and time constants."""
        return []

    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """What a result says of all epochs together, and of the data."""
        return {}
