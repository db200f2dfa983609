import numpy as np
import pytest

from lava_nbp.errors import InputError, WeightError
from lava_nbp.nbp.executor import one_hot
from lava_nbp.nbp.weights import initial_weights


def test_initial_weights_are_the_papers():
    w = initial_weights((400, 400, 10), np.random.default_rng(0))
    for name, (n_pre, n_post) in {"W1": (400, 400), "W2": (400, 10)}.items():
        sd = 1024 * np.sqrt(2 / (n_pre + n_post))
        assert w[name].shape == (n_pre, n_post)
        assert w[name].dtype == np.int16
        assert (w[name] % 2 == 0).all()
        assert np.abs(w[name]).max() <= 240
        assert abs(w[name].mean()) < 5 * sd / np.sqrt(n_pre * n_post)
        assert abs(w[name].std() / sd - 1) < 0.05
    assert (w["W2"] == 240).any() or np.abs(w["W2"]).max() > 200


def test_same_seed_same_weights_and_the_mean_moves_only_w2():
    plain = initial_weights((30, 400, 5), np.random.default_rng(3))
    again = initial_weights((30, 400, 5), np.random.default_rng(3))
    moved = initial_weights((30, 400, 5), np.random.default_rng(3), output_mean=40)
    assert all(np.array_equal(plain[k], again[k]) for k in plain)
    assert np.array_equal(plain["W1"], moved["W1"])
    assert 30 < (moved["W2"] - plain["W2"]).mean() < 42


@pytest.mark.parametrize("clip", [0, -2, 241, 256, 1000])
def test_odd_or_out_of_range_clip(clip):
    with pytest.raises(WeightError, match=f"clipped to {clip}, but the limit is an even number in 2 .. 254"):
        initial_weights((2, 2, 2), np.random.default_rng(0), clip)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], r"labels\[1\] is 3, outside the classes 0 .. 2"),
        ([-1], r"labels\[0\] is -1"),
        ([0.5], "dtype float64"),
        ([[1]], "shape"),
    ],
)
def test_labels_outside_the_classes(labels, message):
    with pytest.raises(InputError, match=message):
        one_hot(labels, 3)


def test_one_hot():
    assert one_hot([2, 0], 3).tolist() == [[0, 0, 1], [1, 0, 0]]
