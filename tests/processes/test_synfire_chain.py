"""SynfireChain on Lava: phases, starts, faults, and what a dead gating neuron does."""

import numpy as np
import pytest
from feeding import feed

from lava_nbp.errors import InputError, RuntimeFailure
from lava_nbp.on_lava.runtime import LavaRuntime
from lava_nbp.processes import SynfireChain

from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink


def phases(rows):
    return [np.flatnonzero(row).tolist() for row in rows]


def test_ring_started_by_a_spike_with_an_output_per_phase(way):
    chain = SynfireChain(3)
    found = feed(chain, {"start_in": [[0], [1]]}, ["s_out", "phase0_out", "phase2_out"], steps=7)
    assert phases(found["s_out"]) == [[], [], [0], [1], [2], [0], [1]]
    assert found["phase0_out"].ravel().tolist() == [0, 0, 1, 0, 0, 1, 0]
    assert found["phase2_out"].ravel().tolist() == [0, 0, 0, 0, 1, 0, 0]
    assert chain.faults == []
    assert chain.phase(2) is chain.phase2_out


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"ring": False}, [[], [0], [1], [], [], []]), ({"repeats": 2}, [[], [0], [1], [0], [1], []])],
)
def test_line_and_repeats(options, expected, way):
    found = feed(SynfireChain(2, **options), {"start_in": [[1]]}, ["s_out"], steps=6)
    assert phases(found["s_out"]) == expected


def test_chain_drives_chain(way):
    """The last phase of a line starts another."""
    first, second = SynfireChain(2, ring=False, autostart=True), SynfireChain(2, ring=False)
    first.phase(1).connect(second.start_in)
    found = feed(second, {}, ["s_out"], steps=5)
    assert phases(found["s_out"]) == [[], [], [0], [1], []]


def test_lost_and_doubled_pulses_are_reported(way):
    chain = SynfireChain(4, autostart=True)
    found = feed(chain, {"start_in": [[0], [1], [0]]}, ["s_out"], steps=4)
    assert phases(found["s_out"]) == [[0], [1], [0, 2], [1, 3]]
    assert [str(fault) for fault in chain.faults] == [
        "step 3: more than one pulse is under way, the first at gating neuron 0"
    ]
    assert chain.doubled.get().tolist() == [1]


def test_a_dead_neuron_loses_the_pulse_and_a_reset_starts_anew(way):
    chain, sink = SynfireChain(3, autostart=True), Sink(shape=(3,), buffer=9)
    chain.s_out.connect(sink.a_in)
    with LavaRuntime(chain, Loihi2SimCfg(select_tag="fixed_pt")) as runtime:
        runtime.run(3)
        chain.alive.set([1, 0, 1])
        runtime.run(3)
        assert [tuple(fault) for fault in chain.faults] == [(5, "lost", 1)]
        assert chain.lost.get().tolist() == [1]
        chain.alive.set(1)
        chain.reset()
        runtime.run(3)
        assert chain.faults == []
        assert phases(sink.data.get().T) == [[0], [1], [2], [0], [], [], [0], [1], [2]]


def test_strict_chains_end_the_run(way):
    chain = SynfireChain(3, autostart=True, strict=True, name="clock")
    with LavaRuntime(chain) as runtime:
        runtime.run(4)
        chain.alive.set(0, idx=2)
        with pytest.raises(RuntimeFailure, match="Process clock .* failed in step 6: .*lost at gating neuron 2"):
            runtime.run(4)


def test_wrong_arguments():
    with pytest.raises(InputError, match="gating neurons of a chain is 0, but must be an integer in 1 .. 1048576"):
        SynfireChain(0)
    chain = SynfireChain(3)
    with pytest.raises(InputError, match=r"phase 3 of a chain of 3: it must be in 0 .. 2"):
        chain.phase(3)
    with pytest.raises(InputError, match="SynfireChain.alive cannot hold 2, but integers in 0 .. 1"):
        chain.alive.set([1, 2, 1])
    with pytest.raises(InputError, match=r"SynfireChain.alive has shape \(3,\), but the value has \(2,\)"):
        chain.alive.set([1, 1])
    with pytest.raises(InputError, match="holds integers, but the value has dtype float64"):
        chain.alive.set(0.5, idx=1)
    with pytest.raises(InputError, match="can only be read"):
        chain.lost.set(0)
