"""All figures of a run, by the algorithm that made it: what is drawn is what the run has."""

import json
import re

import numpy as np
import pytest
from drawn import Drawn, lines
from experiments import BURSTS, DIGITS, MAX_VOLTAGE, SLAYER, YINYANG, experiment, trained, write_bursts
from own_circuits import paper_under_other_names

from lava_nbp import load_run, trace
from lava_nbp.errors import CheckpointError
from lava_nbp.eventprop.equations import NeuronParameters
from lava_nbp.runs.figures import drawings_of, plot_run
from lava_nbp.runs.train import train
from lava_nbp.training.eventprop.figures import clocked_errors
from lava_nbp.training.eventprop.session import EventPropSession
from lava_nbp.training.nbp.spikes import sample_spikes
from lava_nbp.training.run import METRICS

COMMON = {"learning_curve", "weights", "confusion_matrix", "gradient_check", "raster", "raster_wrong"}


def figures(run, monkeypatch):
    """What `plot_run` draws, by the name of its file; every file is there."""
    drawn = Drawn(monkeypatch)
    paths = plot_run(run.folder)
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
    assert [path.stem for path in paths] == list(drawn)
    return drawn


def check_common(run, drawn, name, accuracy, curves):
    """Learning curve, confusion matrix and histograms, with what the run's own files say; `curves` by label."""
    from sklearn.metrics import confusion_matrix  # late: workers that run other tests first stay small

    (axes,) = drawn["learning_curve"].axes
    metrics = [json.loads(line) for line in (run.folder / METRICS).read_text().splitlines()]
    epochs = [record["epoch"] for record in metrics]
    assert lines(axes) == {label: (epochs, [100 * record[key] for record in metrics]) for label, key in curves.items()}
    assert axes.get_title() == name
    assert axes.get_xlabel() == "epoch"
    chosen = max(metrics, key=lambda record: record.get(f"validation_{accuracy}", 0))["epoch"]
    marks = [text.get_text() for text in axes.texts]
    assert marks == ([f" chosen: {chosen}"] if f"validation_{accuracy}" in metrics[0] else [])

    (axes,) = drawn["confusion_matrix"].axes
    data = run.learner.dataset
    answers = run.learner.infer(run.weights).classes
    counts = confusion_matrix(data.test.y, answers, labels=np.arange(len(data.classes)))
    texts = {text.get_position(): int(text.get_text()) for text in axes.texts}
    assert texts == {(j, i): n for (i, j), n in np.ndenumerate(counts) if n}
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(axes.images[0].get_array(), shares)
    assert axes.get_title() == f"{name}: test set"
    assert [label.get_text() for label in axes.get_yticklabels()] == list(data.classes)

    no_weight = re.compile(r"[DE]\d+|tau_[ms]\d+")  # delays and time constants are in ms
    weights = {name: w for name, w in run.learner.shown(run.weights).items() if not no_weight.fullmatch(name)}
    assert len(drawn["weights"].axes) == len(weights)
    for axes, (matrix, w) in zip(drawn["weights"].axes, weights.items(), strict=True):
        assert axes.get_title().startswith(f"{matrix} {w.shape}")
        left = [bar.get_x() for bar in axes.patches]
        edges = [*left, left[-1] + axes.patches[-1].get_width()]
        assert sum(bar.get_height() for bar in axes.patches) == w.size
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], np.histogram(w, edges)[0], atol=1)


def check_images(run, drawn, matrix):
    """Weights that lead to the first hidden neurons, as they are on the pixels."""
    w = run.learner.shown(run.weights)[matrix]
    panels = [axes.images[0].get_array() for axes in drawn["weight_images"].axes if axes.images]
    assert len(panels) >= min(40, w.shape[1])
    for k in range(min(40, w.shape[1])):
        np.testing.assert_allclose(panels[k], w[:64, k].reshape(8, 8))
    assert drawn["weight_images"].get_suptitle().startswith(f"{run.name}: {matrix}, neurons 0")


def check_verdicts(run, titles):
    """Titles name samples, and say truly whether they are answered right: one of each kind that there is."""
    right = run.learner.infer(run.weights).right
    found = [match for title in titles for match in re.findall(r"(\d+) \((right|wrong)\)", title)]
    said = [(int(sample), word == "right") for sample, word in found]
    assert said == [(int(np.argmax(right == kind)), kind) for kind in (True, False) if (right == kind).any()]
    assert len(said) == 2  # these runs have both


@pytest.mark.parametrize("own", [False, True], ids=["the paper's circuit", "other names and phases"])
def test_all_figures_of_a_run(tmp_path, monkeypatch, own):
    circuit = paper_under_other_names(64, 20, 10) if own else None
    train(experiment(tmp_path, DIGITS), tmp_path / "run", circuit)
    run = load_run(tmp_path / "run")
    drawn = figures(run, monkeypatch)
    assert drawn.keys() == {"raster", "learning_curve", "weights", "confusion_matrix", "weight_images"}
    check_common(
        run, drawn, "digits 64-20-10, sample, seed 2", "accuracy_spikes",
        {
            "training, while learning (spikes)": "train_accuracy_spikes",
            "validation (spikes)": "validation_accuracy_spikes",
            "test, argmax of output spikes": "test_accuracy_spikes",
            "test, argmax of output pre-activation": "test_accuracy_membrane",
            "test, all outputs right": "test_exact",
        },
    )  # fmt: skip
    check_images(run, drawn, "my_W1" if own else "W1")

    (axes,) = drawn["raster"].axes
    check_verdicts(run, [axes.get_title()])
    circuit, learner = run.circuit, run.learner
    shown = [int(sample) for sample in re.findall(r"(\d+) \(", axes.get_title())]
    found = trace("spiking", circuit, run.weights, *sample_spikes(circuit, learner.dataset.test, shown))
    for population, marks in zip(circuit.populations, axes.collections, strict=True):
        when = np.asarray(marks.get_offsets())[:, 0]
        np.testing.assert_array_equal(when, np.nonzero(found[f"spikes/{population.name}"])[0])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [population.name for population in circuit.populations]


def continuous(run):
    """The run's weights in the continuous engine, and the test set for it."""
    session = EventPropSession(run.learner.on("continuous"), run.weights)
    return session.engine, session.trains("test"), run.learner.dataset.test.y


def check_eventprop(run, drawn, name):
    """What the gradient check shows is the gradient; rasters name their samples, and have their spikes."""
    engine, trains, labels = continuous(run)
    sample = int(re.search(r"sample (\d+)", drawn["gradient_check"].axes[0].get_title())[1])
    _, gradients = engine.gradient(trains, labels, np.array([sample]))
    expected, found = np.asarray(drawn["gradient_check"].axes[0].collections[0].get_offsets()).T
    largest = [np.sort(-np.abs(g.ravel()))[:40] for g in gradients]
    np.testing.assert_array_equal(-np.abs(found), np.concatenate(largest))
    np.testing.assert_allclose(expected, found, atol=1e-4 * np.abs(found).max())
    assert np.abs(found).max() > 0

    titles = [drawn[kind].axes[0].get_title() for kind in ("raster", "raster_wrong")]
    assert all(title.startswith(f"{name}: test sample ") for title in titles)
    check_verdicts(run, titles)
    for kind, title in zip(("raster", "raster_wrong"), titles, strict=True):
        shown = int(re.search(r"test sample (\d+)", title)[1])
        inputs = np.sort(trains.times[trains.offsets[shown] : trains.offsets[shown + 1]])
        at = np.asarray(drawn[kind].axes[0].collections[0].get_offsets())
        np.testing.assert_allclose(np.sort(at[at[:, 1] < 1, 0]), inputs)  # the input's band is the first


@pytest.mark.parametrize("target", ["continuous", "clocked"])
def test_all_figures_of_yin_yang(tmp_path, monkeypatch, target):
    run = trained(tmp_path, YINYANG, f"target={target}")
    drawn = figures(run, monkeypatch)
    assert drawn.keys() == COMMON | {"class_map", "clocked_error"}
    name = f"yinyang 5-20-3, {target}, seed 0"
    check_common(
        run, drawn, name, "accuracy",
        {
            "training, while learning": "train_accuracy",
            "validation": "validation_accuracy",
            "test, ties wrong": "test_accuracy",
            "test, ties right": "test_accuracy_ties_right",
        },
    )  # fmt: skip
    check_eventprop(run, drawn, name)

    (axes,) = drawn["class_map"].axes
    wrong = run.learner.dataset.test.values[~run.inference.right][:, :2]
    marked = [np.asarray(c.get_offsets()) for c in axes.collections if len(c.get_offsets()) == len(wrong)]
    assert any(np.array_equal(points, wrong) for points in marked)
    assert axes.get_title() == name

    left, right = drawn["clocked_error"].axes
    errors = clocked_errors(*continuous(run))
    for arithmetic, rows in errors.items():
        dt, late, gradient = np.array(sorted(rows)).T
        np.testing.assert_array_equal(lines(left)[arithmetic], [dt, late])
        np.testing.assert_array_equal(lines(right)[arithmetic], [dt, gradient])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("recurrent", [0, 0.1])
def test_a_silent_network_is_drawn_without_a_warning(tmp_path, monkeypatch, recurrent):
    """There are no spikes to compare, and no gradient; what is not there has no place in a figure."""
    silent = (
        "network.initial_mean=[0, 0]",
        "network.initial_deviation=[0.01, 0.01]",
        f"network.recurrent_deviation=[{recurrent}, 0]",
    )
    run = trained(tmp_path, YINYANG, "epochs=1", *silent)
    drawn = figures(run, monkeypatch)
    assert drawn.keys() >= COMMON - {"raster", "raster_wrong"}
    if not recurrent:
        (found, *_) = drawn["clocked_error"].axes[0].lines
        assert np.isnan(found.get_ydata()).all()


def check_voltages(run, drawn):
    """What the legend says is what the network says, its largest voltages those of the lines; the label's is marked."""
    titles = [drawn[kind].axes[0].get_title() for kind in ("voltages", "voltages_wrong")]
    check_verdicts(run, titles)
    data, (engine, trains, _) = run.learner.dataset, continuous(run)
    said = engine.infer(trains).said
    for kind, title in zip(("voltages", "voltages_wrong"), titles, strict=True):
        sample = int(re.search(r"test sample (\d+)", title)[1])
        label, answer = data.test.y[sample], said[sample].argmax()
        spoken = {name: f"{name}: {x:.3g}" for name, x in zip(data.classes, said[sample], strict=True)}
        for k, word in ((answer, "answer"), (label, "label")):
            spoken[data.classes[k]] = f"{data.classes[k]}, the {word}: {said[sample, k]:.3g}"
        shown = lines(drawn[kind].axes[1])
        assert list(shown) == list(spoken.values())
        # Voltages that an oracle integrates from the hidden spikes that are shown.
        hidden, p = engine.watch(trains, sample)[1], NeuronParameters()
        times = np.array(next(iter(shown.values()))[0])
        late = engine.delays[1] if engine.delays[1].size else np.zeros_like(engine.weights[1])
        for k, (_, v) in enumerate(shown.values()):
            since = times[:, None] - hidden.times - late[hidden.neurons, k]
            grown = np.where(since > 0, np.exp(-since / p.tau_m) - np.exp(-since / p.tau_s), 0.0)
            expected = p.tau_s / (p.tau_m - p.tau_s) * grown @ engine.weights[1][hidden.neurons, k]
            np.testing.assert_allclose(v, expected, atol=1e-9)
            assert np.abs(expected).max() > 0


def test_all_figures_of_voltages(tmp_path, monkeypatch):
    run = trained(tmp_path, MAX_VOLTAGE)
    drawn = figures(run, monkeypatch)
    assert drawn.keys() == COMMON | {"weight_images", "voltages", "voltages_wrong"}
    check_images(run, drawn, "W1")
    check_eventprop(run, drawn, "digits 64-15-10, continuous, seed 0")
    check_voltages(run, drawn)


def check_learned(run, drawn, start, names):
    """Histograms in ms of what was learned beside weights: grey as the run began, blue as it is now."""
    panels = [axes for axes in drawn["delays_and_constants"].axes if axes.axison]
    assert [axes.get_xlabel() for axes in panels] == [f"{name} (ms)" for name in names]
    now = run.learner.shown(run.weights)
    for axes, name in zip(panels, names, strict=True):
        edges = np.histogram_bin_edges(np.concatenate([start[name].ravel(), now[name].ravel()]), 30)
        for patch, values in zip(axes.patches, (start[name], now[name]), strict=True):
            np.testing.assert_array_equal(patch.get_xy()[1:-1:2, 1], np.histogram(values, edges)[0])
        assert (start[name] != now[name]).any()


@pytest.mark.parametrize("target", ["continuous", "clocked"])
def test_all_figures_of_events(tmp_path, monkeypatch, target):
    """Recordings, their numbers of events, what an epoch makes of them, how often neurons spike; and the usual."""
    write_bursts(tmp_path)
    monkeypatch.chdir(tmp_path)
    steps = () if target == "continuous" else ("clocked.dt=0.5", "clocked.adjoint_bits=18")
    run = trained(tmp_path, BURSTS, f"target={target}", *steps)
    drawn = figures(run, monkeypatch)
    of_events = {"recordings", "event_counts", "augmentation", "neuron_rates"}
    assert drawn.keys() == COMMON | of_events | {"voltages", "voltages_wrong", "delays_and_constants"}
    data, name = run.learner.dataset, f"events 6-12-2, {target}, seed 0"
    check_eventprop(run, drawn, name)
    check_voltages(run, drawn)
    assert [axes.get_title() for axes in drawn["weights"].axes] == ["W1 (6, 12)", "W2 (12, 2)"]
    check_learned(run, drawn, run.learner.drawn_weights(), ["D1"])

    panels = [axes for axes in drawn["recordings"].axes if axes.axison]
    for label, axes in enumerate(panels):
        events = data.test.events.take([label])  # of class 0 the first recording, of class 1 the second
        assert axes.get_title() == f"{label}: sample {label}, {len(events.times)} events"
        np.testing.assert_array_equal(
            axes.collections[0].get_offsets(), np.column_stack([events.times, events.units])
        )  # fmt: skip
    assert len(panels) == 2

    counts = [text.get_text() for text in drawn["event_counts"].axes[0].get_legend().get_texts()]
    parts = {part: getattr(data, part) for part in ("train", "validation", "test")}
    assert counts == [f"{k}: {np.diff(part.events.offsets).mean():.1f}" for k, part in parts.items()]
    per_class = np.array([[6, 6, 0, 6, 6, 0], [6, 6, 2, 6, 6, 2]]) / 2  # three a burst, over two taps
    np.testing.assert_array_equal(drawn["event_counts"].axes[2].images[0].get_array(), per_class)

    changed = data.train_of_epoch(0, 1).events
    for label, axes in enumerate(drawn["augmentation"].axes):
        sample = int(np.argmax(data.train.y == label))
        for events, marks in zip((data.train.events, changed), axes.collections, strict=True):
            own = events.take([sample])
            np.testing.assert_array_equal(marks.get_offsets(), np.column_stack([own.times, own.units]))
        assert axes.get_title().startswith(f"sample {sample}: ")

    (axes,) = drawn["neuron_rates"].axes
    _, hidden = continuous(run)[0].infer_counted(continuous(run)[1])
    if target == "continuous":
        assert axes.get_title() == (
            f"hidden: {hidden[0].sum() / 20:.1f} spikes per recording, {(hidden[0] == 0).sum()} of 12 neurons silent"
        )
    assert sum(bar.get_height() for bar in axes.patches) == 12


@pytest.mark.parametrize("target", ["continuous", "clocked"])
def test_what_was_learned_of_a_file(tmp_path, monkeypatch, target):
    """Before is what the file has, and once that is gone, what would be drawn without it, as the caption says."""
    start = {"W1": np.full((5, 20), 2.0), "W2": np.full((20, 3), 1.4), "D1": np.full((5, 20), 7.25)}
    np.savez(tmp_path / "start.npz", **start)
    late = (f'network.weights="{tmp_path / "start.npz"}"', "network.initial_delay=[8, 4]", "learning.delay_rate=100")
    run = trained(tmp_path, YINYANG, f"target={target}", *late, "clocked.dt=0.5", "epochs=1")
    drawn = run.learner.drawn_weights()
    check_learned(run, figures(run, monkeypatch), drawn | start, ["D1", "D2"])
    caption = "Delays (D, of recurrent weights E) and time constants before and after learning."
    assert drawings_of(run)["delays_and_constants"].caption == caption
    (tmp_path / "start.npz").unlink()
    check_learned(run, figures(run, monkeypatch), drawn, ["D1", "D2"])
    caption += " start.npz (network.weights) cannot be read: before is what is drawn without it."
    assert drawings_of(run)["delays_and_constants"].caption == caption


def test_first_weights_are_the_image_where_delays_have_their_shape(tmp_path, monkeypatch):
    late = "target=clocked", "network.initial_delay=[6, 0]", "learning.delay_rate=100", "clocked.dt=0.5"
    run = trained(tmp_path, MAX_VOLTAGE, *late)
    check_images(run, figures(run, monkeypatch), "W1")


def test_channels_are_no_image(tmp_path, monkeypatch):
    """36 inputs, of three channels over delay lines, would be a square if they were pixels."""
    write_bursts(tmp_path)
    monkeypatch.chdir(tmp_path)
    taps = f"data.taps={[5 * k for k in range(12)]}"
    run = trained(tmp_path, BURSTS, taps, "epochs=1", "learning.delay_rate=0", "network.initial_delay=[0, 0]")
    assert run.state.layers[0] == 36
    assert "weight_images" not in drawings_of(run)


def test_figures_of_events_that_stay(tmp_path, monkeypatch):
    """Without an augmentation there is no figure of one; an output that spikes has its rate, and no voltages."""
    write_bursts(tmp_path)
    monkeypatch.chdir(tmp_path)
    still = "data.stretch=[1, 1]", "data.time_shift=0", "loss.name=ttfs", "network.initial_mean=[1.2, 1.5]"
    text = BURSTS.replace("tau = 30\ngain = 5\n", "")
    drawn = figures(trained(tmp_path, text, *still), monkeypatch)
    assert "augmentation" not in drawn
    assert "voltages" not in drawn
    assert [axes.get_title().split(":")[0] for axes in drawn["neuron_rates"].axes] == ["hidden", "output"]


def test_all_figures_of_the_baseline(tmp_path, monkeypatch):
    run = trained(tmp_path, SLAYER)
    drawn = figures(run, monkeypatch)
    assert drawn.keys() == (COMMON | {"weight_images"}) - {"gradient_check"}
    check_common(
        run, drawn, "digits 64-10-10, slayer, seed 0", "accuracy_ties_right",
        {
            "training, while learning": "train_accuracy",
            "test, ties wrong": "test_accuracy",
            "test, ties right": "test_accuracy_ties_right",
        },
    )  # fmt: skip
    check_images(run, drawn, "W1")
    titles = [drawn[kind].axes[0].get_title() for kind in ("raster", "raster_wrong")]
    check_verdicts(run, titles)
    for kind, title in zip(("raster", "raster_wrong"), titles, strict=True):
        layers = run.learner.spikes(run.weights, int(re.search(r"test sample (\d+)", title)[1]))
        (axes,) = drawn[kind].axes
        for spikes, marks in zip(layers, axes.collections, strict=True):
            np.testing.assert_array_equal(np.asarray(marks.get_offsets())[:, 0], np.nonzero(spikes)[0])
        assert [label.get_text() for label in axes.get_yticklabels()] == ["input", "hidden 1", "output"]


def test_nothing_to_draw(tmp_path):
    with pytest.raises(CheckpointError, match="is missing"):
        plot_run(tmp_path)
