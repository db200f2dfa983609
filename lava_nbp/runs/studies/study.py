"""A study as data: a base experiment, what varies in it, and the trials that follow from that.

A study's file names an experiment's file and the keys that vary::

    name = "digits"
    base = "../run_configs/digits.toml"  # from this file's folder on

    [fixed]           # keys that every trial has, as --set would
    epochs = 5

    [vary]            # every combination is a trial; the last key varies fastest
    data.threshold = [0.3, 0.4]
    seed = { from = 1, to = 10 }

    [[cases]]         # keys that change together: every case has every combination
    name = "wide"
    network.n_hidden = 500

Everything is checked against the experiment's own schema before anything runs.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError

from lava_nbp.base.checks import check_integer, check_name, check_sequence, check_text, is_integer, is_real, shown
from lava_nbp.base.content import problem, read_toml
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.errors import ConfigError, InputError, Unreadable
from lava_nbp.runs.studies.measures import MEASURES
from lava_nbp.training.config import ConfigSection, Experiment, flatten, parse_config, put, put_overrides, unknown_key

#: Names of studies, after which folders are called.
_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,79}"
#: Trials that a study may have unless its file says `at_most`, and what that may say.
_TRIALS, _MOST_TRIALS = 1000, 1_000_000
#: Keys of a range: integers with a step, or so many values, evenly spaced or by ratio.
_RANGES = ({"from", "to"}, {"from", "to", "step"}, {"from", "to", "values"}, {"from", "to", "values", "log"})
#: Characters of a trial's name; whatever else a value has becomes "_".
_LONGEST_NAME = 80
#: Bytes of a study's file that can be read again, and of a trial beside its experiment; limits of a range's numbers.
_MOST_BYTES, _TRIAL_BYTES, _LARGEST = 15_000_000, 300, 2.0**63


class _StudyFile(ConfigSection):
    """The keys of a study's file."""

    name: Annotated[str, Field(pattern=f"^{_NAME}$")]
    base: str
    objective: str = "accuracy"
    at_most: Annotated[int, Field(ge=1, le=_MOST_TRIALS)] = _TRIALS
    fixed: dict[str, Any] = Field(default_factory=dict)
    vary: dict[str, Any] = Field(default_factory=dict)
    cases: list[dict[str, Any]] = Field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """One run of a study.

    Attributes
    ----------
    number : int
        From 0 on, in the order of the study's file.
    name : str
        Of its folder.
    settings : dict
        What it has of the keys that vary, by dotted key, and the name of its "case" if there are cases.
    content : dict
        Its whole experiment, as a file of it would say it.
    """

    number: int
    name: str
    settings: dict[str, Any]
    content: dict[str, Any]

    @property
    def experiment(self) -> Experiment:
        """What it runs."""
        return parse_config(self.content, f"of trial {self.name}")


@dataclass(frozen=True)
class Study:
    """A study, checked: what every trial runs is an experiment.

    Attributes
    ----------
    name : str
        Of its folder, by default.
    objective : str
        The measure that its table is about, see `lava_nbp.runs.studies.measures.MEASURES`.
    trials : tuple of Trial
        What is to be run.
    """

    name: str
    objective: str
    trials: tuple[Trial, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that vary, with dots, and "case" if there are cases."""
        return tuple(self.trials[0].settings)


def load_study_file(path: AnyPath, overrides: Sequence[str] = ()) -> Study:
    """Read and check a study's file.

    Parameters
    ----------
    path : path
        TOML file.
    overrides : sequence of str
        "key=value" for every trial, as for `load_config`.

    Raises
    ------
    ConfigError
        Names the file, the key, the value, and what is allowed; or the trial whose experiment is none.
    """
    path = as_path(path, "study")
    said = _read(path)
    base_path = path.parent / said.base
    try:
        base = read_toml(base_path)
    except Unreadable as error:
        raise ConfigError(
            f"study {path}: base = {shown(said.base)}, but {base_path} cannot be read: {error}; give the file of an "
            f"experiment, from the study's own folder on"
        ) from error
    same = flatten(said.fixed)
    for key, value in same.items():
        put(base, key, value, f"study {path}, fixed.{key}")
    put_overrides(base, overrides)
    same |= dict.fromkeys((text.partition("=")[0].strip() for text in overrides), "--set")
    try:
        _check_apart(same, [*_given(said.vary), *(key for case in said.cases for key in flatten(case))])
        return make_study(
            said.name, base, vary=said.vary, cases=said.cases, objective=said.objective, at_most=said.at_most
        )
    except (ConfigError, InputError) as error:
        raise ConfigError(f"study {path}: {error}") from None


def _read(path: Path) -> _StudyFile:
    try:
        content = read_toml(path)
    except Unreadable as error:
        raise ConfigError(f"study {path} cannot be read: {error}; give a TOML file like studies/digits.toml") from error
    known = list(_StudyFile.model_fields)
    unknown = next((key for key in content if key not in known), None)
    if unknown is not None:
        raise ConfigError(f"study {path}: {unknown_key(unknown, content[unknown], known)}")
    try:
        return _StudyFile.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"study {path}: {problem(error)}") from None


def make_study(
    name: str,
    base: Mapping[str, Any],
    *,
    vary: Mapping[str, Any] | None = None,
    cases: Sequence[Mapping[str, Any]] = (),
    objective: str = "accuracy",
    at_most: int = _TRIALS,
) -> Study:
    """Make a study of an experiment's content.

    Parameters
    ----------
    name : str
        Of the study.
    base : mapping
        An experiment, as `parse_config` takes it; what varies may be missing.
    vary : mapping
        Lists of values, or ranges, by key: {"seed": {"from": 1, "to": 5}, "data.crop": [2, 4]}; sections within
        sections are the same as dots.
    cases : sequence of mapping
        Keys that change together, each with a "name" of its own.
    objective : str
        See `Study`.
    at_most : int
        Refuse more trials than these.

    Raises
    ------
    ConfigError
        For no values, what is no list or range, more trials than `at_most`, two that are the same, or one whose
        experiment is none: names the key or the trial.
    InputError
        For arguments of another type, or an unknown objective.
    """
    if not re.fullmatch(_NAME, check_text(name, "name of a study")):
        raise ConfigError(f"name of a study is {shown(name)}, but must be letters, digits, _, - and points, 80 at most")
    base, vary = _plain(base, "experiment of a study"), _plain({} if vary is None else vary, "vary")
    for given, what in ((base, "experiment of a study"), (vary, "vary")):
        if not isinstance(given, dict):
            raise ConfigError(f"{what} is {shown(given)}, but must be a mapping of keys to values")
    cases = _plain(list(check_sequence(cases, "cases")), "cases")
    check_name(objective, "objective", MEASURES)
    at_most = check_integer(at_most, 1, _MOST_TRIALS, "at_most")
    values = {key: _values(key, given) for key, given in _given(vary).items()}
    named = _cases(cases, values)
    trials = math.prod(map(len, values.values())) * max(len(named), 1)
    if trials > at_most:
        raise ConfigError(
            f"{trials} trials, but the limit is {at_most}; vary fewer values, or say at_most = {trials} if you mean it"
        )
    made: list[Trial] = []
    seen: dict[str, str] = {}
    for case in named or [("", {})]:
        for combination in itertools.product(*values.values()):
            settings = {**({"case": case[0]} if named else {}), **dict(zip(values, combination, strict=True))}
            content = copy.deepcopy(dict(base))
            for key, value in (*case[1].items(), *zip(values, combination, strict=True)):
                put(content, key, copy.deepcopy(value), key)
            trial = Trial(len(made), _name(len(made), trials, settings), settings, content)
            said = trial.experiment.model_dump_json()
            if said in seen:
                raise ConfigError(f"trials {seen[said]} and {trial.name} are the same; leave one of them out")
            seen[said] = trial.name
            made.append(trial)
    size = sum(len(json.dumps(trial.content)) + _TRIAL_BYTES for trial in made)
    if size > _MOST_BYTES:
        raise ConfigError(
            f"{len(made)} trials of this experiment take {size / 1e6:.0f} MB to write down, but the limit is "
            f"{_MOST_BYTES / 1e6:.0f} MB; make several studies of it"
        )
    return Study(name, objective, tuple(made))


# ---------------------------------------------------------------------- values


def _plain(value: Any, what: str) -> Any:
    """A value as a file would hold it: NumPy's numbers and tuples as Python's numbers and lists, in mappings, too."""

    def made(odd: Any) -> Any:
        if isinstance(odd, Mapping):
            return dict(odd)
        if isinstance(odd, (np.generic, np.ndarray)):
            return odd.tolist()
        raise TypeError

    try:
        return json.loads(json.dumps(value, default=made))
    except (TypeError, ValueError, RecursionError):
        raise ConfigError(
            f"{what} is {shown(value)}, which no experiment's file could say; give numbers, text, lists and mappings"
        ) from None


def _check_apart(same: Mapping[str, Any], varied: Sequence[str]) -> None:
    """Refuse keys that are to be the same in every trial, and vary."""
    for key in same:
        both = next((other for other in varied if _overlap(key, other)), None)
        if both is not None:
            raise ConfigError(f"{key} is said to be the same in every trial, but {both} varies; say it in one place")


def _overlap(key: str, other: str) -> bool:
    """Whether one of two dotted keys is the other, or a section that the other is in."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def _given(vary: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Lists and ranges by dotted key."""
    found: dict[str, Any] = {}
    for key, value in vary.items():
        if isinstance(value, Mapping) and value and not {"from", "to"} & value.keys():
            new = _given(value, f"{prefix}{key}.")
        else:
            new = {prefix + key: value}
        twice = next((a for a in new for b in found if _overlap(a, b)), None)
        if twice is not None:
            raise ConfigError(f"vary has {twice} twice; say it in one place")
        found |= new
    return found


def _values(key: str, given: Any) -> list[Any]:
    if isinstance(given, Mapping):
        return _range(key, given)
    if not isinstance(given, (list, tuple)):
        raise ConfigError(
            f"vary.{key} is {shown(given)}, but must be a list of values, or a range like {{ from = 1, to = 5 }}; what "
            f"is the same in every trial belongs to [fixed]"
        )
    if not given:
        raise ConfigError(f"vary.{key} is an empty list; give one or more values, or leave the key out")
    return list(given)


def _range(key: str, given: Mapping[str, Any]) -> list[Any]:
    """The values of { from, to }, with a step; or so many of them, evenly spaced, or by ratio if log = true."""
    what = f"vary.{key} = {shown(dict(given))}"
    if set(given) not in _RANGES:
        raise ConfigError(
            f"{what}: a range has from and to, and a step or a number of values, which log = true spaces by ratio"
        )
    low, high = given["from"], given["to"]
    if not all(is_real(end) and abs(end) < _LARGEST for end in (low, high)) or low > high:
        raise ConfigError(f"{what}: from and to must be finite numbers, from not more than to")
    if "values" in given:
        whole = is_integer(low) and is_integer(high)
        return _spaced(what, float(low), float(high), given["values"], given.get("log", False), whole)
    step = given.get("step", 1)
    if not is_real(step) or not 0 < step < _LARGEST:
        raise ConfigError(f"{what}: step must be a positive number")
    if (high - low) / step > _MOST_TRIALS:
        raise ConfigError(f"{what} has more than {_MOST_TRIALS} values; choose a larger step")
    whole = all(map(is_integer, (low, high, step)))
    # As they are written, in tenths: 0.1 + 2 * 0.1 is more than 0.3 in binary.
    first, last, apart = (Fraction(str(number)) for number in (low, high, step))
    found = [first + k * apart for k in range((last - first) // apart + 1)]
    return [int(value) if whole else float(value) for value in found]


def _spaced(what: str, low: float, high: float, values: Any, log: Any, whole: bool) -> list[Any]:
    if not is_integer(values) or not 2 <= values <= _MOST_TRIALS:
        raise ConfigError(f"{what}: values must be an integer in 2 .. {_MOST_TRIALS}")
    if not isinstance(log, bool) or (log and low <= 0):
        raise ConfigError(f"{what}: log must be true or false, and from positive if it is true")
    parts = [k / (values - 1) for k in range(values)]
    found = [low * (high / low) ** part if log else low + (high - low) * part for part in parts]
    rounded = [float(f"{value:.12g}") for value in found]
    return [int(value) for value in rounded] if whole and all(map(float.is_integer, rounded)) else rounded


def _cases(cases: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and dotted keys of every case."""
    found: list[tuple[str, dict[str, Any]]] = []
    for k, case in enumerate(cases):
        if not isinstance(case, Mapping) or not isinstance(case.get("name"), str) or not case["name"]:
            raise ConfigError(f"cases[{k}] is {shown(case)}, but must be a section with a name of its own")
        name = case["name"]
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise ConfigError(
                f"cases[{k}] has the name {shown(name)}, but must have one line of {_LONGEST_NAME} letters"
            )
        if any(name == other for other, _ in found):
            raise ConfigError(f"two cases have the name {shown(name)}; rename one of them")
        keys = flatten({key: value for key, value in case.items() if key != "name"})
        both = next((key for key in keys if any(_overlap(key, other) for other in values)), None)
        if both is not None:
            raise ConfigError(f"case {shown(name)} has {both}, which varies; say it in one place")
        if "seed" in keys:
            raise ConfigError(f"case {shown(name)} has a seed, which makes no case of its own; let seed vary")
        found.append((name, keys))
    return found


def _name(number: int, trials: int, settings: Mapping[str, Any]) -> str:
    """Of a trial's folder: its number, and what varies."""
    said = "_".join(f"{key.rpartition('.')[2]}-{value}" for key, value in settings.items())
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", said)
    return f"{number:0{len(str(trials - 1))}d}_{plain}"[:_LONGEST_NAME].rstrip("_")
