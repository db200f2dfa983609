"""An estimate of time and energy per sample, from published figures per operation, calibrated on the paper's chip.

Per operation, Davies et al. 2018 (Loihi 1, table of measured energy and time):

=========================  ========  =======
operation                  energy    time
=========================  ========  =======
neuron update, inactive     52 pJ    5.3 ns
neuron update, active       81 pJ    8.4 ns
synaptic operation          23.6 pJ  3.5 ns
update of a synapse         120 pJ   6.1 ns
=========================  ========  =======

With a learning epoch of one step every plastic synapse is visited in every step. Cores work side by side, so that
the busiest one counts for time, and all of them for energy::

    t = period * t0 + max over cores of (neurons + synaptic operations) + kt * max over cores of (synapse updates)
    E = ke * (neurons + synaptic operations) + kl * (synapse updates)

t0, kt, ke and kl are what makes the formula give Renner et al.'s measurements of 400-400-10: 0.17 ms and
0.0025 mJ per inference, 1.48 ms and 0.59 mJ per training sample. Everything else is an extrapolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from lava_nbp.loihi.lowering import CHAIN, Lowered, lower
from lava_nbp.loihi.placement import cores_of, paper_placement
from lava_nbp.loihi.resources import Placement, bundles
from lava_nbp.nbp.circuit import inference_circuit, layer_of, training_circuit

_NEURON_NS, _ACTIVE_NS, _SYNAPSE_NS, _UPDATE_NS = 5.3, 8.4, 3.5, 6.1
_NEURON_PJ, _ACTIVE_PJ, _SYNAPSE_PJ, _UPDATE_PJ = 52.0, 81.0, 23.6, 120.0
#: The paper's network, and what was measured on one Loihi 1 chip: ms and mJ per sample.
_PAPER = (400, 400, 10)
_PAPER_TRAINING, _PAPER_INFERENCE = (1.48, 0.59), (0.17, 0.0025)
#: Share of a layer's neurons that fire in a phase of theirs: input, hidden, output; about what MNIST gives.
_ACTIVITY = {"x": 0.25, "h1": 0.5, "o": 0.1}


@dataclass(frozen=True)
class Work:
    """Work per sample: of the busiest core in ns, and of all in pJ; learning apart."""

    run_ns: float
    learn_ns: float
    run_pj: float
    learn_pj: float


@dataclass(frozen=True)
class Estimate:
    """Time and energy per sample, estimated: milliseconds and millijoules."""

    milliseconds: float
    millijoules: float
    learning_share_of_time: float
    learning_share_of_energy: float


@dataclass(frozen=True)
class _Calibration:
    t0: float
    kt: float
    ke: float
    kl: float


def estimate(lowered: Lowered, placement: Placement) -> Estimate:
    """Estimate a placed network; see the module."""
    c, w, period = _calibration(), work(lowered, placement), lowered.circuit.period
    learn_ns, learn_pj = c.kt * w.learn_ns, c.kl * w.learn_pj
    ns, pj = period * c.t0 + w.run_ns + learn_ns, c.ke * w.run_pj + learn_pj
    return Estimate(ns * 1e-6, pj * 1e-9, learn_ns / ns, learn_pj / pj)


def work(lowered: Lowered, placement: Placement) -> Work:
    """Operations per sample times what one takes."""
    circuit = lowered.circuit
    fires = {g.name: _spikes(lowered, g.name) for g in lowered.groups}
    n_cores = int(cores_of(placement).max()) + 1
    neurons, spikes, events, plastic = (np.zeros(n_cores) for _ in range(4))
    for name, slices in placement.items():
        for s in slices:
            neurons[s.core] += s.size
            spikes[s.core] += s.size * fires[name]
    for b in bundles(lowered):
        sent = fires[b.pre] if b.pre else _ACTIVITY["x"]
        for s in placement[b.post]:
            synapses = b.n_synapses(s.size)
            events[s.core] += sent * synapses
            plastic[s.core] += synapses if b.plastic else 0
    steps = circuit.period
    run_ns = neurons * steps * _NEURON_NS + spikes * (_ACTIVE_NS - _NEURON_NS) + events * _SYNAPSE_NS
    run_pj = neurons * steps * _NEURON_PJ + spikes * (_ACTIVE_PJ - _NEURON_PJ) + events * _SYNAPSE_PJ
    return Work(
        float(run_ns.max()),
        float(plastic.max()) * steps * _UPDATE_NS,
        float(run_pj.sum()),
        float(plastic.sum()) * steps * _UPDATE_PJ,
    )


def _spikes(lowered: Lowered, group: str) -> float:
    """Spikes of a neuron of a group per sample."""
    circuit = lowered.circuit
    if group == CHAIN:
        return 1.0
    return _ACTIVITY[layer_of(group)] * len(circuit[group].phases)


@cache
def _calibration() -> _Calibration:
    inference, training = lower(inference_circuit(*_PAPER)), lower(training_circuit(*_PAPER, chip_order=True))
    wi, wt = work(inference, paper_placement(inference)), work(training, paper_placement(training))
    (t_train, e_train), (t_infer, e_infer) = _PAPER_TRAINING, _PAPER_INFERENCE
    t0 = (t_infer * 1e6 - wi.run_ns) / inference.circuit.period
    ke = e_infer * 1e9 / wi.run_pj
    return _Calibration(
        t0=t0,
        kt=(t_train * 1e6 - training.circuit.period * t0 - wt.run_ns) / wt.learn_ns,
        ke=ke,
        kl=(e_train * 1e9 - ke * wt.run_pj) / wt.learn_pj,
    )
