"""Small experiments that several tests train, and what they have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from lava_nbp.base.progress import Progress
from lava_nbp.data.events import join_events
from lava_nbp.runs.train import train
from lava_nbp.training.checkpoint import load_checkpoint
from lava_nbp.training.config import Experiment, load_config
from lava_nbp.training.run import METRICS, RESULT, Run, load_run

#: EventProp on generated samples of Yin-Yang: a second or less.
YINYANG = """
algorithm = "eventprop"
epochs = 2
[data]
name = "yinyang"
source = "generated"
validation = 40
train = 200
test = 60
[encoding]
late = 30
bias = 0
end = 60
[network]
hidden = [20]
initial_mean = [2.0, 1.4]
initial_deviation = [0.78, 0.1]
[clocked]
largest_weight = [6, 6]
"""

#: nBP on a part of the digits: a second or less.
DIGITS = """
seed = 2
epochs = 3
[data]
name = "digits"
validation = 50
train = 200
test = 60
[network]
n_hidden = 20
"""

#: Largest voltages of EventProp on the pixels of the digits.
MAX_VOLTAGE = """
algorithm = "eventprop"
epochs = 1
[data]
name = "digits"
validation = 40
train = 100
test = 60
[encoding]
late = 20
end = 40
[network]
hidden = [15]
initial_mean = [0.3, 0.2]
initial_deviation = [0.2, 0.3]
[loss]
name = "max_voltage"
"""

#: EventProp on recordings of events, which `write_bursts` makes: augmented, over taps, with delays that are learned.
BURSTS = """
algorithm = "eventprop"
epochs = 2
[data]
name = "events"
path = "bursts.npz"
validation = 10
taps = [0, 20]
stretch = [0.9, 1.1]
time_shift = 2
[encoding]
late = 70
end = 80
[network]
hidden = [12]
initial_mean = [1.2, 0.3]
initial_deviation = [0.6, 0.3]
initial_delay = [10, 0]
[learning]
delay_rate = 100
[loss]
name = "mean_voltage"
tau = 30
gain = 5
"""

#: The baseline on a part of the digits: a few seconds, most of them for PyTorch's import.
SLAYER = """
algorithm = "slayer"
epochs = 1
[data]
name = "digits"
train = 50
test = 30
[encoding]
late = 5
end = 10
[network]
hidden = [10]
dt = 1
"""

#: What differs from run to run of the same experiment.
TIMES = ("microseconds_per_sample", "seconds", "peak_memory_mb")


class Notes(Progress):
    """Keeps what a run tells its user."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def experiment(folder: Path, text: str, *settings: str) -> Experiment:
    """The experiment of a configuration, written into a folder, with settings as of --set."""
    (folder / "config.toml").write_text(text)
    return load_config(folder / "config.toml", settings)


def write_events(path: Path, n_units: int, **parts: tuple[Any, Any]) -> Path:
    """A file of events: samples (times, units), sorted, and labels, of train and test."""
    arrays = {}
    for part, (samples, labels) in parts.items():
        events = join_events(samples, n_units)
        arrays |= {f"{part}_{name}": getattr(events, name) for name in ("times", "units", "offsets")}
        arrays[f"{part}_labels"] = np.asarray(labels)
    np.savez(path, **arrays)
    return path


def bursts(n: int, rng: np.random.Generator) -> tuple[list[tuple[Any, Any]], Any]:
    """Samples of three units, and labels: whether unit 0 or 1 has its burst first is the class; 2 spikes at random."""
    y, samples = rng.integers(0, 2, n), []
    for label in y:
        times = np.concatenate([5 + rng.uniform(0, 3, 3), 35 + rng.uniform(0, 3, 3), rng.uniform(0, 70, 2)])
        units = np.array([label] * 3 + [1 - label] * 3 + [2, 2])
        order = np.argsort(times)
        samples.append((times[order], units[order]))
    return samples, y


def write_bursts(folder: Path) -> None:
    """bursts.npz: 50 and 20 recordings of three inputs. Class 0 has a burst of input 0, then one of input 1; class 1
    the other way round; one event of input 2 in each class-1 recording."""
    rng, parts = np.random.default_rng(0), {}
    for part, n in (("train", 50), ("test", 20)):
        y = np.arange(n) % 2
        times = [np.sort(np.append(5 + rng.uniform(0, 3, 3), 35 + rng.uniform(0, 3, 3))) for _ in y]
        samples = [
            (np.append(t, [50.0] * label), [label] * 3 + [1 - label] * 3 + [2] * label)
            for t, label in zip(times, y, strict=True)
        ]
        parts[part] = samples, y
    write_events(folder / "bursts.npz", 3, **parts)


def trained(folder: Path, text: str, *settings: str) -> Run:
    """The finished run of a configuration, in a folder."""
    train(experiment(folder, text, *settings), folder / "run")
    return load_run(folder / "run")


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """A record of metrics.jsonl, or a result, without what it took."""
    return {key: value for key, value in record.items() if key not in TIMES}


def content(folder: Path) -> tuple[Any, ...]:
    """All that a run has written, but for the time it took: weights, chosen weights, memory, metrics, result."""
    state = load_checkpoint(folder)
    arrays = [
        {name: w.tolist() for name, w in (part or {}).items()} for part in (state.weights, state.chosen, state.memory)
    ]
    metrics = [without_times(json.loads(line)) for line in (folder / METRICS).read_text().splitlines()]
    result = without_times(json.loads((folder / RESULT).read_text())) if (folder / RESULT).exists() else None
    return (*arrays, metrics, result)
