"""Rungs: largest voltages as the number of copies of an output, with rising thresholds, that spike."""

from itertools import pairwise

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.ladder import Ladder
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import spike_trains

P, END = NeuronParameters(20.0, 5.0), 40.0
C = FixedPoint(P, 1.0, END, 13, neuron="loihi")
#: Of a register, in thresholds.
TOP = 131071 / C.vth


def test_thresholds_by_hand():
    """Rungs from 1 to 2.5 thresholds; a voltage of exactly 64 times a register is not above it."""
    rungs = Ladder(4, 2.5, 1.0).of(C)
    assert rungs.vth.tolist() == [C.vth, round(1.5 * C.vth), 2 * C.vth, round(2.5 * C.vth)]
    assert rungs.heights.tolist() == [0.0, 1.0, round(1.5 * C.vth) / C.vth, 2.0, round(2.5 * C.vth) / C.vth]
    edge = rungs.vth * 64
    assert rungs.levels(np.array([0, -5, edge[0], edge[0] + 1, edge[3], edge[3] + 1, REGISTER_MAX])).tolist() == [
        0, 0, 0, 1, 3, 4, 4
    ]  # fmt: skip
    assert np.array_equal(Ladder(4, 2.0).of(C).vth, Ladder(4, 2, 0.5).of(C).vth)
    assert Ladder(2, TOP).of(C).vth[-1] == 131071


def test_what_is_refused():
    for wrong, message in (
        ((1, 2.0), "rungs of a ladder is 1, but must be an integer in 2 .. 256"),
        ((257, 2.0), "rungs of a ladder is 257, but must be an integer in 2 .. 256"),
        ((8, 0.0), "highest rung is 0.0, but must be"),
        ((8, 2.0, -1.0), "lowest rung is -1.0, but must be"),
        ((8, 2.0, 2.0), "lowest rung is 2 thresholds, but must be below the highest, 2; exchange them"),
        ((8, "2"), "highest rung is '2', but must be"),
    ):
        with pytest.raises(InputError, match=message):
            Ladder(*wrong)
    for ladder, c, message in (
        (Ladder(2, 1.001 * TOP), C, rf"the highest rung is .* but a chip's register holds {TOP:.4g} at 13 theta_bits"),
        (Ladder(256, 0.01), C, "256 rungs from 3.90625e-05 to 0.01 thresholds are not told apart"),
        (Ladder(2, 2.0, 1e-6), C, "2 rungs from 1e-06 to 2 thresholds are not told apart by a chip's register"),
        (Ladder(8, 2.0), FixedPoint(P, 1.0, END), "neurons of the output layer are 'exact', but rungs are a chip's"),
    ):
        with pytest.raises(InputError, match=message):
            Setup(c, MaxVoltageLoss(), ladder=ladder)
    for loss, message in (
        (TTFSLoss(), "a ladder reads largest voltages, but the loss is TTFSLoss; leave it out"),
        (MeanVoltageLoss(), "but the loss is MeanVoltageLoss: rungs tell no means; leave it out"),
    ):
        with pytest.raises(InputError, match=message):
            Setup(C, loss, ladder=Ladder(8, 2.0))
    with pytest.raises(InputError, match="setup: ladder is 3, but must be a Ladder or"):
        Setup(C, MaxVoltageLoss(), ladder=3)


def problem(layers, scale=1.0, delayed=False, looped=False, seed=0):
    """Weights, some of the output's negative, and what else the engine takes; with three samples."""
    rng = np.random.default_rng([seed, len(layers)])
    last = len(layers) - 2
    weights = [scale * rng.normal(3.5 if k < last else 0.3, 1.2, s) for k, s in enumerate(pairwise(layers))]
    weights[-1][:, 0] = -np.abs(weights[-1][:, 0])
    options = {}
    if delayed:
        options["delays"] = [rng.integers(0, 9, s) for s in pairwise(layers)]
    if looped:
        options["recurrent"] = [*(rng.normal(0, 0.5 * scale, (n, n)) for n in layers[1:-1]), None]
    trains = [([], []), *((np.sort(rng.integers(0, 40, 9)) * 1.0, rng.integers(0, layers[0], 9)) for _ in range(3))]
    return weights, options, spike_trains(trains, layers[0], END)


@pytest.mark.parametrize(
    ("layers", "scale", "delayed", "looped"),
    [
        ((4, 3), 1.0, False, False),
        ((4, 6, 3), 1.0, True, True),
        ((4, 6, 5, 3), 1.0, False, True),
        ((4, 6, 3), 30.0, True, True),  # u wraps, v saturates
    ],
)
def test_levels_are_those_of_the_largest_voltages(layers, scale, delayed, looped):
    """And a rung spikes where an output, watched in every step, is above its threshold for the first time."""
    weights, options, trains = problem(layers, scale, delayed, looped)
    plain = ClockedEngine(weights, Setup(C, MaxVoltageLoss()), **options)
    top = min(float(plain.infer(trains).said.max()), TOP)
    setup = Setup(C, MaxVoltageLoss(), ladder=Ladder(9, top, 0.2 * top))
    engine = ClockedEngine(weights, setup, **options)
    edges, levels, most = setup.rungs.vth * 64, set(), 0
    for k in range(len(trains)):
        mine = slice(*trains.offsets[k : k + 2])
        seen, gradients = plain.watch(C.steps_of(trains.times[mine]), trains.sources[mine], 1)
        V = seen[-1].V
        above = V[:, :, None] > edges
        level = above.any(axis=0).sum(axis=-1)
        said = engine.infer(trains, np.array([k]))
        assert said.voltages
        assert np.array_equal(said.said[0], setup.rungs.heights[level])
        rungs = engine.spikes(trains, k)["output"]
        assert rungs.shape == (40, layers[-1], 9)
        assert np.array_equal(rungs.any(axis=0), above.any(axis=0))
        assert np.array_equal(rungs.argmax(axis=0), above.argmax(axis=0))
        # What is learned is that of the voltages themselves.
        again, by_levels = engine.watch(C.steps_of(trains.times[mine]), trains.sources[mine], 1)
        assert np.array_equal(again[-1].V, V)
        assert all(np.array_equal(a, b) for a, b in zip(gradients, by_levels, strict=True))
        levels |= set(level.tolist())
        most = max(most, V.max())
    assert {0, 9} <= levels if scale > 1 else len(levels) > 3 and 0 in levels
    assert bool(most == REGISTER_MAX) is (scale > 1)


def test_exactly_at_a_threshold():
    """One input spike of 7 / 8 thresholds; its largest voltage is known, and a rung at just that does not spike."""
    c = FixedPoint(P, 1.0, END, 13, neuron="loihi")
    trains = spike_trains([([2.0], [0])], 1, END)
    seen, _ = ClockedEngine([[[0.875]]], Setup(c, MaxVoltageLoss())).watch(np.array([2]), np.array([0]), 0)
    peak = int(seen[0].V.max())
    assert peak % 64  # so that no register is exactly there: the voltage is made one, below
    vth = peak // 64
    for lowest, level in ((vth, 1), (vth + 1, 0)):
        engine = ClockedEngine([[[0.875]]], Setup(c, MaxVoltageLoss(), ladder=Ladder(2, 9.0, lowest / c.vth)))
        assert engine.setup.rungs.vth[0] == lowest
        assert engine.run_sample(np.array([2]), np.array([0]), None)[0].tolist() == [level]
        assert engine.spikes(trains, 0)["output"].any(axis=0).tolist() == [[bool(level), False]]


def test_spikes_of_outputs_that_spike_and_of_those_that_only_integrate():
    weights, options, trains = problem((4, 6, 5, 3), looped=True)
    first = ClockedEngine(weights, Setup(C, TTFSLoss()), **options)
    found = first.spikes(trains, 2)
    assert [(name, z.shape, z.dtype) for name, z in found.items()] == [
        ("hidden1", (40, 6), np.uint8), ("hidden2", (40, 5), np.uint8), ("output", (40, 3), np.uint8)
    ]  # fmt: skip
    _, counts = first.infer_counted(trains, np.array([2]))
    assert all(np.array_equal(z.sum(axis=0), n) for z, n in zip(found.values(), counts, strict=True))
    there = found["output"].any(axis=0)
    steps = np.where(there, (found["output"].argmax(axis=0) + 1) * 1.0, np.inf)
    assert there.any()
    assert np.array_equal(first.infer(trains, np.array([2])).said[0], steps)
    voltages = ClockedEngine(weights, Setup(C, MaxVoltageLoss()), **options)
    assert list(voltages.spikes(trains, 2)) == ["hidden1", "hidden2"]
    with pytest.raises(InputError, match="sample"):
        first.spikes(trains, 7)


def test_more_spikes_of_a_rung_than_there_was_room_for():
    """Room grows for rungs as for other layers, and what the output's largest voltages are does not change."""
    weights, options, trains = problem((4, 6, 3), 30.0)
    engine = ClockedEngine(weights, Setup(C, MaxVoltageLoss(), ladder=Ladder(2, 4.0, 1 / C.vth)), **options)
    before = engine.infer(trains).said
    engine._tapes[-1] = engine._tapes[-1].make(3, 1)
    engine.write_forward()
    spikes = engine.spikes(trains, 1)["output"]
    assert spikes[:, :, 0].sum() > 10
    assert len(engine._tapes[-1].step) > 10
    assert np.array_equal(engine.infer(trains).said, before)
    fresh = ClockedEngine(weights, Setup(C, MaxVoltageLoss(), ladder=Ladder(2, 4.0, 1 / C.vth)), **options)
    assert np.array_equal(fresh.spikes(trains, 1)["output"], spikes)
