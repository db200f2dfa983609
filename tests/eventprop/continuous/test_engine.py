"""The compiled engine: spikes and gradients as the oracle's, whatever the batch, the threads and the samples around."""

import copy
import pickle

import numpy as np
import pytest
from gradients import END, compare_with_the_oracle, problem_for, random_problem
from precise import exactly, simulate, slope, ttfs_loss, voltage_loss

from lava_nbp.base import helpers
from lava_nbp.data import generate_yinyang, value_latency
from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop import reference
from lava_nbp.eventprop.continuous import engine as continuous
from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.continuous.losses import softmax_by_voltages, ttfs_by_times
from lava_nbp.eventprop.continuous.state import Criterion
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy
from lava_nbp.eventprop.trains import latency_trains, spike_trains

#: An integer ratio of 4 and of 2, equal, nearly equal, reversed, and neither.
REGIMES = [(20.0, 5.0), (20.0, 10.0), (10.0, 10.0), (10.0, 10.01), (5.0, 12.0), (13.0, 6.0)]


def batch(layers, seed, n, scale=1.0):
    weights, *_ = random_problem(layers, seed, scale=scale)
    rng = np.random.default_rng([seed, 1])
    samples = [(rng.uniform(0, 30, 10), rng.integers(0, layers[0], 10)) for _ in range(n)]
    return weights, samples, rng.integers(0, layers[-1], n)


@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("layers", [(3, 4), (3, 5, 3), (3, 4, 4, 2), (3, 19, 3)])
@pytest.mark.parametrize("taus", REGIMES)
def test_spikes_and_gradients_as_the_oracle(taus, layers, spiking):
    """Relative error of 1e-9 or less."""
    p, loss = NeuronParameters(*taus), TTFSLoss(alpha=0.01) if spiking else MaxVoltageLoss()
    weights, samples, labels = batch(layers, 3, 5, scale=0.8 if taus[1] == 5 else 0.4)
    engine = EventPropEngine(weights, p, loss, END)
    result, gradients = engine.gradient(spike_trains(samples, layers[0], END), labels)
    total, hidden = [np.zeros_like(w) for w in weights], 0
    for k, (times, sources) in enumerate(samples):
        order = np.argsort(times)
        run = reference.forward(weights, times[order], sources[order], p, END, spiking)
        assert np.allclose(result.said[k], run.first if spiking else run.peaks, rtol=1e-11, atol=0)
        by_weights, *_ = reference.gradient(weights, run, p, loss, labels[k])
        for sums, g in zip(total, by_weights, strict=True):
            sums += g
        hidden += sum(0 <= s.layer < len(weights) - 1 for s in run.spikes)
    assert result.hidden_spikes == hidden
    for found, expected in zip(gradients, total, strict=True):
        # Where the softmax is saturated the gradient is below the rounding of its parts.
        assert np.abs(found - expected).max() <= 1e-9 * max(np.abs(expected).max(), 1e-6)


@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("layers", [(3, 5, 3), (3, 4, 4, 2), (3, 19, 3)])
@pytest.mark.parametrize("taus", [(20.0, 5.0), (10.0, 10.0), (13.0, 6.0)])
def test_recurrent_layers_as_the_oracle(taus, layers, spiking):
    """Every spike, every gradient; a spiking output may be recurrent, too."""
    p, loss = NeuronParameters(*taus), TTFSLoss(alpha=0.01) if spiking else MaxVoltageLoss()
    weights, samples, labels = batch(layers, 3, 4, scale=0.8 if taus[1] == 5 else 0.4)
    rng = np.random.default_rng(2)
    loops = [rng.normal(0, 0.3, (n, n)) for n in layers[1:]]
    loops[-1] = loops[-1] if spiking else None
    if len(layers) == 4:
        loops[0] = None  # one layer with, one without
    engine = EventPropEngine(weights, p, loss, END, recurrent=loops)
    result, gradients = engine.gradient(spike_trains(samples, layers[0], END), labels)
    total = [np.zeros_like(w) for w in engine.matrices]
    for k, (times, sources) in enumerate(samples):
        order = np.argsort(times)
        run = reference.forward(weights, times[order], sources[order], p, END, spiking, loops)
        assert np.allclose(result.said[k], run.first if spiking else run.peaks, rtol=1e-11, atol=0)
        by_weights, by_loops, *_ = reference.gradient(weights, run, p, loss, labels[k], loops)
        for sums, g in zip(total, [*by_weights, *(g for g in by_loops if g is not None)], strict=True):
            sums += g
    assert result.hidden_spikes > 10
    assert len(gradients) == len(total) > len(weights)
    for found, expected in zip(gradients, total, strict=True):
        assert np.abs(found - expected).max() <= 1e-9 * max(np.abs(expected).max(), 1e-6)


#: Integer and other ratios of 1e-3 .. 1e3, equal, and nearly equal down to the last bit, either one longer.
PAIRS = [
    (20.0, 5.0), (20.0, 2e4), (20.0, 200.0), (0.02, 0.05), (20.0, 37.0), (20.0, 20.3), (20.0, 19.9), (20.0, 13.5),
    (20.0, 10.0), (20.0, 2.7), (20.0, 1.25), (20.0, 0.2), (20.0, 0.02), (20.0, 20.0), (20.0, 19.999999),
    (20.0, 20.0 + 2e-8), (20.0, 20.0 - 2e-10), (20.0, 20.0 - 2e-12), (20.0 - 2e-13, 20.0), (20.0, 20.0 - 2e-14),
    (20.0, float(np.nextafter(20.0, 0))), (float(np.nextafter(20.0, 0)), 20.0),
]  # fmt: skip


# Loops only for some: the flow between events is the same.
@pytest.mark.parametrize(
    ("taus", "spiking", "recurrent"),
    [(taus, spiking, False) for taus in PAIRS for spiking in (True, False)]
    + [(taus, True, True) for taus in PAIRS[:4]],
)
def test_oracle_and_engine_as_seventy_digits(taus, spiking, recurrent):
    """What is said, and the derivative along a direction of all weights: to 1e-12, for any time constants."""
    p, layers = NeuronParameters(*taus), (2, 3, 2)
    weights, times, sources, loops, end, loss = problem_for(p, layers, spiking, recurrent)
    direction = [None if w is None else np.random.default_rng(1).normal(0, 1, w.shape) * w for w in [*weights, *loops]]
    label = 1

    def run(weights, loops):
        return simulate(weights, times, sources, (*taus, 1.0), end, spiking, loops)

    def loss_of(matrices):
        said, after = run(matrices[:2], matrices[2:])
        assert after == spikes
        return [ttfs_loss(said, label, loss.tau0, loss.tau1, loss.alpha) if spiking else voltage_loss(said, label)]

    said, spikes = exactly(run, weights, loops)
    derivative = float(slope(loss_of, [*weights, *loops], direction)[0])
    done = reference.forward(weights, times, sources, p, end, spiking, loops)
    assert len(done.spikes) == len(spikes) + len(times)
    engine = EventPropEngine(weights, p, loss, end, recurrent=loops)
    result, gradients = engine.gradient(spike_trains([(times, sources)], 2, end), np.array([label]))
    by_weights, by_loops, *_ = reference.gradient(weights, done, p, loss, label, loops)
    for found, by in (
        (done.first if spiking else done.peaks, [*by_weights, *(g for g in by_loops if g is not None)]),
        (result.said[0], gradients),
    ):
        assert np.abs(found / np.array(said, float) - 1).max() < 1e-13
        parts = np.concatenate(
            [(g * d).ravel() for g, d in zip(by, (d for d in direction if d is not None), strict=True)]
        )
        assert abs(parts.sum() - derivative) < 1e-12 * np.abs(parts).max()


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize("taus", [(20.0, 5.0), (10.0, 10.0)])
def test_an_input_within_some_ulps_of_a_spike(taus, spiking, recurrent):
    """Before, at, or after a spike of any layer, excitatory or inhibitory or both: nothing is lost or raised."""
    p = NeuronParameters(*taus)
    weights, times, sources, loops, end, loss = problem_for(p, (2, 3, 2), spiking, recurrent)
    run = reference.forward(weights, times, sources, p, end, spiking, loops)
    spikes = [s.time for s in run.spikes if s.layer >= 0]
    wide = [np.vstack([weights[0], weights[0][:1], -2 * weights[0][:1]]), weights[1]]
    for time in (0.0, spikes[0], run.spikes[-1].time, end):
        for ulps in (-1, 0, 1):
            moved = time
            for _ in range(abs(ulps)):
                moved = float(np.nextafter(moved, np.inf * ulps))
            if 0 <= moved <= end:
                for more in ([2], [3], [3, 2]):
                    compare_with_the_oracle(
                        wide, [*times, *[moved] * len(more)], [*sources, *more], loops, p, loss, end
                    )  # fmt: skip


@pytest.mark.parametrize("taus", REGIMES)
def test_a_spike_comes_before_an_input_at_its_time(taus):
    """Inhibition that comes with the spike, or an ulp behind it, does not take it away; a little earlier it does."""
    p, w = NeuronParameters(*taus), 12.0
    alone = EventPropEngine([[[w]]], p, TTFSLoss(), END).infer(spike_trains([([1.0], [0])], 1, END)).said[0, 0]
    for time, there in ((alone, True), (np.nextafter(alone, 99), True), (alone - 1e-9, False), (alone + 1e-9, True)):
        said = compare_with_the_oracle(
            [np.array([[w], [-60.0]])], [1.0, time], [0, 1], [None], p, TTFSLoss(), END
        )  # fmt: skip
        assert np.isfinite(said[0]) == there
        if there:
            assert np.isclose(said[0], alone, rtol=1e-14, atol=0)


def test_ties_between_neurons():
    """Equal neurons of a layer, and an output that reaches theta as the layer before spikes: all are there."""
    p = NeuronParameters()
    w = np.array([[9.0, 9.0, 9.0]])
    for second in (np.array([[3.0, 2.0]] * 3), np.array([[3.0, 2.0], [-3.0, 1.0], [3.0, 2.0]])):
        for loss in (TTFSLoss(), MaxVoltageLoss()):
            compare_with_the_oracle([w, second], [0.0], [0], [None, None], p, loss, END)
    # The second hidden neuron is given its input such that it spikes when the output does, and inhibits it.
    first, late = np.array([[20.0, 0.0], [0.0, 20.0]]), np.array([[9.0], [-99.0]])
    alone = compare_with_the_oracle([first, late], [0.0, 59.0], [0, 1], [None, None], p, TTFSLoss(), END)[0]
    hidden = compare_with_the_oracle([first[:1, :1]], [0.0], [0], [None], p, TTFSLoss(), END)[0]
    for ulps in range(-3, 4):
        time = alone - hidden + ulps * np.spacing(alone)
        said = compare_with_the_oracle([first, late], [0.0, time], [0, 1], [None, None], p, TTFSLoss(), END)
        assert np.isclose(said[0], alone, rtol=1e-14)


@pytest.mark.parametrize("order", [[1, 2], [2, 1]])
def test_a_maximum_among_inputs_of_the_same_time(order):
    """One input ends the rise, the other would not: each sees the maximum from where it is in the given order.

    w > 0 first: it comes before the maximum, which an earlier arrival would raise by w / tau_m per ms, and the slope
    at which the other ends the rise has it, too.
    """
    p, W = NeuronParameters(), np.array([[2.0, 1.0], [0.5, 0.1], [-9.0, 0.1]])
    loss = MaxVoltageLoss()
    compare_with_the_oracle([W], [0.0, 3.0, 3.0], [0, *order], [None], p, loss, END)
    run = reference.forward([W], np.array([0.0, 3.0, 3.0]), np.array([0, *order]), p, END, False)
    assert run.peak_times[0] == 3.0
    sent = []
    reference.gradient([W], run, p, loss, 0, sent=sent)
    by_peak = loss.by_peaks(run.peaks, 0)[0]
    slope_before = (2 * np.exp(-3 / 5) - run.peaks[0]) / 20
    errors = {spike.neuron: spike.error for spike in sent}
    # The second output, which has small weights, takes part with a little.
    expected = {1: -0.5 / 20, 2: slope_before + 0.5 / 20} if order == [1, 2] else {1: 0.0, 2: slope_before}
    for n, by in expected.items():
        assert errors[n] == pytest.approx(by * by_peak, abs=0.01 * abs(by_peak))


@pytest.mark.parametrize("taus", [(0.02, 0.05), (0.05, 0.02), (0.01, 0.01), (0.01, 0.010099), (5.0, 20.0)])
def test_trials_much_longer_than_the_time_constants(taus):
    """All decays are 0 at the end: spikes and maxima are still found, and no exponential overflows."""
    for loss in (TTFSLoss(tau1=5000.0), MaxVoltageLoss()):
        said = compare_with_the_oracle(
            [np.array([[8.0, 9.0]]), np.full((2, 2), 3.0)],
            [1.0],
            [0],
            [None, None],
            NeuronParameters(*taus),
            loss,
            6000.0,
        )
        assert (said > 1).all()
        assert np.isfinite(said).all()


def test_recurrent_weights_learn_and_zero_ones_change_nothing():
    weights, samples, labels = batch((3, 6, 3), 5, 20)
    trains = spike_trains(samples, 3, END)
    plain = EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END)
    zero = EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END, recurrent=[np.zeros((6, 6)), None])
    assert np.allclose(zero.infer(trains).said, plain.infer(trains).said, rtol=1e-12)
    zero.train_batch(trains, labels, np.arange(20), 1e-2)
    assert np.abs(zero.matrices[2]).max() > 0


def test_silence_can_wake_by_a_bump():
    """The second hidden neuron never spikes: its weights grow by the bump, those of the first do not."""
    weights = [np.array([[9.0, 0.1]]), np.full((2, 2), 9.0)]
    trains = spike_trains([([1.0], [0])], 1, END)
    engine = EventPropEngine(
        weights, NeuronParameters(), TTFSLoss(), END, silent=SilentPolicy("bump", 0.25), optimizer="sgd"
    )
    result = engine.train_batch(trains, np.array([0]), np.array([0]), 0.0)
    assert result.silent_neurons == 1
    assert np.allclose(engine.weights[0], [[9.0, 0.35]])
    assert np.array_equal(engine.weights[1], weights[1])


@pytest.mark.parametrize(("target", "sign"), [(9.0, 1), (0.0, -1)])
def test_spike_counts_are_pulled_to_the_target(target, sign):
    """Fewer spikes than wanted: excitatory weights grow, which pulls spikes ahead; more than wanted: they shrink."""
    weights = [np.array([[9.0]]), np.array([[2.0, 2.0]])]
    trains = spike_trains([([1.0, 4.0], [0, 0])], 1, END)
    engine = EventPropEngine(
        weights, NeuronParameters(), MaxVoltageLoss(), END, silent=SilentPolicy("spike_count", 0.1, target, target),
        optimizer="sgd",
    )  # fmt: skip
    one, label = np.array([0]), np.array([0])
    engine.train_batch(trains, label, one, 0.0)  # counts; both outputs are equal, so the loss pulls nothing
    assert np.array_equal(engine.weights[0], weights[0])
    engine.train_batch(trains, label, one, 1e-3)
    assert np.sign(engine.weights[0] - weights[0]) == sign
    again = EventPropEngine(
        weights, NeuronParameters(), MaxVoltageLoss(), END, silent=SilentPolicy("spike_count", 0.1, target, target),
        optimizer="sgd",
    )  # fmt: skip
    again.train_batch(trains, label, one, 0.0)
    saved = again.state()
    resumed = EventPropEngine(
        weights, NeuronParameters(), MaxVoltageLoss(), END, silent=SilentPolicy("spike_count", 0.1, target, target),
        optimizer="sgd",
    )  # fmt: skip
    resumed.load_state(saved)
    resumed.train_batch(trains, label, one, 1e-3)
    assert np.array_equal(resumed.weights[0], engine.weights[0])


@pytest.mark.parametrize(
    ("lower", "upper", "signs"),
    [(0.0, 9.0, (0, 0)), ((0.0, 9.0), 9.0, (0, 1)), (0.0, (0.2, 0.1), (-1, -1)), ((1.5, 0.0), (2.0, 9.0), (1, 0))],
)
def test_counts_between_the_bounds_of_a_layer_pull_nothing(lower, upper, signs):
    """A chain of two neurons that spike in one sample of two; which way each is pulled."""
    weights = [np.array([[9.0]]), np.array([[9.0]]), np.array([[2.0, 2.0]])]
    trains = spike_trains([([1.0], [0]), ([], [])], 1, END)
    policy = SilentPolicy("spike_count", 0.1, lower, upper)
    engine = EventPropEngine(weights, NeuronParameters(), MaxVoltageLoss(), END, silent=policy, optimizer="sgd")
    labels, both = np.array([0, 0]), np.arange(2)
    engine.train_batch(trains, labels, both, 0.0)
    _, counts = engine.infer_counted(trains)
    found = []
    for k, count in enumerate(counts[:2]):
        mean = count[0] / 2
        low, high = (b[k] if isinstance(b, tuple) else b for b in (lower, upper))
        expected = 0.1 * (low - mean if mean < low else high - mean if mean > high else 0.0)
        pull = engine.state()[f"pull{k}"]
        np.testing.assert_allclose(pull, [expected], rtol=1e-12)
        found.append(int(np.sign(expected)))
    assert tuple(found) == signs


def test_compiled_losses_are_the_losses():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, by = rng.uniform(0, 60, 4), np.zeros(4)
        first[rng.random(4) < 0.3] = np.inf
        label = int(rng.integers(4))
        ttfs_by_times(first, label, Criterion.of(TTFSLoss(), 0.0, END, 1), by)
        assert np.allclose(by, TTFSLoss().by_times(first, label), rtol=1e-13)
        peaks = rng.normal(size=4)
        softmax_by_voltages(peaks, label, 1.0, by)
        assert np.allclose(by, MaxVoltageLoss().by_peaks(peaks, label), rtol=1e-13)
        softmax_by_voltages(peaks, label, 3.0, by)
        assert np.allclose(by, MeanVoltageLoss(gain=3.0).by_means(peaks, label), rtol=1e-13)


def trained(threads, order, size=33, epochs=2):
    weights, samples, labels = batch((3, 6, 3), 5, 75)
    trains = spike_trains(samples, 3, END)
    engine = EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END, threads=threads)
    for _ in range(epochs):
        for k in range(0, len(order), size):
            engine.train_batch(trains, labels, order[k : k + size], 5e-3)
    return engine, weights, trains, labels


def test_the_number_of_threads_changes_nothing(monkeypatch):
    """Nor who does how much; helpers are called for however little."""
    monkeypatch.setattr(helpers, "_WORTH", 0.0)
    one, *_ = trained(1, np.arange(75))
    for threads in (2, 3):
        other, *_ = trained(threads, np.arange(75))
        assert all(np.array_equal(a, b) for a, b in zip(one.weights, other.weights, strict=True))


def test_a_copy_goes_on_as_the_engine_does():
    """Wide enough that neurons are looked at several at once."""
    weights, samples, labels = batch((3, 19, 3), 5, 40)
    trains = spike_trains(samples, 3, END)
    engine = EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END, threads=2)
    engine.train_batch(trains, labels, np.arange(40), 5e-3)
    copies = [copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))]
    engine.train_batch(trains, labels, np.arange(40), 5e-3)
    for other in copies:
        assert not np.array_equal(other.weights[0], engine.weights[0])
        other.train_batch(trains, labels, np.arange(40), 5e-3)
        assert all(map(np.array_equal, other.matrices, engine.matrices))
        assert all(map(np.array_equal, other.state().values(), engine.state().values()))


def test_the_last_batch_of_an_epoch_learns():
    """75 samples in batches of 33: the last has 9."""
    all_samples, start, *_ = trained(1, np.arange(75), epochs=1)
    without, *_ = trained(1, np.arange(66), epochs=1)
    assert all_samples.optimizer.steps == without.optimizer.steps + 1
    assert not np.array_equal(all_samples.weights[0], without.weights[0])
    assert not np.array_equal(start[0], without.weights[0])


def test_samples_do_not_see_each_other():
    """Alone, in another order, and after another batch: a sample says the same, and has the same gradient."""
    weights, samples, labels = batch((3, 6, 3), 1, 9)
    trains = spike_trains(samples, 3, END)
    engine = EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END)
    together = engine.infer(trains).said
    assert np.array_equal(engine.infer(trains, np.arange(9)[::-1]).said, together[::-1])
    sums = [np.zeros_like(w) for w in weights]
    for k in range(9):
        result, gradients = engine.gradient(trains, labels, np.array([k]))
        assert np.array_equal(result.said[0], together[k])
        for total, g in zip(sums, gradients, strict=True):
            total += g
    _, gradients = engine.gradient(trains, labels)
    assert all(np.allclose(a, b, rtol=1e-12) for a, b in zip(gradients, sums, strict=True))


def test_inference_leaves_weights_and_gradients_alone():
    weights, samples, labels = batch((3, 6, 3), 1, 5)
    trains = spike_trains(samples, 3, END)
    engine = EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END)
    _, before = engine.gradient(trains, labels)
    engine.infer(trains)
    assert all(np.array_equal(a, b) for a, b in zip(engine.weights, weights, strict=True))
    _, after = engine.gradient(trains, labels)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("policy", ["phantom", "bump", "spike_count"])
def test_validation_touches_no_gradient_and_no_count(policy):
    """Batches with inference in between: the same weights, the same memory."""
    weights, samples, labels = batch((3, 6, 3), 5, 40)
    weights[0][:, 5] = 0.01  # never spikes
    trains = spike_trains(samples, 3, END)
    engines = [
        EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END, silent=SilentPolicy(policy, 0.05, 2.0, 2.0))
        for _ in range(2)
    ]
    for start in (0, 20):
        for engine in engines:
            engine.train_batch(trains, labels, np.arange(start, start + 20), 1e-2)
        engines[0].infer(trains)
    assert all(np.array_equal(a, b) for a, b in zip(*(e.matrices for e in engines), strict=True))
    one, other = (e.state() for e in engines)
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_an_empty_sample_and_silence():
    engine = EventPropEngine([np.full((2, 3), 0.1)], NeuronParameters(), TTFSLoss(), END)
    trains = spike_trains([([], []), ([1.0], [1])], 2, END)
    result, gradients = engine.gradient(trains, np.array([0, 2]))
    assert np.isinf(result.said).all()
    assert result.silent_labels == 2
    assert not gradients[0].any()
    assert result.ties().all()
    assert not result.right(np.array([0, 2])).any()


def test_a_silent_label_is_taught_by_its_largest_voltage_if_asked():
    """The gradient is that of -silent * max_t V of the label's output, by central differences."""
    rng = np.random.default_rng(4)
    weights = [rng.uniform(1.5, 4.0, (3, 4)), rng.normal(0.4, 0.3, (4, 3))]
    weights[1][:, 0], weights[1][:, 2] = 2.0, [0.3, -0.2, 0.2, 0.3]  # the last is too weak to spike
    trains = spike_trains([([1.0, 2.0, 4.0], [0, 1, 2])], 3, END)
    gradients = {}
    for silent in (0.0, 2.0):
        engine = EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END, silent=SilentPolicy("phantom", silent))
        result, gradients[silent] = engine.gradient(trains, np.array([2]))
        assert np.isinf(result.said[0, 2])
        assert result.hidden_spikes > 3
        assert result.silent_labels == 1
    assert not any(g.any() for g in gradients[0.0])

    def objective():
        return -2.0 * EventPropEngine(weights, NeuronParameters(), MaxVoltageLoss(), END).infer(trains).said[0, 2]

    for matrix, found in zip(weights, gradients[2.0], strict=True):
        for at in np.ndindex(*matrix.shape):
            kept = matrix[at]
            values = []
            for step in (1e-6, -1e-6):
                matrix[at] = kept + step
                values.append(objective())
            matrix[at] = kept
            assert np.isclose(found[at], (values[0] - values[1]) / 2e-6, rtol=1e-5, atol=1e-8)
    # A label that does spike is taught as ever.
    spiking = [
        EventPropEngine(weights, NeuronParameters(), TTFSLoss(), END, silent=SilentPolicy("phantom", s))
        for s in (0.0, 2.0)
    ]
    with_label = [engine.gradient(trains, np.array([0])) for engine in spiking]
    assert np.isfinite(with_label[0][0].said[0, 0])
    assert all(np.array_equal(a, b) for a, b in zip(with_label[0][1], with_label[1][1], strict=True))


def test_a_voltage_that_only_touches_the_threshold_is_counted():
    """w = 4 at tau_m = 2 tau_s: the maximum is theta; a hair above it I - theta is nearly 0."""
    trains = spike_trains([([0.0], [0])], 1, END)
    for w, floor, clipped in ((4.0 * (1 + 1e-12), 1e-3, 1), (6.0, 1e-3, 0)):
        engine = EventPropEngine([np.array([[w]])], NeuronParameters(20, 10), TTFSLoss(), END, floor=floor)
        result, gradients = engine.gradient(trains, np.array([0]))
        assert result.clipped == clipped
        assert np.isfinite(gradients[0]).all()


@pytest.mark.parametrize("recurrent", [False, True])
def test_room_for_spikes_grows_and_nothing_else_changes(monkeypatch, recurrent):
    """As if it had been there from the start: answers, gradients, counts, and what is learned."""
    weights, samples, labels = batch((3, 4, 4, 2), 3, 40, scale=6.0)
    trains = spike_trains(samples, 3, END)
    rng = np.random.default_rng(0)
    loops = [rng.normal(0, 1.0, (4, 4)), None, None] if recurrent else None
    found = []
    for room in (1, 100_000):
        monkeypatch.setattr(continuous, "spike_room", lambda n, room=room: room)
        engine = EventPropEngine(
            weights, NeuronParameters(), TTFSLoss(), END, recurrent=loops, silent=SilentPolicy("spike_count")
        )
        result, gradients = engine.gradient(trains, labels)
        inferred, counts = engine.infer_counted(trains)
        _, by_weights, by_times = engine.backpropagate(trains, np.ones((40, 2)))
        for _ in range(2):
            engine.train_batch(trains, labels, np.arange(40), 0.1)
        numbers = [v for name, v in vars(result).items() if name != "said"]
        found.append(
            [numbers, result.said, inferred.said, *gradients, *counts, *by_weights, by_times, *engine.matrices]
        )
        assert result.most_spikes > 200
        assert result.deepest_layer == 3
    assert all(map(np.array_equal, *found))


def test_a_network_that_spikes_without_end_is_refused(monkeypatch):
    """Every spike raises the current of all by far more than it decays: no room is enough."""
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.01")
    engine = EventPropEngine(
        [np.full((1, 4), 30.0), np.ones((4, 2))], NeuronParameters(), TTFSLoss(), END,
        recurrent=[np.full((4, 4), 30.0), None],
    )  # fmt: skip
    trains = spike_trains([([0.0], [0])], 1, END)
    with pytest.raises(
        InputError,
        match=r"layer 1 spikes more than \d+ times in a sample, and room for more needs some .* but the limit is 10 "
        r"MB; use smaller weights, or a shorter trial, or set LAVA_NBP_MEMORY",
    ):
        engine.infer(trains)


@pytest.mark.parametrize("wide", [4, 40])
def test_spikes_of_inputs_that_there_are_not_are_refused(wide):
    """Trains for another network: an index of a weight that there is not never reaches memory."""
    engine = EventPropEngine([np.full((3, 2), 9.0)], NeuronParameters(), TTFSLoss(), END)
    trains = latency_trains(np.full((2, wide), 1.0), END)
    with pytest.raises(InputError, match="spike of input 3, but the network has inputs 0 .. 2; make the trains for as"):
        engine.infer(trains)
    with pytest.raises(InputError, match="spike of input 3"):
        engine.train_batch(trains, np.array([0, 1]), np.arange(2), 1e-2)
    assert np.array_equal(engine.weights[0], np.full((3, 2), 9.0))


def test_it_learns_yin_yang():
    """A small network of the paper's kind, a few epochs: far above chance (1/3)."""
    samples, labels = generate_yinyang(1500, np.random.default_rng(0))
    times = np.hstack([value_latency(samples, 0, 30), np.zeros((1500, 1))])
    trains = latency_trains(times, END)
    rng = np.random.default_rng(1)
    engine = EventPropEngine(
        [rng.normal(1.5, 0.78, (5, 60)), rng.normal(0.93, 0.1, (60, 3))], NeuronParameters(), TTFSLoss(), END
    )
    before = engine.infer(trains).right(labels).mean()
    for _ in range(4):
        order = rng.permutation(1500)
        for k in range(0, 1500, 32):
            engine.train_batch(trains, labels, order[k : k + 32], 1e-2)
    after = engine.infer(trains).right(labels).mean()
    assert before < 0.6
    assert after > 0.8


def test_arguments_that_are_refused():
    p, loss = NeuronParameters(), TTFSLoss()
    for weights, message in (([], "no weights"), ([np.ones((2, 3)), np.ones((2, 3))], "whose pre is the layer before"),
                             ([np.array([[np.nan]])], "weights of layer 1 hold nan")):  # fmt: skip
        with pytest.raises(WeightError, match=message):
            EventPropEngine(weights, p, loss, END)
    for options, message in (
        ({"end": 0}, "end of the trial is 0, but must be more than 0"), ({"floor": 0}, "floor is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"optimizer": "sdg"}, "optimizer is 'sdg'"),
        ({"floor": float("inf")}, "floor is inf"),
        ({"recurrent": [np.ones((3, 3))], "silent": SilentPolicy("phantom")}, "without recurrent weights"),
        ({"loss": MaxVoltageLoss(), "silent": SilentPolicy("phantom")}, "with a loss of voltages the output layer"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            EventPropEngine(**{"weights": [np.ones((2, 3))], "p": p, "loss": loss, "end": END, **options})
    for loops, message in (([None, None], "2 recurrent matrices for 1 layers"),
                           ([np.ones((2, 3))], r"must be \(3, 3\)"),
                           ([np.full((3, 3), np.inf)], "and finite")):  # fmt: skip
        with pytest.raises(WeightError, match=message):
            EventPropEngine([np.ones((2, 3))], p, loss, END, recurrent=loops)
    with pytest.raises(WeightError, match="only integrates and has no spikes"):
        EventPropEngine([np.ones((2, 3))], p, MaxVoltageLoss(), END, recurrent=[np.ones((3, 3))])
    engine = EventPropEngine([np.ones((2, 3))], p, loss, END)
    trains = spike_trains([([1.0], [0])], 2, END)
    for labels, message in (([3], r"labels\[0\] is 3, outside the classes 0 .. 2"), ([0, 1], "must be 1 integers"),
                            ([0.0], "must be 1 integers")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            engine.gradient(trains, np.array(labels))
    for options, message in (
        ({"end": "60"}, "end of the trial is '60'"), ({"end": np.nan}, "end of the trial is nan"),
        ({"end": 1e308}, r"end of the trial is 1e\+308"), ({"floor": "1"}, "floor is '1'"),
        ({"floor": 1e300}, r"floor is 1e\+300"),
        ({"loss": "ttfs"}, "loss is 'ttfs', but must be a TTFSLoss or MaxVolt"),
        ({"p": None}, "neuron parameters p are None, but must be NeuronParameters, or a list with an entry for each"),
        ({"silent": "none"}, "silent is 'none', but must be a SilentPolicy"), ({"threads": 1.0}, "threads is 1.0"),
        ({"optimizer": engine.optimizer}, "optimizer is <lava"), ({"threads": 10**9}, "threads is 1000000000"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            EventPropEngine(**{"weights": [np.ones((2, 3))], "p": p, "loss": loss, "end": END, **options})
    for weights, message in (
        (None, "weights are None"), ([[[1.0], [1.0, 2.0]]], "weights of layer 1 cannot be made an array"),
        (["abc"], "weights of layer 1 has dtype <U3"), ([np.ones((2, 3)) * 1j], "dtype complex128, but must be real"),
        ([np.full((2, 3), True)], "dtype bool"), ([np.full((2, 3), 1e200)], r"reach 1e\+200, but 1e\+30 is the most"),
    ):  # fmt: skip
        with pytest.raises(WeightError, match=message):
            EventPropEngine(weights, p, loss, END)
    with pytest.raises(WeightError, match="recurrent weights are 'no'"):
        EventPropEngine([np.ones((2, 3))], p, loss, END, recurrent="no")
    assert EventPropEngine([[[1, 2]]], p, loss, np.float32(60), floor=np.float64(1e-9)).end == 60.0


def test_a_network_that_no_memory_holds_is_refused(monkeypatch):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.001")
    with pytest.raises(
        InputError, match=r"a network of 100-100-3 neurons, .* needs some .* MB of memory, but the limit"
    ):
        EventPropEngine([np.ones((100, 100)), np.ones((100, 3))], NeuronParameters(), TTFSLoss(), END)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_gradient_that_is_out_of_hand_changes_nothing(optimizer):
    """A label that spikes 3 s late: alpha exp(t / tau1) is 1e200."""
    end = 4000.0
    engine = EventPropEngine(
        [np.array([[9.0, 1.0]]), np.array([[2.0, 9.0], [2.0, 9.0]])], NeuronParameters(), TTFSLoss(), end,
        optimizer=optimizer, recurrent=[None, np.ones((2, 2))],
    )  # fmt: skip
    trains, labels = spike_trains([([3000.0], [0])], 1, end), np.array([1])
    kept = [m.copy() for m in (*engine.matrices, *engine.state().values())]
    with pytest.raises(
        InputError,
        match=r"the gradient of the weights of layer 1 reaches .*e\+20\d, but .* so nothing was changed; raise "
        r"loss.tau1, or lower the trial's end or loss.alpha, whose term is alpha exp\(t / tau1\)",
    ):
        engine.train_batch(trains, labels, np.arange(1), 0.01)
    assert all(map(np.array_equal, kept, (*engine.matrices, *engine.state().values())))
    # Without that term, or with an earlier spike, it learns.
    engine.train_batch(spike_trains([([10.0], [0])], 1, end), labels, np.arange(1), 0.01)
    assert not np.array_equal(kept[0], engine.matrices[0])


def test_a_late_spike_without_alpha_is_a_spike_like_any():
    engine = EventPropEngine([np.array([[9.0]])], NeuronParameters(), TTFSLoss(alpha=0), 1e5)
    _, (g,) = engine.gradient(spike_trains([([9e4], [0])], 1, 1e5), np.array([0]))
    assert np.isfinite(g).all()


def test_rates_and_batches_that_are_refused():
    engine = EventPropEngine([np.full((2, 3), 9.0)], NeuronParameters(), TTFSLoss(), END)
    trains = spike_trains([([1.0], [0])], 2, END)
    for rate in (np.nan, -1.0, np.inf, "1", True, None, 1e300):
        with pytest.raises(InputError, match="rate is "):
            engine.train_batch(trains, np.array([0]), np.array([0]), rate)
    with pytest.raises(InputError, match="a batch has no samples"):
        engine.train_batch(trains, np.array([0]), [], 0.1)
    for by_said, message in (
        ("abc", "derivatives has dtype <U3"),
        ([[1.0, 2.0]], r"have shape \(1, 2\)"), ([[1j, 0, 0]], "dtype complex128"),
        ([[np.nan, 0, 0]], "and finite"), ([[True] * 3], "dtype bool"), ([[1.0], [1.0, 2.0]], "cannot be made an"),
        (None, "derivatives has dtype object"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            engine.backpropagate(trains, by_said)
    assert (engine.weights[0] == 9.0).all()
