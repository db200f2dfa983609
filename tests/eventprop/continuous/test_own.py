"""Time constants of layers and neurons, thresholds of layers, delays: spikes and gradients as two oracles have them."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from precise import exactly, simulate, slope, ttfs_loss, voltage_loss

from lava_nbp.errors import InputError
from lava_nbp.eventprop import reference
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss, VoltageErrorLoss
from lava_nbp.eventprop.trains import spike_trains

END = 60.0
LOSSES = [
    TTFSLoss(5.0, 20.0, 0.01), MaxVoltageLoss(), MeanVoltageLoss(gain=3.0), MeanVoltageLoss(25.0, 3.0),
    VoltageErrorLoss((4.0, 17.0, 31.0, 60.0)),
]  # fmt: skip
#: Of neurons: anything; around an integer ratio; around equal constants; the synapse slower.
CENTRES = [(20.0, 5.0), (20.0, 10.0), (10.0, 10.0), (6.0, 12.0)]


class Problem:
    """A network with constants and delays of its own, and a sample."""

    def __init__(self, seed, layers=(3, 4, 3), *, centre=(20.0, 5.0), spread=0.2, delays="both", recurrent=False, loss):
        rng = np.random.default_rng(seed)
        spiking = isinstance(loss, TTFSLoss)
        scale = 0.8 if centre[1] == 5 else 0.45
        self.loss, self.label = loss, 1
        self.read = loss.times if isinstance(loss, VoltageErrorLoss) else ()
        if self.read:
            self.label = rng.normal(0, 1, (len(self.read), layers[-1]))
        means = [2.2, *[1.4] * (len(layers) - 2)]
        shapes = itertools.pairwise(layers)
        self.weights = [scale * rng.normal(m, 0.8, shape) for m, shape in zip(means, shapes, strict=True)]
        self.loops = [scale * rng.normal(0, 0.5, (n, n)) if recurrent else None for n in layers[1:-1]]
        self.loops.append(scale * rng.normal(0, 0.5, (layers[-1],) * 2) if recurrent and spiking else None)
        self.times, self.sources = np.sort(rng.uniform(0, 25, 10)), rng.integers(0, layers[0], 10)
        self.taus = [[tau * np.exp(spread * rng.normal(0, 1, n)) for n in layers[1:]] for tau in centre]
        self.p = [
            tuple(NeuronParameters(float(m), float(s)) for m, s in zip(*rows, strict=True))
            for rows in zip(*self.taus, strict=True)
        ]
        asked = {"none": (False, False), "forward": (True, False), "loops": (False, True), "both": (True, True)}[delays]
        self.delays = [rng.uniform(0, 8, w.shape) if asked[0] else None for w in self.weights]
        self.loop_delays = [
            rng.uniform(0, 8, w.shape) if asked[1] and w is not None else None for w in self.loops
        ]  # fmt: skip

    @property
    def spiking(self):
        return isinstance(self.loss, TTFSLoss)

    @property
    def beside(self):
        return {"recurrent": self.loops, "delays": self.delays, "recurrent_delays": self.loop_delays}

    def run(self):
        mean = self.loss if isinstance(self.loss, MeanVoltageLoss) else None
        return reference.forward(
            self.weights, self.times, self.sources, self.p, END, self.spiking, mean=mean, read=self.read, **self.beside
        )

    def said(self, run):
        if self.spiking:
            return run.first
        if self.read:
            return run.readings.ravel()
        return run.means if isinstance(self.loss, MeanVoltageLoss) else run.peaks

    def engine(self, **more):
        options = {"delay_rate": 1.0, "constant_rate": 1.0, "constants_range": (0.1, 1e3)} | self.beside | more
        return EventPropEngine(self.weights, self.p, self.loss, END, **options)

    @property
    def trains(self):
        return spike_trains([(self.times, self.sources)], len(self.weights[0]), END)

    @property
    def labels(self):
        return np.array([self.label])

    def value(self, said):
        if self.read:
            return self.loss.value(said.reshape(self.label.shape), self.label)
        return self.loss.value(said, self.label, END) if self.spiking else self.loss.value(said, self.label)

    def by_said(self, said):
        if self.read:
            return self.loss.by_voltages(said, self.label.ravel())
        by = self.loss.by_means if isinstance(self.loss, MeanVoltageLoss) else None
        return (self.loss.by_times if self.spiking else by or self.loss.by_peaks)(said, self.label)


def by_name(engine, gradients, taus):
    """Gradients by name, those by logarithms as those by the constants."""
    found = dict(zip(engine.names, gradients, strict=True))
    for kind, rows in zip(("tau_m", "tau_s"), taus, strict=True):
        for k, row in enumerate(rows, 1):
            found[f"{kind}{k}"] = found[f"{kind}{k}"] / row
    return found


def named(by):
    """The oracle's gradients by name."""
    kinds = zip(("W", "R", "D", "E", "tau_m", "tau_s"), by, strict=True)
    return {f"{kind}{k}": g for kind, rows in kinds for k, g in enumerate(rows, 1) if g is not None}


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("centre", CENTRES)
@pytest.mark.parametrize("layers", [(3, 4), (3, 4, 3), (3, 4, 4, 2)])
def test_engine_and_oracle_agree(layers, centre, loss, recurrent):
    """What is said, every spike's number, all gradients, and errors of input spikes, with delays and without."""
    spread, spikes = 0.2 if layers[1] == 4 else 0.0, 0
    for delays in ("none", "forward", "both"):
        problem = Problem(3, layers, centre=centre, spread=spread, delays=delays, recurrent=recurrent, loss=loss)
        run, sent, engine = problem.run(), [], problem.engine()
        exact = reference.gradient(problem.weights, run, problem.p, loss, problem.label, sent=sent, **problem.beside)
        by = named(exact)
        result, gradients = engine.gradient(problem.trains, problem.labels)
        np.testing.assert_allclose(result.said[0], problem.said(run), rtol=1e-9, atol=1e-13)
        assert result.hidden_spikes == sum(0 <= s.layer < len(layers) - 2 for s in run.spikes)
        spikes += sum(s.layer >= 0 for s in run.spikes)
        found = by_name(engine, gradients, problem.taus)
        assert found.keys() == by.keys()
        for name, g in by.items():
            assert np.abs(found[name] - g).max() <= 1e-8 * max(np.abs(g).max(), 1e-6), (delays, name)
        said = problem.said(run)
        by_said = problem.by_said(said)
        _, _, by_times = engine.backpropagate(problem.trains, by_said[None])
        errors = [s.error for s in reversed(sent) if s.layer < 0]
        np.testing.assert_allclose(by_times, errors, rtol=1e-7, atol=1e-8 * max(np.abs(errors).max(), 1e-6))
    assert spikes > 10 or (len(layers) == 2 and not problem.spiking)


def of_layer(spikes, layer):
    """Those of a layer of the oracle, in the order of time."""
    return sorted((s for s in spikes if s.layer == layer), key=lambda s: s.time)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("delays", "spread"), [("none", 0.0), ("none", 0.2), ("forward", 0.0), ("both", 0.2)])
def test_every_spike_and_its_error_as_the_oracle(loss, recurrent, delays, spread):
    """Neurons that are alike, neurons of their own, with delays and without: each has kernels of its own."""
    options = {"spread": spread, "delays": delays, "recurrent": recurrent, "loss": loss}
    problems = (Problem(k, (3, 4, 4, 3), **options) for k in range(5, 100))
    problem = next(p for p in problems if np.isfinite(p.said(p.run())[1]).all())  # a silent label has nothing to teach
    if not spread:
        problem.p = NeuronParameters()
    run, sent = problem.run(), []
    reference.gradient(problem.weights, run, problem.p, loss, problem.label, sent=sent, **problem.beside)
    by_said = problem.by_said(problem.said(run))
    if problem.spiking:  # of outputs all spikes, not only the first
        by_said = np.column_stack([by_said, np.zeros((len(by_said), 8))]).ravel()
    engine = problem.engine(said_spikes=9 if problem.spiking else 1, constant_rate=0.0)
    found = engine.watch(problem.trains, 0, by_said)
    assert [len(layer.times) for layer in found] == [len(of_layer(run.spikes, k)) for k in range(-1, 3)]
    assert len(found[1].times) > 5
    largest = max(abs(s.error) for s in sent)
    assert largest > 0
    for k, layer in enumerate(found, -1):
        spikes, errors = of_layer(run.spikes, k), of_layer(sent, k)
        np.testing.assert_array_equal(layer.neurons, [s.neuron for s in spikes])
        np.testing.assert_allclose(layer.times, [s.time for s in spikes], rtol=1e-10)
        np.testing.assert_allclose(layer.errors, [s.error for s in errors], rtol=1e-7, atol=1e-8 * largest)


def test_watching_one_of_several_samples():
    """Spikes are copies, errors are there if they are asked for, and nothing of it changes the network."""
    problem = Problem(5, delays="none", loss=LOSSES[0])
    trains = spike_trains([([3.0], [1]), (problem.times, problem.sources), ([], [])], 3, END)
    engine = problem.engine()
    state, weights = engine.state(), [w.copy() for w in engine.weights]
    (inputs, hidden, output), said = engine.watch(trains, 1), engine.infer(trains).said[1]
    np.testing.assert_array_equal(inputs.times, problem.times)
    np.testing.assert_array_equal(inputs.neurons, problem.sources)
    assert len(hidden.times) > len(output.times) > 0
    assert not any(len(layer.errors) for layer in (inputs, hidden, output))
    first = np.full(3, np.inf)
    first[output.neurons] = output.times
    np.testing.assert_array_equal(first, said)
    kept = hidden.times.copy()
    assert [len(layer.times) for layer in engine.watch(trains, 2, np.ones(3))] == [0, 0, 0]
    engine.watch(trains, 0, np.ones(3))
    np.testing.assert_array_equal(hidden.times, kept)
    for name, array in engine.state().items():
        np.testing.assert_array_equal(array, state[name])
    np.testing.assert_array_equal(engine.weights[0], weights[0])
    for arguments, message in (
        ((trains, 3), r"samples\[0\] is 3, but the trains have samples 0 .. 2"),
        ((trains, 0.5), "samples have dtype float64, but must be integers"),
        ((trains, 0, np.ones(2)), r"derivatives have shape \(1, 2\) and dtype float64, but must be \(1, 3\)"),
        ((trains, 0, np.full(3, np.nan)), "and finite"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            engine.watch(*arguments)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("loss", LOSSES[:2])
@pytest.mark.parametrize("centre", CENTRES)
def test_as_seventy_digits(centre, loss, recurrent):
    """What is said, and the derivative along a direction of each kind of parameter: 1e-10, by an oracle of its own."""
    problems = (Problem(k, (2, 3, 2), centre=centre, recurrent=recurrent, loss=loss) for k in range(5, 100))
    problem = next(p for p in problems if np.isfinite(p.said(p.run())).all() and 8 < len(p.run().spikes) - 10 < 40)
    rng = np.random.default_rng(0)
    kinds = [problem.weights, problem.loops, problem.delays, problem.loop_delays, *problem.taus]

    def run(weights, loops, delays, loop_delays, tau_m, tau_s):
        p = (20, 5, 1)
        return simulate(
            weights, problem.times, problem.sources, p, END, problem.spiking, loops, delays, loop_delays, (tau_m, tau_s)
        )

    said, spikes = exactly(run, *kinds)
    assert len(spikes) > 8
    engine = problem.engine()
    result, gradients = engine.gradient(problem.trains, problem.labels)
    np.testing.assert_allclose(result.said[0], np.array(said, float), rtol=1e-12, atol=0)
    found = by_name(engine, gradients, problem.taus)
    for place, letters in enumerate(("W", "R", "D", "E", "tau_m", "tau_s")):
        moved = [None if m is None else rng.normal(0, 1, np.shape(m)) for m in kinds[place]]
        if all(m is None for m in moved):
            continue
        rows = place >= 4  # a row of neurons per layer, not a matrix

        def loss_of(matrices, place=place, rows=rows):
            changed = list(kinds)
            changed[place] = [m[0] for m in matrices] if rows else matrices
            said, after = run(*changed)
            assert after == spikes
            times = (said, 1, loss.tau0, loss.tau1, loss.alpha) if problem.spiking else None
            return [ttfs_loss(*times) if problem.spiking else voltage_loss(said, 1)]

        wrapped = ([[m] for m in kinds[place]], [[m] for m in moved]) if rows else (kinds[place], moved)
        derivative = float(slope(loss_of, *wrapped)[0])
        parts = [found[f"{letters}{k}"] * m for k, m in enumerate(moved, 1) if m is not None]
        assert abs(sum(part.sum() for part in parts) - derivative) < 1e-10 * max(np.abs(part).max() for part in parts)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("loss", LOSSES[2:])
def test_means_and_readings_by_differences(loss, recurrent):
    """Every parameter of the engine by central differences; spikes are neither lost nor won on the way."""
    problem = Problem(5, recurrent=recurrent, loss=loss)
    engine = problem.engine()
    result, gradients = engine.gradient(problem.trains, problem.labels)
    assert result.hidden_spikes > 5
    for name, matrix, gradient in zip(engine.names, engine.matrices, gradients, strict=True):
        numeric = np.zeros_like(matrix)
        for at in np.ndindex(*matrix.shape):
            kept, values = matrix[at], []
            for step in (1e-6, -1e-6):
                matrix[at] = kept + step
                moved = engine.infer(problem.trains)
                assert moved.hidden_spikes == result.hidden_spikes
                values.append(problem.value(moved.said[0]))
            matrix[at] = kept
            numeric[at] = (values[0] - values[1]) / 2e-6
        assert np.abs(numeric - gradient).max() <= 1e-6 * np.abs(gradient).max() + 1e-9, name
        assert np.abs(gradient).max() > 0 or name == "R2", name


def test_delays_of_a_source_are_those_of_its_synapses():
    """One number per source: the same spikes, and the sum of the gradients of its synapses."""
    problem = Problem(5, recurrent=True, loss=LOSSES[0])
    per_source = [np.array([1.0, 5.0, 2.5]), np.array([0.0, 3.0, 3.0, 1.0])]
    loops = [np.array([2.0, 0.0, 4.0, 1.0]), np.array([1.0, 2.0, 3.0])]
    found = []
    for wide in (False, True):
        delays, loop_delays = (
            [np.repeat(d[:, None], n, axis=1) if wide else d for d, n in zip(rows, (4, 3), strict=True)]
            for rows in (per_source, loops)
        )
        engine = problem.engine(delays=delays, recurrent_delays=loop_delays)
        result, gradients = engine.gradient(problem.trains, np.array([1]))
        by = dict(zip(engine.names, gradients, strict=True))
        found.append((result.said, {k: g.sum(axis=1) if k[0] in "DE" and wide else g for k, g in by.items()}))
    assert np.array_equal(found[0][0], found[1][0])
    for name, g in found[0][1].items():
        np.testing.assert_allclose(g, found[1][1][name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_without_a_delay_it_is_the_plain_network(loss, recurrent):
    """Delays of 0, and constants that only might differ: other kernels, the same numbers."""
    problem = Problem(5, spread=0.0, delays="none", recurrent=recurrent, loss=loss)
    delays = [np.zeros_like(w) for w in problem.weights]
    loop_delays = [None if w is None else np.zeros_like(w) for w in problem.loops]
    plain = EventPropEngine(problem.weights, NeuronParameters(), loss, END, recurrent=problem.loops)
    label = problem.labels
    expected, by = plain.gradient(problem.trains, label)
    for options in ({"delays": delays}, {"delays": delays, "recurrent_delays": loop_delays}, {"constant_rate": 1.0}):
        engine = EventPropEngine(problem.weights, NeuronParameters(), loss, END, recurrent=problem.loops, **options)
        result, gradients = engine.gradient(problem.trains, label)
        np.testing.assert_allclose(result.said, expected.said, rtol=1e-11, atol=0)
        assert result.hidden_spikes == expected.hidden_spikes > 5
        for name, g in zip(plain.names, by, strict=True):
            found = dict(zip(engine.names, gradients, strict=True))[name]
            assert np.abs(found - g).max() <= 1e-10 * np.abs(g).max()
        assert engine.is_uniform == ("delays" not in options)
    assert plain.is_uniform


@pytest.mark.parametrize("recurrent", [False, True])
def test_results_do_not_depend_on_threads_or_company(recurrent):
    """64 samples in parts, over one thread or two, and one by one."""
    problem = Problem(5, recurrent=recurrent, loss=LOSSES[1])
    rng = np.random.default_rng(0)
    samples = [(rng.uniform(0, 30, 8), rng.integers(0, 3, 8)) for _ in range(64)]
    trains, labels = spike_trains(samples, 3, END), rng.integers(0, 3, 64)
    one, two = problem.engine(), problem.engine(threads=2)
    result, gradients = one.gradient(trains, labels)
    again, others = two.gradient(trains, labels)
    assert np.array_equal(result.said, again.said)
    for a, b in zip(gradients, others, strict=True):
        assert np.array_equal(a, b)
    alone = [one.infer(trains, np.array([k])).said[0] for k in range(64)]
    assert np.array_equal(result.said, alone)


def test_room_for_many_spikes_grows():
    """Neurons that spike some 400 times each, with delays: as the oracle, and one that spikes for ever is refused."""
    loss, delays = MaxVoltageLoss(), [np.array([[0.5, 1.0]]), None]
    weights, p = [np.array([[60.0, 40.0]]), np.array([[0.01], [0.02]])], NeuronParameters(5.0, 2.0)
    times, end = np.arange(0.0, 400.0, 4.0), 400.0
    trains = spike_trains([(times, np.zeros(100, dtype=int))], 1, end)
    for loops, late in ((None, None), ([np.array([[0.0, 0.3], [0.2, 0.0]]), None], [np.ones((2, 2)), None])):
        beside = {"recurrent": loops, "delays": delays, "recurrent_delays": late}
        run = reference.forward(weights, times, np.zeros(100, dtype=int), p, end, False, **beside)
        result = EventPropEngine(weights, p, loss, end, **beside).infer(trains)
        assert result.hidden_spikes == sum(s.layer == 0 for s in run.spikes) > 400
        np.testing.assert_allclose(result.said[0], run.peaks, rtol=1e-9)
    beside = {"recurrent": [np.full((2, 2), 50.0), None], "recurrent_delays": [np.full((2, 2), 0.1), None]}
    with pytest.raises(InputError, match="seems to spike without end"):
        EventPropEngine(weights, p, loss, end, **beside).infer(trains)


def test_what_arrives_after_the_end_does_not():
    """A spike that is sent at 50 ms of 60, with a delay of 20: it has no effect, and no gradient."""
    weights, loss = [np.array([[9.0, 9.0]])], TTFSLoss()
    engine = EventPropEngine(weights, NeuronParameters(), loss, END, delays=[np.array([[20.0, 0.0]])], delay_rate=1.0)
    trains = spike_trains([([50.0], [0])], 1, END)
    result, (by_w, by_d) = engine.gradient(trains, np.array([1]))
    assert np.isinf(result.said[0, 0])
    assert np.isfinite(result.said[0, 1])
    assert by_w[0, 0] == by_d[0, 0] == 0 != by_w[0, 1]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_learned_delays_and_constants_stay_within_their_limits(optimizer):
    """A step that would carry them beyond is cut, counted, and nothing else is."""
    problem = Problem(5, recurrent=True, loss=LOSSES[0])
    options = {"longest_delay": 9.0, "constants_range": (3.0, 30.0), "delay_rate": 1e3, "constant_rate": 1e3}
    engine = problem.engine(optimizer=optimizer, **options)
    result = engine.train_batch(problem.trains, np.array([1]), np.array([0]), 0.1)
    after = engine.parameters()
    outside = 0
    for name, array in after.items():
        low, high = (0.0, 9.0) if name[0] in "DE" else (3.0, 30.0)
        if name[0] not in "WR":
            assert low <= array.min() <= array.max() <= high
            outside += int(((array <= low * (1 + 1e-12)) | (array >= high * (1 - 1e-12))).sum())
    assert result.bounded == outside > 3
    assert problem.engine(optimizer=optimizer, **options).train_batch(
        problem.trains, np.array([1]), np.array([0]), 1e-9
    ).bounded == 0  # fmt: skip
    assert engine.infer(problem.trains).hidden_spikes >= 0


def test_time_constants_that_meet_are_no_matter():
    """tau_m and tau_s that are learned to the same value: equal and nearly equal, all numbers finite."""
    weights = [np.full((2, 3), 1.5), np.full((3, 2), 0.7)]
    trains, labels = spike_trains([([1.0, 3.0, 9.0], [0, 1, 0])], 2, END), np.array([0])
    found = []
    for gap in (0.0, 1e-15, 1e-9, 1e-4):
        p = NeuronParameters(10.0, 10.0 * (1 + gap))
        engine = EventPropEngine(weights, p, MaxVoltageLoss(), END, constant_rate=1.0)
        _, gradients = engine.gradient(trains, labels)
        found.append(np.concatenate([g.ravel() for g in gradients]))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=2e-3, atol=1e-9)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-7, atol=1e-13)


def test_one_constant_for_a_layer_that_is_alike():
    """Its gradient is the sum over the neurons, and a step moves all of them."""
    problem = Problem(5, spread=0.0, delays="none", loss=LOSSES[0])
    each = problem.engine()
    tied = EventPropEngine(problem.weights, NeuronParameters(), problem.loss, END, constant_rate=1.0)
    label = np.array([1])
    _, of_each = each.gradient(problem.trains, label)
    _, of_all = tied.gradient(problem.trains, label)
    sums = {name: g.sum() for name, g in zip(each.names, of_each, strict=True) if name.startswith("tau")}
    for name, g in zip(tied.names, of_all, strict=True):
        if name.startswith("tau"):
            np.testing.assert_allclose(g, [sums[name]], rtol=1e-9)
    tied.train_batch(problem.trains, label, np.array([0]), 0.01)
    first, _ = tied.p
    assert isinstance(first, NeuronParameters)
    assert first != NeuronParameters()
    np.testing.assert_allclose(abs(np.log(first.tau_m / 20.0)), 0.01, rtol=1e-6)  # Adam's first step


def test_thresholds_of_layers():
    """A layer with twice the threshold and twice the weights spikes alike; its rate is in thresholds."""
    problem = Problem(5, spread=0.0, delays="none", recurrent=True, loss=LOSSES[0])
    p, double = NeuronParameters(), NeuronParameters(theta=2.0)
    plain = EventPropEngine(problem.weights, p, problem.loss, END, recurrent=problem.loops)
    weights = [problem.weights[0], 2 * problem.weights[1]]
    loops = [problem.loops[0], 2 * problem.loops[1]]
    scaled = EventPropEngine(weights, [p, double], problem.loss, END, recurrent=loops)
    label, one = np.array([1]), np.array([0])
    for _ in range(3):
        a, b = (e.train_batch(problem.trains, label, one, 0.01) for e in (plain, scaled))
        np.testing.assert_allclose(a.said, b.said, rtol=1e-6)  # Adam's epsilon is in no unit
    for x, y, factor in zip(plain.matrices, scaled.matrices, (1, 2, 1, 2), strict=True):
        np.testing.assert_allclose(factor * x, y, rtol=1e-5)
    assert not scaled.is_uniform


def test_parameters_travel():
    """Into another engine of the same shape: the very same answers; into another not, and nothing has changed."""
    problem = Problem(5, recurrent=True, loss=LOSSES[0])
    one = problem.engine()
    for _ in range(3):
        one.train_batch(problem.trains, np.array([1]), np.array([0]), 0.01)
    other = Problem(5, recurrent=True, loss=LOSSES[0]).engine()
    parameters = one.parameters()
    other.load_parameters(parameters)
    one.load_parameters(parameters)
    assert np.array_equal(one.infer(problem.trains).said, other.infer(problem.trains).said)
    for name, array in other.parameters().items():
        assert np.array_equal(array, parameters[name]), name
    for name, bad, message in (
        ("D1", -1.0, "D1 has an entry -1.0, but all must be in 0 .. 62"), ("tau_m1", 0.0, "tau_m1 has an entry 0.0"),
        ("W1", np.nan, "W1 has an entry nan"),
    ):  # fmt: skip
        before = other.parameters()
        with pytest.raises(InputError, match=message):
            other.load_parameters(parameters | {name: np.full_like(parameters[name], bad)})
        assert all(np.array_equal(a, before[k]) for k, a in other.parameters().items())
    with pytest.raises(InputError, match="parameters has arrays"):
        other.load_parameters({"W1": parameters["W1"]})


def test_arguments_that_are_refused():
    weights, p, loss = [np.ones((2, 3)), np.ones((3, 2))], NeuronParameters(), TTFSLoss()
    for options, message in (
        ({"p": [p]}, "must be NeuronParameters, or a list with an entry for each of the 2 layers"),
        ({"p": [p, [p]]}, "neuron parameters p of layer 2 are 1, but it has 2 neurons"),
        ({"p": [p, [p, 3]]}, "neuron parameters p of a neuron of layer 2 is 3"),
        ({"p": [p, None]}, "of layer 2 is None"),
        ({"delays": np.ones((2, 3))}, "must be a list, an array or None per layer"),
        ({"delays": [None]}, "delays are 1 arrays for 2 layers"),
        ({"delays": [np.ones((3, 2)), None]}, r"delays of layer 1 have shape \(3, 2\), but must have \(2, 3\)"),
        ({"delays": [-np.ones((2, 3)), None]}, r"hold -1 ms, but must be 0 .. 62 ms; raise longest_delay"),
        ({"delays": [np.full((2, 3), 63.0), None]}, "hold 63 ms"), ({"delays": [np.full(2, np.nan), None]}, "nan"),
        ({"recurrent_delays": [np.ones((3, 3)), None]}, "recurrent delays of layer 1 .* has no such synapses"),
        ({"longest_delay": -1.0}, "longest delay is -1.0"), ({"delay_rate": -1.0}, "delay_rate is -1.0"),
        ({"constant_rate": np.inf}, "constant_rate is inf"),
        ({"constant_rate": 1.0, "constants_range": (5.0, 1.0)}, "the first must be smaller"),
        ({"constant_rate": 1.0, "constants_range": (0.0, 1.0)}, "constants_range is 0.0"),
        ({"constant_rate": 1.0, "constants_range": 3}, "must be two numbers"),
        ({"constant_rate": 1.0, "constants_range": (6.0, 30.0)}, "tau_s is 5 ms, but must be 6 .. 30 ms"),
    ):  # fmt: skip
        given = {"p": p} | options
        with pytest.raises(InputError, match=message):
            EventPropEngine(weights, given.pop("p"), loss, END, **given)


@pytest.mark.parametrize("per_source", [False, True])
def test_copies_learn_as_the_original(per_source):
    """What kernels see of delays and constants are views: a copy's are those of the copy."""
    problem = Problem(5, recurrent=True, loss=LOSSES[0])
    if per_source:
        problem.delays = [np.array([1.0, 5.0, 2.5]), np.array([0.0, 3.0, 3.0, 1.0])]
    engine = problem.engine()
    engine.gradient(problem.trains, problem.labels)
    copies = [copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))]
    for each in (engine, *copies):
        for _ in range(3):
            each.train_batch(problem.trains, problem.labels, np.array([0]), 0.05)
    for name, array in engine.parameters().items():
        for other in copies:
            assert np.array_equal(other.parameters()[name], array), name
    said = engine.infer(problem.trains).said
    assert all(np.array_equal(other.infer(problem.trains).said, said) for other in copies)


def test_several_said_spikes_answer_by_the_first_and_teach_nothing():
    """Classes are outputs, not spikes; a loss of first spikes would read others' numbers."""
    problem = Problem(3, (3, 4), delays="none", loss=LOSSES[0])
    rng = np.random.default_rng(0)
    trains = spike_trains([(rng.uniform(0, 25, 10), rng.integers(0, 3, 10)) for _ in range(12)], 3, END)
    one, three = problem.engine(), problem.engine(said_spikes=3)
    first, several = one.infer(trains), three.infer(trains)
    labels = rng.integers(0, 4, 12)
    assert several.said.shape == (12, 12)
    assert np.array_equal(several.said[:, ::3], first.said)
    assert np.array_equal(several.answers(), first.answers())
    assert np.array_equal(several.right(labels), first.right(labels))
    assert np.array_equal(several.ties(), first.ties())
    for learn in (three.gradient, lambda *a: three.train_batch(*a, np.arange(12), 0.1)):
        with pytest.raises(InputError, match="said_spikes is 3, but the loss is one of first spikes"):
            learn(trains, labels)


def test_intervals_beyond_all_decays():
    """exp(-interval / tau_m) is 0, and a current that still drives its neuron: as neuron by neuron, and finite."""
    p, loss = NeuronParameters(1.0, 300.0), MaxVoltageLoss()
    weights, trains = [np.array([[4.0]]), np.array([[0.1, 0.2]])], spike_trains([([0.0, 800.0], [0, 0])], 1, 900.0)
    plain, alone = (EventPropEngine(weights, p, loss, 900.0, constant_rate=rate) for rate in (0.0, 1.0))
    label = np.array([0])
    expected, by = alone.gradient(trains, label)
    result, found = plain.gradient(trains, label)
    assert result.hidden_spikes == expected.hidden_spikes > 300
    np.testing.assert_allclose(result.said, expected.said, rtol=1e-9)
    for g, other in zip(found, by, strict=False):
        np.testing.assert_allclose(g, other, rtol=1e-6)


def test_a_maximum_just_below_the_threshold_is_no_spike():
    """w / 4 for tau_m = 2 tau_s: nearer to 4 than an event would need, no kernel spikes without one."""
    p, trains = NeuronParameters(20.0, 10.0), spike_trains([([0.0], [0])], 1, END)
    weights = [np.array([[4.0 * (1 - 5e-15)]])]
    for options in ({}, {"recurrent": [np.zeros((1, 1))]}, {"constant_rate": 1.0}):
        assert np.isinf(EventPropEngine(weights, p, TTFSLoss(), END, **options).infer(trains).said).all()
    both = {"recurrent": [np.zeros((1, 1))], "constant_rate": 1.0}
    assert np.isinf(EventPropEngine(weights, p, TTFSLoss(), END, **both).infer(trains).said).all()


@pytest.mark.parametrize("learn", [True, False])
@pytest.mark.parametrize("recurrent", [True, False])
@pytest.mark.parametrize("bad", [np.nan, -5.0, 1e300])
def test_what_is_written_in_place_is_looked_at_before_a_run(bad, recurrent, learn):
    """Delays that are not learned, and weights: refused by whatever runs samples, until they are mended."""
    problem = Problem(5, recurrent=recurrent, loss=LOSSES[0])
    engine = problem.engine(delay_rate=0.0)
    expected = engine.infer(problem.trains).said
    runs = (
        lambda: engine.train_batch(problem.trains, problem.labels, np.array([0]), 0.1),
        lambda: engine.gradient(problem.trains, problem.labels),
        lambda: engine.backpropagate(problem.trains, np.ones((1, engine.said))),
    )
    arrays = [engine.delays[0], *([engine.loop_delays[0]] if recurrent else []), *([engine.weights[1]] * (bad != -5.0))]
    for array in arrays:
        kept = array[1, 1]
        array[1, 1] = bad
        for run in runs if learn else [lambda: engine.infer(problem.trains)]:
            before = {name: a.copy() for name, a in engine.state().items()}
            with pytest.raises(InputError, match=r"(delays|weights) of layer \d hold .*, but must be finite, and in"):
                run()
            assert all(np.array_equal(a, before[name]) for name, a in engine.state().items())
        array[1, 1] = kept
    assert np.array_equal(engine.infer(problem.trains).said, expected)
