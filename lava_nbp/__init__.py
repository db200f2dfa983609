"""nBP and EventProp for Lava and Loihi: exact gradients carried by spikes, learned on the chip.

A circuit is data (`training_circuit`, `inference_circuit`, or a `Circuit` of one's own); executors derived from it
(`make_executor`) give the same spikes and weights. The Lava Processes, the whole circuit and its parts, are in
`lava_nbp.processes`; `run_config` chooses their models. Data sets are in `lava_nbp.data`, EventProp's engines in
`lava_nbp.eventprop`.

Every other public name is here, and imported when it is first used: this package alone costs nothing. It repairs
Lava (see `lava_nbp.base.lava_repair`): import it before Lava.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_nbp.base.lava_repair import install as _repair_lava
from lava_nbp.base.lazy import attach

if TYPE_CHECKING:  # what the table below says, for type checkers and editors
    from lava_nbp.base.progress import Progress as Progress
    from lava_nbp.base.progress import Stage as Stage
    from lava_nbp.base.progress import StudyProgress as StudyProgress
    from lava_nbp.base.registry import Registry as Registry
    from lava_nbp.base.targets import TARGETS as TARGETS
    from lava_nbp.base.targets import Target as Target
    from lava_nbp.base.targets import targets_of as targets_of
    from lava_nbp.cli.doctor import Finding as Finding
    from lava_nbp.cli.doctor import examine as examine
    from lava_nbp.data.sets import DATA_SETS as DATA_SETS
    from lava_nbp.data.sets import DataSet as DataSet
    from lava_nbp.errors import CheckpointError as CheckpointError
    from lava_nbp.errors import CircuitError as CircuitError
    from lava_nbp.errors import ConfigError as ConfigError
    from lava_nbp.errors import DataError as DataError
    from lava_nbp.errors import InputError as InputError
    from lava_nbp.errors import LavaNBPError as LavaNBPError
    from lava_nbp.errors import MirrorError as MirrorError
    from lava_nbp.errors import MissingLoihiError as MissingLoihiError
    from lava_nbp.errors import MissingPackageError as MissingPackageError
    from lava_nbp.errors import OutputError as OutputError
    from lava_nbp.errors import PortError as PortError
    from lava_nbp.errors import RuleError as RuleError
    from lava_nbp.errors import RuntimeFailure as RuntimeFailure
    from lava_nbp.errors import WeightError as WeightError
    from lava_nbp.exchange.dense import DenseNetwork as DenseNetwork
    from lava_nbp.executors.make import make_executor as make_executor
    from lava_nbp.executors.trace import trace as trace
    from lava_nbp.executors.trace import trace_file as trace_file
    from lava_nbp.loihi.boards import BOARDS as BOARDS
    from lava_nbp.loihi.boards import Board as Board
    from lava_nbp.loihi.boards import Capacity as Capacity
    from lava_nbp.loihi.boards import Chip as Chip
    from lava_nbp.loihi.boards import Costs as Costs
    from lava_nbp.loihi.boards import Measurement as Measurement
    from lava_nbp.loihi.boards import MemoryFormat as MemoryFormat
    from lava_nbp.loihi.demand import Activity as Activity
    from lava_nbp.loihi.demand import Bundle as Bundle
    from lava_nbp.loihi.demand import Demand as Demand
    from lava_nbp.loihi.demand import Plannable as Plannable
    from lava_nbp.loihi.eventprop_lowering import LoweredEventProp as LoweredEventProp
    from lava_nbp.loihi.eventprop_lowering import MatrixRegisters as MatrixRegisters
    from lava_nbp.loihi.eventprop_lowering import lower_eventprop as lower_eventprop
    from lava_nbp.loihi.lowering import Lowered as Lowered
    from lava_nbp.loihi.lowering import lower as lower
    from lava_nbp.loihi.plan import Plan as Plan
    from lava_nbp.loihi.plan import cures as cures
    from lava_nbp.loihi.plan import make_plan as make_plan
    from lava_nbp.nbp.circuit import Circuit as Circuit
    from lava_nbp.nbp.circuit import Connection as Connection
    from lava_nbp.nbp.circuit import DenseProjection as DenseProjection
    from lava_nbp.nbp.circuit import Matrix as Matrix
    from lava_nbp.nbp.circuit import Population as Population
    from lava_nbp.nbp.circuit import Source as Source
    from lava_nbp.nbp.circuit_file import load_circuit as load_circuit
    from lava_nbp.nbp.circuit_file import save_circuit as save_circuit
    from lava_nbp.nbp.circuits import CIRCUITS as CIRCUITS
    from lava_nbp.nbp.circuits import CircuitKind as CircuitKind
    from lava_nbp.nbp.circuits import make_circuit as make_circuit
    from lava_nbp.nbp.draws import Decay as Decay
    from lava_nbp.nbp.executor import Executor as Executor
    from lava_nbp.nbp.executor import Outcome as Outcome
    from lava_nbp.nbp.executor import one_hot as one_hot
    from lava_nbp.nbp.faults import Faults as Faults
    from lava_nbp.nbp.form import SampleForm as SampleForm
    from lava_nbp.nbp.form import sample_form as sample_form
    from lava_nbp.nbp.levels import ANTI_RELAY as ANTI_RELAY
    from lava_nbp.nbp.levels import GATE as GATE
    from lava_nbp.nbp.levels import GATE_HIGH as GATE_HIGH
    from lava_nbp.nbp.levels import GATE_LOW as GATE_LOW
    from lava_nbp.nbp.levels import GATED_BIAS as GATED_BIAS
    from lava_nbp.nbp.levels import INHIBIT as INHIBIT
    from lava_nbp.nbp.levels import LINK as LINK
    from lava_nbp.nbp.levels import RELAY as RELAY
    from lava_nbp.nbp.levels import STRONG_INHIBIT as STRONG_INHIBIT
    from lava_nbp.nbp.levels import THRESHOLD as THRESHOLD
    from lava_nbp.nbp.mask import Mask as Mask
    from lava_nbp.nbp.paper import inference_circuit as inference_circuit
    from lava_nbp.nbp.paper import training_circuit as training_circuit
    from lava_nbp.nbp.ramp import Ramp as Ramp
    from lava_nbp.nbp.rule import ThreeFactorRule as ThreeFactorRule
    from lava_nbp.nbp.weights import initial_weights as initial_weights
    from lava_nbp.nbp.work import Work as Work
    from lava_nbp.on_lava.runtime import LavaRuntime as LavaRuntime
    from lava_nbp.runs.compare import compare_runs as compare_runs
    from lava_nbp.runs.evaluate import evaluate_run as evaluate_run
    from lava_nbp.runs.export import export_run as export_run
    from lava_nbp.runs.faults import sweep_run as sweep_run
    from lava_nbp.runs.figures import plot_run as plot_run
    from lava_nbp.runs.report.page import write_report as write_report
    from lava_nbp.runs.studies.folder import StudyFolder as StudyFolder
    from lava_nbp.runs.studies.folder import load_study as load_study
    from lava_nbp.runs.studies.optimise import importances as importances
    from lava_nbp.runs.studies.page import write_study_page as write_study_page
    from lava_nbp.runs.studies.run import run_study as run_study
    from lava_nbp.runs.studies.statistics import Comparison as Comparison
    from lava_nbp.runs.studies.statistics import Condition as Condition
    from lava_nbp.runs.studies.statistics import compare_conditions as compare_conditions
    from lava_nbp.runs.studies.statistics import compare_studies as compare_studies
    from lava_nbp.runs.studies.statistics import conditions as conditions
    from lava_nbp.runs.studies.study import Study as Study
    from lava_nbp.runs.studies.study import load_study_file as load_study_file
    from lava_nbp.runs.studies.study import make_study as make_study
    from lava_nbp.runs.studies.trial import Trial as Trial
    from lava_nbp.runs.train import train as train
    from lava_nbp.seeing.plan import core_map as core_map
    from lava_nbp.seeing.plot import raster as raster
    from lava_nbp.seeing.plot import spike_raster as spike_raster
    from lava_nbp.training.algorithms import ALGORITHMS as ALGORITHMS
    from lava_nbp.training.algorithms import Algorithm as Algorithm
    from lava_nbp.training.algorithms import make_learner as make_learner
    from lava_nbp.training.checkpoint import Checkpoint as Checkpoint
    from lava_nbp.training.checkpoint import load_checkpoint as load_checkpoint
    from lava_nbp.training.config import AsSection as AsSection
    from lava_nbp.training.config import ConfigSection as ConfigSection
    from lava_nbp.training.config import DataConfig as DataConfig
    from lava_nbp.training.config import EncodingConfig as EncodingConfig
    from lava_nbp.training.config import EventDataConfig as EventDataConfig
    from lava_nbp.training.config import Experiment as Experiment
    from lava_nbp.training.config import load_config as load_config
    from lava_nbp.training.learner import Inference as Inference
    from lava_nbp.training.learner import Learner as Learner
    from lava_nbp.training.learner import Session as Session
    from lava_nbp.training.run import Run as Run
    from lava_nbp.training.run import load_run as load_run
    from lava_nbp.training.run_config import run_config as run_config
    from lava_nbp.training.sections import Drawing as Drawing
    from lava_nbp.training.sections import Section as Section
    from lava_nbp.training.sections import Table as Table

__version__ = "0.1.0"

_repair_lava()

#: Where every public name is, by module.
_PUBLIC = {
    "base.progress": ("Progress", "Stage", "StudyProgress"),
    "base.registry": ("Registry",),
    "base.targets": ("TARGETS", "Target", "targets_of"),
    "cli.doctor": ("Finding", "examine"),
    "data.sets": ("DATA_SETS", "DataSet"),
    "errors": (
        "CheckpointError",
        "CircuitError",
        "ConfigError",
        "DataError",
        "InputError",
        "LavaNBPError",
        "MirrorError",
        "MissingLoihiError",
        "MissingPackageError",
        "OutputError",
        "PortError",
        "RuleError",
        "RuntimeFailure",
        "WeightError",
    ),
    "exchange.dense": ("DenseNetwork",),
    "executors.make": ("make_executor",),
    "executors.trace": ("trace", "trace_file"),
    "loihi.boards": ("BOARDS", "Board", "Capacity", "Chip", "Costs", "Measurement", "MemoryFormat"),
    "loihi.demand": ("Activity", "Bundle", "Demand", "Plannable"),
    "loihi.eventprop_lowering": ("LoweredEventProp", "MatrixRegisters", "lower_eventprop"),
    "loihi.lowering": ("Lowered", "lower"),
    "loihi.plan": ("Plan", "cures", "make_plan"),
    "nbp.circuit": ("Circuit", "Connection", "DenseProjection", "Matrix", "Population", "Source"),
    "nbp.circuit_file": ("load_circuit", "save_circuit"),
    "nbp.circuits": ("CIRCUITS", "CircuitKind", "make_circuit"),
    "nbp.draws": ("Decay",),
    "nbp.executor": ("Executor", "Outcome", "one_hot"),
    "nbp.faults": ("Faults",),
    "nbp.form": ("SampleForm", "sample_form"),
    "nbp.levels": (
        "ANTI_RELAY",
        "GATE",
        "GATE_HIGH",
        "GATE_LOW",
        "GATED_BIAS",
        "INHIBIT",
        "LINK",
        "RELAY",
        "STRONG_INHIBIT",
        "THRESHOLD",
    ),
    "nbp.mask": ("Mask",),
    "nbp.paper": ("inference_circuit", "training_circuit"),
    "nbp.ramp": ("Ramp",),
    "nbp.rule": ("ThreeFactorRule",),
    "nbp.weights": ("initial_weights",),
    "nbp.work": ("Work",),
    "on_lava.runtime": ("LavaRuntime",),
    "runs.compare": ("compare_runs",),
    "runs.evaluate": ("evaluate_run",),
    "runs.export": ("export_run",),
    "runs.faults": ("sweep_run",),
    "runs.figures": ("plot_run",),
    "runs.report.page": ("write_report",),
    "runs.train": ("train",),
    "seeing.plan": ("core_map",),
    "seeing.plot": ("raster", "spike_raster"),
    "runs.studies.folder": ("StudyFolder", "load_study"),
    "runs.studies.optimise": ("importances",),
    "runs.studies.page": ("write_study_page",),
    "runs.studies.run": ("run_study",),
    "runs.studies.statistics": ("Comparison", "Condition", "compare_conditions", "compare_studies", "conditions"),
    "runs.studies.study": ("Study", "load_study_file", "make_study"),
    "runs.studies.trial": ("Trial",),
    "training.algorithms": ("ALGORITHMS", "Algorithm", "make_learner"),
    "training.checkpoint": ("Checkpoint", "load_checkpoint"),
    "training.config": (
        "AsSection",
        "ConfigSection",
        "DataConfig",
        "EncodingConfig",
        "Experiment",
        "EventDataConfig",
        "load_config",
    ),
    "training.learner": ("Inference", "Learner", "Session"),
    "training.run": ("Run", "load_run"),
    "training.run_config": ("run_config",),
    "training.sections": ("Drawing", "Section", "Table"),
}

__getattr__, __dir__, __all__ = attach(__name__, _PUBLIC)
