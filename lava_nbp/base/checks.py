"""Checks of arguments that every part of the library makes in the same way."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_nbp.errors import InputError, LavaNBPError, unknown_name
from lava_nbp.errors import shown as shown


def is_integer(value: object) -> bool:
    """Whether a value is an integer of Python or NumPy; True and False are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def named(value: object) -> str:
    """A name for a message, without quotes; what is no text as `shown`, so that no message fails for it."""
    return value if isinstance(value, str) and len(value) <= 60 else shown(value)


def check_text(value: object, what: str) -> str:
    """Return a value if it is text; raise InputError for anything else."""
    if isinstance(value, str):
        return str(value)
    raise InputError(f"{what} is {shown(value)}, but must be text")


def check_name(value: object, what: str, options: Iterable[str]) -> str:
    """Return a value if it is one of these names; raise InputError, with those there are, for anything else."""
    names = tuple(options)
    if isinstance(value, str) and value in names:
        return value
    raise InputError(unknown_name(what, value, names))


def check_options(make: Callable[..., Any], given: int, options: Mapping[str, Any], what: str) -> None:
    """Raise InputError for a keyword that a function or class does not take, beside `given` arguments by position."""
    taken = [*inspect.signature(make).parameters.values()]
    if any(p.kind is p.VAR_KEYWORD for p in taken):
        return
    known = [p.name for p in taken[given:] if p.kind is not p.VAR_POSITIONAL and p.name != "target"]
    for key in options:
        if key not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise InputError(f"{what} has no option {shown(key)}; {there}")


def check_flag(value: object, what: str) -> bool:
    """Return a value as a bool if it is True or False, of Python or NumPy; raise InputError for anything else."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise InputError(f"{what} is {shown(value)}, but must be True or False")


def check_sequence(value: object, what: str, cure: str = "") -> tuple[Any, ...]:
    """Return the entries of a list, tuple or array; raise InputError for anything else, text and mappings too."""
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim):
        return tuple(value)
    raise InputError(f"{what} is {shown(value)}, but must be a list or tuple" + (f"; {cure}" if cure else ""))


def one_line(error: BaseException, most: int = 200) -> str:
    """What an error of another library says, for a message: in one line, not too long."""
    return " ".join(str(error).split())[:most] or type(error).__name__


def check_integer(
    value: object,
    low: int,
    high: int | None,
    what: str,
    cure: str = "",
    error: type[LavaNBPError] = InputError,
) -> int:
    """Return a value as an int if it is an integer in low .. high (None: no upper limit).

    Raises
    ------
    InputError, or the given error
        Names what it is, the value, the limit, and the cure if one is given.
    """
    if isinstance(value, (int, np.integer)) and is_integer(value) and low <= value and (high is None or value <= high):
        return int(value)
    limit = f"an integer of {low} or more" if high is None else f"an integer in {low} .. {high}"
    raise error(f"{what} is {shown(value)}, but must be {limit}" + (f"; {cure}" if cure else ""))


def is_real(value: object) -> bool:
    """Whether a value is a real number of Python or NumPy, NaN and infinity included; True and False are not."""
    return isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))


def check_real(
    value: object,
    low: float,
    high: float,
    what: str,
    cure: str = "",
    error: type[LavaNBPError] = InputError,
    *,
    above: bool = False,
) -> float:
    """Return a value as a float if it is a finite real number in low .. high.

    Whatever is a number will do, NumPy's scalars too; what is text, or has an imaginary part, is none.

    Parameters
    ----------
    value : object
        What is given.
    low, high : float
        Limits, which belong to the range; -inf and inf: any finite number.
    what : str
        Names it in messages.
    cure : str
        What to do about it.
    error : type
        Class of the error.
    above : bool
        `low` itself does not belong to the range.

    Raises
    ------
    InputError, or the given error
        Names what it is, the value, the limit, and the cure if one is given.
    """
    number = _as_float(value)
    if math.isfinite(number) and low <= number <= high and not (above and number == low):
        return number
    raise error(f"{what} is {shown(value)}, but must be {_range(low, high, above)}" + (f"; {cure}" if cure else ""))


def check_positive(value: object, what: str, cure: str = "", error: type[LavaNBPError] = InputError) -> float:
    """Return a value as a float if it is a positive, finite real number; see `check_real`."""
    return check_real(value, 0.0, math.inf, what, cure, error, above=True)


def _as_float(value: object) -> float:
    """NaN for what is no number, infinity for what is too large for a float."""
    if not is_real(value):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf


def _range(low: float, high: float, above: bool) -> str:
    """The numbers that are allowed, in words."""
    if low == 0 and math.isinf(high):
        return "positive and finite" if above else "0 or more, and finite"
    if math.isinf(low) and math.isinf(high):
        return "a finite number"
    if math.isinf(high):
        return f"{'more than ' if above else ''}{low:g}{'' if above else ' or more'}, and finite"
    if math.isinf(low):
        return f"{high:g} or less, and finite"
    return f"more than {low:g}, and {high:g} at most" if above else f"in {low:g} .. {high:g}"


def as_array(value: object, what: str, cure: str = "", error: type[LavaNBPError] = InputError) -> NDArray[Any]:
    """What is given, as an array of numbers: the same one if it is one already.

    Raises
    ------
    InputError, or the given error
        For what is none: rows of different lengths, or entries that are no numbers. Names what it is, and the cure if
        one is given.
    """
    ending = f"; {cure}" if cure else ""
    try:
        array = np.asarray(value)
    except Exception as reason:  # NumPy asks the value itself, which may do as it likes
        raise error(f"{what} cannot be made an array ({shown(str(reason))}){ending}") from None
    if array.dtype.kind not in "biufc":
        raise error(f"{what} has dtype {array.dtype}, but must hold numbers: {shown(value)}{ending}")
    return array


def check_reals(
    values: Any,
    what: str,
    cure: str = "",
    error: type[LavaNBPError] = InputError,
    *,
    most: float = math.inf,
) -> NDArray[np.float64]:
    """Return an array of any shape as float64 if it holds finite real numbers, of magnitude `most` at most.

    Complex numbers, texts, objects and truth values are none.

    Raises
    ------
    InputError, or the given error
        Names what it is, the first entry that is none or the type, the limit, and the cure if one is given.
    """
    array = as_array(values, what, cure, error)
    ending = f"; {cure}" if cure else ""
    if array.dtype.kind not in "iuf":
        raise error(f"{what} has dtype {array.dtype}, but must hold real numbers{ending}")
    with np.errstate(over="ignore"):  # wider floats may be too large for float64
        found: NDArray[np.float64] = array.astype(np.float64, copy=False)
    good = np.isfinite(found) & (np.abs(found) <= most)
    if not good.all():
        limit = "finite numbers" if math.isinf(most) else f"numbers of magnitude {most:g} at most"
        raise error(f"{what} holds {found[~good].flat[0]:g}, but must hold {limit}{ending}")
    return found


def check_kind(value: object, kinds: type | tuple[type, ...], what: str) -> None:
    """Raise InputError unless a value is of a class, or of one of several."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
        raise InputError(f"{what} is {shown(value)}, but must be a {wanted}")


def check_arrays(given: Mapping[str, NDArray[Any]], own: Mapping[str, NDArray[Any]], what: str, owner: str) -> None:
    """Check that arrays have the names, shapes and types of one's own, and are finite; `owner` is who needs them.

    Raises
    ------
    InputError
        Says what there is and what is needed, or names the first array that is none, of another type or not finite.
    """
    check_kind(given, Mapping, what)
    for name, array in given.items():
        check_kind(array, np.ndarray, f"{what}: {name}")
    found, needed = ({name: array.shape for name, array in arrays.items()} for arrays in (given, own))
    if found != needed:
        raise InputError(f"{what} has arrays {found}, but {owner} {needed}")
    for name, array in given.items():
        if array.dtype != own[name].dtype:
            raise InputError(f"{what}: {name} has dtype {array.dtype}, but {owner} {own[name].dtype}")
        check_within(array, -math.inf, math.inf, f"{what}: {name}")


def check_within(array: NDArray[Any], low: float, high: float, what: str) -> None:
    """Check that all entries of an array are finite numbers in low .. high.

    Raises
    ------
    InputError
        Names what they are, the first entry that is not, and the limit.
    """
    bad = ~(np.isfinite(array) & (array >= low) & (array <= high))
    if bad.any():
        raise InputError(f"{what} has an entry {array[bad][0]}, but all must be {_range(low, high, False)}")


def check_labels(labels: Any, n: int | None, n_classes: int) -> NDArray[np.int64]:
    """Return labels (n,) as int64 if they are integers in 0 .. n_classes - 1; n None: any number.

    Raises
    ------
    InputError
        Names the first label that is none, or the shape and type.
    """
    array = as_array(labels, "labels")
    if array.ndim != 1 or n not in (None, len(array)) or not np.issubdtype(array.dtype, np.integer):
        wanted = "one integer per sample" if n is None else f"{n} integers, one per sample"
        raise InputError(f"labels have shape {array.shape} and dtype {array.dtype}, but must be {wanted}")
    # Every batch of a training run may come by here with the labels of the whole data set: no copies.
    if array.min(initial=0) < 0 or array.max(initial=0) >= n_classes:
        i = int(np.argmax((array < 0) | (array >= n_classes)))
        raise InputError(
            f"labels[{i}] is {array[i]}, outside the classes 0 .. {n_classes - 1}; this network has {n_classes} classes"
        )
    return array.astype(np.int64, copy=False)
