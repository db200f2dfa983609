"""The example in the docstring of every Process runs and prints what it says."""

import doctest
import inspect
import re

import numpy as np
import pytest

from lava_nbp import inference_circuit, processes
from lava_nbp.library_process import LibraryProcess

PARTS = [
    cls
    for name in processes.__all__
    if inspect.isclass(cls := getattr(processes, name)) and issubclass(cls, LibraryProcess)
]


@pytest.mark.parametrize("process", PARTS)
def test_example(process):
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


MADE = {
    "ErrorNeurons": lambda: processes.ErrorNeurons((2,)),
    "GatedLIF": lambda: processes.GatedLIF((2,), readout=0),
    "HebbianDense": lambda: processes.HebbianDense([[2]]),
    "NBPNetwork": _network,
    "RelayMemory": lambda: processes.RelayMemory((2,)),
    "SampleSink": lambda: processes.SampleSink(circuit=_network().circuit, capacity=1),
    "SampleSource": lambda: processes.SampleSource(circuit=_network().circuit, capacity=1),
    "SpikeRaster": lambda: processes.SpikeRaster({"p": (2,)}),
    "SurrogateReLU": lambda: processes.SurrogateReLU((2,), n_gates=2, separate=True, readout=0),
    "SynfireChain": lambda: processes.SynfireChain(1),
}
