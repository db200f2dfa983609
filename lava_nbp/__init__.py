"""nBP and EventProp for Lava and Loihi: exact gradients carried by spikes, learned on the chip.

A circuit is data (`training_circuit`, `inference_circuit`, or a `Circuit` of one's own); executors derived from it
(`make_executor`) give the same spikes and weights. The Lava Processes, the whole circuit and its parts, are in
`lava_nbp.processes`; `run_config` chooses their models. Data sets are in `lava_nbp.data`, EventProp's engines in
`lava_nbp.eventprop`.

Every other public name is here, and imported when it is first used: this package alone costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what the table below says, for type checkers and editors
    from lava_nbp.base.progress import Stage as Stage
    from lava_nbp.base.registry import Registry as Registry
    from lava_nbp.base.targets import TARGETS as TARGETS
    from lava_nbp.base.targets import Target as Target
    from lava_nbp.cli.doctor import Finding as Finding
    from lava_nbp.cli.doctor import examine as examine
    from lava_nbp.errors import CheckpointError as CheckpointError
    from lava_nbp.errors import CircuitError as CircuitError
    from lava_nbp.errors import ConfigError as ConfigError
    from lava_nbp.errors import DataError as DataError
    from lava_nbp.errors import InputError as InputError
    from lava_nbp.errors import LavaNBPError as LavaNBPError
    from lava_nbp.errors import MirrorError as MirrorError
    from lava_nbp.errors import MissingLoihiError as MissingLoihiError
    from lava_nbp.errors import OutputError as OutputError
    from lava_nbp.errors import PortError as PortError
    from lava_nbp.errors import RuleError as RuleError
    from lava_nbp.errors import RuntimeFailure as RuntimeFailure
    from lava_nbp.errors import WeightError as WeightError
    from lava_nbp.executors.make import make_executor as make_executor
    from lava_nbp.executors.trace import trace as trace
    from lava_nbp.executors.trace import trace_file as trace_file
    from lava_nbp.loihi.lowering import lower as lower
    from lava_nbp.loihi.plan import cures as cures
    from lava_nbp.loihi.plan import make_plan as make_plan
    from lava_nbp.nbp.circuit import Circuit as Circuit
    from lava_nbp.nbp.circuit import inference_circuit as inference_circuit
    from lava_nbp.nbp.circuit import training_circuit as training_circuit
    from lava_nbp.nbp.executor import Executor as Executor
    from lava_nbp.nbp.executor import Outcome as Outcome
    from lava_nbp.nbp.executor import Work as Work
    from lava_nbp.nbp.executor import one_hot as one_hot
    from lava_nbp.nbp.faults import Faults as Faults
    from lava_nbp.nbp.rule import ThreeFactorRule as ThreeFactorRule
    from lava_nbp.nbp.weights import initial_weights as initial_weights
    from lava_nbp.on_lava.runtime import LavaRuntime as LavaRuntime
    from lava_nbp.runs.compare import compare_runs as compare_runs
    from lava_nbp.runs.export import export_run as export_run
    from lava_nbp.runs.figures import plot_run as plot_run
    from lava_nbp.runs.report.page import write_report as write_report
    from lava_nbp.runs.train import Progress as Progress
    from lava_nbp.runs.train import evaluate_run as evaluate_run
    from lava_nbp.runs.train import make_learner as make_learner
    from lava_nbp.runs.train import train as train
    from lava_nbp.seeing.plan import core_map as core_map
    from lava_nbp.seeing.plot import raster as raster
    from lava_nbp.seeing.plot import spike_raster as spike_raster
    from lava_nbp.training.checkpoint import Checkpoint as Checkpoint
    from lava_nbp.training.checkpoint import load_checkpoint as load_checkpoint
    from lava_nbp.training.config import load_config as load_config
    from lava_nbp.training.run_config import run_config as run_config

__version__ = "0.1.0"

#: Where every public name is, by module.
_PUBLIC = {
    "base.progress": ("Stage",),
    "base.registry": ("Registry",),
    "base.targets": ("TARGETS", "Target"),
    "cli.doctor": ("Finding", "examine"),
    "errors": (
        "CheckpointError", "CircuitError", "ConfigError", "DataError", "InputError", "LavaNBPError", "MirrorError",
        "MissingLoihiError", "OutputError", "PortError", "RuleError", "RuntimeFailure", "WeightError",
    ),
    "executors.make": ("make_executor",),
    "executors.trace": ("trace", "trace_file"),
    "loihi.lowering": ("lower",),
    "loihi.plan": ("cures", "make_plan"),
    "nbp.circuit": ("Circuit", "inference_circuit", "training_circuit"),
    "nbp.executor": ("Executor", "Outcome", "Work", "one_hot"),
    "nbp.faults": ("Faults",),
    "nbp.rule": ("ThreeFactorRule",),
    "nbp.weights": ("initial_weights",),
    "on_lava.runtime": ("LavaRuntime",),
    "runs.compare": ("compare_runs",),
    "runs.export": ("export_run",),
    "runs.figures": ("plot_run",),
    "runs.report.page": ("write_report",),
    "runs.train": ("Progress", "evaluate_run", "make_learner", "train"),
    "seeing.plan": ("core_map",),
    "seeing.plot": ("raster", "spike_raster"),
    "training.checkpoint": ("Checkpoint", "load_checkpoint"),
    "training.config": ("load_config",),
    "training.run_config": ("run_config",),
}  # fmt: skip
_MODULES = {name: f"{__name__}.{module}" for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
