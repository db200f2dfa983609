"""The report as a file, and as headless Chromium shows it, wherever one is installed."""

import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from browser import needs_browser
from experiments import BURSTS, DIGITS, YINYANG, experiment, trained, write_bursts
from own_circuits import delta_circuit, feedforward_circuit, paper_under_other_names

from lava_nbp import Executor, initial_weights, load_run, one_hot
from lava_nbp.errors import CheckpointError, OutputError
from lava_nbp.runs.report import write_report
from lava_nbp.runs.report.page import render_page
from lava_nbp.runs.train import train
from lava_nbp.training.learner import Inference
from lava_nbp.training.nbp.learner import NBPLearner
from lava_nbp.training.nbp.player import Shown, player_data
from lava_nbp.training.sections import Section

SETTINGS = (
    "seed=6", "epochs=2", "data.train=400", "network.initial_input_scale=0.5", "network.initial_output_mean=20",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    train(experiment(folder, DIGITS, *SETTINGS), folder / "nbp")
    train(experiment(folder, YINYANG), folder / "eventprop")
    return folder


@pytest.fixture(scope="module")
def reports(runs):
    """By algorithm: the report's path, what it told, and by whom the test set was inferred for it."""
    made = {}
    for name in ("nbp", "eventprop"):
        told, asked, learner = [], [], type(load_run(runs / name).learner)
        with pytest.MonkeyPatch.context() as patch:
            count(patch, learner, "infer", asked)
            count(patch, Executor, "infer", asked)
            path = write_report(runs / name, stage=lambda *what, told=told: told.append(what))
        made[name] = path, told, asked
    return made


def count(patch, owner, name, calls):
    """Note every call of a method, and let it be."""
    method = getattr(owner, name)
    patch.setattr(owner, name, lambda self, *rest: calls.append(owner.__name__) or method(self, *rest))


@pytest.fixture
def report(reports):
    return reports["nbp"][0]


def sections(html):
    return re.findall(r'<section id="(\w[\w-]*)">', html)


def player_of(html):
    return json.loads(re.search(r'id="player-data">(.*?)</script>', html, re.S)[1])


def test_one_file_with_everything(runs, reports):
    report, told, _ = reports["nbp"]
    assert any("phase player" in what for what, _, _ in told)
    assert report == runs / "nbp" / "report.html"
    html = report.read_text()
    assert sections(html) == [
        "result", "curves", "weights", "spikes", "player-section", "phases", "plan", "configuration", "versions",
    ]  # fmt: skip
    assert html.count('src="data:image/png;base64,') == 6
    result = json.loads((runs / "nbp" / "result.json").read_text())
    assert f"{100 * result['chosen']['test_accuracy_spikes']:.2f} %" in html
    assert f">{float(format(result['inference']['effective_acs'], '.6g'))}<" in html
    for text in ("lava-nc", "n_hidden", "back-propagated error, positive part", "fullest core", "It fits."):
        assert text in html


@pytest.mark.parametrize("name", ["nbp", "eventprop"])
def test_it_links_to_nothing_outside(reports, name):
    html = reports[name][0].read_text()
    links = re.findall(r'(?:src|href)\s*=\s*["\']([^"\']*)', html)
    assert links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
    addresses = set(re.findall(r"\w+://[^\s\"'<]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of a language, which nobody fetches


def test_an_algorithm_without_phases(reports):
    html = reports["eventprop"][0].read_text()
    assert sections(html) == ["result", "curves", "weights", "spikes", "plan", "configuration", "versions"]
    assert "no lowering to the chip" in html
    assert "<script" not in html


def test_a_run_on_recordings(tmp_path, monkeypatch):
    """How many events there are, by hand: bursts of three over two taps, and one more in every second recording."""
    write_bursts(tmp_path)
    monkeypatch.chdir(tmp_path)
    html = write_report(trained(tmp_path, BURSTS, "epochs=1").folder).read_text()
    assert sections(html) == [
        "result",
        "curves",
        "recordings",
        "weights",
        "spikes",
        "plan",
        "configuration",
        "versions",
    ]
    part = re.search(r'<section id="recordings">.*?</section>', html, re.S)[0]
    cells = re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", part)
    rows = [cells[k : k + 7] for k in range(0, len(cells), 7)]
    assert rows[0] == [
        "split", "recordings", "fewest events", "mean", "most", "last event (ms)", "inputs without an event",
    ]  # fmt: skip
    assert [row[:2] for row in rows[1:]] == [["train", "40"], ["validation", "10"], ["test", "20"]]
    assert rows[3][2:] == ["12", "13.0", "14", "70.0", "0"]
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", part)
    assert captions == [
        "The first recording of every class, as the network gets it.",
        "Events of a recording, of an input, and of an input by class.",
        "Training recordings, and what an epoch makes of them.",
        "How often neurons spike while the test set is answered.",
    ]
    assert "Voltages of the outputs over time" in html.partition('<section id="spikes">')[2]


def test_a_run_that_learned_delays_in_steps(tmp_path):
    late = ("target=clocked", "clocked.dt=0.5", "neuron.tau_m=[20, 12]", "network.initial_delay=[6, 3]")
    run = trained(tmp_path, YINYANG, *late, "learning.delay_rate=200", "network.recurrent_deviation=[0.1, 0]")
    html = write_report(run.folder).read_text()
    assert "Delays (D, of recurrent weights E) and time constants before and after learning." in html
    count = re.search(r"<td[^>]*>bounded parameters</td><td[^>]*>(\d+)</td>", html)[1]
    assert int(count) == sum(epoch["bounded_parameters"] for epoch in run.state.history) > 0


def test_what_users_wrote_is_escaped(tmp_path):
    rng = np.random.default_rng(0)
    images = {f"{part}_images": rng.random((30, 6)) for part in ("train", "test")}
    labels = {f"{part}_labels": np.arange(30) % 2 for part in ("train", "test")}
    np.savez(tmp_path / "mine.npz", **images, **labels, classes=["</script><b>", "&"])
    text = f'epochs = 1\n[data]\nname = "npz"\npath = "{tmp_path}/mine.npz"\n[network]\nn_hidden = 4\n'
    html = write_report(trained(tmp_path, text).folder).read_text()
    assert "</script><b>" not in html
    assert html.count("</script>") == 2


def test_refused(runs, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(runs / "nbp" / "checkpoint.npz", tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"result.json cannot be read .* go on with lava-nbp train --resume"):
        write_report(tmp_path / "run")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(runs / "nbp", tmp_path / "none" / "page.html")


def test_the_test_set_is_inferred_once(reports):
    """By the learner, for figures, player and confusion matrix; and by nothing else."""
    assert {name: asked for name, (_, _, asked) in reports.items()} == {
        "nbp": ["NBPLearner"],
        "eventprop": ["EventPropLearner"],
    }


@pytest.mark.parametrize("right", [True, False])
def test_a_report_whose_samples_are_all_right_or_all_wrong(runs, right, tmp_path, monkeypatch):
    """What there is none of is left out, in raster and player; nothing is called what it is not."""
    all_alike, titles = NBPLearner.infer, []

    def infer(self, weights, told=None):
        found = all_alike(self, weights)
        test = self.dataset.test
        classes = test.y if right else (test.y + 1) % 10
        return replace(found, classes=classes, right=np.full(len(test), right))

    monkeypatch.setattr(NBPLearner, "infer", infer)
    monkeypatch.setattr(
        "lava_nbp.seeing.plot.raster", lambda circuit, rows, path, title: titles.append((title, len(rows["x"]))) or path
    )
    monkeypatch.setattr("lava_nbp.runs.report.page.embedded", lambda path, caption: {"source": "", "caption": caption})
    monkeypatch.setattr("lava_nbp.seeing.plot.save", lambda figure, path: path)  # pictures are looked at elsewhere
    data = player_of(write_report(runs / "nbp", tmp_path / "page.html").read_text())
    word = "right" if right else "wrong"
    assert titles == [(f"digits 64-20-10, sample, seed 6: test sample 0 ({word})", 13)]
    assert len(data["samples"]) == 3
    assert all(s["title"].endswith("(not as the target says)") is not right for s in data["samples"])


def test_rasters_of_every_kind_there_is():
    from lava_nbp.training.sections import rasters

    drawn = []
    for right in ([False, True, True], [True, True], [False, False]):
        found = rasters(np.array(right), "a run", lambda sample, path, title: drawn.append((path, sample, title)))
        for name, drawing in found.items():
            drawing.draw(name)
    assert drawn == [
        ("raster", 1, "a run: test sample 1 (right)"),
        ("raster_wrong", 0, "a run: test sample 0 (wrong)"),
        ("raster", 0, "a run: test sample 0 (right)"),
        ("raster_wrong", 0, "a run: test sample 0 (wrong)"),
    ]


# ------------------------------------------------------------- in a browser


LIT = """() => Object.fromEntries([...document.querySelectorAll('[data-population]')].map(g => [
    g.dataset.population, [...g.querySelectorAll('rect, circle')].slice(g.querySelector('circle') ? 0 : 1)
        .flatMap((cell, k) => cell.getAttribute('fill') === '#D55E00' ? [k] : [])]).filter(e => e[1].length))"""
LEARNS = "() => [...document.querySelectorAll('[data-learns=yes]')].length"
LABELS = "all => all.map(t => t.textContent)"
#: Left and right edge of every box, by population; and of the drawing.
EDGES = """() => Object.fromEntries([...document.querySelectorAll('[data-population]')].map(g => {
    const box = (g.querySelector('circle') || g.querySelector('rect')).getBBox();
    return [g.dataset.population, [box.x, box.x + box.width]];}))"""
WIDTH = "() => document.getElementById('player-svg').viewBox.baseVal.width"


def step_through(page, data):
    """Through every phase of every sample: what is lit is what the data say, and what learns says by how much."""
    for k, sample in enumerate(data["samples"]):
        page.select_option("#player-sample", str(k))
        for step, lit in enumerate(sample["steps"]):
            phase = data["phases"][step]
            assert page.evaluate(LIT) == lit
            assert page.evaluate(LEARNS) == len(phase["learns"])
            assert page.inner_text("#player-phase").startswith(f"phase {step % data['period']}")
            labels = page.eval_on_selector_all("#player-svg text", LABELS)
            assert {f"{name} {phase['change']}" for name in phase["learns"]} <= set(labels)
            page.click("#player-forward")
        assert page.input_value("#player-step") == str(data["period"])  # no step beyond the last
    labels = page.eval_on_selector_all("#player-svg text", LABELS)
    assert {p["name"] for p in data["dense"]} <= {label.split(" ")[0] for label in labels}


@needs_browser
def test_the_phase_player_in_a_browser(report, browsed):
    """Stepped through every phase of every sample, what is lit is what the data say; nothing goes to a network."""
    data = player_of(report.read_text())
    page = browsed(report)
    images = page.eval_on_selector_all("img", "all => all.map(image => image.naturalWidth)")
    assert len(images) == 6
    assert min(images) > 100
    step_through(page, data)
    page.focus("#player")
    page.keyboard.press("ArrowLeft")
    assert page.input_value("#player-step") == str(data["period"] - 1)
    page.click("#player-play")
    page.wait_for_function(f"document.getElementById('player-step').value === '{data['period']}'", timeout=5000)
    page.click("#player-play")


@needs_browser
def test_arrow_keys_step_from_the_start(report, browsed):
    """Nothing has to be clicked first; a form control that has the focus keeps its own keys."""
    page = browsed(report)
    for key, step in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("Alt+ArrowRight", 1)):
        page.keyboard.press(key)
        assert page.input_value("#player-step") == str(step)
    page.focus("#player-step")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#player-step") == "2"  # the slider's own key, and no second step
    page.select_option("#player-sample", "0")
    page.focus("#player-sample")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#player-step") == "0"
    page.click("#player-forward")  # a button has no arrow keys
    page.keyboard.press("ArrowRight")
    assert page.input_value("#player-step") == "2"


@needs_browser
@pytest.mark.parametrize(
    "circuit",
    [
        paper_under_other_names(25, 9, 3),
        delta_circuit(25, 3, "4*x0*y0*r - 2*x0"),
        feedforward_circuit(25, 20, 15, 10, 3),
    ],
    ids=["other names and phases", "delta rule", "five layers"],
)
def test_the_phase_player_of_any_circuit(circuit, tmp_path, browsed):
    rng = np.random.default_rng(1)
    samples = [
        Shown(k, k, 0, ((rng.random(25) < 0.6).astype(np.uint8), one_hot([k], 3)[0])[: len(circuit.sources)], k == 0)
        for k in range(3)
    ]
    data = player_data(circuit, initial_weights(circuit, rng), samples, ["a", "b", "c"])
    page_file = tmp_path / "page.html"
    page_file.write_text(render_page("any circuit", "", [Section("player-section", "Player", player=data)]))
    page = browsed(page_file)
    step_through(page, data)
    edges, width = page.evaluate(EDGES), page.evaluate(WIDTH)
    assert edges.keys() == {p.name for p in circuit.populations}
    assert all(0 < left < right < width for left, right in edges.values())
    columns = [
        {tuple(edges[p.name]) for p in circuit.populations if circuit.layer_of(p.name) == layer}
        for layer in circuit.forward
    ]
    assert all(len(column) == 1 for column in columns)  # a layer's boxes stand below each other
    ordered = [next(iter(column)) for column in columns]
    assert all(right < left for (_, right), (left, _) in pairwise(ordered))


def test_a_run_of_a_circuit_of_ones_own(tmp_path):
    """From training to the page: its names, its phases, its plan."""
    circuit = paper_under_other_names(64, 20, 10)
    train(experiment(tmp_path, DIGITS, *SETTINGS), tmp_path / "run", circuit)
    html = write_report(tmp_path / "run").read_text()
    data = player_of(html)
    assert data["layers"] == ["my_x", "my_h1", "my_o"]
    assert data["period"] == 14
    assert "my_W1, my_W1_lo, my_W1_hi (+2)" in html
    assert "It fits." in html
    learner = load_run(tmp_path / "run").learner
    assert isinstance(learner.infer(load_run(tmp_path / "run").weights), Inference)
    assert learner.circuit == circuit
