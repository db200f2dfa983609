"""What defines a clocked network is checked where it is written."""

import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy

C = FixedPoint(NeuronParameters(), 1.0, 40.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"silent": SilentPolicy("bump")}, "silent policy is 'bump', but a clocked network has only none and phantom"),
        ({"optimizer": "adma"}, "optimizer is 'adma', but must be one of adam, sgd"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Setup(C, TTFSLoss(), **options)
