"""Delays in whole steps: what comes later as such, an oracle of another shape, and the parts."""

from itertools import pairwise

import numpy as np
import pytest
from clocked_loop import PartsLoop, same_states
from clocked_oracle import Oracle

from lava_nbp.base.widths import DELAY_MAX
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.delays import LearnedDelays, steps_of
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import spike_trains

P, END = NeuronParameters(20.0, 5.0), 60.0
LAYERS = (4, 6, 3)


def made(loss, delays, loops=(False, False), recurrent_delays=None, seed=0, bits=(14, 12, 14), **options):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(m, 0.7, s) for m, s in zip((2.5, 1.4), pairwise(LAYERS), strict=True)]
    recurrent = [rng.normal(0, 0.5, (n, n)) if loop else None for n, loop in zip(LAYERS[1:], loops, strict=True)]
    setup = Setup(FixedPoint(P, 1.0, END, *bits), loss, optimizer=options.pop("optimizer", "adam"))
    return ClockedEngine(
        weights, setup, recurrent=recurrent, delays=delays, recurrent_delays=recurrent_delays, **options
    )


def sample(seed=0, last=30):
    rng = np.random.default_rng([seed, 1])
    return np.sort(rng.integers(0, last, 8)), rng.integers(0, 4, 8)


def drawn(shape, seed=0, most=9):
    return np.random.default_rng([seed, 3]).integers(0, most, shape)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_without_a_delay_nothing_changes():
    found = []
    for delays, late in ((None, None), ([np.zeros((4, 6), int), np.zeros(6, int)], [np.zeros((6, 6), int), None])):
        engine = made(TTFSLoss(), delays, (True, False), late)
        found.append(engine.watch(*sample(), 1))
    assert all(same(a, b) for a, b in zip(found[0][0], found[1][0], strict=True))
    assert same(found[0][1], found[1][1])


@pytest.mark.parametrize("loss", [TTFSLoss(), MaxVoltageLoss(), MeanVoltageLoss(gain=9.0)])
def test_delays_of_inputs_are_later_inputs(loss):
    """Those of sources, and the same of synapses, are what the spikes of each input say if they come so much later."""
    late = np.array([0, 5, 17, DELAY_MAX - 40])
    steps, sources = sample()
    order = np.argsort(steps + late[sources], kind="stable")
    seen, gradients = made(loss, None).watch((steps + late[sources])[order], sources[order], 1)
    for delays in (late, np.tile(late[:, None], (1, 6))):
        found, by = made(loss, [delays, None]).watch(steps, sources, 1)
        assert all(same(a, b) for a, b in zip(found, seen, strict=True))
        assert same(by, gradients)
        assert by[0].any()


def test_what_would_come_behind_the_last_step_does_not():
    """An input spike in step 10 of 60 and its delay of 50: as if there were none; of 49: in the last step."""
    silent, last, none = (
        made(MeanVoltageLoss(gain=9.0), [np.full(4, d), None]).watch(np.array(k), np.array(i, int), 1)
        for d, k, i in ((50, [10], [0]), (49, [10], [0]), (0, [], []))
    )
    assert same(silent[0][0], none[0][0])
    assert not silent[1][0].any()
    assert np.count_nonzero(last[0][0].I.any(axis=1)) == 1
    assert last[0][0].I[-1].any()


def test_a_delay_in_a_loop_by_hand():
    """The first neuron spikes at the end of step 1; with a delay of 3 its spike reaches the second in step 5."""
    c = FixedPoint(P, 1.0, 8.0)
    engine = ClockedEngine(
        [np.array([[30.0, 0.0]])], Setup(c, TTFSLoss()), recurrent=[np.array([[0.0, 0.75], [0.0, 0.0]])],
        recurrent_delays=[np.array([[0, 3], [0, 0]])],
    )  # fmt: skip
    (seen,), _ = engine.watch(np.array([1]), np.array([0]), 0)
    assert seen.V[1, 0] == 0 < seen.I[1, 0]
    assert not seen.I[:5, 1].any()
    assert seen.I[5, 1] == (c.beta * engine.forward_weights[1][0, 1] + 2048) >> 12


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("loops", "loss"),
    [((False, False), TTFSLoss(3.0, 6.4, 0.02)), ((True, True), TTFSLoss(3.0, 6.4, 0.02)),
     ((True, False), MeanVoltageLoss(gain=6.0))],
)  # fmt: skip
def test_gradients_are_those_of_an_oracle_in_floating_point(loops, loss, seed):
    """By weights and by delays, of synapses and of sources, in all matrices, recurrent ones, too."""
    delays = [drawn((4, 6), seed), drawn(6, seed + 10)]
    late = [drawn((n, n), seed + 20 + n) if loop else None for n, loop in zip(LAYERS[1:], loops, strict=True)]
    engine = made(loss, delays, loops, late, seed, (17, 24, 17), delay_rate=1.0)
    c, label, (steps, sources) = engine.c, seed % 3, sample(seed)
    result, found = engine.gradient(spike_trains([(steps * c.dt, sources)], 4, END), np.array([label]))
    counts = np.zeros((c.steps, 4))
    np.add.at(counts, (steps, sources), 1)
    every = [delays[0], np.tile(delays[1][:, None], (1, 3)), *(d for d in late if d is not None)]
    oracle = Oracle(engine.weights, engine.loops, 20.0, 5.0, c.dt, c.steps, c.floor, every)
    spikes = oracle.forward(counts, isinstance(loss, TTFSLoss))
    assert result.hidden_spikes == spikes[:, : oracle.output.start].sum() > 0
    at_spikes, impulses = np.zeros_like(spikes), np.zeros_like(spikes)
    if isinstance(loss, TTFSLoss):
        at_spikes = oracle.at_first_spikes(loss, label)
    else:
        error = -loss.by_means(oracle.V[:, oracle.output].mean(axis=0), label) / 20.0
        impulses[:, oracle.output] = error / c.steps
    expected, by_delays = oracle.backward(at_spikes, impulses)
    by_delays[1] = by_delays[1].sum(axis=1)  # of sources
    assert [g.shape for g in found] == [g.shape for g in (*expected, *by_delays)]
    for kind, wanted in ((found[: len(expected)], expected), (found[len(expected) :], by_delays)):
        scale = max(np.abs(g).max() for g in wanted)
        assert scale > 0
        for a, b in zip(kind, wanted, strict=True):
            assert np.abs(a - b).max() < 0.01 * scale


@pytest.mark.parametrize(
    ("loops", "loss"),
    [((True, True), TTFSLoss()), ((True, False), MeanVoltageLoss(15.0, 9.0)), ((False, False), MaxVoltageLoss())],
)
@pytest.mark.parametrize("rate", [0.0, 2.0])
def test_parts_do_the_same_in_every_step(loops, loss, rate):
    """Three samples, one after the other, of which the last has spikes on their way when the trial ends."""
    delays = [drawn((4, 6), most=30), drawn(6)]
    late = [drawn((n, n), n) if loop else None for n, loop in zip(LAYERS[1:], loops, strict=True)]
    engine = made(loss, delays, loops, late, delay_rate=rate)
    learned = [d for d in (*delays, *late) if d is not None]
    loop = PartsLoop(
        [m.copy() for m in engine.masters[: len(engine.delays)]], engine.exponents, engine.setup, engine.looped,
        [LearnedDelays(d, "adam", engine.c, rate) for d in learned] if rate else engine.delays,
    )  # fmt: skip
    T = engine.c.steps
    for seed, last in ((0, 30), (1, 30), (2, T)):
        steps, sources = sample(seed, last)
        seen, gradients = engine.watch(steps, sources, seed)
        # A batch of none: gradients are those of this sample.
        loop.sample(steps, sources, seed, same_states(loop, seen))
        by_delays = [dense.learned_delays.gradient for dense in loop.dense] if rate else []
        assert same([*(dense.gradient for dense in loop.dense), *by_delays], gradients)
        for kind in (gradients[: len(loop.dense)], gradients[len(loop.dense) :]):
            assert any(g.any() for g in kind) or not kind


@pytest.mark.parametrize("loss", [TTFSLoss(3.0, 6.4, 0.02), MeanVoltageLoss(20.0, 6.0)])
def test_the_direction_comes_nearer_to_that_of_continuous_time(loss):
    """Cosines of the angles between both gradients, by each matrix and its delays: the medians of 24 samples.

    Adjoint variables have 20 fractional bits, since short steps change them by little.
    """
    medians = []
    for dt in (1.0, 0.25, 0.0625):
        found = []
        for seed in range(24):
            rng = np.random.default_rng(seed)
            weights, ms = [rng.normal(2.5, 0.7, (4, 8)), rng.normal(1.4, 0.7, (8, 3))], rng.integers(0, 4, (4, 8))
            setup = Setup(FixedPoint(P, dt, END, 15, 22, 20), loss)
            late = [steps_of(setup.c.delay_masters(ms)), np.zeros(8, int)]
            clocked = ClockedEngine(weights, setup, delays=late, delay_rate=1.0)
            exact = EventPropEngine(clocked.weights, P, loss, END, delays=[ms * 1.0, np.zeros(8)], delay_rate=1.0)
            trains = spike_trains([(np.sort(rng.uniform(0, 30, 8)), rng.integers(0, 4, 8))], 4, END)
            one, other = (e.gradient(trains, np.array([seed % 3]))[1] for e in (clocked, exact))
            pairs = zip((g.ravel() for g in one), (g.ravel() for g in other), strict=True)
            found.append([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
        medians.append(np.median(found, axis=0))
    assert medians[0].shape == (4,)
    assert (np.diff(medians, axis=0) > 0).all()
    assert medians[-1].min() > 0.999


def test_training_with_delays():
    """Batches, and room for spikes that grows in between: as with all the room from the start."""
    trains = spike_trains([sample(k) for k in range(6)], 4, END)
    engines = [made(TTFSLoss(), [drawn((4, 6)), drawn((6, 3))], (True, False), [drawn((6, 6)), None]) for _ in range(2)]
    engines[0]._tapes[0] = engines[0]._tapes[0].make(6, 2)
    engines[0].write_forward()
    for engine in engines:
        for k in (0, 3):
            engine.train_batch(trains, np.arange(6) % 3, np.arange(k, k + 3), 0.01)
    assert same(engines[0].masters, engines[1].masters)
    assert not same(engines[0].masters, made(TTFSLoss(), None, (True, False)).masters)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_delays_that_are_learned_act_in_whole_steps(optimizer):
    """Batch by batch: as an engine whose fixed delays are those of the moment, rounded, and whose weights are the same.

    Some delays meet both of their limits, which is counted, and all of them stay within.
    """
    trains, labels = spike_trains([sample(k) for k in range(6)], 4, END), np.arange(6) % 3
    delays, late = [drawn((4, 6)), drawn(6)], [drawn((6, 6)), None]
    rate = 400.0 if optimizer == "adam" else 1e4
    options = {"optimizer": optimizer, "delay_rate": rate, "longest_delay": 10}
    engine = made(TTFSLoss(), delays, (True, False), late, **options)
    assert [m.shape for m in engine.masters] == [(4, 6), (6, 3), (6, 6), (4, 6), (6,), (6, 6)]
    seen, bounded = [], 0
    for k in range(12):
        now = [steps_of(m) for m in engine.masters[3:]]
        fixed = made(TTFSLoss(), now[:2], (True, False), [now[2], None], optimizer=optimizer)
        fixed.write_masters(engine.masters[:3])
        chosen = np.arange(3) + 3 * (k % 2)
        (answer, found), (expected, wanted) = (e.gradient(trains.take(chosen), labels[chosen]) for e in (engine, fixed))
        assert np.array_equal(answer.said, expected.said)
        assert same(found[:3], wanted)
        assert any(g.any() for g in found[3:])
        bounded += engine.train_batch(trains, labels, chosen, 0.005).bounded
        seen.append(now)
        assert all(np.array_equal(d, e) for d, e in zip(engine.delays[:1], [steps_of(engine.masters[3])], strict=True))
        assert engine.delays[1].tolist() == [[d] * 3 for d in steps_of(engine.masters[4])]
    assert bounded > 0
    for first, last in zip(seen[0], seen[-1], strict=True):
        assert np.count_nonzero(first != last) > first.size / 4
    every = np.concatenate([m.ravel() for m in engine.masters[3:]])
    assert (every.min(), every.max()) == (0, 10 << 20)


def test_one_step_of_delays_by_hand():
    """Adam's first step is the rate: 0.01 thresholds times 100 ms per threshold is 1 ms, of steps of 0.5 ms two.

    Towards later where an earlier spike costs less, and no delay is beyond its limits. Of plain descent it is
    rate times gradient.
    """
    c = FixedPoint(P, 0.5, 30.0)
    for optimizer in ("adam", "sgd"):
        engine = ClockedEngine(
            [np.full((2, 2), 1.5)], Setup(c, MeanVoltageLoss(gain=40.0), optimizer=optimizer),
            delays=[np.array([[5, 5], [0, 7]])], delay_rate=100.0, longest_delay=7,
        )  # fmt: skip
        trains = spike_trains([([4.0, 6.0], [0, 1])], 2, 30.0)
        _, (_, by_delay) = engine.gradient(trains, np.array([0]))
        assert (by_delay[:, 0] > 0).all()  # the label's voltage shall come early
        assert (by_delay[:, 1] < 0).all()
        bounded = engine.train_batch(trains, np.array([0]), np.array([0]), 0.01).bounded
        assert bounded == 2
        step = 2.0 if optimizer == "adam" else 0.01 * 100 / 0.5 * np.abs(by_delay)
        wanted = np.clip(np.array([[5, 5], [0, 7]]) - np.sign(by_delay) * step, 0, 7)
        assert np.abs(engine.masters[1] / (1 << 20) - wanted).max() < 5e-3
        if optimizer == "adam":
            assert engine.delays[0].tolist() == [[3, 7], [0, 7]]


def test_learned_delays_go_on_from_a_state():
    trains, labels = spike_trains([sample(k) for k in range(6)], 4, END), np.arange(6) % 3
    whole, again = (made(TTFSLoss(), [drawn((4, 6)), drawn(6)], delay_rate=300.0) for _ in range(2))
    for k in range(3):
        whole.train_batch(trains, labels, np.arange(6), 0.01)
        if k == 1:
            again.write_masters(whole.masters)
            again.load_state(whole.state())
    again.train_batch(trains, labels, np.arange(6), 0.01)
    assert same(again.masters, whole.masters)
    assert not same(whole.masters[2:], made(TTFSLoss(), [drawn((4, 6)), drawn(6)], delay_rate=300.0).masters[2:])


def test_whatever_is_written_into_learned_delays_kernels_stay_within():
    """Masters are memory that anybody may write: the delays that act are cut."""
    engine = made(TTFSLoss(), [drawn((4, 6)), None], delay_rate=1.0, longest_delay=20)
    engine.masters[2][0, :3] = [1 << 62, -(1 << 62), 21 << 20]
    engine.write_forward()
    assert engine.delays[0][0, :3].tolist() == [20, 0, 20]
    with pytest.raises(WeightError, match=r"delays of layer 1 are -\d+ .. \d+, but must be in 0 .. 20971520; cut them"):
        engine.write_masters(engine.masters)


def test_what_is_refused():
    whole = [np.zeros((4, 6), int), np.zeros((6, 3), int)]
    for delays, late, message in (
        (whole[:1], None, "delays are 1 arrays for 2 layers; give one or None per layer"),
        (3, None, "delays are 3, but must be a list, an array or None per layer"),
        (
            [whole[0] * 1.0, None],
            None,
            r"delays of layer 1 have shape \(4, 6\) and dtype float64, but must be integers",
        ),
        (
            [whole[0], whole[1].T],
            None,
            r"delays of layer 2 have shape \(3, 6\) .*\(6, 3\) of synapses or \(6,\) of sources",
        ),
        ([whole[0] - 1, None], None, "delays of layer 1 hold -1, but must be 0 .. 62 steps"),
        ([whole[0] + 63, None], None, "delays of layer 1 hold 63, but must be 0 .. 62 steps; use a larger dt"),
        (None, [np.zeros((6, 6), int), None], "recurrent delays of layer 1 are given, but the layer has no such"),
        (None, [None], "recurrent delays are 1 arrays for 2 layers"),
    ):
        with pytest.raises(InputError, match=message):
            made(TTFSLoss(), delays, recurrent_delays=late)
    for options, message in (
        ({"delay_rate": -1.0}, "delay_rate is -1.0, but must be in 0 .. 1e"),
        ({"delay_rate": np.nan}, "delay_rate is nan, but must be"),
        ({"longest_delay": 63}, "longest delay is 63, but must be an integer in 0 .. 62; it is in steps"),
        ({"longest_delay": 8, "delay_rate": 1.0}, "delays of layer 1 hold 9, but must be 0 .. 8 steps"),
    ):
        with pytest.raises(InputError, match=message):
            made(TTFSLoss(), [whole[0] + 9, None], **options)
    fast = made(TTFSLoss(), whole, delay_rate=1e6)
    with pytest.raises(InputError, match=r"delays: rate is 1000000.0, but .* 0 .. 256; .*; use a smaller delay_rate"):
        fast.train_batch(spike_trains([sample()], 4, END), np.array([0]), np.array([0]), 1.0)


def test_a_gradient_by_a_delay_by_hand():
    """One input spike in step 2, of a weight of 0.5, whose delay is 3: half of what the output sends back in step 5.

    With an input in step 4, too, it is half of that of both steps, 5 and 7. Delays of the source have the sum of both
    neurons.
    """
    c = FixedPoint(P, 1.0, 20.0)
    weights = [np.array([[0.5, 0.25]])]
    engines = [
        ClockedEngine(weights, Setup(c, MeanVoltageLoss(gain=50.0)), delays=[late], delay_rate=1.0)
        for late in (np.array([[3, 6]]), np.array([3]))
    ]
    for engine, arrivals in zip(engines, (((5, 7), (8, 10)), ((5, 7), (5, 7))), strict=True):
        (seen,), gradients = engine.watch(np.array([2, 4]), np.array([0, 0]), 1)
        expected = [0, 0]
        for j, steps in enumerate(arrivals):
            for k in steps:
                at_the_end = seen.lI[k + 1, j]  # lI at the beginning of the next step
                # lV of a step's beginning is alpha times that of its end: what it was there follows from lI.
                lV = next(
                    v for v in range(-(1 << 16), 1 << 16) if _back(at_the_end, v, c) == (seen.lI[k, j], seen.lV[k, j])
                )
                d = (c.sent_V * lV - c.sent_I * at_the_end + 2048) >> 12
                expected[j] += (engine.forward_weights[0][0, j] * d + 8192) >> 14
        wanted = [[expected]] if len(engine.masters[1].shape) == 2 else [[sum(expected)]]
        assert gradients[1].tolist() == wanted[0]
        assert all(expected)


def _back(lI, lV, c):
    return (c.beta * lI + c.gamma_back * lV + 2048) >> 12, (c.alpha * lV + 2048) >> 12


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
@pytest.mark.parametrize("loops", [(False, False), (True, False)])
def test_nobody_changes_delays_after_the_check(loops, dtype):
    """Neither those of the engine nor those it was given: kernels would read and write elsewhere."""
    given, late = drawn((4, 6)).astype(dtype), np.ones((6, 6), dtype) if loops[0] else None
    engine = made(TTFSLoss(), [given, None], loops, [late, None])
    expected = engine.watch(*sample(), 1)
    given[...] = 10**6
    for own in engine.delays:
        if own is not None:
            with pytest.raises(ValueError, match="read-only"):
                own[...] = 10**6
    found = engine.watch(*sample(), 1)
    assert all(same(a, b) for a, b in zip(found[0], expected[0], strict=True))
    assert same(found[1], expected[1])


def test_nobody_else_learns_them():
    """Two matrices with the same delays would add their gradients, and step twice; another network may have them."""
    c = FixedPoint(P, 1.0, 20.0)
    shared = LearnedDelays([2, 1, 0], "adam", c, 1.0)
    setup, w = Setup(c, TTFSLoss()), np.full((3, 3), 4.0)
    exponent = c.weight_exponent(4.0)

    def made(*delays):
        return PartsLoop([c.masters(w, exponent) for _ in delays], [exponent] * len(delays), setup, (), delays)

    loop = made(shared, shared)
    loop.sample([0, 1], [0, 1], 1)  # nothing is learned
    before = shared.masters.copy()
    loop = made(shared, shared)
    loop.set_learning(1, 0.01)
    with pytest.raises(InputError, match="weights of layer 1: their LearnedDelays are learned by other weights, too"):
        loop.sample([0, 1], [0, 1], 1)
    assert np.array_equal(before, shared.masters)
    for _ in range(2):
        loop = made(shared, LearnedDelays([0, 0, 0], "adam", c, 1.0))
        loop.set_learning(1, 0.01)
        loop.sample([0, 1], [0, 1], 1)
    assert not np.array_equal(before, shared.masters)


def test_learned_delays_that_are_refused():
    c = FixedPoint(P, 0.5, END)
    for message, *given in (
        (r"learned delays have shape \(\), but must be \(pre, post\), or \(pre,\) of sources", 3, "adam", c, 1.0),
        (r"learned delays have shape \(1, 1, 1\), but", [[[0]]], "adam", c, 1.0),
        (r"learned delays have shape \(0,\), but", [], "adam", c, 1.0),
        ("learned delays .* dtype float64, but must be integers", [1.0], "adam", c, 1.0),
        ("learned delays hold -1, but must be 0 .. 62 steps", [0, -1], "adam", c, 1.0),
        ("learned delays hold 63, but must be 0 .. 62 steps; use a larger dt", [63], "adam", c, 1.0),
        ("learned delays hold 9, but must be 0 .. 8 steps; raise the longest delay", [9], "adam", c, 1.0, 8),
        ("longest delay is 63, but must be an integer in 0 .. 62; it is in steps", [1], "adam", c, 1.0, 63),
        ("optimizer is 'lion', but must be one of adam, sgd", [1], "lion", c, 1.0),
        ("delay_rate is 0.0, but must be more than 0", [1], "adam", c, 0.0),
        ("delay_rate is nan, but must be", [1], "adam", c, np.nan),
        ("c is None, but must be a FixedPoint", [1], "adam", None, 1.0),
    ):
        with pytest.raises(InputError, match=message):
            LearnedDelays(*given)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_steps_of_learned_delays_that_are_refused(optimizer):
    """0.1 thresholds times 2000 ms are 400 steps of 0.5 ms; nothing has changed then, not even Adam's count."""
    own = LearnedDelays([[1, 2]], optimizer, FixedPoint(P, 0.5, END), 2000.0)
    own.gradient[...] = 1 << 14
    before = own.optimizer.state()
    for batch, rate, message in (
        (0, 0.1, "samples of a batch is 0, but must be an integer of 1 or more$"),
        (1, -0.1, "rate is -0.1, but must be 0 or more, and finite; it is that of weights"),
        (1, np.nan, "rate is nan, but must be 0 or more, and finite; it is that of weights"),
        (1, "x", "rate is 'x', but must be 0 or more, and finite; it is that of weights"),
        (1, 0.1, "delays: rate is 400.0, but must be in 0 .. .*; use a smaller delay_rate"),
    ):
        for call in (own.check, own.learn):
            with pytest.raises(InputError, match=message):
                call(batch, rate)
    assert own.masters.tolist() == [[1 << 20, 2 << 20]]
    assert same(own.optimizer.state().values(), before.values())
    assert own.learn(1, 0.001) == 2
