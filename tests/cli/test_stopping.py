"""How the program ends when it is told to: at any time, in one line, with the exit code that says so."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from experiments import DIGITS, content, experiment
from interruptions import TARGETS, heed, one_run, until_it_listens

from lava_nbp.cli import stopping
from lava_nbp.cli.console import ShownProgress, staged
from lava_nbp.runs.train import train


def begin(folder, *before):
    """A training that has begun to listen."""
    (folder / "config.toml").write_text(DIGITS.replace("epochs = 3", "epochs = 100000"))
    command = [*before, sys.executable, "-m", "lava_nbp", "train", "config.toml", "--out", "run"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    )
    until_it_listens(process)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_quiet_while_modules_are_imported(tmp_path, number):
    process = begin(tmp_path)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, "")
    assert err in ("", stopping.WORDS[number] + "\n")
    assert os.listdir(tmp_path) == ["config.toml"]


def test_a_run_that_ignores_hangups_goes_on(tmp_path):
    process = begin(tmp_path, "nohup")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def test_ctrl_c_in_an_import_does_not_change_the_exit_code(tmp_path):
    """Python would end itself by SIGINT: silently, and with another exit code."""
    (tmp_path / "made.py").write_text(
        "import sys\nfrom lava_nbp.cli import stopping\n"
        "try:\n    exec('raise KeyboardInterrupt')\nexcept KeyboardInterrupt:\n    pass\n"
        "stopping.keep_exit_code()\nsys.exit(130)\n"
    )
    assert subprocess.run([sys.executable, "-m", "made"], cwd=tmp_path, check=False).returncode == 130


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("sample", "HUP"),
        ("sample", "STOP"),
        ("sample", "DISK"),
        ("continuous", "KILL"),
        ("lava", "TERM"),
        ("lava", "INT"),
    ],
)
def test_interrupted_at_a_random_time_and_resumed_bit_for_bit(tmp_path, target, kind):
    """More of them, and for as long as one likes: python -m interruptions."""
    text, *settings = TARGETS[target]
    train(experiment(tmp_path, text, *settings), tmp_path / "whole")
    (tmp_path / "trial").mkdir()
    seed = str(random.randrange(1000))
    one_run(target, kind, seed, tmp_path / "trial", 0.5, content(tmp_path / "whole"), programs=0)


def test_a_signal_that_nobody_has_minded_is_raised_again(monkeypatch):
    monkeypatch.setattr(stopping, "_received", [])
    stopping.go_on_unless_told()
    stopping._received.append(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        ShownProgress().advance(1)
    assert ended.value.code == 143
    stopping._received.append(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), staged() as stage:
        stage("samples", 0, 1)
