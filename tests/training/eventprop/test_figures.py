"""The check of a run's gradient: differences where parameters are free, and where they stand at their limits."""

import numpy as np
import pytest

from lava_nbp.eventprop.continuous.engine import EventPropEngine
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import MaxVoltageLoss, MeanVoltageLoss, TTFSLoss
from lava_nbp.eventprop.trains import spike_trains
from lava_nbp.training.eventprop.figures import differences

END = 60.0


@pytest.mark.parametrize("loss", [TTFSLoss(5.0, 20.0), MaxVoltageLoss(), MeanVoltageLoss(gain=3.0)])
@pytest.mark.parametrize("at", ["low", "high", "within"])
def test_gradients_are_differences_at_the_limits_too(loss, at):
    """Delays of exactly 0 or the longest, and time constants that are the least and the largest that are learned."""
    rng = np.random.default_rng(1)
    weights = [rng.normal(2.2, 0.5, (3, 4)), rng.normal(1.4, 0.5, (4, 3))]
    delays = {"low": 0.0, "high": 6.0, "within": 3.0}[at]
    limits = {"low": (20.0, 30.0), "high": (3.0, 20.0), "within": (1.0, 100.0)}[at]
    p = NeuronParameters(20.0, 20.0 if at == "low" else 5.0)
    engine = EventPropEngine(
        weights, p, loss, END, recurrent=[rng.normal(0, 0.4, (4, 4)), None],
        delays=[np.full((3, 4), delays), np.full(4, delays)], recurrent_delays=[np.full((4, 4), delays), None],
        longest_delay=6.0, constants_range=limits, delay_rate=1.0, constant_rate=1.0,
    )  # fmt: skip
    trains = spike_trains([(rng.uniform(0, 25, 9), rng.integers(0, 3, 9)) for _ in range(2)], 3, END)
    kept = [m.copy() for m in engine.matrices]
    found, expected = differences(engine, trains, np.array([0, 1]), 1)
    assert all(map(np.array_equal, kept, engine.matrices))
    _, gradients = engine.gradient(trains, np.array([0, 1]), np.array([1]))
    assert len(found) == sum(min(g.size, 40) for g in gradients)
    np.testing.assert_allclose(expected, found, rtol=1e-5, atol=1e-6 * np.abs(found).max())
    beside = [g for name, g in zip(engine.names, gradients, strict=True) if name[0] not in "WR"]
    assert all(g.any() for g in beside)


def test_what_cannot_move_is_not_checked():
    """The longest delay is 0: there is nothing to compare with."""
    engine = EventPropEngine(
        [np.full((1, 2), 9.0)], NeuronParameters(), TTFSLoss(), END, delays=[np.zeros((1, 2))], longest_delay=0.0,
        delay_rate=1.0,
    )  # fmt: skip
    found, expected = differences(engine, spike_trains([([1.0], [0])], 1, END), np.array([0]), 0)
    assert len(found) == len(expected) == 2  # weights
