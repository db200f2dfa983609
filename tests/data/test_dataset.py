"""Data sets as bits: splits, sizes, impossible options."""

import numpy as np
import pytest

from lava_nbp.data import DataOptions, DataSet, Labelled, Samples, input_and_classes, load_dataset
from lava_nbp.data.sets import DATA_SETS
from lava_nbp.errors import InputError


def test_digits_are_embedded_and_split():
    data = load_dataset("digits", validation=237)
    assert (len(data.train), len(data.validation), len(data.test)) == (1200, 237, 360)
    assert data.n_in == 64
    assert data.image_shape == (8, 8)
    assert data.classes == tuple("0123456789")
    assert set(np.unique(data.train.x)) == {0, 1}
    assert np.bincount(data.test.y).min() > 20


def test_digits_are_those_of_scikit_learn():
    """Read from its file, without importing it; shuffled, the last 360 to test."""
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), DATA_SETS["digits"].read(DataOptions())
    order = np.random.default_rng(0).permutation(len(theirs.images))
    for part, chosen in ((ours.train, order[:-360]), (ours.test, order[-360:])):
        assert part.x.dtype == theirs.images.dtype
        np.testing.assert_array_equal(part.x, theirs.images[chosen])
        np.testing.assert_array_equal(part.y, theirs.target[chosen])


def test_splits_are_disjoint_and_the_same_every_time():
    whole, one, two = (
        load_dataset("digits"),
        load_dataset("digits", validation=300),
        load_dataset("digits", validation=300),
    )
    assert np.array_equal(one.validation.x, two.validation.x)
    rows = [(*tuple(x), y) for split in (one.train, one.validation) for x, y in zip(split.x, split.y, strict=True)]
    assert sorted(rows) == sorted((*tuple(x), y) for x, y in zip(whole.train.x, whole.train.y, strict=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nothing"}, "data.name is 'nothing'"),
        ({"name": "digits", "validation": 1437}, "data.validation is 1437, but digits has 1437 training samples"),
        ({"name": "digits", "validation": -1}, "data.validation is -1"),
        ({"name": "digits", "train": 0}, "data.train is 0"),
        ({"name": "digits", "test": 361}, "data.test is 361, but digits has 360"),
        ({"name": "digits", "crop": 4}, "crop is 4"),
        ({"name": "digits", "side": 9}, "side is 9"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(InputError, match=message):
        load_dataset(**options)


# ------------------------------------------------------------------ sizes without reading


def refuse(options):
    raise AssertionError("nothing needs to be read")


def test_known_sizes_need_no_files():
    assert input_and_classes("mnist", DataOptions(root="nowhere", crop=4)) == (400, 10)
    assert input_and_classes("fashion_mnist", DataOptions(side=14)) == (196, 10)
    assert input_and_classes("yinyang", DataOptions(source="published")) == (4, 3)
    with DATA_SETS.registered(DataSet("closed", refuse, shape=(7, 5), classes=4)):
        assert input_and_classes("closed", DataOptions(crop=1)) == (15, 4)
        with pytest.raises(InputError, match="crop is 3, but images of 7 x 5 pixels allow 0 .. 2"):
            input_and_classes("closed", DataOptions(crop=3))
        with pytest.raises(InputError, match="data.path is 'x', but means nothing for the data set closed"):
            input_and_classes("closed", DataOptions(path="x"))


def test_unknown_sizes_are_read(tmp_path):
    path = tmp_path / "own.npz"
    images, labels = np.zeros((6, 5, 4), np.uint8), np.arange(6) % 3
    np.savez(path, train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    assert input_and_classes("npz", DataOptions(path=str(path), crop=1)) == (6, 3)
    data = load_dataset("npz", path=str(path), crop=1)
    assert (data.n_in, len(data.classes)) == (6, 3)


@pytest.mark.parametrize("name", ["digits"])
def test_known_sizes_are_those_of_the_samples(name):
    data = load_dataset(name)
    assert input_and_classes(name, DataOptions()) == (data.n_in, len(data.classes))


def test_values_as_bits():
    x = np.array([[0.0, 1.0, 2.0], [2.0, 0.5, 1.5]])
    part = Labelled(x, np.array([0, 1]))
    with DATA_SETS.registered(DataSet("values", lambda options: Samples(part, part, ("a", "b"), full_scale=2.0))):
        data = load_dataset("values", threshold=0.5)
    assert data.train.x.tolist() == [[0, 0, 1], [1, 0, 1]]
    assert data.image_shape == (1, 3)
