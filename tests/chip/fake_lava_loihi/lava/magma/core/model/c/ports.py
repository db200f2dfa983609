"""Ports of models for embedded processors: those of the CPU."""

from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort

CInPort, COutPort, CRefPort = PyInPort.VEC_DENSE, PyOutPort.VEC_DENSE, PyRefPort.VEC_DENSE
