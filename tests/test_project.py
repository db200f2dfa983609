"""The project's own files: what the README shows is true, and the set-up script helps."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from lava_nbp.nbp.circuit import training_circuit

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = {"README.md": README, **{path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}}


def test_docs_show_the_phase_table_of_the_circuit():
    assert training_circuit(400, 400, 10).table("markdown") in PAGES["nbp.md"]


CODE = [
    pytest.param(code, id=f"{name}-{k}")
    for name, text in PAGES.items()
    for k, code in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
]


@pytest.mark.parametrize("code", CODE)
def test_python_of_the_pages_runs(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"# prints (.*)", code)
    assert promised
    for line in promised:
        assert line in done.stdout


def test_commands_of_the_pages_exist_and_the_readme_has_all():
    from lava_nbp.cli.app import app

    commands = {command.callback.__name__ for command in app.registered_commands}
    named = {
        name: set(re.findall(r"^lava-nbp (\w+)", text, re.MULTILINE)) | set(re.findall(r"`lava-nbp (\w+)", text))
        for name, text in PAGES.items()
    }
    assert set().union(*named.values()) <= commands
    assert named["README.md"] == commands - {"plot"} | ({"plot"} & named["README.md"])


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    for link in re.findall(r"\]\(([^)#\s]+)", (ROOT / name).read_text()):
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_configurations_that_the_pages_name_are_shipped():
    for name, text in PAGES.items():
        for path in re.findall(r"run_configs/\w+\.toml", text):
            assert (ROOT / path).is_file(), f"{name}: {path}"


def test_citation_names_the_papers():
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["version"] == version("lava-nbp")
    papers = {paper["authors"][0]["family-names"]: paper for paper in citation["references"]}
    assert (papers["Renner"]["journal"], papers["Renner"]["start"]) == ("Nature Communications", "9691")
    assert (papers["Wunderlich"]["journal"], papers["Wunderlich"]["start"]) == ("Scientific Reports", "12829")


def find_python(**variables):
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    script = [str(ROOT / "scripts" / "find-python")]
    return subprocess.run(script, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_python_is_found_where_it_is_named():
    done = find_python(PYTHON=sys.executable)
    assert (done.returncode, done.stdout.strip()) == (0, sys.executable)


def test_python_is_found_below_pyenv(tmp_path):
    binary = tmp_path / "versions" / "3.10.99" / "bin"
    binary.mkdir(parents=True)
    (binary / "python3.10").symlink_to(os.path.realpath(sys.executable))
    done = find_python(PYENV_ROOT=str(tmp_path))
    assert (done.returncode, done.stdout.strip()) == (0, str(binary / "python3.10"))


def test_without_python_the_message_says_how_to_get_one(tmp_path):
    for name, target in {"sh": "/bin/sh", "cat": "/bin/cat", "uv": "/bin/false"}.items():
        (tmp_path / name).symlink_to(target)
    done = find_python(PATH=str(tmp_path))
    assert done.returncode == 1
    for word in ("no Python 3.10", "pyenv install 3.10", "uv python install 3.10", "conda create", "deadsnakes"):
        assert word in done.stderr
