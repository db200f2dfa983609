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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 10.0}, "clipped to 10.0"),
        ({"clip": np.nan}, "clipped to nan"),
        ({"input_scale": np.nan}, "input_scale is nan"),
        ({"input_scale": np.inf}, "input_scale is inf"),
        ({"input_scale": -1}, "input_scale is -1"),
        ({"input_scale": 1j}, "input_scale is 1j"),
        ({"output_mean": np.nan}, "output_mean is nan"),
        ({"output_mean": 255}, "output_mean is 255"),
    ],
)
def test_numbers_that_no_weights_follow_from(options, message):
    with pytest.raises(WeightError, match=message):
        initial_weights((2, 2, 2), np.random.default_rng(0), **options)


@pytest.mark.parametrize("layers", [(), (3,), (3, 0), (3, 2.5), (3, 10**30), (3, True)])
def test_layers_that_have_no_size(layers):
    with pytest.raises(WeightError, match="size of a layer is|layers"):
        initial_weights(layers, np.random.default_rng(0))


def test_more_weights_than_fit():
    with pytest.raises(InputError, match=r"a matrix of 1000000000000 initial weights needs some 40 TB of memory"):
        initial_weights((1_000_000, 1_000_000), np.random.default_rng(0))
