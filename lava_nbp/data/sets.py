"""The table of data sets: what there is to learn, how to load it, and what can be asked of it.

Nothing else repeats their names: configurations, the command line and its help ask this table. A data set of your
own is a function that returns `Samples`, and one more entry::

    import numpy as np
    from lava_nbp.data import DATA_SETS, DataSet, Labelled, Samples

    def stripes(options):
        rng = np.random.default_rng(0)
        y = rng.integers(0, 2, 300)
        x = np.where(y[:, None, None] == 0, np.eye(6), np.fliplr(np.eye(6)))
        return Samples(Labelled(x[:200], y[:200]), Labelled(x[200:], y[200:]), ("down", "up"), source="generated")

    DATA_SETS.register(DataSet("stripes", stripes, shape=(6, 6), classes=2))
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, TypeVar

from lava_nbp.base.checks import check_integer, check_name, shown
from lava_nbp.base.fields import settle
from lava_nbp.base.registry import Reference, Registry, check_reference, resolve
from lava_nbp.data.options import DataOptions
from lava_nbp.data.samples import Samples
from lava_nbp.errors import InputError, unknown_name

if TYPE_CHECKING:
    from lava_nbp.data.events import EventSamples

_Kind = TypeVar("_Kind")

#: What samples can become: spikes or none, as nBP learns from (`load_dataset`), or times of spikes, as EventProp and
#: SLAYER do (`load_latency_dataset`), or events, of which an input may have any number (`load_event_dataset`).
Form = Literal["bits", "times", "events"]
_FORM_NAMES: dict[Form, str] = {
    "bits": "bits (a spike or none per input)", "times": "spike times", "events": "events",
}  # fmt: skip

#: Keys that mean something for every data set, those that do for images, and those that do for all events.
_SPLITS, _IMAGES = frozenset({"validation", "train", "test"}), frozenset({"crop", "side"})
_EVENTS = frozenset({"bin", "group", "taps"})


@dataclass(frozen=True)
class DataSet:
    """A data set: a row of the table.

    Attributes
    ----------
    name : str
        In configurations.
    load : callable or str
        Returns `Samples`, or `EventSamples`, for `DataOptions`; or "package.module:name" of it, imported when it is
        first needed.
        Cropping, down-sampling and splitting are done with what it returns.
    options : set of str
        Keys of `DataOptions` that mean something for it, beside validation, train and test, which always do, and bin,
        group and taps, which do for events. Any other is refused. The default is what images have.
    shape : (int, int), optional
        Height and width of its images before cropping (of values: 1 and their number); None: not known before reading.
    classes : int, optional
        How many there are; None: not known before reading.
    forms : tuple of {"bits", "times", "events"}
        What its samples can become: bits or times, or both, or else events alone.
    plane : bool
        Its first two values are a point in the disc of Yin-Yang, and can be drawn there.
    folder : str
        Where its published files are, below the root of the data sets; "" if it has none.

    Raises
    ------
    InputError
        For options that `DataOptions` does not have, events beside another form, or values of another type.
    """

    name: str
    load: Reference
    options: frozenset[str] = _IMAGES
    shape: tuple[int, int] | None = None
    classes: int | None = None
    forms: tuple[Form, ...] = ("bits", "times")
    plane: bool = False
    folder: str = ""

    def __post_init__(self) -> None:
        what = f"data set {shown(self.name)}"
        check_reference(self.load, f"{what}: load")
        settle(self, what, InputError)
        for size in self.shape or ():
            check_integer(size, 1, None, f"{what}: shape")
        if self.classes is not None:
            check_integer(self.classes, 1, None, f"{what}: classes")
        if "events" in self.forms and len(self.forms) > 1:
            raise InputError(f"{what}: forms are {shown(self.forms)}, but samples that are events have no other form")
        known = [f.name for f in fields(DataOptions)]
        for key in self.options:
            check_name(key, f"data set {self.name!r}: option", known)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of `DataOptions` that mean something for it, in their order there."""
        always = _SPLITS | _EVENTS if "events" in self.forms else _SPLITS
        return tuple(f.name for f in fields(DataOptions) if f.name in self.options | always)

    def check(self, options: DataOptions) -> None:
        """Check that what is given, that is, not the default, means something for this set.

        Raises
        ------
        InputError
            Names the key, its value, the data set, and the keys it has.
        """
        for key, value in options.given.items():
            if key not in self.keys:
                raise InputError(
                    f"data.{key} is {shown(value)}, but means nothing for the data set {self.name}, which has "
                    f"{', '.join(self.keys)}; leave it out"
                )

    def read(self, options: DataOptions) -> Samples:
        """Check the options, and load the samples, all of them and as they are.

        Raises
        ------
        DataError
            A missing, truncated or corrupt file.
        InputError
            What `check` refuses, or a loader that returns something else than `Samples`, or not as the entry says.
        """
        samples = self._loaded(options, Samples)
        x = samples.train.x
        self._check_sizes(x.shape[1:] if x.ndim == 3 else (1, x.shape[1]), len(samples.classes))
        return samples

    def read_events(self, options: DataOptions) -> EventSamples:
        """As `read`, of a data set whose samples are events."""
        from lava_nbp.data.events import EventSamples  # it asks this table

        samples = self._loaded(options, EventSamples)
        self._check_sizes((1, samples.train.events.n_units), len(samples.classes))
        return samples

    def _loaded(self, options: DataOptions, kind: type[_Kind]) -> _Kind:
        self.check(options)
        samples = resolve(self.load)(options)
        if not isinstance(samples, kind):
            raise InputError(
                f"data set {self.name!r}: its loader returns {type(samples).__name__}, not {kind.__name__}"
            )
        return samples

    def _check_sizes(self, shape: tuple[int, ...], classes: int) -> None:
        """What the entry says must be what its loader gives: networks are sized by it before the samples are read."""
        for what, said, found in (("shape", self.shape, shape), ("classes", self.classes, classes)):
            if said is not None and said != found:
                raise InputError(
                    f"data set {self.name!r}: its entry says {what} = {said}, but its loader gives {found}; correct "
                    f"one, or leave {what} out"
                )


#: All data sets.
DATA_SETS: Registry[DataSet] = Registry("data set", DataSet)

_PUBLISHED = _IMAGES | {"root", "download", "verify"}

for _entry in (
    DataSet("digits", "lava_nbp.data.digits:digits_samples", shape=(8, 8), classes=10),
    DataSet("mnist", "lava_nbp.data.mnist:mnist_samples", _PUBLISHED, (28, 28), 10, folder="MNIST/raw"),
    DataSet(
        "fashion_mnist", "lava_nbp.data.mnist:fashion_mnist_samples", _PUBLISHED, (28, 28), 10,
        folder="FashionMNIST/raw",
    ),
    DataSet("npz", "lava_nbp.data.npz:npz_samples", _IMAGES | {"path"}),
    DataSet(
        "yinyang", "lava_nbp.data.yinyang:yinyang_samples", frozenset({"root", "source"}), (1, 4), 3,
        forms=("times",), plane=True, folder="YinYang",
    ),
    DataSet(
        "fsdd", "lava_nbp.data.fsdd:fsdd_samples", frozenset({"root"}), (1, 64), 10, forms=("events",),
        folder="FSDD/recordings",
    ),
    DataSet("nmnist", "lava_nbp.data.nmnist:nmnist_samples", frozenset({"root"}), (1, 2312), 10, forms=("events",)),
    DataSet(
        "shd", "lava_nbp.data.heidelberg:shd_samples", frozenset({"root"}), (1, 700), 20, forms=("events",),
        folder="SHD",
    ),
    DataSet(
        "ssc", "lava_nbp.data.heidelberg:ssc_samples", frozenset({"root"}), (1, 700), 35, forms=("events",),
        folder="SSC",
    ),
    DataSet(
        "tonic", "lava_nbp.data.tonic_sets:tonic_samples", frozenset({"root", "tonic", "download"}), forms=("events",)
    ),
    DataSet("events", "lava_nbp.data.event_file:event_samples", frozenset({"path"}), forms=("events",)),
):  # fmt: skip
    DATA_SETS.register(_entry)


def data_sets_of(form: Form | None = None) -> tuple[str, ...]:
    """Names of the data sets whose samples can have a form ("bits" or "times"); None: of all."""
    if form is not None and (not isinstance(form, str) or form not in _FORM_NAMES):
        raise InputError(unknown_name("form of samples", form, _FORM_NAMES))
    return tuple(name for name, entry in DATA_SETS.items() if form is None or form in entry.forms)


def find_data_set(name: str, *forms: Form) -> DataSet:
    """The entry of a name, if its samples can have one of the forms; without any: whatever they are.

    Raises
    ------
    InputError
        For an unknown name, or a data set that does not have the form; with the names that could be meant.
    """
    having = {name for form in forms or (None,) for name in data_sets_of(form)}
    allowed = tuple(name for name in DATA_SETS if name in having)
    if name not in DATA_SETS:
        raise InputError(unknown_name("data.name", name, allowed))
    entry = DATA_SETS[name]
    if name not in allowed:
        others, wanted = (" or ".join(_FORM_NAMES[form] for form in some) for some in (entry.forms, forms))
        raise InputError(
            f"data.name is {name!r}, whose samples become {others}, not {wanted}; use one of {', '.join(allowed)}"
        )
    return entry
