"""What is done with a gradient: plain stochastic gradient descent, or Adam."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_arrays, check_name, check_real, check_sequence, check_within, shown
from lava_nbp.base.compiled import kernel
from lava_nbp.errors import InputError
from lava_nbp.eventprop.policies import MOST_STEPS, OPTIMIZERS

#: Largest rate, and by how much a step of plain descent may change a weight: what is far beyond any use, and finite.
LARGEST_RATE, _LARGEST_CHANGE = 1e9, 1e30
#: Largest gradient of Adam, whose square is a number that it remembers.
_LARGEST_GRADIENT = 1e150


class Optimizer(ABC):
    """Changes matrices in place, and remembers what it must.

    Parameters
    ----------
    matrices : sequence of arrays
        What it trains; always these very arrays.
    factors : sequence of float, optional
        By which the rate is multiplied for each; all 1 if there are none.

    Raises
    ------
    InputError
        For what cannot be trained in place, or factors that are no rates, one per array.
    """

    def __init__(self, matrices: Sequence[NDArray[Any]], factors: Sequence[float] | None = None) -> None:
        self.matrices = _check_matrices(matrices)
        given = check_sequence([1.0] * len(self.matrices) if factors is None else factors, "factors")
        if len(given) != len(self.matrices):
            raise InputError(f"{len(given)} factors for {len(self.matrices)} matrices; give one for each")
        self.factors = [check_rate(factor, "factor") for factor in given]

    @abstractmethod
    def step(self, gradients: Sequence[NDArray[Any]], rate: float) -> None:
        """Change every matrix by its gradient.

        Raises
        ------
        InputError
            For gradients of other shapes than the matrices, or that are not float64; nothing has changed then.
        """

    def _check(self, gradients: Sequence[NDArray[Any]]) -> None:
        """Refuse gradients by which a kernel would read what does not belong to them."""
        given = [(getattr(g, "shape", None), getattr(g, "dtype", None)) for g in gradients]
        if given != [(w.shape, w.dtype) for w in self.matrices]:
            raise InputError(
                f"gradients have shapes {[shape for shape, _ in given]}, but must be {self.matrices[0].dtype} "
                f"arrays of {[w.shape for w in self.matrices]}, one per matrix"
            )

    @abstractmethod
    def largest_gradient(self, rate: float) -> float:
        """Magnitude of a gradient up to which a step gives numbers that it can go on with."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all it remembers, by name."""
        return {}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state.

        Raises
        ------
        InputError
            If it is that of another optimizer, or of other matrices, or what no updates lead to.
        """
        check_arrays(state, self.state(), "optimizer state", "these matrices need")
        self._load(state)

    def _load(self, state: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027 - some remember nothing
        """Take a state whose arrays fit."""


class SGD(Optimizer):
    """w -= rate * g."""

    def step(self, gradients: Sequence[NDArray[Any]], rate: float) -> None:
        """See `Optimizer`."""
        self._check(gradients)
        for w, g, factor in zip(self.matrices, gradients, self.factors, strict=True):
            w -= rate * factor * g

    def largest_gradient(self, rate: float) -> float:
        """See `Optimizer`: a weight changes by 1e30 at most."""
        largest = rate * max(self.factors)
        return _LARGEST_CHANGE / largest if largest else _LARGEST_GRADIENT


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, Algorithm 1) with beta1 0.9, beta2 0.999, epsilon 1e-8."""

    def __init__(self, matrices: Sequence[NDArray[Any]], factors: Sequence[float] | None = None) -> None:
        super().__init__(matrices, factors)
        self.steps = 0
        self._moments = [(np.zeros(w.size), np.zeros(w.size)) for w in matrices]

    def step(self, gradients: Sequence[NDArray[Any]], rate: float) -> None:
        """See `Optimizer`."""
        self._check(gradients)
        self.steps += 1
        for w, g, (m, v), factor in zip(self.matrices, gradients, self._moments, self.factors, strict=True):
            adam(w.reshape(-1), g.reshape(-1), m, v, self.steps, float(rate) * factor, 0.9, 0.999, 1e-8)

    def largest_gradient(self, rate: float) -> float:
        """See `Optimizer`: whatever the rate, its square is finite."""
        return _LARGEST_GRADIENT

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all it remembers, by name."""
        moments = {f"{name}{k}": pair[i].copy() for k, pair in enumerate(self._moments) for i, name in enumerate("mv")}
        return {"steps": np.array(self.steps), **moments}

    def _load(self, state: Mapping[str, NDArray[Any]]) -> None:
        check_within(state["steps"], 0, MOST_STEPS, "optimizer state: steps")
        for k in range(len(self._moments)):
            check_within(state[f"v{k}"], 0, np.inf, f"optimizer state: v{k}")
        self.steps = int(state["steps"])
        for k, (m, v) in enumerate(self._moments):
            m[...], v[...] = state[f"m{k}"], state[f"v{k}"]


def _check_matrices(matrices: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
    for k, w in enumerate(check_sequence(matrices, "matrices", "give those to train")):
        if not isinstance(w, np.ndarray) or w.dtype != np.float64 or not w.flags.c_contiguous:
            raise InputError(
                f"matrices[{k}] is {shown(w)}, but what is trained, in place, must be a float64 array in C order"
            )
    return matrices


def make_optimizer(name: str, matrices: Sequence[NDArray[Any]], factors: Sequence[float] | None = None) -> Optimizer:
    """Make an optimizer by name.

    Raises
    ------
    InputError
        For an unknown name.
    """
    check_name(name, "optimizer", OPTIMIZERS)
    return Adam(matrices, factors) if name == "adam" else SGD(matrices, factors)


def check_rate(rate: Any, what: str = "rate") -> float:
    """Return a rate as a float.

    Raises
    ------
    InputError
        Unless it is a number in 0 .. 1e9.
    """
    return check_real(rate, 0.0, LARGEST_RATE, what)


@kernel
def average(g, n, largest):  # type: ignore[no-untyped-def]
    """Divide a flat gradient, summed over n samples, by n, in place; whether all of it is `largest` at most.

    In one go: a second look at the gradients of a large network would cost what a step of Adam does.
    """
    outside = False
    for k in range(g.shape[0]):
        mean = g[k] / n
        g[k] = mean
        outside |= not abs(mean) <= largest
    return not outside


@kernel
def adam(w, g, m, v, step, rate, beta1, beta2, epsilon):  # type: ignore[no-untyped-def]
    """One step of Adam on flat arrays, in place."""
    size = rate / (1.0 - beta1**step)
    correction = 1.0 / (1.0 - beta2**step)
    for k in range(w.shape[0]):
        first = beta1 * m[k] + (1.0 - beta1) * g[k]
        second = beta2 * v[k] + (1.0 - beta2) * g[k] * g[k]
        # The means of an input that spikes no more fall into the subnormal numbers, which are many times slower: the
        # first after 7000 steps, the second after 700 000.
        if abs(first) < 1e-200:
            first = 0.0
        if second < 1e-250:
            second = 0.0
        m[k] = first
        v[k] = second
        w[k] -= size * first / (np.sqrt(second * correction) + epsilon)
