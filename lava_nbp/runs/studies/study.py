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

With a section [search] it is a search, see `lava_nbp.runs.studies.search`; [slurm] says how trials are jobs of a
cluster. Everything is checked against the experiment's own schema before anything runs.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError

from lava_nbp.base.checks import check_integer, check_name, check_sequence, check_text, shown
from lava_nbp.base.content import problem, read_toml
from lava_nbp.base.files import AnyPath, as_path
from lava_nbp.errors import ConfigError, InputError, Unreadable
from lava_nbp.runs.studies.measures import MEASURES
from lava_nbp.runs.studies.search import Search, make_search
from lava_nbp.runs.studies.slurm import SlurmOptions
from lava_nbp.runs.studies.trial import LONGEST_NAME, Trial, make_trial
from lava_nbp.runs.studies.values import MOST, given_keys, overlap, values_of
from lava_nbp.training.config import ConfigSection, flatten, parse_section, put, put_overrides, unknown_key

#: Names of studies, after which folders are called.
_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,79}"
#: What a search looks for the largest of.
_SEARCHED = "validation"
#: Trials that a study may have unless its file says `at_most`.
_TRIALS = 1000
#: Bytes of a study's file that can be read again, and of a trial beside its experiment.
_MOST_BYTES, _TRIAL_BYTES = 15_000_000, 300


class _StudyFile(ConfigSection):
    """The keys of a study's file."""

    name: Annotated[str, Field(pattern=f"^{_NAME}$")]
    base: str
    objective: str | None = None
    at_most: Annotated[int, Field(ge=1, le=MOST)] = _TRIALS
    search: dict[str, Any] | None = None
    slurm: dict[str, Any] = Field(default_factory=dict)
    fixed: dict[str, Any] = Field(default_factory=dict)
    vary: dict[str, Any] = Field(default_factory=dict)
    cases: list[dict[str, Any]] = Field(default_factory=list)


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
        What is to be run; of a search none: it proposes them while it goes.
    search : Search or None
        What it looks for, if it is a search.
    slurm : SlurmOptions
        How its trials are jobs of a cluster, where they are; it may differ when the study is gone on with.
    """

    name: str
    objective: str
    trials: tuple[Trial, ...]
    search: Search | None = None
    slurm: SlurmOptions = field(default_factory=SlurmOptions, compare=False)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that vary, with dots, and "case" if there are cases."""
        return tuple(self.trials[0].settings if self.search is None else self.search.space)


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
        _check_apart(same, [*given_keys(said.vary), *(key for case in said.cases for key in flatten(case))])
        return make_study(
            said.name, base, vary=said.vary, cases=said.cases, objective=said.objective, at_most=said.at_most,
            search=said.search, slurm=said.slurm,
        )  # fmt: skip
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
    objective: str | None = None,
    at_most: int = _TRIALS,
    search: Mapping[str, Any] | None = None,
    slurm: Mapping[str, Any] | None = None,
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
    objective : str, optional
        See `Study`; default: "accuracy", of a search "validation", which is all that a search may see.
    at_most : int
        Refuse more trials than these.
    search : mapping, optional
        Do not run every combination: look for the best; see `lava_nbp.runs.studies.search`.
    slurm : mapping, optional
        How the trials are jobs of a cluster; see `lava_nbp.runs.studies.slurm.SlurmOptions`.

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
    asked = parse_section(SlurmOptions, _plain({} if slurm is None else slurm, "slurm"), "slurm")
    at_most = check_integer(at_most, 1, MOST, "at_most")
    if search is not None:
        return _searched(name, base, vary, cases, objective, _plain(search, "search"), at_most, asked)
    objective = "accuracy" if objective is None else check_name(objective, "objective", MEASURES)
    values = {key: values_of(key, given) for key, given in given_keys(vary).items()}
    named = _cases(cases, values)
    trials = math.prod(map(len, values.values())) * max(len(named), 1)
    _check_number(trials, at_most, "vary fewer values")
    made: list[Trial] = []
    seen: dict[str, str] = {}
    for case in named or [("", {})]:
        for combination in itertools.product(*values.values()):
            varied = dict(zip(values, combination, strict=True))
            settings = {**({"case": case[0]} if named else {}), **varied}
            trial = make_trial(len(made), len(str(trials - 1)), base, {**case[1], **varied}, settings)
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
    return Study(name, objective, tuple(made), slurm=asked)


def _searched(
    name: str,
    base: Mapping[str, Any],
    vary: Any,
    cases: Any,
    objective: str | None,
    given: Any,
    at_most: int,
    slurm: SlurmOptions,
) -> Study:
    """A study that is a search."""
    if cases:
        raise ConfigError("a search has no cases; let the keys themselves vary, or make a study of each case")
    if objective not in (None, _SEARCHED):
        raise ConfigError(
            f"objective is {shown(objective)}, but a search sees {_SEARCHED} figures only; leave objective out"
        )
    search = make_search(given, base, given_keys(vary))
    _check_number(search.trials, at_most, "ask for fewer")
    return Study(name, _SEARCHED, (), search, slurm)


def _check_number(trials: int, at_most: int, cure: str) -> None:
    if trials > at_most:
        raise ConfigError(
            f"{trials} trials, but the limit is {at_most}; {cure}, or say at_most = {trials} if you mean it"
        )


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
        both = next((other for other in varied if overlap(key, other)), None)
        if both is not None:
            raise ConfigError(f"{key} is said to be the same in every trial, but {both} varies; say it in one place")


def _cases(cases: Sequence[Mapping[str, Any]], values: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and dotted keys of every case."""
    found: list[tuple[str, dict[str, Any]]] = []
    for k, case in enumerate(cases):
        if not isinstance(case, Mapping) or not isinstance(case.get("name"), str) or not case["name"]:
            raise ConfigError(f"cases[{k}] is {shown(case)}, but must be a section with a name of its own")
        name = case["name"]
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise ConfigError(
                f"cases[{k}] has the name {shown(name)}, but must have one line of {LONGEST_NAME} letters"
            )
        if any(name == other for other, _ in found):
            raise ConfigError(f"two cases have the name {shown(name)}; rename one of them")
        keys = flatten({key: value for key, value in case.items() if key != "name"})
        both = next((key for key in keys if any(overlap(key, other) for other in values)), None)
        if both is not None:
            raise ConfigError(f"case {shown(name)} has {both}, which varies; say it in one place")
        if "seed" in keys:
            raise ConfigError(f"case {shown(name)} has a seed, which makes no case of its own; let seed vary")
        found.append((name, keys))
    return found
