"""What a network that learns asks of a chip, by hand, and what its plan says."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from lava_nbp.errors import CircuitError, InputError
from lava_nbp.eventprop import ClockedEngine, FixedPoint, NeuronParameters, Setup, TTFSLoss
from lava_nbp.loihi.boards import BOARDS
from lava_nbp.loihi.estimate import work
from lava_nbp.loihi.plan import cures, make_plan, place
from lava_nbp.loihi.programs.learning import lower_learning

SETUP = Setup(FixedPoint(NeuronParameters(), 1.0, 20.0, neuron="loihi", coefficient_bits=16), TTFSLoss(1.0))


def lowered(*sizes, **room):
    rng = np.random.default_rng(0)
    engine = ClockedEngine([rng.normal(0.1, 0.02, shape) for shape in pairwise(sizes)], SETUP)
    return lower_learning(engine, **room)


def test_by_hand():
    """2-3-2: words of 24 bits, lists of synapses, graded spikes."""
    net = lowered(2, 3, 2, room=4, input_room=1)
    demand = net.demand
    assert demand.layers == (2, 3, 2)
    chained = demand.sizes["decay"]
    assert demand.sizes == {"input": 2, "hidden1": 3, "output": 2, "loss": 2, "decay": chained, "late": 20}
    # clock, k, piece; how many, how many lost, step and value of each
    assert demand.state_bits["input"] == 24 * (3 + 2 + 2)
    assert demand.state_bits["late"] == demand.state_bits["decay"] == 24 * 2
    # beside those: V, I, lV, lI, three counters, the first spike's error; d, as it is sent in pieces
    assert net.clock.pieces == 3
    assert demand.state_bits["output"] == 24 * (3 + 2 + 8 + 7 + 1 + 1)
    synapses = {b.name: b.n_synapses for b in demand.bundles}
    assert (synapses["W1"], synapses["W2"], synapses["W2 mirrored"]) == (6, 6, 6)
    assert (synapses["late, entry by entry"], synapses["late to loss"]) == (20, 40)
    assert (synapses["first output to decay"], synapses["start to late"]) == (2, 1)
    assert (synapses["start of loss"], synapses["shares"], synapses["errors"], synapses["label"]) == (2, 4, 2, 2)
    assert demand.n_synapses == sum(synapses.values())
    assert {b.name for b in demand.bundles if b.payload_bits == 0} == {"heard"}
    assert [b.name for b in demand.bundles if b.delayed] == ["start to late"]


def test_messages_of_a_sample():
    """1 spike of an input, 2 of a hidden neuron, 3 of an output: T = 20, three pieces."""
    net = lowered(2, 3, 2)
    acts = net.activity([1, 2, 3], "by hand")
    assert acts.steps == net.clock.period == 20 + 4 + 60
    assert acts.groups == {"input": 2, "hidden1": 4 + 20, "output": 6 + 60 + 20, "loss": 3, "decay": 1, "late": 1}
    met = {b.name: acts.met(b) for b in net.demand.bundles}
    assert (met["W1"], met["W2"], met["W2 mirrored"], met["spikes"], met["label"]) == (2, 4, 60, 1, 1)
    assert (met["output to loss"], met["first output to decay"], met["late to loss"]) == (6, 6, 1)
    assert net.on_processors([1, 2, 3]) == {
        "messages": (2 * 1 + 3 * 20) + (3 * 2 + 2 * 20), "additions": 2 * 1 * 3 + 3 * 2 * 2, "bytes": 12 * 32,
        "writes": 6 + 2 * 6,
    }  # fmt: skip
    plan = make_plan(net, "loihi2", "packed", acts)
    costs = BOARDS["loihi2"].chip.costs
    events = sum(met[b.name] * b.n_synapses for b in net.demand.bundles)
    sizes = net.demand.sizes
    active = sum(sizes[name] * n for name, n in acts.groups.items())
    neurons = sum(sizes.values()) * acts.steps * costs.neuron_pj + active * (costs.active_pj - costs.neuron_pj)
    assert work(net, plan.placement, costs, acts).run_pj == pytest.approx(neurons + events * costs.synapse_pj)


def test_it_fits_loihi_2_and_never_loihi_1():
    net = lowered(4, 8, 3)
    assert make_plan(net, "loihi2").fits
    problems = make_plan(net, "loihi1").problems
    assert any("bits of state" in line for line in problems)
    assert any("carry 0 bits" in line for line in problems)


def test_a_plan_says_which_room_would_fit():
    """A core of 192 KB: with a room of 1024 spikes of two words, some 30 neurons; one core must hold all."""
    net, chip = lowered(4, 150, 3, room=1024), BOARDS["loihi2"].chip
    small = replace(BOARDS["loihi2"], chip=replace(chip, neurocores=replace(chip.neurocores, value=3)))
    plan = place(net, small)
    assert not plan.fits
    (line,) = (line for line in cures(plan) if "room for" in line)
    room = int(line.split()[2])
    assert 1 < room < 1024
    assert place(net.with_room(room), small).fits
    assert not place(net.with_room(room + 1), small).fits


@pytest.mark.parametrize("room", [None, 0, 1025, 2**40, "x", float("nan"), True])
def test_another_room_that_is_none(room):
    with pytest.raises(InputError, match="room for spikes of a neuron is .*, but must be an integer in 1 .. 1024"):
        lowered(2, 3, 2).with_room(room)


def test_other_sizes():
    net = lowered(3, 8, 8, 2, room=2)
    other = net.with_hidden(4)
    assert (other.layers, other.room) == ((3, 4, 4, 2), 2)
    assert [w.shape for w in other.mantissas] == [(3, 4), (4, 4), (4, 2)]
    assert np.array_equal(other.mantissas[1], net.mantissas[1][::2, ::2])
    assert net.with_hidden(8).demand == net.demand
    with pytest.raises(CircuitError, match="no hidden layer"):
        lowered(3, 2).with_hidden(2)
    with pytest.raises(CircuitError, match="hidden neurons"):
        net.with_hidden(0)
    with pytest.raises(InputError, match="spikes of 2 layers, but there are 4, with the input"):
        net.activity([1, 2], "too few")
