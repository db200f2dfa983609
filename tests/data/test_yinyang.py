"""The Yin-Yang set: classes by hand, the generator's distribution, the published samples where they are."""

import os
from pathlib import Path

import numpy as np
import pytest

from lava_nbp.data import generate_yinyang, load_yinyang, yinyang_classes
from lava_nbp.errors import DataError, InputError


def test_classes_by_hand():
    points = {
        (0.25, 0.5): 2, (0.75, 0.5): 2, (0.25, 0.59): 2,  # the dots
        (0.25, 0.7): 1, (0.05, 0.5): 1, (0.3, 0.35): 1,  # yang: around the left dot, below the middle too
        (0.5, 0.95): 1, (0.3, 0.9): 1,  # and above
        (0.75, 0.7): 0, (0.95, 0.5): 0, (0.5, 0.05): 0, (0.7, 0.1): 0,  # yin: the other half
    }  # fmt: skip
    assert yinyang_classes(np.array(list(points))).tolist() == list(points.values())


def test_generated_samples():
    samples, labels = generate_yinyang(6000, np.random.default_rng(0))
    assert np.array_equal(yinyang_classes(samples[:, :2]), labels)
    assert np.allclose(samples[:, 2:], 1 - samples[:, :2])
    assert (np.hypot(samples[:, 0] - 0.5, samples[:, 1] - 0.5) <= 0.5).all()
    assert np.abs(np.bincount(labels) / 6000 - 1 / 3).max() < 0.02  # balanced
    dots = samples[labels == 2]
    # Uniform in both dots: half of them left, and half of the area within 0.1 / sqrt(2).
    left = dots[:, 0] < 0.5
    radius = np.hypot(dots[:, 0] - np.where(left, 0.25, 0.75), dots[:, 1] - 0.5)
    assert abs(left.mean() - 0.5) < 0.04
    assert abs((radius < 0.1 / np.sqrt(2)).mean() - 0.5) < 0.04
    again, _ = generate_yinyang(6000, np.random.default_rng(0))
    assert np.array_equal(samples, again)


def write(folder, n=8, **changes):
    where = folder / "YinYang"
    where.mkdir()
    for k, part in enumerate(("train", "validation", "test")):
        samples, labels = generate_yinyang(n, np.random.default_rng(k))
        np.save(where / f"{part}_samples.npy", changes.get(f"{part}_samples", samples))
        np.save(where / f"{part}_labels.npy", changes.get(f"{part}_labels", labels))
    return where


def test_reading(tmp_path):
    write(tmp_path)
    parts = load_yinyang(str(tmp_path))
    assert {name: (s.shape, t.shape) for name, (s, t) in parts.items()} == dict.fromkeys(
        ("train", "validation", "test"), ((8, 4), (8,))
    )


def test_missing_and_damaged_files(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"train_samples.npy is missing; set LAVA_NBP_DATA .* or generate samples"):
        load_yinyang(str(tmp_path))
    where = write(tmp_path, test_labels=np.zeros(8, int))
    with pytest.raises(DataError, match="the test samples .* and their labels do not belong together"):
        load_yinyang(str(tmp_path))
    (where / "train_labels.npy").write_bytes(b"no array")
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path))
    with pytest.raises(DataError, match="damaged file of the train set"):
        load_yinyang()


POINT = generate_yinyang(8, np.random.default_rng(0))


@pytest.mark.parametrize(
    "changes",
    [
        {"train_samples": np.full((8, 4), np.nan), "train_labels": np.zeros(8, int)},
        {"train_samples": np.full((8, 4), "x")},
        {"train_samples": POINT[0][:, :2]},
        {"train_samples": np.array(3.0)},
        {"train_samples": np.zeros((8, 4))},  # outside the disc
        {"train_samples": np.hstack([POINT[0][:, :2], POINT[0][:, :2]])},
        {"train_samples": np.zeros((0, 4)), "train_labels": np.zeros(0, int)},
        {"train_labels": POINT[1].astype(float)},
        {"train_labels": POINT[1].astype(str)},
        {"train_labels": np.full(8, 2**62)},
    ],
)
def test_arrays_that_are_no_samples(tmp_path, changes):
    write(tmp_path, **changes)
    with pytest.raises(DataError, match="the train samples .* and their labels do not belong together"):
        load_yinyang(str(tmp_path))


def test_files_that_lie(tmp_path):
    where = write(tmp_path)
    content = (where / "test_samples.npy").read_bytes()
    for damaged, message in (
        (content.replace(b"(8, 4), }                    ", b"(10000000000000000000000, 4), }"), "promises shape"),
        (content[:-1], "promises shape"),
        (content[:50], "does not begin as NumPy writes arrays"),
        (b"", "does not begin as NumPy writes arrays"),
    ):
        (where / "test_samples.npy").write_bytes(damaged)
        with pytest.raises(DataError, match=f"test_samples.npy, a damaged file of the test set: .*{message}"):
            load_yinyang(str(tmp_path))
    (where / "test_samples.npy").unlink()
    os.mkfifo(where / "test_samples.npy")
    with pytest.raises(DataError, match="it is a FIFO"):
        load_yinyang(str(tmp_path))


def test_wrong_arguments():
    with pytest.raises(InputError, match=r"points have shape \(2,\)"):
        yinyang_classes(np.zeros(2))
    with pytest.raises(InputError, match=r"point \[0. 0.\] is outside the disc"):
        yinyang_classes(np.zeros((1, 2)))
    with pytest.raises(InputError, match="number of samples is 0"):
        generate_yinyang(0, np.random.default_rng(0))


@pytest.mark.skipif(
    not Path(os.environ.get("LAVA_NBP_DATA", ""), "YinYang").is_dir(), reason="needs the published samples"
)
def test_the_published_samples_follow_the_definition():
    """Every label is the definition's; classes and positions are distributed as the generator's."""
    parts = load_yinyang()
    assert [len(labels) for _, labels in parts.values()] == [5000, 1000, 1000]
    published, labels = parts["train"]
    assert np.abs(np.bincount(labels) / 5000 - 1 / 3).max() < 0.03
    generated, drawn = generate_yinyang(50_000, np.random.default_rng(1))
    for kind in range(3):
        for axis in range(2):
            quantiles = np.linspace(0.05, 0.95, 10)
            a, b = (np.quantile(s[t == kind, axis], quantiles) for s, t in ((published, labels), (generated, drawn)))
            assert np.abs(a - b).max() < 0.035
