"""Records the spikes of several populations, for plots and comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import as_array, check_integer, check_kind, check_text
from lava_nbp.errors import InputError
from lava_nbp.nbp.gated_group import check_name, check_shape
from lava_nbp.on_lava.ports import InPort, OutPort
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class SpikeRaster(LibraryProcess):
    """Keeps the spikes of every population it is connected to, a row per step.

    Row t - 1 of population p is what `p_in` brought in step t.

    Parameters
    ----------
    populations : mapping of str to tuple of int
        Shape of every population by name.
    steps : int
        Rows that fit; later steps are not kept. 0: nothing is kept, only `raster_out` is sent.
    order : sequence of int, optional
        The neurons that `raster_out` shows, by their place; default: population after population.

    Ports
    -----
    <population>_in : its shape, int32
        Connect a spike output. Any nonzero entry is one spike.
    raster_out : (1, neurons) int32 0 or 1
        Spikes of this step, population after population in the order given, or as `order` says.

    Attributes
    ----------
    spikes : dict
        (rows, *shape) uint8 by population, rows being the steps done; read it between runs.

    Raises
    ------
    InputError
        For no populations, an impossible shape, a negative number of steps, or an order of other neurons.

    Examples
    --------
    >>> from lava_nbp import LavaRuntime
    >>> from lava_nbp.processes import SynfireChain
    >>> chain, raster = SynfireChain(2, autostart=True), SpikeRaster({"chain": (2,)}, steps=3)
    >>> chain.s_out.connect(raster.chain_in)
    >>> with LavaRuntime(raster) as runtime:
    ...     runtime.run(3)
    ...     print(raster.spikes["chain"].tolist())
    [[1, 0], [0, 1], [1, 0]]
    """

    #: Feeds or reads a chip from its host.
    on_host = True

    def __init__(
        self,
        populations: Mapping[str, Any],
        *,
        steps: int = 0,
        order: Sequence[int] | None = None,
        name: str | None = None,
    ) -> None:
        check_kind(populations, Mapping, "populations")
        if not populations:
            raise InputError("SpikeRaster without populations; name at least one, with its shape")
        check_integer(steps, 0, None, "steps")
        for population in populations:
            check_name(check_text(population, "name of a population"), "name of a population")
        self._shapes = {p: check_shape(shape) for p, shape in populations.items()}
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        self._rows = shared_zeros((steps, sum(sizes)), np.uint8)
        self._done = shared_zeros(1, np.int64)
        shown = np.arange(sum(sizes)) if order is None else as_array(order, "order")
        if shown.ndim != 1 or shown.dtype.kind not in "iu" or sorted(shown.tolist()) != list(range(sum(sizes))):
            raise InputError(f"SpikeRaster: order must name each of the {sum(sizes)} neurons once, counted from 0")
        super().__init__(populations=tuple(self._shapes), rows=self._rows, done=self._done, order=shown, name=name)
        self._ends = np.cumsum(sizes)
        for population, shape in self._shapes.items():
            self.add_member(f"{population}_in", InPort(shape=shape), f"population {population!r}")
        self.raster_out = OutPort(shape=(1, sum(sizes)))

    @property
    def spikes(self) -> dict[str, Any]:
        """Copies of what was recorded."""
        rows = self._rows[: min(int(self._done[0]), len(self._rows))].copy()
        parts = np.split(rows, self._ends[:-1], axis=1)
        return {p: part.reshape(-1, *shape) for (p, shape), part in zip(self._shapes.items(), parts, strict=True)}

    def reset(self) -> None:
        """Record from row 0 again. Call it between runs."""
        self._done[0] = 0


@implements(proc=SpikeRaster, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt", "bit_accurate_loihi")
class PySpikeRaster(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model; spikes are the same in every arithmetic."""

    raster_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=1)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.populations, self.rows, self.done = (proc_params[key] for key in ("populations", "rows", "done"))
        self.order: Any = proc_params["order"]

    def run_spk(self) -> None:
        """Keep this step's spikes."""
        row = np.concatenate([getattr(self, f"{p}_in").recv().ravel() != 0 for p in self.populations])
        step = int(self.done[0])
        if step < len(self.rows):
            self.rows[step] = row
        self.done[0] = step + 1
        self.raster_out.send(row[None, self.order].astype(np.int32))
