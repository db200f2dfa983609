"""Configurations of EventProp: neurons, loss, learning, and the arithmetic of its clocked targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from lava_nbp.base.checks import is_real, shown
from lava_nbp.base.targets import TARGETS
from lava_nbp.base.widths import DELAY_MAX
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import MASTER_BITS, FixedPoint, NeuronKind
from lava_nbp.eventprop.clocked.delays import steps_of
from lava_nbp.eventprop.clocked.ladder import MOST_RUNGS, Ladder
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.constants import CONSTANTS_RANGE, check_limits
from lava_nbp.eventprop.continuous.parameters import LONGEST_DELAY
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import LabelLoss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import OptimizerName, SilentName, SilentPolicy
from lava_nbp.loihi.programs.learning import DEFAULT_ROOM, MOST_ROOM
from lava_nbp.training.config import (
    FACTORS,
    TIMES,
    WEIGHTS,
    AsSection,
    ConfigSection,
    EncodingConfig,
    EventDataConfig,
    Experiment,
    Hidden,
    Rate,
    Real,
    Samples,
    Step,
    Time,
    check_types,
)
from lava_nbp.training.loihi_config import LoihiConfig

_Number = TypeVar("_Number", int, float)
Room = Annotated[int, Field(ge=1, le=MOST_ROOM)]
_Deviation = Annotated[Real, Field(ge=0, le=WEIGHTS)]
_Delay = Annotated[Real, Field(ge=0, le=TIMES[1])]


def _number_or_list(low: float, high: float) -> PlainValidator:
    """Of a key with a number for all layers, or a list with one for each."""

    def checked(value: Any) -> float | list[float]:
        numbers = value if isinstance(value, list) else [value]
        if not numbers or not all(is_real(x) and low <= x <= high for x in numbers):
            # Of a type of its own, so that the key is said.
            wanted = f"must be in {low:g} .. {high:g}, or a list of such numbers, one per layer"
            raise PydanticCustomError("number_or_list", wanted)
        floats = [float(x) for x in numbers]
        return floats if isinstance(value, list) else floats[0]

    return PlainValidator(checked)


_Times = Annotated[float | list[float], _number_or_list(*TIMES)]
_Thresholds = Annotated[float | list[float], _number_or_list(1e-3, 1e3)]
#: Of a layer's logarithms of time constants.
_Spreads = Annotated[float | list[float], _number_or_list(0, 3)]
_Counts = Annotated[float | list[float], _number_or_list(0, FACTORS)]


class LayersConfig(ConfigSection):
    """[network] of EventProp: hidden layers, and normal distributions of the initial weights, in thresholds."""

    hidden: Hidden
    initial_mean: list[Annotated[Real, Field(ge=-WEIGHTS, le=WEIGHTS)]]
    initial_deviation: list[_Deviation]
    #: Recurrent weights within a layer, of the mean 0; 0: the layer has none.
    recurrent_deviation: list[_Deviation] | None = None
    #: Delays of the weights of every layer, and of its recurrent weights, in ms: drawn evenly from 0 .. this; 0: it has
    #: none. Clocked targets have them in whole steps, 62 at most.
    initial_delay: list[_Delay] | None = None
    recurrent_delay: list[_Delay] | None = None
    #: Whether every synapse has a delay of its own, or all those of a source have the same.
    delays_per: Literal["synapse", "source"] = "synapse"
    #: In ms, beyond which no delay is learned; of clocked targets the nearest whole step, 62 at most.
    longest_delay: _Delay = LONGEST_DELAY
    #: File to start from, instead of drawing W1 .. Wn, and what it holds of the recurrent weights, delays and time
    #: constants of this network: .npz (in thresholds and ms), NIR or netx; see `lava_nbp.training.eventprop.start`.
    weights: str | None = None

    @property
    def n_layers(self) -> int:
        """Layers behind the input."""
        return len(self.hidden) + 1

    @property
    def loops(self) -> list[str]:
        """Names of the recurrent matrices that there are, R1 .. Rn."""
        return [f"R{k}" for k, deviation in enumerate(self.recurrent_deviation or (), 1) if deviation > 0]

    @model_validator(mode="after")
    def _one_per_layer(self) -> LayersConfig:
        keys = "initial_mean", "initial_deviation", "recurrent_deviation", "initial_delay", "recurrent_delay"
        for key in keys:
            _check_length(f"network.{key}", getattr(self, key), self.n_layers)
        return self

    @model_validator(mode="after")
    def _possible_delays(self) -> LayersConfig:
        for key in ("initial_delay", "recurrent_delay"):
            longest = max(getattr(self, key) or [0.0])
            if longest > self.longest_delay:
                raise ValueError(
                    f"network.{key} reaches {longest:g} ms, but network.longest_delay is {self.longest_delay:g} ms; "
                    f"raise that"
                )
        loops = self.recurrent_deviation or [0.0] * self.n_layers
        for k, (delay, deviation) in enumerate(zip(self.recurrent_delay or (), loops, strict=False), 1):
            if delay > 0 and deviation == 0:
                raise ValueError(
                    f"network.recurrent_delay of layer {k} is {delay:g} ms, but it has no recurrent weights "
                    f"(network.recurrent_deviation); make it 0"
                )
        return self


class NeuronConfig(ConfigSection):
    """[neuron]: time constants in ms, and thresholds: a number for all layers, or a list with one for each."""

    tau_m: _Times = NeuronParameters.tau_m
    tau_s: _Times = NeuronParameters.tau_s
    theta: _Thresholds = NeuronParameters.theta
    #: Standard deviation of the natural logarithms of a layer's time constants, which every neuron has of its own then;
    #: 0: a layer's neurons are alike. Target "continuous" only.
    spread: _Spreads = 0.0

    def layers(self, n: int) -> list[NeuronParameters]:
        """Those of every layer; of neurons that are not alike, the medians."""
        columns = (_each(getattr(self, name), n) for name in ("tau_m", "tau_s", "theta"))
        return [NeuronParameters(*column) for column in zip(*columns, strict=True)]

    def spreads(self, n: int) -> list[float]:
        """Of every layer."""
        return _each(self.spread, n)


@dataclass(frozen=True)
class LossConfig(TTFSLoss):
    """[loss]: "ttfs" with its time constants in ms, "max_voltage", or "mean_voltage" with tau and gain.

    Raises
    ------
    InputError
        For tau or gain with another loss.
    """

    name: Literal["ttfs", "max_voltage", "mean_voltage"] = "ttfs"
    #: In ms, with which times count less and less in the mean; without it all count alike.
    tau: float | None = None
    gain: float = MeanVoltageLoss.gain

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, default in (("tau", None), ("gain", MeanVoltageLoss.gain)):
            value = getattr(self, key)
            if self.name != "mean_voltage" and value != default:
                raise InputError(f"{key} is {shown(value)}, but only the loss mean_voltage has it; leave it out")
        _ = self.loss

    @property
    def loss(self) -> LabelLoss:
        """The one that is named."""
        if self.name == "mean_voltage":
            return MeanVoltageLoss(math.inf if self.tau is None else self.tau, self.gain)
        return TTFSLoss(self.tau0, self.tau1, self.alpha) if self.name == "ttfs" else MaxVoltageLoss()


class LearningConfig(ConfigSection):
    """[learning]: optimizer, batches, and policies."""

    optimizer: OptimizerName = "adam"
    rate: Rate = 5e-3
    #: How the rate falls: "decay", by a factor per epoch, from the third epoch on, as the authors' code has it; or
    #: "cosine", rate (1 + cos(pi (e - 1) / epochs)) / 2 in epoch e of `epochs`; resumed with more epochs, a run goes on
    #: along the new curve.
    schedule: Literal["decay", "cosine"] = "decay"
    decay: Real = Field(default=0.95, gt=0, le=1)
    batch: Samples = 32
    #: Share of the input spikes that are left out, drawn anew for every epoch.
    dropout: Real = Field(default=0.0, ge=0, lt=1)
    silent: SilentName = SilentPolicy.name
    #: What a tie between outputs counts as where epochs are compared; results have both figures.
    ties: Literal["wrong", "right"] = "wrong"
    silent_strength: Annotated[Real, Field(le=FACTORS)] = SilentPolicy.strength
    #: Of all hidden layers, or of each: between which "spike_count" keeps a neuron's spikes per sample.
    silent_lower: _Counts = 1.0
    silent_upper: _Counts = 1.0
    #: Lower bound of I - theta in the adjoint jump of the target "continuous", in thresholds.
    floor: Annotated[Real, Field(ge=1e-30, le=WEIGHTS)] = 1e-9
    #: What is learned beside weights, and how fast: `rate` times this is that of delays in ms, and of the natural
    #: logarithms of time constants; 0: they stay. Time constants are learned by the target "continuous" only.
    delay_rate: Annotated[Real, Field(ge=0, le=FACTORS)] = 0.0
    constant_rate: Annotated[Real, Field(ge=0, le=FACTORS)] = 0.0
    #: Least and largest time constant that is learned, in ms.
    constants_range: list[Time] = Field(default=list(CONSTANTS_RANGE), min_length=2, max_length=2)
    threads: int = Field(default=1, ge=1, le=1024)

    @property
    def policy(self) -> SilentPolicy:
        """What is done about silent neurons."""
        lower, upper = (tuple(x) if isinstance(x, list) else x for x in (self.silent_lower, self.silent_upper))
        return SilentPolicy(self.silent, self.silent_strength, lower, upper)

    @model_validator(mode="after")
    def _possible_policy(self) -> LearningConfig:
        _ = self.policy
        return self

    @model_validator(mode="after")
    def _possible_range(self) -> LearningConfig:
        check_limits(self.constants_range)
        return self


class ClockedConfig(ConfigSection):
    """[clocked]: step and widths of the clocked targets; see `lava_nbp.eventprop.clocked.arithmetic.FixedPoint`."""

    #: In ms; of the target "continuous" it is the step in which the cost of inference is counted.
    dt: Step = 0.5
    #: Of all layers, or of each.
    theta_bits: int | list[int] = FixedPoint.theta_bits
    coefficient_bits: int = FixedPoint.coefficient_bits
    adjoint_bits: int = FixedPoint.adjoint_bits
    floor: Annotated[Real, Field(gt=0, le=WEIGHTS)] = FixedPoint.floor
    #: What neurons do forward: "exact", decays of `coefficient_bits`, rounded, or "loihi", bit for bit what the chips
    #: and Lava's LIF do.
    neuron: NeuronKind = FixedPoint.neuron
    #: With the loss max_voltage and the neuron "loihi": an output's largest voltage is read from the spikes of so many
    #: copies of it, whose thresholds rise evenly from the lowest (default: the highest / rungs) to the highest, in
    #: thresholds; see `lava_nbp.eventprop.clocked.ladder`.
    rungs: int | None = Field(default=None, ge=2, le=MOST_RUNGS)
    lowest_rung: Annotated[Real, Field(gt=0, le=WEIGHTS)] | None = None
    highest_rung: Annotated[Real, Field(gt=0, le=WEIGHTS)] | None = None
    #: Steps behind a spike's in which V is held at 0, 0 .. 62; of all layers, or of each.
    refractory: int | list[int] = FixedPoint.refractory
    #: Largest weight of each layer that 8 bits shall hold, in thresholds.
    largest_weight: list[Annotated[Real, Field(gt=0, le=WEIGHTS)]] | None = None
    #: Largest recurrent weight of each layer; of a layer that has none it means nothing.
    largest_recurrent: list[Annotated[Real, Field(gt=0, le=WEIGHTS)]] | None = None

    @property
    def ladder(self) -> Ladder | None:
        """Rungs of the outputs, if they have some."""
        if self.rungs is None or self.highest_rung is None:
            return None
        return Ladder(self.rungs, self.highest_rung, self.lowest_rung)

    @model_validator(mode="after")
    def _possible_ladder(self) -> ClockedConfig:
        for key in ("lowest_rung", "highest_rung"):
            if getattr(self, key) is not None and self.rungs is None:
                raise ValueError(f"clocked.{key} is {getattr(self, key):g}, but there are no rungs; give clocked.rungs")
        if self.rungs is not None and self.highest_rung is None:
            raise ValueError(
                f"clocked.rungs is {self.rungs}, but nothing says how high they reach; give clocked.highest_rung, in "
                f"thresholds: about the largest voltage of an output"
            )
        if self.rungs is not None and self.neuron != "loihi":
            raise ValueError(
                f"clocked.rungs is {self.rungs}, but clocked.neuron is {self.neuron!r}, and rungs are a chip's; make "
                f"it 'loihi', or leave them out"
            )
        _ = self.ladder
        return self


class EventPropLoihiConfig(LoihiConfig):
    """[loihi] of EventProp: which board, and room for spikes where it learns."""

    #: Spikes of a neuron, and of an input, that are kept of a sample until they are met on the way back.
    room: Room = DEFAULT_ROOM
    input_room: Room = 1

    own: ClassVar[frozenset[str]] = LoihiConfig.own | {"room", "input_room"}


class EventPropExperiment(Experiment):
    """A configuration file with algorithm = "eventprop"."""

    resumable: ClassVar[tuple[str, ...]] = (*Experiment.resumable, "learning.threads")

    algorithm: Literal["eventprop"]
    target: str = "continuous"
    data: Annotated[EventDataConfig, AsSection()]
    encoding: Annotated[EncodingConfig, AsSection()]
    network: LayersConfig
    neuron: NeuronConfig = NeuronConfig()
    loss: Annotated[
        LossConfig, AsSection(tau0=TIMES, tau1=TIMES, alpha=(0.0, FACTORS), tau=TIMES, gain=(1e-6, FACTORS))
    ] = LossConfig()
    learning: LearningConfig = LearningConfig()
    clocked: ClockedConfig = ClockedConfig()
    #: For chips, which answer with what was trained elsewhere; its chunk means nothing here.
    loihi: EventPropLoihiConfig = EventPropLoihiConfig()

    @property
    def largest_weights(self) -> dict[str, float]:
        """What the 8-bit weights of each matrix shall hold at most, in thresholds: W1 .. Wn, and R1 .. that there are.

        Where the file does not say: four deviations from the mean of the initial weights, the same at every
        resumption.
        """
        n, each = self.network, range(1, self.network.n_layers + 1)
        pairs = zip(n.initial_mean, n.initial_deviation, strict=True)
        largest = self.clocked.largest_weight or [abs(mean) + 4 * deviation or 1.0 for mean, deviation in pairs]
        looped = self.clocked.largest_recurrent or [4 * deviation for deviation in n.recurrent_deviation or ()]
        found = {f"W{k}": top for k, top in zip(each, largest, strict=True)}
        return found | {name: top for k, top in enumerate(looped, 1) if (name := f"R{k}") in n.loops}

    @property
    def neurons(self) -> list[NeuronParameters]:
        """Time constants and threshold of every layer behind the input; of neurons that are not alike, the medians."""
        return self.neuron.layers(self.network.n_layers)

    @property
    def setup(self) -> Setup:
        """Arithmetic, loss and learning of the clocked targets.

        Raises
        ------
        InputError
            For a step, widths, a loss or a policy that they cannot have, or neurons of a layer that are not alike.
        """
        clocked, neurons = self.clocked, tuple(self.neurons)
        if any(self.neuron.spreads(self.network.n_layers)):
            raise InputError(
                f"neuron.spread gives neurons of a layer constants of their own, which target {self.target} does not "
                f"have: there, as on the chips, they are those of a layer; use target continuous, or leave it out"
            )
        layers, bits, rests = [], _each(clocked.theta_bits, len(neurons)), _each(clocked.refractory, len(neurons))
        alike = len(set(zip(neurons, bits, rests, strict=True))) == 1
        for k, (p, n, rest) in enumerate(zip(neurons, bits, rests, strict=True), 1):
            try:
                layers.append(
                    FixedPoint(
                        p, clocked.dt, self.encoding.end, n, clocked.coefficient_bits, clocked.adjoint_bits,
                        clocked.floor, clocked.neuron, rest,
                    )
                )  # fmt: skip
            except InputError as error:
                raise InputError(str(error) if alike else f"layer {k}: {error}") from None
        own = None if all(c == layers[0] for c in layers) else tuple(layers)
        return Setup(layers[0], self.loss.loss, self.learning.policy, self.learning.optimizer, own, clocked.ladder)

    def arithmetic_of(self, name: str) -> FixedPoint:
        """Of the layer that a matrix leads to, by its name: W1 .., R1 .. (see `setup`)."""
        return self.setup.arithmetic(self.network.n_layers)[int(name[1:]) - 1]

    @property
    def longest_steps(self) -> int:
        """Of a clocked network's delays: what it holds, and for learned ones the step nearest to the longest."""
        if self.learning.delay_rate == 0:
            return DELAY_MAX
        return min(DELAY_MAX, int(steps_of(self.setup.c.delay_masters(self.network.longest_delay))))

    @property
    def names_beside(self) -> list[str]:
        """Of what a run keeps beside weights: delays, and time constants that are learned or each neuron's own."""
        n = self.network
        pairs = ("D", n.initial_delay), ("E", n.recurrent_delay)
        delays = [f"{letter}{k}" for letter, longest in pairs for k, ms in enumerate(longest or (), 1) if ms > 0]
        own = [
            k for k, spread in enumerate(self.neuron.spreads(n.n_layers), 1) if spread or self.learning.constant_rate
        ]
        return [*delays, *(f"{name}{k}" for name in ("tau_m", "tau_s") for k in own)]

    @property
    def compared_by(self) -> str:
        """See `Experiment`."""
        return "accuracy" if self.learning.ties == "wrong" else "accuracy_ties_right"

    def check_learned(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """See `Experiment`: real numbers, or the integers of a clocked network, which its 8-bit weights hold."""
        clocked = TARGETS[self.target].clocked
        names = [*self.largest_weights, *self.names_beside]
        check_types(weights, names, np.int64 if clocked else np.float64)
        if clocked:
            for name, top in self.largest_weights.items():
                c = self.arithmetic_of(name)
                limit, w = c.master_limit(c.weight_exponent(top)), weights[name]
                if w.max() > limit or w.min() < -limit:
                    raise WeightError(f"{name} has entries from {w.min()} to {w.max()}, but 8 bits hold +-{limit}")
            for name in self.names_beside:  # delays
                if weights[name].min() < 0 or weights[name].max() > self.longest_steps << MASTER_BITS:
                    raise WeightError(f"{name} has delays outside 0 .. {self.longest_steps} steps")

    @model_validator(mode="after")
    def _one_largest_per_layer(self) -> EventPropExperiment:
        if self.learning.silent == "spike_count":
            self.learning.policy.bounds(len(self.network.hidden))
        for key in ("largest_weight", "largest_recurrent"):
            _check_length(f"clocked.{key}", getattr(self.clocked, key), self.network.n_layers)
        for key in ("theta_bits", "refractory"):
            value = getattr(self.clocked, key)
            _check_length(f"clocked.{key}", value if isinstance(value, list) else None, self.network.n_layers)
        for key in ("tau_m", "tau_s", "theta", "spread"):
            value = getattr(self.neuron, key)
            _check_length(f"neuron.{key}", value if isinstance(value, list) else None, self.network.n_layers)
        return self

    @model_validator(mode="after")
    def _possible_constants(self) -> EventPropExperiment:
        low, high = self.learning.constants_range
        for p in self.neurons if self.learning.constant_rate else ():
            for name in ("tau_m", "tau_s"):
                if not low <= getattr(p, name) <= high:
                    raise ValueError(
                        f"neuron.{name} is {getattr(p, name):g} ms, but learned time constants are {low:g} .. {high:g} "
                        f"ms (learning.constants_range); start elsewhere, or change that"
                    )
        return self

    @model_validator(mode="after")
    def _possible_rungs(self) -> EventPropExperiment:
        if self.clocked.rungs is not None and self.loss.name != "max_voltage":
            raise ValueError(
                f"clocked.rungs is {self.clocked.rungs}, but rungs tell largest voltages only, not the answers of the "
                f"loss {self.loss.name}; leave them out, or use the loss max_voltage"
            )
        return self

    @model_validator(mode="after")
    def _possible_phantom(self) -> EventPropExperiment:
        if self.learning.silent == "phantom" and self.loss.name != "ttfs":
            raise ValueError(
                f"learning.silent is 'phantom', but with the loss {self.loss.name} the output layer only integrates, "
                f"and no output is silent; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _possible_loops(self) -> EventPropExperiment:
        if f"R{self.network.n_layers}" in self.network.loops:
            given = f"network.recurrent_deviation is {self.network.recurrent_deviation}, but"
            if self.loss.name != "ttfs":
                raise ValueError(
                    f"{given} with the loss {self.loss.name} the output layer only integrates, and has no spikes; set "
                    f"the last entry to 0"
                )
            if self.learning.silent == "phantom":
                raise ValueError(
                    f"{given} the silent policy 'phantom' needs an output layer without recurrent weights; set the "
                    f"last entry to 0, or use another policy"
                )
        return self


def _each(value: _Number | list[_Number], n: int) -> list[_Number]:
    """One for each of n layers."""
    return list(value) if isinstance(value, list) else [value] * n


def _check_length(key: str, given: Sequence[float] | None, layers: int) -> None:
    if given is not None and len(given) != layers:
        raise ValueError(
            f"{key} has {len(given)} entries, but there are {layers} layers behind the input; give one for each"
        )
