import os
from dataclasses import replace

import numpy as np
import pytest

from lava_nbp.base import hdf5
from lava_nbp.errors import InputError
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.netx_file import read_netx, write_netx
from lava_nbp.exchange.nir_graph import read_nir


def test_by_hand():
    # alpha = 1/2, beta = 1/4, gamma = 2, theta = 5; one spike of weight 2 in step 0:
    # I = 2, 1/2, 1/8;  V = 4, then 2 + 1 = 3, then 1.5 + 0.25
    network = DenseNetwork((np.array([[2.0]]),), 5.0, 0.5, 0.25, 2.0, 1.0, spiking_output=False)
    V = network.run(np.array([1, 0, 0]).reshape(3, 1, 1))[0]
    np.testing.assert_array_equal(V.ravel(), [4, 3, 1.75])
    assert network.neurons(1).gain.tolist() == [4]
    # Two spikes: V = 4, then 2 + 2 (2 + 1/2) = 7 >= 5: a spike, V = 0; then I = 5/8, V = 5/4
    spiking = DenseNetwork((np.array([[2.0]]), np.array([[3.0, -1.0]])), 5.0, 0.5, 0.25, 2.0, 1.0)
    hidden, out = spiking.run(np.array([1, 1, 0]).reshape(3, 1, 1))
    np.testing.assert_array_equal(hidden.ravel(), [0, 1, 0])
    np.testing.assert_array_equal(out[:, 0], [[0, 0], [1, 0], [0, 0]])  # 2 * 3 >= 5 in the same step


def test_recurrence_by_hand():
    """It fires in step 0 with V = 6; its own spike brings 2 in step 1, and a quarter of I is left: V = 2 (2 + 3/4).

    That fires again, with 2 + (2 + 3/4) / 4 in step 2: V = 5.375, and so on; without the loop once only.
    """
    network = DenseNetwork((np.array([[3.0]]),), 5.0, 0.5, 0.25, 2.0, 1.0, recurrent=(np.array([[2.0]]),))
    assert network.run(np.array([1, 0, 0]).reshape(3, 1, 1))[0].ravel().tolist() == [1, 1, 1]
    alone = replace(network, recurrent=())
    assert alone.run(np.array([1, 0, 0]).reshape(3, 1, 1))[0].ravel().tolist() == [1, 0, 0]


def test_a_voltage_at_the_threshold_fires():
    network = DenseNetwork((np.array([[5.0]]),), 5.0, 0.0, 0.0, 1.0, 1.0)
    assert network.run(np.ones((1, 1, 1)))[0].all()


@pytest.mark.parametrize("shape", [(3, 2), (3, 1, 4)])
def test_input_of_another_shape(shape):
    network = DenseNetwork((np.ones((2, 3)), np.ones((3, 1))), 1.0, 0.0, 0.0, 1.0, 1.0)
    assert network.sizes == (2, 3, 1)
    with pytest.raises(InputError, match=r"x has shape .*, but must be \(steps, samples, 2\)"):
        network.run(np.zeros(shape))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": ()}, "its weights have shapes of nothing"),
        ({"weights": (np.ones((2, 3)), np.ones((2, 1)))}, r"shapes \(2, 3\), \(2, 1\), but must be matrices"),
        ({"weights": (np.ones(3),)}, r"shapes \(3,\)"),
        ({"weights": (np.full((2, 1), np.nan),)}, "matrix 1 of its weights holds nan"),
        ({"weights": (np.ones((2, 1)) * 1j,)}, "matrix 1 of its weights has dtype complex128"),
        ({"recurrent": (None, None)}, "2 recurrent matrices for 1 layers; give one or None per layer"),
        ({"recurrent": (np.ones((2, 2)),)}, r"recurrent weights of layer 1 have shape \(2, 2\), but must be \(1, 1\)"),
        ({"recurrent": (np.full((1, 1), np.nan),)}, "recurrent weights of layer 1 holds nan"),
        (
            {"recurrent": (np.ones((1, 1)),), "spiking_output": False},
            "its output only integrates and has no spikes, but",
        ),
        ({"recurrent": 3}, "recurrent weights is 3, but must be a list"),
        ({"theta": 0.0}, "theta is 0"),
        ({"theta": np.nan}, "theta is nan"),
        ({"gamma": np.inf}, "gamma is inf"),
        ({"dt": -1}, "dt is -1"),
        ({"alpha": 1.0}, "alpha is 1, so that nothing decays in a step; use a larger dt"),
        ({"beta": -0.5}, "beta is -0.5"),
        ({"beta": "0"}, "beta is '0'"),
    ],
)
def test_what_no_network_has(values, message):
    with pytest.raises(InputError, match=message):
        replace(DenseNetwork((np.ones((2, 1)),), 1.0, 0.0, 0.0, 1.0, 1.0), **values)


@pytest.mark.parametrize("read", [read_nir, read_netx])
def test_what_is_no_file_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe cannot be read: it is a FIFO \(pipe\), no file; give an HDF5 file"):
        read(str(tmp_path / "pipe"))
    for path in (None, 3, "", b"x"):
        with pytest.raises(InputError, match="file is .*, (but must be a path|which names no file)"):
            read(path)


@pytest.mark.parametrize(
    ("library", "message"),
    [("while True: pass", "cannot be read within 2 s, so it is damaged"), ("import os; os.abort()", "library crashes")],
)
def test_a_library_that_hangs_or_crashes_on_a_file(tmp_path, monkeypatch, library, message):
    """HDF5's does, on some damaged files."""
    monkeypatch.setattr(hdf5, "_READ", library)
    monkeypatch.setattr(hdf5, "_PATIENCE", 2)
    path = tmp_path / "network.net"
    write_netx(DenseNetwork((np.array([[2.0]]),), 5.0, 0.0, 0.0, 1.0, 1.0), path)
    with pytest.raises(InputError, match=message):
        read_netx(path)


OWN = DenseNetwork((np.ones((2, 3)), np.ones((3, 1))), 1.0, 0.5, 0.5, 1.0, 1.0)


def test_constants_of_layers_and_neurons():
    own = replace(OWN, theta=(1.0, 2.0), alpha=(np.array([0.1, 0.2, 0.3]), 0.5), gamma=[1.0, 1.0])
    assert [values.tolist() for values in own.neurons(1)] == [[1, 1, 1], [0.1, 0.2, 0.3], [0.5] * 3, [1] * 3]
    assert [values.tolist() for values in own.neurons(2)] == [[2], [0.5], [0.5], [1]]
    assert own.gamma == 1.0  # the same for all layers
    np.testing.assert_allclose(own.neurons(1).gain, [1 / 0.9, 1 / 0.8, 1 / 0.7])
    for k in (0, 3, 1.5):
        with pytest.raises(InputError, match=rf"layer is {k}, but must be .* 1 \.\. 2"):
            own.neurons(k)


def test_delays_by_hand():
    """Input 0 through two steps, its second synapse through none; a spike of the layer comes back two steps later."""
    late = DenseNetwork(
        (np.array([[1.0, 1.0]]),), 1.0, 0.0, 0.0, 1.0, 0.5, delays=(np.array([[1.0, 0.2]]),),
        recurrent=(np.array([[0.0, 0.0], [0.0, 2.0]]),), recurrent_delays=(np.array([7.0, 0.5]),),
    )  # fmt: skip
    found = late.run(np.array([1, 0, 0, 0, 0]).reshape(5, 1, 1))[0]
    np.testing.assert_array_equal(found[:, 0], [[0, 1], [0, 0], [1, 1], [0, 0], [0, 1]])


def test_delays_beyond_any_step():
    late = replace(OWN, delays=(np.full(2, 1e9), None), dt=1e-300)
    assert not late.run(np.ones((3, 1, 2)))[0].any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"theta": (1.0,)}, "theta has 1 entries, but there are 2 layers; give a number, or one entry per layer"),
        ({"theta": (1.0, 0.0)}, "theta of layer 2 is 0"),
        ({"theta": (1.0, np.ones(1))}, "theta of layer 2 is "),
        ({"alpha": (np.ones(2), 0.5)}, r"alpha of layer 1 has shape \(2,\), but must be .* one per neuron, \(3,\)"),
        ({"alpha": (np.ones(3), 0.5)}, "alpha of layer 1 is 1, so that nothing decays in a step"),
        ({"beta": (0.5, np.array([np.nan]))}, "beta of layer 2 holds nan"),
        ({"gamma": (np.array([1.0, 0, 1]), 0.5)}, "gamma of layer 1 is 0"),
        ({"gamma": (None, 0.5)}, "gamma of layer 1 has dtype object"),
        ({"delays": (None,)}, "delays has 1 entries for 2 layers; give an array or None per layer"),
        ({"delays": 3.0}, "delays is 3.0, but must be a list"),
        (
            {"delays": (np.ones(3), None)},
            r"delays of layer 1 has shape \(3,\), but must be \(2, 3\) of",
        ),
        ({"delays": (np.ones((3, 2)), None)}, r"delays of layer 1 has shape \(3, 2\)"),
        ({"delays": (None, -np.ones(3))}, r"delays of layer 2 holds -1, but must be 0 .. 1e\+09; they are in ms"),
        ({"delays": (None, np.full(3, np.nan))}, "delays of layer 2 holds nan"),
        ({"delays": (None, np.full(3, 2e9))}, r"delays of layer 2 holds 2e\+09"),
        ({"recurrent_delays": (np.ones(3), None)}, "recurrent_delays of layer 1 are given, but it has no recurrent"),
    ],
)
def test_constants_and_delays_that_no_network_has(values, message):
    with pytest.raises(InputError, match=message):
        replace(OWN, **values)
