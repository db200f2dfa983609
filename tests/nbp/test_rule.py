"""Learning rules as text: what they mean, and which are refused."""

import itertools

import pytest

from lava_nbp.errors import RuleError
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule


@pytest.mark.parametrize(
    "text",
    [
        PAPER_RULE,
        "2*x0*y0*(2*r - 1)",
        "x0*(2*y0 - 2)",
        "-2*x0 + 4*x0*y0",
        "(x0 + y0)**2 * 2",
        "2*x0*x0*y0",
        "2 * r**2 * x0 - 6*y0",
        "+(-(2*x0*y0))",
    ],
)
def test_rules_mean_what_python_means(text):
    rule = ThreeFactorRule(text)
    for x0, y0, r in itertools.product((0, 1), (0, 1), (-2, 0, 1, 3)):
        assert rule.change(x0, y0, r) == eval(text, {"x0": x0, "y0": y0, "r": r})


def test_the_papers_rule():
    rule = ThreeFactorRule()
    assert rule.change(1, 1, r=1) == 2
    assert rule.change(1, 1, r=0) == -2
    assert rule.change(1, 0, r=1) == rule.change(0, 1, r=1) == rule.change(0, 0, r=1) == 0
    assert rule.needs_third_factor
    assert not ThreeFactorRule("2*x0*y0").needs_third_factor


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4*y3*x0*y0", r"factor is 'y3', but must be one of x0, y0, r; r is the third factor"),
        ("2*x1*y0", "factor is 'x1'"),
        ("2*w*x0", "factor is 'w'"),
        ("2*x0*y0 +", "cannot be read; write for instance"),
        ("", "cannot be read"),
        ("3*x0*y0", r"the coefficient of 3\*x0\*y0 is odd"),
        ("x0*y0*r", "is odd"),
        ("2*x0 + 2*r", r"the term 2\*r has neither x0 nor y0"),
        ("2", "neither x0 nor y0"),
        ("0.5*x0*y0", "0.5 is not an integer"),
        ("x0 / 2", "'x0 / 2' is not allowed"),
        ("2**-1 * x0", r"powers are whole numbers in 1 .. 8"),
        ("abs(x0)", "is not allowed"),
        ("2*x0*y0 - 2*y0*x0", "never changes a weight"),
        ("__import__('os')", "is not allowed"),
        ("True*x0", "True is not an integer"),
    ],
)
def test_rules_that_are_refused(text, message):
    with pytest.raises(RuleError, match=message):
        ThreeFactorRule(text)
