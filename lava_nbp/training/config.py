"""Experiment configurations: TOML, strictly validated. What every experiment has; the rest is each algorithm's."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import CoreSchema, core_schema

from lava_nbp.base.checks import check_name, check_real, check_sequence, check_text, shown
from lava_nbp.base.content import check_plain, parse_toml, read_toml
from lava_nbp.base.content import problem as content_problem
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.base.memory import size
from lava_nbp.base.targets import TARGETS, targets_of
from lava_nbp.base.widths import NEURONS_PER_CHIP
from lava_nbp.data.augmentation import AUGMENTATIONS, EventAugmentation
from lava_nbp.data.encodings import Encoding, check_thresholds
from lava_nbp.data.options import DataOptions, check_taps
from lava_nbp.data.sets import Form, find_data_set
from lava_nbp.errors import ConfigError, InputError, Unreadable, WeightError, unknown_name
from lava_nbp.training.algorithms import ALGORITHMS


def _whole_number_as_float(value: Any) -> Any:
    """TOML writes 1 for 1.0; strict validation would refuse it. Integers that no float holds stay, to be refused."""
    with contextlib.suppress(OverflowError):
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return value


#: A finite number; NaN and infinity would pass comparisons, or end in kernels.
Real = Annotated[float, BeforeValidator(_whole_number_as_float), Field(allow_inf_nan=False)]
#: Limits of what is never meant to be so large: times and time constants in ms; steps in ms; weights and thresholds, in
#: their unit; rates of learning; whatever else has no unit.
TIMES = 1e-3, 1e6
STEPS = 1e-4, 1e3
WEIGHTS = 1e4
FACTORS = 1e6
Time = Annotated[Real, Field(ge=TIMES[0], le=TIMES[1])]
Step = Annotated[Real, Field(ge=STEPS[0], le=STEPS[1])]
Rate = Annotated[Real, Field(ge=1e-12, le=100)]
Factor = Annotated[Real, Field(ge=1e-12, le=FACTORS)]
#: Neurons of a layer of a circuit.
Size = Annotated[int, Field(ge=1, le=NEURONS_PER_CHIP)]
#: Of a layer with times or voltages; what one neuron takes, roughly: room for its spikes in a batch, and time.
LARGEST_LAYER = 1 << 16
_NEURON_BYTES, _NEURON_SECONDS = 10_000, 1e-6


def _affordable(n: int) -> int:
    if n > LARGEST_LAYER:
        raise ValueError(
            f"network.hidden has a layer of {n} neurons, which would take some {size(n * _NEURON_BYTES)} of memory and "
            f"{n * _NEURON_SECONDS:.2g} s per sample; use {LARGEST_LAYER} at most"
        )
    return n


#: Hidden layers of such.
Hidden = Annotated[list[Annotated[int, Field(ge=1), AfterValidator(_affordable)]], Field(min_length=1, max_length=64)]
#: Samples, in a batch or at once.
Samples = Annotated[int, Field(ge=1, le=1_000_000)]


class ConfigSection(BaseModel):
    """A [section] of a configuration file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Section = TypeVar("Section", bound=ConfigSection)


class AsSection:
    """Lets a dataclass of the library be a section as it is: ``faults: Annotated[Faults, AsSection()]``.

    It is validated as strictly as a `ConfigSection`, by its own checks, and by limits (lowest, largest) of its numbers,
    by name: ``AsSection(tau_m=(1e-3, 1e6))``.
    """

    def __init__(self, **limits: tuple[float, float]) -> None:
        self._limits = limits

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        # Its values are checked strictly all the same: this lets a table of TOML be one.
        own: Any = handler.resolve_ref_schema(schema)
        own["strict"] = False
        return core_schema.no_info_after_validator_function(self._within, schema)

    def _within(self, section: Any) -> Any:
        for name, (low, high) in self._limits.items():
            value = getattr(section, name)
            if value is not None:
                check_real(value, low, high, name)
        return section


@dataclass(frozen=True)
class _DataSection(DataOptions):
    """[data]: a data set of `lava_nbp.data.DATA_SETS`, and what is asked of it."""

    _forms: ClassVar[tuple[Form, ...]]

    name: str = field(kw_only=True)

    @field_validator("taps", mode="before")
    @classmethod
    def _rising_taps(cls, value: Any) -> Any:
        return check_taps(value)

    def __post_init__(self) -> None:
        super().__post_init__()
        find_data_set(self.name, *self._forms).check(self.options)

    @property
    def options(self) -> DataOptions:
        """What is asked of the data set."""
        return DataOptions(**{f.name: getattr(self, f.name) for f in fields(DataOptions)})


@dataclass(frozen=True)
class DataConfig(_DataSection):
    """[data] where a sample is a spike or none per input; see `lava_nbp.data.load_dataset`."""

    _forms: ClassVar[tuple[Form, ...]] = ("bits",)

    threshold: float | tuple[float, ...] = field(kw_only=True, default=0.5)
    shift: Annotated[int, Field(ge=0)] = field(kw_only=True, default=0)

    @field_validator("threshold", mode="before")
    @classmethod
    def _rising(cls, value: Any) -> Any:
        thresholds = check_thresholds(value, "data.threshold")
        return thresholds if isinstance(value, (list, tuple)) else thresholds[0]

    @property
    def n_thresholds(self) -> int:
        """Inputs per pixel."""
        return len(self.threshold) if isinstance(self.threshold, tuple) else 1


@dataclass(frozen=True)
class EventDataConfig(EventAugmentation, _DataSection):
    """[data] where a sample is times of spikes, or events, which training may change: see `load_latency_dataset` and
    `load_event_dataset`.

    Raises
    ------
    InputError
        For an augmentation of what are no events.
    """

    _forms: ClassVar[tuple[Form, ...]] = ("times", "events")

    def __post_init__(self) -> None:
        _DataSection.__post_init__(self)
        EventAugmentation.__post_init__(self)
        entry = find_data_set(self.name)
        for key, value in asdict(self.augmentation).items():
            known = "events" in entry.forms or (key == "shift" and "crop" in entry.keys)  # images can be shifted
            if value != getattr(EventAugmentation, key) and not known:
                raise InputError(
                    f"data.{key} is {shown(value)}, but means nothing for the data set {self.name}, whose samples are "
                    f"no events; leave it out"
                )

    @field_validator("stretch", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @property
    def augmentation(self) -> EventAugmentation:
        """How training samples differ from epoch to epoch."""
        return EventAugmentation(**{key: getattr(self, key) for key in AUGMENTATIONS})


@dataclass(frozen=True, kw_only=True)
class EncodingConfig(Encoding):
    """[encoding]: one spike per value, in ms, see `lava_nbp.data.encodings.Encoding`; of events: what is kept of them.

    Attributes
    ----------
    early : float
        Begin of the window; without the key that of the trial.
    end : float
        Length of a trial.
    """

    early: float = 0.0
    end: Time


class LavaConfig(ConfigSection):
    """[lava]: for the targets that Lava's simulator runs."""

    #: One Lava step is a step of the network, or a sample; for targets that have both.
    granularity: Literal["step", "sample"] = "sample"
    #: Seconds that one run may take, a year at most.
    timeout: Real | None = Field(default=None, gt=0, le=366 * 86400)
    #: Whether all models run in one process; without the key they do if they can.
    in_process: bool | None = None


class Experiment(ConfigSection):
    """What every configuration file has: how long, and from which seed."""

    #: Keys that may differ when a run is resumed: how long, and where the data are.
    resumable: ClassVar[tuple[str, ...]] = (
        "epochs", "lava", "loihi", "data.root", "data.path", "data.download", "data.verify",
    )  # fmt: skip

    algorithm: str
    target: str
    seed: int = Field(default=0, ge=0, lt=2**63)
    epochs: int = Field(ge=1, le=1_000_000)
    lava: LavaConfig = LavaConfig()

    @field_validator("target")
    @classmethod
    def _known_target(cls, name: str, info: ValidationInfo) -> str:
        algorithm = info.data.get("algorithm", "")
        every = targets_of(algorithm)
        learning = tuple(n for n in every if n not in TARGETS or algorithm not in TARGETS[n].answers_only)
        if name in every and name not in learning:
            raise InputError(
                f"target {name!r} answers, but does not learn, with networks of {algorithm}; train with one of "
                f"{', '.join(learning)}, and evaluate the run with --target {name}"
                f"{f' ({instead})' if (instead := TARGETS[name].instead) else ''}"
            )
        check_name(name, "target", learning)
        return name

    @property
    def names_circuit(self) -> bool:
        """Whether it says what its network is; if not, the run's checkpoint does."""
        return True

    @property
    def compared_by(self) -> str:
        """Accuracy by which epochs are compared, without the name of a split in front."""
        return ALGORITHMS[self.algorithm].accuracy

    def check_learned(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Check that matrices of finite numbers are such as training leaves: which there are, and of which type.

        Raises
        ------
        WeightError
            Names the matrix.
        """

    def with_given_circuit(self) -> Experiment:
        """The same experiment with a circuit from Python, which it does not name; for networks that are circuits."""
        return self


def load_config(path: AnyPath, overrides: Sequence[str] = ()) -> Experiment:
    """Read and check a configuration.

    Parameters
    ----------
    path : path
        TOML file.
    overrides : sequence of str
        "key=value" with dotted keys ("data.validation=5000"); values as in TOML, bare words are strings.

    Raises
    ------
    ConfigError
        Names the file or override, the key, the value, and what is allowed.
    """
    path = as_path(path, "configuration")
    try:
        content = read_toml(path)
    except Unreadable as error:
        raise ConfigError(
            f"configuration {path} cannot be read: {error}; give a TOML file like run_configs/digits.toml"
        ) from error
    put_overrides(content, overrides)
    return parse_config(content, str(path))


def parse_config(content: Mapping[str, Any], where: str) -> Experiment:
    """Check a configuration given as a dictionary; `where` names it in messages.

    Raises
    ------
    ConfigError
        As for `load_config`.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"configuration {where} is {shown(content)}, but must be a dictionary")
    try:
        check_plain(content, "TOML")
    except Unreadable as error:
        raise ConfigError(f"configuration {where} cannot be used: {error}") from None
    algorithm = content.get("algorithm", "nbp")
    if algorithm not in ALGORITHMS:
        raise ConfigError(f"configuration {where}: {unknown_name('algorithm', algorithm, ALGORITHMS)}")
    kind = ALGORITHMS[algorithm].experiment
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_explain(problem, kind, content) for problem in error.errors())
        raise ConfigError(f"configuration {where}: {problems}") from None


def parse_section(kind: type[Section], given: Any, name: str) -> Section:
    """Check a section given as a dictionary; `name` is what messages call it.

    Raises
    ------
    ConfigError
        Names the key, the value, and what is allowed.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(f"{name} is {shown(given)}, but must be a section of keys")
    known = list(kind.model_fields)
    unknown = next((key for key in given if key not in known), None)
    if unknown is not None:
        raise ConfigError(f"{name}: {unknown_key(unknown, given[unknown], known)}")
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        raise ConfigError(f"{name}: {content_problem(error)}") from None


def check_types(weights: Mapping[str, NDArray[Any]], names: Sequence[str], dtype: Any) -> None:
    """Check that matrices have these names, and are of this type.

    Raises
    ------
    WeightError
        Names what is missing or too much, or the first of another type.
    """
    if sorted(weights) != sorted(names):
        raise WeightError(f"weights named {sorted(weights)}, but this network has {sorted(names)}; give exactly those")
    for name, w in weights.items():
        if w.dtype != dtype:
            raise WeightError(f"{name} has dtype {w.dtype}, but this network learns with {np.dtype(dtype)}")


def flatten(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"data": {"crop": 4}} as {"data.crop": 4}."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def put_overrides(content: dict[str, Any], overrides: Sequence[str]) -> None:
    """Set keys as each "key=value" says: dotted, the value as in TOML; bare words are text.

    Raises
    ------
    InputError
        For what is no list of text.
    ConfigError
        For other text, or a key below one that is no section.
    """
    for override in check_sequence(overrides, "overrides", "give text like data.validation=5000"):
        _put_override(content, check_text(override, "override"))


def _put_override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise ConfigError(f"--set {override:.80}: write key=value, with dots for sections, like data.validation=5000")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except Unreadable:
        value = text.strip()
    put(content, key.strip(), value, f"--set {override:.80}")


def put(content: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key of a configuration's content; `where` names it in messages.

    Raises
    ------
    ConfigError
        For a key below one that is no section.
    """
    *parts, last = key.split(".")
    section = content
    for part in parts:
        inner = section.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{where}: {part:.60} is a value, not a section")
        section = inner
    section[last] = value


# ---------------------------------------------------------------- explanations


def unknown_key(key: str, value: Any, allowed: Sequence[str]) -> str:
    """What is said of a key, with dots, that its section does not have."""
    close = difflib.get_close_matches(key.rpartition(".")[-1], allowed, n=1)
    hint = f"did you mean {close[0]}?" if close else f"allowed are {', '.join(allowed)}"
    return f"unknown key {key or repr(key):.80} = {shown(value)}; {hint}"


def _explain(problem: Any, kind: type[Experiment], content: Mapping[str, Any]) -> str:
    key = ".".join(_written(problem["loc"], content))
    if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return unknown_key(key, problem["input"], _keys(_section(problem["loc"][:-1], kind)))
    if problem["type"] == "missing":
        return f"key {key} is missing; add it"
    if problem["type"] in ("model_type", "dataclass_type"):
        return f"{key} = {shown(problem['input'])}: must be a section, [{key}] with keys below it"
    if problem["type"] == "literal_error":
        return unknown_name(key, problem["input"], re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    if problem["type"] == "value_error":
        return _explain_own(key, problem["input"], str(problem["ctx"]["error"]))
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{key} = {shown(problem['input'])}: {message}"


def _written(location: Sequence[Any], content: Any) -> list[str]:
    """The parts of a location that stand in the file: which member of a union was tried does not."""
    parts = []
    for k, part in enumerate(location):
        if isinstance(content, Mapping) and (part in content or k == len(location) - 1):
            parts.append(str(part))
            content = content.get(part)
        elif isinstance(content, list) and isinstance(part, int):
            parts.append(str(part))
            content = content[part]
    return parts


def _explain_own(key: str, value: Any, message: str) -> str:
    """What a section, or the class that one is made of, has against its values: the keys are named in full."""
    if not isinstance(value, Mapping):  # a single key, which the message names
        return message
    said = re.fullmatch(r"(?:\w+(?:\.|: ))?(\w+) is (.+?), but (must .*)", message)
    if said is None or said[1] not in value:
        named = not key or message.startswith((f"{key}.", f"unknown key {key}."))
        return message if named else f"{key}: {message}"
    name = f"{key}.{said[1]}" if key else said[1]
    if said[3].startswith("must be one of"):
        return f"{name} is {said[2]}, but {said[3]}"
    return f"{name} = {shown(value[said[1]])}: {said[3]}"


def _section(location: Sequence[str], kind: Any) -> Any:
    """The class of a section, or of the whole."""
    for part in location:
        kind = kind.model_fields[part].annotation
    return kind


def _keys(section: Any) -> list[str]:
    return [f.name for f in fields(section)] if is_dataclass(section) else list(section.model_fields)
