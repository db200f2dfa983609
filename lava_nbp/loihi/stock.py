"""Lava's stock Processes for a lowered circuit: LIF, Dense, DelayDense, LearningDense; and `PlasticLIF`.

Only Processes that have models for Loihi in Intel's lava-loihi appear here; the Processes are the same on
the CPU simulator and on the chip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.base.integers import Int16Array
from lava_nbp.loihi.lowering import DenseSynapses, lower
from lava_nbp.loihi.registers import NeuronRegisters, SynapseRegisters
from lava_nbp.loihi.rules import simulated_rule
from lava_nbp.nbp.circuit import Circuit
from lava_nbp.nbp.draws import Epoch, ProjectionRounding, Rounding
from lava_nbp.nbp.rule import ThreeFactorRule

from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode

#: Time constant of traces that must not decay: exp(-1 / tau) is 1 in double precision. With Lava's 2**32 a held trace
#: of the bit-approximate engine decays once in 65 000 steps.
_NEVER = 10**18


def make_lif(neurons: NeuronRegisters) -> LIF:
    """Lava's LIF for neurons that no plastic synapse reaches."""
    return LIF(
        shape=(neurons.size,),
        v=np.array(neurons.v),
        vth=neurons.vth,
        du=neurons.du,
        dv=neurons.dv,
        bias_mant=neurons.bias_mant,
        bias_exp=neurons.bias_exp,
        name=neurons.name,
    )


def make_fixed(synapses: SynapseRegisters) -> Dense:
    """Dense, or DelayDense if the synapses have a delay."""
    options: dict[str, Any] = {
        "weights": synapses.matrix(),
        "weight_exp": synapses.exponent,
        "sign_mode": SignMode.INHIBITORY if synapses.inhibitory else SignMode.EXCITATORY,
        "name": synapses.name,
    }
    return DelayDense(**options, delays=synapses.delay) if synapses.delay else Dense(**options)


def make_dense(
    synapses: DenseSynapses, weights: NDArray[np.int32], rule: str, rounding: ProjectionRounding | None = None
) -> Dense:
    """Dense or LearningDense that begins with (post, pre) weights.

    Lava's own models know nothing of the rounding, nor of a mask, outside of which weights stay 0: those that
    `lava_nbp.on_lava.stock_learning` hastens follow them. Lava's LearningSparse has no synapse where a weight is 0 at
    the start, so that none could grow there.
    """
    if not synapses.plastic:
        return Dense(weights=weights, sign_mode=SignMode.MIXED, name=synapses.name)
    return LearningDense(
        weights=weights,
        learning_rule=learning_rule(rule),
        sign_mode=SignMode.MIXED,
        name=synapses.name,
        rounding=rounding,
        mask=synapses.mask,
    )


def learning_rule(dw: str) -> Loihi3FLearningRule:
    """A rule of `lava_nbp.loihi.rules` for Lava's learning engine."""
    rule = Loihi3FLearningRule(dw=dw, t_epoch=1, rng_seed=0)
    rule.y1_tau = rule.y2_tau = rule.y3_tau = _NEVER
    return rule


class StockNetwork:
    """The Processes of a circuit, lowered and connected.

    The weights' place is the store of projections that the network shares with everything else. The running models
    work on copies of their own, which `pull` and `push` bring together with the store between runs. A chip's memory is
    not ours, and the same Processes run there; and Lava's CPU models make a new array in every learning step, so that a
    view of the store would last for models of our own only, and this is the rehearsal with Lava's.

    Parameters
    ----------
    circuit : Circuit
        What to make.
    held : mapping
        The store's array of every dense projection, (pre, post), or (synapses,) of one with a mask:
        `lava_nbp.nbp.projections.Projections.arrays`.
    make_plastic : callable
        Makes the Process of neurons behind plastic synapses from their registers.
    write_rule : callable
        How the circuit's rule is written for the learning engine: `simulated_rule` or `chip_rule`.
    drawn : callable, optional
        Returns what the draws of the moment follow from; default: those of epoch 0.

    Attributes
    ----------
    lowered : Lowered
        The circuit, lowered.
    groups, dense, inputs : dict
        Processes by the names of the lowered circuit; inputs by source.
    synapses : dict
        All others: fixed synapses and the ring.

    Raises
    ------
    CircuitError, RuleError, WeightError, InputError
        As `lava_nbp.loihi.lowering.lower`.
    """

    def __init__(
        self,
        circuit: Circuit,
        held: Mapping[str, Int16Array],
        make_plastic: Callable[[NeuronRegisters], AbstractProcess],
        write_rule: Callable[[ThreeFactorRule], str] = simulated_rule,
        drawn: Callable[[], Epoch] | None = None,
    ) -> None:
        self.lowered = lowered = lower(circuit)
        self._held = held
        rule = "" if circuit.rule is None else write_rule(circuit.rule)
        epoch = partial(Epoch.of, circuit, 0) if drawn is None else drawn
        self.groups: dict[str, AbstractProcess] = {
            g.name: make_plastic(g) if g.feeds_learning or g.noise > 1 else make_lif(g) for g in lowered.groups
        }
        for g in lowered.groups:
            if g.noise > 1:
                self.groups[g.name].draw_by(lambda: epoch().key, circuit.first_neuron(g.name))
        self._roundings = {d.name: self._rounding(d, epoch) for d in lowered.dense}
        self.dense = {d.name: make_dense(d, self._weights(d), rule, self._roundings[d.name]) for d in lowered.dense}
        self.inputs = {i.pre: make_fixed(i) for i in lowered.inputs}
        self.synapses = {s.name: make_fixed(s) for s in (*lowered.fixed, lowered.ring)}
        self._connect()

    def _rounding(self, synapses: DenseSynapses, epoch: Callable[[], Epoch]) -> ProjectionRounding | None:
        p = synapses.projection
        rounding = Rounding.of(self.lowered.circuit, p.matrix, epoch) if synapses.plastic else None
        if rounding is None:
            return None
        return ProjectionRounding(rounding, p.transposed, p.sign, shared_zeros(1, np.int64))

    def _weights(self, synapses: DenseSynapses) -> NDArray[np.int32]:
        """What the store holds of a projection, as Lava's Processes have it: (post, pre)."""
        held, mask = self._held[synapses.name], synapses.mask
        matrix = held if mask is None else mask.spread(held, self.lowered.circuit.shape_of(synapses.projection))
        return np.ascontiguousarray(matrix.T, dtype=np.int32)

    def _connect(self) -> None:
        lowered = self.lowered
        for s in (*lowered.fixed, lowered.ring):
            post = self.groups[s.post]
            self.groups[s.pre].s_out.connect(self.synapses[s.name].s_in)
            self.synapses[s.name].a_out.connect(post.a_third_factor_in if s.third_factor else post.a_in)
        for d in lowered.dense:
            dense, post = self.dense[d.name], self.groups[d.post]
            self.groups[d.pre].s_out.connect(dense.s_in)
            dense.a_out.connect(post.a_in)
            if d.plastic:
                post.s_out_bap.connect(dense.s_in_bap)
                for trace in ("y1", "y2", "y3"):
                    getattr(post, f"s_out_{trace}").connect(getattr(dense, f"s_in_{trace}"))
        for i in lowered.inputs:
            self.inputs[i.pre].a_out.connect(self.groups[i.post].a_in)

    @property
    def processes(self) -> dict[str, AbstractProcess]:
        """All Processes, by kind and name."""
        kinds = {"group": self.groups, "synapses": self.synapses, "input": self.inputs, "dense": self.dense}
        return {f"{kind}_{name}": process for kind, found in kinds.items() for name, process in found.items()}

    @property
    def running(self) -> bool:
        """Whether the models run, so that they hold the weights."""
        return self.groups[self.lowered.chain].runtime is not None

    def pull(self, names: Iterable[str] | None = None) -> None:
        """Bring the models' weights into the store: of these projections, or of all. Nothing if they do not run."""
        if self.running:
            asked = set(self.dense if names is None else names)
            for d in self.lowered.dense:
                if d.name in asked:
                    matrix = np.asarray(self.dense[d.name].weights.get()).T
                    self._held[d.name][...] = matrix if d.mask is None else d.mask.taken(matrix)

    def push(self) -> None:
        """Bring the store's weights into the models. Nothing if they do not run."""
        if self.running:
            for d in self.lowered.dense:
                self.dense[d.name].weights.set(self._weights(d))

    def reset(self) -> None:
        """Forget every spike under way, and start the pulse anew; the weights stay. Nothing if they do not run."""
        for rounding in self._roundings.values():
            if rounding is not None:
                rounding.steps[0] = 0
        if not self.running:
            return
        for name, process in self.groups.items():
            if hasattr(process, "reset"):
                process.reset()
            else:
                process.v.set(np.array(self.lowered.by_name[name].v))
        for process in (*self.synapses.values(), *self.inputs.values(), *self.dense.values()):
            process.a_buff.set(np.zeros(process.a_buff.shape, dtype=np.int32))
