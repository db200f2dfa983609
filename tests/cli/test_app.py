"""The command line as a user meets it: exit codes, messages, files, signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lava_nbp.cli import app as cli

CONFIG = (
    'seed = 2\nepochs = 3\n[data]\nname = "digits"\nvalidation = 50\ntrain = 200\ntest = 60\n[network]\nn_hidden = 20\n'
)


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in-process: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["lava-nbp", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code, captured.out, captured.err

    yield call
    signal.signal(signal.SIGTERM, handler)


def test_train_evaluate_plot(run, tmp_path):
    code, out, _ = run("train", "config.toml", "--out", "run", "--plot")
    assert code == 0
    assert "epoch 3/3" in out
    for name in ("result.json", "metrics.jsonl", "checkpoint.npz", "raster.png", "learning_curve.png"):
        assert (tmp_path / "run" / name).exists()
        assert name in out or name in ("metrics.jsonl", "checkpoint.npz")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    code, out, _ = run("evaluate", "run", "--json", "--target", "spiking")
    assert code == 0
    assert json.loads(out)["last"]["test_accuracy_spikes"] == result["test_accuracy_spikes"]
    code, out, _ = run("evaluate", "run")
    assert (code, f"{100 * result['test_accuracy_spikes']:.2f} %" in out) == (0, True)
    assert run("plot", "run")[0] == 0


def test_compare_export_report(run, tmp_path):
    assert run("train", "config.toml", "--out", "a", "--tensorboard")[0] == 0
    assert run("train", "config.toml", "--out", "b", "--set", "seed=3")[0] == 0
    assert list((tmp_path / "a" / "tensorboard").iterdir())
    code, out, _ = run("compare", "a", "b", "--json")
    assert code == 0
    rows = json.loads(out)
    result = json.loads((tmp_path / "b" / "result.json").read_text())
    assert rows[1]["accuracy"] == result["chosen"]["test_accuracy_spikes"]
    code, out, _ = run("compare", "a", "b")
    assert (code, f"{100 * rows[1]['accuracy']:.2f} %" in out) == (0, True)
    code, out, _ = run("compare", "a", "--style", "markdown")
    assert (code, "| a " in out) == (0, True)
    assert "error" in run("compare", "a", "none")[2]
    for form, name in (("nir", "network.nir"), ("netx", "network.net")):
        code, out, _ = run("export", "a", "--format", form)
        assert (code, (tmp_path / "a" / name).exists(), name in out) == (0, True, True)
    code, _, err = run("export", "a", "--format", "nir", "--dt", "0.5")
    assert (code, "dt is for EventProp networks" in err, err.count("\n")) == (2, True, 1)
    code, out, _ = run("report", "a", "--out", "page.html")
    assert (code, "page.html" in out, (tmp_path / "page.html").exists()) == (0, True, True)


def test_eventprop_train_evaluate_plot(run, tmp_path):
    (tmp_path / "eventprop.toml").write_text(
        'algorithm = "eventprop"\nepochs = 2\n[data]\nname = "yinyang"\nsource = "generated"\ntrain = 150\ntest = 40\n'
        "[encoding]\nlate = 30\nbias = 0\nend = 60\n"
        "[network]\nhidden = [15]\ninitial_mean = [2.0, 1.4]\ninitial_deviation = [0.78, 0.1]\n"
    )
    code, out, _ = run("train", "eventprop.toml", "--out", "run", "--plot")
    assert code == 0
    for shown in ("epoch 2/2", "ties wrong", "the samples are generated ones", "class_map.png", "raster.png"):
        assert shown in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    code, out, _ = run("evaluate", "run", "--json")
    assert (code, json.loads(out)["last"]["test_accuracy"]) == (0, result["test_accuracy"])
    code, _, err = run("evaluate", "run", "--target", "sample")
    assert (code, "target of eventprop is 'sample', but must be one of continuous" in err) == (2, True)


def test_default_folder_set_and_resume(run, tmp_path):
    assert run("train", "config.toml", "--set", "epochs=1", "--set", "seed=7")[0] == 0
    folder = tmp_path / "runs" / "config-sample-seed7"
    assert json.loads((folder / "result.json").read_text())["epochs"] == 1
    code, _, err = run("train", "config.toml", "--set", "seed=7")
    assert (code, "holds a run already" in err) == (2, True)
    code, out, _ = run("train", "config.toml", "--set", "seed=7", "--resume")
    assert (code, "going on after epoch 1" in out) == (0, True)
    assert json.loads((folder / "result.json").read_text())["epochs"] == 3


def test_trace(run, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(
        "in.npz", x=rng.integers(0, 2, (3, 6)), labels=[0, 1, 1],
        W1=2 * rng.integers(-127, 128, (6, 5)), W2=2 * rng.integers(-127, 128, (5, 2)),
    )  # fmt: skip
    for circuit, steps in (("nbp", 37), ("inference", 13)):
        code, out, _ = run(
            "trace", "--inputs", "in.npz", "--target", "spiking", "--out", "out.npz", "--circuit", circuit
        )
        assert code == 0
        assert f"in {steps} steps: out.npz" in out
        with np.load("out.npz") as archive:
            assert len(archive["spikes/o"]) == steps


def test_circuit(run):
    code, out, _ = run("circuit")
    assert code == 0
    assert "3282 neurons, 517203 synapses" in out
    assert "h1 in phase 1: fires if W1 delivers more than 9216" in out
    code, out, _ = run("circuit", "inference", "--network", "4-3-2", "--style", "markdown")
    assert (code, out.splitlines()[0]) == (0, "| phase | chain | fires | inhibited | learns | meaning |")
    assert "No weights can breach" in run("circuit", "--network", "8-8-2")[1]


def test_bench(run, tmp_path, monkeypatch):
    from lava_nbp.executors import bench

    monkeypatch.delenv("LAVA_NBP_DATA", raising=False)
    monkeypatch.setattr(bench, "_CASES", tuple((*case[:3], 10) for case in bench._CASES))
    monkeypatch.setattr(bench, "_PRIMITIVES", ((12, 9, 4), 2))
    code, out, _ = run("bench", "--network", "20-10-3", "--out", "b.json")
    assert (code, "NumPy loop" in out) == (0, True)
    assert len(json.loads((tmp_path / "b.json").read_text())["executors"]) == 6
    assert "14 Lava processes" in " ".join(out.split())


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
        (("circuit", "--network", "400-10"), "network is '400-10', but must be three sizes"),
        (("circuit", "--network", "400-0-10"), "n_hidden is 0"),
        (("bench", "--network", "1-2-x"), "network is '1-2-x'"),
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


# ------------------------------------------------------------ from outside


def start(folder, *settings):
    """A training run in a session of its own, long enough to be stopped in the midst of an epoch."""
    (folder / "long.toml").write_text(CONFIG.replace("epochs = 3", "epochs = 6").replace("train = 200", "train = 1300"))
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


def members_of(session):
    """Processes of a session that are not zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, owner = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(owner) == session and state != "Z":
                found.append(int(entry.name))
    return found


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
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does
    else:
        process.send_signal(how)
    _, err = process.communicate(timeout=15)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[how], err
    if how == signal.SIGINT:
        assert err.startswith("interrupted; the last finished epoch is in run; --resume goes on")
    assert nobody_is_left(process.pid)
    done = len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    assert 2 <= done < 6
    # Faster executors give the same bits: go on with one, and compare with a run that was never stopped.
    assert run("train", "long.toml", "--out", "run", "--resume", "--set", "target=sample")[0] == 0
    resumed = weights_of(tmp_path)
    assert run("train", "long.toml", "--out", "run", "--overwrite")[0] == 0
    assert weights_of(tmp_path) == resumed


def test_plan(run, tmp_path):
    code, out, _ = run("plan", "config.toml", "--chip", "loihi1")
    assert code == 0
    assert "fits" in out
    assert "estimate, not a measurement" in out
    assert "network.chip_order = true trains the same way" in out
    assert (tmp_path / "plan.png").is_file()
    code, out, _ = run("plan", "config.toml", "--chip", "kapohopoint", "--inference", "--json")
    assert code == 0
    assert json.loads(out)["circuit"] == "inference"
    code, _, err = run("plan", "config.toml", "--chip", "loihi9")
    assert code == 2
    assert "chip is 'loihi9', but must be one of loihi1" in err


def test_chips_without_lava_loihi(run):
    code, _, err = run("train", "config.toml", "--set", "target=loihi2", "--set", "network.chip_order=true")
    assert code == 2
    assert err.startswith("error: target 'loihi2' needs Intel's lava-loihi")
    assert len(err.splitlines()) == 1
    code, _, err = run("trace", "--inputs", "a.npz", "--target", "loihi2", "--out", "b.npz")
    assert code == 2
    assert "a chip sends the output's spikes only; trace with lava-stock" in err


def test_faults(run):
    run("train", "config.toml", "--out", "made")
    code, out, _ = run("faults", "made", "--kind", "flips", "--rates", "0.1")
    assert code == 0
    assert "flips" in out
    code, _, err = run("faults", "made", "--rates", "a lot")
    assert code == 2
    assert "--rates is 'a lot', but must be numbers" in err
