"""What all Processes of the library have in common, and how their models get the ports they have."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import AbstractProcess

from lava_nbp.base.widths import STATE_BITS
from lava_nbp.on_lava.runtime import watch


class LibraryProcess(AbstractProcess):  # type: ignore[misc]
    """A Lava Process that never hangs in `run` if the run configuration is one of `lava_nbp.run_config`."""

    _runtime = None  # Lava's destructor reads it, even if a constructor refuses its arguments

    @property
    def counters(self) -> Any:
        """Work done so far: spikes, synaptic events, weight updates, gate breaches, (4,) int64."""
        return np.zeros(4, dtype=np.int64)

    def create_runtime(self, run_cfg: Any = None, executable: Any = None, compile_config: Any = None) -> None:
        """As Lava's, under watch if the run configuration asks for it."""
        if getattr(run_cfg, "watched", False):
            watch(self, executable or self.compile(run_cfg, compile_config))
        else:
            super().create_runtime(run_cfg, executable, compile_config)


class NamedPorts(ABCMeta):
    """Lets a model have the ports that its Process has: a name that ends in _in or _out is a port.

    Lava takes the type of every port from an attribute of the model's class; here the
    parameters of a Process decide which ports there are. Outputs in `_graded` send more than 0 and 1.
    """

    def __getattr__(cls, name: str) -> LavaPyType:
        if name.endswith("_in"):
            return LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=STATE_BITS)
        if name.endswith("a_out"):
            return LavaPyType(PyOutPort.VEC_DENSE, cls._weighted, precision=STATE_BITS)
        if name.endswith("_out"):
            graded = name in getattr(cls, "_graded", ())
            return LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=STATE_BITS if graded else 1)
        raise AttributeError(f"{cls.__name__} has no attribute {name!r}")
