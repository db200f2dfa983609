"""One run of a study."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lava_nbp.training.config import Experiment, parse_config, put

#: Characters of a trial's name; whatever else a value has becomes "_".
LONGEST_NAME = 80


@dataclass(frozen=True)
class Trial:
    """One run of a study.

    Attributes
    ----------
    number : int
        From 0 on, in the order of the study's file, or in which a search has asked for it.
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


def make_trial(
    number: int, digits: int, base: Mapping[str, Any], changed: Mapping[str, Any], settings: Mapping[str, Any]
) -> Trial:
    """A trial of a base experiment, with some dotted keys changed; its name has so many digits of the number.

    Raises
    ------
    ConfigError
        For a key below one that is no section.
    """
    content = copy.deepcopy(dict(base))
    for key, value in changed.items():
        put(content, key, copy.deepcopy(value), key)
    said = "_".join(f"{key.rpartition('.')[2]}-{_short(value)}" for key, value in settings.items())
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", said)
    return Trial(number, f"{number:0{digits}d}_{plain}"[:LONGEST_NAME].rstrip("_"), dict(settings), content)


def _short(value: Any) -> str:
    """A value for a name: of a number the digits that tell trials apart."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
