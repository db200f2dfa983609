"""What a loader returns is checked, and split."""

import numpy as np
import pytest

from lava_nbp.data import DataOptions, Labelled, Samples
from lava_nbp.data.samples import split
from lava_nbp.errors import InputError


def part(n, first=0):
    """Samples that can be told apart."""
    return Labelled((first + np.arange(n))[:, None] / 100, np.arange(n) % 2)


def test_own_validation_samples_are_used_from_the_first():
    samples = Samples(part(10), part(5, 50), ("a", "b"), validation=part(4, 70))
    train, validation, test = split("mine", samples, DataOptions(validation=3, train=8, test=2))
    assert train.x[:, 0].tolist() == (np.arange(8) / 100).tolist()
    assert validation.x[:, 0].tolist() == [0.70, 0.71, 0.72]
    assert test.x[:, 0].tolist() == [0.50, 0.51]
    assert len(split("mine", samples, DataOptions())[1]) == 0
    with pytest.raises(InputError, match="data.validation is 5, but mine has 4 such samples; use 1 .. 4"):
        split("mine", samples, DataOptions(validation=5))


def test_validation_samples_are_held_back():
    samples = Samples(part(10), part(5, 50), ("a", "b"))
    train, validation, _ = split("mine", samples, DataOptions(validation=4))
    both = np.concatenate([train.x, validation.x])[:, 0]
    assert sorted(both) == (np.arange(10) / 100).tolist()
    assert (np.diff(train.x[:, 0]) > 0).all()
    assert (np.diff(validation.x[:, 0]) > 0).all()
    with pytest.raises(InputError, match="data.validation is 10, but mine has 10 training samples; hold back fewer"):
        split("mine", samples, DataOptions(validation=10))
    with pytest.raises(InputError, match="data.train is 7, but mine has 6 such samples"):
        split("mine", samples, DataOptions(validation=4, train=7))


X, Y = np.zeros((4, 3)), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros(4), Y, r"test samples have shape \(4,\), but must be"),
        (np.zeros((4, 2)), Y, r"test samples have shape \(4, 2\), but must be .* the same in every split"),
        (np.zeros((0, 3)), Y[:0], r"test samples have shape \(0, 3\)"),
        (X, Y[:3], r"test labels have shape \(3,\) and dtype int64, but must be 4 integers"),
        (X, Y / 2, "test labels have shape .* and dtype float64"),
        (X, Y + 1, "test labels are 1 .. 2, but there are 2 classes"),
        (X, -Y, "test labels are -1 .. 0, but there are 2 classes"),
        (X + 1.5, Y, "test samples are 1.5 .. 1.5, but must be in 0 .. 1"),
        (X * np.nan, Y, "test samples are nan .. nan, but must be in 0 .. 1"),
    ],
)
def test_arrays_that_do_not_fit(x, y, message):
    with pytest.raises(InputError, match=message):
        Samples(Labelled(X, Y), Labelled(x, y), ("a", "b"))
    with pytest.raises(InputError, match=message.replace("test", "validation")):
        Samples(Labelled(X, Y), Labelled(X, Y), ("a", "b"), validation=Labelled(x, y))
