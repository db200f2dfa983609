"""EventProp: exact gradients of spiking networks, event by event (Wunderlich & Pehle 2021), without Lava.

Every public name is here, and imported when it is first used: this package alone costs nothing.

- Neurons, losses, policies: `NeuronParameters`, `TTFSLoss`, `MaxVoltageLoss`, `MeanVoltageLoss`,
  `VoltageErrorLoss`, `SilentPolicy`.
- What goes in and comes out: `SpikeTrains` (made by `spike_trains`, `latency_trains`, `join_trains`), `Result`,
  `LayerSpikes`.
- In continuous time: `EventPropEngine`, its optimizers `Adam` and `SGD`, and `EventPropLayer` for PyTorch, with
  `spike_times` of the spikes that other libraries' encoders make.
- In fixed steps and integers: `ClockedEngine`, whose `Setup` holds a `FixedPoint`, and perhaps a `Ladder`;
  `Control` and `AnswerLog` are what its Lava Processes share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_nbp.base.lazy import attach

if TYPE_CHECKING:  # what the table below says, for type checkers and editors
    from lava_nbp.eventprop.clocked.arithmetic import FixedPoint as FixedPoint
    from lava_nbp.eventprop.clocked.delays import LearnedDelays as LearnedDelays
    from lava_nbp.eventprop.clocked.engine import ClockedEngine as ClockedEngine
    from lava_nbp.eventprop.clocked.engine import LayerSeen as LayerSeen
    from lava_nbp.eventprop.clocked.ladder import Ladder as Ladder
    from lava_nbp.eventprop.clocked.optimizers import IntegerOptimizer as IntegerOptimizer
    from lava_nbp.eventprop.clocked.setup import AnswerLog as AnswerLog
    from lava_nbp.eventprop.clocked.setup import Control as Control
    from lava_nbp.eventprop.clocked.setup import Setup as Setup
    from lava_nbp.eventprop.continuous.engine import EventPropEngine as EventPropEngine
    from lava_nbp.eventprop.continuous.optimizers import SGD as SGD
    from lava_nbp.eventprop.continuous.optimizers import Adam as Adam
    from lava_nbp.eventprop.continuous.optimizers import Optimizer as Optimizer
    from lava_nbp.eventprop.equations import NeuronParameters as NeuronParameters
    from lava_nbp.eventprop.losses import Loss as Loss
    from lava_nbp.eventprop.losses import MaxVoltageLoss as MaxVoltageLoss
    from lava_nbp.eventprop.losses import MeanVoltageLoss as MeanVoltageLoss
    from lava_nbp.eventprop.losses import TTFSLoss as TTFSLoss
    from lava_nbp.eventprop.losses import VoltageErrorLoss as VoltageErrorLoss
    from lava_nbp.eventprop.policies import OPTIMIZERS as OPTIMIZERS
    from lava_nbp.eventprop.policies import SILENT_POLICIES as SILENT_POLICIES
    from lava_nbp.eventprop.policies import SilentPolicy as SilentPolicy
    from lava_nbp.eventprop.result import LayerSpikes as LayerSpikes
    from lava_nbp.eventprop.result import Result as Result
    from lava_nbp.eventprop.tally import Counts as Counts
    from lava_nbp.eventprop.torch_layer import EventPropLayer as EventPropLayer
    from lava_nbp.eventprop.torch_layer import spike_times as spike_times
    from lava_nbp.eventprop.trains import SpikeTrains as SpikeTrains
    from lava_nbp.eventprop.trains import join_trains as join_trains
    from lava_nbp.eventprop.trains import latency_trains as latency_trains
    from lava_nbp.eventprop.trains import spike_trains as spike_trains

#: Where every public name is, by module.
_PUBLIC = {
    "clocked.arithmetic": ("FixedPoint",),
    "clocked.delays": ("LearnedDelays",),
    "clocked.engine": ("ClockedEngine", "LayerSeen"),
    "clocked.ladder": ("Ladder",),
    "clocked.optimizers": ("IntegerOptimizer",),
    "clocked.setup": ("AnswerLog", "Control", "Setup"),
    "continuous.engine": ("EventPropEngine",),
    "continuous.optimizers": ("SGD", "Adam", "Optimizer"),
    "equations": ("NeuronParameters",),
    "losses": ("Loss", "MaxVoltageLoss", "MeanVoltageLoss", "TTFSLoss", "VoltageErrorLoss"),
    "policies": ("OPTIMIZERS", "SILENT_POLICIES", "SilentPolicy"),
    "result": ("LayerSpikes", "Result"),
    "tally": ("Counts",),
    "torch_layer": ("EventPropLayer", "spike_times"),
    "trains": ("SpikeTrains", "join_trains", "latency_trains", "spike_trains"),
}

__getattr__, __dir__, __all__ = attach(__name__, _PUBLIC)
