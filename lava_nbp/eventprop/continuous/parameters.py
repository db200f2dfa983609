"""What a network has of its own: weights, delays, time constants; which are trained, by what names, in what limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lava_nbp.base.checks import check_arrays, check_real, check_within
from lava_nbp.errors import InputError
from lava_nbp.eventprop.continuous.constants import (
    CONSTANTS_RANGE,
    LayerConstants,
    all_within,
    check_limits,
    cut,
    log_range,
)
from lava_nbp.eventprop.continuous.optimizers import check_rate
from lava_nbp.eventprop.continuous.state import Own, Sums
from lava_nbp.eventprop.equations import LARGEST_CONSTANT, SMALLEST_CONSTANT, Float64Array, NeuronParameters
from lava_nbp.eventprop.layers import (
    LARGEST_WEIGHT,
    LayerNeurons,
    check_delays,
    check_layers,
    check_loops,
    check_neurons,
)
from lava_nbp.eventprop.trains import LONGEST_TRIAL

#: Longest delay in ms, unless the caller says another: what Loihi's 62 steps of 1 ms hold.
LONGEST_DELAY = 62.0
#: By the letters of a name.
_CALLED = {
    "W": "weights", "R": "recurrent weights", "D": "delays", "E": "recurrent delays", "tau_m": "logarithms of tau_m",
    "tau_s": "logarithms of tau_s",
}  # fmt: skip


class Parameters:
    """Numbers of all layers in one store: optimizers change, kernels read and programs see the very same arrays.

    Parameters
    ----------
    weights, p, recurrent, delays, recurrent_delays, longest_delay, constants_range, delay_rate, constant_rate
        As `EventPropEngine` takes them.
    spiking : bool
        Whether the output layer has spikes, and may be recurrent.

    Attributes
    ----------
    sizes : list of int
        Inputs, and neurons of every layer.
    weights, loops, delays, loop_delays, matrices, names, limits
        As `EventPropEngine` has them.
    layers : list of LayerConstants
        Time constants and thresholds.

    Raises
    ------
    WeightError
        For matrices that do not fit together, or entries that are not finite.
    InputError
        For delays, constants, limits or rates that there cannot be.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        p: NeuronParameters | Sequence[NeuronParameters | Sequence[NeuronParameters]],
        spiking: bool,
        *,
        recurrent: Sequence[Any] | None = None,
        delays: Sequence[Any] | None = None,
        recurrent_delays: Sequence[Any] | None = None,
        longest_delay: float = LONGEST_DELAY,
        constants_range: tuple[float, float] = CONSTANTS_RANGE,
        delay_rate: float = 0.0,
        constant_rate: float = 0.0,
    ) -> None:
        self.weights = check_layers(weights)
        self.sizes = [self.weights[0].shape[0], *(w.shape[1] for w in self.weights)]
        self.loops = check_loops(recurrent, self.sizes[1:], spiking)
        self._longest = check_real(longest_delay, 0.0, LONGEST_TRIAL, "longest delay", "it is in ms")
        shapes, loop_shapes = ([(len(m), m.shape[1]) for m in matrices] for matrices in (self.weights, self.loops))
        self.delays = check_delays(delays, shapes, self._longest, "delays")
        self.loop_delays = check_delays(recurrent_delays, loop_shapes, self._longest, "recurrent delays")
        self._rates = check_rate(delay_rate, "delay_rate"), check_rate(constant_rate, "constant_rate")
        self._constants_range = check_limits(constants_range)
        self._log_range = log_range(self._constants_range)
        limits = self._constants_range if constant_rate > 0 else None
        neurons = zip(check_neurons(p, self.sizes[1:]), self.sizes[1:], strict=True)
        self.layers = [LayerConstants(layer, n, limits) for layer, n in neurons]
        named = numbered("W", self.weights) | numbered("R", self.loops)
        late = numbered("D", self.delays) | numbered("E", self.loop_delays)
        self._given = named | late  # all but time constants
        learned = late if delay_rate > 0 else {}
        self._learned_delays = list(learned.values())
        named |= learned
        for k, name in enumerate(("tau_m", "tau_s")):
            named |= numbered(name, [layer.logs[k] for layer in self.layers if layer.logs])
        self.names, self.matrices = list(named), list(named.values())
        self.limits = [self._limits(name) for name in self.names]
        #: Whatever kernels read, and anybody may write into.
        self._open = self._given | named

    @property
    def p(self) -> NeuronParameters | tuple[LayerNeurons, ...]:
        """Time constants and thresholds as they are now: one for all, or those of every layer."""
        layers = tuple(layer.read() for layer in self.layers)
        first = layers[0]
        return first if isinstance(first, NeuronParameters) and all(p == first for p in layers) else layers

    @property
    def is_uniform(self) -> bool:
        """Whether neurons are all alike, and no synapse has a delay."""
        return isinstance(self.p, NeuronParameters) and not any(d.size for d in (*self.delays, *self.loop_delays))

    @property
    def learns_delays(self) -> bool:
        """Whether there are delays, and they are learned."""
        return bool(self._learned_delays)

    def factors(self, optimizer: str) -> list[float]:
        """By which a rate is multiplied for each of `matrices`.

        Weights are learned in thresholds of their layer, the rate being that of the first: a step of Adam has the unit
        of weights, one of plain descent that of weights squared.
        """
        first = self.layers[0].first.theta
        units = [(layer.first.theta / first) ** (1 if optimizer == "adam" else 2) for layer in self.layers]
        units += [unit for unit, loop in zip(units, self.loops, strict=True) if loop.size]
        delay_rate, constant_rate = self._rates
        delay_rates = [delay_rate] * len(self._learned_delays)
        return units + delay_rates + [constant_rate] * (len(self.matrices) - len(units) - len(delay_rates))

    def views(self) -> tuple[Own, ...]:
        """What kernels get of every layer's constants and delays: views of these very arrays.

        A copy of a view is an array of its own: whoever is copied with them asks again.
        """
        layers = zip(self.layers, self.delays, self.loop_delays, strict=True)
        return tuple(layer.own(delays, loop_delays) for layer, delays, loop_delays in layers)

    def gradients(self, by: Sequence[Sums]) -> tuple[Float64Array, ...]:
        """What kernels have summed for every layer, in the order of `matrices`."""
        logs = [layer.by_logs(sums) for layer, sums in zip(self.layers, by, strict=True)]
        found = [sums.weights for sums in by] + [sums.loops for sums in by if sums.loops.size]
        if self._learned_delays:
            delays = [sums.delays for sums in by] + [sums.loop_delays for sums in by]
            pairs = zip((d for d in delays if d.size), self._learned_delays, strict=True)
            found += [d.reshape(own.shape) for d, own in pairs]
        return (*found, *(log for kind in zip(*logs, strict=True) for log in kind))

    def cut(self) -> int:
        """Cut what is learned beside weights to its limits; how many entries were outside."""
        outside = sum(cut(delays, 0.0, self._longest) for delays in self._learned_delays)
        return outside + sum(layer.refresh() for layer in self.layers)

    def refresh(self) -> None:
        """Make arrays into which anybody may have written what kernels may have, by `cut`.

        Raises
        ------
        InputError
            For what that cannot mend: entries that are no numbers, weights beyond 1e30, and delays outside their limits
            that are not learned.
        """
        self.cut()
        for name, array in self._open.items():
            low, high = self._limits(name)
            if not all_within(array.reshape(-1), low, high):
                bad = array[~((array >= low) & (array <= high))]
                raise InputError(
                    f"{called(name)} hold {bad[0]:g}, but must be finite, and in {low:g} .. {high:g}; write others, "
                    f"or, if they were learned, use a smaller rate, or clip gradients"
                )

    def read(self) -> dict[str, Float64Array]:
        """As `EventPropEngine.parameters`."""
        return {name: array.copy() for name, array in self._named().items()}

    def write(self, parameters: Mapping[str, Any]) -> None:
        """As `EventPropEngine.load_parameters`."""
        own = self._named()
        check_arrays(parameters, own, "parameters", "this network needs")
        for name, array in parameters.items():
            limits = self._limits(name)
            if name.startswith("tau"):
                limits = self._constants_range if name in self.names else (SMALLEST_CONSTANT, LARGEST_CONSTANT)
            check_within(array, *limits, f"parameters: {name}")
        for name, array in parameters.items():
            own[name][...] = array
        for layer in self.layers:
            layer.take_over()

    def _limits(self, name: str) -> tuple[float, float]:
        """Least and largest entry of an array."""
        if name[0] in "WR":
            return -LARGEST_WEIGHT, LARGEST_WEIGHT
        return (0.0, self._longest) if name[0] in "DE" else self._log_range

    def _named(self) -> dict[str, Float64Array]:
        """All arrays by name, learned or not; constants in ms."""
        found = dict(self._given)
        for k, name in enumerate(("tau_m", "tau_s")):
            found |= {f"{name}{n}": layer.kept[k] for n, layer in enumerate(self.layers, 1) if layer.kept}
        return found


def numbered(kind: str, arrays: Sequence[Float64Array]) -> dict[str, Float64Array]:
    """The arrays of layers that have one, by name: W1, W2, .."""
    return {f"{kind}{k}": array for k, array in enumerate(arrays, 1) if array.size}


def called(name: str) -> str:
    """For messages: "weights of layer 12" for W12."""
    kind = name.rstrip("0123456789")
    return f"{_CALLED[kind]} of layer {name[len(kind) :]}"
