"""The project's own files: what the README shows is true, and the set-up script helps."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lava_nbp.nbp.circuit import training_circuit

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_readme_shows_the_phase_table_of_the_circuit():
    assert training_circuit(400, 400, 10).table("markdown") in README


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_of_the_readme_runs(code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"# prints (.*)", code)
    assert promised
    for line in promised:
        assert line in done.stdout


def test_commands_of_the_readme_exist():
    from lava_nbp.cli import app

    commands = {command.callback.__name__ for command in app.registered_commands}
    named = set(re.findall(r"^lava-nbp (\w+)", README, re.MULTILINE)) | set(re.findall(r"`lava-nbp (\w+)", README))
    assert named
    assert named <= commands


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
