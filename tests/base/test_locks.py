import os
import signal
import subprocess
import sys
import time

import pytest

from lava_nbp.base.locks import locked
from lava_nbp.errors import OutputError

HOLD = "import os, sys, time\nfrom pathlib import Path\nfrom lava_nbp.base.locks import locked\n"
HOLD += (
    "with locked(Path(sys.argv[1])):\n    if os.fork():\n        time.sleep(0.3)\n        print('held', flush=True)\n"
)
HOLD += "    time.sleep(60)\n"


def test_one_at_a_time_in_one_process_too(tmp_path):
    refused = rf"is being written by another .* \(process {os.getpid()}\); wait"
    with locked(tmp_path), pytest.raises(OutputError, match=refused), locked(tmp_path):
        raise AssertionError
    with locked(tmp_path):  # a refusal has not broken it
        assert os.listdir(tmp_path) == []


def test_it_ends_with_the_process_however_that_ends(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match=rf"\(process {other.pid}\)"), locked(tmp_path):
        raise AssertionError
    other.send_signal(signal.SIGKILL)
    other.wait()
    with locked(tmp_path):  # a child of it that lives on does not hold it
        pass
    os.killpg(other.pid, signal.SIGKILL)
    other.communicate()


def test_children_do_not_keep_it(tmp_path):
    with locked(tmp_path):
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    try:
        with locked(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_where_there_are_no_locks_it_goes_on(tmp_path, monkeypatch):
    with locked(tmp_path / "nowhere"):
        pass

    def refuses(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuses)
    with locked(tmp_path), locked(tmp_path):
        pass
