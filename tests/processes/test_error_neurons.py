"""ErrorNeurons on Lava: the whole truth table."""

import itertools

import numpy as np
import pytest
from feeding import feed

import lava_nbp
from lava_nbp.errors import InputError
from lava_nbp.processes import ErrorNeurons

#: Every combination of s, lo, hi and target, impossible ones (s without lo) included.
TABLE = np.array(list(itertools.product((0, 1), repeat=4)))


@pytest.mark.parametrize("tag", ["fixed_pt", "floating_pt"])
def test_truth_table(tag, way):
    s, lo, hi, t = (np.array([column, np.zeros(16, int)]) for column in TABLE.T)
    error = ErrorNeurons((16,))
    if tag == "floating_pt":
        s, lo, hi, t = (spikes.astype(float) for spikes in (s, lo, hi, t))
    inputs = {"s_in": s, "lo_in": lo, "hi_in": hi, "t_in": t}
    found = feed(error, inputs, ["pos_out", "neg_out"], config=lava_nbp.run_config("lava", tag))
    pos = [int(t and not s and lo) for s, lo, hi, t in TABLE]
    neg = [int(s and not t and lo and not hi) for s, lo, hi, t in TABLE]
    assert sum(pos) == 2
    assert sum(neg) == 1
    assert found["pos_out"].tolist() == [[0] * 16, pos]
    assert found["neg_out"].tolist() == [[0] * 16, neg]
    assert error.breaches.get().item() == 0


def test_wrong_arguments():
    with pytest.raises(InputError, match="refractory is 0"):
        ErrorNeurons((2,), refractory=0)
    with pytest.raises(InputError, match="shape is 0"):
        ErrorNeurons(0)
