"""The example in the docstring of every Process runs and prints what it says."""

import doctest
import inspect
import re

import numpy as np
import pytest

from lava_nbp import inference_circuit, processes
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.loihi.eventprop_lowering import lower_eventprop
from lava_nbp.on_lava.process import LibraryProcess

PARTS = [
    cls
    for name in processes.__all__
    if inspect.isclass(cls := getattr(processes, name)) and issubclass(cls, LibraryProcess)
]


@pytest.mark.parametrize("process", PARTS)
def test_example(process, way):
    tests = [t for t in doctest.DocTestFinder(recurse=False).find(process, globs=vars(processes).copy()) if t.examples]
    (test,) = tests
    assert len(test.examples) <= 14
    printed = []
    failed, _ = doctest.DocTestRunner().run(test, out=printed.append)
    assert not failed, "".join(printed)


@pytest.mark.parametrize("process", PARTS)
def test_docstring_names_every_port_and_var(process):
    text = inspect.getdoc(process)
    for heading in ("Parameters", "Ports", "Raises"):
        assert f"{heading}\n{'-' * len(heading)}" in text
    made = MADE[process.__name__]()
    members = {m.name for m in (*made.in_ports, *made.out_ports, *made.vars)}
    assert not members - set(re.findall(r"\w+", text))


def _network():
    weights = {"W1": np.zeros((3, 3), int), "W2": np.zeros((3, 2), int)}
    return processes.NBPNetwork(circuit=inference_circuit(3, 3, 2), weights=weights)


def _lowered():
    c = FixedPoint(NeuronParameters(), 1.0, 3.0, neuron="loihi")
    return lower_eventprop(ClockedEngine([np.ones((2, 2))] * 2, Setup(c, TTFSLoss())))


C = FixedPoint(NeuronParameters(), 1.0, 3.0)
MADE = {
    "ErrorNeurons": lambda: processes.ErrorNeurons((2,)),
    "EventPropInference": lambda: processes.EventPropInference(_lowered()),
    "EventPropInput": lambda: processes.EventPropInput(2, C),
    "EventPropLIF": lambda: processes.EventPropLIF(2, C),
    "EventPropNetwork": lambda: processes.EventPropNetwork([np.ones((2, 2))] * 2, Setup(C, TTFSLoss())),
    "EventPropReadout": lambda: processes.EventPropReadout(2, C),
    "EventPropTTFS": lambda: processes.EventPropTTFS(2, C),
    "GatedLIF": lambda: processes.GatedLIF((2,), readout=0),
    "HebbianDense": lambda: processes.HebbianDense([[2]]),
    "SpikeSource": lambda: processes.SpikeSource(2, 2, C, capacity=1),
    "MirroredDense": lambda: processes.MirroredDense(np.ones((2, 2)), C),
    "NBPNetwork": _network,
    "RelayMemory": lambda: processes.RelayMemory((2,)),
    "SampleSink": lambda: processes.SampleSink(circuit=_network().circuit, capacity=1),
    "SampleSource": lambda: processes.SampleSource(circuit=_network().circuit, capacity=1),
    "PlasticLIF": lambda: processes.PlasticLIF((2,), vth=1024),
    "SpikeRaster": lambda: processes.SpikeRaster({"p": (2,)}),
    "SurrogateReLU": lambda: processes.SurrogateReLU((2,), n_gates=2, separate=True, readout=0),
    "SynfireChain": lambda: processes.SynfireChain(1),
}
