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
    assert network.gain == 4
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
