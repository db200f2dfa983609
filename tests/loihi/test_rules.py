"""Rules in Lava's symbols, weight for weight on Lava's own learning engine."""

import itertools

import numpy as np
import pytest
from learning_engine import EVEN, LearningEngine

from lava_nbp.errors import RuleError
from lava_nbp.loihi.rules import chip_rule, simulated_rule
from lava_nbp.loihi.stock import learning_rule
from lava_nbp.nbp.rule import PAPER_RULE, ThreeFactorRule

#: Change where both fire at r = 1 and at r = 0, and what the rule is.
PAIRS = [
    (2, -2), (4, -2), (2, -4), (6, -2), (-2, 2), (-6, 4), (4, 2), (-2, -8), (2, 0), (0, -2), (18, -34),
    (254, -254), (-254, 254), (254, 254), (30, -226), (508, -508),
]  # fmt: skip
#: A spike alone counts, too.
ALONE = [
    "4*r*x0*y0 - 2*x0", "2*r*y0 - 2*x0*y0", "8*x0*y0 - 2*x0 - 2*y0", "-4*r*x0 + 6*y0 - 2*r*x0*y0", "254*r*x0 - 254*y0",
]  # fmt: skip
RULES = [f"{up - down}*r*x0*y0 + {down}*x0*y0" for up, down in PAIRS] + ALONE
CASES = [*itertools.product((0, 1), (0, 1), (0, 1))]


def test_the_papers_rule_as_its_authors_wrote_it():
    rule = ThreeFactorRule(PAPER_RULE)
    assert chip_rule(rule) == "4*y3*x0*y0 - 2*x0*y0"
    assert simulated_rule(rule) == (
        "-2^-7*x0*y0 + 4*x0*y0*y3 + 4*x0*y0*(y3-1) - 2*x0*y0*y3 - 2*x0*y0*(y3-1) + 2^-7*x0*y0"
    )


def test_rules_by_hand():
    assert chip_rule(ThreeFactorRule("-2*r*x0*y0 + 2*x0*y0")) == "-2*y3*x0*y0 + 2*x0*y0"
    assert chip_rule(ThreeFactorRule("6*x0*y0 - 4*r*r*x0")) == "-4*y3*x0 + 6*x0*y0"  # r * r is r
    assert simulated_rule(ThreeFactorRule("18*x0*y0")) == (
        "-2^-7*x0*y0 + 20*x0*y0 - 2*x0*y0 + 2^-7*x0*y0"  # 5 * 2^2
    )
    assert "16*x0*y0*y3 + 2*x0*y0*y3" in simulated_rule(ThreeFactorRule("16*r*x0*y0"))  # 18 is 9 * 2


@pytest.mark.parametrize("dw", RULES)
def test_every_weight_saturates_exactly_on_the_simulator(dw):
    """What synapses of ours do: saturate(w + dw), whatever the engine draws for its rounding."""
    rule = ThreeFactorRule(dw)
    engine = LearningEngine(simulated_rule(rule))
    for (pre, post, r), random in itertools.product(CASES, (0.0, 0.5, 0.999)):
        wanted = np.clip(EVEN + rule.change(pre, post, r), -254, 254)
        assert np.array_equal(engine.learn(EVEN, pre, post, r, random), wanted), (pre, post, r, random)


@pytest.mark.parametrize("dw", [dw for dw in RULES if "254" not in dw and "508" not in dw])
def test_the_chips_rule_is_the_same_away_from_the_limits(dw):
    rule = ThreeFactorRule(dw)
    engine = LearningEngine(chip_rule(rule))
    reach = sum(abs(c) for r in (0, 1) for c in rule.coefficients(r))
    inside = abs(EVEN) <= 254 - reach
    for (pre, post, r), random in itertools.product(CASES, (0.0, 0.999)):
        found = engine.learn(EVEN, pre, post, r, random)
        assert np.array_equal(found[inside], (EVEN + rule.change(pre, post, r))[inside]), (pre, post, r)


def test_the_chips_rule_differs_at_saturation_only():
    """What the longer rule is for: with the authors' own rule Lava lets -254 fall to -256, and 254 is 253 at times."""
    engine = LearningEngine(chip_rule(ThreeFactorRule(PAPER_RULE)))
    for r, random in itertools.product((0, 1), (0.0, 0.999)):
        for weight, found in zip(EVEN, engine.learn(EVEN, 1, 1, r, random), strict=True):
            if weight == -254 and r == 0:
                assert found == -256
            elif weight >= 252 and r == 1:
                assert found == (254 if random == 0.0 else 253)
            else:
                assert found == weight + 4 * r - 2


@pytest.mark.parametrize("dw", RULES)
@pytest.mark.parametrize("write", [chip_rule, simulated_rule])
def test_lava_reads_them(dw, write):
    """Its parser refuses factors and exponents that the engine does not have."""
    assert learning_rule(write(ThreeFactorRule(dw))).dw.products


@pytest.mark.parametrize("dw", RULES)
@pytest.mark.parametrize("write", [chip_rule, simulated_rule])
def test_rules_keep_to_the_limits_of_the_engine(dw, write):
    """Mantissas of 4 bits with their sign, exponents of -7 .. 9, learning epochs of up to 63 steps (Lava 0.10.0)."""
    rule = learning_rule(write(ThreeFactorRule(dw)))
    for product in rule.dw.products:
        assert -8 <= product.s_mantissa < 8
        # The engine keeps 7 bits below a weight; Lava adds them to the exponent that was written.
        assert -7 <= product.s_exp - 7 <= 9
    assert 1 <= rule.t_epoch <= 63


def test_what_an_engine_cannot_do():
    with pytest.raises(RuleError, match=r"changes a weight by 510 where x0 = 1, y0 = 1 and r = 1.*limit it is 508"):
        chip_rule(ThreeFactorRule("510*r*x0*y0"))
    with pytest.raises(RuleError, match="changes no weight while r is 0 or 1"):
        simulated_rule(ThreeFactorRule("2*r*x0*y0 - 2*r**2*x0*y0"))
