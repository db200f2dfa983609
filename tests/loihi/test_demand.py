"""What a network asks of a chip: one that is made up, with all that any may ask, planned by hand; and circuits'."""

from dataclasses import replace

import numpy as np
import pytest

from lava_nbp.errors import CircuitError, InputError
from lava_nbp.loihi.boards import BOARDS, LOIHI1, LOIHI2, Costs
from lava_nbp.loihi.demand import Activity, Bundle, Demand, Plannable
from lava_nbp.loihi.estimate import calibrate, work
from lava_nbp.loihi.lowering import lower
from lava_nbp.loihi.placement import packed_placement, paper_placement, spread_placement
from lava_nbp.loihi.plan import Plan, cures, make_plan, place
from lava_nbp.loihi.registers import NeuronRegisters
from lava_nbp.loihi.resources import Slice, least_use, limits_of, slots_of, usage
from lava_nbp.nbp.paper import training_circuit


class MadeUp(Plannable):
    """5 inputs, a (4) that learns and keeps 100 bits more, b (2), which answers a with graded spikes that come late."""

    def __init__(self, hidden=4, **changed):
        self.changed = changed
        self.demand = Demand(**{**self.fields(hidden), **changed})

    demand = None

    @staticmethod
    def fields(n):
        return {
            "name": "made-up",
            "layers": (5, n, 2),
            "groups": (NeuronRegisters("a", n, 10), NeuronRegisters("b", 2, 10)),
            "bundles": (
                Bundle("in", "", "a", range(5), True, True, False, (5, n)),
                Bundle("up", "a", "b", range(n), True, False, False, (n, 2)),
                Bundle("down", "b", "a", range(2), True, False, True, (2, n), payload_bits=16),
            ),
            "activity": Activity(10, 0.5, {"a": 2.0, "b": 0.25}),
            "n_synapses": 9 * n,
            "state_bits": {"a": 100},
            "longest_delay": 7,
            "hidden_key": "made.up = {}",
        }

    def with_hidden(self, n):
        return MadeUp(n, **self.changed)


#: a on cores 0 and 1, b on core 1.
PLACEMENT = {"a": (Slice(0, 0, 3), Slice(1, 3, 1)), "b": (Slice(1, 0, 2),)}


def test_resources_by_hand():
    used = usage(MadeUp(), PLACEMENT, LOIHI2, 2)
    assert used["neurons"].tolist() == [3, 3]
    # Onto a, on either core: 5 from outside, 2 from b. Onto b: 4.
    assert used["input_axons"].tolist() == [7, 7 + 4]
    # Every neuron of a reaches b's core; those of b both slices of a.
    assert used["output_axons"].tolist() == [3, 1 + 2 * 2]
    # Core 0: lists of 3 without delay 8 * 3 + 10 bits, with one 14 * 3 + 10: a word each. Core 1: likewise, of 1 and 2.
    assert used["synapse_memory"].tolist() == [7 * 64, 11 * 64]
    state = [3 * (192 + 100), 192 + 100 + 2 * 192]
    assert used["core_memory"].tolist() == [7 * 64 + state[0] + 32 * 10, 11 * 64 + state[1] + 32 * 16]
    assert "core_memory" not in usage(MadeUp(), PLACEMENT, LOIHI1, 2)
    least = least_use(MadeUp(), LOIHI2)
    assert least == {"neurons": 6, "synapse_memory": 36 * 8, "core_memory": 36 * 8 + 6 * 192 + 4 * 100}


def test_work_by_hand():
    costs = Costs(
        neuron_ns=1, active_ns=3, synapse_ns=10, update_ns=100, neuron_pj=2, active_pj=3, synapse_pj=5, update_pj=7
    )
    # Core 0: 3 neurons in 10 steps, 6 spikes at 2 more, 5 * 3 * 0.5 and 2 * 3 * 0.25 events; 15 plastic synapses.
    run0 = 30 + 6 * 2 + (7.5 + 1.5) * 10
    # Core 1: 3 neurons, 2 + 0.5 spikes, 2.5 and 0.5 events onto a, 4 * 2 * 2 onto b.
    run1 = 30 + 2.5 * 2 + (2.5 + 0.5 + 16) * 10
    found = work(MadeUp(), PLACEMENT, costs)
    assert (found.run_ns, found.learn_ns) == (max(run0, run1), 15 * 10 * 100)
    assert (found.run_pj, found.learn_pj) == (60 * 2 + 8.5 * 1 + 28 * 5, 20 * 10 * 7)
    c = calibrate(LOIHI2.costs)
    plan = Plan(MadeUp(), BOARDS["loihi2"], "packed", PLACEMENT)
    w = work(MadeUp(), PLACEMENT, LOIHI2.costs)
    ns, pj = 10 * c.t0 + w.run_ns + c.kt * w.learn_ns, c.ke * w.run_pj + c.kl * w.learn_pj
    assert plan.estimate.milliseconds == pytest.approx(ns * 1e-6)
    assert plan.estimate.millijoules == pytest.approx(pj * 1e-9)
    assert plan.estimate.learning_share_of_time == pytest.approx(c.kt * w.learn_ns / ns)


def test_what_was_counted_takes_the_place_of_what_is_assumed():
    silent = Activity(20, 0.0, {"a": 0.0, "b": 0.0}, "counted")
    counted = replace(Plan(MadeUp(), BOARDS["loihi2"], "packed", PLACEMENT), activity=silent)
    assert work(MadeUp(), PLACEMENT, Costs(), silent).run_pj == 6 * 20 * 52.0
    assert counted.estimate == make_estimate(silent)
    found = counted.as_dict()
    assert found["activity"] == {
        "steps": 20, "input": 0.0, "groups": {"a": 0.0, "b": 0.0}, "source": "counted", "bundles": {},
    }  # fmt: skip
    assert found["extrapolated"] is True
    for groups, message in (
        ({"a": 1.0}, "activity: group 'b', but the network made-up needs its spikes"),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, "activity: group 'c', but the network made-up has no group of that name"),
    ):
        with pytest.raises(InputError, match=message):
            replace(counted, activity=Activity(1, 1.0, groups))
        with pytest.raises(InputError, match=message):
            MadeUp(activity=Activity(1, 1.0, groups))
    with pytest.raises(InputError, match="activity: bundle 'x', but the network made-up has none of that name"):
        replace(counted, activity=replace(silent, bundles={"x": 1.0}))


def make_estimate(activity):
    return Plan(MadeUp(activity=activity), BOARDS["loihi2"], "packed", PLACEMENT).estimate


def test_what_a_chip_does_not_have_at_all_is_a_problem():
    plan = place(MadeUp(), BOARDS["loihi1"])
    assert plan.problems == (
        "neurons of Loihi 1 have 192 bits of state, but those of a need 100 more",
        "spikes of Loihi 1 carry 0 bits, but down needs 16",
    )
    assert cures(plan)[:1] == ["--chip loihi2: 4 of 120 neurocores"]
    assert place(MadeUp(), BOARDS["loihi2"]).fits
    plain = [replace(b, payload_bits=0) for b in MadeUp().demand.bundles]
    assert place(MadeUp(bundles=plain, state_bits={}), BOARDS["loihi1"]).fits


def test_delays_take_room():
    """A neuron has a power of two of slots, two more than its longest delay: of 8 there are 1024 on a core [N]."""
    assert [slots_of(delay) for delay in (1, 2, 3, 6, 7, 14, 15, 30, 31, 62)] == [4, 4, 8, 8, 16, 16, 32, 32, 64, 64]
    room = [limits_of(LOIHI1, MadeUp(longest_delay=delay).demand)["neurons"] for delay in (0, 6, 7, 62)]
    assert room == [1024, 1024, 512, 128]
    assert limits_of(LOIHI2, MadeUp(longest_delay=62).demand)["neurons"] == 1024
    assert limits_of(LOIHI1)["neurons"] == 1024
    many = MadeUp(1000, state_bits={}, longest_delay=62)
    slices = packed_placement(many, LOIHI1)
    assert max(sum(s.size for s in parts) for parts in ([s] for s in slices["a"])) <= 128
    plan = place(many, BOARDS["loihi1"], "packed")
    assert plan.used["neurons"].max() <= 128
    assert plan.limits["neurons"] == 128
    whole = Plan(many, BOARDS["loihi1"], "by hand", {"a": (Slice(0, 0, 1000),), "b": (Slice(1, 0, 2),)})
    assert any("core 0: 1000 of 128 neurons" in problem for problem in whole.problems)


def test_placements_of_a_network_without_a_chain():
    made = MadeUp(100)
    assert made.demand.placements == ("spread", "packed")
    spread = spread_placement(made)
    # Two to a core, as 79 cores hold 100 neurons so.
    assert [(s.core, s.first, s.size) for s in spread["a"]] == [(k, 2 * k, 2) for k in range(50)]
    assert [(s.core, s.size) for s in spread["b"]] == [(0, 1), (1, 1)]
    assert make_plan(made, "loihi2").placement_name == "spread"
    with pytest.raises(InputError, match="placement is 'paper', how nBP's authors placed circuits, but made-up"):
        make_plan(made, "loihi2", "paper")


def test_a_smaller_hidden_layer_is_found_by_what_the_network_makes_of_itself():
    made = MadeUp(100_000, longest_delay=0, state_bits={}, bundles=MadeUp().demand.bundles[:0])
    board = replace(BOARDS["loihi2"], chip=replace(LOIHI2, neurocores=replace(LOIHI2.neurocores, value=2)))
    plan = place(made, board)
    assert not plan.fits
    # 192 KB hold 8192 neurons of 192 bits; a's are cut in halves, and both of b's are on the core of one of them.
    assert cures(plan)[-1] == f"made.up = {2 * (8192 - 2)} is the largest that fits loihi2"


class Odd(MadeUp):
    """Has no other size."""

    def with_hidden(self, n):
        raise CircuitError("no")


def test_a_network_that_cannot_be_smaller_has_no_such_cure():
    plan = place(Odd(), BOARDS["loihi1"])
    assert not any("largest" in cure for cure in cures(plan))


def test_what_is_no_demand():
    fields = MadeUp.fields(4)
    for changed, message in (
        ({"state_bits": {"c": 1}}, "state_bits are of group 'c', which is not there"),
        ({"state_bits": {"a": -1}}, "state_bits of 'a' is -1, but must be an integer in 0"),
        ({"longest_delay": 63}, "longest_delay is 63, but must be an integer in 0 .. 62"),
        ({"bundles": (replace(fields["bundles"][1], pre="x"),)}, "bundle 'up' has group 'x', which is not there"),
    ):
        with pytest.raises(InputError, match=message):
            Demand(**{**fields, **changed})
    for changed in ({"steps": 0}, {"input": -1.0}, {"groups": {"a": float("nan")}}, {"groups": 3}):
        with pytest.raises(InputError, match="activity"):
            Activity(**{"steps": 1, "input": 1.0, "groups": {}, **changed})


def test_a_circuit_asks_for_what_its_registers_say():
    lowered = lower(training_circuit(6, 5, 3, chip_order=True))
    demand = lowered.demand
    assert (demand.name, demand.layers, demand.chain) == ("nbp-chip", (6, 5, 3), "chain")
    assert (demand.groups, demand.n_neurons, demand.n_plastic) == (lowered.groups, lowered.n_neurons, lowered.n_plastic)
    assert demand.learns
    assert demand.measured
    assert (demand.longest_delay, demand.state_bits) == (0, {})
    assert demand.activity.steps == lowered.circuit.period
    assert demand.activity.groups["chain"] == 1.0
    every = [b.n_synapses for b in demand.bundles]
    assert every == [b.synapses(0, b.shape[1]) for b in demand.bundles]
    # The pulse starts the ring from outside in the circuit, and by a register on the chip.
    third = sum(s.n_synapses for s in lowered.fixed if s.third_factor)
    assert sum(every) - third + 1 == demand.n_synapses
    assert not lower(training_circuit(6, 5, 3, chip_order=True).answering).demand.learns
    assert np.array_equal(sorted(paper_placement(lowered)), sorted(demand.sizes))
    assert lowered.with_hidden(4) == lower(training_circuit(6, 4, 3, chip_order=True))
