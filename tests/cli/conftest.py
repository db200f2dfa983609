"""The command line in this process."""

import signal
import sys

import pytest
from experiments import DIGITS

from lava_nbp.cli import app


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in an empty folder with config.toml: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(DIGITS)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["lava-nbp", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            app.main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    yield call
    for number, handler in handlers.items():
        signal.signal(number, handler)
