"""What a Process was made with cannot be rebound: its models have been told, and would not see it."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.processes import GatedLIF, HebbianDense, SynfireChain


@pytest.mark.parametrize(
    ("make", "name", "cure"),
    [
        (lambda: HebbianDense(np.zeros((2, 1), int)), "rule", "make a new HebbianDense"),
        (lambda: HebbianDense(np.zeros((2, 1), int)), "synapses", "make a new HebbianDense"),
        (lambda: HebbianDense(np.zeros((2, 1), int)), "weights", r"use weights.set\(value\)"),
        (lambda: GatedLIF((2,)), "bias", "make a new GatedLIF"),
        (lambda: GatedLIF((2,)), "n_gates", "make a new GatedLIF"),
        (lambda: GatedLIF((2,)), "s_out", "make a new GatedLIF"),
        (lambda: GatedLIF((2,)), "name", "make a new GatedLIF"),
        (lambda: SynfireChain(2), "strict", "make a new SynfireChain"),
        (lambda: SynfireChain(2), "alive", r"use alive.set\(value\)"),
    ],
)
def test_what_would_be_ignored_is_refused(make, name, cure):
    process = make()
    with pytest.raises(InputError, match=f"{type(process).__name__}.{name} cannot be set once .*; {cure}"):
        setattr(process, name, 1)


def test_a_process_of_ones_own_may_keep_what_is_its_own():
    class Mine(GatedLIF):
        def __init__(self):
            super().__init__((2,))
            self._count = 0

    process = Mine()
    process.note, process._count = "mine", 1
    assert (process.note, process._count) == ("mine", 1)
    with pytest.raises(InputError, match="Mine.bias cannot be set"):
        process.bias = 3
