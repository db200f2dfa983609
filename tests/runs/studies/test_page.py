"""The page of a study: what is on it, as a file and in headless Chromium."""

import re
import shutil
import sys

import pytest
from browser import needs_browser

from lava_nbp import run_study, write_study_page
from lava_nbp.errors import CheckpointError
from lava_nbp.runs.studies.folder import load_study, opened
from lava_nbp.runs.studies.measures import curve
from lava_nbp.runs.studies.statistics import conditions
from studies import digits_study

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run_study(digits_study(), tmp_path_factory.mktemp("study") / "there", workers=2)


@pytest.fixture(scope="module")
def page(study):
    told = []
    path = write_study_page(study.path, stage=lambda *what: told.append(what))
    assert told
    return path


def test_one_file_with_everything(study, page):
    assert page == study.path / "study.html"
    html = page.read_text()
    assert re.findall(r'<section id="([\w-]+)">', html) == [
        "result",
        "curves",
        "keys",
        "trials",
        "configuration",
        "versions",
    ]
    assert html.count('src="data:image/png;base64,') == 3
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    assert "6 trials, of which 6 are finished and 0 failed." in html
    for condition in conditions(study):
        assert f"<td>{100 * condition.mean:.2f}</td>" in html
        assert f"{100 * condition.low:.2f} .. {100 * condition.high:.2f}" in html
    for trial in study.study.trials:
        assert trial.name in html


def test_what_has_failed_and_what_is_not_done(study, tmp_path):
    there = tmp_path / "copy"
    shutil.copytree(study.path, there)
    first, second = study.study.trials[:2]
    shutil.rmtree(there / "trials" / first.name)
    (there / "trials" / second.name / "result.json").unlink()
    load_study(there).note_failure(first, "it could <not> be")
    html = write_study_page(there, tmp_path / "page.html").read_text()
    assert "6 trials, of which 4 are finished and 1 failed." in html
    assert "it could &lt;not&gt; be" in html
    assert "1 of 3" in html


def test_a_study_without_a_finished_trial(tmp_path):
    with opened(tmp_path / "x", digits_study(), resume=False):
        pass
    with pytest.raises(CheckpointError, match="has no finished trial; go on with lava-nbp study --resume"):
        write_study_page(tmp_path / "x")
    assert not (tmp_path / "x" / "study.html").exists()


def test_curves_are_those_of_validation(study):
    run = study.run_of(study.study.trials[0])
    found = curve(run)
    assert len(found) == 3
    assert max(found) == study.rows[0]["validation"]
    (run / "metrics.jsonl").rename(run / "kept")
    try:
        with pytest.raises(CheckpointError, match="metrics.jsonl cannot be read"):
            curve(run)
        (run / "metrics.jsonl").write_text("[1]\n")
        with pytest.raises(CheckpointError, match="holds what no run writes"):
            curve(run)
    finally:
        (run / "kept").replace(run / "metrics.jsonl")


@needs_browser
def test_in_a_browser(study, page, browsed):
    seen = browsed(page)
    assert seen.title() == "Study: digits"
    loaded = "all => all.map(image => image.complete && image.naturalWidth > 300)"
    assert seen.eval_on_selector_all("img", loaded) == [True] * 3
    cells = seen.eval_on_selector_all("#result td", "all => all.map(cell => cell.textContent)")
    for condition in conditions(study):
        assert f"{100 * condition.mean:.2f}" in cells
    assert seen.eval_on_selector_all("#trials tbody tr", "all => all.length") in (6, 7)


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    study = digits_study(
        {"data.threshold": {"from": 0.1, "to": 0.9}, "network.n_hidden": {"from": 5, "to": 40}},
        search={"trials": 12, "startup": 6},
    )
    return run_study(study, tmp_path_factory.mktemp("search") / "there", workers=2)


@needs_browser
def test_a_search_in_a_browser(search, browsed):
    seen = browsed(write_study_page(search.path))
    states = [row["state"] for row in search.rows]
    assert f"{states.count('finished')} are finished, {states.count('pruned')} given up early" in seen.content()
    loaded = "all => all.map(image => image.complete && image.naturalWidth > 300)"
    for section, images in (("curves", 1), ("keys", 1), ("importance", 1)):
        assert seen.eval_on_selector_all(f"#{section} img", loaded) == [True] * images
    rows = seen.eval_on_selector_all(
        "#result tbody tr", "all => all.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
    )
    rows = [row for row in rows if row]
    assert len(rows) == 12
    chosen = next(row for row in search.rows if row["trial"] == search.chosen.name)
    assert (rows[0][0], rows[0][-1]) == (chosen["trial"].partition("_")[0], f"{100 * chosen['accuracy']:.2f}")
    assert [row[-1] for row in rows[1:]] == [""] * 11


def test_a_page_of_a_search_without_optuna(search, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    html = write_study_page(search.path, tmp_path / "page.html").read_text()
    assert "Not known here: a search needs the package optuna" in html
    assert html.count('src="data:image/png;base64,') == 2
