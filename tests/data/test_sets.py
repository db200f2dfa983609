"""The table of data sets: a made-up one is one entry; what means nothing for a set is refused."""

import numpy as np
import pytest

from lava_nbp.data import (
    DATA_SETS,
    DataOptions,
    DataSet,
    Encoding,
    Labelled,
    Samples,
    data_sets_of,
    find_data_set,
    input_and_classes,
    load_dataset,
    load_latency_dataset,
)
from lava_nbp.errors import InputError

CODING = Encoding(0.0, 20.0)


def stripes(options):
    """Images of 6 x 6 pixels, 0 or 1: a line down, or one up."""
    y = np.arange(90) % 2
    x = np.where(y[:, None, None] == 0, np.eye(6), np.fliplr(np.eye(6)))
    return Samples(Labelled(x[:60], y[:60]), Labelled(x[60:], y[60:]), ("down", "up"), source="generated")


def test_the_names():
    assert list(DATA_SETS) == [
        "digits",
        "mnist",
        "fashion_mnist",
        "npz",
        "yinyang",
        "fsdd",
        "nmnist",
        "shd",
        "ssc",
        "tonic",
        "events",
    ]
    assert data_sets_of("bits") == ("digits", "mnist", "fashion_mnist", "npz")
    assert data_sets_of("times") == ("digits", "mnist", "fashion_mnist", "npz", "yinyang")
    assert data_sets_of("events") == ("fsdd", "nmnist", "shd", "ssc", "tonic", "events")
    assert data_sets_of() == tuple(DATA_SETS)


def test_a_made_up_data_set():
    with DATA_SETS.registered(DataSet("stripes", stripes, shape=(6, 6), classes=2)):
        assert "stripes" in data_sets_of("bits")
        data = load_dataset("stripes", crop=1, validation=10, train=40)
        assert (data.name, data.source, data.classes, data.image_shape) == (
            "stripes",
            "generated",
            ("down", "up"),
            (4, 4),
        )
        assert (len(data.train), len(data.validation), len(data.test)) == (40, 10, 30)
        for split in (data.train, data.validation, data.test):
            lines = np.where(split.y[:, None] == 0, np.eye(4).ravel(), np.fliplr(np.eye(4)).ravel())
            assert np.array_equal(split.x, lines)
        timed = load_latency_dataset("stripes", CODING, validation=10)
        assert (timed.source, timed.n_in, timed.plane) == ("generated", 36, False)
        lines = np.where(timed.test.y[:, None] == 0, np.eye(6).ravel(), np.fliplr(np.eye(6)).ravel())
        assert np.array_equal(timed.test.times(), np.where(lines, 0.0, np.inf))
        assert input_and_classes("stripes", DataOptions(side=3)) == (9, 2)
    with pytest.raises(InputError, match="data.name is 'stripes', but must be one of digits"):
        load_dataset("stripes")


def test_a_made_up_set_of_values_with_options_of_its_own(tmp_path):
    """Its loader is asked with the options; what it does not say it has is refused."""
    asked = []

    def points(options):
        asked.append(options)
        part = Labelled(np.array([[0.0, 4.0], [1.0, 2.0]]), np.array([0, 1]))
        return Samples(part, part, ("a", "b"), full_scale=4.0, validation=part)

    entry = DataSet("points", points, options=frozenset({"root"}), forms=("times",))
    assert entry.keys == ("root", "validation", "train", "test")
    with DATA_SETS.registered(entry):
        data = load_latency_dataset("points", Encoding(0.0, 20.0, bias=3.0), root=tmp_path, validation=1)
        assert asked == [DataOptions(root=str(tmp_path), validation=1)]
        assert data.test.times().tolist() == [[0.0, 20.0, 3.0], [5.0, 10.0, 3.0]]
        assert len(data.validation) == 1
        with pytest.raises(InputError, match="data.side is 1, but means nothing for the data set points"):
            load_latency_dataset("points", CODING, side=1)
        with pytest.raises(InputError, match="whose samples become spike times, not bits"):
            load_dataset("points")


def test_grey_bytes_of_another_scale_are_rescaled():
    part = Labelled(np.array([[[0, 8, 16]]], np.uint8), np.array([0]))
    with DATA_SETS.registered(DataSet("grey", lambda options: Samples(part, part, ("a",), full_scale=16.0))):
        assert load_latency_dataset("grey", CODING).train.values.tolist() == [[0, 128, 255]]


def test_yin_yang_has_no_bits():
    with pytest.raises(InputError) as caught:
        load_dataset("yinyang")
    assert str(caught.value) == (
        "data.name is 'yinyang', whose samples become spike times, not bits (a spike or none per input); use one of "
        "digits, mnist, fashion_mnist, npz"
    )
    with pytest.raises(InputError, match=r"data.name is 'minst', but must be one of .* \(did you mean 'mnist'\?\)"):
        find_data_set("minst")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits", {"path": "mine.npz"}),
        ("digits", {"source": "generated"}),
        ("digits", {"root": "somewhere"}),
        ("digits", {"download": True}),
        ("mnist", {"path": "mine.npz"}),
        ("fashion_mnist", {"source": "published"}),
        ("npz", {"root": "somewhere"}),
        ("npz", {"verify": False}),
        ("npz", {"source": "published"}),
        ("yinyang", {"path": "mine.npz"}),
        ("yinyang", {"download": True}),
    ],
)
def test_what_means_nothing_is_refused(name, options):
    ((key, value),) = options.items()
    own = ", ".join(DATA_SETS[name].keys)
    message = f"data.{key} is {value!r}, but means nothing for the data set {name}, which has {own}; leave it out"
    with pytest.raises(InputError) as caught:
        load_latency_dataset(name, CODING, **options)
    assert str(caught.value) == message
    if name != "yinyang":
        with pytest.raises(InputError, match="means nothing for the data set"):
            load_dataset(name, **options)
    with pytest.raises(InputError, match="means nothing for the data set"):
        input_and_classes(name, DataOptions(**options))


def test_defaults_are_refused_nowhere():
    for entry in DATA_SETS.values():
        entry.check(DataOptions(root=None, path=None, source="auto", crop=0, side=None, download=False, verify=True))


def test_wrong_entries():
    with pytest.raises(InputError, match="data set 'mine': option is 'margin', but must be one of root, path, tonic"):
        DataSet("mine", stripes, options=frozenset({"margin"}))
    with (
        DATA_SETS.registered(DataSet("mine", lambda options: (1, 2))),
        pytest.raises(InputError, match="data set 'mine': its loader returns tuple, not Samples"),
    ):
        load_dataset("mine")
    part = Labelled([[[0, 8], [0, 1]]], [0])  # lists are arrays, too
    for what, entry in (
        (r"shape = \(3, 2\), but its loader gives \(2, 2\)", {"shape": (3, 2)}),
        ("classes = 7, but its loader gives 1", {"classes": 7}),
    ):
        wrong = DataSet("mine", lambda options: Samples(part, part, ("a",), full_scale=16.0), **entry)
        with (
            DATA_SETS.registered(wrong),
            pytest.raises(InputError, match=f"its entry says {what}; correct one"),
        ):
            load_dataset("mine")
    with DATA_SETS.registered(DataSet("mine", lambda _: Samples(part, part, ("a",), full_scale=16.0), shape=[2, 2])):
        assert load_dataset("mine", threshold=0.25).test.x.tolist() == [[0, 1, 0, 0]]
    with pytest.raises(InputError, match="data set 'mine': load is 3, but must be a function or class, or 'package"):
        DataSet("mine", 3)
    with pytest.raises(InputError, match="data set 'mine': classes is 2.5, but must be an integer or None"):
        DataSet("mine", stripes, classes=2.5)
    with pytest.raises(InputError, match="data set 'digits' is registered already"):
        DATA_SETS.register(DataSet("digits", stripes))
