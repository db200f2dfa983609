from dataclasses import replace

import h5py
import numpy as np
import pytest
from exported import first_steps, lif_in_integers, run_netx

from lava_nbp.errors import InputError, WeightError
from lava_nbp.eventprop import ClockedEngine, FixedPoint, Setup, TTFSLoss
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.netx_file import netx_layers, read_netx, write_netx

RNG = np.random.default_rng(6)
BINARY = DenseNetwork(
    (2.0 * RNG.integers(-127, 128, (7, 6)), 2.0 * RNG.integers(-127, 128, (6, 4))), 129.0, 0.0, 0.0, 1.0, 1.0
)
P = NeuronParameters(20.0, 5.0)
LEAKY = DenseNetwork(
    (RNG.normal(3.0, 0.9, (7, 6)), RNG.normal(2.0, 0.7, (6, 4))), 1.0, np.exp(-0.5 / 20), np.exp(-0.5 / 5),
    response(0.5, P), 0.5
)  # fmt: skip


def test_on_lava_binary_neurons_give_the_same_spikes(tmp_path):
    """Sample after sample in successive steps: nothing outlasts one."""
    write_netx(BINARY, tmp_path / "network.net")
    x = (RNG.random((60, 7)) < 0.4).astype(int)
    found = run_netx(tmp_path / "network.net", x)
    np.testing.assert_array_equal(found, BINARY.run(x[None])[-1][0])
    assert 0 < found.sum() < found.size


@pytest.mark.parametrize("weights", [LEAKY.weights, tuple(np.abs(w) for w in LEAKY.weights)])
def test_on_lava_leaky_neurons_do_what_the_registers_say(weights, tmp_path):
    network = replace(LEAKY, weights=weights)
    write_netx(network, tmp_path / "network.net")
    x = np.zeros((160, 7), dtype=int)
    x[RNG.integers(0, 60, 7), np.arange(7)] = 1
    decays = round((1 - network.beta) * 4096), round((1 - network.alpha) * 4096)
    found = run_netx(tmp_path / "network.net", x)
    np.testing.assert_array_equal(found, lif_in_integers(netx_layers(network), x, decays))
    # Decays and weights of 12 and 8 bits: not every spike is in the very step of the network in floating point.
    exact = network.run(x[:, None])[-1][:, 0]
    assert abs(found.sum() - exact.sum()) <= 0.2 * exact.sum()
    assert exact.sum() > 3


@pytest.mark.parametrize("looped", [(True, False), (True, True)])
def test_recurrent_layers_on_lava(looped, tmp_path):
    """Spikes act on their own layer in the next step, in lava-dl's recurrent block as in ours."""
    loops = tuple(RNG.normal(0, 0.8, (n, n)) if loop else None for n, loop in zip((6, 4), looped, strict=True))
    network = replace(LEAKY, recurrent=loops)
    write_netx(network, tmp_path / "network.net")
    x = np.zeros((160, 7), dtype=int)
    x[RNG.integers(0, 60, 7), np.arange(7)] = 1
    decays = round((1 - network.beta) * 4096), round((1 - network.alpha) * 4096)
    found = run_netx(tmp_path / "network.net", x)
    layers = netx_layers(network)
    np.testing.assert_array_equal(found, lif_in_integers(layers, x, decays))
    without = [layer._replace(recurrent=None) for layer in layers]
    assert not np.array_equal(found, lif_in_integers(without, x, decays))
    exact = network.run(x[:, None])[-1][:, 0]
    assert abs(found.sum() - exact.sum()) <= 0.25 * exact.sum()
    again = read_netx(tmp_path / "network.net", P)
    assert list(again) == ["W1", "W2", *(f"R{k}" for k, loop in enumerate(looped, 1) if loop)]
    for k, (w, loop) in enumerate(zip(network.weights, loops, strict=True), 1):
        step = max(np.abs(m).max() for m in (w, loop) if m is not None) / 127  # one unit for both
        for name, own in ((f"W{k}", w), (f"R{k}", loop)):
            if own is not None:
                np.testing.assert_allclose(again[name], own, atol=0.51 * step, rtol=0.02)


def test_recurrent_weights_for_nbp(tmp_path):
    write_netx(replace(BINARY, recurrent=(np.eye(6), None)), tmp_path / "network.net")
    with pytest.raises(InputError, match="layer 1 has a weight_rec, but these networks have none; train without"):
        read_netx(tmp_path / "network.net")


def test_weights_that_fit_are_written_as_they_are():
    layers = netx_layers(BINARY)
    for layer, w in zip(layers, BINARY.weights, strict=True):
        np.testing.assert_array_equal(layer.mantissas, w.T)
        assert (layer.recurrent, layer.delays) == (None, None)
        assert layer.threshold == 129
    # Multiples of 2^9 are mantissas with an exponent: exact, too.
    shifted = netx_layers(replace(BINARY, weights=tuple(512 * w for w in BINARY.weights), theta=512 * 129.0))
    for layer, same in zip(shifted, layers, strict=True):
        np.testing.assert_array_equal(layer.mantissas, same.mantissas)
        assert layer.threshold == 129


@pytest.mark.parametrize("p", [None, P])
def test_round_trip(p, tmp_path):
    network = BINARY if p is None else LEAKY
    write_netx(network, tmp_path / "network.net")
    # A step of 8 bits, and the threshold, are rounded.
    for w, own in zip(read_netx(tmp_path / "network.net", p).values(), network.weights, strict=True):
        step = np.abs(own).max() / 127
        tolerance = {"atol": 0, "rtol": 1e-12} if p is None else {"atol": 0.51 * step, "rtol": 0.02}
        np.testing.assert_allclose(w, own / network.theta, **tolerance)


@pytest.mark.parametrize(
    ("network", "kind", "message"),
    [
        (replace(BINARY, spiking_output=False), InputError, r"only integrates .* export NIR, or train with loss ttfs"),
        (replace(BINARY, weights=(BINARY.weights[0], np.zeros((6, 4)))), WeightError, "all weights of layer 2 are 0"),
        (replace(BINARY, theta=2.0**18), WeightError, r"layer 1: the threshold is 262144 .* must be in 1 \.\. 131071"),
        (replace(BINARY, theta=0.5), WeightError, "the threshold is 0 times a weight's unit, .* use a smaller dt"),
        (
            replace(BINARY, weights=(np.full((600, 2), 254.0), np.full((2, 1), 254.0))),
            WeightError,
            "layer 1: one spike of every input can add up to 152400, but Lava's LIF wraps beyond 131071",
        ),
    ],
)
def test_refused_to_write(network, kind, message, tmp_path):
    with pytest.raises(kind, match=message):
        write_netx(network, tmp_path / "network.net")
    assert not list(tmp_path.iterdir())


def changed(path, **values):
    write_netx(LEAKY, path)
    with h5py.File(path, "r+") as file:
        for key, value in values.items():
            name = "layer/1/" + key.replace("__", "/")
            for taken in (name, name.rpartition("/")[0]):  # an array where a group is to be, too
                if taken in file and (taken == name or not isinstance(file[taken], h5py.Group)):
                    del file[taken]
            file[name] = value
    return path


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"type": b"conv"}, "layer 1 is of type conv"),
        ({"type": b"dense_rec"}, "cannot be read as a netx file: .*weight_rec"),
        ({"type": b"dense_rec", "weight_rec": np.ones((6, 5))}, "layer 1 has a weight_rec from 5 to its 6 neurons"),
        (
            {"type": b"dense_rec", "weight_rec": np.ones((5, 6))},
            r"layer 1 has a weight_rec of shape \(5, 6\) for 6 neur",
        ),
        ({"type": b"dense_rec", "weight_rec": np.full((6, 6), 300)}, "layer 1 has the weight_rec 300, but 8-bit"),
        ({"type": b"average"}, "layer 1 is of type average"),
        ({"bias": np.ones(6)}, "layer 1 has a bias"),
        ({"bias": np.full(6, np.nan)}, "layer 1 has a bias"),
        ({"weight_rec": np.ones((6, 6))}, "layer 1 has a weight_rec"),
        ({"neuron__type": b"ALIF"}, "layer 1 has neurons of type ALIF"),
        ({"neuron": 1}, "cannot be read as a netx file"),
        ({"neuron__vDecay": 0}, "iDecay 390 and vDecay 0"),
        ({"neuron__vDecay": np.nan}, "layer 1: vDecay holds nan"),
        ({"neuron__vDecay": 5000}, r"layer 1 has vDecay 5000; its register holds integers in 0 \.\. 4096"),
        ({"neuron__vDecay": [101, 101, 101, 101, 101, 102]}, "layer 1: vDecay differs from neuron to neuron"),
        ({"neuron__iDecay": 200}, "its currents decay with 9.97 ms, but this experiment's tau_s is 5 ms"),
        ({"neuron__iDecay": 390.5}, "layer 1 has iDecay 390.5"),
        ({"neuron__refDelay": 2}, "layer 1 has refDelay 2, but these networks have 1"),
        ({"neuron__wgtExp": 3}, "layer 1 has wgtExp 3, but these networks have 0"),
        ({"neuron__weight_exp": np.array([0, 1])}, "layer 1 has weight_exp 0"),
        ({"neuron__gradedSpike": True}, "layer 1 has gradedSpike True"),
        ({"neuron__messageBits": 24}, "layer 1 has messageBits 24"),
        ({"neuron__vThMant": 0}, "layer 1 has vThMant 0; its register holds"),
        ({"neuron__vThMant": -5}, "layer 1 has vThMant -5"),
        ({"neuron__vThMant": np.nan}, "layer 1: vThMant holds nan"),
        ({"neuron__vThMant": np.inf}, "layer 1: vThMant holds inf"),
        ({"neuron__vThMant": [80, 80, 80, 80, 80, 0]}, "layer 1 has vThMant 0"),
        ({"neuron__vThMant": [80, 80]}, "layer 1: vThMant has 2 entries for 6 neurons"),
        ({"neuron__vThMant": (1 << 18) - 1}, "layer 1 has vThMant 262143: an output of lava-dl that never spikes"),
        ({"weight": np.ones(5)}, r"layer 1 has a weight of shape \(5,\) for 6 neurons"),
        ({"weight": np.ones((7, 6))}, r"layer 1 has a weight of shape \(7, 6\) for 6 neurons"),
        ({"weight": np.ones((6, 7)) * 1j}, "layer 1: weight has dtype complex128"),
        ({"weight": np.full((6, 7), np.nan)}, "layer 1: weight holds nan"),
        ({"weight": np.full((6, 7), 0.5)}, "layer 1 has the weight 0.5, but 8-bit synapses hold integers"),
        ({"weight": np.full((6, 7), 300)}, "layer 1 has the weight 300"),
        ({"weight__real": np.ones((6, 7))}, "layer 1 has complex weights"),
        ({"shape": [0]}, "layer 1 has a weight of shape"),
    ],
)
def test_refused_to_read(values, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_netx(changed(tmp_path / "network.net", **values), P)


def test_a_layer_without_neurons(tmp_path):
    write_netx(LEAKY, tmp_path / "network.net")
    with h5py.File(tmp_path / "network.net", "r+") as file:
        del file["layer/1/neuron"]
    with pytest.raises(InputError, match="layer 1 has no neurons"):
        read_netx(tmp_path / "network.net", P)


def test_an_input_with_neurons(tmp_path):
    """lava-dl's Input block turns numbers into spikes first."""
    write_netx(LEAKY, tmp_path / "network.net")
    with h5py.File(tmp_path / "network.net", "r+") as file:
        file.copy("layer/1/neuron", "layer/0/neuron")
    with pytest.raises(InputError, match="layer 0 is an input with neurons of its own"):
        read_netx(tmp_path / "network.net", P)


@pytest.mark.parametrize("values", [{}, {"neuron__iDecay": 4096}, {"neuron__vDecay": 4096}])
def test_neurons_that_remember_are_not_nbps(values, tmp_path):
    with pytest.raises(InputError, match=r"layer 1 has iDecay .* but nothing may outlast a step of nBP"):
        read_netx(changed(tmp_path / "network.net", **values))


def test_thresholds_of_each_neuron(tmp_path):
    """Weights count in the threshold of the neuron that they lead to."""
    thresholds = np.array([100, 200, 100, 50, 100, 400])
    one = read_netx(changed(tmp_path / "a.net", neuron__vThMant=100), P)["W1"]
    each = read_netx(changed(tmp_path / "b.net", neuron__vThMant=thresholds), P)["W1"]
    np.testing.assert_allclose(each, one * 100 / thresholds)


def test_a_file_that_announces_more_than_fits(tmp_path):
    with h5py.File(tmp_path / "huge.net", "w") as file:
        file.create_dataset("layer/0/weight", (1 << 40, 1 << 10), dtype="f4")
    with pytest.raises(InputError, match="huge.net cannot be read: what it holds needs some .* of memory"):
        read_netx(tmp_path / "huge.net")


def test_no_netx_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="has no group 'layer'"):
        read_netx(tmp_path / "other.h5")
    (tmp_path / "text.net").write_text("no HDF5")
    with pytest.raises(InputError, match="cannot be read as a netx file"):
        read_netx(tmp_path / "text.net")


# ------------------------------------------------------------------ delays, and constants of layers

CLOCKED = FixedPoint(P, 0.5, 60.0)
STEPS = {"sources": (RNG.integers(0, 9, 7), RNG.integers(0, 9, 6))}
STEPS["synapses"] = (RNG.integers(0, 9, (7, 6)), RNG.integers(0, 62, (6, 4)))
STEPS["one layer"] = (None, RNG.integers(0, 9, 6))


def clocked(delays):
    """A clocked network, and the same as it is exported."""
    engine = ClockedEngine(
        [RNG.normal(1.5, 1.0, (7, 6)), RNG.normal(1.2, 1.0, (6, 4))], Setup(CLOCKED, TTFSLoss()), delays=delays
    )
    unit = 1 << CLOCKED.coefficient_bits
    constants = CLOCKED.alpha / unit, CLOCKED.beta / unit, CLOCKED.gamma / unit
    weights = tuple(w.astype(float) for w in engine.forward_weights)
    late = tuple(None if d is None else d * CLOCKED.dt for d in delays)
    return engine, DenseNetwork(weights, float(CLOCKED.theta), *constants, CLOCKED.dt, delays=late)


@pytest.mark.parametrize("late", STEPS)
def test_delays_on_lava_are_those_of_the_clocked_engine(late, tmp_path):
    """Through lava-dl's reader: its spikes are those of the registers, and its answers those that were learned."""
    engine, network = clocked(STEPS[late])
    write_netx(network, tmp_path / "network.net")
    layers = netx_layers(network)
    samples = [(np.sort(RNG.integers(0, 20, 7)), RNG.permutation(7)) for _ in range(4)]
    x = np.zeros((len(samples), CLOCKED.steps, 7), dtype=int)
    for spikes, (steps, sources) in zip(x, samples, strict=True):
        spikes[steps, sources] = 1
    found = run_netx(tmp_path / "network.net", x.reshape(-1, 7), reset_interval=CLOCKED.steps)
    found = found.reshape(len(samples), CLOCKED.steps, -1)
    decays = layers[0].i_decay, layers[0].v_decay
    np.testing.assert_array_equal(found, [lif_in_integers(layers, spikes, decays) for spikes in x])
    answers = np.array([engine.run_sample(steps, sources, None)[0] for steps, sources in samples])
    # A hidden spike acts in the next step in the engine.
    first = np.minimum(first_steps(found.transpose(1, 0, 2)) + 1, CLOCKED.steps)
    np.testing.assert_array_equal(first, answers)
    assert (answers < CLOCKED.steps).any()
    without = [layer._replace(delays=None) for layer in layers]
    assert not np.array_equal(found, [lif_in_integers(without, spikes, decays) for spikes in x])


@pytest.mark.parametrize("late", STEPS)
def test_delays_come_back(late, tmp_path):
    """In all bits, of sources as of synapses; and weights of 8 bits do."""
    _, network = clocked(STEPS[late])
    write_netx(network, tmp_path / "network.net")
    found = read_netx(tmp_path / "network.net", P)
    own = {f"D{k}": late for k, late in enumerate(network.delays, 1) if late is not None}
    assert list(found) == ["W1", "W2", *own]
    for name, delays in own.items():
        np.testing.assert_array_equal(found[name], delays)


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        (3, np.full(7, 1.5)),
        (np.arange(6.0), np.tile(np.arange(6) / 2, (7, 1))),  # of lava-dl's blocks: of their neurons
        (np.arange(7), np.arange(7) / 2),
        (np.arange(42).reshape(6, 7), np.arange(42).reshape(6, 7).T / 2),
        (np.zeros(6), np.zeros((7, 6))),
    ],
)
def test_delays_as_lava_dl_reads_them(given, ms, tmp_path):
    found = read_netx(changed(tmp_path / "network.net", delay=given), P)
    np.testing.assert_array_equal(found["D1"], ms)


def attribute(path, dt):
    with h5py.File(path, "r+") as file:
        del file.attrs["dt_ms"]
        if dt is not None:
            file.attrs["dt_ms"] = dt
    return path


LATE = {"delay": np.full(7, 3)}


@pytest.mark.parametrize(
    ("values", "dt", "message"),
    [
        ({"delay": np.full(7, -1)}, 0.5, r"layer 1 has the delay -1, but synapses have whole steps in 0 \.\. 62"),
        ({"delay": np.full(7, 63)}, 0.5, "layer 1 has the delay 63"),
        ({"delay": np.full(7, 0.5)}, 0.5, "layer 1 has the delay 0.5"),
        ({"delay": np.full(7, np.nan)}, 0.5, "layer 1: delay holds nan"),
        ({"delay": np.full(5, 1)}, 0.5, r"layer 1 has a delay of shape \(5,\), but must have one of \(6, 7\)"),
        ({"delay": np.ones((7, 6))}, 0.5, r"layer 1 has a delay of shape \(7, 6\)"),
        ({"type": b"dense_rec", "weight_rec": np.eye(6), **LATE}, 0.5, "layer 1 has delays and recurrent weights, but"),
        (LATE, None, "layer 1 has delays, which count in steps, but the file's attribute dt_ms does not say how long"),
        (LATE, -0.5, "network.net: attribute dt_ms is -0.5"),
        (LATE, np.nan, "network.net: attribute dt_ms is nan"),
        (LATE, "half", "network.net: attribute dt_ms is .*half"),
        (LATE, 0.6, "layer 1: with tau_m 20 ms its vDecay 101 means steps of 0.499 ms, but .* dt_ms is 0.6; set"),
    ],
)
def test_delays_that_are_refused(values, dt, message, tmp_path):
    path = attribute(changed(tmp_path / "network.net", **values), dt)
    with pytest.raises(InputError, match=message) as caught:
        read_netx(path, P)
    assert "\n" not in str(caught.value)


def test_delays_for_nbp(tmp_path):
    write_netx(BINARY, tmp_path / "network.net")
    with h5py.File(tmp_path / "network.net", "r+") as file:
        file["layer/1/delay"] = np.zeros(7)
    assert list(read_netx(tmp_path / "network.net")) == ["W1", "W2"]
    with h5py.File(tmp_path / "network.net", "r+") as file:
        file["layer/1/delay"][3] = 1
    with pytest.raises(InputError, match="layer 1 has a delay, but these networks have none; train without"):
        read_netx(tmp_path / "network.net")


def test_a_recurrent_layer_without_delays_but_a_place_for_them(tmp_path):
    values = {"type": b"dense_rec", "weight_rec": np.eye(6), "delay": np.zeros(6)}
    assert list(read_netx(changed(tmp_path / "network.net", **values), P)) == ["W1", "W2", "R1"]


LOOPED = replace(LEAKY, recurrent=(np.eye(6), None))
OWN = replace(LEAKY, alpha=(np.full(6, 0.9), 0.95))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            replace(LOOPED, delays=(np.ones(7), None)),
            "layer 1 has delays and recurrent weights, but lava-dl's dense_rec",
        ),
        (replace(LOOPED, recurrent_delays=(np.ones(6), None)), "layer 1 has delays and recurrent weights"),
        (
            replace(LEAKY, delays=(None, np.full(6, 31.5))),
            r"layer 2 has a delay of 31.5 ms, 63 steps of 0.5 ms, but netx holds 0 \.\. 62 steps; use a larger dt",
        ),
        (
            replace(OWN, beta=(np.linspace(0.1, 0.9, 6), 0.5)),
            "layer 1: its neurons have time constants of their own, but Lava's LIF has one pair of decays for all",
        ),
    ],
)
def test_what_lava_dl_does_not_have(network, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write_netx(network, tmp_path / "network.net")
    assert not list(tmp_path.iterdir())


def test_constants_and_thresholds_of_layers_on_lava(tmp_path):
    """Every layer has its own decays and threshold."""
    p = (NeuronParameters(20.0, 5.0), NeuronParameters(8.0, 3.0))
    decays = [tuple(np.exp(-0.5 / getattr(q, name)) for q in p) for name in ("tau_m", "tau_s")]
    own = replace(
        LEAKY, theta=(1.0, 1.6), alpha=decays[0], beta=decays[1], gamma=tuple(response(0.5, q) for q in p),
        weights=(LEAKY.weights[0], 3 * LEAKY.weights[1]),
    )  # fmt: skip
    write_netx(own, tmp_path / "network.net")
    x = np.zeros((160, 7), dtype=int)
    x[RNG.integers(0, 60, 7), np.arange(7)] = 1
    registers = [tuple(round((1 - np.exp(-0.5 / tau)) * 4096) for tau in (q.tau_s, q.tau_m)) for q in p]
    found = run_netx(tmp_path / "network.net", x)
    np.testing.assert_array_equal(found, lif_in_integers(netx_layers(own), x, registers))
    exact = own.run(x[:, None])[-1][:, 0]
    assert abs(found.sum() - exact.sum()) <= 0.2 * exact.sum()
    assert exact.sum() > 3
    for known in (p, [None, None]):
        again = read_netx(tmp_path / "network.net", known)
        for k, (w, theta) in enumerate(zip(own.weights, own.theta, strict=True), 1):
            np.testing.assert_allclose(again[f"W{k}"], w / theta, atol=0.51 * np.abs(w).max() / 127, rtol=0.02)
    assert list(again) == ["W1", "W2", "tau_m1", "tau_m2", "tau_s1", "tau_s2"]
    np.testing.assert_allclose(again["tau_m2"], np.full(4, 8.0), rtol=0.01)
    np.testing.assert_allclose(again["tau_s1"], np.full(6, 5.0), rtol=0.01)
    with pytest.raises(InputError, match="layer 2: with tau_m 20 ms its currents decay with .* tau_s is 5 ms"):
        read_netx(tmp_path / "network.net", p[0])
    with pytest.raises(InputError, match="layer 1: time constants of its own are wanted of its decays, which count in"):
        read_netx(attribute(changed(tmp_path / "other.net"), None), [None, None])


def test_mantissas_of_a_chip_are_written_as_they_are_or_not_at_all(tmp_path):
    """A unit of 2 would need an exponent; with theta_bits lower by 1 the unit is 1. Other networks are rounded."""
    w, gamma = np.array([[4.0, -508.0]]), 2.0**-5
    for scale in (0.5, 1.0):
        network = DenseNetwork((w * scale,), 256.0 * scale, 0.9, 0.8, gamma, 1.0, mantissas=True)
        if scale == 0.5:
            (layer,) = netx_layers(network)
            assert layer.mantissas.tolist() == [[2], [-254]]
            continue
        cure = "train with clocked.theta_bits lower by 1, or export NIR"
        with pytest.raises(
            WeightError, match=f"layer 1: its weights are mantissas times 2, but netx has no exponents; {cure}"
        ):
            write_netx(network, tmp_path / "network.net")
        assert not (tmp_path / "network.net").exists()
        (layer,) = netx_layers(replace(network, mantissas=False))
        assert layer.mantissas.tolist() == [[2], [-254]]


@pytest.mark.parametrize("late", [*STEPS, None])
def test_a_network_of_the_chips_neurons_is_written_bit_for_bit(late, tmp_path):
    """Registers are those that it learned with, of every layer; lava-dl's reader makes the engine's spikes of them."""
    delays = (None, None) if late is None else STEPS[late]
    layers = tuple(
        FixedPoint(p, 0.5, 60.0, theta_bits=bits, neuron="loihi")
        for p, bits in ((P, 11), (NeuronParameters(15.0, 6.0), 12))
    )
    engine = ClockedEngine(
        [RNG.normal(1.5, 1.0, (7, 6)), RNG.normal(1.2, 1.0, (6, 4))], Setup(layers[0], TTFSLoss(), layers=layers),
        delays=delays, largest=[7.0, 3.9],
    )  # fmt: skip
    assert engine.exponents == [6, 6]
    network = DenseNetwork(
        tuple(w / 64 for w in engine.forward_weights), tuple(c.theta / 64 for c in layers),
        tuple(c.alpha / 4096 for c in layers), tuple(c.beta / 4096 for c in layers), tuple(c.response for c in layers),
        0.5, mantissas=True, delays=tuple(None if d is None else d * 0.5 for d in delays),
    )  # fmt: skip
    registers = netx_layers(network)
    for layer, c, w in zip(registers, layers, engine.forward_weights, strict=True):
        assert (layer.threshold, layer.i_decay, layer.v_decay) == (c.vth, c.du + 1, c.dv)
        np.testing.assert_array_equal(layer.mantissas.T << 6, w)
    write_netx(network, tmp_path / "network.net")
    T = engine.c.steps
    samples = [(np.sort(RNG.integers(0, 20, 7)), RNG.permutation(7)) for _ in range(4)]
    x = np.zeros((len(samples), T, 7), dtype=int)
    for spikes, (steps, sources) in zip(x, samples, strict=True):
        spikes[steps, sources] = 1
    found = run_netx(tmp_path / "network.net", x.reshape(-1, 7), reset_interval=T).reshape(len(samples), T, -1)
    for spikes, (steps, sources) in zip(found, samples, strict=True):
        engine.run_sample(steps, sources, None)
        n, tape = engine._spikes[1], engine._tapes[1]
        own = np.zeros((T, 4), dtype=int)
        own[tape.step[:n], tape.neuron[:n]] = 1
        np.testing.assert_array_equal(spikes[:-1], own[1:])  # a hidden spike acts in the next step in the engine
        assert own.any()
