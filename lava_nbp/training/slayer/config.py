"""Configurations of SLAYER, the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lava_nbp.training.config import (
    WEIGHTS,
    AsSection,
    ConfigSection,
    EncodingConfig,
    EventDataConfig,
    Experiment,
    Factor,
    Hidden,
    Rate,
    Real,
    Samples,
    Step,
    check_types,
)


class SLAYERNetworkConfig(ConfigSection):
    """[network] of SLAYER: hidden layers, the step in ms, and the initial weights' width, in 1 / sqrt(pre)."""

    hidden: Hidden
    dt: Step
    initial_scale: Factor = 1.0


class SLAYERNeuronConfig(ConfigSection):
    """[neuron] of SLAYER: threshold, decays per step, surrogate gradient; see `lava.lib.dl.slayer.neuron.cuba`."""

    #: A register in 64ths holds it.
    threshold: Annotated[Real, Field(ge=1 / 64, le=WEIGHTS)] = 1.25
    current_decay: Real = Field(default=0.25, gt=0, le=1)
    voltage_decay: Real = Field(default=0.03, ge=0, le=1)
    #: Smaller than lava-dl's examples have it: their trials are longer, and 0.03 learned worse here.
    tau_grad: Factor = 0.005
    scale_grad: Factor = 3.0


class SLAYERLearningConfig(ConfigSection):
    """[learning] of SLAYER: Adam, and the spike rates that label and other outputs shall have, in spikes per step."""

    rate: Rate = 1e-3
    batch: Samples = 32
    true_rate: Real = Field(default=0.2, gt=0, le=1)
    false_rate: Real = Field(default=0.02, ge=0, lt=1)
    threads: int = Field(default=1, ge=1, le=1024)


class SLAYERExperiment(Experiment):
    """A configuration file with algorithm = "slayer": lava-dl's surrogate gradients, to compare with."""

    resumable: ClassVar[tuple[str, ...]] = (*Experiment.resumable, "learning.threads")

    algorithm: Literal["slayer"]
    target: str = "slayer"
    data: Annotated[EventDataConfig, AsSection()]
    encoding: Annotated[EncodingConfig, AsSection()]
    network: SLAYERNetworkConfig
    neuron: SLAYERNeuronConfig = SLAYERNeuronConfig()
    learning: SLAYERLearningConfig = SLAYERLearningConfig()

    @property
    def compared_by(self) -> str:
        """See `Experiment`."""
        return "accuracy_ties_right"

    def check_learned(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """See `Experiment`: PyTorch's real numbers."""
        check_types(weights, [f"W{k}" for k in range(1, len(self.network.hidden) + 2)], np.float32)
