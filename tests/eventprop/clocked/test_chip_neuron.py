"""Clocked networks of a chip's own neurons: by hand, Lava's model, the parts, an oracle, and continuous time."""

from itertools import pairwise

import numpy as np
import pytest
from clocked_loop import PartsLoop, same_states
from clocked_oracle import Oracle

from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint, forward_step
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import spike_trains

P, END, LAYERS = NeuronParameters(20.0, 5.0), 60.0, (4, 6, 5, 3)
LOSSES = [TTFSLoss(3.0, 6.4, 0.02), MaxVoltageLoss(), MeanVoltageLoss(15.0, 9.0)]


def made(loss, seed=0, dt=1.0, bits=(13, 12, 14), loops=(True, False, False), scale=1.0, **options):
    rng = np.random.default_rng(seed)
    pairs = zip((3.5, 1.4, 1.4), pairwise(LAYERS), strict=True)
    weights = [rng.normal(m * scale, 0.7 * scale, s) for m, s in pairs]
    recurrent = [
        rng.normal(0, 0.5 * scale, (n, n)) if loop else None for n, loop in zip(LAYERS[1:], loops, strict=True)
    ]
    setup = Setup(FixedPoint(P, dt, END, *bits, neuron="loihi"), loss)
    return ClockedEngine(weights, setup, recurrent=recurrent, **options)


def sample(seed=0, n=10, last=30):
    rng = np.random.default_rng([seed, 1])
    return np.sort(rng.integers(0, last, n)), rng.integers(0, 4, n)


def test_registers_by_hand():
    """Steps of 1 ms: u loses 1 - exp(-1 / 5) = 742.5 / 4096, of which the chip adds one; v 199.8 / 4096."""
    c = FixedPoint(P, 1.0, END, neuron="loihi")
    assert (c.du, c.dv) == (741, 200)
    response = 5 / 15 * (np.exp(-1 / 20) - np.exp(-1 / 5))
    assert c.vth == round(2**14 / response / 64)
    assert (c.alpha, c.beta) == (4096 - 200, 4095 - 741)
    wide = FixedPoint(P, 1.0, END, coefficient_bits=16, neuron="loihi")
    assert (wide.alpha, wide.beta) == (16 * c.alpha, 16 * c.beta)
    assert wide.gamma_back == round(2**16 * 2**14 / (64 * c.vth) * 20 / 5)
    assert c.in_thresholds(np.array([64 * c.vth, -32 * c.vth])).tolist() == [2**14, -(2**13)]


def test_a_neuron_by_hand():
    """Decays are cut towards 0, u first; a voltage at the threshold does not spike, one more does."""
    c = FixedPoint(P, 1.0, END, neuron="loihi")
    u, v = np.array([-1000, 1000, 7]), np.array([-999, 999, -1])
    forward_step(v, u, np.array([64, 0, 0]), c)
    assert u.tolist() == [-818 + 64, 818, 5]  # 1000 * 3354 / 4096 = 818.8; 7 * 3354 / 4096 = 5.7
    assert v.tolist() == [-950 - 754, 950 + 818, 5]  # 999 * 3896 / 4096 = 950.2
    assert c.threshold == 64 * c.vth + 1


def test_wrap_and_saturation_by_hand():
    """u beyond 2**23 goes on from the other end, v ends at +-(2**23 - 1)."""
    c, most = FixedPoint(P, 1.0, END, neuron="loihi"), REGISTER_MAX + 1
    u, v = np.zeros(4, np.int64), np.array([0, most - 5, 5 - most, 0])
    # Two wrap, and one voltage is beyond its end.
    assert forward_step(v, u, np.array([most, most + 1, -most, 1 - most]), c) == 3
    assert u.tolist() == [most, 1 - most, most, 1 - most]
    assert v.tolist() == [most - 1, 1 - most + 3896 * (most - 5) // 4096, most - (3896 * (most - 5) // 4096), 1 - most]


@pytest.mark.parametrize("scale", [1.0, 6.0, 25.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_parts_do_the_same_in_every_step(loss, scale):
    """Up to weights for which u wraps and v saturates."""
    seen_most, rng = 0, np.random.default_rng(5)
    for seed in range(3):
        engine = made(loss, seed, scale=scale, delays=[rng.integers(0, 5, (4, 6)), None, None])
        loop = PartsLoop(
            [m.copy() for m in engine.masters], engine.exponents, engine.setup, engine.looped, engine.delays
        )
        seen, gradients = engine.watch(*sample(seed), seed)
        loop.sample(*sample(seed), seed, same_states(loop, seen))
        assert all(np.array_equal(d.gradient, g) for d, g in zip(loop.dense, gradients, strict=True))
        assert any(g.any() for g in gradients) or scale > 1
        answer, _ = engine.run_sample(*sample(seed), None)
        assert np.array_equal(answer, loop.said[-1])
        seen_most = max(seen_most, *(int(np.abs(s.V).max()) for s in seen))
    assert seen_most == REGISTER_MAX or scale < 25


@pytest.mark.parametrize("often", [2, 5, 24, 25])
def test_currents_beyond_what_lava_wraps_are_refused(often):
    """254 * 2**13 units per spike: 24 in a step are 3 * 2**24 at most, and wrap once, as Lava has it; 25 are more."""
    c = FixedPoint(P, 1.0, END, neuron="loihi")
    engine = ClockedEngine([np.full((1, 2), 127.0)], Setup(c, TTFSLoss()))
    assert engine.forward_weights[0].tolist() == [[254 << 13] * 2]
    loop = PartsLoop([m.copy() for m in engine.masters], engine.exponents, engine.setup)
    steps, sources = np.full(often, 3), np.zeros(often, int)
    if often == 25:
        for run in (lambda: engine.run_sample(steps, sources, None), lambda: loop.sample(steps, sources)):
            with pytest.raises(
                InputError, match=r"layer 1, neuron 0: the current reaches 3175\.0 thresholds, but a 24-bi"
            ):
                run()
        return
    seen, _ = engine.watch(steps, sources, 0)
    total = often * 254 << 13
    assert seen[0].I[3].tolist() == [total if total <= 1 << 23 else total - (1 << 24)] * 2
    loop.sample(steps, sources, 0, same_states(loop, seen))


def test_lavas_own_model_in_every_step():
    """`PyLifModelBitAcc`, called step by step with the engine's weighted input: u, v and spikes of a layer."""
    from lava.proc.lif.models import PyLifModelBitAcc

    for scale in (1.0, 30.0):
        engine = made(TTFSLoss(), 2, scale=scale, loops=(False,) * 3)
        c, (steps, sources) = engine.c, sample(2, 30, 50)
        (states, *_), _ = engine.watch(steps, sources, 0)
        model = PyLifModelBitAcc({})
        model.u, model.v = np.zeros(6, np.int32), np.zeros(6, np.int32)
        model.du, model.dv, model.vth = c.du, c.dv, c.vth
        model.bias_mant = model.bias_exp = np.zeros(6, np.int32)
        model.scale_bias()
        model.scale_threshold()
        spikes = []
        for k in range(c.steps):
            weighted = sum((engine.forward_weights[0][i] for i in sources[steps == k]), np.zeros(6, np.int64))
            assert (weighted % 64 == 0).all()
            model.subthr_dynamics((weighted // 64).astype(np.int32))
            fired = model.spiking_activation()
            model.reset_voltage(fired)
            spikes += [(k, j) for j in np.flatnonzero(fired)]
            assert np.array_equal(model.u, states.I[k])
            assert np.array_equal(model.v, states.V[k])
        n = engine._spikes[0]
        assert spikes == list(zip(engine._tapes[0].step[:n], engine._tapes[0].neuron[:n], strict=True))
        assert len(spikes) > 20


def test_a_run_that_is_not_watched_ends_early_with_the_same_answer():
    """Once nothing can happen any more the kernel stops: peaks, spikes and means are those of all steps."""
    for loss in LOSSES:
        for seed in range(8):
            engine = made(loss, seed, scale=(0.3, 1.0)[seed % 2], loops=(False,) * 3)
            engine.watch(*sample(seed), seed % 3)
            watched = [g.copy() for g in engine.gradients], [list(t.step[:n]) for t, n in _spikes(engine)]
            engine.forget()
            engine.run_sample(*sample(seed), seed % 3)
            assert all(np.array_equal(a, b) for a, b in zip(watched[0], engine.gradients, strict=True))
            assert watched[1] == [list(t.step[:n]) for t, n in _spikes(engine)]


def _spikes(engine):
    return zip(engine._tapes, engine._spikes, strict=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_an_oracle_in_floating_point(loss, seed):
    """The same spikes as with real numbers, most of the time: then gradients are the same but for rounding."""
    engine = made(loss, seed, bits=(14, 20, 17), loops=(True, False, False))
    c, label, (steps, sources) = engine.c, seed % 3, sample(seed)
    seen, _ = engine.watch(steps, sources, label)
    _, found = engine.gradient(spike_trains([(steps * c.dt, sources)], 4, END), np.array([label]))
    counts = np.zeros((c.steps, 4))
    np.add.at(counts, (steps, sources), 1)
    oracle = Oracle(engine.weights, engine.loops, 20.0, 5.0, c.dt, c.steps, c.floor)
    oracle.use(c.alpha / 2**20, c.beta / 2**20, c.theta / (64 * c.vth))
    spikes = oracle.forward(counts, isinstance(loss, TTFSLoss))
    mine = np.concatenate([_raster(engine, k) for k in range(3)], axis=1)
    assert np.array_equal(mine[:, : oracle.output.start], spikes[:, : oracle.output.start])
    at_spikes, impulses = np.zeros_like(spikes), np.zeros_like(spikes)
    V = oracle.V[:, oracle.output]
    if isinstance(loss, TTFSLoss):
        at_spikes = oracle.at_first_spikes(loss, label)
    elif isinstance(loss, MaxVoltageLoss):
        share = np.exp(V.max(axis=0))
        where = V.argmax(axis=0), np.arange(oracle.output.start, oracle.output.stop)
        impulses[where] = (np.eye(3)[label] - share / share.sum()) / 20.0
    else:
        g = np.exp(-np.arange(c.steps) * c.dt / 15.0)
        error = -loss.by_means(g @ V / g.sum(), label) / 20.0
        impulses[:, oracle.output] = np.outer(g / g.sum(), error)
    expected, _ = oracle.backward(at_spikes, impulses)
    scale = max(np.abs(g).max() for g in expected)
    assert scale > 0
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max() < 0.02 * scale
    assert seen[0].lI.any()


def _raster(engine, k):
    n, tape = engine._spikes[k], engine._tapes[k]
    z = np.zeros((engine.c.steps, engine.sizes[k + 1]))
    z[tape.step[:n], tape.neuron[:n]] = 1
    return z


@pytest.mark.parametrize("loss", [LOSSES[0], MeanVoltageLoss(20.0, 6.0)])
def test_the_direction_comes_nearer_to_that_of_continuous_time(loss):
    """Cosines of the angles between both gradients of two layers: the medians of 24 samples.

    Steps that are shorter still have other time constants: a decay has 12 bits.
    """
    medians = []
    for dt in (1.0, 0.5, 0.25):
        found = []
        for seed in range(24):
            rng = np.random.default_rng(seed)
            weights = [rng.normal(2.5, 0.7, (4, 8)), rng.normal(1.4, 0.7, (8, 3))]
            c = FixedPoint(P, dt, END, 14, 22, 20, neuron="loihi")
            clocked = ClockedEngine(weights, Setup(c, loss))
            exact = EventPropEngine(clocked.weights, P, loss, END)
            trains = spike_trains([(np.sort(rng.uniform(0, 30, 8)), rng.integers(0, 4, 8))], 4, END)
            one, other = (e.gradient(trains, np.array([seed % 3]))[1] for e in (clocked, exact))
            pairs = zip((g.ravel() for g in one), (g.ravel() for g in other), strict=True)
            found.append([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
        medians.append(np.median(found, axis=0))
    assert (medians[-1] > np.max(medians[:-1], axis=0)).all()
    assert medians[-1].min() > 0.97


@pytest.mark.parametrize("loss", [LOSSES[0], LOSSES[2]])
def test_the_error_falls_with_dt(loss):
    """Of first order: half of the step makes half of the error of what is said, and of the gradient.

    Medians of 30 samples, beside continuous time with the same 8-bit weights. Weights of an output that only integrates
    are positive; the gradient of its means comes nearer, too, but not by so much each time.
    """
    said, wrong = [], []
    rng = np.random.default_rng(0)
    samples = [(np.sort(rng.integers(0, 30, 8) * 1.0), rng.integers(0, 5, 8)) for _ in range(30)]
    trains, labels = spike_trains(samples, 5, 48.0), rng.integers(0, 3, 30)
    drawn = [rng.normal(m, 0.9, shape) for m, shape in ((3.0, (5, 12)), (1.4, (12, 3)))]
    weights = drawn if isinstance(loss, TTFSLoss) else [drawn[0], np.abs(drawn[1])]
    for dt in (1.0, 0.5, 0.25):
        clocked = ClockedEngine(weights, Setup(FixedPoint(P, dt, 48.0, 12, 22, 20, neuron="loihi"), loss))
        exact = EventPropEngine(clocked.weights, P, loss, 48.0)
        late, distance = [], []
        for k in range(30):
            one, other = (e.gradient(trains, labels, np.array([k])) for e in (clocked, exact))
            both = np.isfinite(one[0].said) & np.isfinite(other[0].said)
            late.extend(np.abs(one[0].said - other[0].said)[both])
            norms = [np.sqrt(sum((g**2).sum() for g in gs)) for gs in (map(np.subtract, one[1], other[1]), other[1])]
            distance.append(norms[0] / norms[1])
        assert len(late) > 80
        said.append(np.median(late))
        wrong.append(np.median(distance))
    for coarse, fine in pairwise(said):
        assert 1.5 < coarse / fine < 2.5
    for coarse, fine in pairwise(wrong):
        assert coarse > fine
        assert 1.6 < coarse / fine < 2.5 or isinstance(loss, MeanVoltageLoss)
    assert wrong[-1] < (0.15 if isinstance(loss, MeanVoltageLoss) else 0.1)


@pytest.mark.parametrize("scale", [1.0, 6.0, 25.0])
def test_registers_that_were_met_are_counted(scale):
    """By engine and parts alike, watched or ended early, with and without a label."""
    for seed in range(4):
        engine = made(LOSSES[1], seed, scale=scale)
        counted = [engine.run_sample(*sample(seed), label)[1].overflowed for label in (None, 1)]
        seen, _ = engine.watch(*sample(seed), 1)
        counted.append(sum(int(tape.overflowed[0]) for tape in engine._tapes))
        loop = PartsLoop([m.copy() for m in engine.masters], engine.exponents, engine.setup, engine.looped)
        loop.sample(*sample(seed), 1)
        assert counted == [sum(layer.tally.read().overflowed for layer in loop.layers)] * 3
        at_the_end = sum(int(np.count_nonzero(np.abs(s.V) == REGISTER_MAX)) for s in seen)
        assert counted[0] >= at_the_end
        assert (counted[0] > 0) is (scale > 1)


def test_what_is_refused():
    for options, message in (
        ({"neuron": "lif"}, "clocked arithmetic: neuron is 'lif', but must be one of 'exact', 'loihi'"),
        ({"neuron": "loihi", "coefficient_bits": 11}, "coefficient_bits is 11, but a chip's decays have 12; raise it"),
        (
            {"neuron": "loihi", "theta_bits": 20},
            r"threshold vth of a chip is \d+, but .* 131071; lower theta",
        ),
        (
            {"neuron": "loihi", "theta_bits": 5},
            r"threshold vth of a chip is \d+, but .* 131071; raise theta",
        ),
        ({"neuron": "loihi", "dt": 1e5, "end": 1e5}, "vth of a chip is inf, but must be 16 .. 131071; .* smaller dt"),
        ({"neuron": "loihi", "dt": 400.0, "end": 400.0}, "vth of a chip is .*, but must be 16 .. 131071; .* smaller"),
        (
            {"neuron": "loihi", "dt": 0.01},
            "dt is 0.01 ms, for which a coefficient of 12 bits is only 2.0 of 4096",
        ),
    ):
        with pytest.raises(InputError, match=message):
            FixedPoint(P, **{"dt": 1.0, "end": END, **options})
    c = FixedPoint(P, 1.0, END, neuron="loihi")
    assert (c.weight_exponent(0.01), c.weight_exponent(100.0)) == (6, 13)
    with pytest.raises(WeightError, match="largest weight is 200 thresholds, but a chip's weights reach 127 at"):
        c.weight_exponent(200.0)
