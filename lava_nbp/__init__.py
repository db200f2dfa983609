"""nBP for Lava and Loihi: exact backpropagation carried by synfire-gated spikes, learned on the chip.

The paper's circuit is data (`training_circuit`, `inference_circuit`); executors
derived from it (`make_executor`) give the same spikes and weights. The Lava
Process is `lava_nbp.processes.NBPNetwork`.
"""

from lava_nbp.errors import (
    CheckpointError,
    CircuitError,
    ConfigError,
    DataError,
    InputError,
    LavaNBPError,
    OutputError,
    RuntimeFailure,
    WeightError,
)
from lava_nbp.nbp.circuit import Circuit, inference_circuit, training_circuit
from lava_nbp.nbp.executor import Executor, Outcome, Work, one_hot
from lava_nbp.nbp.rule import initial_weights
from lava_nbp.targets import TARGETS, make_executor

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
    "Outcome",
    "OutputError",
    "RuntimeFailure",
    "WeightError",
    "Work",
    "inference_circuit",
    "initial_weights",
    "make_executor",
    "one_hot",
    "training_circuit",
]
