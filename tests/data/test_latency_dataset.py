"""Data sets as spike times: splits, encodings, where the samples come from."""

import numpy as np
import pytest

from lava_nbp.data import Encoding, LatencySplit, load_latency_dataset
from lava_nbp.data.encodings import shift_images
from lava_nbp.errors import DataError, InputError

YINYANG = Encoding(0.0, 30.0, bias=0.0)


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))


def test_generated_yin_yang_is_the_same_every_time():
    one, other = (load_latency_dataset("yinyang", YINYANG, validation=1000) for _ in range(2))
    assert (one.source, one.n_in, one.classes, one.plane) == ("generated", 5, ("yin", "yang", "dot"), True)
    assert [len(s) for s in (one.train, one.validation, one.test)] == [5000, 1000, 1000]
    assert np.array_equal(one.train.values, other.train.values)
    assert not np.array_equal(one.train.values[:1000], one.test.values)
    times = one.test.times(slice(0, 2))
    assert np.allclose(times[:, :4], 30 * one.test.values[:2])
    assert (times[:, 4] == 0).all()


def test_published_yin_yang_where_it_is(tmp_path):
    from lava_nbp.data import generate_yinyang

    (tmp_path / "YinYang").mkdir()
    for k, part in enumerate(("train", "validation", "test")):
        samples, labels = generate_yinyang(20, np.random.default_rng(k))
        np.save(tmp_path / "YinYang" / f"{part}_samples.npy", samples)
        np.save(tmp_path / "YinYang" / f"{part}_labels.npy", labels)
    dataset = load_latency_dataset("yinyang", YINYANG, validation=5, train=7)
    assert dataset.source == "published"
    assert [len(s) for s in (dataset.train, dataset.validation, dataset.test)] == [7, 5, 20]
    assert load_latency_dataset("yinyang", YINYANG, source="generated").source == "generated"
    (tmp_path / "YinYang" / "test_labels.npy").unlink()
    with pytest.raises(DataError, match="test_labels.npy is missing"):  # not replaced by generated ones in silence
        load_latency_dataset("yinyang", YINYANG)


def test_pixels():
    dataset = load_latency_dataset("digits", Encoding(0.0, 20.0, darkest=127), validation=37, side=4)
    assert (dataset.n_in, len(dataset.train), len(dataset.validation), len(dataset.test)) == (16, 1400, 37, 360)
    assert dataset.train.values.dtype == np.uint8
    times = dataset.train.times()
    bright = dataset.train.values > 127
    assert np.array_equal(np.isfinite(times), bright)
    assert np.allclose(times[bright], (255.0 - dataset.train.values[bright]) * 20 / 128)
    assert len(load_latency_dataset("digits", Encoding(0.0, 20.0)).validation) == 0


def test_a_bias_is_the_last_input():
    split = LatencySplit(np.array([[255, 0]], np.uint8), np.array([0]), Encoding(1.0, 2.0, bias=0.5))
    assert split.n_in == 3
    assert split.times().tolist() == [[1.0, np.inf, 0.5]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": 6000}, "data.train is 6000, but yinyang has 5000 such samples"),
        ({"validation": 1001}, "data.validation is 1001, but yinyang has 1000"),
        ({"crop": 2}, "data.crop is 2, but means nothing for the data set yinyang, which has root, source, validation"),
        ({"side": 2}, "data.side is 2, but means nothing for the data set yinyang"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        load_latency_dataset("yinyang", YINYANG, **options)
    with pytest.raises(DataError, match="train_samples.npy is missing"):
        load_latency_dataset("yinyang", YINYANG, source="published")


def test_training_images_move_anew_in_every_epoch():
    """By the offsets that images of bits move by, too; validation and test samples stay, and values do not move."""
    encoding = Encoding(0.0, 20.0)
    data = load_latency_dataset("digits", encoding, shift=1, validation=100)
    still = load_latency_dataset("digits", encoding, validation=100)
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(data, part).values, getattr(still, part).values)
    moved = data.train_of_epoch(3, 5)
    assert np.array_equal(moved.values, data.train_of_epoch(3, 5).values)
    assert not np.array_equal(moved.values, data.train_of_epoch(3, 6).values)
    assert np.array_equal(moved.y, still.train.y)
    assert still.train_of_epoch(3, 5) is still.train
    images = still.train.values.reshape(-1, 8, 8)
    offsets = np.random.default_rng([3, 5, 3, 1]).integers(-1, 2, (len(images), 2))
    assert np.array_equal(moved.values, shift_images(images, offsets).reshape(len(images), 64))
    assert moved.times().shape == (len(images), 64)
    with pytest.raises(InputError, match="shift is 8, but must be an integer in 0 .. 7"):
        load_latency_dataset("digits", encoding, shift=8)
    with pytest.raises(InputError, match="data.shift is 1, but the samples of yinyang are no images; leave it out"):
        load_latency_dataset("yinyang", encoding, shift=1, source="generated")
