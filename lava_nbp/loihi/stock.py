"""Lava's stock Processes for a lowered circuit: LIF, Dense, DelayDense, LearningDense; and `PlasticLIF`.

Only Processes that have models for Loihi in Intel's lava-loihi appear here; the Processes are the same on
the CPU simulator and on the chip.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from lava.magma.core.learning.learning_rule import Loihi3FLearningRule
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import DelayDense, Dense, LearningDense
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode

from lava_nbp.base.integers import Int16Array
from lava_nbp.loihi.lowering import (
    DenseSynapses,
    FixedSynapses,
    InputSynapses,
    Lowered,
    NeuronGroup,
    RingSynapses,
)

#: Time constant of traces that must not decay: exp(-1 / tau) is 1 in double precision. With Lava's 2**32 a held trace
#: of the bit-approximate engine decays once in 65 000 steps.
_NEVER = 10**18


def make_lif(group: NeuronGroup) -> LIF:
    """Lava's LIF for a group that no plastic synapse reaches."""
    return LIF(
        shape=(group.size,),
        v=np.array(group.v),
        vth=group.vth,
        du=group.du,
        dv=group.dv,
        bias_mant=group.bias_mant,
        bias_exp=group.bias_exp,
        name=group.name,
    )


def make_fixed(synapses: FixedSynapses, n_post: int) -> Dense:
    """Dense, or DelayDense if the synapses have a delay."""
    options: dict[str, Any] = {
        "weights": synapses.matrix(n_post),
        "weight_exp": synapses.exponent,
        "sign_mode": SignMode.INHIBITORY if synapses.inhibitory else SignMode.EXCITATORY,
        "name": synapses.name,
    }
    return DelayDense(**options, delays=synapses.delay) if synapses.delay else Dense(**options)


def make_ring(ring: RingSynapses) -> Dense:
    """The links of the chain."""
    return Dense(weights=ring.matrix(), weight_exp=ring.exponent, sign_mode=SignMode.EXCITATORY, name=ring.name)


def make_input(synapses: InputSynapses, n_post: int) -> Dense:
    """Synapses for spikes from outside."""
    weights = synapses.mantissa * np.eye(n_post, dtype=np.int32)
    return Dense(weights=weights, weight_exp=synapses.exponent, sign_mode=SignMode.EXCITATORY, name=synapses.name)


def make_dense(synapses: DenseSynapses, held: Int16Array, rule: str) -> Dense:
    """Dense or LearningDense that holds (pre, post) weights."""
    weights = np.ascontiguousarray(held.T, dtype=np.int32)
    if not synapses.plastic:
        return Dense(weights=weights, sign_mode=SignMode.MIXED, name=synapses.name)
    return LearningDense(
        weights=weights, learning_rule=learning_rule(rule), sign_mode=SignMode.MIXED, name=synapses.name
    )


def learning_rule(dw: str) -> Loihi3FLearningRule:
    """The nBP rule for Lava's learning engine: `CHIP_RULE` or `SIMULATED_RULE` (y3: the third factor)."""
    rule = Loihi3FLearningRule(dw=dw, t_epoch=1, rng_seed=0)
    rule.y1_tau = rule.y2_tau = rule.y3_tau = _NEVER
    return rule


class StockNetwork:
    """The Processes of a lowered circuit, connected.

    Parameters
    ----------
    lowered : Lowered
        What to make.
    held : mapping
        Weights (pre, post) of every dense projection.
    make_plastic : callable
        Makes the Process of a group that feeds learning.
    rule : str
        Learning rule, in Lava's symbols.

    Attributes
    ----------
    groups, dense, inputs : dict
        Processes by the names of the lowered circuit.
    synapses : dict
        All others: fixed synapses and the ring.
    """

    def __init__(self, lowered: Lowered, held: Any, make_plastic: Any, rule: str) -> None:
        self.lowered = lowered
        sizes = {g.name: g.size for g in lowered.groups}
        self.groups: dict[str, AbstractProcess] = {
            g.name: make_plastic(g) if g.feeds_learning else make_lif(g) for g in lowered.groups
        }
        self.dense = {d.name: make_dense(d, held[d.name], rule) for d in lowered.dense}
        self.inputs = {i.source: make_input(i, sizes[i.post]) for i in lowered.inputs}
        self.synapses = {f.name: make_fixed(f, sizes[f.post]) for f in lowered.fixed}
        self.synapses[lowered.ring.name] = make_ring(lowered.ring)
        self._connect()

    def _connect(self) -> None:
        lowered, chain = self.lowered, self.groups["chain"]
        ring = self.synapses[lowered.ring.name]
        chain.s_out.connect(ring.s_in)
        ring.a_out.connect(chain.a_in)
        for f in lowered.fixed:
            post = self.groups[f.post]
            self.groups[f.pre].s_out.connect(self.synapses[f.name].s_in)
            self.synapses[f.name].a_out.connect(post.a_third_factor_in if f.third_factor else post.a_in)
        for d in lowered.dense:
            dense, post = self.dense[d.name], self.groups[d.post]
            self.groups[d.pre].s_out.connect(dense.s_in)
            dense.a_out.connect(post.a_in)
            if d.plastic:
                post.s_out_bap.connect(dense.s_in_bap)
                for trace in ("y1", "y2", "y3"):
                    getattr(post, f"s_out_{trace}").connect(getattr(dense, f"s_in_{trace}"))
        for i in lowered.inputs:
            self.inputs[i.source].a_out.connect(self.groups[i.post].a_in)

    @property
    def processes(self) -> dict[str, AbstractProcess]:
        """All Processes by name."""
        return {**self.groups, **self.synapses, **{f"{k}-input": v for k, v in self.inputs.items()}, **self.dense}

    @property
    def running(self) -> bool:
        """Whether the models run, so that they hold the weights."""
        return self.groups["chain"].runtime is not None

    def read(self, names: Iterable[str] | None = None) -> dict[str, Int16Array]:
        """Weights (pre, post) of dense projections, default all, from the running models: one Var each."""
        wanted = self.dense if names is None else {name: self.dense[name] for name in names}
        return {name: np.asarray(process.weights.get()).T.astype(np.int16) for name, process in wanted.items()}

    def write(self, held: Any) -> None:
        """Set the weights of every dense projection, (pre, post), in the running models."""
        for name, process in self.dense.items():
            process.weights.set(np.ascontiguousarray(held[name].T, dtype=np.int32))

    def reset(self) -> None:
        """Forget every spike under way, and start the pulse anew; the weights stay. Needs a running network."""
        for name, process in self.groups.items():
            if hasattr(process, "reset"):
                process.reset()
            else:
                process.v.set(np.array(self.lowered.by_name[name].v))
        for process in (*self.synapses.values(), *self.inputs.values(), *self.dense.values()):
            process.a_buff.set(np.zeros(process.a_buff.shape, dtype=np.int32))
