"""nBP and EventProp for Lava and Loihi: exact gradients carried by spikes, learned on the chip.

The paper's circuit is data (`training_circuit`, `inference_circuit`); executors
derived from it (`make_executor`) give the same spikes and weights. The Lava
Processes, the whole circuit and its parts, are in `lava_nbp.processes`; `run_config`
chooses their models. EventProp's engines are in `lava_nbp.eventprop`.
"""

from lava_nbp.base.targets import TARGETS_HERE as TARGETS
from lava_nbp.errors import (
    CheckpointError,
    CircuitError,
    ConfigError,
    DataError,
    InputError,
    LavaNBPError,
    MirrorError,
    MissingLoihiError,
    OutputError,
    PortError,
    RuleError,
    RuntimeFailure,
    WeightError,
)
from lava_nbp.executors.make import make_executor
from lava_nbp.executors.run_config import run_config
from lava_nbp.nbp.circuit import Circuit, inference_circuit, training_circuit
from lava_nbp.nbp.executor import Executor, Outcome, Work, one_hot
from lava_nbp.nbp.rule import initial_weights

__version__ = "0.1.0"

__all__ = [
    "TARGETS",
    "CheckpointError",
    "Circuit",
    "CircuitError",
    "ConfigError",
    "DataError",
    "Executor",
    "InputError",
    "LavaNBPError",
    "MirrorError",
    "MissingLoihiError",
    "Outcome",
    "OutputError",
    "PortError",
    "RuleError",
    "RuntimeFailure",
    "WeightError",
    "Work",
    "inference_circuit",
    "initial_weights",
    "make_executor",
    "one_hot",
    "run_config",
    "training_circuit",
]
