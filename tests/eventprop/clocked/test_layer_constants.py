"""Layers with time constants and thresholds of their own: an oracle of another shape, the parts, continuous time."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from clocked_loop import PartsLoop, same_states
from clocked_oracle import Oracle

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import spike_trains

LAYERS, END = (4, 6, 5, 3), 60.0
#: A fast layer, a slow one, and one between them.
OWN = (NeuronParameters(12.0, 3.0), NeuronParameters(35.0, 8.0), NeuronParameters(20.0, 5.0))
COMMON = NeuronParameters(20.0, 5.0)


def made(loss, neurons=OWN, dt=1.0, seed=0, bits=(14, 12, 14), loops=(True, False, False), **options):
    rng = np.random.default_rng(seed)
    weights = [rng.normal(m, 0.7, s) for m, s in zip((3.5, 1.4, 1.4), pairwise(LAYERS), strict=True)]
    recurrent = [rng.normal(0, 0.5, (n, n)) if loop else None for n, loop in zip(LAYERS[1:], loops, strict=True)]
    c = FixedPoint(COMMON, dt, END, *bits)
    layers = None if neurons is None else tuple(replace(c, p=p) for p in neurons)
    setup = Setup(c, loss, layers=layers, **options)
    return ClockedEngine(weights, setup, recurrent=recurrent)


def sample(seed=0):
    rng = np.random.default_rng([seed, 1])
    return np.sort(rng.integers(0, 30, 10)), rng.integers(0, 4, 10)


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("loss", [TTFSLoss(), MaxVoltageLoss(), MeanVoltageLoss(gain=9.0)])
def test_the_same_constants_of_every_layer_change_nothing(loss):
    one, other = made(loss, None), made(loss, (COMMON,) * 3)
    (seen, by), (found, wanted) = one.watch(*sample(), 1), other.watch(*sample(), 1)
    assert all(same(a, b) for a, b in zip(seen, found, strict=True))
    assert same(by, wanted)
    assert any(g.any() for g in by)
    different, _ = made(loss).watch(*sample(), 1)
    assert not any(np.array_equal(a.V, b.V) for a, b in zip(seen, different, strict=True))


def test_what_a_spike_does_in_every_layer_by_hand():
    """A current into one neuron of each of two layers: V and I after a step, of 12 and 3 ms, and of 35 and 8."""
    c = FixedPoint(COMMON, 1.0, 12.0)
    engine = ClockedEngine(
        [np.array([[30.0]]), np.array([[0.75]])],
        Setup(c, MaxVoltageLoss(), layers=tuple(replace(c, p=p) for p in OWN[:2])),
        largest=[30.0, 0.75],
    )
    (first, second), _ = engine.watch(np.array([0]), np.array([0]), 0)
    spike = int(np.flatnonzero(first.V[:, 0] == 0)[0])
    for state, k, w, (tau_m, tau_s) in ((first, 0, 30.0, (12, 3)), (second, spike + 1, 0.75, (35, 8))):
        unit = round(w * (1 << 14))
        beta = round(np.exp(-1 / tau_s) * 4096)
        gamma = round(tau_s / (tau_m - tau_s) * (np.exp(-1 / tau_m) - np.exp(-1 / tau_s)) * 4096)
        assert state.I[k, 0] == (beta * unit + 2048) >> 12
        if k:
            assert state.V[k, 0] == (gamma * unit + 2048) >> 12


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", [TTFSLoss(3.0, 6.4, 0.02), MaxVoltageLoss(), MeanVoltageLoss(gain=6.0)])
def test_gradients_are_those_of_an_oracle_in_floating_point(loss, seed):
    engine = made(loss, seed=seed, bits=(17, 24, 17))
    c, label, (steps, sources) = engine.c, seed % 3, sample(seed)
    _, found = engine.gradient(spike_trains([(steps * c.dt, sources)], 4, END), np.array([label]))
    counts = np.zeros((c.steps, 4))
    np.add.at(counts, (steps, sources), 1)
    tau_m, tau_s = np.array([(p.tau_m, p.tau_s) for p in OWN]).T
    oracle = Oracle(engine.weights, engine.loops, tau_m, tau_s, c.dt, c.steps, c.floor)
    spikes = oracle.forward(counts, isinstance(loss, TTFSLoss))
    at_spikes, impulses = np.zeros_like(spikes), np.zeros_like(spikes)
    if isinstance(loss, TTFSLoss):
        at_spikes = oracle.at_first_spikes(loss, label)
    elif isinstance(loss, MaxVoltageLoss):
        V = oracle.V[:, oracle.output]
        share = np.exp(V.max(axis=0))
        where = V.argmax(axis=0), np.arange(oracle.output.start, oracle.output.stop)
        impulses[where] = (np.eye(3)[label] - share / share.sum()) / OWN[-1].tau_m
    else:
        V = oracle.V[:, oracle.output].mean(axis=0)
        impulses[:, oracle.output] = -loss.by_means(V, label) / OWN[-1].tau_m / c.steps
    expected, _ = oracle.backward(at_spikes, impulses)
    scale = max(np.abs(g).max() for g in expected)
    assert scale > 0
    for a, b in zip(found, expected, strict=True):
        assert np.abs(a - b).max() < 0.01 * scale


@pytest.mark.parametrize("loss", [TTFSLoss(), MaxVoltageLoss(), MeanVoltageLoss(15.0, 9.0)])
def test_parts_do_the_same_in_every_step(loss):
    silent = SilentPolicy("phantom", 2.0) if isinstance(loss, TTFSLoss) else SilentPolicy()
    engine = made(loss, silent=silent)
    loop = PartsLoop([m.copy() for m in engine.masters], engine.exponents, engine.setup, engine.looped)
    for seed in range(2):
        seen, gradients = engine.watch(*sample(seed), seed)
        loop.sample(*sample(seed), seed, same_states(loop, seen))
        assert same([dense.gradient for dense in loop.dense], gradients)
        assert all(g.any() for g in gradients)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_parts_learn_the_same(optimizer):
    """Plain descent has tau_s of the layer that each matrix leads to in its step."""
    engine = made(TTFSLoss(), optimizer=optimizer)
    loop = PartsLoop([m.copy() for m in engine.masters], engine.exponents, engine.setup, engine.looped)
    loop.set_learning(3, 0.01)
    start = [m.copy() for m in engine.masters]
    trains = spike_trains([sample(k) for k in range(3)], 4, END)
    for k in range(3):
        loop.sample(*sample(k), k)
    engine.train_batch(trains, np.arange(3), np.arange(3), 0.01)
    assert same([dense.masters for dense in loop.dense], engine.masters)
    assert not any(np.array_equal(a, b) for a, b in zip(start, engine.masters, strict=True))


@pytest.mark.parametrize("loss", [TTFSLoss(3.0, 6.4, 0.02), MeanVoltageLoss(20.0, 6.0)])
def test_the_direction_comes_nearer_to_that_of_continuous_time(loss):
    """Cosines of the angles between both gradients by each matrix, thresholds of 1, too: the medians of 16 samples."""
    medians = []
    for dt in (1.0, 0.25, 0.0625):
        found = []
        for seed in range(16):
            clocked = made(loss, OWN, dt, seed, (15, 22, 20), (False,) * 3)
            exact = EventPropEngine(clocked.weights, OWN, loss, END)
            trains = spike_trains([sample(seed)], 4, END)
            one, other = (e.gradient(trains, np.array([seed % 3]))[1] for e in (clocked, exact))
            pairs = [(a.ravel(), b.ravel()) for a, b in zip(one, other, strict=True)]
            if all(np.linalg.norm(a) * np.linalg.norm(b) > 1e-9 for a, b in pairs):
                found.append([a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs])
        assert len(found) >= 12
        medians.append(np.median(found, axis=0))
    assert (medians[-1] > np.max(medians[:-1], axis=0)).all()
    assert medians[-1].min() > 0.97


def test_thresholds_matter_only_where_voltages_answer():
    """Weights are in thresholds: others in hidden layers change nothing; that of the output is in the loss."""
    p = [(NeuronParameters(20.0, 5.0, a), NeuronParameters(20.0, 5.0, a), NeuronParameters(20.0, 5.0, b))
         for a, b in ((1.0, 1.0), (3.0, 1.0), (1.0, 0.5))]  # fmt: skip
    for loss, matters in ((TTFSLoss(), False), (MaxVoltageLoss(), True), (MeanVoltageLoss(gain=9.0), True)):
        one, hidden, output = (made(loss, own).watch(*sample(), 1)[1] for own in p)
        assert same(one, hidden)
        assert same(one, output) is not matters


@pytest.mark.parametrize("loss", [TTFSLoss(3.0, 6.4, 0.02), MeanVoltageLoss(gain=9.0)])
def test_widths_of_layers_matter_only_by_rounding(loss):
    """A layer of 18 theta_bits beside ones of 16: gradients of the same samples, within a hundredth."""
    plain = made(loss, OWN, bits=(17, 24, 17))
    c = plain.c
    wide = tuple(replace(c, p=p, theta_bits=n) for p, n in zip(OWN, (16, 18, 16), strict=True))
    held = [0.99 * 254 * 2**x / c.theta for x in plain.exponents]  # the same 8 bits of every weight
    mixed = ClockedEngine(plain.weights, Setup(c, loss, layers=wide), recurrent=plain.loops, largest=held)
    assert [x - y for x, y in zip(mixed.exponents, plain.exponents, strict=True)] == [-1, 1, -1, -1]
    assert all(np.array_equal(a, b) for a, b in zip(mixed.weights, plain.weights, strict=True))
    for k in range(3):
        found, expected = (e.watch(*sample(k), k)[1] for e in (mixed, plain))
        for a, b in zip(found, expected, strict=True):
            assert np.abs(a - b).max() <= 0.01 * max(np.abs(g).max() for g in expected)
        assert all(g.any() for g in found)


def test_what_is_refused():
    c = FixedPoint(COMMON, 1.0, END)
    layers = tuple(replace(c, p=p) for p in OWN)
    for given, message in (
        ((), "setup: layers is empty; give the arithmetic of every layer, or None"),
        (layers[:2], "setup: layers has 2 entries, but there are 3 layers; give one for each"),
        (3, "setup: layers is 3, but must be a tuple, each entry of it a FixedPoint or None"),
        ((layers[0], 3, layers[2]), "setup: layers is .*, but must be a tuple"),
        (
            (*layers[:2], replace(c, dt=2.0)),
            r"setup: dt of layers\[2\] is 2.0, but that of c is 1.0, and all",
        ),
        ((*layers[:2], replace(c, end=80.0)), r"setup: end of layers\[2\] is 80.0, but that of c is 60.0"),
        ((*layers[:2], replace(c, adjoint_bits=12)), r"setup: adjoint_bits of layers\[2\] is 12, but that of c is 14"),
    ):
        with pytest.raises(InputError, match=message):
            ClockedEngine([np.ones(s) for s in pairwise(LAYERS)], Setup(c, TTFSLoss(), layers=given))
    assert Setup(c, TTFSLoss(), layers=list(layers)).layers == layers
