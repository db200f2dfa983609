"""Plastic synapses with a three-factor Hebbian rule, and mirrors of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.checks import check_kind, check_sequence, is_integer, shown
from lava_nbp.errors import InputError
from lava_nbp.nbp.draws import Rounding
from lava_nbp.nbp.hebbian import HebbianSynapses, Mirror
from lava_nbp.nbp.mask import Mask
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule
from lava_nbp.nbp.work import Counters
from lava_nbp.on_lava.ports import InPort, OutPort, SharedVar
from lava_nbp.on_lava.process import LibraryProcess, NamedPorts

from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

#: Weight of an entry of third_in at most.
_LARGEST = 255


class HebbianDense(LibraryProcess):
    """Synapses that learn from pre spikes, post spikes and a third factor: all-to-all, or those of a mask.

    In every step t, for every synapse (x0, y0: spikes of its two neurons in this step)::

        r = sum of third weights * third_in
        w = saturate(w + dw(x0, y0, r), -254 .. 254)      dw: a `ThreeFactorRule`
        a_out[t + 1] = sum of w * x0                      with the weights just changed, or, in
                                                          the chip's order, as they were

    It sends before it receives, so that neurons and synapses may form rings. Weights
    are 8-bit mixed-sign: even integers. Source: Renner et al. 2024, Methods.

    Parameters
    ----------
    weights : (pre, post) array_like of int
        Initial weights. Rows are presynaptic neurons; the weights of Lava's Dense are (post, pre).
    rule : ThreeFactorRule, str or None
        Default: the paper's, ``4*r*x0*y0 - 2*x0*y0``. None: the weights stay as they are.
    third : sequence of int
        Weight of every entry of `third_in`: r is the weighted sum of what arrives. To get r
        from phases of a chain, put 1 at those entries and connect the chain's `s_out`.
    mirrors : sequence of Mirror
        Further projections that hold the same matrix, its transpose or its negative between
        other populations. Each learns by the same rule from the spikes at its own ends.
    name : str, optional
        Of the Process and of the matrix.
    storage : mapping, optional
        Arrays, shared with children, that hold the weights by projection instead of new ones.
    chip_order : bool
        False: learn, then send. True: send, then learn, as Loihi and Lava's LearningDense do.
    rounding : Rounding, optional
        Which of the changes that the rule asks for, for pairs of spikes, are made: `lava_nbp.nbp.draws.Rounding`.
        Default: all.
    mask : Mask, optional
        Which synapses there are: weights are 0 where there is none, and stay so. Default: all.

    Ports
    -----
    s_in : (pre,) spikes
        Presynaptic spikes. Any nonzero entry is one spike.
    post_in : (post,) spikes
        Postsynaptic spikes of the same step; missing if the weights are fixed.
    third_in : (len(third),) int32
        Third factor; missing if the rule does not use r.
    a_out : (post,) int32, weight units
        Weighted sums of the step before: connect `GatedLIF.a_in`, or a stock LIF.
    <population>_in, <population>_a_out
        Spikes of, and weighted sums for, every other population that mirrors name. Several
        projections to one population add up.

    Vars
    ----
    weights : (pre, post) int16
        Read and set as a whole, with every mirror; checked.

    Raises
    ------
    WeightError
        For weights that are no even integers in -254 .. 254, of another shape, or not 0 where there is no synapse.
    RuleError
        For a rule that cannot be read, has an unknown factor, or moves weights off their grid.
    InputError
        For mirrors that do not fit, or `third` weights that are no integers.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.proc.io.source import RingBuffer as Source
    >>> from lava_nbp import LavaRuntime
    >>> synapses = HebbianDense(np.zeros((2, 1), int))
    >>> pre, post = Source(data=np.array([[1, 1, 1], [0, 0, 1]])), Source(data=np.array([[1, 1, 0]]))
    >>> reward = Source(data=np.array([[1, 1, 0]]))
    >>> pre.s_out.connect(synapses.s_in)
    >>> post.s_out.connect(synapses.post_in)
    >>> reward.s_out.connect(synapses.third_in)
    >>> with LavaRuntime(synapses) as runtime:
    ...     runtime.run(3)
    ...     print(synapses.weights.get().tolist())  # +2 in steps 1 and 2, where both ends fired
    [[4], [0]]
    """

    def __init__(
        self,
        weights: Any,
        *,
        rule: ThreeFactorRule | str | None = PAPER_RULE,
        third: Sequence[int] = (1,),
        mirrors: Sequence[Mirror] = (),
        name: str | None = None,
        storage: Mapping[str, Any] | None = None,
        chip_order: bool = False,
        rounding: Rounding | None = None,
        mask: Mask | None = None,
    ) -> None:
        parsed = ThreeFactorRule(rule) if isinstance(rule, str) else rule
        if parsed is not None:
            check_kind(parsed, ThreeFactorRule, "rule")
        if storage is not None:
            check_kind(storage, Mapping, "storage")
        weighted = check_sequence(third, "third", "give an integer per entry of third_in")
        if not all(is_integer(f) and abs(f) <= _LARGEST for f in weighted):
            raise InputError(
                f"third is {shown(third)}, but must be integers, one per entry of third_in, of magnitude "
                f"{_LARGEST} at most"
            )
        factors = weighted if parsed is not None and parsed.needs_third_factor else ()
        if parsed is not None and parsed.needs_third_factor and not factors:
            raise InputError(f"rule {parsed.dw!r} uses r, but third is empty; give an integer per entry of third_in")
        self.synapses = synapses = HebbianSynapses(
            weights, mirrors, parsed, "W" if name is None else name, shared_zeros, storage, chip_order, rounding, mask
        )
        super().__init__(synapses=synapses, third=factors, name=name)
        if factors:
            self.third_in = InPort(shape=(len(factors),))
        for population in synapses.populations:
            self.add_member(
                f"{population}_in", InPort(shape=(synapses.sizes[population],)), f"population {population!r}"
            )
        for population in synapses.posts:
            setattr(self, _sums_port(population), OutPort(shape=(synapses.sizes[population],)))
        self.weights = SharedVar(synapses.read_weights, synapses.write_weights)

    def read_weights(self) -> Any:
        """A copy of the matrix, (pre, post) int16. Call it between runs."""
        return self.synapses.read_weights()

    def read_projections(self) -> dict[str, Any]:
        """Copies of the weights of the matrix and of every mirror, (its pre, its post), by name."""
        return {name: self.synapses.matrix_of(name) for name in self.synapses.projections}

    def write_weights(self, weights: Any) -> None:
        """Set the matrix and every mirror; as `weights.set`. Call it between runs."""
        self.synapses.write_weights(weights)

    def check_mirrors(self) -> None:
        """Raise MirrorError, with the first synapse that differs, if a mirror is not what the matrix asks for."""
        self.synapses.check_mirrors()

    @property
    def counters(self) -> Counters:
        """Work done so far: views that stay current."""
        return self.synapses.counters

    def reset(self) -> None:
        """Forget spikes under way; the weights stay. Call it between runs."""
        self.synapses.reset()


def _sums_port(population: str) -> str:
    return "a_out" if population == "post" else f"{population}_a_out"


@implements(proc=HebbianDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt", "floating_pt", "bit_accurate_loihi")
class PyHebbianDense(PyLoihiProcessModel, metaclass=NamedPorts):  # type: ignore[misc]
    """CPU model; plastic weights are 8-bit integers in every arithmetic."""

    _weighted: Any = np.int32
    weights: Any = LavaPyType(np.ndarray, np.int16, precision=8)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.synapses: HebbianSynapses = proc_params["synapses"]
        self.third = np.array(proc_params["third"], dtype=np.int64)

    def start(self) -> None:
        """Let the Var be the synapses' own memory, if that is a matrix; then serve the runtime."""
        held = self.synapses.projections[self.synapses.name]
        self.weights = held if held.ndim == 2 else self.synapses.read_weights()
        self._sums_out = [(getattr(self, _sums_port(name)), name) for name in self.synapses.posts]
        self._spikes_in = [(name, getattr(self, f"{name}_in")) for name in self.synapses.populations]
        super().start()

    def run_spk(self) -> None:
        """Send what the last step's spikes bring, then learn from this step's."""
        for port, population in self._sums_out:
            port.send(self.synapses.weighted_sums(population))
        spikes = {name: port.recv() for name, port in self._spikes_in}
        r = int(self.third_in.recv() @ self.third) if len(self.third) else 0
        self.synapses.step(spikes, r)
