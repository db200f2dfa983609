"""``python use_kernels.py``: call every kernel as the library does, with all types of numbers that a user may give.

Prints a line of JSON: what numba compiled for it, and for how many kinds of arguments each kernel is there.
"""

import json

import numpy as np
from networks import random_samples, random_weights
from numba.core import event

from lava_nbp import training_circuit
from lava_nbp.eventprop import EventPropEngine, NeuronParameters, TTFSLoss, spike_trains, trains_check
from lava_nbp.eventprop.clocked import kernels as clocked_kernels
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous import kernels as continuous_kernels
from lava_nbp.eventprop.continuous import optimizers
from lava_nbp.executors.lava_nbp import compile_kernels
from lava_nbp.executors.make import make_executor
from lava_nbp.nbp import sample_kernels, spiking_kernels
from lava_nbp.nbp.faults import Faults

LAYERS = (6, 5, 3)
KERNELS = {
    "sample": (sample_kernels, "train", "infer"),
    "spiking": (spiking_kernels, "step", "run", "inject", "record"),
    "continuous": (continuous_kernels, "run_samples"),
    "adam": (optimizers, "adam", "average"),
    "trains": (trains_check, "first_fault"),
    "clocked": (clocked_kernels, "forward", "backward"),
}


class Compiled(event.Listener):
    """Remembers what is compiled."""

    def __init__(self):
        self.found = []

    def on_start(self, event):
        self.found.append(event.data["dispatcher"].py_func.__qualname__)

    def on_end(self, event):
        pass


def nbp():
    """Both engines, whole and with faults; a share may be a whole number."""
    rng = np.random.default_rng(0)
    weights, (x, _, targets) = random_weights(LAYERS, rng), random_samples(3, LAYERS, rng)
    for target in ("spiking", "sample"):
        for faults in (None, Faults(dead=0.5), Faults(dropped=1, spurious=1, pulse_loss=1)):
            with make_executor(target, training_circuit(*LAYERS), weights, faults=faults) as executor:
                executor.train(x, targets)
                executor.infer(x)
    compile_kernels()


def eventprop():
    """Networks of one, two and three layers; constants and rates may be whole numbers."""
    rng = np.random.default_rng(1)
    trains = spike_trains([(rng.uniform(0, 20, 4), np.arange(4))], n_in=4, end=60.0)
    label, sample = np.array([1]), np.array([0])
    for depth in (1, 2, 3):
        weights = [rng.normal(3.0, 1.0, (4, 4)) for _ in range(depth)]
        for p, loss, end, rate in (
            (NeuronParameters(20.0, 5.0), TTFSLoss(0.5, 6.4, 0.003), 60.0, 0.01),
            (NeuronParameters(20, 5), TTFSLoss(1, 6, 1), 60, 1),
        ):
            engine = EventPropEngine(weights, p, loss, end)
            engine.train_batch(trains, label, sample, rate)
            engine.backpropagate(trains, np.ones((1, 4)))
            ClockedEngine(weights, Setup(FixedPoint(p, 1.0, end), loss)).train_batch(trains, label, sample, rate)


if __name__ == "__main__":
    compiled = Compiled()
    event.register("numba:compile", compiled)
    nbp()
    eventprop()
    kinds = {f"{name} {f}": len(getattr(m, f).signatures) for name, (m, *fs) in KERNELS.items() for f in fs}
    returned = {
        f"{name} {f}": [str(s.return_type) for s in getattr(m, f).nopython_signatures]
        for name, (m, *fs) in KERNELS.items()
        for f in fs
    }
    print(json.dumps({"compiled": compiled.found, "kinds": kinds, "returned": returned}))
