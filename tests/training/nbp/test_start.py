import os

import numpy as np
import pytest

from lava_nbp.errors import InputError, WeightError
from lava_nbp.exchange.dense import DenseNetwork
from lava_nbp.exchange.netx_file import write_netx
from lava_nbp.exchange.nir_graph import write_nir
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.training.nbp.start import nbp_start

RNG = np.random.default_rng(7)
CIRCUIT = training_circuit(7, 6, 4)
W1, W2 = 2 * RNG.integers(-127, 128, (7, 6)), 2 * RNG.integers(-127, 128, (6, 4))


def nbp_network(theta=513.0, scale=1.0):
    return DenseNetwork((scale * W1.astype(float), scale * W2.astype(float)), theta, 0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize(("write", "name"), [(write_nir, "a.nir"), (write_netx, "a.net"), (write_netx, "a.h5")])
def test_weights_of_an_nbp_network_come_back_exactly(write, name, tmp_path):
    write(nbp_network(), tmp_path / name)
    found = nbp_start(tmp_path / name, CIRCUIT)
    assert found["W1"].dtype == np.int16
    np.testing.assert_array_equal(found["W1"], W1)
    np.testing.assert_array_equal(found["W2"], W2)


def test_weights_count_in_thresholds(tmp_path):
    """1 of a threshold of 4 is 128 of 512."""
    write_nir(DenseNetwork((np.ones((7, 6)), -np.ones((6, 4))), 4.0, 0.0, 0.0, 1.0, 1.0), tmp_path / "a.nir")
    found = nbp_start(tmp_path / "a.nir", CIRCUIT)
    assert (found["W1"] == 128).all()
    assert (found["W2"] == -128).all()


def test_weights_that_8_bits_do_not_hold(tmp_path):
    write_nir(nbp_network(theta=128.0), tmp_path / "a.nir")
    with pytest.raises(WeightError, match=r"a.nir: W1 reaches .* thresholds, but nBP's 8-bit weights reach 0.496"):
        nbp_start(tmp_path / "a.nir", CIRCUIT)


@pytest.mark.parametrize("layers", [(7, 5, 4), (8, 6, 4)])
def test_another_network(layers, tmp_path):
    write_nir(nbp_network(), tmp_path / "a.nir")
    with pytest.raises(
        InputError, match=rf"holds a network of 7-6-4, but this experiment's is {'-'.join(map(str, layers))}"
    ):
        nbp_start(tmp_path / "a.nir", training_circuit(*layers))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.nir", "there is no such file"),
        ("none.npz", "cannot be read"),
        ("some.onnx", "of an unknown kind; give one"),
    ],
)
def test_files_that_cannot_be_read(name, message, tmp_path):
    (tmp_path / "some.onnx").write_text("")
    with pytest.raises(InputError, match=message):
        nbp_start(tmp_path / name, CIRCUIT)


@pytest.mark.parametrize(
    "w",
    [W1.astype(float), W1 * np.nan, W1.astype(str), W1.astype(bool), W1 + 1, W1.astype(np.int64) << 40],
    ids=str,
)
def test_what_no_weights_are(w, tmp_path):
    np.savez(tmp_path / "a.npz", W1=w, W2=W2)
    with pytest.raises(WeightError, match=r"a.npz: W1"):
        nbp_start(tmp_path / "a.npz", CIRCUIT)


def test_complex_numbers_are_no_weights(tmp_path):
    np.savez(tmp_path / "a.npz", W1=W1 * 1j, W2=W2)
    with pytest.raises(InputError, match=r"a.npz .*'W1' has dtype complex128"):
        nbp_start(tmp_path / "a.npz", CIRCUIT)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint64, np.int64, ">i4"])
def test_integers_of_any_width_are_weights(dtype, tmp_path):
    np.savez(tmp_path / "a.npz", W1=np.abs(W1).astype(dtype) // 4 * 2, W2=W2)
    np.testing.assert_array_equal(nbp_start(tmp_path / "a.npz", CIRCUIT)["W1"], np.abs(W1).astype(dtype) // 4 * 2)


@pytest.mark.parametrize("suffix", [".npz", ".nir", ".net", ".h5"])
def test_what_is_no_file_is_not_waited_for(suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"cannot be read: it is a FIFO \(pipe\), no file; give"):
        nbp_start(path, training_circuit(4, 3, 2))
    with pytest.raises(InputError, match="cannot be read: File name too long"):
        nbp_start(tmp_path / ("n" * 300 + suffix), training_circuit(4, 3, 2))
