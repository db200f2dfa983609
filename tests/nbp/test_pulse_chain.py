"""One pulse through a chain: where it is in every step, and what is reported when it is not."""

import numpy as np
import pytest

from lava_nbp.errors import InputError
from lava_nbp.nbp.pulse_chain import PulseChain


def phases(chain, steps, starts=()):
    """Gating neurons that fire in every step, start spikes arriving in the steps of `starts` (from 1)."""
    fired = []
    for step in range(1, steps + 1):
        fired.append(np.flatnonzero(chain.fire()).tolist())
        chain.start([int(step in starts)])
    return fired


def test_a_ring_goes_round_for_ever():
    chain = PulseChain(3, started=True)
    assert phases(chain, 7) == [[0], [1], [2], [0], [1], [2], [0]]
    assert chain.faults == []
    assert (chain.counters.spikes[0], chain.counters.synaptic_events[0]) == (7, 7)


def test_a_start_spike_takes_a_step():
    assert phases(PulseChain(3), 5, starts={2}) == [[], [], [0], [1], [2]]


def test_a_line_runs_once_per_start():
    chain = PulseChain(2, ring=False)
    assert phases(chain, 8, starts={1, 5}) == [[], [0], [1], [], [], [0], [1], []]
    assert chain.faults == []
    assert (chain.counters.spikes[0], chain.counters.synaptic_events[0]) == (4, 2)


def test_repeats():
    chain = PulseChain(2, repeats=2)
    assert phases(chain, 11, starts={1, 6}) == [[], [0], [1], [0], [1], [], [0], [1], [0], [1], []]
    assert chain.faults == []


def test_a_ring_of_one():
    assert phases(PulseChain(1, started=True), 3) == [[0]] * 3
    assert phases(PulseChain(1, repeats=2), 4, starts={1}) == [[], [0], [0], []]


def test_a_lost_pulse_is_reported_with_step_and_phase():
    chain = PulseChain(3, started=True)
    chain.alive[1] = 0
    assert phases(chain, 4) == [[0], [], [], []]
    assert [tuple(fault) for fault in chain.faults] == [(2, "lost", 1)]
    assert str(chain.faults[0]) == "step 2: the pulse was lost at gating neuron 1"
    assert (chain.lost.item(), chain.doubled.item()) == (1, 0)
    chain.alive[1] = 1
    assert phases(chain, 2, starts={1}) == [[], [0]]


def test_a_doubled_pulse_is_reported_once():
    chain = PulseChain(4, started=True)
    assert phases(chain, 6, starts={2}) == [[0], [1], [0, 2], [1, 3], [0, 2], [1, 3]]
    assert [tuple(fault) for fault in chain.faults] == [(3, "doubled", 0)]
    assert (chain.lost.item(), chain.doubled.item()) == (0, 1)


def test_a_start_spike_that_meets_the_pulse_is_no_second_one():
    chain = PulseChain(2, started=True)
    assert phases(chain, 4, starts={2}) == [[0], [1], [0], [1]]
    assert chain.faults == []


def test_reset():
    chain = PulseChain(3, started=True)
    chain.alive[1] = 0
    phases(chain, 5)
    chain.alive[1] = 1
    chain.reset()
    assert chain.faults == []
    assert phases(chain, 3) == [[0], [1], [2]]


def test_many_faults_are_all_counted():
    chain = PulseChain(2, started=False)
    chain.alive[0] = 0
    phases(chain, 400, starts=set(range(1, 400)))
    assert chain.lost.item() == 399
    assert len(chain.faults) == 256


@pytest.mark.parametrize("n", [0, -1, 2.0, True, None])
def test_impossible_lengths(n):
    with pytest.raises(InputError, match=f"gating neurons of a chain is {n!r}, but must be an integer in 1 .. 1048576"):
        PulseChain(n)


def test_impossible_repeats():
    with pytest.raises(InputError, match="repeats is 0, but must be an integer of 1 or more"):
        PulseChain(2, repeats=0)
    with pytest.raises(InputError, match="a line runs once per start"):
        PulseChain(2, ring=False, repeats=3)
