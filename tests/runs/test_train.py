import json
from dataclasses import replace

import numpy as np
import pytest
from experiments import DIGITS, YINYANG, Notes, content, experiment
from ways import WAYS, in_ways, running

from lava_nbp.base.progress import Progress
from lava_nbp.base.targets import TARGETS
from lava_nbp.data import generate_yinyang
from lava_nbp.errors import CheckpointError, CircuitError, InputError, LavaNBPError, WeightError
from lava_nbp.nbp.executor import Outcome
from lava_nbp.nbp.paper import training_circuit
from lava_nbp.runs.evaluate import evaluate_run
from lava_nbp.runs.figures import plot_run
from lava_nbp.runs.report.page import write_report
from lava_nbp.runs.train import train
from lava_nbp.training.checkpoint import CHECKPOINT, load_checkpoint
from lava_nbp.training.metrics import accuracy, best_epoch
from lava_nbp.training.run import METRICS, RESULT, load_result

SETTINGS = ("seed=4", "epochs=4", "data.validation=60", "data.train=200", "data.test=80", "network.n_hidden=30")


@pytest.fixture
def config(tmp_path):
    return lambda *overrides: experiment(tmp_path, DIGITS, *SETTINGS, *overrides)


class Stop(Progress):
    """Interrupts a run: after some samples, in the midst of an epoch."""

    def __init__(self, after):
        self.left = after

    def advance(self, samples):
        self.left -= samples
        if self.left <= 0:
            raise KeyboardInterrupt


def test_result_has_what_it_should(config, tmp_path):
    result = train(config(), tmp_path / "run")
    assert result == json.loads((tmp_path / "run" / RESULT).read_text())
    assert {
        "algorithm", "target", "dataset", "layers", "seed", "epochs", "test_accuracy_spikes", "test_accuracy_membrane",
        "test_exact", "microseconds_per_sample", "seconds", "last", "chosen", "best_on_test", "gate_breaches",
    } <= result.keys()  # fmt: skip
    assert (result["algorithm"], result["target"], result["dataset"]) == ("nbp", "sample", "digits")
    assert result["layers"] == [64, 30, 10]
    assert result["epochs"] == result["last"]["epoch"] == 4
    assert result["test_accuracy_spikes"] == result["last"]["test_accuracy_spikes"]
    metrics = [json.loads(line) for line in (tmp_path / "run" / METRICS).read_text().splitlines()]
    assert [m["epoch"] for m in metrics] == [1, 2, 3, 4]
    chosen = max(metrics, key=lambda m: m["validation_accuracy_spikes"])
    assert result["chosen"]["epoch"] == chosen["epoch"]
    assert result["best_on_test"]["test_accuracy_spikes"] == max(m["test_accuracy_spikes"] for m in metrics)
    assert metrics[-1]["test_accuracy_spikes"] > 0.3  # it learns: chance is 0.1
    assert metrics[-1]["train_accuracy_spikes"] > metrics[0]["train_accuracy_spikes"]


def test_evaluate_finds_the_same_figures(config, tmp_path):
    result = train(config(), tmp_path / "run")
    for target in (None, "reference", "spiking"):
        report = evaluate_run(tmp_path / "run", target)
        for which in ("last", "chosen"):
            assert report[which] == {k: v for k, v in result[which].items() if k != "epoch"}


def test_weights_that_are_the_same_are_evaluated_once(config, tmp_path):
    train(config("epochs=1"), tmp_path / "run")
    told = []
    report = evaluate_run(tmp_path / "run", stage=lambda what, *_: told.append(what))
    assert set(told) == {"test set, last epoch"}
    assert report["chosen"] == report["last"]


@pytest.mark.parametrize(("target", "way"), in_ways(["reference", "spiking", "lava"]), indirect=["way"])
def test_every_target_gives_the_same_run(config, tmp_path, target, way):
    train(config("epochs=2"), tmp_path / "sample")
    train(config("epochs=2", f"target={target}"), tmp_path / target)
    expected, found = content(tmp_path / "sample"), content(tmp_path / target)
    assert found[:2] == expected[:2]
    for one, other in zip(found[3], expected[3], strict=True):
        # Work is counted in each executor's own terms.
        assert {k: v for k, v in one.items() if k != "updates"} == {k: v for k, v in other.items() if k != "updates"}


@pytest.mark.parametrize("text", [DIGITS, YINYANG], ids=["digits", "yinyang"])
def test_a_configuration_chooses_the_way(tmp_path, monkeypatch, text):
    """And only that: everything that a run writes is the same, and it goes on in the other way."""
    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    settings = ("target=lava", "epochs=2", "data.train=20", "data.validation=6", "data.test=6")
    for way, in_process in WAYS.items():
        with running(in_process, monkeypatch):
            chosen = experiment(tmp_path, text, *settings, f"lava.in_process={str(in_process).lower()}")
            train(chosen, tmp_path / way)
    one, own = (content(tmp_path / way) for way in WAYS)
    assert one == own
    with running(None, monkeypatch):
        again = experiment(tmp_path, text, *settings, "epochs=3", "lava.in_process=true")
        assert train(again, tmp_path / "own processes", resume=True)["epochs"] == 3


@pytest.mark.parametrize("after", [1, 250, 799])
@pytest.mark.parametrize("target", ["sample", "spiking"])
def test_resume_goes_on_bit_for_bit(config, tmp_path, target, after, monkeypatch):
    # Several calls an epoch, to stop between them.
    monkeypatch.setitem(TARGETS._entries, target, replace(TARGETS[target], chunk=30))
    experiment = config(f"target={target}")
    train(experiment, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(experiment, tmp_path / "parts", progress=Stop(after))
    assert load_checkpoint(tmp_path / "parts").epoch == (after - 1) // 200
    assert not (tmp_path / "parts" / RESULT).exists()
    train(experiment, tmp_path / "parts", resume=True)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_resume_on_another_target_and_with_more_epochs(config, tmp_path):
    train(config(), tmp_path / "whole")
    train(config("epochs=1"), tmp_path / "parts")
    train(config("epochs=3", "target=spiking"), tmp_path / "parts", resume=True)
    train(config(), tmp_path / "parts", resume=True)
    for one, other in zip(content(tmp_path / "parts")[:2], content(tmp_path / "whole")[:2], strict=True):
        assert one == other


def test_resume_without_a_checkpoint_starts(config, tmp_path):
    train(config("epochs=1"), tmp_path / "one", resume=True)
    train(config("epochs=1"), tmp_path / "two")
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_resume_of_a_finished_run_changes_nothing(config, tmp_path):
    train(config(), tmp_path / "run")
    before = content(tmp_path / "run")
    train(config(), tmp_path / "run", resume=True)
    assert content(tmp_path / "run") == before


def test_a_run_is_not_overwritten_by_accident(config, tmp_path):
    train(config("epochs=1"), tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"holds a run already; .*--resume.*--overwrite"):
        train(config("epochs=1"), tmp_path / "run")
    train(config("epochs=1", "seed=9"), tmp_path / "run", overwrite=True)
    assert load_checkpoint(tmp_path / "run").config["seed"] == 9


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=5", "belongs to another experiment: there seed = 4, here 5"),
        ("network.n_hidden=31", "there network.n_hidden = 30, here 31"),
        ("data.crop=1", "there data.crop = 0, here 1"),
        ("epochs=1", "has 2 epochs already, but epochs = 1"),
    ],
)
def test_checkpoint_of_another_experiment(config, tmp_path, override, message):
    train(config("epochs=2"), tmp_path / "run")
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    with pytest.raises(CheckpointError, match=message):
        train(config("epochs=2", override), tmp_path / "run", resume=True)
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before


def test_checkpoint_of_another_network(config, tmp_path):
    train(config("epochs=1"), tmp_path / "run")
    state = load_checkpoint(tmp_path / "run")
    state.layers, state.circuit = (65, 30, 10), training_circuit(65, 30, 10)
    state.weights = {"W1": np.zeros((65, 30), np.int16), "W2": state.weights["W2"]}
    state.chosen = None
    state.save(tmp_path / "run")
    for attempt in (
        lambda: evaluate_run(tmp_path / "run"),
        lambda: train(config("epochs=2"), tmp_path / "run", resume=True),
    ):
        with pytest.raises(CheckpointError, match=r"holds a network of \(65, 30, 10\), but .* give \(64, 30, 10\)"):
            attempt()


def test_initial_weights_from_a_file(config, tmp_path):
    W1, W2 = np.zeros((64, 30), int), np.full((30, 10), 2)
    np.savez(tmp_path / "w.npz", W1=W1, W2=W2)
    setting = f"network.weights={tmp_path / 'w.npz'}"
    train(config("epochs=1", setting), tmp_path / "run")
    assert not load_checkpoint(tmp_path / "run").weights["W1"].any()  # nothing fires, so nothing is learned
    for bad, message in ((W1 + 1, r"W1\[0, 0\] is 1"), (W1 + 256, r"W1\[0, 0\] is 256"), (W1[1:], "W1 has shape")):
        np.savez(tmp_path / "w.npz", W1=bad, W2=W2)
        with pytest.raises(WeightError, match=f"initial weights .*w.npz: {message}"):
            train(config("epochs=1", setting), tmp_path / "bad")
    (tmp_path / "w.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="initial weights .* cannot be read"):
        train(config("epochs=1", setting), tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def test_impossible_runs_write_nothing(config, tmp_path):
    with pytest.raises(InputError, match="data.validation is 5000"):
        train(config("data.validation=5000"), tmp_path / "run")
    big = np.zeros((20, 150, 150), np.uint8)
    labels = np.arange(20) % 2
    np.savez(tmp_path / "own.npz", train_images=big, train_labels=labels, test_images=big, test_labels=labels)
    own = ("data.name=npz", f"data.path={tmp_path / 'own.npz'}", "data.validation=0")
    with pytest.raises(CircuitError, match="more than the 120000000 synapses"):
        train(config(*own, "network.n_hidden=10000", "data.train=20", "data.test=20"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_validation_split_no_chosen_epoch(config, tmp_path):
    result = train(config("data.validation=0", "epochs=1"), tmp_path / "run")
    assert result["chosen"] is None
    assert "chosen" not in evaluate_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("overrides", "warned"), [(("data.crop=1",), False), ((), True), (("network.guarded=true",), False)]
)
def test_possible_breaches_are_announced(config, tmp_path, overrides, warned):
    progress = Notes()
    # 64 inputs of weight 254 bring 16256 > 9216; 36 inputs, or the guarded circuit's 41728, leave nothing to fear.
    train(config("epochs=1", *overrides), tmp_path / "run", progress=progress)
    assert bool(progress.notes) == warned
    if warned:
        assert "h1 in phase 1: fires if W1 delivers more than 9216 (worst case 16256)" in progress.notes[0]
        assert "network.guarded = true" in progress.notes[0]


def test_accuracies_by_hand():
    outcome = Outcome(
        spikes=np.array([[0, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]], np.uint8),
        membrane=np.array([[0, 9, 1], [1, 5, 2], [4, 8, 0], [3, 2, 9]], np.int32),
    )
    labels = np.array([1, 0, 1, 2])
    assert accuracy(outcome, labels, "test") == {
        "test_accuracy_spikes": 0.75,  # silent counts as class 0, [1 1 0] too
        "test_accuracy_membrane": 0.75,
        "test_exact": 0.5,
    }


def test_the_earliest_of_equal_epochs_is_chosen():
    history = [{"epoch": 1, "v": 0.5}, {"epoch": 2, "v": 0.7}, {"epoch": 3, "v": 0.7}]
    assert best_epoch(history, "v")["epoch"] == 2
    assert best_epoch(history, "w") is None


# ------------------------------------------------------- whose state, whose data, whose folder


@pytest.fixture
def own(config, tmp_path):
    """An experiment on a file of one's own, and what puts other samples into that file."""

    def write(seed=0):
        rng = np.random.default_rng(seed)
        x, y = rng.random((60, 5, 5)), np.arange(60) % 3
        np.savez(tmp_path / "own.npz", train_images=x, train_labels=y, test_images=x[:20], test_labels=y[:20])

    write()
    small = ("data.validation=0", "data.train=60", "data.test=20", "network.n_hidden=5")
    return lambda *more: config("data.name=npz", f"data.path={tmp_path / 'own.npz'}", *small, *more), write


def test_a_run_goes_on_only_with_its_own_samples(own, tmp_path):
    config, write = own
    train(config("epochs=1"), tmp_path / "run")
    before = (tmp_path / "run" / CHECKPOINT).read_bytes()
    write(seed=1)
    refused = r"belongs to a run on file samples of npz, SHA-256 \w{12}\.\.\., but what is loaded now are file samples"
    for attempt in (
        lambda: train(config("epochs=2"), tmp_path / "run", resume=True),
        lambda: evaluate_run(tmp_path / "run"),
        lambda: plot_run(tmp_path / "run"),
        lambda: write_report(tmp_path / "run"),
    ):
        with pytest.raises(CheckpointError, match=refused):
            attempt()
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == before
    write(seed=0)
    train(config("epochs=2"), tmp_path / "run", resume=True)


def test_published_samples_that_have_vanished_are_not_replaced_by_generated_ones(tmp_path, monkeypatch):
    (tmp_path / "data" / "YinYang").mkdir(parents=True)
    rng = np.random.default_rng(7)
    for part in ("train", "validation", "test"):
        for what, array in zip(("samples", "labels"), generate_yinyang(100, rng), strict=True):
            np.save(tmp_path / "data" / "YinYang" / f"{part}_{what}.npy", array)
    sizes = ("data.train=60", "data.validation=20", "data.test=20")
    config = experiment(tmp_path, YINYANG.replace('source = "generated"\n', ""), "epochs=1", *sizes)
    monkeypatch.setenv("LAVA_NBP_DATA", str(tmp_path / "data"))
    train(config, tmp_path / "run")
    monkeypatch.delenv("LAVA_NBP_DATA")
    with pytest.raises(CheckpointError, match=r"run on published .* but what is loaded now are generated samples"):
        train(config.model_copy(update={"epochs": 2}), tmp_path / "run", resume=True)


class Meanwhile(Progress):
    """Does something once, while a run learns; what that raises is kept."""

    def __init__(self, what):
        self.what, self.error = what, None

    def advance(self, samples):
        what, self.what = self.what, lambda: None
        try:
            what()
        except LavaNBPError as error:
            self.error = error


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_has_one_run_at_a_time(config, tmp_path, how):
    other = Meanwhile(lambda: train(config("seed=9"), tmp_path / "run", **how))
    train(config("epochs=2"), tmp_path / "run", progress=other)
    assert "is being written by another training run (process " in str(other.error)
    train(config("epochs=2"), tmp_path / "whole")
    assert content(tmp_path / "run") == content(tmp_path / "whole")
    train(config("epochs=3"), tmp_path / "run", resume=True)  # it is free again


def test_a_run_that_was_begun_in_a_new_folder_by_another_in_the_meantime(config, tmp_path, monkeypatch):
    from lava_nbp.training.nbp import learner

    opened = learner.NBPLearner.open

    def open_slowly(self, *arguments):
        monkeypatch.setattr(learner.NBPLearner, "open", opened)
        train(config("epochs=1", "seed=9"), tmp_path / "run")
        return opened(self, *arguments)

    monkeypatch.setattr(learner.NBPLearner, "open", open_slowly)
    with pytest.raises(CheckpointError, match="has got a run of another process in the meantime"):
        train(config("epochs=1"), tmp_path / "run", resume=True)
    assert load_checkpoint(tmp_path / "run").config["seed"] == 9


@pytest.mark.parametrize(
    "override",
    ["encoding.end=1", "encoding.early=29", "data.train=1000000", "network.recurrent_deviation=[0.1,0.1]"],
)
def test_what_cannot_start_leaves_no_folder_and_the_run_before_as_it_was(tmp_path, override):
    small = ("epochs=1", "data.train=40", "data.validation=20", "data.test=20")
    train(experiment(tmp_path, YINYANG, *small), tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    bad = (override, "loss.name=max_voltage") if "recurrent" in override else (override, "encoding.end=20")
    with pytest.raises(LavaNBPError):
        train(experiment(tmp_path, YINYANG, *small, *bad), tmp_path / "new")
    with pytest.raises(LavaNBPError):
        train(experiment(tmp_path, YINYANG, *small, *bad), tmp_path / "run", overwrite=True)
    assert not (tmp_path / "new").exists()
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_leftovers_of_a_killed_save_are_removed(config, tmp_path):
    train(config("epochs=1"), tmp_path / "run")
    for name in (CHECKPOINT, METRICS, RESULT):
        (tmp_path / "run" / f".{name}.abcdefgh").write_bytes(b"half")
    with pytest.raises(CheckpointError, match="holds a run already"):
        train(config("epochs=1"), tmp_path / "run")
    train(config("epochs=2"), tmp_path / "run", resume=True)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted((CHECKPOINT, METRICS, RESULT))


def test_a_result_of_fewer_epochs_does_not_outlive_the_checkpoint(config, tmp_path):
    train(config("epochs=1"), tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(config("epochs=3"), tmp_path / "run", resume=True, progress=Stop(100))
    assert load_result(tmp_path / "run")["epochs"] == load_checkpoint(tmp_path / "run").epoch == 1
    with pytest.raises(KeyboardInterrupt):
        train(config("epochs=3"), tmp_path / "run", resume=True, progress=Stop(300))
    assert load_checkpoint(tmp_path / "run").epoch == 2
    assert not (tmp_path / "run" / RESULT).exists()


def test_killed_between_checkpoint_and_metrics(config, tmp_path, monkeypatch):
    from lava_nbp.runs import train as module

    train(config("epochs=3"), tmp_path / "whole")
    write, written = module.write_atomically, []

    def dies(path, data):
        written.append(path)
        if len(written) == 3:  # the metrics of the second epoch
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(module, "write_atomically", dies)
    with pytest.raises(KeyboardInterrupt):
        train(config("epochs=3"), tmp_path / "parts")
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "parts").epoch == 2
    assert len((tmp_path / "parts" / METRICS).read_text().splitlines()) == 1
    train(config("epochs=3"), tmp_path / "parts", resume=True)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")
