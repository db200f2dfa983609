"""What the training loop needs of an algorithm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from numpy.typing import NDArray

from lava_nbp.base.progress import Count, uncounted

Arrays = dict[str, NDArray[Any]]
S = TypeVar("S", bound="Session")


def parts(samples: int, size: int, told: Count) -> Iterator[slice]:
    """Samples in parts of a size; `told` is called before each, and at the end."""
    for start in range(0, samples, size):
        told(start, samples)
        yield slice(start, min(start + size, samples))
    told(samples, samples)


class Session(ABC):
    """A network that is set up, between `Learner.open` and `close`; a context manager."""

    @abstractmethod
    def train_epoch(self, epoch: int, advance: Callable[[int], None]) -> dict[str, Any]:
        """Learn from every training sample once; epochs count from 1. `advance` is told of samples done.

        Returns the epoch's metrics, `seconds_learning` among them.
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

    def read_memory(self) -> Arrays:
        """Copies of what learning has to remember beside the weights."""
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
    layers : tuple of int
        Sizes, from the input to the output.
    n_train, n_validation : int
        Samples.
    compared_by : str
        Accuracy by which epochs are compared: without the name of a split in front.
    figures : tuple of str
        Figures of the test set that a result has.
    """

    layers: tuple[int, ...]
    n_train: int
    n_validation: int
    compared_by: str
    figures: tuple[str, ...]

    def notes(self) -> list[str]:
        """What a user should know before training begins."""
        return []

    @abstractmethod
    def initial_weights(self) -> Arrays:
        """Weights to start from."""

    @abstractmethod
    def open(self, weights: Arrays, memory: Arrays) -> Session:
        """Set up the network."""

    @abstractmethod
    def complexity(self, weights: Arrays, told: Count = uncounted) -> dict[str, Any]:
        """What the inference network of these weights costs on the test set; see `lava_nbp.training.complexity`.

        `told` as in `Session.evaluate`.
        """

    @abstractmethod
    def sums(self, history: list[dict[str, Any]]) -> dict[str, Any]:
        """What a result says of all epochs together, and of the data."""
