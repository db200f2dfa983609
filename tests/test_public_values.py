"""Every public constructor and function, with junk for every argument, one at a time: a LavaNBPError, and nothing else.

`GOOD` has values for every public name with which it works. A new public name without an entry, or without a reason in
`EXEMPT`, fails `test_every_public_name_has_an_entry`.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import lava_nbp
from lava_nbp import data, eventprop, processes
from lava_nbp.base.checks import shown
from lava_nbp.base.content import parse_toml
from lava_nbp.data import DataOptions, Encoding, Events, EventSplit, Labelled, LatencySplit, Split
from lava_nbp.errors import LavaNBPError
from lava_nbp.eventprop import ClockedEngine, FixedPoint, LayerSpikes, NeuronParameters, Setup, TTFSLoss
from lava_nbp.loihi.boards import LOIHI1
from lava_nbp.loihi.plan import make_plan
from lava_nbp.nbp.form import sample_form
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.statistics import summary
from lava_nbp.runs.studies.study import make_study
from lava_nbp.training.complexity import CountedSynapses

ROOT = Path(__file__).parents[1]
CIRCUIT = lava_nbp.training_circuit(4, 3, 2)
WEIGHTS = {"W1": np.full((4, 3), 254), "W2": np.full((3, 2), 100)}
X, T = np.eye(4, dtype=np.uint8)[:2], np.eye(2, dtype=np.uint8)
C = FixedPoint(NeuronParameters(), dt=1, end=3)
CHIP = FixedPoint(NeuronParameters(), dt=1, end=3, neuron="loihi")
ENGINE = ClockedEngine([np.ones((2, 2))], Setup(CHIP, TTFSLoss()))
LOWERED = lava_nbp.lower_eventprop(ENGINE)
BOARD = lava_nbp.BOARDS["loihi1"]
PLAN = make_plan(CIRCUIT, "loihi1")
SPLIT, LATENCY = Split(X, [0, 1]), LatencySplit(np.eye(2), [0, 1], Encoding(0.0, 1.0))
SPIKES = [LayerSpikes(np.array([1.0]), np.array([0]), np.array([0.5]))] * 3
EVENTS = EventSplit(Events([0.0, 1.5, 0.3], [0, 1, 1], [0, 2, 3], 2), [0, 1])


class Recorded:
    """As a data set of tonic is."""

    sensor_size = (4, 3, 2)

    def __len__(self):
        return 1

    def __getitem__(self, k):
        return np.array([(5, 1, 2, 0)], [(name, np.int64) for name in "txyp"]), 0


HISTORY = [{"epoch": 1, "test_accuracy": 0.5}]
REPORT = {"rows": [{"kind": "dead", "rate": 0.1, "before": 0.2, "after": 0.3}], "without": 0.9, "epochs": 1}
REGISTERS = {"name": "s", "size": 2, "vth": 1024, "bias_mant": 0, "bias_exp": 0, "refractory": 1}
#: Of data that are not there: nothing is trained.
CONFIG = lava_nbp.load_config(
    ROOT / "run_configs" / "digits.toml",
    ("data.name=mnist", "data.root=no-such-folder", "data.validation=10"),
)
#: Of trials that nobody has run; and what two seeds might have said.
_DIGITS = parse_toml((ROOT / "run_configs" / "digits.toml").read_text())
STUDY = StudyFolder(Path("no such folder"), make_study("x", _DIGITS, vary={"seed": [1]}))
CONDITION = summary([{"seed": 1, "accuracy": 0.5}, {"seed": 2, "accuracy": 0.7}], "accuracy", {})
IMAGES = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
#: Where a file could be written: nothing may be, so it is a folder that is not there.
NOWHERE = "no such folder/file"

JUNK = (
    None, "x", "", b"x", 3.5, float("nan"), float("inf"), -1, 2**70, True, [], [[1], [1, 2]], {}, {"x": None}, object(),
    np.array(np.nan), np.array([np.nan, 1.0]), np.eye(2), 1j, lambda *_: None, 10**5000, "\0", "x" * 100_000,
)  # fmt: skip
#: Pictures are drawn before they are written: some are enough.
_PATHS = (None, b"x", 3.5, "", "\0", "x" * 100_000)


def raises(*_, **__):
    raise AssertionError("called")


#: Arguments that work, by name; what is not said has a default, and gets junk all the same.
GOOD = {
    # values
    "lava_nbp.Activity": {"steps": 1, "input": 0.5, "groups": {"a": 0.5}},
    "lava_nbp.Algorithm": {"name": "mine", "summary": "", "config": "a:b", "learner": "a:b"},
    "lava_nbp.Board": {"name": "mine", "chip": LOIHI1, "chips": 1, "source": "me"},
    "lava_nbp.Bundle": {
        "name": "W1", "pre": "", "post": "a", "senders": range(2), "to_all": True, "plastic": False, "delayed": False,
        "shape": (2, 3),
    },
    "lava_nbp.Capacity": {"value": 1, "source": "me"},
    "lava_nbp.Chip": {f: getattr(LOIHI1, f) for f in inspect.signature(type(LOIHI1)).parameters},
    "lava_nbp.Circuit": {f: getattr(CIRCUIT, f) for f in inspect.signature(type(CIRCUIT)).parameters},
    "lava_nbp.CircuitKind": {"name": "mine", "make": raises},
    "lava_nbp.Connection": {"pre": "a", "post": "b", "role": "relay", "weight": 520},
    "lava_nbp.Costs": {},
    "lava_nbp.DataSet": {"name": "mine", "load": raises},
    "lava_nbp.Decay": {},
    "lava_nbp.Demand": {f: getattr(PLAN.demand, f) for f in inspect.signature(type(PLAN.demand)).parameters},
    "lava_nbp.DenseProjection": {"name": "p", "pre": "a", "post": "b", "matrix": "W"},
    "lava_nbp.Faults": {},
    "lava_nbp.Finding": {"name": "x", "state": "ok", "found": "y"},
    "lava_nbp.Inference": {"classes": np.array([0, 1]), "right": np.array([True, False])},
    "lava_nbp.Lowered": {f: getattr(PLAN.lowered, f) for f in inspect.signature(type(PLAN.lowered)).parameters},
    "lava_nbp.LoweredEventProp": {f: getattr(LOWERED, f) for f in ("n_in", "groups", "matrices", "steps")},
    "lava_nbp.Mask": {"runs": ((0, 0, 1),)},
    "lava_nbp.Matrix": {"name": "W", "shape": (4, 3)},
    "lava_nbp.MatrixRegisters": {
        "name": "W1", "pre": "a", "post": "b", "mantissas": np.array([[2, -4]]), "exponent": 1,
    },
    "lava_nbp.Measurement": {"circuit": "a:b", "layers": (1, 1), "milliseconds": 1.0, "millijoules": 1.0},
    "lava_nbp.MemoryFormat": {},
    "lava_nbp.Outcome": {"spikes": X, "membrane": X.astype(np.int32)},
    "lava_nbp.Plan": {"lowered": PLAN.lowered, "board": BOARD, "placement_name": "p", "placement": PLAN.placement},
    "lava_nbp.Population": {"name": "a", "size": 1, "phases": (1,)},
    "lava_nbp.Ramp": {},
    "lava_nbp.Registry": {"what": "thing", "of": int},
    "lava_nbp.SampleForm": {
        f: getattr(sample_form(CIRCUIT), f) for f in ("circuit", "signals", "sizes", "fires", "updates", "closed")
    },
    "lava_nbp.Drawing": {"draw": raises, "caption": "x"},
    "lava_nbp.Section": {"id": "x", "title": "X"},
    "lava_nbp.Source": {"name": "x", "population": "a", "phase": 2},
    "lava_nbp.Table": {"rows": [(1, 2)]},
    "lava_nbp.Target": {"name": "mine", "summary": "x"},
    "lava_nbp.ThreeFactorRule": {},
    "lava_nbp.Work": {},
    "lava_nbp.data.DataOptions": {},
    "lava_nbp.data.Dataset": {
        "name": "mine", "source": "file", "train": SPLIT, "validation": SPLIT, "test": SPLIT, "classes": ("a", "b"),
        "image_shape": (1, 4),
    },
    "lava_nbp.data.EventAugmentation": {},
    "lava_nbp.data.EventDataset": {
        "name": "mine", "source": "file", "train": EVENTS, "validation": EVENTS, "test": EVENTS, "classes": ("a", "b"),
    },
    "lava_nbp.data.EventSamples": {"train": EVENTS, "test": EVENTS, "classes": ("a", "b")},
    "lava_nbp.data.EventSplit": {"events": EVENTS.events, "y": [0, 1]},
    "lava_nbp.data.Events": {"times": [0.0, 1.5, 0.3], "units": [0, 1, 1], "offsets": [0, 2, 3], "n_units": 2},
    "lava_nbp.data.Labelled": {"x": np.eye(2), "y": [0, 1]},
    "lava_nbp.data.LatencyDataset": {
        "name": "mine", "source": "file", "train": LATENCY, "validation": LATENCY, "test": LATENCY,
        "classes": ("a", "b"),
    },
    "lava_nbp.data.LatencySplit": {"values": np.eye(2), "y": [0, 1], "encoding": Encoding(0.0, 1.0)},
    "lava_nbp.data.Samples": {
        "train": Labelled(np.eye(2), [0, 1]), "test": Labelled(np.eye(2), [0, 1]), "classes": ("a", "b"),
    },
    "lava_nbp.data.Split": {"x": X, "y": [0, 1]},
    "lava_nbp.eventprop.NeuronParameters": {},
    "lava_nbp.loihi.estimate.Calibration": {"t0": 1.0, "kt": 1.0, "ke": 1.0, "kl": 1.0},
    "lava_nbp.loihi.host.BoardAddress": {"board": "x"},
    "lava_nbp.loihi.host.SlurmNode": {"name": "x", "partition": "y", "up": True},
    "lava_nbp.loihi.registers.NeuronRegisters": REGISTERS,
    "lava_nbp.loihi.registers.SynapseRegisters": {
        "name": "s", "pre": "a", "post": "b", "n_pre": 2, "n_post": 2, "pattern": "one-to-one", "mantissas": (1,),
        "exponent": 0,
    },
    "lava_nbp.loihi.resources.Slice": {"core": 0, "first": 0, "size": 1},
    "lava_nbp.training.complexity.CountedSynapses": {"weights": np.eye(2), "spikes": np.array([1, 2])},
    "lava_nbp.training.nbp.player.Shown": {"index": 0, "label": 0, "answer": 0, "spikes": (X, T), "right": True},
    "lava_nbp.nbp.gated_group.Readout": {"population": "s", "entry": 0},
    # functions
    "lava_nbp.compare_conditions": {"first": CONDITION, "second": CONDITION},
    "lava_nbp.compare_runs": {"folders": [NOWHERE]},
    "lava_nbp.compare_studies": {"first": STUDY, "second": STUDY},
    "lava_nbp.conditions": {"folder": STUDY},
    "lava_nbp.core_map": {"plan": PLAN, "path": NOWHERE},
    "lava_nbp.cures": {"plan": PLAN},
    "lava_nbp.evaluate_run": {"folder": NOWHERE},
    "lava_nbp.export_run": {"folder": NOWHERE, "form": "nir"},
    "lava_nbp.inference_circuit": {"n_in": 1, "n_hidden": 1, "n_out": 1},
    "lava_nbp.initial_weights": {"network": CIRCUIT, "rng": np.random.default_rng(0)},
    "lava_nbp.load_checkpoint": {"folder": NOWHERE},
    "lava_nbp.load_run": {"folder": NOWHERE},
    "lava_nbp.load_study": {"path": NOWHERE},
    "lava_nbp.load_study_file": {"path": ROOT / "studies" / "digits.toml"},
    "lava_nbp.lower_eventprop": {"engine": ENGINE},
    "lava_nbp.lower": {"circuit": CIRCUIT.in_chip_order()},
    "lava_nbp.make_circuit": {"name": "nbp", "layers": (4, 3, 2)},
    "lava_nbp.make_executor": {"target": "reference", "circuit": CIRCUIT, "weights": WEIGHTS},
    "lava_nbp.make_learner": {"config": CONFIG},
    "lava_nbp.make_plan": {"circuit": CIRCUIT, "board": "loihi1"},
    "lava_nbp.make_study": {"name": "x", "base": STUDY.study.trials[0].content, "vary": {"seed": [1]}},
    "lava_nbp.one_hot": {"labels": [0, 1], "n_classes": 2},
    "lava_nbp.plot_run": {"folder": NOWHERE},
    "lava_nbp.raster": {
        "circuit": CIRCUIT, "path": NOWHERE, "spikes": {p.name: np.ones((3, p.size)) for p in CIRCUIT.populations},
    },
    "lava_nbp.run_config": {"name_or_path": "lava"},
    "lava_nbp.sample_form": {"circuit": CIRCUIT},
    "lava_nbp.spike_raster": {"spikes": {"s": np.ones((3, 2))}, "path": NOWHERE},
    "lava_nbp.sweep_run": {
        "folder": NOWHERE, "kinds": ["dead"], "rates": [0.1], "epochs": 1, "target": None,
        "progress": lava_nbp.Progress(),
    },
    "lava_nbp.targets_of": {"kind": "nbp"},
    "lava_nbp.write_study_page": {"folder": NOWHERE},
    "lava_nbp.trace": {"target": "reference", "circuit": CIRCUIT, "weights": WEIGHTS, "spikes": (X, T)},
    "lava_nbp.train": {"config": CONFIG, "folder": NOWHERE},
    "lava_nbp.training_circuit": {"n_in": 1, "n_hidden": 1, "n_out": 1},
    "lava_nbp.write_report": {"folder": NOWHERE},
    "lava_nbp.data.data_sets_of": {},
    "lava_nbp.data.find_data_set": {"name": "digits"},
    "lava_nbp.data.from_tonic": {"train": Recorded(), "test": Recorded()},
    "lava_nbp.data.generate_yinyang": {"n": 3, "rng": np.random.default_rng(0)},
    "lava_nbp.data.input_and_classes": {"name": "digits", "options": DataOptions()},
    "lava_nbp.data.load_dataset": {"name": "nothing"},
    "lava_nbp.data.load_event_dataset": {"name": "nothing"},
    "lava_nbp.data.load_latency_dataset": {"name": "nothing", "encoding": Encoding(0.0, 1.0)},
    "lava_nbp.data.load_yinyang": {"root": NOWHERE},
    "lava_nbp.data.yinyang_classes": {"points": np.full((1, 2), 0.5)},
    "lava_nbp.loihi.plan.largest_hidden": {"circuit": CIRCUIT, "board": BOARD},
    "lava_nbp.loihi.plan.place": {"lowered": PLAN.lowered, "board": BOARD},
    "lava_nbp.loihi.plan.with_hidden": {"circuit": CIRCUIT, "n": 2},
    "lava_nbp.seeing.eventprop_plot.adjoint_raster": {
        "layers": SPIKES, "sizes": [1, 1, 2], "end": 3.0, "path": NOWHERE,
    },
    "lava_nbp.seeing.eventprop_plot.output_voltages": {
        "layers": SPIKES, "sizes": [1, 1, 2], "times": [1.0, 2.0], "voltages": np.ones((2, 2)), "said": [1.0, 2.0],
        "label": 0, "classes": ["a", "b"], "path": NOWHERE,
    },
    "lava_nbp.seeing.eventprop_plot.class_map": {"points": np.full((1, 2), 0.5), "answers": [0], "path": NOWHERE},
    "lava_nbp.seeing.eventprop_plot.before_and_after": {
        "before": {"a": np.ones(2)}, "after": {"a": np.ones(2)}, "path": NOWHERE,
    },
    "lava_nbp.seeing.eventprop_plot.clocked_error": {"errors": {"a": [(1.0, 1.0, 1.0)]}, "path": NOWHERE},
    "lava_nbp.seeing.eventprop_plot.gradient_check": {"found": [1.0], "expected": [1.0], "path": NOWHERE},
    "lava_nbp.seeing.events_plot.changed_events": {
        "before": EVENTS.events, "after": EVENTS.events, "samples": [0, 1], "path": NOWHERE,
    },
    "lava_nbp.seeing.events_plot.event_counts": {"splits": {"a": EVENTS}, "classes": ["a", "b"], "path": NOWHERE},
    "lava_nbp.seeing.events_plot.neuron_rates": {"layers": {"a": [1, 2]}, "samples": 2, "path": NOWHERE},
    "lava_nbp.seeing.events_plot.recordings": {"split": EVENTS, "classes": ["a", "b"], "path": NOWHERE},
    "lava_nbp.seeing.plot.confusion_matrix": {"answers": [0], "labels": [1], "classes": ["a", "b"], "path": NOWHERE},
    "lava_nbp.seeing.plot.fault_curves": {"report": REPORT, "path": NOWHERE},
    "lava_nbp.seeing.plot.learning_curve": {"history": HISTORY, "curves": {"test_accuracy": "x"}, "path": NOWHERE},
    "lava_nbp.seeing.plot.weight_histograms": {"weights": WEIGHTS, "path": NOWHERE},
    "lava_nbp.seeing.plot.weight_images": {"images": np.ones((2, 3, 3)), "path": NOWHERE},
    "lava_nbp.training.complexity.complexity": {
        "synapses": [CountedSynapses(np.eye(2), np.array([1, 2]))], "spikes": [np.array([1, 2])], "samples": 1,
        "steps": 1, "weight_bytes": 1,
    },
    "lava_nbp.training.nbp.player.player_data": {
        "circuit": CIRCUIT, "weights": WEIGHTS, "samples": [], "classes": ["a", "b"],
    },
    "lava_nbp.training.run.load_result": {"folder": NOWHERE},
    "lava_nbp.training.sections.embedded": {"path": NOWHERE, "caption": "x"},
    "lava_nbp.training.start.read_layers": {"path": NOWHERE},
    # EventProp
    "lava_nbp.eventprop.Adam": {"matrices": [np.zeros((2, 2))]},
    "lava_nbp.eventprop.ClockedEngine": {
        "weights": [np.ones((2, 2))], "setup": Setup(C, TTFSLoss()), "delays": [[1, 2]], "delay_rate": 1.0,
    },
    "lava_nbp.eventprop.Control": {},
    "lava_nbp.eventprop.EventPropEngine": {
        "weights": [np.ones((2, 2))], "p": NeuronParameters(), "loss": TTFSLoss(), "end": 5.0,
    },
    "lava_nbp.eventprop.EventPropLayer": {"sizes": (2, 2), "end": 5.0, "means": (1.0,), "deviations": (0.1,)},
    "lava_nbp.eventprop.FixedPoint": {"p": NeuronParameters(), "dt": 1.0, "end": 3.0},
    "lava_nbp.eventprop.IntegerOptimizer": {
        "name": "adam", "masters": np.zeros((2, 2), np.int64), "limits": (-100, 100), "unit": 1.0,
    },
    "lava_nbp.eventprop.LearnedDelays": {"steps": [[1, 2]], "optimizer": "adam", "c": C, "rate": 1.0},
    "lava_nbp.eventprop.MaxVoltageLoss": {},
    "lava_nbp.eventprop.MeanVoltageLoss": {},
    "lava_nbp.eventprop.VoltageErrorLoss": {"times": (1.0, 2.0)},
    "lava_nbp.eventprop.spike_times": {"spikes": torch.zeros(2, 1, 1)},
    "lava_nbp.eventprop.SGD": {"matrices": [np.zeros((2, 2))]},
    "lava_nbp.eventprop.Setup": {"c": C, "loss": TTFSLoss()},
    "lava_nbp.eventprop.SilentPolicy": {},
    "lava_nbp.eventprop.TTFSLoss": {},
    "lava_nbp.eventprop.join_trains": {"parts": []},
    "lava_nbp.eventprop.latency_trains": {"times": [[1.0, 2.0]], "end": 5.0},
    "lava_nbp.eventprop.spike_trains": {"samples": [([1.0], [0])], "n_in": 2, "end": 5.0},
    # encodings, files, configurations
    "lava_nbp.data.Encoding": {"early": 0.0, "late": 1.0},
    "lava_nbp.data.binarise": {"images": IMAGES, "threshold": 0.5, "full_scale": 255.0},
    "lava_nbp.data.crop": {"images": IMAGES, "pixels": 1},
    "lava_nbp.data.down_sample": {"images": IMAGES, "side": 2},
    "lava_nbp.data.pixel_latency": {"images": IMAGES, "early": 0.0, "late": 1.0},
    "lava_nbp.data.step_spikes": {"times": [[1.0, 2.0]], "dt": 1.0, "steps": 4},
    "lava_nbp.data.value_latency": {"values": [[0.1, 0.2]], "early": 0.0, "late": 1.0},
    "lava_nbp.DataConfig": {"name": "digits"},
    "lava_nbp.EncodingConfig": {"late": 1.0, "end": 2.0},
    "lava_nbp.EventDataConfig": {"name": "yinyang"},
    "lava_nbp.DenseNetwork": {
        "weights": ([[1.0]],), "theta": 1.0, "alpha": 0.5, "beta": 0.5, "gamma": 1.0, "dt": 1.0,
    },
    "lava_nbp.load_circuit": {"path": NOWHERE},
    "lava_nbp.save_circuit": {"circuit": CIRCUIT, "path": f"{NOWHERE}.json"},
    "lava_nbp.load_config": {"path": ROOT / "run_configs" / "digits.toml"},
    "lava_nbp.trace_file": {"inputs": NOWHERE, "target": "reference", "out": NOWHERE, "circuit": "nbp"},
    # Processes and what they are made of
    "lava_nbp.processes.ErrorNeurons": {"shape": (2,)},
    "lava_nbp.processes.EventPropInference": {"lowered": LOWERED},
    "lava_nbp.processes.EventPropInput": {"n": 2, "c": C},
    "lava_nbp.processes.EventPropLIF": {"n": 2, "c": C},
    "lava_nbp.processes.EventPropNetwork": {
        "weights": [[[9.0, 9.0]], [[8.0, 2.0], [2.0, 9.0]]], "setup": Setup(C, TTFSLoss()), "delays": [[1], [0, 2]],
        "delay_rate": 1.0,
    },
    "lava_nbp.processes.EventPropReadout": {"n": 2, "c": C},
    "lava_nbp.processes.EventPropTTFS": {"n": 2, "c": C},
    "lava_nbp.processes.Gate": {"entry": 0},
    "lava_nbp.processes.GatedLIF": {"shape": (2,)},
    "lava_nbp.processes.HebbianDense": {"weights": np.zeros((2, 1), int)},
    "lava_nbp.processes.SpikeSource": {"n_in": 2, "n_classes": 2, "c": C, "capacity": 2},
    "lava_nbp.processes.Mirror": {"name": "m"},
    "lava_nbp.processes.MirroredDense": {"weights": [[1.0, -0.5]], "c": C, "delays": [1], "delay_rate": 1.0},
    "lava_nbp.processes.NBPNetwork": {"circuit": CIRCUIT, "weights": WEIGHTS},
    "lava_nbp.processes.Neurons": {"name": "s"},
    "lava_nbp.processes.PlasticLIF": {"shape": (2,), "vth": 1024},
    "lava_nbp.processes.RelayMemory": {"shape": (2,)},
    "lava_nbp.processes.SampleSink": {"circuit": CIRCUIT, "capacity": 2},
    "lava_nbp.processes.SampleSource": {"circuit": CIRCUIT, "capacity": 2},
    "lava_nbp.processes.SpikeRaster": {"populations": {"s": (2,)}},
    "lava_nbp.processes.SurrogateReLU": {"shape": (2,)},
    "lava_nbp.processes.Synapses": {"pre": "s_in", "post": "s"},
    "lava_nbp.processes.SynfireChain": {"n": 2},
}  # fmt: skip

EXEMPT = {
    **dict.fromkeys(("lava_nbp.Executor", "lava_nbp.Learner", "lava_nbp.Session"), "is abstract"),
    **dict.fromkeys(
        ("lava_nbp.Progress", "lava_nbp.StudyProgress", "lava_nbp.examine", "lava_nbp.AsSection"), "takes nothing"
    ),
    "lava_nbp.importances": "is asked of a search that was run, see tests/runs/studies/test_search.py",
    "lava_nbp.run_study": "starts processes, see tests/runs/studies/test_workers.py",
    **{
        f"lava_nbp.{name}": "is what studies hand out"
        for name in ("Comparison", "Condition", "Study", "StudyFolder", "Trial")
    },
    **dict.fromkeys(
        ("lava_nbp.ConfigSection", "lava_nbp.Experiment"), "is pydantic's, see tests/training/test_config.py"
    ),
    "lava_nbp.LavaRuntime": "starts Lava, see tests/on_lava/test_runtime.py",
    "lava_nbp.Checkpoint": "is checked when it is saved, see tests/training/test_checkpoint.py",
    "lava_nbp.Plannable": "is what lowered networks are, see tests/loihi/test_demand.py",
    "lava_nbp.Run": "is made by load_run, of a checkpoint that was checked",
    **{
        f"lava_nbp.eventprop.{name}": "is what an engine hands out"
        for name in ("AnswerLog", "Counts", "LayerSeen", "LayerSpikes", "Result", "Optimizer")
    },
    "lava_nbp.eventprop.SpikeTrains": "is checked by whoever takes it, see tests/eventprop/test_trains_check.py",
}


def public_names():
    """Constructors and functions that README, pages and tutorials use; errors are none, and tables are values.

    Not while tests are collected: to look at them all imports PyTorch, which makes every fork of a worker slower.
    """
    found = {}
    for package in (processes, eventprop, data, lava_nbp):
        for name in package.__all__:
            value = getattr(package, name)
            ours = callable(value) and str(getattr(value, "__module__", "")).startswith("lava_nbp.")
            if ours and not (inspect.isclass(value) and issubclass(value, LavaNBPError)):
                found[f"{package.__name__}.{name}"] = value
    return found


def test_every_public_name_has_an_entry():
    public = public_names()
    same = {value for name, value in public.items() if name in GOOD or name in EXEMPT}
    missing = [name for name, value in public.items() if value not in same]
    assert not missing, f"give {missing} an entry in GOOD, or a reason in EXEMPT"
    assert not GOOD.keys() & EXEMPT.keys()


def _find(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _parameters(value):
    return inspect.signature(
        value.__init__ if hasattr(value, "proc_params") or _is_process(value) else value
    ).parameters


def _is_process(value):
    return inspect.isclass(value) and value.__module__.startswith("lava_nbp.processes.")


def _call(value, good, name, junk):
    arguments = {**good, name: junk}
    kinds = {p.name: p.kind for p in _parameters(value).values()}
    several = [n for n, kind in kinds.items() if kind is inspect.Parameter.VAR_POSITIONAL]
    if not several:
        return value(**arguments)
    (rest,) = several
    spikes = arguments.pop(rest, ())
    first = [arguments.pop(n) for n, kind in kinds.items() if kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return value(*first, *(spikes if isinstance(spikes, tuple) else (spikes,)), **arguments)


@pytest.fixture(autouse=True, scope="module")
def _elsewhere(tmp_path_factory):
    """Text that is a path names something in an empty folder; nothing may be left there."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("here")
        patch.chdir(folder)
        patch.setattr(Figure, "savefig", lambda *_, **__: None)  # what is drawn is not the question here
        yield
        assert not [*folder.iterdir()]


@pytest.mark.parametrize("path", GOOD)
def test_junk_is_one_clear_error(path):
    value, wrong = _find(path), []
    for name, parameter in _parameters(value).items():
        if name in ("self", "stage", "allocate") or parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        for junk in _PATHS if name == "path" else JUNK:
            try:
                _call(value, GOOD[path], name, junk)
            except LavaNBPError as error:
                if len(str(error)) > 1500 or "\n" in str(error) or "np." in str(error):
                    wrong.append(f"{name}={shown(junk)}: {len(str(error))} characters, several lines, or a NumPy type")
            except Exception as error:
                wrong.append(f"{name}={shown(junk)}: {type(error).__name__}: {error!s:.100}")
    assert not wrong, "\n".join(wrong)
