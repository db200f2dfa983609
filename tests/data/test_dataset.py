"""Data sets as bits: splits, sizes, impossible options."""

import pickle

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


# ------------------------------------------------------------------ thermometer codes, shifts


def test_several_thresholds_are_several_inputs_per_pixel():
    one, two = load_dataset("digits", threshold=0.3), load_dataset("digits", threshold=[0.3, 0.7])
    assert two.n_in == 128
    assert two.image_shape == (8, 8)
    np.testing.assert_array_equal(two.train.x[:, :64], one.train.x)
    np.testing.assert_array_equal(two.test.x[:, 64:], load_dataset("digits", threshold=0.7).test.x)


def test_training_images_move_anew_in_every_epoch():
    data = load_dataset("digits", threshold=0.3, validation=100, shift=1)
    still = load_dataset("digits", threshold=0.3, validation=100)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(data, part).x, getattr(still, part).x)
    epochs = [data.train_of_epoch(seed, epoch).x for seed, epoch in ((1, 1), (1, 2), (2, 1))]
    np.testing.assert_array_equal(epochs[0], data.train_of_epoch(1, 1).x)
    assert not np.array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], epochs[2])
    np.testing.assert_array_equal(data.train_of_epoch(1, 1).y, data.train.y)
    assert still.train_of_epoch(1, 1) is still.train
    # Every image is the original, moved by one of nine offsets, and all are as likely.
    framed = np.pad(still.train.x.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    moves = [(down, right) for down in range(3) for right in range(3)]
    fits = [(framed[:, d : d + 8, r : r + 8].reshape(-1, 64) == epochs[0]).all(axis=1) for d, r in moves]
    assert np.any(fits, axis=0).all()
    assert np.mean(fits, axis=1).min() > 1 / 9 - 0.03


def test_what_is_cropped_moves_in():
    """A pixel in the margin that is cut off comes in sight where the image moves towards the middle."""
    image = np.zeros((4, 6, 6))
    image[:, 1, 1] = 1
    two = Labelled(np.repeat(image, 50, axis=0), np.arange(200) % 2)
    with DATA_SETS.registered(DataSet("corner", lambda options: Samples(two, two, ("a", "b")), shape=(6, 6))):
        data = load_dataset("corner", crop=2, shift=1)
    assert not data.train.x.any()
    seen = data.train_of_epoch(1, 1).x
    assert set(seen.sum(axis=1)) == {0, 1}
    assert abs(seen.sum() / 200 - 1 / 9) < 0.1
    assert set(seen.argmax(axis=1)) == {0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shift": 8}, r"shift is 8, but must be an integer in 0 .. 7; images have 8 x 8 pixels"),
        ({"shift": -1}, "data.shift is -1"),
        ({"shift": 0.5}, "data.shift is 0.5"),
        ({"threshold": [0.7, 0.3]}, "several must rise"),
    ],
)
def test_impossible_shifts_and_thresholds(options, message):
    with pytest.raises(InputError, match=message):
        load_dataset("digits", **options)


def test_values_of_one_row_do_not_move():
    values = Labelled(np.random.default_rng(0).random((10, 5)), np.arange(10) % 2)
    with DATA_SETS.registered(DataSet("rows", lambda options: Samples(values, values, ("a", "b")))):
        assert load_dataset("rows", threshold=[0.2, 0.8]).n_in == 10
        with pytest.raises(InputError, match="shift is 1, but must be an integer in 0 .. 0; images have 1 x 5 pixels"):
            load_dataset("rows", shift=1)


def test_shifted_samples_are_data_that_travels():
    data = load_dataset("digits", threshold=0.3, shift=1, validation=100)
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again.train_of_epoch(1, 2).x, data.train_of_epoch(1, 2).x)


@pytest.mark.parametrize(("seed", "epoch"), [(0.5, 1), (1, None), (-1, 1), (1, 2**63), (True, 1)])
@pytest.mark.parametrize("shift", [0, 1])
def test_seeds_and_epochs_that_there_are_not_are_refused(seed, epoch, shift):
    data = load_dataset("digits", shift=shift)
    with pytest.raises(InputError, match="seed|epoch"):
        data.train_of_epoch(seed, epoch)


def test_thresholds_by_the_thousand_are_refused_before_they_take_memory():
    with pytest.raises(InputError, match="fewer thresholds"):
        load_dataset("digits", threshold=np.linspace(0, 0.999, 300_000))
