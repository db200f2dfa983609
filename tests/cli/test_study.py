"""study and summary: what they print, and how they end."""

import csv
import io
import json

from experiments import DIGITS

STUDY = """
name = "small"
base = "config.toml"
[fixed]
epochs = 1
[vary]
data.threshold = [0.3, 0.5]
seed = [1, 2, 3]
"""


def write(folder, text=STUDY):
    (folder / "study.toml").write_text(text)


def test_study_and_what_it_says(run, tmp_path):
    write(tmp_path)
    code, out, err = run("study", "study.toml", "--workers", "2")
    assert code == 0, err
    assert "6/6 " in err
    assert "results: runs/studies/small" in out
    assert out.count("each seed: 1: ") == 2
    folder = tmp_path / "runs" / "studies" / "small"
    assert len(list((folder / "trials").iterdir())) == 6

    code, out, _ = run("summary", folder, "--style", "json")
    report = json.loads(out)
    first = report["conditions"][0]
    assert (code, first["settings"], first["seeds"]) == (0, {"data.threshold": 0.3}, [1, 2, 3])
    accuracies = [
        json.loads((folder / "trials" / t["trial"] / "result.json").read_text())["chosen"]["test_accuracy_spikes"]
        for t in report["trials"]
    ]
    assert first["values"] == accuracies[:3]
    assert first["mean"] == sum(accuracies[:3]) / 3

    code, out, _ = run("summary", folder, "--style", "markdown")
    assert f"| 0.3 | 3 | {100 * first['mean']:.2f} | " in out
    code, out, _ = run("summary", folder, "--style", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [float(row["accuracy"]) for row in rows] == accuracies
    code, out, _ = run("summary", folder, folder, "--measure", "validation")
    assert (code, out.count("second less first: 0.00 points, p = 1 ")) == (0, 2)
    assert "3 seeds that both have" in out


def test_a_failing_trial_is_told_and_resumed(run, tmp_path):
    write(tmp_path, STUDY.replace("data.threshold = [0.3, 0.5]\n", "").replace("[1, 2, 3]", "[1, 2]"))
    in_the_way = tmp_path / "out" / "trials" / "1_seed-2"
    assert run("study", "study.toml", "--out", "out", "--workers", "1")[0] == 0
    (in_the_way / "result.json").unlink()
    (in_the_way / "checkpoint.npz").write_text("no checkpoint")
    code, out, err = run("study", "study.toml", "--out", "out", "--workers", "1", "--resume")
    assert code == 3
    assert "1 of 2 trials are done already" in err
    assert "failed, 1_seed-2: " in err
    assert "1 of 2" in out
    assert [line for line in err.splitlines() if "Traceback" in line] == []
    (in_the_way / "checkpoint.npz").unlink()
    assert run("study", "study.toml", "--out", "out", "--resume")[0] == 0


def test_what_is_wrong_is_said_in_a_line_and_nothing_is_begun(run, tmp_path):
    write(tmp_path, STUDY.replace("seed = [1, 2, 3]", "sed = [1]"))
    for arguments, message in (
        (("study", "study.toml"), "unknown key sed = 1; did you mean seed?"),
        (("study", "none.toml"), "study none.toml cannot be read"),
        (("study", "config.toml"), "study config.toml: unknown key seed = 2"),
        (("summary", "nothing"), "so nothing is no study"),
        (("study", "study.toml", "--set", "epochs"), "write key=value"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), err
        assert message in err
        assert len(err.splitlines()) == 1
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["config.toml", "study.toml"]
    assert (tmp_path / "config.toml").read_text() == DIGITS


SEARCH = """
name = "found"
base = "config.toml"
[fixed]
epochs = 2
[search]
trials = 5
startup = 2
[vary]
data.threshold = { from = 0.2, to = 0.8 }
"""


def test_a_search_and_what_it_says(run, tmp_path):
    write(tmp_path, SEARCH)
    code, out, err = run("study", "study.toml", "--workers", "1")
    assert code == 0, err
    assert "6/6 " in err  # five, and the chosen one once more
    folder = tmp_path / "runs" / "studies" / "found"
    code, out, _ = run("summary", folder, "--style", "json")
    report = json.loads(out)
    chosen = report["chosen"]
    result = json.loads((folder / "trials" / chosen / "result.json").read_text())
    code, out, _ = run("summary", folder, "--style", "markdown")
    lines = out.splitlines()
    assert lines[0] == "| trial | state | data.threshold | epoch | validation (%) | test (%) |"
    assert lines[2].startswith(f"| {chosen.split('_')[0]} | finished | ")
    accuracy = f"{100 * result['chosen']['test_accuracy_spikes']:.2f}"
    assert lines[2].endswith(f" | {accuracy} |")
    assert all(line.endswith(" |  |") for line in lines[3:7])  # nobody else has seen the test set
    assert f"chosen on validation: {chosen}, test accuracy {accuracy} % (its validation accuracy is the best of" in out
    code, out, _ = run("report", folder)
    assert code == 0
    html = (folder / "study.html").read_text()
    for part in ("The search", "Against each key", "Which keys matter"):
        assert f"{part}</h2>" in html


def test_on_slurm_without_one(run, tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = run("study", "study.toml", "--on", "slurm")
    assert (code, out) == (2, "")
    assert "--on slurm needs a SLURM controller, but none answers here" in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
