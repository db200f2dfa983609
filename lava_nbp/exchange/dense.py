"""Dense networks of leaky integrate-and-fire neurons with a fixed step: what exchange formats can say of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.checks import check_integer, check_real, check_reals, check_sequence, is_real
from lava_nbp.base.fields import settle
from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import LARGEST_CONSTANT, NeuronParameters

Float64Array = NDArray[np.float64]
#: Time constants of a file may differ by so much from those they are read for: a clocked network rounds its decays by
#: up to 3 %.
TIME_TOLERANCE = 0.04
#: What formats hold as float32 with room to spare.
_LARGEST = 1e30
#: Steps that no check has.
_FOREVER = 2.0**53
#: Longest delay in ms: far beyond any use.
LONGEST_DELAY = LARGEST_CONSTANT
#: A decay or factor: of all layers, or of each; of a layer, of all its neurons or of each.
PerLayer = float | tuple[float | Float64Array, ...]
#: Neurons that a file is read for: EventProp's, of all layers or of each (None there: any, whose time constants are
#: read, too); None: those of nBP, which forget everything in a step.
Expected = NeuronParameters | Sequence[NeuronParameters | None] | None


class LayerNeurons(NamedTuple):
    """Constants of a layer's neurons, (n,) each; see `DenseNetwork`."""

    theta: Float64Array
    alpha: Float64Array
    beta: Float64Array
    gamma: Float64Array

    @property
    def gain(self) -> Float64Array:
        """What V settles at under a constant I of 1: 1 for forward Euler, a little else for exact decays."""
        return self.gamma / (1 - self.alpha)


@dataclass(frozen=True)
class DenseNetwork:
    """Layers of neurons, each of which does in every step, with the summed weights S of its input spikes::

        I = beta I + S
        V = alpha V + gamma I
        a neuron with V >= theta spikes, and V = 0

    A spike acts on the next layer in the same step, and through recurrent weights on its own layer in the next step;
    where there are delays, so much later. The inference network of nBP has alpha = beta = 0 and gamma = 1, and forgets
    everything from step to step; EventProp's with a fixed step is `lava_nbp.eventprop.clocked.arithmetic` without its
    rounding.

    Attributes
    ----------
    weights : tuple of (pre, post) float64
        In the unit of theta, one per layer.
    theta : float, or one per layer
        Threshold. That of nBP lies between the largest sum that does not fire and the smallest that does.
    alpha, beta, gamma : float, or one per layer
        Decay of V and I per step, and what of I reaches V. What is given for a layer may be an array, one per neuron.
        What is the same number for every layer becomes that number.
    dt : float
        Step, ms. Where nothing outlasts a step (nBP) it is a name for one.
    spiking_output : bool
        False: the last layer only integrates, and its largest V is the answer.
    about : mapping of str to str
        Where the network comes from.
    recurrent : tuple of (n, n) float64 or None
        Within every layer, (pre, post); None: it has none. Of no layer: ().
    delays, recurrent_delays : tuple of float64 or None
        How much later spikes act through the weights of every layer, and through its recurrent ones, in ms: (pre, post)
        of every synapse, (pre,) of every source, or None. Of no layer: ().
    mantissas : bool
        The network is one of a chip's registers, weights being mantissas times a power of 2: a format that holds
        mantissas writes them as they are, or not at all.

    Raises
    ------
    InputError
        For weights that are no matrices of finite numbers, one behind the other, or within a layer that spikes; a
        threshold, decay, factor or step that such a network cannot have; or delays of another shape, of weights that
        are not there, or outside 0 .. 1e9 ms.
    """

    weights: tuple[Float64Array, ...]
    theta: float | tuple[float, ...]
    alpha: PerLayer
    beta: PerLayer
    gamma: PerLayer
    dt: float
    spiking_output: bool = True
    about: Mapping[str, str] = field(default_factory=dict)
    recurrent: tuple[Float64Array | None, ...] = ()
    delays: tuple[Float64Array | None, ...] = ()
    recurrent_delays: tuple[Float64Array | None, ...] = ()
    mantissas: bool = False

    def __post_init__(self) -> None:
        settle(self, "network", InputError, only=("dt", "spiking_output", "mantissas"))
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
        check_real(self.dt, 0, _LARGEST, "network: dt", above=True)
        for name in ("theta", "gamma", "alpha", "beta"):
            object.__setattr__(self, name, self._constants(name))
        before: list[Float64Array | None] = list(self.weights)
        for name, beside in (("delays", before), ("recurrent_delays", list(self.recurrent))):
            object.__setattr__(self, name, self._late(name, beside))

    def _constants(self, name: str) -> Any:
        """A threshold, decay or factor, checked: a number, or one entry per layer."""
        given = getattr(self, name)
        if not isinstance(given, (list, tuple)):
            return self._constant(name, given, f"network: {name}")
        if len(given) != len(self.weights):
            raise InputError(
                f"network: {name} has {len(given)} entries, but there are {len(self.weights)} layers; give a number, "
                f"or one entry per layer"
            )
        found: list[float | Float64Array] = []
        for k, (entry, n) in enumerate(zip(given, self.sizes[1:], strict=True), 1):
            what = f"network: {name} of layer {k}"
            if name == "theta" or is_real(entry):
                found.append(self._constant(name, entry, what))
                continue
            each = check_reals(entry, what, "give a number, or one per neuron")
            if each.shape != (n,):
                raise InputError(f"{what} has shape {each.shape}, but must be a number, or one per neuron, ({n},)")
            found.append(np.array([self._constant(name, value, what) for value in each.tolist()]))
        alike = all(isinstance(entry, float) for entry in found) and len(set(found)) == 1
        return found[0] if alike else tuple(found)

    @staticmethod
    def _constant(name: str, value: Any, what: str) -> float:
        if name in ("theta", "gamma"):
            return check_real(value, 0, _LARGEST, what, above=True)
        decay = check_real(value, 0, 1, what)
        if decay == 1:
            raise InputError(f"{what} is 1, so that nothing decays in a step; use a larger dt")
        return decay

    def _late(self, name: str, weights: list[Float64Array | None]) -> tuple[Float64Array | None, ...]:
        """Delays of weights, checked, an entry per layer."""
        given = check_sequence(getattr(self, name), f"network: {name}") or [None] * len(weights)
        if len(given) != len(weights):
            raise InputError(
                f"network: {name} has {len(given)} entries for {len(weights)} layers; give an array or None per layer"
            )
        found: list[Float64Array | None] = []
        for k, (late, w) in enumerate(zip(given, weights, strict=True), 1):
            what = f"network: {name} of layer {k}"
            if late is None:
                found.append(None)
                continue
            if w is None:
                raise InputError(f"{what} are given, but it has no recurrent weights; give None")
            delays = check_reals(late, what, "they are in ms")
            if delays.shape not in (w.shape, w.shape[:1]):
                raise InputError(
                    f"{what} has shape {delays.shape}, but must be {w.shape} of synapses, or {w.shape[:1]} of sources"
                )
            check_delays(delays, what)
            found.append(delays)
        return tuple(found)

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

    def neurons(self, k: int) -> LayerNeurons:
        """Constants of the neurons of layer k, counted from 1.

        Raises
        ------
        InputError
            For a layer that there is not.
        """
        check_integer(k, 1, len(self.weights), "layer")
        own = []
        for name in LayerNeurons._fields:
            given = getattr(self, name)
            own.append(np.broadcast_to(given[k - 1] if isinstance(given, tuple) else given, (self.sizes[k],)))
        return LayerNeurons(*own)

    def run(self, x: Any) -> list[Float64Array]:
        """Spikes of every layer, or V of one that only integrates, in floating point.

        For checks, and small networks. A spike reaches the next layer in the same step; delays are the nearest whole
        steps.

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
        every = zip(self.weights, self.delays, self.recurrent, self.recurrent_delays, strict=True)
        for k, (w, late, loop, loop_late) in enumerate(every, 1):
            fires, p = self.spiking_output or k < len(self.weights), self.neurons(k)
            forward = _by_steps(w, late, self.dt)
            loops = [] if loop is None else _by_steps(loop, loop_late, self.dt)
            V = np.zeros((spikes.shape[1], w.shape[1]))
            I = np.zeros_like(V)  # noqa: E741 - the papers' symbol
            out = np.zeros((len(spikes), *V.shape))
            for step in range(len(spikes)):
                given = sum(spikes[step - d] @ part for d, part in forward if d <= step)
                own = sum(out[step - 1 - d] @ part for d, part in loops if d < step)
                I = p.beta * I + given + own  # noqa: E741
                V = p.alpha * V + p.gamma * I
                out[step] = p.theta <= V if fires else V
                if fires:
                    V[p.theta <= V] = 0
            found.append(out)
            spikes = out
        return found


def _by_steps(w: Float64Array, late: Float64Array | None, dt: float) -> list[tuple[int, Float64Array]]:
    """Delays in whole steps, and the weights that have each of them."""
    if late is None:
        return [(0, w)]
    with np.errstate(over="ignore"):
        steps = np.minimum(np.rint(late / dt), _FOREVER)
    each = steps if steps.ndim == 2 else steps[:, None]
    return [(int(d), np.where(each == d, w, 0.0)) for d in np.unique(steps)]


def check_delays(delays: Float64Array, what: str, cure: str = "they are in ms") -> None:
    """Check that delays in ms can be such.

    Raises
    ------
    InputError
        For one outside 0 .. 1e9 ms, or that is no number.
    """
    bad = ~((delays >= 0) & (delays <= LONGEST_DELAY))
    if bad.any():
        raise InputError(f"{what} holds {delays[bad].flat[0]:g}, but must be 0 .. {LONGEST_DELAY:g}; {cure}")


def expected_of(p: Expected, k: int, where: str) -> NeuronParameters | None:
    """What EventProp's neurons of layer k of a file must be; None: any.

    Raises
    ------
    InputError
        If the experiment has no such layer.
    """
    if p is None or isinstance(p, NeuronParameters):
        return p
    if k > len(p):
        raise InputError(f"{where} is layer {k}, but this experiment has {len(p)}; set network.hidden to the file's")
    return p[k - 1]


class LayerRead(NamedTuple):
    """What a file says of a layer; None: it has none, or has what is expected."""

    W: Float64Array  #: (pre, post), in thresholds
    R: Float64Array | None = None  #: (n, n)
    D: Float64Array | None = None  #: delays of W in ms, (pre, post) or (pre,)
    E: Float64Array | None = None  #: those of R
    tau_m: Float64Array | None = None  #: (n,) in ms
    tau_s: Float64Array | None = None

    @staticmethod
    def named(layers: Sequence[LayerRead]) -> dict[str, Float64Array]:
        """W1 .. Wn, then R1 .., D1 .., E1 .., tau_m1 .. and tau_s1 .. of the layers that have them."""
        return {
            f"{name}{k}": array
            for name in LayerRead._fields
            for k, layer in enumerate(layers, 1)
            if (array := getattr(layer, name)) is not None
        }


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
