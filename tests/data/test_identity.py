from dataclasses import replace

import numpy as np
import pytest

from lava_nbp.data import Dataset, Encoding, LatencyDataset, LatencySplit, Split
from lava_nbp.data.identity import DataIdentity, identity_of
from lava_nbp.errors import InputError


def bits(n):
    return Split(np.eye(4, dtype=np.uint8)[:n], np.arange(n))


DATA = Dataset("own", "file", bits(4), bits(0), bits(2), ("a", "b", "c", "d"), (2, 2))


def test_the_same_samples_have_the_same_identity():
    again = replace(DATA, train=Split(np.asfortranarray(DATA.train.x.copy()), DATA.train.y[::-1][::-1]))
    assert identity_of(again) == identity_of(DATA)
    assert str(identity_of(DATA)).startswith("file samples of own, SHA-256 ")
    assert DataIdentity(**identity_of(DATA).to_dict()) == identity_of(DATA)


@pytest.mark.parametrize(
    "change",
    [
        {"train": Split(DATA.train.x ^ 1, DATA.train.y)},
        {"train": Split(DATA.train.x, DATA.train.y[::-1])},
        {"validation": DATA.test},
        {"validation": DATA.test, "test": DATA.validation},
        {"test": bits(1)},
    ],
)
def test_others_have_another(change):
    assert identity_of(replace(DATA, **change)).sha256 != identity_of(DATA).sha256


def test_values_of_spike_times_count():
    one, other = (
        LatencyDataset("own", "file", *[LatencySplit(np.full((2, 3), x), np.arange(2), Encoding(0, 1))] * 3, ("a", "b"))
        for x in (0.5, np.nextafter(0.5, 1))
    )
    assert identity_of(one).sha256 != identity_of(other).sha256


def test_it_is_text():
    with pytest.raises(InputError, match="identity of the data: sha256 is 3, but must be text"):
        DataIdentity("own", "file", 3)
