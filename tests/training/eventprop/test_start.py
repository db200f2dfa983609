import numpy as np
import pytest
from experiments import YINYANG, experiment

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.netx_file import write_netx
from lava_nbp.exchange.nir_graph import write_nir
from lava_nbp.training.algorithms import make_learner
from lava_nbp.training.eventprop.start import eventprop_start

RNG = np.random.default_rng(7)
LAYERS = (7, 6, 4)
W1, W2 = 2 * RNG.integers(-127, 128, (7, 6)), 2 * RNG.integers(-127, 128, (6, 4))
P = NeuronParameters(20.0, 5.0, 1.0)


@pytest.mark.parametrize("name", ["a.nir", "a.net"])
def test_eventprop_weights_come_back(name, tmp_path):
    weights = (RNG.normal(1.5, 0.7, (7, 6)), RNG.normal(0.9, 0.5, (6, 4)))
    dt = 0.5
    network = DenseNetwork(weights, 1.0, np.exp(-dt / 20), np.exp(-dt / 5), response(dt, P), dt)
    (write_nir if name == "a.nir" else write_netx)(network, tmp_path / name)
    found = eventprop_start(tmp_path / name, LAYERS, P)
    for k, own in enumerate(weights):  # netx rounds to 8 bits, and decays to 12
        tolerance = {"rtol": 1e-6} if name == "a.nir" else {"rtol": 0.02, "atol": np.abs(own).max() / 127}
        np.testing.assert_allclose(found[f"W{k + 1}"], own, **tolerance)


@pytest.mark.parametrize("name", ["a.nir", "a.net", "a.npz"])
def test_recurrent_weights_come_back_where_there_are_any(name, tmp_path):
    weights, loop = (RNG.normal(1.5, 0.7, (7, 6)), RNG.normal(0.9, 0.5, (6, 4))), RNG.normal(0, 0.5, (6, 6))
    network = DenseNetwork(
        weights, 1.0, np.exp(-0.5 / 20), np.exp(-0.5 / 5), response(0.5, P), 0.5, recurrent=(loop, None)
    )
    if name == "a.npz":
        np.savez(tmp_path / name, W1=weights[0], W2=weights[1], R1=loop)
    else:
        (write_nir if name == "a.nir" else write_netx)(network, tmp_path / name)
    found = eventprop_start(tmp_path / name, LAYERS, P, ["R1", "R2"])
    assert list(found) == ["W1", "W2", "R1"]
    largest = max(np.abs(weights[0]).max(), np.abs(loop).max())
    tolerance = {"rtol": 0.02, "atol": largest / 127} if name == "a.net" else {"rtol": 1e-6}
    np.testing.assert_allclose(found["R1"], loop, **tolerance)
    message = (
        "holds R1, W1, W2, but this network has W1, W2" if name == "a.npz" else "holds recurrent weights R1, but that"
    )
    for loops in ([], ["R2"]):
        with pytest.raises(InputError, match=message):
            eventprop_start(tmp_path / name, LAYERS, P, loops)


def test_recurrent_weights_of_another_size(tmp_path):
    np.savez(tmp_path / "a.npz", W1=W1, W2=W2, R1=np.ones((4, 6)))
    with pytest.raises(InputError, match=r"R1 has shape \(4, 6\), but the layer has 6 neurons; give \(6, 6\)"):
        eventprop_start(tmp_path / "a.npz", LAYERS, P, ["R1"])


def test_eventprop_from_npz(tmp_path):
    np.savez(tmp_path / "a.npz", W1=W1, W2=W2)
    np.testing.assert_array_equal(eventprop_start(tmp_path / "a.npz", LAYERS, P)["W2"], W2)
    with pytest.raises(InputError, match=r"a.npz holds W1, W2, but this network has W1, W2, W3"):
        eventprop_start(tmp_path / "a.npz", (*LAYERS, 2), P)
    np.savez(tmp_path / "b.npz", W1=W1 * np.nan, W2=W2)
    with pytest.raises(InputError, match="finite numbers, in thresholds"):
        eventprop_start(tmp_path / "b.npz", LAYERS, P)


@pytest.mark.parametrize(
    ("w", "message"),
    [
        (W1 * 1j, "array 'W1' has dtype complex128, but only real numbers"),
        (W1.astype(str), "W1 has dtype <U"),
        (np.ones((7, 6), bool), "W1 has dtype bool"),
        (np.where(W1 > 0, np.inf, 1), "W1 holds inf"),
        (np.full((7, 6), np.longdouble("1e400")), "W1 holds inf"),
        (np.full((7, 6), 1e300), r"W1 holds 1e\+300, but must hold numbers of magnitude 10000 at most"),
        (np.ones((7, 6, 1)), "weights must be matrices"),
        (np.zeros((7, 0)), "holds a network of"),
    ],
)
def test_what_no_weights_are(w, message, tmp_path):
    np.savez(tmp_path / "a.npz", W1=w, W2=W2)
    with pytest.raises(InputError, match=rf"a.npz.*{message}"):
        eventprop_start(tmp_path / "a.npz", LAYERS, P)


def test_a_netx_network_has_no_output_that_only_integrates(tmp_path):
    (tmp_path / "a.net").write_text("")
    with pytest.raises(InputError, match=r"a.net: netx networks answer by spikes, .*\(a loss of voltages\)"):
        eventprop_start(tmp_path / "a.net", LAYERS, P, spiking_output=False)


# ------------------------------------------------------------------ delays and time constants


#: Layers of 5, 20 and 3, of which the first has delays and constants of its own.
SIZES = (5, 20, 3)
OWN = "network.initial_delay=[6, 0]", "neuron.spread=[0.2, 0]", "network.recurrent_deviation=[0.1, 0]"
RECURRENT = (*OWN, "network.recurrent_delay=[4, 0]")
SOURCE, LEARNED = "network.delays_per=source", ("learning.constant_rate=1", "learning.constants_range=[2, 50]")


def started(folder, arrays, *settings):
    """What a file with these arrays beside W1 and W2 begins with."""
    path = folder / "start.npz"
    np.savez(path, W1=np.ones((5, 20)), W2=np.ones((20, 3)), **arrays)
    config = experiment(folder, YINYANG, *settings, f'network.weights="{path}"')
    return make_learner(config).initial_weights()


def test_delays_and_constants_take_the_form_of_the_experiment(tmp_path):
    late, tau = np.linspace(0, 6, 5), np.linspace(10, 30, 20)
    begun = started(tmp_path, {"D1": late, "tau_m1": tau}, *RECURRENT)
    np.testing.assert_array_equal(begun["D1"], np.tile(late[:, None], (1, 20)))
    np.testing.assert_array_equal(begun["tau_m1"], tau)
    drawn = make_learner(experiment(tmp_path, YINYANG, *RECURRENT)).initial_weights()
    assert begun.keys() == drawn.keys()
    for name in ("R1", "E1", "tau_s1"):  # what the file does not hold is drawn, as without it
        np.testing.assert_array_equal(begun[name], drawn[name])
    begun = started(tmp_path, {"D1": np.tile(late[:, None], (1, 20)), "tau_m1": np.full(1, 9.0)}, *OWN, SOURCE)
    np.testing.assert_array_equal(begun["D1"], late)
    np.testing.assert_array_equal(begun["tau_m1"], np.full(20, 9.0))


def test_what_is_beyond_a_limit_by_rounding_is_put_there(tmp_path):
    tau, late = np.full(20, 50 * (1 + 2e-7)), np.full(5, 6 * (1 + 1e-15))
    tau[3] = 2 * (1 - 2e-7)
    begun = started(tmp_path, {"tau_m1": tau, "D1": late}, *OWN, *LEARNED, SOURCE, "network.longest_delay=6")
    assert (begun["tau_m1"].min(), begun["tau_m1"].max(), begun["D1"].max()) == (2, 50, 6)


def test_delays_that_are_none_may_be_where_the_experiment_has_none(tmp_path):
    weights = (np.ones((5, 20)), np.ones((20, 3)))
    for late, message in ((np.zeros(5), None), (np.ones(5), "holds delays D1, but .* in network.initial_delay")):
        network = DenseNetwork(
            weights, 1.0, np.exp(-0.5 / 20), np.exp(-0.5 / 5), response(0.5, P), 0.5, delays=(late, None)
        )
        write_nir(network, tmp_path / "a.nir")
        if message is None:
            assert list(eventprop_start(tmp_path / "a.nir", SIZES, P)) == ["W1", "W2"]
        else:
            with pytest.raises(InputError, match=message):
                eventprop_start(tmp_path / "a.nir", SIZES, P)
    looped = DenseNetwork(
        weights, 1.0, np.exp(-0.5 / 20), np.exp(-0.5 / 5), response(0.5, P), 0.5, recurrent=(np.eye(20), None),
        recurrent_delays=(np.ones(20), None),
    )  # fmt: skip
    write_nir(looped, tmp_path / "a.nir")
    with pytest.raises(InputError, match="holds delays of recurrent weights E1, but .* in network.recurrent_delay"):
        eventprop_start(tmp_path / "a.nir", SIZES, P, ["R1"])


CLOCKED = ("target=clocked", "clocked.dt=0.5", "network.initial_delay=[6, 0]")
IN_STEPS = (*CLOCKED, "learning.delay_rate=10", "network.longest_delay=6")


def test_delays_that_are_learned_in_steps_begin_between_them(tmp_path):
    """In full precision; what 6 ms, 12 steps, are the nearest to is 6 ms, as longer ones are not learned."""
    given = np.array([0.0, 3.3, 6.0, 6.2, 0.1])
    begun = started(tmp_path, {"D1": given}, *IN_STEPS, SOURCE)
    np.testing.assert_array_equal(begun["D1"], given)
    config = experiment(tmp_path, YINYANG, *IN_STEPS, SOURCE)
    with make_learner(config).open(begun, {}) as session:
        assert session.read_weights()["D1"].tolist() == [0, round(6.6 * 2**20), 12 << 20, 12 << 20, round(0.2 * 2**20)]
        assert session.engine.delays[0][:, 0].tolist() == [0, 7, 12, 12, 0]
    # Delays that stay may be as long as steps hold.
    begun = started(tmp_path, {"D1": given + 24.5}, *CLOCKED, SOURCE)
    with make_learner(experiment(tmp_path, YINYANG, *CLOCKED, SOURCE)).open(begun, {}) as session:
        assert session.engine.delays[0][:, 0].tolist() == [49, 56, 61, 61, 49]


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        (
            {"D1": np.full(5, 7.0)},
            (*OWN, "network.longest_delay=6"),
            "D1 reaches 7 ms, but network.longest_delay is 6",
        ),
        ({"D1": np.full(5, 63.0)}, OWN, "D1 reaches 63 ms, but network.longest_delay is 62 ms; raise that"),
        ({"D1": np.full(5, 31.5)}, CLOCKED, r"D1 reaches 31.5 ms, but target clocked holds 62 steps of 0.5 ms"),
        ({"D1": np.full(5, 31.5)}, IN_STEPS, r"D1 reaches 31.5 ms, but target clocked holds 62 steps of 0.5 ms"),
        ({"D1": np.full(5, 6.25)}, IN_STEPS, "D1 reaches 6.25 ms, but network.longest_delay is 6 ms; raise that"),
        ({"D1": -np.ones(5)}, OWN, r"D1 holds -1, but must be 0 .. 1e\+09; delays are in ms"),
        ({"D1": np.full(5, np.nan)}, OWN, "D1 holds nan, but must hold finite numbers; delays and time constants are"),
        ({"D1": np.ones(4)}, OWN, r"D1 has shape \(4,\), but must be \(5, 20\) of synapses, or \(5,\) of sources"),
        (
            {"E1": np.ones((5, 20))},
            RECURRENT,
            r"E1 has shape \(5, 20\), but must be \(20, 20\) of synapses",
        ),
        (
            {"D1": np.arange(100.0).reshape(5, 20) / 20},
            (*OWN, SOURCE),
            "D1 holds delays that differ from synapse to synapse of a source, but network.delays_per is 'source'",
        ),
        ({"D2": np.ones(20)}, OWN, "holds D2, W1, W2, but this network has W1, W2, R1, D1, tau_m1, tau_s1"),
        ({"tau_m1": np.ones(3)}, OWN, r"tau_m1 has shape \(3,\), but must have \(20,\), one per neuron, or \(1,\)"),
        ({"tau_m1": np.ones(())}, OWN, r"tau_m1 has shape \(\)"),
        ({"tau_m1": np.zeros(20)}, OWN, r"tau_m1 holds 0 ms, but must be in 1e-09 .. 1e\+09 ms"),
        ({"tau_m1": np.full(20, -5.0)}, OWN, "tau_m1 holds -5 ms"),
        ({"tau_s1": np.full(20, np.nan)}, OWN, "tau_s1 holds nan"),
        (
            {"tau_s1": np.full(20, 1.9)},
            (*OWN, *LEARNED),
            r"tau_s1 holds 1.9 ms, but must be in 2 .. 50 ms \(learning.constants_range\); change that, or the file",
        ),
        (
            {"tau_m2": np.arange(3.0) + 5},
            (*OWN, *LEARNED),
            "tau_m2 differs from neuron to neuron, but neuron.spread of layer 2 is 0; give it a number above",
        ),
    ],
)
def test_delays_and_constants_that_are_refused(arrays, settings, message, tmp_path):
    with pytest.raises(InputError, match=f"start.npz:? {message}") as caught:
        started(tmp_path, arrays, *settings)
    assert "\n" not in str(caught.value)
