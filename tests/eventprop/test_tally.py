"""Counters by name."""

from lava_nbp.base.arrays import shared_zeros
from lava_nbp.eventprop.result import Result
from lava_nbp.eventprop.tally import Counts, Tally, since, total


def test_counts_are_what_a_result_says():
    counts = Counts(1, 2, 3, 4, 5, 6, 7)
    result = Result(said=None, **counts._asdict())
    assert all(getattr(result, name) == n for name, n in counts._asdict().items())


def test_of_the_most_spikes_the_largest_stays():
    tally = Tally(shared_zeros)
    tally.add(Counts(clipped=2, most_spikes=7))
    tally.add(Counts(clipped=1, saturated=4, most_spikes=5))
    assert tally.read() == Counts(clipped=3, saturated=4, most_spikes=7)
    assert total([tally.read(), Counts(silent_labels=1, most_spikes=9)]) == Counts(0, 0, 1, 3, 4, 9)
    assert total([Counts(deepest_layer=2), Counts(deepest_layer=1)]) == Counts(deepest_layer=2)
    assert since(Counts(clipped=2, most_spikes=8), Counts(clipped=5, most_spikes=6)) == Counts(clipped=3, most_spikes=6)
    tally.rewind()
    assert tally.read() == Counts(clipped=3, saturated=4)
