"""Plans of experiments, runs and circuits, from their files and folders."""

from dataclasses import replace

import numpy as np
import pytest
from experiments import DIGITS, MAX_VOLTAGE, SLAYER, YINYANG, experiment, trained, write_bursts

from lava_nbp.errors import CheckpointError, ConfigError, DataError, InputError
from lava_nbp.eventprop import ClockedEngine
from lava_nbp.eventprop.trains import latency_trains
from lava_nbp.loihi.eventprop_lowering import lower_eventprop
from lava_nbp.loihi.plan import make_plan
from lava_nbp.loihi.programs.learning import LoweredLearning
from lava_nbp.nbp.circuit_file import save_circuit
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.runs.plan import plan_of

#: In the chip's arithmetic: 24 steps.
ON_CHIP = ("target=clocked", "clocked.neuron=loihi", "clocked.theta_bits=12", "encoding.end=48", "clocked.dt=2")
#: 784 inputs, of a data set that is not there.
MNIST = YINYANG.replace('name = "yinyang"\nsource = "generated"', 'name = "mnist"\nroot = "nowhere"')


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    return tmp_path


def planned(here, text, *settings, board="loihi1", **options):
    experiment(here, text)
    return plan_of(here / "config.toml", board, settings=settings, **options)


def test_spikes_are_counted_on_the_test_set_with_the_weights_of_the_run(here):
    run = trained(here, YINYANG, *ON_CHIP, "network.initial_delay=[0, 6]")
    told = []
    plan, notes = plan_of(here / "run", "loihi1", stage=lambda *at: told.append(at))
    assert notes == ()
    assert told[-1] == ("spikes of the test set", 60, 60)
    w, delays = run.weights, run.weights["D2"] + (1 << 19) >> 20
    engine = ClockedEngine(
        [np.ones((5, 20)), np.ones((20, 3))], run.config.setup, largest=[6.0, 6.0], delays=[None, delays]
    )
    engine.write_masters([w["W1"], w["W2"]])
    split = run.learner.dataset.test
    _, counts = engine.infer_counted(latency_trains(split.times(), 48.0))
    assert counts[0].sum() > 0
    assert plan.activity.groups == pytest.approx(
        {"hidden1": counts[0].sum() / (60 * 20), "output": counts[1].sum() / (60 * 3)}
    )
    assert plan.activity.input == 1.0  # four values and the bias
    assert plan.activity.steps == 24 + 2
    assert plan.activity.source == "counted on 60 test samples with the trained weights"
    assert plan.lowered.has_form_of(lower_eventprop(engine))
    for made, expected in zip(plan.lowered.matrices, lower_eventprop(engine).matrices, strict=True):
        assert np.array_equal(made.mantissas, expected.mantissas)
    assert plan.demand.longest_delay == delays.max() > 0
    assert replace(plan, activity=None).estimate != plan.estimate
    assert plan_of(here / "run", "loihi1", inference=True)[0].as_dict() == plan.as_dict()


def test_an_experiment_is_planned_with_its_initial_weights(here):
    plan, notes = planned(here, YINYANG, *ON_CHIP)
    assert notes == ()
    assert plan.demand.layers == (5, 20, 3)
    assert plan.activity.source == "counted on 60 test samples with the initial weights"
    larger, _ = planned(here, YINYANG, *ON_CHIP, "network.hidden=[30]", board="oheogulch", placement="packed")
    assert (larger.demand.layers, larger.n_cores, larger.board.name) == ((5, 30, 3), 1, "oheogulch")


def test_what_the_targets_of_chips_refuse_is_planned_and_said(here):
    plan, (note,) = planned(here, YINYANG, *ON_CHIP, "clocked.refractory=[2, 0]")
    assert [g.refractory for g in plan.demand.groups] == [3, 1]
    assert note.startswith("neurons 'hidden1' have a refractory period of 2 steps, for which lava-loihi is not known")


def test_resources_are_planned_without_data(here):
    plan, notes = planned(here, MNIST, *ON_CHIP)
    assert plan.fits
    assert plan.activity is None
    assert plan.demand.layers == (784 + 1, 20, 10)  # with the bias
    assert plan.acts.groups == {"hidden1": 1.0, "output": 1.0}
    (note,) = notes
    assert note.startswith("spikes are assumed, as nothing can be counted: ")
    assert "MNIST" in note
    assert planned(here, MNIST, *ON_CHIP, "data.side=14")[0].demand.layers == (197, 20, 10)
    # Sizes of a user's own file are known by reading it, and of recordings in groups of units.
    with pytest.raises(DataError, match="mine.npz"):
        planned(here, MNIST.replace('name = "mnist"\nroot = "nowhere"', 'name = "npz"\npath = "mine.npz"'), *ON_CHIP)
    recordings = MNIST.replace('"mnist"', '"shd"').replace("bias = 0\n", "")
    assert planned(here, recordings, *ON_CHIP)[0].demand.layers == (700, 20, 20)
    with pytest.raises(DataError):
        planned(here, recordings, *ON_CHIP, "data.group=7")


#: Answers by first spikes to bursts of five inputs, in the chip's arithmetic.
BURSTS = """
algorithm = "eventprop"
target = "clocked"
epochs = 1
[data]
name = "events"
path = "bursts.npz"
validation = 10
[encoding]
late = 70
end = 80
[network]
hidden = [12]
initial_mean = [1.2, 0.8]
initial_deviation = [0.6, 0.3]
[clocked]
neuron = "loihi"
theta_bits = 12
dt = 2
"""


def test_a_run_is_planned_without_its_data_but_not_with_others(here):
    write_bursts(here)
    trained(here, BURSTS)
    counted, notes = plan_of(here / "run", "loihi1")
    assert notes == ()
    assert counted.activity.input > 1  # bursts
    path = here / "bursts.npz"
    arrays = dict(np.load(path))
    path.unlink()
    assumed, notes = plan_of(here / "run", "loihi1")
    assert (assumed.activity, len(notes)) == (None, 1)
    assert assumed.as_dict()["cores"] == counted.as_dict()["cores"]
    np.savez(path, **{**arrays, "test_labels": arrays["test_labels"][::-1]})
    with pytest.raises(CheckpointError, match="belongs to a run on"):
        plan_of(here / "run", "loihi1")


def test_what_chips_do_not_have_is_refused_in_one_line(here):
    exact = "neurons of layer 1 are 'exact', whose arithmetic no chip has; train with clocked.neuron = 'loihi'"
    for name, settings in (("continuous", ()), ("clocked", ("target=clocked",))):
        (here / name).mkdir()
        trained(here / name, YINYANG, *settings, "epochs=1")
        with pytest.raises(InputError, match=exact):
            plan_of(here / name / "run", "loihi1")
        with pytest.raises(InputError, match=exact):
            planned(here, YINYANG, *settings)
    with pytest.raises(InputError, match="the outputs answer by voltages .* give outputs rungs"):
        planned(here, MAX_VOLTAGE, "target=clocked", "clocked.neuron=loihi")
    with pytest.raises(InputError, match="is an experiment of slayer, whose networks are no circuits and have no plan"):
        planned(here, SLAYER)
    with pytest.raises(InputError, match="placement is 'paper', how nBP's authors placed circuits, but eventprop is"):
        planned(here, YINYANG, *ON_CHIP, placement="paper")


def test_an_nbp_run_is_planned_as_its_experiment(here):
    trained(here, DIGITS, "epochs=1")
    (made, notes), (expected, same) = plan_of(here / "run", "loihi1"), planned(here, DIGITS)
    assert made.as_dict() == expected.as_dict()
    assert notes == same
    assert notes[0].startswith("the chip delivers spikes before it learns")
    answers, notes = plan_of(here / "run", "loihi1", inference=True)
    assert (answers.demand.name, answers.demand.learns, notes) == ("nbp-inference", False, ())
    assert "activity" not in made.as_dict()
    save_circuit(training_circuit(64, 20, 10), here / "mine.json")
    assert plan_of(here / "mine.json", "loihi1")[0].as_dict() == expected.as_dict()
    assert make_plan(training_circuit(64, 20, 10), "loihi1").as_dict() == expected.as_dict()


def test_settings_change_experiments_only(here):
    trained(here, DIGITS, "epochs=1")
    save_circuit(training_circuit(4, 3, 2), here / "mine.json")
    for name, kind in (("run", "run"), ("mine.json", "circuit")):
        with pytest.raises(InputError, match=f"--set seed=3 changes an experiment, but .*{name} is a {kind}; leave it"):
            plan_of(here / name, "loihi1", settings=["seed=3"])
    (here / "empty").mkdir()
    with pytest.raises(CheckpointError):
        plan_of(here / "empty", "loihi1")


def test_what_learns_is_planned_if_it_is_asked_for(here):
    """Neurons, buffers and messages of the network that learns, with the room that the file says."""
    settings = (*ON_CHIP, "loihi.room=3", "loihi.input_room=2", "clocked.coefficient_bits=16")
    trained(here, YINYANG, *settings)
    plan, notes = plan_of(here / "run", "loihi2", inference=False)
    lowered = plan.lowered
    assert isinstance(lowered, LoweredLearning)
    assert (lowered.room, lowered.form.input_room) == (3, 2)
    assert plan.fits
    assert plan.acts.steps == lowered.clock.period > 2 * 24
    assert plan.acts.source == "counted on 60 test samples with the trained weights"
    hidden = plan.acts.groups["hidden1"] - 24  # lI in every step; the rest are spikes and their replays
    answers, _ = plan_of(here / "run", "loihi2")
    assert hidden == pytest.approx(2 * answers.acts.groups["hidden1"])
    text = " ".join(notes)
    assert "3 spikes of a neuron and 2 of an input are kept of a sample (loihi.room, loihi.input_room)" in text
    assert f"{lowered.clock.pieces} steps of the chip go back" in text
    work = lowered.on_processors([plan.acts.input, hidden / 2, answers.acts.groups["output"]])
    assert f"at most {work['messages']:.0f} messages and {work['additions']:.0f} additions per sample" in text
    assert "no program has run on a chip" in text
    with pytest.raises(InputError, match="programs are there for TTFSLoss only"):
        planned(here, YINYANG, *settings, "loss.name=max_voltage", board="loihi2", inference=False)
    for what in ("loihi.room=0", "loihi.input_room=2000", "loihi.room=1.5"):
        with pytest.raises(ConfigError, match=what.split("=")[0]):
            planned(here, YINYANG, *ON_CHIP, what, board="loihi2", inference=False)


def test_what_learns_without_data(here):
    plan, notes = planned(here, MNIST, *ON_CHIP, "clocked.coefficient_bits=16", board="loihi2", inference=False)
    assert plan.activity is None
    assert plan.acts.groups["loss"] == 3
    assert notes[0].startswith("spikes are assumed, as nothing can be counted")
