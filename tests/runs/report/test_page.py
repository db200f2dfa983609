"""The report as a file, and as headless Chromium shows it, wherever one is installed."""

import json
import re
import shutil

import pytest
from experiments import YINYANG

from lava_nbp.errors import CheckpointError, OutputError
from lava_nbp.runs.report import write_report
from lava_nbp.runs.train import train
from lava_nbp.training.config import load_config

NBP = """
epochs = 2
seed = 6
[data]
name = "digits"
validation = 50
train = 400
test = 60
[network]
n_hidden = 20
initial_input_scale = 0.5
initial_output_mean = 20
"""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, text in (("nbp", NBP), ("eventprop", YINYANG)):
        (folder / "config.toml").write_text(text)
        train(load_config(folder / "config.toml"), folder / name)
    return folder


@pytest.fixture(scope="module")
def report(runs):
    told = []
    path = write_report(runs / "nbp", stage=lambda *what: told.append(what))
    assert any("phase player" in what for what, _, _ in told)
    return path


def sections(html):
    return re.findall(r'<section id="(\w[\w-]*)">', html)


def test_one_file_with_everything(runs, report):
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
def test_it_links_to_nothing_outside(runs, name, tmp_path):
    html = write_report(runs / name, tmp_path / "page.html").read_text()
    links = re.findall(r'(?:src|href)\s*=\s*["\']([^"\']*)', html)
    assert links
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in links)
    addresses = set(re.findall(r"\w+://[^\s\"'<]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # the name of a language, which nobody fetches


def test_an_algorithm_without_phases(runs):
    html = write_report(runs / "eventprop").read_text()
    assert sections(html) == ["result", "curves", "weights", "spikes", "plan", "configuration", "versions"]
    assert "no lowering to the chip" in html
    assert "<script" not in html


def test_what_users_wrote_is_escaped(tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    images = {f"{part}_images": rng.random((30, 6)) for part in ("train", "test")}
    labels = {f"{part}_labels": np.arange(30) % 2 for part in ("train", "test")}
    np.savez(tmp_path / "mine.npz", **images, **labels, classes=["</script><b>", "&"])
    (tmp_path / "config.toml").write_text(
        f'epochs = 1\n[data]\nname = "npz"\npath = "{tmp_path}/mine.npz"\n[network]\nn_hidden = 4\n'
    )
    train(load_config(tmp_path / "config.toml"), tmp_path / "run")
    html = write_report(tmp_path / "run").read_text()
    assert "</script><b>" not in html
    assert html.count("</script>") == 2


def test_refused(runs, tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(runs / "nbp" / "checkpoint.npz", tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"result.json cannot be read .* go on with lava-nbp train --resume"):
        write_report(tmp_path / "run")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(runs / "nbp", tmp_path / "none" / "page.html")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")
def test_the_phase_player_in_a_browser(report):
    """Stepped through every phase of every sample, what is lit is what the data say; nothing goes to a network."""
    from playwright.sync_api import sync_playwright

    data = json.loads(re.search(r'id="player-data">(.*?)</script>', report.read_text(), re.S)[1])
    said, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        images = page.eval_on_selector_all("img", "all => all.map(image => image.naturalWidth)")
        assert len(images) == 6
        assert min(images) > 100
        seen = """() => Object.fromEntries([...document.querySelectorAll('[data-population]')].map(g => [
            g.dataset.population, [...g.querySelectorAll('rect, circle')].slice(g.querySelector('circle') ? 0 : 1)
                .flatMap((cell, k) => cell.getAttribute('fill') === '#D55E00' ? [k] : [])]).filter(e => e[1].length))"""
        learns = "() => [...document.querySelectorAll('[data-learns=yes]')].length"
        for k, sample in enumerate(data["samples"]):
            page.select_option("#player-sample", str(k))
            for step, lit in enumerate(sample["steps"]):
                assert page.evaluate(seen) == lit
                assert page.evaluate(learns) == len(data["phases"][step]["learns"])
                assert page.inner_text("#player-phase").startswith(f"phase {step % data['period']}")
                page.click("#player-forward")
            assert page.input_value("#player-step") == str(data["period"])  # no step beyond the last
        page.focus("#player")
        page.keyboard.press("ArrowLeft")
        assert page.input_value("#player-step") == str(data["period"] - 1)
        page.click("#player-play")
        page.wait_for_function(f"document.getElementById('player-step').value === '{data['period']}'", timeout=5000)
        page.click("#player-play")
        labels = page.eval_on_selector_all("#player-svg text", "all => all.map(t => t.textContent)")
        assert {p["name"] for p in data["dense"]} <= {label.split(" ")[0] for label in labels}
        browser.close()
    assert said == []
    assert all(url.startswith(("file:", "data:")) for url in asked)
