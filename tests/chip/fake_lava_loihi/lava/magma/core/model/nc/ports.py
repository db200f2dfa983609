"""Ports of models for neurocores: those of the CPU, which can also be connected to nodes."""

from lava.magma.core.model.py.ports import PyInPort, PyOutPort


class NcInPort(PyInPort.VEC_DENSE):
    def connect(self, node):
        self.nodes = [*getattr(self, "nodes", []), node]

    @property
    def label(self):
        return next(name for name, port in vars(self._process_model).items() if port is self)

    def recv_once(self, step):
        """What came in this step, for every node that wants it."""
        if getattr(self, "step", None) != step:
            self.step, self.value = step, self.recv()
        return self.value


class NcOutPort(PyOutPort.VEC_DENSE):
    @property
    def label(self):
        return next(name for name, port in vars(self._process_model).items() if port is self)
