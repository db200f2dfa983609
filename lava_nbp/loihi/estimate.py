"""An estimate of time and energy per sample, from published figures per operation, calibrated on measurements.

What an operation takes is data of the chip (`lava_nbp.loihi.boards.Costs`); Davies et al. 2018 measured on Loihi 1:

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

    t = steps * t0 + max over cores of (neurons + synaptic operations) + kt * max over cores of (synapse updates)
    E = ke * (neurons + synaptic operations) + kl * (synapse updates)

t0, kt, ke and kl are what makes the formula give two measurements of a chip, of a network that learns and of one that
does not; for Loihi 1 those of Renner et al. with 400-400-10: 0.17 ms and 0.0025 mJ per inference, 1.48 ms and 0.59 mJ
per training sample. Everything else is an extrapolation: t0 is of samples of 4 steps, and holds what a host does for
each of them, which in a trial of hundreds of steps is counted as often.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from lava_nbp.base.fields import settle
from lava_nbp.base.registry import resolve
from lava_nbp.errors import InputError
from lava_nbp.loihi.boards import Costs, Measurement
from lava_nbp.loihi.demand import Activity, Plannable
from lava_nbp.loihi.lowering import Lowered, lower
from lava_nbp.loihi.placement import cores_of, paper_placement
from lava_nbp.loihi.resources import Placement
from lava_nbp.nbp.circuit import Circuit


@dataclass(frozen=True)
class CoreWork:
    """Work per sample: of the busiest core in ns, and of all in pJ; learning apart."""

    run_ns: float
    learn_ns: float
    run_pj: float
    learn_pj: float

    def __post_init__(self) -> None:
        settle(self, "work of cores", InputError)


@dataclass(frozen=True)
class Estimate:
    """Time and energy per sample, estimated: milliseconds and millijoules."""

    milliseconds: float
    millijoules: float
    learning_share_of_time: float
    learning_share_of_energy: float

    def __post_init__(self) -> None:
        settle(self, "estimate", InputError)


@dataclass(frozen=True)
class Calibration:
    """What makes the formula of this module give what was measured: t0 in ns, and three factors."""

    t0: float
    kt: float
    ke: float
    kl: float

    def __post_init__(self) -> None:
        settle(self, "calibration", InputError)


def estimate(lowered: Plannable, placement: Placement, costs: Costs, activity: Activity | None = None) -> Estimate:
    """Estimate a placed network on a chip of these costs; see the module.

    activity: spikes that were counted, and steps; by default what the network's demand assumes.
    """
    c, w = calibrate(costs), work(lowered, placement, costs, activity)
    steps = (activity or lowered.demand.activity).steps
    learn_ns, learn_pj = c.kt * w.learn_ns, c.kl * w.learn_pj
    ns, pj = steps * c.t0 + w.run_ns + learn_ns, c.ke * w.run_pj + learn_pj
    return Estimate(ns * 1e-6, pj * 1e-9, learn_ns / ns, learn_pj / pj)


def work(lowered: Plannable, placement: Placement, costs: Costs, activity: Activity | None = None) -> CoreWork:
    """Operations per sample times what one takes."""
    demand = lowered.demand
    a, c = activity or demand.activity, costs
    n_cores = int(cores_of(placement).max()) + 1
    neurons, spikes, events, plastic = (np.zeros(n_cores) for _ in range(4))
    for name, slices in placement.items():
        for s in slices:
            neurons[s.core] += s.size
            spikes[s.core] += s.size * a.groups[name]
    for b in demand.bundles:
        sent = a.met(b)
        for s in placement[b.post]:
            synapses = b.synapses(s.first, s.size)
            events[s.core] += sent * synapses
            plastic[s.core] += synapses if b.plastic else 0
    run_ns = neurons * a.steps * c.neuron_ns + spikes * (c.active_ns - c.neuron_ns) + events * c.synapse_ns
    run_pj = neurons * a.steps * c.neuron_pj + spikes * (c.active_pj - c.neuron_pj) + events * c.synapse_pj
    return CoreWork(
        float(run_ns.max()),
        float(plastic.max()) * a.steps * c.update_ns,
        float(run_pj.sum()),
        float(plastic.sum()) * a.steps * c.update_pj,
    )


@cache
def calibrate(costs: Costs) -> Calibration:
    """Calibrate the formula on the chip's two measurements, placed as the paper's authors placed theirs."""
    inference, training = _measured(costs.inference), _measured(costs.training)
    wi, wt = (work(one, paper_placement(one), costs) for one in (inference, training))
    t0 = (costs.inference.milliseconds * 1e6 - wi.run_ns) / inference.circuit.period
    ke = costs.inference.millijoules * 1e9 / wi.run_pj
    return Calibration(
        t0=t0,
        kt=(costs.training.milliseconds * 1e6 - training.circuit.period * t0 - wt.run_ns) / wt.learn_ns,
        ke=ke,
        kl=(costs.training.millijoules * 1e9 - ke * wt.run_pj) / wt.learn_pj,
    )


def _measured(measurement: Measurement) -> Lowered:
    circuit: Circuit = resolve(measurement.circuit)(*measurement.layers)
    return lower(circuit.in_chip_order() if circuit.learning else circuit)
