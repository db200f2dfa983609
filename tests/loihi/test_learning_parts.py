"""A lowered network that learns, cut into parts; its programs as files; and what embedded processors compute."""

import re

import numpy as np
import pytest

from lava_nbp.errors import InputError, MissingLoihiError
from lava_nbp.eventprop.clocked.arithmetic import FixedPoint
from lava_nbp.eventprop.clocked.engine import ClockedEngine
from lava_nbp.eventprop.clocked.setup import Setup
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.eventprop.losses import TTFSLoss
from lava_nbp.loihi.embedded import EmbeddedLearning, Learned
from lava_nbp.loihi.learning_parts import groups_of, pairs
from lava_nbp.loihi.program_files import program_files, write_programs
from lava_nbp.loihi.programs.learning import Synapses, lower_learning

C = FixedPoint(NeuronParameters(), 1.0, 12.0, coefficient_bits=16, adjoint_bits=16, neuron="loihi")


def made(optimizer="adam"):
    rng = np.random.default_rng(0)
    weights = [rng.normal(3.5, 0.7, (4, 6)), rng.normal(1.4, 0.7, (6, 3))]
    return ClockedEngine(weights, Setup(C, TTFSLoss(tau0=1.0), optimizer=optimizer))


# ------------------------------------------------------------------------ groups


def test_groups_have_the_ports_that_the_network_needs():
    groups = {group.name: group for group in groups_of(lower_learning(made()))}
    assert {name: group.ports for name, group in groups.items()} == {
        "input": {"start_in": 1, "spikes_in": 4},
        "hidden1": {"a_in": 6, "adjoint_in": 6, "start_in": 1},
        "output": {"a_in": 3, "adjoint_in": 3, "start_in": 1},
        "loss": {"s_in": 3, "start_in": 1, "label_in": 3},
    }
    assert {name: group.sends for name, group in groups.items()} == {
        "input": ("s_out",), "hidden1": ("s_out", "lI_out"), "output": ("s_out", "adjoint_out", "lI_out"),
        "loss": ("adjoint_out",),
    }  # fmt: skip
    assert [p.name for p in groups["loss"].populations] == ["loss", "decay", "late"]


def test_every_synapse_leads_to_one_group():
    lowered = lower_learning(made())
    assert sorted(s.name for group in groups_of(lowered) for s in group.synapses) == sorted(
        s.name for s in lowered.synapses
    )


@pytest.mark.parametrize(
    ("pattern", "n_pre", "n_post", "found"),
    [
        ("all", 1, 3, [(0, 0), (0, 1), (0, 2)]),
        ("matrix", 2, 2, [(0, 0), (0, 1), (1, 0), (1, 1)]),
        ("one-to-one", 2, 2, [(0, 0), (1, 1)]),
        ("to-first", 3, 4, [(0, 0), (1, 0), (2, 0)]),
        ("to-next", 3, 3, [(0, 1), (1, 2)]),
    ],
)
def test_patterns_as_pairs(pattern, n_pre, n_post, found):
    ends = pairs(Synapses("s", "a", "s_out", "b", "s_in", pattern), n_pre, n_post)
    assert list(zip(*(end.tolist() for end in ends), strict=True)) == found


# ------------------------------------------------------------------------- files


def test_programs_are_written_and_found_beside_their_listings(tmp_path, monkeypatch):
    lowered = lower_learning(made())
    monkeypatch.setenv("LAVA_NBP_PROGRAMS", str(tmp_path))
    files = write_programs(lowered, tmp_path)
    assert [file.name for file in files] == [f"{p.name}.txt" for p in lowered.populations]
    assert files[1].read_text() == lowered.population("hidden1").program.listing() + "\n"
    with pytest.raises(MissingLoihiError, match="input.dasm is not there: write the listings with .*NAME.dasm"):
        program_files(lowered)
    for file in files:
        file.with_suffix(".dasm").write_text("")
    with pytest.raises(MissingLoihiError, match="learns on embedded processors, but .*embedded_learner.c is not there"):
        program_files(lowered)
    (tmp_path / "embedded_learner.c").write_text("")
    found = program_files(lowered)
    assert found == {
        **{p.name: str(tmp_path / f"{p.name}.dasm") for p in lowered.populations},
        "embedded_learner.c": str(tmp_path / "embedded_learner.c"),
    }
    assert program_files(lower_learning(made("sgd"))) == found  # weights and optimizers are in no program
    with pytest.raises(MissingLoihiError, match="hidden1.txt is the program of another network, or of other neurons"):
        program_files(lower_learning(made(), room=5))


@pytest.mark.parametrize("folder", [None, "", "no such folder"])
def test_without_a_folder_one_clear_error(folder, monkeypatch):
    monkeypatch.delenv("LAVA_NBP_PROGRAMS", raising=False)
    if folder is not None:
        monkeypatch.setenv("LAVA_NBP_PROGRAMS", folder)
    with pytest.raises(MissingLoihiError, match=re.escape(f"LAVA_NBP_PROGRAMS is {folder!r}: write the listings")):
        program_files(lower_learning(made()))


def test_what_is_no_lowered_network_has_no_programs(tmp_path):
    with pytest.raises(InputError, match="lowered"):
        write_programs(made(), tmp_path)


# --------------------------------------------------------- embedded processors


def learning(engine, batch):
    lowered = lower_learning(engine)
    learned = [Learned(*one) for one in zip(lowered.learned, engine.arithmetic, engine.optimizers, strict=True)]
    return EmbeddedLearning(learned, lowered.clock, batch, 0.05), lowered.clock.period


def play(own, period, replays):
    """One sample, in which input 1 and hidden neuron 2 replay in some steps; whether it ended where it should."""
    silent = {"W1": (np.zeros(4, int), np.zeros(6, int)), "W2": (np.zeros(6, int), np.zeros(3, int))}
    ends = []
    for t in range(period + 4):
        said = silent
        if t in replays:
            said = {"W1": (np.eye(4, dtype=int)[1], np.full(6, 7)), "W2": (2 * np.eye(6, dtype=int)[2], np.arange(3))}
        ends.append(own.step(t == 0, said))
    return np.flatnonzero(ends).tolist() == [period + 1]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_weights_follow_after_a_batch(optimizer):
    engine = made(optimizer)
    own, period = learning(engine, batch=2)
    for batch in range(2):
        assert play(own, period, [period - 5])
        assert own.end(lost=False) == {}
        assert play(own, period, [period - 5, period])
        gradients = [np.zeros((4, 6), int), np.zeros((6, 3), int)]
        gradients[0][1], gradients[1][2] = -21, [0, -6, -12]
        for one, g in zip(own.gradients.values(), gradients, strict=True):
            assert np.array_equal(one, g)
        written = own.end(lost=False)
        for g, mine in zip(engine.gradients, gradients, strict=True):
            g[...] = mine
        engine.learn(2, 0.05)
        for k, name in enumerate(("W1", "W2")):
            assert np.array_equal(own.masters[name], engine.masters[k]), batch
            assert np.array_equal(written[name], engine.forward_weights[k] >> engine.exponents[k])


def test_a_started_optimizer_goes_on():
    """Adam's means are taken over with the weights."""
    engine = made()
    engine.gradients[0][...] = 900
    engine.learn(1, 0.05)
    own, period = learning(engine, batch=1)
    play(own, period, [period - 5])
    own.end(lost=False)
    for g, mine in zip(engine.gradients, own.gradients.values(), strict=True):
        g[...] = mine
    before = engine.masters[0].copy()
    engine.learn(1, 0.05)
    assert np.array_equal(own.masters["W1"], engine.masters[0])
    assert not np.array_equal(before, engine.masters[0])


def test_nothing_is_learned_from_a_sample_that_lost_spikes_nor_after_it():
    own, period = learning(made(), batch=1)
    before = {name: m.copy() for name, m in own.masters.items()}
    for lost in (True, False):
        assert play(own, period, [period - 5])
        assert own.end(lost) == {}
        for name, m in own.masters.items():
            assert np.array_equal(m, before[name])


def test_without_learning_a_gradient_is_that_of_one_sample():
    own, period = learning(made(), batch=0)
    for _ in range(2):
        play(own, period, [period - 5])
        assert own.end(lost=False) == {}
        assert own.gradients["W1"][1].tolist() == [-7] * 6
