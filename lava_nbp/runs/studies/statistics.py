"""What the trials of a study say together: never one number of many, and never the best of them alone.

Trials that differ in nothing but their seed are one *condition*. Of a measure x_1 .. x_n of its n seeds::

    mean    m = sum(x_i) / n
    sd      s = sqrt(sum((x_i - m)^2) / (n - 1))
    95 %    bootstrap interval of the mean (bias-corrected and accelerated, 9999 resamples; Efron 1987)

Two conditions that share seeds are compared by the differences d_i of equal seeds: by the permutation test that flips
their signs, exact for up to 13 pairs; else by the Mann-Whitney U test of both samples. The tests are SciPy's.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lava_nbp.base.checks import check_kind, check_name
from lava_nbp.errors import InputError
from lava_nbp.runs.studies.folder import StudyFolder
from lava_nbp.runs.studies.measures import MEASURES

#: Resamples of the bootstrap and of permutations, and what they begin from: the same figures every time.
_RESAMPLES, _SEED = 9999, 0
_CONFIDENCE = 0.95
#: Digits of a mean of differences, in parts of the largest value, that are no rounding.
_DIGITS = 10
#: Seeds from which on an interval is given.
_FEW = 3


@dataclass(frozen=True)
class Condition:
    """What the seeds of one condition say of a measure.

    Attributes
    ----------
    settings : dict
        The keys that vary, but for the seed.
    measure : str
        What is measured.
    seeds : tuple of int
        Of the finished trials.
    values : tuple of float
        Of each of these.
    missing : int
        Trials that are not finished, have failed, or did not measure it.
    mean, median, sd : float or None
        None without values; `sd` for one.
    low, high : float or None
        Ends of the 95 % bootstrap interval of the mean; None for fewer than 3 values.
    """

    settings: dict[str, Any]
    measure: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    missing: int
    mean: float | None
    median: float | None
    sd: float | None
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "seeds": list(self.seeds), "values": list(self.values)}


@dataclass(frozen=True)
class Comparison:
    """One condition against another.

    Attributes
    ----------
    difference : float
        Of the means: the second's less the first's; of the seeds that both have, if they are compared by pairs.
    p : float
        Probability of a difference as large or larger, in either direction, if there were none.
    test : str
        Its name.
    pairs : int
        Seeds that both have; 0: not compared by pairs.
    """

    difference: float
    p: float
    test: str
    pairs: int


def conditions(folder: StudyFolder, measure: str | None = None) -> list[Condition]:
    """A row per condition of a study.

    Parameters
    ----------
    folder : StudyFolder
        The study.
    measure : str, optional
        One of `MEASURES`; default: the study's objective.

    Raises
    ------
    InputError
        For an unknown measure.
    CheckpointError
        For a finished run that cannot be read.
    """
    check_kind(folder, StudyFolder, "study")
    measure = folder.study.objective if measure is None else check_name(measure, "measure", MEASURES)
    keys = [key for key in folder.study.keys if key != "seed"]
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in folder.rows:
        grouped.setdefault(repr([row[key] for key in keys]), []).append(row)
    return [summary(rows, measure, {key: rows[0][key] for key in keys}) for rows in grouped.values()]


def summary(rows: Sequence[Mapping[str, Any]], measure: str, settings: Mapping[str, Any]) -> Condition:
    """What rows of one condition say of a measure."""
    having = [row for row in rows if row.get(measure) is not None]
    values = np.array([row[measure] for row in having], dtype=np.float64)
    low, high = _interval(values)
    return Condition(
        dict(settings),
        measure,
        tuple(int(row["seed"]) for row in having),
        tuple(values.tolist()),
        len(rows) - len(having),
        float(values.mean()) if len(values) else None,
        float(np.median(values)) if len(values) else None,
        float(values.std(ddof=1)) if len(values) > 1 else None,
        low,
        high,
    )


def _interval(values: Any) -> tuple[float | None, float | None]:
    if len(values) < _FEW:
        return None, None
    if np.ptp(values) == 0:  # nothing to be resampled
        return float(values[0]), float(values[0])
    from scipy.stats import bootstrap

    rng = np.random.default_rng(_SEED)
    with warnings.catch_warnings():  # of an interval that degenerates: then it is none
        warnings.simplefilter("ignore")
        found = bootstrap((values,), np.mean, confidence_level=_CONFIDENCE, n_resamples=_RESAMPLES, random_state=rng)
    low, high = map(float, found.confidence_interval)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (None, None)


def compare_conditions(first: Condition, second: Condition) -> Comparison:
    """Compare a measure of two conditions, by pairs of equal seeds if there are two or more.

    Raises
    ------
    InputError
        For conditions of two measures, or with fewer than two values.
    """
    check_kind(first, Condition, "first")
    check_kind(second, Condition, "second")
    if first.measure != second.measure:
        raise InputError(
            f"conditions measure {first.measure} and {second.measure}, but must measure the same; name the measure"
        )
    for condition in (first, second):
        if len(condition.values) < 2:
            raise InputError(
                f"a condition has {len(condition.values)} finished seeds, but a comparison needs 2 or more; run more"
            )
    a, b = (dict(zip(c.seeds, c.values, strict=True)) for c in (first, second))
    shared = sorted(a.keys() & b.keys())
    if len(shared) > 1:
        return _by_pairs(np.array([a[seed] for seed in shared]), np.array([b[seed] for seed in shared]))
    from scipy.stats import mannwhitneyu

    found = mannwhitneyu(second.values, first.values)
    difference = float(np.mean(second.values) - np.mean(first.values))
    return Comparison(difference, float(found.pvalue), "Mann-Whitney U test", 0)


def _by_pairs(first: Any, second: Any) -> Comparison:
    from scipy.stats import permutation_test

    differences = second - first
    n, what = len(differences), "permutation test of paired differences"
    exact = 2**n <= _RESAMPLES
    # Shares of a test set are multiples of one part, so many permutations are as far from 0 as what was seen: without
    # the last digits, which rounding has made, all of them count.
    largest = max(np.abs(first).max(), np.abs(second).max()) or 1.0

    def mean(values: Any, axis: int = -1) -> Any:
        return np.round(np.mean(values, axis=axis) / largest, _DIGITS)

    found = permutation_test(
        (differences,), mean, permutation_type="samples", n_resamples=_RESAMPLES,
        random_state=np.random.default_rng(_SEED),
    )  # fmt: skip
    how = "exact" if exact else f"{_RESAMPLES} permutations"
    return Comparison(float(differences.mean()), float(found.pvalue), f"{what} ({how})", n)


def compare_studies(first: StudyFolder, second: StudyFolder, measure: str | None = None) -> list[dict[str, Any]]:
    """Conditions of two studies side by side: those with the same settings, or the only one of each.

    Returns
    -------
    list of dict
        ``settings``, ``first`` and ``second`` (`Condition`), and ``comparison`` (`Comparison`, or None where there are
        too few seeds).

    Raises
    ------
    InputError
        If they have no condition in common.
    """
    check_kind(first, StudyFolder, "first")
    check_kind(second, StudyFolder, "second")
    measure = first.study.objective if measure is None else measure
    left, right = conditions(first, measure), conditions(second, measure)
    if len(left) == len(right) == 1:
        pairs = [(left[0], right[0])]
    else:
        pairs = [(a, b) for a in left for b in right if a.settings == b.settings]
    if not pairs:
        raise InputError(
            f"studies {first.study.name} and {second.study.name} have no condition in common; compare studies that "
            f"vary the same keys, or that have one condition each"
        )
    return [{"settings": a.settings, "first": a, "second": b, "comparison": _compared(a, b)} for a, b in pairs]


def _compared(first: Condition, second: Condition) -> Comparison | None:
    return compare_conditions(first, second) if min(len(first.values), len(second.values)) > 1 else None
