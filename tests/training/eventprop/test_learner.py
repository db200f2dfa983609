"""EventProp through the training loop: every target, resumption, figures, and what is refused."""

import json
import re

import numpy as np
import pytest
from experiments import YINYANG, Notes, content, experiment
from ways import in_ways

from lava_nbp.base.progress import Progress
from lava_nbp.errors import CheckpointError, ConfigError, InputError, WeightError
from lava_nbp.eventprop.continuous.kernels import run_samples
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.export import export_run
from lava_nbp.runs.figures import plot_run
from lava_nbp.runs.train import train
from lava_nbp.training.algorithms import make_learner
from lava_nbp.training.checkpoint import load_checkpoint
from lava_nbp.training.run import METRICS, load_result, load_run

SETTINGS = (
    "seed=3", "epochs=3", "data.validation=50", "data.train=150", "learning.rate=2e-2", "clocked.dt=1.0",
)  # fmt: skip


@pytest.fixture
def config(tmp_path):
    return lambda *overrides: experiment(tmp_path, YINYANG, *SETTINGS, *overrides)


def kept(folder):
    """Arrays and metrics of a run, finished or not."""
    *arrays, metrics, _ = content(folder)
    return arrays, metrics


def figures_of(record):
    """What a result and an evaluation both have."""
    return {key: record[key] for key in ("test_accuracy", "test_accuracy_ties_right")}


class Stop(Progress):
    """Interrupts a run after the first epoch."""

    def epoch(self, record):
        raise KeyboardInterrupt


def test_result_and_metrics_have_what_they_should(config, tmp_path):
    result = train(config("epochs=8"), tmp_path / "run")
    assert (result["algorithm"], result["target"], result["samples"]) == ("eventprop", "continuous", "generated")
    assert result["layers"] == [5, 20, 3]
    assert result["test_accuracy"] <= result["test_accuracy_ties_right"]
    assert result["test_accuracy"] == result["last"]["test_accuracy"] > 0.5  # chance is 1/3
    metrics = [json.loads(line) for line in (tmp_path / "run" / METRICS).read_text().splitlines()]
    assert {
        "train_accuracy", "train_ties", "hidden_spikes", "silent_neurons", "silent_labels", "clipped_denominators",
        "saturated_adjoints", "most_spikes_of_a_layer", "rate", "validation_accuracy", "test_accuracy",
        "test_accuracy_ties_right", "test_ties", "test_silent_labels",
    } <= metrics[0].keys()  # fmt: skip
    # The first two epochs have the full rate.
    assert [m["rate"] for m in metrics[:4]] == pytest.approx([2e-2, 2e-2, 2e-2 * 0.95, 2e-2 * 0.95**2])
    assert result["chosen"]["epoch"] == max(metrics, key=lambda m: (m["validation_accuracy"], -m["epoch"]))["epoch"]


@pytest.mark.parametrize(
    "overrides",
    [
        ("learning.dropout=0.2",),
        ("learning.optimizer=sgd", "learning.silent=spike_count"),
        ("network.recurrent_deviation=[0.1, 0]", "learning.silent=bump"),
        # In thresholds weights are not quite what they are in the engine's unit.
        ("neuron.theta=0.7",),
        ("target=clocked", "learning.silent=phantom"),
        ("target=clocked", "network.recurrent_deviation=[0.2, 0.1]"),
        ("target=clocked", "loss.name=mean_voltage", "loss.gain=8"),
        ("target=clocked", "network.initial_delay=[6, 4]", "network.delays_per=source"),
        ("network.initial_delay=[6, 4]", "learning.delay_rate=10", "learning.constant_rate=1"),
        ("target=clocked", "network.initial_delay=[6, 4]", "learning.delay_rate=20"),
        (
            "target=clocked",
            "network.initial_delay=[6, 4]",
            "network.recurrent_deviation=[0.2, 0]",
            "network.recurrent_delay=[5, 0]",
            "network.delays_per=source",
            "learning.delay_rate=100",
            "neuron.tau_m=[20, 12]",
            "neuron.tau_s=[5, 8]",
        ),
        # 7 steps are the nearest to 7.4 ms: there delays end, and begin where more is drawn.
        ("target=clocked", "network.initial_delay=[7.4, 0]", "network.longest_delay=7.4", "learning.delay_rate=20"),
        ("target=lava",),
        ("target=lava", "network.initial_delay=[6, 0]", "learning.delay_rate=20", "data.train=60"),
    ],
)
def test_resume_goes_on_bit_for_bit(config, tmp_path, overrides):
    train(config(*overrides), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config(*overrides), tmp_path / "parts", progress=Stop())
    assert load_checkpoint(tmp_path / "parts").epoch == 1
    train(config(*overrides), tmp_path / "parts", resume=True)
    assert kept(tmp_path / "parts") == kept(tmp_path / "whole")


#: In the chip's own arithmetic; a list gives every layer its width.
ON_CHIP = ("target=clocked", "clocked.neuron=loihi", "clocked.theta_bits=[12, 13]", "encoding.end=48", "clocked.dt=2")


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("network.initial_delay=[6, 4]", "learning.delay_rate=50", "network.recurrent_deviation=[0.2, 0]"),
        ("clocked.refractory=[2, 1]", "network.recurrent_deviation=[0.2, 0]"),
    ],
)
def test_what_was_trained_for_the_chip_is_answered_by_lavas_own_processes(config, tmp_path, settings):
    """Every figure of the test set, of the last epoch and the chosen one, without ties or with them."""
    train(config(*ON_CHIP, "data.test=12", "learning.batch=8", *settings), tmp_path / "run")
    expected, found = (evaluate_run(tmp_path / "run", target) for target in ("clocked", "lava-stock"))
    assert (found.pop("target"), expected.pop("target")) == ("lava-stock", "clocked")
    assert found == expected
    assert found["last"]["test_accuracy_ties_right"] > 0.4  # chance is 1/3
    train(config("target=clocked", "epochs=1"), tmp_path / "exact")
    with pytest.raises(InputError, match="neurons of layer 1 are 'exact', whose arithmetic no chip has; train with"):
        evaluate_run(tmp_path / "exact", "lava-stock")


#: Largest voltages, which spikes of rungs tell on a chip.
RUNGS = (*ON_CHIP, "loss.name=max_voltage", "clocked.rungs=24", "clocked.highest_rung=4")


def test_largest_voltages_are_answered_by_the_spikes_of_rungs(config, tmp_path):
    """The same weights are learned as without rungs; answers of every target are the levels, ties and all."""
    result = train(config(*RUNGS, "data.test=12", "learning.batch=8"), tmp_path / "run")
    assert result["test_accuracy_ties_right"] > 0.4  # chance is 1/3
    reports = {name: evaluate_run(tmp_path / "run", name) for name in ("clocked", "lava-stock", "lava-primitives")}
    for name, report in reports.items():
        assert report.pop("target") == name
        assert report == reports["clocked"]
    train(config(*RUNGS, "data.test=12", "learning.batch=8", "clocked.rungs=2"), tmp_path / "few")
    assert evaluate_run(tmp_path / "few")["last"]["test_ties"] > reports["clocked"]["last"]["test_ties"]
    train(config(*RUNGS[:-2], "data.test=12", "learning.batch=8"), tmp_path / "without")
    runs = [load_run(tmp_path / name).weights for name in ("run", "without")]
    assert all(np.array_equal(runs[0][name], runs[1][name]) for name in ("W1", "W2"))
    with pytest.raises(
        InputError, match=r"answer by voltages \(MaxVoltageLoss\), which no spikes tell; give outputs r"
    ):
        evaluate_run(tmp_path / "without", "lava-stock")


@pytest.mark.parametrize(("highest", "noted"), [(0.2, True), (30, False)])
def test_a_ladder_that_is_too_low_is_noted(config, tmp_path, highest, noted):
    notes = Notes()
    train(config(*RUNGS, f"clocked.highest_rung={highest}", "epochs=1"), tmp_path / "run", progress=notes)
    assert len(notes.notes) == noted
    if noted:
        message = (
            r"in epoch 1 several outputs reached their highest rungs in \d+% of .*ties: raise clocked.highest_rung, "
        )
        assert re.search(f"{message}which is 0.2 thresholds", notes.notes[0])


def test_clocked_runs_are_answered_by_parts(config, tmp_path):
    """A run keeps a key that asks for whole samples of Lava; where a target has steps only it means nothing."""
    train(config("target=clocked", "epochs=1", "data.test=4", "clocked.dt=2", "encoding.end=48"), tmp_path / "run")
    expected, found = (evaluate_run(tmp_path / "run", target)["last"] for target in ("clocked", "lava-primitives"))
    assert found == expected


#: Layers with constants of their own, and delays of all their matrices, which are learned to their limits.
OF_LAYERS = (
    "neuron.tau_m=[20, 12]", "neuron.tau_s=[5, 8]", "neuron.theta=[1, 2]", "network.initial_delay=[9, 4]",
    "network.recurrent_deviation=[0.3, 0]", "network.recurrent_delay=[6, 0]", "network.longest_delay=10",
    "learning.delay_rate=200", "clocked.refractory=[2, 3]",
)  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [("network.recurrent_deviation=[0, 0]",), ("network.recurrent_deviation=[0.3, 0.2]",), OF_LAYERS],
    ids=["forward", "recurrent", "of layers"],
)
@pytest.mark.parametrize(
    ("target", "way"), in_ways(["lava", "lava-primitives"], both=lambda target: target == "lava"), indirect=["way"]
)
def test_lava_gives_the_same_run_as_clocked(config, tmp_path, target, settings, way):
    fewer = (*settings, "clocked.largest_recurrent=[2, 2]")
    fewer += ("epochs=2", "data.train=20", "data.test=6", "data.validation=4", "learning.batch=8")
    fewer += ("clocked.dt=2", "encoding.end=48")
    for name in ("clocked", target):
        train(config(*fewer, f"target={name}"), tmp_path / name)
    expected, found = kept(tmp_path / "clocked"), kept(tmp_path / target)
    assert found[0] == expected[0]
    for one, other in zip(found[1], expected[1], strict=True):
        assert one == other
    assert all((epoch["bounded_parameters"] > 0) == (settings == OF_LAYERS) for epoch in found[1])


def test_ties_may_count_where_epochs_are_compared(config, tmp_path):
    for ties, key in (("wrong", "validation_accuracy"), ("right", "validation_accuracy_ties_right")):
        result = train(config("target=clocked", "clocked.dt=2", "epochs=5", f"learning.ties={ties}"), tmp_path / ties)
        metrics = [json.loads(line) for line in (tmp_path / ties / METRICS).read_text().splitlines()]
        assert result["chosen"]["epoch"] == max(metrics, key=lambda m: (m[key], -m["epoch"]))["epoch"]


def test_threads_change_nothing(config, tmp_path):
    for threads in (1, 2):
        train(config(f"learning.threads={threads}", "learning.batch=50", "epochs=2"), tmp_path / str(threads))
    assert kept(tmp_path / "1") == kept(tmp_path / "2")


def test_evaluate_by_any_target(config, tmp_path):
    result = train(config(), tmp_path / "run")
    report = evaluate_run(tmp_path / "run")
    assert report["last"]["test_accuracy"] == result["test_accuracy"]
    clocked = evaluate_run(tmp_path / "run", "clocked")
    assert clocked["target"] == "clocked"
    assert evaluate_run(tmp_path / "run", "lava")["last"] == clocked["last"]
    with pytest.raises(
        InputError, match=r"target of eventprop is 'sample', but must be one of continuous, clocked, lava"
    ):
        evaluate_run(tmp_path / "run", "sample")
    result = train(config("target=clocked"), tmp_path / "clocked")
    assert load_checkpoint(tmp_path / "clocked").weights["W1"].dtype == np.int64
    assert evaluate_run(tmp_path / "clocked", "lava")["last"]["test_accuracy"] == result["test_accuracy"]
    assert 0 < evaluate_run(tmp_path / "clocked", "continuous")["last"]["test_accuracy"] < 1


def test_recurrent_weights_in_every_target(config, tmp_path):
    """Learned in either arithmetic they are answered by all targets, drawn, and held by 8 bits up to a limit."""
    looped = ("network.recurrent_deviation=[0.2, 0.1]", "epochs=2", "data.train=60", "clocked.largest_recurrent=[1, 1]")
    for target in ("continuous", "clocked"):
        train(config(*looped, f"target={target}"), tmp_path / target)
        assert load_checkpoint(tmp_path / target).weights.keys() == {"W1", "W2", "R1", "R2"}
        found = [evaluate_run(tmp_path / target, other)["last"] for other in ("clocked", "lava", "continuous")]
        assert found[0] == found[1]
        assert found[2]["test_accuracy"] > 0
        assert "clocked_error.png" in {path.name for path in plot_run(tmp_path / target)}
    learned = load_checkpoint(tmp_path / "clocked").weights["R1"]
    start = make_learner(config(*looped, "target=clocked")).initial_weights()["R1"]
    assert np.abs(learned / 2**20 - start).max() > 1e-3
    state = load_checkpoint(tmp_path / "clocked")
    state.weights["R1"][0, 0] = 3 << 20
    state.save(tmp_path / "clocked")
    with pytest.raises(CheckpointError, match="R1 has entries from .*, but 8 bits hold"):
        load_run(tmp_path / "clocked")


@pytest.mark.parametrize("per", ["synapse", "source"])
def test_delays_in_every_target(config, tmp_path, per):
    """They act in whole steps, are learned around and kept; what either arithmetic has learned all targets answer."""
    late = ("network.initial_delay=[9, 0]", "network.recurrent_deviation=[0.2, 0]", "network.recurrent_delay=[5, 0]")
    late += (
        f"network.delays_per={per}",
        "epochs=2",
        "data.train=60",
        "clocked.dt=0.5",
        "clocked.largest_recurrent=[1, 1]",
    )
    start = make_learner(config(*late)).initial_weights()
    for target in ("continuous", "clocked"):
        train(config(*late, f"target={target}"), tmp_path / target)
        kept = load_checkpoint(tmp_path / target).weights
        assert kept.keys() == {"W1", "W2", "R1", "D1", "E1"}
        for name in ("D1", "E1"):
            given = start[name] if target == "continuous" else np.rint(start[name] / 0.5 * 2**20)
            np.testing.assert_array_equal(kept[name], given)
        found = [evaluate_run(tmp_path / target, other)["last"] for other in ("clocked", "lava", "continuous")]
        assert found[0] == found[1]
        assert found[2]["test_accuracy"] > 0
        shown = load_run(tmp_path / target).learner.shown(kept)
        assert np.abs(shown["D1"] - start["D1"]).max() <= (2.0**-21 if target == "clocked" else 0)
        plot_run(tmp_path / target)
    state = load_checkpoint(tmp_path / "clocked")
    state.weights["D1"][0] = (62 << 20) + 1
    state.save(tmp_path / "clocked")
    with pytest.raises(CheckpointError, match="D1 has delays outside 0 .. 62 steps"):
        load_run(tmp_path / "clocked")
    state.weights["D1"] = state.weights["D1"][:-1]
    state.save(tmp_path / "clocked")
    with pytest.raises(CheckpointError, match=r"D1 has shape .*, but this network needs \(5, 20\) or \(5,\)"):
        load_checkpoint(tmp_path / "clocked")


#: Delays and constants of every neuron's own, thresholds of layers, all of it learned.
LEARNED = (
    "network.initial_delay=[9, 2]", "network.recurrent_deviation=[0.2, 0]", "network.recurrent_delay=[5, 0]",
    "neuron.tau_m=[20, 15]", "neuron.theta=[1, 2]", "neuron.spread=[0.3, 0]", "learning.delay_rate=200",
    "learning.constant_rate=2", "learning.constants_range=[3, 40]", "network.longest_delay=9.5",
    "learning.schedule=cosine", "data.train=60",
)  # fmt: skip


def test_learned_delays_and_constants(config, tmp_path):
    """They are kept in ms, changed, within their limits, drawn, and a run that is resumed is the same, bit for bit."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    config_of = config(*LEARNED)
    start = make_learner(config_of).initial_weights()
    assert start.keys() == {"W1", "W2", "R1", "D1", "D2", "E1", "tau_m1", "tau_m2", "tau_s1", "tau_s2"}
    assert [start[f"tau_m{k}"].shape for k in (1, 2)] == [(20,), (1,)]
    train(config_of, whole)
    with pytest.raises(KeyboardInterrupt):
        train(config_of, parts, progress=Stop())
    train(config_of, parts, resume=True)
    assert kept(whole) == kept(parts)
    after = load_checkpoint(whole)
    for name, array in after.weights.items():
        assert (array != start[name]).any(), name
        if name[0] in "DE":
            assert 0 <= array.min() <= array.max() <= 9.5
        elif name.startswith("tau"):
            assert 3 <= array.min() <= array.max() <= 40
    assert sum(epoch["bounded_parameters"] for epoch in after.history) > 0
    assert after.history[1]["rate"] == pytest.approx(2e-2 * 0.75)  # the second of three
    assert evaluate_run(whole)["last"]["test_accuracy"] == load_result(whole)["last"]["test_accuracy"]
    assert "delays_and_constants.png" in {path.name for path in plot_run(whole)}
    export_run(whole, "nir", tmp_path / "out.nir")
    again = make_learner(config(*LEARNED, f'network.weights="{tmp_path / "out.nir"}"')).initial_weights()
    for name, array in load_run(whole).state.weights.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-6, err_msg=name)


def test_learned_constants_alone(config, tmp_path):
    """One per layer, or each neuron's own of a layer of one: kept, read, and refused where nobody has them."""
    train(config("learning.constant_rate=3", "epochs=1"), tmp_path / "tied")
    train(config("network.hidden=[1]", "neuron.spread=0.1", "epochs=1"), tmp_path / "one")
    for name, shapes in (("tied", [(1,), (1,)]), ("one", [(1,), (3,)])):
        weights = load_checkpoint(tmp_path / name).weights
        assert [weights[f"tau_m{k}"].shape for k in (1, 2)] == shapes
        found, written = evaluate_run(tmp_path / name)["last"], load_result(tmp_path / name)["last"]
        assert found["test_accuracy"] == written["test_accuracy"]
        export_run(tmp_path / name, "nir", tmp_path / "out.nir")
        with pytest.raises((ConfigError, InputError), match="target clocked"):
            evaluate_run(tmp_path / name, "clocked")
    start = tmp_path / "start.npz"
    np.savez(start, **{name: w for name, w in load_checkpoint(tmp_path / "tied").weights.items() if name[0] == "W"})
    train(config("learning.constant_rate=3", "epochs=1", f"network.weights='{start}'"), tmp_path / "from")
    start.unlink()
    assert "delays_and_constants.png" in {path.name for path in plot_run(tmp_path / "from")}


def test_delays_in_steps_a_little_longer_than_the_longest(config, tmp_path):
    """7 ms in steps of 4 are 8, to which they are learned: continuous time answers with them, too."""
    late = ("network.initial_delay=[7, 0]", "network.longest_delay=7", "clocked.dt=4", "encoding.end=60", "epochs=1")
    train(config(*late, "target=clocked", "learning.delay_rate=1000"), tmp_path / "run")
    assert load_checkpoint(tmp_path / "run").weights["D1"].max() == 2 << 20
    assert evaluate_run(tmp_path / "run", "continuous")["last"]["test_accuracy"] > 0
    # 9 ms are 2.25 steps, for which 2 steps are the nearest.
    late = ("network.initial_delay=[9, 0]", "network.longest_delay=9", *late[2:], "learning.delay_rate=1e-3")
    train(config(*late, "target=clocked"), tmp_path / "cut")
    start, now = make_learner(config(*late)).initial_weights()["D1"], load_checkpoint(tmp_path / "cut").weights["D1"]
    assert start.max() > 8
    assert now.max() == 2 << 20
    assert np.abs(now / 2**20 - np.minimum(start / 4, 2)).max() < 1e-3


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("learning.constant_rate=1", "neuron.tau_s=0.5"),
            "neuron.tau_s is 0.5 ms, but learned time constants are 1 ..",
        ),
        (("learning.constant_rate=1",), "learning.constant_rate is 1.0, but target clocked has no time constants that"),
        (("neuron.spread=0.1",), "neuron.spread gives neurons of a layer constants of their own, which target clocked"),
        (("neuron.spread=[0, 0.1]", "neuron.tau_m=[20, 12]"), "neuron.spread gives neurons of a layer constants of"),
        (("neuron.theta=[1, 2, 1]",), "neuron.theta has 3 entries, but there are 2 layers behind the input; give one"),
        (("neuron.tau_s=[5, 0.01]",), "layer 2: dt is 1.0 ms, for which a coefficient of 12 bits is only 1.9 of 4096"),
    ],
)
def test_constants_that_clocked_targets_do_not_have(config, tmp_path, overrides, message):
    with pytest.raises((ConfigError, InputError), match=message) as caught:
        train(config("target=clocked", *overrides), tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("per", ["synapse", "source"])
def test_delays_learned_in_whole_steps(config, tmp_path, per):
    """All of them change, within their limits, which is counted; what a run says at its end is what it says later."""
    late = (
        "target=clocked", "network.initial_delay=[9, 2]", "network.recurrent_deviation=[0.2, 0]",
        "network.recurrent_delay=[5, 0]", "network.longest_delay=9.3", f"network.delays_per={per}",
        "learning.delay_rate=100", "data.train=100",
    )  # fmt: skip
    learner = make_learner(config(*late))
    start, result = learner.initial_weights(), train(config(*late), tmp_path / "run")
    after = load_checkpoint(tmp_path / "run")
    assert list(after.weights) == ["W1", "W2", "R1", "D1", "D2", "E1"]
    shapes = {"D1": (5, 20), "D2": (20, 3), "E1": (20, 20)}
    for name, shape in shapes.items():
        now = after.weights[name]
        assert now.shape == (shape if per == "synapse" else shape[:1])
        assert 0 <= now.min() <= now.max() <= 9 << 20
        assert (np.rint(now / 2**20) != np.rint(start[name])).mean() > 0.3  # many act in another step
        assert (now % (1 << 20) != 0).any()  # and all of them between two steps, too
    bounded = [epoch["bounded_parameters"] for epoch in after.history]
    assert all(bounded)
    assert result["bounded_parameters"] == sum(bounded)
    at_limits = sum(int(np.isin(after.weights[name], (0, 9 << 20)).sum()) for name in shapes)
    assert at_limits > 0
    for target in ("clocked", "lava"):
        found = evaluate_run(tmp_path / "run", target)
        for which in ("last", "chosen"):
            assert figures_of(found[which]) == figures_of(result[which])
    assert evaluate_run(tmp_path / "run", "continuous")["last"]["test_accuracy"] > 0
    shown = learner.shown(after.weights)
    np.testing.assert_array_equal(shown["D1"], after.weights["D1"] / 2**20)  # a step is 1 ms
    run = load_run(tmp_path / "run")
    with run.learner.open(run.weights, {}) as session:
        assert run.inference.right.mean() == session.evaluate("test")["test_accuracy"]
    state = load_checkpoint(tmp_path / "run")
    state.weights["D1"].flat[0] = (9 << 20) + 1
    state.save(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"D1 has delays outside 0 .. 9 steps"):
        load_run(tmp_path / "run")


def test_delays_learned_in_continuous_time_are_answered_in_steps(config, tmp_path):
    """Rounded to steps, both of the last and of the chosen epoch; what is longer than 62 is said in one line."""
    late = ("network.initial_delay=[9, 0]", "learning.delay_rate=300", "data.train=60", "network.longest_delay=80")
    train(config(*late), tmp_path / "run")
    state = load_checkpoint(tmp_path / "run")
    state.weights["D1"].flat[:3] = 0.49, 62.49, 0.5
    state.save(tmp_path / "run")
    found = evaluate_run(tmp_path / "run", "clocked")
    learner = load_run(tmp_path / "run").learner.on("clocked")
    for which, weights in (("last", state.weights), ("chosen", state.chosen)):
        with learner.open(weights, {}) as session:
            np.testing.assert_array_equal(session.engine.delays[0], np.floor(weights["D1"] + 0.5))
            assert session.evaluate("test") == found[which]
            masters = session.read_weights()["D1"]
            assert masters.max() <= 62 << 20  # where those begin that are nearer to 62 than to 63
            np.testing.assert_allclose(masters / 2**20, np.minimum(weights["D1"], 62), atol=2.0**-21)
    assert evaluate_run(tmp_path / "run", "lava")["last"] == found["last"]
    for part in (state.weights, state.chosen):
        part["D1"].flat[1] = 62.5
        state.save(tmp_path / "run")
        with pytest.raises(InputError) as caught:
            evaluate_run(tmp_path / "run", "clocked")
        assert str(caught.value) == (
            "D1 reaches 62.5 ms, but target clocked holds 62 steps of 1 ms (clocked.dt); use a larger dt, or target "
            "continuous"
        )
        part["D1"].flat[1] = 3.0


@pytest.mark.parametrize("target", ["continuous", "clocked"])
def test_delays_learned_in_whole_steps_begin_from_files(config, tmp_path, target):
    """Of runs of either arithmetic: arrays and graphs in continuous time have all bits, the others whole steps."""
    late = ("network.initial_delay=[9, 2]", "learning.delay_rate=100", "data.train=60", "epochs=1")
    train(config(*late, f"target={target}"), tmp_path / "run")
    run = load_run(tmp_path / "run")
    shown = run.learner.shown(run.weights)
    np.savez(tmp_path / "start.npz", **shown)
    for form, suffix in (("nir", "nir"), ("netx", "net")):
        export_run(tmp_path / "run", form, tmp_path / f"start.{suffix}")
    for suffix in ("npz", "nir", "net"):
        path = tmp_path / f"start.{suffix}"
        given = config(*late, "target=clocked", f'network.weights="{path}"')
        learner = make_learner(given)
        begun = learner.initial_weights()
        with learner.open(begun, {}) as session:
            masters = session.read_weights()
        for name in ("D1", "D2"):
            ms = shown[name]
            if suffix == "net" or (suffix == "nir" and target == "clocked"):
                ms = np.floor(ms + 0.5)
            np.testing.assert_array_equal(begun[name], ms)
            np.testing.assert_array_equal(masters[name], np.rint(ms * 2**20))
        train(given, tmp_path / suffix)
        after = load_checkpoint(tmp_path / suffix).weights
        assert all((after[name] != masters[name]).any() for name in ("D1", "D2"))


def test_constants_of_layers_in_steps(config, tmp_path):
    """Each layer has its own, in learning and in every target; the run is another one than with those of either."""
    both, kept_by = ("neuron.tau_m=[20, 12]", "neuron.tau_s=[5, 8]"), {}
    for name, settings in (
        ("both", both),
        ("first", ("neuron.tau_m=20", "neuron.tau_s=5")),
        ("second", ("neuron.tau_m=12", "neuron.tau_s=8")),
        ("alike", ("neuron.tau_m=[20, 20]", "neuron.tau_s=[5, 5]")),
    ):
        train(config("target=clocked", *settings), tmp_path / name)
        kept_by[name] = kept(tmp_path / name)
    assert kept_by["alike"] == kept_by["first"]
    assert kept_by["both"][0] not in (kept_by["first"][0], kept_by["second"][0])
    found = {t: evaluate_run(tmp_path / "both", t)["last"] for t in ("clocked", "lava", "continuous")}
    last = load_result(tmp_path / "both")["last"]
    assert found["clocked"] == found["lava"]
    assert figures_of(found["clocked"]) == figures_of(last)
    assert found["continuous"]["test_accuracy"] > 0
    run = load_run(tmp_path / "both")
    with run.learner.open(run.weights, {}) as session:
        own = [(c.alpha, c.beta) for c in session.engine.arithmetic]
        np.testing.assert_array_equal(run.inference.said.said, session.answers("test").said)
    decays = [[round(4096 * np.exp(-1 / tau)) for tau in taus] for taus in ((20, 5), (12, 8))]
    assert own == [tuple(pair) for pair in decays]
    plot_run(tmp_path / "both")


@pytest.mark.parametrize("loss", ["ttfs", "max_voltage", "mean_voltage"])
def test_thresholds_of_layers_in_steps(config, tmp_path, loss):
    """Weights are in thresholds, so they mean nothing where a layer spikes; voltages of an output are not in them."""
    found = {}
    for theta in ("1", "[3, 1]", "[1, 3]"):
        settings = ("target=clocked", f"loss.name={loss}", f"neuron.theta={theta}", "clocked.adjoint_bits=18")
        train(config(*settings, "epochs=2"), tmp_path / theta)
        found[theta] = kept(tmp_path / theta)
    assert found["[3, 1]"] == found["1"]
    assert (found["[1, 3]"] == found["1"]) == (loss == "ttfs")
    # In continuous time weights are in thresholds, too: each layer's in its own.
    answers = [evaluate_run(tmp_path / theta, "continuous")["last"] for theta in ("1", "[3, 1]")]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_another_threshold_is_another_unit(config, tmp_path, optimizer):
    """Weights and rates are in thresholds: the same run."""
    for theta in (1, 2):
        settings = (f"neuron.theta={theta}", f"learning.optimizer={optimizer}", "epochs=1")
        train(config(*settings), tmp_path / str(theta))
    start = config("epochs=1")
    one, two = (load_checkpoint(tmp_path / name) for name in ("1", "2"))
    assert np.allclose(one.weights["W1"], two.weights["W1"], atol=1e-6)
    assert one.history[0]["test_accuracy"] == two.history[0]["test_accuracy"]
    rng = np.random.default_rng([start.seed, 0])
    assert np.abs(one.weights["W1"] - rng.normal(2.0, 0.78, (5, 20))).max() > 2e-3  # it has learned


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("target=clocks",), r"target is 'clocks', but must be one of continuous, clocked, lava, lava-primitives"),
        (
            ("target=lava-stock",),
            "target 'lava-stock' answers, but does not learn, with networks of eventprop; train with one of ",
        ),
        (("loihi.board=ogre",), "board is 'ogre', but must be one of"),
        (("loihi.chip=3",), "unknown key loihi.chip = 3"),
        (("clocked.neuron=lif",), "clocked.neuron is 'lif', but must be one of exact, loihi"),
        (("target=clocked", "clocked.theta_bits=[14]"), "clocked.theta_bits has 1 entries, but there are 2 layers"),
        (("target=clocked", "clocked.refractory=[1]"), "clocked.refractory has 1 entries, but there are 2 layers"),
        (("network.hidden=[]",), "network.hidden = "),
        (("network.initial_mean=[1.0]",), "initial_mean has 1 entries, but there are 2 layers"),
        (("neuron.tau_m=0",), "neuron.tau_m = 0.0: input should be greater than 0|neuron.tau_m = 0: "),
        (("neuron.theta=-1",), "neuron.theta = -1"),
        (("learning.batch=0",), "learning.batch = 0"),
        (("learning.silent=loud",), "learning.silent is 'loud', but must be one of none, phantom, bump, spike_count"),
        (
            ("learning.silent=phantom", "loss.name=max_voltage"),
            "learning.silent is 'phantom', but with the loss max_voltage the output layer only integrates, and no outp",
        ),
        (("loss.name=mse",), "loss.name is 'mse', but must be one of ttfs, max_voltage, mean_voltage"),
        (("loss.tau=20",), "tau is 20.0, but only the loss mean_voltage has it; leave it out"),
        (("loss.name=max_voltage", "loss.gain=3"), "gain is 3.0, but only the loss mean_voltage has it"),
        (("loss.name=mean_voltage", "loss.gain=0"), "loss.gain = 0: must be more than 0"),
        (
            ("clocked.rungs=16", "clocked.highest_rung=3", "clocked.neuron=loihi"),
            "clocked.rungs is 16, but rungs tell largest voltages only, not the answers of the loss ttfs; leave them",
        ),
        (
            ("clocked.rungs=16", "clocked.highest_rung=3", "loss.name=max_voltage"),
            "clocked.rungs is 16, but clocked.neuron is 'exact', and rungs are a chip's; make it 'loihi', or leave",
        ),
        (("clocked.rungs=16", "clocked.neuron=loihi"), "clocked.rungs is 16, but nothing says how high they reach; gi"),
        (("clocked.highest_rung=3",), "clocked.highest_rung is 3, but there are no rungs; give clocked.rungs"),
        (
            ("clocked.rungs=16", "clocked.highest_rung=3", "clocked.lowest_rung=4", "clocked.neuron=loihi"),
            "lowest rung is 4 thresholds, but must be below the highest, 3",
        ),
        (("encoding.early=40",), "spikes from 40.0 to 30.0 ms"),
        (("encoding.ends=3",), "unknown key encoding.ends = 3; did you mean end"),
        (
            ("algorithm=eventprob",),
            r"is 'eventprob', but must be one of nbp, eventprop, slayer \(did you mean 'eventprop'",
        ),
        (
            ("network.initial_delay=[40, 0]", "target=clocked", "clocked.dt=0.5"),
            "network.initial_delay reaches 40 ms, but target clocked holds 62 steps of 0.5 ms .clocked.dt.; make it",
        ),
        (
            ("network.initial_delay=[62.5, 0]", "target=clocked", "network.longest_delay=70"),
            "network.initial_delay reaches 62.5 ms, but target clocked holds 62 steps of 1 ms .clocked.dt.; make it",
        ),
        (("clocked.largest_recurrent=[2]",), "clocked.largest_recurrent has 1 entries, but there are 2 layers behind"),
        (
            ("network.recurrent_deviation=[0, 0.1]", "loss.name=max_voltage"),
            r"recurrent_deviation is \[0.0, 0.1\], but with the loss max_voltage the output layer only integrates",
        ),
        (
            ("network.recurrent_deviation=[0, 0.1]", "learning.silent=phantom"),
            "the silent policy 'phantom' needs an output layer without recurrent weights; set the last entry to 0, or",
        ),
        (
            ("target=clocked", "encoding.end=1e6"),
            r"1e\+06 steps, some 0.08 s per sample, but the limit is 100000 steps",
        ),
    ],
)
def test_configurations_that_are_refused(config, tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        train(config(*overrides), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("loss.name=mean_voltage", "loss.gain=600", "target=clocked"),
            "gain of a clocked network's loss is 600.0, but must be more than 0, and 512 at most",
        ),
        (("target=clocked", "clocked.dt=0.7"), "dt is 0.7 ms, which does not divide the window"),
        (("target=clocked", "learning.silent=bump"), "silent policy is 'bump', but a clocked network has only"),
        (
            (*RUNGS, "clocked.highest_rung=90"),
            "^the highest rung is 90 thresholds, but a chip's register holds .* at 13 theta_bits; lower it .clocked.h",
        ),
        (("encoding.late=70",), "input spike at .* ms, but the trial lasts from 0 to 60.0 ms"),
        (
            ("target=clocked", "clocked.neuron=loihi", "clocked.theta_bits=[14, 20]"),
            "^layer 2: with 20 theta_bits and dt = 1 ms the threshold vth of a chip is 370962, but must be 16 .. 1",
        ),
        (
            ("target=clocked", "clocked.refractory=[2, 63]"),
            "^layer 2: refractory is 63, but must be an integer in 0 .. 62",
        ),
        (
            ("target=clocked", "network.initial_delay=[4, 0]", "learning.delay_rate=1e5"),
            "^delays: rate is 2000.* products with integer gradients have 63 bits; use a smaller delay_rate$",
        ),
    ],
)
def test_runs_that_are_refused(config, tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        train(config(*overrides), tmp_path / "run")


def test_networks_that_do_not_fit(config, tmp_path, monkeypatch):
    monkeypatch.setenv("LAVA_NBP_MEMORY", "0.001")
    with pytest.raises(InputError, match=r"a network of 5-2000-3 with its gradients .* needs some 1.54 MB of memory"):
        train(config("network.hidden=[2000]"), tmp_path / "run")
    with pytest.raises(InputError, match=r"a network of 5-200-3 with its gradients .* needs some 3.99 MB of memory"):
        train(config("network.hidden=[200]", "network.recurrent_deviation=[0.1, 0]"), tmp_path / "run")
    # Delays: 16 bytes of a synapse, and 96 of a delay that is learned, of 10 000 synapses or of 5 sources in front.
    late = ("network.hidden=[2000]", "network.initial_delay=[3, 0]")
    for settings, needed in (
        ((), 1.54 + 0.16), (("learning.delay_rate=1",), 1.54 + 0.16 + 0.96),
        (("learning.delay_rate=1", "network.delays_per=source"), 1.54 + 0.16),
    ):  # fmt: skip
        monkeypatch.setenv("LAVA_NBP_MEMORY", f"{(needed - 0.02) / 1000}")
        with pytest.raises(InputError, match=rf"a network of 5-2000-3 .* needs some {needed:.3g} MB of memory"):
            train(config(*late, *settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("target", ["continuous", "clocked"])
def test_a_rate_that_has_decayed_for_long_is_still_one(config, tmp_path, target):
    result = train(config(f"target={target}", "learning.decay=1e-200", "epochs=5", "data.train=20"), tmp_path / "run")
    assert result["epochs"] == 5


def test_weights_from_a_file_of_another_output(config, tmp_path):
    """A network that answers by spikes is no start for one that answers by voltages."""
    train(config("epochs=1", "data.train=20"), tmp_path / "run")
    path, _ = export_run(tmp_path / "run", "nir")
    with pytest.raises(
        InputError, match="node n2 is a CubaLIF, .* only integrate, for its loss of voltages; give CubaLI"
    ):
        make_learner(config(f"network.weights='{path}'", "loss.name=max_voltage")).initial_weights()
    with pytest.raises(InputError, match=r"node n1: tau_mem is 20 ms .*, but neuron.tau_m of this experiment is 10 ms"):
        make_learner(config(f"network.weights='{path}'", "neuron.tau_m=10")).initial_weights()


def test_checkpoint_of_another_experiment(config, tmp_path):
    train(config("epochs=1"), tmp_path / "run")
    with pytest.raises(CheckpointError, match="there target = 'continuous', here 'clocked'"):
        train(config("target=clocked"), tmp_path / "run", resume=True)
    train(config("learning.threads=2", "epochs=2"), tmp_path / "run", resume=True)
    state = load_checkpoint(tmp_path / "run")
    state.weights["W1"] = state.weights["W1"][:, :-1]
    state.save(tmp_path / "run")
    with pytest.raises(CheckpointError, match="does not fit its network: W1 has shape"):
        load_checkpoint(tmp_path / "run")


def test_weights_from_a_file_that_8_bits_do_not_hold(config, tmp_path):
    path, text = tmp_path / "start.npz", f"network.weights='{tmp_path / 'start.npz'}'"
    layers = make_learner(config()).layers
    np.savez(path, W1=np.full(layers[:2], 3.0), W2=np.full(layers[1:], -9.0))
    assert (make_learner(config(text)).initial_weights()["W2"] == -9).all()
    tight, wide = "clocked.largest_weight=[6, 6]", "clocked.largest_weight=[6, 12]"
    learner = make_learner(config(text, "target=clocked", tight))
    with pytest.raises(
        WeightError, match=r"start.npz: W2 reaches 9 thresholds, .* reach 7.94 here; raise its entry in"
    ):
        learner.initial_weights()
    assert (make_learner(config(text, "target=clocked", wide)).initial_weights()["W2"] == -9).all()


def test_more_than_nine_recurrent_layers_keep_their_order(config, tmp_path, monkeypatch):
    """R10 stands after R2: weights that are written are read again where they were, and evaluation finds the same.

    Kernels run as Python: the loop over twelve layers takes a minute to compile.
    """

    def in_python(*arguments):
        return tuple(map(int, run_samples.py_func(*arguments)))

    monkeypatch.setattr("lava_nbp.eventprop.continuous.engine.run_samples", in_python)
    many = ("network.hidden=[4,4,4,4,4,4,4,4,4,4,4]", "network.recurrent_deviation=[0,1,1,1,1,1,1,1,1,1,2,0]")
    many += (f"network.initial_mean={[2.0] * 12}", f"network.initial_deviation={[0.3] * 12}")
    many += (
        f"clocked.largest_weight={[6] * 12}",
        "epochs=1",
        "data.train=40",
        "data.validation=20",
        "seed=0",
        "learning.rate=1e-3",
    )
    result = train(config(*many), tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert [name for name in run.weights if name[0] == "R"] == [f"R{k}" for k in range(2, 12)]
    with run.learner.open(run.state.weights, {}) as session:
        session.write_weights(run.state.weights)
        for name, w in session.read_weights().items():
            np.testing.assert_array_equal(w, run.state.weights[name])
    last = {key: value for key, value in result["last"].items() if key != "epoch"}
    assert last["test_accuracy"] > 0  # it is not silent, so that another order would show
    assert last.items() <= evaluate_run(tmp_path / "run")["last"].items()
    _, network = export_run(tmp_path / "run", "nir")
    for k, loop in enumerate(network.recurrent, 1):
        assert (loop is None) == (k in (1, 12))
        if loop is not None:
            np.testing.assert_array_equal(loop, run.weights[f"R{k}"])


def test_a_largest_weight_too_few_beside_weights_of_a_file(config, tmp_path):
    """It ended in the traceback of a ValueError."""
    np.savez(tmp_path / "start.npz", W1=np.zeros((5, 20)), W2=np.zeros((20, 3)))
    with pytest.raises(
        ConfigError, match="clocked.largest_weight has 1 entries, but there are 2 layers behind the input; give one for"
    ):
        config(f"network.weights={tmp_path / 'start.npz'}", "target=clocked", "clocked.largest_weight=[6]")


@pytest.mark.parametrize(
    "settings",
    [
        (),
        ("target=clocked",),
        ("target=lava",),
        ("loss.name=max_voltage",),
        ("loss.name=mean_voltage", "loss.tau=20"),
        ("loss.name=mean_voltage", "loss.tau=20", "target=clocked"),
    ],
)
def test_an_inference_answers_as_the_target_does(config, tmp_path, settings):
    train(config("epochs=1", *settings), tmp_path / "run")
    run = load_run(tmp_path / "run")
    with run.learner.open(run.weights, {}) as session:
        np.testing.assert_array_equal(run.inference.said.said, session.answers("test").said)
        figures = session.evaluate("test")
    assert run.inference.right.mean() == figures["test_accuracy"]
    assert run.inference.cost == load_result(tmp_path / "run")["inference"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            (),
            "layer 1 of 2 .hidden. did not spike once in epoch 1, so it teaches nothing: the silent policy 'bump'",
        ),
        (("learning.silent=phantom",), "layer 1 of 2 .hidden.* 'phantom' teaches outputs only"),
        (("learning.silent=spike_count",), "layer 1 of 2 .hidden.* 'spike_count' only moves spikes that are there"),
        (("learning.silent=bump", "learning.silent_strength=1e-9"), "the silent policy 'bump' is waking it"),
        (("network.initial_mean=[1.5, -5]",), "layer 2 of 2 .output. did not spike once in epoch 1"),
        (("loss.name=max_voltage",), "layer 1 of 2 .hidden. did not spike once in epoch 1"),
        (("target=clocked", "clocked.dt=2"), "layer 1 of 2 .hidden. did not spike once in epoch 1"),
    ],
)
def test_a_dead_network_is_noted_and_never_right(config, tmp_path, settings, message):
    """Even where ties are right."""
    dead, noted = ("network.initial_mean=[-5, 1]", "network.initial_deviation=[0.1, 0.1]", "epochs=1"), Notes()
    result = train(config(*dead, "learning.ties=right", *settings), tmp_path / "run", progress=noted)
    assert len(noted.notes) == 1
    assert re.search(message, noted.notes[0])
    assert result["test_accuracy"] == result["test_accuracy_ties_right"] == 0.0
    assert not load_run(tmp_path / "run").inference.right.any()


def test_a_living_network_is_not_noted(config, tmp_path):
    noted = Notes()
    train(config("epochs=1"), tmp_path / "run", progress=noted)
    assert noted.notes == []


def test_a_trial_in_which_a_late_spike_teaches_too_much_is_warned_of(config, tmp_path):
    noted = Notes()
    train(config("epochs=1", "encoding.end=3000", "loss.tau1=6.4"), tmp_path / "run", progress=noted)
    assert any("raise loss.tau1, or lower the trial's end or loss.alpha" in text for text in noted.notes)
    assert make_learner(config("encoding.end=3000", "target=clocked")).notes() == []  # its integers saturate
