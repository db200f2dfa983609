"""Result tables are what results/*.json render; those are what studies said."""

import json
import re
import statistics
import subprocess
from pathlib import Path

import pytest
from experiments import DIGITS
from project_scripts import loaded

from lava_nbp import load_study, load_study_file
from lava_nbp.runs.studies.measures import MEASURES

results = loaded("results")
ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "results").glob("*.json"))


def test_every_table_is_what_its_file_renders():
    assert results.main(["--check"]) == 0


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_file_belongs_to_a_study_that_is_shipped(path):
    content = json.loads(path.read_text())
    study = load_study_file(ROOT / "studies" / f"{path.stem}.toml")
    assert content["study"] == study.name == path.stem
    assert content["command"] == f"lava-nbp study studies/{path.stem}.toml"
    assert re.fullmatch("[0-9a-f]{7,}", content["commit"])  # of a tree without changes
    trials = [({k: v for k, v in t.settings.items() if k != "seed"}, t.settings["seed"]) for t in study.trials]
    assert [(c["settings"], seed) for c in content["conditions"] for seed in c["seeds"]] == trials
    for condition in content["conditions"]:
        for measure, values in condition["measures"].items():
            assert len(values) == len(condition["seeds"])
            assert all(0 <= value <= (1 if MEASURES[measure].share else 1e8) for value in values)
    pages = "".join((ROOT / page).read_text() for page in results.PAGES)
    assert re.search(rf"<!-- (results|compared) [^:>]*\b{path.stem}\b[^>]*-->", pages), "no table shows it"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with a study of the digits, and a page that shows it."""
    for name, text in {
        "base.toml": DIGITS,
        "studies/tiny.toml": 'name = "tiny"\nbase = "../base.toml"\n[fixed]\nepochs = 1\n[vary]\nseed = [1, 2, 3]\n',
        "README.md": "before\n<!-- results tiny: accuracy, last; each -->\nby hand\n<!-- end of results -->\nafter\n",
        ".gitignore": "runs/\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "results").mkdir()
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(results, "ROOT", tmp_path)
    monkeypatch.setattr(results, "PAGES", ("README.md",))
    return tmp_path


def test_a_study_is_run_written_and_shown(project, capsys):
    assert results.main(["--run", "tiny"]) == 0
    content = json.loads((project / "results" / "tiny.json").read_text())
    rows = load_study(project / "runs" / "results" / "tiny").rows
    (condition,) = content["conditions"]
    assert condition["seeds"] == [1, 2, 3]
    for measure in ("accuracy", "last", "membrane", "best_on_test", "validation"):
        assert condition["measures"][measure] == [row[measure] for row in rows]
    page = (project / "README.md").read_text()
    mean = sum(condition["measures"]["accuracy"]) / 3
    assert page.startswith("before\n<!-- results tiny: accuracy, last; each -->\n| study |")
    assert f"| tiny |  | accuracy | 1 .. 3 | **{100 * mean:.2f}** ± " in page
    assert ", ".join(f"{100 * value:.2f}" for value in condition["measures"]["last"]) in page
    assert f"From `lava-nbp study studies/tiny.toml` (commit {content['commit']}, Python " in page
    assert page.endswith("<!-- end of results -->\nafter\n")
    assert "by hand" not in page
    assert results.main(["--check"]) == 0

    (project / "README.md").write_text(page.replace(f"{100 * mean:.2f}", "99.99"))
    assert results.main(["--check"]) == 1
    assert "not as results/*.json say: README.md; run make results" in capsys.readouterr().err
    assert "99.99" in (project / "README.md").read_text()
    assert results.main([]) == 0
    assert (project / "README.md").read_text() == page


def test_studies_side_by_side(project):
    cases = '[[cases]]\nname = "a few"\ndata.train = 100\n[[cases]]\nname = "more"\n'
    (project / "studies" / "two.toml").write_text(
        'name = "two"\nbase = "../base.toml"\n[fixed]\nepochs = 1\n[vary]\nseed = [1, 2]\n' + cases
    )
    (project / "README.md").write_text(
        "<!-- compared first = tiny; few, of two = two/a few: accuracy, spikes -->\n<!-- end of results -->\n"
    )
    for command in (["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "y"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    results.run("tiny")
    for command in (["add", "-A"], ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "z"]):
        subprocess.run(["git", *command], cwd=project, check=True)
    results.run("two")
    assert results.main([]) == 0
    tiny, two = (load_study(project / "runs" / "results" / name).rows for name in ("tiny", "two"))
    few = [row for row in two if row["case"] == "a few"]
    lines = (project / "README.md").read_text().splitlines()
    assert lines[1] == "|  | seeds | accuracy (%) | spikes |"
    for line, label, rows, seeds in ((lines[3], "first", tiny, "1 .. 3"), (lines[4], "few, of two", few, "1 .. 2")):
        shares = [100 * row["accuracy"] for row in rows]
        spikes = statistics.mean(row["spikes"] for row in rows)
        assert line == (
            f"| {label} | {seeds} | {statistics.mean(shares):.2f} ± {statistics.stdev(shares):.2f} | {spikes:.0f} |"
        )
    assert lines[6].count("From `lava-nbp study studies/tiny.toml`") == lines[6].count("studies/two.toml") == 1
    assert results.main(["--check"]) == 0
