"""Dense networks of leaky integrate-and-fire neurons with a fixed step: what exchange formats can say of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_real, check_reals, check_sequence
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError

Float64Array = NDArray[np.float64]
#: Time constants of a file may differ by so much from those they are read for: a clocked network rounds its decays by
#: up to 3 %.
TIME_TOLERANCE = 0.04
#: What formats hold as float32 with room to spare.
_LARGEST = 1e30


@dataclass(frozen=True)
class DenseNetwork:
    """Layers of neurons, each of which does in every step, with the summed weights S of its input spikes::

        I = beta I + S
        V = alpha V + gamma I
        a neuron with V >= theta spikes, and V = 0

    A spike acts on the next layer in the same step, and through recurrent weights on its own layer in the next step.
    The inference network of nBP has alpha = beta = 0 and gamma = 1, and forgets everything from step to step;
    EventProp's with a fixed step is `lava_nbp.eventprop.clocked.arithmetic` without its rounding.

    Attributes
    ----------
    weights : tuple of (pre, post) float64
        In the unit of theta, one per layer.
    theta : float
        Threshold. That of nBP lies between the largest sum that does not fire and the smallest that does.
    alpha, beta, gamma : float
        Decay of V and I per step, and what of I reaches V.
    dt : float
        Step, ms. Where nothing outlasts a step (nBP) it is a name for one.
    spiking_output : bool
        False: the last layer only integrates, and its largest V is the answer.
    about : mapping of str to str
        Where the network comes from.
    recurrent : tuple of (n, n) float64 or None
        Within every layer, (pre, post); None: it has none. Of no layer: ().

    Raises
    ------
    InputError
        For weights that are no matrices of finite numbers, one behind the other, or within a layer that spikes; or a
        threshold, decay, factor or step
        that such a network cannot have.
    """

    weights: tuple[Float64Array, ...]
    theta: float
    alpha: float
    beta: float
    gamma: float
    dt: float
    spiking_output: bool = True
    about: Mapping[str, str] = field(default_factory=dict)
    recurrent: tuple[Float64Array | None, ...] = ()

    def __post_init__(self) -> None:
        settle(self, "network", InputError, only=("theta", "alpha", "beta", "gamma", "dt", "spiking_output"))
        given = check_sequence(self.weights, "network: weights")
        matrices = tuple(
            check_reals(w, f"network: matrix {k} of its weights", most=_LARGEST) for k, w in enumerate(given, 1)
        )
        if not matrices or any(w.ndim != 2 or not w.size for w in matrices) or _broken(matrices):
            raise InputError(
                f"network: its weights have shapes {', '.join(str(w.shape) for w in matrices) or 'of nothing'}, but "
                f"must be matrices (pre, post), each from the layer that the one before leads to"
            )
        object.__setattr__(self, "weights", matrices)
        object.__setattr__(self, "recurrent", self._loops())
        for name in ("theta", "gamma", "dt"):
            check_real(getattr(self, name), 0, _LARGEST, f"network: {name}", above=True)
        for name in ("alpha", "beta"):
            decay = check_real(getattr(self, name), 0, 1, f"network: {name}")
            if decay == 1:
                raise InputError(f"network: {name} is 1, so that nothing decays in a step; use a larger dt")

    def _loops(self) -> tuple[Float64Array | None, ...]:
        """Recurrent weights, checked, an entry per layer."""
        given = check_sequence(self.recurrent, "network: recurrent weights") or [None] * len(self.weights)
        if len(given) != len(self.weights):
            raise InputError(
                f"network: {len(given)} recurrent matrices for {len(self.weights)} layers; give one or None per layer"
            )
        loops: list[Float64Array | None] = []
        for k, (loop, n) in enumerate(zip(given, self.sizes[1:], strict=True), 1):
            what = f"network: recurrent weights of layer {k}"
            loops.append(None if loop is None else check_reals(loop, what, most=_LARGEST))
            if loops[-1] is not None and loops[-1].shape != (n, n):
                raise InputError(f"{what} have shape {loops[-1].shape}, but must be ({n}, {n})")
        if loops[-1] is not None and not self.spiking_output:
            raise InputError("network: its output only integrates and has no spikes, but recurrent weights; give None")
        return tuple(loops)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons, from the input to the output."""
        return (self.weights[0].shape[0], *(w.shape[1] for w in self.weights))

    @property
    def gain(self) -> float:
        """What V settles at under a constant I of 1: 1 for forward Euler, a little else for exact decays."""
        return self.gamma / (1 - self.alpha)

    def run(self, x: Any) -> list[Float64Array]:
        """Spikes of every layer, or V of one that only integrates, in floating point.

        For checks, and small networks. A spike reaches the next layer in the same step.

        Parameters
        ----------
        x : (steps, samples, n_in)
            Input spikes.

        Raises
        ------
        InputError
            For another shape.
        """
        spikes = np.asarray(x, dtype=np.float64)
        if spikes.ndim != 3 or spikes.shape[2] != self.sizes[0]:
            raise InputError(f"x has shape {spikes.shape}, but must be (steps, samples, {self.sizes[0]})")
        found = []
        for layer, (w, loop) in enumerate(zip(self.weights, self.recurrent, strict=True)):
            fires = self.spiking_output or layer < len(self.weights) - 1
            V = np.zeros((spikes.shape[1], w.shape[1]))
            I = np.zeros_like(V)  # noqa: E741 - the papers' symbol
            out = np.zeros((len(spikes), *V.shape))
            for step, given in enumerate(spikes):
                own = 0.0 if loop is None or not step else out[step - 1] @ loop
                I = self.beta * I + given @ w + own  # noqa: E741
                V = self.alpha * V + self.gamma * I
                out[step] = self.theta <= V if fires else V
                if fires:
                    V[self.theta <= V] = 0
            found.append(out)
            spikes = out
        return found


def named(weights: Sequence[Float64Array], recurrent: Sequence[Float64Array | None]) -> dict[str, Float64Array]:
    """W1 .. Wn, and R1 .. of the layers that have recurrent weights."""
    found = {f"W{k}": w for k, w in enumerate(weights, 1)}
    return found | {f"R{k}": loop for k, loop in enumerate(recurrent, 1) if loop is not None}


def check_sizes(weights: list[Float64Array], layers: tuple[int, ...], where: str) -> None:
    """Check that a dense network has the layers that are wanted.

    Raises
    ------
    InputError
        Names the file and both networks.
    """
    found = (weights[0].shape[0], *(w.shape[1] for w in weights)) if weights else ()
    if found != layers or _broken(weights):
        raise InputError(
            f"{where} holds a network of {'-'.join(map(str, found)) or 'no layers'}, but this experiment's is "
            f"{'-'.join(map(str, layers))}; set the sizes of [network] (and crop or side of [data]) to the file's"
        )


def _broken(weights: Sequence[Float64Array]) -> bool:
    """Whether a matrix begins at another number of neurons than the one before leads to."""
    return any(a.shape[1] != b.shape[0] for a, b in pairwise(weights))
