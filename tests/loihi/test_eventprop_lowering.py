"""EventProp's inference network as registers, and what it asks of a chip."""

import json
from dataclasses import replace

import numpy as np
import pytest

from lava_nbp.errors import CircuitError, InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.ladder import Ladder
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.loihi.boards import BOARDS, LOIHI1, LOIHI2, Board, Capacity, Costs
from lava_nbp.loihi.estimate import calibrate, work
from lava_nbp.loihi.eventprop_lowering import LoweredEventProp, MatrixRegisters, lower_eventprop
from lava_nbp.loihi.plan import Plan, cures, largest_hidden, make_plan, place
from lava_nbp.loihi.registers import NeuronRegisters
from lava_nbp.loihi.resources import Slice, usage

P, SLOW = NeuronParameters(20.0, 5.0), NeuronParameters(30.0, 8.0)
C = FixedPoint(P, 1.0, 40.0, neuron="loihi")


def test_what_is_lowered_by_hand():
    """A weight of 2 thresholds is 2**15 in units of u, 512 in those of weights: 128 times 2**2, if 3.9 are held."""
    late = np.array([[0, 3], [62, 1]])
    engine = ClockedEngine(
        [[[2.0, -1.0]], [[0.5], [0.25]]], Setup(C, TTFSLoss(), layers=(C, replace(C, p=SLOW))), largest=[3.9, 0.9, 1.0],
        recurrent=[[[0.0, 1.0], [-1.0, 0.0]], None], recurrent_delays=[late, None],
    )  # fmt: skip
    lowered = lower_eventprop(engine)
    assert (lowered.n_in, lowered.steps, lowered.n_synapses, lowered.longest_delay) == (1, 40, 2 + 2 + 4, 62)
    hidden, output = lowered.groups
    assert (hidden.name, hidden.size, hidden.du, hidden.dv, hidden.vth) == ("hidden1", 2, 741, 200, C.vth)
    assert (output.name, output.size, output.du, output.dv) == (
        "output", 1, round(4096 * (1 - np.exp(-1 / 8))) - 1, round(4096 * (1 - np.exp(-1 / 30)))
    )  # fmt: skip
    first, second, loop = lowered.matrices
    assert (first.name, first.pre, first.post, first.exponent, first.delays) == ("W1", "input", "hidden1", 2, None)
    assert first.mantissas.tolist() == [[128, -64]]
    assert (second.name, second.pre, second.post, second.exponent) == ("W2", "hidden1", "output", 0)
    assert second.mantissas.tolist() == [[128], [64]]
    assert (loop.name, loop.pre, loop.post) == ("R1", "hidden1", "hidden1")
    assert np.array_equal(loop.delays, late)
    for matrix, w in zip(lowered.matrices, engine.forward_weights, strict=True):
        assert np.array_equal(matrix.mantissas << matrix.exponent + 6, w)


def test_a_ladder_by_hand():
    """A group and a matrix per rung, alike but for the threshold; recurrent matrices stay the last."""
    setup = Setup(C, MaxVoltageLoss(), ladder=Ladder(3, 1.5, 0.5))
    late = np.array([[4], [0]])
    engine = ClockedEngine(
        [[[2.0, -1.0]], [[0.5], [0.25]]], setup, recurrent=[[[0.0, 1.0], [-1.0, 0.0]], None], delays=[None, late]
    )
    lowered = lower_eventprop(engine)
    assert [g.name for g in lowered.groups] == ["hidden1", "rung1", "rung2", "rung3"]
    assert lowered.rungs == 3
    assert (lowered.hidden, lowered.answering) == (lowered.groups[:1], lowered.groups[1:])
    assert [g.vth for g in lowered.answering] == [round(C.vth / 2), C.vth, round(1.5 * C.vth)]
    assert all((g.size, g.du, g.dv) == (1, C.du, C.dv) for g in lowered.answering)
    assert [(m.name, m.pre, m.post) for m in lowered.matrices] == [
        ("W1", "input", "hidden1"), ("W2_rung1", "hidden1", "rung1"), ("W2_rung2", "hidden1", "rung2"),
        ("W2_rung3", "hidden1", "rung3"), ("R1", "hidden1", "hidden1"),
    ]  # fmt: skip
    for matrix in lowered.matrices[1:4]:
        assert np.array_equal(matrix.mantissas << matrix.exponent + 6, engine.forward_weights[1])
        assert np.array_equal(matrix.delays, late)
    assert lowered.n_synapses == 2 + 3 * 2 + 4
    spiking = replace(lowered, rungs=0)
    assert spiking.answering == lowered.groups[-1:]
    assert not spiking.has_form_of(lowered)
    with pytest.raises(InputError, match="lowered EventProp network: rungs is 5, but must be an integer in 0 .. 4"):
        replace(lowered, rungs=5)


def test_refractory_periods_by_hand():
    """Registers count from spike to spike: 1 misses none."""
    layers = (replace(C, refractory=3), C, replace(C, refractory=62))
    lowered = lower_eventprop(ClockedEngine([[[1.0]]] * 3, Setup(C, TTFSLoss(), layers=layers)))
    assert [g.refractory for g in lowered.groups] == [4, 1, 63]
    assert not lowered.has_form_of(lower_eventprop(ClockedEngine([[[1.0]]] * 3, Setup(C, TTFSLoss()))))
    # Outputs that only integrate have none, and rungs are their copies.
    setup = Setup(C, MaxVoltageLoss(), layers=layers, ladder=Ladder(2, 1.5))
    assert [g.refractory for g in lower_eventprop(ClockedEngine([[[1.0]]] * 3, setup)).groups] == [4, 1, 1, 1]


def test_what_is_refused():
    for setup, message in (
        (Setup(FixedPoint(P, 1.0, 40.0), TTFSLoss()), "neurons of layer 1 are 'exact', whose arithmetic no chip"),
        (
            Setup(C, TTFSLoss(), layers=(FixedPoint(P, 1.0, 40.0),)),
            "neurons of layer 1 are 'exact', whose arithmetic no chip",
        ),
        (Setup(C, MaxVoltageLoss()), r"the outputs answer by voltages \(MaxVoltageLoss\), which no spikes tell; give"),
        (Setup(C, MeanVoltageLoss()), r"\(MeanVoltageLoss\), which no spikes tell; train with the loss ttfs, or"),
    ):
        with pytest.raises(InputError, match=message):
            lower_eventprop(ClockedEngine([[[1.0]]], setup))
    with pytest.raises(InputError, match="engine is 3, but must be a ClockedEngine"):
        lower_eventprop(3)
    good = {"name": "W1", "pre": "input", "post": "output", "mantissas": np.array([[2, -254]]), "exponent": 7}
    for changed, message in (
        ({"mantissas": np.array([[3, 2]])}, "synapses 'W1': mantissas hold 3, but must be even"),
        ({"mantissas": np.array([[256, 2]])}, "mantissas are 2 .. 256, but must be in -254 .. 254"),
        ({"mantissas": np.array([2, 2])}, r"mantissas have shape \(2,\) and dtype int64, but must be integers"),
        ({"mantissas": np.array([[2.0]])}, r"mantissas have shape \(1, 1\) and dtype float64, but must be integers"),
        ({"exponent": 8}, "synapses 'W1': exponent is 8, but must be an integer in 0 .. 7"),
        ({"delays": np.array([[63, 0]])}, "synapses 'W1': delays are 0 .. 63, but must be in 0 .. 62"),
        ({"delays": np.array([[1]])}, r"delays have shape \(1, 1\), but mantissas \(1, 2\)"),
    ):
        with pytest.raises(InputError, match=message):
            MatrixRegisters(**{**good, **changed})
    assert MatrixRegisters(**good).mantissas.dtype == np.int32
    for changed, message in (
        ({"n_in": 0}, "lowered EventProp network: n_in is 0, but must be an integer of 1 or more"),
        ({"steps": -1}, "lowered EventProp network: steps is -1, but must be an integer of 1 or more"),
        ({"groups": ()}, "lowered EventProp network: groups is empty, so that nothing answers"),
    ):
        with pytest.raises(InputError, match=message):
            replace(tiny(), **changed)


def tiny(delays=None):
    """2 inputs, 3 hidden neurons with recurrent weights, 4 outputs; 40 steps."""
    return lower_eventprop(
        ClockedEngine(
            [np.ones((2, 3)), np.ones((3, 4))], Setup(C, TTFSLoss()), recurrent=[np.zeros((3, 3)), None],
            delays=[None, delays],
        )
    )  # fmt: skip


#: One synapse of the second matrix is late.
LATE = np.eye(3, 4, dtype=int) * 7
#: A hidden neuron is on the core of the outputs.
PLACEMENT = {"hidden1": (Slice(0, 0, 2), Slice(1, 2, 1)), "output": (Slice(1, 0, 4),)}


def test_what_it_asks_of_a_chip():
    demand = tiny(LATE).demand
    assert (demand.title, demand.n_neurons, demand.n_synapses, demand.n_plastic) == ("eventprop 2-3-4", 7, 27, 0)
    assert [(b.name, b.pre, b.post, b.shape, b.delayed) for b in demand.bundles] == [
        ("W1", "", "hidden1", (2, 3), False),
        ("W2", "hidden1", "output", (3, 4), True),
        ("R1", "hidden1", "hidden1", (3, 3), False),
    ]
    assert (demand.longest_delay, demand.chain, demand.measured) == (7, "", False)
    # Steps of the trial, one in, one out.
    assert demand.activity.steps == 40 + 1 + 1
    assert demand.activity.groups == {"hidden1": 1.0, "output": 1.0}
    assert not any(b.delayed for b in tiny(np.zeros((3, 4), dtype=int)).demand.bundles)


def test_resources_by_hand():
    used = usage(tiny(LATE), PLACEMENT, LOIHI2, 2)
    assert used["neurons"].tolist() == [2, 5]
    # Core 0: 2 of W1, 3 of R1; core 1: these, and 3 of W2.
    assert used["input_axons"].tolist() == [5, 8]
    # Hidden neurons reach two cores by R1, one by W2.
    assert used["output_axons"].tolist() == [2 * 3, 3]
    # A word each; lists of 4 with delays take 4 * 14 + 10 bits: two. Weights of 0, which R1 has, are stored.
    assert used["synapse_memory"].tolist() == [5 * 64, 5 * 64 + 3 * 128]
    assert used["core_memory"].tolist() == [320 + 2 * 192 + 11 * 32, 704 + 5 * 192 + 11 * 32]
    punctual = usage(tiny(), PLACEMENT, LOIHI1, 2)
    assert punctual["synapse_memory"].tolist() == [5 * 64, 8 * 64]
    rows = {row["connection"]: row for row in Plan(tiny(LATE), BOARDS["loihi1"], "mine", PLACEMENT).connection_rows()}
    assert rows["W1"]["pre"] == "host"
    assert (rows["W2"]["synapses"], rows["W2"]["input_axons"], rows["W2"]["synapse_memory"]) == (12, 3, 384)


def test_time_and_energy_by_hand():
    costs = Costs(neuron_ns=1, active_ns=3, synapse_ns=10, neuron_pj=2, active_pj=3, synapse_pj=5)
    lowered = tiny(LATE)
    activity = lowered.activity([0.5, 2.0, 0.25], "counted")
    found = work(lowered, PLACEMENT, costs, activity)
    # Core 0: 2 neurons, 4 spikes, 0.5 * 2 * 2 + 2 * 3 * 2 events; core 1: 5 neurons, 3 spikes, 1 + 6 + 24 events.
    assert found.run_ns == max(2 * 42 + 4 * 2 + 14 * 10, 5 * 42 + 3 * 2 + 31 * 10)
    assert found.run_pj == 7 * 42 * 2 + 7 * 1 + 45 * 5
    assert (found.learn_ns, found.learn_pj) == (0, 0)
    plan = Plan(lowered, BOARDS["loihi1"], "mine", PLACEMENT, activity)
    c, w = calibrate(LOIHI1.costs), work(lowered, PLACEMENT, LOIHI1.costs, activity)
    assert plan.estimate.milliseconds == pytest.approx((42 * c.t0 + w.run_ns) * 1e-6)
    assert plan.estimate.millijoules == pytest.approx(c.ke * w.run_pj * 1e-9)
    with pytest.raises(InputError, match="spikes of 2 layers, but there are 3, with the input"):
        lowered.activity([1.0, 1.0], "")


@pytest.mark.parametrize("board", BOARDS)
def test_every_board_plans_it(board):
    for placement in ("auto", "spread", "packed"):
        plan = make_plan(tiny(LATE), board, placement)
        assert plan.fits
        assert plan.n_cores == {"packed": 1}.get(placement, 4)  # a neuron to a core
        found = plan.as_dict()
        assert json.loads(json.dumps(found)) == found
        assert (found["circuit"], found["layers"], found["extrapolated"]) == ("eventprop", [2, 3, 4], True)


def wide(n, delay=0, n_in=784):
    """784 inputs, n hidden neurons, 10 outputs; W1 late."""
    late = np.full((n_in, n), delay) if delay else None
    return LoweredEventProp(
        n_in,
        (NeuronRegisters("hidden1", n, 1000, du=700, dv=200), NeuronRegisters("output", 10, 1000, du=700, dv=200)),
        (
            MatrixRegisters("W1", "input", "hidden1", np.zeros((n_in, n), int), 0, late),
            MatrixRegisters("W2", "hidden1", "output", np.zeros((n, 10), int), 0),
        ),
        40,
    )


def test_what_does_not_fit_and_what_would():
    plan = make_plan(wide(20_000), "loihi1")
    assert not plan.fits
    # An output listens to each of them, and a core to 4096, whatever the board.
    assert cures(plan) == ["network.hidden = [4096] is the largest that fits loihi1"]
    assert make_plan(wide(4096), "loihi1").fits
    assert not make_plan(wide(4097), "loihi1").fits
    # 120 000 synapses of 14 bits are more than such a board's 1 Mbit.
    small = Board("small", replace(LOIHI1, neurocores=Capacity(1, "mine")), 1, "mine")
    plan = place(wide(400, 1, 300), small)
    assert not plan.fits
    found = cures(plan)
    assert [cure.split(":")[0] for cure in found[:-1]] == [f"--chip {name}" for name in BOARDS]
    hidden = largest_hidden(plan.lowered, small)
    assert 150 < hidden < (1 << 20) / (14 * 300)
    assert found[-1] == f"network.hidden = [{hidden}] is the largest that fits small"
    assert place(plan.lowered.with_hidden(hidden), small).fits
    assert not place(plan.lowered.with_hidden(hidden + 1), small).fits


def test_another_placement_is_a_cure():
    assert make_plan(wide(350), "loihi1", "spread").fits
    spread = make_plan(wide(4000, 6), "loihi1", "spread")
    assert not spread.fits
    assert cures(spread)[0].startswith("--placement packed: ")


def test_delays_are_counted_in_memory_and_room():
    late, punctual = (make_plan(wide(1000, delay), "loihi1", "packed") for delay in (62, 0))
    assert (late.limits["neurons"], punctual.limits["neurons"]) == (128, 1024)
    assert late.fits
    assert late.used["neurons"].max() <= 128
    assert late.n_cores > punctual.n_cores
    assert late.used["synapse_memory"].sum() > 1.6 * punctual.used["synapse_memory"].sum()


def test_a_network_with_other_hidden_layers():
    lowered = tiny(LATE)
    smaller = lowered.with_hidden(2)
    assert smaller.layers == (2, 2, 4)
    assert [m.mantissas.shape for m in smaller.matrices] == [(2, 2), (2, 4), (2, 2)]
    assert np.array_equal(smaller.matrices[0].mantissas, lowered.matrices[0].mantissas[:, :2])
    # What delays would be learned nobody knows: the longest.
    assert (smaller.matrices[1].delays == 7).all()
    assert smaller.matrices[0].delays is None
    assert lowered.with_hidden(3).layers == lowered.layers
    deep = lower_eventprop(
        ClockedEngine([np.ones((2, 8)), np.ones((8, 4)), np.ones((4, 3))], Setup(C, TTFSLoss()))
    )  # fmt: skip
    assert deep.with_hidden(4).layers == (2, 4, 2, 3)
    with pytest.raises(CircuitError, match="hidden neurons is 0, but must be an integer in 1"):
        deep.with_hidden(0)
    with pytest.raises(CircuitError, match="no hidden layer"):
        lower_eventprop(ClockedEngine([np.ones((2, 3))], Setup(C, TTFSLoss()))).with_hidden(2)
