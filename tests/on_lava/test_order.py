"""In which order models are begun with: permutations, no wait without a ring, few with one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_nbp import LavaRuntime
from lava_nbp.on_lava.order import find_order

from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF


def waits(order, needs, early):
    """How many have to wait, one running after the other as a domain runs them: played step by step."""
    sent, begun, waited = set(), [], 0

    def settle():
        while True:
            able = [k for k in begun if k not in sent and may_send(k)]
            if not able:
                return
            sent.update(able)

    def may_send(k):
        return needs[k] <= sent or (early[k] is not None and early[k] <= sent)

    for k in order:
        waited += not needs[k] <= sent
        begun.append(k)
        settle()
    return waited


def graphs(early):
    """Needs of up to 12 models, and what some of them need before they send."""

    def made(n, rng):
        needs = [set(rng.sample(range(n), rng.randint(0, min(n, 3)))) - {k} for k in range(n)]
        return needs, [
            set(rng.sample(sorted(s), rng.randint(0, len(s)))) if rng.random() < early else None for s in needs
        ]

    return st.builds(made, st.integers(1, 12), st.randoms(use_true_random=False))


@given(graphs(early=0.5))
def test_everybody_comes_once(graph):
    assert sorted(find_order(*graph)) == list(range(len(graph[0])))


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_nobody_waits_without_a_ring(n, rng):
    place = list(range(n))
    rng.shuffle(place)
    needs = [{j for j in range(n) if place[j] < place[k] and rng.random() < 0.4} for k in range(n)]
    early = [None] * n
    assert waits(find_order(needs, early), needs, early) == 0


def test_a_ring_is_begun_with_who_sends_before_it_waits():
    # LIF 0 -> Dense 1 -> LIF 2 -> Dense 3 -> LIF 0
    needs, early = [{3}, {0}, {1}, {2}], [None, set(), None, set()]
    order = find_order(needs, early)
    assert order[0] in (1, 3)
    assert waits(order, needs, early) == 1
    assert waits(range(4), needs, early) == 2  # LIF 0 waits for 3, and 1, which has sent, for 0


@pytest.mark.timeout(60)
def test_a_network_finds_its_order_and_computes_the_same():
    """A ring of 12 LIF and 12 Dense, connected against the order in which they are made."""

    def made():
        cells = [LIF(shape=(3,), vth=10, bias_mant=3, name=f"lif{k}") for k in range(12)]
        for k, cell in enumerate(cells):
            dense = Dense(weights=np.eye(3) * 8)
            cells[k - 1].s_out.connect(dense.s_in)
            dense.a_out.connect(cell.a_in)
        return cells

    found = []
    for in_process in (True, False):
        cells = made()
        with LavaRuntime(cells[0], in_process=in_process) as runtime:
            runtime.run(20)
            if in_process:
                scheduler = runtime._runtime._network.scheduler
                before = scheduler.waits
                runtime.run(10)
                assert scheduler.waits - before <= 10 * 2  # of 24
            else:
                runtime.run(10)
            found.append([cell.v.get() for cell in cells])
    assert np.array_equal(*found)
