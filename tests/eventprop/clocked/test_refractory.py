"""Refractory periods: by hand, Lava's LIFRefractory, the parts, an oracle, and continuous time."""

import math
from itertools import pairwise

import numpy as np
import pytest
from clocked_loop import PartsLoop, same_states
from clocked_oracle import Oracle

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import spike_trains

P, END, LAYERS = NeuronParameters(20.0, 5.0), 60.0, (4, 6, 5, 3)
LOSSES = [TTFSLoss(3.0, 6.4, 0.02), MaxVoltageLoss(), MeanVoltageLoss(15.0, 9.0)]
#: Both decays are a half in steps of 1 ms.
HALVES = NeuronParameters(1 / math.log(2), 1 / math.log(2))


def made(loss, neuron, refractory, seed=0, bits=(13, 12, 14), scale=1.0, **options):
    rng = np.random.default_rng(seed)
    pairs = zip((3.5, 1.4, 1.4), pairwise(LAYERS), strict=True)
    weights = [rng.normal(m * scale, 0.7 * scale, s) for m, s in pairs]
    loops = [rng.normal(0, 0.5 * scale, (6, 6)), None, None]
    layers = tuple(FixedPoint(P, 1.0, END, *bits, neuron=neuron, refractory=r) for r in refractory)
    return ClockedEngine(weights, Setup(layers[0], loss, layers=layers), recurrent=loops, **options)


def sample(seed=0, n=10, last=30):
    rng = np.random.default_rng([seed, 1])
    return np.sort(rng.integers(0, last, n)), rng.integers(0, 4, n)


def spikes_of(engine):
    return [
        list(zip(t.step[:n].tolist(), t.neuron[:n].tolist(), strict=True))
        for t, n in zip(engine._tapes, engine._spikes, strict=True)
    ]


def one_neuron(neuron, refractory, steps=16):
    """Decays are a half, and a spike brings 2**19: V and I in every step, and spikes, of input in these steps."""
    c = FixedPoint(HALVES, 1.0, float(steps), 16, 12, 14, neuron=neuron, refractory=refractory)
    engine = ClockedEngine([np.full((1, 1), 8.0)], Setup(c, TTFSLoss()), largest=[15.0])
    assert engine.forward_weights[0].tolist() == [[1 << 19]]
    return c, engine


@pytest.mark.parametrize(
    ("neuron", "refractory", "V", "spikes"),
    [
        # 64 vth = 189120. Without: 2**19 and 2**18 spike, then 2**17, half of it and 2**16, ...
        ("loihi", 0, [0, 0, 1 << 17, 1 << 17, 3 << 15, 1 << 16], [0, 1]),
        ("loihi", 2, [0, 0, 0, 1 << 16, 1 << 16, 3 << 14], [0]),
        # 1420 / 4096 of I reach V; the threshold is 2**16. In step 2 I is 2**17.
        ("exact", 0, [0, 0, 45440, 45440, 34080, 22720], [0, 1]),
        ("exact", 1, [0, 0, 45440, 45440, 34080, 22720], [0]),
        ("exact", 3, [0, 0, 0, 0, 11360, 11360], [0]),
    ],
)
def test_a_neuron_by_hand(neuron, refractory, V, spikes):
    """I is halved all the while; V begins at 0 in the step behind the period, where its rise is stored."""
    c, engine = one_neuron(neuron, refractory)
    (seen,), _ = engine.watch(np.array([0]), np.array([0]), 0)
    assert seen.V[:6, 0].tolist() == V
    assert seen.I[:6, 0].tolist() == [1 << (19 if neuron == "loihi" else 18) - k for k in range(6)]
    assert spikes_of(engine)[0] == [(k, 0) for k in spikes]
    if refractory:
        unit = c.theta / (64 * c.vth) if neuron == "loihi" else 1.0
        assert engine._rests[0].rise[0] == pytest.approx(V[refractory + 1] * unit * HALVES.tau_m, rel=1e-2)


@pytest.mark.parametrize("refractory", [0, 1, 2, 3, 7])
def test_lavas_model_in_every_step(refractory):
    """`PyLifRefractoryModelFloat`, whose numbers are exact here: 2**19, halved in every step."""
    from lava.proc.lif.models import PyLifModelFloat, PyLifRefractoryModelFloat

    c, engine = one_neuron("loihi", refractory)
    steps = np.array([0, 1, 2, 6, 7, 8, 9])
    (seen,), _ = engine.watch(steps, np.zeros(7, int), 0)
    model = PyLifRefractoryModelFloat({"refractory_period": refractory}) if refractory else PyLifModelFloat({})
    model.u, model.v, model.bias_mant = np.zeros(1), np.zeros(1), np.zeros(1)
    model.refractory_period_end, model.du, model.dv, model.vth = np.zeros(1, int), 0.5, 0.5, 64 * c.vth
    spikes = []
    for k in range(c.steps):
        model.time_step = k + 1
        model.subthr_dynamics(np.array([(1 << 19) * (steps == k).sum()]))
        fired = model.spiking_activation()
        if refractory:
            model.process_spikes(fired)
        else:
            model.reset_voltage(fired)
        spikes += [(k, 0)] if fired[0] else []
        assert (model.u[0], model.v[0]) == (seen.I[k, 0], seen.V[k, 0])
    assert spikes == spikes_of(engine)[0]
    assert len(spikes) == {0: 11, 1: 6, 2: 4, 3: 3, 7: 2}[refractory]


@pytest.mark.parametrize("scale", [1.0, 25.0])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("neuron", ["exact", "loihi"])
def test_parts_do_the_same_in_every_step(neuron, loss, scale):
    """With delays and recurrent weights; of a chip up to weights for which u wraps, which is no saturated V at rest."""
    rng, overflowed = np.random.default_rng(5), 0
    for seed, refractory in enumerate([(1, 1, 1), (3, 0, 7), (0, 62, 2), (30, 4, 0)]):
        late = [rng.integers(0, 5, (4, 6)), None, None]
        scale_here = scale if neuron == "loihi" else 1.0
        engine = made(loss, neuron, refractory, seed, scale=scale_here, delays=late)
        loop = PartsLoop(
            [m.copy() for m in engine.masters], engine.exponents, engine.setup, engine.looped, engine.delays
        )
        for again in range(2):  # a sample behind another one
            seen, gradients = engine.watch(*sample(seed + again), seed % 3)
            loop.sample(*sample(seed + again), seed % 3, same_states(loop, seen))
            assert all(np.array_equal(d.gradient, g) for d, g in zip(loop.dense, gradients, strict=True))
            assert any(g.any() for g in gradients) or scale > 1 or max(refractory) > 9
            answer, _ = engine.run_sample(*sample(seed + again), None)
            assert np.array_equal(answer, loop.said[-1])
            overflowed += sum(int(tape.overflowed[0]) for tape in engine._tapes)
    assert (overflowed > 0) is (neuron == "loihi" and scale > 1)


def test_what_the_parts_count():
    """Values at the floor, saturated ones and registers that were met: as the engine."""
    for seed in range(4):
        for scale in (1.0, 25.0):
            engine = made(LOSSES[seed % 3], "loihi", (3, 1, 2), seed, scale=scale)
            _, counts = engine.run_sample(*sample(seed), 1)
            loop = PartsLoop([m.copy() for m in engine.masters], engine.exponents, engine.setup, engine.looped)
            loop.sample(*sample(seed), 1)
            parts = [p.tally.read() for p in (*loop.layers, *loop.dense)]
            for name in ("clipped", "saturated", "overflowed"):
                assert sum(getattr(p, name) for p in parts) == getattr(counts, name)


@pytest.mark.parametrize("neuron", ["exact", "loihi"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_run_that_is_not_watched_ends_early_with_the_same_answer(loss, neuron):
    for seed in range(8):
        engine = made(loss, neuron, [(2, 5, 1), (20, 9, 3)][seed % 2], seed, scale=(0.5, 1.0)[seed % 2])
        engine.watch(*sample(seed, last=15), seed % 3)
        watched = [g.copy() for g in engine.gradients], spikes_of(engine)
        engine.forget()
        engine.run_sample(*sample(seed, last=15), seed % 3)
        assert all(np.array_equal(a, b) for a, b in zip(watched[0], engine.gradients, strict=True))
        assert watched[1] == spikes_of(engine)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("refractory", [1, 6])
@pytest.mark.parametrize("neuron", ["exact", "loihi"])
def test_gradients_are_those_of_an_oracle_in_floating_point(neuron, refractory, seed):
    """The same spikes as with real numbers; then gradients are the same but for rounding."""
    loss, label, (steps, sources) = LOSSES[0], seed % 3, sample(seed)
    engine = made(loss, neuron, (refractory,) * 3, seed, bits=(15, 20, 18))
    c = engine.c
    _, found = engine.gradient(spike_trains([(steps * c.dt, sources)], 4, END), np.array([label]))
    counts = np.zeros((c.steps, 4))
    np.add.at(counts, (steps, sources), 1)
    oracle = Oracle(engine.weights, engine.loops, 20.0, 5.0, c.dt, c.steps, c.floor)
    oracle.rest(refractory)
    if neuron == "loihi":
        oracle.use(c.alpha / 2**20, c.beta / 2**20, c.theta / (64 * c.vth))
    spikes = oracle.forward(counts)
    assert [(k, j) for part in spikes_of(engine)[:1] for k, j in part] == list(
        zip(*np.nonzero(spikes[:, :6]), strict=True)
    )
    assert sum(map(len, spikes_of(engine))) == spikes.sum()
    expected, _ = oracle.backward(oracle.at_first_spikes(loss, label), np.zeros_like(spikes))
    scale = max(np.abs(g).max() for g in expected)
    assert all(np.abs(a - b).max() < 2e-3 * scale for a, b in zip(found, expected, strict=True))


def test_continuous_time():
    """A hidden neuron that spikes twice, 4 ms or more between, makes an output spike: dL/dw by central differences.

    In real time V is held from the very spike on, and for 4 ms. Half of the step makes half of the error: medians of 20
    networks, of what is said in ms and of both gradients in parts of them. Without what the period's end adds to a
    spike's error, that of the first gradient would not fall.
    """
    loss, rest, at, medians = TTFSLoss(alpha=1.0, tau1=20.0), 4.0, (0.0, 3.0, 9.0), []
    trains, rng = spike_trains([(at, [0, 0, 0])], 1, 40.0), np.random.default_rng(0)
    pairs = list(zip(rng.uniform(7.5, 9.5, 20), rng.uniform(4.5, 5.5, 20), strict=True))
    for dt in (0.5, 0.25, 0.125):
        c, found = FixedPoint(P, dt, 40.0, 14, 22, 20, refractory=round(rest / dt)), []
        for pair in pairs:
            engine = ClockedEngine([[[w]] for w in pair], Setup(c, loss), largest=[12.0, 6.0])
            own = np.array([m[0, 0] for m in engine.weights])
            result, gradients = engine.gradient(trains, np.array([0]))
            hidden, ((last, _), *_) = spikes_of(engine)
            assert sum(k < last for k, _ in hidden) == 2
            errors = [abs(result.said[0, 0] - last_spike(*own, at, rest))]
            for g, step in zip(gradients, 1e-5 * np.eye(2), strict=True):
                one, other = (math.exp(last_spike(*(own + way), at, rest) / 20.0) for way in (step, -step))
                errors.append(abs(g[0, 0] / (one - other) * 2e-5 - 1))
            found.append(errors)
        medians.append(np.median(found, axis=0))
    for coarse, fine in pairwise(medians):
        assert (coarse > 1.5 * fine).all()
    assert (medians[-1] < [0.2, 0.05, 0.05]).all()


def last_spike(w, w_out, at, rest):
    """When the output spikes: it hears two spikes of a neuron that hears input of these times."""
    first = crossing([(t, w) for t in at], 0.0)
    second = crossing([(t, w) for t in at], first + rest)
    return crossing([(first, w_out), (second, w_out)], 0.0)


def crossing(arrivals, start):
    """When V, which is 0 until `start`, reaches 1; exact decays between arrivals, and bisection."""

    def V(t):
        v, now, current = 0.0, start, sum(w * math.exp((s - start) / 5.0) for s, w in arrivals if s <= start)
        for end, w in [*((s, w) for s, w in arrivals if start < s < t), (t, 0.0)]:
            a, b = math.exp((now - end) / 20.0), math.exp((now - end) / 5.0)
            v, current, now = a * v + (a - b) / 3 * current, b * current + w, end
        return v

    low = high = start
    while V(high) < 1:
        low, high = high, high + 0.01
        assert high < 60
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if V(middle) < 1 else (low, middle)
    return low


def test_what_is_refused():
    for value in (-1, 63, 1.5, True):
        with pytest.raises(InputError, match=f"refractory is {value}, but must be an integer in 0 .. 62; it"):
            FixedPoint(P, 1.0, END, refractory=value)
