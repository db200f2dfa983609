"""Widths are those of the simulator of the chip."""

from lava_nbp.base import widths

from lava.magma.core.learning.constants import W_TRACE, W_WEIGHTS_U


def test_widths_are_those_of_lavas_learning_engine():
    assert widths.TRACE_BITS == W_TRACE
    assert widths.WEIGHT_BITS == W_WEIGHTS_U
