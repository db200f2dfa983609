"""Configurations of EventProp: neurons, loss, learning, and the arithmetic of its clocked targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from lava_nbp.base.checks import shown
from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import Loss, MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import OptimizerName, SilentName, SilentPolicy
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
    check_types,
)

_Deviation = Annotated[Real, Field(ge=0, le=WEIGHTS)]


class LayersConfig(ConfigSection):
    """[network] of EventProp: hidden layers, and normal distributions of the initial weights, in thresholds."""

    hidden: Hidden
    initial_mean: list[Annotated[Real, Field(ge=-WEIGHTS, le=WEIGHTS)]]
    initial_deviation: list[_Deviation]
    #: Recurrent weights within a layer, of the mean 0; 0: the layer has none.
    recurrent_deviation: list[_Deviation] | None = None
    #: File to start from, instead of drawing W1 .. Wn, and R1 .. that it holds: .npz (in thresholds), NIR or netx; see
    #: `lava_nbp.training.eventprop.start`.
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
        for key in ("initial_mean", "initial_deviation", "recurrent_deviation"):
            _check_length(f"network.{key}", getattr(self, key), self.n_layers)
        return self


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
    def loss(self) -> Loss:
        """The one that is named."""
        if self.name == "mean_voltage":
            return MeanVoltageLoss(math.inf if self.tau is None else self.tau, self.gain)
        return TTFSLoss(self.tau0, self.tau1, self.alpha) if self.name == "ttfs" else MaxVoltageLoss()


class LearningConfig(ConfigSection):
    """[learning]: optimizer, batches, and policies."""

    optimizer: OptimizerName = "adam"
    rate: Rate = 5e-3
    #: Factor on the rate per epoch; the first two epochs have the full rate, as the authors' code has it.
    decay: Real = Field(default=0.95, gt=0, le=1)
    batch: Samples = 32
    #: Share of the input spikes that are left out, drawn anew for every epoch.
    dropout: Real = Field(default=0.0, ge=0, lt=1)
    silent: SilentName = SilentPolicy.name
    #: What a tie between outputs counts as where epochs are compared; results have both figures.
    ties: Literal["wrong", "right"] = "wrong"
    silent_strength: Annotated[Real, Field(le=FACTORS)] = SilentPolicy.strength
    silent_target: Annotated[Real, Field(le=FACTORS)] = SilentPolicy.target
    #: Lower bound of I - theta in the adjoint jump of the target "continuous", in thresholds.
    floor: Annotated[Real, Field(ge=1e-30, le=WEIGHTS)] = 1e-9
    threads: int = Field(default=1, ge=1, le=1024)

    @property
    def policy(self) -> SilentPolicy:
        """What is done about silent neurons."""
        return SilentPolicy(self.silent, self.silent_strength, self.silent_target)

    @model_validator(mode="after")
    def _possible_policy(self) -> LearningConfig:
        _ = self.policy
        return self


class ClockedConfig(ConfigSection):
    """[clocked]: step and widths of the clocked targets; see `lava_nbp.eventprop.clocked.arithmetic.FixedPoint`."""

    #: In ms; of the target "continuous" it is the step in which the cost of inference is counted.
    dt: Step = 0.5
    theta_bits: int = FixedPoint.theta_bits
    coefficient_bits: int = FixedPoint.coefficient_bits
    adjoint_bits: int = FixedPoint.adjoint_bits
    floor: Annotated[Real, Field(gt=0, le=WEIGHTS)] = FixedPoint.floor
    #: Largest weight of each layer that 8 bits shall hold, in thresholds.
    largest_weight: list[Annotated[Real, Field(gt=0, le=WEIGHTS)]] | None = None
    #: Largest recurrent weight of each layer; of a layer that has none it means nothing.
    largest_recurrent: list[Annotated[Real, Field(gt=0, le=WEIGHTS)]] | None = None


class EventPropExperiment(Experiment):
    """A configuration file with algorithm = "eventprop"."""

    resumable: ClassVar[tuple[str, ...]] = (*Experiment.resumable, "learning.threads")

    algorithm: Literal["eventprop"]
    target: str = "continuous"
    data: Annotated[EventDataConfig, AsSection()]
    encoding: Annotated[EncodingConfig, AsSection()]
    network: LayersConfig
    neuron: Annotated[NeuronParameters, AsSection(tau_m=TIMES, tau_s=TIMES, theta=(1e-3, 1e3))] = NeuronParameters()
    loss: Annotated[
        LossConfig, AsSection(tau0=TIMES, tau1=TIMES, alpha=(0.0, FACTORS), tau=TIMES, gain=(1e-6, FACTORS))
    ] = LossConfig()
    learning: LearningConfig = LearningConfig()
    clocked: ClockedConfig = ClockedConfig()

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
    def setup(self) -> Setup:
        """Arithmetic, loss and learning of the clocked targets.

        Raises
        ------
        InputError
            For a step, widths, a loss or a policy that they cannot have.
        """
        clocked = self.clocked
        arithmetic = FixedPoint(
            self.neuron, clocked.dt, self.encoding.end, clocked.theta_bits, clocked.coefficient_bits,
            clocked.adjoint_bits, clocked.floor,
        )  # fmt: skip
        return Setup(arithmetic, self.loss.loss, self.learning.policy, self.learning.optimizer)

    @property
    def compared_by(self) -> str:
        """See `Experiment`."""
        return "accuracy" if self.learning.ties == "wrong" else "accuracy_ties_right"

    def check_learned(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """See `Experiment`: real numbers, or the integers of a clocked network, which its 8-bit weights hold."""
        clocked = TARGETS[self.target].clocked
        check_types(weights, list(self.largest_weights), np.int64 if clocked else np.float64)
        if clocked:
            c = self.setup.c
            for name, top in self.largest_weights.items():
                limit, w = c.master_limit(c.weight_exponent(top)), weights[name]
                if w.max() > limit or w.min() < -limit:
                    raise WeightError(f"{name} has entries from {w.min()} to {w.max()}, but 8 bits hold +-{limit}")

    @model_validator(mode="after")
    def _one_largest_per_layer(self) -> EventPropExperiment:
        for key in ("largest_weight", "largest_recurrent"):
            _check_length(f"clocked.{key}", getattr(self.clocked, key), self.network.n_layers)
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


def _check_length(key: str, given: list[float] | None, layers: int) -> None:
    if given is not None and len(given) != layers:
        raise ValueError(
            f"{key} has {len(given)} entries, but there are {layers} layers behind the input; give one for each"
        )
