"""Capacities are data: each has a source that the module names, and what we lower stays inside."""

import pytest
from lava.magma.core.learning.constants import W_ACCUMULATOR_U, W_S_MANT, W_TRACE

from lava_nbp.base import widths as limits
from lava_nbp.base.widths import BOARDS, LOIHI1, LOIHI2
from lava_nbp.loihi.lowering import CHIP_RULE, SIMULATED_RULE
from lava_nbp.loihi.stock import learning_rule


@pytest.mark.parametrize("chip", [LOIHI1, LOIHI2], ids=lambda c: c.name)
def test_every_capacity_has_a_source(chip):
    for name, capacity in chip.capacities().items():
        assert capacity.value >= 0, name
        for source in capacity.source.split(", "):
            assert f"[{source}]" in limits.__doc__, name
        assert capacity.published or capacity.note, name


def test_boards():
    assert {name: board.cores for name, board in BOARDS.items()} == {
        "loihi1": 128, "loihi2": 120, "oheogulch": 120, "kapohopoint": 960, "nahuku32": 4096,
    }  # fmt: skip
    assert LOIHI1.neurocores.value * LOIHI1.neurons.value == LOIHI1.neurons_per_chip.value


def test_widths_are_those_of_lavas_learning_engine():
    assert limits.TRACE_BITS == W_TRACE
    assert limits.ACCUMULATOR_BITS == W_ACCUMULATOR_U
    assert limits.RULE_MANTISSA_BITS == W_S_MANT


@pytest.mark.parametrize("dw", [CHIP_RULE, SIMULATED_RULE])
def test_learning_rules_keep_to_the_limits(dw):
    rule = learning_rule(dw)
    low, high = limits.RULE_EXPONENTS
    half = 1 << (limits.RULE_MANTISSA_BITS - 1)
    for product in rule.dw.products:
        assert -half <= product.s_mantissa < half
        # The engine keeps 7 bits below a weight; Lava adds them to the exponent that was written.
        assert low <= product.s_exp - 7 <= high
    assert rule.t_epoch <= limits.LEARNING_EPOCH_MAX
