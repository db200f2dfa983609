"""What a key of a study may be: a list of values, or a range of them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lava_nbp.base.checks import is_integer, is_real, shown
from lava_nbp.errors import ConfigError

#: Keys of a range: integers with a step, or so many values, evenly spaced or by ratio.
_RANGES = ({"from", "to"}, {"from", "to", "step"}, {"from", "to", "values"}, {"from", "to", "values", "log"})
#: Values that a key may have, and limits of a range's numbers.
MOST, LARGEST = 1_000_000, 2.0**63


def overlap(key: str, other: str) -> bool:
    """Whether one of two dotted keys is the other, or a section that the other is in."""
    return f"{key}.".startswith(f"{other}.") or f"{other}.".startswith(f"{key}.")


def given_keys(vary: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Lists and ranges by dotted key."""
    found: dict[str, Any] = {}
    for key, value in vary.items():
        if isinstance(value, Mapping) and value and not {"from", "to"} & value.keys():
            new = given_keys(value, f"{prefix}{key}.")
        else:
            new = {prefix + key: value}
        twice = next((a for a in new for b in found if overlap(a, b)), None)
        if twice is not None:
            raise ConfigError(f"vary has {twice} twice; say it in one place")
        found |= new
    return found


def values_of(key: str, given: Any) -> list[Any]:
    """Every value that a list or a range means.

    Raises
    ------
    ConfigError
        For an empty list, and for what is no list or range: names the key.
    """
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
    if not all(is_real(end) and abs(end) < LARGEST for end in (low, high)) or low > high:
        raise ConfigError(f"{what}: from and to must be finite numbers, from not more than to")
    if "values" in given:
        whole = is_integer(low) and is_integer(high)
        return _spaced(what, float(low), float(high), given["values"], given.get("log", False), whole)
    step = given.get("step", 1)
    if not is_real(step) or not 0 < step < LARGEST:
        raise ConfigError(f"{what}: step must be a positive number")
    if (high - low) / step > MOST:
        raise ConfigError(f"{what} has more than {MOST} values; choose a larger step")
    whole = all(map(is_integer, (low, high, step)))
    # As they are written, in tenths: 0.1 + 2 * 0.1 is more than 0.3 in binary.
    first, last, apart = (Fraction(str(number)) for number in (low, high, step))
    found = [first + k * apart for k in range((last - first) // apart + 1)]
    return [int(value) if whole else float(value) for value in found]


def _spaced(what: str, low: float, high: float, values: Any, log: Any, whole: bool) -> list[Any]:
    if not is_integer(values) or not 2 <= values <= MOST:
        raise ConfigError(f"{what}: values must be an integer in 2 .. {MOST}")
    if not isinstance(log, bool) or (log and low <= 0):
        raise ConfigError(f"{what}: log must be true or false, and from positive if it is true")
    parts = [k / (values - 1) for k in range(values)]
    found = [low * (high / low) ** part if log else low + (high - low) * part for part in parts]
    rounded = [float(f"{value:.12g}") for value in found]
    return [int(value) for value in rounded] if whole and all(map(float.is_integer, rounded)) else rounded
