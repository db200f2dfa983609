"""Tables and the core map of plans of EventProp networks; those of circuits are in tests/loihi/test_plan.py."""

import io

import numpy as np
import pytest
from drawn import Drawn
from rich.console import Console

from lava_nbp.eventprop import ClockedEngine, FixedPoint, NeuronParameters, Setup, TTFSLoss
from lava_nbp.loihi.eventprop_lowering import lower_eventprop
from lava_nbp.loihi.plan import cures, make_plan
from lava_nbp.seeing.plan import core_map, print_plan


def network(delay=0, hidden=6):
    c = FixedPoint(NeuronParameters(20.0, 5.0), 1.0, 40.0, neuron="loihi")
    delays = [np.full((2, hidden), delay), None] if delay else None
    return lower_eventprop(
        ClockedEngine([np.ones((2, hidden)), np.ones((hidden, 3))], Setup(c, TTFSLoss()), delays=delays)
    )


def printed(plan):
    text = io.StringIO()
    print_plan(Console(width=300, file=text), plan, cures(plan))
    return text.getvalue()


def test_tables_say_what_was_counted_and_that_it_is_an_extrapolation():
    lowered = network()
    text = printed(make_plan(lowered, "loihi1", "packed", lowered.activity([0.5, 1.25, 0.1], "counted somewhere")))
    for part in (
        "eventprop 2-6-3 on loihi1 (1 x Loihi 1): 1 of 128 neurocores, 9 neurons, 30 synapses, 0 of them plastic",
        "placement packed",
        "calibrated on Renner et al. 2024: Loihi 1, 400-400-10); for such a network an extrapolation",
        "a sample takes 42 steps; spikes per neuron, counted somewhere: 0.5 of an input, 1.25 of hidden1, 0.1 of o",
    ):
        assert part in text
    assert "delays" not in text
    assumed = printed(make_plan(lowered, "loihi1"))
    assert "spikes per neuron, assumed, one of every input and neuron: 1 of an input, 1 of hidden1, 1 of" in assumed


def test_tables_say_what_delays_leave_room_for():
    assert "delays of up to 62 steps leave room for 128 neurons on a core, of 1024" in printed(
        make_plan(network(62), "loihi1")
    )
    assert "delays" not in printed(make_plan(network(6), "loihi1"))


@pytest.mark.parametrize(("placement", "cores"), [("packed", 1), ("spread", 6)])
def test_the_core_map_shows_who_is_where(tmp_path, monkeypatch, placement, cores):
    figures = Drawn(monkeypatch)
    plan = make_plan(network(), "loihi1", placement)
    core_map(plan, tmp_path / "plan.png")
    (axes, *_) = figures["plan"].axes
    texts = [text.get_text() for text in axes.texts]
    assert len(texts) == cores == plan.n_cores
    assert texts[0] == ("0\n6 hidden1\n3 output" if placement == "packed" else "0\n1 hidden1\n1 output")
    title = figures["plan"].get_suptitle()
    assert title == f"eventprop 2-6-3: {cores} neurocores of loihi1, {placement}"
