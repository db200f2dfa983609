"""What a placement uses: hand-computed, and never less than counting neuron by neuron finds."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_nbp.loihi.boards import BOARDS, LOIHI1, LOIHI2, Board, Capacity
from lava_nbp.loihi.lowering import lower
from lava_nbp.loihi.placement import paper_placement
from lava_nbp.loihi.plan import PLACEMENTS, Plan, place
from lava_nbp.loihi.resources import Slice, list_bits, usage
from lava_nbp.nbp.mask import Mask
from lava_nbp.nbp.paper import inference_circuit, training_circuit


def test_list_bits_by_hand():
    assert list_bits(LOIHI1, 1, False) == 64  # 8 + 10 bits, a word
    assert list_bits(LOIHI1, 6, False) == 64  # 48 + 10
    assert list_bits(LOIHI1, 7, False) == 128  # 56 + 10
    assert list_bits(LOIHI1, 64, False) == 576  # 512 + 10
    assert list_bits(LOIHI1, 65, False) == 640  # a block more
    assert list_bits(LOIHI1, 4, True) == 128  # 4 * 14 + 10 = 66


def test_a_list_with_gaps_says_whom_it_reaches_by_hand():
    assert list_bits(LOIHI1, 1, False, indexed=True) == 64  # 18 + 10 bits
    assert list_bits(LOIHI1, 3, False, indexed=True) == 64  # 54 + 10
    assert list_bits(LOIHI1, 4, False, indexed=True) == 128  # 72 + 10
    assert list_bits(LOIHI1, np.array([0, 1, 64, 65]), False, indexed=True).tolist() == [0, 64, 1216, 1280]


def test_a_small_masked_network_by_hand():
    """x (3) on core 0; h1 (4) half on core 1, half on core 2; synapses 0-0, 0-1, 1-3 and 2-2, 2-3."""
    circuit = inference_circuit(3, 4, 2)
    mask = Mask(((0, 0, 2), (1, 3, 1), (2, 2, 2)))
    lowered = lower(replace(circuit, matrices=(replace(circuit.matrices[0], mask=mask), circuit.matrices[1])))
    placement = {
        "chain": (Slice(3, 0, 4),),
        "x": (Slice(0, 0, 3),),
        "h1": (Slice(1, 0, 2), Slice(2, 2, 2)),
        "o": (Slice(3, 0, 2),),
    }
    used = usage(lowered, placement, LOIHI1, 4)
    # core 1: the gate and x0; core 2: the gate, x1 and x2.
    assert used["input_axons"].tolist()[1:3] == [1 + 1, 1 + 2]
    assert used["output_axons"].tolist()[:1] == [3]
    assert used["synapse_memory"].tolist()[1:3] == [2 * 64, 3 * 64]
    plan = Plan(lowered, BOARDS["loihi1"], "packed", placement)
    rows = {row["connection"]: row for row in plan.connection_rows()}
    assert (rows["W1"]["synapses"], rows["W1"]["input_axons"], rows["W1"]["synapse_memory"]) == (5, 3, 3 * 64)
    full = Plan(lower(circuit), BOARDS["loihi1"], "packed", placement)
    assert plan.estimate.millijoules < full.estimate.millijoules


def test_a_small_inference_network_by_hand():
    """x (2) and h1 (3) on core 0, o (2) and the chain (4) on core 1."""
    lowered = lower(inference_circuit(2, 3, 2))
    placement = {
        "chain": (Slice(1, 0, 4),),
        "x": (Slice(0, 0, 2),),
        "h1": (Slice(0, 0, 3),),
        "o": (Slice(1, 0, 2),),
    }
    used = usage(lowered, placement, LOIHI1, 2)
    assert used["neurons"].tolist() == [5, 6]
    # core 0: 2 inputs, gates of x and h1, W1 from 2; core 1: the ring of 4, the gate of o, W2 from 3.
    assert used["input_axons"].tolist() == [2 + 2 + 2, 4 + 1 + 3]
    # core 0: x -> h1 (2), h1 -> o (3); core 1: ring (4), gates (3).
    assert used["output_axons"].tolist() == [2 + 3, 4 + 3]
    assert used["synapse_memory"].tolist() == [6 * 64, 8 * 64]


def test_the_authors_placement_takes_the_papers_81_neurocores():
    lowered = lower(training_circuit(400, 400, 10, chip_order=True))
    placement = paper_placement(lowered)
    assert {s.size for s in placement["h1"][:-1]} == {6}
    assert len({s.core for slices in placement.values() for s in slices}) == 81


def count(lowered, placement, n_cores):
    """Usage, neuron by neuron, from the matrices of the lowered circuit."""
    core_of = {
        (group, s.first + k): s.core for group, slices in placement.items() for s in slices for k in range(s.size)
    }
    sizes = {g.name: g.size for g in lowered.groups}
    assert len(core_of) == sum(sizes.values())  # every neuron has one place
    matrices = [(f.name, f.pre, f.post, f.matrix(), 6 * (f.delay > 0)) for f in lowered.fixed]
    matrices += [("ring", "chain", "chain", lowered.ring.matrix(), 0)]
    matrices += [(i.name, None, i.post, np.eye(sizes[i.post]), 0) for i in lowered.inputs]
    for d in lowered.dense:
        shape = sizes[d.pre], sizes[d.post]
        there = np.ones(shape) if d.mask is None else d.mask.matrix(shape)
        matrices.append((d.name, d.pre, d.post, there.T, 0 if d.mask is None else 10))
    used = {name: [0] * n_cores for name in ("neurons", "input_axons", "output_axons", "synapse_memory")}
    for core in core_of.values():
        used["neurons"][core] += 1
    for _, pre, post, matrix, delay_bits in matrices:
        lists = defaultdict(int)  # (neuron of pre, core of post): synapses
        for j, i in np.argwhere(matrix):
            lists[int(i), core_of[post, int(j)]] += 1
        for (i, core), synapses in lists.items():
            used["input_axons"][core] += 1
            while synapses > 0:
                bits = 10 + min(synapses, 64) * (8 + delay_bits)
                used["synapse_memory"][core] += 64 * ((bits + 63) // 64)
                synapses -= 64
            if pre is not None:
                used["output_axons"][core_of[pre, i]] += 1
    return used


def masked(circuit, share):
    """A circuit with so many of the synapses of its first matrix, at random."""
    if share == 1:
        return circuit
    first = circuit.matrices[0]
    there = np.random.default_rng(0).random(first.shape) < share
    there[0, 0] = True
    return replace(circuit, matrices=(replace(first, mask=Mask.of(there)), *circuit.matrices[1:]))


@given(
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 90), st.integers(1, 12)),
    learning=st.booleans(),
    share=st.sampled_from([0.05, 0.4, 1.0]),
    loihi2=st.booleans(),
    limits=st.tuples(st.integers(3, 300), st.integers(20, 800), st.integers(20, 800), st.integers(1, 500)),
    cores=st.integers(1, 100),
    placement=st.sampled_from(PLACEMENTS),
)
@settings(max_examples=150, deadline=None)
def test_a_plan_never_says_fits_where_a_limit_is_broken(sizes, learning, share, loihi2, limits, cores, placement):
    circuit = training_circuit(*sizes, chip_order=True) if learning else inference_circuit(*sizes)
    lowered = lower(masked(circuit, share))
    neurons, inputs, outputs, words = limits
    chip = replace(
        LOIHI2 if loihi2 else LOIHI1,
        neurocores=Capacity(cores, "test"),
        neurons=Capacity(neurons, "test"),
        input_axons=Capacity(inputs, "test"),
        output_axons=Capacity(outputs, "test"),
        synapse_memory=Capacity(64 * words, "test"),
    )
    if loihi2:
        chip = replace(chip, core_memory=Capacity(64 * 4 * words, "test"))
    plan = place(lowered, Board("test", chip, 1, "test"), placement)
    last = max(s.core for slices in plan.placement.values() for s in slices)
    used = count(lowered, plan.placement, last + 1)
    broken = last >= cores
    for name, limit in (("neurons", neurons), ("input_axons", inputs), ("output_axons", outputs)):
        broken |= max(used[name]) > limit
    broken |= max(used["synapse_memory"]) > 64 * words
    if loihi2:
        m, n, i, o = (np.array(used[k]) for k in ("synapse_memory", "neurons", "input_axons", "output_axons"))
        broken |= bool((m + 192 * n + 32 * (i + o) > 64 * 4 * words).any())
    assert not (plan.fits and broken)
    assert plan.fits == (plan.problems == ())


@pytest.mark.parametrize("board", sorted(BOARDS))
@pytest.mark.parametrize("placement", PLACEMENTS[1:])
@pytest.mark.parametrize("share", [0.05, 1.0])
def test_the_count_is_exact_where_slices_of_a_group_do_not_share_a_core(board, placement, share):
    lowered = lower(masked(training_circuit(30, 100, 7, chip_order=True), share))
    plan = place(lowered, BOARDS[board], placement)
    used = count(lowered, plan.placement, len(plan.used["neurons"]))
    for name, found in used.items():
        assert np.array_equal(plan.used[name], found), name


def test_slices_end_with_a_members_units():
    """Three members of 40 and 20: a slice of h2 that began in one and ended in the next would hear 80 units of h1."""
    circuit = training_circuit(layers=(20, 40, 20, 4), members=3, margin=1024)
    chip = replace(LOIHI1, input_axons=Capacity(100, "test"))
    lowered = lower(circuit)
    plan = place(lowered, Board("test", chip, 1, "test"), "packed")
    assert plan.fits
    assert [s.size for s in plan.placement["h2"]] == [15, 5] * 3
    assert [s.size for s in plan.placement["h1_T"]] == [24, 16] * 3
    # Outputs of a class stand side by side, one of each member: their columns have no blocks, and one slice holds all.
    assert [s.size for s in plan.placement["o"]] == [12]
    used = count(lowered, plan.placement, len(plan.used["neurons"]))
    assert max(used["input_axons"]) <= 100
