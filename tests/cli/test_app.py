"""The command line as a user meets it: exit codes, messages, signals."""

import os
import signal
import subprocess
import sys
import time

import pytest
from experiments import DIGITS
from interruptions import members_of

from lava_nbp.cli.stopping import WORDS

SLOW = ("lava.magma", "numba", "matplotlib.figure", "sklearn", "torch")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "nothing.toml"), "configuration nothing.toml cannot be read"),
        (("train", "config.toml", "--set", "epoch=3"), "unknown key epoch = 3; did you mean epochs?"),
        (("train", "config.toml", "--set", "network.n_hidden=0"), "network.n_hidden = 0"),
        (("train", "config.toml", "--set", "network.n_hidden=-3"), "network.n_hidden = -3"),
        (("train", "config.toml", "--set", "network.n_hidden=1000000000"), "network.n_hidden = 1000000000"),
        (("train", "config.toml", "--set", "network.initial_clip=255"), "network.initial_clip = 255"),
        (("train", "config.toml", "--set", "data.name=mnist", "--set", "data.root=nowhere"), "idx3-ubyte is missing"),
        (("train", "config.toml", "--out", "config.toml/run"), "output folder config.toml/run cannot be written"),
        (("train", "config.toml", "--resume", "--overwrite"), "give one of them"),
        (("evaluate", "nowhere"), "nowhere/checkpoint.npz is missing"),
        (("plot", "nowhere"), "nowhere/checkpoint.npz is missing"),
        (("trace", "--inputs", "config.toml", "--target", "spiking", "--out", "o.npz"), "cannot be read as .npz"),
        (("trace", "--inputs", "config.toml", "--target", "gpu", "--out", "o.npz"), "target is 'gpu', but must be"),
        (("export", "nowhere", "--format", "onnx"), "format is 'onnx', but must be one of nir, netx"),
        (("circuit", "nbp-guard"), "(did you mean 'nbp-guarded'?)"),
        (("circuit", "none.json"), "circuit none.json cannot be read"),
        (("circuit", "--network", "400"), "network is '400', but must be two or more sizes"),
        (("circuit", "--network", "400-10"), "circuit 'nbp' has 3 layers"),
        (("circuit", "--network", "400-0-10"), "n_hidden is 0"),
        (("bench", "--network", "1-2-x"), "network is '1-2-x'"),
        (("bench", "--network", "20-3"), "circuit 'nbp' has 3 layers"),
        (("bench", "--network", "1000-100000-10"), "takes some 3.4 h or more, but the limit is 0.5 h"),
        (("circuit", "--network", f"4-{5000 * '9'}"), "must be two or more sizes like 400-400-10"),
        (("train", "config.toml", "--set", "lava.timeout=nan"), "lava.timeout = nan: input should be a finite number"),
        (("plan", "config.toml", "--set", "network.n_hidden=1e400"), "network.n_hidden = inf: input should be a valid"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_code_2(run, tmp_path, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["config.toml"]


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("train",), ("trace", "--target", "gpu"), ("train", "config.toml", "--x")]
)
def test_usage_errors(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert err


@pytest.mark.parametrize("command", ["", "train", "trace", "plan", "faults"])
def test_help_is_made_from_the_tables_and_imports_nothing_slow(command):
    script = (
        "import sys\n"
        "from lava_nbp.cli.app import main\n"
        f"sys.argv = ['lava-nbp', *{command.split()!r}, '--help']\n"
        "try:\n    main()\nfinally:\n"
        f"    assert not [name for name in {SLOW!r} if name in sys.modules], sys.modules.keys()\n"
    )
    environment = os.environ | {"COLUMNS": "200", "TERM": "dumb"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    for word in {"trace": ["lava-primitives", "nbp-chip-guarded"], "plan": ["nahuku32"], "faults": ["pulse_loss"]}.get(
        command, []
    ):
        assert word in done.stdout


# ------------------------------------------------------------ from outside


def start(folder, *settings):
    """A training run in a session of its own, long enough to be stopped in the midst of an epoch."""
    (folder / "long.toml").write_text(DIGITS.replace("epochs = 3", "epochs = 6").replace("train = 200", "train = 1300"))
    options = [item for setting in settings for item in ("--set", setting)]
    command = [sys.executable, "-m", "lava_nbp", "train", "long.toml", "--out", "run", *options]
    return subprocess.Popen(
        command, cwd=folder, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_epoch(folder, epoch, process):
    metrics = folder / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not metrics.exists() or len(metrics.read_text().splitlines()) < epoch:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.15)  # into the next epoch


def nobody_is_left(session):
    deadline = time.monotonic() + 10
    while members_of(session) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not members_of(session)


def weights_of(folder):
    from lava_nbp.training.checkpoint import load_checkpoint

    state = load_checkpoint(folder / "run")
    return {name: w.tolist() for name, w in (state.weights | {f"c{k}": w for k, w in state.chosen.items()}).items()}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_stopped_on_lava_in_the_midst_of_an_epoch_and_resumed(run, tmp_path, how):
    process = start(tmp_path, "target=lava")
    wait_for_epoch(tmp_path, 2, process)
    if how == signal.SIGKILL:
        process.send_signal(how)
    else:
        os.killpg(process.pid, how)  # as a terminal does, and timeout
    _, err = process.communicate(timeout=15)
    assert process.returncode == {**{number: 128 + number for number in WORDS}, signal.SIGKILL: -9}[how], err
    if how in WORDS:
        assert err == f"{WORDS[how]}; the last finished epoch is in run; --resume goes on from there\n"
    assert nobody_is_left(process.pid)
    done = len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert 2 <= done < 6
    # Faster executors give the same bits: go on with one, and compare with a run that was never stopped.
    assert run("train", "long.toml", "--out", "run", "--resume", "--set", "target=sample")[0] == 0
    resumed = weights_of(tmp_path)
    assert run("train", "long.toml", "--out", "run", "--overwrite")[0] == 0
    assert weights_of(tmp_path) == resumed
