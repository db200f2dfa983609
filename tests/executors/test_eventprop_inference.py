"""EventProp on Lava's stock Processes: every spike of every layer is the clocked engine's."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from lava_nbp import LavaRuntime, run_config
from lava_nbp.base.targets import TARGETS
from lava_nbp.errors import InputError, MissingLoihiError, RuntimeFailure
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.ladder import Ladder
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import spike_trains
from lava_nbp.executors.eventprop_inference import EventPropInferenceExecutor
from lava_nbp.loihi.eventprop_lowering import lower_eventprop
from lava_nbp.processes import EventPropInference

P, END = NeuronParameters(20.0, 5.0), 40.0


def problem(layers, scale=1.0, delayed=False, looped=False, seed=0, neurons=None, refractory=None):
    """Weights, a setup, and what else the engine takes; layer by layer."""
    rng = np.random.default_rng(seed)
    means = [3.5, *[1.4] * (len(layers) - 2)]
    weights = [rng.normal(m * scale, 0.7 * scale, s) for m, s in zip(means, pairwise(layers), strict=True)]
    options = {}
    if delayed:
        options["delays"] = [rng.integers(0, 9, s) for s in pairwise(layers)]
        options["delays"][-1] = options["delays"][-1][:, 0]
    if looped:
        options["recurrent"] = [rng.normal(0, 0.5 * scale, (n, n)) for n in layers[1:]]
        options["recurrent_delays"] = [rng.integers(0, 4, (n, n)) if delayed else None for n in layers[1:]]
    c = FixedPoint(P, 1.0, END, 13, neuron="loihi")
    layers = None if neurons is None else tuple(replace(c, p=p, theta_bits=13 - k) for k, p in enumerate(neurons))
    layers = layers if refractory is None else tuple(replace(c, refractory=r) for r in refractory)
    return weights, Setup(c, TTFSLoss(), layers=layers), options


def samples(n_in, n=4, seed=0, often=False):
    rng = np.random.default_rng([seed, 1])
    found = []
    for _ in range(n):
        k = np.sort(rng.integers(0, 40, 9)) if often else np.sort(rng.permutation(40)[:9])
        found.append((k * 1.0, rng.integers(0, n_in, 9)))
    if often:
        found[1] = (np.array([3.0, 3.0, 3.0, 5.0]), np.array([0, 0, 0, 1]))
    found[0] = ([], [])  # silence between samples of spikes
    return spike_trains(found, n_in, END)


@pytest.mark.parametrize(
    ("refractory", "scale", "delayed", "looped"),
    [
        ((1, 1, 1), 1.0, False, True),
        ((4, 0, 2), 1.0, True, True),
        ((62, 3, 1), 1.0, True, False),
        ((2, 5, 3), 30.0, True, True),
    ],
)
def test_refractory_periods(refractory, scale, delayed, looped):
    """Lava's LIFRefractory, with a model in integers: every spike, sample after sample."""
    weights, setup, options = problem((4, 6, 5, 3), scale, delayed, looped, refractory=refractory)
    trains, spikes = samples(4), 0
    engine = ClockedEngine(weights, setup, **options)
    free = ClockedEngine(weights, problem((4, 6, 5, 3), scale, delayed, looped)[1], **options)
    with EventPropInferenceExecutor(weights, setup, **options) as executor:
        for k in range(len(trains)):
            found = executor.spikes(trains, k)
            engine.infer(trains, np.array([k]))
            free.infer(trains, np.array([k]))
            for at, name in enumerate(("hidden1", "hidden2", "output")):
                assert np.array_equal(found[name], raster(engine, at))
            spikes += found["hidden1"].sum()
        assert np.array_equal(executor.infer(trains).said, engine.infer(trains).said)
    assert spikes > 10
    assert not np.array_equal(raster(free, 0), raster(engine, 0))


def test_a_chip_is_not_known_to_have_refractory_periods():
    weights, setup, options = problem((4, 3), refractory=(5,))
    for target in ("loihi1", "loihi2"):
        with pytest.raises(
            InputError, match="neurons 'output' have a refractory period of 5 steps, for which lava-loi"
        ):
            EventPropInferenceExecutor(weights, setup, target=target, **options)


def raster(engine, k):
    n, tape = engine._spikes[k], engine._tapes[k]
    z = np.zeros((engine.c.steps, engine.sizes[k + 1]), dtype=np.uint8)
    z[tape.step[:n], tape.neuron[:n]] = 1
    return z


@pytest.mark.parametrize(
    ("layers", "scale", "delayed", "looped", "often"),
    [
        ((4, 3), 1.0, False, False, False),
        ((4, 6, 3), 1.0, True, False, True),
        ((4, 6, 5, 3), 1.0, False, True, False),
        ((4, 6, 5, 3), 1.0, True, True, True),
        ((4, 6, 3), 30.0, True, True, False),  # u wraps, v saturates
    ],
)
def test_every_spike_of_every_layer(layers, scale, delayed, looped, often):
    neurons = (P, *[NeuronParameters(30.0, 8.0)] * (len(layers) - 2)) if len(layers) > 3 else None
    weights, setup, options = problem(layers, scale, delayed, looped, neurons=neurons)
    trains = samples(layers[0], often=often)
    engine = ClockedEngine(weights, setup, **options)
    spikes, most = 0, 0
    with EventPropInferenceExecutor(weights, setup, **options) as executor:
        for k in range(len(trains)):
            found = executor.spikes(trains, k)
            engine.infer(trains, np.array([k]))
            for layer, (name, z) in enumerate(found.items()):
                assert np.array_equal(z, raster(engine, layer)), (k, name)
                spikes += z.sum()
            stock = executor._session.network.stock
            mine = slice(*trains.offsets[k : k + 2])
            seen, _ = engine.watch(setup.c.steps_of(trains.times[mine]), trains.sources[mine], 0)
            for group, states in zip(stock.lowered.groups, seen, strict=True):
                assert np.array_equal(stock.groups[group.name].u.get(), states.I[-1])
                assert np.array_equal(stock.groups[group.name].v.get(), states.V[-1])
                most = max(most, np.abs(states.V).max())
        assert list(found) == [*(f"hidden{k}" for k in range(1, len(layers) - 1)), "output"]
    assert spikes > 40
    assert bool(most == REGISTER_MAX) is (scale > 1)


@pytest.mark.parametrize(
    ("layers", "scale", "delayed", "looped", "often"),
    [
        ((4, 3), 1.0, True, False, True),  # the input's spikes go to every rung
        ((4, 6, 3), 1.0, False, False, False),
        ((4, 6, 5, 3), 1.0, True, True, True),
        ((4, 6, 3), 30.0, True, True, False),  # u wraps, v saturates
    ],
)
def test_every_spike_of_a_ladder(layers, scale, delayed, looped, often):
    """Those after a rung's first, too; and the levels, ties and all, are the clocked engine's answers."""
    weights, setup, options = problem(layers, scale, delayed, looped)
    if looped:
        options["recurrent"][-1] = options["recurrent_delays"][-1] = None
    weights[-1][:, 0] *= -1
    trains = samples(layers[0], often=often)
    voltages = ClockedEngine(weights, Setup(setup.c, MaxVoltageLoss()), **options).infer(trains).said
    top = min(float(voltages.max()), 131071 / setup.c.vth)
    setup = Setup(setup.c, MaxVoltageLoss(), ladder=Ladder(7, top, 0.04 * top))
    engine, labels, most = ClockedEngine(weights, setup, **options), np.arange(len(trains)) % 3, 0
    with EventPropInferenceExecutor(weights, setup, **options) as executor:
        for k in range(len(trains)):
            found, wanted = executor.spikes(trains, k), engine.spikes(trains, k)
            assert list(found) == list(wanted) == [*(f"hidden{n}" for n in range(1, len(layers) - 1)), "output"]
            for name, z in wanted.items():
                assert found[name].dtype == z.dtype == np.uint8
                assert np.array_equal(found[name], z), (k, name)
            most = max(most, wanted["output"].sum(axis=0).max())
        assert wanted["output"].shape == (setup.c.steps, 3, 7)
        assert most > 1  # some rung has spiked again
        said, mine = executor.infer(trains), engine.infer(trains)
        assert np.array_equal(said.said, mine.said)
        assert said.voltages
        for of in (lambda r: r.answers(), lambda r: r.ties(), lambda r: r.silent(), lambda r: r.right(labels)):
            assert np.array_equal(of(said), of(mine))
        assert said.silent()[0]
        assert len(np.unique(said.said)) > (1 if scale > 1 else 2)
        # Other weights, while it runs.
        other = [m - (m >> 2) if k < len(layers) - 1 else m for k, m in enumerate(engine.masters)]
        for target in (executor, engine):
            target.write_masters(other)
        assert np.array_equal(executor.infer(trains).said, engine.infer(trains).said)
        assert executor.infer(trains, np.zeros(0, np.int64)).said.shape == (0, 3)


def test_answers_of_other_weights_and_other_trains():
    """Weights are replaced while it runs; an input with several spikes in a step makes the network anew."""
    weights, setup, options = problem((4, 6, 3), delayed=True)
    engine = ClockedEngine(weights, setup, **options)
    plain, often = samples(4), samples(4, seed=1, often=True)
    other = [np.clip(m - (m >> 2), -(1 << 20), 1 << 22) for m in engine.masters]
    with EventPropInferenceExecutor(weights, setup, **options) as executor:
        first, session = executor.infer(plain).said, executor._session
        assert np.array_equal(first, engine.infer(plain).said)
        for target in (executor, engine):
            target.write_masters(other)
        assert executor._session is session  # weights alone are set in what runs
        assert np.array_equal(executor.infer(plain).said, engine.infer(plain).said)
        assert not np.array_equal(first, engine.infer(plain).said)
        assert not executor._session.graded
        assert np.array_equal(executor.infer(often).said, engine.infer(often).said)
        assert executor._session.graded
        assert np.array_equal(executor.infer(plain, np.array([2, 1])).said, engine.infer(plain, np.array([2, 1])).said)
    with pytest.raises(RuntimeFailure, match="this network is closed; make it anew to go on"):
        executor.infer(plain)


def test_learned_delays_of_the_moment():
    """Delays that were learned act as they are rounded; written ones make the network anew."""
    weights, setup, options = problem((4, 6, 3), delayed=True)
    options |= {"delay_rate": 1.0, "longest_delay": 20}
    engine, trains = ClockedEngine(weights, setup, **options), samples(4)
    moved = [m.copy() for m in engine.masters]
    moved[2] = np.clip(moved[2] + (3 << 20) - (1 << 19), 0, 20 << 20)
    with EventPropInferenceExecutor(weights, setup, **options) as executor:
        before = executor.infer(trains).said
        for target in (executor, engine):
            target.write_masters(moved)
        assert executor._session is None
        assert np.array_equal(executor.infer(trains).said, engine.infer(trains).said)
        assert not np.array_equal(executor.infer(trains).said, before)


def test_what_is_refused():
    weights, setup, _ = problem((4, 3))
    trains = samples(4, often=True)
    with EventPropInferenceExecutor(weights, setup) as executor:
        with pytest.raises(InputError, match="target lava-stock answers, but does not learn, EventProp"):
            executor.train_batch(trains, np.zeros(4, int), np.arange(2), 0.01)
        crowded = spike_trains([(np.full(256, 3.0), np.zeros(256, int))], 4, END)
        with pytest.raises(InputError, match="sample 0: input 0 has 256 spikes in step 3, but target .*; ans"):
            executor.infer(crowded)
    for target in ("loihi1", "loihi2"):
        assert TARGETS[target].answers_only == ("eventprop",)
        with pytest.raises(MissingLoihiError, match=f"target '{target}' needs Intel's lava-loihi"):
            EventPropInferenceExecutor(weights, setup, target=target)
    for other, message in (
        (Setup(FixedPoint(P, 1.0, END), TTFSLoss()), "neurons of layer 1 are 'exact', whose arithmetic no chip has"),
        (Setup(setup.c, MaxVoltageLoss()), "the outputs answer by voltages .*; give outputs rungs, .*clocked.rungs"),
        (Setup(setup.c, MeanVoltageLoss()), "by voltages .* max_voltage and clocked.rungs: a mean over the trial is"),
    ):
        with pytest.raises(InputError, match=message):
            EventPropInferenceExecutor(weights, other)
    for target in ("lava", "continuous"):
        with pytest.raises(InputError, match=f"target {target} is not made of Lava's stock Proc.* of lava-st"):
            EventPropInferenceExecutor(weights, setup, target=target)
    with pytest.raises(InputError, match="granularity is 'sample'; leave it out"):
        EventPropInferenceExecutor(weights, setup, granularity="sample")


def test_networks_of_another_form_and_targets_that_have_no_model():
    weights, setup, options = problem((4, 6, 3), delayed=True)
    engine = ClockedEngine(weights, setup, **options)
    network, lowered = EventPropInference(lower_eventprop(engine)), lower_eventprop(engine)
    for other in (
        replace(lowered, steps=41),
        replace(lowered, groups=(replace(lowered.groups[0], dv=3), *lowered.groups[1:])),
        replace(lowered, matrices=(replace(lowered.matrices[0], exponent=7), *lowered.matrices[1:])),
        replace(lowered, matrices=(replace(lowered.matrices[0], delays=None), *lowered.matrices[1:])),
        replace(lowered, matrices=lowered.matrices[:1]),
    ):
        with pytest.raises(InputError, match="the network has other neurons, sizes, exponents or delays; make"):
            network.write(other)
    with pytest.raises(InputError, match="lowered is 3, but must be a LoweredEventProp"):
        network.write(3)
    assert network.lowered.has_form_of(lowered)
    network.write(replace(lowered, matrices=tuple(replace(m, mantissas=0 * m.mantissas) for m in lowered.matrices)))
    assert not network.lowered.matrices[0].mantissas.any()
    for config in (None, run_config("lava-primitives")):
        with (
            pytest.raises(InputError, match="EventPropInference has no model for .*; use one of lava-stock$"),
            LavaRuntime(EventPropInference(lowered), config) as runtime,
        ):
            runtime.run(1)
