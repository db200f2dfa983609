"""Statistics of studies: by hand, and against resampling written here."""

import itertools
import math

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.runs.studies.statistics import Comparison, compare_conditions, compare_studies, conditions, summary
from lava_nbp.runs.studies.tables import comparison_line


class Folder:
    """In the place of a study's folder."""

    def __init__(self, rows, keys, name="mine"):
        from lava_nbp.runs.studies.folder import StudyFolder
        from lava_nbp.runs.studies.study import Study
        from lava_nbp.runs.studies.trial import Trial

        trials = tuple(Trial(k, str(k), {key: row[key] for key in keys}, {}) for k, row in enumerate(rows))
        self.made = StudyFolder(None, Study(name, "accuracy", trials))
        self.made.__dict__["rows"] = rows


def rows(values, first=1, **settings):
    return [{"seed": first + k, "accuracy": value, **settings} for k, value in enumerate(values)]


def test_by_hand():
    found = summary(rows([0.5, 0.75, None, 0.25, 0.5]), "accuracy", {"a": 1})
    assert (found.seeds, found.values, found.missing) == ((1, 2, 4, 5), (0.5, 0.75, 0.25, 0.5), 1)
    assert (found.mean, found.median) == (0.5, 0.5)
    assert found.sd == pytest.approx(math.sqrt((0.0625 + 0.0625) / 3))
    assert 0.25 < found.low < 0.5 < found.high < 0.75


@pytest.mark.parametrize(("values", "expected"), [
    ([], (None, None, None, None, None)),
    ([0.5], (0.5, 0.5, None, None, None)),
    ([0.5, 0.7], (0.6, 0.6, pytest.approx(0.02**0.5), None, None)),
    ([0.5, 0.5, 0.5], (0.5, 0.5, 0.0, 0.5, 0.5)),
])  # fmt: skip
def test_few_values(values, expected):
    found = summary(rows(values), "accuracy", {})
    assert (found.mean and pytest.approx(found.mean), found.median, found.sd, found.low, found.high) == expected


def test_the_interval_is_the_bootstraps():
    """Percentiles of resampled means; bias correction and acceleration move it little for samples like these."""
    values = np.random.default_rng(3).normal(0.9, 0.02, 20)
    rng = np.random.default_rng(4)
    means = rng.choice(values, (20_000, 20)).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    found = summary(rows(values), "accuracy", {})
    width = high - low
    assert (found.low, found.high) == (pytest.approx(low, abs=0.1 * width), pytest.approx(high, abs=0.1 * width))
    again = summary(rows(values), "accuracy", {})
    assert (again.low, again.high) == (found.low, found.high)


def test_conditions_are_all_keys_but_the_seed():
    folder = Folder(rows([0.1, 0.2], a=1) + rows([0.3, 0.4], a=2), ("a", "seed")).made
    found = conditions(folder)
    assert [(c.settings, c.values) for c in found] == [({"a": 1}, (0.1, 0.2)), ({"a": 2}, (0.3, 0.4))]
    with pytest.raises(InputError, match="measure is 'speed', but must be one of accuracy"):
        conditions(folder, "speed")


def exact(differences):
    """Two-sided p of the test that flips signs, by counting."""
    observed = abs(np.mean(differences))
    signs = itertools.product([1, -1], repeat=len(differences))
    flipped = [np.mean(np.multiply(differences, flip)) for flip in signs]
    return np.mean([abs(mean) >= observed - 1e-12 for mean in flipped])


def test_pairs_by_counting():
    a, b = [0.90, 0.92, 0.91, 0.95, 0.93], [0.93, 0.95, 0.92, 0.96, 0.92]
    found = compare_conditions(summary(rows(a), "accuracy", {}), summary(rows(b), "accuracy", {}))
    differences = np.subtract(b, a)
    assert found.difference == pytest.approx(differences.mean())
    assert found.p == pytest.approx(exact(differences))
    assert (found.pairs, found.test) == (5, "permutation test of paired differences (exact)")


def test_shares_tie_exactly():
    """Differences of whole answers: many flips are just as far from 0, and all of them count."""
    rng = np.random.default_rng(8)
    for n in (360, 10_000):
        for _ in range(40):
            right = rng.integers(int(0.88 * n), int(0.92 * n), 6)
            more = rng.integers(-7, 8, 6)
            a, b = right / n, (right + more) / n
            found = compare_conditions(summary(rows(a), "accuracy", {}), summary(rows(b), "accuracy", {}))
            assert found.p == pytest.approx(exact(more))


def test_only_seeds_that_both_have_are_pairs():
    first, second = summary(rows([0.1, 0.2, 0.3]), "accuracy", {}), summary(rows([0.5, 0.4], first=2), "accuracy", {})
    found = compare_conditions(first, second)
    assert (found.pairs, found.difference) == (2, pytest.approx((0.3 + 0.1) / 2))


def test_many_pairs_are_drawn():
    rng = np.random.default_rng(5)
    a = rng.normal(0.9, 0.01, 20)
    found = compare_conditions(
        summary(rows(a), "accuracy", {}), summary(rows(a + rng.normal(0.01, 0.005, 20)), "accuracy", {})
    )
    assert found.test == "permutation test of paired differences (9999 permutations)"
    assert found.p < 0.01


def test_other_seeds_are_compared_as_samples():
    first, second = summary(rows([1, 2, 3]), "seconds", {}), summary(rows([4, 5, 6], first=10), "seconds", {})
    with pytest.raises(InputError, match="has 0 finished seeds, but a comparison needs 2 or more"):
        compare_conditions(first, second)
    low, high = rows([0.1, 0.2, 0.3]), rows([0.4, 0.5, 0.6], first=10)
    first, second = summary(low, "accuracy", {}), summary(high, "accuracy", {})
    found = compare_conditions(first, second)
    # All of one sample below all of the other: 2 of the 20 ways to part six values.
    assert (found.test, found.p, found.pairs) == ("Mann-Whitney U test", pytest.approx(0.1), 0)


def test_studies_side_by_side():
    one = Folder(rows([0.1, 0.2], a=1) + rows([0.3, 0.4], a=2), ("a", "seed")).made
    two = Folder(rows([0.2, 0.3], a=2) + rows([0.5, 0.5], a=3), ("a", "seed")).made
    (row,) = compare_studies(one, two)
    assert (row["settings"], row["comparison"].difference) == ({"a": 2}, pytest.approx(-0.1))
    alone = Folder(rows([0.9, 0.8]), ("seed",)).made
    assert len(compare_studies(alone, alone)) == 1
    with pytest.raises(InputError, match="studies mine and mine have no condition in common"):
        compare_studies(one, alone)
    few = Folder(rows([0.9]), ("seed",)).made
    assert compare_studies(alone, few)[0]["comparison"] is None


@pytest.mark.parametrize(("pairs", "said"), [
    (2, "with 2 pairs p cannot be below 0.5"), (4, "with 4 pairs p cannot be below 0.12"), (6, None), (0, None),
])  # fmt: skip
def test_how_small_p_can_be_is_said(pairs, said):
    line = comparison_line(Comparison(0.01, 0.5, "a test", pairs), "accuracy")
    assert ("cannot be below" in line) == (said is not None)
    assert said is None or line.endswith(said)
