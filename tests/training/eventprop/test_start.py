import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.equations import NeuronParameters, response
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.netx_file import write_netx
from lava_nbp.exchange.nir_graph import write_nir
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
