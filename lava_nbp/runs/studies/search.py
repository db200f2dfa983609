"""A search as data: which values keys may have, how many trials look for the best, and when one is given up.

A study's file with a section [search] does not run every combination of [vary]: it looks for the best one::

    [search]
    trials = 50      # how many settings are tried
    startup = 10     # the first ones are drawn at random; from then on Optuna proposes them (TPE)
    prune = true     # give up a trial whose best epoch so far is below the median of the finished ones, at its epoch

    [vary]
    data.threshold = { from = 0.1, to = 0.9 }                 # any number between them
    network.n_hidden = { from = 20, to = 200, step = 20 }
    learning.rate = { from = 1e-4, to = 1e-1, log = true }    # by ratio
    target = ["sample", "spiking"]                            # one of these
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import Field

from lava_nbp.base.checks import is_integer, is_real, shown
from lava_nbp.errors import ConfigError
from lava_nbp.runs.studies.trial import Trial, make_trial
from lava_nbp.runs.studies.values import LARGEST, values_of
from lava_nbp.training.config import ConfigSection, parse_section

#: Trials of a search, and values of a list in it.
_MOST, _MOST_VALUES = 100_000, 1000
#: Steps of a range, and settings at the ends of all keys that are checked beforehand, if there are no more.
_MOST_STEPS, _CORNERS = 1_000_000, 256
#: Digits of a trial's number in its name: a search may be given more trials later.
_DIGITS = 4


class SearchSection(ConfigSection):
    """The keys of [search]."""

    trials: Annotated[int, Field(ge=1, le=_MOST)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    startup: Annotated[int, Field(ge=1, le=_MOST)] = 10
    prune: bool = True
    warmup: Annotated[int, Field(ge=1, le=1_000_000)] = 1


@dataclass(frozen=True)
class Choice:
    """One of a list's values.

    Attributes
    ----------
    values : tuple
        Numbers, texts, lists.
    """

    values: tuple[Any, ...]

    @property
    def ends(self) -> tuple[Any, ...]:
        """All of them: whatever is allowed for these is allowed."""
        return self.values

    @property
    def names(self) -> list[str]:
        """The values as text: what Optuna chooses from."""
        return [json.dumps(value) for value in self.values]


@dataclass(frozen=True)
class Between:
    """A number of a range, both ends included.

    Attributes
    ----------
    low, high : number
        Its ends.
    step : number or None
        Distance of the values from `low` on; None: any number (any integer if `whole`).
    log : bool
        As often in each factor of ten.
    whole : bool
        Integers.
    """

    low: float
    high: float
    step: float | None
    log: bool
    whole: bool

    @property
    def ends(self) -> tuple[Any, ...]:
        """The least and the greatest."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Search:
    """What a search looks for, and how.

    Attributes
    ----------
    trials : int
        How many settings are tried.
    seed : int
        Of the proposals: with one worker the same search proposes the same.
    startup : int
        So many are drawn at random first, and finished.
    prune : bool
        Give up a trial whose best validation accuracy so far is below the median of what the finished trials had in
        the same epoch (Optuna's MedianPruner).
    warmup : int
        Epochs that every trial has in any case.
    space : mapping
        Lists and ranges by dotted key, as the file has them.
    content : dict
        The experiment without them.
    """

    trials: int
    seed: int
    startup: int
    prune: bool
    warmup: int
    space: dict[str, Any]
    content: dict[str, Any]

    @property
    def choices(self) -> dict[str, Choice | Between]:
        """What each key may be."""
        return {key: _choice(key, given) for key, given in self.space.items()}

    def trial(self, number: int, settings: Mapping[str, Any]) -> Trial:
        """The trial of this number with these values of its keys."""
        return make_trial(number, _DIGITS, self.content, settings, settings)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; `Search(**...)` is the same again."""
        return dataclasses.asdict(self)


def make_search(given: Any, base: Mapping[str, Any], space: Mapping[str, Any]) -> Search:
    """Check a search: the section's keys, and that the experiment allows the ends of every key's values.

    Raises
    ------
    ConfigError
        Names the key and the value.
    """
    section = parse_section(SearchSection, given, "search")
    if not space:
        raise ConfigError("a search looks for values of the keys in [vary], but there are none; give one or more")
    if "seed" in space:
        raise ConfigError(
            "a search over seeds finds the luckiest one, not a setting; take seed out of [vary], and run the settings "
            "that it finds as a study of many seeds"
        )
    search = Search(**section.model_dump(), space=dict(space), content=dict(base))
    for settings in _corners(search.choices):
        experiment = search.trial(0, settings).experiment
        if getattr(getattr(experiment, "data", None), "validation", None) == 0:
            raise ConfigError(
                "a search is judged by validation samples, but data.validation is 0; hold some back in the base, or in "
                "[fixed]"
            )
    return search


def _corners(choices: Mapping[str, Choice | Between]) -> Iterator[dict[str, Any]]:
    """Settings at the ends of the keys: all together, or, of many, of each key with the first ones of the others."""
    if math.prod(len(choice.ends) for choice in choices.values()) <= _CORNERS:
        for values in itertools.product(*(choice.ends for choice in choices.values())):
            yield dict(zip(choices, values, strict=True))
    else:
        first = {key: choice.ends[0] for key, choice in choices.items()}
        for key, choice in choices.items():
            yield from ({**first, key: value} for value in choice.ends)


def _choice(key: str, given: Any) -> Choice | Between:
    if isinstance(given, Mapping) and "values" not in given:
        return _between(key, given)
    values = values_of(key, given)
    if len(values) > _MOST_VALUES:
        raise ConfigError(f"vary.{key} has {len(values)} values, but the limit of a search is {_MOST_VALUES}")
    if len({json.dumps(value) for value in values}) < len(values):
        raise ConfigError(f"vary.{key} has a value twice; say each once")
    return Choice(tuple(values))


def _between(key: str, given: Mapping[str, Any]) -> Between:
    what = f"vary.{key} = {shown(dict(given))}"
    if not {"from", "to"} <= given.keys() <= {"from", "to", "step", "log"} or {"step", "log"} <= given.keys():
        raise ConfigError(f"{what}: a range of a search has from and to, and a step or log, not both")
    low, high, step, log = given["from"], given["to"], given.get("step"), given.get("log", False)
    if not all(is_real(end) and abs(end) < LARGEST for end in (low, high)) or not low < high:
        raise ConfigError(f"{what}: from and to must be finite numbers, from less than to")
    if step is not None:
        step_fits = is_real(step) and 0 < step < LARGEST
        # In tenths, as they are written: 0.1 + 0.2 is more than 0.3 in binary.
        first, last, apart = (Fraction(str(n)) for n in (low, high, step)) if step_fits else (0, 0, 1)
        if not step_fits or not 1 <= (last - first) / apart <= _MOST_STEPS:
            raise ConfigError(
                f"{what}: step must be a positive number, so that there are 1 .. {_MOST_STEPS} steps from one end to "
                f"the other"
            )
        end = first + (last - first) // apart * apart
    if not isinstance(log, bool) or (log and low <= 0):
        raise ConfigError(f"{what}: log must be true or false, and from positive if it is true")
    whole = all(is_integer(n) for n in (low, high, step) if n is not None)
    if step is not None:
        high = int(end) if whole else float(end)
    return Between(low, high, step, log, whole)
