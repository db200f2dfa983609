"""What defines a clocked network is checked where it is written."""

import pytest

from lava_nbp.errors import InputError
from lava_nbp.eventprop.clocked.arithmetic import REGISTER_MAX, FixedPoint
from lava_nbp.eventprop.clocked.losses import TTFSTables
from lava_nbp.eventprop.clocked.setup import Control, Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.policies import SilentPolicy

C = FixedPoint(NeuronParameters(), 1.0, 40.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"silent": SilentPolicy("bump")}, "silent policy is 'bump', but a clocked network has only none and phantom"),
        ({"silent": "none"}, "setup: silent is 'none', but must be a SilentPolicy"),
        ({"loss": "ttfs"}, "setup: loss is 'ttfs', but must be a TTFSLoss or a MaxVoltageLoss or a MeanVoltageLoss"),
        (
            {"loss": MeanVoltageLoss(gain=513)},
            "gain of a clocked network's loss is 513.0, but must be more than 0, and 512",
        ),
        (
            {"loss": MeanVoltageLoss(gain=300), "c": FixedPoint(NeuronParameters(theta=2.0), 1.0, 40.0)},
            "gain of a clocked network's loss is 300.0, but must be more than 0, and 256 at most",
        ),
        ({"c": None}, "setup: c is None, but must be a FixedPoint"),
        ({"loss": TTFSLoss(tau0=1e-3)}, "tau0 of a clocked network's loss is 0.001, but must be 0.0019"),
        (
            {"silent": SilentPolicy("phantom", 1e5)},
            "strength of the silent policy is 100000.0, but must be in 0 .. 10240",
        ),
        (
            {"loss": MaxVoltageLoss(), "silent": SilentPolicy("phantom")},
            "with a loss of voltages the output layer only",
        ),
        ({"optimizer": object()}, "optimizer is <object"),
        ({"optimizer": "adma"}, "optimizer is 'adma', but must be one of adam, sgd"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Setup(**{"c": C, "loss": TTFSLoss(), **options})


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf"), "1", None, True])
def test_rates_that_are_refused(rate):
    control = Control(2, 0.5)
    with pytest.raises(InputError, match="rate is .*, but must be positive and finite"):
        control.set(1, rate)
    for batch in (-1, 1.0, True):
        with pytest.raises(InputError, match="samples per update is"):
            control.set(batch, 0.1)
    assert (control.batch[0], control.rate[0]) == (2, 0.5)


def test_late_steps_saturate_without_a_word():
    """exp(end / tau1) is no number here; where alpha is 0 nothing is added."""
    c = FixedPoint(NeuronParameters(), 1.0, 10_000.0)
    assert TTFSTables.of(TTFSLoss(), c).late[-1] == REGISTER_MAX
    assert not TTFSTables.of(TTFSLoss(alpha=0), c).late.any()
